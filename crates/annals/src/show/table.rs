//! Tables: columns that give way in an order, when a terminal is narrow.

use anstyle::Style;
use serde_json::{Value, json};

use super::Stage;
use super::text::{cut, padding, safe, width};
use crate::exit::Failure;
use crate::output::Output;

/// Between two columns.
const GAP: usize = 2;

/// Where lines have no end, a longer cell is not padded for: it pushes its own line only.
const PADDED_MAX: usize = 48;

/// A column.
///
/// `leaves` is its turn to be left out when the terminal is narrow, the highest first; 0 never is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// It is not made narrower than this while others can be left out, unless it holds nothing longer.
    pub(crate) least: usize,
    /// Width to keep for rows that are still to come.
    pub(crate) typical: usize,
    pub(crate) leaves: u8,
}

/// A value in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A text of anybody's, made safe.
    pub(crate) fn new(text: &str) -> Self {
        Self { text: safe(text).into_owned(), style: Style::new() }
    }

    pub(crate) fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

/// The widths of a table's columns; a column that is left out has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    widths: Vec<Option<usize>>,
}

impl Layout {
    /// For these rows; columns in which nothing stands are left out.
    pub(crate) fn of(columns: &[Column], rows: &[Vec<Cell>], stage: &Stage) -> Self {
        Self::fitting(columns, rows, |_| 0, stage)
    }

    /// For these rows and more that are still to come.
    pub(crate) fn ahead(columns: &[Column], rows: &[Vec<Cell>], stage: &Stage) -> Self {
        Self::fitting(columns, rows, |column| column.typical, stage)
    }

    fn fitting(
        columns: &[Column],
        rows: &[Vec<Cell>],
        at_least: impl Fn(&Column) -> usize,
        stage: &Stage,
    ) -> Self {
        let natural = columns.iter().enumerate().map(|(index, column)| {
            let widest =
                rows.iter().map(|row| width(&row[index].text)).max().unwrap_or(0).max(at_least(column));
            (widest > 0).then(|| widest.max(column.title.len()))
        });
        Self::within(columns, natural.collect(), stage)
    }

    fn within(columns: &[Column], mut natural: Vec<Option<usize>>, stage: &Stage) -> Self {
        let Some(room) = stage.columns else {
            let widths = natural.into_iter().map(|width| width.map(|width| width.min(PADDED_MAX))).collect();
            return Self { widths };
        };
        let least = |natural: &[Option<usize>]| -> Vec<Option<usize>> {
            natural
                .iter()
                .zip(columns)
                .map(|(width, column)| width.map(|width| width.min(column.least)))
                .collect()
        };
        while total(&least(&natural)) > room {
            let present =
                (0..columns.len()).filter(|index| natural[*index].is_some() && columns[*index].leaves > 0);
            let Some(leaver) = present.max_by_key(|index| columns[*index].leaves) else { break };
            natural[leaver] = None;
        }
        let mut widths = least(&natural);
        // What is left goes to whoever has least of what still wants more.
        for _ in 0..room.saturating_sub(total(&widths)) {
            let wanting = (0..columns.len()).filter(|index| widths[*index] < natural[*index]);
            let Some(poorest) = wanting.min_by_key(|index| widths[*index]) else { break };
            widths[poorest] = widths[poorest].map(|width| width + 1);
        }
        Self { widths }
    }

    /// The line above the rows.
    pub(crate) fn header(&self, columns: &[Column], stage: &Stage) -> String {
        let cells: Vec<Cell> =
            columns.iter().map(|column| Cell::new(column.title).styled(Style::new().bold())).collect();
        self.line(&cells, stage)
    }

    /// A row on one line. On a terminal every cell is cut to its column; elsewhere nothing is.
    pub(crate) fn line(&self, row: &[Cell], stage: &Stage) -> String {
        let mut line = String::new();
        let mut owed = String::new();
        let mut left = stage.columns.unwrap_or(usize::MAX);
        for (cell, columns) in row.iter().zip(&self.widths) {
            let Some(columns) = *columns else { continue };
            let gap = std::mem::take(&mut owed);
            let room = left.saturating_sub(gap.len());
            let text = if stage.is_watched() {
                cut(&cell.text, columns.min(room))
            } else {
                cell.text.as_str().into()
            };
            if !text.is_empty() {
                line.push_str(&gap);
                line.push_str(&stage.paint(cell.style, &text));
                left = room.saturating_sub(width(&text));
            } else {
                owed = gap;
            }
            owed.push_str(&padding(&text, columns));
            owed.push_str(&" ".repeat(GAP));
        }
        line
    }
}

fn total(widths: &[Option<usize>]) -> usize {
    let present = widths.iter().flatten();
    (present.clone().sum::<usize>() + present.count() * GAP).saturating_sub(GAP)
}

/// Prints a list: as a table, or with `--json` an item a line and then how many there are.
pub(crate) fn print(
    item: &str,
    values: &[Value],
    columns: &[Column],
    row: impl Fn(&Value) -> Vec<Cell>,
    output: Output,
) -> Result<(), Failure> {
    if output.is_json() {
        for value in values {
            let mut line = json!({"type": "item", "item": item});
            if let (Some(line), Some(value)) = (line.as_object_mut(), value.as_object()) {
                line.extend(value.clone());
            }
            output.raw(&line.to_string())?;
        }
        return output.raw(&json!({"type": "result", "count": values.len()}).to_string());
    }
    let stage = Stage::standard(true);
    let rows: Vec<Vec<Cell>> = values.iter().map(row).collect();
    let layout = Layout::of(columns, &rows, &stage);
    let lines = rows.iter().map(|row| layout.line(row, &stage));
    let lines: Vec<String> = std::iter::once(layout.header(columns, &stage)).chain(lines).collect();
    output.raw(&lines.join("\n"))
}
