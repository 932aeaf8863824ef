//! The donation back end of a newsroom that lives on its readers.
//!
//! Who may import whom (held by `tests/it/tidy.rs`):
//!
//! ```text
//! main -> cli -> app -> { http, worker } -> service -> { store, gateway, mail } -> domain
//! any layer -> config types, clock, crash, id, text, vault, telemetry
//! sandbox: imported by cli and tests only, and imports nothing but clock and id
//! ```

// The sandbox writes Stripe's objects out whole, and `json!` recurses once per token.
#![recursion_limit = "512"]

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod crash;
pub mod domain;
pub mod gateway;
pub mod http;
pub mod id;
pub mod mail;
pub mod sandbox;
pub mod service;
pub mod store;
pub mod telemetry;
pub mod text;
pub mod vault;
pub mod worker;
