//! What has had its time is forgotten, by the worker's clock.

use mainstay::config::SETTINGS;
use mainstay::domain::retention::Periods;
use mainstay::sandbox::{ApiFault, Card};
use mainstay::service::forget::Forgetter;
use mainstay::store::NewRequest;
use serde_json::json;

use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::erasing::{ADDRESSES, INDEXES, LINKS, forget, gift};
use crate::support::journeys::subscription_of;
use crate::support::later::reminder;
use crate::support::reports::totals_hold;
use crate::support::wait::until;

const KEYS: &str = "SELECT key_hash AS line FROM idempotency_keys";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_key_is_forgotten_after_a_day() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let gift = json!({"frequency": "once", "amount_minor": 2500, "currency": "USD"});
        assert_eq!(app.ask(&gift, Some("a key of sixteen characters")).await.0, 201);
        app.clock.advance(DAY - 3_600);
        app.settle().await;
        assert_eq!(app.database.rows(KEYS).await.len(), 1, "it is there for the day");
        app.clock.advance(2 * 3_600);
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(50));
        for _ in 0..400 {
            looks.tick().await;
            if app.database.rows(KEYS).await.is_empty() {
                break;
            }
        }
        assert!(app.database.rows(KEYS).await.is_empty(), "and gone after it, on {kind:?}");
        app.settle().await;
        app.finish().await;
    }
}

/// A row of the table in `docs/PRIVACY.md`: what is kept, and for how many seconds.
fn table() -> Vec<(&'static str, i64)> {
    let document = include_str!("../../docs/PRIVACY.md");
    let (_, rest) =
        document.split_once("<!-- retention: a test reads this table and moves the clock -->\n").expect("it begins");
    let (rows, _) = rest.split_once("<!-- end of retention -->").expect("it ends");
    let cells = |row: &'static str| row.split('|').map(str::trim).collect::<Vec<_>>();
    let rows = rows.lines().skip(2).map(|row| {
        let cells = cells(row);
        let mut words = cells[2].split_whitespace();
        let number: i64 = words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("a number: {row}"));
        let unit = match words.next() {
            Some("minutes") => 60,
            Some("hour" | "hours") => 3_600,
            Some("days") => DAY,
            other => panic!("{other:?}: {row}"),
        };
        for setting in SETTINGS.iter().filter(|setting| cells[3] == format!("`{}`", setting.variable())) {
            assert_eq!(setting.default, Some(number.to_string().as_str()), "{row}");
        }
        assert!(cells[3].is_empty() || SETTINGS.iter().any(|setting| cells[3].contains(&setting.variable())), "{row}");
        (cells[1], number * unit)
    });
    rows.collect()
}

/// What is looked for, and when its clock began.
type Kept = (&'static str, i64);

const REQUESTS: &str = "SELECT id AS line FROM requests";
const CONTACTS: &str = "SELECT id AS line FROM reminders WHERE contact_sealed IS NOT NULL";
const MANAGE: &str = "SELECT id AS line FROM manage_links";
const MAILS: &str = "SELECT id AS line FROM outbox_emails WHERE recipient_sealed IS NOT NULL OR recipient_index IS NOT NULL \
                     OR facts_sealed IS NOT NULL";
const BODY: &str = "SELECT event_id AS line FROM stripe_event_bodies WHERE event_id = 'evt_kept'";

/// Somebody's customer, who gave us nothing.
fn stranger(id: &str) -> serde_json::Value {
    json!({"object": {"id": id, "object": "customer", "email": "stranger@example.org"}})
}

/// Ends a monthly pledge in the month after the gift; when.
async fn ended(app: &TestApp) -> i64 {
    let pledge = gift(app, "monthly", Card::Works, "regular@example.org", "Regular").await;
    app.advance_days(40).await;
    app.sandbox.cancel_subscription(&subscription_of(app, &pledge), false);
    app.settle().await;
    app.clock.now()
}

/// Brings about what `what` tells of.
async fn arrange(app: &TestApp, what: &str) -> Kept {
    let now = app.clock.now();
    match what {
        "who made a pledge that ended without money" => {
            gift(app, "once", Card::BankDebitFails, "abandoned@example.org", "Abandoned").await;
            assert_eq!(app.database.rows(INDEXES).await.len(), 1, "known while the debit is under way");
            while app.database.rows("SELECT id AS line FROM pledges WHERE status = 'failed'").await.is_empty() {
                app.advance_days(1).await;
            }
            (INDEXES, app.clock.now())
        }
        "the address of somebody who gave once" => {
            gift(app, "once", Card::Works, "once@example.org", "Once").await;
            (ADDRESSES, now)
        }
        "that another gift is of somebody who gave once" => {
            gift(app, "once", Card::Works, "once@example.org", "Once").await;
            (INDEXES, now)
        }
        "the address of somebody who gave regularly" => (ADDRESSES, ended(app).await),
        "that another gift is of somebody who gave regularly" => (INDEXES, ended(app).await),
        "who is known by no gift of ours, such as a customer of another product" => {
            app.tell("evt_kept", "customer.created", now, stranger("cus_of_another")).await;
            (INDEXES, now)
        }
        "the raw body of an event that was applied" => {
            let pledge = app.pledge("once", 500, "USD").await;
            let said = json!({"object": {"id": pledge.1, "object": "checkout.session", "status": "open",
                "payment_status": "unpaid", "client_reference_id": pledge.0}});
            app.tell("evt_kept", "checkout.session.completed", now, said).await;
            (BODY, now)
        }
        "the raw body of an event that says nothing to us" => {
            app.tell("evt_kept", "payment_method.attached", now, stranger("pm_1")).await;
            (BODY, now)
        }
        "the raw body of an event of another product" => {
            let said = json!({"object": {"id": "pi_of_another", "object": "payment_intent", "status": "succeeded",
                "amount": 900, "currency": "usd"}});
            app.tell("evt_kept", "payment_intent.succeeded", now, said).await;
            (BODY, now)
        }
        "the raw body of an event that is parked" => {
            app.sandbox.fail_api(Some("GET"), "/v1/payment_intents", ApiFault::InternalError, 1_000);
            let old = json!({"id": "evt_kept", "object": "event", "type": "payment_intent.succeeded", "created": now,
                "api_version": "2019-01-01", "livemode": false, "data": {"object": {"id": "pi_old"}}});
            assert_eq!(app.deliver(old.to_string().as_bytes()).await, 200);
            until("the event to be parked", async || {
                app.clock.advance(3_600);
                (app.events().await["parked"] == 1).then_some(())
            })
            .await;
            let at =
                app.database.rows("SELECT CAST(settled_at AS TEXT) AS line FROM stripe_events WHERE id = 'evt_kept'");
            (BODY, at.await[0].parse().expect("a time"))
        }
        "what was asked for and could not be worked off" => {
            let body = b"not sealed by us".to_vec();
            let request = NewRequest { id: "req_kept".to_owned(), kind: "reminder", body, created_at: now };
            app.store().put_request(&request).await.expect("it is stored");
            until("the request to be parked", async || {
                app.clock.advance(3_600);
                (app.store().count_requests().await.expect("counted").1 == 1).then_some(())
            })
            .await;
            (REQUESTS, now)
        }
        "a caller's idempotency key" => {
            let gift = json!({"frequency": "once", "amount_minor": 2500, "currency": "USD"});
            assert_eq!(app.ask(&gift, Some("a key of sixteen characters")).await.0, 201);
            (KEYS, now)
        }
        "a link to what one gives, with the address it was mailed to" => {
            gift(app, "once", Card::Works, "once@example.org", "Once").await;
            assert_eq!(app.ask_link("once@example.org").await.len(), 1);
            (MANAGE, now)
        }
        "the session of a browser that opened one, with that address" => {
            gift(app, "once", Card::Works, "once@example.org", "Once").await;
            app.donor("once@example.org").await;
            (MANAGE, now)
        }
        "the address a reminder goes to" => {
            app.remind(&reminder("reader@example.org")).await;
            assert_eq!(app.database.rows(CONTACTS).await.len(), 1, "as long as it is to go");
            app.clock.advance(31 * DAY);
            app.work_later("UTC").await;
            assert_eq!(app.mails().await.len(), 1);
            (CONTACTS, app.clock.now())
        }
        "the address and text of a mail" => {
            assert_eq!(app.post("/v1/reminders", &reminder("reader@example.org")).await.0, 202);
            app.work_later("UTC").await;
            assert_eq!(app.database.rows(MAILS).await.len(), 1, "as long as it waits");
            app.mails().await;
            (MAILS, app.clock.now())
        }
        unknown => panic!("{unknown} is in the document and not tried here"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_kept_as_long_as_the_document_says_and_no_longer() {
    let table = table();
    assert_eq!(table.len(), 16, "{table:?}");
    for kind in BOTH {
        for (what, seconds) in &table {
            let app = TestApp::start(kind).await;
            let (rows, began) = arrange(&app, what).await;
            let to = |at: i64| app.clock.advance((at - app.clock.now()).max(0));
            let overdue = async || {
                Forgetter { store: app.store().clone(), periods: Periods::DEFAULT }.overdue(app.clock.now()).await
            };
            if *seconds > 0 {
                // What is kept for less than an hour is there at once.
                to(began + (seconds - 3_600).max(0));
                forget(&app).await;
                app.work_later("UTC").await;
                assert_eq!(app.database.rows(rows).await.len(), 1, "{what}: an hour before, on {kind:?}");
                assert_eq!(overdue().await.expect("it is counted"), 0, "{what}, on {kind:?}");
                to(began + seconds + 3_600);
            }
            forget(&app).await;
            app.work_later("UTC").await;
            assert_eq!(app.database.rows(rows).await, Vec::<String>::new(), "{what}: an hour after, on {kind:?}");
            assert_eq!(overdue().await.expect("it is counted"), 0, "{what}, on {kind:?}");
            app.abandon().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_still_gives_is_known_and_thanked_however_long_ago_it_began() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "monthly", Card::Works, "regular@example.org", "Regular").await;
        gift(&app, "once", Card::Works, "regular@example.org", "Regular").await;
        app.clock.advance(401 * DAY);
        assert_eq!(
            forget(&app).await,
            app.events().await.values().sum::<i64>().unsigned_abs(),
            "bodies alone, on {kind:?}"
        );
        assert_eq!(app.database.rows(ADDRESSES).await.len(), 1, "{kind:?}");
        assert_eq!(app.database.rows("SELECT id AS line FROM pledges WHERE donor_id IS NULL").await, [""; 0]);
        app.settle().await;
        app.clock.advance(120);
        let payments =
            app.store().unreceipted(app.clock.now() - 40 * DAY, app.clock.now(), 100).await.expect("they are read");
        assert!(!payments.is_empty(), "the newest renewal is to be thanked for, on {kind:?}");
        totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_forgets_by_itself_and_doctor_sees_when_it_does_not() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("KEEP_ONCE_DAYS", "3"), ("KEEP_INDEX_DAYS", "5")]).await;
        gift(&app, "once", Card::Works, "once@example.org", "Once").await;
        app.clock.advance(2 * DAY);
        app.settle().await;
        assert_eq!(app.database.rows(ADDRESSES).await.len(), 1);
        let forgotten = async |rows: &'static str| app.database.rows(rows).await.is_empty().then_some(());
        app.clock.advance(DAY + 3_600);
        until("the address to be forgotten", async || forgotten(ADDRESSES).await).await;
        assert_eq!(app.database.rows(INDEXES).await.len(), 1, "{kind:?}");
        app.clock.advance(2 * DAY);
        until("the donor to be forgotten", async || forgotten(INDEXES).await).await;
        until("the pledge to be nobody's", async || forgotten(LINKS).await).await;
        totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}

/// Many donors whose time is over at once stand in nobody's way: the writer is free again after each few.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_forgotten_a_few_at_a_time_and_a_run_that_dies_is_taken_up() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for n in 0..9 {
            gift(&app, "once", Card::Works, &format!("reader{n}@example.org"), "Reader").await;
        }
        app.clock.advance(31 * DAY);
        let forgetter = Forgetter { store: app.store().clone(), periods: Periods::DEFAULT };
        // The server's own run is at it too: whoever comes first, all of it is done once.
        let now = app.clock.now();
        let (one, two) = tokio::join!(forgetter.run_once(now), forgetter.run_once(now));
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        assert!(app.database.rows(ADDRESSES).await.is_empty(), "{kind:?}");
        assert_eq!(app.database.rows(INDEXES).await.len(), 9, "{kind:?}");
        assert_eq!(forgetter.run_once(app.clock.now()).await.expect("it is done"), 0, "nothing is left to do");
        app.settle().await;
        totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}
