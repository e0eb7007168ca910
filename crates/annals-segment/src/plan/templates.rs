//! Texts in which values of other columns stand, see [`Column::refs`].
//!
//! The dictionary has what is left of them, with a byte below 0x20 in each gap. What a test says of a text with gaps is known
//! from what is left alone, or the row's whole text is looked at. Two things make that rare:
//!
//! * Between a gap and what is left of the text stands a character that is neither a letter nor a digit of ASCII. What
//!   consists of these alone, stands in a part that is left, or in the value in a gap, and never in both.
//! * A value in a gap stands in the same event where it was taken from, where its words are found.

use std::borrow::Cow;

use annals_event::filter::{Literal, Part, Phrase, Scalar, Test, each_word};
use annals_event::json::unescape;
use memchr::memmem::Finder;

use super::node::{Leaf, Node, TextTest};
use super::resolve::{Resolve, Scope};
use super::set::Set;
use super::sieve::Sieve;
use crate::Damaged;
use crate::meta::Column;

/// Bytes of values below this are gaps.
const GAPS_END: u8 = 0x20;

/// The parts of a value between its gaps, decoded: one more than it has gaps.
pub(super) fn parts(value: &str) -> impl Iterator<Item = Cow<'_, str>> {
    value.split(|c: char| c < char::from(GAPS_END)).map(unescape)
}

/// Whether other values stand in it.
pub(crate) fn has_gaps(value: &[u8]) -> bool {
    value.iter().any(|byte| *byte < GAPS_END)
}

/// What a test says of a text with gaps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Yes,
    No,
    /// The whole text has to be looked at.
    Look,
}

impl Resolve<'_> {
    /// A test on texts of a column with gaps.
    pub(super) fn template(
        &mut self,
        table: usize,
        column: usize,
        of: &Column,
        test: &Test,
        scope: &Scope,
    ) -> Result<Option<Node>, Damaged> {
        if matches!(test, Test::Present) {
            let set = self.all_but(of, b"")?;
            return Ok(set.map(|set| Node::Leaf(Leaf::Column { table, column, set })));
        }
        // A text with gaps may have what no part of it has: those that the sieve holds back have to be looked at, as says would
        // say of them too.
        let sieve = match test {
            Test::Text { part: Part::Anywhere, .. } | Test::Text { folded: true, .. } => Sieve::of_test(test),
            _ => Sieve::Open,
        };
        let (surely, look) = self.sorted(of, &sieve, Says::Look, |value| {
            if !has_gaps(value.as_bytes()) {
                return if test.passes(&Scalar::Text(&unescape(value))) { Says::Yes } else { Says::No };
            }
            says(value, test)
        })?;
        let mut nodes: Vec<Node> = Vec::new();
        nodes.extend(surely.map(|set| Node::Leaf(Leaf::Column { table, column, set })));
        if let Some(set) = look {
            let looked = Node::Leaf(Leaf::Text { table, column, set, test: TextTest::Test(test.clone()) });
            // What is outside a scope of elements cannot be asked for in it.
            let in_a_gap = if scope.table == 0 && table == 0 {
                self.in_a_gap(of, test, scope)?
            } else {
                Node::Const(true)
            };
            nodes.push(Node::all([in_a_gap, looked]));
        }
        Ok(Some(Node::any(nodes)))
    }

    /// Rows in which a value that may stand in a gap passes a test that nothing passes which only spans a gap's edge.
    fn in_a_gap(&mut self, of: &Column, test: &Test, scope: &Scope) -> Result<Node, Damaged> {
        let Test::Text { part: Part::Anywhere, text, .. } = test else { return Ok(Node::Const(true)) };
        if !is_plain(text) {
            return Ok(Node::Const(true));
        }
        let segment = self.segment;
        let mut nodes = Vec::new();
        for named in &of.refs {
            let (table, column) = (named.table as usize, named.column as usize);
            let leaves = segment.footer().tables.get(table).and_then(|table| table.columns.get(column));
            match leaves {
                Some(leaves) if leaves.refs.is_empty() => {
                    nodes.extend(self.column(table, column, test, scope)?);
                }
                _ => return Err(segment.malformed("a gap that no column fills")),
            }
        }
        Ok(Node::any(nodes))
    }

    /// A phrase of several words, in texts of a column with gaps: where a gap is among them. Where it stands in one part, or
    /// in one gap's value, is found elsewhere.
    pub(super) fn template_words(
        &mut self,
        table: usize,
        column: usize,
        of: &Column,
        phrase: &Phrase,
        scope: &Scope,
    ) -> Result<Option<Node>, Damaged> {
        if !scope.is_rows() {
            // A value may stand in a text of the scope and have been taken from outside it.
            return Ok(Some(Node::Unknown));
        }
        let words: Vec<&str> = phrase.words().collect();
        if words.len() < 2 {
            return Ok(None);
        }
        let lower: Vec<Finder<'_>> = words.iter().map(Finder::new).collect();
        let (_, look) = self.sorted(of, &Sieve::Open, Says::No, |value| {
            let spans = may_have_span(value.as_bytes(), &lower) && may_span(value, &words);
            if spans { Says::Look } else { Says::No }
        })?;
        let Some(set) = look else { return Ok(None) };
        let mut nodes =
            vec![Node::Leaf(Leaf::Text { table, column, set, test: TextTest::Words(phrase.clone()) })];
        for word in words {
            // Each word of it stands somewhere in the event.
            if let Some(word) =
                annals_event::filter::parse_words(word).ok().filter(|phrases| phrases.len() == 1)
            {
                nodes.push(self.phrase(&word[0], scope)?);
            }
        }
        Ok(Some(Node::all(nodes)))
    }

    /// The values of which `says` says yes, and those whose texts have to be looked at. Of values that the sieve holds back it
    /// is not asked: those without gaps are left out, and of those with gaps `otherwise` is said.
    fn sorted(
        &self,
        column: &Column,
        sieve: &Sieve,
        otherwise: Says,
        says: impl Fn(&str) -> Says,
    ) -> Result<(Option<Set>, Option<Set>), Damaged> {
        let (mut yes, mut look) = (Vec::new(), Vec::new());
        let (mut lower, mut picked) = (Vec::new(), Vec::new());
        column.values.each_page(self.segment.body(), &mut |first, page| {
            sieve.pick(page, &mut lower, &mut picked);
            let mut next = picked.iter().copied().peekable();
            let all = 0..page.ends().len();
            for at in if otherwise == Says::No { 0..picked.len() } else { all } {
                let (at, is_picked) = match otherwise {
                    Says::No => (picked[at], true),
                    _ => (at, next.next_if_eq(&at).is_some()),
                };
                let value = page.get(at);
                let said = if is_picked {
                    says(self.as_text(value)?)
                } else if has_gaps(value) {
                    otherwise
                } else {
                    Says::No
                };
                match said {
                    Says::Yes => yes.push(self.segment.small(first + at as u64)?),
                    Says::Look => look.push(self.segment.small(first + at as u64)?),
                    Says::No => {}
                }
            }
            Ok(())
        })?;
        let n = column.values.len();
        Ok((Set::of(&yes, n), Set::of(&look, n)))
    }
}

fn says(value: &str, test: &Test) -> Says {
    let look = |may: bool| if may { Says::Look } else { Says::No };
    match test {
        Test::In(literals) => look(literals.iter().any(|literal| match literal {
            Literal::Text(text) => may_be(value, text),
            _ => false,
        })),
        Test::Text { part, text, folded: false } => {
            let mut parts = parts(value);
            let text: &str = text;
            match part {
                Part::Whole => look(may_be(value, text)),
                Part::Start => match parts.next() {
                    Some(first) if first.starts_with(text) => Says::Yes,
                    Some(first) => look(text.starts_with(&*first)),
                    None => Says::Look,
                },
                Part::End => match parts.last() {
                    Some(last) if last.ends_with(text) => Says::Yes,
                    Some(last) => look(text.ends_with(&*last)),
                    None => Says::Look,
                },
                Part::Anywhere if parts.any(|part| part.contains(text)) => Says::Yes,
                Part::Anywhere => Says::Look,
            }
        }
        // What consists of letters and digits of ASCII alone stands in one part, and stays what it is whatever is around it.
        Test::Text { part: Part::Anywhere, text, folded: true }
            if is_plain(text) && parts(value).any(|part| test.passes(&Scalar::Text(&part))) =>
        {
            Says::Yes
        }
        _ => Says::Look,
    }
}

/// Letters and digits of ASCII alone, and at least one.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether a value is this text for some values in its gaps: whether its parts follow each other there.
fn may_be(value: &str, text: &str) -> bool {
    let parts: Vec<Cow<'_, str>> = parts(value).collect();
    let ([first, middle @ .., last], true) = (parts.as_slice(), parts.len() > 1) else { return false };
    let Some(mut rest) = text.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last)) else {
        return false;
    };
    for part in middle {
        match rest.find(&**part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

/// Whether [`may_span`] may say yes of a value, as far as a quick look tells: two gaps without a word between them, or one of
/// the words.
fn may_have_span(value: &[u8], words: &[Finder<'_>]) -> bool {
    if !value.is_ascii() {
        return has_gaps(value);
    }
    let (mut gaps, mut is_near, mut are_near) = (false, false, false);
    for byte in value {
        if *byte < GAPS_END {
            are_near |= is_near;
            (gaps, is_near) = (true, true);
        } else if byte.is_ascii_alphanumeric() {
            is_near = false;
        }
    }
    if !gaps {
        return false;
    }
    let lower = value.to_ascii_lowercase();
    are_near || words.iter().any(|word| word.find(&lower).is_some())
}

/// Whether words in a row may stand in a text with gaps so that a gap is among them.
fn may_span(value: &str, phrase: &[&str]) -> bool {
    /// None is a gap.
    type Word = Option<Box<str>>;
    let mut text: Vec<Word> = Vec::new();
    for (at, part) in parts(value).enumerate() {
        if at > 0 {
            text.push(None);
        }
        each_word(&part, &mut |word| text.push(Some(word.into())));
    }
    if text.windows(2).any(|two| two[0].is_none() && two[1].is_none()) {
        return true;
    }
    // From a word that both have, in both directions, up to a gap or to the phrase's end.
    let follows = |mut text: &mut dyn Iterator<Item = &Word>, mut words: &mut dyn Iterator<Item = &&str>| {
        for word in &mut words {
            match (&mut text).next() {
                Some(None) => return true,
                Some(Some(other)) if **other == **word => {}
                _ => return false,
            }
        }
        true
    };
    (0..text.len()).any(|at| {
        (0..phrase.len()).any(|word| {
            text[at].as_deref() == Some(phrase[word])
                && follows(&mut text[at + 1..].iter(), &mut phrase[word + 1..].iter())
                && follows(&mut text[..at].iter().rev(), &mut phrase[..word].iter().rev())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_each_other_in_texts() {
        for (value, text, may) in [
            ("\u{1} did \u{2}", "Ana did it", true),
            ("\u{1} did \u{2}", "Ana did", false),
            ("\u{1} did \u{2}", " did ", true),
            ("a\u{1}a", "a", false),
            ("a\u{1}a", "aa", true),
            ("a\\n\u{1}", "a\nb", true),
        ] {
            assert_eq!(may_be(value, text), may, "{value:?} {text:?}");
        }
    }

    #[test]
    fn words_span_gaps() {
        for (value, phrase, may) in [
            ("\u{1} did \u{2} to \u{3}", &["did", "it"][..], true),
            ("\u{1} did \u{2} to \u{3}", &["ana", "did"], true),
            ("\u{1} did \u{2} to \u{3}", &["did", "to"], true),
            ("\u{1} did \u{2} to \u{3}", &["video", "update"], false),
            ("\u{1} did so \u{2}", &["did", "to"], false),
            ("\u{1} did so", &["so", "what"], false),
            ("\u{1} (\u{2})", &["souza", "ana"], true),
        ] {
            assert_eq!(may_span(value, phrase), may, "{value:?} {phrase:?}");
        }
    }
}
