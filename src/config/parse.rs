//! From texts to [`Settings`]: every value is read, and every problem is kept, before any is reported.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::sources::Given;
use super::{
    Addresses, AdminCommands, AdminSettings, Basics, ConfigError, DatabaseUrl, DeskSettings, Log, LogFormat,
    MailCommands, MailSettings, MailTransport, NewsroomZone, Origin, Problem, Receipts, ReminderSettings, Role,
    Secrecy, Sending, Settings, Sources, StripeCommands, StripeKey, SweepSettings, WebSettings, WorkerSettings,
    setting,
};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::domain::mailbox::{Line, Mailbox, breaks};
use crate::domain::retention::Periods;
use crate::id::Random;
use crate::vault::{AdminKey, IndexKey, Opener, Sealer};

/// What stands for a value that was not given or is wrong; the problem is recorded, so nobody sees it.
const WRONG: &str = "";
/// More proxies than this in a row are a mistake.
const MAX_PROXIES: usize = 16;
/// A secret that is shorter, in characters, could be guessed.
const MIN_BEARER: usize = 32;
/// After more days than this nobody remembers having asked.
const MAX_STALE_DAYS: i64 = 60;
const MAX_SWEEP_MINUTES: i64 = 24 * 60;
const MAX_KEEP_HOURS: i64 = 30 * 24;
const MAX_KEEP_DAYS: i64 = 10 * 365;
const MAX_SILENCE_HOURS: i64 = 365 * 24;
/// Longer before a renewal, a notice of it would be forgotten again.
const MAX_RENEWAL_NOTICE_DAYS: i64 = 60;

impl Basics {
    /// What `migrate` and `report` need.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let basics = reader.basics();
        reader.finish(basics)
    }
}

impl Addresses {
    /// What `snippet` needs.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let addresses = reader.addresses();
        reader.finish(addresses)
    }
}

impl StripeCommands {
    /// What `stripe setup` and `reconcile` need.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let (addresses, key) = (reader.addresses(), reader.get("STRIPE_SECRET_KEY", StripeKey::parse));
        let commands = addresses.zip(key).zip(reader.sweep());
        let made = |((addresses, stripe_secret_key), sweep)| Self { addresses, stripe_secret_key, sweep };
        reader.finish(commands.map(made))
    }
}

impl AdminCommands {
    /// What `admin` needs.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let (basics, public_url) = (reader.basics(), reader.get("PUBLIC_URL", Origin::parse));
        let key = reader.get("ADMIN_KEY", |text| key(text, |text| AdminKey::parse(text).is_ok()));
        let settings = basics.zip(public_url).zip(key);
        reader.finish(settings.map(|((basics, public_url), key)| Self { basics, public_url, key }))
    }
}

impl MailCommands {
    /// What `mail preview` and `mail send-test` need.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let (basics, mail) = (reader.basics(), reader.mail());
        reader.finish(basics.zip(mail).map(|(basics, mail)| Self { basics, mail }))
    }

    /// The same with the key by which an address is found, for `mail suppress`.
    pub fn load_with_index_key(sources: Sources) -> Result<(Self, SecretString), ConfigError> {
        let mut reader = Reader::new(sources);
        let (basics, mail, key) = (reader.basics(), reader.mail(), reader.index_key());
        reader.finish(basics.zip(mail).zip(key).map(|((basics, mail), key)| (Self { basics, mail }, key)))
    }
}

impl DeskSettings {
    /// What `remind` and `newsletter` need.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let settings = reader.desk();
        reader.finish(settings)
    }
}

impl Settings {
    /// What `serve` needs in `role`.
    pub fn load(sources: Sources, role: Role) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(sources);
        let settings = reader.settings(role);
        reader.finish(settings)
    }
}

pub(super) struct Reader {
    sources: Sources,
    problems: Vec<Problem>,
}

impl Reader {
    pub(super) fn new(mut sources: Sources) -> Self {
        let problems = std::mem::take(&mut sources.problems);
        Self { sources, problems }
    }

    /// `value`, unless there was a problem.
    fn finish<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        match value {
            Some(value) if self.problems.is_empty() => Ok(value),
            _ => Err(ConfigError { problems: self.problems }),
        }
    }

    /// The value of a setting read by `read`. `None`, and a problem, when it is wrong or missing.
    pub(super) fn get<T>(&mut self, name: &'static str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let setting = setting(name)?;
        let given = match self.sources.find(setting) {
            Ok(given) => given,
            Err(problem) => {
                self.problems.push(problem);
                return None;
            }
        };
        let default = |value: &str| Given { value: value.to_owned(), place: setting.variable(), by_flag: false };
        let Some(given) = given.or_else(|| setting.default.map(default)) else {
            self.problem(setting.variable(), format!("is needed and not given. Set it to {}.", setting.expected));
            return None;
        };
        let value = read(&given.value);
        if value.is_none() {
            let shown = if setting.secrecy == Secrecy::Open {
                format!("{:?} is wrong: ", given.value)
            } else {
                WRONG.to_owned()
            };
            self.problem(given.place, format!("{shown}expected {}.", setting.expected));
        } else if given.by_flag && DatabaseUrl::parse(&given.value).is_some_and(|url| url.has_password()) {
            let what = format!("a password in a flag shows in process lists. Give it by {}.", setting.variable());
            self.problem(given.place, what);
        }
        value
    }

    fn problem(&mut self, place: String, what: String) {
        self.problems.push(Problem { place, what });
    }

    fn basics(&mut self) -> Option<Basics> {
        let database_url = self.get("DATABASE_URL", DatabaseUrl::parse);
        let time_zone = self.get("TIME_ZONE", NewsroomZone::parse);
        let filter = self.get("LOG", log_filter);
        let format = self.get("LOG_FORMAT", log_format);
        Some(Basics {
            database_url: database_url?,
            time_zone: time_zone?,
            log: Log { filter: filter?, format: format? },
        })
    }

    fn addresses(&mut self) -> Option<Addresses> {
        let basics = self.basics();
        let public_url = self.get("PUBLIC_URL", Origin::parse);
        let stripe_api_url = self.get("STRIPE_API_URL", api_url);
        Some(Addresses { basics: basics?, public_url: public_url?, stripe_api_url: stripe_api_url? })
    }

    fn settings(&mut self, role: Role) -> Option<Settings> {
        // Everything is read before anything is given up, so that all problems are reported.
        let basics = self.basics();
        let listen = self.get("LISTEN", |text| text.parse::<SocketAddr>().ok());
        let stripe_secret_key = self.get("STRIPE_SECRET_KEY", StripeKey::parse);
        let stripe_api_url = self.get("STRIPE_API_URL", api_url);
        let vault_public_key = self.get("VAULT_PUBLIC_KEY", public_key);
        let web = role.serves_web().then(|| self.web());
        // The address of the web half is read once: what is wrong with it is said once.
        let public_url = match &web {
            Some(web) => web.as_ref().map(|web| web.public_url.clone()),
            None => self.get("PUBLIC_URL", Origin::parse),
        };
        let worker = role.works().then(|| self.worker(public_url));
        let (reminders, sweep) = (self.reminders(), self.sweep());
        if let (Some(public), Some(Some(worker))) = (&vault_public_key, &worker) {
            self.check_key_pair(public, &worker.vault_private_key);
        }
        Some(Settings {
            basics: basics?,
            listen: listen?,
            stripe_secret_key: stripe_secret_key?,
            stripe_api_url: stripe_api_url?,
            vault_public_key: vault_public_key?,
            reminders: reminders?,
            sweep: sweep?,
            web: match web {
                Some(web) => Some(web?),
                None => None,
            },
            worker: match worker {
                Some(worker) => Some(worker?),
                None => None,
            },
        })
    }

    fn web(&mut self) -> Option<WebSettings> {
        let public_url = self.get("PUBLIC_URL", Origin::parse);
        let allowed_origins = self.get("ALLOWED_ORIGINS", origins);
        let trusted_proxies = self.get("TRUSTED_PROXIES", proxies);
        let stripe_webhook_secrets = self.get("STRIPE_WEBHOOK_SECRETS", webhook_secrets);
        let mail_bounce_secret = self.get("MAIL_BOUNCE_SECRET", bearer_secret);
        let newsletter_export_token = self.get("NEWSLETTER_EXPORT_TOKEN", bearer_secret);
        let admin = self.admin();
        Some(WebSettings {
            admin: admin?,
            public_url: public_url?,
            allowed_origins: allowed_origins?,
            trusted_proxies: trusted_proxies?,
            stripe_webhook_secrets: stripe_webhook_secrets?,
            mail_bounce_secret: mail_bounce_secret?,
            newsletter_export_token: newsletter_export_token?,
        })
    }

    pub(super) fn admin(&mut self) -> Option<AdminSettings> {
        let right = |text: &str| key(text, |text| AdminKey::parse(text).is_ok());
        let key = self.get("ADMIN_KEY", |text| optional(text, right));
        let totp_required = self.get("ADMIN_TOTP", |text| match text {
            "optional" => Some(false),
            "required" => Some(true),
            _ => None,
        });
        Some(AdminSettings { key: key?, totp_required: totp_required? })
    }

    fn desk(&mut self) -> Option<DeskSettings> {
        let basics = self.basics();
        let public_url = self.get("PUBLIC_URL", Origin::parse);
        let vault_public_key = self.get("VAULT_PUBLIC_KEY", public_key);
        let (reminders, worker) = (self.reminders(), self.worker(public_url));
        Some(DeskSettings {
            basics: basics?,
            vault_public_key: vault_public_key?,
            reminders: reminders?,
            worker: worker?,
        })
    }

    fn reminders(&mut self) -> Option<ReminderSettings> {
        let hour = self.get("REMINDER_HOUR", |text| text.parse().ok().filter(|hour| (0..24).contains(hour)));
        let stale_days = self.get("REMINDER_STALE_DAYS", |text| whole(text, MAX_STALE_DAYS));
        Some(ReminderSettings { hour: hour?, stale_days: stale_days? })
    }

    fn sweep(&mut self) -> Option<SweepSettings> {
        let reads_per_second =
            self.get("STRIPE_READS_PER_SECOND", |text| text.parse().ok().filter(|reads| (1..=25).contains(reads)));
        let every = self.get("SWEEP_MINUTES", |text| whole(text, MAX_SWEEP_MINUTES));
        let silence = self.get("SILENCE_HOURS", |text| whole(text, MAX_SILENCE_HOURS));
        Some(SweepSettings {
            reads_per_second: reads_per_second?,
            every: Some(every? * MINUTE).filter(|every| *every > 0),
            silence: Some(silence? * HOUR).filter(|silence| *silence > 0),
        })
    }

    fn worker(&mut self, public_url: Option<Origin>) -> Option<WorkerSettings> {
        let private = self.private_key();
        let (index, mail, keep) = (self.index_key(), self.mail(), self.keep());
        Some(WorkerSettings {
            public_url: public_url?,
            vault_private_key: private?,
            vault_index_key: index?,
            mail: mail?,
            keep: keep?,
        })
    }

    pub(super) fn keep(&mut self) -> Option<Periods> {
        let hours = |text: &str| whole(text, MAX_KEEP_HOURS).filter(|hours| *hours > 0);
        let days = |text: &str| whole(text, MAX_KEEP_DAYS).filter(|days| *days > 0);
        let (abandoned, once) = (self.get("KEEP_ABANDONED_HOURS", hours), self.get("KEEP_ONCE_DAYS", days));
        let (recurring, index) = (self.get("KEEP_RECURRING_DAYS", days), self.get("KEEP_INDEX_DAYS", days));
        let (bodies, parked) = (self.get("KEEP_BODIES_DAYS", days), self.get("KEEP_PARKED_DAYS", days));
        Some(Periods {
            abandoned: abandoned? * HOUR,
            once: once? * DAY,
            recurring: recurring? * DAY,
            index: index? * DAY,
            bodies: bodies? * DAY,
            parked: parked? * DAY,
        })
    }

    pub(super) fn private_key(&mut self) -> Option<SecretString> {
        self.get("VAULT_PRIVATE_KEY", |text| key(text, |text| Opener::parse(text).is_ok()))
    }

    pub(super) fn index_key(&mut self) -> Option<SecretString> {
        self.get("VAULT_INDEX_KEY", |text| key(text, |text| IndexKey::parse(text).is_ok()))
    }

    pub(super) fn mail(&mut self) -> Option<MailSettings> {
        let transport = self.get("SMTP_URL", |text| optional(text, MailTransport::parse));
        let from = self.get("MAIL_FROM", |text| optional(text, Mailbox::parse));
        let postal = self.get("MAIL_POSTAL_ADDRESS", |text| (!text.contains(breaks)).then(|| Line::of(text)));
        let templates = self.get("MAIL_TEMPLATES", |text| optional(text, |text| Some(text.into())));
        let receipts = self.get("RECEIPTS", Receipts::parse);
        let notice_days = |text: &str| text.parse().ok().filter(|days| (0..=MAX_RENEWAL_NOTICE_DAYS).contains(days));
        let renewal_notice_days = self.get("RENEWAL_NOTICE_DAYS", notice_days);
        let (transport, from, postal_address) = (transport?, from?, postal?);
        let settings = MailSettings {
            sending: None,
            postal_address,
            templates: templates?,
            receipts: receipts?,
            renewal_notice_days: renewal_notice_days?,
        };
        let Some(transport) = transport else { return Some(settings) };
        // A mail without a sender cannot be answered, and one without an address is unlawful in many places.
        let missing =
            [("MAIL_FROM", from.is_none()), ("MAIL_POSTAL_ADDRESS", settings.postal_address.as_str().is_empty())];
        for setting in missing.into_iter().filter(|(_, missing)| *missing).filter_map(|(name, _)| setting(name)) {
            let what = format!("is needed with MAINSTAY_SMTP_URL and not given. Set it to {}.", setting.expected);
            self.problem(setting.variable(), what);
        }
        Some(MailSettings { sending: Some(Sending { transport, from: from? }), ..settings })
    }

    fn check_key_pair(&mut self, public: &str, private: &SecretString) {
        let pair = Opener::parse(private).ok().zip(sealer(public));
        if pair.is_some_and(|(opener, sealer)| !opener.opens(&sealer)) {
            let what = "does not open what MAINSTAY_VAULT_PUBLIC_KEY seals. Give the two that `mainstay init` wrote \
                        together; after a rotation give old and new private keys, parted by commas.";
            self.problem("MAINSTAY_VAULT_PRIVATE_KEY".to_owned(), what.to_owned());
        }
    }
}

/// A whole number from 0 to `most`.
fn whole(text: &str, most: i64) -> Option<i64> {
    text.parse().ok().filter(|number| (0..=most).contains(number))
}

/// Nothing where nothing is given; `None` where it is wrong.
#[expect(clippy::option_option, reason = "the outer one tells what is wrong, the inner one what is not given")]
fn optional<T>(text: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if text.is_empty() { Some(None) } else { read(text).map(Some) }
}

/// The parts of a list, without the blanks around them and without empty ones.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

pub(super) fn origins(text: &str) -> Option<Vec<Origin>> {
    parts(text).map(Origin::parse).collect()
}

pub(super) fn public_key(text: &str) -> Option<String> {
    sealer(text).map(|_| text.to_owned())
}

fn sealer(text: &str) -> Option<Sealer> {
    Sealer::parse(text, Random::system()).ok()
}

fn key(text: &str, right: impl FnOnce(&SecretString) -> bool) -> Option<SecretString> {
    let key = SecretString::from(text);
    right(&key).then_some(key)
}

/// A secret that programs of the newsroom say: too long to be guessed, and whole in a header. Nothing where none is given.
#[expect(clippy::option_option, reason = "the outer one tells what is wrong, the inner one what is not given")]
fn bearer_secret(text: &str) -> Option<Option<SecretString>> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let right = |text: &str| text.len() >= MIN_BEARER && text.chars().all(plain);
    optional(text, |text| right(text).then(|| SecretString::from(text)))
}

fn webhook_secrets(text: &str) -> Option<Vec<SecretString>> {
    let read =
        |part: &str| part.strip_prefix("whsec_").filter(|rest| !rest.is_empty()).map(|_| SecretString::from(part));
    let secrets: Option<Vec<SecretString>> = parts(text).map(read).collect();
    // One secret twice would only cost time at every webhook.
    let distinct = |secrets: &Vec<SecretString>| {
        let texts: std::collections::BTreeSet<&str> = secrets.iter().map(ExposeSecret::expose_secret).collect();
        !secrets.is_empty() && texts.len() == secrets.len()
    };
    secrets.filter(distinct)
}

pub(super) fn api_url(text: &str) -> Option<Url> {
    let text = if text.ends_with('/') { text.to_owned() } else { format!("{text}/") };
    Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.query().is_none())
}

pub(super) fn proxies(text: &str) -> Option<usize> {
    text.parse().ok().filter(|proxies| *proxies <= MAX_PROXIES)
}

fn log_filter(text: &str) -> Option<String> {
    tracing_subscriber::EnvFilter::builder().parse(text).ok().map(|_| text.to_owned())
}

fn log_format(text: &str) -> Option<LogFormat> {
    match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    }
}
