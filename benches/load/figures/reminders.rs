//! How fast reminders that are due all at once leave, by a mail server on loopback that takes STARTTLS, and whether memory
//! stays as it is.

use std::time::{Duration, Instant};

use mainstay::clock::Clock;

use super::{Bench, LOOK_EVERY, end};
use crate::client::count;
use crate::database::open;
use crate::process::{cpu_seconds, resident_mb};
use crate::report::Target;
use crate::support::later::{desk, put_due};
use crate::support::process::{Server, mainstay};
use crate::support::smtp::Smtp;

/// How long they may take: a worker that cannot keep the target is measured over what it did.
const AT_MOST: Duration = Duration::from_mins(5);
/// Memory is looked at once so many of a hundred mails have arrived: at the start, in the middle and at the end.
const LOOKS: [(usize, &str); 3] = [(5, "start"), (50, "middle"), (100, "end")];

/// Puts down reminders that are due, starts the worker and waits until each has arrived.
pub async fn measure(bench: &mut Bench) {
    let database = bench.template.copy().await;
    let due = bench.scale.reminders;
    let store = mainstay::store::Store::open(&database.url).await.expect("the database opens");
    let addresses: Vec<String> = (0..due).map(|nth| format!("reader{nth}@example.org")).collect();
    put_due(&desk(&store, &Clock::system(), "UTC"), &addresses).await;
    store.close().await;
    let db = open(&database).await;
    let confirm = "UPDATE reminders SET state = 'confirmed', confirmed_at = created_at";
    assert_eq!(db.write(confirm).run().await.expect("they are confirmed"), due as u64);

    let smtp = Smtp::start_counting().await;
    let mut command = mainstay(&["serve", "--only", "worker", "--log", "warn"]);
    command.args(["--mail-from", "The Paper <support@paper.example>", "--mail-postal-address", "1 Main Street, Riga"]);
    command.env("MAINSTAY_SMTP_URL", smtp.url(database.folder.path()));
    let begin = Instant::now();
    let worker = Server::start_by(command, &database.url, &bench.sandbox.url(), database.folder.path());
    let mut memory = Vec::new();
    for (percent, when) in LOOKS {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        while begin.elapsed() < AT_MOST && smtp.arrived() < due * percent / 100 {
            looks.tick().await;
        }
        memory.push((when, resident_mb(worker.id())));
    }
    let (arrived, seconds) = (smtp.arrived(), begin.elapsed().as_secs_f64());
    let used = cpu_seconds(worker.id());
    end(worker);
    if arrived < due {
        eprintln!("  {} of {due} reminders were left after {seconds:.0} s", due - arrived);
    } else {
        let sent = "SELECT COUNT(*) AS n FROM outbox_emails WHERE state = 'sent' AND kind = 'reminder'";
        let (sent,): (i64,) = db.read(sent).one().await.expect("they are counted");
        let sent = usize::try_from(sent).expect("a count");
        assert_eq!((smtp.arrived(), sent), (due, due), "each arrived once");
    }
    bench.add("reminders sent, mails/s", count(arrived) / seconds, 0, Target::AtLeast(500.0, 500.0));
    bench.add("CPU per reminder, ms", used * 1e3 / count(arrived), 3, Target::None);
    for (when, resident) in memory {
        bench.add(&format!("memory while reminders are sent, {when}, MB"), resident, 1, Target::None);
    }
    db.close().await;
    bench.template.forget(database).await;
}
