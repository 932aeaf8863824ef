//! The funnel of reminders: what became of those asked for, by the month they were asked in, component and campaign.

use std::collections::BTreeMap;

use super::money::{Currency, Money, MoneyError};

/// A gift counts as given because of a reminder when its money came within so many seconds of the mail.
pub const GAVE_WITHIN: i64 = 14 * 86_400;

/// One reminder, as the report reads it.
#[derive(Debug, Clone, Default)]
pub struct Fate {
    /// The month it was asked in, `2026-11`.
    pub month: String,
    pub component: String,
    pub campaign: String,
    pub reason: Option<String>,
    pub confirmed: bool,
    pub due: bool,
    pub reminded_at: Option<i64>,
    /// What became of its last mail.
    pub email_state: Option<String>,
    /// What the pledge made from its link came to.
    pub used: Option<Used>,
}

/// A pledge made from a reminder's link.
#[derive(Debug, Clone)]
pub struct Used {
    pub paid_at: Option<i64>,
    pub money: Money,
}

/// One line of the funnel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    pub signed_up: i64,
    pub confirmed: i64,
    pub due: i64,
    /// The mail server took it.
    pub sent: i64,
    /// Not sent, by why.
    pub suppressed: BTreeMap<String, i64>,
    pub used: i64,
    pub gave: i64,
    /// What those gave, in minor units by currency.
    pub amounts_minor: BTreeMap<String, i64>,
}

/// Month, component and campaign.
pub type Key = (String, String, String);

/// Adds everything up. Currencies are never added together.
pub fn funnel(fates: &[Fate]) -> Result<BTreeMap<Key, Line>, MoneyError> {
    let mut lines: BTreeMap<Key, Line> = BTreeMap::new();
    for fate in fates {
        let key = (fate.month.clone(), fate.component.clone(), fate.campaign.clone());
        lines.entry(key).or_default().count(fate)?;
    }
    Ok(lines)
}

impl Line {
    fn count(&mut self, fate: &Fate) -> Result<(), MoneyError> {
        self.signed_up += 1;
        self.confirmed += i64::from(fate.confirmed);
        self.due += i64::from(fate.due);
        self.sent += i64::from(fate.email_state.as_deref() == Some("sent"));
        if let Some(why) = fate.why_not() {
            *self.suppressed.entry(why).or_default() += 1;
        }
        let Some(used) = &fate.used else { return Ok(()) };
        self.used += 1;
        let in_time = |at: i64| fate.reminded_at.is_some_and(|sent| at <= sent + GAVE_WITHIN);
        if used.paid_at.is_some_and(in_time) {
            self.gave += 1;
            self.add(used.money)?;
        }
        Ok(())
    }

    fn add(&mut self, money: Money) -> Result<(), MoneyError> {
        let currency: Currency = money.currency;
        let sum = self.amounts_minor.entry(currency.to_string()).or_default();
        *sum = Money::new(*sum, currency).checked_add(money)?.amount_minor;
        Ok(())
    }
}

impl Fate {
    /// Why nothing was sent, where nothing was and nothing will be.
    fn why_not(&self) -> Option<String> {
        match (self.reason.as_deref(), self.email_state.as_deref()) {
            (_, Some("sent" | "waiting")) | (None, None) => None,
            (_, Some(state)) => Some(format!("mail_{state}")),
            (Some(reason), None) => Some(reason.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reminder_is_counted_as_far_as_it_came() {
        let money = Money::new(500, Currency::USD);
        let fate = || Fate { month: "2026-11".to_owned(), campaign: "default".to_owned(), ..Fate::default() };
        let sent = || Fate {
            confirmed: true,
            due: true,
            reminded_at: Some(100),
            reason: Some("sent".to_owned()),
            email_state: Some("sent".to_owned()),
            ..fate()
        };
        let used = |paid_at| Some(Used { paid_at, money });
        let fates = [
            fate(),
            Fate { reason: Some("gave".to_owned()), confirmed: true, ..fate() },
            sent(),
            Fate { used: used(None), ..sent() },
            Fate { used: used(Some(100 + GAVE_WITHIN)), ..sent() },
            Fate { used: used(Some(101 + GAVE_WITHIN)), ..sent() },
            Fate { email_state: Some("failed".to_owned()), ..sent() },
            Fate { campaign: "other".to_owned(), ..fate() },
        ];
        let lines = funnel(&fates).unwrap();
        assert_eq!(lines.len(), 2);
        let line = lines.values().next().unwrap();
        assert_eq!((line.signed_up, line.confirmed, line.due, line.sent, line.used, line.gave), (7, 6, 5, 4, 3, 1));
        let why: Vec<(&str, i64)> = line.suppressed.iter().map(|(why, count)| (why.as_str(), *count)).collect();
        assert_eq!(why, [("gave", 1), ("mail_failed", 1)]);
        assert_eq!(line.amounts_minor["USD"], 500);
    }
}
