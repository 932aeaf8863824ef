//! Reports: one implementation behind the command line, HTTP and pages. [`run`] reads what a [`Query`] asks for; [`forms`]
//! write it down as JSON, CSV or XLSX, or it is shown cell by cell.
//!
//! It changes nothing and knows nobody's name or address. Invariant: rows come in one order, in every form the same, and of a
//! long list no more than one page is held at a time.

pub mod at_hand;
pub mod forms;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::calendar::{date_of, number_of, read_number};
use crate::domain::money::{Currency, Money, MoneyError};
use crate::domain::reminder_report::{Key, Line, funnel};
use crate::domain::report::columns;
use crate::domain::report::query::{Name, Query, Split, View};
use crate::domain::report::table::{Cell, Column, Row};
use crate::domain::report::{begins_at, failed, once, recurring, revenue, statement};
use crate::store::{ExportedPayment, Fixed, PaymentPlace, Period, ShownPayout, Store, StoreError};

/// Payments read at once.
const PAGE: i64 = 1_000;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sums: {0}; ask for shorter periods")]
    Money(#[from] MoneyError),
    /// A sheet takes no more.
    #[error("more than {0} rows: ask for fewer days, or for CSV, which has no bound")]
    TooManyRows(usize),
    #[error("the report cannot be written: {0}")]
    Unwritable(String),
}

impl ReportError {
    /// The error in words that may be written down.
    pub fn code(&self) -> String {
        match self {
            Self::Store(error) => error.code(),
            error => error.to_string(),
        }
    }
}

/// What a report is about, and its columns.
#[derive(Debug, Clone)]
pub struct Head {
    pub name: Name,
    pub from: Date,
    /// Exclusive.
    pub to: Date,
    pub by: Split,
    pub view: View,
    /// In which its days are counted: the one the database was made with.
    pub time_zone: String,
    pub columns: Vec<Column>,
}

/// A report: its head, and rows that are read as they are wanted.
#[derive(Debug)]
pub struct Report {
    pub head: Head,
    pub rows: Rows,
}

/// The rows of a report, in their order.
#[derive(Debug)]
pub enum Rows {
    /// All at once.
    Ready(Option<Vec<Row>>),
    /// Page by page.
    Payments(Box<Payments>),
}

/// An export of payments that has come so far.
#[derive(Debug)]
pub struct Payments {
    store: Store,
    query: Query,
    place: PaymentPlace,
    ended: bool,
}

/// Reads the report that is asked for, as it stands at `now`. Days are those of the zone that the database was made with,
/// and before its first start of `otherwise`.
pub async fn run(store: &Store, otherwise: &TimeZone, now: i64, query: &Query) -> Result<Report, ReportError> {
    let recorded = store.fixed(Fixed::TimeZone).await?;
    let zone = recorded.and_then(|name| TimeZone::get(&name).ok()).unwrap_or_else(|| otherwise.clone());
    let head = Head {
        name: query.name,
        from: query.from,
        to: query.to,
        by: query.split,
        view: query.view,
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        columns: columns::of(query),
    };
    let rows = match query.name {
        Name::Payments => {
            let (store, query, place) = (store.clone(), query.clone(), PaymentPlace::default());
            return Ok(Report { head, rows: Rows::Payments(Box::new(Payments { store, query, place, ended: false })) });
        }
        Name::Revenue => revenue::rows(query, &store.revenue(query).await?, query.view == View::Settlement)?,
        Name::Recurring => {
            let histories = store.histories(query).await?;
            recurring::rows(query, &recurring::lines(query, &histories.all, &zone)?)
        }
        Name::OneTime => once::rows(query, &store.one_time_gifts(query).await?)?,
        Name::Failed => {
            let (from, to) = (begins_at(query.from, &zone), begins_at(query.to, &zone));
            failed::rows(query, &store.failed_renewals(query, from, to).await?, &zone, now)?
        }
        Name::Statement => {
            statement::rows(query, &store.balance_before(query).await?, &store.statement_lines(query).await?)?
        }
        Name::Payouts => payouts(store, query).await?,
        Name::Reminders => reminders(store, query, &zone, now).await?,
    };
    Ok(Report { head, rows: Rows::Ready(Some(rows)) })
}

impl Rows {
    /// The next rows; `None` once there are no more.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>, ReportError> {
        match self {
            Self::Ready(rows) => Ok(rows.take().filter(|rows| !rows.is_empty())),
            Self::Payments(payments) => payments.next().await,
        }
    }

    /// All that are left, unless there are more than `most`.
    pub async fn all(mut self, most: usize) -> Result<Vec<Row>, ReportError> {
        let mut all = Vec::new();
        while let Some(rows) = self.next().await? {
            all.extend(rows);
            if all.len() > most {
                return Err(ReportError::TooManyRows(most));
            }
        }
        Ok(all)
    }
}

impl Payments {
    async fn next(&mut self) -> Result<Option<Vec<Row>>, ReportError> {
        if self.ended {
            return Ok(None);
        }
        let mut read = self.store.exported_payments(&self.query, &self.place, PAGE).await?;
        // Should Stripe ever have booked a charge in two lines, the payment is there once all the same.
        read.dedup_by(|next, before| next.id == before.id);
        let Some(last) = read.last() else {
            self.ended = true;
            return Ok(None);
        };
        self.place = PaymentPlace { day: last.day, id: last.id.clone() };
        self.ended = i64::try_from(read.len()).unwrap_or(PAGE) < PAGE;
        Ok(Some(read.into_iter().map(payment).collect()))
    }
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn date(number: Option<i64>) -> Cell {
    number.and_then(read_number).map_or(Cell::Nothing, Cell::Date)
}

fn money(minor: Option<i64>, currency: Option<&str>) -> Cell {
    let currency = currency.and_then(|code| Currency::recorded(code).ok());
    minor.zip(currency).map_or(Cell::Nothing, |(minor, currency)| Cell::Money(Money::new(minor, currency)))
}

fn payment(read: ExportedPayment) -> Row {
    let settled = read.settled_currency.as_deref();
    vec![
        date(Some(read.day)),
        text(read.pledge_id),
        text(read.id),
        text(read.frequency),
        text(read.campaign),
        text(read.source),
        text(read.currency.as_str()),
        money(Some(read.amount_minor), Some(&read.currency)),
        settled.map_or(Cell::Nothing, text),
        money(read.booked_minor, settled),
        money(read.fee_minor, settled),
        money(read.net_minor, settled),
        date(read.arrives_on),
        read.payout_id.map_or(Cell::Nothing, Cell::Text),
    ]
}

async fn payouts(store: &Store, query: &Query) -> Result<Vec<Row>, ReportError> {
    let period = Period { from: number_of(query.from), to: number_of(query.to) };
    let mut shown = store.payouts_shown(period).await?;
    shown.retain(|payout| query.only.currency.is_none_or(|only| only.code() == payout.currency));
    shown.into_iter().map(payout).collect()
}

fn payout(shown: ShownPayout) -> Result<Row, ReportError> {
    let difference = shown.lines_minor.map(|lines| shown.amount_minor.checked_sub(lines).ok_or(MoneyError::Overflow));
    let difference = difference.transpose()?;
    let currency = Some(shown.currency.as_str());
    Ok(vec![
        date(Some(shown.day)),
        date(Some(shown.arrives_on)),
        text(shown.status),
        text(shown.made_by),
        text(shown.currency.as_str()),
        money(Some(shown.amount_minor), currency),
        money(shown.lines_minor, currency),
        money(difference, currency),
        text(shown.id),
    ])
}

async fn reminders(store: &Store, query: &Query, zone: &TimeZone, now: i64) -> Result<Vec<Row>, ReportError> {
    let mut fates = Vec::new();
    for (asked_at, mut fate) in store.fates_of_reminders(now).await? {
        let day = date_of(asked_at, zone);
        let wanted = query.only.campaign.as_ref().is_none_or(|only| *only == fate.campaign);
        if wanted && day >= query.from && day < query.to {
            fate.month = day.strftime("%Y-%m").to_string();
            fates.push(fate);
        }
    }
    Ok(funnel(&fates)?.into_iter().map(reminder).collect())
}

fn reminder(((month, component, campaign), line): (Key, Line)) -> Row {
    let amounts = line.amounts_minor.iter().map(|(code, minor)| match Currency::recorded(code) {
        Ok(currency) => format!("{code} {}", Money::new(*minor, currency).decimal()),
        Err(_) => format!("{code} {minor}"),
    });
    vec![
        text(month),
        text(component),
        text(campaign),
        Cell::Count(line.signed_up),
        Cell::Count(line.confirmed),
        Cell::Count(line.due),
        Cell::Count(line.sent),
        Cell::Words(line.suppressed.into_iter().collect()),
        Cell::Count(line.used),
        Cell::Count(line.gave),
        text(amounts.collect::<Vec<_>>().join("; ")),
    ]
}
