//! Clients that want to exhaust the server: refused cheaply, while healthy requests stay fast.

use std::time::{Duration, Instant};

use mainstay::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::WEBHOOK_SECRET;
use crate::support::database::{BOTH, Database};
use crate::support::process::Server;

const SLOW_SOCKETS: usize = 1_000;
const HEALTHY: usize = 200;
/// How much slower the slowest healthy request may be than on the undisturbed server, and what is fast anyway.
const SLOWER_AT_MOST: u32 = 20;
const FAST: Duration = Duration::from_millis(750);
/// What all of it may cost in memory, in KiB: a debug build of many buffers.
const MEMORY_KIB: u64 = 64 * 1024;

/// Sends signed events one after the other; the slowest answer.
async fn healthy(url: &str, name: &str) -> Duration {
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut slowest = Duration::ZERO;
    for n in 0..HEALTHY {
        let body = format!(r#"{{"id":"evt_{name}_{n}","type":"some.type","data":{{"object":{{"id":"x_1"}}}}}}"#);
        let signature = mainstay::sandbox::sign(body.as_bytes(), WEBHOOK_SECRET, Clock::system().now());
        let begun = Instant::now();
        let request = http.post(format!("{url}/webhooks/stripe")).header("stripe-signature", signature);
        assert_eq!(request.body(body).send().await.expect("an answer").status(), 200);
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

async fn connect(url: &str) -> TcpStream {
    TcpStream::connect(url.trim_start_matches("http://")).await.expect("it accepts")
}

/// The status of the answer to these bytes, however much of them was taken.
async fn status(url: &str, head: &str, body: &[u8]) -> u16 {
    let mut stream = connect(url).await;
    stream.write_all(head.as_bytes()).await.expect("sent");
    // The server may have answered and closed before all was sent.
    let _ = stream.write_all(body).await;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.expect("an answer");
    String::from_utf8_lossy(&answer)[9..].parse().expect("a status")
}

/// Resident memory, in KiB.
fn memory(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_sockets_and_endless_bodies_are_refused_cheaply_while_healthy_requests_stay_fast() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
        let undisturbed = healthy(&server.url, "before").await;
        let before = memory(&server);

        let mut sockets = Vec::with_capacity(SLOW_SOCKETS);
        for n in 0..SLOW_SOCKETS {
            let mut socket = connect(&server.url).await;
            let begin = if n % 2 == 0 {
                "POST /webhooks/stripe HTTP/1.1\r\nx: "
            } else {
                "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"
            };
            socket.write_all(begin.as_bytes()).await.expect("sent");
            sockets.push(socket);
        }
        let head = "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=00\r\n";
        // By its length alone: not a byte of it is sent.
        assert_eq!(status(&server.url, &format!("{head}content-length: 10485760\r\n\r\n"), b"").await, 413);
        let chunk = [b"10000\r\n".as_slice(), b"x".repeat(0x10000).as_slice(), b"\r\n"].concat();
        let endless = chunk.repeat(160);
        assert_eq!(status(&server.url, &format!("{head}transfer-encoding: chunked\r\n\r\n"), &endless).await, 413);
        let bomb = format!("{head}content-encoding: gzip\r\ncontent-length: 20\r\n\r\n");
        assert_eq!(status(&server.url, &bomb, b"\x1f\x8b\x08\0\0\0\0\0\0\x03bombbombbo").await, 415);
        for _ in 0..50 {
            let unsigned = format!("{head}content-length: 2\r\n\r\n");
            assert_eq!(status(&server.url, &unsigned, b"{}").await, 400);
        }
        let disturbed = healthy(&server.url, "during").await;
        let bound = (undisturbed * SLOWER_AT_MOST).max(FAST);
        assert!(disturbed <= bound, "the slowest took {disturbed:?}, {undisturbed:?} before, on {kind:?}");
        let grown = memory(&server).saturating_sub(before);
        assert!(grown < MEMORY_KIB, "{grown} KiB more, on {kind:?}");

        // None of the slow ones is waited for longer than its time.
        let mut dropped = sockets.swap_remove(0);
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(Duration::from_secs(30), dropped.read_to_end(&mut rest)).await;
        assert!(closed.is_ok(), "a dribbled head is cut after its time");
        drop(sockets);
        let stored = database.rows("SELECT id AS line FROM stripe_events").await.len();
        assert_eq!(stored, 2 * HEALTHY, "nothing unsigned came to the database, on {kind:?}");
        assert!(server.terminate().success());
    }
}

/// Clients that send most of a long event under some signature, and then no more.
const LONG: usize = 300;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_bodies_under_false_signatures_fill_no_memory_and_keep_no_short_event_away() {
    let database = Database::fresh(BOTH[0]).await;
    let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
    let undisturbed = healthy(&server.url, "before").await;
    let before = memory(&server);
    let head =
        "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\nstripe-signature: t=1,v1=00\r\ncontent-length: 1000000\r\n\r\n";
    let most = vec![b'x'; 900_000];
    let sockets = (0..LONG).map(|_| async {
        let mut socket = connect(&server.url).await;
        let sent = async {
            socket.write_all(head.as_bytes()).await?;
            socket.write_all(&most).await
        };
        // Who is refused is cut off; who is read waits.
        let _ = tokio::time::timeout(Duration::from_secs(5), sent).await;
        socket
    });
    let sockets = futures_util::future::join_all(sockets).await;
    let disturbed = healthy(&server.url, "during").await;
    assert!(disturbed <= (undisturbed * SLOWER_AT_MOST).max(FAST), "{disturbed:?}, {undisturbed:?} before");
    let grown = memory(&server).saturating_sub(before);
    assert!(grown < MEMORY_KIB, "{grown} KiB more");
    drop(sockets);
    assert!(server.terminate().success());
}

/// Sockets that the process has open; the files of the database are opened when they are first needed.
#[cfg(target_os = "linux")]
fn open_sockets(server: &Server) -> usize {
    let files = std::fs::read_dir(format!("/proc/{}/fd", server.id())).expect("it runs");
    let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_never_reads_its_answers_is_let_go_of() {
    let database = Database::fresh(BOTH[0]).await;
    let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &["--only", "web"]);
    // Whoever asked whether it was ready has gone once their number stays the same.
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    let (mut before, mut same) = (open_sockets(&server), 0);
    while same < 5 {
        looks.tick().await;
        let now = open_sockets(&server);
        (before, same) = (now, if now == before { same + 1 } else { 0 });
    }
    let mut deaf = connect(&server.url).await;
    let ask = b"GET /give HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(64);
    // Until neither side has room for more.
    while let Ok(sent) = tokio::time::timeout(Duration::from_secs(2), deaf.write_all(&ask)).await {
        sent.expect("it is still there");
    }
    assert!(open_sockets(&server) > before, "it holds a connection");
    let gone = async {
        while open_sockets(&server) > before {
            looks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), gone).await.expect("it is let go of");
    drop(deaf);
}
