//! Reading a bundle's zip archive: by its directory, which must account for every byte of it.
//!
//! General readers take much that a bundle does not have: files of one name twice, bytes that no file has, headers that say one
//! thing and a directory that says another. What one tool then shows is not what another verifies, so all of it is refused here.
//! Archives that others packed anew are taken, stored or deflated, with and without zip64, in any order of the files.
//!
//! ```text
//! for each file   local header, data, and where flag 3 is set a descriptor
//! directory       one header a file
//! zip64 end       where numbers need it, with its locator
//! end             22 bytes; no comment
//! ```
//!
//! Numbers are little-endian. Nothing is believed that is not read within [`FILES`]'s bounds.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use crate::FILES;

/// Longest directory: its few names are short, and other tools write a few extra fields.
const DIRECTORY_BYTES_MAX: u64 = 16 << 10;

const END: u32 = 0x0605_4b50;
const END_BYTES: u64 = 22;
const LOCATOR: u32 = 0x0706_4b50;
const LOCATOR_BYTES: u64 = 20;
const END_64: u32 = 0x0606_4b50;
const END_64_BYTES: u64 = 56;
const CENTRAL: u32 = 0x0201_4b50;
const LOCAL: u32 = 0x0403_4b50;
const LOCAL_BYTES: usize = 30;
const DESCRIPTOR: u32 = 0x0807_4b50;
const ZIP_64: u16 = 1;
/// Stands where a zip64 field has the number.
const ELSEWHERE: u32 = u32::MAX;

/// Sizes and checksums stand behind the data.
const HAS_DESCRIPTOR: u16 = 1 << 3;
/// How hard the data was pressed, and that names are UTF-8: both change nothing here.
const HARMLESS: u16 = 0b110 | 1 << 11;

/// An archive whose directory was read.
#[derive(Debug)]
pub struct Archive {
    file: File,
    entries: Vec<Entry>,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// One of [`FILES`].
    pub name: &'static str,
    is_deflated: bool,
    flags: u16,
    crc: u32,
    compressed: u64,
    /// Before compression.
    pub bytes: u64,
    header_at: u64,
    data_at: u64,
}

/// Why an archive is not a bundle's.
#[derive(Debug, thiserror::Error)]
pub enum ZipError {
    /// Its form, in words.
    #[error("{0}")]
    Form(String),
    /// It cannot be read.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

fn form<T>(what: impl Into<String>) -> Result<T, ZipError> {
    Err(ZipError::Form(what.into()))
}

const PARTS: &str = "it is one of several parts";

/// Little-endian numbers of a header, taken from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], ZipError> {
        let Some((field, rest)) = self.0.split_first_chunk::<N>() else {
            return form("a header is cut short");
        };
        self.0 = rest;
        Ok(*field)
    }

    fn u16(&mut self) -> Result<u16, ZipError> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Result<u32, ZipError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, ZipError> {
        self.take().map(u64::from_le_bytes)
    }

    fn bytes(&mut self, length: u16) -> Result<&'a [u8], ZipError> {
        let Some((field, rest)) = self.0.split_at_checked(usize::from(length)) else {
            return form("a header is cut short");
        };
        self.0 = rest;
        Ok(field)
    }
}

impl Archive {
    /// Opens an archive and checks everything but the files' content.
    ///
    /// # Errors
    ///
    /// It is not as a bundle's is, or cannot be read.
    pub fn open(path: &Path) -> Result<Self, ZipError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let (directory, count) = directory(&file, length)?;
        let mut archive = Self { file, entries: Vec::new() };
        let bytes = archive.read_at(directory.start, directory.end - directory.start)?;
        let mut fields = Fields(&bytes);
        for _ in 0..count {
            let entry = archive.central(&mut fields)?;
            if archive.entries.iter().any(|other| other.name == entry.name) {
                return form(format!("`{}` is there twice", entry.name));
            }
            archive.entries.push(entry);
        }
        if !fields.0.is_empty() {
            return form("its directory has more than it counts");
        }
        archive.lay_out(directory.start)?;
        Ok(archive)
    }

    /// The files.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The file of this name.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Reads a file. What is not as its header has it is an error at its end.
    #[must_use]
    pub fn content(&self, entry: &Entry) -> Content<'_> {
        let source = Section { file: &self.file, at: entry.data_at, end: entry.data_at + entry.compressed };
        let source = BufReader::with_capacity(64 << 10, source);
        let inner = if entry.is_deflated {
            Inner::Deflated(DeflateDecoder::new(source))
        } else {
            Inner::Stored(source)
        };
        Content {
            inner,
            name: entry.name,
            left: entry.bytes,
            crc: Crc::new(),
            expected: entry.crc,
            is_over: false,
        }
    }

    /// A whole small file. Its length was checked when the archive was opened.
    ///
    /// # Errors
    ///
    /// `InvalidData` when it is not as the directory says; others when it cannot be read.
    pub fn read(&self, entry: &Entry) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.content(entry).read_to_end(&mut content)?;
        Ok(content)
    }

    fn read_at(&self, at: u64, length: u64) -> Result<Vec<u8>, ZipError> {
        read_at(&self.file, at, length)
    }

    fn central(&self, fields: &mut Fields<'_>) -> Result<Entry, ZipError> {
        if fields.u32()? != CENTRAL {
            return form("its directory is damaged");
        }
        let (_made_by, _needs) = (fields.u16()?, fields.u16()?);
        let (flags, method) = (fields.u16()?, fields.u16()?);
        let _when = fields.u32()?;
        let crc = fields.u32()?;
        let (compressed, bytes) = (fields.u32()?, fields.u32()?);
        let lengths = (fields.u16()?, fields.u16()?, fields.u16()?);
        let disk = fields.u16()?;
        let _attributes = (fields.u16()?, fields.u32()?);
        let header_at = fields.u32()?;
        let name = fields.bytes(lengths.0)?;
        let mut large = Large::of(fields.bytes(lengths.1)?)?;
        fields.bytes(lengths.2)?;
        let bytes = large.number(bytes)?;
        let compressed = large.number(compressed)?;
        let header_at = large.number(header_at)?;
        let Some((name, bytes_max)) = FILES.into_iter().find(|(known, _)| known.as_bytes() == name) else {
            return form(format!(
                "`{}` is no file of a bundle",
                String::from_utf8_lossy(name).escape_default()
            ));
        };
        if bytes > bytes_max {
            return form(format!("`{name}` has {bytes} bytes, a bundle's at most {bytes_max}"));
        }
        if disk != 0 && disk != u16::MAX {
            return form(PARTS);
        }
        if flags & !(HAS_DESCRIPTOR | HARMLESS) != 0 {
            return form(format!("`{name}` is encrypted, or written in a way that bundles are not"));
        }
        let is_deflated = match method {
            0 if bytes == compressed => false,
            8 => true,
            _ => return form(format!("`{name}` is compressed in a way that bundles are not")),
        };
        Ok(Entry { name, is_deflated, flags, crc, compressed, bytes, header_at, data_at: 0 })
    }

    /// Reads the local headers and checks that files follow one another without anything in between.
    fn lay_out(&mut self, directory_at: u64) -> Result<(), ZipError> {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        order.sort_by_key(|at| self.entries[*at].header_at);
        let mut at = 0;
        for index in order {
            let entry = self.entries[index].clone();
            let name = entry.name;
            if entry.header_at != at {
                return form(format!(
                    "there are bytes in front of `{name}` that no file has, or it overlaps another"
                ));
            }
            let data_at = self.local(&entry, directory_at)?;
            let end = data_at.checked_add(entry.compressed).filter(|end| *end <= directory_at);
            let Some(end) = end else {
                return form(format!("`{name}` goes on into the directory"));
            };
            self.entries[index].data_at = data_at;
            at = if entry.flags & HAS_DESCRIPTOR == 0 {
                end
            } else {
                self.descriptor(&entry, end, directory_at)?
            };
        }
        if at == directory_at {
            Ok(())
        } else {
            form("there are bytes in front of its directory that no file has")
        }
    }

    /// Where the data begins, behind a header that says what the directory does.
    fn local(&self, entry: &Entry, directory_at: u64) -> Result<u64, ZipError> {
        let name = entry.name;
        let differs = |what: &str| {
            form(format!("`{name}`: its header and the directory do not say the same of {what}"))
        };
        let fixed = LOCAL_BYTES as u64;
        if entry.header_at + fixed > directory_at {
            return form(format!("`{name}` has no header"));
        }
        let header = self.read_at(entry.header_at, fixed)?;
        let mut fields = Fields(&header);
        if fields.u32()? != LOCAL {
            return form(format!("`{name}` has no header where the directory says"));
        }
        let _needs = fields.u16()?;
        let (flags, method) = (fields.u16()?, fields.u16()?);
        let _when = fields.u32()?;
        let (crc, compressed, bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let (name_bytes, extra_bytes) = (fields.u16()?, fields.u16()?);
        let more = u64::from(name_bytes) + u64::from(extra_bytes);
        let data_at = entry.header_at + fixed + more;
        if data_at > directory_at {
            return form(format!("`{name}` has no header"));
        }
        let rest = self.read_at(entry.header_at + fixed, more)?;
        let mut fields = Fields(&rest);
        if fields.bytes(name_bytes)? != name.as_bytes() {
            return differs("its name");
        }
        let mut large = Large::of(fields.bytes(extra_bytes)?)?;
        if method != u16::from(entry.is_deflated) * 8 || flags != entry.flags {
            return differs("how it is written");
        }
        let (bytes, compressed) = (large.number(bytes)?, large.number(compressed)?);
        let says = (crc, compressed, bytes);
        let is_left_open = flags & HAS_DESCRIPTOR != 0 && says == (0, 0, 0);
        if !is_left_open && says != (entry.crc, entry.compressed, entry.bytes) {
            return differs("its length or checksum");
        }
        Ok(data_at)
    }

    /// Where the descriptor behind a file's data ends.
    fn descriptor(&self, entry: &Entry, at: u64, directory_at: u64) -> Result<u64, ZipError> {
        let bytes = self.read_at(at, 24.min(directory_at - at))?;
        // With and without a signature, and with numbers of four and of eight bytes: all four are in use.
        for has_signature in [true, false] {
            for is_large in [true, false] {
                let mut expected = Vec::new();
                if has_signature {
                    expected.extend(DESCRIPTOR.to_le_bytes());
                }
                expected.extend(entry.crc.to_le_bytes());
                for number in [entry.compressed, entry.bytes] {
                    match u32::try_from(number) {
                        _ if is_large => expected.extend(number.to_le_bytes()),
                        Ok(number) => expected.extend(number.to_le_bytes()),
                        Err(_) => expected.clear(),
                    }
                }
                if !expected.is_empty() && bytes.starts_with(&expected) {
                    return Ok(at + expected.len() as u64);
                }
            }
        }
        form(format!(
            "`{}`: what stands behind its data and the directory do not say the same of its length or checksum",
            entry.name
        ))
    }
}

/// Where the directory is, and how many files it has.
fn directory(file: &File, length: u64) -> Result<(std::ops::Range<u64>, u64), ZipError> {
    let cut = "it does not end as a zip archive does; it may be cut short";
    let Some(end_at) = length.checked_sub(END_BYTES) else { return form(cut) };
    let end = read_at(file, end_at, END_BYTES)?;
    let mut fields = Fields(&end);
    if fields.u32()? != END {
        return form(cut);
    }
    let disks = (fields.u16()?, fields.u16()?);
    let counts = (fields.u16()?, fields.u16()?);
    let (bytes, at) = (fields.u32()?, fields.u32()?);
    if fields.u16()? != 0 {
        return form(cut);
    }
    if ![(0, 0), (u16::MAX, u16::MAX)].contains(&disks) || counts.0 != counts.1 {
        return form(PARTS);
    }
    let (mut count, mut bytes, mut at, mut stop) =
        (u64::from(counts.1), u64::from(bytes), u64::from(at), end_at);
    if let Some(locator_at) = end_at.checked_sub(LOCATOR_BYTES) {
        let locator = read_at(file, locator_at, LOCATOR_BYTES)?;
        let mut fields = Fields(&locator);
        if fields.u32()? == LOCATOR {
            let disk = fields.u32()?;
            stop = fields.u64()?;
            if (disk, fields.u32()?) != (0, 1) {
                return form(PARTS);
            }
            if stop.checked_add(END_64_BYTES) != Some(locator_at) {
                return form("its zip64 end is not where it says");
            }
            let end = read_at(file, stop, END_64_BYTES)?;
            let mut fields = Fields(&end);
            let (signature, size) = (fields.u32()?, fields.u64()?);
            let _versions = (fields.u16()?, fields.u16()?);
            let disks = (fields.u32()?, fields.u32()?);
            let counts = (fields.u64()?, fields.u64()?);
            if disks != (0, 0) {
                return form(PARTS);
            }
            if signature != END_64 || size != END_64_BYTES - 12 || counts.0 != counts.1 {
                return form("its zip64 end is damaged");
            }
            let large = (counts.1, fields.u64()?, fields.u64()?);
            let says_the_same = |small: u64, limit: u64, large: u64| small == limit || small == large;
            if !says_the_same(count, u64::from(u16::MAX), large.0)
                || !says_the_same(bytes, u64::from(ELSEWHERE), large.1)
                || !says_the_same(at, u64::from(ELSEWHERE), large.2)
            {
                return form("its two ends do not say the same");
            }
            (count, bytes, at) = large;
        }
    }
    if at.checked_add(bytes) != Some(stop) {
        return form("its directory is not where it says; it may be cut short");
    }
    if bytes > DIRECTORY_BYTES_MAX {
        return form(format!("its directory has {bytes} bytes, a bundle's at most {DIRECTORY_BYTES_MAX}"));
    }
    Ok((at..stop, count))
}

/// The numbers of a zip64 field, in order.
struct Large<'a>(Option<Fields<'a>>);

impl<'a> Large<'a> {
    fn of(extra: &'a [u8]) -> Result<Self, ZipError> {
        let mut fields = Fields(extra);
        let mut found = None;
        while fields.0.len() >= 4 {
            let (id, length) = (fields.u16()?, fields.u16()?);
            let field = fields.bytes(length)?;
            if id == ZIP_64 && found.replace(Fields(field)).is_some() {
                return form("a header has two zip64 fields");
            }
        }
        Ok(Self(found))
    }

    fn number(&mut self, number: u32) -> Result<u64, ZipError> {
        match (number, &mut self.0) {
            (ELSEWHERE, Some(fields)) => fields.u64(),
            (ELSEWHERE, None) => form("a header lacks its zip64 field"),
            (number, _) => Ok(u64::from(number)),
        }
    }
}

fn read_at(file: &File, at: u64, length: u64) -> Result<Vec<u8>, ZipError> {
    let mut bytes =
        vec![0; usize::try_from(length).map_err(|_| ZipError::Form("a part is too long".to_owned()))?];
    let mut read = 0;
    while read < bytes.len() {
        match read_some(file, at + read as u64, &mut bytes[read..])? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            more => read += more,
        }
    }
    Ok(bytes)
}

#[cfg(unix)]
fn read_some(file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

/// Where no system call reads at a place there are no threads either that could move it.
#[cfg(not(unix))]
fn read_some(mut file: &File, at: u64, into: &mut [u8]) -> io::Result<usize> {
    io::Seek::seek(&mut file, io::SeekFrom::Start(at))?;
    file.read(into)
}

/// Part of a file.
#[derive(Debug)]
struct Section<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let read = read_some(self.file, self.at, &mut into[..left])?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A file of the archive, as it is read.
#[derive(Debug)]
pub struct Content<'a> {
    inner: Inner<'a>,
    name: &'static str,
    left: u64,
    crc: Crc,
    expected: u32,
    is_over: bool,
}

#[derive(Debug)]
enum Inner<'a> {
    Stored(BufReader<Section<'a>>),
    Deflated(DeflateDecoder<BufReader<Section<'a>>>),
}

impl Inner<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(source) => source.read(into),
            Self::Deflated(source) => source.read(into),
        }
    }

    /// Whether all of the compressed data was needed.
    fn is_used_up(&mut self) -> io::Result<bool> {
        let source = match self {
            Self::Stored(source) => source,
            Self::Deflated(source) => source.get_mut(),
        };
        Ok(source.read(&mut [0])? == 0)
    }
}

impl Read for Content<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_over || into.is_empty() {
            return Ok(0);
        }
        let damaged =
            |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, format!("`{}` {what}", self.name)));
        let read = match self.inner.read(into) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return damaged("does not decompress");
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return damaged("is cut short"),
            Err(error) => return Err(error),
        };
        if read as u64 > self.left {
            return damaged("is longer than the directory says");
        }
        self.left -= read as u64;
        self.crc.update(&into[..read]);
        if read == 0 {
            self.is_over = true;
            if self.left > 0 {
                return damaged("is shorter than the directory says");
            }
            if !self.inner.is_used_up()? {
                return damaged("has bytes behind its end");
            }
            if self.crc.sum() != self.expected {
                return damaged("does not have the checksum that the directory says");
            }
        }
        Ok(read)
    }
}
