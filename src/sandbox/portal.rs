//! The customer portal, where a donor looks after a subscription: how it is set up, and visits to it.
//!
//! It must not change a subscription; its page does, as a person would ([`super::pages`]).

use serde_json::{Value, json};

use super::card::Card;
use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::params::{Kind, Param, check, optional, required};
use super::state::{State, merged_metadata, metadata, text};

const VISIT: &[Param] = &[
    optional("configuration", Kind::Text),
    required("customer", Kind::Text),
    optional("flow_data", Kind::Object(FLOW)),
    optional("locale", Kind::Text),
    optional("return_url", Kind::Url),
];

/// Of Stripe's flows the one that is modelled.
const FLOW: &[Param] =
    &[optional("after_completion", Kind::Unmodelled), required("type", Kind::OneOf(&["payment_method_update"]))];

const PRORATIONS: Kind = Kind::OneOf(&["always_invoice", "create_prorations", "none"]);
const UPDATES: Kind = Kind::OneOf(&["address", "email", "name", "phone", "shipping", "tax_id"]);
const REASONS: Kind = Kind::OneOf(&[
    "customer_service",
    "low_quality",
    "missing_features",
    "other",
    "switched_service",
    "too_complex",
    "too_expensive",
    "unused",
]);

const FEATURES: &[Param] = &[
    optional(
        "customer_update",
        Kind::Object(&[
            optional("allowed_updates", Kind::Clearable(&Kind::List(&UPDATES))),
            required("enabled", Kind::Bool),
        ]),
    ),
    optional("invoice_history", Kind::Object(&[required("enabled", Kind::Bool)])),
    optional(
        "payment_method_update",
        Kind::Object(&[
            required("enabled", Kind::Bool),
            optional("payment_method_configuration", Kind::Clearable(&Kind::Text)),
        ]),
    ),
    optional(
        "subscription_cancel",
        Kind::Object(&[
            optional(
                "cancellation_reason",
                Kind::Object(&[
                    required("enabled", Kind::Bool),
                    optional("options", Kind::Clearable(&Kind::List(&REASONS))),
                ]),
            ),
            required("enabled", Kind::Bool),
            optional("mode", Kind::OneOf(&["at_period_end", "immediately"])),
            optional("proration_behavior", PRORATIONS),
        ]),
    ),
    optional(
        "subscription_update",
        Kind::Object(&[
            optional("default_allowed_updates", Kind::Unmodelled),
            required("enabled", Kind::Bool),
            optional("products", Kind::Unmodelled),
            optional("proration_behavior", PRORATIONS),
        ]),
    ),
];

const PROFILE: &[Param] = &[
    optional("headline", Kind::Clearable(&Kind::Short(60))),
    optional("privacy_policy_url", Kind::Clearable(&Kind::Url)),
    optional("terms_of_service_url", Kind::Clearable(&Kind::Url)),
];

const CREATE: &[Param] = &[
    optional("business_profile", Kind::Object(PROFILE)),
    optional("default_return_url", Kind::Clearable(&Kind::Url)),
    required("features", Kind::Object(FEATURES)),
    optional("login_page", Kind::Object(&[required("enabled", Kind::Bool)])),
    optional("metadata", Kind::Metadata),
    optional("name", Kind::Clearable(&Kind::Short(250))),
];

const UPDATE: &[Param] = &[
    optional("active", Kind::Bool),
    optional("business_profile", Kind::Object(PROFILE)),
    optional("default_return_url", Kind::Clearable(&Kind::Url)),
    optional("features", Kind::Object(FEATURES)),
    optional("login_page", Kind::Object(&[required("enabled", Kind::Bool)])),
    optional("metadata", Kind::Metadata),
    optional("name", Kind::Clearable(&Kind::Short(250))),
];

/// `POST /v1/billing_portal/sessions`
pub(super) fn create(state: &mut State, form: &Node) -> ApiResult {
    let params = check(form, VISIT)?;
    let customer = text(&params, "customer");
    if !state.has("customer", customer) || state.get(customer)["deleted"] == true {
        let message = format!("No such customer: '{customer}'");
        return Err(ApiError::param("customer", message).code("resource_missing"));
    }
    let configuration = match text(&params, "configuration") {
        "" => "bpc_sandbox",
        given if state.get(given)["active"] == true && state.has(CONFIGURATION, given) => given,
        given => {
            let message = format!("No such configuration: '{given}'");
            return Err(ApiError::param("configuration", message).code("resource_missing"));
        }
    };
    let flow = match text(&params["flow_data"], "type") {
        "" => Value::Null,
        kind => json!({"type": kind, "subscription_cancel": null, "subscription_update": null,
            "subscription_update_confirm": null, "customer_update": null,
            "after_completion": {"type": "portal_homepage", "hosted_confirmation": null, "redirect": null}}),
    };
    let id = state.new_id("bps");
    let (at, url) = (state.at, format!("{}p/session/{id}", state.base));
    let locale = if params["locale"].is_null() { Value::Null } else { params["locale"].clone() };
    state.insert(json!({
        "id": id, "object": "billing_portal.session", "configuration": configuration, "created": at,
        "customer": customer, "customer_account": null, "flow": flow, "livemode": false, "locale": locale,
        "on_behalf_of": null, "return_url": params["return_url"], "url": url,
    }));
    Ok(state.get(&id).clone())
}

impl State {
    /// A person changes the card of a customer: all that the customer gives is charged on it from now on.
    pub fn change_card(&mut self, customer: &str, card: Card) {
        let theirs: Vec<String> = self
            .all("subscription")
            .filter(|known| text(known, "customer") == customer)
            .map(|known| text(known, "id").to_owned())
            .collect();
        for id in theirs {
            if let Some(agreement) = self.agreements.get_mut(&id) {
                agreement.card = card.off_session();
            }
        }
        let method = self.new_id("pm");
        let mut settings = self.get(customer)["invoice_settings"].clone();
        settings["default_payment_method"] = json!(method);
        self.change("customer.updated", customer, json!({"invoice_settings": settings}));
    }
}

const CONFIGURATION: &str = "billing_portal.configuration";

/// `POST /v1/billing_portal/configurations`. What is made through the API is never the account's default.
pub(super) fn create_configuration(state: &mut State, form: &Node) -> ApiResult {
    let params = check(form, CREATE)?;
    if params["features"].as_object().is_none_or(serde_json::Map::is_empty) {
        let message = "You must enable at least one of the portal's features.";
        return Err(ApiError::param("features", message));
    }
    let (id, at) = (state.new_id("bpc"), state.at);
    let mut features = json!({
        "customer_update": {"allowed_updates": [], "enabled": false},
        "invoice_history": {"enabled": false},
        "payment_method_update": {"enabled": false, "payment_method_configuration": null},
        "subscription_cancel": {"cancellation_reason": {"enabled": false, "feedback_options": null, "options": []},
            "enabled": false, "mode": "at_period_end", "proration_behavior": "none"},
        "subscription_update": {"billing_cycle_anchor": null, "default_allowed_updates": [], "enabled": false,
            "products": null, "proration_behavior": "none", "schedule_at_period_end": {"conditions": []},
            "trial_update_behavior": "end_trial"},
    });
    merge(&mut features, &params["features"]);
    let profile = &params["business_profile"];
    state.insert(json!({
        "id": id, "object": CONFIGURATION, "active": true, "application": null,
        "business_profile": {"headline": profile["headline"], "privacy_policy_url": profile["privacy_policy_url"],
            "terms_of_service_url": profile["terms_of_service_url"]},
        "created": at, "default_return_url": params["default_return_url"], "features": features, "is_default": false,
        "livemode": false, "login_page": {"enabled": params["login_page"]["enabled"] == true, "url": null},
        "metadata": metadata(&params), "name": params["name"], "updated": at,
    }));
    state.emit("billing_portal.configuration.created", &id);
    Ok(state.get(&id).clone())
}

/// `POST /v1/billing_portal/configurations/{id}`
pub(super) fn update_configuration(state: &mut State, id: &str, form: &Node) -> ApiResult {
    let mut params = check(form, UPDATE)?;
    let mut fields = state.get(id).clone();
    if let Some(given) = params.get("metadata") {
        let merged = merged_metadata(&fields["metadata"], given);
        fields["metadata"] = merged;
    }
    if let Some(params) = params.as_object_mut() {
        params.remove("metadata");
        params.remove("expand");
    }
    merge(&mut fields, &params);
    fields["updated"] = json!(state.at);
    state.change("billing_portal.configuration.updated", id, fields);
    Ok(state.get(id).clone())
}

/// Lays what was given over what is there, part by part.
fn merge(there: &mut Value, given: &Value) {
    match (there, given) {
        (Value::Object(there), Value::Object(given)) => {
            for (name, value) in given {
                merge(there.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (there, given) if !given.is_null() || !there.is_array() => *there = given.clone(),
        (there, _) => *there = json!([]),
    }
}
