//! Checkout sessions: made once per pledge, found again when an answer was lost.

use std::collections::HashMap;

use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionAdaptivePricing, CreateCheckoutSessionLineItems,
    CreateCheckoutSessionLineItemsPriceData, CreateCheckoutSessionLineItemsPriceDataRecurring,
    CreateCheckoutSessionLineItemsPriceDataRecurringInterval as Interval, CreateCheckoutSessionPaymentIntentData,
    CreateCheckoutSessionSubscriptionData, CreateCheckoutSessionSubscriptionDataBillingMode,
    CreateCheckoutSessionSubscriptionDataBillingModeType as BillingMode, ExpireCheckoutSession, ListCheckoutSession,
};
use stripe_shared::{CheckoutSession, CheckoutSessionLocale, CheckoutSessionMode, CheckoutSessionUiMode};
use stripe_types::RangeQueryTs;

use super::decode::PLEDGE_KEY;
use super::setup::product_id;
use super::{CallError, Gateway};
use crate::domain::money::Money;
use crate::domain::pledge::Frequency;

/// How far Stripe's clock and ours may be apart when a session is looked for, in seconds.
const CLOCK_SLACK: i64 = 600;
/// Sessions looked through at most when one is looked for.
const MAX_LOOKED_THROUGH: usize = 2000;
const PAGE: i64 = 100;

/// Everything a session is made of. All of it comes from the stored pledge, so that a repeated call sends the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRequest {
    pub pledge_id: String,
    pub campaign: String,
    pub campaign_name: String,
    pub frequency: Frequency,
    pub money: Money,
    pub locale: Option<String>,
    pub success_url: String,
    pub cancel_url: String,
    /// Unix seconds.
    pub expires_at: i64,
    /// Unix seconds.
    pub created_at: i64,
    /// Which of our keys it is made under; raised only after Stripe stored a failure under the last one.
    pub attempt: i64,
}

/// A session that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// `cs_…`.
    pub id: String,
    /// Where the donor pays; none once the session is over.
    pub url: Option<String>,
}

/// Who ended a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// We did.
    Now,
    /// It was over: complete, or expired.
    Before,
}

impl From<CheckoutSession> for Session {
    fn from(session: CheckoutSession) -> Self {
        Self { id: session.id.to_string(), url: session.url }
    }
}

impl Gateway {
    /// Makes the session of a pledge, under an idempotency key derived from the pledge.
    pub async fn create_session(&self, request: &SessionRequest) -> Result<Session, CallError> {
        let product = self.product(&request.campaign, &request.campaign_name).await?;
        let key = format!("{}-{}", request.pledge_id, request.attempt);
        self.post(&session_parameters(request, product), &key).await.map(Session::from)
    }

    /// Looks for the session of a pledge among those made around its time.
    pub async fn find_session(&self, pledge_id: &str, created_at: i64) -> Result<Option<Session>, CallError> {
        let since = RangeQueryTs::gte(created_at - CLOCK_SLACK);
        let mut after: Option<String> = None;
        let mut seen = 0;
        loop {
            let mut list = ListCheckoutSession::new().created(since).limit(PAGE);
            if let Some(after) = after {
                list = list.starting_after(after);
            }
            let page = self.send(&list).await?;
            let ours = page.data.iter().find(|session| session.client_reference_id.as_deref() == Some(pledge_id));
            if let Some(session) = ours {
                return Ok(Some(Session { id: session.id.to_string(), url: session.url.clone() }));
            }
            seen += page.data.len();
            after = page.data.last().map(|session| session.id.to_string());
            if !page.has_more || after.is_none() {
                return Ok(None);
            }
            if seen >= MAX_LOOKED_THROUGH {
                // Not found is not "not there": whoever asks must not make a second one.
                return Err(CallError::Unreadable);
            }
        }
    }

    /// Ends a session so that nobody can pay on it any more.
    pub async fn expire_session(&self, session_id: &str) -> Result<Ending, CallError> {
        // Without a key of ours: it cannot be done twice, and a failure stored under a key would be replayed for a day.
        let refused = match self.send(&ExpireCheckoutSession::new(session_id.to_owned())).await {
            Ok(_) => return Ok(Ending::Now),
            Err(error @ CallError::Refused { .. }) => error,
            Err(error) => return Err(error),
        };
        // Only an open session can be ended; why else it was refused is for people.
        let answer = self.fetch(&format!("/checkout/sessions/{session_id}")).await?;
        let session = answer.json()?;
        match session["status"].as_str() {
            Some("complete" | "expired") => Ok(Ending::Before),
            _ => Err(refused),
        }
    }

    /// The product of a campaign, under an id of our own, made once.
    async fn product(&self, campaign: &str, name: &str) -> Result<String, CallError> {
        let id = product_id(campaign);
        if self.product_is_known(&id) {
            return Ok(id);
        }
        let id = self.create_product(campaign, name).await?;
        self.remember_product(id.clone());
        Ok(id)
    }
}

fn session_parameters(request: &SessionRequest, product: String) -> CreateCheckoutSession {
    let metadata = HashMap::from([(PLEDGE_KEY.to_owned(), request.pledge_id.clone())]);
    let parameters = CreateCheckoutSession::new()
        .ui_mode(CheckoutSessionUiMode::HostedPage)
        .client_reference_id(request.pledge_id.clone())
        .metadata(metadata.clone())
        .line_items(vec![line_item(request, product)])
        .adaptive_pricing(CreateCheckoutSessionAdaptivePricing { enabled: Some(false) })
        .success_url(request.success_url.clone())
        .cancel_url(request.cancel_url.clone())
        .expires_at(request.expires_at);
    let parameters = match request.locale.as_deref().map(str::parse::<CheckoutSessionLocale>) {
        Some(Ok(locale)) => parameters.locale(locale),
        _ => parameters,
    };
    if request.frequency.recurs() {
        let mut data = CreateCheckoutSessionSubscriptionData::new();
        data.metadata = Some(metadata);
        data.billing_mode = Some(CreateCheckoutSessionSubscriptionDataBillingMode::new(BillingMode::Flexible));
        parameters.mode(CheckoutSessionMode::Subscription).subscription_data(data)
    } else {
        let mut data = CreateCheckoutSessionPaymentIntentData::new();
        data.metadata = Some(metadata);
        parameters.mode(CheckoutSessionMode::Payment).payment_intent_data(data)
    }
}

fn line_item(request: &SessionRequest, product: String) -> CreateCheckoutSessionLineItems {
    let Ok(currency) = request.money.currency.stripe_code().parse::<stripe_types::Currency>();
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency);
    price.product = Some(product);
    price.unit_amount = Some(request.money.amount_minor);
    price.recurring = match request.frequency {
        Frequency::Once => None,
        Frequency::Monthly => Some(CreateCheckoutSessionLineItemsPriceDataRecurring::new(Interval::Month)),
        Frequency::Annual => Some(CreateCheckoutSessionLineItemsPriceDataRecurring::new(Interval::Year)),
    };
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price_data = Some(price);
    item.quantity = Some(1);
    item
}
