//! Checkout sessions: made by a request, paid by a person, ended by time.
//!
//! It must not move money itself. Invariants: a session is open, then complete or expired, and never changes back; a
//! payment-mode session names no payment intent before somebody tried to pay.

use serde_json::{Value, json};

use super::billing::NewSubscription;
use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::payments::{Attempt, Intent, NewIntent, decline_message, empty_address};
use super::state::{Due, State, metadata, text};
use super::{Card, PayOutcome, Person, SandboxError, catalog, checkout_params};
use crate::clock::DAY;

/// What Stripe keeps to itself about a session.
#[derive(Debug, Clone)]
pub(super) struct Visit {
    params: Value,
    pub line_items: Value,
    intent: Option<String>,
    subscription: Option<String>,
}

impl State {
    pub fn create_session(&mut self, form: &Node) -> ApiResult {
        let params = checkout_params::read(self, form)?;
        let id = self.new_id("cs_test");
        let price = catalog::price_from(self, &params["line_items"][0]["price_data"]);
        let quantity = params["line_items"][0]["quantity"].as_i64().unwrap_or(1);
        let total = price["unit_amount"].as_i64().unwrap_or(0) * quantity;
        let line = self.new_id("li");
        let product = self.text(text(&price, "product"), "name");
        let line_items = json!([{"id": line, "object": "item", "adjustable_quantity": null, "amount_discount": 0,
            "amount_subtotal": total, "amount_tax": 0, "amount_total": total, "currency": price["currency"],
            "description": product, "discounts": [], "metadata": {}, "price": price, "quantity": quantity,
            "taxes": []}]);
        let expires_at = params["expires_at"].as_i64().unwrap_or(self.at + DAY);
        let session = self.session_object(&id, &params, text(&price, "currency"), total, expires_at);
        self.insert(session);
        self.visits.insert(id.clone(), Visit { params, line_items, intent: None, subscription: None });
        self.schedule(expires_at, Due::ExpireSession(id.clone()));
        Ok(self.get(&id).clone())
    }

    fn session_object(&self, id: &str, params: &Value, currency: &str, total: i64, expires_at: i64) -> Value {
        let subscription = params["mode"] == "subscription";
        let or = |name: &str, default: Value| if params[name].is_null() { default } else { params[name].clone() };
        json!({
            "id": id, "object": "checkout.session",
            "adaptive_pricing": {"enabled": params["adaptive_pricing"]["enabled"].as_bool().unwrap_or(true)},
            "after_expiration": null, "allow_promotion_codes": params["allow_promotion_codes"],
            "amount_subtotal": total, "amount_total": total,
            "automatic_tax": {"enabled": false, "liability": null, "provider": null, "status": null},
            "billing_address_collection": params["billing_address_collection"], "branding_settings": null,
            "cancel_url": params["cancel_url"], "client_reference_id": params["client_reference_id"],
            "client_secret": null, "collected_information": null, "consent": null, "consent_collection": null,
            "created": self.at, "currency": currency, "currency_conversion": null, "custom_fields": [],
            "custom_text": {"after_submit": null, "shipping_address": null, "submit": null,
                "terms_of_service_acceptance": null},
            "customer": params["customer"], "customer_account": null,
            "customer_creation": or("customer_creation", json!(if subscription { "always" } else { "if_required" })),
            "customer_details": self.first_details(params), "customer_email": params["customer_email"],
            "discounts": [], "excluded_payment_method_types": null, "expires_at": expires_at,
            "integration_identifier": null, "invoice": null, "invoice_creation": null, "livemode": false,
            "locale": params["locale"], "managed_payments": {"enabled": false}, "metadata": metadata(params),
            "mode": params["mode"], "name_collection": null, "optional_items": null, "origin_context": null,
            "payment_intent": null, "payment_link": null,
            "payment_method_collection": or("payment_method_collection",
                if subscription { json!("always") } else { json!("if_required") }),
            "payment_method_configuration_details": null,
            "payment_method_options": checkout_params::payment_method_options(),
            "payment_method_types": or("payment_method_types", json!(["card", "sepa_debit"])),
            "payment_status": "unpaid", "permissions": null, "phone_number_collection": {"enabled": false},
            "presentment_details": null, "recovered_from": null, "redirect_on_completion": null, "return_url": null,
            "saved_payment_method_options": null, "setup_intent": null, "shipping_address_collection": null,
            "shipping_cost": null, "shipping_options": [], "status": "open", "submit_type": params["submit_type"],
            "subscription": null, "success_url": params["success_url"],
            "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
            "ui_mode": "hosted_page", "url": format!("{}c/pay/{id}", self.base), "wallet_options": null,
        })
    }

    fn first_details(&self, params: &Value) -> Value {
        let customer = text(params, "customer");
        let email = if customer.is_empty() { &params["customer_email"] } else { &self.get(customer)["email"] };
        if email.is_null() { Value::Null } else { details(email, &Value::Null) }
    }

    /// `POST …/expire`
    pub fn expire_by_request(&mut self, id: &str) -> ApiResult {
        let status = self.text(id, "status");
        if status != "open" {
            let message = format!(
                "Only Checkout Sessions with a status in [\"open\"] can be expired. This Checkout Session has a status of `{status}`."
            );
            return Err(ApiError::invalid(message));
        }
        self.expire_session(id);
        Ok(self.get(id).clone())
    }

    /// The session's time is over, if it is still open.
    pub fn expire_session(&mut self, id: &str) {
        if self.text(id, "status") != "open" {
            return;
        }
        self.patch(id, json!({"status": "expired", "url": null}));
        self.emit("checkout.session.expired", id);
        let visit = self.visits.get(id).cloned();
        if let Some(subscription) = visit.as_ref().and_then(|visit| visit.subscription.as_deref()) {
            self.expire_subscription(subscription);
        }
        let once = visit.filter(|visit| visit.subscription.is_none()).and_then(|visit| visit.intent);
        if let Some(intent) = once {
            self.patch(
                &intent,
                json!({"status": "canceled", "canceled_at": self.at, "cancellation_reason": "automatic"}),
            );
            self.emit("payment_intent.canceled", &intent);
        }
    }

    /// A person fills in the page and presses the button.
    pub fn pay_session(&mut self, id: &str, card: Card, person: Person) -> Result<PayOutcome, SandboxError> {
        let visit = self.open_visit(id)?;
        let intent = if self.text(id, "mode") == "payment" {
            self.payment_of(id, &visit, card, &person)
        } else {
            self.subscription_of_visit(id, &visit, card, &person)
        };
        let Some(intent) = intent else {
            return Ok(self.complete_session(id, "no_payment_required"));
        };
        if let Some(hidden) = self.intents.get_mut(&intent) {
            hidden.card = card;
            hidden.person = person;
        }
        let attempt = self.attempt(&intent);
        Ok(self.after_attempt(id, &intent, &attempt))
    }

    fn open_visit(&self, id: &str) -> Result<Visit, SandboxError> {
        let visit = self.visits.get(id).ok_or_else(|| SandboxError::NoSuchSession(id.to_owned()))?;
        match self.text(id, "status").as_str() {
            "open" => Ok(visit.clone()),
            status => Err(SandboxError::NotOpen(status.to_owned())),
        }
    }

    /// The person went through the bank's second factor.
    pub fn authenticate_session(&mut self, id: &str, granted: bool) -> Result<PayOutcome, SandboxError> {
        let visit = self.open_visit(id)?;
        let intent = visit.intent.unwrap_or_default();
        if self.text(&intent, "status") != "requires_action" {
            return Err(SandboxError::NothingToAuthenticate);
        }
        let attempt = self.authenticate(&intent, granted);
        Ok(self.after_attempt(id, &intent, &attempt))
    }

    fn after_attempt(&mut self, id: &str, intent: &str, attempt: &Attempt) -> PayOutcome {
        let invoice = self.intents.get(intent).and_then(|hidden| hidden.invoice.clone());
        if let Some(invoice) = &invoice {
            let attempts = self.int(invoice, "attempt_count") + i64::from(*attempt != Attempt::NeedsAction);
            self.patch(invoice, json!({"attempt_count": attempts, "attempted": true}));
        }
        match attempt {
            Attempt::Succeeded => {
                if let Some(invoice) = &invoice {
                    self.invoice_paid(invoice);
                }
                let outcome = self.complete_session(id, "paid");
                self.fill_balance(intent);
                outcome
            }
            Attempt::Processing => {
                let subscription = self.visits.get(id).and_then(|visit| visit.subscription.clone());
                if let Some(subscription) = subscription {
                    self.change("customer.subscription.updated", &subscription, json!({"status": "active"}));
                }
                self.complete_session(id, "unpaid")
            }
            Attempt::NeedsAction => PayOutcome::AuthenticationRequired,
            Attempt::Declined(code) => {
                if let Some(invoice) = &invoice {
                    self.invoice_failed(invoice);
                }
                PayOutcome::Declined { code: (*code).to_owned(), message: decline_message(code).to_owned() }
            }
        }
    }

    /// The payment intent of a payment-mode session, made at the first attempt.
    fn payment_of(&mut self, id: &str, visit: &Visit, card: Card, person: &Person) -> Option<String> {
        if visit.intent.is_some() {
            return visit.intent.clone();
        }
        if self.text(id, "customer_creation") == "always" && self.get(id)["customer"].is_null() {
            self.visit_customer(id, person);
        }
        let data = &visit.params["payment_intent_data"];
        let (amount, currency) = (self.int(id, "amount_total"), self.text(id, "currency"));
        let new = NewIntent {
            amount,
            currency: &currency,
            customer: self.get(id)["customer"].clone(),
            description: data["description"].clone(),
            metadata: metadata(data),
            off_session: data["setup_future_usage"] == "off_session",
        };
        let hidden =
            Intent { session: Some(id.to_owned()), invoice: None, interval: None, card, person: person.clone() };
        let intent = self.new_intent(&new, hidden);
        self.patch(id, json!({"payment_intent": intent}));
        if let Some(known) = self.visits.get_mut(id) {
            known.intent = Some(intent.clone());
        }
        Some(intent)
    }

    /// The payment intent of the first invoice, the subscription made at the first attempt; none in a trial.
    fn subscription_of_visit(&mut self, id: &str, visit: &Visit, card: Card, person: &Person) -> Option<String> {
        if let Some(subscription) = &visit.subscription {
            if let Some(agreement) = self.agreements.get_mut(subscription) {
                agreement.card = card.off_session();
                agreement.person = person.clone();
            }
            return visit.intent.clone();
        }
        let customer = match self.get(id)["customer"].as_str() {
            Some(customer) => customer.to_owned(),
            None => self.visit_customer(id, person),
        };
        let data = &visit.params["subscription_data"];
        let trial_end =
            data["trial_end"].as_i64().or(data["trial_period_days"].as_i64().map(|days| self.at + days * DAY));
        let mode = text(&data["billing_mode"], "type");
        let subscription = self.new_subscription(NewSubscription {
            customer,
            price: visit.line_items[0]["price"].clone(),
            quantity: visit.line_items[0]["quantity"].as_i64().unwrap_or(1),
            metadata: metadata(data),
            description: data["description"].clone(),
            billing_mode: if mode.is_empty() { "flexible".to_owned() } else { mode.to_owned() },
            trial_end,
            card: card.off_session(),
            person: person.clone(),
        });
        let invoice = self.first_invoice(&subscription);
        let intent = Some(self.intent_of_invoice(&invoice)).filter(|intent| !intent.is_empty());
        if let Some(hidden) = intent.as_ref().and_then(|intent| self.intents.get_mut(intent)) {
            hidden.session = Some(id.to_owned());
        }
        if intent.is_none() {
            self.invoice_paid(&invoice);
        }
        if let Some(known) = self.visits.get_mut(id) {
            known.subscription = Some(subscription);
            known.intent.clone_from(&intent);
        }
        intent
    }

    fn visit_customer(&mut self, id: &str, person: &Person) -> String {
        let customer = catalog::new_customer(self, &json!({"email": person.email, "name": person.name}));
        self.patch(id, json!({"customer": customer}));
        customer
    }

    fn complete_session(&mut self, id: &str, payment_status: &str) -> PayOutcome {
        let visit = self.visits.get(id).cloned();
        let subscription = visit.as_ref().and_then(|visit| visit.subscription.clone());
        let person = match (visit.and_then(|visit| visit.intent), &subscription) {
            (Some(intent), _) => self.intents.get(&intent).map(|hidden| hidden.person.clone()),
            (None, Some(subscription)) => self.agreements.get(subscription).map(|known| known.person.clone()),
            (None, None) => None,
        };
        let person = person.unwrap_or_default();
        let invoice = subscription.as_ref().map(|id| self.text(id, "latest_invoice"));
        self.patch(
            id,
            json!({"status": "complete", "payment_status": payment_status, "url": null, "subscription": subscription,
                   "invoice": invoice, "customer_details": details(&json!(person.email), &json!(person.name))}),
        );
        self.emit("checkout.session.completed", id);
        let redirect = self.text(id, "success_url").replace("{CHECKOUT_SESSION_ID}", id);
        match payment_status {
            "unpaid" => PayOutcome::Processing { redirect },
            _ => PayOutcome::Paid { redirect },
        }
    }

    /// A bank debit begun on this session settled or failed.
    pub fn session_settled(&mut self, id: &str, paid: bool) {
        if self.text(id, "status") != "complete" || self.text(id, "payment_status") != "unpaid" {
            return;
        }
        if paid {
            self.patch(id, json!({"payment_status": "paid"}));
            self.emit("checkout.session.async_payment_succeeded", id);
        } else {
            self.emit("checkout.session.async_payment_failed", id);
        }
    }
}

fn details(email: &Value, name: &Value) -> Value {
    json!({"address": empty_address(), "business_name": null, "email": email, "individual_name": null, "name": name,
        "phone": null, "tax_exempt": "none", "tax_ids": []})
}
