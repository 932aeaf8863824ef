//! `mainstay reconcile`, `mainstay report payouts` and the settlement view, as the newsroom runs them.

use mainstay::sandbox::{Card, SettlesIn};
use serde_json::Value;

use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;
use crate::support::process::{environment, mainstay};
use crate::support::settled::foreign_gift;

fn run(app: &TestApp, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = mainstay(arguments)
        .current_dir(app.database.folder.path())
        .envs(environment(&app.database.url, &app.sandbox.url()))
        .output()
        .expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

const PERIOD: [&str; 4] = ["--from", "2026-11-01", "--to", "2027-01-01"];

/// Two gifts and a foreign one, settled in dollars and paid out.
async fn paid_out(kind: crate::support::database::Kind) -> TestApp {
    let app = TestApp::start(kind).await;
    app.sandbox.configure(|settings| {
        settings.payouts = true;
        settings.settles_in = Some(SettlesIn { currency: "usd".to_owned(), rate_millionths: 1_083_400 });
    });
    foreign_gift(&app).await;
    for (frequency, amount_minor, currency) in [("once", 2500, "USD"), ("monthly", 1000, "EUR")] {
        let (_, session) = app.pledge(frequency, amount_minor, currency).await;
        app.pay(&session, Card::Works).await;
    }
    app.settle().await;
    app.clock.advance(6 * DAY);
    app.settle().await;
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconcile_reads_what_is_new_prints_each_difference_and_exits_with_1_while_one_is_open() {
    for kind in BOTH {
        let app = paid_out(kind).await;
        let reconcile = |more: &[&str]| run(&app, &[&["reconcile"], &PERIOD[..], more].concat());
        let (code, output, errors) = reconcile(&[]);
        assert_eq!(code, Some(0), "{output}{errors}");
        for line in [
            "ours      USD  2 lines  gross $35.83  refunds $0.00  disputes $0.00  fees $1.46  net $34.37",
            "foreign   USD  1 lines  gross $42.00  refunds $0.00  disputes $0.00  fees $1.52  net $40.48",
            "payouts   USD  1 lines  amount -$74.85  fees $0.00  net -$74.85",
            "No differences.",
        ] {
            assert!(output.lines().any(|have| have == line), "{line} on {kind:?}:\n{output}");
        }
        app.database.execute("UPDATE payments SET amount_minor = 2400 WHERE amount_minor = 2500").await;
        let asked = app.sandbox.requests().len();
        let (code, output, errors) = reconcile(&["--offline"]);
        assert_eq!(code, Some(1), "{output}{errors}");
        assert_eq!(app.sandbox.requests().len(), asked, "Stripe was not asked");
        assert!(output.contains("payment_differs") && output.contains("expected $24.00, found $25.00"), "{output}");
        assert!(errors.contains("1 difference is open"), "{errors}");
        let (code, output, _) = reconcile(&["--json"]);
        let report: Value = serde_json::from_str(&output).expect("JSON");
        let open = &report["open_breaks"][0];
        assert_eq!((code, &open["what"], &open["expected_minor"]), (Some(1), &"payment_differs".into(), &2400.into()));
        let elsewhere = ["reconcile", "--from", "2027-01-01", "--to", "2027-02-01", "--offline"];
        let (code, output, _) = run(&app, &elsewhere);
        assert_eq!(code, Some(1), "also one of other days: {output}");
        assert!(output.contains("1 open, 1 of them of other days"), "{output}");
        app.database.execute("UPDATE payments SET amount_minor = 2500 WHERE amount_minor = 2400").await;
        let (code, output, errors) = reconcile(&["--offline"]);
        assert_eq!(code, Some(0), "{output}{errors}");
        let (code, _, errors) = run(&app, &["reconcile", "--from", "2026-11-02", "--to", "2026-11-02"]);
        assert_eq!(code, Some(2), "{errors}");
        app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_ends_where_the_next_one_begins() {
    let app = paid_out(crate::support::database::Kind::Sqlite).await;
    let lines = |from: &str, to: &str| {
        let (code, output, errors) = run(&app, &["reconcile", "--from", from, "--to", to, "--json"]);
        assert_eq!(code, Some(0), "{errors}");
        let report: Value = serde_json::from_str(&output).expect("JSON");
        let ours = report["booked"].as_array().expect("sums").iter().find(|sums| sums["whose"] == "ours");
        ours.map_or(0, |ours| ours["lines"].as_i64().expect("a number"))
    };
    assert_eq!(lines("2026-11-22", "2026-11-23"), 0);
    assert_eq!(lines("2026-11-23", "2026-11-24"), 2);
    assert_eq!(lines("2026-11-24", "2026-11-25"), 0);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_two_views_of_revenue_and_the_payouts_say_what_they_count() {
    for kind in BOTH {
        let app = paid_out(kind).await;
        app.read_balance().await.expect("it is read");
        let report = |view: &str| {
            let arguments = [&["report", "revenue", "--view", view, "--format", "json"], &PERIOD[..]].concat();
            let (code, output, errors) = run(&app, &arguments);
            assert_eq!(code, Some(0), "{errors}");
            let report: Value = serde_json::from_str(&output).expect("JSON");
            let row = |row: &Value| {
                let [gross, fees, net] = ["gross_minor", "fees_minor", "net_minor"].map(|field| row[field].as_i64());
                (row["currency"].as_str().expect("a currency").to_owned(), gross, fees, net)
            };
            report["rows"].as_array().expect("rows").iter().map(row).collect::<Vec<_>>()
        };
        let (eur, usd) = (|| "EUR".to_owned(), || "USD".to_owned());
        let nothing = |currency, fees| (currency, Some(0), fees, Some(0));
        let charged = [
            (eur(), Some(1000), None, Some(1000)),
            (usd(), Some(2500), None, Some(2500)),
            nothing(eur(), None),
            nothing(usd(), None),
        ];
        assert_eq!(report("charge"), charged, "on {kind:?}");
        let settled = [
            (usd(), Some(2500), Some(103), Some(2397)),
            (usd(), Some(1083), Some(43), Some(1040)),
            nothing(usd(), Some(0)),
            nothing(usd(), Some(0)),
        ];
        assert_eq!(report("settlement"), settled, "on {kind:?}");

        let (code, output, errors) = run(&app, &[&["report", "payouts"], &PERIOD[..]].concat());
        assert_eq!(code, Some(0), "{errors}");
        assert!(output.contains("2026-11-26  2026-11-28  paid"), "on {kind:?}:\n{output}");
        assert!(output.contains("$74.85  $74.85       $0.00"), "on {kind:?}:\n{output}");
        let gifts = [&["report", "payments", "--format", "csv"], &PERIOD[..]].concat();
        let (code, output, errors) = run(&app, &gifts);
        assert_eq!(code, Some(0), "{errors}");
        let payout = app.sandbox.objects("payout")[0]["id"].as_str().expect("an id").to_owned();
        for (gift, paid) in [("USD,2500,USD,2500,103,2397", "once"), ("EUR,1000,USD,1083,43,1040", "monthly")] {
            let whole = format!("{gift},2026-11-28,{payout},");
            let line = output.lines().find(|line| line.contains(&whole)).unwrap_or_else(|| panic!("{whole}: {output}"));
            assert!(
                line.starts_with("2026-11-23,plg_") && line.contains(&format!(",{paid},default,")),
                "{line} on {kind:?}"
            );
        }
        app.finish().await;
    }
}
