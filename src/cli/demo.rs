//! `mainstay demo`: the whole thing with nothing set up. The same server as `serve`, an SQLite file in a folder of its
//! own, and the sandbox in Stripe's place; all share one clock, which a button on the sandbox's dashboard moves.
//!
//! It must not touch `mainstay.db`, `mainstay.env` or Stripe. Invariant: its folder is gone when it ends.

pub(super) mod agreement;
mod paper;
mod seed;
mod story;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;

use seed::Story;

use super::demo_once;
use super::sandbox::read_origin;
use super::serve::StopSignals;
use super::{CliError, print};
use crate::app::{App, AppError, Running};
use crate::clock::{Clock, DAY, MINUTE};
use crate::config::{
    AdminSettings, Basics, DEFAULT_RENEWAL_NOTICE_DAYS, DatabaseUrl, Log, LogFormat, MailSettings, MailTransport,
    NewsroomZone, Origin, Receipts, ReminderSettings, Sending, Settings, StripeKey, SweepSettings, WebSettings,
    WorkerSettings, live_stripe_key_in_environment,
};
use crate::domain::calendar::number_of;
use crate::domain::campaign::DEFAULT;
use crate::domain::mailbox::{Line, Mailbox};
use crate::domain::reminder::{DEFAULT_HOUR, DEFAULT_STALE_DAYS};
use crate::domain::retention::Periods;
use crate::gateway::{Gateway, GatewayConfig};
use crate::id::Random;
use crate::sandbox::{Delivery, Options, Sandbox};
use crate::service::admin::Office;
use crate::store::{Period, Store};
use crate::vault::{AdminKey, NewKeys};

/// What a server calls the sandbox with. Both are known to everybody and open nothing else.
pub(super) const SANDBOX_API_KEY: &str = "sk_test_sandbox";
pub(super) const SANDBOX_WEBHOOK_SECRET: &str = "whsec_sandbox";
/// Days of the demo are counted in this zone.
const ZONE: &str = "UTC";
/// How long all events together may take to be reconciled; far longer than they need.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// Where its mails lie, in its folder.
const INBOX: &str = "mails";
/// Where the server and the sandbox listen unless told otherwise; a free port if these are taken.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8787);
const SANDBOX_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8788);

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mainstay demo           give on a page, pay with a test card, move the clock
  mainstay demo --empty   the same before anybody gave
  mainstay demo --once    the same without a person: three gifts, three months, the report
It keeps nothing, and refuses to run where a live Stripe key is set.")]
pub(super) struct Demo {
    /// Make three gifts, move the clock three months, print the revenue, and end.
    #[arg(long)]
    once: bool,
    /// Begin before anybody gave, instead of after eighteen months of 200 readers.
    #[arg(long)]
    empty: bool,
    /// Where the server listens [default: 127.0.0.1:8787, or a free port]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where the sandbox listens [default: 127.0.0.1:8788, or a free port]
    #[arg(long, value_name = "ADDR")]
    sandbox_listen: Option<SocketAddr>,
    /// Where browsers reach the server, if not where it listens.
    #[arg(long, value_name = "ORIGIN", value_parser = read_origin)]
    public_url: Option<Origin>,
    /// Where browsers reach the sandbox, if not where it listens.
    #[arg(long, value_name = "ORIGIN", value_parser = read_origin)]
    sandbox_public_url: Option<Origin>,
}

impl Demo {
    pub async fn run(self) -> Result<(), CliError> {
        if let Some(name) = live_stripe_key_in_environment() {
            return Err(CliError::Usage(format!(
                "{name} holds a live Stripe key, and the demo does not run beside one. Unset it for this command: \
                 `env -u {name} mainstay demo`."
            )));
        }
        let random = Random::system();
        let folder = Folder::make(&random)?;
        crate::telemetry::start(&quiet())?;
        let mut stop = StopSignals::install()?;
        let mut stage = Box::pin(Stage::set(&self, folder.path(), random)).await?;
        let played = tokio::select! {
            () = stop.received() => Ok(()),
            failure = stage.app.failure() => Err(failure.into()),
            played = self.play(&stage.ends, &folder) => played,
        };
        stage.strike().await;
        played
    }

    async fn play(&self, ends: &Ends, folder: &Folder) -> Result<(), CliError> {
        if self.once {
            return print(&demo_once::play(ends).await?);
        }
        let link = ends.office.first_link().await.map_err(|error| CliError::Failed(error.to_string()))?;
        let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("mainstay"));
        let day = super::report::day_of_clock(&ends.clock);
        let from = if self.empty { day } else { day.saturating_sub(jiff::Span::new().months(18)) };
        print(&format!(
            "{}\
             Mainstay demo: no real money moves, and nothing is kept when it ends (Ctrl-C).\n\
             article      {}paper/en  (a newspaper of another origin, with the widget in its middle)\n\
             giving page  {}/give\n\
             inbox        {}inbox  (every mail it sends)\n\
             sandbox      {}  (what Stripe sees; its buttons move the clock)\n\
             newsroom     {}  (set a password and sign in; the link works once)\n\
             report       {} report revenue --from {from} --to {} --database-url {}\n",
            ends.past,
            ends.sandbox_url,
            ends.public_url,
            ends.sandbox_url,
            ends.sandbox_url,
            link.unwrap_or_default(),
            program.display(),
            day.saturating_add(jiff::Span::new().years(2)),
            folder.database_url(),
        ))?;
        std::future::pending().await
    }
}

/// Only what goes wrong is logged, so that what is printed stays in sight.
fn quiet() -> Log {
    Log { filter: "warn".to_owned(), format: LogFormat::Text }
}

/// The server and the sandbox, at work.
struct Stage {
    app: Running,
    sandbox: Sandbox,
    ends: Ends,
}

/// What a player of the demo holds in hand.
pub(super) struct Ends {
    /// Without a slash at the end.
    pub public_url: String,
    /// Where this process itself reaches the server, without a slash at the end.
    pub app_url: String,
    /// With a slash at the end.
    pub sandbox_url: String,
    pub sandbox: Sandbox,
    pub store: Store,
    pub gateway: Gateway,
    pub office: Office,
    pub clock: Clock,
    /// What is to be said of what was given before.
    pub past: String,
}

impl Stage {
    async fn set(demo: &Demo, folder: &Path, random: Random) -> Result<Self, CliError> {
        let now = Clock::system().now();
        let seeded = !demo.once && !demo.empty;
        let clock = if seeded { Clock::manual(seed::begins_at(now)) } else { Clock::system() };
        let (listener, own) = listen(demo.listen, LISTEN).await?;
        let sandbox = start_sandbox(demo.sandbox_listen, &clock, &random).await?;
        let sandbox_url = public(demo.sandbox_public_url.as_ref(), &sandbox.url());
        sandbox.reached_at(&sandbox_url);
        sandbox.show_inbox(folder.join(INBOX));
        let public_url = demo.public_url.clone().or_else(|| Origin::parse(&own)).ok_or_else(impossible)?;
        let url = public_url.to_string();
        // The newspaper is on the sandbox's origin.
        let paper = Origin::parse(sandbox_url.trim_end_matches('/')).ok_or_else(impossible)?;
        let settings = settings(folder, public_url, paper, &sandbox.url(), &random)?;
        let stripe = GatewayConfig {
            api_url: settings.stripe_api_url.to_string(),
            secret_key: settings.stripe_secret_key.secret().clone(),
        };
        let address = listener.local_addr().map_err(|error| cannot_listen(LISTEN, "--listen", &error))?;
        let started = async {
            let gateway = Gateway::new(&stripe, random.clone()).map_err(AppError::from)?;
            let webhooks = format!("{own}/webhooks/stripe");
            let listener = if seeded {
                let story = Story::new(sandbox.clone(), clock.clone(), now);
                story.live(listener, &settings, &webhooks, &random).await?;
                let again = TcpListener::bind(address).await;
                again.map_err(|error| cannot_listen(address, "--listen", &error))?
            } else {
                sandbox.add_endpoint(&webhooks, SANDBOX_WEBHOOK_SECRET);
                listener
            };
            sandbox.deliver_by_itself();
            let app = App::start_on(listener, settings, clock.clone(), random).await?;
            let mut ends = Ends {
                public_url: url,
                app_url: own,
                sandbox_url,
                sandbox: sandbox.clone(),
                store: app.store.clone(),
                gateway,
                office: app.office.clone().ok_or_else(impossible)?,
                clock,
                past: String::new(),
            };
            ends.begin(seeded).await.map(|()| (app, ends))
        };
        match started.await {
            Ok((app, ends)) => Ok(Self { app, sandbox, ends }),
            Err(error) => {
                sandbox.shutdown().await;
                Err(error)
            }
        }
    }

    async fn strike(self) {
        self.sandbox.shutdown().await;
        self.app.stop().await;
    }
}

impl Ends {
    /// Dresses the campaign, hangs the newspaper out, and holds what was given before against what Stripe booked.
    async fn begin(&mut self, seeded: bool) -> Result<(), CliError> {
        if let Some(plain) = self.store.campaign(DEFAULT).await? {
            let campaign = paper::dressed(plain);
            self.store.put_campaign(&campaign, self.clock.now()).await?;
            paper::publish(&self.sandbox, &self.sandbox_url, &self.public_url, &campaign);
        }
        if seeded {
            let day = |at| number_of(super::report::day_of_clock(&Clock::manual(at)));
            let now = self.clock.now();
            self.past =
                agreement::reached(self, Period { from: day(seed::begins_at(now)), to: day(now + DAY) }).await?;
        }
        Ok(())
    }

    pub async fn caught_up(&self) -> Result<(), CliError> {
        caught_up(&self.sandbox, &self.store).await
    }
}

/// Waits until every event was sent and reconciled.
async fn caught_up(sandbox: &Sandbox, store: &Store) -> Result<(), CliError> {
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            sandbox.tick().await;
            let sent = sandbox.deliver_pending().await;
            let counts = store.count_events().await?;
            if let Some(parked) = counts.get("parked").filter(|parked| **parked > 0) {
                return Err(CliError::Failed(format!("{parked} events could not be reconciled")));
            }
            if sent == 0 && sandbox.all_delivered() && counts.get("received") == Some(&0) {
                return Ok(());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    });
    let late = |_| CliError::Failed(format!("not every event was reconciled within {} s", PATIENCE.as_secs()));
    waited.await.map_err(late)?
}

/// A listener where it was asked for; else at `usual`, or on a free port if that is taken. And how this process
/// reaches it.
async fn listen(asked: Option<SocketAddr>, usual: SocketAddr) -> Result<(TcpListener, String), CliError> {
    let bound = match asked {
        Some(address) => TcpListener::bind(address).await,
        None => match TcpListener::bind(usual).await {
            Ok(listener) => Ok(listener),
            Err(_) => TcpListener::bind(SocketAddr::new(usual.ip(), 0)).await,
        },
    };
    let wrong = |error| cannot_listen(asked.unwrap_or(usual), "--listen", &error);
    let listener = bound.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, reachable(&format!("http://{address}"))))
}

/// Who began it lets it deliver.
async fn start_sandbox(asked: Option<SocketAddr>, clock: &Clock, random: &Random) -> Result<Sandbox, CliError> {
    let start = |listen| {
        let (clock, random) = (clock.clone(), random.clone());
        Sandbox::start(Options { listen, clock, random, delivery: Delivery::Manual })
    };
    let started = match asked {
        Some(address) => start(address).await,
        None => match start(SANDBOX_LISTEN).await {
            Ok(sandbox) => Ok(sandbox),
            Err(_) => start(SocketAddr::new(SANDBOX_LISTEN.ip(), 0)).await,
        },
    };
    started.map_err(|error| cannot_listen(asked.unwrap_or(SANDBOX_LISTEN), "--sandbox-listen", &error))
}

fn cannot_listen(address: SocketAddr, flag: &str, error: &std::io::Error) -> CliError {
    CliError::Failed(format!("cannot listen on {address}: {error}. Give another address by {flag}."))
}

/// An address of this machine for one that means all its addresses.
fn reachable(url: &str) -> String {
    url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
}

/// The sandbox's address for browsers, with the slash at the end.
pub(super) fn public(given: Option<&Origin>, own: &str) -> String {
    given.map_or_else(|| reachable(own), |origin| format!("{origin}/"))
}

fn settings(
    folder: &Path,
    public_url: Origin,
    paper: Origin,
    sandbox_url: &str,
    random: &Random,
) -> Result<Settings, CliError> {
    let keys = NewKeys::generate(random);
    let mail = mail(folder)?;
    Ok(Settings {
        basics: Basics {
            database_url: DatabaseUrl::parse(&database_url(folder)).ok_or_else(impossible)?,
            time_zone: NewsroomZone::parse(ZONE).ok_or_else(impossible)?,
            log: quiet(),
        },
        listen: LISTEN,
        stripe_secret_key: StripeKey::parse(SANDBOX_API_KEY).ok_or_else(impossible)?,
        stripe_api_url: reachable(sandbox_url).parse().map_err(|_| impossible())?,
        vault_public_key: keys.public,
        reminders: ReminderSettings { hour: DEFAULT_HOUR, stale_days: DEFAULT_STALE_DAYS },
        // The sandbox is next door: nobody else's reads are to be left room for.
        sweep: SweepSettings { reads_per_second: 1_000, every: Some(15 * MINUTE), silence: None },
        web: Some(WebSettings {
            mail_bounce_secret: None,
            newsletter_export_token: None,
            admin: AdminSettings { key: Some(AdminKey::generate(random)), totp_required: false },
            public_url: public_url.clone(),
            allowed_origins: vec![paper],
            trusted_proxies: 0,
            stripe_webhook_secrets: vec![SANDBOX_WEBHOOK_SECRET.into()],
        }),
        worker: Some(WorkerSettings {
            public_url,
            vault_private_key: keys.private.expose_secret().into(),
            vault_index_key: keys.index.expose_secret().into(),
            mail,
            keep: Periods::DEFAULT,
        }),
    })
}

/// Mail of the demo goes into a folder, which the sandbox shows.
fn mail(folder: &Path) -> Result<MailSettings, CliError> {
    let from = Mailbox::parse("The Sample Paper <support@paper.example>").ok_or_else(impossible)?;
    let transport = MailTransport::Folder(folder.join(INBOX));
    let postal_address = Line::of("The Sample Paper, 1 River Street, Nowhere");
    Ok(MailSettings {
        sending: Some(Sending { transport, from }),
        postal_address,
        templates: None,
        receipts: Receipts::Each,
        renewal_notice_days: DEFAULT_RENEWAL_NOTICE_DAYS,
    })
}

fn impossible() -> CliError {
    CliError::Failed("the demo's own settings cannot be used; this is a mistake in Mainstay".to_owned())
}

fn database_url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("demo.db").display())
}

/// A temporary folder of our own, removed with all that is in it.
struct Folder(PathBuf);

impl Folder {
    fn make(random: &Random) -> Result<Self, CliError> {
        let path = std::env::temp_dir().join(format!("mainstay-demo-{}", random.hex()));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).map_err(|error| CliError::Failed(format!("cannot make {}: {error}", path.display())))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }

    fn database_url(&self) -> String {
        database_url(&self.0)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the demo's folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_gone_when_the_demo_ends() {
        let folder = Folder::make(&Random::system()).unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("demo.db"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn an_address_that_means_every_address_is_reached_over_loopback() {
        assert_eq!(public(None, "http://0.0.0.0:8788/"), "http://127.0.0.1:8788/");
        assert_eq!(public(None, "http://[::]:8788/"), "http://[::1]:8788/");
        assert_eq!(public(Origin::parse("http://localhost:1").as_ref(), "http://0.0.0.0:8788/"), "http://localhost:1/");
    }
}
