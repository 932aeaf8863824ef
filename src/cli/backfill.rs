//! `mainstay backfill`: look through Stripe for what is missing, and tell what that changed in the books.

mod adopt;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::time::Instant;

use super::{CliError, open_existing, print, sources};
use crate::app::Backfill as Parts;
use crate::clock::Clock;
use crate::config::{Flags, Role, Settings};
use crate::domain::books::RevenueChange;
use crate::domain::money::{Currency, Money};
use crate::id::Random;
use crate::service::sweep::{Count, Standings, SweepError, SweepReport};
use crate::store::{Store, StoreError};

/// How often a line is written where nobody watches a bar.
const A_LINE_EVERY: Duration = Duration::from_secs(10);
/// How often it is looked whether a server has worked off what was found.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A server that applies nothing for so long is not waited for.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Backfill {
    /// Read from this day of the newsroom's on; without it, from where the last sweep ended.
    #[arg(long, value_name = "YYYY-MM-DD")]
    since: Option<Date>,
    /// Read and count, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Take over the subscriptions and payments that the account held before Mainstay. Nothing is changed at Stripe.
    #[arg(long, conflicts_with = "since")]
    adopt: bool,
    /// Which of them, and under which campaign and source: a TOML file. Without it all, as the default campaign's.
    #[arg(long, requires = "adopt", value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// How many are to be taken over, as the dry run said.
    #[arg(long, requires = "adopt", value_name = "NUMBER")]
    confirm: Option<u64>,
    #[command(flatten)]
    settings: Flags,
}

const EXAMPLES: &str = "\
Examples:
  mainstay backfill
  mainstay backfill --since 2026-10-01 --dry-run
  mainstay backfill --adopt --mapping old-site.toml --dry-run
The server does this by itself, at start and every MAINSTAY_SWEEP_MINUTES; by hand it is for whoever wants to see it. It
needs the worker's settings and keys, and may run beside a server. Stripe lists events for 30 days; from before that, the
objects themselves are read. What is interrupted goes on from there the next time.";

/// What the books hold by currency.
type Totals = BTreeMap<String, RevenueChange>;

impl Backfill {
    pub async fn run(self) -> Result<(), CliError> {
        let settings = Settings::load(sources(self.settings)?, Role::Worker)?;
        crate::telemetry::start(&settings.basics.log)?;
        // A database that is not there is a mistake, and none is made for it.
        open_existing(&settings.basics.database_url).await?.close().await;
        let zone = settings.basics.time_zone.zone().clone();
        let since = self.since.map(|day| begin_of(day, &zone)).transpose()?;
        let mut parts = Parts::open(settings, Clock::system(), Random::system()).await?;
        parts.sweeper.dry_run = self.dry_run;
        let done = if self.adopt {
            adopt::run(&parts, self.mapping.as_deref(), self.confirm).await
        } else {
            backfill(&parts, since, self.dry_run).await
        };
        parts.store.close().await;
        print(&done?)
    }
}

fn begin_of(day: Date, zone: &TimeZone) -> Result<i64, CliError> {
    let wrong = |error: jiff::Error| CliError::Usage(format!("--since {day}: {error}"));
    Ok(day.to_zoned(zone.clone()).map_err(wrong)?.timestamp().as_second())
}

async fn backfill(parts: &Parts, since: Option<i64>, dry_run: bool) -> Result<String, CliError> {
    let before = totals(&parts.store).await?;
    let mut progress = Progress::begin();
    let swept = parts.sweeper.run(since, &mut |count| progress.tell(count)).await;
    progress.end();
    let report = swept.map_err(|error| match error {
        SweepError::Busy => CliError::Failed(
            "a server is sweeping right now. Wait until it has ended, or run this again in a few minutes.".to_owned(),
        ),
        error => CliError::Failed(format!(
            "the sweep stopped: {}. What was found is kept; run it again to go on from there.",
            error.code()
        )),
    })?;
    if !dry_run {
        apply(parts).await?;
    }
    Ok(text(&report, &before, &totals(&parts.store).await?, dry_run))
}

/// Works off what was found, or waits until the server has.
async fn apply(parts: &Parts) -> Result<(), CliError> {
    let failed = |error: String| {
        CliError::Failed(format!("what was found is in the inbox and could not be applied: {error}. A server does it."))
    };
    if let Some(worker) = &parts.worker {
        while worker.run_once().await.map_err(|error| failed(error.code()))? > 0 {}
        return Ok(());
    }
    let mut waiting = i64::MAX;
    let mut since = Instant::now();
    while since.elapsed() < PATIENCE {
        let left = parts.store.count_events().await?.get("received").copied().unwrap_or(0);
        if left == 0 {
            return Ok(());
        }
        if left < waiting {
            waiting = left;
            since = Instant::now();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(failed("the server that works on this database applies nothing".to_owned()))
}

async fn totals(store: &Store) -> Result<Totals, StoreError> {
    let mut tx = store.begin().await?;
    let lines = tx.revenue_kept().await?;
    tx.rollback().await?;
    let mut totals = Totals::new();
    for (key, line) in lines {
        let sum = totals.entry(key.currency).or_default();
        *sum = sum.plus(line);
    }
    Ok(totals)
}

fn text(report: &SweepReport, before: &Totals, after: &Totals, dry_run: bool) -> String {
    let from = jiff::Timestamp::from_second(report.from_at).unwrap_or_default();
    let what = if report.objects { "events and objects" } else { "events" };
    let mut text = format!("Read at Stripe: {what} since {from}\n");
    for count in &report.counts {
        let _ = writeln!(text, "  {:<22} {:>8} read {:>8} new", count.list, count.read, count.new);
    }
    let _ = writeln!(text, "  {:<22} {:>8}", "overdue pledges", report.looked_up);
    if let Some(standings) = report.standings {
        let Standings { listed, unheard, run_on } = standings;
        let _ = writeln!(text, "  {:<22} {listed:>8} read {unheard:>8} looked up", "subscriptions");
        if run_on > 0 {
            let _ = writeln!(text, "  {:<22} {run_on:>8}: see `mainstay reconcile`", "ended here, not there");
        }
    }
    if report.recovered > 0 {
        let _ = writeln!(text, "  {:<22} {:>8}", "lost pledges", report.recovered);
    }
    if dry_run {
        return text + "Nothing was changed.\n";
    }
    text += "What that changed in the books:\n";
    let mut changed = false;
    for currency in before.keys().chain(after.keys().filter(|currency| !before.contains_key(*currency))) {
        let of = |totals: &Totals| totals.get(currency).copied().unwrap_or_default();
        let change = of(after).less(of(before));
        if change != RevenueChange::default() {
            changed = true;
            let shown = |minor: i64| shown(currency, minor);
            let _ = writeln!(
                text,
                "  {currency}  payments {:+}  gross {}  refunds {}  disputes {}",
                change.payments,
                shown(change.gross_minor),
                shown(change.refunds_minor),
                shown(change.disputes_minor)
            );
        }
    }
    if changed { text } else { text + "  nothing\n" }
}

fn shown(currency: &str, minor: i64) -> String {
    Currency::recorded(currency)
        .map_or_else(|_| format!("{minor} minor units"), |currency| Money::new(minor, currency).to_string())
}

/// A bar on a terminal, else a line now and then.
enum Progress {
    Bar(ProgressBar),
    Lines { last: Instant },
}

impl Progress {
    fn begin() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines { last: Instant::now() };
        }
        let bar = ProgressBar::new_spinner();
        // Nobody knows how long Stripe's lists are.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::Bar(bar)
    }

    fn tell(&mut self, count: &Count) {
        let message = format!("{}: {} read, {} new", count.list, count.read, count.new);
        match self {
            Self::Bar(bar) => bar.set_message(message),
            Self::Lines { last } if last.elapsed() >= A_LINE_EVERY => {
                *last = Instant::now();
                // Whoever does not listen misses nothing: the report says it all.
                let _ = writeln!(std::io::stderr(), "{message}");
            }
            Self::Lines { .. } => {}
        }
    }

    fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}
