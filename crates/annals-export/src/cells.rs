//! CSV: RFC 4180, UTF-8, a header, CRLF at the end of each row.
//!
//! # Formulas
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@`, a tab or a line end for a formula, and whoever can put text
//! into an audit log could have it run there. So such a cell gets an apostrophe in front, and so does one that begins with an
//! apostrophe, and one with the full-width forms of these signs, which some programs take for the narrow ones. To read cells
//! back, take one apostrophe from the front of each that has one: [`unguarded`].

use std::io::Write;

use crate::ExportError;
use crate::columns::Selection;
use crate::row::{Cell, Row};

/// What marks UTF-8 for Excel.
const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

/// In front of a cell that would be taken for something else.
const GUARD: char = '\'';

const BUFFER_BYTES: usize = 64 << 10;

/// A file of cells.
pub struct Cells<W: Write> {
    out: csv::Writer<W>,
    text: String,
}

/// Whether a cell gets an apostrophe in front.
fn needs_guard(text: &str) -> bool {
    text.starts_with([
        GUARD, '=', '+', '-', '@', '\t', '\r', '\n', '\u{FF1D}', '\u{FF0B}', '\u{FF0D}', '\u{FF20}',
    ])
}

/// The value of a cell: the cell without the apostrophe that it got.
#[must_use]
pub fn unguarded(cell: &str) -> &str {
    cell.strip_prefix(GUARD).unwrap_or(cell)
}

impl<W: Write> Cells<W> {
    pub(crate) fn new(mut out: W, bom: bool) -> Result<Self, ExportError> {
        if bom {
            out.write_all(BYTE_ORDER_MARK)?;
        }
        let out = csv::WriterBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .buffer_capacity(BUFFER_BYTES)
            .from_writer(out);
        Ok(Self { out, text: String::new() })
    }

    pub(crate) fn header(&mut self, columns: &Selection) -> Result<(), ExportError> {
        self.out.write_record(columns.columns().map(|column| column.name)).map_err(wrong)
    }

    pub(crate) fn row(&mut self, row: &Row<'_>) -> Result<(), ExportError> {
        for cell in row.cells() {
            self.cell(cell)?;
        }
        // Ends the row.
        self.out.write_record(None::<&[u8]>).map_err(wrong)
    }

    fn cell(&mut self, cell: Cell<'_>) -> Result<(), ExportError> {
        let written = match cell {
            Cell::Absent => self.out.write_field(b""),
            Cell::Number(number) => self.out.write_field(number.to_string()),
            Cell::Time(time) => self.out.write_field(time.to_bytes()),
            Cell::Bool(is) => self.out.write_field(if is { "true" } else { "false" }),
            Cell::Text(text) | Cell::Json(text) if needs_guard(text) => {
                self.text.clear();
                self.text.push(GUARD);
                self.text.push_str(text);
                self.out.write_field(&self.text)
            }
            Cell::Text(text) | Cell::Json(text) => self.out.write_field(text),
        };
        written.map_err(wrong)
    }

    pub(crate) fn out(&self) -> &W {
        self.out.get_ref()
    }

    pub(crate) fn flush(&mut self) -> Result<(), ExportError> {
        Ok(self.out.flush()?)
    }

    pub(crate) fn finish(self) -> Result<W, ExportError> {
        self.out.into_inner().map_err(|error| ExportError::Io(error.into_error()))
    }
}

fn wrong(error: csv::Error) -> ExportError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => ExportError::Io(error),
        // Rows of one length, and bytes to anywhere: there is no other.
        other => ExportError::Io(std::io::Error::other(format!("{other:?}"))),
    }
}
