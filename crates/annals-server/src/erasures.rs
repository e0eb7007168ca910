//! Cases of erasure: asking for one, approving it, and carrying it out in the background.

use std::sync::Arc;
use std::time::Duration;

use annals_event::{TenantId, Timestamp};
use annals_ledger::{
    CaseError, EraseError, ErasureCase, ErasureCounts, ErasurePreview, ErasureStage, FreeText, HitClass,
    Ledger, LogKind, NewErasure, REASON_BYTES_MAX, Scope, Subject,
};
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use tokio::sync::Notify;

use crate::access::Verb;
use crate::app::App;
use crate::auth::Asker;
use crate::body;
use crate::problem::{Code, Problem, ProblemBody};
use crate::query::PathText;
use crate::reading::Reading;

/// Approvals that a case takes unless said otherwise, the one who asks among them.
pub const ERASURE_APPROVALS: u32 = 2;

/// Most approvals that may be asked for.
pub const ERASURE_APPROVALS_MAX: u32 = 16;

/// Between two looks whether something is to be carried out.
const EVERY: Duration = Duration::from_secs(1);

/// After something that did not work.
const PAUSE: Duration = Duration::from_secs(10);

/// Who is to be erased from a tenant's records.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCase {
    /// What stands for the person in events: ids, addresses, names; 1 to 32, each of 2 bytes or more. Case does not count.
    #[schema(example = json!(["usr_17", "ada@example.com"]))]
    values: Vec<String>,
    /// What becomes of texts in which one of them stands among other words; must be said when there are any.
    text: Option<Text>,
    /// Why; stands in the log for ever, so it must not name the person.
    #[serde(default)]
    reason: String,
    /// Only tell what would be erased.
    #[serde(default)]
    dry_run: bool,
}

/// What becomes of free text.
#[derive(Clone, Copy, Deserialize, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Text {
    /// It goes, whole.
    Erase,
    /// It stays.
    Keep,
}

/// What a case would take.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PreviewBody {
    /// Records of which something goes.
    records: u64,
    /// Values that go.
    units: u64,
    /// Of so many records in all.
    of: u64,
    /// Records that stay as they are because they are held.
    held: u64,
    /// Records that name the person where nothing is ever erased: in an id, an action, a source.
    in_envelope: u64,
    /// Records with text that stays.
    text_kept: u64,
    /// Where the person was found.
    hits: Vec<HitBody>,
    /// Other names of the same actor, which may stand in other places and are looked for only when they are given too; some.
    also_known_as: Vec<String>,
}

/// Where a person was found.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct HitBody {
    /// `actor`, `target`, `elsewhere` in somebody else's record, `text` among other words, `envelope`.
    class: &'static str,
    /// The member, as a JSON Pointer; all targets are one.
    pointer: String,
    /// In how many records.
    records: u64,
}

/// A case of erasure.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CaseBody {
    /// Its name.
    case: String,
    /// Whose records.
    tenant: String,
    /// Whom it is about; known until it is ordered.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
    /// What becomes of free text.
    text: Text,
    /// Why.
    reason: String,
    /// `requested` (approvals are missing), `approved`, `ordered` (nobody can read it), `done` (it is in no file), `withdrawn`.
    stage: &'static str,
    /// How many must approve.
    approvals_required: u32,
    /// Ids of the keys that did; the first is who asked.
    approved_by: Vec<String>,
    /// When it was asked for.
    #[schema(format = DateTime)]
    requested_at: String,
    /// When nobody could read it any more.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ordered_at: Option<String>,
    /// When it was in no file any more.
    #[schema(format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    done_at: Option<String>,
    /// What it took; known once it is ordered.
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<TookBody>,
}

/// What a case took.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TookBody {
    /// Records.
    records: u64,
    /// Values of them.
    units: u64,
    /// Records that were held, and stay.
    held: u64,
    /// Records that name the person where nothing is ever erased.
    in_envelope: u64,
    /// Records with text that stays.
    text_kept: u64,
}

/// Cases.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CasesBody {
    /// The newest first.
    erasures: Vec<CaseBody>,
}

impl From<Text> for FreeText {
    fn from(text: Text) -> Self {
        match text {
            Text::Erase => Self::Erase,
            Text::Keep => Self::Keep,
        }
    }
}

impl From<ErasureCase> for CaseBody {
    fn from(case: ErasureCase) -> Self {
        let time = |us: i64| Timestamp::from_micros(us).map(|at| at.to_string()).unwrap_or_default();
        let took = |counts: ErasureCounts| TookBody {
            records: counts.records,
            units: counts.units,
            held: counts.held,
            in_envelope: counts.in_envelope,
            text_kept: counts.text_kept,
        };
        Self {
            text: match case.text {
                FreeText::Erase => Text::Erase,
                FreeText::Keep => Text::Keep,
            },
            stage: match case.stage {
                ErasureStage::Requested => "requested",
                ErasureStage::Approved => "approved",
                ErasureStage::Ordered => "ordered",
                ErasureStage::Done => "done",
                ErasureStage::Withdrawn => "withdrawn",
            },
            requested_at: time(case.requested_at_us),
            ordered_at: case.ordered_at_us.map(time),
            done_at: case.done_at_us.map(time),
            took: case.counts.map(took),
            case: case.case,
            tenant: case.tenant,
            values: case.values,
            reason: case.reason,
            approvals_required: case.approvals_required,
            approved_by: case.approved_by,
        }
    }
}

impl From<&ErasurePreview> for PreviewBody {
    fn from(preview: &ErasurePreview) -> Self {
        let hits = preview.hits.iter().map(|((class, pointer), records)| HitBody {
            class: match class {
                HitClass::Actor => "actor",
                HitClass::Target => "target",
                HitClass::Elsewhere => "elsewhere",
                HitClass::Text => "text",
                HitClass::Envelope => "envelope",
            },
            pointer: pointer.clone(),
            records: *records,
        });
        Self {
            records: preview.counts.records,
            units: preview.counts.units,
            of: preview.of,
            held: preview.counts.held,
            in_envelope: preview.counts.in_envelope,
            text_kept: preview.counts.text_kept,
            hits: hits.collect(),
            also_known_as: preview.names.iter().cloned().collect(),
        }
    }
}

impl From<EraseError> for Problem {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Commit(error) => error.into(),
            EraseError::Case(CaseError::Missing) => Self::new(Code::ErasureUnknown, "there is no such case"),
            EraseError::Case(error) => Self::new(Code::ErasureState, error.to_string()),
            EraseError::TooMuch => Self::new(Code::BodyValue, error.to_string()).at("/values".to_owned()),
            EraseError::Unsealed(_) => Self::new(Code::Busy, error.to_string()),
            error => {
                tracing::error!(%error, "an erasure cannot look into what is stored");
                Self::new(
                    Code::Damaged,
                    "a stored record cannot be read; the operator finds which in the server's diagnostics",
                )
            }
        }
    }
}

/// Who is known to erase at all: a key with `admin`, and the tenant it speaks of.
fn admitted(app: &App, asker: &Asker) -> Result<TenantId, Problem> {
    let tenant = asker.caller.one_tenant(asker.params(&["tenant"])?.tenant()?)?;
    asker.caller.require(Scope::Admin)?;
    app.known(&tenant)?;
    if tenant.as_str().starts_with('_') {
        let detail = "the ledger's own records name nobody but its keys; they are not erased";
        return Err(Problem::new(Code::ParameterValue, detail).in_parameter("tenant"));
    }
    Ok(tenant)
}

/// A case of a tenant that the key may speak of.
fn case_of(app: &App, asker: &Asker, case: &str) -> Result<ErasureCase, Problem> {
    let unknown = || Problem::new(Code::ErasureUnknown, "there is no such case");
    asker.caller.require(Scope::Admin)?;
    let own = asker.caller.tenant_or_all(asker.params(&["tenant"])?.tenant()?)?;
    let found = app.ledger.erasure(case).ok_or_else(unknown)?;
    // Of another tenant's cases nothing is told, not even that they are.
    let sees = own.is_none_or(|own| own.as_str() == found.tenant);
    if sees { Ok(found) } else { Err(unknown()) }
}

/// Lists cases of erasure.
#[utoipa::path(
    get, path = "/v1/erasures", tag = "control",
    params(("tenant" = Option<String>, Query, description = "With a platform key: whose; without, all")),
    responses(
        (status = 200, description = "Open cases, and those closed lately", body = CasesBody),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn list(State(app): State<Arc<App>>, asker: Asker) -> Result<Json<CasesBody>, Problem> {
    asker.caller.require(Scope::Admin)?;
    let tenant = asker.caller.tenant_or_all(asker.params(&["tenant"])?.tenant()?)?;
    let mut cases = app.ledger.erasures();
    cases.retain(|case| tenant.as_ref().is_none_or(|tenant| tenant.as_str() == case.tenant));
    cases.sort_by_key(|case| std::cmp::Reverse(case.requested_at_us));
    Ok(Json(CasesBody { erasures: cases.into_iter().map(CaseBody::from).collect() }))
}

/// Asks that somebody be erased from a tenant's records, or only what that would take.
///
/// Who asks approves. With as many approvals as must be the case is carried out by itself: within seconds nobody can read what
/// it takes, within minutes it is in no file any more. What goes are values; that something happened stays.
#[utoipa::path(
    post, path = "/v1/erasures", tag = "control", request_body = NewCase,
    params(("tenant" = Option<String>, Query, description = "With a platform key: whose")),
    responses(
        (status = 200, description = "With `dry_run`: what the case would take", body = PreviewBody),
        (status = 201, description = "The case", body = CaseBody),
        (status = 400, description = "The subject, the text or the reason cannot be: `pointer` says which", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The tenant does not exist", body = ProblemBody, content_type = "application/problem+json"),
        (status = 500, description = "What must be read is damaged", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn create(
    State(app): State<Arc<App>>,
    asker: Asker,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let tenant = admitted(&app, &asker)?;
    let new: NewCase = body::small_json(&app, body, &headers).await?;
    let wrong = |pointer: &str, detail: String| Problem::new(Code::BodyValue, detail).at(pointer.to_owned());
    let subject = Subject::new(&new.values).map_err(|error| wrong("/values", error.to_string()))?;
    let reason = new.reason.trim().to_owned();
    if !new.dry_run {
        if reason.is_empty() || reason.len() > REASON_BYTES_MAX {
            return Err(wrong("/reason", format!("`reason` must have 1 to {REASON_BYTES_MAX} bytes")));
        }
        if subject.is_in(&reason) {
            let detail = "`reason` names the person; it stands in the log for ever";
            return Err(wrong("/reason", detail.to_owned()));
        }
    }
    // What is asked for must not stand in the access log, of all places.
    let filter = Map::new();
    Reading::enter_to(&app, &asker, Verb::Erase, Ok(Some(tenant.clone())), LogKind::Tenant, filter).await?;
    let by = asker.caller.author_name();
    let asked = NewErasure {
        case: app.ledger.new_case(),
        tenant: tenant.as_str().to_owned(),
        values: new.values,
        text: new.text.map_or(FreeText::Keep, FreeText::from),
        reason,
        approvals_required: app.settings.erasure_approvals,
        by,
    };
    let preview = preview(&app, &asked).await?;
    if new.dry_run {
        return Ok(Json(PreviewBody::from(&preview)).into_response());
    }
    check(&preview, new.text.is_some())?;
    let case = asked.case.clone();
    app.ledger.request_erasure(asked, &asker.caller.author()).await?;
    app.eraser.wake.notify_one();
    let case = app.ledger.erasure(&case).ok_or_else(|| Problem::new(Code::Bug, "the case is gone"))?;
    Ok((StatusCode::CREATED, Json(CaseBody::from(case))).into_response())
}

async fn preview(app: &App, asked: &NewErasure) -> Result<ErasurePreview, Problem> {
    let case = ErasureCase::of(asked.clone(), 0);
    let ledger = app.ledger.clone();
    let plan = tokio::task::spawn_blocking(move || ledger.plan_erasure(&case)).await;
    let plan = plan.map_err(|_| Problem::new(Code::Bug, "looking for the subject ended by a bug"))??;
    Ok(plan.preview().clone())
}

/// Whether a case is worth beginning, and all is said that must be.
fn check(preview: &ErasurePreview, text_is_said: bool) -> Result<(), Problem> {
    let wrong =
        |pointer: &str, detail: String| Err(Problem::new(Code::BodyValue, detail).at(pointer.to_owned()));
    if preview.hits.is_empty() {
        return wrong("/values", "no record speaks of this subject".to_owned());
    }
    let in_text: u64 = preview
        .hits
        .iter()
        .filter(|((class, _), _)| *class == HitClass::Text)
        .map(|(_, records)| records)
        .sum();
    if in_text > 0 && !text_is_said {
        let detail = format!(
            "{in_text} times an identifier stands in a text among other words; say with `text` whether these texts `erase` or `keep`"
        );
        return wrong("/text", detail);
    }
    let counts = &preview.counts;
    match (counts.records, counts.held) {
        (0, 0) => wrong("/values", "the subject is named only where nothing is erased".to_owned()),
        (0, held) => wrong("/values", format!("all {held} records that speak of this subject are held")),
        _ => Ok(()),
    }
}

/// Tells of a case.
#[utoipa::path(
    get, path = "/v1/erasures/{case}", tag = "control",
    params(
        ("case" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "With a platform key: whose"),
    ),
    responses(
        (status = 200, description = "The case", body = CaseBody),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such case", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn get(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(case): PathText,
) -> Result<Json<CaseBody>, Problem> {
    case_of(&app, &asker, &case).map(|case| Json(case.into()))
}

/// Approves a case; each approval must come from another key.
#[utoipa::path(
    post, path = "/v1/erasures/{case}/approve", tag = "control",
    params(
        ("case" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "With a platform key: whose"),
    ),
    responses(
        (status = 200, description = "The case", body = CaseBody),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such case", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "This key approved it before, or it is beyond that", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn approve(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(case): PathText,
) -> Result<Json<CaseBody>, Problem> {
    let found = case_of(&app, &asker, &case)?;
    let by = asker.caller.author_name();
    app.ledger.approve_erasure(&found.case, &by, &asker.caller.author()).await?;
    app.eraser.wake.notify_one();
    case_of(&app, &asker, &case).map(|case| Json(case.into()))
}

/// Gives a case up that is not ordered yet.
#[utoipa::path(
    post, path = "/v1/erasures/{case}/withdraw", tag = "control",
    params(
        ("case" = String, Path, description = "Its name"),
        ("tenant" = Option<String>, Query, description = "With a platform key: whose"),
    ),
    responses(
        (status = 200, description = "The case", body = CaseBody),
        (status = 400, description = "A parameter is not allowed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No valid key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope `admin`, or is for another tenant", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is no such case", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is beyond that", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Nothing is promised", body = ProblemBody, content_type = "application/problem+json"),
    ),
    security(("key" = ["admin"])),
)]
pub(crate) async fn withdraw(
    State(app): State<Arc<App>>,
    asker: Asker,
    PathText(case): PathText,
) -> Result<Json<CaseBody>, Problem> {
    let found = case_of(&app, &asker, &case)?;
    app.ledger.withdraw_erasure(&found.case, &asker.caller.author()).await?;
    case_of(&app, &asker, &case).map(|case| Json(case.into()))
}

/// Carries out what was approved.
pub(crate) struct Eraser {
    ledger: Ledger,
    /// A case was approved.
    wake: Notify,
}

impl Eraser {
    pub(crate) fn new(ledger: Ledger) -> Self {
        Self { ledger, wake: Notify::new() }
    }

    /// Goes on for ever.
    pub(crate) async fn run(&self) {
        loop {
            if let Err(error) = self.turn().await {
                tracing::error!(%error, "what is to be erased waits");
                tokio::time::sleep(PAUSE).await;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    async fn order(&self, case: ErasureCase) -> Result<(), EraseError> {
        let ledger = self.ledger.clone();
        let plan = blocking(move || {
            ledger.prepare_erasure()?;
            ledger.plan_order(&case)
        });
        self.ledger.order_erasure(plan.await?).await
    }

    async fn turn(&self) -> Result<(), EraseError> {
        let mut failed = None;
        for case in self.ledger.erasures() {
            // One that fails keeps none of the others from being carried out.
            if case.stage == ErasureStage::Approved
                && let Err(error) = self.order(case.clone()).await
            {
                tracing::error!(case = case.case, %error, "a case of erasure cannot be ordered yet");
                failed.get_or_insert(error);
            }
        }
        let gone = if self.ledger.has_rewritten() {
            let ledger = self.ledger.clone();
            blocking(move || ledger.clear_rewritten()).await?
        } else {
            Vec::new()
        };
        self.ledger.finish_removals(gone).await?;
        failed.map_or(Ok(()), Err)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, EraseError> + Send + 'static,
) -> Result<T, EraseError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(EraseError::Unsealed(error.to_string())),
    }
}
