//! Manifests: what the ledger was at a place of the journal, and which segments hold its records until there.
//!
//! A manifest is written once, under a number of its own, and never changed. The state of the ledger is the newest manifest
//! and the journal from its place on. All integers are big-endian.
//!
//! ```text
//! 8B "ANNALSMF" | u32 version = 1 | u64 number | u64 place: the batches before it are in the segments
//! u32 len, the genesis batch
//! u64 ledger numbers that were given
//! u8 flags (1 = the service has started and not stopped, 2 = a head was signed, 4 = heads are kept) | i64 time of that head, µs, or 0
//! u32 len, the keys as JSON
//! u32 n, n × segment, in the order of the ledger: u64 number | u64 bytes of its file | u64 rows
//! u32 n, n × tenant, in the order in which they came to be:
//!   u8 len, id | its log of events | its access log
//! log: 16B log id | u64 size | when not empty: i64 last received_at, µs | the frontier's hashes, 32B each, largest subtree first
//!      u16 len, segments it appears in: bit i mod 8 of byte i div 8, least significant first, for the i-th of the list above
//!      u32 n, n × source: u64 hash | u64 highest number
//! only with flag 4: u32 n, n × signed head, in the order in which they were signed: u32 len, the head as it was signed
//! u32 CRC32C of all before
//! ```
//!
//! The heads are those before the place that are the newest of any log. A manifest without the flag is from before they were kept.

use std::sync::Arc;

use annals_event::{TenantId, Timestamp};
use annals_journal::Place;
use annals_tree::head::SignedHead;
use annals_tree::{Frontier, Hash};

use crate::batch::{self, Batch, Genesis, LogId};
use crate::keys::Keys;
use crate::sources::Sources;
use crate::state::HeadBytes;
use crate::tail::Before;

const MAGIC: &[u8; 8] = b"ANNALSMF";
const VERSION: u32 = 1;
const RUNNING: u8 = 1;
const SIGNED: u8 = 2;
const HEADS: u8 = 4;

/// A segment as a manifest names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) rows: u64,
}

/// What the ledger was, but for its logs.
#[derive(Clone)]
pub(crate) struct Head {
    pub(crate) number: u64,
    pub(crate) place: Place,
    pub(crate) genesis: Genesis,
    pub(crate) next_seq: u64,
    pub(crate) running: bool,
    pub(crate) last_head_at: Option<i64>,
    pub(crate) keys: Keys,
    pub(crate) segments: Vec<SegmentEntry>,
    /// Signed heads, in order; none from before manifests kept them.
    pub(crate) heads: Option<HeadBytes>,
}

/// One log.
pub(crate) struct LogEntry {
    pub(crate) id: LogId,
    pub(crate) state: Before,
    /// Indexes into the manifest's segments.
    pub(crate) segments: Vec<u16>,
}

/// One tenant.
pub(crate) struct TenantEntry {
    pub(crate) id: TenantId,
    /// Its log of events and its access log.
    pub(crate) logs: [LogEntry; 2],
}

/// A whole manifest, read back.
pub(crate) struct Manifest {
    pub(crate) head: Head,
    pub(crate) tenants: Vec<TenantEntry>,
}

/// A manifest in the making.
pub(crate) struct Writer {
    out: Vec<u8>,
    tenants: u32,
    /// Where the number of tenants stands.
    count_at: usize,
    heads: Option<HeadBytes>,
}

/// Bytes that are no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// Not what was written.
    #[error("its checksum does not match")]
    Checksum,
    /// A newer program wrote it.
    #[error("it has version {version}, this program reads version {VERSION}")]
    Version {
        /// The version found.
        version: u32,
    },
    /// A field holds what it may not hold.
    #[error("it has a bad {field} at byte {at}")]
    Field {
        /// Which field.
        field: &'static str,
        /// Where.
        at: usize,
    },
}

impl Writer {
    pub(crate) fn new(head: &Head) -> Self {
        let mut out = Vec::from(MAGIC);
        out.extend(VERSION.to_be_bytes());
        out.extend(head.number.to_be_bytes());
        out.extend(head.place.0.to_be_bytes());
        put_long(&mut out, &batch::encode_genesis(&head.genesis));
        out.extend(head.next_seq.to_be_bytes());
        let running = if head.running { RUNNING } else { 0 };
        let signed = if head.last_head_at.is_some() { SIGNED } else { 0 };
        let heads = if head.heads.is_some() { HEADS } else { 0 };
        out.push(running | signed | heads);
        out.extend(head.last_head_at.unwrap_or(0).to_be_bytes());
        put_long(&mut out, &serde_json::to_vec(&head.keys).expect("keys serialise"));
        put_count(&mut out, head.segments.len());
        for segment in &head.segments {
            out.extend(segment.number.to_be_bytes());
            out.extend(segment.bytes.to_be_bytes());
            out.extend(segment.rows.to_be_bytes());
        }
        let count_at = out.len();
        put_count(&mut out, 0);
        Self { out, tenants: 0, count_at, heads: head.heads.clone() }
    }

    /// Begins a tenant; its two logs follow.
    pub(crate) fn tenant(&mut self, id: &TenantId) {
        self.tenants += 1;
        self.out.push(u8::try_from(id.as_str().len()).expect("a tenant id is at most 128 bytes"));
        self.out.extend_from_slice(id.as_str().as_bytes());
    }

    /// `appears` has one truth for each segment of the manifest.
    pub(crate) fn log(&mut self, id: &LogId, state: &Before, appears: impl Iterator<Item = bool>) {
        self.out.extend(id);
        self.out.extend(state.tree.size().to_be_bytes());
        if state.tree.size() > 0 {
            let last = state.last_received_at.expect("a log with records has received them");
            self.out.extend(last.as_micros().to_be_bytes());
            for (_, _, hash) in state.tree.nodes() {
                self.out.extend(hash.0);
            }
            let mut bits = Vec::new();
            for (index, is_there) in appears.enumerate().filter(|(_, is_there)| *is_there) {
                bits.resize(index / 8 + 1, 0);
                bits[index / 8] |= u8::from(is_there) << (index % 8);
            }
            self.out.extend(u16::try_from(bits.len()).expect("segments are below 65,536").to_be_bytes());
            self.out.extend(bits);
        }
        put_count(&mut self.out, state.sources.as_ref().map_or(0, |sources| sources.iter().len()));
        for (source, seq) in state.sources.iter().flat_map(|sources| sources.iter()) {
            self.out.extend(source.to_be_bytes());
            self.out.extend(seq.to_be_bytes());
        }
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.out[self.count_at..self.count_at + 4].copy_from_slice(&self.tenants.to_be_bytes());
        if let Some(heads) = &self.heads {
            put_count(&mut self.out, heads.len());
            heads.iter().for_each(|head| put_long(&mut self.out, head));
        }
        let sum = crc32c::crc32c(&self.out);
        self.out.extend(sum.to_be_bytes());
        self.out
    }
}

impl Manifest {
    /// Reads a manifest.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, ManifestError> {
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(ManifestError::Checksum)?;
        if crc32c::crc32c(body) != u32::from_be_bytes(*sum) {
            return Err(ManifestError::Checksum);
        }
        let mut input = Input { bytes: body, at: 0 };
        if input.array()? != *MAGIC {
            return Err(input.bad("magic"));
        }
        let version = input.u32()?;
        if version != VERSION {
            return Err(ManifestError::Version { version });
        }
        let number = input.u64()?;
        let place = Place(input.u64()?);
        let genesis = match batch::decode(input.long()?) {
            Ok(Batch::Genesis(genesis)) => genesis,
            _ => return Err(input.bad("genesis")),
        };
        let next_seq = input.u64()?;
        let flags = input.array::<1>()?[0];
        let head_at = input.i64()?;
        let keys = serde_json::from_slice(input.long()?).map_err(|_| input.bad("keys"))?;
        let count = input.u32()?;
        let mut segments = Vec::new();
        for _ in 0..count {
            segments.push(SegmentEntry { number: input.u64()?, bytes: input.u64()?, rows: input.u64()? });
        }
        let last_head_at = (flags & SIGNED != 0).then_some(head_at);
        let running = flags & RUNNING != 0;
        let mut head =
            Head { number, place, genesis, next_seq, running, last_head_at, keys, segments, heads: None };
        let count = input.u32()?;
        let mut tenants = Vec::new();
        for _ in 0..count {
            let length = usize::from(input.array::<1>()?[0]);
            let id = std::str::from_utf8(input.take(length)?).ok();
            let id =
                id.and_then(|id| TenantId::from_stored(id).ok()).ok_or_else(|| input.bad("tenant id"))?;
            tenants.push(TenantEntry { id, logs: [input.log(&head)?, input.log(&head)?] });
        }
        if flags & HEADS != 0 {
            head.heads = Some(input.heads()?);
        }
        if input.at != body.len() {
            return Err(input.bad("end"));
        }
        Ok(Self { head, tenants })
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ManifestError> {
        let taken = self.bytes[self.at..].get(..len).ok_or_else(|| self.bad("length"))?;
        self.at += len;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ManifestError> {
        Ok(self.take(N)?.try_into().expect("take gave N bytes"))
    }

    fn u32(&mut self) -> Result<u32, ManifestError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, ManifestError> {
        self.array().map(u64::from_be_bytes)
    }

    fn i64(&mut self) -> Result<i64, ManifestError> {
        self.array().map(i64::from_be_bytes)
    }

    fn long(&mut self) -> Result<&'a [u8], ManifestError> {
        let len = self.u32()?;
        self.take(usize::try_from(len).map_err(|_| self.bad("length"))?)
    }

    fn log(&mut self, head: &Head) -> Result<LogEntry, ManifestError> {
        let id = self.array()?;
        let size = self.u64()?;
        let (mut tree, mut last_received_at, mut segments) = (Frontier::new(), None, Vec::new());
        if size > 0 {
            let last = self.i64()?;
            last_received_at = Some(Timestamp::from_micros(last).ok_or_else(|| self.bad("time"))?);
            let mut bytes = size.to_be_bytes().to_vec();
            bytes.extend(self.take(size.count_ones() as usize * size_of::<Hash>())?);
            tree = Frontier::from_bytes(&bytes).map_err(|_| self.bad("frontier"))?;
            let bits = u16::from_be_bytes(self.array()?);
            let bits = self.take(usize::from(bits))?;
            let ones = (0..bits.len() * 8).filter(|index| bits[index / 8] >> (index % 8) & 1 == 1);
            for index in ones {
                if index >= head.segments.len() {
                    return Err(self.bad("segment"));
                }
                segments.push(u16::try_from(index).map_err(|_| self.bad("segment"))?);
            }
        }
        let count = self.u32()?;
        let mut noted = Vec::new();
        for _ in 0..count {
            noted.push((self.u64()?, self.u64()?));
        }
        let sources = (!noted.is_empty()).then(|| Arc::new(Sources::restore(noted)));
        Ok(LogEntry { id, state: Before { tree, last_received_at, sources }, segments })
    }

    fn heads(&mut self) -> Result<HeadBytes, ManifestError> {
        let count = self.u32()?;
        let mut heads = HeadBytes::new();
        for _ in 0..count {
            let head = self.long()?;
            SignedHead::decode(head).map_err(|_| self.bad("signed head"))?;
            heads.push(head.into());
        }
        Ok(heads)
    }

    fn bad(&self, field: &'static str) -> ManifestError {
        ManifestError::Field { field, at: self.at }
    }
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend(u32::try_from(count).expect("what is counted in memory is below 2^32").to_be_bytes());
}

fn put_long(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.extend_from_slice(bytes);
}
