//! Collecting words of values.

use std::io;

use annals_event::filter::each_word;

use crate::body::Writer;
use crate::hashes::{HashIndex, hash};
use crate::meta::Words;
use crate::numbers::Numbers;
use crate::skeleton::unescape;

/// Which values hold which words. Words are known by their hashes alone: two with the same hash share a list, and whoever finds
/// a value looks into it anyway.
#[derive(Debug)]
pub(crate) struct WordLists {
    seed: u64,
    /// Values numbered so far, over all columns.
    values: u64,
    /// By hash: see [`WordLists::list_of`].
    places: Vec<(u64, u32)>,
    /// By list: its word's hash, how long it is, and the value it was grown for last, plus one.
    lists: Vec<(u64, u32, u32)>,
    /// See [`Pairs`].
    pairs: Pairs,
}

/// Lists and the values that are in them, in the order of values: how far a value is behind the one before, with [`NEXT`], then the
/// numbers of its lists. A merge of a million rows has ten million of them, so they take four bytes each, and no copy is made
/// when there are more.
#[derive(Debug, Default)]
struct Pairs {
    chunks: Vec<Vec<u32>>,
    /// The last value.
    value: u32,
    count: usize,
}

/// Marks a step to another value.
const NEXT: u32 = 1 << 31;

impl Pairs {
    /// Numbers of a chunk.
    const CHUNK: usize = 1 << 16;

    fn push(&mut self, list: u32, value: u32) {
        if self.count == 0 || self.value != value {
            let mut step = value - self.value;
            while step >= NEXT {
                self.put(NEXT | (NEXT - 1));
                step -= NEXT - 1;
            }
            self.put(NEXT | step);
            self.value = value;
        }
        assert!(list < NEXT, "fewer words than bytes");
        self.put(list);
        self.count += 1;
    }

    fn put(&mut self, number: u32) {
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < Self::CHUNK => chunk.push(number),
            _ => {
                let mut chunk = Vec::with_capacity(Self::CHUNK);
                chunk.push(number);
                self.chunks.push(chunk);
            }
        }
    }

    /// Gives each pair, and lets go of what was given.
    fn each(self, mut each: impl FnMut(u32, u32)) {
        let mut value = 0;
        for number in self.chunks.into_iter().flatten() {
            if number >= NEXT {
                value += number - NEXT;
            } else {
                each(number, value);
            }
        }
    }
}

impl WordLists {
    const PLACES_MIN: usize = 1 << 10;

    /// No words yet.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            values: 0,
            places: vec![(0, u32::MAX); Self::PLACES_MIN],
            lists: Vec::new(),
            pairs: Pairs::default(),
        }
    }

    /// Adds the values of a column, as they stand escaped in events, those left out whose words are not indexed; returns the
    /// number of its first value.
    pub(crate) fn add<'v>(&mut self, values: impl Iterator<Item = Option<&'v [u8]>>) -> u64 {
        let first = self.values;
        for value in values {
            let number = u32::try_from(self.values).expect("fewer values than leaves");
            self.values += 1;
            let Some(value) = value else { continue };
            // Canonical events are UTF-8, so are their strings.
            if let Ok(text) = str::from_utf8(&unescape(value)) {
                each_word(text, &mut |word| self.found(hash(self.seed, word.as_bytes()), number));
            }
        }
        first
    }

    #[inline]
    fn found(&mut self, hash: u64, value: u32) {
        let list = self.list_of(hash);
        let (_, len, last) = &mut self.lists[list as usize];
        if *last != value + 1 {
            *last = value + 1;
            *len += 1;
            self.pairs.push(list, value);
        }
    }

    /// The list of the word with this hash; a new one for a new word.
    #[inline]
    fn list_of(&mut self, hash: u64) -> u32 {
        let mask = self.places.len() - 1;
        let mut at = start(hash) & mask;
        loop {
            let (other, list) = self.places[at];
            if list == u32::MAX {
                break;
            }
            if other == hash {
                return list;
            }
            at = (at + 1) & mask;
        }
        let list = u32::try_from(self.lists.len()).expect("fewer words than bytes");
        self.places[at] = (hash, list);
        self.lists.push((hash, 0, 0));
        if self.lists.len() * 2 > self.places.len() {
            self.grow();
        }
        list
    }

    #[cold]
    fn grow(&mut self) {
        let places = self.places.len() * 4;
        let mask = places - 1;
        self.places.clear();
        self.places.resize(places, (0, u32::MAX));
        for (list, (hash, _, _)) in self.lists.iter().enumerate() {
            let mut at = start(*hash) & mask;
            while self.places[at].1 != u32::MAX {
                at = (at + 1) & mask;
            }
            self.places[at] = (*hash, u32::try_from(list).expect("numbers are 32 bits"));
        }
    }

    /// Writes all lists. They stand in the order of their words' hashes, so that the index needs no numbers.
    pub(crate) fn write<W: io::Write>(self, out: &mut Writer<W>) -> io::Result<Words> {
        let Self { lists, pairs, places, .. } = self;
        drop(places);
        let mut order: Vec<u32> = (0..u32::try_from(lists.len()).expect("numbers are 32 bits")).collect();
        order.sort_unstable_by_key(|list| lists[*list as usize].0);
        let mut starts = Vec::with_capacity(lists.len() + 1);
        let mut ends = vec![0_usize; lists.len()];
        let mut hashes = Vec::with_capacity(lists.len());
        let mut all = 0;
        for list in order {
            let (hash, len, _) = lists[list as usize];
            hashes.push(hash);
            starts.push(all);
            ends[list as usize] = usize::try_from(all).expect("as many pairs are in memory");
            all += u64::from(len);
        }
        starts.push(all);
        drop(lists);
        let mut values = vec![0_u32; pairs.count];
        pairs.each(|list, value| {
            let end = &mut ends[list as usize];
            values[*end] = value;
            *end += 1;
        });
        drop(ends);
        let index = HashIndex::write(&hashes, out)?;
        drop(hashes);
        let starts = Numbers::write(&starts, out)?;
        let lists = Numbers::write(&values, out)?;
        Ok(Words { index, starts, lists })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "where a word starts to look")]
fn start(hash: u64) -> usize {
    hash as usize
}
