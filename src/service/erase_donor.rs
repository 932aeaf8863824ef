//! Erasing a donor who asks for it: from the command line and from the donor's own page.
//!
//! First Stripe, then here: as long as something there could still charge or tell of them, they are found here. Each step
//! may be repeated, so whoever is interrupted begins again. What stays is money without identity: nothing here touches an
//! amount, a status or a day, and the pledges are marked, so that whatever comes late tells of money only.

use std::collections::BTreeSet;

use serde_json::Value;

use super::event_body;
use super::later::{Desk, LaterError, MANAGE, MANAGE_INDEX, NEWSLETTER, NEWSLETTER_INDEX, REMINDER, REMINDER_INDEX};
use crate::domain::email_address::EmailAddress;
use crate::gateway::checkout::Ending;
use crate::gateway::{CallError, Gateway};
use crate::id::PledgeId;
use crate::store::{BATCH, Indexes, OwnPledge, RowsErased, StoreError, Tx};
use crate::vault::{Place, VaultError};

/// Bodies and requests opened at once.
const PAGE: i64 = 64;

/// Who is to be erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// Whoever has this address.
    Address(EmailAddress),
    /// Whoever made this pledge, and all of theirs.
    Pledge(PledgeId),
}

/// What was, or would be, erased. It says nothing of whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Erased {
    pub donors: u64,
    pub pledges: u64,
    /// Subscriptions that were under way, and are canceled at Stripe.
    pub subscriptions: u64,
    /// Checkouts that may have been open, and are ended at Stripe.
    pub checkouts: u64,
    /// Customers at Stripe that are deleted there.
    pub customers: u64,
    pub reminders: u64,
    pub signups: u64,
    /// Mails that waited to be sent.
    pub mails: u64,
    /// What was asked for and not yet looked at.
    pub requests: u64,
    /// Raw bodies of what Stripe sent.
    pub bodies: u64,
    /// Whether the database's files hold none of it any more; else somebody still reads what was there before.
    pub purged: bool,
}

impl Erased {
    /// Whether there is, or was, anything.
    pub fn is_nothing(&self) -> bool {
        Self { purged: false, ..*self } == Self::default()
    }
}

/// Why somebody was not, or not wholly, erased. The same call goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    Later(#[from] LaterError),
    #[error(transparent)]
    Stripe(#[from] CallError),
    #[error("there is no such pledge")]
    NoPledge,
}

impl From<StoreError> for EraseError {
    fn from(error: StoreError) -> Self {
        Self::Later(error.into())
    }
}

impl From<VaultError> for EraseError {
    fn from(error: VaultError) -> Self {
        Self::Later(error.into())
    }
}

impl EraseError {
    /// What may be written down about it: never a value of a row.
    pub fn code(&self) -> String {
        match self {
            Self::Later(error) => error.code(),
            other => other.to_string(),
        }
    }
}

/// All that was found of a person.
#[derive(Default)]
struct Person {
    address: Option<EmailAddress>,
    donors: Vec<String>,
    pledges: Vec<OwnPledge>,
    /// Ids at Stripe and ours, by which a raw body is known to be about them.
    names: BTreeSet<String>,
}

impl Person {
    fn pledge_ids(&self) -> Vec<String> {
        self.pledges.iter().map(|pledge| pledge.id.clone()).collect()
    }

    fn customers(&self) -> BTreeSet<&String> {
        self.pledges.iter().filter_map(|pledge| pledge.stripe_customer_id.as_ref()).collect()
    }

    /// Whether what Stripe sent is about them.
    fn is_in(&self, body: &[u8]) -> bool {
        let names = |word: &[u8]| std::str::from_utf8(word).is_ok_and(|word| self.names.contains(word));
        if body.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').any(names) {
            return true;
        }
        let Some(address) = &self.address else { return false };
        let text = String::from_utf8_lossy(body).to_lowercase();
        [address.normal(), address.as_str()].iter().any(|address| text.contains(&address.to_lowercase()))
    }
}

/// Erases.
#[derive(Clone, Debug)]
pub struct Eraser {
    pub desk: Desk,
    pub gateway: Gateway,
}

impl Eraser {
    /// Erases all that is known of somebody, or with `dry_run` only counts it.
    pub async fn erase_donor(&self, whom: &Whom, dry_run: bool) -> Result<Erased, EraseError> {
        let mut tx = self.desk.store.begin().await?;
        let mut person = self.find(&mut tx, whom).await?;
        tx.rollback().await?;
        let mut erased = self.leave_stripe(&mut person, dry_run).await?;
        // What is found by ids goes while they are known; what came meanwhile goes behind the marks.
        erased.bodies = self.forget_bodies(&person, dry_run).await?;
        erased.requests = self.forget_requests(&person, dry_run).await?;
        let RowsErased { reminders, signups, mails } = self.forget_rows(whom, &person, dry_run, &mut erased).await?;
        (erased.reminders, erased.signups, erased.mails) = (reminders, signups, mails);
        if !dry_run {
            erased.bodies += self.forget_bodies(&person, dry_run).await?;
            erased.requests += self.forget_requests(&person, dry_run).await?;
            erased.purged = self.desk.store.purge().await?;
        }
        Ok(erased)
    }

    async fn find(&self, tx: &mut Tx, whom: &Whom) -> Result<Person, EraseError> {
        let mut person = Person::default();
        let mut pledges = Vec::new();
        match whom {
            Whom::Address(address) => person.address = Some(address.clone()),
            Whom::Pledge(id) => {
                pledges.push(id.to_string());
                if let Some((donor, sealed)) = tx.address_of(id.as_str()).await? {
                    person.address = self.open(&donor, &sealed)?;
                    person.donors.push(donor);
                }
            }
        }
        if let Some(address) = &person.address {
            let known = tx.donors_known(&self.desk.donor_indexes(address)).await?;
            person.donors.extend(known.into_values().map(|donor| donor.id));
        }
        person.pledges = tx.own_pledges(&person.donors, &pledges).await?;
        if !pledges.is_empty() && person.pledges.is_empty() {
            return Err(EraseError::NoPledge);
        }
        let ids = person.pledge_ids();
        let objects = tx.objects_of(&ids).await?;
        let customers: Vec<String> = person.customers().into_iter().cloned().collect();
        person.donors.extend(person.pledges.iter().filter_map(|pledge| pledge.donor_id.clone()));
        // Addresses that were typed before the newest; who gave besides is somebody else.
        let earlier = objects.iter().filter_map(|(_, donor)| donor.clone()).chain(tx.donors_named(&customers).await?);
        let earlier: BTreeSet<String> = earlier.filter(|donor| !person.donors.contains(donor)).collect();
        let earlier: Vec<String> = earlier.into_iter().collect();
        let giving: BTreeSet<String> = tx.gifts_of(&earlier).await?.into_iter().map(|(donor, _)| donor).collect();
        person.donors.extend(earlier.into_iter().filter(|donor| !giving.contains(donor)));
        person.donors.sort();
        person.donors.dedup();
        let own = |pledge: &OwnPledge| [pledge.stripe_session_id.clone(), pledge.stripe_subscription_id.clone()];
        person.names.extend(person.pledges.iter().flat_map(own).flatten());
        person.names.extend(objects.into_iter().map(|(id, _)| id).chain(customers).chain(ids));
        Ok(person)
    }

    fn open(&self, donor: &str, sealed: &[u8]) -> Result<Option<EmailAddress>, EraseError> {
        if sealed.is_empty() {
            return Ok(None);
        }
        let plain = self.desk.opener.open(Place { table: "donors", column: "email_sealed", id: donor }, sealed)?;
        Ok(std::str::from_utf8(&plain).ok().and_then(|text| EmailAddress::parse(text).ok()))
    }

    /// Ends at Stripe what could still charge them, and deletes what is stored of them there.
    async fn leave_stripe(&self, person: &mut Person, dry_run: bool) -> Result<Erased, EraseError> {
        let mut erased =
            Erased { donors: person.donors.len() as u64, pledges: person.pledges.len() as u64, ..Erased::default() };
        let mut customers: BTreeSet<String> = person.customers().into_iter().cloned().collect();
        let now_ended = |ending: Ending| u64::from(ending == Ending::Now);
        for pledge in &mut person.pledges {
            match (&pledge.stripe_subscription_id, &pledge.stripe_session_id) {
                (Some(id), _) if pledge.ended_at.is_none() => {
                    erased.subscriptions +=
                        if dry_run { 1 } else { now_ended(self.gateway.cancel_subscription(id).await?) };
                }
                (None, Some(id)) if pledge.settled_at.is_none() => {
                    if dry_run {
                        erased.checkouts += 1;
                        continue;
                    }
                    let ending = self.gateway.expire_session(id).await?;
                    erased.checkouts += now_ended(ending);
                    // It was over before we heard of it: what came of it is not known here yet.
                    if ending == Ending::Before {
                        let (subscription, customer) = self.gateway.came_of_session(id).await?;
                        if let Some(id) = &subscription {
                            erased.subscriptions += now_ended(self.gateway.cancel_subscription(id).await?);
                        }
                        customers.extend(customer.clone());
                        (pledge.stripe_subscription_id, pledge.stripe_customer_id) = (subscription, customer);
                    }
                }
                _ => {}
            }
        }
        for id in &customers {
            erased.customers += if dry_run { 1 } else { now_ended(self.gateway.delete_customer(id).await?) };
        }
        Ok(erased)
    }

    /// Marks their pledges and empties all rows about them, in one transaction.
    async fn forget_rows(
        &self,
        whom: &Whom,
        person: &Person,
        dry_run: bool,
        erased: &mut Erased,
    ) -> Result<RowsErased, EraseError> {
        let now = self.desk.clock.now();
        let mut tx = self.desk.store.begin().await?;
        // Nothing is applied meanwhile, and what came since they were looked for is found too.
        tx.take_turn().await?;
        let again = self.find(&mut tx, whom).await?;
        let donors: BTreeSet<&String> = person.donors.iter().chain(&again.donors).collect();
        let donors: Vec<String> = donors.into_iter().cloned().collect();
        let pledges: Vec<String> = again.pledge_ids();
        erased.donors = donors.len() as u64;
        erased.pledges = pledges.len() as u64;
        let mut rows = RowsErased::default();
        if let Some(address) = person.address.as_ref().or(again.address.as_ref()) {
            let indexes = Indexes {
                mail: self.desk.mail_index(address),
                reminder: self.desk.index_of(REMINDER_INDEX, address),
                newsletter: self.desk.index_of(NEWSLETTER_INDEX, address),
                manage: self.desk.index_of(MANAGE_INDEX, address),
            };
            rows = tx.erase_rows(&indexes, now).await?;
        }
        for OwnPledge { id, stripe_subscription_id, stripe_customer_id, .. } in &person.pledges {
            tx.note_came_of(id, stripe_subscription_id.as_deref(), stripe_customer_id.as_deref()).await?;
        }
        for ids in pledges.chunks(BATCH) {
            tx.forget_pledges(ids, now).await?;
        }
        tx.forget_donors(&donors, now).await?;
        if dry_run {
            tx.rollback().await?;
        } else {
            tx.commit().await?;
        }
        Ok(rows)
    }

    /// Deletes the raw bodies that name them; those of other products too. What cannot be opened names nobody to us.
    async fn forget_bodies(&self, person: &Person, dry_run: bool) -> Result<u64, EraseError> {
        let (mut after, mut forgotten) = (String::new(), 0);
        loop {
            let bodies = self.desk.store.bodies_after(&after, PAGE).await?;
            let Some((last, _)) = bodies.last() else { return Ok(forgotten) };
            after.clone_from(last);
            let theirs: Vec<&str> = bodies
                .iter()
                .filter(|(id, body)| {
                    event_body::open(&self.desk.opener, id, body).is_ok_and(|body| person.is_in(&body))
                })
                .map(|(id, _)| id.as_str())
                .collect();
            forgotten += theirs.len() as u64;
            // What waits to be applied is needed for its money, and goes once it is applied.
            if !dry_run && !theirs.is_empty() {
                let mut tx = self.desk.store.begin().await?;
                tx.delete_applied_bodies(&theirs).await?;
                tx.commit().await?;
            }
        }
    }

    /// Deletes what they asked for and nobody has looked at.
    async fn forget_requests(&self, person: &Person, dry_run: bool) -> Result<u64, EraseError> {
        let Some(address) = &person.address else { return Ok(0) };
        let (mut after, mut forgotten) = (String::new(), 0);
        loop {
            let requests = self.desk.store.requests_after(&after, PAGE).await?;
            let Some((last, ..)) = requests.last() else { return Ok(forgotten) };
            after.clone_from(last);
            let theirs: Vec<String> = requests
                .into_iter()
                .filter(|(_, kind, _)| [REMINDER, NEWSLETTER, MANAGE].contains(&kind.as_str()))
                .filter(|(id, _, body)| {
                    let asked = self.desk.open_request::<Value>(id, body).ok();
                    let email = asked.as_ref().and_then(|asked| asked["email"].as_str());
                    let email = email.and_then(|email| EmailAddress::parse(email).ok());
                    email.is_some_and(|email| email.normal().eq_ignore_ascii_case(address.normal()))
                })
                .map(|(id, ..)| id)
                .collect();
            forgotten += theirs.len() as u64;
            if !dry_run && !theirs.is_empty() {
                let mut tx = self.desk.store.begin().await?;
                tx.delete_requests(&theirs).await?;
                tx.commit().await?;
            }
        }
    }
}
