//! Who may come in: asked before a handler runs, by what its route needs.
//!
//! Pages know people by a cookie, the API by a bearer token; a cookie also fetches from the API, so that a page may link to
//! an export. Nothing that changes anything is taken from another site, nor does anything here answer one. It must not say
//! more to whoever is not let in than that.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use url::form_urlencoded;

use super::super::bearer;
use super::super::client::{Client, Peer};
use super::super::error::ApiError;
use super::super::same_site::{cookie, crosses};
use super::view::View;
use super::{Admin, Newsroom};
use crate::domain::admin::{Role, Scope};
use crate::service::admin::access::{By, Signed};

/// What a counter of limits is kept under.
pub const LIMITED: &str = "admin";
/// The session's cookie.
pub const COOKIE: &str = "__Host-mainstay";
/// What begins the addresses of pages.
const PAGES: &str = "/admin";

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is how one comes in.
    Nobody,
    /// Any person who is signed in, whether or not they have yet to set one-time codes up.
    Person,
    /// A person of this role or above.
    Role(Role),
    /// A person of this role or above, or a program with a token for this.
    RoleOrScope(Role, Scope),
}

impl Need {
    pub fn met_by(self, signed: &Signed) -> bool {
        match self {
            Self::Nobody => true,
            Self::Person => signed.may(Role::Viewer),
            Self::Role(role) => signed.may(role),
            Self::RoleOrScope(role, scope) => signed.may(role) || signed.has_scope(scope),
        }
    }
}

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

impl ApiError {
    /// 403: signed in, but this is for others.
    pub fn forbidden() -> Self {
        Self::with(StatusCode::FORBIDDEN, "forbidden", "you may not do this; ask an admin of this newsroom")
    }

    /// 403: what another site had a browser send.
    pub fn cross_site() -> Self {
        Self::with(StatusCode::FORBIDDEN, "cross_site", "this was sent by another site, and nothing was done")
    }
}
