//! Signed heads and the records they cover: those that the manifest keeps are held against the records in segments, and records
//! that no head covers are told of where one must be.
//!
//! A head is signed each second in which something changed, and the newest of each log is in the journal or, once it left that,
//! in the manifest. So records without a head are those of the last seconds before a crash, or the service's end; and no head is
//! much newer than a record that none covers. Whoever rewrites a folder without the key has no heads for what he wrote: he can
//! leave them out, and that is what is looked for here.

use std::collections::{BTreeMap, BTreeSet};

use annals_event::{Position, Timestamp};
use annals_tree::head::{HeadLog, SignedHead};
use annals_tree::note::VerifierKey;
use annals_tree::{EntryKind, Hash};

use super::journal::Audit;
use super::segments::{Walked, sealed};
use super::{Finding, Span};
use crate::manifest::Head;
use crate::signing::JournalMemory;
use crate::state::State;
use crate::store::manifest_name;

/// Records of so many different seconds may be without a head: what crashes leave, and a signer that is being replaced.
const SECONDS_MAX: usize = 10;

/// A head that is so much newer than a record would have covered it.
const LATE_US_MAX: i64 = 60_000_000;

const SECOND_US: i64 = 1_000_000;

/// The heads that a manifest keeps.
#[derive(Default)]
pub(super) struct Kept {
    /// The manifest's file.
    manifest: String,
    /// There is a manifest, and it is from before they were kept.
    pub(super) is_missing: bool,
    /// Of each log the largest.
    claims: BTreeMap<u32, Claim>,
    /// When the newest was signed.
    newest_at: Option<i64>,
}

struct Claim {
    size: u64,
    root: Hash,
    /// Index of the key that signed it, the ledger's first being 0.
    key: usize,
}

impl Kept {
    /// Checks the signatures of a manifest's heads.
    pub(super) fn new(head: &Head, state: &State, findings: &mut Vec<Finding>) -> Self {
        let mut kept = Self {
            manifest: manifest_name(head.number),
            is_missing: head.heads.is_none(),
            ..Self::default()
        };
        let keys = keys(state);
        for bytes in head.heads.iter().flatten() {
            let Ok(signed) = SignedHead::decode(bytes) else { continue };
            let Some(key) = keys.iter().position(|key| signed.verify(key).is_ok()) else {
                findings.push(kept.wrong("is not signed by a key of the ledger".to_owned()));
                continue;
            };
            kept.newest_at = kept.newest_at.max(Some(signed.head.at_us));
            let records = state.sizes().records;
            if signed.head.ledger_size > records {
                findings.push(kept.wrong(format!(
                    "was signed when the ledger had {} records, of which {records} are left",
                    signed.head.ledger_size
                )));
            }
            for HeadLog { log, size, root } in signed.head.logs {
                let Some(index) = state.by_name.get(&log) else {
                    findings.push(kept.wrong(format!("speaks of a log that is not there, `{log}`")));
                    continue;
                };
                let newest = kept.claims.get(index).is_none_or(|claim| claim.size <= size);
                if newest {
                    kept.claims.insert(*index, Claim { size, root, key });
                }
            }
        }
        kept
    }

    fn wrong(&self, cause: String) -> Finding {
        Finding::KeptHead { name: self.manifest.clone(), cause }
    }
}

/// The ledger's keys in their order.
fn keys(state: &State) -> Vec<VerifierKey> {
    let keys = state.keys();
    let keys = keys.read().expect("no holder of this lock panics");
    let first = state.genesis().and_then(|genesis| genesis.verifier_key());
    first.into_iter().chain(keys.rotations.successions().map(|next| next.new_key().clone())).collect()
}

impl Audit<'_> {
    /// Sizes at which the roots of logs are needed, by the log's index.
    pub(super) fn sizes(&self, memory: Option<&JournalMemory>) -> BTreeMap<u32, Vec<u64>> {
        let name = &self.state.genesis().expect("the caller saw one").name;
        let signed: BTreeMap<&str, u64> = memory
            .into_iter()
            .flat_map(|memory| memory.iter().map(|(origin, head)| (origin, head.size)))
            .collect();
        let logs = (0..).zip(self.state.logs());
        let sizes = logs.filter_map(|(index, log)| {
            let claim = self.kept.claims.get(&index).map(|claim| claim.size);
            let sizes: BTreeSet<u64> =
                signed.get(log.origin(name).as_str()).copied().into_iter().chain(claim).collect();
            (!sizes.is_empty()).then(|| (index, sizes.into_iter().collect()))
        });
        sizes.collect()
    }

    /// How many records of each log are under a head that is there.
    pub(super) fn covered(&self) -> Vec<u64> {
        let logs = (0..).zip(self.state.logs());
        let covered = logs.map(|(index, log)| {
            let kept = self.kept.claims.get(&index).map_or(0, |claim| claim.size);
            kept.max(self.headed.get(&log.name()).copied().unwrap_or(0))
        });
        covered.collect()
    }

    /// Holds the manifest's heads against the records in segments.
    pub(super) fn check_kept(&mut self, walked: &Walked) {
        let keys = keys(&self.state);
        let mut findings = Vec::new();
        for (index, claim) in &self.kept.claims {
            let log = &self.state.logs()[*index as usize];
            let sealed = sealed(&self.state, *index).0.size();
            let found = if claim.size == 0 { None } else { walked.roots.get(&(*index, claim.size)) };
            if claim.size == 0 {
                // Nothing is said of any record.
            } else if found == Some(&claim.root) {
                if let Some(last) = self.valid_until(*index, claim.key, &keys, walked)
                    && claim.size > last
                {
                    let origin = log.origin(&self.state.genesis().expect("there are logs").name);
                    findings.push(self.kept.wrong(format!(
                        "of log {origin} is signed for size {} by a key that another had followed at size {last}",
                        claim.size
                    )));
                    continue;
                }
                let newest = self.matched.entry(log.name()).or_insert((claim.size, claim.root));
                *newest = (*newest).max((claim.size, claim.root));
                let headed = self.headed.entry(log.name()).or_insert(0);
                *headed = (*headed).max(claim.size);
            } else if found.is_some() || claim.size > sealed || !self.broken.contains(&log.name()) {
                findings.push(Finding::Kept {
                    tenant: log.tenant.clone(),
                    log: log.kind,
                    good: 0,
                    signed: claim.size,
                    name: self.kept.manifest.clone(),
                });
            }
        }
        findings.into_iter().for_each(|finding| self.found(finding));
    }

    /// The largest size of a log that a key may have signed; none for the one that signs it now.
    fn valid_until(&self, log: u32, key: usize, keys: &[VerifierKey], walked: &Walked) -> Option<u64> {
        let shared = self.state.keys();
        let shared = shared.read().expect("no holder of this lock panics");
        let now = shared.rotations.key_of(log, self.state.genesis()?)?;
        let now = keys.iter().position(|key| *key == now)?;
        if key == now {
            return None;
        }
        let told = walked.told.get(&log).into_iter().flatten().copied();
        let in_tail = self.state.tail.stretches.get(&log).into_iter().flat_map(|stretch| {
            let rows = (stretch.first()..).zip(&stretch.rows);
            rows.filter(|(_, row)| row.stated == Some(EntryKind::Key)).map(|(position, _)| position)
        });
        let told: Vec<u64> = told.chain(in_tail).collect();
        // The entries in a log are those of the keys up to the one that signs it now.
        let followed = now.checked_sub(key).and_then(|after| told.len().checked_sub(after));
        Some(followed.and_then(|at| told.get(at)).copied().unwrap_or(0))
    }

    /// Tells of records that no head covers, where one must.
    pub(super) fn check_covered(&mut self, walked: Walked) {
        if self.blind || self.kept.is_missing {
            // What the journal has is not known, its heads included; or the folder is from before heads were kept, when records were
            // without one for as long as a service stood still.
            return;
        }
        let mut seconds = walked.seconds;
        let newest_at = self.state.last_head_at.max(self.kept.newest_at);
        let (mut spans, mut late) = (Vec::new(), Vec::new());
        for (index, log) in (0..).zip(self.state.logs()) {
            let first = self.headed.get(&log.name()).copied().unwrap_or(0);
            if first >= log.size() {
                continue;
            }
            let tail = self.state.tail.stretches.get(&index);
            let rows = tail.into_iter().flat_map(|stretch| (stretch.first()..).zip(&stretch.rows));
            let times = rows.filter(|(position, _)| *position >= first).map(|(_, row)| row.received_at);
            let times: Vec<i64> = times.map(Timestamp::as_micros).collect();
            let oldest = walked.uncovered.get(&index).copied().or_else(|| times.first().copied());
            seconds.extend(times.into_iter().map(second).take(SECONDS_MAX + 1));
            let span = Span {
                tenant: log.tenant.clone(),
                log: log.kind,
                first: Position(first),
                last: Position(log.size() - 1),
            };
            if oldest
                .zip(newest_at)
                .is_some_and(|(oldest, newest)| newest.saturating_sub(oldest) > LATE_US_MAX)
            {
                late.push(span.clone());
            }
            spans.push(span);
        }
        let holds = if seconds.len() > SECONDS_MAX { spans } else { late };
        if !holds.is_empty() {
            self.found(Finding::Unsigned { holds });
        }
    }
}

/// The second of an instant.
fn second(us: i64) -> i64 {
    us.div_euclid(SECOND_US)
}

/// Notes the second of a record that no head covers; of many only that there are many.
pub(super) fn note_second(seconds: &mut BTreeSet<i64>, received_at: i64) {
    if seconds.len() <= SECONDS_MAX {
        seconds.insert(second(received_at));
    }
}
