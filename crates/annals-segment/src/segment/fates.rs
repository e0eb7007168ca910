//! What the file says became of rows' events, and what is left of roots.

use std::ops::Range;
use std::sync::Arc;

use annals_tree::PuncturedRoot;

use super::{LogRows, Segment};
use crate::Damaged;
use crate::fate::{ERASED_BYTES_MAX, EXPIRED_BYTES, Fate, FateKind};
use crate::meta::Fates;
use crate::root::{PUNCTURED_BYTES_MAX, Punctured, Root};

impl Segment {
    /// Whether events of the file were erased in part, or expired.
    #[must_use]
    pub fn has_fates(&self) -> bool {
        self.footer.fates.is_some()
    }

    /// The rows of which the file says that they expired, rising.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when that is not what was written.
    pub fn expired_rows(&self, see: &mut dyn FnMut(u32)) -> Result<(), Damaged> {
        let Some(fates) = &self.footer.fates else { return Ok(()) };
        /// Fates that are read at once.
        const AT_ONCE: u64 = 4_096;
        let (mut rows, mut kinds) = (Vec::new(), Vec::new());
        let (mut from, mut next) = (0, 0);
        while from < fates.rows.len() {
            let to = fates.rows.len().min(from + AT_ONCE);
            rows.clear();
            kinds.clear();
            fates.rows.range(&self.body, from..to, &mut rows)?;
            fates.kind.range(&self.body, from..to, &mut kinds)?;
            for (row, kind) in rows.iter().zip(&kinds) {
                if *row < next || *row >= u64::from(self.rows()) {
                    return Err(self.malformed("rows with a fate that do not rise"));
                }
                next = row + 1;
                if self.fate_kind(*kind)? == FateKind::Expired {
                    see(self.small(*row)?);
                }
            }
            from = to;
        }
        Ok(())
    }

    fn fate_kind(&self, number: u64) -> Result<FateKind, Damaged> {
        FateKind::of(number).ok_or_else(|| self.malformed("a fate of a kind that there is not"))
    }

    /// What the file says became of a row's event.
    pub(super) fn stored_fate(&self, row: u32) -> Result<Option<Fate>, Damaged> {
        let Some(fates) = &self.footer.fates else { return Ok(None) };
        let row = u64::from(row);
        let nth = fates.rows.partition_point(&self.body, 0..fates.rows.len(), |other| other < row)?;
        if nth == fates.rows.len() || fates.rows.get(&self.body, nth)? != row {
            return Ok(None);
        }
        let kind = self.fate_kind(fates.kind.get(&self.body, nth)?)?;
        let payload = self.payload_span(fates, nth)?;
        let payload = fates.payloads.slice(&self.body, payload)?;
        let fate = Fate::decode(kind, payload);
        fate.map(Some).ok_or_else(|| self.malformed("what is said of a fate"))
    }

    /// Where the payload of the `nth` fate stands; never longer than a payload is.
    fn payload_span(&self, fates: &Fates, nth: u64) -> Result<Range<u64>, Damaged> {
        let span = fates.starts.span(&self.body, nth)?;
        let is_short = span.end - span.start <= ERASED_BYTES_MAX as u64;
        if is_short { Ok(span) } else { Err(self.malformed("much is said of a fate")) }
    }

    /// The indexes of the fates of rows.
    pub(crate) fn fates_of(&self, rows: Range<u32>) -> Result<Range<u64>, Damaged> {
        let Some(fates) = &self.footer.fates else { return Ok(0..0) };
        let before = |row: u32| {
            let row = u64::from(row);
            fates.rows.partition_point(&self.body, 0..fates.rows.len(), |other| other < row)
        };
        let (start, end) = (before(rows.start)?, before(rows.end)?);
        Ok(start..end.max(start))
    }

    /// The row of the `nth` fate, the bytes of its payload, and the hash of its id if it expired.
    pub(crate) fn fate_fact(&self, nth: u64) -> Result<(u32, u64, Option<u64>), Damaged> {
        let fates = self.some_fates()?;
        let row = self.row_there(fates.rows.get(&self.body, nth)?)?;
        let id_hash = match self.fate_kind(fates.kind.get(&self.body, nth)?)? {
            FateKind::Erased => None,
            FateKind::Expired => Some(self.id_hash_of(fates, nth)?),
        };
        let payload = self.payload_span(fates, nth)?;
        Ok((row, payload.end - payload.start, id_hash))
    }

    /// The secret roots under which rows of the file stand, what is left of each.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when they are not what was written.
    pub fn roots(&self) -> Result<Vec<Root>, Damaged> {
        let count = self.footer.known.roots.len / 32;
        (0..count).map(|index| self.stored_root(index)).collect()
    }

    /// Appends the payload of the `nth` fate.
    pub(crate) fn fate_payload(&self, nth: u64, into: &mut Vec<u8>) -> Result<(), Damaged> {
        let fates = self.some_fates()?;
        let payload = self.payload_span(fates, nth)?;
        into.extend_from_slice(&fates.payloads.slice(&self.body, payload)?);
        Ok(())
    }

    fn some_fates(&self) -> Result<&Fates, Damaged> {
        self.footer.fates.as_ref().ok_or_else(|| self.malformed("a fate of which there are none"))
    }

    /// The hash of the id of the `nth` fate, which must have expired.
    fn id_hash_of(&self, fates: &Fates, nth: u64) -> Result<u64, Damaged> {
        let payload = self.payload_span(fates, nth)?;
        if payload.end - payload.start != EXPIRED_BYTES as u64 {
            return Err(self.malformed("what is said of a fate"));
        }
        let hash = fates.payloads.slice(&self.body, payload.end - 8..payload.end)?;
        let hash = hash.as_ref().try_into().map_err(|_| self.malformed("the hash of an id"))?;
        Ok(u64::from_le_bytes(hash))
    }

    /// Appends the rows of a log that the file says expired and whose event's id had this hash. Rising.
    pub(super) fn expired_with_id(
        &self,
        log: &LogRows,
        id_hash: u64,
        found: &mut Vec<u32>,
    ) -> Result<(), Damaged> {
        let Some(fates) = &self.footer.fates else { return Ok(()) };
        let nth_by_id = |at| fates.by_id.get(&self.body, at);
        let (mut low, mut high) = (0, fates.by_id.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.id_hash_of(fates, nth_by_id(middle)?)? < id_hash {
                low = middle + 1
            } else {
                high = middle
            }
        }
        while low < fates.by_id.len() {
            let nth = nth_by_id(low)?;
            if self.id_hash_of(fates, nth)? != id_hash {
                break;
            }
            let row = self.row_there(fates.rows.get(&self.body, nth)?)?;
            found.extend(log.rows.contains(&row).then_some(row));
            low += 1;
        }
        Ok(())
    }

    /// The first row that expired and is not found by the hash of its id; `None` if all are.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub(crate) fn fates_out_of_order(&self) -> Result<Option<u32>, Damaged> {
        let Some(fates) = &self.footer.fates else { return Ok(None) };
        let mut expired = Vec::new();
        for nth in 0..fates.rows.len() {
            let (row, _, id_hash) = self.fate_fact(nth)?;
            expired.extend(id_hash.map(|id_hash| (id_hash, nth, row)));
        }
        expired.sort_unstable();
        let mut by_id = Vec::new();
        fates.by_id.range(&self.body, 0..fates.by_id.len(), &mut by_id)?;
        let first_wrong = expired.iter().zip(&by_id).find(|((_, nth, _), other)| nth != *other);
        Ok(match (first_wrong, expired.len() == by_id.len()) {
            (Some(((_, _, row), _)), _) => Some(*row),
            (None, true) => None,
            (None, false) => Some(expired.get(by_id.len()).map_or(0, |(_, _, row)| *row)),
        })
    }

    /// The root with this index, as the file has it.
    pub(super) fn stored_root(&self, index: u64) -> Result<Root, Damaged> {
        let known = &self.footer.known;
        let at = 32 * index;
        let root = known.roots.slice(&self.body, at..at + 32)?;
        let root = root.as_ref().try_into().map_err(|_| self.malformed("a secret root"))?;
        let Some(punctured) = &known.punctured else { return Ok(Root::Whole(root)) };
        let all = 0..punctured.roots.len();
        let nth = punctured.roots.partition_point(&self.body, all.clone(), |other| other < index)?;
        if nth == all.end || punctured.roots.get(&self.body, nth)? != index {
            return Ok(Root::Whole(root));
        }
        let span = punctured.starts.span(&self.body, nth)?;
        if span.end - span.start > PUNCTURED_BYTES_MAX {
            return Err(self.malformed("much is left of a root"));
        }
        let left = PuncturedRoot::decode(&punctured.encoded.slice(&self.body, span)?);
        let left = left.map_err(|error| self.malformed(error))?;
        Ok(Root::Punctured(Arc::new(Punctured { name: root, left })))
    }
}
