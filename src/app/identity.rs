//! Whose database this is: one time zone, one Stripe mode, one Stripe account. Recorded at the first start; another
//! value is refused, for sums of two would be sums of nothing.

use super::AppError;
use crate::config::Settings;
use crate::gateway::Gateway;
use crate::store::{Fixed, Store};

/// The database belongs to something else than the settings say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    #[error(
        "this database counts its days in {recorded}, and MAINSTAY_TIME_ZONE is {given}. Set it to {recorded}: days \
         already counted would fall on other dates."
    )]
    TimeZone { recorded: String, given: String },
    #[error(
        "this database holds {recorded} gifts, and MAINSTAY_STRIPE_SECRET_KEY is a {given} key. Use a {recorded} key, \
         or give another database by MAINSTAY_DATABASE_URL."
    )]
    StripeMode { recorded: String, given: String },
    #[error(
        "this database belongs to the Stripe account {recorded}, and MAINSTAY_STRIPE_SECRET_KEY is of {given}. Use a \
         key of {recorded}, or give another database by MAINSTAY_DATABASE_URL."
    )]
    StripeAccount { recorded: String, given: String },
}

/// Records or compares what the settings say.
pub(super) async fn check(store: &Store, settings: &Settings) -> Result<(), AppError> {
    let reading = |source| AppError::Read { database: settings.basics.database_url.to_string(), source };
    let zone = settings.basics.time_zone.name();
    let recorded = store.fix(Fixed::TimeZone, zone).await.map_err(reading)?;
    if recorded != zone {
        return Err(IdentityError::TimeZone { recorded, given: zone.to_owned() }.into());
    }
    let mode = settings.stripe_secret_key.mode().as_str();
    let recorded = store.fix(Fixed::StripeMode, mode).await.map_err(reading)?;
    if recorded != mode {
        return Err(IdentityError::StripeMode { recorded, given: mode.to_owned() }.into());
    }
    Ok(())
}

/// Asks Stripe whose key it is, and records or compares the answer. Stripe out of reach, or a restricted key that may
/// not ask, is no reason to turn gifts away.
pub(super) async fn check_account(gateway: &Gateway, store: &Store) -> Result<(), IdentityError> {
    let given = match gateway.account_id().await {
        Ok(given) => given,
        Err(error) => {
            tracing::warn!(%error, "could not ask Stripe whose account the key is of; going on without");
            return Ok(());
        }
    };
    match store.fix(Fixed::StripeAccount, &given).await {
        Ok(recorded) if recorded == given => Ok(()),
        Ok(recorded) => Err(IdentityError::StripeAccount { recorded, given }),
        Err(error) => {
            tracing::warn!(%error, "could not record the Stripe account; it is asked for again at the next start");
            Ok(())
        }
    }
}
