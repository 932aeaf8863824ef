//! A mail server on loopback that keeps what it gets, and can be told to fail at any step.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A step of a session, by what the client says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Greeting,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// Once the final dot was read.
    Text,
}

/// What the server does, from the moment it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Kind,
    /// Refuses at this step with this reply.
    Refuses(Step, &'static str),
    /// Greylisting: refuses each recipient once.
    Greylists,
    /// Says nothing more at this step.
    Hangs(Step),
    /// Answers a byte at a time.
    Crawls,
    /// Cuts the connection after a part of the text.
    CutsBeforeDot,
    /// Keeps the mail and cuts the connection without a word.
    CutsAfterDot,
}

/// A mail as it came in.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub text: String,
    pub encrypted: bool,
}

impl Mail {
    /// The value of a header that stands on one line.
    pub fn header(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().expect("a head");
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

#[derive(Debug)]
struct State {
    mood: Mood,
    mails: Vec<Mail>,
    /// Whether mails are kept; else they are counted only.
    keeps: bool,
    arrived: usize,
    /// How many of them the test has looked at.
    looked_at: usize,
    /// Every line a client said before it was encrypted.
    in_clear: Vec<String>,
    greylisted: Vec<String>,
    /// What clients said of who they are, over TLS.
    logins: Vec<String>,
    sessions: usize,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Smtp {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    certificate: String,
    hang_up: Arc<Notify>,
    /// Held by the test, and not by the server's own tasks.
    _looked: Option<Arc<Looked>>,
}

/// When the test lets go of the server, every mail must have been looked at.
struct Looked(Arc<Mutex<State>>);

impl Drop for Looked {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let state = self.0.lock().expect("nobody panicked");
        let unseen: Vec<&str> = state.mails[state.looked_at..].iter().map(|mail| mail.to.as_str()).collect();
        assert!(unseen.is_empty(), "mail came that nobody looked at, to {unseen:?}");
    }
}

impl Smtp {
    /// One that offers STARTTLS, under a certificate of its own.
    pub async fn start() -> Self {
        Self::start_as(Tls::Offered).await
    }

    /// One that takes STARTTLS and counts what arrives instead of keeping it.
    pub async fn start_counting() -> Self {
        let smtp = Self::start().await;
        smtp.state().keeps = false;
        smtp
    }

    /// One that does not offer it, or from whose answers somebody has cut it out.
    pub async fn start_stripped() -> Self {
        Self::start_as(Tls::Stripped).await
    }

    /// One that speaks TLS from the first byte.
    pub async fn start_encrypted() -> Self {
        Self::start_as(Tls::AtOnce).await
    }

    async fn start_as(tls: Tls) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate with its key");
        let acceptor = (tls != Tls::Stripped).then(|| TlsAcceptor::from(Arc::new(config)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State {
            mood: Mood::Kind,
            mails: vec![],
            keeps: true,
            arrived: 0,
            looked_at: 0,
            in_clear: vec![],
            greylisted: vec![],
            logins: vec![],
            sessions: 0,
        };
        let (state, hang_up) = (Arc::new(Mutex::new(state)), Arc::new(Notify::new()));
        let server = Self { address, state, certificate: made.cert.pem(), hang_up, _looked: None };
        let smtp = Self { _looked: Some(Arc::new(Looked(Arc::clone(&server.state)))), ..server.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, acceptor) = (server.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let hang_up = Arc::clone(&server.hang_up);
                    tokio::select! {
                        () = hang_up.notified() => {}
                        () = server.serve(stream, acceptor, tls == Tls::AtOnce) => {}
                    }
                });
            }
        });
        smtp
    }

    /// How it is reached, by STARTTLS, and trusted by a file that is put into `folder`.
    pub fn url(&self, folder: &Path) -> String {
        let path = folder.join("authority.pem");
        std::fs::write(&path, &self.certificate).expect("a file");
        format!("smtp://localhost:{}?ca={}", self.address.port(), path.display())
    }

    /// The same with TLS from the first byte, and with a name and a password.
    pub fn url_encrypted(&self, folder: &Path) -> String {
        self.url(folder).replacen("smtp://", "smtps://us:p%40ss@", 1)
    }

    pub fn url_in_clear(&self) -> String {
        format!("smtp://{}?tls=none", self.address)
    }

    pub fn be(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// All mails so far.
    pub fn mails(&self) -> Vec<Mail> {
        let mut state = self.state();
        state.looked_at = state.mails.len();
        state.mails.clone()
    }

    /// How many mails there were, kept or not.
    pub fn arrived(&self) -> usize {
        self.state().arrived
    }

    /// What was said before the way was encrypted.
    pub fn said_in_clear(&self) -> Vec<String> {
        self.state().in_clear.clone()
    }

    /// What clients said of who they are.
    pub fn logins(&self) -> Vec<String> {
        self.state().logins.clone()
    }

    /// How many connections there were.
    pub fn sessions(&self) -> usize {
        self.state().sessions
    }

    /// Ends every connection that is open, as a server does with those that are idle.
    pub fn hang_up(&self) {
        self.hang_up.notify_waiters();
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    async fn serve(self, stream: TcpStream, acceptor: Option<TlsAcceptor>, at_once: bool) {
        self.state().sessions += 1;
        if at_once {
            return self.serve_encrypted(stream, acceptor, true).await;
        }
        let mut session = Session { smtp: &self, wire: BufReader::new(stream), encrypted: false };
        // A client that goes away is no concern of the server's.
        let Some(Ended::StartTls) = session.run(acceptor.is_some()).await else { return };
        let stream = session.wire.into_inner();
        self.serve_encrypted(stream, acceptor, false).await;
    }

    async fn serve_encrypted(&self, stream: TcpStream, acceptor: Option<TlsAcceptor>, greets: bool) {
        let Some(acceptor) = acceptor else { return };
        if let Ok(stream) = acceptor.accept(stream).await {
            let mut session = Session { smtp: self, wire: BufReader::new(stream), encrypted: true };
            if !greets || session.answer(Step::Greeting, "220 loopback").await.is_some() {
                let _ = session.run(false).await;
            }
        }
    }
}

/// How the server offers TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    Offered,
    Stripped,
    AtOnce,
}

enum Ended {
    StartTls,
    Over,
}

struct Session<'a, S> {
    smtp: &'a Smtp,
    wire: BufReader<S>,
    encrypted: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<'_, S> {
    /// Speaks until the end; nothing when the wire breaks.
    async fn run(&mut self, offers_tls: bool) -> Option<Ended> {
        if !self.encrypted {
            self.answer(Step::Greeting, "220 loopback").await?;
        }
        let mut recipient = String::new();
        loop {
            let line = self.line().await?;
            let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match word.as_str() {
                "EHLO" if offers_tls => self.say("250-loopback\r\n250-AUTH PLAIN\r\n250 STARTTLS").await?,
                "EHLO" => self.say("250-loopback\r\n250 AUTH PLAIN").await?,
                "STARTTLS" if offers_tls => {
                    self.say("220 go on").await?;
                    return Some(Ended::StartTls);
                }
                "AUTH" => {
                    self.smtp.state().logins.push(line.clone());
                    self.answer(Step::Auth, "235 welcome").await?;
                }
                "MAIL" => _ = self.answer(Step::Mail, "250 fine").await?,
                "RCPT" => {
                    recipient = line[8..].trim_matches(['<', '>', ' ']).to_owned();
                    if self.greylists(&recipient) {
                        self.say("450 4.7.1 come back later").await?;
                    } else {
                        self.answer(Step::Rcpt, "250 fine").await?;
                    }
                }
                "DATA" => {
                    if self.answer(Step::Data, "354 go on").await? {
                        self.text(&recipient).await?;
                    }
                }
                "NOOP" => self.say("250 fine").await?,
                "QUIT" => {
                    self.say("221 bye").await?;
                    return Some(Ended::Over);
                }
                _ => self.say("500 what").await?,
            }
        }
    }

    fn mood(&self) -> Mood {
        self.smtp.state().mood
    }

    fn greylists(&self, recipient: &str) -> bool {
        let mut state = self.smtp.state();
        let first = state.mood == Mood::Greylists && !state.greylisted.iter().any(|known| known == recipient);
        if first {
            state.greylisted.push(recipient.to_owned());
        }
        first
    }

    /// Answers kindly unless it is to refuse at this step; true when it was kind.
    async fn answer(&mut self, step: Step, kind: &'static str) -> Option<bool> {
        match self.mood() {
            Mood::Refuses(at, reply) if at == step => {
                self.say(reply).await?;
                // Who says 421 hangs up.
                if reply.starts_with("421") { None } else { Some(false) }
            }
            Mood::Hangs(at) if at == step => std::future::pending().await,
            _ => self.say(kind).await.map(|()| true),
        }
    }

    async fn text(&mut self, recipient: &str) -> Option<()> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            if self.wire.read_line(&mut line).await.ok()? == 0 || self.mood() == Mood::CutsBeforeDot {
                return None;
            }
            if line == ".\r\n" {
                break;
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
        }
        if !matches!(self.mood(), Mood::Refuses(Step::Text, _)) {
            let mail = Mail { to: recipient.to_owned(), text, encrypted: self.encrypted };
            let mut state = self.smtp.state();
            state.arrived += 1;
            if state.keeps {
                state.mails.push(mail);
            }
        }
        if self.mood() == Mood::CutsAfterDot {
            return None;
        }
        self.answer(Step::Text, "250 kept").await.map(|_| ())
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.wire.read_line(&mut line).await.ok()?;
        if !self.encrypted {
            self.smtp.state().in_clear.push(line.trim_end().to_owned());
        }
        (read > 0).then(|| line.trim_end().to_owned())
    }

    async fn say(&mut self, reply: &str) -> Option<()> {
        let reply = format!("{reply}\r\n");
        if self.mood() != Mood::Crawls {
            self.wire.write_all(reply.as_bytes()).await.ok()?;
            return self.wire.flush().await.ok();
        }
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        for byte in reply.bytes() {
            pace.tick().await;
            self.wire.write_all(&[byte]).await.ok()?;
            self.wire.flush().await.ok()?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes of a server that got a mail, looked at or not.
    async fn ended(looks: bool) -> Result<(), tokio::task::JoinError> {
        let smtp = Smtp::start().await;
        let mail = Mail { to: "reader@example.org".to_owned(), text: String::new(), encrypted: false };
        smtp.state().mails.push(mail);
        let test = async move {
            if looks {
                assert_eq!(smtp.mails().len(), 1);
            }
        };
        tokio::spawn(test).await
    }

    #[tokio::test]
    async fn a_mail_that_nobody_looked_at_fails_the_test() {
        assert!(ended(true).await.is_ok());
        assert!(ended(false).await.expect_err("it fails").is_panic());
    }

    #[tokio::test]
    async fn a_server_that_counts_keeps_nothing() {
        use crate::support::{database, outbox};
        let database = database::Database::fresh(database::Kind::Sqlite).await;
        let smtp = Smtp::start_counting().await;
        let url = smtp.url(database.folder.path());
        let outbox = outbox::Outbox::on(database, smtp, Some(&url)).await;
        outbox.put(mainstay::domain::email::EmailKind::Receipt, "reader@example.org").await;
        assert_eq!(outbox.work().await, 1);
        assert_eq!((outbox.smtp.arrived(), outbox.smtp.mails().len()), (1, 0));
        outbox.close().await;
    }
}
