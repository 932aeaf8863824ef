//! Donors: found by a keyed hash of their address, which is sealed.

use std::collections::HashMap;

use super::{StoreError, Tx};
use crate::id::DonorId;

/// A donor's address, ready to be stored.
#[derive(Debug, Clone)]
pub struct NewDonor {
    pub id: DonorId,
    /// The blind index of the address.
    pub email_index: String,
    /// The index under which their reminders are.
    pub reminder_index: String,
    /// The address, sealed for the row `id`.
    pub email_sealed: Vec<u8>,
}

impl Tx {
    /// Stores donors not yet known and returns the id of each by index.
    pub async fn upsert_donors(
        &mut self,
        donors: &[NewDonor],
        now: i64,
    ) -> Result<HashMap<String, String>, StoreError> {
        if donors.is_empty() {
            return Ok(HashMap::new());
        }
        self.batch(
            "INSERT INTO donors (id, email_index, reminder_index, email_sealed, created_at) VALUES {(?, ?, ?, ?, ?)} \
             ON CONFLICT (email_index) DO UPDATE SET reminder_index = excluded.reminder_index \
             WHERE donors.reminder_index IS NULL",
            donors,
            |query, donor| {
                query
                    .bind(donor.id.as_str().to_owned())
                    .bind(donor.email_index.clone())
                    .bind(donor.reminder_index.clone())
                    .bind(donor.email_sealed.clone())
                    .bind(now)
            },
        )
        .await?;
        let indexes: Vec<String> = donors.iter().map(|donor| donor.email_index.clone()).collect();
        let rows: Vec<(String, String)> =
            self.list("SELECT email_index, id FROM donors WHERE email_index IN {?}", &indexes).await?;
        Ok(rows.into_iter().collect())
    }
}
