//! `mainstay events`: the inbox, for people. Bodies are never shown: they hold what donors typed.

use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::{CliError, open_existing, print, sources};
use crate::config::{BasicFlags, Basics};
use crate::domain::event::EventState;
use crate::store::{EventDetails, EventSummary, Store};

#[derive(Debug, Subcommand)]
pub(super) enum Events {
    /// The newest events, newest first.
    List(List),
    /// One event, without its body.
    Show(Show),
    /// Let an event be tried again: one by its id, or all that are parked.
    #[command(after_help = REPLAYING)]
    Replay(Replay),
}

const REPLAYING: &str = "\
The worker takes it up within a second. An event that was applied before changes nothing when it is applied again.";

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those that failed too often and wait for somebody.
    #[arg(long, conflicts_with = "state")]
    parked: bool,
    /// Only those in this state.
    #[arg(long, value_enum)]
    state: Option<StateName>,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=10_000))]
    most: i64,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct Show {
    /// Its id, evt_…
    id: String,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Args)]
pub(super) struct Replay {
    /// Its id, evt_…
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    id: Option<String>,
    /// All that are parked.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    settings: BasicFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum StateName {
    Received,
    Applied,
    Ignored,
    Parked,
}

impl From<StateName> for EventState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Received => Self::Received,
            StateName::Applied => Self::Applied,
            StateName::Ignored => Self::Ignored,
            StateName::Parked => Self::Parked,
        }
    }
}

impl Events {
    pub async fn run(self) -> Result<(), CliError> {
        let settings = match &self {
            Self::List(List { settings, .. })
            | Self::Show(Show { settings, .. })
            | Self::Replay(Replay { settings, .. }) => settings.clone(),
        };
        let basics = Basics::load(sources(settings.into())?)?;
        crate::telemetry::start(&basics.log)?;
        let store = open_existing(&basics.database_url).await?;
        let text = match self {
            Self::List(list) => list.text(&store).await,
            Self::Show(show) => show.text(&store).await,
            Self::Replay(replay) => replay.run(&store).await,
        };
        store.close().await;
        print(&text?)
    }
}

impl List {
    async fn text(self, store: &Store) -> Result<String, CliError> {
        let state = if self.parked { Some(EventState::Parked) } else { self.state.map(EventState::from) };
        let events = store.list_events(state, self.most).await?;
        if events.is_empty() {
            return Ok(
                state.map_or_else(|| "no events\n".to_owned(), |state| format!("no {} events\n", state.as_str()))
            );
        }
        let mut text = String::new();
        for EventSummary { id, kind, state, attempts, received_at, error, .. } in events {
            let error = error.map(|error| format!("  {error}")).unwrap_or_default();
            let _ = writeln!(text, "{}  {state:8}  {id}  {kind}  {attempts} failed{error}", time(received_at));
        }
        Ok(text)
    }
}

impl Show {
    async fn text(self, store: &Store) -> Result<String, CliError> {
        let Some(event) = store.event(&self.id).await? else {
            return Err(CliError::Failed(format!("there is no event {}. `mainstay events list` shows them.", self.id)));
        };
        let EventDetails { id, kind, object_id, api_version, livemode, stripe_created_at, .. } = &event;
        let mode = livemode.map(|live| if live == 0 { "test" } else { "live" });
        let open = event.state == EventState::Received.as_str();
        let lines = [
            ("id", Some(id.clone())),
            ("type", Some(kind.clone())),
            ("object", object_id.clone()),
            ("api version", api_version.clone()),
            ("mode", mode.map(str::to_owned)),
            ("made", stripe_created_at.map(time)),
            ("received", Some(time(event.received_at))),
            ("state", Some(event.state.clone())),
            ("failed", Some(format!("{} times", event.attempts))),
            ("next try", open.then(|| time(event.due_at))),
            ("settled", event.settled_at.map(time)),
            ("why", event.error.clone()),
            (
                "body",
                Some(event.body_bytes.map_or_else(|| "no longer kept".to_owned(), |n| format!("sealed, {n} bytes"))),
            ),
        ];
        Ok(lines.into_iter().filter_map(|(name, value)| Some(format!("{name:12}  {}\n", value?))).collect())
    }
}

impl Replay {
    async fn run(self, store: &Store) -> Result<String, CliError> {
        let replayed = store.replay_events(self.id.as_deref()).await?;
        match (self.id, replayed) {
            (Some(id), 0) => Err(CliError::Failed(format!(
                "{id} cannot be replayed: it is not there, waits to be tried anyway, or its body is no longer kept. \
                 `mainstay events show {id}` says which."
            ))),
            (_, count) => Ok(format!("{count} event{} will be tried again\n", if count == 1 { "" } else { "s" })),
        }
    }
}

/// 2026-11-23T12:00:00Z
fn time(at: i64) -> String {
    Timestamp::from_second(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}
