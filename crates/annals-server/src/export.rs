//! Everything that matches, as one file: `GET /v1/export`.
//!
//! The answer is made piece by piece while it is read: a slow reader slows the work, one that is gone ends it. Each piece takes a
//! turn of its own, so that exports of any length keep nobody waiting. The status is sent with the first piece; what goes wrong
//! later breaks the answer off, which no client takes for its end, and at the end trailers say how many rows there were and what
//! the SHA-256 of the body is.

mod piece;

use std::sync::Arc;

use annals_event::filter::Matcher;
use annals_export::columns::Selection;
use annals_export::{Format, Options};
use annals_ledger::{Direction, FeedScope, LogKind, PourStart};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use self::piece::{Job, ROWS, SHA256};
use crate::access::Verb;
use crate::app::App;
use crate::auth::Asker;
use crate::conditions::Conditions;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Known, Params, value};
use crate::reading::Reading;
use crate::search::Sort;

const PARAMETERS: Known<'_> = Known {
    once: &["format", "columns", "bom", "order", "size", "after", "tenant", "log"],
    many: &[],
    conditions: true,
};

/// Hands out all events that match, as one file.
///
/// Of any length, oldest first, by the time of occurrence, then by position, as of one size. NDJSON has each event as
/// `GET /v1/events` gives it; CSV and Parquet have the columns of the reference. An answer that breaks off is not whole. With
/// `TE: trailers` the trailers `annals-rows` and `annals-sha256` say how many rows there are and what the SHA-256 of the body is.
/// `size`, from the header `annals-size`, and `after`, the position of the last row that came, go on with an export that broke off.
#[utoipa::path(
    get, path = "/v1/export", tag = "events",
    params(
        ("format" = Option<String>, Query, description = "`ndjson` (default), `csv` or `parquet`"),
        ("columns" = Option<String>, Query, description = "CSV and Parquet: these columns alone, in this order, with commas between them"),
        ("bom" = Option<bool>, Query, description = "CSV: begin with a byte order mark, for Excel"),
        ("order" = Option<String>, Query, description = "`asc` (default): oldest first; `desc`: newest first"),
        ("size" = Option<u64>, Query, description = "As of so many records; all there are by default"),
        ("after" = Option<u64>, Query, description = "Go on after the record with this position, or over all tenants this ledger number"),
        ("tenant" = Option<String>, Query, description = "With a platform key: one tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        Conditions,
    ),
    responses(
        (status = 200, description = "The file; `annals-size` says as of how many records", content((String = "application/x-ndjson"), (String = "text/csv"), (String = "application/vnd.apache.parquet"))),
        (status = 400, description = "A parameter or the filter is not allowed, or a number is beyond what there is", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `export` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read first is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many exports are on their way, or the read cannot be put on record", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["export"])),
)]
pub(crate) async fn export(State(app): State<Arc<App>>, asker: Asker) -> Result<Response, Problem> {
    let params = asker.asked(&PARAMETERS)?;
    let options = options(&params)?;
    let direction = Sort::read(&params)?.map_or(Direction::Rising, Sort::direction);
    let start = PourStart { size: params.number("size")?, after: params.number("after")? };
    let conditions = &params.conditions;
    let matcher = Arc::new(app.matcher(&asker, conditions).await?);
    let (named, kind) = (params.tenant()?, params.log_kind()?);
    let tenant = match kind {
        LogKind::Tenant => asker.caller.tenant_or_all(named),
        LogKind::Access => asker.caller.one_tenant(named).map(Some),
    };
    let reading = Reading::enter_to(&app, &asker, Verb::Export, tenant, kind, conditions.on_record()).await?;
    let asked = Asked { matcher, direction, start, options };
    answer(app, asker, reading, asked).await
}

/// What is to be exported, and how.
struct Asked {
    matcher: Arc<Matcher>,
    direction: Direction,
    start: PourStart,
    options: Options,
}

fn options(params: &Params) -> Result<Options, Problem> {
    let format = params.text("format").map(str::parse).transpose();
    let format = format.map_err(|why: annals_export::UnknownFormat| value("format", &why.to_string()))?;
    let format = format.unwrap_or(Format::Ndjson);
    let columns = params.text("columns").map(Selection::parse).transpose().map_err(|why| {
        let detail = format!("`columns`: {why}; the reference of exports lists them");
        Problem::new(Code::ParameterValue, detail).in_parameter("columns")
    })?;
    if columns.is_some() && format == Format::Ndjson {
        return Err(value("columns", "is for `csv` and `parquet`; `ndjson` has whole events"));
    }
    let bom = params.flag("bom")?;
    if bom && format != Format::Csv {
        return Err(value("bom", "is for `csv`"));
    }
    Ok(Options { format, columns: columns.unwrap_or_default(), bom })
}

async fn answer(app: Arc<App>, asker: Asker, reading: Reading, asked: Asked) -> Result<Response, Problem> {
    let let_in = app.turns.begin_export()?;
    let format = asked.options.format;
    let job = Job::begin(&app, &reading.scope, reading.shape.clone(), asked).await?;
    let size = job.size();
    let name = file_name(&reading.scope, size, format);
    let body = job.stream(app, asker, reading, let_in).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(
        header::CONTENT_DISPOSITION,
        format!("attachment; filename=\"{name}\"")
            .try_into()
            .expect("ids of tenants are ASCII without quotes"),
    );
    headers
        .insert(header::TRAILER, format!("{ROWS}, {SHA256}").try_into().expect("these are names of headers"));
    headers.insert("annals-size", size.into());
    Ok((StatusCode::OK, headers, body).into_response())
}

/// What the file is to be called.
fn file_name(scope: &FeedScope, size: u64, format: Format) -> String {
    let of = match scope {
        FeedScope::All => "all",
        FeedScope::Log(log) => log.tenant.as_str(),
    };
    let log = match scope {
        FeedScope::Log(log) if log.kind == LogKind::Access => "-access",
        _ => "",
    };
    format!("annals-{of}{log}-{size}.{}", format.as_str())
}
