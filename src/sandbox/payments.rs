//! Payment intents and charges: an attempt to move money and what comes of it.
//!
//! It must not know why money moves; it tells [`super::checkout`] and [`super::billing`] how it went. Invariants: a
//! charge has a balance transaction only once `charge.updated` tells of it; a succeeded intent never changes again.

use serde_json::{Value, json};

use super::balance::NewLine;
use super::ledger::Flow;
use super::state::{Due, State};
use super::{Card, money};

/// What Stripe keeps to itself about a payment intent.
#[derive(Debug, Clone)]
pub(super) struct Intent {
    /// The checkout session somebody paid on.
    pub session: Option<String>,
    pub invoice: Option<String>,
    /// `month` or `year` when a subscription is behind it.
    pub interval: Option<String>,
    pub card: Card,
    pub person: Person,
}

/// Who pays, as typed on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub email: String,
    pub name: String,
}

impl Default for Person {
    fn default() -> Self {
        Self { email: "reader@example.com".to_owned(), name: "Ada Reader".to_owned() }
    }
}

/// What a new payment intent is made of.
pub(super) struct NewIntent<'a> {
    pub amount: i64,
    pub currency: &'a str,
    pub customer: Value,
    pub description: Value,
    pub metadata: Value,
    pub off_session: bool,
}

/// How an attempt went at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    Succeeded,
    Processing,
    NeedsAction,
    Declined(&'static str),
}

impl State {
    pub fn new_intent(&mut self, new: &NewIntent, hidden: Intent) -> String {
        let id = self.new_id("pi");
        let secret = format!("{id}_secret_{}", self.random.hex());
        // What an intent pays for; before the money came, nothing else leads from it to its invoice.
        let order = hidden.invoice.as_ref().map(|id| json!({"customer_reference": null, "order_reference": id}));
        let types: &[&str] = if hidden.card.is_bank_debit() { &["card", "sepa_debit"] } else { &["card"] };
        self.insert(json!({
            "id": id, "object": "payment_intent", "amount": new.amount, "amount_capturable": 0,
            "amount_details": {"tip": {}}, "amount_received": 0, "application": null, "application_fee_amount": null,
            "automatic_payment_methods": null, "canceled_at": null, "cancellation_reason": null,
            "capture_method": "automatic_async", "client_secret": secret, "confirmation_method": "automatic",
            "created": self.at, "currency": new.currency, "customer": new.customer, "customer_account": null,
            "description": new.description, "excluded_payment_method_types": null, "last_payment_error": null,
            "latest_charge": null, "livemode": false, "metadata": new.metadata, "next_action": null,
            "on_behalf_of": null, "payment_details": order, "payment_method": null,
            "payment_method_configuration_details": null,
            "payment_method_options": {}, "payment_method_types": types, "processing": null, "receipt_email": null,
            "review": null, "setup_future_usage": new.off_session.then_some("off_session"), "shipping": null,
            "source": null, "statement_descriptor": null, "statement_descriptor_suffix": null,
            "status": "requires_payment_method", "transfer_data": null, "transfer_group": null,
        }));
        self.intents.insert(id.clone(), hidden);
        self.emit("payment_intent.created", &id);
        id
    }

    /// Tries to take the money of an intent with its card. Tells of the payment; the caller tells of its cause.
    pub fn attempt(&mut self, intent: &str) -> Attempt {
        let card = self.intents.get(intent).map_or(Card::Works, |hidden| hidden.card);
        let method = self.new_id("pm");
        match card {
            Card::Works | Card::RenewalsFail => {
                self.succeed(intent, &method, card);
                Attempt::Succeeded
            }
            Card::NeedsAuthentication => {
                let redirect = json!({"type": "redirect_to_url", "redirect_to_url": {
                    "return_url": null, "url": format!("{}authenticate/{intent}", self.base)}});
                self.patch(
                    intent,
                    json!({"status": "requires_action", "payment_method": method, "next_action": redirect}),
                );
                self.emit("payment_intent.requires_action", intent);
                Attempt::NeedsAction
            }
            Card::Declined | Card::InsufficientFunds => {
                let code = card.decline_code();
                self.decline(intent, &method, card, code);
                Attempt::Declined(code)
            }
            Card::BankDebitSettles | Card::BankDebitFails => {
                self.process(intent, &method, card);
                Attempt::Processing
            }
        }
    }

    /// The bank debit is on its way: a pending charge, and an answer days later.
    fn process(&mut self, intent: &str, method: &str, card: Card) {
        let charge = self.new_charge(intent, method, card, "pending");
        self.patch(
            intent,
            json!({"status": "processing", "payment_method": method, "latest_charge": charge, "next_action": null,
                   "last_payment_error": null}),
        );
        self.emit("charge.pending", &charge);
        self.emit("payment_intent.processing", intent);
        let at = self.at + self.settings.bank_debit_seconds;
        self.schedule(at, Due::Settle(intent.to_owned()));
    }

    /// The bank answered.
    pub fn settle(&mut self, intent: &str) {
        if self.text(intent, "status") != "processing" {
            return;
        }
        let card = self.intents.get(intent).map_or(Card::Works, |hidden| hidden.card);
        let method = self.text(intent, "payment_method");
        let charge = self.text(intent, "latest_charge");
        if card == Card::BankDebitFails {
            self.fail_charge(&charge, "insufficient_funds");
            self.fail_intent(intent, &method, card, "insufficient_funds");
            self.told_failed(intent);
        } else {
            self.complete(intent, &charge, card);
            self.told_succeeded(intent);
        }
        self.fill_balance(intent);
    }

    /// The money came at once.
    pub fn succeed(&mut self, intent: &str, method: &str, card: Card) {
        let charge = self.new_charge(intent, method, card, "succeeded");
        self.patch(intent, json!({"payment_method": method, "latest_charge": charge}));
        self.complete(intent, &charge, card);
    }

    fn complete(&mut self, intent: &str, charge: &str, card: Card) {
        let amount = self.int(intent, "amount");
        self.patch(
            charge,
            json!({"status": "succeeded", "paid": true, "captured": true, "amount_captured": amount,
                   "receipt_url": format!("{}receipts/{charge}", self.base)}),
        );
        self.emit("charge.succeeded", charge);
        self.patch(
            intent,
            json!({"status": "succeeded", "amount_received": amount, "next_action": null, "last_payment_error": null,
                   "processing": null}),
        );
        self.emit("payment_intent.succeeded", intent);
        self.book(Flow::Payment, amount, fee(amount, &self.text(charge, "currency"), card), charge);
    }

    /// The person was asked for a second factor, and the bank answered.
    pub fn authenticate(&mut self, intent: &str, granted: bool) -> Attempt {
        let method = self.text(intent, "payment_method");
        if granted {
            self.succeed(intent, &method, Card::NeedsAuthentication);
            return Attempt::Succeeded;
        }
        let code = "payment_intent_authentication_failure";
        self.fail_intent(intent, &method, Card::NeedsAuthentication, code);
        Attempt::Declined(code)
    }

    fn decline(&mut self, intent: &str, method: &str, card: Card, code: &'static str) {
        let charge = self.new_charge(intent, method, card, "failed");
        self.patch(intent, json!({"latest_charge": charge}));
        self.fail_charge(&charge, code);
        self.fail_intent(intent, method, card, code);
    }

    fn fail_charge(&mut self, charge: &str, code: &str) {
        let outcome = json!({"network_status": "declined_by_network", "reason": code, "risk_level": "normal",
            "seller_message": "The bank returned a decline.", "type": "issuer_declined",
            "advice_code": null, "network_advice_code": null, "network_decline_code": null});
        self.patch(
            charge,
            json!({"status": "failed", "paid": false, "captured": false, "failure_code": error_code(code),
                   "failure_message": decline_message(code), "outcome": outcome, "receipt_url": null}),
        );
        self.emit("charge.failed", charge);
    }

    fn fail_intent(&mut self, intent: &str, method: &str, card: Card, code: &'static str) {
        let error = json!({
            "type": "card_error", "code": error_code(code), "decline_code": code, "message": decline_message(code),
            "charge": self.get(intent)["latest_charge"], "doc_url": null,
            "payment_method": payment_method(method, card, self.at),
        });
        self.patch(
            intent,
            json!({"status": "requires_payment_method", "payment_method": null, "last_payment_error": error,
                   "next_action": null, "processing": null}),
        );
        self.emit("payment_intent.payment_failed", intent);
    }

    fn new_charge(&mut self, intent: &str, method: &str, card: Card, status: &str) -> String {
        let id = self.new_id(if card.is_bank_debit() { "py" } else { "ch" });
        let person = self.intents.get(intent).map(|hidden| hidden.person.clone()).unwrap_or_default();
        let pi = self.get(intent).clone();
        let outcome = json!({"network_status": "approved_by_network", "reason": null, "risk_level": "normal",
            "risk_score": 20, "seller_message": "Payment complete.", "type": "authorized",
            "advice_code": null, "network_advice_code": null, "network_decline_code": null});
        self.insert(json!({
            "id": id, "object": "charge", "amount": pi["amount"], "amount_captured": 0, "amount_refunded": 0,
            "application": null, "application_fee": null, "application_fee_amount": null, "balance_transaction": null,
            "billing_details": {"address": empty_address(), "email": person.email, "name": person.name,
                "phone": null, "tax_id": null},
            "calculated_statement_descriptor": "SANDBOX", "captured": false, "created": self.at,
            "currency": pi["currency"], "customer": pi["customer"], "description": pi["description"],
            "disputed": false, "failure_balance_transaction": null, "failure_code": null, "failure_message": null,
            "fraud_details": {}, "livemode": false, "metadata": pi["metadata"], "on_behalf_of": null,
            "outcome": outcome, "paid": false, "payment_intent": intent, "payment_method": method,
            "payment_method_details": method_details(card), "presentment_details": null, "radar_options": {},
            "receipt_email": null, "receipt_number": null, "receipt_url": null, "refunded": false, "review": null,
            "shipping": null, "source": null, "source_transfer": null, "statement_descriptor": null,
            "statement_descriptor_suffix": null, "status": status, "transfer_data": null, "transfer_group": null,
        }))
    }

    /// Stripe works out the fee a moment after the payment and tells of it by `charge.updated`.
    pub fn fill_balance(&mut self, intent: &str) {
        let charge = self.text(intent, "latest_charge");
        let waits = self.text(&charge, "status") == "succeeded" && self.get(&charge)["balance_transaction"].is_null();
        if !waits {
            return;
        }
        let card = self.intents.get(intent).map_or(Card::Works, |hidden| hidden.card);
        let (amount, currency) = (self.int(&charge, "amount"), self.text(&charge, "currency"));
        let fee = fee(amount, &currency, card);
        let kind = if card.is_bank_debit() { "payment" } else { "charge" };
        let balance = self.new_balance(&NewLine {
            kind,
            amount,
            fee,
            currency: &currency,
            source: Some(&charge),
            charge: Some(&charge),
        });
        self.change("charge.updated", &charge, json!({"balance_transaction": balance}));
    }

    /// A payment that was on its way arrived: its cause learns of it.
    fn told_succeeded(&mut self, intent: &str) {
        let Some(hidden) = self.intents.get(intent).cloned() else { return };
        if let Some(invoice) = &hidden.invoice {
            self.invoice_paid(invoice);
        }
        if let Some(session) = &hidden.session {
            self.session_settled(session, true);
        }
    }

    fn told_failed(&mut self, intent: &str) {
        let Some(hidden) = self.intents.get(intent).cloned() else { return };
        if let Some(invoice) = &hidden.invoice {
            self.invoice_failed(invoice);
        }
        if let Some(session) = &hidden.session {
            self.session_settled(session, false);
        }
    }
}

fn fee(amount: i64, currency: &str, card: Card) -> i64 {
    if card.is_bank_debit() { money::bank_fee(amount) } else { money::card_fee(amount, currency) }
}

pub(super) fn empty_address() -> Value {
    json!({"city": null, "country": null, "line1": null, "line2": null, "postal_code": null, "state": null})
}

fn error_code(decline: &str) -> &str {
    match decline {
        "authentication_required" | "payment_intent_authentication_failure" => decline,
        _ => "card_declined",
    }
}

pub(super) fn decline_message(code: &str) -> &'static str {
    match code {
        "insufficient_funds" => "Your card has insufficient funds.",
        "authentication_required" => "Your card was declined. This transaction requires authentication.",
        "payment_intent_authentication_failure" => "We are unable to authenticate your payment method.",
        _ => "Your card was declined.",
    }
}

fn method_details(card: Card) -> Value {
    if card.is_bank_debit() {
        return json!({"type": "sepa_debit", "sepa_debit": {"bank_code": "37040044", "branch_code": null,
            "country": "DE", "fingerprint": "sandbox", "last4": "3000", "mandate": null}});
    }
    json!({"type": "card", "card": {"amount_authorized": null, "authorization_code": null, "brand": "visa",
        "checks": {"address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass"},
        "country": "US", "exp_month": 12, "exp_year": 2034, "fingerprint": "sandbox", "funding": "credit",
        "installments": null, "last4": card.last4(), "mandate": null, "network": "visa", "network_token": null,
        "network_transaction_id": null, "overcapture": null, "regulated_status": "unregulated",
        "three_d_secure": null, "wallet": null}})
}

fn payment_method(id: &str, card: Card, at: i64) -> Value {
    let kind = if card.is_bank_debit() { "sepa_debit" } else { "card" };
    let mut method = json!({"id": id, "object": "payment_method", "allow_redisplay": "limited",
        "billing_details": {"address": empty_address(), "email": null, "name": null, "phone": null, "tax_id": null},
        "created": at, "customer": null, "customer_account": null, "livemode": false, "metadata": {}, "type": kind});
    method[kind] = if card.is_bank_debit() {
        json!({"bank_code": "37040044", "branch_code": null, "country": "DE", "fingerprint": "sandbox",
               "generated_from": null, "last4": "3000"})
    } else {
        json!({"brand": "visa", "checks": null, "country": "US", "display_brand": "visa", "exp_month": 12,
               "exp_year": 2034, "fingerprint": "sandbox", "funding": "credit", "generated_from": null,
               "last4": card.last4(), "networks": null, "regulated_status": "unregulated",
               "three_d_secure_usage": null, "wallet": null})
    };
    method
}
