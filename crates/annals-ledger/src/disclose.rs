//! Records with all that shows what they are: for evidence that leaves the ledger.

use std::ops::Range;
use std::sync::{Arc, RwLock};

use annals_event::Position;
use annals_segment::Damaged;
use annals_segment::fate::Fate;
use annals_tree::block::tag;
use annals_tree::{Hash, Nodes as _, Secret, SecretRoot};

use crate::commit::Commits;
use crate::erased::ErasedEvent;
use crate::leaves::Maker;
use crate::nodes::Access as _;
use crate::read::TenantLog;
use crate::record::Record;
use crate::sealed::{Part, SealedEntry, record_of};
use crate::signing::{ProveError, TreeOf, tree, tree_error};
use crate::state::State;

/// Most records of a tail that are taken at once, while the state is held.
const TAIL_RECORDS: u64 = 256;

/// Tags that are read at once.
const TAGS_AT_ONCE: u32 = 1_024;

/// A record, what the log holds of it, and what its salts follow from.
#[derive(Clone, Debug)]
pub struct Disclosed {
    /// The record.
    pub record: Record,
    /// Its entry, which it matches.
    pub entry: Vec<u8>,
    /// The entry's hash.
    pub leaf: Hash,
    /// What shows that it is what was appended.
    pub shown: Shown,
}

/// What shows that a record is what was appended.
#[derive(Clone, Debug)]
pub enum Shown {
    /// All salts follow from it: who has it can check every unit, and guess at every one that is withheld.
    Whole(Secret),
    /// Some units were erased; the others have their salts.
    Erased(ErasedEvent),
    /// All of it expired, as the log's entry at this position says.
    Expired(u64),
}

/// Takes records that are disclosed, one after the other. Committing to a record goes through its units, so who needs them need not
/// take it apart again.
pub trait Discloses {
    /// The next unit of the record that comes next. Of a statement of the ledger's own none is told.
    fn unit(&mut self, name: &str, value: &[u8]);

    /// The record. False when no more are wanted.
    fn record(&mut self, disclosed: Disclosed) -> bool;
}

impl Discloses for Vec<Disclosed> {
    fn unit(&mut self, _: &str, _: &[u8]) {}

    fn record(&mut self, disclosed: Disclosed) -> bool {
        self.push(disclosed);
        true
    }
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
    to: &mut dyn Discloses,
) -> Result<(), ProveError> {
    let found = state.with(|state| find(state, log, from, count)).map_err(Box::new)?;
    let differs = |position: Position| -> ProveError {
        match tree(state, log) {
            Ok(TreeOf { origin, .. }) => ProveError::Damaged { origin, position: Some(position.0) },
            Err(error) => error,
        }
    };
    let mut commits = Commits::default();
    match found {
        Found::Nothing => {}
        Found::Here(rows) => {
            for (record, entry, leaf, secret, commitment) in rows {
                let made =
                    commits.commit_as_seen(record.stated, &record.event, &secret, &mut |name, value| {
                        to.unit(name, value);
                    });
                if made != Some(commitment) {
                    return Err(differs(record.position));
                }
                if !to.record(Disclosed { record, entry, leaf, shown: Shown::Whole(secret) }) {
                    break;
                }
            }
        }
        Found::Sealed(part, rows) => {
            let mut reader = part.segment.reader();
            let mut tags = Vec::new();
            for row in rows.clone() {
                let read = usize::try_from((row - rows.start) % TAGS_AT_ONCE).expect("a few tags");
                if read == 0 {
                    tags.clear();
                    let end = rows.end.min(row.saturating_add(TAGS_AT_ONCE));
                    part.segment.tags(row..end, &mut tags).map_err(Box::new)?;
                }
                let row = reader.record(row).map_err(Box::new)?;
                let sealed = SealedEntry::of(&row);
                let shown = match (&row.fate, &sealed.secret) {
                    (None, Some(secret)) => Some(Shown::Whole(secret.clone())),
                    (None, None) => None,
                    (Some(Fate::Erased(bytes)), _) => ErasedEvent::decode(bytes).ok().map(Shown::Erased),
                    (Some(Fate::Expired { by, .. }), _) => Some(Shown::Expired(*by)),
                };
                let Some(shown) = shown else { return Err(differs(row.position)) };
                let entry = sealed.made(&mut commits, &mut |name, value| to.unit(name, value));
                let entry = entry.filter(|(_, leaf)| tags.get(read) == Some(&tag(leaf)));
                let Some((entry, leaf)) = entry else { return Err(differs(row.position)) };
                if !to.record(Disclosed { record: record_of(row), entry, leaf, shown }) {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// The entries of neighbouring records, all of which the log has.
pub(crate) fn entries(
    state: &RwLock<State>,
    log: &TenantLog,
    positions: Range<u64>,
) -> Result<Vec<Vec<u8>>, ProveError> {
    let damaged = |position: u64| -> ProveError {
        match tree(state, log) {
            Ok(TreeOf { origin, .. }) => ProveError::Damaged { origin, position: Some(position) },
            Err(error) => error,
        }
    };
    let mut entries = Vec::new();
    let mut at = positions.start;
    while at < positions.end {
        let before = entries.len();
        match state.with(|state| find(state, log, Position(at), positions.end - at)).map_err(Box::new)? {
            Found::Nothing => {}
            Found::Here(rows) => entries.extend(rows.into_iter().map(|(_, entry, ..)| entry)),
            Found::Sealed(part, rows) => {
                let (mut maker, mut leaves) = (Maker::new(&part), Vec::with_capacity(rows.len()));
                let mut tags = Vec::with_capacity(rows.len());
                part.segment.tags(rows.clone(), &mut tags).map_err(Box::new)?;
                for ((row, expected), position) in rows.clone().zip(tags).zip(at..) {
                    // Where positions do not follow each other, the next one is looked for anew.
                    if maker.position(row).map_err(Box::new)? != position {
                        break;
                    }
                    let entry = maker.entry(row);
                    let entry =
                        entry.map_err(|error| Box::new(part.segment.record(row).err().unwrap_or(error)))?;
                    let (entry, leaf) = entry.ok_or_else(|| damaged(position))?;
                    if tag(&leaf) != expected {
                        return Err(damaged(position));
                    }
                    entries.push(entry);
                    leaves.push(leaf);
                }
                // The hashes of these entries are often asked for next.
                let leaves_of = state.with(|state| state.sealed.leaves().clone());
                leaves_of.offer(&part, &rows, leaves);
            }
        }
        if entries.len() == before {
            return Err(damaged(at));
        }
        at += (entries.len() - before) as u64;
    }
    Ok(entries)
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
