//! What is written of rows beside their events: whose they are, times, numbers, orders, and what proves them.

use std::io;

use annals_tree::Hash;

use super::LogName;
use super::column::{count, write_u32};
use crate::body::Writer;
use crate::fate::FateKind;
use crate::hashes::Filter;
use crate::meta::{Fates, Kind, Known, Logs, Order, Proof, Punctured};
use crate::numbers::Numbers;
use crate::root::Roots;
use crate::values::{Arena, Region, Values};

/// Leaves of a block of the tree: parts of runs are cut where a position is a multiple of it.
pub(crate) const TREE_BLOCK: u64 = 256;

/// What stands in [`Facts::seqs`] for a row without a ledger number.
pub(crate) const NO_SEQ: u64 = u64::MAX;

/// A time as files hold it: µs since 1970 plus 2^63.
pub(crate) const fn biased(micros: i64) -> u64 {
    micros.cast_unsigned() ^ 1 << 63
}

/// What is known of all rows, a list for each thing, in the order of rows. Building and merging fill it, each in its way.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    /// The logs, sorted as the file has them.
    pub(crate) logs: Vec<LogName>,
    /// Per log: its first row; one more at the end.
    pub(crate) log_rows: Vec<usize>,
    /// Positions, rising within a log.
    pub(crate) positions: Vec<u64>,
    /// Ledger numbers, or [`NO_SEQ`].
    pub(crate) seqs: Vec<u64>,
    /// When it happened, [`biased`].
    pub(crate) happened: Vec<u64>,
    /// When it was received, [`biased`].
    pub(crate) received: Vec<u64>,
    /// The distinct kinds.
    pub(crate) kinds: Vec<Kind>,
    /// Which kind.
    pub(crate) kind: Vec<u32>,
    /// The distinct secret roots.
    pub(crate) roots: Roots,
    /// 4,096 × index of the root, plus the counter.
    pub(crate) secrets: Vec<u64>,
    /// Keyed hashes of event ids.
    pub(crate) id_hashes: Vec<u64>,
    /// Two bytes a row.
    pub(crate) tags: Vec<u8>,
    /// Per part of a run, see [`Runs::parts`]: the XOR of its leaf hashes.
    pub(crate) xors: Vec<Hash>,
    /// The nodes of the tree that rows complete, log by log in order of completion.
    pub(crate) nodes: Vec<Hash>,
    /// What became of events that are not as they were sent, by row.
    pub(crate) fates: Vec<FateFact>,
}

/// What is known of a row's fate. Its payload is read when it is written: there may be much of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FateFact {
    pub(crate) row: u64,
    /// Of its payload.
    pub(crate) bytes: u64,
    /// The hash of its event's id, if it expired.
    pub(crate) id_hash: Option<u64>,
}

/// Appends the payload of the fate with this index in [`Facts::fates`].
pub(crate) type Payloads<'p> = &'p mut dyn FnMut(usize, &mut Vec<u8>) -> io::Result<()>;

/// How rows stand in runs without holes, and how those are cut into parts.
#[derive(Debug)]
pub(crate) struct Runs {
    /// Per log: its first run; one more at the end.
    pub(crate) logs: Vec<u64>,
    /// Per run: its first row; one more at the end.
    pub(crate) rows: Vec<u64>,
    /// Per run: position of its first row.
    pub(crate) positions: Vec<u64>,
    /// Per run: its first part; one more at the end.
    pub(crate) parts: Vec<u64>,
    /// Per run: its first node; one more at the end.
    pub(crate) nodes: Vec<u64>,
}

impl Runs {
    /// The runs of these logs.
    ///
    /// # Panics
    ///
    /// When the positions of a log do not rise.
    pub(crate) fn of(log_rows: &[usize], positions: &[u64]) -> Self {
        let mut runs = Self {
            logs: Vec::with_capacity(log_rows.len()),
            rows: Vec::new(),
            positions: Vec::new(),
            parts: Vec::new(),
            nodes: Vec::new(),
        };
        let (mut parts, mut nodes) = (0, 0);
        for log in log_rows.windows(2) {
            runs.logs.push(count(runs.rows.len()));
            let mut at = log[0];
            while at < log[1] {
                let first = positions[at];
                let mut end = at + 1;
                while end < log[1] && positions[end] == positions[end - 1] + 1 {
                    end += 1;
                }
                assert!(end == log[1] || positions[end] > positions[end - 1], "positions of a log rise");
                runs.rows.push(count(at));
                runs.positions.push(first);
                runs.parts.push(parts);
                runs.nodes.push(nodes);
                let size = first + count(end - at);
                parts += size.div_ceil(TREE_BLOCK) - first / TREE_BLOCK;
                nodes += nodes_completed(size) - nodes_completed(first);
                at = end;
            }
        }
        runs.logs.push(count(runs.rows.len()));
        runs.rows.push(count(positions.len()));
        runs.parts.push(parts);
        runs.nodes.push(nodes);
        runs
    }
}

/// Complete subtrees of [`TREE_BLOCK`] leaves and more in a tree of `size` leaves: n blocks, n/2 pairs of them, and so on.
fn nodes_completed(size: u64) -> u64 {
    let blocks = size / TREE_BLOCK;
    2 * blocks - u64::from(blocks.count_ones())
}

impl Facts {
    /// Rows.
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Writes whose rows are where.
    pub(crate) fn write_logs<W: io::Write>(&self, runs: &Runs, out: &mut Writer<W>) -> io::Result<Logs> {
        assert_eq!(self.log_rows.len(), self.logs.len() + 1, "each log has a first row, and there is an end");
        assert!(self.logs.windows(2).all(|two| two[0].order() < two[1].order()), "logs are sorted");
        let mut tenants = Arena::default();
        let (mut names, mut ids) =
            (Vec::with_capacity(self.logs.len()), Vec::with_capacity(16 * self.logs.len()));
        for (at, log) in self.logs.iter().enumerate() {
            if at == 0 || self.logs[at - 1].tenant != log.tenant {
                tenants.push(log.tenant.as_str().as_bytes());
            }
            names.push(2 * (count(tenants.len()) - 1) + u64::from(log.access));
            ids.extend_from_slice(&log.id);
        }
        Ok(Logs {
            n: u32::try_from(self.logs.len()).map_err(io::Error::other)?,
            tenants: Values::write(&tenants, out)?,
            names: Numbers::write(&names, out)?,
            ids: Region::write(&ids, out)?,
            runs: Numbers::write(&runs.logs, out)?,
            run_rows: Numbers::write(&runs.rows, out)?,
            run_positions: Numbers::write(&runs.positions, out)?,
        })
    }

    /// Writes what annals knows of each row.
    pub(crate) fn write_known<W: io::Write>(&self, out: &mut Writer<W>) -> io::Result<Known> {
        let mut times = self.received.clone();
        times.dedup();
        times.sort_unstable();
        times.dedup();
        let (mut last, mut index) = (0, 0);
        let mut received = Vec::with_capacity(self.received.len());
        for time in &self.received {
            if received.is_empty() || *time != last {
                (last, index) = (*time, count(times.partition_point(|other| other < time)));
            }
            received.push(index);
        }
        Ok(Known {
            happened: Numbers::write(&self.happened, out)?,
            received_values: Numbers::write(&times, out)?,
            received: Numbers::write(&received, out)?,
            kinds: self.kinds.clone(),
            kind: write_u32(&self.kind, out)?,
            roots: Region::write(self.roots.roots.as_flattened(), out)?,
            secrets: Numbers::write(&self.secrets, out)?,
            punctured: self.write_punctured(out)?,
        })
    }

    /// Writes what is left of punctured roots.
    fn write_punctured<W: io::Write>(&self, out: &mut Writer<W>) -> io::Result<Option<Punctured>> {
        if self.roots.punctured.is_empty() {
            return Ok(None);
        }
        let (mut roots, mut starts, mut encoded) = (Vec::new(), vec![0], Vec::new());
        for (index, punctured) in &self.roots.punctured {
            roots.push(*index);
            encoded.extend_from_slice(&punctured.left.encode());
            starts.push(count(encoded.len()));
        }
        Ok(Some(Punctured {
            roots: Numbers::write(&roots, out)?,
            starts: Numbers::write(&starts, out)?,
            encoded: Region::write(&encoded, out)?,
        }))
    }

    /// Writes what became of events that are not as they were sent.
    pub(crate) fn write_fates<W: io::Write>(
        &self,
        payloads: Payloads<'_>,
        out: &mut Writer<W>,
    ) -> io::Result<Option<Fates>> {
        if self.fates.is_empty() {
            return Ok(None);
        }
        let (mut end, mut starts) = (0, vec![0]);
        let at = out.at();
        let mut payload = Vec::new();
        for (nth, fate) in self.fates.iter().enumerate() {
            payload.clear();
            payloads(nth, &mut payload)?;
            assert_eq!(count(payload.len()), fate.bytes, "a payload is as long as it was said to be");
            out.put(&payload)?;
            end += fate.bytes;
            starts.push(end);
        }
        let kind = |fate: &FateFact| fate.id_hash.map_or(FateKind::Erased, |_| FateKind::Expired) as u64;
        let hashes = self.fates.iter().zip(0_u64..);
        let mut by_id: Vec<(u64, u64)> =
            hashes.filter_map(|(fate, nth)| Some((fate.id_hash?, nth))).collect();
        by_id.sort_unstable();
        Ok(Some(Fates {
            rows: Numbers::write(&self.fates.iter().map(|fate| fate.row).collect::<Vec<_>>(), out)?,
            kind: Numbers::write(&self.fates.iter().map(kind).collect::<Vec<_>>(), out)?,
            starts: Numbers::write(&starts, out)?,
            payloads: Region { at, len: end },
            by_id: Numbers::write(&by_id.into_iter().map(|(_, nth)| nth).collect::<Vec<_>>(), out)?,
        }))
    }

    /// Writes the orders of rows.
    pub(crate) fn write_order<W: io::Write>(&self, out: &mut Writer<W>) -> io::Result<Order> {
        let numbered = self.seqs.iter().copied().zip(0..).filter(|(seq, _)| *seq != NO_SEQ);
        let mut by_seq: Vec<(u64, usize)> = numbered.collect();
        by_seq.sort_unstable();
        assert!(by_seq.windows(2).all(|two| two[0].0 < two[1].0), "a ledger number is given once");
        let mut ranks = vec![0_u64; self.len()];
        for (rank, (_, row)) in by_seq.iter().enumerate() {
            ranks[*row] = count(rank);
        }
        let mut before = 0;
        for (rank, seq) in ranks.iter_mut().zip(&self.seqs) {
            if *seq == NO_SEQ {
                *rank = before;
            }
            before = *rank;
        }
        let mut log_times = Vec::with_capacity(self.len());
        for log in self.log_rows.windows(2) {
            by_time(&self.happened[log[0]..log[1]], &mut log_times);
        }
        let (seqs, rows): (Vec<u64>, Vec<u64>) = by_seq.iter().map(|(seq, row)| (*seq, count(*row))).unzip();
        let happened: Vec<u64> = by_seq.iter().map(|(_, row)| self.happened[*row]).collect();
        let mut all_times = Vec::with_capacity(seqs.len());
        by_time(&happened, &mut all_times);
        Ok(Order {
            seqs: Numbers::write(&seqs, out)?,
            rows: Numbers::write(&rows, out)?,
            ranks: Numbers::write(&ranks, out)?,
            log_times: Numbers::write(&log_times, out)?,
            all_times: Numbers::write(&all_times, out)?,
        })
    }

    /// Writes what proves the rows.
    pub(crate) fn write_proof<W: io::Write>(&self, runs: &Runs, out: &mut Writer<W>) -> io::Result<Proof> {
        assert_eq!(self.tags.len(), 2 * self.len(), "each row has a tag");
        assert_eq!(runs.parts.last(), Some(&count(self.xors.len())), "each part has its sum");
        assert_eq!(
            runs.nodes.last(),
            Some(&count(self.nodes.len())),
            "each node that rows complete is there"
        );
        let flat = |hashes: &[Hash]| hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>();
        Ok(Proof {
            tags: Region::write(&self.tags, out)?,
            xors: Region::write(&flat(&self.xors), out)?,
            parts: Numbers::write(&runs.parts, out)?,
            nodes: Region::write(&flat(&self.nodes), out)?,
            run_nodes: Numbers::write(&runs.nodes, out)?,
        })
    }

    /// Writes the filter over event ids.
    pub(crate) fn write_ids<W: io::Write>(&self, out: &mut Writer<W>) -> io::Result<Filter> {
        Filter::write(self.id_hashes.iter().copied(), out)
    }
}

/// Adds for each i which one is the i-th by time, the earlier one first where times are the same: as a zigzag difference to i.
fn by_time(times: &[u64], out: &mut Vec<u64>) {
    if times.is_sorted() {
        out.extend(std::iter::repeat_n(0, times.len()));
        return;
    }
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by_key(|at| times[*at]);
    out.extend(order.into_iter().enumerate().map(|(at, which)| zigzag(at, which)));
}

/// The difference from `from` to `to`: twice as much if it is positive, twice as much less one if it is negative.
fn zigzag(from: usize, to: usize) -> u64 {
    if to >= from { count(2 * (to - from)) } else { count(2 * (from - to) - 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_at_holes_and_parts_at_blocks_of_the_tree() {
        let positions: Vec<u64> = (250..520).chain(600..601).chain(511..514).collect();
        let runs = Runs::of(&[0, 271, 274], &positions);
        assert_eq!(runs.logs, [0, 2, 3]);
        assert_eq!(runs.rows, [0, 270, 271, 274]);
        assert_eq!(runs.positions, [250, 600, 511]);
        assert_eq!(runs.parts, [0, 3, 4, 6]);
        // Position 255 completes one block, 511 the second one and the pair of both.
        assert_eq!(runs.nodes, [0, 3, 3, 5]);
    }

    #[test]
    fn rows_are_ordered_by_time_and_then_as_they_stand() {
        let mut out = Vec::new();
        by_time(&[5, 3, 5, 1], &mut out);
        // Third, second, first, and again third of the original ones: 3, 1, 0, 2.
        assert_eq!(out, [zigzag(0, 3), zigzag(1, 1), zigzag(2, 0), zigzag(3, 2)]);
        assert_eq!(out, [6, 0, 3, 1]);
    }
}
