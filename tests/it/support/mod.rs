//! What the tests stand on: the real server with the sandbox as its Stripe, fresh databases on both kinds, a private
//! PostgreSQL cluster, a browser with a newspaper to read in it, and a supervisor that takes the programs down again.
//!
//! Nothing here may replace a layer of the product by a double: it starts the real thing beside us.

pub mod app;
pub mod axe;
pub mod browser;
pub mod database;
pub mod desk;
pub mod donors;
pub mod erasing;
pub mod gate;
pub mod journeys;
pub mod later;
pub mod log;
pub mod loopback;
pub mod newsroom;
pub mod notices;
pub mod older;
pub mod outbox;
pub mod paper;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod reports;
pub mod reversals;
pub mod settled;
pub mod smtp;
pub mod stored;
pub mod story;
pub mod supervisor;
pub mod wait;

/// A variable that `scripts/test` hands to the tests, or one of the system's. Empty is the same as absent.
#[expect(clippy::disallowed_methods, reason = "the product's settings do not concern the tests' own tools")]
pub fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
