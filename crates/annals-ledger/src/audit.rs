//! Checking a data folder from outside: no lock, nothing written, a server may be running on it.
//!
//! Every frame of the journal is read again, every record's bytes are committed to again, the same [`State::apply`] that the
//! server runs gives positions and trees, and these are held against every signed head and against what the signer
//! remembers. Behind damage it goes on as far as it can: a batch that still decodes is applied and its records are checked
//! one by one; behind one that does not, records are still checked but have no positions any more.
//!
//! What it cannot see: a history that was rewritten whole, with the ledger's own key, before anybody kept a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use annals_event::model::ACTION_PREFIX_RESERVED;
use annals_event::{Normalised, Position, Rules, Scratch, TenantId, normalise};
use annals_journal::{
    Damage, Disk, Journal as _, MemoryJournal, OpenError, Place, Scan, Scanned, format::FRAME_HEADER_BYTES,
};
use annals_tree::head::SignedHead;
use annals_tree::note::VerifierKey;
use annals_tree::origin::LogName;
use annals_tree::secret::Secrets;
use annals_tree::{Counter, Hash, Secret, SecretRoot};
use bytes::Bytes;

use crate::batch::{self, Batch, Item, LogKind, Records};
use crate::commit::Commits;
use crate::signing::JournalMemory;
use crate::state::{Applied, ApplyError, Outcome, State};

/// The folders of one ledger.
pub struct Folders {
    /// The ledger's journal.
    pub journal: Arc<dyn Disk>,
    /// The signer's memory, when it is there.
    pub signer: Option<Arc<dyn Disk>>,
}

/// The audit could not be made, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The journal's files cannot be read at all. Kind `Unavailable`, or `Invalid` for a newer format.
    #[error(transparent)]
    Journal(#[from] OpenError),
    /// There is no ledger in the folder. Kind `Missing`.
    #[error("the folder holds no ledger: its journal is empty")]
    Empty,
}

/// What the audit tells while it goes on.
#[derive(Debug)]
pub enum Notice {
    /// So many more bytes of the journal and records in them are checked.
    Checked {
        /// Bytes of frames.
        bytes: u64,
        /// Records.
        records: u64,
    },
    /// Something is not as it was stored or signed.
    Found(Finding),
}

/// Where in the journal's files something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSpot {
    /// Name of the file in the journal's folder.
    pub file: Arc<str>,
    /// Byte in the file.
    pub offset: u64,
}

impl fmt::Display for FileSpot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "file `{}`, byte {}", self.file, self.offset)
    }
}

/// Neighbouring positions of one log, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Whose.
    pub tenant: TenantId,
    /// Which of the tenant's logs.
    pub log: LogKind,
    /// First position.
    pub first: Position,
    /// Last position.
    pub last: Position,
}

/// One thing that is not as it was stored or signed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finding {
    /// A frame, or a file's header, does not match its checksum.
    Frame {
        /// Where and what.
        damage: Damage,
        /// The records in the frame, as far as they can be made out.
        holds: Vec<Span>,
    },
    /// A record's bytes do not give the commitment that was made to them.
    Record {
        /// Whose.
        tenant: TenantId,
        /// Which of the tenant's logs.
        log: LogKind,
        /// Its position, unless what stands before it could not be read.
        position: Option<Position>,
        /// Where the event's bytes begin.
        at: FileSpot,
    },
    /// A batch cannot follow those before it. Records behind it have no positions.
    Batch {
        /// Where its frame begins.
        at: FileSpot,
        /// Its place.
        place: Place,
        /// Why.
        cause: String,
    },
    /// The records of a log do not give the root that was signed.
    Head {
        /// Whose.
        tenant: TenantId,
        /// The log.
        origin: String,
        /// Records that match an earlier signed head.
        good: u64,
        /// The size that was signed.
        signed: u64,
        /// Where the head's frame begins.
        at: FileSpot,
    },
    /// A head that the ledger's key did not sign.
    HeadSignature {
        /// Where its frame begins.
        at: FileSpot,
    },
    /// The signer remembers another log than the journal gives.
    Signer {
        /// The log.
        origin: String,
        /// The size that was signed.
        signed: u64,
        /// How many records the journal has.
        found: u64,
    },
    /// What the signer remembers cannot be read.
    SignerMemory {
        /// Why.
        cause: String,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Frame { damage, holds } => {
                write!(out, "{damage}")?;
                for span in holds {
                    write!(out, "; it holds {span}")?;
                }
                Ok(())
            }
            Self::Record { tenant, log, position: Some(position), at } => {
                write!(
                    out,
                    "{}: the record at position {position} does not match its commitment ({at})",
                    log_of(tenant, *log)
                )
            }
            Self::Record { tenant, log, position: None, at } => {
                write!(out, "{}: a record does not match its commitment ({at})", log_of(tenant, *log))
            }
            Self::Batch { at, cause, .. } => {
                write!(out, "{cause} ({at}); records behind it cannot be numbered")
            }
            Self::Head { tenant, origin, good, signed, at } => {
                let last = signed.saturating_sub(1);
                write!(
                    out,
                    "tenant `{tenant}`: log {origin}: positions {good} to {last} do not give the root that was signed for size \
                     {signed} ({at})"
                )
            }
            Self::HeadSignature { at } => {
                write!(out, "a ledger head is not signed by the ledger's key ({at})")
            }
            Self::Signer { origin, signed, found } if found < signed => {
                write!(out, "log {origin}: size {signed} was signed, the journal has {found} records")
            }
            Self::Signer { origin, signed, .. } => {
                write!(
                    out,
                    "log {origin}: the records do not give the root that was signed for size {signed}"
                )
            }
            Self::SignerMemory { cause } => write!(out, "the signer's memory: {cause}"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}, positions {} to {}", log_of(&self.tenant, self.log), self.first, self.last)
    }
}

fn log_of(tenant: &TenantId, log: LogKind) -> String {
    match log {
        LogKind::Tenant => format!("tenant `{tenant}`"),
        LogKind::Access => format!("access log of tenant `{tenant}`"),
    }
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
}

impl Audited {
    /// The key that signs the log with this origin, as the ledger itself states it.
    #[must_use]
    pub fn verifier_key(&self, origin: &str) -> Option<VerifierKey> {
        VerifierKey::new(origin, &self.state.genesis()?.public_key).ok()
    }

    /// The root that the log had at an earlier size; none when it has fewer records.
    #[must_use]
    pub fn root_at(&self, origin: &str, size: u64) -> Option<Hash> {
        let name = &self.state.genesis()?.name;
        let (index, _) = (0..).zip(self.state.logs()).find(|(_, log)| log.origin(name) == origin)?;
        self.state.root_at(index, size).ok()?
    }
}

/// Audits a ledger; `notice` hears of progress and of every finding.
///
/// Holds in memory what a server on the folder would hold.
///
/// # Errors
///
/// [`AuditError`], when there is nothing to audit. Damage is a finding, not an error.
pub fn audit(folders: &Folders, notice: &mut dyn FnMut(Notice)) -> Result<Audited, AuditError> {
    // The signer first: what it remembers was durable in the journal before, so it is in what is read next.
    let signed = folders.signer.as_ref().map(|disk| read_signer(disk.clone()));
    let mut audit = Audit {
        state: State::new(),
        checks: Checks::default(),
        matched: BTreeMap::new(),
        broken: BTreeSet::new(),
        blind: false,
        records: 0,
        findings: 0,
        tail_bytes: 0,
        notice,
    };
    for scanned in Scan::open(folders.journal.clone())? {
        audit.take(scanned?);
    }
    if audit.state.genesis().is_none() && audit.findings == 0 {
        return Err(AuditError::Empty);
    }
    match signed {
        Some(Ok(memory)) => audit.compare_signer(&memory),
        Some(Err(cause)) => audit.found(Finding::SignerMemory { cause }),
        None => {}
    }
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

struct Audit<'a> {
    state: State,
    checks: Checks,
    /// The newest signed state that each log matches.
    matched: BTreeMap<LogName, (u64, Hash)>,
    /// Logs that something was found about.
    broken: BTreeSet<LogName>,
    /// A batch could not be applied: positions are not known any more.
    blind: bool,
    records: u64,
    findings: u64,
    tail_bytes: u64,
    notice: &'a mut dyn FnMut(Notice),
}

impl Audit<'_> {
    fn take(&mut self, scanned: Scanned) {
        match scanned {
            Scanned::Frame { file, offset, place, payload } => {
                self.batch(&FileSpot { file, offset }, place, payload);
            }
            Scanned::Bad { damage, payload, .. } => self.damaged(damage, payload),
            Scanned::Tail { bytes, .. } => self.tail_bytes = bytes,
            // A kind of item this program does not know: whatever it is, it was not checked.
            _ => self.blind = true,
        }
    }

    /// A damaged frame: whatever can be had of it is applied, so that its neighbours keep their positions.
    fn damaged(&mut self, damage: Damage, payload: Option<Vec<u8>>) {
        let at = FileSpot { file: damage.file.as_str().into(), offset: damage.offset };
        let before: Vec<u64> = self.state.logs().iter().map(crate::log::Log::size).collect();
        let place = damage.place.unwrap_or(self.state.next());
        // The finding about the frame comes before those about its records, and says which records it holds; what they
        // are is known only after applying it.
        let mut later = Vec::new();
        match payload {
            Some(payload) => later = self.batch_findings(&at, place, payload),
            None => self.blind = true,
        }
        let holds = self.grown_since(&before);
        self.found(Finding::Frame { damage, holds });
        later.into_iter().for_each(|finding| self.found(finding));
    }

    fn grown_since(&self, before: &[u64]) -> Vec<Span> {
        let logs = self.state.logs().iter().enumerate().filter_map(|(index, log)| {
            let first = before.get(index).copied().unwrap_or(0);
            (log.size() > first).then(|| Span {
                tenant: log.tenant.clone(),
                log: log.kind,
                first: Position(first),
                last: Position(log.size() - 1),
            })
        });
        logs.collect()
    }

    fn batch(&mut self, at: &FileSpot, place: Place, payload: Vec<u8>) {
        for finding in self.batch_findings(at, place, payload) {
            self.found(finding);
        }
    }

    /// Checks and applies one batch.
    fn batch_findings(&mut self, at: &FileSpot, place: Place, payload: Vec<u8>) -> Vec<Finding> {
        let bytes = (payload.len() + FRAME_HEADER_BYTES) as u64;
        let payload = Bytes::from(payload);
        let unfit = |cause: String| Finding::Batch { at: at.clone(), place, cause };
        let decoded = match batch::decode(&payload) {
            Ok(decoded) => decoded,
            Err(cause) => {
                self.blind = true;
                return vec![unfit(format!("batch {place}: {cause}"))];
            }
        };
        let (records, wrong) = match &decoded {
            Batch::Records(records) => {
                (records.items.len() as u64, self.checks.mismatches(records, &payload))
            }
            Batch::Genesis(_) | Batch::Head(_) => (0, Vec::new()),
        };
        self.records += records;
        (self.notice)(Notice::Checked { bytes, records });
        if !self.blind && place != self.state.next() {
            self.blind = true;
            return vec![unfit(format!(
                "batch {place} follows batch {}: those between are missing",
                self.state.next()
            ))];
        }
        let outcomes = if self.blind { None } else { Some(self.state.apply(place, payload)) };
        let mut findings = Vec::new();
        let mut positions = Vec::new();
        match outcomes {
            None => {}
            Some(Ok(Applied::Records(outcomes))) => positions = outcomes.iter().map(position_of).collect(),
            Some(Ok(Applied::Genesis)) => {}
            Some(Ok(Applied::Head)) => self.note_head(&decoded),
            Some(Err(ApplyError::Head { .. })) => {
                findings.extend(self.wrong_heads(&decoded, at));
                self.state.next = place.plus(1);
            }
            Some(Err(ApplyError::HeadSignature { .. })) => {
                findings.push(Finding::HeadSignature { at: at.clone() });
                self.state.next = place.plus(1);
            }
            Some(Err(error)) => {
                self.blind = true;
                findings.push(unfit(error.to_string()));
            }
        }
        if let Batch::Records(records) = &decoded {
            let named = wrong.into_iter().map(|index| {
                let item = &records.items[index];
                let offset = at.offset + FRAME_HEADER_BYTES as u64 + u64::from(item.bytes.0);
                Finding::Record {
                    tenant: records.tenants[usize::from(item.tenant)].id.clone(),
                    log: item.log,
                    position: positions.get(index).copied().flatten(),
                    at: FileSpot { file: at.file.clone(), offset },
                }
            });
            findings.splice(0..0, named);
        }
        findings
    }

    /// The logs of a head that was applied match it.
    fn note_head(&mut self, head: &Batch) {
        for claim in claims(head) {
            self.matched.insert(claim.log, (claim.size, claim.root));
        }
    }

    /// Which logs of a head do not match it; each log is named once.
    fn wrong_heads(&mut self, head: &Batch, at: &FileSpot) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = &self.state.genesis().expect("a head is applied after the genesis").name;
        for claim in claims(head) {
            let index = self.state.by_name.get(&claim.log).copied();
            let log = index.map(|index| &self.state.logs()[index as usize]);
            if index.and_then(|index| self.state.root_at(index, claim.size).ok()?) == Some(claim.root) {
                self.matched.insert(claim.log, (claim.size, claim.root));
            } else if self.broken.insert(claim.log) {
                findings.push(Finding::Head {
                    tenant: log.map_or_else(TenantId::annals, |log| log.tenant.clone()),
                    origin: claim.log.origin(name),
                    good: self.matched.get(&claim.log).map_or(0, |(size, _)| *size),
                    signed: claim.size,
                    at: at.clone(),
                });
            }
        }
        findings
    }

    fn compare_signer(&mut self, memory: &JournalMemory) {
        let Some(name) = self.state.genesis().map(|genesis| genesis.name.clone()) else { return };
        let logs: BTreeMap<String, u32> =
            (0..).zip(self.state.logs()).map(|(index, log)| (log.origin(&name), index)).collect();
        let mut findings = Vec::new();
        let mut matched = Vec::new();
        for (origin, head) in memory.iter() {
            let index = logs.get(origin).copied();
            let log = index.map(|index| &self.state.logs()[index as usize]);
            let found = log.map_or(0, |log| log.size());
            let root = index.and_then(|index| self.state.root_at(index, head.size).ok()?);
            if let Some(log) = log.filter(|_| root == Some(head.root)) {
                matched.push((log.name(), (head.size, head.root)));
                continue;
            }
            let known_broken = log.is_some_and(|log| self.broken.contains(&log.name()));
            // When batches could not be applied, a log that ends early is no news.
            let missing_is_known = self.blind && found < head.size;
            if !known_broken && !missing_is_known {
                findings.push(Finding::Signer { origin: origin.to_owned(), signed: head.size, found });
            }
        }
        for (name, head) in matched {
            let newest = self.matched.entry(name).or_insert(head);
            *newest = (*newest).max(head);
        }
        findings.into_iter().for_each(|finding| self.found(finding));
    }

    fn found(&mut self, finding: Finding) {
        self.findings += 1;
        let broken: Vec<LogName> = match &finding {
            Finding::Frame { holds, .. } => {
                holds.iter().filter_map(|span| self.name_of(&span.tenant, span.log)).collect()
            }
            Finding::Record { tenant, log, .. } => self.name_of(tenant, *log).into_iter().collect(),
            Finding::Signer { origin, .. } => {
                let name = self.state.genesis().map(|genesis| genesis.name.as_str()).unwrap_or_default();
                self.state
                    .logs()
                    .iter()
                    .filter(|log| log.origin(name) == *origin)
                    .map(crate::log::Log::name)
                    .collect()
            }
            _ => Vec::new(),
        };
        self.broken.extend(broken);
        (self.notice)(Notice::Found(finding));
    }

    fn name_of(&self, tenant: &TenantId, kind: LogKind) -> Option<LogName> {
        let log = self.state.logs().iter().find(|log| log.tenant == *tenant && log.kind == kind)?;
        Some(log.name())
    }

    fn finish(self) -> Audited {
        let name = self.state.genesis().map(|genesis| genesis.name.clone()).unwrap_or_default();
        let logs = self.state.logs().iter().map(|log| AuditedLog {
            tenant: log.tenant.clone(),
            kind: log.kind,
            origin: log.origin(&name),
            size: log.size(),
            root: log.tree.root(),
            signed: self.matched.get(&log.name()).copied(),
            intact: !self.blind && !self.broken.contains(&log.name()),
        });
        let logs = logs.collect();
        let Self { state, records, findings, tail_bytes, .. } = self;
        Audited { state, logs, records, findings, tail_bytes }
    }
}

/// What a head says; nothing when it is none.
fn claims(head: &Batch) -> Vec<annals_tree::head::HeadLog> {
    match head {
        Batch::Head(signed) => SignedHead::decode(signed).map(|signed| signed.head.logs).unwrap_or_default(),
        Batch::Genesis(_) | Batch::Records(_) => Vec::new(),
    }
}

fn position_of(outcome: &Outcome) -> Option<Position> {
    match outcome {
        Outcome::Created { position, .. } => Some(*position),
        Outcome::Duplicate { .. } | Outcome::Refused(_) => None,
    }
}

/// Commits to records again.
#[derive(Default)]
struct Checks {
    commits: Commits,
    scratch: Scratch,
    normalised: Normalised,
    /// The secrets that follow the one used last: in order they cost two hashes, out of order twelve.
    following: Option<([u8; 32], Counter, Secrets)>,
}

impl Checks {
    /// Indexes of the items whose bytes do not give their commitment.
    fn mismatches(&mut self, records: &Records, batch: &[u8]) -> Vec<usize> {
        let items = records.items.iter().enumerate();
        items.filter(|(_, item)| !self.matches(records, item, batch)).map(|(index, _)| index).collect()
    }

    fn matches(&mut self, records: &Records, item: &Item, batch: &[u8]) -> bool {
        let secret = self.secret(&records.roots[usize::from(item.secret.root)], item.secret.counter);
        let event = item.event(batch);
        self.commits.commit(event, &secret) == Some(item.commitment) && self.header_follows(item, event)
    }

    /// Whether what stands beside the event is what its bytes say: nothing of it is committed to by itself.
    fn header_follows(&mut self, item: &Item, event: &[u8]) -> bool {
        let rules = Rules::default().for_system().with_event_bytes_max(usize::MAX);
        if normalise(event, &rules, &mut self.scratch, &mut self.normalised).is_err() {
            return false;
        }
        let found = &self.normalised;
        found.bytes() == event
            && item.id_at == batch::id_range(found.id_text())
            && item.operation == found.operation().code()
            && item.derived == found.operation_is_derived()
            && item.occurred_at == found.occurred_at()
            && item.source.map(|(_, seq)| seq) == found.source().map(|source| source.seq)
            && item.system == found.action().starts_with(ACTION_PREFIX_RESERVED)
    }

    fn secret(&mut self, root: &[u8; 32], counter: Counter) -> Secret {
        let mut secrets = match self.following.take() {
            Some((same, next, secrets)) if same == *root && next == counter => secrets,
            _ => SecretRoot::from_bytes(*root).secrets(counter),
        };
        let secret = secrets.next().expect("secrets run to the last counter, and this one is not beyond it");
        self.following = counter.next().map(|next| (*root, next, secrets));
        secret
    }
}
