//! Every report over every journey, to the cent: against figures worked out by hand, and against the sandbox's own ledger.

mod export;
mod forms;
mod sources;
mod time_zone;
mod totals;

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use mainstay::sandbox::Ledger;
use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::database::{BOTH, Kind};
use crate::support::journeys;
use crate::support::reports::ALWAYS;
use crate::support::settled::{foreign_gift, stripes as settled};

/// Every journey, settled in its own currencies, paid out and read; the foreign gift's charge.
pub async fn told(kind: Kind) -> (TestApp, String) {
    let app = TestApp::start(kind).await;
    app.sandbox.configure(|settings| settings.payouts = true);
    let foreign = foreign_gift(&app).await;
    app.sandbox.take_account_fee(200, "usd");
    journeys::all(&app).await;
    app.read_balance().await.expect("it is read");
    (app, foreign)
}

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&ALWAYS[..], more].concat()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_revenue_is_the_sandboxes_ledger_however_it_is_parted() {
    for kind in BOTH {
        let (app, foreign) = told(kind).await;
        let by_day = app
            .rows_of(
                "revenue",
                &with(&[("by", "day")]),
                &["period", "currency", "count", "gross_minor", "refunds_minor", "disputes_minor", "net_minor"],
            )
            .await;
        let (zeros, days): (Vec<String>, Vec<String>) =
            by_day.into_iter().partition(|line| line.ends_with(" 0 0 0 0 0"));
        assert!(zeros.len() > 2_000, "two years of days in four currencies: {}", zeros.len());
        assert_eq!(days, charged(&app.sandbox.ledger(), &foreign), "on {kind:?}");

        let fields = ["currency", "count", "gross_minor", "refunds_minor", "disputes_minor", "net_minor"];
        let totals = sums(&app.report("revenue", &with(&[("by", "currency")])).await, &fields);
        for by in ["day", "week", "month", "year", "frequency", "campaign", "source", "month,frequency,campaign,source"]
        {
            let parted = app.report("revenue", &with(&[("by", by)])).await;
            assert_eq!(sums(&parted, &fields), totals, "{by} on {kind:?}");
        }
        let mut alone = BTreeMap::new();
        for currency in ["USD", "EUR", "GBP", "JPY"] {
            alone
                .extend(sums(&app.report("revenue", &with(&[("by", "month"), ("currency", currency)])).await, &fields));
        }
        assert_eq!(alone, totals, "each currency by itself");
        let mut frequencies: Vec<BTreeMap<String, Vec<i64>>> = Vec::new();
        for frequency in ["once", "monthly", "annual"] {
            let asked = with(&[("by", "year"), ("frequency", frequency), ("campaign", "default")]);
            frequencies.push(sums(&app.report("revenue", &asked).await, &fields));
        }
        assert_eq!(added(&frequencies), totals, "each frequency by itself");
        assert_eq!(
            app.rows_of("revenue", &with(&[("by", "month"), ("campaign", "spring")]), &["currency"]).await,
            [""; 0],
            "nothing came in for another campaign"
        );

        let columns =
            ["currency", "period", "gross_minor", "refunds_minor", "disputes_minor", "fees_minor", "net_minor"];
        let lines = app.rows_of("revenue", &with(&[("by", "day"), ("view", "settlement")]), &columns).await;
        let told = lines.into_iter().filter(|line| !line.ends_with(" 0 0 0 0 0"));
        let mut lines: Vec<String> = told.map(|line| line.replace('-', "")).collect();
        lines.sort();
        let truth = settled(&app.sandbox, &TimeZone::UTC, &[foreign]).into_iter();
        let truth = truth.filter(|line| !line.ends_with(" 0 0 0 0 0")).map(|line| line.replace('-', ""));
        let truth: Vec<String> = truth.collect();
        assert_eq!(lines, truth, "the settlement, on {kind:?}");
        app.finish().await;
    }
}

/// What the ledger says of each day: period, currency, count, gross, refunds, disputes, net.
fn charged(ledger: &Ledger, foreign: &str) -> Vec<String> {
    let mut ours = ledger.clone();
    ours.entries.retain(|entry| entry.charge != foreign);
    let days = ours.daily(&TimeZone::UTC).into_iter().filter_map(|((currency, day), totals)| {
        let (gross, refunds, disputes) = (totals.payments_minor, totals.refunds_minor, totals.disputes_minor);
        let day = format!("{}-{:02}-{:02}", day / 10_000, day / 100 % 100, day % 100);
        let net = gross - refunds - disputes;
        let line = format!("{day} {} {} {gross} {refunds} {disputes} {net}", currency.to_uppercase(), totals.payments);
        (!line.ends_with(" 0 0 0 0 0")).then_some(line)
    });
    let mut days: Vec<String> = days.collect();
    days.sort();
    days
}

/// The sums of the columns behind the first, by the first.
fn sums(report: &Value, columns: &[&str]) -> BTreeMap<String, Vec<i64>> {
    let mut sums: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for row in report["rows"].as_array().expect("rows") {
        let sum = sums.entry(row[columns[0]].as_str().expect("a name").to_owned()).or_default();
        sum.resize(columns.len() - 1, 0);
        for (sum, column) in sum.iter_mut().zip(&columns[1..]) {
            *sum += row[*column].as_i64().unwrap_or_else(|| panic!("{column} of {row}"));
        }
    }
    sums
}

fn added(all: &[BTreeMap<String, Vec<i64>>]) -> BTreeMap<String, Vec<i64>> {
    let mut sums: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (name, more) in all.iter().flatten() {
        let sum = sums.entry(name.clone()).or_insert_with(|| vec![0; more.len()]);
        sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }
    sums
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recurring_gifts_are_counted_by_hand() {
    for kind in BOTH {
        let (app, _) = told(kind).await;
        let columns = [
            "currency",
            "opening",
            "new",
            "new_arr_minor",
            "churn_asked",
            "churn_asked_arr_minor",
            "churn_failed_payment",
            "churn_newsroom",
            "churn_newsroom_arr_minor",
            "closing",
            "closing_arr_minor",
            "closing_mrr_minor",
            "leaving",
            "paused",
            "churn_rate",
        ];
        assert_eq!(
            app.rows_of("recurring", &with(&[("by", "currency")]), &columns).await,
            [
                // 2.00 and 8.00 a month, refunded or not.
                "EUR 0 2 12000 0 0 0 0 0 2 12000 1000 0 0 -",
                // 5000 a year: 416.67 a month.
                "JPY 0 1 5000 0 0 0 0 0 1 5000 417 0 0 -",
                // 9.00 and 11.00 (asked to end) a month, and 52.00 a year. What ended in its first second never ran.
                "USD 0 3 29200 1 13200 0 0 0 2 16000 1333 0 0 -",
            ],
            "on {kind:?}"
        );
        let months = ["period", "opening", "new", "churn_asked", "churn_newsroom", "leaving", "closing", "churn_rate"];
        let asked = [("from", "2026-11-01"), ("to", "2027-02-01"), ("currency", "USD")];
        assert_eq!(
            app.rows_of("recurring", &asked, &months).await,
            ["2026-11 0 3 0 0 1 3 -", "2026-12 3 0 1 0 0 2 0.3333", "2027-01 2 0 0 0 0 2 0.0000"],
            "the one that was asked to end is leaving for a month, on {kind:?}"
        );
        let parted = with(&[("by", "frequency"), ("currency", "USD")]);
        let lines = app.rows_of("recurring", &parted, &["frequency", "new", "closing_arr_minor"]).await;
        assert_eq!(lines, ["monthly 2 10800", "annual 1 5200"]);
        let hidden = with(&[("by", "source"), ("currency", "USD")]);
        let lines = app.rows_of("recurring", &hidden, &["source", "opening", "new", "closing", "churn_rate"]).await;
        assert_eq!(lines, [" 0 <5 <5 <5"], "few people are not told by source");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_a_raise_and_a_donor_who_comes_back_are_what_they_are() {
    use mainstay::sandbox::Card;
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let (pledge, session) = app.pledge("monthly", 1_000, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let subscription = journeys::subscription_of(&app, &pledge);
        let object = app.sandbox.objects("subscription").pop().expect("a subscription");
        let tell = async |nth: i64, changes: Value| {
            let mut told = object.clone();
            let fields = changes.as_object().expect("fields");
            fields.iter().for_each(|(name, value)| told[name] = value.clone());
            let at = app.clock.now() + nth;
            let data = serde_json::json!({"object": told});
            app.tell(&format!("evt_told_{nth}"), "customer.subscription.updated", at, data).await;
        };
        let mut item = object["items"].clone();
        item["data"][0]["price"]["unit_amount"] = 1_500.into();
        item["data"][0]["price"]["unit_amount_decimal"] = "1500".into();
        tell(1, serde_json::json!({"items": item})).await;
        tell(2, serde_json::json!({"items": item, "pause_collection": {"behavior": "void"}})).await;
        let columns = [
            "new",
            "expanded",
            "expansion_arr_minor",
            "paused_now",
            "resumed",
            "closing",
            "paused",
            "paused_arr_minor",
        ];
        let asked = with(&[("by", "currency")]);
        let lines = app.rows_of("recurring", &asked, &columns).await;
        assert_eq!(lines, ["1 1 6000 1 0 0 1 18000"], "paused apart, on {kind:?}");
        tell(3, serde_json::json!({})).await;
        let lines = app
            .rows_of("recurring", &asked, &[&columns[..], &["contraction_arr_minor", "resumed_arr_minor"]].concat())
            .await;
        assert_eq!(lines, ["1 1 6000 1 1 1 0 0 0 12000"], "resumed with what it then is, on {kind:?}");
        app.clock.advance(10);
        app.sandbox.cancel_subscription(&subscription, false);
        app.settle().await;
        app.clock.advance(10);
        let (again, session) = app.pledge("annual", 5_000, "USD").await;
        app.pay(&session, Card::Works).await;
        app.settle().await;
        let same = "UPDATE pledges SET donor_id = (SELECT MIN(donor_id) FROM pledges) WHERE donor_id IS NOT NULL";
        app.database.execute(same).await;
        let lines = app
            .rows_of(
                "recurring",
                &asked,
                &[
                    "new",
                    "churn_newsroom",
                    "churn_newsroom_arr_minor",
                    "reactivated",
                    "reactivated_arr_minor",
                    "closing_arr_minor",
                ],
            )
            .await;
        assert_eq!(lines, ["1 1 12000 1 5000 5000"], "{again} on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_time_gifts_and_failed_renewals_are_counted_by_hand() {
    for kind in BOTH {
        let (app, _) = told(kind).await;
        let columns = ["currency", "count", "sum_minor", "median_minor", "mean_minor"];
        assert_eq!(
            app.rows_of("one-time", &with(&[("by", "currency")]), &columns).await,
            ["EUR 4 11500 2750 2875", "GBP 2 9700 4850 4850", "USD 3 13500 3000 4500"],
            "on {kind:?}"
        );
        let by_source = app.rows_of("one-time", &with(&[("by", "source"), ("currency", "GBP")]), &columns).await;
        assert_eq!(by_source, ["GBP <5 9700 <5 <5"]);
        let (all, parted) = (with(&[("by", "currency")]), with(&[("by", "week,campaign")]));
        let fields = ["currency", "count", "sum_minor"];
        assert_eq!(
            sums(&app.report("one-time", &parted).await, &fields),
            sums(&app.report("one-time", &all).await, &fields)
        );

        let columns =
            ["currency", "failed", "failed_amount_minor", "recovered", "recovered_amount_minor", "waiting", "lost"];
        let failed = app.rows_of("failed", &with(&[("by", "currency")]), &columns).await;
        assert_eq!(failed, ["USD 1 900 1 900 0 0"], "what failed inside a checkout is not here, on {kind:?}");
        let months =
            app.rows_of("failed", &[("from", "2026-11-01"), ("to", "2027-01-01")], &["period", "failed"]).await;
        assert_eq!(months, ["2026-11 0", "2026-12 1"]);
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_statement_closes_with_stripes_balance_and_every_payout_is_its_lines() {
    for kind in BOTH {
        let (app, _) = told(kind).await;
        let mut balance: BTreeMap<String, i64> = BTreeMap::new();
        for line in app.sandbox.ledger().settled {
            *balance.entry(line.currency.to_uppercase()).or_default() += line.amount_minor - line.fee_minor;
        }
        let whole = app.report("statement", &with(&[("by", "currency")])).await;
        let closing = sums(&whole, &["currency", "closing_minor"]);
        assert_eq!(
            closing,
            balance.iter().map(|(currency, sum)| (currency.clone(), vec![*sum])).collect(),
            "on {kind:?}"
        );
        let usd = app
            .rows_of(
                "statement",
                &with(&[("by", "year"), ("currency", "USD")]),
                &["period", "foreign_minor", "account_minor"],
            )
            .await;
        assert_eq!(usd, ["2026 4048 -200", "2027 0 0"]);
        let lines = [
            "currency",
            "gross_minor",
            "refunds_minor",
            "disputes_minor",
            "fees_minor",
            "foreign_minor",
            "account_minor",
            "payouts_minor",
        ];
        for by in ["day", "week", "month"] {
            let parted = app.report("statement", &with(&[("by", by)])).await;
            assert_eq!(sums(&parted, &lines), sums(&whole, &lines), "{by}");
            let mut before: BTreeMap<String, i64> = BTreeMap::new();
            for row in parted["rows"].as_array().expect("rows") {
                let minor = |name: &str| row[format!("{name}_minor")].as_i64().expect("an amount");
                let net = minor("gross") + minor("foreign") + minor("account")
                    - minor("refunds")
                    - minor("disputes")
                    - minor("fees")
                    - minor("payouts");
                let currency = row["currency"].as_str().expect("a currency");
                assert_eq!(minor("opening"), before.get(currency).copied().unwrap_or(0), "{row}");
                assert_eq!(minor("opening") + net, minor("closing"), "{row}");
                before.insert(currency.to_owned(), minor("closing"));
            }
        }
        let later = app.report("statement", &[("from", "2026-12-01"), ("to", "2028-01-01"), ("by", "currency")]).await;
        assert_eq!(sums(&later, &["currency", "closing_minor"]), closing, "the opening is what came before");

        let payouts = app.rows_of("payouts", &ALWAYS, &["status", "difference_minor"]).await;
        assert_eq!(payouts.len(), app.sandbox.objects("payout").len());
        assert!(payouts.iter().all(|payout| payout.ends_with(" 0")), "{payouts:?} on {kind:?}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_payment_is_exported_once_with_its_fee_and_its_payout() {
    for kind in BOTH {
        let (app, foreign) = told(kind).await;
        let report = app.report("payments", &ALWAYS).await;
        let fields = ["currency", "amount_minor"];
        let ledger = app.sandbox.ledger();
        let mut truth: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let payments = ledger.entries.iter().filter(|entry| entry.charge != foreign);
        for entry in payments.filter(|entry| entry.flow == mainstay::sandbox::Flow::Payment) {
            truth.entry(entry.currency.to_uppercase()).or_insert_with(|| vec![0])[0] += entry.amount_minor;
        }
        assert_eq!(sums(&report, &fields), truth, "on {kind:?}");
        let rows = report["rows"].as_array().expect("rows");
        for row in rows.iter().filter(|row| !row["net_minor"].is_null()) {
            let minor = |name: &str| row[format!("{name}_minor")].as_i64().expect("an amount");
            assert_eq!(minor("booked") - minor("fee"), minor("net"), "{row}");
            assert_eq!((minor("amount"), &row["currency"]), (minor("booked"), &row["settled_currency"]), "{row}");
        }
        let left = rows.iter().filter(|row| !row["payout"].is_null() && !row["paid_out_on"].is_null()).count();
        assert!(left > 20, "most have left: {left} of {}", rows.len());
        assert!(rows.is_sorted_by_key(|row| row["date"].as_str().map(str::to_owned)));
        let text = report.to_string();
        assert!(!text.contains('@') && !text.to_lowercase().contains("email"), "nothing about who gave");
        app.finish().await;
    }
}
