//! Several files to one, column by column.
//!
//! The rows of each log stand together in the merged file, those of the first input first. So the merged order is a list of
//! stretches, each of rows that follow each other in one input, and the instances of every table follow from it the same way.
//! A column is merged by giving each input's ordinals new ones: every distinct value of an input is read once, in the order in
//! which it stands there, and no event is put together. In memory is one column at a time, and the words of all.
//!
//! What the merged file has no room for, as it would have more shapes or paths than one may have, is put together and kept as
//! it is, as it would be when built from the rows.
//!
//! | module | does |
//! |---|---|
//! | `schema` | which tables, columns and shapes there are |
//! | `tables` | which instances there are, and their leaves |
//! | `rows` | what annals knows of rows, and what proves them |
//! | [`compare`] | whether the merged file gives back what its inputs do |

pub mod compare;
mod rows;
mod schema;
mod tables;

use std::io;
use std::sync::Arc;

use annals_event::TenantId;

use self::rows::{Order, facts};
use self::schema::Schema;
use self::tables::Tables;
use crate::Damaged;
use crate::body::Writer;
use crate::build::{Limits, ROWS_MAX, UNIT, WordLists, write_facts};
use crate::meta::{PATHS_MAX, SHAPES_MAX};
use crate::segment::{Reader, Segment};

/// The ledger's keyed hash of an event id, as it stands between its quotes in the canonical event, of a tenant's log of events
/// or (`true`) of access.
pub type IdHash<'h> = &'h dyn Fn(&TenantId, bool, &[u8]) -> u64;

/// Merges segments to one; returns what it was written to, and the bytes of the file. Positions of each log rise from one input
/// to the next. `seed` is as for [`build`](crate::build::build()). Events without an id are given no hash of one.
///
/// # Errors
///
/// What `out` says; an error around [`Damaged`] when an input is not what was written; and when inputs do not follow each
/// other or are more than one segment holds.
///
/// Of inputs that are seen through a veil the files are merged: the merged one needs a veil of its own.
pub fn merge<W: io::Write>(
    inputs: &[Arc<Segment>],
    seed: u64,
    id_hash: IdHash<'_>,
    out: W,
) -> io::Result<(W, u64)> {
    merge_within(inputs, seed, id_hash, Limits::default(), out)
}

/// As [`merge`], with other limits than usual.
///
/// # Errors
///
/// As [`merge`].
///
/// # Panics
///
/// When a limit is above its usual one.
pub fn merge_within<W: io::Write>(
    inputs: &[Arc<Segment>],
    seed: u64,
    id_hash: IdHash<'_>,
    limits: Limits,
    out: W,
) -> io::Result<(W, u64)> {
    assert!(limits.shapes_max <= SHAPES_MAX && limits.paths_max <= PATHS_MAX, "readers have these bounds");
    let rows: usize = inputs.iter().map(|input| input.rows() as usize).sum();
    if rows > ROWS_MAX {
        return Err(io::Error::other(format!("{rows} rows are more than a segment holds, {ROWS_MAX}")));
    }
    let inputs: Vec<Arc<Segment>> = inputs.iter().map(Segment::unveiled).collect();
    let mut readers: Vec<Reader> = inputs.iter().map(Reader::new).collect();
    let order = Order::of(&inputs)?;
    let mut schema = Schema::new(seed, limits, inputs.len());
    for (at, input) in inputs.iter().enumerate() {
        schema.add(at, input).map_err(broken)?;
    }
    let mut out = Writer::new(out);
    let mut words = WordLists::new(seed);
    let blocks = u32::try_from(rows.div_ceil(UNIT)).map_err(io::Error::other)?;
    let tables = Tables { schema: &schema, readers: &mut readers, seed, blocks };
    let tables = tables.write(&order, &mut words, &mut out)?;
    drop(schema);
    let words = words.write(&mut out)?;
    let (facts, fates) = facts(&order, &mut readers, id_hash)?;
    drop(readers);
    let mut payload = |nth: usize, into: &mut Vec<u8>| {
        let (input, own) = fates[nth];
        inputs[input].fate_payload(own, into).map_err(broken)
    };
    write_facts(&facts, &mut payload, seed, tables, words, out)
}

/// An input that is not what was written.
fn broken(damaged: Damaged) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, damaged)
}
