//! `mainstay snippet`: what to paste into a page of the newspaper, and what its Content-Security-Policy must allow.

use clap::Args;

use super::{CliError, open_existing, print, sources};
use crate::config::{Addresses, Flags};
use crate::domain::campaign::{Campaign, DEFAULT, is_slug};
use crate::domain::money::Money;
use crate::domain::pledge::Frequency;
use crate::http::widget::{WIDGET, Widget};
use crate::text;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mainstay snippet --campaign winter
The form between the tags is for readers without scripts: it posts to us and leads on to the checkout as well.")]
pub(super) struct Snippet {
    /// Which campaign it is for.
    #[arg(long, value_name = "SLUG", default_value = DEFAULT)]
    campaign: String,
    /// Pin this very script by its hash: it is then changed by pasting anew, after each upgrade.
    #[arg(long)]
    pinned: bool,
    #[command(flatten)]
    settings: Flags,
}

impl Snippet {
    pub async fn run(self) -> Result<(), CliError> {
        if !is_slug(&self.campaign) {
            return Err(CliError::Usage("expected --campaign to be 1 to 64 of a-z, 0-9 and -".to_owned()));
        }
        let addresses = Addresses::load(sources(self.settings)?)?;
        crate::telemetry::start(&addresses.basics.log)?;
        let store = open_existing(&addresses.basics.database_url).await?;
        let campaign = store.campaign(&self.campaign).await?;
        store.close().await;
        let campaign = campaign.ok_or_else(|| {
            CliError::Failed(format!("there is no campaign `{}`; `mainstay campaign list` names all", self.campaign))
        })?;
        print(&snippet(&addresses.public_url.to_string(), &addresses.checkout_origin(), &campaign, self.pinned))
    }
}

/// The tag, and the form for readers without scripts, in the campaign's language.
pub(super) fn element(home: &str, campaign: &Campaign, pinned: bool) -> String {
    let (widget, slug) = (&*WIDGET, &campaign.slug);
    let (currency, language) = (campaign.default_currency, campaign.default_language);
    let script = if pinned {
        format!("{home}{}\" integrity=\"{}\" crossorigin=\"anonymous", widget.path(), widget.integrity)
    } else {
        format!("{home}{}", Widget::STABLE)
    };
    // All of these are our own texts, and hold nothing that HTML would read.
    let say = |id: &str| text::say(language, id, &[]);
    let offered = Frequency::ALL.iter().filter(|frequency| campaign.offer(currency, **frequency).is_some());
    let radios: Vec<String> = offered
        .map(|frequency| {
            let (value, label) = (frequency.as_str(), say(frequency.as_str()));
            let checked = if *frequency == campaign.default_frequency { " checked" } else { "" };
            format!(
                "\n      <label><input type=\"radio\" name=\"frequency\" value=\"{value}\"{checked}> {label}</label>"
            )
        })
        .collect();
    let radios = radios.concat();
    let currencies: Vec<String> =
        campaign.currencies().iter().map(|currency| format!("<option>{currency}</option>")).collect();
    let currencies = currencies.concat();
    let suggested = campaign.offer(currency, campaign.default_frequency).map(|offer| &offer.suggested_minor);
    let middle = suggested.and_then(|suggested| suggested.get(suggested.len() / 2)).copied().unwrap_or_default();
    let amount = Money::new(middle, currency).decimal();
    let (how_much, currency_label, go_on) = (say("how-much"), say("currency"), say("continue"));
    let tag = language.as_str();
    format!(
        "<script async src=\"{script}\"></script>
<donate-box campaign=\"{slug}\">
  <form method=\"post\" action=\"{home}/give\">
    <input type=\"hidden\" name=\"campaign\" value=\"{slug}\">
    <input type=\"hidden\" name=\"locale\" value=\"{tag}\">
    <p>{radios}
    </p>
    <p>
      <label>{how_much} <input name=\"amount\" inputmode=\"decimal\" value=\"{amount}\" required></label>
      <label>{currency_label} <select name=\"currency\">{currencies}</select></label>
    </p>
    <p><button>{go_on}</button></p>
  </form>
</donate-box>
"
    )
}

/// The snippet of a campaign.
fn snippet(home: &str, checkout: &str, campaign: &Campaign, pinned: bool) -> String {
    let element = element(home, campaign, pinned);
    format!(
        "<!-- Paste this where the form goes. -->
{element}
<!-- Add to the page's Content-Security-Policy, if it has one (browsers hold form-action against redirects too):
  script-src {home}
  connect-src {home}
  form-action {home} {checkout}
-->
"
    )
}
