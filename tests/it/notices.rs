//! What donors are told besides receipts: each thing once, once it is in the books, and only what is so.

use mainstay::sandbox::{ApiFault, Card};
use serde_json::json;

use crate::support::app::{DAY, NOON, TestApp, session_of};
use crate::support::database::{BOTH, Kind};
use crate::support::journeys::subscription_of;
use crate::support::notices::Notices;
use crate::support::outbox::index;
use crate::support::process::mainstay;
use crate::support::reversals::newest_charge;
use crate::support::smtp::Smtp;
use crate::support::stored;
use crate::support::wait::until;

const FAILED: &str = "did not go through";
const ENDED: &str = "has ended";
const REFUND: &str = "Your refund of";
const RENEWS: &str = "renews on";

/// A pledge that was paid on this card; its id.
async fn given(app: &TestApp, frequency: &str, amount_minor: i64, card: Card) -> String {
    let (pledge, session) = app.pledge(frequency, amount_minor, "USD").await;
    app.pay(&session, card).await;
    app.settle().await;
    pledge
}

/// The next renewal of a pledge, on this card.
async fn renewed_on(app: &TestApp, pledge: &str, card: Card) {
    app.sandbox.set_card(&subscription_of(app, pledge), card);
    app.advance_days(30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_fails_is_told_once_with_its_reason_the_next_try_and_stripes_page() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        let pledge = given(app, "monthly", 500, Card::Works).await;
        renewed_on(app, &pledge, Card::InsufficientFunds).await;
        let invoices = app.sandbox.objects("invoice");
        let invoice = invoices.last().expect("an invoice");
        let page = invoice["hosted_invoice_url"].as_str().expect("a page");
        // Renewed on 23 December, and tried again three days later.
        let says = ["$5 monthly", "not enough money", "try again on 26 December 2026", page];
        Notices::one(&notices.told().await, FAILED, &says);
        let kept = stored::everything(&app.database).await;
        assert!(
            !kept.windows(page.len()).any(|bytes| bytes == page.as_bytes()),
            "the page is kept nowhere, on {kind:?}"
        );

        // The next tries fail too, everything is told again, and a mark is lost.
        app.advance_days(4).await;
        for event in app.sandbox.events() {
            app.deliver(&event.body).await;
        }
        app.settle().await;
        assert!(notices.told().await.is_empty(), "a try that fails again tells nothing new, on {kind:?}");
        app.database.execute("UPDATE payments SET failure_told_at = NULL WHERE failure_told_at IS NOT NULL").await;
        assert!(notices.told().await.is_empty(), "one mail for a cause, on {kind:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_of_a_failed_payment_leads_to_where_it_is_paid_with_another_card() {
    let notices = Notices::start(Kind::Sqlite).await;
    let app = &notices.app;
    let pledge = given(app, "monthly", 500, Card::Works).await;
    renewed_on(app, &pledge, Card::Declined).await;
    let told = notices.told().await;
    Notices::one(&told, FAILED, &["Pay now or use another card"]);
    let page = told[0].text.lines().find(|line| line.starts_with("http")).expect("a link").to_owned();
    let shown = app.http.get(&page).send().await.expect("an answer").text().await.expect("a page");
    assert!(shown.contains("Pay USD 5.00"), "{shown}");
    let paid = app.http.post(&page).form(&[("card", "works")]).send().await.expect("an answer");
    assert_eq!(paid.status(), 303);
    app.settle().await;
    assert_eq!(app.database.rows("SELECT status AS line FROM pledges").await, ["active"]);
    app.advance_days(31).await;
    assert_eq!(app.database.rows("SELECT status AS line FROM payments").await, ["succeeded"; 3], "the card is kept");
    assert!(notices.told().await.is_empty());
    notices.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_donor_is_told_in_the_language_of_the_checkout() {
    let notices = Notices::start(Kind::Sqlite).await;
    let app = &notices.app;
    let body = json!({"frequency": "once", "amount_minor": 3000, "currency": "USD", "locale": "ru"});
    let (status, created) = app.ask(&body, None).await;
    assert_eq!(status, 201, "{created}");
    app.pay(&session_of(&created), Card::Works).await;
    app.sandbox.refund(&newest_charge(app), None).expect("it is refunded");
    app.settle().await;
    Notices::one(&notices.told().await, "Возврат", &["23 ноября 2026 г. мы вернули вам 30 $"]);
    notices.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_paid_before_the_mail_was_made_is_not_told_to_have_failed() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        let pledge = given(app, "monthly", 500, Card::Works).await;
        renewed_on(app, &pledge, Card::Declined).await;
        let failed = "SELECT stripe_key AS line FROM payments WHERE status = 'failed'";
        assert_eq!(app.database.rows(failed).await.len(), 1);
        // Stripe tries again and gets it; our books do not know yet.
        app.sandbox.set_card(&subscription_of(app, &pledge), Card::Works);
        app.clock.advance(3 * DAY);
        app.sandbox.tick().await;
        assert!(notices.told().await.is_empty(), "on {kind:?}");
        assert_eq!(app.database.rows(failed).await.len(), 1);
        app.settle().await;
        assert!(app.database.rows(failed).await.is_empty());
        assert!(notices.told().await.is_empty(), "on {kind:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_declined_on_the_checkouts_page_or_was_never_paid_is_no_news() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        for frequency in ["once", "monthly"] {
            let (_, left) = app.pledge(frequency, 500, "USD").await;
            app.pay(&left, Card::Declined).await;
            let (_, tried) = app.pledge(frequency, 700, "USD").await;
            app.pay(&tried, Card::InsufficientFunds).await;
            app.settle().await;
            assert!(notices.told().await.is_empty(), "the donor saw it, on {kind:?}");
            app.pay(&tried, Card::Works).await;
        }
        app.settle().await;
        // A bank debit after a card that was declined is on its way, whatever was before.
        let (_, debit) = app.pledge("monthly", 900, "EUR").await;
        app.pay(&debit, Card::Declined).await;
        app.pay(&debit, Card::BankDebitSettles).await;
        app.settle().await;
        assert!(notices.told().await.is_empty(), "on {kind:?}");
        // Those that were left expire, and with them what was never begun.
        app.advance_days(2).await;
        let statuses = app.database.rows("SELECT status AS line FROM pledges").await;
        assert_eq!(statuses, ["active", "active", "expired", "failed", "paid"], "on {kind:?}");
        assert!(notices.told().await.is_empty(), "on {kind:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bank_debit_that_fails_days_after_the_checkout_is_told() {
    for kind in BOTH {
        for (frequency, says) in [("once", "$40 once"), ("monthly", "$40 monthly")] {
            let notices = Notices::start(kind).await;
            let app = &notices.app;
            given(app, frequency, 4000, Card::BankDebitFails).await;
            assert!(notices.told().await.is_empty());
            app.advance_days(5).await;
            Notices::one(&notices.told().await, FAILED, &[says, "not enough money"]);
            app.advance_days(1).await;
            assert!(notices.told().await.is_empty(), "{frequency} on {kind:?}");
            notices.finish().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pledge_that_ends_is_told_once_with_why() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        let [stopped, leaving, unpaid] = [500, 700, 900];
        let stopped = given(app, "monthly", stopped, Card::Works).await;
        let leaving = given(app, "monthly", leaving, Card::Works).await;
        app.sandbox.cancel_subscription(&subscription_of(app, &stopped), false);
        app.sandbox.cancel_subscription(&subscription_of(app, &leaving), true);
        app.settle().await;
        let says = ["ended on 23 November 2026", "$5 monthly", "as was asked for"];
        Notices::one(&notices.told().await, ENDED, &says);

        let unpaid = given(app, "monthly", unpaid, Card::Works).await;
        renewed_on(app, &unpaid, Card::Declined).await;
        let both = notices.told().await;
        let of = |subject: &str| both.iter().filter(|mail| mail.subject.contains(subject)).cloned().collect::<Vec<_>>();
        Notices::one(&of(ENDED), ENDED, &["ended on 23 December 2026", "$7 monthly", "as was asked for"]);
        Notices::one(&of(FAILED), FAILED, &["$9 monthly", "declined"]);
        assert_eq!(both.len(), 2, "on {kind:?}");
        // After three more tries, 3, 5 and 7 days apart, Stripe gives up.
        app.advance_days(15).await;
        Notices::one(&notices.told().await, ENDED, &["$9 monthly", "ended on 7 January 2027", "did not go through"]);

        app.database.execute("UPDATE pledges SET end_told_at = NULL WHERE end_told_at IS NOT NULL").await;
        assert!(notices.told().await.is_empty(), "one mail for a cause, on {kind:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_part_of_a_refund_is_told_once_it_arrived_and_none_that_failed() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        given(app, "once", 3000, Card::Works).await;
        let charge = newest_charge(app);
        for part in [500, 700] {
            app.sandbox.refund(&charge, Some(part)).expect("a part");
        }
        // Its charge tells of it before the refunds themselves do.
        app.hear(&["charge.succeeded", "charge.refunded"]).await;
        assert!(notices.told().await.is_empty(), "what was refunded is told by each refund, on {kind:?}");
        app.settle().await;
        let mut parts: Vec<String> = notices.told().await.into_iter().map(|mail| mail.subject).collect();
        parts.sort();
        assert_eq!(parts.len(), 2, "{parts:?}");
        assert!(parts[0].contains("Your refund of $5:") && parts[1].contains("Your refund of $7:"), "{parts:?}");
        app.sandbox.refund(&charge, None).expect("the rest");
        app.settle().await;
        Notices::one(&notices.told().await, REFUND, &["On 23 November 2026 we sent back $18"]);

        given(app, "monthly", 800, Card::Works).await;
        let vain = app.sandbox.refund(&newest_charge(app), None).expect("it is refunded");
        app.sandbox.fail_refund(&vain).expect("the bank sent it back");
        app.settle().await;
        assert!(notices.told().await.is_empty(), "one that failed, on {kind:?}");

        given(app, "once", 4000, Card::BankDebitSettles).await;
        app.advance_days(5).await;
        let pending = app.sandbox.refund(&newest_charge(app), Some(1000)).expect("it is refunded");
        app.advance_days(9).await;
        assert!(notices.told().await.is_empty(), "one that is on its way, on {kind:?}");
        app.sandbox.succeed_refund(&pending).expect("it arrives");
        app.settle().await;
        // It is dated by the day it was made, and it is news although that is more than a week ago.
        Notices::one(&notices.told().await, REFUND, &["On 28 November 2026 we sent back $10"]);

        // Rows that are lost come back by a rebuild, without their marks.
        app.database.execute("DELETE FROM refunds").await;
        let rebuilt = mainstay(&["rebuild"]).env("MAINSTAY_DATABASE_URL", &app.database.url).output().expect("it runs");
        assert!(rebuilt.status.success(), "{rebuilt:?}");
        assert_eq!(app.database.rows("SELECT status AS line FROM refunds WHERE told_at IS NULL").await.len(), 5);
        assert!(notices.told().await.is_empty(), "one mail for a cause, on {kind:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_older_than_a_week_when_mail_is_first_sent_is_told_to_nobody() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        app.sandbox.configure(|settings| settings.retry_after_seconds = vec![30 * DAY]);
        let gone = given(app, "monthly", 500, Card::Works).await;
        app.sandbox.refund(&newest_charge(app), Some(100)).expect("a part");
        let unpaid = given(app, "monthly", 900, Card::Works).await;
        renewed_on(app, &unpaid, Card::Declined).await;
        app.sandbox.cancel_subscription(&subscription_of(app, &gone), false);
        app.advance_days(8).await;
        assert!(notices.told().await.is_empty(), "on {kind:?}");
        let untold = "SELECT 'payment' AS line FROM payments WHERE status = 'failed' AND failure_told_at IS NULL \
                      UNION ALL SELECT 'refund' FROM refunds WHERE told_at IS NULL \
                      UNION ALL SELECT 'pledge' FROM pledges WHERE ended_at IS NOT NULL AND end_told_at IS NULL";
        assert_eq!(app.database.rows(untold).await.len(), 0, "none of it is looked at again, on {kind:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_annual_renewal_is_told_a_week_before_on_the_newsrooms_day_once_a_year() {
    for kind in BOTH {
        // Noon in London is after midnight there.
        let notices = Notices::start_in(kind, "Pacific/Auckland").await;
        let app = &notices.app;
        given(app, "annual", 6000, Card::Works).await;
        given(app, "monthly", 500, Card::Works).await;
        app.clock.advance(358 * DAY - 120);
        app.settle().await;
        assert!(notices.told().await.is_empty(), "not earlier, and never before a monthly one, on {kind:?}");
        app.clock.advance(120);
        let told = notices.told().await;
        Notices::one(&told, RENEWS, &["On 24 November 2027 we charge $60", "/s/"]);
        for _ in 0..6 {
            app.advance_days(1).await;
            assert!(notices.told().await.is_empty(), "once, on {kind:?}");
        }
        app.database.execute("UPDATE pledges SET renewal_told_for = NULL WHERE renewal_told_for IS NOT NULL").await;
        assert!(notices.told().await.is_empty(), "one mail for a cause, on {kind:?}");
        app.advance_days(2).await;
        app.clock.advance(358 * DAY);
        app.settle().await;
        Notices::one(&notices.told().await, RENEWS, &["On 24 November 2028 we charge $60"]);
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_is_told_with_its_new_amount_and_not_at_all_if_it_is_not_to_come() {
    for kind in BOTH {
        let mut notices = Notices::start(kind).await;
        let app = &notices.app;
        let raised = given(app, "annual", 6000, Card::Works).await;
        let leaving = given(app, "annual", 6100, Card::Works).await;
        let paused = given(app, "annual", 6200, Card::Works).await;
        let held = given(app, "annual", 6300, Card::Works).await;
        let monthly = given(app, "annual", 6400, Card::Works).await;
        app.clock.advance(60);
        app.sandbox.cancel_subscription(&subscription_of(app, &leaving), true);
        app.sandbox.pause_subscription(&subscription_of(app, &paused));
        app.settle().await;
        app.clock.advance(359 * DAY);
        let updates = [
            (&raised, "/items/data/0/price/unit_amount", json!(7500)),
            (&held, "/pause_collection", json!({"behavior": "void", "resumes_at": null})),
            (&monthly, "/items/data/0/price/recurring/interval", json!("month")),
        ];
        for (pledge, path, value) in updates {
            let mut subscription = app.sandbox.object(&subscription_of(app, pledge)).expect("it is there");
            *subscription.pointer_mut(path).expect("a field") = value;
            let id = format!("evt_of_{pledge}");
            app.tell(&id, "customer.subscription.updated", app.clock.now(), json!({"object": subscription})).await;
        }
        notices.worker.renewal_notice_days = 0;
        assert!(notices.told().await.is_empty(), "a newsroom may tell nobody, on {kind:?}");
        notices.worker.renewal_notice_days = 7;
        Notices::one(&notices.told().await, RENEWS, &["On 23 November 2027 we charge $75"]);
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_of_a_renewal_is_not_sent_once_it_was_charged() {
    let notices = Notices::start(Kind::Sqlite).await;
    let app = &notices.app;
    given(app, "annual", 6000, Card::Works).await;
    // An outage until twelve hours before.
    app.clock.advance(365 * DAY - DAY / 2);
    notices.put().await;
    let expires = app.database.rows("SELECT CAST(expires_at - created_at AS TEXT) AS line FROM outbox_emails").await;
    assert_eq!(expires, [(DAY / 2).to_string()]);
    app.clock.advance(DAY / 2);
    assert!(notices.told().await.is_empty());
    assert_eq!(app.database.rows("SELECT state AS line FROM outbox_emails").await, ["expired"]);
    app.settle().await;
    notices.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_in_any_order_lead_to_the_same_notices() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        let (pledge, session) = app.pledge("monthly", 500, "USD").await;
        app.pay(&session, Card::Works).await;
        app.sandbox.refund(&newest_charge(app), Some(100)).expect("a part");
        app.sandbox.set_card(&subscription_of(app, &pledge), Card::Declined);
        let (stopped, session) = app.pledge("monthly", 700, "USD").await;
        app.pay(&session, Card::Works).await;
        // All of it is heard backwards, a month late, with donors told in between.
        app.clock.advance(27 * DAY);
        app.sandbox.tick().await;
        app.sandbox.cancel_subscription(&subscription_of(app, &stopped), false);
        app.clock.advance(3 * DAY);
        app.sandbox.tick().await;
        let mut subjects = Vec::new();
        for event in app.sandbox.events().iter().rev() {
            assert_eq!(app.deliver(&event.body).await, 200);
            app.caught_up().await;
            subjects.extend(notices.told().await.into_iter().map(|mail| mail.subject));
        }
        app.settle().await;
        subjects.extend(notices.told().await.into_iter().map(|mail| mail.subject));
        subjects.sort();
        let [failed, ended] = subjects.as_slice() else { panic!("two mails on {kind:?}: {subjects:?}") };
        assert!(failed.contains(FAILED) && ended.contains(ENDED), "{subjects:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stripe_out_of_reach_delays_only_what_it_must_be_asked_about() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        let unpaid = given(app, "monthly", 500, Card::Works).await;
        app.advance_days(3).await;
        given(app, "once", 3000, Card::Works).await;
        renewed_on(app, &unpaid, Card::Declined).await;
        let gifts = app.sandbox.objects("charge");
        let charge = gifts.iter().find(|charge| charge["amount"] == 3000).and_then(|charge| charge["id"].as_str());
        app.sandbox.refund(charge.expect("a charge"), None).expect("it is refunded");
        app.settle().await;
        app.sandbox.fail_api(Some("GET"), "/v1/", ApiFault::InternalError, 1_000);
        Notices::one(&notices.told().await, REFUND, &["$30"]);
        assert!(notices.told().await.is_empty());
        app.sandbox.heal();
        Notices::one(&notices.told().await, FAILED, &["$5 monthly", "declined"]);

        // What it fails on by itself is in nobody's way.
        let [failing, other] =
            [given(app, "monthly", 1100, Card::Works).await, given(app, "monthly", 1300, Card::Works).await];
        let [failing, other] = [subscription_of(app, &failing), subscription_of(app, &other)];
        app.sandbox.cancel_subscription(&failing, false);
        app.sandbox.cancel_subscription(&other, false);
        app.settle().await;
        let path = |subscription: &str| format!("/v1/subscriptions/{subscription}");
        app.sandbox.fail_api(Some("GET"), &path(&failing), ApiFault::InternalError, 1_000);
        Notices::one(&notices.told().await, ENDED, &["$13 monthly", "as was asked for"]);
        app.sandbox.heal();
        Notices::one(&notices.told().await, ENDED, &["$11 monthly", "as was asked for"]);
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_at_once_tell_a_donor_once_and_a_suppressed_address_nothing() {
    for kind in BOTH {
        let notices = Notices::start(kind).await;
        let app = &notices.app;
        given(app, "once", 3000, Card::Works).await;
        app.sandbox.refund(&newest_charge(app), Some(500)).expect("a part");
        app.settle().await;
        app.clock.advance(61);
        let second = notices.worker.clone();
        let (one, two) = tokio::join!(notices.worker.run_once(), second.run_once());
        assert_eq!(one.expect("it works") + two.expect("it works"), 1, "one of them tells, on {kind:?}");
        Notices::one(&notices.told().await, REFUND, &["$5"]);

        let now = app.clock.now();
        app.store().suppress(&index("reader@example.com"), "by_newsroom", now).await.expect("it is suppressed");
        app.sandbox.refund(&newest_charge(app), Some(700)).expect("a part");
        app.settle().await;
        assert!(notices.told().await.is_empty(), "on {kind:?}");
        let states = app.database.rows("SELECT kind || ' ' || state AS line FROM outbox_emails").await;
        assert_eq!(states, ["refund sent", "refund suppressed"], "on {kind:?}");
        notices.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_tells_donors_by_itself_and_one_without_mail_puts_nothing_down() {
    for mail in [true, false] {
        let smtp = Smtp::start().await;
        let url = smtp.url_in_clear();
        let settings = [
            ("SMTP_URL", url.as_str()),
            ("MAIL_FROM", "The Paper <support@paper.example>"),
            ("MAIL_POSTAL_ADDRESS", "1 Main Street"),
            ("RECEIPTS", "none"),
            ("RENEWAL_NOTICE_DAYS", "30"),
        ];
        let app = TestApp::start_with(Kind::Sqlite, if mail { &settings } else { &[] }).await;
        let pledge = given(&app, "annual", 6000, Card::Works).await;
        app.sandbox.refund(&newest_charge(&app), Some(500)).expect("a part");
        app.settle().await;
        app.clock.advance(61);
        let came = async |subject: &str| {
            until(subject, async || smtp.mails().iter().any(|mail| mail.text.contains(subject)).then_some(())).await;
        };
        if mail {
            came(REFUND).await;
        }
        app.clock.advance(335 * DAY);
        app.settle().await;
        if mail {
            came("On 23 November 2027 we charge").await;
        }
        app.sandbox.cancel_subscription(&subscription_of(&app, &pledge), false);
        app.settle().await;
        app.clock.advance(61);
        if mail {
            came(ENDED).await;
            assert_eq!(smtp.mails().len(), 4, "with the thanks for the gift");
        } else {
            assert_eq!(app.clock.now(), NOON + 335 * DAY + 122);
            assert!(app.database.rows("SELECT id AS line FROM outbox_emails").await.is_empty());
            assert_eq!(app.reads(), 0, "and Stripe is not asked");
        }
        app.finish().await;
    }
}
