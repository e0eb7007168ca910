//! Texts of a fixed form, whose words stand at fixed places: UUIDs and times.

use std::ops::Range;

use annals_event::filter::Phrase;

/// What stands in a place of the form.
#[derive(Clone, Copy, Debug)]
enum Letter {
    Hex,
    Digit,
    /// This one, folded.
    Is(u8),
}

/// A form: where its words stand, and what they consist of.
#[derive(Debug)]
pub(super) struct Form {
    words: &'static [(Range<usize>, &'static str)],
}

/// Lower-case 8-4-4-4-12: `x` is a hex digit.
pub(super) const UUID: Form = Form {
    words: &[
        (0..8, "xxxxxxxx"),
        (9..13, "xxxx"),
        (14..18, "xxxx"),
        (19..23, "xxxx"),
        (24..36, "xxxxxxxxxxxx"),
    ],
};

/// `YYYY-MM-DDTHH:MM:SS.ffffffZ`: `0` is a digit.
pub(super) const TIME: Form = Form {
    words: &[
        (0..4, "0000"),
        (5..7, "00"),
        (8..13, "00t00"),
        (14..16, "00"),
        (17..19, "00"),
        (20..27, "000000z"),
    ],
};

/// A phrase that some text of a form may have: the words it may begin with.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    form: &'static Form,
    words: Vec<Box<str>>,
    starts: Vec<usize>,
}

impl Letter {
    fn of(pattern: u8) -> Self {
        match pattern {
            b'x' => Self::Hex,
            b'0' => Self::Digit,
            other => Self::Is(other),
        }
    }

    fn fits(self, byte: u8) -> bool {
        match self {
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Digit => byte.is_ascii_digit(),
            Self::Is(other) => byte == other,
        }
    }
}

impl Fixed {
    /// The phrase in texts of a form; none when none of them has it.
    pub(super) fn of(form: &'static Form, phrase: &Phrase) -> Option<Self> {
        let words: Vec<Box<str>> = phrase.words().map(Into::into).collect();
        let fits = |word: &str, pattern: &str| {
            word.len() == pattern.len()
                && word.bytes().zip(pattern.bytes()).all(|(byte, letter)| Letter::of(letter).fits(byte))
        };
        let starts = 0..(form.words.len() + 1).saturating_sub(words.len());
        let starts: Vec<usize> = starts
            .filter(|start| {
                words.iter().zip(&form.words[*start..]).all(|(word, (_, pattern))| fits(word, pattern))
            })
            .collect();
        (!starts.is_empty() && !words.is_empty()).then_some(Self { form, words, starts })
    }

    /// Whether a text of the form has the phrase.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.starts.iter().any(|start| {
            self.words.iter().zip(&self.form.words[*start..]).all(|(word, (place, _))| {
                text.get(place.clone()).is_some_and(|found| found.eq_ignore_ascii_case(word.as_bytes()))
            })
        })
    }

    /// The whole text, when the phrase is all its words and only hyphens stand between them.
    pub(super) fn whole_uuid(&self) -> Option<String> {
        (self.words.len() == UUID.words.len() && self.form.words.len() == UUID.words.len())
            .then(|| self.words.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use annals_event::filter::parse_words;

    use super::*;

    #[test]
    fn words_of_a_form_are_where_the_phrase_finds_them() {
        let texts: [(&'static Form, &str); 2] =
            [(&UUID, "0192a3b4-00ff-7abc-8def-0123456789ab"), (&TIME, "2026-11-21T10:00:59.123456Z")];
        let asked = [
            "2026",
            "2026-11",
            "11",
            "21T10",
            "00:59",
            "59.123456Z",
            "\"123456z\"",
            "2027",
            "00",
            "59 10",
            "\"59 10\"",
            "0192a3b4-00ff-7abc-8def-0123456789ab",
            "00ff",
            "7abc-8def",
            "8def-7abc",
            "0123456789AB",
            "0123456789a",
            "t",
        ];
        for (form, text) in texts {
            for q in asked {
                for phrase in parse_words(q).unwrap() {
                    let found = Fixed::of(form, &phrase).is_some_and(|fixed| fixed.is_in(text.as_bytes()));
                    assert_eq!(found, phrase.occurs_in(text), "{q} in {text}");
                }
            }
        }
    }
}
