//! What a migration may say. Convention: one column per line, its comment behind it or on the line above.

use std::sync::LazyLock;

use regex::Regex;

use super::Finding;
use super::source::Source;

/// The types that SQLite and PostgreSQL both have and read back alike.
const TYPES: [&str; 3] = ["TEXT", "BIGINT", "BYTEA"];

static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"^migrations/\d{14}_[a-z]+(_[a-z0-9]+)+\.sql$"));
static CREATE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^\s*CREATE\s+TABLE\b"));
/// Constraints begin with a word in capitals, names of columns do not.
static DEFINED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*([a-z_][a-z0-9_]*)\s+([A-Z]\w*)"));
static ADDED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\bADD\s+(?:COLUMN\s+)?([a-z_][a-z0-9_]*)\s+(\w+)"));
static READER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(^|_)(ip|ip_?addr(ess)?|remote_?addr(ess)?|user_?agent|referr?er)(_|$)"));

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a valid pattern")
}

/// The rules on one file of `migrations/`.
pub fn check(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("migrations/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let mut find = |line: usize, advice: String| {
        findings.push(Finding { rule: "migrations", path: source.path.clone(), line: line + 1, advice });
    };
    if !NAME.is_match(&source.path) {
        find(0, "a migration is called YYYYMMDDHHMMSS_verb_noun.sql, and there is none for the way back".to_owned());
    }
    let lines: Vec<&str> = source.text.lines().collect();
    for (at, column) in columns(&lines) {
        let above = at.checked_sub(1).map_or("", |above| lines[above].trim_start());
        if !column.commented && !above.starts_with("--") {
            find(at, format!("column `{}` has no comment: say what it holds and in which unit", column.name));
        }
        if !TYPES.contains(&column.kind) {
            find(
                at,
                format!("`{}` is {}: a column is {}, on both databases", column.name, column.kind, TYPES.join(", ")),
            );
        }
        if READER.is_match(column.name) {
            find(at, format!("`{}`: no address, user agent or referrer is ever stored", column.name));
        }
    }
    findings
}

struct Column<'a> {
    name: &'a str,
    kind: &'a str,
    commented: bool,
}

/// The columns of CREATE TABLE and ALTER TABLE … ADD COLUMN, each with its line from 0.
fn columns<'a>(lines: &[&'a str]) -> Vec<(usize, Column<'a>)> {
    let mut inside = false;
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if CREATE.is_match(line) {
            inside = true;
        } else if inside && line.starts_with(')') {
            inside = false;
        } else if let Some(column) = column(line, inside) {
            found.push((at, column));
        }
    }
    found
}

fn column(line: &str, in_table: bool) -> Option<Column<'_>> {
    let (sql, comment) = line.split_once("--").unwrap_or((line, ""));
    let captures = if in_table { DEFINED.captures(sql)? } else { ADDED.captures(sql)? };
    let (_, [name, kind]) = captures.extract();
    Some(Column { name, kind, commented: !comment.trim().is_empty() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).iter().map(ToString::to_string).collect()
    }

    const PATH: &str = "migrations/20261101000000_create_ledger.sql";

    #[test]
    fn a_migration_as_it_should_be_passes() {
        let text = "CREATE TABLE t (\n    id TEXT PRIMARY KEY, -- its id\n    -- when it was made\n    made_at BIGINT,\n\
            \x20   PRIMARY KEY (id)\n);\nINSERT INTO t (id) VALUES ('a');\nALTER TABLE t ADD COLUMN body BYTEA; -- sealed\n";
        assert_eq!(broken(PATH, text), Vec::<String>::new());
    }

    #[test]
    fn a_column_without_a_comment_or_of_another_type_is_found() {
        let found = broken(PATH, "CREATE TABLE t (\n    id TEXT,\n    paid BOOLEAN -- paid?\n);");
        assert!(found[0].starts_with(&format!("{PATH}:2: [migrations] column `id` has no comment")), "{found:?}");
        assert!(found[1].starts_with(&format!("{PATH}:3: [migrations] `paid` is BOOLEAN")), "{found:?}");
        assert_eq!(broken(PATH, "ALTER TABLE t ADD COLUMN n SERIAL;").len(), 2);
    }

    #[test]
    fn a_column_that_could_identify_a_reader_is_found() {
        for name in ["ip", "client_ip", "ip_address", "user_agent", "referrer", "referer_url"] {
            assert_eq!(
                broken(PATH, &format!("CREATE TABLE t (\n    {name} TEXT -- said by the browser\n);")).len(),
                1,
                "{name}"
            );
        }
        assert_eq!(broken(PATH, "CREATE TABLE t (\n    recipient TEXT, -- who\n    zip TEXT -- where\n);").len(), 0);
    }

    #[test]
    fn a_name_that_says_neither_when_nor_what_is_found() {
        for name in ["0001_init.sql", "20261101000000_ledger.sql", "20261101000000_create_ledger.down.sql"] {
            assert_eq!(broken(&format!("migrations/{name}"), "").len(), 1, "{name}");
        }
    }
}
