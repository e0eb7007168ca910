//! Values in which other values of the same event stand, see [`Column::refs`](crate::meta::Column::refs).

use super::{Part, Reader};
use crate::Damaged;
use crate::meta::Of;

/// Bytes of a value below this stand for other columns' values.
const REFS_END: u8 = 0x20;

impl Reader {
    /// What `into` holds from `mark` is a value of a column of the root: puts the values it names in their places.
    pub(super) fn put_in(
        &mut self,
        (table, column): (usize, usize),
        row: u64,
        mark: usize,
        into: &mut Vec<u8>,
    ) -> Result<(), Damaged> {
        if into[mark..].iter().all(|byte| *byte >= REFS_END) {
            return Ok(());
        }
        if table != 0 {
            return Err(self.segment.malformed("a value that names others, but not of the root"));
        }
        // What is read on the way names nothing, so this is taken once at a time.
        let mut text = std::mem::take(&mut self.text);
        text.clear();
        text.extend_from_slice(&into[mark..]);
        into.truncate(mark);
        let mut done = Ok(());
        for part in text.split_inclusive(|byte| *byte < REFS_END) {
            match part.split_last() {
                Some((named, before)) if *named < REFS_END => {
                    into.extend_from_slice(before);
                    done = done.and_then(|()| self.named(column, row, *named, into));
                }
                _ => into.extend_from_slice(part),
            }
        }
        self.text = text;
        done
    }

    /// Appends the value that a byte of a value of this column stands for.
    fn named(&mut self, column: usize, row: u64, byte: u8, into: &mut Vec<u8>) -> Result<(), Damaged> {
        let segment = self.segment.clone();
        let tables = &segment.footer().tables;
        let malformed = || segment.malformed("a value that names none");
        let refs = &tables[0].columns[column].refs;
        let named = usize::from(byte).checked_sub(1).and_then(|at| refs.get(at)).ok_or_else(malformed)?;
        let (table, column) = (named.table as usize, named.column as usize);
        let data = tables.get(table).ok_or_else(malformed)?;
        // Neither of the two names another, or this would not have to end.
        let plain = data.columns.get(column).is_some_and(|column| column.refs.is_empty());
        if !plain || (table != 0 && data.parent != Some(0)) {
            return Err(malformed());
        }
        let instance = if table == 0 {
            row
        } else {
            let place = self.place(0, Part::Table(table), row)?.ok_or_else(malformed)?;
            match data.of {
                Of::Elements => {
                    let elements = self.children_of_nth(table, place)?;
                    if elements.is_empty() {
                        return Err(malformed());
                    }
                    elements.start
                }
                Of::Objects | Of::Rows => place,
            }
        };
        self.leaf(table, column, instance, into)
    }
}
