//! What rebuilding reads: every fact of some pledges, and the sums of all rows.

use std::collections::BTreeMap;

use super::reach::Reach;
use super::rows::{ObjectRow, PaymentRow};
use crate::domain::books::{Books, RevenueChange, RevenueKey};
use crate::domain::facts::{Fact, Links, Object, ObjectKind};
use crate::domain::pledge::Frequency;
use crate::store::{BATCH, Fixed, Store, StoreError, Tx};

/// The daily revenue, line by line.
pub type RevenueLines = BTreeMap<RevenueKey, RevenueChange>;

#[derive(sqlx::FromRow)]
struct VersionRow {
    stripe_subscription_id: String,
    fact: String,
}

impl VersionRow {
    fn read(self) -> Result<Object, StoreError> {
        let corrupt = |_| StoreError::Corrupt { what: "subscription_versions.fact" };
        let fact: Fact = serde_json::from_str(&self.fact).map_err(corrupt)?;
        let (id, kind) = (self.stripe_subscription_id, ObjectKind::Subscription);
        Ok(Object { id, kind, links: Links::default(), donor_id: None, fact })
    }
}

#[derive(sqlx::FromRow)]
struct RevenueRow {
    day: i64,
    currency: String,
    frequency: String,
    campaign: String,
    source: String,
    payments: i64,
    gross_minor: i64,
    refunds_minor: i64,
    disputes_minor: i64,
}

impl RevenueRow {
    fn read(self) -> Result<(RevenueKey, RevenueChange), StoreError> {
        let corrupt = StoreError::Corrupt { what: "revenue_daily.frequency" };
        let key = RevenueKey {
            day: self.day,
            currency: self.currency,
            frequency: Frequency::parse(&self.frequency).ok_or(corrupt)?,
            campaign: self.campaign,
            source: self.source,
        };
        let Self { payments, gross_minor, refunds_minor, disputes_minor, .. } = self;
        Ok((key, RevenueChange { payments, gross_minor, refunds_minor, disputes_minor }))
    }
}

impl Store {
    /// The next pledges after this id, at most a batch.
    pub async fn pledges_after(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self
            .db
            .read("SELECT id FROM pledges WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(id)
            .bind(i64::try_from(BATCH).unwrap_or(1))
            .all()
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }
}

impl Tx {
    /// Every fact and every derived row of these pledges, with each subscription as its versions say.
    pub async fn load_whole_books(&mut self, pledges: &[String]) -> Result<Books, StoreError> {
        let mut books = Books::whole();
        let mut reach = Reach::default();
        let by_pledge = concat!(object_columns!(), "pledge_id IN {?}");
        for row in self.list::<ObjectRow>(by_pledge, pledges).await? {
            let object = row.read()?;
            reach.follow(&object);
            books.load_object(object);
        }
        self.load_reached(&mut books, reach).await?;
        let versions: Vec<VersionRow> = self
            .list(
                "SELECT stripe_subscription_id, fact FROM subscription_versions WHERE stripe_subscription_id IN {?}",
                &books.subscriptions(),
            )
            .await?;
        let mut heard: BTreeMap<String, Object> = BTreeMap::new();
        for row in versions {
            let version = row.read()?;
            match heard.get_mut(&version.id) {
                Some(known) => known.join(version),
                None => drop(heard.insert(version.id.clone(), version)),
            }
        }
        for (id, heard) in heard {
            books.correct(&id, heard.fact);
        }
        books.link();
        let by_id = concat!(pledge_columns!(), "id IN {?}");
        for row in self.list::<super::PledgeRow>(by_id, pledges).await? {
            books.load_pledge(row.read()?);
        }
        let of_pledge = concat!(payment_columns!(), "pledge_id IN {?}");
        let payments: Vec<PaymentRow> = self.list(of_pledge, pledges).await?;
        for row in payments {
            books.load_payment(row.read()?);
        }
        self.load_accounts(&mut books).await?;
        Ok(books)
    }

    /// The daily revenue as it is kept.
    pub async fn revenue_kept(&mut self) -> Result<RevenueLines, StoreError> {
        let rows: Vec<RevenueRow> = self
            .query(
                "SELECT day, currency, frequency, campaign, source, payments, gross_minor, refunds_minor, disputes_minor \
                 FROM revenue_daily",
            )
            .all()
            .await?;
        rows.into_iter().map(RevenueRow::read).collect()
    }

    /// The daily revenue as the sum of all payments, refunds and disputes.
    pub async fn revenue_summed(&mut self) -> Result<RevenueLines, StoreError> {
        let rows: Vec<RevenueRow> = self
            .query(
                "SELECT m.day, m.currency, g.frequency, g.campaign, g.source, CAST(SUM(m.payments) AS BIGINT) AS payments, \
                 CAST(SUM(m.gross) AS BIGINT) AS gross_minor, CAST(SUM(m.refunded) AS BIGINT) AS refunds_minor, \
                 CAST(SUM(m.disputed) AS BIGINT) AS disputes_minor FROM (\
                   SELECT stripe_key, day, currency, 1 AS payments, amount_minor AS gross, 0 AS refunded, 0 AS disputed \
                   FROM payments WHERE status = 'succeeded' AND day IS NOT NULL \
                   UNION ALL SELECT stripe_key, day, currency, 0, 0, counted_minor, 0 FROM refunds \
                   UNION ALL SELECT stripe_key, withdrawn_day, currency, 0, 0, 0, counted_minor FROM disputes \
                   WHERE withdrawn_day IS NOT NULL \
                   UNION ALL SELECT stripe_key, reinstated_day, currency, 0, 0, 0, -counted_minor FROM disputes \
                   WHERE reinstated_day IS NOT NULL) AS m \
                 JOIN payments p ON p.stripe_key = m.stripe_key JOIN pledges g ON g.id = p.pledge_id \
                 GROUP BY m.day, m.currency, g.frequency, g.campaign, g.source",
            )
            .all()
            .await?;
        rows.into_iter().map(RevenueRow::read).collect()
    }

    /// Records in which zone days are counted from now on.
    pub async fn change_time_zone(&mut self, zone: &str) -> Result<(), StoreError> {
        self.query("UPDATE instance SET value = $1 WHERE name = $2")
            .bind(zone)
            .bind(Fixed::TimeZone.name())
            .run()
            .await
            .map(|_| ())
    }
}
