//! What a campaign says, to be read: in the place of its form, and beside one that was filled in for another state of it.

use minijinja::{Value, context};

use super::super::{Newsroom, View};
use crate::domain::campaign::{Accent, Campaign, Fee, Offer};
use crate::domain::campaign_file::{Amount, CampaignFile};
use crate::domain::language::Language;
use crate::domain::money::Money;
use crate::domain::pledge::Frequency;
use crate::text;

/// All that a campaign says, as names and lines; always the same names.
pub fn facts(admin: &Newsroom, view: &View, campaign: &Campaign) -> Vec<Value> {
    let time = |at: Option<i64>| at.map(|at| view.time(at, &admin.zone));
    let language = view.say(&format!("campaign-language-{}", campaign.default_language.as_str()));
    let default = format!("{}, {}", campaign.default_currency, frequency(view, campaign.default_frequency));
    // Percentages as they are written down.
    let fees = CampaignFile::of(campaign, &admin.zone).fee_cover.into_iter().map(|fee| fee.percent);
    let methods = campaign.methods.iter().map(|method| view.say(&format!("method-{}", method.as_str())));
    let fields = [
        ("name", vec![campaign.name.clone()]),
        ("starts-at", Vec::from_iter(time(campaign.starts_at))),
        ("ends-at", Vec::from_iter(time(campaign.ends_at))),
        ("default", vec![default]),
        ("default-language", vec![language]),
        ("amounts", campaign.offers.iter().map(|amounts| offer(view, amounts)).collect()),
        ("fee-cover", campaign.fees.iter().zip(fees).map(|(costs, percent)| fee(view, costs, &percent)).collect()),
        ("methods", methods.collect()),
        ("statement", Vec::from_iter(campaign.statement.clone())),
        ("accent", Vec::from_iter(campaign.look.accent.map(Accent::css))),
        ("policy-url", Vec::from_iter(campaign.policy_url.clone())),
        ("newsletter-preview-url", Vec::from_iter(campaign.newsletter_preview_url.clone())),
        ("return-origins", campaign.return_origins.clone()),
    ];
    let none = Value::from(());
    let field = |(name, lines): (&str, Vec<String>)| {
        context! { label => view.say(&format!("campaign-{name}")), lines, picture => &none }
    };
    let mut all: Vec<Value> = fields.into_iter().map(field).collect();
    let logo = &campaign.look.logo;
    all.push(context! { label => view.say("campaign-logo"), lines => Vec::<String>::new(), picture => logo });
    for language in Language::ALL {
        let (texts, of) = (campaign.words(language), view.say(&format!("campaign-language-{}", language.as_str())));
        for (name, text) in
            [("name", texts.name), ("lead", texts.lead), ("warning", texts.warning), ("thanks", texts.thanks)]
        {
            let label = format!("{}, {of}", view.say(&format!("campaign-texts-{name}")));
            all.push(context! { label, lines => Vec::from_iter(text), picture => &none });
        }
    }
    all
}

/// What is stored and differs from what was typed.
pub fn differing(admin: &Newsroom, view: &View, stored: &Campaign, typed: &Campaign) -> Vec<Value> {
    let pairs = facts(admin, view, stored).into_iter().zip(facts(admin, view, typed));
    pairs.filter(|(stored, typed)| stored != typed).map(|(stored, _)| stored).collect()
}

fn frequency(view: &View, frequency: Frequency) -> String {
    view.say(&format!("frequency-{}", frequency.as_str()))
}

fn offer(view: &View, offer: &Offer) -> String {
    let money = |money: Money| text::money(view.language, money);
    let suggested = offer.suggested_minor.iter().map(|minor| money(Money::new(*minor, offer.currency)));
    let suggested: Vec<String> = suggested.collect();
    let (least, most) = (money(offer.min()), money(offer.max()));
    let (currency, frequency) = (offer.currency, frequency(view, offer.frequency));
    format!("{currency}, {frequency}: {} ({least} – {most})", suggested.join("; "))
}

fn fee(view: &View, fee: &Fee, percent: &Amount) -> String {
    let fixed = text::money(view.language, Money::new(fee.fixed_minor, fee.currency));
    format!("{}: {} % + {fixed}", fee.currency, percent.text())
}
