//! The bench: what Mainstay takes in, keeps, works off and costs, on loopback, beside what the machine can do at all.
//!
//! `scripts/bench` runs it. Events are real (the sandbox's journeys), signed and about 3 KB long, each sent once; the
//! server is the release binary in a process of its own; both databases wait for their disk. It reports and never gates.
//! No figure is written down here: only targets are.

#![expect(clippy::expect_used, reason = "a bench that cannot go on says why and ends")]

mod bare;
mod client;
mod database;
mod document;
mod figures;
mod journeys;
mod machine;
mod neighbours;
mod process;
mod report;
mod scale;
mod story;
#[expect(
    dead_code,
    unused_imports,
    reason = "the tests' own kit, of which the bench needs the servers and the databases"
)]
#[path = "../../tests/it/support/mod.rs"]
mod support;

use std::sync::Arc;

use clap::{Parser, ValueEnum};
use mainstay::clock::Clock;
use mainstay::domain::event::is_handled;
use mainstay::id::Random;
use mainstay::sandbox::{Delivery, Options, Sandbox};

use figures::Bench;
use report::Report;
use scale::Scale;
use story::Story;
use support::database::Kind;

/// Measures Mainstay and prints one table.
#[derive(Debug, Parser)]
#[command(name = "scripts/bench")]
struct Arguments {
    /// A small version of everything, in about a minute.
    #[arg(long)]
    quick: bool,
    /// Only these figures; may be given more than once.
    #[arg(long, value_enum)]
    only: Vec<Part>,
    /// Only on this database.
    #[arg(long, value_enum)]
    on: Option<On>,
    /// Also put the table into docs/PERFORMANCE.md.
    #[arg(long, conflicts_with_all = ["quick", "only", "on"])]
    write: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Events/s, latency, their share of a bare handler, memory under load; the disk and pgbench.
    Acknowledged,
    /// CPU and Stripe reads per event.
    Cpu,
    Backlog,
    /// Reminders that leave by a mail server, and memory meanwhile.
    Reminders,
    /// A year's revenue over millions of payments, and an export of a million.
    Reports,
    /// The dashboard of a newsroom with many supporters.
    Dashboard,
    /// Start to first answer, memory idle.
    Start,
    /// The demo, from its start to the link to its newsroom.
    Demo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum On {
    Sqlite,
    Postgres,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    fn kinds(&self) -> Vec<Kind> {
        match self.on {
            None => vec![Kind::Sqlite, Kind::Postgres],
            Some(On::Sqlite) => vec![Kind::Sqlite],
            Some(On::Postgres) => vec![Kind::Postgres],
        }
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    if std::env::args().nth(1).is_some_and(|argument| argument == bare::FLAG) {
        return bare::serve().await;
    }
    let arguments = Arguments::parse();
    let scale = if arguments.quick { Scale::QUICK } else { Scale::FULL };
    let story = Story::tell(scale.backlog, is_handled).await;
    eprintln!("{} gifts, {} events of {} bytes", story.pledges.len(), story.events.len(), story.usual_body());
    let about = about(&story);
    let table = measure(&arguments, scale, story).await.table();
    println!("\n{about}\n\n{table}");
    if arguments.write {
        document::write(&format!("{about}\n\n{table}"));
    }
}

/// What was measured, when, where and by what.
fn about(story: &Story) -> String {
    let command: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    format!(
        "`{}` on {}, {}, load average {} before; {} gifts, {} events of {} bytes on average.",
        ["scripts/bench".to_owned()].into_iter().chain(command).collect::<Vec<_>>().join(" "),
        machine::today(),
        machine::describe(),
        machine::busy(),
        story.pledges.len(),
        story.events.len(),
        story.usual_body()
    )
}

async fn measure(arguments: &Arguments, scale: Scale, story: Story) -> Report {
    let mut report = Report::default();
    let all: Vec<_> = story.events.into_iter().map(Arc::new).collect();
    let acted_on: Vec<_> = all.iter().filter(|event| is_handled(&event.kind)).cloned().collect();
    for kind in arguments.kinds() {
        eprintln!("{kind:?}");
        let mut bench = Bench {
            scale,
            template: database::Template::make(kind, &story.pledges).await,
            all: all.clone(),
            acted_on: acted_on.clone(),
            sandbox: sandbox().await,
            report,
        };
        if arguments.wants(Part::Acknowledged) {
            figures::acknowledged::measure(&mut bench).await;
        }
        if arguments.wants(Part::Cpu) {
            figures::cpu::measure(&mut bench).await;
        }
        if arguments.wants(Part::Backlog) {
            figures::backlog::measure(&mut bench).await;
        }
        if arguments.wants(Part::Reminders) {
            figures::reminders::measure(&mut bench).await;
        }
        if arguments.wants(Part::Reports) {
            figures::reports::measure(&mut bench).await;
        }
        if arguments.wants(Part::Dashboard) {
            figures::dashboard::measure(&mut bench).await;
        }
        if arguments.wants(Part::Start) {
            figures::start::measure(&mut bench).await;
        }
        // It has a database of its own, on SQLite.
        if arguments.wants(Part::Demo) && kind == Kind::Sqlite {
            figures::demo::measure(&mut bench);
        }
        bench.sandbox.shutdown().await;
        report = bench.report;
    }
    report
}

/// What the servers under measurement take for Stripe.
async fn sandbox() -> Sandbox {
    let options = Options {
        listen: "127.0.0.1:0".parse().expect("an address"),
        clock: Clock::system(),
        random: Random::seeded(1),
        delivery: Delivery::Manual,
    };
    Sandbox::start(options).await.expect("the sandbox starts")
}
