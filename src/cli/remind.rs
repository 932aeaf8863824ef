//! `mainstay remind --dry-run`: which reminders would go, and which would be held back and why. Sending is the worker's.

use std::fmt::Write as _;

use clap::Args;
use jiff::civil::Date;

use super::{CliError, desk, print};
use crate::clock::Clock;
use crate::config::BasicFlags;
use crate::domain::reminder::{Verdict, send_at};
use crate::worker::ReminderWorker;

/// As many are looked at, at most.
const MOST: i64 = 1_000_000;

pub(super) const EXAMPLES: &str = "\
Examples:
  mainstay remind --dry-run
  mainstay remind --dry-run --on 2027-01-15
Reminders are named by their ids; no address is shown. It needs the worker's keys, since who gave is found by them.";

#[derive(Debug, Args)]
pub(super) struct Remind {
    /// Changes nothing and sends nothing. The worker of `serve` is what sends.
    #[arg(long, required = true)]
    dry_run: bool,
    /// As if it were this day of the newsroom's, at the hour of sending.
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: Option<Date>,
    #[command(flatten)]
    settings: BasicFlags,
}

impl Remind {
    pub async fn run(self) -> Result<(), CliError> {
        let desk = desk::open(self.settings, Clock::system()).await?;
        let at = self.on.map_or_else(|| desk.clock.now(), |day| send_at(day, desk.hour, &desk.zone));
        let worker = ReminderWorker { desk };
        let planned = worker.plan(at, MOST).await;
        worker.desk.store.close().await;
        let planned = planned.map_err(|error| CliError::Failed(format!("the reminders: {}", error.code())))?;
        let mut text = String::new();
        let mut going = 0;
        for reminder in &planned {
            let what = match reminder.verdict {
                Verdict::Send => "would go".to_owned(),
                Verdict::Wait(why) => format!("would wait: {why}"),
                Verdict::End(why) => format!("would be held back: {why}"),
            };
            going += i32::from(reminder.verdict == Verdict::Send);
            let _ = writeln!(text, "{}  {}  {}  {what}", reminder.id, reminder.due_on, reminder.campaign);
        }
        let _ = writeln!(text, "{going} of {} due would go.", planned.len());
        print(&text)
    }
}
