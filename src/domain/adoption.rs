//! Taking over what an account at Stripe held before Mainstay: which gifts, and under which campaign and source.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::campaign::DEFAULT;
use super::money::{Currency, Money};
use super::pledge::Frequency;
use crate::id::PledgeId;

/// The longest source that is kept, as with pledges that are made here.
const MAX_SOURCE: usize = 64;

/// What is taken over, as a newsroom writes it down. The first rule that fits decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// For what no rule fits.
    #[serde(default)]
    pub default: Target,
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// Where a gift is put.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Target {
    pub campaign: String,
    pub source: String,
    /// Whether it is left alone: it belongs to another product on the account.
    pub leave: bool,
}

impl Default for Target {
    fn default() -> Self {
        Self { campaign: DEFAULT.to_owned(), source: "adopted".to_owned(), leave: false }
    }
}

/// What a gift must be like for a rule to fit: all that is given.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// `prod_…`
    pub product: Option<String>,
    /// `price_…`
    pub price: Option<String>,
    pub frequency: Option<Frequency>,
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
    #[serde(default = "default_campaign")]
    pub campaign: String,
    #[serde(default = "default_source")]
    pub source: String,
    #[serde(default)]
    pub leave: bool,
}

fn default_campaign() -> String {
    Target::default().campaign
}

fn default_source() -> String {
    Target::default().source
}

/// A subscription, or a one-time payment that came, as Stripe holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidate {
    /// `sub_…` or `pi_…`.
    pub stripe_id: String,
    /// How often a subscription takes money, in Stripe's words, and each how many of them.
    pub interval: Option<(String, i64)>,
    /// Where a subscription's items do not add up to one amount there is none.
    pub amount_minor: Option<i64>,
    pub currency: String,
    /// Stripe's word.
    pub status: String,
    pub created_at: i64,
    pub customer: Option<String>,
    pub products: Vec<String>,
    pub prices: Vec<String>,
    pub metadata: BTreeMap<String, String>,
    /// Whether it names a pledge of Mainstay's: it is ours, or another Mainstay's.
    pub pledged: bool,
}

/// A pledge that stands for what was there before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    pub id: PledgeId,
    pub stripe_id: String,
    pub campaign: String,
    pub source: String,
    pub frequency: Frequency,
    pub money: Money,
    pub created_at: i64,
    pub subscription: bool,
    pub customer: Option<String>,
}

/// A pledge of ours that only its checkout session still tells of: the database lost it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    pub id: PledgeId,
    /// The campaign's slug, where the session's product names one.
    pub campaign: Option<String>,
    pub frequency: Frequency,
    /// What is charged each time; what of it covers the fee is not known any more.
    pub money: Money,
    pub created_at: i64,
    pub expires_at: i64,
    /// `cs_…`
    pub session_id: String,
    pub checkout_url: Option<String>,
}

/// Why something is left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Left {
    #[error("a rule says to leave it")]
    Rule,
    #[error("it names a pledge already")]
    Pledged,
    #[error("no money ever came")]
    Unpaid,
    #[error("it is neither monthly nor annual")]
    Interval,
    #[error("its amount or currency cannot be read")]
    Amount,
}

impl Mapping {
    /// What becomes of a candidate.
    ///
    /// # Errors
    /// Why it is left as it is.
    pub fn adopt(&self, candidate: &Candidate) -> Result<Adopted, Left> {
        if candidate.pledged {
            return Err(Left::Pledged);
        }
        let subscription = candidate.stripe_id.starts_with("sub_");
        let unpaid: &[&str] = &["incomplete", "incomplete_expired"];
        if unpaid.contains(&candidate.status.as_str()) || (!subscription && candidate.status != "succeeded") {
            return Err(Left::Unpaid);
        }
        let frequency = match candidate.interval.as_ref().map(|(interval, count)| (interval.as_str(), *count)) {
            None if !subscription => Frequency::Once,
            Some(("month", 1)) => Frequency::Monthly,
            Some(("year", 1) | ("month", 12)) => Frequency::Annual,
            _ => return Err(Left::Interval),
        };
        let amount_minor = candidate.amount_minor.filter(|amount| *amount > 0).ok_or(Left::Amount)?;
        let currency = Currency::parse(&candidate.currency).map_err(|_| Left::Amount)?;
        let target = self.target(candidate, frequency);
        if target.leave {
            return Err(Left::Rule);
        }
        Ok(Adopted {
            // Always the same one for an object, so that taking it over twice is taking it over once.
            id: PledgeId::derived(&format!("adopted {}", candidate.stripe_id)),
            stripe_id: candidate.stripe_id.clone(),
            campaign: target.campaign,
            source: target.source.chars().take(MAX_SOURCE).collect(),
            frequency,
            money: Money::new(amount_minor, currency),
            created_at: candidate.created_at,
            subscription,
            customer: candidate.customer.clone(),
        })
    }

    /// The campaigns it names.
    pub fn campaigns(&self) -> Vec<&str> {
        let rules = self.rules.iter().filter(|rule| !rule.leave).map(|rule| rule.campaign.as_str());
        let default = (!self.default.leave).then_some(self.default.campaign.as_str());
        let mut all: Vec<&str> = rules.chain(default).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn target(&self, candidate: &Candidate, frequency: Frequency) -> Target {
        let fits = |rule: &&Rule| {
            rule.product.as_ref().is_none_or(|product| candidate.products.contains(product))
                && rule.price.as_ref().is_none_or(|price| candidate.prices.contains(price))
                && rule.frequency.is_none_or(|wanted| wanted == frequency)
                && rule.metadata.iter().all(|(name, value)| candidate.metadata.get(name) == Some(value))
        };
        self.rules.iter().find(fits).map_or_else(
            || self.default.clone(),
            |rule| Target { campaign: rule.campaign.clone(), source: rule.source.clone(), leave: rule.leave },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn monthly() -> Candidate {
        Candidate {
            stripe_id: "sub_1".to_owned(),
            interval: Some(("month".to_owned(), 1)),
            amount_minor: Some(500),
            currency: "USD".to_owned(),
            status: "active".to_owned(),
            created_at: 7,
            products: vec!["prod_1".to_owned()],
            metadata: BTreeMap::from([("shop".to_owned(), "books".to_owned())]),
            ..Candidate::default()
        }
    }

    fn once() -> Candidate {
        Candidate { stripe_id: "pi_1".to_owned(), interval: None, status: "succeeded".to_owned(), ..monthly() }
    }

    fn mapping(text: &str) -> Mapping {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn without_rules_every_gift_is_taken_over_and_always_as_the_same_pledge() {
        let adopted = Mapping::default().adopt(&monthly()).unwrap();
        assert_eq!((adopted.campaign.as_str(), adopted.source.as_str()), ("default", "adopted"));
        assert_eq!((adopted.frequency, adopted.money.amount_minor), (Frequency::Monthly, 500));
        assert_eq!(Mapping::default().adopt(&monthly()).unwrap().id, adopted.id);
        let single = Mapping::default().adopt(&once()).unwrap();
        assert_eq!(single.frequency, Frequency::Once);
        assert_ne!(single.id, adopted.id);
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let rules = mapping(
            "[[rule]]\nmetadata = { shop = \"books\" }\nfrequency = \"once\"\nleave = true\n\
             [[rule]]\nproduct = \"prod_1\"\ncampaign = \"winter\"\nsource = \"old site\"\n\
             [default]\nleave = true\n",
        );
        assert_eq!(rules.adopt(&once()), Err(Left::Rule));
        let adopted = rules.adopt(&monthly()).unwrap();
        assert_eq!((adopted.campaign.as_str(), adopted.source.as_str()), ("winter", "old site"));
        assert_eq!(rules.adopt(&Candidate { products: Vec::new(), ..monthly() }), Err(Left::Rule), "the default");
        assert_eq!(rules.campaigns(), ["winter"]);
    }

    #[test]
    fn what_cannot_be_a_pledge_is_left_with_the_reason() {
        let weekly = Candidate { interval: Some(("week".to_owned(), 1)), ..monthly() };
        let quarterly = Candidate { interval: Some(("month".to_owned(), 3)), ..monthly() };
        let twelve = Candidate { interval: Some(("month".to_owned(), 12)), ..monthly() };
        let begun = Candidate { status: "incomplete".to_owned(), ..monthly() };
        let failed = Candidate { status: "requires_payment_method".to_owned(), ..once() };
        let odd = Candidate { amount_minor: None, ..monthly() };
        let ours = Candidate { pledged: true, ..monthly() };
        for (candidate, left) in [
            (weekly, Left::Interval),
            (quarterly, Left::Interval),
            (begun, Left::Unpaid),
            (failed, Left::Unpaid),
            (odd, Left::Amount),
            (ours, Left::Pledged),
        ] {
            assert_eq!(Mapping::default().adopt(&candidate), Err(left));
        }
        assert_eq!(Mapping::default().adopt(&twelve).unwrap().frequency, Frequency::Annual);
    }

    #[test]
    fn a_rule_with_an_unknown_word_is_refused() {
        for wrong in ["[[rule]]\nprodct = \"x\"", "[defaults]", "[[rule]]\nfrequency = \"weekly\""] {
            assert!(toml::from_str::<Mapping>(wrong).is_err(), "{wrong}");
        }
    }
}
