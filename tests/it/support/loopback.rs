//! Small servers on loopback that are there as long as the test runs.

use std::net::SocketAddr;

use axum::Router;
use axum::response::Html;
use axum::routing::get;

/// Serves `router` on a free port of 127.0.0.1.
pub async fn serve(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The address of a server with this one page.
pub async fn page(html: &'static str) -> String {
    format!("http://{}/", serve(Router::new().route("/", get(move || async move { Html(html) }))).await)
}
