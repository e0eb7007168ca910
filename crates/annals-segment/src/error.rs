//! What can be wrong with a file.

use std::sync::Arc;

use annals_event::{Position, TenantId};

/// Bytes of a segment are not what was written, or cannot be read. Nothing is repaired or guessed; only what needs these bytes
/// fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// Name of the file.
    pub file: Arc<str>,
    /// Offset in the file: of the 16 KiB block where a checksum does not match, else of what is malformed.
    pub at: u64,
    /// What is wrong there.
    pub what: Box<str>,
    /// Whose record was to be read, when it was one.
    pub record: Option<(TenantId, Position)>,
}

impl Damaged {
    /// Names the record that could not be read.
    #[must_use]
    pub fn of(mut self, tenant: &TenantId, position: Position) -> Self {
        self.record.get_or_insert_with(|| (tenant.clone(), position));
        self
    }
}

impl std::fmt::Display for Damaged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some((tenant, position)) = &self.record {
            write!(f, "tenant `{tenant}`, position {position}: ")?;
        }
        write!(
            f,
            "segment `{}`, block {} (byte {}): {}",
            self.file,
            self.at / crate::body::BLOCK_BYTES as u64,
            self.at,
            self.what
        )
    }
}

impl std::error::Error for Damaged {}
