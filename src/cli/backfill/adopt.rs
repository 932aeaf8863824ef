//! `mainstay backfill --adopt`: a line for each object, and never more than the dry run promised.

use std::path::Path;

use super::{CliError, Parts, backfill, print};
use crate::domain::adoption::Mapping;
use crate::service::adopt::{Adopter, Fate};
use crate::service::sweep::Sweeper;

pub(super) async fn run(parts: &Parts, file: Option<&Path>, confirm: Option<u64>) -> Result<String, CliError> {
    let mapping = file.map_or_else(|| Ok(Mapping::default()), read)?;
    let known = parts.store.campaign_slugs().await?;
    if let Some(unknown) = mapping.campaigns().into_iter().find(|slug| !known.iter().any(|known| known == slug)) {
        return Err(CliError::Usage(format!(
            "there is no campaign {unknown}. Make it by `mainstay campaign apply`, or name another in the mapping."
        )));
    }
    // Counted before anything is changed, also where it is confirmed: the account may have changed since.
    let dry = Sweeper { dry_run: true, ..parts.sweeper.clone() };
    let mut printed = Ok(());
    let tell = &mut |fate: &Fate| {
        if printed.is_ok() {
            printed = print(&line(fate));
        }
    };
    let found = Adopter { sweeper: &dry, mapping: &mapping }.run(tell).await.map_err(stopped)?;
    printed?;
    if parts.sweeper.dry_run {
        return Ok(format!(
            "{found} to take over. Nothing was changed. To do it: add --confirm {found} for --dry-run.\n"
        ));
    }
    if found > 0 && confirm != Some(found) {
        return Err(CliError::Usage(format!(
            "{found} would be taken over, and that is not what was confirmed. Look at the lines above; then --confirm {found}."
        )));
    }
    let done = Adopter { sweeper: &parts.sweeper, mapping: &mapping }.run(&mut |_| {}).await.map_err(stopped)?;
    let report = backfill(parts, Some(0), false).await?;
    Ok(format!("{done} taken over.\n{report}"))
}

fn read(path: &Path) -> Result<Mapping, CliError> {
    let wrong = |what: String| CliError::Usage(format!("{}: {}", path.display(), what.trim_end()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    toml::from_str(&text).map_err(|error| wrong(error.to_string()))
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands it over")]
fn stopped(error: crate::service::sweep::SweepError) -> CliError {
    CliError::Failed(format!("stopped: {}. What was taken over stays so; run it again for the rest.", error.code()))
}

fn line(fate: &Fate) -> String {
    let id = &fate.candidate.stripe_id;
    match &fate.fate {
        Ok(adopted) => format!(
            "{id}  {} {}  campaign {}  source {}  {}\n",
            adopted.frequency, adopted.money, adopted.campaign, adopted.source, adopted.id
        ),
        Err(why) => format!("{id}  left: {why}\n"),
    }
}
