//! The load: keep-alive connections that each send the next event as soon as the last one was answered.
//!
//! It shares its cores with the server it measures, so it does as little as it can: requests are signed before the clock
//! starts, and an answer is read no further than to know its status and its end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mainstay::clock::Clock;
use mainstay::sandbox::sign;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::story::Event;
use crate::support::app::WEBHOOK_SECRET;

/// The longest answer that is read, in bytes.
const ANSWER_MAX: usize = 16 * 1024;

/// Signed requests.
pub struct Requests {
    /// Everything before the body, by event.
    heads: Vec<String>,
    events: Vec<Arc<Event>>,
    next: AtomicUsize,
    /// Whether the first follows the last.
    endless: bool,
}

impl Requests {
    /// Signs the events now, each to be sent once: they are good for five minutes.
    pub fn sign(events: &[Arc<Event>]) -> Self {
        let now = Clock::system().now();
        let head = |event: &Arc<Event>| {
            format!(
                "POST /webhooks/stripe HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json; charset=utf-8\r\n\
                 user-agent: Stripe/1.0 (+https://stripe.com/docs/webhooks)\r\nstripe-signature: {}\r\n\
                 content-length: {}\r\n\r\n",
                sign(&event.body, WEBHOOK_SECRET, now),
                event.body.len()
            )
        };
        Self {
            heads: events.iter().map(head).collect(),
            events: events.to_vec(),
            next: AtomicUsize::new(0),
            endless: false,
        }
    }

    /// To be sent over and over, to a server that keeps nothing.
    pub fn endless(self) -> Self {
        Self { endless: true, ..self }
    }

    /// Puts the next request into `buffer`; false when all were sent.
    fn take(&self, buffer: &mut Vec<u8>) -> bool {
        let mut next = self.next.fetch_add(1, Ordering::Relaxed);
        if self.endless {
            next %= self.events.len();
        }
        let (Some(head), Some(event)) = (self.heads.get(next), self.events.get(next)) else { return false };
        buffer.clear();
        buffer.extend_from_slice(head.as_bytes());
        buffer.extend_from_slice(&event.body);
        true
    }
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Load {
    pub seconds: f64,
    /// Answered 2xx.
    pub acknowledged: usize,
    /// Answered otherwise.
    pub refused: usize,
    /// From the first byte sent to the last one read, ascending.
    latencies: Vec<Duration>,
}

impl Load {
    /// Acknowledged events a second.
    pub fn rate(&self) -> f64 {
        count(self.acknowledged) / self.seconds
    }

    /// The latency in milliseconds that `share` of all requests did not exceed.
    pub fn percentile(&self, share: f64) -> f64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
        let at = (count(self.latencies.len()) * share) as usize;
        self.latencies.get(at).or(self.latencies.last()).map_or(0.0, |latency| latency.as_secs_f64() * 1e3)
    }
}

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
pub fn count(number: usize) -> f64 {
    number as f64
}

/// Sends requests on `connections` connections until all are sent or `at_most` is over.
pub async fn send(address: SocketAddr, requests: Requests, connections: usize, at_most: Duration) -> Load {
    let requests = Arc::new(requests);
    let mut streams = Vec::with_capacity(connections);
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await.expect("the server accepts");
        stream.set_nodelay(true).expect("an option");
        streams.push(stream);
    }
    let begin = Instant::now();
    let talk = |stream| tokio::spawn(talk(stream, Arc::clone(&requests), begin + at_most));
    let tasks: Vec<_> = streams.into_iter().map(talk).collect();
    let mut load = Load::default();
    for task in tasks {
        let (refused, latencies) = task.await.expect("a connection talks to its end");
        load.refused += refused;
        load.acknowledged += latencies.len() - refused;
        load.latencies.extend(latencies);
    }
    load.seconds = begin.elapsed().as_secs_f64();
    load.latencies.sort_unstable();
    load
}

async fn talk(mut stream: TcpStream, requests: Arc<Requests>, end: Instant) -> (usize, Vec<Duration>) {
    let (mut request, mut answer) = (Vec::new(), vec![0; ANSWER_MAX]);
    let (mut refused, mut latencies) = (0, Vec::new());
    while Instant::now() < end && requests.take(&mut request) {
        let sent = Instant::now();
        stream.write_all(&request).await.expect("the request is sent");
        let good = read_answer(&mut stream, &mut answer).await;
        latencies.push(sent.elapsed());
        refused += usize::from(!good);
    }
    (refused, latencies)
}

/// Reads one answer to its end; whether it was 2xx.
async fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> bool {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await.expect("an answer");
        assert!(read > 0, "the server ended the connection");
        filled += read;
        if let Some(end) = answer_end(&buffer[..filled])
            && filled >= end
        {
            return buffer.starts_with(b"HTTP/1.1 2");
        }
    }
}

/// Where the answer ends, once its head is complete.
fn answer_end(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&answer[..head]).expect("the head is text");
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    Some(head + 4 + length.map_or(0, |length| length.expect("a length")))
}
