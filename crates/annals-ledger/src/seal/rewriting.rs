//! Rewriting segments of which something was erased or expired, so that it is in no file any more.
//!
//! Whoever erases values must also take the secret that their salts follow from, or the digests that stay could be tried out. Secrets
//! grow from roots that thousands of events share, in more than one segment where these meet. So a root is punctured wherever it
//! stands. Which counters go is told by what is to be erased, and by the roots that are punctured already in other files: a crash
//! between two files leaves nothing to be remembered. What is punctured once is punctured everywhere before the case is done.
//!
//! Expired events go whole, and nobody can try out all of an event at once: their roots stay, for the sake of those that they share
//! them with.

use std::collections::{BTreeMap, BTreeSet};

use annals_event::Operation;
use annals_segment::fate::{Fate, GONE};
use annals_segment::rewrite::{self, PieceLimits};
use annals_segment::root::Root;
use annals_segment::segment::Sealed as SealedRow;
use annals_tree::{Counter, SecretRoot};
use bytes::Bytes;

use super::*;
use crate::commit::Commits;
use crate::removal::Removal;
use crate::sealed::SealedEntry;

/// Expired events may stand in a file for so long, µs: rewriting it for each few of them would cost far more than they take.
const EXPIRED_US_MAX: i64 = 24 * 3_600_000_000;

/// A file of which a part as large as this has expired is rewritten at once.
const EXPIRED_PART: u64 = 4;

/// Counters that go, by the name of their root.
type Forgotten = BTreeMap<[u8; 32], BTreeSet<Counter>>;

impl Sealer {
    /// Rewrites a segment of which something is to go, if there is one.
    pub(crate) fn rewrite(&self, now: i64) -> Result<Done, SealError> {
        let (removals, parts) = {
            let state = read(&self.state);
            (state.removals.clone(), state.sealed.clone())
        };
        if removals.is_empty() {
            return Ok(Done::Nothing);
        }
        if parts.iter().any(|part| part.is_unknown) {
            self.state.write().expect("the ledger's thread does not panic while it writes").veil_unknown();
            return Ok(Done::Nothing);
        }
        let erases = removals.iter().any(|removal| removal.erases());
        let forgotten = if erases { forgotten(&parts)? } else { Forgotten::default() };
        // One that cannot be rewritten keeps nothing of the others from it.
        let mut failed = None;
        for part in parts.iter() {
            let rewritten = self.is_due(part, &forgotten, now).and_then(|is_due| {
                if is_due { self.make_rewritten(part, &forgotten).map(Some) } else { Ok(None) }
            });
            match rewritten {
                Ok(None) => {}
                Ok(Some(rewritten)) => {
                    return match self.put_merged(rewritten)? {
                        Done::Merged(rows) => Ok(Done::Rewritten(rows)),
                        done => Ok(done),
                    };
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        match failed {
            Some(error) => Err(error),
            None => {
                self.note_rewritten(&removals, &parts, &forgotten);
                Ok(Done::Nothing)
            }
        }
    }

    /// Whether a segment is to be rewritten now.
    fn is_due(&self, part: &Part, forgotten: &Forgotten, now: i64) -> Result<bool, SealError> {
        if let Some(change) = &part.change {
            let (expired, since) = change.expired();
            let is_old = since.is_some_and(|since| now.saturating_sub(since) >= EXPIRED_US_MAX);
            if change.erased().next().is_some()
                || change.is_overshadowed()
                || is_old
                || expired * EXPIRED_PART >= part.rows
            {
                return Ok(true);
            }
        }
        if forgotten.is_empty() {
            return Ok(false);
        }
        let has = |root: &Root| {
            let counters = forgotten.get(&root.name());
            counters.is_some_and(|counters| match root {
                Root::Whole(_) => true,
                Root::Punctured(punctured) => {
                    let removed: BTreeSet<Counter> = punctured.left.removed().collect();
                    !counters.is_subset(&removed)
                }
            })
        };
        Ok(part.segment.roots()?.iter().any(has))
    }

    /// Makes a segment without what is to go. Nothing knows of it before [`Sealer::put_merged`].
    fn make_rewritten(&self, part: &Arc<Part>, forgotten: &Forgotten) -> Result<Merged, SealError> {
        let id_key = read(&self.state).genesis().expect("records follow the genesis").id_key;
        let hash = |tenant: &TenantId, access: bool, id: &[u8]| {
            id_hash(&id_key, tenant, if access { LogKind::Access } else { LogKind::Tenant }, id)
        };
        let mut pieces: Vec<Made> = Vec::new();
        self.merges.store(true, Ordering::Release);
        let made = self.write_rewritten(part, forgotten, &hash, &mut pieces);
        self.merges.store(false, Ordering::Release);
        pieces.iter().for_each(|piece| self.give_up(piece.number));
        Ok(Merged { made: made?, group: vec![part.clone()] })
    }

    fn write_rewritten(
        &self,
        part: &Part,
        forgotten: &Forgotten,
        hash: &dyn Fn(&TenantId, bool, &[u8]) -> u64,
        pieces: &mut Vec<Made>,
    ) -> Result<Made, SealError> {
        let mut replace =
            Replace { part, forgotten, roots: BTreeMap::new(), commits: Commits::default(), row: 0 };
        let mut replace = |sealed: SealedRow| replace.row(sealed);
        let mut keep = |piece: &rewrite::Piece| {
            let rows = (0..piece.logs()).map(|log| piece.count(log) as u64).sum();
            let made = self
                .make(rows, |store, name, seed| store.write(name, |out| build::build(piece, seed, out)))
                .and_then(|made| {
                    let differs = made.segment.same_as(piece);
                    self.compared(&made, differs)?;
                    Ok(made)
                })
                .map_err(std::io::Error::other)?;
            let segment = made.segment.clone();
            pieces.push(made);
            Ok(segment)
        };
        let made = self.make(part.rows, |store, name, seed| {
            let limits = PieceLimits::default();
            store.write(name, |out| {
                rewrite::rewrite(&part.segment, seed, hash, &mut replace, limits, &mut keep, out)
            })
        })?;
        let segments: Vec<_> = pieces.iter().map(|piece| piece.segment.clone()).collect();
        let differs = match rewrite::same_proof(&part.segment, &made.segment, hash) {
            Ok(None) => merge::compare::first_difference(&made.segment, &segments),
            differs => differs,
        };
        self.compared(&made, differs)?;
        Ok(made)
    }

    /// Says of removals that they are in no segment any more. Where a secret that goes still stands in a tail, that is sealed first.
    fn note_rewritten(&self, removals: &[Arc<Removal>], parts: &Arc<Parts>, forgotten: &Forgotten) {
        let in_tail = {
            let state = read(&self.state);
            if !Arc::ptr_eq(&state.sealed, parts) {
                // What was in a tail may be in a segment by now that was not looked at.
                return;
            }
            let holds = |seed: &[u8; 32]| forgotten.contains_key(&SecretRoot::from_bytes(*seed).name());
            let held = !forgotten.is_empty() && state.tails().any(|tail| tail.roots.seeds.iter().any(holds));
            let reaches = |removal: &Arc<Removal>| removal.end() > state.sealed_end(&removal.log);
            (held || removals.iter().any(reaches)).then(|| state.next().0)
        };
        if let Some(next) = in_tail {
            self.wanted.fetch_max(next, Ordering::AcqRel);
        }
        for removal in removals.iter().filter(|removal| !removal.is_rewritten()) {
            let is_left =
                parts.iter().any(|part| part.change.as_ref().is_some_and(|change| change.is_of(removal)));
            if !is_left && in_tail.is_none() {
                removal.set_rewritten();
            }
        }
    }
}

/// What becomes of rows, one after the other.
struct Replace<'a> {
    part: &'a Part,
    forgotten: &'a Forgotten,
    /// What is left of roots, by their names.
    roots: BTreeMap<[u8; 32], Root>,
    commits: Commits,
    row: u32,
}

impl Replace<'_> {
    fn row(&mut self, mut sealed: SealedRow) -> Result<(SealedRow, Hash), annals_segment::Damaged> {
        let row = self.row;
        self.row += 1;
        if let Some(change) = &self.part.change {
            change.apply(row, &mut sealed)?;
        }
        if matches!(sealed.fate, Some(Fate::Expired { .. })) {
            sealed.event = Bytes::from_static(GONE);
            sealed.occurred_at = None;
            sealed.operation = Operation::Other.code();
            sealed.derived = true;
        }
        if !self.forgotten.is_empty() {
            let name = sealed.root.name();
            if let Some(counters) = self.forgotten.get(&name) {
                let left =
                    self.roots.entry(name).or_insert_with(|| sealed.root.puncture(counters.iter().copied()));
                sealed.root = left.clone();
            }
        }
        let made = SealedEntry::of(&sealed).made(&mut self.commits, &mut |_, _| {});
        let (_, leaf) = made.ok_or_else(|| {
            let segment = &self.part.segment;
            segment.malformed("a record is no event").of(&sealed.tenant, sealed.position)
        })?;
        Ok((sealed, leaf))
    }
}

/// The counters of all that is to be erased, and of all that was.
fn forgotten(parts: &Parts) -> Result<Forgotten, annals_segment::Damaged> {
    let mut forgotten = Forgotten::default();
    for part in parts.iter() {
        for root in part.segment.roots()? {
            if let Root::Punctured(punctured) = &root {
                forgotten.entry(punctured.name).or_default().extend(punctured.left.removed());
            }
        }
        let Some(change) = &part.change else { continue };
        let mut reader = part.segment.unveiled().reader();
        for row in change.erased() {
            let (root, counter) = reader.root(row)?;
            forgotten.entry(root.name()).or_default().extend(Counter::new(counter));
        }
    }
    Ok(forgotten)
}
