//! The head of the commit chain, kept in a file beside an SQLite database.
//!
//! Each second in which something was committed, a link is added to the chain in the database (`store/chain.rs`), and then
//! its head is written to the file. What is in the file has been committed; so a database whose chain is shorter has lost
//! commits, and one whose chain is another is another database or an older copy. A longer chain is what a crash between
//! the two steps leaves, and a missing file is a first start, or a database that was moved.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::store::{CHAINED_TABLES, Damage, Link, Store, StoreError};

/// What the sweep brings back from Stripe. The rest is gone.
const AT_STRIPE: [&str; 4] = ["stripe_events", "payments", "pledges", "donors"];

/// As the file holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Head {
    length: i64,
    hash: String,
    /// Rows of each table there had ever been.
    rows: BTreeMap<String, i64>,
}

impl Head {
    fn of(link: &Link) -> Self {
        let rows = CHAINED_TABLES.iter().map(|table| (*table).to_owned()).zip(link.rows).collect();
        Self { length: link.length, hash: link.hash.clone(), rows }
    }

    /// What is wrong with a database whose chain ends in `link`, if something is.
    fn misses(&self, link: &Link) -> Option<String> {
        let what = match link.length - self.length {
            ..0 => "it is shorter than its head says",
            0 if link.hash != self.hash => "it is another one than its head says",
            1 if link.previous != self.hash => "it is another one than its head says",
            _ => return None,
        };
        let lost = |table: &str, now: i64| (self.rows.get(table).copied().unwrap_or_default() - now).max(0);
        let lost: Vec<(&str, i64)> = CHAINED_TABLES.iter().zip(link.rows).map(|(t, now)| (*t, lost(t, now))).collect();
        let told = |at_stripe: bool| {
            let some = lost.iter().filter(|(table, rows)| *rows > 0 && AT_STRIPE.contains(table) == at_stripe);
            let some: Vec<String> = some.map(|(table, rows)| format!("{rows} of {table}")).collect();
            if some.is_empty() { "none".to_owned() } else { some.join(", ") }
        };
        Some(format!(
            "{what} ({} links, {} expected). Missing rows that a sweep brings back from Stripe: {}. Missing rows that \
             nothing brings back: {}. Of pledges nobody paid, requests not yet worked off and changes of other rows \
             nothing is known.",
            link.length,
            self.length,
            told(true),
            told(false)
        ))
    }
}

/// Where the head of a database's chain is kept.
pub fn head_file(database: &Path) -> PathBuf {
    super::backup::beside(database, ".head")
}

/// Keeps the head.
#[derive(Debug)]
pub struct Keeper {
    store: Store,
    clock: Clock,
    file: PathBuf,
    /// What the store's count of changes was after the last link.
    seen: Option<i64>,
}

impl Keeper {
    /// For the SQLite database in the file `database`.
    pub fn new(store: Store, clock: Clock, database: &Path) -> Self {
        Self { store, clock, file: head_file(database), seen: None }
    }

    /// Holds the database against its head. Damage is logged and recorded, and a sweep asked for, before it is returned.
    pub async fn check(&self) -> Result<Option<Damage>, StoreError> {
        self.clear_away();
        // The file first: a database that another process writes is then at least as far.
        let Some(head) = self.read() else { return Ok(None) };
        let Some(report) = self.store.chain().await?.and_then(|link| head.misses(&link)) else { return Ok(None) };
        let damage = Damage { noticed_at: self.clock.now(), report };
        self.store.note_damage(&damage).await?;
        tracing::error!(
            report = damage.report,
            "the database has lost committed rows; a sweep is asked for (docs/OPERATIONS.md, Damage)"
        );
        // The database goes on from what is there.
        if let Some(link) = self.store.chain().await? {
            self.write(Head::of(&link)).await;
        }
        Ok(Some(damage))
    }

    /// Adds a link and keeps it, if something was changed since the last one; whether it was.
    pub async fn run_once(&mut self) -> Result<bool, StoreError> {
        if self.seen == Some(self.store.changes().await?) {
            return Ok(false);
        }
        let (link, changes) = self.store.extend_chain().await?;
        self.seen = Some(changes);
        self.write(Head::of(&link)).await;
        Ok(true)
    }

    /// Removes what processes left that were killed while they wrote the head. One that is just writing it writes it again.
    fn clear_away(&self) {
        let begin = format!("{}.", self.file.file_name().unwrap_or_default().to_string_lossy());
        for entry in std::fs::read_dir(super::backup::folder_of(&self.file)).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&begin) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }

    fn read(&self) -> Option<Head> {
        let text = match std::fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, "the head of the commit chain cannot be read; going on without");
                return None;
            }
        };
        let head = serde_json::from_slice(&text);
        head.inspect_err(|_| tracing::warn!("the head of the commit chain is unreadable; going on without")).ok()
    }

    /// Without it damage done meanwhile goes unnoticed; that is no reason to stop.
    async fn write(&self, head: Head) {
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || replace(&file, &head));
        if let Err(error) = written.await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            tracing::warn!(%error, "the head of the commit chain could not be kept");
        }
    }
}

/// The old head or the new one is there, never a part.
fn replace(file: &Path, head: &Head) -> std::io::Result<()> {
    // A web and a worker process may both keep it.
    let partial = super::backup::beside(file, &format!(".{}", std::process::id()));
    let written = std::fs::File::create(&partial).and_then(|mut to| {
        to.write_all(&serde_json::to_vec(head)?)?;
        to.sync_data()
    });
    written.and_then(|()| std::fs::rename(&partial, file)).inspect_err(|_| {
        let _ = std::fs::remove_file(&partial);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(length: i64, hash: &str, previous: &str, events: i64) -> Link {
        let mut rows = [0; CHAINED_TABLES.len()];
        rows[0] = events;
        Link { length, hash: hash.to_owned(), previous: previous.to_owned(), rows }
    }

    #[test]
    fn a_chain_that_is_as_long_or_longer_is_whole_and_one_that_is_shorter_or_another_is_not() {
        let head = Head::of(&link(5, "e", "d", 50));
        for whole in [link(5, "e", "d", 50), link(6, "f", "e", 51), link(9, "i", "h", 60), link(5, "e", "d", 10)] {
            assert_eq!(head.misses(&whole), None, "{whole:?}");
        }
        for wrong in [link(4, "d", "c", 40), link(5, "x", "d", 50), link(6, "f", "x", 50), link(0, "", "", 0)] {
            assert!(head.misses(&wrong).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn what_is_missing_is_counted_by_what_can_be_brought_back() {
        let mut before = link(5, "e", "d", 50);
        before.rows[4] = 3;
        let report = Head::of(&before).misses(&link(4, "d", "c", 48)).unwrap();
        assert!(report.contains("brings back from Stripe: 2 of stripe_events. "), "{report}");
        assert!(report.contains("nothing brings back: 3 of reminders. "), "{report}");
    }
}
