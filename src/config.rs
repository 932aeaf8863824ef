//! The settings: the only reader of the environment.
//!
//! Every setting is a row of [`SETTINGS`]; from that table come the flags, the variables, the comments that
//! `mainstay init` writes and the table in the README. A flag beats the environment, the environment beats
//! `mainstay.env` in the working directory. All problems are reported at once. Invariant: a secret is never printed,
//! neither in an error nor by `Debug`, and is no flag.

mod lenient;
mod mail;
mod parse;
mod sources;
mod values;

use std::fmt;
use std::net::SocketAddr;

use secrecy::SecretString;

use crate::domain::retention::Periods;

pub use lenient::LenientSettings;
pub use mail::{
    DEFAULT_RENEWAL_NOTICE_DAYS, MailCommands, MailSettings, MailTransport, Protection, Receipts, Sending, SmtpServer,
};
pub use sources::{BasicFlags, ENV_FILE, Flags, Sources};
pub use values::{DatabaseUrl, LogFormat, Mode, NewsroomZone, Origin, StripeKey};

/// What every variable of ours begins with.
pub const PREFIX: &str = "MAINSTAY_";
/// What a variable that names a file with the value ends with.
pub const FILE_SUFFIX: &str = "_FILE";

/// One setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Without [`PREFIX`]: `DATABASE_URL`.
    pub name: &'static str,
    /// Without the dashes: `database-url`. Secrets have none.
    pub flag: Option<&'static str>,
    pub secrecy: Secrecy,
    /// What holds when it is not given.
    pub default: Option<&'static str>,
    /// What it is, for the README, `--help` and `mainstay.env`; one line.
    pub what: &'static str,
    /// What a value looks like, for errors.
    pub expected: &'static str,
}

/// Who may see a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// A flag and a variable.
    Open,
    /// May hold a password: a flag (without one), a variable, or a file.
    Mixed,
    /// A variable or a file, never a flag: flags show in process lists.
    Secret,
}

impl Setting {
    /// `MAINSTAY_DATABASE_URL`
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// `MAINSTAY_DATABASE_URL_FILE`, where the value may come from a file.
    pub fn file_variable(&self) -> Option<String> {
        (self.secrecy != Secrecy::Open).then(|| format!("{PREFIX}{}{FILE_SUFFIX}", self.name))
    }
}

/// A row of [`SETTINGS`].
const fn row(
    name: &'static str,
    flag: Option<&'static str>,
    default: Option<&'static str>,
    what: &'static str,
    expected: &'static str,
) -> Setting {
    let secrecy = if flag.is_some() { Secrecy::Open } else { Secrecy::Secret };
    Setting { name, flag, secrecy, default, what, expected }
}

/// Every setting, in the order of the README.
pub const SETTINGS: &[Setting] = &[
    Setting {
        secrecy: Secrecy::Mixed,
        ..row(
            "DATABASE_URL",
            Some("database-url"),
            Some("sqlite://mainstay.db"),
            "The database: an SQLite file, or a PostgreSQL server.",
            "sqlite://PATH or postgres://USER:PASSWORD@HOST:PORT/NAME",
        )
    },
    row(
        "LISTEN",
        Some("listen"),
        Some("127.0.0.1:8787"),
        "The address and port to listen on.",
        "an address and a port, such as 127.0.0.1:8787 or [::]:8787",
    ),
    row(
        "PUBLIC_URL",
        Some("public-url"),
        None,
        "Where donors reach this server: scheme and host, no path.",
        "an origin without a path, such as https://give.example.org",
    ),
    row(
        "ALLOWED_ORIGINS",
        Some("allowed-origins"),
        Some(""),
        "Origins of other sites that may call the API and be returned to after checkout, parted by commas.",
        "exact origins parted by commas, such as https://example.org,https://www.example.org",
    ),
    row(
        "TRUSTED_PROXIES",
        Some("trusted-proxies"),
        Some("0"),
        "How many proxies of ours stand in front: limits count readers by the address the outermost of them adds to X-Forwarded-For.",
        "a whole number from 0 to 16: 0 when readers connect directly, 1 behind one proxy",
    ),
    row(
        "TIME_ZONE",
        Some("time-zone"),
        Some("UTC"),
        "The newsroom's time zone: it decides days and months in reports. Fixed at the first start.",
        "an IANA name, such as Europe/Riga or America/New_York",
    ),
    row(
        "REMINDER_HOUR",
        Some("reminder-hour"),
        Some("9"),
        "The hour of the newsroom's day at which reminders are sent.",
        "a whole hour from 0 to 23",
    ),
    row(
        "REMINDER_STALE_DAYS",
        Some("reminder-stale-days"),
        Some("7"),
        "After an outage, a reminder that is late by more than so many days is not sent any more.",
        "a whole number of days from 0 to 60",
    ),
    row(
        "STRIPE_SECRET_KEY",
        None,
        None,
        "Stripe's secret or restricted API key.",
        "a key beginning with sk_test_, sk_live_, rk_test_ or rk_live_, from the Stripe dashboard under Developers, API keys",
    ),
    row(
        "STRIPE_WEBHOOK_SECRETS",
        None,
        None,
        "The signing secret of the webhook endpoint at Stripe; several, parted by commas, while one replaces another.",
        "secrets beginning with whsec_, parted by commas, from the Stripe dashboard under Developers, Webhooks",
    ),
    row(
        "STRIPE_API_URL",
        Some("stripe-api-url"),
        Some("https://api.stripe.com/"),
        "Where Stripe's API is; another value only to try things out against the sandbox.",
        "a URL beginning with https:// (or http:// for the sandbox), such as https://api.stripe.com/",
    ),
    row(
        "STRIPE_READS_PER_SECOND",
        Some("stripe-reads-per-second"),
        Some("8"),
        "How many of the 25 requests a second that Stripe takes may be spent on reading its lists; donors have the rest.",
        "a whole number from 1 to 25",
    ),
    row(
        "SWEEP_MINUTES",
        Some("sweep-minutes"),
        Some("15"),
        "How often Stripe is looked through for what its webhooks did not bring, also once at start; 0 is never.",
        "a whole number of minutes from 0 to 1440",
    ),
    row(
        "SILENCE_HOURS",
        Some("silence-hours"),
        Some("72"),
        "After so many hours without a webhook from Stripe a warning is logged; 0 is never.",
        "a whole number of hours from 0 to 8760",
    ),
    row(
        "VAULT_PUBLIC_KEY",
        Some("vault-public-key"),
        None,
        "The vault's public key: seals what could identify a donor.",
        "vault_public_ and 64 hex digits, as `mainstay init` writes it",
    ),
    row(
        "VAULT_PRIVATE_KEY",
        None,
        None,
        "The vault's private key: opens what was sealed. Without it, sealed data is lost; keep a copy elsewhere.",
        "vault_private_ and 64 hex digits, as `mainstay init` writes it",
    ),
    row(
        "VAULT_INDEX_KEY",
        None,
        None,
        "The key of the blind index, by which a donor's address is found without storing it.",
        "vault_index_ and 64 hex digits, as `mainstay init` writes it",
    ),
    row(
        "SMTP_URL",
        None,
        Some(""),
        "Where mail goes: a server, or a folder. Nothing is sent in clear unless ?tls=none is said. Without it, mails wait in the outbox until they expire.",
        "smtp://USER:PASSWORD@HOST:PORT (with STARTTLS), smtps://USER:PASSWORD@HOST:PORT or file:FOLDER; ?ca=FILE names the certificate of an authority of your own",
    ),
    row(
        "MAIL_FROM",
        Some("mail-from"),
        Some(""),
        "Whom mail comes from, as readers see it.",
        "a name and an address, such as The Paper <support@paper.example>",
    ),
    row(
        "MAIL_POSTAL_ADDRESS",
        Some("mail-postal-address"),
        Some(""),
        "The newsroom's name and postal address, shown in every mail.",
        "one line, such as The Paper, 1 Main Street, LV-1010 Riga, Latvia",
    ),
    row(
        "MAIL_TEMPLATES",
        Some("mail-templates"),
        Some(""),
        "A folder with templates of your own for mails, such as reminder.txt or reminder.ru.html.",
        "a folder",
    ),
    row(
        "MAIL_BOUNCE_SECRET",
        None,
        Some(""),
        "The secret by which a mail service reports bounces and complaints. Without it, nobody can.",
        "at least 32 letters, digits and -._~, as `openssl rand -hex 32` makes them",
    ),
    row(
        "NEWSLETTER_EXPORT_TOKEN",
        None,
        Some(""),
        "The secret by which another program fetches confirmed readers of the newsletter. Without it, none can.",
        "at least 32 letters, digits and -._~, as `openssl rand -hex 32` makes them",
    ),
    row(
        "ADMIN_KEY",
        None,
        Some(""),
        "The key of the newsroom's own pages: seals what its people sign in by. Without it, nobody can sign in.",
        "admin_key_ and 64 hex digits, as `mainstay init` writes it",
    ),
    row(
        "ADMIN_TOTP",
        Some("admin-totp"),
        Some("optional"),
        "Whether everybody who signs in to the newsroom's own pages needs one-time codes of an authenticator.",
        "optional or required",
    ),
    row(
        "RECEIPTS",
        Some("receipts"),
        Some("each"),
        "Which payments of a recurring pledge are followed by a receipt; the first one always is.",
        "each, annual or none",
    ),
    row(
        "RENEWAL_NOTICE_DAYS",
        Some("renewal-notice-days"),
        Some("7"),
        "How many days before an annual renewal its donor is written to; 0: never. Nobody is before a monthly one.",
        "a whole number from 0 to 60",
    ),
    row(
        "KEEP_ABANDONED_HOURS",
        Some("keep-abandoned-hours"),
        Some("24"),
        "How long it is known who made a pledge that ended without money.",
        "a whole number of hours from 1 to 720",
    ),
    row(
        "KEEP_ONCE_DAYS",
        Some("keep-once-days"),
        Some("30"),
        "How long the address of somebody who gave once is kept after the gift.",
        "a whole number of days from 1 to 3650",
    ),
    row(
        "KEEP_RECURRING_DAYS",
        Some("keep-recurring-days"),
        Some("30"),
        "How long the address of somebody who gave regularly is kept after the pledge ended.",
        "a whole number of days from 1 to 3650",
    ),
    row(
        "KEEP_INDEX_DAYS",
        Some("keep-index-days"),
        Some("400"),
        "How long after that gift, or that end, another gift is known to be of the same donor.",
        "a whole number of days from 1 to 3650",
    ),
    row(
        "KEEP_BODIES_DAYS",
        Some("keep-bodies-days"),
        Some("14"),
        "How long what Stripe sent is kept, sealed, once it is applied, ignored or of another product.",
        "a whole number of days from 1 to 3650",
    ),
    row(
        "KEEP_PARKED_DAYS",
        Some("keep-parked-days"),
        Some("90"),
        "How long what could not be applied is kept, sealed.",
        "a whole number of days from 1 to 3650",
    ),
    row(
        "LOG",
        Some("log"),
        Some("info"),
        "What is logged: a level, or levels by module.",
        "error, warn, info, debug or trace, or a filter such as info,mainstay::worker=debug",
    ),
    row("LOG_FORMAT", Some("log-format"), Some("text"), "How it is logged: text or json.", "text or json"),
];

/// The setting of this name (without [`PREFIX`]).
pub fn setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// Which halves of the server run in a process. Each needs other settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Web and worker in one process.
    All,
    /// Takes pledges and webhooks. Needs no key that opens donor data.
    Web,
    /// Reconciles what Stripe sent.
    Worker,
}

impl Role {
    pub fn serves_web(self) -> bool {
        self != Self::Worker
    }

    pub fn works(self) -> bool {
        self != Self::Web
    }
}

/// What a command needs that only looks at the database.
#[derive(Debug, Clone)]
pub struct Basics {
    pub database_url: DatabaseUrl,
    pub time_zone: NewsroomZone,
    pub log: Log,
}

/// What a command needs that opens what is sealed.
#[derive(Debug, Clone)]
pub struct DeskSettings {
    pub basics: Basics,
    pub vault_public_key: String,
    pub reminders: ReminderSettings,
    pub worker: WorkerSettings,
}

/// What a page needs to know to lead readers to us and on to the checkout.
#[derive(Debug, Clone)]
pub struct Addresses {
    pub basics: Basics,
    pub public_url: Origin,
    pub stripe_api_url: url::Url,
}

impl Addresses {
    /// Where donors pay: Stripe's pages, or those of whatever stands in for Stripe.
    pub fn checkout_origin(&self) -> String {
        match self.stripe_api_url.host_str() {
            Some("api.stripe.com") => "https://checkout.stripe.com".to_owned(),
            _ => self.stripe_api_url.origin().ascii_serialization(),
        }
    }
}

/// What a command needs that asks Stripe and opens nothing that is sealed.
#[derive(Debug, Clone)]
pub struct StripeCommands {
    pub addresses: Addresses,
    pub stripe_secret_key: StripeKey,
    pub sweep: SweepSettings,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// As tracing-subscriber's `EnvFilter` reads it.
    pub filter: String,
    pub format: LogFormat,
}

/// What the server needs.
#[derive(Debug, Clone)]
pub struct Settings {
    pub basics: Basics,
    pub listen: SocketAddr,
    pub stripe_secret_key: StripeKey,
    /// Ends with a slash.
    pub stripe_api_url: url::Url,
    pub vault_public_key: String,
    pub reminders: ReminderSettings,
    pub sweep: SweepSettings,
    /// Set where this process serves the web.
    pub web: Option<WebSettings>,
    /// Set where this process works.
    pub worker: Option<WorkerSettings>,
}

/// When reminders are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReminderSettings {
    /// The local hour, 0 to 23.
    pub hour: i8,
    /// A reminder that is late by more than so many days is not sent.
    pub stale_days: i64,
}

/// How Stripe is looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepSettings {
    /// Pages and objects read in a second, at most.
    pub reads_per_second: u32,
    /// Seconds from the end of one sweep to the next; none where there is to be no sweep.
    pub every: Option<i64>,
    /// Seconds without a webhook after which a warning is due; none where it never is.
    pub silence: Option<i64>,
}

/// What only the web half needs.
#[derive(Debug, Clone)]
pub struct WebSettings {
    pub public_url: Origin,
    pub allowed_origins: Vec<Origin>,
    /// Proxies of ours that stand in front, each adding to `X-Forwarded-For`.
    pub trusted_proxies: usize,
    pub stripe_webhook_secrets: Vec<SecretString>,
    /// By which bounces are reported; without it nobody can.
    pub mail_bounce_secret: Option<SecretString>,
    /// By which readers of the newsletter are fetched; without it nobody can.
    pub newsletter_export_token: Option<SecretString>,
    pub admin: AdminSettings,
}

/// How the newsroom's own people sign in.
#[derive(Debug, Clone)]
pub struct AdminSettings {
    /// Without it nobody can.
    pub key: Option<SecretString>,
    /// Whether everybody needs one-time codes.
    pub totp_required: bool,
}

/// What `mainstay admin` needs.
#[derive(Debug, Clone)]
pub struct AdminCommands {
    pub basics: Basics,
    /// Where links lead.
    pub public_url: Origin,
    pub key: SecretString,
}

/// What only the worker half needs.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// Where links in mails lead.
    pub public_url: Origin,
    pub vault_private_key: SecretString,
    pub vault_index_key: SecretString,
    pub mail: MailSettings,
    /// How long what is known of donors is kept.
    pub keep: Periods,
}

/// One thing that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which setting, or where in which file.
    pub place: String,
    /// What is wrong, what was expected, what to do. Never a secret's value.
    pub what: String,
}

/// Everything that is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "the configuration has {count} problem{}:", if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {}: {}", problem.place, problem.what))
    }
}

/// The first variable that holds a live Stripe key, if one does. The demo refuses to run beside one.
pub fn live_stripe_key_in_environment() -> Option<&'static str> {
    const NAMES: [&str; 3] = ["MAINSTAY_STRIPE_SECRET_KEY", "STRIPE_SECRET_KEY", "STRIPE_API_KEY"];
    #[expect(clippy::disallowed_methods, reason = "this module is the reader of the environment")]
    let value = |name: &str| std::env::var_os(name);
    NAMES.into_iter().find(|name| value(name).is_some_and(|value| is_live_key(&value.to_string_lossy())))
}

fn is_live_key(value: &str) -> bool {
    StripeKey::LIVE_PREFIXES.iter().any(|prefix| value.trim().starts_with(prefix))
}

#[cfg(test)]
mod tests;
