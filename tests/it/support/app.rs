//! The real server on a free port, with the sandbox as its Stripe and one clock for both.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mainstay::app::{App, Running};
use mainstay::clock::Clock;
use mainstay::config::{Flags, Role, Settings, Sources};
use mainstay::domain::event::API_VERSION;
use mainstay::id::Random;
use mainstay::sandbox::{Card, Delivery, Options, Sandbox};
use mainstay::vault::NewKeys;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::database::{Database, Kind};

/// 2026-11-23 12:00 UTC.
pub const NOON: i64 = 1_795_435_200;
pub const DAY: i64 = 86_400;
pub const WEBHOOK_SECRET: &str = "whsec_of_the_tests";
pub const PUBLIC_URL: &str = "http://give.example.org";
pub const ALLOWED_ORIGIN: &str = "https://paper.example";
/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(1);

pub static KEYS: LazyLock<NewKeys> = LazyLock::new(|| NewKeys::generate(&Random::seeded(42)));

/// A server under test.
pub struct TestApp {
    running: Option<Running>,
    pub database: Database,
    pub sandbox: Sandbox,
    pub clock: Clock,
    pub http: reqwest::Client,
    /// Without a trailing slash.
    pub url: String,
}

/// The settings every test server has, on `database_url` and towards `stripe_url`.
pub fn settings(database_url: &str, stripe_url: &str, role: Role, more: &[(&str, &str)]) -> Settings {
    let mut environment: BTreeMap<String, String> = [
        ("DATABASE_URL", database_url),
        ("LISTEN", "127.0.0.1:0"),
        ("PUBLIC_URL", PUBLIC_URL),
        ("ALLOWED_ORIGINS", ALLOWED_ORIGIN),
        // We stand for a proxy, so that many readers can come from one machine: see `reader`.
        ("TRUSTED_PROXIES", "1"),
        ("STRIPE_SECRET_KEY", "sk_test_of_the_tests"),
        ("STRIPE_WEBHOOK_SECRETS", WEBHOOK_SECRET),
        ("STRIPE_API_URL", stripe_url),
        ("VAULT_PUBLIC_KEY", KEYS.public.as_str()),
        ("VAULT_PRIVATE_KEY", KEYS.private.expose_secret()),
        ("VAULT_INDEX_KEY", KEYS.index.expose_secret()),
    ]
    .into_iter()
    .map(|(name, value)| (format!("MAINSTAY_{name}"), value.to_owned()))
    .collect();
    environment.extend(more.iter().map(|(name, value)| (format!("MAINSTAY_{name}"), (*value).to_owned())));
    Settings::load(Sources::new(Flags::default(), environment, ""), role).expect("the settings are right")
}

/// The address of another reader each time, for `X-Forwarded-For`: limits are no concern of most tests.
pub fn reader() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + NEXT.fetch_add(1, Ordering::Relaxed)).to_string()
}

impl TestApp {
    pub async fn start(kind: Kind) -> Self {
        Self::start_with(kind, &[]).await
    }

    /// Starts with further settings.
    pub async fn start_with(kind: Kind, more: &[(&str, &str)]) -> Self {
        Self::start_on(Database::fresh(kind).await, more).await
    }

    /// Starts on this database.
    pub async fn start_on(database: Database, more: &[(&str, &str)]) -> Self {
        Self::start_as(Role::All, database, more).await
    }

    /// Starts one half, or both.
    pub async fn start_as(role: Role, database: Database, more: &[(&str, &str)]) -> Self {
        let clock = Clock::manual(NOON);
        let sandbox = Sandbox::start(Options {
            listen: "127.0.0.1:0".parse().expect("an address"),
            clock: clock.clone(),
            random: Random::seeded(11),
            delivery: Delivery::Manual,
        })
        .await
        .expect("the sandbox starts");
        let settings = settings(&database.url, &sandbox.url(), role, more);
        let running = App::start(settings, clock.clone(), Random::seeded(7)).await.expect("the server starts");
        let url = format!("http://{}", running.address);
        sandbox.add_endpoint(&format!("{url}/webhooks/stripe"), WEBHOOK_SECRET);
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { running: Some(running), database, sandbox, clock, http, url }
    }

    /// Asks for a pledge, as a reader who has never been here.
    pub async fn ask(&self, body: &Value, key: Option<&str>) -> (u16, Value) {
        let mut request = self.http.post(format!("{}/v1/pledges", self.url)).json(body);
        request = request.header("x-forwarded-for", reader());
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        answer(request).await
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}{path}", self.url))).await
    }

    /// Makes a pledge; its id and its checkout session's.
    pub async fn pledge(&self, frequency: &str, amount_minor: i64, currency: &str) -> (String, String) {
        let (status, body) =
            self.ask(&json!({"frequency": frequency, "amount_minor": amount_minor, "currency": currency}), None).await;
        assert_eq!(status, 201, "{body}");
        let id = body["id"].as_str().expect("an id").to_owned();
        let session = session_of(&body);
        (id, session)
    }

    /// Pays a session as a person would, and answers a bank that asks.
    pub async fn pay(&self, session: &str, card: Card) {
        self.sandbox.pay(session, card).await.expect("the session is open");
    }

    /// The status a donor sees.
    pub async fn status(&self, pledge: &str) -> String {
        let (status, body) = self.get(&format!("/v1/pledges/{pledge}")).await;
        assert_eq!(status, 200, "{body}");
        body["status"].as_str().expect("a status").to_owned()
    }

    /// Lets Stripe deliver and the worker work until nothing is left to do.
    pub async fn settle(&self) {
        self.sandbox.tick().await;
        self.sandbox.deliver_pending().await;
        self.caught_up().await;
    }

    /// Waits until nothing that Stripe sent or a reader asked for is left to be worked off.
    pub async fn caught_up(&self) {
        let store = &self.running.as_ref().expect("it runs").store;
        let done = async {
            let mut looks = tokio::time::interval(Duration::from_millis(5));
            while store.count_events().await.expect("events are counted")["received"] > 0
                || store.count_requests().await.expect("requests are counted").0 > 0
            {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, done).await.expect("the worker catches up");
    }

    /// Moves the clock day by day, settling each day, as a server that never sleeps would see it.
    pub async fn advance_days(&self, days: i64) {
        for _ in 0..days {
            self.clock.advance(DAY);
            self.settle().await;
        }
    }

    /// Posts a body as Stripe would, signed now.
    pub async fn deliver(&self, body: &[u8]) -> u16 {
        let signature = mainstay::sandbox::sign(body, WEBHOOK_SECRET, self.clock.now());
        let request = self.http.post(format!("{}/webhooks/stripe", self.url)).header("stripe-signature", signature);
        request.body(body.to_vec()).send().await.expect("an answer").status().as_u16()
    }

    /// Delivers an event of ours to its end: `data` holds the object, and what its fields held before.
    pub async fn tell(&self, id: &str, kind: &str, created: i64, data: Value) {
        let event = json!({"id": id, "object": "event", "type": kind, "api_version": API_VERSION, "created": created,
            "livemode": false, "data": data});
        assert_eq!(self.deliver(event.to_string().as_bytes()).await, 200);
        self.caught_up().await;
    }

    /// Delivers, one by one, what Stripe has to say about these types and in this order, and applies each before the next.
    pub async fn hear(&self, kinds: &[&str]) {
        for kind in kinds {
            for event in self.sandbox.events().iter().filter(|event| event.kind == *kind) {
                assert_eq!(self.deliver(&event.body).await, 200);
                self.caught_up().await;
            }
        }
    }

    /// The daily revenue as lines: day, currency, payments, gross, refunds, disputes. Lines of nothing are left out.
    pub async fn revenue(&self) -> Vec<String> {
        self.database
            .rows(
                "SELECT CAST(day AS TEXT) || ' ' || currency || ' ' || CAST(SUM(payments) AS TEXT) || ' ' || \
                 CAST(SUM(gross_minor) AS TEXT) || ' ' || CAST(SUM(refunds_minor) AS TEXT) || ' ' || \
                 CAST(SUM(disputes_minor) AS TEXT) AS line FROM revenue_daily GROUP BY day, currency \
                 HAVING SUM(payments) <> 0 OR SUM(gross_minor) <> 0 OR SUM(refunds_minor) <> 0 OR SUM(disputes_minor) <> 0",
            )
            .await
    }

    /// A figure of /metrics.
    pub async fn metric(&self, name: &str) -> String {
        let (status, body) = self.get("/metrics").await;
        assert_eq!(status, 200, "{body}");
        let text = body.as_str().expect("text");
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the figure is there");
        line.trim().to_owned()
    }

    /// How often Stripe was asked something; what is read now and then, whatever happens, is left out.
    pub fn reads(&self) -> usize {
        self.sandbox
            .requests()
            .iter()
            .filter(|request| request.method == "GET")
            .filter(|request| {
                !["/v1/account", "/v1/balance_transactions", "/v1/payouts"].contains(&request.path.as_str())
            })
            .count()
    }

    /// How many events are in each state.
    pub async fn events(&self) -> BTreeMap<&'static str, i64> {
        self.store().count_events().await.expect("events are counted")
    }

    pub fn store(&self) -> &mainstay::store::Store {
        &self.running.as_ref().expect("it runs").store
    }

    /// Stops the server with whatever is left over, and hands over what it stood on.
    pub async fn abandon(mut self) -> (Database, Sandbox) {
        self.running.take().expect("it runs").stop().await;
        (self.database, self.sandbox)
    }

    /// Ends the test: nothing may be left over.
    pub async fn finish(mut self) {
        let events = self.events().await;
        assert_eq!((events["received"], events["parked"]), (0, 0), "events are left over: {events:?}");
        assert_eq!(self.store().count_requests().await.expect("counted").0, 0, "requests are left over");
        self.running.take().expect("it runs").stop().await;
        self.sandbox.shutdown().await;
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The checkout session behind a created pledge.
pub fn session_of(created: &Value) -> String {
    let url = created["checkout_url"].as_str().expect("a checkout address");
    url.rsplit('/').next().expect("a last part").split(['?', '#']).next().expect("an id").to_owned()
}
