//! Can what donors are known by be read, would it be if this machine burned, and is it forgotten in time?

use super::{Outcome, Patient, look, span};
use crate::clock::{DAY, HOUR};
use crate::config::LenientSettings;
use crate::domain::retention::Periods;
use crate::id::Random;
use crate::service::event_body;
use crate::service::forget::Forgetter;
use crate::service::later::KEEP_REQUESTS;
use crate::service::start_pledge::KEY_LIFE;
use crate::store::{Admin, StoreError};
use crate::vault::{AdminKey, IndexKey, Opener, Place, Sealer};

/// What is to be forgotten is looked for each hour; so much later something is wrong, in seconds.
const LATE: i64 = 6 * HOUR;
/// So many of the newsroom's people are looked at.
const MOST_PEOPLE: i64 = 1_000;
/// A copy should be looked at again some day, in seconds.
const COPY_SEEN: i64 = 365 * DAY;

pub(super) async fn examine(patient: &Patient<'_>) -> Vec<Outcome> {
    let (keys, admin_key, copied, retention) =
        tokio::join!(keys(patient), admin_key(patient), keys_copied(patient), retention(patient));
    vec![keys, admin_key, copied, retention]
}

/// What the keys are called in a note; none where one is missing or wrong. It tells nothing of them.
pub fn names_of_keys(settings: &LenientSettings) -> Option<String> {
    let sealer = Sealer::parse(settings.vault_public_key.as_ref()?, Random::system()).ok()?;
    let index = IndexKey::parse(settings.vault_index_key.as_ref()?).ok()?.of("name of the key", "");
    Some(format!("{} {}", sealer.key_id(), index.get(..16)?))
}

async fn keys(patient: &Patient<'_>) -> Outcome {
    let name = "privacy.keys";
    let settings = patient.settings;
    let failed = |what: &str| {
        let why = "Without its private key nobody can read what donors are known by, and nobody can restore it.";
        let mend = "set MAINSTAY_VAULT_PUBLIC_KEY, _PRIVATE_KEY and _INDEX_KEY from your copy of mainstay.env";
        Outcome::failed(name, what, why, mend)
    };
    let (Some(public), Some(private), Some(_)) =
        (&settings.vault_public_key, &settings.vault_private_key, &settings.vault_index_key)
    else {
        return failed("a key of the vault is missing or wrong.");
    };
    let (Ok(sealer), Ok(opener)) = (Sealer::parse(public, Random::system()), Opener::parse(private)) else {
        return failed("a key of the vault is wrong.");
    };
    if !opener.opens(&sealer) {
        return failed("the vault's private key does not open what its public key seals.");
    }
    let newest = match patient.store() {
        Some(store) => look(store.newest_event_body()).await.ok().flatten(),
        None => None,
    };
    match newest {
        None => Outcome::well(name, "the vault's keys belong together"),
        Some((id, body)) if event_body::open(&opener, &id, &body).is_ok() => {
            Outcome::well(name, "the vault's keys belong together and open what is stored")
        }
        Some(_) => failed("the vault's private key does not open what the database holds."),
    }
}

/// Whether the key of the newsroom's own side is there and opens what its people sign in by.
async fn admin_key(patient: &Patient<'_>) -> Outcome {
    let name = "privacy.admin_key";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there is no database to look at") };
    let people = match look(store.admins(MOST_PEOPLE)).await {
        Ok(people) => people,
        Err(error) => return Outcome::passed_over(name, format!("it could not be read: {error}")),
    };
    let failed = |what: String| {
        let why = "Nobody can sign in to the newsroom's own pages, and reports and refunds are out of reach there.";
        let mend = "set MAINSTAY_ADMIN_KEY from your copy of mainstay.env; where it is lost, see docs/OPERATIONS.md";
        Outcome::failed(name, what, why, mend)
    };
    let there = format!("{} can sign in to the newsroom's own pages", count(people.len()));
    match patient.settings.admin.as_ref().map(|admin| admin.key.as_ref()) {
        None => failed(format!("MAINSTAY_ADMIN_KEY or MAINSTAY_ADMIN_TOTP is wrong, and {there}.")),
        Some(None) if people.is_empty() => Outcome::passed_over(name, "nobody signs in here: there is no key for it"),
        Some(None) => failed(format!("MAINSTAY_ADMIN_KEY is not set, and {there}.")),
        Some(Some(key)) => {
            let Ok(key) = AdminKey::parse(key) else { return failed("MAINSTAY_ADMIN_KEY is no key.".to_owned()) };
            let shut = people.iter().filter(|person| !opens(&key, person)).count();
            if shut == 0 {
                return Outcome::well(
                    name,
                    format!("the key of the newsroom's own pages opens what is stored; {there}"),
                );
            }
            failed(format!("MAINSTAY_ADMIN_KEY does not open what is stored of {} by whom it is needed.", count(shut)))
        }
    }
}

fn count(people: usize) -> String {
    format!("{people} {}", if people == 1 { "person" } else { "people" })
}

/// Whether a key opens what is sealed of somebody. What is opened is not looked at.
fn opens(key: &AdminKey, person: &Admin) -> bool {
    let open = |column, sealed: &[u8]| key.open(Place { table: "admins", column, id: &person.id }, sealed).is_ok();
    open("email_sealed", &person.email_sealed)
        && person.totp_sealed.as_deref().is_none_or(|sealed| open("totp_sealed", sealed))
}

async fn keys_copied(patient: &Patient<'_>) -> Outcome {
    let name = "privacy.keys_copied";
    let (Some(store), Some(names)) = (patient.store(), names_of_keys(patient.settings)) else {
        return Outcome::passed_over(name, "without keys or database it is not known");
    };
    let why = "The keys are in no backup: if this machine is lost, what donors are known by is lost with it.";
    let mend = "mainstay doctor --keys-copy FILE, with the copy you keep elsewhere (- reads it from standard input)";
    let warning = |what: String| Outcome::warning(name, what, why, mend);
    match look(store.keys_copied()).await {
        Ok(None) => warning("nobody has shown a copy of the vault's keys.".to_owned()),
        Ok(Some((copied, _))) if copied != names => {
            warning("the copy of the vault's keys that was shown is of other keys.".to_owned())
        }
        Ok(Some((_, at))) if patient.now - at > COPY_SEEN => {
            warning(format!("the copy of the vault's keys was last seen {} ago.", span(patient.now - at)))
        }
        Ok(Some((_, at))) => Outcome::well(name, format!("a copy was seen {} ago", span(patient.now - at))),
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}

async fn retention(patient: &Patient<'_>) -> Outcome {
    let name = "privacy.retention";
    let Some(store) = patient.store() else { return Outcome::passed_over(name, "there is no database to look at") };
    let (keys, requests) = (patient.now - KEY_LIFE - LATE, patient.now - KEEP_REQUESTS - LATE);
    let periods = patient.settings.keep.unwrap_or(Periods::DEFAULT);
    let forgetter = Forgetter { store: store.clone(), periods };
    let overdue = async {
        Ok::<i64, StoreError>(store.overdue(keys, requests).await? + forgetter.overdue(patient.now - LATE).await?)
    };
    match Box::pin(look(overdue)).await {
        Ok(0) => Outcome::well(name, "nothing is kept longer than it should be"),
        Ok(overdue) => {
            let what = format!("{overdue} rows should have been forgotten by now.");
            let why = "What is not there cannot be taken; docs/PRIVACY.md says how long each thing is kept.";
            Outcome::failed(name, what, why, "see that a worker runs: mainstay serve (without --only web)")
        }
        Err(error) => Outcome::passed_over(name, format!("it could not be read: {error}")),
    }
}
