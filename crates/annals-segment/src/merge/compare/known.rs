//! What annals knows of rows beside their events.

use annals_event::Timestamp;

use super::{Doubts, Stretch};
use crate::Damaged;
use crate::build::NO_SEQ;
use crate::segment::{Reader, Segment};

/// Compares all members of records but the event and whose they are; and tags.
pub(super) fn compare(
    stretches: &[Stretch],
    to: &mut Reader,
    from: &mut [Reader],
    doubts: &mut Doubts,
) -> Result<(), Damaged> {
    let merged_seqs = seqs(to.segment())?;
    let seqs = from.iter().map(|reader| seqs(reader.segment())).collect::<Result<Vec<_>, _>>()?;
    let (mut merged_tags, mut tags) = (Vec::new(), Vec::new());
    for stretch in stretches {
        let from = &mut from[stretch.input];
        merged_tags.clear();
        to.segment().tag_bytes(stretch.merged(), &mut merged_tags)?;
        tags.clear();
        from.segment().tag_bytes(stretch.rows.clone(), &mut tags)?;
        let same_tags = tags == merged_tags;
        for (row, here) in stretch.pairs() {
            let same = same_row(from, row, to, here)?
                && seqs[stretch.input].get(row as usize) == merged_seqs.get(here as usize)
                && (same_tags || from.segment().tag(row)? == to.segment().tag(here)?);
            if !same {
                doubts.add(here);
            }
        }
    }
    Ok(())
}

fn same_row(from: &mut Reader, row: u32, to: &mut Reader, here: u32) -> Result<bool, Damaged> {
    let happened = from.happened(row)?;
    Ok(from.position(row)? == to.position(here)?
        && from.received_at(row)? == to.received_at(here)?
        // Columns of times are not read any more: what they would be written as is known to be there.
        && happened == to.happened(here)?
        && Timestamp::from_micros(happened).is_some()
        && from.kind(row)? == to.kind(here)?
        && from.root(row)? == to.root(here)?
        && same_fate(from, row, to, here)?)
}

fn same_fate(from: &mut Reader, row: u32, to: &mut Reader, here: u32) -> Result<bool, Damaged> {
    let has_fates = from.segment().has_fates() || to.segment().has_fates();
    Ok(!has_fates || from.fate(row)? == to.fate(here)?)
}

/// The ledger number of each row, or [`NO_SEQ`], as [`Reader::seq`] gives it.
fn seqs(segment: &Segment) -> Result<Vec<u64>, Damaged> {
    let (order, body) = (&segment.footer().order, segment.body());
    let (mut ranks, mut rows, mut seqs) = (Vec::new(), Vec::new(), Vec::new());
    order.ranks.range(body, 0..order.ranks.len(), &mut ranks)?;
    order.rows.range(body, 0..order.rows.len(), &mut rows)?;
    order.seqs.range(body, 0..order.seqs.len(), &mut seqs)?;
    if seqs.contains(&NO_SEQ) {
        return Err(segment.malformed("a ledger number that is none"));
    }
    for (row, rank) in (0..).zip(&mut ranks) {
        let at = usize::try_from(*rank).unwrap_or(usize::MAX);
        *rank = match (rows.get(at), seqs.get(at)) {
            (Some(of_rank), Some(seq)) if *of_rank == row => *seq,
            _ => NO_SEQ,
        };
    }
    Ok(ranks)
}
