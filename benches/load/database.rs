//! Databases for the bench: durable, migrated, with every pledge of the story in them, and a fresh one for every run.

use std::cell::Cell;

use mainstay::domain::pledge::PledgeStatus;
use mainstay::store::{Db, Pledge, Store};
use sqlx::sqlite::SqlitePoolOptions;
use tempfile::TempDir;

use crate::support::database::Kind;
use crate::support::postgres::Cluster;

/// Pledges stored by one transaction.
const PLEDGES_AT_ONCE: usize = 500;
const FILE: &str = "mainstay.db";
const TEMPLATE: &str = "template_bench";

/// What the databases of one kind are copied from. Its files and its cluster go with it.
pub struct Template {
    pub kind: Kind,
    /// A cluster of our own that really waits for its disk.
    cluster: Option<Cluster>,
    folder: TempDir,
    copies: Cell<usize>,
}

/// A database of one run.
pub struct Database {
    pub url: String,
    /// Where its server runs; an SQLite file lies here too.
    pub folder: TempDir,
}

impl Template {
    /// A migrated database that knows these pledges as they were before anything was heard of them.
    pub async fn make(kind: Kind, pledges: &[Pledge]) -> Self {
        let cluster = (kind == Kind::Postgres).then(|| Cluster::start(true));
        let template = Self { kind, cluster, folder: tempfile::tempdir().expect("a folder"), copies: Cell::new(0) };
        if let Some(cluster) = &template.cluster {
            cluster.create_database(TEMPLATE).await;
        }
        let store = Store::open(&template.url()).await.expect("the template opens");
        store.migrate().await.expect("the template migrates");
        for some in pledges.chunks(PLEDGES_AT_ONCE) {
            let mut tx = store.begin().await.expect("a transaction");
            for pledge in some {
                let open = Pledge { status: PledgeStatus::Open, ..pledge.clone() };
                tx.insert_pledge(&open).await.expect("it is stored");
            }
            tx.commit().await.expect("they are stored");
        }
        store.close().await;
        template
    }

    fn url(&self) -> String {
        match &self.cluster {
            Some(cluster) => cluster.url(TEMPLATE),
            None => format!("sqlite://{}", self.folder.path().join(FILE).display()),
        }
    }

    /// A fresh copy.
    pub async fn copy(&self) -> Database {
        let number = self.copies.get();
        self.copies.set(number + 1);
        let folder = tempfile::tempdir().expect("a folder");
        let url = if let Some(cluster) = &self.cluster {
            let name = format!("bench_{number}");
            cluster.create_from_template(TEMPLATE, &name).await;
            cluster.url(&name)
        } else {
            let file = folder.path().join(FILE);
            std::fs::copy(self.folder.path().join(FILE), &file).expect("the file is copied");
            format!("sqlite://{}", file.display())
        };
        Database { url, folder }
    }

    /// Forgets a copy, so that a long bench does not fill the disk.
    pub async fn forget(&self, database: Database) {
        if let (Some(cluster), Some((_, name))) = (&self.cluster, database.url.rsplit_once('/')) {
            cluster.drop_database(name).await;
        }
    }
}

/// A way into a database while its server runs.
pub async fn open(database: &Database) -> Db {
    if !database.url.starts_with("sqlite:") {
        return Db::open(&database.url).await.expect("the database opens");
    }
    // One connection for good: to open one sets what the file is to be, and so waits for the writer we are to watch.
    let one = SqlitePoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
    let pool = one.connect(&database.url).await.expect("the database opens");
    Db::Sqlite { read: pool.clone(), write: pool }
}

/// Looks into a database while its server runs.
pub struct Inbox(Db);

impl Inbox {
    pub async fn open(database: &Database) -> Self {
        Self(open(database).await)
    }

    /// How many events wait.
    pub async fn received(&self) -> usize {
        self.number("SELECT COUNT(*) AS n FROM stripe_events WHERE state = 'received'").await
    }

    /// How many events could not be applied.
    pub async fn parked(&self) -> usize {
        self.number("SELECT COUNT(*) AS n FROM stripe_events WHERE state = 'parked'").await
    }

    /// Whether none waits, at the cost of a look at one index entry.
    pub async fn is_drained(&self) -> bool {
        let first =
            "SELECT COUNT(*) AS n FROM (SELECT id FROM stripe_events WHERE state = 'received' LIMIT 1) AS first";
        self.number(first).await == 0
    }

    async fn number(&self, sql: &'static str) -> usize {
        let (number,) = self.0.read(sql).one::<(i64,)>().await.unwrap_or_else(|error| panic!("the inbox: {error}"));
        usize::try_from(number).expect("a count")
    }

    pub async fn close(self) {
        self.0.close().await;
    }
}
