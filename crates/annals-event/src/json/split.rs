//! Cutting a request's body into items, without trusting any of them.

use super::text::plain_run_end;
use crate::code::{Code, Rejection};

/// What a body looks like from its first byte that is not white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing but white space.
    Empty,
    /// Starts with `{`: one event, or NDJSON. Which of them the content type says.
    Object,
    /// Starts with `[`: an array of events.
    Array,
    /// Anything else.
    Other,
}

/// Tells the shape of a body.
#[must_use]
pub fn shape(body: &[u8]) -> Shape {
    match body.iter().find(|byte| !is_white_space(**byte)) {
        None => Shape::Empty,
        Some(b'{') => Shape::Object,
        Some(b'[') => Shape::Array,
        Some(_) => Shape::Other,
    }
}

/// Iterates over the lines of an NDJSON body: cut at `\n`, white space around a line removed, blank
/// lines left out. The lines themselves are not looked into.
pub fn lines(body: &[u8]) -> Lines<'_> {
    Lines { rest: body }
}

/// See [`lines`].
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = memchr::memchr(b'\n', self.rest).unwrap_or(self.rest.len());
            let (line, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            let line = trimmed(line);
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }
}

/// Iterates over the items of a JSON array as slices of the body, looking only at brackets, quotes and
/// commas. An item that is wrong inside (duplicate names, lone surrogates, bad UTF-8, any depth) comes
/// out as it is, to be refused by itself, and costs its neighbours nothing.
///
/// Memory: one bit for each level of nesting, so at most an eighth of the body.
///
/// # Errors
///
/// The iterator yields one [`Rejection`] (code `json` or `trailing_bytes`) and ends when the array itself
/// is broken: it has no end, brackets do not match, a string has no end, an item or comma is missing, or
/// something follows it. Whether it is broken is known only at the end: collect before storing anything.
pub fn split_array(body: &[u8]) -> Items<'_> {
    Items { body, at: 0, state: State::Before, levels: Vec::new() }
}

/// See [`split_array`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    body: &'a [u8],
    at: usize,
    state: State,
    /// The kinds of the containers open inside the item, one bit each.
    levels: Vec<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Before,
    /// A `[` or a comma was read.
    First,
    Next,
    Done,
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<&'a [u8], Rejection>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let item = self.advance();
        if !matches!(item, Ok(Some(_))) {
            self.state = State::Done;
        }
        item.transpose()
    }
}

impl<'a> Items<'a> {
    fn advance(&mut self) -> Result<Option<&'a [u8]>, Rejection> {
        if self.state == State::Before {
            self.white_space();
            if self.body.get(self.at) != Some(&b'[') {
                return Err(self.broken("does not start with `[`"));
            }
            self.at += 1;
            self.state = State::First;
        }
        self.white_space();
        match self.body.get(self.at) {
            Some(b']') if self.state == State::First => return self.finish(),
            Some(b',' | b']') => return Err(self.broken("misses an item")),
            _ => {}
        }
        let start = self.at;
        self.item()?;
        let item = trimmed(&self.body[start..self.at]);
        match self.body.get(self.at) {
            Some(b',') => {
                self.at += 1;
                self.state = State::Next;
            }
            // The bracket is read by the next call.
            Some(b']') => self.state = State::First,
            _ => return Err(self.broken("has no end")),
        }
        Ok(Some(item))
    }

    fn finish(&mut self) -> Result<Option<&'a [u8]>, Rejection> {
        self.at += 1;
        self.white_space();
        if self.at == self.body.len() {
            return Ok(None);
        }
        let message = format!("the body goes on after its array, at byte {}", self.at);
        Err(Rejection { code: Code::TrailingBytes, pointer: String::new(), message })
    }

    /// Moves to the comma or bracket after the item.
    fn item(&mut self) -> Result<(), Rejection> {
        let mut depth = 0;
        let mut complete = false;
        while let Some(&byte) = self.body.get(self.at) {
            match byte {
                b',' | b']' if depth == 0 => return Ok(()),
                b'"' | b'{' | b'[' if complete => return Err(self.broken("misses a comma between items")),
                b'"' => {
                    self.string()?;
                    complete = depth == 0;
                    continue;
                }
                b'{' | b'[' => {
                    self.set_level(depth, byte == b'{');
                    depth += 1;
                }
                b'}' | b']' => {
                    if depth == 0 || self.level(depth - 1) != (byte == b'}') {
                        return Err(self.broken("has brackets that do not match"));
                    }
                    depth -= 1;
                    complete = depth == 0;
                }
                _ => {}
            }
            self.at += 1;
        }
        Err(self.broken("has no end"))
    }

    /// Moves past the string that starts here.
    fn string(&mut self) -> Result<(), Rejection> {
        self.at += 1;
        loop {
            self.at = plain_run_end(self.body, self.at);
            match self.body.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.at += 2,
                // A raw control character is the item's own problem.
                Some(_) => self.at += 1,
                None => return Err(self.broken("has a string without end")),
            }
        }
    }

    fn level(&self, depth: usize) -> bool {
        self.levels[depth / 64] >> (depth % 64) & 1 == 1
    }

    fn set_level(&mut self, depth: usize, is_object: bool) {
        if depth / 64 == self.levels.len() {
            self.levels.push(0);
        }
        let (word, bit) = (&mut self.levels[depth / 64], 1 << (depth % 64));
        if is_object { *word |= bit } else { *word &= !bit }
    }

    fn white_space(&mut self) {
        while self.body.get(self.at).is_some_and(|&byte| is_white_space(byte)) {
            self.at += 1;
        }
    }

    fn broken(&self, how: &str) -> Rejection {
        let message = format!("the array {how}, at byte {}", self.at.min(self.body.len()));
        Rejection { code: Code::Json, pointer: String::new(), message }
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let Some(start) = bytes.iter().position(|&byte| !is_white_space(byte)) else { return &[] };
    let end = bytes.iter().rposition(|&byte| !is_white_space(byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}
