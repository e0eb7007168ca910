//! The cache of checked blocks: bounded in bytes, shared by all open files, in shards so that readers rarely wait.
//!
//! Which block makes room is decided by a clock: a hand goes over the slots, passes those that were used since it was there
//! last, and takes the first that was not. New blocks count as unused, so blocks read once go before those that come back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hashbrown::HashTable;

use super::BLOCK_BYTES;

/// Most shards of a cache.
const SHARDS_MAX: usize = 64;
/// Fewest blocks of a shard, so that its clock has a choice; smaller caches have fewer shards.
const SHARD_BLOCKS_MIN: usize = 64;

/// See the module.
pub struct Cache {
    shards: Box<[Mutex<Shard>]>,
    /// Most blocks of a shard.
    slots_max: usize,
    files: AtomicU64,
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
}

#[derive(Default)]
struct Shard {
    /// Key to slot.
    places: HashTable<usize>,
    slots: Vec<Slot>,
    hand: usize,
    hits: u64,
    misses: u64,
}

struct Slot {
    file: u64,
    block: u64,
    used: bool,
    bytes: Bytes,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

impl Cache {
    /// A cache of at most `bytes_max` bytes, and at least one block.
    #[must_use]
    pub fn new(bytes_max: usize) -> Arc<Self> {
        let blocks = (bytes_max / BLOCK_BYTES).max(1);
        let mut shards = 1;
        while shards < SHARDS_MAX && blocks / (shards * 2) >= SHARD_BLOCKS_MIN {
            shards *= 2;
        }
        Arc::new(Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            slots_max: blocks / shards,
            files: AtomicU64::new(0),
        })
    }

    /// Hits, misses and bytes until now.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let mut stats = CacheStats::default();
        for shard in &self.shards {
            let shard = lock(shard);
            stats.hits += shard.hits;
            stats.misses += shard.misses;
            stats.bytes += shard.slots.iter().map(|slot| slot.bytes.len() as u64).sum::<u64>();
        }
        stats
    }

    /// A number for a file that is opened, which no other has.
    pub(super) fn number(&self) -> u64 {
        self.files.fetch_add(1, Ordering::Relaxed)
    }

    /// A part of a block, when the cache has it. The block has this part.
    #[inline]
    pub(super) fn slice(&self, file: u64, block: u64, start: usize, len: usize) -> Option<Bytes> {
        let hash = mix(file, block);
        let mut shard = lock(self.shard(hash));
        let Shard { places, slots, hits, misses, .. } = &mut *shard;
        let found = places.find(hash, |slot| slots[*slot].file == file && slots[*slot].block == block);
        let Some(slot) = found.and_then(|slot| slots.get_mut(*slot)) else {
            *misses += 1;
            return None;
        };
        *hits += 1;
        slot.used = true;
        Some(slot.bytes.slice(start..start + len))
    }

    /// Keeps a block, and lets go of another where there is no room.
    pub(super) fn put(&self, file: u64, block: u64, bytes: Bytes) {
        let hash = mix(file, block);
        let mut shard = lock(self.shard(hash));
        let Shard { places, slots, hand, .. } = &mut *shard;
        if places.find(hash, |slot| slots[*slot].file == file && slots[*slot].block == block).is_some() {
            // Another reader missed it at the same time and was first.
            return;
        }
        let new = Slot { file, block, used: false, bytes };
        let place = if slots.len() < self.slots_max {
            slots.push(new);
            slots.len() - 1
        } else {
            while std::mem::take(&mut slots[*hand].used) {
                *hand = (*hand + 1) % slots.len();
            }
            let place = *hand;
            *hand = (*hand + 1) % slots.len();
            let old = std::mem::replace(&mut slots[place], new);
            if let Ok(entry) = places.find_entry(mix(old.file, old.block), |slot| *slot == place) {
                entry.remove();
            }
            place
        };
        places.insert_unique(hash, place, |slot| mix(slots[*slot].file, slots[*slot].block));
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        // The table uses the lowest and the highest bits.
        let i = usize::try_from((hash >> 32) & 0xffff).expect("16 bits");
        &self.shards[i & (self.shards.len() - 1)]
    }
}

/// A panic while a shard was locked leaves it whole enough: its blocks were checked before they came here.
#[inline]
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[inline]
fn mix(file: u64, block: u64) -> u64 {
    let x = (file.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ block).wrapping_mul(0xd6e8_feb8_6659_fd93);
    (x ^ (x >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93)
}
