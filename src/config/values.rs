//! The types of the settings: each holds only what is right.

use std::fmt;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// Whether a Stripe key moves real money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Test,
    Live,
}

impl Mode {
    /// As it is recorded in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
        }
    }
}

/// For people: `TEST` or `LIVE`.
impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test => "TEST",
            Self::Live => "LIVE",
        })
    }
}

/// A secret or restricted API key. Its `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct StripeKey {
    key: SecretString,
    mode: Mode,
    restricted: bool,
}

impl StripeKey {
    pub const TEST_PREFIXES: [&'static str; 2] = ["sk_test_", "rk_test_"];
    pub const LIVE_PREFIXES: [&'static str; 2] = ["sk_live_", "rk_live_"];

    /// Reads a key; `None` for whatever is none.
    pub fn parse(text: &str) -> Option<Self> {
        let begins =
            |prefixes: [&str; 2]| prefixes.iter().any(|p| text.strip_prefix(p).is_some_and(|rest| !rest.is_empty()));
        let mode = match () {
            () if begins(Self::TEST_PREFIXES) => Mode::Test,
            () if begins(Self::LIVE_PREFIXES) => Mode::Live,
            () => return None,
        };
        let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        plain.then(|| Self { key: text.into(), mode, restricted: text.starts_with("rk_") })
    }

    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether it may do only what it was given: `rk_…`.
    pub fn is_restricted(&self) -> bool {
        self.restricted
    }

    pub fn secret(&self) -> &SecretString {
        &self.key
    }
}

/// The address of a database. Its `Debug` and `Display` show no password.
#[derive(Clone)]
pub struct DatabaseUrl {
    url: SecretString,
    shown: String,
    has_password: bool,
}

impl DatabaseUrl {
    /// Reads `sqlite://PATH` or `postgres://…`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            // An in-memory database would be another one for each connection.
            let path = path.split('?').next().unwrap_or_default();
            let whole = !path.is_empty() && path != ":memory:";
            return whole.then(|| Self { url: text.into(), shown: format!("sqlite://{path}"), has_password: false });
        }
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"))?;
        let port = url.port().map_or(String::new(), |port| format!(":{port}"));
        let shown = format!("postgres://{}{port}{}", url.host_str().unwrap_or("localhost"), url.path());
        let in_query = url.query_pairs().any(|(name, _)| name == "password");
        Some(Self { url: text.into(), shown, has_password: url.password().is_some() || in_query })
    }

    /// The address with all its secrets, for [`crate::store::Store::open`].
    pub fn expose(&self) -> &str {
        self.url.expose_secret()
    }

    pub fn has_password(&self) -> bool {
        self.has_password
    }

    /// The SQLite file, where it is one.
    pub fn sqlite_path(&self) -> Option<PathBuf> {
        self.shown.strip_prefix("sqlite://").map(PathBuf::from)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({})", self.shown)
    }
}

/// A scheme, a host and perhaps a port: `https://give.example.org`, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Reads an origin; one slash at the end is forgiven.
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none() && !text.contains(['@', '\\', '*']);
        (bare && anonymous).then(|| Self(url.origin().ascii_serialization()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The newsroom's time zone, by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsroomZone {
    name: String,
    zone: TimeZone,
}

impl NewsroomZone {
    /// Reads an IANA name; offsets and `Local` are none.
    pub fn parse(text: &str) -> Option<Self> {
        let zone = TimeZone::get(text).ok()?;
        // The name in the database's own spelling, so that one zone is recorded in one way.
        let name = zone.iana_name()?.to_owned();
        Some(Self { name, zone })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }
}
