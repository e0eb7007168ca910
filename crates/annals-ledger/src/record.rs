//! A record as it is read: the event's bytes as they are committed, and what annals knows beside them.

use std::collections::BTreeSet;

use annals_event::filter::Known;
use annals_event::json::Limits;
use annals_event::{Extra, LedgerSeq, Operation, Position, TenantId, Timestamp, render};
use annals_segment::fate::Fate;
use annals_tree::EntryKind;
use bytes::Bytes;

use crate::batch::LogKind;
use crate::erased::{ErasedEvent, ErasedUnit};

/// Limits to parse stored events with: they were met when the events were taken.
pub(crate) const LIMITS: Limits = Limits { depth_max: usize::MAX };

/// Positions of the entries by which something of a record was erased, rising.
pub(crate) fn erased_by(fate: Option<&Fate>) -> Vec<u64> {
    let Some(Fate::Erased(bytes)) = fate else { return Vec::new() };
    let Ok(erased) = ErasedEvent::decode(bytes) else { return Vec::new() };
    let by = erased.units().iter().filter_map(|unit| match unit {
        ErasedUnit::Gone { by, .. } => Some(*by),
        ErasedUnit::Kept { .. } => None,
    });
    let by: BTreeSet<u64> = by.collect();
    by.into_iter().collect()
}

/// One record. Cloning it copies no event bytes.
#[derive(Clone, Debug)]
pub struct Record {
    /// Whose it is.
    pub tenant: TenantId,
    /// Which of the tenant's logs it stands in.
    pub log: LogKind,
    /// Its place there.
    pub position: Position,
    /// Its ledger number; none in an access log.
    pub seq: Option<LedgerSeq>,
    /// When we took it.
    pub received_at: Timestamp,
    /// When the client says it happened.
    pub occurred_at: Option<Timestamp>,
    /// Sent, or derived from the action when it was accepted.
    pub operation: Operation,
    /// The client sent no operation.
    pub operation_derived: bool,
    /// Retention class.
    pub class: u16,
    /// For a statement of the log's own, the kind of its entry.
    pub stated: Option<EntryKind>,
    /// The event's canonical bytes; of one of which something was erased, as it reads now.
    pub event: Bytes,
    /// That something of it was erased, or all of it expired.
    pub fate: Option<Fate>,
}

impl Record {
    /// The client's time, or where it sent none the time of receipt: what searches order by.
    #[must_use]
    pub fn happened_at(&self) -> Timestamp {
        self.occurred_at.unwrap_or(self.received_at)
    }

    /// What conditions see of it beside the event.
    #[must_use]
    pub fn known(&self) -> Known<'_> {
        Known {
            occurred_at: self.happened_at(),
            received_at: self.received_at,
            operation: self.operation,
            position: self.position,
            tenant: &self.tenant,
        }
    }

    /// Appends the record as one JSON object: what was sent, then `position`, `received_at` and `derived`; for a reader of
    /// all tenants also `tenant` and `ledger_seq`.
    pub fn write_json(&self, for_platform: bool, out: &mut Vec<u8>) {
        let erased = erased_by(self.fate.as_ref());
        let extra = Extra {
            position: self.position,
            received_at: self.received_at,
            derived_operation: self.operation_derived.then_some(self.operation),
            derived_occurred_at: self.occurred_at.is_none(),
            tenant: for_platform.then_some(&self.tenant),
            ledger_seq: self.seq.filter(|_| for_platform),
            kind: self.stated.map(EntryKind::number),
            erased: &erased,
        };
        render(&self.event, &extra, out);
    }
}
