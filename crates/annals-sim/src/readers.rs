//! Machines that follow a feed and remember, across the service's crashes, where they are and what they read.

use annals_event::TenantId;
use annals_ledger::{FeedScope, Ledger, LogKind};
use sha2::{Digest, Sha256};

use crate::book::{Book, LogKey, tenant_log};
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, ensure, readable};

/// One reader.
pub(crate) struct Reader {
    number: usize,
    /// None reads all tenants.
    log: Option<LogKey>,
    next: u64,
    /// Over everything read so far.
    memory: Sha256,
}

impl Reader {
    pub(crate) fn new(number: usize, tenant: Option<TenantId>) -> Self {
        let log = tenant.map(|tenant| (tenant, LogKind::Tenant));
        Self { number, log, next: 0, memory: Sha256::new() }
    }

    fn scope(&self) -> FeedScope {
        self.log.as_ref().map_or(FeedScope::All, |log| FeedScope::Log(tenant_log(log)))
    }

    /// Reads one page.
    pub(crate) fn step(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        dice: &mut Dice,
    ) -> Result<String, Broken> {
        let limit = dice.index(40) + 1;
        let read = self.read(ledger, limit)?;
        for record in &read {
            if !book.is_known(record) {
                book.catch_up(ledger, &(record.tenant.clone(), record.log))?;
            }
            ensure(book.is_known(record), Invariant::HistoryNeverChanges, || {
                format!("reader {} of {:?} read {record:?}", self.number, self.log)
            })?;
        }
        Ok(format!("reader {} is at {}", self.number, self.next))
    }

    fn read(&mut self, ledger: &Ledger, limit: usize) -> Result<Vec<annals_ledger::Record>, Broken> {
        let Some(page) = readable(|| ledger.feed(&self.scope(), self.next, limit))? else {
            ensure(self.next == 0, Invariant::HistoryNeverChanges, || format!("{:?} is gone", self.log))?;
            return Ok(Vec::new());
        };
        let told = || {
            format!(
                "reader {} of {:?} at {}: next {}, size {}",
                self.number, self.log, self.next, page.next, page.size
            )
        };
        ensure(page.size >= self.next, Invariant::HistoryNeverChanges, told)?;
        let full = (page.size - self.next).min(limit as u64);
        let whole = page.records.len() as u64 == full && page.next == self.next + full;
        ensure(whole, Invariant::ReadersMissNothing, told)?;
        for (place, record) in (self.next..).zip(&page.records) {
            let number =
                if self.log.is_some() { Some(record.position.0) } else { record.seq.map(|seq| seq.0) };
            ensure(number == Some(place), Invariant::ReadersMissNothing, || {
                format!("reader {}: {record:?} came as {place}", self.number)
            })?;
            self.memory.update(record.tenant.as_str());
            self.memory.update(record.position.0.to_be_bytes());
            self.memory.update(&record.event);
        }
        self.next = page.next;
        Ok(page.records)
    }

    /// Whether a new reader that reads as far now has read the same.
    pub(crate) fn audit(&self, ledger: &Ledger) -> Result<(), Broken> {
        let mut again = Self::new(self.number, self.log.as_ref().map(|log| log.0.clone()));
        while again.next < self.next {
            let left = usize::try_from(self.next - again.next).expect("a run stays small");
            let read = again.read(ledger, left.min(100))?;
            ensure(!read.is_empty(), Invariant::HistoryNeverChanges, || {
                format!("reader {} had read {} records", self.number, self.next)
            })?;
        }
        let same = again.memory.finalize() == self.memory.clone().finalize();
        ensure(same, Invariant::HistoryNeverChanges, || {
            format!("reader {} of {:?} had read something else", self.number, self.log)
        })
    }
}
