//! Bytes that an event must contain to satisfy a condition, so that most events are passed over without being parsed.
//!
//! What makes it sound: canonical bytes escape each text in one way, character by character (RFC 8785), so a part of a text is
//! a part of its token; they have no white space, so a member `a` is `"a":`; and what folds to ASCII is ASCII itself
//! wherever the whole event is, or has nothing else but letters that fold apart from it (elsewhere it may be `K` or `ſ`). Below a `not` nothing is required.

use std::fmt;

use memchr::memmem::Finder;

use super::names::json_text;
use super::{Condition, Field, Literal, Part, Path, Phrase, Test};

/// What an event's canonical bytes contain when a condition holds for it.
#[derive(Debug)]
pub struct Needles {
    need: Need,
    /// Whether something in `need` asks if the event is ASCII.
    folded: bool,
}

impl Needles {
    /// What a condition asks for.
    #[must_use]
    pub fn of(condition: &Condition) -> Self {
        let need = Need::of(condition);
        Self { folded: need.is_folded(), need }
    }

    /// False only for an event that does not satisfy the condition. `canonical` are its canonical bytes.
    #[must_use]
    pub fn may_match(&self, canonical: &[u8]) -> bool {
        let letters = if self.folded { Letters::of(canonical) } else { Letters::Any };
        self.need.is_met(canonical, letters)
    }
}

enum Need {
    Nothing,
    All(Vec<Need>),
    Any(Vec<Need>),
    /// These bytes.
    Bytes(Box<Finder<'static>>),
    /// In an event in which only ASCII folds to ASCII, this text in any case.
    Folded(Caseless),
    /// Something beyond ASCII.
    Beyond,
}

/// What an event is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letters {
    /// ASCII alone.
    Ascii,
    /// Also characters of [`APART`].
    Apart,
    /// Anything: what folds to ASCII may not be ASCII.
    Any,
}

/// Characters beyond ASCII that fold to something that has no ASCII: the letters of most scripts, common punctuation, emoji.
const APART: &[(char, char)] = &[
    ('\u{c0}', '\u{de}'),
    ('\u{e0}', '\u{12f}'),
    ('\u{131}', '\u{131}'),
    ('\u{134}', '\u{13e}'),
    ('\u{141}', '\u{148}'),
    ('\u{14a}', '\u{17e}'),
    ('\u{180}', '\u{1c3}'),
    ('\u{300}', '\u{36f}'),
    ('\u{386}', '\u{52f}'),
    ('\u{591}', '\u{6ff}'),
    ('\u{900}', '\u{eff}'),
    ('\u{10a0}', '\u{11ff}'),
    ('\u{1e00}', '\u{1e99}'),
    ('\u{1ea0}', '\u{1eff}'),
    ('\u{200b}', '\u{2010}'),
    ('\u{2012}', '\u{2016}'),
    ('\u{2018}', '\u{2023}'),
    ('\u{3041}', '\u{309a}'),
    ('\u{30a1}', '\u{30fe}'),
    ('\u{3400}', '\u{9fff}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{1f300}', '\u{1faff}'),
];

impl Letters {
    pub(super) fn of(canonical: &[u8]) -> Self {
        let Some(first) = canonical.iter().position(|byte| !byte.is_ascii()) else { return Self::Ascii };
        let Ok(text) = str::from_utf8(&canonical[first..]) else { return Self::Any };
        let is_apart = |letter: char| {
            let next = APART.partition_point(|(start, _)| *start <= letter);
            next > 0 && letter <= APART[next - 1].1
        };
        if text.chars().all(|letter| letter.is_ascii() || is_apart(letter)) { Self::Apart } else { Self::Any }
    }
}

impl Need {
    /// More alternatives take longer to look for than an event takes to parse.
    const ALTERNATIVES_MAX: usize = 16;

    fn of(condition: &Condition) -> Self {
        match condition {
            Condition::All(all) => Self::all(all.iter().map(Self::of)),
            Condition::Any(any) => Self::any(any.iter().map(Self::of)),
            Condition::Field(Field::Member(path), test) => match Self::of_test(test) {
                Self::Nothing => Self::member(path),
                need => need,
            },
            Condition::Field(..) | Condition::Not(_) => Self::Nothing,
            Condition::Element(path, condition) => match Self::of(condition) {
                Self::Nothing => Self::member(path),
                need => need,
            },
            Condition::Words(phrases) => Self::all(phrases.iter().map(Self::of_phrase)),
            Condition::Mentions(text) if text.is_empty() => Self::Nothing,
            Condition::Mentions(text) => {
                let token = json_text(text);
                Self::folded(&token[1..token.len() - 1])
            }
        }
    }

    fn of_test(test: &Test) -> Self {
        match test {
            Test::In(literals) => Self::any(literals.iter().map(|literal| match literal {
                Literal::Text(text) => Self::bytes(&json_text(text)),
                Literal::Number(_) | Literal::Bool(_) | Literal::Time(_) => Self::Nothing,
            })),
            Test::Text { text, .. } if text.is_empty() => Self::Nothing,
            Test::Text { part, text, folded } => {
                let token = json_text(text);
                let token = match part {
                    Part::Whole => token.as_str(),
                    Part::Start => &token[..token.len() - 1],
                    Part::End => &token[1..],
                    Part::Anywhere => &token[1..token.len() - 1],
                };
                if *folded { Self::folded(token) } else { Self::bytes(token) }
            }
            Test::Present | Test::Loose(_) | Test::Order(..) | Test::Network(_) => Self::Nothing,
        }
    }

    /// The longest word of a phrase.
    fn of_phrase(phrase: &Phrase) -> Self {
        phrase.words().max_by_key(|word| word.len()).map_or(Self::Nothing, Self::folded)
    }

    /// The innermost member of a path: it is there when anything about it holds.
    fn member(path: &Path) -> Self {
        path.names().last().map_or(Self::Nothing, |name| Self::bytes(&format!("{}:", json_text(name))))
    }

    fn bytes(bytes: &str) -> Self {
        Self::Bytes(Box::new(Finder::new(bytes).into_owned()))
    }

    fn folded(text: &str) -> Self {
        if text.is_ascii() { Self::Folded(Caseless::new(text)) } else { Self::Beyond }
    }

    fn all(needs: impl Iterator<Item = Self>) -> Self {
        let mut needs: Vec<Self> = needs.filter(|need| !matches!(need, Self::Nothing)).collect();
        match needs.len() {
            0 => Self::Nothing,
            1 => needs.remove(0),
            _ => Self::All(needs),
        }
    }

    fn any(needs: impl Iterator<Item = Self>) -> Self {
        let mut needs: Vec<Self> = needs.collect();
        if needs.len() > Self::ALTERNATIVES_MAX || needs.iter().any(|need| matches!(need, Self::Nothing)) {
            return Self::Nothing;
        }
        if needs.len() == 1 { needs.remove(0) } else { Self::Any(needs) }
    }

    fn is_folded(&self) -> bool {
        match self {
            Self::All(needs) | Self::Any(needs) => needs.iter().any(Self::is_folded),
            Self::Folded(_) | Self::Beyond => true,
            Self::Nothing | Self::Bytes(_) => false,
        }
    }

    fn is_met(&self, canonical: &[u8], letters: Letters) -> bool {
        match self {
            Self::Nothing => true,
            Self::All(needs) => needs.iter().all(|need| need.is_met(canonical, letters)),
            Self::Any(needs) => needs.iter().any(|need| need.is_met(canonical, letters)),
            Self::Bytes(finder) => finder.find(canonical).is_some(),
            Self::Folded(text) => letters == Letters::Any || text.is_in(canonical),
            Self::Beyond => letters != Letters::Ascii,
        }
    }
}

impl fmt::Debug for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::All(needs) => f.debug_tuple("all").field(needs).finish(),
            Self::Any(needs) => f.debug_tuple("any").field(needs).finish(),
            Self::Bytes(finder) => f.write_str(&String::from_utf8_lossy(finder.needle())),
            Self::Folded(text) => write!(f, "{} in any case", String::from_utf8_lossy(&text.text)),
            Self::Beyond => f.write_str("something beyond ASCII"),
        }
    }
}

/// A text in ASCII that is looked for in any case.
struct Caseless {
    /// Its beginning, without capitals. Not empty.
    text: Box<[u8]>,
    /// Where its rarest byte is.
    rare_at: usize,
}

impl Caseless {
    /// Bytes of a text that are looked for. Each place in an event may be compared up to the last of them, so they are few.
    const BYTES_MAX: usize = 32;

    fn new(text: &str) -> Self {
        // Letters of English by how often they occur; what is none of them is rarer still.
        const FREQUENT: &[u8] = b"zqxjkvbpygfwmucldrhsnioate";
        let rank = |byte: u8| FREQUENT.iter().position(|other| *other == byte).map_or(0, |rank| rank + 1);
        let text = text.get(..Self::BYTES_MAX).unwrap_or(text);
        let text: Box<[u8]> = text.to_ascii_lowercase().into_bytes().into();
        // Quotes are everywhere in JSON.
        let ranks = text.iter().map(|byte| if *byte == b'"' { usize::MAX } else { rank(*byte) });
        let rare_at = ranks.enumerate().min_by_key(|(_, rank)| *rank).map_or(0, |(at, _)| at);
        Self { text, rare_at }
    }

    fn is_in(&self, canonical: &[u8]) -> bool {
        let Some(window) = canonical.get(self.rare_at..) else { return false };
        let rare = self.text[self.rare_at];
        memchr::memchr2_iter(rare, rare.to_ascii_uppercase(), window).any(|start| {
            canonical
                .get(start..start + self.text.len())
                .is_some_and(|found| found.eq_ignore_ascii_case(&self.text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::fold;

    #[test]
    fn what_stands_apart_folds_to_nothing_in_ascii() {
        assert!(APART.windows(2).all(|pair| pair[0].1 < pair[1].0), "sorted, without an overlap");
        for letter in APART.iter().flat_map(|(first, last)| *first..=*last) {
            let folded = fold(&letter.to_string()).into_owned();
            assert!(!folded.is_empty() && !folded.bytes().any(|byte| byte.is_ascii()), "{letter:?}");
        }
        for (text, letters) in [
            ("Acao", Letters::Ascii),
            ("A\u{e7}\u{e3}o \u{2013} \u{15f}\u{142} \u{540d}\u{524d} \u{1f680}", Letters::Apart),
            ("A\u{e7}\u{e3}o \u{212a}", Letters::Any),
            ("stra\u{df}e", Letters::Any),
        ] {
            assert_eq!(Letters::of(text.as_bytes()), letters, "{text}");
        }
    }
}
