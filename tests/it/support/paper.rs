//! A newspaper's website: another origin and another site than the server under test, and as strict towards its own pages
//! as a careful newspaper is. Nothing is allowed there that a test did not allow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};

use super::loopback;

/// The directives that `default-src` does not stand in for are closed by name.
const CLOSED: [&str; 4] = ["default-src", "base-uri", "form-action", "frame-ancestors"];

/// A newspaper that is online as long as the test runs.
#[derive(Clone, Debug)]
pub struct Paper {
    /// Its origin, without a trailing slash. Its host is `localhost`, where the servers under test are `127.0.0.1`: for a
    /// browser that is another site, which decides about cookies too, and is secure as HTTPS is.
    pub url: String,
    press: Arc<Mutex<Press>>,
}

#[derive(Debug, Default)]
struct Press {
    pages: BTreeMap<String, String>,
    allowed: BTreeMap<String, Vec<String>>,
}

impl Paper {
    /// A newspaper without pages.
    pub async fn start() -> Self {
        let press = Arc::new(Mutex::new(Press::default()));
        let address = loopback::serve(Router::new().fallback(answer).with_state(Arc::clone(&press))).await;
        Self { url: format!("http://localhost:{}", address.port()), press }
    }

    /// Publishes a page, a script (`/own.js`) or a style sheet (`/own.css`) at `path`, or replaces it.
    pub fn put(&self, path: &str, text: &str) {
        locked(&self.press).pages.insert(path.to_owned(), text.to_owned());
    }

    /// Allows every page what `source` says: `allow("script-src", &app.url)`, `allow("style-src", "'self'")`. It adds to
    /// what was allowed before.
    ///
    /// # Panics
    /// On what would make the policy no policy.
    pub fn allow(&self, directive: &str, source: &str) {
        assert!(!source.contains("unsafe-") && source != "*", "no careful newspaper allows {source}");
        locked(&self.press).allowed.entry(directive.to_owned()).or_default().push(source.to_owned());
    }
}

impl Press {
    fn policy(&self) -> String {
        let closed =
            CLOSED.iter().filter(|name| !self.allowed.contains_key(**name)).map(|name| format!("{name} 'none'"));
        let allowed = self.allowed.iter().map(|(name, sources)| format!("{name} {}", sources.join(" ")));
        closed.chain(allowed).collect::<Vec<_>>().join("; ")
    }
}

fn locked(press: &Mutex<Press>) -> MutexGuard<'_, Press> {
    press.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(press): State<Arc<Mutex<Press>>>, uri: Uri) -> Response {
    let press = locked(&press);
    let Some(text) = press.pages.get(uri.path()) else { return StatusCode::NOT_FOUND.into_response() };
    let kind = match uri.path().rsplit_once('.') {
        Some((_, "js")) => "text/javascript",
        Some((_, "css")) => "text/css",
        _ => "text/html; charset=utf-8",
    };
    ([(CONTENT_TYPE, kind.to_owned()), (CONTENT_SECURITY_POLICY, press.policy())], text.clone()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
    use axum::routing::get;

    use super::*;
    use crate::support::browser::Browser;

    /// A server whose answers any page may read, so that only the newspaper's own policy can be in the way.
    async fn open_server() -> String {
        let script = "fetch(new URL('/said', document.currentScript.src)).then(answer => answer.text())
            .then(text => document.title = text, () => document.title = 'refused')";
        let answer = |kind: &'static str, text: &'static str| {
            get(move || async move { ([(CONTENT_TYPE, kind), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")], text) })
        };
        let router = Router::new()
            .route("/script.js", answer("text/javascript", script))
            .route("/said", answer("text/plain", "answered"));
        format!("http://{}", loopback::serve(router).await)
    }

    #[tokio::test]
    async fn a_newspaper_runs_and_asks_only_what_its_policy_allows() {
        let (mainstay, paper) = (open_server().await, Paper::start().await);
        let html = format!("<!doctype html><title>News</title><script async src={mainstay}/script.js></script>");
        paper.put("/article", &html);
        paper.allow("script-src", &mainstay);
        let browser = Browser::open().await;

        browser.goto(&format!("{}/article", paper.url)).await;
        browser.until_title("refused").await;
        let console = browser.console().await;
        assert!(
            console.iter().any(|line| line.contains("/said") && line.contains("\"default-src 'none'\"")),
            "{console:?}"
        );

        paper.allow("connect-src", &mainstay);
        browser.goto(&format!("{}/article", paper.url)).await;
        browser.until_title("answered").await;
        assert_eq!(browser.console().await, [""; 0]);
        browser.close().await;
    }

    #[tokio::test]
    async fn a_newspaper_runs_no_inline_script_and_takes_no_inline_style() {
        let paper = Paper::start().await;
        paper.put("/own.js", "document.title = getComputedStyle(document.body).marginTop");
        paper.put("/own.css", "body { margin: 7px }");
        paper.put(
            "/",
            "<!doctype html><title>News</title><link rel=stylesheet href=/own.css><style>body { margin: 9px }</style>
            <body><script src=/own.js></script><script>document.title = 'inline'</script>",
        );
        paper.allow("script-src", "'self'");
        paper.allow("style-src", "'self'");
        let browser = Browser::open().await;
        browser.goto(&paper.url).await;
        browser.until_title("7px").await;
        let console = browser.console().await;
        assert_eq!(console.iter().filter(|line| line.contains("inline s")).count(), 2, "{console:?}");
        browser.close().await;
    }

    #[tokio::test]
    #[should_panic(expected = "no careful newspaper allows 'unsafe-inline'")]
    async fn a_newspaper_cannot_be_made_careless() {
        Paper::start().await.allow("script-src", "'unsafe-inline'");
    }
}
