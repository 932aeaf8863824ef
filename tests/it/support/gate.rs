//! A gate before the server under test: it passes everything on, unless a test tells it to keep an answer back or to give
//! one of its own. A browser that talks through it sees the real server in states that are hard to hold still.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::loopback;

/// A running gate.
#[derive(Clone)]
pub struct Gate {
    /// Its origin, without a trailing slash.
    pub url: String,
    keeper: Arc<Keeper>,
}

struct Keeper {
    server: String,
    http: reqwest::Client,
    orders: Mutex<Orders>,
    opened: Notify,
}

/// An answer that is not the server's: status, headers, body.
type Own = (u16, Vec<(&'static str, String)>, Value);

#[derive(Default)]
struct Orders {
    held: Vec<String>,
    answers: BTreeMap<String, Own>,
    /// Fields that a campaign's answer gets.
    offered: Option<Value>,
    asked: Vec<(String, String)>,
}

impl Gate {
    /// A path that leads nowhere: whoever is sent there stays on the page they are on.
    pub const NOWHERE: &str = "/nowhere";

    /// Before the server at `url`.
    pub async fn before(url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
        let keeper = Arc::new(Keeper {
            server: url.to_owned(),
            http: http.expect("a client"),
            orders: Mutex::default(),
            opened: Notify::new(),
        });
        let address = loopback::serve(Router::new().fallback(pass).with_state(Arc::clone(&keeper))).await;
        Self { url: format!("http://{address}"), keeper }
    }

    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.keeper.orders()
    }

    /// Requests to paths that begin so wait until [`Gate::open`].
    pub fn hold(&self, path: &str) {
        self.orders().held.push(path.to_owned());
    }

    /// Lets everything through again that was held, and answers nothing by itself any more.
    pub fn open(&self) {
        self.orders().answers.clear();
        self.release();
    }

    /// Lets through what is held, and holds nothing more.
    pub fn release(&self) {
        self.orders().held.clear();
        self.keeper.opened.notify_waiters();
    }

    /// Posts to this path are answered so, and not passed on.
    pub fn answer(&self, path: &str, status: u16, headers: &[(&'static str, &str)], body: Value) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.orders().answers.insert(path.to_owned(), (status, headers, body));
    }

    /// Campaigns offer neither reminders nor the newsletter.
    pub fn offer_nothing_later(&self) {
        self.orders().offered = Some(json!({"reminder": null, "newsletter": null}));
    }

    /// Campaigns offer what the server says.
    pub fn offer_as_it_is(&self) {
        self.orders().offered = None;
    }

    /// Campaigns have an issue to look at and a policy besides.
    pub fn offer_links(&self) {
        self.orders().offered = Some(json!({
            "newsletter_preview_url": "https://paper.example/newsletter",
            "policy_url": "https://paper.example/privacy",
        }));
    }

    /// The bodies of the posts to `path` so far.
    pub fn posted(&self, path: &str) -> Vec<Value> {
        let orders = self.orders();
        let bodies = orders.asked.iter().filter(|(asked, _)| asked == path).map(|(_, body)| body);
        bodies.map(|body| serde_json::from_str(body).expect("JSON")).collect()
    }
}

impl Keeper {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn let_in(&self, path: &str) {
        loop {
            let opened = self.opened.notified();
            if !self.orders().held.iter().any(|held| path.starts_with(held)) {
                return;
            }
            opened.await;
        }
    }
}

async fn pass(
    State(keeper): State<Arc<Keeper>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().to_owned();
    if method == Method::POST {
        keeper.orders().asked.push((path.clone(), String::from_utf8_lossy(&body).into_owned()));
    }
    if method != Method::OPTIONS {
        keeper.let_in(&path).await;
    }
    if path == Gate::NOWHERE {
        // A browser that is sent here stays where it is.
        return StatusCode::NO_CONTENT.into_response();
    }
    let origin = headers.get(header::ORIGIN).cloned().unwrap_or(HeaderValue::from_static("null"));
    let own = (method == Method::POST).then(|| keeper.orders().answers.get(&path).cloned()).flatten();
    if let Some((status, more, body)) = own {
        let mut answer = (StatusCode::from_u16(status).expect("a status"), axum::Json(body)).into_response();
        answer.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        answer.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        for (name, value) in more {
            answer.headers_mut().insert(name, HeaderValue::from_str(&value).expect("a value"));
        }
        return answer;
    }
    if method == Method::OPTIONS && !path.starts_with("/v1/pledges") && !path.starts_with("/v1/campaigns") {
        // What the server does not know yet it does not allow yet.
        let allowed = [("access-control-allow-methods", "POST"), ("access-control-allow-headers", "content-type")];
        return ([(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin)], allowed).into_response();
    }
    let address = format!("{}{}", keeper.server, uri.path_and_query().map_or("/", |path| path.as_str()));
    let mut request = keeper.http.request(method, address).body(body);
    for (name, value) in headers.iter().filter(|(name, _)| !["host", "accept-encoding"].contains(&name.as_str())) {
        request = request.header(name, value);
    }
    let answer = request.send().await.expect("the server answers");
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::TRANSFER_ENCODING);
    let mut body = answer.bytes().await.expect("a body").to_vec();
    let offered = keeper.orders().offered.clone().filter(|_| path.starts_with("/v1/campaigns/"));
    if let Some(Value::Object(offered)) = offered {
        let mut campaign: Value = serde_json::from_slice(&body).expect("a campaign");
        campaign.as_object_mut().expect("an object").extend(offered);
        body = serde_json::to_vec(&campaign).expect("JSON");
    }
    let mut answer = (status, body).into_response();
    *answer.headers_mut() = headers;
    answer
}
