//! Removing older backups, and what only they needed.
//!
//! The indexes go first: from then on nothing says that the objects are there. An object goes when no index that is left names it, and
//! one that was removed did, or it is old: then a backup that was never finished left it. A younger one may belong to a backup that
//! is being made.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::index::{self, Index, Kind};
use super::place::Place;
use crate::exit::{Exit, Failure};

/// Age from which an object that no index names was left behind: no backup takes so long.
const LEFT_BEHIND: Duration = Duration::from_secs(24 * 3600);

/// What went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Removed {
    pub(super) backups: u64,
    pub(super) objects: u64,
}

/// Leaves the newest `kept` backups and what they name.
pub(super) async fn keep(place: &Place, kept: u64) -> Result<Removed, Failure> {
    let listing = place.list().await?;
    let mut old = index::numbers(&listing);
    let left = old.split_off(old.len().saturating_sub(usize::try_from(kept).unwrap_or(usize::MAX)));
    let mut needed = BTreeSet::new();
    for number in left {
        // What one that cannot be read needs is not known, so nothing is removed.
        let index = index::read(place, number).await.map_err(|failure| {
            let message = format!("{}; so no older backup was removed", failure.message);
            Failure::new(Exit::Damaged, message).with_hint(
                "move that object away if another backup will do; nothing it needs is touched until then",
            )
        })?;
        needed.extend(index.objects.into_iter().map(|object| object.object));
    }
    let mut named = BTreeSet::new();
    for number in &old {
        if let Ok(index) = index::read(place, *number).await {
            named.extend(index.objects.into_iter().map(|object| object.object));
        }
    }
    for number in &old {
        place.remove(&Index::object_name(*number)).await?;
    }
    let mut removed = Removed { backups: old.len() as u64, objects: 0 };
    let now = SystemTime::now();
    for (name, listed) in listing {
        let is_ours = Kind::ALL
            .iter()
            .any(|kind| name.strip_prefix(kind.folder()).is_some_and(|rest| rest.starts_with('/')));
        let is_old = now.duration_since(listed.modified).is_ok_and(|age| age >= LEFT_BEHIND);
        if is_ours && !needed.contains(&name) && (named.contains(&name) || is_old) {
            place.remove(&name).await?;
            removed.objects += 1;
        }
    }
    Ok(removed)
}
