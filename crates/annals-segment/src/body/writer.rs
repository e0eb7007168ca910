//! Writing a file: regions one behind the other, checksums of blocks on the way.

use std::io;

use super::{BLOCK, BLOCK_BYTES, HEADER_MAGIC, PADDING_BYTES, TRAILER_MAGIC};
use crate::meta::VERSION;

/// Writes a segment from front to back. Holds one block in memory, and 4 bytes for each that is written.
pub struct Writer<W> {
    out: W,
    /// The block that is not yet full.
    block: Vec<u8>,
    sums: Vec<u32>,
}

impl<W: io::Write> Writer<W> {
    /// Begins a file.
    pub fn new(out: W) -> Self {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        block.extend_from_slice(HEADER_MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&u32::try_from(BLOCK).expect("16 Ki").to_le_bytes());
        Self { out, block, sums: Vec::new() }
    }

    /// The offset at which the next bytes will stand.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.sums.len() as u64 * BLOCK + self.block.len() as u64
    }

    /// Writes bytes, and says at which offset they begin.
    ///
    /// # Errors
    ///
    /// What the writer underneath says.
    pub fn put(&mut self, mut bytes: &[u8]) -> io::Result<u64> {
        let at = self.at();
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.block.len();
            if self.block.is_empty() && bytes.len() >= BLOCK_BYTES {
                let (block, rest) = bytes.split_at(BLOCK_BYTES);
                self.sums.push(crc32c::crc32c(block));
                self.out.write_all(block)?;
                bytes = rest;
                continue;
            }
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() == BLOCK_BYTES {
                self.end_block()?;
            }
        }
        Ok(at)
    }

    /// Writes zeros until the offset is a multiple of `bytes`.
    ///
    /// # Errors
    ///
    /// What the writer underneath says.
    pub fn align(&mut self, bytes: u64) -> io::Result<u64> {
        while !self.at().is_multiple_of(bytes) {
            self.put(&[0])?;
        }
        Ok(self.at())
    }

    /// Ends the file with its footer. Gives the writer underneath, flushed, and the bytes of the file.
    ///
    /// # Errors
    ///
    /// What the writer underneath says; and when the footer is too long.
    pub fn finish(mut self, footer: &[u8]) -> io::Result<(W, u64)> {
        self.put(&[0; PADDING_BYTES])?;
        let bytes = self.at();
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let too_long = |_| io::Error::other("the footer of a segment is too long");
        let footer_bytes = u32::try_from(footer.len()).map_err(too_long)?;
        let mut tail = footer.to_vec();
        for sum in &self.sums {
            tail.extend_from_slice(&sum.to_le_bytes());
        }
        let sum = crc32c::crc32c(&tail);
        tail.extend_from_slice(&bytes.to_le_bytes());
        tail.extend_from_slice(&footer_bytes.to_le_bytes());
        tail.extend_from_slice(&sum.to_le_bytes());
        tail.extend_from_slice(TRAILER_MAGIC);
        self.out.write_all(&tail)?;
        self.out.flush()?;
        Ok((self.out, bytes + tail.len() as u64))
    }

    fn end_block(&mut self) -> io::Result<()> {
        self.sums.push(crc32c::crc32c(&self.block));
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}
