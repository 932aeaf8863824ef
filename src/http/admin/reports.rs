//! `GET /v1/admin/reports/{name}`: a report as JSON, CSV or a workbook, written as it is read.

use axum::body::Body;
use axum::extract::{FromRef, Path, RawQuery, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use jiff::tz::TimeZone;
use serde::Serialize;
use url::form_urlencoded;

use super::Admin;
use crate::clock::Clock;
use crate::domain::field::{FieldError, Fields, Given};
use crate::domain::pledge::Frequency;
use crate::domain::report::query::{Name, Query, View};
use crate::domain::report::table::Kind;
use crate::http::error::{ApiError, Problem};
use crate::http::extract::MAX_FIELDS;
use crate::service::reports::forms::{self, Format};
use crate::service::reports::{ReportError, run};
use crate::store::Store;

/// What reports are read with.
#[derive(Clone, Debug)]
pub struct Reports {
    pub store: Store,
    pub clock: Clock,
    /// The newsroom's, for a database that was never started on.
    pub zone: TimeZone,
}

impl FromRef<Admin> for Reports {
    fn from_ref(admin: &Admin) -> Self {
        Self { store: admin.store.clone(), clock: admin.clock.clone(), zone: admin.zone.clone() }
    }
}

/// A report as JSON. It is written by hand, row by row; this is its description.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Report)]
pub struct ReportBody {
    report: Name,
    #[schema(example = "2026-11-01")]
    from: String,
    /// Exclusive.
    #[schema(example = "2026-12-01")]
    to: String,
    /// What figures are parted by.
    #[schema(example = "month,frequency")]
    by: String,
    /// In which days are counted.
    #[schema(example = "Europe/Riga")]
    time_zone: String,
    /// Of the report `revenue` only.
    view: Option<View>,
    columns: Vec<ColumnBody>,
    /// By the names of the columns. Amounts are minor units of the currency that their line names, days are texts, rates are
    /// decimals in a text; what is not known is null, and one to four people where few are not told are `<5`.
    #[schema(value_type = Vec<std::collections::HashMap<String, serde_json::Value>>)]
    rows: Vec<serde_json::Map<String, serde_json::Value>>,
}

/// A column of a report.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = ReportColumn)]
pub struct ColumnBody {
    #[schema(example = "gross_minor")]
    name: String,
    kind: Kind,
    /// What the figure means, for people.
    definition: String,
}

/// Read a report
#[utoipa::path(get, path = "/v1/admin/reports/{name}", tag = "newsroom",
    params(("name" = Name, Path, description = "which report"),
        ("from" = Option<String>, Query, example = "2026-11-01", description = "the first day, the newsroom's; only `reminders` may be asked without"),
        ("to" = Option<String>, Query, example = "2026-12-01", description = "the day after the last one"),
        ("by" = Option<String>, Query, example = "month,campaign", description = "what figures are parted by besides their currency: at most one of `day`, `week`, `month`, `year`, and any of `frequency`, `campaign`, `source`; `currency` alone parts by nothing else; `month` when absent"),
        ("currency" = Option<String>, Query, example = "USD", description = "only this one"),
        ("campaign" = Option<String>, Query, description = "only this one, by its slug"),
        ("frequency" = Option<Frequency>, Query, description = "only this one"),
        ("source" = Option<String>, Query, description = "only this one"),
        ("view" = Option<View>, Query, description = "of `revenue`: what donors gave, or what Stripe booked; `charge` when absent"),
        ("format" = Option<Format>, Query, description = "`json` when absent; `xlsx` takes at most 100,000 rows"),
        ("bom" = Option<String>, Query, example = "1", description = "`1`: a byte order mark before CSV")),
    responses((status = 200, description = "the report; what `mainstay report` prints",
            content((ReportBody = "application/json"), (String = "text/csv"),
                (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "what would be right, field by field"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub async fn show(
    State(reports): State<Reports>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (query, format, bom) = read(&name, query.as_deref().unwrap_or_default()).map_err(ApiError::invalid)?;
    let report = run(&reports.store, &reports.zone, reports.clock.now(), &query).await?;
    let body = match format {
        Format::Json => streamed(forms::json::pieces(report)).await?,
        Format::Csv => streamed(forms::csv::pieces(report, bom)).await?,
        Format::Xlsx => Body::from(forms::xlsx::bytes(report).await?),
    };
    let disposition = match format {
        Format::Json => "inline".to_owned(),
        format => format!("attachment; filename=\"{}-{}-{}.{format}\"", query.name, query.from, query.to),
    };
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, body).into_response())
}

/// What fails before the first rows is answered as a problem; what fails later cuts the answer off.
async fn streamed(pieces: impl Stream<Item = Result<String, ReportError>> + Send + 'static) -> Result<Body, ApiError> {
    let mut pieces = Box::pin(pieces);
    let mut first = pieces.try_next().await?.unwrap_or_default();
    first += &pieces.try_next().await?.unwrap_or_default();
    let rest = pieces.inspect_err(|error| tracing::error!(reason = error.code(), "a report was cut off"));
    Ok(Body::from_stream(stream::once(async { Ok(first) }).chain(rest)))
}

impl From<ReportError> for ApiError {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(error) => error.into(),
            ReportError::TooManyRows(_) => {
                Self::invalid(vec![FieldError::new("format", "too_many_rows", error.to_string())])
            }
            ReportError::Money(_) => Self::invalid(vec![FieldError::new("to", "sums_too_large", error.to_string())]),
            ReportError::Unwritable(_) => {
                tracing::error!(reason = error.to_string(), "a report was not written");
                Self::of_status(axum::http::StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

fn read(name: &str, query: &str) -> Result<(Query, Format, bool), Vec<FieldError>> {
    let pairs = form_urlencoded::parse(query.as_bytes()).take(MAX_FIELDS);
    let fields: Fields = pairs.map(|(name, value)| (name.into_owned(), Given::Text(value.into_owned()))).collect();
    let format = Format::parse(fields.text("format").ok().flatten().unwrap_or("json"));
    let bom = fields.flag("bom");
    let (query, mut mistakes) = match Query::parse(name, &fields) {
        Ok(query) => (Some(query), Vec::new()),
        Err(mistakes) => (None, mistakes),
    };
    if format.is_none() {
        mistakes.push(FieldError::new("format", "unknown", "expected json, csv or xlsx"));
    }
    match (query, format, bom) {
        (Some(query), Some(format), Ok(bom)) => Ok((query, format, bom)),
        (_, _, bom) => {
            mistakes.extend(bom.err());
            Err(mistakes)
        }
    }
}
