//! The folder of segments as an audit finds it: the newest manifest that can be read, and its segments, as far as they open.

use std::io;
use std::sync::Arc;

use annals_segment::Damaged;
use annals_segment::segment::Segment;

use super::finding::{Finding, Span};
use crate::manifest::{Manifest, ManifestError, SegmentEntry};
use crate::sealed::{Part, Parts};
use crate::store::{Store, StoreError, segment_name};

/// See the module.
#[derive(Default)]
pub(super) struct Folder {
    /// What was found while it was opened.
    pub(super) findings: Vec<Finding>,
    /// Taken by whoever restores the state.
    pub(super) manifest: Option<Manifest>,
    /// Number of the newest manifest that was there.
    newest: Option<u64>,
    /// Segments of the manifest, in the order of the ledger.
    pub(super) segments: Vec<Listed>,
}

/// A segment that the manifest names.
pub(super) struct Listed {
    pub(super) name: String,
    /// Or why it cannot be read.
    pub(super) segment: Result<Arc<Segment>, String>,
    /// What is needed to look for ids; none when that cannot be read.
    part: Option<Arc<Part>>,
    /// What was damaged when that was read.
    pub(super) damaged: Option<Damaged>,
    /// What it should hold, as far as its neighbours tell; found out while it is missed.
    pub(super) holds: Vec<Span>,
}

impl Folder {
    /// Reads the manifests and opens the segments of the newest one that can be read.
    pub(super) fn open(store: Option<&Store>) -> Result<Self, StoreError> {
        let mut folder = Self::default();
        let Some(store) = store else { return Ok(folder) };
        for (number, name) in store.manifests()?.into_iter().rev() {
            let manifest = match store.manifest(&name) {
                // It was not needed any more, and was removed since.
                Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error @ StoreError::Manifest { cause: ManifestError::Version { .. }, .. }) => {
                    return Err(error);
                }
                Err(StoreError::Manifest { cause, .. }) => Err(cause.to_string()),
                Err(error) => Err(error.to_string()),
                Ok(manifest) if manifest.head.number != number => {
                    Err(format!("it is the one with number {}", manifest.head.number))
                }
                Ok(manifest) => Ok(manifest),
            };
            folder.newest = folder.newest.max(Some(number));
            match manifest {
                Ok(manifest) if folder.manifest.is_none() => folder.manifest = Some(manifest),
                Ok(_) => {}
                Err(cause) => folder.findings.push(Finding::Manifest { name, cause }),
            }
        }
        let entries = folder.manifest.as_ref().map(|manifest| manifest.head.segments.clone());
        let mut after = 0;
        for (slot, entry) in (0..).zip(entries.unwrap_or_default()) {
            let listed = Listed::open(store, &entry, slot, after);
            after = listed.part.as_ref().map_or(after, |part| part.seqs.end);
            folder.segments.push(listed);
        }
        Ok(folder)
    }

    /// The segments in which ids are looked for.
    pub(super) fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        let mut end = 0;
        // Numbers that do not follow each other are told of when the segment is gone through.
        for part in self.segments.iter().filter_map(|listed| listed.part.as_ref()) {
            if part.seqs.start >= end {
                end = part.seqs.end;
                parts.push(part.clone());
            }
        }
        parts
    }

    /// Every segment of the manifest is there.
    pub(super) fn is_whole(&self) -> bool {
        self.segments.iter().all(|listed| listed.segment.is_ok())
    }

    /// Whether the ledger went on to another manifest since this was opened.
    pub(super) fn is_outdated(&self, store: Option<&Store>) -> Result<bool, StoreError> {
        let Some(store) = store else { return Ok(false) };
        Ok(store.manifests()?.last().map(|(number, _)| *number) > self.newest)
    }
}

impl Listed {
    fn open(store: &Store, entry: &SegmentEntry, slot: u16, after: u64) -> Self {
        let name = segment_name(entry.number);
        let segment = match store.open(entry) {
            Ok(segment) if u64::from(segment.rows()) == entry.rows => Ok(segment),
            Ok(segment) => Err(format!("has {} records instead of {}", segment.rows(), entry.rows)),
            Err(StoreError::Segment { what, .. }) => Err(what),
            Err(StoreError::Damaged(damaged)) => Err(format!("cannot be opened: {}", damaged.what)),
            Err(error) => Err(format!("cannot be opened: {error}")),
        };
        let part = segment
            .as_ref()
            .ok()
            .map(|segment| Part::new(entry.number, slot, segment.clone(), entry.bytes, after).map(Arc::new));
        let (part, damaged) = match part {
            Some(Ok(part)) => (Some(part), None),
            Some(Err(damaged)) => (None, Some(damaged)),
            None => (None, None),
        };
        Self { name, segment, part, damaged, holds: Vec::new() }
    }
}
