//! Plain exports of events: NDJSON, CSV and Parquet.
//!
//! An event comes in as one line of JSON, as `GET /v1/events` gives it, and leaves in the form that was asked for. The same bytes
//! come out wherever that happens: at the server, or at a client from lines that it fetched.
//!
//! | module | does |
//! |---|---|
//! | [`columns`] | which columns there are, and choosing among them |
//! | [`row`] | an event as the cells of its columns, without loss |
//! | [`cells`] | CSV, and how a cell is kept from being taken for a formula |
//! | [`groups`] | Parquet, a group of rows at a time |
//!
//! No I/O but writing to what the caller gives; memory is bounded by [`groups::GROUP_BYTES_MAX`] and one event.

pub mod cells;
pub mod columns;
pub mod groups;
pub mod row;

use std::io::{self, Write};
use std::str::FromStr;

use crate::cells::Cells;
use crate::columns::Selection;
use crate::groups::Groups;
use crate::row::RowReader;

/// Lines are passed on once there are so many bytes of them.
const BUFFER_BYTES: usize = 64 << 10;

/// The forms of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One event a line, as JSON.
    Ndjson,
    /// RFC 4180, with a header.
    Csv,
    /// Apache Parquet, compressed with zstd.
    Parquet,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ndjson, Self::Csv, Self::Parquet];

    /// Its name, which is also how its files end.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }
}

/// A text that names no format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be `ndjson`, `csv` or `parquet`")]
pub struct UnknownFormat;

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.as_str() == text).ok_or(UnknownFormat)
    }
}

/// What an export is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Its form.
    pub format: Format,
    /// Its columns, where it has any.
    pub columns: Selection,
    /// CSV begins with a byte order mark, without which Excel takes UTF-8 for something else.
    pub bom: bool,
}

/// Why an event was not exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// What was to be written to refuses.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line is no event.
    #[error("a line is no event: {0}")]
    Line(String),
    /// Parquet cannot hold it.
    #[error("parquet: {0}")]
    Parquet(String),
}

/// Writes events in one form, in the order in which they come.
pub struct Exporter<W: Write + Send> {
    form: Form<W>,
    line: Vec<u8>,
    rows: u64,
}

enum Form<W: Write + Send> {
    Lines { out: W, buffer: Vec<u8> },
    Cells(Box<RowReader>, Box<Cells<W>>),
    Groups(Box<RowReader>, Box<Groups<W>>),
}

impl<W: Write + Send> Exporter<W> {
    /// Begins an export, with what comes before its first event.
    ///
    /// # Errors
    ///
    /// [`ExportError::Io`].
    pub fn new(options: &Options, out: W) -> Result<Self, ExportError> {
        Self::resume(options, out, 0)
    }

    /// As [`Exporter::new`], where so many rows are there already. With any, what comes before the first is left out: the rows
    /// that follow can be put behind those. Parquet cannot be gone on with.
    ///
    /// # Errors
    ///
    /// [`ExportError::Io`]; [`ExportError::Parquet`] for rows in front of it.
    pub fn resume(options: &Options, out: W, rows: u64) -> Result<Self, ExportError> {
        let form = match options.format {
            Format::Ndjson => Form::Lines { out, buffer: Vec::with_capacity(BUFFER_BYTES) },
            Format::Csv => {
                let reader = RowReader::new(&options.columns, true);
                let mut cells = Cells::new(out, rows == 0 && options.bom)?;
                if rows == 0 {
                    cells.header(&options.columns)?;
                }
                Form::Cells(Box::new(reader), Box::new(cells))
            }
            Format::Parquet if rows > 0 => {
                return Err(ExportError::Parquet("a file cannot be gone on with".to_owned()));
            }
            Format::Parquet => {
                let reader = RowReader::new(&options.columns, false);
                Form::Groups(Box::new(reader), Box::new(Groups::new(out, &options.columns)?))
            }
        };
        Ok(Self { form, line: Vec::new(), rows })
    }

    /// Adds the event whose line `write` appends, without its end.
    ///
    /// # Errors
    ///
    /// [`ExportError`]. Nothing of use can be added afterwards.
    pub fn event_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), ExportError> {
        match &mut self.form {
            Form::Lines { out, buffer } => {
                write(buffer);
                buffer.push(b'\n');
                if buffer.len() >= BUFFER_BYTES {
                    out.write_all(buffer)?;
                    buffer.clear();
                }
            }
            Form::Cells(reader, cells) => {
                self.line.clear();
                write(&mut self.line);
                cells.row(&reader.read(&self.line)?)?;
            }
            Form::Groups(reader, groups) => {
                self.line.clear();
                write(&mut self.line);
                groups.row(&reader.read(&self.line)?)?;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Adds an event, given as its line without the end.
    ///
    /// # Errors
    ///
    /// As [`Exporter::event_with`].
    pub fn event(&mut self, line: &[u8]) -> Result<(), ExportError> {
        self.event_with(|out| out.extend_from_slice(line))
    }

    /// How many rows there are.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What is written to. What is held back is not there yet.
    #[must_use]
    pub fn out(&self) -> &W {
        match &self.form {
            Form::Lines { out, .. } => out,
            Form::Cells(_, cells) => cells.out(),
            Form::Groups(_, groups) => groups.out(),
        }
    }

    /// Passes on what is held back. Parquet holds back the group that is not full.
    ///
    /// # Errors
    ///
    /// [`ExportError::Io`].
    pub fn flush(&mut self) -> Result<(), ExportError> {
        match &mut self.form {
            Form::Lines { out, buffer } => {
                out.write_all(buffer)?;
                buffer.clear();
                out.flush()?;
            }
            Form::Cells(_, cells) => cells.flush()?,
            Form::Groups(_, groups) => groups.flush()?,
        }
        Ok(())
    }

    /// Writes what comes after the last event, and gives back what was written to.
    ///
    /// # Errors
    ///
    /// [`ExportError`].
    pub fn finish(mut self) -> Result<W, ExportError> {
        self.flush()?;
        match self.form {
            Form::Lines { out, .. } => Ok(out),
            Form::Cells(_, cells) => cells.finish(),
            Form::Groups(_, groups) => groups.finish(),
        }
    }
}

#[cfg(test)]
mod tests;
