//! A few thousand gifts, each driven through the sandbox as its donor, its bank and Stripe would, and everything Stripe
//! said about them, in Stripe's order.
//!
//! The gifts are told in chapters, each with a sandbox and a giving server of its own: the sandbox keeps all it ever
//! made, and one that held everything would outgrow a small machine. Invariant: every event has its own id and happened;
//! nothing is copied. Only bodies shorter than Stripe's usual are filled up.

use futures_util::future::join_all;
use mainstay::app::App;
use mainstay::clock::{Clock, DAY, MINUTE};
use mainstay::config::Role;
use mainstay::id::{PledgeId, Random};
use mainstay::sandbox::{ApiRequest, Card, Delivery, Options, Person, Sandbox};
use mainstay::store::Pledge;
use serde_json::{Value, json};

use crate::journeys::{Plan, Then, plan};
use crate::support::app::{reader, session_of, settings};
use crate::support::database::{Database, Kind};

/// Gifts in one chapter.
const CHAPTER: usize = 500;
/// Requests for pledges under way at once.
const ABREAST: usize = 16;
/// Seconds between so many and the next: what the limit of a campaign lets in.
const PAUSE: i64 = 4;
/// How long a chapter lasts: four renewals of a monthly gift.
pub const CHAPTER_DAYS: i64 = 125;
/// Stripe's bodies are about this long, in bytes; the sandbox says less about small objects.
const USUAL_BODY: usize = 3 * 1024;
/// The longest value that Stripe takes in metadata.
const METADATA_VALUE_MAX: usize = 500;

/// One event as Stripe sends it, unsigned.
#[derive(Debug)]
pub struct Event {
    pub kind: String,
    pub body: Vec<u8>,
}

/// The pledges as they were made, and what happened to them.
#[derive(Debug, Default)]
pub struct Story {
    pub pledges: Vec<Pledge>,
    pub events: Vec<Event>,
}

impl Story {
    /// Tells of gifts until at least `events` things were said that the worker acts on, or of `wanted` other kinds.
    pub async fn tell(events: usize, wanted: impl Fn(&str) -> bool) -> Self {
        let begin = Clock::system().now() - CHAPTER_DAYS * DAY;
        let mut story = Self::default();
        let mut found = 0;
        for chapter in 1.. {
            let told = Chapter::open(chapter, begin).await.tell().await;
            found += told.events.iter().filter(|event| wanted(&event.kind)).count();
            story.pledges.extend(told.pledges);
            story.events.extend(told.events);
            if found >= events {
                break;
            }
        }
        story
    }

    /// The average body, in bytes.
    pub fn usual_body(&self) -> usize {
        self.events.iter().map(|event| event.body.len()).sum::<usize>() / self.events.len().max(1)
    }
}

/// One gift under way.
struct Gift {
    pledge: Pledge,
    session: String,
    plan: &'static Plan,
}

struct Chapter {
    number: u64,
    clock: Clock,
    sandbox: Sandbox,
}

impl Chapter {
    async fn open(number: u64, begin: i64) -> Self {
        let clock = Clock::manual(begin);
        let options = Options {
            listen: "127.0.0.1:0".parse().expect("an address"),
            clock: clock.clone(),
            random: Random::seeded(2 * number),
            delivery: Delivery::Manual,
        };
        let sandbox = Sandbox::start(options).await.expect("the sandbox starts");
        Self { number, clock, sandbox }
    }

    async fn tell(self) -> Story {
        let gifts = self.pledge_all().await;
        self.pay_all(&gifts).await;
        self.pass(5).await;
        for gift in &gifts {
            self.turn(gift);
        }
        self.pass(15).await;
        self.set_shaky_cards(&gifts, Card::Declined);
        self.pass(13).await;
        self.set_shaky_cards(&gifts, Card::Works);
        self.close_disputes();
        self.pass(CHAPTER_DAYS - 33).await;
        let events = self.sandbox.events().into_iter();
        let events = events.map(|sent| Event { kind: sent.kind, body: filled_up(sent.body) }).collect();
        self.sandbox.shutdown().await;
        Story { pledges: gifts.into_iter().map(|gift| gift.pledge).collect(), events }
    }

    async fn pass(&self, days: i64) {
        self.clock.advance(days * DAY);
        self.sandbox.tick().await;
    }

    /// Makes the pledges as donors do: on a server of ours, which nobody tells what becomes of them.
    async fn pledge_all(&self) -> Vec<Gift> {
        let database = Database::fresh(Kind::Sqlite).await;
        let settings = settings(&database.url, &self.sandbox.url(), Role::Web, &[]);
        let random = Random::seeded(2 * self.number + 1);
        let server = App::start(settings, self.clock.clone(), random).await.expect("the server starts");
        let address = format!("http://{}/v1/pledges", server.address);
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        let mut gifts = Vec::with_capacity(CHAPTER);
        for first in (0..CHAPTER).step_by(ABREAST) {
            let abreast = (first..CHAPTER.min(first + ABREAST)).map(|number| ask(&http, &address, plan(number)));
            for (id, session, plan) in join_all(abreast).await {
                let pledge = server.store.pledge(&id).await.expect("it is read").expect("it is there");
                gifts.push(Gift { pledge, session, plan });
            }
            self.clock.advance(PAUSE);
        }
        server.stop().await;
        gifts
    }

    async fn pay_all(&self, gifts: &[Gift]) {
        for (number, gift) in gifts.iter().enumerate() {
            self.clock.advance(MINUTE);
            self.sandbox.tick().await;
            let email = format!("reader-{}-{number}@example.org", self.number);
            let pay = |card| {
                let person = Person { email: email.clone(), name: format!("Reader {number}") };
                async move { self.sandbox.pay_as(&gift.session, card, person).await.expect("the session is open") }
            };
            if gift.plan.then == Then::Leave {
                continue;
            }
            if gift.plan.then == Then::DeclineFirst {
                pay(Card::Declined).await;
            }
            pay(gift.plan.card).await;
            if gift.plan.card == Card::NeedsAuthentication {
                self.sandbox.authenticate(&gift.session, true).await.expect("the bank asked");
            }
        }
    }

    /// What a donor, a bank or the newsroom decides days after the gift.
    fn turn(&self, gift: &Gift) {
        match gift.plan.then {
            Then::Refund { percent } => self.refund(gift, percent),
            Then::Dispute => {
                self.sandbox.dispute(&self.charge_of(gift), "fraudulent").expect("it succeeded");
            }
            Then::Cancel { at_period_end } => {
                self.sandbox.cancel_subscription(&self.subscription_of(gift), at_period_end);
            }
            Then::Nothing | Then::Leave | Then::DeclineFirst | Then::MissOne => {}
        }
    }

    fn refund(&self, gift: &Gift, percent: i64) {
        let amount = gift.pledge.money.amount_minor * percent / 100;
        let answer = self.sandbox.call(ApiRequest {
            method: "POST".to_owned(),
            path: "/v1/refunds".to_owned(),
            authorization: Some("Bearer sk_test_of_the_bench".to_owned()),
            body: format!("charge={}&amount={amount}", self.charge_of(gift)).into_bytes(),
            ..ApiRequest::default()
        });
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    fn set_shaky_cards(&self, gifts: &[Gift], card: Card) {
        for gift in gifts.iter().filter(|gift| gift.plan.then == Then::MissOne) {
            self.sandbox.set_card(&self.subscription_of(gift), card);
        }
    }

    /// The bank decides every other dispute for the newsroom.
    fn close_disputes(&self) {
        for (number, dispute) in self.sandbox.objects("dispute").iter().enumerate() {
            let id = dispute["id"].as_str().expect("an id");
            self.sandbox.submit_evidence(id).expect("it is open");
            self.sandbox.close_dispute(id, number % 2 == 0).expect("it is open");
        }
    }

    fn subscription_of(&self, gift: &Gift) -> String {
        self.text(&gift.session, "subscription")
    }

    /// The charge of a gift: a one-time one names its session's intent, a recurring one its customer.
    fn charge_of(&self, gift: &Gift) -> String {
        let field = if gift.plan.frequency == "once" { "payment_intent" } else { "customer" };
        let wanted = self.text(&gift.session, field);
        let charges = self.sandbox.objects("charge");
        let charge = charges.iter().find(|charge| charge[field] == wanted.as_str() && charge["status"] == "succeeded");
        charge.and_then(|charge| charge["id"].as_str()).expect("the gift was charged").to_owned()
    }

    fn text(&self, id: &str, field: &str) -> String {
        let object = self.sandbox.object(id).expect("it is there");
        object[field].as_str().expect("the field is there").to_owned()
    }
}

/// Asks for a pledge; its id and its session's.
async fn ask(http: &reqwest::Client, address: &str, plan: &'static Plan) -> (PledgeId, String, &'static Plan) {
    let body = json!({"frequency": plan.frequency, "amount_minor": plan.amount_minor, "currency": plan.currency});
    let answer = http.post(address).header("x-forwarded-for", reader()).json(&body).send().await.expect("an answer");
    let created: Value = answer.json().await.expect("a pledge");
    let id = created["id"].as_str().unwrap_or_else(|| panic!("no pledge: {created}"));
    (PledgeId::parse(id).expect("an id"), session_of(&created), plan)
}

/// A body of at least the usual length: the object says more in its metadata, as those of other programs do.
fn filled_up(body: Vec<u8>) -> Vec<u8> {
    let Some(mut missing) = USUAL_BODY.checked_sub(body.len()) else { return body };
    let mut event: Value = serde_json::from_slice(&body).expect("the sandbox sends JSON");
    for number in 0.. {
        let value: String =
            "Thank you for reading and for giving. ".chars().cycle().take(missing.min(METADATA_VALUE_MAX)).collect();
        let name = format!("note_{number}");
        // Name, quotes, colon, indentation and line end.
        missing = missing.saturating_sub(value.len() + name.len() + 16);
        event["data"]["object"]["metadata"][name] = value.into();
        if missing == 0 {
            break;
        }
    }
    serde_json::to_vec_pretty(&event).expect("JSON is written")
}
