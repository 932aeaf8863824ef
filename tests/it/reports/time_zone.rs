//! Days of reports are the newsroom's, at midnight and when clocks change, whatever zone the machine is in.

use mainstay::sandbox::Card;

use crate::support::app::{NOON, TestApp};
use crate::support::database::BOTH;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_report_begins_a_day_at_the_newsrooms_midnight_also_when_clocks_change() {
    // In Riga 2027-03-28 has 23 hours: it begins at 22:00 UTC the day before and ends at 21:00 UTC.
    let begin = jiff::Timestamp::from_second(NOON).expect("a time").to_zoned(jiff::tz::TimeZone::UTC);
    assert_eq!(begin.to_string(), "2026-11-23T12:00:00+00:00[UTC]");
    let midnight: i64 = 1_806_184_800; // 2027-03-27 22:00 UTC
    for kind in BOTH {
        for (zone, days) in [
            ("Europe/Riga", ["2027-03-27 1", "2027-03-28 2", "2027-03-29 1"]),
            ("UTC", ["2027-03-27 2", "2027-03-28 2", "2027-03-29 0"]),
        ] {
            let app = TestApp::start_with(kind, &[("TIME_ZONE", zone)]).await;
            for at in [midnight - 1, midnight, midnight + 23 * 3_600 - 1, midnight + 23 * 3_600] {
                app.clock.advance(at - app.clock.now());
                for frequency in ["once", "monthly"] {
                    let (_, session) = app.pledge(frequency, 2500, "USD").await;
                    app.pay(&session, Card::Works).await;
                }
                app.settle().await;
            }
            let asked = [("from", "2027-03-27"), ("to", "2027-03-30"), ("by", "day")];
            let once = app.rows_of("one-time", &asked, &["period", "count"]).await;
            assert_eq!(once, days, "{zone} on {kind:?}");
            assert_eq!(app.rows_of("recurring", &asked, &["period", "new"]).await, days, "{zone} on {kind:?}");
            let twice = app.rows_of("revenue", &asked, &["period", "count"]).await;
            let doubled = days.map(|day| {
                let (day, count) = day.split_once(' ').expect("a count");
                format!("{day} {}", 2 * count.parse::<i64>().expect("a number"))
            });
            assert_eq!(twice, doubled, "{zone} on {kind:?}");
            let alone = [("from", "2027-03-28"), ("to", "2027-03-29"), ("by", "currency")];
            assert_eq!(app.rows_of("one-time", &alone, &["count"]).await, ["2"], "half-open, {zone} on {kind:?}");
            assert_eq!(app.report("revenue", &asked).await["time_zone"], zone);
            app.finish().await;
        }
    }
}
