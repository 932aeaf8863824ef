//! `mainstay sandbox`: the stand-in for Stripe alone, in real time.

use std::net::SocketAddr;

use clap::Args;

use super::demo::{SANDBOX_API_KEY, SANDBOX_WEBHOOK_SECRET, public};
use super::serve::StopSignals;
use super::{CliError, print};
use crate::clock::Clock;
use crate::config::Origin;
use crate::id::Random;
use crate::sandbox::{Delivery, Options, Sandbox};

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mainstay sandbox --listen 127.0.0.1:8788 --webhook-url http://127.0.0.1:8787/webhooks/stripe
It prints the settings with which a server uses it in Stripe's place. It forgets everything when it ends.")]
pub(super) struct Stand {
    /// The address and port to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8788")]
    listen: SocketAddr,
    /// Where browsers reach it, if not where it listens.
    #[arg(long, value_name = "ORIGIN", value_parser = read_origin)]
    public_url: Option<Origin>,
    /// Where events are sent.
    #[arg(long, value_name = "URL")]
    webhook_url: Option<url::Url>,
}

/// Reads an origin given as a flag.
pub(super) fn read_origin(text: &str) -> Result<Origin, String> {
    Origin::parse(text).ok_or_else(|| "expected an origin without a path, such as http://localhost:8788".to_owned())
}

impl Stand {
    pub async fn run(self) -> Result<(), CliError> {
        let mut stop = StopSignals::install()?;
        let options = Options {
            listen: self.listen,
            clock: Clock::system(),
            random: Random::system(),
            delivery: Delivery::Automatic,
        };
        let started = Sandbox::start(options).await;
        let sandbox = started.map_err(|error| {
            CliError::Failed(format!("cannot listen on {}: {error}. Give another address by --listen.", self.listen))
        })?;
        let at = public(self.public_url.as_ref(), &sandbox.url());
        sandbox.reached_at(&at);
        if let Some(url) = &self.webhook_url {
            sandbox.add_endpoint(url.as_str(), SANDBOX_WEBHOOK_SECRET);
        }
        print(&format!(
            "Sandbox: no real money moves here.\n\
             dashboard  {at}\n\
             use it by  MAINSTAY_STRIPE_API_URL={} MAINSTAY_STRIPE_SECRET_KEY={SANDBOX_API_KEY} \
             MAINSTAY_STRIPE_WEBHOOK_SECRETS={SANDBOX_WEBHOOK_SECRET}\n",
            sandbox.url()
        ))?;
        stop.received().await;
        sandbox.shutdown().await;
        Ok(())
    }
}
