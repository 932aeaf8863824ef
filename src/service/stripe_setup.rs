//! What Mainstay needs on the Stripe account, looked at and put right.
//!
//! Looking and mending are two steps, so that what would be done can be told before it is. Doing it again changes
//! nothing. Invariant: what is not ours is never touched: an endpoint is ours by its address, a product by its id, the
//! portal's set-up by its mark.

use std::fmt;

use secrecy::SecretString;

use crate::domain::event::{API_VERSION, HANDLED};
use crate::gateway::setup::{ENDPOINTS, Endpoint, PORTAL, PRODUCTS, Right};
use crate::gateway::{CallError, Gateway};

/// What the account shall have.
#[derive(Debug, Clone)]
pub struct Setup {
    pub gateway: Gateway,
    /// Where Stripe's events go.
    pub webhook_url: String,
    /// Slugs and names.
    pub campaigns: Vec<(String, String)>,
    /// Whether an endpoint may be made beside one of another API version.
    pub beside: bool,
}

/// One thing the account shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Thing {
    Product { campaign: String, name: String },
    Portal,
    Endpoint,
}

/// How one thing stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// As it shall be.
    Right,
    Missing,
    /// There, but not as it shall be: in which way.
    Wrong(String),
}

/// One thing and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub thing: Thing,
    /// Stripe's id of it, where it is there.
    pub id: Option<String>,
    pub standing: Standing,
}

/// Why a thing could not be looked at or put right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    #[error(
        "the key may not do this: give it the permission \"{0}\" in the Stripe dashboard under Developers, API keys"
    )]
    Right(Right),
    #[error("{what}: {error}")]
    Call { what: &'static str, error: CallError },
    #[error(
        "the webhook endpoint {id} sends events of API version {version}, and Stripe lets nobody change that; run this \
         again with --beside to make one of version {API_VERSION} beside it, then disable {id} in the dashboard"
    )]
    Version { id: String, version: String },
}

impl Thing {
    fn right(&self) -> Right {
        match self {
            Self::Product { .. } => PRODUCTS,
            Self::Portal => PORTAL,
            Self::Endpoint => ENDPOINTS,
        }
    }

    fn failed(&self, error: CallError) -> SetupError {
        let what = match self {
            Self::Product { .. } => "products",
            Self::Portal => "the customer portal",
            Self::Endpoint => "the webhook endpoint",
        };
        match error {
            CallError::Refused { status: 403, .. } => SetupError::Right(self.right()),
            error => SetupError::Call { what, error },
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
        match &self.thing {
            Thing::Product { campaign, name } => write!(f, "product{id} of the campaign {campaign}, \"{name}\"")?,
            Thing::Portal => write!(f, "customer portal{id}: change of card, invoices")?,
            Thing::Endpoint => write!(f, "webhook endpoint{id}: {} events, version {API_VERSION}", HANDLED.len())?,
        }
        match &self.standing {
            Standing::Wrong(how) => write!(f, " ({how})"),
            Standing::Right | Standing::Missing => Ok(()),
        }
    }
}

impl Setup {
    /// How everything stands. What cannot be looked at keeps nothing else from being looked at.
    pub async fn look(&self) -> (Vec<Finding>, Vec<SetupError>) {
        let (mut found, mut failed) = (Vec::new(), Vec::new());
        for (campaign, name) in &self.campaigns {
            match self.look_at_product(campaign, name).await {
                Ok(finding) => found.push(finding),
                // Whatever keeps us from one keeps us from all.
                Err(error) => {
                    failed.push(error);
                    break;
                }
            }
        }
        match self.look_at_portal().await {
            Ok(finding) => found.push(finding),
            Err(error) => failed.push(error),
        }
        match self.look_at_endpoint().await {
            Ok(finding) => found.push(finding),
            Err(error) => failed.push(error),
        }
        (found, failed)
    }

    async fn look_at_product(&self, campaign: &str, name: &str) -> Result<Finding, SetupError> {
        let thing = Thing::Product { campaign: campaign.to_owned(), name: name.to_owned() };
        let there = self.gateway.find_product(campaign).await.map_err(|error| thing.failed(error))?;
        let standing = match &there {
            None => Standing::Missing,
            Some(product) if !product.active => Standing::Wrong("it was archived".to_owned()),
            Some(product) if product.name != name => Standing::Wrong(format!("it was called \"{}\"", product.name)),
            Some(_) => Standing::Right,
        };
        Ok(Finding { thing, id: there.map(|product| product.id), standing })
    }

    async fn look_at_portal(&self) -> Result<Finding, SetupError> {
        let there = self.gateway.portal().await.map_err(|error| Thing::Portal.failed(error))?;
        let standing = match &there {
            None => Standing::Missing,
            Some(portal) if !portal.right => Standing::Wrong("it let donors do more or less than that".to_owned()),
            Some(_) => Standing::Right,
        };
        Ok(Finding { thing: Thing::Portal, id: there.map(|portal| portal.id), standing })
    }

    async fn look_at_endpoint(&self) -> Result<Finding, SetupError> {
        let all = self.gateway.endpoints().await.map_err(|error| Thing::Endpoint.failed(error))?;
        let (there, other) = at(all, &self.webhook_url);
        match (there, other) {
            (Some(there), _) => {
                Ok(Finding { thing: Thing::Endpoint, id: Some(there.id.clone()), standing: standing(&there) })
            }
            (None, Some(other)) if !self.beside => {
                let version = other.api_version.unwrap_or_else(|| "the account's own".to_owned());
                Err(SetupError::Version { id: other.id, version })
            }
            (None, _) => Ok(Finding { thing: Thing::Endpoint, id: None, standing: Standing::Missing }),
        }
    }

    /// Makes or corrects a thing; its id, and the signing secret of an endpoint that was made.
    pub async fn mend(&self, finding: &Finding) -> Result<(String, Option<SecretString>), SetupError> {
        let gateway = &self.gateway;
        let done = match (&finding.thing, &finding.id) {
            (Thing::Product { campaign, name }, None) => {
                gateway.create_product(campaign, name).await.map(|id| (id, None))
            }
            (Thing::Product { campaign, name }, Some(id)) => {
                gateway.correct_product(campaign, name).await.map(|()| (id.clone(), None))
            }
            (Thing::Portal, None) => gateway.create_portal().await.map(|id| (id, None)),
            (Thing::Portal, Some(id)) => gateway.correct_portal(id).await.map(|()| (id.clone(), None)),
            (Thing::Endpoint, None) => {
                gateway.create_endpoint(&self.webhook_url).await.map(|(id, secret)| (id, Some(secret)))
            }
            (Thing::Endpoint, Some(id)) => gateway.correct_endpoint(id).await.map(|()| (id.clone(), None)),
        };
        done.map_err(|error| finding.thing.failed(error))
    }
}

/// Of the endpoints at `url`: one in our version, an enabled one first, and one in another.
pub(super) fn at(all: Vec<Endpoint>, url: &str) -> (Option<Endpoint>, Option<Endpoint>) {
    let is_ours = |endpoint: &Endpoint| endpoint.api_version.as_deref() == Some(API_VERSION);
    let (mut ours, others): (Vec<Endpoint>, Vec<Endpoint>) =
        all.into_iter().filter(|endpoint| endpoint.url == url).partition(is_ours);
    ours.sort_by_key(|endpoint| !endpoint.enabled);
    (ours.into_iter().next(), others.into_iter().next())
}

/// How an endpoint in our version stands.
pub(super) fn standing(endpoint: &Endpoint) -> Standing {
    let (missing, needless) = (endpoint.missing().len(), endpoint.needless().len());
    let wrong = [
        (!endpoint.enabled).then(|| "it was disabled".to_owned()),
        (missing > 0).then(|| format!("{missing} events were missing")),
        (needless > 0).then(|| format!("{needless} events were needless")),
    ];
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    if wrong.is_empty() { Standing::Right } else { Standing::Wrong(wrong.join(", ")) }
}
