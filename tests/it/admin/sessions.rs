//! Signing in and out: bounds, slowing down, equal answers, other sites.

use std::collections::HashSet;

use mainstay::domain::admin::Role;
use reqwest::header::{HOST, ORIGIN};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::database::Kind;
use crate::support::newsroom::{PASSWORD, answer};

const ANNA: &str = "anna@paper.example";
const HOUR: i64 = 3600;

macro_rules! on_both {
    ($($test:ident / $sqlite:ident / $postgres:ident;)+) => {$(
        #[tokio::test]
        async fn $sqlite() {
            $test(Kind::Sqlite).await;
        }

        #[tokio::test]
        async fn $postgres() {
            $test(Kind::Postgres).await;
        }
    )+};
}

on_both! {
    a_session_of_pages / a_session_of_pages_has_bounds_on_sqlite / a_session_of_pages_has_bounds_on_postgres;
    out_at_once / who_is_shut_out_or_demoted_is_so_at_once_on_sqlite / who_is_shut_out_or_demoted_is_so_at_once_on_postgres;
    refresh_tokens / refresh_tokens_rotate_and_one_used_twice_ends_its_session_on_sqlite / refresh_tokens_rotate_and_one_used_twice_ends_its_session_on_postgres;
    slower / each_failure_slows_the_known_and_the_unknown_down_alike_on_sqlite / each_failure_slows_the_known_and_the_unknown_down_alike_on_postgres;
    everywhere / signing_out_everywhere_ends_every_session_on_sqlite / signing_out_everywhere_ends_every_session_on_postgres;
}

async fn a_session_of_pages(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.person(ANNA, Role::Viewer).await;
    let signed_in = app.signs_in("Anna@Paper.example", PASSWORD, "").await;
    assert_eq!((signed_in.status, signed_in.location.as_str()), (303, "/admin"), "{}", signed_in.body);
    let set = signed_in.headers["set-cookie"].to_str().expect("text").to_owned();
    for part in ["__Host-mainstay=", "; Path=/", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Domain") && !set.contains("Max-Age"), "{set}");
    let cookie = signed_in.cookie.expect("a cookie");
    let stored = app.database.rows("SELECT token_hash AS line FROM admin_sessions").await;
    assert!(stored.len() == 1 && stored[0] != cookie && stored[0].len() == 64, "only its hash is kept");
    let home = app.look("/admin", &cookie).await;
    assert_eq!(home.status, 200);
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(home.headers[name], value);
    }
    assert!(!home.body.contains("<script") && !home.body.contains("style="), "no script, no style of its own");
    // Eight hours without a visit end it; visits keep it alive, but not beyond a day.
    for _ in 0..3 {
        app.clock.advance(7 * HOUR);
        assert_eq!(app.look("/admin/me", &cookie).await.status, 200);
    }
    app.clock.advance(3 * HOUR - 1);
    assert_eq!(app.look("/admin/me", &cookie).await.status, 200, "a second before a day is over");
    app.clock.advance(1);
    assert_eq!(app.look("/admin/me", &cookie).await.status, 303, "a day is over");
    let other = app.signs_in(ANNA, PASSWORD, "").await.cookie.expect("a cookie");
    app.clock.advance(8 * HOUR - 1);
    assert_eq!(app.look("/admin", &other).await.status, 200);
    app.clock.advance(8 * HOUR);
    let away = app.look("/admin/me?lang=ru", &other).await;
    assert_eq!((away.status, away.location.as_str()), (303, "/admin/sign-in?next=%2Fadmin%2Fme%3Flang%3Dru"));
    // Signing out ends it on the server: the cookie is worth nothing even where it was kept.
    let third = app.signs_in(ANNA, PASSWORD, "").await.cookie.expect("a cookie");
    let out = app.submit("/admin/sign-out", Some(&third), &[]).await;
    assert_eq!((out.status, out.cookie.as_deref()), (303, Some("")));
    assert_eq!(app.look("/admin", &third).await.status, 303);
    app.clock.advance(3 * 24 * HOUR);
    app.signs_in(ANNA, PASSWORD, "").await;
    assert_eq!(app.database.rows("SELECT id AS line FROM admin_sessions").await.len(), 1, "old ones are forgotten");
    app.finish().await;
}

async fn out_at_once(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.person("chief@paper.example", Role::Admin).await;
    let anna = app.person(ANNA, Role::Admin).await;
    let cookie = app.session(&anna).await;
    let token = app.access_token(&anna).await;
    let office = app.office();
    let knows = async |token: &str| office.by_token(token).await.expect("it is looked up");
    assert_eq!(app.look("/admin/people", &cookie).await.status, 200);
    assert_eq!(knows(&token).await.expect("she is known").role, Role::Admin);
    office.change_role("command_line", &anna, Role::Viewer).await.expect("she is demoted");
    assert_eq!(app.look("/admin/people", &cookie).await.status, 403, "with the next request");
    assert_eq!(app.look("/admin", &cookie).await.status, 200, "what she still may");
    assert_eq!(knows(&token).await.expect("she is known").role, Role::Viewer, "the token says nothing of a role");
    office.set_disabled("command_line", &anna, true).await.expect("she is shut out");
    assert_eq!(app.look("/admin", &cookie).await.status, 303);
    assert!(knows(&token).await.is_none());
    assert_eq!(app.signs_in(ANNA, PASSWORD, "").await.status, 422);
    assert_eq!(app.api_sign_in(ANNA, PASSWORD, None).await.status, 401);
    office.set_disabled("command_line", &anna, false).await.expect("she is let in again");
    assert_eq!(app.look("/admin", &cookie).await.status, 303, "old sessions stay ended");
    assert_eq!(app.signs_in(ANNA, PASSWORD, "").await.status, 303);
    app.finish().await;
}

async fn refreshed(app: &TestApp, token: &str) -> (u16, Value) {
    let request =
        app.http.post(format!("{}/v1/admin/sessions/refresh", app.url)).json(&json!({"refresh_token": token}));
    let answer = answer(request).await;
    (answer.status, answer.json())
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_else(|| panic!("{name} in {body}"))
}

async fn refresh_tokens(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.person(ANNA, Role::Finance).await;
    let first = app.api_sign_in(ANNA, PASSWORD, None).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert_eq!(first.headers["cache-control"], "no-store");
    let first = first.json();
    assert_eq!(first["expires_in"], 900);
    let office = app.office();
    let known =
        async |tokens: &Value| office.by_token(text(tokens, "access_token")).await.expect("looked up").is_some();
    assert!(known(&first).await);
    app.clock.advance(899);
    assert!(known(&first).await);
    app.clock.advance(1);
    assert!(!known(&first).await, "an access token lives a quarter of an hour");
    let (status, second) = refreshed(&app, text(&first, "refresh_token")).await;
    assert_eq!(status, 200, "{second}");
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert!(known(&second).await);
    let (status, third) = refreshed(&app, text(&second, "refresh_token")).await;
    assert_eq!(status, 200);
    // A token that was used comes again: nobody knows who holds the right one, so all of them are over.
    let (status, problem) = refreshed(&app, text(&first, "refresh_token")).await;
    assert_eq!((status, text(&problem, "code")), (401, "wrong_credentials"));
    assert_eq!(refreshed(&app, text(&third, "refresh_token")).await.0, 401);
    assert!(!known(&third).await && !known(&second).await);
    // Another session is another family.
    let other = app.api_sign_in(ANNA, PASSWORD, None).await.json();
    assert_eq!(refreshed(&app, text(&other, "refresh_token")).await.0, 200);
    for wrong in ["", "mrt_", "mrt_00", text(&other, "access_token")] {
        let status = refreshed(&app, wrong).await.0;
        assert_eq!(status, if wrong.is_empty() { 422 } else { 401 }, "{wrong}");
    }
    // Two at once with one token: at most one is answered, and the session is over.
    let racing = app.api_sign_in(ANNA, PASSWORD, None).await.json();
    let token = text(&racing, "refresh_token");
    let (one, two) = tokio::join!(refreshed(&app, token), refreshed(&app, token));
    assert_eq!([one.0, two.0].iter().filter(|status| **status == 200).count(), 1, "{one:?} {two:?}");
    let last = app.api_sign_in(ANNA, PASSWORD, None).await.json();
    app.clock.advance(8 * HOUR);
    assert_eq!(refreshed(&app, text(&last, "refresh_token")).await.0, 401, "not used for eight hours");
    app.finish().await;
}

async fn slower(kind: Kind) {
    let app = TestApp::start(kind).await;
    app.person(ANNA, Role::Viewer).await;
    let mut stories = Vec::new();
    for email in [ANNA, "nobody@paper.example", "no address at all"] {
        let mut story = Vec::new();
        for _ in 0..5 {
            let refused = app.signs_in(email, "wrong wrong wrong", "123456").await;
            let page = refused.body.replace(email, "");
            story.push((refused.status, refused.headers.get("retry-after").cloned(), page, refused.cookie));
        }
        assert!(story.iter().all(|(status, ..)| *status == 422), "five may be wrong");
        for wait in [30, 60, 120, 240, 480, 900, 900] {
            let blocked = app.signs_in(email, PASSWORD, "").await;
            let waits = blocked.headers["retry-after"].to_str().expect("text").parse::<i64>().expect("seconds");
            assert_eq!((blocked.status, waits), (429, wait), "even with the right password, {email}");
            let api = app.api_sign_in(email, PASSWORD, None).await;
            assert_eq!((api.status, api.headers["retry-after"].to_str().ok()), (429, Some(wait.to_string().as_str())));
            app.clock.advance(wait);
            story.push((app.signs_in(email, "wrong wrong wrong", "").await.status, None, String::new(), None));
        }
        app.clock.advance(24 * HOUR + 1);
        stories.push(story);
    }
    assert_eq!(stories[0], stories[1], "nobody learns whether there is such a person");
    assert_eq!(stories[0], stories[2]);
    // A day later all is forgotten, and getting in forgets what was before.
    for _ in 0..2 {
        for _ in 0..4 {
            assert_eq!(app.signs_in(ANNA, "wrong wrong wrong", "").await.status, 422);
        }
        assert_eq!(app.signs_in(ANNA, PASSWORD, "").await.status, 303);
    }
    let buckets = app.database.rows("SELECT bucket AS line FROM admin_failures").await;
    assert!(buckets.iter().all(|bucket| bucket.len() == 5), "no more than so many rows: {buckets:?}");
    app.finish().await;
}

async fn everywhere(kind: Kind) {
    let app = TestApp::start(kind).await;
    let anna = app.person(ANNA, Role::Viewer).await;
    let other = app.person("other@paper.example", Role::Viewer).await;
    let (here, there, others) = (app.session(&anna).await, app.session(&anna).await, app.session(&other).await);
    let token = app.access_token(&anna).await;
    let out = app.submit("/admin/me/sign-out-everywhere", Some(&here), &[]).await;
    assert_eq!((out.status, out.cookie.as_deref()), (303, Some("")));
    for ended in [&here, &there] {
        assert_eq!(app.look("/admin", ended).await.status, 303);
    }
    assert!(app.office().by_token(&token).await.expect("looked up").is_none());
    assert_eq!(app.look("/admin", &others).await.status, 200);
    assert!(app.audited().await.contains(&format!("person.signed_out_everywhere by {anna}")));
    app.finish().await;
}

#[tokio::test]
async fn refusals_of_the_api_are_alike_but_for_the_request() {
    let app = TestApp::start(Kind::Sqlite).await;
    app.person(ANNA, Role::Viewer).await;
    let gone = app.person("gone@paper.example", Role::Viewer).await;
    app.office().set_disabled("command_line", &gone, true).await.expect("shut out");
    let invited = mainstay::domain::email_address::EmailAddress::parse("new@paper.example").expect("an address");
    app.office().create("command_line", &invited, Role::Viewer).await.expect("invited");
    let mut answers = HashSet::new();
    for (email, password) in [
        (ANNA, "wrong wrong wrong"),
        ("gone@paper.example", PASSWORD),
        ("new@paper.example", PASSWORD),
        ("nobody@paper.example", PASSWORD),
        ("nobody", PASSWORD),
    ] {
        let refused = app.api_sign_in(email, password, Some("000000")).await;
        assert_eq!(refused.status, 401);
        let mut problem = refused.json();
        problem["request_id"] = json!("");
        answers.insert(problem.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    for (body, field) in [
        (json!({"email": ANNA}), "password"),
        (json!({"email": ANNA, "password": 5}), "password"),
        (json!({"email": ANNA, "password": PASSWORD, "role": "admin"}), "role"),
    ] {
        let wrong = answer(app.http.post(format!("{}/v1/admin/sessions", app.url)).json(&body)).await;
        assert_eq!((wrong.status, wrong.json()["errors"][0]["field"].as_str()), (422, Some(field)));
    }
    app.finish().await;
}

#[tokio::test]
async fn one_address_may_try_so_often_and_no_more() {
    let app = TestApp::start(Kind::Sqlite).await;
    let tries = async |nth: usize| {
        let form = [("email", format!("{nth}@paper.example")), ("password", "x".to_owned())];
        let request = app.http.post(format!("{}/admin/sign-in", app.url)).header("sec-fetch-site", "same-origin");
        answer(request.header("x-forwarded-for", "203.0.113.9").form(&form)).await
    };
    for nth in 0..5 {
        assert_eq!(tries(nth).await.status, 422);
    }
    let refused = tries(5).await;
    assert_eq!(refused.status, 429);
    assert!(refused.headers.contains_key("retry-after") && refused.body.contains("Too many tries"), "{}", refused.body);
    assert_eq!(app.signs_in("0@paper.example", "x", "").await.status, 422, "another address is another");
    app.finish().await;
}

#[tokio::test]
async fn other_sites_can_make_a_browser_change_nothing() {
    let app = TestApp::start(Kind::Sqlite).await;
    let anna = app.person(ANNA, Role::Admin).await;
    let cookie = format!("__Host-mainstay={}", app.session(&anna).await);
    let form = [("email", "evil@paper.example"), ("role", "admin")];
    let posted = || app.http.post(format!("{}/admin/people", app.url)).header("cookie", &cookie).form(&form);
    let own = app.url.clone();
    for (what, request) in [
        ("cross-site", posted().header("sec-fetch-site", "cross-site")),
        ("same-site", posted().header("sec-fetch-site", "same-site")),
        ("by hand", posted().header("sec-fetch-site", "none")),
        ("an older browser", posted().header(ORIGIN, "https://evil.example")),
        ("a sandboxed frame", posted().header(ORIGIN, "null")),
        ("nothing said", posted()),
        ("another host", posted().header(ORIGIN, own.as_str()).header(HOST, "evil.example")),
    ] {
        let refused = answer(request).await;
        assert_eq!(refused.status, 403, "{what}");
    }
    assert_eq!(app.database.rows("SELECT id AS line FROM admins").await.len(), 1);
    let framed = app.http.get(format!("{}/admin", app.url)).header("cookie", &cookie);
    let framed = framed.header("sec-fetch-site", "cross-site").header("sec-fetch-mode", "navigate");
    assert_eq!(answer(framed.header("sec-fetch-dest", "iframe")).await.status, 403);
    // A cookie does nothing through the API but read.
    let ended = app.http.delete(format!("{}/v1/admin/sessions", app.url)).header("cookie", &cookie);
    assert_eq!(answer(ended.header("sec-fetch-site", "same-origin")).await.status, 401);
    assert_eq!(answer(posted().header(ORIGIN, own.as_str())).await.status, 200, "our own page, in an older browser");
    assert_eq!(
        answer(posted().header("sec-fetch-site", "same-origin")).await.status,
        409,
        "ours, and she is there now"
    );
    app.finish().await;
}
