//! The demo's newsroom of eighteen months.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use mainstay::clock::{Clock, DAY};
use mainstay::store::{Db, Mark, Store};

use crate::support::process::{end, mainstay};
use crate::support::reports::read_csv;

/// A demo that has told its past.
struct Demo {
    child: Child,
    /// What it said before anything else.
    past: String,
    report: Vec<String>,
    _folder: tempfile::TempDir,
}

/// What befalls recurring gifts.
const RECURRING: [&str; 9] = [
    "new",
    "reactivated",
    "resumed",
    "expanded",
    "contracted",
    "paused_now",
    "churn_asked",
    "churn_failed_payment",
    "leaving",
];

impl Demo {
    fn begin() -> (Child, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let child = mainstay(&["demo", "--listen", "127.0.0.1:0", "--sandbox-listen", "127.0.0.1:0"])
            .current_dir(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the demo starts");
        (child, folder)
    }

    fn listen((mut child, folder): (Child, tempfile::TempDir)) -> Self {
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines().map_while(Result::ok);
        let past = lines.next().expect("it tells of its past");
        let report = lines.find(|line| line.starts_with("report")).expect("it says how to get the report");
        let report = report.split_whitespace().skip(2).map(str::to_owned).collect();
        Self { child, past, report, _folder: folder }
    }

    fn after(&self, name: &str) -> &str {
        let at = self.report.iter().position(|argument| argument == name).expect("it is said");
        &self.report[at + 1]
    }

    /// A report by month, as this demo's database has it.
    fn told(&self, report: &str, from: &str, to: &str) -> String {
        let database = self.after("--database-url");
        let arguments = ["report", report, "--from", from, "--to", to, "--by", "month", "--database-url", database];
        let told = mainstay(&arguments).args(["--format", "csv"]).output().expect("it runs");
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
        String::from_utf8_lossy(&told.stdout).into_owned()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_has_eighteen_months_of_200_donors_the_same_each_time_and_agrees_with_stripe() {
    let (one, two) = (Demo::begin(), Demo::begin());
    let (one, two) = (Demo::listen(one), Demo::listen(two));
    assert!(one.past.contains("agrees with Stripe to the cent"), "{}", one.past);
    let lines: i64 = one.past.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number of lines");
    assert!(lines > 500, "{}", one.past);

    let from = one.after("--from");
    let today = Clock::system().now();
    let today = jiff::Timestamp::from_second(today).expect("now").to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let revenue = one.told("revenue", from, &today);
    assert_eq!(revenue, two.told("revenue", from, &today), "two demos tell the same story");
    for currency in ["USD", "EUR", "GBP"] {
        let months = revenue.lines().filter(|row| row.contains(currency)).filter_map(|row| row.get(..7));
        let months: std::collections::BTreeSet<&str> = months.collect();
        assert!(months.len() >= 15, "{currency} in {} months: {revenue}", months.len());
    }
    // There is something to see in every report that is a history.
    for (report, figures) in [
        ("recurring", RECURRING.as_slice()),
        ("one-time", &["count"]),
        ("failed", &["failed", "recovered", "lost"]),
        ("statement", &["gross_minor", "fees_minor", "refunds_minor", "disputes_minor", "payouts_minor"]),
    ] {
        let (head, rows) = read_csv(&one.told(report, from, &today));
        for figure in figures {
            assert!(head.iter().any(|column| column == figure), "{report} has no {figure}: {head:?}");
            let some = rows.iter().any(|row| row[*figure].parse::<i64>().is_ok_and(|number| number != 0));
            assert!(some, "{report} has no {figure}: {rows:?}");
        }
    }

    let database = one.after("--database-url");
    let db = Db::open(database).await.expect("the database opens");
    let donors: Vec<(i64,)> = db.read("SELECT COUNT(*) AS n FROM donors").all().await.expect("they are counted");
    db.close().await;
    assert_eq!(donors, [(200,)]);

    let store = Store::open(database).await.expect("the database opens");
    let events = store.count_events().await.expect("they are counted");
    assert_eq!((events["parked"], events["received"]), (0, 0));
    let heard = store.mark(Mark::WebhookReceived).await.expect("it is read").expect("webhooks came");
    assert!(Clock::system().now() - heard < 3 * DAY, "the last month came by webhooks");
    store.close().await;
}
