//! What routes are given to work with. Handlers take it by `State`; the router hands it out.

use std::sync::Arc;

use jiff::tz::TimeZone;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;

use super::limits::Limits;
use crate::clock::Clock;
use crate::domain::return_url::Sites;
use crate::gateway::Gateway;
use crate::id::Random;
use crate::service::admin::sign_in::SignIn;
use crate::service::ingest::Inbox;
use crate::service::later::{Asking, Desk};
use crate::service::reports::at_hand::AtHand;
use crate::service::start_pledge::Pledges;
use crate::store::Store;

/// What the routes for machines need.
#[derive(Clone)]
pub struct Ops {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    pub metrics: PrometheusHandle,
}

/// What the web role is built from.
pub struct WebState {
    pub ops: Ops,
    pub inbox: Inbox,
    pub asking: Asking,
    pub gateway: Gateway,
    /// Our own origin, without a trailing slash.
    pub public_url: String,
    /// Exact origins, such as `https://paper.example`.
    pub allowed_origins: Vec<String>,
    /// Proxies of ours that stand in front, each adding to `X-Forwarded-For`.
    pub trusted_proxies: usize,
    /// The signing secrets in force.
    pub webhook_secrets: Vec<SecretString>,
    /// By which bounces are reported.
    pub mail_bounce_secret: Option<SecretString>,
    /// By which readers of the newsletter are fetched.
    pub newsletter_export_token: Option<SecretString>,
    /// Opens what is sealed; set where this process also works.
    pub desk: Option<Desk>,
    /// The newsroom's.
    pub zone: TimeZone,
    /// Whether no real money moves.
    pub test_mode: bool,
    /// Lets the newsroom's people in; none where there is no key for it.
    pub sign_in: Option<SignIn>,
    /// What the dashboard shows of what recurs.
    pub at_hand: AtHand,
}

/// What giving needs.
#[derive(Clone)]
pub struct Giving {
    pub pledges: Arc<Pledges>,
    pub sites: Arc<Sites>,
    pub limits: Arc<Limits>,
    pub later: Arc<Later>,
}

/// What reminders and the newsletter need.
pub struct Later {
    pub asking: Asking,
    pub limits: Limits,
}
