//! Carrying out what was decided: finding what speaks of a subject, ordering that it goes, and saying so when it is gone.

use annals_event::filter::{Field, Literal, Path, Test};

use super::*;
use crate::erasure::{
    CaseError, ERASED_RECORDS_MAX, ErasureCase, ErasureCounts, ErasurePreview, ErasureStage, FreeText,
    NewErasure, Order, Subject, entry, hex, look_into,
};
use crate::removal::{Removal, RemovalAt};

/// Records that are looked at between two looks whether somebody still waits.
const RECORDS_AT_ONCE: usize = 1_000;

/// Work for one such turn, µs.
const TURN_US_MAX: u64 = 5_000_000;

/// Entries in one batch.
const ENTRIES_AT_ONCE: usize = 32;

/// Entries that one record says are carried out.
const GONE_AT_ONCE: usize = 500;

/// The tail is sealed, and the journal shortened, so often at most until batches are gone from it: their file ends with one of
/// these times and goes with the next.
const SEALS_MAX: usize = 8;

/// Waits of a second for one of them; whatever is sealed or merged meanwhile ends one.
const SEAL_WAITS_MAX: usize = 300;

/// Why a case cannot be looked into, ordered or ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// A segment cannot be read.
    #[error(transparent)]
    Damaged(#[from] Box<Damaged>),
    /// Nothing could be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// It takes more than a case may.
    #[error("more than {ERASED_RECORDS_MAX} records speak of this subject; name it more closely")]
    TooMuch,
    /// A stored event is no event.
    #[error("the record at position {0} is no event")]
    Event(u64),
    /// A hold or a rule changed after the case was planned. What was ordered before that stays so; the rest is planned anew.
    #[error("holds or rules changed meanwhile; the case is planned anew")]
    Held,
    /// The ledger did not take an entry of the case.
    #[error("an entry of the case was not taken")]
    Refused,
    /// The case is not to be carried out.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Records could not be sealed in time.
    #[error("records could not be sealed in time: {0}")]
    Unsealed(String),
}

impl From<Damaged> for EraseError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(Box::new(damaged))
    }
}

/// What a case takes, record by record.
#[derive(Debug)]
pub struct ErasurePlan {
    case: ErasureCase,
    orders: Vec<OrderIn>,
    preview: ErasurePreview,
}

/// What it takes of one log.
#[derive(Debug)]
struct OrderIn {
    log: TenantLog,
    /// The version of the tenant's policies, holds among them, that it was planned under.
    policy: u64,
    order: Order,
}

impl ErasurePlan {
    /// What it takes, in numbers.
    #[must_use]
    pub fn preview(&self) -> &ErasurePreview {
        &self.preview
    }
}

impl Ledger {
    /// All cases of erasure that are open, and those that were closed lately.
    #[must_use]
    pub fn erasures(&self) -> Vec<ErasureCase> {
        let keys = self.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        keys.policies.erasures.iter().cloned().collect()
    }

    /// A case.
    #[must_use]
    pub fn erasure(&self, case: &str) -> Option<ErasureCase> {
        let keys = self.keys();
        let keys = keys.read().expect("no holder of this lock panics");
        keys.policies.erasures.get(case).cloned()
    }

    /// A name for a new case.
    #[must_use]
    pub fn new_case(&self) -> String {
        format!("{:016x}", u64::from_be_bytes(random(&*self.shared.entropy)))
    }

    /// Begins a case; who asks has approved it.
    ///
    /// # Errors
    ///
    /// [`EraseError::Case`], [`EraseError::Commit`].
    pub async fn request_erasure(&self, new: NewErasure, author: &Author) -> Result<(), EraseError> {
        let may = |keys: &Keys| keys.policies.erasures.may_begin(&new);
        may(&self.keys().read().expect("no holder of this lock panics"))?;
        self.change_case(Control::ErasureRequested { erasure: new.clone() }, author, CaseError::Exists).await
    }

    /// Approves a case.
    ///
    /// # Errors
    ///
    /// [`EraseError::Case`], [`EraseError::Commit`].
    pub async fn approve_erasure(&self, case: &str, by: &str, author: &Author) -> Result<(), EraseError> {
        self.keys().read().expect("no holder of this lock panics").policies.erasures.may_approve(case, by)?;
        let control = Control::ErasureApproved { case: case.to_owned(), by: by.to_owned() };
        self.change_case(control, author, CaseError::Closed).await
    }

    /// Gives a case up.
    ///
    /// # Errors
    ///
    /// [`EraseError::Case`], [`EraseError::Commit`].
    pub async fn withdraw_erasure(&self, case: &str, author: &Author) -> Result<(), EraseError> {
        self.keys().read().expect("no holder of this lock panics").policies.erasures.may_withdraw(case)?;
        let control = Control::ErasureWithdrawn { case: case.to_owned(), unless_begun: true };
        self.change_case(control, author, CaseError::Closed).await
    }

    /// Somebody may have come first: `else_` says of what.
    async fn change_case(
        &self,
        control: Control,
        author: &Author,
        else_: CaseError,
    ) -> Result<(), EraseError> {
        if self.change(control, author).await? { Ok(()) } else { Err(else_.into()) }
    }

    /// Finds what a case takes. Blocks for as long as it takes to look at every record that may speak of the subject.
    ///
    /// # Errors
    ///
    /// [`EraseError`].
    ///
    /// # Panics
    ///
    /// When the case's subject is not one: it was checked when the case began.
    pub fn plan_erasure(&self, case: &ErasureCase) -> Result<ErasurePlan, EraseError> {
        self.plan(case, false)
    }

    /// `sealed_only` leaves out what is in a tail: an entry speaks of records that are sealed.
    fn plan(&self, case: &ErasureCase, sealed_only: bool) -> Result<ErasurePlan, EraseError> {
        let subject = Subject::new(&case.values).expect("it was checked when the case began");
        let mut plan =
            ErasurePlan { case: case.clone(), orders: Vec::new(), preview: ErasurePreview::default() };
        let Ok(tenant) = TenantId::from_stored(&case.tenant) else { return Ok(plan) };
        for kind in [LogKind::Tenant, LogKind::Access] {
            let log = TenantLog { tenant: tenant.clone(), kind };
            plan.preview.of += self.feed_size(&FeedScope::Log(log.clone())).unwrap_or(0);
            self.plan_in(&mut plan, log, &subject, &subject.matcher(), sealed_only)?;
        }
        Ok(plan)
    }

    /// Finds what the ledger's own log says of the subject: the record that began the case.
    fn plan_in_own(&self, plan: &mut ErasurePlan) -> Result<(), EraseError> {
        // Only what began this very case: whoever asks for a tenant has no say in records of others.
        let subject = Subject::new(&plan.case.values).expect("it was checked when the case began");
        let names_it = Test::In(vec![Literal::Text(plan.case.case.as_str().into())]);
        let names_it =
            Condition::Field(Field::Member(Path::new(&["metadata", "control", "erasure", "case"])), names_it);
        let begun = Condition::All(vec![names_it, subject.matcher().condition().clone()]);
        let log = TenantLog { tenant: TenantId::annals(), kind: LogKind::Tenant };
        // What it takes of these is not of the tenant's records, which the numbers speak of.
        let preview = plan.preview.clone();
        self.plan_in(plan, log, &subject, &Arc::new(Matcher::new(begun)), true)?;
        plan.preview = preview;
        Ok(())
    }

    fn plan_in(
        &self,
        plan: &mut ErasurePlan,
        log: TenantLog,
        subject: &Subject,
        matcher: &Arc<Matcher>,
        sealed_only: bool,
    ) -> Result<(), EraseError> {
        let scope = FeedScope::Log(log.clone());
        let end = if sealed_only { self.state().sealed_end(&log) } else { u64::MAX };
        // Before its holds: whatever changes from here on is noticed.
        let policy = self.state().life(log.tenant.as_str()).map_or(0, |life| life.version());
        let holds = self.hold_matchers(&log);
        let (mut order, mut from) = (Order::default(), 0);
        let mut document = annals_event::json::Document::default();
        loop {
            let page = self.feed_matching(&scope, from, RECORDS_AT_ONCE, matcher, TURN_US_MAX)?;
            let Some(page) = page else { break };
            for record in &page.records {
                if record.stated.is_some() || record.position.0 >= end {
                    continue;
                }
                let hits =
                    look_into(subject, record, &mut document).ok_or(EraseError::Event(record.position.0))?;
                if hits.found.is_empty() {
                    continue;
                }
                let counts = &mut plan.preview.counts;
                counts.in_envelope += u64::from(hits.in_envelope());
                let is_held =
                    holds.iter().any(|hold| hold.matches(&mut document, &record.event, &record.known()));
                let mut units = hits.units;
                match plan.case.text {
                    FreeText::Erase => units.extend(&hits.text),
                    FreeText::Keep => counts.text_kept += u64::from(!hits.text.is_empty()),
                }
                units.sort_unstable();
                plan.preview.note(hits.found, hits.names);
                let counts = &mut plan.preview.counts;
                if units.is_empty() {
                    continue;
                }
                if is_held {
                    counts.held += 1;
                    continue;
                }
                counts.records += 1;
                counts.units += units.len() as u64;
                if counts.records > ERASED_RECORDS_MAX {
                    return Err(EraseError::TooMuch);
                }
                order.add(units, record.position.0);
            }
            if page.next >= page.size || page.next == from {
                break;
            }
            from = page.next;
        }
        if !order.is_empty() {
            plan.orders.push(OrderIn { log, policy, order });
        }
        Ok(())
    }

    /// Has everything that a case takes sealed, so that it can be ordered. Blocks.
    ///
    /// # Errors
    ///
    /// [`EraseError::Unsealed`].
    pub fn prepare_erasure(&self) -> Result<(), EraseError> {
        // What comes from now on shares no secret root with what goes, but for requests on their way.
        self.shared.acceptor.renew_secrets();
        self.seal_now()
    }

    /// Plans an approved case once more, with what the ledger's own logs say of the subject, and orders it: when this returns nobody
    /// can read what it takes. [`Ledger::prepare_erasure`] comes before.
    ///
    /// # Errors
    ///
    /// [`EraseError`]. It can be tried again.
    pub async fn order_erasure(&self, mut plan: ErasurePlan) -> Result<(), EraseError> {
        let orders = std::mem::take(&mut plan.orders);
        let case = plan.case.clone();
        // Planning takes its time, and somebody may have thought better of it.
        if self.erasure(&case.case).is_none_or(|now| now.stage != ErasureStage::Approved) {
            return Err(CaseError::Closed.into());
        }
        let pseudonym = self.pseudonym(&case);
        let approvers = self.approvers(&case);
        for OrderIn { log, policy, order } in orders {
            let mut entries = order.entries(&case, &pseudonym, &approvers);
            entries.iter_mut().for_each(|entry| entry["metadata"]["policy"] = policy.into());
            let is_of_tenant = log.tenant.as_str() == case.tenant;
            for entries in entries.chunks(ENTRIES_AT_ONCE) {
                let stated = self.state_in(&log, EntryKind::Erasure, entries).await?;
                if stated.len() != entries.len() {
                    return Err(if is_of_tenant { EraseError::Held } else { EraseError::Refused });
                }
            }
        }
        let taken = self.erasure(&case.case).and_then(|now| now.taken).unwrap_or_default();
        let counts = ErasureCounts { records: taken.records, units: taken.units, ..plan.preview.counts };
        let name = case.case.clone();
        self.change(Control::ErasureOrdered { case: case.case, counts }, &Author::System).await?;
        // One with nothing to take may have been withdrawn meanwhile.
        let is_given_up = self.erasure(&name).is_some_and(|now| now.stage == ErasureStage::Withdrawn);
        if is_given_up { Err(CaseError::Closed.into()) } else { Ok(()) }
    }

    /// As [`Ledger::plan_erasure`], for a case that is to be ordered. Blocks.
    ///
    /// # Errors
    ///
    /// [`EraseError`].
    pub fn plan_order(&self, case: &ErasureCase) -> Result<ErasurePlan, EraseError> {
        let mut plan = self.plan(case, true)?;
        self.plan_in_own(&mut plan)?;
        Ok(plan)
    }

    /// What reads in the place of the subject: the same for all of a case, and nothing follows from it.
    fn pseudonym(&self, case: &ErasureCase) -> String {
        use sha2::{Digest as _, Sha256};
        let hash = Sha256::new_with_prefix(b"annals pseudonym").chain_update(self.shared.cursor_key);
        let hash: [u8; 32] = hash.chain_update(&case.case).finalize().into();
        format!("erased-{}", hex(&hash[..4]))
    }

    /// Who approved, as a keyed hash: whoever has the ledger can show it, and nobody can try names out.
    fn approvers(&self, case: &ErasureCase) -> String {
        use sha2::{Digest as _, Sha256};
        let mut hash = Sha256::new_with_prefix(b"annals approvers").chain_update(self.shared.cursor_key);
        hash.update(&case.case);
        for by in &case.approved_by {
            hash.update([0]);
            hash.update(by);
        }
        hex(&hash.finalize())
    }

    /// Seals what is in the tail, and waits until a manifest says so. Blocks.
    ///
    /// # Errors
    ///
    /// [`EraseError::Unsealed`].
    pub fn seal_now(&self) -> Result<(), EraseError> {
        let sealing = &self.shared.sealing;
        let wanted = self.state().next();
        let is_sealed = || sealing.stated_to.load(Ordering::Acquire) >= wanted.0;
        sealing.wanted.fetch_max(wanted.0, Ordering::AcqRel);
        sealing.tell();
        let mut waits = 0;
        while !is_sealed() {
            waits += 1;
            if waits > SEAL_WAITS_MAX || self.shared.stopping.load(Ordering::Acquire) {
                let why = self.shared.health().segments.clone();
                return Err(EraseError::Unsealed(why.unwrap_or_else(|| "it takes too long".to_owned())));
            }
            sealing.wait(sealing.turns(), TICK);
        }
        Ok(())
    }

    /// Removals whose bytes are in no segment any more, but may be in the journal.
    fn rewritten(&self) -> Vec<Arc<Removal>> {
        self.state().removals.iter().filter(|removal| removal.is_rewritten()).cloned().collect()
    }

    /// What keeps records of a log from being erased.
    fn hold_matchers(&self, log: &TenantLog) -> Vec<Arc<Matcher>> {
        self.holds(&log.tenant).into_iter().map(|(_, matcher)| matcher).collect()
    }

    /// Whether something waits to be said gone.
    #[must_use]
    pub fn has_rewritten(&self) -> bool {
        !self.rewritten().is_empty()
    }

    /// Has files go that held what was rewritten: segments that manifests name still, and the journal. Blocks. Gives what is gone.
    ///
    /// # Errors
    ///
    /// [`EraseError::Unsealed`].
    pub fn clear_rewritten(&self) -> Result<Vec<RemovalAt>, EraseError> {
        let rewritten = self.rewritten();
        if rewritten.is_empty() {
            return Ok(Vec::new());
        }
        let journal_to = self.state().next().0;
        for _ in 0..SEALS_MAX {
            self.seal_now()?;
            // Both manifests that are kept are to be newer than the rewriting, and the journal is shortened by that.
            self.shared.sealing.again.store(true, Ordering::Release);
            self.shared.sealing.tell();
            std::thread::sleep(TICK / 2);
            if self.shared.sealing.journal_first.load(Ordering::Acquire) >= journal_to {
                return Ok(rewritten.iter().map(|removal| removal.name()).collect());
            }
        }
        Err(EraseError::Unsealed("the journal has not let go of old batches yet".to_owned()))
    }

    /// Says that removals are carried out, and which cases are done with that.
    ///
    /// # Errors
    ///
    /// [`EraseError::Commit`]. It can be tried again.
    pub async fn finish_removals(&self, gone: Vec<RemovalAt>) -> Result<(), EraseError> {
        let cases = self.state().cases_of(&gone);
        for (case, log) in cases {
            let Some(case) = self.erasure(&case) else { continue };
            let done = entry(&case, "done", Vec::new(), &self.approvers(&case));
            self.state_in(&log, EntryKind::Erasure, &[done]).await?;
        }
        for entries in gone.chunks(GONE_AT_ONCE) {
            self.change(Control::RemovalsDone { entries: entries.to_vec() }, &Author::System).await?;
        }
        for case in self.erasures() {
            let is_over = case.stage == ErasureStage::Ordered && !self.state().has_removal_of(&case.case);
            if is_over {
                self.change(Control::ErasureDone { case: case.case }, &Author::System).await?;
            }
        }
        Ok(())
    }
}
