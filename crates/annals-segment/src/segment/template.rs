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
        // All of them, as most name none, and many bytes at a time are quicker than one by one.
        if into[mark..].iter().fold(true, |plain, byte| plain & (*byte >= REFS_END)) {
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
        let tables = &self.segment.footer().tables;
        let refs = &tables[0].columns[column].refs;
        let named = usize::from(byte).checked_sub(1).and_then(|at| refs.get(at));
        let named = named.map(|named| (named.table as usize, named.column as usize));
        // Neither of the two names another, or this would not have to end.
        let named = named.and_then(|(table, column)| {
            let data = tables.get(table)?;
            let is_plain = data.columns.get(column).is_some_and(|column| column.refs.is_empty());
            (is_plain && (table == 0 || data.parent == Some(0))).then_some((table, column, data.of))
        });
        let Some((table, column, of)) = named else { return Err(self.names_none()) };
        let instance = if table == 0 {
            row
        } else {
            let Some(place) = self.place(0, Part::Table(table), row)? else { return Err(self.names_none()) };
            match of {
                Of::Elements => {
                    let elements = self.children_of_nth(table, place)?;
                    if elements.is_empty() {
                        return Err(self.names_none());
                    }
                    elements.start
                }
                Of::Objects | Of::Rows => place,
            }
        };
        self.leaf(table, column, instance, into)
    }

    #[cold]
    fn names_none(&self) -> Damaged {
        self.segment.malformed("a value that names none")
    }
}
