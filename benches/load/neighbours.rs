//! What the disk and PostgreSQL can do at all, to hold our figures against: machines differ, and so do their minutes.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use mainstay::store::Db;

use crate::client::count;
use crate::support::postgres::programs;

/// One page of a file system.
const PAGE: [u8; 4096] = [b'x'; 4096];
const CLIENTS: &str = "16";
const THREADS: &str = "2";

/// Appends of one page, each waited for, a second.
pub fn syncs_per_second(folder: &Path, at_most: Duration) -> f64 {
    let mut file = std::fs::File::create(folder.join("synced")).expect("a file");
    let begin = Instant::now();
    let mut syncs = 0;
    while begin.elapsed() < at_most {
        file.write_all(&PAGE).expect("it is written");
        file.sync_data().expect("the disk answers");
        syncs += 1;
    }
    count(syncs) / begin.elapsed().as_secs_f64()
}

/// Transactions a second of pgbench, each inserting one row of about an event's size.
pub async fn inserts_per_second(url: &str, folder: &Path, at_most: Duration) -> f64 {
    let db = Db::open(url).await.expect("the database opens");
    db.write("CREATE TABLE bench_rows (id BIGSERIAL PRIMARY KEY, body TEXT NOT NULL)").run().await.expect("a table");
    db.close().await;
    let script = folder.join("insert.sql");
    std::fs::write(&script, "INSERT INTO bench_rows (body) VALUES (repeat('x', 3000));\n").expect("a file");
    let seconds = at_most.as_secs().max(1).to_string();
    let output = Command::new(programs().join("pgbench"))
        .args(["--no-vacuum", "--client", CLIENTS, "--jobs", THREADS, "--time", &seconds, "--file"])
        .arg(script)
        .arg(url)
        .output()
        .expect("pgbench is there: it comes with PostgreSQL's programs");
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench failed: {said}{}", String::from_utf8_lossy(&output.stderr)))
}
