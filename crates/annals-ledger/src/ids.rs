//! Which record holds which event id: duplicates are found here, and so is `GET /v1/events/{id}`.
//!
//! One entry is 24 bytes: a keyed 64-bit hash of (tenant, log, id) and where the record is. The hash only finds candidates;
//! the id itself is compared in the record. The key is the ledger's own random one, so nobody can aim at one bucket.

use annals_event::{Position, TenantId};
use hashbrown::HashTable;
use sha2::{Digest, Sha256};

use crate::batch::LogKind;

/// Where a record is: its log, by index, and its position there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) log: u32,
    pub(crate) position: Position,
}

struct Slot {
    hash: u64,
    found: Found,
}

/// Tables of an index: when one grows, and all its entries move, it is a small part of the whole, so that no batch waits long.
const SHARDS: usize = 256;
const _: () = assert!(SHARDS == u8::MAX as usize + 1);

/// The id index of a whole ledger.
pub(crate) struct IdIndex {
    shards: Vec<HashTable<Slot>>,
}

impl Default for IdIndex {
    fn default() -> Self {
        Self { shards: std::iter::repeat_with(HashTable::new).take(SHARDS).collect() }
    }
}

impl IdIndex {
    /// The record under `hash` for which `is_it` says yes.
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(Found) -> bool) -> Option<Found> {
        self.shards[shard(hash)]
            .find(hash, |slot| slot.hash == hash && is_it(slot.found))
            .map(|slot| slot.found)
    }

    pub(crate) fn insert(&mut self, hash: u64, found: Found) {
        self.shards[shard(hash)].insert_unique(hash, Slot { hash, found }, |slot| slot.hash);
    }
}

/// Taken from the middle: a table places its entries by the lowest bits and tells them apart by the highest.
fn shard(hash: u64) -> usize {
    usize::from(hash.to_be_bytes()[3])
}

/// The keyed hash of an event id in one of a tenant's logs.
///
/// First eight bytes of SHA-256(key || 0 for events, 1 for access || u8 length of the tenant || tenant || id).
pub(crate) fn id_hash(key: &[u8; 16], tenant: &TenantId, log: LogKind, id: &[u8]) -> u64 {
    let tenant = tenant.as_str().as_bytes();
    let mut hasher = Sha256::new();
    hasher.update(key);
    hasher.update([
        u8::from(log == LogKind::Access),
        u8::try_from(tenant.len()).expect("a tenant id is at most 128 bytes"),
    ]);
    hasher.update(tenant);
    hasher.update(id);
    first_eight(&hasher.finalize().into())
}

/// The keyed hash of a source, by name and instance.
pub(crate) fn source_hash(key: &[u8; 16], tenant: &TenantId, name: &str, instance: &str) -> u64 {
    let mut hasher = Sha256::new();
    hasher.update(key);
    for part in [tenant.as_str(), name, instance] {
        hasher.update(u32::try_from(part.len()).expect("an event is far below 4 GiB").to_be_bytes());
        hasher.update(part);
    }
    first_eight(&hasher.finalize().into())
}

fn first_eight(hash: &[u8; 32]) -> u64 {
    u64::from_be_bytes(*hash.first_chunk().expect("a hash has 32 bytes"))
}
