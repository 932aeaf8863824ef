//! Working off what readers asked for: opens it, looks the address up, and decides whether a confirmation is written.
//!
//! Whatever it decides, nobody outside can tell. Invariants: at most one confirmation for an address and a day; none for
//! whoever asked never to be written to or whose address gets no mail; a request that cannot be read is in nobody's way.

use std::collections::BTreeMap;

use serde_json::json;

use crate::clock::{DAY, HOUR, MINUTE};
use crate::domain::bounce::Undeliverable;
use crate::domain::calendar;
use crate::domain::email::EmailKind;
use crate::domain::email_address::EmailAddress;
use crate::domain::language::Language;
use crate::domain::new_reminder::{NewReminder, NewSignup};
use crate::domain::reminder::{Schedule, send_at};
use crate::gateway::Gateway;
use crate::id::{PledgeId, ReminderId, SignupId};
use crate::service::erase_donor::{EraseError, Eraser, Whom};
use crate::service::later::{
    BOUNCES, Desk, Draft, ERASE, LaterError, MANAGE, MANAGE_PLEDGE, NEWSLETTER, NEWSLETTER_INDEX, REMINDER,
    REMINDER_INDEX,
};
use crate::service::manage::{LINK_LIFE, LINKS_PER_HOUR, NewErase, NewManage, NewManageOfPledge};
use crate::store::{LeasedRequest, MAX_ATTEMPTS, NewReminderRow, NewSignupRow, StoreError, Tx};
use crate::vault::Place;

/// How long a worker may hold requests, in seconds.
const LEASE: i64 = 60;
/// How many it takes at once.
const BATCH: i64 = 64;
/// How long Stripe is left alone when it did not do its part, in seconds. That is never held against a request.
const STRIPE_PAUSE: i64 = 5 * MINUTE;
/// How long a confirmation is tried to be sent, in seconds.
const PATIENCE: i64 = 2 * DAY;

/// Works off requests.
#[derive(Clone, Debug)]
pub struct RequestWorker {
    desk: Desk,
    /// Somebody who asks to be erased is erased at Stripe too.
    gateway: Gateway,
    /// Names this worker's leases.
    token: String,
}

/// Who asked for a link, as the mail puts it into words.
#[derive(Clone, Copy)]
enum AskedBy {
    Donor,
    Newsroom,
}

impl RequestWorker {
    pub fn new(desk: Desk, gateway: Gateway) -> Self {
        Self { token: desk.random.hex(), desk, gateway }
    }

    /// Works off one batch of requests; how many there were.
    pub async fn run_once(&self) -> Result<usize, StoreError> {
        let now = self.desk.clock.now();
        let leased = self.desk.store.lease_requests(&self.token, now, now + LEASE, BATCH).await?;
        for request in &leased {
            crate::crash::passing("request leased");
            match self.work(request, now).await {
                Ok(()) => {}
                Err(LaterError::Store(StoreError::LeaseLost)) => {
                    tracing::warn!(request = request.id, "the lease on a request was lost; another worker has it");
                }
                Err(LaterError::Store(error)) if error.is_outage() => return Err(error),
                Err(error) => self.failed(request, &error, now).await?,
            }
        }
        Ok(leased.len())
    }

    async fn failed(&self, request: &LeasedRequest, error: &LaterError, now: i64) -> Result<(), StoreError> {
        let (id, reason) = (request.id.as_str(), error.code());
        if error.is_stripes() {
            tracing::warn!(request = id, reason, "a request waits for Stripe");
            return self.desk.store.postpone_request(id, &self.token, now + STRIPE_PAUSE, true).await;
        }
        if request.attempts >= MAX_ATTEMPTS {
            tracing::error!(request = id, reason, "a request was parked");
        } else {
            tracing::warn!(request = id, reason, "a request could not be worked off; trying again later");
        }
        let doublings = u32::try_from(request.attempts.clamp(1, 16) - 1).unwrap_or(0);
        let pause = (MINUTE / 6 * 2_i64.pow(doublings)).min(HOUR);
        self.desk.store.postpone_request(id, &self.token, now + pause, false).await
    }

    async fn work(&self, request: &LeasedRequest, now: i64) -> Result<(), LaterError> {
        match request.kind.as_str() {
            REMINDER => self.reminder(request, now).await,
            NEWSLETTER => self.newsletter(request, now).await,
            BOUNCES => self.bounces(request, now).await,
            MANAGE => self.manage(request, now).await,
            MANAGE_PLEDGE => self.manage_pledge(request, now).await,
            ERASE => self.erase(request).await,
            _ => Err(LaterError::Unreadable("request")),
        }
    }

    async fn reminder(&self, request: &LeasedRequest, now: i64) -> Result<(), LaterError> {
        let desk = &self.desk;
        let asked: NewReminder = desk.open_request(&request.id, &request.body)?;
        let unreadable = || LaterError::Unreadable("request");
        let address = EmailAddress::parse(&asked.email).map_err(|_| unreadable())?;
        let schedule = asked.schedule().ok_or_else(unreadable)?;
        let language = Language::parse(&asked.language).ok_or_else(unreadable)?;
        let campaign = desk.store.campaign(&asked.campaign).await?.ok_or_else(unreadable)?;
        let id = ReminderId::new(&desk.random).to_string();
        let (contact, token) = desk.new_contact("reminders", REMINDER_INDEX, &id, &address)?;
        let draft = Draft {
            cause: format!("reminder_confirmation:{id}"),
            kind: EmailKind::ReminderConfirmation,
            language,
            recipient: &address,
            facts: json!({
                "campaign_name": campaign.heading(language),
                "confirm_url": self.link("r", &token, language),
                "never_url": self.link("r", &format!("{token}/never"), language),
                "due_on": schedule.due_on().to_string(),
                "mails": schedule.reminders(),
                "asked_on": desk.day(request.created_at).to_string(),
            }),
            patience: PATIENCE,
        };
        let mail = desk.mail(&desk.sealer.data_key()?, &draft, now)?;
        let mut row = self.reminder_row(id, asked, schedule, request.created_at, now);
        let mut tx = desk.store.begin().await?;
        let refusal = match self.refusal(&mut tx, &contact.email_index, &address).await? {
            None if tx.reminder_confirmed_since(&contact.email_index, request.created_at - DAY).await? => {
                Some("confirmation_sent".to_owned())
            }
            refusal => refusal,
        };
        if refusal.is_some() {
            row.reason = refusal;
            tx.insert_reminder(&row).await?;
        } else {
            row.contact = Some(contact);
            tx.insert_reminder(&row).await?;
            tx.put_emails(&[mail]).await?;
        }
        self.finish(tx, request).await
    }

    fn reminder_row(
        &self,
        id: String,
        asked: NewReminder,
        schedule: Schedule,
        asked_at: i64,
        now: i64,
    ) -> NewReminderRow {
        NewReminderRow {
            id,
            contact: None,
            reason: None,
            due_on: calendar::number_of(schedule.due_on()),
            due_at: send_at(schedule.due_on(), self.desk.hour, &self.desk.zone),
            anchor_on: asked.anchor_on,
            months: i64::from(schedule.months),
            recurring_months: schedule.every.map(i64::from),
            until_months: i64::from(schedule.until),
            frequency: asked.frequency,
            amount_minor: asked.amount_minor,
            currency: asked.currency,
            campaign: asked.campaign,
            language: asked.language,
            component: asked.component,
            consent_version: asked.consent_version,
            created_at: asked_at,
            now,
        }
    }

    async fn newsletter(&self, request: &LeasedRequest, now: i64) -> Result<(), LaterError> {
        let desk = &self.desk;
        let asked: NewSignup = desk.open_request(&request.id, &request.body)?;
        let unreadable = || LaterError::Unreadable("request");
        let address = EmailAddress::parse(&asked.email).map_err(|_| unreadable())?;
        let language = Language::parse(&asked.language).ok_or_else(unreadable)?;
        let campaign = desk.store.campaign(crate::domain::campaign::DEFAULT).await?.ok_or_else(unreadable)?;
        let id = SignupId::new(&desk.random).to_string();
        let (contact, token) = desk.new_contact("newsletter_signups", NEWSLETTER_INDEX, &id, &address)?;
        let draft = Draft {
            cause: format!("newsletter_confirmation:{id}"),
            kind: EmailKind::NewsletterConfirmation,
            language,
            recipient: &address,
            facts: json!({
                "campaign_name": campaign.heading(language),
                "confirm_url": self.link("n", &token, language),
                "never_url": self.link("n", &format!("{token}/never"), language),
                "asked_on": desk.day(request.created_at).to_string(),
                "list": asked.list,
            }),
            patience: PATIENCE,
        };
        let mail = desk.mail(&desk.sealer.data_key()?, &draft, now)?;
        let row = NewSignupRow {
            id,
            contact,
            list: asked.list,
            language: asked.language,
            consent_version: asked.consent_version,
            created_at: request.created_at,
        };
        let mut tx = desk.store.begin().await?;
        let index = &row.contact.email_index;
        let refused = self.refusal(&mut tx, index, &address).await?.is_some();
        if !refused && !tx.signup_known(index, request.created_at - DAY).await? {
            tx.insert_signup(&row).await?;
            tx.put_emails(&[mail]).await?;
        }
        self.finish(tx, request).await
    }

    /// Sends no mail to those of whom a mail service said that it comes back or is not wanted.
    async fn bounces(&self, request: &LeasedRequest, now: i64) -> Result<(), LaterError> {
        let told: Vec<Undeliverable> = self.desk.open_request(&request.id, &request.body)?;
        let mut suppressed = BTreeMap::new();
        for Undeliverable { email, reason } in told {
            let address = EmailAddress::parse(&email).map_err(|_| LaterError::Unreadable("request"))?;
            suppressed.entry(self.desk.mail_index(&address)).or_insert(reason.as_str());
        }
        // In one order, so that two workers never wait for each other.
        let suppressed: Vec<_> = suppressed.into_iter().collect();
        let mut tx = self.desk.store.begin().await?;
        tx.suppress(&suppressed, now).await?;
        self.finish(tx, request).await
    }

    async fn manage(&self, request: &LeasedRequest, now: i64) -> Result<(), LaterError> {
        let asked: NewManage = self.desk.open_request(&request.id, &request.body)?;
        let unreadable = || LaterError::Unreadable("request");
        let address = EmailAddress::parse(&asked.email).map_err(|_| unreadable())?;
        let language = Language::parse(&asked.language).ok_or_else(unreadable)?;
        self.mail_link(request, &address, language, AskedBy::Donor, now).await
    }

    /// The newsroom asks for it: to whom it goes is known here only.
    async fn manage_pledge(&self, request: &LeasedRequest, now: i64) -> Result<(), LaterError> {
        let NewManageOfPledge { pledge } = self.desk.open_request(&request.id, &request.body)?;
        let mut tx = self.desk.store.begin().await?;
        let known = tx.address_of(&pledge).await?.filter(|(_, sealed)| !sealed.is_empty());
        let Some((donor, sealed)) = known else {
            // Forgotten since it was asked for.
            return self.finish(tx, request).await;
        };
        tx.rollback().await?;
        let unreadable = || LaterError::Unreadable("address");
        let place = Place { table: "donors", column: "email_sealed", id: &donor };
        let plain = self.desk.opener.open(place, &sealed)?;
        let address = std::str::from_utf8(&plain).ok().and_then(|text| EmailAddress::parse(text).ok());
        let id = PledgeId::parse(&pledge).map_err(|_| unreadable())?;
        let pledge = self.desk.store.pledge(&id).await?.ok_or_else(unreadable)?;
        let campaign = self.desk.store.campaign(&pledge.campaign).await?.ok_or_else(unreadable)?;
        let language = pledge.locale.as_deref().and_then(Language::parse).unwrap_or(campaign.default_language);
        self.mail_link(request, &address.ok_or_else(unreadable)?, language, AskedBy::Newsroom, now).await
    }

    /// Mails a link to whoever is known, and not more often than [`LINKS_PER_HOUR`].
    async fn mail_link(
        &self,
        request: &LeasedRequest,
        address: &EmailAddress,
        language: Language,
        by: AskedBy,
        now: i64,
    ) -> Result<(), LaterError> {
        let desk = &self.desk;
        let unreadable = || LaterError::Unreadable("request");
        let campaign = desk.store.campaign(crate::domain::campaign::DEFAULT).await?.ok_or_else(unreadable)?;
        let (link, token) = desk.new_manage_link(address, now)?;
        let draft = Draft {
            cause: format!("manage_link:{}", link.id),
            kind: EmailKind::ManageLink,
            language,
            recipient: address,
            facts: json!({
                "campaign_name": campaign.heading(language),
                "continue_url": self.link("m", &token, language),
                "asked_on": desk.day(request.created_at).to_string(),
                "asked_by": match by { AskedBy::Donor => "donor", AskedBy::Newsroom => "newsroom" },
                "minutes": LINK_LIFE / MINUTE,
            }),
            patience: LINK_LIFE,
        };
        let mail = desk.mail(&desk.sealer.data_key()?, &draft, now)?;
        let (reminder, newsletter) = desk.list_indexes(address);
        let mut tx = desk.store.begin().await?;
        // One after another, also of two workers: or each could think that it makes the last of the hour.
        tx.take_turn().await?;
        if tx.is_known(&desk.donor_indexes(address), &reminder, &newsletter).await?
            && tx.manage_links_since(&link.email_index, now - HOUR).await? < LINKS_PER_HOUR
        {
            tx.insert_manage_link(&link).await?;
            tx.put_emails(&[mail]).await?;
        }
        self.finish(tx, request).await
    }

    /// Erases whoever asked for it; what they asked with is gone with the rest.
    async fn erase(&self, request: &LeasedRequest) -> Result<(), LaterError> {
        let NewErase { email } = self.desk.open_request(&request.id, &request.body)?;
        let address = EmailAddress::parse(&email).map_err(|_| LaterError::Unreadable("request"))?;
        let work = Eraser { desk: self.desk.clone(), gateway: self.gateway.clone() };
        let erased = work.erase_donor(&Whom::Address(address), false).await;
        erased.map_err(|error| match error {
            EraseError::Later(error) => error,
            EraseError::Stripe(error) => error.into(),
            EraseError::NoPledge => LaterError::Unreadable("request"),
        })?;
        let tx = self.desk.store.begin().await?;
        self.finish(tx, request).await?;
        self.desk.store.purge().await?;
        Ok(())
    }

    /// Commits what a request came to, and that it came to it.
    async fn finish(&self, mut tx: Tx, request: &LeasedRequest) -> Result<(), LaterError> {
        tx.finish_request(&request.id, &self.token).await?;
        crate::crash::passing("request before commit");
        tx.commit().await?;
        crate::crash::passing("request after commit");
        Ok(())
    }

    /// Why nothing may be written to an address.
    async fn refusal(
        &self,
        tx: &mut Tx,
        own_index: &str,
        address: &EmailAddress,
    ) -> Result<Option<String>, StoreError> {
        // One request after another, also of two workers: or each could think that it is the first of the day.
        tx.take_turn().await?;
        if !tx.never_again(&[own_index.to_owned()]).await?.is_empty() {
            return Ok(Some("never".to_owned()));
        }
        let suppressed = tx.suppressions(&[self.desk.mail_index(address)]).await?;
        Ok(suppressed.into_iter().next().map(|(_, reason)| reason))
    }

    fn link(&self, kind: &str, path: &str, language: Language) -> String {
        format!("{}/{kind}/{path}?lang={}", self.desk.public_url, language.as_str())
    }
}
