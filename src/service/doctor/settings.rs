//! Are the settings right, private, and of this database?

use std::path::PathBuf;

use super::{Outcome, Patient, look, span};
use crate::config::Mode;
use crate::store::Fixed;

/// Seconds by which our clock and Stripe's may differ unnoticed.
const CLOCK_SLACK: i64 = 30;
/// From here on signatures are refused.
const CLOCK_WRONG: i64 = 300;

pub(super) async fn examine(patient: &Patient<'_>) -> Vec<Outcome> {
    let (key, zone) = tokio::join!(key(patient), time_zone(patient));
    vec![values(patient), file_modes(patient), key, zone, clock(patient)]
}

fn values(patient: &Patient<'_>) -> Outcome {
    let name = "settings.values";
    let problems = &patient.settings.problems;
    if problems.is_empty() {
        return Outcome::well(name, "all settings are known and right");
    }
    let all: Vec<String> = problems.iter().map(|problem| format!("{}: {}", problem.place, problem.what)).collect();
    let count = problems.len();
    let what =
        format!("{count} setting{} wrong or missing. {}", if count == 1 { " is" } else { "s are" }, all.join(" "));
    let why = "`mainstay serve` does not start with that.";
    Outcome::failed(name, what, why, "mainstay serve --help, for every setting and its meaning")
}

fn file_modes(patient: &Patient<'_>) -> Outcome {
    let name = "settings.file_modes";
    let files = patient.machine.env_file.iter().chain(&patient.settings.secret_files);
    let open: Vec<String> = files.filter(|path| others_may_read(path)).map(|path| path.display().to_string()).collect();
    if open.is_empty() {
        return Outcome::well(name, "files with secrets are their owner's alone");
    }
    let what = format!("others on this machine may read {}.", open.join(", "));
    let why = "Whoever reads them can read what donors are known by and act on the Stripe account.";
    Outcome::failed(name, what, why, format!("chmod 600 {}", open.join(" ")))
}

#[cfg(unix)]
fn others_may_read(path: &PathBuf) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    // Who belongs to the file's group was let in by somebody; everybody was not.
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o007 != 0)
}

#[cfg(not(unix))]
fn others_may_read(_: &PathBuf) -> bool {
    false
}

async fn key(patient: &Patient<'_>) -> Outcome {
    let name = "settings.key";
    let Some(key) = &patient.settings.stripe_secret_key else {
        return Outcome::passed_over(name, "there is no Stripe key to look at");
    };
    let mode = key.mode();
    if let Some(store) = patient.store()
        && let Ok(Some(recorded)) = look(store.fixed(Fixed::StripeMode)).await
        && recorded != mode.as_str()
    {
        let what = format!("the Stripe key is a {mode} key, and the database holds {recorded} gifts.");
        let why = "`mainstay serve` refuses it: sums of both would be sums of nothing.";
        let mend = format!("set MAINSTAY_STRIPE_SECRET_KEY to a {recorded} key, or give another database");
        return Outcome::failed(name, what, why, mend);
    }
    let at_stripe = patient.settings.stripe_api_url.as_ref().and_then(|url| url.host_str()) == Some("api.stripe.com");
    if mode == Mode::Live && !at_stripe {
        let what = "a LIVE key is set, and MAINSTAY_STRIPE_API_URL is not Stripe.";
        let why = "Whoever answers there gets hold of the key.";
        return Outcome::failed(name, what, why, "remove MAINSTAY_STRIPE_API_URL");
    }
    if !key.is_restricted() {
        let what = format!("the Stripe key is a secret {mode} key, which may do everything on the account.");
        let why = "Whoever gets hold of it can pay money out; a restricted key cannot.";
        let mend =
            "create a restricted key (docs/OPERATIONS.md lists its permissions) and set MAINSTAY_STRIPE_SECRET_KEY";
        return Outcome::warning(name, what, why, mend);
    }
    Outcome::well(name, format!("a restricted {mode} key, as the database has it"))
}

async fn time_zone(patient: &Patient<'_>) -> Outcome {
    let name = "settings.time_zone";
    let Some(given) = &patient.settings.time_zone else {
        return Outcome::passed_over(name, "there is no time zone to look at");
    };
    let given = given.name();
    let Some(store) = patient.store() else {
        return Outcome::passed_over(name, "without the database it is not known which it counts in");
    };
    match look(store.fixed(Fixed::TimeZone)).await {
        Ok(Some(recorded)) if recorded != given => {
            let what = format!("MAINSTAY_TIME_ZONE is {given}, and the database counts its days in {recorded}.");
            let why = "`mainstay serve` refuses it: days already counted would fall on other dates.";
            let mend = format!("set MAINSTAY_TIME_ZONE={recorded}, or mainstay rebuild --time-zone {given}");
            Outcome::failed(name, what, why, mend)
        }
        Ok(Some(_)) => Outcome::well(name, format!("days are counted in {given}")),
        Ok(None) => Outcome::well(name, format!("days will be counted in {given} from the first start on")),
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}

fn clock(patient: &Patient<'_>) -> Outcome {
    let name = "settings.clock";
    let Some(at) = patient.probe.as_ref().and_then(|probe| probe.as_ref().ok()?.at) else {
        return Outcome::passed_over(name, "without Stripe's answer there is nothing to hold our clock against");
    };
    let off = patient.now - at;
    if off.abs() <= CLOCK_SLACK {
        return Outcome::well(name, "our clock agrees with Stripe's");
    }
    let what = format!("our clock is {} {} Stripe's.", span(off.abs()), if off > 0 { "ahead of" } else { "behind" });
    let why = "From five minutes on, Stripe's events are refused, for their signatures hold the time.";
    let mend = "timedatectl set-ntp true";
    if off.abs() < CLOCK_WRONG {
        Outcome::warning(name, what, why, mend)
    } else {
        Outcome::failed(name, what, why, mend)
    }
}
