//! A strict JSON scanner (RFC 8259) that keeps every byte's worth of meaning.
//!
//! annals commits to what it stores, so it has to know exactly what a text says. This scanner differs
//! from `serde_json` where that would lose or guess:
//!
//! | input | here |
//! |---|---|
//! | the same member twice, also as `"a"` and `"\u0061"` | [`Code::DuplicateMember`], in O(n log n) |
//! | `\ud800` without its other half | [`Code::LoneSurrogate`] |
//! | nesting | refused beyond [`Limits::depth_max`]; no recursion, so no depth can break anything |
//! | numbers | any size and precision, kept as the token that was sent (`1e400`, `-0`, `1.0`) |
//! | a byte order mark, comments, trailing commas, `NaN` | refused |
//!
//! [`Document::parse`] fills a flat list of nodes that is used again for the next text; a [`Value`] is
//! a cursor into it. Names and strings are offered decoded, containers list their members in canonical
//! order (RFC 8785: by UTF-16 code units).

mod document;
mod pointer;
mod scan;
mod split;
mod text;

pub(crate) use document::OpenContainer;
pub use document::{Document, Kind, Value};
pub use pointer::{POINTER_BYTES_MAX, Pointer};
pub use scan::Limits;
pub use split::{Items, Lines, Shape, lines, shape, split_array};
pub use text::{compare_names, unescape, write_string};

#[cfg(doc)]
use crate::Code;

pub(crate) use pointer::push_segment;
pub(crate) use text::{decode_string, name_prefix, plain_run_end};

#[cfg(test)]
mod tests;
