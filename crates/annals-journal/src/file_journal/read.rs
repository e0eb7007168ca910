//! Reading the batches of a file journal while it goes on being written and trimmed.

use std::{collections::VecDeque, io, sync::Arc};

use super::FileJournal;
use crate::{
    Damage, Disk, Flaw, JournalId, Place, ReadError, format,
    walk::{self, Start, Step, Walk},
};

/// The batches from one place up to where the journal ended when the reader was made.
#[derive(Debug)]
pub(super) struct FileReader {
    disk: Arc<dyn Disk>,
    id: JournalId,
    /// First places of the files not begun yet.
    files: VecDeque<Place>,
    /// The file that was being written when the reader was made, and how much of it was flushed.
    current: (Place, u64),
    /// The file being read.
    walk: Option<(Place, Walk)>,
    /// The next place to give.
    from: Place,
    /// Where to end.
    until: Place,
    failed: bool,
}

impl FileReader {
    pub(super) fn new(journal: &FileJournal, from: Place) -> Result<Self, ReadError> {
        let first = *journal.files.front().expect("a journal has at least one file");
        if from < first {
            return Err(ReadError::Trimmed { from, first });
        }
        if from > journal.next {
            return Err(ReadError::Beyond { from, next: journal.next });
        }
        // The last file that starts at or before `from` has it.
        let skipped = journal.files.partition_point(|first| *first <= from) - 1;
        Ok(Self {
            disk: Arc::clone(&journal.disk),
            id: journal.id,
            files: journal.files.iter().skip(skipped).copied().collect(),
            current: (journal.current_first(), journal.end),
            walk: None,
            from,
            until: journal.next,
            failed: false,
        })
    }

    fn advance(&mut self) -> Result<(Place, Vec<u8>), ReadError> {
        loop {
            let (first, walk) = match &mut self.walk {
                Some((first, walk)) => (*first, walk),
                None => {
                    self.begin_file()?;
                    continue;
                }
            };
            match walk.step().map_err(io_error)? {
                // Frames before `from` are checked too, and passed over.
                Step::Frame(frame) if frame.place < self.from => {}
                Step::Frame(frame) => {
                    self.from = frame.place.plus(1);
                    return Ok((frame.place, frame.payload));
                }
                Step::End if self.files.front() == Some(&walk.expected()) => self.walk = None,
                // Shorter than what was flushed.
                Step::End => return Err(damage(first, walk.good_end(), walk.expected(), Flaw::FrameHeader)),
                Step::Bad(flaw) => return Err(damage(first, walk.offset(), walk.expected(), flaw)),
            }
        }
    }

    fn begin_file(&mut self) -> Result<(), ReadError> {
        let first = self.files.pop_front().expect("the last file ends at `until`, where the reader ends");
        let file = match self.disk.open_to_read(&format::file_name(first)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(self.missing(first)),
            Err(error) => return Err(io_error(error)),
        };
        let limit = (first == self.current.0).then_some(self.current.1);
        let flaw = match Walk::start(file, first, Some(self.id), limit).map_err(io_error)? {
            Start::Walk(walk) => {
                self.walk = Some((first, walk));
                return Ok(());
            }
            Start::Version(_) | Start::Invalid { .. } => Flaw::FileHeader,
            Start::Bad(flaw) => flaw,
        };
        Err(damage(first, 0, first, flaw))
    }

    /// A file that is gone was trimmed if all older ones are gone too; else somebody removed it.
    fn missing(&self, first: Place) -> ReadError {
        match walk::list(&*self.disk) {
            Ok(Ok(firsts)) => match firsts.first() {
                Some(oldest) if *oldest > first => ReadError::Trimmed { from: self.from, first: *oldest },
                _ => damage(first, 0, first, Flaw::Gap),
            },
            Ok(Err(damage)) => damage.into(),
            Err(error) => io_error(error),
        }
    }
}

impl Iterator for FileReader {
    type Item = Result<(Place, Vec<u8>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.from == self.until {
            return None;
        }
        let item = self.advance();
        self.failed = item.is_err();
        Some(item)
    }
}

fn damage(first: Place, offset: u64, place: Place, flaw: Flaw) -> ReadError {
    Damage { file: format::file_name(first), offset, place: Some(place), flaw }.into()
}

fn io_error(error: io::Error) -> ReadError {
    ReadError::Io(error.into())
}
