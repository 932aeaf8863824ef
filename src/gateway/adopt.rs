//! Reading subscriptions and payments that were there before Mainstay, leniently.

use std::collections::BTreeMap;

use serde_json::Value;

use super::decode::{PLEDGE_KEY, reference, word};
use super::setup::campaign_of;
use crate::domain::adoption::{Candidate, Lost};
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::Frequency;
use crate::id::PledgeId;

/// What a subscription or a payment intent is, for whoever may take it over; none for what has no id.
pub fn candidate(object: &Value) -> Option<Candidate> {
    let items = object.pointer("/items/data").and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
    let subscription = object["object"] == "subscription";
    let interval = items.first().and_then(|item| {
        let recurring = item.pointer("/price/recurring")?;
        Some((word(&recurring["interval"])?, recurring["interval_count"].as_i64().unwrap_or(1)))
    });
    let each = |item: &Value| {
        item.pointer("/price/unit_amount")?.as_i64()?.checked_mul(item["quantity"].as_i64().unwrap_or(1))
    };
    let amount_minor = if subscription {
        items.iter().try_fold(0_i64, |sum, item| sum.checked_add(each(item)?))
    } else {
        object["amount_received"].as_i64()
    };
    let of_items = |pointer: &str| items.iter().filter_map(|item| reference(item.pointer(pointer)?)).collect();
    let metadata = object["metadata"].as_object();
    let texts =
        metadata.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    let metadata: BTreeMap<String, String> = texts.collect();
    Some(Candidate {
        stripe_id: word(&object["id"])?,
        interval,
        amount_minor,
        currency: word(&object["currency"]).unwrap_or_default().to_ascii_uppercase(),
        status: word(&object["status"]).unwrap_or_default(),
        created_at: object["created"].as_i64().unwrap_or(0),
        customer: reference(&object["customer"]),
        products: of_items("/price/product"),
        prices: of_items("/price"),
        pledged: metadata.contains_key(PLEDGE_KEY),
        metadata,
    })
}

/// The pledge of ours that a checkout session was made for, with its line items; none for a session of another's.
pub fn lost_pledge(session: &Value) -> Option<Lost> {
    let id = session.pointer(&format!("/metadata/{PLEDGE_KEY}"))?.as_str()?;
    let price = session.pointer("/line_items/data/0/price")?;
    let frequency = match price.pointer("/recurring/interval").and_then(Value::as_str) {
        None => Frequency::Once,
        Some("month") => Frequency::Monthly,
        Some("year") => Frequency::Annual,
        Some(_) => return None,
    };
    let currency = Currency::parse(session["currency"].as_str()?).ok()?;
    Some(Lost {
        id: PledgeId::parse(id).ok()?,
        campaign: reference(&price["product"]).and_then(|product| campaign_of(&product).map(str::to_owned)),
        frequency,
        money: Money::new(session["amount_total"].as_i64()?, currency),
        created_at: session["created"].as_i64()?,
        expires_at: session["expires_at"].as_i64()?,
        session_id: word(&session["id"])?,
        checkout_url: session["url"].as_str().map(str::to_owned),
    })
}

/// The payment intent that an invoice payment says pays an invoice.
pub fn intent_of_invoice(invoice_payment: &Value) -> Option<String> {
    reference(invoice_payment.pointer("/payment/payment_intent")?)
}

/// The object, saying that it belongs to this pledge, as those say that are made here. Nothing is changed at Stripe.
pub fn with_pledge(mut object: Value, pledge: &PledgeId) -> Value {
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(serde_json::Map::new());
    }
    object["metadata"][PLEDGE_KEY] = Value::String(pledge.to_string());
    object
}
