//! Words: what `q` asks for, and what texts consist of.

use unicode_segmentation::UnicodeSegmentation;

use super::fold::with_folded;
use super::{WORDS_BYTES_MAX, WORDS_MAX};
use crate::json::Value;

/// Words that stand in a row within one text, folded. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase(Vec<Box<str>>);

impl Phrase {
    /// The words, folded.
    pub fn words(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether the words stand in a row in this text, decoded but not folded.
    #[must_use]
    pub fn occurs_in(&self, text: &str) -> bool {
        Search::of(std::slice::from_ref(self)).is_some_and(|(mut search, _)| search.is_done_after(text))
    }
}

/// Why a `q` is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WordsError {
    /// Nothing to look for.
    #[error("holds no word to look for, which has letters or digits")]
    Empty,
    /// Longer than [`WORDS_BYTES_MAX`].
    #[error("has {bytes} bytes, at most {WORDS_BYTES_MAX} are allowed")]
    Bytes {
        /// What it has.
        bytes: usize,
    },
    /// More than [`WORDS_MAX`].
    #[error("has {words} words, at most {WORDS_MAX} are allowed")]
    Words {
        /// How many there are.
        words: usize,
    },
    /// A phrase without an end.
    #[error("has a quote at byte {at} without its other one; a phrase stands between two: `\"two words\"`")]
    Quote {
        /// Where.
        at: usize,
    },
}

/// Hands over the words of a text in their order, [folded](super::fold()).
///
/// The folded text is cut at everything in ASCII that is neither letter nor digit and at other punctuation that Unicode keeps
/// inside words, and what is left where Unicode (UAX 29) sees words end. A word has a letter, a digit or a picture:
///
/// | text | words |
/// |---|---|
/// | `video.update` | video, update |
/// | `ana@example.com` | ana, example, com |
/// | `It's 9:41` | it, s, 9, 41 |
/// | `हिन्दी में` | हिन्दी, में |
/// | `東京` | 東, 京 |
/// | `ไทย` | ไ, ท, ย |
///
/// Where a language puts no space between words, each character is one; looking for several looks for them in a row.
pub fn each_word(text: &str, word: &mut dyn FnMut(&str)) {
    with_folded(text, |folded| {
        let runs = folded.split(|c: char| if c.is_ascii() { !c.is_ascii_alphanumeric() } else { joins(c) });
        for run in runs.filter(|run| !run.is_empty()) {
            if run.is_ascii() {
                word(run);
            } else {
                run.split_word_bounds().filter(|part| part.contains(speaks)).for_each(&mut *word);
            }
        }
    });
}

/// Punctuation beyond ASCII that UAX 29 keeps inside words (`MidLetter`, `MidNum`, `MidNumLet`, `ExtendNumLet`), as far as
/// NFKC leaves it.
fn joins(c: char) -> bool {
    const JOINING: [char; 15] = [
        '\u{b7}', '\u{55f}', '\u{589}', '\u{5f4}', '\u{60c}', '\u{60d}', '\u{66c}', '\u{7f8}', '\u{2018}',
        '\u{2019}', '\u{2027}', '\u{203f}', '\u{2040}', '\u{2044}', '\u{2054}',
    ];
    JOINING.contains(&c)
}

/// Letters, digits, and the blocks of pictures, which people put into titles.
fn speaks(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f000}'..='\u{1faff}')
}

/// Reads a `q`: words between spaces, and phrases between quotes. What stands without a space, such as `video.update`, is a
/// phrase of its [words](each_word).
///
/// # Errors
///
/// [`WordsError`].
pub fn parse_words(q: &str) -> Result<Vec<Phrase>, WordsError> {
    if q.len() > WORDS_BYTES_MAX {
        return Err(WordsError::Bytes { bytes: q.len() });
    }
    let (mut phrases, mut words) = (Vec::new(), 0);
    let mut add = |text: &str| {
        let mut phrase = Vec::new();
        each_word(text, &mut |word| phrase.push(word.into()));
        words += phrase.len();
        if !phrase.is_empty() {
            phrases.push(Phrase(phrase));
        }
    };
    let mut rest = q;
    while let Some((bare, after)) = rest.split_once('"') {
        bare.split_whitespace().for_each(&mut add);
        let Some((phrase, after)) = after.split_once('"') else {
            return Err(WordsError::Quote { at: q.len() - after.len() - 1 });
        };
        add(phrase);
        rest = after;
    }
    rest.split_whitespace().for_each(&mut add);
    match words {
        0 => Err(WordsError::Empty),
        words if words > WORDS_MAX => Err(WordsError::Words { words }),
        _ => Ok(phrases),
    }
}

/// Whether each phrase occurs in some text at or below `root`.
pub(super) fn all_occur(phrases: &[Phrase], root: Value<'_>) -> bool {
    let mut rest = phrases;
    while !rest.is_empty() {
        let Some((mut search, after)) = Search::of(rest) else { return false };
        if !root.strings().any(|text| search.is_done_after(text)) {
            return false;
        }
        rest = after;
    }
    true
}

/// Most words in one [`Search`]: the bits of its state.
const SEARCH_WORDS_MAX: usize = 64;

/// A walk through texts, word by word, looking for several phrases at once.
///
/// The phrases' words stand in a row, a bit for each. `state` has the bits of those words that the text ended with so far, with
/// all before them in their phrase.
struct Search<'p> {
    words: [&'p str; SEARCH_WORDS_MAX],
    len: usize,
    /// Words that begin a phrase, that end one, and that ended one in some text so far.
    starts: u64,
    ends: u64,
    found: u64,
}

impl<'p> Search<'p> {
    /// A search for as many phrases as fit, and those left. None when the first alone does not.
    fn of(phrases: &'p [Phrase]) -> Option<(Self, &'p [Phrase])> {
        let mut search = Self { words: [""; SEARCH_WORDS_MAX], len: 0, starts: 0, ends: 0, found: 0 };
        let mut taken = 0;
        for phrase in phrases {
            let end = search.len + phrase.0.len();
            if phrase.0.is_empty() || end > SEARCH_WORDS_MAX {
                break;
            }
            search.starts |= 1 << search.len;
            search.ends |= 1 << (end - 1);
            for word in phrase.words() {
                search.words[search.len] = word;
                search.len += 1;
            }
            taken += 1;
        }
        (taken > 0).then_some((search, &phrases[taken..]))
    }

    /// Whether each phrase has occurred once this text is read too.
    fn is_done_after(&mut self, text: &str) -> bool {
        let mut state = 0;
        each_word(text, &mut |word| {
            let words = self.words[..self.len].iter().enumerate();
            let same = words.fold(0, |same, (bit, other)| same | u64::from(*other == word) << bit);
            state = (state << 1 | self.starts) & same;
            self.found |= state & self.ends;
        });
        self.found == self.ends
    }
}

const _: () = assert!(WORDS_MAX <= SEARCH_WORDS_MAX, "each phrase of a `q` fits into one search");
