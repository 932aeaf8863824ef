//! Every route of the newsroom's side, with what it needs. Tests try each of them in each role, and find those that
//! `openapi.yaml` names and this table does not.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};

use super::super::form::MAX_UPLOAD;
use super::{Admin, Need};
use super::{
    audit, campaigns, donor, donor_link, events, home, me, payments, people, pledges, report_pages, reports, sessions,
    sign_in,
};
use crate::domain::admin::{Role, Scope};

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

/// Does something.
fn post<H: Handler<T, Admin>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    Route { method: "POST", path, need, handler: routing::post(handler) }
}

/// Does something with a form that may hold a file.
fn upload<H: Handler<T, Admin>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    Route { method: "POST", path, need, handler: routing::post(handler).layer(DefaultBodyLimit::max(MAX_UPLOAD)) }
}

fn delete<H: Handler<T, Admin>, T: 'static>(path: &'static str, need: Need, handler: H) -> Route {
    Route { method: "DELETE", path, need, handler: routing::delete(handler) }
}

/// All routes.
pub(super) fn all() -> Vec<Route> {
    use Need::{Nobody, Person, Role as Needs, RoleOrScope};
    use Role::{Admin, Finance, Viewer};
    vec![
        get("/admin", Needs(Viewer), home::show),
        get("/admin/", Nobody, home::without_slash),
        get("/admin/{*nowhere}", Needs(Viewer), home::nowhere),
        get("/admin/sign-in", Nobody, sign_in::show),
        post("/admin/sign-in", Nobody, sign_in::submit),
        post("/admin/sign-out", Person, sign_in::sign_out),
        get("/admin/link/{token}", Nobody, sign_in::link),
        post("/admin/link/{token}", Nobody, sign_in::follow),
        get("/admin/me", Person, me::show),
        post("/admin/me/totp/new", Person, me::offer_totp),
        get("/admin/me/totp", Person, me::show_totp),
        post("/admin/me/totp", Person, me::confirm_totp),
        post("/admin/me/sign-out-everywhere", Person, sign_in::sign_out_everywhere),
        get("/admin/pledges", Needs(Viewer), pledges::list),
        get("/admin/pledges/{id}", Needs(Viewer), pledges::show),
        get("/admin/pledges/{id}/end", Needs(Finance), pledges::ask_end),
        post("/admin/pledges/{id}/end", Needs(Finance), pledges::end),
        get("/admin/pledges/{id}/mail-link", Needs(Finance), donor_link::ask),
        post("/admin/pledges/{id}/mail-link", Needs(Finance), donor_link::send),
        get("/admin/pledges/{id}/donor", Needs(Admin), donor::ask),
        post("/admin/pledges/{id}/donor", Needs(Admin), donor::show),
        post("/admin/actions/{id}/again", Needs(Finance), pledges::again),
        get("/admin/payments", Needs(Viewer), payments::list),
        get("/admin/payments/{id}/refund", Needs(Finance), payments::ask_refund),
        post("/admin/payments/{id}/refund", Needs(Finance), payments::refund),
        get("/admin/reports", Needs(Viewer), report_pages::list),
        get("/admin/reports/{name}", Needs(Viewer), report_pages::show),
        get("/v1/admin/reports/{name}", RoleOrScope(Viewer, Scope::ReportsRead), reports::show),
        get("/admin/events", Needs(Viewer), events::list),
        get("/admin/events/{id}", Needs(Viewer), events::show),
        post("/admin/events/{id}/replay", Needs(Finance), events::replay),
        get("/admin/campaigns", Needs(Viewer), campaigns::list),
        get("/admin/new-campaign", Needs(Admin), campaigns::ask_new),
        upload("/admin/new-campaign", Needs(Admin), campaigns::create),
        get("/admin/campaign-preview", Needs(Viewer), campaigns::to_list),
        upload("/admin/campaign-preview", Needs(Admin), campaigns::preview),
        get("/admin/campaigns/{slug}", Needs(Viewer), campaigns::show),
        upload("/admin/campaigns/{slug}", Needs(Admin), campaigns::change),
        get("/admin/campaigns/{slug}/end", Needs(Admin), campaigns::ask_end),
        post("/admin/campaigns/{slug}/end", Needs(Admin), campaigns::end),
        get("/admin/people", Needs(Admin), people::show),
        post("/admin/people", Needs(Admin), people::create),
        post("/admin/people/{id}/link", Needs(Admin), people::renew_link),
        post("/admin/people/{id}/role", Needs(Admin), people::change_role),
        post("/admin/people/{id}/disable", Needs(Admin), people::disable),
        post("/admin/people/{id}/enable", Needs(Admin), people::enable),
        post("/admin/people/{id}/reset-totp", Needs(Admin), people::reset_totp),
        get("/admin/audit-log", Needs(Admin), audit::show),
        post("/v1/admin/sessions", Nobody, sessions::create),
        post("/v1/admin/sessions/refresh", Nobody, sessions::refresh),
        delete("/v1/admin/sessions", Person, sessions::end),
    ]
}

/// Method, address and need of each route.
pub fn table() -> Vec<(&'static str, &'static str, Need)> {
    all().into_iter().map(|route| (route.method, route.path, route.need)).collect()
}
