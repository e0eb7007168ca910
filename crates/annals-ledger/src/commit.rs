//! Committing to an event: its units, salted and hashed.

use annals_event::{UnitScratch, units};
use annals_tree::entry::body_commitment;
use annals_tree::{Committer, EntryKind, Hash, Secret};

/// Commits to events; keeps its buffers between them.
#[derive(Default)]
pub(crate) struct Commits {
    units: UnitScratch,
    committer: Option<Committer>,
}

impl Commits {
    /// The commitment to a record's bytes: those of an event under its secret, those of a statement in clear.
    pub(crate) fn commit_as(
        &mut self,
        stated: Option<EntryKind>,
        bytes: &[u8],
        secret: &Secret,
    ) -> Option<Hash> {
        self.commit_as_seen(stated, bytes, secret, &mut |_, _| {})
    }

    /// As [`Commits::commit_as`]; `see` is told each unit of an event.
    pub(crate) fn commit_as_seen(
        &mut self,
        stated: Option<EntryKind>,
        bytes: &[u8],
        secret: &Secret,
        see: &mut dyn FnMut(&str, &[u8]),
    ) -> Option<Hash> {
        match stated {
            None => self.commit_seen(bytes, secret, see),
            Some(_) => Some(body_commitment(bytes)),
        }
    }

    /// The commitment to canonical bytes under a secret; none when the bytes are not an event's.
    pub(crate) fn commit(&mut self, event: &[u8], secret: &Secret) -> Option<Hash> {
        self.commit_seen(event, secret, &mut |_, _| {})
    }

    /// As [`Commits::commit`]; `see` is told each unit, also of what turns out to be no event.
    pub(crate) fn commit_seen(
        &mut self,
        event: &[u8],
        secret: &Secret,
        see: &mut dyn FnMut(&str, &[u8]),
    ) -> Option<Hash> {
        let committer = match &mut self.committer {
            Some(committer) => {
                committer.reset(secret);
                committer
            }
            none => none.insert(Committer::new(secret)),
        };
        let mut fits = true;
        units(event, &mut self.units, |name, value| {
            fits &= committer.unit(name.as_bytes(), value).is_ok();
            see(name, value);
        })
        .ok()?;
        fits.then(|| committer.finish())
    }

    /// The envelope of the event that was committed to last.
    pub(crate) fn envelope(&self) -> &[u8] {
        self.units.envelope()
    }
}
