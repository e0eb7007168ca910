//! Refusing while the disk still has a reserve.

use std::io;

use crate::Disk;

/// Free space is asked for after this many bytes at the latest.
const CHECK_BYTES: u64 = 8 << 20;

/// How much may be written before the disk is asked again.
#[derive(Debug)]
pub(super) struct Space {
    reserve_bytes: u64,
    allowance_bytes: u64,
}

impl Space {
    pub(super) fn new(reserve_bytes: u64) -> Self {
        Self { reserve_bytes, allowance_bytes: 0 }
    }

    pub(super) fn reserve_bytes(&self) -> u64 {
        self.reserve_bytes
    }

    /// Whether `bytes` more leave the reserve free, as far as was known [`CHECK_BYTES`] ago.
    pub(super) fn grants(&mut self, bytes: u64, disk: &dyn Disk) -> io::Result<bool> {
        if self.reserve_bytes == 0 {
            return Ok(true);
        }
        if bytes > self.allowance_bytes {
            let above_reserve = disk.free_bytes()?.saturating_sub(self.reserve_bytes);
            if bytes > above_reserve {
                self.allowance_bytes = 0;
                return Ok(false);
            }
            self.allowance_bytes = above_reserve.min(CHECK_BYTES.max(bytes));
        }
        self.allowance_bytes -= bytes;
        Ok(true)
    }

    /// The disk was found full: ask again before the next write.
    pub(super) fn exhausted(&mut self) {
        self.allowance_bytes = 0;
    }
}
