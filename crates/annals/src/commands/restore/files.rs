//! Making the data folder: everything goes to `DIR/restoring` first, and to its own name when all of it was checked.
//!
//! ```text
//! DIR/restoring/{lock, journal, segments, signer}   no other process takes this for a data folder; removed when anything fails
//! DIR/segments, DIR/signer                          moved first
//! DIR/journal                                       moved last: a crash before leaves no data folder
//! DIR/signing.key                                   when it was given: now the folder starts
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_journal::{Disk as _, DiskFile, Lock, LockError, RealDisk};
use annals_tree::Hash;
use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};

use super::super::backup::index::{Index, Kind, Object};
use super::super::backup::place::Place;
use super::{data_folder_of, entries};
use crate::data_folder::{JOURNAL, SEGMENTS, SIGNER, SIGNING_KEY};
use crate::exit::{Exit, Failure, reason};
use crate::key_file::KeyFile;
use crate::output::Output;

const RESTORING: &str = "restoring";

/// Longest list of logs that is read: 300,000 tenants.
const LIST_BYTES_MAX: u64 = 256 << 20;

/// A folder that is no data folder yet; removed when it is dropped unfinished.
pub(super) struct Unfinished {
    data: PathBuf,
    path: PathBuf,
    disks: BTreeMap<&'static str, Arc<RealDisk>>,
    /// The data folder was made for this.
    is_new: bool,
    is_finished: bool,
    _lock: Lock,
}

impl Unfinished {
    /// Begins in a missing or empty folder, or in one where this was begun and not finished.
    pub(super) fn begin(data: &Path) -> Result<Self, Failure> {
        let path = data.join(RESTORING);
        let failed = |error: std::io::Error| Failure::io("make the folder", data, &error);
        let is_new = !data.exists();
        let others = entries(data).map_err(failed)?.into_iter().any(|name| name != RESTORING);
        if others {
            return Err(Failure::new(Exit::Conflict, format!("`{}` is not empty", data.display()))
                .with_hint(
                    "nothing is ever restored over something else; give a new folder with `--data DIR`",
                ));
        }
        RealDisk::create(&path).map_err(failed)?;
        let holder = format!("pid {}, restoring", std::process::id());
        let lock = annals_journal::lock(&path, &holder).map_err(|error| match error {
            LockError::Held(held) => {
                Failure::new(Exit::Busy, format!("`{}` is in use by {}", path.display(), held.holder))
            }
            other => Failure::new(Exit::Unavailable, format!("`{}`: {}", path.display(), reason(&other))),
        })?;
        let mut disks = BTreeMap::new();
        for name in [SEGMENTS, SIGNER, JOURNAL] {
            // What a try before has left.
            match fs::remove_dir_all(path.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
                _ => disks.insert(name, Arc::new(RealDisk::create(path.join(name)).map_err(failed)?)),
            };
        }
        Ok(Self { data: data.to_owned(), path, disks, is_new, is_finished: false, _lock: lock })
    }

    /// What may be looked at as a data folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it a data folder.
    pub(super) fn finish(mut self, key: Option<&KeyFile>) -> Result<(), Failure> {
        let data = self.data.clone();
        let failed = |error: std::io::Error| Failure::io("finish the folder", &data, &error);
        let sync = || File::open(&data)?.sync_all();
        for name in [SEGMENTS, SIGNER] {
            fs::rename(self.path.join(name), data.join(name)).map_err(failed)?;
        }
        sync().map_err(failed)?;
        // A crash before this leaves folders that `serve` does not take for its own; one after it a data folder without its key.
        fs::rename(self.path.join(JOURNAL), data.join(JOURNAL)).map_err(failed)?;
        self.is_finished = true;
        sync().map_err(failed)?;
        if let Some(key) = key {
            key.write(&data.join(SIGNING_KEY))
                .map_err(|error| Failure::io("write the signing key", &data, &error))?;
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // Only `restoring`, and what was moved out of it a moment ago; the rest of the folder was empty. Nobody is left to tell when
        // that fails, and what is left does not look restored.
        drop(fs::remove_dir_all(&self.path));
        if !self.is_finished {
            for name in [SEGMENTS, SIGNER] {
                drop(fs::remove_dir_all(self.data.join(name)));
            }
            if self.is_new {
                drop(fs::remove_dir(&self.data));
            }
        }
    }
}

/// Copies every object and compares it with its hash. Gives the lists of logs.
pub(super) async fn copy(
    place: &Place,
    index: &Index,
    folder: &Unfinished,
    output: Output,
) -> Result<Vec<Vec<u8>>, Failure> {
    // Before anything is copied: what is missing or cut short is told at once.
    let listing = place.list().await?;
    for object in &index.objects {
        match listing.get(&object.object) {
            None => return Err(wrong(place, object, "is missing")),
            Some(listed) if listed.bytes != object.bytes => {
                let what = format!("has {} bytes instead of {}", listed.bytes, object.bytes);
                return Err(wrong(place, object, &what));
            }
            Some(_) => {}
        }
    }
    let mut progress = output.progress_of_bytes(index.bytes());
    let mut lists = Vec::new();
    for object in &index.objects {
        let mut target = match data_folder_of(object.kind).map(|name| &folder.disks[name]) {
            Some(disk) => {
                let path = disk.folder().join(&object.file);
                let file = disk.create(&object.file).map_err(|error| Failure::io("make", &path, &error))?;
                Target::File { file, path }
            }
            None if object.bytes <= LIST_BYTES_MAX => Target::List(Vec::new()),
            None => return Err(wrong(place, object, "is too long for a list of logs")),
        };
        fetch(place, object, &mut target, &mut |more| progress.add(more)).await?;
        match target {
            Target::File { mut file, path } => {
                file.sync().map_err(|error| Failure::io("write", &path, &error))?;
            }
            Target::List(bytes) => lists.push(bytes),
        }
    }
    for disk in folder.disks.values() {
        disk.sync_dir().map_err(|error| Failure::io("write", disk.folder(), &error))?;
    }
    progress.finish();
    let has_journal = index.objects.iter().any(|object| object.kind == Kind::Journal);
    if !has_journal {
        let name = Index::object_name(index.number);
        return Err(Failure::new(Exit::Damaged, format!("`{}` names no journal", place.shown_object(&name))));
    }
    Ok(lists)
}

/// Where an object goes.
enum Target {
    File { file: Box<dyn DiskFile>, path: PathBuf },
    List(Vec<u8>),
}

impl Target {
    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::File { file, path } => {
                file.write_at(at, bytes).map_err(|error| Failure::io("write", path, &error))
            }
            Self::List(list) => {
                list.extend_from_slice(bytes);
                Ok(())
            }
        }
    }
}

async fn fetch(
    place: &Place,
    object: &Object,
    target: &mut Target,
    moved: &mut dyn FnMut(u64),
) -> Result<(), Failure> {
    let mut hasher = Sha256::new();
    let mut at = 0;
    let mut pieces = std::pin::pin!(place.pieces(&object.object, object.bytes));
    while let Some(piece) = pieces.try_next().await.map_err(|failure| missing(place, object, failure))? {
        hasher.update(&piece);
        tokio::task::block_in_place(|| target.write(at, &piece))?;
        at += piece.len() as u64;
        moved(piece.len() as u64);
    }
    if Hash(hasher.finalize().into()).to_string() != object.sha256 {
        return Err(wrong(place, object, "does not match its SHA-256 in the backup's index"));
    }
    Ok(())
}

/// An object that is missing is damage to the backup; other failures are what they are.
fn missing(place: &Place, object: &Object, failure: Failure) -> Failure {
    match failure.exit {
        Exit::Missing => wrong(place, object, "is missing"),
        _ => failure,
    }
}

fn wrong(place: &Place, object: &Object, what: &str) -> Failure {
    Failure::new(Exit::Damaged, format!("`{}` {what}", place.shown_object(&object.object)))
        .with_hint("no folder was made; another backup may still be good, `annals restore --list` shows all")
}
