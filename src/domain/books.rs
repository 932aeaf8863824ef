//! The books of a few pledges, in memory: from facts to payments, statuses and the day's revenue.
//!
//! [`Books`] is loaded with all facts that some news touches, takes the news in, and says which rows are now different.
//! Everything it derives is a pure function of the facts, so repeating or reordering news changes nothing.

mod differences;
mod forgotten;
mod payments;
mod rows;
mod statuses;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::tz::TimeZone;

use super::facts::{Fact, Object, ObjectKind, State, earliest};
pub use differences::{Difference, Stored};
use rows::{Account, Revenue};
pub use rows::{Changes, Dispute, Payment, PaymentStatus, PledgeEntry, Refund, RevenueChange, RevenueKey};

/// The longest chain of objects that name each other: refund, charge, payment intent, invoice payment, invoice,
/// subscription, session.
const LONGEST_CHAIN: usize = 7;

/// All facts that some news touches.
#[derive(Debug, Default)]
pub struct Books {
    objects: Vec<Object>,
    places: HashMap<String, usize>,
    /// The objects that name an id, by their places.
    named_by: HashMap<String, Vec<usize>>,
    pledges: BTreeMap<String, PledgeEntry>,
    accounts: HashMap<String, Account>,
    changed: BTreeSet<usize>,
    /// Those of the changed that are new or name other objects than before.
    relinked: BTreeSet<usize>,
    versions: Vec<Object>,
    /// Donors that were taken out of what belongs to forgotten pledges.
    unnamed: BTreeSet<String>,
    /// Whether any of the pledges is forgotten: mostly none is.
    some_forgotten: bool,
    /// Whether every fact of the pledges is here, so that nothing stored needs to be believed.
    whole: bool,
}

impl Books {
    /// Books that will hold every fact of their pledges.
    pub fn whole() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// An object as stored, unless a newer form of it is in these books.
    pub fn load_object(&mut self, object: Object) {
        if !self.places.contains_key(&object.id) {
            self.insert(object);
        }
    }

    pub fn load_pledge(&mut self, pledge: PledgeEntry) {
        self.some_forgotten |= pledge.forgotten;
        self.pledges.insert(pledge.id.clone(), pledge);
    }

    pub fn load_payment(&mut self, payment: Payment) {
        let key = payment.stripe_key.clone();
        self.accounts.entry(key).or_default().payment = Some(payment);
    }

    pub fn load_refund(&mut self, refund: Refund) {
        let account = self.accounts.entry(refund.stripe_key.clone()).or_default();
        account.refunds.insert(refund.stripe_refund_id.clone(), refund);
    }

    pub fn load_dispute(&mut self, dispute: Dispute) {
        let account = self.accounts.entry(dispute.stripe_key.clone()).or_default();
        account.disputes.insert(dispute.stripe_dispute_id.clone(), dispute);
    }

    fn insert(&mut self, object: Object) -> usize {
        let place = self.objects.len();
        self.places.insert(object.id.clone(), place);
        self.objects.push(object);
        self.index(place);
        place
    }

    fn index(&mut self, place: usize) {
        let Some(Object { links, .. }) = self.objects.get(place) else { return };
        for id in [&links.payment_intent, &links.charge, &links.invoice, &links.subscription].into_iter().flatten() {
            let naming = self.named_by.entry(id.clone()).or_default();
            if !naming.contains(&place) {
                naming.push(place);
            }
        }
    }

    fn object(&self, id: &str) -> Option<&Object> {
        self.places.get(id).and_then(|place| self.objects.get(*place))
    }

    /// Takes in what an event said.
    pub fn hear(&mut self, news: Object) {
        if news.kind == ObjectKind::Subscription {
            self.versions.push(news.clone());
        }
        let place = self.places.get(&news.id).copied();
        let Some((place, known)) = place.and_then(|place| Some((place, self.objects.get_mut(place)?))) else {
            let place = self.insert(news);
            self.changed.insert(place);
            self.relinked.insert(place);
            return;
        };
        let before = known.clone();
        known.join(news);
        if *known != before {
            self.changed.insert(place);
        }
        if known.links != before.links {
            self.relinked.insert(place);
            self.index(place);
        }
    }

    /// Puts another fact in place of a stored one, where they differ.
    pub fn correct(&mut self, id: &str, fact: Fact) {
        let place = self.places.get(id).copied();
        if let Some((place, known)) = place.and_then(|place| Some((place, self.objects.get_mut(place)?)))
            && known.fact != fact
        {
            known.fact = fact;
            self.changed.insert(place);
        }
    }

    /// The changed objects of which only Stripe can say which snapshot is the newest.
    pub fn unsettled(&self) -> Vec<String> {
        let changed = self.changed.iter().filter_map(|place| self.objects.get(*place));
        changed.filter(|object| !object.fact.is_settled()).map(|object| object.id.clone()).collect()
    }

    /// Finds the pledge of every object that does not name one itself, over the objects that name each other. To be
    /// called once after all news, before [`Books::pledges_named`].
    pub fn link(&mut self) {
        for _ in 0..LONGEST_CHAIN {
            let lost =
                |(_, object): &(usize, &Object)| object.links.pledge.is_none() && object.kind != ObjectKind::Customer;
            let found: Vec<(usize, String)> = self
                .objects
                .iter()
                .enumerate()
                .filter(lost)
                .filter_map(|(place, object)| Some((place, self.pledge_by_links(object)?)))
                .collect();
            if found.is_empty() {
                return;
            }
            for (place, pledge) in found {
                if let Some(object) = self.objects.get_mut(place) {
                    object.links.pledge = Some(pledge);
                    self.changed.insert(place);
                    self.relinked.insert(place);
                }
            }
        }
    }

    fn pledge_by_links(&self, object: &Object) -> Option<String> {
        let links = &object.links;
        let named = [&links.payment_intent, &links.charge, &links.invoice, &links.subscription];
        let down = named.into_iter().flatten().find_map(|id| self.object(id)?.links.pledge.clone());
        down.or_else(|| self.naming(&object.id).find_map(|other| other.links.pledge.clone()))
    }

    /// The objects that name `id`.
    fn naming(&self, id: &str) -> impl Iterator<Item = &Object> {
        self.named_by.get(id).into_iter().flatten().filter_map(|place| self.objects.get(*place))
    }

    /// The pledges that the objects name, ours or not.
    pub fn pledges_named(&self) -> Vec<String> {
        let named: BTreeSet<&String> = self.objects.iter().filter_map(|object| object.links.pledge.as_ref()).collect();
        named.into_iter().cloned().collect()
    }

    /// The customers that the objects are or name.
    pub fn customers(&self) -> Vec<String> {
        let own = self.objects.iter().filter(|object| object.kind == ObjectKind::Customer).map(|object| &object.id);
        let named = self.objects.iter().filter_map(|object| object.links.customer.as_ref());
        own.chain(named).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The keys of the payments that the objects are about.
    pub fn payment_keys(&self) -> Vec<String> {
        let kinds = [ObjectKind::PaymentIntent, ObjectKind::Invoice];
        let own = self.objects.iter().filter(|object| kinds.contains(&object.kind)).map(|object| &object.id);
        let named = self.objects.iter().flat_map(|o| [&o.links.payment_intent, &o.links.invoice]).flatten();
        own.chain(named).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The keys of those payments that something may have gone back of.
    pub fn reversed_keys(&self) -> Vec<String> {
        let reverses = |object: &Object| {
            matches!(object.kind, ObjectKind::Refund | ObjectKind::Dispute) || object.fact.evidence.refunded_minor > 0
        };
        if self.objects.iter().any(reverses) { self.payment_keys() } else { Vec::new() }
    }

    pub fn subscriptions(&self) -> Vec<String> {
        let own = self.objects.iter().filter(|object| object.kind == ObjectKind::Subscription);
        own.map(|object| object.id.clone()).collect()
    }

    /// The pledges that are known to have ended.
    pub fn ended_pledges(&self) -> Vec<String> {
        let ended = |object: &&Object| object.fact.evidence.ended_at.is_some();
        let pledges = self.objects.iter().filter(ended).filter_map(|object| object.links.pledge.as_ref());
        pledges.collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// Derives payments, statuses and revenue, and returns what is now different. `now` dates what has no time at Stripe.
    pub fn settle(mut self, zone: &TimeZone, now: i64) -> Changes {
        let mut changes = Changes::default();
        let mut revenue = Revenue::default();
        for key in self.payment_keys() {
            let around = self.around(&key);
            let Some(pledge) = around.iter().find_map(|object| self.pledges.get(object.links.pledge.as_ref()?)) else {
                continue;
            };
            let account = payments::account(&key, &pledge.id, pledge.frequency.recurs(), &around, zone);
            let before = self.accounts.remove(&key).unwrap_or_default();
            if account.payment.is_none() {
                continue;
            }
            if account != before {
                revenue.count(pledge, &before, -1);
                revenue.count(pledge, &account, 1);
                changes.note(&before, &account);
            }
            self.accounts.insert(key, account);
        }
        self.settle_pledges(now, &mut changes);
        changes.revenue = revenue.into_changes();
        changes.versions = std::mem::take(&mut self.versions);
        self.take_changed(&mut changes);
        changes
    }

    /// All that a payment is derived from: what names its key, and on from there to its intents, charges, refunds and
    /// disputes, never up to another payment.
    fn around(&self, key: &str) -> Vec<&Object> {
        let mut seen: HashSet<&str> = HashSet::new();
        let mut found: Vec<&Object> = self
            .object(key)
            .into_iter()
            .inspect(|object| {
                seen.insert(&object.id);
            })
            .collect();
        let mut next = vec![key];
        while let Some(id) = next.pop() {
            let own = self.object(id).filter(|_| id != key);
            for object in own.into_iter().chain(self.naming(id)) {
                if !seen.insert(&object.id) {
                    continue;
                }
                found.push(object);
                match object.kind {
                    ObjectKind::InvoicePayment => next.extend(object.links.payment_intent.as_deref()),
                    ObjectKind::PaymentIntent | ObjectKind::Charge => next.push(&object.id),
                    _ => {}
                }
            }
        }
        found.sort_by(|one, two| one.id.cmp(&two.id));
        found
    }

    fn settle_pledges(&self, now: i64, changes: &mut Changes) {
        let mut objects: HashMap<&str, Vec<&Object>> = HashMap::new();
        for object in &self.objects {
            if let Some(pledge) = object.links.pledge.as_deref() {
                objects.entry(pledge).or_default().push(object);
            }
        }
        let mut payments: HashMap<&str, Vec<&Payment>> = HashMap::new();
        for payment in self.accounts.values().filter_map(|account| account.payment.as_ref()) {
            payments.entry(&payment.pledge_id).or_default().push(payment);
        }
        let none = (Vec::new(), Vec::new());
        for pledge in self.pledges.values() {
            let objects = objects.get(pledge.id.as_str()).unwrap_or(&none.0);
            let payments = payments.get(pledge.id.as_str()).unwrap_or(&none.1);
            let derived = self.derive_pledge(pledge, objects, payments, now);
            if derived.paid_after_end_at > pledge.paid_after_end_at {
                changes.paid_after_end.push(pledge.id.clone());
            }
            if derived.spent_at.is_some() && pledge.spent_at.is_none() {
                changes.spent.push(pledge.id.clone());
            }
            if derived != *pledge {
                changes.pledges.push(derived);
            }
        }
    }

    /// What is stored of the changed objects: a pledge that is not ours is not kept as a reference.
    fn take_changed(self, changes: &mut Changes) {
        for (place, mut object) in self.objects.into_iter().enumerate() {
            if self.relinked.contains(&place) {
                if object.links.pledge.as_ref().is_some_and(|pledge| !self.pledges.contains_key(pledge)) {
                    object.links.pledge = None;
                }
                changes.objects.push(object);
            } else if self.changed.contains(&place) {
                changes.facts.push(object);
            }
        }
        // Always in one order, so that processes that change the same rows wait for each other instead of deadlocking.
        changes.objects.sort_by(|one, two| one.id.cmp(&two.id));
        changes.facts.sort_by(|one, two| one.id.cmp(&two.id));
    }

    fn derive_pledge(&self, pledge: &PledgeEntry, objects: &[&Object], payments: &[&Payment], now: i64) -> PledgeEntry {
        // Payments that the news does not touch are not here; what they came to is in the row.
        let known = if self.whole { None } else { pledge.paid_at };
        let paid_at = payments.iter().fold(known, |at, payment| earliest(at, payment.succeeded_at));
        let link =
            |pick: fn(&Object) -> Option<&String>| objects.iter().filter_map(|object| pick(object)).min().cloned();
        let subscription = |object: &Object| object.kind == ObjectKind::Subscription;
        let stripe_subscription_id = link(|object| object.links.subscription.as_ref())
            .or_else(|| objects.iter().find(|object| subscription(object)).map(|object| object.id.clone()));
        let stripe_customer_id = link(|object| object.links.customer.as_ref());
        let recurs = pledge.frequency.recurs();
        let ended_at = statuses::ended_at(objects, recurs);
        let after_end = |at: i64| ended_at.is_some_and(|end| at > end);
        let status = if recurs {
            statuses::recurring_status(objects, paid_at.is_some(), pledge.given_up)
        } else {
            statuses::once_status(objects, payments, pledge.given_up)
        };
        PledgeEntry {
            status,
            settled_at: if status.settled() { pledge.settled_at.or(Some(now)) } else { None },
            paid_at,
            ended_at,
            paid_after_end_at: payments
                .iter()
                .filter_map(|payment| payment.succeeded_at)
                .filter(|at| after_end(*at))
                .max(),
            spent_at: statuses::spent_at(objects, paid_at.is_some()),
            donor_id: self.donor_of_pledge(pledge, objects, stripe_customer_id.as_deref()),
            stripe_subscription_id: stripe_subscription_id.or_else(|| pledge.stripe_subscription_id.clone()),
            stripe_customer_id: stripe_customer_id.or_else(|| pledge.stripe_customer_id.clone()),
            ..pledge.clone()
        }
    }

    /// Who gave. Of a forgotten pledge nothing is learned.
    fn donor_of_pledge(&self, pledge: &PledgeEntry, objects: &[&Object], customer: Option<&str>) -> Option<String> {
        if pledge.forgotten {
            return pledge.donor_id.clone();
        }
        self.donor_of(objects, customer).or_else(|| {
            let gone = customer.is_some_and(|id| self.is_deleted(id));
            if gone { None } else { pledge.donor_id.clone() }
        })
    }

    /// The donor that the newest snapshot names; nobody once the customer was deleted.
    fn donor_of(&self, objects: &[&Object], customer: Option<&str>) -> Option<String> {
        if customer.is_some_and(|id| self.is_deleted(id)) {
            return None;
        }
        let customer = customer.and_then(|id| self.object(id));
        let named = objects.iter().copied().chain(customer).filter(|object| object.donor_id.is_some());
        named
            .max_by_key(|object| (object.fact.donor_as_of, &object.donor_id))
            .and_then(|object| object.donor_id.clone())
    }

    fn is_deleted(&self, customer: &str) -> bool {
        self.object(customer).is_some_and(|object| object.fact.state == State::Customer { deleted: true })
    }
}
