//! Parquet: the columns with their real types, compressed with zstd, a group of rows at a time.
//!
//! | kind | type |
//! |---|---|
//! | text | `BYTE_ARRAY`, string |
//! | JSON | `BYTE_ARRAY`, JSON |
//! | number | `INT64`, unsigned 64 bits |
//! | status code | `INT32`, unsigned 16 bits |
//! | instant | `INT64`, µs in UTC |
//! | true or false | `BOOLEAN` |
//!
//! Every column may be null. A group ends with [`GROUP_ROWS_MAX`] rows or [`GROUP_BYTES_MAX`] bytes of values, which are in memory
//! until then.

use std::io::{self, Write};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{Type, TypePtr};

use crate::ExportError;
use crate::columns::{Column, Kind, Selection};
use crate::row::{Cell, Row};

/// Most rows of a group.
pub const GROUP_ROWS_MAX: usize = 122_880;

/// Most bytes of values in a group, but for the last row, which may go beyond.
pub const GROUP_BYTES_MAX: usize = 32 << 20;

/// How hard is compressed.
const ZSTD_LEVEL: i32 = 3;

/// A file of groups.
pub struct Groups<W: Write + Send> {
    out: SerializedFileWriter<W>,
    columns: Vec<Held>,
    rows: usize,
    bytes: usize,
}

/// The values that a column has in the group that is not full yet.
struct Held {
    /// For each row, 1 when it has a value.
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Bytes { bytes: Vec<u8>, ends: Vec<usize> },
    Long(Vec<i64>),
    Short(Vec<i32>),
    Bool(Vec<bool>),
}

impl Values {
    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Text | Kind::Json => Self::Bytes { bytes: Vec::new(), ends: Vec::new() },
            Kind::Number | Kind::Time => Self::Long(Vec::new()),
            Kind::StatusCode => Self::Short(Vec::new()),
            Kind::Bool => Self::Bool(Vec::new()),
        }
    }

    /// Adds a cell of the column's kind, and says how many bytes it takes.
    fn push(&mut self, cell: Cell<'_>) -> usize {
        match (self, cell) {
            (Self::Bytes { bytes, ends }, Cell::Text(text) | Cell::Json(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(bytes.len());
                text.len() + size_of::<usize>()
            }
            (Self::Long(values), Cell::Number(number)) => {
                // The same 64 bits: the column says that they have no sign.
                values.push(number.cast_signed());
                size_of::<i64>()
            }
            (Self::Long(values), Cell::Time(time)) => {
                values.push(time.as_micros());
                size_of::<i64>()
            }
            (Self::Short(values), Cell::Number(number)) => {
                values.push(i32::try_from(number).expect("a status code has three digits"));
                size_of::<i32>()
            }
            (Self::Bool(values), Cell::Bool(is)) => {
                values.push(is);
                size_of::<bool>()
            }
            _ => unreachable!("cells are of their column's kind"),
        }
    }
}

impl<W: Write + Send> Groups<W> {
    pub(crate) fn new(out: W, columns: &Selection) -> Result<Self, ExportError> {
        let schema = columns.columns().map(described).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let schema = Type::group_type_builder("event").with_fields(schema).build().map_err(wrong)?;
        let level = ZstdLevel::try_new(ZSTD_LEVEL).map_err(wrong)?;
        let properties = WriterProperties::builder()
            .set_created_by(concat!("annals version ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(Compression::ZSTD(level))
            .build();
        let out = SerializedFileWriter::new(out, schema.into(), Arc::new(properties)).map_err(wrong)?;
        let columns =
            columns.columns().map(|column| Held { levels: Vec::new(), values: Values::of(column.kind) });
        Ok(Self { out, columns: columns.collect(), rows: 0, bytes: 0 })
    }

    pub(crate) fn row(&mut self, row: &Row<'_>) -> Result<(), ExportError> {
        for (held, cell) in self.columns.iter_mut().zip(row.cells()) {
            self.bytes += size_of::<i16>();
            if cell == Cell::Absent {
                held.levels.push(0);
            } else {
                held.levels.push(1);
                self.bytes += held.values.push(cell);
            }
        }
        self.rows += 1;
        if self.rows >= GROUP_ROWS_MAX || self.bytes >= GROUP_BYTES_MAX {
            self.group()?;
        }
        Ok(())
    }

    /// Writes what is held as a group.
    fn group(&mut self) -> Result<(), ExportError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.out.next_row_group().map_err(wrong)?;
        for held in &mut self.columns {
            let mut column = group.next_column().map_err(wrong)?.expect("the schema has these columns");
            held.write(&mut column).map_err(wrong)?;
            column.close().map_err(wrong)?;
        }
        group.close().map_err(wrong)?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }

    pub(crate) fn out(&self) -> &W {
        self.out.inner()
    }

    pub(crate) fn flush(&mut self) -> Result<(), ExportError> {
        Ok(self.out.flush()?)
    }

    pub(crate) fn finish(mut self) -> Result<W, ExportError> {
        self.group()?;
        let mut out = self.out.into_inner().map_err(wrong)?;
        out.flush()?;
        Ok(out)
    }
}

impl Held {
    fn write(&mut self, column: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        match &mut self.values {
            Values::Bytes { bytes, ends } => {
                let bytes = Bytes::from(std::mem::take(bytes));
                let starts = std::iter::once(0).chain(ends.iter().copied());
                let values: Vec<ByteArray> =
                    starts.zip(ends.iter()).map(|(start, end)| bytes.slice(start..*end).into()).collect();
                ends.clear();
                write_all::<ByteArrayType>(column, &values, &levels)
            }
            Values::Long(values) => write_all::<Int64Type>(column, &std::mem::take(values), &levels),
            Values::Short(values) => write_all::<Int32Type>(column, &std::mem::take(values), &levels),
            Values::Bool(values) => write_all::<BoolType>(column, &std::mem::take(values), &levels),
        }
    }
}

fn write_all<T: DataType>(
    column: &mut SerializedColumnWriter<'_>,
    values: &[T::T],
    levels: &[i16],
) -> Result<(), ParquetError> {
    column.typed::<T>().write_batch(values, Some(levels), None).map(drop)
}

fn described(column: &Column) -> Result<TypePtr, ParquetError> {
    let (physical, logical) = match column.kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
        Kind::Number => (Physical::INT64, Some(LogicalType::integer(64, false))),
        Kind::StatusCode => (Physical::INT32, Some(LogicalType::integer(16, false))),
        Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        Kind::Bool => (Physical::BOOLEAN, None),
    };
    let described = Type::primitive_type_builder(column.name, physical)
        .with_repetition(Repetition::OPTIONAL)
        .with_logical_type(logical);
    described.build().map(Arc::new)
}

/// What was written to refused, or else what the library says.
fn wrong(error: ParquetError) -> ExportError {
    match error {
        ParquetError::External(cause) => match cause.downcast::<io::Error>() {
            Ok(error) => ExportError::Io(*error),
            Err(cause) => ExportError::Parquet(cause.to_string()),
        },
        other => ExportError::Parquet(other.to_string()),
    }
}
