//! `mainstay demo --once`: three gifts, a refund and three months with no person, over HTTP alone.
//!
//! It does what a browser would: makes pledges by the API, pays on the sandbox's page, presses its dashboard's buttons.

use serde::Deserialize;
use serde_json::{Value, json};

use super::CliError;
use super::demo::{Ends, agreement};
use super::report::{self, day_of_clock};
use crate::domain::calendar::number_of;
use crate::store::Period;

const GIFTS: [(&str, i64, &str, &str); 3] =
    [("once", 2500, "USD", "paid"), ("monthly", 200, "EUR", "active"), ("annual", 5000, "JPY", "active")];

/// What goes back of the gift in USD.
const REFUND_MINOR: i64 = 1000;

#[derive(Deserialize)]
struct Made {
    id: String,
    checkout_url: String,
}

/// Plays it through and returns the revenue table, and whether it agrees with Stripe.
pub(super) async fn play(ends: &Ends) -> Result<String, CliError> {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build();
    let player = Player { client: client.map_err(|error| failed("preparing", &error))?, ends };
    let from = day_of_clock(&ends.clock);
    let mut pledges = Vec::with_capacity(GIFTS.len());
    for (frequency, amount_minor, currency, settled) in GIFTS {
        let body = json!({"frequency": frequency, "amount_minor": amount_minor, "currency": currency});
        let made = player.pledge(&body).await?;
        player.pay(&made.checkout_url).await?;
        pledges.push((made.id, settled));
    }
    ends.caught_up().await?;
    for (id, settled) in &pledges {
        let status = player.status(id).await?;
        if status != *settled {
            return Err(CliError::Failed(format!("the pledge {id} is {status}, and should be {settled}")));
        }
    }
    player.refund_part_of("usd", REFUND_MINOR).await?;
    ends.caught_up().await?;
    player.post_form(&format!("{}clock", ends.sandbox_url), &[("by", "quarter")]).await?;
    ends.caught_up().await?;
    let to = day_of_clock(&ends.clock).saturating_add(jiff::Span::new().days(1));
    let table = report::revenue_table(&ends.store, from, to, ends.clock.now()).await?;
    let agreement = agreement::reached(ends, Period { from: number_of(from), to: number_of(to) }).await?;
    Ok(table + &agreement)
}

struct Player<'a> {
    client: reqwest::Client,
    ends: &'a Ends,
}

impl Player<'_> {
    async fn pledge(&self, body: &Value) -> Result<Made, CliError> {
        let what = "making a pledge";
        let url = format!("{}/v1/pledges", self.ends.app_url);
        let answer = self.client.post(url).json(body).send().await.and_then(reqwest::Response::error_for_status);
        answer.map_err(|error| failed(what, &error))?.json().await.map_err(|error| failed(what, &error))
    }

    async fn pay(&self, checkout_url: &str) -> Result<(), CliError> {
        let person = [("card", "works"), ("email", "reader@example.org"), ("name", "A Reader")];
        self.post_form(checkout_url, &person).await
    }

    /// Gives a part of the gift in this currency back.
    async fn refund_part_of(&self, currency: &str, amount_minor: i64) -> Result<(), CliError> {
        let charges = self.ends.sandbox.objects("charge");
        let charge =
            charges.iter().find(|charge| charge["currency"] == currency).and_then(|charge| charge["id"].as_str());
        let charge = charge.ok_or_else(|| CliError::Failed(format!("there is no gift in {currency} to refund")))?;
        let form = [("charge", charge), ("amount", &amount_minor.to_string())];
        self.post_form(&format!("{}refund", self.ends.sandbox_url), &form).await
    }

    /// Sends a form; the answer is a page or the way on.
    async fn post_form(&self, url: &str, form: &[(&str, &str)]) -> Result<(), CliError> {
        let answer = self.client.post(url).form(form).send().await.and_then(reqwest::Response::error_for_status);
        answer.map(drop).map_err(|error| failed("on the sandbox's page", &error))
    }

    async fn status(&self, id: &str) -> Result<String, CliError> {
        let what = "looking at a pledge";
        let url = format!("{}/v1/pledges/{id}", self.ends.app_url);
        let answer = self.client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let pledge: Value =
            answer.map_err(|error| failed(what, &error))?.json().await.map_err(|error| failed(what, &error))?;
        Ok(pledge["status"].as_str().unwrap_or_default().to_owned())
    }
}

fn failed(doing: &str, error: &reqwest::Error) -> CliError {
    CliError::Failed(format!("the demo failed {doing}: {error}"))
}
