//! The file operations a file journal needs, so that tests can make each of them fail.

use std::{fmt, io, sync::Arc};

/// One flat folder of files.
///
/// Nothing is durable before [`DiskFile::sync`] (bytes and length of a file) and [`Disk::sync_dir`] (which names
/// exist). Names are single path components.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens an existing file for reading and writing.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; else as the system says.
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Opens an existing file for reading alone.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; else as the system says.
    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Creates a file, or empties the one there, and opens it for reading and writing.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// The names of all files, sorted by their bytes.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Removes a file's name; open handles go on reading.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; else as the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Renames a file, replacing one of the new name.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; else as the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Makes creations, removals and renames durable.
    ///
    /// # Errors
    ///
    /// As the system says. After an error it is unknown which of them are durable.
    fn sync_dir(&self) -> io::Result<()>;

    /// Bytes an unprivileged process may still write.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// An open file of a [`Disk`].
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads up to `into.len()` bytes at `offset`; fewer only at the end of the file.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`; bytes skipped beyond the old end read as zero.
    ///
    /// # Errors
    ///
    /// As the system says. Any part may have been written then.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to `bytes`, or extends it with zeros.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn truncate(&mut self, bytes: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable.
    ///
    /// # Errors
    ///
    /// As the system says. What was not yet durable may never become so then, not even by a later `sync` that succeeds.
    fn sync(&mut self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// As the system says.
    fn bytes(&self) -> io::Result<u64>;
}

impl<D: Disk + ?Sized> Disk for Arc<D> {
    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        (**self).open(name)
    }
    fn open_to_read(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        (**self).open_to_read(name)
    }
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        (**self).create(name)
    }
    fn list(&self) -> io::Result<Vec<String>> {
        (**self).list()
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        (**self).remove(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        (**self).rename(from, to)
    }
    fn sync_dir(&self) -> io::Result<()> {
        (**self).sync_dir()
    }
    fn free_bytes(&self) -> io::Result<u64> {
        (**self).free_bytes()
    }
}
