//! Records in the order of the times their clients gave, while they come in the order in which they were sent.
//!
//! Nearly all records are later than those before them, so this is one long sorted run; those that come late go to further
//! runs. A run that has grown to more than half of the one before is merged into it, so there are at most as many runs as the
//! number of records has binary digits, and a record is moved as often at most.

use std::ops::Bound;

use annals_event::Timestamp;

/// A record's place in time: its time in µs, then its number, which tells apart what happened at once.
pub(crate) type Moment = (i64, u64);

/// See the module.
#[derive(Default)]
pub(crate) struct Times {
    /// Each sorted, each at most half as long as the one before.
    runs: Vec<Vec<Moment>>,
}

impl Times {
    /// Adds a record. Numbers rise.
    pub(crate) fn push(&mut self, at: Timestamp, number: u64) {
        let moment = (at.as_micros(), number);
        // The longest run that it continues; the runs after it are shorter and nearer to the present.
        let fits = |run: &Vec<Moment>| run.last().is_none_or(|last| *last < moment);
        let index = self.runs.iter().position(fits).unwrap_or_else(|| {
            self.runs.push(Vec::new());
            self.runs.len() - 1
        });
        self.runs[index].push(moment);
        self.merge(index);
    }

    /// Restores the lengths after run `index` has grown.
    fn merge(&mut self, mut index: usize) {
        while index > 0 && self.runs[index].len() * 2 > self.runs[index - 1].len() {
            let late = self.runs.remove(index);
            index -= 1;
            merge_into(&mut self.runs[index], &late);
        }
    }

    /// The records of these moments, the latest first.
    pub(crate) fn falling(
        &self,
        from: Bound<Moment>,
        to: Bound<Moment>,
    ) -> impl Iterator<Item = Moment> + '_ {
        let mut runs = self.within(from, to);
        std::iter::from_fn(move || {
            let latest = runs.iter_mut().max_by_key(|run| run.last().copied())?;
            let run: &[Moment] = latest;
            let (last, rest) = run.split_last()?;
            *latest = rest;
            Some(*last)
        })
    }

    /// The records of these moments, the earliest first.
    pub(crate) fn rising(&self, from: Bound<Moment>, to: Bound<Moment>) -> impl Iterator<Item = Moment> + '_ {
        let mut runs = self.within(from, to);
        std::iter::from_fn(move || {
            runs.retain(|run| !run.is_empty());
            let earliest = runs.iter_mut().min_by_key(|run| run[0])?;
            let run: &[Moment] = earliest;
            let (first, rest) = run.split_first()?;
            *earliest = rest;
            Some(*first)
        })
    }

    /// The part of each run that lies between the bounds.
    fn within(&self, from: Bound<Moment>, to: Bound<Moment>) -> Vec<&[Moment]> {
        let cut = |run: &'_ Vec<Moment>| {
            let start = match from {
                Bound::Unbounded => 0,
                Bound::Included(from) => run.partition_point(|moment| *moment < from),
                Bound::Excluded(from) => run.partition_point(|moment| *moment <= from),
            };
            let end = match to {
                Bound::Unbounded => run.len(),
                Bound::Included(to) => run.partition_point(|moment| *moment <= to),
                Bound::Excluded(to) => run.partition_point(|moment| *moment < to),
            };
            start..end.max(start)
        };
        self.runs.iter().map(|run| &run[cut(run)]).filter(|run| !run.is_empty()).collect()
    }
}

/// Merges a sorted run into one that is longer, moving only what is later than the first of `late`.
fn merge_into(run: &mut Vec<Moment>, late: &[Moment]) {
    let Some(first) = late.first() else { return };
    let tail = run.split_off(run.partition_point(|moment| moment < first));
    run.reserve(tail.len() + late.len());
    let (mut tail, mut late) = (tail.as_slice(), late);
    while let (Some(left), Some(right)) = (tail.first(), late.first()) {
        if left < right {
            run.push(*left);
            tail = &tail[1..];
        } else {
            run.push(*right);
            late = &late[1..];
        }
    }
    run.extend_from_slice(tail);
    run.extend_from_slice(late);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(times: impl IntoIterator<Item = i64>) -> (Times, Vec<Moment>) {
        let mut index = Times::default();
        let mut all = Vec::new();
        for (number, time) in (0..).zip(times) {
            index.push(Timestamp::from_micros(time).unwrap(), number);
            all.push((time, number));
        }
        all.sort_unstable();
        (index, all)
    }

    #[test]
    fn any_order_of_arrival_reads_back_sorted_between_any_bounds() {
        let mut seed = 1_u64;
        let mut random = move |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            i64::try_from((seed >> 33) % below).unwrap()
        };
        for spread in [1, 3, 50, 100_000] {
            let (index, all) = filled((0..3000).map(|n| n + random(spread)).collect::<Vec<_>>());
            assert!(index.runs.len() <= 12, "{} runs", index.runs.len());
            for _ in 0..50 {
                let (low, high) = ((random(4000), 1), (random(4000), 2));
                let kinds = [Bound::Included as fn(Moment) -> _, Bound::Excluded, |_| Bound::Unbounded];
                let (from, to) = (
                    kinds[usize::try_from(random(3)).unwrap()](low),
                    kinds[usize::try_from(random(3)).unwrap()](high),
                );
                let inside = |moment: &&Moment| std::ops::RangeBounds::contains(&(from, to), *moment);
                let expected: Vec<Moment> = all.iter().filter(inside).copied().collect();
                assert_eq!(index.rising(from, to).collect::<Vec<_>>(), expected);
                let reversed: Vec<Moment> = expected.into_iter().rev().collect();
                assert_eq!(index.falling(from, to).collect::<Vec<_>>(), reversed);
            }
        }
    }

    #[test]
    fn records_that_come_backwards_make_few_runs() {
        let (index, all) = filled((0..5000).rev());
        assert!(index.runs.len() <= 13, "{} runs", index.runs.len());
        assert_eq!(index.rising(Bound::Unbounded, Bound::Unbounded).collect::<Vec<_>>(), all);
    }
}
