//! The order of merged rows, what annals knows of them, and what proves them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use annals_event::TenantId;
use annals_tree::Hash;

use super::{IdHash, broken};
use crate::Damaged;
use crate::build::{COUNTERS, Facts, FateFact, LogName, NO_SEQ, TREE_BLOCK, biased};
use crate::meta::Kind;
use crate::segment::{LogRows, Reader, Segment};

/// The logs of the merged file in their order, and where their rows come from.
pub(super) struct Order {
    logs: Vec<LogName>,
    stretches: Vec<Stretch>,
}

/// Rows that follow each other in an input and in the merged file: those of a log.
pub(super) struct Stretch {
    pub(super) input: usize,
    pub(super) rows: Range<u32>,
    /// Which log of the input they are.
    index: u32,
    /// Which log of the merged file.
    log: usize,
}

/// A log in one input: which input, its rows there, and the log's id.
type Part = (usize, LogRows, [u8; 16]);

impl Order {
    /// The order of the rows of these inputs.
    pub(super) fn of(inputs: &[Arc<Segment>]) -> io::Result<Order> {
        let mut logs: BTreeMap<(TenantId, bool), Vec<Part>> = BTreeMap::new();
        for (at, input) in inputs.iter().enumerate() {
            for index in 0..input.logs() {
                let name = input.log_name(index).map_err(broken)?;
                let rows = input.log_rows(index).map_err(broken)?;
                logs.entry((name.tenant, name.access)).or_default().push((at, rows, name.id));
            }
        }
        let mut order = Order { logs: Vec::with_capacity(logs.len()), stretches: Vec::new() };
        for ((tenant, access), parts) in logs {
            let (id, mut last) = (parts[0].2, None);
            for (input, rows, other) in parts {
                let (first, end) = inputs[input].positions(&rows).map_err(broken)?;
                if other != id || last.is_some_and(|last| last >= first) {
                    let what =
                        format!("segments do not follow each other: tenant `{tenant}`, position {first}");
                    return Err(io::Error::other(what));
                }
                last = Some(end);
                let log = order.logs.len();
                order.stretches.push(Stretch { input, rows: rows.rows, index: rows.index, log });
            }
            order.logs.push(LogName { tenant, access, id });
        }
        Ok(order)
    }

    /// The stretches in the order of merged rows.
    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }
}

/// Where a fate is: which input, and its index there.
type FateAt = (usize, u64);

/// What annals knows of the merged rows, and where their fates are.
pub(super) fn facts(
    order: &Order,
    readers: &mut [Reader],
    id_hash: IdHash<'_>,
) -> io::Result<(Facts, Vec<FateAt>)> {
    let rows: usize = readers.iter().map(|reader| reader.segment().rows() as usize).sum();
    let mut facts = Facts {
        positions: Vec::with_capacity(rows),
        seqs: Vec::with_capacity(rows),
        happened: Vec::with_capacity(rows),
        received: Vec::with_capacity(rows),
        kind: Vec::with_capacity(rows),
        secrets: Vec::with_capacity(rows),
        id_hashes: Vec::with_capacity(rows),
        tags: Vec::with_capacity(2 * rows),
        logs: order.logs.clone(),
        ..Facts::default()
    };
    let mut gather = Gather { id_hash, kinds: BTreeMap::new(), id: Vec::new() };
    let mut fates_at = Vec::new();
    let mut next = None;
    for stretch in &order.stretches {
        if facts.log_rows.len() == stretch.log {
            facts.log_rows.push(facts.len());
            next = None;
        }
        let reader = &mut readers[stretch.input];
        fates(stretch, reader.segment(), &mut facts, &mut fates_at).map_err(broken)?;
        gather.rows(stretch, &order.logs[stretch.log], reader, &mut facts).map_err(broken)?;
        next = proof(stretch, reader.segment(), next, &mut facts).map_err(broken)?;
    }
    facts.log_rows.push(facts.len());
    Ok((facts, fates_at))
}

/// Adds the fates of a stretch's rows, which come next.
fn fates(
    stretch: &Stretch,
    segment: &Segment,
    facts: &mut Facts,
    at: &mut Vec<FateAt>,
) -> Result<(), Damaged> {
    for nth in segment.fates_of(stretch.rows.clone())? {
        let (row, bytes, id_hash) = segment.fate_fact(nth)?;
        // They rise, so none is met twice.
        let far = row.checked_sub(stretch.rows.start).filter(|_| stretch.rows.contains(&row));
        let far = far.ok_or_else(|| segment.malformed("rows with a fate that do not rise"))?;
        let row = facts.len() as u64 + u64::from(far);
        if facts.fates.last().is_some_and(|last| last.row >= row) {
            return Err(segment.malformed("rows with a fate that do not rise"));
        }
        facts.fates.push(FateFact { row, bytes, id_hash });
        facts.id_hashes.extend(id_hash);
        at.push((stretch.input, nth));
    }
    Ok(())
}

struct Gather<'h> {
    id_hash: IdHash<'h>,
    kinds: BTreeMap<(u8, bool, bool, bool, u16, u8), u32>,
    id: Vec<u8>,
}

impl Gather<'_> {
    fn rows(
        &mut self,
        stretch: &Stretch,
        log: &LogName,
        reader: &mut Reader,
        facts: &mut Facts,
    ) -> Result<(), Damaged> {
        let mut last_kind: Option<(Kind, u32)> = None;
        for row in stretch.rows.clone() {
            let kind = reader.kind(row)?;
            let kind_number = match last_kind {
                Some((last, number)) if last == kind => number,
                _ => self.kind(kind, facts),
            };
            last_kind = Some((kind, kind_number));
            let (root, counter) = reader.root(row)?;
            let root = facts.roots.index(root.lend());
            facts.positions.push(reader.position(row)?.0);
            facts.seqs.push(reader.seq(row)?.unwrap_or(NO_SEQ));
            facts.happened.push(biased(reader.happened(row)?));
            facts.received.push(biased(reader.received_at(row)?));
            facts.kind.push(kind_number);
            facts.secrets.push(COUNTERS * root + u64::from(counter));
            self.id.clear();
            if reader.id(row, &mut self.id)? {
                facts.id_hashes.push((self.id_hash)(&log.tenant, log.access, &self.id));
            }
        }
        Ok(())
    }

    fn kind(&mut self, kind: Kind, facts: &mut Facts) -> u32 {
        let key = (kind.operation, kind.derived, kind.system, kind.timed, kind.class, kind.stated);
        *self.kinds.entry(key).or_insert_with(|| {
            facts.kinds.push(kind);
            u32::try_from(facts.kinds.len() - 1).expect("there are not so many kinds")
        })
    }
}

/// Adds tags, sums and nodes of a stretch's rows. `next` is the position after the log's last row so far, if it has one; gives
/// the one after these.
fn proof(
    stretch: &Stretch,
    segment: &Segment,
    mut next: Option<u64>,
    facts: &mut Facts,
) -> Result<Option<u64>, Damaged> {
    segment.tag_bytes(stretch.rows.clone(), &mut facts.tags)?;
    let log = segment.log_rows(stretch.index)?;
    for run in log.runs {
        segment.each_part_of(run, &mut |position, rows, xor| {
            match facts.xors.last_mut() {
                // The same 256 leaves as the last rows: they are one part now.
                Some(Hash(sum)) if next == Some(position) && !position.is_multiple_of(TREE_BLOCK) => {
                    sum.iter_mut().zip(xor.0).for_each(|(sum, byte)| *sum ^= byte);
                }
                _ => facts.xors.push(xor),
            }
            next = position.checked_add(rows);
        })?;
        segment.nodes_of_run(run, &mut facts.nodes)?;
    }
    Ok(next)
}
