//! Backups: taken under load, put back into an empty place, and refused where they would harm.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mainstay::clock::Clock;
use mainstay::config::DatabaseUrl;
use mainstay::domain::event::API_VERSION;
use mainstay::id::Random;
use mainstay::sandbox::Card;
use mainstay::service::backup::{BackupError, PgPrograms, restore, take};
use mainstay::store::SweepReason;
use serde_json::json;
use sqlx::Executor as _;

use crate::support::app::{TestApp, WEBHOOK_SECRET};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::postgres;
use crate::support::process::{Server, mainstay};
use crate::support::reports::sums_hold;

/// Posts event number `n`, of a few kilobytes that cannot be compressed; whether it was acknowledged.
pub async fn post(http: &reqwest::Client, url: &str, n: usize) -> bool {
    let random = Random::seeded(n as u64);
    let noise: String = (0..100).map(|_| random.hex()).collect();
    let object = json!({"id": format!("in_{n}"), "object": "invoice", "description": noise});
    let body = json!({"id": format!("evt_{n:06}"), "type": "some.type", "api_version": API_VERSION, "created": 1,
        "livemode": false, "data": {"object": object}})
    .to_string();
    let signature = mainstay::sandbox::sign(body.as_bytes(), WEBHOOK_SECRET, Clock::system().now());
    let request = http.post(format!("{url}/webhooks/stripe")).header("stripe-signature", signature).body(body);
    request.send().await.is_ok_and(|answer| answer.status() == 200)
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("a client")
}

/// A database with so many events in it.
async fn filled(kind: Kind, events: usize) -> Database {
    let database = Database::fresh(kind).await;
    let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
    for n in 0..events {
        assert!(post(&client(), &server.url, n).await);
    }
    assert!(server.terminate().success());
    database
}

fn command(database: &Database, arguments: &[&str]) -> Command {
    let mut command = mainstay(arguments);
    command.env("MAINSTAY_DATABASE_URL", &database.url).current_dir(database.folder.path());
    command
}

/// Exit code and what was said.
fn run(database: &Database, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command(database, arguments).output().expect("it runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn programs() -> PgPrograms {
    PgPrograms::within(vec![postgres::programs()])
}

fn url(database: &Database) -> DatabaseUrl {
    DatabaseUrl::parse(&database.url).expect("an address")
}

async fn events(database: &Database) -> Vec<String> {
    database.rows("SELECT id AS line FROM stripe_events").await
}

/// Everything in the folder of the test but the database's own files.
fn others(database: &Database) -> Vec<String> {
    let files = std::fs::read_dir(database.folder.path()).expect("the folder");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("mainstay.db")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_events_arrive_is_restored_as_what_was_there_at_one_moment() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let load = tokio::spawn({
            let (acknowledged, http, url) = (Arc::clone(&acknowledged), client(), server.url.clone());
            async move {
                let mut n = 0;
                while stopped.try_recv() == Err(tokio::sync::oneshot::error::TryRecvError::Empty) {
                    assert!(post(&http, &url, n).await);
                    n += 1;
                    acknowledged.store(n, Ordering::SeqCst);
                }
            }
        });
        while acknowledged.load(Ordering::SeqCst) < 200 {
            tokio::task::yield_now().await;
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let file = database.folder.path().join("a-backup");
        let (code, said) = tokio::task::block_in_place(|| run(&database, &["backup", "a-backup"]));
        let after = acknowledged.load(Ordering::SeqCst);
        assert_eq!(code, Some(0), "{said}");
        assert!(after > before, "events arrived meanwhile");
        stop.send(()).expect("it posts");
        load.await.expect("every event was acknowledged");
        assert!(server.terminate().success());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(others(&database), ["a-backup"], "nothing else is left");
        let store = database.open().await;
        assert!(store.backed_up_at().await.expect("it is read").is_some_and(|at| at <= Clock::system().now()));
        store.close().await;

        let other = Database::unmigrated(kind).await;
        let (code, said) = run(&other, &["restore", &file.display().to_string()]);
        assert_eq!(code, Some(0), "{said}");
        let restored = events(&other).await;
        let prefix: Vec<String> = (0..restored.len()).map(|n| format!("evt_{n:06}")).collect();
        assert_eq!(restored, prefix, "without a gap on {kind:?}");
        assert!((before..=after + 1).contains(&restored.len()), "{before} {} {after}", restored.len());
        let bodies = other.rows("SELECT event_id AS line FROM stripe_event_bodies").await;
        assert_eq!(bodies, prefix, "each with its body");
        let store = other.open().await;
        let wanted = store.sweep_wanted().await.expect("it is read").expect("a sweep is asked for");
        assert_eq!(wanted.reason, SweepReason::Restored);
        assert_eq!(store.backed_up_at().await.expect("it is read"), None, "of this one there is no backup yet");
        store.sweep_done(wanted).await.expect("it is done");
        assert_eq!(store.sweep_wanted().await.expect("it is read"), None);
        store.close().await;

        let server = Server::start(&other.url, "http://127.0.0.1:9/", other.folder.path(), &[]);
        assert!(post(&client(), &server.url, 999_999).await, "it goes on from there");
        assert!(server.terminate().success());
        let store = other.open().await;
        assert_eq!(store.damage().await.expect("it is read"), None);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restore_brings_back_adds_up_as_it_did() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for (frequency, currency) in [("once", "USD"), ("monthly", "EUR")] {
            let (_, session) = app.pledge(frequency, 500, currency).await;
            app.pay(&session, Card::Works).await;
        }
        app.advance_days(40).await;
        let (database, sandbox) = app.abandon().await;
        sandbox.shutdown().await;
        let file = database.folder.path().join("of-gifts").display().to_string();
        let (code, said) = run(&database, &["backup", &file]);
        assert_eq!(code, Some(0), "{said}");
        let other = Database::unmigrated(kind).await;
        let (code, said) = run(&other, &["restore", &file]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(other.books().await, database.books().await, "on {kind:?}");
        sums_hold(&other, &format!("restored on {kind:?}")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_backup_nor_a_restore_overwrites_anything() {
    for kind in BOTH {
        let database = filled(kind, 3).await;
        let file = database.folder.path().join("a-backup");
        std::fs::write(&file, "precious").expect("it is written");
        let (code, said) = run(&database, &["backup", "a-backup"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("exists already") && said.contains("Give another name"), "{said}");
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), "precious");
        assert_eq!(run(&database, &["backup", "another"]).0, Some(0));
        let (code, said) = run(&database, &["restore", "another"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("is not empty") && said.contains("move it away"), "{said}");
        assert_eq!(events(&database).await.len(), 3);
        assert_eq!(others(&database), ["a-backup", "another"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_in_use_is_not_restored_without_its_wal() {
    let database = filled(Kind::Sqlite, 1).await;
    let place = Database::unmigrated(Kind::Sqlite).await;
    let file = database.folder.path().join("mainstay.db").display().to_string();
    let (code, said) = run(&place, &["restore", &file]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("was in use") && said.contains("take a backup of it"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_restored_under_a_server_that_still_runs() {
    let database = filled(Kind::Sqlite, 1).await;
    assert_eq!(run(&database, &["backup", "a-backup"]).0, Some(0));
    let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
    for name in ["mainstay.db", "mainstay.db-wal", "mainstay.db-shm"] {
        std::fs::remove_file(database.folder.path().join(name)).expect("somebody moves it away");
    }
    let (code, said) = run(&database, &["restore", "a-backup"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is still at work") && said.contains("Stop it"), "{said}");
    server.kill();
    let (code, said) = run(&database, &["restore", "a-backup"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(events(&database).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wal_left_where_a_database_was_is_not_taken_for_the_restored_ones() {
    let database = filled(Kind::Sqlite, 1).await;
    assert_eq!(run(&database, &["backup", "a-backup"]).0, Some(0));
    let place = Database::unmigrated(Kind::Sqlite).await;
    std::fs::write(place.folder.path().join("mainstay.db-wal"), "of another").expect("it is written");
    let file = database.folder.path().join("a-backup").display().to_string();
    let (code, said) = run(&place, &["restore", &file]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("with its -wal"), "{said}");
}

/// Cuts a file, or flips bytes in its middle.
fn damage(file: &Path, cut: bool) {
    let mut bytes = std::fs::read(file).expect("it is read");
    let middle = bytes.len() / 2;
    if cut {
        bytes.truncate(middle);
    } else {
        for byte in &mut bytes[middle..middle + 4_096] {
            *byte ^= 0x5a;
        }
    }
    std::fs::write(file, bytes).expect("it is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_backup_of_ours_is_not_restored() {
    for kind in BOTH {
        let database = filled(kind, 60).await;
        let folder = database.folder.path();
        let place = Database::unmigrated(kind).await;
        let refused = |name: &str, why: &str| {
            let (code, said) = run(&place, &["restore", &folder.join(name).display().to_string()]);
            assert_eq!(code, Some(1), "{name} on {kind:?}: {said}");
            assert!(said.contains(why), "{name} on {kind:?}: {said}");
            assert_eq!(others(&place), [""; 0]);
        };
        std::fs::write(folder.join("a-letter"), "Dear reader,").expect("it is written");
        refused("a-letter", "it is no backup of Mainstay");
        refused("nothing", "cannot read");
        for name in ["cut", "flipped"] {
            let (code, said) = run(&database, &["backup", name]);
            assert_eq!(code, Some(0), "{said}");
            damage(&folder.join(name), name == "cut");
            refused(name, "it is damaged");
        }
        let foreign = Database::unmigrated(kind).await;
        foreign.script("CREATE TABLE shop (id TEXT)").await;
        let theirs = copy_of(&foreign, &folder.join("theirs")).await;
        refused(&theirs, "it is no backup of Mainstay");
        database.migrate_beyond(20_990_101_000_000, "CREATE TABLE later (a TEXT)").await;
        let newer = copy_of(&database, &folder.join("newer")).await;
        refused(&newer, "it was made by a newer program (schema 20990101000000)");
        let other = if kind == Kind::Sqlite { Kind::Postgres } else { Kind::Sqlite };
        let elsewhere = Database::unmigrated(other).await;
        let (code, said) = run(&elsewhere, &["restore", &folder.join("theirs").display().to_string()]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("Give a database of its kind"), "{said}");
        assert!(place.kind == Kind::Postgres || !place.folder.path().join("mainstay.db").exists());
        if kind == Kind::Postgres {
            assert_eq!(place.schema().await.len(), 0, "nothing of them is there");
        }
    }
}

/// A copy of a database by the database's own means, whoever's it is; its name.
async fn copy_of(database: &Database, file: &Path) -> String {
    match database.kind {
        Kind::Sqlite => database.script(&format!("VACUUM INTO '{}'", file.display())).await,
        Kind::Postgres => {
            let mut dump = Command::new(postgres::programs().join("pg_dump"));
            dump.arg("--format=custom").arg("--file").arg(file).arg(&database.url);
            assert!(dump.status().expect("it runs").success());
        }
    }
    file.file_name().expect("a name").to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_while_a_backup_is_written_leaves_no_half_file() {
    for kind in BOTH {
        let database = filled(kind, 150).await;
        // In blocks of 512 bytes: more than opening the database takes, less than the backup.
        let limited = "trap '' XFSZ; ulimit -S -f 256; exec \"$@\"";
        let program = command(&database, &["backup", "a-backup"]);
        let mut shell = Command::new("sh");
        shell.args(["-c", limited, "sh"]).arg(program.get_program()).args(program.get_args()).env_clear();
        shell.env("MAINSTAY_DATABASE_URL", &database.url).current_dir(database.folder.path());
        let output = shell.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{kind:?}: {said}");
        assert_eq!(others(&database), [""; 0], "{kind:?}");
        let store = database.open().await;
        assert_eq!(store.backed_up_at().await.expect("it is read"), None, "none was taken");
        store.close().await;
        assert_eq!(run(&database, &["backup", "a-backup"]).0, Some(0), "with room it works");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_stopped_clears_away_what_it_had_written() {
    let database = filled(Kind::Postgres, 1).await;
    // It waits for this table while its file is there already.
    let mut other = database.postgres().await;
    other.execute("BEGIN; LOCK TABLE stripe_events").await.expect("it is locked");
    let mut backup = command(&database, &["backup", "a-backup"]);
    let mut backup = backup.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
    let waits = async {
        let mut looks = tokio::time::interval(Duration::from_millis(20));
        while others(&database) != ["a-backup.partial"] {
            looks.tick().await;
        }
        let waiting = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = 'stripe_events'::regclass";
        while sqlx::query_as::<_, (i64,)>(waiting).fetch_one(&mut other).await.expect("it is read").0 == 0 {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), waits).await.expect("it dumps");
    let told = Command::new("kill").arg(backup.id().to_string()).status().expect("kill runs");
    assert!(told.success());
    assert_eq!(backup.wait().expect("it ends").code(), Some(1));
    let mut said = String::new();
    backup.stderr.take().expect("standard error").read_to_string(&mut said).expect("it is read");
    assert!(said.contains("stopped by a signal"), "{said}");
    assert_eq!(others(&database), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_backup_left_is_in_nobodys_way() {
    let database = filled(Kind::Sqlite, 1).await;
    std::fs::write(database.folder.path().join("a-backup.partial"), "half").expect("it is written");
    let (code, said) = run(&database, &["backup", "a-backup"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(others(&database), ["a-backup"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_without_its_programs_one_sentence_says_what_to_install() {
    let database = Database::fresh(Kind::Postgres).await;
    let store = database.open().await;
    let file = database.folder.path().join("a-backup");
    let nowhere = PgPrograms::within(vec![database.folder.path().join("nowhere")]);
    let error = take(&store, &url(&database), &nowhere, &file).await.expect_err("there is none");
    assert!(matches!(error, BackupError::NoProgram { program: "pg_dump", .. }), "{error}");
    let said = error.to_string();
    assert!(said.contains("pg_dump was not found on PATH") && said.contains("postgresql-client"), "{said}");
    assert_eq!(said.lines().count(), 1);
    assert_eq!(others(&database), [""; 0]);
    take(&store, &url(&database), &programs(), &file).await.expect("with them it works");
    store.close().await;

    let place = Database::unmigrated(Kind::Postgres).await;
    let error = restore(&file, &url(&place), &nowhere, 1).await.expect_err("there is none");
    assert!(matches!(error, BackupError::NoProgram { program: "pg_restore", .. }), "{error}");
    restore(&file, &url(&place), &programs(), 1).await.expect("with them it works");
}

/// Programs that write down how they were called, and fail.
fn spies(folder: &Path) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;

    let path = folder.join("pg_dump");
    let script = "#!/bin/sh\n[ \"$1\" = --version ] && echo 'pg_dump (PostgreSQL) 99.1' && exit\n\
        echo \"$@\" >\"${0%/*}/arguments\"\necho \"$PGPASSWORD $PGUSER $PGDATABASE\" >\"${0%/*}/variables\"\n\
        echo 'server has gone' >&2\nexit 1\n";
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(script.as_bytes()).expect("it is written");
    file.set_permissions(std::fs::Permissions::from_mode(0o755)).expect("it may be run");
    folder.to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_the_server_is_no_argument_of_a_program() {
    let database = Database::fresh(Kind::Postgres).await;
    let store = database.open().await;
    let address = DatabaseUrl::parse(&database.url.replace("mainstay@", "mainstay:s3cr%20et@")).expect("an address");
    let tools = tempfile::tempdir().expect("a folder");
    let spies = PgPrograms::within(vec![spies(tools.path())]);
    let error = take(&store, &address, &spies, &database.folder.path().join("a-backup")).await.expect_err("it fails");
    assert_eq!(error.to_string(), "pg_dump failed: server has gone");
    store.close().await;
    let read = |name: &str| std::fs::read_to_string(tools.path().join(name)).expect("it was called");
    assert!(!read("arguments").contains("s3cr"), "{}", read("arguments"));
    assert!(read("variables").starts_with("s3cr et mainstay "), "{}", read("variables"));
    assert_eq!(others(&database), [""; 0]);
}
