//! What a tail remembers of the values of members that were counted: a number for each record's value, so that counting by the
//! same member again does not read the events again.
//!
//! A column is made while records are counted first, and only for those that are. What does not fit into it, records with several
//! values and values beyond the first [`VALUES_MAX`], is read from the events each time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use annals_event::filter::{Path, Walker};

/// Members that are remembered. Each takes 2 bytes a record, and its values.
pub(crate) const COLUMNS_MAX: usize = 8;

/// Most values of a member that are remembered, and most bytes of them.
const VALUES_MAX: usize = 4_096;
const VALUE_BYTES_MAX: usize = 256 << 10;

/// No record with this number was counted yet.
const UNSEEN: u16 = u16::MAX;
/// Its values are to be read from the event.
pub(crate) const UNKEPT: u16 = u16::MAX - 1;
/// It has none.
pub(crate) const MISSING: u16 = 0;
const _: () = assert!(VALUES_MAX < UNKEPT as usize);

/// The columns of a tail.
#[derive(Default)]
pub(crate) struct Columns(Mutex<Kept>);

/// See [`Columns`].
#[derive(Default)]
pub(crate) struct Kept {
    columns: Vec<Column>,
    /// Rises with each use.
    uses: u64,
}

/// The values of one member.
pub(crate) struct Column {
    path: Path,
    walker: Walker,
    /// For each record, by its ledger number from the tail's first on: one more than the index of its value, or one of the above.
    ids: Vec<u16>,
    texts: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, u16>,
    bytes: usize,
    used: u64,
}

impl Columns {
    /// The columns, for one who counts.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Kept {
    /// The index of a member's column, which is made where there is none, in the place of the one that was not used for longest.
    /// Indexes hold until more than [`COLUMNS_MAX`] others were asked for.
    pub(crate) fn index(&mut self, path: &Path) -> usize {
        self.uses += 1;
        let index = self.columns.iter().position(|column| column.path == *path).unwrap_or_else(|| {
            let made = Column::new(path);
            if self.columns.len() < COLUMNS_MAX {
                self.columns.push(made);
                return self.columns.len() - 1;
            }
            let oldest = self.columns.iter().enumerate().min_by_key(|(_, column)| column.used);
            let index = oldest.map(|(index, _)| index).expect("there are some");
            self.columns[index] = made;
            index
        });
        self.columns[index].used = self.uses;
        index
    }

    /// A column by its index.
    pub(crate) fn column(&mut self, index: usize) -> &mut Column {
        &mut self.columns[index]
    }
}

impl Column {
    fn new(path: &Path) -> Self {
        Self {
            path: path.clone(),
            walker: Walker::new(path),
            ids: Vec::new(),
            texts: Vec::new(),
            numbers: BTreeMap::new(),
            bytes: 0,
            used: 0,
        }
    }

    /// What stands for a record's values, if it was counted before.
    #[inline]
    pub(crate) fn seen(&self, place: usize) -> Option<u16> {
        self.ids.get(place).copied().filter(|id| *id != UNSEEN)
    }

    /// Reads a record's values and gives what stands for them from now on.
    pub(crate) fn see(&mut self, place: usize, canonical: &[u8]) -> u16 {
        let mut one: Option<&[u8]> = None;
        let mut several = false;
        self.walker.each(canonical, &mut |token| {
            if is_value(token) {
                several |= one.is_some_and(|one| one != token);
                one = Some(token);
            }
        });
        let id = match one {
            None => MISSING,
            Some(_) if several => UNKEPT,
            Some(token) => self.number(token),
        };
        if self.ids.len() <= place {
            self.ids.resize(place + 1, UNSEEN);
        }
        self.ids[place] = id;
        id
    }

    fn number(&mut self, token: &[u8]) -> u16 {
        let Ok(text) = str::from_utf8(token) else { return UNKEPT };
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        if self.texts.len() == VALUES_MAX || self.bytes + text.len() > VALUE_BYTES_MAX {
            return UNKEPT;
        }
        self.bytes += text.len();
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        let number = u16::try_from(self.texts.len()).expect("values are far fewer");
        self.numbers.insert(text, number);
        number
    }

    /// Reads values of what does not fit in here.
    pub(crate) fn walker(&self) -> &Walker {
        &self.walker
    }

    /// The values that have numbers: 1, 2 and so on.
    pub(crate) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }
}

/// Whether a token is a value that is counted: no `null` and no object.
pub(crate) fn is_value(token: &[u8]) -> bool {
    !matches!(token.first(), None | Some(b'n' | b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_have_the_values_that_their_events_have() {
        let mut kept = Kept::default();
        let index = kept.index(&Path::new(&["a"]));
        let column = kept.column(index);
        assert_eq!(column.seen(3), None);
        let one = column.see(3, br#"{"a":["x","x",null]}"#);
        assert_eq!(&*column.texts()[usize::from(one) - 1], "\"x\"");
        assert_eq!((column.seen(2), column.seen(3)), (None, Some(one)));
        assert_eq!(column.see(0, br#"{"a":"x"}"#), one);
        assert_eq!(column.see(1, br#"{"a":["x",5]}"#), UNKEPT);
        assert_eq!(column.see(2, br#"{"a":{"x":1},"b":1}"#), MISSING);
        for n in 0..VALUES_MAX + 5 {
            let id = column.see(4 + n, format!(r#"{{"a":{n}}}"#).as_bytes());
            assert_eq!(id == UNKEPT, n >= VALUES_MAX - 1, "{n}");
        }
    }

    #[test]
    fn the_column_that_was_not_used_for_longest_goes() {
        let mut kept = Kept::default();
        let path = |n: usize| Path::new(&[&format!("m{n}")]);
        for n in 0..COLUMNS_MAX {
            assert_eq!(kept.index(&path(n)), n);
        }
        kept.column(1).see(0, br#"{"m1":true}"#);
        assert_eq!((kept.index(&path(0)), kept.index(&path(COLUMNS_MAX))), (0, 1));
        assert_eq!(kept.column(1).seen(0), None);
        assert_eq!(kept.index(&path(1)), 2);
    }
}
