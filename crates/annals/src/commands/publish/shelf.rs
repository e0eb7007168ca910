//! Where published logs stand: a folder or a bucket, and the few things that are done with files in it.
//!
//! Tiles are put once and never changed. The checkpoint is replaced, by whoever saw the one before: a folder is locked while it
//! is published into, and a bucket takes the new one only in place of the one that was read.
//!
//! While the log's key changes `vkey` has two lines, the new key and the old one: [`opening_key`] takes the one that opens the
//! checkpoint.
//!
//! In a folder a file is first written under a name that begins with `.annals-`, at the top; what a crash leaves there is
//! removed by the next run.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use annals_tree::note::{Note, VerifierKey};
use annals_tree::tile::Tile;
use bytes::Bytes;

use crate::commands::backup::place::{Place, Served, Version, too_large};
use crate::exit::{Exit, Failure};
use crate::files;
use crate::verify::tiles::TileSource;

/// The signed note of the newest checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// The key that verifies it.
pub(crate) const VKEY: &str = "vkey";

/// Keys that are looked at in `vkey`: the newest, and the one before while they change.
const KEYS_MAX: usize = 2;

/// No file of a published log is longer: 256 entries, which hold hashes, are the longest.
pub(crate) const SHELF_BYTES_MAX: u64 = 16 << 20;

/// Begins the names of files that are being written.
const UNFINISHED: &str = ".annals-";

const TEXT: &str = "text/plain; charset=utf-8";
const BYTES: &str = "application/octet-stream";

/// A full tile is the same for ever.
const FULL_TILE: Served =
    Served { content_type: BYTES, cache_control: "public, max-age=31536000, immutable" };
/// So is a partial one; but nobody wants it once the log has grown, and caches need not keep it for a year.
const PARTIAL_TILE: Served = Served { content_type: BYTES, cache_control: "public, max-age=3600" };
/// C2SP tlog-tiles: not cached "beyond a few seconds".
const HEAD: Served = Served { content_type: TEXT, cache_control: "public, max-age=5" };
/// Whoever has a new checkpoint needs the new key with it.
const KEY: Served = HEAD;

/// One published log.
pub(crate) enum Shelf {
    Folder {
        path: PathBuf,
        /// Held while it is written to.
        _lock: Option<File>,
    },
    Bucket(Place),
}

/// The file that a replacement is to take the place of.
pub(crate) enum Seen {
    Nothing,
    File,
    Object(Version),
}

impl Shelf {
    /// A log's shelf to write to: `text` itself, or what is called `name` there. A folder is made, and is ours alone until this
    /// is dropped.
    pub(crate) fn to_write(text: &str, name: Option<&str>) -> Result<Self, Failure> {
        if let Some(bucket) = bucket(text)? {
            let place = Place::to_write(bucket)?;
            return Ok(Self::Bucket(name.map(|name| place.below(name)).unwrap_or(place)));
        }
        let folder = name.map_or_else(|| PathBuf::from(text), |name| Path::new(text).join(name));
        files::make_folder(&folder).map_err(|error| Failure::io("make the folder", &folder, &error))?;
        let lock = lock(&folder)?;
        tidy(&folder).map_err(|error| Failure::io("tidy up", &folder, &error))?;
        Ok(Self::Folder { path: folder, _lock: Some(lock) })
    }

    /// A shelf to read from.
    pub(crate) fn existing(text: &str) -> Result<Self, Failure> {
        Ok(match bucket(text)? {
            Some(bucket) => Self::Bucket(Place::existing(bucket)?),
            None => Self::Folder { path: PathBuf::from(text), _lock: None },
        })
    }

    /// As people see it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Folder { path: folder, .. } => folder.display().to_string(),
            Self::Bucket(place) => place.shown().to_owned(),
        }
    }

    /// A file's name, as people see it.
    pub(crate) fn shown_file(&self, name: &str) -> String {
        match self {
            Self::Folder { path: folder, .. } => folder.join(name).display().to_string(),
            Self::Bucket(place) => place.shown_object(name),
        }
    }

    /// A file, whole; none when there is none.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.read_to_replace(name).await?.0)
    }

    /// A file, and what it takes to replace it.
    pub(crate) async fn read_to_replace(&self, name: &str) -> Result<(Option<Vec<u8>>, Seen), Failure> {
        match self {
            Self::Folder { path: folder, .. } => Ok(match read_file(&folder.join(name))? {
                Some(bytes) => (Some(bytes), Seen::File),
                None => (None, Seen::Nothing),
            }),
            Self::Bucket(place) => Ok(match place.get_version(name, SHELF_BYTES_MAX).await? {
                Some((bytes, version)) => (Some(bytes.into()), Seen::Object(version)),
                None => (None, Seen::Nothing),
            }),
        }
    }

    /// Puts a tile where there was none.
    pub(crate) async fn put_tile(&self, tile: Tile, bytes: &[u8]) -> Result<(), Failure> {
        let name = tile.to_string();
        match self {
            Self::Folder { path: folder, .. } => write(folder, &name, bytes),
            Self::Bucket(place) => {
                let served = if tile.is_partial() { PARTIAL_TILE } else { FULL_TILE };
                // Perhaps another run put it at the same time: the same bytes, or something is wrong.
                if place.put_new_served(&name, Bytes::copy_from_slice(bytes), served).await? {
                    return Ok(());
                }
                let message = format!("`{}` is there and holds something else", self.shown_file(&name));
                Err(Failure::new(Exit::Damaged, message).with_hint(
                    "publish each log into a place of its own; `annals verify` on this one tells more",
                ))
            }
        }
    }

    /// Puts the key beside the log.
    pub(crate) async fn put_key(&self, bytes: &[u8]) -> Result<(), Failure> {
        let (there, seen) = self.read_to_replace(VKEY).await?;
        if there.as_deref() == Some(bytes) {
            return Ok(());
        }
        self.replace(VKEY, bytes, KEY, seen).await
    }

    /// Puts a checkpoint in place of the one that was read.
    pub(crate) async fn put_checkpoint(&self, bytes: &[u8], seen: Seen) -> Result<(), Failure> {
        self.replace(CHECKPOINT, bytes, HEAD, seen).await
    }

    async fn replace(&self, name: &str, bytes: &[u8], served: Served, seen: Seen) -> Result<(), Failure> {
        match self {
            Self::Folder { path: folder, .. } => write(folder, name, bytes),
            Self::Bucket(place) => {
                let bytes = Bytes::copy_from_slice(bytes);
                let put = match seen {
                    Seen::Object(version) => place.replace(name, bytes, served, version).await?,
                    Seen::Nothing | Seen::File => place.put_new_served(name, bytes, served).await?,
                };
                if put {
                    return Ok(());
                }
                let message = format!("`{}` was replaced by somebody else meanwhile", self.shown_file(name));
                Err(Failure::new(Exit::Conflict, message).with_hint("run it again"))
            }
        }
    }
}

impl TileSource for Shelf {
    async fn tile(&self, tile: Tile) -> Result<Option<Vec<u8>>, Failure> {
        self.read(&tile.to_string()).await
    }
}

/// A file of a published log, whole; none when there is none.
pub(crate) fn read_file(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let read = || -> io::Result<Result<Vec<u8>, u64>> {
        let file = File::open(path)?;
        let bytes = file.metadata()?.len();
        if bytes > SHELF_BYTES_MAX {
            return Ok(Err(bytes));
        }
        let mut content = Vec::new();
        // It may grow meanwhile.
        file.take(SHELF_BYTES_MAX).read_to_end(&mut content)?;
        Ok(Ok(content))
    };
    match read() {
        Ok(Ok(content)) => Ok(Some(content)),
        Ok(Err(bytes)) => Err(too_large(&path.display().to_string(), bytes, SHELF_BYTES_MAX)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::io("read", path, &error)),
    }
}

/// The key among those in `vkey` that opens the checkpoint's note; the first where none does.
pub(crate) fn opening_key(keys: &str, note: &str) -> Option<VerifierKey> {
    let note = Note::parse(note).ok();
    let keys = keys.lines().map(str::trim).filter(|line| !line.is_empty()).take(KEYS_MAX);
    let keys: Vec<VerifierKey> = keys.filter_map(|line| line.parse().ok()).collect();
    let opens = |key: &&VerifierKey| note.as_ref().is_some_and(|note| note.verify(key).is_ok());
    keys.iter().find(opens).or(keys.first()).cloned()
}

/// The URL, if it is one; of buckets alone.
fn bucket(text: &str) -> Result<Option<&str>, Failure> {
    match text.split_once("://") {
        None if text.is_empty() => Err(Failure::new(Exit::Invalid, "`` is no folder")),
        None => Ok(None),
        Some(("s3", _)) => Ok(Some(text)),
        Some(_) => Err(Failure::new(
            Exit::Invalid,
            format!("`{text}` is a URL of a kind that takes no published log"),
        )
        .with_hint("give a folder, or `s3://BUCKET/PREFIX`")),
    }
}

/// Takes a folder for this process alone; the file is the folder itself, so that nothing is added to what is published.
fn lock(folder: &Path) -> Result<File, Failure> {
    let failed = |error| Failure::io("lock the folder", folder, &error);
    let file = File::open(folder).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(Exit::Busy, format!("`{}` is being published into", folder.display()))
                .with_hint("wait for the other `annals publish`"))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Removes what a run that was killed was writing.
fn tidy(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Puts a file in place, durably: after a crash there is the old one or the new one. Readable by everybody.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = folder.join(name);
    let above = path.parent().unwrap_or(folder);
    let write = || {
        files::make_folder(above)?;
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        File::open(above)?.sync_all()
    };
    write().map_err(|error| Failure::io("write", &path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_published_into_by_one_at_a_time_and_tidied_up() {
        let world = tempfile::tempdir().unwrap();
        let text = world.path().join("log").display().to_string();
        fs::create_dir(&text).unwrap();
        let unfinished = Path::new(&text).join(".annals-1a2b");
        fs::write(&unfinished, "half").unwrap();
        let first = Shelf::to_write(&text, None).unwrap();
        assert!(!unfinished.exists());
        let second = Shelf::to_write(&text, None).err().unwrap();
        assert_eq!(second.exit, Exit::Busy);
        drop(first);
        assert!(Shelf::to_write(&text, None).is_ok());
    }

    #[test]
    fn what_takes_no_published_log_is_told() {
        for text in ["", "https://x.example/log", "gs://b/log"] {
            assert_eq!(Shelf::existing(text).err().unwrap().exit, Exit::Invalid, "{text}");
        }
    }

    #[tokio::test]
    async fn a_checkpoint_replaces_only_the_one_that_was_read_from_a_bucket() {
        let place = Place::in_memory();
        goes_from_a_bucket(Shelf::Bucket(place.below("0123")), Shelf::Bucket(place)).await;
        let Ok(url) = std::env::var("ANNALS_TEST_S3_URL") else {
            println!("only in memory: ANNALS_TEST_S3_URL is not set");
            return;
        };
        let url = format!("{url}/shelf-{}", std::process::id());
        let shelf = Shelf::to_write(&url, Some("0123")).unwrap();
        goes_from_a_bucket(shelf, Shelf::existing(&url).unwrap()).await;
    }

    async fn goes_from_a_bucket(shelf: Shelf, above: Shelf) {
        assert!(shelf.read(CHECKPOINT).await.unwrap().is_none());
        shelf.put_checkpoint(b"one", Seen::Nothing).await.unwrap();
        // The answer to our own put may be lost, and it is sent again.
        shelf.put_checkpoint(b"one", Seen::Nothing).await.unwrap();
        assert_eq!(shelf.put_checkpoint(b"two", Seen::Nothing).await.unwrap_err().exit, Exit::Conflict);
        let (_, mine) = shelf.read_to_replace(CHECKPOINT).await.unwrap();
        let (_, theirs) = shelf.read_to_replace(CHECKPOINT).await.unwrap();
        shelf.put_checkpoint(b"three", theirs).await.unwrap();
        assert_eq!(shelf.put_checkpoint(b"two", mine).await.unwrap_err().exit, Exit::Conflict);
        assert_eq!(shelf.read(CHECKPOINT).await.unwrap().unwrap(), b"three");
        let tile = "tile/0/000".parse().unwrap();
        shelf.put_tile(tile, b"hashes").await.unwrap();
        shelf.put_tile(tile, b"hashes").await.unwrap();
        assert_eq!(shelf.put_tile(tile, b"others").await.unwrap_err().exit, Exit::Damaged);
        assert_eq!(above.read("0123/tile/0/000").await.unwrap().unwrap(), b"hashes");
        shelf.put_key(b"one\n").await.unwrap();
        shelf.put_key(b"two\none\n").await.unwrap();
        assert_eq!(shelf.read(VKEY).await.unwrap().unwrap(), b"two\none\n");
    }

    #[tokio::test]
    async fn a_file_that_is_too_large_for_a_published_log_is_not_read() {
        let world = tempfile::tempdir().unwrap();
        let bytes = usize::try_from(SHELF_BYTES_MAX).unwrap();
        let folder = Shelf::to_write(world.path().to_str().unwrap(), None).unwrap();
        for shelf in [folder, Shelf::Bucket(Place::in_memory())] {
            shelf.put_checkpoint(&vec![0; bytes], Seen::Nothing).await.unwrap();
            let (read, seen) = shelf.read_to_replace(CHECKPOINT).await.unwrap();
            assert_eq!(read.unwrap().len(), bytes);
            shelf.put_checkpoint(&vec![0; bytes + 1], seen).await.unwrap();
            let read = shelf.read(CHECKPOINT).await.map(|read| read.map(|bytes| bytes.len()));
            let failure = read.unwrap_err();
            assert_eq!(failure.exit, Exit::Damaged);
            assert!(
                failure.message.ends_with("has 16777217 bytes, and 16777216 are read at most"),
                "{failure:?}"
            );
        }
    }

    #[test]
    fn the_key_that_opens_the_note_is_taken() {
        let key = |seed| annals_tree::note::SigningKey::from_seed("log", &[seed; 32]).unwrap();
        let keys = format!("{}\n{}\n", key(1).verifier_key(), key(2).verifier_key());
        for seed in [1, 2] {
            let note = key(seed).sign("log\n1\nAAAA\n").unwrap();
            assert_eq!(opening_key(&keys, &note), Some(key(seed).verifier_key()));
        }
        let note = key(3).sign("log\n1\nAAAA\n").unwrap();
        assert_eq!(opening_key(&keys, &note), Some(key(1).verifier_key()));
        assert_eq!(opening_key(&keys, "no note"), Some(key(1).verifier_key()));
        let third = format!("{keys}{}\n", key(3).verifier_key());
        assert_eq!(opening_key(&third, &note), Some(key(1).verifier_key()), "only so many are looked at");
        assert_eq!(opening_key("no key\n", &note), None);
    }
}
