//! A donor who asks to be erased is: here, at Stripe, and in whatever comes later.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use mainstay::gateway::list::Pace;
use mainstay::gateway::{Gateway, GatewayConfig};
use mainstay::id::{PledgeId, Random};
use mainstay::sandbox::{ApiFault, Card};
use mainstay::service::erase_donor::{EraseError, Erased, Whom};
use mainstay::service::sweep::Sweeper;
use mainstay::vault::Sealer;
use serde_json::json;
use tokio::sync::Notify;

use crate::rebuild::rebuild;
use crate::support::app::{DAY, KEYS, NOON, TestApp};
use crate::support::database::{BOTH, Database};
use crate::support::erasing::{
    ADDRESSES, INDEXES, LINKS, eraser, forget, gift, look_on, open_bodies, sealed, standing, whoever_has,
};
use crate::support::later::reminder;
use crate::support::process::{environment, mainstay};
use crate::support::reports::totals_hold;
use crate::support::reversals::newest_charge;
use crate::support::stored;

const ADDRESS: &str = "Erased.Donor@readers.example";
const NAME: &str = "Ermengarde Erased-Quill";
const NEIGHBOUR: &str = "neighbour@readers.example";

/// All money there is: payments, refunds, disputes, and the sums.
async fn money(app: &TestApp) -> Vec<String> {
    let kinds = ["payment ", "revenue ", "refund ", "dispute "];
    app.database.books().await.into_iter().filter(|line| kinds.iter().any(|kind| line.starts_with(kind))).collect()
}

async fn sweep_everything(app: &TestApp) {
    let random = Random::seeded(3);
    let config = GatewayConfig { api_url: app.sandbox.url(), secret_key: "sk_test_of_the_tests".into() };
    let sweeper = Sweeper {
        store: app.store().clone(),
        clock: app.clock.clone(),
        random: random.clone(),
        sealer: Sealer::parse(&KEYS.public, random.clone()).expect("a key"),
        gateway: Gateway::new(&config, random).expect("a gateway"),
        pace: Arc::new(Pace::new(1000)),
        arrived: Arc::new(Notify::new()),
        dry_run: false,
    };
    let report = sweeper.run(Some(NOON - 40 * DAY), &mut |_| {}).await.expect("it is swept");
    assert!(report.objects && report.found(false) > 0, "objects were read: {report:?}");
    app.caught_up().await;
}

/// Delivers everything again, replays what can be, sweeps events and objects, and recomputes.
pub async fn tell_everything_again(app: &TestApp) {
    for event in app.sandbox.events() {
        assert_eq!(app.deliver(&event.body).await, 200);
    }
    app.caught_up().await;
    for event in app.store().list_events(None, 10_000).await.expect("they are listed") {
        app.store().replay_events(Some(&event.id)).await.expect("it is replayed");
    }
    app.caught_up().await;
    sweep_everything(app).await;
    let told = rebuild(&app.database, &[]);
    assert!(told.ends_with("0 rows differed\n"), "{told}");
}

/// Gives monthly and once, asks for a reminder and the newsletter, and is given something back.
async fn live(app: &TestApp) -> (String, String) {
    gift(app, "once", Card::Works, NEIGHBOUR, "Neighbour").await;
    let once = gift(app, "once", Card::Works, ADDRESS, NAME).await;
    app.sandbox.refund(&newest_charge(app), Some(100)).expect("it is given back");
    app.settle().await;
    app.clock.advance(60);
    app.remind(&reminder(ADDRESS)).await;
    app.remind(&reminder(NEIGHBOUR)).await;
    let news = json!({"email": ADDRESS, "list": "newsletter", "consent": {"text_version": "newsletter-1"}});
    assert_eq!(app.post("/v1/newsletter", &news).await.0, 202);
    app.work_later("UTC").await;
    let monthly = gift(app, "monthly", Card::Works, &ADDRESS.to_lowercase(), NAME).await;
    // What we do not act on is kept too, sealed, and names them.
    let kind = "payment_method.attached";
    app.tell("evt_ignored", kind, NOON, json!({"object": {"id": "pm_1", "billing_details": {"email": ADDRESS}}})).await;
    (once, monthly)
}

fn erase_by_command(app: &TestApp, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = mainstay(&["donor", "erase"])
        .args(arguments)
        .current_dir(app.database.folder.path())
        .envs(environment(&app.database.url, &app.sandbox.url()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    child.stdin.take().expect("standard input").write_all(input.as_bytes()).expect("it is written");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The number in front of `what`.
fn counted(text: &str, what: &str) -> u64 {
    let line = text.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{what}: {text}"));
    line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{line}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_is_erased_everywhere_and_the_books_stay_to_the_cent() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (once, monthly) = live(&app).await;
        let before = money(&app).await;
        let revenue = app.revenue().await;
        let all = sealed(&app.database).await;

        let (code, told, errors) = erase_by_command(&app, &["--dry-run"], &format!("{ADDRESS}\n"));
        assert_eq!(code, Some(0), "{errors}");
        assert!(!told.contains(ADDRESS) && !told.contains(NAME), "{told}");
        assert_eq!(sealed(&app.database).await, all, "a dry run changes nothing, on {kind:?}");
        assert!(app.sandbox.objects("subscription").iter().all(|one| one["status"] == "active"));

        let (code, said, errors) = erase_by_command(&app, &[], &format!("{ADDRESS}\n"));
        assert_eq!(code, Some(0), "{errors}");
        for (what, count) in [
            ("donors", 1),
            ("pledges", 2),
            ("subscriptions canceled", 1),
            ("customers deleted", 1),
            ("reminders", 1),
            ("signups", 1),
            ("mails that waited", 1),
        ] {
            assert_eq!(counted(&said, what), count, "{what} on {kind:?}: {said}");
            assert_eq!(counted(&told, what), count, "{what} as the dry run said: {told}");
        }
        assert!(counted(&told, "raw bodies") > 10, "{told}");
        assert!(said.contains("What stays at Stripe") && !said.contains(ADDRESS), "{said}");

        // At Stripe.
        assert!(app.sandbox.objects("subscription").iter().all(|one| one["status"] == "canceled"));
        assert!(app.sandbox.objects("customer").iter().all(|one| one["deleted"] == true));
        app.settle().await;
        assert_eq!((app.status(&once).await, app.status(&monthly).await), ("paid".to_owned(), "canceled".to_owned()));

        // Here.
        let gone = async |when: &str| {
            assert_eq!(money(&app).await, before, "{when} on {kind:?}");
            assert_eq!(app.revenue().await, revenue, "{when} on {kind:?}");
            for sql in [ADDRESSES, INDEXES, LINKS] {
                assert_eq!(app.database.rows(sql).await.len(), 1, "the neighbour alone, {when} on {kind:?}: {sql}");
            }
            for (id, body) in open_bodies(&app).await {
                let body = body.to_lowercase();
                assert!(!body.contains(&ADDRESS.to_lowercase()), "{id} names them, {when} on {kind:?}");
                assert!(!body.contains(&NAME.to_lowercase()), "{id} names them, {when} on {kind:?}");
                assert!(!body.contains(&once) && !body.contains(&monthly), "{id} names a pledge, {when} on {kind:?}");
            }
        };
        gone("after erasing").await;
        let mut reminders = app.reminders().await;
        reminders.sort();
        assert_eq!(reminders, ["confirmed - 20261223 somebody", "done gave 20261223 nobody"], "{kind:?}");
        let signup = "SELECT state || ' ' || COALESCE(reason, '-') AS line FROM newsletter_signups";
        assert_eq!(app.database.rows(signup).await, ["done erased"]);

        // Of all that was sealed only the neighbour's is left, in the database's files as in its rows.
        let left = sealed(&app.database).await;
        let erased: Vec<Vec<u8>> = all.into_iter().filter(|one| !left.contains(one)).collect();
        assert!(erased.len() > 15, "{}", erased.len());
        assert!(eraser(&app).desk.store.purge().await.expect("it is purged"), "nobody reads");
        let bytes = stored::everything(&app.database).await;
        assert_eq!(standing(&left, &bytes).len(), left.len(), "what stays is found, on {kind:?}");
        let remains = standing(&erased, &bytes);
        assert!(remains.is_empty(), "{} of {} are still there, on {kind:?}", remains.len(), erased.len());

        tell_everything_again(&app).await;
        gone("after everything was told again").await;
        let again = eraser(&app).erase_donor(&whoever_has(ADDRESS), false).await.expect("it is erased");
        assert!(again.is_nothing() && again.purged, "{again:?}");
        totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pledge_names_its_donor_also_before_anything_was_heard_of_it() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("monthly", 500, "USD").await;
        let person = mainstay::sandbox::Person { email: ADDRESS.to_owned(), name: NAME.to_owned() };
        app.sandbox.pay_as(&session, Card::Works, person).await.expect("the session is open");
        let whom = Whom::Pledge(PledgeId::parse(&pledge).expect("an id"));
        let erased = eraser(&app).erase_donor(&whom, false).await.expect("it is erased");
        let right = Erased { pledges: 1, subscriptions: 1, customers: 1, purged: true, ..Erased::default() };
        assert_eq!(erased, right, "{kind:?}");
        // All of it comes now, and leaves money alone.
        app.settle().await;
        assert_eq!(app.status(&pledge).await, "canceled");
        assert_eq!(app.revenue().await, ["20261123 USD 1 500 0 0"]);
        for sql in [ADDRESSES, INDEXES, LINKS] {
            assert!(app.database.rows(sql).await.is_empty(), "{sql} on {kind:?}");
        }
        let nothing_tells = async || {
            look_on(&app).await;
            for (id, body) in open_bodies(&app).await {
                let told = [ADDRESS, NAME, &pledge, "cus_"].iter().any(|word| body.contains(word));
                assert!(!told, "{id} is applied and not kept, on {kind:?}: {body}");
            }
        };
        nothing_tells().await;
        tell_everything_again(&app).await;
        nothing_tells().await;
        assert!(app.database.rows(ADDRESSES).await.is_empty(), "{kind:?}");

        let unknown = Whom::Pledge(PledgeId::new(&Random::seeded(5)));
        assert!(matches!(eraser(&app).erase_donor(&unknown, false).await, Err(EraseError::NoPledge)));
        let (code, _, errors) = erase_by_command(&app, &["--pledge", "plg_no"], "");
        assert_eq!((code, errors.contains("--pledge")), (Some(2), true), "{errors}");
        let (code, _, errors) = erase_by_command(&app, &[], "nobody\n");
        assert_eq!((code, errors.contains("standard input")), (Some(2), true), "{errors}");
        totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_stripe_is_away_nobody_is_half_erased_and_the_next_time_it_is_done() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "monthly", Card::Works, ADDRESS, NAME).await;
        for path in ["/v1/subscriptions", "/v1/customers"] {
            app.sandbox.fail_api(Some("DELETE"), path, ApiFault::InternalError, 1);
            let failed = eraser(&app).erase_donor(&whoever_has(ADDRESS), false).await;
            assert!(matches!(failed, Err(EraseError::Stripe(_))), "{failed:?}");
            assert_eq!(app.database.rows(ADDRESSES).await.len(), 1, "they can still be found, on {kind:?}");
        }
        let erased = eraser(&app).erase_donor(&whoever_has(ADDRESS), false).await.expect("it is erased");
        assert_eq!((erased.donors, erased.customers), (1, 1), "{kind:?}");
        assert!(app.database.rows(ADDRESSES).await.is_empty());
        app.settle().await;
        totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_to_be_written_to_outlives_the_erasure() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let link = app.remind(&reminder(ADDRESS)).await.path("confirm_url");
        assert_eq!(app.press(&format!("{link}/never"), "").await.0, 200);
        let mail_index = eraser(&app).desk.index.of(mainstay::domain::email::MAIL_INDEX, ADDRESS);
        app.store().suppress(&mail_index, "bounced", app.clock.now()).await.expect("suppressed");
        eraser(&app).erase_donor(&whoever_has(ADDRESS), false).await.expect("it is erased");
        assert_eq!(app.database.rows("SELECT email_index AS line FROM never_again").await.len(), 1, "{kind:?}");
        assert_eq!(app.database.rows("SELECT reason AS line FROM mail_suppressions").await, ["bounced"]);
        // So whoever enters the address again is not written to.
        assert_eq!(app.post("/v1/reminders", &reminder(ADDRESS)).await.0, 202);
        app.work_later("UTC").await;
        assert_eq!(app.mails().await.len(), 0, "{kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_and_not_yet_looked_at_is_erased_too() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        let app = TestApp::start_as(mainstay::config::Role::Web, database, &[]).await;
        for address in [ADDRESS, NEIGHBOUR] {
            assert_eq!(app.post("/v1/reminders", &reminder(address)).await.0, 202);
        }
        let erased =
            eraser(&app).erase_donor(&whoever_has(&ADDRESS.to_uppercase()), false).await.expect("it is erased");
        assert_eq!(erased.requests, 1, "{kind:?}");
        assert_eq!(app.store().count_requests().await.expect("counted").0, 1, "the neighbour's, on {kind:?}");
        app.abandon().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_their_clocks_donors_are_as_erased_and_nothing_brings_them_back() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let once = gift(&app, "once", Card::Works, ADDRESS, NAME).await;
        gift(&app, "once", Card::BankDebitFails, NEIGHBOUR, "Neighbour").await;
        app.advance_days(31).await;
        let before = money(&app).await;
        forget(&app).await;
        let gone = async |when: &str| {
            assert!(app.database.rows(ADDRESSES).await.is_empty(), "{when} on {kind:?}");
            assert_eq!(money(&app).await, before, "{when} on {kind:?}");
            let statuses = "SELECT status AS line FROM pledges WHERE paid_at IS NOT NULL";
            assert_eq!(app.database.rows(statuses).await, ["paid"], "{when} on {kind:?}");
        };
        gone("after their time").await;
        assert_eq!(app.database.rows(INDEXES).await.len(), 1, "another gift would be known to be theirs, on {kind:?}");
        tell_everything_again(&app).await;
        gone("after everything was told again").await;

        // Whoever gives again is known again, as the same donor, and the old gift stays forgotten.
        gift(&app, "once", Card::Works, ADDRESS, NAME).await;
        assert_eq!(app.database.rows(ADDRESSES).await, app.database.rows(INDEXES).await, "{kind:?}");
        let forgotten = "SELECT CAST(COUNT(*) AS TEXT) AS line FROM pledges WHERE forgotten_at IS NOT NULL";
        assert_eq!(app.database.rows(forgotten).await, ["2"], "{kind:?}");
        let bodies = open_bodies(&app).await;
        assert!(bodies.iter().all(|(_, body)| !body.contains(&once)), "{kind:?}");
        totals_hold(app.store(), &format!("on {kind:?}")).await;
        app.finish().await;
    }
}
