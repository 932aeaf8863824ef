//! The newsroom's own side: pages under `/admin` and an API under `/v1/admin`.
//!
//! Each route is declared once, in [`routes::all`], with what it needs; [`guard`] asks for that before a handler runs, so a
//! route nobody thought about does not exist. Pages run no script. To add a page: a handler that ends in [`View::page`], a
//! template in `templates/pages/admin` with its line in [`view`], a line in the table, and, if people shall find it, one in
//! `NAVIGATION`.

mod audit;
mod campaigns;
mod charts;
mod donor;
mod donor_link;
mod events;
mod guard;
mod home;
mod list;
mod me;
mod payments;
mod people;
mod pledges;
mod report_pages;
pub mod reports;
mod routes;
pub mod sessions;
mod sign_in;
mod view;

use std::sync::Arc;

use axum::{Router, middleware};
use jiff::tz::TimeZone;

use super::error::ApiError;
use super::limits::Limits;
use crate::clock::Clock;
use crate::gateway::Gateway;
use crate::id::Random;
use crate::service::admin::AdminError;
use crate::service::admin::sign_in::SignIn;
use crate::service::later::{Asking, Desk};
use crate::service::reports::at_hand::AtHand;
use crate::store::Store;

pub use super::form::Form;
pub use guard::{Need, Who};
pub use routes::{Route, table};
pub use view::View;

/// What the handlers here work with.
pub struct Newsroom {
    pub store: Store,
    pub clock: Clock,
    pub random: Random,
    /// The newsroom's.
    pub zone: TimeZone,
    pub gateway: Gateway,
    /// Our own origin, without a trailing slash.
    pub public_url: String,
    /// Whether no real money moves.
    pub test_mode: bool,
    /// Takes what is worked off later.
    pub asking: Asking,
    /// Opens what is sealed of donors; set where this process also works.
    pub desk: Option<Desk>,
    /// None where there is no key for it: nobody can sign in.
    pub sign_in: Option<SignIn>,
    /// What the dashboard shows of what recurs.
    pub at_hand: AtHand,
    /// How often one may try to sign in.
    pub limits: Limits,
}

impl Newsroom {
    /// What lets people in. Every guard has seen to it that there is one.
    pub fn sign_in(&self) -> Result<&SignIn, ApiError> {
        self.sign_in.as_ref().ok_or_else(|| ApiError::switched_off("MAINSTAY_ADMIN_KEY"))
    }
}

/// The state of every route here.
pub type Admin = Arc<Newsroom>;

/// The routes, each behind its guard.
pub fn router(admin: Admin) -> Router {
    let mut router = Router::new();
    for Route { path, need, handler, .. } in routes::all() {
        let guard = guard::Guard { admin: Arc::clone(&admin), need };
        router = router.route(path, handler.layer(middleware::from_fn_with_state(guard, guard::admit)));
    }
    router.route("/admin/style.css", axum::routing::get(view::style)).with_state(admin)
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::Store(error) => error.into(),
            AdminError::Busy => Self::unavailable("busy", 5),
            other => {
                tracing::error!(reason = %other, "the admin side could not do its work");
                Self::of_status(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}
