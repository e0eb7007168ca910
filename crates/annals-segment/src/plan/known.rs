//! Tests on what annals knows of rows beside their events.

use annals_event::filter::{Comparison, Field, Literal, Scalar, Test};
use annals_event::{Operation, Position};

use super::node::{KnownLeaf, Leaf, Node};
use super::resolve::{Resolve, ints_passing};
use crate::Damaged;
use crate::segment::Segment;

/// A time as it is stored, which sorts as times do, from µs since 1970.
pub(crate) const fn coded(us: i64) -> u64 {
    us.cast_unsigned() ^ 1 << 63
}

/// µs since 1970 of a time as it is stored.
pub(crate) const fn decoded(time: u64) -> i64 {
    (time ^ 1 << 63).cast_signed()
}

impl Resolve<'_> {
    pub(super) fn known(&mut self, field: &Field, test: &Test) -> Result<Node, Damaged> {
        if matches!(test, Test::Present) {
            // None of them is ever empty.
            return Ok(Node::Const(true));
        }
        match field {
            Field::Member(_) => Ok(Node::Const(false)),
            Field::OccurredAt => Ok(leaf(times(test), KnownLeaf::Happened)),
            Field::ReceivedAt => self.received(test),
            Field::Operation => Ok(kinds(self.segment, |operation, _| {
                operation.is_some_and(|operation| test.passes(&Scalar::Text(operation.as_str())))
            })),
            Field::Position => self.positions(test),
            Field::Tenant => self.tenants(test),
        }
    }

    fn received(&self, test: &Test) -> Result<Node, Damaged> {
        let (body, values) = (self.segment.body(), &self.segment.footer().known.received_values);
        let mut ranges = Vec::new();
        for (low, high) in times(test) {
            let first = values.partition_point(body, 0..values.len(), |time| time < low)?;
            let end = values.partition_point(body, first..values.len(), |time| time <= high)?;
            if first < end {
                ranges.push((first, end - 1));
            }
        }
        if let [(0, last)] = ranges.as_slice()
            && last + 1 == values.len()
        {
            return Ok(Node::Const(true));
        }
        Ok(leaf(ranges, KnownLeaf::Received))
    }

    fn positions(&self, test: &Test) -> Result<Node, Damaged> {
        let ranges = match test {
            Test::Order(_, Literal::Number(_)) => vec![ints_passing(test)],
            Test::In(literals) => {
                let numbers = literals.iter().filter_map(|literal| match literal {
                    Literal::Number(number) => number.to_string().parse::<u64>().ok(),
                    _ => None,
                });
                let mut numbers: Vec<u64> =
                    numbers.filter(|number| test.passes(&Scalar::Number(&number.to_string()))).collect();
                numbers.sort_unstable();
                numbers.dedup();
                numbers.into_iter().map(|number| (number, number)).collect()
            }
            _ => Vec::new(),
        };
        let mut rows = Vec::new();
        for (low, high) in ranges.into_iter().filter(|(low, high)| low <= high) {
            for log in 0..self.segment.logs() {
                let log = self.segment.log_rows(log)?;
                let first = self.segment.row_from(&log, Position(low))?;
                let end = match high.checked_add(1) {
                    Some(next) => self.segment.row_from(&log, Position(next))?,
                    None => log.rows.end,
                };
                if first < end {
                    rows.push((first, end));
                }
            }
        }
        rows.sort_unstable();
        Ok(self.rows(rows))
    }

    fn tenants(&mut self, test: &Test) -> Result<Node, Damaged> {
        let mut rows: Vec<(u32, u32)> = Vec::new();
        for log in 0..self.segment.logs() {
            let name = self.segment.log_name(log)?;
            if test.passes(&Scalar::Text(name.tenant.as_str())) {
                let of = self.segment.log_rows(log)?.rows;
                match rows.last_mut() {
                    Some(last) if last.1 == of.start => last.1 = of.end,
                    _ => rows.push((of.start, of.end)),
                }
            }
        }
        Ok(self.rows(rows))
    }

    fn rows(&self, rows: Vec<(u32, u32)>) -> Node {
        match rows.as_slice() {
            [(0, end)] if *end == self.segment.rows() => Node::Const(true),
            _ => leaf(rows, KnownLeaf::Rows),
        }
    }
}

/// Rows of kinds for which `passes` says yes, given their operation and whether annals wrote them.
pub(super) fn kinds(segment: &Segment, passes: impl Fn(Option<Operation>, bool) -> bool) -> Node {
    let kinds = &segment.footer().known.kinds;
    let passing: Vec<bool> =
        kinds.iter().map(|kind| passes(Operation::from_code(kind.operation), kind.system)).collect();
    if passing.iter().all(|passes| *passes) {
        Node::Const(true)
    } else if passing.iter().any(|passes| *passes) {
        Node::Leaf(Leaf::Known(KnownLeaf::Kinds(passing)))
    } else {
        Node::Const(false)
    }
}

fn leaf<T>(ranges: Vec<T>, make: impl FnOnce(Vec<T>) -> KnownLeaf) -> Node {
    if ranges.is_empty() { Node::Const(false) } else { Node::Leaf(Leaf::Known(make(ranges))) }
}

/// The times that pass, as they are stored: rising stretches with both ends.
fn times(test: &Test) -> Vec<(u64, u64)> {
    match test {
        Test::In(literals) => {
            let times = literals.iter().filter_map(|literal| match literal {
                Literal::Time(at) => Some(coded(at.as_micros())),
                _ => None,
            });
            let mut times: Vec<u64> = times.collect();
            times.sort_unstable();
            times.dedup();
            times.into_iter().map(|time| (time, time)).collect()
        }
        Test::Order(comparison, Literal::Time(at)) => {
            // No timestamp is so near to either end that one more or less would be too many.
            let at = coded(at.as_micros());
            vec![match comparison {
                Comparison::Above => (at + 1, u64::MAX),
                Comparison::AtLeast => (at, u64::MAX),
                Comparison::Below => (0, at - 1),
                Comparison::AtMost => (0, at),
            }]
        }
        _ => Vec::new(),
    }
}
