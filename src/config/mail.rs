//! Where mail goes, from whom, and in whose words.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use url::{Host, Url};

use crate::domain::mailbox::{Line, Mailbox};

/// Where mail goes. Shown without its password.
#[derive(Debug, Clone)]
pub enum MailTransport {
    Smtp(SmtpServer),
    /// A file for each mail in this folder.
    Folder(PathBuf),
}

/// Which payments of a recurring pledge are followed by a receipt; the first one always is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipts {
    Each,
    /// Those of annual pledges.
    Annual,
    None,
}

impl Receipts {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "each" => Some(Self::Each),
            "annual" => Some(Self::Annual),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// How many days before an annual renewal its donor is written to, where nothing else is said.
pub const DEFAULT_RENEWAL_NOTICE_DAYS: i64 = 7;

/// A server that takes mail.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// As TLS knows it, and as it is resolved.
    pub host: String,
    pub port: u16,
    pub protection: Protection,
    pub login: Option<(String, SecretString)>,
    /// A file with the certificate that signs the server's, for a server of one's own.
    pub authority: Option<PathBuf>,
    /// How long one command may take: half a minute.
    pub patience: Duration,
}

/// How the way to the server is kept from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, without which nothing is sent.
    StartTls,
    /// None: said by `?tls=none`.
    None,
}

impl MailTransport {
    /// Reads `smtp://…`, `smtps://…` or `file:…`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return (!path.is_empty()).then(|| Self::Folder(PathBuf::from(path)));
        }
        let url = Url::parse(text).ok()?;
        let (port, by_scheme) = match url.scheme() {
            "smtp" => (587, Protection::StartTls),
            "smtps" => (465, Protection::Tls),
            _ => return None,
        };
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return None;
        }
        let plain = |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
        let host = url.host_str().filter(|host| !host.is_empty()).filter(plain)?;
        let (protection, authority) = options(&url, by_scheme)?;
        Some(Self::Smtp(SmtpServer {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(port),
            protection,
            login: login(&url)?,
            authority,
            patience: Duration::from_secs(30),
        }))
    }
}

fn options(url: &Url, by_scheme: Protection) -> Option<(Protection, Option<PathBuf>)> {
    let (mut protection, mut authority) = (by_scheme, None);
    for (name, value) in url.query_pairs() {
        match (&*name, &*value) {
            ("tls", "none") if by_scheme == Protection::StartTls => protection = Protection::None,
            ("tls", "required") => {}
            ("ca", path) if !path.is_empty() => authority = Some(PathBuf::from(path)),
            _ => return None,
        }
    }
    Some((protection, authority))
}

/// The name and password in an address; neither, or both.
#[expect(clippy::option_option, reason = "the outer one tells what is wrong, the inner one what is not given")]
fn login(url: &Url) -> Option<Option<(String, SecretString)>> {
    let plain = |text: &str| percent_decoded(text).filter(|text| !text.contains(char::is_control));
    match (url.username(), url.password()) {
        ("", None) => Some(None),
        ("", _) | (_, None) => None,
        (user, Some(password)) => Some(Some((plain(user)?, plain(password)?.into()))),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl SmtpServer {
    /// Whether mail would cross a network for all to read.
    pub fn is_open_to_others(&self) -> bool {
        let loopback = match Host::parse(&self.host) {
            Ok(Host::Domain(name)) => name == "localhost",
            Ok(Host::Ipv4(address)) => address.is_loopback(),
            Ok(Host::Ipv6(address)) => address.is_loopback(),
            Err(_) => self.host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback()),
        };
        self.protection == Protection::None && !loopback
    }
}

impl fmt::Display for MailTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "file:{}", path.display()),
            Self::Smtp(server) => {
                let (scheme, how) = match server.protection {
                    Protection::Tls => ("smtps", ""),
                    Protection::StartTls => ("smtp", " (STARTTLS)"),
                    Protection::None if server.is_open_to_others() => {
                        ("smtp", " (DANGEROUS: in clear, for everybody on the way to read; remove ?tls=none)")
                    }
                    Protection::None => ("smtp", " (in clear, within this machine)"),
                };
                let colons = server.host.contains(':');
                let host = if colons { format!("[{}]", server.host) } else { server.host.clone() };
                write!(f, "{scheme}://{host}:{}{how}", server.port)
            }
        }
    }
}

/// What sending mail needs.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// With no transport, nothing is sent.
    pub sending: Option<Sending>,
    /// Shown in every mail; empty where no mail is sent.
    pub postal_address: Line,
    /// A newsroom's own templates.
    pub templates: Option<PathBuf>,
    pub receipts: Receipts,
    /// How many days before an annual renewal its donor is written to; 0: never.
    pub renewal_notice_days: i64,
}

/// Where mail goes and from whom it comes.
#[derive(Debug, Clone)]
pub struct Sending {
    pub transport: MailTransport,
    pub from: Mailbox,
}

/// What the `mail` commands need.
#[derive(Debug, Clone)]
pub struct MailCommands {
    pub basics: super::Basics,
    pub mail: MailSettings,
}

/// Said at the start, and by whoever asks where mail goes.
impl fmt::Display for MailSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.sending {
            Some(sending) => write!(f, "mail goes to {}, from {}", sending.transport, sending.from),
            None => f.write_str("no mail is sent: MAINSTAY_SMTP_URL is not set"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        MailTransport::parse(text).map(|transport| transport.to_string())
    }

    #[test]
    fn an_address_says_how_mail_goes_and_never_its_password() {
        for (text, reads) in [
            ("smtp://mail.example.org", "smtp://mail.example.org:587 (STARTTLS)"),
            ("smtp://me:p%40ss@mail.example.org:25", "smtp://mail.example.org:25 (STARTTLS)"),
            ("smtps://me:pass@mail.example.org", "smtps://mail.example.org:465"),
            ("smtp://127.0.0.1:2525?tls=none", "smtp://127.0.0.1:2525 (in clear, within this machine)"),
            ("smtp://[::1]:2525?tls=none", "smtp://[::1]:2525 (in clear, within this machine)"),
            ("file:inbox", "file:inbox"),
            ("file:///var/mail", "file:/var/mail"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(reads), "{text}");
            assert!(!format!("{:?}", MailTransport::parse(text)).contains("ss@"), "{text}");
        }
        let dangerous = shown("smtp://mail.example.org?tls=none").unwrap();
        assert!(dangerous.contains("DANGEROUS"), "{dangerous}");
    }

    #[test]
    fn other_addresses_are_refused() {
        for text in [
            "",
            "mail.example.org",
            "http://mail.example.org",
            "smtp://",
            "smtp://mail.example.org/path",
            "file:",
            "smtp://me@mail.example.org",
            "smtp://m?tls=maybe",
            "smtps://m?tls=none",
            "smtp://m?tsl=none",
            "smtp://me:a%0d%0ab@mail.example.org",
            "smtp://пример.рф",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }
}
