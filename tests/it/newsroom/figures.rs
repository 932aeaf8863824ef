//! The dashboard's figures, each with the moment it is of: those of now, and where there is much to read, of a minute ago.

use mainstay::config::Role as Half;
use mainstay::domain::admin::Role;
use mainstay::sandbox::Card;
use mainstay::store::Db;

use crate::support::app::{DAY, TestApp};
use crate::support::database::{BOTH, Database};
use crate::support::wait::until;

/// Writes versions past the number that is read whoever looks, as another process would: what is known already, once more.
async fn written_by_another(database: &Database) {
    let db = Db::open(&database.url).await.expect("the database opens");
    for sql in [
        "UPDATE turns SET taken = taken + 1, summed = summed + 1 WHERE name = 'reconcile'",
        "INSERT INTO subscription_versions (stripe_subscription_id, at, event_id, fact) \
         SELECT v.stripe_subscription_id, v.at, v.event_id || '_' || CAST(n.i AS TEXT), v.fact FROM subscription_versions v, \
         (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2001) SELECT i FROM n) AS n",
    ] {
        assert!(db.write(sql).run().await.expect("it is changed") > 0, "{sql}");
    }
    db.close().await;
}

async fn gift(app: &TestApp, currency: &str) {
    let (_, session) = app.pledge("monthly", 300, currency).await;
    app.pay(&session, Card::Works).await;
    app.settle().await;
}

/// What the dashboard says of so many recurring gifts in a currency, and of when that is.
fn tells(page: &str, currency: &str, recur: usize, as_of: &str) -> bool {
    let section = page.split_once(&format!("id=\"in-{currency}\"")).map_or("", |(_, rest)| rest);
    let section = section.split("</section>").next().unwrap_or_default();
    let time = format!("<time datetime=\"2026-11-23T{as_of}Z\">");
    section.contains(&format!("Pledges that recur: {recur}<")) && section.matches(&time).count() == 2
}

/// The row of a movement of so many gifts.
fn moved(movement: &str, gifts: usize) -> String {
    format!("<tr><th scope=\"row\">{movement}</th><td class=\"number\">{gifts}</td>")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_figure_is_of_now_or_says_of_when_and_never_lags_by_more_than_a_minute_while_somebody_reads_it_again() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let director = app.person("dir@paper.example", Role::Viewer).await;
        let cookie = app.session(&director).await;
        let look = async |app: &TestApp| app.look("/admin", &cookie).await.body;
        // While there is little to read, it is read whenever the books have moved.
        gift(&app, "USD").await;
        assert!(tells(&look(&app).await, "USD", 1, "12:00:00"), "on {kind:?}");
        gift(&app, "USD").await;
        assert!(tells(&look(&app).await, "USD", 2, "12:00:00"), "on {kind:?}");

        // Somebody else's writing is noticed too; from then on there is much to read.
        written_by_another(&app.database).await;
        app.clock.advance(10);
        assert!(tells(&look(&app).await, "USD", 2, "12:00:10"), "on {kind:?}");
        app.clock.advance(10);
        assert!(
            tells(&look(&app).await, "USD", 2, "12:00:20"),
            "what nobody changed is right now as well, on {kind:?}"
        );
        gift(&app, "USD").await;
        app.clock.advance(10);
        let page = look(&app).await;
        assert!(tells(&page, "USD", 2, "12:00:20"), "on {kind:?}: {page}");
        assert!(
            page.contains("<time datetime=\"2026-11-23T12:00:30Z\">12:00</time>."),
            "what came in is of now: {page}"
        );
        let report = app.look("/admin/reports/recurring", &cookie).await.body;
        assert!(report.contains("<time datetime=\"2026-11-23T12:00:30Z\">2026-11-23 12:00</time>"), "{report}");
        // A minute after they were read the process reads them again by itself.
        app.clock.advance(40);
        until("they are read again", async || tells(&look(&app).await, "USD", 3, "12:01:10").then_some(())).await;

        // Whoever looks is never shown what is older than that by much, whatever keeps the process from reading.
        gift(&app, "EUR").await;
        app.clock.advance(300);
        assert!(tells(&look(&app).await, "EUR", 1, "12:06:10"), "on {kind:?}");

        // The first to look after a restart sees what is.
        let clock = app.clock.clone();
        gift(&app, "EUR").await;
        let (database, sandbox) = app.abandon().await;
        let app = TestApp::start_beside(Half::All, database, sandbox, clock, &[]).await;
        let page = look(&app).await;
        assert!(tells(&page, "EUR", 2, "12:06:10") && page.contains(&moved("New", 2)), "on {kind:?}: {page}");
        // In another month other movements are shown, though nobody booked anything.
        app.clock.advance(8 * DAY);
        let cookie = app.session(&director).await;
        let page = app.look("/admin", &cookie).await.body;
        assert!(page.contains(&moved("Start", 2)) && !page.contains(&moved("New", 2)), "on {kind:?}: {page}");
        app.finish().await;
    }
}
