//! Changes and ends of pauses that donors are to be told of.

use super::{NewEmail, Recipient, Store, StoreError};
use crate::id::{ActionId, PledgeId};

#[derive(sqlx::FromRow)]
struct RecipientRow {
    pledge_id: String,
    campaign: String,
    locale: Option<String>,
    donor_id: String,
    email_sealed: Vec<u8>,
}

impl Store {
    /// Changes that Stripe took and nobody was told of, and pauses that end until then: up to `most` after the action `id`.
    pub async fn untold_changes(&self, until: i64, id: &str, most: i64) -> Result<Vec<ActionId>, StoreError> {
        let ids: Vec<(String,)> = self
            .db
            .read(
                "SELECT id FROM actions WHERE told_at IS NULL AND state = 'sent' \
                 AND (kind IN ('change_amount', 'change_frequency') OR (kind = 'pause' AND resumes_at <= $1)) \
                 AND id > $2 ORDER BY id LIMIT $3",
            )
            .bind(until)
            .bind(id)
            .bind(most)
            .all()
            .await?;
        let read = |(id,): (String,)| ActionId::parse(&id).map_err(|_| StoreError::Corrupt { what: "actions.id" });
        ids.into_iter().map(read).collect()
    }

    /// Who is written to about a pledge; none where nobody is known, or any more.
    pub async fn recipient(&self, pledge: &PledgeId) -> Result<Option<Recipient>, StoreError> {
        let row: Option<RecipientRow> = self
            .db
            .read(
                "SELECT g.id AS pledge_id, g.campaign, g.locale, d.id AS donor_id, d.email_sealed FROM pledges g \
                 JOIN donors d ON d.id = g.donor_id AND d.address_gone_at IS NULL WHERE g.id = $1",
            )
            .bind(pledge.as_str())
            .maybe()
            .await?;
        Ok(row.map(|row| Recipient {
            pledge_id: row.pledge_id,
            campaign: row.campaign,
            locale: row.locale,
            donor_id: row.donor_id,
            email_sealed: row.email_sealed,
        }))
    }

    /// Puts mails about these actions into the outbox and notes that their donors were told, both or neither; how many were
    /// not told before.
    pub async fn tell_changes(&self, told: Vec<(String, Option<NewEmail>)>, now: i64) -> Result<usize, StoreError> {
        let keys: Vec<String> = told.iter().map(|(key, _)| key.clone()).collect();
        let mut tx = self.db.begin().await?;
        let noted: Vec<(String,)> = tx
            .keyed("UPDATE actions SET told_at = ? WHERE told_at IS NULL AND id IN {?} RETURNING id")
            .bind(now)
            .keys(&keys)
            .all()
            .await?;
        let still = |key: &String| noted.iter().any(|(noted,)| noted == key);
        let emails: Vec<NewEmail> =
            told.into_iter().filter(|(key, _)| still(key)).filter_map(|(_, email)| email).collect();
        tx.put_emails(&emails).await?;
        tx.commit().await?;
        Ok(noted.len())
    }
}
