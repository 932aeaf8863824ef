//! From one release to the next: beside a newer schema, refused by one that has no room, and killed in the middle of it.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use mainstay::sandbox::Card;
use mainstay::service::backup::before_migration;
use mainstay::store::check_copy;
use sqlx::{Connection as _, Executor as _};

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database, Kind};
use crate::support::process::mainstay;

const ADDS: i64 = 20_990_101_000_000;
const TAKES_AWAY: i64 = 20_990_102_000_000;

fn on(database: &Database, arguments: &[&str]) -> Command {
    let mut command = mainstay(arguments);
    command.env("MAINSTAY_DATABASE_URL", &database.url).current_dir(database.folder.path());
    command
}

/// Exit code and standard error.
fn run(database: &Database, arguments: &[&str]) -> (Option<i32>, String) {
    let output = on(database, arguments).output().expect("it runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_newer_schema_that_only_adds_gifts_are_taken_as_ever() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        database.migrate_beyond(ADDS, "ALTER TABLE pledges ADD COLUMN colour TEXT; CREATE TABLE later (a TEXT)").await;
        let app = TestApp::start_on(database, &[]).await;
        let (pledge, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        assert_eq!(app.status(&pledge).await, "paid", "{kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_has_no_room_for_this_program_is_refused_with_one_sentence() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        let contract = "ALTER TABLE pledges RENAME COLUMN source TO place; \
            UPDATE instance SET value = '20990101000000' WHERE name = 'oldest_program'";
        database.migrate_beyond(TAKES_AWAY, contract).await;
        let before = database.schema().await;
        let report = ["report", "revenue", "--from", "2026-01-01", "--to", "2027-01-01"];
        for arguments in [&["migrate"][..], &report] {
            let (code, said) = run(&database, arguments);
            assert_eq!(code, Some(1), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            for part in ["takes programs of schema 20990101000000 or newer", "install that newer program again"] {
                assert!(said.contains(part), "{arguments:?} on {kind:?}: {said}");
            }
        }
        assert_eq!(database.schema().await, before, "nothing was touched");
    }
}

/// What keeps a migration from ending once all its statements are done, until it is let go.
enum Hold {
    Sqlite,
    Postgres(Box<sqlx::PgConnection>),
}

impl Hold {
    /// The record that ends a migration's transaction can be begun and not be written.
    async fn on(database: &Database) -> Self {
        match database.kind {
            Kind::Sqlite => {
                let rows: Vec<String> = ('a'..='z').map(|name| format!("_sqlx_migrations AS {name}")).collect();
                let endless = format!("SELECT COUNT(*) FROM {}", rows.join(", "));
                let trigger = format!("CREATE TRIGGER hold BEFORE INSERT ON _sqlx_migrations BEGIN {endless}; END");
                database.script(&trigger).await;
                Self::Sqlite
            }
            Kind::Postgres => {
                let mut connection = database.postgres().await;
                connection.execute("BEGIN; LOCK TABLE _sqlx_migrations IN SHARE MODE").await.expect("it is locked");
                Self::Postgres(Box::new(connection))
            }
        }
    }

    /// Whether a migration has come to its end and waits there.
    async fn holds(&mut self, database: &Database) -> bool {
        match self {
            Self::Sqlite => {
                let mut other = database.sqlite().await;
                other.execute("PRAGMA busy_timeout = 0").await.expect("it is set");
                other.execute("BEGIN IMMEDIATE").await.is_err()
            }
            Self::Postgres(connection) => {
                let waiting =
                    "SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND relation = '_sqlx_migrations'::regclass";
                let waiting: (i64,) = sqlx::query_as(waiting).fetch_one(&mut **connection).await.expect("it is read");
                waiting.0 > 0
            }
        }
    }

    async fn let_go(self, database: &Database) {
        match self {
            Self::Sqlite => database.script("DROP TRIGGER hold").await,
            Self::Postgres(connection) => connection.close().await.expect("it closes"),
        }
    }
}

/// Looks in a row at which a migration must be found waiting: whatever else locks, locks for a moment.
const LOOKS: u32 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_inside_a_migration_leaves_the_old_schema_and_the_next_start_migrates() {
    for kind in BOTH {
        let database = Database::of_the_release_before(kind).await;
        let before = database.schema().await;
        let mut hold = Hold::on(&database).await;
        let mut migrate =
            on(&database, &["migrate"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it runs");
        let inside = async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            let mut found = 0;
            while found < LOOKS {
                looks.tick().await;
                found = if hold.holds(&database).await { found + 1 } else { 0 };
            }
        };
        let came = tokio::time::timeout(Duration::from_mins(1), inside).await;
        let ended = migrate.try_wait().expect("it is looked at");
        migrate.kill().expect("it is killed");
        migrate.wait().expect("it ends");
        let mut said = String::new();
        migrate.stderr.take().expect("standard error").read_to_string(&mut said).expect("it is read");
        assert!(came.is_ok() && ended.is_none(), "it came to the end of the migration on {kind:?}: {said}");
        hold.let_go(&database).await;
        assert_eq!(database.schema().await, before, "killed on {kind:?}");

        let (code, said) = run(&database, &["migrate"]);
        assert_eq!(code, Some(0), "{said}");
        assert_eq!(database.schema().await, Database::fresh(kind).await.schema().await, "as if nothing had been");
        let store = database.open().await;
        assert!(store.migrations().await.expect("they are read").iter().all(|migration| migration.applied));
        store.close().await;
    }
}

/// The copies from before migrations, oldest first.
fn copies(database: &Database) -> Vec<std::path::PathBuf> {
    let files = std::fs::read_dir(database.folder.path()).expect("the folder").map(|file| file.expect("a file").path());
    let copy = |path: &std::path::PathBuf| path.to_string_lossy().contains("mainstay.db.backup-");
    let mut copies: Vec<_> = files.filter(copy).collect();
    copies.sort();
    copies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn before_a_migration_of_an_sqlite_database_that_holds_something_a_copy_is_taken_and_else_none() {
    let database = Database::of_the_release_before(Kind::Sqlite).await;
    assert_eq!(run(&database, &["migrate"]).0, Some(0));
    let taken = copies(&database);
    assert_eq!(taken.len(), 1, "named by time and schema: {taken:?}");
    let name = taken[0].to_string_lossy().into_owned();
    assert!(name.contains("-schema-2026"), "{name}");
    check_copy(&taken[0]).await.expect("it is whole");
    assert_eq!(run(&database, &["migrate"]).0, Some(0));
    assert_eq!(copies(&database), taken, "nothing was to be migrated");

    let empty = Database::unmigrated(Kind::Sqlite).await;
    assert_eq!(run(&empty, &["migrate"]).0, Some(0));
    assert_eq!(copies(&empty).len(), 0, "there was nothing to lose");

    // The copy is a database of the release before, and becomes one of this by a start.
    std::fs::copy(&taken[0], empty.folder.path().join("old.db")).expect("it is copied");
    let url = format!("sqlite://{}", empty.folder.path().join("old.db").display());
    let old = Database { url, kind: Kind::Sqlite, folder: empty.folder };
    assert_eq!(run(&old, &["migrate"]).0, Some(0));
    assert_eq!(old.schema().await.len(), database.schema().await.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_for_the_copy_nothing_is_migrated() {
    let database = Database::of_the_release_before(Kind::Sqlite).await;
    let before = database.schema().await;
    let program = on(&database, &["migrate"]);
    let mut limited = Command::new("sh");
    // 64 KiB: less than the copy.
    limited.args(["-c", "trap '' XFSZ; ulimit -S -f 128; exec \"$@\"", "sh"]).env_clear();
    limited.arg(program.get_program()).args(program.get_args()).current_dir(database.folder.path());
    let output = limited.env("MAINSTAY_DATABASE_URL", &database.url).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nothing was migrated, since no copy"), "{said}");
    assert_eq!(database.schema().await, before);
    assert_eq!(copies(&database).len(), 0, "no half copy is left");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_copies_from_before_migrations_are_kept() {
    let database = Database::of_the_release_before(Kind::Sqlite).await;
    let store = database.open().await;
    let path = database.folder.path().join("mainstay.db");
    let half = database.folder.path().join("mainstay.db.backup-20260101T000000Z-schema-1.partial");
    std::fs::write(&half, "what a killed process left").expect("it is written");
    let mut taken = Vec::new();
    for day in 0..5 {
        let copy = before_migration(&store, &path, 1_795_000_000 + day * 86_400).await.expect("it is taken");
        taken.push(copy.expect("there is something to migrate"));
    }
    store.close().await;
    assert_eq!(copies(&database), taken[2..]);
}
