//! Thanks and receipts: once a payment is in the books and its donor is known, a mail about it is put into the outbox.
//!
//! It looks at the books and not at events, so that no order of events can lose or repeat a mail: a payment is marked in
//! the transaction that puts its mail down, and the outbox takes one mail per payment. It must not run where no mail is
//! sent: addresses would be kept for nothing.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::clock::{Clock, DAY, MINUTE};
use crate::config::Receipts;
use crate::domain::campaign::Campaign;
use crate::domain::email::{EmailKind, MAIL_INDEX, TRY_FOR};
use crate::domain::language::Language;
use crate::domain::mailbox::Address;
use crate::domain::pledge::Frequency;
use crate::id::{EmailId, Random};
use crate::store::{BATCH, NewEmail, Store, StoreError, Unreceipted};
use crate::vault::{IndexKey, Opener, Place, Sealer, VaultError};

/// Seconds after a payment until its donor is written to: what Stripe says about it comes in several events.
const SETTLES: i64 = MINUTE;
/// Nobody is thanked for a payment older than this, in seconds: after an outage of a week it would only puzzle.
const NEWS: i64 = 7 * DAY;

/// Puts thanks and receipts into the outbox.
#[derive(Clone, Debug)]
pub struct ReceiptWorker {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub sealer: Sealer,
    pub opener: Arc<Opener>,
    pub index: Arc<IndexKey>,
    /// The newsroom's.
    pub zone: TimeZone,
    pub receipts: Receipts,
}

impl ReceiptWorker {
    /// Works on one batch of payments, and returns how many those were.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let most = i64::try_from(BATCH).unwrap_or(1);
        let payments = self.store.unreceipted(now - NEWS, now - SETTLES, most).await?;
        if payments.is_empty() {
            return Ok(0);
        }
        let mut campaigns: HashMap<&str, Option<Campaign>> = HashMap::new();
        let mut emails = Vec::new();
        for payment in &payments {
            if !campaigns.contains_key(payment.campaign.as_str()) {
                campaigns.insert(&payment.campaign, self.store.campaign(&payment.campaign).await?);
            }
            let Some(Some(campaign)) = campaigns.get(payment.campaign.as_str()) else { continue };
            if !self.is_wanted(payment) {
                continue;
            }
            match self.email(payment, campaign, now) {
                Ok(email) => emails.push(email),
                // Its address cannot be opened: it is skipped, so that the others are not held up.
                Err(error) => tracing::error!(payment = payment.stripe_key, %error, "a donor could not be written to"),
            }
        }
        let keys: Vec<String> = payments.iter().map(|payment| payment.stripe_key.clone()).collect();
        self.store.put_receipts(&emails, &keys, now).await?;
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

    fn email(&self, payment: &Unreceipted, campaign: &Campaign, now: i64) -> Result<NewEmail, VaultError> {
        let place = Place { table: "donors", column: "email_sealed", id: &payment.donor_id };
        let address = self.opener.open(place, &payment.email_sealed)?;
        let address =
            std::str::from_utf8(&address).ok().and_then(Address::parse).ok_or(VaultError::Damaged)?.to_string();
        let said = payment.locale.as_deref().and_then(Language::parse);
        let language = said.unwrap_or(campaign.default_language);
        let id = EmailId::new(&self.random).to_string();
        let key = self.sealer.data_key()?;
        let seal = |column, plain: &[u8]| key.seal(Place { table: "outbox_emails", column, id: &id }, plain);
        let facts = self.facts(payment, campaign, language).to_string();
        Ok(NewEmail {
            cause: format!("receipt:{}", payment.stripe_key),
            kind: if payment.first { EmailKind::ThankYou } else { EmailKind::Receipt },
            language,
            recipient_index: self.index.of(MAIL_INDEX, &address),
            recipient_sealed: seal("recipient_sealed", address.as_bytes())?,
            facts_sealed: seal("facts_sealed", facts.as_bytes())?,
            created_at: now,
            due_at: now,
            expires_at: now + TRY_FOR,
            id,
        })
    }

    fn facts(&self, payment: &Unreceipted, campaign: &Campaign, language: Language) -> Value {
        json!({
            "campaign_name": campaign.heading(language),
            "amount_minor": payment.money.amount_minor,
            "currency": payment.money.currency.code(),
            "frequency": payment.frequency.as_str(),
            "paid_on": self.day(payment.succeeded_at),
            // A period that is over is not the next one: Stripe has not told of that yet.
            "next_on": payment.next_at.filter(|next| *next > payment.succeeded_at).map(|next| self.day(next)),
            "statement": campaign.statement,
            "stop_url": null,
        })
    }

    /// A day of the newsroom, as 2026-12-25.
    fn day(&self, at: i64) -> String {
        Timestamp::from_second(at).unwrap_or_default().to_zoned(self.zone.clone()).date().to_string()
    }
}
