//! Every route of the newsroom's side, with what it needs. Tests try each of them in each role, and find those that
//! `openapi.yaml` names and this table does not.

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use super::Admin;
use super::{events, home, payments, pledges};
use crate::domain::admin::{Role, Scope};
use crate::service::admin::access::Signed;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is how one comes in.
    Nobody,
    /// Any person who is signed in, whether or not they have yet to set one-time codes up.
    Person,
    /// A person of this role or above.
    Role(Role),
    /// A person of this role or above, or a program with a token for this.
    RoleOrScope(Role, Scope),
}

impl Need {
    pub fn met_by(self, signed: &Signed) -> bool {
        match self {
            Self::Nobody => true,
            Self::Person => signed.may(Role::Viewer),
            Self::Role(role) => signed.may(role),
            Self::RoleOrScope(role, scope) => signed.may(role) || signed.has_scope(scope),
        }
    }
}

/// One method of one address.
pub struct Route {
    pub method: &'static str,
    /// As axum and `openapi.yaml` write it: `/admin/people/{id}`.
    pub path: &'static str,
    pub need: Need,
    pub(super) handler: MethodRouter<Admin>,
}

/// Reads.
fn get<H: Handler<T, Admin>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    Route { method: "GET", path, need, handler: routing::get(handler) }
}

/// Changes something.
fn post<H: Handler<T, Admin>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    Route { method: "POST", path, need, handler: routing::post(handler) }
}

/// All routes.
pub(super) fn all() -> Vec<Route> {
    use Need::Role as Needs;
    use Role::{Finance, Viewer};
    vec![
        get("/admin", Needs(Viewer), home::show),
        get("/admin/pledges", Needs(Viewer), pledges::list),
        get("/admin/pledges/{id}", Needs(Viewer), pledges::show),
        get("/admin/pledges/{id}/end", Needs(Finance), pledges::ask_end),
        post("/admin/pledges/{id}/end", Needs(Finance), pledges::end),
        post("/admin/actions/{id}/again", Needs(Finance), pledges::again),
        get("/admin/payments", Needs(Viewer), payments::list),
        get("/admin/payments/{id}/refund", Needs(Finance), payments::ask_refund),
        post("/admin/payments/{id}/refund", Needs(Finance), payments::refund),
        get("/admin/events", Needs(Viewer), events::list),
        get("/admin/events/{id}", Needs(Viewer), events::show),
        post("/admin/events/{id}/replay", Needs(Finance), events::replay),
    ]
}

/// Method, address and need of each route.
pub fn table() -> Vec<(&'static str, &'static str, Need)> {
    all().into_iter().map(|route| (route.method, route.path, route.need)).collect()
}
