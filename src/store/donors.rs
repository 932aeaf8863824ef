//! Donors: found by a keyed hash of their address, which is sealed.
//!
//! One whose address is forgotten is still found, so that a new gift is known to be theirs; one who is forgotten altogether
//! is a row that says nothing, kept because facts may name it.

use std::collections::HashMap;

use super::{StoreError, Tx};

/// A donor's address, ready to be stored.
#[derive(Debug, Clone)]
pub struct NewDonor {
    /// `dnr_…`.
    pub id: String,
    /// The blind index of the address.
    pub email_index: String,
    /// The index under which their reminders are.
    pub reminder_index: String,
    /// The address, sealed for the row `id`.
    pub email_sealed: Vec<u8>,
}

/// A donor who is there.
#[derive(Debug, Clone)]
pub struct KnownDonor {
    pub id: String,
    /// Whether the row holds all that is to be known of them.
    pub whole: bool,
}

impl Tx {
    /// The donors under these indexes, by index.
    pub async fn donors_known(&mut self, indexes: &[String]) -> Result<HashMap<String, KnownDonor>, StoreError> {
        let rows: Vec<(String, String, i64)> = self
            .list(
                "SELECT email_index, id, CAST(CASE WHEN address_gone_at IS NULL AND reminder_index IS NOT NULL THEN 1 \
                 ELSE 0 END AS BIGINT) AS whole FROM donors WHERE email_index IN {?}",
                indexes,
            )
            .await?;
        Ok(rows.into_iter().map(|(index, id, whole)| (index, KnownDonor { id, whole: whole != 0 })).collect())
    }

    /// Stores donors that nobody knows under these ids.
    pub async fn insert_donors(&mut self, donors: &[NewDonor], now: i64) -> Result<(), StoreError> {
        self.batch(
            "INSERT INTO donors (id, email_index, reminder_index, email_sealed, created_at) VALUES {(?, ?, ?, ?, ?)}",
            donors,
            |query, donor| {
                query
                    .bind(donor.id.clone())
                    .bind(donor.email_index.clone())
                    .bind(donor.reminder_index.clone())
                    .bind(donor.email_sealed.clone())
                    .bind(now)
            },
        )
        .await
        .map(|_| ())
    }

    /// Notes again how a donor is reached who came back.
    pub async fn meet_again(&mut self, donor: &NewDonor) -> Result<(), StoreError> {
        self.query("UPDATE donors SET email_sealed = $1, reminder_index = $2, address_gone_at = NULL WHERE id = $3")
            .bind(donor.email_sealed.clone())
            .bind(donor.reminder_index.clone())
            .bind(donor.id.clone())
            .run()
            .await
            .map(|_| ())
    }
}
