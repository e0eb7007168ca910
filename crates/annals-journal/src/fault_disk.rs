//! A disk that can be told to fail while it runs.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{Disk, DiskFile};

/// Any disk, with a switchboard of [`Faults`].
#[derive(Debug)]
pub struct FaultDisk<D> {
    disk: D,
    faults: Arc<Faults>,
}

/// Which operations fail from now on. All off at first.
#[derive(Debug, Default)]
pub struct Faults {
    no_space: AtomicBool,
    failing_writes: AtomicBool,
    failing_syncs: AtomicBool,
}

impl<D: Disk> FaultDisk<D> {
    /// Wraps `disk`; the switchboard turns its failures on and off.
    pub fn new(disk: D) -> (Self, Arc<Faults>) {
        let faults = Arc::new(Faults::default());
        (Self { disk, faults: Arc::clone(&faults) }, faults)
    }

    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultFile { file, faults: Arc::clone(&self.faults) })
    }
}

impl Faults {
    /// The disk is full: writes land in half, then answer `StorageFull`; no bytes are free.
    pub fn set_no_space(&self, on: bool) {
        self.no_space.store(on, Ordering::SeqCst);
    }

    /// Writes land in half, then answer an input/output error.
    pub fn set_failing_writes(&self, on: bool) {
        self.failing_writes.store(on, Ordering::SeqCst);
    }

    /// Syncs, of files and of the folder, do nothing and answer an input/output error.
    pub fn set_failing_syncs(&self, on: bool) {
        self.failing_syncs.store(on, Ordering::SeqCst);
    }

    fn write(&self) -> Option<io::Error> {
        if self.no_space.load(Ordering::SeqCst) {
            return Some(io::ErrorKind::StorageFull.into());
        }
        self.failing_writes.load(Ordering::SeqCst).then(|| io::Error::other("injected: write failed"))
    }

    fn sync(&self) -> io::Result<()> {
        match self.failing_syncs.load(Ordering::SeqCst) {
            true => Err(io::Error::other("injected: sync failed")),
            false => Ok(()),
        }
    }
}

impl<D: Disk> Disk for FaultDisk<D> {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(self.disk.open(name)?))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        self.disk.open_to_read(name)
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        match self.faults.write() {
            Some(error) => Err(error),
            None => Ok(self.wrap(self.disk.create(name)?)),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.disk.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.faults.sync()?;
        self.disk.sync_dir()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        if self.faults.no_space.load(Ordering::SeqCst) {
            return Ok(0);
        }
        self.disk.free_bytes()
    }
}

#[derive(Debug)]
struct FaultFile {
    file: Box<dyn DiskFile>,
    faults: Arc<Faults>,
}

impl DiskFile for FaultFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, into)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        match self.faults.write() {
            Some(error) => {
                self.file.write_at(offset, &bytes[..bytes.len() / 2])?;
                Err(error)
            }
            None => self.file.write_at(offset, bytes),
        }
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.file.truncate(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.faults.sync()?;
        self.file.sync()
    }

    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }
}
