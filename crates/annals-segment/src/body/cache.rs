//! The cache of checked blocks: bounded in bytes, shared by all open files.
//!
//! It is made of small sets. A block belongs to one of them, by a hash of its file and number, so a look-up locks and compares
//! eight keys, and readers seldom meet. In a set a clock decides which block makes room: a hand goes around, passes blocks that
//! were used since it was there last, and takes the first that was not. New blocks count as unused, so blocks that are read
//! once go before those that come back.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::BLOCK_BYTES;
use crate::plan::kept;
use crate::tally::memory;

/// Most blocks of a set.
const WAYS_MAX: usize = 8;

/// Bits of a block's number in a key; the file's number is above them.
const BLOCK_BITS: u32 = 32;

/// See the module.
pub struct Cache {
    sets: Box<[Mutex<Set>]>,
    /// Most blocks of each set.
    ways: usize,
    files: AtomicU64,
    tallies: memory::Memory,
    plans: kept::Memory,
    shapes: Mutex<Held>,
}

/// Most bytes of what is held of large files' shapes, and at most a quarter of the cache.
const HELD_BYTES_MAX: usize = 16 << 20;

/// What was made ready of files, the oldest first.
struct Held {
    bytes_max: usize,
    bytes: usize,
    list: VecDeque<(usize, Arc<dyn Any + Send + Sync>)>,
}

/// What a cache has done and holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheStats {
    /// Reads it answered.
    pub hits: u64,
    /// Reads that went to a file.
    pub misses: u64,
    /// Bytes it holds.
    pub bytes: u64,
    /// Bytes of the counts that are kept beside it, about.
    pub tally_bytes: u64,
    /// Bytes of what tests were resolved to, kept beside it, about.
    pub plan_bytes: u64,
}

#[derive(Default)]
struct Set {
    /// Of blocks; 0 where there is none.
    keys: [u64; WAYS_MAX],
    used: [bool; WAYS_MAX],
    hand: usize,
    hits: u64,
    misses: u64,
    blocks: [Bytes; WAYS_MAX],
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Cache {
    /// A cache of at most `bytes_max` bytes, and at least one block. Beside it counts of rows are kept, and what tests
    /// were resolved to: of each a quarter as many bytes at most, and never more than
    /// [`MEMORY_BYTES_MAX`](crate::tally::MEMORY_BYTES_MAX) and [`KEPT_BYTES_MAX`](crate::plan::KEPT_BYTES_MAX).
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        let blocks = (bytes_max / BLOCK_BYTES).max(1);
        let sets = (blocks / WAYS_MAX).max(1);
        Arc::new(Self {
            sets: (0..sets).map(|_| Mutex::default()).collect(),
            ways: blocks.min(WAYS_MAX),
            files: AtomicU64::new(1),
            tallies: memory::Memory::beside(bytes_max),
            plans: kept::Memory::beside(bytes_max),
            shapes: Mutex::new(Held {
                bytes_max: (bytes_max / 4).min(HELD_BYTES_MAX),
                bytes: 0,
                list: VecDeque::new(),
            }),
        })
    }

    /// Keeps something that took long to make alive, as long as there is room and nothing newer needs it.
    pub(super) fn hold(&self, bytes: usize, made: Arc<dyn Any + Send + Sync>) {
        let mut held = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        held.bytes += bytes;
        held.list.push_back((bytes, made));
        while held.bytes > held.bytes_max
            && let Some((bytes, _)) = held.list.pop_front()
        {
            held.bytes -= bytes;
        }
    }

    /// Hits, misses and bytes until now.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let mut stats = CacheStats {
            tally_bytes: self.tallies.bytes() as u64,
            plan_bytes: self.plans.bytes() as u64,
            ..CacheStats::default()
        };
        for set in &self.sets {
            let set = lock(set);
            stats.hits += set.hits;
            stats.misses += set.misses;
            stats.bytes += set.blocks.iter().map(|block| block.len() as u64).sum::<u64>();
        }
        stats
    }

    /// Counts that are kept.
    pub(super) fn tallies(&self) -> &memory::Memory {
        &self.tallies
    }

    /// What tests were resolved to.
    pub(super) fn plans(&self) -> &kept::Memory {
        &self.plans
    }

    /// Forgets what tests were resolved to: to see what questions take that nobody has asked before.
    pub fn forget_plans(&self) {
        self.plans.forget();
    }

    /// A number for a file that is opened, which no other has; not 0.
    pub(super) fn number(&self) -> u64 {
        self.files.fetch_add(1, Ordering::Relaxed)
    }

    /// A part of a block from `start` on, of `len` bytes or to its end, when the cache has it.
    #[inline]
    pub(super) fn slice(&self, file: u64, block: u64, start: usize, len: Option<usize>) -> Option<Bytes> {
        let key = key(file, block);
        let mut set = lock(self.set(key));
        let Some(way) = set.keys.iter().position(|other| *other == key) else {
            set.misses += 1;
            return None;
        };
        set.hits += 1;
        set.used[way] = true;
        let block = &set.blocks[way];
        Some(block.slice(start..len.map_or(block.len(), |len| start + len)))
    }

    /// Keeps a block, and lets go of another where there is no room.
    pub(super) fn put(&self, file: u64, block: u64, bytes: Bytes) {
        let key = key(file, block);
        let mut set = lock(self.set(key));
        if set.keys.contains(&key) {
            // Another reader missed it at the same time and was first.
            return;
        }
        let way = match set.keys[..self.ways].iter().position(|other| *other == 0) {
            Some(way) => way,
            None => loop {
                let way = set.hand;
                set.hand = (way + 1) % self.ways;
                if !std::mem::take(&mut set.used[way]) {
                    break way;
                }
            },
        };
        set.keys[way] = key;
        set.used[way] = false;
        set.blocks[way] = bytes;
    }

    #[inline]
    fn set(&self, key: u64) -> &Mutex<Set> {
        let x = (key ^ (key >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let hash = (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        let set = (u128::from(hash) * self.sets.len() as u128) >> 64;
        &self.sets[usize::try_from(set).expect("less than the sets")]
    }
}

/// Files are numbered from 1 and blocks have 32 bits, so none is 0 and no two are the same while fewer than 2^32 files were
/// opened; a file of 2^32 blocks has 64 TiB.
#[inline]
fn key(file: u64, block: u64) -> u64 {
    file << BLOCK_BITS ^ block
}

/// A panic while a set was locked leaves it whole enough: its blocks were checked before they came here, and a key is written
/// with its block.
#[inline]
fn lock(set: &Mutex<Set>) -> MutexGuard<'_, Set> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}
