//! What a mail service tells of addresses: mail that came back, and readers who called it spam.
//!
//! Feeds differ from service to service, so this is a form of our own that a few lines of glue can make of any of them.

use serde::{Deserialize, Serialize};

use super::email_address::EmailAddress;
use super::field::{FieldError, Fields};

/// Reports in one request at most.
pub const MAX_REPORTS: usize = 500;

const FIELDS: [&str; 3] = ["email", "kind", "permanent"];

/// An address that gets no mail from now on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undeliverable {
    pub email: String,
    pub reason: Reason,
}

/// Why it gets none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    Bounced,
    Complained,
}

impl Reason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bounced => "bounced",
            Self::Complained => "complained",
        }
    }
}

/// Reads one report; nothing where the mail came back for a time only, as from a full mailbox. `at` is put before the name
/// of a field that is wrong.
pub fn read(fields: &Fields, at: &str) -> Result<Option<Undeliverable>, Vec<FieldError>> {
    let mut mistakes = fields.strangers(&FIELDS);
    let email = match fields.text("email") {
        Ok(text) => EmailAddress::parse(text.unwrap_or_default())
            .map_err(|error| FieldError::new("email", "malformed", error.to_string())),
        Err(error) => Err(error),
    };
    let reason = match fields.text("kind") {
        Ok(Some("bounce")) => Ok(Reason::Bounced),
        Ok(Some("complaint")) => Ok(Reason::Complained),
        Ok(_) => Err(FieldError::new("kind", "unknown", "expected bounce or complaint")),
        Err(error) => Err(error),
    };
    // Services report what is final; those that report the rest say so.
    let permanent = if fields.get("permanent").is_some() { fields.flag("permanent") } else { Ok(true) };
    match (email, reason, permanent) {
        (Ok(email), Ok(reason), Ok(permanent)) if mistakes.is_empty() => {
            let lasting = permanent || reason == Reason::Complained;
            Ok(lasting.then(|| Undeliverable { email: email.as_str().to_owned(), reason }))
        }
        (email, reason, permanent) => {
            mistakes.extend([email.err(), reason.err(), permanent.err()].into_iter().flatten());
            Err(mistakes
                .into_iter()
                .map(|error| FieldError { field: format!("{at}{}", error.field), ..error })
                .collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::field::Given;
    use super::*;

    fn report(pairs: &[(&str, Given)]) -> Fields {
        pairs.iter().map(|(name, given)| ((*name).to_owned(), given.clone())).collect()
    }

    fn text(text: &str) -> Given {
        Given::Text(text.to_owned())
    }

    #[test]
    fn what_lasts_is_kept_and_what_passes_is_not() {
        let read = |kind: &str, permanent: Option<bool>| {
            let mut pairs = vec![("email", text("reader@example.org")), ("kind", text(kind))];
            pairs.extend(permanent.map(|flag| ("permanent", Given::Flag(flag))));
            super::read(&report(&pairs), "").unwrap().map(|kept| kept.reason.as_str())
        };
        for (kind, permanent, kept) in [
            ("bounce", None, Some("bounced")),
            ("bounce", Some(true), Some("bounced")),
            ("bounce", Some(false), None),
            ("complaint", None, Some("complained")),
            ("complaint", Some(false), Some("complained")),
        ] {
            let permanent = permanent.map_or_else(|| "left out".to_owned(), |flag| flag.to_string());
            let given = permanent.parse().ok();
            assert_eq!(read(kind, given), kept, "{kind}, permanent {permanent}");
        }
    }

    #[test]
    fn every_mistake_is_named_where_it_stands() {
        let wrong = report(&[("email", text("nobody")), ("permanent", Given::Other), ("user", text("x"))]);
        let mistakes = read(&wrong, "[3].").err().unwrap();
        let fields: Vec<&str> = mistakes.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["[3].user", "[3].email", "[3].kind", "[3].permanent"]);
        assert!(!format!("{mistakes:?}").contains("nobody"), "no value is repeated");
    }
}
