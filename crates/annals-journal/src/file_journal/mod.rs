//! A journal in local files. What they hold, and what a crash can leave in them, is in [`mod@crate::format`].

mod read;
mod recover;
mod space;

use std::{collections::VecDeque, io, sync::Arc};

pub use recover::Opened;
use space::Space;

use crate::{
    AppendError, Disk, DiskFile, GROUP_BYTES_MAX, Journal, JournalId, Place, ReadError, Reader, TrimError,
    format::{self, FILE_HEADER_BYTES, FRAME_HEADER_BYTES, FileHeader, aligned},
    memory::check_group,
};

/// The buffer of an append is kept up to this size for the next.
const BUFFER_BYTES_KEPT: usize = 2 * GROUP_BYTES_MAX;

/// How a file journal is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// The id of the journal if there is none yet: 16 random bytes. An existing journal keeps its own.
    pub id_if_new: JournalId,
    /// The place of the first batch if there is no journal yet: 0, or where a lost journal is to go on.
    pub first_if_new: Place,
    /// A new file is begun when the next group would make the present one longer. 64 MiB by default.
    pub file_bytes: u64,
    /// Bytes to leave free on the disk: with less, appends answer [`AppendError::Full`]. 64 MiB by default.
    ///
    /// So the service refuses while there is still room to seal, which is what frees space.
    pub reserve_bytes: u64,
}

impl Options {
    /// The defaults.
    #[must_use]
    pub fn new(id_if_new: JournalId) -> Self {
        Self { id_if_new, first_if_new: Place(0), file_bytes: 64 << 20, reserve_bytes: 64 << 20 }
    }
}

/// A journal in the files of one folder.
///
/// The folder must be ours alone: take a [`lock`](crate::lock()) first. Two journals open on one folder destroy it.
#[derive(Debug)]
pub struct FileJournal {
    disk: Arc<dyn Disk>,
    id: JournalId,
    file_bytes: u64,
    space: Space,
    /// First places of the files, oldest first; the last is the one written to. Never empty.
    files: VecDeque<Place>,
    current: Box<dyn DiskFile>,
    /// End of what is flushed in the current file.
    end: u64,
    /// Place of the next batch: everything before it is flushed.
    next: Place,
    /// The next group starts a new file. Also set when beginning one failed half-way: a file of that name may be there
    /// now, so the one before must not grow past its first place.
    must_rotate: bool,
    poison: Option<String>,
    buffer: Vec<u8>,
}

impl FileJournal {
    /// Opens the journal of a folder, or makes one when the folder has none.
    ///
    /// Reads and checks every file. A torn tail (a group that was never acknowledged) is cut off.
    ///
    /// # Errors
    ///
    /// * [`OpenError::Damaged`](crate::OpenError::Damaged): something that had been acknowledged is not as written.
    ///   Nothing has been changed.
    /// * [`OpenError::Version`](crate::OpenError::Version): the files are of a newer format.
    /// * [`OpenError::Io`](crate::OpenError::Io): as the disk says.
    pub fn open(disk: Arc<dyn Disk>, options: &Options) -> Result<(Self, Opened), crate::OpenError> {
        recover::open(disk, options)
    }

    /// The id that every file of the journal carries.
    #[must_use]
    pub fn id(&self) -> JournalId {
        self.id
    }

    fn current_first(&self) -> Place {
        *self.files.back().expect("a journal has at least one file")
    }

    fn current_is_empty(&self) -> bool {
        self.current_first() == self.next
    }

    /// Writes and flushes one checked group at the end.
    fn append_group(&mut self, group: &[&[u8]], payload_bytes: usize) -> Result<Place, AppendError> {
        let frame_bytes = (payload_bytes + group.len() * FRAME_HEADER_BYTES) as u64;
        if !self.space.grants(frame_bytes, &*self.disk).map_err(unavailable)? {
            return Err(self.full(frame_bytes));
        }
        let outgrown = aligned(self.end) + frame_bytes > self.file_bytes && !self.current_is_empty();
        if outgrown || self.must_rotate {
            self.rotate().map_err(|failed| failed.into_append(&*self, frame_bytes))?;
        }

        self.fill_buffer(group);
        // Starting at the next sector leaves a hole of zeros behind the last group, and rewrites no flushed sector.
        let start = aligned(self.end);
        let first = self.next;
        // A crash from here to the end of the flush leaves any part of the group: a torn tail, cut when opening.
        let written = self.current.write_at(start, &self.buffer);
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES_KEPT);
        if let Err(error) = written {
            return Err(self.undo_write(error, frame_bytes));
        }
        if let Err(error) = self.current.sync() {
            self.poison(&error);
            return Err(AppendError::Uncertain { next: first, cause: error.into() });
        }
        // A crash from here on leaves the group whole: it can be acknowledged.
        self.end = start + frame_bytes;
        self.next = first.plus(group.len() as u64);
        Ok(first)
    }

    fn fill_buffer(&mut self, group: &[&[u8]]) {
        for (index, batch) in group.iter().enumerate() {
            format::push_frame(&mut self.buffer, self.id, self.next.plus(index as u64), self.next, batch);
        }
    }

    /// Takes back a group whose write failed, so that its answer can be a plain no.
    ///
    /// The cut is flushed: otherwise a crash might bring back frames of a group that was refused, and mix them with
    /// those of the next.
    fn undo_write(&mut self, error: io::Error, frame_bytes: u64) -> AppendError {
        if let Err(undo) = self.current.truncate(self.end).and_then(|()| self.current.sync()) {
            self.poison(&undo);
            return AppendError::Uncertain { next: self.next, cause: error.into() };
        }
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                self.space.exhausted();
                self.full(frame_bytes)
            }
            io::ErrorKind::FileTooLarge => {
                self.must_rotate = !self.current_is_empty();
                self.full(frame_bytes)
            }
            _ => unavailable(error),
        }
    }

    fn full(&self, bytes: u64) -> AppendError {
        AppendError::Full { bytes, reserve_bytes: self.space.reserve_bytes() }
    }

    /// After a failed flush it is unknown what the disk has, and flushing again may report success for bytes that the
    /// system has dropped. So nothing is ever written again through this handle; opening anew finds out.
    fn poison(&mut self, error: &io::Error) {
        self.poison = Some(error.to_string());
    }

    /// Begins a new file.
    fn rotate(&mut self) -> Result<(), RotateError> {
        self.must_rotate = true;
        // A crash from here on leaves the file missing, empty, torn, or whole without frames; opening accepts each of
        // these in the last file.
        let mut file = create_file(&*self.disk, FileHeader { id: self.id, first: self.next })
            .map_err(RotateError::Write)?;
        if let Err(error) = file.sync().and_then(|()| self.disk.sync_dir()) {
            self.poison(&error);
            return Err(RotateError::Flush(error));
        }
        // A crash from here on leaves an empty last file.
        self.files.push_back(self.next);
        self.current = file;
        self.end = FILE_HEADER_BYTES as u64;
        self.must_rotate = false;
        Ok(())
    }

    /// Removes the oldest file.
    fn remove_oldest(&mut self) -> Result<(), TrimError> {
        let oldest = *self.files.front().expect("a journal has at least one file");
        match self.disk.remove(&format::file_name(oldest)) {
            // Removed by an attempt whose answer was lost.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.map_err(|error| TrimError::Unavailable(error.into()))?,
        }
        self.files.pop_front();
        // Flushed one by one: were two removals in flight, a crash could keep the older file and lose the newer one,
        // which would be a hole. A crash before this flush leaves the file or not; both are a whole journal.
        if let Err(error) = self.disk.sync_dir() {
            self.poison(&error);
            return Err(TrimError::Poisoned { reason: error.to_string() });
        }
        Ok(())
    }

    fn remove_before(&mut self, up_to: Place) -> Result<(), TrimError> {
        // A file ends where the next one begins.
        while self.files.get(1).is_some_and(|end| *end <= up_to) {
            self.remove_oldest()?;
        }
        Ok(())
    }
}

impl Journal for FileJournal {
    fn next(&self) -> Place {
        self.next
    }

    fn first(&self) -> Place {
        *self.files.front().expect("a journal has at least one file")
    }

    fn append(&mut self, next: Place, group: &[&[u8]]) -> Result<Place, AppendError> {
        let payload_bytes = check_group(group)?;
        if let Some(reason) = &self.poison {
            return Err(AppendError::Poisoned { reason: reason.clone() });
        }
        if next != self.next {
            return Err(AppendError::Moved { expected: next, next: self.next });
        }
        if group.is_empty() {
            return Ok(next);
        }
        self.append_group(group, payload_bytes)
    }

    fn read(&self, from: Place) -> Result<Reader, ReadError> {
        Ok(Box::new(read::FileReader::new(self, from)?))
    }

    fn trim(&mut self, up_to: Place) -> Result<(), TrimError> {
        if let Some(reason) = &self.poison {
            return Err(TrimError::Poisoned { reason: reason.clone() });
        }
        if up_to > self.next {
            return Err(TrimError::Beyond { up_to, next: self.next });
        }
        self.remove_before(up_to)?;
        // What is left to forget is in the current file. Ending it here lets this trim or the next one remove it;
        // a quiet journal would else keep old batches until 64 MiB have come together.
        if self.current_first() < up_to {
            match self.rotate() {
                Ok(()) => self.remove_before(up_to)?,
                // Space was freed as far as possible, and the next append begins the new file.
                Err(RotateError::Write(_)) => {}
                Err(RotateError::Flush(error)) => {
                    return Err(TrimError::Poisoned { reason: error.to_string() });
                }
            }
        }
        Ok(())
    }
}

/// Why no new file was begun.
#[derive(Debug)]
enum RotateError {
    /// It may be there in part; beginning it again is safe.
    Write(io::Error),
    /// The journal is poisoned now.
    Flush(io::Error),
}

impl RotateError {
    /// The answer for the group that needed the new file; none of it has been written.
    fn into_append(self, journal: &FileJournal, frame_bytes: u64) -> AppendError {
        match self {
            Self::Write(error) if is_full(&error) => journal.full(frame_bytes),
            Self::Write(error) => unavailable(error),
            Self::Flush(error) => AppendError::Poisoned { reason: error.to_string() },
        }
    }
}

/// Creates a file with nothing but its header, or makes it so; not flushed.
fn create_file(disk: &dyn Disk, header: FileHeader) -> io::Result<Box<dyn DiskFile>> {
    let mut file = disk.create(&format::file_name(header.first))?;
    file.write_at(0, &header.encode())?;
    Ok(file)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn unavailable(error: io::Error) -> AppendError {
    AppendError::Unavailable(error.into())
}
