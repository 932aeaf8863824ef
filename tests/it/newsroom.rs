//! The newsroom's pages about money: figures, lists, stories and events, and how they are to be looked at.

pub mod browser;
mod every_page;
mod figures;
mod openings;
mod report_pages;

use std::collections::BTreeSet;
use std::time::Duration;

use mainstay::domain::admin::Role;
use mainstay::sandbox::{ApiFault, Card};
use serde_json::{Value, json};

use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;

/// A gift of which an event in another API version tells, whose object Stripe does not give out: it is parked.
async fn parked(app: &TestApp) -> String {
    let (pledge, session) = app.pledge("once", 700, "USD").await;
    app.pay(&session, Card::Works).await;
    let event = app.sandbox.events().into_iter().rfind(|event| event.kind == "payment_intent.succeeded").expect("told");
    let mut body: Value = serde_json::from_slice(&event.body).expect("JSON");
    body["id"] = json!("evt_old");
    body["api_version"] = json!("2019-01-01");
    app.sandbox.fail_api(Some("GET"), "/v1/payment_intents", ApiFault::InternalError, 1_000);
    assert_eq!(app.deliver(body.to_string().as_bytes()).await, 200);
    let looked = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while app.events().await["parked"] == 0 {
            looks.tick().await;
            app.clock.advance(3_600);
        }
    };
    tokio::time::timeout(Duration::from_mins(1), looked).await.expect("it is parked");
    pledge
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_dashboard_holds_this_month_against_the_same_days_of_others() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let director = app.person("dir@paper.example", Role::Viewer).await;
        let cookie = app.session(&director).await;
        let empty = app.look("/admin", &cookie).await;
        assert!(empty.status == 200 && empty.body.contains("Nothing has come in yet"), "{}", empty.body);
        for (frequency, amount, currency) in [("once", 2500, "USD"), ("monthly", 300, "USD"), ("annual", 6000, "EUR")] {
            let (_, session) = app.pledge(frequency, amount, currency).await;
            app.pay(&session, Card::Works).await;
        }
        app.settle().await;
        let page = app.look("/admin", &cookie).await.body;
        for figure in ["$28<", "Gifts: 1", "$3<", "A year: $36", "€60<", "€5<", "TEST", "have not been read yet"] {
            assert!(page.contains(figure), "{figure} on {kind:?}: {page}");
        }
        // New gifts are a movement from nothing to what recurs now.
        assert!(page.contains("<svg") && page.contains(">+3<") && page.contains(">+5<"), "{page}");
        app.advance_days(31).await;
        // Her session has ended.
        let cookie = app.session(&director).await;
        let page = app.look("/admin", &cookie).await.body;
        assert!(page.contains("By this day last month $28: 89% less"), "on {kind:?}: {page}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_filtered_and_paged_and_no_row_is_shown_twice_or_left_out() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let director = app.person("dir@paper.example", Role::Viewer).await;
        let cookie = app.session(&director).await;
        for number in 0..53 {
            let (_, session) = app.pledge("once", 1000 + number, if number < 2 { "EUR" } else { "USD" }).await;
            // Several of them in one second.
            if number % 5 == 0 {
                app.clock.advance(1);
            }
            app.pay(&session, if number == 52 { Card::BankDebitFails } else { Card::Works }).await;
        }
        app.settle().await;
        for (list, all) in [("pledges", 53), ("payments", 52)] {
            let path = format!("/admin/{list}");
            let first = app.look(&path, &cookie).await.body;
            let rows = |page: &str| -> Vec<String> {
                let links = page.split("href=\"/admin/pledges/").skip(1).filter_map(|rest| rest.split('"').next());
                links.map(str::to_owned).collect()
            };
            let (_, older) = first.split_once("rel=\"next\" href=\"").expect("a second page");
            let older = older.split('"').next().expect("an address").replace("&amp;", "&").replace("&#x2f;", "/");
            let second = app.look(&older, &cookie).await.body;
            assert!(!second.contains("rel=\"next\""), "{second}");
            let (first, second) = (rows(&first), rows(&second));
            assert_eq!((first.len(), second.len()), (50, all - 50), "{list} on {kind:?}");
            let seen: BTreeSet<String> = first.into_iter().chain(second).collect();
            assert_eq!(seen.len(), all, "{list} on {kind:?}");
            let euros = rows(&app.look(&format!("{path}?currency=eur&frequency=once"), &cookie).await.body);
            assert_eq!(euros.len(), 2, "{list} on {kind:?}");
            let none = app.look(&format!("{path}?campaign=none"), &cookie).await.body;
            assert!(none.contains("There is nothing to show"), "{none}");
        }
        app.clock.advance(5 * DAY);
        app.settle().await;
        let cookie = app.session(&director).await;
        let failed = app.look("/admin/payments?status=failed", &cookie).await.body;
        assert_eq!(failed.matches("$10.52").count(), 1, "on {kind:?}: {failed}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_event_is_seen_and_replayed_by_whoever_may() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let viewer = app.person("dir@paper.example", Role::Viewer).await;
        let finance = app.person("fin@paper.example", Role::Finance).await;
        let pledge = parked(&app).await;
        // Sessions end when they were not used for hours, and hours went by.
        let (viewer, finance) = (app.session(&viewer).await, app.session(&finance).await);
        let page = app.look("/admin/events", &viewer).await.body;
        for word in ["evt_old", "payment_intent.succeeded", "Stripe failed (HTTP 500)"] {
            assert!(page.contains(word), "{word} on {kind:?}: {page}");
        }
        assert!(app.look("/admin", &viewer).await.body.contains("<p class=\"figure\">1</p>"));
        let event = app.look("/admin/events/evt_old", &viewer).await;
        assert!(event.status == 200 && event.body.contains("parked"), "{}", event.body);
        assert_eq!(app.look("/admin/events/evt_none", &viewer).await.status, 404);
        app.sandbox.heal();
        assert_eq!(app.submit("/admin/events/evt_old/replay", Some(&finance), &[]).await.status, 303);
        app.settle().await;
        assert_eq!(app.status(&pledge).await, "paid", "on {kind:?}");
        let said = app.look("/admin/events", &finance).await.body;
        assert!(said.contains("No event is parked"), "{said}");
        // Nothing is parked any more, so nothing is done, and nothing is written down.
        assert_eq!(app.submit("/admin/events/evt_old/replay", Some(&finance), &[]).await.status, 303);
        let replays = "SELECT subject AS line FROM audit_log WHERE action = 'event.replayed'";
        assert_eq!(app.database.rows(replays).await, ["evt_old"]);
        app.finish().await;
    }
}
