//! How a pledge stands, in sentences: what is charged next and when, or that nothing is.

use super::Donors;
use super::visit::Visit;
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::store::{ManagedPledge, StoreError};

/// Whether a pledge recurs and is not over.
pub fn goes_on(pledge: &ManagedPledge) -> bool {
    let runs = matches!(
        pledge.status,
        PledgeStatus::Processing | PledgeStatus::Active | PledgeStatus::PastDue | PledgeStatus::Paused
    );
    pledge.frequency != Frequency::Once && pledge.subscription_id.is_some() && runs
}

/// What is given, and what comes next.
pub async fn stands(donors: &Donors, visit: &Visit, pledge: &ManagedPledge) -> Result<Vec<String>, StoreError> {
    let _ = donors;
    let given = format!("given-{}", pledge.frequency.as_str());
    Ok(vec![visit.say_with(&given, &[("amount", visit.money(pledge.money))])])
}

/// A time of the day, the newsroom's.
pub fn time(donors: &Donors, at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned(donors.zone.clone()).strftime("%H:%M").to_string()
}

/// A moment as machines read it.
pub fn machine_time(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().to_string()
}
