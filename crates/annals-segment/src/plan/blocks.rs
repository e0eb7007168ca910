//! Which blocks of rows can have what a tree asks for.

use super::node::{KnownLeaf, Leaf, Node};
use super::resolve::Resolve;
use crate::Damaged;
use crate::meta::{Blocks, Presence};
use crate::numbers::UNIT;
use crate::segment::{Reader, Segment};

/// More values of a column than this are not looked up one by one,
const VALUES_MAX: u64 = 4_096;

/// nor more than one for so many blocks of rows, above the few that cost nothing: together they are nearly everywhere.
const BLOCKS_A_VALUE: u64 = 2;

/// See [`BLOCKS_A_VALUE`].
const VALUES_FEW: u64 = 64;

/// Longer lists are not read: a look at every block is hardly more work.
const BLOCKS_MAX: usize = 1 << 15;

/// More instances that are kept as they are, are not looked for.
const RAW_MAX: u64 = 1_024;

/// Blocks, rising; none when every one has to be looked at.
pub(super) type Listed = Option<Vec<u32>>;

/// The blocks in which a tree over rows may hold. What is left of several is noted in the tree, where one of them is asked for
/// in the blocks of all.
pub(super) fn of(node: &mut Node, resolve: &mut Resolve<'_>) -> Result<Listed, Damaged> {
    let segment = resolve.segment;
    match node {
        Node::Const(false) => Ok(Some(Vec::new())),
        Node::Const(true) | Node::Unknown | Node::Not(_) => Ok(None),
        Node::All(nodes) => {
            let mut common: Listed = None;
            for node in nodes {
                if let Some(list) = of(node, resolve)? {
                    common = Some(match common {
                        Some(mut common) => {
                            common.retain(|block| list.binary_search(block).is_ok());
                            common
                        }
                        None => list,
                    });
                    if common.as_ref().is_some_and(Vec::is_empty) {
                        break;
                    }
                }
            }
            Ok(common)
        }
        Node::Any(nodes) => {
            let mut any = Vec::new();
            let mut is_any = false;
            for node in nodes {
                match of(node, resolve)? {
                    None => is_any = true,
                    // Lists of very many together are not kept.
                    Some(list) if any.len() + list.len() > BLOCKS_MAX => is_any = true,
                    Some(list) => {
                        any.extend_from_slice(&list);
                        *node = Node::Within(list, Box::new(std::mem::replace(node, Node::Const(false))));
                    }
                }
            }
            if is_any {
                return Ok(None);
            }
            any.sort_unstable();
            any.dedup();
            Ok(Some(any))
        }
        // What an element satisfies, some leaf in it satisfies.
        Node::Element(element) => of(&mut element.node, resolve),
        Node::Within(list, _) => Ok(Some(list.clone())),
        Node::Kept(kept) => Ok(kept.blocks.clone()),
        Node::Leaf(Leaf::Column { table, column, set } | Leaf::Text { table, column, set, .. }) => {
            let blocks = &segment.footer().tables[*table].columns[*column].blocks;
            let all = u64::from(segment.rows()).div_ceil(UNIT);
            let max = VALUES_MAX.min(VALUES_FEW.max(all / BLOCKS_A_VALUE));
            match (blocks, set.listed(max)) {
                (Some(blocks), Some(ordinals)) => of_values(segment, blocks, &ordinals),
                _ => Ok(None),
            }
        }
        Node::Leaf(Leaf::Raw { table, .. }) => of_raw(*table, resolve),
        Node::Leaf(Leaf::Known(KnownLeaf::Rows(rows))) => {
            let mut blocks: Vec<u32> = Vec::new();
            for (first, end) in rows {
                let from = blocks.last().map_or(0, |last| last + 1).max(*first / 128);
                blocks.extend(from..end.div_ceil(128));
                if blocks.len() > BLOCKS_MAX {
                    return Ok(None);
                }
            }
            Ok(Some(blocks))
        }
        Node::Leaf(Leaf::Shapes { .. } | Leaf::Happened { .. } | Leaf::Known(_)) => Ok(None),
    }
}

/// The blocks in which these values of a column occur. They rise.
fn of_values(segment: &Segment, blocks: &Blocks, ordinals: &[u32]) -> Result<Listed, Damaged> {
    let body = segment.body();
    // One search each, or all that is searched at once.
    let met = if ordinals.len() > 8 {
        let mut met = Vec::new();
        blocks.met.range(body, 0..blocks.met.len(), &mut met)?;
        Some(met)
    } else {
        None
    };
    let mut out = Vec::new();
    let mut further = Vec::new();
    for ordinal in ordinals {
        let ordinal = u64::from(*ordinal);
        let after = match &met {
            Some(met) => met.partition_point(|count| *count <= ordinal) as u64,
            None => blocks.met.partition_point(body, 0..blocks.met.len(), |count| count <= ordinal)?,
        };
        let first = after.checked_sub(1).ok_or_else(|| segment.malformed("a value met in no block"))?;
        out.push(segment.small(first)?);
        let list = blocks.starts.span(body, ordinal)?;
        if list.end - list.start + out.len() as u64 > BLOCKS_MAX as u64 {
            return Ok(None);
        }
        further.clear();
        blocks.further.range(body, list, &mut further)?;
        for block in &further {
            out.push(segment.small(*block)?);
        }
    }
    out.sort_unstable();
    out.dedup();
    Ok(Some(out))
}

/// The blocks whose rows have instances of a table that are kept as they are.
fn of_raw(table: usize, resolve: &mut Resolve<'_>) -> Result<Listed, Damaged> {
    let segment = resolve.segment;
    let Some(raw) = &segment.footer().tables[table].raw else { return Ok(Some(Vec::new())) };
    let Presence::Listed(listed) = &raw.presence else { return Ok(None) };
    if listed.len() > RAW_MAX {
        return Ok(None);
    }
    let mut instances = Vec::new();
    listed.range(segment.body(), 0..listed.len(), &mut instances)?;
    let reader = resolve.reader.get_or_insert_with(|| Reader::new(segment));
    let blocks = segment.rows().div_ceil(128);
    let mut out: Vec<u32> = Vec::new();
    let mut end = 0;
    for instance in instances {
        if instance < end {
            continue;
        }
        // The first block whose rows end behind the instance.
        let (mut low, mut high) = (out.last().map_or(0, |last| last + 1), blocks);
        while low < high {
            let middle = low + (high - low) / 2;
            let of = reader.instances(table, 0..rows_to(segment, middle))?;
            if of.end <= instance { low = middle + 1 } else { high = middle }
        }
        if low == blocks {
            return Err(segment.malformed("an instance in no row"));
        }
        end = reader.instances(table, 0..rows_to(segment, low))?.end;
        out.push(low);
    }
    Ok(Some(out))
}

/// Rows up to the end of a block.
fn rows_to(segment: &Segment, block: u32) -> u64 {
    ((u64::from(block) + 1) * UNIT).min(u64::from(segment.rows()))
}
