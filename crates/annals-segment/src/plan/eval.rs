//! Evaluating a tree for one block of rows.
//!
//! Every answer has three values: it holds surely, it may hold, it does not. They are kept as two sets of bits, the second of
//! which has the first.

use std::fmt::Write as _;
use std::ops::Range;

use annals_event::filter::{Condition, Known, Scalar, Subject, any_below, mentions};
use annals_event::json::{Document, Limits, Value, unescape};
use annals_event::{Operation, Position, TenantId, Timestamp};

use super::kept::Kept;
use super::known::decoded;
use super::node::{Element, HappenedTest, KnownLeaf, Leaf, Node, RawTest, TextTest};
use super::set::{Set, each_bit, each_bit_128, expand, first};
use crate::Damaged;
use crate::numbers::{UNIT, UNIT_LEN};
use crate::segment::{Part, Reader};

/// Instances that are kept as they are were within the limits when the events were taken.
const LIMITS: Limits = Limits { depth_max: usize::MAX };

/// No block: none is so high.
const NO_BLOCK: u32 = u32::MAX;

/// Working memory of one thread for one plan.
pub struct Scratch {
    pub(crate) reader: Reader,
    pub(super) document: Document,
    block: u32,
    tables: Vec<Owned>,
    raws: Vec<Option<RawBits>>,
    ordinals: Vec<u32>,
    holders: Vec<u32>,
    raw: Vec<u8>,
    text: String,
    numbers: Box<[u64; UNIT_LEN]>,
}

/// Instances of a table in the block.
#[derive(Default)]
struct Owned {
    read: bool,
    instances: Range<u64>,
    /// The row of each, counted from the block's first.
    owners: Vec<u8>,
}

/// Instances of a table that are kept as they are, in the block: place among the block's instances, and a bit for each of the
/// table's tests.
struct RawBits {
    instances: Vec<(u32, Vec<bool>)>,
}

/// Rows of a block, a bit for each: for which it holds surely, and for which it may.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) sure: u128,
    pub(super) may: u128,
}

/// As [`Rows`], for any number of instances.
struct Bits {
    sure: Vec<u64>,
    may: Vec<u64>,
}

impl Rows {
    const NONE: Rows = Rows { sure: 0, may: 0 };

    fn exact(mask: u128) -> Self {
        Self { sure: mask, may: mask }
    }
}

impl Scratch {
    pub(super) fn new(reader: Reader, raws: usize) -> Self {
        let tables = reader.segment().footer().tables.len();
        Self {
            reader,
            document: Document::default(),
            block: NO_BLOCK,
            tables: (0..tables).map(|_| Owned::default()).collect(),
            raws: (0..raws.min(1) * tables).map(|_| None).collect(),
            ordinals: Vec::new(),
            holders: Vec::new(),
            raw: Vec::new(),
            text: String::new(),
            numbers: Box::new([0; UNIT_LEN]),
        }
    }

    /// Turns to a block.
    fn turn(&mut self, block: u32) {
        if self.block != block {
            self.block = block;
            self.tables.iter_mut().for_each(|table| table.read = false);
            self.raws.iter_mut().for_each(|raws| *raws = None);
        }
    }

    /// Whether the whole text of a leaf passes.
    fn passes(
        &mut self,
        table: usize,
        column: usize,
        instance: u64,
        test: &TextTest,
    ) -> Result<bool, Damaged> {
        self.raw.clear();
        self.reader.leaf(table, column, instance, &mut self.raw)?;
        let malformed = || self.reader.segment().malformed("a value that is no text");
        let text = unescape(str::from_utf8(&self.raw).map_err(|_| malformed())?);
        Ok(match test {
            TextTest::Test(test) => test.passes(&Scalar::Text(&text)),
            TextTest::Words(phrase) => phrase.occurs_in(&text),
        })
    }

    /// The instances of a table in the block, and the row of each.
    fn own(&mut self, table: usize) -> Result<&Owned, Damaged> {
        let owned = &mut self.tables[table];
        if !owned.read {
            owned.instances = owners(&mut self.reader, table, self.block, &mut owned.owners)?;
            owned.read = true;
        }
        Ok(owned)
    }
}

/// The instances of a table in a block of rows; `owners` gets the row of each, counted from the block's first. As
/// [`Reader::owners`], at once for what stands directly in the rows.
pub(crate) fn owners(
    reader: &mut Reader,
    table: usize,
    block: u32,
    owners: &mut Vec<u8>,
) -> Result<Range<u64>, Damaged> {
    let segment = std::sync::Arc::clone(reader.segment());
    let of = &segment.footer().tables[table];
    if super::resolve::parent(of) != Some(0) {
        return reader.owners(table, block, owners);
    }
    let present = reader.present(0, Part::Table(table), u64::from(block))?;
    owners.clear();
    let Some(starts) = &of.starts else {
        each_bit_128(present.mask, |bit| owners.push(u8::try_from(bit).unwrap_or(u8::MAX)));
        return Ok(present.leaves());
    };
    let places = present.leaves();
    if places.is_empty() {
        return Ok(0..0);
    }
    let mut firsts = Vec::with_capacity(UNIT_LEN + 1);
    starts.range(segment.body(), places.start..places.end + 1, &mut firsts)?;
    let rises = firsts.windows(2).all(|two| two[0] <= two[1]);
    let (first, end) = (firsts.first().copied().unwrap_or(0), firsts.last().copied().unwrap_or(0));
    if !rises || end > of.n {
        return Err(segment.malformed("instances beyond their table"));
    }
    let mut spans = firsts.windows(2);
    each_bit_128(present.mask, |bit| {
        let count = spans.next().map_or(0, |two| two[1] - two[0]);
        let row = u8::try_from(bit).unwrap_or(u8::MAX);
        for _ in 0..count {
            owners.push(row);
        }
    });
    Ok(first..end)
}

/// What a tree is evaluated with.
pub(super) struct Eval<'p, 's> {
    pub(super) raws: &'p [(usize, RawTest)],
    pub(super) scratch: &'s mut Scratch,
}

impl Eval<'_, '_> {
    /// The rows of a block for which the tree holds, of those in `wanted`; of others it says anything.
    pub(super) fn block(&mut self, node: &Node, block: u32, wanted: u128) -> Result<Rows, Damaged> {
        self.scratch.turn(block);
        self.rows(node, wanted)
    }

    fn rows(&mut self, node: &Node, wanted: u128) -> Result<Rows, Damaged> {
        match node {
            Node::Const(true) => Ok(Rows::exact(wanted)),
            Node::Const(false) => Ok(Rows::NONE),
            Node::Unknown => Ok(Rows { sure: 0, may: wanted }),
            Node::All(nodes) => {
                let mut all = Rows::exact(wanted);
                for node in nodes {
                    let rows = self.rows(node, all.may)?;
                    all.sure &= rows.sure;
                    all.may &= rows.may;
                    if all.may == 0 {
                        break;
                    }
                }
                Ok(all)
            }
            Node::Any(nodes) => {
                let mut any = Rows::NONE;
                for node in nodes {
                    let rows = self.rows(node, wanted & !any.sure)?;
                    any.sure |= rows.sure;
                    any.may |= rows.may;
                    if any.sure & wanted == wanted {
                        break;
                    }
                }
                Ok(any)
            }
            Node::Not(node) => {
                let rows = self.rows(node, wanted)?;
                Ok(Rows { sure: wanted & !rows.may, may: wanted & !rows.sure })
            }
            Node::Within(blocks, node) => {
                if blocks.binary_search(&self.scratch.block).is_err() {
                    return Ok(Rows::NONE);
                }
                self.rows(node, wanted)
            }
            Node::Kept(kept) => self.kept_rows(kept, wanted),
            Node::Leaf(leaf) => self.leaf_rows(leaf, wanted),
            Node::Element(element) => {
                let bits = self.element(element)?;
                let owned = self.scratch.own(element.table)?;
                Ok(Rows { sure: fold(&bits.sure, &owned.owners), may: fold(&bits.may, &owned.owners) })
            }
        }
    }

    /// Rows of what was resolved before: those that are known, and where they are not enough, the others.
    fn kept_rows(&mut self, kept: &Kept, wanted: u128) -> Result<Rows, Damaged> {
        let block = self.scratch.block;
        let (seen, holding) = kept.known(block);
        if wanted & !seen == 0 {
            return Ok(Rows::exact(holding));
        }
        let look = if kept.is_light { u128::MAX } else { wanted & !seen };
        let rows = self.rows(&kept.node, look)?;
        kept.note(block, look, rows);
        let (sure, may) = (rows.sure & look & !seen, rows.may & look & !seen);
        Ok(Rows { sure: sure | holding, may: may | holding })
    }

    fn leaf_rows(&mut self, leaf: &Leaf, wanted: u128) -> Result<Rows, Damaged> {
        let block = u64::from(self.scratch.block);
        match leaf {
            Leaf::Column { table: 0, column, set } => {
                let scratch = &mut *self.scratch;
                let present = scratch.reader.present(0, Part::Column(*column), block)?;
                if present.mask & wanted == 0 {
                    return Ok(Rows::NONE);
                }
                if *set == Set::All {
                    return Ok(Rows::exact(present.mask));
                }
                scratch.ordinals.clear();
                scratch.reader.ordinals(0, *column, present.leaves(), &mut scratch.ordinals)?;
                Ok(Rows::exact(expand(set.pick(&scratch.ordinals), present.mask)))
            }
            Leaf::Column { table, .. } | Leaf::Shapes { table, .. } | Leaf::Raw { table, .. }
                if *table > 0 =>
            {
                let (table, mut rows) = (*table, 0);
                self.scratch.own(table)?;
                let owners = std::mem::take(&mut self.scratch.tables[table].owners);
                let shown = self.each_instance(leaf, &mut |instance| {
                    rows |= 1 << owners.get(instance as usize).copied().unwrap_or(0);
                });
                self.scratch.tables[table].owners = owners;
                shown?;
                Ok(Rows::exact(rows))
            }
            Leaf::Text { column, set, test, .. } => {
                let scratch = &mut *self.scratch;
                let present = scratch.reader.present(0, Part::Column(*column), block)?;
                scratch.ordinals.clear();
                scratch.reader.ordinals(0, *column, present.leaves(), &mut scratch.ordinals)?;
                let looked_at = expand(set.pick(&scratch.ordinals), present.mask) & wanted;
                let (mut rows, mut failed) = (0, Ok(()));
                each_bit_128(looked_at, |bit| {
                    match scratch.passes(0, *column, block * UNIT + u64::from(bit), test) {
                        Ok(passes) => rows |= u128::from(passes) << bit,
                        Err(error) => failed = Err(error),
                    }
                });
                failed.map(|()| Rows::exact(rows))
            }
            Leaf::Column { .. } | Leaf::Shapes { .. } | Leaf::Raw { .. } => {
                let mut rows = 0;
                self.each_instance(leaf, &mut |instance| rows |= 1 << (instance & 127))?;
                Ok(Rows::exact(rows))
            }
            Leaf::Happened { column, test } => self.happened(*column, test, wanted).map(Rows::exact),
            Leaf::Known(known) => self.known(known, wanted).map(Rows::exact),
        }
    }

    /// Shows which of the block's instances of a leaf's own table have it, counted from the first of them.
    fn each_instance(&mut self, leaf: &Leaf, see: &mut dyn FnMut(u32)) -> Result<(), Damaged> {
        match leaf {
            Leaf::Column { table, column, set } => {
                let instances = self.scratch.own(*table)?.instances.clone();
                let Scratch { reader, ordinals, holders, .. } = &mut *self.scratch;
                ordinals.clear();
                holders.clear();
                reader.leaves(*table, *column, instances, holders, ordinals)?;
                for (holder, ordinal) in holders.iter().zip(ordinals) {
                    if set.has(*ordinal) {
                        see(*holder);
                    }
                }
                Ok(())
            }
            Leaf::Text { table, column, set, test } => {
                let instances = self.scratch.own(*table)?.instances.clone();
                let (mut holders, mut ordinals) = (Vec::new(), Vec::new());
                self.scratch.reader.leaves(
                    *table,
                    *column,
                    instances.clone(),
                    &mut holders,
                    &mut ordinals,
                )?;
                for (holder, ordinal) in holders.iter().zip(ordinals) {
                    let instance = instances.start + u64::from(*holder);
                    if set.has(ordinal) && self.scratch.passes(*table, *column, instance, test)? {
                        see(*holder);
                    }
                }
                Ok(())
            }
            Leaf::Shapes { table, shapes } => {
                let instances = self.scratch.own(*table)?.instances.clone();
                with_shapes(&mut self.scratch.reader, *table, &instances, shapes, see)
            }
            Leaf::Raw { table, test } => self.raws(*table, *test, see),
            // They are rows, and rows are no elements.
            Leaf::Happened { .. } | Leaf::Known(_) => Ok(()),
        }
    }

    /// The instances of a table, in the block, of which an element is wanted: for which the element's condition holds.
    fn element(&mut self, element: &Element) -> Result<Bits, Damaged> {
        let table = element.table;
        let mut bits = self.bits(&element.node, table)?;
        if bits.may.iter().all(|word| *word == 0) {
            return Ok(bits);
        }
        let instances = self.scratch.own(table)?.instances.clone();
        let mut exists = none(&instances);
        with_shapes(&mut self.scratch.reader, table, &instances, &element.exists.sure, &mut |at| {
            set(&mut exists, at)
        })?;
        and(&mut bits.sure, &exists);
        with_shapes(&mut self.scratch.reader, table, &instances, &element.exists.may, &mut |at| {
            set(&mut exists, at)
        })?;
        and(&mut bits.may, &exists);
        Ok(bits)
    }

    /// The tree for each of the block's instances of a table.
    fn bits(&mut self, node: &Node, scope: usize) -> Result<Bits, Damaged> {
        let instances = self.scratch.own(scope)?.instances.clone();
        Ok(match node {
            Node::Const(true) => Bits { sure: all(&instances), may: all(&instances) },
            Node::Const(false) => Bits { sure: none(&instances), may: none(&instances) },
            Node::Unknown => Bits { sure: none(&instances), may: all(&instances) },
            Node::All(nodes) => {
                let mut bits = Bits { sure: all(&instances), may: all(&instances) };
                for node in nodes {
                    let more = self.bits(node, scope)?;
                    and(&mut bits.sure, &more.sure);
                    and(&mut bits.may, &more.may);
                    if bits.may.iter().all(|word| *word == 0) {
                        break;
                    }
                }
                bits
            }
            Node::Any(nodes) => {
                let mut bits = Bits { sure: none(&instances), may: none(&instances) };
                for node in nodes {
                    let more = self.bits(node, scope)?;
                    bits.sure.iter_mut().zip(&more.sure).for_each(|(any, more)| *any |= more);
                    bits.may.iter_mut().zip(&more.may).for_each(|(any, more)| *any |= more);
                }
                bits
            }
            Node::Not(node) => {
                let inner = self.bits(node, scope)?;
                let (mut sure, mut may) = (all(&instances), all(&instances));
                sure.iter_mut().zip(&inner.may).for_each(|(sure, may)| *sure &= !may);
                may.iter_mut().zip(&inner.sure).for_each(|(may, sure)| *may &= !sure);
                Bits { sure, may }
            }
            Node::Within(blocks, node) => {
                if blocks.binary_search(&self.scratch.block).is_err() {
                    return Ok(Bits { sure: none(&instances), may: none(&instances) });
                }
                self.bits(node, scope)?
            }
            Node::Kept(kept) => self.bits(&kept.node, scope)?,
            Node::Leaf(Leaf::Happened { column, test }) => {
                // The scope is one object in each row: a row is its instance.
                let mask = self.happened(*column, test, u128::MAX)?;
                let mut bits = none(&instances);
                each_bit_128(mask, |at| set(&mut bits, at));
                Bits { sure: bits.clone(), may: bits }
            }
            Node::Leaf(Leaf::Known(_)) => Bits { sure: none(&instances), may: all(&instances) },
            Node::Leaf(leaf) => {
                let mut bits = none(&instances);
                let table = leaf.table();
                let lifted = self.lift(table, scope)?;
                self.each_instance(leaf, &mut |at| set(&mut bits, lift(&lifted, at)))?;
                Bits { sure: bits.clone(), may: bits }
            }
            Node::Element(element) => {
                let inner = self.element(element)?;
                let lifted = self.lift(element.table, scope)?;
                let mut bits = Bits { sure: none(&instances), may: none(&instances) };
                each_of(&inner.sure, |at| set(&mut bits.sure, lift(&lifted, at)));
                each_of(&inner.may, |at| set(&mut bits.may, lift(&lifted, at)));
                bits
            }
        })
    }

    /// For each of the block's instances of a table the instance of `scope` around it; none where it is the same table.
    fn lift(&mut self, table: usize, scope: usize) -> Result<Option<Vec<u32>>, Damaged> {
        let segment = std::sync::Arc::clone(self.scratch.reader.segment());
        let mut lifted: Option<Vec<u32>> = None;
        let mut at = table;
        while at != scope {
            let parent = super::resolve::parent(&segment.footer().tables[at])
                .ok_or_else(|| segment.malformed("a table beneath none"))?;
            let around = self.scratch.own(parent)?.instances.clone();
            let mut owners = Vec::new();
            for (place, instance) in (0_u32..).zip(around) {
                let span = self.scratch.reader.children(at, instance..instance + 1)?;
                owners.extend(span.map(|_| place));
            }
            lifted = Some(match lifted {
                None => owners,
                Some(below) => {
                    below.into_iter().map(|place| owners.get(place as usize).copied().unwrap_or(0)).collect()
                }
            });
            at = parent;
        }
        Ok(lifted)
    }

    /// Instances that are kept as they are and pass a test.
    fn raws(&mut self, table: usize, test: usize, see: &mut dyn FnMut(u32)) -> Result<(), Damaged> {
        if self.scratch.raws[table].is_none() {
            self.scratch.raws[table] = Some(self.read_raws(table)?);
        }
        let before = self.raws[..test].iter().filter(|(other, _)| *other == table).count();
        let bits = self.scratch.raws[table].as_ref().expect("set above");
        for (instance, passed) in &bits.instances {
            if passed.get(before) == Some(&true) {
                see(*instance);
            }
        }
        Ok(())
    }

    /// Parses each instance of the block that is kept as it is once, and holds it against all tests of its table.
    fn read_raws(&mut self, table: usize) -> Result<RawBits, Damaged> {
        let instances = self.scratch.own(table)?.instances.clone();
        let Scratch { reader, document, raw, .. } = &mut *self.scratch;
        let mut bits = RawBits { instances: Vec::new() };
        let mut from = instances.start;
        while from < instances.end {
            let unit = from / UNIT;
            let to = instances.end.min((unit + 1) * UNIT);
            let present = reader.present(table, Part::Raw, unit)?;
            for instance in from..to {
                let Some(nth) = present.place(instance) else { continue };
                raw.clear();
                reader.raw(table, nth, raw)?;
                let malformed = || reader.segment().malformed("an instance that is no JSON");
                let root = document.parse(raw, LIMITS).map_err(|_| malformed())?;
                let tests = self.raws.iter().filter(|(other, _)| *other == table);
                let passed = tests.map(|(_, test)| test.passes(root)).collect();
                bits.instances.push((reader.segment().small(instance - instances.start)?, passed));
            }
            from = to;
        }
        Ok(bits)
    }

    /// The rows whose own text of the time they happened passes.
    fn happened(&mut self, column: usize, test: &HappenedTest, wanted: u128) -> Result<u128, Damaged> {
        let Scratch { reader, text, numbers, block, .. } = &mut *self.scratch;
        let segment = std::sync::Arc::clone(reader.segment());
        let present = reader.present(0, Part::Column(column), u64::from(*block))?;
        segment.footer().known.happened.unit(segment.body(), u64::from(*block), numbers)?;
        let (mut rows, mut failed) = (0_u128, false);
        each_bit_128(present.mask & wanted, |bit| {
            let Some(at) = Timestamp::from_micros(decoded(numbers[bit as usize])) else {
                failed = true;
                return;
            };
            text.clear();
            let wrote = write!(text, "{at}");
            let passes = match test {
                HappenedTest::Test(test) => test.passes(&Scalar::Text(text)),
                HappenedTest::Words(words) => words.is_in(text.as_bytes()),
            };
            rows |= u128::from(wrote.is_ok() && passes) << bit;
        });
        if failed {
            return Err(segment.malformed("a time outside the years 0 to 9999"));
        }
        Ok(rows)
    }

    fn known(&mut self, leaf: &KnownLeaf, wanted: u128) -> Result<u128, Damaged> {
        let Scratch { reader, numbers, block, .. } = &mut *self.scratch;
        let segment = reader.segment();
        let (body, known, unit) = (segment.body(), &segment.footer().known, u64::from(*block));
        let (of, ranges) = match leaf {
            KnownLeaf::Happened(ranges) => (&known.happened, ranges),
            KnownLeaf::Received(ranges) => (&known.received, ranges),
            KnownLeaf::Kinds(passing) => {
                let len = known.kind.unit(body, unit, numbers)?;
                return Ok(pack(&numbers[..len], |kind| {
                    usize::try_from(kind).ok().and_then(|kind| passing.get(kind)).copied().unwrap_or(false)
                }));
            }
            KnownLeaf::Rows(rows) => {
                let (start, end) = (*block * 128, *block * 128 + 128);
                let mut mask = 0;
                let from = rows.partition_point(|(_, to)| *to <= start);
                for (first_row, end_row) in rows[from..].iter().take_while(|(first_row, _)| *first_row < end)
                {
                    let (low, high) = ((*first_row).max(start) - start, (*end_row).min(end) - start);
                    mask |= first(high as usize) & !first(low as usize);
                }
                return Ok(mask);
            }
        };
        let (least, most) = of.unit_bounds(body, unit)?;
        // Ranges rise and do not overlap: of few there is one at most that has them all.
        let touched = ranges.iter().filter(|(low, high)| *low <= most && *high >= least);
        let mut touched = touched.peekable();
        let Some((low, high)) = touched.next() else { return Ok(0) };
        if *low <= least && most <= *high {
            return Ok(wanted);
        }
        let len = of.unit(body, unit, numbers)?;
        let mut mask = pack(&numbers[..len], |number| (*low..=*high).contains(&number));
        for (low, high) in touched {
            mask |= pack(&numbers[..len], |number| (*low..=*high).contains(&number));
        }
        Ok(mask)
    }
}

impl Leaf {
    fn table(&self) -> usize {
        match self {
            Leaf::Column { table, .. }
            | Leaf::Text { table, .. }
            | Leaf::Shapes { table, .. }
            | Leaf::Raw { table, .. } => *table,
            Leaf::Happened { .. } | Leaf::Known(_) => 0,
        }
    }
}

impl RawTest {
    fn passes(&self, root: Value<'_>) -> bool {
        match self {
            RawTest::Field(names, test) => {
                any_below(root, names, &mut |value| test.passes(&Scalar::of(value)))
            }
            RawTest::Mentions(text) => mentions(root, text),
            RawTest::Words(phrase) => root.strings().any(|text| phrase.occurs_in(text)),
            RawTest::Element(names, condition) => {
                any_below(root, names, &mut |element| holds(condition, element))
            }
        }
    }
}

/// Whether a condition that asks for nothing but members holds for an element.
fn holds(condition: &Condition, element: Value<'_>) -> bool {
    let epoch = Timestamp::from_micros(0).unwrap_or(Timestamp::MIN);
    let tenant = TenantId::annals();
    let known = Known {
        occurred_at: epoch,
        received_at: epoch,
        operation: Operation::Other,
        position: Position(0),
        tenant: &tenant,
    };
    condition.holds(&Subject { event: element, known })
}

/// Shows which of these instances have one of some shapes, counted from the first of them.
fn with_shapes(
    reader: &mut Reader,
    table: usize,
    instances: &Range<u64>,
    shapes: &[u64],
    see: &mut dyn FnMut(u32),
) -> Result<(), Damaged> {
    let mut from = instances.start;
    while from < instances.end {
        let start = from / UNIT * UNIT;
        let to = instances.end.min(start + UNIT);
        let mut found = 0;
        for (shape, mask) in reader.shape_masks(table, from / UNIT)? {
            if shapes.get((shape >> 6) as usize).is_some_and(|word| word >> (shape & 63) & 1 == 1) {
                found |= mask;
            }
        }
        each_bit_128(found, |bit| {
            let instance = start + u64::from(bit);
            if (from..to).contains(&instance) {
                see(u32::try_from(instance - instances.start).unwrap_or(u32::MAX));
            }
        });
        from = to;
    }
    Ok(())
}

fn lift(lifted: &Option<Vec<u32>>, at: u32) -> u32 {
    lifted.as_ref().map_or(at, |lifted| lifted.get(at as usize).copied().unwrap_or(u32::MAX))
}

/// The rows that own the instances whose bits are set.
fn fold(bits: &[u64], owners: &[u8]) -> u128 {
    let mut rows = 0;
    each_of(bits, |at| rows |= 1 << owners.get(at as usize).copied().unwrap_or(0));
    rows
}

fn pack(numbers: &[u64], holds: impl Fn(u64) -> bool) -> u128 {
    let half =
        |part: &[u64]| part.iter().rev().fold(0_u64, |word, number| word << 1 | u64::from(holds(*number)));
    let (low, high) = numbers.split_at(numbers.len().min(64));
    u128::from(half(low)) | u128::from(half(high)) << 64
}

fn len(instances: &Range<u64>) -> usize {
    usize::try_from(instances.end - instances.start).expect("instances fit in memory")
}

fn none(instances: &Range<u64>) -> Vec<u64> {
    vec![0; len(instances).div_ceil(64)]
}

fn all(instances: &Range<u64>) -> Vec<u64> {
    let len = len(instances);
    let mut bits = vec![u64::MAX; len.div_ceil(64)];
    if let (Some(last), 1..) = (bits.last_mut(), len % 64) {
        *last = (1 << (len % 64)) - 1;
    }
    bits
}

fn set(bits: &mut [u64], at: u32) {
    if let Some(word) = bits.get_mut((at >> 6) as usize) {
        *word |= 1 << (at & 63);
    }
}

fn and(bits: &mut [u64], others: &[u64]) {
    bits.iter_mut().zip(others).for_each(|(word, other)| *word &= other);
}

fn each_of(bits: &[u64], mut see: impl FnMut(u32)) {
    for (at, word) in (0_u32..).zip(bits) {
        each_bit(*word, |bit| see(at * 64 + bit));
    }
}
