//! Where one arrives.

use axum::response::Response;
use minijinja::context;

use super::View;

pub async fn show(view: View) -> Response {
    view.page("home", context! { title => view.say("admin-dashboard") })
}
