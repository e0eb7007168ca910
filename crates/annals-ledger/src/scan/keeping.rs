//! What decides how long a record is kept, without reading the record.

use annals_event::Timestamp;
use annals_segment::Damaged;

use super::{From, Passed, Readers};
use crate::sealed::time;

/// What decides how long a record is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keeping {
    pub(crate) class: u16,
    /// It is a statement, which stays.
    pub(crate) stated: bool,
    pub(crate) received_at: Timestamp,
    pub(crate) sealed: bool,
}

impl Passed {
    /// What decides how long it is kept; of a sealed record nothing else is read.
    pub(crate) fn keeping(&self, readers: &mut Readers) -> Result<Keeping, Damaged> {
        match &self.from {
            From::Tail(record) => Ok(Keeping {
                class: record.class,
                stated: record.stated.is_some(),
                received_at: record.received_at,
                sealed: false,
            }),
            From::Sealed { part, row } => {
                let reader = readers.of(part);
                let kind = reader.kind(*row)?;
                let received_at = time(reader.received_at(*row)?);
                Ok(Keeping { class: kind.class, stated: kind.stated != 0, received_at, sealed: true })
            }
        }
    }
}
