//! An account that never knew Mainstay is taken over: read only, row by row, and twice is once.

use mainstay::clock::Clock;
use mainstay::config::Role;
use mainstay::id::Random;
use mainstay::sandbox::{ApiRequest, Card, Delivery, Options, Sandbox};
use serde_json::Value;

use crate::journeys::{ours, stripes};
use crate::support::app::{DAY, TestApp};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::process::{environment, mainstay};

/// A checkout that somebody else's program made; its session.
fn checkout(sandbox: &Sandbox, mode: &str, interval: &str, amount_minor: i64, metadata: &str) -> String {
    let recurring = if mode == "subscription" {
        format!("&line_items[0][price_data][recurring][interval]={interval}")
    } else {
        String::new()
    };
    let inner = if mode == "subscription" { "subscription_data" } else { "payment_intent_data" };
    let metadata = if metadata.is_empty() { String::new() } else { format!("&{inner}[metadata][shop]={metadata}") };
    let body = format!(
        "mode={mode}&success_url=https://shop.example/ok&line_items[0][quantity]=1\
         &line_items[0][price_data][currency]=usd&line_items[0][price_data][unit_amount]={amount_minor}\
         &line_items[0][price_data][product_data][name]=Old{recurring}{metadata}"
    );
    let answer = sandbox.call(ApiRequest {
        method: "POST".to_owned(),
        path: "/v1/checkout/sessions".to_owned(),
        authorization: Some("Bearer sk_test_1".to_owned()),
        body: body.into_bytes(),
        ..ApiRequest::default()
    });
    let session: Value = serde_json::from_slice(&answer.body).expect("JSON");
    session["id"].as_str().unwrap_or_else(|| panic!("{session}")).to_owned()
}

/// An account with some history: `many` gifts once and by the `interval`, and one of each that is not to be taken over.
async fn account(many: usize, interval: &str) -> (Sandbox, Clock) {
    // The program that takes it over reads the system's clock.
    let clock = Clock::manual(Clock::system().now() - 70 * DAY);
    let sandbox = Sandbox::start(Options {
        listen: "127.0.0.1:0".parse().expect("an address"),
        clock: clock.clone(),
        random: Random::seeded(5),
        delivery: Delivery::Manual,
    })
    .await
    .expect("it starts");
    for n in 0..many {
        let amount = 500 + i64::try_from(n).expect("few");
        for (mode, interval) in [("payment", ""), ("subscription", interval)] {
            let session = checkout(&sandbox, mode, interval, amount, "");
            sandbox.pay(&session, Card::Works).await.expect("it is open");
        }
    }
    let annual = checkout(&sandbox, "subscription", "year", 5000, "paper");
    sandbox.pay(&annual, Card::Works).await.expect("it is open");
    for (mode, interval, metadata) in [("payment", "", "books"), ("subscription", "week", "")] {
        let session = checkout(&sandbox, mode, interval, 900, metadata);
        sandbox.pay(&session, Card::Works).await.expect("it is open");
    }
    let charge = sandbox.objects("charge")[0]["id"].as_str().expect("an id").to_owned();
    for _ in 0..70 {
        clock.advance(DAY);
        sandbox.tick().await;
        if sandbox.objects("refund").is_empty() {
            sandbox.refund(&charge, Some(100)).expect("it is given back");
        }
    }
    (sandbox, clock)
}

const MAPPING: &str = "\
[[rule]]
metadata = { shop = \"books\" }
leave = true
[[rule]]
metadata = { shop = \"paper\" }
source = \"paper\"
";

struct Adopting {
    folder: tempfile::TempDir,
    database: Database,
    stripe: String,
}

impl Adopting {
    fn backfill(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let output = mainstay(&["backfill", "--adopt", "--mapping", "mapping.toml"])
            .args(arguments)
            .current_dir(self.folder.path())
            .envs(environment(&self.database.url, &self.stripe))
            .env("MAINSTAY_STRIPE_READS_PER_SECOND", "25")
            .output()
            .expect("it runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    }
}

async fn adopting(kind: Kind, stripe: &str) -> Adopting {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("mapping.toml"), MAPPING).expect("it is written");
    let database = Database::fresh(kind).await;
    // A database in the making has its tables.
    database.open().await.close().await;
    Adopting { folder, database, stripe: stripe.to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_is_taken_over_as_the_dry_run_said_and_twice_is_once() {
    let (sandbox, clock) = account(3, "month").await;
    for kind in BOTH {
        let adopting = adopting(kind, &sandbox.url()).await;
        let asked = sandbox.requests().len();
        let (code, lines, errors) = adopting.backfill(&["--dry-run"]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(lines.contains("7 to take over. Nothing was changed."), "{lines}");
        assert!(lines.contains("left: a rule says to leave it"), "{lines}");
        assert!(lines.contains("left: it is neither monthly nor annual"), "{lines}");
        assert!(lines.contains("annual $50.00  campaign default  source paper"), "{lines}");
        assert!(adopting.database.books().await.is_empty(), "a dry run changes nothing");

        let (code, _, errors) = adopting.backfill(&[]);
        assert_eq!((code, errors.contains("--confirm 7")), (Some(2), true), "{errors}");
        let (code, _, errors) = adopting.backfill(&["--confirm", "6"]);
        assert_eq!(code, Some(2), "{errors}");
        assert!(adopting.database.books().await.is_empty(), "what was not confirmed is not done");

        let (code, done, errors) = adopting.backfill(&["--confirm", "7"]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(done.contains("7 taken over."), "{done}");
        let books = adopting.database.books().await;
        let (code, again, errors) = adopting.backfill(&["--confirm", "0"]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(again.contains("0 taken over.") && again.ends_with("nothing\n"), "{again}");
        assert_eq!(rows(&adopting.database.books().await), rows(&books), "0 differences");
        assert!(
            sandbox.requests()[asked..].iter().all(|request| request.method == "GET"),
            "nothing is changed at Stripe"
        );

        let pledges = |status: &str| -> Vec<&String> {
            books.iter().filter(|line| line.starts_with("pledge ") && line.contains(status)).collect()
        };
        assert_eq!((pledges(" paid ").len(), pledges(" active ").len()), (3, 4), "{books:#?}");
        let named = pledges(" active ").iter().filter(|line| !line.contains(" - settled")).count();
        assert_eq!(named, 4, "their donors are known: {books:#?}");
        // All money but that of the weekly gift, the shop's books included in Stripe's ledger.
        let gross = "SELECT CAST(SUM(gross_minor) AS TEXT) || ' ' || CAST(SUM(refunds_minor) AS TEXT) AS line FROM revenue_daily";
        let adopted: i64 = (0..3).map(|n| (500 + n) * (1 + 3)).sum::<i64>() + 5000;
        assert_eq!(adopting.database.rows(gross).await, [format!("{adopted} 100")], "on {kind:?}");
    }
    drop(clock);
    sandbox.shutdown().await;
}

/// Every row but those that tell how we learned of it.
fn rows(books: &[String]) -> Vec<&String> {
    books.iter().filter(|line| !line.starts_with("object ") && !line.starts_with("version ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_after_the_take_over_comes_by_webhook_as_ever() {
    for kind in BOTH {
        let (sandbox, clock) = account(1, "month").await;
        let adopting = adopting(kind, &sandbox.url()).await;
        std::fs::write(adopting.folder.path().join("mapping.toml"), "").expect("it is written");
        // The sandbox's money of a weekly gift is no pledge's: end it before, so that the ledgers can be compared.
        for object in sandbox.objects("subscription") {
            if object.pointer("/items/data/0/price/recurring/interval").is_some_and(|interval| interval == "week") {
                sandbox.cancel_subscription(object["id"].as_str().expect("an id"), false);
            }
        }
        let (code, _, errors) = adopting.backfill(&["--confirm", "4"]);
        assert_eq!(code, Some(0), "{errors}");
        let Adopting { database, .. } = adopting;
        let app = TestApp::start_beside(Role::All, database, sandbox, clock, &[]).await;
        app.settle().await;
        let before = app.sandbox.ledger().entries.len();
        let monthly = app.sandbox.objects("subscription")[0]["id"].as_str().expect("an id").to_owned();
        let kept = stripes(&app).len();
        for _ in 0..31 {
            app.clock.advance(DAY);
            app.settle().await;
        }
        assert!(app.sandbox.ledger().entries.len() > before && stripes(&app).len() > kept, "a renewal came");
        let late = ours(&app.database).await.pop().expect("a day");
        assert_eq!(Some(&late), stripes(&app).last(), "the renewal is in the books on {kind:?}");
        app.sandbox.cancel_subscription(&monthly, false);
        app.settle().await;
        let books = app.database.books().await;
        assert!(
            books
                .iter()
                .any(|line| line.starts_with("pledge ") && line.contains(" canceled ") && line.contains(&monthly))
        );
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_objects_are_taken_over_twice_with_no_difference() {
    // Annual, so that nothing of it is among the events of the last thirty days.
    let (sandbox, _) = account(1010, "year").await;
    let objects: usize =
        ["subscription", "invoice", "invoice_payment", "payment_intent", "charge", "customer", "checkout.session"]
            .into_iter()
            .map(|kind| sandbox.objects(kind).len())
            .sum();
    assert!(objects >= 10_000, "there are {objects}");
    let adopting = adopting(Kind::Sqlite, &sandbox.url()).await;
    let (code, _, errors) = adopting.backfill(&["--confirm", "2021"]);
    assert_eq!(code, Some(0), "{errors}");
    let books = adopting.database.books().await;
    let (code, again, errors) = adopting.backfill(&["--confirm", "0"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(again.contains("0 taken over.") && again.ends_with("nothing\n"), "{again}");
    assert_eq!(rows(&adopting.database.books().await), rows(&books), "0 differences");
    sandbox.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mapping_with_a_mistake_is_refused_with_the_place() {
    let adopting = adopting(Kind::Sqlite, "http://127.0.0.1:9/").await;
    for (mapping, wanted) in [
        ("[[rule]]\nprodct = \"x\"\n", "mapping.toml"),
        ("[default]\ncampaign = \"nowhere\"\n", "there is no campaign nowhere"),
    ] {
        std::fs::write(adopting.folder.path().join("mapping.toml"), mapping).expect("it is written");
        let (code, _, errors) = adopting.backfill(&["--dry-run"]);
        assert_eq!((code, errors.contains(wanted)), (Some(2), true), "{errors}");
    }
}
