//! What an account must have so that gifts can come in: webhook endpoint, products, and how the portal is set up.
//!
//! It says what is there and makes or corrects one thing at a time; what is wanted where is decided by its caller.

use std::collections::HashMap;

use secrecy::SecretString;
use stripe_billing::BillingPortalConfiguration;
use stripe_billing::billing_portal_configuration::{
    CreateBillingPortalConfiguration, CreateBillingPortalConfigurationFeatures,
    CreateBillingPortalConfigurationFeaturesCustomerUpdate, CreateBillingPortalConfigurationFeaturesSubscriptionCancel,
    CreateBillingPortalConfigurationFeaturesSubscriptionUpdate, InvoiceListParam, ListBillingPortalConfiguration,
    PaymentMethodUpdateParam, UpdateBillingPortalConfiguration, UpdateBillingPortalConfigurationFeatures,
    UpdateBillingPortalConfigurationFeaturesCustomerUpdate, UpdateBillingPortalConfigurationFeaturesSubscriptionCancel,
    UpdateBillingPortalConfigurationFeaturesSubscriptionUpdate,
};
use stripe_misc::WebhookEndpoint;
use stripe_misc::webhook_endpoint::{
    CreateWebhookEndpoint, CreateWebhookEndpointEnabledEvents, ListWebhookEndpoint, UpdateWebhookEndpoint,
    UpdateWebhookEndpointEnabledEvents,
};
use stripe_product::product::{CreateProduct, RetrieveProduct, UpdateProduct};
use stripe_shared::ApiVersion;

use super::{CallError, Gateway};
use crate::domain::event::HANDLED;

/// Marks what is ours among what others made on the account.
/// What the id of a campaign's product begins with.
const PRODUCT_PREFIX: &str = "mainstay_";
const MARK: (&str, &str) = ("mainstay", "portal");
/// A page of Stripe's lists. An account has at most 16 endpoints, and few configurations.
const PAGE: i64 = 100;

/// What a restricted key may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// A permission that a restricted key needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Right {
    /// As Stripe's dashboard calls it.
    pub name: &'static str,
    /// The resource's path in the API.
    pub resource: &'static str,
    pub access: Access,
}

const fn right(name: &'static str, resource: &'static str, access: Access) -> Right {
    Right { name, resource, access }
}

pub const ENDPOINTS: Right = right("Webhook Endpoints", "webhook_endpoints", Access::Write);
pub const PRODUCTS: Right = right("Products", "products", Access::Write);
pub const PORTAL: Right = right("Customer portal", "billing_portal/configurations", Access::Write);

/// All permissions that our calls need. Held against what is called by a test, and against the documents by another.
pub const RIGHTS: [Right; 16] = [
    right("Checkout Sessions", "checkout/sessions", Access::Write),
    PRODUCTS,
    ENDPOINTS,
    PORTAL,
    right("Prices", "prices", Access::Read),
    right("Customers", "customers", Access::Write),
    right("Subscriptions", "subscriptions", Access::Write),
    right("Invoices", "invoices", Access::Read),
    right("Invoice Payments", "invoice_payments", Access::Read),
    right("PaymentIntents", "payment_intents", Access::Read),
    right("Charges", "charges", Access::Read),
    right("Refunds", "refunds", Access::Write),
    right("Disputes", "disputes", Access::Read),
    right("Events", "events", Access::Read),
    right("Balance Transactions", "balance_transactions", Access::Read),
    right("Payouts", "payouts", Access::Read),
];

impl std::fmt::Display for Right {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let access = if self.access == Access::Write { "write" } else { "read" };
        write!(f, "{}: {access}", self.name)
    }
}

/// A webhook endpoint of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `we_…`.
    pub id: String,
    pub url: String,
    /// None: the account's own.
    pub api_version: Option<String>,
    pub events: Vec<String>,
    pub enabled: bool,
    /// Unix seconds.
    pub created: i64,
}

impl Endpoint {
    /// Events we act on that it is not sent.
    pub fn missing(&self) -> Vec<&'static str> {
        let sent = |kind: &str| self.events.iter().any(|event| event == kind || event == "*");
        HANDLED.into_iter().filter(|kind| !sent(kind)).collect()
    }

    /// Events it is sent that we do not act on.
    pub fn needless(&self) -> Vec<&str> {
        self.events.iter().map(String::as_str).filter(|event| !HANDLED.contains(event)).collect()
    }
}

impl From<WebhookEndpoint> for Endpoint {
    fn from(endpoint: WebhookEndpoint) -> Self {
        Self {
            id: endpoint.id.to_string(),
            url: endpoint.url,
            api_version: endpoint.api_version,
            events: endpoint.enabled_events,
            enabled: endpoint.status == "enabled",
            created: endpoint.created,
        }
    }
}

/// The product of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignProduct {
    pub id: String,
    pub name: String,
    /// An archived one can be bought no more.
    pub active: bool,
}

/// How the customer portal is set up for our donors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    /// `bpc_…`.
    pub id: String,
    /// Whether donors can do there what they should, and nothing else.
    pub right: bool,
}

impl From<BillingPortalConfiguration> for Portal {
    fn from(made: BillingPortalConfiguration) -> Self {
        let features = &made.features;
        let may = features.payment_method_update.enabled && features.invoice_history.enabled;
        // Who ends or changes a gift does so with us: there it is confirmed in the newsroom's words, and known at once.
        let may_not = features.subscription_cancel.enabled
            || features.subscription_update.enabled
            || features.customer_update.enabled;
        Self { id: made.id.to_string(), right: may && !may_not }
    }
}

impl Gateway {
    /// All webhook endpoints of the account.
    pub async fn endpoints(&self) -> Result<Vec<Endpoint>, CallError> {
        let page = self.send(&ListWebhookEndpoint::new().limit(PAGE)).await?;
        Ok(page.data.into_iter().map(Endpoint::from).collect())
    }

    /// Makes an endpoint at `url` with our events in our version; its id and its signing secret, told this once.
    pub async fn create_endpoint(&self, url: &str) -> Result<(String, SecretString), CallError> {
        let events: Vec<CreateWebhookEndpointEnabledEvents> =
            HANDLED.iter().filter_map(|kind| kind.parse().ok()).collect();
        let create = CreateWebhookEndpoint::new(events, url)
            .api_version(ApiVersion::V2026_09_30_endive)
            .description("Mainstay: gifts and what becomes of them");
        let made = self.post(&create, &self.fresh_key()).await?;
        let secret = made.secret.ok_or(CallError::Unreadable)?;
        Ok((made.id.to_string(), secret.into()))
    }

    /// Enables an endpoint, with exactly our events.
    pub async fn correct_endpoint(&self, id: &str) -> Result<(), CallError> {
        let events: Vec<UpdateWebhookEndpointEnabledEvents> =
            HANDLED.iter().filter_map(|kind| kind.parse().ok()).collect();
        let update = UpdateWebhookEndpoint::new(id.to_owned()).enabled_events(events).disabled(false);
        self.send(&update).await.map(|_| ())
    }

    /// The product of a campaign, if it was made.
    pub async fn find_product(&self, campaign: &str) -> Result<Option<CampaignProduct>, CallError> {
        let id = product_id(campaign);
        match self.send(&RetrieveProduct::new(id.clone())).await {
            Ok(product) => Ok(Some(CampaignProduct { id, name: product.name, active: product.active })),
            Err(CallError::Refused { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the product of a campaign, and answers its id. There being one already is no mistake.
    pub async fn create_product(&self, campaign: &str, name: &str) -> Result<String, CallError> {
        let id = product_id(campaign);
        // Without a key of ours: the id makes it one of a kind, and a failure stored under a key would be replayed to
        // every gift of the campaign for a day.
        match self.send(&CreateProduct::new(name).id(id.clone())).await {
            Ok(_) => Ok(id),
            Err(CallError::Refused { code, .. }) if code == "resource_already_exists" => Ok(id),
            Err(error) => Err(error),
        }
    }

    /// Names the product of a campaign anew, and takes it out of the archive.
    pub async fn correct_product(&self, campaign: &str, name: &str) -> Result<(), CallError> {
        self.send(&UpdateProduct::new(product_id(campaign)).name(name).active(true)).await.map(|_| ())
    }

    /// How the portal is set up for our donors, if it is.
    pub async fn portal(&self) -> Result<Option<Portal>, CallError> {
        let page = self.send(&ListBillingPortalConfiguration::new().active(true).limit(PAGE)).await?;
        let is_ours = |made: &BillingPortalConfiguration| {
            made.metadata.as_ref().and_then(|metadata| metadata.get(MARK.0)).is_some_and(|mark| mark == MARK.1)
        };
        Ok(page.data.into_iter().find(is_ours).map(Portal::from))
    }

    /// Sets the portal up: donors change their card and see their invoices there, nothing else.
    pub async fn create_portal(&self) -> Result<String, CallError> {
        let mut features = CreateBillingPortalConfigurationFeatures::new();
        features.payment_method_update = Some(PaymentMethodUpdateParam::new(true));
        features.invoice_history = Some(InvoiceListParam::new(true));
        features.subscription_cancel = Some(CreateBillingPortalConfigurationFeaturesSubscriptionCancel::new(false));
        features.subscription_update = Some(CreateBillingPortalConfigurationFeaturesSubscriptionUpdate::new(false));
        features.customer_update = Some(CreateBillingPortalConfigurationFeaturesCustomerUpdate::new(false));
        let create = CreateBillingPortalConfiguration::new(features)
            .name("Mainstay")
            .metadata(HashMap::from([(MARK.0.to_owned(), MARK.1.to_owned())]));
        self.post(&create, &self.fresh_key()).await.map(|made| made.id.to_string())
    }

    /// Sets a portal up anew as [`Self::create_portal`] does.
    pub async fn correct_portal(&self, id: &str) -> Result<(), CallError> {
        let mut features = UpdateBillingPortalConfigurationFeatures::new();
        features.payment_method_update = Some(PaymentMethodUpdateParam::new(true));
        features.invoice_history = Some(InvoiceListParam::new(true));
        let mut cancel = UpdateBillingPortalConfigurationFeaturesSubscriptionCancel::new();
        cancel.enabled = Some(false);
        features.subscription_cancel = Some(cancel);
        let mut update = UpdateBillingPortalConfigurationFeaturesSubscriptionUpdate::new();
        update.enabled = Some(false);
        features.subscription_update = Some(update);
        let mut customer = UpdateBillingPortalConfigurationFeaturesCustomerUpdate::new();
        customer.enabled = Some(false);
        features.customer_update = Some(customer);
        self.send(&UpdateBillingPortalConfiguration::new(id.to_owned()).features(features)).await.map(|_| ())
    }

    /// A key for one call and its repetitions.
    fn fresh_key(&self) -> String {
        format!("setup-{}", self.random.hex())
    }
}

/// A product has an id of our own, so that there is one for each campaign.
pub(super) fn product_id(campaign: &str) -> String {
    format!("{PRODUCT_PREFIX}{campaign}")
}

/// The campaign of a product of ours.
pub(super) fn campaign_of(product_id: &str) -> Option<&str> {
    product_id.strip_prefix(PRODUCT_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stripe_knows_every_event_we_ask_for_and_our_version() {
        for kind in HANDLED {
            let create: CreateWebhookEndpointEnabledEvents = kind.parse().unwrap();
            let update: UpdateWebhookEndpointEnabledEvents = kind.parse().unwrap();
            assert!(!matches!(create, CreateWebhookEndpointEnabledEvents::Unknown(_)), "{kind}");
            assert!(!matches!(update, UpdateWebhookEndpointEnabledEvents::Unknown(_)), "{kind}");
        }
        assert_eq!(ApiVersion::V2026_09_30_endive.as_str(), crate::domain::event::API_VERSION);
    }
}
