//! Keeps the registry of all logs up to date: heads of those that changed, and heartbeats when none did.

use std::collections::BTreeMap;
use std::time::Duration;

use annals_event::{Position, TenantId};
use annals_ledger::{HEADS_MAX, Ledger, LogHead, LogKind};

use crate::app::blocking;

/// Between two rounds, unless said otherwise.
pub const REGISTER_EVERY: Duration = Duration::from_secs(60 * 60);

/// Logs looked at while the ledger's state is locked once.
const LOOKED_AT_ONCE: usize = 1_024;

/// Before the first round: a server that is started to look at something need not write.
const FIRST: Duration = Duration::from_secs(60);

/// Before a round that failed is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// Puts heads into the registry, round after round.
pub(crate) struct Registrar {
    ledger: Ledger,
    every: Duration,
    /// Where each log's newest head is, and its size; of logs that were not looked up since the start nothing is known.
    known: BTreeMap<(TenantId, LogKind), (Position, u64)>,
}

impl Registrar {
    pub(crate) fn new(ledger: Ledger, every: Duration) -> Self {
        Self { ledger, every, known: BTreeMap::new() }
    }

    /// Goes on for ever. The first round comes soon: what was appended before the last stop may not be registered yet.
    pub(crate) async fn run(mut self) {
        tokio::time::sleep(self.every.min(FIRST)).await;
        loop {
            let pause = match self.round().await {
                Ok(_) => self.every,
                Err(error) => {
                    tracing::warn!(error, "the registry could not be written");
                    AGAIN.min(self.every)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    /// Registers every log that changed since its newest head; how many.
    pub(crate) async fn round(&mut self) -> Result<usize, String> {
        let (mut from, mut registered) = (0, 0);
        loop {
            let ledger = self.ledger.clone();
            let heads = blocking(move || ledger.log_heads(from, LOOKED_AT_ONCE)).await;
            let Some(heads) = heads else { break };
            from += LOOKED_AT_ONCE;
            let mut changed = Vec::new();
            for head in heads.into_iter().filter(|head| head.size > 0) {
                let known = self.known(&head).await?;
                if known.is_none_or(|(_, size)| size < head.size) {
                    changed.push((head, known.map(|(position, _)| position)));
                }
            }
            for heads in changed.chunks(HEADS_MAX) {
                let asked: Vec<_> = heads.iter().map(|(head, previous)| (head, *previous)).collect();
                let positions = self.ledger.register(&asked).await.map_err(|error| error.to_string())?;
                for ((head, _), position) in heads.iter().zip(positions) {
                    let log = (head.log.tenant.clone(), head.log.kind);
                    self.known.insert(log, (position, head.size));
                }
                registered += heads.len();
            }
        }
        if registered == 0 {
            self.ledger.register_nothing().await.map_err(|error| error.to_string())?;
        }
        Ok(registered)
    }

    /// Where a log's newest head is, and its size.
    async fn known(&mut self, head: &LogHead) -> Result<Option<(Position, u64)>, String> {
        let log = (head.log.tenant.clone(), head.log.kind);
        if let Some(known) = self.known.get(&log) {
            return Ok(Some(*known));
        }
        let (ledger, origin) = (self.ledger.clone(), head.origin.clone());
        let found = blocking(move || ledger.registered(&origin, u64::MAX)).await;
        let found = found.map_err(|error| error.to_string())?.map(|head| (head.position, head.size));
        if let Some(found) = found {
            self.known.insert(log, found);
        }
        Ok(found)
    }
}
