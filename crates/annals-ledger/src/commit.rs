//! Committing to an event: its units, salted and hashed.

use annals_event::{UnitScratch, units};
use annals_tree::{Committer, Hash, Secret};

/// Commits to events; keeps its buffers between them.
#[derive(Default)]
pub(crate) struct Commits {
    units: UnitScratch,
    committer: Option<Committer>,
}

impl Commits {
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
