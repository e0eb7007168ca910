//! Holes in what a source counts: `source.seq` rises by one with each event that a source sends.

use std::collections::BTreeMap;

/// Most sources of a tenant that are followed at once; beyond it a new source's events are stored but not watched, so that
/// names made up by a client can neither fill the memory nor blind us to other tenants' sources. 40 bytes each.
pub(crate) const SOURCES_MAX: usize = 10_000;

/// Numbers a source did not send: `from` to `to`, both missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The highest number seen of each source of a tenant, by the source's keyed hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    last: BTreeMap<u64, u64>,
}

impl Sources {
    /// All of them, as they were noted.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.last.iter().map(|(source, seq)| (*source, *seq))
    }

    /// What was noted before.
    pub(crate) fn restore(noted: impl IntoIterator<Item = (u64, u64)>) -> Self {
        Self { last: noted.into_iter().collect() }
    }

    /// Notes a number and tells what it jumped over. The first number of a source and late ones jump over nothing.
    pub(crate) fn advance(&mut self, source: u64, seq: u64) -> Option<Hole> {
        let watched = self.last.len();
        match self.last.get_mut(&source) {
            Some(last) => {
                let before = *last;
                *last = before.max(seq);
                let expected = before.checked_add(1)?;
                (seq > expected).then(|| Hole { from: expected, to: seq - 1 })
            }
            None => {
                if watched < SOURCES_MAX {
                    self.last.insert(source, seq);
                }
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_jump_forward_is_a_hole() {
        let mut sources = Sources::default();
        let holes: Vec<_> = [5, 6, 9, 7, 9, 10, 12].into_iter().map(|seq| sources.advance(1, seq)).collect();
        let hole = |from, to| Some(Hole { from, to });
        assert_eq!(holes, [None, None, hole(7, 8), None, None, None, hole(11, 11)]);
        assert_eq!(sources.advance(2, 900), None);
        let most: Vec<_> = [u64::MAX, 3, u64::MAX].into_iter().map(|seq| sources.advance(2, seq)).collect();
        assert_eq!(most, [hole(901, u64::MAX - 1), None, None], "nothing comes after the largest number");
    }
}
