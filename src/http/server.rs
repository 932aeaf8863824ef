//! Accepting connections, within bounds, and letting go of them in order.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::client::Peer;

/// Connections served at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// Open files that are never connections of clients: the database, Stripe, what the program itself has open.
const OTHER_FILES: usize = 128;
/// How long a client may take to send a request's head, also between two requests of one connection.
const HEAD: Duration = Duration::from_secs(10);
/// Header bytes and the like of one connection.
const MAX_BUFFER: usize = 64 * 1024;
/// How long a client may take nothing of its answer.
#[cfg(target_os = "linux")]
const DEAF: Duration = Duration::from_secs(20);
/// How long requests in flight may take to finish when we stop.
const GRACE: Duration = Duration::from_secs(8);

/// How many files this process may have open, raised as far as it may be: the usual 1024 would be used up by idle sockets.
#[cfg(unix)]
fn open_files() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = if raised.is_ok() { maximum } else { current };
    limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn open_files() -> usize {
    usize::MAX
}

/// Lets the kernel end a connection whose client takes nothing of what we send for [`DEAF`].
#[cfg(target_os = "linux")]
fn forget_the_deaf(stream: &TcpStream) -> rustix::io::Result<()> {
    rustix::net::sockopt::set_tcp_user_timeout(stream, DEAF.as_millis().try_into().unwrap_or(u32::MAX))
}

#[cfg(not(target_os = "linux"))]
fn forget_the_deaf(_: &TcpStream) -> std::io::Result<()> {
    Ok(())
}

/// Serves `router` on `listener` until `stop`, then finishes what is in flight within [`GRACE`].
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS.min(open_files().saturating_sub(OTHER_FILES).max(1))));
    let mut connections = JoinSet::new();
    loop {
        // Those that have ended are let go of.
        while connections.try_join_next().is_some() {}
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = stop.cancelled() => break,
            next = next => next,
        };
        let Ok((stream, address)) = accepted else {
            // Out of file descriptors: connections that end make room.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Answers are small and waited for.
        let _ = stream.set_nodelay(true);
        let _ = forget_the_deaf(&stream);
        let service = router.clone().map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer::from(address));
            request
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            // How a client goes away is its own affair.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut");
        connections.shutdown().await;
    }
}
