//! A file anew, with other events in some rows.
//!
//! Files are never changed. When events were erased or expired, the file they stand in is written anew and takes the old one's
//! place: the same rows, at the same positions, with the same leaves. Its rows are taken a [`Piece`] at a time, so that memory
//! is bounded: each piece is built as a segment of its own, and all of them are [merged](crate::merge::merge). Then
//! [`same_proof`] says whether everything that is proven of the rows is what it was.

use std::io;
use std::sync::Arc;

use annals_event::TenantId;
use annals_tree::Hash;
use annals_tree::tree::BLOCK_LEAVES;

use crate::Damaged;
use crate::build::{LogName, Row, Rows};
use crate::fate::Fate;
use crate::merge::{IdHash, merge};
use crate::segment::{LogRows, Reader, Sealed, Segment};

/// Most rows of a piece.
pub const PIECE_ROWS_MAX: usize = 65_536;

/// Bytes of events and fates at which a piece ends, with the row that goes beyond.
pub const PIECE_BYTES_MAX: usize = 48 << 20;

/// Most bytes of columns' values that are kept while all rows are read.
const VALUES_BYTES_MAX: usize = 32 << 20;

/// Gives what is to be in the place of a record, as the file has it, and its leaf. It may change event, fate and root, and where
/// the fate is [`Fate::Expired`] time, operation and the like; never what is proven of the row.
pub type Replace<'a> = &'a mut dyn FnMut(Sealed) -> Result<(Sealed, Hash), Damaged>;

/// How much a piece may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PieceLimits {
    /// Most rows.
    pub rows_max: usize,
    /// Bytes of events and fates at which it ends.
    pub bytes_max: usize,
}

impl Default for PieceLimits {
    fn default() -> Self {
        Self { rows_max: PIECE_ROWS_MAX, bytes_max: PIECE_BYTES_MAX }
    }
}

/// Takes the rows of a segment piece by piece.
pub struct Rewriter<'a> {
    segment: Arc<Segment>,
    reader: Reader,
    id_hash: IdHash<'a>,
    replace: Replace<'a>,
    limits: PieceLimits,
    next: u32,
}

/// Rows of a segment that follow each other, with what is in the place of their records.
pub struct Piece {
    logs: Vec<PieceLog>,
}

struct PieceLog {
    name: LogName,
    rows: Vec<PieceRow>,
    nodes: Vec<Hash>,
}

struct PieceRow {
    sealed: Sealed,
    leaf: Hash,
    id_hash: u64,
}

impl<'a> Rewriter<'a> {
    /// Takes the rows as the file has them, whatever veil the segment is seen through. `id_hash` is as for merging.
    #[must_use]
    pub fn new(
        segment: &Arc<Segment>,
        id_hash: IdHash<'a>,
        replace: Replace<'a>,
        limits: PieceLimits,
    ) -> Self {
        let segment = segment.unveiled();
        let mut reader = segment.reader();
        reader.keep_values(VALUES_BYTES_MAX);
        Self { segment, reader, id_hash, replace, limits, next: 0 }
    }

    /// The next rows; `None` after the last.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when a record cannot be read, and what the replacing says.
    ///
    /// # Panics
    ///
    /// When something else of a row was replaced than may be.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, Damaged> {
        let mut logs: Vec<PieceLog> = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        let mut here: Option<LogRows> = None;
        while self.next < self.segment.rows() && rows < self.limits.rows_max && bytes < self.limits.bytes_max
        {
            let row = self.next;
            let log = match here.take().filter(|log| log.rows.contains(&row)) {
                Some(log) => log,
                None => {
                    let (log, name) = self.reader.log(row)?.clone();
                    logs.push(PieceLog { name, rows: Vec::new(), nodes: Vec::new() });
                    log
                }
            };
            let of_log = logs.last_mut().expect("a log has begun");
            let taken = self.take(row, &of_log.name)?;
            (rows, bytes) = (rows + 1, bytes + taken.bytes());
            self.nodes(&log, taken.sealed.position.0, &mut of_log.nodes)?;
            of_log.rows.push(taken);
            here = Some(log);
            self.next += 1;
        }
        Ok((rows > 0).then_some(Piece { logs }))
    }

    fn take(&mut self, row: u32, log: &LogName) -> Result<PieceRow, Damaged> {
        let stored = self.reader.record(row)?;
        let id_hash = id_hash_of(&mut self.reader, row, &stored.fate, log, self.id_hash)?;
        let before = proven(&stored);
        let (sealed, leaf) = (self.replace)(stored)?;
        assert!(proven(&sealed) == before, "what is proven of a row is not replaced");
        // Pieces are merged, which asks for the hashes of those that have an id.
        Ok(PieceRow { sealed, leaf, id_hash: id_hash.unwrap_or_default() })
    }

    /// Appends the nodes that the row at this position completes.
    fn nodes(&self, log: &LogRows, position: u64, into: &mut Vec<Hash>) -> Result<(), Damaged> {
        let leaves = BLOCK_LEAVES as u64;
        if position % leaves != leaves - 1 {
            return Ok(());
        }
        let block = position / leaves;
        for above in 0..=block.trailing_ones() {
            let node = self.segment.node(log, BLOCK_LEAVES.trailing_zeros() + above, block >> above)?;
            into.push(node.ok_or_else(|| self.segment.malformed("a node that a row completes"))?);
        }
        Ok(())
    }
}

/// What never changes of a row, beside its leaf.
fn proven(sealed: &Sealed) -> (TenantId, bool, u64, Option<u64>, i64, u16, u8) {
    let Sealed { access, seq, received_at, class, stated, .. } = *sealed;
    (sealed.tenant.clone(), access, sealed.position.0, seq, received_at, class, stated)
}

/// The ledger's keyed hash of the id of a row's event, if it has one.
fn id_hash_of(
    reader: &mut Reader,
    row: u32,
    fate: &Option<Fate>,
    log: &LogName,
    id_hash: IdHash<'_>,
) -> Result<Option<u64>, Damaged> {
    if let Some(Fate::Expired { id_hash, .. }) = fate {
        return Ok(Some(*id_hash));
    }
    let mut id = Vec::new();
    Ok(reader.id(row, &mut id)?.then(|| id_hash(&log.tenant, log.access, &id)))
}

impl PieceRow {
    fn bytes(&self) -> usize {
        self.sealed.event.len() + self.sealed.fate.as_ref().map_or(0, Fate::bytes)
    }
}

impl Rows for Piece {
    fn logs(&self) -> usize {
        self.logs.len()
    }

    fn log(&self, log: usize) -> LogName {
        self.logs[log].name.clone()
    }

    fn count(&self, log: usize) -> usize {
        self.logs[log].rows.len()
    }

    fn row(&self, log: usize, n: usize) -> Row<'_> {
        let PieceRow { sealed, leaf, id_hash } = &self.logs[log].rows[n];
        Row {
            position: sealed.position.0,
            seq: sealed.seq,
            received_at: sealed.received_at,
            occurred_at: sealed.occurred_at,
            operation: sealed.operation,
            derived: sealed.derived,
            system: sealed.system,
            stated: sealed.stated,
            class: sealed.class,
            root: sealed.root.lend(),
            counter: sealed.counter,
            leaf: *leaf,
            id_hash: *id_hash,
            event: &sealed.event,
            fate: sealed.fate.as_ref(),
        }
    }

    fn nodes(&self, log: usize) -> &[Hash] {
        &self.logs[log].nodes
    }
}

/// Writes a segment anew; returns what it was written to, and the bytes of the file. `keep` builds a segment of each piece, which
/// nobody else needs, and opens it. `seed` is as for [`build`](crate::build::build()).
///
/// # Errors
///
/// What `keep` and `out` say; an error around [`Damaged`] when a record cannot be read, and what `replace` says.
///
/// # Panics
///
/// As [`Rewriter::next_piece`].
pub fn rewrite<W: io::Write>(
    segment: &Arc<Segment>,
    seed: u64,
    id_hash: IdHash<'_>,
    replace: Replace<'_>,
    limits: PieceLimits,
    keep: &mut dyn FnMut(&Piece) -> io::Result<Arc<Segment>>,
    out: W,
) -> io::Result<(W, u64)> {
    let broken = |damaged: Damaged| io::Error::new(io::ErrorKind::InvalidData, damaged);
    let mut rewriter = Rewriter::new(segment, id_hash, replace, limits);
    let mut pieces = Vec::new();
    while let Some(piece) = rewriter.next_piece().map_err(broken)? {
        pieces.push(keep(&piece)?);
    }
    merge(&pieces, seed, id_hash, out)
}

/// The first record, by the index of its log and its position, of which two files do not say the same in what must never change:
/// the logs, which positions are there, ledger numbers, times of receipt, classes, what is stated, tags, the sums of leaf hashes,
/// the nodes of the tree, and hashes of ids. `(0, 0)` when it is no single record. Whatever else differs, the leaves are the same.
///
/// # Errors
///
/// [`Damaged`] when a file cannot be read.
pub fn same_proof(
    old: &Arc<Segment>,
    new: &Arc<Segment>,
    id_hash: IdHash<'_>,
) -> Result<Option<(usize, u64)>, Damaged> {
    let (old, new) = (old.unveiled(), new.unveiled());
    if old.rows() != new.rows() || old.logs() != new.logs() || old.ranks() != new.ranks() {
        return Ok(Some((0, 0)));
    }
    let (mut from, mut to) = (old.reader(), new.reader());
    for log in 0..old.logs() {
        let (rows, name) = (old.log_rows(log)?, old.log_name(log)?);
        let index = usize::try_from(log).expect("logs are far below 2^32");
        let first = from.position(rows.rows.start)?.0;
        if new.log_rows(log)? != rows || new.log_name(log)? != name {
            return Ok(Some((index, first)));
        }
        let mut tags = (Vec::new(), Vec::new());
        old.tag_bytes(rows.rows.clone(), &mut tags.0)?;
        new.tag_bytes(rows.rows.clone(), &mut tags.1)?;
        let tags = tags.0.as_chunks::<2>().0.iter().zip(tags.1.as_chunks::<2>().0);
        for (row, tags) in rows.rows.clone().zip(tags) {
            let same = tags.0 == tags.1 && same_row(&mut from, &mut to, row, &name, id_hash)?;
            if !same {
                return Ok(Some((index, from.position(row)?.0)));
            }
        }
        for run in rows.runs.clone() {
            let position = old.run(run)?.2;
            if new.run(run)? != old.run(run)? || proofs(&old, run)? != proofs(&new, run)? {
                return Ok(Some((index, position)));
            }
        }
    }
    Ok(new.fates_out_of_order()?.map(|_| (0, 0)))
}

/// What is proven of a run: its parts, each with its sum, and its nodes.
type Proofs = (Vec<(u64, u64, Hash)>, Vec<Hash>);

fn proofs(segment: &Segment, run: u32) -> Result<Proofs, Damaged> {
    let (mut parts, mut nodes) = (Vec::new(), Vec::new());
    segment.each_part_of(run, &mut |position, rows, xor| parts.push((position, rows, xor)))?;
    segment.nodes_of_run(run, &mut nodes)?;
    Ok((parts, nodes))
}

fn same_row(
    from: &mut Reader,
    to: &mut Reader,
    row: u32,
    log: &LogName,
    id_hash: IdHash<'_>,
) -> Result<bool, Damaged> {
    let (kind, other) = (from.kind(row)?, to.kind(row)?);
    let same = from.position(row)? == to.position(row)?
        && from.seq(row)? == to.seq(row)?
        && from.received_at(row)? == to.received_at(row)?
        && (kind.class, kind.stated) == (other.class, other.stated);
    if !same {
        return Ok(false);
    }
    let (fate, new_fate) = (from.fate(row)?, to.fate(row)?);
    let hash = id_hash_of(from, row, &fate, log, id_hash)?;
    let new_hash = id_hash_of(to, row, &new_fate, log, id_hash)?;
    Ok(hash == new_hash && hash.map_or(Ok(true), |hash| to.segment().may_have_id(hash))?)
}
