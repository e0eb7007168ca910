//! The machine that the service runs on: one power supply, three disks, two clocks, and the ledger while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use annals_journal::sim::SimDisk;
use annals_journal::{Disk, FileJournal, JournalId, Options as FileOptions, Place};
use annals_ledger::{
    Done, Engine, ErrorKind, KeySecret, Ledger, OpenError, Opened, Options, Parts, SealError, SeededEntropy,
    Store, TailLimits, Unobserved,
};

use crate::Sabotage;
use crate::clock::SimClock;
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, broken, is_ordered};
use crate::journal::{OverheardJournal, Switch, TroubledJournal};

/// After this many attempts to open, whatever was set to go wrong has gone wrong.
const OPENS_MAX: u32 = 64;
/// Turns of the journal's thread without one of the ledger's: each may hand on several groups; the ledger's own bound would block the one thread there is.
const GROUPS_UNAPPLIED_MAX: u32 = 1;

/// A disk's files, as they are.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// What a backup has of a service.
#[derive(Clone, Default)]
pub(crate) struct Image {
    pub(crate) journal: Files,
    pub(crate) segments: Files,
}

pub(crate) struct Machine {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) journal_disk: SimDisk,
    pub(crate) signer_disk: SimDisk,
    pub(crate) segments_disk: SimDisk,
    pub(crate) switch: Switch,
    pub(crate) signer_switch: Switch,
    /// The signer's memory, as it is written.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Goes on from life to life, so that no two lives draw the same secrets.
    entropy: Arc<SeededEntropy>,
    file_options: FileOptions,
    /// Small, so that records are sealed all the time.
    tail: TailLimits,
    /// Small too: what is read of segments comes from their disk.
    cache_bytes: usize,
    signing_seed: [u8; 32],
    sabotage: Option<Sabotage>,
    running: Option<Running>,
    pub(crate) lives: u32,
    /// Tails that became segments, and segments that were merged, while the service ran.
    pub(crate) sealed: u32,
    pub(crate) merged: u32,
}

struct Running {
    ledger: Ledger,
    engine: Engine,
    groups_unapplied: u32,
}

impl Machine {
    pub(crate) fn new(dice: &mut Dice, sabotage: Option<Sabotage>) -> Self {
        let id = JournalId((u128::from(dice.next()) << 64 | u128::from(dice.next())).to_be_bytes());
        let file_options = FileOptions {
            file_bytes: dice.between(4, 64) << 10,
            reserve_bytes: dice.below(2) * 4096,
            ..FileOptions::new(id)
        };
        Self {
            clock: Arc::new(SimClock::new()),
            journal_disk: SimDisk::new(dice.next()),
            signer_disk: SimDisk::new(dice.next()),
            segments_disk: SimDisk::new(dice.next()),
            switch: Switch::default(),
            signer_switch: Switch::default(),
            heard: Arc::default(),
            entropy: Arc::new(SeededEntropy::new(dice.next())),
            file_options,
            tail: TailLimits {
                records_max: dice.between(5, 60),
                bytes_max: dice.between(2, 64) << 10,
                age_us_max: i64::try_from(dice.between(1, 600)).expect("small") * 1_000_000,
            },
            cache_bytes: dice.index(8) << 14,
            signing_seed: [7; 32],
            sabotage,
            running: None,
            lives: 0,
            sealed: 0,
            merged: 0,
        }
    }

    /// The running service's ledger.
    pub(crate) fn ledger(&self) -> Ledger {
        self.running.as_ref().expect("the run only speaks to a service it has started").ledger.clone()
    }

    /// Starts the service, as often as it takes. Gives the operator key if this is the first start that got so far.
    pub(crate) fn start(&mut self, dice: &mut Dice) -> Result<Option<KeySecret>, Broken> {
        let mut shown = None;
        for attempt in 0..OPENS_MAX {
            if attempt == 4 {
                self.lift_faults();
            }
            let opened = self.open();
            let is_off = self.power_is_off();
            match opened {
                Ok(opened) => {
                    shown = shown.or(opened);
                    if !is_off {
                        return Ok(shown);
                    }
                    // Records are sealed on the way, and a disk that goes then is no reason not to open.
                    self.cut_power();
                }
                Err(_) if is_off => self.cut_power(),
                Err(error)
                    if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Invalid)
                        && !is_ordered(&error.to_string()) =>
                {
                    return broken(Invariant::Recovers, format!("after a crash the service says: {error}"));
                }
                Err(_) if dice.chance(50) => self.cut_power(),
                Err(_) => {}
            }
        }
        broken(Invariant::Recovers, format!("the service did not open in {OPENS_MAX} attempts"))
    }

    fn open(&mut self) -> Result<Option<KeySecret>, OpenError> {
        self.lives += 1;
        for switch in [&self.switch, &self.signer_switch] {
            *switch.troubles() = crate::journal::Troubles::default();
        }
        let parts = self.parts(&self.journal_disk, &self.segments_disk)?;
        let (Opened { ledger, operator_key }, engine) = Ledger::open_stepped(parts, &self.options())?;
        self.running = Some(Running { ledger, engine, groups_unapplied: 0 });
        Ok(operator_key)
    }

    /// What the service is made of when its journal and its segments lie on these disks.
    fn parts(&self, journal_disk: &SimDisk, segments_disk: &SimDisk) -> Result<Parts, OpenError> {
        let (journal, _) = FileJournal::open(Arc::new(journal_disk.clone()), &self.file_options)?;
        let (memory, _) = FileJournal::open(Arc::new(self.signer_disk.clone()), &self.file_options)?;
        let memory = TroubledJournal::new(memory, self.signer_switch.clone(), self.clock.clone(), None);
        Ok(Parts {
            journal: Box::new(TroubledJournal::new(
                journal,
                self.switch.clone(),
                self.clock.clone(),
                self.sabotage,
            )),
            signer_journal: Box::new(OverheardJournal {
                journal: Box::new(memory),
                heard: self.heard.clone(),
            }),
            segments: Store::new(Arc::new(segments_disk.clone()), self.cache_bytes),
            signing_seed: self.signing_seed,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            observer: Arc::new(Unobserved),
        })
    }

    fn options(&self) -> Options {
        Options {
            name: Some("log.example".to_owned()),
            event_bytes_max: 64 << 10,
            tail: self.tail,
            version: "sim".to_owned(),
        }
    }

    /// Tries to start the service on another journal and other segments than its own. Gives what it said, and how many batches the
    /// journal has gained by it.
    pub(crate) fn open_elsewhere(&mut self, image: &Image) -> (Result<(), OpenError>, u64) {
        let [disk, segments] = [&image.journal, &image.segments].map(|files| {
            let disk = SimDisk::new(0);
            files.iter().for_each(|(name, contents)| disk.put(name, contents.clone()));
            disk
        });
        let before = self.batches(&disk);
        let opened = self
            .parts(&disk, &segments)
            .and_then(|parts| Ledger::open_stepped(parts, &self.options()).map(|_opened| ()));
        let gained = self.batches(&disk).0.saturating_sub(before.0);
        (opened, gained)
    }

    fn batches(&self, disk: &SimDisk) -> Place {
        use annals_journal::Journal as _;
        let opened = FileJournal::open(Arc::new(disk.clone()), &self.file_options);
        opened.map_or(Place(0), |(journal, _)| journal.next())
    }

    /// The files of journal and segments as they are now.
    pub(crate) fn image(&self) -> Image {
        Image { journal: files(&self.journal_disk), segments: files(&self.segments_disk) }
    }

    /// One turn of the thread that seals. With `now` what is not sealed yet is, whatever its size and age.
    pub(crate) fn seal(&mut self, now: bool) -> Result<Done, SealError> {
        let Some(running) = &mut self.running else { return Ok(Done::Nothing) };
        let done = running.engine.seal(now);
        self.sealed += u32::from(matches!(done, Ok(Done::Sealed(_))));
        self.merged += u32::from(matches!(done, Ok(Done::Merged(_))));
        done
    }

    /// The first half of a turn of the thread that merges; the other half is the next [`Machine::seal`] with nothing to seal.
    pub(crate) fn begin_merge(&mut self) -> Result<bool, SealError> {
        self.running.as_mut().map_or(Ok(false), |running| running.engine.begin_merge())
    }

    /// One turn of the journal's thread. Whether it wrote.
    pub(crate) fn write(&mut self) -> bool {
        let Some(running) = &mut self.running else { return false };
        if running.groups_unapplied == GROUPS_UNAPPLIED_MAX {
            return false;
        }
        running.groups_unapplied += 1;
        running.engine.write()
    }

    /// Turns of the ledger's thread, until it waits.
    pub(crate) fn apply(&mut self) {
        if let Some(running) = &mut self.running {
            running.engine.apply();
            running.groups_unapplied = 0;
        }
    }

    /// Stops the service as SIGTERM does, and waits for it. Senders can be polled for their answers after.
    pub(crate) fn drain(&mut self) {
        let Some(running) = &self.running else { return };
        running.ledger.stop();
        self.apply();
        while self.write() && !self.power_is_off() {
            self.apply();
        }
        self.apply();
    }

    /// The process is gone; what it wrote is with the system and the disk.
    pub(crate) fn forget(&mut self) {
        self.running = None;
    }

    /// The power goes and comes back; the service is gone.
    pub(crate) fn cut_power(&mut self) {
        self.running = None;
        self.journal_disk.crash();
        self.signer_disk.crash();
        self.segments_disk.crash();
    }

    /// The disks hang on one supply: when one is off, the machine is.
    pub(crate) fn power_is_off(&self) -> bool {
        !self.journal_disk.is_on() || !self.signer_disk.is_on() || !self.segments_disk.is_on()
    }

    /// The disks are well again.
    pub(crate) fn lift_faults(&self) {
        for disk in [&self.journal_disk, &self.signer_disk, &self.segments_disk] {
            disk.set_capacity(None);
            disk.fail_randomly(None);
        }
        self.switch.troubles().delay_us = 0;
        self.switch.troubles().lose_answer_after = None;
    }

    /// Bytes in the journal's files.
    pub(crate) fn journal_bytes(&self) -> u64 {
        bytes(&self.journal_disk)
    }

    /// Bytes in the files of segments.
    pub(crate) fn segment_bytes(&self) -> u64 {
        bytes(&self.segments_disk)
    }

    /// The journal's oldest batch.
    pub(crate) fn trimmed_to(&self) -> u64 {
        use annals_journal::Journal as _;
        let opened = FileJournal::open(Arc::new(self.journal_disk.clone()), &self.file_options);
        opened.map_or(0, |(journal, _)| journal.first().0)
    }

    /// What the signer stored since this was last asked.
    pub(crate) fn take_heard(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn files(disk: &SimDisk) -> Files {
    let names = disk.list().unwrap_or_default();
    names.into_iter().filter_map(|name| Some((name.clone(), disk.contents(&name)?))).collect()
}

fn bytes(disk: &SimDisk) -> u64 {
    files(disk).iter().map(|(_, contents)| contents.len() as u64).sum()
}
