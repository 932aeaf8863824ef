//! How a pledge stands, in sentences: what is charged next and when, or that nothing is.

use jiff::ToSpan;

use super::Donors;
use super::visit::Visit;
use crate::domain::agreement::{Agreement, MAX_PAUSE_MONTHS};
use crate::domain::calendar;
use crate::domain::money::{Currency, Money};
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::store::{ManagedPledge, Recurring, StoreError};

/// What the pledge is for, as its campaign is called in this language.
pub async fn heading(donors: &Donors, visit: &Visit, pledge: &ManagedPledge) -> Result<String, StoreError> {
    let campaign = donors.store.campaign(&pledge.campaign).await?;
    Ok(campaign.map_or_else(|| pledge.campaign.clone(), |campaign| campaign.heading(visit.language).to_owned()))
}

/// Whether a pledge recurs and is not over, here or at Stripe.
pub fn goes_on(pledge: &ManagedPledge) -> bool {
    let runs = matches!(
        pledge.status,
        PledgeStatus::Processing | PledgeStatus::Active | PledgeStatus::PastDue | PledgeStatus::Paused
    );
    pledge.frequency != Frequency::Once && pledge.subscription_id.is_some() && (runs || pledge.runs_on)
}

fn given(visit: &Visit, frequency: Frequency, minor: i64, currency: Currency) -> String {
    let amount = visit.money(Money::new(minor, currency));
    visit.say_with(&format!("given-{}", frequency.as_str()), &[("amount", amount)])
}

/// What is given, and what comes next.
pub fn stands(donors: &Donors, visit: &Visit, pledge: &ManagedPledge, known: Option<&Recurring>) -> Vec<String> {
    let agreement = known.and_then(|known| known.agreement.as_ref().filter(|_| goes_on(pledge)));
    let Some(agreement) = agreement else {
        let mut lines = vec![given(visit, pledge.frequency, pledge.money.amount_minor, pledge.money.currency)];
        if pledge.runs_on {
            lines.push(visit.say("support-runs-on"));
            return lines;
        }
        let ended = pledge.ended_at.filter(|_| pledge.status == PledgeStatus::Canceled);
        lines.extend(ended.map(|at| visit.say_with("support-ended-on", &[("date", visit.day(donors, at))])));
        return lines;
    };
    running(donors, visit, agreement, pledge)
}

fn running(donors: &Donors, visit: &Visit, agreement: &Agreement, pledge: &ManagedPledge) -> Vec<String> {
    let currency = pledge.money.currency;
    let dated = |id: &str, at: i64| visit.say_with(id, &[("date", visit.day(donors, at))]);
    let mut lines = vec![given(visit, agreement.frequency, agreement.amount_minor, currency)];
    if pledge.status == PledgeStatus::PastDue {
        lines.push(visit.say("support-past-due"));
    }
    match (agreement.paused, agreement.paused_until) {
        (true, Some(until)) => lines.push(dated("support-paused-until", until)),
        (true, None) => lines.push(visit.say("support-paused")),
        (false, _) => {}
    }
    if let Some(change) = &agreement.change {
        let becomes = given(visit, change.frequency, change.amount_minor, currency);
        lines.push(visit.say_with("support-becomes", &[("date", visit.day(donors, change.at)), ("given", becomes)]));
    }
    lines.extend(agreement.ends_at.map(|at| dated("support-ends-on", at)));
    match &agreement.next {
        Some(next) => {
            let amount = visit.money(Money::new(next.amount_minor, currency));
            lines.push(
                visit.say_with("support-next-charge", &[("amount", amount), ("date", visit.day(donors, next.at))]),
            );
        }
        None => lines.push(visit.say("support-no-charge")),
    }
    lines
}

/// A time of the day, the newsroom's.
pub fn time(donors: &Donors, at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().to_zoned(donors.zone.clone()).strftime("%H:%M").to_string()
}

/// A moment as machines read it.
pub fn machine_time(at: i64) -> String {
    jiff::Timestamp::from_second(at).unwrap_or_default().to_string()
}

/// The first day on which a pause may end, as a form takes it.
pub fn day_after(donors: &Donors) -> String {
    let today = calendar::date_of(donors.clock.now(), &donors.zone);
    today.checked_add(1.day()).unwrap_or(today).to_string()
}

/// The last one.
pub fn latest_pause(donors: &Donors) -> String {
    let today = calendar::date_of(donors.clock.now(), &donors.zone);
    today.checked_add(MAX_PAUSE_MONTHS.months()).unwrap_or(today).to_string()
}
