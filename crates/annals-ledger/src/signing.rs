//! Heads, checkpoints and proofs: what is signed about the logs, and what shows that it holds.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, RwLock, RwLockReadGuard};

use annals_event::Position;
use annals_journal::{Journal, Place};
use annals_segment::Damaged;
use annals_tree::Hash;
use annals_tree::head::{HEAD_LOGS_MAX, Head, HeadLog};
use annals_tree::nodes::{self, TreeError};
use annals_tree::note::{KeyError, SigningKey, VerifierKey};
use annals_tree::origin::LogName;
use annals_tree::proof::verify_inclusion;
use annals_tree::signer::{Refusal, Signer, SignerMemory, TreeHead};
use annals_tree::succession::{self, Succession};
use annals_tree::tile::{Tile, TileKind, encode_bundle, hash_tile};

use crate::disclose;
use crate::error::{ErrorKind, OpenError};
use crate::log::Log;
use crate::nodes::{Access, LogNodes, NodeError};
use crate::read::TenantLog;
use crate::rotation;
use crate::state::State;

/// Checkpoints kept at hand, over all logs: an earlier size can be asked for again while it is among them.
const CHECKPOINTS_KEPT: usize = 1024;

/// Logs under one head: a batch of some 60 KB, and a short time under the state's lock.
const HEAD_LOGS: usize = 1024;
const _: () = assert!(HEAD_LOGS <= HEAD_LOGS_MAX);

/// Batches of the signer's memory after which it is written anew.
const MEMORY_BATCHES_MAX: u64 = 20_000;

/// Batches after which writing it anew is tried again, where that failed.
const COMPACT_EACH: u64 = 1_000;

/// Why a checkpoint or proof is not given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProveError {
    /// The tenant does not exist.
    #[error("the tenant does not exist")]
    TenantMissing,
    /// More than the log has, or out of order.
    #[error("{what} {asked} is beyond {limit}")]
    Beyond {
        /// What was asked for.
        what: &'static str,
        /// The number asked for.
        asked: u64,
        /// The largest possible one.
        limit: u64,
    },
    /// No checkpoint of that size is at hand.
    #[error(
        "no checkpoint of size {size} is kept; ask for `/v1/proofs/inclusion` at that size, or leave `size` out"
    )]
    CheckpointMissing {
        /// The size asked for.
        size: u64,
    },
    /// A stored record is not what was appended.
    #[error("log {origin}: the stored records do not match the tree{}", .position.map_or_else(String::new, |at| format!(" at position {at}")))]
    Damaged {
        /// The log.
        origin: String,
        /// Where, if it is known.
        position: Option<u64>,
    },
    /// A segment cannot be read.
    #[error(transparent)]
    Segment(#[from] Box<Damaged>),
    /// The signer does not sign this.
    #[error("{0}")]
    Refused(String),
    /// The signer is elsewhere and does not answer.
    #[error("{0}")]
    Away(String),
}

impl ProveError {
    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TenantMissing | Self::CheckpointMissing { .. } => ErrorKind::Missing,
            Self::Beyond { .. } => ErrorKind::Invalid,
            Self::Damaged { .. } | Self::Segment(_) => ErrorKind::Damaged,
            Self::Refused(_) | Self::Away(_) => ErrorKind::Unavailable,
        }
    }
}

/// What the signer signed last, in a journal of its own.
///
/// A batch is n × (u16 length, origin | u64 size | 32B root), big-endian; a later entry replaces an earlier one of the same
/// origin. After `MEMORY_BATCHES_MAX` batches everything is appended anew, in batches of `HEAD_LOGS`, and the rest trimmed.
pub struct JournalMemory {
    journal: Box<dyn Journal>,
    heads: BTreeMap<String, TreeHead>,
}

impl JournalMemory {
    /// Reads the memory.
    ///
    /// # Errors
    ///
    /// The journal cannot be read, or holds something else; what was signed is then not known, and nothing may be signed.
    pub fn open(journal: Box<dyn Journal>) -> Result<Self, String> {
        let mut heads = BTreeMap::new();
        for batch in journal.read(journal.first()).map_err(|error| error.to_string())? {
            let (place, bytes) = batch.map_err(|error| error.to_string())?;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (origin, head) =
                    take_entry(&mut rest).ok_or_else(|| format!("batch {place} is malformed"))?;
                heads.insert(origin, head);
            }
        }
        Ok(Self { journal, heads })
    }

    /// Writes everything anew once there is much that later batches replaced.
    fn compact(&mut self) {
        let batches = self.journal.next().0 - self.journal.first().0;
        let wanted = batches > MEMORY_BATCHES_MAX + (self.heads.len() / HEAD_LOGS) as u64;
        if !wanted || !batches.is_multiple_of(COMPACT_EACH) {
            return;
        }
        if let Err(error) = self.rewrite() {
            // What is remembered is there all the same, only longer; a full disk comes to mind.
            tracing::warn!(error, "the signer's memory could not be written anew");
        }
    }

    fn rewrite(&mut self) -> Result<(), String> {
        let all: Vec<_> = self.heads.iter().map(|(origin, head)| (origin.clone(), *head)).collect();
        let first = self.journal.next();
        for part in all.chunks(HEAD_LOGS) {
            self.append(part)?;
        }
        // A crash here leaves both the old batches and the new ones, which say the same.
        self.journal.trim(first).map_err(|error| error.to_string())
    }

    fn append(&mut self, entries: &[(String, TreeHead)]) -> Result<Place, String> {
        let batch = encode_entries(entries);
        if batch.is_empty() {
            return Ok(self.journal.next());
        }
        let next = self.journal.next();
        self.journal.append(next, &[&batch]).map_err(|error| error.to_string())
    }

    /// All that is remembered, as batches of a memory that holds nothing else.
    #[must_use]
    pub fn to_batches(&self) -> Vec<Vec<u8>> {
        let all: Vec<_> = self.heads.iter().map(|(origin, head)| (origin.clone(), *head)).collect();
        all.chunks(HEAD_LOGS).map(encode_entries).collect()
    }

    /// How many logs are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether nothing was ever signed, as far as is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// All that was signed last.
    pub fn iter(&self) -> impl Iterator<Item = (&str, TreeHead)> {
        self.heads.iter().map(|(origin, head)| (origin.as_str(), *head))
    }
}

/// Why something was not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The signer is elsewhere and does not answer; later it may.
    #[error("{0}")]
    Away(String),
    /// It refuses, or cannot.
    #[error("{0}")]
    Refused(String),
}

/// Whoever has the ledger's key and remembers what was signed with it: here, or in a process of its own.
///
/// All of it may block for as long as a disk or a network takes; nothing else waits meanwhile but who wants something signed.
pub trait SigningService: Send {
    /// What the ledger's heads verify with. It has the ledger's name.
    fn verifier_key(&self) -> VerifierKey;

    /// How this key came to follow those before it, as far as is known where it lies.
    fn successions(&self) -> Vec<Succession> {
        Vec::new()
    }

    /// The ledger's key is a later one than this signer had when it was last heard of. Whether it can be waited for.
    fn expect(&mut self, _key: &VerifierKey) -> bool {
        false
    }

    /// What was signed last, by origin, as far as is known here.
    fn signed(&self) -> &BTreeMap<String, TreeHead>;

    /// Makes [`SigningService::signed`] what the signer itself remembers.
    ///
    /// # Errors
    ///
    /// [`SignError`]; nothing can be signed now.
    fn prepare(&mut self) -> Result<(), SignError>;

    /// The signed checkpoint of log `origin`; `proof` shows that it extends what was signed of it last.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    fn checkpoint(&mut self, origin: &str, head: TreeHead, proof: &[Hash]) -> Result<String, SignError>;

    /// The signed head, encoded, with one proof for each of its logs.
    ///
    /// # Errors
    ///
    /// [`SignError`].
    fn head(&mut self, head: &Head, proofs: &[Vec<Hash>]) -> Result<Vec<u8>, SignError>;
}

impl SigningService for Signer<JournalMemory> {
    fn verifier_key(&self) -> VerifierKey {
        Self::verifier_key(self)
    }

    fn signed(&self) -> &BTreeMap<String, TreeHead> {
        &self.memory().heads
    }

    fn prepare(&mut self) -> Result<(), SignError> {
        Ok(())
    }

    fn checkpoint(&mut self, origin: &str, head: TreeHead, proof: &[Hash]) -> Result<String, SignError> {
        self.sign_checkpoint(origin, head.size, &head.root, proof)
            .map_err(|refusal| SignError::Refused(told(&refusal)))
    }

    fn head(&mut self, head: &Head, proofs: &[Vec<Hash>]) -> Result<Vec<u8>, SignError> {
        let signed = self.sign_head(head, proofs).map_err(|refusal| SignError::Refused(told(&refusal)))?;
        signed.encode().map_err(|error| SignError::Refused(error.to_string()))
    }
}

/// A signer whose key lies here, and how that key came to follow others.
pub struct KeyedSigner {
    signer: Signer<JournalMemory>,
    successions: Vec<Succession>,
}

impl KeyedSigner {
    /// A signer with a key of the ledger that the key is named after.
    ///
    /// # Errors
    ///
    /// The key's name is none of a ledger.
    pub fn new(
        key: SigningKey,
        memory: JournalMemory,
        successions: Vec<Succession>,
    ) -> Result<Self, KeyError> {
        Ok(Self { signer: Signer::new(key, memory)?, successions })
    }
}

impl SigningService for KeyedSigner {
    fn verifier_key(&self) -> VerifierKey {
        self.signer.verifier_key()
    }

    fn successions(&self) -> Vec<Succession> {
        self.successions.clone()
    }

    fn signed(&self) -> &BTreeMap<String, TreeHead> {
        self.signer.signed()
    }

    fn prepare(&mut self) -> Result<(), SignError> {
        self.signer.prepare()
    }

    fn checkpoint(&mut self, origin: &str, head: TreeHead, proof: &[Hash]) -> Result<String, SignError> {
        self.signer.checkpoint(origin, head, proof)
    }

    fn head(&mut self, head: &Head, proofs: &[Vec<Hash>]) -> Result<Vec<u8>, SignError> {
        self.signer.head(head, proofs)
    }
}

/// The signer of a ledger that is being opened.
pub(crate) enum Signatory {
    /// The key is here.
    Here { seed: [u8; 32], memory: JournalMemory },
    /// It is elsewhere, with its memory.
    Elsewhere(Box<dyn SigningService>),
}

impl Signatory {
    /// What was signed last, of the log whose origin comes first. A signer elsewhere must answer for this.
    pub(crate) fn first_signed(&mut self) -> Result<Option<(String, u64)>, String> {
        let signed = match self {
            Self::Here { memory, .. } => &memory.heads,
            Self::Elsewhere(service) => {
                service.prepare().map_err(|error| error.to_string())?;
                service.signed()
            }
        };
        Ok(signed.first_key_value().map(|(origin, head)| (origin.clone(), head.size)))
    }

    /// The name of the ledger that the key is for, where the key has one.
    pub(crate) fn name(&self) -> Option<String> {
        match self {
            Self::Here { .. } => None,
            Self::Elsewhere(service) => Some(service.verifier_key().name().to_owned()),
        }
    }

    /// The public key, for the ledger called `name`.
    pub(crate) fn public_key(&self, name: &str) -> Result<[u8; 32], String> {
        let key = match self {
            Self::Here { seed, .. } => {
                SigningKey::from_seed(name, seed).map_err(|error| error.to_string())?.verifier_key()
            }
            Self::Elsewhere(service) => service.verifier_key(),
        };
        Ok(*key.public_key())
    }

    /// The successions that lead from the key in force to this signer's, in order; none when it has that key.
    pub(crate) fn follow(&mut self, name: &str, state: &State) -> Result<Vec<Succession>, OpenError> {
        let current = state.signing_key().ok_or(OpenError::OtherKey)?;
        let key = self.public_key(name).map_err(OpenError::Signer)?;
        let key = VerifierKey::new(name, &key).map_err(|error| OpenError::Signer(error.to_string()))?;
        if key == current {
            return Ok(Vec::new());
        }
        let Self::Elsewhere(service) = self else { return Err(OpenError::OtherKey) };
        if let Some(steps) = succession::path(&current, &key, &service.successions()) {
            return Ok(steps.into_iter().cloned().collect());
        }
        let keys = state.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        let is_earlier = keys.rotations.successions().any(|succession| *succession.old() == key);
        if is_earlier && service.expect(&current) { Ok(Vec::new()) } else { Err(OpenError::OtherKey) }
    }

    /// The signer of the ledger called `name`.
    pub(crate) fn into_service(self, name: &str) -> Result<Box<dyn SigningService>, String> {
        match self {
            Self::Here { seed, memory } => {
                let key = SigningKey::from_seed(name, &seed).map_err(|error| error.to_string())?;
                Ok(Box::new(Signer::new(key, memory).map_err(|error| error.to_string())?))
            }
            Self::Elsewhere(service) if service.verifier_key().name() == name => Ok(service),
            Self::Elsewhere(service) => {
                Err(format!("its key is of ledger `{}`, not of `{name}`", service.verifier_key().name()))
            }
        }
    }
}

fn encode_entries(entries: &[(String, TreeHead)]) -> Vec<u8> {
    let mut batch = Vec::new();
    for (origin, head) in entries {
        let length = u16::try_from(origin.len()).expect("an origin is a key's name, at most 255 bytes");
        batch.extend(length.to_be_bytes());
        batch.extend(origin.as_bytes());
        batch.extend(head.size.to_be_bytes());
        batch.extend(head.root.0);
    }
    batch
}

fn take_entry(rest: &mut &[u8]) -> Option<(String, TreeHead)> {
    let (length, after) = rest.split_first_chunk()?;
    let (origin, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (size, after) = after.split_first_chunk()?;
    let (root, after) = after.split_first_chunk()?;
    *rest = after;
    let head = TreeHead { size: u64::from_be_bytes(*size), root: Hash(*root) };
    Some((std::str::from_utf8(origin).ok()?.to_owned(), head))
}

impl SignerMemory for JournalMemory {
    type Error = String;

    fn recall(&self, origin: &str) -> Result<Option<TreeHead>, String> {
        Ok(self.heads.get(origin).copied())
    }

    fn remember(&mut self, entries: &[(String, TreeHead)]) -> Result<(), String> {
        let changed: Vec<_> =
            entries.iter().filter(|(origin, head)| self.heads.get(origin) != Some(head)).cloned().collect();
        self.append(&changed)?;
        self.heads.extend(changed);
        self.compact();
        Ok(())
    }
}

/// The signer and the checkpoints it signed lately.
pub(crate) struct Signing {
    /// Locked before the state, never while it is held: the state is read under it.
    signer: Mutex<Box<dyn SigningService>>,
    kept: Mutex<VecDeque<Kept>>,
}

struct Kept {
    log: LogName,
    size: u64,
    note: String,
}

impl Signing {
    pub(crate) fn new(signer: Box<dyn SigningService>) -> Self {
        Self { signer: Mutex::new(signer), kept: Mutex::default() }
    }

    /// The first log that is not what was signed before: shorter, or with another root.
    ///
    /// # Errors
    ///
    /// What would tell is sealed and cannot be read.
    pub(crate) fn disagreement(
        &self,
        state: &State,
        ledger: &str,
    ) -> Result<Option<(String, u64, Option<Hash>)>, Damaged> {
        let by_origin: BTreeMap<String, u32> =
            (0..).zip(state.logs()).map(|(index, log)| (log.origin(ledger), index)).collect();
        let signer = self.signer();
        for (origin, signed) in signer.signed() {
            let found = match by_origin.get(origin) {
                None => None,
                Some(index) => state.root_at(*index, signed.size)?,
            };
            if found != Some(signed.root) {
                return Ok(Some((origin.clone(), signed.size, found)));
            }
        }
        Ok(None)
    }

    /// The logs that are not as they were signed last, or of which the ledger keeps no head that says so: what is signed while
    /// the service stops stands in the signer's memory alone.
    pub(crate) fn unsigned(&self, state: &State, ledger: &str) -> Vec<u32> {
        let signer = self.signer();
        let signed = |log: &Log| signer.signed().get(&log.origin(ledger)).map_or(0, |head| head.size);
        let logs = (0..).zip(state.logs());
        let is_signed = |index, log: &Log| signed(log) == log.size() && state.heads.size(index) == log.size();
        logs.filter(|(index, log)| !is_signed(*index, log)).map(|(index, _)| index).collect()
    }

    /// Signs heads over the logs at `changed`, each over at most [`HEAD_LOGS`] of them.
    ///
    /// The state is locked for the reading of one head's logs at a time, never while the signer writes.
    pub(crate) fn heads(
        &self,
        state: &RwLock<State>,
        changed: &[u32],
        at_us: i64,
    ) -> Result<Vec<Vec<u8>>, SignError> {
        let mut signer = self.signer();
        signer.prepare()?;
        let mut heads = Vec::new();
        for part in changed.chunks(HEAD_LOGS) {
            let (head, proofs) = {
                let state = read(state);
                let logs: Vec<&Log> = part.iter().map(|index| &state.logs()[*index as usize]).collect();
                let claims = logs.iter().map(|log| HeadLog {
                    log: log.name(),
                    size: log.size(),
                    root: log.tree.root(),
                });
                let head = Head { at_us, ledger_size: state.sizes().records, logs: claims.collect() };
                let ledger = ledger_name(&state);
                let proofs = part.iter().map(|index| growth(&**signer, &state, *index, ledger));
                let proofs = proofs.collect::<Result<Vec<_>, _>>();
                (head, proofs.map_err(|error| SignError::Refused(error.to_string()))?)
            };
            heads.push(signer.head(&head, &proofs)?);
        }
        Ok(heads)
    }

    /// What logs have to say before the key in force signs them: of each that owes something, the statements.
    pub(crate) fn owed(
        &self,
        state: &RwLock<State>,
        logs: &[u32],
    ) -> Result<Vec<(TenantLog, Vec<serde_json::Value>)>, SignError> {
        let mut signer = self.signer();
        signer.prepare()?;
        let state = read(state);
        let ledger = ledger_name(&state);
        let keys = state.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        let owed = logs.iter().map(|index| {
            let log = &state.logs()[*index as usize];
            let signed = signed_at_most(signer.signed().get(&log.origin(ledger)), log);
            let events = keys.rotations.owed(*index).map(|succession| rotation::event(succession, signed));
            (TenantLog { tenant: log.tenant.clone(), kind: log.kind }, events.collect::<Vec<_>>())
        });
        Ok(owed.filter(|(_, events)| !events.is_empty()).collect())
    }

    /// What was signed last of a log, as far as is known.
    pub(crate) fn signed(&self, origin: &str) -> Option<TreeHead> {
        self.signer().signed().get(origin).copied()
    }

    /// A checkpoint over everything the log has, and its size.
    pub(crate) fn checkpoint(
        &self,
        state: &RwLock<State>,
        name: &TenantLog,
    ) -> Result<(u64, String), ProveError> {
        {
            // What was signed already is given whether the signer answers or not.
            let state = read(state);
            let log = state.log(name).ok_or(ProveError::TenantMissing)?;
            if let Some(note) = self.kept(log.name(), log.size()) {
                return Ok((log.size(), note));
            }
        }
        let mut signer = self.signer();
        signer.prepare().map_err(not_signed)?;
        let (log, size, root, origin, proof) = {
            let state = read(state);
            let index = state.log_index(name).ok_or(ProveError::TenantMissing)?;
            let log = &state.logs()[index as usize];
            if let Some(note) = self.kept(log.name(), log.size()) {
                return Ok((log.size(), note));
            }
            if state.owes_key(index) {
                // It was to say so before; nobody who knows the old key would be led to a checkpoint without that.
                return Err(ProveError::Away("the log does not say yet who signs it".to_owned()));
            }
            let origin = log.origin(ledger_name(&state));
            let proof = growth(&**signer, &state, index, ledger_name(&state))?;
            (log.name(), log.size(), log.tree.root(), origin, proof)
        };
        let note = signer.checkpoint(&origin, TreeHead { size, root }, &proof).map_err(not_signed)?;
        let mut kept = self.kept.lock().expect("no holder of this lock panics");
        if kept.len() == CHECKPOINTS_KEPT {
            kept.pop_front();
        }
        kept.push_back(Kept { log, size, note: note.clone() });
        Ok((size, note))
    }

    /// The checkpoint of that size, while it is kept.
    pub(crate) fn checkpoint_at(
        &self,
        state: &State,
        name: &TenantLog,
        size: u64,
    ) -> Result<String, ProveError> {
        let log = state.log(name).ok_or(ProveError::TenantMissing)?;
        self.kept(log.name(), size).ok_or(ProveError::CheckpointMissing { size })
    }

    fn kept(&self, log: LogName, size: u64) -> Option<String> {
        let kept = self.kept.lock().expect("no holder of this lock panics");
        kept.iter().rev().find(|kept| kept.log == log && kept.size == size).map(|kept| kept.note.clone())
    }

    fn signer(&self) -> std::sync::MutexGuard<'_, Box<dyn SigningService>> {
        self.signer.lock().expect("no holder of this lock panics")
    }
}

/// So many records of a log were signed at most. A signer that remembers nothing of it may have forgotten.
pub(crate) fn signed_at_most(remembered: Option<&TreeHead>, log: &Log) -> u64 {
    remembered.map_or(log.size(), |head| head.size)
}

/// The proof that a log extends what was signed of it last. It is made of the tree's edge then and of what came later, which
/// the tails know: no segment is read, unless heads are far behind.
fn growth(
    signer: &dyn SigningService,
    state: &State,
    index: u32,
    ledger: &str,
) -> Result<Vec<Hash>, ProveError> {
    let log = &state.logs()[index as usize];
    let origin = log.origin(ledger);
    match signer.signed().get(&origin) {
        Some(signed) if signed.size < log.size() => {
            nodes::consistency(signed.size, log.size(), &LogNodes::new(state, index))
                .map_err(|error| tree_error(error, &origin))
        }
        _ => Ok(Vec::new()),
    }
}

/// A log whose tree is read.
pub(crate) struct TreeOf<'a> {
    pub(crate) size: u64,
    pub(crate) nodes: LogNodes<&'a RwLock<State>>,
    pub(crate) origin: String,
}

/// The tree of a log, by its name.
pub(crate) fn tree<'a>(state: &'a RwLock<State>, name: &TenantLog) -> Result<TreeOf<'a>, ProveError> {
    state.with(|locked| {
        let index = locked.log_index(name).ok_or(ProveError::TenantMissing)?;
        let log = &locked.logs()[index as usize];
        let nodes = LogNodes::new(state, index);
        Ok(TreeOf { size: log.size(), nodes, origin: log.origin(ledger_name(locked)) })
    })
}

/// The hash of the entry at a position, and the RFC 6962 inclusion proof of it in the tree of `size` records.
pub(crate) fn inclusion(
    state: &RwLock<State>,
    name: &TenantLog,
    position: Position,
    size: u64,
) -> Result<(Hash, Vec<Hash>), ProveError> {
    let tree = tree(state, name)?;
    // The tree shows that the entry is in the log; that the stored event is what the entry commits to is looked at here.
    let located = state.with(|state| state.locate(name, position)).map_err(Box::new)?;
    let entry = located.map(|located| located.entry().map_err(Box::new)).transpose()?;
    if entry.as_ref().is_some_and(|entry| !entry.intact) {
        return Err(ProveError::Damaged { origin: tree.origin, position: Some(position.0) });
    }
    within("size", size, tree.size)?;
    let error = |error| tree_error(error, &tree.origin);
    let proof = nodes::inclusion(position.0, size, &tree.nodes).map_err(error)?;
    // A changed leaf may have the right tag; a proof that does not hold is not given.
    let root = nodes::root_at(size, &tree.nodes).map_err(error)?;
    let leaf = entry.map_or_else(Hash::default, |entry| entry.leaf);
    if verify_inclusion(&leaf, position.0, size, &proof, &root).is_err() {
        return Err(ProveError::Damaged { origin: tree.origin, position: None });
    }
    Ok((leaf, proof))
}

/// RFC 6962 consistency proof between two sizes.
pub(crate) fn consistency(
    state: &RwLock<State>,
    name: &TenantLog,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, ProveError> {
    let tree = tree(state, name)?;
    within("size", to, tree.size)?;
    nodes::consistency(from, to, &tree.nodes).map_err(|error| tree_error(error, &tree.origin))
}

/// The bytes of one tile of the log's published tree.
pub(crate) fn tile(state: &RwLock<State>, name: &TenantLog, tile: &Tile) -> Result<Vec<u8>, ProveError> {
    let tree = tree(state, name)?;
    match tile.kind() {
        TileKind::Hashes(_) => {
            hash_tile(tile, tree.size, &tree.nodes).map_err(|error| tree_error(error, &tree.origin))
        }
        TileKind::Entries => {
            let end = tile.first().saturating_add(u64::from(tile.width()));
            within("entry", end, tree.size)?;
            let entries = disclose::entries(state, name, tile.first()..end)?;
            Ok(encode_bundle(entries).expect("an entry of kind 1 is 44 bytes"))
        }
    }
}

fn within(what: &'static str, asked: u64, limit: u64) -> Result<(), ProveError> {
    if asked > limit { Err(ProveError::Beyond { what, asked, limit }) } else { Ok(()) }
}

pub(crate) fn read(state: &RwLock<State>) -> RwLockReadGuard<'_, State> {
    state.read().expect("the ledger's thread does not panic while it writes")
}

fn ledger_name(state: &State) -> &str {
    &state.genesis().expect("a ledger that serves has its genesis").name
}

pub(crate) fn tree_error(error: TreeError<NodeError>, origin: &str) -> ProveError {
    match error {
        TreeError::Beyond { what, asked, limit } => ProveError::Beyond { what, asked, limit },
        TreeError::Source(NodeError::Differs { position }) => {
            ProveError::Damaged { origin: origin.to_owned(), position: Some(position) }
        }
        TreeError::Source(NodeError::Damaged(damaged)) => ProveError::Segment(damaged),
        other => ProveError::Refused(other.to_string()),
    }
}

pub(crate) fn not_signed(error: SignError) -> ProveError {
    match error {
        SignError::Away(reason) => ProveError::Away(reason),
        SignError::Refused(reason) => ProveError::Refused(reason),
    }
}

fn told(refusal: &Refusal<String>) -> String {
    match refusal {
        Refusal::Memory(cause) => format!("{refusal}: {cause}"),
        _ => refusal.to_string(),
    }
}
