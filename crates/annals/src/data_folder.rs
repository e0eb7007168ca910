//! The data folder: what is in it, and opening the ledger that it holds.
//!
//! ```text
//! DIR/                 0700
//!   lock               held by the process that serves the folder; says which one
//!   signing.key        0600, the key that signs, and how it follows those before it: `key_file`
//!   signer.pub         in its place, when the key is with a signer of its own: the verifier key that it must have
//!   journal/           the newest batches: those whose records are not all in segments
//!   segments/          all records before them, and manifests that say what the ledger was there
//!   signer/            what was signed last of each log
//!   control.sock       0600, while a server runs
//! ```

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annals_event::Timestamp;
use annals_journal::{Disk as _, FileJournal, Journal, JournalId, Lock, LockError, RealDisk};
use annals_ledger::signing::{JournalMemory, KeyedSigner};
use annals_ledger::{
    Clock as _, Core, Entropy as _, Ledger, Observer, OpenError, Opened, Options, Store, TailLimits,
};
use annals_server::{SystemClock, SystemEntropy};
use annals_tree::note::VerifierKey;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure, reason};
use crate::key_file::KeyFile;
use crate::signer::client::{RemoteSigner, SignerAddress};

pub(crate) const SIGNING_KEY: &str = "signing.key";
/// The verifier key of a signer elsewhere.
pub(crate) const SIGNER_PUB: &str = "signer.pub";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const SEGMENTS: &str = "segments";
pub(crate) const SIGNER: &str = "signer";

/// Names that show a folder to be ours.
const OURS: &[&str] = &["lock", SIGNING_KEY, SIGNER_PUB, JOURNAL];

/// A data folder that is ours alone until this is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: Lock,
}

/// What opening a ledger needs besides the folder.
pub(crate) struct LedgerOptions {
    /// Name of a new ledger; a random one when none is given.
    pub(crate) name: Option<String>,
    pub(crate) event_bytes_max: usize,
    /// Memory for what is read of segments.
    pub(crate) cache_bytes_max: usize,
    /// When records are sealed.
    pub(crate) tail: TailLimits,
    pub(crate) observer: Arc<dyn Observer>,
    /// The signer, when the key is not in the folder.
    pub(crate) signer: Option<SignerAddress>,
}

impl LedgerOptions {
    /// What the ledger itself needs of it.
    fn of_ledger(&self, name: Option<String>) -> Options {
        Options {
            name,
            event_bytes_max: self.event_bytes_max,
            tail: self.tail,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl DataFolder {
    /// Takes the folder, making it where it is missing. `doing` says what for, to whoever is refused meanwhile.
    ///
    /// # Errors
    ///
    /// Another process has it (`Busy`); it holds something else (`Invalid`); the system refuses.
    pub(crate) fn create(path: &Path, doing: &str) -> Result<Self, Failure> {
        RealDisk::create(path).map_err(|error| Failure::io("make the data folder", path, &error))?;
        if !looks_ours(path)? {
            let message = format!("`{}` is not empty and is no data folder of annals", path.display());
            return Err(
                Failure::new(Exit::Invalid, message).with_hint("give another folder with `--data DIR`")
            );
        }
        Self::take(path, doing)
    }

    /// Takes a folder that holds a ledger already.
    ///
    /// # Errors
    ///
    /// As [`DataFolder::create`]; `Missing` when there is no ledger.
    pub(crate) fn existing(path: &Path, doing: &str) -> Result<Self, Failure> {
        if !path.join(SIGNING_KEY).exists() && !path.join(SIGNER_PUB).exists() {
            return Err(no_ledger(path));
        }
        Self::take(path, doing)
    }

    fn take(path: &Path, doing: &str) -> Result<Self, Failure> {
        let lock = lock(path, doing)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the ledger, or begins one.
    ///
    /// # Errors
    ///
    /// As [`Ledger::open`], or the journal's files cannot be opened.
    pub(crate) fn open_ledger(&self, options: LedgerOptions) -> Result<Opened, Failure> {
        match options.signer.clone() {
            Some(signer) => self.open_with_signer(&signer, options),
            None => self.open_with_key(options),
        }
    }

    fn open_with_key(&self, options: LedgerOptions) -> Result<Opened, Failure> {
        if self.pinned_signer()?.is_some() && !self.path.join(SIGNING_KEY).exists() {
            let message = format!("the key of `{}` is with a signer of its own", self.path.display());
            return Err(Failure::new(Exit::Invalid, message)
                .with_hint("say where it is with the settings `signer.url` and `signer.token_file`"));
        }
        let KeyFile { key, successions } = self.signing_key(options.name.clone())?;
        let core = self.core(&options)?;
        let damaged = |error: String| {
            Failure::new(Exit::Damaged, format!("the signer's memory: {error}"))
                .with_hint("a memory that begins anew may sign a second history; put back a copy")
        };
        let memory = JournalMemory::open(self.journal(SIGNER)?).map_err(damaged)?;
        let signer = KeyedSigner::new(key, memory, successions)
            .map_err(|error| Failure::new(Exit::Damaged, error.to_string()))?;
        self.opened(Ledger::open_with_signer(core, Box::new(signer), &options.of_ledger(None)))
    }

    fn core(&self, options: &LedgerOptions) -> Result<Core, Failure> {
        Ok(Core {
            journal: self.journal(JOURNAL)?,
            segments: Store::new(Arc::new(self.disk(SEGMENTS)?), options.cache_bytes_max),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            observer: options.observer.clone(),
        })
    }

    fn open_with_signer(&self, address: &SignerAddress, options: LedgerOptions) -> Result<Opened, Failure> {
        if self.path.join(SIGNING_KEY).exists() {
            let message = format!(
                "`{}` is there, and the settings name a signer",
                self.path.join(SIGNING_KEY).display()
            );
            return Err(Failure::new(Exit::Conflict, message).with_hint(
                "move the key with `annals signer import`, or take `signer.url` out of the settings",
            ));
        }
        let pinned = self.pinned_signer()?;
        let is_first = pinned.is_none();
        let signer = RemoteSigner::connect(address, pinned.clone())?;
        let key = signer.key().clone();
        if let Some(name) = options.name.as_deref().filter(|name| is_first && *name != key.name()) {
            let message =
                format!("`log.name` is `{name}`, and the signer's key is of ledger `{}`", key.name());
            return Err(Failure::new(Exit::Conflict, message)
                .with_hint("the ledger has its signer's name: take `log.name` out of the settings"));
        }
        let core = self.core(&options)?;
        let opened =
            self.opened(Ledger::open_with_signer(core, Box::new(signer), &options.of_ledger(None)))?;
        // A crash before this: the ledger itself knows its public key, and takes no other that does not follow it.
        let key = opened.ledger.signing_key();
        if pinned.as_ref() != Some(&key) {
            pin_signer(&self.path, &key)?;
        }
        Ok(opened)
    }

    /// The key that the folder's signer must have, if it has one elsewhere.
    fn pinned_signer(&self) -> Result<Option<VerifierKey>, Failure> {
        let path = self.path.join(SIGNER_PUB);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|error| {
                Failure::new(Exit::Damaged, format!("`{}` is not a verifier key: {error}", path.display()))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io("read the signer's key", &path, &error)),
        }
    }

    fn opened(&self, opened: Result<Opened, OpenError>) -> Result<Opened, Failure> {
        opened.map_err(|error| {
            let failure = Failure::new(error.kind().into(), reason(&error));
            let verify = format!("`annals verify {}` names what is damaged", self.path.display());
            if failure.exit == Exit::Damaged && failure.hint.is_none() {
                failure.with_hint(verify)
            } else {
                failure
            }
        })
    }

    /// A folder in the folder, made when it is missing.
    fn disk(&self, name: &str) -> Result<RealDisk, Failure> {
        disk(&self.path.join(name))
    }

    fn journal(&self, name: &str) -> Result<Box<dyn Journal>, Failure> {
        open_journal(&self.path.join(name)).map_err(|failure| {
            let verify = format!("`annals verify {}` names the records concerned", self.path.display());
            if failure.exit == Exit::Damaged { failure.with_hint(verify) } else { failure }
        })
    }

    fn signing_key(&self, name: Option<String>) -> Result<KeyFile, Failure> {
        let path = self.path.join(SIGNING_KEY);
        match fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => KeyFile::parse(&text).ok_or_else(|| {
                Failure::new(Exit::Damaged, format!("`{}` is not a signing key", path.display()))
                    .with_hint("put your own copy of it there; the ledger does not open with another key")
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.has_batches()? => {
                let key = KeyFile::new(&name.unwrap_or_else(random_name));
                // A crash leaves no key, or the whole one: nothing is signed with it before it is durable.
                key.write(&path).map_err(|error| Failure::io("write the signing key", &path, &error))?;
                Ok(key)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::new(
                Exit::Missing,
                format!("`{}` is missing, and the ledger was begun with it", path.display()),
            )
            .with_hint("put your own copy of it there: `annals backup` leaves it out")),
            Err(error) => Err(Failure::io("read the signing key", &path, &error)),
        }
    }

    /// Whether the ledger was begun; a folder that cannot be read may well hold a part of one.
    fn has_batches(&self) -> Result<bool, Failure> {
        Ok(self.has_files(JOURNAL, ".journal")? || self.has_files(SEGMENTS, ".seg")?)
    }

    fn has_files(&self, folder: &str, ending: &str) -> Result<bool, Failure> {
        let path = self.path.join(folder);
        match RealDisk::existing(&path).and_then(|disk| disk.list()) {
            Ok(files) => Ok(files.iter().any(|name| name.ends_with(ending))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Failure::io("read the folder", &path, &error)),
        }
    }
}

/// Takes a folder for this process alone, until the lock is dropped, and from other users what they may do in it. `doing` says
/// what for, to whoever is refused meanwhile.
///
/// # Errors
///
/// Another process has it (`Busy`); the system refuses.
pub(crate) fn lock(path: &Path, doing: &str) -> Result<Lock, Failure> {
    let since = Timestamp::to_bytes(SystemClock.now());
    let since = std::str::from_utf8(&since[..19]).expect("an instant is written in ASCII");
    let holder = format!("pid {}, {doing} since {since}Z", std::process::id());
    let lock = annals_journal::lock(path, &holder).map_err(|error| match error {
        LockError::Held(held) => {
            let by = if held.holder.is_empty() { "another process" } else { &held.holder };
            Failure::new(Exit::Busy, format!("data folder `{}` is in use by {by}", path.display()))
                .with_hint("stop that process, or give another folder with `--data DIR`")
        }
        LockError::Io(error) => Failure::io("lock the data folder", path, &error),
        other => Failure::new(Exit::Unavailable, reason(&other)),
    })?;
    close_to_others(path)?;
    Ok(lock)
}

fn disk(path: &Path) -> Result<RealDisk, Failure> {
    RealDisk::create(path).map_err(|error| Failure::io("make the folder", path, &error))
}

/// Opens the journal in a folder, which is made when it is missing.
///
/// # Errors
///
/// As of [`FileJournal::open`], or the system refuses.
pub(crate) fn open_journal(path: &Path) -> Result<Box<dyn Journal>, Failure> {
    let disk = disk(path)?;
    let mut id = [0; 16];
    SystemEntropy.fill(&mut id);
    let opened = FileJournal::open(Arc::new(disk), &annals_journal::Options::new(JournalId(id)));
    let (journal, _) = opened.map_err(|error| match error {
        annals_journal::OpenError::Damaged(damage) => Failure::new(Exit::Damaged, damage.to_string()),
        annals_journal::OpenError::Version { .. } => Failure::new(Exit::Invalid, error.to_string()),
        other => Failure::new(Exit::Unavailable, format!("`{}`: {}", path.display(), reason(&other))),
    })?;
    Ok(Box::new(journal))
}

/// Leaves in a data folder the key that its signer must have, in place of the private one.
///
/// # Errors
///
/// The system refuses.
pub(crate) fn pin_signer(folder: &Path, key: &VerifierKey) -> Result<(), Failure> {
    let path = folder.join(SIGNER_PUB);
    crate::files::replace(&path, format!("{key}\n").as_bytes())
        .map_err(|error| Failure::io("write the signer's key", &path, &error))
}

/// Writes a secret of one line into a file with mode 0600. A crash leaves no file, or the whole one.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let new = path.with_extension("key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fs::File::open(folder)?.sync_all()
}

/// There is no ledger where one was expected.
pub(crate) fn no_ledger(path: &Path) -> Failure {
    Failure::new(Exit::Missing, format!("`{}` holds no ledger", path.display()))
        .with_hint("`annals serve --data DIR` begins one")
}

/// The journal, the segments and the signer's memory of a data folder, to look at: nothing is locked or made. None when `path` is no data
/// folder.
pub(crate) fn folders_to_audit(path: &Path) -> Option<annals_ledger::audit::Folders> {
    let journal = RealDisk::existing(path.join(JOURNAL)).ok()?;
    let existing = |name: &str| {
        let disk = RealDisk::existing(path.join(name)).ok()?;
        Some(Arc::new(disk) as Arc<dyn annals_journal::Disk>)
    };
    let (signer, segments) = (existing(SIGNER), existing(SEGMENTS));
    Some(annals_ledger::audit::Folders { journal: Arc::new(journal), signer, segments })
}

/// Takes from group and others what they may do in the folder. One that belongs to somebody else, as a mounted volume may,
/// stays as it is: the files in it are closed by their own modes.
fn close_to_others(path: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::io("look at the data folder", path, &error);
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let (folder, mode, closed) = (path.display(), format!("{mode:04o}"), mode & !0o077);
    match fs::set_permissions(path, fs::Permissions::from_mode(closed)) {
        Ok(()) => tracing::warn!(%folder, mode, "the data folder was open to other users; it no longer is"),
        Err(error) => {
            tracing::warn!(%folder, mode, %error, "the data folder is open to other users, and stays so")
        }
    }
    Ok(())
}

fn looks_ours(path: &Path) -> Result<bool, Failure> {
    let names = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>());
    let names = names.map_err(|error| Failure::io("read the data folder", path, &error))?;
    Ok(names.is_empty() || names.iter().any(|name| OURS.iter().any(|ours| name == ours)))
}

/// A name for a ledger that was given none.
pub(crate) fn random_name() -> String {
    let mut random = [0; 8];
    SystemEntropy.fill(&mut random);
    format!("annals-{:016x}", u64::from_be_bytes(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_open_to_others_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        DataFolder::create(folder.path(), "testing").unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o7777, 0o700);
    }

    #[test]
    fn no_signing_key_is_made_when_the_journal_cannot_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::create(folder.path(), "testing").unwrap();
        fs::write(folder.path().join(JOURNAL), "not a folder").unwrap();
        assert_eq!(data.signing_key(None).err().unwrap().exit, Exit::Unavailable);
        assert!(!folder.path().join(SIGNING_KEY).exists());
    }

    #[test]
    fn no_signing_key_is_made_where_only_segments_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::create(folder.path(), "testing").unwrap();
        fs::create_dir(folder.path().join(SEGMENTS)).unwrap();
        fs::write(folder.path().join(SEGMENTS).join("segment-0000000000000000.seg"), "").unwrap();
        assert_eq!(data.signing_key(None).err().unwrap().exit, Exit::Missing);
        assert!(!folder.path().join(SIGNING_KEY).exists());
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("letter.txt"), "dear").unwrap();
        let refused = DataFolder::create(folder.path(), "testing").unwrap_err();
        assert_eq!(refused.exit, Exit::Invalid);
        assert!(!folder.path().join("lock").exists(), "nothing is made there");
    }
}
