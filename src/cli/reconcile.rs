//! `mainstay reconcile`: our books held against what Stripe booked, to the cent.

use std::fmt::Write as _;

use clap::Args;
use jiff::civil::Date;
use serde::Serialize;

use super::{CliError, open_existing, print, sources};
use crate::clock::Clock;
use crate::config::{BasicFlags, NewsroomZone, StripeCommands};
use crate::domain::calendar::number_of;
use crate::domain::money::{Currency, Money};
use crate::gateway::list::Pace;
use crate::gateway::{Gateway, GatewayConfig};
use crate::id::Random;
use crate::service::balance::Balance;
use crate::service::holding::{Held, Holder};
use crate::store::{Fixed, OpenBreak, PartSums, Period, Store};

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Reconcile {
    /// The first day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Date,
    /// The day after the last one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Date,
    /// Print JSON, for programs.
    #[arg(long)]
    json: bool,
    /// Ask Stripe nothing: hold against what was read of it before.
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    settings: BasicFlags,
}

const EXAMPLES: &str = "\
Examples:
  mainstay reconcile --from 2026-11-01 --to 2026-12-01
  mainstay reconcile --from 2026-11-01 --to 2026-12-01 --offline --json
Reads from Stripe what was booked and paid out since the last time, then holds the payments, refunds and disputes of these
days against it. Each difference is a line, is kept until it is healed, and makes the exit code 1, also one of other days.
Money of other products on the same account is foreign: it has a line of its own for each currency and is no difference.
A server may run meanwhile.";

/// The result; its fields are the JSON's.
#[derive(Debug, Serialize)]
struct Report<'a> {
    from: Date,
    /// Exclusive.
    to: Date,
    time_zone: &'a str,
    booked: &'a [PartSums],
    open_breaks: &'a [OpenBreak],
    open_breaks_of_other_days: usize,
}

impl Reconcile {
    pub async fn run(self) -> Result<(), CliError> {
        let Self { from, to, json, offline, settings } = self;
        if from >= to {
            return Err(CliError::Usage(format!(
                "--to {to} is not after --from {from}. --to is the day after the last one."
            )));
        }
        let commands = StripeCommands::load(sources(settings.into())?)?;
        crate::telemetry::start(&commands.addresses.basics.log)?;
        let store = open_existing(&commands.addresses.basics.database_url).await?;
        let recorded = store.fixed(Fixed::TimeZone).await?.and_then(|name| NewsroomZone::parse(&name));
        let zone = recorded.unwrap_or_else(|| commands.addresses.basics.time_zone.clone());
        let read = if offline { Ok(()) } else { read(&commands, &store, &zone).await };
        let holder = Holder { store: store.clone(), clock: Clock::system() };
        let held = match read {
            Ok(()) => holder.hold(Period { from: number_of(from), to: number_of(to) }).await.map_err(CliError::from),
            Err(error) => Err(error),
        };
        store.close().await;
        let held = held?;
        let report = Report {
            from,
            to,
            time_zone: zone.name(),
            booked: &held.booked,
            open_breaks: &held.open,
            open_breaks_of_other_days: held.elsewhere,
        };
        print(&if json { as_json(&report)? } else { text(&report) })?;
        verdict(&held)
    }
}

/// Reads what Stripe booked since the last time.
async fn read(commands: &StripeCommands, store: &Store, zone: &NewsroomZone) -> Result<(), CliError> {
    let config = GatewayConfig {
        api_url: commands.addresses.stripe_api_url.to_string(),
        secret_key: commands.stripe_secret_key.secret().clone(),
    };
    let mode = commands.stripe_secret_key.mode().as_str();
    if store.fixed(Fixed::StripeMode).await?.is_some_and(|recorded| recorded != mode) {
        return Err(CliError::Failed(format!(
            "this database is of the other mode than the {mode} key of the settings."
        )));
    }
    let (random, clock) = (Random::system(), Clock::system());
    let gateway = Gateway::new(&config, random).map_err(|error| CliError::Failed(error.to_string()))?;
    let account = gateway.account_id().await;
    let recorded = store.fixed(Fixed::StripeAccount).await?;
    if let (Ok(account), Some(recorded)) = (&account, &recorded)
        && account != recorded
    {
        return Err(CliError::Failed(format!(
            "this database is of the Stripe account {recorded}, and the key is of {account}."
        )));
    }
    let balance = Balance { store: store.clone(), gateway, clock, zone: zone.zone().clone() };
    balance.run_once(&Pace::new(commands.sweep.reads_per_second)).await.map(|_| ()).map_err(|error| {
        CliError::Failed(format!(
            "{}. What was read is kept; run it again to go on, or with --offline to hold against that.",
            error.code()
        ))
    })
}

fn verdict(held: &Held) -> Result<(), CliError> {
    match held.open.len() {
        0 => Ok(()),
        1 => Err(CliError::Failed("1 difference is open.".to_owned())),
        open => Err(CliError::Failed(format!("{open} differences are open."))),
    }
}

fn as_json(report: &Report) -> Result<String, CliError> {
    let text = serde_json::to_string_pretty(report);
    text.map(|text| text + "\n").map_err(|error| CliError::Failed(format!("the result as JSON: {error}")))
}

fn text(report: &Report) -> String {
    let Report { from, to, time_zone, booked, open_breaks, open_breaks_of_other_days } = report;
    let mut text = format!("Books against Stripe from {from} to {to} (exclusive), {time_zone}\n");
    if booked.is_empty() {
        text += "Stripe booked nothing.\n";
    }
    for sums in *booked {
        let money = |minor: i64| match Currency::recorded(&sums.currency) {
            Ok(currency) => Money::new(minor, currency).to_string(),
            Err(_) => minor.to_string(),
        };
        let PartSums { whose, currency, lines, charges_minor, refunds_minor, disputes_minor, .. } = sums;
        let _ = write!(text, "{whose:8}  {currency}  {lines} lines");
        if matches!(whose.as_str(), "ours" | "foreign") {
            let (gross, refunds, disputes) = (money(*charges_minor), money(*refunds_minor), money(*disputes_minor));
            let _ = write!(text, "  gross {gross}  refunds {refunds}  disputes {disputes}");
        } else {
            let _ = write!(text, "  amount {}", money(sums.other_minor));
        }
        let _ = writeln!(text, "  fees {}  net {}", money(sums.fees_minor), money(sums.net_minor));
    }
    for open in *open_breaks {
        let _ = writeln!(text, "{}", open.found);
    }
    match (open_breaks.len(), open_breaks_of_other_days) {
        (0, _) => text += "No differences.\n",
        (open, 0) => {
            let _ = writeln!(text, "{open} open");
        }
        (open, elsewhere) => {
            let _ = writeln!(text, "{open} open, {elsewhere} of them of other days");
        }
    }
    text
}
