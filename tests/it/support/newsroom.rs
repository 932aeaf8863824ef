//! The newsroom's own people, as tests need them: made and signed in through the real doors, or beside them where only
//! what comes afterwards is looked at.

use mainstay::domain::admin::Role;
use mainstay::domain::email_address::EmailAddress;
use mainstay::id::{Random, SessionId};
use mainstay::service::admin::{Office, hash, jwt};
use mainstay::store::{NewSession, SessionKind};
use reqwest::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};

use super::app::{TestApp, reader};

pub const PASSWORD: &str = "seven herons wade";
/// The cookie of a session.
pub const SESSION: &str = "__Host-mainstay";

/// An answer, taken apart.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: String,
    /// Of the session, where the answer sets one.
    pub cookie: Option<String>,
    pub headers: reqwest::header::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

/// Sends a request and takes its answer apart.
pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let location = text(LOCATION);
    let mut set = headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok());
    let value = |line: &str| {
        let rest = line.strip_prefix(SESSION)?.strip_prefix('=')?;
        Some(rest.split(';').next().unwrap_or_default().to_owned())
    };
    let cookie = set.find_map(value);
    let body = response.text().await.expect("a body");
    Answer { status, location, cookie, headers, body }
}

/// The token at the end of a link.
pub fn token_of(link: &str) -> &str {
    link.rsplit('/').next().expect("a last part")
}

impl TestApp {
    /// A request of somebody with this session's cookie, as a browser on our own page sends it.
    pub fn asks(&self, method: &str, path: &str, cookie: Option<&str>) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.url)).header("sec-fetch-site", "same-origin");
        let request = request.header("x-forwarded-for", reader());
        match cookie {
            Some(cookie) => request.header(COOKIE, format!("{SESSION}={cookie}")),
            None => request,
        }
    }

    /// Looks at a page.
    pub async fn look(&self, path: &str, cookie: &str) -> Answer {
        answer(self.asks("GET", path, Some(cookie))).await
    }

    /// Submits a form of a page.
    pub async fn submit(&self, path: &str, cookie: Option<&str>, form: &[(&str, &str)]) -> Answer {
        answer(self.asks("POST", path, cookie).form(form)).await
    }

    /// Somebody who has set their password by their link; their id.
    pub async fn person(&self, email: &str, role: Role) -> String {
        let address = EmailAddress::parse(email).expect("an address");
        let link = self.office().create("command_line", &address, role).await.expect("somebody is made");
        let form = [("password", PASSWORD), ("again", PASSWORD)];
        let followed = self.submit(&format!("/admin/link/{}", token_of(&link)), None, &form).await;
        assert_eq!((followed.status, followed.location.as_str()), (303, "/admin/sign-in"), "{}", followed.body);
        self.office().find(&address).await.expect("they are found").id
    }

    /// Signs in on the page.
    pub async fn signs_in(&self, email: &str, password: &str, code: &str) -> Answer {
        let form = [("email", email), ("password", password), ("code", code)];
        self.submit("/admin/sign-in", None, &form).await
    }

    /// The cookie of a fresh session of somebody, without the time a password takes.
    pub async fn session(&self, admin_id: &str) -> String {
        let cookie = format!("cookie-{}", Random::system().hex());
        begin(self.office(), admin_id, SessionKind::Page, &cookie).await;
        cookie
    }

    /// An access token of a fresh session of somebody.
    pub async fn access_token(&self, admin_id: &str) -> String {
        let id = begin(self.office(), admin_id, SessionKind::Api, &Random::system().hex()).await;
        jwt::sign(self.office(), admin_id, &id).expect("it is signed")
    }

    /// A request of the API with this token.
    pub async fn with_token(&self, method: &str, path: &str, token: &str) -> Answer {
        let request = self.http.request(method.parse().expect("a method"), format!("{}{path}", self.url));
        answer(request.header(AUTHORIZATION, format!("Bearer {token}"))).await
    }

    /// Signs in through the API.
    pub async fn api_sign_in(&self, email: &str, password: &str, code: Option<&str>) -> Answer {
        let mut body = json!({"email": email, "password": password});
        if let Some(code) = code {
            body["totp"] = json!(code);
        }
        let request = self.http.post(format!("{}/v1/admin/sessions", self.url)).json(&body);
        answer(request.header("x-forwarded-for", reader())).await
    }

    /// The actions of the audit log with whom they are about, the oldest first.
    pub async fn audited(&self) -> Vec<String> {
        self.database.rows("SELECT action || ' by ' || actor AS line FROM audit_log ORDER BY at, id").await
    }
}

async fn begin(office: &Office, admin_id: &str, kind: SessionKind, token: &str) -> String {
    let (id, at) = (String::from(SessionId::new(&Random::system())), office.clock.now());
    let session = NewSession { id: id.clone(), admin_id: admin_id.to_owned(), kind, token_hash: hash(token), at };
    office.store.begin_session(&session, 0).await.expect("a session begins");
    id
}
