//! The only SQL. One file per noun; every function runs the same text on SQLite and PostgreSQL.
//!
//! This layer decides nothing: it reads and writes what `domain` computed. It must not talk to Stripe or send mail, and
//! no transaction it opens may be held across a network call.

mod actions;
mod admin;
mod adoptions;
mod backup;
mod books;
mod browse;
mod campaigns;
mod chain;
mod changes;
mod db;
mod donors;
mod erasing;
mod events;
mod forgetting;
mod health;
mod idempotency;
mod instance;
mod manage;
mod newsletter;
mod notices;
mod outbox;
mod pledges;
mod receipts;
mod recurring;
mod reminders;
mod report;
mod requests;
mod schema;
mod settlement;
mod story;
mod sweeps;
mod totals;

pub use actions::Action;
pub use admin::{
    Admin, ApiToken, AuditCursor, AuditEntry, LiveSession, NewAdmin, NewApiToken, NewAudit, NewSession, SessionKind,
    TotpState,
};
pub use backup::{CopyError, check_copy, check_versions, mark_copy};
pub use books::RevenueLines;
pub use browse::{ListedPayment, ListedPledge, ParkedEvent, Place, Wanted};
pub use campaigns::ListedCampaign;
pub use chain::{Link, TABLES as CHAINED_TABLES};
pub use db::{BATCH, Bind, Db, Query, Row, StoreError, Tx};
pub use donors::{KnownDonor, NewDonor};
pub use erasing::{Indexes, OwnPledge, RowsErased};
pub use events::{EventDetails, EventSummary, LeasedEvent, NewEvent};
pub use forgetting::RememberedDonor;
pub use health::SettledPayment;
pub use idempotency::Claim;
pub use instance::{Damage, Fixed, SweepReason, SweepWanted};
pub use manage::{
    ManageLink, ManageSession, ManagedPayment, ManagedPledge, ManagedReminder, ManagedSignup, NewManageLink,
};
pub use newsletter::{ConfirmedSignup, NewSignupRow, ShownSignup};
pub use notices::{Notice, Recipient, Renewal, Untold};
pub use outbox::{LeasedEmail, NewEmail, NewStopLink};
pub use pledges::{Pledge, SpentCheckout};
pub use receipts::{OtherPledge, Unreceipted};
pub use recurring::Recurring;
pub use reminders::{DueReminder, NewContact, NewDay, NewReminderRow, PledgeOfDonor, ShownReminder};
pub use report::{ExportedPayment, PaymentPlace};
pub use requests::{LeasedRequest, MAX_ATTEMPTS, NewRequest};
pub use schema::MigrationStatus;
pub use settlement::{
    Cursor, DatedLine, NewLine, NewPayout, OpenBreak, PartSums, Period, SettlementLines, ShownPayout,
};
pub use story::{PledgeStory, StoryPayment};
pub use sweeps::{Mark, OverduePledge, PledgeAtStripe, SweepRun};

impl Store {
    /// Begins a transaction that will write.
    pub async fn begin(&self) -> Result<Tx, StoreError> {
        self.db.begin().await
    }
}

/// The database. Clones share its pools.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
}

impl Store {
    /// Connects to the database that `url` names (`sqlite://PATH` or `postgres://…`) and changes nothing but making an
    /// SQLite file where there is none.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self { db: Db::open(url).await? })
    }

    /// Whether something could be written.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        let mut tx = self.db.begin().await?;
        tx.take_turn().await?;
        tx.rollback().await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.read("SELECT 1 AS one").one::<(i32,)>().await.map(|_| ())
    }

    /// `SQLite` or `PostgreSQL`, for people.
    pub fn kind(&self) -> &'static str {
        match self.db {
            Db::Sqlite { .. } => "SQLite",
            Db::Pg(_) => "PostgreSQL",
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::schema::MIGRATIONS;

    /// A column of a `CREATE TABLE` as the migrations write it: indented, a lower-case name, a type, a comment.
    fn column(line: &str) -> Option<&str> {
        let (name, rest) = line.strip_prefix("    ")?.split_once(' ')?;
        let typed = ["TEXT", "BIGINT", "BYTEA"].iter().any(|kind| rest.starts_with(kind));
        typed.then_some(name)
    }

    /// The table and column of an `ALTER TABLE … ADD COLUMN`.
    fn added(line: &str) -> Option<(&str, &str)> {
        let (table, rest) = line.strip_prefix("ALTER TABLE ")?.split_once(" ADD COLUMN ")?;
        Some((table, rest.split_once(' ')?.0))
    }

    fn dropped(sql: &str, table: &str, column: &str) -> bool {
        sql.contains(&format!("ALTER TABLE {table} DROP COLUMN {column};"))
    }

    #[test]
    fn the_privacy_document_names_every_table_and_column() {
        let document = include_str!("../../docs/PRIVACY.md");
        let sql: String = MIGRATIONS.iter().map(|migration| migration.sql.as_str().to_owned()).collect();
        let mut columns = 0;
        for table in sql.split("CREATE TABLE ").skip(1) {
            let name = table.split_whitespace().next().unwrap();
            let (_, section) =
                document.split_once(&format!("### `{name}`\n")).unwrap_or_else(|| panic!("table {name}"));
            let section = section.split("\n### ").next().unwrap();
            let body = table.split("\n);").next().unwrap();
            for column in body.lines().filter_map(column).filter(|column| !dropped(&sql, name, column)) {
                assert!(section.contains(&format!("| `{column}` |")), "{name}.{column} is not explained");
                columns += 1;
            }
        }
        for (table, column) in sql.lines().filter_map(added) {
            let (_, section) = document.split_once(&format!("### `{table}`\n")).unwrap();
            let section = section.split("\n### ").next().unwrap();
            assert!(section.contains(&format!("| `{column}` |")), "{table}.{column} is not explained");
            columns += 1;
        }
        assert!(columns > 110, "only {columns} columns were found");
    }
}
