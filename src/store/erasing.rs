//! Finding and erasing all that is known of one person.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};

use super::{Db, Store, StoreError, Tx};

/// How long those who read may be waited for before the WAL is emptied.
const FOLD_IN: Duration = Duration::from_millis(100);
/// How often it is tried: somebody else may be folding it right now.
const FOLDINGS: u32 = 20;

/// A pledge of somebody who is to be erased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub struct OwnPledge {
    pub id: String,
    pub donor_id: Option<String>,
    pub stripe_customer_id: Option<String>,
    pub stripe_subscription_id: Option<String>,
    pub stripe_session_id: Option<String>,
    pub ended_at: Option<i64>,
    pub settled_at: Option<i64>,
}

/// How somebody is found in each list; the lists share no index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Indexes {
    pub mail: String,
    pub reminder: String,
    pub newsletter: String,
    pub manage: String,
}

/// How many rows of each kind held something of a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RowsErased {
    pub reminders: u64,
    pub signups: u64,
    pub mails: u64,
}

macro_rules! own_pledge {
    ($condition:literal) => {
        concat!(
            "SELECT id, donor_id, stripe_customer_id, stripe_subscription_id, stripe_session_id, ended_at, settled_at \
             FROM pledges WHERE ",
            $condition
        )
    };
}

impl Tx {
    /// The pledges of these donors, these pledges, and what else their customers at Stripe gave.
    pub async fn own_pledges(&mut self, donors: &[String], pledges: &[String]) -> Result<Vec<OwnPledge>, StoreError> {
        let mut own: Vec<OwnPledge> = self.list(own_pledge!("donor_id IN {?}"), donors).await?;
        own.extend(self.list::<OwnPledge>(own_pledge!("id IN {?}"), pledges).await?);
        let customers: Vec<String> = own.iter().filter_map(|pledge| pledge.stripe_customer_id.clone()).collect();
        own.extend(self.list::<OwnPledge>(own_pledge!("stripe_customer_id IN {?}"), &customers).await?);
        own.sort();
        own.dedup();
        Ok(own)
    }

    /// The objects at Stripe that belong to these pledges, each with the donor it names.
    pub async fn objects_of(&mut self, pledges: &[String]) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.list("SELECT object_id, donor_id FROM stripe_objects WHERE pledge_id IN {?}", pledges).await
    }

    /// The donors that these objects at Stripe name.
    pub async fn donors_named(&mut self, objects: &[String]) -> Result<Vec<String>, StoreError> {
        let named = "SELECT DISTINCT donor_id FROM stripe_objects WHERE donor_id IS NOT NULL AND object_id IN {?}";
        let rows: Vec<(String,)> = self.list(named, objects).await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The donor of a pledge and their address as it is sealed; empty once it is forgotten.
    pub async fn address_of(&mut self, pledge: &str) -> Result<Option<(String, Vec<u8>)>, StoreError> {
        self.query("SELECT d.id, d.email_sealed FROM pledges p JOIN donors d ON d.id = p.donor_id WHERE p.id = $1")
            .bind(pledge)
            .maybe()
            .await
    }

    /// Erases what names somebody outside of the gifts. What they asked for, never to be written to, stays.
    pub async fn erase_rows(&mut self, indexes: &Indexes, now: i64) -> Result<RowsErased, StoreError> {
        let reminders = self
            .query(
                "UPDATE reminders SET reason = CASE WHEN state = 'done' THEN reason ELSE 'erased' END, \
                 done_at = COALESCE(done_at, $1), state = 'done', contact_sealed = NULL, email_index = NULL \
                 WHERE email_index = $2",
            )
            .bind(now)
            .bind(indexes.reminder.as_str())
            .run()
            .await?;
        let signups = self
            .query(
                "UPDATE newsletter_signups SET reason = CASE WHEN state = 'done' THEN reason ELSE 'erased' END, \
                 done_at = COALESCE(done_at, $1), state = 'done', contact_sealed = NULL, email_index = NULL \
                 WHERE email_index = $2",
            )
            .bind(now)
            .bind(indexes.newsletter.as_str())
            .run()
            .await?;
        self.query("DELETE FROM manage_links WHERE email_index = $1").bind(indexes.manage.as_str()).run().await?;
        let mails = self
            .query(
                "UPDATE outbox_emails SET state = CASE WHEN state = 'waiting' THEN 'suppressed' ELSE state END, \
                 error = 'erased', settled_at = COALESCE(settled_at, $1), recipient_index = NULL, \
                 recipient_sealed = NULL, facts_sealed = NULL WHERE recipient_index = $2",
            )
            .bind(now)
            .bind(indexes.mail.as_str())
            .run()
            .await?;
        Ok(RowsErased { reminders, signups, mails })
    }

    /// Deletes requests that nobody has looked at.
    pub async fn delete_requests(&mut self, ids: &[String]) -> Result<u64, StoreError> {
        self.keyed("DELETE FROM requests WHERE id IN {?}").keys(ids).run().await
    }
}

/// Folds the WAL into the file and empties it. On a connection of its own, so that whoever writes waits for no longer than
/// [`FOLD_IN`].
async fn checkpoint(pool: &SqlitePool) -> Result<bool, sqlx::Error> {
    let options = SqliteConnectOptions::clone(&pool.connect_options()).busy_timeout(FOLD_IN);
    let mut connection = options.connect().await?;
    let folded: Result<(i64, i64, i64), _> =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut connection).await;
    connection.close().await?;
    Ok(folded?.0 == 0)
}

impl Store {
    /// Makes what was erased unreachable in the files too, as far as the database can. False where somebody still reads what
    /// was there before.
    pub async fn purge(&self) -> Result<bool, StoreError> {
        match &self.db {
            Db::Sqlite { read, .. } => {
                for _ in 1..FOLDINGS {
                    if checkpoint(read).await? {
                        return Ok(true);
                    }
                    tokio::time::sleep(FOLD_IN).await;
                }
                Ok(checkpoint(read).await?)
            }
            Db::Pg(_) => {
                let tables = "VACUUM donors, pledges, stripe_objects, stripe_event_bodies, outbox_emails, reminders, \
                              newsletter_signups, requests, manage_links";
                self.db.write(tables).run().await.map(|_| true)
            }
        }
    }
}
