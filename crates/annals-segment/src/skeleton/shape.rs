//! Shapes: read once, filled often.

use super::DEPTH_MAX;
use super::text::{string_end, unescape};

/// Names of members, outermost first.
pub type Path = Vec<String>;

/// What stands at a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SlotKind {
    /// A string.
    Text = 1,
    /// A number, a truth or `null`.
    Token = 2,
    /// An array.
    Elements = 3,
    /// A free object.
    Object = 4,
}

impl SlotKind {
    /// The kind a byte of a shape stands for.
    #[must_use]
    pub const fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Text),
            2 => Some(Self::Token),
            3 => Some(Self::Elements),
            4 => Some(Self::Object),
            _ => None,
        }
    }
}

/// A place in a shape where something was cut out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// What stands there.
    pub kind: SlotKind,
    /// Where it stands, from the instance on.
    pub path: Path,
}

/// A shape taken to pieces: literal 0, slot 0, literal 1, and so on, a literal last.
///
/// The quotes of a text stand in the literals around its slot; the brackets of an array stand in none. Writing all pieces in
/// order, with leaves in their slots, gives the instance's JSON.
#[derive(Clone, Debug)]
pub struct Shape {
    slots: Vec<Slot>,
    literals: Vec<u8>,
    /// Where each literal ends.
    ends: Vec<u32>,
    objects: Vec<Path>,
}

/// Bytes that are no shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the shape is malformed at its byte {at}")]
pub struct Malformed {
    /// Where.
    pub at: usize,
}

impl Shape {
    /// Reads a shape.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is no minified JSON with slots for leaves, or nested beyond [`DEPTH_MAX`].
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let shape = Self {
            slots: Vec::new(),
            literals: Vec::with_capacity(text.len()),
            ends: Vec::new(),
            objects: Vec::new(),
        };
        let mut reader = Reader { text, at: 0, path: Vec::new(), shape };
        reader.value()?;
        if reader.at != text.len() {
            return Err(Malformed { at: reader.at });
        }
        reader.cut();
        Ok(reader.shape)
    }

    /// The slots in their order.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The literal before slot `index`; the one after all slots for `index` equal to their number.
    #[inline]
    #[must_use]
    pub fn literal(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.literals[start as usize..self.ends[index] as usize]
    }

    /// Paths at which an object with members stands in this shape, the empty path for the instance itself. Free objects are
    /// slots, not listed here.
    #[must_use]
    pub fn objects(&self) -> &[Path] {
        &self.objects
    }
}

struct Reader<'t> {
    text: &'t [u8],
    at: usize,
    path: Path,
    shape: Shape,
}

impl Reader<'_> {
    /// Depth is bounded by [`DEPTH_MAX`] names in the path.
    fn value(&mut self) -> Result<(), Malformed> {
        let byte = *self.text.get(self.at).ok_or(Malformed { at: self.at })?;
        if byte == b'{' {
            return self.object();
        }
        let kind = SlotKind::of(byte).ok_or(Malformed { at: self.at })?;
        self.at += 1;
        if kind == SlotKind::Text {
            self.shape.literals.push(b'"');
        }
        self.cut();
        if kind == SlotKind::Text {
            self.shape.literals.push(b'"');
        }
        self.shape.slots.push(Slot { kind, path: self.path.clone() });
        Ok(())
    }

    fn object(&mut self) -> Result<(), Malformed> {
        let malformed = |at| Malformed { at };
        if self.path.len() >= DEPTH_MAX {
            return Err(malformed(self.at));
        }
        self.literal(b'{')?;
        if self.text.get(self.at) == Some(&b'}') {
            return self.literal(b'}');
        }
        self.shape.objects.push(self.path.clone());
        loop {
            let start = self.at;
            self.literal(b'"')?;
            let (end, _) = string_end(self.text, self.at).ok_or(malformed(start))?;
            let name = &self.text[self.at..end];
            if name.iter().any(|byte| *byte < 0x20) {
                return Err(malformed(start));
            }
            let name = String::from_utf8(unescape(name).into_owned()).map_err(|_| malformed(start))?;
            self.shape.literals.extend_from_slice(&self.text[self.at..end]);
            self.at = end;
            self.literal(b'"')?;
            self.literal(b':')?;
            self.path.push(name);
            self.value()?;
            self.path.pop();
            if self.text.get(self.at) == Some(&b'}') {
                return self.literal(b'}');
            }
            self.literal(b',')?;
        }
    }

    fn literal(&mut self, byte: u8) -> Result<(), Malformed> {
        if self.text.get(self.at) != Some(&byte) {
            return Err(Malformed { at: self.at });
        }
        self.shape.literals.push(byte);
        self.at += 1;
        Ok(())
    }

    /// Ends a literal here.
    fn cut(&mut self) {
        let end = u32::try_from(self.shape.literals.len()).unwrap_or(u32::MAX);
        self.shape.ends.push(end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_cut_at_its_slots() {
        let shape =
            Shape::parse(b"{\"a\":\x01,\"b\\n\":{\"c\":\x02,\"e\":{}},\"m\":\x04,\"t\":\x03}").unwrap();
        let slots: Vec<_> = shape.slots().iter().map(|slot| (slot.kind, slot.path.join("/"))).collect();
        let expected = [
            (SlotKind::Text, "a"),
            (SlotKind::Token, "b\n/c"),
            (SlotKind::Object, "m"),
            (SlotKind::Elements, "t"),
        ];
        assert_eq!(slots, expected.map(|(kind, path)| (kind, path.to_owned())));
        let literals: Vec<_> = (0..=4).map(|index| str::from_utf8(shape.literal(index)).unwrap()).collect();
        assert_eq!(literals, ["{\"a\":\"", "\",\"b\\n\":{\"c\":", ",\"e\":{}},\"m\":", ",\"t\":", "}"]);
        assert_eq!(shape.objects(), [vec![], vec!["b\n".to_owned()]]);
        assert_eq!(Shape::parse(b"\x01").unwrap().literal(0), b"\"");
    }

    #[test]
    fn what_is_no_shape_is_refused() {
        let deep = b"{\"a\":".repeat(DEPTH_MAX + 1);
        for text in [
            &b""[..],
            b"{",
            b"{\"a\"",
            b"{\"a\":",
            b"{\"a\":\x05}",
            b"{\"a\":1}",
            b"{\"a\":\x01,}",
            b"{\"a\":\x01}x",
            b"\x01\x01",
            b"{\"\x01\":\x01}",
            b"{\"\xff\":\x01}",
            b"[]",
            &deep,
        ] {
            assert!(Shape::parse(text).is_err(), "{text:?}");
        }
    }
}
