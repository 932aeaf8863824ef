//! Databases as an older or a newer program left them, and SQL as no code of ours would send it.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqlSafeStr as _, SqliteConnection};

use super::database::{Database, Kind};
use super::postgres;

static KNOWN: Migrator = sqlx::migrate!("./migrations");

impl Database {
    /// A database on which all migrations but the newest have been run.
    pub async fn of_the_release_before(kind: Kind) -> Self {
        let database = Self::unmigrated(kind).await;
        if kind == Kind::Sqlite {
            database.script("PRAGMA journal_mode = WAL").await;
        }
        let mut known: Vec<Migration> = KNOWN.iter().cloned().collect();
        known.pop();
        database.run(&Migrator::with_migrations(known)).await;
        database
    }

    /// A database without a table. On SQLite there is no file.
    pub async fn unmigrated(kind: Kind) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = match kind {
            Kind::Sqlite => format!("sqlite://{}", folder.path().join("mainstay.db").display()),
            Kind::Postgres => {
                let name = format!("unmigrated_{}", NEXT.fetch_add(1, Ordering::Relaxed));
                postgres::cluster().create_database(&name).await;
                postgres::cluster().url(&name)
            }
        };
        Self { url, kind, folder }
    }

    /// Runs a migration that this program does not know.
    pub async fn migrate_beyond(&self, version: i64, sql: &'static str) {
        let mut all: Vec<Migration> = KNOWN.iter().cloned().collect();
        let sql = sql.into_sql_str();
        all.push(Migration::new(version, "from the future".into(), MigrationType::Simple, sql, false));
        let mut migrator = Migrator::with_migrations(all);
        // Those from the future before this one.
        migrator.set_ignore_missing(true);
        self.run(&migrator).await;
    }

    async fn run(&self, migrator: &Migrator) {
        let done = match self.kind {
            Kind::Sqlite => migrator.run(&mut self.sqlite().await).await,
            Kind::Postgres => migrator.run(&mut self.postgres().await).await,
        };
        done.expect("it migrates");
    }

    pub async fn sqlite(&self) -> SqliteConnection {
        let url = format!("{}?mode=rwc", self.url);
        SqliteConnection::connect(&url).await.expect("SQLite opens")
    }

    pub async fn postgres(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("PostgreSQL opens")
    }

    /// Runs statements of any kind.
    pub async fn script(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        let done = match self.kind {
            Kind::Sqlite => self.sqlite().await.execute(sql).await.map(|_| ()),
            Kind::Postgres => self.postgres().await.execute(sql).await.map(|_| ()),
        };
        done.expect("it is done");
    }

    /// Every table and column, a line each.
    pub async fn schema(&self) -> Vec<String> {
        match self.kind {
            Kind::Sqlite => self.rows("SELECT name || ' ' || COALESCE(sql, '') AS line FROM sqlite_schema").await,
            Kind::Postgres => {
                let columns = "SELECT table_name || ' ' || column_name || ' ' || data_type AS line \
                     FROM information_schema.columns WHERE table_schema = current_schema()";
                self.rows(columns).await
            }
        }
    }
}
