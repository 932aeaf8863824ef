//! What one event costs us, and whether we ask Stripe about it.

use std::time::Duration;

use super::{Bench, address, drain, end};
use crate::client::{Requests, count, send};
use crate::database::Inbox;
use crate::process::cpu_seconds;
use crate::report::Target;

const CONNECTIONS: usize = 16;
const AT_MOST: Duration = Duration::from_mins(1);

/// Sends real journeys, every type in Stripe's order, to one process that stores and reconciles.
pub async fn measure(bench: &mut Bench) {
    let database = bench.template.copy().await;
    let inbox = Inbox::open(&database).await;
    let server = bench.serve(&database, &[]);
    let events = &bench.all[..bench.scale.journey_events.min(bench.all.len())];
    let requests = Requests::sign(events);
    let (asked, used) = (reads(bench), cpu_seconds(server.id()));
    let load = send(address(&server), requests, CONNECTIONS, AT_MOST).await;
    let left = drain(&inbox, AT_MOST).await;
    let used = cpu_seconds(server.id()) - used;
    let asked = reads(bench) - asked;
    let outcome = (load.acknowledged, load.refused, left);
    assert_eq!(outcome, (events.len(), 0, 0), "not every event was acknowledged, or not every one applied, in time");
    let events = count(load.acknowledged);
    bench.add("CPU per event, sealed, stored and reconciled, ms", used * 1e3 / events, 3, Target::AtMost(0.15, 0.15));
    bench.add("Stripe reads per event", count(asked) / events, 3, Target::AtMost(0.0, 0.0));
    end(server);
    inbox.close().await;
    bench.template.forget(database).await;
}

/// How often Stripe was asked for anything but whose key it is, which every start asks once.
fn reads(bench: &Bench) -> usize {
    // What is read now and then, whatever happens, is no answer to an event.
    let now_and_then = ["/v1/account", "/v1/balance_transactions", "/v1/payouts"];
    bench.sandbox.requests().iter().filter(|request| !now_and_then.contains(&request.path.as_str())).count()
}
