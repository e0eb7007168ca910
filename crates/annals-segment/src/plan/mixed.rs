//! Which values have a phrase, of those that a column of several kinds keeps as digits: their words are not indexed.

use annals_event::filter::{Phrase, each_word};
use annals_event::json::unescape;

use super::resolve::Resolve;
use super::set::Set;
use super::texts::{Fixed, UUID};
use crate::Damaged;
use crate::meta::Column;
use crate::values::{Values, is_uuid};

/// How to find the values of one part.
enum Look {
    /// This value, if it is there.
    At(Vec<u8>),
    /// All values that begin so.
    Begins(String),
    /// UUIDs with these words.
    Uuids(Fixed),
    /// All whose text has the phrase.
    Through,
}

impl Resolve<'_> {
    /// Which values outside the part for texts have the phrase.
    pub(super) fn mixed(&mut self, column: &Column, phrase: &Phrase) -> Result<Option<Set>, Damaged> {
        let Values::Mixed { parts, .. } = &column.values else { return Ok(None) };
        let looks: Vec<Look> = parts.iter().filter_map(|part| look(part, phrase)).collect();
        let mut found = Vec::new();
        let mut all = Vec::new();
        for look in looks {
            match look {
                Look::At(value) => found.extend(self.find(column, &value)?),
                other => all.push(other),
            }
        }
        if !all.is_empty() {
            column.values.each(self.segment.body(), 0..column.values.len(), |ordinal, value| {
                let passes = |look: &Look| match look {
                    Look::At(_) => false,
                    Look::Begins(prefix) => value.starts_with(prefix.as_bytes()),
                    Look::Uuids(fixed) => is_uuid(value) && fixed.is_in(value),
                    Look::Through => {
                        str::from_utf8(value).is_ok_and(|text| phrase.occurs_in(&unescape(text)))
                    }
                };
                if !column.values.is_text(value) && all.iter().any(passes) {
                    found.push(self.segment.small(ordinal)?);
                }
                Ok(())
            })?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(Set::of(&found, column.values.len()))
    }
}

/// How to find the values of a part that have a phrase; nothing where none can have it.
fn look(part: &Values, phrase: &Phrase) -> Option<Look> {
    match part {
        Values::Text { .. } => None,
        Values::Uuid { .. } => {
            let fixed = Fixed::of(&UUID, phrase)?;
            Some(match fixed.whole_uuid() {
                Some(uuid) => Look::At(uuid.into_bytes()),
                None => Look::Uuids(fixed),
            })
        }
        Values::Hex { prefix, digits, .. } if prefix.is_ascii() && !prefix.contains('\\') => {
            hex(prefix, *digits, phrase)
        }
        _ => Some(Look::Through),
    }
}

/// As [`look`], where all values are this prefix and so many hexadecimal digits.
fn hex(prefix: &str, digits: u32, phrase: &Phrase) -> Option<Look> {
    let mut before: Vec<Box<str>> = Vec::new();
    each_word(prefix, &mut |word| before.push(word.into()));
    // The digits continue the prefix's last word, when it ends with one.
    let ends_with_word = prefix.bytes().last().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let continued = if ends_with_word { before.pop().unwrap_or_default() } else { Box::default() };
    let words: Vec<&str> = phrase.words().collect();
    if before.windows(words.len().max(1)).any(|some| some.iter().map(AsRef::as_ref).eq(words.iter().copied()))
    {
        return Some(Look::Begins(prefix.to_owned()));
    }
    let (last, others) = words.split_last()?;
    let start = before.len().checked_sub(others.len())?;
    let hex = last.strip_prefix(&*continued)?;
    let fits = u32::try_from(hex.len()) == Ok(digits)
        && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && before[start..].iter().map(AsRef::as_ref).eq(others.iter().copied());
    fits.then(|| Look::At(format!("{prefix}{hex}").into_bytes()))
}
