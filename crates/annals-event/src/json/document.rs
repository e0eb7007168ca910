//! A parsed text as a flat list of nodes, and cursors into it.

use super::scan::{Child, Frame, Limits, Scan};
use super::text::{compare_names, write_string};
use crate::Rejection;

/// A parsed JSON text: nodes in the order of the text, reused from one parse to the next.
///
/// Memory is at most about 60 bytes for each value and name in the text, plus the decoded strings that
/// had escapes.
#[derive(Default)]
pub struct Document {
    pub(super) nodes: Vec<Node>,
    /// Children of every container: items in order, names in canonical order.
    pub(super) children: Vec<Child>,
    /// Decoded text of strings with escapes.
    pub(super) decoded: String,
    pub(super) frames: Vec<Frame>,
    pub(super) pending: Vec<Child>,
}

/// One value or member name.
#[derive(Clone, Copy)]
pub(super) struct Node {
    /// The token in the text, `start..end`; of a container, from bracket to bracket.
    pub(super) start: u32,
    pub(super) end: u32,
    /// Container: range in `children`. Escaped string: range in `decoded`. Else unused.
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) kind: Kind,
    /// String: its token has escapes. Container: the token is not canonical as it stands.
    pub(super) loose: bool,
}

/// The six kinds of JSON value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number, of any size and precision.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// The kind with its article, for messages.
    #[must_use]
    pub const fn described(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

impl Document {
    /// Parses one JSON text and returns its value, which borrows this document until the next parse.
    ///
    /// White space around the value is allowed, a byte order mark is not.
    ///
    /// # Errors
    ///
    /// A [`Rejection`] with one of the codes `json`, `trailing_bytes`, `utf8`, `control_character`,
    /// `lone_surrogate`, `number`, `duplicate_member`, `depth`, or `event_bytes` from 4 GiB on;
    /// it points at the innermost value that was being read.
    pub fn parse<'a>(&'a mut self, raw: &'a [u8], limits: Limits) -> Result<Value<'a>, Rejection> {
        let text = Scan::run(self, raw, limits)?;
        Ok(Value { document: self, text, node: 0 })
    }
}

/// A value inside a [`Document`].
#[derive(Clone, Copy)]
pub struct Value<'a> {
    document: &'a Document,
    text: &'a str,
    node: u32,
}

impl<'a> Value<'a> {
    /// What kind of value this is.
    #[inline]
    #[must_use]
    pub fn kind(self) -> Kind {
        self.node().kind
    }

    /// The value's bytes as they were sent.
    #[inline]
    #[must_use]
    pub fn token(self) -> &'a str {
        let node = self.node();
        &self.text[node.start as usize..node.end as usize]
    }

    /// The decoded text of a string; `None` for other kinds.
    #[inline]
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        (self.kind() == Kind::String).then(|| self.document.string(self.text, self.node()))
    }

    /// The value of `true` or `false`; `None` for other kinds.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.token() == "true")
    }

    /// A number written as a plain unsigned integer that fits; `None` for everything else, also for
    /// `1.0`, `1e0` and `-0`.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        // `parse` would take a leading `+`, which a JSON number cannot have.
        (self.kind() == Kind::Number).then(|| self.token().parse().ok()).flatten()
    }

    /// How many items or members; 0 for scalars.
    #[inline]
    #[must_use]
    pub fn len(self) -> usize {
        self.children().len()
    }

    /// Whether there are no items or members.
    #[inline]
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// An object's members in canonical order; nothing for other kinds.
    #[inline]
    pub fn members(self) -> impl Iterator<Item = (&'a str, Value<'a>)> {
        self.children_of(Kind::Object).iter().map(move |child| (self.name_of(child), self.at(child.node + 1)))
    }

    /// As [`Value::members`], each name as a string value and with its [`name_prefix`](super::name_prefix).
    #[inline]
    pub(crate) fn members_with_names(self) -> impl Iterator<Item = (u64, Value<'a>, Value<'a>)> {
        let children = self.children_of(Kind::Object).iter();
        children.map(move |child| (child.prefix, self.at(child.node), self.at(child.node + 1)))
    }

    /// An array's items in order; nothing for other kinds.
    #[inline]
    pub fn items(self) -> impl Iterator<Item = Value<'a>> {
        self.children_of(Kind::Array).iter().map(move |child| self.at(child.node))
    }

    /// Every string at or below this value, in the order of the text; names of members are left out.
    pub fn strings(self) -> impl Iterator<Item = &'a str> {
        let end = self.node().end;
        let below = self.document.nodes[self.node as usize..].iter().take_while(move |node| node.start < end);
        // Nodes stand in the order of the text, each name right before its value: only a name has a colon behind it.
        let bytes = self.text.as_bytes();
        let is_name = move |node: &Node| {
            let behind =
                bytes[node.end as usize..].iter().find(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
            behind == Some(&b':')
        };
        below
            .filter(move |node| node.kind == Kind::String && !is_name(node))
            .map(move |node| self.document.string(self.text, node))
    }

    /// The member `name` of an object.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Value<'a>> {
        let names = self.children_of(Kind::Object);
        let found = names.binary_search_by(|child| compare_names(self.name_of(child), name)).ok()?;
        Some(self.at(names[found].node + 1))
    }

    /// Whether the [token](Self::token) is seen at once to be what [`Value::write_canonical`] writes. Of others it may be so too:
    /// strings with escapes, and what they stand in.
    #[inline]
    #[must_use]
    pub fn is_plainly_canonical(self) -> bool {
        !self.node().loose
    }

    /// Appends the value's canonical bytes: minified, members sorted and strings escaped as RFC 8785,
    /// numbers digit for digit.
    pub fn write_canonical(self, out: &mut Vec<u8>) {
        self.write_with(out, &mut Vec::new());
    }

    /// As [`Value::write_canonical`], with a stack to reuse; it is left empty.
    #[inline]
    pub(crate) fn write_with(self, out: &mut Vec<u8>, open: &mut Vec<OpenContainer>) {
        let node = self.node();
        if node.loose {
            self.write_loose(out, open);
        } else {
            out.extend_from_slice(&self.text.as_bytes()[node.start as usize..node.end as usize]);
        }
    }

    fn write_loose(self, out: &mut Vec<u8>, open: &mut Vec<OpenContainer>) {
        self.document.open_or_write(self.text, self.node, out, open);
        while let Some(top) = open.last_mut() {
            let is_object = top.is_object;
            if top.next == top.end {
                out.push(if is_object { b'}' } else { b']' });
                open.pop();
                continue;
            }
            let child = self.document.children[top.next as usize].node;
            if top.next != top.begin {
                out.push(b',');
            }
            top.next += 1;
            if is_object {
                self.document.write_scalar(self.text, child, out);
                out.push(b':');
            }
            self.document.open_or_write(self.text, child + u32::from(is_object), out, open);
        }
    }

    #[inline]
    fn node(self) -> &'a Node {
        &self.document.nodes[self.node as usize]
    }

    #[inline]
    fn at(self, node: u32) -> Self {
        Self { node, ..self }
    }

    #[inline]
    fn name_of(self, child: &Child) -> &'a str {
        self.document.string(self.text, &self.document.nodes[child.node as usize])
    }

    #[inline]
    fn children(self) -> &'a [Child] {
        let node = self.node();
        match node.kind {
            Kind::Array | Kind::Object => &self.document.children[node.from as usize..node.to as usize],
            _ => &[],
        }
    }

    #[inline]
    fn children_of(self, kind: Kind) -> &'a [Child] {
        if self.kind() == kind { self.children() } else { &[] }
    }
}

/// A container that is being written: which of its children come next.
pub(crate) struct OpenContainer {
    begin: u32,
    next: u32,
    end: u32,
    is_object: bool,
}

impl Document {
    #[inline]
    pub(super) fn string<'a>(&'a self, text: &'a str, node: &Node) -> &'a str {
        if node.loose {
            &self.decoded[node.from as usize..node.to as usize]
        } else {
            &text[node.start as usize + 1..node.end as usize - 1]
        }
    }

    /// Writes what can be written at once; opens a container whose token is not canonical as it stands.
    fn open_or_write(&self, text: &str, index: u32, out: &mut Vec<u8>, open: &mut Vec<OpenContainer>) {
        let node = &self.nodes[index as usize];
        let is_object = node.kind == Kind::Object;
        if node.loose && (is_object || node.kind == Kind::Array) {
            out.push(if is_object { b'{' } else { b'[' });
            open.push(OpenContainer { begin: node.from, next: node.from, end: node.to, is_object });
        } else {
            self.write_scalar(text, index, out);
        }
    }

    /// Writes a token that is canonical as it stands, or a string that has escapes.
    #[inline]
    fn write_scalar(&self, text: &str, index: u32, out: &mut Vec<u8>) {
        let node = &self.nodes[index as usize];
        if node.loose {
            write_string(self.string(text, node), out);
        } else {
            out.extend_from_slice(&text.as_bytes()[node.start as usize..node.end as usize]);
        }
    }
}
