//! What befell the demo's newsroom: 200 readers of the last eighteen months, in three currencies, the same ones in every
//! demo. Some give once and come back, some every month or year; cards fail and are mended, some leave, come back, pause,
//! give more or less, take back or dispute.
//!
//! It must not touch the sandbox or the database ([`super::seed`] does). Invariant: all of it follows from the seed and
//! from the day it begins.

use crate::clock::{DAY, HOUR, MINUTE};
use crate::domain::campaign::DEFAULT;
use crate::domain::pledge::Frequency;
use crate::id::Random;
use crate::sandbox::Card;

/// Readers in it.
pub(super) const DONORS: usize = 200;
/// How long it goes back, in days: eighteen months.
pub(super) const DAYS: i64 = 548;
/// From one renewal of a monthly gift to the next, on average: within two days of each, over a year.
const MONTH: i64 = 30 * DAY + 10 * HOUR + 30 * MINUTE;
/// Another seed would tell of other readers.
const SEED: u64 = 2;

/// Everything that only a season offers.
pub(super) const WINTER: &str = "winter";

/// Currencies, with how many of a hundred readers give in each.
const CURRENCIES: [(&str, u64); 3] = [("USD", 50), ("EUR", 34), ("GBP", 16)];
const MONTHLY: [i64; 6] = [200, 500, 500, 1000, 1000, 2500];
const ANNUAL: [i64; 4] = [2500, 5000, 5000, 10000];
const ONCE: [i64; 6] = [500, 1000, 2500, 2500, 5000, 10000];
const SOURCES: [&str; 5] = ["article", "article", "newsletter", "footer", ""];

/// What a reader gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gift {
    pub frequency: Frequency,
    pub amount_minor: i64,
    pub currency: &'static str,
    pub campaign: &'static str,
    pub source: &'static str,
    pub card: Card,
    /// Whether the first card is declined and another taken.
    pub declined_before: bool,
    /// Whether the reader goes away from the checkout.
    pub abandoned: bool,
}

/// What becomes of a gift, so many days after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    EndsAtPeriodEnd,
    Ends,
    /// For sixty days.
    Pauses,
    /// Another amount from the next time on, in minor units.
    Gives(i64),
    CardIs(Card),
    /// All of it, or a part in minor units.
    Refunded(Option<i64>),
    Disputed {
        won: bool,
    },
}

/// A gift and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chapter {
    /// Which reader.
    pub donor: usize,
    /// Seconds after the story begins.
    pub at: i64,
    pub gift: Gift,
    /// Each with seconds after the gift.
    pub turns: Vec<(i64, Turn)>,
}

/// Whether a time, in seconds after the beginning, lies in the season of [`WINTER`]: 45 days, half a year after the
/// beginning.
pub(super) fn in_season(at: i64) -> bool {
    season().contains(&at)
}

pub(super) fn season() -> std::ops::Range<i64> {
    180 * DAY..225 * DAY
}

/// The whole story, in no order.
pub(super) fn tell() -> Vec<Chapter> {
    let teller = Teller(Random::seeded(SEED));
    (0..DONORS).flat_map(|donor| teller.donor(donor)).collect()
}

struct Teller(Random);

impl Teller {
    fn chance(&self, of_hundred: u64) -> bool {
        self.0.below(100) < of_hundred
    }

    fn one_of<T: Copy>(&self, choices: &[T]) -> Option<T> {
        let count = u64::try_from(choices.len()).unwrap_or(1);
        choices.get(usize::try_from(self.0.below(count)).unwrap_or(0)).copied()
    }

    fn days(&self, from: i64, to: i64) -> i64 {
        let span = u64::try_from(to - from).unwrap_or(1);
        (from + i64::try_from(self.0.below(span)).unwrap_or(0)) * DAY
    }

    fn currency(&self) -> &'static str {
        let mut drawn = self.0.below(100);
        for (code, share) in CURRENCIES {
            if drawn < share {
                return code;
            }
            drawn -= share;
        }
        "USD"
    }

    /// When somebody begins to give: on any day, and more of them in the season. In waking hours.
    fn begins(&self) -> i64 {
        let day = match self.0.below(100) {
            0..=17 => self.days(180, 225),
            // So that there is something to see in whatever month it is told.
            18..=27 => self.days(DAYS - 25, DAYS - 1),
            _ => self.days(0, DAYS - 1),
        };
        let minutes = i64::try_from(self.0.below(16 * 60)).unwrap_or(0);
        day + 6 * HOUR + minutes * MINUTE
    }

    fn donor(&self, donor: usize) -> Vec<Chapter> {
        let (at, currency) = (self.begins(), self.currency());
        match self.0.below(100) {
            0..=27 => self.monthly(donor, at, currency),
            28..=45 => self.annual(donor, at, currency),
            _ => self.once(donor, at, currency),
        }
    }

    fn gift(&self, at: i64, frequency: Frequency, amounts: &[i64], currency: &'static str) -> Gift {
        Gift {
            frequency,
            amount_minor: self.one_of(amounts).unwrap_or(1000),
            currency,
            campaign: if in_season(at) && self.chance(70) { WINTER } else { DEFAULT },
            source: self.one_of(&SOURCES).unwrap_or(""),
            card: Card::Works,
            declined_before: self.chance(5),
            abandoned: false,
        }
    }

    fn monthly(&self, donor: usize, at: i64, currency: &'static str) -> Vec<Chapter> {
        let gift = self.gift(at, Frequency::Monthly, &MONTHLY, currency);
        let to_the_end = (DAYS * DAY - at).div_euclid(DAY);
        // Some of what becomes of them does so in the last weeks.
        let later = if to_the_end > 80 && self.chance(30) {
            self.days(to_the_end - 40, to_the_end - 2)
        } else {
            self.days(40, (to_the_end - 2).clamp(41, 330))
        };
        let later = later + 2 * HOUR;
        let turns = match self.0.below(100) {
            0..=13 => vec![(later, Turn::EndsAtPeriodEnd)],
            14..=16 => vec![(later, Turn::Ends)],
            // Declined at a renewal, and mended before Stripe tries for the last time.
            17..=28 => {
                let renews = (later / MONTH).max(1) * MONTH;
                vec![(renews - 4 * DAY, Turn::CardIs(Card::Declined)), (renews + 4 * DAY, Turn::CardIs(Card::Works))]
            }
            // Never mended; mostly so long ago that the money counts as lost.
            29..=40 => {
                let since = later.min((to_the_end - 80) * DAY).max(20 * DAY);
                vec![(since, Turn::CardIs(Card::InsufficientFunds))]
            }
            41..=48 => vec![(later, Turn::Pauses)],
            49..=56 => vec![(later, Turn::Gives(gift.amount_minor * 2))],
            57..=59 => vec![(later, Turn::Gives((gift.amount_minor / 2).max(200)))],
            60..=64 => return Self::back(donor, at, gift, later),
            65..=67 => vec![(6 * DAY, Turn::Refunded(None))],
            _ => Vec::new(),
        };
        vec![Chapter { donor, at, gift, turns }]
    }

    /// Asks for an end, and begins anew two weeks after it at the least.
    fn back(donor: usize, at: i64, gift: Gift, later: i64) -> Vec<Chapter> {
        let again_at = at + later + 45 * DAY;
        let campaign = if in_season(again_at) { WINTER } else { DEFAULT };
        let again = Gift { campaign, declined_before: false, ..gift.clone() };
        vec![
            Chapter { donor, at, gift, turns: vec![(later, Turn::EndsAtPeriodEnd)] },
            Chapter { donor, at: again_at, gift: again, turns: Vec::new() },
        ]
    }

    fn annual(&self, donor: usize, at: i64, currency: &'static str) -> Vec<Chapter> {
        let gift = self.gift(at, Frequency::Annual, &ANNUAL, currency);
        let turns = match self.0.below(100) {
            0..=14 => vec![(self.days(30, 340), Turn::EndsAtPeriodEnd)],
            15..=22 => vec![(self.days(30, 340), Turn::CardIs(Card::Declined))],
            23..=26 => vec![(3 * DAY, Turn::Refunded(None))],
            _ => Vec::new(),
        };
        vec![Chapter { donor, at, gift, turns }]
    }

    fn once(&self, donor: usize, at: i64, currency: &'static str) -> Vec<Chapter> {
        let again = if self.chance(35) { 1 + self.0.below(3) } else { 0 };
        let mut chapters = Vec::new();
        let mut at = at;
        for time in 0..=again {
            let gift = Gift {
                // Whoever gave before may change their mind.
                abandoned: time > 0 && self.chance(15),
                card: if self.chance(6) { Card::BankDebitSettles } else { Card::Works },
                ..self.gift(at, Frequency::Once, &ONCE, currency)
            };
            let turns = match self.0.below(100) {
                0..=2 => vec![(9 * DAY, Turn::Refunded(None))],
                3..=5 => vec![(9 * DAY, Turn::Refunded(Some(gift.amount_minor / 2)))],
                6..=7 => vec![(20 * DAY, Turn::Disputed { won: self.chance(50) })],
                _ => Vec::new(),
            };
            chapters.push(Chapter { donor, at, gift, turns });
            at += self.days(20, 160) + 3 * HOUR;
        }
        chapters
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_the_same_each_time_and_has_everything_in_it() {
        let story = tell();
        assert_eq!(story, tell());
        let donors: BTreeSet<usize> = story.iter().map(|chapter| chapter.donor).collect();
        assert_eq!(donors.len(), DONORS);
        let currencies: BTreeSet<&str> = story.iter().map(|chapter| chapter.gift.currency).collect();
        assert_eq!(currencies, BTreeSet::from(["EUR", "GBP", "USD"]));
        for frequency in Frequency::ALL {
            assert!(story.iter().filter(|chapter| chapter.gift.frequency == *frequency).count() > 20, "{frequency}");
        }
        let turns: Vec<&Turn> = story.iter().flat_map(|chapter| &chapter.turns).map(|(_, turn)| turn).collect();
        let happens = |wanted: fn(&Turn) -> bool| turns.iter().any(|turn| wanted(turn));
        assert!(happens(|turn| matches!(turn, Turn::Ends)));
        assert!(happens(|turn| matches!(turn, Turn::EndsAtPeriodEnd)));
        assert!(happens(|turn| matches!(turn, Turn::Pauses)));
        assert!(happens(|turn| matches!(turn, Turn::Gives(_))));
        assert!(happens(|turn| matches!(turn, Turn::CardIs(Card::Works))));
        assert!(happens(|turn| matches!(turn, Turn::CardIs(Card::InsufficientFunds))));
        assert!(happens(|turn| matches!(turn, Turn::Refunded(Some(_)))));
        assert!(happens(|turn| matches!(turn, Turn::Refunded(None))));
        assert!(happens(|turn| matches!(turn, Turn::Disputed { .. })));
        assert!(story.iter().any(|chapter| chapter.gift.abandoned));
        assert!(story.iter().any(|chapter| chapter.gift.campaign == WINTER));
    }
}
