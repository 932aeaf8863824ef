//! All that turns a mail's facts into a message on its way: templates, sender, and where mail goes.

use serde_json::Value as Json;
use url::Url;

use super::facts::link;
use super::mailer::{Mailer, MailerError};
use super::message::{Draft, Message, MessageError};
use super::render::{RenderError, Templates};
use crate::config::MailSettings;
use crate::domain::email::EmailKind;
use crate::domain::language::Language;
use crate::domain::mailbox::{Address, Mailbox};
use crate::id::EmailId;

/// Mail cannot be sent as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("a template of MAINSTAY_MAIL_TEMPLATES cannot be used: {0}")]
    Templates(#[from] RenderError),
    #[error(transparent)]
    Mailer(#[from] MailerError),
}

/// A mail cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Message(#[from] MessageError),
}

/// Templates, sender and way of a newsroom's mail.
#[derive(Debug)]
pub struct Post {
    pub mailer: Mailer,
    pub templates: Templates,
    pub from: Mailbox,
    pub postal_address: String,
}

impl Post {
    /// As the settings say; nothing where no mail is sent. Templates are tried either way.
    pub fn new(settings: &MailSettings) -> Result<Option<Self>, PostError> {
        let templates = Templates::read(settings.templates.as_deref())?;
        let Some(sending) = &settings.sending else { return Ok(None) };
        Ok(Some(Self {
            mailer: Mailer::new(sending)?,
            templates,
            from: sending.from.clone(),
            postal_address: settings.postal_address.to_string(),
        }))
    }

    /// Writes the mail `id` that came to be at `at` (unix seconds).
    pub fn write(
        &self,
        id: &EmailId,
        at: i64,
        to: &Address,
        kind: EmailKind,
        language: Language,
        facts: &Json,
    ) -> Result<Message, WriteError> {
        let letter = self.templates.render(kind, language, facts, &self.postal_address)?;
        let unsubscribe = unsubscribe(kind, facts);
        let draft = Draft { id, at, from: &self.from, to, letter: &letter, unsubscribe: unsubscribe.as_ref() };
        Ok(Message::new(&draft)?)
    }
}

/// Where one POST ends mails like this, for those that nobody needs.
fn unsubscribe(kind: EmailKind, facts: &Json) -> Option<Url> {
    let held = |name: &str| facts.get(name).and_then(Json::as_str).and_then(link);
    if kind.has_unsubscribe() { held("unsubscribe_url").or_else(|| held("never_url")) } else { None }
}
