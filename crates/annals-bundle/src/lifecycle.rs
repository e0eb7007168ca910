//! What the log's own entries say that excuses what is hidden.
//!
//! The bodies of entries of kinds 2 and 3, as `annals-tree::entry` carries them, are events of the ledger's own; what they state
//! stands in their `metadata`. Members that are not named here are kept by the log and not looked at.
//!
//! ```text
//! kind 2  "metadata":{"approvals":2,"approvals_required":2,"case":HEX,"erased":[{"runs":[[17,17],[40,52]],"units":[1,2]}],
//!          "reason":TEXT,"stage":"ordered"|"done"}
//! kind 3  "metadata":{"class":3,"cutoff_ms":1795303721456,"runs":[[0,9]]}
//! ```
//!
//! Runs are pairs of first and last position, rising, without overlap. Units are numbers, as a name could tell too much. An expiry
//! covers entries of its class received before its cutoff, and of no others.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use annals_tree::entry::{Entry, EntryKind};
use serde::{Deserialize, Serialize};

/// How far an erasure has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is decided; values are out of reach.
    Ordered,
    /// The values are gone.
    Done,
}

/// An entry of kind 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// How many approved.
    pub approvals: u32,
    /// How many must.
    pub approvals_required: u32,
    /// Names the case; random.
    pub case: String,
    /// What it covers.
    pub erased: Vec<Erased>,
    /// Why, without personal data.
    pub reason: String,
    /// How far it has come.
    pub stage: Stage,
}

/// Units of some records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// First and last positions.
    pub runs: Vec<(u64, u64)>,
    /// Numbers of the units, in each of these records.
    pub units: Vec<u32>,
}

/// An entry of kind 3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// Of which retention class.
    pub class: u16,
    /// Received before this, ms since 1970.
    pub cutoff_ms: u64,
    /// First and last positions.
    pub runs: Vec<(u64, u64)>,
}

impl Erasure {
    /// Whether as many approved as must.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.approvals >= self.approvals_required
    }

    fn covers(&self, position: u64, unit: u32) -> bool {
        self.erased.iter().any(|erased| is_in(&erased.runs, position) && erased.units.contains(&unit))
    }
}

impl Expiry {
    fn covers(&self, position: u64, class: u16, received_at_ms: u64) -> bool {
        self.class == class && received_at_ms < self.cutoff_ms && is_in(&self.runs, position)
    }
}

fn is_in(runs: &[(u64, u64)], position: u64) -> bool {
    let at = runs.partition_point(|(_, last)| *last < position);
    runs.get(at).is_some_and(|(first, _)| *first <= position)
}

/// What is looked at of a body.
#[derive(Deserialize)]
struct Body<T> {
    metadata: T,
}

/// Why an entry excuses nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The body is none of this kind.
    #[error("the entry at position {position}: {problem}")]
    Body {
        /// Where.
        position: u64,
        /// What is wrong, by the JSON reader.
        problem: String,
    },
    /// Runs overlap or do not rise.
    #[error("the entry at position {0}: its runs must rise without overlap")]
    Runs(u64),
    /// It is listed twice.
    #[error("the entry at position {0} is listed twice")]
    Twice(u64),
    /// It excuses what comes after it.
    #[error("the entry at position {0} speaks of positions after its own")]
    Ahead(u64),
}

/// The entries of a bundle's `lifecycle.ndjson`, to be confirmed by the walk.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    entries: BTreeMap<u64, Stated>,
}

/// One such entry.
#[derive(Clone, Debug)]
struct Stated {
    /// What it says.
    says: Says,
    /// Its bytes.
    entry: Vec<u8>,
    /// The walk met these very bytes at its position.
    confirmed: bool,
    /// Something was excused by it.
    used: bool,
}

#[derive(Clone, Debug)]
enum Says {
    Erasure(Erasure),
    Expiry(Expiry),
    /// Kinds 4 and 5 excuse nothing.
    Other,
}

impl Lifecycle {
    /// Takes an entry; events are none.
    ///
    /// # Errors
    ///
    /// The entry cannot be understood; whatever refers to it stays unexplained.
    pub fn add(&mut self, position: u64, bytes: &[u8], entry: &Entry) -> Result<(), LifecycleError> {
        let body = |problem: serde_json::Error| LifecycleError::Body {
            position,
            problem: alloc::string::ToString::to_string(&problem),
        };
        let says = match entry.kind {
            EntryKind::Event => return Ok(()),
            EntryKind::Erasure => {
                let Body::<Erasure> { metadata: erasure } =
                    serde_json::from_slice(&entry.body).map_err(body)?;
                for erased in &erasure.erased {
                    check_runs(&erased.runs, position)?;
                }
                Says::Erasure(erasure)
            }
            EntryKind::Expiry => {
                let Body::<Expiry> { metadata: expiry } =
                    serde_json::from_slice(&entry.body).map_err(body)?;
                check_runs(&expiry.runs, position)?;
                Says::Expiry(expiry)
            }
            EntryKind::Policy | EntryKind::Key | EntryKind::Head => Says::Other,
        };
        let stated = Stated { says, entry: bytes.to_vec(), confirmed: false, used: false };
        match self.entries.insert(position, stated) {
            None => Ok(()),
            Some(_) => Err(LifecycleError::Twice(position)),
        }
    }

    /// The walk met an entry of the log's own. False when another was listed for its position.
    pub(crate) fn meet(&mut self, position: u64, entry: &[u8]) -> bool {
        match self.entries.get_mut(&position) {
            Some(stated) => {
                stated.confirmed = stated.entry == entry;
                stated.confirmed
            }
            None => true,
        }
    }

    /// Whether the entry at `by` says that a unit was erased, with the approvals that it takes.
    pub(crate) fn erased(&mut self, by: u64, position: u64, unit: u32) -> Excuse {
        self.excuse(by, |says| match says {
            Says::Erasure(erasure) if !erasure.covers(position, unit) => Excuse::NotCovered,
            Says::Erasure(erasure) if !erasure.is_approved() => Excuse::Unapproved,
            Says::Erasure(_) => Excuse::Holds,
            _ => Excuse::OtherKind,
        })
    }

    /// Whether the entry at `by` says that an event expired.
    pub(crate) fn expired(&mut self, by: u64, position: u64, class: u16, received_at_ms: u64) -> Excuse {
        self.excuse(by, |says| match says {
            Says::Expiry(expiry) if expiry.covers(position, class, received_at_ms) => Excuse::Holds,
            Says::Expiry(_) => Excuse::NotCovered,
            _ => Excuse::OtherKind,
        })
    }

    fn excuse(&mut self, by: u64, judge: impl FnOnce(&Says) -> Excuse) -> Excuse {
        let Some(stated) = self.entries.get_mut(&by) else { return Excuse::Missing };
        let excuse = judge(&stated.says);
        stated.used |= excuse == Excuse::Holds;
        excuse
    }

    /// Positions of entries that excused something and were not met on the walk.
    pub(crate) fn unconfirmed(&self) -> impl Iterator<Item = u64> {
        self.entries.iter().filter(|(_, stated)| stated.used && !stated.confirmed).map(|(at, _)| *at)
    }

    /// What the entry at a position says about an erasure.
    #[must_use]
    pub fn erasure(&self, position: u64) -> Option<&Erasure> {
        match &self.entries.get(&position)?.says {
            Says::Erasure(erasure) => Some(erasure),
            _ => None,
        }
    }
}

/// What a reference to a lifecycle entry is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Excuse {
    Holds,
    /// No such entry is listed.
    Missing,
    /// It is of another kind.
    OtherKind,
    /// It speaks of other positions or units, or of another class or time.
    NotCovered,
    /// Fewer approved than must.
    Unapproved,
}

fn check_runs(runs: &[(u64, u64)], position: u64) -> Result<(), LifecycleError> {
    let rise =
        runs.iter().all(|(first, last)| first <= last) && runs.windows(2).all(|pair| pair[0].1 < pair[1].0);
    if !rise {
        return Err(LifecycleError::Runs(position));
    }
    match runs.last() {
        Some((_, last)) if *last >= position => Err(LifecycleError::Ahead(position)),
        _ => Ok(()),
    }
}
