//! `mainstay mail`: what mails look like, whether they arrive, and to whom none go.

use clap::{Args, Subcommand};

use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{Flags, MailCommands};
use crate::domain::email::{EmailKind, MAIL_INDEX};
use crate::domain::language::Language;
use crate::domain::mailbox::Address;
use crate::id::{EmailId, Random};
use crate::mail::{Draft, Message, Post, PostError, Templates, render, sample};
use crate::vault::{IndexKey, VaultError};

#[derive(Debug, Subcommand)]
pub(super) enum Mail {
    /// Print a mail as it would be sent, with sample facts.
    #[command(after_help = names())]
    Preview(Preview),
    /// Send a mail to see whether it arrives.
    SendTest(SendTest),
    /// Send no mail to an address from now on. It is kept as a keyed hash only.
    Suppress(Suppress),
}

fn names() -> String {
    let names: Vec<&str> = EmailKind::ALL.iter().map(|kind| kind.as_str()).collect();
    format!("Mails: {}\n\nExample:\n  mainstay mail preview reminder --locale ru", names.join(", "))
}

#[derive(Debug, Args)]
pub(super) struct Preview {
    name: String,
    /// The reader's language: en or ru.
    #[arg(long, default_value = "en")]
    locale: String,
    /// The HTML part instead of the plain text.
    #[arg(long)]
    html: bool,
    #[command(flatten)]
    settings: Flags,
}

#[derive(Debug, Args)]
pub(super) struct SendTest {
    address: String,
    /// Its language: en or ru.
    #[arg(long, default_value = "en")]
    locale: String,
    #[command(flatten)]
    settings: Flags,
}

#[derive(Debug, Args)]
pub(super) struct Suppress {
    address: String,
    #[command(flatten)]
    settings: Flags,
}

impl Mail {
    pub async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Preview(asked) => preview(asked),
            Self::SendTest(asked) => send_test(asked).await,
            Self::Suppress(asked) => suppress(asked).await,
        }
    }
}

fn preview(asked: Preview) -> Result<(), CliError> {
    let Some(kind) = EmailKind::parse(&asked.name) else {
        return Err(CliError::Usage(format!("there is no such mail. {}", names())));
    };
    let language = language(&asked.locale)?;
    let settings = MailCommands::load(sources(asked.settings)?)?.mail;
    let templates = Templates::read(settings.templates.as_deref()).map_err(failed)?;
    let letter = templates.render(kind, language, &sample::facts(kind), settings.postal_address.as_str());
    let letter = letter.map_err(failed)?;
    print(&if asked.html { letter.html } else { format!("Subject: {}\n\n{}", letter.subject, letter.text) })
}

async fn send_test(asked: SendTest) -> Result<(), CliError> {
    let (to, language) = (address(&asked.address)?, language(&asked.locale)?);
    let settings = MailCommands::load(sources(asked.settings)?)?;
    crate::telemetry::start(&settings.basics.log)?;
    let Some(post) = Post::new(&settings.mail).map_err(failed)? else {
        return Err(CliError::Failed(settings.mail.to_string()));
    };
    let letter = render::test_letter(language, &post.postal_address);
    let (id, at) = (EmailId::new(&Random::system()), Clock::system().now());
    let draft = Draft { id: &id, at, from: &post.from, to: &to, letter: &letter, unsubscribe: None };
    let message = Message::new(&draft).map_err(|error| CliError::Failed(error.to_string()))?;
    let sent = match post.mailer.open(&message).await {
        Ok(opened) => opened.hand_over().await,
        Err(error) => Err(error),
    };
    sent.map_err(|error| CliError::Failed(format!("the mail was not taken: {error}; {}", settings.mail)))?;
    print(&format!("sent; {}\n", settings.mail))
}

async fn suppress(asked: Suppress) -> Result<(), CliError> {
    let address = address(&asked.address)?;
    let (settings, key) = MailCommands::load_with_index_key(sources(asked.settings)?)?;
    crate::telemetry::start(&settings.basics.log)?;
    let unusable = |error: VaultError| CliError::Failed(error.to_string());
    let index = IndexKey::parse(&key).map_err(unusable)?.of(MAIL_INDEX, &address.to_string());
    let store = open_existing(&settings.basics.database_url).await?;
    let done = store.suppress(&index, "by_newsroom", Clock::system().now()).await;
    store.close().await;
    done?;
    print("this address gets no mail from now on\n")
}

fn language(tag: &str) -> Result<Language, CliError> {
    Language::parse(tag).ok_or_else(|| CliError::Usage("expected --locale to be en or ru".to_owned()))
}

fn address(text: &str) -> Result<Address, CliError> {
    let wrong = || CliError::Usage("expected an address, such as reader@example.org".to_owned());
    Address::parse(text.trim()).ok_or_else(wrong)
}

fn failed(error: impl Into<PostError>) -> CliError {
    CliError::Failed(error.into().to_string())
}
