//! Handing messages to a server, by a small pool of connections that knows how far each send came.
//!
//! Before the text is begun nothing can have arrived, and whatever failed may be tried again; from then on only the
//! server's answer tells. So the two are two steps, and the caller can note in between that the text is about to go.
//! Invariant: unless the settings say otherwise, not a word but EHLO and STARTTLS is spoken in clear.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::ClientId;
use secrecy::ExposeSecret as _;
use tokio::time::{Instant, timeout};

use super::mailer::{MailerError, SendError};
use super::message::Message;
use crate::config::{Protection, SmtpServer};

/// How many connections wait for the next mail.
const MAX_IDLE: usize = 8;
/// How long one waits: servers close what is idle, and a message is not to meet that.
const IDLE_FOR: Duration = Duration::from_secs(10);
/// How many mails go over one connection: servers bound that too.
const MAILS_AT_MOST: u32 = 100;

pub(super) struct Smtp {
    server: SmtpServer,
    tls: Option<TlsParameters>,
    login: Option<Credentials>,
    hello: ClientId,
    idle: Mutex<Vec<Connection>>,
}

struct Connection {
    wire: AsyncSmtpConnection,
    mails: u32,
    idle_since: Instant,
}

/// A server that has taken sender and recipient and waits for the text.
pub(super) struct Ready<'a> {
    smtp: &'a Smtp,
    connection: Connection,
    message: &'a Message,
}

impl Smtp {
    pub fn new(server: &SmtpServer, hello: &str) -> Result<Self, MailerError> {
        let tls = match server.protection {
            Protection::None => None,
            Protection::Tls | Protection::StartTls => Some(tls(server)?),
        };
        let login = server
            .login
            .as_ref()
            .map(|(user, password)| Credentials::new(user.clone(), password.expose_secret().to_owned()));
        let hello = ClientId::Domain(hello.to_owned());
        Ok(Self { server: server.clone(), tls, login, hello, idle: Mutex::new(Vec::new()) })
    }

    /// Brings the server to wait for the text.
    pub async fn open<'a>(&'a self, message: &'a Message) -> Result<Ready<'a>, SendError> {
        while let Some(connection) = self.take_idle() {
            match self.begin(connection, message).await {
                // Closed meanwhile. Nothing was handed over, so another connection does.
                Err(SendError::NotReached(_)) => {}
                outcome => return outcome,
            }
        }
        let connection = self.connect().await?;
        self.begin(connection, message).await
    }

    /// Whether the server answers as the settings have it, login and all. Hands nothing over.
    pub async fn check(&self) -> Result<(), SendError> {
        let mut connection = self.connect().await?;
        self.in_time(connection.wire.command(Noop)).await.map_err(|failed| failed.not_reached("closed"))?;
        // The server has answered; how it takes leave is no concern of ours.
        let _ = self.in_time(connection.wire.quit()).await;
        Ok(())
    }

    /// Waits for one command, no longer than the settings say.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Failed> {
        match timeout(self.server.patience, work).await {
            Ok(outcome) => outcome.map_err(Failed::Said),
            Err(_) => Err(Failed::TooSlow),
        }
    }

    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|connection| connection.idle_since.elapsed() < IDLE_FOR);
        idle.pop()
    }

    fn put_idle(&self, mut connection: Connection) {
        connection.mails += 1;
        connection.idle_since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if connection.mails < MAILS_AT_MOST && idle.len() < MAX_IDLE && !connection.wire.has_broken() {
            idle.push(connection);
        }
    }

    async fn connect(&self) -> Result<Connection, SendError> {
        let host = (self.server.host.as_str(), self.server.port);
        let at_once = if self.server.protection == Protection::Tls { self.tls.clone() } else { None };
        let connecting =
            AsyncSmtpConnection::connect_tokio1(host, Some(self.server.patience), &self.hello, at_once, None);
        let mut wire = self.in_time(connecting).await.map_err(|failed| failed.not_reached("unreachable"))?;
        if self.server.protection == Protection::StartTls {
            let tls = self.tls.clone().filter(|_| wire.can_starttls()).ok_or(SendError::NotReached("no_starttls"))?;
            self.in_time(wire.starttls(tls, &self.hello)).await.map_err(|failed| failed.not_reached("tls_failed"))?;
        }
        if self.server.protection != Protection::None && !wire.is_encrypted() {
            return Err(SendError::NotReached("not_encrypted"));
        }
        if let Some(login) = &self.login {
            let asked = wire.auth(&[Mechanism::Plain, Mechanism::Login], login);
            self.in_time(asked).await.map_err(|failed| failed.not_reached("login_refused"))?;
        }
        Ok(Connection { wire, mails: 0, idle_since: Instant::now() })
    }

    async fn begin<'a>(&'a self, mut connection: Connection, message: &'a Message) -> Result<Ready<'a>, SendError> {
        let wire = &mut connection.wire;
        let sender = Mail::new(Some(message.from.clone()), Vec::new());
        self.in_time(wire.command(sender)).await.map_err(|failed| failed.of_sender())?;
        let recipient = Rcpt::new(message.to.clone(), Vec::new());
        self.in_time(wire.command(recipient)).await.map_err(|failed| failed.of_recipient())?;
        self.in_time(wire.command(Data)).await.map_err(|failed| failed.of_data())?;
        Ok(Ready { smtp: self, connection, message })
    }
}

impl Ready<'_> {
    /// Hands the text over and waits for the server's word. Dropped instead, the connection ends and nothing arrives.
    pub async fn hand_over(mut self) -> Result<(), SendError> {
        self.smtp
            .in_time(self.connection.wire.command(Text(&self.message.text)))
            .await
            .map_err(|failed| failed.of_text())?;
        self.smtp.put_idle(self.connection);
        Ok(())
    }
}

/// A text and its end, as they go over the wire (source: RFC 5321, 4.5.2).
///
/// They are one write. In two, as lettre's own way of handing texts over has it, the second waits until the server's system
/// has acknowledged the first (Nagle's algorithm), and that takes its time: 40 ms for every mail.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.starts_with('.') {
            f.write_str(".")?;
        }
        f.write_str(&self.0.replace("\r\n.", "\r\n.."))?;
        f.write_str("\r\n.\r\n")
    }
}

fn tls(server: &SmtpServer) -> Result<TlsParameters, MailerError> {
    let mut builder = TlsParameters::builder(server.host.clone());
    if let Some(path) = &server.authority {
        let failed = |what: String| MailerError::Authority { path: path.clone(), what };
        let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
        builder = builder
            .add_root_certificate(Certificate::from_pem(&pem).map_err(|_| failed("it is no PEM file".to_owned()))?);
    }
    builder.build_rustls().map_err(|error| MailerError::Tls(error.to_string()))
}

/// Why a command failed. What the server said is not passed on: it may quote the address.
enum Failed {
    TooSlow,
    Said(Error),
}

/// The server's way to say that it is about to close (source: RFC 5321, 3.8).
const CLOSING: u16 = 421;

impl Failed {
    /// The code of a refusal.
    fn code(&self) -> Option<u16> {
        match self {
            Self::Said(error) => error.status().map(u16::from),
            Self::TooSlow => None,
        }
    }

    fn not_reached(&self, why: &'static str) -> SendError {
        SendError::NotReached(if matches!(self, Self::TooSlow) { "too_slow" } else { why })
    }

    /// A sender that is refused for good is a mistake in the settings, which somebody mends, and no mail is lost over it.
    fn of_sender(&self) -> SendError {
        match self.code() {
            Some(CLOSING) | None => self.not_reached("closed"),
            Some(code) if code < 500 => SendError::Deferred(code),
            Some(_) => SendError::NotReached("sender_refused"),
        }
    }

    fn of_recipient(&self) -> SendError {
        match self.code() {
            Some(CLOSING) | None => self.not_reached("closed"),
            Some(code) if code < 500 => SendError::Deferred(code),
            Some(code) if !(550..=554).contains(&code) => SendError::NotReached("recipient_not_taken"),
            Some(code) if self.is_about_policy() => SendError::Refused(code),
            Some(code) => SendError::Bounced(code),
        }
    }

    fn of_data(&self) -> SendError {
        match self.code() {
            Some(CLOSING) | None => self.not_reached("closed"),
            Some(code) if code < 500 => SendError::Deferred(code),
            Some(code) => SendError::Refused(code),
        }
    }

    fn of_text(&self) -> SendError {
        match self.code() {
            None => SendError::MayHaveArrived,
            Some(code) if code < 500 => SendError::DeferredText(code),
            Some(code) => SendError::Refused(code),
        }
    }

    /// Whether the refusal is about us or what we send rather than about the address (source: RFC 3463, 3.8).
    fn is_about_policy(&self) -> bool {
        let Self::Said(error) = self else { return false };
        std::error::Error::source(error).is_some_and(|said| said.to_string().starts_with("5.7."))
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn a_line_that_begins_with_a_dot_does_not_end_the_text() {
        for (text, wire) in [
            ("", "\r\n.\r\n"),
            ("a\r\nb", "a\r\nb\r\n.\r\n"),
            (".a\r\n.\r\n..b\r\nc.d", "..a\r\n..\r\n...b\r\nc.d\r\n.\r\n"),
            ("\r\n.\r\n.\r\n", "\r\n..\r\n..\r\n\r\n.\r\n"),
        ] {
            assert_eq!(Text(text).to_string(), wire, "{text:?}");
        }
    }
}
