//! Sealed segments: an immutable file that holds a run of records in columns, finds them, and gives every event back byte for
//! byte.
//!
//! | module | does |
//! |---|---|
//! | [`meta`] | the footer: what stands where in the file |
//! | [`body`] | blocks, their checksums, and the one bounded cache they are read through |
//! | [`numbers`] | packed integers, 128 to a unit |
//! | [`values`] | the distinct values of a column |
//! | [`hashes`] | value to ordinal; the filter over event ids |
//! | [`skeleton`] | an event as a shape and the leaves that fill it |
//! | [`build`](mod@build) | records to file |
//! | [`merge`](mod@merge) | several files to one, column by column |
//! | [`rewrite`](mod@rewrite) | a file anew, with other events in some rows |
//! | [`segment`] | an open file: records, numbers, times, proof state; and views of it in which some rows read otherwise |
//! | [`fate`] | what became of events that are not as they were sent any more |
//! | [`root`] | the roots that secrets grow from, whole or punctured |
//! | [`plan`] | a condition made ready for one segment: a mask for each 128 rows |
//! | [`hits`] | rows that satisfy a plan, in the order asked for |
//! | [`tally`] | counts of values and times |
//!
//! # The file, version 1
//!
//! All integers are little-endian unless they are said not to be.
//!
//! ```text
//! header    8B "ANNALSEG" | u32 version = 1 | u32 bytes of a block = 16,384
//! body      what the footer points into; offsets count from the beginning of the file
//! footer    JSON, see `meta`
//! sums      u32 CRC32C of each block of header and body: bytes 0 to 16,383, and so on, the last one shorter
//! trailer   u64 offset of the footer (also the length of header and body) | u32 its bytes | u32 CRC32C of footer and sums
//!           | 8B "ANNALEND"
//! ```
//!
//! Rows are numbered from 0, clustered by log: logs sorted by tenant (bytes), then events before access; within a log by
//! position. A *block* of rows is 128 of them; a *block* of the file is 16 KiB.
//!
//! An event is taken apart into *tables*. The root table has one instance a row. A table beneath it has the elements of the
//! arrays at one path, or the objects at one path whose members are free (`metadata`, `before`, `after`, and top-level members
//! that the model does not know). An instance is a *shape*, its JSON text with the leaves cut out, and the leaves. Leaves of
//! the same path and kind (strings; or numbers, truths and null) form a column. [`skeleton`] has the rules.

pub mod body;
pub mod build;
pub mod error;
pub mod fate;
pub mod hashes;
pub mod hits;
pub mod merge;
pub mod meta;
pub mod numbers;
pub mod plan;
pub mod rewrite;
pub mod root;
pub mod segment;
pub mod skeleton;
pub mod tally;
pub mod values;

pub use error::Damaged;
