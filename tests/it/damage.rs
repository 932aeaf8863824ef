//! SQLite drops committed rows in silence when its WAL is damaged. We notice, say so, and ask for a sweep.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mainstay::clock::Clock;
use mainstay::id::Random;
use mainstay::sandbox::{Card, Delivery, Options, Sandbox};
use mainstay::service::chain::{Keeper, head_file};
use mainstay::store::{Damage, SweepReason};

use crate::backups::{client, post};
use crate::journeys::{daily, ours};
use crate::support::app::{WEBHOOK_SECRET, session_of};
use crate::support::database::{Database, Kind};
use crate::support::process::{Server, mainstay};
use crate::support::reports::sums_hold;

fn file(database: &Database) -> PathBuf {
    database.folder.path().join("mainstay.db")
}

fn wal(database: &Database) -> PathBuf {
    database.folder.path().join("mainstay.db-wal")
}

fn start(database: &Database) -> Server {
    Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[])
}

/// What was noticed, and whether a sweep is wanted for it.
async fn noticed(database: &Database) -> (Option<Damage>, bool) {
    let store = database.open().await;
    let damage = store.damage().await.expect("it is read");
    let wanted = store.sweep_wanted().await.expect("it is read");
    store.close().await;
    (damage, wanted.is_some_and(|wanted| wanted.reason == SweepReason::Damaged))
}

/// Waits until the head outside the database counts so many events.
async fn head_counts(database: &Database, events: usize) {
    let counted = || -> Option<u64> {
        let head: serde_json::Value = serde_json::from_slice(&std::fs::read(head_file(&file(database))).ok()?).ok()?;
        head["rows"]["stripe_events"].as_u64()
    };
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    let wait = async {
        while counted() != Some(events as u64) {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it is kept each second");
}

/// A database of a server that was killed after the head counted `events`.
async fn killed(events: usize) -> Database {
    let database = Database::fresh(Kind::Sqlite).await;
    let server = start(&database);
    for n in 0..events {
        assert!(post(&client(), &server.url, n).await);
    }
    head_counts(&database, events).await;
    server.kill();
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_again_and_again_raises_no_alarm() {
    let database = Database::fresh(Kind::Sqlite).await;
    let mut events = 0;
    for round in 0..8 {
        let server = start(&database);
        for _ in 0..round * 3 {
            assert!(post(&client(), &server.url, events).await);
            events += 1;
        }
        if round % 2 == 0 {
            head_counts(&database, events).await;
        }
        server.kill();
        assert_eq!(noticed(&database).await, (None, false), "in round {round}");
    }
    assert!(start(&database).terminate().success());
    assert_eq!(noticed(&database).await, (None, false));
    assert_eq!(database.rows("SELECT id AS line FROM stripe_events").await.len(), events);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_web_and_a_worker_process_keep_one_chain() {
    let database = Database::fresh(Kind::Sqlite).await;
    let both = || {
        ["web", "worker"]
            .map(|half| Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &["--only", half]))
    };
    let [web, worker] = both();
    for n in 0..20 {
        assert!(post(&client(), &web.url, n).await);
    }
    head_counts(&database, 20).await;
    let left = database.folder.path().join("mainstay.db.head.123456");
    std::fs::write(&left, "{").expect("it is written");
    web.kill();
    worker.kill();
    for server in both() {
        assert!(server.terminate().success());
    }
    assert_eq!(noticed(&database).await, (None, false));
    assert!(!left.exists(), "what a killed process left is cleared away");
}

fn damage(wal: &Path, what: &str) {
    let mut bytes = std::fs::read(wal).expect("it is read");
    let at = bytes.len() / 3;
    match what {
        "a removed file" => return std::fs::remove_file(wal).expect("it is removed"),
        "a cut" => bytes.truncate(at),
        _ => bytes[at..at + 64].iter_mut().for_each(|byte| *byte ^= 0xff),
    }
    std::fs::write(wal, bytes).expect("it is written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn committed_rows_that_a_damaged_wal_drops_are_missed_at_the_next_start() {
    for what in ["flipped bytes", "a cut", "a removed file"] {
        let database = killed(30).await;
        damage(&wal(&database), what);
        let server = start(&database);
        let left = database.rows("SELECT id AS line FROM stripe_events").await.len();
        assert!(left < 30, "SQLite says nothing of {what}");
        let (noticed_, wanted) = noticed(&database).await;
        let found = noticed_.unwrap_or_else(|| panic!("{what} is noticed"));
        assert!(wanted, "a sweep is asked for");
        let lost = format!("brings back from Stripe: {} of stripe_events", 30 - left);
        assert!(found.report.contains(&lost), "{}", found.report);
        let metrics = client().get(format!("{}/metrics", server.url)).send().await.expect("an answer");
        let metrics = metrics.text().await.expect("text");
        let line = format!("mainstay_database_damage_timestamp_seconds {}", found.noticed_at);
        assert!(metrics.lines().any(|metric| metric == line), "{metrics}");
        // Stripe sends again what nobody has.
        for n in 0..30 {
            assert!(post(&client(), &server.url, n).await);
        }
        head_counts(&database, 30).await;
        assert!(server.terminate().success());
        database.execute("DELETE FROM instance WHERE name IN ('damage', 'sweep_wanted')").await;
        assert!(start(&database).terminate().success());
        assert_eq!(noticed(&database).await, (None, false), "it is said once");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_copy_put_in_its_place_and_another_database_are_noticed() {
    let database = Database::fresh(Kind::Sqlite).await;
    let older = database.folder.path().join("older");
    let server = start(&database);
    assert!(post(&client(), &server.url, 0).await);
    assert!(server.terminate().success());
    std::fs::copy(file(&database), &older).expect("it is copied");
    let server = start(&database);
    assert!(post(&client(), &server.url, 1).await);
    assert!(server.terminate().success());
    std::fs::copy(&older, file(&database)).expect("it is put in place");
    assert!(start(&database).terminate().success());
    let (damage, wanted) = noticed(&database).await;
    assert!(wanted && damage.is_some_and(|damage| damage.report.contains("1 of stripe_events")));

    let other = killed(3).await;
    std::fs::copy(head_file(&file(&database)), head_file(&file(&other))).expect("the head of another");
    let server = start(&other);
    assert!(noticed(&other).await.1, "two databases have two chains");
    assert!(server.terminate().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_head_or_with_an_unreadable_one_it_starts_and_keeps_one_from_there() {
    let database = killed(2).await;
    let head = head_file(&file(&database));
    for left in [None, Some("{\"length\":")] {
        std::fs::remove_file(&head).expect("it was kept");
        if let Some(text) = left {
            std::fs::write(&head, text).expect("it is written");
        }
        let server = start(&database);
        head_counts(&database, 2).await;
        assert!(server.terminate().success());
        assert_eq!(noticed(&database).await, (None, false));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_begins_a_chain_of_its_own() {
    let database = killed(5).await;
    let run = |arguments: &[&str]| {
        let mut command = mainstay(arguments);
        command.env("MAINSTAY_DATABASE_URL", &database.url).current_dir(database.folder.path());
        command.output().expect("it runs")
    };
    assert!(run(&["backup", "a-backup"]).status.success());
    let server = start(&database);
    assert!(post(&client(), &server.url, 5).await);
    head_counts(&database, 6).await;
    assert!(server.terminate().success());
    std::fs::remove_file(file(&database)).expect("it is moved away");
    assert!(run(&["restore", "a-backup"]).status.success());
    assert!(start(&database).terminate().success());
    let store = database.open().await;
    assert_eq!(store.damage().await.expect("it is read"), None);
    let wanted = store.sweep_wanted().await.expect("it is read");
    assert_eq!(wanted.map(|wanted| wanted.reason), Some(SweepReason::Restored));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_added_when_something_was_committed_and_not_else() {
    let database = Database::fresh(Kind::Sqlite).await;
    let store = database.open().await;
    let mut keeper = Keeper::new(store.clone(), Clock::manual(1), &file(&database));
    assert!(keeper.run_once().await.expect("it is kept"), "the first");
    assert!(!keeper.run_once().await.expect("it is kept"), "nothing was done");
    store.record_backup(7).await.expect("something is done");
    assert!(keeper.run_once().await.expect("it is kept"));
    assert!(!keeper.run_once().await.expect("it is kept"));
    assert_eq!(store.chain().await.expect("it is read").expect("there is one").length, 2);
    assert_eq!(keeper.check().await.expect("it is read"), None);

    // Retention takes old rows away.
    database.execute("INSERT INTO never_again (email_index, created_at) VALUES ('a', 1), ('b', 2)").await;
    store.record_backup(8).await.expect("something is done");
    assert!(keeper.run_once().await.expect("it is kept"));
    database.execute("DELETE FROM never_again WHERE email_index = 'a'").await;
    assert_eq!(keeper.check().await.expect("it is read"), None);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_damage_took_is_brought_back_by_the_sweep_to_the_cent() {
    let database = Database::fresh(Kind::Sqlite).await;
    let sandbox = Sandbox::start(Options {
        listen: "127.0.0.1:0".parse().expect("an address"),
        clock: Clock::system(),
        random: Random::seeded(4),
        delivery: Delivery::Manual,
    })
    .await
    .expect("it starts");
    let start = |more: &[&str]| Server::start(&database.url, &sandbox.url(), database.folder.path(), more);
    let server = start(&[]);
    sandbox.add_endpoint(&format!("{}/webhooks/stripe", server.url), WEBHOOK_SECRET);
    for (frequency, amount_minor) in [("once", 2500), ("monthly", 500), ("annual", 9000), ("once", 700)] {
        let asked = serde_json::json!({"frequency": frequency, "amount_minor": amount_minor, "currency": "USD"});
        let answer = client().post(format!("{}/v1/pledges", server.url)).json(&asked).send().await.expect("an answer");
        let pledge: serde_json::Value = answer.json().await.expect("a pledge");
        sandbox.pay(&session_of(&pledge), Card::Works).await.expect("it is open");
        sandbox.deliver_pending().await;
    }
    head_counts(&database, sandbox.events().len()).await;
    let books = |lines: Vec<String>| lines.into_iter().filter(|line| line.starts_with("revenue ")).collect::<Vec<_>>();
    server.kill();
    damage(&wal(&database), "a cut");

    let server = start(&["--sweep-minutes", "15"]);
    assert!(noticed(&database).await.0.is_some(), "it is noticed");
    let whole = async {
        let mut looks = tokio::time::interval(Duration::from_millis(50));
        while noticed(&database).await.1 || ours(&database).await != daily(&sandbox) {
            looks.tick().await;
        }
    };
    let told = tokio::time::timeout(Duration::from_mins(1), whole).await;
    assert!(told.is_ok(), "{:?} is not {:?}", books(database.books().await), daily(&sandbox));
    let pledges = database.rows("SELECT status AS line FROM pledges ORDER BY status").await;
    assert_eq!(pledges, ["active", "active", "paid", "paid"], "those that were lost are back");
    assert!(server.terminate().success());
    sums_hold(&database, "brought back").await;
    sandbox.shutdown().await;
}
