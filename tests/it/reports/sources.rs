//! Where gifts come from: at most 200 sources of a campaign are told apart, whoever makes them up and however fast.

use std::sync::Arc;

use serde_json::json;

use crate::support::app::TestApp;
use crate::support::database::BOTH;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_two_hundred_sources_of_a_campaign_the_rest_is_other_also_when_all_come_at_once() {
    for kind in BOTH {
        let app = Arc::new(TestApp::start(kind).await);
        let ask = |source: String| {
            let app = Arc::clone(&app);
            async move {
                let body = json!({"frequency": "once", "amount_minor": 500, "currency": "USD", "source": source});
                app.ask(&body, None).await.0
            }
        };
        for nth in 0..190 {
            assert_eq!(ask(format!("place-{nth}")).await, 201);
        }
        let mut at_once = tokio::task::JoinSet::new();
        for nth in 190..240 {
            at_once.spawn(ask(format!("place-{nth}")));
        }
        while let Some(status) = at_once.join_next().await {
            assert_eq!(status.expect("it ends"), 201, "a gift is never refused for it");
        }
        let distinct = "SELECT CAST(COUNT(DISTINCT source) AS TEXT) AS line FROM pledges WHERE source <> 'other'";
        assert_eq!(app.database.rows(distinct).await, ["200"], "on {kind:?}");
        let other = "SELECT CAST(COUNT(*) AS TEXT) AS line FROM pledges WHERE source = 'other'";
        assert_eq!(app.database.rows(other).await, ["40"], "on {kind:?}");
        for (source, kept) in [("place-7", "place-7"), ("", ""), ("newest", "other"), ("other", "other")] {
            let count = "SELECT source AS line FROM pledges";
            let before = app.database.rows(count).await.iter().filter(|line| *line == kept).count();
            assert_eq!(ask(source.to_owned()).await, 201);
            let after = app.database.rows(count).await.iter().filter(|line| *line == kept).count();
            assert_eq!(after, before + 1, "{source:?} is kept as {kept:?} on {kind:?}");
        }
        assert_eq!(ask("x".repeat(65)).await, 422, "a source is no longer than 64 characters");
        Arc::into_inner(app).expect("all are done").finish().await;
    }
}
