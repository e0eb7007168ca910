//! A condition made ready for one segment: a mask for each 128 rows.
//!
//! Every test is resolved once: for each column that its path leads to, which of its distinct values pass. One value is found
//! by the column's index, a test for a part of a text looks through the dictionary, a word is looked up in the index of
//! words. What is left of a condition is a tree over columns of ordinals. Tests on single values are those of
//! [`annals_event::filter`], so the meaning is the one [`Condition::holds`](annals_event::filter::Condition::holds) gives.
//!
//! For a block of rows the tree says which of them match surely and which may; those are decided by
//! [`Plan::verify`], which puts the event together and holds it against the condition. Instances that are kept as they are,
//! are parsed and looked at themselves, so that rows that only may match are rare: an element that is an object without
//! members, or a condition on an element that asks for something outside it.
//!
//! Of a view in which some rows read otherwise than the file has them, the tree is that of the file: rows that are gone are
//! taken from what it says, and those with other events may always match.
//!
//! | module | has |
//! |---|---|
//! | `node` | the tree |
//! | `resolve`, `known`, `words` | from a condition to the tree |
//! | `templates` | texts in which other values of the event stand |
//! | `texts` | texts of a fixed form, whose words stand at fixed places |
//! | `sieve` | which values of a dictionary a test is held against |
//! | `set` | sets of ordinals |
//! | `blocks` | in which blocks of rows the tree can hold at all |
//! | `eval` | the tree for one block |
//! | `kept` | what tests were resolved to, for the next question |

use std::ops::Range;
use std::sync::Arc;

use annals_event::filter::{Known, Matcher};
use annals_event::{Operation, Timestamp};

use self::eval::Eval;
use self::node::{Node, RawTest};
use self::resolve::{Resolve, Scope};
use self::set::first;
use crate::Damaged;
use crate::segment::{Cover, Reader, Segment};

mod blocks;
mod eval;
pub(crate) mod kept;
pub(crate) mod known;
mod mentions;
mod mixed;
mod node;
mod resolve;
pub(crate) mod set;
mod sieve;
pub(crate) mod templates;
mod texts;
mod words;

pub use eval::Scratch;
pub(crate) use eval::owners;
pub use kept::BYTES_MAX as KEPT_BYTES_MAX;
pub(crate) use resolve::{below, find};

/// A condition, ready for one segment. Share it between threads; each has its own [`Scratch`].
#[derive(Debug)]
pub struct Plan {
    segment: Arc<Segment>,
    matcher: Arc<Matcher>,
    sent_only: bool,
    node: Node,
    raws: Vec<(usize, RawTest)>,
    /// Blocks of rows in which the tree can hold, rising; none when every one has to be looked at.
    blocks: Option<Vec<u32>>,
    /// Rows that are not those of the columns.
    cover: Option<Arc<Cover>>,
}

/// Rows of a block, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mask {
    /// They match.
    pub sure: u128,
    /// They may: [`Plan::verify`] says. None of them is in `sure`.
    pub maybe: u128,
}

impl Plan {
    /// Resolves a condition. With `sent_only` what annals itself has written does not match.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when a dictionary or an index is not what was written.
    pub fn new(segment: &Arc<Segment>, matcher: &Arc<Matcher>, sent_only: bool) -> Result<Self, Damaged> {
        let mut resolve = Resolve::new(segment);
        let mut node = resolve.node(matcher.condition(), &Scope::rows(segment))?;
        if sent_only && !matches!(node, Node::Const(false)) {
            node = Node::all([known::kinds(segment, |_, is_system| !is_system), node]);
        }
        let mut blocks =
            if segment.rows() == 0 { Some(Vec::new()) } else { blocks::of(&mut node, &mut resolve)? };
        let Resolve { raws, .. } = resolve;
        let cover = segment.cover()?.cloned();
        if let (Some(blocks), Some(cover)) = (&mut blocks, &cover) {
            blocks.extend_from_slice(cover.changed.blocks());
            blocks.sort_unstable();
            blocks.dedup();
        }
        let (segment, matcher) = (Arc::clone(segment), Arc::clone(matcher));
        Ok(Self { segment, matcher, sent_only, node, raws, blocks, cover })
    }

    /// No row of this segment matches.
    #[must_use]
    pub fn is_never(&self) -> bool {
        self.blocks.as_ref().is_some_and(Vec::is_empty)
    }

    /// Every row matches.
    #[must_use]
    pub fn is_always(&self) -> bool {
        matches!(self.node, Node::Const(true)) && self.cover.is_none()
    }

    /// Every row matches that is not gone, and columns have all there is to them.
    pub(crate) fn is_all_there_is(&self) -> bool {
        matches!(self.node, Node::Const(true))
            && self.cover.as_ref().is_none_or(|cover| cover.changed.is_empty())
    }

    /// How many of these rows are gone.
    pub(crate) fn gone_in(&self, rows: &Range<u32>) -> u64 {
        self.cover.as_ref().map_or(0, |cover| cover.gone.count_in(rows))
    }

    /// Those of a block's rows that are not gone.
    pub(crate) fn shown(&self, block: u32, rows: u128) -> u128 {
        self.cover.as_ref().map_or(rows, |cover| rows & !cover.gone.of(block))
    }

    /// Columns alone say which rows match: looking at all rows of a block costs hardly more than looking at one.
    pub(crate) fn is_light(&self) -> bool {
        self.node.is_light()
    }

    /// The segment.
    #[must_use]
    pub fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// The condition.
    #[must_use]
    pub fn matcher(&self) -> &Arc<Matcher> {
        &self.matcher
    }

    /// Working memory for one thread.
    #[must_use]
    pub fn scratch(&self) -> Scratch {
        Scratch::new(Reader::new(&self.segment), self.raws.len())
    }

    /// The blocks in which rows can match, rising; none when that may be any.
    #[must_use]
    pub fn blocks(&self) -> Option<&[u32]> {
        self.blocks.as_deref()
    }

    /// The next block from this one on, downwards where `falling`, in which rows can match.
    #[must_use]
    pub fn next_block(&self, from: u32, falling: bool) -> Option<u32> {
        let Some(blocks) = &self.blocks else {
            return (from < self.segment.rows().div_ceil(128)).then_some(from);
        };
        if falling {
            blocks[..blocks.partition_point(|block| *block <= from)].last().copied()
        } else {
            blocks.get(blocks.partition_point(|block| *block < from)).copied()
        }
    }

    /// Which of rows `128 * block` and the 127 after it match.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when a column is not what was written, or there is no such block.
    pub fn mask(&self, block: u32, scratch: &mut Scratch) -> Result<Mask, Damaged> {
        self.mask_of(block, u128::MAX, scratch)
    }

    /// As [`Plan::mask`], of the rows in `wanted` alone.
    ///
    /// # Errors
    ///
    /// As [`Plan::mask`].
    pub fn mask_of(&self, block: u32, wanted: u128, scratch: &mut Scratch) -> Result<Mask, Damaged> {
        let rows =
            u64::from(self.segment.rows()).checked_sub(u64::from(block) * 128).filter(|rows| *rows > 0);
        let rows = rows.ok_or_else(|| self.segment.malformed("a block of rows behind the last"))?;
        let wanted = wanted & usize::try_from(rows).map_or(u128::MAX, first);
        let Some(cover) = &self.cover else { return self.mask_of_columns(block, wanted, scratch) };
        let (gone, changed) = (cover.gone.of(block), cover.changed.of(block));
        let mask = self.mask_of_columns(block, wanted & !gone & !changed, scratch)?;
        Ok(Mask { sure: mask.sure, maybe: mask.maybe | wanted & changed })
    }

    /// What columns say of these rows of a block, which has them.
    fn mask_of_columns(&self, block: u32, wanted: u128, scratch: &mut Scratch) -> Result<Mask, Damaged> {
        if wanted == 0 {
            return Ok(Mask::default());
        }
        let rows = Eval { raws: &self.raws, scratch }.block(&self.node, block, wanted)?;
        let sure = rows.sure & wanted;
        Ok(Mask { sure, maybe: rows.may & wanted & !sure })
    }

    /// Whether a row matches, by its event.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when the record cannot be put together.
    pub fn verify(&self, row: u32, scratch: &mut Scratch) -> Result<bool, Damaged> {
        let sealed = scratch.reader.record(row)?;
        if self.sent_only && sealed.system {
            return Ok(false);
        }
        let malformed = |what| self.segment.malformed(what).of(&sealed.tenant, sealed.position);
        let instant =
            |us| Timestamp::from_micros(us).ok_or_else(|| malformed("a time outside the years 0 to 9999"));
        let known = Known {
            occurred_at: instant(sealed.occurred_at.unwrap_or(sealed.received_at))?,
            received_at: instant(sealed.received_at)?,
            operation: Operation::from_code(sealed.operation)
                .ok_or_else(|| malformed("an unknown operation"))?,
            position: sealed.position,
            tenant: &sealed.tenant,
        };
        Ok(self.matcher.matches(&mut scratch.document, &sealed.event, &known))
    }
}
