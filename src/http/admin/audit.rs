//! The audit log: for admins.

use std::collections::HashMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use minijinja::{Value, context};
use url::form_urlencoded;

use super::super::error::ApiError;
use super::super::extract::MAX_FIELDS;
use super::view::nothing;
use super::{Admin, View};
use crate::service::admin::people::MAX_PEOPLE;
use crate::store::AuditCursor;

/// Entries on one page.
const PAGE: usize = 50;

/// What was done, the newest first.
pub async fn show(State(admin): State<Admin>, view: View, RawQuery(query): RawQuery) -> Result<Response, ApiError> {
    let office = &admin.sign_in()?.office;
    let most = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut entries = admin.store.audit_log(cursor(query.as_deref().unwrap_or_default()), most).await?;
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let next = entries.last().filter(|_| more).map(|last| view.with("after", &format!("{}-{}", last.at, last.id)));
    let mut names = HashMap::new();
    for person in admin.store.admins(MAX_PEOPLE).await? {
        let email = office.email(&person.id, &person.email_sealed)?;
        names.insert(person.id, email);
    }
    let name = |id: &str| names.get(id).cloned().unwrap_or_else(|| id.to_owned());
    let rows: Vec<Value> = entries
        .iter()
        .map(|entry| {
            context! {
                at => view.time(entry.at, &admin.zone), actor => name(&entry.actor), action => entry.action.as_str(),
                subject => name(&entry.subject), reason => entry.reason.as_str(), before => entry.before.as_str(),
                after => entry.after.as_str(),
            }
        })
        .collect();
    let next = next.map_or_else(nothing, Value::from);
    Ok(view.page("audit_log", context! { title => view.say("admin-audit-log"), rows, next }))
}

/// Behind which entry the page begins. What is no cursor begins at the newest.
fn cursor(query: &str) -> Option<AuditCursor> {
    let mut fields = form_urlencoded::parse(query.as_bytes()).take(MAX_FIELDS);
    let (_, after) = fields.find(|(name, _)| name == "after")?;
    let (at, id) = after.split_once('-')?;
    Some(AuditCursor { at: at.parse().ok()?, id: id.to_owned() })
}
