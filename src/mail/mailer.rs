//! Where mail goes: to a server, or into a folder. Either way in two steps, so that the caller can note that a text is
//! about to be handed over, before it is.

use std::path::{Path, PathBuf};

use super::message::Message;
use super::smtp::{self, Smtp};
use crate::config::{MailTransport, Sending};

/// Mail cannot be sent as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum MailerError {
    #[error("cannot use {} for mail: {source}. Give a folder that may be written to.", path.display())]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("cannot use {} as the mail server's authority: {what}", path.display())]
    Authority { path: PathBuf, what: String },
    #[error("cannot prepare TLS for mail: {0}")]
    Tls(String),
}

/// Why no mail could be handed over now.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    #[error(transparent)]
    Mailer(#[from] MailerError),
    #[error(transparent)]
    Send(#[from] SendError),
}

/// How a send failed: what can have arrived, and whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Nothing was handed over, and the fault is not this mail's: it may be tried again, as may every other.
    #[error("the mail server could not be used: {0}")]
    NotReached(&'static str),
    /// Refused for now before the text was begun.
    #[error("refused for now ({0})")]
    Deferred(u16),
    /// Refused for now once the text was handed over: it did not arrive.
    #[error("refused for now, text and all ({0})")]
    DeferredText(u16),
    /// Refused for good, for what it is.
    #[error("refused ({0})")]
    Refused(u16),
    /// Refused for good, for whom it is to.
    #[error("there is no such recipient ({0})")]
    Bounced(u16),
    /// The text was begun and nobody said what became of it.
    #[error("it may have arrived")]
    MayHaveArrived,
}

impl SendError {
    /// As it is stored: never an address.
    pub fn code(self) -> String {
        match self {
            Self::NotReached(why) => why.to_owned(),
            Self::Deferred(code) | Self::DeferredText(code) => format!("deferred_{code}"),
            Self::Refused(code) => format!("refused_{code}"),
            Self::Bounced(code) => format!("bounced_{code}"),
            Self::MayHaveArrived => "may_have_arrived".to_owned(),
        }
    }
}

/// Hands messages over.
pub struct Mailer(Way);

enum Way {
    Smtp(Box<Smtp>),
    Folder(PathBuf),
}

/// A message whose text can now be handed over. Dropped instead, nothing arrives.
pub struct Opened<'a>(Stage<'a>);

enum Stage<'a> {
    Smtp(Box<smtp::Ready<'a>>),
    Folder(&'a Path, &'a Message),
}

impl Mailer {
    pub fn new(sending: &Sending) -> Result<Self, MailerError> {
        Ok(Self(match &sending.transport {
            MailTransport::Smtp(server) => Way::Smtp(Box::new(Smtp::new(server, sending.from.address.domain())?)),
            MailTransport::Folder(path) => {
                let made = std::fs::create_dir_all(path);
                made.map_err(|source| MailerError::Folder { path: path.clone(), source })?;
                Way::Folder(path.clone())
            }
        }))
    }

    /// Whether mail could be handed over now. Nothing is, and nothing is made.
    pub async fn check(sending: &Sending) -> Result<(), CheckError> {
        match &sending.transport {
            MailTransport::Smtp(server) => Smtp::new(server, sending.from.address.domain())?.check().await?,
            MailTransport::Folder(path) if !path.is_dir() => {
                let source = std::io::ErrorKind::NotFound.into();
                return Err(MailerError::Folder { path: path.clone(), source }.into());
            }
            MailTransport::Folder(_) => {}
        }
        Ok(())
    }

    /// Goes as far as can be gone without handing over the text.
    pub async fn open<'a>(&'a self, message: &'a Message) -> Result<Opened<'a>, SendError> {
        Ok(Opened(match &self.0 {
            Way::Smtp(smtp) => Stage::Smtp(Box::new(smtp.open(message).await?)),
            Way::Folder(path) => Stage::Folder(path, message),
        }))
    }
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mailer(…)")
    }
}

impl Opened<'_> {
    /// Hands the text over.
    pub async fn hand_over(self) -> Result<(), SendError> {
        match self.0 {
            Stage::Smtp(ready) => ready.hand_over().await,
            Stage::Folder(folder, message) => write(folder, message).await.map_err(|error| {
                tracing::warn!(%error, "a mail cannot be written to its folder");
                SendError::NotReached("folder")
            }),
        }
    }
}

/// Whoever looks into the folder sees whole mails only.
async fn write(folder: &Path, message: &Message) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt as _;

    let unfinished = folder.join(format!(".{}.part", message.id));
    let mut file = tokio::fs::File::create(&unfinished).await?;
    file.write_all(message.bytes()).await?;
    file.sync_all().await?;
    tokio::fs::rename(unfinished, folder.join(format!("{}.eml", message.id))).await
}
