//! The director: who moves next, what goes wrong, and when everything is checked.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU32, Ordering};

use annals_event::TenantId;
use annals_journal::sim::{Fault, Op};
use annals_ledger::{Done, ErrorKind, LogKind};
use sha2::{Digest, Sha256};

use crate::book::Book;
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, broken, ensure, is_ordered};
use crate::machine::{Image, Machine};
use crate::operators::Operators;
use crate::prover::Prover;
use crate::readers::Reader;
use crate::seekers::Seeker;
use crate::senders::Sender;
use crate::{Sabotage, Trace};

/// Rounds in which everybody must have come to an end once nothing new is begun.
const FINISHING_ROUNDS_MAX: u32 = 4_000;
/// Turns in which the journal must take writes again once its disk has space.
const RESUME_TURNS_MAX: u32 = 40;
/// Attempts after which every fault that was ever ordered has come.
const FAULTS_PENDING_MAX: u32 = 200;
/// Turns in which sealing must go on once the segments' disk is well.
const SEAL_TURNS_MAX: u32 = 40;
/// Changes of the disk while a tail is sealed or segments are merged, about.
const CHANGES_OF_A_SEAL: u64 = 18;
const HOUR_US: i64 = 3_600_000_000;

pub(crate) fn run(
    seed: u64,
    steps: u32,
    sabotage: Option<Sabotage>,
    step: &AtomicU32,
) -> Result<Trace, Broken> {
    let mut run = Run::new(seed, sabotage);
    run.start()?;
    let snapshot_at =
        steps / 4 + u32::try_from(run.dice.below(u64::from(steps / 2 + 1))).expect("below a u32");
    let mut snapshot = Image::default();
    for now in 0..steps {
        step.store(now, Ordering::Relaxed);
        run.now = now;
        if now == snapshot_at {
            snapshot = run.machine.image();
        }
        run.step()?;
    }
    step.store(steps, Ordering::Relaxed);
    run.finish()?;
    run.roll_back(&snapshot)?;
    Ok(run.trace())
}

struct Run {
    dice: Dice,
    machine: Machine,
    book: Book,
    tenants: Vec<TenantId>,
    senders: Vec<Sender>,
    readers: Vec<Reader>,
    seekers: Vec<Seeker>,
    prover: Prover,
    operators: Operators,
    now: u32,
    /// One step in a hundred to this many brings trouble.
    trouble_percent: u64,
    /// The journal's disk is full until this step.
    full_until: Option<u32>,
    /// The segments' disk is full, or unreliable, until this step.
    segments_bad_until: Option<u32>,
    /// The journal is slow, or its disk unreliable, until this step.
    bad_until: Option<u32>,
    /// How far the wall clock is off.
    clock_off_us: i64,
    told: Sha256,
    answers: u64,
    power_cuts: u32,
    resumed: u32,
}

impl Run {
    fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let mut dice = Dice::new(seed);
        let machine = Machine::new(&mut dice, sabotage);
        let tenants: Vec<_> =
            ["acme", "globex", "Tiny_1"].iter().map(|id| TenantId::new(id).expect("a good id")).collect();
        let senders = (0..dice.index(5) + 2).map(Sender::new).collect();
        let mut readers = vec![Reader::new(0, None), Reader::new(1, Some(TenantId::annals()))];
        readers.extend((2..).zip(&tenants).map(|(number, tenant)| Reader::new(number, Some(tenant.clone()))));
        let seekers = (0..3).map(Seeker::new).collect();
        let trouble_percent = *dice.pick(&[0, 1, 2, 4, 8]);
        Self {
            dice,
            machine,
            book: Book::default(),
            tenants,
            senders,
            readers,
            seekers,
            prover: Prover::default(),
            operators: Operators::default(),
            now: 0,
            trouble_percent,
            full_until: None,
            segments_bad_until: None,
            bad_until: None,
            clock_off_us: 0,
            told: Sha256::new(),
            answers: 0,
            power_cuts: 0,
            resumed: 0,
        }
    }

    fn trace(self) -> Trace {
        Trace {
            hash: self.told.finalize().into(),
            records: self.book.logs().map(|(_, log)| log.size()).sum(),
            lives: self.machine.lives,
            power_cuts: self.power_cuts,
            resumed: self.resumed,
            answers: self.answers,
            sealed: self.machine.sealed,
            merged: self.machine.merged,
            trimmed: self.machine.trimmed_to(),
            walks: self.seekers.iter().map(|seeker| seeker.walks).sum(),
        }
    }

    fn tell(&mut self, what: &str) {
        self.answers += u64::from(what.contains(" hears "));
        self.told.update(what);
        self.told.update(b"\n");
    }

    /// Somebody moves.
    fn step(&mut self) -> Result<(), Broken> {
        let ledger = self.machine.ledger();
        let told = match self.dice.below(100) {
            0..34 => {
                let sender = self.dice.index(self.senders.len());
                self.senders[sender].step(&ledger, &mut self.book, &mut self.dice, &self.tenants, self.now)?
            }
            34..54 => format!("write: {}", self.machine.write()),
            54..70 => {
                self.machine.apply();
                format!("apply: {:?}", ledger.sizes())
            }
            70..78 => {
                let reader = self.dice.index(self.readers.len());
                self.readers[reader].step(&ledger, &mut self.book, &mut self.dice)?
            }
            78..82 => {
                let seeker = self.dice.index(self.seekers.len());
                self.seekers[seeker].step(&ledger, &mut self.book, &mut self.dice, &self.tenants)?
            }
            82..86 => {
                self.prover.step(&ledger, &mut self.book, &mut self.dice, &self.machine.signer_switch)?
            }
            86..90 => self.operators.step(&ledger, &mut self.book, &mut self.dice, &self.tenants),
            90..93 => self.time_passes(),
            _ => self.seal(),
        };
        drop(ledger);
        self.tell(&told);
        if self.dice.chance(self.trouble_percent) {
            self.trouble()?;
        }
        self.recover_if_needed()
    }

    fn time_passes(&mut self) -> String {
        let micros = match self.dice.below(10) {
            0 => self.dice.below(120_000_000),
            1..4 => self.dice.below(2_000_000),
            _ => self.dice.below(50_000),
        };
        self.machine.clock.pass(micros);
        format!("{micros} µs pass")
    }

    /// Records are sealed, or segments merged; now and then something goes wrong in the middle of it.
    fn seal(&mut self) -> String {
        if self.dice.chance(4 * self.trouble_percent) {
            self.segments_trouble();
        }
        if self.dice.chance(30) {
            return format!("begins to merge: {:?}", self.machine.begin_merge());
        }
        let now = self.dice.chance(20);
        format!("seal: {:?}", self.machine.seal(now))
    }

    /// Something goes wrong with the segments' disk.
    fn segments_trouble(&mut self) {
        let kind = self.dice.below(6);
        self.tell(&format!("trouble with segments {kind}"));
        let skipped = u32::try_from(self.dice.below(6)).expect("small");
        let disk = &self.machine.segments_disk;
        match kind {
            0 | 1 => disk.cut_power_after(self.dice.below(CHANGES_OF_A_SEAL)),
            2 => {
                let fault = *self.dice.pick(&[Fault::Error, Fault::NoSpace, Fault::AnswerLost]);
                disk.fail(*self.dice.pick(&[Op::Create, Op::Write, Op::Rename, Op::Remove]), skipped, fault);
            }
            3 => {
                let fault = *self.dice.pick(&[Fault::Error, Fault::AnswerLost]);
                disk.fail(*self.dice.pick(&[Op::Sync, Op::SyncDir]), skipped, fault);
            }
            4 => {
                self.book.reads_fail = true;
                disk.fail(Op::Read, skipped * skipped, Fault::Error);
            }
            _ if self.dice.chance(50) => {
                disk.set_capacity(Some(self.machine.segment_bytes() + self.dice.below(20_000)));
                self.segments_bad_until = Some(self.now + 10 + skipped * 20);
            }
            _ => {
                self.book.reads_fail = true;
                disk.fail_randomly(NonZeroU64::new(self.dice.between(3, 30)));
                self.segments_bad_until = Some(self.now + 40);
            }
        }
    }

    /// The segments' disk is well again, and sealing must go on by itself.
    fn segments_well_again(&mut self) -> Result<(), Broken> {
        self.machine.segments_disk.set_capacity(None);
        self.machine.segments_disk.fail_randomly(None);
        for _ in 0..SEAL_TURNS_MAX {
            let health = self.machine.ledger().health();
            if health.segments.is_none() && health.merging.is_none() {
                return Ok(());
            }
            let done = self.machine.seal(false);
            self.tell(&format!("seal: {done:?}"));
            if self.machine.power_is_off() {
                return Ok(());
            }
        }
        let health = self.machine.ledger().health();
        broken(Invariant::SealingResumes, format!("the disk is well, but: {health:?}"))
    }

    /// Something goes wrong.
    fn trouble(&mut self) -> Result<(), Broken> {
        let kind = self.dice.below(15);
        self.tell(&format!("trouble {kind}"));
        let skipped = u32::try_from(self.dice.below(4)).expect("small");
        match kind {
            0 => self.crash()?,
            1 => self.stop()?,
            14 => self.segments_trouble(),
            2 | 3 => {
                let disk =
                    if self.dice.chance(70) { &self.machine.journal_disk } else { &self.machine.signer_disk };
                disk.cut_power_after(self.dice.below(8));
            }
            4 => {
                let fault = *self.dice.pick(&[Fault::Error, Fault::NoSpace, Fault::AnswerLost]);
                self.machine.journal_disk.fail(Op::Write, skipped, fault);
            }
            5 => {
                let fault = *self.dice.pick(&[Fault::Error, Fault::AnswerLost]);
                let op = *self.dice.pick(&[Op::Sync, Op::Sync, Op::SyncDir]);
                self.machine.journal_disk.fail(op, skipped, fault);
            }
            6 => {
                let op = *self.dice.pick(&[Op::Create, Op::Truncate, Op::Read, Op::Remove]);
                self.machine.journal_disk.fail(op, 0, Fault::Error);
            }
            7 => {
                let fault = *self.dice.pick(&[Fault::Error, Fault::NoSpace, Fault::AnswerLost]);
                let op = *self.dice.pick(&[Op::Write, Op::Sync, Op::Create]);
                self.machine.signer_disk.fail(op, skipped, fault);
            }
            8 | 9 => {
                let bytes = self.machine.journal_bytes() + self.dice.below(6_000);
                self.machine.journal_disk.set_capacity(Some(bytes));
                self.full_until = Some(self.now + 10 + skipped * 20);
            }
            10 => {
                let landing = self.dice.index(3);
                self.machine.switch.troubles().lose_answer_after = Some(landing);
            }
            11 => {
                self.machine.switch.troubles().delay_us = self.dice.below(4_000_000);
                self.bad_until = Some(self.now + 40);
            }
            12 => {
                self.machine.journal_disk.fail_randomly(NonZeroU64::new(self.dice.between(3, 30)));
                self.bad_until = Some(self.now + 40);
            }
            _ => self.jump(),
        }
        Ok(())
    }

    /// Somebody sets the clock, or sets it right again.
    fn jump(&mut self) {
        let micros = if self.clock_off_us != 0 && self.dice.chance(60) {
            -self.clock_off_us
        } else {
            let far = i64::try_from(self.dice.below(3)).expect("small") * HOUR_US
                + i64::try_from(self.dice.below(1_000_000_000)).expect("small");
            if self.dice.chance(50) { far } else { -far }
        };
        self.clock_off_us += micros;
        self.machine.clock.jump(micros);
        self.tell(&format!("the clock jumps {micros} µs"));
    }

    /// What must hold after every step, and the end of troubles.
    fn recover_if_needed(&mut self) -> Result<(), Broken> {
        self.prover.overhear(&self.machine.take_heard())?;
        if self.machine.power_is_off() {
            return self.crash();
        }
        let health = self.machine.ledger().health();
        if let Some(reason) = &health.apply {
            // What a batch says is held against sealed records: where these cannot be read, only a restart helps.
            ensure(is_ordered(reason), Invariant::NeverPanics, || reason.clone())?;
            return if self.dice.chance(50) { self.stop() } else { self.crash() };
        }
        let (poisoned, wrote) = {
            let troubles = self.machine.switch.troubles();
            (troubles.poisoned, troubles.wrote_after_failed_flush)
        };
        ensure(!wrote, Invariant::NoWriteAfterFailedFlush, || {
            "a group was written after a failed flush".to_owned()
        })?;
        ensure(!poisoned || health.journal.is_some(), Invariant::NoWriteAfterFailedFlush, || {
            "a flush failed, and readiness says that all is well".to_owned()
        })?;
        if self.bad_until.is_some_and(|until| until <= self.now) {
            self.bad_until = None;
            self.machine.journal_disk.fail_randomly(None);
            self.machine.switch.troubles().delay_us = 0;
        }
        if self.full_until.is_some_and(|until| until <= self.now) {
            self.full_until = None;
            self.space_again()?;
        }
        if self.segments_bad_until.is_some_and(|until| until <= self.now) {
            self.segments_bad_until = None;
            self.segments_well_again()?;
            if self.machine.power_is_off() {
                return self.crash();
            }
        }
        let signer_failed = self.machine.signer_switch.troubles().poisoned;
        if (poisoned || signer_failed) && self.dice.chance(8) {
            return if self.dice.chance(50) { self.stop() } else { self.crash() };
        }
        Ok(())
    }

    /// The full disk has space again, and ingest must resume by itself.
    fn space_again(&mut self) -> Result<(), Broken> {
        self.machine.journal_disk.set_capacity(None);
        let ledger = self.machine.ledger();
        let control = (TenantId::annals(), LogKind::Tenant);
        self.machine.apply();
        self.book.catch_up(&ledger, &control)?;
        let before = self.book.refusals_recorded;
        if ledger.health().journal.is_none() {
            return Ok(());
        }
        for _ in 0..RESUME_TURNS_MAX {
            self.machine.write();
            self.machine.apply();
            if self.machine.power_is_off() || self.machine.switch.troubles().poisoned {
                // The recovery has its own checks.
                return Ok(());
            }
        }
        let health = ledger.health();
        ensure(health.journal.is_none(), Invariant::IngestResumes, || {
            format!("there is space, but: {:?}", health.journal)
        })?;
        self.book.catch_up(&ledger, &control)?;
        ensure(self.book.refusals_recorded > before, Invariant::IngestResumes, || {
            "no record of the refusals".to_owned()
        })?;
        self.resumed += 1;
        self.tell("ingest resumed");
        Ok(())
    }

    /// The power goes.
    fn crash(&mut self) -> Result<(), Broken> {
        self.power_cuts += 1;
        self.hang_up();
        self.machine.cut_power();
        self.start()
    }

    /// The service is stopped and started.
    fn stop(&mut self) -> Result<(), Broken> {
        let ledger = self.machine.ledger();
        self.machine.drain();
        if !self.machine.power_is_off() {
            for sender in &mut self.senders {
                let told = sender.look_for_answer(&ledger, &mut self.book, self.now)?;
                self.told.update(told);
                ensure(!sender.is_waiting(), Invariant::EveryoneIsAnswered, || {
                    "the service stopped without an answer".to_owned()
                })?;
            }
            let told = self.operators.look(&mut self.book);
            self.tell(&told);
        }
        drop(ledger);
        self.hang_up();
        self.machine.forget();
        if self.machine.power_is_off() {
            self.machine.cut_power();
        }
        self.start()
    }

    fn hang_up(&mut self) {
        for sender in &mut self.senders {
            sender.hang_up(&mut self.book, self.now);
        }
        self.operators.hang_up(&mut self.book);
    }

    /// Starts the service and compares it with everything that is remembered.
    fn start(&mut self) -> Result<(), Broken> {
        // Signed and remembered before the end of the last life.
        self.prover.overhear(&self.machine.take_heard())?;
        if self.dice.chance(30) {
            self.time_passes();
        }
        let shown = self.machine.start(&mut self.dice)?;
        self.full_until = self.full_until.map(|until| until.max(self.now + 1));
        self.operators.started(shown)?;
        self.audit()?;
        let told = format!("life {}: {:?}", self.machine.lives, self.machine.ledger().sizes());
        self.tell(&told);
        Ok(())
    }

    fn audit(&mut self) -> Result<(), Broken> {
        let ledger = self.machine.ledger();
        self.book.audit(&ledger)?;
        self.operators.audit(&ledger)?;
        self.prover.overhear(&self.machine.take_heard())?;
        self.prover.audit(&ledger, &self.book)
    }

    /// Nothing new is begun; everybody gets an answer; everything is checked, also after one more start.
    fn finish(&mut self) -> Result<(), Broken> {
        (self.trouble_percent, self.full_until, self.bad_until) = (0, None, None);
        self.segments_bad_until = None;
        self.machine.lift_faults();
        self.stop()?;
        for _ in 0..FINISHING_ROUNDS_MAX {
            self.now += 1;
            if self.senders.iter().all(Sender::is_done) && self.operators.is_done() {
                break;
            }
            let ledger = self.machine.ledger();
            for sender in self.senders.iter_mut().filter(|sender| !sender.is_done()) {
                let told = sender.step(&ledger, &mut self.book, &mut self.dice, &self.tenants, self.now)?;
                self.answers += u64::from(told.contains(" hears "));
                self.told.update(told);
            }
            let told = self.operators.look(&mut self.book);
            self.tell(&told);
            drop(ledger);
            self.machine.write();
            self.machine.apply();
            let told = self.seal();
            self.tell(&told);
            self.recover_if_needed()?;
        }
        let done = self.senders.iter().all(Sender::is_done);
        ensure(done, Invariant::EveryoneIsAnswered, || "somebody still waits".to_owned())?;
        for reader in 0..self.readers.len() {
            let ledger = self.machine.ledger();
            self.readers[reader].step(&ledger, &mut self.book, &mut self.dice)?;
            self.readers[reader].audit(&ledger)?;
        }
        self.audit()?;
        self.seal_all()?;
        for seeker in 0..self.seekers.len() {
            let ledger = self.machine.ledger();
            self.seekers[seeker].finish(&ledger, &mut self.book, &mut self.dice, &self.tenants)?;
        }
        self.audit()?;
        self.stop()
    }

    /// Everything is sealed and merged, and what the journal then need not keep is trimmed.
    fn seal_all(&mut self) -> Result<(), Broken> {
        for left in (0..FAULTS_PENDING_MAX).rev() {
            let done = self.machine.seal(true);
            self.tell(&format!("seal: {done:?}"));
            if self.machine.power_is_off() {
                self.crash()?;
            } else if matches!(done, Ok(Done::Nothing)) {
                break;
            }
            ensure(left > 0, Invariant::SealingResumes, || {
                format!("everything is to be sealed, but: {done:?}")
            })?;
        }
        let tail = self.machine.ledger().sizes().tail_records;
        ensure(tail == 0, Invariant::SealingResumes, || format!("{tail} records are not sealed"))?;
        self.machine.write();
        self.recover_if_needed()
    }

    /// The journal, or journal and segments, are replaced by older copies of themselves, or by nothing: the segments or the
    /// signer's memory tell.
    fn roll_back(&mut self, older: &Image) -> Result<(), Broken> {
        let control = annals_ledger::TenantLog { tenant: TenantId::annals(), kind: LogKind::Tenant };
        // The start a moment ago is a record that the older copy does not have; now it is signed.
        for left in (0..FAULTS_PENDING_MAX).rev() {
            match self.machine.ledger().checkpoint(&control) {
                Ok(_) => break,
                Err(_) if left > 0 => self.crash()?,
                Err(error) => {
                    return broken(Invariant::Recovers, format!("the signer does not recover: {error}"));
                }
            }
        }
        self.stop()?;
        self.hang_up();
        self.machine.forget();
        let now = self.machine.image();
        for image in [
            older.clone(),
            Image { segments: now.segments.clone(), ..older.clone() },
            Image { segments: older.segments.clone(), ..Image::default() },
            Image { segments: now.segments, ..Image::default() },
            Image::default(),
        ] {
            let mut opened = self.machine.open_elsewhere(&image);
            for _ in 0..FAULTS_PENDING_MAX {
                if opened.0.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unavailable) {
                    self.machine.cut_power();
                    opened = self.machine.open_elsewhere(&image);
                }
            }
            match opened {
                (Err(error), 0) if error.kind() == ErrorKind::Damaged => self.tell(&error.to_string()),
                (result, gained) => {
                    let told = format!(
                        "a copy of {} and {} files gave {result:?} and gained {gained} batches",
                        image.journal.len(),
                        image.segments.len()
                    );
                    return broken(Invariant::RolledBackIsRefused, told);
                }
            }
        }
        self.start()
    }
}
