//! Taking an event apart, in one pass and without looking anything up.

use std::ops::Range;

use annals_event::model;

use super::text::string_end;
use super::{DEPTH_MAX, SlotKind};

/// Working memory of taking apart, and what came out of it last.
///
/// Parts are instances that know neither their table nor the number of their shape; whoever walks down from
/// [`root`](TakeApart::root) learns both from the slots' paths.
#[derive(Debug, Default)]
pub struct TakeApart {
    shapes: Vec<u8>,
    pieces: Vec<Piece>,
    elements: Vec<u32>,
    parts: Vec<Part>,
    open: Open,
}

/// What stands in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A leaf: from where to where in the event, quotes left out.
    Leaf {
        /// First byte.
        start: u32,
        /// The byte after the last one.
        end: u32,
    },
    /// An array: its elements, see [`TakeApart::elements`].
    Elements {
        /// The first one.
        first: u32,
        /// How many.
        count: u32,
    },
    /// A free object: its part.
    Object(u32),
}

/// An instance.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    shape: (u32, u32),
    pieces: (u32, u32),
    text: (u32, u32),
}

impl Part {
    /// Where its whole JSON text stands in the event.
    #[must_use]
    pub fn text(&self) -> Range<usize> {
        range(self.text)
    }
}

/// The event cannot be taken apart; it is to be kept as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odd;

/// What of instances not yet ended is known: stacks, the innermost on top.
#[derive(Debug, Default)]
struct Open {
    shape: Vec<u8>,
    pieces: Vec<Piece>,
    elements: Vec<u32>,
}

/// Where a value stands, as far as it decides whether objects in it are free.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A member of the event.
    Event,
    /// Further inside what the model knows.
    Model,
    /// Inside what is the client's.
    Free,
}

impl TakeApart {
    /// Takes an event apart.
    ///
    /// # Errors
    ///
    /// [`Odd`] when it is nested too deeply, or no minified JSON; there are no parts then.
    pub fn take(&mut self, event: &[u8]) -> Result<(), Odd> {
        self.shapes.clear();
        self.pieces.clear();
        self.elements.clear();
        self.parts.clear();
        self.open.shape.clear();
        self.open.pieces.clear();
        self.open.elements.clear();
        if event.first() != Some(&b'{') || u32::try_from(event.len()).is_err() {
            return Err(Odd);
        }
        let mut walk = Walk { event, at: 0, copied: 0, out: self };
        let taken = walk.instance(Place::Event, 1);
        if taken.is_err() || walk.at != event.len() {
            self.parts.clear();
            return Err(Odd);
        }
        Ok(())
    }

    /// The event itself.
    #[must_use]
    pub fn root(&self) -> Option<&Part> {
        self.parts.last()
    }

    /// The part a [`Piece`] names.
    #[must_use]
    pub fn part(&self, index: u32) -> &Part {
        &self.parts[index as usize]
    }

    /// The shape of a part, slots as bytes.
    #[must_use]
    pub fn shape(&self, part: &Part) -> &[u8] {
        &self.shapes[range(part.shape)]
    }

    /// What stands in the slots of a part.
    #[must_use]
    pub fn pieces(&self, part: &Part) -> &[Piece] {
        &self.pieces[range(part.pieces)]
    }

    /// The parts that are the elements of an array.
    #[must_use]
    pub fn elements(&self, first: u32, count: u32) -> &[u32] {
        &self.elements[range((first, first + count))]
    }
}

fn range((start, end): (u32, u32)) -> Range<usize> {
    start as usize..end as usize
}

/// Offsets fit 32 bits: the event's length was checked, and nothing here has more entries than the event has bytes.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "checked once, by `take`, rather than for every leaf")]
fn narrow(at: usize) -> u32 {
    at as u32
}

struct Walk<'a> {
    event: &'a [u8],
    at: usize,
    /// Up to where the event has gone into shapes or leaves.
    copied: usize,
    out: &'a mut TakeApart,
}

impl Walk<'_> {
    #[inline]
    fn byte(&self) -> Result<u8, Odd> {
        self.event.get(self.at).copied().ok_or(Odd)
    }

    /// The value here becomes a part; says which. Whoever calls has copied all before it.
    fn instance(&mut self, place: Place, depth: usize) -> Result<u32, Odd> {
        let start = self.at;
        let (shape, pieces) = (self.out.open.shape.len(), self.out.open.pieces.len());
        self.value(place, depth)?;
        self.copy_to(self.at);
        let out = &mut *self.out;
        let part = Part {
            shape: (narrow(out.shapes.len()), narrow(out.shapes.len() + out.open.shape.len() - shape)),
            pieces: (narrow(out.pieces.len()), narrow(out.pieces.len() + out.open.pieces.len() - pieces)),
            text: (narrow(start), narrow(self.at)),
        };
        out.shapes.extend_from_slice(&out.open.shape[shape..]);
        out.open.shape.truncate(shape);
        out.pieces.extend_from_slice(&out.open.pieces[pieces..]);
        out.open.pieces.truncate(pieces);
        out.parts.push(part);
        Ok(narrow(out.parts.len() - 1))
    }

    /// A value that is not a free object: those are instances of their own.
    fn value(&mut self, place: Place, depth: usize) -> Result<(), Odd> {
        match self.byte()? {
            b'"' => self.text(),
            b'{' => self.object(place, depth),
            b'[' => self.array(place, depth),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => self.token(),
            _ => Err(Odd),
        }
    }

    /// Copies what stands between the last leaf and here into the shape.
    #[inline]
    fn copy_to(&mut self, end: usize) {
        self.out.open.shape.extend_from_slice(&self.event[self.copied..end]);
        self.copied = end;
    }

    #[inline]
    fn text(&mut self) -> Result<(), Odd> {
        let start = self.at + 1;
        let (end, _) = string_end(self.event, start).ok_or(Odd)?;
        self.copy_to(self.at);
        self.out.open.shape.push(SlotKind::Text as u8);
        self.out.open.pieces.push(Piece::Leaf { start: narrow(start), end: narrow(end) });
        self.at = end + 1;
        self.copied = self.at;
        Ok(())
    }

    #[inline]
    fn token(&mut self) -> Result<(), Odd> {
        let start = self.at;
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') = self.event.get(self.at)
        {
            self.at += 1;
        }
        let end = self.at;
        self.copy_to(start);
        self.out.open.shape.push(SlotKind::Token as u8);
        self.out.open.pieces.push(Piece::Leaf { start: narrow(start), end: narrow(end) });
        self.copied = end;
        Ok(())
    }

    fn object(&mut self, place: Place, depth: usize) -> Result<(), Odd> {
        if depth > DEPTH_MAX {
            return Err(Odd);
        }
        self.at += 1;
        if self.byte()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.byte()? != b'"' {
                return Err(Odd);
            }
            let name = self.at + 1;
            let (end, _) = string_end(self.event, name).ok_or(Odd)?;
            if self.event.get(end + 1) != Some(&b':') {
                return Err(Odd);
            }
            self.at = end + 2;
            match self.byte()? {
                b'"' => self.text()?,
                byte @ (b'{' | b'[') => {
                    let inside = place_inside(place, &self.event[name..end]);
                    if byte == b'[' {
                        self.array(inside, depth + 1)?;
                    } else if inside == Place::Free && place != Place::Free {
                        self.free_object(depth + 1)?;
                    } else {
                        self.object(inside, depth + 1)?;
                    }
                }
                _ => self.value(place, depth)?,
            }
            match self.byte()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return Err(Odd),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn free_object(&mut self, depth: usize) -> Result<(), Odd> {
        self.copy_to(self.at);
        self.out.open.shape.push(SlotKind::Object as u8);
        let part = self.instance(Place::Free, depth)?;
        self.out.open.pieces.push(Piece::Object(part));
        Ok(())
    }

    fn array(&mut self, place: Place, depth: usize) -> Result<(), Odd> {
        if depth > DEPTH_MAX {
            return Err(Odd);
        }
        self.copy_to(self.at);
        self.out.open.shape.push(SlotKind::Elements as u8);
        self.at += 1;
        let open = self.out.open.elements.len();
        if self.byte()? == b']' {
            self.at += 1;
        } else {
            loop {
                self.copied = self.at;
                let part = self.instance(place, depth + 1)?;
                self.out.open.elements.push(part);
                let byte = self.byte()?;
                self.at += 1;
                match byte {
                    b',' => {}
                    b']' => break,
                    _ => return Err(Odd),
                }
            }
        }
        self.copied = self.at;
        let out = &mut *self.out;
        let (first, count) = (narrow(out.elements.len()), narrow(out.open.elements.len() - open));
        out.elements.extend_from_slice(&out.open.elements[open..]);
        out.open.elements.truncate(open);
        out.open.pieces.push(Piece::Elements { first, count });
        Ok(())
    }
}

/// The place inside the member with this name, as the event escapes it.
fn place_inside(place: Place, name: &[u8]) -> Place {
    match place {
        Place::Free => Place::Free,
        _ if matches!(name, b"metadata" | b"before" | b"after") => Place::Free,
        Place::Event if !model::EVENT.iter().any(|member| member.name.as_bytes() == name) => Place::Free,
        Place::Event | Place::Model => Place::Model,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skeleton::Shape;

    /// Puts a part together again, as a reader does.
    fn join(taken: &TakeApart, part: &Part, event: &[u8], out: &mut Vec<u8>) {
        let shape = Shape::parse(taken.shape(part)).unwrap();
        assert_eq!(shape.slots().len(), taken.pieces(part).len());
        for (index, piece) in taken.pieces(part).iter().enumerate() {
            out.extend_from_slice(shape.literal(index));
            match *piece {
                Piece::Leaf { start, end } => out.extend_from_slice(&event[range((start, end))]),
                Piece::Object(part) => join(taken, taken.part(part), event, out),
                Piece::Elements { first, count } => {
                    out.push(b'[');
                    for (index, part) in taken.elements(first, count).iter().enumerate() {
                        if index > 0 {
                            out.push(b',');
                        }
                        join(taken, taken.part(*part), event, out);
                    }
                    out.push(b']');
                }
            }
        }
        out.extend_from_slice(shape.literal(taken.pieces(part).len()));
    }

    fn shapes(event: &str) -> Vec<String> {
        let mut taken = TakeApart::default();
        taken.take(event.as_bytes()).unwrap();
        let mut out = Vec::new();
        join(&taken, taken.root().unwrap(), event.as_bytes(), &mut out);
        assert_eq!(str::from_utf8(&out).unwrap(), event);
        let shown = |part: &Part| {
            let shape = str::from_utf8(taken.shape(part)).unwrap();
            shape.replace('\u{1}', "T").replace('\u{2}', "N").replace('\u{3}', "A").replace('\u{4}', "O")
        };
        taken.parts.iter().map(shown).collect()
    }

    #[test]
    fn an_event_is_taken_apart_into_shapes() {
        check(r#"{"action":"a","actor":{"id":"u"}}"#, &[r#"{"action":T,"actor":{"id":T}}"#]);
        check(
            r#"{"actor":{"metadata":{"a":{"metadata":{}}}},"targets":[{"id":"1","metadata":{"n":1e9}},{"id":"2"}]}"#,
            &[
                r#"{"a":{"metadata":{}}}"#,
                r#"{"n":N}"#,
                r#"{"id":T,"metadata":O}"#,
                r#"{"id":T}"#,
                r#"{"actor":{"metadata":O},"targets":A}"#,
            ],
        );
        check(
            r#"{"changes":{"after":null,"before":[[],[1,"x"],{"before":{"a":[]}}]},"zone":{"a":{"b":true}}}"#,
            &[
                "A",
                "N",
                "T",
                "A",
                r#"{"before":{"a":A}}"#,
                r#"{"a":{"b":N}}"#,
                r#"{"changes":{"after":N,"before":A},"zone":O}"#,
            ],
        );
        check(
            r#"{"metadata":{},"zone":[{"metadata":{"a":1}}]}"#,
            &["{}", r#"{"metadata":{"a":N}}"#, r#"{"metadata":O,"zone":A}"#],
        );
    }

    fn check(event: &str, expected: &[&str]) {
        assert_eq!(shapes(event), expected);
    }

    #[test]
    fn what_is_odd_is_refused_without_panic() {
        let mut taken = TakeApart::default();
        let deep = format!("{{\"metadata\":{}{}}}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX));
        let odd = [
            "",
            "[]",
            "{",
            "{\"",
            "{\"a",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":\"",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{\"a\":[",
            "{\"a\":[1",
            "{\"a\":[1,]}",
            "{\"a\": 1}",
            "{\"a\":1}x",
            "{\"a\":{\"b\":[1}}",
            "{\"a\":x}",
            "{\"a\\",
            "{\"a\":\"\\",
            &deep,
        ];
        for text in odd {
            assert_eq!(taken.take(text.as_bytes()), Err(Odd), "{text}");
            assert!(taken.root().is_none());
        }
        let deep = format!("{{\"metadata\":{}{}}}", "[".repeat(DEPTH_MAX - 1), "]".repeat(DEPTH_MAX - 1));
        assert_eq!(taken.take(deep.as_bytes()), Ok(()));
    }
}
