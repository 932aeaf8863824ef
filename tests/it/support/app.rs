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
use mainstay::gateway::{Gateway, GatewayConfig};
use mainstay::id::Random;
use mainstay::sandbox::{Card, Delivery, Options, Sandbox};
use mainstay::store::Mark;
use mainstay::vault::{AdminKey, NewKeys};
use secrecy::{ExposeSecret as _, SecretString};
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

/// The key of the newsroom's own side.
pub static ADMIN_KEY: LazyLock<SecretString> = LazyLock::new(|| AdminKey::generate(&Random::seeded(43)));

/// A server under test.
pub struct TestApp {
    running: Option<Running>,
    ending: Ending,
    pub database: Database,
    pub sandbox: Sandbox,
    pub clock: Clock,
    pub http: reqwest::Client,
    /// Without a trailing slash.
    pub url: String,
}

/// Sees to it that a test says how it ends.
#[derive(Default)]
struct Ending {
    said: bool,
}

impl Drop for Ending {
    fn drop(&mut self) {
        assert!(self.said || std::thread::panicking(), "a test with a server ends it by `finish` or by `abandon`");
    }
}

/// More than this is not counted.
const COUNTED: i64 = 1000;

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
        // What is asked of Stripe is counted by many tests; those of the sweep set it.
        ("SWEEP_MINUTES", "0"),
        ("STRIPE_READS_PER_SECOND", "25"),
        ("VAULT_PUBLIC_KEY", KEYS.public.as_str()),
        ("VAULT_PRIVATE_KEY", KEYS.private.expose_secret()),
        ("VAULT_INDEX_KEY", KEYS.index.expose_secret()),
        ("ADMIN_KEY", ADMIN_KEY.expose_secret()),
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
        Self::start_beside(role, database, sandbox, clock, more).await
    }

    /// Starts beside a sandbox that is there already, on its clock.
    pub async fn start_beside(
        role: Role,
        database: Database,
        sandbox: Sandbox,
        clock: Clock,
        more: &[(&str, &str)],
    ) -> Self {
        let settings = settings(&database.url, &sandbox.url(), role, more);
        let running = App::start(settings, clock.clone(), Random::seeded(7)).await.expect("the server starts");
        let url = format!("http://{}", running.address);
        sandbox.add_endpoint(&format!("{url}/webhooks/stripe"), WEBHOOK_SECRET);
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        Self { running: Some(running), ending: Ending::default(), database, sandbox, clock, http, url }
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

    /// How often Stripe was asked something.
    pub fn reads(&self) -> usize {
        self.sandbox
            .requests()
            .iter()
            .filter(|request| request.method == "GET" && request.path != "/v1/account")
            .count()
    }

    /// How many events are in each state.
    pub async fn events(&self) -> BTreeMap<&'static str, i64> {
        self.store().count_events().await.expect("events are counted")
    }

    /// Calls to the app's Stripe beside the app's own.
    pub fn gateway(&self) -> Gateway {
        let config = GatewayConfig { api_url: self.sandbox.url(), secret_key: "sk_test_of_the_tests".into() };
        Gateway::new(&config, Random::seeded(77)).expect("a gateway")
    }

    pub fn store(&self) -> &mainstay::store::Store {
        &self.running.as_ref().expect("it runs").store
    }

    /// What decides who may sign in.
    pub fn office(&self) -> &mainstay::service::admin::Office {
        self.running.as_ref().and_then(|running| running.office.as_ref()).expect("there is a key")
    }

    /// Waits until a sweep that began no earlier than now has ended, and what it found is worked off.
    pub async fn swept(&self) {
        let now = self.clock.now();
        let done = async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            while self.store().mark(Mark::SweepFinished).await.expect("it is read") < Some(now) {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, done).await.expect("the sweep ends");
        self.caught_up().await;
    }

    /// Stops the server with whatever is left over, and hands over what it stood on.
    pub async fn abandon(mut self) -> (Database, Sandbox) {
        self.ending.said = true;
        self.running.take().expect("it runs").stop().await;
        (self.database, self.sandbox)
    }

    /// Ends the test: nothing may be left over, be it to work off, to send or to look at.
    pub async fn finish(self) {
        self.finish_leaving(0).await;
    }

    /// Ends a test that leaves so many mails unsent or not yet in the outbox on purpose: no more and no fewer.
    pub async fn finish_leaving(mut self, left: usize) {
        self.ending.said = true;
        let events = self.events().await;
        assert_eq!((events["received"], events["parked"]), (0, 0), "events are left over: {events:?}");
        assert_eq!(self.store().count_requests().await.expect("counted").0, 0, "requests are left over");
        if self.store().turns_unsummed().await.expect("it is read").is_none() {
            assert_eq!(self.store().totals_amiss().await.expect("it is read"), None, "sums of reports are wrong");
        }
        self.running.take().expect("it runs").stop().await;
        let waiting = waiting(&self.database, self.clock.now()).await;
        assert_eq!(waiting, left, "mails are left over, or reminders or readers to be welcomed");
        self.sandbox.shutdown().await;
    }
}

/// How many mails wait to be sent, reminders to leave and readers to be welcomed. The server's workers turn the latter two
/// into the first at any time, so that only the sum stands still, and only once they have ended.
async fn waiting(database: &Database, now: i64) -> usize {
    let store = database.open().await;
    let emails = store.count_emails().await.expect("they are counted");
    let emails = emails.iter().find(|(state, _)| state == "waiting").map_or(0, |(_, count)| *count);
    let reminders = store.due_reminders(now, COUNTED).await.expect("they are read");
    let signups = store.unwelcomed_signups(COUNTED).await.expect("they are read");
    store.close().await;
    usize::try_from(emails).expect("a count") + reminders.len() + signups.len()
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
