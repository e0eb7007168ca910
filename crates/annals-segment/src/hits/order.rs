//! The orders in which rows are asked for.

use std::ops::{Bound, Range};
use std::sync::Arc;

use annals_event::Position;

use super::{Lane, Moment};
use crate::Damaged;
use crate::numbers::{UNIT, UNIT_LEN};
use crate::segment::{Reader, Segment};

/// A lane's rows, numbered by their place in its order, which rises.
pub(crate) struct Order {
    segment: Arc<Segment>,
    pub(crate) lane: Lane,
    numbers: Box<[u64; UNIT_LEN]>,
}

impl Order {
    pub(crate) fn new(segment: &Arc<Segment>, lane: Lane) -> Self {
        Self { segment: Arc::clone(segment), lane, numbers: Box::new([0; UNIT_LEN]) }
    }

    /// What is ordered.
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// How many rows.
    pub(crate) fn len(&self) -> u64 {
        match &self.lane {
            Lane::LogTime(log) | Lane::LogNumber(log) => u64::from(log.rows.end - log.rows.start),
            Lane::AllTime | Lane::AllNumber => self.segment.ranks(),
        }
    }

    /// Whether the places are the rows from the log's first on: their order is the order of the file.
    pub(crate) fn is_straight(&self) -> Result<bool, Damaged> {
        /// More units than this are not looked at beforehand.
        const UNITS_MAX: u64 = 16;
        match &self.lane {
            Lane::LogNumber(_) => Ok(true),
            Lane::AllTime | Lane::AllNumber => Ok(false),
            Lane::LogTime(log) => {
                let times = &self.segment.footer().order.log_times;
                if let Some(constant) = times.as_constant() {
                    return Ok(constant == 0);
                }
                let units = u64::from(log.rows.start) / UNIT..u64::from(log.rows.end).div_ceil(UNIT);
                if units.end - units.start > UNITS_MAX {
                    return Ok(false);
                }
                for unit in units {
                    if times.unit_bounds(self.segment.body(), unit)?.1 > 0 {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
        }
    }

    /// The row at a place.
    pub(crate) fn row(&self, place: u64) -> Result<u32, Damaged> {
        let small = |place| self.segment.small(place);
        match &self.lane {
            Lane::LogTime(log) => self.segment.log_time_row(log, small(place)?),
            Lane::LogNumber(log) => Ok(log.rows.start + small(place)?),
            Lane::AllTime => self.segment.all_time_row(place),
            Lane::AllNumber => self.segment.row_of_rank(place),
        }
    }

    /// The moment of a row of this lane; none for a row without a number in it.
    pub(crate) fn moment(&self, row: u32, reader: &mut Reader) -> Result<Option<Moment>, Damaged> {
        let number = match &self.lane {
            Lane::LogTime(_) | Lane::LogNumber(_) => Some(reader.position(row)?.0),
            Lane::AllTime | Lane::AllNumber => reader.seq(row)?,
        };
        let time = match &self.lane {
            Lane::LogTime(_) | Lane::AllTime => reader.happened(row)?,
            Lane::LogNumber(_) | Lane::AllNumber => 0,
        };
        Ok(number.map(|number| (time, number)))
    }

    fn moment_at(&self, place: u64, reader: &mut Reader) -> Result<Moment, Damaged> {
        let moment = self.moment(self.row(place)?, reader)?;
        moment.ok_or_else(|| self.segment.malformed("a ranked row without a ledger number"))
    }

    /// The places of rows within the bounds, and below `size` where the order is one of numbers.
    pub(crate) fn places(
        &self,
        low: Bound<Moment>,
        high: Bound<Moment>,
        size: u64,
        reader: &mut Reader,
    ) -> Result<Range<u64>, Damaged> {
        let len = self.len();
        let start = match low {
            Bound::Unbounded => 0,
            Bound::Included(low) => self.before(reader, len, |moment| moment < low)?,
            Bound::Excluded(low) => self.before(reader, len, |moment| moment <= low)?,
        };
        let mut end = match high {
            Bound::Unbounded => len,
            Bound::Included(high) => self.before(reader, len, |moment| moment <= high)?,
            Bound::Excluded(high) => self.before(reader, len, |moment| moment < high)?,
        };
        end = match &self.lane {
            Lane::LogNumber(log) => {
                end.min(u64::from(self.segment.row_from(log, Position(size))? - log.rows.start))
            }
            Lane::AllNumber => end.min(self.segment.rank_from(size)?),
            Lane::LogTime(_) | Lane::AllTime => end,
        };
        Ok(start.min(end)..end)
    }

    /// Whether rows of a time order have numbers from `size` on.
    pub(crate) fn exceeds(&self, size: u64) -> Result<bool, Damaged> {
        match &self.lane {
            Lane::LogNumber(_) | Lane::AllNumber => Ok(false),
            Lane::LogTime(log) => Ok(self.segment.row_from(log, Position(size))? < log.rows.end),
            Lane::AllTime => Ok(self.segment.rank_from(size)? < self.segment.ranks()),
        }
    }

    /// How many places have moments for which `before` says yes; these stand first.
    fn before(&self, reader: &mut Reader, len: u64, before: impl Fn(Moment) -> bool) -> Result<u64, Damaged> {
        if len == 0 || !before(self.moment_at(0, reader)?) {
            return Ok(0);
        }
        if before(self.moment_at(len - 1, reader)?) {
            return Ok(len);
        }
        let (mut low, mut high) = (0, len - 1);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if before(self.moment_at(middle, reader)?) { low = middle } else { high = middle }
        }
        Ok(high)
    }

    /// A number that places are grouped by: places of the same group are read together.
    pub(crate) fn group(&self, place: u64) -> u64 {
        (place + self.offset()) / UNIT
    }

    /// The places of a group.
    pub(crate) fn places_of(&self, group: u64) -> Range<u64> {
        let offset = self.offset();
        (group * UNIT).saturating_sub(offset)..((group + 1) * UNIT - offset).min(self.len())
    }

    fn offset(&self) -> u64 {
        match &self.lane {
            Lane::LogTime(log) | Lane::LogNumber(log) => u64::from(log.rows.start),
            Lane::AllTime | Lane::AllNumber => 0,
        }
    }

    /// The rows of a group's places when they follow each other and that is cheap to see.
    pub(crate) fn rows_in_line(&self, group: u64) -> Result<Option<Range<u32>>, Damaged> {
        let places = self.places_of(group);
        match &self.lane {
            Lane::LogNumber(log) | Lane::LogTime(log) => {
                if matches!(self.lane, Lane::LogTime(_)) {
                    let times = &self.segment.footer().order.log_times;
                    if times.unit_bounds(self.segment.body(), group)?.1 > 0 {
                        return Ok(None);
                    }
                }
                let (first, end) = (self.segment.small(places.start)?, self.segment.small(places.end)?);
                Ok(Some(log.rows.start + first..log.rows.start + end))
            }
            Lane::AllTime | Lane::AllNumber => Ok(None),
        }
    }

    /// The rows of a group's places, in their order.
    pub(crate) fn rows(&mut self, group: u64, rows: &mut Vec<u32>) -> Result<(), Damaged> {
        rows.clear();
        let places = self.places_of(group);
        let Self { segment, lane, numbers } = self;
        let (body, order) = (segment.body(), &segment.footer().order);
        let malformed = || segment.malformed("an order of rows");
        let moved = |place: u64, difference: u64| {
            let half = difference >> 1;
            let place =
                if difference & 1 == 0 { place.checked_add(half) } else { place.checked_sub(half + 1) };
            place.ok_or_else(malformed)
        };
        match lane {
            Lane::LogNumber(log) => {
                rows.extend(
                    (places.start..places.end)
                        .filter_map(|place| u32::try_from(place).ok())
                        .map(|place| log.rows.start + place),
                );
            }
            Lane::LogTime(log) => {
                order.log_times.unit(body, group, numbers)?;
                let start = u64::from(log.rows.start);
                for place in places {
                    let difference = numbers[usize::try_from((place + start) % UNIT).expect("below 128")];
                    let row = segment.small(moved(place, difference)?.saturating_add(start))?;
                    rows.push(Some(row).filter(|row| log.rows.contains(row)).ok_or_else(malformed)?);
                }
            }
            Lane::AllNumber => {
                let len = order.rows.unit(body, group, numbers)?;
                for row in &numbers[..len] {
                    rows.push(
                        Some(segment.small(*row)?)
                            .filter(|row| *row < segment.rows())
                            .ok_or_else(malformed)?,
                    );
                }
            }
            Lane::AllTime => {
                /// Ranks that lie further apart are read one by one.
                const FAR: u64 = 8 * UNIT;
                let len = order.all_times.unit(body, group, numbers)?;
                let ranks = places.zip(&numbers[..len]).map(|(place, difference)| moved(place, *difference));
                let ranks = ranks.collect::<Result<Vec<u64>, Damaged>>()?;
                let (Some(least), Some(most)) = (ranks.iter().min(), ranks.iter().max()) else {
                    return Ok(());
                };
                let mut near = Vec::new();
                if most - least <= FAR {
                    order.rows.range(body, *least..most.saturating_add(1), &mut near)?;
                }
                for rank in &ranks {
                    let row = match near.get(usize::try_from(rank - least).unwrap_or(usize::MAX)) {
                        Some(row) => *row,
                        None => order.rows.get(body, *rank)?,
                    };
                    rows.push(
                        Some(segment.small(row)?)
                            .filter(|row| *row < segment.rows())
                            .ok_or_else(malformed)?,
                    );
                }
            }
        }
        Ok(())
    }
}
