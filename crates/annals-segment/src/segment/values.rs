//! Values that were read a moment ago.
//!
//! Rows near each other, and rows that one question finds, share most of their values. Looking one up in its dictionary takes
//! a few reads through the cache of blocks; here it takes one look into a table of fixed size, where a newer value takes the
//! place of an older one.
//!
//! Values that rows do not share, ids say, stand in their dictionary in the order of rows. So a value asked for next to the one
//! asked for before brings all 128 of its page.

use crate::Damaged;
use crate::body::Body;
use crate::numbers::UNIT;
use crate::values::{Near, Values};

/// Entries of the table.
const ENTRIES: usize = 2_048;

/// Bytes of all values in the table; when there are more, it begins anew.
const BYTES_MAX: usize = 1 << 17;

/// Longer values are not kept: they are rare, and seldom repeat.
const VALUE_BYTES_MAX: usize = 256;

/// Pages with more bytes are not kept, and no page of their column is read any more.
const PAGE_BYTES_MAX: usize = 32_768;

/// How far apart the ordinals are of values that are next to each other.
const NEAR: u64 = 2;

/// No value has this key, and no page this number: columns are few, and so are values.
const NOTHING: u64 = u64::MAX;

/// See the module.
pub(super) struct Recent {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

/// A value in [`Recent::bytes`].
#[derive(Clone, Copy)]
struct Entry {
    key: u64,
    start: u32,
    len: u32,
}

impl Entry {
    const EMPTY: Entry = Entry { key: NOTHING, start: 0, len: 0 };
}

/// A page of a column's values.
pub(super) struct Page {
    asked: u64,
    page: u64,
    long: bool,
    ends: Vec<u32>,
    bytes: Vec<u8>,
    /// For values of other pages. Made when there is one.
    near: Option<Box<Near>>,
}

impl Page {
    pub(super) const fn new() -> Page {
        Page { asked: NOTHING, page: NOTHING, long: false, ends: Vec::new(), bytes: Vec::new(), near: None }
    }

    /// Appends a value.
    #[inline]
    fn get(&mut self, values: &Values, body: &Body, ordinal: u64, into: &mut Vec<u8>) -> Result<(), Damaged> {
        let page = ordinal / UNIT;
        if self.page != page {
            let near = self.asked.abs_diff(ordinal) <= NEAR;
            self.asked = ordinal;
            if !near || self.long || !self.load(values, body, page)? {
                return values.get_near(self.near.get_or_insert_default(), body, ordinal, into);
            }
        }
        let at = usize::try_from(ordinal % UNIT).expect("below 128");
        let Some(&end) = self.ends.get(at) else { return values.get(body, ordinal, into) };
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        into.extend_from_slice(&self.bytes[start as usize..end as usize]);
        Ok(())
    }

    /// Reads a page; says whether it is kept.
    #[inline(never)]
    fn load(&mut self, values: &Values, body: &Body, page: u64) -> Result<bool, Damaged> {
        self.page = NOTHING;
        self.ends.clear();
        self.bytes.clear();
        let end = values.len().min((page + 1) * UNIT);
        values.each(body, page * UNIT..end, |_, value| {
            if self.bytes.len() + value.len() > PAGE_BYTES_MAX {
                self.long = true;
            } else {
                self.bytes.extend_from_slice(value);
                self.ends.push(u32::try_from(self.bytes.len()).expect("a page is short"));
            }
            Ok(())
        })?;
        if self.long {
            (self.ends, self.bytes) = (Vec::new(), Vec::new());
        } else {
            self.page = page;
        }
        Ok(!self.long)
    }
}

impl Recent {
    pub(super) const fn new() -> Recent {
        Recent { entries: Vec::new(), bytes: Vec::new() }
    }

    /// Appends a value of the column that `key` stands for, less than 2^32.
    #[inline]
    pub(super) fn get(
        &mut self,
        key: u64,
        page: &mut Page,
        values: &Values,
        body: &Body,
        ordinal: u32,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        if page.page == u64::from(ordinal) / UNIT {
            return page.get(values, body, u64::from(ordinal), into);
        }
        if self.entries.is_empty() {
            self.entries = vec![Entry::EMPTY; ENTRIES];
        }
        let key = key << 32 | u64::from(ordinal);
        // A multiplicative hash: its high bits depend on all bits of the key.
        let at = usize::try_from(key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - ENTRIES.trailing_zeros()))
            .expect("less than the entries");
        let entry = self.entries[at];
        if entry.key == key {
            let start = entry.start as usize;
            into.extend_from_slice(&self.bytes[start..start + entry.len as usize]);
            return Ok(());
        }
        let start = into.len();
        page.get(values, body, u64::from(ordinal), into)?;
        let value = &into[start..];
        // What came with its page is there already.
        if value.len() <= VALUE_BYTES_MAX && page.page != u64::from(ordinal) / UNIT {
            if self.bytes.len() + value.len() > BYTES_MAX {
                self.entries.fill(Entry::EMPTY);
                self.bytes.clear();
            }
            let narrow = |n: usize| u32::try_from(n).expect("the table's bytes are few");
            self.entries[at] = Entry { key, start: narrow(self.bytes.len()), len: narrow(value.len()) };
            self.bytes.extend_from_slice(value);
        }
        Ok(())
    }
}
