//! Money given back.
//!
//! Invariant: refunds of a charge never add up to more than was charged; a refund that fails gives its money back.

use serde_json::{Value, json};

use super::SandboxError;
use super::balance::NewLine;
use super::error::{ApiError, ApiResult};
use super::form::Node;
use super::ledger::Flow;
use super::money::AMOUNT_MAX;
use super::params::{Kind, Param, check, optional};
use super::state::{State, metadata, text};

const CREATE: &[Param] = &[
    optional("amount", Kind::Int(1, AMOUNT_MAX)),
    optional("charge", Kind::Text),
    optional("instructions_email", Kind::Unmodelled),
    optional("metadata", Kind::Metadata),
    optional("payment_intent", Kind::Text),
    optional("reason", Kind::OneOf(&["duplicate", "fraudulent", "requested_by_customer"])),
    optional("refund_application_fee", Kind::Bool),
    optional("reverse_transfer", Kind::Bool),
];

impl State {
    /// `POST /v1/refunds`
    pub fn create_refund(&mut self, form: &Node) -> ApiResult {
        let params = check(form, CREATE)?;
        let charge = self.charge_to_refund(&params)?;
        let left = self.int(&charge, "amount") - self.int(&charge, "amount_refunded");
        if left == 0 {
            let message = format!("Charge {charge} has already been refunded.");
            return Err(ApiError::invalid(message).code("charge_already_refunded"));
        }
        if self.get(&charge)["disputed"] == true {
            let message = format!("Charge {charge} has been charged back; cannot issue a refund.");
            return Err(ApiError::invalid(message).code("charge_disputed"));
        }
        let amount = params["amount"].as_i64().unwrap_or(left);
        if amount > left {
            let message = format!("Refund amount ({amount}) is greater than unrefunded amount on charge ({left})");
            return Err(ApiError::param("amount", message));
        }
        let id = self.refund(&charge, amount, &params["reason"], &metadata(&params));
        Ok(self.get(&id).clone())
    }

    fn charge_to_refund(&self, params: &Value) -> Result<String, ApiError> {
        let (name, kind, id) = match (text(params, "charge"), text(params, "payment_intent")) {
            ("", "") => {
                let message =
                    "One of the following params should be provided for this request: payment_intent or charge.";
                return Err(ApiError::invalid(message).code("parameter_missing"));
            }
            ("", intent) => ("payment_intent", "payment_intent", intent),
            (charge, _) => ("charge", "charge", charge),
        };
        if !self.has(kind, id) {
            let message = format!("No such {kind}: '{id}'");
            return Err(ApiError::param(name, message).code("resource_missing"));
        }
        let charge = if kind == "charge" { id.to_owned() } else { self.text(id, "latest_charge") };
        if self.text(&charge, "status") == "succeeded" {
            return Ok(charge);
        }
        Err(ApiError::param(name, format!("This {kind} does not have a successful charge to refund.")))
    }

    fn refund(&mut self, charge: &str, amount: i64, reason: &Value, metadata: &Value) -> String {
        let id = self.new_id("re");
        let source = self.get(charge).clone();
        let kind = text(&source["payment_method_details"], "type").to_owned();
        let bank = kind == "sepa_debit";
        let destination = if bank {
            json!({"type": kind, kind.as_str(): {}})
        } else {
            json!({"type": "card", "card": {"reference": null, "reference_status": "pending",
                "reference_type": "acquirer_reference_number", "type": "refund"}})
        };
        self.insert(json!({
            "id": id, "object": "refund", "amount": amount, "balance_transaction": null, "charge": charge,
            "created": self.at, "currency": source["currency"], "description": null,
            "destination_details": destination, "metadata": metadata, "payment_intent": source["payment_intent"],
            "reason": reason, "receipt_number": null, "source_transfer_reversal": null,
            "status": if bank { "pending" } else { "succeeded" }, "transfer_reversal": null,
        }));
        let kind = if bank { "payment_refund" } else { "refund" };
        let balance = self.refund_line(kind, -amount, &id);
        self.patch(&id, json!({"balance_transaction": balance}));
        self.emit("refund.created", &id);
        self.tell_refunded(charge, amount, "charge.refunded");
        self.book(Flow::Refund, amount, 0, charge);
        id
    }

    fn refund_line(&mut self, kind: &str, amount: i64, id: &str) -> String {
        let (currency, charge) = (self.text(id, "currency"), self.text(id, "charge"));
        let (currency, source, charge) = (currency.as_str(), Some(id), Some(charge.as_str()));
        self.new_balance(&NewLine { kind, amount, fee: 0, currency, source, charge })
    }

    fn tell_refunded(&mut self, charge: &str, by: i64, event: &str) {
        let refunded = self.int(charge, "amount_refunded") + by;
        let full = refunded == self.int(charge, "amount");
        self.change(event, charge, json!({"amount_refunded": refunded, "refunded": full}));
    }

    /// The donor's bank took the refund (a pending one).
    pub fn succeed_refund(&mut self, id: &str) -> Result<(), SandboxError> {
        if self.text(id, "status") != "pending" {
            return Err(SandboxError::NoSuchObject(id.to_owned()));
        }
        self.change("refund.updated", id, json!({"status": "succeeded"}));
        Ok(())
    }

    /// The donor's bank sent the refund back: the money returns.
    pub fn fail_refund(&mut self, id: &str) -> Result<(), SandboxError> {
        if !matches!(self.text(id, "status").as_str(), "pending" | "succeeded") || !self.has("refund", id) {
            return Err(SandboxError::NoSuchObject(id.to_owned()));
        }
        let (charge, amount) = (self.text(id, "charge"), self.int(id, "amount"));
        let balance = self.refund_line("refund_failure", amount, id);
        let previous = self.patch(
            id,
            json!({"status": "failed", "failure_reason": "expired_or_canceled_card",
                   "failure_balance_transaction": balance}),
        );
        self.emit_previous("refund.updated", id, previous);
        self.emit("refund.failed", id);
        self.tell_refunded(&charge, -amount, "charge.updated");
        let made_at = self.int(id, "created");
        self.book_undoing(Some(made_at), Flow::RefundFailed, amount, 0, &charge);
        Ok(())
    }
}
