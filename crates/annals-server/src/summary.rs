//! Counting events: `GET /v1/summary`.

mod split;

use std::sync::Arc;

use annals_event::filter::{self, Field, FilterError, Matcher};
use annals_event::json::write_string;
use annals_ledger::search::Effort;
use annals_ledger::{Counted, Counts, FeedScope, Histogram, Interval, Ledger, LogKind, SearchError, Summary};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use self::split::{Rows, SPLIT_VALUES_LOOKED_AT};
use crate::app::{self, App};
use crate::auth::Asker;
use crate::conditions::Conditions;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Known, Params, value};
use crate::reading::Reading;
use crate::searching::{too_much_work, work};

/// Values told of a field when no `limit` is given, and at most.
const VALUES: usize = 100;
const VALUES_MAX: usize = 1_000;

/// Fields of one summary.
const FIELDS_MAX: usize = 10;

/// Longest answer, bytes: values may be long.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// How many events there are, by what was asked for.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct SummaryAnswer {
    /// How many records there are.
    size: u64,
    /// How many match.
    total: u64,
    /// For each `by`, under its name as it was given.
    counts: Option<Map<String, Value>>,
    /// With `interval`.
    histogram: Option<HistogramAnswer>,
}

/// Events by the time at which they occurred.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct HistogramAnswer {
    /// Length of a bucket.
    interval: String,
    /// Whose clocks say where one begins.
    tz: String,
    /// From the first to the last, without a hole; `since` and `until` are the first and last where they are given.
    buckets: Vec<BucketAnswer>,
    /// With `split`: of each of the most frequent values of the field, up to 8, a count for each bucket.
    series: Option<Vec<SeriesAnswer>>,
    /// With `split`: for each bucket, events that have another value.
    other: Option<Vec<u64>>,
    /// With `split`: for each bucket, events that have none.
    missing: Option<Vec<u64>>,
}

/// A row of a histogram that is split.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct SeriesAnswer {
    /// The value.
    value: Value,
    /// How many events that have it are in each bucket.
    counts: Vec<u64>,
}

/// One stretch of time.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written without it")]
pub(crate) struct BucketAnswer {
    /// Its first instant.
    start: String,
    /// Events in it.
    count: u64,
}

/// What is counted, with the words of the request.
struct Asked {
    /// Each as it was written.
    by: Vec<(String, Field)>,
    histogram: Option<Histogram>,
    /// As they were written.
    interval: String,
    zone: String,
    split: Option<Field>,
    values_max: usize,
    /// As of which size; none for all there is.
    size: Option<u64>,
}

impl Asked {
    fn read(params: &Params) -> Result<Self, Problem> {
        let mut by: Vec<(String, Field)> = Vec::new();
        for text in params.texts("by") {
            let field = filter::parse_field(text).map_err(|error| no_field("by", &error))?;
            if by.iter().any(|(_, other)| *other == field) {
                return Err(value("by", "names the same field twice"));
            }
            if by.len() == FIELDS_MAX {
                return Err(value("by", &format!("names more than {FIELDS_MAX} fields")));
            }
            by.push((text.to_owned(), field));
        }
        let interval = params.text("interval").unwrap_or_default().to_owned();
        let known = Interval::named(&interval);
        if known.is_none() && params.text("interval").is_some() {
            let names: Vec<&str> = Interval::ALL.iter().map(|(name, _)| *name).collect();
            return Err(value("interval", &format!("must be one of `{}`", names.join("`, `"))));
        }
        let zone = zone(params.text("tz").unwrap_or("UTC"))?;
        let name = zone.iana_name().unwrap_or("UTC").to_owned();
        let histogram = known.map(|interval| Histogram { interval, zone });
        let split = params.text("split").map(split_by).transpose()?;
        if split.is_some() && histogram.is_none() {
            return Err(value("split", "needs `interval`: it is the histogram that it splits"));
        }
        let values_max = params.limit(VALUES, VALUES_MAX)?;
        let size = params.number("size")?;
        Ok(Self { by, histogram, interval, zone: name, split, values_max, size })
    }

    /// All of what is counted, as of one size.
    fn count(
        &self,
        ledger: &Ledger,
        scope: &FeedScope,
        matcher: &Arc<Matcher>,
        effort: Effort<'_>,
    ) -> Result<(Counts, Option<Rows>), SearchError> {
        let until_us = ledger.clock().monotonic_us().saturating_add(effort.us_max);
        let by: Vec<Field> = self.by.iter().map(|(_, field)| field).chain(&self.split).cloned().collect();
        let values_max = match self.split {
            Some(_) => self.values_max.max(SPLIT_VALUES_LOOKED_AT),
            None => self.values_max,
        };
        let histogram = self.histogram.as_ref();
        let summary = Summary { scope, matcher, by: &by, values_max, histogram, size: self.size };
        let mut counts = ledger.summarise(&summary, effort)?;
        let Some(field) = &self.split else { return Ok((counts, None)) };
        let mut values = counts.fields.pop().expect("the field to split by was counted");
        values.values.truncate(SPLIT_VALUES_LOOKED_AT);
        for field in &mut counts.fields {
            field.values.truncate(self.values_max);
        }
        let rows = split::rows(ledger, &summary, field, (&counts, &values), effort, until_us)?;
        Ok((counts, Some(rows)))
    }
}

fn no_field(parameter: &str, error: &FilterError) -> Problem {
    value(parameter, &format!("names no field: {error}"))
}

/// The field that a histogram is split by.
fn split_by(text: &str) -> Result<Field, Problem> {
    let field = filter::parse_field(text).map_err(|error| no_field("split", &error))?;
    match field {
        Field::OccurredAt | Field::ReceivedAt | Field::Position => {
            Err(value("split", "names a time or a place, which is another one for each event; name a member"))
        }
        field => Ok(field),
    }
}

/// The time zone of this name.
fn zone(name: &str) -> Result<TimeZone, Problem> {
    let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
    zone.ok_or_else(|| value("tz", "must be the name of a time zone, such as `Europe/Berlin` or `UTC`"))
}

/// Counts events.
///
/// By the values of fields (`by`), and by stretches of time (`interval`), or only how many match. An event counts once for each
/// distinct value that it has: with `by=targets.id` an event with two targets counts under both. Values come by count, then by
/// value; `distinct` says how many there are, `missing` how many events have none. `split` splits the histogram by the values of a
/// field, into rows that add up: there an event counts once, under the most frequent of its values.
#[utoipa::path(
    get, path = "/v1/summary", tag = "events",
    params(
        ("by" = Option<Vec<String>>, Query, description = "A field, such as `actor.id` or `metadata.plan`; up to 10 of them"),
        ("interval" = Option<String>, Query, description = "`1m` `5m` `15m` `30m` `1h` `3h` `6h` `12h` `1d` `1w` `1mo`"),
        ("split" = Option<String>, Query, description = "With `interval`: a field, such as `outcome.result`, by whose most frequent values the histogram is split"),
        ("tz" = Option<String>, Query, description = "Time zone whose days and hours are counted, such as `Europe/Berlin`; `UTC` by default"),
        ("limit" = Option<u64>, Query, description = "At most so many values of a field; 100 by default, up to 1,000"),
        ("size" = Option<u64>, Query, description = "As of so many records, such as the `size` of a page of events; all there are by default"),
        ("tenant" = Option<String>, Query, description = "With a platform key: one tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        Conditions,
    ),
    responses(
        (status = 200, description = "The counts", body = SummaryAnswer),
        (status = 400, description = "A parameter or the filter is not allowed, or there is too much to tell", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `read` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Counting takes more than 5 s, or too many wait", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(crate) async fn summary(State(app): State<Arc<App>>, asker: Asker) -> Result<Response, Problem> {
    let known = Known {
        once: &["interval", "split", "tz", "limit", "size", "tenant", "log"],
        many: &["by"],
        conditions: true,
    };
    let params = asker.asked(&known)?;
    let asked = Asked::read(&params)?;
    for (_, field) in &asked.by {
        app.check_counted(&asker, "by", field).await?;
    }
    if let Some(field) = &asked.split {
        app.check_counted(&asker, "split", field).await?;
    }
    let matcher = Arc::new(app.matcher(&asker, &params.conditions).await?);
    let (named, kind) = (params.tenant()?, params.log_kind()?);
    let tenant = match kind {
        LogKind::Tenant => asker.caller.tenant_or_all(named),
        LogKind::Access => asker.caller.one_tenant(named).map(Some),
    };
    let reading = Reading::enter(&app, &asker, tenant, kind, params.conditions.on_record()).await?;
    let scope = reading.scope.clone();
    let counted = work(&app, move |ledger, effort| {
        let counted = asked.count(ledger, &scope, &matcher, effort);
        (counted.map(|(counts, rows)| (written(&counts, rows.as_ref(), &asked), counts.total)), asked)
    });
    let (counted, asked) = counted.await?;
    let (body, total) = match counted {
        // A key's own tenant may have no event yet.
        Err(SearchError::TenantMissing) if asked.size.is_some_and(|size| size > 0) => {
            let beyond = SearchError::Beyond { size: asked.size.unwrap_or(0), known: 0 };
            return Err(Problem::from(beyond).in_parameter("size"));
        }
        Err(SearchError::TenantMissing) => {
            (written(&nothing(&asked), asked.split.as_ref().map(|_| Rows::default()).as_ref(), &asked), 0)
        }
        Err(SearchError::Busy) => {
            return Err(too_much_work(
                "ask for a shorter time with `since` and `until`, or for fewer fields",
            ));
        }
        Err(error @ SearchError::Beyond { .. }) => return Err(Problem::from(error).in_parameter("size")),
        Err(error @ SearchError::TooMany { of, .. }) => {
            let parameter = match of {
                Counted::Intervals => "interval",
                _ if asked.by.is_empty() => "split",
                _ => "by",
            };
            return Err(Problem::from(error).in_parameter(parameter));
        }
        counted => counted?,
    };
    if body.len() > ANSWER_BYTES_MAX {
        let detail = format!(
            "the answer would have more than {ANSWER_BYTES_MAX} bytes; ask for fewer values with `limit`"
        );
        return Err(Problem::new(Code::ParameterValue, detail).in_parameter("limit"));
    }
    if !reading.on_record && total > 0 {
        // The tenant began after the request was let in.
        reading.enter_again(&app, &asker).await?;
    }
    Ok(app::json(StatusCode::OK, body))
}

fn nothing(asked: &Asked) -> Counts {
    let none = || annals_ledger::FieldCounts { values: Vec::new(), distinct: 0, missing: 0 };
    Counts { size: 0, total: 0, fields: asked.by.iter().map(|_| none()).collect(), stretches: Vec::new() }
}

/// The answer. What goes beyond the longest is left out, as all of it then is.
fn written(counts: &Counts, rows: Option<&Rows>, asked: &Asked) -> Vec<u8> {
    let mut out = format!("{{\"size\":{},\"total\":{}", counts.size, counts.total).into_bytes();
    if !asked.by.is_empty() {
        out.extend_from_slice(b",\"counts\":{");
        for (index, ((name, _), field)) in asked.by.iter().zip(&counts.fields).enumerate() {
            comma(index, &mut out);
            write_string(name, &mut out);
            out.extend_from_slice(b":{\"values\":[");
            for (index, (value, count)) in field.values.iter().enumerate() {
                if out.len() > ANSWER_BYTES_MAX {
                    return out;
                }
                comma(index, &mut out);
                out.extend_from_slice(b"{\"value\":");
                out.extend_from_slice(value.as_bytes());
                out.extend_from_slice(format!(",\"count\":{count}}}").as_bytes());
            }
            out.extend_from_slice(
                format!("],\"distinct\":{},\"missing\":{}}}", field.distinct, field.missing).as_bytes(),
            );
        }
        out.push(b'}');
    }
    if asked.histogram.is_some() {
        out.extend_from_slice(b",\"histogram\":{\"interval\":");
        write_string(&asked.interval, &mut out);
        out.extend_from_slice(b",\"tz\":");
        write_string(&asked.zone, &mut out);
        out.extend_from_slice(b",\"buckets\":[");
        for (index, (start, count)) in counts.stretches.iter().enumerate() {
            comma(index, &mut out);
            out.extend_from_slice(format!("{{\"start\":\"{start}\",\"count\":{count}}}").as_bytes());
        }
        out.push(b']');
        if let Some(rows) = rows {
            write_rows(rows, &mut out);
        }
        out.push(b'}');
    }
    out.push(b'}');
    out
}

fn write_rows(rows: &Rows, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"series\":[");
    for (index, (value, counts)) in rows.series.iter().enumerate() {
        comma(index, out);
        out.extend_from_slice(b"{\"value\":");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b",\"counts\":");
        write_row(counts, out);
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"other\":");
    write_row(&rows.other, out);
    out.extend_from_slice(b",\"missing\":");
    write_row(&rows.missing, out);
}

fn write_row(counts: &[u64], out: &mut Vec<u8>) {
    out.push(b'[');
    for (index, count) in counts.iter().enumerate() {
        comma(index, out);
        out.extend_from_slice(count.to_string().as_bytes());
    }
    out.push(b']');
}

fn comma(index: usize, out: &mut Vec<u8>) {
    if index > 0 {
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use annals_ledger::summary::{DISTINCT_BYTES_MAX, DISTINCT_MAX, STRETCHES_MAX};

    use super::split::SPLIT_VALUES;
    use super::*;
    use crate::searching::SEARCH_US_MAX;

    #[test]
    fn the_reference_names_the_limits_of_counting() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/search.md"))
                .unwrap();
        let section = page.split("## Counts").nth(1).unwrap().split("\n## ").next().unwrap();
        let thousands = |number: usize| format!("{},{:03}", number / 1000, number % 1000);
        for row in [
            format!("| fields in one question | {FIELDS_MAX} |"),
            format!("| distinct values, over all fields | {} |", thousands(DISTINCT_MAX)),
            format!(
                "| memory for them, 64 bytes beside the text of each | {} MiB |",
                DISTINCT_BYTES_MAX >> 20
            ),
            format!("| buckets | {} |", thousands(STRETCHES_MAX)),
            format!("| values told of each field | {} |", thousands(VALUES_MAX)),
            format!("up to {SPLIT_VALUES} rows"),
            format!("| length of the answer | {} MiB |", ANSWER_BYTES_MAX >> 20),
            format!("| work | {} s |", SEARCH_US_MAX / 1_000_000),
        ] {
            assert!(section.contains(&row), "{row}");
        }
    }
}
