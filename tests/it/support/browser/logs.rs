//! What the browser keeps of a page's doings: what it asked for, and what it complained about.
//!
//! Each log holds what came since it was last read. What a browser asks by itself is left out: its own pages, and the
//! little picture for the tab, which comes when it likes.

use serde::Deserialize;
use thirtyfour::BrowserLogEntry;

use super::Browser;

const PICTURE_FOR_THE_TAB: &str = "/favicon.ico";

/// Something that a page asked of some server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// As Chromium calls it: `Document`, `Script`, `Stylesheet`, `Fetch`, `Image`, `Font`, `Ping`; `Other` is among others
    /// what precedes a request to another origin (`OPTIONS`).
    pub kind: String,
    pub method: String,
    pub url: String,
}

/// An entry of the performance log. Its fields are those of the DevTools protocol.
#[derive(Deserialize)]
struct Entry {
    message: Message,
}

#[derive(Deserialize)]
#[serde(tag = "method", content = "params")]
enum Message {
    #[serde(rename = "Network.requestWillBeSent", rename_all = "camelCase")]
    Asked { request_id: String, r#type: Option<String>, request: Asked },
    #[serde(rename = "Network.loadingFailed", rename_all = "camelCase")]
    Failed { request_id: String, blocked_reason: Option<String> },
    #[serde(untagged)]
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    url: String,
}

impl Browser {
    /// What the pages of this browser asked for since the last call, every hop of a redirect by itself. What a policy kept
    /// it from asking is not there, and what a worker asked is not seen.
    pub async fn requests(&self) -> Vec<Request> {
        requests(&self.get_log("performance").await.expect("a log"))
    }

    /// Errors and warnings since the last call, violations of a policy (`security: …`) among them.
    pub async fn console(&self) -> Vec<String> {
        let log = self.get_log("browser").await.expect("a log").into_iter();
        let serious = log.filter(|entry| matches!(entry.level.as_str(), "SEVERE" | "WARNING"));
        let pages = serious.filter(|entry| !entry.message.contains(PICTURE_FOR_THE_TAB));
        pages.map(|entry| format!("{}: {}", entry.source.as_deref().unwrap_or("page"), entry.message)).collect()
    }
}

fn requests(log: &[BrowserLogEntry]) -> Vec<Request> {
    let mut found: Vec<(String, Request)> = Vec::new();
    for entry in log {
        let entry: Entry = serde_json::from_str(&entry.message).expect("an entry is JSON");
        match entry.message {
            Message::Asked { request_id, r#type, request: Asked { method, url } } if is_a_pages(&url) => {
                found.push((request_id, Request { kind: r#type.unwrap_or_default(), method, url }));
            }
            // Only the hop that was refused: those before it went out under the same number.
            Message::Failed { request_id, blocked_reason: Some(_) } => {
                if let Some(at) = found.iter().rposition(|(id, _)| *id == request_id) {
                    found.remove(at);
                }
            }
            Message::Asked { .. } | Message::Failed { .. } | Message::Other(_) => {}
        }
    }
    found.into_iter().map(|(_, request)| request).collect()
}

fn is_a_pages(url: &str) -> bool {
    url.starts_with("http") && !url.ends_with(PICTURE_FOR_THE_TAB)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::{Html, Redirect};
    use axum::routing::get;

    use super::*;
    use crate::support::loopback::{page, serve};
    use crate::support::paper::Paper;

    #[tokio::test]
    async fn every_request_of_a_page_is_seen_once_with_each_hop() {
        let html = "<!doctype html><title>Asking</title><link rel=stylesheet href=/style><img src=/picture alt=''>
            <script src=/script></script><script>
                Promise.allSettled([fetch('/moved', { method: 'PUT' }).then(() => navigator.sendBeacon('/beacon'))])
                    .then(() => document.title = 'asked')
            </script>";
        let router = Router::new()
            .route("/", get(move || async move { Html(html) }))
            .route("/moved", axum::routing::put(|| async { Redirect::to("/there") }));
        let address = format!("http://{}", serve(router).await);
        let browser = Browser::open().await;
        browser.goto(&address).await;
        browser.until_title("asked").await;
        let mut seen: Vec<String> = browser
            .requests()
            .await
            .into_iter()
            .map(|Request { kind, method, url }| format!("{kind} {method} {}", &url[address.len()..]))
            .collect();
        seen.sort();
        let expected = [
            "Document GET /",
            "Fetch GET /there",
            "Fetch PUT /moved",
            "Image GET /picture",
            "Ping POST /beacon",
            "Script GET /script",
            "Stylesheet GET /style",
        ];
        assert_eq!(seen, expected);
        assert_eq!(browser.requests().await, [], "they are told once");
        browser.close().await;
    }

    #[tokio::test]
    async fn what_a_policy_refused_was_not_asked() {
        let paper = Paper::start().await;
        let elsewhere = page("").await;
        paper.put("/", &format!("<!doctype html><title>News</title><script src={elsewhere}></script>"));
        let browser = Browser::open().await;
        browser.goto(&paper.url).await;
        let asked: Vec<String> = browser.requests().await.into_iter().map(|request| request.url).collect();
        assert_eq!(asked, [format!("{}/", paper.url)]);
        let console = browser.console().await;
        assert!(console[0].starts_with("security: ") && console[0].contains(&elsewhere), "{console:?}");
        browser.close().await;
    }

    #[tokio::test]
    async fn errors_and_warnings_are_seen_once_and_chatter_is_not() {
        let html = "<!doctype html><title>Loud</title><script>
            console.log('chatter'); console.warn('a warning'); nothing.there</script>";
        let browser = Browser::open().await;
        browser.goto(&page(html).await).await;
        let console = browser.console().await;
        assert_eq!(console.len(), 2, "{console:?}");
        assert!(console[0].starts_with("console-api: ") && console[0].contains("a warning"), "{console:?}");
        assert!(console[1].starts_with("javascript: ") && console[1].contains("nothing is not defined"), "{console:?}");
        assert_eq!(browser.console().await, [""; 0], "they are told once");
        browser.close().await;
    }
}
