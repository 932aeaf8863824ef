//! A person gives, in a real browser, with nothing set up: `mainstay demo`. Its giving page is the form for readers without
//! scripts, upgraded by the widget; its article is a page of another origin.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use thirtyfour::prelude::*;

use crate::support::axe::assert_accessible;
use crate::support::browser::Browser;
use crate::support::process::{end, mainstay};
use crate::support::wait::until;

/// A demo on free ports, ended with the test.
struct Demo {
    child: Child,
    article: String,
    page: String,
    inbox: String,
    database: String,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = mainstay(&["demo", "--empty", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines().map_while(Result::ok);
        let mut said = |name: &str| {
            let line = lines.find_map(|line| line.strip_prefix(name).map(|rest| rest.trim().to_owned()));
            let line = line.unwrap_or_else(|| panic!("it says where the {name} is"));
            line.split_whitespace().next().expect("an address").to_owned()
        };
        let (article, page, inbox) = (said("article"), said("giving page"), said("inbox"));
        let report = lines.find(|line| line.starts_with("report")).expect("it says how to get the report");
        let database = report.split_whitespace().next_back().expect("a database").to_owned();
        Self { child, article, page, inbox, database, _folder: folder }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Clicks inside the widget.
async fn click(browser: &Browser, css: &str) {
    let click = async || browser.inside("donate-box").await.find(By::Css(css)).await.ok()?.click().await.ok();
    until(&format!("a click on {css} in the widget"), click).await;
}

/// Pays with `card` on the checkout page.
async fn pay(browser: &Browser, card: &str) {
    browser.click(&format!("input[value={card}]")).await;
    browser.click("button[type=submit]").await;
}

async fn heading(browser: &Browser, text: &str) {
    let turned = browser.query(By::XPath(format!("//h1[contains(., '{text}')]")));
    turned.first().await.unwrap_or_else(|_| panic!("the page turns to {text}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_gives_once_monthly_and_annually_and_the_page_turns_to_received() {
    let demo = Demo::start();
    let browser = Browser::open().await;
    for frequency in ["once", "monthly", "annual"] {
        browser.goto(&demo.page).await;
        click(&browser, &format!("input[value={frequency}]")).await;
        assert_accessible(&browser, "the giving page").await;
        click(&browser, "button[type=submit]").await;
        pay(&browser, "works").await;
        heading(&browser, "your gift was received").await;
        assert_accessible(&browser, "the thanks").await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_gives_in_the_middle_of_an_article_in_russian() {
    let demo = Demo::start();
    let browser = Browser::options().with_window(400, 800).open().await;
    browser.goto(&demo.article.replace("/paper/en", "/paper/ru")).await;
    click(&browser, "input[value=once]").await;
    assert_accessible(&browser, "the article").await;
    click(&browser, "button[type=submit]").await;
    pay(&browser, "works").await;
    let thanked = async || {
        let heading = browser.inside("donate-box").await.find(By::Css("h2")).await.ok()?.text().await.ok()?;
        heading.contains("мы получили ваш перевод").then_some(())
    };
    until("the thanks in the article", thanked).await;
    assert_eq!(browser.console().await, [""; 0]);
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_script_on_a_small_telephone_a_declined_card_can_be_followed_by_one_that_works() {
    let demo = Demo::start();
    let browser = Browser::options().with_window(320, 640).javascript_off().open().await;
    browser.goto(&format!("{}?lang=ru", demo.page)).await;
    // A mistake is told by the page, and the choice is kept.
    browser.element("#other_amount").await.send_keys("1").await.expect("it is written");
    browser.click("form > button[type=submit]").await;
    assert_eq!(browser.element("#errors li").await.text().await.expect("its text"), "Наименьшая сумма – 2 $.");
    let other = browser.element("#other_amount").await;
    other.clear().await.expect("it is emptied");
    browser.click("input[name=amount][value='5.00']").await;
    browser.click("form > button[type=submit]").await;
    pay(&browser, "declined").await;
    // A decline leaves the checkout open.
    pay(&browser, "works").await;
    heading(&browser, "Спасибо").await;
    // Without a script the page is reloaded by its own refresh until it was reconciled.
    heading(&browser, "мы получили ваш перевод").await;
    browser.close().await;
}

/// The text of the newest mail whose subject begins so, without its markup.
async fn mail(http: &reqwest::Client, demo: &Demo, subject: &str) -> String {
    let get = async |url: String| http.get(url).send().await.ok()?.text().await.ok();
    let look = async || {
        let list = get(demo.inbox.clone()).await?;
        let (before, _) = list.split_once(&format!("\">{subject}"))?;
        let (_, path) = before.rsplit_once("href=\"")?;
        get(demo.inbox.replace("/inbox", path)).await
    };
    until(&format!("a mail {subject}"), look).await.replace("&amp;", "&")
}

/// The first address in `text` that begins so.
fn link<'t>(text: &'t str, start: &str) -> &'t str {
    let at = text.find(start).unwrap_or_else(|| panic!("{start} in {text}"));
    text[at..].split(['"', '<', ' ', '\n']).next().expect("an address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_asks_to_be_reminded_is_reminded_gives_and_the_report_knows() {
    let demo = Demo::start();
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let home = demo.page.trim_end_matches("/give").to_owned();
    let sandbox = demo.inbox.trim_end_matches("inbox").to_owned();
    let asked = serde_json::json!({"email": "ann@example.org", "due": {"in": "next_month"}, "frequency": "monthly",
        "amount_minor": 500, "currency": "USD", "consent": {"text_version": "reminder-1"}});
    let answer = http.post(format!("{home}/v1/reminders")).json(&asked).send().await.expect("an answer");
    assert_eq!(answer.status(), 202);
    let confirmation = mail(&http, &demo, "Please confirm your reminder").await;
    let token = link(&confirmation, &format!("{home}/r/"))[..home.len() + 3 + 32].to_owned();
    assert_eq!(http.post(format!("{token}/confirm")).send().await.expect("an answer").status(), 200);
    // A reminder goes out at a set hour of its day, which may be later than it is now.
    for by in ["month", "day"] {
        http.post(format!("{sandbox}clock")).form(&[("by", by)]).send().await.expect("the clock moves");
    }
    let reminder = mail(&http, &demo, "You asked us to remind you").await;
    let give = url::Url::parse(link(&reminder, &format!("{home}/give?"))).expect("an address");
    let said: std::collections::HashMap<String, String> = give.query_pairs().into_owned().collect();
    assert_eq!((said["d_freq"].as_str(), said["d_amount"].as_str()), ("monthly", "5.00"));
    let gift =
        serde_json::json!({"frequency": "monthly", "amount_minor": 500, "currency": "USD", "source": said["d_ref"]});
    let made: serde_json::Value = http
        .post(format!("{home}/v1/pledges"))
        .json(&gift)
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let person = [("card", "works"), ("email", "ann@example.org"), ("name", "Ann")];
    let checkout = made["checkout_url"].as_str().expect("a checkout page");
    http.post(checkout).form(&person).send().await.expect("paid");
    let attributed = async || {
        let output =
            mainstay(&["report", "reminders", "--format", "json", "--database-url", &demo.database]).output().ok()?;
        let rows: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let text = rows.to_string();
        (text.contains("\"used\":1") && text.contains("USD 5.00")).then_some(())
    };
    until("the report to know of the gift", attributed).await;
    // A minute after the payment.
    http.post(format!("{sandbox}clock")).form(&[("by", "day")]).send().await.expect("the clock moves");
    assert!(mail(&http, &demo, "Thank you").await.contains("$5 monthly"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_of_ours_is_without_barriers_in_both_languages_light_and_dark() {
    use crate::support::browser::emulation::Preference;

    let demo = Demo::start();
    let browser = Browser::options().with_window(320, 640).open().await;
    let home = demo.page.trim_end_matches("/give").to_owned();
    // The form as it is without the widget; axe is a script itself, so scripts stay on.
    let blocked = serde_json::json!({"urls": ["*/w/v1/*"]});
    browser.cdp().send_raw("Network.setBlockedURLs", blocked).await.expect("the widget is kept away");
    browser.goto(&demo.page).await;
    browser.element("#other_amount").await.send_keys("1").await.expect("it is written");
    browser.click("form > button[type=submit]").await;
    browser.element("#errors").await;
    assert_accessible(&browser, "a mistake in the plain form").await;
    for preference in [Preference::Light, Preference::Dark] {
        browser.prefer(&[preference]).await;
        for path in
            ["/give?", "/give?campaign=nothing&", "/give/thanks?", "/give/cancelled?", "/give/pledges/plg_0?", "/r/0?"]
        {
            for language in ["en", "ru"] {
                browser.goto(&format!("{home}{path}lang={language}")).await;
                assert_accessible(&browser, &format!("{path} {language} {preference:?}")).await;
                let tag = browser.element("html").await.attr("lang").await.expect("an attribute");
                assert_eq!(tag.as_deref(), Some(language), "{path}");
            }
        }
    }
    browser.close().await;
}
