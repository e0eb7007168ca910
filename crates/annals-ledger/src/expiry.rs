//! Finding records that are due, and saying in their log that they expired.
//!
//! Positions of a log follow the times of receipt, so what is due of a class ends before some position. The way to it is walked once:
//! how far it came is remembered with what was stated (see `policy/life.rs`), and when the next record can be due at the earliest is
//! known from the first that is not. A crash between two statements leaves some records unstated, and the next walk finds them. What
//! is stated already is not shown to a walk, so that one from the beginning, as after the release of a hold, states nothing twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use annals_event::TenantId;
use annals_event::filter::Matcher;
use annals_segment::Damaged;
use annals_tree::EntryKind;

use super::Ledger;
use super::living::{cutoff_ms, is_before};
use crate::batch::LogKind;
use crate::control::Author;
use crate::error::CommitError;
use crate::policy::{HOUR_US, Life};
use crate::read::{FeedScope, TenantLog};
use crate::scan::{Next, Readers, Scan, Work};
use crate::state::State;

/// Records looked at before somebody else has a turn.
const LOOKED_AT_ONCE: usize = 1 << 16;

/// Longest text of the runs in one statement, bytes; the rest of an entry's body has room beside it.
const RUNS_BYTES_MAX: usize = 31_000;

/// Looks for what is due.
pub struct Expirer {
    ledger: Ledger,
    walks: BTreeMap<Way, Walk>,
    /// Ways that are to be looked at in this turn.
    ahead: VecDeque<Way>,
    /// Tenants that ended, of which the registry says so.
    registered: BTreeSet<TenantId>,
    /// Something that is due is not sealed yet.
    unsealed: bool,
}

/// Through which log, and for which class; none for all of them, where the tenant ended.
type Way = (TenantId, LogKind, Option<u16>);

/// How far a walk has come.
#[derive(Clone, Copy, Debug)]
struct Walk {
    /// Under which version of the tenant's policies.
    version: u64,
    /// Position to go on from.
    next: u64,
    /// Nothing is due before this, µs since 1970.
    not_before_us: i64,
    /// Records it passed by because they are held.
    held: u64,
}

/// What came of a look.
pub enum Looked {
    /// These are due.
    Due(Due),
    /// Nothing is due so far.
    More,
    /// Nothing more is due now.
    Done,
}

/// Records that are due, all of one log.
pub struct Due {
    way: Way,
    walk: Walk,
    log: TenantLog,
    statements: Vec<serde_json::Value>,
    records: u64,
}

impl Due {
    /// How many records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }
}

impl Ledger {
    /// Begins to look for what is due.
    #[must_use]
    pub fn expirer(&self) -> Expirer {
        Expirer {
            ledger: self.clone(),
            walks: BTreeMap::new(),
            ahead: VecDeque::new(),
            registered: BTreeSet::new(),
            unsealed: false,
        }
    }

    /// Whether nothing expires because the clock at the start was far ahead of what is stored, until a confirmation is on record.
    #[must_use]
    pub fn doubts_clock(&self) -> bool {
        self.shared.clock_guard.doubted(&*self.shared.clock).is_some()
    }

    /// What the record of the stop says of the clock, where stored times, this record's among them, do not vouch for it: a run that was
    /// not doubted does, as far as it did not jump.
    pub(crate) fn clock_known_at_stop(&self) -> Option<i64> {
        let is_needed =
            self.keys().read().expect("no holder of this lock panics").policies.clock_known_us.is_some();
        let jump_us = self.shared.clock_guard.jump_us(&*self.shared.clock);
        let believed_us = self.shared.clock.now().as_micros().saturating_sub(jump_us.unwrap_or(0));
        ((is_needed || jump_us.is_some()) && !self.doubts_clock()).then_some(believed_us)
    }

    /// Believes a clock that was doubted at the start and has run for long enough since.
    pub(crate) async fn believe_clock_in_time(&self) -> Result<(), CommitError> {
        if self.shared.note_clock().is_some() {
            // A jump since then is another matter, and nobody has said that it is right.
            return Ok(());
        }
        match self.shared.clock_guard.doubted(&*self.shared.clock) {
            Some((_, true)) => self.confirm_clock(&Author::System).await.map(drop),
            _ => Ok(()),
        }
    }

    /// Positions of a log that satisfy a condition.
    fn positions(
        &self,
        log: &TenantLog,
        matcher: &Arc<Matcher>,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u64>, Damaged> {
        let mut scan = Scan::by_number(&FeedScope::Log(log.clone()), matcher, false, false, range.end);
        if let Some(before) = range.start.checked_sub(1) {
            scan.after((0, before));
        }
        let mut matching = Matching { scan, found: Vec::new() };
        self.work(&mut matching, u64::MAX.into())?;
        Ok(matching.found)
    }
}

impl Expirer {
    /// Records that would have expired but for a hold, as far as is known.
    #[must_use]
    pub fn held(&self) -> u64 {
        self.walks.values().map(|walk| walk.held).sum()
    }

    /// Whether tenants have rules, and nothing expires: see [`Ledger::doubts_clock`].
    #[must_use]
    pub fn waits(&self) -> bool {
        self.ledger.doubts_clock() && !self.ledger.lives().is_empty()
    }

    /// Begins a turn: what was decided and is not told yet is told, and all ways are to be looked at again on which something may
    /// be due.
    ///
    /// # Errors
    ///
    /// [`CommitError`]: not all was told. The turn begins all the same.
    pub async fn begin(&mut self) -> Result<(), CommitError> {
        let lives: BTreeMap<TenantId, Arc<Life>> = self.ledger.lives().into_iter().collect();
        self.walks.retain(|(tenant, ..), walk| {
            lives.get(tenant).is_some_and(|life| life.version() == walk.version)
        });
        self.ahead.clear();
        self.unsealed = false;
        for (tenant, life) in &lives {
            let classes: Vec<Option<u16>> = match life.ended_at_us() {
                Some(_) => vec![None],
                None => life.retention.numbers().map(Some).collect(),
            };
            for class in classes {
                for kind in [LogKind::Tenant, LogKind::Access] {
                    self.ahead.push_back((tenant.clone(), kind, class));
                }
            }
        }
        let mut told = self.ledger.believe_clock_in_time().await;
        for (tenant, _) in lives.iter().filter(|(_, life)| life.owes()) {
            told = told.and(self.ledger.tell_policies(tenant).await);
        }
        told
    }

    /// Tenants that ended, and of which it is not known whether the registry says so.
    fn unregistered(&self) -> Vec<TenantId> {
        let ended = self.ledger.ended_tenants().into_iter();
        ended.filter(|tenant| !self.registered.contains(tenant)).collect()
    }

    /// Tenants that ended and of which the registry does not say so yet. Blocks.
    pub fn ended(&mut self) -> Vec<TenantId> {
        let mut to_register = Vec::new();
        for tenant in self.unregistered() {
            match self.ledger.end_is_registered(&tenant) {
                Ok(true) => drop(self.registered.insert(tenant)),
                Ok(false) => to_register.push(tenant),
                Err(error) => tracing::warn!(%error, "the registry cannot be asked whether a tenant ended"),
            }
        }
        to_register
    }

    /// Has the registry say that a tenant's logs ended.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn register_end(&mut self, tenant: &TenantId) -> Result<(), CommitError> {
        self.ledger.register_end(tenant).await?;
        self.registered.insert(tenant.clone());
        Ok(())
    }

    /// Whether something that is due is not sealed yet: [`Ledger::seal_now`] has it sealed, and then it is found by another turn.
    #[must_use]
    pub fn waits_for_sealing(&self) -> bool {
        self.unsealed
    }

    /// Goes on looking. Nothing is due while the clock is not to be believed. Blocks.
    ///
    /// # Errors
    ///
    /// What must be read is damaged; the next look goes on elsewhere.
    pub fn look(&mut self) -> Result<Looked, Damaged> {
        if self.ledger.shared.note_clock().is_some() || self.ledger.doubts_clock() {
            self.ahead.clear();
        }
        while let Some(way) = self.ahead.pop_front() {
            let (tenant, kind, class) = &way;
            let Some(life) = self.ledger.state().life(tenant.as_str()) else { continue };
            let Some(walk) = self.walk_of(&way, &life) else { continue };
            let log = TenantLog { tenant: tenant.clone(), kind: *kind };
            let due = self.ledger.due_of(&log, &life, *class, walk)?;
            self.unsealed |= due.stopped == Stopped::Unsealed;
            if due.stopped == Stopped::Full {
                // Others come first: what one tenant has to lose may take long to look through.
                self.ahead.push_back(way.clone());
            }
            if due.statements.is_empty() {
                self.walks.insert(way, due.walk);
                return Ok(Looked::More);
            }
            let DueOf { walk, statements, records, .. } = due;
            return Ok(Looked::Due(Due { way, walk, log, statements, records }));
        }
        Ok(Looked::Done)
    }

    /// Where a walk goes on; none when nothing can be due on its way.
    fn walk_of(&self, way: &Way, life: &Life) -> Option<Walk> {
        let (tenant, kind, class) = way;
        let is_of = life.ended_at_us().is_some() == class.is_none();
        if life.owes() || !is_of {
            // Its log says first what was decided.
            return None;
        }
        let version = life.version();
        let known = self.walks.get(way).copied().filter(|walk| walk.version == version);
        let walk = known.unwrap_or_else(|| Walk {
            version,
            next: life.mark(*kind, *class),
            not_before_us: i64::MIN,
            held: 0,
        });
        let now_us = self.ledger.shared.clock.now().as_micros();
        let log = TenantLog { tenant: tenant.clone(), kind: *kind };
        let has_more = self.ledger.feed_size(&FeedScope::Log(log)).is_some_and(|size| walk.next < size);
        (has_more && now_us >= walk.not_before_us).then_some(walk)
    }

    /// Says in their log that records expired; how many. None when the tenant's policies changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn state(&mut self, due: Due) -> Result<u64, CommitError> {
        let Due { way, walk, log, statements, records } = due;
        let stated = self.ledger.state_in(&log, EntryKind::Expiry, &statements).await;
        match stated {
            Ok(positions) if positions.len() == statements.len() => {
                self.walks.insert(way, walk);
                Ok(records)
            }
            Ok(_) => {
                self.walks.remove(&way);
                Ok(0)
            }
            Err(error) => {
                // What is stored is found out by the walk that begins anew.
                self.walks.remove(&way);
                self.ahead.retain(|ahead| *ahead != way);
                Err(error)
            }
        }
    }
}

/// See [`Ledger::due_of`].
struct DueOf {
    walk: Walk,
    statements: Vec<serde_json::Value>,
    records: u64,
    stopped: Stopped,
}

/// Why a walk stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    /// There is nothing behind it.
    End,
    /// What follows was received then, and is not due yet, µs since 1970.
    NotDue(i64),
    /// What follows is due, and not sealed yet.
    Unsealed,
    /// It has looked at enough.
    Full,
}

impl Ledger {
    /// What is due in a log from where a walk is.
    fn due_of(&self, log: &TenantLog, life: &Life, class: Option<u16>, walk: Walk) -> Result<DueOf, Damaged> {
        let now_us = self.shared.clock.now().as_micros();
        let mut found = DueOf { walk, statements: Vec::new(), records: 0, stopped: Stopped::End };
        let scope = FeedScope::Log(log.clone());
        let (Some(size), Some(cutoff)) =
            (self.feed_size(&scope), cutoff_ms(life, class.unwrap_or(0), now_us))
        else {
            return Ok(found);
        };
        let mut scan = Scan::by_number(&scope, &self.shared.everything, false, false, size);
        if let Some(before) = walk.next.checked_sub(1) {
            scan.after((0, before));
        }
        let mut looking = Looking {
            scan,
            readers: Readers::default(),
            class,
            cutoff_ms: cutoff,
            next: walk.next,
            looked_at: 0,
            found: BTreeMap::new(),
            stopped: None,
        };
        self.work(&mut looking, u64::MAX.into())?;
        let Looking { next, found: mut due, stopped, .. } = looking;
        found.stopped = stopped.unwrap_or(Stopped::End);
        let end = if stopped.is_none() { size } else { next };
        let held = self.held_of(log, life, walk.next..end)?;
        for positions in due.values_mut() {
            let before = positions.len();
            positions.retain(|position| held.binary_search(position).is_err());
            found.walk.held += (before - positions.len()) as u64;
            found.records += positions.len() as u64;
        }
        found.walk.next = end;
        found.walk.not_before_us = match found.stopped {
            // What comes later is received later.
            Stopped::End => next_due(life, class, now_us, now_us),
            Stopped::NotDue(received_at_us) => next_due(life, class, received_at_us, now_us),
            Stopped::Unsealed | Stopped::Full => i64::MIN,
        };
        for (class, positions) in &due {
            for runs in runs_of(positions) {
                found.statements.push(serde_json::json!({
                    "action": "annals.retention.expire", "operation": "delete", "category": "annals",
                    "actor": {"type": "system", "id": "annals"},
                    "metadata": {"class": class, "cutoff_ms": cutoff, "policy": walk.version, "runs": runs},
                }));
            }
        }
        if let Some(last) = found.statements.last_mut() {
            last["metadata"]["walked"] = end.into();
        }
        Ok(found)
    }

    /// Positions that holds keep, rising.
    fn held_of(
        &self,
        log: &TenantLog,
        life: &Life,
        range: std::ops::Range<u64>,
    ) -> Result<Vec<u64>, Damaged> {
        let mut held = Vec::new();
        for holding in life.holds() {
            held.extend(self.positions(log, &holding.matcher, range.clone())?);
        }
        held.sort_unstable();
        held.dedup();
        Ok(held)
    }
}

/// When a record received at a time may be due at the earliest, unless policies change. A period may become shorter without that.
fn next_due(life: &Life, class: Option<u16>, received_at_us: i64, now_us: i64) -> i64 {
    let Some(class) = class else { return i64::MIN };
    let hours = life.retention.hours_at(class, now_us).unwrap_or(0);
    let due = received_at_us.saturating_add(i64::from(hours) * HOUR_US);
    match life.retention.shortens_at(class, now_us) {
        Some(at) => due.min(at),
        None => due,
    }
}

/// Runs of positions, in pieces that have room in one statement each.
fn runs_of(positions: &[u64]) -> Vec<Vec<(u64, u64)>> {
    let mut pieces: Vec<Vec<(u64, u64)>> = Vec::new();
    let mut bytes = RUNS_BYTES_MAX;
    for &position in positions {
        if let Some((_, last)) = pieces.last_mut().and_then(|piece| piece.last_mut())
            && *last + 1 == position
        {
            *last = position;
            continue;
        }
        // Two numbers and what stands around them; the second is no further than one look goes.
        let width = 2 * digits(position.saturating_add(LOOKED_AT_ONCE as u64)) + 4;
        if bytes + width > RUNS_BYTES_MAX {
            pieces.push(Vec::new());
            bytes = 0;
        }
        bytes += width;
        pieces.last_mut().expect("there is one by now").push((position, position));
    }
    pieces
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |log| usize::try_from(log).unwrap_or(20) + 1)
}

/// Looking through a log for what is due.
struct Looking {
    scan: Scan,
    readers: Readers,
    class: Option<u16>,
    cutoff_ms: u64,
    /// After the last record that was looked at.
    next: u64,
    looked_at: usize,
    /// By class, rising.
    found: BTreeMap<u16, Vec<u64>>,
    stopped: Option<Stopped>,
}

impl Work for Looking {
    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        self.scan.fetch(state);
        Ok(self.stopped.is_none() && !self.scan.has_ended())
    }

    fn is_ahead(&self) -> bool {
        self.looked_at > 0
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        if self.stopped.is_some() {
            return Ok(None);
        }
        let passed = match self.scan.next()? {
            Next::Fetch => return Ok(None),
            Next::Looked(bytes) => return Ok(Some(bytes)),
            Next::Found(passed) => passed,
        };
        let keeping = passed.keeping(&mut self.readers)?;
        let is_due = is_before(keeping.received_at, self.cutoff_ms);
        let is_of = !keeping.stated && self.class.is_none_or(|class| class == keeping.class);
        self.stopped = match (is_due, keeping.sealed) {
            (false, _) => Some(Stopped::NotDue(keeping.received_at.as_micros())),
            (true, false) if is_of => Some(Stopped::Unsealed),
            _ if self.looked_at == LOOKED_AT_ONCE => Some(Stopped::Full),
            _ => None,
        };
        if self.stopped.is_some() {
            return Ok(None);
        }
        self.looked_at += 1;
        self.next = passed.number + 1;
        if is_of {
            self.found.entry(keeping.class).or_default().push(passed.number);
        }
        Ok(Some(64))
    }
}

/// Looking through a log for what a condition says.
struct Matching {
    scan: Scan,
    found: Vec<u64>,
}

impl Work for Matching {
    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        self.scan.fetch(state);
        Ok(!self.scan.has_ended())
    }

    fn is_ahead(&self) -> bool {
        true
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        match self.scan.next()? {
            Next::Fetch => Ok(None),
            Next::Looked(bytes) => Ok(Some(bytes)),
            Next::Found(passed) => {
                self.found.push(passed.number);
                Ok(Some(64))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_cut_into_pieces_that_have_room_and_hold_all_positions() {
        let positions: Vec<u64> = (0..20_000).filter(|n| n % 3 != 0).map(|n| n + 123_456_789).collect();
        let pieces = runs_of(&positions);
        assert!(pieces.len() > 1);
        for piece in &pieces {
            assert!(serde_json::to_string(piece).unwrap().len() <= RUNS_BYTES_MAX);
        }
        let back: Vec<u64> = pieces.iter().flatten().flat_map(|(first, last)| *first..=*last).collect();
        assert_eq!(back, positions);
        assert_eq!(runs_of(&[5, 6, 7]), [[(5, 7)]]);
        assert!(runs_of(&[]).is_empty());
    }
}
