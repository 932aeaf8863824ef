//! How soon a server answers after it was started on a database that is up to date, and what it holds then.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Bench, end, median};
use crate::process::resident_mb;
use crate::report::Target;

const LOOK_EVERY: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a server is left alone before its memory is looked at.
const REST: Duration = Duration::from_millis(500);

pub async fn measure(bench: &mut Bench) {
    let database = bench.template.copy().await;
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..bench.scale.starts {
        let address = free_address();
        let begin = Instant::now();
        let answered = std::thread::spawn(move || first_answer(address));
        let server = bench.serve(&database, &["--listen", &address.to_string()]);
        let answered = answered.join().expect("it answers");
        starts.push(answered.duration_since(begin).as_secs_f64() * 1e3);
        tokio::time::sleep(REST).await;
        memory.push(resident_mb(server.id()));
        end(server);
    }
    bench.add("start to first answer, ms", median(starts), 0, Target::Below(100.0, 150.0));
    bench.add("resident memory, idle, MB", median(memory), 1, Target::Below(50.0, 50.0));
    bench.template.forget(database).await;
}

/// An address that was free just now.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address")
}

/// Asks until /healthz says 200; when it did.
fn first_answer(address: SocketAddr) -> Instant {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if is_healthy(address) {
            return Instant::now();
        }
        std::thread::sleep(LOOK_EVERY);
    }
    panic!("no answer within {PATIENCE:?}");
}

fn is_healthy(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
        let mut begin = [0; 12];
        stream.read_exact(&mut begin)?;
        Ok(begin)
    };
    ask().is_ok_and(|answer| &answer == b"HTTP/1.1 200")
}
