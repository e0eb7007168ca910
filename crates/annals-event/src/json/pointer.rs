//! JSON Pointers (RFC 6901), built where something is worth pointing at.

/// Longest pointer in a [`Rejection`](crate::Rejection) or [`Warning`](crate::Warning), in bytes.
/// A longer one ends at the last whole segment that fits.
pub const POINTER_BYTES_MAX: usize = 1024;

/// A path through a document as a chain on the stack; it becomes text only when it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Pointer<'a> {
    parent: Option<&'a Pointer<'a>>,
    segment: Segment<'a>,
}

/// One step of a pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl<'a> Pointer<'a> {
    /// The document itself: the empty pointer.
    pub const ROOT: Pointer<'static> = Pointer { parent: None, segment: Segment::Root };

    /// The member `name` of the object this points at.
    #[must_use]
    pub const fn name(&'a self, name: &'a str) -> Pointer<'a> {
        Pointer { parent: Some(self), segment: Segment::Name(name) }
    }

    /// The item `index` of the array this points at.
    #[must_use]
    pub const fn index(&'a self, index: usize) -> Pointer<'a> {
        Pointer { parent: Some(self), segment: Segment::Index(index) }
    }

    /// The text, cut to whole segments within [`POINTER_BYTES_MAX`].
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut steps = Vec::new();
        let mut step = Some(self);
        while let Some(at) = step {
            steps.push(at.segment);
            step = at.parent;
        }
        bounded(steps.into_iter().rev())
    }
}

/// Joins segments, stopping before the one that would pass [`POINTER_BYTES_MAX`].
pub(crate) fn bounded<'a>(segments: impl Iterator<Item = Segment<'a>>) -> String {
    let mut out = String::new();
    for segment in segments {
        let whole = out.len();
        match segment {
            Segment::Root => {}
            Segment::Name(name) => push_segment(&mut out, name),
            Segment::Index(index) => push_segment(&mut out, &index.to_string()),
        }
        if out.len() > POINTER_BYTES_MAX {
            out.truncate(whole);
            break;
        }
    }
    out
}

/// Appends `/` and the escaped segment: `~` becomes `~0`, `/` becomes `~1`.
pub(crate) fn push_segment(out: &mut String, segment: &str) {
    out.push('/');
    if memchr::memchr2(b'~', b'/', segment.as_bytes()).is_none() {
        out.push_str(segment);
        return;
    }
    for character in segment.chars() {
        match character {
            '~' => out.push_str("~0"),
            '/' => out.push_str("~1"),
            _ => out.push(character),
        }
    }
}
