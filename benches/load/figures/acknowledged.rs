//! How many events a second are taken in for good, how long each waits for its answer, and the memory that takes.
//!
//! Next to it, in the same minute and on the same connections: a handler that only reads, the disk, and pgbench.

use std::time::Duration;

use super::{Bench, address, end};
use crate::bare::Bare;
use crate::client::{Load, Requests, send};
use crate::neighbours::{inserts_per_second, syncs_per_second};
use crate::process::peak_resident_mb;
use crate::report::Target;
use crate::support::database::Kind;

/// Keep-alive connections; the last number is the one that has targets.
const CONNECTIONS: [usize; 2] = [16, MOST];
const MOST: usize = 64;
/// How long the neighbours are measured for.
const NEIGHBOURS: Duration = Duration::from_secs(3);

pub async fn measure(bench: &mut Bench) {
    for connections in CONNECTIONS {
        let bare = Bare::start();
        let requests = Requests::sign(&bench.acted_on).endless();
        let bare = send(bare.address, requests, connections, bench.scale.load).await;
        let (idle, _) = run(bench, connections, &["--only", "web"]).await;
        let (busy, peak) = run(bench, connections, &[]).await;
        if connections == MOST {
            neighbours(bench).await;
        }
        note(bench, connections, "a bare handler", &bare, Target::None);
        note(bench, connections, "worker idle", &idle, aimed(connections, 15.0));
        note(bench, connections, "reconciling", &busy, aimed(connections, 30.0));
        let share = if connections == MOST { Target::AtLeast(0.15, 0.08) } else { Target::None };
        let figure = format!("acknowledged as a share of the bare handler, {connections} connections, worker idle");
        bench.add(&figure, idle.rate() / bare.rate(), 3, share);
        if connections == MOST {
            bench.add("resident memory, most under load, MB", peak, 1, Target::Below(80.0, 80.0));
        }
    }
}

fn aimed(connections: usize, milliseconds: f64) -> Target {
    if connections == MOST { Target::AtMost(milliseconds, milliseconds) } else { Target::None }
}

/// Puts the load on one server and answers its memory at the highest.
async fn run(bench: &Bench, connections: usize, role: &[&str]) -> (Load, f64) {
    let database = bench.template.copy().await;
    let server = bench.serve(&database, role);
    let load = send(address(&server), Requests::sign(&bench.acted_on), connections, bench.scale.load).await;
    let peak = peak_resident_mb(server.id());
    end(server);
    bench.template.forget(database).await;
    assert_eq!(load.refused, 0, "events were refused");
    (load, peak)
}

fn note(bench: &mut Bench, connections: usize, what: &str, load: &Load, p99: Target) {
    let figure = |name: &str| format!("{name}, {connections} connections, {what}");
    bench.add(&figure("acknowledged events/s"), load.rate(), 0, Target::None);
    bench.add(&figure("p50, ms"), load.percentile(0.50), 2, Target::None);
    bench.add(&figure("p99, ms"), load.percentile(0.99), 2, p99);
}

async fn neighbours(bench: &mut Bench) {
    let at_most = NEIGHBOURS.min(bench.scale.load);
    let database = bench.template.copy().await;
    let syncs = syncs_per_second(database.folder.path(), at_most);
    bench.add("the disk: appends of 4 KiB with fdatasync, a second", syncs, 0, Target::None);
    if bench.template.kind == Kind::Postgres {
        let inserts = inserts_per_second(&database.url, database.folder.path(), at_most).await;
        bench.add("pgbench: one-row inserts of 3 KB by 16 clients, a second", inserts, 0, Target::None);
    }
    bench.template.forget(database).await;
}
