//! An event as it reads back: what was sent, plus what annals knows about it.

use crate::ids::{LedgerSeq, Position, TenantId};
use crate::json::write_string;
use crate::operation::Operation;
use crate::time::Timestamp;

/// What annals adds to an event in an answer.
#[derive(Clone, Copy, Debug)]
pub struct Extra<'a> {
    /// The record's position in its tenant.
    pub position: Position,
    /// When annals received it.
    pub received_at: Timestamp,
    /// The derived operation; `None` when the event itself has one.
    pub derived_operation: Option<Operation>,
    /// The event has no `occurred_at`: `derived.occurred_at` repeats `received_at`.
    pub derived_occurred_at: bool,
    /// The tenant, where one answer spans several.
    pub tenant: Option<&'a TenantId>,
    /// The place in the ledger of all tenants, for platform reads.
    pub ledger_seq: Option<LedgerSeq>,
    /// The record's kind, where it is not an event a client sent (VERIFY's entry kinds, 1 to 5).
    pub kind: Option<u8>,
    /// Positions of the entries by which some of it was erased; empty where nothing was.
    pub erased: &'a [u64],
}

/// Appends the event to `out` with annals' members after its own:
/// `{…sent…,"position":12,"received_at":"…","derived":{"operation":"update"}}`, then `tenant`,
/// `ledger_seq` and `kind` where given. `derived` is left out when there is nothing in it.
///
/// `canonical` is one object, as [`normalise`](crate::normalise) writes it; its own members are copied
/// and not looked into.
pub fn render(canonical: &[u8], extra: &Extra<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(canonical);
    render_onto(start, extra, out);
}

/// As [`render`], where the event's canonical bytes are in `out` already, from `start` to its end.
pub fn render_onto(start: usize, extra: &Extra<'_>, out: &mut Vec<u8>) {
    if out.len() > start && out.last() == Some(&b'}') {
        out.pop();
    }
    if out.len() - start > 1 {
        out.push(b',');
    }
    out.extend_from_slice(b"\"position\":");
    write_u64(extra.position.0, out);
    out.extend_from_slice(b",\"received_at\":");
    write_time(extra.received_at, out);
    if extra.derived_operation.is_some() || extra.derived_occurred_at || !extra.erased.is_empty() {
        out.extend_from_slice(b",\"derived\":{");
        for (number, by) in extra.erased.iter().enumerate() {
            out.extend_from_slice(if number == 0 { b"\"erased\":[" } else { b"," });
            write_u64(*by, out);
        }
        if !extra.erased.is_empty() {
            let is_last = extra.derived_operation.is_none() && !extra.derived_occurred_at;
            out.extend_from_slice(if is_last { b"]" } else { b"]," });
        }
        if extra.derived_occurred_at {
            out.extend_from_slice(b"\"occurred_at\":");
            write_time(extra.received_at, out);
        }
        if let Some(operation) = extra.derived_operation {
            out.extend_from_slice(if extra.derived_occurred_at {
                b",\"operation\":"
            } else {
                b"\"operation\":"
            });
            write_string(operation.as_str(), out);
        }
        out.push(b'}');
    }
    if let Some(tenant) = extra.tenant {
        out.extend_from_slice(b",\"tenant\":");
        write_string(tenant.as_str(), out);
    }
    if let Some(ledger_seq) = extra.ledger_seq {
        out.extend_from_slice(b",\"ledger_seq\":");
        write_u64(ledger_seq.0, out);
    }
    if let Some(kind) = extra.kind {
        out.extend_from_slice(b",\"kind\":");
        write_u64(u64::from(kind), out);
    }
    out.push(b'}');
}

fn write_time(at: Timestamp, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(&at.to_bytes());
    out.push(b'"');
}

fn write_u64(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b"0123456789"[usize::try_from(number % 10).expect("a digit")];
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests;
