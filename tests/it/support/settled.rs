//! What Stripe booked, by our tables and by the sandbox's own ledger.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use mainstay::clock::Clock;
use mainstay::domain::calendar::day_of;
use mainstay::gateway::list::Pace;
use mainstay::gateway::{Gateway, GatewayConfig};
use mainstay::id::Random;
use mainstay::sandbox::{Part, Sandbox};
use mainstay::service::balance::{Balance, BalanceError, Reading};
use mainstay::service::holding::{Held, Holder};
use mainstay::store::{Period, Store};

use super::app::TestApp;
use super::database::Database;

/// All days.
pub const ALWAYS: Period = Period { from: 0, to: 99_999_999 };
/// More than a test needs; pages are counted elsewhere.
const PAGES_PER_SECOND: u32 = 1_000;

/// What reads Stripe's lists into `store`.
pub fn balance(store: &Store, sandbox: &Sandbox, clock: &Clock, zone: TimeZone) -> Balance {
    let config = GatewayConfig { api_url: sandbox.url(), secret_key: "sk_test_x".into() };
    let gateway = Gateway::new(&config, Random::seeded(5)).expect("a gateway");
    Balance { store: store.clone(), gateway, clock: clock.clone(), zone }
}

impl TestApp {
    /// Reads what Stripe booked, as the worker does now and then.
    pub async fn read_balance(&self) -> Result<Reading, BalanceError> {
        balance(self.store(), &self.sandbox, &self.clock, TimeZone::UTC).run_once(&Pace::new(PAGES_PER_SECOND)).await
    }

    /// Holds all days against it.
    pub async fn hold(&self) -> Held {
        let holder = Holder { store: self.store().clone(), clock: self.clock.clone() };
        holder.hold(ALWAYS).await.expect("it is held")
    }

    /// The differences that are open, each as `what object`.
    pub async fn breaks(&self) -> Vec<String> {
        let open = self.hold().await.open;
        open.into_iter().map(|open| format!("{} {}", open.found.what, open.found.object_id)).collect()
    }
}

/// Currency, day, gross, refunds, disputes, fees and net by the daily settlement.
pub async fn ours(database: &Database) -> Vec<String> {
    database
        .rows(
            "SELECT currency || ' ' || CAST(day AS TEXT) || ' ' || CAST(SUM(gross_minor) AS TEXT) || ' ' || \
             CAST(SUM(refunds_minor) AS TEXT) || ' ' || CAST(SUM(disputes_minor) AS TEXT) || ' ' || \
             CAST(SUM(fees_minor) AS TEXT) || ' ' || CAST(SUM(net_minor) AS TEXT) AS line \
             FROM settlement_daily GROUP BY currency, day HAVING SUM(payments) <> 0 OR SUM(gross_minor) <> 0 \
             OR SUM(refunds_minor) <> 0 OR SUM(disputes_minor) <> 0 OR SUM(fees_minor) <> 0",
        )
        .await
}

/// The same by the sandbox's own ledger, of the charges that are not foreign.
pub fn stripes(sandbox: &Sandbox, zone: &TimeZone, foreign: &[String]) -> Vec<String> {
    let mut days: BTreeMap<(String, i64), [i64; 4]> = BTreeMap::new();
    for line in sandbox.ledger().settled {
        if line.part == Part::Account || line.charge.is_some_and(|charge| foreign.contains(&charge)) {
            continue;
        }
        let sums = days.entry((line.currency.to_uppercase(), day_of(line.at, zone))).or_default();
        match line.part {
            Part::Payment => sums[0] += line.amount_minor,
            Part::Refund => sums[1] -= line.amount_minor,
            Part::Dispute => sums[2] -= line.amount_minor,
            Part::Account => {}
        }
        sums[3] += line.fee_minor;
    }
    let lines = days.into_iter().map(|((currency, day), [gross, refunds, disputes, fees])| {
        let net = gross - refunds - disputes - fees;
        format!("{currency} {day} {gross} {refunds} {disputes} {fees} {net}")
    });
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}

/// A gift on the same account that has nothing to do with us; its charge.
pub async fn foreign_gift(app: &TestApp) -> String {
    let body = b"mode=payment&line_items[0][quantity]=1&line_items[0][price_data][currency]=usd\
        &line_items[0][price_data][unit_amount]=4200&line_items[0][price_data][product_data][name]=Mug\
        &success_url=https://shop.example/thanks&adaptive_pricing[enabled]=false&ui_mode=hosted_page";
    let answer = app.sandbox.call(mainstay::sandbox::ApiRequest {
        method: "POST".to_owned(),
        path: "/v1/checkout/sessions".to_owned(),
        authorization: Some("Bearer sk_test_of_a_shop".to_owned()),
        body: body.to_vec(),
        ..mainstay::sandbox::ApiRequest::default()
    });
    let session: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    app.pay(session["id"].as_str().unwrap_or_else(|| panic!("{session}")), mainstay::sandbox::Card::Works).await;
    super::reversals::newest_charge(app)
}
