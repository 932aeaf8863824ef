//! The command line: one file per command. A command reads its settings, calls the library and prints; it decides
//! nothing else. Standard output is for results, standard error for logs and problems.

mod account;
mod admin;
mod backfill;
mod backup;
mod campaign;
mod demo;
mod demo_once;
mod desk;
mod doctor;
mod donor;
mod events;
mod init;
mod mail;
mod migrate;
mod newsletter;
mod rebuild;
mod reconcile;
mod remind;
mod report;
mod restore;
mod sandbox;
mod serve;
mod snippet;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::app::AppError;
use crate::config::{ConfigError, DatabaseUrl, Flags, Sources};
use crate::service::backup::BackupError;
use crate::store::{Store, StoreError};
use crate::telemetry::TelemetryError;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it could not be done; standard error says what failed and what to do
  2  wrong usage or wrong settings; nothing was begun

Examples:
  mainstay demo                     try it, with nothing set up
  mainstay init                     write mainstay.env with fresh keys
  mainstay serve                    take gifts
  mainstay report revenue --from 2026-01-01 --to 2027-01-01 --by month";

/// The donation back end of a newsroom that lives on its readers.
#[derive(Debug, Parser)]
#[command(name = "mainstay", version, about, after_help = EXIT_CODES, max_term_width = 120)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write mainstay.env: every setting with a comment, and fresh keys. Never overwrites.
    Init,
    /// Check the settings, migrate the database, and take gifts until SIGTERM or Ctrl-C.
    Serve(serve::Serve),
    /// Tell whether this installation is well: settings, storage, Stripe, mail, web, privacy.
    Doctor(doctor::Asked),
    /// Bring the database's schema up to this program's.
    Migrate(migrate::Migrate),
    /// Copy the whole database into a file while others write it.
    #[command(after_help = backup::EXAMPLES)]
    Backup(backup::Backup),
    /// Put a backup where there is no database yet.
    #[command(after_help = restore::EXAMPLES)]
    Restore(restore::Restore),
    /// Print the description of the HTTP API, as openapi.yaml holds it.
    Openapi,
    /// Take pretended gifts: no Stripe account, no database server, nothing kept.
    Demo(demo::Demo),
    /// Run the stand-in for Stripe alone, in real time.
    Sandbox(sandbox::Stand),
    /// Print what came in, what went back, and what is left.
    #[command(after_help = report::EXAMPLES)]
    Report(Box<report::Report>),
    /// Tell which reminders would go, and which would be held back and why.
    #[command(after_help = remind::EXAMPLES)]
    Remind(remind::Remind),
    /// Hand confirmed signups over to the program that sends the newsletter.
    #[command(subcommand)]
    Newsletter(newsletter::Newsletter),
    /// List, show and put in place what is offered to donors.
    #[command(subcommand)]
    Campaign(campaign::Command),
    /// Preview mails, try whether they arrive, and keep them from an address.
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Erase a donor who asks for it.
    #[command(subcommand)]
    Donor(donor::Donor),
    /// Print what to paste into a page of the newspaper.
    Snippet(snippet::Snippet),
    /// Make what is needed on the Stripe account.
    #[command(subcommand)]
    Stripe(account::Stripe),
    /// Look at what Stripe sent, and let what could not be applied be tried again.
    #[command(subcommand)]
    Events(events::Events),
    /// Look through Stripe for what its webhooks did not bring, and tell what that changed.
    Backfill(backfill::Backfill),
    /// Recompute statuses and sums from what Stripe said, and tell what differed.
    Rebuild(rebuild::Rebuild),
    /// Say who may sign in to the newsroom's own pages, and make tokens for programs.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Hold our books against what Stripe booked, and tell each difference.
    Reconcile(reconcile::Reconcile),
}

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// What is wrong with how it was called.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// What failed, where, and what to do.
    #[error("{0}")]
    Failed(String),
    /// `doctor` has said what is not well, and this is how it ends.
    #[error("not all is well")]
    Unwell(u8),
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
}

impl CliError {
    /// See `--help`.
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config(_) | Self::Usage(_) => ExitCode::from(2),
            Self::Unwell(code) => ExitCode::from(*code),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Runs the command; what went wrong is said on standard error.
pub fn run(cli: Cli) -> ExitCode {
    match dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has seen enough: `mainstay report … | head`.
        Err(CliError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error @ CliError::Unwell(_)) => error.exit_code(),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mainstay: {error}");
            error.exit_code()
        }
    }
}

fn dispatch(command: Command) -> Result<(), CliError> {
    match command {
        Command::Init => init::run(Path::new("")),
        Command::Serve(serve) => block_on(serve.run()),
        Command::Doctor(asked) => block_on(asked.run()),
        Command::Migrate(migrate) => block_on(migrate.run()),
        Command::Backup(backup) => block_on(backup.run()),
        Command::Restore(restore) => block_on(restore.run()),
        Command::Openapi => print(&crate::http::openapi::openapi_yaml()),
        Command::Demo(demo) => block_on(demo.run()),
        Command::Sandbox(stand) => block_on(stand.run()),
        Command::Report(report) => block_on(report.run()),
        Command::Remind(remind) => block_on(remind.run()),
        Command::Newsletter(newsletter) => block_on(newsletter.run()),
        Command::Campaign(campaign) => block_on(campaign.run()),
        Command::Mail(mail) => block_on(mail.run()),
        Command::Donor(donor) => block_on(donor.run()),
        Command::Snippet(snippet) => block_on(snippet.run()),
        Command::Stripe(stripe) => block_on(stripe.run()),
        Command::Events(events) => block_on(events.run()),
        Command::Backfill(backfill) => block_on(backfill.run()),
        Command::Rebuild(rebuild) => block_on(rebuild.run()),
        Command::Admin(admin) => block_on(admin.run()),
        Command::Reconcile(reconcile) => block_on(reconcile.run()),
    }
}

/// Runs a command that waits for databases and networks.
fn block_on(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::Failed(format!("cannot start threads: {error}")))?;
    runtime.block_on(work)
}

/// Where settings come from in the working directory.
fn sources(flags: Flags) -> Result<Sources, ConfigError> {
    Sources::of_process(flags, Path::new(""))
}

/// Opens a database that must be there already, as it is.
async fn open_existing(database: &DatabaseUrl) -> Result<Store, CliError> {
    if database.sqlite_path().is_some_and(|path| !path.exists()) {
        return Err(CliError::Failed(format!(
            "{database} does not exist. Run this where the server runs, or give the database by --database-url."
        )));
    }
    let store = Store::open(database.expose()).await?;
    match store.check_schema().await {
        Ok(()) => Ok(store),
        Err(error) => {
            store.close().await;
            Err(CliError::Failed(format!("this program cannot use {database}: {error}.")))
        }
    }
}

/// Prints one result.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::{SETTINGS, Secrecy};

    #[test]
    fn the_command_line_is_well_formed_and_help_names_exit_codes_and_examples() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Exit codes:") && help.contains("Examples:"), "{help}");
    }

    #[test]
    fn help_mentions_no_secret() {
        let mut command = Cli::command();
        let serve = command.find_subcommand_mut("serve").unwrap();
        let help = serve.render_long_help().to_string();
        for setting in SETTINGS {
            let flag = format!("--{}", setting.name.to_ascii_lowercase().replace('_', "-"));
            assert_eq!(help.contains(&flag), setting.secrecy != Secrecy::Secret, "{flag}");
        }
    }

    #[test]
    fn wrong_settings_and_wrong_usage_exit_with_2_and_failures_with_1() {
        let config = CliError::Config(ConfigError { problems: Vec::new() });
        assert_eq!(format!("{:?}", config.exit_code()), format!("{:?}", ExitCode::from(2)));
        assert_eq!(format!("{:?}", CliError::Failed(String::new()).exit_code()), format!("{:?}", ExitCode::from(1)));
    }
}
