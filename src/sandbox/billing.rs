//! Subscriptions and their invoices as time goes on: drafted, finalized, paid, retried, given up.
//!
//! It must not read requests ([`super::subscriptions`] does). Invariants: a period's end is the anchor plus whole
//! intervals (31 January, 28 February, 31 March); an invoice is paid at most once; a canceled subscription never wakes.

use jiff::ToSpan as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::payments::{Attempt, Intent, NewIntent};
use super::state::{AfterRetries, Due, State, text};
use super::{Card, Person};

/// What Stripe keeps to itself about a subscription.
#[derive(Debug, Clone)]
pub(super) struct Agreement {
    pub card: Card,
    pub person: Person,
    /// Periods begun so far.
    pub periods: i64,
    /// What changes of the price within a period brought, for the next invoice.
    pub prorated_minor: i64,
    pub latest_invoice: String,
}

impl State {
    /// When period `number` of a subscription ends (1 is the first).
    fn period_end(&self, subscription: &str, number: i64) -> i64 {
        let anchor = self.int(subscription, "billing_cycle_anchor");
        let recurring = &self.get(subscription)["items"]["data"][0]["price"]["recurring"];
        let count = recurring["interval_count"].as_i64().unwrap_or(1);
        after_intervals(anchor, text(recurring, "interval"), count * number)
    }

    /// An incomplete subscription to one price; its first invoice follows by [`Self::first_invoice`].
    pub fn new_subscription(&mut self, new: NewSubscription) -> String {
        let id = self.new_id("sub");
        let item = self.new_id("si");
        let trial_end = new.trial_end;
        let anchor = trial_end.unwrap_or(self.at);
        let recurring = &new.price["recurring"];
        let end = trial_end.unwrap_or_else(|| {
            after_intervals(anchor, text(recurring, "interval"), recurring["interval_count"].as_i64().unwrap_or(1))
        });
        let items = json!([{
            "id": item, "object": "subscription_item", "billed_until": null, "billing_thresholds": null,
            "created": self.at, "current_period_end": end, "current_period_start": self.at, "discounts": [],
            "metadata": {}, "plan": plan(&new.price), "price": new.price, "quantity": new.quantity,
            "subscription": id, "tax_rates": [],
        }]);
        let fields = json!({
            "billing_cycle_anchor": anchor, "billing_mode": {"type": new.billing_mode, "flexible": null, "updated_at": null},
            "currency": new.price["currency"], "customer": new.customer, "description": new.description,
            "items": {"object": "list", "data": items, "has_more": false, "total_count": 1,
                "url": format!("/v1/subscription_items?subscription={id}")},
            "metadata": new.metadata, "status": if trial_end.is_some() { "trialing" } else { "incomplete" },
            "trial_end": trial_end, "trial_start": trial_end.map(|_| self.at),
        });
        self.insert(filled(blank_subscription(&id, self.at), fields));
        let agreement = Agreement {
            card: new.card,
            person: new.person,
            periods: i64::from(trial_end.is_none()),
            prorated_minor: 0,
            latest_invoice: String::new(),
        };
        self.agreements.insert(id.clone(), agreement);
        self.emit("customer.subscription.created", &id);
        self.schedule(end, Due::EndPeriod(id.clone()));
        id
    }

    /// The invoice that begins a subscription, drafted and finalized at once; nothing is collected yet.
    pub fn first_invoice(&mut self, subscription: &str) -> String {
        let invoice = self.draft_invoice(subscription, "subscription_create");
        self.open_invoice(&invoice);
        invoice
    }

    pub fn draft_invoice(&mut self, subscription: &str, reason: &str) -> String {
        let sub = self.get(subscription).clone();
        let item = &sub["items"]["data"][0];
        let price = &item["price"];
        let trialing = sub["status"] == "trialing";
        let quantity = item["quantity"].as_i64().unwrap_or(1);
        let amount = if trialing { 0 } else { price["unit_amount"].as_i64().unwrap_or(0) * quantity };
        let prorated =
            self.agreements.get_mut(subscription).map_or(0, |known| std::mem::take(&mut known.prorated_minor));
        let amount = (amount + prorated).max(0);
        let id = self.new_id("in");
        let line = self.new_id("il");
        let person = self.agreements.get(subscription).map(|known| known.person.clone()).unwrap_or_default();
        let lines = json!([{
            "id": line, "object": "line_item", "amount": amount, "currency": price["currency"], "description": null,
            "discount_amounts": [], "discountable": true, "discounts": [], "invoice": id, "livemode": false,
            "metadata": sub["metadata"],
            "parent": {"invoice_item_details": null, "type": "subscription_item_details",
                "subscription_item_details": {"invoice_item": null, "proration": false, "proration_details": null,
                    "subscription": subscription, "subscription_item": item["id"]}},
            "period": {"start": item["current_period_start"], "end": item["current_period_end"]},
            "pretax_credit_amounts": [],
            "pricing": {"type": "price_details", "unit_amount_decimal": price["unit_amount_decimal"],
                "price_details": {"price": price["id"], "product": price["product"]}},
            "quantity": quantity, "quantity_decimal": quantity.to_string(), "subscription": null,
            "subtotal": amount, "taxes": [],
        }]);
        let fields = json!({
            "amount_due": amount, "amount_remaining": amount, "billing_reason": reason,
            "currency": sub["currency"], "customer": sub["customer"], "customer_email": person.email,
            "customer_name": person.name, "metadata": {},
            "lines": {"object": "list", "data": lines, "has_more": false, "total_count": 1,
                "url": format!("/v1/invoices/{id}/lines")},
            "parent": {"type": "subscription_details", "quote_details": null, "subscription_details":
                {"metadata": sub["metadata"], "subscription": subscription, "subscription_proration_date": null}},
            "period_start": item["current_period_start"], "period_end": item["current_period_start"],
            "subtotal": amount, "subtotal_excluding_tax": amount, "total": amount, "total_excluding_tax": amount,
        });
        self.insert(filled(blank_invoice(&id, self.at), fields));
        self.patch(subscription, json!({"latest_invoice": id}));
        if let Some(known) = self.agreements.get_mut(subscription) {
            known.latest_invoice.clone_from(&id);
        }
        self.emit("invoice.created", &id);
        id
    }

    /// Draft to open: it gets its number, its payment intent and its invoice payment.
    pub fn open_invoice(&mut self, invoice: &str) {
        let number = format!("SANDBOX-{:04}", self.all("invoice").count());
        let mut transitions = self.get(invoice)["status_transitions"].clone();
        transitions["finalized_at"] = json!(self.at);
        self.patch(
            invoice,
            json!({"status": "open", "number": number, "effective_at": self.at, "status_transitions": transitions,
                   "hosted_invoice_url": format!("{}invoices/{invoice}", self.base), "auto_advance": true}),
        );
        self.emit("invoice.finalized", invoice);
        if self.int(invoice, "amount_due") > 0 {
            self.invoice_intent(invoice);
        }
    }

    fn invoice_intent(&mut self, invoice: &str) {
        let subscription = subscription_of(self.get(invoice)).to_owned();
        let (amount, currency) = (self.int(invoice, "amount_due"), self.text(invoice, "currency"));
        let interval = self.get(&subscription)["items"]["data"][0]["price"]["recurring"]["interval"].clone();
        let Some(known) = self.agreements.get(&subscription).cloned() else { return };
        let hidden = Intent {
            session: None,
            invoice: Some(invoice.to_owned()),
            interval: interval.as_str().map(str::to_owned),
            card: known.card,
            person: known.person,
        };
        let customer = self.get(invoice)["customer"].clone();
        let first = self.text(invoice, "billing_reason") == "subscription_create";
        let description = if first { "Subscription creation" } else { "Subscription update" };
        let new = NewIntent {
            amount,
            currency: &currency,
            customer,
            description: json!(description),
            metadata: json!({}),
            off_session: first,
        };
        let intent = self.new_intent(&new, hidden);
        let id = self.new_id("inpay");
        self.insert(json!({
            "id": id, "object": "invoice_payment", "amount_paid": null, "amount_requested": amount,
            "created": self.at, "currency": currency, "invoice": invoice, "is_default": true, "livemode": false,
            "payment": {"type": "payment_intent", "payment_intent": intent}, "status": "open",
            "status_transitions": {"canceled_at": null, "paid_at": null},
        }));
    }

    /// The invoice's default payment; null when nothing is due.
    pub fn invoice_payment(&self, invoice: &str) -> &Value {
        self.all("invoice_payment").rev().find(|payment| payment["invoice"] == invoice).unwrap_or(&Value::Null)
    }

    pub fn intent_of_invoice(&self, invoice: &str) -> String {
        text(&self.invoice_payment(invoice)["payment"], "payment_intent").to_owned()
    }

    /// A renewal's draft has waited its time.
    pub fn finalize_invoice(&mut self, invoice: &str) {
        let subscription = subscription_of(self.get(invoice)).to_owned();
        if self.text(invoice, "status") != "draft" {
            return;
        }
        if text(&self.get(&subscription)["pause_collection"], "behavior") == "keep_as_draft" {
            return;
        }
        if matches!(self.text(&subscription, "status").as_str(), "unpaid" | "canceled") {
            return;
        }
        self.open_invoice(invoice);
        self.collect(invoice);
    }

    pub fn close_invoice(&mut self, invoice: &str, status: &str, moment: &str, event: &str) {
        let mut transitions = self.get(invoice)["status_transitions"].clone();
        transitions[moment] = json!(self.at);
        self.patch(
            invoice,
            json!({"status": status, "status_transitions": transitions, "next_payment_attempt": null,
                   "auto_advance": false}),
        );
        self.emit(event, invoice);
    }

    /// Tries to collect an open invoice with the subscription's card, the donor not being there.
    pub fn collect(&mut self, invoice: &str) -> Attempt {
        let intent = self.intent_of_invoice(invoice);
        if intent.is_empty() {
            self.invoice_paid(invoice);
            return Attempt::Succeeded;
        }
        let subscription = subscription_of(self.get(invoice)).to_owned();
        let known = self.agreements.get(&subscription).map_or(Card::Works, |known| known.card);
        if let Some(hidden) = self.intents.get_mut(&intent) {
            hidden.card = known;
        }
        let attempts = self.int(invoice, "attempt_count") + 1;
        self.patch(invoice, json!({"attempt_count": attempts, "attempted": true}));
        let attempt = self.attempt(&intent);
        match attempt {
            Attempt::Succeeded => self.invoice_paid(invoice),
            Attempt::Processing => {}
            Attempt::NeedsAction => {
                self.emit("invoice.payment_action_required", invoice);
                self.invoice_failed(invoice);
            }
            Attempt::Declined(_) => self.invoice_failed(invoice),
        }
        self.fill_balance(&intent);
        attempt
    }

    /// The money of an invoice is there.
    pub fn invoice_paid(&mut self, invoice: &str) {
        let due = self.int(invoice, "amount_due");
        let mut transitions = self.get(invoice)["status_transitions"].clone();
        transitions["paid_at"] = json!(self.at);
        self.patch(
            invoice,
            json!({"status": "paid", "amount_paid": due, "amount_remaining": 0, "attempted": true,
                   "next_payment_attempt": null, "status_transitions": transitions, "auto_advance": false}),
        );
        let payment = text(self.invoice_payment(invoice), "id").to_owned();
        self.patch(
            &payment,
            json!({"status": "paid", "amount_paid": due, "status_transitions": {"canceled_at": null, "paid_at": self.at}}),
        );
        self.emit("invoice.paid", invoice);
        if !payment.is_empty() {
            self.emit("invoice_payment.paid", &payment);
        }
        self.emit("invoice.payment_succeeded", invoice);
        let subscription = subscription_of(self.get(invoice)).to_owned();
        if matches!(self.text(&subscription, "status").as_str(), "incomplete" | "past_due" | "unpaid") {
            self.change("customer.subscription.updated", &subscription, json!({"status": "active"}));
        }
    }

    /// The money of an invoice did not come: tell of it, and try again later or give up.
    pub fn invoice_failed(&mut self, invoice: &str) {
        let subscription = subscription_of(self.get(invoice)).to_owned();
        let attempts = self.int(invoice, "attempt_count");
        let status = self.text(&subscription, "status");
        let next =
            usize::try_from(attempts - 1).ok().and_then(|done| self.settings.retry_after_seconds.get(done)).copied();
        let next = if status == "incomplete" { None } else { next.map(|wait| self.at + wait) };
        self.patch(invoice, json!({"attempted": true, "next_payment_attempt": next}));
        self.emit("invoice.payment_failed", invoice);
        match (status.as_str(), next) {
            ("active" | "trialing" | "past_due", Some(at)) => {
                if status != "past_due" {
                    self.change("customer.subscription.updated", &subscription, json!({"status": "past_due"}));
                }
                self.schedule(at, Due::RetryInvoice(invoice.to_owned()));
            }
            ("active" | "trialing" | "past_due", None) => self.give_up(&subscription),
            _ => {}
        }
    }

    fn give_up(&mut self, subscription: &str) {
        match self.settings.after_retries {
            AfterRetries::Canceled => self.cancel(subscription, "payment_failed"),
            AfterRetries::Unpaid => {
                self.change("customer.subscription.updated", subscription, json!({"status": "unpaid"}));
            }
            AfterRetries::PastDue => {}
        }
    }

    pub fn retry_invoice(&mut self, invoice: &str) {
        let subscription = subscription_of(self.get(invoice)).to_owned();
        if self.text(invoice, "status") == "open" && self.text(&subscription, "status") == "past_due" {
            self.collect(invoice);
        }
    }

    /// A period is over: the subscription renews, or ends if it was to end.
    pub fn end_period(&mut self, subscription: &str) {
        let status = self.text(subscription, "status");
        if matches!(status.as_str(), "canceled" | "incomplete_expired" | "incomplete") {
            return;
        }
        // An interval that was begun anew has left its old end behind.
        if self.get(subscription)["items"]["data"][0]["current_period_end"].as_i64() != Some(self.at) {
            return;
        }
        if self.get(subscription)["cancel_at_period_end"] == true {
            return self.cancel(subscription, "cancellation_requested");
        }
        self.resume_collection(subscription);
        let entered = self.enter_phase(subscription);
        if self.text(subscription, "status") == "canceled" {
            return;
        }
        let Some(known) = self.agreements.get_mut(subscription) else { return };
        known.periods += 1;
        let number = known.periods;
        let end = self.period_end(subscription, number);
        let mut items = self.get(subscription)["items"].clone();
        items["data"][0]["current_period_start"] = json!(self.at);
        items["data"][0]["current_period_end"] = json!(end);
        self.schedule(end, Due::EndPeriod(subscription.to_owned()));
        let status = if status == "trialing" { "active".to_owned() } else { status };
        if status == "paused" {
            self.patch(subscription, json!({"items": items}));
            return;
        }
        let mut previous = self.patch(subscription, json!({"items": items, "status": status}));
        for (name, before) in entered.as_object().into_iter().flatten() {
            previous[name] = before.clone();
        }
        let invoice = self.draft_invoice(subscription, "subscription_cycle");
        let draft_seconds = self.settings.draft_seconds;
        self.patch(&invoice, json!({"automatically_finalizes_at": self.at + draft_seconds}));
        self.emit_previous("customer.subscription.updated", subscription, previous);
        if !self.close_if_paused(subscription, &invoice) {
            self.schedule(self.at + draft_seconds, Due::FinalizeInvoice(invoice));
        }
    }

    /// While collection is paused, an invoice is closed as it is made.
    pub fn close_if_paused(&mut self, subscription: &str, invoice: &str) -> bool {
        match text(&self.get(subscription)["pause_collection"], "behavior") {
            "void" => self.close_invoice(invoice, "void", "voided_at", "invoice.voided"),
            "mark_uncollectible" => {
                let (moment, event) = ("marked_uncollectible_at", "invoice.marked_uncollectible");
                self.close_invoice(invoice, "uncollectible", moment, event);
            }
            _ => return false,
        }
        true
    }

    /// Ends a subscription now.
    pub fn cancel(&mut self, subscription: &str, reason: &str) {
        if self.text(subscription, "status") == "canceled" {
            return;
        }
        let mut details = self.get(subscription)["cancellation_details"].clone();
        details["reason"] = json!(reason);
        let asked = self.get(subscription)["canceled_at"].as_i64().unwrap_or(self.at);
        self.patch(
            subscription,
            json!({"status": "canceled", "canceled_at": asked, "ended_at": self.at, "cancellation_details": details,
                   "cancel_at_period_end": false}),
        );
        self.emit("customer.subscription.deleted", subscription);
        self.end_schedule_of(subscription);
    }

    /// `cancel_at` has come, if it still stands.
    pub fn cancel_at(&mut self, subscription: &str) {
        if self.get(subscription)["cancel_at"].as_i64().is_some_and(|at| at <= self.at) {
            self.cancel(subscription, "cancellation_requested");
        }
    }

    /// A first payment that never came: 23 hours after, or when its checkout session expires.
    pub fn expire_subscription(&mut self, subscription: &str) {
        if self.text(subscription, "status") != "incomplete" {
            return;
        }
        let invoice = self.text(subscription, "latest_invoice");
        self.close_invoice(&invoice, "void", "voided_at", "invoice.voided");
        self.change(
            "customer.subscription.updated",
            subscription,
            json!({"status": "incomplete_expired", "ended_at": self.at}),
        );
    }
}

/// What a new subscription is made of.
pub(super) struct NewSubscription {
    pub customer: String,
    pub price: Value,
    pub quantity: i64,
    pub metadata: Value,
    pub description: Value,
    pub billing_mode: String,
    pub trial_end: Option<i64>,
    pub card: Card,
    pub person: Person,
}

/// The subscription an invoice is for; empty when there is none.
pub(super) fn subscription_of(invoice: &Value) -> &str {
    text(&invoice["parent"]["subscription_details"], "subscription")
}

/// `anchor` and so many intervals, in UTC as Stripe counts; a day that a month lacks becomes its last.
pub(super) fn after_intervals(anchor: i64, interval: &str, count: i64) -> i64 {
    let Ok(start) = jiff::Timestamp::from_second(anchor) else { return anchor };
    let span = match interval {
        "day" => count.days(),
        "week" => count.weeks(),
        "year" => count.years(),
        _ => count.months(),
    };
    start.to_zoned(TimeZone::UTC).checked_add(span).map_or(anchor, |end| end.timestamp().as_second())
}

pub(super) fn plan(price: &Value) -> Value {
    json!({"id": price["id"], "object": "plan", "active": true, "amount": price["unit_amount"],
        "amount_decimal": price["unit_amount_decimal"], "billing_scheme": "per_unit", "created": price["created"],
        "currency": price["currency"], "interval": price["recurring"]["interval"],
        "interval_count": price["recurring"]["interval_count"], "livemode": false, "metadata": {}, "meter": null,
        "nickname": null, "product": price["product"], "tiers_mode": null, "transform_usage": null,
        "trial_period_days": null, "usage_type": "licensed"})
}

/// A blank object with some fields filled in.
fn filled(mut blank: Value, fields: Value) -> Value {
    if let (Some(object), Value::Object(fields)) = (blank.as_object_mut(), fields) {
        object.extend(fields);
    }
    blank
}

fn blank_subscription(id: &str, at: i64) -> Value {
    json!({
        "id": id, "object": "subscription", "application": null, "application_fee_percent": null,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null},
        "billing_cycle_anchor_config": null, "billing_schedules": [], "billing_thresholds": null, "cancel_at": null,
        "cancel_at_period_end": false, "canceled_at": null,
        "cancellation_details": {"comment": null, "feedback": null, "reason": null},
        "collection_method": "charge_automatically", "created": at, "customer_account": null,
        "days_until_due": null, "default_payment_method": null, "default_source": null, "default_tax_rates": [],
        "discounts": [], "ended_at": null,
        "invoice_settings": {"account_tax_ids": null, "issuer": {"type": "self"}}, "latest_invoice": null,
        "livemode": false, "next_pending_invoice_item_invoice": null, "on_behalf_of": null,
        "pause_collection": null,
        "payment_settings": {"payment_method_options": null, "payment_method_types": null,
            "save_default_payment_method": "off"},
        "pending_invoice_item_interval": null, "pending_setup_intent": null, "pending_update": null,
        "schedule": null, "start_date": at, "test_clock": null, "transfer_data": null,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
    })
}

fn blank_invoice(id: &str, at: i64) -> Value {
    json!({
        "id": id, "object": "invoice", "account_country": "US", "account_name": "Sandbox", "account_tax_ids": null,
        "amount_overpaid": 0, "amount_paid": 0, "amount_shipping": 0, "application": null, "attempt_count": 0,
        "attempted": false, "auto_advance": true,
        "automatic_tax": {"disabled_reason": null, "enabled": false, "liability": null, "provider": null,
            "status": null},
        "automatically_finalizes_at": null, "collection_method": "charge_automatically", "created": at,
        "custom_fields": null, "customer_account": null, "customer_address": null, "customer_phone": null,
        "customer_shipping": null, "customer_tax_exempt": "none", "customer_tax_ids": [],
        "default_payment_method": null, "default_source": null, "default_tax_rates": [], "description": null,
        "discounts": [], "due_date": null, "effective_at": null, "ending_balance": 0, "footer": null,
        "from_invoice": null, "hosted_invoice_url": null, "invoice_pdf": null, "issuer": {"type": "self"},
        "last_finalization_error": null, "latest_revision": null, "livemode": false, "next_payment_attempt": null,
        "number": null, "on_behalf_of": null,
        "payment_settings": {"default_mandate": null, "payment_method_options": null, "payment_method_types": null},
        "post_payment_credit_notes_amount": 0, "pre_payment_credit_notes_amount": 0, "receipt_number": null,
        "rendering": null, "shipping_cost": null, "shipping_details": null, "starting_balance": 0,
        "statement_descriptor": null, "status": "draft",
        "status_transitions": {"finalized_at": null, "marked_uncollectible_at": null, "paid_at": null,
            "voided_at": null},
        "test_clock": null, "total_discount_amounts": [], "total_pretax_credit_amounts": [], "total_taxes": [],
        "webhooks_delivered_at": null,
    })
}

#[cfg(test)]
mod tests {
    use super::after_intervals;

    #[test]
    fn months_are_counted_from_the_anchor() {
        let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_second();
        let anchor = at("2026-01-31T10:00:00Z");
        let ends: Vec<i64> = (1..=3).map(|number| after_intervals(anchor, "month", number)).collect();
        assert_eq!(ends, [at("2026-02-28T10:00:00Z"), at("2026-03-31T10:00:00Z"), at("2026-04-30T10:00:00Z")]);
        assert_eq!(after_intervals(at("2028-02-29T00:00:00Z"), "year", 1), at("2029-02-28T00:00:00Z"));
    }
}
