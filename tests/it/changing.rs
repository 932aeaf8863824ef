//! A recurring pledge is changed, paused and resumed; what the books say comes next is what Stripe then charges.

use mainstay::domain::action::{DONOR, Standing};
use mainstay::domain::agreement::Agreement;
use mainstay::domain::language::Language;
use mainstay::domain::pledge::Frequency;
use mainstay::gateway::setup::{self, RIGHTS, Right};
use mainstay::gateway::subscription::When;
use mainstay::id::{PledgeId, Random};
use mainstay::sandbox::{Access, ApiFault, Card};
use mainstay::service::act::{ActError, Acting, Asking, Wish};
use mainstay::store::{Action, Recurring};

use crate::support::app::{DAY, NOON, TestApp};
use crate::support::database::{BOTH, Kind};

/// A server, and a donor who gives every month or year.
struct Giving {
    app: TestApp,
    acting: Acting,
    random: Random,
}

impl Giving {
    /// Starts at a moment, with no more than a restricted key is told to have.
    async fn start(kind: Kind, at: i64) -> Self {
        let app = TestApp::start(kind).await;
        let access = |right: &Right| match right.access {
            setup::Access::Read => (right.resource, Access::Read),
            setup::Access::Write => (right.resource, Access::Write),
        };
        app.sandbox.restrict_key("sk_test_of_the_tests", &RIGHTS.iter().map(access).collect::<Vec<_>>());
        app.clock.advance(at - app.clock.now());
        let acting = Acting {
            store: app.store().clone(),
            gateway: app.gateway(),
            clock: app.clock.clone(),
            random: Random::seeded(5),
        };
        Self { app, acting, random: Random::seeded(6) }
    }

    async fn gives(&self, frequency: &str, amount_minor: i64) -> PledgeId {
        let (pledge, session) = self.app.pledge(frequency, amount_minor, "USD").await;
        self.app.pay(&session, Card::Works).await;
        self.app.settle().await;
        PledgeId::parse(&pledge).expect("an id")
    }

    async fn asks(&self, wish: Wish) -> Result<Action, ActError> {
        let asking = Asking { actor: DONOR.to_owned(), reason: String::new(), form: self.random.hex() };
        self.acting.act(wish, asking).await
    }

    /// Asks, and Stripe says that it is so.
    async fn changes(&self, wish: Wish) {
        let action = self.asks(wish.clone()).await.expect("it can be asked for");
        assert_eq!(action.error, None, "{wish:?}");
        self.app.settle().await;
        assert_eq!(self.known(&action.pledge_id).await.standing(&action), Standing::Done, "{wish:?}");
    }

    async fn known(&self, pledge: &PledgeId) -> Recurring {
        self.app.store().recurring(pledge).await.expect("it is read").expect("it recurs")
    }

    async fn agreement(&self, pledge: &PledgeId) -> Agreement {
        self.known(pledge).await.agreement.expect("it gives")
    }

    /// What was charged for a pledge, and when.
    async fn charged(&self, pledge: &PledgeId) -> Vec<(i64, i64)> {
        let subscription = self.known(pledge).await.subscription_id;
        let paid = self.app.sandbox.objects("invoice").into_iter().filter(|invoice| {
            invoice["status"] == "paid"
                && invoice["parent"]["subscription_details"]["subscription"] == subscription.as_str()
        });
        let mut paid: Vec<(i64, i64)> = paid
            .map(|invoice| {
                let at = invoice["status_transitions"]["paid_at"].as_i64().expect("a time");
                (at, invoice["amount_paid"].as_i64().expect("an amount"))
            })
            .collect();
        paid.sort_unstable();
        paid
    }

    /// Lets the time up to `until` pass: nothing is charged but what the books say before, when they say it.
    async fn keeps_its_word(&self, pledge: &PledgeId, until: i64) {
        loop {
            let (promised, before) =
                (self.known(pledge).await.agreement.and_then(|known| known.next), self.charged(pledge).await);
            let wait = promised.map_or(until, |next| next.at - 1).min(until);
            self.pass_until(wait).await;
            assert_eq!(self.charged(pledge).await, before, "nothing before {promised:?}");
            let Some(next) = promised.filter(|next| next.at <= until) else { return };
            // A pause that has ended meanwhile changes nothing about it.
            assert_eq!(self.agreement(pledge).await.next, Some(next));
            self.pass_until(next.at).await;
            let mut expected = before;
            expected.push((next.at, next.amount_minor));
            assert_eq!(self.charged(pledge).await, expected, "as the books said");
        }
    }

    async fn pass_until(&self, at: i64) {
        self.app.clock.advance((at - self.app.clock.now()).max(0));
        self.app.settle().await;
    }
}

fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().expect("a time").as_second()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_amount_keeps_the_day_and_is_charged_from_the_next_time_on() {
    for kind in BOTH {
        let giving = Giving::start(kind, NOON).await;
        let pledge = giving.gives("monthly", 500).await;
        let before = giving.agreement(&pledge).await;
        let wish = Wish::ChangeAmount { pledge: pledge.clone(), amount_minor: 900 };
        let action = giving.asks(wish.clone()).await.expect("it can be asked for");
        assert_eq!(giving.known(&pledge).await.standing(&action), Standing::Waiting, "no event said so");
        giving.app.settle().await;
        assert_eq!(giving.known(&pledge).await.standing(&action), Standing::Done);
        let after = giving.agreement(&pledge).await;
        assert_eq!((after.amount_minor, after.next_charge_at()), (900, before.next_charge_at()));
        assert!(matches!(giving.asks(wish).await, Err(ActError::Unchanged)));
        giving.keeps_its_word(&pledge, NOON + 70 * DAY).await;
        assert_eq!(giving.charged(&pledge).await.len(), 3);
        let audited =
            "SELECT action || ' ' || before AS line FROM audit_log WHERE action LIKE 'change.%' ORDER BY action";
        let audited = giving.app.database.rows(audited).await;
        assert!(audited[0].starts_with("change.asked") && audited[0].contains("\"amount_minor\":500"), "{audited:?}");
        giving.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_is_refused_before_stripe_is_asked() {
    for kind in BOTH {
        let giving = Giving::start(kind, NOON).await;
        let pledge = giving.gives("monthly", 500).await;
        let asked = giving.app.sandbox.requests().len();
        let amount = |amount_minor| Wish::ChangeAmount { pledge: pledge.clone(), amount_minor };
        let pause = |until| Wish::Pause { pledge: pledge.clone(), until };
        assert!(matches!(giving.asks(amount(0)).await, Err(ActError::Amount { .. })));
        assert!(matches!(giving.asks(amount(i64::MAX)).await, Err(ActError::Amount { .. })));
        for until in [NOON, NOON - 1, NOON + 366 * DAY] {
            assert!(matches!(giving.asks(pause(until)).await, Err(ActError::Date)), "{until}");
        }
        assert!(matches!(giving.asks(Wish::Resume { pledge: pledge.clone() }).await, Err(ActError::Unchanged)));
        let once = Wish::ChangeFrequency { pledge: pledge.clone(), frequency: Frequency::Once };
        assert!(matches!(giving.asks(once).await, Err(ActError::NotOffered)));
        let monthly = Wish::ChangeFrequency { pledge: pledge.clone(), frequency: Frequency::Monthly };
        assert!(matches!(giving.asks(monthly).await, Err(ActError::Unchanged)));
        let silent = Asking { actor: "adm_x".to_owned(), reason: String::new(), form: giving.random.hex() };
        assert!(matches!(giving.acting.act(amount(900), silent).await, Err(ActError::Mismatch)), "staff say why");
        assert_eq!(giving.app.sandbox.requests().len(), asked);
        giving.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frequency_to_come_goes_with_another_amount_a_pause_and_an_ending() {
    for kind in BOTH {
        let giving = Giving::start(kind, NOON).await;
        let annual = |pledge: &PledgeId| Wish::ChangeFrequency { pledge: pledge.clone(), frequency: Frequency::Annual };
        let pledge = giving.gives("monthly", 1000).await;
        giving.changes(annual(&pledge)).await;
        let agreed = giving.agreement(&pledge).await;
        assert_eq!((agreed.frequency, agreed.next.expect("one").frequency), (Frequency::Monthly, Frequency::Annual));
        giving.changes(Wish::ChangeAmount { pledge: pledge.clone(), amount_minor: 2000 }).await;
        assert_eq!(giving.agreement(&pledge).await.agreed(), (2000, Frequency::Annual));
        giving.keeps_its_word(&pledge, NOON + 40 * DAY).await;
        let paid = giving.charged(&pledge).await;
        assert_eq!(paid.last().map(|(_, amount)| *amount), Some(2000));
        // The phase that holds it is in its year: another amount lets go of it.
        giving.changes(Wish::ChangeAmount { pledge: pledge.clone(), amount_minor: 3000 }).await;
        giving.changes(Wish::ChangeFrequency { pledge: pledge.clone(), frequency: Frequency::Monthly }).await;
        giving.keeps_its_word(&pledge, NOON + 430 * DAY).await;
        assert_eq!(giving.charged(&pledge).await.len(), 4);

        // Paused beyond the change, it is a year later; taken back, it is a month.
        let pledge = giving.gives("monthly", 1000).await;
        giving.changes(annual(&pledge)).await;
        let until = giving.app.clock.now() + 45 * DAY;
        giving.changes(Wish::Pause { pledge: pledge.clone(), until }).await;
        let far = giving.agreement(&pledge).await.next_charge_at().expect("one");
        assert!(far > until + 300 * DAY);
        giving.changes(Wish::ChangeFrequency { pledge: pledge.clone(), frequency: Frequency::Monthly }).await;
        giving.keeps_its_word(&pledge, until + 40 * DAY).await;

        let pledge = giving.gives("monthly", 1000).await;
        giving.changes(annual(&pledge)).await;
        let end =
            giving.asks(Wish::End { pledge: pledge.clone(), when: When::AtPeriodEnd }).await.expect("it is asked");
        assert_eq!(end.error, None);
        giving.app.settle().await;
        let agreed = giving.agreement(&pledge).await;
        assert_eq!((agreed.next, agreed.change, agreed.ends_at.is_some()), (None, None, true));
        giving.keeps_its_word(&pledge, giving.app.clock.now() + 60 * DAY).await;
        assert_eq!(giving.charged(&pledge).await.len(), 1);
        giving.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_say_for_48_months_what_stripe_then_charges() {
    let anchors = [
        ("2027-01-29T10:00:00Z", "monthly"),
        ("2027-01-30T10:00:00Z", "monthly"),
        ("2027-01-31T10:00:00Z", "monthly"),
        ("2028-02-29T10:00:00Z", "monthly"),
        ("2028-02-29T10:00:00Z", "annual"),
        ("2027-01-31T10:00:00Z", "annual"),
    ];
    for (kind, (begins, frequency)) in BOTH.into_iter().flat_map(|kind| anchors.map(|anchor| (kind, anchor))) {
        let giving = Giving::start(kind, at(begins)).await;
        let pledge = giving.gives(frequency, 1000).await;
        let other = giving.gives("monthly", 700).await;
        let month = |number: i64| at(begins) + number * 30 * DAY + 5 * DAY;
        let of = |pledge: &PledgeId| pledge.clone();
        giving.keeps_its_word(&pledge, month(4)).await;
        giving.changes(Wish::ChangeAmount { pledge: of(&pledge), amount_minor: 1500 }).await;
        giving.keeps_its_word(&pledge, month(7)).await;
        giving.changes(Wish::Pause { pledge: of(&pledge), until: month(10) }).await;
        giving.keeps_its_word(&pledge, month(14)).await;
        giving.changes(Wish::Pause { pledge: of(&pledge), until: month(25) }).await;
        giving.keeps_its_word(&pledge, month(16)).await;
        giving.changes(Wish::Resume { pledge: of(&pledge) }).await;
        giving.keeps_its_word(&pledge, month(18)).await;
        let (there, back) = if frequency == "monthly" {
            (Frequency::Annual, Frequency::Monthly)
        } else {
            (Frequency::Monthly, Frequency::Annual)
        };
        giving.changes(Wish::ChangeFrequency { pledge: of(&pledge), frequency: there }).await;
        giving.keeps_its_word(&pledge, month(33)).await;
        giving.changes(Wish::ChangeFrequency { pledge: of(&pledge), frequency: back }).await;
        giving.keeps_its_word(&pledge, month(49)).await;
        let theirs = giving.charged(&other).await;
        assert!(theirs.len() >= 49 && theirs.iter().all(|(_, amount)| *amount == 700), "{}", theirs.len());
        giving.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_card_is_changed_on_stripes_page() {
    for kind in BOTH {
        let giving = Giving::start(kind, NOON).await;
        let pledge = giving.gives("monthly", 500).await;
        let known = giving.known(&pledge).await;
        let customer = known.customer_id.expect("a customer");
        giving.app.sandbox.set_card(&known.subscription_id, Card::Declined);
        let back = "https://paper.example/manage";
        let url = giving.app.gateway().portal_session(&customer, back, Language::Ru).await.expect("a page");
        let page = giving.app.http.get(&url).send().await.expect("an answer").text().await.expect("a page");
        assert!(page.contains(back), "{page}");
        let sent = giving.app.http.post(format!("{url}/card")).form(&[("card", "works")]).send().await.expect("sent");
        assert!(sent.status().is_success());
        giving.keeps_its_word(&pledge, NOON + 40 * DAY).await;
        assert_eq!(giving.charged(&pledge).await.len(), 2);
        giving.app.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_stripe_did_and_did_not_answer_is_asked_again_when_its_keys_are_forgotten_and_is_done_once() {
    for kind in BOTH {
        let giving = Giving::start(kind, NOON).await;
        let pledge = giving.gives("monthly", 1000).await;
        let of = || pledge.clone();
        let until = giving.app.clock.now() + 40 * DAY;
        let wishes = [
            Wish::ChangeAmount { pledge: of(), amount_minor: 1500 },
            Wish::ChangeFrequency { pledge: of(), frequency: Frequency::Annual },
            Wish::ChangeFrequency { pledge: of(), frequency: Frequency::Monthly },
            Wish::Pause { pledge: of(), until },
            Wish::Resume { pledge: of() },
            Wish::End { pledge: of(), when: When::AtPeriodEnd },
        ];
        for wish in wishes {
            // It is done, and said to have failed, however often it is sent.
            giving.app.sandbox.fail_api(Some("POST"), "/v1/subscription", ApiFault::WorkThenStoredError, u32::MAX);
            let action = giving.asks(wish.clone()).await.expect("it can be asked for");
            assert!(action.error.is_some(), "{action:?}: nobody knows");
            giving.app.sandbox.heal();
            giving.app.settle().await;
            // Longer than Stripe remembers what it was asked.
            giving.app.clock.advance(DAY + 3_600);
            giving.app.settle().await;
            let action = giving.acting.again(&action.id).await.expect("it is asked again");
            assert_eq!(action.error, None, "{wish:?} on {kind:?}");
            giving.app.clock.advance(61);
            giving.app.settle().await;
            assert_eq!(giving.known(&pledge).await.standing(&action), Standing::Done, "{wish:?} on {kind:?}");
        }
        assert_eq!(giving.charged(&pledge).await.len(), 1, "nothing was charged for it");
        giving.keeps_its_word(&pledge, NOON + 100 * DAY).await;
        assert_eq!(giving.charged(&pledge).await.len(), 1);
        giving.app.finish().await;
    }
}
