//! Walking through canonical bytes without checking what [`normalise`](crate::normalise) has checked.

use std::ops::Range;

use super::UnitsError;
use crate::json::plain_run_end;

/// A place in canonical bytes. Every step checks bounds and the byte it needs, nothing more.
pub(super) struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next member or item is the first of its container.
    first: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, first: true }
    }

    /// Steps over the opening bracket.
    pub(super) fn open(&mut self, bracket: u8) -> Result<(), UnitsError> {
        self.first = true;
        self.expect(bracket)
    }

    /// Steps to the next member or item; false after stepping over the closing bracket.
    #[inline]
    pub(super) fn next(&mut self, close: u8) -> Result<bool, UnitsError> {
        let first = std::mem::replace(&mut self.first, false);
        if self.bytes.get(self.at) == Some(&close) {
            self.at += 1;
            return Ok(false);
        }
        if !first {
            self.expect(b',')?;
        }
        Ok(true)
    }

    /// Steps over a member's name and colon; returns the name's token.
    #[inline]
    pub(super) fn name(&mut self) -> Result<Range<usize>, UnitsError> {
        let start = self.at;
        self.string()?;
        let end = self.at;
        self.expect(b':')?;
        Ok(start..end)
    }

    /// Steps over a value; returns its token.
    #[inline]
    pub(super) fn value(&mut self) -> Result<Range<usize>, UnitsError> {
        let start = self.at;
        match self.bytes.get(start) {
            Some(b'"') => self.string()?,
            Some(b'{' | b'[') => self.container()?,
            _ => {
                while let Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.') =
                    self.bytes.get(self.at)
                {
                    self.at += 1;
                }
                if self.at == start {
                    return Err(self.wrong());
                }
            }
        }
        Ok(start..self.at)
    }

    /// Whether an object that is not empty comes next.
    pub(super) fn at_object_with_members(&self) -> bool {
        self.bytes.get(self.at) == Some(&b'{') && self.bytes.get(self.at + 1) != Some(&b'}')
    }

    /// Checks that nothing is left.
    pub(super) fn finish(&self) -> Result<(), UnitsError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.wrong()) }
    }

    #[inline]
    fn string(&mut self) -> Result<(), UnitsError> {
        self.expect(b'"')?;
        loop {
            self.at = plain_run_end(self.bytes, self.at);
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') if self.at + 1 < self.bytes.len() => self.at += 2,
                _ => return Err(self.wrong()),
            }
        }
    }

    fn container(&mut self) -> Result<(), UnitsError> {
        let mut depth = 0_usize;
        while let Some(&byte) = self.bytes.get(self.at) {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.wrong())
    }

    #[inline]
    fn expect(&mut self, byte: u8) -> Result<(), UnitsError> {
        if self.bytes.get(self.at) != Some(&byte) {
            return Err(self.wrong());
        }
        self.at += 1;
        Ok(())
    }

    #[cold]
    fn wrong(&self) -> UnitsError {
        UnitsError { at: self.at }
    }
}
