//! The chain over what was committed, on SQLite.
//!
//! A damaged WAL makes SQLite drop every commit from the damage on, in silence. So now and then one commit more adds a link
//! to a chain; whoever keeps the head elsewhere knows that everything committed before that link is there as long as the
//! link is. A link counts rows, so that it can be said how many are missing. On PostgreSQL there is none.

use sha2::{Digest as _, Sha256};

use super::{Db, Store, StoreError};
use crate::id::hex;

/// The tables whose rows are counted. Their newest rows are never deleted, so the last rowid tells how many there were,
/// whatever retention has removed.
pub const TABLES: [&str; 9] = [
    "stripe_events",
    "payments",
    "pledges",
    "donors",
    "reminders",
    "newsletter_signups",
    "outbox_emails",
    "mail_suppressions",
    "never_again",
];

/// See [`TABLES`], in their order; behind them the newest event and pledge, so that two chains of equal counts differ.
/// SQLite's own words begin with VALUES.
const COUNT: &str = "VALUES (\
    COALESCE((SELECT max(rowid) FROM stripe_events), 0), \
    COALESCE((SELECT max(rowid) FROM payments), 0), \
    COALESCE((SELECT max(rowid) FROM pledges), 0), \
    COALESCE((SELECT max(rowid) FROM donors), 0), \
    COALESCE((SELECT max(rowid) FROM reminders), 0), \
    COALESCE((SELECT max(rowid) FROM newsletter_signups), 0), \
    COALESCE((SELECT max(rowid) FROM outbox_emails), 0), \
    COALESCE((SELECT max(rowid) FROM mail_suppressions), 0), \
    COALESCE((SELECT max(rowid) FROM never_again), 0), \
    COALESCE((SELECT id FROM stripe_events ORDER BY rowid DESC LIMIT 1), ''), \
    COALESCE((SELECT id FROM pledges ORDER BY rowid DESC LIMIT 1), ''))";
/// Rows changed by the writing connection since it was opened.
const CHANGES: &str = "VALUES (total_changes())";

/// A link of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// How many links the chain has with this one.
    pub length: i64,
    /// In hex.
    pub hash: String,
    /// The hash of the link before, empty for the first.
    pub previous: String,
    /// Rows of each of [`TABLES`] there had ever been.
    pub rows: [i64; TABLES.len()],
}

type Counted = (i64, i64, i64, i64, i64, i64, i64, i64, i64, String, String);

fn rows(counted: &Counted) -> [i64; TABLES.len()] {
    let (events, payments, pledges, donors, reminders, signups, emails, suppressions, never, _, _) = counted;
    [*events, *payments, *pledges, *donors, *reminders, *signups, *emails, *suppressions, *never]
}

fn hash(previous: &str, length: i64, counted: &Counted) -> String {
    let rows = rows(counted).map(|count| count.to_string()).join(" ");
    hex(&Sha256::digest(format!("{previous} {length} {rows} {} {}", counted.9, counted.10)))
}

impl Store {
    /// The chain's head, and how many rows there are now; `None` on PostgreSQL.
    pub async fn chain(&self) -> Result<Option<Link>, StoreError> {
        if matches!(self.db, Db::Pg(_)) {
            return Ok(None);
        }
        let head = self.db.read("SELECT length, hash, previous FROM commit_chain WHERE name = 'head'");
        let (length, hash, previous) = head.maybe::<(i64, String, String)>().await?.unwrap_or_default();
        let counted: Counted = self.db.read(COUNT).one().await?;
        Ok(Some(Link { length, hash, previous, rows: rows(&counted) }))
    }

    /// A number that is another one whenever this process has changed rows of its SQLite database.
    pub async fn changes(&self) -> Result<i64, StoreError> {
        Ok(self.db.write(CHANGES).one::<(i64,)>().await?.0)
    }

    /// Adds a link behind everything committed so far. With it, what [`Store::changes`] says when nothing is changed after.
    pub async fn extend_chain(&self) -> Result<(Link, i64), StoreError> {
        let mut tx = self.db.begin().await?;
        let head = tx.query("SELECT length, hash FROM commit_chain WHERE name = 'head'");
        let (length, previous) = head.maybe::<(i64, String)>().await?.unwrap_or_default();
        let length = length + 1;
        let counted: Counted = tx.query(COUNT).one().await?;
        let hash = hash(&previous, length, &counted);
        tx.query(
            "INSERT INTO commit_chain (name, length, hash, previous) VALUES ('head', $1, $2, $3) \
             ON CONFLICT (name) DO UPDATE SET length = excluded.length, hash = excluded.hash, previous = excluded.previous",
        )
        .bind(length)
        .bind(hash.clone())
        .bind(previous.clone())
        .run()
        .await?;
        let (changes,) = tx.query(CHANGES).one::<(i64,)>().await?;
        tx.commit().await?;
        Ok((Link { length, hash, previous, rows: rows(&counted) }, changes))
    }
}
