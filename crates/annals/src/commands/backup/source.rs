//! What a backup is made of: the files of one snapshot of a ledger.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use annals_journal::Image;
use annals_ledger::LogKind;
use annals_ledger::archive::{self, ArchiveError, LogState, SegmentFile, Snapshot, Spooled};
use annals_ledger::audit::Folders;
use annals_tree::Hash;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::index::{Kind, Object, sha256};
use super::place::PIECE_BYTES;
use crate::exit::{Exit, Failure, reason};

/// The end of a segment, which holds the checksums of all its blocks and a checksum of these: two segments that end alike are alike.
const END_BYTES: u64 = 64 << 10;

/// A snapshot and what is to be copied of it.
pub(super) struct Source {
    pub(super) snapshot: Snapshot,
    pub(super) items: Vec<Item>,
}

/// One file.
pub(super) enum Item {
    /// A segment, open; read when it is needed.
    Segment(SegmentFile),
    /// Something that was made when the snapshot was read.
    Made { object: Object, content: Content },
}

pub(super) enum Content {
    Memory(Vec<u8>),
    /// A temporary file without a name.
    Spooled(File),
}

/// Reads a ledger.
pub(super) fn read(folders: &Folders) -> Result<Source, ArchiveError> {
    let mut spooled = Vec::new();
    let mut snapshot = archive::read(folders, &mut |given| {
        match given {
            Spooled::Anew => spooled.clear(),
            Spooled::Journal(image) => spooled.push(spool(image)?),
        }
        Ok(())
    })?;
    let mut items: Vec<Item> =
        std::mem::take(&mut snapshot.segments).into_iter().map(Item::Segment).collect();
    if let Some(manifest) = snapshot.manifest.take() {
        items.push(made(Kind::Manifest, manifest.name, manifest.bytes));
    }
    items.extend(spooled);
    let signer = std::mem::replace(&mut snapshot.signer, Image::new(JOURNAL_OF_NOTHING, snapshot.next));
    items.push(made(Kind::Signer, signer.file_name(), signer.into_bytes()));
    let logs = format!("logs-{:016x}.ndjson", snapshot.next.0);
    items.push(made(Kind::Logs, logs, log_lines(&snapshot.logs)));
    Ok(Source { snapshot, items })
}

/// Stands where an image was taken away.
const JOURNAL_OF_NOTHING: annals_journal::JournalId = annals_journal::JournalId([0; 16]);

/// The upload may be slow and the images may be many: they wait on disk.
fn spool(image: Image) -> io::Result<Item> {
    let name = image.file_name();
    let bytes = image.into_bytes();
    let mut file = tempfile::tempfile()?;
    file.write_all(&bytes)?;
    let object = Object::new(Kind::Journal, name, bytes.len() as u64, sha256(&bytes));
    Ok(Item::Made { object, content: Content::Spooled(file) })
}

fn made(kind: Kind, file: String, bytes: Vec<u8>) -> Item {
    let object = Object::new(kind, file, bytes.len() as u64, sha256(&bytes));
    Item::Made { object, content: Content::Memory(bytes) }
}

/// A line for each log: what a restore must come to.
fn log_lines(logs: &[LogState]) -> Vec<u8> {
    let mut lines = Vec::new();
    for log in logs {
        let kind = if log.kind == LogKind::Access { "access" } else { "events" };
        let line = json!({
            "tenant": log.tenant.as_str(), "log": kind, "origin": log.origin, "size": log.size, "root": log.root.to_string(),
        });
        lines.extend(line.to_string().into_bytes());
        lines.push(b'\n');
    }
    lines
}

impl Item {
    /// Its object when an earlier backup has a segment of this name, length and end. That is found out without reading the rest
    /// of it; what a disk has lost of it meanwhile, `annals verify` finds.
    pub(super) fn known_as<'a>(
        &self,
        mut known: impl Iterator<Item = &'a Object>,
    ) -> Result<Option<Object>, Failure> {
        let Self::Segment(segment) = self else { return Ok(None) };
        let alike = |object: &&Object| {
            object.kind == Kind::Segment && object.file == segment.name && object.bytes == segment.bytes
        };
        let Some(known) = known.find(alike) else { return Ok(None) };
        let is_it = known.end_sha256.as_deref() == Some(end(segment)?.to_string().as_str());
        Ok(is_it.then(|| known.clone()))
    }

    /// Its object. A segment is read, and each of its blocks is compared with its checksum: what is damaged is not copied.
    pub(super) fn object(&self) -> Result<Object, Failure> {
        let segment = match self {
            Self::Made { object, .. } => return Ok(object.clone()),
            Self::Segment(segment) => segment,
        };
        segment.check().map_err(|damaged| {
            Failure::new(Exit::Damaged, damaged.to_string())
                .with_hint("an earlier backup may still have it; `annals verify` names what is damaged")
        })?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; usize::try_from(PIECE_BYTES).expect("a few MiB")];
        let mut at = 0;
        while at < segment.bytes {
            let count =
                usize::try_from(segment.bytes - at).map_or(buffer.len(), |left| left.min(buffer.len()));
            read_segment(segment, at, &mut buffer[..count])?;
            hasher.update(&buffer[..count]);
            at += count as u64;
        }
        let hash = Hash(hasher.finalize().into());
        let object = Object::new(Kind::Segment, segment.name.clone(), segment.bytes, hash);
        Ok(Object { end_sha256: Some(end(segment)?.to_string()), ..object })
    }

    /// Reads all of `into`.
    pub(super) fn read_at(&self, at: u64, into: &mut [u8]) -> Result<(), Failure> {
        match self {
            Self::Segment(segment) => read_segment(segment, at, into),
            Self::Made { content: Content::Memory(bytes), .. } => {
                let start = usize::try_from(at).expect("it is in memory");
                into.copy_from_slice(&bytes[start..start + into.len()]);
                Ok(())
            }
            Self::Made { content: Content::Spooled(file), object } => file
                .read_exact_at(into, at)
                .map_err(|error| Failure::io("read a temporary copy of", Path::new(&object.file), &error)),
        }
    }
}

fn end(segment: &SegmentFile) -> Result<Hash, Failure> {
    let count = segment.bytes.min(END_BYTES);
    let mut bytes = vec![0; usize::try_from(count).expect("64 KiB")];
    read_segment(segment, segment.bytes - count, &mut bytes)?;
    Ok(sha256(&bytes))
}

fn read_segment(segment: &SegmentFile, at: u64, into: &mut [u8]) -> Result<(), Failure> {
    segment.read_at(at, into).map_err(|error| Failure::io("read", Path::new(&segment.name), &error))
}

/// Why a ledger could not be read.
pub(super) fn failed(error: &ArchiveError, data: &Path) -> Failure {
    if matches!(error, ArchiveError::Empty) {
        return crate::data_folder::no_ledger(data);
    }
    let failure = Failure::new(error.kind().into(), reason(error));
    if failure.exit == Exit::Damaged {
        let hint = format!(
            "nothing was copied, and earlier backups are as they were; `annals verify {}` names what is damaged",
            data.display()
        );
        return failure.with_hint(hint);
    }
    failure
}
