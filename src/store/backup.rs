//! Copies of a whole SQLite database, and whether a file is one.
//!
//! A copy is as of one moment, whatever is written meanwhile, and holds nothing of what was deleted. It is opened as a
//! single file that nobody else writes, so it leaves no other files beside it.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::instance::{SET, SWEEP_WANTED};
use super::schema::MIGRATIONS;
use super::{Db, Store, StoreError, SweepWanted};

/// Findings of the integrity check that are told, at most.
const FINDINGS: usize = 3;
/// SQLite's code for a file that is no database.
const NOT_A_DATABASE: &str = "26";

/// Why a file is no backup that can be restored.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error("it is no backup of Mainstay")]
    NotOurs,
    #[error("it was made by a newer program (schema {version}); restore it with that one")]
    Newer { version: i64 },
    #[error(
        "it is a database that was in use, and what was written last may be in the -wal beside it: give it by \
         --database-url and take a backup of it"
    )]
    InUse,
    #[error("it is damaged: {0}")]
    Damaged(String),
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] sqlx::Error),
}

impl Store {
    /// Writes a copy of an SQLite database into `path`, which may be an empty file.
    pub async fn copy_into(&self, path: &Path) -> Result<(), StoreError> {
        let Db::Sqlite { read, .. } = &self.db else {
            return Err(StoreError::Address("only an SQLite database is copied as a file".to_owned()));
        };
        // Only the copy is written, but `query_only` forbids that too.
        let options = read.connect_options().as_ref().clone().pragma("query_only", "OFF").read_only(true);
        let mut connection = options.connect().await?;
        let copied = sqlx::query("VACUUM INTO $1").bind(text(path)).execute(&mut connection).await;
        connection.close().await?;
        copied?;
        Ok(())
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Checks that an SQLite file is a whole copy of a database of ours, of a schema that this program knows.
pub async fn check_copy(path: &Path) -> Result<(), CopyError> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let mut connection = options.connect().await.map_err(explained)?;
    let checked = check(&mut connection).await;
    connection.close().await?;
    checked
}

async fn check(connection: &mut sqlx::SqliteConnection) -> Result<(), CopyError> {
    let recorded = sqlx::query_as("SELECT version FROM _sqlx_migrations").fetch_all(&mut *connection).await;
    let versions: Vec<(i64,)> = recorded.map_err(explained)?;
    check_versions(&versions.into_iter().map(|(version,)| version).collect::<Vec<_>>())?;
    let findings = sqlx::query("PRAGMA integrity_check").fetch_all(&mut *connection).await.map_err(explained)?;
    let findings: Vec<String> = findings.iter().map(|row| row.get(0)).filter(|finding| finding != "ok").collect();
    if !findings.is_empty() {
        return Err(CopyError::Damaged(findings.into_iter().take(FINDINGS).collect::<Vec<_>>().join("; ")));
    }
    match sqlx::query("PRAGMA foreign_key_check").fetch_all(connection).await?.len() {
        0 => Ok(()),
        rows => Err(CopyError::Damaged(format!("{rows} rows name others that are not there"))),
    }
}

/// Whether this program can take over a database on which these migrations were run.
pub fn check_versions(versions: &[i64]) -> Result<(), CopyError> {
    let first = MIGRATIONS.iter().map(|migration| migration.version).min();
    if !first.is_some_and(|first| versions.contains(&first)) {
        return Err(CopyError::NotOurs);
    }
    match versions.iter().filter(|version| !MIGRATIONS.version_exists(**version)).max() {
        Some(version) => Err(CopyError::Newer { version: *version }),
        None => Ok(()),
    }
}

fn explained(error: sqlx::Error) -> CopyError {
    let said = error.as_database_error().map(|error| (error.code().unwrap_or_default(), error.message()));
    match said {
        Some((code, message)) if code == NOT_A_DATABASE || message.starts_with("no such table") => CopyError::NotOurs,
        // 11 is a malformed file.
        Some((code, message)) if code.parse::<i32>().is_ok_and(|code| code & 0xff == 11) => {
            CopyError::Damaged(message.to_owned())
        }
        _ => CopyError::Unreadable(error),
    }
}

/// Asks for a sweep inside a copy, before it becomes a database.
pub async fn mark_copy(path: &Path, wanted: SweepWanted) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new().filename(path).journal_mode(SqliteJournalMode::Delete);
    let mut connection = options.synchronous(SqliteSynchronous::Full).connect().await?;
    let set = sqlx::query(AssertSqlSafe(SET)).bind(SWEEP_WANTED).bind(wanted.value());
    let marked = set.execute(&mut connection).await;
    connection.close().await?;
    marked?;
    Ok(())
}
