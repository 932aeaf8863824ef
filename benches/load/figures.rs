//! The figures of one database, each on a database of its own.

pub mod acknowledged;
pub mod backlog;
pub mod cpu;
pub mod dashboard;
pub mod demo;
pub mod newsroom;
pub mod reminders;
pub mod reports;
pub mod start;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mainstay::sandbox::Sandbox;

use crate::database::{Database, Inbox, Template};
use crate::report::Report;
use crate::scale::Scale;
use crate::story::Event;
use crate::support::process::Server;

/// Something is done so often before it is measured, and so often while.
const WARM: usize = 20;
const MEASURED: usize = 300;
/// How often the bench looks whether the inbox is empty.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What every figure is measured with.
pub struct Bench {
    pub scale: Scale,
    pub template: Template,
    /// Everything Stripe said, in its order.
    pub all: Vec<Arc<Event>>,
    /// The same without the types that are kept and ignored.
    pub acted_on: Vec<Arc<Event>>,
    /// What the servers take for Stripe; it knows nothing, and writes down who asks.
    pub sandbox: Sandbox,
    pub report: Report,
}

impl Bench {
    /// Runs `serve` with further arguments.
    fn serve(&self, database: &Database, arguments: &[&str]) -> Server {
        let quiet = ["--log", "warn"];
        let arguments: Vec<&str> = arguments.iter().chain(&quiet).copied().collect();
        Server::start(&database.url, &self.sandbox.url(), database.folder.path(), &arguments)
    }

    fn add(&mut self, figure: &str, value: f64, digits: usize, target: crate::report::Target) {
        self.report.add(self.template.kind, figure, value, digits, target);
    }
}

/// The address behind a server's URL.
fn address(server: &Server) -> std::net::SocketAddr {
    server.url.trim_start_matches("http://").parse().expect("an address")
}

/// Waits until no event is left to be applied, or until `at_most` is over; answers how many are left.
async fn drain(inbox: &Inbox, at_most: Duration) -> usize {
    let begin = Instant::now();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    while begin.elapsed() < at_most && !inbox.is_drained().await {
        looks.tick().await;
    }
    assert_eq!(inbox.parked().await, 0, "events were parked");
    inbox.received().await
}

/// Ends a server in order.
fn end(server: Server) {
    assert!(server.terminate().success(), "the server ended badly");
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The median and the 99th percentile of doing something again and again, one after the other, in ms.
async fn times(once: impl AsyncFn()) -> (f64, f64) {
    let mut took = Vec::with_capacity(MEASURED);
    for nth in 0..WARM + MEASURED {
        let begin = Instant::now();
        once().await;
        if nth >= WARM {
            took.push(begin.elapsed().as_secs_f64() * 1e3);
        }
    }
    took.sort_unstable_by(f64::total_cmp);
    (took[took.len() / 2], took[took.len() * 99 / 100])
}
