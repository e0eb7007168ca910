//! Reading a folder that may be in use, and going on behind damage, for verifiers.

use std::{collections::VecDeque, io, sync::Arc};

use crate::{
    Damage, Disk, Flaw, JournalId, OpenError, Place,
    format::{self, FILE_HEADER_BYTES},
    walk::{self, Start, Step, Walk},
};

/// Reads all frames of a folder, good and bad. Takes no lock, writes nothing, and bears with a journal that is being
/// written and trimmed meanwhile: what is appended after it began may be missing from it.
///
/// It ends after its first error, which is [`OpenError::Version`] or [`OpenError::Io`]; damage is an item.
#[derive(Debug)]
pub struct Scan {
    disk: Arc<dyn Disk>,
    files: VecDeque<Place>,
    id: Option<JournalId>,
    /// Where the next file must start, when that is known.
    expected: Option<Place>,
    current: Option<(Arc<str>, Walk)>,
    failed: bool,
}

/// One thing found in a journal's files, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Scanned {
    /// A whole frame.
    Frame {
        /// Name of the file.
        file: Arc<str>,
        /// Byte in the file where the frame starts.
        offset: u64,
        /// The batch's place.
        place: Place,
        /// The batch.
        payload: Vec<u8>,
    },
    /// Something acknowledged that is not as written.
    Bad {
        /// Where, and what is wrong.
        damage: Damage,
        /// The bytes that seem to be the batch at [`Damage::place`], when a length can be made out.
        payload: Option<Vec<u8>>,
        /// Whether `payload` matches the checksum beside it: then only the frame around it is damaged.
        payload_is_intact: bool,
        /// The place at which the scan goes on; those before it, from [`Damage::place`], are affected. `None`: none
        /// follows.
        resumes: Option<Place>,
    },
    /// The end of the last file holds a group that is being written, or was cut short by a crash; not damage.
    Tail {
        /// Name of the file.
        file: Arc<str>,
        /// Byte in the file where the last whole frame ends.
        offset: u64,
        /// Bytes behind it.
        bytes: u64,
    },
}

impl Scan {
    /// Lists the files; reads nothing of them yet.
    ///
    /// # Errors
    ///
    /// * [`OpenError::Damaged`]: a file has a name that no journal writes.
    /// * [`OpenError::Io`]: as the disk says.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Self, OpenError> {
        let files = walk::list(&*disk)??.into();
        Ok(Self { disk, files, id: None, expected: None, current: None, failed: false })
    }

    /// The id that the journal's files carry; none before the first whole file header was read.
    #[must_use]
    pub fn id(&self) -> Option<JournalId> {
        self.id
    }

    fn advance(&mut self) -> Result<Option<Scanned>, OpenError> {
        loop {
            let Some((file, walk)) = &mut self.current else {
                match self.begin_file()? {
                    Begun::Walk => continue,
                    Begun::Found(found) => return Ok(Some(found)),
                    Begun::NoMore => return Ok(None),
                }
            };
            match walk.step()? {
                Step::Frame(frame) => {
                    let file = Arc::clone(file);
                    return Ok(Some(Scanned::Frame {
                        file,
                        offset: frame.offset,
                        place: frame.place,
                        payload: frame.payload,
                    }));
                }
                Step::End => {
                    self.expected = Some(walk.expected());
                    self.current = None;
                }
                Step::Bad(flaw) => return Ok(Some(self.bad_frame(flaw)?)),
            }
        }
    }

    fn begin_file(&mut self) -> Result<Begun, OpenError> {
        let Some(first) = self.files.front().copied() else { return Ok(Begun::NoMore) };
        let name = format::file_name(first);
        if let Some(expected) = self.expected.take_if(|expected| *expected != first) {
            return Ok(Begun::Found(bad(&name, 0, expected, Flaw::Gap, Some(first))));
        }
        let file = match self.disk.open_to_read(&name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.missing_file(first),
            Err(error) => return Err(error.into()),
        };
        self.files.pop_front();
        let flaw = match Walk::start(file, first, self.id, None)? {
            Start::Walk(walk) => {
                self.id = Some(walk.id());
                self.current = Some((name.into(), walk));
                return Ok(Begun::Walk);
            }
            Start::Version(version) => {
                return Err(OpenError::Version { file: name, version, known: format::VERSION });
            }
            Start::Invalid { file_bytes }
                if self.files.is_empty() && file_bytes <= FILE_HEADER_BYTES as u64 =>
            {
                return Ok(Begun::Found(Scanned::Tail { file: name.into(), offset: 0, bytes: file_bytes }));
            }
            Start::Invalid { .. } => Flaw::FileHeader,
            Start::Bad(flaw) => flaw,
        };
        self.expected = None;
        Ok(Begun::Found(bad(&name, 0, first, flaw, self.files.front().copied())))
    }

    /// A file that is gone was trimmed meanwhile if all older ones are gone too.
    fn missing_file(&mut self, first: Place) -> Result<Begun, OpenError> {
        self.files.pop_front();
        self.expected = None;
        let trimmed = walk::list(&*self.disk)??.first().is_some_and(|oldest| *oldest > first);
        if trimmed {
            return self.begin_file();
        }
        Ok(Begun::Found(bad(&format::file_name(first), 0, first, Flaw::Gap, self.files.front().copied())))
    }

    /// Tells a torn tail from damage, takes what can be had of a damaged frame, and finds where to go on.
    fn bad_frame(&mut self, flaw: Flaw) -> io::Result<Scanned> {
        let (file, walk) = self.current.as_mut().expect("a frame was read from it");
        let (offset, place) = (walk.offset(), walk.expected());
        let later = walk.later_group()?;
        if later.is_none() && self.files.is_empty() {
            let offset = walk.good_end();
            let tail = Scanned::Tail { file: Arc::clone(file), offset, bytes: walk.limit() - offset };
            self.current = None;
            return Ok(tail);
        }
        let (payload, payload_is_intact) = walk.salvage()?.unzip();
        let damage = Damage { file: file.to_string(), offset, place: Some(place), flaw };
        let resumes = if walk.offset() != offset {
            Some(walk.expected())
        } else if let Some(later) = later {
            walk.resume(later);
            Some(later.place)
        } else {
            self.current = None;
            self.expected = None;
            self.files.front().copied()
        };
        Ok(Scanned::Bad { damage, payload, payload_is_intact: payload_is_intact.unwrap_or(false), resumes })
    }
}

impl Iterator for Scan {
    type Item = Result<Scanned, OpenError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.advance().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}

/// What came of beginning the next file.
enum Begun {
    Walk,
    Found(Scanned),
    NoMore,
}

fn bad(file: &str, offset: u64, place: Place, flaw: Flaw, resumes: Option<Place>) -> Scanned {
    let damage = Damage { file: file.to_owned(), offset, place: Some(place), flaw };
    Scanned::Bad { damage, payload: None, payload_is_intact: false, resumes }
}
