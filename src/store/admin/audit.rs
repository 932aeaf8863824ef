//! The audit log: who did what to what, when, and how it was before and after.
//!
//! It is only ever added to: there is no statement here or elsewhere that changes or deletes a row (a test reads them all).
//! It must hold nothing of a donor: names of fields, never their values.

use super::super::{Store, StoreError, Tx};
use crate::id::{AuditId, Random};

/// An entry to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewAudit {
    /// `adm_…`, `command_line` or `newsletter_export_token`.
    pub actor: String,
    /// A word, a dot, a word: `person.created`.
    pub action: &'static str,
    /// An id or a slug.
    pub subject: String,
    /// Empty where none was asked for.
    pub reason: String,
    /// As JSON; empty where there was nothing.
    pub before: String,
    /// As JSON; empty where there is nothing any more.
    pub after: String,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AuditEntry {
    pub id: String,
    pub at: i64,
    pub actor: String,
    pub action: String,
    pub subject: String,
    pub reason: String,
    pub before: String,
    pub after: String,
}

/// Behind which entry a page begins; the newest come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditCursor {
    pub at: i64,
    pub id: String,
}

impl Tx {
    /// Notes what this transaction does. Entries of one second are in no order.
    pub async fn audit(&mut self, entry: NewAudit, at: i64, random: &Random) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO audit_log (id, at, actor, action, subject, reason, before, after) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(String::from(AuditId::new(random)))
        .bind(at)
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.subject)
        .bind(entry.reason)
        .bind(entry.before)
        .bind(entry.after)
        .run()
        .await
        .map(|_| ())
    }
}

impl Store {
    /// Up to `most` entries, the newest first, from behind `after`.
    pub async fn audit_log(&self, after: Option<AuditCursor>, most: i64) -> Result<Vec<AuditEntry>, StoreError> {
        let AuditCursor { at, id } = after.unwrap_or(AuditCursor { at: i64::MAX, id: String::new() });
        self.db
            .read(
                "SELECT id, at, actor, action, subject, reason, before, after FROM audit_log \
                 WHERE at <= $1 AND (at < $1 OR id < $2) ORDER BY at DESC, id DESC LIMIT $3",
            )
            .bind(at)
            .bind(id)
            .bind(most)
            .all()
            .await
    }
}
