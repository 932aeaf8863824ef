//! Checkouts on which card after card is declined: after the fifth the session is ended at Stripe, whatever comes in between.

use std::time::Duration;

use mainstay::sandbox::{ApiFault, Card};

use crate::journeys::disorder::{same, shuffled, told};
use crate::support::app::{DAY, NOON, TestApp};
use crate::support::database::BOTH;
use crate::support::story::Story;

const FREQUENCIES: [&str; 2] = ["once", "monthly"];
/// How a pledge ends whose session is ended: the subscription that Stripe began for a monthly one has failed.
const ENDS: [(&str, &str); 2] = [("once", "expired"), ("monthly", "failed")];

/// A pledge and its session, on which so many cards were declined; all of it told.
async fn declined(app: &TestApp, frequency: &str, times: usize) -> (String, String) {
    let (pledge, session) = app.pledge(frequency, 2500, "USD").await;
    for nth in 0..times {
        let card = if nth % 2 == 0 { Card::Declined } else { Card::InsufficientFunds };
        app.pay(&session, card).await;
        app.clock.advance(1);
    }
    app.settle().await;
    (pledge, session)
}

fn session_status(app: &TestApp, session: &str) -> String {
    app.sandbox.session(session).expect("it exists")["status"].as_str().expect("a status").to_owned()
}

/// How often Stripe was asked to end a session.
fn asked_to_end(app: &TestApp) -> usize {
    let ends = |path: &str| path.starts_with("/v1/checkout/sessions/") && path.ends_with("/expire");
    app.sandbox.requests().iter().filter(|request| request.method == "POST" && ends(&request.path)).count()
}

/// Waits, the clock standing still, until something holds.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let done = async {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        while !holds().await {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), done).await.unwrap_or_else(|_| panic!("never {what}"));
}

async fn until_ended(app: &TestApp, session: &str) {
    until("ended at Stripe", async || session_status(app, session) == "expired").await;
    app.settle().await;
}

/// When each spent checkout saw its fifth failure.
async fn spent(app: &TestApp) -> Vec<String> {
    app.database.rows("SELECT CAST(spent_at AS TEXT) AS line FROM pledges WHERE spent_at IS NOT NULL").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_five_declined_cards_the_session_is_ended_at_stripe_and_the_pledge_is_over() {
    for kind in BOTH {
        for (frequency, status) in ENDS {
            let app = TestApp::start(kind).await;
            let (pledge, session) = declined(&app, frequency, 5).await;
            until_ended(&app, &session).await;
            assert_eq!(app.status(&pledge).await, status, "{frequency} on {kind:?}");
            assert_eq!(spent(&app).await, [(NOON + 4).to_string()], "dated by the fifth failure");
            assert!(app.sandbox.pay(&session, Card::Works).await.is_err(), "nobody tries a card there any more");
            assert_eq!((asked_to_end(&app), app.metric("mainstay_checkouts_spent").await.as_str()), (1, "0"));
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_four_it_can_still_be_paid_and_a_paid_one_is_never_ended() {
    for kind in BOTH {
        for (frequency, status) in [("once", "paid"), ("monthly", "active")] {
            let app = TestApp::start(kind).await;
            let (pledge, session) = declined(&app, frequency, 4).await;
            assert_eq!(app.status(&pledge).await, "open", "{frequency} on {kind:?}");
            app.pay(&session, Card::Works).await;
            app.settle().await;
            assert_eq!(app.status(&pledge).await, status, "{frequency} on {kind:?}");
            // Another donor's checkout that is ended shows that this one was looked at and left alone.
            let (_, other) = declined(&app, frequency, 5).await;
            until_ended(&app, &other).await;
            assert_eq!((asked_to_end(&app), spent(&app).await.len()), (1, 1), "{frequency} on {kind:?}");
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renewals_that_fail_are_no_attempts_on_a_checkout() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.sandbox.configure(|settings| settings.retry_after_seconds = vec![DAY; 7]);
        let (_, session) = app.pledge("monthly", 800, "EUR").await;
        app.pay(&session, Card::RenewalsFail).await;
        app.advance_days(45).await;
        let failed = app.sandbox.objects("charge").iter().filter(|charge| charge["status"] == "failed").count();
        assert!(failed >= 5, "Stripe tried again and again: {failed}");
        assert_eq!(spent(&app).await, Vec::<String>::new(), "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_failure_told_again_and_again_is_one() {
    for kind in BOTH {
        for frequency in FREQUENCIES {
            let app = TestApp::start(kind).await;
            let (pledge, _) = declined(&app, frequency, 4).await;
            for event in app.sandbox.events() {
                for _ in 0..3 {
                    app.deliver(&event.body).await;
                }
            }
            app.caught_up().await;
            assert_eq!(spent(&app).await, Vec::<String>::new(), "{frequency} on {kind:?}");
            assert_eq!(app.status(&pledge).await, "open");
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_in_any_order_and_more_than_once_end_in_the_same_rows() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let mut pledges = Vec::new();
        for frequency in FREQUENCIES {
            let (pledge, session) = declined(&app, frequency, 5).await;
            until_ended(&app, &session).await;
            pledges.push(pledge);
            // Paid at the sixth try, before the fifth failure was heard of.
            let (pledge, session) = app.pledge(frequency, 700, "GBP").await;
            for card in [Card::Declined; 5].into_iter().chain([Card::Works]) {
                app.pay(&session, card).await;
                app.clock.advance(1);
            }
            app.settle().await;
            pledges.push(pledge);
        }
        assert_eq!(spent(&app).await.len(), 2, "the two that were paid are not spent");
        let story = Story::of(app, &pledges).await;
        for seed in 0..12 {
            let mut events = shuffled(&story.events, seed);
            events.extend(shuffled(&story.events, seed + 100).into_iter().take(20));
            let every = [1, 3, usize::MAX][usize::try_from(seed % 3).expect("small")];
            same(&told(&story, kind, &events, every).await, &story.books, &format!("seed {seed} on {kind:?}"));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_stripe_is_out_of_reach_it_is_tried_again_until_it_is_done() {
    for kind in BOTH {
        for (frequency, status) in ENDS {
            let app = TestApp::start(kind).await;
            app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions/", ApiFault::Cut, 1_000);
            let (pledge, session) = declined(&app, frequency, 5).await;
            until("asked", async || asked_to_end(&app) >= 3).await;
            assert_eq!((session_status(&app, &session).as_str(), app.status(&pledge).await.as_str()), ("open", "open"));
            assert_eq!(app.metric("mainstay_checkouts_spent").await, "1");
            // A failure that Stripe stores is not for ever either.
            app.sandbox.heal();
            app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions/", ApiFault::InternalError, 1);
            let asked = asked_to_end(&app);
            app.clock.advance(60);
            until("asked again", async || asked_to_end(&app) > asked).await;
            app.clock.advance(60);
            until_ended(&app, &session).await;
            assert_eq!(app.status(&pledge).await, status, "{frequency} on {kind:?}");
            app.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owed_to_stripe_outlives_the_server() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions/", ApiFault::Cut, 1_000);
        let (_, session) = declined(&app, "once", 5).await;
        until("asked", async || asked_to_end(&app) >= 1).await;
        let now = app.clock.now();
        let (database, sandbox) = app.abandon().await;
        sandbox.heal();
        let settings =
            crate::support::app::settings(&database.url, &sandbox.url(), mainstay::config::Role::Worker, &[]);
        let clock = mainstay::clock::Clock::manual(now + 60);
        let running =
            mainstay::app::App::start(settings, clock, mainstay::id::Random::seeded(8)).await.expect("it starts");
        until("ended", async || sandbox.session(&session).expect("it exists")["status"] == "expired").await;
        running.stop().await;
        sandbox.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_turns_out_to_be_complete_is_left_alone() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        app.sandbox.fail_api(Some("POST"), "/v1/checkout/sessions/", ApiFault::Cut, 1_000);
        let (pledge, session) = declined(&app, "once", 5).await;
        until("asked", async || asked_to_end(&app) >= 3).await;
        // The sixth card works, and nobody has told us yet.
        app.pay(&session, Card::Works).await;
        app.sandbox.heal();
        app.clock.advance(60);
        let asked = asked_to_end(&app);
        until("asked", async || asked_to_end(&app) > asked).await;
        let left = "SELECT CASE WHEN end_due_at = expires_at THEN 'left' ELSE 'due' END AS line FROM pledges";
        until("left alone", async || app.database.rows(left).await == ["left"]).await;
        app.settle().await;
        assert_eq!(app.status(&pledge).await, "paid", "on {kind:?}");
        assert_eq!((asked_to_end(&app), spent(&app).await.len()), (asked + 1, 0));
        app.finish().await;
    }
}
