//! What a caller is told when something does not work: RFC 9457 problems with stable codes.
//!
//! ```json
//! {"type": "https://…/errors.md#scope", "title": "the key lacks a scope", "status": 403, "detail": "…",
//!  "code": "scope", "pointer": "…", "parameter": "…", "request_id": "…"}
//! ```
//!
//! `detail` is for people and may change; `code` never does. What went wrong inside (paths, causes) stays in our diagnostics.

use std::borrow::Cow;

use annals_event::json::write_string;
use annals_ledger::{CommitError, Damaged, ErrorKind, ItemError, ProveError};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Where the codes are explained; a code is the fragment.
const CATALOGUE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/reference/errors.md#");

/// Defines the codes with their kinds and titles, so that none can be forgotten.
macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $kind:ident, $title:literal;)+) => {
        /// Why a request was not answered as asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $(#[doc = $title] $variant,)+ }

        impl Code {
            /// Every code, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it stands in answers; stable for ever.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Who must act.
            #[must_use]
            pub const fn kind(self) -> ErrorKind {
                match self { $(Self::$variant => ErrorKind::$kind,)+ }
            }

            /// The same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }
        }
    };
}

codes! {
    ParameterUnknown = "parameter_unknown", Invalid, "the query parameter is not known here";
    ParameterValue = "parameter_value", Invalid, "the query parameter's value is not allowed";
    Filter = "filter", Invalid, "the filter does not parse";
    Cursor = "cursor", Invalid, "the cursor is not one of this server's";
    CursorMismatch = "cursor_mismatch", Invalid, "the cursor continues another question";
    OutOfRange = "out_of_range", Invalid, "the number is beyond what the log has";
    TenantRequired = "tenant_required", Invalid, "a platform key must name the tenant";
    Json = "json", Invalid, "the body is not JSON";
    TrailingBytes = "trailing_bytes", Invalid, "the body goes on after its JSON value";
    Utf8 = "utf8", Invalid, "the body is not UTF-8";
    BodyValue = "body_value", Invalid, "a member of the body is not allowed";
    BodyDecoding = "body_decoding", Invalid, "the body does not decompress";
    BodyBroken = "body_broken", Invalid, "the body did not arrive whole";
    BodySlow = "body_slow", Invalid, "the body arrives too slowly";
    IdempotencyKey = "idempotency_key", Invalid, "the Idempotency-Key is not allowed";
    ReceiptItems = "receipt_items", Invalid, "too many events for receipts in one answer";
    BodyBytes = "body_bytes", Invalid, "the body is too long";
    BatchItems = "batch_items", Invalid, "the batch has too many events";
    BatchBytes = "batch_bytes", Invalid, "the batch is too large once stored";
    MediaType = "media_type", Invalid, "the content type is not known";
    ContentEncoding = "content_encoding", Invalid, "the content encoding is not known";
    Unauthenticated = "unauthenticated", Denied, "no valid key came with the request";
    ScopeMissing = "scope", Denied, "the key lacks a scope";
    TenantDenied = "tenant_denied", Denied, "the key is for another tenant";
    PlatformOnly = "platform_only", Denied, "only a platform key may do this";
    CrossOrigin = "cross_origin", Denied, "a page of elsewhere cannot act with a session";
    ViewerDenied = "viewer_denied", Denied, "a viewer token does not allow this";
    OriginDenied = "origin_denied", Denied, "the viewer token is for pages of other origins";
    FieldHidden = "field_hidden", Denied, "the viewer token hides the member";
    SignInRefused = "sign_in_refused", Denied, "the identity provider's answer cannot be taken";
    RoleMissing = "role_missing", Denied, "nobody of these groups has a role here";
    RightsExceeded = "rights_exceeded", Denied, "a key cannot give what it does not have";
    RouteUnknown = "route_unknown", Missing, "there is no such route";
    Method = "method", Missing, "the route does not take this method";
    TenantUnknown = "tenant_unknown", Missing, "the tenant does not exist";
    EventUnknown = "event_unknown", Missing, "the event does not exist";
    KeyUnknown = "key_unknown", Missing, "the key does not exist";
    HoldUnknown = "hold_unknown", Missing, "there is no such hold";
    ViewUnknown = "view_unknown", Missing, "there is no such saved view";
    ErasureUnknown = "erasure_unknown", Missing, "there is no such case of erasure";
    CheckpointUnknown = "checkpoint_unknown", Missing, "no checkpoint of that size is kept";
    TileUnknown = "tile_unknown", Missing, "there is no such tile";
    HeadUnknown = "head_unknown", Missing, "the registry does not name the log yet";
    TenantEnded = "tenant_ended", Conflict, "the tenant has ended";
    TenantHeld = "tenant_held", Conflict, "a hold stands on the tenant";
    TenantOwn = "tenant_own", Conflict, "the tenant is annals' own";
    ViewsMany = "views_many", Conflict, "there are too many saved views";
    PolicyChanged = "policy_changed", Conflict, "somebody else changed the tenant's policies";
    Busy = "busy", Busy, "too much is waiting";
    ErasureState = "erasure_state", Conflict, "the case of erasure is not where it would have to be";
    RateLimited = "rate_limited", Busy, "the key has made too many requests";
    Stopping = "stopping", Busy, "the server is stopping";
    Uncertain = "uncertain", Uncertain, "the events may or may not be stored";
    DiskFull = "disk_full", Unavailable, "the disk is full";
    Clock = "clock", Unavailable, "the server's clock jumped";
    JournalUnavailable = "journal_unavailable", Unavailable, "the journal takes no writes";
    SignerUnavailable = "signer_unavailable", Unavailable, "the signer does not sign";
    ProviderUnavailable = "provider_unavailable", Unavailable, "the identity provider cannot be asked";
    AccessUnrecorded = "access_unrecorded", Unavailable, "the read could not be put on record";
    Damaged = "damaged", Damaged, "stored bytes do not match their hash";
    Bug = "bug", Bug, "something is wrong in annals";
}

/// The one place where a kind becomes a status.
fn status(code: Code) -> StatusCode {
    match (code.kind(), code) {
        (_, Code::BodyBytes | Code::BatchItems | Code::BatchBytes) => StatusCode::PAYLOAD_TOO_LARGE,
        (_, Code::MediaType | Code::ContentEncoding) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        (_, Code::RateLimited) => StatusCode::TOO_MANY_REQUESTS,
        (_, Code::BodySlow) => StatusCode::REQUEST_TIMEOUT,
        (_, Code::Unauthenticated) => StatusCode::UNAUTHORIZED,
        (_, Code::Method) => StatusCode::METHOD_NOT_ALLOWED,
        (ErrorKind::Invalid, _) => StatusCode::BAD_REQUEST,
        (ErrorKind::Denied, _) => StatusCode::FORBIDDEN,
        (ErrorKind::Missing, _) => StatusCode::NOT_FOUND,
        (ErrorKind::Conflict, _) => StatusCode::CONFLICT,
        (ErrorKind::Busy | ErrorKind::Uncertain | ErrorKind::Unavailable, _) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        (ErrorKind::Damaged | ErrorKind::Bug, _) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Seconds after which trying again makes sense.
fn retry_after(code: Code) -> Option<u32> {
    match code {
        Code::Busy | Code::Uncertain => Some(1),
        Code::Stopping => Some(5),
        Code::DiskFull
        | Code::Clock
        | Code::JournalUnavailable
        | Code::SignerUnavailable
        | Code::ProviderUnavailable
        | Code::AccessUnrecorded => Some(30),
        _ => None,
    }
}

/// A request refused. The request's id is added where all answers pass by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: Cow<'static, str>,
    pointer: Option<String>,
    parameter: Option<String>,
    /// Seconds after which trying again makes sense, where the code alone does not say.
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem for people to read in `detail`: the thing first, then what was wrong, then a way out.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into(), pointer: None, parameter: None, retry_after: None }
    }

    /// In which member of the body, as a JSON Pointer.
    #[must_use]
    pub fn at(self, pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..self }
    }

    /// In which query parameter.
    #[must_use]
    pub fn in_parameter(self, name: impl Into<String>) -> Self {
        Self { parameter: Some(name.into()), ..self }
    }

    /// Trying again makes sense after so many seconds.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// In which query parameter it is, if in one.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        self.parameter.as_deref()
    }

    /// Its code.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code
    }

    /// What happened, for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        status(self.code)
    }

    /// The answer, whose status and headers are set already.
    #[must_use]
    pub fn body(&self, request_id: &str) -> Vec<u8> {
        let body = ProblemBody {
            kind: format!("{CATALOGUE}{}", self.code.as_str()),
            title: self.code.title(),
            status: self.status().as_u16(),
            detail: &self.detail,
            code: self.code.as_str(),
            pointer: self.pointer.as_deref(),
            parameter: self.parameter.as_deref(),
            request_id,
        };
        serde_json::to_vec(&body).expect("texts and a number serialise")
    }
}

/// An RFC 9457 problem.
#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Where the code is explained.
    #[serde(rename = "type")]
    kind: String,
    /// The same for every occurrence of the code.
    title: &'a str,
    /// The HTTP status.
    status: u16,
    /// What happened, for people.
    detail: &'a str,
    /// Stable name of the problem.
    code: &'a str,
    /// JSON Pointer of the member in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    /// The query parameter in question.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    /// The request, as in the header `X-Request-Id` and in the server's diagnostics.
    request_id: &'a str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut headers = HeaderMap::new();
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"annals\""));
        }
        if let Some(seconds) = self.retry_after.or_else(|| retry_after(self.code)) {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        let mut response = (self.status(), headers).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<CommitError> for Problem {
    fn from(error: CommitError) -> Self {
        let code = match &error {
            CommitError::Busy => Code::Busy,
            CommitError::Uncertain => Code::Uncertain,
            CommitError::Full => Code::DiskFull,
            CommitError::Clock { .. } => Code::Clock,
            CommitError::TooLarge { .. } => Code::BatchBytes,
            CommitError::Stopping => Code::Stopping,
            // What the journal said may name paths; it is in the diagnostics and in readiness.
            CommitError::Unavailable { .. } => {
                return Self::new(
                    Code::JournalUnavailable,
                    "the journal takes no writes; the operator finds why at /readyz",
                );
            }
            _ => Code::Bug,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ProveError> for Problem {
    fn from(error: ProveError) -> Self {
        let code = match &error {
            ProveError::TenantMissing => Code::TenantUnknown,
            ProveError::Beyond { .. } => Code::OutOfRange,
            ProveError::CheckpointMissing { .. } => Code::CheckpointUnknown,
            ProveError::Damaged { .. } => Code::Damaged,
            ProveError::Segment(damaged) => return damaged.as_ref().into(),
            ProveError::Refused(reason) | ProveError::Away(reason) => {
                tracing::error!(reason, "no checkpoint was signed");
                return Self::new(
                    Code::SignerUnavailable,
                    "the signer does not sign; the operator finds why at /readyz",
                );
            }
            _ => Code::Bug,
        };
        if code == Code::Damaged {
            tracing::error!(%error, "stored records do not match");
        }
        Self::new(code, error.to_string())
    }
}

/// The record is the caller's own; which file it is in, and where, is for the operator.
impl From<&Damaged> for Problem {
    fn from(damaged: &Damaged) -> Self {
        tracing::error!(%damaged, "stored bytes cannot be read");
        let what = match &damaged.record {
            Some((tenant, position)) => {
                format!("tenant `{tenant}`: the record at position {position} is damaged")
            }
            None => "what must be read for the answer is damaged".to_owned(),
        };
        Self::new(Code::Damaged, format!("{what}; the operator finds the place in the server's diagnostics"))
    }
}

impl From<Damaged> for Problem {
    fn from(damaged: Damaged) -> Self {
        Self::from(&damaged)
    }
}

/// Titles of what can be wrong with one event of a batch, beside the codes of `annals_event`.
const ITEM_TITLES: &[(&str, &str)] = &[
    ("json", "the item is not JSON"),
    ("trailing_bytes", "the item goes on after its JSON value"),
    ("utf8", "the item is not UTF-8"),
    ("control_character", "a string holds a raw control character"),
    ("lone_surrogate", "a string holds half of a surrogate pair"),
    ("number", "a number is not JSON's"),
    ("duplicate_member", "an object names a member twice"),
    ("depth", "the event nests too deeply"),
    ("event_bytes", "the event is too long"),
    ("not_object", "the item is not an object"),
    ("required", "a required member is missing"),
    ("type", "a member has the wrong type"),
    ("empty", "an entry of a list is empty"),
    ("length", "a text is too short or too long"),
    ("value", "a value is not allowed"),
    ("id", "the id is not an event id"),
    ("tenant", "the tenant is not a tenant id"),
    ("time", "the time is not RFC 3339 with an offset"),
    ("reserved", "the name belongs to annals"),
    ("chain_length", "the actor's chain is too long"),
    ("unknown_member", "the member is not known, and strict was asked for"),
    ("conflict", "another event has this id"),
    ("atomic", "another event of the request was rejected"),
    ("tenant_mismatch", "the event names another tenant than the key's"),
    ("tenant_required", "a platform key's event must name its tenant"),
    ("tenant_unknown", "the tenant does not exist"),
    ("tenant_ended", "the tenant has ended"),
];

/// Every code an item can carry.
pub fn item_codes() -> impl Iterator<Item = &'static str> {
    ITEM_TITLES.iter().map(|(code, _)| *code)
}

/// Writes an item's error: the members of a problem.
pub(crate) fn write_item_error(error: &ItemError, request_id: &str, out: &mut Vec<u8>) {
    let title = ITEM_TITLES
        .iter()
        .find(|(code, _)| *code == error.code)
        .map_or("the item was rejected", |(_, title)| title);
    let status = if error.code == "conflict" { "409" } else { "422" };
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(CATALOGUE.as_bytes());
    out.extend_from_slice(error.code.as_bytes());
    out.extend_from_slice(b"\",\"title\":");
    write_string(title, out);
    out.extend_from_slice(b",\"status\":");
    out.extend_from_slice(status.as_bytes());
    out.extend_from_slice(b",\"detail\":");
    write_string(&error.message, out);
    out.extend_from_slice(b",\"code\":\"");
    out.extend_from_slice(error.code.as_bytes());
    out.extend_from_slice(b"\",\"pointer\":");
    write_string(&error.pointer, out);
    out.extend_from_slice(b",\"request_id\":");
    write_string(request_id, out);
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use annals_event::{Position, TenantId};
    use annals_ledger::SearchError;

    use super::*;

    #[test]
    fn who_reads_a_damaged_record_learns_which_one_and_no_file() {
        let damaged = Damaged {
            file: "segment-0000000000000007.seg".into(),
            at: 81_920,
            what: "the checksum does not match".into(),
            record: None,
        };
        let record = damaged.clone().of(&TenantId::new("acme").unwrap(), Position(17));
        for (error, told) in [
            (Problem::from(damaged.clone()), "what must be read for the answer is damaged; "),
            (Problem::from(record.clone()), "tenant `acme`: the record at position 17 is damaged; "),
            (
                SearchError::from(record.clone()).into(),
                "tenant `acme`: the record at position 17 is damaged; ",
            ),
            (
                ProveError::from(Box::new(record)).into(),
                "tenant `acme`: the record at position 17 is damaged; ",
            ),
        ] {
            assert_eq!((error.code(), error.status()), (Code::Damaged, StatusCode::INTERNAL_SERVER_ERROR));
            assert!(error.detail().starts_with(told), "{}", error.detail());
            assert!(!error.detail().contains("segment-"), "{}", error.detail());
        }
    }

    #[test]
    fn every_reason_to_refuse_an_event_has_a_title() {
        for code in annals_event::Code::ALL {
            assert!(item_codes().any(|known| known == code.as_str()), "`{code}` has no title");
        }
    }

    #[test]
    fn codes_are_told_apart() {
        for (index, code) in Code::ALL.iter().enumerate() {
            assert!(
                Code::ALL[..index].iter().all(|other| other.as_str() != code.as_str()),
                "{}",
                code.as_str()
            );
        }
    }
}
