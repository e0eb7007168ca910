//! What entries of kinds 2 and 3 take away: out of reach at once, out of every file later.
//!
//! A record is *removed* in two steps. Applying the entry that says so puts a veil over the segments that hold it: from then on nobody
//! reads what went, whoever asks. Then the segments are rewritten, a background work of minutes (`seal.rs`), and when no file has
//! it any more a record of `_annals` says so and the entry is forgotten here. The records are sealed before their entry is
//! written, so tails need no veil.
//!
//! ```text
//! kind 2  "metadata":{"case":HEX,"erased":[{"as":"erased-7f3a","runs":[[17,17],[40,52]],"units":[1,2]}],"stage":"ordered",…}
//! kind 3  "metadata":{"class":3,"cutoff_ms":1795303721456,"runs":[[0,9]]}
//! ```
//!
//! Of these a manifest keeps which entries are not yet done; the entries themselves are read from their log when the ledger opens.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use annals_event::json::{Document, write_string};
use annals_event::{Position, TenantId};
use annals_segment::Damaged;
use annals_segment::fate::Fate;
use annals_segment::segment::{Sealed as SealedRow, Segment, Veil};
use annals_tree::{Counter, EntryKind, Hash};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::batch::LogKind;
use crate::commit::Commits;
use crate::erased::ErasedEvent;
use crate::ids::id_hash;
use crate::read::TenantLog;
use crate::record::LIMITS;

/// Bytes of changed events that one veil keeps, so that those asked for again and again are made once.
const CHANGED_BYTES_MAX: usize = 16 << 20;

/// An entry that takes something away.
#[derive(Debug)]
pub(crate) struct Removal {
    pub(crate) log: TenantLog,
    /// Its position.
    pub(crate) at: u64,
    /// When it was appended, µs since 1970.
    pub(crate) since: i64,
    /// Of an erasure, the case.
    pub(crate) case: Option<String>,
    what: What,
    /// No file that counts has any of it, and no secret of it.
    is_rewritten: AtomicBool,
}

#[derive(Debug)]
enum What {
    Erase(Vec<Group>),
    Expire(Vec<(u64, u64)>),
}

/// Records of which the same units go.
#[derive(Debug, Deserialize)]
struct Group {
    runs: Vec<(u64, u64)>,
    units: Vec<u32>,
    #[serde(rename = "as", default = "nobody")]
    pseudonym: String,
}

fn nobody() -> String {
    "erased".to_owned()
}

/// Which entry, as a manifest and the control plane name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemovalAt {
    /// Whose log.
    pub tenant: String,
    /// It is the access log.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub access: bool,
    /// Where in it.
    pub position: u64,
}

impl RemovalAt {
    /// Its log; none when the tenant's id is none.
    #[must_use]
    pub fn log(&self) -> Option<TenantLog> {
        let kind = if self.access { LogKind::Access } else { LogKind::Tenant };
        Some(TenantLog { tenant: TenantId::from_stored(&self.tenant).ok()?, kind })
    }
}

#[derive(Deserialize)]
struct Entry<T> {
    metadata: T,
}

#[derive(Deserialize)]
struct ErasureBody {
    case: String,
    #[serde(default)]
    erased: Vec<Group>,
}

#[derive(Deserialize)]
struct ExpiryBody {
    runs: Vec<(u64, u64)>,
}

impl Removal {
    /// Reads an entry; none when it takes nothing away.
    pub(crate) fn read(
        log: TenantLog,
        (at, since): (u64, i64),
        kind: EntryKind,
        event: &[u8],
    ) -> Option<Self> {
        let (case, what) = match kind {
            EntryKind::Erasure => {
                let Entry::<ErasureBody> { metadata } = serde_json::from_slice(event).ok()?;
                (Some(metadata.case), What::Erase(metadata.erased))
            }
            EntryKind::Expiry => {
                let Entry::<ExpiryBody> { metadata } = serde_json::from_slice(event).ok()?;
                (None, What::Expire(metadata.runs))
            }
            _ => return None,
        };
        let removal = Self { log, at, since, case, what, is_rewritten: AtomicBool::new(false) };
        // What comes after it was not there to be spoken of.
        let is_sound = removal.runs().all(|(first, last)| first <= last && last < at);
        (is_sound && removal.runs().next().is_some()).then_some(removal)
    }

    /// Names it.
    pub(crate) fn name(&self) -> RemovalAt {
        RemovalAt {
            tenant: self.log.tenant.as_str().to_owned(),
            access: self.log.kind == LogKind::Access,
            position: self.at,
        }
    }

    fn runs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let (erased, expired) = match &self.what {
            What::Erase(groups) => (groups.as_slice(), [].as_slice()),
            What::Expire(runs) => ([].as_slice(), runs.as_slice()),
        };
        erased.iter().flat_map(|group| group.runs.iter().copied()).chain(expired.iter().copied())
    }

    /// The first position after all that it speaks of.
    pub(crate) fn end(&self) -> u64 {
        self.runs().map(|(_, last)| last + 1).max().unwrap_or(0)
    }

    /// Whether it takes units, and with them the secrets of events.
    pub(crate) fn erases(&self) -> bool {
        matches!(self.what, What::Erase(_))
    }

    /// How many records it speaks of, and how many units of them.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let records = |runs: &[(u64, u64)]| runs.iter().map(|(first, last)| last - first + 1).sum::<u64>();
        match &self.what {
            What::Erase(groups) => groups.iter().fold((0, 0), |(all, units), group| {
                let records = records(&group.runs);
                (all + records, units + records * group.units.len() as u64)
            }),
            What::Expire(runs) => (records(runs), 0),
        }
    }

    pub(crate) fn is_rewritten(&self) -> bool {
        self.is_rewritten.load(Ordering::Acquire)
    }

    pub(crate) fn set_rewritten(&self) {
        self.is_rewritten.store(true, Ordering::Release);
    }
}

/// What goes of the rows of one segment.
#[derive(Default)]
struct Going {
    /// Rows that go whole, and by which entry.
    expired: Vec<(Range<u32>, u64)>,
    /// Rows of which units go, none of them one that goes whole: index of the removal, and of its group.
    erased: BTreeMap<u32, Vec<(usize, usize)>>,
    /// Removals of units of rows that go whole.
    overshadowed: BTreeSet<usize>,
}

impl Going {
    /// Of a segment, without what is gone from its file already.
    fn of(segment: &Arc<Segment>, removals: &[Arc<Removal>]) -> Result<Self, Damaged> {
        let mut going = Self::default();
        for (index, removal) in removals.iter().enumerate() {
            let access = removal.log.kind == LogKind::Access;
            let Some(log) = segment.find_log(&removal.log.tenant, access)? else { continue };
            let (first, last) = segment.positions(&log)?;
            let rows = |run: &(u64, u64)| -> Result<Range<u32>, Damaged> {
                let (from, to) = (run.0.max(first.0), run.1.min(last.0));
                if from > to {
                    return Ok(0..0);
                }
                // Positions of a log follow each other without a hole.
                let row = |position: u64| segment.row_at(&log, Position(position));
                Ok(match (row(from)?, row(to)?) {
                    (Some(from), Some(to)) => from..to + 1,
                    _ => 0..0,
                })
            };
            match &removal.what {
                What::Expire(runs) => {
                    for run in runs {
                        going.expired.push((rows(run)?, removal.at));
                    }
                }
                What::Erase(groups) => {
                    for (group, Group { runs, .. }) in groups.iter().enumerate() {
                        for run in runs {
                            for row in rows(run)? {
                                going.erased.entry(row).or_default().push((index, group));
                            }
                        }
                    }
                }
            }
        }
        let mut done = Vec::new();
        if segment.has_fates() {
            segment.expired_rows(&mut |row| done.push(row))?;
            going.leave_out_what_is_done(segment, removals)?;
        }
        going.expired = without(std::mem::take(&mut going.expired), &done);
        // What goes whole takes its units along.
        let Self { expired, erased, overshadowed } = &mut going;
        erased.retain(|row, acts| {
            let goes_whole = by(expired, *row).is_some();
            if goes_whole {
                overshadowed.extend(acts.iter().map(|(removal, _)| *removal));
            }
            !goes_whole
        });
        Ok(going)
    }

    fn leave_out_what_is_done(
        &mut self,
        segment: &Arc<Segment>,
        removals: &[Arc<Removal>],
    ) -> Result<(), Damaged> {
        let mut reader = segment.reader();
        let mut failed = None;
        let mut fate = |row: u32| match reader.fate(row) {
            Ok(fate) => fate,
            Err(damaged) => {
                failed.get_or_insert(damaged);
                None
            }
        };
        self.erased.retain(|row, acts| match fate(*row) {
            None => true,
            Some(Fate::Expired { .. }) => false,
            Some(Fate::Erased(bytes)) => {
                let Ok(event) = ErasedEvent::decode(&bytes) else { return true };
                acts.retain(|(removal, group)| {
                    let What::Erase(groups) = &removals[*removal].what else { return false };
                    event.has_any(&groups[*group].units)
                });
                !acts.is_empty()
            }
        });
        failed.map_or(Ok(()), Err)
    }

    fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.erased.is_empty()
    }
}

/// By which entry a row goes whole.
fn by(expired: &[(Range<u32>, u64)], row: u32) -> Option<u64> {
    let at = expired.partition_point(|(rows, _)| rows.end <= row);
    expired.get(at).filter(|(rows, _)| rows.contains(&row)).map(|(_, by)| *by)
}

/// Ranges of rows in order, each row once, without those that are `done`, which rise.
fn without(mut ranges: Vec<(Range<u32>, u64)>, done: &[u32]) -> Vec<(Range<u32>, u64)> {
    ranges.sort_unstable_by_key(|(rows, _)| rows.start);
    let mut left: Vec<(Range<u32>, u64)> = Vec::new();
    let mut next = 0;
    for (rows, by) in ranges {
        let mut from = rows.start.max(next);
        next = next.max(rows.end);
        for row in &done[done.partition_point(|row| *row < from)..] {
            if *row >= rows.end {
                break;
            }
            left.push((from..*row, by));
            from = row + 1;
        }
        left.push((from..rows.end, by));
    }
    left.retain(|(rows, _)| !rows.is_empty());
    left
}

/// What goes of a segment; none where nothing does. `id_key` keys the ledger's hashes of ids.
pub(crate) fn change_of(
    segment: &Arc<Segment>,
    removals: &[Arc<Removal>],
    id_key: &[u8; 16],
) -> Result<Option<Arc<Change>>, Damaged> {
    if removals.is_empty() {
        return Ok(None);
    }
    let segment = segment.unveiled();
    let going = Going::of(&segment, removals)?;
    if going.is_empty() {
        return Ok(None);
    }
    let change =
        Change { segment, going, removals: removals.to_vec(), id_key: *id_key, made: Mutex::default() };
    Ok(Some(Arc::new(change)))
}

/// Ranges that touch as one.
fn joined(ranges: &[(Range<u32>, u64)]) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for (rows, _) in ranges {
        match runs.last_mut() {
            Some(run) if run.end == rows.start => run.end = rows.end,
            _ => runs.push(rows.clone()),
        }
    }
    runs
}

/// How rows of a segment read that are not to be read as they stand.
pub(crate) struct Change {
    segment: Arc<Segment>,
    going: Going,
    removals: Vec<Arc<Removal>>,
    id_key: [u8; 16],
    made: Mutex<Made>,
}

/// Changed events that were asked for lately, by their rows: the event, and what commits to it.
#[derive(Default)]
struct Made {
    events: BTreeMap<u32, (Bytes, Bytes)>,
    bytes: usize,
}

impl Change {
    /// The segment with a veil over what goes.
    pub(crate) fn veil(self: &Arc<Self>) -> Arc<Segment> {
        let hidden = joined(&self.going.expired);
        let changed: Vec<u32> = self.going.erased.keys().copied().collect();
        let change = self.clone();
        self.segment.veiled(Veil::new(
            hidden,
            changed,
            Box::new(move |row, sealed| change.apply(row, sealed)),
        ))
    }

    /// Rows of which units go.
    pub(crate) fn erased(&self) -> impl Iterator<Item = u32> + '_ {
        self.going.erased.keys().copied()
    }

    /// How many rows go whole, and since when the first of them is to go, µs since 1970.
    pub(crate) fn expired(&self) -> (u64, Option<i64>) {
        let by: BTreeSet<u64> = self.going.expired.iter().map(|(_, by)| *by).collect();
        let is_by = |removal: &&Arc<Removal>| !removal.erases() && by.contains(&removal.at);
        let since = self.removals.iter().filter(is_by).map(|removal| removal.since).min();
        (self.going.expired.iter().map(|(rows, _)| rows.len() as u64).sum(), since)
    }

    /// Whether units were to go of rows that go whole: that is not to wait as long as those may.
    pub(crate) fn is_overshadowed(&self) -> bool {
        !self.going.overshadowed.is_empty()
    }

    /// Whether anything here goes because of a removal.
    pub(crate) fn is_of(&self, removal: &Removal) -> bool {
        let is_it = |other: &Arc<Removal>| other.log == removal.log && other.at == removal.at;
        let Some(index) = self.removals.iter().position(is_it) else { return false };
        if removal.erases() {
            let mut acts = self.going.erased.values().flatten();
            self.going.overshadowed.contains(&index) || acts.any(|(of, _)| *of == index)
        } else {
            // Positions are those of a log, and rows of several logs may be gone by entries at the same one: rather too often.
            self.going.expired.iter().any(|(_, at)| *at == removal.at)
        }
    }

    /// How a row is to read.
    pub(crate) fn apply(&self, row: u32, sealed: &mut SealedRow) -> Result<(), Damaged> {
        let malformed = || {
            self.segment
                .malformed("a record that is to be erased is no event")
                .of(&sealed.tenant, sealed.position)
        };
        if let Some(by) = by(&self.going.expired, row) {
            sealed.fate = Some(self.make_expired(sealed, by).ok_or_else(malformed)?);
            return Ok(());
        }
        let Some(acts) = self.going.erased.get(&row) else { return Ok(()) };
        let kept = self.made().events.get(&row).cloned();
        let (event, fate) = match kept {
            Some(made) => made,
            None => {
                let made = self.make_erased(sealed, acts).ok_or_else(malformed)?;
                let mut all = self.made();
                let bytes = made.0.len() + made.1.len();
                if all.bytes + bytes > CHANGED_BYTES_MAX {
                    *all = Made::default();
                }
                all.bytes += bytes;
                all.events.insert(row, made.clone());
                made
            }
        };
        sealed.event = event;
        sealed.fate = Some(Fate::Erased(fate));
        sealed.root = sealed.root.puncture(Counter::new(sealed.counter));
        Ok(())
    }

    fn made(&self) -> std::sync::MutexGuard<'_, Made> {
        self.made.lock().expect("no holder of this lock panics")
    }

    fn make_erased(&self, sealed: &SealedRow, acts: &[(usize, usize)]) -> Option<(Bytes, Bytes)> {
        let mut event = match &sealed.fate {
            None => ErasedEvent::whole(&sealed.event, &sealed.secret()?)?,
            Some(Fate::Erased(bytes)) => ErasedEvent::decode(bytes).ok()?,
            Some(Fate::Expired { .. }) => return None,
        };
        for (removal, group) in acts {
            let removal = &self.removals[*removal];
            let What::Erase(groups) = &removal.what else { return None };
            let Group { units, pseudonym, .. } = &groups[*group];
            event.erase(units, removal.at, pseudonym);
        }
        Some((event.event()?.into(), event.encode().into()))
    }

    fn make_expired(&self, sealed: &SealedRow, by: u64) -> Option<Fate> {
        let commitment = commitment_of(sealed)?;
        let mut document = Document::default();
        let event = document.parse(&sealed.event, LIMITS).ok()?;
        let mut escaped = Vec::new();
        write_string(event.get("id").and_then(|id| id.as_str())?, &mut escaped);
        let id = escaped.get(1..escaped.len() - 1)?;
        let kind = if sealed.access { LogKind::Access } else { LogKind::Tenant };
        Some(Fate::Expired { commitment, by, id_hash: id_hash(&self.id_key, &sealed.tenant, kind, id) })
    }
}

/// What the entry of a row commits to; none when its bytes are no event.
pub(crate) fn commitment_of(sealed: &SealedRow) -> Option<Hash> {
    match &sealed.fate {
        None => Commits::default().commit(&sealed.event, &sealed.secret()?),
        Some(Fate::Erased(bytes)) => ErasedEvent::decode(bytes).ok()?.commitment(),
        Some(Fate::Expired { commitment, .. }) => Some(*commitment),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_go_once_and_those_that_are_gone_are_left_out() {
        let ranges = vec![(20..30, 7), (0..10, 5), (8..12, 6), (40..41, 7), (22..25, 9)];
        let left = without(ranges, &[0, 9, 21, 22, 40]);
        assert_eq!(left, [(1..9, 5), (10..12, 6), (20..21, 7), (23..30, 7)]);
        assert_eq!(joined(&left), [1..9, 10..12, 20..21, 23..30]);
        assert_eq!(
            (by(&left, 8), by(&left, 9), by(&left, 11), by(&left, 29)),
            (Some(5), None, Some(6), Some(7))
        );
    }
}
