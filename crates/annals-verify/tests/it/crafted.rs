//! Bundles of logs that annals does not write, and of one whose key changed.

use annals_bundle::Mode;
use annals_tree::entry::EntryKind;
use annals_tree::note::SigningKey;
use annals_tree::succession::Succession;
use serde_json::json;

use crate::builder::*;

/// The key that follows [`SEED`].
pub(crate) const NEXT_SEED: [u8; 32] = [8; 32];

fn gap_free(log: &Log, withheld: &[&str], shows: &[Show], seed: &[u8; 32]) -> Files {
    let range = (0, log.tree.size());
    Files::signed(log, &Asked { mode: Mode::GapFree, range, filter: None, withheld, shows }, seed)
}

/// A log of five records, the last but one of which says that another key signs from three records on. It is signed by this key.
fn rotated_by(seed: &[u8; 32]) -> Files {
    let ledger = |seed| SigningKey::from_seed("log.example", seed).unwrap();
    let (old, new) = (ledger(&SEED), ledger(&NEXT_SEED));
    let succession = Succession::sign(&old, &new).unwrap();
    let mut log = Log::new();
    for at in 0..5 {
        if at == 3 {
            let states = json!({"from": 3, "new": new.verifier_key().to_string(), "old": old.verifier_key().to_string(), "succession": succession.note()});
            log.state(EntryKind::Key, &json!({"action": "annals.signing_key.rotate", "metadata": states}));
        } else {
            log.event(0, &format!(r#"{{"action":"note.create","id":"e{at}"}}"#));
        }
    }
    gap_free(&log, &[], &vec![Show::Whole; 5], seed)
}

pub(crate) fn rotated() -> Files {
    rotated_by(&NEXT_SEED)
}

/// The old key signs on, though the log says that it does not.
pub(crate) fn stepped_back() -> Files {
    rotated_by(&SEED)
}

/// One event of these units, of which the last one is withheld.
fn of_units(units: &[(&str, &str)]) -> Files {
    let mut log = Log::new();
    log.units(0, units.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    let hidden = units.len() - 1;
    let show = log.parts(0, |number, _| if number as usize == hidden { Part::Hidden } else { Part::Shown });
    gap_free(&log, &["/metadata/*"], &[show], &SEED)
}

pub(crate) fn not_canonical() -> Files {
    of_units(&[
        ("", r#"{"action":"note.create","id":"e0"}"#),
        ("/context", r#"{"location": "Ghent"}"#),
        ("/metadata/a", "1"),
    ])
}

/// Who acted is said where nothing can be erased.
pub(crate) fn envelope_has_more() -> Files {
    of_units(&[("", r#"{"action":"note.create","actor":{"id":"u1"},"id":"e0"}"#), ("/metadata/a", "1")])
}

/// Nobody can tell whether the filter takes an event that is shown whole.
pub(crate) fn time_is_none() -> Files {
    let mut log = Log::new();
    log.event(0, r#"{"action":"note.create","id":"e0","occurred_at":"yesterday"}"#);
    let filter = Some("until=2030-01-01T00:00:00Z");
    let asked = Asked { mode: Mode::GapFree, range: (0, 1), filter, withheld: &[], shows: &[Show::Whole] };
    Files::of(&log, &asked)
}
