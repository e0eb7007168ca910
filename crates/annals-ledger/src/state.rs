//! The ledger's state: a pure function of the journal's batches, applied one after another in their order.
//!
//! Duplicates, conflicts, all-or-nothing, positions, times and holes in a source's numbers are decided here and from
//! journalled state only. Nothing here reads a clock, draws a random number or touches a disk: recovery runs the same
//! [`State::apply`] over the same batches and arrives at the same trees.

mod heads;
mod outcome;
mod policies;
mod removals;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, RwLock};

use annals_event::redact::Redaction;
use annals_event::{Operation, Position, TenantId, Timestamp};
use annals_journal::Place;
use annals_segment::Damaged;
use annals_tree::head::SignedHead;
use annals_tree::note::VerifierKey;
use annals_tree::origin::LogName;
use annals_tree::tree::TreeError;
use annals_tree::{EntryKind, Hash, SecretRoot, root_at};
use bytes::Bytes;

use crate::batch::{self, Batch, Genesis, Item, LogId, LogKind, NewTenant, Records, SecretRef};
use crate::control::{Author, Control};
use crate::ids::{self, Found};
use crate::keys::Keys;
use crate::known::Known;
use crate::log::{Chunk, Log, Row};
use crate::manifest::{Manifest, TenantEntry};
use crate::marks::Marked;
use crate::nodes::{LogNodes, NodeError};
use crate::order::Spot;
use crate::policy::{Life, RedactionRule};
use crate::removal::Removal;
use crate::rotation::{self, Told};
use crate::sealed::{Part, Parts};
use crate::store::{Store, StoreError};
use crate::system::{self, SystemEvents};
use crate::tail::{Before, Stretch, Tail};

pub(crate) use self::heads::HeadBytes;
use self::heads::Heads;
pub use self::outcome::{Applied, ApplyError, Outcome, Refusal};

/// Index of the events log of `_annals`: the genesis makes it, so it is the first.
const CONTROL_LOG: u32 = 0;

/// Everything that the journal so far determines.
pub struct State {
    pub(crate) genesis: Option<Genesis>,
    pub(crate) logs: Vec<Log>,
    /// Index of the tenant's events log; its access log is the next one.
    pub(crate) tenants: BTreeMap<TenantId, u32>,
    pub(crate) by_name: BTreeMap<LogName, u32>,
    /// The newest records.
    pub(crate) tail: Tail,
    /// The records before them, while they are being sealed.
    pub(crate) sealing: Option<Arc<Frozen>>,
    /// All records before those.
    pub(crate) sealed: Arc<Parts>,
    /// Entries of which not all is carried out: what they take away is still in files.
    pub(crate) removals: Vec<Arc<Removal>>,
    /// Rises whenever records move from a tail into a segment, or from segments into another.
    pub(crate) epoch: u64,
    /// Rises whenever something is taken away of what was shown.
    pub(crate) taken: u64,
    pub(crate) keys: Arc<RwLock<Keys>>,
    system: SystemEvents,
    /// Logs that changed since the last head that was made.
    pub(crate) unsigned: BTreeSet<u32>,
    /// The last run has started and not stopped.
    pub(crate) running: bool,
    pub(crate) last_head_at: Option<i64>,
    /// Of each log its newest signed head.
    pub(crate) heads: Heads,
    pub(crate) next: Place,
    /// For audits: an event that cannot be looked for in a segment is taken not to be there.
    pub(crate) passes_damage: bool,
}

impl Default for State {
    fn default() -> Self {
        Self::new()
    }
}

impl State {
    /// A ledger before its first batch.
    #[must_use]
    pub fn new() -> Self {
        Self {
            genesis: None,
            logs: Vec::new(),
            tenants: BTreeMap::new(),
            by_name: BTreeMap::new(),
            tail: Tail::new(Place(0), 0, 0),
            sealing: None,
            sealed: Arc::default(),
            removals: Vec::new(),
            epoch: 0,
            taken: 0,
            keys: Arc::default(),
            system: SystemEvents::default(),
            unsigned: BTreeSet::new(),
            running: false,
            last_head_at: None,
            heads: Heads::default(),
            next: Place(0),
            passes_damage: false,
        }
    }

    /// What a manifest says, with its segments opened.
    pub(crate) fn restore(manifest: Manifest, store: &Store) -> Result<Self, StoreError> {
        let mut parts = Parts::default();
        for (slot, entry) in (0..).zip(&manifest.head.segments) {
            let segment = store.open(entry)?;
            let after = parts.iter().next_back().map_or(0, |part| part.seqs.end);
            parts.push(Arc::new(Part::new(entry.number, slot, segment, entry.bytes, after)?));
        }
        let mut state = Self::resume(manifest, parts);
        state.take_up_removals()?;
        Ok(state)
    }

    /// What a manifest says, with its segments open; the slot of each is its index in the manifest.
    pub(crate) fn resume(manifest: Manifest, parts: Parts) -> Self {
        let Manifest { head, tenants } = manifest;
        let mut state = Self::new();
        for TenantEntry { id, logs: [events, access] } in tenants {
            let index = state.add_tenant(id, (events.id, access.id));
            for (log, entry) in state.logs[index as usize..].iter_mut().zip([events, access]) {
                let Before { tree, last_received_at, sources } = entry.state;
                (log.tree, log.last_received_at, log.sources) = (tree, last_received_at, sources);
                entry.segments.into_iter().for_each(|slot| log.parts.insert(slot));
            }
        }
        state.sealed = Arc::new(parts);
        state.tail = Tail::new(head.place, head.next_seq, state.logs.len());
        state.genesis = Some(head.genesis);
        state.running = head.running;
        state.last_head_at = head.last_head_at;
        state.heads = Heads::resume(head.heads, &state.by_name);
        *state.keys.write().expect("no holder of this lock panics") = head.keys;
        state.next = head.place;
        state
    }

    /// Applies the next batch.
    ///
    /// # Errors
    ///
    /// [`ApplyError`]: the batch cannot follow what was applied before. The state is then not to be used further.
    pub fn apply(&mut self, place: Place, bytes: Bytes) -> Result<Applied, ApplyError> {
        self.apply_marked(place, bytes, None)
    }

    /// As [`State::apply`], with the marks of the batch's events where they are made already.
    pub(crate) fn apply_marked(
        &mut self,
        place: Place,
        bytes: Bytes,
        marks: Option<&Marked>,
    ) -> Result<Applied, ApplyError> {
        assert_eq!(place, self.next, "batches are applied in the journal's order, each once");
        let decoded = batch::decode(&bytes).map_err(|cause| ApplyError::Form { place, cause })?;
        let applied = match (decoded, &self.genesis) {
            (Batch::Genesis(genesis), None) => {
                self.begin(genesis);
                Applied::Genesis
            }
            (Batch::Records(records), Some(_)) => {
                Applied::Records(self.apply_records(place, &records, bytes, marks)?)
            }
            (Batch::Head(signed), Some(_)) => {
                self.check_head(place, &signed)?;
                Applied::Head
            }
            _ => return Err(ApplyError::Genesis { place }),
        };
        self.next = Place(place.0 + 1);
        Ok(applied)
    }

    fn begin(&mut self, genesis: Genesis) {
        self.add_tenant(TenantId::annals(), genesis.control_logs);
        self.genesis = Some(genesis);
    }

    fn add_tenant(&mut self, tenant: TenantId, (events, access): (LogId, LogId)) -> u32 {
        let index = u32::try_from(self.logs.len()).expect("two billion tenants do not fit in memory");
        self.logs.push(Log::new(events, LogKind::Tenant, tenant.clone()));
        self.logs.push(Log::new(access, LogKind::Access, tenant.clone()));
        for (offset, log) in (0..).zip(&self.logs[index as usize..]) {
            self.by_name.insert(log.name(), index + offset);
        }
        self.tenants.insert(tenant, index);
        index
    }

    fn apply_records(
        &mut self,
        place: Place,
        records: &Records,
        bytes: Bytes,
        marks: Option<&Marked>,
    ) -> Result<Vec<Outcome>, ApplyError> {
        assert!(marks.is_none_or(|marks| marks.len() == records.items.len()), "each event has its marks");
        let sealed = |cause| ApplyError::Sealed { place, cause: Box::new(cause) };
        if records.atomic
            && let Some(refused) = self.refuse_atomic(records, &bytes).map_err(sealed)?
        {
            return Ok(refused);
        }
        self.vouch_for_clock(records.accepted_at);
        let lives = self.lives_of(&records.tenants);
        if let Some(refused) = Self::refuse_ended(records, &lives) {
            return Ok(refused);
        }
        let roots: Vec<u32> = records.roots.iter().map(|root| self.tail.roots.number(root)).collect();
        let mut batch = InHand {
            place,
            accepted_at: records.accepted_at,
            looked_to: records.looked_to,
            chunk: u32::try_from(self.tail.chunks.len()).expect("batches in memory are far below 2^32"),
            roots,
            logs: Vec::new(),
            lives,
            veils: BTreeSet::new(),
            created: BTreeSet::new(),
            stored: false,
        };
        self.tail.chunks.push(bytes);
        for tenant in &records.tenants {
            let index = match (self.tenants.get(&tenant.id), &tenant.new) {
                (Some(index), _) => *index,
                (None, Some(new)) => self.create_tenant(&mut batch, &tenant.id, new),
                (None, None) => return Err(ApplyError::Tenant { place, tenant: tenant.id.clone() }),
            };
            batch.logs.push(index);
        }
        let mut outcomes = Vec::with_capacity(records.items.len());
        for (index, item) in records.items.iter().enumerate() {
            outcomes.push(self.apply_item(&mut batch, item, marks.map(|marks| marks.of(index)))?);
        }
        if !batch.veils.is_empty() {
            self.veil_logs(&batch.veils);
        }
        if batch.stored {
            self.tail.chunk_bytes += self.tail.chunks[batch.chunk as usize].len() as u64;
        } else {
            self.tail.chunks.pop();
        }
        Ok(outcomes)
    }

    fn apply_item(
        &mut self,
        batch: &mut InHand,
        item: &Item,
        marks: Option<&[u32]>,
    ) -> Result<Outcome, ApplyError> {
        let log = batch.logs[usize::from(item.tenant)] + u32::from(item.log == LogKind::Access);
        let row = self.row(batch, item, log);
        let event = row.event(&self.tail.chunks);
        let known = self.known(log, item, row.id(&self.tail.chunks), batch.looked_to);
        if let Some(Known { position, record }) =
            known.map_err(|cause| ApplyError::Sealed { place: batch.place, cause: Box::new(cause) })?
        {
            return Ok(match (position, record) {
                (Some(position), Ok((leaf, stored))) if stored.is(&event) => {
                    Outcome::Duplicate { position, leaf }
                }
                (Some(position), Ok(_)) => Outcome::Refused(Refusal::Conflict { position }),
                // Whichever of the two it is, nothing is stored: a replay comes to the same state.
                (position, _) => Outcome::Refused(Refusal::Unreadable { position }),
            });
        }
        if item.stated == Some(EntryKind::Key)
            && let Some(refusal) = self.apply_key(batch.place, log, &event)?
        {
            return Ok(Outcome::Refused(refusal));
        }
        if batch.is_ended(item) {
            return Ok(Outcome::Refused(Refusal::TenantEnded));
        }
        match item.stated {
            Some(EntryKind::Expiry) => {
                if let Some(refusal) = self.apply_expiry(log, &event, batch.accepted_at) {
                    return Ok(Outcome::Refused(refusal));
                }
            }
            Some(EntryKind::Erasure) => {
                if let Some(refusal) = self.refuse_erasure(log, &event) {
                    return Ok(Outcome::Refused(refusal));
                }
            }
            Some(EntryKind::Policy) => self.apply_told(log, &event, row.received_at),
            _ => {}
        }
        let is_control = item.system && item.stated.is_none() && item.log == LogKind::Tenant;
        if is_control && self.logs[log as usize].tenant.is_annals() {
            let control = Control::from_event(&event)
                .map_err(|cause| ApplyError::Control { place: batch.place, cause })?;
            control.check().map_err(|cause| ApplyError::Control { place: batch.place, cause })?;
            if let Some(refusal) = self.refuse_control(batch, &control) {
                return Ok(Outcome::Refused(refusal));
            }
            let (position, leaf) = self.store(batch, log, row, marks);
            self.apply_control(control, batch.accepted_at);
            return Ok(Outcome::Created { position, leaf });
        }
        let (position, leaf) = self.store(batch, log, row, marks);
        if let Some(kind) = item.stated {
            let takes = self.take_away(log, position, kind, &event);
            batch.veils.extend(takes.then_some(log));
        }
        if let (Some((source, seq)), Some(spare)) = (item.source, item.spare)
            && let Some(hole) = self.logs[log as usize].advance(source, seq)
        {
            let made = system::source_gap(&event, hole);
            self.add_system(batch, log, spare, &made);
        }
        Ok(Outcome::Created { position, leaf })
    }

    fn row(&self, batch: &InHand, item: &Item, log: u32) -> Row {
        let class = batch.life(item).map_or(0, |life| {
            let event = item.event(&self.tail.chunks[batch.chunk as usize]);
            life.class_of(item.log, item.system, item.stated, event)
        });
        Row {
            chunk: batch.chunk,
            bytes: item.bytes,
            id_at: item.id_at,
            id_hash: item.id_hash,
            operation: item.operation,
            derived: item.derived,
            system: item.system,
            stated: item.stated,
            class,
            root: batch.roots[usize::from(item.secret.root)],
            counter: item.secret.counter,
            received_at: self.received_at(batch, log),
            occurred_at: item.occurred_at,
            seq: None,
            commitment: item.commitment,
        }
    }

    /// The acceptor's time, or the log's last where that is later: a log's times never fall.
    fn received_at(&self, batch: &InHand, log: u32) -> Timestamp {
        self.logs[log as usize].last_received_at.map_or(batch.accepted_at, |last| last.max(batch.accepted_at))
    }

    /// The one place where a record gets its position, ledger number and leaf.
    fn store(
        &mut self,
        batch: &mut InHand,
        index: u32,
        mut row: Row,
        marks: Option<&[u32]>,
    ) -> (Position, Hash) {
        let log = &mut self.logs[index as usize];
        let found = Found { log: index, position: Position(log.size()) };
        let stretch = self.tail.stretches.entry(index).or_insert_with(|| Stretch::after(log));
        if log.kind == LogKind::Tenant {
            let happened_at = row.happened_at();
            let in_stretch = u32::try_from(stretch.rows.len()).expect("rows in memory are far below 2^32");
            let seq = self.tail.order.push(Spot { log: index, row: in_stretch, happened_at }).0;
            row.seq = Some(seq);
            self.tail.times.push(happened_at, seq);
            match marks {
                Some(marks) => self.tail.marks.push(marks),
                None => {
                    let operation = Operation::from_code(row.operation).unwrap_or(Operation::Other);
                    self.tail.marks.push_unmarked(row.event_in(&self.tail.chunks), operation);
                }
            }
        }
        let stored = log.push(stretch, row, &self.tail.chunks);
        self.tail.ids.insert(row.id_hash, found);
        self.tail.records += 1;
        self.tail.since.get_or_insert(batch.accepted_at);
        self.unsigned.insert(index);
        batch.stored = true;
        stored
    }

    /// A record that annals adds by itself while applying; its bytes are a chunk of their own.
    fn add_system(&mut self, batch: &mut InHand, log: u32, secret: SecretRef, event: &serde_json::Value) {
        let root = batch.roots[usize::from(secret.root)];
        let seed = SecretRoot::from_bytes(self.tail.roots.seeds[root as usize]);
        let made = self.system.make(event, &seed.secret(secret.counter));
        let tenant = self.logs[log as usize].tenant.clone();
        let id_hash = self.id_hash(&tenant, self.logs[log as usize].kind, made.id.as_bytes());
        let row = Row {
            chunk: u32::try_from(self.tail.chunks.len()).expect("batches in memory are far below 2^32"),
            bytes: (0, u32::try_from(made.bytes.len()).expect("our own events are small")),
            id_at: made.id_at,
            id_hash,
            operation: made.operation.code(),
            derived: false,
            system: true,
            stated: None,
            class: 0,
            root,
            counter: secret.counter,
            received_at: self.received_at(batch, log),
            occurred_at: None,
            seq: None,
            commitment: made.commitment,
        };
        self.tail.chunk_bytes += made.bytes.len() as u64;
        self.tail.chunks.push(Bytes::from(made.bytes));
        self.store(batch, log, row, None);
    }

    fn create_tenant(&mut self, batch: &mut InHand, tenant: &TenantId, new: &NewTenant) -> u32 {
        let index = self.add_tenant(tenant.clone(), (new.events, new.access));
        batch.created.insert(tenant.as_str().to_owned());
        if !new.announced {
            let event =
                Control::TenantCreated { tenant: tenant.as_str().to_owned() }.to_event(&Author::System);
            self.add_system(batch, CONTROL_LOG, new.secret, &event);
        }
        index
    }

    /// What an entry of kind 5 changes.
    fn apply_key(&mut self, place: Place, log: u32, event: &[u8]) -> Result<Option<Refusal>, ApplyError> {
        let told = rotation::read(event);
        let mut keys = self.keys.write().expect("no holder of this lock panics");
        if log != CONTROL_LOG {
            // A verifier believes such an entry: one that the rotation does not come before was not made here, and what is behind
            // it may be signed by a key that stepped back.
            return match told.map(|(_, succession)| keys.rotations.tell(log, &succession)) {
                Some(Told::Paid) => Ok(None),
                Some(Told::NotOwed) => Ok(Some(Refusal::Told)),
                Some(Told::Unknown) | None => Err(ApplyError::Succession { place }),
            };
        }
        let genesis = self.genesis.as_ref().expect("records follow the genesis");
        // Empty logs, too: somebody may remember a checkpoint over nothing.
        let owing = (0..).zip(&self.logs).map(|(index, _)| index).filter(|index| *index != CONTROL_LOG);
        let is_next = told.is_some_and(|(_, succession)| keys.rotations.rotate(succession, genesis, owing));
        if is_next { Ok(None) } else { Err(ApplyError::Succession { place }) }
    }

    /// The key in force, named after the ledger; none before the genesis.
    pub(crate) fn signing_key(&self) -> Option<VerifierKey> {
        let keys = self.keys.read().expect("no holder of this lock panics");
        keys.rotations.current(self.genesis.as_ref()?)
    }

    /// What is taken out of a tenant's events before they are kept, if anything is.
    pub(crate) fn redaction(&self, tenant: &TenantId) -> Option<Arc<Redaction>> {
        self.keys.read().expect("no holder of this lock panics").policies.redaction(tenant)
    }

    /// The rules behind that.
    pub(crate) fn redaction_rules(&self, tenant: &TenantId) -> Vec<RedactionRule> {
        self.keys.read().expect("no holder of this lock panics").policies.redaction_rules(tenant).to_vec()
    }

    /// Whether a log has to say who signs it before it is signed.
    pub(crate) fn owes_key(&self, log: u32) -> bool {
        self.keys.read().expect("no holder of this lock panics").rotations.owes(log)
    }

    fn refuse_control(&self, batch: &InHand, control: &Control) -> Option<Refusal> {
        match control {
            Control::TenantCreated { tenant } => {
                (!batch.created.contains(tenant)).then_some(Refusal::TenantExists)
            }
            Control::KeyEnded { end } => {
                let keys = self.keys.read().expect("no holder of this lock panics");
                keys.by_id(&end.key_id).is_none().then_some(Refusal::KeyMissing)
            }
            Control::ViewSaved { view } => {
                let keys = self.keys.read().expect("no holder of this lock panics");
                keys.may_save_view(view, batch.accepted_at).is_err().then_some(Refusal::View)
            }
            Control::ViewRemoved { tenant, owner, name } => {
                let keys = self.keys.read().expect("no holder of this lock panics");
                (!keys.views.has(tenant.as_deref(), owner, name)).then_some(Refusal::View)
            }
            Control::ErasureRequested { erasure } => self.refuse_case(|cases| cases.may_begin(erasure)),
            Control::ErasureApproved { case, by } => self.refuse_case(|cases| cases.may_approve(case, by)),
            Control::ErasureWithdrawn { case, unless_begun } => self.refuse_withdrawal(case, *unless_begun),
            _ => self.refuse_policy(control, batch.accepted_at),
        }
    }

    fn apply_control(&mut self, control: Control, now: Timestamp) {
        let mut keys = self.keys.write().expect("no holder of this lock panics");
        match control {
            Control::KeyCreated { key, replaces } => {
                // A reset, unlike a rotation, says nothing of an overlap.
                if key.operator && replaces.is_empty() {
                    keys.end_operator(now);
                }
                let new = key.id.clone();
                keys.insert_for(key, now);
                for end in replaces {
                    keys.views.replace_key(&end.key_id, &new);
                    keys.expire(&end, now);
                }
            }
            Control::KeyEnded { end } => keys.expire(&end, now),
            Control::RedactionSet { tenant, rules } => {
                keys.policies.set_redaction(&tenant, rules);
            }
            Control::RetentionSet { .. }
            | Control::HoldBegan { .. }
            | Control::HoldEnded { .. }
            | Control::TenantEnded { .. } => Self::apply_policy(&mut keys, &control, now),
            Control::ErasureRequested { erasure } => {
                keys.policies.erasures.begin(erasure, now.as_micros());
            }
            Control::ErasureApproved { case, by } => keys.policies.erasures.approve(&case, by),
            Control::ErasureWithdrawn { case, .. } => keys.policies.erasures.withdraw(&case),
            Control::ErasureOrdered { case, counts } => {
                let is_begun = self.has_removal_of(&case) || keys.policies.erasures.is_begun(&case);
                keys.policies.erasures.order(&case, counts, now.as_micros(), is_begun);
            }
            Control::ErasureDone { case } => {
                keys.policies.erasures.finish(&case, now.as_micros());
            }
            Control::ViewSaved { view } => keys.save_view(view, now),
            Control::ViewRemoved { tenant, owner, name } => {
                keys.views.remove(tenant.as_deref(), &owner, &name);
            }
            Control::RemovalsDone { entries } => {
                drop(keys);
                self.let_go(&entries);
            }
            Control::ServerStarted { clock_known_us, .. } => {
                keys.policies.clock_known_us = clock_known_us;
                self.running = true;
            }
            Control::ServerStopped { clock_known_us } => {
                keys.policies.clock_known_us = clock_known_us.or(keys.policies.clock_known_us);
                self.running = false;
            }
            Control::TenantCreated { .. }
            | Control::IngestRefused { .. }
            | Control::AccessGap { .. }
            | Control::ScrubEnded { .. }
            | Control::ScrubFound { .. } => {}
            Control::ClockConfirmed { confirmed_at_us, .. } => {
                keys.policies.clock_known_us = confirmed_at_us.filter(|_| self.newest() > Some(now));
            }
        }
    }

    /// The tails, the newest first.
    pub(crate) fn tails(&self) -> impl Iterator<Item = &Tail> {
        std::iter::once(&self.tail).chain(self.sealing.as_deref().map(|frozen| &frozen.tail))
    }

    /// The record with this id in one of the tails.
    pub(crate) fn find_in_tails(&self, log: u32, id_hash: u64, id: &[u8]) -> Option<(&Tail, Position)> {
        Self::find_in(self.tails(), log, id_hash, id)
    }

    /// The record with this id in one of some tails.
    pub(crate) fn find_in<'a>(
        mut tails: impl Iterator<Item = &'a Tail>,
        log: u32,
        id_hash: u64,
        id: &[u8],
    ) -> Option<(&'a Tail, Position)> {
        tails.find_map(|tail| {
            let is_it = |found: Found| {
                found.log == log
                    && tail.row(log, found.position).is_some_and(|row| row.id(&tail.chunks) == id)
            };
            tail.ids.find(id_hash, is_it).map(|found| (tail, found.position))
        })
    }

    /// The outcomes of an all-or-nothing batch of which one item conflicts, or none when all may be stored.
    fn refuse_atomic(&self, records: &Records, bytes: &Bytes) -> Result<Option<Vec<Outcome>>, Damaged> {
        let mut seen: BTreeMap<(u16, LogKind, &[u8]), usize> = BTreeMap::new();
        let mut conflicts: Vec<Option<Refusal>> = Vec::with_capacity(records.items.len());
        for item in &records.items {
            let known = match self.tenants.get(&records.tenants[usize::from(item.tenant)].id) {
                None => None,
                Some(log) => {
                    let log = log + u32::from(item.log == LogKind::Access);
                    self.known(log, item, item.id(bytes), records.looked_to)?
                }
            };
            conflicts.push(match known {
                None => None,
                Some(known) => known.conflict(item, item.event(bytes))?,
            });
        }
        let repeats: Vec<bool> = records
            .items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let first = *seen.entry((item.tenant, item.log, item.id(bytes))).or_insert(index);
                records.items[first].event(bytes) != item.event(bytes)
            })
            .collect();
        if conflicts.iter().all(Option::is_none) && !repeats.contains(&true) {
            return Ok(None);
        }
        let refused = conflicts.iter().zip(repeats).map(|(conflict, repeat)| {
            Outcome::Refused(match (conflict, repeat) {
                (Some(conflict), _) => *conflict,
                (None, true) => Refusal::ConflictInBatch,
                (None, false) => Refusal::Atomic,
            })
        });
        Ok(Some(refused.collect()))
    }

    fn id_hash(&self, tenant: &TenantId, log: LogKind, id: &[u8]) -> u64 {
        let genesis = self.genesis.as_ref().expect("records follow the genesis");
        ids::id_hash(&genesis.id_key, tenant, log, id)
    }

    fn check_head(&mut self, place: Place, signed: &[u8]) -> Result<(), ApplyError> {
        let genesis = self.genesis.as_ref().expect("the caller saw a genesis");
        let key = self.signing_key().ok_or(ApplyError::HeadSignature { place })?;
        let bytes = signed;
        let signed = SignedHead::decode(bytes).map_err(|_| ApplyError::HeadSignature { place })?;
        let head = signed.verify(&key).map_err(|_| ApplyError::HeadSignature { place })?;
        let mut claims = Vec::with_capacity(head.logs.len());
        for claim in &head.logs {
            let found = match self.by_name.get(&claim.log) {
                None => None,
                Some(index) => self
                    .root_at(*index, claim.size)
                    .map_err(|cause| ApplyError::Sealed { place, cause: Box::new(cause) })?,
            };
            if found != Some(claim.root) {
                let origin = claim.log.origin(&genesis.name);
                return Err(ApplyError::Head { place, origin, size: claim.size });
            }
            claims.extend(self.by_name.get(&claim.log).map(|index| (*index, claim.size)));
        }
        self.last_head_at = Some(head.at_us);
        for (log, size) in &claims {
            // Only now: a head may be signed and not come into the journal.
            if self.logs[*log as usize].size() == *size {
                self.unsigned.remove(log);
            }
        }
        self.heads.note(Arc::from(bytes), &claims);
        let to_renew = self.heads.to_renew(&self.by_name);
        self.unsigned.extend(to_renew);
        Ok(())
    }

    /// The root when a log had `size` records, or none when it never had that many, or has other ones by now.
    pub(crate) fn root_at(&self, log: u32, size: u64) -> Result<Option<Hash>, Damaged> {
        if size > self.logs[log as usize].size() {
            return Ok(None);
        }
        match root_at(size, &LogNodes::new(self, log)) {
            Ok(root) => Ok(Some(root)),
            Err(TreeError::Source(NodeError::Damaged(damaged))) => {
                self.root_in_tails(log, size).map(Some).ok_or(*damaged)
            }
            Err(_) => Ok(None),
        }
    }

    /// The root at a size that the tails reach, made of what they hold alone.
    fn root_in_tails(&self, log: u32, size: u64) -> Option<Hash> {
        let mut tails: Vec<&Tail> = self.tails().collect();
        tails.reverse();
        let stretches: Vec<_> =
            tails.iter().filter_map(|tail| Some((tail.stretches.get(&log)?, &tail.chunks))).collect();
        let mut tree = match stretches.first() {
            Some((stretch, _)) => stretch.before.tree.clone(),
            None => self.logs[log as usize].tree.clone(),
        };
        let rows =
            stretches.iter().flat_map(|(stretch, chunks)| stretch.rows.iter().map(move |row| (row, chunks)));
        for (row, chunks) in rows {
            if tree.size() >= size {
                break;
            }
            tree.push(row.leaf(chunks), &mut |_, _, _| {});
        }
        (tree.size() == size).then(|| tree.root())
    }

    /// Ends the tail before the next batch: from now on it is only read, until it is sealed. Nothing else is being sealed.
    pub(crate) fn freeze(&mut self) -> Arc<Frozen> {
        assert!(self.sealing.is_none(), "one tail is sealed at a time");
        let next = Tail::new(self.next, self.tail.order.next(), self.logs.len());
        let tail = std::mem::replace(&mut self.tail, next);
        let keys = self.keys.read().expect("no holder of this lock panics").clone();
        let frozen = Arc::new(Frozen {
            tail,
            keys,
            running: self.running,
            last_head_at: self.last_head_at,
            heads: self.heads.to_keep(&self.logs),
        });
        self.sealing = Some(frozen.clone());
        frozen
    }
}

/// A tail that does not change any more, and what else the ledger was at its end.
pub(crate) struct Frozen {
    pub(crate) tail: Tail,
    pub(crate) keys: Keys,
    pub(crate) running: bool,
    pub(crate) last_head_at: Option<i64>,
    /// Signed heads before its end.
    pub(crate) heads: Option<HeadBytes>,
}

/// The batch being applied.
struct InHand {
    place: Place,
    accepted_at: Timestamp,
    /// Up to where the acceptor looked for the ids.
    looked_to: Option<Place>,
    chunk: Chunk,
    /// The ledger's numbers of the batch's roots.
    roots: Vec<u32>,
    /// The ledger's indexes of the batch's tenants' event logs.
    logs: Vec<u32>,
    /// What is said of how long records of the batch's tenants live; empty where that is said of no tenant.
    lives: Vec<Option<Arc<Life>>>,
    /// Logs of which something is taken away.
    veils: BTreeSet<u32>,
    /// Tenants that begin with this batch.
    created: BTreeSet<String>,
    /// Whether any record refers to the batch's bytes.
    stored: bool,
}

/// Secret roots, numbered in the order the journal brought them.
#[derive(Default)]
pub(crate) struct Roots {
    pub(crate) seeds: Vec<[u8; 32]>,
    numbers: BTreeMap<[u8; 32], u32>,
}

impl Roots {
    fn number(&mut self, seed: &[u8; 32]) -> u32 {
        *self.numbers.entry(*seed).or_insert_with(|| {
            self.seeds.push(*seed);
            u32::try_from(self.seeds.len() - 1).expect("4,096 events a root, so far below 2^32 roots")
        })
    }
}
