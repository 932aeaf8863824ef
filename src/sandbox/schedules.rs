//! What a request can do to a subscription schedule.
//!
//! It must not decide what time does ([`super::schedule_phases`]). Invariants: a schedule that is over refuses every change;
//! a subscription has one schedule at most.

use serde_json::{Value, json};

use super::billing::after_intervals;
use super::changes::{self, PRICE_DATA, interval};
use super::checkout_params::RECURRING;
use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::params::{Kind, Param, check, optional, required};
use super::state::{Due, State, merged_metadata, text};

const CREATE: &[Param] = &[optional("from_subscription", Kind::Text)];

const PHASE_ITEM: Kind = Kind::Object(&[
    optional("metadata", Kind::Metadata),
    optional("price", Kind::Text),
    optional("price_data", Kind::Object(PRICE_DATA)),
    optional("quantity", Kind::Int(1, 999_999)),
]);

const PRORATIONS: Kind = Kind::OneOf(&["always_invoice", "create_prorations", "none"]);

const PHASE: Kind = Kind::Object(&[
    optional("billing_cycle_anchor", Kind::OneOf(&["automatic", "phase_start"])),
    optional("duration", Kind::Object(RECURRING)),
    optional("end_date", Kind::Time),
    required("items", Kind::List(&PHASE_ITEM)),
    optional("metadata", Kind::Metadata),
    optional("proration_behavior", PRORATIONS),
    optional("start_date", Kind::Time),
]);

const UPDATE: &[Param] = &[
    optional("end_behavior", Kind::OneOf(&["cancel", "release"])),
    optional("metadata", Kind::Metadata),
    optional("phases", Kind::List(&PHASE)),
    optional("proration_behavior", PRORATIONS),
];

const RELEASE: &[Param] = &[optional("preserve_cancel_date", Kind::Bool)];
const CANCEL: &[Param] = &[optional("invoice_now", Kind::Bool), optional("prorate", Kind::Bool)];

impl State {
    /// `POST /v1/subscription_schedules`: the sandbox takes over a subscription and begins none.
    pub fn create_schedule(&mut self, form: &Node) -> ApiResult {
        let params = check(form, CREATE)?;
        let subscription = text(&params, "from_subscription");
        if subscription.is_empty() {
            return Err(ApiError::param("customer", "Missing required param: customer.").code("parameter_missing"));
        }
        if !self.has("subscription", subscription) {
            let message = format!("No such subscription: '{subscription}'");
            return Err(ApiError::param("from_subscription", message).code("resource_missing"));
        }
        let status = self.text(subscription, "status");
        if matches!(status.as_str(), "canceled" | "incomplete" | "incomplete_expired") {
            let message = format!("You cannot migrate a subscription that is {status}.");
            return Err(ApiError::param("from_subscription", message));
        }
        let managed = self.text(subscription, "schedule");
        if !managed.is_empty() {
            let message =
                format!("You cannot migrate a subscription that is already attached to a schedule: `{managed}`");
            return Err(ApiError::param("from_subscription", message));
        }
        let id = self.insert_schedule(subscription);
        self.patch(subscription, json!({"schedule": id}));
        self.emit("subscription_schedule.created", &id);
        self.emit_previous("customer.subscription.updated", subscription, json!({"schedule": null}));
        Ok(self.get(&id).clone())
    }

    fn insert_schedule(&mut self, subscription: &str) -> String {
        let (id, at) = (self.new_id("sub_sched"), self.at);
        let known = self.get(subscription).clone();
        let item = &known["items"]["data"][0];
        let (start, end) = (&item["current_period_start"], &item["current_period_end"]);
        let ends = known["cancel_at_period_end"] == true;
        let items = json!([phase_item(&item["price"], changes::quantity(item, item))]);
        let phase =
            phase(&known["currency"], &known["metadata"], &items, start, end, "create_prorations", &Value::Null);
        self.insert(json!({
            "id": id, "object": "subscription_schedule", "application": null, "billing_mode": known["billing_mode"],
            "canceled_at": null, "completed_at": null, "created": at,
            "current_phase": {"start_date": start, "end_date": end}, "customer": known["customer"],
            "customer_account": null,
            "default_settings": {"application_fee_percent": null,
                "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
                "billing_cycle_anchor": "automatic", "billing_thresholds": null,
                "collection_method": "charge_automatically", "default_payment_method": null, "description": null,
                "invoice_settings": {"account_tax_ids": null, "days_until_due": null, "issuer": {"type": "self"}},
                "on_behalf_of": null, "transfer_data": null},
            "end_behavior": if ends { "cancel" } else { "release" }, "livemode": false, "metadata": {},
            "phases": [phase], "released_at": null, "released_subscription": null, "status": "active",
            "subscription": subscription, "test_clock": null,
        }));
        self.schedule(end.as_i64().unwrap_or(at), Due::EnterPhase(subscription.to_owned()));
        id
    }

    /// `POST /v1/subscription_schedules/{id}`
    pub fn update_schedule(&mut self, id: &str, form: &Node) -> ApiResult {
        let params = check(form, UPDATE)?;
        self.running(id)?;
        let mut fields = json!({});
        if !params["metadata"].is_null() {
            fields["metadata"] = merged_metadata(&self.get(id)["metadata"], &params["metadata"]);
        }
        if let Some(end) = params["end_behavior"].as_str() {
            fields["end_behavior"] = json!(end);
        }
        if let Some(phases) = params["phases"].as_array() {
            let phases = self.read_phases(id, phases)?;
            self.check_present(id, &phases)?;
            let end = phases.iter().find(|phase| self.is_present(phase)).map(|phase| phase["end_date"].clone());
            fields["current_phase"] = self.get(id)["current_phase"].clone();
            fields["current_phase"]["end_date"] = end.unwrap_or(Value::Null);
            let subscription = self.text(id, "subscription");
            for phase in &phases {
                if let Some(end) = phase["end_date"].as_i64().filter(|end| *end > self.at) {
                    self.schedule(end, Due::EnterPhase(subscription.clone()));
                }
            }
            fields["phases"] = json!(phases);
        }
        let previous = self.patch(id, fields);
        self.emit_previous("subscription_schedule.updated", id, previous);
        Ok(self.get(id).clone())
    }

    fn is_present(&self, phase: &Value) -> bool {
        let time = |name: &str| phase[name].as_i64().unwrap_or(0);
        time("start_date") <= self.at && self.at < time("end_date")
    }

    /// The phases a request asks for: each begins where the one before ends.
    fn read_phases(&mut self, id: &str, asked: &[Value]) -> Result<Vec<Value>, ApiError> {
        let subscription = self.get(&self.text(id, "subscription")).clone();
        let currency = text(&subscription, "currency").to_owned();
        let mut phases: Vec<Value> = Vec::new();
        for (place, each) in asked.iter().enumerate() {
            let path = format!("phases[{place}]");
            let begin = phases.last().map_or_else(|| each["start_date"].as_i64(), |last| last["end_date"].as_i64());
            let Some(start) = begin else {
                let message = "The first phase of an active schedule must have the start_date of the current phase.";
                return Err(ApiError::param(format!("{path}[start_date]"), message));
            };
            if each["start_date"].as_i64().is_some_and(|given| given != start) {
                let message = "The start_date of a phase must be equal to the end_date of the phase before.";
                return Err(ApiError::param(format!("{path}[start_date]"), message));
            }
            let items = each["items"].as_array().map_or(&[] as &[Value], Vec::as_slice);
            let [item] = items else {
                return Err(ApiError::param(format!("{path}[items]"), "The sandbox models phases of one item."));
            };
            let Some(price) = changes::price(self, item, &currency, &format!("{path}[items][0]"))? else {
                let message = "You must specify either `price` or `price_data`.";
                return Err(ApiError::param(format!("{path}[items][0]"), message));
            };
            let end = phase_end(each, &price, start, &path)?;
            let items = json!([phase_item(&price, changes::quantity(item, &Value::Null))]);
            let prorates = each["proration_behavior"].as_str().unwrap_or("create_prorations");
            let metadata = if each["metadata"].is_null() { json!({}) } else { each["metadata"].clone() };
            let anchor = &each["billing_cycle_anchor"];
            phases.push(phase(
                &subscription["currency"],
                &metadata,
                &items,
                &json!(start),
                &json!(end),
                prorates,
                anchor,
            ));
        }
        Ok(phases)
    }

    /// What runs now keeps its beginning; the sandbox leaves its price alone too.
    fn check_present(&self, id: &str, phases: &[Value]) -> Result<(), ApiError> {
        let refuse = |message: &str| Err(ApiError::param("phases", message));
        let begun = &self.get(id)["current_phase"]["start_date"];
        let Some(present) = phases.iter().find(|phase| self.is_present(phase)) else {
            return refuse("You must include the current phase, and it must end in the future.");
        };
        if present["start_date"] != *begun {
            return refuse("You can not modify the start_date of the current phase.");
        }
        let item = &self.get(&self.text(id, "subscription"))["items"]["data"][0];
        if present["items"][0]["price"] != item["price"]["id"] {
            return refuse("The sandbox does not change the price of the current phase: update the subscription.");
        }
        Ok(())
    }

    fn running(&self, id: &str) -> Result<(), ApiError> {
        match self.text(id, "status").as_str() {
            "active" | "not_started" => Ok(()),
            status => Err(ApiError::invalid(format!(
                "You cannot update or end a subscription schedule that is currently in the `{status}` status."
            ))),
        }
    }

    /// `POST /v1/subscription_schedules/{id}/release`
    pub fn release_by_request(&mut self, id: &str, form: &Node) -> ApiResult {
        check(form, RELEASE)?;
        self.running(id)?;
        self.release(id);
        Ok(self.get(id).clone())
    }

    /// `POST /v1/subscription_schedules/{id}/cancel`: the subscription ends with it.
    pub fn cancel_schedule(&mut self, id: &str, form: &Node) -> ApiResult {
        check(form, CANCEL)?;
        self.running(id)?;
        let subscription = self.text(id, "subscription");
        self.patch(&subscription, json!({"canceled_at": self.at}));
        self.cancel(&subscription, "cancellation_requested");
        Ok(self.get(id).clone())
    }
}

fn phase_end(asked: &Value, price: &Value, start: i64, path: &str) -> Result<i64, ApiError> {
    let end = match (asked["end_date"].as_i64(), &asked["duration"]) {
        (Some(end), Value::Null) => end,
        (Some(_), _) => {
            let message = "You may only specify one of these parameters: duration, end_date.";
            return Err(ApiError::param(path, message));
        }
        (None, Value::Null) => {
            let (each, count) = interval(price);
            after_intervals(start, each, count)
        }
        (None, given) => after_intervals(start, text(given, "interval"), given["interval_count"].as_i64().unwrap_or(1)),
    };
    if end <= start {
        return Err(ApiError::param(format!("{path}[end_date]"), "The end_date must be after the start_date."));
    }
    Ok(end)
}

fn phase_item(price: &Value, quantity: i64) -> Value {
    json!({"billing_thresholds": null, "discounts": [], "metadata": {}, "plan": price["id"], "price": price["id"],
        "quantity": quantity, "tax_rates": []})
}

fn phase(
    currency: &Value,
    metadata: &Value,
    items: &Value,
    start: &Value,
    end: &Value,
    prorates: &str,
    anchor: &Value,
) -> Value {
    json!({
        "add_invoice_items": [], "application_fee_percent": null, "automatic_tax": null,
        "billing_cycle_anchor": anchor, "billing_thresholds": null, "collection_method": null, "currency": currency,
        "default_payment_method": null, "default_tax_rates": [], "description": null, "discounts": [],
        "end_date": end, "invoice_settings": null, "items": items, "metadata": metadata, "on_behalf_of": null,
        "proration_behavior": prorates, "start_date": start, "transfer_data": null, "trial_end": null,
    })
}
