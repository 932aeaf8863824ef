//! `mainstay admin`: who may sign in to the newsroom's own pages, and tokens for programs.
//!
//! Whoever may run this decides, so it asks nobody; what it did is in the audit log as done by the command line.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use jiff::tz::TimeZone;

use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{AdminCommands, BasicFlags};
use crate::domain::admin::{Role, Scope};
use crate::domain::calendar;
use crate::domain::email_address::EmailAddress;
use crate::id::Random;
use crate::service::admin::people::{MAX_PEOPLE, MAX_TOKEN_DAYS, PeopleError};
use crate::service::admin::{COMMAND_LINE, Office};
use crate::store::ApiToken;
use crate::vault::AdminKey;

/// Tokens listed at most.
const MAX_TOKENS: i64 = 500;
/// The longest note on a token, in characters.
const MAX_NOTE: usize = 200;

const EXAMPLES: &str = "\
Examples:
  mainstay admin create anna@paper.example --role finance
  mainstay admin link anna@paper.example          a password was lost
  mainstay admin reset-totp anna@paper.example    a telephone was lost
  mainstay admin token --scope reports:read --days 90 --note \"the accountant's spreadsheet\"
It needs MAINSTAY_ADMIN_KEY and MAINSTAY_PUBLIC_URL, as the server does. Whoever is shut out or loses a role is so at once.";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(super) enum Admin {
    /// Make somebody, and print the link by which they set a password.
    Create(Create),
    /// List who may sign in.
    List(Settings),
    /// Give somebody another role.
    Role(ChangeRole),
    /// Print a new link by which somebody sets a password; earlier ones are over.
    Link(Whom),
    /// Take somebody's one-time codes away: they sign in without, and can set them up anew.
    ResetTotp(Whom),
    /// Shut somebody out at once.
    Disable(Whom),
    /// Let somebody in again.
    Enable(Whom),
    /// Make a token for a spreadsheet or another program, list tokens, revoke one.
    #[command(args_conflicts_with_subcommands = true)]
    Token(Token),
}

#[derive(Debug, Args)]
pub(super) struct Settings {
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct Create {
    #[arg(value_name = "EMAIL", value_parser = address)]
    email: EmailAddress,
    /// viewer reads reports, finance also refunds and exports, admin also decides who may sign in.
    #[arg(long, value_name = "viewer|finance|admin", value_parser = role)]
    role: Role,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct ChangeRole {
    #[arg(value_name = "EMAIL", value_parser = address)]
    email: EmailAddress,
    #[arg(value_name = "viewer|finance|admin", value_parser = role)]
    role: Role,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct Whom {
    #[arg(value_name = "EMAIL", value_parser = address)]
    email: EmailAddress,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct Token {
    #[command(subcommand)]
    command: Option<TokenCommand>,
    /// What it is for.
    #[arg(long, value_name = "reports:read", value_parser = scope)]
    scope: Option<Scope>,
    /// Until when it is taken, in days from now.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=MAX_TOKEN_DAYS))]
    days: i64,
    /// Whose it is, for whoever looks at the list.
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// List all tokens; none is shown itself.
    List(Settings),
    /// Take no more what carries this token.
    Revoke(Revoke),
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// As the list names it: tok_…
    id: String,
    #[command(flatten)]
    settings: BasicFlags,
}

fn address(text: &str) -> Result<EmailAddress, String> {
    EmailAddress::parse(text).map_err(|error| error.to_string())
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| "expected viewer, finance or admin".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    let known = Scope::ALL.map(Scope::as_str).join(", ");
    Scope::parse(text).ok_or_else(|| format!("expected one of: {known}"))
}

impl Admin {
    pub async fn run(self) -> Result<(), CliError> {
        match self {
            Self::Create(asked) => {
                let (email, role) = (asked.email, asked.role);
                told(asked.settings, async |office, _| {
                    let link = office.create(COMMAND_LINE, &email, role).await?;
                    Ok(linked(&email, &link))
                })
                .await
            }
            Self::List(asked) => told(asked.settings, list).await,
            Self::Role(ChangeRole { email, role, settings }) => {
                told(settings, async |office, _| {
                    let id = office.find(&email).await?.id;
                    office.change_role(COMMAND_LINE, &id, role).await?;
                    Ok(format!("{} is {} now\n", email.as_str(), role.as_str()))
                })
                .await
            }
            Self::Link(Whom { email, settings }) => {
                told(settings, async |office, _| {
                    let id = office.find(&email).await?.id;
                    Ok(linked(&email, &office.renew_link(COMMAND_LINE, &id).await?))
                })
                .await
            }
            Self::ResetTotp(Whom { email, settings }) => {
                told(settings, async |office, _| {
                    let id = office.find(&email).await?.id;
                    office.reset_totp(COMMAND_LINE, &id).await?;
                    Ok(format!("{} signs in without one-time codes until they are set up anew\n", email.as_str()))
                })
                .await
            }
            Self::Disable(Whom { email, settings }) => set_disabled(settings, email, true).await,
            Self::Enable(Whom { email, settings }) => set_disabled(settings, email, false).await,
            Self::Token(asked) => asked.run().await,
        }
    }
}

impl Token {
    async fn run(self) -> Result<(), CliError> {
        match self.command {
            Some(TokenCommand::List(asked)) => told(asked.settings, list_tokens).await,
            Some(TokenCommand::Revoke(Revoke { id, settings })) => {
                told(settings, async |office, _| {
                    office.revoke_token(COMMAND_LINE, &id).await?;
                    Ok(format!("{id} is taken no more\n"))
                })
                .await
            }
            None => {
                let missing = "say what the token is for, such as --scope reports:read";
                let scope = self.scope.ok_or_else(|| CliError::Usage(missing.to_owned()))?;
                if self.note.chars().count() > MAX_NOTE || self.note.chars().any(char::is_control) {
                    return Err(CliError::Usage(format!(
                        "expected a note of one line and at most {MAX_NOTE} characters"
                    )));
                }
                told(self.settings, async |office, _| {
                    let (id, token) = office.create_token(COMMAND_LINE, scope, self.days, &self.note).await?;
                    Ok(format!("{token}\n{id}: for {} days; it is not shown again\n", self.days))
                })
                .await
            }
        }
    }
}

async fn set_disabled(settings: BasicFlags, email: EmailAddress, disabled: bool) -> Result<(), CliError> {
    told(settings, async |office, _| {
        let id = office.find(&email).await?.id;
        office.set_disabled(COMMAND_LINE, &id, disabled).await?;
        Ok(format!("{} {}\n", email.as_str(), if disabled { "cannot sign in any more" } else { "may sign in again" }))
    })
    .await
}

/// Does it, closes the database whatever came of it, and prints the answer.
async fn told(
    flags: BasicFlags,
    work: impl AsyncFnOnce(&Office, &TimeZone) -> Result<String, PeopleError>,
) -> Result<(), CliError> {
    let settings = AdminCommands::load(sources(flags.into())?)?;
    crate::telemetry::start(&settings.basics.log)?;
    let key = AdminKey::parse(&settings.key).map_err(|error| CliError::Failed(error.to_string()))?;
    let store = open_existing(&settings.basics.database_url).await?;
    let (clock, random) = (Clock::system(), Random::system());
    let office = Office { store, clock, random, key, public_url: settings.public_url.to_string() };
    let done = work(&office, settings.basics.time_zone.zone()).await;
    office.store.close().await;
    print(&done.map_err(|error| CliError::Failed(format!("{error}.")))?)
}

fn linked(email: &EmailAddress, link: &str) -> String {
    format!("{link}\nHand it to {} by a safe way. It can be used once, within a day.\n", email.as_str())
}

async fn list(office: &Office, _: &TimeZone) -> Result<String, PeopleError> {
    let mut text = String::new();
    for person in office.store.admins(MAX_PEOPLE).await? {
        let email = office.email(&person.id, &person.email_sealed)?;
        let state = match (person.disabled_at, &person.password_hash) {
            (Some(_), _) => "disabled",
            (None, None) => "invited",
            (None, Some(_)) if person.totp_confirmed_at.is_some() => "active, one-time codes",
            (None, Some(_)) => "active",
        };
        let _ = writeln!(text, "{:<8} {email:<40} {state}", person.role);
    }
    Ok(text)
}

async fn list_tokens(office: &Office, zone: &TimeZone) -> Result<String, PeopleError> {
    let now = office.clock.now();
    let mut text = String::new();
    for ApiToken { id, scope, note, expires_at, revoked_at, .. } in office.store.api_tokens(MAX_TOKENS).await? {
        let state = match revoked_at {
            Some(_) => "revoked",
            None if expires_at <= now => "over",
            None => "in force",
        };
        let until = calendar::date_of(expires_at, zone);
        let _ = writeln!(text, "{id} {scope:<13} until {until} {state:<8} {note}");
    }
    Ok(text)
}
