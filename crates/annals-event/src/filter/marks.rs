//! Marks: numbers for the values and words of an event, by which most events are passed over without a look at their bytes.
//!
//! An event has a mark for each string that is a value, for each word in one, and for each number. A condition demands some of
//! them ([`Demand`]). Two values may share a mark, so an event with the marks that are demanded still has to be looked at; one
//! without them does not satisfy the condition.
//!
//! What makes it sound: canonical bytes escape each text in one way (RFC 8785), so equal texts are equal bytes between their
//! quotes. Words are those of [`each_word`]: where a text is ASCII, or all else in it folds apart from ASCII, its words in ASCII
//! are among its longest runs of letters and digits; other texts are cut by `each_word` itself. For words beyond ASCII there is
//! one mark, that an event has something beyond ASCII. Below a `not` nothing is demanded.

use super::needles::Letters;
use super::{Condition, Decimal, Field, Literal, Part, Test, each_word};
use crate::filter::names::json_text;
use crate::json::{Document, Limits};
use crate::operation::Operation;

/// Largest event of which texts that do not fold apart from ASCII are cut into words; larger ones have all marks.
const CUT_BYTES_MAX: usize = 16 << 10;

/// Most marks that are asked of an event; a condition with more alternatives demands nothing.
const DEMANDED_MAX: usize = 64;

/// What goes into a mark before the bytes, so that a word, a value and a number differ.
const WORD: u64 = 0x51_7c_c1_b7_27_22_0a_95;
const VALUE: u64 = 0x2b_99_2d_df_a2_32_49_d6;
const NUMBER: u64 = 0x6a_09_e6_67_f3_bc_c9_09;

/// Marks below this one are of one thing each: a few that many events have. All others may be of several.
pub const EXACT_MARKS: u64 = 16;

/// The mark of an event with a number that may be written in several ways.
const OTHER_NUMBER: u64 = 0;

/// The mark of an event with something beyond ASCII.
const BEYOND: u64 = 1;

/// The mark of the operation with code 0; the others follow.
const OPERATION: u64 = 2;

/// Makes the marks of events; memory that is used again.
#[derive(Default)]
pub struct Marker {
    /// A bit for each byte that is a letter or digit of ASCII, and no part of an escape.
    letters: Vec<u64>,
    /// A bit for each quote at the beginning or end of a string.
    quotes: Vec<u64>,
    document: Document,
}

impl Marker {
    /// Hands over the marks of an event, some more than once. False when not all could be made: then the event is to be taken for
    /// one that has them all.
    pub fn each(&mut self, canonical: &[u8], mark: &mut impl FnMut(u64)) -> bool {
        let is_ascii = self.survey(canonical);
        self.clear_escapes(canonical);
        let mut quotes = Ones::of(&self.quotes);
        let mut after = 0;
        while let (Some(open), Some(close)) = (quotes.next(), quotes.next()) {
            numbers(&canonical[after..open], mark);
            after = close + 1;
            let is_name = canonical.get(after) == Some(&b':');
            if !is_name {
                self.text(canonical, open + 1, close, is_ascii, mark);
            }
        }
        numbers(canonical.get(after..).unwrap_or_default(), mark);
        if is_ascii {
            return true;
        }
        mark(BEYOND);
        Letters::of(canonical) != Letters::Any || self.cut(canonical, mark)
    }

    /// Notes where letters and quotes are. True where all is ASCII.
    fn survey(&mut self, canonical: &[u8]) -> bool {
        self.letters.clear();
        self.quotes.clear();
        let mut high = 0;
        let mut blocks = canonical.chunks_exact(64);
        for block in &mut blocks {
            let block: &[u8; 64] = block.try_into().expect("a block has 64 bytes");
            let (letters, quotes) = survey_block(block, &mut high);
            self.letters.push(letters);
            self.quotes.push(quotes);
        }
        let mut last = [0; 64];
        last[..blocks.remainder().len()].copy_from_slice(blocks.remainder());
        let (letters, quotes) = survey_block(&last, &mut high);
        self.letters.push(letters);
        self.quotes.push(quotes);
        high == 0
    }

    /// Takes the bits of escapes away again.
    fn clear_escapes(&mut self, canonical: &[u8]) {
        let mut at = 0;
        while let Some(found) = canonical.get(at..).and_then(|rest| memchr::memchr(b'\\', rest)) {
            let escaped = at + found + 1;
            let length = if canonical.get(escaped) == Some(&b'u') { 5 } else { 1 };
            for index in escaped..(escaped + length).min(canonical.len()) {
                let bit = !(1 << (index % 64));
                self.letters[index / 64] &= bit;
                if index == escaped {
                    self.quotes[index / 64] &= bit;
                }
            }
            at = escaped + 1;
        }
    }

    /// The marks of a string between its quotes: of its words, then its own. One word that is the whole string has one mark for both.
    fn text(&self, canonical: &[u8], start: usize, end: usize, is_ascii: bool, mark: &mut impl FnMut(u64)) {
        // Made of the words, so that no byte is hashed twice; what stands between them tells few values apart.
        let mut value = VALUE ^ (end - start) as u64;
        let mut at = start;
        while at < end {
            let window = window(&self.letters, at);
            at += window.trailing_zeros() as usize;
            if window == 0 || at >= end {
                continue;
            }
            let from = at;
            loop {
                let letters = self::window(&self.letters, at).trailing_ones() as usize;
                at += letters;
                if letters < 64 {
                    break;
                }
            }
            let word = hash(canonical, from, at, WORD, ANY_CASE);
            mark(word);
            if from == start && at == end {
                return;
            }
            value = (value ^ word).wrapping_mul(MULTIPLIER).rotate_left(29);
        }
        if is_ascii || canonical[start..end].is_ascii() {
            mark((value ^ value >> 32).max(EXACT_MARKS));
        } else {
            mark(hash(canonical, start, end, VALUE, 0));
        }
    }

    /// The words of texts in which something beyond ASCII may be ASCII once it is folded.
    fn cut(&mut self, canonical: &[u8], mark: &mut impl FnMut(u64)) -> bool {
        if canonical.len() > CUT_BYTES_MAX {
            return false;
        }
        let Ok(event) = self.document.parse(canonical, Limits { depth_max: 1 << 10 }) else { return false };
        for text in event.strings().filter(|text| !text.is_ascii()) {
            each_word(text, &mut |word| mark(word_mark(word)));
        }
        true
    }
}

/// The mark of a record's operation, which the event's bytes may not have.
#[must_use]
pub fn operation_mark(operation: Operation) -> u64 {
    let mark = OPERATION + u64::from(operation.code());
    assert!(mark < EXACT_MARKS, "there are few operations");
    mark
}

/// The mark of a word, folded.
fn word_mark(word: &str) -> u64 {
    hash(word.as_bytes(), 0, word.len(), WORD, 0)
}

/// The mark of a text that is a whole value.
fn value_mark(text: &str) -> u64 {
    let token = json_text(text);
    let mut marker = Marker::default();
    let is_ascii = marker.survey(token.as_bytes());
    marker.clear_escapes(token.as_bytes());
    let mut last = 0;
    marker.text(token.as_bytes(), 1, token.len() - 1, is_ascii, &mut |mark| last = mark);
    last
}

/// The mark of a number's token.
fn number_mark(token: &[u8]) -> u64 {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    if token == b"-0" || !digits.iter().all(u8::is_ascii_digit) {
        return OTHER_NUMBER;
    }
    hash(token, 0, token.len(), NUMBER, 0)
}

/// The marks of the numbers between two strings.
fn numbers(between: &[u8], mark: &mut impl FnMut(u64)) {
    // A number has something before it and after it.
    if between.len() < 3 {
        return;
    }
    let mut rest = between;
    while let Some(start) = rest.iter().position(|byte| byte.is_ascii_digit() || *byte == b'-') {
        let token = &rest[start..];
        let end = token.iter().position(|byte| matches!(byte, b',' | b'}' | b']')).unwrap_or(token.len());
        mark(number_mark(&token[..end]));
        rest = &token[end..];
    }
}

/// Added to letters and digits it leaves no capitals.
const ANY_CASE: u64 = 0x2020_2020_2020_2020;

/// Which of 64 bytes are letters or digits, and which are quotes. `high` gets bits where bytes are not ASCII.
fn survey_block(block: &[u8; 64], high: &mut u8) -> (u64, u64) {
    // Two plain loops over bytes, of which the compiler makes few instructions.
    let (mut letters, mut quotes) = ([0; 64], [0; 64]);
    for ((byte, letter), quote) in block.iter().zip(&mut letters).zip(&mut quotes) {
        let is_letter = (byte | 0x20).wrapping_sub(b'a') < 26;
        let is_digit = byte.wrapping_sub(b'0') < 10;
        *letter = u8::from(is_letter | is_digit);
        *quote = u8::from(*byte == b'"');
        *high |= byte & 0x80;
    }
    (side_by_side(&letters), side_by_side(&quotes))
}

/// The lowest bits of 64 bytes.
fn side_by_side(bytes: &[u8; 64]) -> u64 {
    let (words, _) = bytes.as_chunks::<8>();
    words
        .iter()
        .rev()
        .fold(0, |bits, word| bits << 8 | u64::from_le_bytes(*word).wrapping_mul(0x0102_0408_1020_4080) >> 56)
}

/// 64 bits from bit `at` on.
fn window(bits: &[u64], at: usize) -> u64 {
    let word = |index: usize| bits.get(index).copied().unwrap_or(0);
    let (index, shift) = (at / 64, at % 64);
    // Shifted twice, as a shift by 64 is none.
    word(index) >> shift | word(index + 1) << 1 << (63 - shift)
}

/// The places of the bits that are set.
struct Ones<'a> {
    words: &'a [u64],
    index: usize,
    word: u64,
}

impl<'a> Ones<'a> {
    fn of(words: &'a [u64]) -> Self {
        Self { words, index: 0, word: words.first().copied().unwrap_or(0) }
    }

    fn next(&mut self) -> Option<usize> {
        while self.word == 0 {
            self.index += 1;
            self.word = *self.words.get(self.index)?;
        }
        let bit = self.word.trailing_zeros() as usize;
        self.word &= self.word - 1;
        Some(self.index * 64 + bit)
    }
}

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number for `bytes[start..end]`, with these bits set in each byte. Not kept anywhere, so it may be another one in the next
/// version.
#[inline]
fn hash(bytes: &[u8], start: usize, end: usize, seed: u64, set: u64) -> u64 {
    let (mut hash, mut at) = (seed ^ (end - start) as u64, start);
    while end - at > 8 {
        let word = first_eight(bytes, at);
        hash = (hash ^ (word | set)).wrapping_mul(MULTIPLIER);
        hash ^= hash >> 32;
        at += 8;
    }
    // What stands behind the end is shifted out.
    let behind = 64 - 8 * (end - at);
    if behind < 64 {
        let word = first_eight(bytes, at) << behind;
        hash = (hash ^ (word | set << behind)).wrapping_mul(MULTIPLIER);
        hash ^= hash >> 32;
    }
    hash = hash.wrapping_mul(MULTIPLIER);
    (hash ^ hash >> 29).max(EXACT_MARKS)
}

/// Eight bytes from `at` on, zeros behind the last.
#[inline]
fn first_eight(bytes: &[u8], at: usize) -> u64 {
    let rest = bytes.get(at..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// Which marks every event has that satisfies a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// None that is known.
    Nothing,
    /// This one.
    Mark(u64),
    /// Those of all of them.
    All(Vec<Demand>),
    /// Those of at least one of them. Without any there is no such event.
    Any(Vec<Demand>),
}

impl Demand {
    /// What a condition demands.
    #[must_use]
    pub fn of(condition: &Condition) -> Self {
        let demand = Self::of_condition(condition);
        if demand.count() > DEMANDED_MAX { Self::Nothing } else { demand }
    }

    fn of_condition(condition: &Condition) -> Self {
        match condition {
            Condition::All(all) => Self::all(all.iter().map(Self::of_condition)),
            Condition::Any(any) => Self::any(any.iter().map(Self::of_condition)),
            Condition::Field(Field::Member(_), test) => Self::of_test(test),
            Condition::Field(Field::Operation, Test::In(names)) => {
                Self::any(names.iter().filter_map(|name| match name {
                    Literal::Text(name) => name.parse::<Operation>().ok().map(operation_mark).map(Self::Mark),
                    _ => None,
                }))
            }
            // Marks are of values and words, a mention is of any part of one.
            Condition::Field(..) | Condition::Not(_) | Condition::Mentions(_) => Self::Nothing,
            Condition::Element(_, condition) => Self::of_condition(condition),
            Condition::Words(phrases) => {
                let words = phrases.iter().flat_map(|phrase| phrase.words());
                Self::all(
                    words.map(|word| Self::Mark(if word.is_ascii() { word_mark(word) } else { BEYOND })),
                )
            }
        }
    }

    fn of_test(test: &Test) -> Self {
        match test {
            Test::In(literals) => Self::any(literals.iter().map(|literal| match literal {
                Literal::Text(text) => Self::of_value(text, literals.len()),
                Literal::Number(number) => Self::of_number(number),
                Literal::Bool(_) | Literal::Time(_) => Self::Nothing,
            })),
            Test::Text { text, folded: true, .. } if !text.is_ascii() => Self::Mark(BEYOND),
            Test::Text { part: Part::Whole, text, folded: false } => Self::of_value(text, 1),
            Test::Text { part, text, .. } => Self::all(whole_words(*part, text).map(Self::Mark)),
            Test::Present | Test::Loose(_) | Test::Order(..) | Test::Network(_) => Self::Nothing,
        }
    }

    /// A value is enough, but its words beside it tell it apart from more.
    fn of_value(text: &str, alternatives: usize) -> Self {
        let value = std::iter::once(value_mark(text));
        let words_max = DEMANDED_MAX / 2 / alternatives;
        let mut marks: Vec<u64> = value.chain(whole_words(Part::Whole, text).take(words_max)).collect();
        marks.dedup();
        Self::all(marks.into_iter().map(Self::Mark))
    }

    fn of_number(number: &Decimal) -> Self {
        let token = number.to_string();
        match number_mark(token.as_bytes()) {
            OTHER_NUMBER if number.is_whole() => Self::Nothing,
            OTHER_NUMBER => Self::Mark(OTHER_NUMBER),
            plain => Self::Any(vec![Self::Mark(plain), Self::Mark(OTHER_NUMBER)]),
        }
    }

    fn all(demands: impl Iterator<Item = Self>) -> Self {
        let mut demands: Vec<Self> = demands.filter(|demand| *demand != Self::Nothing).collect();
        match demands.len() {
            0 => Self::Nothing,
            1 => demands.remove(0),
            _ => Self::All(demands),
        }
    }

    fn any(demands: impl Iterator<Item = Self>) -> Self {
        let mut demands: Vec<Self> = demands.collect();
        if demands.contains(&Self::Nothing) || demands.iter().map(Self::count).sum::<usize>() > DEMANDED_MAX {
            return Self::Nothing;
        }
        if demands.len() == 1 { demands.remove(0) } else { Self::Any(demands) }
    }

    fn count(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Mark(_) => 1,
            Self::All(demands) | Self::Any(demands) => demands.iter().map(Self::count).sum(),
        }
    }

    /// Which of some events have what is demanded, a bit for each. `having` says which have a mark.
    #[must_use]
    pub fn among<const WORDS: usize>(&self, having: &impl Fn(u64) -> [u64; WORDS]) -> [u64; WORDS] {
        let joined = |demands: &[Self], start: u64, join: fn(u64, u64) -> u64| {
            demands.iter().fold([start; WORDS], |mut joined, demand| {
                let events = demand.among(having);
                joined.iter_mut().zip(events).for_each(|(word, other)| *word = join(*word, other));
                joined
            })
        };
        match self {
            Self::Nothing => [u64::MAX; WORDS],
            Self::Mark(mark) => having(*mark),
            Self::All(demands) => joined(demands, u64::MAX, |a, b| a & b),
            Self::Any(demands) => joined(demands, 0, |a, b| a | b),
        }
    }
}

/// The marks of the words of a part of a text that are whole words of the text too. The part is ASCII, or what is looked for is
/// not folded.
fn whole_words(part: Part, text: &str) -> impl Iterator<Item = u64> {
    let bytes = text.as_bytes();
    let is_letter = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            let start = (at..bytes.len()).find(|at| is_letter(*at))?;
            at = (start..bytes.len()).find(|at| !is_letter(*at)).unwrap_or(bytes.len());
            let begins = start > 0 || matches!(part, Part::Whole | Part::Start);
            let ends = at < bytes.len() || matches!(part, Part::Whole | Part::End);
            if begins && ends {
                return Some(word_mark(&text[start..at].to_ascii_lowercase()));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn marks(event: &str) -> BTreeSet<u64> {
        let mut marks = BTreeSet::new();
        assert!(
            Marker::default().each(event.as_bytes(), &mut |mark| assert!(marks.insert(mark) || mark != 0))
        );
        marks
    }

    #[test]
    fn an_event_has_the_marks_of_its_values_words_and_numbers_and_of_nothing_else() {
        let long = "word".repeat(40);
        let event = format!(
            r#"{{"action":"video.update","n":[200,-5,2.5],"note":"Say \"Hi\"\u0001nine\\ten\nine","t":true,"x":"{long}","y":""}}"#
        );
        let words = ["video", "update", "say", "hi", "nine", "ten", "ine", &long];
        let values = ["video.update", "Say \"Hi\"\u{1}nine\\ten\nine", ""];
        let expected: BTreeSet<u64> = words
            .map(word_mark)
            .into_iter()
            .chain(values.map(value_mark))
            .chain([number_mark(b"200"), number_mark(b"-5"), OTHER_NUMBER])
            .collect();
        assert_eq!(marks(&event), expected);
    }

    #[test]
    fn one_word_is_one_mark_wherever_it_stands() {
        for pad in 0..70 {
            let event = format!(r#"{{"{}":"delete"}}"#, "n".repeat(pad));
            assert_eq!(marks(&event), BTreeSet::from([value_mark("delete")]), "{pad}");
            assert_eq!(value_mark("delete"), word_mark("delete"));
        }
        assert_eq!(marks(r#"{"a":"DELETE"}"#), BTreeSet::from([value_mark("DELETE"), word_mark("delete")]));
    }

    #[test]
    fn what_folds_into_ascii_is_cut_as_texts_are() {
        let found = marks("{\"a\":\"Stra\u{df}e \u{212a}9\"}");
        assert!(["strasse", "k9"].iter().all(|word| found.contains(&word_mark(word))));
        let large = format!("{{\"a\":\"\u{212a}{}\"}}", "x".repeat(CUT_BYTES_MAX));
        assert!(!Marker::default().each(large.as_bytes(), &mut |_| {}));
    }

    #[test]
    fn bytes_that_are_no_event_do_not_panic() {
        for bytes in ["", "\"", "{\"a\\", "\\u", "5", "\"\\", "{\"a\":\"\\u00", "\u{212a}\"", "-"] {
            let _ignored = Marker::default().each(bytes.as_bytes(), &mut |_| {});
        }
        let _ignored = Marker::default().each(&[0xff, b'"', 0x80, b'"'], &mut |_| {});
    }
}
