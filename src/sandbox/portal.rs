//! Sessions of the customer portal, where a donor looks after a subscription.
//!
//! It must not change a subscription; its page does, as a person would ([`super::pages`]).

use serde_json::{Value, json};

use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::params::{Kind, Param, check, optional, required};
use super::state::{State, text};

const CREATE: &[Param] = &[
    optional("configuration", Kind::Text),
    required("customer", Kind::Text),
    optional("flow_data", Kind::Unmodelled),
    optional("locale", Kind::Text),
    optional("return_url", Kind::Url),
];

/// `POST /v1/billing_portal/sessions`
pub(super) fn create(state: &mut State, form: &Node) -> ApiResult {
    let params = check(form, CREATE)?;
    let customer = text(&params, "customer");
    if !state.has("customer", customer) || state.get(customer)["deleted"] == true {
        let message = format!("No such customer: '{customer}'");
        return Err(ApiError::param("customer", message).code("resource_missing"));
    }
    let id = state.new_id("bps");
    let (at, url) = (state.at, format!("{}p/session/{id}", state.base));
    let locale = if params["locale"].is_null() { Value::Null } else { params["locale"].clone() };
    state.insert(json!({
        "id": id, "object": "billing_portal.session", "configuration": "bpc_sandbox", "created": at,
        "customer": customer, "customer_account": null, "flow": null, "livemode": false, "locale": locale,
        "on_behalf_of": null, "return_url": params["return_url"], "url": url,
    }));
    Ok(state.get(&id).clone())
}
