//! Another interval from the end of the paid period on, by a subscription schedule.
//!
//! Changing the interval itself would begin a new period, and charge, at once. So the schedule is given two phases: the one
//! that runs, to its end, and the one that follows. What the second brings stands in the schedule's metadata too, since its
//! events name a price and not what it is.

use serde_json::Value;
use stripe_client_core::{RequestBuilder, StripeMethod};

use super::decode::{AMOUNT_KEY, AT_KEY, INTERVAL_KEY, PLEDGE_KEY};
use super::{CallError, Gateway};
use crate::domain::pledge::Frequency;

/// A subscription of one item as Stripe has it.
#[derive(Debug)]
pub(super) struct Terms {
    pub id: String,
    pub pledge: String,
    pub item: String,
    pub price: String,
    pub product: String,
    pub currency: String,
    pub interval: String,
    pub amount_minor: i64,
    pub period_end: i64,
    pub schedule: Option<String>,
}

/// What is given from the end of the paid period on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    pub amount_minor: i64,
    pub frequency: Frequency,
}

/// Stripe's word for an interval.
pub(super) fn interval(frequency: Frequency) -> &'static str {
    match frequency {
        Frequency::Annual => "year",
        Frequency::Monthly | Frequency::Once => "month",
    }
}

impl Gateway {
    /// Puts a subscription on a schedule, or uses the one it has: from the end of its period on, this is given.
    pub(super) async fn schedule_change(&self, terms: &Terms, later: Later, key: &str) -> Result<(), CallError> {
        let schedule = if let Some(schedule) = &terms.schedule {
            self.shown(&format!("/subscription_schedules/{schedule}")).await?
        } else {
            let form = [("from_subscription".to_owned(), terms.id.clone())];
            self.post_form("/subscription_schedules", &form, &format!("{key}-schedule")).await?
        };
        let id = schedule["id"].as_str().ok_or(CallError::Unreadable)?;
        // An old answer under the same key: that schedule is over.
        let start = schedule["current_phase"]["start_date"].as_i64().ok_or(CallError::Unreadable)?;
        let form = phases(terms, later, start);
        self.post_form(&format!("/subscription_schedules/{id}"), &form, key).await.map(|_| ())
    }

    /// Lets a subscription go on as it is, without the schedule.
    pub(super) async fn release(&self, schedule: &str, key: &str) -> Result<(), CallError> {
        let path = format!("/subscription_schedules/{schedule}/release");
        self.post_form(&path, &[], &format!("{key}-release")).await.map(|_| ())
    }

    /// An object as it is now.
    pub(super) async fn shown(&self, path: &str) -> Result<Value, CallError> {
        self.fetch(path).await?.json()
    }

    /// Sends a form of our own. async-stripe's requests are written by `serde_qs`, whose depth of five levels a phase's
    /// `items[0][price_data][recurring][interval]` exceeds (it panics), and which cannot say "unset this".
    pub(super) async fn post_form(&self, path: &str, form: &[(String, String)], key: &str) -> Result<Value, CallError> {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let send = || {
            let mut request = RequestBuilder::new(StripeMethod::Post, path);
            request.body = Some(body.clone());
            self.transport.send(request, Some(key))
        };
        self.repeated(send).await?.json()
    }
}

fn phases(terms: &Terms, later: Later, start: i64) -> Vec<(String, String)> {
    let (end, each) = (terms.period_end.to_string(), interval(later.frequency));
    let amount = later.amount_minor.to_string();
    let metadata = [
        (PLEDGE_KEY, terms.pledge.clone()),
        (AMOUNT_KEY, amount.clone()),
        (INTERVAL_KEY, each.to_owned()),
        (AT_KEY, end.clone()),
    ];
    let phases = [
        ("phases[0][items][0][price]", terms.price.clone()),
        ("phases[0][start_date]", start.to_string()),
        ("phases[0][end_date]", end),
        ("phases[1][items][0][price_data][currency]", terms.currency.clone()),
        ("phases[1][items][0][price_data][product]", terms.product.clone()),
        ("phases[1][items][0][price_data][recurring][interval]", each.to_owned()),
        ("phases[1][items][0][price_data][unit_amount]", amount),
        ("phases[1][duration][interval]", each.to_owned()),
        ("phases[0][proration_behavior]", "none".to_owned()),
        ("phases[1][proration_behavior]", "none".to_owned()),
        ("proration_behavior", "none".to_owned()),
        ("end_behavior", "release".to_owned()),
    ];
    let metadata = metadata.into_iter().map(|(name, value)| (format!("metadata[{name}]"), value));
    phases.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(metadata).collect()
}
