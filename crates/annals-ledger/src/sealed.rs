//! The sealed records: segments in the order of the ledger, each open, each with what finds out quickly that it holds nothing.

use std::ops::Range;
use std::sync::Arc;

use annals_event::{LedgerSeq, Operation, Position, TenantId, Timestamp};
use annals_segment::Damaged;
use annals_segment::fate::Fate;
use annals_segment::hashes::LoadedFilter;
use annals_segment::segment::{Found, LogRows, Sealed as SealedRow, Segment};
use annals_tree::{EntryKind, Hash, Secret, entry, leaf_hash};

use crate::batch::LogKind;
use crate::bits::Bits;
use crate::commit::Commits;
use crate::erased::ErasedEvent;
use crate::leaves::Leaves;
use crate::log::{Log, received_at_ms};
use crate::record::Record;
use crate::removal::Change;

/// Index of an open segment; given again after the segment is gone.
pub(crate) type Slot = u16;

/// Most memory for filters over event ids, bytes. They are 1.25 bytes an event; those of older segments are read when they are
/// needed, through the cache.
const FILTERS_BYTES_MAX: usize = 64 << 20;

/// One open segment.
#[derive(Clone)]
pub(crate) struct Part {
    /// Its number, which no other segment of the ledger ever has.
    pub(crate) number: u64,
    pub(crate) slot: Slot,
    /// With a veil over what is to go of it.
    pub(crate) segment: Arc<Segment>,
    /// What that is.
    pub(crate) change: Option<Arc<Change>>,
    /// What that is could not be told.
    pub(crate) is_unknown: bool,
    /// Over the ids of its events, while there is room for it in memory.
    filter: Option<Arc<LoadedFilter>>,
    /// Ledger numbers of its records.
    pub(crate) seqs: Range<u64>,
    /// First and last time that any event of a tenant happened.
    pub(crate) times: Option<(i64, i64)>,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// All open segments.
#[derive(Clone, Default)]
pub(crate) struct Parts {
    /// In the order of the ledger.
    list: Vec<Arc<Part>>,
    /// Of their records, made lately.
    leaves: Arc<Leaves>,
}

impl Part {
    /// `after` is the ledger number after the last one of the segments before.
    pub(crate) fn new(
        number: u64,
        slot: Slot,
        segment: Arc<Segment>,
        bytes: u64,
        after: u64,
    ) -> Result<Self, Damaged> {
        Ok(Self {
            number,
            slot,
            // It only saves looking at the ids themselves, so without it all can be done.
            filter: segment.load_filter().ok().map(Arc::new),
            seqs: segment.seqs()?.unwrap_or(after..after),
            times: segment.all_times()?,
            rows: u64::from(segment.rows()),
            bytes,
            change: None,
            is_unknown: false,
            segment,
        })
    }

    /// Rows of a log.
    fn rows_of(&self, log: &Log) -> Result<Option<LogRows>, Damaged> {
        self.segment.find_log(&log.tenant, log.kind == LogKind::Access)
    }

    /// The row with this id that can be read.
    pub(crate) fn find(
        &self,
        tenant: &TenantId,
        kind: LogKind,
        id_hash: u64,
        id: &[u8],
    ) -> Result<Option<u32>, Damaged> {
        if !self.may_have(id_hash) {
            return Ok(None);
        }
        let Some(rows) = self.segment.find_log(tenant, kind == LogKind::Access)? else { return Ok(None) };
        Ok(self.segment.reader().rows_with_id(&rows, id)?.first().copied())
    }

    /// The row that has this id, be it that nobody can read it any more.
    pub(crate) fn find_known(
        &self,
        tenant: &TenantId,
        kind: LogKind,
        id_hash: u64,
        id: &[u8],
    ) -> Result<Option<Found>, Damaged> {
        if !self.may_have(id_hash) {
            return Ok(None);
        }
        let Some(rows) = self.segment.find_log(tenant, kind == LogKind::Access)? else { return Ok(None) };
        Ok(self.segment.reader().find_id(&rows, id, id_hash)?.first().copied())
    }

    fn may_have(&self, id_hash: u64) -> bool {
        match &self.filter {
            Some(filter) => filter.may_contain(id_hash),
            // A filter only saves the look at the ids themselves.
            None => self.segment.may_have_id(id_hash).unwrap_or(true),
        }
    }

    /// One row as a record.
    pub(crate) fn record(&self, row: u32) -> Result<Record, Damaged> {
        Ok(record_of(self.segment.record(row)?))
    }
}

impl Parts {
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Part>> + ExactSizeIterator {
        self.list.iter()
    }

    /// Leaves of their records, made lately.
    pub(crate) fn leaves(&self) -> &Arc<Leaves> {
        &self.leaves
    }

    /// Those a log appears in, in the order of its positions.
    pub(crate) fn of<'a>(&'a self, parts: &'a Bits) -> impl DoubleEndedIterator<Item = &'a Arc<Part>> {
        self.list.iter().filter(|part| parts.contains(part.slot))
    }

    /// Lets go of the filters of the oldest ones for which there is no room.
    pub(crate) fn bound_filters(&mut self) {
        let mut bytes = 0;
        for part in self.list.iter_mut().rev() {
            bytes += part.filter.as_ref().map_or(0, |filter| filter.bytes());
            if bytes > FILTERS_BYTES_MAX && part.filter.is_some() {
                *part = Arc::new(Part { filter: None, ..(**part).clone() });
            }
        }
    }

    /// A slot that none of them has.
    pub(crate) fn free_slot(&self) -> Slot {
        (0..)
            .find(|slot| self.list.iter().all(|part| part.slot != *slot))
            .expect("segments are far fewer than 65,536")
    }

    /// Adds the newest one.
    pub(crate) fn push(&mut self, part: Arc<Part>) {
        debug_assert!(
            self.list.last().is_none_or(|last| last.seqs.end <= part.seqs.start),
            "segments follow each other"
        );
        self.list.push(part);
        self.bound_filters();
    }

    /// Puts others in the place of some of them.
    pub(crate) fn change(&mut self, new: impl Fn(&Part) -> Option<Part>) {
        for part in &mut self.list {
            if let Some(new) = new(part) {
                *part = Arc::new(new);
            }
        }
    }

    /// Puts one in the place of neighbours.
    pub(crate) fn replace(&mut self, numbers: &[u64], part: Arc<Part>) {
        let first =
            self.list.iter().position(|old| old.number == numbers[0]).expect("what was merged is there");
        let merged = first..first + numbers.len();
        assert!(
            self.list[merged.clone()].iter().map(|old| &old.number).eq(numbers),
            "what was merged are neighbours"
        );
        self.list.splice(merged, [part]);
        self.bound_filters();
    }

    /// The one that holds a position of a log, and the row.
    pub(crate) fn at<'a>(
        &'a self,
        log: &'a Log,
        position: Position,
    ) -> Result<Option<(&'a Arc<Part>, u32)>, Damaged> {
        let parts: Vec<&Arc<Part>> = self.of(&log.parts).collect();
        let (mut low, mut high) = (0, parts.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let part = parts[middle];
            let Some(rows) = part.rows_of(log)? else {
                return Err(part.segment.malformed("a log that the manifest says is here is not"));
            };
            let (first, last) = part.segment.positions(&rows)?;
            if last < position {
                low = middle + 1;
            } else if first > position {
                high = middle;
            } else {
                return Ok(part.segment.row_at(&rows, position)?.map(|row| (part, row)));
            }
        }
        Ok(None)
    }
}

/// What a segment gives back, in the ledger's words.
pub(crate) fn record_of(row: SealedRow) -> Record {
    Record {
        log: if row.access { LogKind::Access } else { LogKind::Tenant },
        tenant: row.tenant,
        position: row.position,
        seq: row.seq.map(LedgerSeq),
        received_at: time(row.received_at),
        occurred_at: row.occurred_at.map(time),
        operation: Operation::from_code(row.operation).unwrap_or(Operation::Other),
        operation_derived: row.derived,
        class: row.class,
        stated: EntryKind::from_number(row.stated),
        event: row.event,
        fate: row.fate,
    }
}

/// The entry of a sealed row, made of its event anew; none when its bytes are no event.
pub(crate) fn entry_of(row: &SealedRow) -> Option<(Vec<u8>, Hash)> {
    let sealed = SealedEntry::of(row);
    sealed.made(&mut Commits::default(), &mut |_, _| {})
}

/// What the entry of a sealed row is made of.
pub(crate) struct SealedEntry<'a> {
    pub(crate) stated: u8,
    pub(crate) class: u16,
    pub(crate) received_at: i64,
    /// What the salts of its units follow from, unless it was forgotten.
    pub(crate) secret: Option<Secret>,
    pub(crate) event: &'a [u8],
    pub(crate) fate: Option<&'a Fate>,
}

impl<'a> SealedEntry<'a> {
    pub(crate) fn of(row: &'a SealedRow) -> Self {
        let &SealedRow { stated, class, received_at, ref event, ref fate, .. } = row;
        Self { stated, class, received_at, secret: row.secret(), event, fate: fate.as_ref() }
    }

    /// The entry and its hash; none when the bytes are no event. `see` is told each unit, of an event that has them all.
    pub(crate) fn made(
        &self,
        commits: &mut Commits,
        see: &mut dyn FnMut(&str, &[u8]),
    ) -> Option<(Vec<u8>, Hash)> {
        let received_at_ms = received_at_ms(time(self.received_at));
        let entry = match self.stated {
            0 => {
                let commitment = match self.fate {
                    None => commits.commit_seen(self.event, self.secret.as_ref()?, see)?,
                    Some(Fate::Erased(bytes)) => {
                        let erased = ErasedEvent::decode(bytes).ok()?;
                        // What reads is what its units make.
                        if erased.event()? != self.event {
                            return None;
                        }
                        erased.commitment()?
                    }
                    Some(Fate::Expired { commitment, .. }) => *commitment,
                };
                entry::encode_event(self.class, received_at_ms, &commitment).to_vec()
            }
            kind => {
                let kind = EntryKind::from_number(kind)?;
                entry::encode_stating(kind, self.class, received_at_ms, self.event)
            }
        };
        let leaf = leaf_hash(&entry);
        Some((entry, leaf))
    }
}

/// Times of a segment were times before; one beyond what a time can be is shown as the beginning.
pub(crate) fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros).unwrap_or_else(|| Timestamp::from_micros(0).expect("1970 is a time"))
}
