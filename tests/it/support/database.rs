//! A fresh database for every test: an SQLite file, or a copy of a migrated template on the private cluster.

use std::sync::atomic::{AtomicU32, Ordering};

use mainstay::store::{Db, Store};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::postgres;

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

pub const BOTH: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

/// A database of one test. Its files go with it.
#[derive(Debug)]
pub struct Database {
    pub url: String,
    pub kind: Kind,
    /// Holds whatever files the test has.
    pub folder: TempDir,
}

impl Database {
    /// A migrated, empty database.
    pub async fn fresh(kind: Kind) -> Self {
        static TEMPLATE: OnceCell<()> = OnceCell::const_new();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}", folder.path().join("mainstay.db").display()),
            Kind::Postgres => {
                let cluster = postgres::cluster();
                TEMPLATE
                    .get_or_init(|| async {
                        cluster.create_database("template_mainstay").await;
                        let store = Store::open(&cluster.url("template_mainstay")).await.expect("the template opens");
                        store.migrate().await.expect("the template migrates");
                        store.close().await;
                    })
                    .await;
                let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
                cluster.create_from_template("template_mainstay", &name).await;
                cluster.url(&name)
            }
        };
        let database = Self { url, kind, folder };
        if kind == Kind::Sqlite {
            let store = database.open().await;
            store.migrate().await.expect("it migrates");
            store.close().await;
        }
        database
    }

    pub async fn open(&self) -> Store {
        Store::open(&self.url).await.expect("the database opens")
    }

    /// Rows as one line of text each, in a fixed order.
    pub async fn rows(&self, sql: &'static str) -> Vec<String> {
        let db = Db::open(&self.url).await.expect("the database opens");
        let rows: Vec<(String,)> = db.read(sql).all().await.expect("the rows are read");
        db.close().await;
        let mut rows: Vec<String> = rows.into_iter().map(|(row,)| row).collect();
        rows.sort();
        rows
    }

    /// Changes rows as no code of ours would.
    pub async fn execute(&self, sql: &'static str) {
        let db = Db::open(&self.url).await.expect("the database opens");
        assert!(db.write(sql).run().await.expect("it is done") > 0, "nothing was changed");
        db.close().await;
    }

    /// Everything reconciling writes, but for ids drawn at random: the same for every order of the same events.
    pub async fn books(&self) -> Vec<String> {
        let mut books = self
            .rows(
                "SELECT 'pledge ' || p.id || ' ' || p.status || ' ' || COALESCE(CAST(p.paid_at AS TEXT), '-') || ' ' || \
                 COALESCE(p.stripe_subscription_id, '-') || ' ' || COALESCE(p.stripe_customer_id, '-') || ' ' || \
                 COALESCE(CAST(p.ended_at AS TEXT), '-') || ' ' || COALESCE(CAST(p.paid_after_end_at AS TEXT), '-') || ' ' || \
                 COALESCE(CAST(p.spent_at AS TEXT), '-') || ' ' || \
                 COALESCE(d.email_index, '-') || ' ' || CASE WHEN p.settled_at IS NULL THEN 'open' ELSE 'settled' END AS line \
                 FROM pledges p LEFT JOIN donors d ON d.id = p.donor_id",
            )
            .await;
        books.extend(
            self.rows(
                "SELECT 'payment ' || stripe_key || ' ' || pledge_id || ' ' || status || ' ' || \
                 CAST(amount_minor AS TEXT) || ' ' || currency || ' ' || COALESCE(CAST(succeeded_at AS TEXT), '-') || ' ' || \
                 COALESCE(CAST(day AS TEXT), '-') || ' ' || COALESCE(CAST(failed_at AS TEXT), '-') || ' ' || \
                 COALESCE(stripe_charge_id, '-') || ' ' || \
                 COALESCE(stripe_balance_transaction_id, '-') AS line FROM payments",
            )
            .await,
        );
        books.extend(
            self.rows(
                "SELECT 'revenue ' || CAST(day AS TEXT) || ' ' || currency || ' ' || frequency || ' ' || campaign || ' ' || \
                 source || ' ' || CAST(payments AS TEXT) || ' ' || CAST(gross_minor AS TEXT) || ' ' || \
                 CAST(refunds_minor AS TEXT) || ' ' || CAST(disputes_minor AS TEXT) AS line FROM revenue_daily \
                 WHERE payments <> 0 OR gross_minor <> 0 OR refunds_minor <> 0 OR disputes_minor <> 0",
            )
            .await,
        );
        books.extend(
            self.rows(
                "SELECT 'refund ' || stripe_refund_id || ' ' || stripe_key || ' ' || status || ' ' || \
                 CAST(amount_minor AS TEXT) || ' ' || CAST(counted_minor AS TEXT) || ' ' || currency || ' ' || \
                 CAST(created_at AS TEXT) || ' ' || CAST(day AS TEXT) AS line FROM refunds",
            )
            .await,
        );
        books.extend(
            self.rows(
                "SELECT 'dispute ' || stripe_dispute_id || ' ' || stripe_key || ' ' || status || ' ' || \
                 CAST(amount_minor AS TEXT) || ' ' || CAST(counted_minor AS TEXT) || ' ' || currency || ' ' || \
                 COALESCE(CAST(withdrawn_day AS TEXT), '-') || ' ' || COALESCE(CAST(reinstated_day AS TEXT), '-') || ' ' || \
                 COALESCE(CAST(withdrawn_at AS TEXT), '-') || ' ' || COALESCE(CAST(reinstated_at AS TEXT), '-') AS line \
                 FROM disputes",
            )
            .await,
        );
        books.extend(
            self.rows(
                "SELECT 'version ' || stripe_subscription_id || ' ' || CAST(at AS TEXT) || ' ' || event_id || ' ' || fact \
                 AS line FROM subscription_versions",
            )
            .await,
        );
        books.extend(
            self.rows(
                "SELECT 'object ' || o.object_id || ' ' || o.kind || ' ' || COALESCE(o.pledge_id, '-') || ' ' || \
                 COALESCE(o.payment_intent_id, '-') || ' ' || COALESCE(o.charge_id, '-') || ' ' || COALESCE(o.invoice_id, '-') || ' ' || \
                 COALESCE(o.subscription_id, '-') || ' ' || COALESCE(o.customer_id, '-') || ' ' || \
                 COALESCE(d.email_index, '-') || ' ' || o.fact AS line \
                 FROM stripe_objects o LEFT JOIN donors d ON d.id = o.donor_id",
            )
            .await,
        );
        books
    }
}
