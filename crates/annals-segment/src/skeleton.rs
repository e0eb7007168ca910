//! An event as a shape and the leaves that fill it.
//!
//! A canonical event, minified JSON, is taken apart into *instances* of tables. The event is an instance of the root table. A
//! value inside an object of an instance is one of these:
//!
//! | value | in the shape | becomes |
//! |---|---|---|
//! | a string | byte 0x01, quotes included | a text leaf of this table: what stands between the quotes, escaped as it is |
//! | a number, a truth, `null` | byte 0x02 | a token leaf of this table |
//! | an array | byte 0x03 for all of `[…]` | each element is an instance of the child table at this path, empty or not |
//! | a free object | byte 0x04 for all of `{…}` | an instance of the child table at this path |
//! | another object | its own text, its members by this table | its members are leaves of this table with longer paths |
//!
//! Free are the objects that clients fill as they like, so that their many forms multiply no forms of what stands around them:
//! members `metadata`, `before` and `after` of anything in the model, and members of the event that the model does not know.
//! Inside them (and inside their arrays) no object is free any more.
//!
//! An element of an array that is no object is a leaf, or an array, with the empty path: its shape is one byte, and an array in
//! an array is a child table with the path of its parent. A table is thus known by its parent, its path and what it holds of.
//! Within one instance no path occurs twice.
//!
//! A *shape* is the JSON text of an instance with its leaves and child instances cut out. JSON in UTF-8 has no bytes below 0x20
//! that were not escaped, so the four bytes are free for this. Names of members stand in shapes as in the event; the paths of
//! tables and columns hold them unescaped.
//!
//! Instances of a table are numbered as a walk through the events in row order meets them; what a parent's instance holds in
//! one table stands together, in its order.
//!
//! An instance whose shape would be one too many, needs a column or table too many, or cannot be taken apart (nested beyond
//! [`DEPTH_MAX`], no minified JSON) is kept as it is, whole.

mod shape;
mod take;
mod text;

pub use shape::{Malformed, Path, Shape, Slot, SlotKind};
pub use take::{Odd, Part, Piece, TakeApart};
pub use text::{string_end, unescape};

/// Deepest nesting that is taken apart, the event itself being level 1. More than
/// [`Rules::depth_max`](annals_event::Rules::depth_max) allows where nobody changed it.
pub const DEPTH_MAX: usize = 128;
