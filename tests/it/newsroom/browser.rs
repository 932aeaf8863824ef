//! The same in a real browser: read, filter, refund, end, replay; without barriers in light and dark, wide and at 320 px,
//! and with no script at all.

use mainstay::domain::admin::Role;
use mainstay::sandbox::Card;
use thirtyfour::prelude::*;

use super::parked;
use crate::support::app::TestApp;
use crate::support::axe::assert_accessible;
use crate::support::browser::Browser;
use crate::support::browser::emulation::Preference;
use crate::support::database::Kind;
use crate::support::newsroom::PASSWORD;
use crate::support::setting;
use crate::support::wait::until;

const FINN: &str = "finn@paper.example";

/// A page as it stands, by day and by night: without barriers and no wider than the window.
pub async fn looked_at(browser: &Browser, name: &str) {
    for (time, preferences) in [("", &[][..]), ("-dark", &[Preference::Dark][..])] {
        browser.prefer(preferences).await;
        assert_accessible(browser, name).await;
        let wide = browser
            .execute("const root = document.documentElement; return root.scrollWidth - root.clientWidth", vec![])
            .await;
        assert_eq!(wide.expect("it runs").json().as_i64(), Some(0), "{name} is as wide as the window");
        if let Some(folder) = setting("TEST_PICTURES") {
            browser.screenshot(std::path::Path::new(&folder).join(format!("{name}{time}.png")).as_path()).await;
        }
    }
}

pub async fn write(browser: &Browser, css: &str, text: &str) {
    let field = browser.element(css).await;
    field.clear().await.expect("it is cleared");
    field.send_keys(text).await.expect("it is written");
}

/// Waits until the page says so.
pub async fn says(browser: &Browser, text: &str) {
    let said = async || browser.source().await.ok()?.contains(text).then_some(());
    until(text, said).await;
}

/// What a link of a page leads to, fetched as its browser would: by the link as it stands there, with the browser's session.
pub async fn exported(app: &TestApp, browser: &Browser, session: &str, css: &str) -> String {
    let link = browser.element(css).await.attr("href").await.expect("an attribute").expect("an address");
    let value = browser.get_named_cookie(session).await.expect("a session").value;
    let request = app.http.get(format!("{}{link}", app.url)).header("cookie", format!("{session}={value}"));
    let answer = request.send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{link}");
    assert!(answer.headers()["content-disposition"].to_str().expect("text").starts_with("attachment"), "a file");
    answer.text().await.expect("a body")
}

/// Somebody of finance signs in.
async fn sign_in(app: &TestApp, browser: &Browser) {
    app.person(FINN, Role::Finance).await;
    browser.goto(&format!("{}/admin/sign-in", app.url)).await;
    write(browser, "#email", FINN).await;
    write(browser, "#password", PASSWORD).await;
    browser.click("main button").await;
    says(browser, "Dashboard").await;
}

/// Gifts of three kinds.
pub async fn gifts(app: &TestApp) {
    for (frequency, amount, currency) in [("once", 2500, "USD"), ("monthly", 300, "USD"), ("annual", 6000, "EUR")] {
        let (_, session) = app.pledge(frequency, amount, currency).await;
        app.pay(&session, Card::Works).await;
    }
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_of_finance_reads_filters_refunds_ends_and_replays() {
    let app = TestApp::start(Kind::Sqlite).await;
    gifts(&app).await;
    let browser = Browser::open().await;
    sign_in(&app, &browser).await;
    browser.click("section details summary").await;
    looked_at(&browser, "dashboard").await;

    browser.click("nav a[href='/admin/payments']").await;
    write(&browser, "#currency", "USD").await;
    browser.element("#frequency option[value=once]").await.click().await.expect("it is chosen");
    browser.click("form.filters button").await;
    says(&browser, "currency=USD").await;
    let rows = browser.find_all(By::Css("tbody tr")).await.expect("rows");
    assert_eq!(rows.len(), 1);
    looked_at(&browser, "payments").await;
    browser.click("tbody a[href$='/refund']").await;
    looked_at(&browser, "refund").await;
    write(&browser, "#amount", "99").await;
    write(&browser, "#reason", "asked by mail").await;
    browser.click("form.stacked button").await;
    browser.element("[role=alert]").await;
    looked_at(&browser, "refund-refused").await;
    write(&browser, "#amount", "10").await;
    browser.click("form.stacked button").await;
    says(&browser, "has not confirmed it yet").await;
    app.settle().await;
    browser.refresh().await.expect("it is loaded again");
    says(&browser, "done, as Stripe confirmed").await;
    looked_at(&browser, "pledge-refunded").await;
    browser.click(".timeline a").await;
    says(&browser, "in the books").await;
    looked_at(&browser, "event").await;

    browser.click("nav a[href='/admin/pledges']").await;
    browser.element("#frequency option[value=monthly]").await.click().await.expect("it is chosen");
    browser.click("form.filters button").await;
    looked_at(&browser, "pledges").await;
    browser.click("tbody a").await;
    browser.click("a[href$='/end']").await;
    looked_at(&browser, "end").await;
    write(&browser, "#reason", "asked by mail").await;
    browser.click("form.stacked button").await;
    says(&browser, "has not confirmed it yet").await;
    app.settle().await;
    browser.refresh().await.expect("it is loaded again");
    says(&browser, "It is to end with the paid period").await;

    for report in ["", "/revenue", "/recurring", "/payouts"] {
        browser.goto(&format!("{}/admin/reports{report}", app.url)).await;
        looked_at(&browser, &format!("report{}", report.replace('/', "-"))).await;
    }
    browser.goto(&format!("{}/admin/reports/revenue", app.url)).await;
    let exported = exported(&app, &browser, "__Host-mainstay", "a[href$='format=csv']").await;
    assert!(exported.starts_with("date,") || exported.contains("gross_minor"), "{exported}");
    assert!(exported.lines().any(|line| line.contains("USD")), "{exported}");
    let mut console = browser.console().await;
    // The form that was refused.
    console.retain(|line| !line.contains("a status of 422"));
    assert_eq!(console, [""; 0], "nothing was refused to a page by its policy");
    browser.close().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_small_telephone_without_a_script_an_event_is_replayed() {
    let app = TestApp::start(Kind::Sqlite).await;
    gifts(&app).await;
    parked(&app).await;
    let browser = Browser::options().with_window(320, 640).javascript_off().open().await;
    sign_in(&app, &browser).await;
    browser.click(".health a[href='/admin/events']").await;
    app.sandbox.heal();
    browser.click("tbody button").await;
    app.settle().await;
    browser.refresh().await.expect("it is loaded again");
    says(&browser, "No event is parked").await;
    browser.close().await;
    app.finish().await;
}
