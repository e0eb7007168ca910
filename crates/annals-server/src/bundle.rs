//! Evidence bundles: part of a log with all that it takes to check it far from here.
//!
//! | route | gives |
//! |---|---|
//! | `GET /v1/bundle` | a whole bundle, as one zip that is written while it is sent |
//! | `GET /v1/bundle/head` | what a bundle begins with: checkpoint, keys, the proof since an earlier checkpoint |
//! | `GET /v1/bundle/log` | lines of its `log.ndjson`, page by page, for clients that go on where they broke off |
//!
//! The format is `annals-bundle`'s; [`docs/reference/bundle-format.md`](../../../docs/reference/bundle-format.md) describes it.

mod archive;
mod lines;
mod stream;
mod words;

use std::sync::Arc;

use annals_bundle::{Earlier, Hex, Mode, Registry, Trust, TrustedKey, gap_nodes};
use annals_event::filter::Condition;
use annals_ledger::{FeedScope, Ledger, LogKind, TenantLog};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::Note;
use annals_tree::{Frontier, Hash};
use annals_verify::{Lens, Withheld, is_exact_in_ms};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use archive::Archive;
pub use lines::GAP_POSITIONS;
pub use words::{Report, readme};

use crate::access::{Subject, Verb};
use crate::app::{App, blocking};
use crate::auth::Asker;
use crate::conditions::Conditions;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::{Known, Params, value};
use crate::{registry, searching};
use lines::{Index, Plan};

/// What a bundle begins with.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BundleHead {
    /// First line of the log's checkpoints.
    pub origin: String,
    /// The tenant.
    pub tenant: String,
    /// `events` or `access`.
    pub log: String,
    /// Records that the checkpoint covers: `size` for `GET /v1/bundle/log`.
    pub size: u64,
    /// The checkpoint, a C2SP signed note.
    pub checkpoint: String,
    /// The conditions as `manifest.json` repeats them; `null` where there are none.
    pub filter: Option<String>,
    /// The units withheld, as `manifest.json` repeats them.
    pub withheld: Vec<String>,
    /// `trust.json`.
    #[schema(value_type = Object)]
    pub trust: Trust,
    /// `earlier.json`, when an earlier checkpoint was named.
    #[schema(value_type = Option<Object>)]
    pub earlier: Option<Earlier>,
    /// `registry.json`, when the registry of all logs names this one.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub registry: Option<Registry>,
    /// The server's program and its version.
    pub program: String,
    /// The server's time, RFC 3339.
    pub created_at: String,
}

/// What a request for a bundle asks.
struct Question {
    log: TenantLog,
    mode: Mode,
    from: Option<u64>,
    to: Option<u64>,
    conditions: Conditions,
    condition: Condition,
    withheld: Withheld,
    earlier: Option<Since>,
}

/// What witnesses cosigned of late.
struct Cosignatures {
    /// The log's checkpoint, if they cosigned one that covers all that was acknowledged when it was asked for.
    log: Option<(u64, String)>,
    /// The registry's.
    registry: Option<String>,
}

impl Cosignatures {
    /// Asks the witnesses, if there are any, unless that was done a moment ago.
    async fn gather(app: &App, log: &TenantLog) -> Self {
        let Some(witnesses) = &app.witnesses else { return Self { log: None, registry: None } };
        let size = app.ledger.feed_size(&FeedScope::Log(log.clone())).unwrap_or(0);
        let cosigned = witnesses.covering(log, size).await;
        let log = cosigned.map(|cosigned| (cosigned.size, cosigned.note));
        Self { log, registry: registry::cosigned(app).await }
    }
}

/// An earlier state that somebody knows.
#[derive(Clone, Debug)]
enum Since {
    Size(u64),
    Checkpoint(Box<Checkpoint>),
}

/// Parameters of all three routes.
const ABOUT: [&str; 6] = ["mode", "from", "to", "log", "tenant", "earlier"];

impl Question {
    /// Reads what is asked, and puts it on record.
    async fn enter(app: &App, asker: &Asker, params: &Params) -> Result<Self, Problem> {
        let named = asker.caller.one_tenant(params.tenant()?);
        let tenant = app.entering(asker, Verb::Export, named).await?;
        let log = TenantLog { tenant, kind: params.log_kind()? };
        let mode = match params.text("mode") {
            None | Some("selection") => Mode::Selection,
            Some("gap-free") => Mode::GapFree,
            Some("covered") => Mode::Covered,
            Some(_) => return Err(value("mode", "must be `selection`, `gap-free` or `covered`")),
        };
        let patterns: Vec<&str> = params.texts("withhold").collect();
        let withheld = Withheld::new(patterns).map_err(|problem| value_of("withhold", problem))?;
        let conditions = params.conditions.clone();
        let condition = app.matcher(asker, &conditions).await?.condition().clone();
        let question = Self {
            mode,
            from: params.number("from")?,
            to: params.number("to")?,
            earlier: params.text("earlier").map(Since::read).transpose()?,
            log,
            conditions,
            condition,
            withheld,
        };
        if mode == Mode::Covered
            && let Some(pattern) = question.lens().looks_at_withheld(&question.withheld)
        {
            let detail = format!(
                "`withhold`: the filter looks at units of `{pattern}`; in `mode=covered` they have to be shown"
            );
            return Err(Problem::new(Code::ParameterValue, detail).in_parameter("withhold"));
        }
        let subject = Subject::Log(question.log.clone());
        app.enter(asker, Verb::Export, &subject, question.on_record()).await?;
        // Only now: whether a tenant exists is for those who may ask about it.
        app.known(&question.log.tenant)?;
        Ok(question)
    }

    /// What is asked for, for the access log.
    fn on_record(&self) -> Map<String, Value> {
        let mut record = self.conditions.on_record();
        let mut set = |name: &str, value: Value| drop(record.insert(name.to_owned(), value));
        set("bundle", json!(mode_word(self.mode)));
        if self.log.kind == LogKind::Access {
            set("log", json!("access"));
        }
        for (name, number) in [("from", self.from), ("to", self.to)] {
            if let Some(number) = number {
                set(name, json!(number));
            }
        }
        if !self.withheld.is_empty() {
            set("withhold", json!(self.withheld.patterns()));
        }
        record
    }

    fn lens(&self) -> Lens {
        Lens::new(self.condition.clone(), self.log.tenant.clone())
    }

    /// The conditions as a query, and as the manifest has them.
    fn filter(&self) -> Option<String> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(self.conditions.pairs());
        (!self.conditions.is_empty()).then(|| query.finish())
    }

    /// What is to be written of the log as of `size` records.
    fn plan(&self, size: u64) -> Result<Plan, Problem> {
        let range = (self.from.unwrap_or(0), self.to.unwrap_or(size));
        let beyond = |name: &str, number: u64| {
            let detail = format!("`{name}` is {number}, and the log has {size} records");
            Problem::new(Code::OutOfRange, detail).in_parameter(name)
        };
        if range.1 > size {
            return Err(beyond("to", range.1));
        }
        if range.0 >= range.1 {
            let detail = format!(
                "positions from {} to before {} are none: there is nothing to show",
                range.0, range.1
            );
            return Err(Problem::new(Code::OutOfRange, detail).in_parameter("from"));
        }
        let is_filtered = !self.conditions.is_empty();
        let index = (is_filtered && is_exact_in_ms(&self.condition)).then(|| Index::new(&self.condition));
        Ok(Plan {
            log: self.log.clone(),
            size,
            range,
            mode: self.mode,
            lens: is_filtered.then(|| self.lens()),
            index,
            own: Index::new(&Condition::Any(Vec::new())),
            withheld: self.withheld.clone(),
        })
    }

    /// Signs a checkpoint over everything and gathers what goes with it. Blocks.
    fn head(&self, app: &App, cosigned: Cosignatures) -> Result<BundleHead, Problem> {
        let ledger = &app.ledger;
        let info = ledger
            .log_info(&self.log)
            .ok_or_else(|| Problem::new(Code::TenantUnknown, "the tenant does not exist"))?;
        let (size, checkpoint) = match cosigned.log {
            Some(cosigned) => cosigned,
            None => ledger.checkpoint(&self.log)?,
        };
        let registry = registry::link_for_evidence(ledger, &self.log, size, cosigned.registry)?;
        let earlier = match &self.earlier {
            Some(since) => Some(since.proof(ledger, &self.log, &info.origin, size)?),
            None => None,
        };
        // After the checkpoint: the log says by now who signs it.
        let keys = ledger.log_keys(&self.log)?.unwrap_or_default().into_iter().map(|key| TrustedKey {
            key: key.key.to_string(),
            from: key.from,
            until: key.until,
        });
        let keys = keys.collect();
        let witnesses = app.witnesses.iter().flat_map(|witnesses| witnesses.keys()).map(ToString::to_string);
        let witnesses = witnesses.collect();
        Ok(BundleHead {
            origin: info.origin,
            tenant: self.log.tenant.as_str().to_owned(),
            log: log_word(self.log.kind).to_owned(),
            size,
            checkpoint,
            filter: self.filter(),
            withheld: self.withheld.patterns(),
            trust: Trust { keys, witnesses },
            earlier,
            registry,
            program: format!("annals {}", app.settings.version),
            created_at: ledger.clock().now().to_string(),
        })
    }
}

impl Since {
    fn read(text: &str) -> Result<Self, Problem> {
        if let Ok(size) = text.parse() {
            return Ok(Self::Size(size));
        }
        let checkpoint =
            Note::parse(text).map_err(Into::into).and_then(|note| Checkpoint::parse(note.text()));
        checkpoint.map(|checkpoint| Self::Checkpoint(Box::new(checkpoint))).map_err(|error| {
            value_of("earlier", format!("must be a size or a checkpoint, a signed note: {error}"))
        })
    }

    /// That the log of `size` records extends it.
    fn proof(&self, ledger: &Ledger, log: &TenantLog, origin: &str, size: u64) -> Result<Earlier, Problem> {
        let (from, expected) = match self {
            Self::Size(from) => (*from, None),
            Self::Checkpoint(checkpoint) if checkpoint.origin != origin => {
                return Err(value_of(
                    "earlier",
                    format!("is a checkpoint of `{}`, not of this log", checkpoint.origin),
                ));
            }
            Self::Checkpoint(checkpoint) => (checkpoint.size, Some(checkpoint.root)),
        };
        if from > size {
            let detail = format!("`earlier` has {from} records, and the log {size}");
            return Err(Problem::new(Code::OutOfRange, detail).in_parameter("earlier"));
        }
        let mut tree = Frontier::new();
        for (level, index) in gap_nodes(0, from) {
            tree.push_node(level, ledger.subtree(log, level, index)?, &mut |_, _, _| {});
        }
        let root = tree.root();
        if expected.is_some_and(|expected: Hash| expected != root) {
            return Err(value_of(
                "earlier",
                format!(
                    "is a checkpoint of another history: the first {from} records of this log have another root"
                ),
            ));
        }
        let hashes = ledger.consistency(log, from, size)?.into_iter().map(|hash| Hex(hash.0)).collect();
        Ok(Earlier { size: from, root: Hex(root.0), hashes })
    }
}

fn value_of(name: &'static str, what: String) -> Problem {
    Problem::new(Code::ParameterValue, format!("`{name}` {what}")).in_parameter(name)
}

pub(crate) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Selection => "selection",
        Mode::GapFree => "gap-free",
        Mode::Covered => "covered",
    }
}

fn log_word(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Tenant => "events",
        LogKind::Access => "access",
    }
}

/// Gives what a bundle begins with.
///
/// A checkpoint over everything acknowledged with the cosignatures on hand, the log's keys, where the registry of all logs names it,
/// and with `earlier` the proof that the log extends an earlier checkpoint. Parameters are those of `GET /v1/bundle`; `size` is what `GET /v1/bundle/log` is then asked with.
#[utoipa::path(
    get, path = "/v1/bundle/head", tag = "prove",
    params(
        ("mode" = Option<String>, Query, description = "`selection` (default), `gap-free` or `covered`"),
        ("from" = Option<u64>, Query, description = "First position that the bundle accounts for; 0 by default"),
        ("to" = Option<u64>, Query, description = "First position after them; the log's size by default"),
        ("withhold" = Option<Vec<String>>, Query, description = "A unit to leave out, `/actor/email`, or several, `/metadata/*`"),
        ("earlier" = Option<String>, Query, description = "A size or a checkpoint that the bundle is to extend"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        Conditions,
    ),
    responses(
        (status = 200, description = "The beginning", body = BundleHead),
        (status = 400, description = "A parameter is not allowed, or the range has no position", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `export` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The signer does not sign", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["export"])),
)]
pub(crate) async fn head(
    State(app): State<Arc<App>>,
    asker: Asker,
) -> Result<axum::Json<BundleHead>, Problem> {
    let params = asker.asked(&Known { once: &ABOUT, many: &["withhold"], conditions: true })?;
    let question = Question::enter(&app, &asker, &params).await?;
    let cosigned = Cosignatures::gather(&app, &question.log).await;
    let head = blocking(move || {
        let head = question.head(&app, cosigned)?;
        question.plan(head.size)?;
        Ok::<_, Problem>(head)
    });
    Ok(axum::Json(head.await?))
}

/// Gives lines of a bundle's log.
///
/// From the line that begins at position `start` on, about a megabyte at a time; the header `annals-next` says where the next
/// page begins, and is absent at the end. The lines are the same whenever they are asked for, as long as `size` and all else is.
#[utoipa::path(
    get, path = "/v1/bundle/log", tag = "prove",
    params(
        ("start" = Option<u64>, Query, description = "`annals-next` of the page before; 0 by default"),
        ("size" = u64, Query, description = "`size` of the bundle's head"),
        ("mode" = Option<String>, Query, description = "As for the head"),
        ("from" = Option<u64>, Query, description = "As for the head"),
        ("to" = Option<u64>, Query, description = "As for the head"),
        ("withhold" = Option<Vec<String>>, Query, description = "As for the head"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        Conditions,
    ),
    responses(
        (status = 200, description = "Lines of `log.ndjson`", body = String, content_type = "application/x-ndjson"),
        (status = 400, description = "A parameter is not allowed or missing, or a number is beyond the log", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `export` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Too many searches wait for their turn", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["export"])),
)]
pub(crate) async fn log(State(app): State<Arc<App>>, asker: Asker) -> Result<Response, Problem> {
    let once = [&ABOUT[..], &["start", "size"]].concat();
    let params = asker.asked(&Known { once: &once, many: &["withhold"], conditions: true })?;
    let start = params.number("start")?.unwrap_or(0);
    let size = params.number("size")?.ok_or_else(|| value("size", "is missing; the bundle's head has it"))?;
    let question = Question::enter(&app, &asker, &params).await?;
    let known = app.ledger.log_info(&question.log).map_or(0, |info| info.size);
    for (name, number, limit) in [("size", size, known), ("start", start, size)] {
        if number > limit {
            let detail = format!("`{name}` is {number}, beyond {limit}");
            return Err(Problem::new(Code::OutOfRange, detail).in_parameter(name));
        }
    }
    let plan = question.plan(size)?;
    let _admitted = app.turns.begin_export()?;
    let page =
        searching::export_work(&app, move |ledger, effort| plan.page(ledger, start, effort, 0)).await?;
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.insert("annals-size", size.into());
    if page.next < size {
        headers.insert("annals-next", page.next.into());
    }
    Ok((StatusCode::OK, headers, page.lines).into_response())
}

/// Gives evidence: a bundle that is verified far from here.
///
/// A zip with the log's records that the conditions take, hashes in place of the others, a signed checkpoint and all that it takes
/// to check them offline; `annals verify` does. `mode=selection` leaves out what the conditions leave out, so that there are no
/// other hits cannot be seen; `gap-free` has an entry for each position of the range; `covered` shows of each other event what
/// proves that the conditions leave it out. The archive is written while it is sent: if it breaks off, its end is missing, and it
/// does not verify. `annals export --bundle` goes on where it broke off.
#[utoipa::path(
    get, path = "/v1/bundle", tag = "prove",
    params(
        ("mode" = Option<String>, Query, description = "`selection` (default), `gap-free` or `covered`"),
        ("from" = Option<u64>, Query, description = "First position that the bundle accounts for; 0 by default"),
        ("to" = Option<u64>, Query, description = "First position after them; the log's size by default"),
        ("withhold" = Option<Vec<String>>, Query, description = "A unit to leave out, `/actor/email`, or several, `/metadata/*`"),
        ("earlier" = Option<String>, Query, description = "A size or a checkpoint that the bundle is to extend"),
        ("tenant" = Option<String>, Query, description = "With a platform key: the tenant"),
        ("log" = Option<String>, Query, description = "`events` (default) or `access`"),
        Conditions,
    ),
    responses(
        (status = 200, description = "The bundle", body = [u8], content_type = "application/zip"),
        (status = 400, description = "A parameter is not allowed, or the range has no position", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `export` or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The signer does not sign", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["export"])),
)]
pub(crate) async fn bundle(State(app): State<Arc<App>>, asker: Asker) -> Result<Response, Problem> {
    let params = asker.asked(&Known { once: &ABOUT, many: &["withhold"], conditions: true })?;
    let question = Question::enter(&app, &asker, &params).await?;
    stream::answer(app, asker, question).await
}
