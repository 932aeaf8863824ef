//! The second round of `scripts/test` sets `TZ` and runs every test with `time_zone` in its path again.

use mainstay::sandbox::Card;

use crate::support::app::TestApp;
use crate::support::database::BOTH;

use crate::support::setting;

#[test]
fn the_machine_is_in_the_zone_that_the_round_asks_for() {
    if let Some(asked) = setting("TZ") {
        let zone = jiff::tz::TimeZone::system();
        assert_eq!(zone.iana_name(), Some(asked.as_str()), "without this the second round would prove nothing");
    }
}

/// A gift at 22:30 UTC on 23 November 2026, and the day it counts on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gift_counts_on_the_newsrooms_day_whatever_zone_the_machine_is_in() {
    for kind in BOTH {
        for (zone, day) in [("UTC", "20261123"), ("Europe/Riga", "20261124"), ("America/New_York", "20261123")] {
            let app = TestApp::start_with(kind, &[("TIME_ZONE", zone)]).await;
            app.clock.advance(10 * 3_600 + 1_800);
            let (_, session) = app.pledge("once", 2500, "USD").await;
            app.pay(&session, Card::Works).await;
            app.settle().await;
            let days = app.database.rows("SELECT CAST(day AS TEXT) AS line FROM revenue_daily").await;
            assert_eq!(days, [day], "{zone} on {kind:?}");
            app.finish().await;
        }
    }
}
