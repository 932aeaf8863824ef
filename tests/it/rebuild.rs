//! What is derived can be derived again: on sound books nothing differs, and damaged ones are mended and told.

use std::process::Output;

use mainstay::store::Db;

use crate::support::app::{TestApp, settings};
use crate::support::database::{BOTH, Database};
use crate::support::journeys;
use crate::support::process::mainstay;
use crate::support::reports::totals_hold;

pub fn rebuild(database: &Database, arguments: &[&str]) -> String {
    let output: Output = mainstay(&["rebuild"])
        .args(arguments)
        .current_dir(database.folder.path())
        .env("MAINSTAY_DATABASE_URL", &database.url)
        .output()
        .expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

async fn damage(database: &Database) {
    let db = Db::open(&database.url).await.expect("the database opens");
    for sql in [
        "UPDATE pledges SET status = 'open', paid_at = NULL WHERE status = 'paid'",
        "UPDATE payments SET amount_minor = amount_minor + 1, day = day + 1 WHERE stripe_key LIKE 'in_%'",
        "DELETE FROM payments WHERE currency = 'GBP'",
        "UPDATE payments SET failed_at = NULL WHERE failed_at IS NOT NULL",
        "DELETE FROM refunds WHERE status = 'succeeded'",
        "UPDATE disputes SET counted_minor = 0",
        "UPDATE revenue_daily SET gross_minor = gross_minor + 7 WHERE currency = 'JPY'",
        "UPDATE revenue_totals SET gross_minor = gross_minor + 7 WHERE currency = 'EUR'",
        "DELETE FROM revenue_monthly WHERE currency = 'USD'",
        "UPDATE stripe_objects SET fact = REPLACE(fact, '\"status\":\"canceled\"', '\"status\":\"active\"') \
         WHERE kind = 'subscription'",
    ] {
        assert!(db.write(sql).run().await.expect("it is changed") > 0, "{sql}");
    }
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_every_journey_nothing_differs_and_what_was_damaged_is_as_before() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledges = journeys::all(&app).await.len();
        let books = app.database.books().await;
        let database = &app.database;
        let sound = rebuild(database, &[]);
        assert_eq!(sound, format!("{pledges} pledges recomputed in UTC, 0 rows differed\n"), "on {kind:?}");

        damage(database).await;
        let damaged = database.books().await;
        let told = rebuild(database, &["--dry-run"]);
        assert!(told.contains("nothing was changed"), "{told}");
        assert_eq!(database.books().await, damaged, "a dry run changes nothing, on {kind:?}");

        let told = rebuild(database, &[]);
        for line in [
            "status was open, is paid",
            "amount_minor was ",
            "refund re_",
            "dispute du_",
            "subscription sub_",
            "revenue 2026",
            "total charge 202611 EUR",
            "total charge 202611 USD once default ",
        ] {
            assert!(told.contains(line), "{line} on {kind:?}:\n{told}");
        }
        let mended = database.books().await;
        totals_hold(app.store(), &format!("mended on {kind:?}")).await;
        let missing: Vec<_> = books.iter().filter(|line| !mended.contains(line)).collect();
        assert!(missing.is_empty() && mended.len() == books.len(), "on {kind:?}: {missing:#?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_counted_anew_in_another_time_zone_and_a_server_with_the_old_one_stops_reconciling() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        // 12:00 UTC is the 24th on Kiritimati.
        let (_, session) = app.pledge("once", 2500, "USD").await;
        app.pay(&session, mainstay::sandbox::Card::Works).await;
        app.settle().await;
        assert_eq!(app.revenue().await, ["20261123 USD 1 2500 0 0"]);
        let told = rebuild(&app.database, &["--time-zone", "Pacific/Kiritimati"]);
        assert!(told.contains("day was 20261123, is 20261124"), "{told}");
        assert_eq!(app.revenue().await, ["20261124 USD 1 2500 0 0"], "on {kind:?}");
        totals_hold(app.store(), &format!("in another zone on {kind:?}")).await;

        // The server that still runs would count in UTC: it leaves what comes in the inbox.
        let (_, session) = app.pledge("once", 1000, "USD").await;
        app.pay(&session, mainstay::sandbox::Card::Works).await;
        assert!(app.sandbox.deliver_pending().await > 0, "it is taken in all the same");
        let (database, sandbox) = app.abandon().await;
        assert_eq!(database.rows("SELECT state AS line FROM stripe_events WHERE state = 'received'").await.len(), 4);
        let zone = [("TIME_ZONE", "Pacific/Kiritimati")];
        let settings = settings(&database.url, &sandbox.url(), mainstay::config::Role::All, &zone);
        let clock = mainstay::clock::Clock::manual(crate::support::app::NOON);
        let running =
            mainstay::app::App::start(settings, clock, mainstay::id::Random::seeded(8)).await.expect("it starts");
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(5));
        while running.store.count_events().await.expect("counted")["received"] > 0 {
            looks.tick().await;
        }
        running.stop().await;
        let gross = database.rows("SELECT CAST(day AS TEXT) || ' ' || CAST(gross_minor AS TEXT) AS line FROM revenue_daily WHERE gross_minor <> 0").await;
        assert_eq!(gross, ["20261124 3500"], "the new server counts in the new zone, on {kind:?}");
    }
}
