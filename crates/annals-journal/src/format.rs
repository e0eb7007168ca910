//! The bytes of a journal on disk, format version 1. The same for readers of other programs:
//! `docs/reference/journal-format.md`.
//!
//! Numbers are big-endian. Checksums are CRC32C (Castagnoli) over the 16 bytes of the journal's id followed by the
//! bytes named.
//!
//! A journal is a folder of files. A file is named by the place of its first batch, 16 lower-case hexadecimal digits
//! and `.journal`: `0000000000000000.journal`. Files follow each other without a hole. Other files in the folder are
//! none of the journal's, unless their name ends in `.journal`.
//!
//! ```text
//! file       := file header, group*
//! group      := frame+, zeros up to the next multiple of 512 (at the end of a file they may be missing)
//!
//! file header, 512 bytes            frame, 28 bytes and the payload
//!   0  15  "annals-journal\0"         0  4  bytes of the payload, 1 to 33,554,432
//!  15   1  version, 1                 4  4  checksum of bytes 0–3 and 8–27 of this header
//!  16  16  id of the journal          8  8  place of the batch
//!  32   8  place of the first batch  16  8  group: place of the group's first batch
//!  40 468  zero                      24  4  checksum of the payload
//! 508   4  checksum of bytes 0–507   28  …  payload
//! ```
//!
//! A group is what one write and one flush made durable. It starts at a multiple of [`SECTOR_BYTES`] so that writing it
//! touches no sector of what is durable already, and so that its start can be found again behind damage.
//!
//! # What an invalid frame means
//!
//! A group is written only after the one before it was flushed, and a file only gets a group after its header was
//! flushed and every older file is complete. So the invalid bytes are
//!
//! * **damage** in every file but the last, in a file header with groups behind it, and in the last file when a frame
//!   header behind them, at a multiple of 512, is valid and opens a group whose place is not before the one expected:
//!   the invalid bytes had been flushed before that header was written. Damage is reported and never repaired or
//!   skipped.
//! * a **torn tail** otherwise: a group that was never acknowledged, cut short by a crash. It is cut back to the last
//!   whole frame. Whole frames of the torn group are kept: whoever sent them was told nothing, so both outcomes are
//!   true to them, and what is kept is a prefix of the group in its order.
//!
//! Damage to the last group alone looks exactly like a torn tail; only who has a signed checkpoint can tell.
//!
//! The search for a later group reads 28 bytes at each multiple of 512 and no payload, so it is linear, whatever a
//! payload holds. A payload may hold bytes that look like a frame, chosen by a client; they do not pass, because the
//! checksums start with the journal's id, 16 random bytes that no client sees. (A blind guess passes once in 2^32, and
//! then turns a torn tail into an error at start, not into a wrong record.)

use crate::{BATCH_BYTES_MAX, Flaw, Place};

/// The format's version, as written into each file.
pub const VERSION: u8 = 1;

/// What groups are aligned to: the smallest unit a disk writes.
pub const SECTOR_BYTES: u64 = 512;

/// Bytes of a file's header.
pub const FILE_HEADER_BYTES: usize = 512;

/// Bytes of a frame before its payload.
pub const FRAME_HEADER_BYTES: usize = 28;

const MAGIC: &[u8; 15] = b"annals-journal\0";
const SUFFIX: &str = ".journal";

const _: () = assert!(FILE_HEADER_BYTES as u64 == SECTOR_BYTES);
const _: () = assert!(BATCH_BYTES_MAX <= u32::MAX as usize);

/// Names a journal and starts its checksums: 16 random bytes, given when the journal is made. Not to be shown to
/// clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalId(pub [u8; 16]);

impl JournalId {
    fn checksum(self, parts: &[&[u8]]) -> u32 {
        parts.iter().fold(crc32c::crc32c(&self.0), |crc, part| crc32c::crc32c_append(crc, part))
    }
}

/// The name of the file whose first batch has place `first`.
#[must_use]
pub fn file_name(first: Place) -> String {
    format!("{:016x}{SUFFIX}", first.0)
}

/// What a name in the folder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileName {
    /// A file of a journal, by its first place.
    Journal(Place),
    /// Something else.
    Other,
    /// It ends like a file of a journal, but no journal writes it.
    Wrong,
}

pub(crate) fn parse_file_name(name: &str) -> FileName {
    let Some(digits) = name.strip_suffix(SUFFIX) else { return FileName::Other };
    match u64::from_str_radix(digits, 16) {
        // One number has one name: `0A` and `+a` would be second names for the same place.
        Ok(first) if file_name(Place(first)) == name => FileName::Journal(Place(first)),
        _ => FileName::Wrong,
    }
}

/// The header of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) id: JournalId,
    pub(crate) first: Place,
}

/// What the first bytes of a file say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParsedFileHeader {
    Header(FileHeader),
    /// A whole header of a version that we do not know.
    Version(u8),
    Invalid,
}

impl FileHeader {
    pub(crate) fn encode(self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[..15].copy_from_slice(MAGIC);
        bytes[15] = VERSION;
        bytes[16..32].copy_from_slice(&self.id.0);
        bytes[32..40].copy_from_slice(&self.first.0.to_be_bytes());
        let checksum = self.id.checksum(&[&bytes[..508]]);
        bytes[508..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    pub(crate) fn parse(bytes: &[u8]) -> ParsedFileHeader {
        let Some(bytes) = bytes.first_chunk::<FILE_HEADER_BYTES>() else { return ParsedFileHeader::Invalid };
        let id = JournalId(array(&bytes[16..32]));
        let checksum = u32::from_be_bytes(array(&bytes[508..]));
        if &bytes[..15] != MAGIC || checksum != id.checksum(&[&bytes[..508]]) {
            return ParsedFileHeader::Invalid;
        }
        match bytes[15] {
            VERSION => {
                ParsedFileHeader::Header(Self { id, first: Place(u64::from_be_bytes(array(&bytes[32..40]))) })
            }
            version => ParsedFileHeader::Version(version),
        }
    }
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    /// Bytes of the payload.
    pub(crate) bytes: u32,
    pub(crate) place: Place,
    /// Place of the first batch of its group.
    pub(crate) group: Place,
    pub(crate) payload_checksum: u32,
}

impl FrameHeader {
    pub(crate) fn for_payload(id: JournalId, place: Place, group: Place, payload: &[u8]) -> Self {
        let bytes = u32::try_from(payload.len()).expect("a batch has at most BATCH_BYTES_MAX bytes");
        Self { bytes, place, group, payload_checksum: id.checksum(&[payload]) }
    }

    pub(crate) fn encode(self, id: JournalId) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.bytes.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.place.0.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.group.0.to_be_bytes());
        bytes[24..].copy_from_slice(&self.payload_checksum.to_be_bytes());
        let checksum = id.checksum(&[&bytes[..4], &bytes[8..]]);
        bytes[4..8].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Reads the header at the start of `bytes` without judging its checksum.
    pub(crate) fn parse_unchecked(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<FRAME_HEADER_BYTES>()?;
        Some(Self {
            bytes: u32::from_be_bytes(array(&bytes[..4])),
            place: Place(u64::from_be_bytes(array(&bytes[8..16]))),
            group: Place(u64::from_be_bytes(array(&bytes[16..24]))),
            payload_checksum: u32::from_be_bytes(array(&bytes[24..])),
        })
    }

    /// Reads the header at the start of `bytes`.
    pub(crate) fn parse(id: JournalId, bytes: &[u8]) -> Result<Self, Flaw> {
        let header = Self::parse_unchecked(bytes).ok_or(Flaw::FrameHeader)?;
        if bytes[..FRAME_HEADER_BYTES] != header.encode(id) || !header.has_plausible_length() {
            return Err(Flaw::FrameHeader);
        }
        Ok(header)
    }

    pub(crate) fn has_plausible_length(self) -> bool {
        (1..=BATCH_BYTES_MAX).contains(&(self.bytes as usize))
    }

    pub(crate) fn fits(self, id: JournalId, payload: &[u8]) -> bool {
        payload.len() == self.bytes as usize && id.checksum(&[payload]) == self.payload_checksum
    }
}

/// Appends one frame to `into`.
pub(crate) fn push_frame(into: &mut Vec<u8>, id: JournalId, place: Place, group: Place, payload: &[u8]) {
    into.extend_from_slice(&FrameHeader::for_payload(id, place, group, payload).encode(id));
    into.extend_from_slice(payload);
}

/// The first multiple of [`SECTOR_BYTES`] from `offset` on.
pub(crate) fn aligned(offset: u64) -> u64 {
    offset.next_multiple_of(SECTOR_BYTES)
}

/// A slice as an array.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("callers slice exactly N bytes of a longer array")
}

#[cfg(test)]
mod tests;
