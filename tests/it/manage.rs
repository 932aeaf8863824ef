//! A donor comes to what they give by a mailed link, without a password or an account.

mod browser;
mod pair;
mod pledge;
mod staff;

use mainstay::config::Role;
use mainstay::sandbox::{ApiFault, Card};
use serde_json::json;

use crate::support::app::{DAY, TestApp};
use crate::support::database::{BOTH, Database, Kind};
use crate::support::donors::{browse, cookie_of, hidden};
use crate::support::erasing::gift;
use crate::support::later::reminder;
use crate::support::newsroom::answer;
use crate::support::wait::until;

const ADDRESS: &str = "Reader.Quill@readers.example";
const LINKS: &str = "SELECT CASE WHEN session_hash IS NULL THEN 'link' ELSE 'session' END AS line FROM manage_links";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_mailed_to_whom_we_know_and_opens_one_browser_once() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        assert!(app.ask_link("stranger@readers.example").await.is_empty(), "strangers get no mail");
        assert!(app.database.rows(LINKS).await.is_empty());
        // However the address is written.
        let mails = app.ask_link(&ADDRESS.to_uppercase()).await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        assert_eq!((mail.kind.as_str(), mail.facts["minutes"].as_i64()), ("manage_link", Some(30)));
        let path = mail.path("continue_url");

        // Whoever only looks uses nothing up, be it a mail scanner's HEAD or GET.
        for method in ["GET", "HEAD", "GET"] {
            let seen = answer(browse(&app, method, &path, None, "")).await;
            assert_eq!(seen.status, 200);
            assert_eq!(cookie_of(&seen), None);
            assert!(method == "HEAD" || seen.body.contains("Continue"), "{}", seen.body);
        }
        assert_eq!(app.database.rows(LINKS).await, ["link"]);
        let opened = answer(browse(&app, "POST", &path, None, "")).await;
        assert_eq!(opened.status, 303);
        let cookie = cookie_of(&opened).expect("a cookie");
        let again = answer(browse(&app, "POST", &path, None, "")).await;
        assert_eq!((again.status, cookie_of(&again)), (410, None));
        assert!(again.body.contains("This link was used"), "{}", again.body);
        let page = answer(browse(&app, "GET", "/manage", Some(&cookie), "")).await;
        assert!(page.body.contains("$5 monthly"), "{}", page.body);
        assert!(!page.body.to_lowercase().contains("reader.quill"), "no address is shown");
        assert_eq!(page.headers["cache-control"], "no-store");

        // An hour later the browser is a stranger's again; nothing of the session stays.
        app.clock.advance(3_601);
        let over = answer(browse(&app, "GET", "/manage", Some(&cookie), "")).await;
        assert!(over.status == 200 && over.body.contains("Mail me the link"), "{}", over.body);
        crate::support::erasing::forget(&app).await;
        assert!(app.database.rows(LINKS).await.is_empty(), "on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_is_good_for_thirty_minutes_and_a_session_ends_when_left() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "once", Card::Works, ADDRESS, "A Reader").await;
        let mails = app.ask_link(ADDRESS).await;
        app.clock.advance(30 * 60);
        let path = mails[0].path("continue_url");
        for method in ["GET", "POST"] {
            let late = answer(browse(&app, method, &path, None, "")).await;
            assert_eq!((late.status, cookie_of(&late)), (410, None));
            assert!(late.body.contains("not good any more"), "{}", late.body);
        }
        let donor = app.donor(ADDRESS).await;
        assert!(donor.page("/manage").await.contains("$5 once"));
        assert_eq!(donor.post("/manage/leave", "").await.status, 200);
        assert!(donor.page("/manage").await.contains("Mail me the link"));
        assert_eq!(donor.get("/manage/data").await.location, "/manage?lang=en");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_and_unknown_addresses_get_the_same_answer_and_leave_the_same_row() {
    for kind in BOTH {
        let web = TestApp::start_as(Role::Web, Database::fresh(kind).await, &[]).await;
        let mut answers = Vec::new();
        for email in ["known@readers.example", "other@readers.example"] {
            let (status, body) = web.post("/v1/manage-links", &json!({"email": email, "locale": "ru"})).await;
            let rows = "SELECT kind || ' ' || CAST(LENGTH(body) AS TEXT) || ' ' || CAST(attempts AS TEXT) AS line FROM requests";
            answers.push((status, body, web.database.rows(rows).await.pop()));
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0].0, 202);
        let form = answer(browse(&web, "POST", "/manage/link", None, "email=known%40readers.example")).await;
        assert_eq!(form.status, 202, "{}", form.body);
        assert_eq!(web.store().count_requests().await.expect("counted"), (3, 0));
        for (body, field) in [
            (json!({}), "email"),
            (json!({"email": "nobody"}), "email"),
            (json!({"email": "a@b.example\r\nBcc: c@d.example"}), "email"),
            (json!({"email": "a@b.example", "name": "x"}), "name"),
        ] {
            let (status, problem) = web.post("/v1/manage-links", &body).await;
            assert_eq!(status, 422, "{problem}");
            assert!(problem.contains(&format!("\"field\":\"{field}\"")), "{problem}");
        }
        assert_eq!(answer(browse(&web, "POST", "/manage/link", None, "email=nobody")).await.status, 422);
        web.abandon().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobodys_mailbox_is_filled_by_asking_again() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "once", Card::Works, ADDRESS, "A Reader").await;
        for mailed in [1, 1, 1, 0, 0] {
            assert_eq!(app.ask_link(ADDRESS).await.len(), mailed);
        }
        app.clock.advance(3_601);
        assert_eq!(app.ask_link(ADDRESS).await.len(), 1);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_link_in_every_mail_about_a_pledge_stops_it_and_says_so_once_stripe_confirmed() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        let thanks = app.thank().await.remove(0);
        assert!(thanks.facts["support_url"].as_str().is_some_and(|url| url.ends_with("/manage?lang=en")));
        let path = thanks.path("stop_url");
        let page = answer(browse(&app, "GET", &path, None, "")).await;
        assert!(page.body.contains("$5 monthly") && page.body.contains("Stop it now"), "{}", page.body);
        assert_eq!(app.database.rows("SELECT status AS line FROM pledges").await, ["active"], "looking stops nothing");
        assert!(app.sandbox.requests().iter().all(|request| request.method != "DELETE"));

        // Stripe does not answer: nobody knows, and the page says so.
        app.sandbox.fail_api(Some("DELETE"), "/v1/subscriptions", ApiFault::Cut, 3);
        let form = format!("form={}", hidden(&page.body, "form"));
        assert_eq!(answer(browse(&app, "POST", &path, None, &form)).await.status, 303);
        let page = answer(browse(&app, "GET", &path, None, "")).await;
        assert!(page.body.contains("nobody knows"), "{}", page.body);
        let form = format!("form={}", hidden(&page.body, "form"));
        assert_eq!(answer(browse(&app, "POST", &path, None, &form)).await.status, 303);
        let page = answer(browse(&app, "GET", &path, None, "")).await;
        assert!(page.body.contains("Stripe is stopping it") && !page.body.contains("is stopped<"), "{}", page.body);
        app.settle().await;
        let page = answer(browse(&app, "GET", &path, None, "")).await;
        assert!(page.body.contains("It is stopped") && page.body.contains("November 23, 2026"), "{}", page.body);
        assert_eq!(app.database.rows("SELECT status AS line FROM pledges").await, ["canceled"]);
        let actions = "SELECT kind || ' ' || actor || ' ' || state AS line FROM actions";
        assert_eq!(app.database.rows(actions).await, ["cancel donor sent"], "on {kind:?}");
        app.advance_days(40).await;
        assert_eq!(app.database.rows("SELECT id AS line FROM payments").await.len(), 1, "nothing more is charged");

        for wrong in ["/s/0123456789abcdef0123456789abcdef", "/s/x", "/m/x"] {
            let status = answer(browse(&app, "GET", wrong, None, "")).await.status;
            assert!(matches!(status, 404 | 410), "{wrong}: {status}");
        }
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_site_has_a_browser_send_does_nothing() {
    let app = TestApp::start(Kind::Sqlite).await;
    gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
    let stop = app.thank().await.remove(0).path("stop_url");
    let donor = app.donor(ADDRESS).await;
    for path in [stop.as_str(), "/manage/leave", "/manage/erase", "/manage/link"] {
        for site in ["cross-site", "same-site"] {
            let request = app.http.post(format!("{}{path}", app.url)).header("sec-fetch-site", site);
            let request = request.header("cookie", format!("__Host-mainstay-donor={}", donor.cookie));
            let request = request.header("content-type", "application/x-www-form-urlencoded");
            let refused = answer(request.body("sure=yes&email=a%40b.example")).await;
            assert_eq!(refused.status, 403, "{path}: {}", refused.body);
        }
    }
    assert!(donor.page("/manage").await.contains("$5 monthly"), "the session is as it was");
    assert_eq!(app.database.rows("SELECT state AS line FROM actions").await.len(), 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_open_addresses_says_so_and_still_stops_pledges() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        let stop = app.thank().await.remove(0).path("stop_url");
        let mails = app.ask_link(ADDRESS).await;
        let link = mails[0].path("continue_url");
        let clock = app.clock.clone();
        let (database, sandbox) = app.abandon().await;
        let web = TestApp::start_beside(Role::Web, database, sandbox, clock, &[]).await;
        let open = answer(browse(&web, "POST", &link, None, "")).await;
        assert_eq!((open.status, cookie_of(&open)), (501, None), "{}", open.body);
        let page = answer(browse(&web, "GET", &stop, None, "")).await;
        let form = format!("form={}", hidden(&page.body, "form"));
        assert_eq!(answer(browse(&web, "POST", &stop, None, &form)).await.status, 303);
        assert!(web.sandbox.requests().iter().any(|request| request.method == "DELETE"));
        web.abandon().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_recurring_pledge_is_said_in_its_thanks_with_links_that_stop_either() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let first = gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        assert!(app.thank().await[0].facts["other"].is_null());
        app.advance_days(3).await;
        let second = gift(&app, "annual", Card::Works, &ADDRESS.to_lowercase(), "A Reader").await;
        let thanks = app.thank().await.remove(0);
        assert_eq!(thanks.facts["other"]["frequency"], "monthly");
        let (this, other) = (thanks.path("stop_url"), thanks.path("other_stop_url"));
        assert_ne!(this, other);
        let page = answer(browse(&app, "GET", &other, None, "")).await;
        let form = format!("form={}", hidden(&page.body, "form"));
        assert_eq!(answer(browse(&app, "POST", &other, None, &form)).await.status, 303);
        app.settle().await;
        let mut states = app.database.rows("SELECT status || ' ' || id AS line FROM pledges").await;
        states.sort();
        assert_eq!(states, [format!("active {second}"), format!("canceled {first}")]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_for_besides_giving_is_seen_and_ended() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for address in [ADDRESS, "other@readers.example"] {
            app.remind(&reminder(address)).await;
            let link = app.sign_up(address).await;
            app.press(&format!("{link}/confirm"), "").await;
            app.work_later("UTC").await;
            app.mails().await;
        }
        let donor = app.donor(ADDRESS).await;
        let page = donor.page("/manage").await;
        assert!(page.contains("A reminder on December 23, 2026.") && page.contains("$5 monthly"), "{page}");
        assert!(page.contains("There is no gift under this address"), "{page}");
        let (_, rest) = page.split_once("/manage/reminders/").expect("a form");
        let own = format!("/manage/reminders/{}/cancel", &rest[..36]);
        let others = app.database.rows("SELECT id AS line FROM reminders").await;
        let other = others.iter().find(|id| !own.contains(id.as_str())).expect("another's");
        // Somebody else's is not there.
        assert_eq!(donor.post(&format!("/manage/reminders/{other}/cancel"), "").await.status, 303);
        assert_eq!(donor.post(&own, "").await.status, 303);
        let mut states = app.reminders().await;
        states.sort();
        assert_eq!(states, ["confirmed - 20261223 somebody", "done cancelled 20261223 nobody"], "on {kind:?}");
        assert!(!donor.page("/manage").await.contains("A reminder on"));

        let page = donor.page("/manage").await;
        assert!(page.contains("The newsletter: newsletter."), "{page}");
        let (_, rest) = page.split_once("/manage/newsletter/").expect("a form");
        let own = format!("/manage/newsletter/{}/unsubscribe", &rest[..36]);
        let others = app.database.rows("SELECT id AS line FROM newsletter_signups").await;
        let other = others.iter().find(|id| !own.contains(id.as_str())).expect("another's");
        assert_eq!(donor.post(&format!("/manage/newsletter/{other}/unsubscribe"), "").await.status, 303);
        assert_eq!(donor.post(&own, "").await.status, 303);
        let states = "SELECT state || ' ' || COALESCE(reason, '-') AS line FROM newsletter_signups";
        assert_eq!(app.database.rows(states).await, ["confirmed -", "done unsubscribed"], "on {kind:?}");
        assert!(!donor.page("/manage").await.contains("The newsletter"));
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_receipts_and_all_data_are_ones_own_and_less_what_was_sent_back() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "once", Card::Works, "other@readers.example", "Another").await;
        let others = app.database.rows("SELECT id AS line FROM payments").await.remove(0);
        gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        app.advance_days(31).await;
        let charge = crate::support::reversals::newest_charge(&app);
        app.sandbox.refund(&charge, Some(200)).expect("it is refunded");
        app.settle().await;
        let donor = app.donor(ADDRESS).await;
        let page = donor.page("/manage/statement?year=2026").await;
        for said in ["January 1, 2026", "November 23, 2026", "December 23, 2026", "$10", "$2", "$8"] {
            let said = if said == "$10" { "$3" } else { said };
            assert!(page.contains(said), "{said}: {page}");
        }
        let csv = donor.get("/manage/statement?from=2026-12-01&to=2026-12-31&format=csv").await;
        assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
        let lines: Vec<&str> = csv.body.lines().collect();
        assert_eq!(lines[0], "day,payment,campaign,currency,amount,refunded,net");
        assert!(
            lines[1].starts_with("2026-12-23,pmt_") && lines[1].ends_with(",default,USD,5.00,2.00,3.00"),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 2);
        for wrong in ["from=x", "from=2026-12-02&to=2026-12-01", "year=0"] {
            assert_eq!(donor.get(&format!("/manage/statement?{wrong}")).await.status, 422, "{wrong}");
        }
        let data = donor.get("/manage/data").await.json();
        assert_eq!(data["email"].as_str().map(str::to_lowercase), Some(ADDRESS.to_lowercase()));
        assert_eq!(
            (data["pledges"].as_array().map(Vec::len), data["payments"].as_array().map(Vec::len)),
            (Some(1), Some(2))
        );
        let own = data["payments"][0]["id"].as_str().expect("an id");
        let receipt = donor.page(&format!("/manage/receipts/{own}")).await;
        assert!(receipt.contains("$5") && receipt.contains(own), "{receipt}");
        assert_eq!(donor.get(&format!("/manage/receipts/{others}")).await.status, 404, "another's is not there");
        app.finish().await;
    }
}

/// Nothing tells who gave, asked or came.
async fn nothing_is_left(app: &TestApp) {
    for empty in [
        crate::support::erasing::ADDRESSES,
        crate::support::erasing::INDEXES,
        crate::support::erasing::LINKS,
        LINKS,
        "SELECT pledge_id AS line FROM stop_links",
        "SELECT id AS line FROM requests",
    ] {
        assert!(app.database.rows(empty).await.is_empty(), "{empty}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_on_their_page_is_erased() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let pledge = gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        app.thank().await;
        let donor = app.donor(ADDRESS).await;
        // What was changed before, and is to change, is of somebody nobody knows any more.
        for (form, fields) in [("amount", "amount=8"), ("frequency", "frequency=annual"), ("pause", "until=2027-03-01")]
        {
            assert_eq!(pledge::submits(&donor, &pledge, form, fields).await, 303);
            app.settle().await;
        }
        pledge::told(&app).await;
        assert!(donor.page("/manage/erase").await.contains("What stays"));
        assert_eq!(donor.post("/manage/erase", "").await.status, 422, "the box was not ticked");
        let asked = donor.post("/manage/erase", "sure=yes").await;
        assert_eq!(asked.status, 202, "{}", asked.body);
        assert!(asked.body.contains("At Stripe") || asked.body.contains("at Stripe"), "{}", asked.body);
        app.work_later("UTC").await;
        app.settle().await;
        assert_eq!(app.database.rows("SELECT status AS line FROM pledges").await, ["canceled"]);
        let money = "SELECT stripe_key || ' ' || status || ' ' || CAST(amount_minor AS TEXT) AS line FROM payments";
        let (before, sums) = (app.database.rows(money).await, app.revenue().await);
        nothing_is_left(&app).await;
        // Everything is delivered again, replayed, swept and recomputed.
        crate::erase::tell_everything_again(&app).await;
        nothing_is_left(&app).await;
        assert_eq!((app.database.rows(money).await, app.revenue().await), (before, sums), "on {kind:?}");
        assert!(donor.page("/manage").await.contains("Mail me the link"));
        assert!(app.ask_link(ADDRESS).await.is_empty(), "nobody knows the address any more");
        app.advance_days(35).await;
        assert_eq!(app.database.rows("SELECT id AS line FROM payments").await.len(), 1);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_waits_for_stripe_however_long_it_takes() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
        let donor = app.donor(ADDRESS).await;
        app.sandbox.fail_api(Some("DELETE"), "/v1/subscriptions", ApiFault::InternalError, u32::MAX);
        assert_eq!(donor.post("/manage/erase", "sure=yes").await.status, 202);
        // More often than a request that is itself to blame is tried.
        for attempt in 1..=12 {
            let asked = async || {
                let tried = app.sandbox.requests().iter().filter(|request| request.method == "DELETE").count();
                let held = "SELECT id AS line FROM requests WHERE lease_token IS NOT NULL";
                (tried >= attempt && app.database.rows(held).await.is_empty()).then_some(())
            };
            until("Stripe to be asked", asked).await;
            assert_eq!(app.store().count_requests().await.expect("counted"), (1, 0), "it waits");
            app.clock.advance(DAY / 24);
        }
        app.sandbox.heal();
        app.clock.advance(DAY / 24);
        app.work_later("UTC").await;
        app.settle().await;
        assert_eq!(app.database.rows("SELECT status AS line FROM pledges").await, ["canceled"]);
        assert!(app.database.rows(crate::support::erasing::ADDRESSES).await.is_empty(), "on {kind:?}");
        app.finish().await;
    }
}
