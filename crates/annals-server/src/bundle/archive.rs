//! Writing a bundle's zip archive, from the front to the back.
//!
//! Nothing is gone back to: sizes and checksums of a file stand behind it, and again in the directory at the end. The log and
//! the report may be longer than 4 GiB, so they are written as zip64 from the start.

use std::io::{self, Write};

use annals_bundle::{File, Hex};
use sha2::{Digest as _, Sha256};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, DateTime, ZipWriter};

/// What deflate is asked for: the least, as most of a log are digests, which nothing makes shorter.
const LEVEL: i64 = 1;

/// An archive that is being written.
pub struct Archive<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    open: Option<Open>,
    files: Vec<File>,
}

struct Open {
    name: &'static str,
    bytes: u64,
    hash: Sha256,
}

impl<W: Write> std::fmt::Debug for Archive<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("files", &self.files).finish_non_exhaustive()
    }
}

impl<W: Write> Archive<W> {
    /// Begins an archive.
    #[must_use]
    pub fn new(to: W) -> Self {
        Self { zip: ZipWriter::new_stream(to), open: None, files: Vec::new() }
    }

    /// Begins a file; the one before is at its end.
    ///
    /// # Errors
    ///
    /// Those of the writer below.
    pub fn begin(&mut self, name: &'static str) -> io::Result<()> {
        self.end();
        let options = SimpleFileOptions::DEFAULT
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            // The manifest says when it was made; equal files make equal archives.
            .last_modified_time(DateTime::DEFAULT)
            .large_file(true);
        self.zip.start_file(name, options)?;
        self.open = Some(Open { name, bytes: 0, hash: Sha256::new() });
        Ok(())
    }

    /// Writes a file.
    ///
    /// # Errors
    ///
    /// Those of the writer below.
    pub fn file(&mut self, name: &'static str, content: &[u8]) -> io::Result<()> {
        self.begin(name)?;
        self.write_all(content)
    }

    /// The files that were written.
    pub fn files(&mut self) -> &[File] {
        self.end();
        &self.files
    }

    /// Ends the archive.
    ///
    /// # Errors
    ///
    /// Those of the writer below.
    pub fn finish(self) -> io::Result<W> {
        Ok(self.zip.finish()?.into_inner())
    }

    fn end(&mut self) {
        if let Some(Open { name, bytes, hash }) = self.open.take() {
            self.files.push(File { name: name.to_owned(), bytes, sha256: Hex(hash.finalize().into()) });
        }
    }
}

impl<W: Write> Write for Archive<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.zip.write(bytes)?;
        if let Some(open) = &mut self.open {
            open.bytes += written as u64;
            open.hash.update(&bytes[..written]);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.zip.flush()
    }
}
