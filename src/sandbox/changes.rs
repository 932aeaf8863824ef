//! What a subscription costs and how often, changed while it runs.
//!
//! It must not decide when that happens: a request does ([`super::subscriptions`]), or a schedule
//! ([`super::schedule_phases`]). Invariant: the same interval keeps its days; another one begins anew, with an invoice at
//! once, as at Stripe.

use serde_json::{Value, json};

use super::billing::{after_intervals, plan};
use super::catalog;
use super::checkout_params::RECURRING;
use super::error::ApiError;
use super::money;
use super::params::{Kind, Param, optional, required};
use super::state::{Due, State, text};

pub(super) const PRICE_DATA: &[Param] = &[
    required("currency", Kind::Currency),
    required("product", Kind::Text),
    required("recurring", Kind::Object(RECURRING)),
    optional("tax_behavior", Kind::OneOf(&["exclusive", "inclusive", "unspecified"])),
    required("unit_amount", Kind::Int(0, money::AMOUNT_MAX)),
];

pub(super) const ITEM: Kind = Kind::Object(&[
    optional("id", Kind::Text),
    optional("metadata", Kind::Metadata),
    optional("price", Kind::Text),
    optional("price_data", Kind::Object(PRICE_DATA)),
    optional("quantity", Kind::Int(1, 999_999)),
]);

/// What an item is to become.
pub(super) struct Change {
    pub price: Value,
    pub quantity: i64,
    pub prorates: Prorates,
    /// Whether periods begin anew even where the interval stays.
    pub anew: bool,
}

/// What becomes of the rest of a period when its price changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prorates {
    Not,
    WithTheNextInvoice,
    AtOnce,
}

impl Prorates {
    pub fn read(word: &str) -> Self {
        match word {
            "none" => Self::Not,
            "always_invoice" => Self::AtOnce,
            _ => Self::WithTheNextInvoice,
        }
    }
}

/// The change of the one item that a request asks for, if it asks for one.
pub(super) fn read(state: &mut State, id: &str, params: &Value) -> Result<Option<Change>, ApiError> {
    let item = state.get(id)["items"]["data"][0].clone();
    let anew = params["billing_cycle_anchor"] == "now";
    let prorates = Prorates::read(text(params, "proration_behavior"));
    let Some(asked) = params["items"].as_array() else {
        let change = || Change { price: item["price"].clone(), quantity: quantity(&item, &item), prorates, anew };
        return Ok(anew.then(change));
    };
    let [asked] = asked.as_slice() else {
        return Err(ApiError::param("items", "The sandbox models subscriptions of one item."));
    };
    if asked["id"] != item["id"] {
        let message = match text(asked, "id") {
            "" => "The sandbox models subscriptions of one item: name it by its id.".to_owned(),
            given => format!("No such subscription item: '{given}'"),
        };
        return Err(ApiError::param("items[0][id]", message).code("resource_missing"));
    }
    let price = match price(state, asked, text(&item["price"], "currency"), "items[0]")? {
        Some(price) => price,
        None => item["price"].clone(),
    };
    Ok(Some(Change { price, quantity: quantity(asked, &item), prorates, anew }))
}

pub(super) fn quantity(asked: &Value, item: &Value) -> i64 {
    asked["quantity"].as_i64().or_else(|| item["quantity"].as_i64()).unwrap_or(1)
}

/// The price an item names or describes, in the currency of its subscription.
pub(super) fn price(state: &mut State, asked: &Value, currency: &str, path: &str) -> Result<Option<Value>, ApiError> {
    let named = text(asked, "price");
    match (named.is_empty(), asked["price_data"].is_null()) {
        (true, true) => return Ok(None),
        (false, false) => {
            let message = "You may only specify one of these parameters: price, price_data.";
            return Err(ApiError::param(path, message));
        }
        (false, true) if !state.has("price", named) => {
            let message = format!("No such price: '{named}'");
            return Err(ApiError::param(format!("{path}[price]"), message).code("resource_missing"));
        }
        (true, false) => {
            let product = text(&asked["price_data"], "product");
            if !state.has("product", product) || state.get(product)["active"] != true {
                let message = format!("No such product: '{product}'");
                return Err(ApiError::param(format!("{path}[price_data][product]"), message).code("resource_missing"));
            }
        }
        (false, true) => {}
    }
    let given = if named.is_empty() { asked["price_data"].clone() } else { state.get(named).clone() };
    if text(&given, "currency") != currency {
        let message = format!(
            "The price specified only supports `{}`. This doesn't match the expected currency: `{currency}`.",
            text(&given, "currency")
        );
        return Err(ApiError::param(path, message));
    }
    let least = money::minimum(currency).unwrap_or(0);
    if given["unit_amount"].as_i64().is_some_and(|amount| amount % money::step(currency) != 0 || amount < least) {
        let message = format!("Invalid amount in {currency}.");
        return Err(ApiError::param(format!("{path}[price_data][unit_amount]"), message).code("amount_too_small"));
    }
    Ok(Some(if named.is_empty() { catalog::price_from(state, &given) } else { given }))
}

/// The interval of a price, in words that can be compared.
pub(super) fn interval(price: &Value) -> (&str, i64) {
    let recurring = &price["recurring"];
    (text(recurring, "interval"), recurring["interval_count"].as_i64().unwrap_or(1))
}

impl State {
    /// Puts a changed item in `fields`; whether an invoice follows at once.
    pub fn take_price(&mut self, id: &str, change: &Change, fields: &mut Value) -> bool {
        let mut items = self.get(id)["items"].clone();
        let item = &mut items["data"][0];
        let begins_anew = change.anew || interval(&item["price"]) != interval(&change.price);
        let prorated = if change.prorates == Prorates::Not { 0 } else { self.prorated(item, change, begins_anew) };
        item["price"] = change.price.clone();
        item["plan"] = plan(&change.price);
        item["quantity"] = json!(change.quantity);
        if begins_anew {
            let (each, count) = interval(&change.price);
            let end = after_intervals(self.at, each, count);
            item["current_period_start"] = json!(self.at);
            item["current_period_end"] = json!(end);
            fields["billing_cycle_anchor"] = json!(self.at);
            self.schedule(end, Due::EndPeriod(id.to_owned()));
        }
        fields["items"] = items;
        if let Some(known) = self.agreements.get_mut(id) {
            known.prorated_minor += prorated;
            known.periods = if begins_anew { 1 } else { known.periods };
        }
        begins_anew || change.prorates == Prorates::AtOnce
    }

    /// What the rest of the period costs more, or less.
    fn prorated(&self, item: &Value, change: &Change, begins_anew: bool) -> i64 {
        let of = |price: &Value, quantity: i64| price["unit_amount"].as_i64().unwrap_or(0) * quantity;
        let time = |name: &str| item[name].as_i64().unwrap_or(self.at);
        let (begin, end) = (time("current_period_start"), time("current_period_end"));
        let new = if begins_anew { 0 } else { of(&change.price, change.quantity) };
        let more = new - of(&item["price"], quantity(item, item));
        more * (end - self.at).max(0) / (end - begin).max(1)
    }

    /// The invoice that a change brings before the period is over.
    pub fn invoice_at_once(&mut self, id: &str) {
        let invoice = self.draft_invoice(id, "subscription_update");
        if !self.close_if_paused(id, &invoice) {
            self.open_invoice(&invoice);
            self.collect(&invoice);
        }
    }
}
