//! Confirmed signups, for the program that sends the newsletter: what `mainstay newsletter export` prints and
//! `GET /v1/newsletter/export` answers.
//!
//! That somebody asks, and why if they say it, is in the audit log before ([`super::opening`]); it changes nothing else.
//! Invariant: no more than one page of signups is held at a time, however many there are.

use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::later::{Desk, LaterError};
use super::opening::Noted;
use crate::domain::reminder::send_at;
use crate::store::{ConfirmedSignup, NewAudit};

/// Signups read at once.
const PAGE: i64 = 1000;
/// The columns that listmonk imports. Mailchimp takes `email`, and whatever else it is told to.
const COLUMNS: [&str; 3] = ["email", "name", "attributes"];

/// How signups are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// With a head, the attributes as JSON in their column.
    Csv,
    /// A list of objects.
    Json,
}

impl Format {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// That somebody has an export of all who confirmed on `since` or later, as the audit log keeps it.
pub fn entry(actor: &str, since: Date, reason: &str) -> NewAudit {
    NewAudit {
        actor: actor.to_owned(),
        action: "newsletter.exported",
        subject: "newsletter".to_owned(),
        reason: reason.to_owned(),
        after: json!({"since": since.to_string()}).to_string(),
        ..NewAudit::default()
    }
}

/// Where an export has come to.
struct Export {
    desk: Desk,
    format: Format,
    /// The last signup written: the moment it was confirmed, and its id.
    after: (i64, String),
    begun: bool,
    ended: bool,
}

/// Who confirmed on `since` or later, counted by the newsroom's days, and has not unsubscribed; piece by piece. A signup
/// that cannot be opened ends it: half a list that looks whole is worse than none.
pub fn export(
    desk: Desk,
    since: Date,
    format: Format,
    _: &Noted,
) -> impl Stream<Item = Result<String, LaterError>> + Send + use<> {
    let after = (send_at(since, 0, &desk.zone), String::new());
    let export = Export { desk, format, after, begun: false, ended: false };
    stream::try_unfold(export, |mut export| async move {
        if export.ended {
            return Ok(None);
        }
        let piece = export.next().await?;
        Ok(Some((piece, export)))
    })
}

impl Export {
    async fn next(&mut self) -> Result<String, LaterError> {
        let (at, id) = &self.after;
        let signups = self.desk.store.confirmed_signups(*at, id, PAGE).await?;
        self.ended = i64::try_from(signups.len()).unwrap_or(PAGE) < PAGE;
        if let Some(last) = signups.last() {
            self.after = (last.confirmed_at.unwrap_or(*at), last.id.clone());
        }
        let rows: Result<Vec<Row>, LaterError> = signups.iter().map(|signup| self.row(signup)).collect();
        let piece = match self.format {
            Format::Csv => self.csv(&rows?)?,
            Format::Json => self.json(&rows?),
        };
        self.begun = true;
        Ok(piece)
    }

    fn row(&self, signup: &ConfirmedSignup) -> Result<Row, LaterError> {
        let opened = self.desk.open_contact("newsletter_signups", &signup.id, signup.contact_sealed.as_deref());
        let (address, _) = opened.inspect_err(|error| {
            tracing::error!(signup = signup.id, reason = error.code(), "a signup cannot be exported");
        })?;
        let time = |at: i64| Timestamp::from_second(at).unwrap_or_default().to_string();
        let attributes = json!({
            "list": signup.list,
            "language": signup.language,
            "consent": signup.consent_version,
            "consent_at": time(signup.consent_at),
            "confirmed_at": signup.confirmed_at.map(time),
        });
        Ok(Row { email: address.as_str().to_owned(), attributes })
    }

    fn csv(&self, rows: &[Row]) -> Result<String, LaterError> {
        let unwritable = || LaterError::Unreadable("export");
        let mut writer = csv::Writer::from_writer(Vec::new());
        if !self.begun {
            writer.write_record(COLUMNS).map_err(|_| unwritable())?;
        }
        for Row { email, attributes } in rows {
            writer.write_record([email.as_str(), "", &attributes.to_string()]).map_err(|_| unwritable())?;
        }
        String::from_utf8(writer.into_inner().map_err(|_| unwritable())?).map_err(|_| unwritable())
    }

    fn json(&self, rows: &[Row]) -> String {
        let mut piece = String::new();
        for (at, Row { email, attributes }) in rows.iter().enumerate() {
            let first = at == 0 && !self.begun;
            let [address, name, facts] = COLUMNS;
            piece += if first { "[\n" } else { ",\n" };
            piece += &json!({address: email, name: "", facts: attributes}).to_string();
        }
        if self.ended {
            piece += if piece.is_empty() && !self.begun { "[]\n" } else { "\n]\n" };
        }
        piece
    }
}

struct Row {
    email: String,
    attributes: Value,
}
