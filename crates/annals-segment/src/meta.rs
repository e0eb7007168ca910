//! The footer of a segment: JSON that says what stands where.
//!
//! A member that this program does not know in a file of its version is an error, not something to pass over. `at` is an
//! offset in the file.

use serde::{Deserialize, Serialize};

use crate::hashes::{Filter, HashIndex};
use crate::numbers::Numbers;
use crate::values::{Region, Values};

/// The version this program writes and reads.
pub const VERSION: u32 = 1;

/// Most shapes of one table; instances beyond them are kept as they are, in [`Table::raw`].
pub const SHAPES_MAX: usize = 4_096;

/// Most columns and tables of a segment; instances that would need more are kept as they are.
pub const PATHS_MAX: usize = 1_024;

/// See the module.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Footer {
    /// [`VERSION`].
    pub version: u32,
    /// Rows: records of all logs.
    pub rows: u32,
    /// Seed of all value hashes in this file.
    pub seed: u64,
    /// Whose rows are where.
    pub logs: Logs,
    /// What annals knows of each row beside the event.
    pub known: Known,
    /// The order of all tenants' events.
    pub order: Order,
    /// What proves the rows.
    pub proof: Proof,
    /// Over the ledger's keyed hashes of event ids.
    pub ids: Filter,
    /// The tables; the first is the root. A parent stands before its children.
    pub tables: Vec<Table>,
    /// Words of texts.
    pub words: Words,
    /// Rows whose events are not as they were sent any more; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fates: Option<Fates>,
    /// Reserved for roots of trees over the dictionaries, to prove what is absent. Empty in version 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dictionary_roots: Vec<Region>,
}

/// Whose rows are where. Entry i is a log, sorted as its rows are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// How many.
    pub n: u32,
    /// Tenant ids, sorted, each once.
    pub tenants: Values,
    /// Per log: 2 × index of the tenant, plus 1 for its access log. Rises.
    pub names: Numbers,
    /// Per log: its 16-byte log id.
    pub ids: Region,
    /// Per log: its first run; one more at the end.
    pub runs: Numbers,
    /// Per run, a stretch of rows without a hole in their positions: its first row; one more at the end.
    pub run_rows: Numbers,
    /// Per run: position of its first row.
    pub run_positions: Numbers,
}

/// What annals knows of each row.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// When it happened: the client's time, or where it sent none the time of receipt. µs since 1970 plus 2^63.
    pub happened: Numbers,
    /// The distinct times of receipt, rising, coded as above.
    pub received_values: Numbers,
    /// Per row: index into them.
    pub received: Numbers,
    /// The distinct combinations of what is small.
    pub kinds: Vec<Kind>,
    /// Per row: index into them.
    pub kind: Numbers,
    /// The distinct secret roots, 32 bytes each; of those that are punctured the name.
    pub roots: Region,
    /// Per row: 4,096 × index of its root, plus the counter.
    pub secrets: Numbers,
    /// What is left of those roots that are punctured; left out where none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub punctured: Option<Punctured>,
}

/// What is left of punctured roots.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Punctured {
    /// Which of [`Known::roots`] they are, rising.
    pub roots: Numbers,
    /// Per punctured root: where its encoding begins in `encoded`; one more at the end.
    pub starts: Numbers,
    /// Their encodings, see [`annals_tree::secret`].
    pub encoded: Region,
}

/// What became of rows' events, see [`fate`](crate::fate).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fates {
    /// The rows, rising.
    pub rows: Numbers,
    /// Per such row: 1 where its event was erased in part, 2 where it expired.
    pub kind: Numbers,
    /// Per such row: where its payload begins in `payloads`; one more at the end.
    pub starts: Numbers,
    /// The payloads, one behind the other.
    pub payloads: Region,
    /// Indexes in `rows` of those that expired, by hash of their event's id, then index.
    pub by_id: Numbers,
}

/// What is small of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Code of the operation.
    pub operation: u8,
    /// The client sent no operation.
    pub derived: bool,
    /// annals itself wrote it.
    pub system: bool,
    /// The client sent a time.
    pub timed: bool,
    /// Retention class.
    pub class: u16,
    /// 0 for an event; for a statement of the log's own, the kind of its entry.
    #[serde(default, skip_serializing_if = "is_event")]
    pub stated: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_event(stated: &u8) -> bool {
    *stated == 0
}

/// The order of all tenants' events, and the orders of time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Ledger numbers of the rows that have one, rising. Their index is their *rank*.
    pub seqs: Numbers,
    /// Per rank: the row.
    pub rows: Numbers,
    /// Per row: the rank; of rows without a ledger number that of the row before, or 0.
    pub ranks: Numbers,
    /// Per row i of a log: which of the log's rows is its i-th by (time it happened, position), as a zigzag difference to i.
    /// All zero where times rise.
    pub log_times: Numbers,
    /// Per rank i: which rank is the i-th by (time it happened, ledger number), as a zigzag difference to i.
    pub all_times: Numbers,
}

/// What proves the rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// Per row: the first two bytes of its leaf hash, as they stand there.
    pub tags: Region,
    /// Per part of a 256-leaf block (a run is cut where a position is a multiple of 256), in the order of rows: the XOR of the
    /// part's leaf hashes, 32 bytes.
    pub xors: Region,
    /// Per run: its first part in `xors`; one more at the end.
    pub parts: Numbers,
    /// Hashes of complete subtrees of 256 leaves and more that rows of this file complete, per run in the order of completion:
    /// for each block the rows complete, its root, then each larger subtree that it completes.
    pub nodes: Region,
    /// Per run: its first hash in `nodes`; one more at the end.
    pub run_nodes: Numbers,
}

/// One table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Names of members from the root of the event, arrays passed through. Empty for the root.
    pub path: Vec<String>,
    /// Index of the table around it; none for the root.
    pub parent: Option<u32>,
    /// Elements of arrays, or objects.
    pub of: Of,
    /// Instances.
    pub n: u64,
    /// Which of the parent's instances have it; left out for the root.
    pub presence: Option<Presence>,
    /// For arrays: per instance of the parent that has one, in order: how many elements stand before its first one; one more at
    /// the end. Left out for the root and for objects, which are one to one.
    pub starts: Option<Numbers>,
    /// The shapes, see `skeleton`.
    pub shapes: Values,
    /// Per instance: its shape; the number of shapes for an instance that is kept as it is.
    pub shape: Numbers,
    /// Instances that are kept as they are, in order, as JSON texts.
    pub raw: Option<Raw>,
    /// The columns, in the order in which their paths were met first.
    pub columns: Vec<Column>,
}

/// What the instances of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Of {
    /// The events.
    Rows,
    /// Elements of arrays.
    Elements,
    /// Objects.
    Objects,
}

/// Which instances of a table have something, and how many before a given one do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Presence {
    /// All of them.
    All,
    /// Those whose shape has it. Per 128 instances: how many had it before.
    Shapes(Numbers),
    /// These instances, rising.
    Listed(Numbers),
}

/// Instances that are kept as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// Which of the table's instances.
    pub presence: Presence,
    /// Their texts, one an instance.
    pub texts: Values,
}

/// The leaves of one path and kind in one table.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Names below the table's own path; empty for an element that is itself a leaf.
    pub path: Vec<String>,
    /// Strings, or the rest.
    pub kind: LeafKind,
    /// Which of the table's instances have it.
    pub presence: Presence,
    /// What bytes below 0x20 in values stand for, 0x01 for the first: the value that another column has in the same event. Only
    /// columns of the root have any, and none whose values they stand for. Left out where values stand as they are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refs: Vec<Reference>,
    /// The distinct values, in the order in which rows met them first: texts escaped as in the event, without quotes.
    pub values: Values,
    /// Per leaf: ordinal of its value.
    pub ordinals: Numbers,
    /// Value, as it is stored, to ordinal; left out where the values are few ([`INDEXED_MIN`]).
    pub index: Option<HashIndex>,
    /// Ordinal to blocks of rows; left out where the values are few.
    pub blocks: Option<Blocks>,
    /// The first of the column's values in the numbering of [`Words::lists`]; left out where its words are not indexed.
    pub words: Option<u64>,
}

/// A column whose values stand in those of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Index of its table: the root, or one whose parent is the root. There it is the value of the row's first instance.
    pub table: u32,
    /// Its index in the table.
    pub column: u32,
}

/// Fewest distinct values of a column that has an index and lists of blocks; fewer are looked through.
pub const INDEXED_MIN: usize = 64;

/// What the leaves of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeafKind {
    /// What stands between the quotes, escaped as in the event.
    Text,
    /// `null`, `true`, `false` or a number, as it stands in the event.
    Token,
}

/// In which blocks of 128 rows a value occurs. Ordinals are in the order in which rows met them, so the first block of each
/// follows from how many were met before each block.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// Per block of rows: how many values were met in the blocks before it; one more at the end.
    pub met: Numbers,
    /// Per ordinal: where its list of further blocks begins; one more at the end.
    pub starts: Numbers,
    /// The lists: blocks after the first, rising.
    pub further: Numbers,
}

/// Words of texts: which values hold them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    /// Word (folded) to its index. Words are not stored: what is found is to be checked in the value itself.
    pub index: HashIndex,
    /// Per word: where its list begins; one more at the end.
    pub starts: Numbers,
    /// The lists: values (the column's first, plus the ordinal), rising.
    pub lists: Numbers,
}
