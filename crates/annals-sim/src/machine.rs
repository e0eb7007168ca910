//! The machine that the service runs on: one power supply, two disks, two clocks, and the ledger while it runs.

use std::sync::{Arc, Mutex, PoisonError};

use annals_journal::sim::SimDisk;
use annals_journal::{Disk, FileJournal, JournalId, Options as FileOptions, Place};
use annals_ledger::{
    Engine, ErrorKind, KeySecret, Ledger, OpenError, Opened, Options, Parts, SeededEntropy, Unobserved,
};

use crate::Sabotage;
use crate::clock::SimClock;
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, broken};
use crate::journal::{OverheardJournal, Switch, TroubledJournal};

/// After this many attempts to open, whatever was set to go wrong has gone wrong.
const OPENS_MAX: u32 = 64;
/// Turns of the journal's thread without one of the ledger's: each may hand on several groups; the ledger's own bound would block the one thread there is.
const GROUPS_UNAPPLIED_MAX: u32 = 1;

/// A disk's files, as they are.
pub(crate) type Image = Vec<(String, Vec<u8>)>;

pub(crate) struct Machine {
    pub(crate) clock: Arc<SimClock>,
    pub(crate) journal_disk: SimDisk,
    pub(crate) signer_disk: SimDisk,
    pub(crate) switch: Switch,
    pub(crate) signer_switch: Switch,
    /// The signer's memory, as it is written.
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Goes on from life to life, so that no two lives draw the same secrets.
    entropy: Arc<SeededEntropy>,
    file_options: FileOptions,
    signing_seed: [u8; 32],
    sabotage: Option<Sabotage>,
    running: Option<Running>,
    pub(crate) lives: u32,
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
            switch: Switch::default(),
            signer_switch: Switch::default(),
            heard: Arc::default(),
            entropy: Arc::new(SeededEntropy::new(dice.next())),
            file_options,
            signing_seed: [7; 32],
            sabotage,
            running: None,
            lives: 0,
        }
    }

    /// The running service's ledger.
    pub(crate) fn ledger(&self) -> Ledger {
        self.running.as_ref().expect("the run only speaks to a service it has started").ledger.clone()
    }

    /// Starts the service, as often as it takes. Gives the operator key if this is the first start that got so far.
    pub(crate) fn start(&mut self, dice: &mut Dice) -> Result<Option<KeySecret>, Broken> {
        for attempt in 0..OPENS_MAX {
            if attempt == 4 {
                self.lift_faults();
            }
            match self.open() {
                Ok(opened) => return Ok(opened),
                Err(error) if matches!(error.kind(), ErrorKind::Damaged | ErrorKind::Invalid) => {
                    return broken(Invariant::Recovers, format!("after a crash the service says: {error}"));
                }
                Err(_) if dice.chance(50) || self.power_is_off() => self.cut_power(),
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
        let parts = self.parts(&self.journal_disk)?;
        let (Opened { ledger, operator_key }, engine) = Ledger::open_stepped(parts, &options())?;
        self.running = Some(Running { ledger, engine, groups_unapplied: 0 });
        Ok(operator_key)
    }

    /// What the service is made of when its journal lies on `journal_disk`.
    fn parts(&self, journal_disk: &SimDisk) -> Result<Parts, OpenError> {
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
            signing_seed: self.signing_seed,
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            observer: Arc::new(Unobserved),
        })
    }

    /// Tries to start the service on another journal than its own. Gives what it said, and how many batches the journal
    /// has gained by it.
    pub(crate) fn open_elsewhere(&mut self, image: &Image) -> (Result<(), OpenError>, u64) {
        let disk = SimDisk::new(0);
        for (name, contents) in image {
            disk.put(name, contents.clone());
        }
        let before = self.batches(&disk);
        let opened =
            self.parts(&disk).and_then(|parts| Ledger::open_stepped(parts, &options()).map(|_opened| ()));
        let gained = self.batches(&disk).0.saturating_sub(before.0);
        (opened, gained)
    }

    fn batches(&self, disk: &SimDisk) -> Place {
        use annals_journal::Journal as _;
        let opened = FileJournal::open(Arc::new(disk.clone()), &self.file_options);
        opened.map_or(Place(0), |(journal, _)| journal.next())
    }

    /// The journal's files as they are now.
    pub(crate) fn image(&self) -> Image {
        let names = self.journal_disk.list().unwrap_or_default();
        names
            .into_iter()
            .filter_map(|name| Some((name.clone(), self.journal_disk.contents(&name)?)))
            .collect()
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
    }

    /// Both disks hang on one supply: when one is off, the machine is.
    pub(crate) fn power_is_off(&self) -> bool {
        !self.journal_disk.is_on() || !self.signer_disk.is_on()
    }

    /// The disks are well again.
    pub(crate) fn lift_faults(&self) {
        for disk in [&self.journal_disk, &self.signer_disk] {
            disk.set_capacity(None);
            disk.fail_randomly(None);
        }
        self.switch.troubles().delay_us = 0;
        self.switch.troubles().lose_answer_after = None;
    }

    /// Bytes in the journal's files.
    pub(crate) fn journal_bytes(&self) -> u64 {
        self.image().iter().map(|(_, contents)| contents.len() as u64).sum()
    }

    /// What the signer stored since this was last asked.
    pub(crate) fn take_heard(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn options() -> Options {
    Options { name: Some("log.example".to_owned()), event_bytes_max: 64 << 10, version: "sim".to_owned() }
}
