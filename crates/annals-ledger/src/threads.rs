//! The threads of a running ledger: one writes the journal, one applies, one signs heads, one seals, one merges.
//!
//! Under load one flushes while the next applies. When nothing else waits, the journal's thread applies what it has just
//! flushed itself: waking another thread would cost a lone sender more than the work does.

use std::collections::BTreeMap;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicUsize;

use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::*;
use annals_tree::succession::Succession;

use crate::marks::Marked;
use crate::rotation;
use crate::seal::{Done, Merged, SealError};
use crate::signing::signed_at_most;

/// Niceness of the thread that seals.
const SEALING_NICENESS: i32 = 10;

/// Niceness of the thread that merges: whoever has to wait waits for what is sealed, never for what is merged.
const MERGING_NICENESS: i32 = 15;

/// Ticks after a merge that failed: it is much work, and what is wrong with a disk or a segment seldom passes at once.
const MERGE_PAUSE_TICKS: u32 = 60;

/// Has the thread wait for those of whoever sends or asks.
pub fn lower_priority(niceness: i32) {
    if let Err(error) = setpriority_process(Some(gettid()), niceness) {
        tracing::warn!(%error, "work in the background has no lower priority than requests");
    }
}

/// A group that is durable and not yet applied: its first place and its batches.
struct Durable {
    first: Place,
    submissions: Vec<Submission>,
}

/// What the two threads do, a step at a time: the simulation takes the steps itself, on one thread.
pub struct Engine {
    writer: Writer,
    applier: Applier,
    sealing: Background,
    /// Segments that were merged, of which nothing knows yet.
    merged: Option<Merged>,
    durable: Receiver<Durable>,
}

impl Engine {
    pub(super) fn new(shared: &Arc<Shared>, journal: Box<dyn Journal>, sealer: Sealer) -> Self {
        let (sender, durable) = sync_channel(GROUPS_IN_FLIGHT);
        let next = journal.next();
        let behind = Arc::new(AtomicUsize::new(0));
        let writer = Writer {
            shared: shared.clone(),
            journal,
            next,
            durable: sender,
            behind: behind.clone(),
            alone: false,
            refusing: None,
            unsaid: Vec::new(),
            trimmed_to: 0,
        };
        let applier = Applier {
            shared: shared.clone(),
            behind,
            heads_at_us: shared.clock.monotonic_us(),
            heads: Heads::new(shared.clone()),
            due: None,
        };
        let sealing = Background { shared: shared.clone(), sealer: Arc::new(sealer) };
        Self { writer, applier, sealing, merged: None, durable }
    }

    /// Appends the group that waits, if one does. `false` when none did.
    pub fn write(&mut self) -> bool {
        self.writer.turn(Duration::ZERO) == Turn::Wrote
    }

    /// Applies what is durable.
    pub fn apply(&mut self) {
        while self.applier.turn(&self.durable, Duration::ZERO) == Turn::Wrote {}
    }

    /// Seals what waits to be sealed, or merges segments, and says what was done. With `now` the tail is sealed whatever its
    /// size and age.
    ///
    /// # Errors
    ///
    /// What went wrong; it can be tried again.
    pub fn seal(&mut self, now: bool) -> Result<Done, SealError> {
        match self.sealing.seal(now)? {
            Done::Nothing => match self.merged.take() {
                Some(merged) => self.sealing.merge(|sealer| sealer.put_merged(merged)),
                None => self.sealing.tidy(),
            },
            done => Ok(done),
        }
    }

    /// Begins to merge, if something is to be merged. The next [`Engine::seal`] that finds nothing to seal ends it; until then records
    /// are sealed while segments are merged, as on two threads. Whether it began.
    ///
    /// # Errors
    ///
    /// What went wrong; it can be tried again.
    pub fn begin_merge(&mut self) -> Result<bool, SealError> {
        if self.merged.is_none() {
            self.sealing.merge(|sealer| {
                self.merged = sealer.make_merged()?;
                Ok(Done::Nothing)
            })?;
        }
        Ok(self.merged.is_some())
    }

    pub(super) fn start(self) -> Vec<JoinHandle<()>> {
        let Self { mut writer, mut applier, sealing, merged: _, durable } = self;
        writer.alone = true;
        writer.shared.sealing.runs.store(true, Ordering::Release);
        // A head is due, or not yet: one word is enough.
        let (due, told) = sync_channel::<()>(1);
        applier.due = Some(due);
        let (signing, heads) = (Watched(applier.shared.clone()), Heads::new(applier.shared.clone()));
        let sign = move || {
            let _watched = signing;
            while told.recv().is_ok() {
                heads.sign();
            }
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new().name(name.to_owned()).spawn(run).expect("a thread can be started")
        };
        let (writing, applying) = (Watched(writer.shared.clone()), Watched(applier.shared.clone()));
        let write = move || {
            let _watched = writing;
            while writer.turn(TICK) != Turn::Ended {}
        };
        let apply = move || {
            let _watched = applying;
            while applier.turn(&durable, TICK) != Turn::Ended {}
        };
        let merging = sealing.clone();
        let seal = move || sealing.run(SEALING_NICENESS, 1, |this| this.seal(false));
        let merge = move || merging.run(MERGING_NICENESS, MERGE_PAUSE_TICKS, Background::tidy);
        vec![
            spawn("annals-journal", Box::new(write)),
            spawn("annals-ledger", Box::new(apply)),
            spawn("annals-heads", Box::new(sign)),
            spawn("annals-seal", Box::new(seal)),
            spawn("annals-merge", Box::new(merge)),
        ]
    }
}

/// Says so when a thread of the ledger panics: nothing would be written any more, and readiness must not stay green.
struct Watched(Arc<Shared>);

impl Drop for Watched {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut health = self.0.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            health.apply = Some("a thread of the ledger ended by a bug; restart".to_owned());
            drop(health);
            self.0.queue.close();
        }
    }
}

/// What one turn of a thread came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Wrote,
    Idle,
    Ended,
}

/// Appends groups to the journal.
struct Writer {
    shared: Arc<Shared>,
    journal: Box<dyn Journal>,
    /// Everything before this place was handed on.
    next: Place,
    durable: SyncSender<Durable>,
    /// Groups handed on and not yet applied.
    behind: Arc<AtomicUsize>,
    /// Whether a group may be applied on this thread; the simulation wants the two apart.
    alone: bool,
    /// What was refused since the journal last took a group.
    refusing: Option<Refusing>,
    /// Records of annals' own that were refused, to be tried again with the one that says so.
    unsaid: Vec<Vec<u8>>,
    /// Batches before this place are forgotten.
    trimmed_to: u64,
}

/// Most records of annals' own that wait for the journal to take writes again; each is a few hundred bytes.
const UNSAID_MAX: usize = 64;

/// Requests that were refused for one reason, until it is gone.
pub(super) struct Refusing {
    since_us: i64,
    requests: u64,
    events: u64,
    reason: &'static str,
}

impl Refusing {
    fn to_control(&self) -> Control {
        Control::IngestRefused {
            since_us: self.since_us,
            requests: self.requests,
            events: self.events,
            reason: self.reason.to_owned(),
        }
    }
}

impl Writer {
    fn turn(&mut self, patience: Duration) -> Turn {
        let turn = match self.shared.queue.next_group(patience) {
            Work::Group(group) => {
                self.append(group);
                Turn::Wrote
            }
            Work::Idle => Turn::Idle,
            Work::Closed => return Turn::Ended,
        };
        if self.refusing.is_some() {
            self.try_again();
        }
        self.trim();
        turn
    }

    /// Forgets what segments hold and a manifest says so.
    fn trim(&mut self) {
        let needless = self.shared.sealing.trim_to.load(Ordering::Acquire);
        if needless > self.trimmed_to {
            self.trimmed_to = needless;
            if let Err(error) = self.journal.trim(Place(needless)) {
                // The next seal tries again; until then it only takes space.
                tracing::warn!(%error, "the journal could not be trimmed");
            }
            self.shared.sealing.journal_first.store(self.journal.first().0, Ordering::Release);
        }
    }

    fn append(&mut self, group: Vec<Submission>) {
        if let Err(error) = self.catch_up() {
            return self.refuse_all(
                group,
                &CommitError::Unavailable { reason: error.to_string() },
                "unavailable",
            );
        }
        let began = self.shared.clock.monotonic_us();
        let bytes = group.iter().map(|submission| submission.batch.len()).sum();
        let appended = {
            let batches: Vec<&[u8]> = group.iter().map(|submission| submission.batch.as_slice()).collect();
            let next = self.journal.next();
            self.journal.append(next, &batches)
        };
        match appended {
            Ok(first) => {
                let micros = self.shared.clock.monotonic_us().saturating_sub(began);
                self.shared.observer.appended(group.len(), bytes, micros);
                self.hand_on(first, group);
            }
            Err(AppendError::Uncertain { next, cause }) => {
                tracing::error!(%cause, "the journal's answer was lost");
                self.reconcile(next, group);
            }
            Err(error) => self.refuse(group, &error),
        }
    }

    /// Hands on what the journal has beyond what was handed on: a group whose answer was lost, when the reading that
    /// should have told what became of it failed too. Its senders were told that it may be stored.
    fn catch_up(&mut self) -> Result<(), ReadError> {
        if self.journal.next() == self.next {
            return Ok(());
        }
        let missed = self
            .journal
            .read(self.next)?
            .map(|batch| Ok(Submission { batch: batch?.1, marks: None, events: 0, whose: Whose::Record }));
        let missed = missed.collect::<Result<Vec<_>, ReadError>>()?;
        self.hand_on(self.next, missed);
        Ok(())
    }

    fn hand_on(&mut self, first: Place, submissions: Vec<Submission>) {
        assert_eq!(first, self.next, "batches are handed on in the journal's order, each once");
        self.next = first.plus(submissions.len() as u64);
        let group = Durable { first, submissions };
        if self.alone && self.behind.load(Ordering::Acquire) == 0 && self.shared.queue.depth().0 == 0 {
            self.shared.apply(group);
            return;
        }
        self.behind.fetch_add(1, Ordering::AcqRel);
        // The other thread ends after this one.
        drop(self.durable.send(group));
    }

    /// The answer to an append was lost. What the journal acknowledges when it is read is stored, whatever was said.
    fn reconcile(&mut self, next: Place, mut group: Vec<Submission>) {
        let lost = group.split_off(self.stored(next, &group));
        if !group.is_empty() {
            self.hand_on(next, group);
        }
        if !lost.is_empty() {
            self.refuse_all(lost, &CommitError::Uncertain, "uncertain");
        }
    }

    /// How many batches of a group stand in the journal from `next` on.
    fn stored(&self, next: Place, group: &[Submission]) -> usize {
        self.journal.read(next).map_or(0, |batches| {
            let same = batches.zip(group).take_while(|(batch, submission)| {
                batch.as_ref().is_ok_and(|(_, bytes)| *bytes == submission.batch)
            });
            same.count()
        })
    }

    /// Nothing of the group is stored.
    fn refuse(&mut self, group: Vec<Submission>, error: &AppendError) {
        let (answer, reason) = match error {
            AppendError::Full { .. } => (CommitError::Full, "full"),
            AppendError::TooLarge { bytes, .. } => {
                // The batch's own fault; the journal is well.
                for submission in group {
                    submission.answer(Err(CommitError::TooLarge { bytes: *bytes }));
                }
                return;
            }
            other => (CommitError::Unavailable { reason: other.to_string() }, "unavailable"),
        };
        self.refuse_all(group, &answer, reason);
    }

    fn refuse_all(&mut self, group: Vec<Submission>, answer: &CommitError, reason: &'static str) {
        self.note_journal(Some(answer.to_string()));
        let now = self.shared.clock.now().as_micros();
        let refusing =
            self.refusing.get_or_insert(Refusing { since_us: now, requests: 0, events: 0, reason });
        for submission in group {
            match submission.whose {
                Whose::Sender(_) => {
                    // Changes and access records are requests without events, and say so themselves.
                    refusing.requests += u64::from(submission.events > 0);
                    refusing.events += submission.events;
                    self.shared.observer.refused(submission.events, answer.code());
                    submission.answer(Err(answer.clone()));
                }
                Whose::Record if self.unsaid.len() < UNSAID_MAX => self.unsaid.push(submission.batch),
                Whose::Record | Whose::Head => {}
            }
        }
    }

    /// Says what is wrong with the journal, or that it is well again.
    fn note_journal(&self, trouble: Option<String>) {
        // Said after the lock is given back: diagnostics may go to the very disk that is full.
        let before = std::mem::replace(&mut self.shared.health().journal, trouble.clone());
        match (before, trouble) {
            (None, Some(trouble)) => tracing::error!(trouble, "the journal takes no writes"),
            (Some(_), None) => tracing::info!("the journal takes writes again"),
            _ => {}
        }
    }

    /// While the journal refuses, the record that says so is what tries it: when it is stored, all is well again.
    fn try_again(&mut self) {
        if let Err(error) = self.catch_up() {
            return self.note_journal(Some(error.to_string()));
        }
        let Some(refusing) = &self.refusing else { return };
        let batch = self.shared.control_batch(&refusing.to_control(), &Author::System);
        let batches = self.unsaid.iter().chain([&batch]).cloned();
        let group: Vec<Submission> =
            batches.map(|batch| Submission { batch, marks: None, events: 0, whose: Whose::Record }).collect();
        let batches: Vec<&[u8]> = group.iter().map(|submission| submission.batch.as_slice()).collect();
        let appended = self.journal.append(self.journal.next(), &batches);
        let first = match appended {
            Ok(first) => first,
            Err(AppendError::Uncertain { next, .. }) if self.stored(next, &group) == group.len() => next,
            Err(AppendError::Full { .. }) => return self.note_journal(Some(CommitError::Full.to_string())),
            Err(error) => return self.note_journal(Some(error.to_string())),
        };
        self.refusing = None;
        self.unsaid.clear();
        self.note_journal(None);
        self.hand_on(first, group);
    }
}

/// Applies what is durable, answers, and signs heads.
struct Applier {
    shared: Arc<Shared>,
    behind: Arc<AtomicUsize>,
    heads_at_us: u64,
    heads: Heads,
    /// Tells the thread that signs heads that they are due: a signer may be slow or away, and senders are not to wait for it. In the
    /// simulation there is no such thread, and signing is a part of the turn.
    due: Option<SyncSender<()>>,
}

impl Applier {
    fn turn(&mut self, durable: &Receiver<Durable>, patience: Duration) -> Turn {
        let turn = match durable.recv_timeout(patience) {
            Ok(group) => {
                self.shared.apply(group);
                self.behind.fetch_sub(1, Ordering::AcqRel);
                Turn::Wrote
            }
            Err(RecvTimeoutError::Timeout) => Turn::Idle,
            Err(RecvTimeoutError::Disconnected) => {
                // The journal is closed, so this head stands in the signer's memory alone; that is enough for the next
                // start to notice if the journal's last group, which nothing follows, was damaged or cut meanwhile.
                self.due = None;
                self.heads.sign();
                return Turn::Ended;
            }
        };
        if self.shared.clock.monotonic_us().saturating_sub(self.heads_at_us) >= 1_000_000 {
            self.heads_at_us = self.shared.clock.monotonic_us();
            match &self.due {
                // Full: the one who signs is at it, and comes back to what changed meanwhile.
                Some(due) => drop(due.try_send(())),
                None => self.heads.sign(),
            }
        }
        turn
    }
}

/// After so long a head that was not applied is taken to be lost on its way into the journal, µs.
const HEAD_LOST_US: u64 = 10_000_000;

/// Signs heads.
struct Heads {
    shared: Arc<Shared>,
    /// Of logs with a head on its way, the size there and when it was signed.
    on_the_way: Mutex<BTreeMap<u32, (u64, u64)>>,
}

impl Heads {
    fn new(shared: Arc<Shared>) -> Self {
        Self { shared, on_the_way: Mutex::default() }
    }

    /// The logs that are to be signed: those without a head of their size. They stay that until one is applied.
    fn due(&self) -> Vec<u32> {
        let now = self.shared.clock.monotonic_us();
        let mut on_the_way = self.on_the_way.lock().expect("no holder of this lock panics");
        let state = read(&self.shared.state);
        on_the_way.retain(|log, (size, signed_at)| {
            state.unsigned.contains(log)
                && state.logs()[*log as usize].size() == *size
                && now.saturating_sub(*signed_at) < HEAD_LOST_US
        });
        state.unsigned.iter().copied().filter(|log| !on_the_way.contains_key(log)).collect()
    }

    /// Heads of these logs are on their way.
    fn note(&self, logs: &[u32]) {
        let now = self.shared.clock.monotonic_us();
        let mut on_the_way = self.on_the_way.lock().expect("no holder of this lock panics");
        let state = read(&self.shared.state);
        on_the_way.extend(logs.iter().map(|log| (*log, (state.logs()[*log as usize].size(), now))));
    }

    /// Signs heads over what changed and puts them into the queue.
    fn sign(&self) {
        if self.shared.health().apply.is_some() {
            // What was applied in part is not to be signed.
            return;
        }
        let changed = self.without_owing(self.due());
        if changed.is_empty() {
            return;
        }
        // Before: a log that grows meanwhile is due again.
        self.note(&changed);
        match self.shared.signing.heads(&self.shared.state, &changed, self.shared.clock.now().as_micros()) {
            Ok(heads) => {
                let was_away = {
                    let mut health = self.shared.health();
                    health.signer = None;
                    health.signer_away.take().is_some()
                };
                if was_away {
                    tracing::info!("the signer answers again");
                }
                self.shared.observer.signed(heads.len());
                let mut had_room = true;
                for head in heads {
                    let batch = encode_head(&head);
                    let head = Submission { batch, marks: None, events: 0, whose: Whose::Head };
                    had_room &= self.shared.queue.push(head).is_ok();
                }
                if !had_room {
                    // They are due again at once; those that had room are covered by what is signed then.
                    self.on_the_way.lock().expect("no holder of this lock panics").clear();
                }
            }
            Err(error) => {
                self.on_the_way.lock().expect("no holder of this lock panics").clear();
                self.note_unsigned(error);
            }
        }
    }

    /// Says why no head is signed.
    fn note_unsigned(&self, error: SignError) {
        let reason = error.to_string();
        let before = {
            let mut health = self.shared.health();
            match error {
                SignError::Away(_) => health.signer_away.replace(reason.clone()),
                SignError::Refused(_) => health.signer.replace(reason.clone()),
            }
        };
        // It is tried again each second; said once.
        if before.as_ref() != Some(&reason) {
            tracing::error!(reason, "no head was signed");
        }
    }
}

/// Logs that say who signs them, at once; each takes a batch of some 2 KB.
const TELLING_MAX: usize = 1_024;

impl Heads {
    /// Has logs that owe it say who signs them from now on, and leaves them to a later head, which is after that in the journal.
    fn without_owing(&self, changed: Vec<u32>) -> Vec<u32> {
        let (owing, changed): (Vec<u32>, Vec<u32>) = {
            let state = read(&self.shared.state);
            changed.into_iter().partition(|log| state.owes_key(*log))
        };
        if owing.is_empty() {
            return changed;
        }
        match self.shared.telling_batches(&owing[..owing.len().min(TELLING_MAX)]) {
            Ok(batches) => {
                for batch in batches {
                    // No room, or not stored: the next turn tries again. A log that says so twice is refused the second time.
                    drop(self.shared.queue.push(Submission {
                        batch,
                        marks: None,
                        events: 0,
                        whose: Whose::Head,
                    }));
                }
            }
            // Where all that changed owes, nobody else would say that heads have stopped.
            Err(error) => self.note_unsigned(error),
        }
        changed
    }
}

/// Seals and merges: two threads have one each.
#[derive(Clone)]
struct Background {
    shared: Arc<Shared>,
    sealer: Arc<Sealer>,
}

impl Background {
    /// Takes turns until the service stops, and pauses for some ticks after one that failed.
    fn run(&self, niceness: i32, ticks: u32, turn: impl Fn(&Self) -> Result<Done, SealError>) {
        let _watched = Watched(self.shared.clone());
        lower_priority(niceness);
        while !self.shared.stopping.load(Ordering::Acquire) {
            let turns = self.shared.sealing.turns();
            match turn(self) {
                Ok(Done::Nothing) => self.shared.sealing.wait(turns, TICK),
                Ok(_) => {}
                Err(_) => {
                    // The clock may stand still, in tests, or jump; waits are counted, and each ends early when something was sealed.
                    for _ in 0..ticks {
                        if self.shared.stopping.load(Ordering::Acquire) {
                            break;
                        }
                        self.shared.sealing.wait(self.shared.sealing.turns(), TICK);
                    }
                }
            }
        }
    }

    /// Seals a tail that is to be sealed.
    fn seal(&self, now: bool) -> Result<Done, SealError> {
        self.freeze(now);
        let done = self.timed(|| {
            let done = self.sealer.seal()?;
            if done == Done::Nothing && self.shared.sealing.again.swap(false, Ordering::AcqRel) {
                self.sealer.state_again()?;
            }
            Ok(done)
        });
        if let Err(error) = &done {
            tracing::error!(%error, "records cannot be sealed");
        }
        self.shared.health().segments = done.as_ref().err().map(ToString::to_string);
        done
    }

    /// Rewrites what something is to go of, and else merges.
    fn tidy(&self) -> Result<Done, SealError> {
        let now = self.shared.clock.now().as_micros();
        match self.merge(|sealer| sealer.rewrite(now)) {
            Ok(Done::Nothing) => self.merge(Sealer::merge),
            Ok(done) => Ok(done),
            Err(error) => {
                drop(self.merge(Sealer::merge));
                self.shared.health().merging = Some(error.to_string());
                Err(error)
            }
        }
    }

    /// Merges, or does what else is done to segments.
    fn merge(&self, merge: impl FnOnce(&Sealer) -> Result<Done, SealError>) -> Result<Done, SealError> {
        let done = self.timed(|| merge(&self.sealer));
        if let Err(error) = &done {
            tracing::error!(%error, "segments cannot be merged");
        }
        self.shared.health().merging = done.as_ref().err().map(ToString::to_string);
        done
    }

    fn timed(&self, work: impl FnOnce() -> Result<Done, SealError>) -> Result<Done, SealError> {
        let began = self.shared.clock.monotonic_us();
        let done = work()?;
        if done != Done::Nothing {
            let now = self.shared.clock.monotonic_us();
            self.shared.observer.sealed(done, now.saturating_sub(began));
            if let Done::Sealed(records) = done {
                // Of few records most time goes into the file itself, which says nothing of a full tail.
                if records >= self.shared.sealing.limits.records_max / 4 {
                    self.shared.sealing.pace().sealed(records, now.saturating_sub(began));
                }
            }
            self.shared.sealing.tell();
        }
        Ok(done)
    }

    /// Ends a tail that is old enough.
    fn freeze(&self, now: bool) {
        let limits = self.shared.sealing.limits;
        let is_due = |state: &State| {
            let tail = &state.tail;
            let is_wanted = tail.first_place.0 < self.shared.sealing.wanted.load(Ordering::Acquire);
            let is_old = limits.is_outlived_by(tail, self.shared.clock.now());
            state.sealing.is_none() && (is_old || is_wanted || (now && tail.records > 0))
        };
        if is_due(&read(&self.shared.state)) {
            let mut state = self.shared.write_state();
            if is_due(&state) {
                state.freeze();
                self.shared.sealing.pace().frozen_at_us = self.shared.clock.monotonic_us();
            }
        }
    }
}

impl Sealing {
    /// A tail was frozen, or sealed.
    pub(super) fn tell(&self) {
        *self.turns.lock().expect("no holder of this lock panics") += 1;
        self.turned.notify_all();
    }

    /// How often that happened.
    pub(super) fn turns(&self) -> u64 {
        *self.turns.lock().expect("no holder of this lock panics")
    }

    fn pace(&self) -> MutexGuard<'_, Pace> {
        self.pace.lock().expect("no holder of this lock panics")
    }

    /// Waits until it happens again, but not for ever.
    pub(super) fn wait(&self, before: u64, patience: Duration) {
        let turns = self.turns.lock().expect("no holder of this lock panics");
        drop(self.turned.wait_timeout_while(turns, patience, |turns| *turns == before));
    }
}

impl Shared {
    /// Applies a durable group and answers its senders. After a batch that cannot be applied nothing more is: what is
    /// durable is replayed at the next start, and its senders learn that it may be stored.
    fn apply(&self, group: Durable) {
        if self.health().apply.is_some() {
            return;
        }
        if let Err(error) = self.try_apply(group) {
            tracing::error!(%error, "a durable batch cannot be applied");
            self.health().apply = Some(error.to_string());
            self.queue.close();
        }
    }

    fn try_apply(&self, group: Durable) -> Result<(), crate::state::ApplyError> {
        let places = (group.first.0..).map(Place);
        for (place, submission) in places.zip(group.submissions) {
            let began = self.clock.monotonic_us();
            let Submission { batch, marks, events, whose } = submission;
            self.wait_for_room();
            let (applied, is_frozen) = {
                let mut state = self.write_state();
                let applied = state.apply_marked(place, Bytes::from(batch), marks.as_ref())?;
                let is_full = self.sealing.limits.is_reached_by(&state.tail);
                let is_frozen = is_full && state.sealing.is_none();
                if is_frozen {
                    state.freeze();
                }
                (applied, is_frozen)
            };
            if is_frozen {
                self.sealing.pace().frozen_at_us = self.clock.monotonic_us();
                self.sealing.tell();
            }
            let outcomes = match applied {
                Applied::Records(outcomes) => outcomes,
                Applied::Genesis | Applied::Head => Vec::new(),
            };
            let micros = self.clock.monotonic_us().saturating_sub(began);
            self.observer.applied(&outcomes, micros);
            Submission { batch: Vec::new(), marks: None, events, whose }.answer(Ok(outcomes));
        }
        self.grown.send_modify(|groups| *groups += 1);
        Ok(())
    }

    /// Waits while two tails are full: what waits in the queue meanwhile is bounded too, and then senders are told to come
    /// back later. So memory is bounded whatever the disk of the segments does. Before that, whoever writes faster than records are
    /// sealed is held to that pace: many short waits instead of a long one.
    fn wait_for_room(&self) {
        let patience = || {
            let state = read(&self.state);
            let sealing = state.sealing.as_ref()?.tail.records;
            let filled = self.sealing.limits.filled_by(&state.tail);
            if filled >= 1.0 {
                return Some(TICK);
            }
            self.sealing.pace().patience(sealing, filled, self.clock.monotonic_us())
        };
        let may_wait = || self.sealing.runs.load(Ordering::Acquire) && !self.stopping.load(Ordering::Acquire);
        loop {
            let turns = self.sealing.turns();
            match patience() {
                Some(patience) if may_wait() => self.sealing.wait(turns, patience.min(TICK)),
                _ => return,
            }
        }
    }

    pub(super) fn write_state(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.state.write().expect("the ledger's thread does not panic while it writes")
    }

    pub(super) fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().expect("no holder of this lock panics")
    }

    /// Queues a batch and waits for what became of it.
    pub(super) async fn submit(&self, batch: Vec<u8>, events: u64) -> Result<Vec<Outcome>, CommitError> {
        self.submit_marked(batch, None, events).await
    }

    /// As [`Shared::submit`], with the marks of the batch's events.
    pub(super) async fn submit_marked(
        &self,
        batch: Vec<u8>,
        marks: Option<Marked>,
        events: u64,
    ) -> Result<Vec<Outcome>, CommitError> {
        if batch.len() > annals_journal::BATCH_BYTES_MAX {
            return Err(CommitError::TooLarge { bytes: batch.len() });
        }
        let (reply, answer) = oneshot::channel();
        let submission = Submission { batch, marks, events, whose: Whose::Sender(reply) };
        if let Err((_, error)) = self.queue.push(submission) {
            self.observer.refused(events, error.code());
            // A queue that closed because nothing can be applied any more is not a stop that was asked for.
            let failed = self.health().apply.clone().map(|reason| CommitError::Unavailable { reason });
            return Err(failed.unwrap_or(error));
        }
        // The threads drop an unanswered reply only when the ledger fails; the batch may be durable.
        answer.await.unwrap_or(Err(CommitError::Uncertain))
    }

    /// Submits a batch with one change and gives its outcome.
    pub(super) async fn change(&self, batch: Vec<u8>) -> Result<Outcome, CommitError> {
        let outcomes = self.submit(batch, 0).await?;
        Ok(outcomes.into_iter().next_back().expect("the batch held one item"))
    }

    pub(super) fn control_batch(&self, control: &Control, author: &Author) -> Vec<u8> {
        self.system_batch(&TenantId::annals(), LogKind::Tenant, &control.to_event(author))
    }

    pub(super) fn system_batch(&self, tenant: &TenantId, log: LogKind, event: &serde_json::Value) -> Vec<u8> {
        let mut draft = self.acceptor.system_draft(tenant.clone());
        draft.push(&serde_json::to_vec(event).expect("a JSON value serialises"));
        draft.seal_as(log, None).batch.expect("our own events keep the rules")
    }

    /// A batch of statements, which makes the tenant where there is none.
    pub(super) fn statement_batch(
        &self,
        log: &TenantLog,
        kind: EntryKind,
        events: &[serde_json::Value],
    ) -> Vec<u8> {
        let mut draft = self.acceptor.statement_draft(log.tenant.clone(), kind);
        for event in events {
            draft.push(&serde_json::to_vec(event).expect("a JSON value serialises"));
        }
        draft.seal_as(log.kind, None).batch.expect("our own events keep the rules")
    }

    /// The record by which a key follows the one in force.
    pub(super) fn rotation_batch(&self, succession: &Succession) -> Vec<u8> {
        let log = TenantLog { tenant: TenantId::annals(), kind: LogKind::Tenant };
        let signed = {
            // The signer is locked before the state, so it is asked in between.
            let origin = {
                let state = read(&self.state);
                let genesis = state.genesis().expect("an open ledger has its genesis");
                state.log(&log).expect("the genesis makes it").origin(&genesis.name)
            };
            let remembered = self.signing.signed(&origin);
            let state = read(&self.state);
            signed_at_most(remembered.as_ref(), state.log(&log).expect("the genesis makes it"))
        };
        let event = rotation::event(succession, signed);
        self.statement_batch(&log, EntryKind::Key, &[event])
    }

    /// Batches by which logs say who signs them, those that owe it.
    pub(super) fn telling_batches(&self, logs: &[u32]) -> Result<Vec<Vec<u8>>, SignError> {
        let owed = self.signing.owed(&self.state, logs)?;
        let batch = |(log, events): (TenantLog, Vec<serde_json::Value>)| {
            self.statement_batch(&log, EntryKind::Key, &events)
        };
        Ok(owed.into_iter().map(batch).collect())
    }

    pub(super) fn tenant_batch(&self, tenant: &TenantId, control: &Control, author: &Author) -> Vec<u8> {
        let mut draft = self.acceptor.system_draft(TenantId::annals());
        draft.push(&serde_json::to_vec(&control.to_event(author)).expect("a JSON value serialises"));
        draft.seal_as(LogKind::Tenant, Some(tenant)).batch.expect("our own events keep the rules")
    }

    /// Refuses events while the clock is not to be believed.
    pub(super) fn check_clock(&self, events: u64) -> Result<(), CommitError> {
        let Some(jump_us) = self.note_clock() else { return Ok(()) };
        let error = CommitError::Clock { jump_us };
        self.observer.refused(events, error.code());
        let now = self.clock.now().as_micros();
        let mut refused = self.clock_refused.lock().expect("no holder of this lock panics");
        let refused =
            refused.get_or_insert(Refusing { since_us: now, requests: 0, events: 0, reason: error.code() });
        refused.requests += 1;
        refused.events += events;
        Err(error)
    }

    /// Looks at the clock; when it is to be believed again, what was refused meanwhile goes on record.
    pub(super) fn note_clock(&self) -> Option<i64> {
        let jump_us = self.clock_guard.jump_us(&*self.clock);
        let before = std::mem::replace(&mut self.health().clock_jump_us, jump_us);
        match (before, jump_us) {
            (None, Some(jump_us)) => tracing::error!(jump_us, "the clock jumped; events are refused"),
            (Some(_), None) => tracing::info!("the clock is believed again"),
            _ => {}
        }
        if jump_us.is_none() {
            let refused = self.clock_refused.lock().expect("no holder of this lock panics").take();
            if let Some(refused) = refused {
                let batch = self.control_batch(&refused.to_control(), &Author::System);
                // A full queue has no room for it; the metrics have counted what was refused.
                drop(self.queue.push(Submission { batch, marks: None, events: 0, whose: Whose::Record }));
            }
        }
        jump_us
    }
}
