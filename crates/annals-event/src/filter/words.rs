//! Words: what `q` asks for, and what texts consist of.

use unicode_segmentation::UnicodeSegmentation;

use super::{WORDS_BYTES_MAX, WORDS_MAX, fold};
use crate::json::{Kind, Value};

/// Words that stand in a row within one text, folded. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase(Vec<Box<str>>);

impl Phrase {
    /// The words, folded.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.iter().map(AsRef::as_ref)
    }
}

/// Why a `q` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// Nothing to look for.
    #[error("there is no word to look for: letters or digits")]
    Empty,
    /// Longer than [`WORDS_BYTES_MAX`].
    #[error("the words take {bytes} bytes, at most {WORDS_BYTES_MAX} are allowed")]
    Bytes {
        /// What they take.
        bytes: usize,
    },
    /// More than [`WORDS_MAX`].
    #[error("there are {words} words, at most {WORDS_MAX} are allowed")]
    Words {
        /// How many there are.
        words: usize,
    },
    /// A phrase without an end.
    #[error("the quote at byte {at} has no other one; a phrase stands between two: `\"two words\"`")]
    Quote {
        /// Where.
        at: usize,
    },
}

/// Hands over the folded words of a text, in their order.
pub fn each_word(text: &str, word: &mut dyn FnMut(&str)) {
    let folded = fold(text);
    if folded.is_ascii() {
        folded.split(|c: char| !c.is_ascii_alphanumeric()).filter(|run| !run.is_empty()).for_each(word);
        return;
    }
    for segment in folded.split_word_bounds() {
        for part in segment.split(is_cut) {
            if part.contains(is_said) {
                word(part);
            }
        }
    }
}

/// Punctuation that UAX 29 keeps inside words (`MidLetter`, `MidNum`, `MidNumLet`, the quotes, `ExtendNumLet`), as far as NFKC
/// leaves it.
fn is_cut(c: char) -> bool {
    matches!(
        c,
        '\'' | '"'
            | ','
            | '.'
            | ':'
            | ';'
            | '_'
            | '\u{b7}'
            | '\u{55f}'
            | '\u{589}'
            | '\u{5f4}'
            | '\u{60c}'
            | '\u{60d}'
            | '\u{66c}'
            | '\u{7f8}'
            | '\u{2018}'
            | '\u{2019}'
            | '\u{2027}'
            | '\u{203f}'
            | '\u{2040}'
            | '\u{2044}'
            | '\u{2054}'
    )
}

/// Letters, digits, and pictures, which people put into titles and look for.
fn is_said(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}

/// Reads a `q`: bare words, and `"words in a row"`. What UAX 29 takes for one word and what a token joins, such as
/// `video.update`, is several words in a row.
///
/// # Errors
///
/// [`WordsError`].
pub fn parse_words(q: &str) -> Result<Vec<Phrase>, WordsError> {
    if q.len() > WORDS_BYTES_MAX {
        return Err(WordsError::Bytes { bytes: q.len() });
    }
    let mut phrases = Vec::new();
    let mut words = 0;
    let mut add = |text: &str| {
        let mut phrase = Vec::new();
        each_word(text, &mut |word| phrase.push(word.into()));
        words += phrase.len();
        if !phrase.is_empty() {
            phrases.push(Phrase(phrase));
        }
    };
    let mut quoted_at = None;
    let mut from = 0;
    for (at, part) in q.split('"').map(|part| {
        let at = from;
        from += part.len() + 1;
        (at, part)
    }) {
        if quoted_at.take().is_some() {
            add(part);
        } else {
            part.split_whitespace().for_each(&mut add);
            quoted_at = Some(at + part.len());
        }
    }
    if let Some(at) = quoted_at.filter(|at| *at < q.len()) {
        return Err(WordsError::Quote { at });
    }
    match words {
        0 => Err(WordsError::Empty),
        words if words > WORDS_MAX => Err(WordsError::Words { words }),
        _ => Ok(phrases),
    }
}

/// Whether each phrase occurs in some text at or below `root`.
pub(super) fn all_occur(phrases: &[Phrase], root: Value<'_>) -> bool {
    phrases.iter().all(|phrase| any_text(root, &mut |text| occurs(phrase, text)))
}

fn occurs(phrase: &Phrase, text: &str) -> bool {
    let mut words = Vec::new();
    each_word(text, &mut |word| words.push(word.to_owned()));
    words.windows(phrase.0.len()).any(|window| window.iter().zip(&phrase.0).all(|(a, b)| **a == **b))
}

fn any_text(value: Value<'_>, f: &mut dyn FnMut(&str) -> bool) -> bool {
    match value.kind() {
        Kind::String => value.as_str().is_some_and(f),
        Kind::Array => value.items().any(|item| any_text(item, f)),
        Kind::Object => value.members().any(|(_, member)| any_text(member, f)),
        _ => false,
    }
}
