//! `mainstay doctor`: is this installation well?

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{CliError, open_existing, print};
use crate::clock::Clock;
use crate::config::{DatabaseUrl, Flags, LenientSettings, Sources};
use crate::id::Random;
use crate::service::doctor::{Doctor, Health, Machine, Outcome, names_of_keys};
use crate::vault::{Opener, Sealer};

/// A longer copy of two keys is something else.
const COPY_MAX_BYTES: u64 = 64 * 1024;

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Asked {
    /// Print JSON. Names of checks and the words of their health stay as they are.
    #[arg(long)]
    json: bool,
    /// Hold the vault's keys against the copy you keep elsewhere (- reads it from standard input), and note that it is
    /// there. Any text that holds both keys will do, such as a copy of mainstay.env.
    #[arg(long, value_name = "FILE")]
    keys_copy: Option<PathBuf>,
    #[command(flatten)]
    settings: Flags,
}

const EXAMPLES: &str = "\
Examples:
  mainstay doctor
  mainstay doctor --json
  mainstay doctor --keys-copy /media/stick/mainstay.env
It looks and changes nothing, whether the server runs or not. Run it where the server runs, as the server's user.
Exit codes: 0 all is well, 1 there are warnings, 2 something is broken.";

impl Asked {
    pub async fn run(self) -> Result<(), CliError> {
        let directory = Path::new("");
        let (mut sources, unreadable) = Sources::of_process_as_far_as_readable(self.settings, directory);
        sources.problems.extend(unreadable);
        let settings = LenientSettings::load(&sources);
        if let Some(copy) = &self.keys_copy {
            return note_copy(&settings, copy).await;
        }
        let database = settings.database_url.as_ref().and_then(DatabaseUrl::sqlite_path);
        let machine = Machine::of_process(directory, database.as_deref());
        let doctor = Doctor { settings, machine, clock: Clock::system(), random: Random::system() };
        let outcomes = Box::pin(doctor.examine()).await;
        print(&if self.json { json_of(&outcomes) } else { text_of(&outcomes) })?;
        match outcomes.iter().map(|outcome| outcome.health).max() {
            Some(Health::Failed) => Err(CliError::Unwell(2)),
            Some(Health::Warning) => Err(CliError::Unwell(1)),
            _ => Ok(()),
        }
    }
}

/// Groups one after the other, names and words below each other.
fn text_of(outcomes: &[Outcome]) -> String {
    let (mut text, mut last) = (String::new(), "");
    let width =
        outcomes.iter().filter_map(|one| one.name.split_once('.')).map(|(_, name)| name.len()).max().unwrap_or(0);
    for outcome in outcomes {
        let (group, name) = outcome.name.split_once('.').unwrap_or(("", outcome.name));
        if group != last {
            let _ = writeln!(text, "{}{group}", if last.is_empty() { "" } else { "\n" });
            last = group;
        }
        let word = match outcome.health {
            Health::Well => "ok",
            Health::PassedOver => "-",
            Health::Warning => "warn",
            Health::Failed => "FAIL",
        };
        let _ = writeln!(text, "  {word:<4}  {name:<width$}  {}", outcome.what);
        if let Some(advice) = &outcome.advice {
            let _ = writeln!(text, "  {:<4}  {:<width$}  {}", "", "", advice.why);
            let _ = writeln!(text, "  {:<4}  {:<width$}  => {}", "", "", advice.mend);
        }
    }
    let count = |health| outcomes.iter().filter(|outcome| outcome.health == health).count();
    let _ = writeln!(
        text,
        "\n{} checks: {} well, {} warnings, {} failed, {} passed over",
        outcomes.len(),
        count(Health::Well),
        count(Health::Warning),
        count(Health::Failed),
        count(Health::PassedOver)
    );
    text
}

fn json_of(outcomes: &[Outcome]) -> String {
    let checks: Vec<serde_json::Value> = outcomes
        .iter()
        .map(|one| {
            let (why, mend) = one.advice.as_ref().map(|advice| (advice.why, advice.mend.as_str())).unzip();
            json!({"name": one.name, "health": one.health.as_str(), "what": one.what, "why": why, "mend": mend})
        })
        .collect();
    let worst = outcomes.iter().map(|outcome| outcome.health).filter(|health| *health != Health::PassedOver).max();
    let health = worst.unwrap_or(Health::Well).as_str();
    format!("{:#}\n", json!({"health": health, "checks": checks}))
}

/// Notes that there is a copy of the keys, if it is one.
async fn note_copy(settings: &LenientSettings, copy: &Path) -> Result<(), CliError> {
    let wrong = |what: &str| CliError::Failed(format!("{}: {what}. Nothing was noted.", copy.display()));
    let text = read_copy(copy).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let (Some(public), Some(index), Some(names), Some(database)) =
        (&settings.vault_public_key, &settings.vault_index_key, names_of_keys(settings), &settings.database_url)
    else {
        return Err(wrong("the settings hold no keys, or no database, to hold it against"));
    };
    let sealer = Sealer::parse(public, Random::system()).map_err(|error| wrong(&error.to_string()))?;
    let held: Vec<&str> = text.expose_secret().split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
    let opens = |word: &&str| Opener::parse(&SecretString::from(*word)).is_ok_and(|opener| opener.opens(&sealer));
    if !held.iter().any(opens) {
        return Err(wrong("it does not hold the private key that opens what MAINSTAY_VAULT_PUBLIC_KEY seals"));
    }
    if !held.contains(&index.expose_secret()) {
        return Err(wrong("it does not hold MAINSTAY_VAULT_INDEX_KEY"));
    }
    let store = open_existing(database).await?;
    let noted = store.record_keys_copied(&names, Clock::system().now()).await;
    store.close().await;
    noted?;
    print("the copy holds both keys; noted. Keep it where this machine is not\n")
}

fn read_copy(path: &Path) -> std::io::Result<SecretString> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(COPY_MAX_BYTES).read_to_string(&mut text)?;
    } else {
        std::fs::File::open(path)?.take(COPY_MAX_BYTES).read_to_string(&mut text)?;
    }
    Ok(text.into())
}
