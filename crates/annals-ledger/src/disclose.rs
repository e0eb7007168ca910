//! Records with all that shows what they are: for evidence that leaves the ledger.

use std::ops::Range;
use std::sync::{Arc, RwLock};

use annals_event::Position;
use annals_segment::Damaged;
use annals_tree::block::tag;
use annals_tree::{Counter, Hash, Nodes as _, Secret, SecretRoot};

use crate::commit::Commits;
use crate::nodes::Access as _;
use crate::read::TenantLog;
use crate::record::Record;
use crate::sealed::{Part, entry_of, record_of};
use crate::signing::{ProveError, TreeOf, tree, tree_error};
use crate::state::State;

/// Most records of a tail that are taken at once, while the state is held.
const TAIL_RECORDS: u64 = 256;

/// A record, what the log holds of it, and what its salts follow from.
#[derive(Clone, Debug)]
pub struct Disclosed {
    /// The record.
    pub record: Record,
    /// Its entry, which it matches.
    pub entry: Vec<u8>,
    /// The entry's hash.
    pub leaf: Hash,
    /// Who has it can check every unit, and guess at every one that is withheld.
    pub secret: Secret,
}

/// Where neighbouring records are.
enum Found {
    Nothing,
    Here(Vec<(Record, Vec<u8>, Hash, Secret, Hash)>),
    Sealed(Arc<Part>, Range<u32>),
}

/// Neighbouring records from a position on: one at least, unless the log ends before, and at most `count`.
pub(crate) fn disclose(
    state: &RwLock<State>,
    log: &TenantLog,
    from: Position,
    count: u64,
) -> Result<Vec<Disclosed>, ProveError> {
    let found = state.with(|state| find(state, log, from, count)).map_err(Box::new)?;
    let differs = |position: Position| -> ProveError {
        match tree(state, log) {
            Ok(TreeOf { origin, .. }) => ProveError::Damaged { origin, position: Some(position.0) },
            Err(error) => error,
        }
    };
    let mut disclosed = Vec::new();
    match found {
        Found::Nothing => {}
        Found::Here(rows) => {
            let mut commits = Commits::default();
            for (record, entry, leaf, secret, commitment) in rows {
                if commits.commit_as(record.stated, &record.event, &secret) != Some(commitment) {
                    return Err(differs(record.position));
                }
                disclosed.push(Disclosed { record, entry, leaf, secret });
            }
        }
        Found::Sealed(part, rows) => {
            let mut tags = Vec::new();
            part.segment.tags(rows.clone(), &mut tags).map_err(Box::new)?;
            for (row, expected) in part.segment.records(rows).zip(tags) {
                let (_, row) = row.map_err(Box::new)?;
                let entry = entry_of(&row).filter(|(_, leaf)| tag(leaf) == expected);
                let (Some((entry, leaf)), Some(counter)) = (entry, Counter::new(row.counter)) else {
                    return Err(differs(row.position));
                };
                let secret = SecretRoot::from_bytes(row.root).secret(counter);
                disclosed.push(Disclosed { record: record_of(row), entry, leaf, secret });
            }
        }
    }
    Ok(disclosed)
}

fn find(state: &State, name: &TenantLog, from: Position, count: u64) -> Result<Found, Damaged> {
    let Some(index) = state.log_index(name) else { return Ok(Found::Nothing) };
    if let Some(tail) = state.tails().find(|tail| tail.row(index, from).is_some()) {
        let mut rows = Vec::new();
        for position in from.0..from.0.saturating_add(count.min(TAIL_RECORDS)) {
            let position = Position(position);
            let (Some(row), Some(record)) =
                (tail.row(index, position), state.record_in(tail, index, position))
            else {
                break;
            };
            let secret = SecretRoot::from_bytes(tail.roots.seeds[row.root as usize]).secret(row.counter);
            rows.push((record, row.entry(&tail.chunks), row.leaf(&tail.chunks), secret, row.commitment));
        }
        return Ok(Found::Here(rows));
    }
    let Some((part, row)) = state.sealed.at(&state.logs()[index as usize], from)? else {
        return Ok(Found::Nothing);
    };
    let rows = part.segment.log_of_row(row)?.rows;
    let end = u64::from(rows.end).min(u64::from(row).saturating_add(count));
    Ok(Found::Sealed(part.clone(), row..u32::try_from(end).unwrap_or(rows.end)))
}

/// The root of a complete subtree of the log as of `size`: 2^`level` leaves from `index` * 2^`level`.
pub(crate) fn subtree(
    state: &RwLock<State>,
    log: &TenantLog,
    (level, index): (u32, u64),
) -> Result<Hash, ProveError> {
    let TreeOf { origin, size, nodes } = tree(state, log)?;
    let end = index.checked_add(1).and_then(|end| end.checked_mul(1_u64.checked_shl(level)?));
    match end {
        Some(end) if end <= size => nodes
            .node(level, index)
            .map_err(|error| tree_error(annals_tree::nodes::TreeError::Source(error), &origin)),
        _ => Err(ProveError::Beyond {
            what: "subtree",
            asked: index,
            limit: size.checked_shr(level).unwrap_or(0),
        }),
    }
}
