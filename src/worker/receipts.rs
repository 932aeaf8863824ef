//! Thanks and receipts: once a payment is in the books and its donor is known, a mail about it is put into the outbox.
//!
//! It looks at the books and not at events, so that no order of events can lose or repeat a mail: a payment is marked in
//! the transaction that puts its mail down, and the outbox takes one mail per payment. It must not run where no mail is
//! sent: addresses would be kept for nothing.

use serde_json::{Value, json};

use super::letters::{Letter, Letters};
use crate::clock::{DAY, MINUTE};
use crate::config::Receipts;
use crate::domain::email::{EmailKind, TRY_FOR};
use crate::domain::pledge::Frequency;
use crate::service::later::{Desk, LaterError};
use crate::store::{BATCH, OtherPledge, Unreceipted};

/// Seconds after a payment until its donor is written to: what Stripe says about it comes in several events.
const SETTLES: i64 = MINUTE;
/// Nobody is thanked for a payment older than this, in seconds: after an outage of a week it would only puzzle.
const NEWS: i64 = 7 * DAY;

/// Puts thanks and receipts into the outbox.
#[derive(Clone, Debug)]
pub struct ReceiptWorker {
    pub desk: Desk,
    pub receipts: Receipts,
}

impl ReceiptWorker {
    /// Works on one batch of payments, and returns how many those were.
    pub async fn run_once(&self) -> Result<usize, LaterError> {
        let now = self.desk.clock.now();
        let most = i64::try_from(BATCH).unwrap_or(1);
        let payments = self.desk.store.unreceipted(now - NEWS, now - SETTLES, most).await?;
        if payments.is_empty() {
            return Ok(0);
        }
        let mut letters = Letters::new(&self.desk)?;
        let mut emails = Vec::new();
        for payment in payments.iter().filter(|payment| self.is_wanted(payment)) {
            let campaign = letters.campaign(&payment.recipient.campaign).await?;
            let statement = campaign.and_then(|campaign| campaign.statement.clone());
            // Two of one donor may be meant, or may not; whoever gives a second time is asked.
            let recurs = payment.frequency != Frequency::Once;
            let other = if payment.first && recurs {
                self.desk.store.other_running(&payment.recipient.donor_id, &payment.recipient.pledge_id).await?
            } else {
                None
            };
            let letter = Letter {
                cause: format!("receipt:{}", payment.stripe_key),
                kind: if payment.first { EmailKind::ThankYou } else { EmailKind::Receipt },
                facts: self.facts(payment, statement.as_deref(), other.as_ref()),
                stops: recurs,
                other: other.map(|other| other.pledge_id),
                patience: TRY_FOR,
            };
            emails.extend(letters.write(&payment.recipient, letter, now).await?);
        }
        let keys: Vec<String> = payments.iter().map(|payment| payment.stripe_key.clone()).collect();
        self.desk.store.put_receipts(&emails, &keys, now).await?;
        Ok(payments.len())
    }

    /// The first payment of a pledge is always thanked for; the setting is about those that follow.
    fn is_wanted(&self, payment: &Unreceipted) -> bool {
        payment.first
            || match self.receipts {
                Receipts::Each => true,
                Receipts::Annual => payment.frequency == Frequency::Annual,
                Receipts::None => false,
            }
    }

    fn facts(&self, payment: &Unreceipted, statement: Option<&str>, other: Option<&OtherPledge>) -> Value {
        let day = |at| self.desk.day(at).to_string();
        json!({
            "amount_minor": payment.money.amount_minor,
            "currency": payment.money.currency.code(),
            "frequency": payment.frequency.as_str(),
            "paid_on": day(payment.succeeded_at),
            // A period that is over is not the next one: Stripe has not told of that yet.
            "next_on": payment.next_at.filter(|next| *next > payment.succeeded_at).map(day),
            "statement": statement,
            "other": other.map(|other| json!({
                "amount_minor": other.money.amount_minor, "currency": other.money.currency.code(),
                "frequency": other.frequency.as_str(),
            })),
        })
    }
}
