//! The donor's own side: a link is mailed to whoever asks, opens one browser's session, and shows what they give, to be seen,
//! changed, stopped, taken along or erased. No password, no account, no script.
//!
//! Pages that show what is known of somebody are served only where it can be opened. GET changes nothing. Whatever is done
//! at Stripe is said to be done once an event said so. An address is never shown and never changed here.

mod erase;
mod links;
mod overview;
mod papers;
mod pledge;
mod stop;
mod visit;
mod words;

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, http::HeaderValue, http::header};
use jiff::tz::TimeZone;

use super::client::{Client, Peer};
use super::error::ApiError;
use super::same_site::crosses;
use super::state::Later;
use crate::clock::Clock;
use crate::id::Random;
use crate::service::act::Acting;
use crate::service::later::Desk;
use crate::store::Store;

pub use links::{__path_create, ManageAsked, ManageRequest, create};
pub use visit::Visit;

/// What the handlers here work with.
pub struct Donors {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    /// The newsroom's.
    pub zone: TimeZone,
    pub later: Arc<Later>,
    /// Opens what is sealed; set where this process also works.
    pub desk: Option<Desk>,
    pub acting: Acting,
}

pub type DonorState = Arc<Donors>;

impl FromRequestParts<DonorState> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, donors: &DonorState) -> Result<Self, Infallible> {
        let proxies = donors.later.limits.trusted_proxies();
        Ok(Self::at(parts.extensions.get::<Peer>(), &parts.headers, proxies))
    }
}

impl Donors {
    /// What opens addresses, in a process that may.
    fn desk(&self) -> Result<&Desk, ApiError> {
        self.desk.as_ref().ok_or_else(|| {
            ApiError::elsewhere(
                "this process serves the web only and cannot open addresses; run `mainstay serve` as one process",
            )
        })
    }
}

/// The pages.
pub fn routes(state: DonorState) -> Router {
    Router::new()
        .route("/manage", get(overview::show))
        .route("/manage/link", get(links::back).post(links::ask))
        .route("/manage/leave", post(links::leave))
        .route("/manage/pledges/{id}", get(pledge::show))
        .route("/manage/pledges/{id}/{what}", get(pledge::back).post(pledge::change))
        .route("/manage/receipts/{payment}", get(papers::receipt))
        .route("/manage/statement", get(papers::statement))
        .route("/manage/data", get(papers::data))
        .route("/manage/reminders/{id}/cancel", post(overview::cancel_reminder))
        .route("/manage/newsletter/{id}/unsubscribe", post(overview::unsubscribe))
        .route("/manage/erase", get(erase::show).post(erase::ask))
        .route("/m/{token}", get(links::show).post(links::open))
        .route("/s/{token}", get(stop::show).post(stop::stop))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), guard))
        .with_state(state)
}

/// Takes nothing that another site had a browser send, and lets nothing be kept.
async fn guard(State(_): State<DonorState>, visit: Visit, request: Request, next: Next) -> Response {
    let mut response = if crosses(request.method(), request.headers(), true) {
        visit.problem(&ApiError::cross_site())
    } else {
        next.run(request).await
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
