//! The least a server can do: read the body and answer. In a process of its own, as Mainstay is.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use tokio::net::TcpListener;

/// The first argument, when this program is to be the bare server.
pub const FLAG: &str = "--bare";

/// Serves until it is killed; says where on standard output.
pub async fn serve() {
    let router = Router::new().route("/webhooks/stripe", post(async |_: Bytes| "{\"received\":true}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    println!("{}", listener.local_addr().expect("an address"));
    axum::serve(listener, router).await.expect("it serves");
}

/// The server as a child; killed when dropped.
pub struct Bare {
    child: Child,
    pub address: SocketAddr,
}

impl Bare {
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("this program");
        let child = Command::new(program).arg(FLAG).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("it starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        output.read_line(&mut line).expect("it says where it listens");
        Self { child, address: line.trim().parse().expect("an address") }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
