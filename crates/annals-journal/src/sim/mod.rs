//! A disk in memory that loses power, fails and lies, the same way again for the same seed.
//!
//! What a file or the folder was told and not yet told to sync is kept apart. At a power cut each part of it meets its
//! own fate: a write, cut at the multiples of 512 bytes, is kept, lost, left as zeros, or torn within a sector; the
//! order of writes does not count; creations, removals and renames are kept or lost one by one. What was synced is
//! kept. A sync of a file that fails makes some of it durable and forgets some for good, though reading goes on showing
//! it; a sync of the folder that fails makes some of it durable and leaves the rest for the next.

mod state;

use std::{
    io,
    num::NonZeroU64,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use state::State;

use crate::{Disk, DiskFile};

/// The simulated disk: one folder. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// A kind of operation that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// [`Disk::create`].
    Create,
    /// [`DiskFile::write_at`].
    Write,
    /// [`DiskFile::truncate`].
    Truncate,
    /// [`DiskFile::sync`].
    Sync,
    /// [`Disk::remove`].
    Remove,
    /// [`Disk::rename`].
    Rename,
    /// [`Disk::sync_dir`].
    SyncDir,
    /// [`DiskFile::read_at`].
    Read,
}

/// How an operation fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An input/output error. A write may have landed in part; a sync may have worked for some of the bytes, and what
    /// it did not work for may be forgotten for good.
    Error,
    /// As `Error`, and the error is `StorageFull`.
    NoSpace,
    /// It was done in full, but the answer is an error.
    AnswerLost,
}

impl SimDisk {
    /// An empty disk whose fates follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(seed))) }
    }

    /// Cuts the power and turns it on again. Open files are dead: they answer errors.
    pub fn crash(&self) {
        self.state().crash();
    }

    /// Cuts the power in the middle of the change (creation, write, truncation, sync, removal, rename) that comes after
    /// `changes` more. From then on everything answers errors, until [`crash`](Self::crash).
    pub fn cut_power_after(&self, changes: u64) {
        self.state().power_left = Some(changes);
    }

    /// Whether the power is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.state().is_on()
    }

    /// Changes begun so far, for tests that cut the power at each.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Makes the operation of kind `op` that comes after `skipped` more of its kind fail, once. Several can be pending.
    pub fn fail(&self, op: Op, skipped: u32, fault: Fault) {
        self.state().scripted.push((op, skipped, fault));
    }

    /// Makes one in `one_in` changes fail, each in any way; `None` ends it.
    pub fn fail_randomly(&self, one_in: Option<NonZeroU64>) {
        self.state().one_in = one_in;
    }

    /// Limits the bytes that all files have together; a write beyond lands in part and answers `StorageFull`.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// What a file holds, synced or not.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.state().contents(name)
    }

    /// Gives a file contents that are durable at once: for damaging it, or for copying a disk.
    pub fn put(&self, name: &str, contents: Vec<u8>) {
        self.state().put(name, contents);
    }

    /// The state; a test that panicked while it held it is over, and so is whatever it was asserting.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, (inode, life): (u64, u64)) -> Box<dyn DiskFile> {
        Box::new(SimFile { disk: self.clone(), inode, life, writable: true })
    }
}

impl Disk for SimDisk {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let found = self.state().open(name)?;
        Ok(self.file(found))
    }

    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let (inode, life) = self.state().open(name)?;
        Ok(Box::new(SimFile { disk: self.clone(), inode, life, writable: false }))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let created = self.state().create(name)?;
        Ok(self.file(created))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        self.state().list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.state().remove(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.state().rename(from, to)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.state().sync_dir()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.state().free_bytes()
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    /// The time between two crashes in which it was opened.
    life: u64,
    writable: bool,
}

impl SimFile {
    /// The state, if the file is still open and may be changed.
    fn to_change(&self) -> io::Result<MutexGuard<'_, State>> {
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        self.to_read()
    }

    /// The state, if the file is still open.
    fn to_read(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        if state.life() != self.life {
            return Err(io::Error::other("simulated: opened before the crash"));
        }
        Ok(state)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.to_read()?.read_at(self.inode, offset, into)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.to_change()?.write_at(self.inode, offset, bytes)
    }

    fn truncate(&mut self, bytes: u64) -> io::Result<()> {
        self.to_change()?.truncate(self.inode, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.to_change()?.sync(self.inode)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.to_read()?.file_bytes(self.inode)
    }
}

#[cfg(test)]
mod tests;
