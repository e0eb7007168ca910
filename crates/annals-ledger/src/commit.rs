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
        match stated {
            None => self.commit(bytes, secret),
            Some(_) => Some(body_commitment(bytes)),
        }
    }

    /// The commitment to canonical bytes under a secret; none when the bytes are not an event's.
    pub(crate) fn commit(&mut self, event: &[u8], secret: &Secret) -> Option<Hash> {
        let committer = match &mut self.committer {
            Some(committer) => {
                committer.reset(secret);
                committer
            }
            none => none.insert(Committer::new(secret)),
        };
        let mut fits = true;
        units(event, &mut self.units, |name, value| fits &= committer.unit(name.as_bytes(), value).is_ok())
            .ok()?;
        fits.then(|| committer.finish())
    }
}
