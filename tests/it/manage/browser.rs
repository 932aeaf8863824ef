//! The donor's pages in a real browser: in both languages, on a small telephone and at a desk, without barriers, and with
//! no script at all.

use mainstay::sandbox::Card;
use thirtyfour::prelude::*;

use super::ADDRESS;
use crate::newsroom::browser::{exported, looked_at, says, write};
use crate::support::app::TestApp;
use crate::support::browser::Browser;
use crate::support::browser::emulation::Preference;
use crate::support::database::Kind;
use crate::support::erasing::gift;
use crate::support::later::reminder;
use crate::support::wait::until;

/// The cookie of a donor's session.
const DONOR: &str = "__Host-mainstay-donor";

/// What a page says in the language it is read in.
struct Words {
    tag: &'static str,
    asked: &'static str,
    overview: &'static str,
    card: &'static str,
    stopping: &'static str,
    stopped: &'static str,
    erasing: &'static str,
}

const ENGLISH: Words = Words {
    tag: "en",
    asked: "Look into your mailbox",
    overview: "What you give",
    card: "To Stripe’s page",
    stopping: "Stripe is stopping it",
    stopped: "It is stopped",
    erasing: "You are being erased",
};
const RUSSIAN: Words = Words {
    tag: "ru",
    asked: "Загляните в почту",
    overview: "Ваша поддержка",
    card: "На страницу Stripe",
    stopping: "Stripe прекращает",
    stopped: "Прекращено",
    erasing: "Вас стирают",
};

/// A reminder and the newsletter, confirmed.
async fn wishes(app: &TestApp) {
    app.remind(&reminder(ADDRESS)).await;
    let link = app.sign_up(ADDRESS).await;
    app.press(&format!("{link}/confirm"), "").await;
    app.work_later("UTC").await;
    app.mails().await;
}

/// Stripe says so, and the page is looked at again.
async fn confirmed(app: &TestApp, browser: &Browser) {
    browser.element("[role=status] a.button").await;
    app.settle().await;
    // Two states of one second are told apart once it is over.
    app.sandbox.tick().await;
    app.sandbox.deliver_pending().await;
    app.clock.advance(61);
    app.settle().await;
    browser.click("[role=status] a.button").await;
    until("a page that says that it is done", async || {
        let waits = browser.find_all(By::Css("[role=status] a.button")).await.ok()?;
        (waits.is_empty() && browser.find(By::Css("[role=status]")).await.is_ok()).then_some(())
    })
    .await;
}

/// What is printed of a statement is what it says, dark on light: nothing to press, and no table cut off.
async fn on_paper(browser: &Browser) {
    browser.on_paper(&[Preference::Dark]).await;
    assert!(browser.element("main table").await.is_displayed().await.expect("it is looked at"));
    for css in ["main form", "main button", "main a.button", "footer", ".screen"] {
        for element in browser.find_all(By::Css(css)).await.expect("they are looked for") {
            assert!(!element.is_displayed().await.expect("it is looked at"), "{css} is printed");
        }
    }
    for (css, dark) in [("html", false), ("body", false), ("main h1", true)] {
        let name = if dark { "color" } else { "background-color" };
        let colour = browser.element(css).await.css_value(name).await.expect("a colour");
        let light = colour.contains("255, 255, 255") || colour.contains("rgba(0, 0, 0, 0)");
        assert_eq!(light, !dark, "{css} has the {name} {colour}");
    }
    browser.prefer(&[]).await;
}

/// From the first mail to the last page. Without a script nothing looks for barriers: what looks is one.
async fn whole_visit(words: &Words, (width, height): (u32, u32), scripts: bool) {
    let app = TestApp::start(Kind::Sqlite).await;
    gift(&app, "monthly", Card::Works, ADDRESS, "A Reader").await;
    let stop = app.thank().await.remove(0).path("stop_url");
    wishes(&app).await;
    let options = Browser::options().with_window(width, height);
    let browser = if scripts { options.open().await } else { options.javascript_off().open().await };
    let lang = format!("?lang={}", words.tag);
    let look = async |page: &str| {
        if scripts {
            looked_at(&browser, &format!("manage-{page}-{}-{width}", words.tag)).await;
        }
    };
    let open = async |path: &str| browser.goto(&format!("{}{path}{lang}", app.url)).await;

    open("/manage").await;
    look("ask").await;
    write(&browser, "#email", ADDRESS).await;
    browser.click("main form button").await;
    says(&browser, words.asked).await;
    look("asked").await;
    app.work_later("UTC").await;
    let link = app.mails().await.remove(0).path("continue_url");
    open(&link).await;
    look("continue").await;
    browser.click("main form button").await;
    says(&browser, words.overview).await;
    browser.click("details summary").await;
    look("overview").await;

    browser.click("details a[href*='/receipts/']").await;
    look("receipt").await;
    browser.click("main p a[href^='/manage?']").await;
    browser.click("a[href*='/statement?year=2026']").await;
    look("statement").await;
    on_paper(&browser).await;
    let csv = exported(&app, &browser, DONOR, "a[href*='format=csv']").await;
    assert!(csv.lines().count() > 1 && csv.contains("USD"), "{csv}");
    open("/manage").await;
    let data = exported(&app, &browser, DONOR, "a[href*='/manage/data']").await;
    assert!(serde_json::from_str::<serde_json::Value>(&data).is_ok_and(|data| data.is_object()), "{data}");
    for wish in ["form[action*='/reminders/']", "form[action*='/newsletter/']"] {
        browser.click(&format!("{wish} button")).await;
        until("a page without it", async || {
            let forms = browser.find_all(By::Css(wish)).await.ok()?;
            (forms.is_empty() && browser.find(By::Css("a[href*='/statement']")).await.is_ok()).then_some(())
        })
        .await;
    }

    browser.click("section a[href*='/manage/pledges/']").await;
    look("pledge").await;
    write(&browser, "#amount", "1").await;
    browser.click("form[action*='/amount'] button").await;
    browser.element("[role=alert]").await;
    look("refused").await;
    write(&browser, "#amount", "8").await;
    browser.click("form[action*='/amount'] button").await;
    browser.element("[role=status] a.button").await;
    look("waiting").await;
    confirmed(&app, &browser).await;
    look("changed").await;
    browser.click("form[action*='/frequency'] button").await;
    confirmed(&app, &browser).await;
    look("interval").await;
    browser.element("#until").await.send_keys("01152027").await.expect("a day is typed");
    browser.click("form[action*='/pause'] button").await;
    confirmed(&app, &browser).await;
    look("paused").await;
    browser.click("form[action*='/resume'] button").await;
    confirmed(&app, &browser).await;
    assert!(browser.find_all(By::Css("form[action*='/resume']")).await.expect("forms").is_empty(), "it goes on");
    browser.click("form[action*='/card'] button").await;
    says(&browser, words.card).await;
    look("card").await;

    open(&stop).await;
    look("stop").await;
    browser.click("main form button").await;
    says(&browser, words.stopping).await;
    look("stopping").await;
    app.settle().await;
    browser.click("main a.button").await;
    says(&browser, words.stopped).await;
    look("stopped").await;

    open("/manage/erase").await;
    look("erase").await;
    browser.click("main .check input").await;
    browser.click("main form button").await;
    says(&browser, words.erasing).await;
    look("erasing").await;
    app.work_later("UTC").await;
    open("/manage").await;
    assert!(browser.find(By::Css("#email")).await.is_ok(), "the browser shows nothing of theirs any more");
    let mut console = browser.console().await;
    // The form that was refused.
    console.retain(|line| !line.contains("a status of 422"));
    assert_eq!(console, [""; 0], "nothing was refused to a page by its policy");
    browser.close().await;
    app.settle().await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_donor_comes_looks_stops_and_is_erased_on_a_small_telephone() {
    whole_visit(&ENGLISH, (320, 640), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_donor_comes_looks_stops_and_is_erased_in_russian() {
    whole_visit(&RUSSIAN, (1280, 900), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_donor_comes_looks_stops_and_is_erased_with_no_script_at_all() {
    whole_visit(&ENGLISH, (1280, 900), false).await;
}
