//! What events are read from: files and standard input, decompressed as they are read.
//!
//! Events without an id get theirs from the hash of all that the input says, decompressed. So when the first such event is met,
//! the rest is read through once ([`Input::survey`]) before it is sent: a file by going back, a pipe by keeping the rest in a
//! temporary file. An input whose events all have ids is read once, and a pipe never kept.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{self, BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use super::split::{Broken, Splitter};
use crate::exit::{Exit, Failure, reason};

/// Read at once.
pub(super) const PIECE_BYTES: usize = 256 << 10;

/// Compressions that are told by their first bytes and not read, with the program that does.
const FOREIGN: &[(&[u8], &str)] = &[
    (b"\xFD7zXZ\0", "xz -dc"),
    (b"BZh", "bzip2 -dc"),
    (b"\x04\x22\x4D\x18", "lz4 -dc"),
    (b"PK\x03\x04", "unzip -p"),
];

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    StandardInput,
    File(PathBuf),
}

impl Origin {
    /// A file by its name; `-` is standard input.
    pub(super) fn of(name: &OsStr) -> Self {
        if name == "-" { Self::StandardInput } else { Self::File(name.into()) }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::StandardInput => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
        }
    }

    /// Its length, if it is a file that has one.
    ///
    /// # Errors
    ///
    /// The file is not there, or is a folder.
    pub(super) fn length(&self) -> Result<Option<u64>, Failure> {
        let Self::File(path) = self else { return Ok(None) };
        let known = metadata(path)?;
        Ok(known.is_file().then_some(known.len()))
    }

    /// Opens it.
    ///
    /// # Errors
    ///
    /// The system does not let us, or it is compressed in a way that is not read.
    pub(super) fn open(&self, read_bytes: Arc<AtomicU64>) -> Result<Input, Failure> {
        let raw = match self {
            Self::StandardInput => Raw::Once(Box::new(io::stdin())),
            Self::File(path) => {
                let file = File::open(path).map_err(|error| Failure::io("read", path, &error))?;
                if metadata(path)?.is_file() { Raw::Again(file) } else { Raw::Once(Box::new(file)) }
            }
        };
        Input::new(self.name(), raw, read_bytes)
    }
}

fn metadata(path: &Path) -> Result<Metadata, Failure> {
    let known = std::fs::metadata(path).map_err(|error| Failure::io("read", path, &error))?;
    if known.is_dir() {
        let message = format!("`{}` is a folder", path.display());
        return Err(Failure::new(Exit::Invalid, message)
            .with_hint(format!("name its files: `annals send {}/*`", path.display())));
    }
    Ok(known)
}

/// Compressed bytes.
enum Raw {
    /// A file, which can be read again.
    Again(File),
    /// A pipe, which cannot.
    Once(Box<dyn Read + Send>),
}

/// An input being read.
pub(super) struct Input {
    name: String,
    /// The file, where one can go back in it.
    file: Option<File>,
    reader: Box<dyn Read + Send>,
    /// Of everything given out so far, until the survey.
    hash: Option<Sha256>,
    bytes: u64,
    /// Compressed bytes read, for the progress.
    read_bytes: Arc<AtomicU64>,
}

impl Input {
    fn new(name: String, raw: Raw, read_bytes: Arc<AtomicU64>) -> Result<Self, Failure> {
        let failed = |error: io::Error| unreadable(&name, &error);
        let (file, raw): (_, Box<dyn Read + Send>) = match raw {
            Raw::Again(file) => (Some(file.try_clone().map_err(failed)?), Box::new(file)),
            Raw::Once(raw) => (None, raw),
        };
        let reader = decompressed(raw, &read_bytes, &name)?;
        Ok(Self { name, file, reader, hash: Some(Sha256::new()), bytes: 0, read_bytes })
    }

    /// Reads the next piece; empty at the end.
    ///
    /// # Errors
    ///
    /// The system does not let us, or it does not decompress.
    pub(super) fn read<'a>(&mut self, piece: &'a mut [u8]) -> Result<&'a [u8], Failure> {
        let count = loop {
            match self.reader.read(piece) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read.map_err(|error| unreadable(&self.name, &error))?,
            }
        };
        if let Some(hash) = &mut self.hash {
            hash.update(&piece[..count]);
        }
        self.bytes += count as u64;
        Ok(&piece[..count])
    }

    /// Whether reading it through means keeping it.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_none()
    }

    /// Reads the rest through and comes back to where it was; gives the hash of the whole. `splitter` is where the splitting is.
    ///
    /// # Errors
    ///
    /// As of [`Self::read`]; and what the splitter finds: an input that breaks off is found before any more of it is sent.
    pub(super) fn survey(&mut self, splitter: &Splitter) -> Result<[u8; 32], Failure> {
        let (bytes, read_bytes) = (self.bytes, self.read_bytes.load(Ordering::Relaxed));
        let mut kept = self.is_kept().then(tempfile::tempfile).transpose().map_err(|error| unkept(&error))?;
        let mut splitter = splitter.clone();
        let mut cuts = Vec::new();
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let piece = self.read(&mut piece)?;
            if piece.is_empty() {
                break;
            }
            if let Some(kept) = &mut kept {
                kept.write_all(piece).map_err(|error| unkept(&error))?;
            }
            splitter.push(piece, &mut cuts).map_err(|broken| self.broken(&broken))?;
            cuts.clear();
        }
        splitter.finish(&mut cuts).map_err(|broken| self.broken(&broken))?;
        let hash = self.hash.take().expect("an input is surveyed once").finalize().into();
        match kept {
            Some(mut kept) => {
                kept.seek(SeekFrom::Start(0)).map_err(|error| unkept(&error))?;
                self.reader = Box::new(kept);
            }
            None => self.go_back(bytes)?,
        }
        self.read_bytes.store(read_bytes, Ordering::Relaxed);
        Ok(hash)
    }

    /// Reads a file again from its start up to `bytes` decompressed bytes.
    fn go_back(&mut self, bytes: u64) -> Result<(), Failure> {
        let failed = |error: io::Error| unreadable(&self.name, &error);
        let mut file = self.file.as_ref().expect("what is not kept is a file").try_clone().map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        self.reader = decompressed(Box::new(file), &self.read_bytes, &self.name)?;
        let skipped = io::copy(&mut self.reader.by_ref().take(bytes), &mut io::sink()).map_err(failed)?;
        if skipped < bytes {
            let message = format!("`{}` became shorter while it was read", self.name);
            return Err(Failure::new(Exit::Conflict, message));
        }
        Ok(())
    }

    /// The input breaks off, in the splitter's words.
    pub(super) fn broken(&self, Broken(why): &Broken) -> Failure {
        Failure::new(Exit::Invalid, format!("`{}`: {why}", self.name))
    }
}

/// The reader of what is in there; tells the compression by the first bytes, as names lie.
fn decompressed(
    raw: Box<dyn Read + Send>,
    read_bytes: &Arc<AtomicU64>,
    name: &str,
) -> Result<Box<dyn Read + Send>, Failure> {
    let failed = |error: io::Error| unreadable(name, &error);
    let counted = Counted { raw, read_bytes: read_bytes.clone() };
    let mut reader = BufReader::with_capacity(PIECE_BYTES, counted);
    let head = loop {
        match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            head => break head.map_err(failed)?,
        }
    };
    if let Some((_, program)) = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic)) {
        let message = format!("`{name}` is compressed with neither gzip nor zstd");
        return Err(Failure::new(Exit::Invalid, message)
            .with_hint(format!("decompress it on the way: `{program} FILE | annals send -`")));
    }
    Ok(match head {
        [0x1F, 0x8B, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => {
            Box::new(zstd::stream::read::Decoder::with_buffer(reader).map_err(failed)?)
        }
        _ => Box::new(reader),
    })
}

/// Counts the bytes that pass.
struct Counted {
    raw: Box<dyn Read + Send>,
    read_bytes: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.raw.read(buffer)?;
        self.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn unreadable(name: &str, error: &io::Error) -> Failure {
    // Decompressors say so in different ways; the system's own errors have a number.
    let (exit, what) = match error.raw_os_error() {
        Some(_) => (Exit::Unavailable, "cannot be read on"),
        None => (Exit::Invalid, "does not decompress"),
    };
    Failure::new(exit, format!("`{name}` {what}: {}", reason(error)))
}

fn unkept(error: &io::Error) -> Failure {
    let message = format!("cannot keep standard input in a temporary file: {}", reason(error));
    Failure::new(Exit::Unavailable, message)
        .with_hint("set `TMPDIR` to a folder with more space, or give the events ids of their own")
}

#[cfg(test)]
mod tests;
