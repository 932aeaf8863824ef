//! Donors (or their banks) who take their money back.
//!
//! Invariant: a dispute is open, then won or lost, once; its money leaves when it opens and returns only when won.

use serde_json::{Value, json};

use super::SandboxError;
use super::balance::NewLine;
use super::ledger::Flow;
use super::money;
use super::state::State;
use crate::clock::DAY;

const EVIDENCE_DUE_SECONDS: i64 = 21 * DAY;

impl State {
    /// A bank disputes a whole charge. Answers the dispute's id.
    pub fn open_dispute(&mut self, charge: &str, reason: &str) -> Result<String, SandboxError> {
        if self.text(charge, "status") != "succeeded" || self.get(charge)["disputed"] == true {
            return Err(SandboxError::NoSuchObject(charge.to_owned()));
        }
        let id = self.new_id("du");
        let source = self.get(charge).clone();
        let amount = self.int(charge, "amount");
        self.insert(json!({
            "id": id, "object": "dispute", "amount": amount, "balance_transactions": [], "charge": charge,
            "created": self.at, "currency": source["currency"], "enhanced_eligibility_types": [],
            "evidence": {"enhanced_evidence": {}},
            "evidence_details": {"due_by": self.at + EVIDENCE_DUE_SECONDS, "enhanced_eligibility": {},
                "has_evidence": false, "past_due": false, "submission_count": 0},
            "is_charge_refundable": false, "livemode": false, "metadata": {}, "network_reason_code": "10.4",
            "payment_intent": source["payment_intent"],
            "payment_method_details": {"type": "card",
                "card": {"brand": "visa", "case_type": "chargeback", "network": "visa", "network_reason_code": "10.4"}},
            "reason": reason, "status": "needs_response",
        }));
        self.patch(charge, json!({"disputed": true}));
        self.emit("charge.dispute.created", &id);
        let fee = money::dispute_fee(&self.text(&id, "currency"));
        self.dispute_line(&id, -amount, fee);
        self.emit("charge.dispute.funds_withdrawn", &id);
        self.book(Flow::Dispute, amount, fee, charge);
        Ok(id)
    }

    /// The newsroom's answer went to the bank.
    pub fn submit_evidence(&mut self, id: &str) -> Result<(), SandboxError> {
        self.open_one(id)?;
        self.change("charge.dispute.updated", id, json!({"status": "under_review"}));
        Ok(())
    }

    /// The bank decided.
    pub fn close_dispute(&mut self, id: &str, won: bool) -> Result<(), SandboxError> {
        self.open_one(id)?;
        let (charge, amount) = (self.text(id, "charge"), self.int(id, "amount"));
        self.patch(id, json!({"status": if won { "won" } else { "lost" }}));
        if won {
            self.dispute_line(id, amount, 0);
            self.emit("charge.dispute.funds_reinstated", id);
            self.book(Flow::DisputeWon, amount, 0, &charge);
        }
        self.emit("charge.dispute.closed", id);
        Ok(())
    }

    fn open_one(&self, id: &str) -> Result<(), SandboxError> {
        match self.text(id, "status").as_str() {
            "needs_response" | "under_review" => Ok(()),
            _ => Err(SandboxError::NoSuchObject(id.to_owned())),
        }
    }

    fn dispute_line(&mut self, id: &str, amount: i64, fee: i64) {
        let (currency, charge) = (self.text(id, "currency"), self.text(id, "charge"));
        let balance = self.new_balance(&NewLine {
            kind: "adjustment",
            amount,
            fee,
            currency: &currency,
            source: Some(id),
            charge: Some(&charge),
        });
        let mut lines = self.get(id)["balance_transactions"].clone();
        if let Value::Array(lines) = &mut lines {
            lines.push(self.get(&balance).clone());
        }
        self.patch(id, json!({"balance_transactions": lines}));
    }
}
