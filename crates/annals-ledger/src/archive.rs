//! Reading all of a ledger for a backup: no lock, nothing written, a server may be running on the folder.
//!
//! What is read belongs together, whatever the server does meanwhile:
//!
//! ```text
//! signer's memory    first: what it remembers was durable in the journal before, so it is in what is read next
//! newest manifest    names segments and the place up to which they hold everything
//! segments opened    an open file stays readable when a merge removes its name
//! journal            the batches from the manifest's place to its end
//! ```
//!
//! When a file goes away in between, the server has written a newer manifest, and reading begins anew with that one. The batches
//! are applied as at a start, by the same [`State::apply`], and held against what the signer remembers: what would not open as
//! a ledger is not given out as one. In memory are then the manifest's logs and the batches behind it, a tail or two.

use std::io;
use std::sync::Arc;

use annals_event::TenantId;
use annals_journal::{
    Damage, Disk, DiskFile, Image, Journal as _, JournalId, MemoryJournal, OpenError as JournalError, Place,
    Scan, Scanned,
};
use annals_segment::Damaged;
use annals_segment::segment::Segment;
use annals_tree::Hash;
use annals_tree::note::VerifierKey;
use bytes::Bytes;

use crate::audit::Folders;
use crate::batch::{Genesis, LogKind};
use crate::error::{ErrorKind, OpenError};
use crate::manifest::Manifest;
use crate::sealed::Parts;
use crate::signing::JournalMemory;
use crate::state::State;
use crate::store::{Store, StoreError, manifest_name, segment_name};

/// Bytes after which the journal's batches go into another image.
const IMAGE_BYTES: usize = 16 << 20;

/// How often reading begins anew because the server went on meanwhile. It writes a manifest when it has filled a tail, and reading
/// a tail takes less time than filling one.
const ATTEMPTS_MAX: u32 = 8;

/// Memory for blocks of segments: only what is needed to open them and to look for ids.
const CACHE_BYTES: usize = 16 << 20;

/// Names the one file of the signer's memory in a copy: it begins at the first place again.
const SIGNER_FIRST: Place = Place(0);

/// A ledger as it was at one place of its journal.
pub struct Snapshot {
    /// Its identity.
    pub genesis: Genesis,
    /// The key in force, named after it.
    pub signing_key: VerifierKey,
    /// Where the journal that is given out begins: the manifest's place, or the very first.
    pub first: Place,
    /// The place after the last batch.
    pub next: Place,
    /// The manifest, unless nothing was ever sealed.
    pub manifest: Option<ManifestFile>,
    /// Its segments.
    pub segments: Vec<SegmentFile>,
    /// The signer's memory, all of it in one file.
    pub signer: Image,
    /// Every log, those of `_annals` first.
    pub logs: Vec<LogState>,
}

/// A manifest's file.
pub struct ManifestFile {
    /// Its name in the folder of segments.
    pub name: String,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// An open segment's file.
pub struct SegmentFile {
    /// Its name in the folder of segments.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    file: Box<dyn DiskFile>,
    segment: Arc<Segment>,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Whose.
    pub tenant: TenantId,
    /// Which of the tenant's logs.
    pub kind: LogKind,
    /// First line of its checkpoints.
    pub origin: String,
    /// Records in it.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
}

/// What is given out while the journal is read.
#[derive(Debug)]
pub enum Spooled {
    /// What was given out until now does not count: reading begins anew.
    Anew,
    /// The next file of a journal that begins at the snapshot's place. There is at least one.
    Journal(Image),
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// There is no ledger in the folder.
    #[error("the folder holds no ledger: its journal is empty")]
    Empty,
    /// It does not open as a ledger.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// What was read cannot be kept.
    #[error("what was read of the journal cannot be kept: {0}")]
    Spool(#[source] io::Error),
}

impl ArchiveError {
    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty => ErrorKind::Missing,
            Self::Open(error) => error.kind(),
            Self::Spool(_) => ErrorKind::Unavailable,
        }
    }
}

impl From<StoreError> for ArchiveError {
    fn from(error: StoreError) -> Self {
        Self::Open(error.into())
    }
}

impl From<JournalError> for ArchiveError {
    fn from(error: JournalError) -> Self {
        Self::Open(error.into())
    }
}

impl From<Damage> for ArchiveError {
    fn from(damage: Damage) -> Self {
        Self::Open(JournalError::Damaged(damage).into())
    }
}

impl SegmentFile {
    /// Reads all of `into` at `offset`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the file ends before; else as the system says.
    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.file.read_at(offset, into)? < into.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Reads the file and compares each block with its checksum.
    ///
    /// # Errors
    ///
    /// The first thing that is not as it was sealed.
    pub fn check(&self) -> Result<(), Damaged> {
        let mut first = None;
        self.segment.check_blocks(&mut |_, damaged| {
            if first.is_none() {
                first = damaged;
            }
        });
        first.map_or(Ok(()), Err)
    }
}

/// Reads a ledger. The journal's files go to `spool` as they are made; some more memory than a tail holds is needed besides.
///
/// # Errors
///
/// [`ArchiveError`]: there is no ledger, it is damaged, or the disk does not answer. Nothing was changed.
pub fn read(
    folders: &Folders,
    spool: &mut dyn FnMut(Spooled) -> io::Result<()>,
) -> Result<Snapshot, ArchiveError> {
    let store = folders.segments.as_ref().map(|disk| Store::new(disk.clone(), CACHE_BYTES));
    let mut attempts = 1;
    loop {
        let before = newest_number(store.as_ref())?;
        match attempt(folders, store.as_ref(), spool) {
            Err(ArchiveError::Open(error)) if attempts < ATTEMPTS_MAX => {
                // Only behind a newer manifest does the server take away what was to be read.
                if newest_number(store.as_ref())? == before {
                    return Err(error.into());
                }
                tracing::debug!(%error, "the ledger went on meanwhile; reading anew");
                spool(Spooled::Anew).map_err(ArchiveError::Spool)?;
                attempts += 1;
            }
            done => return done,
        }
    }
}

fn newest_number(store: Option<&Store>) -> Result<Option<u64>, ArchiveError> {
    let Some(store) = store else { return Ok(None) };
    let manifests = store.manifests().map_err(StoreError::from)?;
    Ok(manifests.last().map(|(number, _)| *number))
}

fn attempt(
    folders: &Folders,
    store: Option<&Store>,
    spool: &mut dyn FnMut(Spooled) -> io::Result<()>,
) -> Result<Snapshot, ArchiveError> {
    let (signer, memory) = read_signer(folders.signer.as_ref()).map_err(OpenError::Signer)?;
    let mut state = State::new();
    let (mut manifest, mut segments) = (None, Vec::new());
    if let (Some(store), Some(disk)) = (store, &folders.segments)
        && let Some((file, read)) = newest(store, disk)?
    {
        state = State::restore(read, store)?;
        segments = open_segments(disk, &state.sealed)?;
        manifest = Some(file);
    }
    let first = state.next();
    read_journal(folders, &mut state, spool)?;
    let Some(genesis) = state.genesis().cloned() else { return Err(ArchiveError::Empty) };
    compare(&state, &genesis, &memory)?;
    let logs = state.logs().iter().map(|log| LogState {
        tenant: log.tenant.clone(),
        kind: log.kind,
        origin: log.origin(&genesis.name),
        size: log.size(),
        root: log.tree.root(),
    });
    let logs = logs.collect();
    let next = state.next();
    let signing_key = state.signing_key().ok_or(ArchiveError::Empty)?;
    Ok(Snapshot { genesis, signing_key, first, next, manifest, segments, signer, logs })
}

/// The newest manifest that can be read, with its file.
fn newest(store: &Store, disk: &Arc<dyn Disk>) -> Result<Option<(ManifestFile, Manifest)>, StoreError> {
    let Some(manifest) = store.newest()? else { return Ok(None) };
    let name = manifest_name(manifest.head.number);
    let file = disk.open_to_read(&name)?;
    let mut bytes = vec![0; usize::try_from(file.bytes()?).map_err(io::Error::other)?];
    let count = file.read_at(0, &mut bytes)?;
    bytes.truncate(count);
    Ok(Some((ManifestFile { name, bytes }, manifest)))
}

fn open_segments(disk: &Arc<dyn Disk>, parts: &Parts) -> Result<Vec<SegmentFile>, StoreError> {
    let open = |part: &Arc<crate::sealed::Part>| {
        let name = segment_name(part.number);
        let file = disk.open_to_read(&name)?;
        Ok(SegmentFile { name, bytes: part.bytes, file, segment: part.segment.clone() })
    };
    parts.iter().map(open).collect()
}

/// Applies the batches from the state's place on, and gives them out.
fn read_journal(
    folders: &Folders,
    state: &mut State,
    spool: &mut dyn FnMut(Spooled) -> io::Result<()>,
) -> Result<(), ArchiveError> {
    let mut scan = Scan::open(folders.journal.clone())?;
    let needed = state.next();
    let mut image: Option<Image> = None;
    while let Some(scanned) = scan.next() {
        match scanned? {
            Scanned::Frame { place, .. } if place < needed => {}
            Scanned::Frame { place, payload, .. } => {
                if place != state.next() {
                    return Err(OpenError::Gap { first: place, needed: state.next() }.into());
                }
                let full =
                    image.take_if(|image| image.len() + payload.len() > IMAGE_BYTES && !image.is_empty());
                if let Some(full) = full {
                    spool(Spooled::Journal(full)).map_err(ArchiveError::Spool)?;
                }
                let id = scan.id().expect("a frame was read behind a file's header");
                image.get_or_insert_with(|| Image::new(id, place)).push(&payload);
                state.apply(place, Bytes::from(payload)).map_err(OpenError::from)?;
            }
            // Batches that are sealed are not needed; damage to them is found by `annals verify`.
            Scanned::Bad { resumes: Some(resumes), .. } if resumes <= needed => {}
            Scanned::Bad { damage, .. } => return Err(damage.into()),
            _ => {}
        }
    }
    let Some(id) = scan.id() else { return Err(ArchiveError::Empty) };
    // Without a batch the file says where the journal goes on.
    let last = image.unwrap_or_else(|| Image::new(id, needed));
    spool(Spooled::Journal(last)).map_err(ArchiveError::Spool)
}

/// The signer's memory as one file, and as it reads back.
fn read_signer(disk: Option<&Arc<dyn Disk>>) -> Result<(Image, JournalMemory), String> {
    let mut copy = MemoryJournal::new();
    let mut id = None;
    if let Some(disk) = disk {
        let mut scan = Scan::open(disk.clone()).map_err(|error| error.to_string())?;
        for scanned in scan.by_ref() {
            match scanned.map_err(|error| error.to_string())? {
                Scanned::Frame { payload, .. } => {
                    let next = copy.next();
                    copy.append(next, &[&payload]).map_err(|error| error.to_string())?;
                }
                Scanned::Bad { damage, .. } => return Err(damage.to_string()),
                _ => {}
            }
        }
        id = scan.id();
    }
    let memory = JournalMemory::open(Box::new(copy))?;
    // Without a file nothing was signed yet, and there is nothing that an id would tell apart.
    let mut image = Image::new(id.unwrap_or(JournalId([0; 16])), SIGNER_FIRST);
    memory.to_batches().iter().for_each(|batch| image.push(batch));
    Ok((image, memory))
}

/// Holds every log against what was signed of it last.
fn compare(state: &State, genesis: &Genesis, memory: &JournalMemory) -> Result<(), ArchiveError> {
    let by_origin: std::collections::BTreeMap<String, u32> =
        (0..).zip(state.logs()).map(|(index, log)| (log.origin(&genesis.name), index)).collect();
    for (origin, signed) in memory.iter() {
        let found = match by_origin.get(origin) {
            Some(index) => state.root_at(*index, signed.size).map_err(StoreError::from)?,
            None => None,
        };
        if found != Some(signed.root) {
            let (origin, signed_size) = (origin.to_owned(), signed.size);
            return Err(OpenError::SignedOtherwise { origin, signed_size, found }.into());
        }
    }
    Ok(())
}
