//! Who may come in: asked before a handler runs, by what its route needs.
//!
//! Pages know people by a cookie, the API by a bearer token; a cookie also fetches from the API, so that a page may link to
//! an export. Nothing that changes anything is taken from another site, nor does anything here answer one. It must not say
//! more to whoever is not let in than that.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use url::form_urlencoded;

use super::super::bearer;
use super::super::client::{Client, Peer};
use super::super::error::ApiError;
use super::routes::Need;
use super::view::View;
use super::{Admin, Newsroom};
use crate::service::admin::access::{By, Signed};

/// The session's cookie. The prefix makes browsers hold us to `Secure`, the whole host and the root (RFC 6265bis).
pub const COOKIE: &str = "__Host-mainstay";
/// What begins the addresses of pages.
const PAGES: &str = "/admin";

#[derive(Clone)]
pub struct Guard {
    pub admin: Admin,
    pub need: Need,
}

/// Whoever was let in. Only where a route needs somebody: elsewhere there is nobody, and asking is 401.
pub struct Who(pub Signed);

impl<S: Send + Sync> FromRequestParts<S> for Who {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Signed>().cloned().map(Self).ok_or_else(ApiError::unauthorized)
    }
}

impl FromRequestParts<Admin> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Infallible> {
        Ok(Self::at(parts.extensions.get::<Peer>(), &parts.headers, admin.limits.trusted_proxies()))
    }
}

/// Lets a request in, or says why not.
pub async fn admit(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let Guard { admin, need } = guard;
    let (mut head, body) = request.into_parts();
    let is_page = head.uri.path().starts_with(PAGES);
    let mut view = View::of(&admin, &head);
    let answer = match pass(&admin, need, &view, &head).await {
        Ok(signed) => {
            view.signed.clone_from(&signed);
            if let Some(signed) = signed {
                head.extensions.insert(signed);
            }
            head.extensions.insert(view.clone());
            Ok(next.run(Request::from_parts(head, body)).await)
        }
        Err(refused) => Err(refused),
    };
    let mut response = match answer {
        Ok(response) => match response.extensions().get::<ApiError>() {
            Some(error) if is_page => view.problem(&error.clone()),
            _ => response,
        },
        Err(Refusal::Answer(response)) => *response,
        Err(Refusal::Error(error)) if is_page => view.problem(&error),
        Err(Refusal::Error(error)) => error.into_response(),
    };
    if is_page {
        view.remember_language(response.headers_mut());
    }
    guarded(response)
}

/// What every answer from here has.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.append(header::VARY, HeaderValue::from_static("Cookie, Sec-Fetch-Site"));
    response
}

enum Refusal {
    Error(ApiError),
    Answer(Box<Response>),
}

impl<E: Into<ApiError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

async fn pass(admin: &Newsroom, need: Need, view: &View, head: &Parts) -> Result<Option<Signed>, Refusal> {
    let (method, headers, path) = (&head.method, &head.headers, head.uri.path());
    let is_page = path.starts_with(PAGES);
    if crosses(method, headers, is_page) {
        return Err(ApiError::cross_site().into());
    }
    let Some(sign_in) = &admin.sign_in else {
        let answer =
            if is_page { view.without_key() } else { ApiError::switched_off("MAINSTAY_ADMIN_KEY").into_response() };
        return Err(Refusal::Answer(Box::new(answer)));
    };
    let signed = match bearer::token(headers) {
        Some(token) if !is_page => sign_in.office.by_token(token).await?,
        _ if is_page || matches!(*method, Method::GET | Method::HEAD) => match cookie(headers, COOKIE) {
            Some(cookie) => sign_in.office.by_cookie(cookie).await?,
            None => None,
        },
        _ => None,
    };
    if need == Need::Nobody {
        return Ok(signed);
    }
    let Some(signed) = signed else {
        return Err(if is_page { to_sign_in(method, &head.uri) } else { ApiError::unauthorized().into() });
    };
    if !need.met_by(&signed) {
        return Err(ApiError::forbidden().into());
    }
    // Whoever has yet to set one-time codes up may do that, and nothing else.
    let lacks_totp = sign_in.totp_required && !signed.has_totp && !matches!(signed.by, By::Token(_));
    if lacks_totp && need != Need::Person {
        return Err(if is_page {
            Refusal::Answer(Box::new(Redirect::to("/admin/me").into_response()))
        } else {
            ApiError::forbidden().into()
        });
    }
    Ok(Some(signed))
}

/// Where somebody signs in, and then comes back to what they wanted to see.
fn to_sign_in(method: &Method, uri: &Uri) -> Refusal {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let wanted = uri.path_and_query().map_or(PAGES, |wanted| wanted.as_str());
    if *method == Method::GET && wanted != PAGES {
        query.append_pair("next", wanted);
    }
    let query = query.finish();
    let address = if query.is_empty() { "/admin/sign-in".to_owned() } else { format!("/admin/sign-in?{query}") };
    Refusal::Answer(Box::new(Redirect::to(&address).into_response()))
}

/// Whether a request comes from another site. Browsers say so themselves (Fetch Metadata); older ones name the origin when
/// something is posted. Programs say neither, and have no cookie to be misused.
fn crosses(method: &Method, headers: &HeaderMap, is_page: bool) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("cross-site"));
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match text("sec-fetch-site") {
        Some("same-origin") => false,
        // Typed by hand, or from a bookmark.
        Some("none") => !reads,
        // A link in a mail or a chat may open a page; nothing else here is for other sites.
        Some(_) => {
            !(reads
                && is_page
                && text("sec-fetch-mode") == Some("navigate")
                && text("sec-fetch-dest") == Some("document"))
        }
        None if reads => false,
        None => match text("origin") {
            Some(origin) => {
                let host = origin.split_once("://").map_or("", |(_, host)| host);
                host.is_empty() || text("host") != Some(host)
            }
            None => is_page,
        },
    }
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Hands the cookie of a session over, or takes it back.
pub fn set_cookie(headers: &mut HeaderMap, value: Option<&str>) {
    let (value, age) = value.map_or(("", "; Max-Age=0"), |value| (value, ""));
    let line = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}");
    if let Ok(line) = HeaderValue::from_str(&line) {
        headers.append(header::SET_COOKIE, line);
    }
}

impl ApiError {
    /// 403: signed in, but this is for others.
    pub fn forbidden() -> Self {
        Self::with(StatusCode::FORBIDDEN, "forbidden", "you may not do this; ask an admin of this newsroom")
    }

    /// 403: what another site had a browser send.
    fn cross_site() -> Self {
        Self::with(StatusCode::FORBIDDEN, "cross_site", "this was sent by another site, and nothing was done")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crossing(method: &Method, lines: &[(&'static str, &'static str)], is_page: bool) -> bool {
        let headers =
            lines.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        crosses(method, &headers.collect(), is_page)
    }

    #[test]
    fn what_another_site_sends_is_told_from_what_is_ours() {
        let site = |site| ("sec-fetch-site", site);
        let opens = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        for (method, lines, page, crosses) in [
            (Method::POST, vec![site("same-origin")], true, false),
            (Method::POST, vec![site("same-site")], true, true),
            (Method::POST, vec![site("cross-site")], true, true),
            (Method::POST, vec![site("cross-site"), opens[0], opens[1]], true, true),
            (Method::POST, vec![site("none")], true, true),
            (Method::POST, vec![("host", "a.example"), ("origin", "https://a.example")], true, false),
            (Method::POST, vec![("host", "a.example"), ("origin", "https://b.example")], true, true),
            (Method::POST, vec![("host", "a.example"), ("origin", "null")], true, true),
            (Method::POST, vec![("host", "a.example")], true, true),
            (Method::POST, vec![("host", "a.example")], false, false),
            (Method::GET, vec![], true, false),
            (Method::GET, vec![site("none")], true, false),
            (Method::GET, vec![site("cross-site"), opens[0], opens[1]], true, false),
            (Method::GET, vec![site("cross-site"), opens[0], ("sec-fetch-dest", "iframe")], true, true),
            (Method::GET, vec![site("cross-site"), ("sec-fetch-mode", "no-cors")], true, true),
            (Method::GET, vec![site("cross-site"), opens[0], opens[1]], false, true),
            (Method::GET, vec![site("same-site"), ("sec-fetch-mode", "cors")], false, true),
        ] {
            assert_eq!(crossing(&method, &lines, page), crosses, "{method} {lines:?} {page}");
        }
    }

    #[test]
    fn a_cookie_is_found_by_its_whole_name() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; x__Host-mainstay=2; __Host-mainstay-other=3"));
        assert_eq!(cookie(&headers, COOKIE), None);
        headers.append(header::COOKIE, HeaderValue::from_static("b=2;__Host-mainstay=4"));
        assert_eq!(cookie(&headers, COOKIE), Some("4"));
    }
}
