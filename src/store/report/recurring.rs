//! How recurring gifts stood over time, from the versions of their subscriptions.

use std::collections::HashMap;

use super::currency;
use crate::domain::facts::{Fact, Links, Object, ObjectKind, State};
use crate::domain::money::MoneyError;
use crate::domain::pledge::Frequency;
use crate::domain::report::query::Query as Asked;
use crate::domain::report::standing::{History, point};
use crate::store::{Store, StoreError};

/// Versions read at once.
const PAGE: i64 = 2_000;

#[derive(sqlx::FromRow)]
struct VersionRow {
    subscription: String,
    at: i64,
    event_id: String,
    fact: String,
    pledge_id: String,
    currency: String,
    frequency: String,
    campaign: String,
    source: String,
    donor_id: Option<String>,
}

/// Recurring gifts over time.
#[derive(Debug)]
pub struct Histories {
    pub all: Vec<History>,
    /// How many versions of subscriptions they were read from.
    pub versions: usize,
}

/// One subscription while its versions are read.
struct Reading {
    object: Object,
    history: History,
}

impl Reading {
    fn begin(row: &VersionRow, fact: Fact, disputes: &HashMap<String, Vec<i64>>) -> Result<Self, StoreError> {
        let corrupt = StoreError::Corrupt { what: "pledges.frequency" };
        let said = match &fact.state {
            State::Subscription { currency, .. } if !currency.is_empty() => currency,
            _ => &row.currency,
        };
        let history = History {
            currency: currency(said)?,
            frequency: Frequency::parse(&row.frequency).ok_or(corrupt)?,
            campaign: row.campaign.clone(),
            source: row.source.clone(),
            donor: row.donor_id.clone().unwrap_or_else(|| row.subscription.clone()),
            points: Vec::new(),
            disputed_at: disputes.get(&row.pledge_id).cloned().unwrap_or_default(),
        };
        let (id, kind) = (row.subscription.clone(), ObjectKind::Subscription);
        Ok(Self { object: Object { id, kind, links: Links::default(), donor_id: None, fact }, history })
    }

    /// What a further version says, joined as reconciling joins it: what is final stays, and within one second it is known
    /// which came later.
    fn hear(&mut self, fact: Fact) {
        let (id, kind) = (self.object.id.clone(), self.object.kind);
        self.object.join(Object { id, kind, links: Links::default(), donor_id: None, fact });
    }

    fn stand(&mut self, at: i64) -> Result<(), StoreError> {
        let overflow = |_: MoneyError| StoreError::Corrupt { what: "the amount of a subscription" };
        if let Some(point) = point(at, &self.object.fact.state, self.history.frequency).map_err(overflow)? {
            self.history.stand(point);
        }
        Ok(())
    }
}

impl Store {
    /// Every recurring gift over time, as far as it is asked for, in no order. Read page by page; what is kept of a gift is
    /// when it changed.
    pub async fn histories(&self, asked: &Asked) -> Result<Histories, StoreError> {
        let disputes = self.disputes_of_pledges().await?;
        let (mut done, mut versions): (Vec<History>, usize) = (Vec::new(), 0);
        let mut open: Option<Reading> = None;
        let (mut subscription, mut at, mut event) = (String::new(), 0_i64, String::new());
        loop {
            let rows = self.versions_after(asked, &subscription, at, &event).await?;
            let Some(last) = rows.last() else { break };
            (subscription, at, event) = (last.subscription.clone(), last.at, last.event_id.clone());
            versions += rows.len();
            for row in rows {
                let corrupt = |_| StoreError::Corrupt { what: "subscription_versions.fact" };
                let fact: Fact = serde_json::from_str(&row.fact).map_err(corrupt)?;
                if let Some(open) = open.as_mut().filter(|open| open.object.id == row.subscription) {
                    open.hear(fact);
                } else {
                    done.extend(open.take().map(|reading| reading.history));
                    open = Some(Reading::begin(&row, fact, &disputes)?);
                }
                if let Some(open) = &mut open {
                    open.stand(row.at)?;
                }
            }
        }
        done.extend(open.map(|reading| reading.history));
        done.retain(|history| asked.only.currency.is_none_or(|only| only == history.currency));
        Ok(Histories { all: done, versions })
    }

    async fn versions_after(
        &self,
        asked: &Asked,
        subscription: &str,
        at: i64,
        event: &str,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let only = &asked.only;
        self.db
            .read(
                "SELECT v.stripe_subscription_id AS subscription, v.at, v.event_id, v.fact, g.id AS pledge_id, g.currency, \
                 g.frequency, g.campaign, g.source, g.donor_id FROM subscription_versions v \
                 JOIN stripe_objects o ON o.object_id = v.stripe_subscription_id JOIN pledges g ON g.id = o.pledge_id \
                 WHERE (v.stripe_subscription_id, v.at, v.event_id) > ($1, $2, $3) \
                 AND (CAST($4 AS TEXT) IS NULL OR g.campaign = $4) AND (CAST($5 AS TEXT) IS NULL OR g.frequency = $5) \
                 AND (CAST($6 AS TEXT) IS NULL OR g.source = $6) \
                 ORDER BY v.stripe_subscription_id, v.at, v.event_id LIMIT $7",
            )
            .bind(subscription)
            .bind(at)
            .bind(event)
            .bind(only.campaign.clone())
            .bind(only.frequency.map(|frequency| frequency.as_str().to_owned()))
            .bind(only.source.clone())
            .bind(PAGE)
            .all()
            .await
    }

    /// When disputes took payments of each pledge back.
    async fn disputes_of_pledges(&self) -> Result<HashMap<String, Vec<i64>>, StoreError> {
        let taken = "SELECT p.pledge_id, d.withdrawn_at FROM disputes d JOIN payments p ON p.stripe_key = d.stripe_key \
                     WHERE d.withdrawn_at IS NOT NULL";
        let rows: Vec<(String, i64)> = self.db.read(taken).all().await?;
        let mut found: HashMap<String, Vec<i64>> = HashMap::new();
        for (pledge, at) in rows {
            found.entry(pledge).or_default().push(at);
        }
        Ok(found)
    }
}
