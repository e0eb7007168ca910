//! One line of a bundle's log, held against what was asked: by itself, on any thread.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use annals_bundle::{Checked, Part, Shown, check_parts};
use annals_event::json::Document;
use annals_event::{Rebuilder, UnitScratch, units};

use crate::lens::{Lens, Seen, Truth, Withheld, hidden_between};
use crate::row::Row;

/// What the lines are held against, each by itself.
#[derive(Debug, Default)]
pub struct Asked {
    /// The filter; none takes everything.
    pub lens: Option<Lens>,
    /// What is withheld on purpose.
    pub withheld: Withheld,
    /// Events are still wanted for a list.
    pub rows: AtomicBool,
    /// Events themselves are wanted, as bytes.
    pub events: bool,
}

/// What a line shows.
#[derive(Debug)]
pub struct Seeing {
    /// The line itself.
    pub checked: Checked,
    /// Whether the filter takes the event.
    pub truth: Truth,
    /// Units are shown, and those that are not are withheld on purpose.
    pub is_disclosed: bool,
    /// For a list.
    pub row: Option<Row>,
    /// The bytes of an event that is disclosed and that the filter takes, or may take, if they are wanted.
    pub event: Option<Vec<u8>>,
}

/// Units that are no event's.
struct NoEvent;

/// Looks at lines, one after the other; its memory is used again for each.
#[derive(Default)]
pub struct Looker {
    document: Document,
    rebuilder: Rebuilder,
    scratch: UnitScratch,
    event: Vec<u8>,
}

impl Looker {
    /// Checks lines: what they show, up to one that is none of a bundle's.
    pub fn piece(&mut self, lines: &[u8], asked: &Asked) -> (Vec<Seeing>, Result<(), String>) {
        let mut seen = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match self.look(line.strip_suffix(b"\n").unwrap_or(line), asked) {
                Ok(seeing) => seen.push(seeing),
                Err(error) => return (seen, Err(error)),
            }
        }
        (seen, Ok(()))
    }

    /// Checks a line, without its end, by itself and against what was asked.
    ///
    /// # Errors
    ///
    /// It is none of a bundle's, in words. Nothing behind it can be checked.
    pub fn look(&mut self, line: &[u8], asked: &Asked) -> Result<Seeing, String> {
        let mut parts = Vec::new();
        let checked = check_parts(line, &mut |_, shown| parts = shown).map_err(|error| error.to_string())?;
        let mut seeing =
            Seeing { checked, truth: Truth::Unknown, is_disclosed: false, row: None, event: None };
        let Checked::Record(record) = &mut seeing.checked else { return Ok(seeing) };
        if record.problem.is_some() {
            return Ok(seeing);
        }
        let Ok(is_event) = self.event(&parts) else {
            record.problem = Some("the units that are shown make no event");
            return Ok(seeing);
        };
        let event = is_event.then_some(&self.event[..]);
        let names = parts.iter().map(|part| match part {
            Part::Shown(name, _) => Some(&**name),
            Part::Hidden(_) => None,
        });
        let hidden = hidden_between(names);
        let is_shown = record.shown == Shown::Units && event.is_some();
        let seen = Seen {
            position: record.position,
            received_at_ms: record.entry.received_at_ms,
            event,
            units: parts.len(),
            hidden: &hidden,
        };
        seeing.truth = asked.lens.as_ref().map_or(Truth::Yes, |lens| lens.look(&seen, &mut self.document));
        if is_shown && hidden.is_empty() && seeing.truth == Truth::Unknown {
            record.problem = Some("the event's time or operation is none");
            return Ok(seeing);
        }
        // What is said to be erased needs an excuse of its own, which the walk looks for.
        let left_out = parts.iter().filter_map(|part| match part {
            Part::Shown(name, _) => Some(Some(&**name)),
            Part::Hidden(None) => Some(None),
            Part::Hidden(Some(_)) => None,
        });
        seeing.is_disclosed =
            is_shown && hidden_between(left_out).iter().all(|hidden| asked.withheld.could_be(hidden));
        if seeing.is_disclosed
            && seeing.truth != Truth::No
            && let Some(event) = event
        {
            if asked.rows.load(Ordering::Relaxed) {
                let received_at_ms = record.entry.received_at_ms;
                seeing.row = Some(Row::new(record.position, received_at_ms, event, &mut self.document));
            }
            seeing.event = asked.events.then(|| event.to_vec());
        }
        Ok(seeing)
    }

    /// Puts together what the shown units make; false when they are not enough for an event. All units together must be those
    /// that the event splits into.
    fn event(&mut self, parts: &[Part<'_>]) -> Result<bool, NoEvent> {
        if !matches!(parts.first(), Some(Part::Shown(..))) {
            return Ok(false);
        }
        let shown: Vec<(&Cow<'_, str>, &Cow<'_, str>)> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Shown(name, value) => Some((name, value)),
                Part::Hidden(_) => None,
            })
            .collect();
        let units_shown = shown.iter().map(|(name, value)| (&***name, value.as_bytes()));
        self.rebuilder.rebuild(units_shown, &mut self.event).map_err(|_| NoEvent)?;
        if shown.len() == parts.len() {
            let mut at = 0;
            let mut is_same = true;
            let split = units(&self.event, &mut self.scratch, |name, value| {
                let expected = shown.get(at);
                is_same &=
                    expected.is_some_and(|(other, bytes)| ***other == *name && bytes.as_bytes() == value);
                at += 1;
            });
            if split.is_err() || !is_same || at != shown.len() {
                return Err(NoEvent);
            }
        }
        Ok(true)
    }
}
