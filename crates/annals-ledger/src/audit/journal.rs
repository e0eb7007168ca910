//! The batches of the journal: checked, and applied where no segment has their records yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_event::{Position, TenantId};
use annals_journal::{Damage, Disk, Place, Scan, Scanned, format::FRAME_HEADER_BYTES};
use annals_tree::Hash;
use annals_tree::head::SignedHead;
use annals_tree::origin::LogName;
use bytes::Bytes;

use super::checks::{Checks, mismatches, threads};
use super::folder::Folder;
use super::segments::Walked;
use super::signed::Kept;
use super::{AuditError, Audited, AuditedLog, FileSpot, Finding, Notice, Span};
use crate::batch::{self, Batch, LogKind};
use crate::read::TenantLog;
use crate::signing::JournalMemory;
use crate::state::{Applied, ApplyError, Outcome, State};

/// An audit under way.
pub(super) struct Audit<'a> {
    pub(super) state: State,
    /// Batches before this place are in segments.
    place: Place,
    /// There is a manifest that can be read.
    has_manifest: bool,
    /// The batch after the last one that the journal has; none before its first file.
    reached: Option<Place>,
    /// What was found in the journal, while it is not sure that the manifest was not replaced meanwhile.
    held: Option<Vec<Finding>>,
    /// One of each thread that checks.
    checks: Vec<Checks>,
    /// The newest signed state that each log matches.
    pub(super) matched: BTreeMap<LogName, (u64, Hash)>,
    /// The same, of heads alone, whose signature is there.
    pub(super) headed: BTreeMap<LogName, u64>,
    /// The heads that the manifest keeps.
    pub(super) kept: Kept,
    /// Logs that something was found about.
    pub(super) broken: BTreeSet<LogName>,
    /// A batch could not be applied: positions are not known any more.
    pub(super) blind: bool,
    pub(super) records: u64,
    findings: u64,
    tail_bytes: u64,
    notice: &'a mut dyn FnMut(Notice),
}

impl<'a> Audit<'a> {
    /// Begins where the manifest says that the segments end.
    pub(super) fn new(folder: &mut Folder, notice: &'a mut dyn FnMut(Notice)) -> Self {
        let has_manifest = folder.manifest.is_some();
        let parts = folder.parts();
        let (mut state, kept) = match folder.manifest.take() {
            Some(manifest) => {
                let head = manifest.head.clone();
                let state = State::resume(manifest, parts);
                let kept = Kept::new(&head, &state, &mut folder.findings);
                (state, kept)
            }
            None => (State::new(), Kept::default()),
        };
        state.passes_damage = true;
        let mut audit = Self {
            place: state.next(),
            has_manifest,
            state,
            reached: None,
            held: Some(Vec::new()),
            checks: std::iter::repeat_with(Checks::default).take(threads()).collect(),
            matched: BTreeMap::new(),
            headed: BTreeMap::new(),
            kept,
            broken: BTreeSet::new(),
            blind: false,
            records: 0,
            findings: 0,
            tail_bytes: 0,
            notice,
        };
        std::mem::take(&mut folder.findings).into_iter().for_each(|finding| audit.found(finding));
        if !has_manifest {
            // Nothing was taken out of the journal then, and it may be long.
            audit.tell_held();
        }
        audit
    }

    /// Checks the journal, and applies what is behind the manifest.
    pub(super) fn read_journal(&mut self, disk: &Arc<dyn Disk>) -> Result<(), AuditError> {
        for scanned in Scan::open(disk.clone())? {
            self.take(scanned?);
        }
        if !self.has_manifest {
            return Ok(());
        }
        let needed = self.place;
        let is_gone =
            self.reached.is_none() && disk.list().map_err(annals_journal::OpenError::from)?.is_empty();
        if is_gone || self.reached.is_some_and(|next| next < needed) {
            self.found(Finding::Journal { next: self.reached, needed });
        }
        Ok(())
    }

    /// Nothing was found so far.
    pub(super) fn is_sound(&self) -> bool {
        self.findings == 0
    }

    /// There is no ledger, and nothing that speaks of one.
    pub(super) fn is_empty(&self) -> bool {
        self.state.genesis().is_none() && self.findings == 0
    }

    /// From now on what is found is told at once.
    pub(super) fn tell_held(&mut self) {
        let held = self.held.take();
        held.into_iter().flatten().for_each(|finding| (self.notice)(Notice::Found(finding)));
    }

    /// Tells of progress.
    pub(super) fn checked(&mut self, bytes: u64, records: u64) {
        self.records += records;
        (self.notice)(Notice::Checked { bytes, records });
    }

    fn take(&mut self, scanned: Scanned) {
        match scanned {
            Scanned::Frame { file, offset, place, payload } => {
                self.begin_at(place);
                self.reached = Some(place.plus(1));
                if place < self.place {
                    // It is in a segment, and will be checked there.
                    self.checked((payload.len() + FRAME_HEADER_BYTES) as u64, 0);
                } else {
                    self.batch(&FileSpot { file, offset }, place, payload);
                }
            }
            Scanned::Bad { damage, payload, resumes, .. } => {
                self.reached = Some(resumes.unwrap_or_else(|| damage.place.unwrap_or(self.place).plus(1)));
                if damage.place.is_some_and(|place| place < self.place) {
                    // Whether batches behind the manifest are lost with it is seen at the next one.
                    self.found(Finding::Frame { damage, holds: Vec::new() });
                } else {
                    self.damaged(damage, payload);
                }
            }
            Scanned::Tail { bytes, .. } => self.tail_bytes = bytes,
            // A kind of item this program does not know: whatever it is, it was not checked.
            _ => self.blind = true,
        }
    }

    /// A journal that does not begin with the ledger needs a manifest.
    fn begin_at(&mut self, first: Place) {
        if self.reached.is_none() && !self.has_manifest && first > Place(0) {
            self.blind = true;
            self.found(Finding::ManifestMissing { first });
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
                (records.items.len() as u64, mismatches(&mut self.checks, records, &payload))
            }
            Batch::Genesis(_) | Batch::Head(_) => (0, Vec::new()),
        };
        self.checked(bytes, records);
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
            // Heads change nothing but what is known of heads.
            Some(Err(ApplyError::Head { .. } | ApplyError::Sealed { .. }))
                if matches!(decoded, Batch::Head(_)) =>
            {
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
            self.headed.insert(claim.log, claim.size);
        }
    }

    /// Which logs of a head do not match it; each log is named once.
    fn wrong_heads(&mut self, head: &Batch, at: &FileSpot) -> Vec<Finding> {
        let mut findings = Vec::new();
        let name = &self.state.genesis().expect("a head is applied after the genesis").name;
        for claim in claims(head) {
            let index = self.state.by_name.get(&claim.log).copied();
            let log = index.map(|index| &self.state.logs()[index as usize]);
            let root = index.map_or(Ok(None), |index| self.state.root_at(index, claim.size));
            if root == Ok(Some(claim.root)) {
                self.matched.insert(claim.log, (claim.size, claim.root));
                self.headed.insert(claim.log, claim.size);
            } else if root.is_err() {
                // What cannot be read is found where it is.
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

    /// Holds every log against what the signer remembers of it.
    pub(super) fn compare_signer(&mut self, memory: &JournalMemory, walked: &Walked) {
        let Some(name) = self.state.genesis().map(|genesis| genesis.name.clone()) else { return };
        let logs: BTreeMap<String, u32> =
            (0..).zip(self.state.logs()).map(|(index, log)| (log.origin(&name), index)).collect();
        let mut findings = Vec::new();
        for (origin, head) in memory.iter() {
            let index = logs.get(origin).copied();
            let log = index.map(|index| &self.state.logs()[index as usize]);
            let found = log.map_or(0, |log| log.size());
            let streamed = index.and_then(|index| walked.roots.get(&(index, head.size)));
            let root = match (streamed, index) {
                (Some(root), _) => Ok(Some(*root)),
                (None, Some(index)) => self.state.root_at(index, head.size),
                (None, None) => Ok(None),
            };
            if let Some(log) = log.filter(|_| root == Ok(Some(head.root))) {
                let newest = self.matched.entry(log.name()).or_insert((head.size, head.root));
                *newest = (*newest).max((head.size, head.root));
                continue;
            }
            // What cannot be read, or not be found, was told of where it is; so was a log that a head does not match.
            let is_known = streamed.is_none()
                && (root.is_err() || log.is_some_and(|log| self.broken.contains(&log.name())));
            // When batches could not be applied, a log that ends early is no news.
            let missing_is_known = self.blind && found < head.size;
            if !is_known && !missing_is_known {
                findings.push(Finding::Signer { origin: origin.to_owned(), signed: head.size, found });
            }
        }
        findings.into_iter().for_each(|finding| self.found(finding));
    }

    pub(super) fn found(&mut self, finding: Finding) {
        self.findings += 1;
        let broken: Vec<LogName> = match &finding {
            Finding::Frame { holds, .. }
            | Finding::Segment { holds, .. }
            | Finding::Block { holds, .. }
            | Finding::Unsigned { holds } => {
                holds.iter().filter_map(|span| self.name_of(&span.tenant, span.log)).collect()
            }
            Finding::Sum { span, .. }
            | Finding::Subtree { span, .. }
            | Finding::Hole { span }
            | Finding::Misplaced { span, .. } => self.name_of(&span.tenant, span.log).into_iter().collect(),
            Finding::Record { tenant, log, .. }
            | Finding::Sealed { tenant, log, .. }
            | Finding::Stranger { tenant, log, .. }
            | Finding::Kept { tenant, log, .. }
            | Finding::Entry { tenant, log, .. } => self.name_of(tenant, *log).into_iter().collect(),
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
        match &mut self.held {
            Some(held) => held.push(finding),
            None => (self.notice)(Notice::Found(finding)),
        }
    }

    fn name_of(&self, tenant: &TenantId, kind: LogKind) -> Option<LogName> {
        let index = self.state.log_index(&TenantLog { tenant: tenant.clone(), kind })?;
        Some(self.state.logs()[index as usize].name())
    }

    /// What came of it.
    pub(super) fn finish(self) -> Audited {
        let name = self.state.genesis().map(|genesis| genesis.name.clone()).unwrap_or_default();
        let logs = self.state.logs().iter().map(|log| AuditedLog {
            tenant: log.tenant.clone(),
            kind: log.kind,
            origin: log.origin(&name),
            size: log.size(),
            root: log.tree.root(),
            signed: self.matched.get(&log.name()).copied(),
            headed: self.headed.get(&log.name()).copied().unwrap_or(0),
            intact: !self.blind && !self.broken.contains(&log.name()),
        });
        let logs = logs.collect();
        let Self { state, kept, records, findings, tail_bytes, .. } = self;
        Audited { state, logs, records, findings, tail_bytes, keeps_heads: !kept.is_missing }
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
