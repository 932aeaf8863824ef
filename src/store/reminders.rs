//! Reminders: asked for, confirmed, done. Whoever is done is forgotten; the row stays for the report.

use super::{Store, StoreError, Tx};
use crate::domain::money::{Currency, Money};
use crate::domain::reminder_report::{Fate, Used};

/// A reminder to be stored.
#[derive(Debug, Clone)]
pub struct NewReminderRow {
    pub id: String,
    /// None where it is stored for the report alone.
    pub contact: Option<NewContact>,
    /// Why it is done at once.
    pub reason: Option<String>,
    pub due_on: i64,
    pub due_at: i64,
    pub anchor_on: i64,
    pub months: i64,
    pub recurring_months: Option<i64>,
    pub until_months: i64,
    pub frequency: Option<String>,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    pub campaign: String,
    pub language: String,
    pub component: String,
    pub consent_version: String,
    /// When it was asked, and agreed to.
    pub created_at: i64,
    pub now: i64,
}

/// How somebody is reached and found.
#[derive(Debug, Clone)]
pub struct NewContact {
    pub email_index: String,
    /// Address and token, sealed for the row's `contact_sealed`.
    pub sealed: Vec<u8>,
    pub token_hash: String,
}

/// A reminder as its link shows it; nothing of whom it is for.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ShownReminder {
    pub id: String,
    pub state: String,
    pub reason: Option<String>,
    pub due_on: i64,
    pub recurring_months: Option<i64>,
    pub frequency: Option<String>,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    pub campaign: String,
    pub language: String,
}

/// A reminder that is due.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DueReminder {
    pub id: String,
    pub contact_sealed: Option<Vec<u8>>,
    pub due_on: i64,
    pub due_at: i64,
    pub anchor_on: i64,
    pub months: i64,
    pub recurring_months: Option<i64>,
    pub until_months: i64,
    pub frequency: Option<String>,
    pub amount_minor: Option<i64>,
    pub currency: Option<String>,
    pub campaign: String,
    pub language: String,
    pub created_at: i64,
    pub used_pledge_id: Option<String>,
}

/// A new day for a reminder.
#[derive(Debug, Clone, Copy)]
pub struct NewDay {
    pub anchor_on: i64,
    pub months: i64,
    pub until_months: i64,
    pub due_on: i64,
    pub due_at: i64,
}

/// A pledge of somebody who is to be reminded.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PledgeOfDonor {
    /// The index asked for, or the id of the pledge.
    pub key: String,
    pub status: String,
    pub paid_at: Option<i64>,
    pub last_payment_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct FateRow {
    created_at: i64,
    component: String,
    campaign: String,
    reason: Option<String>,
    confirmed_at: Option<i64>,
    due_at: i64,
    reminders: i64,
    reminded_at: Option<i64>,
    email_state: Option<String>,
    paid_at: Option<i64>,
    pledged_minor: Option<i64>,
    pledged_in: Option<String>,
}

impl FateRow {
    fn read(self, now: i64) -> Result<(i64, Fate), StoreError> {
        let used = match (self.pledged_minor, self.pledged_in) {
            (Some(minor), Some(code)) => {
                let corrupt = |_| StoreError::Corrupt { what: "pledges.currency" };
                let currency = Currency::recorded(&code).map_err(corrupt)?;
                Some(Used { paid_at: self.paid_at, money: Money::new(minor, currency) })
            }
            _ => None,
        };
        let fate = Fate {
            month: String::new(),
            component: self.component,
            campaign: self.campaign,
            reason: self.reason,
            confirmed: self.confirmed_at.is_some(),
            due: self.reminders > 0 || (self.confirmed_at.is_some() && self.due_at <= now),
            reminded_at: self.reminded_at,
            email_state: self.email_state,
            used,
        };
        Ok((self.created_at, fate))
    }
}

impl Tx {
    pub async fn insert_reminder(&mut self, row: &NewReminderRow) -> Result<(), StoreError> {
        let contact = row.contact.clone();
        let done = row.reason.is_some();
        self.query(
            "INSERT INTO reminders (id, email_index, contact_sealed, token_hash, state, reason, due_on, due_at, anchor_on, \
             months, recurring_months, until_months, frequency, amount_minor, currency, campaign, language, component, \
             consent_version, consent_at, created_at, reminders, done_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $20, 0, $21)",
        )
        .bind(row.id.clone())
        .bind(contact.as_ref().map(|contact| contact.email_index.clone()))
        .bind(contact.as_ref().map(|contact| contact.sealed.clone()))
        .bind(contact.map(|contact| contact.token_hash))
        .bind(if done { "done" } else { "asked" })
        .bind(row.reason.clone())
        .bind(row.due_on)
        .bind(row.due_at)
        .bind(row.anchor_on)
        .bind(row.months)
        .bind(row.recurring_months)
        .bind(row.until_months)
        .bind(row.frequency.clone())
        .bind(row.amount_minor)
        .bind(row.currency.clone())
        .bind(row.campaign.clone())
        .bind(row.language.clone())
        .bind(row.component.clone())
        .bind(row.consent_version.clone())
        .bind(row.created_at)
        .bind(done.then_some(row.now))
        .run()
        .await
        .map(|_| ())
    }

    /// Whether this address was sent a confirmation of a reminder since then.
    pub async fn reminder_confirmed_since(&mut self, email_index: &str, since: i64) -> Result<bool, StoreError> {
        let found: Option<(String,)> = self
            .query("SELECT id FROM reminders WHERE email_index = $1 AND created_at > $2 AND token_hash IS NOT NULL LIMIT 1")
            .bind(email_index)
            .bind(since)
            .maybe()
            .await?;
        Ok(found.is_some())
    }

    /// Which of these indexes asked never to be written to.
    pub async fn never_again(&mut self, indexes: &[String]) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> =
            self.list("SELECT email_index FROM never_again WHERE email_index IN {?}", indexes).await?;
        Ok(rows.into_iter().map(|(index,)| index).collect())
    }

    /// Which of these indexes get no mail, and why.
    pub async fn suppressions(&mut self, indexes: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        self.list("SELECT email_index, reason FROM mail_suppressions WHERE email_index IN {?}", indexes).await
    }

    /// The pledges of the donors under these indexes.
    pub async fn pledges_of(&mut self, donor_indexes: &[String]) -> Result<Vec<PledgeOfDonor>, StoreError> {
        self.list(
            "SELECT d.email_index AS key, p.status, p.paid_at, (SELECT MAX(y.succeeded_at) FROM payments y \
             WHERE y.pledge_id = p.id) AS last_payment_at FROM donors d JOIN pledges p ON p.donor_id = d.id \
             WHERE d.email_index IN {?}",
            donor_indexes,
        )
        .await
    }

    /// These pledges, each under its id.
    pub async fn pledges_used(&mut self, ids: &[String]) -> Result<Vec<PledgeOfDonor>, StoreError> {
        self.list(
            "SELECT p.id AS key, p.status, p.paid_at, (SELECT MAX(y.succeeded_at) FROM payments y \
             WHERE y.pledge_id = p.id) AS last_payment_at FROM pledges p WHERE p.id IN {?}",
            ids,
        )
        .await
    }

    /// Ends a reminder that is due at `due_at` still; false when it is no longer.
    pub async fn end_due(&mut self, id: &str, due_at: i64, reason: &str, now: i64) -> Result<bool, StoreError> {
        let ended = "UPDATE reminders SET state = 'done', reason = $1, done_at = $2, contact_sealed = NULL \
                     WHERE id = $3 AND due_at = $4 AND state = 'confirmed'";
        Ok(self.query(ended).bind(reason).bind(now).bind(id).bind(due_at).run().await? == 1)
    }

    /// Puts off a reminder that is due at `due_at` still.
    pub async fn put_off(&mut self, id: &str, due_at: i64, until: i64) -> Result<bool, StoreError> {
        let put_off = "UPDATE reminders SET due_at = $1 WHERE id = $2 AND due_at = $3 AND state = 'confirmed'";
        Ok(self.query(put_off).bind(until).bind(id).bind(due_at).run().await? == 1)
    }

    /// Notes that a reminder due at `due_at` goes out as this mail; false when it is due no longer, and must not.
    pub async fn reminded(
        &mut self,
        id: &str,
        due_at: i64,
        email_id: &str,
        next: Option<NewDay>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let Some(next) = next else {
            let last = "UPDATE reminders SET state = 'done', reason = 'sent', done_at = $1, contact_sealed = NULL, \
                        reminders = reminders + 1, reminded_at = $1, email_id = $2 \
                        WHERE id = $3 AND due_at = $4 AND state = 'confirmed'";
            return Ok(self.query(last).bind(now).bind(email_id).bind(id).bind(due_at).run().await? == 1);
        };
        let again = "UPDATE reminders SET months = $5, due_on = $6, due_at = $7, reminders = reminders + 1, \
                     reminded_at = $1, email_id = $2 WHERE id = $3 AND due_at = $4 AND state = 'confirmed'";
        let query = self.query(again).bind(now).bind(email_id).bind(id).bind(due_at);
        let reminded = query.bind(next.months).bind(next.due_on).bind(next.due_at).run().await?;
        Ok(reminded == 1)
    }

    /// Ends the reminders of whoever gave by these payments or pledges, in the transaction that records it. What was
    /// given before a reminder was asked for does not end it.
    pub async fn end_reminders_of_givers(
        &mut self,
        payment_keys: &[String],
        pledge_ids: &[String],
        now: i64,
    ) -> Result<(), StoreError> {
        if payment_keys.is_empty() && pledge_ids.is_empty() {
            return Ok(());
        }
        let gave = "WITH gave AS (SELECT d.reminder_index AS email_index, MAX(y.succeeded_at) AS at FROM payments y \
             JOIN pledges p ON p.id = y.pledge_id JOIN donors d ON d.id = p.donor_id \
             WHERE (y.stripe_key IN {?} OR y.pledge_id IN {?}) AND d.reminder_index IS NOT NULL \
             AND y.succeeded_at IS NOT NULL GROUP BY d.reminder_index) \
             SELECT r.id, r.email_id FROM reminders r JOIN gave g ON g.email_index = r.email_index \
             WHERE r.created_at <= g.at AND (r.state IN ('asked', 'confirmed') OR r.reason = 'sent')";
        let rows: Vec<(String, Option<String>)> = self.keyed(gave).keys(payment_keys).keys(pledge_ids).all().await?;
        let (ids, emails): (Vec<String>, Vec<Option<String>>) = rows.into_iter().unzip();
        if ids.is_empty() {
            return Ok(());
        }
        let end = "UPDATE reminders SET state = 'done', reason = 'gave', done_at = ?, contact_sealed = NULL \
                   WHERE state IN ('asked', 'confirmed') AND id IN {?}";
        self.keyed(end).bind(now).keys(&ids).run().await?;
        // A mail that nobody has begun to send stays here.
        let emails: Vec<String> = emails.into_iter().flatten().collect();
        let hold = "UPDATE outbox_emails SET state = 'suppressed', error = 'gave', settled_at = ?, recipient_index = NULL, \
                    recipient_sealed = NULL, facts_sealed = NULL WHERE state = 'waiting' AND lease_until = 0 AND id IN {?}";
        self.keyed(hold).bind(now).keys(&emails).run().await.map(|_| ())
    }

    /// Notes the pledge that was made from a reminder's link; the first one counts.
    pub(super) async fn use_reminder(&mut self, id: &str, pledge: &str) -> Result<(), StoreError> {
        self.query("UPDATE reminders SET used_pledge_id = $1 WHERE id = $2 AND used_pledge_id IS NULL")
            .bind(pledge)
            .bind(id)
            .run()
            .await
            .map(|_| ())
    }
}

impl Store {
    /// The reminder whose links carry the token of this hash.
    pub async fn reminder_by_token(&self, token_hash: &str) -> Result<Option<ShownReminder>, StoreError> {
        let shown = "SELECT id, state, reason, due_on, recurring_months, frequency, amount_minor, currency, campaign, language \
                     FROM reminders WHERE token_hash = $1";
        self.db.read(shown).bind(token_hash).maybe().await
    }

    /// Confirms a reminder, and ends the one of the same person that it replaces.
    pub async fn confirm_reminder(&self, token_hash: &str, now: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let confirmed: Option<(String, Option<String>)> = tx
            .query(
                "UPDATE reminders SET state = 'confirmed', confirmed_at = $1 WHERE token_hash = $2 AND state = 'asked' \
                 RETURNING id, email_index",
            )
            .bind(now)
            .bind(token_hash)
            .maybe()
            .await?;
        if let Some((id, Some(email_index))) = confirmed {
            tx.query(
                "UPDATE reminders SET state = 'done', reason = 'replaced', done_at = $1, contact_sealed = NULL \
                 WHERE email_index = $2 AND id <> $3 AND state IN ('asked', 'confirmed')",
            )
            .bind(now)
            .bind(email_index)
            .bind(id)
            .run()
            .await?;
        }
        tx.commit().await
    }

    /// Ends a reminder by its link.
    pub async fn end_reminder(&self, token_hash: &str, reason: &str, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE reminders SET state = 'done', reason = $1, done_at = $2, contact_sealed = NULL \
                 WHERE token_hash = $3 AND state IN ('asked', 'confirmed')",
            )
            .bind(reason)
            .bind(now)
            .bind(token_hash)
            .run()
            .await
            .map(|_| ())
    }

    /// Gives a reminder another day by its link.
    pub async fn reschedule_reminder(&self, token_hash: &str, day: &NewDay) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE reminders SET anchor_on = $1, months = $2, until_months = $3, due_on = $4, due_at = $5 \
                 WHERE token_hash = $6 AND state IN ('asked', 'confirmed')",
            )
            .bind(day.anchor_on)
            .bind(day.months)
            .bind(day.until_months)
            .bind(day.due_on)
            .bind(day.due_at)
            .bind(token_hash)
            .run()
            .await
            .map(|_| ())
    }

    /// Ends every reminder of whoever holds this link, and never asks them again.
    pub async fn never_remind(&self, token_hash: &str, now: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.query(
            "INSERT INTO never_again (email_index, created_at) SELECT email_index, CAST($1 AS BIGINT) FROM reminders \
             WHERE token_hash = $2 AND email_index IS NOT NULL ON CONFLICT (email_index) DO NOTHING",
        )
        .bind(now)
        .bind(token_hash)
        .run()
        .await?;
        tx.query(
            "UPDATE reminders SET state = 'done', reason = 'never', done_at = $1, contact_sealed = NULL \
             WHERE state IN ('asked', 'confirmed') AND email_index IN \
             (SELECT email_index FROM reminders WHERE token_hash = $2)",
        )
        .bind(now)
        .bind(token_hash)
        .run()
        .await?;
        tx.commit().await
    }

    /// Reminders that are due, oldest first.
    pub async fn due_reminders(&self, now: i64, most: i64) -> Result<Vec<DueReminder>, StoreError> {
        self.db
            .read(
                "SELECT id, contact_sealed, due_on, due_at, anchor_on, months, recurring_months, until_months, frequency, \
                 amount_minor, currency, campaign, language, created_at, used_pledge_id FROM reminders \
                 WHERE state = 'confirmed' AND due_at <= $1 ORDER BY due_at, id LIMIT $2",
            )
            .bind(now)
            .bind(most)
            .all()
            .await
    }

    /// What became of every reminder, each with when it was asked for.
    pub async fn fates_of_reminders(&self, now: i64) -> Result<Vec<(i64, Fate)>, StoreError> {
        let rows: Vec<FateRow> = self
            .db
            .read(
                "SELECT r.created_at, r.component, r.campaign, r.reason, r.confirmed_at, r.due_at, r.reminders, \
                 r.reminded_at, e.state AS email_state, p.paid_at, p.amount_minor AS pledged_minor, p.currency AS pledged_in \
                 FROM reminders r LEFT JOIN outbox_emails e ON e.id = r.email_id \
                 LEFT JOIN pledges p ON p.id = r.used_pledge_id",
            )
            .all()
            .await?;
        rows.into_iter().map(|row| row.read(now)).collect()
    }

    /// Ends what was never confirmed, and forgets the index of what is done and was not asked for since `asked_before`.
    pub async fn tidy_reminders(&self, unconfirmed: i64, asked_before: i64, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE reminders SET state = 'done', reason = 'unconfirmed', done_at = $1, contact_sealed = NULL \
                 WHERE state = 'asked' AND created_at <= $2",
            )
            .bind(now)
            .bind(unconfirmed)
            .run()
            .await?;
        // The mail of a reminder that was sent may wait in the outbox, and its links may still say never.
        self.db
            .write(
                "UPDATE reminders SET email_index = NULL WHERE email_index IS NOT NULL AND state = 'done' \
                 AND done_at <= $1 AND created_at <= $1",
            )
            .bind(asked_before)
            .run()
            .await
            .map(|_| ())
    }
}
