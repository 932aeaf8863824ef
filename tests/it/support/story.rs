//! What happened once on a server, to be told again to another: in other orders, more than once, or to one that is killed.

use mainstay::domain::pledge::PledgeStatus;
use mainstay::id::PledgeId;
use mainstay::sandbox::SentEvent;
use mainstay::store::{Pledge, Store};

use super::app::TestApp;
use super::database::{Database, Kind};

/// The pledges, the events, and the books they must lead to.
pub struct Story {
    pledges: Vec<Pledge>,
    pub events: Vec<SentEvent>,
    pub books: Vec<String>,
    /// The time at its end.
    pub now: i64,
}

impl Story {
    /// What happened to these pledges; ends the server.
    pub async fn of(app: TestApp, pledges: &[String]) -> Self {
        let story = Self::so_far(&app, pledges).await;
        app.finish().await;
        story
    }

    /// What happened to these pledges up to now.
    pub async fn so_far(app: &TestApp, pledges: &[String]) -> Self {
        let mut told = Vec::new();
        for id in pledges {
            let id = PledgeId::parse(id).expect("an id");
            told.push(app.store().pledge(&id).await.expect("it is read").expect("it is there"));
        }
        let (events, books, now) = (app.sandbox.events(), app.database.books().await, app.clock.now());
        Self { pledges: told, events, books, now }
    }

    /// Puts the pledges there as they were before anything was heard of them.
    pub async fn begin(&self, store: &Store) {
        for pledge in &self.pledges {
            let open = Pledge { status: PledgeStatus::Open, ..pledge.clone() };
            store.insert_pledge(&open, None).await.expect("it is stored");
        }
    }

    /// Puts the first pledge there under another id, as one that Stripe was never asked about.
    pub async fn begin_without_session(&self, store: &Store, id: &str) {
        let id = PledgeId::parse(id).expect("an id");
        let asked = Pledge {
            id,
            status: PledgeStatus::Open,
            stripe_session_id: None,
            checkout_url: None,
            ..self.pledges[0].clone()
        };
        store.insert_pledge(&asked, None).await.expect("it is stored");
    }

    /// A database that has heard nothing but the pledges.
    pub async fn untold(&self, kind: Kind) -> Database {
        let database = Database::fresh(kind).await;
        let opened = database.open().await;
        self.begin(&opened).await;
        opened.close().await;
        database
    }
}
