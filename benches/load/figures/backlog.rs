//! How fast a worker drains what came in while it was away.

use std::time::{Duration, Instant};

use super::{Bench, address, drain, end};
use crate::client::{Requests, count, send};
use crate::database::Inbox;
use crate::process::cpu_seconds;
use crate::report::Target;

const CONNECTIONS: usize = 64;
/// How long the inbox is filled, and how long it is drained, at the most: a worker that cannot keep the target is measured
/// over what it did.
const AT_MOST: Duration = Duration::from_secs(45);

/// Fills the inbox with the worker away, then starts the worker and waits until nothing is left.
pub async fn measure(bench: &mut Bench) {
    let database = bench.template.copy().await;
    let inbox = Inbox::open(&database).await;
    let events = &bench.acted_on[..bench.scale.backlog.min(bench.acted_on.len())];
    let web = bench.serve(&database, &["--only", "web"]);
    let used = cpu_seconds(web.id());
    let load = send(address(&web), Requests::sign(events), CONNECTIONS, AT_MOST).await;
    let storing = cpu_seconds(web.id()) - used;
    end(web);
    let waiting = inbox.received().await;
    assert_eq!((waiting, load.refused), (load.acknowledged, 0), "everything that was acknowledged waits");

    let begin = Instant::now();
    let worker = bench.serve(&database, &["--only", "worker"]);
    let left = drain(&inbox, AT_MOST).await;
    let seconds = begin.elapsed().as_secs_f64();
    let reconciling = cpu_seconds(worker.id());
    end(worker);
    if left > 0 {
        eprintln!("  {left} of {waiting} events were left after {seconds:.0} s");
    }
    let drained = count(waiting - left);
    bench.add("backlog drained, events/s", drained / seconds, 0, Target::AtLeast(5_000.0, 4_000.0));
    bench.add("CPU per event of a backlog, taken in, ms", storing * 1e3 / count(waiting), 3, Target::None);
    bench.add("CPU per event of a backlog, reconciled, ms", reconciling * 1e3 / drained, 3, Target::None);
    inbox.close().await;
    bench.template.forget(database).await;
}
