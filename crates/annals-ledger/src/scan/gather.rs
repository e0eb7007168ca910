//! The records of a page, read from wherever they stand.
//!
//! Neighbours share blocks, so one reader goes through them quickly. A record that stands alone is put together from some forty
//! blocks; where these are not in memory, reading it is mostly waiting for one after the other, while a disk serves many at
//! once. So as soon as a record took many blocks from its file, what is left of the page is read by several threads side by side.

use std::thread;

use annals_segment::Damaged;

use super::{From, Passed, Readers};
use crate::record::Record;

/// Blocks that a record takes from its file where the page's are not in memory.
const FETCHED_MIN: u64 = 16;

/// Threads that read a page side by side, that of the search among them.
const LANES: usize = 8;

/// Least records for a thread.
const EACH_MIN: usize = 2;

/// Reads the records, in their order.
pub(crate) fn gather(page: &[&Passed], mut readers: Readers) -> Result<Vec<Record>, Damaged> {
    let mut records = Vec::with_capacity(page.len());
    for (index, passed) in page.iter().enumerate() {
        let before = passed.blocks_fetched();
        records.push(passed.record(&mut readers)?);
        let rest = &page[index + 1..];
        if passed.blocks_fetched().saturating_sub(before) >= FETCHED_MIN && rest.len() >= 2 * EACH_MIN {
            side_by_side(rest, readers, &mut records)?;
            break;
        }
    }
    Ok(records)
}

fn side_by_side(page: &[&Passed], readers: Readers, records: &mut Vec<Record>) -> Result<(), Damaged> {
    let each = page.len().div_ceil(LANES).max(EACH_MIN);
    let (first, others) = page.split_at(each.min(page.len()));
    thread::scope(|scope| {
        let others = others.chunks(each).map(|part| {
            let read = || read(part, Readers::default());
            // Where the system has no thread to give, it is done by this one.
            (part, thread::Builder::new().name("annals-page".to_owned()).spawn_scoped(scope, read).ok())
        });
        let others: Vec<_> = others.collect();
        records.extend(read(first, readers)?);
        for (part, thread) in others {
            records.extend(match thread {
                Some(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?,
                None => read(part, Readers::default())?,
            });
        }
        Ok(())
    })
}

fn read(page: &[&Passed], mut readers: Readers) -> Result<Vec<Record>, Damaged> {
    page.iter().map(|passed| passed.record(&mut readers)).collect()
}

impl Passed {
    /// Blocks that were read from the file of its segment until now; 0 of the tail.
    fn blocks_fetched(&self) -> u64 {
        match &self.from {
            From::Tail(_) => 0,
            From::Sealed { part, .. } => part.segment.blocks_fetched(),
        }
    }
}
