//! What recurs, as Stripe last told of it.

use super::{Store, StoreError};
use crate::domain::action::{ActionKind, ActionState, Ending, Standing, standing};
use crate::domain::agreement::Agreement;
use crate::domain::facts::{Fact, State};
use crate::domain::money::Currency;
use crate::domain::pledge::{Frequency, PledgeStatus};
use crate::id::PledgeId;
use crate::store::Action;

/// A pledge with a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurring {
    pub status: PledgeStatus,
    /// What was chosen at first.
    pub frequency: Frequency,
    pub campaign: String,
    pub currency: Currency,
    /// `cus_…`
    pub customer_id: Option<String>,
    /// `sub_…`
    pub subscription_id: String,
    /// Whether it ended here and goes on at Stripe.
    pub runs_on: bool,
    /// What is given, while it is.
    pub agreement: Option<Agreement>,
}

impl Recurring {
    /// How a change or an ending that was asked for stands: done once Stripe's events show it.
    pub fn standing(&self, action: &Action) -> Standing {
        let ends = self.agreement.as_ref().is_some_and(|agreement| agreement.ends_at.is_some());
        let ending = match self.status {
            PledgeStatus::Canceled if !self.runs_on => Ending::Over,
            _ if ends => Ending::Intended,
            _ => Ending::None,
        };
        let shown = self.agreement.as_ref().is_some_and(|agreement| {
            agreement.shows(action.kind, action.amount_minor, action.frequency, action.resumes_at)
        });
        let change = !matches!(action.kind, ActionKind::Refund | ActionKind::Cancel | ActionKind::CancelAtPeriodEnd);
        if change && shown && action.state == ActionState::Sent {
            return Standing::Done;
        }
        standing(action.kind, action.state, None, ending)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    status: String,
    frequency: String,
    campaign: String,
    currency: String,
    stripe_customer_id: Option<String>,
    stripe_subscription_id: String,
    fact: Option<String>,
}

fn state(fact: &str) -> Option<State> {
    serde_json::from_str::<Fact>(fact).ok().map(|fact| fact.state)
}

impl Store {
    /// What recurs of a pledge; none where nothing does.
    pub async fn recurring(&self, pledge: &PledgeId) -> Result<Option<Recurring>, StoreError> {
        const CORRUPT: StoreError = StoreError::Corrupt { what: "pledges" };
        let mut tx = self.db.begin_read().await?;
        let row: Option<Row> = tx
            .query(
                "SELECT g.status, g.frequency, g.campaign, g.currency, g.stripe_customer_id, g.stripe_subscription_id, \
                 o.fact FROM pledges g LEFT JOIN stripe_objects o ON o.object_id = g.stripe_subscription_id \
                 WHERE g.id = $1 AND g.stripe_subscription_id IS NOT NULL",
            )
            .bind(pledge.as_str())
            .maybe()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let subscription = row.fact.as_deref().and_then(state);
        let schedule = match &subscription {
            Some(State::Subscription { billing, .. }) => billing.schedule.clone(),
            _ => None,
        };
        let held: Option<(String,)> = tx
            .query("SELECT fact FROM stripe_objects WHERE object_id = $1 AND kind = 'subscription_schedule'")
            .bind(schedule.unwrap_or_default())
            .maybe()
            .await?;
        let runs_on = tx.runs_on(Some(&row.stripe_subscription_id)).await?;
        tx.rollback().await?;
        let held = held.and_then(|(fact,)| state(&fact));
        Ok(Some(Recurring {
            status: PledgeStatus::parse(&row.status).ok_or(CORRUPT)?,
            frequency: Frequency::parse(&row.frequency).ok_or(CORRUPT)?,
            campaign: row.campaign,
            currency: Currency::recorded(&row.currency).map_err(|_| CORRUPT)?,
            customer_id: row.stripe_customer_id,
            subscription_id: row.stripe_subscription_id,
            runs_on,
            agreement: subscription.and_then(|subscription| Agreement::of(&subscription, held.as_ref())),
        }))
    }
}
