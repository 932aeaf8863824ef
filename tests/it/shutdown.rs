//! SIGTERM: what is in flight is finished, and what never finishes is cut, within ten seconds.

use std::time::{Duration, Instant};

use mainstay::clock::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::app::WEBHOOK_SECRET;
use crate::support::database::{BOTH, Database};
use crate::support::process::Server;

/// A connection on which a signed event was begun, and what is left to be sent.
async fn begun(url: &str, id: &str) -> (TcpStream, Vec<u8>) {
    let body = format!(r#"{{"id":"{id}","type":"some.type","data":{{"object":{{"id":"x_1"}}}}}}"#).into_bytes();
    let signature = mainstay::sandbox::sign(&body, WEBHOOK_SECRET, Clock::system().now());
    let head = format!(
        "POST /webhooks/stripe HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nstripe-signature: {signature}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("it listens");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let (now, later) = body.split_at(10);
    stream.write_all(now).await.expect("sent");
    (stream, later.to_vec())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_finishes_what_is_in_flight_and_cuts_what_never_ends_within_ten_seconds() {
    for kind in BOTH {
        let database = Database::fresh(kind).await;
        let server = Server::start(&database.url, "http://127.0.0.1:9/", database.folder.path(), &[]);
        let (mut slow, rest) = begun(&server.url, "evt_slow").await;
        let (mut stuck, _) = begun(&server.url, "evt_stuck").await;
        // Served, so that both are known to be in flight: a third, whole request on a connection that then idles.
        let (mut idle, all) = begun(&server.url, "evt_idle").await;
        idle.write_all(&all).await.expect("sent");
        let mut answer = vec![0; 1024];
        let read = idle.read(&mut answer).await.expect("an answer");
        assert!(answer[..read].starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..read]));

        let asked = Instant::now();
        server.ask_to_end();
        let refused = async {
            let mut looks = tokio::time::interval(Duration::from_millis(5));
            while TcpStream::connect(server.url.trim_start_matches("http://")).await.is_ok() {
                looks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), refused).await.expect("it accepts nobody any more");
        slow.write_all(&rest).await.expect("sent");
        let mut answer = Vec::new();
        slow.read_to_end(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
        let ended = tokio::task::block_in_place(|| server.wait());
        assert!(ended.success(), "{ended:?}");
        // Ten seconds for requests, and what closing the database and this machine take.
        assert!(asked.elapsed() < Duration::from_secs(15), "it took {:?}", asked.elapsed());
        let mut nothing = Vec::new();
        let _ = stuck.read_to_end(&mut nothing).await;
        assert!(!nothing.starts_with(b"HTTP/1.1 200"), "what never ended was not acknowledged");
        let stored = database.rows("SELECT id AS line FROM stripe_events").await;
        assert_eq!(stored, ["evt_idle", "evt_slow"], "on {kind:?}");
    }
}
