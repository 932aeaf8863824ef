//! The schema: which migrations this program knows, and which programs a schema puts up with.
//!
//! A migration that only adds leaves programs of the release before at work; one that takes away names the oldest program
//! that still runs on what is left, in the row `oldest_program` of `instance` and in its own transaction. So a newer
//! database is no reason to refuse to start, unless it says so.

use std::sync::LazyLock;

use sqlx::migrate::Migrator;

use super::{Db, Store, StoreError};

/// One migration and whether it has been run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    /// `YYYYMMDDHHMMSS`.
    pub version: i64,
    /// What it does, from its file name.
    pub description: String,
    pub applied: bool,
}

pub(super) static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut all = sqlx::migrate!("./migrations");
    // A newer program may have been here: `check_schema` knows whether that matters.
    all.set_ignore_missing(true);
    all
});

/// This program, as migrations name programs: by its newest migration.
fn ours() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

impl Store {
    /// Refuses a database that has no more room for this program.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let oldest = self.db.read("SELECT value FROM instance WHERE name = 'oldest_program'");
        let needed = match oldest.maybe::<(String,)>().await {
            Ok(Some((value,))) => {
                value.parse().map_err(|_| StoreError::Corrupt { what: "instance.value of oldest_program" })?
            }
            Ok(None) => return Ok(()),
            Err(error) if error.is_missing_table() => return Ok(()),
            Err(error) => return Err(error),
        };
        if needed > ours() { Err(StoreError::ProgramTooOld { needed, ours: ours() }) } else { Ok(()) }
    }

    /// Runs the migrations that have not been run, each in one transaction with its record.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        self.check_schema().await?;
        match &self.db {
            Db::Sqlite { write, .. } => MIGRATIONS.run(write).await?,
            Db::Pg(pool) => MIGRATIONS.run(pool).await?,
        }
        Ok(())
    }

    /// Every migration this program knows, oldest first.
    pub async fn migrations(&self) -> Result<Vec<MigrationStatus>, StoreError> {
        let applied: Vec<(i64,)> = match self.db.read("SELECT version FROM _sqlx_migrations WHERE success").all().await
        {
            Ok(applied) => applied,
            // The first migration makes it.
            Err(error) if error.is_missing_table() => Vec::new(),
            Err(error) => return Err(error),
        };
        let status = |m: &sqlx::migrate::Migration| MigrationStatus {
            version: m.version,
            description: m.description.to_string(),
            applied: applied.iter().any(|(version,)| *version == m.version),
        };
        Ok(MIGRATIONS.iter().map(status).collect())
    }

    /// The major version of the PostgreSQL server; 0 on SQLite.
    pub async fn server_major(&self) -> Result<u32, StoreError> {
        if matches!(self.db, Db::Sqlite { .. }) {
            return Ok(0);
        }
        let version = self.db.read("VALUES (current_setting('server_version_num'))").one::<(String,)>().await?.0;
        let number: u32 = version.parse().map_err(|_| StoreError::Corrupt { what: "server_version_num" })?;
        Ok(number / 10_000)
    }

    /// Whether there is not a single table. On SQLite whoever has the file's path knows without us.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        // What only one database understands begins with VALUES.
        let tables = match &self.db {
            Db::Sqlite { .. } => "VALUES ((SELECT COUNT(*) FROM sqlite_schema))",
            Db::Pg(_) => {
                "VALUES ((SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema()))"
            }
        };
        Ok(self.db.read(tables).one::<(i64,)>().await?.0 == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    /// The migration that made the row; those after it set it.
    const BEGINS: i64 = 20_261_127_110_000;

    /// The oldest program that may run beside a migration, as it says itself.
    fn stated(sql: &str) -> Option<i64> {
        let (_, rest) = sql.split_once("UPDATE instance SET value = '")?;
        let (version, rest) = rest.split_once('\'')?;
        rest.starts_with(" WHERE name = 'oldest_program';").then(|| version.parse().ok())?
    }

    fn takes_away(sql: &str) -> bool {
        let code: String = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
        ["DROP TABLE", "DROP COLUMN", "RENAME"].iter().any(|words| code.contains(words))
    }

    /// What is wrong with what the migrations state.
    fn check<'a>(migrations: impl Iterator<Item = (i64, &'a str)>) -> Result<(), String> {
        let mut oldest = 20_261_126_130_000;
        let mut before = BEGINS;
        for (version, sql) in migrations.filter(|(version, _)| *version > BEGINS) {
            let example = format!("UPDATE instance SET value = '{oldest}' WHERE name = 'oldest_program';");
            let stated = stated(sql).ok_or(format!(
                "{version} does not say which programs may run beside it. If it only adds: {example}"
            ))?;
            if !(oldest..=version).contains(&stated) {
                return Err(format!("{version} states {stated}: it was {oldest} before, and never falls"));
            }
            if takes_away(sql) && stated < before {
                return Err(format!("{version} takes away what programs before {before} may need: state {before}"));
            }
            (oldest, before) = (stated, version);
        }
        Ok(())
    }

    #[test]
    fn each_migration_states_the_oldest_program_that_may_run_beside_it() {
        let all = MIGRATIONS.iter().map(|migration| (migration.version, migration.sql.as_str()));
        assert_eq!(check(all), Ok(()));
    }

    #[test]
    fn a_migration_that_states_nothing_or_falls_or_takes_away_unsaid_is_found() {
        let states = |version: i64| format!("UPDATE instance SET value = '{version}' WHERE name = 'oldest_program';");
        let (one, two) = (20_261_201_000_000, 20_261_202_000_000);
        let adds = states(20_261_126_130_000);
        assert_eq!(check([(one, adds.as_str())].into_iter()), Ok(()));
        assert!(check([(one, "CREATE TABLE a (b TEXT);")].into_iter()).is_err());
        let falls = [(one, states(BEGINS)), (two, adds.clone())];
        assert!(check(falls.iter().map(|(version, sql)| (*version, sql.as_str()))).is_err());
        let drops = format!("ALTER TABLE a DROP COLUMN b;\n{adds}");
        assert!(check([(one, drops.as_str())].into_iter()).is_err());
        let said = format!("ALTER TABLE a DROP COLUMN b;\n{}", states(one));
        assert_eq!(check([(one, adds.as_str()), (two, said.as_str())].into_iter()), Ok(()));
    }
}
