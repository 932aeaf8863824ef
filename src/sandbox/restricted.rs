//! Restricted keys: what each may read and write.
//!
//! It must not know what a request means beyond its first words. Invariant: a key that nobody restricted may do
//! everything.

use std::collections::HashMap;

use super::error::ApiError;

/// What a restricted key may do with one kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    Read,
    /// Reading too.
    Write,
}

/// Restricted keys and their permissions, by the resource's path (`checkout/sessions`, `charges`).
#[derive(Debug, Default)]
pub(super) struct Restricted(HashMap<String, Vec<(String, Access)>>);

impl Restricted {
    pub fn set(&mut self, key: &str, permissions: &[(&str, Access)]) {
        let permissions = permissions.iter().map(|(resource, access)| ((*resource).to_owned(), *access)).collect();
        self.0.insert(key.to_owned(), permissions);
    }

    /// Refuses what the key behind an `Authorization` header may not do.
    pub fn check(&self, authorization: Option<&str>, method: &str, path: &str) -> Result<(), ApiError> {
        let key = authorization.and_then(|header| header.split_once(' ')).map(|(_, key)| key.trim());
        let Some((key, permissions)) = key.and_then(|key| self.0.get_key_value(key)) else { return Ok(()) };
        let (resource, needed) = (resource(path), if method == "GET" { Access::Read } else { Access::Write });
        if permissions.iter().any(|(name, access)| *name == resource && *access >= needed) {
            return Ok(());
        }
        let word = if needed == Access::Read { "read" } else { "write" };
        let name = resource.replace('/', "_");
        let name = name.strip_suffix('s').unwrap_or(&name);
        Err(ApiError::forbidden(format!(
            "The provided key '{}' does not have the required permissions for this endpoint on account \
             'acct_1SandboxMainstay'. Having the 'rak_{name}_{word}' permission would allow this request to continue.",
            masked(key)
        )))
    }
}

/// The first word of a path, or the first two where the first is a mere folder.
fn resource(path: &str) -> String {
    let mut parts = path.trim_start_matches("/v1/").split('/');
    let first = parts.next().unwrap_or_default();
    match (first, parts.next()) {
        // Stripe has one permission for all of the portal, and one for subscriptions and their schedules.
        ("billing_portal", _) => "billing_portal/configurations".to_owned(),
        ("subscription_schedules", _) => "subscriptions".to_owned(),
        ("checkout", Some(second)) => format!("{first}/{second}"),
        _ => first.to_owned(),
    }
}

fn masked(key: &str) -> String {
    let shown = key.char_indices().rev().nth(3).map_or(key, |(at, _)| key.get(at..).unwrap_or_default());
    format!("{}*********{shown}", key.get(..8).unwrap_or_default())
}
