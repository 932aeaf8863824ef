//! What the demo says of its books beside Stripe's: read and held as `mainstay reconcile` does it.

use jiff::tz::TimeZone;

use super::{CliError, Ends};
use crate::gateway::list::Pace;
use crate::service::balance::Balance;
use crate::service::holding::{Held, Holder};
use crate::store::Period;

/// Requests a second; the sandbox takes any number.
const READS_PER_SECOND: u32 = 1_000;

/// Reads what Stripe booked and holds the days of `period` against it.
pub(in crate::cli) async fn reached(ends: &Ends, period: Period) -> Result<String, CliError> {
    let balance = Balance {
        store: ends.store.clone(),
        gateway: ends.gateway.clone(),
        clock: ends.clock.clone(),
        zone: TimeZone::UTC,
    };
    let read = balance.run_once(&Pace::new(READS_PER_SECOND)).await;
    read.map_err(|error| CliError::Failed(format!("the demo failed reading what Stripe booked: {}", error.code())))?;
    let holder = Holder { store: ends.store.clone(), clock: ends.clock.clone() };
    said(&holder.hold(period).await?)
}

/// In a sentence; where the two differ, or Stripe booked nothing of ours, the demo has failed.
fn said(held: &Held) -> Result<String, CliError> {
    let lines: i64 = held.booked.iter().filter(|sums| sums.whose == "ours").map(|sums| sums.lines).sum();
    if let Some(open) = held.open.first() {
        let count = held.open.len();
        return Err(CliError::Failed(format!("the books differ from Stripe's in {count}, the first: {}", open.found)));
    }
    if lines == 0 {
        return Err(CliError::Failed("Stripe booked nothing of what was given".to_owned()));
    }
    Ok(format!("Of {lines} lines that Stripe booked, each agrees with Stripe to the cent: no differences.\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::settlement::{Break, Fault};
    use crate::store::{OpenBreak, PartSums};

    fn held(open: Vec<OpenBreak>, lines: i64) -> Held {
        let ours = PartSums {
            whose: "ours".to_owned(),
            currency: "USD".to_owned(),
            lines,
            charges_minor: 2500,
            refunds_minor: 0,
            disputes_minor: 0,
            other_minor: 0,
            fees_minor: 103,
            net_minor: 2397,
        };
        Held { booked: vec![ours], open, elsewhere: 0 }
    }

    #[test]
    fn agreement_is_said_only_where_nothing_is_open_and_something_was_booked() {
        assert!(said(&held(Vec::new(), 3)).is_ok_and(|text| text.contains("Of 3 lines")));
        assert!(said(&held(Vec::new(), 0)).is_err());
        let found = Break {
            what: Fault::PaymentDiffers,
            object_id: "pi_1".to_owned(),
            day: 20_261_123,
            currency: "USD".to_owned(),
            expected_minor: Some(2500),
            found_minor: Some(2400),
        };
        let error = said(&held(vec![OpenBreak { found, opened_at: 0 }], 3)).unwrap_err();
        assert!(error.to_string().contains("pi_1"), "{error}");
    }
}
