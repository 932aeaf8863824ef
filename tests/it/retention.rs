//! What has had its time is forgotten, by the worker's clock.

use serde_json::json;

use crate::support::app::{DAY, TestApp};
use crate::support::database::BOTH;

const KEYS: &str = "SELECT key_hash AS line FROM idempotency_keys";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callers_key_is_forgotten_after_a_day() {
    for kind in BOTH {
        let app = TestApp::start(kind).await;
        let gift = json!({"frequency": "once", "amount_minor": 2500, "currency": "USD"});
        assert_eq!(app.ask(&gift, Some("a key of sixteen characters")).await.0, 201);
        app.clock.advance(DAY - 3_600);
        app.settle().await;
        assert_eq!(app.database.rows(KEYS).await.len(), 1, "it is there for the day");
        app.clock.advance(2 * 3_600);
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(50));
        for _ in 0..400 {
            looks.tick().await;
            if app.database.rows(KEYS).await.is_empty() {
                break;
            }
        }
        assert!(app.database.rows(KEYS).await.is_empty(), "and gone after it, on {kind:?}");
        app.settle().await;
        app.finish().await;
    }
}
