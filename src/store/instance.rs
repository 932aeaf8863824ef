//! Facts about a database: what is fixed at its first start (whose it is, in which time zone its days are), and what
//! befell it (the last backup, a restore, damage).

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
        self.value_of(fact.name()).await
    }
}

/// Why everything at Stripe has to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepReason {
    /// The database was restored from a backup.
    Restored,
    /// Committed rows were missed at a start.
    Damaged,
}

impl SweepReason {
    const ALL: [Self; 2] = [Self::Restored, Self::Damaged];

    /// As it is recorded.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Damaged => "damaged",
        }
    }
}

/// That a sweep of everything is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepWanted {
    pub reason: SweepReason,
    /// Since when.
    pub at: i64,
}

impl SweepWanted {
    /// As it is recorded: `restored 1764115200`.
    pub(super) fn value(self) -> String {
        format!("{} {}", self.reason.as_str(), self.at)
    }

    fn parse(value: &str) -> Option<Self> {
        let (word, at) = value.split_once(' ')?;
        let reason = SweepReason::ALL.into_iter().find(|reason| reason.as_str() == word)?;
        Some(Self { reason, at: at.parse().ok()? })
    }
}

/// That committed rows were missed at a start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub noticed_at: i64,
    /// What is missing, and what of it cannot be recovered: a sentence or two, without anything of a row.
    pub report: String,
}

/// The row that asks for a sweep of everything.
pub(super) const SWEEP_WANTED: &str = "sweep_wanted";
const BACKED_UP_AT: &str = "backed_up_at";
const DAMAGE: &str = "damage";
const KEYS_COPIED: &str = "keys_copied";

/// Sets a fact that may change.
pub(super) const SET: &str = "INSERT INTO instance (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = \
     excluded.value";

impl Store {
    async fn value_of(&self, name: &'static str) -> Result<Option<String>, StoreError> {
        let row = self.db.read("SELECT value FROM instance WHERE name = $1").bind(name);
        Ok(row.maybe::<(String,)>().await?.map(|(value,)| value))
    }

    /// Asks for a sweep of everything, by whoever sweeps next.
    pub async fn want_sweep(&self, wanted: SweepWanted) -> Result<(), StoreError> {
        self.db.write(SET).bind(SWEEP_WANTED).bind(wanted.value()).run().await.map(|_| ())
    }

    /// Whether a sweep of everything is wanted.
    pub async fn sweep_wanted(&self) -> Result<Option<SweepWanted>, StoreError> {
        let corrupt = || StoreError::Corrupt { what: "instance.value of sweep_wanted" };
        let value = self.value_of(SWEEP_WANTED).await?;
        value.map(|value| SweepWanted::parse(&value).ok_or_else(corrupt)).transpose()
    }

    /// What `wanted` asked for has been done. What was asked for since stays.
    pub async fn sweep_done(&self, wanted: SweepWanted) -> Result<(), StoreError> {
        let done = self.db.write("DELETE FROM instance WHERE name = $1 AND value = $2");
        done.bind(SWEEP_WANTED).bind(wanted.value()).run().await.map(|_| ())
    }

    /// Records that a backup was taken.
    pub async fn record_backup(&self, at: i64) -> Result<(), StoreError> {
        self.db.write(SET).bind(BACKED_UP_AT).bind(at.to_string()).run().await.map(|_| ())
    }

    /// When the last backup was taken by `mainstay backup`; `None` when none ever was.
    pub async fn backed_up_at(&self) -> Result<Option<i64>, StoreError> {
        let corrupt = |_| StoreError::Corrupt { what: "instance.value of backed_up_at" };
        self.value_of(BACKED_UP_AT).await?.map(|value| value.parse().map_err(corrupt)).transpose()
    }

    /// Records that the vault's keys, by these names, were held against a copy kept elsewhere.
    pub async fn record_keys_copied(&self, names: &str, at: i64) -> Result<(), StoreError> {
        self.db.write(SET).bind(KEYS_COPIED).bind(format!("{at} {names}")).run().await.map(|_| ())
    }

    /// Of which keys a copy was seen, and when last.
    pub async fn keys_copied(&self) -> Result<Option<(String, i64)>, StoreError> {
        let parse = |value: &str| {
            let (at, names) = value.split_once(' ')?;
            Some((names.to_owned(), at.parse().ok()?))
        };
        let corrupt = || StoreError::Corrupt { what: "instance.value of keys_copied" };
        let value = self.value_of(KEYS_COPIED).await?;
        value.map(|value| parse(&value).ok_or_else(corrupt)).transpose()
    }

    /// Records that committed rows were missed, and asks for a sweep.
    pub async fn note_damage(&self, damage: &Damage) -> Result<(), StoreError> {
        let wanted = SweepWanted { reason: SweepReason::Damaged, at: damage.noticed_at };
        let mut tx = self.db.begin().await?;
        tx.query(SET).bind(DAMAGE).bind(format!("{} {}", damage.noticed_at, damage.report)).run().await?;
        tx.query(SET).bind(SWEEP_WANTED).bind(wanted.value()).run().await?;
        tx.commit().await
    }

    /// The last time committed rows were missed.
    pub async fn damage(&self) -> Result<Option<Damage>, StoreError> {
        let parse = |value: &str| {
            let (at, report) = value.split_once(' ')?;
            Some(Damage { noticed_at: at.parse().ok()?, report: report.to_owned() })
        };
        let corrupt = || StoreError::Corrupt { what: "instance.value of damage" };
        let value = self.value_of(DAMAGE).await?;
        value.map(|value| parse(&value).ok_or_else(corrupt)).transpose()
    }
}
