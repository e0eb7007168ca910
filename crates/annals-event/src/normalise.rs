//! From an event as sent to its canonical bytes.

use std::ops::Range;

use std::cmp::Ordering;

use crate::code::{Code, Rejection, Warning, WarningCode, shown};
use crate::ids::{TenantId, check_event_id};
use crate::json::{Document, Kind, Limits, OpenContainer, Pointer, Value, name_prefix, write_string};
use crate::model::{self, Member, MemberKind};
use crate::operation::Operation;
use crate::time::Timestamp;

/// Most warnings listed for one event; one more says how many are not.
pub const WARNINGS_MAX: usize = 64;

/// What an event may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Longest item as sent, in bytes. The canonical bytes are at most 7 bytes longer (a time written
    /// without fraction), plus an id that annals gives.
    pub event_bytes_max: usize,
    /// Deepest nesting; the event itself is level 1.
    pub depth_max: usize,
    /// Most links of `actor.chain`.
    pub chain_max: usize,
    /// Refuse members the model does not know, rather than keep them with a warning.
    pub strict: bool,
    /// The event is annals' own: its action may start with the reserved prefix.
    pub system: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { event_bytes_max: 256 * 1024, depth_max: 64, chain_max: 10, strict: false, system: false }
    }
}

impl Rules {
    /// The same rules, strict or not.
    #[must_use]
    pub fn with_strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// The same rules for annals' own events.
    #[must_use]
    pub fn for_system(self) -> Self {
        Self { system: true, ..self }
    }

    /// The same rules with another bound on an item's bytes.
    #[must_use]
    pub fn with_event_bytes_max(self, event_bytes_max: usize) -> Self {
        Self { event_bytes_max, ..self }
    }
}

/// Working memory of [`normalise`], reused from event to event.
#[derive(Default)]
pub struct Scratch {
    document: Document,
    open: Vec<OpenContainer>,
}

/// A normalised event. Reused: each [`normalise`] overwrites it.
#[derive(Debug, Default)]
pub struct Normalised {
    bytes: Vec<u8>,
    tenant: Option<TenantId>,
    /// The tenant named last, kept so that a batch for one tenant allocates its id once.
    tenant_seen: Option<TenantId>,
    has_id: bool,
    id: String,
    /// The id in `bytes`, as it is escaped there, without its quotes.
    id_text: Range<usize>,
    /// Where in `bytes` the member `id` goes while there is none.
    id_at: usize,
    action: String,
    occurred_at: Option<Timestamp>,
    operation: Option<Operation>,
    source_name: String,
    source_instance: String,
    source_seq: Option<u64>,
    warnings: Vec<Warning>,
    warnings_unlisted: usize,
}

/// Where a numbered event comes from: a hole in `seq` under one name and instance becomes a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// `source.name`, empty when absent.
    pub name: &'a str,
    /// `source.instance`, empty when absent.
    pub instance: &'a str,
    /// `source.seq`.
    pub seq: u64,
}

impl Normalised {
    /// The canonical bytes: what is stored, compared, and committed unit by unit.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The tenant the event named; the member itself is not in the bytes.
    #[must_use]
    pub fn tenant(&self) -> Option<&TenantId> {
        self.tenant.as_ref()
    }

    /// The event's id, sent or [inserted](Self::insert_id).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.has_id.then_some(self.id.as_str())
    }

    /// Where the id stands in the bytes: its text as JSON escapes it, without the quotes. Empty without an id.
    #[must_use]
    pub fn id_text(&self) -> Range<usize> {
        self.id_text.clone()
    }

    /// What happened.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.action
    }

    /// When the client says it happened.
    #[must_use]
    pub fn occurred_at(&self) -> Option<Timestamp> {
        self.occurred_at
    }

    /// The operation sent, or the one derived from the action.
    #[must_use]
    pub fn operation(&self) -> Operation {
        self.operation.unwrap_or_else(|| Operation::derive(&self.action))
    }

    /// Whether the client sent no operation, so that it reads back under `derived`.
    #[must_use]
    pub fn operation_is_derived(&self) -> bool {
        self.operation.is_none()
    }

    /// The numbered source, when `source.seq` was sent.
    #[must_use]
    pub fn source(&self) -> Option<Source<'_>> {
        self.source_seq.map(|seq| Source { name: &self.source_name, instance: &self.source_instance, seq })
    }

    /// Remarks, in the order of the canonical bytes; at most [`WARNINGS_MAX`] and one `more`.
    #[must_use]
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Gives the event an id, at the member's sorted place in the bytes.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with code `id` when `id` is not an event id; nothing is changed then.
    ///
    /// # Panics
    ///
    /// When the event has an id: a client's id is never overwritten.
    pub fn insert_id(&mut self, id: &str) -> Result<(), Rejection> {
        assert!(!self.has_id, "the event has an id");
        check_event_id(id).map_err(|error| Rejection {
            code: Code::Id,
            pointer: "/id".to_owned(),
            message: format!("the event id {error}"),
        })?;
        // An action is required and sorts before an id, so a member always stands before this one.
        let old_len = self.bytes.len();
        self.bytes.extend_from_slice(b",\"id\":");
        write_string(id, &mut self.bytes);
        let added = self.bytes.len() - old_len;
        self.bytes[self.id_at..].rotate_right(added);
        self.id_text = self.id_at + ",\"id\":\"".len()..self.id_at + added - 1;
        self.id.clear();
        self.id.push_str(id);
        self.has_id = true;
        Ok(())
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.tenant = None;
        self.has_id = false;
        self.id.clear();
        self.id_text = 0..0;
        self.id_at = 0;
        self.action.clear();
        self.occurred_at = None;
        self.operation = None;
        self.source_name.clear();
        self.source_instance.clear();
        self.source_seq = None;
        self.warnings.clear();
        self.warnings_unlisted = 0;
    }

    fn warn(&mut self, code: WarningCode, at: &Pointer<'_>, message: impl FnOnce() -> String) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(Warning { code, pointer: at.to_text(), message: message() });
        } else {
            self.warnings_unlisted += 1;
        }
    }
}

/// Checks one event and writes its canonical bytes and what else the ledger needs to `out`.
///
/// The canonical bytes are minified JSON with members sorted and strings escaped as RFC 8785 says, and
/// numbers kept digit for digit; without `tenant`, without absent members of the model, and with
/// `occurred_at` in UTC to the microsecond. They normalise to themselves. The full list of rules is
/// `docs/reference/event.md`.
///
/// # Errors
///
/// A [`Rejection`] for the first thing found wrong; `out` holds nothing to rely on then.
pub fn normalise(
    raw: &[u8],
    rules: &Rules,
    scratch: &mut Scratch,
    out: &mut Normalised,
) -> Result<(), Rejection> {
    out.clear();
    if raw.len() > rules.event_bytes_max {
        let message =
            format!("the event has {} bytes, at most {} are allowed", raw.len(), rules.event_bytes_max);
        return Err(*reject(Code::EventBytes, &Pointer::ROOT, message));
    }
    let event = scratch.document.parse(raw, Limits { depth_max: rules.depth_max })?;
    if event.kind() != Kind::Object {
        let message = format!("the event is {}, not an object", event.kind().described());
        return Err(*reject(Code::NotObject, &Pointer::ROOT, message));
    }
    out.bytes.reserve(raw.len());
    scratch.open.clear();
    Writer { rules, open: &mut scratch.open, out }.event(event).map_err(|refused| *refused)
}

struct Writer<'w> {
    rules: &'w Rules,
    open: &'w mut Vec<OpenContainer>,
    out: &'w mut Normalised,
}

/// Boxed, so that the way without a refusal moves a word or two.
type Refused = Box<Rejection>;

/// Whether a member stays in the bytes.
type Kept = Result<bool, Refused>;

impl Writer<'_> {
    fn event(mut self, event: Value<'_>) -> Result<(), Refused> {
        self.object(event, model::EVENT, &Pointer::ROOT)?;
        if self.out.action.is_empty() {
            return Err(required(&Pointer::ROOT.name("action"), "the event has no `action`"));
        }
        // `actor` itself was checked when it was there; null and `{}` come out as absence.
        if event.get("actor").is_none_or(Value::is_empty) {
            return Err(required(&Pointer::ROOT.name("actor"), "the event has no `actor`"));
        }
        if self.out.id_at == 0 {
            self.out.id_at = self.out.bytes.len() - 1;
        }
        if self.out.warnings_unlisted > 0 {
            let message = format!("{} more warnings are not listed", self.out.warnings_unlisted);
            self.out.warnings.push(Warning { code: WarningCode::More, pointer: String::new(), message });
        }
        Ok(())
    }

    /// Writes an object of the model. False, and nothing written, when no member of it stays.
    fn object(&mut self, object: Value<'_>, members: &[Member], at: &Pointer<'_>) -> Kept {
        const ID: u64 = name_prefix(b"id");
        let start = self.out.bytes.len();
        self.out.bytes.push(b'{');
        // Both sides are sorted, so one walk pairs them.
        let mut model = members.iter();
        let mut next = model.next();
        for (prefix, token, value) in object.members_with_names() {
            let name = token.as_str().expect("a member's name is a string");
            let mut known = None;
            while let Some(candidate) = next {
                let order = candidate.compare(prefix, name);
                if order == Ordering::Greater {
                    break;
                }
                next = model.next();
                if order == Ordering::Equal {
                    known = Some(candidate.kind);
                    break;
                }
            }
            let before = self.out.bytes.len();
            if start == 0 && self.out.id_at == 0 && (prefix > ID || prefix == ID && name.len() > "id".len()) {
                self.out.id_at = before;
            }
            if before > start + 1 {
                self.out.bytes.push(b',');
            }
            token.write_with(&mut self.out.bytes, self.open);
            self.out.bytes.push(b':');
            let at = at.name(name);
            let kept = match known {
                Some(kind) => self.known(kind, value, &at)?,
                None => self.unknown(name, value, &at)?,
            };
            if !kept {
                self.out.bytes.truncate(before);
            }
        }
        if self.out.bytes.len() == start + 1 {
            self.out.bytes.truncate(start);
            return Ok(false);
        }
        self.out.bytes.push(b'}');
        Ok(true)
    }

    fn unknown(&mut self, name: &str, value: Value<'_>, at: &Pointer<'_>) -> Kept {
        if name.len() > model::UNKNOWN_NAME_BYTES_MAX {
            let message = format!(
                "the name of an unknown member has {} bytes, at most {} are allowed",
                name.len(),
                model::UNKNOWN_NAME_BYTES_MAX
            );
            return Err(reject(Code::Length, at, message));
        }
        if self.rules.strict {
            let message = format!("the member `{}` is not known", shown(name));
            return Err(reject(Code::UnknownMember, at, message));
        }
        self.out.warn(WarningCode::UnknownMember, at, || {
            format!("the member `{}` is not known; it is kept as sent", shown(name))
        });
        self.verbatim(value)
    }

    fn known(&mut self, kind: MemberKind, value: Value<'_>, at: &Pointer<'_>) -> Kept {
        match kind {
            MemberKind::State => return self.verbatim(value),
            MemberKind::Reserved => {
                return Err(reject(
                    Code::Reserved,
                    at,
                    "this member is annals' own and cannot be sent".to_owned(),
                ));
            }
            _ if value.kind() == Kind::Null => return Ok(false),
            _ => {}
        }
        match kind {
            MemberKind::Text => self.text(value, at).map(|_| true),
            MemberKind::Bool => {
                expect_kind(value, Kind::Bool, at)?;
                self.verbatim(value)
            }
            MemberKind::Id => self.id(value, at),
            MemberKind::Tenant => self.tenant(value, at),
            MemberKind::Action => self.action(value, at),
            MemberKind::Operation => {
                let text = self.text(value, at)?;
                let operation = text
                    .parse()
                    .map_err(|error| reject(Code::Value, at, format!("the operation {error}")))?;
                self.out.operation = Some(operation);
                Ok(true)
            }
            MemberKind::Time => self.time(value, at),
            MemberKind::Result => {
                let text = self.text(value, at)?;
                if !model::OUTCOME_RESULTS.contains(&text) {
                    let message = format!("the result is not one of {}", model::OUTCOME_RESULTS.join(", "));
                    return Err(reject(Code::Value, at, message));
                }
                Ok(true)
            }
            MemberKind::StatusCode => self.integer(value, model::STATUS_CODE_MAX, at).map(|_| true),
            MemberKind::SourceName => {
                let text = self.text(value, at)?;
                self.out.source_name.push_str(text);
                Ok(true)
            }
            MemberKind::SourceInstance => {
                let text = self.text(value, at)?;
                self.out.source_instance.push_str(text);
                Ok(true)
            }
            MemberKind::SourceSeq => {
                self.out.source_seq = Some(self.integer(value, u64::MAX, at)?);
                Ok(true)
            }
            MemberKind::Object(members) => {
                expect_kind(value, Kind::Object, at)?;
                self.object(value, members, at)
            }
            MemberKind::Actor(members) => self.actor(value, members, at),
            MemberKind::Targets(members) => self.list(value, members, at),
            MemberKind::Chain(members) => {
                if value.len() > self.rules.chain_max {
                    let message = format!(
                        "the chain has {} links, at most {} are allowed",
                        value.len(),
                        self.rules.chain_max
                    );
                    return Err(reject(Code::ChainLength, at, message));
                }
                self.list(value, members, at)
            }
            MemberKind::Free => {
                expect_kind(value, Kind::Object, at)?;
                if value.is_empty() { Ok(false) } else { self.verbatim(value) }
            }
            MemberKind::State | MemberKind::Reserved => unreachable!("handled above, whatever they hold"),
        }
    }

    /// Writes a value with everything in it.
    fn verbatim(&mut self, value: Value<'_>) -> Kept {
        value.write_with(&mut self.out.bytes, self.open);
        Ok(true)
    }

    fn text<'a>(&mut self, value: Value<'a>, at: &Pointer<'_>) -> Result<&'a str, Refused> {
        expect_kind(value, Kind::String, at)?;
        value.write_with(&mut self.out.bytes, self.open);
        Ok(value.as_str().expect("the kind was checked"))
    }

    fn integer(&mut self, value: Value<'_>, max: u64, at: &Pointer<'_>) -> Result<u64, Refused> {
        expect_kind(value, Kind::Number, at)?;
        let number = value.as_u64().filter(|&number| number <= max).ok_or_else(|| {
            let message = format!(
                "`{}` is not a whole number from 0 to {max}, written in digits",
                shown(value.token())
            );
            reject(Code::Value, at, message)
        })?;
        self.verbatim(value)?;
        Ok(number)
    }

    fn id(&mut self, value: Value<'_>, at: &Pointer<'_>) -> Kept {
        let start = self.out.bytes.len();
        let text = self.text(value, at)?;
        self.out.id_text = start + 1..self.out.bytes.len() - 1;
        check_event_id(text).map_err(|error| reject(Code::Id, at, format!("the event id {error}")))?;
        self.out.id.push_str(text);
        self.out.has_id = true;
        Ok(true)
    }

    fn tenant(&mut self, value: Value<'_>, at: &Pointer<'_>) -> Kept {
        let text = self.text(value, at)?;
        if self.out.tenant_seen.as_ref().is_none_or(|seen| seen.as_str() != text) {
            let tenant = TenantId::new(text)
                .map_err(|error| reject(Code::Tenant, at, format!("the tenant id {error}")))?;
            self.out.tenant_seen = Some(tenant);
        }
        self.out.tenant.clone_from(&self.out.tenant_seen);
        Ok(false)
    }

    fn action(&mut self, value: Value<'_>, at: &Pointer<'_>) -> Kept {
        let text = self.text(value, at)?;
        if text.is_empty() || text.len() > model::ACTION_BYTES_MAX {
            let message =
                format!("the action has {} bytes, 1 to {} are allowed", text.len(), model::ACTION_BYTES_MAX);
            return Err(reject(Code::Length, at, message));
        }
        if text.starts_with(model::ACTION_PREFIX_RESERVED) && !self.rules.system {
            let message =
                format!("actions starting with `{}` are annals' own", model::ACTION_PREFIX_RESERVED);
            return Err(reject(Code::Reserved, at, message));
        }
        self.out.action.push_str(text);
        Ok(true)
    }

    fn time(&mut self, value: Value<'_>, at: &Pointer<'_>) -> Kept {
        expect_kind(value, Kind::String, at)?;
        let text = value.as_str().expect("the kind was checked");
        let parsed = Timestamp::parse_noting(text)
            .map_err(|error| reject(Code::Time, at, format!("`{}` {error}", shown(text))))?;
        if parsed.cut {
            self.out
                .warn(WarningCode::Precision, at, || format!("`{}` was cut to microseconds", shown(text)));
        }
        if parsed.leap_second {
            self.out.warn(WarningCode::LeapSecond, at, || {
                format!("`{}` names a leap second; it is kept as `{}`", shown(text), parsed.at)
            });
        }
        self.out.bytes.push(b'"');
        self.out.bytes.extend_from_slice(&parsed.at.to_bytes());
        self.out.bytes.push(b'"');
        self.out.occurred_at = Some(parsed.at);
        Ok(true)
    }

    fn actor(&mut self, actor: Value<'_>, members: &[Member], at: &Pointer<'_>) -> Kept {
        expect_kind(actor, Kind::Object, at)?;
        let kept = self.object(actor, members, at)?;
        let says = |name| actor.get(name).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
        if !says("type") && !says("id") {
            return Err(required(at, "the actor has neither a `type` nor an `id`"));
        }
        Ok(kept)
    }

    /// Writes an array of the model. Its items are objects that say something; a missing one is not
    /// dropped, as that would move its neighbours.
    fn list(&mut self, list: Value<'_>, members: &[Member], at: &Pointer<'_>) -> Kept {
        expect_kind(list, Kind::Array, at)?;
        if list.is_empty() {
            return Ok(false);
        }
        for (index, item) in list.items().enumerate() {
            self.out.bytes.push(if index == 0 { b'[' } else { b',' });
            let at = at.index(index);
            if item.kind() == Kind::Null {
                return Err(reject(Code::Empty, &at, "the item is null".to_owned()));
            }
            expect_kind(item, Kind::Object, &at)?;
            if !self.object(item, members, &at)? {
                return Err(reject(Code::Empty, &at, "the item has no members".to_owned()));
            }
        }
        self.out.bytes.push(b']');
        Ok(true)
    }
}

fn expect_kind(value: Value<'_>, kind: Kind, at: &Pointer<'_>) -> Result<(), Refused> {
    if value.kind() == kind {
        return Ok(());
    }
    let message = format!("the value is {}, not {}", value.kind().described(), kind.described());
    Err(reject(Code::Type, at, message))
}

#[cold]
fn reject(code: Code, at: &Pointer<'_>, message: String) -> Refused {
    Box::new(Rejection { code, pointer: at.to_text(), message })
}

fn required(at: &Pointer<'_>, message: &str) -> Refused {
    reject(Code::Required, at, message.to_owned())
}

#[cfg(test)]
mod tests;
