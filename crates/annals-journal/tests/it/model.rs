//! A file journal next to a naive model of what it has promised.

use annals_journal::{AppendError, FileJournal, Journal, OpenError, Place, TrimError, sim::SimDisk};

/// What must be there, and what may be.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    /// Acknowledged batches, from place 0.
    acknowledged: Vec<Vec<u8>>,
    /// A group whose answer was lost, in order.
    in_flight: Vec<Vec<u8>>,
    /// The furthest place trimmed up to.
    trimmed: u64,
    /// A trim has failed: the oldest file may be gone though the handle still counts it.
    first_is_unsure: bool,
    batches_made: u64,
}

impl Promises {
    pub(crate) fn next(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    /// Appends a group of new batches of these sizes.
    pub(crate) fn append(&mut self, journal: &mut FileJournal, sizes: &[usize]) {
        let group: Vec<_> = sizes.iter().map(|bytes| self.make_batch(*bytes)).collect();
        let next = Place(self.next());
        match journal.append(next, &group.iter().map(Vec::as_slice).collect::<Vec<_>>()) {
            Ok(place) => {
                assert_eq!(place, next);
                assert!(
                    self.in_flight.is_empty(),
                    "nothing is acknowledged after a lost answer, before opening again"
                );
                self.acknowledged.extend(group);
            }
            Err(AppendError::Uncertain { .. }) => {
                assert!(self.in_flight.is_empty(), "only one group is in flight");
                self.in_flight = group;
            }
            // Nothing is stored, and the checks below insist on it.
            Err(AppendError::Full { .. } | AppendError::Unavailable(_) | AppendError::Poisoned { .. }) => {}
            Err(other) => panic!("{other:?}"),
        }
        self.check_handle(journal);
    }

    /// Trims up to this share of what there is.
    pub(crate) fn trim(&mut self, journal: &mut FileJournal, percent: u64) {
        let up_to = self.next() * percent / 100;
        // Even a trim that fails may have done its work.
        self.trimmed = self.trimmed.max(up_to);
        match journal.trim(Place(up_to)) {
            Ok(()) | Err(TrimError::Poisoned { .. }) => {}
            Err(TrimError::Unavailable(_)) => self.first_is_unsure = true,
            Err(other) => panic!("{other:?}"),
        }
        self.check_handle(journal);
    }

    /// Opens the journal and checks that it has what was promised. `None` when the disk did not answer.
    pub(crate) fn open(&mut self, disk: &SimDisk) -> Option<FileJournal> {
        let journal = match crate::try_open(disk) {
            Ok((journal, _)) => journal,
            Err(OpenError::Io(_)) => return None,
            Err(other) => panic!("{other}"),
        };
        // What opening shows of the group in flight is there from now on.
        let kept = journal.next().0.checked_sub(self.next()).expect("every acknowledged batch is there");
        let kept = usize::try_from(kept).unwrap();
        assert!(kept <= self.in_flight.len(), "{kept} batches were not acknowledged");
        self.acknowledged.extend(self.in_flight.drain(..).take(kept));
        self.first_is_unsure = false;
        self.check_handle(&journal);
        self.check_contents(&journal);
        Some(journal)
    }

    fn check_handle(&self, journal: &FileJournal) {
        assert_eq!(journal.next().0, self.next());
        assert!(journal.first().0 <= self.trimmed, "only what was trimmed is gone");
    }

    /// Every acknowledged batch that was not trimmed is there, once, in order, and nothing else.
    pub(crate) fn check_contents(&self, journal: &FileJournal) {
        if self.first_is_unsure {
            return;
        }
        let first = usize::try_from(journal.first().0).unwrap();
        let batches = crate::read_all(journal);
        assert!(batches == self.acknowledged[first..], "what is read is not what was acknowledged");
    }

    fn make_batch(&mut self, bytes: usize) -> Vec<u8> {
        self.batches_made += 1;
        // The number in front makes every batch different; the rest looks like little-used bytes, zeros among them.
        let mut batch = self.batches_made.to_be_bytes().to_vec();
        batch.resize(bytes.max(8), u8::try_from(self.batches_made % 3).unwrap());
        batch
    }
}
