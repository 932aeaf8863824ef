//! `mainstay donor`: erasing one who asks for it. Nothing it prints says who that is.

use std::fmt::Write as _;
use std::io::{BufRead as _, IsTerminal as _, Write as _};

use clap::{Args, Subcommand};

use super::{CliError, print, sources};
use crate::app::Erasure;
use crate::clock::Clock;
use crate::config::{Flags, Role, Settings};
use crate::domain::email_address::EmailAddress;
use crate::id::{PledgeId, Random};
use crate::service::erase_donor::{EraseError, Erased, Whom};

#[derive(Debug, Subcommand)]
pub(super) enum Donor {
    /// Stop what a donor gives and erase all that is known of them. Amounts stay, without identity.
    #[command(after_help = ERASING)]
    Erase(Erase),
}

const ERASING: &str = "\
The address is asked for, or read as one line from standard input: process lists show command lines.
It may be repeated: what is gone stays so, and what was interrupted is done.

Examples:
  mainstay donor erase --dry-run
  mainstay donor erase < address.txt
  mainstay donor erase --pledge plg_0123456789abcdef0123456789abcdef";

#[derive(Debug, Args)]
pub(super) struct Erase {
    /// Whoever made this pledge, rather than whoever has an address.
    #[arg(long, value_name = "ID")]
    pledge: Option<String>,
    /// Only tell what there is; change nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    settings: Flags,
}

impl Donor {
    pub async fn run(self) -> Result<(), CliError> {
        let Self::Erase(asked) = self;
        let settings = Settings::load(sources(asked.settings)?, Role::Worker)?;
        crate::telemetry::start(&settings.basics.log)?;
        let whom = match asked.pledge {
            Some(id) => Whom::Pledge(
                PledgeId::parse(&id)
                    .map_err(|_| CliError::Usage("expected --pledge plg_ and 32 hex digits".to_owned()))?,
            ),
            None => Whom::Address(address()?),
        };
        let Erasure { eraser } = Erasure::open(settings, Clock::system(), Random::system()).await?;
        let erased = eraser.erase_donor(&whom, asked.dry_run).await;
        eraser.desk.store.close().await;
        print(&text(&erased.map_err(failed)?, asked.dry_run))
    }
}

fn failed(error: EraseError) -> CliError {
    CliError::Failed(match error {
        EraseError::NoPledge => "there is no such pledge; nothing was erased.".to_owned(),
        EraseError::Stripe(error) => format!(
            "Stripe did not do its part ({error}), so not all is erased. A restricted key needs write access to \
             Checkout Sessions, Customers and Subscriptions. Run it again: it goes on from there."
        ),
        error @ EraseError::Later(_) => {
            format!("not all is erased: {}. Run it again: it goes on from there.", error.code())
        }
    })
}

/// One line of standard input, asked for where somebody types it.
fn address() -> Result<EmailAddress, CliError> {
    if std::io::stdin().is_terminal() {
        let mut out = std::io::stderr().lock();
        write!(out, "The donor's address: ")?;
        out.flush()?;
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let wrong = |_| CliError::Usage("expected one address on standard input, or --pledge".to_owned());
    EmailAddress::parse(line.trim()).map_err(wrong)
}

fn text(erased: &Erased, dry_run: bool) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", if dry_run { "To be erased:" } else { "Erased:" });
    for (what, count) in [
        ("donors", erased.donors),
        ("pledges, of which nothing but money stays", erased.pledges),
        ("subscriptions canceled at Stripe", erased.subscriptions),
        ("open checkouts ended at Stripe", erased.checkouts),
        ("customers deleted at Stripe", erased.customers),
        ("reminders", erased.reminders),
        ("signups to the newsletter", erased.signups),
        ("mails that waited", erased.mails),
        ("requests that waited", erased.requests),
        ("raw bodies of events", erased.bodies),
    ] {
        let _ = writeln!(text, "  {count:>6}  {what}");
    }
    if dry_run {
        return text + "Nothing was changed.\n";
    }
    if !erased.purged {
        text +=
            "Somebody still reads the database as it was before: run this again later, so that its log is emptied.\n";
    }
    text + STAYS
}

const STAYS: &str = "\
What stays here: amounts, days and statuses, without identity; and, as keyed hashes, that an address is never to be
written to, where its owner or its mail server said so. Backups from before hold what they held.
What stays at Stripe: payments and charges, with the name, address and part of the card's number typed there. Stripe must
keep them for as long as the law says; to have more of it redacted, ask Stripe's support for the redaction of personal
data, with the ids of the charges.
What stays elsewhere: mail that was sent, and what the program that sends your newsletter was given: remove them there.
";
