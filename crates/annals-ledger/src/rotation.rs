//! The keys that sign for a ledger: each follows the one before, and every log that the one before could sign says so.
//!
//! A log says it in an entry of kind 5, whose body is
//!
//! ```text
//! {"action":"annals.signing_key.rotate",…,"metadata":{"from":SIZE,"new":VKEY,"old":VKEY,"succession":NOTE}}
//! ```
//!
//! `succession` is the note that both keys signed; `from` is the first size that the new key signs: the old one signed no checkpoint
//! and no head of so many records. In the log of `_annals` the entry is the rotation itself: storing it makes the new key the one in
//! force. The other logs that are there at that time *owe* the entry. It is appended before the new key signs anything of them,
//! when they next change or somebody asks for a checkpoint: a log that nobody touches costs nothing.
//!
//! A crash after the rotation leaves logs that owe it, which the state knows by the bits below; one before leaves the old key in
//! force, and the next start rotates, as the signer has a key that follows it.

use annals_tree::EntryKind;
use annals_tree::note::VerifierKey;
use annals_tree::succession::Succession;
use serde::{Deserialize, Serialize};

use crate::batch::Genesis;
use crate::ledger::Ledger;
use crate::read::{FeedScope, TenantLog};
use crate::search::{Direction, Order, Search, SearchError, SortKey, Start};

/// The action of such entries; clients cannot send it.
pub(crate) const ACTION: &str = "annals.signing_key.rotate";

/// Most entries that are looked at for the keys of one log.
const ENTRIES_MAX: usize = 1_000;

/// Work for one look for them, µs.
const LOOK_US_MAX: u64 = 5_000_000;

/// A set of logs, by their indexes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LogSet(Vec<u64>);

impl LogSet {
    fn insert(&mut self, log: u32) {
        let word = log as usize / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (log % 64);
    }

    fn remove(&mut self, log: u32) {
        if let Some(word) = self.0.get_mut(log as usize / 64) {
            *word &= !(1 << (log % 64));
        }
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn contains(&self, log: u32) -> bool {
        self.0.get(log as usize / 64).is_some_and(|word| word >> (log % 64) & 1 == 1)
    }

    /// 16 hex digits for each 64 logs.
    fn to_text(&self) -> String {
        self.0.iter().map(|word| format!("{word:016x}")).collect()
    }

    fn from_text(text: &str) -> Option<Self> {
        let words = text.as_bytes().chunks(16).map(|digits| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.len() == 16)?;
            u64::from_str_radix(digits, 16).ok()
        });
        words.collect::<Option<_>>().map(Self)
    }
}

/// One change of keys, and which logs do not say so yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
struct Rotation {
    succession: Succession,
    owing: LogSet,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    succession: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    owing: String,
}

impl TryFrom<Stored> for Rotation {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let succession = Succession::open(&stored.succession).map_err(|error| error.to_string())?;
        let owing = LogSet::from_text(&stored.owing).ok_or("a set of logs must be hex digits")?;
        Ok(Self { succession, owing })
    }
}

impl From<Rotation> for Stored {
    fn from(rotation: Rotation) -> Self {
        Self { succession: rotation.succession.note().to_owned(), owing: rotation.owing.to_text() }
    }
}

/// What an entry of kind 5 came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The log owed it, and does not any more.
    Paid,
    /// The log says so already, or owes another one first.
    NotOwed,
    /// It speaks of no rotation that was.
    Unknown,
}

/// All changes of the signing key, a fold over entries of kind 5.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rotations {
    all: Vec<Rotation>,
}

impl Rotations {
    /// Whether there was none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Who followed whom, in order.
    pub fn successions(&self) -> impl Iterator<Item = &Succession> {
        self.all.iter().map(|rotation| &rotation.succession)
    }

    /// The key in force, named after the ledger.
    pub(crate) fn current(&self, genesis: &Genesis) -> Option<VerifierKey> {
        match self.all.last() {
            Some(rotation) => Some(rotation.succession.new_key().clone()),
            None => genesis.verifier_key(),
        }
    }

    /// The key that signed a log last, or may sign it first: that in force, unless the log owes an entry.
    pub(crate) fn key_of(&self, log: u32, genesis: &Genesis) -> Option<VerifierKey> {
        match self.owed(log).next() {
            Some(succession) => Some(succession.old().clone()),
            None => self.current(genesis),
        }
    }

    /// What a log owes, in order.
    pub(crate) fn owed(&self, log: u32) -> impl Iterator<Item = &Succession> {
        self.all
            .iter()
            .filter(move |rotation| rotation.owing.contains(log))
            .map(|rotation| &rotation.succession)
    }

    /// Whether a log has to say something before the key in force may sign it.
    pub(crate) fn owes(&self, log: u32) -> bool {
        self.owed(log).next().is_some()
    }

    /// A key follows the one in force. False when it follows another.
    pub(crate) fn rotate(
        &mut self,
        succession: Succession,
        genesis: &Genesis,
        owing: impl Iterator<Item = u32>,
    ) -> bool {
        if self.current(genesis).as_ref() != Some(succession.old()) {
            return false;
        }
        let mut logs = LogSet::default();
        owing.for_each(|log| logs.insert(log));
        self.all.push(Rotation { succession, owing: logs });
        true
    }

    /// A log says that a key followed another.
    pub(crate) fn tell(&mut self, log: u32, succession: &Succession) -> Told {
        let is_it = |rotation: &Rotation| {
            (rotation.succession.old(), rotation.succession.new_key())
                == (succession.old(), succession.new_key())
        };
        let is_known = self.all.iter().any(is_it);
        match self.all.iter_mut().find(|rotation| rotation.owing.contains(log)) {
            Some(first) if is_it(first) => {
                first.owing.remove(log);
                Told::Paid
            }
            _ if is_known => Told::NotOwed,
            _ => Told::Unknown,
        }
    }
}

#[derive(Deserialize)]
struct Event {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    from: u64,
    succession: String,
}

/// The event that says so in a log of which the old key signed no more than `signed` records.
pub(crate) fn event(succession: &Succession, signed: u64) -> serde_json::Value {
    serde_json::json!({
        "action": ACTION, "operation": "update", "category": "annals",
        "actor": {"type": "system", "id": "annals"},
        "metadata": {
            "from": signed + 1,
            "old": succession.old().to_string(), "new": succession.new_key().to_string(),
            "succession": succession.note(),
        },
    })
}

/// What such an event says: the first size of the new key, and that it follows the old one. None when it is another event, or the
/// keys did not sign it.
pub(crate) fn read(event: &[u8]) -> Option<(u64, Succession)> {
    let Event { metadata } = serde_json::from_slice(event).ok()?;
    Some((metadata.from, Succession::open(&metadata.succession).ok()?))
}

/// A key that signs or signed a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogKey {
    /// Named by the log's origin.
    pub key: VerifierKey,
    /// First size that it signs.
    pub from: u64,
    /// First size that it does not sign any more; none while it does.
    pub until: Option<u64>,
}

impl Ledger {
    /// The key in force, named after the ledger.
    ///
    /// # Panics
    ///
    /// Never: a ledger opens with its key.
    #[must_use]
    pub fn signing_key(&self) -> VerifierKey {
        self.state().signing_key().expect("the ledger opened with its key")
    }

    /// The keys of a log, the first one first; none when the tenant does not exist. A log that owes an entry has its newest key only
    /// once that stands in it: ask for a checkpoint before.
    ///
    /// # Errors
    ///
    /// [`SearchError`]; `Busy` when not all of them were found in time.
    ///
    /// # Panics
    ///
    /// Never: the ledger's keys are keys under the names of its logs, too.
    pub fn log_keys(&self, log: &TenantLog) -> Result<Option<Vec<LogKey>>, SearchError> {
        let (origin, key, has_rotated) = {
            let state = self.state();
            let (Some(index), Some(genesis)) = (state.log_index(log), state.genesis()) else {
                return Ok(None);
            };
            let keys = state.keys.read().expect("no holder of this lock panics");
            let origin = state.logs()[index as usize].origin(&genesis.name);
            (origin, keys.rotations.key_of(index, genesis), !keys.rotations.is_empty())
        };
        let named = |key: &VerifierKey| key.with_name(&origin).expect("it signs this log");
        let mut told = if has_rotated { self.told_in(log)? } else { Vec::new() };
        told.sort_by_key(|(position, ..)| *position);
        let mut keys: Vec<LogKey> = Vec::new();
        for (_, from, succession) in told {
            match keys.last_mut() {
                Some(last) => last.until = Some(from),
                None => {
                    keys.push(LogKey { key: named(succession.old()), from: 0, until: Some(from) });
                }
            }
            keys.push(LogKey { key: named(succession.new_key()), from, until: None });
        }
        if keys.is_empty() {
            let key = key.expect("the ledger opened with its key");
            keys.push(LogKey { key: named(&key), from: 0, until: None });
        }
        Ok(Some(keys))
    }

    /// Entries of kind 5 in a log: position, first size of the new key, who follows whom.
    fn told_in(&self, log: &TenantLog) -> Result<Vec<(u64, u64, Succession)>, SearchError> {
        let filter = annals_event::filter::parse(&format!("action eq \"{ACTION}\""));
        let matcher = annals_event::filter::Matcher::new(filter.expect("this is a filter"));
        let search = Search {
            scope: &FeedScope::Log(log.clone()),
            matcher: &std::sync::Arc::new(matcher),
            order: &Order::new(vec![(SortKey::Received, Direction::Falling)]),
            sent_only: false,
            size: None,
            start: &Start::First,
            limit: ENTRIES_MAX,
            count: false,
        };
        let page = self.search(&search, LOOK_US_MAX)?;
        if page.partial {
            // Without the first ones a log would seem to begin with a later key.
            return Err(SearchError::Busy);
        }
        let told = page.records.iter().filter(|record| record.stated == Some(EntryKind::Key));
        Ok(told
            .filter_map(|record| {
                let (from, succession) = read(&record.event)?;
                Some((record.position.0, from, succession))
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use annals_tree::note::SigningKey;

    use super::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_seed("log.example", &[seed; 32]).unwrap()
    }

    fn genesis() -> Genesis {
        Genesis {
            ledger_id: [1; 16],
            id_key: [2; 16],
            public_key: *key(1).verifier_key().public_key(),
            created_at: annals_event::Timestamp::from_micros(0).unwrap(),
            name: "log.example".to_owned(),
            control_logs: ([3; 16], [4; 16]),
        }
    }

    #[test]
    fn each_log_pays_what_it_owes_once_and_in_order() {
        let genesis = genesis();
        let mut rotations = Rotations::default();
        let [first, second] =
            [(1, 2), (2, 3)].map(|(old, new)| Succession::sign(&key(old), &key(new)).unwrap());
        assert!(!rotations.rotate(second.clone(), &genesis, [].into_iter()), "its old key is not in force");
        assert!(rotations.rotate(first.clone(), &genesis, [1, 70, 200_001].into_iter()));
        assert!(rotations.rotate(second.clone(), &genesis, [1, 5].into_iter()));
        let stored = serde_json::to_string(&rotations).unwrap();
        assert_eq!(serde_json::from_str::<Rotations>(&stored).unwrap(), rotations);

        assert_eq!(rotations.current(&genesis).unwrap(), key(3).verifier_key());
        let of = |rotations: &Rotations, log| rotations.key_of(log, &genesis).unwrap();
        assert_eq!(of(&rotations, 70), key(1).verifier_key());
        assert_eq!(of(&rotations, 5), key(2).verifier_key());
        assert_eq!(of(&rotations, 4), key(3).verifier_key());
        assert_eq!(rotations.tell(1, &second), Told::NotOwed, "the first comes first");
        assert_eq!(rotations.tell(1, &first), Told::Paid);
        assert_eq!(rotations.tell(1, &first), Told::NotOwed);
        assert_eq!(rotations.tell(1, &second), Told::Paid);
        assert!(!rotations.owes(1) && rotations.owes(70) && rotations.owes(200_001));
        let stranger = Succession::sign(&key(3), &key(4)).unwrap();
        assert_eq!(rotations.tell(70, &stranger), Told::Unknown);
    }
}
