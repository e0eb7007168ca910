//! Which texts have a phrase.

use std::ops::Range;

use annals_event::filter::{Phrase, each_word};

use super::node::{HappenedTest, Leaf, Node};
use super::resolve::{Resolve, Scope};
use super::set::Set;
use super::sieve::Sieve;
use super::templates::parts;
use super::texts::{Fixed, TIME, UUID};
use crate::Damaged;
use crate::hashes::hash;
use crate::meta::{Column, LeafKind};
use crate::values::{Near, Values};

/// Two words whose hashes differ in these bits never stand behind the same entry of an index: it compares these and more.
const COMPARED_BITS: u32 = 16;

impl Resolve<'_> {
    pub(super) fn phrase(&mut self, phrase: &Phrase, scope: &Scope) -> Result<Node, Damaged> {
        let segment = self.segment;
        let values = self.values_with(phrase)?;
        let mut nodes = Vec::new();
        for (table, of) in segment.footer().tables.iter().enumerate() {
            if !scope.under[table] {
                continue;
            }
            for (column, leaves) in of.columns.iter().enumerate() {
                if leaves.kind != LeafKind::Text || !is_within(scope, &of.path, &leaves.path) {
                    continue;
                }
                if let Some(first) = leaves.words {
                    let end = first.saturating_add(leaves.values.len());
                    let from = values.partition_point(|value| *value < first);
                    let to = values.partition_point(|value| *value < end);
                    let ordinals: Result<Vec<u32>, Damaged> =
                        values[from..to].iter().map(|value| segment.small(value - first)).collect();
                    let set = Set::of(&ordinals?, leaves.values.len());
                    nodes.extend(set.map(|set| Node::Leaf(Leaf::Column { table, column, set })));
                    let set = self.mixed(leaves, phrase)?;
                    nodes.extend(set.map(|set| Node::Leaf(Leaf::Column { table, column, set })));
                    if !leaves.refs.is_empty() {
                        nodes.extend(self.template_words(table, column, leaves, phrase, scope)?);
                    }
                } else if matches!(leaves.values, Values::Happened { .. }) {
                    let test = Fixed::of(&TIME, phrase).map(HappenedTest::Words);
                    nodes.extend(test.map(|test| Node::Leaf(Leaf::Happened { column, test })));
                } else if let Some(set) = self.unlisted(leaves, phrase)? {
                    nodes.push(Node::Leaf(Leaf::Column { table, column, set }));
                }
            }
            if scope.has_raw(segment, table) && is_within(scope, &of.path, &[]) {
                nodes.push(self.raw_words(table, phrase));
            }
        }
        Ok(Node::any(nodes))
    }

    /// Values, numbered over all columns whose words are indexed, that have the phrase.
    fn values_with(&mut self, phrase: &Phrase) -> Result<Vec<u64>, Damaged> {
        let mut lists = Vec::new();
        for word in phrase.words() {
            let list = self.values_with_word(word)?;
            if list.is_empty() {
                return Ok(list);
            }
            lists.push(list);
        }
        lists.sort_by_key(Vec::len);
        let mut lists = lists.into_iter();
        let Some(mut found) = lists.next() else { return Ok(Vec::new()) };
        for list in lists {
            intersect(&mut found, &list);
        }
        if phrase.words().len() > 1 {
            self.keep(&mut found, &|text| phrase.occurs_in(text))?;
        }
        Ok(found)
    }

    /// Values that have the word, rising.
    fn values_with_word(&mut self, word: &str) -> Result<Vec<u64>, Damaged> {
        let segment = self.segment;
        let (body, words) = (segment.body(), &segment.footer().words);
        let own = hash(segment.footer().seed, word.as_bytes());
        let mut all = Vec::new();
        for entry in words.index.candidates(body, own)? {
            let list: Range<u64> = words.starts.span(body, entry)?;
            // Whose list it is its first value says, which has the list's word: this one, unless it has none that could be
            // behind this entry, or another one that could be too.
            let (mut has, mut has_other) = (false, false);
            let mut values = Vec::new();
            if list.start == list.end {
                continue;
            }
            let first = words.lists.get(body, list.start)?;
            self.text(first, &mut |text| {
                each_word(text, &mut |other| {
                    let is_own = other == word;
                    has |= is_own;
                    let near =
                        (hash(segment.footer().seed, other.as_bytes()) ^ own) >> (64 - COMPARED_BITS) == 0;
                    has_other |= near && !is_own;
                });
            })?;
            if !has && !has_other {
                return Err(segment.malformed("a list of texts whose first does not have the word"));
            }
            if !has {
                continue;
            }
            words.lists.range(body, list, &mut values)?;
            if !has_other {
                return Ok(values);
            }
            self.keep(&mut values, &|text| has_word(text, word))?;
            all.append(&mut values);
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// Keeps the values of which some part passes.
    fn keep(&mut self, values: &mut Vec<u64>, passes: &dyn Fn(&str) -> bool) -> Result<(), Damaged> {
        let mut failed = None;
        values.retain(|value| {
            let mut kept = false;
            if failed.is_none()
                && let Err(error) = self.text(*value, &mut |text| kept |= passes(text))
            {
                failed = Some(error);
            }
            kept
        });
        failed.map_or(Ok(()), Err)
    }

    /// Shows the text of a value of the numbering over all columns, part by part where it has gaps.
    fn text(&mut self, value: u64, see: &mut dyn FnMut(&str)) -> Result<(), Damaged> {
        let segment = self.segment;
        let tables = &segment.footer().tables;
        let listed = self.listed.get_or_insert_with(|| {
            let columns = tables.iter().enumerate().flat_map(|(table, of)| {
                let firsts = of.columns.iter().enumerate().map(move |(at, column)| (column.words, table, at));
                firsts.filter_map(|(first, table, at)| Some((first?, table, at)))
            });
            // Columns without values begin where others do.
            let mut listed: Vec<_> =
                columns.filter(|(_, table, at)| !tables[*table].columns[*at].values.is_empty()).collect();
            listed.sort_unstable();
            listed
        });
        let at = listed.partition_point(|(first, ..)| *first <= value);
        let of = at.checked_sub(1).map(|at| listed[at]);
        let of = of.map(|(first, table, at)| (first, &tables[table].columns[at]));
        let of = of.filter(|(first, column)| value - first < column.values.len());
        let (first, column) = of.ok_or_else(|| segment.malformed("a text that no column has"))?;
        self.text.clear();
        if self.near.as_ref().is_none_or(|(of, _)| *of != first) {
            self.near = Some((first, Near::default()));
        }
        let (_, near) = self.near.as_mut().expect("set above");
        column.values.get_near(near, segment.body(), value - first, &mut self.text)?;
        let text = str::from_utf8(&self.text).map_err(|_| segment.malformed("a value that is no text"))?;
        parts(text).for_each(|part| see(&part));
        Ok(())
    }

    /// Which values of a column whose words are not indexed have a phrase.
    fn unlisted(&mut self, column: &Column, phrase: &Phrase) -> Result<Option<Set>, Damaged> {
        let words = || phrase.words();
        match &column.values {
            Values::Uuid { .. } => {
                let Some(fixed) = Fixed::of(&UUID, phrase) else { return Ok(None) };
                match fixed.whole_uuid() {
                    Some(uuid) => self.one(column, uuid.as_bytes()),
                    None => self.passing(column, &Sieve::Open, |text| fixed.is_in(text.as_bytes())),
                }
            }
            Values::Times { .. } => {
                let Some(fixed) = Fixed::of(&TIME, phrase) else { return Ok(None) };
                self.passing(column, &Sieve::Open, |text| fixed.is_in(text.as_bytes()))
            }
            Values::Ints { .. } => match (words().next(), words().len()) {
                // All digits, which are one word.
                (Some(word), 1) if word.bytes().all(|byte| byte.is_ascii_digit()) => {
                    self.one(column, word.as_bytes())
                }
                _ => Ok(None),
            },
            Values::Hex { prefix, digits, .. } if prefix.is_ascii() && !prefix.contains('\\') => {
                self.hex(column, prefix, *digits, phrase)
            }
            _ => self.passing(column, &Sieve::of_words(phrase), |text| {
                parts(text).any(|part| phrase.occurs_in(&part))
            }),
        }
    }

    /// As [`Self::unlisted`], where all values are this prefix and so many hexadecimal digits.
    fn hex(
        &mut self,
        column: &Column,
        prefix: &str,
        digits: u32,
        phrase: &Phrase,
    ) -> Result<Option<Set>, Damaged> {
        let mut before: Vec<Box<str>> = Vec::new();
        each_word(prefix, &mut |word| before.push(word.into()));
        // The digits continue the prefix's last word, when it ends with one.
        let ends_with_word = prefix.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let continued = if ends_with_word { before.pop().unwrap_or_default() } else { Box::default() };
        let words: Vec<&str> = phrase.words().collect();
        let same =
            |some: &[Box<str>], words: &[&str]| some.iter().map(AsRef::as_ref).eq(words.iter().copied());
        if before.windows(words.len().max(1)).any(|some| same(some, &words)) {
            return Ok((!column.values.is_empty()).then_some(Set::All));
        }
        let Some((last, others)) = words.split_last() else { return Ok(None) };
        let Some(start) = before.len().checked_sub(others.len()) else { return Ok(None) };
        let Some(hex) = last.strip_prefix(&*continued) else { return Ok(None) };
        let fits = u32::try_from(hex.len()) == Ok(digits)
            && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !fits || !same(&before[start..], others) {
            return Ok(None);
        }
        self.one(column, format!("{prefix}{hex}").as_bytes())
    }

    fn one(&mut self, column: &Column, value: &[u8]) -> Result<Option<Set>, Damaged> {
        let found = self.find(column, value)?;
        Ok(found.and_then(|ordinal| Set::of(&[ordinal], column.values.len())))
    }
}

/// Whether texts of a column belong to a scope whose paths begin somewhere inside its table.
fn is_within(scope: &Scope, table: &[String], column: &[String]) -> bool {
    let names = table.iter().chain(column);
    names.clone().count() >= scope.path.len() && names.zip(&scope.path).all(|(a, b)| **a == **b)
}

fn has_word(text: &str, word: &str) -> bool {
    let mut has = false;
    each_word(text, &mut |other| has |= other == word);
    has
}

/// Leaves in `found` what `list` has too. Both rise.
fn intersect(found: &mut Vec<u64>, list: &[u64]) {
    let mut rest = list;
    found.retain(|value| {
        // The other list may be far longer.
        rest = &rest[gallop(rest, *value)..];
        rest.first() == Some(value)
    });
}

/// How many of a rising list stand before `value`.
fn gallop(list: &[u64], value: u64) -> usize {
    let mut step = 1;
    while step < list.len() && list[step] < value {
        step *= 2;
    }
    list[..list.len().min(step + 1)].partition_point(|other| *other < value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_lists_have_is_left() {
        let list: Vec<u64> = (0..1000).map(|i| i * 3).collect();
        for found in [vec![0, 3, 4, 2997, 2998], vec![], vec![5000], (0..3000).step_by(2).collect()] {
            let expected: Vec<u64> = found.iter().copied().filter(|value| list.contains(value)).collect();
            let mut left = found.clone();
            intersect(&mut left, &list);
            assert_eq!(left, expected);
        }
    }
}
