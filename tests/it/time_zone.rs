//! The second round of `scripts/test` sets `TZ` and runs every test with `time_zone` in its path again.

use crate::support::setting;

#[test]
fn the_machine_is_in_the_zone_that_the_round_asks_for() {
    if let Some(asked) = setting("TZ") {
        let zone = jiff::tz::TimeZone::system();
        assert_eq!(zone.iana_name(), Some(asked.as_str()), "without this the second round would prove nothing");
    }
}
