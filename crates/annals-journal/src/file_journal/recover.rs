//! Opening a file journal: what a clean stop, a crash and damage leave, told apart.

use std::{collections::VecDeque, io, sync::Arc};

use super::{FileJournal, Options, Space, create_file};
use crate::{
    Damage, Disk, DiskFile, Flaw, JournalId, OpenError, Place,
    format::{self, FILE_HEADER_BYTES, FileHeader},
    walk::{self, Start, Step, Walk},
};

/// How much of the last group is flushed again at once.
const RESETTLE_BYTES: usize = 1 << 20;

/// What opening found and did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opened {
    /// There was no journal; one was made.
    pub created: bool,
    /// Bytes of a torn tail that were cut off: a group that was never acknowledged.
    pub cut_bytes: u64,
}

/// Where the journal ends, found without changing anything.
struct End {
    id: JournalId,
    /// Place of the next batch.
    next: Place,
    /// End of the last whole frame in the last file; `None` if the file must be begun again.
    last_file: Option<LastFile>,
}

struct LastFile {
    /// Where its last group starts, or the file if it has none.
    last_group_offset: u64,
    good_end: u64,
    /// Bytes of the file behind `good_end`.
    cut_bytes: u64,
}

pub(super) fn open(disk: Arc<dyn Disk>, options: &Options) -> Result<(FileJournal, Opened), OpenError> {
    let mut files: VecDeque<Place> = walk::list(&*disk)??.into();
    let created = files.is_empty();
    // Everything is judged before anything is written: a damaged journal stays as it was found.
    let end = if created {
        files.push_back(options.first_if_new);
        End { id: options.id_if_new, next: options.first_if_new, last_file: None }
    } else {
        find_end(&*disk, files.make_contiguous(), options.id_if_new)?
    };
    let last = *files.back().expect("one was added if there was none");
    let cut_bytes = end.last_file.as_ref().map_or(0, |last_file| last_file.cut_bytes);
    let (current, end_offset) = match end.last_file {
        Some(last_file) => (settle(&*disk, last, &last_file)?, last_file.good_end),
        // A crash before the flushes leaves the file missing, empty or torn, and so does this again.
        None => {
            let mut file = create_file(&*disk, FileHeader { id: end.id, first: last })?;
            file.sync()?;
            (file, FILE_HEADER_BYTES as u64)
        }
    };
    disk.sync_dir()?;
    let journal = FileJournal {
        disk,
        id: end.id,
        file_bytes: options.file_bytes,
        space: Space::new(options.reserve_bytes),
        files,
        current,
        end: end_offset,
        next: end.next,
        must_rotate: false,
        poison: None,
        buffer: Vec::new(),
    };
    Ok((journal, Opened { created, cut_bytes }))
}

/// Checks all files and finds where the last one ends.
fn find_end(disk: &dyn Disk, files: &[Place], id_if_new: JournalId) -> Result<End, OpenError> {
    let (last, closed) = files.split_last().expect("there is at least one file");
    let mut id = None;
    let mut expected = files[0];
    for first in closed {
        let mut walk =
            start(disk, *first, expected, id)?.map_err(|_| damage(*first, 0, *first, Flaw::FileHeader))?;
        id = Some(walk.id());
        if let Some(flaw) = pass_frames(&mut walk)? {
            return Err(damage(*first, walk.offset(), walk.expected(), flaw).into());
        }
        expected = walk.expected();
    }
    let mut walk = match start(disk, *last, expected, id)? {
        Ok(walk) => walk,
        // The header is flushed before any group is written. So a file with no valid header and no room for a group
        // is what a crash leaves while the file is begun, and nothing was lost with it.
        Err(file_bytes) if file_bytes <= FILE_HEADER_BYTES as u64 => {
            return Ok(End { id: id.unwrap_or(id_if_new), next: *last, last_file: None });
        }
        Err(_) => return Err(damage(*last, 0, *last, Flaw::FileHeader).into()),
    };
    if let Some(flaw) = pass_frames(&mut walk)?
        && walk.later_group()?.is_some()
    {
        return Err(damage(*last, walk.offset(), walk.expected(), flaw).into());
    }
    let last_file = LastFile {
        last_group_offset: walk.last_group_offset(),
        good_end: walk.good_end(),
        cut_bytes: walk.limit() - walk.good_end(),
    };
    Ok(End { id: walk.id(), next: walk.expected(), last_file: Some(last_file) })
}

/// Begins to walk a file. Without a valid header the inner error is the file's length.
fn start(
    disk: &dyn Disk,
    first: Place,
    expected: Place,
    id: Option<JournalId>,
) -> Result<Result<Walk, u64>, OpenError> {
    if first != expected {
        return Err(damage(first, 0, expected, Flaw::Gap).into());
    }
    let name = format::file_name(first);
    match Walk::start(disk.open_to_read(&name)?, first, id, None)? {
        Start::Walk(walk) => Ok(Ok(walk)),
        Start::Invalid { file_bytes } => Ok(Err(file_bytes)),
        Start::Version(version) => Err(OpenError::Version { file: name, version, known: format::VERSION }),
        Start::Bad(flaw) => Err(damage(first, 0, first, flaw).into()),
    }
}

/// Goes over all frames; what is wrong where the walk stopped early.
fn pass_frames(walk: &mut Walk) -> io::Result<Option<Flaw>> {
    loop {
        match walk.step()? {
            Step::Frame(_) => {}
            Step::End => return Ok(None),
            Step::Bad(flaw) => return Ok(Some(flaw)),
        }
    }
}

/// Cuts the torn tail off the last file and makes durable what is left of it.
///
/// Reading does not prove that the disk has what is read: the process before us may have stopped because a flush
/// failed, and then the system still shows bytes, and a length, that it will never write. So the last group is written
/// again as it was read, the file is cut even where it seems to end, and both are flushed. Older groups were flushed
/// with success, or the last would not have been written.
fn settle(disk: &dyn Disk, last: Place, last_file: &LastFile) -> io::Result<Box<dyn DiskFile>> {
    let mut file = disk.open(&format::file_name(last))?;
    // A crash from here to the flush leaves the tail, or a part of it, which is again torn; the rest is written with
    // the bytes it has.
    file.truncate(last_file.good_end)?;
    let mut buffer = vec![0; RESETTLE_BYTES];
    let mut offset = last_file.last_group_offset;
    while offset < last_file.good_end {
        let left = usize::try_from(last_file.good_end - offset).unwrap_or(RESETTLE_BYTES);
        let part = &mut buffer[..left.min(RESETTLE_BYTES)];
        if file.read_at(offset, part)? < part.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.write_at(offset, part)?;
        offset += part.len() as u64;
    }
    file.sync()?;
    Ok(file)
}

fn damage(first: Place, offset: u64, place: Place, flaw: Flaw) -> Damage {
    Damage { file: format::file_name(first), offset, place: Some(place), flaw }
}
