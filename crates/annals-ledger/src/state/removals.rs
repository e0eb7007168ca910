//! Entries that take something away, while what they take is still in files.

use std::collections::BTreeSet;
use std::sync::Arc;

use annals_event::Position;
use annals_segment::Damaged;
use annals_segment::segment::{Sealed as SealedRow, Veil};
use annals_tree::EntryKind;

use super::{Refusal, State};
use crate::bits::Bits;
use crate::erasure::{CaseError, Erasures, Taken};
use crate::read::{FeedScope, Located, TenantLog};
use crate::removal::{Removal, RemovalAt, change_of};
use crate::sealed::{Part, Parts};

impl State {
    /// An entry was stored. Whether it takes something away: then [`State::veil_logs`] follows, once for a batch.
    pub(super) fn take_away(&mut self, log: u32, position: Position, kind: EntryKind, event: &[u8]) -> bool {
        let log = &self.logs[log as usize];
        let name = TenantLog { tenant: log.tenant.clone(), kind: log.kind };
        let since = log.last_received_at.map_or(0, annals_event::Timestamp::as_micros);
        let Some(removal) = Removal::read(name, (position.0, since), kind, event) else { return false };
        let mut keys = self.keys.write().expect("no holder of this lock panics");
        keys.policies.removals.insert(removal.name());
        if let Some(case) = &removal.case {
            let cases = &mut keys.policies.erasures;
            let is_of_tenant = cases.get(case).is_some_and(|of| of.tenant == removal.log.tenant.as_str());
            let (records, units) = if is_of_tenant { removal.counts() } else { (0, 0) };
            cases.take(case, Taken { records, units });
        }
        drop(keys);
        self.removals.push(Arc::new(removal));
        self.taken += 1;
        true
    }

    /// Something was taken away of logs: from here on nobody reads it.
    pub(super) fn veil_logs(&mut self, logs: &BTreeSet<u32>) {
        let parts: Vec<Bits> = logs.iter().map(|log| self.logs[*log as usize].parts.clone()).collect();
        self.veil(|part| parts.iter().any(|parts| parts.contains(part.slot)));
    }

    /// Takes up what a manifest says is still to be carried out.
    pub(super) fn take_up_removals(&mut self) -> Result<(), Damaged> {
        let names: Vec<RemovalAt> = {
            let keys = self.keys.read().expect("no holder of this lock panics");
            keys.policies.removals.iter().cloned().collect()
        };
        for name in names {
            let Some(log) = name.log() else { continue };
            let Some(Located::Sealed(part, row)) = self.locate(&log, Position(name.position))? else {
                continue;
            };
            let row = part.segment.record(row)?;
            let Some(kind) = EntryKind::from_number(row.stated) else { continue };
            let removal = Removal::read(log, (name.position, row.received_at), kind, &row.event);
            self.removals.extend(removal.map(Arc::new));
        }
        self.veil(|_| true);
        Ok(())
    }

    /// Puts veils over those segments of which something is to go.
    fn veil(&mut self, is_concerned: impl Fn(&Part) -> bool) {
        if self.removals.is_empty() {
            return;
        }
        let mut parts = (*self.sealed).clone();
        parts.change(|part| if is_concerned(part) { Some(self.veiled(part)) } else { None });
        self.sealed = Arc::new(parts);
        // Whoever walks over these segments begins anew behind what he has seen.
        self.epoch += 1;
        self.taken += 1;
    }

    /// Tries again what could not be told of segments.
    pub(crate) fn veil_unknown(&mut self) {
        self.veil(|part| part.is_unknown);
    }

    /// One more than the last position of a log that is in a segment.
    pub(crate) fn sealed_end(&self, log: &TenantLog) -> u64 {
        let Some(index) = self.log_index(log) else { return 0 };
        let in_tails = self.tails().filter_map(|tail| Some(tail.stretches.get(&index)?.first())).min();
        in_tails.unwrap_or_else(|| self.logs()[index as usize].size())
    }

    /// One more than the last number of a feed that is in a segment.
    pub(crate) fn feed_sealed_end(&self, scope: &FeedScope) -> u64 {
        match scope {
            FeedScope::Log(log) => self.sealed_end(log),
            FeedScope::All => {
                let in_tails = self.tails().map(|tail| tail.order.first()).min();
                in_tails.unwrap_or(u64::MAX)
            }
        }
    }

    /// Puts segments in the place of those there are. They were those of `epoch`, but for the one with this number, which is new.
    pub(crate) fn put(&mut self, mut parts: Parts, epoch: u64, number: u64) {
        // Since then something may have been taken away, of any of them.
        let all = self.epoch != epoch;
        if !self.removals.is_empty() {
            parts.change(|part| (all || part.number == number).then(|| self.veiled(part)));
            // What stood in a tail until now may be gone with it.
            self.taken += 1;
        }
        self.sealed = Arc::new(parts);
        self.epoch += 1;
    }

    /// A segment as it is to be read.
    pub(crate) fn veiled(&self, part: &Part) -> Part {
        let id_key = self.genesis.as_ref().map(|genesis| genesis.id_key).unwrap_or_default();
        let mut part = part.clone();
        match change_of(&part.segment, &self.removals, &id_key) {
            Ok(change) => {
                part.segment =
                    change.as_ref().map_or_else(|| part.segment.unveiled(), |change| change.veil());
                part.change = change;
                part.is_unknown = false;
            }
            Err(damaged) => {
                // Rather nothing of it is read than what was to go; it is tried again.
                tracing::error!(%damaged, "what is to go of a segment cannot be told; it is not read until then");
                let rows: Vec<u32> = (0..part.segment.rows()).collect();
                let refuse = Box::new(move |_: u32, _: &mut SealedRow| Err(damaged.clone()));
                part.segment = part.segment.unveiled().veiled(Veil::new(Vec::new(), rows, refuse));
                part.change = None;
                part.is_unknown = true;
            }
        }
        part
    }

    /// Whether something of a case is still to be carried out.
    pub(crate) fn has_removal_of(&self, case: &str) -> bool {
        self.removals.iter().any(|removal| removal.case.as_deref() == Some(case))
    }

    /// The cases that these removals are of, with the logs that they speak of.
    pub(crate) fn cases_of(&self, names: &[RemovalAt]) -> Vec<(String, TenantLog)> {
        let names: BTreeSet<&RemovalAt> = names.iter().collect();
        let mut cases: Vec<(String, TenantLog)> = Vec::new();
        let is_left = |case: &String, log: &TenantLog| {
            let mut others = self.removals.iter().filter(|other| !names.contains(&other.name()));
            others.any(|other| other.case.as_ref() == Some(case) && other.log == *log)
        };
        for removal in self.removals.iter().filter(|removal| names.contains(&removal.name())) {
            let Some(case) = removal.case.as_ref().filter(|case| !is_left(case, &removal.log)) else {
                continue;
            };
            if !cases.iter().any(|(other, log)| other == case && *log == removal.log) {
                cases.push((case.clone(), removal.log.clone()));
            }
        }
        cases
    }

    /// Why a change of a case cannot be made.
    pub(super) fn refuse_case(
        &self,
        may: impl FnOnce(&Erasures) -> Result<(), CaseError>,
    ) -> Option<Refusal> {
        let keys = self.keys.read().expect("no holder of this lock panics");
        may(&keys.policies.erasures).err().map(|_| Refusal::Case)
    }

    /// Why a case cannot be withdrawn; with `unless_begun` also where something is gone already, or waits to be.
    pub(super) fn refuse_withdrawal(&self, case: &str, unless_begun: bool) -> Option<Refusal> {
        if unless_begun && self.has_removal_of(case) {
            return Some(Refusal::Case);
        }
        self.refuse_case(|cases| {
            if unless_begun && cases.is_begun(case) {
                Err(CaseError::Closed)
            } else {
                cases.may_withdraw(case)
            }
        })
    }

    /// Removals are carried out.
    pub(super) fn let_go(&mut self, names: &[RemovalAt]) {
        let names: BTreeSet<&RemovalAt> = names.iter().collect();
        self.removals.retain(|removal| !names.contains(&removal.name()));
        let mut keys = self.keys.write().expect("no holder of this lock panics");
        keys.policies.removals.retain(|name| !names.contains(name));
    }
}
