//! The account's webhook endpoints, made and changed through the API.
//!
//! It must not send anything ([`super::webhooks`] does). Invariants: the secret is told once, by the answer that made
//! the endpoint; the API version never changes. Stripe refuses addresses that it cannot reach; here all endpoints are
//! on this machine, so loopback addresses are taken, and every endpoint is sent the shapes of one version.

use serde_json::{Value, json};

use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::params::{Kind, Param, check, optional, required};
use super::state::{API_VERSION, State, merged_metadata, metadata, text};

/// How many endpoints an account may have in one mode.
const ENDPOINTS_MAX: usize = 16;
/// The versions an endpoint can be made with.
const VERSIONS: [&str; 3] = [API_VERSION, "2026-08-26.dahlia", "2025-03-31.basil"];
const KINDS: Kind = Kind::List(&Kind::OneOf(EVENT_TYPES));

const CREATE: &[Param] = &[
    optional("api_version", Kind::OneOf(&VERSIONS)),
    optional("connect", Kind::Bool),
    optional("description", Kind::Clearable(&Kind::Text)),
    required("enabled_events", KINDS),
    optional("metadata", Kind::Metadata),
    required("url", Kind::Url),
];

const UPDATE: &[Param] = &[
    optional("description", Kind::Clearable(&Kind::Text)),
    optional("disabled", Kind::Bool),
    optional("enabled_events", KINDS),
    optional("metadata", Kind::Metadata),
    optional("url", Kind::Url),
];

/// `POST /v1/webhook_endpoints`
pub(super) fn create(state: &mut State, form: &Node) -> ApiResult {
    let params = check(form, CREATE)?;
    check_events(&params)?;
    if state.all("webhook_endpoint").count() >= ENDPOINTS_MAX {
        let message = format!("You have reached the maximum of {ENDPOINTS_MAX} test webhook endpoints.");
        return Err(ApiError::invalid(message));
    }
    let (id, at) = (state.new_id("we"), state.at);
    let secret = format!("whsec_{}", state.random.hex());
    state.insert(json!({
        "id": id, "object": "webhook_endpoint", "api_version": params["api_version"], "application": null,
        "created": at, "description": params["description"], "enabled_events": params["enabled_events"],
        "livemode": false, "metadata": metadata(&params), "status": "enabled", "url": params["url"],
    }));
    state.outbound.add(text(&params, "url"), &secret, Some(&id));
    listen(state, &id);
    let mut made = state.get(&id).clone();
    made["secret"] = json!(secret);
    Ok(made)
}

/// `POST /v1/webhook_endpoints/{id}`
pub(super) fn update(state: &mut State, id: &str, form: &Node) -> ApiResult {
    let params = check(form, UPDATE)?;
    check_events(&params)?;
    let mut fields = json!({});
    for name in ["description", "enabled_events", "url"] {
        if let Some(value) = params.get(name) {
            fields[name] = value.clone();
        }
    }
    if let Some(disabled) = params["disabled"].as_bool() {
        fields["status"] = json!(if disabled { "disabled" } else { "enabled" });
    }
    if !params["metadata"].is_null() {
        fields["metadata"] = merged_metadata(&state.get(id)["metadata"], &params["metadata"]);
    }
    state.patch(id, fields);
    listen(state, id);
    Ok(state.get(id).clone())
}

/// `DELETE /v1/webhook_endpoints/{id}`
pub(super) fn delete(state: &mut State, id: &str, form: &Node) -> ApiResult {
    check(form, &[])?;
    state.remove("webhook_endpoint", id);
    listen(state, id);
    Ok(json!({"id": id, "object": "webhook_endpoint", "deleted": true}))
}

/// Has events sent as the endpoint says; one that is gone or disabled gets none.
fn listen(state: &mut State, id: &str) {
    let endpoint = state.get(id).clone();
    let kinds = endpoint["enabled_events"].as_array().filter(|_| endpoint["status"] == "enabled");
    let kinds = kinds.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    state.outbound.set(id, text(&endpoint, "url"), kinds);
}

fn check_events(params: &Value) -> Result<(), ApiError> {
    let Some(kinds) = params["enabled_events"].as_array() else { return Ok(()) };
    let wrong = |message: &str| Err(ApiError::param("enabled_events", message));
    match kinds.len() {
        0 => wrong("enabled_events must name at least one event"),
        1 => Ok(()),
        _ if kinds.iter().any(|kind| kind == "*") => wrong("'*' cannot be given beside other events"),
        _ => Ok(()),
    }
}

/// The event types an endpoint can ask for, of the objects that the sandbox knows.
pub(super) const EVENT_TYPES: &[&str] = &[
    "*",
    "account.application.authorized",
    "account.application.deauthorized",
    "account.external_account.created",
    "account.external_account.deleted",
    "account.external_account.updated",
    "account.updated",
    "balance.available",
    "billing_portal.configuration.created",
    "billing_portal.configuration.updated",
    "billing_portal.session.created",
    "charge.captured",
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.expired",
    "charge.failed",
    "charge.pending",
    "charge.refund.updated",
    "charge.refunded",
    "charge.succeeded",
    "charge.updated",
    "checkout.session.async_payment_failed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.completed",
    "checkout.session.expired",
    "customer.created",
    "customer.deleted",
    "customer.discount.created",
    "customer.discount.deleted",
    "customer.discount.updated",
    "customer.source.created",
    "customer.source.deleted",
    "customer.source.expiring",
    "customer.source.updated",
    "customer.subscription.created",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.pending_update_applied",
    "customer.subscription.pending_update_expired",
    "customer.subscription.resumed",
    "customer.subscription.trial_will_end",
    "customer.subscription.updated",
    "customer.tax_id.created",
    "customer.tax_id.deleted",
    "customer.tax_id.updated",
    "customer.updated",
    "invoice.created",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_attempt_required",
    "invoice.payment_failed",
    "invoice.payment_succeeded",
    "invoice.sent",
    "invoice.upcoming",
    "invoice.updated",
    "invoice.voided",
    "invoice.will_be_due",
    "invoice_payment.paid",
    "payment_intent.amount_capturable_updated",
    "payment_intent.canceled",
    "payment_intent.created",
    "payment_intent.partially_funded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payout.canceled",
    "payout.created",
    "payout.failed",
    "payout.paid",
    "payout.reconciliation_completed",
    "payout.updated",
    "price.created",
    "price.deleted",
    "price.updated",
    "product.created",
    "product.deleted",
    "product.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "subscription_schedule.aborted",
    "subscription_schedule.canceled",
    "subscription_schedule.completed",
    "subscription_schedule.created",
    "subscription_schedule.expiring",
    "subscription_schedule.released",
    "subscription_schedule.updated",
];
