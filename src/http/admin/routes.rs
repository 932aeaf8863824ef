//! Every route of the newsroom's side, with what it needs. Tests try each of them in each role, and find those that
//! `openapi.yaml` names and this table does not.

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use super::Admin;
use super::home;
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

/// All routes.
pub(super) fn all() -> Vec<Route> {
    use Need::Role as Needs;
    use Role::Viewer;
    vec![get("/admin", Needs(Viewer), home::show)]
}

/// Method, address and need of each route.
pub fn table() -> Vec<(&'static str, &'static str, Need)> {
    all().into_iter().map(|route| (route.method, route.path, route.need)).collect()
}
