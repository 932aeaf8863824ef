//! The HTTP side: routes, extractors, errors. Handlers parse, call one verb, and render.

mod ops;
pub mod server;

pub use ops::{Ops, ops_router};

use secrecy::SecretString;

use crate::clock::Clock;
use crate::gateway::Gateway;
use crate::id::Random;
use crate::service::ingest::Inbox;

/// What the web half is built from.
#[derive(Clone)]
pub struct WebState {
    pub ops: Ops,
    pub inbox: Inbox,
    pub gateway: Gateway,
    pub clock: Clock,
    pub random: Random,
    pub public_url: String,
    pub allowed_origins: Vec<String>,
    pub webhook_secrets: Vec<SecretString>,
}

/// All routes of the web half.
pub fn router(state: WebState) -> axum::Router {
    ops_router(state.ops)
}
