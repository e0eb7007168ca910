//! The scanner: one pass over the text, an explicit stack, no recursion.

use std::cmp::Ordering;

use super::document::{Document, Kind, Node};
use super::pointer::{Segment, bounded};
use super::text::{compare_names, decode_escape, name_prefix, plain_run_end};
use crate::code::{Code, Rejection, shown};

/// What a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Deepest nesting of objects and arrays; the outermost container is level 1.
    pub depth_max: usize,
}

/// A child of a container: an item, or a member's name, whose value is the node after it.
#[derive(Clone, Copy)]
pub(super) struct Child {
    /// A name's [`name_prefix`]: decides most comparisons without a look at the text.
    pub(super) prefix: u64,
    pub(super) node: u32,
}

/// A container that is still open.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    node: u32,
    /// Where its children begin in `pending`.
    children: u32,
    /// [`Scan::loose`] when it was opened.
    loose: u32,
    is_object: bool,
}

/// The state of one pass.
pub(super) struct Scan<'d, 'a> {
    document: &'d mut Document,
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_max: usize,
    /// How often something was not canonical so far: white space, an escape, unsorted names. A container
    /// whose count did not move between its brackets can be copied as it stands.
    loose: u32,
}

/// Boxed, so that the way without failure moves two words rather than five.
type Failure = Box<(Code, String)>;

impl<'d, 'a> Scan<'d, 'a> {
    /// Fills `document` with the nodes of `raw`, the outermost value first, and returns `raw` as text.
    pub(super) fn run(
        document: &'d mut Document,
        raw: &'a [u8],
        limits: Limits,
    ) -> Result<&'a str, Rejection> {
        document.nodes.clear();
        document.children.clear();
        document.decoded.clear();
        document.frames.clear();
        document.pending.clear();
        let root =
            |code, message: &str| Rejection { code, pointer: String::new(), message: message.to_owned() };
        // Node ranges are 32 bits wide; every caller has a far lower limit of its own.
        if u32::try_from(raw.len()).is_err() {
            return Err(root(Code::EventBytes, "the text is longer than 4 GiB"));
        }
        let text = str::from_utf8(raw).map_err(|error| {
            root(Code::Utf8, &format!("the text is not UTF-8 from byte {} on", error.valid_up_to()))
        })?;
        let mut scan = Scan { document, text, bytes: raw, at: 0, depth_max: limits.depth_max, loose: 0 };
        match scan.text() {
            Ok(()) => Ok(text),
            Err(failure) => {
                let (code, message) = *failure;
                Err(Rejection { code, pointer: scan.pointer(), message })
            }
        }
    }

    fn text(&mut self) -> Result<(), Failure> {
        if self.bytes.starts_with(b"\xEF\xBB\xBF") {
            return Err(failure(
                Code::Json,
                "the text starts with a byte order mark; send it without".to_owned(),
            ));
        }
        loop {
            self.white_space();
            if self.value()? {
                continue;
            }
            if !self.after_value()? {
                break;
            }
        }
        self.white_space();
        if self.at < self.bytes.len() {
            return Err(failure(
                Code::TrailingBytes,
                format!("the text goes on after its value, at byte {}", self.at),
            ));
        }
        Ok(())
    }

    /// Reads one value. True when it opened a container and the next value is due.
    #[inline]
    fn value(&mut self) -> Result<bool, Failure> {
        if let Some(frame) = self.document.frames.last()
            && !frame.is_object
        {
            let node = index(self.document.nodes.len());
            self.document.pending.push(Child { prefix: 0, node });
        }
        match self.bytes.get(self.at) {
            Some(b'"') => {
                self.string()?;
            }
            Some(b'{') => return self.open(Kind::Object),
            Some(b'[') => return self.open(Kind::Array),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.literal(b"true", Kind::Bool)?,
            Some(b'f') => self.literal(b"false", Kind::Bool)?,
            Some(b'n') => self.literal(b"null", Kind::Null)?,
            _ => return Err(self.unexpected("a value")),
        }
        Ok(false)
    }

    /// Reads what follows a value. True when the next value is due, false when the outermost value is done.
    fn after_value(&mut self) -> Result<bool, Failure> {
        loop {
            let Some(&frame) = self.document.frames.last() else { return Ok(false) };
            self.white_space();
            let close = if frame.is_object { b'}' } else { b']' };
            match self.bytes.get(self.at) {
                Some(b',') => {
                    self.at += 1;
                    if frame.is_object {
                        self.white_space();
                        self.name()?;
                    }
                    return Ok(true);
                }
                Some(&byte) if byte == close => {
                    self.at += 1;
                    self.close()?;
                }
                _ if frame.is_object => return Err(self.unexpected("`,` or `}`")),
                _ => return Err(self.unexpected("`,` or `]`")),
            }
        }
    }

    /// Opens a container; an empty one is closed at once. True when a value is due.
    fn open(&mut self, kind: Kind) -> Result<bool, Failure> {
        if self.document.frames.len() == self.depth_max {
            return Err(failure(
                Code::Depth,
                format!("objects and arrays nest deeper than {} levels", self.depth_max),
            ));
        }
        let is_object = kind == Kind::Object;
        self.document.frames.push(Frame {
            node: index(self.document.nodes.len()),
            children: index(self.document.pending.len()),
            loose: self.loose,
            is_object,
        });
        self.push(kind, self.at, self.at);
        self.at += 1;
        self.white_space();
        match self.bytes.get(self.at) {
            Some(b'}') if is_object => {
                self.at += 1;
                self.close()?;
                Ok(false)
            }
            Some(b']') if !is_object => {
                self.at += 1;
                self.close()?;
                Ok(false)
            }
            _ if is_object => self.name().map(|()| true),
            _ => Ok(true),
        }
    }

    /// Closes the innermost container: sorts names, finds duplicates, files the children.
    fn close(&mut self) -> Result<(), Failure> {
        let frame = *self.document.frames.last().expect("a closing bracket is only read inside a container");
        if frame.is_object && !self.sort_names(frame)? {
            self.loose += 1;
        }
        let document = &mut *self.document;
        let from = index(document.children.len());
        document.children.extend_from_slice(&document.pending[frame.children as usize..]);
        document.pending.truncate(frame.children as usize);
        document.frames.pop();
        let node = &mut document.nodes[frame.node as usize];
        (node.from, node.to) = (from, index(document.children.len()));
        node.end = index(self.at);
        node.loose = self.loose != frame.loose;
        Ok(())
    }

    /// Brings an object's names into canonical order; true if they were. Sorting finds duplicates side by
    /// side, so 50,000 hostile names cost n log n.
    fn sort_names(&mut self, frame: Frame) -> Result<bool, Failure> {
        let text = self.text;
        let mut pending = std::mem::take(&mut self.document.pending);
        let names = &mut pending[frame.children as usize..];
        let document = &*self.document;
        let compare = |a: &Child, b: &Child| compare_children(document, text, a, b);
        let sorted = names.is_sorted_by(|a, b| compare(a, b) == Ordering::Less);
        let mut duplicate = None;
        if !sorted {
            names.sort_unstable_by(compare);
            duplicate = names.windows(2).find(|pair| compare(&pair[0], &pair[1]) == Ordering::Equal);
        }
        let refused = duplicate.map(|pair| {
            let name = document.string(text, &document.nodes[pair[0].node as usize]);
            (
                pair[0],
                failure(Code::DuplicateMember, format!("the member `{}` stands more than once", shown(name))),
            )
        });
        if let Some((child, _)) = refused {
            // The pointer is read off the last pending child of each open container.
            pending.push(child);
        }
        self.document.pending = pending;
        refused.map_or(Ok(sorted), |(_, failure)| Err(failure))
    }

    /// Reads a member's name and the colon after it.
    fn name(&mut self) -> Result<(), Failure> {
        if self.bytes.get(self.at) != Some(&b'"') {
            return Err(self.unexpected("a member's name"));
        }
        let start = self.at;
        let node = self.string()?;
        let prefix = self.prefix(start, node);
        self.document.pending.push(Child { prefix, node });
        self.white_space();
        if self.bytes.get(self.at) != Some(&b':') {
            return Err(self.unexpected("`:`"));
        }
        self.at += 1;
        self.white_space();
        Ok(())
    }

    /// The [`name_prefix`] of the name just read, whose token starts at `start`.
    #[inline]
    fn prefix(&self, start: usize, node: u32) -> u64 {
        const NOT_ASCII: u64 = 0x8080_8080_8080_8080;
        let node = &self.document.nodes[node as usize];
        if let Some(first) = self.bytes[start + 1..].first_chunk::<8>()
            && !node.loose
        {
            // The quote and what follows a short name is cut off.
            let len = self.at - start - 2;
            let beyond = if len < 8 { u64::MAX >> (8 * len) } else { 0 };
            let prefix = u64::from_be_bytes(*first) & !beyond;
            if prefix & NOT_ASCII == 0 {
                return prefix;
            }
        }
        name_prefix(self.document.string(self.text, node).as_bytes())
    }

    /// Reads a string token and returns its node.
    #[inline]
    fn string(&mut self) -> Result<u32, Failure> {
        let start = self.at;
        let end = plain_run_end(self.bytes, start + 1);
        let node = index(self.document.nodes.len());
        if self.bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            self.push(Kind::String, start, end + 1);
        } else {
            self.escaped_string(start, end)?;
        }
        Ok(node)
    }

    /// Reads a string token whose first plain run, up to `end`, is not all of it.
    #[cold]
    fn escaped_string(&mut self, start: usize, mut end: usize) -> Result<(), Failure> {
        let mut run = start + 1;
        let from = self.document.decoded.len();
        loop {
            self.document.decoded.push_str(&self.text[run..end]);
            self.at = end;
            match self.bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    let (character, after) =
                        decode_escape(self.bytes, end + 1).map_err(|(code, message)| {
                            failure(code, format!("the string at byte {start} {message}"))
                        })?;
                    self.document.decoded.push(character);
                    run = after;
                    end = plain_run_end(self.bytes, run);
                }
                Some(byte) => {
                    let message =
                        format!("the string at byte {start} holds the raw control character U+{byte:04X}");
                    return Err(failure(Code::ControlCharacter, message));
                }
                None => return Err(failure(Code::Json, format!("the string at byte {start} has no end"))),
            }
        }
        self.at += 1;
        self.loose += 1;
        self.document.nodes.push(Node {
            start: index(start),
            end: index(self.at),
            from: index(from),
            to: index(self.document.decoded.len()),
            kind: Kind::String,
            loose: true,
        });
        Ok(())
    }

    /// Reads a number token; its digits are kept, never computed with.
    fn number(&mut self) -> Result<(), Failure> {
        let start = self.at;
        let bad = |message: &str| failure(Code::Number, format!("the number at byte {start} {message}"));
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        let whole = self.at;
        let digits = self.digits();
        if digits == 0 {
            return Err(bad("has no digits"));
        }
        if digits > 1 && self.bytes[whole] == b'0' {
            return Err(bad("has a leading zero"));
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(bad("has no digits after its point"));
            }
        }
        if let Some(b'e' | b'E') = self.bytes.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.bytes.get(self.at) {
                self.at += 1;
            }
            if self.digits() == 0 {
                return Err(bad("has no digits in its exponent"));
            }
        }
        self.push(Kind::Number, start, self.at);
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.at - start
    }

    fn literal(&mut self, word: &[u8], kind: Kind) -> Result<(), Failure> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.push(kind, self.at, self.at + word.len());
        self.at += word.len();
        Ok(())
    }

    #[inline]
    fn white_space(&mut self) {
        if let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.loose += 1;
            while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
                self.at += 1;
            }
        }
    }

    #[inline]
    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        let (start, end) = (index(start), index(end));
        self.document.nodes.push(Node { start, end, from: 0, to: 0, kind, loose: false });
    }

    #[cold]
    fn unexpected(&self, wanted: &str) -> Failure {
        let at = self.at;
        let message = match self.text.get(at..).and_then(|rest| rest.chars().next()) {
            Some(found) => {
                format!("`{}` stands at byte {at} where {wanted} was expected", found.escape_debug())
            }
            None => format!("the text ends at byte {at} where {wanted} was expected"),
        };
        failure(Code::Json, message)
    }

    /// The place being read: the last child begun in every open container.
    fn pointer(&self) -> String {
        let document = &*self.document;
        let ends = document.frames.iter().skip(1).map(|frame| frame.children as usize);
        let ends = ends.chain([document.pending.len()]);
        let segments = document.frames.iter().zip(ends).map_while(|(frame, end)| {
            let children = &document.pending[frame.children as usize..end];
            let last = children.last()?;
            Some(if frame.is_object {
                Segment::Name(document.string(self.text, &document.nodes[last.node as usize]))
            } else {
                Segment::Index(children.len() - 1)
            })
        });
        bounded(segments)
    }
}

#[cold]
fn failure(code: Code, message: String) -> Failure {
    Box::new((code, message))
}

/// Node and byte indexes fit 32 bits: the length of the text was checked, and it has no more nodes or
/// decoded bytes than bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "checked once, by Scan::run, rather than for every node")]
fn index(at: usize) -> u32 {
    at as u32
}

/// Canonical order of two names.
#[inline]
fn compare_children(document: &Document, text: &str, a: &Child, b: &Child) -> Ordering {
    let name = |child: &Child| document.string(text, &document.nodes[child.node as usize]);
    a.prefix.cmp(&b.prefix).then_with(|| compare_names(name(a), name(b)))
}
