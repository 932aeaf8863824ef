//! Mails to donors, as the books know them.
//!
//! Nothing here decides what anybody is told; it opens the address, finds the language and the campaign's name, and seals.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::domain::campaign::Campaign;
use crate::domain::email::EmailKind;
use crate::domain::email_address::EmailAddress;
use crate::domain::language::Language;
use crate::service::later::{Desk, Draft, LaterError};
use crate::store::{NewEmail, Recipient};
use crate::vault::{DataKey, Place};

/// Writes the mails of one batch: they share a data key, and what is known of their campaigns.
pub(super) struct Letters<'a> {
    desk: &'a Desk,
    key: DataKey,
    campaigns: HashMap<String, Option<Campaign>>,
}

/// What a donor is told.
pub(super) struct Letter {
    pub cause: String,
    pub kind: EmailKind,
    /// But for the campaign's name and the links that every mail to a donor has.
    pub facts: Value,
    /// Whether the pledge goes on and can be stopped.
    pub stops: bool,
    /// Another pledge of the same donor that the mail offers to stop, `plg_…`.
    pub other: Option<String>,
    /// How long it may be tried, in seconds.
    pub patience: i64,
}

impl<'a> Letters<'a> {
    pub fn new(desk: &'a Desk) -> Result<Self, LaterError> {
        Ok(Self { desk, key: desk.sealer.data_key()?, campaigns: HashMap::new() })
    }

    /// The campaign under `slug`.
    pub async fn campaign(&mut self, slug: &str) -> Result<Option<&Campaign>, LaterError> {
        if !self.campaigns.contains_key(slug) {
            self.campaigns.insert(slug.to_owned(), self.desk.store.campaign(slug).await?);
        }
        Ok(self.campaigns.get(slug).and_then(Option::as_ref))
    }

    /// A mail to a donor, sealed for the outbox. None to one whose address cannot be opened, so that the others are not
    /// held up.
    pub async fn write(&mut self, to: &Recipient, letter: Letter, now: i64) -> Result<Option<NewEmail>, LaterError> {
        let Some(campaign) = self.campaign(&to.campaign).await? else { return Ok(None) };
        let language = to.locale.as_deref().and_then(Language::parse).unwrap_or(campaign.default_language);
        let Letter { cause, kind, mut facts, stops, other, patience } = letter;
        facts["campaign_name"] = json!(campaign.heading(language));
        facts["support_url"] = json!(self.desk.support_url(language));
        let mut stop_links = Vec::new();
        for (fact, pledge) in [("stop_url", stops.then_some(&to.pledge_id)), ("other_stop_url", other.as_ref())] {
            let Some(pledge) = pledge else { continue };
            let (url, link) = self.desk.stop_link(pledge, language);
            facts[fact] = json!(url);
            stop_links.push(link);
        }
        let mail = self.recipient(to).and_then(|recipient| {
            let draft = Draft { cause, kind, language, recipient: &recipient, facts, patience };
            Ok(NewEmail { stop_links, ..self.desk.mail(&self.key, &draft, now)? })
        });
        if let Err(error) = &mail {
            tracing::error!(donor = to.donor_id, reason = error.code(), "a donor could not be written to");
        }
        Ok(mail.ok())
    }

    fn recipient(&self, to: &Recipient) -> Result<EmailAddress, LaterError> {
        let place = Place { table: "donors", column: "email_sealed", id: &to.donor_id };
        let address = self.desk.opener.open(place, &to.email_sealed)?;
        let address = std::str::from_utf8(&address).ok().and_then(|address| EmailAddress::parse(address).ok());
        address.ok_or(LaterError::Unreadable("address"))
    }
}
