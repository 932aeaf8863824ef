//! What a donor changes of a pledge on its page: asked once, shown as done when Stripe said so, told by mail, and charged.

use mainstay::id::PledgeId;
use mainstay::sandbox::{ApiFault, Card, WebhookFaults};
use mainstay::worker::NoticeWorker;
use serde_json::json;

use super::ADDRESS;
use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::donors::{Donor, hidden};
use crate::support::erasing::gift;
use crate::support::journeys::subscription_of;
use crate::support::later::{Mail, desk};

/// What donors are told besides receipts.
pub async fn told(app: &TestApp) -> Vec<Mail> {
    app.clock.advance(61);
    let desk = desk(app.store(), &app.clock, "UTC");
    let worker = NoticeWorker { desk, gateway: app.gateway(), renewal_notice_days: 7 };
    while worker.run_once().await.expect("they are told") > 0 {}
    worker.tell_of_renewals().await.expect("they are told");
    app.mails().await
}

async fn charged(app: &TestApp) -> Vec<String> {
    let rows = "SELECT CAST(amount_minor AS TEXT) AS line FROM payments WHERE status = 'succeeded'";
    app.database.rows(rows).await
}

/// Somebody gives every month and opens their page: they, their pledge, and its page.
async fn begun(app: &TestApp) -> (Donor<'_>, String, String) {
    let pledge = gift(app, "monthly", Card::Works, ADDRESS, "A Reader").await;
    app.thank().await;
    let path = format!("/manage/pledges/{pledge}");
    (app.donor(ADDRESS).await, pledge, path)
}

/// Submits a form of a pledge's page; the status.
pub async fn submits(donor: &Donor<'_>, pledge: &str, what: &str, fields: &str) -> u16 {
    let page = donor.page(&format!("/manage/pledges/{pledge}")).await;
    let form = format!("form={}&{fields}", hidden(&page, "form"));
    donor.post(&format!("/manage/pledges/{pledge}/{what}"), &form).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_amount_is_charged_on_the_usual_day_and_told_with_old_and_new() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (donor, pledge, path) = begun(&app).await;
        let page = donor.page(&path).await;
        assert!(page.contains("Next charge of $5 on December 23, 2026."), "{page}");
        for wrong in ["amount=much", "amount=0.10", "amount=99999999", "amount=-5", "amount=5", ""] {
            assert_eq!(submits(&donor, &pledge, "amount", wrong).await, 422, "{wrong}");
        }
        // The page a form led to is read in another language.
        let russian = donor.get(&format!("{path}/amount?lang=ru")).await;
        assert_eq!((russian.status, russian.location), (303, format!("{path}?lang=ru")));
        let form = format!("form={}&amount=8", hidden(&page, "form"));
        let updates = || app.sandbox.requests().iter().filter(|one| one.path.contains("/subscriptions/sub_")).count();
        let before = updates();
        assert_eq!(donor.post(&format!("{path}/amount"), &form).await.status, 303);
        let sent = updates();
        assert!(sent > before);
        assert_eq!(donor.post(&format!("{path}/amount"), &form).await.status, 303, "the same form again");
        assert_eq!(updates(), sent, "is sent once");
        assert!(donor.page(&path).await.contains("has not confirmed it yet"));
        assert!(told(&app).await.is_empty(), "nothing is told before Stripe said so");
        app.settle().await;
        let page = donor.page(&path).await;
        assert!(
            page.contains("Next charge of $8 on December 23, 2026.") && page.contains("Stripe confirmed it"),
            "{page}"
        );
        let mails = told(&app).await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        assert_eq!((mail.kind.as_str(), &mail.facts["next_on"]), ("pledge_changed", &"2026-12-23".into()));
        assert_eq!((&mail.facts["before"]["amount_minor"], &mail.facts["amount_minor"]), (&500.into(), &800.into()));
        assert!(told(&app).await.is_empty(), "once");
        assert_eq!(charged(&app).await, ["500"], "nothing is charged at once, on {kind:?}");
        app.advance_days(31).await;
        let mut all = charged(&app).await;
        all.sort();
        assert_eq!(all, ["500", "800"]);
        let actions = "SELECT kind || ' ' || actor || ' ' || reason || state AS line FROM actions";
        assert_eq!(app.database.rows(actions).await, ["change_amount donor sent"]);
        app.thank().await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_interval_begins_with_the_next_charge_and_a_pause_ends_on_its_day_after_a_mail() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (donor, pledge, path) = begun(&app).await;
        assert_eq!(submits(&donor, &pledge, "frequency", "frequency=once").await, 422);
        assert_eq!(submits(&donor, &pledge, "frequency", "frequency=annual").await, 303);
        app.settle().await;
        let page = donor.page(&path).await;
        assert!(page.contains("From December 23, 2026 on: $5 a year"), "{page}");
        assert!(page.contains("Next charge of $5 on December 23, 2026."), "{page}");
        let mails = told(&app).await;
        assert_eq!(
            (&mails[0].facts["before"]["frequency"], &mails[0].facts["frequency"]),
            (&"monthly".into(), &"annual".into())
        );
        app.advance_days(31).await;
        assert_eq!(charged(&app).await, ["500", "500"], "on {kind:?}");
        app.thank().await;
        let donor = app.donor(ADDRESS).await;
        for wrong in ["until=2026-12-01", "until=2029-01-01", "until=soon", ""] {
            assert_eq!(submits(&donor, &pledge, "pause", wrong).await, 422, "{wrong}");
        }
        assert_eq!(submits(&donor, &pledge, "pause", "until=2027-12-24").await, 303);
        app.settle().await;
        let page = donor.page(&path).await;
        assert!(page.contains("Paused until December 24, 2027."), "{page}");
        assert!(page.contains("Next charge of $5 on December 23, 2028."), "{page}");
        app.advance_days(350).await;
        assert!(told(&app).await.is_empty(), "not yet");
        app.advance_days(13).await;
        let mails = told(&app).await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        assert_eq!((mail.kind.as_str(), &mail.facts["resumes_on"]), ("resume_notice", &"2028-12-23".into()));
        app.advance_days(10).await;
        assert_eq!(charged(&app).await.len(), 2, "the year is skipped, on {kind:?}");
        let donor = app.donor(ADDRESS).await;
        assert!(!donor.page(&path).await.contains("Paused"));
        told(&app).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_is_ended_early_and_a_pledge_ends_when_what_is_paid_for_does() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (donor, pledge, path) = begun(&app).await;
        assert_eq!(submits(&donor, &pledge, "resume", "").await, 422, "it is not paused");
        assert_eq!(submits(&donor, &pledge, "pause", "until=2027-03-01").await, 303);
        app.settle().await;
        assert!(donor.page(&path).await.contains("Next charge of $5 on March 23, 2027."));
        assert_eq!(submits(&donor, &pledge, "resume", "").await, 303);
        // Two states of one second: which is the newer is asked once it is over.
        app.sandbox.tick().await;
        app.sandbox.deliver_pending().await;
        app.clock.advance(61);
        app.settle().await;
        assert!(donor.page(&path).await.contains("Next charge of $5 on December 23, 2026."));

        assert_eq!(submits(&donor, &pledge, "stop", "when=sometime").await, 422);
        assert_eq!(submits(&donor, &pledge, "stop", "when=period_end").await, 303);
        assert!(!donor.page(&path).await.contains("It ends on"), "Stripe has not said so");
        app.settle().await;
        let page = donor.page(&path).await;
        assert!(page.contains("It ends on December 23, 2026.") && page.contains("Nothing more is charged."), "{page}");
        app.advance_days(31).await;
        let donor = app.donor(ADDRESS).await;
        assert!(donor.page(&path).await.contains("Stopped on December 23, 2026."), "on {kind:?}");
        assert_eq!(charged(&app).await, ["500"]);
        told(&app).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stripe_did_not_answer_is_said_and_sent_again_and_the_card_is_changed_at_stripe() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledge = gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        let others = gift(&app, "monthly", Card::Works, "other@readers.example", "Another").await;
        app.thank().await;
        let donor = app.donor(ADDRESS).await;
        let path = format!("/manage/pledges/{pledge}");
        app.sandbox.fail_api(Some("POST"), "/v1/subscriptions", ApiFault::InternalError, u32::MAX);
        assert_eq!(submits(&donor, &pledge, "amount", "amount=8").await, 303);
        let page = donor.page(&path).await;
        assert!(page.contains("nobody knows whether your last wish"), "{page}");
        app.sandbox.heal();
        let again = format!("action={}", hidden(&page, "action"));
        assert_eq!(donor.post(&format!("{path}/again"), &again).await.status, 303);
        app.settle().await;
        assert!(donor.page(&path).await.contains("Next charge of $8"), "on {kind:?}");

        let page = donor.post(&format!("{path}/card"), "").await;
        assert!(page.status == 200 && page.body.contains("To Stripe"), "{}", page.body);
        let asked = app.sandbox.requests();
        assert!(asked.iter().any(|request| request.path == "/v1/billing_portal/sessions"));

        // Somebody else's pledge is not there, in whatever way it is asked for.
        for (what, fields) in [("amount", "amount=8"), ("stop", "when=now"), ("card", ""), ("again", again.as_str())] {
            let (path, form) =
                (format!("/manage/pledges/{others}/{what}"), format!("form={}&{fields}", "0".repeat(32)));
            let refused = donor.post(&path, &form).await;
            assert_eq!(refused.status, 404, "{what}");
        }
        assert_eq!(donor.get(&format!("/manage/pledges/{others}")).await.status, 404);
        assert_eq!(donor.post(&format!("{path}/unknown"), "").await.status, 404);
        assert_eq!(told(&app).await.len(), 1);
        app.clock.advance(DAY / 24 + 60);
        assert_eq!(donor.get(&path).await.location, "/manage?lang=en", "the session is over");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_at_stripe_unheard_is_found_by_the_sweep_and_shown() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("SWEEP_MINUTES", "15")]).await;
        app.swept().await;
        let (donor, pledge, path) = begun(&app).await;
        app.sandbox.fail_webhooks(WebhookFaults { drop_all: true, ..WebhookFaults::default() });
        app.sandbox.cancel_subscription(&subscription_of(&app, &pledge), false);
        app.settle().await;
        assert!(donor.page(&path).await.contains("Next charge of $5"), "nobody told us");
        app.clock.advance(16 * 60);
        app.swept().await;
        assert!(donor.page(&path).await.contains("Stopped on November 23, 2026."), "on {kind:?}");
        told(&app).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_at_stripe_without_any_event_is_found_by_the_sweep_and_shown() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("SWEEP_MINUTES", "15")]).await;
        app.swept().await;
        let (donor, pledge, path) = begun(&app).await;
        let over = json!({"status": "canceled", "canceled_at": app.clock.now(), "ended_at": app.clock.now()});
        app.sandbox.misstate(&subscription_of(&app, &pledge), over);
        app.clock.advance(16 * 60);
        app.swept().await;
        assert!(donor.page(&path).await.contains("Stopped on November 23, 2026."), "on {kind:?}");
        assert_eq!(app.metric("mainstay_breaks_open").await, "0");
        told(&app).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ended_here_and_goes_on_at_stripe_is_found_by_the_sweep_shown_and_stopped() {
    for kind in BOTH {
        let app = TestApp::start_with(kind, &[("SWEEP_MINUTES", "15")]).await;
        app.swept().await;
        let (donor, pledge, path) = begun(&app).await;
        let subscription = subscription_of(&app, &pledge);
        let mut object = app.sandbox.object(&subscription).expect("it is there");
        let now = app.clock.now();
        (object["status"], object["canceled_at"], object["ended_at"]) = ("canceled".into(), now.into(), now.into());
        app.tell("evt_wrong", "customer.subscription.deleted", now, json!({"object": object})).await;
        assert!(donor.page(&path).await.contains("Stopped on November 23, 2026. Nothing more is charged."));
        told(&app).await;

        for _ in 0..2 {
            app.clock.advance(16 * 60);
            app.swept().await;
            let page = donor.page(&path).await;
            assert!(
                page.contains("Stripe says that it goes on") && !page.contains("Nothing more is charged"),
                "{page}"
            );
            assert_eq!(app.metric("mainstay_breaks_open").await, "1", "on {kind:?}");
        }
        assert!(donor.page("/manage").await.contains("Stripe says that it goes on"));
        let breaks = app.store().open_breaks().await.expect("they are read");
        assert_eq!(
            breaks[0].found.to_string(),
            format!("20261123  USD  subscription_runs_on  {subscription}  expected nothing, found $5.00")
        );
        let id = PledgeId::parse(&pledge).expect("an id");
        let story = app.store().story(&id).await.expect("it is read").expect("it is there");
        assert!(story.runs_on && story.endable(), "the newsroom is shown it, and can end it");

        assert_eq!(submits(&donor, &pledge, "stop", "when=now").await, 303);
        app.settle().await;
        assert_eq!(app.sandbox.object(&subscription).expect("it is there")["status"], "canceled");
        let page = donor.page(&path).await;
        assert!(page.contains("Stopped on November 23, 2026.") && page.contains("Stripe confirmed it"), "{page}");
        assert_eq!(app.metric("mainstay_breaks_open").await, "0");
        app.clock.advance(16 * 60);
        app.swept().await;
        assert_eq!(app.metric("mainstay_breaks_open").await, "0");
        told(&app).await;
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_a_year_that_is_to_become_monthly_is_not_told_as_another_year() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledge = gift(&app, "annual", Card::Works, ADDRESS, "A Reader").await;
        gift(&app, "annual", Card::Works, ADDRESS, "A Reader").await;
        app.thank().await;
        let donor = app.donor(ADDRESS).await;
        assert_eq!(submits(&donor, &pledge, "frequency", "frequency=monthly").await, 303);
        app.settle().await;
        assert_eq!(told(&app).await[0].facts["next_on"], "2027-11-23");
        app.clock.advance(359 * DAY);
        app.settle().await;
        let mails = told(&app).await;
        let renewals: Vec<&str> = mails.iter().map(|mail| mail.kind.as_str()).collect();
        assert_eq!(renewals, ["renewal_notice"], "of the other alone, on {kind:?}");
        app.finish().await;
    }
}
