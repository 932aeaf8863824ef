//! A donor at their own pages, as a browser would ask for them.

use mainstay::config::Receipts;
use mainstay::worker::ReceiptWorker;
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use serde_json::json;

use super::app::TestApp;
use super::later::{Mail, desk};
use super::newsroom::{Answer, answer};

const NAME: &str = "__Host-mainstay-donor";

/// Somebody whose browser has opened a link.
pub struct Donor<'a> {
    pub app: &'a TestApp,
    pub cookie: String,
}

/// A request of a browser on our own pages.
pub fn browse(app: &TestApp, method: &str, path: &str, cookie: Option<&str>, form: &str) -> reqwest::RequestBuilder {
    let method = method.parse().expect("a method");
    let request = app.http.request(method, format!("{}{path}", app.url)).header("sec-fetch-site", "same-origin");
    let request = match cookie {
        Some(cookie) => request.header(COOKIE, format!("{NAME}={cookie}")),
        None => request,
    };
    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.to_owned())
}

/// The cookie an answer sets.
pub fn cookie_of(answer: &Answer) -> Option<String> {
    let mut set = answer.headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let value = |line: &str| {
        let value = line.strip_prefix(NAME)?.strip_prefix('=')?.split(';').next()?;
        assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{line}");
        Some(value.to_owned())
    };
    set.find_map(value)
}

impl TestApp {
    /// Asks for a link for this address, and lets the worker decide; the mails that came of it.
    pub async fn ask_link(&self, address: &str) -> Vec<Mail> {
        let (status, body) = self.post("/v1/manage-links", &json!({"email": address})).await;
        assert_eq!((status, body.as_str()), (202, "{}"));
        self.work_later("UTC").await;
        self.mails().await
    }

    /// Comes as the donor with this address.
    pub async fn donor(&self, address: &str) -> Donor<'_> {
        let mails = self.ask_link(address).await;
        let [mail] = mails.as_slice() else { panic!("one mail: {mails:?}") };
        let opened = answer(browse(self, "POST", &mail.path("continue_url"), None, "")).await;
        assert_eq!((opened.status, opened.location.as_str()), (303, "/manage?lang=en"), "{}", opened.body);
        Donor { app: self, cookie: cookie_of(&opened).expect("a cookie") }
    }

    /// Thanks for what came; the mails.
    pub async fn thank(&self) -> Vec<Mail> {
        self.clock.advance(61);
        let worker = ReceiptWorker { desk: desk(self.store(), &self.clock, "UTC"), receipts: Receipts::Each };
        while worker.run_once().await.expect("they are thanked") > 0 {}
        self.mails().await
    }
}

impl Donor<'_> {
    pub async fn get(&self, path: &str) -> Answer {
        answer(browse(self.app, "GET", path, Some(&self.cookie), "")).await
    }

    pub async fn post(&self, path: &str, form: &str) -> Answer {
        answer(browse(self.app, "POST", path, Some(&self.cookie), form)).await
    }

    /// A page that is there.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body.replace('\u{a0}', " ")
    }
}

/// The value of a hidden field.
pub fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name} in {page}"));
    rest.split('"').next().expect("a value").to_owned()
}
