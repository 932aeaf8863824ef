//! Every SQL text of the store is prepared on both databases: PostgreSQL finds the type errors that SQLite lets through.

use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};

use crate::support::database::{Database, Kind};

/// The string literals of Rust source that begin like a statement, as the compiler would read them.
fn statements(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in source.match_indices('"') {
        let rest = &source[at + 1..];
        if !["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "].iter().any(|verb| rest.starts_with(verb)) {
            continue;
        }
        let mut text = String::new();
        let mut chars = rest.chars();
        while let Some(next) = chars.next() {
            match next {
                '"' => break,
                // A backslash at the end of a line swallows the break and the indent.
                '\\' => {
                    let left = chars.as_str().trim_start();
                    chars = left.chars();
                }
                other => text.push(other),
            }
        }
        found.push(text);
    }
    found
}

/// The part in braces once, and every `?` numbered.
fn numbered(sql: &str) -> String {
    let sql = &sql.replace("IN {?}", "IN (?)");
    let mut next = 0;
    let mut text = String::new();
    for c in sql.chars().filter(|c| !matches!(c, '{' | '}')) {
        if c == '?' {
            next += 1;
            text.push('$');
            text += &i32::to_string(&next);
        } else {
            text.push(c);
        }
    }
    text
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn every_statement_is_prepared_on_both_databases() {
    let mut all = Vec::new();
    for path in files(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store").as_ref()) {
        let source = std::fs::read_to_string(&path).expect("it is read");
        let product = source.split("#[cfg(test)]").next().unwrap_or_default();
        // A text that ends in WHERE is put together with its condition by a macro; the journeys run those.
        let whole = statements(product).into_iter().filter(|sql| !sql.ends_with("WHERE "));
        all.extend(whole.map(|sql| (path.clone(), numbered(&sql))));
    }
    assert!(all.len() > 20, "the statements are found: {}", all.len());
    let (sqlite, postgres) = (Database::fresh(Kind::Sqlite).await, Database::fresh(Kind::Postgres).await);
    let mut lite = SqliteConnection::connect(&sqlite.url).await.expect("SQLite opens");
    let mut server = PgConnection::connect(&postgres.url).await.expect("PostgreSQL opens");
    for (path, sql) in all {
        let text = || sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql.clone()));
        if let Err(error) = (&mut lite).prepare(text()).await {
            panic!("SQLite refuses {sql} of {}: {error}", path.display());
        }
        if let Err(error) = (&mut server).prepare(text()).await {
            panic!("PostgreSQL refuses {sql} of {}: {error}", path.display());
        }
    }
}
