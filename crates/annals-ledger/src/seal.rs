//! Sealing tails into segments, and merging segments into larger ones, behind the back of everything else, side by side.
//!
//! The order of the steps is what makes a crash harmless:
//!
//! ```text
//! segment written, flushed, named        a crash leaves a file that no manifest names: removed at the next start
//! every event read back and compared     what does not come back as it went in is never named
//! manifest written, flushed, named       from here on the segment counts; the journal still has its records too
//! state swapped                          readers see the segment in place of the tail, in one step
//! old files removed, journal trimmed     up to the place of the older of the two manifests that are kept
//! ```
//!
//! Segments of which something was erased or expired are rewritten in the same steps (`rewriting`).

mod rewriting;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use annals_event::{TenantId, Timestamp};
use annals_segment::build::{self, LogName, Rows};
use annals_segment::merge;
use annals_segment::segment::Segment;
use annals_tree::{EntryKind, Hash};

use crate::batch::LogKind;
use crate::ids::id_hash;
use crate::log::Log;
use crate::manifest::{self, Head, SegmentEntry};
use crate::sealed::{Part, Parts};
use crate::signing::read;
use crate::state::{Frozen, State};
use crate::store::{Store, StoreError, manifest_name, segment_name};
use crate::tail::{Before, Stretch, Tail};

/// When a tail is sealed.
#[derive(Clone, Copy, Debug)]
pub struct TailLimits {
    /// At so many records.
    pub records_max: u64,
    /// At so many bytes of batches.
    pub bytes_max: u64,
    /// When its first record is so old, µs.
    pub age_us_max: i64,
}

impl Default for TailLimits {
    fn default() -> Self {
        // Two tails of this size, a merge beside them and requests on their way stay below 400 MB.
        Self { records_max: 60_000, bytes_max: 48 << 20, age_us_max: 3_600_000_000 }
    }
}

impl TailLimits {
    /// Whether the tail is to be sealed for its size.
    pub(crate) fn is_reached_by(&self, tail: &Tail) -> bool {
        tail.records >= self.records_max || tail.chunk_bytes >= self.bytes_max
    }

    /// The part of its room that the tail has taken; 1 and more when it is to be sealed.
    #[expect(clippy::cast_precision_loss, reason = "a part of a whole to many digits")]
    pub(crate) fn filled_by(&self, tail: &Tail) -> f64 {
        let part = |taken: u64, max: u64| taken as f64 / max.max(1) as f64;
        part(tail.records, self.records_max).max(part(tail.chunk_bytes, self.bytes_max))
    }

    /// Whether it is to be sealed for its age.
    pub(crate) fn is_outlived_by(&self, tail: &Tail, now: Timestamp) -> bool {
        tail.since.is_some_and(|since| now.as_micros().saturating_sub(since.as_micros()) >= self.age_us_max)
    }
}

/// Neighbouring segments that become one.
const MERGED: usize = 8;

/// Largest file that is merged with others: eight of them are read a column at a time, and a column may be nearly all of it.
const MERGED_BYTES_MAX: u64 = 32 << 20;

/// Most rows of a segment of each level; segments of the last are not merged any more.
const LEVEL_ROWS_MAX: [u64; 3] = [1 << 14, 1 << 17, 1 << 20];

/// What did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The folder of segments.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An event would not be read back as it was sealed. That is a bug of ours; the records stay where they are.
    #[error(
        "segment `{file}`: log {log}: the record at position {position} does not come back as it was sealed"
    )]
    Differs {
        /// The file, which is not used.
        file: String,
        /// Index of the log in the file.
        log: usize,
        /// The record.
        position: u64,
    },
}

impl From<std::io::Error> for SealError {
    fn from(error: std::io::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<annals_segment::Damaged> for SealError {
    fn from(damaged: annals_segment::Damaged) -> Self {
        Self::Store(damaged.into())
    }
}

/// What one turn came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A tail became a segment of so many records.
    Sealed(u64),
    /// Segments became one of so many rows.
    Merged(u64),
    /// A segment of so many rows was rewritten, without what was to go.
    Rewritten(u64),
    /// There was nothing to do.
    Nothing,
}

/// Seals and merges, each a step at a time. One thread may seal while another merges: files are made side by side, and manifests
/// follow one another.
pub(crate) struct Sealer {
    state: Arc<RwLock<State>>,
    store: Store,
    /// Held while a manifest is written and the state follows it. Whoever takes the state's lock as well takes it later.
    shelf: Mutex<Shelf>,
    numbers: Mutex<Numbers>,
    /// The batches before this place are not needed any more.
    pub(crate) trim_to: Arc<AtomicU64>,
    /// Segments are being merged.
    pub(crate) merges: Arc<AtomicBool>,
    /// The place of the newest manifest.
    pub(crate) stated_to: Arc<AtomicU64>,
    /// Batches before this place are to be sealed, whatever their number and age.
    pub(crate) wanted: Arc<AtomicU64>,
}

/// Which numbers segments have. Held for a moment; whoever takes the shelf's lock as well takes it earlier.
struct Numbers {
    next: u64,
    /// Segments that are being written or compared, which no manifest names.
    making: BTreeSet<u64>,
}

/// What is in the folder.
struct Shelf {
    /// The newest manifest, but for its logs.
    newest: Option<Head>,
    /// What is not needed any more was not removed yet.
    is_untidy: bool,
    /// The manifest before the newest names segments that were merged: while it is kept, their bytes are on disk twice.
    is_twofold: bool,
}

/// A segment that no manifest names yet.
struct Made {
    number: u64,
    segment: Arc<Segment>,
    bytes: u64,
}

/// A segment that holds what several did, and is to take their place.
pub(crate) struct Merged {
    made: Made,
    group: Vec<Arc<Part>>,
}

impl Merged {
    fn rows(&self) -> u64 {
        self.group.iter().map(|part| part.rows).sum()
    }
}

impl Sealer {
    /// Goes on behind the newest manifest.
    pub(crate) fn new(
        state: Arc<RwLock<State>>,
        store: Store,
        newest: Option<Head>,
    ) -> Result<Self, StoreError> {
        let next_segment = store.next_segment()?;
        let making = BTreeSet::new();
        let tidied = store.tidy(BTreeSet::new)?;
        let is_twofold = tidied.is_twofold;
        let stated_to = newest.as_ref().map_or(0, |head| head.place.0);
        Ok(Self {
            stated_to: Arc::new(AtomicU64::new(stated_to)),
            wanted: Arc::default(),
            state,
            store,
            shelf: Mutex::new(Shelf { newest, is_untidy: false, is_twofold }),
            numbers: Mutex::new(Numbers { next: next_segment, making }),
            trim_to: Arc::new(AtomicU64::new(tidied.place.map_or(0, |place| place.0))),
            merges: Arc::default(),
        })
    }

    /// Seals the tail that waits for it.
    pub(crate) fn seal(&self) -> Result<Done, SealError> {
        let frozen = read(&self.state).sealing.clone();
        let Some(frozen) = frozen else { return Ok(Done::Nothing) };
        if frozen.tail.records == 0 {
            self.put_sealed(None, &frozen)?;
            return Ok(Done::Sealed(0));
        }
        let rows = TailRows::new(&frozen.tail);
        let made = self.make(frozen.tail.records, |store, name, seed| {
            store.write(name, |out| build::build(&rows, seed, out))
        })?;
        let differs = made.segment.same_as(&rows);
        self.compared(&made, differs)?;
        self.put_sealed(Some(made), &frozen)?;
        Ok(Done::Sealed(frozen.tail.records))
    }

    /// Merges segments, if some are to be merged; else clears away what merging left.
    pub(crate) fn merge(&self) -> Result<Done, SealError> {
        match self.make_merged() {
            Ok(Some(merged)) => self.put_merged(merged),
            Ok(None) => self.clear_away(),
            Err(error) => {
                // It may fail for long, and what others left is to go all the same.
                self.clear_away()?;
                Err(error)
            }
        }
    }

    /// Makes one segment of several. Nothing knows of it before [`Sealer::put_merged`].
    pub(crate) fn make_merged(&self) -> Result<Option<Merged>, SealError> {
        let parts = read(&self.state).sealed.clone();
        let Some(group) = to_merge(&parts) else { return Ok(None) };
        self.merges.store(true, Ordering::Release);
        let made = self.make_one_of(&group);
        self.merges.store(false, Ordering::Release);
        Ok(Some(Merged { made: made?, group }))
    }

    fn make_one_of(&self, group: &[Arc<Part>]) -> Result<Made, SealError> {
        let inputs: Vec<_> = group.iter().map(|part| part.segment.clone()).collect();
        let id_key = read(&self.state).genesis().expect("records follow the genesis").id_key;
        let hash = |tenant: &TenantId, access: bool, id: &[u8]| {
            id_hash(&id_key, tenant, if access { LogKind::Access } else { LogKind::Tenant }, id)
        };
        let rows = group.iter().map(|part| part.rows).sum();
        let made = self.make(rows, |store, name, seed| {
            store.write(name, |out| merge::merge(&inputs, seed, &hash, out))
        })?;
        let differs = merge::compare::first_difference(&made.segment, &inputs);
        self.compared(&made, differs)?;
        Ok(made)
    }

    /// Writes and opens a segment.
    fn make(
        &self,
        rows: u64,
        write: impl FnOnce(&Store, &str, u64) -> std::io::Result<u64>,
    ) -> Result<Made, SealError> {
        let number = {
            let mut numbers = self.numbers();
            let number = numbers.next;
            numbers.next += 1;
            numbers.making.insert(number);
            number
        };
        let opened = write(&self.store, &segment_name(number), self.seed(number))
            .map_err(SealError::from)
            .and_then(|bytes| {
                let segment = self.store.open(&SegmentEntry { number, bytes, rows })?;
                Ok(Made { number, segment, bytes })
            });
        opened.inspect_err(|_| self.give_up(number))
    }

    /// Gives a segment up that does not hold what it was made of.
    fn compared(
        &self,
        made: &Made,
        differs: Result<Option<(usize, u64)>, annals_segment::Damaged>,
    ) -> Result<(), SealError> {
        let error = match differs {
            Ok(None) => return Ok(()),
            Ok(Some((log, position))) => {
                SealError::Differs { file: segment_name(made.number), log, position }
            }
            Err(damaged) => damaged.into(),
        };
        self.give_up(made.number);
        Err(error)
    }

    fn give_up(&self, number: u64) {
        self.store.discard(number);
        self.numbers().making.remove(&number);
    }

    /// Puts a segment in the place of the tail that was sealed; none of a tail without records.
    fn put_sealed(&self, made: Option<Made>, frozen: &Frozen) -> Result<(), SealError> {
        let mut shelf = self.shelf();
        // Nobody else changes which segments there are while the shelf is held, and what is read of a file is not read under the
        // state's lock.
        let (mut parts, epoch) = self.parts();
        let new = match made {
            None => None,
            Some(made) => {
                self.numbers().making.remove(&made.number);
                let part = part(made, &parts, frozen.tail.order.next())?;
                parts.push(part.clone());
                Some(part)
            }
        };
        let number = self.store.next_manifest()?;
        let head = {
            let state = read(&self.state);
            Head {
                number,
                place: state.tail.first_place,
                genesis: state.genesis().expect("records follow the genesis").clone(),
                next_seq: state.tail.order.first(),
                running: frozen.running,
                last_head_at: frozen.last_head_at,
                heads: frozen.heads.clone(),
                keys: frozen.keys.clone(),
                segments: entries(&parts),
            }
        };
        let is_in = |shown: &Part, index: u32, log: &Log| {
            if new.as_ref().is_some_and(|new| shown.number == new.number) {
                frozen.tail.stretches.contains_key(&index)
            } else {
                log.parts.contains(shown.slot)
            }
        };
        self.publish(&head, &parts, &is_in)?;
        {
            let mut state = self.state.write().expect("the ledger's thread does not panic while it writes");
            if let Some(new) = &new {
                for index in frozen.tail.stretches.keys() {
                    state.logs[*index as usize].parts.insert(new.slot);
                }
                state.put(parts, epoch, new.number);
            }
            state.sealing = None;
        }
        self.finish(&mut shelf, head)
    }

    /// Puts a segment in the place of those it was made of.
    pub(crate) fn put_merged(&self, merged: Merged) -> Result<Done, SealError> {
        let mut shelf = self.shelf();
        let rows = merged.rows();
        let Merged { made, group } = merged;
        self.numbers().making.remove(&made.number);
        let numbers: Vec<u64> = group.iter().map(|old| old.number).collect();
        // More may have been sealed meanwhile; what was merged stands where it stood.
        let (mut parts, epoch) = self.parts();
        let part = part(made, &parts, group.last().map_or(0, |part| part.seqs.end))?;
        parts.replace(&numbers, part.clone());
        let newest = shelf.newest.as_ref().expect("what is merged was sealed");
        let head = Head { number: self.store.next_manifest()?, segments: entries(&parts), ..newest.clone() };
        let appears = |log: &Log| group.iter().any(|old| log.parts.contains(old.slot));
        let is_in = |shown: &Part, _: u32, log: &Log| {
            if shown.number == part.number { appears(log) } else { log.parts.contains(shown.slot) }
        };
        self.publish(&head, &parts, &is_in)?;
        {
            let mut state = self.state.write().expect("the ledger's thread does not panic while it writes");
            for log in state.logs.iter_mut().filter(|log| appears(log)) {
                group.iter().for_each(|old| log.parts.remove(old.slot));
                log.parts.insert(part.slot);
            }
            state.put(parts, epoch, part.number);
        }
        self.finish(&mut shelf, head)?;
        Ok(Done::Merged(rows))
    }

    /// The segments, and which arrangement that is.
    fn parts(&self) -> (Parts, u64) {
        let state = read(&self.state);
        ((*state.sealed).clone(), state.epoch)
    }

    /// Writes the newest manifest once more: nothing that was before it is kept for the sake of the one before.
    pub(crate) fn state_again(&self) -> Result<(), SealError> {
        let mut shelf = self.shelf();
        if shelf.newest.is_some() { self.restate(&mut shelf) } else { Ok(()) }
    }

    /// Removes what is not needed any more, if that is left to be done.
    fn clear_away(&self) -> Result<Done, SealError> {
        let mut shelf = self.shelf();
        if shelf.is_twofold {
            self.restate(&mut shelf)?;
        } else if shelf.is_untidy {
            self.tidy(&mut shelf)?;
        }
        Ok(Done::Nothing)
    }

    /// Writes the newest manifest once more, so that both that are kept name what was merged, and what it was merged from can go.
    fn restate(&self, shelf: &mut Shelf) -> Result<(), SealError> {
        let parts = read(&self.state).sealed.clone();
        let newest = shelf.newest.as_ref().expect("what was merged was sealed");
        let head = Head { number: self.store.next_manifest()?, ..newest.clone() };
        self.publish(&head, &parts, &|shown, _, log| log.parts.contains(shown.slot))?;
        // Said once: where removing fails, only that is tried again.
        shelf.is_twofold = false;
        self.finish(shelf, head)
    }

    /// Writes a manifest with these segments. `is_in` says which logs, with their index, appear in which of them.
    fn publish(
        &self,
        head: &Head,
        parts: &Parts,
        is_in: &dyn Fn(&Part, u32, &Log) -> bool,
    ) -> Result<(), SealError> {
        let mut writer = manifest::Writer::new(head);
        let mut next = 0;
        loop {
            // A few at a time: nobody who writes waits for long.
            let state = read(&self.state);
            // What was merged is as of the manifest before, which may be older than what is being sealed now.
            let (oldest, end) = match &state.sealing {
                Some(frozen) if frozen.tail.first_place == head.place => {
                    (Some(&frozen.tail), frozen.tail.logs_before)
                }
                _ => (None, state.tail.logs_before),
            };
            let until = end.min(next + LOGS_AT_ONCE);
            for index in next..until {
                let log = &state.logs()[index];
                if log.kind == LogKind::Tenant {
                    writer.tenant(&log.tenant);
                }
                let index = u32::try_from(index).expect("logs are far below 2^32");
                let appears = parts.iter().map(|part| is_in(part, index, log));
                writer.log(&log.id, &before(&state, oldest, index), appears);
            }
            next = until;
            if next == end {
                break;
            }
        }
        let bytes = writer.finish();
        self.store.write(&manifest_name(head.number), |mut out| {
            std::io::Write::write_all(&mut out, &bytes)?;
            Ok((out, ()))
        })?;
        Ok(())
    }

    fn finish(&self, shelf: &mut Shelf, head: Head) -> Result<(), SealError> {
        self.stated_to.fetch_max(head.place.0, Ordering::AcqRel);
        shelf.newest = Some(head);
        shelf.is_untidy = true;
        self.tidy(shelf)
    }

    /// Removes what is not needed any more. When that fails it is tried again once there is nothing else to do.
    fn tidy(&self, shelf: &mut Shelf) -> Result<(), SealError> {
        // The shelf is held: what is being made is not named meanwhile.
        let tidied = self.store.tidy(|| self.numbers().making.clone())?;
        if let Some(place) = tidied.place {
            self.trim_to.fetch_max(place.0, Ordering::AcqRel);
        }
        shelf.is_twofold = tidied.is_twofold;
        shelf.is_untidy = false;
        Ok(())
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().expect("no holder of this lock panics")
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().expect("no holder of this lock panics")
    }

    /// Seeds the hashes of a segment: nobody outside can aim at one bucket, and a replay makes the same file.
    fn seed(&self, number: u64) -> u64 {
        let key = read(&self.state).genesis().expect("records follow the genesis").id_key;
        let (low, _) = key.split_first_chunk::<8>().expect("a key has 16 bytes");
        u64::from_le_bytes(*low) ^ number
    }
}

/// A segment as one of those that are open. `after` is the ledger number after the last one before it.
fn part(made: Made, beside: &Parts, after: u64) -> Result<Arc<Part>, SealError> {
    let Made { number, segment, bytes } = made;
    Ok(Arc::new(Part::new(number, beside.free_slot(), segment, bytes, after)?))
}

/// Logs of which a manifest is told while the state is locked.
const LOGS_AT_ONCE: usize = 4096;

/// A log as it was before the tails from `oldest` on, or without one before the newest.
fn before(state: &State, oldest: Option<&Tail>, index: u32) -> Before {
    let in_oldest = oldest.and_then(|tail| tail.stretches.get(&index));
    match in_oldest.or_else(|| state.tail.stretches.get(&index)) {
        Some(stretch) => stretch.before.clone(),
        None => {
            let log = &state.logs()[index as usize];
            Before {
                tree: log.tree.clone(),
                last_received_at: log.last_received_at,
                sources: log.sources.clone(),
            }
        }
    }
}

fn entries(parts: &Parts) -> Vec<SegmentEntry> {
    let entry = |part: &Arc<Part>| SegmentEntry { number: part.number, bytes: part.bytes, rows: part.rows };
    parts.iter().map(entry).collect()
}

/// The next segments to merge: the newest neighbours of which none is above a level, that level being the lowest at which there
/// are enough.
fn to_merge(parts: &Parts) -> Option<Vec<Arc<Part>>> {
    let list: Vec<&Arc<Part>> = parts.iter().collect();
    LEVEL_ROWS_MAX.iter().take(LEVEL_ROWS_MAX.len() - 1).find_map(|rows_max| {
        let is_small = |part: &&&Arc<Part>| part.rows <= *rows_max && part.bytes <= MERGED_BYTES_MAX;
        let run = list.iter().rev().take_while(is_small).count();
        (run >= MERGED).then(|| {
            let first = list.len() - run;
            list[first..first + MERGED].iter().map(|part| (*part).clone()).collect()
        })
    })
}

/// A tail as what a segment is built from.
struct TailRows<'a> {
    tail: &'a Tail,
    /// In the order of the file.
    stretches: Vec<&'a Stretch>,
}

impl<'a> TailRows<'a> {
    fn new(tail: &'a Tail) -> Self {
        let mut stretches: Vec<&Stretch> = tail.stretches.values().collect();
        stretches.sort_unstable_by(|a, b| {
            (&a.tenant, a.kind == LogKind::Access).cmp(&(&b.tenant, b.kind == LogKind::Access))
        });
        Self { tail, stretches }
    }
}

impl Rows for TailRows<'_> {
    fn logs(&self) -> usize {
        self.stretches.len()
    }

    fn log(&self, log: usize) -> LogName {
        let stretch = self.stretches[log];
        LogName { tenant: stretch.tenant.clone(), access: stretch.kind == LogKind::Access, id: stretch.id }
    }

    fn count(&self, log: usize) -> usize {
        self.stretches[log].rows.len()
    }

    fn row(&self, log: usize, n: usize) -> build::Row<'_> {
        let stretch = self.stretches[log];
        let row = &stretch.rows[n];
        let chunk = &self.tail.chunks[row.chunk as usize];
        build::Row {
            position: stretch.first() + n as u64,
            seq: row.seq,
            received_at: row.received_at.as_micros(),
            occurred_at: row.occurred_at.map(|at| at.as_micros()),
            operation: row.operation,
            derived: row.derived,
            system: row.system,
            stated: row.stated.map_or(0, EntryKind::number),
            class: row.class,
            root: build::RootRef::Whole(&self.tail.roots.seeds[row.root as usize]),
            counter: row.counter.get(),
            leaf: row.leaf(&self.tail.chunks),
            id_hash: row.id_hash,
            event: &chunk[row.bytes.0 as usize..row.bytes.1 as usize],
            fate: None,
        }
    }

    fn nodes(&self, log: usize) -> &[Hash] {
        &self.stretches[log].nodes
    }
}
