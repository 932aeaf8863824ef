//! Living through the story of [`super::story`]: readers give by the product's own verbs, the sandbox lives through the
//! months, and what it tells is taken into the inbox and applied. Up to the last thirty days a month at once, before the
//! server is there; then the server hears it by webhooks, as it will hear what comes next.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::story::{self, Chapter, DAYS, Gift, Turn, WINTER};
use super::{CliError, SANDBOX_WEBHOOK_SECRET, caught_up, paper};
use crate::app::{App, Backfill};
use crate::clock::{Clock, DAY, HOUR};
use crate::config::Settings;
use crate::domain::campaign::{Campaign, DEFAULT};
use crate::domain::event::is_handled;
use crate::domain::money::{Currency, Money};
use crate::domain::new_pledge::NewPledge;
use crate::gateway::{Gateway, decode};
use crate::id::Random;
use crate::sandbox::{Card, Person, Sandbox, SentEvent};
use crate::service::ingest::new_event;
use crate::service::parallel;
use crate::service::start_pledge::Pledges;
use crate::store::{BATCH, Store};
use crate::vault::Sealer;
use crate::worker::EventWorker;

/// The days that are told by webhooks.
const BY_WEBHOOKS: i64 = 30 * DAY;
/// How often time stops for what happened to be taken in.
const AT_ONCE: i64 = 30 * DAY;
/// How many webhooks of these days are under way.
const AT_A_TIME: usize = 16;

/// How long a pause is.
const PAUSE: i64 = 60 * DAY;

/// When the story begins, for one that is at its end at `now`: at midnight.
pub(super) fn begins_at(now: i64) -> i64 {
    now - now.rem_euclid(DAY) - DAYS * DAY
}

/// Something that happens at a time.
enum Event {
    Gift(Box<Chapter>),
    /// Of this checkout session.
    Turn(String, Turn),
    Decided(String, bool),
    /// Whether what is available is paid out at the next midnight.
    PaysOut(bool),
}

/// The story under way.
pub(super) struct Story {
    sandbox: Sandbox,
    clock: Clock,
    now: i64,
    to_come: BTreeMap<(i64, u64), Event>,
    added: u64,
    names: BTreeMap<String, String>,
}

impl Story {
    /// At its beginning. `clock` stands there.
    pub fn new(sandbox: Sandbox, clock: Clock, now: i64) -> Self {
        let begin = begins_at(now);
        let names = BTreeMap::new();
        let mut story = Self { sandbox, clock, now, to_come: BTreeMap::new(), added: 0, names };
        for chapter in story::tell() {
            story.add(begin + chapter.at, Event::Gift(Box::new(chapter)));
        }
        // Once a month what is there leaves for the bank.
        for month in 1..DAYS / 30 {
            story.add(begin + month * 30 * DAY - HOUR, Event::PaysOut(true));
            story.add(begin + month * 30 * DAY + HOUR, Event::PaysOut(false));
        }
        story
    }

    fn add(&mut self, at: i64, event: Event) {
        self.added += 1;
        self.to_come.insert((at, self.added), event);
    }

    /// From its beginning to its end, and then lets the clock run. What happens in the last thirty days is heard at
    /// `listener`, where `webhooks` leads, by a server that looks for nothing itself and thanks nobody: weeks pass in a
    /// moment, and its mails would all be late.
    pub async fn live(
        mut self,
        listener: TcpListener,
        settings: &Settings,
        webhooks: &str,
        random: &Random,
    ) -> Result<(), CliError> {
        let mut settings = settings.clone();
        settings.sweep.every = None;
        if let Some(worker) = &mut settings.worker {
            worker.mail.sending = None;
        }
        let parts = Backfill::open(settings.clone(), self.clock.clone(), random.clone()).await?;
        let pledges = Pledges {
            store: parts.store.clone(),
            gateway: parts.sweeper.gateway.clone(),
            clock: self.clock.clone(),
            random: random.clone(),
            public_url: settings.web.as_ref().map(|web| web.public_url.to_string()).unwrap_or_default(),
        };
        let lived = self.live_before(&parts, &pledges, &settings, random).await;
        let store = parts.store.clone();
        drop(parts);
        store.close().await;
        lived?;
        self.sandbox.add_endpoint(webhooks, SANDBOX_WEBHOOK_SECRET);
        let app = App::start_on(listener, settings, self.clock.clone(), random.clone()).await?;
        let pledges = Pledges { store: app.store.clone(), ..pledges };
        let lived = self.live_to_the_end(&pledges).await;
        app.stop().await;
        lived
    }

    /// Up to the last thirty days: what Stripe told until then is in the books. While one month is written down and applied,
    /// the next is lived through, for neither needs the other.
    async fn live_before(
        &mut self,
        parts: &Backfill,
        pledges: &Pledges,
        settings: &Settings,
        random: &Random,
    ) -> Result<(), CliError> {
        self.offer(&parts.store).await?;
        let sealer = Sealer::parse(&settings.vault_public_key, random.clone()).map_err(|error| failed(&error))?;
        let scribe = Scribe { store: parts.store.clone(), worker: parts.worker.clone(), sealer: Arc::new(sealer) };
        let (mut told, until) = (0, self.now - BY_WEBHOOKS);
        let mut before = AbortOnDropHandle::new(tokio::spawn(async { Ok(()) }));
        while self.clock.now() < until {
            self.live_until((self.clock.now() + AT_ONCE).min(until), pledges).await?;
            let events = self.sandbox.events_after(told);
            told += events.len();
            before.await.map_err(|error| failed(&error))??;
            before = AbortOnDropHandle::new(tokio::spawn(scribe.clone().write(events)));
        }
        before.await.map_err(|error| failed(&error))?
    }

    /// The last thirty days, a server hearing of each by webhooks.
    async fn live_to_the_end(&mut self, pledges: &Pledges) -> Result<(), CliError> {
        self.sandbox.configure(|settings| settings.sent_at_once = AT_A_TIME);
        while self.clock.now() < self.now {
            self.live_until((self.clock.now() + DAY).min(self.now), pledges).await?;
            self.sandbox.deliver_pending().await;
        }
        caught_up(&self.sandbox, &pledges.store).await?;
        self.sandbox.configure(|settings| settings.sent_at_once = 1);
        self.clock.run();
        Ok(())
    }

    /// What the newsroom offers.
    async fn offer(&mut self, store: &Store) -> Result<(), CliError> {
        let Some(plain) = store.campaign(DEFAULT).await? else { return Ok(()) };
        let campaign = paper::dressed(plain);
        let begin = begins_at(self.now);
        let winter = Campaign {
            slug: WINTER.to_owned(),
            name: "The winter appeal".to_owned(),
            starts_at: Some(begin + story::season().start),
            ends_at: Some(begin + story::season().end),
            ..campaign.clone()
        };
        for campaign in [campaign, winter] {
            store.put_campaign(&campaign, self.clock.now()).await?;
            self.names.insert(campaign.slug, campaign.name);
        }
        Ok(())
    }

    /// Lives on until a time, each thing in its moment.
    async fn live_until(&mut self, until: i64, pledges: &Pledges) -> Result<(), CliError> {
        while let Some(first) = self.to_come.first_entry() {
            if first.key().0 > until {
                break;
            }
            let ((at, _), event) = first.remove_entry();
            self.go_to(at).await;
            self.happen(event, pledges).await?;
        }
        self.go_to(until).await;
        Ok(())
    }

    async fn go_to(&self, at: i64) {
        self.clock.advance((at - self.clock.now()).max(0));
        self.sandbox.tick().await;
    }

    async fn happen(&mut self, event: Event, pledges: &Pledges) -> Result<(), CliError> {
        match event {
            Event::Gift(chapter) => self.give(*chapter, pledges).await?,
            Event::Turn(session, turn) => self.turn(&session, &turn, &pledges.gateway).await?,
            // What the newsroom can no longer do, it does not.
            Event::Decided(dispute, won) => drop(self.sandbox.close_dispute(&dispute, won)),
            Event::PaysOut(on) => self.sandbox.configure(|settings| settings.payouts = on),
        }
        Ok(())
    }

    async fn give(&mut self, chapter: Chapter, pledges: &Pledges) -> Result<(), CliError> {
        let Chapter { donor, gift, turns, .. } = chapter;
        let (card, declined_before, abandoned) = (gift.card, gift.declined_before, gift.abandoned);
        let started = pledges.start(self.chosen(&gift)?, None).await.map_err(|error| failed(&error))?;
        let pledge = pledges.store.pledge(&started.pledge.id).await?;
        let session = pledge.and_then(|pledge| pledge.stripe_session_id).unwrap_or_default();
        let person = Person { email: format!("reader{donor:03}@example.org"), name: format!("Reader {donor:03}") };
        if declined_before {
            self.sandbox.pay_as(&session, Card::Declined, person.clone()).await.map_err(|error| failed(&error))?;
        }
        if abandoned {
            return Ok(());
        }
        self.sandbox.pay_as(&session, card, person).await.map_err(|error| failed(&error))?;
        let now = self.clock.now();
        for (after, turn) in turns {
            self.add(now + after, Event::Turn(session.clone(), turn));
        }
        Ok(())
    }

    fn chosen(&self, gift: &Gift) -> Result<NewPledge, CliError> {
        let currency = Currency::parse(gift.currency).map_err(|error| failed(&error))?;
        Ok(NewPledge {
            campaign: gift.campaign.to_owned(),
            campaign_name: self.names.get(gift.campaign).cloned().unwrap_or_default(),
            frequency: gift.frequency,
            money: Money::new(gift.amount_minor, currency),
            cover_minor: 0,
            locale: None,
            source: gift.source.to_owned(),
            return_url: None,
        })
    }

    async fn turn(&mut self, id: &str, turn: &Turn, gateway: &Gateway) -> Result<(), CliError> {
        let Some(session) = self.sandbox.session(id) else { return Ok(()) };
        let subscription = session["subscription"].as_str().unwrap_or_default();
        let (now, key) = (self.clock.now(), format!("demo-{id}"));
        match turn {
            Turn::EndsAtPeriodEnd => self.sandbox.cancel_subscription(subscription, true),
            Turn::Ends => self.sandbox.cancel_subscription(subscription, false),
            Turn::Pauses => {
                gateway.pause(subscription, now + PAUSE, &key).await.map_err(|error| failed(&error))?;
            }
            Turn::Gives(amount) => {
                gateway.change_amount(subscription, *amount, &key).await.map_err(|error| failed(&error))?;
            }
            Turn::CardIs(card) => self.sandbox.set_card(subscription, *card),
            // What the newsroom can no longer do, it does not.
            Turn::Refunded(amount) => drop(self.charge(&session).map(|charge| self.sandbox.refund(&charge, *amount))),
            Turn::Disputed { won } => {
                let dispute = self.charge(&session).map(|charge| self.sandbox.dispute(&charge, "fraudulent"));
                if let Some(Ok(dispute)) = dispute {
                    self.add(now + 30 * DAY, Event::Decided(dispute, *won));
                }
            }
        }
        Ok(())
    }

    /// The charge of a session's first payment.
    fn charge(&self, session: &Value) -> Option<String> {
        let intent = if let Some(intent) = session["payment_intent"].as_str() {
            intent.to_owned()
        } else {
            let payments = self.sandbox.objects("invoice_payment");
            let first = payments.iter().find(|payment| payment["invoice"] == session["invoice"])?;
            first["payment"]["payment_intent"].as_str()?.to_owned()
        };
        self.sandbox.object(&intent)?["latest_charge"].as_str().map(str::to_owned)
    }
}

/// Who puts into the books what Stripe told, without a server.
#[derive(Clone)]
struct Scribe {
    store: Store,
    worker: Option<EventWorker>,
    sealer: Arc<Sealer>,
}

impl Scribe {
    async fn write(self, mut events: Vec<SentEvent>) -> Result<(), CliError> {
        // Stripe sends no others to an endpoint that `stripe setup` made.
        events.retain(|event| is_handled(&event.kind));
        let key = self.sealer.data_key().map_err(|error| failed(&error))?;
        let row = |event: &SentEvent| new_event(&key, decode::envelope(&event.body), &event.body, event.created);
        let rows: Result<Vec<_>, _> = parallel::map(&events, row).into_iter().collect();
        for rows in rows.map_err(|error| failed(&error))?.chunks(BATCH) {
            self.store.put_events(rows).await?;
        }
        if let Some(worker) = &self.worker {
            while worker.run_once().await.map_err(|error| failed(&error.code()))? > 0 {}
        }
        Ok(())
    }
}

fn failed(error: &dyn std::fmt::Display) -> CliError {
    CliError::Failed(format!("the demo's past could not be told: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_at_a_midnight_eighteen_months_ago() {
        let noon = 1_795_651_200 + 12 * HOUR;
        assert_eq!(begins_at(noon) % DAY, 0);
        assert_eq!(begins_at(noon) + DAYS * DAY, 1_795_651_200);
    }
}
