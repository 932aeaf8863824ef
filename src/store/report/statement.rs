//! What Stripe booked on the account, for the accountant.

use std::collections::BTreeMap;

use super::{currency, day_of_span, divisor};
use crate::domain::calendar::number_of;
use crate::domain::money::Currency;
use crate::domain::report::query::Query as Asked;
use crate::domain::report::statement::{Booked, Lines};
use crate::store::{Store, StoreError};

#[derive(sqlx::FromRow)]
struct BookedRow {
    span: i64,
    currency: String,
    gross_minor: i64,
    refunds_minor: i64,
    disputes_minor: i64,
    fees_minor: i64,
    foreign_minor: i64,
    account_minor: i64,
    payouts_minor: i64,
}

impl Store {
    /// What the balance was before the first day, by currency.
    pub async fn balance_before(&self, asked: &Asked) -> Result<BTreeMap<Currency, i64>, StoreError> {
        let before = "SELECT currency, CAST(SUM(net_minor) AS BIGINT) AS net_minor FROM balance_transactions \
                      WHERE day < $1 AND (CAST($2 AS TEXT) IS NULL OR currency = $2) GROUP BY currency";
        let only = asked.only.currency.map(|currency| currency.code().to_owned());
        let rows: Vec<(String, i64)> = self.db.read(before).bind(number_of(asked.from)).bind(only).all().await?;
        rows.into_iter().map(|(code, net_minor)| Ok((currency(&code)?, net_minor))).collect()
    }

    /// What was booked, by period and currency, in no order.
    pub async fn statement_lines(&self, asked: &Asked) -> Result<Vec<Booked>, StoreError> {
        let rows: Vec<BookedRow> = self
            .db
            .read(
                "SELECT span, currency, \
                 CAST(SUM(CASE WHEN whose = 'ours' AND part = 'charge' THEN amount_minor ELSE 0 END) AS BIGINT) AS gross_minor, \
                 CAST(SUM(CASE WHEN whose = 'ours' AND part = 'refund' THEN -amount_minor ELSE 0 END) AS BIGINT) AS refunds_minor, \
                 CAST(SUM(CASE WHEN whose = 'ours' AND part = 'dispute' THEN -amount_minor ELSE 0 END) AS BIGINT) AS disputes_minor, \
                 CAST(SUM(CASE WHEN whose = 'ours' THEN fee_minor ELSE 0 END) AS BIGINT) AS fees_minor, \
                 CAST(SUM(CASE WHEN whose = 'foreign' THEN net_minor ELSE 0 END) AS BIGINT) AS foreign_minor, \
                 CAST(SUM(CASE WHEN whose = 'account' THEN net_minor ELSE 0 END) AS BIGINT) AS account_minor, \
                 CAST(SUM(CASE WHEN whose = 'payouts' THEN -net_minor ELSE 0 END) AS BIGINT) AS payouts_minor \
                 FROM (SELECT day / CAST($3 AS BIGINT) AS span, \
                   CASE WHEN part = 'account' AND category IN ('payout', 'payout_reversal') THEN 'payouts' \
                   WHEN part = 'account' THEN 'account' \
                   WHEN stripe_key IS NOT NULL OR pledge_id IS NOT NULL THEN 'ours' ELSE 'foreign' END AS whose, \
                   currency, part, amount_minor, fee_minor, net_minor FROM balance_transactions \
                   WHERE day >= $1 AND day < $2 AND (CAST($4 AS TEXT) IS NULL OR currency = $4)) AS b \
                 GROUP BY span, currency",
            )
            .bind(number_of(asked.from))
            .bind(number_of(asked.to))
            .bind(divisor(asked.split.period))
            .bind(asked.only.currency.map(|currency| currency.code().to_owned()))
            .all()
            .await?;
        let read = |row: BookedRow| {
            let lines = Lines {
                gross_minor: row.gross_minor,
                refunds_minor: row.refunds_minor,
                disputes_minor: row.disputes_minor,
                fees_minor: row.fees_minor,
                foreign_minor: row.foreign_minor,
                account_minor: row.account_minor,
                payouts_minor: row.payouts_minor,
            };
            Ok(Booked { day: day_of_span(asked, row.span)?, currency: currency(&row.currency)?, lines })
        };
        rows.into_iter().map(read).collect()
    }
}
