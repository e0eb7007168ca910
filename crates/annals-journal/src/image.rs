//! Making the bytes of a journal's file elsewhere than in its folder, for backups.

use crate::{
    BATCH_BYTES_MAX, GROUP_BYTES_MAX, JournalId, Place,
    format::{self, FILE_HEADER_BYTES, FileHeader, aligned},
};

/// One file of a journal in memory, as [`mod@crate::format`] has it.
///
/// Put into an empty folder under [`file_name`](Self::file_name), it is a journal that begins at the place given and holds the
/// batches pushed; several do as well when each begins where the one before ends. The same batches from the same place on give
/// the same bytes, however they were grouped where they come from.
#[derive(Debug)]
pub struct Image {
    id: JournalId,
    first: Place,
    next: Place,
    bytes: Vec<u8>,
    /// The group that is being filled: its first place and the bytes of payload in it.
    group: Option<(Place, usize)>,
}

impl Image {
    /// A file without a batch.
    #[must_use]
    pub fn new(id: JournalId, first: Place) -> Self {
        let bytes = FileHeader { id, first }.encode().to_vec();
        Self { id, first, next: first, bytes, group: None }
    }

    /// Adds the batch at [`next`](Self::next).
    ///
    /// # Panics
    ///
    /// When the batch is empty or longer than [`BATCH_BYTES_MAX`]: no journal gives such a one.
    pub fn push(&mut self, batch: &[u8]) {
        assert!((1..=BATCH_BYTES_MAX).contains(&batch.len()), "a batch has 1 to BATCH_BYTES_MAX bytes");
        let open = self.group.filter(|(_, payload)| payload + batch.len() <= GROUP_BYTES_MAX);
        let (group, payload) = open.unwrap_or_else(|| {
            let start = usize::try_from(aligned(self.bytes.len() as u64)).expect("it is in memory");
            self.bytes.resize(start, 0);
            (self.next, 0)
        });
        format::push_frame(&mut self.bytes, self.id, self.next, group, batch);
        self.group = Some((group, payload + batch.len()));
        self.next = self.next.plus(1);
    }

    /// The place of the next batch.
    #[must_use]
    pub fn next(&self) -> Place {
        self.next
    }

    /// The place of the first batch.
    #[must_use]
    pub fn first(&self) -> Place {
        self.first
    }

    /// The name that the file must have.
    #[must_use]
    pub fn file_name(&self) -> String {
        format::file_name(self.first)
    }

    /// Whether there is no batch in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.len() == FILE_HEADER_BYTES
    }

    /// Bytes until now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The file's bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
