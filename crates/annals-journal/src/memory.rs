//! A journal in memory, for tests of whatever stands on a journal.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{AppendError, BATCH_BYTES_MAX, GROUP_BYTES_MAX, Journal, Place, ReadError, Reader, TrimError};

/// Batches in memory. Clones are handles on the same batches: another writer, or the same one after a restart.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    store: Arc<Mutex<Store>>,
}

#[derive(Debug, Default)]
struct Store {
    first: u64,
    batches: Vec<Arc<[u8]>>,
    script: Script,
}

/// What the next append does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Script {
    #[default]
    Works,
    /// This many batches of the group land, then the answer is lost.
    LosesAnswer {
        landing: usize,
    },
    Full,
}

impl Store {
    fn next(&self) -> Place {
        Place(self.first).plus(self.batches.len() as u64)
    }
}

impl MemoryJournal {
    /// An empty journal whose first batch takes place 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next append store the first `landing` batches of its group (at most all) and lose the answer:
    /// [`AppendError::Uncertain`].
    pub fn lose_next_answer(&self, landing: usize) {
        self.store().script = Script::LosesAnswer { landing };
    }

    /// Makes the next append find no space: [`AppendError::Full`].
    pub fn fill_next(&self) {
        self.store().script = Script::Full;
    }

    /// A panic of another test thread while it held the lock cannot leave a half-made change: each is one call.
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Journal for MemoryJournal {
    fn next(&self) -> Place {
        self.store().next()
    }

    fn first(&self) -> Place {
        Place(self.store().first)
    }

    fn append(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError> {
        let bytes = check_group(group)?;
        let mut store = self.store();
        let end = store.next();
        if end != next {
            return Err(AppendError::Moved { expected: next, next: end });
        }
        let (landing, answer) = match std::mem::take(&mut store.script) {
            Script::Works => (group.len(), Ok(next)),
            Script::LosesAnswer { landing } => (
                landing.min(group.len()),
                Err(AppendError::Uncertain { next, cause: "the answer was lost".into() }),
            ),
            Script::Full => (0, Err(AppendError::Full { bytes: bytes as u64, reserve_bytes: 0 })),
        };
        store.batches.extend(group[..landing].iter().map(|batch| Arc::from(*batch)));
        answer
    }

    fn read(&self, from: Place) -> Result<Reader, ReadError> {
        let store = self.store();
        let first = Place(store.first);
        let next = store.next();
        if from < first {
            return Err(ReadError::Trimmed { from, first });
        }
        if from > next {
            return Err(ReadError::Beyond { from, next });
        }
        let skipped = usize::try_from(from.0 - first.0).expect("at most the number of batches in memory");
        let batches = store.batches[skipped..].to_vec();
        Ok(Box::new((from.0..).zip(batches).map(|(place, batch)| Ok((Place(place), batch.to_vec())))))
    }

    fn trim(&mut self, up_to: Place) -> Result<(), TrimError> {
        let mut store = self.store();
        let next = store.next();
        if up_to > next {
            return Err(TrimError::Beyond { up_to, next });
        }
        let forgotten = usize::try_from(up_to.0.saturating_sub(store.first))
            .expect("at most the number of batches in memory");
        store.batches.drain(..forgotten);
        store.first = store.first.max(up_to.0);
        Ok(())
    }
}

/// Refuses a group outside the limits; returns its bytes of payload.
pub(crate) fn check_group(group: &[&[u8]]) -> Result<usize, AppendError> {
    let mut sum: usize = 0;
    for (index, batch) in group.iter().enumerate() {
        if batch.is_empty() {
            return Err(AppendError::Empty { index });
        }
        if batch.len() > BATCH_BYTES_MAX {
            return Err(AppendError::TooLarge { bytes: batch.len(), bytes_max: BATCH_BYTES_MAX });
        }
        sum = sum.saturating_add(batch.len());
    }
    if group.len() > 1 && sum > GROUP_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes: sum, bytes_max: GROUP_BYTES_MAX });
    }
    Ok(sum)
}
