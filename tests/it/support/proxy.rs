//! A line to PostgreSQL that is cut at a commit: before the server hears of it, or before the client hears that it is done;
//! or that falls silent there, and stays open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// The frontend's message of a simple query, as sqlx commits.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// Where the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    BeforeCommit,
    AfterCommit,
    /// Not cut at all: from then on nothing arrives on either side, and nobody is told.
    Silence,
}

/// Passes connections on to one server.
#[derive(Clone)]
pub struct Proxy(Arc<Line>);

struct Line {
    port: u16,
    /// The cut to make, and at which commit from now, counted from 1.
    armed: Mutex<Option<(Cut, usize)>>,
    cuts: AtomicUsize,
}

impl Proxy {
    /// To the server of this database address.
    pub async fn before(url: &str) -> Self {
        let address = url.split_once('@').and_then(|(_, rest)| rest.split_once('/')).expect("an address").0.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let proxy = Self(Arc::new(Line { port, armed: Mutex::default(), cuts: AtomicUsize::new(0) }));
        let line = Arc::clone(&proxy.0);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&address).await else { continue };
                tokio::spawn(Arc::clone(&line).pass_on(client, server));
            }
        });
        proxy
    }

    /// The same database through this line.
    pub fn url(&self, url: &str) -> String {
        let (account, rest) = url.split_once('@').expect("an account");
        let (_, name) = rest.split_once('/').expect("a name");
        format!("{account}@127.0.0.1:{}/{name}", self.0.port)
    }

    /// Cuts the connection that makes the n-th commit from now.
    pub fn cut(&self, cut: Cut, commit: usize) {
        *self.0.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((cut, commit));
    }

    /// How many cuts were made.
    pub fn cuts(&self) -> usize {
        self.0.cuts.load(Ordering::SeqCst)
    }
}

impl Line {
    async fn pass_on(self: Arc<Self>, client: TcpStream, server: TcpStream) {
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let silent = Arc::new(Notify::new());
        // Whichever way ends first, both connections are dropped.
        tokio::select! {
            () = self.upstream(from_client, to_server, &silent) => {}
            () = downstream(from_server, to_client, &silent) => {}
        }
    }

    async fn upstream(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, silent: &Notify) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            let commits = bytes[..read].windows(COMMIT.len()).any(|window| window == COMMIT);
            match self.due().filter(|_| commits) {
                Some(Cut::BeforeCommit) => return self.count(),
                Some(Cut::Silence) => {
                    self.count();
                    // Holds the client's side; the server's side stays open with it.
                    return std::future::pending().await;
                }
                Some(Cut::AfterCommit) => {
                    // The next answer is the server's word that it is done; it does not reach the client.
                    silent.notify_one();
                    self.count();
                }
                None if commits => self.count_down(),
                None => {}
            }
            if to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }

    fn due(&self) -> Option<Cut> {
        let armed = self.armed.lock().unwrap_or_else(PoisonError::into_inner);
        armed.filter(|(_, commits)| *commits == 1).map(|(cut, _)| cut)
    }

    fn count_down(&self) {
        if let Some((_, commits)) = self.armed.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            *commits -= 1;
        }
    }

    fn count(&self) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

async fn downstream(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, silent: &Notify) {
    let mut bytes = vec![0; 64 * 1024];
    let mut cut = false;
    loop {
        let read = tokio::select! {
            biased;
            () = silent.notified(), if !cut => {
                cut = true;
                continue;
            }
            read = from.read(&mut bytes) => read,
        };
        let Ok(read @ 1..) = read else { return };
        if cut || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
