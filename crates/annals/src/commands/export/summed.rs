//! Counting and hashing what is written.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    /// In hexadecimal digits.
    pub(super) sha256: String,
}

/// Passes on what is written, and knows its sum.
pub(super) struct Summed<W> {
    out: W,
    bytes: u64,
    hash: Sha256,
}

impl<W> Summed<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, bytes: 0, hash: Sha256::new() }
    }

    pub(super) fn out(&self) -> &W {
        &self.out
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn sum(&self) -> Sum {
        Sum { bytes: self.bytes, sha256: hexadecimal(self.hash.clone()) }
    }

    /// What stands before `out` already.
    pub(super) fn add(&mut self, mut before: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match before.read(&mut buffer)? {
                0 => return Ok(()),
                read => {
                    self.hash.update(&buffer[..read]);
                    self.bytes += read as u64;
                }
            }
        }
    }
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The digits of a hash.
pub(super) fn hexadecimal(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
