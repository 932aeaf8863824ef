//! The inbox and the worker without a server around them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mainstay::clock::Clock;
use mainstay::gateway::{Gateway, GatewayConfig, decode};
use mainstay::id::Random;
use mainstay::sandbox::SentEvent;
use mainstay::service::ingest::Inbox;
use mainstay::service::reconcile::Reconciler;
use mainstay::store::Store;
use mainstay::vault::{IndexKey, NewKeys, Opener, Sealer};
use mainstay::worker::EventWorker;
use tokio::sync::Notify;

use super::database::Database;

static DESKS: AtomicU64 = AtomicU64::new(1_000);

/// The inbox and the worker alone, on a database of their own.
pub struct Desk {
    inbox: Inbox,
    pub worker: EventWorker,
    pub store: Store,
    pub clock: Clock,
}

impl Desk {
    /// With nobody to ask at Stripe.
    pub async fn open(database: &Database, now: i64) -> Self {
        Self::open_towards(database, Clock::manual(now), "http://127.0.0.1:9/").await
    }

    pub async fn open_towards(database: &Database, clock: Clock, stripe_url: &str) -> Self {
        // The index key of the test server, so that donors are found under the same index.
        let keys = NewKeys::generate(&Random::seeded(42));
        // Another for each, or two workers would hold their leases in one name.
        let random = Random::seeded(DESKS.fetch_add(1, Ordering::Relaxed));
        let store = database.open().await;
        let sealer = Sealer::parse(&keys.public, random.clone()).expect("a key");
        let reconciler = Reconciler {
            store: store.clone(),
            clock: clock.clone(),
            random: random.clone(),
            zone: jiff::tz::TimeZone::UTC,
            sealer: sealer.clone(),
            index: Arc::new(IndexKey::parse(&keys.index).expect("a key")),
        };
        let config = GatewayConfig { api_url: stripe_url.to_owned(), secret_key: "sk_test_x".into() };
        let gateway = Gateway::new(&config, random).expect("a gateway");
        let worker = EventWorker::new(reconciler, Arc::new(Opener::parse(&keys.private).expect("a key")), gateway);
        let (inbox, _) = Inbox::start(store.clone(), sealer, clock.clone(), Arc::new(Notify::new()));
        Self { inbox, worker, store, clock }
    }

    /// Takes an event in.
    pub async fn hear(&self, event: &SentEvent) {
        self.inbox.put(decode::envelope(&event.body), &event.body).await.expect("it is stored");
    }

    /// Works off what there is.
    pub async fn work(&self) {
        while self.worker.run_once().await.expect("the batch is applied") > 0 {}
        // What was stored in one second is worked on in the next, in another order of ids.
        self.clock.advance(1);
    }
}
