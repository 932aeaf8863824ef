//! The outbox: mail that is to be sent, each once per cause.

use super::{Store, StoreError, Tx};
use crate::domain::email::{EmailKind, EmailState};
use crate::domain::language::Language;

/// A mail to be sent.
#[derive(Debug, Clone)]
pub struct NewEmail {
    /// `eml_…`.
    pub id: String,
    /// Unique: a second mail for one cause is not put down.
    pub cause: String,
    pub kind: EmailKind,
    pub language: Language,
    /// Under the purpose [`crate::domain::email::MAIL_INDEX`].
    pub recipient_index: String,
    /// Sealed for `outbox_emails`, `recipient_sealed`, its id.
    pub recipient_sealed: Vec<u8>,
    /// JSON, sealed for `outbox_emails`, `facts_sealed`, its id.
    pub facts_sealed: Vec<u8>,
    pub created_at: i64,
    pub due_at: i64,
    pub expires_at: i64,
    /// The links in it that stop pledges.
    pub stop_links: Vec<NewStopLink>,
}

/// A link that stops a pledge.
#[derive(Debug, Clone)]
pub struct NewStopLink {
    pub token_hash: String,
    /// `plg_…`
    pub pledge_id: String,
}

/// A mail held by a worker.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct LeasedEmail {
    pub id: String,
    pub cause: String,
    pub kind: String,
    pub language: String,
    pub recipient_index: String,
    pub recipient_sealed: Vec<u8>,
    pub facts_sealed: Vec<u8>,
    pub created_at: i64,
    pub expires_at: i64,
    pub attempts: i64,
    pub data_at: Option<i64>,
}

impl Tx {
    /// Puts mails into the outbox in the transaction of their cause; one whose cause is there already is left out. The
    /// links in them are good from then on.
    pub async fn put_emails(&mut self, emails: &[NewEmail]) -> Result<u64, StoreError> {
        let links: Vec<&NewStopLink> = emails.iter().flat_map(|email| &email.stop_links).collect();
        self.batch(
            "INSERT INTO stop_links (token_hash, pledge_id) VALUES {(?, ?)} ON CONFLICT (token_hash) DO NOTHING",
            &links,
            |query, link| query.bind(link.token_hash.clone()).bind(link.pledge_id.clone()),
        )
        .await?;
        self.batch(
            "INSERT INTO outbox_emails (id, cause, kind, language, recipient_index, recipient_sealed, facts_sealed, state, \
             created_at, due_at, expires_at, attempts, lease_until) \
             VALUES {(?, ?, ?, ?, ?, ?, ?, 'waiting', ?, ?, ?, 0, 0)} ON CONFLICT (cause) DO NOTHING",
            emails,
            |query, email| {
                query
                    .bind(email.id.clone())
                    .bind(email.cause.clone())
                    .bind(email.kind.as_str())
                    .bind(email.language.as_str())
                    .bind(email.recipient_index.clone())
                    .bind(email.recipient_sealed.clone())
                    .bind(email.facts_sealed.clone())
                    .bind(email.created_at)
                    .bind(email.due_at)
                    .bind(email.expires_at)
            },
        )
        .await
    }
}

impl Tx {
    /// No mail to these addresses from now on, each index with its reason; the first reason stays.
    pub async fn suppress(&mut self, indexes: &[(String, &'static str)], now: i64) -> Result<u64, StoreError> {
        self.batch(
            "INSERT INTO mail_suppressions (email_index, reason, created_at) VALUES {(?, ?, ?)} \
             ON CONFLICT (email_index) DO NOTHING",
            indexes,
            |query, (index, reason)| query.bind(index.clone()).bind(*reason).bind(now),
        )
        .await
    }
}

impl Store {
    /// Takes up to `most` mails that are due, oldest first, for the holder of `token` until `until`.
    pub async fn lease_emails(
        &self,
        token: &str,
        now: i64,
        until: i64,
        most: i64,
    ) -> Result<Vec<LeasedEmail>, StoreError> {
        let mut tx = self.db.begin().await?;
        let leased = tx
            .query(
                "UPDATE outbox_emails SET lease_token = $1, lease_until = $2, attempts = attempts + 1 \
                 WHERE state = 'waiting' AND due_at <= $3 AND lease_until <= $3 AND id IN (\
                   SELECT id FROM outbox_emails WHERE state = 'waiting' AND due_at <= $3 AND lease_until <= $3 \
                   ORDER BY due_at, id LIMIT $4) \
                 RETURNING id, cause, kind, language, recipient_index, recipient_sealed, facts_sealed, created_at, \
                 expires_at, attempts, data_at",
            )
            .bind(token)
            .bind(until)
            .bind(now)
            .bind(most)
            .all()
            .await?;
        tx.commit().await?;
        Ok(leased)
    }

    /// Notes in one commit of some mails that their texts are about to be handed over, and of others that they were sent,
    /// which forgets to whom they went and what they said. Returns those of both that the holder of `token` still holds.
    pub async fn note_mails(
        &self,
        token: &str,
        begun: &[String],
        sent: &[String],
        now: i64,
    ) -> Result<Vec<String>, StoreError> {
        let mut tx = self.db.begin().await?;
        let mut held: Vec<(String,)> = Vec::with_capacity(begun.len() + sent.len());
        if !begun.is_empty() {
            held.extend(
                tx.keyed(
                    "UPDATE outbox_emails SET data_at = ? WHERE lease_token = ? AND state = 'waiting' AND id IN {?} \
                     RETURNING id",
                )
                .bind(now)
                .bind(token)
                .keys(begun)
                .all::<(String,)>()
                .await?,
            );
        }
        if !sent.is_empty() {
            held.extend(
                tx.keyed(
                    "UPDATE outbox_emails SET state = 'sent', error = NULL, settled_at = ?, recipient_index = NULL, \
                     recipient_sealed = NULL, facts_sealed = NULL, lease_token = NULL, lease_until = 0 \
                     WHERE lease_token = ? AND state = 'waiting' AND id IN {?} RETURNING id",
                )
                .bind(now)
                .bind(token)
                .keys(sent)
                .all::<(String,)>()
                .await?,
            );
        }
        tx.commit().await?;
        Ok(held.into_iter().map(|(id,)| id).collect())
    }

    /// Notes what became of a mail, and forgets to whom it went and what it said.
    pub async fn settle_email(
        &self,
        id: &str,
        token: &str,
        state: EmailState,
        error: Option<&str>,
        now: i64,
    ) -> Result<bool, StoreError> {
        let settled = self
            .db
            .write(
                "UPDATE outbox_emails SET state = $1, error = $2, settled_at = $3, recipient_index = NULL, \
                 recipient_sealed = NULL, facts_sealed = NULL, lease_token = NULL, lease_until = 0 \
                 WHERE id = $4 AND lease_token = $5 AND state = 'waiting'",
            )
            .bind(state.as_str())
            .bind(error.map(str::to_owned))
            .bind(now)
            .bind(id)
            .bind(token)
            .run()
            .await?;
        Ok(settled == 1)
    }

    /// Expires up to `most` mails whose time is over, for when nobody takes them; returns how many.
    pub async fn expire_emails(&self, now: i64, most: i64) -> Result<u64, StoreError> {
        self.db
            .write(
                "UPDATE outbox_emails SET state = 'expired', error = COALESCE(error, 'no_mail_is_sent'), settled_at = $1, \
                 recipient_index = NULL, recipient_sealed = NULL, facts_sealed = NULL, lease_token = NULL, lease_until = 0 \
                 WHERE state = 'waiting' AND expires_at <= $1 AND lease_until <= $1 AND id IN (\
                   SELECT id FROM outbox_emails WHERE state = 'waiting' AND expires_at <= $1 AND lease_until <= $1 \
                   LIMIT $2)",
            )
            .bind(now)
            .bind(most)
            .run()
            .await
    }

    /// Notes why a mail could not be sent now, and when it is tried again.
    pub async fn retry_email(&self, id: &str, token: &str, error: &str, due_at: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE outbox_emails SET due_at = $1, error = $2, lease_token = NULL, lease_until = 0 \
                 WHERE id = $3 AND lease_token = $4 AND state = 'waiting'",
            )
            .bind(due_at)
            .bind(error)
            .bind(id)
            .bind(token)
            .run()
            .await
            .map(|_| ())
    }

    /// No mail to this address from now on; the first reason stays.
    pub async fn suppress(&self, email_index: &str, reason: &str, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "INSERT INTO mail_suppressions (email_index, reason, created_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (email_index) DO NOTHING",
            )
            .bind(email_index)
            .bind(reason)
            .bind(now)
            .run()
            .await
            .map(|_| ())
    }

    /// Whether an address gets no mail.
    pub async fn is_suppressed(&self, email_index: &str) -> Result<bool, StoreError> {
        let found: Option<(String,)> = self
            .db
            .read("SELECT reason FROM mail_suppressions WHERE email_index = $1")
            .bind(email_index)
            .maybe()
            .await?;
        Ok(found.is_some())
    }

    /// How many mails are in each state.
    pub async fn count_emails(&self) -> Result<Vec<(String, i64)>, StoreError> {
        self.db.read("SELECT state, COUNT(*) AS n FROM outbox_emails GROUP BY state").all().await
    }
}
