//! What Stripe's balance transactions and payouts say to us.
//!
//! A line is read together with what caused it: by that alone is known which charge is behind a refund or a dispute, and
//! whether a charge nobody told us of names a pledge of ours. Nothing of it about a donor leaves this module but the
//! customer's id.

use serde_json::Value;

use super::decode::PLEDGE_KEY;
use super::list::{List, Pace, Page};
use super::{CallError, Gateway};
use crate::domain::settlement::{Claim, Line, Part, Payout};

/// A page of lines or payouts.
#[derive(Debug, Clone)]
pub struct Read<T> {
    pub objects: Vec<T>,
    /// Where to go on, `None` at the end.
    pub after: Option<String>,
    /// Stripe's time of the answer, in unix seconds.
    pub at: Option<i64>,
}

impl Gateway {
    /// The page of balance transactions made since `from` that follows `after`, newest first.
    ///
    /// # Errors
    /// When it cannot be had, or one of them cannot be read.
    pub async fn lines(&self, pace: &Pace, from: i64, after: Option<&str>) -> Result<Read<Line>, CallError> {
        self.read(pace, lines(Some(from), None), after, line).await
    }

    /// The same of those that left in a payout, whenever they were made.
    ///
    /// # Errors
    /// When it cannot be had, or one of them cannot be read.
    pub async fn lines_of(&self, pace: &Pace, payout: &str, after: Option<&str>) -> Result<Read<Line>, CallError> {
        self.read(pace, lines(None, Some(payout)), after, line).await
    }

    /// The page of payouts made since `from` that follows `after`, newest first.
    ///
    /// # Errors
    /// When it cannot be had, or one of them cannot be read.
    pub async fn payouts(&self, pace: &Pace, from: i64, after: Option<&str>) -> Result<Read<Payout>, CallError> {
        let list = List { collection: "payouts", created_from: Some(from), ..List::default() };
        self.read(pace, list, after, payout).await
    }

    async fn read<T>(
        &self,
        pace: &Pace,
        list: List,
        after: Option<&str>,
        read: fn(&Value) -> Option<T>,
    ) -> Result<Read<T>, CallError> {
        let Page { objects, after, at } = self.page(pace, &list, after).await?;
        let objects: Option<Vec<T>> = objects.iter().map(read).collect();
        Ok(Read { objects: objects.ok_or(CallError::Unreadable)?, after, at })
    }
}

fn lines(created_from: Option<i64>, payout: Option<&str>) -> List {
    let mut narrowed = vec![("expand[]", "data.source".to_owned())];
    narrowed.extend(payout.map(|payout| ("payout", payout.to_owned())));
    List { collection: "balance_transactions", created_from, created_before: None, narrowed }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

/// An id, or the id of the object that stands in its place.
fn reference(value: &Value) -> Option<String> {
    text(value).or_else(|| text(&value["id"]))
}

fn currency(value: &Value) -> Option<String> {
    value.as_str().filter(|code| code.len() == 3).map(str::to_ascii_uppercase)
}

fn line(object: &Value) -> Option<Line> {
    let source = &object["source"];
    let source_id = reference(source);
    let kind = text(&object["type"])?;
    let category = text(&object["reporting_category"]).unwrap_or_else(|| kind.clone());
    let part = Part::of(&category, source_id.as_deref());
    let behind = match part {
        Part::Account => None,
        Part::Charge => reference(&source["charge"]).or_else(|| source_id.clone()),
        Part::Refund | Part::Dispute => reference(&source["charge"]),
    };
    Some(Line {
        id: text(&object["id"])?,
        charge_id: behind,
        amount_minor: object["amount"].as_i64()?,
        fee_minor: object["fee"].as_i64()?,
        net_minor: object["net"].as_i64()?,
        currency: currency(&object["currency"])?,
        exchange_rate: Some(&object["exchange_rate"]).filter(|rate| rate.is_number()).map(Value::to_string),
        created_at: object["created"].as_i64()?,
        available_at: object["available_on"].as_i64()?,
        claim: Claim { pledge: text(&source["metadata"][PLEDGE_KEY]), customer: reference(&source["customer"]) },
        kind,
        category,
        part,
        source_id,
    })
}

fn payout(object: &Value) -> Option<Payout> {
    Some(Payout {
        id: text(&object["id"])?,
        status: text(&object["status"])?,
        automatic: object["automatic"].as_bool()?,
        lines_known: text(&object["reconciliation_status"]).unwrap_or_default(),
        amount_minor: object["amount"].as_i64()?,
        currency: currency(&object["currency"])?,
        created_at: object["created"].as_i64()?,
        arrives_at: object["arrival_date"].as_i64()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_knows_the_charge_behind_it_and_whose_it_says_it_is() {
        let of = |kind: &str, source: Value| {
            line(&json!({"id": "txn_1", "type": kind, "reporting_category": kind, "source": source, "amount": -5,
                "fee": 1, "net": -6, "currency": "eur", "created": 1, "available_on": 2, "exchange_rate": 1.0834}))
            .unwrap()
        };
        let metadata = json!({PLEDGE_KEY: "plg_1"});
        let charge = of("charge", json!({"id": "ch_1", "customer": "cus_1", "metadata": metadata}));
        let claim = Claim { pledge: Some("plg_1".to_owned()), customer: Some("cus_1".to_owned()) };
        assert_eq!((charge.charge_id.as_deref(), charge.claim), (Some("ch_1"), claim));
        assert_eq!((charge.currency.as_str(), charge.exchange_rate.as_deref()), ("EUR", Some("1.0834")));
        let refund = of("refund", json!({"id": "re_1", "charge": "ch_1"}));
        assert_eq!((refund.source_id.as_deref(), refund.charge_id.as_deref()), (Some("re_1"), Some("ch_1")));
        let unexpanded = of("charge", json!("ch_1"));
        assert_eq!((unexpanded.charge_id.as_deref(), unexpanded.claim), (Some("ch_1"), Claim::default()));
        let payout = of("payout", json!({"id": "po_1"}));
        assert_eq!((payout.part, payout.charge_id), (Part::Account, None));
        assert_eq!(line(&json!({"id": "txn_1"})), None);
    }
}
