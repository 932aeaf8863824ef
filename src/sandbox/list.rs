//! Lists, as Stripe pages through them: newest first, narrowed by a few fields.
//!
//! It must not change anything. Invariant: following `starting_after` meets every object once while none are added.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::clock::DAY;

use super::balance;
use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::params::{Kind, Param, check, optional};
use super::state::{State, text};

const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: i64 = 100;
/// How long events are listed, in seconds.
const EVENTS_KEPT: i64 = 30 * DAY;
/// What cannot be narrowed by when it was made.
const UNDATED: [&str; 2] = ["webhook_endpoint", "billing_portal.configuration"];
/// How many event types one list may name.
const TYPES_MAX: usize = 20;

/// What can be listed and by which fields it can be narrowed (parameter, JSON pointer).
struct Listing {
    kind: &'static str,
    params: &'static [Param],
    fields: &'static [(&'static str, &'static str)],
}

macro_rules! listing {
    ($kind:literal, $($name:literal => $pointer:literal),* $(,)?) => {
        Listing {
            kind: $kind,
            params: &[
                optional("created", Kind::Range),
                optional("limit", Kind::Int(1, LIMIT_MAX)),
                optional("starting_after", Kind::Text),
                optional("ending_before", Kind::Text),
                optional("types", Kind::List(&Kind::Text)),
                optional("delivery_success", Kind::Bool),
                optional("arrival_date", Kind::Range),
                optional("payout", Kind::Text),
                $(optional($name, Kind::Text),)*
            ],
            fields: &[$(($name, $pointer)),*],
        }
    };
}

static LISTINGS: &[(&str, Listing)] = &[
    (
        "checkout/sessions",
        listing!("checkout.session", "customer" => "/customer", "payment_intent" => "/payment_intent",
            "subscription" => "/subscription", "status" => "/status"),
    ),
    ("products", listing!("product", "active" => "/active")),
    ("customers", listing!("customer", "email" => "/email")),
    ("payment_intents", listing!("payment_intent", "customer" => "/customer")),
    ("charges", listing!("charge", "customer" => "/customer", "payment_intent" => "/payment_intent")),
    (
        "balance_transactions",
        listing!("balance_transaction", "currency" => "/currency", "source" => "/source", "type" => "/type"),
    ),
    (
        "subscriptions",
        listing!("subscription", "customer" => "/customer", "status" => "/status",
            "collection_method" => "/collection_method"),
    ),
    ("subscription_schedules", listing!("subscription_schedule", "customer" => "/customer")),
    (
        "invoices",
        listing!("invoice", "customer" => "/customer", "status" => "/status",
            "subscription" => "/parent/subscription_details/subscription",
            "collection_method" => "/collection_method"),
    ),
    ("invoice_payments", listing!("invoice_payment", "invoice" => "/invoice", "status" => "/status")),
    ("refunds", listing!("refund", "charge" => "/charge", "payment_intent" => "/payment_intent")),
    ("disputes", listing!("dispute", "charge" => "/charge", "payment_intent" => "/payment_intent")),
    ("payouts", listing!("payout", "status" => "/status", "destination" => "/destination")),
    ("events", listing!("event", "type" => "/type")),
    ("webhook_endpoints", listing!("webhook_endpoint",)),
    (
        "billing_portal/configurations",
        listing!("billing_portal.configuration", "active" => "/active", "is_default" => "/is_default"),
    ),
];

/// The kind of object behind a collection's path, for retrieving one.
pub(super) fn kind_of(collection: &str) -> Option<&'static str> {
    LISTINGS.iter().find(|(path, _)| *path == collection).map(|(_, listing)| listing.kind)
}

/// `GET /v1/{collection}`
pub(super) fn list(state: &State, collection: &str, form: &Node) -> ApiResult {
    let Some((_, listing)) = LISTINGS.iter().find(|(path, _)| *path == collection) else {
        return Err(ApiError::no_such_route("GET", collection));
    };
    let params = check(form, listing.params)?;
    special(listing.kind, &params)?;
    balance::check_payout(state, listing.kind, &params)?;
    let limit = params["limit"].as_i64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(LIMIT_DEFAULT);
    let mut all = state.all(listing.kind).rev();
    let after = text(&params, "starting_after");
    if !after.is_empty() && !all.any(|object| text(object, "id") == after) {
        return Err(not_there("starting_after", after));
    }
    let delivered = params["delivery_success"].as_bool();
    let undelivered = if delivered.is_some() { undelivered(state) } else { BTreeSet::new() };
    let as_delivered =
        |object: &Value| delivered.is_none_or(|wanted| wanted != undelivered.contains(text(object, "id")));
    let matching = all.filter(|object| as_delivered(object) && wanted(state, listing, object, &params));
    let before = text(&params, "ending_before");
    let (data, more) = if before.is_empty() {
        // One more than is shown tells whether there is more.
        let mut data: Vec<&Value> = matching.take(limit + 1).collect();
        let more = data.len() > limit;
        data.truncate(limit);
        (data, more)
    } else {
        let newer: Vec<&Value> = matching.take_while(|object| text(object, "id") != before).collect();
        if !state.has(listing.kind, before) {
            return Err(not_there("ending_before", before));
        }
        let from = newer.len().saturating_sub(limit);
        (newer.get(from..).unwrap_or_default().to_vec(), from > 0)
    };
    Ok(json!({"object": "list", "data": data, "has_more": more, "url": format!("/v1/{collection}")}))
}

/// The ids of events that some endpoint has not taken.
fn undelivered(state: &State) -> BTreeSet<&str> {
    let events = state.outbound.undelivered().into_iter().filter_map(|at| state.events.get(at));
    events.map(|event| event.id.as_str()).collect()
}

fn not_there(name: &'static str, id: &str) -> ApiError {
    ApiError::param(name, format!("No such object: '{id}'")).code("resource_missing")
}

fn special(kind: &str, params: &Value) -> Result<(), ApiError> {
    if UNDATED.contains(&kind) && !params["created"].is_null() {
        return Err(ApiError::param("created", "Received unknown parameter: created").code("parameter_unknown"));
    }
    if kind != "event" && !(params["types"].is_null() && params["delivery_success"].is_null()) {
        let name = if params["types"].is_null() { "delivery_success" } else { "types" };
        return Err(ApiError::param(name, format!("Received unknown parameter: {name}")).code("parameter_unknown"));
    }
    if kind != "payout" && !params["arrival_date"].is_null() {
        let message = "Received unknown parameter: arrival_date";
        return Err(ApiError::param("arrival_date", message).code("parameter_unknown"));
    }
    if params["types"].as_array().is_some_and(|types| types.len() > TYPES_MAX) {
        return Err(ApiError::param("types", format!("You can pass at most {TYPES_MAX} types.")));
    }
    Ok(())
}

fn within(object: &Value, params: &Value, name: &str) -> bool {
    let (at, range) = (object[name].as_i64().unwrap_or(0), &params[name]);
    let bound = |name: &str| range[name].as_i64();
    range.as_i64().is_none_or(|exact| at == exact)
        && bound("gt").is_none_or(|limit| at > limit)
        && bound("gte").is_none_or(|limit| at >= limit)
        && bound("lt").is_none_or(|limit| at < limit)
        && bound("lte").is_none_or(|limit| at <= limit)
}

fn wanted(state: &State, listing: &Listing, object: &Value, params: &Value) -> bool {
    let in_range = within(object, params, "created") && within(object, params, "arrival_date");
    let payout = text(params, "payout");
    let left = payout.is_empty() || state.left_in(text(object, "id"), payout);
    let in_types = params["types"].as_array().is_none_or(|types| types.contains(&object["type"]));
    let gone = object["deleted"] == true
        || (listing.kind == "event" && object["created"].as_i64() < Some(state.clock.now() - EVENTS_KEPT));
    in_range
        && in_types
        && left
        && !gone
        && listing.fields.iter().all(|(name, pointer)| narrowed(listing.kind, object, params, name, pointer))
}

fn narrowed(kind: &str, object: &Value, params: &Value, name: &str, pointer: &str) -> bool {
    let given = text(params, name);
    let has = match object.pointer(pointer) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    };
    // Stripe leaves out canceled subscriptions unless they, or all, are asked for.
    match (kind, name, given) {
        ("subscription", "status", "") => has != "canceled",
        ("event", "type", pattern) if pattern.ends_with(".*") => has.starts_with(pattern.trim_end_matches('*')),
        ("subscription", "status", "all") | (_, _, "") => true,
        _ => has == given,
    }
}

/// Replaces ids by the objects they name, as `expand[]` asks.
pub(super) fn expand(state: &State, mut answer: Value, form: &Node) -> ApiResult {
    let Node::Tree(pairs) = form else { return Ok(answer) };
    for (_, paths) in pairs.iter().filter(|(name, _)| name == "expand") {
        let Node::Tree(paths) = paths else { return Err(ApiError::param("expand", "Invalid array")) };
        for (_, path) in paths {
            if let Node::Text(path) = path {
                let parts: Vec<&str> = path.split('.').collect();
                expand_one(state, &mut answer, &parts, path)?;
            }
        }
    }
    Ok(answer)
}

fn expand_one(state: &State, value: &mut Value, parts: &[&str], path: &str) -> Result<(), ApiError> {
    let Some((first, rest)) = parts.split_first() else { return Ok(()) };
    if let Value::Array(each) = value {
        return each.iter_mut().try_for_each(|one| expand_one(state, one, parts, path));
    }
    if *first == "data" && value["object"] == "list" {
        return expand_one(state, &mut value["data"], rest, path);
    }
    if let Some(included) = included(state, value, first) {
        value[*first] = included;
    }
    let Some(inner) = value.get_mut(*first) else {
        return Err(ApiError::param("expand", format!("This property cannot be expanded ({path}).")));
    };
    if let Some(id) = inner.as_str() {
        let object = state.get(id);
        if object.is_null() {
            return Err(ApiError::param("expand", format!("This property cannot be expanded ({path}).")));
        }
        *inner = object.clone();
    }
    if inner.is_null() { Ok(()) } else { expand_one(state, inner, rest, path) }
}

/// Lists that Stripe leaves out of an object until asked.
fn included(state: &State, object: &Value, field: &str) -> Option<Value> {
    let id = text(object, "id");
    match (text(object, "object"), field) {
        ("checkout.session", "line_items") => Some(session_lines(state, id)),
        ("invoice", "payments") => Some(of(state, "invoice_payment", "invoice", id)),
        ("charge", "refunds") => Some(of(state, "refund", "charge", id)),
        ("customer", "subscriptions") => Some(of(state, "subscription", "customer", id)),
        _ => None,
    }
}

fn of(state: &State, kind: &str, field: &str, id: &str) -> Value {
    let data: Vec<&Value> = state.all(kind).rev().filter(|object| object[field] == id).collect();
    json!({"object": "list", "data": data, "has_more": false, "url": format!("/v1/{kind}s?{field}={id}")})
}

/// `GET /v1/checkout/sessions/{id}/line_items`
pub(super) fn session_lines(state: &State, session: &str) -> Value {
    let data = state.visits.get(session).map_or_else(|| json!([]), |visit| visit.line_items.clone());
    json!({"object": "list", "data": data, "has_more": false,
        "url": format!("/v1/checkout/sessions/{session}/line_items")})
}
