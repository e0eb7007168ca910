//! The records of the tails that a walk has to look at, in its order.
//!
//! Where a condition demands marks, those of the records tell which of them may satisfy it. If they are few they are listed, and the
//! others cost nothing; else the walk goes over all moments in its order and passes over those without the marks.

use std::ops::{Bound, Range};

use annals_event::filter::{Demand, Field, Known};
use annals_event::{Operation, Position, Timestamp};

use super::{Fetched, Lane, Scan, times_of};
use crate::batch::LogKind;
use crate::log::Row;
use crate::read::FeedScope;
use crate::state::State;
use crate::tail::{Stretch, Tail};
use crate::times::{Moment, Times};

/// Records of the tail fetched at first, which is more than most pages take.
pub(super) const FETCHED_AT_FIRST: usize = 128;

/// Records of the tail fetched or glanced at at once, while the state is held: what a writer may have to wait for. They are looked
/// at closely afterwards.
const FETCHED_RECORDS: usize = 512;

/// Moments passed over at once, by the marks of their records.
const PASSED_MOMENTS: usize = 1 << 14;

/// Moments of which is told at once whether their records are counted.
const COUNTED_MOMENTS: usize = 1 << 11;

/// Records that are listed, for which a moment each is sorted while the state is held, and records among which they are found.
const LISTED_RECORDS: usize = 1 << 12;
const SIFTED_RECORDS: usize = 1 << 14;

/// What passing over a moment costs, as if it were so many bytes to look at.
const BYTES_OF_A_MOMENT: usize = 8;

/// What marks tell of the tails.
pub(super) enum Sifted {
    /// Nothing: no mark is demanded.
    Not,
    /// In which records of each tail the marks are, a bit for each ledger number from a first on. Later ones may have them too.
    Bits(Vec<(u64, Vec<u64>)>),
    /// The moments of all records that have the marks and are still to be fetched, those that are last in front.
    Listed(Vec<Moment>),
}

/// A row and where it is.
struct At<'a> {
    tail: &'a Tail,
    log: u32,
    stretch: &'a Stretch,
    position: Position,
}

impl Scan {
    /// Fetches the next records of the tails.
    pub(super) fn fetch_of_tails(&mut self, state: &State) {
        let Some(log) = self.log(state) else {
            self.tail_ended = true;
            return;
        };
        self.sift_once(state, log);
        let records = self.fetched_next;
        self.fetched_next = (records * 2).min(FETCHED_RECORDS);
        if let Sifted::Listed(listed) = &mut self.sifted {
            let moments = listed.split_off(listed.len().saturating_sub(records));
            self.tail_ended = listed.is_empty();
            self.tail_fetched = moments.first().copied().or(self.tail_fetched);
            for moment in moments.into_iter().rev() {
                if let Ok(fetched) = self.take(state, log, moment, false) {
                    self.fetched.push_back(fetched);
                }
            }
            return;
        }
        let (mut passed, mut glanced, mut skipped) = (0, 0, 0);
        let mut last = None;
        let mut moments = self.moments(state, log);
        self.tail_ended = loop {
            if passed == PASSED_MOMENTS || glanced == records {
                break false;
            }
            let Some(moment) = moments.next() else { break true };
            last = Some(moment);
            passed += 1;
            if moment.1 >= self.size || !self.may_have_marks(state, log, moment) {
                skipped += BYTES_OF_A_MOMENT;
                continue;
            }
            glanced += 1;
            match self.take(state, log, moment, true) {
                Ok(fetched) => self.fetched.push_back(fetched),
                Err(bytes) => skipped += bytes,
            }
        };
        self.tail_fetched = last.or(self.tail_fetched);
        // The walk gets ahead where there is nothing to show, too.
        if let Some(moment) = last.filter(|_| skipped > 0) {
            let is_last = self.fetched.back().is_none_or(|passed| passed.moment != moment);
            if is_last {
                self.fetched.push_back(Fetched { moment, record: None, bytes: skipped });
            }
        }
    }

    /// The log that is walked over, by its index; none inside for all of them, none at all for one that is not there.
    #[expect(clippy::option_option, reason = "the two are not the same")]
    fn log(&self, state: &State) -> Option<Option<u32>> {
        match &self.scope {
            FeedScope::All => Some(None),
            FeedScope::Log(name) => state.log_index(name).map(Some),
        }
    }

    fn sift_once(&mut self, state: &State, log: Option<u32>) {
        if self.tail_fetched.is_none() && matches!(self.sifted, Sifted::Not) {
            self.sifted = self.sift(state, log);
        }
    }

    /// Passes over the next records of the tails that satisfy a condition which looks at nothing of events, at most `max`, and only those
    /// that surely come before what the segments have next. Says how many they are; none where the next must be fetched.
    pub(super) fn pass_over_tails(&mut self, state: &State, max: u64) -> Option<u64> {
        let log = self.log(state)?;
        self.sift_once(state, log);
        if matches!(self.sifted, Sifted::Listed(_)) {
            // They are few, and the next of them are those of the list.
            return None;
        }
        let until = match (self.lane, self.first_walk()) {
            (_, None) => None,
            (Lane::Number, Some(_)) if self.falling => None,
            (Lane::Number, Some(_)) | (Lane::Time, Some((_, None))) => return None,
            (Lane::Time, Some((_, until))) => until,
        };
        let comes_first =
            |moment: Moment| until.is_none_or(|until| moment == until || self.comes_before(moment, until));
        let (mut passed, mut looked_at) = (0, 0);
        let mut last = None;
        let mut moments = self.moments(state, log);
        let has_ended = loop {
            if passed == max || looked_at == COUNTED_MOMENTS {
                break false;
            }
            let Some(moment) = moments.next() else { break true };
            if !comes_first(moment) {
                break false;
            }
            looked_at += 1;
            last = Some(moment);
            passed += u64::from(moment.1 < self.size && self.is_counted(state, log, moment));
        };
        drop(moments);
        self.tail_ended = has_ended;
        self.tail_fetched = last.or(self.tail_fetched);
        self.reached = last.or(self.reached);
        (looked_at > 0 || has_ended).then_some(passed)
    }

    fn is_counted(&self, state: &State, log: Option<u32>, moment: Moment) -> bool {
        let Some(At { stretch, position, .. }) = at(state, log, moment.1) else { return false };
        let Some(row) = stretch.row(position) else { return false };
        let is_shown = !(self.sent_only && row.system);
        is_shown && self.matcher.condition().decide(&known(stretch, row, position)) == Some(true)
    }

    /// The record of a moment; how many bytes it has where it can be told at a glance that it is not for this walk.
    fn take(
        &self,
        state: &State,
        log: Option<u32>,
        moment: Moment,
        glances_at_bytes: bool,
    ) -> Result<Fetched, usize> {
        let At { tail, log, stretch, position } = at(state, log, moment.1).ok_or(0_usize)?;
        let row = stretch.row(position).ok_or(0_usize)?;
        let bytes = (row.bytes.1 - row.bytes.0) as usize;
        let known = known(stretch, row, position);
        let may_match = || match self.matcher.condition().decide(&known) {
            None if glances_at_bytes => self.matcher.may_match(row.event_in(&tail.chunks), &known),
            decided => decided.unwrap_or(true),
        };
        if (self.sent_only && row.system) || !may_match() {
            return Err(bytes);
        }
        let record = state.record_at(tail, log, position, row);
        Ok(Fetched { moment, record: Some(record), bytes })
    }

    /// What marks tell of the records of the tails.
    fn sift(&self, state: &State, log: Option<u32>) -> Sifted {
        let demand = self.matcher.demand();
        // Records of an access log have no ledger number, and no marks.
        let is_access = matches!(&self.scope, FeedScope::Log(name) if name.kind == LogKind::Access);
        if *demand == Demand::Nothing || is_access {
            return Sifted::Not;
        }
        let bits: Vec<(u64, Vec<u64>)> =
            state.tails().map(|tail| (tail.order.first(), tail.marks.among(demand))).collect();
        match self.list(state, log, &bits) {
            Some(listed) => Sifted::Listed(listed),
            None => Sifted::Bits(bits),
        }
    }

    /// The moments of those records of which the bits are set, those that are last in front, if they are few.
    fn list(&self, state: &State, log: Option<u32>, bits: &[(u64, Vec<u64>)]) -> Option<Vec<Moment>> {
        let set: u32 = bits.iter().flat_map(|(_, bits)| bits).map(|word| word.count_ones()).sum();
        if set as usize > SIFTED_RECORDS {
            return None;
        }
        let (low, high) = (self.low, self.high);
        let mut listed = Vec::new();
        for (tail, (first, bits)) in state.tails().zip(bits) {
            let start = log.and_then(|log| tail.stretches.get(&log)).map_or(0, Stretch::first);
            for place in ones(bits) {
                let Some(spot) = tail.order.at(first + place as u64) else { continue };
                if log.is_some_and(|log| log != spot.log) {
                    continue;
                }
                let number = if log.is_some() { start + u64::from(spot.row) } else { first + place as u64 };
                let time = match self.lane {
                    Lane::Time => spot.happened_at.as_micros(),
                    Lane::Number => 0,
                };
                let moment = (time, number);
                if number < self.size && std::ops::RangeBounds::contains(&(low, high), &moment) {
                    if listed.len() == LISTED_RECORDS {
                        return None;
                    }
                    listed.push(moment);
                }
            }
        }
        // Mostly they are in order.
        listed.sort();
        if !self.falling {
            listed.reverse();
        }
        Some(listed)
    }

    fn may_have_marks(&self, state: &State, log: Option<u32>, moment: Moment) -> bool {
        let Sifted::Bits(tails) = &self.sifted else { return true };
        let seq = match log {
            None => Some(moment.1),
            Some(_) => at(state, log, moment.1).and_then(|at| at.stretch.row(at.position)?.seq),
        };
        let Some(seq) = seq else { return true };
        let Some((first, bits)) = tails.iter().find(|(first, _)| *first <= seq) else { return true };
        let place = usize::try_from(seq - first).unwrap_or(usize::MAX);
        bits.get(place / 64).is_none_or(|word| word >> (place % 64) & 1 == 1)
    }

    /// The next moments in the tails, in the walk's order.
    fn moments<'s>(&self, state: &'s State, log: Option<u32>) -> Box<dyn Iterator<Item = Moment> + 's> {
        let (low, high) = self.beyond(self.tail_fetched);
        let stretches = || state.tails().filter_map(move |tail| tail.stretches.get(&log?));
        match (self.lane, log) {
            (Lane::Time, None) => self.merged(state.tails().map(|tail| &tail.times).collect(), low, high),
            (Lane::Time, Some(_)) => {
                self.merged(stretches().map(|stretch| &stretch.times).collect(), low, high)
            }
            (Lane::Number, None) => {
                let ranges = state.tails().map(|tail| tail.order.first()..tail.order.next());
                self.numbers(ranges.collect(), low, high)
            }
            (Lane::Number, Some(_)) => {
                // Times of receipt never fall, so those that the condition bounds bound the positions.
                let (from, to) = times_of(self.matcher.condition(), &Field::ReceivedAt);
                let ranges = stretches().map(|stretch| {
                    let first_after = |us: i64| {
                        stretch.first() + stretch.received_before(|at: Timestamp| at.as_micros() <= us)
                    };
                    from.map_or(stretch.first(), |us| first_after(us.saturating_sub(1)))
                        ..to.map_or(stretch.end(), first_after)
                });
                self.numbers(ranges.collect(), low, high)
            }
        }
    }

    /// The moments of several tails, in one order.
    fn merged<'s>(
        &self,
        tails: Vec<&'s Times>,
        low: Bound<Moment>,
        high: Bound<Moment>,
    ) -> Box<dyn Iterator<Item = Moment> + 's> {
        let falling = self.falling;
        let of = move |times: &'s Times| -> Box<dyn Iterator<Item = Moment> + 's> {
            if falling { Box::new(times.falling(low, high)) } else { Box::new(times.rising(low, high)) }
        };
        if let [times] = tails[..] {
            return of(times);
        }
        let mut tails: Vec<_> = tails.into_iter().map(|times| of(times).peekable()).collect();
        Box::new(std::iter::from_fn(move || {
            let heads = tails.iter_mut().enumerate().filter_map(|(index, tail)| Some((*tail.peek()?, index)));
            let (_, index) = if falling { heads.max() } else { heads.min() }?;
            tails[index].next()
        }))
    }

    /// The numbers of these ranges, which are of one tail each, the newest first.
    fn numbers(
        &self,
        mut ranges: Vec<Range<u64>>,
        low: Bound<Moment>,
        high: Bound<Moment>,
    ) -> Box<dyn Iterator<Item = Moment>> {
        let low = match low {
            Bound::Unbounded => 0,
            Bound::Included((_, number)) => number,
            Bound::Excluded((_, number)) => number.saturating_add(1),
        };
        let end = match high {
            Bound::Unbounded => self.size,
            Bound::Included((_, number)) => number.saturating_add(1),
            Bound::Excluded((_, number)) => number,
        };
        for range in &mut ranges {
            *range = range.start.max(low)..range.end.min(end).min(self.size);
        }
        if self.falling {
            Box::new(ranges.into_iter().flat_map(Iterator::rev).map(|number| (0, number)))
        } else {
            ranges.reverse();
            Box::new(ranges.into_iter().flatten().map(|number| (0, number)))
        }
    }
}

/// Where the record of a position of a log is, or of a ledger number.
fn at(state: &State, log: Option<u32>, number: u64) -> Option<At<'_>> {
    match log {
        Some(log) => state.tails().find_map(|tail| {
            let stretch = tail.stretches.get(&log)?;
            let position = Position(number);
            (stretch.first()..stretch.end()).contains(&number).then_some(At { tail, log, stretch, position })
        }),
        None => {
            let tail = state.tails().find(|tail| tail.order.first() <= number)?;
            let spot = tail.order.at(number)?;
            let stretch = tail.stretches.get(&spot.log)?;
            let position = Position(stretch.first() + u64::from(spot.row));
            Some(At { tail, log: spot.log, stretch, position })
        }
    }
}

/// What annals knows of a row beside its event.
pub(crate) fn known<'a>(stretch: &'a Stretch, row: &Row, position: Position) -> Known<'a> {
    Known {
        occurred_at: row.happened_at(),
        received_at: row.received_at,
        operation: Operation::from_code(row.operation).unwrap_or(Operation::Other),
        position,
        tenant: &stretch.tenant,
    }
}

/// The places of the bits that are set.
fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(index, word)| {
        let mut left = *word;
        std::iter::from_fn(move || {
            let bit = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(index * 64 + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_that_are_set_are_told_in_order() {
        assert_eq!(ones(&[0, 1 << 63 | 5, u64::MAX << 62]).collect::<Vec<_>>(), [64, 66, 127, 190, 191]);
    }
}
