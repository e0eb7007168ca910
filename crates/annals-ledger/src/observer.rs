//! Who is told of what the ledger does, for metrics. Every method does nothing unless it is filled in.

use crate::seal::Done;
use crate::state::Outcome;

/// Told by the ledger's threads; must not block.
pub trait Observer: Send + Sync {
    /// A group of batches was appended and flushed.
    fn appended(&self, batches: usize, bytes: usize, micros: u64) {
        let _ = (batches, bytes, micros);
    }
    /// A group could not be appended.
    fn refused(&self, events: u64, code: &'static str) {
        let _ = (events, code);
    }
    /// A batch was applied.
    fn applied(&self, outcomes: &[Outcome], micros: u64) {
        let _ = (outcomes, micros);
    }
    /// Records were sealed, or segments merged.
    fn sealed(&self, done: Done, micros: u64) {
        let _ = (done, micros);
    }
    /// Heads were signed.
    fn signed(&self, heads: usize) {
        let _ = heads;
    }
}

/// Nobody.
pub struct Unobserved;

impl Observer for Unobserved {}
