//! Blocks of a file: written with their checksums, and read back through one bounded cache of checked blocks.
//!
//! The layout of the file is in the crate's documentation. [`Writer`] puts regions one behind the other and ends the body with
//! [`PADDING_BYTES`] zero bytes, so that a reader of packed numbers may load whole words at the end of the last region.
//! [`Body`] gives slices of blocks whose checksum matched when they came from the file; nothing else is ever given out.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;

use crate::Damaged;
use crate::plan::kept;
use crate::tally::memory::Memory;

mod cache;
mod writer;

pub use cache::{Cache, CacheStats};
pub use writer::Writer;

/// Bytes of a block: what one checksum covers, and what is read and cached at a time.
pub const BLOCK_BYTES: usize = 16_384;

/// [`BLOCK_BYTES`] in offsets.
pub(crate) const BLOCK: u64 = 16_384;

/// Zero bytes at the end of the body.
pub const PADDING_BYTES: usize = 16;

/// Longest footer that is read.
pub const FOOTER_BYTES_MAX: u64 = 1 << 28;

/// Most blocks of a file: 64 TiB. The cache numbers them in 32 bits.
const BLOCKS_MAX: u64 = 1 << 32;

const HEADER_MAGIC: &[u8; 8] = b"ANNALSEG";
const TRAILER_MAGIC: &[u8; 8] = b"ANNALEND";
const HEADER_BYTES: usize = 16;
const TRAILER_BYTES: usize = 24;
/// What a whole file is checked in; a multiple of a block.
const CHECK_BYTES: usize = 64 * BLOCK_BYTES;

/// Where the bytes of a segment are.
pub trait ReadAt: Send + Sync {
    /// Reads from offset `at` into `into`, and says how many bytes it read; fewer than asked for only at the end of the file or
    /// where the system gave fewer, 0 only at the end.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Bytes of the whole file.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn bytes(&self) -> io::Result<u64>;
}

impl ReadAt for std::fs::File {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, into, at)
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        Ok(copy_at(self, at, into))
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl ReadAt for Bytes {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        Ok(copy_at(self, at, into))
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

fn copy_at(from: &[u8], at: u64, into: &mut [u8]) -> usize {
    let rest = usize::try_from(at).ok().and_then(|at| from.get(at..)).unwrap_or_default();
    let n = rest.len().min(into.len());
    into[..n].copy_from_slice(&rest[..n]);
    n
}

/// A reader of one file's body. Cheap to share by reference; every read is of checked bytes.
pub struct Body {
    name: Arc<str>,
    file: Arc<dyn ReadAt>,
    cache: Arc<Cache>,
    /// Which file this is, in the cache.
    number: u64,
    /// Header and body.
    bytes: u64,
    file_bytes: u64,
    sums: Box<[u32]>,
    /// Something in it was not what was written, or could not be read.
    is_damaged: AtomicBool,
    /// Blocks that were not in the cache when they were asked for.
    fetched: AtomicU64,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body").field("name", &self.name).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// What stands behind the body.
struct Tail {
    bytes: u64,
    footer: Vec<u8>,
    sums: Box<[u32]>,
}

impl Body {
    /// Opens a file: reads and checks its header, footer and checksums. Gives the footer's JSON beside the body.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not a segment of this version, or its footer is not what was written.
    pub fn open(
        name: Arc<str>,
        file: Arc<dyn ReadAt>,
        cache: Arc<Cache>,
    ) -> Result<(Self, Vec<u8>), Damaged> {
        let mut body = Self {
            name,
            file,
            number: cache.number(),
            cache,
            bytes: 0,
            file_bytes: 0,
            sums: Box::default(),
            is_damaged: AtomicBool::new(false),
            fetched: AtomicU64::new(0),
        };
        body.file_bytes = body.file.bytes().map_err(|e| body.unreadable(0, &e))?;
        let tail = body.tail()?;
        body.bytes = tail.bytes;
        body.sums = tail.sums;
        Ok((body, tail.footer))
    }

    /// Whether anything that was read since it was opened was not what was written, or could not be read.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }

    /// Blocks that came from the file, and not from the cache, since it was opened.
    #[must_use]
    pub fn fetched(&self) -> u64 {
        self.fetched.load(Ordering::Relaxed)
    }

    /// Name of the file, for messages.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Counts of rows that are kept, of all files of the cache.
    pub(crate) fn tallies(&self) -> &Memory {
        self.cache.tallies()
    }

    /// Keeps what was made ready of the file alive, as long as there is room beside the cache.
    pub(crate) fn hold(&self, bytes: usize, made: Arc<dyn std::any::Any + Send + Sync>) {
        self.cache.hold(bytes, made);
    }

    /// What tests were resolved to, of all files of the cache.
    pub(crate) fn plans(&self) -> &kept::Memory {
        self.cache.plans()
    }

    /// Which file this is, in the cache: no other has this number.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// A number that no file in the cache has.
    pub(crate) fn another_number(&self) -> u64 {
        self.cache.number()
    }

    /// Bytes of header and body.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the whole file.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    /// Bytes `at..at + len`, checked. A slice of a cached block, or a copy where the bytes stand in several.
    ///
    /// # Errors
    ///
    /// When they cannot be read, a checksum does not match, or the body ends before them.
    pub fn read(&self, at: u64, len: usize) -> Result<Bytes, Damaged> {
        let end = at.checked_add(len as u64).filter(|end| *end <= self.bytes);
        let Some(end) = end else {
            return Err(self.damaged(at, format!("{len} bytes asked for behind the end of the body")));
        };
        if len == 0 {
            return Ok(Bytes::new());
        }
        let block = at / BLOCK;
        if (end - 1) / BLOCK == block {
            return self.slice(block, within(at), Some(len));
        }
        let mut whole = Vec::with_capacity(len);
        let mut from = at;
        while from < end {
            let to = end.min((from / BLOCK + 1) * BLOCK);
            let len = usize::try_from(to - from).expect("at most a block");
            whole.extend_from_slice(&self.slice(from / BLOCK, within(from), Some(len))?);
            from = to;
        }
        Ok(Bytes::from(whole))
    }

    /// Bytes from `at` to the end of its block: at least one, for parts that stand one behind the other.
    ///
    /// # Errors
    ///
    /// As [`Body::read`].
    pub fn rest(&self, at: u64) -> Result<Bytes, Damaged> {
        if at >= self.bytes {
            return Err(self.damaged(at, "bytes asked for behind the end of the body"));
        }
        self.slice(at / BLOCK, within(at), None)
    }

    /// `len` bytes at `start` of one block, which has them, or all to its end.
    #[inline]
    fn slice(&self, block: u64, start: usize, len: Option<usize>) -> Result<Bytes, Damaged> {
        if let Some(bytes) = self.cache.slice(self.number, block, start, len) {
            return Ok(bytes);
        }
        self.slice_of_file(block, start, len)
    }

    #[cold]
    fn slice_of_file(&self, block: u64, start: usize, len: Option<usize>) -> Result<Bytes, Damaged> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        let at = block * BLOCK;
        let mut bytes = vec![0; usize::try_from((self.bytes - at).min(BLOCK)).expect("at most a block")];
        self.fill(at, &mut bytes)?;
        self.compare(at, &bytes)?;
        let bytes = Bytes::from(bytes);
        self.cache.put(self.number, block, bytes.clone());
        Ok(bytes.slice(start..len.map_or(bytes.len(), |len| start + len)))
    }

    /// A complaint about bytes of this file, to be given up the stack.
    #[must_use]
    #[cold]
    pub fn damaged(&self, at: u64, what: impl Into<Box<str>>) -> Damaged {
        self.is_damaged.store(true, Ordering::Relaxed);
        Damaged { file: Arc::clone(&self.name), at, what: what.into(), record: None }
    }

    /// Reads the whole file past the cache and checks all of it.
    ///
    /// # Errors
    ///
    /// When anything is not what was written; names the first place.
    pub fn check(&self) -> Result<(), Damaged> {
        let mut first = Ok(());
        self.check_blocks(&mut |_, damaged| {
            if first.is_ok() {
                first = damaged.map_or(Ok(()), Err);
            }
        });
        first
    }

    /// Reads the whole file past the cache and checks all of it. Tells `each` block's bytes and what is wrong with it, first of
    /// all with what stands around the body.
    pub fn check_blocks(&self, each: &mut dyn FnMut(u64, Option<Damaged>)) {
        let around = match self.tail() {
            Ok(tail) if tail.bytes == self.bytes && tail.sums == self.sums => None,
            Ok(_) => Some(self.damaged(self.bytes, "the file was replaced while it was open")),
            Err(damaged) => Some(damaged),
        };
        each(self.file_bytes - self.bytes, around);
        let mut buffer = vec![0; CHECK_BYTES];
        let mut at = 0;
        while at < self.bytes {
            let len = usize::try_from(self.bytes - at).map_or(CHECK_BYTES, |left| left.min(CHECK_BYTES));
            let filled = self.fill(at, &mut buffer[..len]);
            for block in buffer[..len].chunks(BLOCK_BYTES) {
                let checked = filled.clone().and_then(|()| self.compare(at, block));
                each(block.len() as u64, checked.err());
                at += block.len() as u64;
            }
        }
    }

    /// Compares the bytes of the block at `at` with its checksum.
    fn compare(&self, at: u64, bytes: &[u8]) -> Result<(), Damaged> {
        let sum = usize::try_from(at / BLOCK).ok().and_then(|block| self.sums.get(block));
        match sum {
            Some(sum) if *sum == crc32c::crc32c(bytes) => Ok(()),
            Some(_) => Err(self.damaged(at, "its bytes do not match their checksum")),
            None => Err(self.damaged(at, "it has no checksum")),
        }
    }

    fn fill(&self, at: u64, into: &mut [u8]) -> Result<(), Damaged> {
        let mut done = 0;
        while done < into.len() {
            match self.file.read_at(at + done as u64, &mut into[done..]) {
                Ok(0) => {
                    return Err(
                        self.damaged(at + done as u64, "the file ends here; it is shorter than it says")
                    );
                }
                Ok(n) => done += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.unreadable(at + done as u64, &e)),
            }
        }
        Ok(())
    }

    fn unreadable(&self, at: u64, error: &io::Error) -> Damaged {
        self.damaged(at, format!("cannot be read: {error}"))
    }

    /// Reads and checks what stands around the body.
    fn tail(&self) -> Result<Tail, Damaged> {
        let least = (HEADER_BYTES + TRAILER_BYTES) as u64;
        if self.file_bytes < least {
            return Err(self.damaged(0, format!("{} bytes are too few for a segment", self.file_bytes)));
        }
        let mut header = [0; HEADER_BYTES];
        self.fill(0, &mut header)?;
        let (magic, rest) = header.split_at(8);
        if magic != HEADER_MAGIC {
            return Err(self.damaged(0, "it does not begin as a segment does"));
        }
        if le_u32(rest) != crate::meta::VERSION {
            let what =
                format!("it is of version {}; this program reads {}", le_u32(rest), crate::meta::VERSION);
            return Err(self.damaged(8, what));
        }
        if u64::from(le_u32(&rest[4..])) != BLOCK {
            return Err(
                self.damaged(12, format!("its blocks have {} bytes, not {BLOCK}", le_u32(&rest[4..])))
            );
        }

        let trailer_at = self.file_bytes - TRAILER_BYTES as u64;
        let mut trailer = [0; TRAILER_BYTES];
        self.fill(trailer_at, &mut trailer)?;
        if &trailer[16..] != TRAILER_MAGIC {
            return Err(self.damaged(trailer_at, "it does not end as a segment does"));
        }
        let bytes = le_u64(&trailer);
        let footer_bytes = u64::from(le_u32(&trailer[8..]));
        let blocks = bytes.div_ceil(BLOCK);
        let fits = footer_bytes <= FOOTER_BYTES_MAX
            && blocks <= BLOCKS_MAX
            && bytes >= HEADER_BYTES as u64
            && bytes.checked_add(footer_bytes).and_then(|end| end.checked_add(blocks * 4))
                == Some(trailer_at);
        if !fits {
            return Err(self.damaged(trailer_at, "its parts do not add up to the file"));
        }
        let len =
            usize::try_from(trailer_at - bytes).map_err(|_| self.damaged(bytes, "its footer is too long"))?;
        let mut footer = vec![0; len];
        self.fill(bytes, &mut footer)?;
        if crc32c::crc32c(&footer) != le_u32(&trailer[12..]) {
            return Err(self.damaged(bytes, "its footer does not match its checksum"));
        }
        let at = usize::try_from(footer_bytes).expect("shorter than the whole, which was read");
        let sums = footer[at..].chunks_exact(4).map(le_u32).collect();
        footer.truncate(at);
        Ok(Tail { bytes, footer, sums })
    }
}

fn within(at: u64) -> usize {
    usize::try_from(at % BLOCK).expect("less than a block")
}

fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(*bytes.first_chunk().expect("callers give four bytes"))
}

fn le_u64(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(*bytes.first_chunk().expect("callers give eight bytes"))
}

#[cfg(test)]
pub(crate) mod tests;
