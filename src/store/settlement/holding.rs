//! What holding the books against Stripe reads, and the differences it keeps.

use crate::domain::settlement::{Break, Fault, Part, Sides};
use crate::store::{Store, StoreError, Tx};

/// Days of the newsroom, 20261123; the second one is the day after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    pub from: i64,
    pub to: i64,
}

#[derive(sqlx::FromRow)]
struct SidesRow {
    object_id: String,
    day: i64,
    currency: String,
    expected_minor: Option<i64>,
    lines: i64,
    found_minor: i64,
    exchanged: i64,
    at: i64,
}

impl SidesRow {
    fn read(self, part: Part) -> Sides {
        let Self { object_id, day, currency, expected_minor, lines, found_minor, exchanged, at } = self;
        Sides { part, object_id, day, currency, expected_minor, lines, found_minor, exchanged, at }
    }
}

#[derive(sqlx::FromRow)]
struct BreakRow {
    what: String,
    object_id: String,
    day: i64,
    currency: String,
    expected_minor: Option<i64>,
    found_minor: Option<i64>,
    opened_at: i64,
}

/// A difference, and since when it is known.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OpenBreak {
    #[serde(flatten)]
    pub found: Break,
    /// Unix seconds.
    pub opened_at: i64,
}

/// What lines come to, by whose they are.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow, serde::Serialize)]
pub struct PartSums {
    /// `ours`, `foreign`, `account` or `payouts`.
    pub whose: String,
    /// The settlement currency.
    pub currency: String,
    pub lines: i64,
    pub charges_minor: i64,
    pub refunds_minor: i64,
    pub disputes_minor: i64,
    pub other_minor: i64,
    pub fees_minor: i64,
    pub net_minor: i64,
}

impl Store {
    /// The payments, refunds and disputes of these days whose lines, of these days or any other, do not plainly come to
    /// what our books say; and what Stripe booked as ours that our books do not have.
    pub async fn sides_that_differ(&self, period: Period) -> Result<Vec<Sides>, StoreError> {
        let payments = "SELECT o.stripe_key AS object_id, COALESCE(o.day, MIN(b.day), 0) AS day, o.currency, \
             CASE WHEN o.status = 'succeeded' THEN o.amount_minor ELSE 0 END AS expected_minor, \
             COUNT(b.id) AS lines, CAST(COALESCE(SUM(b.amount_minor), 0) AS BIGINT) AS found_minor, \
             COUNT(CASE WHEN b.currency <> o.currency THEN 1 END) AS exchanged, \
             COALESCE(MAX(b.created_at), o.succeeded_at, 0) AS at \
             FROM (SELECT stripe_key FROM payments WHERE day >= $1 AND day < $2 \
             UNION SELECT stripe_key FROM balance_transactions WHERE day >= $1 AND day < $2 AND part = 'charge' \
             AND stripe_key IS NOT NULL) AS t JOIN payments o ON o.stripe_key = t.stripe_key \
             LEFT JOIN balance_transactions b ON b.stripe_key = o.stripe_key AND b.part = 'charge' \
             GROUP BY o.stripe_key, o.day, o.currency, o.status, o.amount_minor, o.succeeded_at \
             HAVING CASE WHEN o.status = 'succeeded' THEN o.amount_minor ELSE 0 END <> COALESCE(SUM(b.amount_minor), 0) \
             OR COUNT(CASE WHEN b.currency <> o.currency THEN 1 END) > 0";
        let refunds = "SELECT o.stripe_refund_id AS object_id, o.day, o.currency, \
             CASE WHEN o.status IN ('failed', 'canceled', 'requires_action') THEN 0 ELSE -o.amount_minor END AS expected_minor, \
             COUNT(b.id) AS lines, CAST(COALESCE(SUM(b.amount_minor), 0) AS BIGINT) AS found_minor, \
             COUNT(CASE WHEN b.currency <> o.currency THEN 1 END) AS exchanged, \
             COALESCE(MAX(b.created_at), o.created_at) AS at \
             FROM (SELECT stripe_refund_id FROM refunds WHERE day >= $1 AND day < $2 \
             UNION SELECT source_id FROM balance_transactions WHERE day >= $1 AND day < $2 AND part = 'refund' \
             AND source_id IS NOT NULL) AS t JOIN refunds o ON o.stripe_refund_id = t.stripe_refund_id \
             LEFT JOIN balance_transactions b ON b.source_id = o.stripe_refund_id AND b.part = 'refund' \
             GROUP BY o.stripe_refund_id, o.day, o.currency, o.status, o.amount_minor, o.created_at \
             HAVING CASE WHEN o.status IN ('failed', 'canceled', 'requires_action') THEN 0 ELSE -o.amount_minor END \
             <> COALESCE(SUM(b.amount_minor), 0) OR COUNT(CASE WHEN b.currency <> o.currency THEN 1 END) > 0";
        let disputes = "SELECT o.stripe_dispute_id AS object_id, COALESCE(o.withdrawn_day, MIN(b.day), 0) AS day, o.currency, \
             CASE WHEN o.withdrawn_at IS NULL OR o.reinstated_at IS NOT NULL THEN 0 ELSE -o.amount_minor END AS expected_minor, \
             COUNT(b.id) AS lines, CAST(COALESCE(SUM(b.amount_minor), 0) AS BIGINT) AS found_minor, \
             COUNT(CASE WHEN b.currency <> o.currency THEN 1 END) AS exchanged, \
             COALESCE(MAX(b.created_at), o.withdrawn_at, 0) AS at \
             FROM (SELECT stripe_dispute_id FROM disputes WHERE withdrawn_day >= $1 AND withdrawn_day < $2 \
             UNION SELECT stripe_dispute_id FROM disputes WHERE reinstated_day >= $1 AND reinstated_day < $2 \
             UNION SELECT source_id FROM balance_transactions WHERE day >= $1 AND day < $2 AND part = 'dispute' \
             AND source_id IS NOT NULL) AS t JOIN disputes o ON o.stripe_dispute_id = t.stripe_dispute_id \
             LEFT JOIN balance_transactions b ON b.source_id = o.stripe_dispute_id AND b.part = 'dispute' \
             GROUP BY o.stripe_dispute_id, o.withdrawn_day, o.currency, o.withdrawn_at, o.reinstated_at, o.amount_minor \
             HAVING CASE WHEN o.withdrawn_at IS NULL OR o.reinstated_at IS NOT NULL THEN 0 ELSE -o.amount_minor END \
             <> COALESCE(SUM(b.amount_minor), 0) OR COUNT(CASE WHEN b.currency <> o.currency THEN 1 END) > 0";
        let mut sides = Vec::new();
        for (part, sql) in [(Part::Charge, payments), (Part::Refund, refunds), (Part::Dispute, disputes)] {
            let rows: Vec<SidesRow> = self.db.read(sql).bind(period.from).bind(period.to).all().await?;
            sides.extend(rows.into_iter().map(|row| row.read(part)));
        }
        sides.extend(self.unknown(period).await?);
        Ok(sides)
    }

    /// Lines that are ours (their payment is known, or they name a pledge of ours) about what our books do not have.
    async fn unknown(&self, period: Period) -> Result<Vec<Sides>, StoreError> {
        #[derive(sqlx::FromRow)]
        struct UnknownRow {
            part: String,
            #[sqlx(flatten)]
            sides: SidesRow,
        }
        let rows: Vec<UnknownRow> = self
            .db
            .read(
                "SELECT b.part, b.source_id AS object_id, MIN(b.day) AS day, b.currency, CAST(NULL AS BIGINT) AS expected_minor, \
                 COUNT(b.id) AS lines, CAST(SUM(b.amount_minor) AS BIGINT) AS found_minor, CAST(0 AS BIGINT) AS exchanged, \
                 MAX(b.created_at) AS at FROM balance_transactions b \
                 LEFT JOIN payments p ON p.stripe_key = b.stripe_key \
                 LEFT JOIN refunds r ON b.part = 'refund' AND r.stripe_refund_id = b.source_id \
                 LEFT JOIN disputes d ON b.part = 'dispute' AND d.stripe_dispute_id = b.source_id \
                 WHERE b.day >= $1 AND b.day < $2 AND b.part <> 'account' AND b.source_id IS NOT NULL \
                 AND (b.stripe_key IS NOT NULL OR b.pledge_id IS NOT NULL) \
                 AND (CASE b.part WHEN 'charge' THEN p.stripe_key WHEN 'refund' THEN r.stripe_refund_id \
                 ELSE d.stripe_dispute_id END) IS NULL \
                 GROUP BY b.part, b.source_id, b.currency",
            )
            .bind(period.from)
            .bind(period.to)
            .all()
            .await?;
        let corrupt = StoreError::Corrupt { what: "balance_transactions.part" };
        let sides: Option<Vec<Sides>> =
            rows.into_iter().map(|row| Some(row.sides.read(Part::parse(&row.part)?))).collect();
        sides.ok_or(corrupt)
    }

    /// Automatic payouts of these days that are not the sum of their lines.
    pub async fn payouts_that_differ(&self, period: Period) -> Result<Vec<Break>, StoreError> {
        let differ = "SELECT id, day, currency, amount_minor, lines_minor FROM payouts \
                      WHERE lines_minor <> amount_minor AND day >= $1 AND day < $2";
        let rows: Vec<(String, i64, String, i64, Option<i64>)> =
            self.db.read(differ).bind(period.from).bind(period.to).all().await?;
        let read = |(object_id, day, currency, amount_minor, found_minor)| Break {
            what: Fault::PayoutDiffers,
            object_id,
            day,
            currency,
            expected_minor: Some(amount_minor),
            found_minor,
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// What Stripe booked on these days, by whose it is and in which currency.
    pub async fn booked(&self, period: Period) -> Result<Vec<PartSums>, StoreError> {
        self.db
            .read(
                "SELECT whose, currency, COUNT(*) AS lines, \
                 CAST(SUM(CASE WHEN part = 'charge' THEN amount_minor ELSE 0 END) AS BIGINT) AS charges_minor, \
                 CAST(SUM(CASE WHEN part = 'refund' THEN -amount_minor ELSE 0 END) AS BIGINT) AS refunds_minor, \
                 CAST(SUM(CASE WHEN part = 'dispute' THEN -amount_minor ELSE 0 END) AS BIGINT) AS disputes_minor, \
                 CAST(SUM(CASE WHEN part = 'account' THEN amount_minor ELSE 0 END) AS BIGINT) AS other_minor, \
                 CAST(SUM(fee_minor) AS BIGINT) AS fees_minor, CAST(SUM(net_minor) AS BIGINT) AS net_minor \
                 FROM (SELECT CASE WHEN part = 'account' AND category IN ('payout', 'payout_reversal') THEN 'payouts' \
                   WHEN part = 'account' THEN 'account' \
                   WHEN stripe_key IS NOT NULL OR pledge_id IS NOT NULL THEN 'ours' ELSE 'foreign' END AS whose, \
                   currency, part, amount_minor, fee_minor, net_minor \
                   FROM balance_transactions WHERE day >= $1 AND day < $2) AS b GROUP BY whose, currency",
            )
            .bind(period.from)
            .bind(period.to)
            .all()
            .await
    }

    /// All differences that are not healed.
    pub async fn open_breaks(&self) -> Result<Vec<OpenBreak>, StoreError> {
        let open = "SELECT what, object_id, day, currency, expected_minor, found_minor, opened_at FROM breaks \
                    WHERE closed_at IS NULL";
        let rows: Vec<BreakRow> = self.db.read(open).all().await?;
        let read = |row: BreakRow| {
            let BreakRow { what, object_id, day, currency, expected_minor, found_minor, opened_at } = row;
            let what = Fault::parse(&what).ok_or(StoreError::Corrupt { what: "breaks.what" })?;
            let found = Break { what, object_id, day, currency, expected_minor, found_minor };
            Ok(OpenBreak { found, opened_at })
        };
        rows.into_iter().map(read).collect()
    }

    /// How many differences are not healed.
    pub async fn count_open_breaks(&self) -> Result<i64, StoreError> {
        Ok(self.db.read("SELECT COUNT(*) FROM breaks WHERE closed_at IS NULL").one::<(i64,)>().await?.0)
    }
}

impl Tx {
    /// Keeps what was found different on these days, and closes what was and is not any more.
    pub async fn keep_breaks(&mut self, period: Period, found: &[Break], now: i64) -> Result<(), StoreError> {
        let open = self
            .query(
                "SELECT what, object_id, currency FROM breaks WHERE closed_at IS NULL AND day >= $1 AND day < $2 \
                 AND what <> 'subscription_runs_on'",
            )
            .bind(period.from)
            .bind(period.to)
            .all()
            .await?;
        self.replace_breaks(open, found, now).await
    }

    /// Keeps which subscriptions of pledges that are over go on at Stripe, and closes what does not any more.
    pub async fn keep_running_on(&mut self, found: &[Break], now: i64) -> Result<(), StoreError> {
        let open = self
            .query(
                "SELECT what, object_id, currency FROM breaks WHERE closed_at IS NULL AND what = 'subscription_runs_on'",
            )
            .all()
            .await?;
        self.replace_breaks(open, found, now).await
    }

    /// Closes the difference about a subscription of which Stripe said at `at` that it is over.
    pub async fn ends_at_stripe(&mut self, subscription: &str, at: i64, now: i64) -> Result<(), StoreError> {
        self.query(
            "UPDATE breaks SET closed_at = $1 WHERE what = 'subscription_runs_on' AND object_id = $2 \
             AND closed_at IS NULL AND opened_at <= $3",
        )
        .bind(now)
        .bind(subscription)
        .bind(at)
        .run()
        .await
        .map(|_| ())
    }

    /// Whether a subscription goes on at Stripe although its pledge ended here.
    pub(in crate::store) async fn runs_on(&mut self, subscription: Option<&str>) -> Result<bool, StoreError> {
        let Some(subscription) = subscription else { return Ok(false) };
        let open = "SELECT object_id FROM breaks \
                    WHERE what = 'subscription_runs_on' AND object_id = $1 AND closed_at IS NULL";
        Ok(self.query(open).bind(subscription).maybe::<(String,)>().await?.is_some())
    }

    async fn replace_breaks(
        &mut self,
        open: Vec<(String, String, String)>,
        found: &[Break],
        now: i64,
    ) -> Result<(), StoreError> {
        for (what, object_id, currency) in open {
            let same = |found: &Break| {
                (found.what.as_str(), &found.object_id, &found.currency) == (&what, &object_id, &currency)
            };
            if found.iter().any(same) {
                continue;
            }
            self.query("UPDATE breaks SET closed_at = $1 WHERE what = $2 AND object_id = $3 AND currency = $4")
                .bind(now)
                .bind(what)
                .bind(object_id)
                .bind(currency)
                .run()
                .await?;
        }
        self.batch(
            "INSERT INTO breaks (what, object_id, day, currency, expected_minor, found_minor, opened_at) \
             VALUES {(?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (what, object_id, currency) DO UPDATE SET day = excluded.day, currency = excluded.currency, \
             expected_minor = excluded.expected_minor, found_minor = excluded.found_minor, closed_at = NULL, \
             opened_at = CASE WHEN breaks.closed_at IS NULL THEN breaks.opened_at ELSE excluded.opened_at END",
            found,
            |query, found| {
                query
                    .bind(found.what.as_str())
                    .bind(found.object_id.clone())
                    .bind(found.day)
                    .bind(found.currency.clone())
                    .bind(found.expected_minor)
                    .bind(found.found_minor)
                    .bind(now)
            },
        )
        .await
        .map(|_| ())
    }
}
