//! Erasing what a tenant's records say of a person, as a case with a beginning, approvals and an end.
//!
//! ```text
//! requested ── approved, as often as must be ── ordered: unreadable from here on ── done: in no file any more
//!     └─ withdrawn
//! ```
//!
//! A case is a fold over records of `_annals`, as keys are. Whom it is about stands in its first record alone, which is erased
//! with the rest, and in memory until the case is ordered. What is erased are units of events (`annals-event/units.rs`), never
//! the envelope: *who* goes, *that* something happened stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_event::filter::{Condition, Matcher, fold};
use annals_event::json::{Document, Kind, Value};
use annals_event::{UnitScratch, units};
use annals_segment::fate::Fate;
use serde::{Deserialize, Serialize};

use crate::erased::{ErasedEvent, ErasedUnit};
use crate::record::{LIMITS, Record};

/// Most identifiers of one subject.
pub const SUBJECT_VALUES_MAX: usize = 32;

/// Shortest and longest identifier, bytes. A shorter one would stand in events of everybody.
pub const SUBJECT_VALUE_BYTES_MIN: usize = 2;
/// See [`SUBJECT_VALUE_BYTES_MIN`].
pub const SUBJECT_VALUE_BYTES_MAX: usize = 512;

/// Longest reason, bytes.
pub const REASON_BYTES_MAX: usize = 1_000;

/// Most records of one case.
pub const ERASED_RECORDS_MAX: u64 = 250_000;

/// Closed cases that are listed; older ones stay on record.
const CLOSED_KEPT: usize = 1_000;

/// Pointers that a preview tells apart; those beyond are told as one.
const POINTERS_MAX: usize = 200;

/// Other names of an actor that are told.
const NAMES_MAX: usize = 8;

/// Runs and units of one entry: its body stays well below what an entry may carry.
const RUNS_MAX: usize = 400;
const UNITS_MAX: usize = 1_000;

/// What becomes of texts in which an identifier stands among other words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FreeText {
    /// They go, whole.
    Erase,
    /// They stay.
    Keep,
}

/// A case that begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewErasure {
    /// Names the case; 16 random hex digits.
    pub case: String,
    /// Whose records.
    pub tenant: String,
    /// Whom it is about: what stands for this person in events.
    pub values: Vec<String>,
    /// What becomes of free text.
    pub text: FreeText,
    /// Why; without personal data, as it stands in the log for ever.
    pub reason: String,
    /// How many must approve, the one who asks among them.
    pub approvals_required: u32,
    /// Who asks.
    pub by: String,
}

/// How far a case has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasureStage {
    /// Approvals are missing.
    Requested,
    /// It is to be carried out.
    Approved,
    /// Nobody can read it any more; files are being rewritten.
    Ordered,
    /// It is in no file any more.
    Done,
    /// It was given up before it was ordered.
    Withdrawn,
}

/// What a case takes, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureCounts {
    /// Records of which something goes.
    pub records: u64,
    /// Units of them.
    pub units: u64,
    /// Records that stay as they are because they are held.
    pub held: u64,
    /// Records with free text that stays.
    pub text_kept: u64,
    /// Records that name the subject where nothing is ever erased.
    pub in_envelope: u64,
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureCase {
    /// Its name.
    pub case: String,
    /// Whose records.
    pub tenant: String,
    /// Whom it is about; known until it is ordered or withdrawn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// What becomes of free text.
    pub text: FreeText,
    /// Why.
    pub reason: String,
    /// How many must approve.
    pub approvals_required: u32,
    /// Who did.
    pub approved_by: Vec<String>,
    /// When it was asked for, µs since 1970.
    pub requested_at_us: i64,
    /// When it was ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered_at_us: Option<i64>,
    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at_us: Option<i64>,
    /// How far it has come.
    pub stage: ErasureStage,
    /// What it takes; known once it is ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<ErasureCounts>,
    /// What entries that are stored take of the tenant's records, carried out or not; none before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
}

/// Records of which something went, and how many units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Records.
    pub records: u64,
    /// Units.
    pub units: u64,
}

impl ErasureCase {
    /// Whether as many approved as must.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.approved_by.len() >= usize::try_from(self.approvals_required).unwrap_or(usize::MAX)
    }
}

/// All cases.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Erasures {
    by_name: BTreeMap<String, ErasureCase>,
}

/// Why a change of a case is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// There is none of this name.
    #[error("there is no such case")]
    Missing,
    /// This key approved it before, as who asked did.
    #[error("this key has approved the case already; the other approvals must come from other keys")]
    ApprovedBefore,
    /// It is beyond that.
    #[error("the case is ordered, done or withdrawn already")]
    Closed,
    /// The name is taken.
    #[error("there is a case of this name already")]
    Exists,
}

impl Erasures {
    pub(crate) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(crate) fn get(&self, case: &str) -> Option<&ErasureCase> {
        self.by_name.get(case)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ErasureCase> {
        self.by_name.values()
    }

    /// Whether a case may be begun.
    pub(crate) fn may_begin(&self, new: &NewErasure) -> Result<(), CaseError> {
        if self.by_name.contains_key(&new.case) { Err(CaseError::Exists) } else { Ok(()) }
    }

    /// Whether somebody may approve a case.
    pub(crate) fn may_approve(&self, case: &str, by: &str) -> Result<(), CaseError> {
        let case = self.by_name.get(case).ok_or(CaseError::Missing)?;
        if case.stage != ErasureStage::Requested {
            return Err(CaseError::Closed);
        }
        if case.approved_by.iter().any(|other| other == by) { Err(CaseError::ApprovedBefore) } else { Ok(()) }
    }

    /// Whether a case may be withdrawn: until it is ordered.
    pub(crate) fn may_withdraw(&self, case: &str) -> Result<(), CaseError> {
        let case = self.by_name.get(case).ok_or(CaseError::Missing)?;
        match case.stage {
            // One that is approved may fail to be ordered; nobody has to live with it.
            ErasureStage::Requested | ErasureStage::Approved => Ok(()),
            _ => Err(CaseError::Closed),
        }
    }

    pub(crate) fn begin(&mut self, new: NewErasure, now_us: i64) {
        self.by_name.insert(new.case.clone(), ErasureCase::of(new, now_us));
    }

    pub(crate) fn approve(&mut self, case: &str, by: String) {
        let Some(case) = self.by_name.get_mut(case) else { return };
        case.approved_by.push(by);
        if case.stage == ErasureStage::Requested && case.is_approved() {
            case.stage = ErasureStage::Approved;
        }
    }

    /// An entry of a case was stored, which takes this of the tenant's records; nothing where it is of other logs.
    pub(crate) fn take(&mut self, case: &str, more: Taken) {
        let Some(case) = self.by_name.get_mut(case) else { return };
        let taken = case.taken.get_or_insert_default();
        taken.records += more.records;
        taken.units += more.units;
    }

    /// Whether an entry of a case is stored.
    pub(crate) fn is_begun(&self, case: &str) -> bool {
        self.by_name.get(case).is_some_and(|case| case.taken.is_some())
    }

    pub(crate) fn withdraw(&mut self, case: &str) {
        if let Some(case) = self.by_name.get_mut(case) {
            case.stage = ErasureStage::Withdrawn;
            case.values.clear();
        }
        self.forget_old();
    }

    /// One with nothing to take may be withdrawn before it is ordered, and stays so; one that `is_begun` is ordered whatever was said.
    pub(crate) fn order(&mut self, case: &str, counts: ErasureCounts, now_us: i64, is_begun: bool) {
        let may = |case: &&mut ErasureCase| is_begun || case.stage != ErasureStage::Withdrawn;
        if let Some(case) = self.by_name.get_mut(case).filter(may) {
            case.stage = ErasureStage::Ordered;
            case.ordered_at_us = Some(now_us);
            case.counts = Some(counts);
            case.values.clear();
        }
    }

    pub(crate) fn finish(&mut self, case: &str, now_us: i64) {
        if let Some(case) = self.by_name.get_mut(case) {
            case.stage = ErasureStage::Done;
            case.done_at_us = Some(now_us);
        }
        self.forget_old();
    }

    fn forget_old(&mut self) {
        let is_closed =
            |case: &&ErasureCase| matches!(case.stage, ErasureStage::Done | ErasureStage::Withdrawn);
        let mut closed: Vec<(i64, String)> = self
            .by_name
            .values()
            .filter(is_closed)
            .map(|case| (case.requested_at_us, case.case.clone()))
            .collect();
        closed.sort_unstable();
        let old = closed.len().saturating_sub(CLOSED_KEPT);
        for (_, name) in &closed[..old] {
            self.by_name.remove(name);
        }
    }
}

impl ErasureCase {
    /// A case as it begins.
    #[must_use]
    pub fn of(new: NewErasure, now_us: i64) -> Self {
        let NewErasure { case, tenant, values, text, reason, approvals_required, by } = new;
        let mut begun = Self {
            case,
            tenant,
            values,
            text,
            reason,
            approvals_required,
            approved_by: vec![by],
            requested_at_us: now_us,
            ordered_at_us: None,
            done_at_us: None,
            stage: ErasureStage::Requested,
            counts: None,
            taken: None,
        };
        if begun.is_approved() {
            begun.stage = ErasureStage::Approved;
        }
        begun
    }
}

/// What is wrong with how a subject is named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectError {
    /// There is no identifier, or too many.
    #[error("a subject has 1 to {SUBJECT_VALUES_MAX} identifiers")]
    Count,
    /// One is too short or too long, or is nothing but white space around, or has control characters.
    #[error(
        "an identifier has {SUBJECT_VALUE_BYTES_MIN} to {SUBJECT_VALUE_BYTES_MAX} bytes, without control characters and without white space around it"
    )]
    Value,
}

/// Whom a case is about, ready to be looked for.
#[derive(Clone, Debug)]
pub struct Subject {
    folded: Vec<String>,
}

/// How a text speaks of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mention {
    No,
    /// Among other words.
    Part,
    /// It is one of the identifiers.
    Whole,
}

impl Subject {
    /// Checks identifiers.
    ///
    /// # Errors
    ///
    /// [`SubjectError`].
    pub fn new(values: &[String]) -> Result<Self, SubjectError> {
        if values.is_empty() || values.len() > SUBJECT_VALUES_MAX {
            return Err(SubjectError::Count);
        }
        let is_good = |value: &String| {
            (SUBJECT_VALUE_BYTES_MIN..=SUBJECT_VALUE_BYTES_MAX).contains(&value.len())
                && value.trim() == value
                && !value.chars().any(char::is_control)
        };
        if !values.iter().all(is_good) {
            return Err(SubjectError::Value);
        }
        Ok(Self { folded: values.iter().map(|value| fold(value).into_owned()).collect() })
    }

    /// Finds records that may speak of it: all that do, and few others.
    #[must_use]
    pub fn matcher(&self) -> Arc<Matcher> {
        let mentions = self.folded.iter().map(|value| Condition::Mentions(value.as_str().into()));
        Arc::new(Matcher::new(Condition::Any(mentions.collect())))
    }

    /// Whether a text speaks of it.
    #[must_use]
    pub fn is_in(&self, text: &str) -> bool {
        self.in_text(text) != Mention::No
    }

    fn in_text(&self, text: &str) -> Mention {
        let folded = fold(text);
        let of = |value: &String| {
            if folded == *value {
                Mention::Whole
            } else if stands_alone_in(&folded, value) {
                Mention::Part
            } else {
                Mention::No
            }
        };
        self.folded.iter().map(of).max().unwrap_or(Mention::No)
    }

    fn in_value(&self, value: Value<'_>) -> Mention {
        match value.kind() {
            Kind::String => value.as_str().map_or(Mention::No, |text| self.in_text(text)),
            Kind::Number => self.in_text(value.token()),
            Kind::Array => value.items().map(|item| self.in_value(item)).max().unwrap_or(Mention::No),
            Kind::Object => value
                .members()
                .map(|(name, value)| self.in_text(name).max(self.in_value(value)))
                .max()
                .unwrap_or(Mention::No),
            _ => Mention::No,
        }
    }
}

/// Whether a text stands in another one, and not as a part of a longer word.
fn stands_alone_in(text: &str, part: &str) -> bool {
    text.match_indices(part).any(|(at, found)| {
        let before = text[..at].chars().next_back();
        let after = text[at + found.len()..].chars().next();
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

/// As what a record speaks of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HitClass {
    /// It is who acted.
    Actor,
    /// It is what was acted upon.
    Target,
    /// It is a value in somebody else's record.
    Elsewhere,
    /// It stands in a text, among other words.
    Text,
    /// It stands where nothing is erased: in an id, an action, a source.
    Envelope,
}

/// What one record says of a subject.
#[derive(Debug, Default)]
pub(crate) struct RecordHits {
    /// Units that go.
    pub(crate) units: Vec<u32>,
    /// Units that go with free text.
    pub(crate) text: Vec<u32>,
    /// What was found where.
    pub(crate) found: Vec<(HitClass, String)>,
    /// Other names of the same actor.
    pub(crate) names: Vec<String>,
}

impl RecordHits {
    pub(crate) fn in_envelope(&self) -> bool {
        self.found.iter().any(|(class, _)| *class == HitClass::Envelope)
    }
}

/// What a record says of a subject; none when its bytes are no event.
pub(crate) fn look_into(subject: &Subject, record: &Record, document: &mut Document) -> Option<RecordHits> {
    let mut parts: Vec<(u32, String, String)> = Vec::new();
    match &record.fate {
        Some(Fate::Erased(bytes)) => {
            let event = ErasedEvent::decode(bytes).ok()?;
            for (number, unit) in (0..).zip(event.units()) {
                if let ErasedUnit::Kept { name, value, .. } = unit {
                    parts.push((number, name.clone(), value.clone()));
                }
            }
        }
        Some(Fate::Expired { .. }) => return Some(RecordHits::default()),
        None => {
            let mut number = 0;
            units(&record.event, &mut UnitScratch::default(), |name, value| {
                parts.push((number, name.to_owned(), String::from_utf8_lossy(value).into_owned()));
                number += 1;
            })
            .ok()?;
        }
    }
    let mut hits = RecordHits::default();
    let mut is_actor = false;
    for (number, name, value) in &parts {
        let parsed = document.parse(value.as_bytes(), LIMITS).ok()?;
        let is_scalar = matches!(parsed.kind(), Kind::String | Kind::Number);
        let mention = subject.in_value(parsed).max(subject.in_text(&last_of(name)));
        let class = match (name.as_str(), mention) {
            (_, Mention::No) => continue,
            ("", _) => HitClass::Envelope,
            (_, Mention::Part) => HitClass::Text,
            (name, Mention::Whole) if name.starts_with("/actor/") && is_scalar => HitClass::Actor,
            (name, Mention::Whole) if name.starts_with("/targets/") => HitClass::Target,
            (_, Mention::Whole) => HitClass::Elsewhere,
        };
        is_actor |= class == HitClass::Actor;
        match class {
            HitClass::Envelope => {}
            HitClass::Text => hits.text.push(*number),
            _ => hits.units.push(*number),
        }
        hits.found.push((class, pointer(name)));
    }
    if is_actor {
        // Who acted goes with where from: an address or a browser tells as much as a name.
        let goes = |name: &str| {
            (name.starts_with("/actor/") && name != "/actor/type")
                || matches!(name, "/context" | "/context/ip" | "/context/user_agent")
        };
        hits.units.extend(parts.iter().filter(|(_, name, _)| goes(name)).map(|(number, ..)| *number));
        hits.units.sort_unstable();
        hits.units.dedup();
        hits.text.retain(|number| hits.units.binary_search(number).is_err());
        let names = parts.iter().filter(|(_, name, _)| ACTOR_NAMES.contains(&name.as_str()));
        hits.names = names
            .filter_map(|(_, _, value)| serde_json::from_str::<String>(value).ok())
            .filter(|name| !name.is_empty() && subject.in_text(name) != Mention::Whole)
            .collect();
    }
    Some(hits)
}

/// Members by which an actor may be spoken of in other places.
const ACTOR_NAMES: [&str; 3] = ["/actor/email", "/actor/id", "/actor/name"];

/// The last part of a pointer, read: the name of a member that a client chose may speak of somebody.
fn last_of(name: &str) -> String {
    name.rsplit_once('/').map_or(String::new(), |(_, last)| last.replace("~1", "/").replace("~0", "~"))
}

/// A pointer as a preview tells it: all targets as one.
fn pointer(name: &str) -> String {
    if name.starts_with("/targets/") { "/targets/*".to_owned() } else { name.to_owned() }
}

/// What a case would take, told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasurePreview {
    /// In numbers.
    pub counts: ErasureCounts,
    /// Of each class and pointer, in how many records.
    pub hits: BTreeMap<(HitClass, String), u64>,
    /// Records of the tenant's two logs, all.
    pub of: u64,
    /// Other names of the actors that were found, which may stand in other places; some of them.
    pub names: BTreeSet<String>,
}

impl ErasurePreview {
    pub(crate) fn note(&mut self, found: Vec<(HitClass, String)>, names: Vec<String>) {
        let room = NAMES_MAX.saturating_sub(self.names.len());
        let new: Vec<String> =
            names.into_iter().filter(|name| !self.names.contains(name)).take(room).collect();
        self.names.extend(new);
        for (class, pointer) in found {
            let is_known = self.hits.contains_key(&(class, pointer.clone()));
            let pointer = if is_known || self.hits.len() < POINTERS_MAX { pointer } else { "…".to_owned() };
            *self.hits.entry((class, pointer)).or_default() += 1;
        }
    }
}

/// Records of one log of which the same units go, with the positions gathered into runs.
#[derive(Debug, Default)]
pub(crate) struct Order {
    groups: BTreeMap<Vec<u32>, Vec<(u64, u64)>>,
}

impl Order {
    /// Positions come rising.
    pub(crate) fn add(&mut self, units: Vec<u32>, position: u64) {
        let runs = self.groups.entry(units).or_default();
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == position => *last = position,
            _ => runs.push((position, position)),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The entries that say so, each short enough.
    pub(crate) fn entries(
        self,
        case: &ErasureCase,
        pseudonym: &str,
        approvers: &str,
    ) -> Vec<serde_json::Value> {
        let mut entries = Vec::new();
        let mut erased: Vec<serde_json::Value> = Vec::new();
        let (mut runs_in, mut units_in) = (0, 0);
        for (units, runs) in self.groups {
            for runs in runs.chunks(RUNS_MAX) {
                if !erased.is_empty()
                    && (runs_in + runs.len() > RUNS_MAX || units_in + units.len() > UNITS_MAX)
                {
                    entries.push(entry(case, "ordered", std::mem::take(&mut erased), approvers));
                    (runs_in, units_in) = (0, 0);
                }
                runs_in += runs.len();
                units_in += units.len();
                erased.push(serde_json::json!({"as": pseudonym, "runs": runs, "units": units}));
            }
        }
        if !erased.is_empty() {
            entries.push(entry(case, "ordered", erased, approvers));
        }
        entries
    }
}

/// An entry of kind 2.
pub(crate) fn entry(
    case: &ErasureCase,
    stage: &str,
    erased: Vec<serde_json::Value>,
    approvers: &str,
) -> serde_json::Value {
    serde_json::json!({
        "action": if stage == "done" { "annals.erasure.finish" } else { "annals.erasure.order" },
        "operation": "delete", "category": "annals",
        "actor": {"type": "system", "id": "annals"},
        "metadata": {
            "approvals": case.approved_by.len(), "approvals_required": case.approvals_required,
            "approvers_sha256": approvers, "case": case.case, "erased": erased,
            "reason": case.reason, "requested_at_us": case.requested_at_us, "stage": stage,
        },
    })
}

/// In hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
