//! Which rows have a part of a text, a number or a name.

use annals_event::filter::{Part, Test, contains_folded};
use annals_event::json::{Document, Kind, Limits, Value};

use super::node::{Leaf, Node, RawTest};
use super::resolve::{Resolve, Scope, no_shapes, set_bit};
use super::set::Set;
use super::sieve::Sieve;
use crate::Damaged;
use crate::meta::{Column, LeafKind};
use crate::segment::{Reader, Segment, TableSlot as Slot};

impl Resolve<'_> {
    /// `text` is folded, and the scope is the rows.
    pub(super) fn mentions(&mut self, text: &str, scope: &Scope) -> Result<Node, Damaged> {
        let segment = self.segment;
        let test = Test::Text { part: Part::Anywhere, text: text.into(), folded: true };
        let mut nodes = Vec::new();
        for (table, of) in segment.footer().tables.iter().enumerate() {
            for (column, leaves) in of.columns.iter().enumerate() {
                match leaves.kind {
                    LeafKind::Text => nodes.extend(self.column(table, column, &test, scope)?),
                    LeafKind::Token => {
                        let set = self.numbers_with(leaves, text)?;
                        nodes.extend(set.map(|set| Node::Leaf(Leaf::Column { table, column, set })));
                    }
                }
            }
            nodes.extend(self.shapes_with_name(table, text)?);
            if scope.has_raw(segment, table) {
                nodes.push(self.raw(table, RawTest::Mentions(text.into())));
            }
        }
        Ok(Node::any(nodes))
    }

    /// Which tokens of a column are numbers that contain a text.
    fn numbers_with(&self, column: &Column, text: &str) -> Result<Option<Set>, Damaged> {
        // All that a number is written with, folded.
        if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'e' | b'.' | b'+' | b'-')) {
            return Ok(None);
        }
        let is_number = |token: &str| !matches!(token, "null" | "true" | "false");
        self.passing(column, &Sieve::Open, |token| is_number(token) && contains_folded(token, text))
    }

    /// Instances of the shapes in which some member's name contains a text.
    fn shapes_with_name(&mut self, table: usize, text: &str) -> Result<Option<Node>, Damaged> {
        let segment = self.segment;
        let shapes = self.reader.get_or_insert_with(|| Reader::new(segment)).shapes(table)?;
        let (mut json, mut document) = (Vec::new(), Document::default());
        let mut bits = no_shapes(shapes.count());
        let mut has_any = false;
        for shape in 0..shapes.count() {
            let malformed = || segment.malformed("a shape that is no JSON");
            let (pieces, last) = shapes.pieces(shape).ok_or_else(malformed)?;
            json.clear();
            for (literal, slot) in pieces {
                json.extend_from_slice(literal);
                json.extend_from_slice(stand_in(segment, table, slot));
            }
            json.extend_from_slice(last);
            let root = document.parse(&json, Limits { depth_max: usize::MAX }).map_err(|_| malformed())?;
            if has_name(root, text) {
                set_bit(&mut bits, shape);
                has_any = true;
            }
        }
        Ok(has_any.then_some(Node::Leaf(Leaf::Shapes { table, shapes: bits })))
    }
}

/// Something that may stand where a shape has a slot. A text's quotes are the shape's.
fn stand_in(segment: &Segment, table: usize, slot: Slot) -> &'static [u8] {
    match slot {
        Slot::Leaf(column) => match segment.footer().tables[table].columns[usize::from(column)].kind {
            LeafKind::Text => b"",
            LeafKind::Token => b"0",
        },
        Slot::Elements(_) => b"[]",
        Slot::Object(_) => b"{}",
    }
}

fn has_name(value: Value<'_>, text: &str) -> bool {
    match value.kind() {
        Kind::Object => {
            value.members().any(|(name, member)| contains_folded(name, text) || has_name(member, text))
        }
        Kind::Array => value.items().any(|item| has_name(item, text)),
        _ => false,
    }
}
