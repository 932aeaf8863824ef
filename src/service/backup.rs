//! Backups: taken while others write, put in place whole or not at all, and restored into an empty place.
//!
//! A backup is one file: SQLite's own compact copy of the database, or `pg_dump`'s custom format. It is written beside its
//! place under another name, checked, brought to disk, and only then given its name. The vault's keys are no part of the
//! database, so they are in no backup. It is the only module that runs other programs.

mod partial;
mod postgres;

use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::config::DatabaseUrl;
use crate::store::{CopyError, Store, StoreError, SweepReason, SweepWanted, check_copy, mark_copy};
use partial::Partial;
pub use postgres::PgPrograms;

/// Copies from before a migration that are kept.
const KEPT: usize = 3;
/// What every SQLite file begins with.
const SQLITE: &[u8] = b"SQLite format 3\0";
/// Which byte tells how an SQLite file is written, and what it is in a database of ours. A backup was never written to.
const WRITTEN_BY_WAL: (usize, u8) = (18, 2);
/// What every dump in the custom format begins with.
const DUMP: &[u8] = b"PGDMP";

/// How much of a file is looked at to see what it is.
const HEAD: u64 = 32;

/// Why there is no backup, or why none was restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{} exists already, and a backup overwrites nothing. Give another name.", .0.display())]
    Exists(PathBuf),
    #[error("another process is writing {} just now", .0.display())]
    Busy(PathBuf),
    #[error("cannot write {}: {source}. Nothing was left there.", path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("the backup {} could not be written: {source}. Nothing was left there.", path.display())]
    Copy { path: PathBuf, source: StoreError },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{} was written but cannot be used, and was removed: {source}", path.display())]
    Unsound { path: PathBuf, source: CopyError },
    #[error("{} cannot be restored: {source}", path.display())]
    NotRestorable { path: PathBuf, source: CopyError },
    #[error(
        "{} is a backup of {made_on}, and {database} is none. Give a database of its kind by --database-url.",
        path.display()
    )]
    OtherKind { path: PathBuf, made_on: &'static str, database: String },
    #[error(
        "{database} exists and is not empty, and a restore overwrites nothing. Stop what runs on it and move it away \
         (on SQLite with its -wal and -shm), or give an empty one by --database-url."
    )]
    NotEmpty { database: String },
    #[error(
        "{program} was not found on PATH, nor below /usr/lib/postgresql, in version {major} or newer: install \
         PostgreSQL's client programs (on Debian: postgresql-client)"
    )]
    NoProgram { program: &'static str, major: u32 },
    #[error("{program} failed: {said}")]
    Program { program: &'static str, said: String },
    #[error("{database}: {source}")]
    Database { database: String, source: StoreError },
}

impl BackupError {
    fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        |source| Self::Write { path: path.to_owned(), source }
    }

    fn database(database: &DatabaseUrl) -> impl FnOnce(StoreError) -> Self + '_ {
        |source| Self::Database { database: database.to_string(), source }
    }
}

/// Takes a backup of `database`, open as `store`, into the new file `path`. The size of the file in bytes.
pub async fn take(
    store: &Store,
    database: &DatabaseUrl,
    programs: &PgPrograms,
    path: &Path,
) -> Result<u64, BackupError> {
    let partial = Partial::create(path)?;
    if database.sqlite_path().is_some() {
        copy(store, &partial, path).await?;
    } else {
        let server = postgres::Server::of(database);
        let major = store.server_major().await.map_err(BackupError::database(database))?;
        programs.dump(&server, major, partial.handle()?).await?;
        let unsound = |source| BackupError::Unsound { path: path.to_owned(), source };
        programs.check(partial.begun(), major).await?.map_err(unsound)?;
    }
    partial.publish()
}

/// A whole and checked copy of an SQLite database.
async fn copy(store: &Store, partial: &Partial, path: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::Copy { path: path.to_owned(), source };
    store.copy_into(partial.begun()).await.map_err(failed)?;
    check_copy(partial.begun()).await.map_err(|source| BackupError::Unsound { path: path.to_owned(), source })
}

/// Takes a copy of an SQLite database beside it, if it holds something and migrations are to be run on it. Copies beyond
/// the newest three are removed.
pub async fn before_migration(store: &Store, database: &Path, now: i64) -> Result<Option<PathBuf>, BackupError> {
    let reading = |source| BackupError::Database { database: format!("sqlite://{}", database.display()), source };
    let migrations = store.migrations().await.map_err(reading)?;
    let applied = migrations.iter().filter(|migration| migration.applied).map(|migration| migration.version).max();
    let Some(schema) = applied.filter(|_| migrations.iter().any(|migration| !migration.applied)) else {
        return Ok(None);
    };
    let begin = format!("{}.backup-", database.file_name().unwrap_or_default().to_string_lossy());
    let time = Timestamp::from_second(now).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ");
    let path = database.with_file_name(format!("{begin}{time}-schema-{schema}"));
    match Partial::create(&path) {
        Ok(partial) => {
            copy(store, &partial, &path).await?;
            partial.publish()?;
        }
        // Taken a moment ago, by a process that was then killed.
        Err(BackupError::Exists(_)) => {}
        Err(error) => return Err(error),
    }
    if let Err(error) = forget_old(database, &begin) {
        tracing::warn!(%error, "old copies from before a migration could not be removed");
    }
    Ok(Some(path))
}

/// Removes all but the newest copies, whose names tell their times, and what killed processes left: whoever calls has the
/// turn to change the schema, so nobody is writing one.
fn forget_old(database: &Path, begin: &str) -> std::io::Result<()> {
    let folder = folder_of(database);
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match name.starts_with(begin) {
            true if name.ends_with(partial::SUFFIX) => std::fs::remove_file(path)?,
            true => copies.push(path),
            false => {}
        }
    }
    copies.sort();
    let surplus = copies.len().saturating_sub(KEPT);
    copies.into_iter().take(surplus).try_for_each(std::fs::remove_file)
}

/// The folder that holds a file.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Puts the backup `path` where `database` is to be. The restored database asks for a sweep of everything.
pub async fn restore(path: &Path, database: &DatabaseUrl, programs: &PgPrograms, now: i64) -> Result<(), BackupError> {
    let wanted = SweepWanted { reason: SweepReason::Restored, at: now };
    let made_on = kind_of(path)?;
    if (made_on == "SQLite") != database.sqlite_path().is_some() {
        return Err(BackupError::OtherKind { path: path.to_owned(), made_on, database: database.to_string() });
    }
    match database.sqlite_path() {
        Some(place) => restore_file(path, &place, database, wanted).await,
        None => restore_dump(path, database, programs, wanted).await,
    }
}

/// Of which database the file says to be a backup.
fn kind_of(path: &Path) -> Result<&'static str, BackupError> {
    let reading = |source| BackupError::Read { path: path.to_owned(), source };
    let mut head = Vec::new();
    let file = std::fs::File::open(path).map_err(reading)?;
    file.take(HEAD).read_to_end(&mut head).map_err(reading)?;
    let not_restorable = |source| Err(BackupError::NotRestorable { path: path.to_owned(), source });
    match () {
        () if head.starts_with(SQLITE) && head.get(WRITTEN_BY_WAL.0) == Some(&WRITTEN_BY_WAL.1) => {
            not_restorable(CopyError::InUse)
        }
        () if head.starts_with(SQLITE) => Ok("SQLite"),
        () if head.starts_with(DUMP) => Ok("PostgreSQL"),
        () => not_restorable(CopyError::NotOurs),
    }
}

async fn restore_file(
    path: &Path,
    place: &Path,
    database: &DatabaseUrl,
    wanted: SweepWanted,
) -> Result<(), BackupError> {
    // A WAL left behind would be taken for the restored database's own.
    let wal = beside(place, "-wal");
    let holds_something = |path: &Path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0);
    if holds_something(place) || holds_something(&wal) {
        return Err(BackupError::NotEmpty { database: database.to_string() });
    }
    check_copy(path).await.map_err(|source| BackupError::NotRestorable { path: path.to_owned(), source })?;
    let writing = || BackupError::write(place);
    for leftover in [place.to_owned(), wal, beside(place, "-shm"), super::chain::head_file(place)] {
        match std::fs::remove_file(&leftover) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(writing()(error)),
            _ => {}
        }
    }
    let partial = Partial::create(place)?;
    let (mut from, mut to) = (std::fs::File::open(path).map_err(writing())?, partial.handle()?);
    let copied = tokio::task::spawn_blocking(move || {
        to.rewind()?;
        std::io::copy(&mut from, &mut to)
    });
    copied.await.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(writing())?;
    let failed = |source| BackupError::Copy { path: place.to_owned(), source };
    mark_copy(partial.begun(), wanted).await.map_err(failed)?;
    partial.publish().map(|_| ())
}

/// The file whose name has this at its end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

async fn restore_dump(
    path: &Path,
    database: &DatabaseUrl,
    programs: &PgPrograms,
    wanted: SweepWanted,
) -> Result<(), BackupError> {
    let store = Store::open(database.expose()).await.map_err(BackupError::database(database))?;
    let restored = restore_dump_into(&store, path, database, programs, wanted).await;
    store.close().await;
    restored
}

async fn restore_dump_into(
    store: &Store,
    path: &Path,
    database: &DatabaseUrl,
    programs: &PgPrograms,
    wanted: SweepWanted,
) -> Result<(), BackupError> {
    if !store.is_empty().await.map_err(BackupError::database(database))? {
        return Err(BackupError::NotEmpty { database: database.to_string() });
    }
    let major = store.server_major().await.map_err(BackupError::database(database))?;
    let sound = programs.check(path, major).await?;
    sound.map_err(|source| BackupError::NotRestorable { path: path.to_owned(), source })?;
    programs.restore(&postgres::Server::of(database), major, path).await?;
    store.want_sweep(wanted).await.map_err(BackupError::database(database))
}
