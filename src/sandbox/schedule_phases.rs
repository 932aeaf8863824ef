//! Subscription schedules as time goes on: a phase begins, the last one is over.
//!
//! It must not read requests ([`super::schedules`] does). Invariants: a phase begins once; at the end of a period it begins
//! before the period's invoice is made, which is then of the new price; a schedule that is over holds its subscription no
//! more.

use serde_json::{Value, json};

use super::changes::{Change, Prorates, interval};
use super::state::{State, merged_metadata, text};

impl State {
    /// Begins the phase of a subscription whose time has come, or lets go of a subscription whose last phase is over. Answers
    /// what fields held before of which no event has told yet.
    pub fn enter_phase(&mut self, subscription: &str) -> Value {
        let schedule = self.text(subscription, "schedule");
        let present = self.get(&schedule)["current_phase"].clone();
        if schedule.is_empty() || present["end_date"].as_i64().is_none_or(|end| end > self.at) {
            return Value::Null;
        }
        let next = self.get(&schedule)["phases"]
            .as_array()
            .and_then(|phases| phases.iter().find(|phase| phase["start_date"] == present["end_date"]))
            .cloned();
        match next {
            Some(phase) => return self.begin_phase(subscription, &schedule, &phase),
            None if self.get(&schedule)["end_behavior"] == "cancel" => {
                self.cancel(subscription, "cancellation_requested");
            }
            None => self.release(&schedule),
        }
        Value::Null
    }

    fn begin_phase(&mut self, subscription: &str, schedule: &str, phase: &Value) -> Value {
        let now = json!({"start_date": phase["start_date"], "end_date": phase["end_date"]});
        self.change("subscription_schedule.updated", schedule, json!({"current_phase": now}));
        let price = self.get(text(&phase["items"][0], "price")).clone();
        let item = self.get(subscription)["items"]["data"][0].clone();
        let ends_period = item["current_period_end"].as_i64() == Some(self.at);
        let anew = phase["billing_cycle_anchor"] == "phase_start" || interval(&item["price"]) != interval(&price);
        let change = Change {
            price,
            quantity: phase["items"][0]["quantity"].as_i64().unwrap_or(1),
            prorates: Prorates::read(text(phase, "proration_behavior")),
            anew: anew && !ends_period,
        };
        let mut fields = json!({"metadata": merged_metadata(&self.get(subscription)["metadata"], &phase["metadata"])});
        if ends_period {
            self.price_of_next_period(subscription, &change, anew, &mut fields);
            // Its period, its invoice and the event follow, as of every period.
            return self.patch(subscription, fields);
        }
        let invoices = self.take_price(subscription, &change, &mut fields);
        self.change("customer.subscription.updated", subscription, fields);
        if invoices {
            self.invoice_at_once(subscription);
        }
        Value::Null
    }

    /// Another price from the period on that begins now; nothing is left of the one before that could be prorated.
    fn price_of_next_period(&mut self, subscription: &str, change: &Change, anew: bool, fields: &mut Value) {
        let mut items = self.get(subscription)["items"].clone();
        items["data"][0]["price"] = change.price.clone();
        items["data"][0]["plan"] = super::billing::plan(&change.price);
        items["data"][0]["quantity"] = json!(change.quantity);
        fields["items"] = items;
        if anew {
            fields["billing_cycle_anchor"] = json!(self.at);
            if let Some(known) = self.agreements.get_mut(subscription) {
                known.periods = 0;
            }
        }
    }

    /// Lets go of a subscription, which runs on as it is.
    pub fn release(&mut self, schedule: &str) {
        let subscription = self.text(schedule, "subscription");
        let fields = json!({"status": "released", "released_at": self.at, "released_subscription": subscription,
            "subscription": null, "current_phase": null});
        self.change("subscription_schedule.released", schedule, fields);
        self.change("customer.subscription.updated", &subscription, json!({"schedule": null}));
    }

    /// A subscription that ended takes its schedule with it.
    pub fn end_schedule_of(&mut self, subscription: &str) {
        let schedule = self.text(subscription, "schedule");
        if !matches!(self.text(&schedule, "status").as_str(), "active" | "not_started") {
            return;
        }
        let fields = json!({"status": "canceled", "canceled_at": self.at, "current_phase": null});
        self.change("subscription_schedule.canceled", &schedule, fields);
    }
}
