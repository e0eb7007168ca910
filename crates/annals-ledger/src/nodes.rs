//! The nodes of a log's tree, wherever they are: in its frontier, in the tails, in segments.
//!
//! Of what is sealed, nodes of 256 leaves and more are read. Smaller ones are made of leaves, and leaves of the sealed events
//! and their secrets; each is held against its tag, so that a record that is not what was appended gives an error in place of
//! a proof that does not hold. All leaves of a block are made at once and kept for a while, in `leaves`; where that cannot be, those that are
//! needed are made alone.

use std::cell::RefCell;
use std::sync::{Arc, RwLock};

use annals_event::Position;
use annals_segment::Damaged;
use annals_tree::block::{subtree_root, tag};
use annals_tree::{Hash, Nodes, node_hash};
use bytes::Bytes;

use crate::leaves::{Leaves, Maker, Stretch};
use crate::log::{Log, Row};
use crate::sealed::Part;
use crate::state::State;
use crate::tail::BLOCK_LEVEL;

/// Why a node cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NodeError {
    /// A segment cannot be read.
    #[error(transparent)]
    Damaged(#[from] Box<Damaged>),
    /// A sealed record is not what was appended.
    #[error("the record at position {position} does not match the tree")]
    Differs {
        /// Its position.
        position: u64,
    },
}

impl From<Damaged> for NodeError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(Box::new(damaged))
    }
}

/// Whatever can be asked of the state, once or again and again.
pub(crate) trait Access {
    fn with<T>(&self, ask: impl FnOnce(&State) -> T) -> T;
}

impl Access for &State {
    fn with<T>(&self, ask: impl FnOnce(&State) -> T) -> T {
        ask(self)
    }
}

/// Locked for each question anew: segments are read while it is not.
impl Access for &RwLock<State> {
    fn with<T>(&self, ask: impl FnOnce(&State) -> T) -> T {
        ask(&self.read().expect("the ledger's thread does not panic while it writes"))
    }
}

/// The nodes of one log.
pub(crate) struct LogNodes<A> {
    access: A,
    log: u32,
    /// The leaves that were needed last: the next ones are often beside them.
    last: RefCell<Option<Arc<Stretch>>>,
}

/// Where a node is.
enum Place {
    Here(Hash),
    /// Its leaves are in several places.
    Halves,
    /// It is sealed: in this segment, from this row on are its leaves.
    Leaves(Arc<Part>, u32, Arc<Leaves>),
    /// It is sealed: the segment with its last leaf, in this row, completes it.
    Stored(Arc<Part>, u32),
    /// Reading that failed.
    Failed(Damaged),
}

impl<A: Access> LogNodes<A> {
    /// The log with this index, which must exist.
    pub(crate) fn new(access: A, log: u32) -> Self {
        Self { access, log, last: RefCell::default() }
    }

    fn place(&self, level: u32, index: u64) -> Place {
        self.access.with(|state| {
            let log = &state.logs()[self.log as usize];
            match known(state, log, self.log, level, index) {
                Some(hash) => Place::Here(hash),
                None => sealed(state, log, level, index).unwrap_or_else(Place::Failed),
            }
        })
    }
}

impl<A: Access> Nodes for LogNodes<A> {
    type Error = NodeError;

    fn node(&self, level: u32, index: u64) -> Result<Hash, NodeError> {
        if level < BLOCK_LEVEL
            && let Some(stretch) = &*self.last.borrow()
            && let Some(root) = stretch.root(&(index << level..(index + 1) << level))
        {
            return Ok(root);
        }
        match self.place(level, index) {
            Place::Here(hash) => Ok(hash),
            Place::Halves => {
                Ok(node_hash(&self.node(level - 1, 2 * index)?, &self.node(level - 1, 2 * index + 1)?))
            }
            Place::Leaves(part, row, kept) => {
                let positions = index << level..(index + 1) << level;
                let stretch = kept.of(&part, row);
                let root = stretch.as_ref().and_then(|stretch| stretch.root(&positions));
                *self.last.borrow_mut() = stretch;
                // What is wrong, and whether that is among these, is told by looking at these alone.
                root.map_or_else(|| leaves(&part, row, level, positions.start), Ok)
            }
            Place::Stored(part, row) => {
                let log = part.segment.log_of_row(row)?;
                part.segment.node(&log, level, index)?.ok_or_else(|| {
                    part.segment.malformed("a subtree that its rows complete is missing").into()
                })
            }
            Place::Failed(damaged) => Err(damaged.into()),
        }
    }
}

/// Where a node is of which nothing is in memory, or not all.
fn sealed(state: &State, log: &Log, level: u32, index: u64) -> Result<Place, Damaged> {
    let (first, last) = (index << level, ((index + 1) << level) - 1);
    let Some((part, row)) = state.sealed.at(log, Position(last))? else {
        // The last leaf is in a tail, so the first is not.
        return if level > 0 && last < log.size() { Ok(Place::Halves) } else { Err(missing(state, last)) };
    };
    if level >= BLOCK_LEVEL {
        return Ok(Place::Stored(part.clone(), row));
    }
    match state.sealed.at(log, Position(first))? {
        Some((same, from)) if same.number == part.number && u64::from(row - from) == last - first => {
            Ok(Place::Leaves(part.clone(), from, state.sealed.leaves().clone()))
        }
        _ => Ok(Place::Halves),
    }
}

/// The root over sealed leaves of neighbouring rows, each made anew and held against its tag.
fn leaves(part: &Part, row: u32, level: u32, first: u64) -> Result<Hash, NodeError> {
    let rows = row..row + (1 << level);
    let mut tags = Vec::new();
    part.segment.tags(rows.clone(), &mut tags)?;
    let mut leaves = Vec::with_capacity(tags.len());
    let mut maker = Maker::new(part);
    for ((position, row), expected) in (first..).zip(rows).zip(tags) {
        let entry = maker.entry(row).map_err(|damaged| part.segment.record(row).err().unwrap_or(damaged))?;
        let (_, leaf) = entry.ok_or(NodeError::Differs { position })?;
        if tag(&leaf) != expected {
            return Err(NodeError::Differs { position });
        }
        leaves.push(leaf);
    }
    Ok(subtree_root(&leaves))
}

/// A node that is known without reading a segment.
fn known(state: &State, log: &Log, index_of_log: u32, level: u32, index: u64) -> Option<Hash> {
    if let Some(hash) = log.tree.node(level, index) {
        return Some(hash);
    }
    for tail in state.tails() {
        let Some(stretch) = tail.stretches.get(&index_of_log) else { continue };
        if let Some(hash) = stretch.before.tree.node(level, index) {
            return Some(hash);
        }
        if level >= BLOCK_LEVEL {
            if let Some(hash) = stretch.node(level, index) {
                return Some(hash);
            }
        } else if level == 0 {
            if let Some(row) = stretch.row(Position(index)) {
                return Some(row.leaf(&tail.chunks));
            }
        } else if index << level >= stretch.first() && (index + 1) << level <= stretch.end() {
            let first = usize::try_from((index << level) - stretch.first()).expect("rows in memory are few");
            return Some(subtree(&stretch.rows[first..first + (1 << level)], &tail.chunks));
        }
    }
    None
}

/// The root over rows, a power of two of them.
fn subtree(rows: &[Row], chunks: &[Bytes]) -> Hash {
    match rows {
        [row] => row.leaf(chunks),
        _ => {
            let (left, right) = rows.split_at(rows.len() / 2);
            node_hash(&subtree(left, chunks), &subtree(right, chunks))
        }
    }
}

fn missing(state: &State, position: u64) -> Damaged {
    Damaged {
        file: state.sealed.iter().next().map_or_else(|| "".into(), |part| part.segment.name().clone()),
        at: 0,
        what: format!("position {position} is in no segment, though it was sealed").into(),
        record: None,
    }
}
