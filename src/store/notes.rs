//! What was last done for the database, by hand or by a command.

use super::{Store, StoreError};

/// Something that is to be done now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// A backup was made. Its value is empty.
    Backup,
    /// The vault's keys were held against a copy kept elsewhere. Its value names the keys.
    KeysCopied,
}

impl Note {
    fn name(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::KeysCopied => "keys_copied",
        }
    }
}

impl Store {
    /// Notes that it was done at `now` (unix seconds).
    pub async fn note(&self, note: Note, value: &str, now: i64) -> Result<(), StoreError> {
        self.db
            .write(
                "INSERT INTO notes (name, value, noted_at) VALUES ($1, $2, $3) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value, noted_at = excluded.noted_at",
            )
            .bind(note.name())
            .bind(value)
            .bind(now)
            .run()
            .await
            .map(|_| ())
    }

    /// Of what it was last done, and when (unix seconds).
    pub async fn noted(&self, note: Note) -> Result<Option<(String, i64)>, StoreError> {
        self.db.read("SELECT value, noted_at FROM notes WHERE name = $1").bind(note.name()).maybe().await
    }
}
