//! An event as the cells of its columns.
//!
//! Nothing is lost: what fits into no column (members the model does not know, or a value of another kind than the column's)
//! stands in the column `other`, as a JSON object that has it in its place.
//!
//! Two cells hold more than was sent: `operation` and `occurred_at` are the derived ones where none was sent; the column
//! `derived` says which.

use std::sync::LazyLock;

use annals_event::Timestamp;
use annals_event::json::{Document, Kind as JsonKind, Limits, Value, write_string};

use crate::ExportError;
use crate::columns::{COLUMNS, Kind, OTHER, Selection, index_of};

/// Stored events met the ledger's limits when they were taken.
const LIMITS: Limits = Limits { depth_max: usize::MAX };

/// One cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The event has no such member.
    #[default]
    Absent,
    /// A text.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// An instant.
    Time(Timestamp),
    /// True or false.
    Bool(bool),
    /// JSON.
    Json(&'a str),
}

/// The cells of one event, in the order of the wanted columns.
pub struct Row<'a> {
    cells: [Cell<'a>; COLUMNS.len()],
    wanted: &'a [usize],
}

impl<'a> Row<'a> {
    /// The cells.
    pub fn cells(&self) -> impl Iterator<Item = Cell<'a>> + use<'_, 'a> {
        self.wanted.iter().map(|index| self.cells[*index])
    }
}

/// Takes events apart.
pub struct RowReader {
    document: Document,
    other: Vec<u8>,
    wanted: Vec<usize>,
    /// An empty text cannot be told from none in a cell.
    empty_is_absent: bool,
}

/// Which members of an object have a column, sorted by name.
type Places = Vec<(&'static str, Place)>;

enum Place {
    Column(usize),
    Object(Places),
}

static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let mut places = Places::new();
    for (index, column) in COLUMNS.iter().enumerate().take(OTHER) {
        add(&mut places, column.path, index);
    }
    places
});

fn add(places: &mut Places, path: &[&'static str], index: usize) {
    let (name, rest) = path.split_first().expect("every column but the last has a path");
    let found = places.binary_search_by_key(name, |(name, _)| name);
    match (rest.is_empty(), found) {
        (true, Ok(_)) => unreachable!("no two columns have one member"),
        (true, Err(at)) => places.insert(at, (name, Place::Column(index))),
        (false, Ok(at)) => match &mut places[at].1 {
            Place::Object(places) => add(places, rest, index),
            Place::Column(_) => unreachable!("no member has a column and members with columns"),
        },
        (false, Err(at)) => {
            let mut below = Places::new();
            add(&mut below, rest, index);
            places.insert(at, (name, Place::Object(below)));
        }
    }
}

static OPERATION: LazyLock<usize> = LazyLock::new(|| index_of("operation").expect("there is one"));
static OCCURRED_AT: LazyLock<usize> = LazyLock::new(|| index_of("occurred_at").expect("there is one"));

impl RowReader {
    /// For these columns. With `empty_is_absent` an empty text goes to `other`, as a cell cannot tell it from none.
    #[must_use]
    pub fn new(columns: &Selection, empty_is_absent: bool) -> Self {
        Self {
            document: Document::default(),
            other: Vec::new(),
            wanted: columns.indexes().to_vec(),
            empty_is_absent,
        }
    }

    /// The cells of the event on this line.
    ///
    /// # Errors
    ///
    /// [`ExportError::Line`]: it is no JSON object.
    pub fn read<'a>(&'a mut self, line: &'a [u8]) -> Result<Row<'a>, ExportError> {
        let Self { document, other, wanted, empty_is_absent } = self;
        let event = document.parse(line, LIMITS).map_err(|why| ExportError::Line(why.to_string()))?;
        if event.kind() != JsonKind::Object {
            return Err(ExportError::Line("it is no object".to_owned()));
        }
        let mut cells = [Cell::Absent; COLUMNS.len()];
        other.clear();
        let has_other = take_apart(&PLACES, event, *empty_is_absent, &mut cells, other);
        if let Some(derived) = event.get("derived") {
            for (index, name) in [(*OPERATION, "operation"), (*OCCURRED_AT, "occurred_at")] {
                if cells[index] == Cell::Absent
                    && let Some(value) = derived.get(name)
                {
                    cells[index] = fit(COLUMNS[index].kind, value, *empty_is_absent).unwrap_or_default();
                }
            }
        }
        if has_other {
            let other = std::str::from_utf8(other);
            cells[OTHER] = Cell::Json(other.map_err(|why| ExportError::Line(why.to_string()))?);
        }
        Ok(Row { cells, wanted })
    }
}

/// Puts the members of an object into their cells, and what has none into `other` as an object. False when nothing was left
/// for that.
fn take_apart<'a>(
    places: &Places,
    object: Value<'a>,
    empty_is_absent: bool,
    cells: &mut [Cell<'a>; COLUMNS.len()],
    other: &mut Vec<u8>,
) -> bool {
    let start = other.len();
    other.push(b'{');
    for (name, value) in object.members() {
        let place = places.binary_search_by_key(&name, |(name, _)| name).ok().map(|at| &places[at].1);
        if let Some(Place::Column(index)) = place
            && let Some(cell) = fit(COLUMNS[*index].kind, value, empty_is_absent)
        {
            cells[*index] = cell;
            continue;
        }
        let mark = other.len();
        if mark > start + 1 {
            other.push(b',');
        }
        write_string(name, other);
        other.push(b':');
        match place {
            Some(Place::Object(below)) if value.kind() == JsonKind::Object && !value.is_empty() => {
                if !take_apart(below, value, empty_is_absent, cells, other) {
                    other.truncate(mark);
                }
            }
            _ => other.extend_from_slice(value.token().as_bytes()),
        }
    }
    if other.len() == start + 1 {
        other.truncate(start);
        return false;
    }
    other.push(b'}');
    true
}

/// The value as a cell of a column of this kind, when nothing is lost by that.
fn fit(kind: Kind, value: Value<'_>, empty_is_absent: bool) -> Option<Cell<'_>> {
    match kind {
        Kind::Text => value.as_str().filter(|text| !(empty_is_absent && text.is_empty())).map(Cell::Text),
        Kind::Number => value.as_u64().map(Cell::Number),
        Kind::StatusCode => value.as_u64().filter(|code| *code <= STATUS_CODE_MAX).map(Cell::Number),
        Kind::Time => {
            let text = value.as_str()?;
            let time = Timestamp::parse(text).ok()?;
            (time.to_bytes() == text.as_bytes()).then_some(Cell::Time(time))
        }
        Kind::Bool => value.as_bool().map(Cell::Bool),
        Kind::Json => Some(Cell::Json(value.token())),
    }
}

/// Largest status code, as events are checked for.
const STATUS_CODE_MAX: u64 = annals_event::model::STATUS_CODE_MAX;
