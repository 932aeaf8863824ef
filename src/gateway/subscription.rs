//! Ending, changing, pausing and resuming what recurs.

use serde_json::Value;
use stripe_billing::subscription::{
    CancelSubscription, UpdateSubscription, UpdateSubscriptionItems, UpdateSubscriptionItemsPriceData,
    UpdateSubscriptionItemsPriceDataRecurring, UpdateSubscriptionItemsPriceDataRecurringInterval as Interval,
    UpdateSubscriptionPauseCollection, UpdateSubscriptionPauseCollectionBehavior as Behavior,
    UpdateSubscriptionProrationBehavior as Proration,
};

use super::decode::{INTERVAL_KEY, PLEDGE_KEY};
use super::schedule::{Later, Terms, interval};
use super::{CallError, Gateway};
use crate::domain::pledge::Frequency;

/// When a subscription is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Now,
    AtPeriodEnd,
}

impl Gateway {
    /// Asks for the end of a subscription, under an idempotency key. That it has come is told by events. One that is over is
    /// as good as ended.
    pub async fn end_subscription(&self, id: &str, when: When, key: &str) -> Result<(), CallError> {
        let update = UpdateSubscription::new(id.to_owned()).cancel_at_period_end(true);
        let ended = match when {
            When::Now => self.post(&CancelSubscription::new(id.to_owned()), key).await.map(|_| ()),
            When::AtPeriodEnd => self.post(&update, key).await.map(|_| ()),
        };
        let Err(refused @ CallError::Refused { .. }) = ended else { return ended };
        let known = self.shown(&format!("/subscriptions/{id}")).await?;
        if over(&known) {
            return Ok(());
        }
        match (when, known["schedule"].as_str()) {
            // What a schedule holds cannot be ended by itself; and what ends needs no change.
            (When::AtPeriodEnd, Some(schedule)) => {
                self.release(schedule, key).await?;
                self.post(&update, &format!("{key}-released")).await.map(|_| ())
            }
            _ => Err(refused),
        }
    }

    /// Another amount from the next charge on: on the same days, and nothing is charged for the present period.
    pub async fn change_amount(&self, id: &str, amount_minor: i64, key: &str) -> Result<(), CallError> {
        let terms = self.terms(id).await?;
        if let Some(schedule) = &terms.schedule {
            if let Some(frequency) = self.scheduled(schedule, &terms).await? {
                return self.schedule_change(&terms, Later { amount_minor, frequency }, key).await;
            }
            self.release(schedule, key).await?;
        }
        self.set_amount(&terms, amount_minor, key).await
    }

    /// Another interval from the end of the paid period on, with this amount; nothing is charged before.
    pub async fn change_frequency(&self, id: &str, later: Later, key: &str) -> Result<(), CallError> {
        let terms = self.terms(id).await?;
        if terms.interval != interval(later.frequency) {
            return self.schedule_change(&terms, later, key).await;
        }
        // Back to what runs: the change that was to come is taken back.
        if let Some(schedule) = &terms.schedule {
            self.release(schedule, key).await?;
        }
        if terms.amount_minor == later.amount_minor {
            return Ok(());
        }
        self.set_amount(&terms, later.amount_minor, key).await
    }

    /// Charges nothing until a moment: what falls due before is void.
    pub async fn pause(&self, id: &str, until: i64, key: &str) -> Result<(), CallError> {
        let mut pause = UpdateSubscriptionPauseCollection::new(Behavior::Void);
        pause.resumes_at = Some(until);
        let update = UpdateSubscription::new(id.to_owned()).pause_collection(pause);
        self.post(&update, key).await.map(|_| ())
    }

    /// Ends a pause: the next charge is on its normal day.
    pub async fn resume(&self, id: &str, key: &str) -> Result<(), CallError> {
        let form = [("pause_collection".to_owned(), String::new())];
        self.post_form(&format!("/subscriptions/{id}"), &form, key).await.map(|_| ())
    }

    /// Whether a subscription has ended.
    pub(super) async fn is_over(&self, id: &str) -> Result<bool, CallError> {
        self.shown(&format!("/subscriptions/{id}")).await.map(|known| over(&known))
    }

    async fn set_amount(&self, terms: &Terms, amount_minor: i64, key: &str) -> Result<(), CallError> {
        let Ok(currency) = terms.currency.parse::<stripe_types::Currency>();
        let Ok(each) = terms.interval.parse::<Interval>();
        let recurring = UpdateSubscriptionItemsPriceDataRecurring::new(each);
        let mut price = UpdateSubscriptionItemsPriceData::new(currency, terms.product.clone(), recurring);
        price.unit_amount = Some(amount_minor);
        let mut item = UpdateSubscriptionItems::new();
        item.id = Some(terms.item.clone());
        item.price_data = Some(price);
        item.quantity = Some(1);
        let update = UpdateSubscription::new(terms.id.clone()).items(vec![item]).proration_behavior(Proration::None);
        self.post(&update, key).await.map(|_| ())
    }

    /// The interval that a schedule is to bring, if that has not come to pass.
    async fn scheduled(&self, schedule: &str, terms: &Terms) -> Result<Option<Frequency>, CallError> {
        let known = self.shown(&format!("/subscription_schedules/{schedule}")).await?;
        let waits = known["phases"].as_array().is_some_and(|phases| {
            phases.iter().any(|phase| phase["start_date"].as_i64().is_some_and(|start| start >= terms.period_end))
        });
        let each = known["metadata"][INTERVAL_KEY].as_str();
        Ok(each.and_then(Frequency::of_interval).filter(|_| waits))
    }

    /// What a subscription is now.
    async fn terms(&self, id: &str) -> Result<Terms, CallError> {
        let known = self.shown(&format!("/subscriptions/{id}")).await?;
        read(&known).ok_or(CallError::Unreadable)
    }
}

fn over(subscription: &Value) -> bool {
    matches!(subscription["status"].as_str(), Some("canceled" | "incomplete_expired"))
}

fn read(known: &Value) -> Option<Terms> {
    let word = |path: &str| known.pointer(path).and_then(Value::as_str).map(str::to_owned);
    let price = "/items/data/0/price";
    Some(Terms {
        id: word("/id")?,
        pledge: word(&format!("/metadata/{PLEDGE_KEY}")).unwrap_or_default(),
        item: word("/items/data/0/id")?,
        price: word(&format!("{price}/id"))?,
        product: word(&format!("{price}/product"))?,
        currency: word(&format!("{price}/currency"))?,
        interval: word(&format!("{price}/recurring/interval"))?,
        amount_minor: known.pointer(&format!("{price}/unit_amount"))?.as_i64()?,
        period_end: known.pointer("/items/data/0/current_period_end")?.as_i64()?,
        schedule: word("/schedule"),
    })
}
