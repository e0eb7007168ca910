//! The journal between the ledger and the simulated disk: loses answers, is slow, and, for testing the checks, lies.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use annals_journal::{AppendError, FileJournal, Journal, Place, ReadError, Reader, TrimError};
use annals_ledger::batch::Batch;

use crate::Sabotage;
use crate::clock::SimClock;

/// What is to go wrong at this seam, and what was noticed there.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// Of the next group this many batches land, and the answer is lost: a network between us and the journal.
    pub(crate) lose_answer_after: Option<usize>,
    /// How long an append takes.
    pub(crate) delay_us: u64,
    /// A flush failed in this life.
    pub(crate) poisoned: bool,
    /// A group was taken although a flush had failed in this life.
    pub(crate) wrote_after_failed_flush: bool,
    /// Whether answers of any kind went wrong since the last opening.
    pub(crate) failed: bool,
}

/// A handle on the troubles of one journal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Switch(Arc<Mutex<Troubles>>);

impl Switch {
    pub(crate) fn troubles(&self) -> MutexGuard<'_, Troubles> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file journal with [`Troubles`], and with a [`Sabotage`] where a run tests the checks themselves.
pub(crate) struct TroubledJournal {
    journal: FileJournal,
    switch: Switch,
    clock: Arc<SimClock>,
    lies: Lies,
}

/// How far the answers of a sabotaged journal are from the truth.
#[derive(Default)]
struct Lies {
    sabotage: Option<Sabotage>,
    /// Groups so far, so that the lie comes when there is something to lose.
    groups: u64,
    /// Acknowledged and not written.
    held: Vec<Vec<u8>>,
    /// Acknowledged and never to be written.
    dropped: u64,
}

impl TroubledJournal {
    pub(crate) fn new(
        journal: FileJournal,
        switch: Switch,
        clock: Arc<SimClock>,
        sabotage: Option<Sabotage>,
    ) -> Self {
        Self { journal, switch, clock, lies: Lies { sabotage, ..Lies::default() } }
    }

    /// Appends for real, and notes what came of it.
    fn append_truly(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError> {
        let answer = self.journal.append(next, group);
        let mut troubles = self.switch.troubles();
        match &answer {
            Ok(_) => troubles.wrote_after_failed_flush |= troubles.poisoned && !group.is_empty(),
            Err(AppendError::Uncertain { .. } | AppendError::Poisoned { .. }) => troubles.poisoned = true,
            Err(_) => {}
        }
        troubles.failed |= answer.is_err();
        answer
    }

    fn append_or_lose(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError> {
        let Some(landing) = self.switch.troubles().lose_answer_after.take() else {
            return self.append_truly(next, group);
        };
        self.append_truly(next, &group[..landing.min(group.len())])?;
        Err(AppendError::Uncertain { next, cause: "simulated: the answer was lost".into() })
    }

    fn append_sabotaged(&mut self, sabotage: Sabotage, group: &[&[u8]]) -> Result<Place, AppendError> {
        self.lies.groups += 1;
        let claimed = self.next();
        let well = !self.switch.troubles().poisoned;
        match sabotage {
            Sabotage::DropsAcknowledged
                if well && holds_records(group) && self.lies.groups >= 6 && self.lies.dropped == 0 =>
            {
                self.lies.dropped += group.len() as u64
            }
            Sabotage::DropsAcknowledged => {
                self.append_truly(self.journal.next(), group)?;
            }
            Sabotage::SwapsTwo => {
                let mut swapped = group.to_vec();
                swapped.reverse();
                self.append_truly(self.journal.next(), &swapped)?;
            }
            Sabotage::AcknowledgesEarly => {
                let held = std::mem::take(&mut self.lies.held);
                for batch in &held {
                    self.append_truly(self.journal.next(), &[batch])?;
                }
                self.lies.held = group.iter().map(|batch| batch.to_vec()).collect();
            }
        }
        Ok(claimed)
    }
}

/// Whether somebody was told of records in a group; nobody is told of a head.
fn holds_records(group: &[&[u8]]) -> bool {
    group.iter().any(|bytes| matches!(annals_ledger::batch::decode(bytes), Ok(Batch::Records(_))))
}

impl Journal for TroubledJournal {
    fn next(&self) -> Place {
        self.journal.next().plus(self.lies.dropped + self.lies.held.len() as u64)
    }

    fn first(&self) -> Place {
        self.journal.first()
    }

    fn append(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError> {
        self.clock.pass(self.switch.troubles().delay_us);
        match self.lies.sabotage {
            None => self.append_or_lose(next, group),
            Some(sabotage) => self.append_sabotaged(sabotage, group),
        }
    }

    fn read(&self, from: Place) -> Result<Reader, ReadError> {
        self.journal.read(from)
    }

    fn trim(&mut self, up_to: Place) -> Result<(), TrimError> {
        self.journal.trim(up_to)
    }
}

/// The signer's memory on its way to the disk, overheard by the prover.
pub(crate) struct OverheardJournal {
    pub(crate) journal: Box<dyn Journal>,
    /// What was stored, batch by batch, until the prover takes it.
    pub(crate) heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Journal for OverheardJournal {
    fn next(&self) -> Place {
        self.journal.next()
    }

    fn first(&self) -> Place {
        self.journal.first()
    }

    fn append(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError> {
        let first = self.journal.append(next, group)?;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.extend(group.iter().map(|batch| batch.to_vec()));
        Ok(first)
    }

    fn read(&self, from: Place) -> Result<Reader, ReadError> {
        self.journal.read(from)
    }

    fn trim(&mut self, up_to: Place) -> Result<(), TrimError> {
        self.journal.trim(up_to)
    }
}
