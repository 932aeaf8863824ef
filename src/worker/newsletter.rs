//! Welcoming whoever confirmed: the web half, which is told so, cannot open an address.
//!
//! Invariant: one welcome for each signup, put into the outbox in the transaction that notes it; a signup that cannot be
//! read is noted without one, and is in nobody's way.

use serde_json::json;

use crate::clock::DAY;
use crate::domain::campaign::{Campaign, DEFAULT};
use crate::domain::email::EmailKind;
use crate::domain::language::Language;
use crate::service::later::{Desk, Draft, LaterError};
use crate::store::{ConfirmedSignup, NewEmail};

/// How many are welcomed at once.
const BATCH: i64 = 64;
/// How long a welcome is tried to be sent, in seconds.
const PATIENCE: i64 = 2 * DAY;

/// Welcomes readers of the newsletter.
#[derive(Clone, Debug)]
pub struct NewsletterWorker {
    pub desk: Desk,
}

impl NewsletterWorker {
    /// Welcomes one batch; how many there were.
    pub async fn run_once(&self) -> Result<usize, LaterError> {
        let (store, now) = (&self.desk.store, self.desk.clock.now());
        let signups = store.unwelcomed_signups(BATCH).await?;
        if signups.is_empty() {
            return Ok(0);
        }
        let campaign = store.campaign(DEFAULT).await?.ok_or(LaterError::Unreadable("campaign"))?;
        let mut mails = Vec::with_capacity(signups.len());
        for signup in &signups {
            match self.welcome(signup, &campaign, now) {
                Ok(mail) => mails.push((signup.id.as_str(), mail)),
                Err(error) => {
                    tracing::error!(signup = signup.id, reason = error.code(), "a signup cannot be welcomed");
                    store.leave_unwelcomed(&signup.id, now).await?;
                }
            }
        }
        let mut tx = store.begin().await?;
        let mut leaving: Vec<NewEmail> = Vec::with_capacity(mails.len());
        for (id, mail) in mails {
            // Whoever unsubscribed meanwhile is not welcomed.
            if tx.welcome_signup(id, now).await? {
                leaving.push(mail);
            }
        }
        tx.put_emails(&leaving).await?;
        crate::crash::passing("welcome before commit");
        tx.commit().await?;
        crate::crash::passing("welcome after commit");
        Ok(signups.len())
    }

    fn welcome(&self, signup: &ConfirmedSignup, campaign: &Campaign, now: i64) -> Result<NewEmail, LaterError> {
        let desk = &self.desk;
        let (address, token) = desk.open_contact("newsletter_signups", &signup.id, signup.contact_sealed.as_deref())?;
        let language = Language::parse(&signup.language).ok_or(LaterError::Unreadable("signup"))?;
        let home = &desk.public_url;
        let draft = Draft {
            cause: format!("newsletter_welcome:{}", signup.id),
            kind: EmailKind::NewsletterWelcome,
            language,
            recipient: &address,
            facts: json!({
                "campaign_name": campaign.heading(language),
                "unsubscribe_url": format!("{home}/n/{token}/unsubscribe?lang={}", language.as_str()),
                "asked_on": desk.day(signup.consent_at).to_string(),
                "list": signup.list,
                "preview_url": campaign.newsletter_preview_url,
            }),
            patience: PATIENCE,
        };
        desk.mail(&desk.sealer.data_key()?, &draft, now)
    }
}
