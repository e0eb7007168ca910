//! The registry: a log that says what size and root every other log had, and when.
//!
//! It is the log of the tenant `_registry`, like any other but that all its records are statements of kind 6, which name no
//! customer and stand in clear in its entries. Whoever witnesses this one log witnesses all: a log that was shown to one
//! reader with another past has two heads in it, or one that is in it nowhere.
//!
//! ```text
//! {"action":"annals.registry.head",…,"metadata":{"origin_sha256":HEX,"previous":POSITION,"root":HEX,"size":N}}
//! {"action":"annals.registry.heartbeat",…}                          nothing changed for as long as heads are usually apart
//! {"action":"annals.registry.end",…}                                as the first, of a log whose tenant ended
//! ```
//!
//! `previous` is the position in the registry of the head before, so that whoever follows one log need not read all.

use std::fmt::Write as _;
use std::sync::Arc;

use annals_event::filter::{Matcher, parse};
use annals_event::{Position, TenantId};
use annals_tree::{EntryKind, Hash};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::batch::LogKind;
use crate::error::CommitError;
use crate::ledger::Ledger;
use crate::read::{FeedScope, TenantLog};
use crate::search::{Direction, Order, Search, SearchError, SortKey, Start};
use crate::signing::ProveError;

/// The most heads in one batch.
pub const HEADS_MAX: usize = 1_000;

/// Work for one look into the registry, µs.
const LOOK_US_MAX: u64 = 5_000_000;

/// The action of a record that says that a log ended.
const END: &str = "annals.registry.end";

/// A log, as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Which.
    pub log: TenantLog,
    /// First line of its checkpoints.
    pub origin: String,
    /// Records in it.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// A log, as the registry has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// Where in the registry.
    pub position: Position,
    /// Records the log had.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// The log of the registry.
#[must_use]
pub fn registry_log() -> TenantLog {
    TenantLog { tenant: TenantId::registry(), kind: LogKind::Tenant }
}

fn origin_sha256(origin: &str) -> String {
    Sha256::digest(origin.as_bytes()).iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

impl Ledger {
    /// Logs as they are now, from the `from`-th of all on, at most `count`; without the registry's own. None at the end.
    #[must_use]
    pub fn log_heads(&self, from: usize, count: usize) -> Option<Vec<LogHead>> {
        let state = self.state();
        let name = &state.genesis()?.name;
        let logs = state.logs().get(from..).filter(|logs| !logs.is_empty())?;
        let heads =
            logs.iter().take(count).filter(|log| log.tenant != TenantId::registry()).map(|log| LogHead {
                log: TenantLog { tenant: log.tenant.clone(), kind: log.kind },
                origin: log.origin(name),
                size: log.size(),
                root: log.tree.root(),
            });
        Some(heads.collect())
    }

    /// Puts heads into the registry, each with where its log's head before it stands. Gives their positions.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    ///
    /// # Panics
    ///
    /// With none, or more than [`HEADS_MAX`].
    pub async fn register(
        &self,
        heads: &[(&LogHead, Option<Position>)],
    ) -> Result<Vec<Position>, CommitError> {
        assert!((1..=HEADS_MAX).contains(&heads.len()), "a batch of heads is bounded");
        let heads: Vec<_> = heads
            .iter()
            .map(|(head, previous)| {
                let mut metadata = serde_json::json!({
                    "origin_sha256": origin_sha256(&head.origin), "size": head.size, "root": head.root.to_string(),
                });
                if let Some(previous) = previous {
                    metadata["previous"] = previous.0.into();
                }
                event("annals.registry.head", metadata)
            })
            .collect();
        self.state_in(&registry_log(), EntryKind::Head, &heads).await
    }

    /// Puts on record that nothing changed.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub async fn register_nothing(&self) -> Result<(), CommitError> {
        let heartbeat = event("annals.registry.heartbeat", serde_json::json!({}));
        self.state_in(&registry_log(), EntryKind::Head, &[heartbeat]).await.map(drop)
    }

    /// The newest head of a log in the registry of at most `size` records; none where there is none. `as_of` leaves out what came
    /// after the registry's first so many records.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub fn registered(
        &self,
        origin: &str,
        size: u64,
        as_of: Option<u64>,
    ) -> Result<Option<Registered>, SearchError> {
        let filter =
            format!("metadata.origin_sha256 eq \"{}\" and metadata.size le {size}", origin_sha256(origin));
        self.newest_registered(&filter, as_of)
    }

    fn newest_registered(&self, filter: &str, as_of: Option<u64>) -> Result<Option<Registered>, SearchError> {
        if !self.knows(&TenantId::registry()) {
            return Ok(None);
        }
        let condition = parse(filter).expect("names, digits and hex make a filter");
        let search = Search {
            scope: &FeedScope::Log(registry_log()),
            matcher: &Arc::new(Matcher::new(condition)),
            order: &Order::new(vec![(SortKey::Received, Direction::Falling)]),
            sent_only: false,
            size: as_of,
            start: &Start::First,
            limit: 1,
            count: false,
        };
        let page = self.search(&search, LOOK_US_MAX)?;
        Ok(page.records.first().and_then(|record| {
            let head: Event = serde_json::from_slice(&record.event).ok()?;
            let root = head.metadata.root.parse().ok()?;
            Some(Registered { position: record.position, size: head.metadata.size, root })
        }))
    }

    /// Where the registry says that a log ended.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub(crate) fn registered_end(&self, origin: &str) -> Result<Option<Registered>, SearchError> {
        let filter =
            format!("action eq \"{END}\" and metadata.origin_sha256 eq \"{}\"", origin_sha256(origin));
        self.newest_registered(&filter, None)
    }

    /// The entry of the registry at a position, whole.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub fn registry_entry(&self, position: Position) -> Result<Vec<u8>, ProveError> {
        let entry = self.entry(&registry_log(), position).map_err(Box::new)?;
        entry.map(|entry| entry.bytes).ok_or(ProveError::TenantMissing)
    }
}

/// That a log ended, with its head as of then.
pub(crate) fn end_event(origin: &str, size: u64, root: &Hash) -> serde_json::Value {
    let origin = origin_sha256(origin);
    event(END, serde_json::json!({"origin_sha256": origin, "size": size, "root": root.to_string()}))
}

#[derive(Deserialize)]
struct Event {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    root: String,
    size: u64,
}

fn event(action: &str, metadata: serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "action": action, "operation": "snapshot", "category": "annals",
        "actor": {"type": "system", "id": "annals"}, "metadata": metadata,
    })
}
