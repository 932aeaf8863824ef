//! Every journey of a gift, and every disorder its events may come in.

use std::sync::Arc;

use mainstay::id::Random;
use mainstay::sandbox::{Sandbox, SentEvent};

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Database, Kind};
use crate::support::journeys;
use crate::support::story::Story;

pub mod disorder;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_journey_ends_in_its_status_and_the_revenue_equals_stripes_own_ledger() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        for journey in journeys::all(&app).await {
            let status = app.rows_status(&journey.pledge).await;
            assert_eq!(status, journey.ends, "{} on {kind:?}", journey.name);
        }
        assert_eq!(ours(&app.database).await, stripes(&app), "to the cent, per day and currency, on {kind:?}");
        assert!(stripes(&app).len() > 10, "the journeys brought money");
        app.finish().await;
    }
}

impl TestApp {
    /// The status as stored, also of pledges no longer shown.
    async fn rows_status(&self, pledge: &str) -> String {
        let lines = self.database.books().await;
        let line =
            lines.iter().find(|line| line.starts_with(&format!("pledge {pledge} "))).expect("the pledge is there");
        line.split(' ').nth(2).expect("a status").to_owned()
    }
}

/// (currency, day, payments, gross, refunds, disputes) by our books.
pub async fn ours(database: &Database) -> Vec<String> {
    database
        .rows(
            "SELECT currency || ' ' || CAST(day AS TEXT) || ' ' || CAST(SUM(payments) AS TEXT) || ' ' || \
             CAST(SUM(gross_minor) AS TEXT) || ' ' || CAST(SUM(refunds_minor) AS TEXT) || ' ' || \
             CAST(SUM(disputes_minor) AS TEXT) AS line FROM revenue_daily GROUP BY currency, day \
             HAVING SUM(payments) <> 0 OR SUM(refunds_minor) <> 0 OR SUM(disputes_minor) <> 0",
        )
        .await
}

/// The same by Stripe's.
pub fn stripes(app: &TestApp) -> Vec<String> {
    daily(&app.sandbox)
}

pub fn daily(sandbox: &Sandbox) -> Vec<String> {
    let daily = sandbox.ledger().daily(&jiff::tz::TimeZone::UTC);
    let mut lines: Vec<String> = daily
        .into_iter()
        .filter(|(_, t)| (t.payments, t.refunds_minor, t.disputes_minor) != (0, 0, 0))
        .map(|((currency, day), t)| {
            let (gross, refunds, disputes) = (t.payments_minor, t.refunds_minor, t.disputes_minor);
            format!("{} {day} {} {gross} {refunds} {disputes}", currency.to_uppercase(), t.payments)
        })
        .collect();
    lines.sort();
    lines
}

/// Every journey, to be told again.
pub async fn story(kind: Kind) -> Story {
    let app = TestApp::start(kind).await;
    let pledges: Vec<String> = journeys::all(&app).await.into_iter().map(|journey| journey.pledge).collect();
    Story::of(app, &pledges).await
}
