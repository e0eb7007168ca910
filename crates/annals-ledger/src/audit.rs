//! Checking a data folder from outside: no lock, nothing written, a server may be running on it.
//!
//! The newest manifest is read and its segments are opened; then the batches behind its place are read from the journal and
//! applied by the same [`State::apply`] that the server runs; then the segments are gone through one after another. Every
//! frame's and every block's checksum is computed, every record's bytes are committed to again, and the trees that follow are
//! held against every signed head, against what the signer remembers and against the manifest. Behind damage it goes on as far
//! as it can: a batch that still decodes is applied and its records are checked one by one; behind one that does not, records
//! are still checked but have no positions any more; where records of a segment cannot be read or were changed, the tree goes
//! on with the hashes that were stored when they were sealed.
//!
//! In memory are the manifest, the filters of the segments over ids (some 1.3 bytes a record), the frontier of each log, what
//! the journal holds behind the manifest (a tail or two), one cache of blocks, and of the segment that is gone through what leads
//! from ids to rows (some 10 bytes a record), up to 32 MiB of values, and the rows that are in the checkers' hands. A ledger from
//! before there were segments has no manifest: all of its journal is then held as a server would have held it.
//!
//! | module | does |
//! |---|---|
//! | `folder` | reads the manifests, opens the segments |
//! | `journal` | checks and applies batches |
//! | `segments` | goes through the segments, log by log |
//! | `signed` | holds the manifest's heads against the segments, looks for records without one |
//! | `rows` | checks rows, on several threads |
//! | `checks` | commits to one event again |
//! | `finding` | what is found, and how it is told |
//!
//! What it cannot see: a history that was rewritten whole, with the ledger's own key, before anybody kept a checkpoint. What leads
//! to records in segments is held against them as far as ids and times go: the filter has each id, the index leads to it, the
//! orders of time have each row once and rise. What only helps to search by other values (their indexes, lists of blocks and of
//! words) is checked by checksums alone: to check it against the rows would be to build it again, which takes as long as sealing.

mod checks;
mod finding;
mod folder;
mod journal;
mod rows;
mod segments;
mod signed;

use std::sync::Arc;

use annals_event::TenantId;
use annals_journal::{Disk, Journal as _, MemoryJournal, OpenError, Scan, Scanned};
use annals_tree::Hash;
use annals_tree::note::VerifierKey;
use annals_tree::succession::Succession;

use crate::batch::LogKind;
use crate::signing::JournalMemory;
use crate::state::State;
use crate::store::{Store, StoreError};

pub use self::finding::{FileSpot, Finding, Flaw, Span};
use self::folder::Folder;
use self::journal::Audit;

/// The folders of one ledger.
pub struct Folders {
    /// The ledger's journal.
    pub journal: Arc<dyn Disk>,
    /// The signer's memory, when it is there.
    pub signer: Option<Arc<dyn Disk>>,
    /// Segments and manifests, when they are there.
    pub segments: Option<Arc<dyn Disk>>,
}

/// Memory for blocks of segments.
const CACHE_BYTES: usize = 64 << 20;

/// How often an audit begins anew because the server went on to another manifest meanwhile. Only the journal behind a
/// manifest is read in that time, and the server makes a manifest when it has filled a tail: one try is nearly always enough.
const ATTEMPTS_MAX: u32 = 8;

/// The audit could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The journal's files cannot be read at all. Kind `Unavailable`, or `Invalid` for a newer format.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// The folder of segments cannot be read at all. Kind `Unavailable`, or `Invalid` for a manifest of a newer format.
    #[error(transparent)]
    Segments(#[from] StoreError),
    /// There is no ledger in the folder. Kind `Missing`.
    #[error("the folder holds no ledger: its journal is empty")]
    Empty,
}

/// What the audit tells while it goes on.
#[derive(Debug)]
pub enum Notice {
    /// So many more bytes of the journal and of segments, and records in them, are checked.
    Checked {
        /// Bytes of frames and of segments.
        bytes: u64,
        /// Records.
        records: u64,
    },
    /// Something is not as it was stored or signed.
    Found(Finding),
}

/// One log of the ledger that was audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedLog {
    /// Whose.
    pub tenant: TenantId,
    /// Which of the tenant's logs.
    pub kind: LogKind,
    /// First line of its checkpoints.
    pub origin: String,
    /// Records found.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// The newest size that was signed and that matches, with its root: from a head in the journal, or from the signer's
    /// memory, which alone knows of the head that is signed when the server stops.
    pub signed: Option<(u64, Hash)>,
    /// So many records are under a head that is there, with its signature. Of more than these the signer's memory says that they
    /// were signed, and nothing shows it.
    pub headed: u64,
    /// No finding speaks of it.
    pub intact: bool,
}

/// A ledger that was audited to the end of its journal.
pub struct Audited {
    state: State,
    /// Its logs, those of `_annals` first.
    pub logs: Vec<AuditedLog>,
    /// Records that were checked.
    pub records: u64,
    /// Things that were found.
    pub findings: u64,
    /// Bytes behind the last whole frame: a write under way, or one that a crash cut short.
    pub tail_bytes: u64,
    /// The folder keeps the newest signed head of each log. Not so one whose manifest is from before heads were kept.
    pub keeps_heads: bool,
}

impl Audited {
    /// The key that signs the log with this origin, as the ledger itself states it.
    #[must_use]
    pub fn verifier_key(&self, origin: &str) -> Option<VerifierKey> {
        let genesis = self.state.genesis()?;
        let keys = self.state.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        // A log that does not say yet that a key follows another was signed by that one.
        let log = (0..).zip(self.state.logs()).find(|(_, log)| log.origin(&genesis.name) == origin);
        let key = match log {
            Some((index, _)) => keys.rotations.key_of(index, genesis),
            None => keys.rotations.current(genesis),
        };
        key?.with_name(origin).ok()
    }

    /// How the ledger's key came to follow the one that the ledger began with, in order. The keys themselves say so.
    #[must_use]
    pub fn successions(&self) -> Vec<Succession> {
        let keys = self.state.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        keys.rotations.successions().cloned().collect()
    }

    /// The root that the log had at an earlier size; none when it has fewer records.
    #[must_use]
    pub fn root_at(&self, origin: &str, size: u64) -> Option<Hash> {
        let name = &self.state.genesis()?.name;
        let (index, _) = (0..).zip(self.state.logs()).find(|(_, log)| log.origin(name) == origin)?;
        self.state.root_at(index, size).ok()?
    }
}

/// Audits a ledger; `notice` hears of progress and of every finding. What is held in memory is in the module's description.
///
/// # Errors
///
/// [`AuditError`], when there is nothing to audit. Damage is a finding, not an error.
pub fn audit(folders: &Folders, notice: &mut dyn FnMut(Notice)) -> Result<Audited, AuditError> {
    // The signer first: what it remembers was durable in the journal before, so it is in what is read next.
    let signed = folders.signer.as_ref().map(|disk| read_signer(disk.clone()));
    let store = folders.segments.as_ref().map(|disk| Store::new(disk.clone(), CACHE_BYTES));
    let mut attempts = 1;
    let (mut audit, folder) = loop {
        let mut folder = Folder::open(store.as_ref())?;
        let mut audit = Audit::new(&mut folder, &mut *notice);
        audit.read_journal(&folders.journal)?;
        // The segments' files are open and stay readable. So only until here can a server that goes on take away what is to be
        // read; and it does so only behind a newer manifest.
        let is_sound = audit.is_sound() && folder.is_whole();
        if is_sound || attempts == ATTEMPTS_MAX || !folder.is_outdated(store.as_ref())? {
            break (audit, folder);
        }
        attempts += 1;
    };
    audit.tell_held();
    if audit.is_empty() {
        return Err(AuditError::Empty);
    }
    let memory = match signed {
        Some(Ok(memory)) => Some(memory),
        Some(Err(cause)) => {
            audit.found(Finding::SignerMemory { cause });
            None
        }
        None => None,
    };
    let walked = segments::check(&mut audit, folder, memory.as_ref());
    audit.check_kept(&walked);
    if let Some(memory) = memory {
        audit.compare_signer(&memory, &walked);
    }
    audit.check_covered(walked);
    Ok(audit.finish())
}

/// What the signer remembers, through the code that the signer itself reads it with.
fn read_signer(disk: Arc<dyn Disk>) -> Result<JournalMemory, String> {
    let mut copy = MemoryJournal::new();
    for scanned in Scan::open(disk).map_err(|error| error.to_string())? {
        match scanned.map_err(|error| error.to_string())? {
            Scanned::Frame { payload, .. } => {
                let next = copy.next();
                copy.append(next, &[&payload]).map_err(|error| error.to_string())?;
            }
            Scanned::Bad { damage, .. } => return Err(damage.to_string()),
            _ => {}
        }
    }
    JournalMemory::open(Box::new(copy))
}
