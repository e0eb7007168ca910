//! Reading lines of records with units in the form that [`write_line`](crate::write_line) gives them.
//!
//! Nearly all bytes of a log are in such lines, and a general reader of JSON takes four times as long for them. What differs in
//! anything from that form, were it a space, is left to the general reader: it says what is wrong, if anything is.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Hex, Raw, RawUnit, decode_hex};
use crate::plain::plain_end;

/// Units for which there is room at first.
const UNITS: usize = 24;

/// Reads a line; none when it is not known whether it is one.
pub(super) fn read(line: &str) -> Option<Raw<'_>> {
    let mut rest = Rest { line, at: 0 };
    rest.step("{\"position\":")?;
    let position = rest.number()?;
    rest.step(",\"entry\":\"")?;
    let entry = rest.text()?;
    let secret = match rest.step(",\"secret\":\"") {
        Some(()) => Some(rest.digits()?),
        None => None,
    };
    rest.step(",\"units\":[")?;
    let mut units = Vec::with_capacity(UNITS);
    loop {
        units.push(rest.unit()?);
        if rest.step(",").is_none() {
            break;
        }
    }
    rest.step("]}")?;
    let is_all = rest.at == line.len();
    is_all.then_some(Raw {
        position: Some(position),
        entry: Some(entry),
        secret,
        units: Some(units),
        expired: None,
        gap: None,
        nodes: None,
    })
}

/// What was not read yet.
struct Rest<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn bytes(&self) -> &'a [u8] {
        &self.line.as_bytes()[self.at..]
    }

    /// Steps over what must come next; else stays.
    #[inline]
    fn step(&mut self, over: &str) -> Option<()> {
        self.bytes().starts_with(over.as_bytes()).then(|| self.at += over.len())
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.bytes().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = &self.line[self.at..self.at + digits];
        self.at += digits.len();
        // JSON has no number that begins with a zero, but zero.
        if digits.len() > 1 && digits.starts_with('0') {
            return None;
        }
        digits.parse().ok()
    }

    /// The hex digits of a string, whose first quote was stepped over.
    fn digits<const N: usize>(&mut self) -> Option<Hex<N>> {
        let (text, mut bytes) = (self.text()?, [0; N]);
        decode_hex(&text, &mut bytes).then_some(Hex(bytes))
    }

    /// A string whose first quote was stepped over.
    fn text(&mut self) -> Option<Cow<'a, str>> {
        let bytes = self.line.as_bytes();
        let end = plain_end(bytes, self.at);
        let plain = &self.line[self.at..end];
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Some(Cow::Borrowed(plain));
        }
        // Values are strings mostly, and so have an escape at both ends.
        let mut text = String::with_capacity(plain.len() + 64);
        text.push_str(plain);
        self.at = end;
        loop {
            match (bytes.get(self.at)?, bytes.get(self.at + 1)) {
                (b'"', _) => {
                    self.at += 1;
                    return Some(Cow::Owned(text));
                }
                // What was escaped is the beginning of what follows.
                (b'\\', Some(b'"' | b'\\')) => {
                    let end = plain_end(bytes, self.at + 2);
                    text.push_str(&self.line[self.at + 1..end]);
                    self.at = end;
                }
                _ => return None,
            }
        }
    }

    fn unit(&mut self) -> Option<RawUnit<'a>> {
        self.step("[\"")?;
        let first = self.text()?;
        let unit = if self.step(",\"").is_some() {
            let value = self.text()?;
            let salt = match self.step(",\"") {
                Some(()) => Some(self.digits()?),
                None => None,
            };
            RawUnit::Shown(first, value, salt)
        } else {
            let by = match self.step(",") {
                Some(()) => Some(self.number()?),
                None => None,
            };
            let mut digest = [0; 32];
            decode_hex(&first, &mut digest).then_some(RawUnit::Hidden(Hex(digest), by))?
        };
        self.step("]")?;
        Some(unit)
    }
}

#[cfg(test)]
mod tests;
