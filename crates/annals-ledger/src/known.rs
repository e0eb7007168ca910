//! Whether an event's id was stored before, and what is done where that cannot be read.
//!
//! Every id is looked up twice. The acceptor does it before the batch is written: an item whose id cannot be looked for is
//! refused then, so nothing of it is in the journal. For the others the batch says what was found, and up to which place of
//! the journal. Applying the batch looks again and goes by what it finds; for an id that was not there it looks only into what
//! may have come since: the tail, and rarely a segment that was sealed meanwhile. An audit looks into all. Where it finds damage,
//! now or at a later start, it goes by what the batch says, so that it comes to what it came to before:
//!
//! | the batch says | then |
//! |---|---|
//! | the id was there | nothing is stored, as nothing was |
//! | it was not there, and the segments hold no batch that the acceptor had not seen | it is not in the part that cannot be read |
//! | it was not there, but the segments hold a later batch; or nothing, as older programs did | not known: applying ends |
//!
//! An event of which something was erased, or that expired, is answered as a duplicate by the acceptor itself: nothing of it is in the
//! batch, or what went would stand in the journal again.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use annals_event::{Position, TenantId};
use annals_journal::Place;
use annals_segment::Damaged;
use annals_segment::segment::Found;
use annals_tree::Hash;
use bytes::Bytes;

use crate::batch::{Item, LogKind, Prior};
use crate::bits::Bits;
use crate::log::Log;
use crate::read::TenantLog;
use crate::sealed::{Part, Parts, entry_of};
use crate::signing::read;
use crate::state::{Refusal, State};

/// A record that has an id already.
pub(crate) struct Known {
    /// None when it cannot be read where it is.
    pub(crate) position: Option<Position>,
    /// Its leaf and its event, unless they cannot be read.
    pub(crate) record: Result<(Hash, Stored), Box<Damaged>>,
}

/// The event that has an id already.
pub(crate) enum Stored {
    /// As it was sent.
    Event(Bytes),
    /// Something of it was erased, or all of it expired. What brings it again is taken to be the same: nothing comes back.
    Removed,
}

impl Stored {
    /// Whether this is the same event.
    pub(crate) fn is(&self, event: &[u8]) -> bool {
        match self {
            Self::Event(stored) => stored == event,
            Self::Removed => true,
        }
    }
}

impl Known {
    /// Why an all-or-nothing batch with this item cannot be stored, if that is for this record.
    pub(crate) fn conflict(self, item: &Item, event: &[u8]) -> Result<Option<Refusal>, Damaged> {
        let differs = match (self.record, item.prior) {
            // When it was looked for, it was there whole and another one.
            (Ok((_, Stored::Removed)), Prior::Known) => true,
            (Ok((_, stored)), _) => !stored.is(event),
            (Err(_), Prior::Same) => false,
            (Err(_), Prior::Known) => true,
            // Whether the others are stored hangs on this one, so it must be read.
            (Err(damaged), Prior::None) => return Err(*damaged),
        };
        Ok(differs.then_some(match self.position {
            Some(position) => Refusal::Conflict { position },
            None => Refusal::Unreadable { position: None },
        }))
    }
}

impl State {
    /// The record that has this item's id already.
    pub(crate) fn known(
        &self,
        log: u32,
        item: &Item,
        id: &[u8],
        looked_to: Option<Place>,
    ) -> Result<Option<Known>, Damaged> {
        let was_looked_for = item.prior == Prior::None && !item.system && !self.passes_damage;
        let is_looked_through = |next: Place| was_looked_for && looked_to.is_some_and(|place| place >= next);
        let tails = if is_looked_through(self.tail.first_place) { 1 } else { 2 };
        if let Some((tail, position)) = Self::find_in(self.tails().take(tails), log, item.id_hash, id) {
            let row = tail.row(log, position).expect("the id index names records");
            let record = Ok((row.leaf(&tail.chunks), Stored::Event(row.event(&tail.chunks))));
            return Ok(Some(Known { position: Some(position), record }));
        }
        let log = &self.logs[log as usize];
        if is_looked_through(self.unsealed_from()) {
            debug_assert!(
                !self.is_in_parts(log, item.id_hash, id),
                "the acceptor has not found what is there"
            );
            return Ok(None);
        }
        let mut unread = None;
        for part in self.sealed.of(&log.parts).rev() {
            match known_in(part, &log.tenant, log.kind, item.id_hash, id) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(damaged) => unread = Some(damaged),
            }
        }
        let Some(damaged) = unread else { return Ok(None) };
        let is_seen = looked_to.is_some_and(|place| place >= self.unsealed_from());
        match item.prior {
            Prior::Known | Prior::Same => Ok(Some(Known { position: None, record: Err(Box::new(damaged)) })),
            Prior::None if is_seen || self.passes_damage => Ok(None),
            Prior::None => Err(damaged),
        }
    }

    /// Whether a segment has the id, as far as it can be read.
    fn is_in_parts(&self, log: &Log, id_hash: u64, id: &[u8]) -> bool {
        let mut parts = self.sealed.of(&log.parts);
        parts.any(|part| matches!(part.find_known(&log.tenant, log.kind, id_hash, id), Ok(Some(_))))
    }

    /// The first batch of which no segment has records.
    fn unsealed_from(&self) -> Place {
        self.sealing.as_ref().map_or(self.tail.first_place, |frozen| frozen.tail.first_place)
    }
}

/// The record of a segment that has this id.
fn known_in(
    part: &Part,
    tenant: &TenantId,
    kind: LogKind,
    id_hash: u64,
    id: &[u8],
) -> Result<Option<Known>, Damaged> {
    let Some(Found { row, .. }) = part.find_known(tenant, kind, id_hash, id)? else { return Ok(None) };
    let position = part.segment.position_of(&part.segment.log_of_row(row)?, row)?;
    let record = part.segment.record(row).and_then(|sealed| {
        let entry = entry_of(&sealed);
        let (_, leaf) =
            entry.ok_or_else(|| part.segment.malformed("a record is no event").of(tenant, position))?;
        let stored = if sealed.fate.is_some() { Stored::Removed } else { Stored::Event(sealed.event) };
        Ok((leaf, stored))
    });
    Ok(Some(Known { position: Some(position), record: record.map_err(Box::new) }))
}

/// An event whose id is looked up before it is written.
pub(crate) struct Asked<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) id_hash: u64,
    pub(crate) id: &'a [u8],
    /// Where it matters whether it is the same event.
    pub(crate) event: Option<&'a [u8]>,
}

/// What stands under an id before anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As the batch is to say it.
    Prior(Prior),
    /// An event of which something was erased, or that expired. What brings it again is not written: it would be in the journal.
    Removed { position: Position, leaf: Hash },
}

/// Ids that are looked up while the state is locked once: nobody who writes waits for long.
const IDS_AT_ONCE: usize = 256;

/// What stands under ids at the moment, and before which place of the journal. The state is locked only to look into the
/// tails; segments are read without.
pub(crate) fn look_up(
    state: &RwLock<State>,
    kind: LogKind,
    asked: &[Asked<'_>],
) -> (Place, Vec<Result<Standing, Damaged>>) {
    let mut seen_to = None;
    let mut found = Vec::with_capacity(asked.len());
    for asked in asked.chunks(IDS_AT_ONCE) {
        let mut logs = Logs::default();
        let state = read(state);
        // What is looked up later is looked for in more, which does no harm.
        seen_to.get_or_insert(state.next());
        let in_tails: Vec<Option<Prior>> =
            asked.iter().map(|asked| logs.in_tails(&state, kind, asked)).collect();
        let sealed = state.sealed.clone();
        drop(state);
        let both = asked.iter().zip(in_tails);
        found.extend(both.map(|(asked, prior)| match prior {
            Some(prior) => Ok(Standing::Prior(prior)),
            None => logs.in_parts(&sealed, kind, asked),
        }));
    }
    (seen_to.unwrap_or_else(|| read(state).next()), found)
}

/// The logs that are looked into: their indexes and the segments that they appear in; none of those that do not exist.
#[derive(Default)]
struct Logs<'a>(BTreeMap<&'a TenantId, Option<(u32, Bits)>>);

impl<'a> Logs<'a> {
    fn in_tails(&mut self, state: &State, kind: LogKind, asked: &Asked<'a>) -> Option<Prior> {
        let log = self.0.entry(asked.tenant).or_insert_with(|| {
            let index = state.log_index(&TenantLog { tenant: asked.tenant.clone(), kind })?;
            Some((index, state.logs()[index as usize].parts.clone()))
        });
        let (index, _) = log.as_ref()?;
        let (tail, position) = state.find_in_tails(*index, asked.id_hash, asked.id)?;
        let row = tail.row(*index, position).expect("the id index names records");
        Some(prior(asked, &Stored::Event(row.event(&tail.chunks))))
    }

    fn in_parts(&self, sealed: &Arc<Parts>, kind: LogKind, asked: &Asked<'_>) -> Result<Standing, Damaged> {
        let Some(Some((_, parts))) = self.0.get(asked.tenant) else {
            return Ok(Standing::Prior(Prior::None));
        };
        let mut unread = None;
        for part in sealed.of(parts).rev() {
            match known_in(part, asked.tenant, kind, asked.id_hash, asked.id) {
                Ok(None) => {}
                Ok(Some(Known { position: Some(position), record: Ok((leaf, Stored::Removed)) })) => {
                    return Ok(Standing::Removed { position, leaf });
                }
                Ok(Some(Known { record: Ok((_, stored)), .. })) => {
                    return Ok(Standing::Prior(prior(asked, &stored)));
                }
                // It is there, and that is enough unless the two have to be compared.
                Ok(Some(Known { record: Err(damaged), .. })) if asked.event.is_some() => {
                    return Err(*damaged);
                }
                Ok(Some(_)) => return Ok(Standing::Prior(Prior::Known)),
                Err(damaged) => unread = Some(damaged),
            }
        }
        unread.map_or(Ok(Standing::Prior(Prior::None)), Err)
    }
}

fn prior(asked: &Asked<'_>, stored: &Stored) -> Prior {
    if asked.event.is_some_and(|event| stored.is(event)) { Prior::Same } else { Prior::Known }
}
