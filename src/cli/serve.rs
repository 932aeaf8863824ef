//! `mainstay serve`: the server itself.

use std::convert::Infallible;

use clap::{Args, ValueEnum};

use super::{CliError, print, sources};
use crate::app::{App, Running};
use crate::clock::Clock;
use crate::config::{Flags, Role, Settings};
use crate::id::Random;
use crate::service::admin::Office;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// Run one half only: `web` takes gifts and webhooks and needs no private key; `worker` reconciles, and answers
    /// /healthz, /readyz and /metrics.
    #[arg(long, value_enum)]
    only: Option<Half>,
    /// For tests of crashes: see `crash.rs`.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true)]
    stop_at: Option<String>,
    #[command(flatten)]
    settings: Flags,
}

const EXAMPLES: &str = "\
Examples:
  mainstay serve
  mainstay serve --listen 0.0.0.0:8787 --public-url https://give.example.org
  mainstay serve --only web
Secrets are no flags: give them in mainstay.env, as variables, or as files named by variables:
  MAINSTAY_STRIPE_SECRET_KEY, MAINSTAY_STRIPE_WEBHOOK_SECRETS, MAINSTAY_VAULT_PRIVATE_KEY, MAINSTAY_VAULT_INDEX_KEY
  (MAINSTAY_STRIPE_SECRET_KEY_FILE, …)
SIGTERM and Ctrl-C end it in order, with exit code 0.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Half {
    Web,
    Worker,
}

impl Serve {
    pub async fn run(self) -> Result<(), CliError> {
        let role = match self.only {
            None => Role::All,
            Some(Half::Web) => Role::Web,
            Some(Half::Worker) => Role::Worker,
        };
        #[cfg(debug_assertions)]
        if let Some(place) = self.stop_at {
            crate::crash::stop_at(place);
        }
        let settings = Settings::load(sources(self.settings)?, role)?;
        crate::telemetry::start(&settings.basics.log)?;
        // Installed before anything is begun, so that no moment is left in which a signal kills us.
        let mut stop = StopSignals::install()?;
        let about = settings.clone();
        let mut running = App::start(settings, Clock::system(), Random::system()).await?;
        print(&banner(&about, role, &running))?;
        let newsroom = newsroom(&about, running.office.clone());
        let failure = tokio::select! {
            () = stop.received() => None,
            failure = running.failure() => Some(failure),
            never = newsroom => match never {},
        };
        tracing::info!("stopping");
        running.stop().await;
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }
}

/// What runs, once, for whoever started it.
fn banner(settings: &Settings, role: Role, running: &Running) -> String {
    let what = match role {
        Role::All => "web and worker",
        Role::Web => "web only: reconciles nothing",
        Role::Worker => "worker only",
    };
    let mut lines = vec![
        format!("Mainstay {} ({what})", env!("CARGO_PKG_VERSION")),
        format!("database  {} {}", running.store.kind(), settings.basics.database_url),
        format!("stripe    {} {}", settings.stripe_secret_key.mode(), settings.stripe_api_url),
        format!("listening http://{}", running.address),
    ];
    if let Some(web) = &settings.web {
        lines.push(format!("giving    {}/give", web.public_url));
        lines.push(format!("webhooks  {}/webhooks/stripe", web.public_url));
    }
    if let Some(worker) = &settings.worker {
        lines.push(format!("mail      {}", worker.mail));
    }
    lines.join("\n") + "\n"
}

/// Says where the newsroom's people sign in; while there is nobody, with a link for the first. It never ends, for the server
/// goes on whatever becomes of it.
async fn newsroom(settings: &Settings, office: Option<Office>) -> Infallible {
    if let Some(web) = &settings.web {
        let line = match office {
            None => "newsroom  nobody can sign in: MAINSTAY_ADMIN_KEY is not set\n".to_owned(),
            Some(office) => match office.first_link().await {
                Ok(None) => format!("newsroom  {}/admin\n", web.public_url),
                Ok(Some(link)) => {
                    format!("newsroom  {link}  (makes the first admin; once, within a day; keep it to yourself)\n")
                }
                Err(error) => format!("newsroom  {}/admin  (no link could be made: {error})\n", web.public_url),
            },
        };
        if let Err(error) = print(&line) {
            tracing::warn!(%error, "where the newsroom signs in could not be printed");
        }
    }
    std::future::pending().await
}

/// Does `work`, unless a signal comes first: then it is dropped, and clears away what it had begun.
pub(super) async fn unless_stopped<T, E: Into<CliError>>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, CliError> {
    let mut stop = StopSignals::install()?;
    tokio::select! {
        done = work => done.map_err(Into::into),
        () = stop.received() => Err(CliError::Failed("stopped by a signal; what was begun is cleared away".to_owned())),
    }
}

/// SIGTERM and SIGINT.
pub(super) struct StopSignals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignals {
    /// From here on the signals do not kill the process.
    #[cfg(unix)]
    pub fn install() -> Result<Self, CliError> {
        use tokio::signal::unix::{SignalKind, signal};

        let wrong = |error| CliError::Failed(format!("cannot listen for SIGTERM and SIGINT: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(wrong)?,
            interrupt: signal(SignalKind::interrupt()).map_err(wrong)?,
        })
    }

    #[cfg(not(unix))]
    pub fn install() -> Result<Self, CliError> {
        Ok(Self {})
    }

    /// Ends at the first signal.
    #[cfg(unix)]
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub async fn received(&mut self) {
        let _ = tokio::signal::ctrl_c().await;
    }
}
