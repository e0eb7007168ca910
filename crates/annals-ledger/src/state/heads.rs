//! The signed heads that the journal may forget and the ledger may not: of each log the newest.
//!
//! A head speaks of the logs that changed since the one before, under one signature. So it is kept whole for as long as it is the
//! newest of any of its logs. Logs that change at different paces would keep many heads alive for the sake of few logs: when heads
//! hold much more than what is newest in them, those of the logs that are to blame are signed anew, and the next head speaks of
//! them all.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_tree::head::SignedHead;
use annals_tree::origin::LogName;

use crate::log::Log;

/// Signed heads as they are stored, in the order in which they were signed.
pub(crate) type HeadBytes = Vec<Arc<[u8]>>;

/// What a log takes in a head.
const LOG_BYTES: u64 = 57;

/// Heads may hold so many times what is newest in them.
const WASTE_MAX: u64 = 2;

/// And besides so many bytes: a few heads of few logs are not worth another signature.
const WASTE_BYTES_FREE: u64 = 256 << 10;

/// Heads whose logs are signed anew at a time. One comes when one is signed, so these become fewer.
const RENEWED: usize = 4;

/// See the module.
#[derive(Default)]
pub(crate) struct Heads {
    /// By numbers that rise.
    kept: BTreeMap<u64, Kept>,
    next: u64,
    /// Of each log, by its index, the number of its newest head and the size there.
    newest: Vec<Option<(u64, u64)>>,
    bytes: u64,
    /// Logs that have a head.
    live: u64,
    /// So many logs may have had a head that was forgotten: those of a manifest that kept none.
    unknown: usize,
}

struct Kept {
    head: Arc<[u8]>,
    /// Logs of which it is the newest.
    live: u64,
}

impl Kept {
    fn wasted(&self) -> u64 {
        (self.head.len() as u64).saturating_sub(self.live * LOG_BYTES)
    }
}

impl Heads {
    /// What a manifest kept; none for one from before manifests did.
    pub(crate) fn resume(kept: Option<HeadBytes>, by_name: &BTreeMap<LogName, u32>) -> Self {
        let unknown = if kept.is_some() { 0 } else { by_name.len() };
        let mut heads = Self { unknown, ..Self::default() };
        for head in kept.into_iter().flatten() {
            let Ok(signed) = SignedHead::decode(&head) else { continue };
            let claims = signed.head.logs.iter();
            let claims: Vec<_> =
                claims.filter_map(|claim| Some((*by_name.get(&claim.log)?, claim.size))).collect();
            heads.note(head, &claims);
        }
        heads
    }

    /// A head that follows all others, with its logs and their sizes.
    pub(crate) fn note(&mut self, head: Arc<[u8]>, claims: &[(u32, u64)]) {
        let number = self.next;
        self.next += 1;
        for (log, size) in claims {
            let log = *log as usize;
            if self.newest.len() <= log {
                self.newest.resize(log + 1, None);
            }
            match self.newest[log].replace((number, *size)) {
                Some((before, _)) => self.release(before),
                None => self.live += 1,
            }
        }
        if !claims.is_empty() {
            self.bytes += head.len() as u64;
            self.kept.insert(number, Kept { head, live: claims.len() as u64 });
        }
    }

    fn release(&mut self, number: u64) {
        let Some(kept) = self.kept.get_mut(&number) else { return };
        kept.live -= 1;
        if kept.live == 0 {
            self.bytes -= kept.head.len() as u64;
            self.kept.remove(&number);
        }
    }

    /// So many records of a log are under its newest head.
    pub(crate) fn size(&self, log: u32) -> u64 {
        self.newest.get(log as usize).copied().flatten().map_or(0, |(_, size)| size)
    }

    /// For a manifest: all that are kept. None while logs that were signed before that may have no head here.
    pub(crate) fn to_keep(&self, logs: &[Log]) -> Option<HeadBytes> {
        // Behind a manifest that kept none, every log is signed anew at the start.
        let unknown = (0..).zip(logs).take(self.unknown);
        let is_whole = unknown.into_iter().all(|(index, log)| self.size(index) > 0 || log.size() == 0);
        is_whole.then(|| self.kept.values().map(|kept| kept.head.clone()).collect())
    }

    /// Logs to be signed anew although they did not change, as too much is kept for their sake.
    pub(crate) fn to_renew(&self, by_name: &BTreeMap<LogName, u32>) -> Vec<u32> {
        if self.bytes <= WASTE_BYTES_FREE + WASTE_MAX * LOG_BYTES * self.live {
            return Vec::new();
        }
        let mut worst: Vec<_> = self.kept.iter().collect();
        worst.sort_unstable_by_key(|(_, kept)| std::cmp::Reverse(kept.wasted()));
        let mut logs = Vec::new();
        for (number, kept) in worst.into_iter().take(RENEWED) {
            let Ok(signed) = SignedHead::decode(&kept.head) else { continue };
            let indexes = signed.head.logs.iter().filter_map(|claim| by_name.get(&claim.log).copied());
            let is_newest = |log: &u32| {
                self.newest.get(*log as usize).copied().flatten().is_some_and(|(newest, _)| newest == *number)
            };
            logs.extend(indexes.filter(is_newest));
        }
        logs
    }
}

#[cfg(test)]
mod tests {
    use annals_event::TenantId;
    use annals_tree::Hash;
    use annals_tree::head::{Head, HeadLog};
    use annals_tree::note::SigningKey;
    use annals_tree::origin::LogKind;

    use super::*;

    fn name(index: u32) -> LogName {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&index.to_be_bytes());
        LogName { kind: LogKind::Tenant, id }
    }

    fn head(logs: &[(u32, u64)]) -> Arc<[u8]> {
        let claim =
            |(index, size): &(u32, u64)| HeadLog { log: name(*index), size: *size, root: Hash([1; 32]) };
        let head = Head { at_us: 1, ledger_size: 1, logs: logs.iter().map(claim).collect() };
        let key = SigningKey::from_seed("log.example", &[1; 32]).unwrap();
        head.sign(&key).unwrap().encode().unwrap().into()
    }

    fn noted(heads: &mut Heads, logs: &[(u32, u64)]) {
        heads.note(head(logs), logs);
    }

    #[test]
    fn of_each_log_the_newest_head_is_kept_and_no_other() {
        let mut heads = Heads::default();
        noted(&mut heads, &[(0, 1), (1, 1)]);
        noted(&mut heads, &[(0, 2)]);
        assert_eq!(heads.to_keep(&[]).unwrap(), [head(&[(0, 1), (1, 1)]), head(&[(0, 2)])]);
        noted(&mut heads, &[(1, 5)]);
        assert_eq!(heads.to_keep(&[]).unwrap(), [head(&[(0, 2)]), head(&[(1, 5)])]);
        assert_eq!([0, 1, 2].map(|log| heads.size(log)), [2, 5, 0]);
        let by_name = (0..2).map(|index| (name(index), index)).collect();
        let resumed = Heads::resume(heads.to_keep(&[]), &by_name);
        assert_eq!([0, 1, 2].map(|log| resumed.size(log)), [2, 5, 0]);
        assert_eq!((resumed.bytes, resumed.live), (heads.bytes, heads.live));
    }

    #[test]
    fn what_a_manifest_without_heads_left_is_whole_once_each_log_is_signed() {
        let tenant = TenantId::new("acme").unwrap();
        let mut log = Log::new([1; 16], LogKind::Tenant, tenant);
        log.tree.push(Hash([1; 32]), &mut |_, _, _| {});
        let logs = [log];
        let mut heads = Heads::resume(None, &[(logs[0].name(), 0)].into());
        assert_eq!(heads.to_keep(&logs), None);
        noted(&mut heads, &[(0, 1)]);
        assert_eq!(heads.to_keep(&logs).unwrap().len(), 1);
    }

    #[test]
    fn heads_kept_for_few_logs_are_given_up_for_new_ones() {
        let by_name: BTreeMap<LogName, u32> = (0..3_000).map(|index| (name(index), index)).collect();
        let mut heads = Heads::default();
        let mut most = 0;
        // Each head speaks of the same 500 logs and of one that changes this once.
        for turn in 0..2_000_u32 {
            let mut logs: BTreeMap<u32, u64> = (0..500).map(|log| (log, u64::from(turn) + 1)).collect();
            logs.insert(1_000 + turn, 1);
            logs.extend(heads.to_renew(&by_name).into_iter().map(|log| (log, u64::from(turn) + 1)));
            let logs: Vec<_> = logs.into_iter().collect();
            noted(&mut heads, &logs);
            most = most.max(heads.bytes);
        }
        let live = LOG_BYTES * heads.live;
        assert_eq!(heads.live, 2_500);
        let room = WASTE_BYTES_FREE + WASTE_MAX * live + 60 * LOG_BYTES * 1_000;
        assert!(most < room, "{most} bytes, {live} of them needed");
        assert!((0..2_000).all(|turn| heads.size(1_000 + turn) > 0));
    }
}
