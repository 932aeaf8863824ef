//! A person gives, in a real browser, with nothing set up: `mainstay demo`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use thirtyfour::prelude::*;

use crate::support::browser::Browser;
use crate::support::process::mainstay;

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

/// Picks on the giving page, pays with `card` on the checkout page.
async fn give(browser: &Browser, demo: &Demo, frequency: &'static str, card: &'static str) {
    browser.goto(&demo.page).await;
    browser.click(frequency).await;
    browser.click("#amounts .pick:first-of-type input").await;
    browser.click("form button[type=submit]").await;
    browser.click(card).await;
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
    // A decline leaves the checkout open.
    browser.click("input[value=works]").await;
    browser.click("button[type=submit]").await;
    heading(&browser, "Thank you").await;
    // Without a script the page is reloaded by its own refresh until it was reconciled.
    heading(&browser, "your gift was received").await;
    browser.close().await;
}
