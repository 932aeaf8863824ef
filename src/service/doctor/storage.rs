//! Is the database there, sound, on a disk that suits it, and backed up?

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::{Outcome, Patient, look, span};
use crate::clock::DAY;
use crate::store::Store;

/// How long a whole file may be looked through. A large one is looked through as far as that goes.
const INTEGRITY: Duration = Duration::from_secs(1);
/// How long another process may keep the write lock.
const WRITE: Duration = Duration::from_secs(2);
/// Free bytes below which a newsroom should act, and below which gifts are about to be lost.
const LOW: u64 = 1 << 30;
const TOO_LOW: u64 = 200 << 20;
/// Damage that was healed is told of for so long, in seconds.
const TOLD: i64 = 30 * DAY;
/// After so long without a backup somebody should wonder, in seconds.
const BACKUP_EVERY: i64 = 7 * DAY;

pub(super) async fn examine(patient: &Patient<'_>) -> Vec<Outcome> {
    let (writable, wal, integrity, backup, migrations, damage, totals) = tokio::join!(
        writable(patient),
        wal(patient),
        integrity(patient),
        backup(patient),
        migrations(patient),
        damage(patient),
        totals(patient)
    );
    vec![writable, local_disk(patient), wal, integrity, free_space(patient), backup, migrations, damage, totals]
}

/// The SQLite file, by its true path; where it is not there yet, the folder it would be in.
fn file(patient: &Patient<'_>) -> Option<PathBuf> {
    let path = patient.settings.database_url.as_ref()?.sqlite_path()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some(path.canonicalize().or_else(|_| folder.canonicalize()).unwrap_or(path))
}

/// The database as it was opened, whatever is in it.
fn opened<'a>(patient: &'a Patient<'_>) -> Option<&'a Store> {
    patient.store.as_ref()?.as_ref().ok()
}

async fn writable(patient: &Patient<'_>) -> Outcome {
    let name = "storage.writable";
    let (Some(database), Some(store)) = (&patient.settings.database_url, &patient.store) else {
        return Outcome::passed_over(name, "there is no database to look at");
    };
    let why = "Without it no gift can be taken and no event of Stripe's be kept.";
    let store = match store {
        Ok(store) => store,
        Err(error) => {
            let what = format!("{database} cannot be opened: {error}.");
            let mend = "mainstay migrate, where the server runs; or set MAINSTAY_DATABASE_URL";
            return Outcome::failed(name, what, why, mend);
        }
    };
    if !patient.readable {
        return Outcome::passed_over(name, "its tables are not there or not up to date");
    }
    match timeout(WRITE, store.check_writable()).await {
        Ok(Ok(())) => Outcome::well(name, format!("{} {database} takes writes", store.kind())),
        Ok(Err(error)) => {
            let what = format!("{database} takes no writes: {}.", error.code());
            Outcome::failed(name, what, why, "let the server's user write to the database and its folder")
        }
        Err(_) => {
            let what = format!("{database} takes no writes: somebody has held its lock for {} s.", WRITE.as_secs());
            Outcome::failed(name, what, why, "end the process that holds it: fuser -v, then kill")
        }
    }
}

fn local_disk(patient: &Patient<'_>) -> Outcome {
    let name = "storage.local_disk";
    let Some(path) = file(patient) else {
        return Outcome::passed_over(name, "PostgreSQL looks after its own disk");
    };
    match patient.machine.network_disk(&path) {
        Some(kind) => {
            let what = format!("{} lies on {kind}, a file system behind a network.", path.display());
            let why = "SQLite's locks do not hold there, and the file can be damaged.";
            Outcome::failed(
                name,
                what,
                why,
                "move the file to a local disk, or set MAINSTAY_DATABASE_URL to PostgreSQL",
            )
        }
        None if patient.machine.mountinfo.is_none() => {
            Outcome::passed_over(name, "this system does not tell on which disk the database lies")
        }
        None => Outcome::well(name, "the database lies on a local disk"),
    }
}

async fn wal(patient: &Patient<'_>) -> Outcome {
    let name = "storage.wal";
    let Some(store) = opened(patient) else { return Outcome::passed_over(name, "there is no database to look at") };
    match look(store.journal_mode()).await {
        Ok(None) => Outcome::passed_over(name, "PostgreSQL has its own"),
        Ok(Some(mode)) if mode == "wal" => Outcome::well(name, "a write-ahead log is kept"),
        Ok(Some(mode)) => {
            let what = format!("the database is written in the mode \"{mode}\" and not with a write-ahead log.");
            let why = "Whoever reads then waits for whoever writes, and webhooks are answered late.";
            Outcome::failed(name, what, why, "mainstay migrate")
        }
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}

async fn integrity(patient: &Patient<'_>) -> Outcome {
    let name = "storage.integrity";
    let Some(store) = opened(patient) else { return Outcome::passed_over(name, "there is no database to look at") };
    let wrong = |what: String| {
        let why = "What is damaged cannot be read, and every write may damage more.";
        let mend = "stop the server, keep the file, then mainstay restore FILE of the last backup";
        Outcome::failed(name, format!("the database is damaged: {what}."), why, mend)
    };
    match timeout(INTEGRITY, store.quick_check()).await {
        Ok(Ok(None)) => Outcome::passed_over(name, "PostgreSQL looks after its own pages"),
        Ok(Ok(Some(said))) if said == "ok" => Outcome::well(name, "every page of the file is sound"),
        Ok(Ok(Some(said))) => wrong(said.replace('\n', " ")),
        Ok(Err(error)) => wrong(error.code()),
        Err(_) => Outcome::well(name, format!("nothing was found within {} s; the file is large", INTEGRITY.as_secs())),
    }
}

fn free_space(patient: &Patient<'_>) -> Outcome {
    let name = "storage.free_space";
    let Some(free) = patient.machine.free_bytes.filter(|_| file(patient).is_some()) else {
        return Outcome::passed_over(name, "the disk of the database cannot be seen from here");
    };
    let shown = format!("{} MiB", free >> 20);
    let what = format!("{shown} are free where the database lies.");
    let why = "On a full disk no gift can be taken and no event of Stripe's be kept.";
    let mend = "make room on that disk: du -x / | sort -n | tail";
    match free {
        ..TOO_LOW => Outcome::failed(name, what, why, mend),
        TOO_LOW..LOW => Outcome::warning(name, what, why, mend),
        _ => Outcome::well(name, format!("{shown} are free")),
    }
}

async fn backup(patient: &Patient<'_>) -> Outcome {
    let name = "storage.backup";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there is no database to look at") };
    let why =
        "What a broken disk takes with it, only a backup brings back; Stripe does not know reminders and signups.";
    let mend = "mainstay backup FILE, from a timer";
    match look(store.backed_up_at()).await {
        Ok(None) => Outcome::warning(name, "no backup has been made.", why, mend),
        Ok(Some(at)) if patient.now - at > BACKUP_EVERY => {
            Outcome::warning(name, format!("the last backup is {} old.", span(patient.now - at)), why, mend)
        }
        Ok(Some(at)) => Outcome::well(name, format!("the last backup is {} old", span(patient.now - at))),
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}

async fn damage(patient: &Patient<'_>) -> Outcome {
    let name = "storage.damage";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there is no database to look at") };
    match look(async { Ok((store.damage().await?, store.sweep_wanted().await?)) }).await {
        Ok((None, _)) => Outcome::well(name, "no committed row was ever missed"),
        Ok((Some(damage), wanted)) => {
            let healed = if wanted.is_some() { "and is not healed yet" } else { "and was healed as far as it can be" };
            let what = format!("{} ago committed rows were missed, {healed}.", span(patient.now - damage.noticed_at));
            let why = "What Stripe does not know (reminders, signups, suppressions) may be gone for good.";
            let mend = format!("read docs/OPERATIONS.md, Damage. {}", damage.report);
            if wanted.is_some() {
                Outcome::failed(name, what, why, mend)
            } else if patient.now - damage.noticed_at > TOLD {
                Outcome::well(name, what.trim_end_matches('.'))
            } else {
                Outcome::warning(name, what, why, mend)
            }
        }
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}

async fn migrations(patient: &Patient<'_>) -> Outcome {
    let name = "storage.migrations";
    let Some(store) = opened(patient) else { return Outcome::passed_over(name, "there is no database to look at") };
    let why = "A program works with the tables it knows, and with no others.";
    if let Ok(Err(error)) = look(async { Ok(store.check_schema().await) }).await {
        return Outcome::failed(
            name,
            format!("{error}."),
            why,
            "install the program that was here before: mainstay --version",
        );
    }
    match look(store.pending_migrations()).await {
        Ok(0) => Outcome::well(name, "this program knows its way in the tables"),
        Ok(pending) => {
            let what = format!("{pending} migrations have not been run.");
            Outcome::failed(name, what, why, "mainstay migrate")
        }
        Err(_) => Outcome::failed(name, "the tables of this program are not there.", why, "mainstay migrate"),
    }
}

/// Whether the sums that reports read are what their days come to.
async fn totals(patient: &Patient<'_>) -> Outcome {
    let name = "storage.totals";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there is no database to look at") };
    match look(store.turns_unsummed()).await {
        Ok(None) => {}
        Ok(Some(_)) => {
            return Outcome::passed_over(name, "the worker makes them up; until then reports add the days up");
        }
        Err(error) => return Outcome::passed_over(name, format!("they could not be read: {error}")),
    }
    match look(store.totals_amiss()).await {
        Ok(None) => Outcome::well(name, "the sums of reports are what their days come to"),
        Ok(Some((lines, first))) => {
            let what = format!("{lines} sums of reports are not what their days come to, the first of {first}.");
            let why = "Reports over months and years then say what did not come in, or leave out what did.";
            Outcome::failed(name, what, why, "mainstay rebuild, which tells each; the server may run meanwhile")
        }
        Err(error) => Outcome::passed_over(name, format!("they could not be read: {error}")),
    }
}
