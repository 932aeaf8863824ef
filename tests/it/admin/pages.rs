//! The newsroom's side in a real browser: a person follows a link, sets one-time codes up, signs in with one.

use mainstay::domain::admin::Role;
use mainstay::domain::email_address::EmailAddress;
use mainstay::service::admin::Office;
use thirtyfour::prelude::*;

use crate::support::app::TestApp;
use crate::support::axe::assert_accessible;
use crate::support::browser::Browser;
use crate::support::browser::emulation::Preference;
use crate::support::database::Kind;
use crate::support::newsroom::{PASSWORD, token_of};
use crate::support::setting;

const ANNA: &str = "anna@paper.example";

/// A page as it stands: without barriers, no wider than the window; its picture goes where somebody asks for it.
async fn looked_at(browser: &Browser, name: &str) {
    assert_accessible(browser, name).await;
    let wide = browser
        .execute("return document.documentElement.scrollWidth - document.documentElement.clientWidth", vec![])
        .await;
    assert_eq!(wide.expect("the script runs").json().as_i64(), Some(0), "{name} is as wide as the window");
    if let Some(folder) = setting("TEST_PICTURES") {
        browser.screenshot(std::path::Path::new(&folder).join(format!("{name}.png")).as_path()).await;
    }
}

async fn write(browser: &Browser, css: &str, text: &str) {
    browser.element(css).await.send_keys(text).await.expect("it is written");
}

async fn heading(browser: &Browser, text: &str) {
    let found = browser.query(By::XPath(format!("//h1[contains(., '{text}')]"))).first().await;
    assert!(found.is_ok(), "the page turns to {text}: {}", browser.source().await.expect("a page"));
}

async fn sign_in(browser: &Browser, url: &str, code: &str) {
    browser.goto(&format!("{url}/admin/sign-in")).await;
    write(browser, "#email", ANNA).await;
    write(browser, "#password", PASSWORD).await;
    write(browser, "#code", code).await;
    browser.click("main button").await;
}

/// Follows the link of somebody new, and signs in.
async fn arrive(app: &TestApp, browser: &Browser, role: Role, size: &str) {
    let address = EmailAddress::parse(ANNA).expect("an address");
    let link = app.office().create("command_line", &address, role).await.expect("she is made");
    browser.goto(&format!("{}/admin/link/{}", app.url, token_of(&link))).await;
    looked_at(browser, &format!("{size}link")).await;
    write(browser, "#password", "password1234").await;
    write(browser, "#again", "password1234").await;
    browser.click("main button").await;
    assert!(browser.element("[role=alert]").await.text().await.expect("its text").contains("easy to guess"));
    looked_at(browser, &format!("{size}link-refused")).await;
    write(browser, "#password", PASSWORD).await;
    write(browser, "#again", PASSWORD).await;
    browser.click("main button").await;
    heading(browser, "Sign in").await;
    looked_at(browser, &format!("{size}sign-in")).await;
    sign_in(browser, &app.url, "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_sets_one_time_codes_up_signs_in_with_one_and_looks_after_people() {
    let app = TestApp::start(Kind::Sqlite).await;
    let browser = Browser::open().await;
    arrive(&app, &browser, Role::Admin, "").await;
    heading(&browser, "Dashboard").await;
    assert!(browser.element(".test").await.text().await.expect("its text").contains("TEST"), "no real money moves");
    looked_at(&browser, "home").await;
    browser.click(".who a").await;
    heading(&browser, "My access").await;
    looked_at(&browser, "me").await;
    browser.click("form[action='/admin/me/totp/new'] button").await;
    heading(&browser, "One-time codes").await;
    looked_at(&browser, "totp").await;
    let secret = browser.element("#secret").await.text().await.expect("its text").replace(' ', "");
    write(&browser, "#code", &Office::totp_code(&secret, app.clock.now()).expect("a code")).await;
    browser.click("form.stacked button").await;
    heading(&browser, "Recovery codes").await;
    looked_at(&browser, "recovery").await;
    browser.click("form[action='/admin/sign-out'] button").await;
    heading(&browser, "Sign in").await;
    sign_in(&browser, &app.url, "000000").await;
    assert!(browser.element("[role=alert]").await.text().await.expect("its text").contains("is wrong"));
    looked_at(&browser, "sign-in-refused").await;
    app.clock.advance(30);
    sign_in(&browser, &app.url, &Office::totp_code(&secret, app.clock.now()).expect("a code")).await;
    heading(&browser, "Dashboard").await;
    // By keyboard: the first stop leads past the navigation.
    browser.action_chain().send_keys(Key::Tab).perform().await.expect("a key");
    let focused = browser.execute("return document.activeElement.className", vec![]).await.expect("it runs");
    assert_eq!(focused.json(), "skip");
    browser.click("nav a[href='/admin/people']").await;
    heading(&browser, "People").await;
    write(&browser, "#email", "bo@paper.example").await;
    browser.click("form[action='/admin/people'] button").await;
    assert!(browser.element("#link").await.text().await.expect("its text").contains("/admin/link/"));
    looked_at(&browser, "people").await;
    browser.click("nav a[href='/admin/audit-log']").await;
    heading(&browser, "Audit log").await;
    looked_at(&browser, "audit-log").await;
    // Forms that were filled in wrongly are the only thing a browser has to say.
    let said: Vec<String> =
        browser.console().await.into_iter().filter(|line| !line.contains("status of 422")).collect();
    assert_eq!(said, [""; 0], "nothing was refused to a page by its policy");
    browser.close().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_small_telephone_in_russian_and_at_night() {
    let app = TestApp::start(Kind::Sqlite).await;
    let browser = Browser::options().with_window(320, 640).open().await;
    arrive(&app, &browser, Role::Admin, "small-").await;
    heading(&browser, "Dashboard").await;
    browser.click("footer a[lang=ru]").await;
    heading(&browser, "Обзор").await;
    browser.prefer(&[Preference::Dark]).await;
    looked_at(&browser, "small-home").await;
    for (path, title) in
        [("/admin/me", "Мой доступ"), ("/admin/people", "Люди"), ("/admin/audit-log", "Журнал действий")]
    {
        browser.goto(&format!("{}{path}", app.url)).await;
        heading(&browser, title).await;
        looked_at(&browser, &format!("small-{}", path.rsplit('/').next().unwrap_or_default())).await;
    }
    browser.click("form[action='/admin/sign-out'] button").await;
    heading(&browser, "Войти").await;
    looked_at(&browser, "small-sign-in").await;
    browser.close().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_is_shown_what_is_theirs_and_told_what_is_not() {
    let app = TestApp::start(Kind::Sqlite).await;
    let browser = Browser::open().await;
    arrive(&app, &browser, Role::Viewer, "viewer-").await;
    heading(&browser, "Dashboard").await;
    let links = browser.find_all(By::Css("nav a[href='/admin/people'], nav a[href='/admin/audit-log']")).await;
    assert!(links.expect("they are looked for").is_empty());
    browser.goto(&format!("{}/admin/people", app.url)).await;
    heading(&browser, "This is not for you").await;
    looked_at(&browser, "forbidden").await;
    browser.goto(&format!("{}/admin/link/none", app.url)).await;
    looked_at(&browser, "link-over").await;
    browser.close().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_who_runs_no_scripts_signs_in_and_out() {
    let app = TestApp::start(Kind::Sqlite).await;
    app.person(ANNA, Role::Finance).await;
    let browser = Browser::options().javascript_off().open().await;
    browser.goto(&format!("{}/admin/me", app.url)).await;
    heading(&browser, "Sign in").await;
    write(&browser, "#email", ANNA).await;
    write(&browser, "#password", PASSWORD).await;
    browser.click("main button").await;
    heading(&browser, "My access").await;
    browser.click("form[action='/admin/sign-out'] button").await;
    heading(&browser, "Sign in").await;
    browser.close().await;
    app.finish().await;
}
