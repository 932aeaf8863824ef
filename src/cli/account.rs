//! `mainstay stripe setup`: what Mainstay needs on the Stripe account.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret as _, SecretString};

use super::{CliError, open_existing, print, sources};
use crate::app::AppError;
use crate::config::{Flags, Mode, StripeCommands};
use crate::gateway::{Gateway, GatewayConfig};
use crate::id::Random;
use crate::service::stripe_setup::{Finding, Setup, Standing, Thing};
use crate::store::{Fixed, Store, StoreError};

#[derive(Debug, Subcommand)]
pub(super) enum Stripe {
    /// Make what Mainstay needs on the Stripe account: products, the portal, the webhook endpoint. Doing so again
    /// changes nothing.
    #[command(after_help = EXAMPLES)]
    Setup(Asked),
}

const EXAMPLES: &str = "\
Examples:
  mainstay stripe setup --dry-run
  mainstay stripe setup --secret-file webhook-secret
Stripe tells the signing secret of an endpoint once, when it is made. It is printed, or written to the file (mode 0600),
and belongs into MAINSTAY_STRIPE_WEBHOOK_SECRETS, or the file's path into MAINSTAY_STRIPE_WEBHOOK_SECRETS_FILE.";

#[derive(Debug, Args)]
pub(super) struct Asked {
    /// Change nothing; tell what would be made or changed.
    #[arg(long)]
    dry_run: bool,
    /// Write the signing secret of a new endpoint to this file, which must not exist, instead of printing it.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Make an endpoint beside one that sends events of another API version.
    #[arg(long)]
    beside: bool,
    #[command(flatten)]
    settings: Flags,
}

impl Stripe {
    pub async fn run(self) -> Result<(), CliError> {
        let Self::Setup(asked) = self;
        let settings = StripeCommands::load(sources(asked.settings)?)?;
        crate::telemetry::start(&settings.addresses.basics.log)?;
        let mode = settings.stripe_secret_key.mode();
        let public_url = settings.addresses.public_url.as_str();
        if mode == Mode::Live && !public_url.starts_with("https://") {
            return Err(CliError::Failed(format!(
                "Stripe sends live events over HTTPS only, and MAINSTAY_PUBLIC_URL is {public_url}. Set it to the \
                 address donors see, such as https://give.example.org."
            )));
        }
        let campaigns = campaigns(&settings, mode).await?;
        let gateway = GatewayConfig {
            api_url: settings.addresses.stripe_api_url.to_string(),
            secret_key: settings.stripe_secret_key.secret().clone(),
        };
        let gateway = Gateway::new(&gateway, Random::system()).map_err(AppError::from)?;
        let webhook_url = format!("{public_url}/webhooks/stripe");
        print(&format!("{mode} account at {}, events to {webhook_url}\n", settings.addresses.stripe_api_url))?;
        let setup = Setup { gateway, webhook_url, campaigns, beside: asked.beside };
        carry_out(&setup, asked.dry_run, asked.secret_file.as_deref()).await
    }
}

/// Slugs and names of the campaigns of a database that is of this mode.
async fn campaigns(settings: &StripeCommands, mode: Mode) -> Result<Vec<(String, String)>, CliError> {
    let store = open_existing(&settings.addresses.basics.database_url).await?;
    let read = read_campaigns(&store).await;
    let recorded = store.fixed(Fixed::StripeMode).await;
    store.close().await;
    match recorded? {
        Some(recorded) if recorded != mode.as_str() => Err(CliError::Failed(format!(
            "this database holds {recorded} gifts, and MAINSTAY_STRIPE_SECRET_KEY is a {} key. Nothing was changed.",
            mode.as_str()
        ))),
        _ => Ok(read?),
    }
}

async fn read_campaigns(store: &Store) -> Result<Vec<(String, String)>, StoreError> {
    let mut campaigns = Vec::new();
    for slug in store.campaign_slugs().await? {
        if let Some(campaign) = store.campaign(&slug).await? {
            campaigns.push((slug, campaign.name));
        }
    }
    Ok(campaigns)
}

async fn carry_out(setup: &Setup, dry_run: bool, secret_file: Option<&Path>) -> Result<(), CliError> {
    let (found, mut failed) = setup.look().await;
    for mut finding in found {
        let (done, to_do) = match finding.standing {
            Standing::Right => ("there", "there"),
            Standing::Missing => ("made", "to make"),
            Standing::Wrong(_) => ("changed", "to change"),
        };
        if dry_run || finding.standing == Standing::Right {
            print(&line(to_do, &finding))?;
            continue;
        }
        // Opened before the secret is told, for it is told once.
        let makes_secret = finding.thing == Thing::Endpoint && finding.standing == Standing::Missing;
        let file = secret_file.filter(|_| makes_secret).map(private_file).transpose()?;
        match setup.mend(&finding).await {
            Ok((id, secret)) => {
                finding.id = Some(id);
                print(&line(done, &finding))?;
                if let Some(secret) = secret {
                    hand_over(&secret, file.zip(secret_file))?;
                }
            }
            Err(error) => {
                if let (Some(file), Some(path)) = (file, secret_file) {
                    drop(file);
                    // It is empty, and in the way of the next attempt.
                    std::fs::remove_file(path)?;
                }
                failed.push(error);
            }
        }
    }
    if dry_run {
        print("nothing was changed\n")?;
    }
    if failed.is_empty() {
        return Ok(());
    }
    let failed: Vec<String> = failed.iter().map(ToString::to_string).collect();
    Err(CliError::Failed(format!("not all could be done:\n  {}", failed.join("\n  "))))
}

fn line(word: &str, finding: &Finding) -> String {
    format!("{word:<9} {finding}\n")
}

fn private_file(path: &Path) -> Result<File, CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| {
        let path = path.display();
        CliError::Failed(if error.kind() == ErrorKind::AlreadyExists {
            format!("{path} exists and is left as it is; no endpoint was made. Give another name by --secret-file.")
        } else {
            format!("cannot write {path}: {error}; no endpoint was made.")
        })
    })
}

/// Tells the secret the one time it is known.
fn hand_over(secret: &SecretString, file: Option<(File, &Path)>) -> Result<(), CliError> {
    let Some((mut file, path)) = file else {
        return print(&format!(
            "\nIts signing secret, which Stripe shows this once:\n  {}\nPut it into MAINSTAY_STRIPE_WEBHOOK_SECRETS \
             (beside an old one, parted by a comma) and restart the server.\n",
            secret.expose_secret()
        ));
    };
    let written = writeln!(file, "{}", secret.expose_secret()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // Lost here, it would be lost for good.
        hand_over(secret, None)?;
        return Err(CliError::Failed(format!(
            "cannot write {}: {error}; the secret was printed instead.",
            path.display()
        )));
    }
    print(&format!(
        "\nIts signing secret is in {} (mode 0600). Set MAINSTAY_STRIPE_WEBHOOK_SECRETS_FILE to it, or put what it \
         holds into MAINSTAY_STRIPE_WEBHOOK_SECRETS, and restart the server.\n",
        path.display()
    ))
}
