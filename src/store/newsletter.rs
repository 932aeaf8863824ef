//! Signups to the newsletter. They share no id and no index with donors or reminders.

use super::reminders::NewContact;
use super::{Store, StoreError, Tx};

/// A signup to be stored.
#[derive(Debug, Clone)]
pub struct NewSignupRow {
    pub id: String,
    pub contact: NewContact,
    pub list: String,
    pub language: String,
    pub consent_version: String,
    /// When it was asked, and agreed to.
    pub created_at: i64,
}

/// A signup as its link shows it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ShownSignup {
    pub id: String,
    pub state: String,
    pub reason: Option<String>,
    pub list: String,
    pub language: String,
}

/// A confirmed signup.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ConfirmedSignup {
    pub id: String,
    pub contact_sealed: Option<Vec<u8>>,
    pub list: String,
    pub language: String,
    pub consent_version: String,
    pub consent_at: i64,
    pub confirmed_at: Option<i64>,
}

impl Tx {
    pub async fn insert_signup(&mut self, row: &NewSignupRow) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO newsletter_signups (id, email_index, contact_sealed, token_hash, state, list, language, \
             consent_version, consent_at, created_at) VALUES ($1, $2, $3, $4, 'asked', $5, $6, $7, $8, $8)",
        )
        .bind(row.id.clone())
        .bind(row.contact.email_index.clone())
        .bind(row.contact.sealed.clone())
        .bind(row.contact.token_hash.clone())
        .bind(row.list.clone())
        .bind(row.language.clone())
        .bind(row.consent_version.clone())
        .bind(row.created_at)
        .run()
        .await
        .map(|_| ())
    }

    /// Notes that a signup is welcomed; false when it was, or is no longer wanted.
    pub async fn welcome_signup(&mut self, id: &str, now: i64) -> Result<bool, StoreError> {
        let welcomed = "UPDATE newsletter_signups SET welcomed_at = $1 \
                        WHERE id = $2 AND welcomed_at IS NULL AND state = 'confirmed'";
        Ok(self.query(welcomed).bind(now).bind(id).run().await? == 1)
    }

    /// Whether this address needs no confirmation: it was sent one since then, or is signed up already.
    pub async fn signup_known(&mut self, email_index: &str, since: i64) -> Result<bool, StoreError> {
        let known = "SELECT id FROM newsletter_signups WHERE email_index = $1 AND (created_at > $2 OR state = 'confirmed') \
                     LIMIT 1";
        let found: Option<(String,)> = self.query(known).bind(email_index).bind(since).maybe().await?;
        Ok(found.is_some())
    }
}

impl Store {
    /// The signup whose links carry the token of this hash.
    pub async fn signup_by_token(&self, token_hash: &str) -> Result<Option<ShownSignup>, StoreError> {
        let shown = "SELECT id, state, reason, list, language FROM newsletter_signups WHERE token_hash = $1";
        self.db.read(shown).bind(token_hash).maybe().await
    }

    /// Confirms a signup, and ends the one of the same person that it replaces.
    pub async fn confirm_signup(&self, token_hash: &str, now: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        let confirm = "UPDATE newsletter_signups SET state = 'confirmed', confirmed_at = $1 \
                       WHERE token_hash = $2 AND state = 'asked' RETURNING id, email_index, list";
        let confirmed: Option<(String, Option<String>, String)> =
            tx.query(confirm).bind(now).bind(token_hash).maybe().await?;
        if let Some((id, Some(email_index), list)) = confirmed {
            tx.query(
                "UPDATE newsletter_signups SET state = 'done', reason = 'replaced', done_at = $1, contact_sealed = NULL \
                 WHERE email_index = $2 AND list = $3 AND id <> $4 AND state IN ('asked', 'confirmed')",
            )
            .bind(now)
            .bind(email_index)
            .bind(list)
            .bind(id)
            .run()
            .await?;
        }
        tx.commit().await
    }

    /// Confirmed signups that were not welcomed, the oldest first.
    pub async fn unwelcomed_signups(&self, most: i64) -> Result<Vec<ConfirmedSignup>, StoreError> {
        self.db
            .read(
                "SELECT id, contact_sealed, list, language, consent_version, consent_at, confirmed_at \
                 FROM newsletter_signups WHERE state = 'confirmed' AND welcomed_at IS NULL \
                 ORDER BY confirmed_at, id LIMIT $1",
            )
            .bind(most)
            .all()
            .await
    }

    /// Notes a signup that cannot be welcomed as if it had been.
    pub async fn leave_unwelcomed(&self, id: &str, now: i64) -> Result<(), StoreError> {
        let left = "UPDATE newsletter_signups SET welcomed_at = $1 WHERE id = $2 AND welcomed_at IS NULL";
        self.db.write(left).bind(now).bind(id).run().await.map(|_| ())
    }

    /// Ends a signup by its link.
    pub async fn end_signup(&self, token_hash: &str, reason: &str, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE newsletter_signups SET state = 'done', reason = $1, done_at = $2, contact_sealed = NULL \
                 WHERE token_hash = $3 AND state IN ('asked', 'confirmed')",
            )
            .bind(reason)
            .bind(now)
            .bind(token_hash)
            .run()
            .await
            .map(|_| ())
    }

    /// Ends the signup of whoever holds this link, and never asks them again.
    pub async fn never_sign_up(&self, token_hash: &str, now: i64) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.query(
            "INSERT INTO never_again (email_index, created_at) SELECT email_index, CAST($1 AS BIGINT) FROM newsletter_signups \
             WHERE token_hash = $2 AND email_index IS NOT NULL ON CONFLICT (email_index) DO NOTHING",
        )
        .bind(now)
        .bind(token_hash)
        .run()
        .await?;
        tx.query(
            "UPDATE newsletter_signups SET state = 'done', reason = 'never', done_at = $1, contact_sealed = NULL \
             WHERE state IN ('asked', 'confirmed') AND email_index IN \
             (SELECT email_index FROM newsletter_signups WHERE token_hash = $2)",
        )
        .bind(now)
        .bind(token_hash)
        .run()
        .await?;
        tx.commit().await
    }

    /// Up to `most` signups confirmed at `since` with an id after `id`, or later; the oldest first.
    pub async fn confirmed_signups(&self, since: i64, id: &str, most: i64) -> Result<Vec<ConfirmedSignup>, StoreError> {
        self.db
            .read(
                "SELECT id, contact_sealed, list, language, consent_version, consent_at, confirmed_at \
                 FROM newsletter_signups WHERE state = 'confirmed' AND confirmed_at >= $1 \
                 AND (confirmed_at > $1 OR id > $2) ORDER BY confirmed_at, id LIMIT $3",
            )
            .bind(since)
            .bind(id)
            .bind(most)
            .all()
            .await
    }

    /// Ends what was never confirmed, and forgets the index of what has been done for a day.
    pub async fn tidy_signups(&self, unconfirmed: i64, asked_before: i64, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE newsletter_signups SET state = 'done', reason = 'unconfirmed', done_at = $1, contact_sealed = NULL \
                 WHERE state = 'asked' AND created_at <= $2",
            )
            .bind(now)
            .bind(unconfirmed)
            .run()
            .await?;
        self.db
            .write(
                "UPDATE newsletter_signups SET email_index = NULL WHERE email_index IS NOT NULL AND state = 'done' \
                 AND done_at <= $1 AND created_at <= $1",
            )
            .bind(asked_before)
            .run()
            .await
            .map(|_| ())
    }
}
