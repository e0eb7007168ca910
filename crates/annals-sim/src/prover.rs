//! Somebody outside who keeps what was ever signed, and has it proven.

use std::collections::BTreeMap;

use annals_event::Position;
use annals_ledger::{Ledger, ProveError};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::VerifierKey;
use annals_tree::proof::{TlogProof, verify_consistency};
use annals_tree::{Frontier, Hash};

use crate::book::{Book, LogKey, tenant_log};
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, broken, ensure, is_ordered};
use crate::journal::Switch;

/// The outside memory.
#[derive(Default)]
pub(crate) struct Prover {
    /// What every log is called and verified with, as it was first told.
    logs: BTreeMap<LogKey, (String, VerifierKey)>,
    /// Every size and root that was ever signed or remembered as signed, by origin.
    signed: BTreeMap<String, BTreeMap<u64, Hash>>,
    /// Size and root that each log's signer remembered last.
    remembered: BTreeMap<String, (u64, Hash)>,
}

impl Prover {
    /// Asks for something and checks it. `signer` tells whether the signer's disk is well.
    pub(crate) fn step(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        dice: &mut Dice,
        signer: &Switch,
    ) -> Result<String, Broken> {
        let logs: Vec<LogKey> =
            book.logs().filter(|(_, book)| book.size() > 0).map(|(log, _)| log.clone()).collect();
        if logs.is_empty() {
            return Ok(String::new());
        }
        let log = dice.pick(&logs).clone();
        book.catch_up(ledger, &log)?;
        let done = match dice.below(3) {
            0 => self.receipt(ledger, book, dice, &log),
            1 => self.checkpoint(ledger, &log),
            _ => self.consistency(ledger, dice, &log),
        };
        match done {
            Err(Failed::Broken(broken)) => Err(broken),
            Err(Failed::Refused(reason)) if signer.troubles().failed && reason.contains("memory failed") => {
                Ok(format!("no proof: {reason}"))
            }
            Err(Failed::Unreadable(reason)) if is_ordered(&reason) => Ok(format!("no proof: {reason}")),
            Err(Failed::Unreadable(reason)) => broken(Invariant::SealedIsReadable, reason),
            Err(Failed::Refused(reason)) => {
                broken(Invariant::SignerNeverGoesBack, format!("{log:?}: {reason}"))
            }
            Ok(size) => Ok(format!("{log:?} proven at {size}")),
        }
    }

    fn checkpoint(&mut self, ledger: &Ledger, log: &LogKey) -> Result<u64, Failed> {
        let (size, note) = ledger.checkpoint(&tenant_log(log))?;
        self.open(ledger, log, &note)?;
        Ok(size)
    }

    fn receipt(
        &mut self,
        ledger: &Ledger,
        book: &Book,
        dice: &mut Dice,
        log: &LogKey,
    ) -> Result<u64, Failed> {
        let size = ledger.log_info(&tenant_log(log)).map_or(0, |info| info.size);
        let position = dice.below(size.max(1));
        let text = ledger.receipt(&tenant_log(log), Position(position), None)?;
        let bad = |detail: String| Broken {
            invariant: Invariant::ReceiptsVerify,
            detail: format!("{log:?} at {position}: {detail}"),
        };
        let proof = TlogProof::parse(&text).map_err(|error| bad(error.to_string()))?;
        let Some(leaf) = book.leaf(log, position) else {
            return Err(bad("the record was never seen".to_owned()).into());
        };
        let (origin, key) = self.known(ledger, log)?;
        proof.verify(&leaf, &key, &origin).map_err(|error| bad(error.to_string()))?;
        ensure(proof.index == position, Invariant::ReceiptsVerify, || {
            format!("{log:?} at {position}: index {}", proof.index)
        })?;
        self.open(ledger, log, &proof.checkpoint)?;
        Ok(size)
    }

    fn consistency(&mut self, ledger: &Ledger, dice: &mut Dice, log: &LogKey) -> Result<u64, Failed> {
        let to = self.checkpoint(ledger, log)?;
        let (origin, _) = self.known(ledger, log)?;
        let signed = &self.signed[&origin];
        let (from, from_root) =
            signed.iter().nth(dice.index(signed.len())).expect("one was signed a moment ago");
        let proof = ledger.consistency(&tenant_log(log), *from, to)?;
        verify_consistency(*from, from_root, to, &signed[&to], &proof).map_err(|error| Broken {
            invariant: Invariant::SignedIsAPrefix,
            detail: format!("{log:?} from {from} to {to}: {error}"),
        })?;
        Ok(to)
    }

    /// Verifies a checkpoint and keeps it.
    fn open(&mut self, ledger: &Ledger, log: &LogKey, note: &str) -> Result<(), Broken> {
        let (origin, key) = self.known(ledger, log)?;
        let checkpoint = Checkpoint::open(note, &key, &origin).map_err(|error| Broken {
            invariant: Invariant::ReceiptsVerify,
            detail: format!("{log:?}: {error}"),
        })?;
        self.keep(origin, checkpoint.size, checkpoint.root)
    }

    fn keep(&mut self, origin: String, size: u64, root: Hash) -> Result<(), Broken> {
        let kept = *self.signed.entry(origin.clone()).or_default().entry(size).or_insert(root);
        ensure(kept == root, Invariant::SignerNeverGoesBack, || {
            format!("{origin} at {size}: {kept}, and then {root}")
        })
    }

    /// The log's name and key, which never change.
    fn known(&mut self, ledger: &Ledger, log: &LogKey) -> Result<(String, VerifierKey), Broken> {
        let Some(info) = ledger.log_info(&tenant_log(log)) else {
            return broken(Invariant::HistoryNeverChanges, format!("{log:?} is gone"));
        };
        let told = (info.origin, info.public_key);
        let known = self.logs.entry(log.clone()).or_insert_with(|| told.clone());
        ensure(*known == told, Invariant::SignedIsAPrefix, || {
            format!("{log:?} was {known:?} and is {told:?}")
        })?;
        Ok(told)
    }

    /// Takes in what the signer wrote to its memory: n × (u16 length, origin | u64 size | 32 bytes of root).
    pub(crate) fn overhear(&mut self, batches: &[Vec<u8>]) -> Result<(), Broken> {
        for batch in batches {
            let mut rest = batch.as_slice();
            while let Some((origin, size, root)) = take_entry(&mut rest) {
                let (last, last_root) = self.remembered.get(&origin).copied().unwrap_or((0, root));
                let grows = size > last || (size == last && root == last_root);
                ensure(grows, Invariant::SignerNeverGoesBack, || {
                    format!("{origin}: {last}, and then {size}")
                })?;
                self.remembered.insert(origin.clone(), (size, root));
                self.keep(origin, size, root)?;
            }
            ensure(rest.is_empty(), Invariant::SignerNeverGoesBack, || {
                "the signer's memory has another form".to_owned()
            })?;
        }
        Ok(())
    }

    /// Whether everything that was ever signed is a prefix of what was read.
    pub(crate) fn audit(&mut self, ledger: &Ledger, book: &Book) -> Result<(), Broken> {
        for (log, lines) in book.logs() {
            let (origin, _) = self.known(ledger, log)?;
            let Some(signed) = self.signed.get(&origin) else { continue };
            let mut tree = Frontier::new();
            let mut roots = BTreeMap::from([(0, tree.root())]);
            for leaf in lines.leaves() {
                tree.push(leaf, &mut |_, _, _| ());
                if signed.contains_key(&tree.size()) {
                    roots.insert(tree.size(), tree.root());
                }
            }
            for (size, root) in signed {
                ensure(roots.get(size) == Some(root), Invariant::SignedIsAPrefix, || {
                    format!(
                        "{origin}: {size} was signed with {root}, and the records give {:?}",
                        roots.get(size)
                    )
                })?;
            }
        }
        Ok(())
    }
}

/// Why a proof was not had.
enum Failed {
    Refused(String),
    Unreadable(String),
    Broken(Broken),
}

impl From<Broken> for Failed {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<ProveError> for Failed {
    fn from(error: ProveError) -> Self {
        match error {
            ProveError::Refused(reason) => Self::Refused(reason),
            ProveError::Segment(damaged) => Self::Unreadable(damaged.to_string()),
            other => Self::Broken(Broken { invariant: Invariant::ReceiptsVerify, detail: other.to_string() }),
        }
    }
}

fn take_entry(rest: &mut &[u8]) -> Option<(String, u64, Hash)> {
    let (length, after) = rest.split_first_chunk()?;
    let (origin, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (size, after) = after.split_first_chunk()?;
    let (root, after) = after.split_first_chunk()?;
    *rest = after;
    Some((String::from_utf8(origin.to_vec()).ok()?, u64::from_be_bytes(*size), Hash(*root)))
}
