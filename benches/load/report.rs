//! The one table: what was measured, what was to be reached, and where.

use std::fmt::Write as _;

use crate::support::database::Kind;

/// What is to be reached, on SQLite and on PostgreSQL.
#[derive(Debug, Clone, Copy)]
pub enum Target {
    /// Measured to compare with.
    None,
    AtLeast(f64, f64),
    AtMost(f64, f64),
    Below(f64, f64),
}

impl Target {
    fn of(self, kind: Kind) -> Option<(&'static str, f64)> {
        let pick = |sqlite, postgres| if kind == Kind::Sqlite { sqlite } else { postgres };
        match self {
            Self::None => None,
            Self::AtLeast(sqlite, postgres) => Some(("≥", pick(sqlite, postgres))),
            Self::AtMost(sqlite, postgres) => Some(("≤", pick(sqlite, postgres))),
            Self::Below(sqlite, postgres) => Some(("<", pick(sqlite, postgres))),
        }
    }

    fn is_met(self, kind: Kind, value: f64) -> Option<bool> {
        self.of(kind).map(|(relation, bound)| match relation {
            "≥" => value >= bound,
            "≤" => value <= bound,
            _ => value < bound,
        })
    }
}

struct Row {
    figure: String,
    digits: usize,
    target: Target,
    values: [Option<f64>; 2],
}

/// The figures in the order in which they were measured.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    /// Behind the row that was noted last: where a figure belongs that only this database has.
    next: usize,
}

const KINDS: [Kind; 2] = [Kind::Sqlite, Kind::Postgres];

impl Report {
    /// Notes one figure, shown with `digits` after the point.
    pub fn add(&mut self, kind: Kind, figure: &str, value: f64, digits: usize, target: Target) {
        eprintln!("  {figure}: {}", shown(value, digits));
        let column = usize::from(kind == Kind::Postgres);
        let found = self.rows.iter().position(|row| row.figure == figure);
        let at = found.unwrap_or_else(|| {
            self.rows.insert(self.next, Row { figure: figure.to_owned(), digits, target, values: [None; 2] });
            self.next
        });
        self.rows[at].values[column] = Some(value);
        self.next = at + 1;
    }

    /// As Markdown.
    pub fn table(&self) -> String {
        let mut table =
            "| figure | SQLite | PostgreSQL | target (SQLite / PostgreSQL) | outcome |\n|---|---:|---:|---|---|\n"
                .to_owned();
        for row in &self.rows {
            let [sqlite, postgres] = row.values.map(|value| value.map_or("–".to_owned(), |v| shown(v, row.digits)));
            let _ = writeln!(table, "| {} | {sqlite} | {postgres} | {} | {} |", row.figure, row.goal(), row.outcome());
        }
        table
    }
}

impl Row {
    fn goal(&self) -> String {
        match KINDS.map(|kind| self.target.of(kind)) {
            [Some((relation, sqlite)), Some((_, postgres))] if sqlite.total_cmp(&postgres).is_eq() => {
                format!("{relation} {}", shown(sqlite, self.digits))
            }
            [Some((relation, sqlite)), Some((_, postgres))] => {
                format!("{relation} {} / {}", shown(sqlite, self.digits), shown(postgres, self.digits))
            }
            _ => String::new(),
        }
    }

    fn outcome(&self) -> &'static str {
        let met = |kind, value: Option<f64>| value.and_then(|value| self.target.is_met(kind, value));
        match (met(Kind::Sqlite, self.values[0]), met(Kind::Postgres, self.values[1])) {
            (None, None) => "",
            (Some(true) | None, Some(true) | None) => "met",
            (Some(false), Some(true)) => "**missed on SQLite**",
            (Some(true), Some(false)) => "**missed on PostgreSQL**",
            (Some(false) | None, Some(false) | None) => "**missed**",
        }
    }
}

/// 12,345.68
fn shown(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.find('.').map_or((text.as_str(), ""), |point| text.split_at(point));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}
