//! What is fixed about a database at its first start: whose it is and in which time zone its days are.

use super::{Store, StoreError};

/// A fact fixed at first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    /// The newsroom's time zone, which decides what a day is in every rollup.
    TimeZone,
    /// `test` or `live`.
    StripeMode,
    /// `acct_…`.
    StripeAccount,
}

impl Fixed {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::TimeZone => "time_zone",
            Self::StripeMode => "stripe_mode",
            Self::StripeAccount => "stripe_account",
        }
    }
}

impl Store {
    /// Records `value` if none is recorded, and returns the recorded one: the caller compares.
    pub async fn fix(&self, fact: Fixed, value: &str) -> Result<String, StoreError> {
        self.db
            .write("INSERT INTO instance (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING")
            .bind(fact.name())
            .bind(value)
            .run()
            .await?;
        let (recorded,) =
            self.db.read("SELECT value FROM instance WHERE name = $1").bind(fact.name()).one::<(String,)>().await?;
        Ok(recorded)
    }

    /// The recorded value, if there is one.
    pub async fn fixed(&self, fact: Fixed) -> Result<Option<String>, StoreError> {
        let row = self.db.read("SELECT value FROM instance WHERE name = $1").bind(fact.name());
        Ok(row.maybe::<(String,)>().await?.map(|(value,)| value))
    }
}
