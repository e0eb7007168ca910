//! The folder of segments and manifests.
//!
//! ```text
//! segment-NNNNNNNNNNNNNNNN.seg   a segment; numbers in hexadecimal, given once
//! manifest-NNNNNNNNNNNNNNNN      a manifest
//! *.tmp                          what was being written when the power went; removed at the next start
//! ```
//!
//! A file gets its name when all of it is durable, and is never changed. What neither of the two newest manifests names is
//! removed.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use annals_journal::{Disk, DiskFile, Place};
use annals_segment::Damaged;
use annals_segment::body::{Cache, ReadAt};
use annals_segment::segment::Segment;

use crate::manifest::{Manifest, ManifestError, SegmentEntry};

const SEGMENT: &str = "segment-";
const MANIFEST: &str = "manifest-";
const TEMPORARY: &str = ".tmp";

/// Manifests kept: the newest, and the one before it for the case that the newest cannot be read.
const MANIFESTS_KEPT: usize = 2;

/// Bytes written between two flushes: a flush of very much at once would keep the journal's waiting.
const BYTES_BETWEEN_FLUSHES: u64 = 8 << 20;

/// Bytes gathered before they are written.
const BUFFER_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Clone)]
pub struct Store {
    disk: Arc<dyn Disk>,
    cache: Arc<Cache>,
}

/// Why the folder of segments cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk does not answer.
    #[error("the segments' folder: {0}")]
    Io(#[from] io::Error),
    /// None of the manifests can be read.
    #[error("manifest `{name}` cannot be read: {cause}")]
    Manifest {
        /// The newest one.
        name: String,
        /// What is wrong with it.
        #[source]
        cause: ManifestError,
    },
    /// A segment that the manifest names is missing or of another length.
    #[error("segment `{name}` {what}\nhint: restore the folder from a backup")]
    Segment {
        /// Its file.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// A segment cannot be opened.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// What [`Store::tidy`] left.
pub(crate) struct Tidied {
    /// The journal before it is not needed by any manifest that is left; none when one of them cannot be read.
    pub(crate) place: Option<Place>,
    /// The older manifest names segments that the newest does not.
    pub(crate) is_twofold: bool,
}

impl Store {
    /// A store in a folder, with `cache_bytes_max` of memory for what is read of segments.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, cache_bytes_max: usize) -> Self {
        Self { disk, cache: Cache::new(cache_bytes_max) }
    }

    /// Writes a file of which `write` gives the bytes, and gives it its name when it is durable. Returns its bytes.
    pub(crate) fn write<T>(
        &self,
        name: &str,
        write: impl FnOnce(io::BufWriter<Sink>) -> io::Result<(io::BufWriter<Sink>, T)>,
    ) -> io::Result<T> {
        let temporary = format!("{name}{TEMPORARY}");
        let made = self.write_whole(&temporary, write).inspect_err(|_| {
            // On a full disk it may be what fills it.
            drop(self.disk.remove(&temporary));
        })?;
        // A crash before this leaves a file that nothing names; one after it a whole file.
        self.disk.rename(&temporary, name)?;
        self.disk.sync_dir()?;
        Ok(made)
    }

    fn write_whole<T>(
        &self,
        temporary: &str,
        write: impl FnOnce(io::BufWriter<Sink>) -> io::Result<(io::BufWriter<Sink>, T)>,
    ) -> io::Result<T> {
        let file = self.disk.create(temporary)?;
        let sink = Sink { file, at: 0, flushed: 0 };
        let (out, made) = write(io::BufWriter::with_capacity(BUFFER_BYTES, sink))?;
        let mut sink = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        sink.file.sync()?;
        Ok(made)
    }

    /// Removes a segment that no manifest names, if that can be done at the moment; else it goes with the next tidying.
    pub(crate) fn discard(&self, number: u64) {
        let name = segment_name(number);
        if let Err(error) = self.disk.remove(&name)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(name, %error, "a segment that is not used could not be removed");
        }
    }

    /// Opens a segment.
    pub(crate) fn open(&self, entry: &SegmentEntry) -> Result<Arc<Segment>, StoreError> {
        let name = segment_name(entry.number);
        let wrong = |what: String| StoreError::Segment { name: name.clone(), what };
        let file = self.disk.open_to_read(&name).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => wrong("is missing".to_owned()),
            _ => wrong(format!("cannot be opened: {error}")),
        })?;
        let bytes = DiskFile::bytes(&*file)?;
        if bytes != entry.bytes {
            return Err(wrong(format!("has {bytes} bytes instead of {}", entry.bytes)));
        }
        Ok(Segment::open(name.as_str().into(), Arc::new(Opened(file)), self.cache.clone())?)
    }

    /// The newest manifest that can be read; none in a folder without any.
    pub(crate) fn newest(&self) -> Result<Option<Manifest>, StoreError> {
        let mut newest_error = None;
        for (_, name) in self.manifests()?.into_iter().rev() {
            match Manifest::decode(&self.read(&name)?) {
                Ok(manifest) => return Ok(Some(manifest)),
                Err(cause) => {
                    tracing::error!(name, %cause, "a manifest cannot be read");
                    newest_error.get_or_insert(StoreError::Manifest { name, cause });
                }
            }
        }
        newest_error.map_or(Ok(None), Err)
    }

    /// The manifests' numbers and names, rising.
    pub(crate) fn manifests(&self) -> io::Result<Vec<(u64, String)>> {
        let names = self.disk.list()?.into_iter();
        let mut found: Vec<_> =
            names.filter_map(|name| Some((number_of(&name, MANIFEST, "")?, name))).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// One of the manifests.
    pub(crate) fn manifest(&self, name: &str) -> Result<Manifest, StoreError> {
        Manifest::decode(&self.read(name)?)
            .map_err(|cause| StoreError::Manifest { name: name.to_owned(), cause })
    }

    /// A number for a manifest that none in the folder has.
    pub(crate) fn next_manifest(&self) -> io::Result<u64> {
        Ok(self.manifests()?.last().map_or(0, |(number, _)| number + 1))
    }

    /// A number for a segment that none in the folder has.
    pub(crate) fn next_segment(&self) -> io::Result<u64> {
        let names = self.disk.list()?;
        let numbers = names
            .iter()
            .filter_map(|name| number_of(name.strip_suffix(TEMPORARY).unwrap_or(name), SEGMENT, ".seg"));
        Ok(numbers.max().map_or(0, |number| number + 1))
    }

    /// Removes all but the newest manifests, what none of these names, and what was never finished. Segments that are being made stay
    /// whatever names them: `making` says which, and is asked when the folder has been looked at. What is begun after that was not
    /// seen, and what was seen was begun before; asked the other way round, a file begun in between would be taken for a leftover.
    pub(crate) fn tidy(&self, making: impl FnOnce() -> BTreeSet<u64>) -> Result<Tidied, StoreError> {
        let listed = self.disk.list()?;
        let making = making();
        let mut manifests = self.manifests()?;
        let old = manifests.len().saturating_sub(MANIFESTS_KEPT);
        let old: Vec<String> = manifests.drain(..old).map(|(_, name)| name).collect();
        let mut kept = BTreeSet::new();
        let mut is_twofold = false;
        let mut place = None;
        let mut all_are_known = true;
        for (_, name) in &manifests {
            let head = match self.manifest(name) {
                Ok(manifest) => manifest.head,
                // Whatever it names may be needed by who repairs it, until newer manifests have taken its place.
                Err(StoreError::Manifest { .. }) => {
                    all_are_known = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let named = head.segments.iter().map(|segment| segment_name(segment.number));
            let named: BTreeSet<String> = named.collect();
            is_twofold = kept.iter().any(|name| !named.contains(name));
            kept.extend(named);
            place = Some(place.map_or(head.place, |place: Place| place.min(head.place)));
        }
        let is_spared = |name: &String| {
            let name = name.strip_suffix(TEMPORARY).unwrap_or(name);
            number_of(name, SEGMENT, ".seg").is_some_and(|number| making.contains(&number))
        };
        let is_needless = |name: &String| {
            name.ends_with(TEMPORARY)
                || (all_are_known && number_of(name, SEGMENT, ".seg").is_some() && !kept.contains(name))
                || old.contains(name)
        };
        for name in listed.iter().filter(|name| is_needless(name) && !is_spared(name)) {
            self.disk.remove(name)?;
        }
        Ok(Tidied { place: place.filter(|_| all_are_known), is_twofold })
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let file = self.disk.open_to_read(name)?;
        let bytes = usize::try_from(DiskFile::bytes(&*file)?).map_err(io::Error::other)?;
        let mut read = vec![0; bytes];
        let count = DiskFile::read_at(&*file, 0, &mut read)?;
        read.truncate(count);
        Ok(read)
    }
}

/// The name of a segment's file.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{SEGMENT}{number:016x}.seg")
}

/// The name of a manifest's file.
pub(crate) fn manifest_name(number: u64) -> String {
    format!("{MANIFEST}{number:016x}")
}

fn number_of(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// A file that is being written.
pub(crate) struct Sink {
    file: Box<dyn DiskFile>,
    at: u64,
    flushed: u64,
}

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_at(self.at, bytes)?;
        self.at += bytes.len() as u64;
        if self.at - self.flushed >= BYTES_BETWEEN_FLUSHES {
            self.file.sync()?;
            self.flushed = self.at;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is read.
struct Opened(Box<dyn DiskFile>);

impl ReadAt for Opened {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(at, into)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.0.bytes()
    }
}

#[cfg(test)]
mod tests {
    use annals_journal::sim::SimDisk;

    use super::*;

    #[test]
    fn what_is_begun_while_the_folder_is_tidied_stays() {
        let disk = SimDisk::new(1);
        let store = Store::new(Arc::new(disk.clone()), 1 << 20);
        let (left, made, begun) = (segment_name(4), segment_name(5), segment_name(6));
        disk.put(&left, vec![1]);
        disk.put(&format!("{made}{TEMPORARY}"), vec![1]);
        store
            .tidy(|| {
                // Somebody begins another one right after he said what he is at.
                disk.put(&format!("{begun}{TEMPORARY}"), vec![1]);
                BTreeSet::from([5])
            })
            .expect("nothing is wrong with the disk");
        let names = disk.list().expect("nothing is wrong with the disk");
        assert_eq!(names, [format!("{made}{TEMPORARY}"), format!("{begun}{TEMPORARY}")]);
    }
}
