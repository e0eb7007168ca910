//! Values that were read a moment ago.
//!
//! Rows near each other, and rows that one question finds, share most of their values. Looking one up in its dictionary takes
//! a few reads through the cache of blocks; here it takes one look into a table of fixed size, where a newer value takes the
//! place of an older one.

/// Entries of the table.
const ENTRIES: usize = 2_048;

/// Longer values are not kept: they are rare, and seldom repeat.
const VALUE_BYTES_MAX: usize = 256;

/// No value has this key: columns and tables are few.
const NOTHING: u64 = u64::MAX;

/// See the module.
pub(super) struct Recent {
    keys: Vec<u64>,
    values: Vec<Vec<u8>>,
}

impl Recent {
    pub(super) fn new() -> Recent {
        Recent { keys: Vec::new(), values: Vec::new() }
    }

    /// Appends the value of a key, reading it with `read` if it was not read a moment ago.
    pub(super) fn get<E>(
        &mut self,
        column: u64,
        ordinal: u32,
        into: &mut Vec<u8>,
        read: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.keys.is_empty() {
            self.keys = vec![NOTHING; ENTRIES];
            self.values.resize_with(ENTRIES, Vec::new);
        }
        let key = column << 32 | u64::from(ordinal);
        // A multiplicative hash: its high bits depend on all bits of the key.
        let slot =
            usize::try_from(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - ENTRIES.trailing_zeros()))
                .expect("less than the entries");
        if self.keys[slot] == key {
            into.extend_from_slice(&self.values[slot]);
            return Ok(());
        }
        let start = into.len();
        read(into)?;
        let value = &into[start..];
        if value.len() <= VALUE_BYTES_MAX {
            self.keys[slot] = key;
            self.values[slot].clear();
            self.values[slot].extend_from_slice(value);
        }
        Ok(())
    }
}
