//! The sandbox on the wire: one loopback port for the API, the checkout page and the dashboard.
//!
//! It must not decide anything about Stripe ([`super::api`] does). It serves connections itself instead of through
//! axum's server, for a fault may end a connection without an answer. Invariants: a body above 1 MiB is refused; the
//! state's lock is never held across an await.

use std::convert::Infallible;
use std::io;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use super::api::{Admitted, ApiAnswer, ApiRequest};
use super::error::ApiError;
use super::faults::ApiFault;
use super::state::API_VERSION;
use super::{Sandbox, pages};

/// The largest body the sandbox reads.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Marks a response that must never be sent: the connection is cut instead.
#[derive(Clone)]
struct Cut;

/// Accepts connections until the sandbox shuts down.
pub(super) async fn serve(sandbox: Sandbox, listener: TcpListener) {
    let router = pages::routes(sandbox.clone()).fallback_service(api_service(sandbox.clone()));
    loop {
        let accepted = tokio::select! {
            () = sandbox.stopped() => return,
            accepted = listener.accept() => accepted,
        };
        if let Ok((stream, _)) = accepted {
            let (router, sandbox) = (router.clone(), sandbox.clone());
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(router.clone(), request));
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    () = sandbox.stopped() => {}
                    // A connection that breaks is the client's matter, or was broken on purpose.
                    _ = connection => {}
                }
            });
        }
    }
}

async fn answer(router: Router, request: hyper::Request<hyper::body::Incoming>) -> io::Result<Response<Body>> {
    let response = match router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if response.extensions().get::<Cut>().is_some() {
        return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut on purpose"));
    }
    Ok(response)
}

fn api_service(
    sandbox: Sandbox,
) -> impl tower::Service<Request, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + Sync {
    tower::service_fn(move |request: Request| {
        let sandbox = sandbox.clone();
        async move { Ok(api(sandbox, request).await) }
    })
}

async fn api(sandbox: Sandbox, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = http_body_util::Limited::new(body, BODY_BYTES_MAX).collect().await else {
        return too_large(&sandbox);
    };
    let request = ApiRequest {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: text(&parts.headers, "authorization"),
        idempotency_key: text(&parts.headers, "idempotency-key"),
        stripe_version: text(&parts.headers, "stripe-version"),
        user_agent: text(&parts.headers, "user-agent"),
        body: body.to_bytes().to_vec(),
    };
    respond(&sandbox, request).await
}

async fn respond(sandbox: &Sandbox, request: ApiRequest) -> Response<Body> {
    // Taken before the fault, so that a release between the two is not missed.
    let released = sandbox.released();
    let fault = sandbox.lock().faults.take(&request.method, &request.path);
    let admitted = sandbox.lock().admit(request, fault);
    let work = match admitted {
        Admitted::Answer(answer) => return response(sandbox, &answer),
        Admitted::Work(work) => work,
    };
    if fault == Some(ApiFault::Cut) {
        sandbox.lock().abandon(&work);
        return cut();
    }
    if fault == Some(ApiFault::Stall) {
        released.await;
        let answer = sandbox.lock().work(&work, None);
        return response(sandbox, &answer);
    }
    let answer = sandbox.lock().work(&work, fault);
    match fault {
        Some(ApiFault::WorkThenCut) => cut(),
        Some(ApiFault::HalfClose) => half(sandbox, &answer),
        Some(ApiFault::WorkThenStall) => {
            released.await;
            response(sandbox, &answer)
        }
        _ => response(sandbox, &answer),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

fn cut() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(Cut);
    response
}

/// All headers and half of the body, then the end of the stream.
fn half(sandbox: &Sandbox, answer: &ApiAnswer) -> Response<Body> {
    let mut response = response(sandbox, answer);
    let length = HeaderValue::from(answer.body.len());
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    let part = answer.body.get(..answer.body.len() / 2).unwrap_or_default().to_vec();
    let broken = Err(io::Error::new(io::ErrorKind::UnexpectedEof, "half closed on purpose"));
    *response.body_mut() = Body::from_stream(futures_util::stream::iter([Ok(part), broken]));
    response
}

fn too_large(sandbox: &Sandbox) -> Response<Body> {
    let error = ApiError::too_large();
    let request_id = sandbox.lock().new_id("req");
    let body = error.body(&request_id).to_string().into_bytes();
    let answer = ApiAnswer { status: error.status, request_id, body, replayed: false, retry_after_seconds: None };
    response(sandbox, &answer)
}

fn response(sandbox: &Sandbox, answer: &ApiAnswer) -> Response<Body> {
    let mut response = Response::new(Body::from(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("stripe-version", HeaderValue::from_static(API_VERSION));
    let mut put = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    };
    put("request-id", answer.request_id.clone());
    put("date", http_date(sandbox.now()));
    if answer.replayed {
        put("idempotent-replayed", "true".to_owned());
        put("original-request", answer.request_id.clone());
    }
    if let Some(seconds) = answer.retry_after_seconds {
        put("retry-after", seconds.to_string());
    }
    response
}

/// `Tue, 24 Nov 2026 00:00:00 GMT`
fn http_date(at: i64) -> String {
    let at = jiff::Timestamp::from_second(at).unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
