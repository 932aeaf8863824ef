//! A person gives, in a real browser, with nothing set up: `mainstay demo`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

use thirtyfour::prelude::*;

use crate::support::browser::Browser;
use crate::support::process::mainstay;

/// How long a page may take to turn.
const PATIENCE: Duration = Duration::from_secs(30);

/// A demo on free ports, ended with the test.
struct Demo {
    child: Child,
    page: String,
    _folder: tempfile::TempDir,
}

impl Demo {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = mainstay(&["demo", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines().map_while(Result::ok);
        let page = lines.find_map(|line| line.strip_prefix("giving page").map(|page| page.trim().to_owned()));
        Self { child, page: page.expect("it says where the giving page is"), _folder: folder }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn click(browser: &Browser, css: &'static str) {
    browser.query(By::Css(css)).first().await.expect(css).click().await.expect("it can be clicked");
}

/// Picks on the giving page, pays with `card` on the checkout page.
async fn give(browser: &Browser, demo: &Demo, frequency: &'static str, card: &'static str) {
    browser.goto(&demo.page).await;
    click(browser, frequency).await;
    click(browser, "#amounts .pick:first-of-type input").await;
    click(browser, "form button[type=submit]").await;
    browser.query(By::Css(card)).wait(PATIENCE, Duration::from_millis(50)).first().await.expect("the checkout page");
    click(browser, card).await;
    click(browser, "button[type=submit]").await;
}

async fn heading(browser: &Browser, text: &str) {
    let turned = browser.query(By::XPath(format!("//h1[contains(., '{text}')]")));
    turned
        .wait(PATIENCE, Duration::from_millis(100))
        .first()
        .await
        .unwrap_or_else(|_| panic!("the page turns to {text}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_gives_once_monthly_and_annually_and_the_page_turns_to_received() {
    let demo = Demo::start();
    let browser = Browser::open().await;
    for frequency in ["input[value=once]", "input[value=monthly]", "input[value=annual]"] {
        give(&browser, &demo, frequency, "input[value=works]").await;
        heading(&browser, "your gift was received").await;
    }
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_script_on_a_small_telephone_a_declined_card_can_be_followed_by_one_that_works() {
    let demo = Demo::start();
    let browser = Browser::options().with_window(320, 640).javascript_off().open().await;
    give(&browser, &demo, "input[value=once]", "input[value=declined]").await;
    browser
        .query(By::Css("input[value=works]"))
        .wait(PATIENCE, Duration::from_millis(50))
        .first()
        .await
        .expect("a decline leaves the checkout open");
    click(&browser, "input[value=works]").await;
    click(&browser, "button[type=submit]").await;
    heading(&browser, "Thank you").await;
    // Without a script the page is reloaded by its own refresh until it was reconciled.
    heading(&browser, "your gift was received").await;
    browser.close().await;
}
