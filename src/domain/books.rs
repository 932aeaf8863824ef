//! The books of a few pledges, in memory: from facts to payments, statuses and the day's revenue.
//!
//! [`Books`] is loaded with all facts that some news touches, takes the news in, and says which rows are now different.
//! Everything it derives is a pure function of the facts, so repeating or reordering news changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::tz::TimeZone;

use super::calendar::day_of;
use super::facts::{Object, ObjectKind, State, earliest};
use super::pledge::{Frequency, PledgeStatus, words};

words! {
    /// How a payment stands.
    PaymentStatus {
        Pending = "pending",
        Processing = "processing",
        Succeeded = "succeeded",
        Failed = "failed",
        Canceled = "canceled",
    }
}

/// What the books need of a pledge, and what they decide about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PledgeEntry {
    pub id: String,
    pub campaign: String,
    pub source: String,
    pub frequency: Frequency,
    /// Whether we found that no checkout session was ever made.
    pub given_up: bool,
    pub status: PledgeStatus,
    pub settled_at: Option<i64>,
    pub paid_at: Option<i64>,
    pub stripe_subscription_id: Option<String>,
    pub stripe_customer_id: Option<String>,
    pub donor_id: Option<String>,
}

/// One attempt to move money: keyed by the invoice for recurring gifts, by the payment intent for one-time ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub stripe_key: String,
    pub pledge_id: String,
    pub status: PaymentStatus,
    pub amount_minor: i64,
    /// ISO 4217, upper case.
    pub currency: String,
    pub succeeded_at: Option<i64>,
    /// The newsroom's day of `succeeded_at`.
    pub day: Option<i64>,
    pub stripe_charge_id: Option<String>,
    pub stripe_balance_transaction_id: Option<String>,
}

/// Which line of the daily revenue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevenueKey {
    pub day: i64,
    pub currency: String,
    pub frequency: Frequency,
    pub campaign: String,
    pub source: String,
}

/// By how much a line of the daily revenue changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RevenueChange {
    pub payments: i64,
    pub gross_minor: i64,
}

/// The rows that are different now.
#[derive(Debug, Default)]
pub struct Changes {
    pub objects: Vec<Object>,
    pub payments: Vec<Payment>,
    pub pledges: Vec<PledgeEntry>,
    pub revenue: Vec<(RevenueKey, RevenueChange)>,
}

/// All facts that some news touches.
#[derive(Debug, Default)]
pub struct Books {
    objects: BTreeMap<String, Object>,
    pledges: HashMap<String, PledgeEntry>,
    payments: HashMap<String, Payment>,
    changed: BTreeSet<String>,
}

impl Books {
    /// An object as stored.
    pub fn load_object(&mut self, object: Object) {
        self.objects.insert(object.id.clone(), object);
    }

    /// An object as stored, unless a newer form of it is in these books.
    pub fn load_missing(&mut self, object: Object) {
        self.objects.entry(object.id.clone()).or_insert(object);
    }

    pub fn load_pledge(&mut self, pledge: PledgeEntry) {
        self.pledges.insert(pledge.id.clone(), pledge);
    }

    pub fn load_payment(&mut self, payment: Payment) {
        self.payments.insert(payment.stripe_key.clone(), payment);
    }

    /// Takes in what an event said.
    pub fn hear(&mut self, news: Object) {
        if let Some(known) = self.objects.get_mut(&news.id) {
            let before = known.clone();
            known.join(news);
            if *known != before {
                self.changed.insert(before.id);
            }
        } else {
            self.changed.insert(news.id.clone());
            self.objects.insert(news.id.clone(), news);
        }
    }

    /// Finds the pledge of every object that does not name one itself, over the objects that name each other. To be
    /// called once after all news, before [`Books::pledges_named`].
    pub fn link(&mut self) {
        // The longest chain is charge, payment intent, invoice payment, invoice, subscription, session.
        for _ in 0..6 {
            let found: Vec<(String, String)> = self
                .objects
                .values()
                .filter(|object| object.links.pledge.is_none() && object.kind != ObjectKind::Customer)
                .filter_map(|object| Some((object.id.clone(), self.pledge_by_links(object)?)))
                .collect();
            if found.is_empty() {
                return;
            }
            for (id, pledge) in found {
                if let Some(object) = self.objects.get_mut(&id) {
                    object.links.pledge = Some(pledge);
                    self.changed.insert(id);
                }
            }
        }
    }

    fn pledge_by_links(&self, object: &Object) -> Option<String> {
        let named = [&object.links.payment_intent, &object.links.invoice, &object.links.subscription];
        let down = named.into_iter().flatten().find_map(|id| self.objects.get(id)?.links.pledge.clone());
        let names_it = |other: &&Object| match object.kind {
            ObjectKind::PaymentIntent => other.links.payment_intent.as_deref() == Some(&object.id),
            ObjectKind::Invoice => other.links.invoice.as_deref() == Some(&object.id),
            ObjectKind::Subscription => other.links.subscription.as_deref() == Some(&object.id),
            _ => false,
        };
        down.or_else(|| self.objects.values().filter(names_it).find_map(|other| other.links.pledge.clone()))
    }

    /// The pledges that the objects name, ours or not.
    pub fn pledges_named(&self) -> Vec<String> {
        let named: BTreeSet<&String> =
            self.objects.values().filter_map(|object| object.links.pledge.as_ref()).collect();
        named.into_iter().cloned().collect()
    }

    /// The customers that the objects are or name.
    pub fn customers(&self) -> Vec<String> {
        let own = self.objects.values().filter(|object| object.kind == ObjectKind::Customer).map(|object| &object.id);
        let named = self.objects.values().filter_map(|object| object.links.customer.as_ref());
        own.chain(named).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// The keys of the payments that the objects are about.
    pub fn payment_keys(&self) -> Vec<String> {
        let kinds = [ObjectKind::PaymentIntent, ObjectKind::Invoice];
        let own = self.objects.values().filter(|object| kinds.contains(&object.kind)).map(|object| &object.id);
        let named = self.objects.values().flat_map(|o| [&o.links.payment_intent, &o.links.invoice]).flatten();
        own.chain(named).collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// Derives payments, statuses and revenue, and returns what is now different. `now` dates what has no time at Stripe.
    pub fn settle(mut self, zone: &TimeZone, now: i64) -> Changes {
        let mut changes = Changes::default();
        let mut revenue: BTreeMap<RevenueKey, RevenueChange> = BTreeMap::new();
        for key in self.payment_keys() {
            let Some(payment) = self.derive_payment(&key, zone) else { continue };
            let before = self.payments.get(&key);
            if before == Some(&payment) {
                continue;
            }
            if let Some(pledge) = self.pledges.get(&payment.pledge_id) {
                for (payment, sign) in before.map(|before| (before, -1)).into_iter().chain([(&payment, 1)]) {
                    count(&mut revenue, pledge, payment, sign);
                }
            }
            changes.payments.push(payment.clone());
            self.payments.insert(key, payment);
        }
        for pledge in self.pledges.values() {
            let derived = self.derive_pledge(pledge, now);
            if derived != *pledge {
                changes.pledges.push(derived);
            }
        }
        changes.pledges.sort_by(|one, two| one.id.cmp(&two.id));
        changes.revenue = revenue.into_iter().filter(|(_, change)| *change != RevenueChange::default()).collect();
        changes.objects = self.take_changed();
        changes
    }

    /// What is stored of the changed objects: a pledge that is not ours is not kept as a reference.
    fn take_changed(&mut self) -> Vec<Object> {
        let changed = std::mem::take(&mut self.changed);
        let mut objects: Vec<Object> = changed.iter().filter_map(|id| self.objects.remove(id)).collect();
        for object in &mut objects {
            if object.links.pledge.as_ref().is_some_and(|pledge| !self.pledges.contains_key(pledge)) {
                object.links.pledge = None;
            }
        }
        objects
    }

    fn derive_payment(&self, key: &str, zone: &TimeZone) -> Option<Payment> {
        let about = |object: &&Object| {
            object.id == key
                || object.links.payment_intent.as_deref() == Some(key)
                || object.links.invoice.as_deref() == Some(key)
        };
        let group: Vec<&Object> = self.objects.values().filter(about).collect();
        let pledge = group.iter().find_map(|object| self.pledges.get(object.links.pledge.as_ref()?))?;
        let mut payment = match (pledge.frequency.recurs(), key.starts_with("in_")) {
            (true, true) => self.invoice_payment(key, &group)?,
            (false, false) => once_payment(key, &group)?,
            // The payment intent behind an invoice only enriches the invoice's payment.
            _ => return None,
        };
        payment.pledge_id.clone_from(&pledge.id);
        payment.day = payment.succeeded_at.map(|at| day_of(at, zone));
        Some(payment)
    }

    fn invoice_payment(&self, key: &str, group: &[&Object]) -> Option<Payment> {
        let invoice = self.objects.get(key)?;
        let State::Invoice { status, due_minor, paid_minor, currency } = &invoice.fact.state else { return None };
        let paid = status == "paid" && *paid_minor > 0;
        if !paid && *due_minor <= 0 {
            return None;
        }
        let failed = invoice.fact.failed_at.is_some();
        let intents: Vec<&str> = group
            .iter()
            .filter(|object| object.kind == ObjectKind::InvoicePayment)
            .filter_map(|object| object.links.payment_intent.as_deref())
            .collect();
        let named = |object: &&Object| object.links.payment_intent.as_deref().is_some_and(|pi| intents.contains(&pi));
        let charges = self.objects.values().filter(named);
        let (stripe_charge_id, stripe_balance_transaction_id) = charge_of(charges);
        Some(Payment {
            stripe_key: key.to_owned(),
            pledge_id: String::new(),
            status: match status.as_str() {
                "paid" if paid => PaymentStatus::Succeeded,
                "void" => PaymentStatus::Canceled,
                "uncollectible" => PaymentStatus::Failed,
                "open" if failed => PaymentStatus::Failed,
                _ => PaymentStatus::Pending,
            },
            amount_minor: if paid { *paid_minor } else { *due_minor },
            currency: currency.clone(),
            succeeded_at: if paid { invoice.fact.succeeded_at } else { None },
            day: None,
            stripe_charge_id,
            stripe_balance_transaction_id,
        })
    }

    fn derive_pledge(&self, pledge: &PledgeEntry, now: i64) -> PledgeEntry {
        let objects: Vec<&Object> =
            self.objects.values().filter(|object| object.links.pledge.as_ref() == Some(&pledge.id)).collect();
        let payments: Vec<&Payment> = self.payments.values().filter(|payment| payment.pledge_id == pledge.id).collect();
        let paid_at = payments.iter().fold(pledge.paid_at, |at, payment| earliest(at, payment.succeeded_at));
        let link =
            |pick: fn(&Object) -> Option<&String>| objects.iter().filter_map(|object| pick(object)).min().cloned();
        let subscription = |object: &Object| object.kind == ObjectKind::Subscription;
        let stripe_subscription_id = link(|object| object.links.subscription.as_ref())
            .or_else(|| objects.iter().find(|object| subscription(object)).map(|object| object.id.clone()));
        let stripe_customer_id = link(|object| object.links.customer.as_ref());
        let status = if pledge.frequency.recurs() {
            recurring_status(&objects, paid_at.is_some(), pledge.given_up)
        } else {
            once_status(&objects, &payments, pledge.given_up)
        };
        PledgeEntry {
            status,
            settled_at: if status.settled() { pledge.settled_at.or(Some(now)) } else { None },
            paid_at,
            donor_id: self.donor_of(&objects, stripe_customer_id.as_deref()).or_else(|| {
                let gone = stripe_customer_id.as_ref().is_some_and(|id| self.is_deleted(id));
                if gone { None } else { pledge.donor_id.clone() }
            }),
            stripe_subscription_id: stripe_subscription_id.or_else(|| pledge.stripe_subscription_id.clone()),
            stripe_customer_id: stripe_customer_id.or_else(|| pledge.stripe_customer_id.clone()),
            ..pledge.clone()
        }
    }

    /// The donor that the newest snapshot names; nobody once the customer was deleted.
    fn donor_of(&self, objects: &[&Object], customer: Option<&str>) -> Option<String> {
        if customer.is_some_and(|id| self.is_deleted(id)) {
            return None;
        }
        let customer = customer.and_then(|id| self.objects.get(id));
        let named = objects.iter().copied().chain(customer).filter(|object| object.donor_id.is_some());
        named
            .max_by_key(|object| (object.fact.donor_as_of, &object.donor_id))
            .and_then(|object| object.donor_id.clone())
    }

    fn is_deleted(&self, customer: &str) -> bool {
        self.objects.get(customer).is_some_and(|object| object.fact.state == State::Customer { deleted: true })
    }
}

fn count(revenue: &mut BTreeMap<RevenueKey, RevenueChange>, pledge: &PledgeEntry, payment: &Payment, sign: i64) {
    let (PaymentStatus::Succeeded, Some(day)) = (payment.status, payment.day) else { return };
    let key = RevenueKey {
        day,
        currency: payment.currency.clone(),
        frequency: pledge.frequency,
        campaign: pledge.campaign.clone(),
        source: pledge.source.clone(),
    };
    let change = revenue.entry(key).or_default();
    change.payments += sign;
    change.gross_minor = change.gross_minor.saturating_add(payment.amount_minor.saturating_mul(sign));
}

/// The charge that brought the money, and where Stripe booked it.
fn charge_of<'a>(objects: impl Iterator<Item = &'a Object>) -> (Option<String>, Option<String>) {
    let succeeded = objects.filter_map(|object| match &object.fact.state {
        State::Charge { status, balance_transaction, .. } if status == "succeeded" => {
            Some((object.id.clone(), balance_transaction.clone()))
        }
        _ => None,
    });
    succeeded.min().map_or((None, None), |(charge, booked)| (Some(charge), booked))
}

fn once_payment(key: &str, group: &[&Object]) -> Option<Payment> {
    // What each object says of the amount and the outcome; a payment intent is believed before its charge, a charge
    // before the session.
    let mut said: Vec<(u8, i64, &String, PaymentStatus)> = Vec::new();
    let mut succeeded_at = None;
    for object in group {
        let failed = object.fact.failed_at.is_some();
        said.push(match &object.fact.state {
            State::PaymentIntent { status, amount_minor, received_minor, currency } => {
                let status = match status.as_str() {
                    "succeeded" => PaymentStatus::Succeeded,
                    "canceled" => PaymentStatus::Canceled,
                    "processing" => PaymentStatus::Processing,
                    _ if failed => PaymentStatus::Failed,
                    _ => PaymentStatus::Pending,
                };
                (0, if status == PaymentStatus::Succeeded { *received_minor } else { *amount_minor }, currency, status)
            }
            State::Charge { status, amount_minor, currency, .. } => {
                let status = match status.as_str() {
                    "succeeded" => PaymentStatus::Succeeded,
                    "failed" => PaymentStatus::Failed,
                    _ => PaymentStatus::Processing,
                };
                (1, *amount_minor, currency, status)
            }
            State::Session { status, payment_status, amount_minor, currency } => {
                let status = match (status.as_str(), payment_status.as_str()) {
                    ("complete", "paid") => PaymentStatus::Succeeded,
                    ("complete", _) if failed => PaymentStatus::Failed,
                    ("complete", _) => PaymentStatus::Processing,
                    _ => PaymentStatus::Pending,
                };
                (2, *amount_minor, currency, status)
            }
            _ => continue,
        });
        succeeded_at = earliest(succeeded_at, object.fact.succeeded_at);
    }
    said.sort_by_key(|(trust, ..)| *trust);
    let succeeded = said.iter().find(|(.., status)| *status == PaymentStatus::Succeeded);
    let (_, amount_minor, currency, status) = *succeeded.or_else(|| said.first())?;
    let (stripe_charge_id, stripe_balance_transaction_id) = charge_of(group.iter().copied());
    Some(Payment {
        stripe_key: key.to_owned(),
        pledge_id: String::new(),
        status,
        amount_minor,
        currency: currency.clone(),
        succeeded_at: if status == PaymentStatus::Succeeded { succeeded_at } else { None },
        day: None,
        stripe_charge_id,
        stripe_balance_transaction_id,
    })
}

/// (complete, expired, paid, failed later) of the pledge's sessions together.
fn sessions(objects: &[&Object]) -> (bool, bool, bool, bool) {
    objects.iter().fold((false, false, false, false), |(complete, expired, paid, failed), object| {
        let State::Session { status, payment_status, .. } = &object.fact.state else {
            return (complete, expired, paid, failed);
        };
        (
            complete || status == "complete",
            expired || status == "expired",
            paid || (status == "complete" && payment_status != "unpaid"),
            failed || object.fact.failed_at.is_some(),
        )
    })
}

fn once_status(objects: &[&Object], payments: &[&Payment], given_up: bool) -> PledgeStatus {
    let (complete, expired, paid, failed_later) = sessions(objects);
    let any = |status: PaymentStatus| payments.iter().any(|payment| payment.status == status);
    if paid || any(PaymentStatus::Succeeded) {
        PledgeStatus::Paid
    } else if complete && (failed_later || any(PaymentStatus::Failed)) {
        PledgeStatus::Failed
    } else if complete || any(PaymentStatus::Processing) {
        PledgeStatus::Processing
    } else if expired || given_up {
        PledgeStatus::Expired
    } else if any(PaymentStatus::Canceled) {
        PledgeStatus::Canceled
    } else {
        PledgeStatus::Open
    }
}

fn recurring_status(objects: &[&Object], has_money: bool, given_up: bool) -> PledgeStatus {
    let (complete, expired, paid, _) = sessions(objects);
    let subscription = objects.iter().find_map(|object| match &object.fact.state {
        State::Subscription { status, paused, .. } => Some((status.as_str(), *paused)),
        _ => None,
    });
    match subscription {
        Some(("active" | "trialing", true) | ("paused", _)) => PledgeStatus::Paused,
        Some(("active" | "trialing", false)) => PledgeStatus::Active,
        Some(("past_due" | "unpaid", _)) => PledgeStatus::PastDue,
        Some(("canceled", _)) => PledgeStatus::Canceled,
        Some(("incomplete_expired", _)) => PledgeStatus::Failed,
        // `incomplete`, and words Stripe may add: what the money and the session say.
        _ if has_money || paid => PledgeStatus::Active,
        _ if complete => PledgeStatus::Processing,
        _ if expired || given_up => PledgeStatus::Expired,
        _ => PledgeStatus::Open,
    }
}
