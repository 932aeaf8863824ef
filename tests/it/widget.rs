//! The widget on a newspaper's page: another origin, a strict policy, a real browser.

mod gifts;
mod hostile;
mod readers;
mod states;

use serde_json::Value;
use thirtyfour::{By, WebElement};

use crate::support::app::TestApp;
use crate::support::browser::{Browser, Options};
use crate::support::database::{Database, Kind};
use crate::support::gate::Gate;
use crate::support::paper::Paper;
use crate::support::wait::until;

/// Everything the page was told by the widget, kept by the newspaper's own script.
const LISTENER: &str = "window.heard = [];
    for (const name of ['ready', 'change', 'submit', 'error', 'reminder-set', 'newsletter', 'return'])
        document.addEventListener('donate:' + name, event => heard.push([name, event.detail, event.composed]));";

/// A newspaper with the widget in its article, the server behind a gate, and a reader.
struct Stand {
    app: TestApp,
    gate: Gate,
    paper: Paper,
    browser: Browser,
}

impl Stand {
    async fn set(kind: Kind, options: Options) -> Self {
        let paper = Paper::start().await;
        let app = TestApp::start_on(Database::fresh(kind).await, &[("ALLOWED_ORIGINS", &paper.url)]).await;
        let gate = Gate::before(&app.url).await;
        for (directive, source) in [
            ("script-src", gate.url.as_str()),
            ("script-src", "'self'"),
            ("connect-src", &gate.url),
            ("form-action", &gate.url),
            ("form-action", app.sandbox.url().trim_end_matches('/')),
        ] {
            paper.allow(directive, source);
        }
        paper.put("/own.js", LISTENER);
        let stand = Self { app, gate, paper, browser: options.open().await };
        stand.publish("", "");
        stand
    }

    /// The article, with these attributes and this inside the element; the form for readers without scripts is always there.
    fn publish(&self, attributes: &str, inside: &str) {
        self.paper.put("/article", &self.article("en", "", attributes, inside));
    }

    fn article(&self, language: &str, html: &str, attributes: &str, inside: &str) -> String {
        let home = &self.gate.url;
        format!(
            "<!doctype html><html lang={language} {html}><head><meta charset=utf-8><title>Article</title>
            <meta name=viewport content='width=device-width, initial-scale=1'>
            <script src=/own.js></script><script async src={home}/w/v1/donate.js></script></head>
            <body><main><h1>Article</h1><p>Words.</p><donate-box {attributes}>{inside}
            <form method=post action={home}/give><input type=hidden name=frequency value=monthly>
            <input type=hidden name=currency value=USD><label>Amount <input name=amount value=5></label>
            <button>Give</button></form></donate-box><p>More words.</p></main></body></html>"
        )
    }

    /// Opens the article and waits for the form.
    async fn read(&self, query: &str) {
        self.browser.goto(&format!("{}/article{query}", self.paper.url)).await;
        self.reaches("idle").await;
    }

    /// Waits until the widget is in this state.
    async fn reaches(&self, state: &str) {
        let look = async || {
            let now = self.value("document.querySelector('donate-box')?.dataset.state").await;
            (now == state).then_some(())
        };
        until(&format!("the widget to be {state}"), look).await;
    }

    /// What an expression comes to in the page; `root` is the widget's shadow root.
    async fn value(&self, expression: &str) -> Value {
        let script = format!("const root = document.querySelector('donate-box')?.shadowRoot; return {expression}");
        self.browser.execute(script, vec![]).await.expect("the script runs").json().clone()
    }

    async fn text(&self, css: &str) -> String {
        let text = self.value(&format!("root.querySelector({css:?})?.innerText")).await;
        text.as_str().unwrap_or_else(|| panic!("{css} is shown")).to_owned()
    }

    async fn find(&self, css: &str) -> WebElement {
        let look = async || self.browser.inside("donate-box").await.find(By::Css(css)).await.ok();
        until(css, look).await
    }

    async fn click(&self, css: &str) {
        self.find(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    async fn write(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.expect("it is emptied");
        field.send_keys(text).await.expect("it is written");
    }

    /// Pays on the sandbox's checkout page with a card.
    async fn pay(&self, card: &str) {
        self.browser.click(&format!("input[value={card}]")).await;
        self.browser.click("button[type=submit]").await;
    }

    /// The names of the events the page was told of, in order.
    async fn heard(&self) -> Vec<String> {
        let names = self.value("heard.map(([name]) => name)").await;
        names.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
    }

    /// What the pledges in the database say.
    async fn pledges(&self) -> Vec<String> {
        let sql = "SELECT frequency || ' ' || CAST(amount_minor AS TEXT) || '+' || CAST(cover_minor AS TEXT) || '=' || \
                   CAST(total_minor AS TEXT) || ' ' || currency || ' ' || source || ' ' || status AS line FROM pledges";
        self.app.database.rows(sql).await
    }

    async fn finish(self) {
        self.browser.close().await;
        self.app.finish().await;
    }
}
