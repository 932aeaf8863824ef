//! What `POST /v1/checkout/sessions` takes, and Stripe's rules between its parameters.
//!
//! It must not change anything. Invariant: what leaves here describes a session that can be paid.

use serde_json::{Value, json};

use super::error::ApiError;
use super::form::Node;
use super::money;
use super::params::{Kind, Param, check, optional, required};
use super::state::{State, text};
use crate::clock::{DAY, HOUR, MINUTE};

const LOCALES: &[&str] = &[
    "auto", "bg", "cs", "da", "de", "el", "en", "en-GB", "es", "es-419", "et", "fi", "fil", "fr", "fr-CA", "hr", "hu",
    "id", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sl", "sv",
    "th", "tr", "vi", "zh", "zh-HK", "zh-TW",
];

pub(super) const PRODUCT_DATA: &[Param] = &[
    required("name", Kind::Text),
    optional("description", Kind::Text),
    optional("images", Kind::Unmodelled),
    optional("metadata", Kind::Metadata),
    optional("tax_code", Kind::Unmodelled),
    optional("tax_details", Kind::Unmodelled),
    optional("unit_label", Kind::Short(12)),
];

pub(super) const RECURRING: &[Param] = &[
    required("interval", Kind::OneOf(&["day", "week", "month", "year"])),
    optional("interval_count", Kind::Int(1, 365)),
];

const PRICE_DATA: &[Param] = &[
    required("currency", Kind::Currency),
    optional("product", Kind::Text),
    optional("product_data", Kind::Object(PRODUCT_DATA)),
    optional("recurring", Kind::Object(RECURRING)),
    optional("tax_behavior", Kind::OneOf(&["exclusive", "inclusive", "unspecified"])),
    required("unit_amount", Kind::Int(0, money::AMOUNT_MAX)),
];

const LINE_ITEM: Kind = Kind::Object(&[
    optional("adjustable_quantity", Kind::Unmodelled),
    optional("metadata", Kind::Metadata),
    optional("price", Kind::Text),
    optional("price_data", Kind::Object(PRICE_DATA)),
    optional("quantity", Kind::Int(1, 999_999)),
    optional("tax_rates", Kind::Unmodelled),
]);

const PAYMENT_INTENT_DATA: &[Param] = &[
    optional("application_fee_amount", Kind::Unmodelled),
    optional("capture_method", Kind::OneOf(&["automatic", "automatic_async"])),
    optional("description", Kind::Short(1_000)),
    optional("metadata", Kind::Metadata),
    optional("on_behalf_of", Kind::Unmodelled),
    optional("receipt_email", Kind::Text),
    optional("setup_future_usage", Kind::OneOf(&["off_session", "on_session"])),
    optional("shipping", Kind::Unmodelled),
    optional("statement_descriptor", Kind::Short(22)),
    optional("statement_descriptor_suffix", Kind::Short(22)),
    optional("transfer_data", Kind::Unmodelled),
    optional("transfer_group", Kind::Unmodelled),
];

const BILLING_MODE: &[Param] =
    &[required("type", Kind::OneOf(&["classic", "flexible"])), optional("flexible", Kind::Unmodelled)];

const SUBSCRIPTION_DATA: &[Param] = &[
    optional("application_fee_percent", Kind::Unmodelled),
    optional("billing_mode", Kind::Object(BILLING_MODE)),
    optional("default_tax_rates", Kind::Unmodelled),
    optional("description", Kind::Short(500)),
    optional("invoice_settings", Kind::Unmodelled),
    optional("metadata", Kind::Metadata),
    optional("on_behalf_of", Kind::Unmodelled),
    optional("proration_behavior", Kind::OneOf(&["create_prorations", "none"])),
    optional("transfer_data", Kind::Unmodelled),
    optional("trial_end", Kind::Time),
    optional("trial_period_days", Kind::Int(1, 730)),
    optional("trial_settings", Kind::Unmodelled),
];

const CREATE: &[Param] = &[
    optional("adaptive_pricing", Kind::Object(&[optional("enabled", Kind::Bool)])),
    optional("after_expiration", Kind::Unmodelled),
    optional("allow_promotion_codes", Kind::Bool),
    optional("automatic_tax", Kind::Unmodelled),
    optional("billing_address_collection", Kind::OneOf(&["auto", "required"])),
    optional("branding_settings", Kind::Unmodelled),
    optional("cancel_url", Kind::Url),
    optional("client_reference_id", Kind::Short(200)),
    optional("consent_collection", Kind::Unmodelled),
    optional("currency", Kind::Currency),
    optional("custom_fields", Kind::Unmodelled),
    optional("custom_text", Kind::Unmodelled),
    optional("customer", Kind::Text),
    optional("customer_account", Kind::Unmodelled),
    optional("customer_creation", Kind::OneOf(&["always", "if_required"])),
    optional("customer_email", Kind::Short(800)),
    optional("customer_update", Kind::Unmodelled),
    optional("discounts", Kind::Unmodelled),
    optional("excluded_payment_method_types", Kind::Unmodelled),
    optional("expires_at", Kind::Time),
    optional("integration_identifier", Kind::Text),
    optional("invoice_creation", Kind::Unmodelled),
    required("line_items", Kind::List(&LINE_ITEM)),
    optional("locale", Kind::OneOf(LOCALES)),
    optional("managed_payments", Kind::Unmodelled),
    optional("metadata", Kind::Metadata),
    required("mode", Kind::OneOf(&["payment", "setup", "subscription"])),
    optional("name_collection", Kind::Unmodelled),
    optional("origin_context", Kind::OneOf(&["mobile_app", "web"])),
    optional("payment_intent_data", Kind::Object(PAYMENT_INTENT_DATA)),
    optional("payment_method_collection", Kind::OneOf(&["always", "if_required"])),
    optional("payment_method_configuration", Kind::Unmodelled),
    optional("payment_method_data", Kind::Unmodelled),
    optional("payment_method_options", Kind::Unmodelled),
    optional("payment_method_types", Kind::List(&Kind::Text)),
    optional("phone_number_collection", Kind::Unmodelled),
    optional("saved_payment_method_options", Kind::Unmodelled),
    optional("shipping_address_collection", Kind::Unmodelled),
    optional("submit_type", Kind::OneOf(&["auto", "book", "donate", "pay", "subscribe"])),
    optional("subscription_data", Kind::Object(SUBSCRIPTION_DATA)),
    required("success_url", Kind::Url),
    optional("tax_id_collection", Kind::Unmodelled),
    optional("ui_mode", Kind::OneOf(&["elements", "embedded_page", "form", "hosted_page"])),
    optional("wallet_options", Kind::Unmodelled),
];

/// The parameters of a session that Stripe would make.
pub(super) fn read(state: &State, form: &Node) -> Result<Value, ApiError> {
    let params = check(form, CREATE)?;
    modes(&params)?;
    customer(state, &params)?;
    expiry(state.at, &params)?;
    lines(state, &params)?;
    Ok(params)
}

fn modes(params: &Value) -> Result<(), ApiError> {
    let mode = text(params, "mode");
    if mode == "setup" {
        return Err(ApiError::param("mode", "The sandbox has no `setup` mode."));
    }
    if !matches!(text(params, "ui_mode"), "" | "hosted_page") {
        return Err(ApiError::param("ui_mode", "The sandbox shows hosted pages only."));
    }
    let foreign: &[&str] = if mode == "payment" {
        &["subscription_data", "payment_method_collection"]
    } else {
        &["payment_intent_data", "customer_creation", "invoice_creation"]
    };
    match foreign.iter().find(|name| !params[**name].is_null()) {
        Some(name) => Err(ApiError::param(*name, format!("You can not pass `{name}` in `{mode}` mode."))),
        None => Ok(()),
    }
}

fn customer(state: &State, params: &Value) -> Result<(), ApiError> {
    let id = text(params, "customer");
    if id.is_empty() {
        return Ok(());
    }
    if !params["customer_email"].is_null() {
        return Err(ApiError::param(
            "customer",
            "You may only specify one of these parameters: customer, customer_email.",
        ));
    }
    if state.has("customer", id) && state.get(id)["deleted"] != true {
        return Ok(());
    }
    let message = format!("No such customer: '{id}'");
    Err(ApiError::param("customer", message).code("resource_missing"))
}

fn expiry(now: i64, params: &Value) -> Result<(), ApiError> {
    let Some(at) = params["expires_at"].as_i64() else { return Ok(()) };
    if at < now + 30 * MINUTE {
        let message = "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.";
        return Err(ApiError::param("expires_at", message));
    }
    if at > now + DAY + HOUR / 60 {
        let message = "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.";
        return Err(ApiError::param("expires_at", message));
    }
    Ok(())
}

fn lines(state: &State, params: &Value) -> Result<(), ApiError> {
    let recurring = params["mode"] == "subscription";
    let items = params["line_items"].as_array().map_or(&[][..], Vec::as_slice);
    if items.len() != 1 {
        let message = "The sandbox takes exactly one line item.";
        return Err(ApiError::param("line_items", message));
    }
    for (at, item) in items.iter().enumerate() {
        let path = format!("line_items[{at}]");
        if !item["price"].is_null() {
            let message = format!("No such price: '{}'", text(item, "price"));
            return Err(ApiError::param(format!("{path}[price]"), message).code("resource_missing"));
        }
        let price = &item["price_data"];
        if price.is_null() {
            return Err(ApiError::param(path, "You must specify either `price` or `price_data`."));
        }
        if item["quantity"].is_null() {
            return Err(ApiError::param(format!("{path}[quantity]"), "Quantity is required."));
        }
        product(state, price, &path)?;
        amount(price, item["quantity"].as_i64().unwrap_or(1), &path)?;
        match (recurring, price["recurring"].is_null()) {
            (true, true) => {
                let message = "You must provide at least one recurring price in `subscription` mode when using prices.";
                return Err(ApiError::param("mode", message));
            }
            (false, false) => {
                let message = "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.";
                return Err(ApiError::param("mode", message));
            }
            _ => {}
        }
    }
    Ok(())
}

fn product(state: &State, price: &Value, path: &str) -> Result<(), ApiError> {
    let id = text(price, "product");
    match (id.is_empty(), price["product_data"].is_null()) {
        (true, false) => Ok(()),
        (false, true) if state.has("product", id) && state.get(id)["active"] == true => Ok(()),
        (false, true) => {
            let message = format!("No such product: '{id}'");
            Err(ApiError::param(format!("{path}[price_data][product]"), message).code("resource_missing"))
        }
        _ => {
            let message = "You must specify exactly one of `product` and `product_data`.";
            Err(ApiError::param(format!("{path}[price_data]"), message))
        }
    }
}

fn amount(price: &Value, quantity: i64, path: &str) -> Result<(), ApiError> {
    let (currency, unit) = (text(price, "currency"), price["unit_amount"].as_i64().unwrap_or(0));
    let total = unit.saturating_mul(quantity);
    let least = money::minimum(currency).unwrap_or(0);
    let refuse =
        |message: String, code| Err(ApiError::param(format!("{path}[price_data][unit_amount]"), message).code(code));
    if total < least {
        let least = money::display(least, currency);
        return refuse(
            format!("The Checkout Session's total amount due must add up to at least {least}"),
            "amount_too_small",
        );
    }
    if total > money::AMOUNT_MAX {
        let most = money::display(money::AMOUNT_MAX, currency);
        return refuse(format!("The Checkout Session's total amount must be no more than {most}"), "amount_too_large");
    }
    let step = money::step(currency);
    if total % step != 0 {
        return refuse(format!("Amounts in {currency} must be a multiple of {step}."), "invalid_charge_amount");
    }
    Ok(())
}

/// The description of the account's own way to pay, as Stripe answers it.
pub(super) fn payment_method_options() -> Value {
    json!({"card": {"request_three_d_secure": "automatic"}})
}
