//! What Stripe booked: lines of the balance, payouts, and the daily settlement.
//!
//! Lines are kept a page at a time, by id: one that is there already changes nothing. A line is linked to its payment by
//! the charge behind it; whoever links it adds it to the daily settlement in the same transaction, and whoever corrects a
//! linked line takes it out first.

mod daily;
mod holding;
mod payouts;

use super::{Store, StoreError, Tx};
use crate::domain::settlement::{Line, Part, Payout};
use crate::store::BATCH;

pub use daily::{DatedLine, SettlementLines};
pub use holding::{OpenBreak, PartSums, Period};
pub use payouts::ShownPayout;

/// How far one of Stripe's lists was read. See the table `cursors`.
#[derive(Debug, Clone, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Cursor {
    pub position: i64,
    pub reached: Option<i64>,
    pub after_id: Option<String>,
}

/// A line as it is to be kept.
#[derive(Debug, Clone)]
pub struct NewLine {
    pub line: Line,
    /// The newsroom's day of the line.
    pub day: i64,
    /// Where it is known.
    pub payout_id: Option<String>,
}

/// A payout with its days.
#[derive(Debug, Clone)]
pub struct NewPayout {
    pub payout: Payout,
    /// The newsroom's day on which it was made.
    pub day: i64,
    pub arrives_on: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
struct LineRow {
    id: String,
    kind: String,
    category: String,
    part: String,
    source_id: Option<String>,
    charge_id: Option<String>,
    stripe_key: Option<String>,
    pledge_id: Option<String>,
    amount_minor: i64,
    fee_minor: i64,
    net_minor: i64,
    currency: String,
    exchange_rate: Option<String>,
    created_at: i64,
    day: i64,
    available_at: i64,
    payout_id: Option<String>,
}

impl LineRow {
    fn of(new: &NewLine, known: Option<&Self>, pledge_id: Option<String>) -> Self {
        let NewLine { line, day, payout_id } = new;
        Self {
            id: line.id.clone(),
            kind: line.kind.clone(),
            category: line.category.clone(),
            part: line.part.as_str().to_owned(),
            source_id: line.source_id.clone(),
            charge_id: line.charge_id.clone(),
            stripe_key: known.and_then(|known| known.stripe_key.clone()),
            pledge_id: known.and_then(|known| known.pledge_id.clone()).or(pledge_id),
            amount_minor: line.amount_minor,
            fee_minor: line.fee_minor,
            net_minor: line.net_minor,
            currency: line.currency.clone(),
            exchange_rate: line.exchange_rate.clone(),
            created_at: line.created_at,
            day: *day,
            available_at: line.available_at,
            payout_id: payout_id.clone().or_else(|| known.and_then(|known| known.payout_id.clone())),
        }
    }

    /// Whether it counts as before: only when and in which payout it leaves may be another.
    fn counts_as(&self, other: &Self) -> bool {
        let Self { available_at, payout_id, .. } = other.clone();
        Self { available_at, payout_id, ..self.clone() } == *other
    }
}

impl Store {
    /// How far the list of this name was read; nothing of it, if it never was.
    pub async fn cursor(&self, name: &str) -> Result<Cursor, StoreError> {
        let cursor = "SELECT position, reached, after_id FROM cursors WHERE name = $1";
        Ok(self.db.read(cursor).bind(name).maybe().await?.unwrap_or_default())
    }

    /// The next lines after this id that could be linked to a payment, at most a batch.
    pub async fn linkable_lines(&self, after: &str) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self
            .db
            .read(
                "SELECT b.id FROM balance_transactions b JOIN payments p ON p.stripe_charge_id = b.charge_id \
                 WHERE b.stripe_key IS NULL AND b.part <> 'account' AND b.id > $1 ORDER BY b.id LIMIT $2",
            )
            .bind(after)
            .bind(i64::try_from(BATCH).unwrap_or(1))
            .all()
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// The next automatic payouts after this id whose lines are to be read, at most a batch: those whose lines were not
    /// read yet, and those that are not the sum of theirs.
    pub async fn payouts_to_read(&self, after: &str) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> = self
            .db
            .read(
                "SELECT id FROM payouts WHERE made_by = 'automatic' AND lines_known = 'completed' \
                 AND (lines_at IS NULL OR lines_minor <> amount_minor) AND id > $1 ORDER BY id LIMIT $2",
            )
            .bind(after)
            .bind(i64::try_from(BATCH).unwrap_or(1))
            .all()
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// Notes that all lines of a payout were read, and what they add up to without its own.
    pub async fn sum_payout(&self, id: &str, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "UPDATE payouts SET lines_at = $1, lines_minor = (SELECT CAST(COALESCE(SUM(b.net_minor), 0) AS BIGINT) \
                 FROM balance_transactions b WHERE b.payout_id = payouts.id AND b.currency = payouts.currency \
                 AND NOT (b.kind = 'payout' AND b.source_id = payouts.id)) WHERE id = $2",
            )
            .bind(now)
            .bind(id)
            .run()
            .await
            .map(|_| ())
    }

    /// How many automatic payouts are not the sum of their lines.
    pub async fn count_payouts_that_differ(&self) -> Result<i64, StoreError> {
        let differ = "SELECT COUNT(*) FROM payouts WHERE lines_minor <> amount_minor";
        Ok(self.db.read(differ).one::<(i64,)>().await?.0)
    }
}

impl Tx {
    /// Notes how far a list was read.
    pub async fn set_cursor(&mut self, name: &str, cursor: &Cursor) -> Result<(), StoreError> {
        self.query(
            "INSERT INTO cursors (name, position, reached, after_id) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (name) DO UPDATE SET position = excluded.position, reached = excluded.reached, \
             after_id = excluded.after_id",
        )
        .bind(name)
        .bind(cursor.position)
        .bind(cursor.reached)
        .bind(cursor.after_id.clone())
        .run()
        .await
        .map(|_| ())
    }

    /// Keeps a page of lines and links what can be. Returns how many were new or had changed.
    pub async fn keep_lines(&mut self, lines: &[NewLine]) -> Result<usize, StoreError> {
        let ids: Vec<String> = lines.iter().map(|new| new.line.id.clone()).collect();
        let known: Vec<LineRow> = self
            .list(
                "SELECT id, kind, category, part, source_id, charge_id, stripe_key, pledge_id, amount_minor, fee_minor, \
                 net_minor, currency, exchange_rate, created_at, day, available_at, payout_id \
                 FROM balance_transactions WHERE id IN {?}",
                &ids,
            )
            .await?;
        let known = |id: &str| known.iter().find(|row| row.id == id);
        let claimed = self.claimed(lines.iter().filter(|new| known(&new.line.id).is_none())).await?;
        let rows = lines.iter().map(|new| LineRow::of(new, known(&new.line.id), claimed.pledge_of(&new.line)));
        let rows: Vec<LineRow> = rows.filter(|row| known(&row.id) != Some(row)).collect();
        let counted_otherwise =
            |row: &&LineRow| known(&row.id).is_some_and(|known| known.stripe_key.is_some() && !row.counts_as(known));
        let corrected: Vec<String> = rows.iter().filter(counted_otherwise).map(|row| row.id.clone()).collect();
        self.unlink_lines(&corrected).await?;
        self.write_lines(&rows).await?;
        let charges: Vec<String> = rows.iter().filter_map(|row| row.charge_id.clone()).collect();
        self.share_claims(&charges).await?;
        let changed: Vec<String> = rows.into_iter().map(|row| row.id).collect();
        self.link_lines(&changed).await?;
        Ok(changed.len())
    }

    /// The pledges of ours that new lines name, or whose customers paid them.
    async fn claimed(&mut self, new: impl Iterator<Item = &NewLine>) -> Result<Claimed, StoreError> {
        let claims: Vec<_> = new.filter(|new| new.line.part != Part::Account).map(|new| &new.line.claim).collect();
        let pledges: Vec<&String> = claims.iter().filter_map(|claim| claim.pledge.as_ref()).collect();
        let customers: Vec<&String> = claims.iter().filter_map(|claim| claim.customer.as_ref()).collect();
        if pledges.is_empty() && customers.is_empty() {
            return Ok(Claimed::default());
        }
        let rows = self.keyed(
            "SELECT id, stripe_customer_id FROM pledges WHERE id IN {?} \
             UNION SELECT id, stripe_customer_id FROM pledges WHERE stripe_customer_id IN {?}",
        );
        Ok(Claimed(rows.keys(&pledges).keys(&customers).all().await?))
    }

    async fn write_lines(&mut self, rows: &[LineRow]) -> Result<u64, StoreError> {
        self.batch(
            "INSERT INTO balance_transactions (id, kind, category, part, source_id, charge_id, pledge_id, amount_minor, \
             fee_minor, net_minor, currency, exchange_rate, created_at, day, available_at, payout_id) \
             VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, category = excluded.category, part = excluded.part, \
             source_id = excluded.source_id, charge_id = excluded.charge_id, pledge_id = excluded.pledge_id, \
             amount_minor = excluded.amount_minor, fee_minor = excluded.fee_minor, net_minor = excluded.net_minor, \
             currency = excluded.currency, exchange_rate = excluded.exchange_rate, created_at = excluded.created_at, \
             day = excluded.day, available_at = excluded.available_at, payout_id = excluded.payout_id",
            rows,
            |query, row| {
                query
                    .bind(row.id.clone())
                    .bind(row.kind.clone())
                    .bind(row.category.clone())
                    .bind(row.part.clone())
                    .bind(row.source_id.clone())
                    .bind(row.charge_id.clone())
                    .bind(row.pledge_id.clone())
                    .bind(row.amount_minor)
                    .bind(row.fee_minor)
                    .bind(row.net_minor)
                    .bind(row.currency.clone())
                    .bind(row.exchange_rate.clone())
                    .bind(row.created_at)
                    .bind(row.day)
                    .bind(row.available_at)
                    .bind(row.payout_id.clone())
            },
        )
        .await
    }

    /// What is ours of a charge is ours of all its lines: a refund or a dispute names no pledge itself.
    async fn share_claims(&mut self, charges: &[String]) -> Result<(), StoreError> {
        if charges.is_empty() {
            return Ok(());
        }
        let share = "UPDATE balance_transactions SET pledge_id = c.pledge_id FROM \
                     (SELECT charge_id, MIN(pledge_id) AS pledge_id FROM balance_transactions \
                     WHERE charge_id IN {?} AND pledge_id IS NOT NULL GROUP BY charge_id) AS c \
                     WHERE balance_transactions.charge_id = c.charge_id AND balance_transactions.pledge_id IS NULL";
        self.keyed(share).keys(charges).run().await.map(|_| ())
    }

    /// Keeps a page of payouts. What is known of their lines stays.
    pub async fn keep_payouts(&mut self, payouts: &[NewPayout]) -> Result<u64, StoreError> {
        self.batch(
            "INSERT INTO payouts (id, status, made_by, lines_known, amount_minor, currency, created_at, day, arrives_on) \
             VALUES {(?, ?, ?, ?, ?, ?, ?, ?, ?)} \
             ON CONFLICT (id) DO UPDATE SET status = excluded.status, made_by = excluded.made_by, \
             lines_known = excluded.lines_known, amount_minor = excluded.amount_minor, currency = excluded.currency, \
             created_at = excluded.created_at, day = excluded.day, arrives_on = excluded.arrives_on",
            payouts,
            |query, new| {
                let NewPayout { payout, day, arrives_on } = new;
                query
                    .bind(payout.id.clone())
                    .bind(payout.status.clone())
                    .bind(if payout.automatic { "automatic" } else { "manual" })
                    .bind(payout.lines_known.clone())
                    .bind(payout.amount_minor)
                    .bind(payout.currency.clone())
                    .bind(payout.created_at)
                    .bind(*day)
                    .bind(*arrives_on)
            },
        )
        .await
    }

    /// Links those of these lines whose payment is known, and counts them in the daily settlement.
    pub async fn link_lines(&mut self, ids: &[String]) -> Result<usize, StoreError> {
        let linked: Vec<(String,)> = self
            .list(
                "UPDATE balance_transactions SET stripe_key = p.stripe_key FROM payments AS p \
                 WHERE p.stripe_charge_id = balance_transactions.charge_id \
                 AND balance_transactions.stripe_key IS NULL AND balance_transactions.part <> 'account' \
                 AND balance_transactions.id IN {?} RETURNING balance_transactions.id",
                ids,
            )
            .await?;
        let linked: Vec<String> = linked.into_iter().map(|(id,)| id).collect();
        self.count_lines(&linked, 1).await?;
        Ok(linked.len())
    }

    /// Takes these lines out of the daily settlement, as if their payment were not known.
    async fn unlink_lines(&mut self, ids: &[String]) -> Result<(), StoreError> {
        self.count_lines(ids, -1).await?;
        if !ids.is_empty() {
            let unlink = "UPDATE balance_transactions SET stripe_key = NULL WHERE id IN {?}";
            self.keyed(unlink).keys(ids).run().await?;
        }
        Ok(())
    }
}

/// Pledges with their customers.
#[derive(Default)]
struct Claimed(Vec<(String, Option<String>)>);

impl Claimed {
    fn pledge_of(&self, line: &Line) -> Option<String> {
        let named = self.0.iter().find(|(id, _)| line.claim.pledge.as_ref() == Some(id));
        let of_customer = || self.0.iter().find(|(_, customer)| customer.is_some() && *customer == line.claim.customer);
        named.or_else(of_customer).map(|(id, _)| id.clone())
    }
}
