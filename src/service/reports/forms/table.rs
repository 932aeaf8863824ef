//! A table for people at a terminal.

use super::plain;
use crate::domain::report::query::{Name, View};
use crate::domain::report::table::{Cell, Kind, Row};
use crate::service::reports::Head;

/// The report as aligned text: words to the left, numbers to the right. Amounts are written with their currency's sign.
pub fn text(head: &Head, rows: &[Row]) -> String {
    let title = title(head);
    if rows.is_empty() {
        return title + nothing(head.name);
    }
    let titles: Vec<String> = head.columns.iter().map(|column| column.name.to_owned()).collect();
    let lines: Vec<Vec<String>> =
        std::iter::once(titles).chain(rows.iter().map(|row| row.iter().map(shown).collect())).collect();
    let width = |place: usize| {
        let cells = lines.iter().filter_map(|line| line.get(place));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.columns.len()).map(width).collect();
    let set = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).zip(&head.columns).map(|((cell, width), column)| match column.kind {
            Kind::Text | Kind::Date => format!("{cell:<width$}"),
            Kind::Count | Kind::People | Kind::Money | Kind::Rate => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    title + &lines.iter().map(set).collect::<String>()
}

fn title(head: &Head) -> String {
    let Head { name, from, to, by, view, time_zone, .. } = head;
    let (what, by) = match (name, view) {
        (Name::Revenue, View::Charge) => ("Revenue", Some(by)),
        (Name::Revenue, View::Settlement) => ("Settlement", Some(by)),
        (Name::Recurring, _) => ("Recurring gifts", Some(by)),
        (Name::OneTime, _) => ("One-time gifts", Some(by)),
        (Name::Failed, _) => ("Renewals that failed", Some(by)),
        (Name::Statement, _) => ("Statement", Some(by)),
        (Name::Payouts, _) => ("Payouts", None),
        (Name::Payments, _) => ("Payments", None),
        (Name::Reminders, _) => return String::new(),
    };
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    format!("{what} from {from} to {to} (exclusive){by}, {time_zone}\n")
}

fn nothing(name: Name) -> &'static str {
    match name {
        Name::Revenue => "Nothing came in.\n",
        Name::Reminders => "Nobody has asked for a reminder.\n",
        _ => "Nothing on these days.\n",
    }
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Nothing => "-".to_owned(),
        Cell::Money(money) => money.to_string(),
        cell => plain(cell, false),
    }
}
