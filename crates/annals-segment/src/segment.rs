//! An open segment: whose rows it holds, what annals knows of them, and their events, byte for byte.
//!
//! Opening reads the footer and checks that its parts fit each other; everything else is read when it is asked for, through
//! the shared cache. In memory stays the footer, and of the tables' shapes what [`SHAPES_BYTES_KEPT`] allows.
//!
//! | module | reads |
//! |---|---|
//! | `logs` | whose rows are where, and which position a row has |
//! | `known` | times, ledger numbers, kinds, and the orders of rows |
//! | `columns` | which rows have which values |
//! | `ids` | rows by the id of their event |
//! | `record` | records, put together from columns |
//! | `template` | values in which other values stand |
//! | `proof` | tags, sums and tree nodes |
//! | `fates` | what became of events, and what is left of roots |
//! | `veil` | views in which some rows read otherwise than the file has them |
//! | `compare` | whether the file holds what it was built from |

mod columns;
mod compare;
mod fates;
mod ids;
mod known;
mod logs;
mod proof;
mod record;
mod shapes;
mod template;
mod values;
mod veil;
mod window;

use std::sync::{Arc, Mutex, OnceLock, Weak};

use self::shapes::Shapes;
use crate::Damaged;
use crate::body::{Body, Cache, ReadAt};
use crate::build::ROWS_MAX;
use crate::hashes::LoadedFilter;
use crate::meta::{Footer, Of, PATHS_MAX, Presence, VERSION};

pub use self::columns::Reader;
pub(crate) use self::columns::{Part, UNIT};
pub use self::ids::{Found, LoadedIds};
pub use self::logs::LogRows;
pub use self::proof::BlockPart;
pub use self::record::{Records, Sealed};
pub(crate) use self::shapes::{Shapes as TableShapes, Slot as TableSlot};
pub(crate) use self::veil::Cover;
pub use self::veil::{Change, Veil};

/// Most bytes of read shapes that a segment keeps while nobody reads it.
pub const SHAPES_BYTES_KEPT: usize = 1 << 20;

/// An open segment, or a view of one. Cheap to share; reads need no lock.
pub struct Segment {
    body: Arc<Body>,
    footer: Arc<Footer>,
    shapes: Arc<Mutex<Kept>>,
    veil: Option<Arc<Veil>>,
    /// The rows that are not those of the columns, once somebody asked.
    cover: OnceLock<Option<Arc<Cover>>>,
    /// Which view this is, in the cache: no other has this number, but those of the same file without a veil.
    number: u64,
}

/// Read shapes of each table: kept while there is room, else only while a reader has them.
struct Kept {
    bytes: usize,
    strong: Vec<Option<Arc<Shapes>>>,
    weak: Vec<Weak<Shapes>>,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("name", self.name())
            .field("rows", &self.footer.rows)
            .finish_non_exhaustive()
    }
}

impl Segment {
    /// Opens a file. Errors and messages call it `name`.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when footer, sums or trailer are not what was written, or when the file cannot be read.
    pub fn open(name: Arc<str>, file: Arc<dyn ReadAt>, cache: Arc<Cache>) -> Result<Arc<Segment>, Damaged> {
        let (body, footer) = Body::open(name, file, cache)?;
        let at = body.bytes();
        let footer: Footer =
            serde_json::from_slice(&footer).map_err(|error| body.damaged(at, format!("footer: {error}")))?;
        if let Err(what) = check(&footer) {
            return Err(body.damaged(at, format!("footer: {what}")));
        }
        let tables = footer.tables.len();
        let kept =
            Kept { bytes: 0, strong: vec![None; tables], weak: (0..tables).map(|_| Weak::new()).collect() };
        Ok(Arc::new(Segment {
            number: body.number(),
            body: Arc::new(body),
            footer: Arc::new(footer),
            shapes: Arc::new(Mutex::new(kept)),
            veil: None,
            cover: OnceLock::new(),
        }))
    }

    /// The same file, seen through another veil or none.
    fn seen(&self, veil: Option<Arc<Veil>>, number: u64) -> Segment {
        Segment {
            body: Arc::clone(&self.body),
            footer: Arc::clone(&self.footer),
            shapes: Arc::clone(&self.shapes),
            veil,
            cover: OnceLock::new(),
            number,
        }
    }

    /// What the file is called.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        self.body.name()
    }

    /// Whether anything that was read of it since it was opened was not what was written, or could not be read.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.body.is_damaged()
    }

    /// Blocks that were read from the file, and not from the cache, since it was opened, whoever asked for them.
    #[must_use]
    pub fn blocks_fetched(&self) -> u64 {
        self.body.fetched()
    }

    /// Records in it.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.footer.rows
    }

    /// Bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.body.file_bytes()
    }

    /// What stands where.
    #[must_use]
    pub fn footer(&self) -> &Footer {
        &self.footer
    }

    /// Which view this is, in the cache.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Where it is read from.
    pub(crate) fn body(&self) -> &Body {
        &self.body
    }

    /// The filter over the ids of its events, to be kept in memory.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when it is not what was written.
    pub fn load_filter(&self) -> Result<LoadedFilter, Damaged> {
        self.footer.ids.load(&self.body)
    }

    /// Parts of the file do not fit each other, or what is known of it elsewhere, although their checksums do.
    #[must_use]
    pub fn malformed(&self, what: impl std::fmt::Display) -> Damaged {
        self.body.damaged(self.body.bytes(), format!("parts do not fit: {what}"))
    }

    /// Shapes of a table.
    fn shapes(&self, table: usize) -> Result<Arc<Shapes>, Damaged> {
        let kept = || self.shapes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        {
            let kept = kept();
            if let Some(shapes) = kept.strong[table].clone().or_else(|| kept.weak[table].upgrade()) {
                return Ok(shapes);
            }
        }
        // Two readers may both do this; the later one's stays.
        let shapes = Arc::new(Shapes::read(self, table)?);
        let mut kept = kept();
        kept.weak[table] = Arc::downgrade(&shapes);
        if kept.strong[table].is_none() && kept.bytes + shapes.bytes() <= SHAPES_BYTES_KEPT {
            kept.bytes += shapes.bytes();
            kept.strong[table] = Some(Arc::clone(&shapes));
        } else {
            // Those of large segments take turns.
            let held: Arc<Shapes> = Arc::clone(&shapes);
            self.body.hold(shapes.bytes(), held);
        }
        Ok(shapes)
    }
}

/// Whether the parts of a footer fit each other, as far as that can be said without reading them.
fn check(footer: &Footer) -> Result<(), &'static str> {
    let is = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
    let rows = u64::from(footer.rows);
    is(footer.version == VERSION, "a version that this program does not read")?;
    is(rows <= ROWS_MAX as u64, "more rows than a segment has")?;

    let (logs, runs) = (u64::from(footer.logs.n), footer.logs.run_positions.len());
    is(footer.logs.names.len() == logs && footer.logs.runs.len() == logs + 1, "logs")?;
    is(footer.logs.run_rows.len() == runs + 1, "runs")?;

    let known = &footer.known;
    is(known.happened.len() == rows && known.received.len() == rows, "times")?;
    is(known.kind.len() == rows && known.secrets.len() == rows, "kinds or secrets")?;

    if let Some(punctured) = &known.punctured {
        is(punctured.starts.len() == punctured.roots.len() + 1, "punctured roots")?;
    }
    if let Some(fates) = &footer.fates {
        let n = fates.rows.len();
        is(n <= rows && fates.kind.len() == n && fates.starts.len() == n + 1, "fates")?;
        is(fates.by_id.len() <= n, "fates by their ids")?;
    }

    let order = &footer.order;
    is(order.ranks.len() == rows && order.log_times.len() == rows, "orders of rows")?;
    is(order.rows.len() == order.seqs.len() && order.all_times.len() == order.seqs.len(), "orders of ranks")?;

    let proof = &footer.proof;
    is(proof.parts.len() == runs + 1 && proof.run_nodes.len() == runs + 1, "proof")?;

    let [root, rest @ ..] = footer.tables.as_slice() else { return Err("no table") };
    is(root.of == Of::Rows && root.parent.is_none() && root.path.is_empty() && root.n == rows, "root table")?;
    for (index, table) in rest.iter().enumerate() {
        let parent =
            table.parent.and_then(|parent| usize::try_from(parent).ok()).filter(|parent| *parent <= index);
        let Some(parent) = parent.map(|parent| &footer.tables[parent]) else {
            return Err("table without a parent");
        };
        is(table.path.starts_with(&parent.path), "path of a table")?;
        is(table.presence.is_some(), "table without a presence")?;
        is(table.of != Of::Rows, "two root tables")?;
        is(table.starts.is_some() == (table.of == Of::Elements), "starts of a table")?;
    }
    for table in &footer.tables {
        is(table.shape.len() == table.n, "shapes of a table")?;
        for column in &table.columns {
            is(column.presence != Presence::All || column.ordinals.len() == table.n, "leaves of a column")?;
        }
    }
    let paths = footer.tables.iter().map(|table| 1 + table.columns.len()).sum::<usize>();
    is(paths <= PATHS_MAX + 1, "more paths than a segment has")
}
