//! The acceptor's secrets: one random root for at most 4,096 events or a minute, its leaves handed out in order.

use annals_tree::Counter;
use annals_tree::secret::SECRETS_PER_ROOT;
use zeroize::Zeroizing;

use crate::clock::Entropy;

/// Longest use of one root, µs.
pub(crate) const ROOT_AGE_US_MAX: u64 = 60_000_000;

/// Some leaves of one root.
pub(crate) struct Lease {
    pub(crate) seed: [u8; 32],
    pub(crate) from: Counter,
    pub(crate) count: u16,
}

impl Lease {
    /// The leased counters, in order.
    pub(crate) fn counters(&self) -> impl Iterator<Item = Counter> + use<> {
        let counters = std::iter::successors(Some(self.from), |counter| counter.next());
        counters.take(usize::from(self.count))
    }
}

/// The root in use.
#[derive(Default)]
pub(crate) struct Secrets {
    current: Option<Current>,
}

struct Current {
    seed: Zeroizing<[u8; 32]>,
    /// None when all are handed out.
    next: Option<Counter>,
    since_us: u64,
}

impl Secrets {
    /// The next secrets are of a root of their own.
    pub(crate) fn renew(&mut self) {
        self.current = None;
    }

    /// `count` secrets that nobody else gets, of one root or of several that follow each other.
    pub(crate) fn lease(&mut self, count: usize, now_us: u64, entropy: &dyn Entropy) -> Vec<Lease> {
        let mut leases = Vec::new();
        let mut wanted = count;
        while wanted > 0 {
            let usable = |current: &Current| {
                current.next.filter(|_| now_us.saturating_sub(current.since_us) < ROOT_AGE_US_MAX)
            };
            let Some(from) = self.current.as_ref().and_then(usable) else {
                let mut seed = Zeroizing::new([0; 32]);
                entropy.fill(&mut *seed);
                self.current = Some(Current { seed, next: Some(Counter::default()), since_us: now_us });
                continue;
            };
            let current = self.current.as_mut().expect("a usable root is there");
            let left = SECRETS_PER_ROOT - from.get();
            let count = u16::try_from(wanted).map_or(left, |wanted| wanted.min(left));
            leases.push(Lease { seed: *current.seed, from, count });
            current.next = Counter::new(from.get() + count);
            wanted -= usize::from(count);
        }
        leases
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::clock::SeededEntropy;

    #[test]
    fn no_secret_is_handed_out_twice_and_a_root_ends_with_its_minute() {
        let entropy = SeededEntropy::new(1);
        let mut secrets = Secrets::default();
        let mut seen = BTreeSet::new();
        for (count, now_us) in [(1, 0), (4096, 10), (9000, 20), (3, 20), (3, 70_000_000)] {
            let leases = secrets.lease(count, now_us, &entropy);
            assert_eq!(leases.iter().map(|lease| usize::from(lease.count)).sum::<usize>(), count);
            for lease in leases {
                for counter in lease.counters() {
                    assert!(seen.insert((lease.seed, counter)), "{counter:?} was handed out twice");
                }
            }
        }
        let last = secrets.lease(1, 70_000_001, &entropy);
        assert_eq!((last[0].from.get(), last[0].count), (3, 1), "a minute later a new root began");
    }
}
