//! The account's balance: a line for all that moves it, settled in the account's own currency where one is set, and
//! paid out once a day.
//!
//! It must not know why money moves. Invariants: a line never changes but for its `status`; each line is paid out at
//! most once, and an automatic payout is the sum of its lines.

use serde_json::{Value, json};

use super::error::ApiError;
use super::ledger::{Part, Settled};
use super::money;
use super::state::{Due, State};
use crate::clock::DAY;

/// Seconds until money is available.
const AVAILABLE_AFTER_SECONDS: i64 = 2 * DAY;
/// Seconds until a payout arrives.
const ARRIVES_AFTER_SECONDS: i64 = 2 * DAY;

/// The one currency an account holds its balance in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlesIn {
    /// Lower case, as Stripe writes it.
    pub currency: String,
    /// What a unit of any other currency is worth, in millionths of a unit of this one.
    pub rate_millionths: i64,
}

/// A line to be booked; amounts in the currency the money moved in.
pub(super) struct NewLine<'a> {
    /// Stripe's type.
    pub kind: &'a str,
    /// Negative when money leaves.
    pub amount: i64,
    pub fee: i64,
    pub currency: &'a str,
    /// The object that caused it, if one did.
    pub source: Option<&'a str>,
    /// The charge that is behind it, if one is.
    pub charge: Option<&'a str>,
}

impl State {
    /// Books a line; answers its id.
    pub fn new_balance(&mut self, line: &NewLine) -> String {
        let id = self.new_id("txn");
        let settles_in = self.settings.settles_in.clone().filter(|own| own.currency != line.currency);
        let (currency, rate) = match &settles_in {
            Some(own) => (own.currency.clone(), Some(own.rate_millionths)),
            None => (line.currency.to_owned(), None),
        };
        let settled = |minor| rate.map_or(minor, |rate| money::exchanged(minor, line.currency, &currency, rate));
        let (amount, fee) = (settled(line.amount), settled(line.fee));
        let fees = if fee == 0 {
            json!([])
        } else {
            json!([{"amount": fee, "application": null, "currency": currency,
                    "description": "Stripe processing fees", "type": "stripe_fee"}])
        };
        #[expect(clippy::cast_precision_loss, reason = "Stripe writes rates as floats")]
        let exchange_rate = rate.map(|rate| rate as f64 / 1e6);
        // What a payout sends is gone at once.
        let available_on = self.at + if line.kind.starts_with("payout") { 0 } else { AVAILABLE_AFTER_SECONDS };
        self.insert(json!({
            "id": id, "object": "balance_transaction", "amount": amount, "available_on": available_on,
            "balance_type": "payments", "created": self.at, "currency": currency, "description": null,
            "exchange_rate": exchange_rate, "fee": fee, "fee_details": fees, "net": amount - fee,
            "reporting_category": category(line.kind, amount), "source": line.source, "status": "pending",
            "type": line.kind,
        }));
        if line.kind != "payout" {
            self.unpaid.push(id.clone());
        }
        self.settled.push(Settled {
            at: self.at,
            part: part(line.kind),
            currency,
            amount_minor: amount,
            fee_minor: fee,
            charge: line.charge.map(str::to_owned),
        });
        id
    }

    /// What Stripe takes for something other than a payment.
    pub fn take_account_fee(&mut self, amount: i64, currency: &str) -> String {
        self.new_balance(&NewLine { kind: "stripe_fee", amount: -amount, fee: 0, currency, source: None, charge: None })
    }

    /// Begins to pay out, if that is set and not begun.
    pub fn begin_payouts(&mut self) {
        if self.settings.payouts && !self.pays_out {
            self.pays_out = true;
            self.schedule((self.clock.now() / DAY + 1) * DAY, Due::PayOut);
        }
    }

    /// A day's payouts: what is available, currency by currency, as long as it is more than nothing.
    pub fn pay_out(&mut self) {
        self.pays_out = self.settings.payouts;
        if !self.pays_out {
            return;
        }
        self.schedule(self.at + DAY, Due::PayOut);
        let due = |state: &Self, id: &String| state.int(id, "available_on") <= state.at;
        let available: Vec<String> = self.unpaid.iter().filter(|id| due(self, id)).cloned().collect();
        let mut currencies: Vec<String> = available.iter().map(|id| self.text(id, "currency")).collect();
        currencies.sort();
        currencies.dedup();
        for currency in currencies {
            let lines: Vec<&String> = available.iter().filter(|id| self.text(id, "currency") == currency).collect();
            let sum: i64 = lines.iter().map(|id| self.int(id, "net")).sum();
            if sum > 0 {
                let lines: Vec<String> = lines.into_iter().cloned().collect();
                self.new_payout(sum, &currency, &lines);
            }
        }
    }

    fn new_payout(&mut self, amount: i64, currency: &str, lines: &[String]) {
        let id = self.new_id("po");
        let arrival = self.at + ARRIVES_AFTER_SECONDS;
        self.insert(json!({
            "id": id, "object": "payout", "amount": amount, "application_fee": null, "application_fee_amount": null,
            "arrival_date": arrival, "automatic": true, "balance_transaction": null, "created": self.at,
            "currency": currency, "description": "STRIPE PAYOUT", "destination": null,
            "failure_balance_transaction": null, "failure_code": null, "failure_message": null, "livemode": false,
            "metadata": {}, "method": "standard", "original_payout": null, "payout_method": null,
            "reconciliation_status": "completed", "reversed_by": null, "source_type": "card",
            "statement_descriptor": null, "status": "in_transit", "trace_id": null, "type": "bank_account",
        }));
        let own = self.new_balance(&NewLine {
            kind: "payout",
            amount: -amount,
            fee: 0,
            currency,
            source: Some(&id),
            charge: None,
        });
        self.patch(&id, json!({"balance_transaction": own}));
        for line in lines.iter().chain([&own]) {
            self.patch(line, json!({"status": "available"}));
            self.paid_out.insert(line.clone(), id.clone());
        }
        self.unpaid.retain(|line| !lines.contains(line));
        self.emit("payout.created", &id);
        self.schedule(arrival, Due::PayoutArrives(id));
    }

    /// The bank has it.
    pub fn payout_arrives(&mut self, id: &str) {
        self.change("payout.paid", id, json!({"status": "paid"}));
    }

    /// Whether a line left in this payout.
    pub fn left_in(&self, line: &str, payout: &str) -> bool {
        self.paid_out.get(line).is_some_and(|left_in| left_in == payout)
    }
}

/// `payout` narrows a list of lines to those that left in it.
pub(super) fn check_payout(state: &State, kind: &str, params: &Value) -> Result<(), ApiError> {
    let payout = super::state::text(params, "payout");
    if payout.is_empty() || (kind == "balance_transaction" && state.has("payout", payout)) {
        return Ok(());
    }
    if kind == "balance_transaction" {
        let message = format!("No such payout: '{payout}'");
        return Err(ApiError::param("payout", message).code("resource_missing"));
    }
    Err(ApiError::param("payout", "Received unknown parameter: payout").code("parameter_unknown"))
}

fn category(kind: &str, amount: i64) -> &str {
    match kind {
        "payment" => "charge",
        "payment_refund" => "refund",
        "adjustment" if amount > 0 => "dispute_reversal",
        "adjustment" => "dispute",
        "stripe_fee" => "fee",
        other => other,
    }
}

fn part(kind: &str) -> Part {
    match kind {
        "charge" | "payment" => Part::Payment,
        "refund" | "payment_refund" | "refund_failure" => Part::Refund,
        "adjustment" => Part::Dispute,
        _ => Part::Account,
    }
}
