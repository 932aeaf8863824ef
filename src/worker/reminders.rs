//! Reminders that are due: who is still to be reminded goes into the outbox, once.
//!
//! Addresses are opened before the transaction; in it the facts are looked at again and every row is written under the
//! condition that it is still due. Invariants: a reminder leaves at most once for each of its days; a row that cannot be
//! read is ended alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use url::form_urlencoded;

use crate::clock::DAY;
use crate::domain::calendar;
use crate::domain::campaign::Campaign;
use crate::domain::email::EmailKind;
use crate::domain::email_address::EmailAddress;
use crate::domain::language::Language;
use crate::domain::money::{Currency, Money};
use crate::domain::reminder::{Gift, REMINDER_SOURCE, Schedule, Standing, Verdict, days_between, send_at, tomorrow};
use crate::service::later::{Desk, Draft, KEEP_REQUESTS, LaterError, REMINDER_INDEX};
use crate::store::{DueReminder, NewDay, NewEmail, PledgeOfDonor, Tx};

/// How many are taken at once.
pub const BATCH: i64 = 64;
/// How long a reminder is tried to be sent, in seconds.
const PATIENCE: i64 = 2 * DAY;
/// How long a confirmation may be followed, in seconds.
const CONFIRM_IN: i64 = 7 * DAY;
/// How long it is known that an address was written to, once that is done, in seconds.
const KEEP_INDEX: i64 = DAY;

/// Sends reminders.
#[derive(Clone, Debug)]
pub struct ReminderWorker {
    pub desk: Desk,
}

/// A reminder that is due, opened.
struct Candidate {
    due: DueReminder,
    address: EmailAddress,
    token: String,
    schedule: Schedule,
    language: Language,
    /// Its own, of donors, of mail.
    own_index: String,
    donor_indexes: Vec<String>,
    mail_index: String,
}

/// What is known about all candidates of a batch.
struct Facts {
    never: HashSet<String>,
    suppressed: HashMap<String, String>,
    gifts: HashMap<String, Vec<Gift>>,
}

/// What would become of a reminder.
#[derive(Debug, Clone)]
pub struct Planned {
    pub id: String,
    /// As 20270115.
    pub due_on: i64,
    pub campaign: String,
    pub verdict: Verdict,
}

impl ReminderWorker {
    /// Works off one batch of due reminders; how many there were.
    pub async fn run_once(&self) -> Result<usize, LaterError> {
        let now = self.desk.clock.now();
        let due = self.desk.store.due_reminders(now, BATCH).await?;
        let count = due.len();
        let candidates = self.open(due, now).await?;
        if let Err(error) = self.send(&candidates, now).await {
            if error.is_outage() {
                return Err(error);
            }
            tracing::warn!(reason = error.code(), "a batch of reminders failed; redoing them one by one");
            for candidate in &candidates {
                self.send_alone(candidate, now).await?;
            }
        }
        metrics::gauge!("mainstay_reminders_worked_at").set(seconds(now));
        Ok(count)
    }

    /// Ends what was never confirmed, and forgets what has had its time.
    pub async fn tidy(&self) -> Result<(), LaterError> {
        let (store, now) = (&self.desk.store, self.desk.clock.now());
        store.tidy_reminders(now - CONFIRM_IN, now - KEEP_INDEX, now).await?;
        store.tidy_signups(now - CONFIRM_IN, now - KEEP_INDEX, now).await?;
        store.forget_requests(now - KEEP_REQUESTS).await?;
        Ok(())
    }

    /// What would become of everything that is due at `at`, by what is known now. Changes nothing.
    pub async fn plan(&self, at: i64, most: i64) -> Result<Vec<Planned>, LaterError> {
        let mut planned = Vec::new();
        let mut readable = Vec::new();
        for due in self.desk.store.due_reminders(at, most).await? {
            let (id, due_on, campaign) = (due.id.clone(), due.due_on, due.campaign.clone());
            match self.candidate(due) {
                Ok(candidate) => readable.push(candidate),
                Err(_) => planned.push(Planned { id, due_on, campaign, verdict: Verdict::End("unreadable") }),
            }
        }
        let mut tx = self.desk.store.begin().await?;
        let facts = facts(&mut tx, &readable).await?;
        tx.rollback().await?;
        planned.extend(readable.iter().map(|candidate| Planned {
            id: candidate.due.id.clone(),
            due_on: candidate.due.due_on,
            campaign: candidate.due.campaign.clone(),
            verdict: self.standing(candidate, &facts, at).verdict(),
        }));
        Ok(planned)
    }

    /// Opens what is due; what cannot be read is ended at once.
    async fn open(&self, due: Vec<DueReminder>, now: i64) -> Result<Vec<Candidate>, LaterError> {
        let mut candidates = Vec::with_capacity(due.len());
        for due in due {
            let (id, due_at) = (due.id.clone(), due.due_at);
            match self.candidate(due) {
                Ok(candidate) => candidates.push(candidate),
                Err(error) => self.park(&id, due_at, &error, now).await?,
            }
        }
        Ok(candidates)
    }

    async fn park(&self, id: &str, due_at: i64, error: &LaterError, now: i64) -> Result<(), LaterError> {
        tracing::error!(reminder = id, reason = error.code(), "a reminder cannot be sent and was ended");
        let mut tx = self.desk.store.begin().await?;
        tx.end_due(id, due_at, "unreadable", now).await?;
        Ok(tx.commit().await?)
    }

    async fn send_alone(&self, candidate: &Candidate, now: i64) -> Result<(), LaterError> {
        match self.send(std::slice::from_ref(candidate), now).await {
            Err(error) if !error.is_outage() => self.park(&candidate.due.id, candidate.due.due_at, &error, now).await,
            sent => sent,
        }
    }

    fn candidate(&self, due: DueReminder) -> Result<Candidate, LaterError> {
        let unreadable = || LaterError::Unreadable("reminder");
        let (address, token) = self.desk.open_contact("reminders", &due.id, due.contact_sealed.as_deref())?;
        let months = |months: i64| i16::try_from(months).map_err(|_| unreadable());
        let schedule = Schedule {
            anchor: calendar::read_number(due.anchor_on).ok_or_else(unreadable)?,
            months: months(due.months)?,
            every: due.recurring_months.map(months).transpose()?,
            until: months(due.until_months)?,
        };
        Ok(Candidate {
            language: Language::parse(&due.language).ok_or_else(unreadable)?,
            own_index: self.desk.index_of(REMINDER_INDEX, &address),
            donor_indexes: self.desk.donor_indexes(&address),
            mail_index: self.desk.mail_index(&address),
            due,
            address,
            token,
            schedule,
        })
    }

    /// Decides and writes, in one transaction.
    async fn send(&self, candidates: &[Candidate], now: i64) -> Result<(), LaterError> {
        if candidates.is_empty() {
            return Ok(());
        }
        let mails = self.mails(candidates, now).await?;
        let mut tx = self.desk.store.begin().await?;
        // No gift is recorded between the look and the mail.
        tx.take_turn().await?;
        let facts = facts(&mut tx, candidates).await?;
        let mut leaving = Vec::new();
        for (candidate, mail) in candidates.iter().zip(mails) {
            let (id, due_at) = (candidate.due.id.as_str(), candidate.due.due_at);
            match self.standing(candidate, &facts, now).verdict() {
                Verdict::Send => {
                    if tx.reminded(id, due_at, &mail.id, self.next(candidate, now), now).await? {
                        leaving.push(mail);
                    }
                }
                Verdict::Wait(_) => {
                    let until = send_at(tomorrow(self.desk.day(now)), self.desk.hour, &self.desk.zone);
                    tx.put_off(id, due_at, until).await?;
                }
                Verdict::End(reason) => {
                    tx.end_due(id, due_at, reason, now).await?;
                }
            }
        }
        tx.put_emails(&leaving).await?;
        crate::crash::passing("reminder before commit");
        tx.commit().await?;
        crate::crash::passing("reminder after commit");
        metrics::counter!("mainstay_reminders_sent").increment(leaving.len() as u64);
        Ok(())
    }

    fn standing(&self, candidate: &Candidate, facts: &Facts, now: i64) -> Standing {
        let due_on = calendar::read_number(candidate.due.due_on).unwrap_or(candidate.schedule.anchor);
        let used = candidate.due.used_pledge_id.iter();
        let gifts = candidate.donor_indexes.iter().chain(used).filter_map(|key| facts.gifts.get(key));
        Standing {
            asked_at: candidate.due.created_at,
            late_days: days_between(due_on, self.desk.day(now)),
            stale_days: self.desk.stale_days,
            never: facts.never.contains(&candidate.own_index),
            suppressed: facts.suppressed.get(&candidate.mail_index).cloned(),
            gifts: gifts.flatten().cloned().collect(),
        }
    }

    /// The day of the reminder after this one.
    fn next(&self, candidate: &Candidate, now: i64) -> Option<NewDay> {
        let next = candidate.schedule.after(self.desk.day(now))?;
        Some(NewDay {
            anchor_on: candidate.due.anchor_on,
            months: i64::from(next.months),
            until_months: i64::from(next.until),
            due_on: calendar::number_of(next.due_on()),
            due_at: send_at(next.due_on(), self.desk.hour, &self.desk.zone),
        })
    }

    async fn mails(&self, candidates: &[Candidate], now: i64) -> Result<Vec<NewEmail>, LaterError> {
        let mut campaigns: BTreeMap<&str, Option<Campaign>> = BTreeMap::new();
        for candidate in candidates {
            let slug = candidate.due.campaign.as_str();
            if !campaigns.contains_key(slug) {
                campaigns.insert(slug, self.desk.store.campaign(slug).await?);
            }
        }
        let key = self.desk.sealer.data_key()?;
        let mail = |candidate: &Candidate| {
            let campaign = campaigns.get(candidate.due.campaign.as_str()).and_then(Option::as_ref);
            let campaign = campaign.ok_or(LaterError::Unreadable("campaign"))?;
            let draft = Draft {
                cause: format!("reminder:{}:{}", candidate.due.id, candidate.due.due_on),
                kind: EmailKind::Reminder,
                language: candidate.language,
                recipient: &candidate.address,
                facts: self.facts_of_mail(candidate, campaign),
                patience: PATIENCE,
            };
            self.desk.mail(&key, &draft, now)
        };
        candidates.iter().map(mail).collect()
    }

    fn facts_of_mail(&self, candidate: &Candidate, campaign: &Campaign) -> Value {
        let (home, token, due) = (&self.desk.public_url, &candidate.token, &candidate.due);
        let language = candidate.language.as_str();
        let mut facts = json!({
            "campaign_name": campaign.heading(candidate.language),
            "give_url": give_url(home, due),
            "manage_url": format!("{home}/r/{token}?lang={language}"),
            "unsubscribe_url": format!("{home}/r/{token}/unsubscribe?lang={language}"),
            "asked_on": self.desk.day(due.created_at).to_string(),
        });
        if let Some(frequency) = &due.frequency {
            facts["frequency"] = json!(frequency);
        }
        if let (Some(amount_minor), Some(currency)) = (due.amount_minor, &due.currency) {
            facts["amount_minor"] = json!(amount_minor);
            facts["currency"] = json!(currency);
        }
        facts
    }
}

/// The giving page filled in, with a reference to the reminder.
fn give_url(home: &str, due: &DueReminder) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("campaign", &due.campaign).append_pair("lang", &due.language);
    if let Some(frequency) = &due.frequency {
        query.append_pair("d_freq", frequency);
    }
    if let Some(code) = &due.currency {
        query.append_pair("currency", code);
        if let (Some(minor), Ok(currency)) = (due.amount_minor, Currency::parse(code)) {
            query.append_pair("d_amount", &Money::new(minor, currency).decimal());
        }
    }
    query.append_pair("d_ref", &format!("{REMINDER_SOURCE}{}", due.id));
    format!("{home}/give?{}", query.finish())
}

/// What is known now about everybody in the batch, with a few set-based reads.
async fn facts(tx: &mut Tx, candidates: &[Candidate]) -> Result<Facts, LaterError> {
    let all = |of: fn(&Candidate) -> Vec<String>| candidates.iter().flat_map(of).collect::<Vec<_>>();
    let never = tx.never_again(&all(|candidate| vec![candidate.own_index.clone()])).await?;
    let suppressed = tx.suppressions(&all(|candidate| vec![candidate.mail_index.clone()])).await?;
    let mut gifts: HashMap<String, Vec<Gift>> = HashMap::new();
    let mut pledges = tx.pledges_of(&all(|candidate| candidate.donor_indexes.clone())).await?;
    pledges.extend(tx.pledges_used(&all(|candidate| candidate.due.used_pledge_id.iter().cloned().collect())).await?);
    for PledgeOfDonor { key, status, paid_at, last_payment_at } in pledges {
        gifts.entry(key).or_default().push(Gift { status, paid_at, last_payment_at });
    }
    Ok(Facts { never: never.into_iter().collect(), suppressed: suppressed.into_iter().collect(), gifts })
}

#[expect(clippy::cast_precision_loss, reason = "unix seconds are exact in a double for millions of years")]
fn seconds(at: i64) -> f64 {
    at as f64
}
