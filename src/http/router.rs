//! Every route, and what surrounds them all: the request's id, limits, headers, and errors rendered in one place.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::{RequestBodyTimeoutLayer, TimeoutLayer};
use tracing::Instrument;

use super::admin::{self, Newsroom};
use super::error::ApiError;
use super::extract::MAX_BODY;
use super::form::MAX_UPLOAD;
use super::limits::Limits;
use super::pages::Page;
use super::state::{Giving, Later, Ops, WebState};
use super::webhooks::{MAX_EVENT, Webhooks};
use super::{
    bounces, campaigns, export, give, health, manage, newsletter, openapi, pledges, reminders, webhooks, widget,
};
use crate::domain::return_url::Sites;
use crate::id::{Random, RequestId};
use crate::service::start_pledge::Pledges;

/// Longer than the longest pledge: 10 s behind another request, then at most 26 s of work.
const REQUEST: Duration = Duration::from_secs(45);
/// Between two pieces of a request's body.
const BODY_PIECE: Duration = Duration::from_secs(10);
/// Whoever says beforehand that the body is longer than this is refused without reading it. The routes' own limits are below
/// it, and say by how much.
const FAR_TOO_LONG: usize = 2 * MAX_EVENT;

/// All routes of the web role.
pub fn router(state: WebState) -> Router {
    let WebState {
        ops,
        inbox,
        asking,
        gateway,
        public_url,
        allowed_origins,
        trusted_proxies,
        webhook_secrets,
        mail_bounce_secret,
        newsletter_export_token,
        desk,
        zone,
        test_mode,
        sign_in,
        at_hand,
    } = state;
    let (store, clock, random) = (ops.store.clone(), ops.clock.clone(), ops.random.clone());
    let webhooks = Webhooks::new(inbox, webhook_secrets.into(), clock.clone());
    let limits = |counter| Limits::new(counter, clock.clone(), random.clone(), trusted_proxies);
    let newsroom = Newsroom {
        store: store.clone(),
        clock: clock.clone(),
        random: random.clone(),
        zone,
        gateway: gateway.clone(),
        public_url: public_url.clone(),
        test_mode,
        asking: asking.clone(),
        desk: desk.clone(),
        sign_in,
        at_hand,
        limits: limits("mainstay_sign_ins_refused"),
    };
    let giving = Giving {
        limits: Arc::new(limits("mainstay_pledges_refused")),
        later: Arc::new(Later { asking, limits: limits("mainstay_requests_refused") }),
        pledges: Arc::new(Pledges { store, gateway, clock, random: random.clone(), public_url: public_url.clone() }),
        sites: Arc::new(Sites { public_url, allowed_origins }),
    };
    let donors = manage::Donors {
        store: ops.store.clone(),
        clock: ops.clock.clone(),
        random: ops.random.clone(),
        zone: newsroom.zone.clone(),
        later: Arc::clone(&giving.later),
        desk: desk.clone(),
        acting: newsroom.acting(),
    };
    let api = Router::new()
        .route("/v1/campaigns/{slug}", get(campaigns::show))
        .route("/v1/pledges", post(pledges::create))
        .route("/v1/pledges/{id}", get(pledges::show))
        .route("/v1/reminders", post(reminders::create))
        .route("/v1/newsletter", post(newsletter::create))
        .route("/v1/manage-links", post(manage::create))
        .layer(cors(&giving.sites.allowed_origins))
        .with_state(giving.clone());
    let routes = api
        .merge(give::routes(giving.clone()))
        .merge(reminders::routes(giving.clone()))
        .merge(newsletter::routes(giving.clone()))
        .merge(manage::routes(Arc::new(donors)))
        .merge(bounces::routes(giving, mail_bounce_secret.as_ref()))
        .merge(widget::routes())
        .layer(RequestBodyLimitLayer::new(FAR_TOO_LONG))
        .merge(admin::router(Arc::new(newsroom)).layer(RequestBodyLimitLayer::new(MAX_UPLOAD)))
        .layer(CompressionLayer::new())
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .merge(export::routes(desk, newsletter_export_token.as_ref()))
        .merge(webhooks::routes(webhooks).layer(RequestBodyLimitLayer::new(FAR_TOO_LONG)))
        .merge(ops_routes(ops))
        .route("/openapi.yaml", get(openapi::serve));
    surround(routes, random)
}

/// The routes of a process that serves no web: health, readiness and figures.
pub fn ops_router(ops: Ops) -> Router {
    let random = ops.random.clone();
    surround(ops_routes(ops), random)
}

fn ops_routes(ops: Ops) -> Router {
    Router::new()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .with_state(ops)
}

fn surround(routes: Router, random: Random) -> Router {
    routes
        .fallback(|| async { ApiError::of_status(StatusCode::NOT_FOUND) })
        .layer(CatchPanicLayer::custom(|_| ApiError::of_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST))
        .layer(RequestBodyTimeoutLayer::new(BODY_PIECE))
        .layer(middleware::from_fn(move |request: Request, next: Next| {
            let id = RequestId::new(&random);
            async move { identified(&id, request, next).await }
        }))
}

/// Names the request, logs how it went, renders its error and adds the headers every answer has.
async fn identified(id: &RequestId, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    // The route as we wrote it: an address may hold what nobody should read in a log.
    let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", id = id.as_str(), %method, route);
    let response = next.run(request).instrument(span.clone()).await;
    let mut response = rendered(response, id.as_str());
    span.in_scope(|| tracing::debug!(status = response.status().as_u16(), "answered"));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert("x-request-id", id);
    }
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn rendered(response: Response, id: &str) -> Response {
    let status = response.status();
    let page = response.extensions().get::<Page>().is_some();
    let error = match response.extensions().get::<ApiError>() {
        Some(error) => error.clone(),
        // The router's or a middleware's own answer.
        None if !page && (status.is_client_error() || status.is_server_error()) => ApiError::of_status(status),
        None => return response,
    };
    // What surrounds the answer stays: who may read it (CORS), which methods are allowed.
    let (mut head, _) = response.into_parts();
    let (problem, body) = error.respond(id).into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.extend(problem.headers);
    Response::from_parts(head, body)
}

fn cors(allowed_origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> =
        allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE, HeaderName::from_static("idempotency-key")])
        .expose_headers([header::RETRY_AFTER, HeaderName::from_static("x-request-id")])
        .max_age(Duration::from_hours(1))
}
