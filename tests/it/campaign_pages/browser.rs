//! The same in a real browser: an admin signs in with a one-time code, makes a campaign, looks at it beforehand, changes,
//! schedules and ends it; in both languages, on a small telephone, and with no script at all.

use mainstay::domain::admin::Role;
use mainstay::service::admin::Office;
use thirtyfour::prelude::*;

use super::RIGA;
use crate::newsroom::browser::{looked_at, says, write};
use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::database::Kind;
use crate::support::newsroom::PASSWORD;

const ANNA: &str = "anna@paper.example";

const LOGO: &str = "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 60 20' width='60' height='20'>\
    <rect width='60' height='20' fill='#2b6a2e'/></svg>";

/// What the pages say in the language they are read in.
struct Words {
    tag: &'static str,
    saved: &'static str,
    mistakes: &'static str,
    stale: &'static str,
    preview: &'static str,
    scheduled: &'static str,
    running: &'static str,
    ended: &'static str,
}

const ENGLISH: Words = Words {
    tag: "en",
    saved: "Saved.",
    mistakes: "This is not saved yet",
    stale: "in the meantime",
    preview: "Nothing can be given here",
    scheduled: ">scheduled<",
    running: ">running<",
    ended: ">ended<",
};
const RUSSIAN: Words = Words {
    tag: "ru",
    saved: "Сохранено.",
    mistakes: "Это пока не сохранено",
    stale: "тем временем изменил",
    preview: "Здесь ничего нельзя перевести",
    scheduled: ">запланирована<",
    running: ">идёт<",
    ended: ">завершена<",
};

/// Somebody who is asked for a code, and gives it.
async fn sign_in(app: &TestApp, browser: &Browser, tag: &str) {
    app.person(ANNA, Role::Admin).await;
    let come = async |code: &str| {
        browser.goto(&format!("{}/admin/sign-in?lang={tag}", app.url)).await;
        write(browser, "#email", ANNA).await;
        write(browser, "#password", PASSWORD).await;
        write(browser, "#code", code).await;
        browser.click("main button").await;
        browser.element("nav a[href='/admin/campaigns']").await;
    };
    come("").await;
    browser.goto(&format!("{}/admin/me", app.url)).await;
    browser.click("form[action='/admin/me/totp/new'] button").await;
    let secret = browser.element("#secret").await.text().await.expect("its text").replace(' ', "");
    write(browser, "#code", &Office::totp_code(&secret, app.clock.now()).expect("a code")).await;
    browser.click("form.stacked button").await;
    browser.element("form[action='/admin/sign-out'] button").await;
    browser.click("form[action='/admin/sign-out'] button").await;
    browser.element("#email").await;
    app.clock.advance(30);
    come(&Office::totp_code(&secret, app.clock.now()).expect("a code")).await;
}

/// Writes a day and a time as somebody types them who reads English.
async fn write_time(browser: &Browser, css: &str, day: &str, time: &str) {
    let field = browser.element(css).await;
    field.send_keys(day + Key::Tab + time).await.expect("it is written");
}

async fn fill_in(browser: &Browser) {
    for (css, text) in [
        ("#slug", "spring"),
        ("#name", "Spring appeal"),
        ("#default_currency", "eur"),
        ("#amounts-0-currency", "eur"),
        ("#amounts-0-suggested", "5 10 20"),
        ("#amounts-0-min", "2"),
        ("#amounts-0-max", "500"),
        ("#fee_cover-0-currency", "eur"),
        ("#fee_cover-0-percent", "1.5"),
        ("#fee_cover-0-fixed", "0.25"),
        ("#texts-en-lead", "Spring comes, and we write about it."),
        ("#texts-ru-lead", "Пришла весна, и мы о ней пишем."),
    ] {
        write(browser, css, text).await;
    }
    browser.element("#amounts-0-frequency option[value=monthly]").await.click().await.expect("it is chosen");
}

/// Looks at what is typed, in a tab of its own, and comes back.
async fn look_beforehand(browser: &Browser, words: &Words, name: Option<&str>) {
    let form = browser.window().await.expect("a tab");
    browser.click(&format!("button[formaction='/admin/campaign-preview'][value={}]", words.tag)).await;
    let opened = async || {
        let tabs = browser.windows().await.ok()?;
        tabs.into_iter().find(|tab| *tab != form)
    };
    let preview = crate::support::wait::until("a new tab", opened).await;
    browser.switch_to_window(preview).await.expect("it is looked at");
    // A tab has a size of its own.
    browser.zoom(100).await;
    says(browser, words.preview).await;
    // The picture that was chosen before the mistake was put right.
    browser.element("img.logo").await;
    assert!(browser.find_all(By::Css("form, script, donate-box")).await.expect("a list").is_empty());
    if let Some(name) = name {
        looked_at(browser, name).await;
    }
    browser.click(".donate button").await;
    says(browser, words.preview).await;
    browser.close_window().await.expect("it is closed");
    browser.switch_to_window(form).await.expect("the form is there as it was");
}

/// From the empty form to the end. Without a script nothing looks for barriers: what looks is one.
async fn a_campaigns_life(words: &Words, (width, height): (u32, u32), scripts: bool) {
    let app = TestApp::start_with(Kind::Sqlite, &[RIGA]).await;
    let options = Browser::options().with_window(width, height).language("en-US");
    let browser = if scripts { options.open().await } else { options.javascript_off().open().await };
    let named = |page: &str| format!("campaign-{page}-{}-{width}", words.tag);
    let look = async |page: &str| {
        if scripts {
            looked_at(&browser, &named(page)).await;
        }
    };
    sign_in(&app, &browser, words.tag).await;
    browser.click("nav a[href='/admin/campaigns']").await;
    browser.element("a[href='/admin/campaigns/default']").await;
    look("list").await;
    // The form as a browser shows it, sent back, changes nothing.
    browser.click("a[href='/admin/campaigns/default']").await;
    browser.click("#save").await;
    says(&browser, words.saved).await;
    let changes = "SELECT action AS line FROM audit_log WHERE action LIKE 'campaign.%'";
    assert_eq!(app.database.rows(changes).await, [""; 0]);
    browser.click("nav a[href='/admin/campaigns']").await;
    browser.click("a[href='/admin/new-campaign']").await;
    browser.element("#slug").await;
    look("new").await;

    fill_in(&browser).await;
    let logo = app.database.folder.path().join("logo.svg");
    std::fs::write(&logo, LOGO).expect("it is written");
    let chosen = logo.display().to_string();
    browser.element("#logo_file").await.send_keys(chosen).await.expect("it is chosen");
    write(&browser, "#accent", "blue").await;
    browser.click("#save").await;
    says(&browser, words.mistakes).await;
    look("mistakes").await;
    // The list leads to the field.
    browser.click("[role=alert] a[href='#accent']").await;
    write(&browser, "#accent", "#2b6a2e").await;
    look_beforehand(&browser, words, scripts.then(|| named("preview")).as_deref()).await;
    // Enter in a field saves.
    browser.element("#name").await.send_keys("" + Key::Enter).await.expect("a key");
    says(&browser, words.saved).await;
    says(&browser, words.running).await;
    look("saved").await;

    // Clocks in Riga show 14:00.
    write_time(&browser, "#starts_at", "11232026", "0230PM").await;
    browser.click("#save").await;
    says(&browser, words.scheduled).await;
    assert!(browser.source().await.expect("a page").contains("2026-11-23 14:30"));
    look("scheduled").await;
    app.clock.advance(1_800);
    browser.click("nav a[href='/admin/campaigns']").await;
    browser.click("a[href='/admin/campaigns/spring']").await;
    says(&browser, words.running).await;

    // Somebody else was faster.
    let stored = app.store().campaign("spring").await.expect("read").expect("it is there");
    assert_eq!(stored.look.accent.map(mainstay::domain::campaign::Accent::css).as_deref(), Some("#2b6a2e"));
    assert!(stored.look.logo.as_ref().is_some_and(|logo| logo.starts_with("data:image/svg+xml;base64,")));
    let other = mainstay::domain::campaign::Campaign { statement: Some("SPRING".to_owned()), ..stored };
    app.store().put_campaign(&other, 0).await.expect("stored");
    write(&browser, "#name", "Spring and summer").await;
    browser.click("#save").await;
    says(&browser, words.stale).await;
    look("stale").await;
    browser.click("#save").await;
    says(&browser, words.saved).await;

    browser.click("a[href='/admin/campaigns/spring/end']").await;
    browser.element("form[action='/admin/campaigns/spring/end']").await;
    look("end").await;
    browser.click("form[action='/admin/campaigns/spring/end'] button").await;
    says(&browser, words.ended).await;
    let stored = app.store().campaign("spring").await.expect("read").expect("it is there");
    assert!(stored.look.logo.is_some(), "every edit carried it on");
    assert_eq!((stored.name.as_str(), stored.ends_at), ("Spring and summer", Some(app.clock.now())));
    browser.goto(&format!("{}/give?campaign=spring&lang=en", app.url)).await;
    says(&browser, "This campaign has ended").await;
    let mut console = browser.console().await;
    // The form that was refused, and the one that came late.
    console.retain(|line| !line.contains("a status of 422") && !line.contains("a status of 409"));
    assert_eq!(console, [""; 0], "nothing was refused to a page by its policy");
    browser.close().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_makes_looks_changes_schedules_and_ends_a_campaign() {
    a_campaigns_life(&ENGLISH, (1280, 900), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_does_the_same_on_a_small_telephone_in_russian() {
    a_campaigns_life(&RUSSIAN, (320, 640), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_admin_does_the_same_with_no_script_at_all() {
    a_campaigns_life(&ENGLISH, (1280, 900), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_only_looks_is_shown_all_of_it() {
    let app = TestApp::start_with(Kind::Sqlite, &[RIGA]).await;
    let viewer = app.person(ANNA, Role::Viewer).await;
    assert!(!viewer.is_empty());
    for (tag, width) in [("en", 1280), ("ru", 320)] {
        let browser = Browser::options().with_window(width, 800).open().await;
        browser.goto(&format!("{}/admin/sign-in?lang={tag}", app.url)).await;
        write(&browser, "#email", ANNA).await;
        write(&browser, "#password", PASSWORD).await;
        browser.click("main button").await;
        browser.click("nav a[href='/admin/campaigns']").await;
        browser.click("a[href='/admin/campaigns/default']").await;
        says(&browser, "/give?campaign=default").await;
        looked_at(&browser, &format!("campaign-look-{tag}-{width}")).await;
        assert!(browser.find_all(By::Css("main form, main button")).await.expect("a list").is_empty());
        browser.close().await;
    }
    app.finish().await;
}
