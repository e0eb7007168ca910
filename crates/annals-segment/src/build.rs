//! Records to file.
//!
//! One walk over the rows takes their events apart ([`skeleton`](crate::skeleton)) and numbers the values of every column;
//! then the file is written part by part. What writes a part takes it as lists in memory, so that merging, which gets these
//! lists from other files, writes with the same code: `Facts` for what is known of rows, `ColumnData` for a column,
//! `WordLists` for words.

mod column;
mod dictionary;
mod facts;
mod tables;
mod template;
mod words;

use std::io;

use annals_event::TenantId;
use annals_tree::Hash;

pub(crate) use self::column::{ColumnData, UNIT, count, write_presence, write_u32};
pub(crate) use self::dictionary::Dictionary;
pub(crate) use self::facts::{Facts, FateFact, NO_SEQ, Payloads, Runs, TREE_BLOCK, biased};
use self::tables::Tables;
use self::template::Templates;
pub(crate) use self::words::WordLists;
use crate::body::Writer;
use crate::fate::{ERASED_BYTES_MAX, Fate, GONE};
use crate::meta::{Footer, Kind, PATHS_MAX, SHAPES_MAX, VERSION};
pub use crate::root::RootRef;

/// Most rows of a segment.
pub const ROWS_MAX: usize = 1 << 21;

/// Secrets that grow from one root.
pub const COUNTERS: u64 = 4_096;

/// Which log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogName {
    /// Whose it is.
    pub tenant: TenantId,
    /// The access log beside the log of events.
    pub access: bool,
    /// Its log id.
    pub id: [u8; 16],
}

impl LogName {
    /// By what a file sorts its logs: the tenant's bytes, events before access.
    #[must_use]
    pub fn order(&self) -> (&TenantId, bool) {
        (&self.tenant, self.access)
    }
}

/// A record, as it goes into a segment.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// Place in its log.
    pub position: u64,
    /// Place among the events of all tenants.
    pub seq: Option<u64>,
    /// µs since 1970.
    pub received_at: i64,
    /// The time the client sent, µs since 1970.
    pub occurred_at: Option<i64>,
    /// Code of the operation.
    pub operation: u8,
    /// The client sent no operation.
    pub derived: bool,
    /// annals itself wrote it.
    pub system: bool,
    /// 0 for an event; for a statement of the log's own, the kind of its entry.
    pub stated: u8,
    /// Retention class.
    pub class: u16,
    /// The root its secret grows from.
    pub root: RootRef<'a>,
    /// Which of the root's secrets, below [`COUNTERS`].
    pub counter: u16,
    /// Its leaf hash in the log's tree.
    pub leaf: Hash,
    /// The ledger's keyed hash of its event id.
    pub id_hash: u64,
    /// The canonical event.
    pub event: &'a [u8],
    /// What became of it, if it is not as it was sent. Of an expired one the event is [`GONE`], there is no time of its own,
    /// and the hash of its id is that of the fate.
    pub fate: Option<&'a Fate>,
}

/// The records of a segment to be.
pub trait Rows {
    /// How many logs.
    fn logs(&self) -> usize;
    /// A log; they are sorted as [`LogName::order`] says.
    fn log(&self, log: usize) -> LogName;
    /// How many rows a log has.
    fn count(&self, log: usize) -> usize;
    /// A row of a log; positions rise, and may have holes.
    fn row(&self, log: usize, n: usize) -> Row<'_>;
    /// The complete subtrees of 256 leaves and more that these rows complete, in order of completion.
    fn nodes(&self, log: usize) -> &[Hash];
}

/// How much a segment may hold of what a hostile client could make many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most shapes of a table.
    pub shapes_max: usize,
    /// Most tables and columns.
    pub paths_max: usize,
    /// Texts that name others of the same event are kept as what is left of them.
    pub templates: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { shapes_max: SHAPES_MAX, paths_max: PATHS_MAX, templates: true }
    }
}

/// Writes a segment of these rows; returns what it was written to, and the bytes of the file. `seed` seeds the hashes of values
/// in it, and should be nobody's to choose.
///
/// # Errors
///
/// What `out` says, and when there are more than [`ROWS_MAX`] rows.
///
/// # Panics
///
/// When the rows are not what [`Rows`] asks for.
pub fn build<W: io::Write>(rows: &dyn Rows, seed: u64, out: W) -> io::Result<(W, u64)> {
    build_within(rows, seed, Limits::default(), out)
}

/// As [`build`], with other limits than usual.
///
/// # Errors
///
/// As [`build`].
///
/// # Panics
///
/// As [`build`], and when a limit is above its usual one.
pub fn build_within<W: io::Write>(
    rows: &dyn Rows,
    seed: u64,
    limits: Limits,
    out: W,
) -> io::Result<(W, u64)> {
    assert!(limits.shapes_max <= SHAPES_MAX && limits.paths_max <= PATHS_MAX, "readers have these bounds");
    let row_count = (0..rows.logs()).map(|log| rows.count(log)).sum::<usize>();
    if row_count > ROWS_MAX {
        return Err(io::Error::other(format!("{row_count} rows are more than a segment holds, {ROWS_MAX}")));
    }
    let templates = if limits.templates { Templates::learn(rows) } else { Templates::default() };
    let mut tables = Tables::new(seed, limits, templates);
    let mut fates = Vec::new();
    let facts = gather(rows, seed, &mut tables, &mut fates);
    let mut out = Writer::new(out);
    let mut words = WordLists::new(seed);
    let tables = tables.write(&mut words, &mut out)?;
    let words = words.write(&mut out)?;
    let mut payload = |nth: usize, into: &mut Vec<u8>| {
        fates[nth].encode(into);
        Ok(())
    };
    write_facts(&facts, &mut payload, seed, tables, words, out)
}

/// Writes what is known of the rows, and the footer. `payloads` appends what the fate of this index in `facts` says.
pub(crate) fn write_facts<W: io::Write>(
    facts: &Facts,
    payloads: Payloads<'_>,
    seed: u64,
    tables: Vec<crate::meta::Table>,
    words: crate::meta::Words,
    mut out: Writer<W>,
) -> io::Result<(W, u64)> {
    let runs = Runs::of(&facts.log_rows, &facts.positions);
    let footer = Footer {
        version: VERSION,
        rows: u32::try_from(facts.len()).map_err(io::Error::other)?,
        seed,
        logs: facts.write_logs(&runs, &mut out)?,
        known: facts.write_known(&mut out)?,
        order: facts.write_order(&mut out)?,
        proof: facts.write_proof(&runs, &mut out)?,
        ids: facts.write_ids(&mut out)?,
        tables,
        words,
        fates: facts.write_fates(payloads, &mut out)?,
        dictionary_roots: Vec::new(),
    };
    out.finish(&serde_json::to_vec(&footer)?)
}

/// Walks over the rows once.
fn gather<'r>(rows: &'r dyn Rows, seed: u64, tables: &mut Tables<'r>, fates: &mut Vec<&'r Fate>) -> Facts {
    let mut facts = Facts::default();
    let mut kinds = Dictionary::new(seed);
    for log in 0..rows.logs() {
        facts.logs.push(rows.log(log));
        facts.log_rows.push(facts.len());
        facts.nodes.extend_from_slice(rows.nodes(log));
        let mut next = None;
        for n in 0..rows.count(log) {
            let row = rows.row(log, n);
            if next != Some(row.position) || row.position.is_multiple_of(TREE_BLOCK) {
                facts.xors.push(Hash([0; 32]));
            }
            next = row.position.checked_add(1);
            let sum = facts.xors.last_mut().expect("a part has begun");
            sum.0.iter_mut().zip(row.leaf.0).for_each(|(sum, byte)| *sum ^= byte);
            if let Some(fate) = row.fate {
                facts.fates.push(fate_of(&row, fate, facts.len()));
                fates.push(fate);
            }
            gather_row(&row, &mut kinds, &mut facts);
            tables.add(row.event, row.occurred_at);
        }
    }
    facts.log_rows.push(facts.len());
    facts
}

/// What is known of the fate of a row that is number `row` of the file.
fn fate_of(row: &Row<'_>, fate: &Fate, at: usize) -> FateFact {
    let id_hash = match *fate {
        Fate::Erased(ref bytes) => {
            assert!((1..=ERASED_BYTES_MAX).contains(&bytes.len()), "something was erased, and not too much");
            None
        }
        Fate::Expired { id_hash, .. } => {
            assert!(row.event == GONE && row.occurred_at.is_none(), "nothing is left of an expired event");
            assert!(row.id_hash == id_hash, "an expired row keeps the hash of its id");
            Some(id_hash)
        }
    };
    FateFact { row: count(at), bytes: count(fate.bytes()), id_hash }
}

fn gather_row(row: &Row<'_>, kinds: &mut Dictionary, facts: &mut Facts) {
    let kind = Kind {
        operation: row.operation,
        derived: row.derived,
        system: row.system,
        timed: row.occurred_at.is_some(),
        class: row.class,
        stated: row.stated,
    };
    let [low, high] = kind.class.to_le_bytes();
    let flags = u8::from(kind.derived) | u8::from(kind.system) << 1 | u8::from(kind.timed) << 2;
    let number = kinds.number(&[kind.operation, flags, low, high, kind.stated]);
    if number as usize == facts.kinds.len() {
        facts.kinds.push(kind);
    }
    let root = facts.roots.index(row.root);
    assert!(u64::from(row.counter) < COUNTERS, "a root has {COUNTERS} secrets");
    assert!(row.seq != Some(NO_SEQ), "ledger numbers do not come so far");
    facts.positions.push(row.position);
    facts.seqs.push(row.seq.unwrap_or(NO_SEQ));
    facts.happened.push(biased(row.occurred_at.unwrap_or(row.received_at)));
    facts.received.push(biased(row.received_at));
    facts.kind.push(number);
    facts.secrets.push(COUNTERS * root + u64::from(row.counter));
    facts.id_hashes.push(row.id_hash);
    facts.tags.extend_from_slice(&row.leaf.0[..2]);
}
