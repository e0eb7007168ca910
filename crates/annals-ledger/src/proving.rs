//! What the ledger proves about its logs, and states in them.

use annals_event::Position;
use annals_segment::Damaged;
use annals_tree::proof::TlogProof;
use annals_tree::tile::Tile;
use annals_tree::{EntryKind, Hash};
use tokio::sync::oneshot;

use crate::disclose::{self, Disclosed, Discloses};
use crate::error::CommitError;
use crate::ledger::{Ledger, LogInfo};
use crate::queue::{Submission, Whose};
use crate::read::{Entry, FeedScope, Located, TenantLog};
use crate::signing::{self, ProveError};
use crate::state::Outcome;

impl Ledger {
    /// The entry at a position.
    ///
    /// # Errors
    ///
    /// A segment cannot be read.
    pub fn entry(&self, log: &TenantLog, position: Position) -> Result<Option<Entry>, Damaged> {
        let located = self.state().locate(log, position)?;
        located.map(Located::entry).transpose()
    }

    /// What a log is called and how its checkpoints are verified.
    #[must_use]
    pub fn log_info(&self, log: &TenantLog) -> Option<LogInfo> {
        let state = self.state();
        let genesis = state.genesis()?;
        let log = state.log(log)?;
        let origin = log.origin(&genesis.name);
        let public_key = state.signing_key().expect("the ledger opened with its key");
        let public_key = public_key.with_name(&origin).expect("it signs this log");
        let log_id = log.name().to_string()[2..].to_owned();
        Some(LogInfo { origin, log_id, public_key, size: log.size() })
    }

    /// A checkpoint that covers everything acknowledged so far, and its size.
    ///
    /// # Errors
    ///
    /// [`ProveError`]. Blocks while the signer writes its memory.
    pub fn checkpoint(&self, log: &TenantLog) -> Result<(u64, String), ProveError> {
        if let Some(reason) = self.shared.health().apply.clone() {
            return Err(ProveError::Refused(reason));
        }
        let told = self.tell_who_signs(log);
        let checkpoint = told.and_then(|()| self.shared.signing.checkpoint(&self.shared.state, log));
        match &checkpoint {
            Err(ProveError::Refused(reason)) => self.shared.health().signer = Some(reason.clone()),
            Err(ProveError::Away(reason)) => self.shared.health().signer_away = Some(reason.clone()),
            _ => {}
        }
        checkpoint
    }

    /// Has a log say who signs it from now on, if it owes that, and waits until it stands there.
    fn tell_who_signs(&self, log: &TenantLog) -> Result<(), ProveError> {
        let owing = {
            let state = self.state();
            let index = state.log_index(log).ok_or(ProveError::TenantMissing)?;
            if !state.owes_key(index) {
                return Ok(());
            }
            index
        };
        let away = |reason: String| ProveError::Away(format!("the log cannot say who signs it: {reason}"));
        if !self.shared.sealing.runs.load(std::sync::atomic::Ordering::Acquire) {
            return Err(away("nothing is appended now".to_owned()));
        }
        let batches = self.shared.telling_batches(&[owing]).map_err(signing::not_signed)?;
        for batch in batches {
            let (reply, answer) = oneshot::channel();
            let submission = Submission { batch, marks: None, events: 0, whose: Whose::Sender(reply) };
            self.shared.queue.push(submission).map_err(|(_, error)| away(error.to_string()))?;
            // Somebody else may have been first; then this one was refused, and all is well.
            let answer = answer.blocking_recv().unwrap_or(Err(CommitError::Uncertain));
            answer.map_err(|error| away(error.to_string()))?;
        }
        Ok(())
    }

    /// The proof that a record is in its log, as a `.tlog-proof`: against a checkpoint over everything, or one of `size`
    /// records that was given before and is still kept.
    ///
    /// # Errors
    ///
    /// [`ProveError`]. Blocks while the signer writes its memory.
    pub fn receipt(
        &self,
        log: &TenantLog,
        position: Position,
        size: Option<u64>,
    ) -> Result<String, ProveError> {
        let newest = self.feed_size(&FeedScope::Log(log.clone())).ok_or(ProveError::TenantMissing)?;
        let (size, checkpoint) = match size {
            None => self.checkpoint(log)?,
            Some(asked) if asked > newest => {
                return Err(ProveError::Beyond { what: "size", asked, limit: newest });
            }
            Some(asked) => {
                let kept = self.shared.signing.checkpoint_at(&self.state(), log, asked);
                match kept {
                    Ok(kept) => (asked, kept),
                    // One of everything is made, unless a record has come in between.
                    Err(missing) if asked == newest => {
                        let (size, checkpoint) = self.checkpoint(log)?;
                        if size != asked {
                            return Err(missing);
                        }
                        (size, checkpoint)
                    }
                    Err(missing) => return Err(missing),
                }
            }
        };
        let (_, hashes) = signing::inclusion(&self.shared.state, log, position, size)?;
        Ok(TlogProof { index: position.0, hashes, extra: None, checkpoint }.to_text())
    }

    /// RFC 6962 inclusion proof of a position in the tree of `size` records.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub fn inclusion(&self, log: &TenantLog, position: Position, size: u64) -> Result<Vec<Hash>, ProveError> {
        Ok(self.inclusion_of(log, position, size)?.1)
    }

    /// As [`Self::inclusion`], with the hash of the entry that is proven.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub fn inclusion_of(
        &self,
        log: &TenantLog,
        position: Position,
        size: u64,
    ) -> Result<(Hash, Vec<Hash>), ProveError> {
        signing::inclusion(&self.shared.state, log, position, size)
    }

    /// RFC 6962 consistency proof between two sizes.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub fn consistency(&self, log: &TenantLog, from: u64, to: u64) -> Result<Vec<Hash>, ProveError> {
        signing::consistency(&self.shared.state, log, from, to)
    }

    /// The bytes of one tile or bundle of the log's published tree.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub fn tile(&self, log: &TenantLog, tile: &Tile) -> Result<Vec<u8>, ProveError> {
        signing::tile(&self.shared.state, log, tile)
    }

    /// Neighbouring records from a position on, with all that shows what they are: one at least, unless the log ends before,
    /// and at most `count`.
    ///
    /// # Errors
    ///
    /// [`ProveError`]; a record that is not what was appended is [`ProveError::Damaged`].
    pub fn disclose(
        &self,
        log: &TenantLog,
        from: Position,
        count: u64,
    ) -> Result<Vec<Disclosed>, ProveError> {
        let mut disclosed: Vec<Disclosed> = Vec::new();
        self.disclose_to(log, from, count, &mut disclosed)?;
        Ok(disclosed)
    }

    /// As [`Self::disclose`]: tells `to` each record, after its units, until it has seen enough.
    ///
    /// # Errors
    ///
    /// [`ProveError`], also when `to` saw some records.
    pub fn disclose_to(
        &self,
        log: &TenantLog,
        from: Position,
        count: u64,
        to: &mut dyn Discloses,
    ) -> Result<(), ProveError> {
        disclose::disclose(&self.shared.state, log, from, count, to)
    }

    /// The root of the complete subtree of a log over 2^`level` records from `index` * 2^`level`.
    ///
    /// # Errors
    ///
    /// [`ProveError`].
    pub fn subtree(&self, log: &TenantLog, level: u32, index: u64) -> Result<Hash, ProveError> {
        disclose::subtree(&self.shared.state, log, (level, index))
    }

    /// Appends statements of the ledger's own to a log: events of ours, whose bytes the log's entries carry in clear. There is
    /// nothing in them that could ever have to be erased. Gives their positions.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    ///
    /// # Panics
    ///
    /// When there are none, or one is longer than an entry's body may be.
    pub async fn state_in(
        &self,
        log: &TenantLog,
        kind: EntryKind,
        events: &[serde_json::Value],
    ) -> Result<Vec<Position>, CommitError> {
        let batch = self.shared.statement_batch(log, kind, events);
        let outcomes = self.shared.submit(batch, 0).await?;
        Ok(outcomes
            .into_iter()
            .filter_map(|outcome| match outcome {
                Outcome::Created { position, .. } | Outcome::Duplicate { position, .. } => Some(position),
                Outcome::Refused(_) => None,
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use annals_event::{TenantId, Timestamp};
    use annals_journal::MemoryJournal;
    use annals_journal::sim::SimDisk;
    use annals_tree::note::SigningKey;
    use annals_tree::succession::Succession;

    use super::*;
    use crate::signing::{JournalMemory, KeyedSigner};
    use crate::{Clock, Core, LogKind, Options, SeededEntropy, Store, TailLimits, Unobserved};

    struct StillClock;

    impl Clock for StillClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_micros(1_795_000_000_000_000).unwrap()
        }

        fn monotonic_us(&self) -> u64 {
            0
        }
    }

    #[test]
    fn nothing_of_a_log_that_owes_an_entry_is_signed_whoever_asks() {
        let key = |seed: u8| SigningKey::from_seed("log.example", &[seed; 32]).unwrap();
        let way = Succession::sign(&key(1), &key(2)).unwrap();
        let (journal, memory, segments) = (MemoryJournal::new(), MemoryJournal::new(), SimDisk::new(1));
        let open = |seed: u8, successions: Vec<Succession>| {
            let core = Core {
                journal: Box::new(journal.clone()),
                segments: Store::new(Arc::new(segments.clone()), 1 << 20),
                clock: Arc::new(StillClock),
                entropy: Arc::new(SeededEntropy::new(u64::from(seed))),
                observer: Arc::new(Unobserved),
            };
            let memory = JournalMemory::open(Box::new(memory.clone())).unwrap();
            let signer = KeyedSigner::new(key(seed), memory, successions).unwrap();
            let options = Options {
                name: Some("log.example".to_owned()),
                event_bytes_max: 256 * 1024,
                tail: TailLimits::default(),
                version: "test".to_owned(),
            };
            Ledger::open_with_signer_stepped(core, Box::new(signer), &options).unwrap().0.ledger
        };
        let log = TenantLog { tenant: TenantId::annals(), kind: LogKind::Access };
        let sign = |ledger: &Ledger| ledger.shared.signing.checkpoint(&ledger.shared.state, &log);
        assert_eq!(sign(&open(1, Vec::new())).unwrap().0, 0);
        let refused = sign(&open(2, vec![way])).unwrap_err();
        assert!(matches!(&refused, ProveError::Away(why) if why.contains("who signs it")), "{refused}");
    }
}
