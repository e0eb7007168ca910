//! Records, put together from columns.

use std::ops::Range;
use std::sync::Arc;

use annals_event::{Position, TenantId, Timestamp};
use annals_tree::Secret;
use bytes::Bytes;

use super::columns::UNIT;
use super::known::time;
use super::shapes::Slot;
use super::window::Window;
use super::{LogRows, Part, Reader, Segment};
use crate::Damaged;
use crate::build::LogName;
use crate::fate::{Fate, GONE};
use crate::meta::Kind;
use crate::root::Root;
use crate::values::Values;

/// A record as it is read from a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Whose it is.
    pub tenant: TenantId,
    /// It stands in the tenant's access log.
    pub access: bool,
    /// Its place in the log.
    pub position: Position,
    /// Its ledger number; none in an access log.
    pub seq: Option<u64>,
    /// When it was received: µs since 1970.
    pub received_at: i64,
    /// When the client says it happened.
    pub occurred_at: Option<i64>,
    /// Code of the operation.
    pub operation: u8,
    /// The client sent no operation.
    pub derived: bool,
    /// annals itself wrote it.
    pub system: bool,
    /// 0 for an event; for a statement of the log's own, the kind of its entry.
    pub stated: u8,
    /// Retention class.
    pub class: u16,
    /// The secret root its secret comes from.
    pub root: Root,
    /// Which of the root's secrets it is.
    pub counter: u16,
    /// The event's canonical bytes; of one that was erased in part what is left, of one that expired [`GONE`].
    pub event: Bytes,
    /// What became of the event, if it is not as it was sent.
    pub fate: Option<Fate>,
}

impl Sealed {
    /// What the salts of its units follow from; `None` when it was forgotten.
    #[must_use]
    pub fn secret(&self) -> Option<Secret> {
        self.root.secret(self.counter)
    }
}

/// What a reader remembers of rows beside their events.
pub(super) struct KnownState {
    happened: Window<u64>,
    received: Window<u32>,
    kind: Window<u32>,
    secrets: Window<u64>,
    ranks: Window<u64>,
    rank_rows: Window<u64>,
    seqs: Window<u64>,
    log_times: Window<u64>,
    all_times: Window<u64>,
    log: Option<(LogRows, LogName)>,
    /// A run's rows and the position of its first.
    run: Option<(Range<u32>, u64)>,
    received_at: Option<(u32, i64)>,
    root: Option<(u64, Root)>,
}

impl KnownState {
    pub(super) fn new() -> KnownState {
        KnownState {
            happened: Window::new(),
            received: Window::new(),
            kind: Window::new(),
            secrets: Window::new(),
            ranks: Window::new(),
            rank_rows: Window::new(),
            seqs: Window::new(),
            log_times: Window::new(),
            all_times: Window::new(),
            log: None,
            run: None,
            received_at: None,
            root: None,
        }
    }
}

impl Reader {
    /// One record.
    ///
    /// # Errors
    ///
    /// [`Damaged`], which names the record, when what must be read for it is not what was written, or when there is no such
    /// row.
    pub fn record(&mut self, row: u32) -> Result<Sealed, Damaged> {
        self.try_record(row).map_err(|damaged| self.segment.of_row(row, damaged))
    }

    /// Appends the canonical bytes of a row's event.
    ///
    /// # Errors
    ///
    /// As [`Reader::record`]. What was appended until then stays.
    pub fn event(&mut self, row: u32, into: &mut Vec<u8>) -> Result<(), Damaged> {
        match self.segment.veil() {
            Some(veil) if veil.hides(row) => into.extend_from_slice(GONE),
            Some(veil) if veil.covers(row) => into.extend_from_slice(&self.record(row)?.event),
            _ => {
                self.instance(0, u64::from(row), into)
                    .map_err(|damaged| self.segment.of_row(row, damaged))?;
            }
        }
        Ok(())
    }

    fn try_record(&mut self, row: u32) -> Result<Sealed, Damaged> {
        let stored = self.stored_record(row)?;
        match self.segment.veil() {
            Some(veil) => veil.read(row, stored, &self.segment),
            None => Ok(stored),
        }
    }

    /// A record as the file has it.
    fn stored_record(&mut self, row: u32) -> Result<Sealed, Damaged> {
        let mut event = Vec::with_capacity(EVENT_BYTES_EXPECTED);
        self.instance(0, u64::from(row), &mut event)?;
        let position = self.position(row)?;
        let kind = self.stored_kind(row)?;
        let (root, counter) = self.stored_root(row)?;
        let (_, name) = self.log(row)?;
        let (tenant, access) = (name.tenant.clone(), name.access);
        Ok(Sealed {
            tenant,
            access,
            position,
            seq: self.seq(row)?,
            received_at: self.received_at(row)?,
            occurred_at: if kind.timed { Some(self.happened(row)?) } else { None },
            operation: kind.operation,
            derived: kind.derived,
            system: kind.system,
            stated: kind.stated,
            class: kind.class,
            root,
            counter,
            event: event.into(),
            fate: self.segment.stored_fate(row)?,
        })
    }

    /// What became of a row's event, if it is not as it was sent.
    ///
    /// # Errors
    ///
    /// As [`Reader::record`].
    pub fn fate(&mut self, row: u32) -> Result<Option<Fate>, Damaged> {
        match self.segment.veil() {
            Some(veil) if veil.covers(row) => Ok(self.record(row)?.fate),
            _ => self.segment.stored_fate(row).map_err(|damaged| self.segment.of_row(row, damaged)),
        }
    }

    /// As [`Segment::is_gone`].
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn is_gone(&self, row: u32) -> Result<bool, Damaged> {
        self.segment.is_gone(row)
    }

    /// When a row happened, in µs since 1970.
    ///
    /// # Errors
    ///
    /// [`Damaged`], as all that follow.
    pub fn happened(&mut self, row: u32) -> Result<i64, Damaged> {
        let happened = &self.segment.footer.known.happened;
        self.known.happened.get(happened, self.segment.body(), u64::from(row)).map(time)
    }

    /// When a row was received, in µs since 1970.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn received_at(&mut self, row: u32) -> Result<i64, Damaged> {
        let known = &self.segment.footer.known;
        let index = self.known.received.get(&known.received, self.segment.body(), u64::from(row))?;
        match self.known.received_at {
            Some((same, at)) if same == index => Ok(at),
            _ => {
                let at = time(known.received_values.get(self.segment.body(), u64::from(index))?);
                self.known.received_at = Some((index, at));
                Ok(at)
            }
        }
    }

    /// What is small of a row.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn kind(&mut self, row: u32) -> Result<Kind, Damaged> {
        let kind = self.stored_kind(row)?;
        Ok(self.segment.veil().map_or(kind, |veil| veil.kind(row, kind)))
    }

    fn stored_kind(&mut self, row: u32) -> Result<Kind, Damaged> {
        let kind = &self.segment.footer.known.kind;
        let index = self.known.kind.get(kind, self.segment.body(), u64::from(row))?;
        self.segment.kind_at(u64::from(index))
    }

    /// The ledger number of a row, if it has one.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn seq(&mut self, row: u32) -> Result<Option<u64>, Damaged> {
        let (order, body) = (&self.segment.footer.order, self.segment.body());
        let rank = self.known.ranks.get(&order.ranks, body, u64::from(row))?;
        if rank >= order.seqs.len() || self.known.rank_rows.get(&order.rows, body, rank)? != u64::from(row) {
            return Ok(None);
        }
        self.known.seqs.get(&order.seqs, body, rank).map(Some)
    }

    /// As [`Segment::seq_of_rank`], for ranks near each other.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn seq_of_rank(&mut self, rank: u64) -> Result<u64, Damaged> {
        self.known.seqs.get(&self.segment.footer.order.seqs, self.segment.body(), rank)
    }

    /// As [`Segment::row_of_rank`], for ranks near each other.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn row_of_rank(&mut self, rank: u64) -> Result<u32, Damaged> {
        let rows = &self.segment.footer.order.rows;
        let row = self.known.rank_rows.get(rows, self.segment.body(), rank)?;
        self.segment.row_there(row)
    }

    /// As [`Segment::all_time_rank`], for places near each other.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn all_time_rank(&mut self, i: u64) -> Result<u64, Damaged> {
        let times = &self.segment.footer.order.all_times;
        let difference = self.known.all_times.get(times, self.segment.body(), i)?;
        self.segment.all_time_moved(i, difference)
    }

    /// As [`Segment::log_time_row`], for places near each other.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn log_time_row(&mut self, log: &LogRows, i: u32) -> Result<u32, Damaged> {
        let times = &self.segment.footer.order.log_times;
        let at = u64::from(log.rows.start) + u64::from(i);
        let difference = self.known.log_times.get(times, self.segment.body(), at)?;
        self.segment.log_time_moved(log, i, difference)
    }

    /// The secret root of a row's event, and the counter in it.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn root(&mut self, row: u32) -> Result<(Root, u16), Damaged> {
        match self.segment.veil() {
            Some(veil) if veil.covers(row) => {
                let sealed = self.record(row)?;
                Ok((sealed.root, sealed.counter))
            }
            _ => self.stored_root(row),
        }
    }

    /// What the salts of a row's units follow from; `None` when it was forgotten. For neighbours it is quicker to ask their
    /// [root](Reader::root) for one after the other.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn secret(&mut self, row: u32) -> Result<Option<Secret>, Damaged> {
        let (root, counter) = self.root(row)?;
        Ok(root.secret(counter))
    }

    fn stored_root(&mut self, row: u32) -> Result<(Root, u16), Damaged> {
        let secrets = &self.segment.footer.known.secrets;
        let coded = self.known.secrets.get(secrets, self.segment.body(), u64::from(row))?;
        let index = coded / crate::build::COUNTERS;
        let counter = u16::try_from(coded % crate::build::COUNTERS).expect("less than 4,096");
        if let Some((known, root)) = &self.known.root
            && *known == index
        {
            return Ok((root.clone(), counter));
        }
        let root = self.segment.stored_root(index)?;
        self.known.root = Some((index, root.clone()));
        Ok((root, counter))
    }

    /// The log a row stands in, and whose it is.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn log(&mut self, row: u32) -> Result<&(LogRows, LogName), Damaged> {
        let known = self.known.log.as_ref().is_some_and(|(log, _)| log.rows.contains(&row));
        if !known {
            let log = self.segment.log_of_row(row)?;
            let name = self.segment.log_name(log.index)?;
            self.known.log = Some((log, name));
        }
        Ok(self.known.log.as_ref().expect("set above"))
    }

    /// The position of a row in its log.
    ///
    /// # Errors
    ///
    /// [`Damaged`].
    pub fn position(&mut self, row: u32) -> Result<Position, Damaged> {
        if let Some((rows, position)) = &self.known.run
            && rows.contains(&row)
        {
            return Ok(Position(position + u64::from(row - rows.start)));
        }
        let log = self.log(row)?.0.clone();
        let (_, rows, position) = self.segment.run_of(&log, row)?;
        self.known.run = Some((rows.clone(), position));
        Ok(Position(position + u64::from(row - rows.start)))
    }

    /// Appends the JSON of an instance. The tables of its parts stand behind its own, so this ends.
    pub(crate) fn instance(
        &mut self,
        table: usize,
        instance: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let shape = self.shape(table, instance)?;
        self.shapes(table)?;
        // Taken out while its slots are filled, which needs the reader; no deeper table is this one.
        let shapes = self.tables[table].shapes.take().expect("read above");
        let done = self.fill(&shapes, shape, table, instance, into);
        self.tables[table].shapes = Some(shapes);
        done
    }

    fn fill(
        &mut self,
        shapes: &super::TableShapes,
        shape: u32,
        table: usize,
        instance: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let Some((pieces, last)) = shapes.pieces(shape) else {
            // Checked when the unit was read: the one number behind the last shape.
            let nth = self.present(table, Part::Raw, instance / UNIT)?.place(instance);
            let nth = nth.ok_or_else(|| self.segment.malformed("an instance without its text"))?;
            return self.raw(table, nth, into);
        };
        for (literal, slot) in pieces {
            into.extend_from_slice(literal);
            match slot {
                Slot::Leaf(column) => self.leaf(table, usize::from(column), instance, into)?,
                Slot::Object(child) => {
                    let child = usize::from(child);
                    let place = self.held(table, Part::Table(child), instance)?;
                    self.instance(child, place, into)?;
                }
                Slot::Elements(child) => {
                    let child = usize::from(child);
                    let place = self.held(table, Part::Table(child), instance)?;
                    into.push(b'[');
                    let elements = self.children_of_nth(child, place)?;
                    for element in elements.clone() {
                        if element > elements.start {
                            into.push(b',');
                        }
                        self.instance(child, element, into)?;
                    }
                    into.push(b']');
                }
            }
        }
        into.extend_from_slice(last);
        Ok(())
    }

    /// Appends the leaf that an instance has in a column, which it must have.
    #[inline]
    pub(crate) fn leaf(
        &mut self,
        table: usize,
        column: usize,
        instance: u64,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        let data = &self.segment.footer.tables[table].columns[column];
        let has_refs = !data.refs.is_empty();
        if let Values::Happened { .. } = data.values {
            let time = self.happened(self.segment.small(instance)?)?;
            let time = Timestamp::from_micros(time);
            let time = time.ok_or_else(|| self.segment.malformed("a time beyond the calendar"))?;
            into.extend_from_slice(&time.to_bytes());
            return Ok(());
        }
        let leaf = self.held(table, Part::Column(column), instance)?;
        let ordinal = self.ordinal(table, column, leaf)?;
        let mark = into.len();
        self.value(table, column, ordinal, into)?;
        if has_refs {
            self.put_in((table, column), instance, mark, into)?;
        }
        Ok(())
    }

    /// The place of a part that the instance's shape says it has.
    #[inline]
    fn held(&mut self, table: usize, part: Part, instance: u64) -> Result<u64, Damaged> {
        self.place(table, part, instance)?
            .ok_or_else(|| self.segment.malformed("a part that its shape has, but no list"))
    }
}

/// What an event takes at first; most are smaller.
const EVENT_BYTES_EXPECTED: usize = 1_024;

/// Records of rows that follow each other.
pub struct Records {
    reader: Reader,
    rows: Range<u32>,
}

impl Iterator for Records {
    type Item = Result<(u32, Sealed), Damaged>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next()?;
        Some(self.reader.record(row).map(|record| (row, record)))
    }
}

impl Segment {
    /// A reader of rows. Keep it for rows near each other, or for all rows of a page.
    #[must_use]
    pub fn reader(self: &Arc<Self>) -> Reader {
        Reader::new(self)
    }

    /// One record; for several use a [`Reader`].
    ///
    /// # Errors
    ///
    /// As [`Reader::record`].
    pub fn record(self: &Arc<Self>, row: u32) -> Result<Sealed, Damaged> {
        self.reader().record(row)
    }

    /// The records of `rows`, in order.
    #[must_use]
    pub fn records(self: &Arc<Self>, rows: Range<u32>) -> Records {
        Records { reader: self.reader(), rows }
    }

    /// Checks every byte of the file past the cache, and that every record can be put together; `see` gets each record and
    /// may compare its leaf with [`Segment::tag`] and [`Segment::block_parts`].
    ///
    /// # Errors
    ///
    /// [`Damaged`] for the first thing that is wrong, or what `see` says.
    pub fn check(
        self: &Arc<Self>,
        see: &mut dyn FnMut(u32, &Sealed) -> Result<(), Damaged>,
    ) -> Result<(), Damaged> {
        self.body.check()?;
        for record in self.records(0..self.rows()) {
            let (row, record) = record?;
            see(row, &record)?;
        }
        Ok(())
    }
}
