//! One line of a bundle's log, held against what was asked: by itself, on any thread.

use std::sync::atomic::{AtomicBool, Ordering};

use annals_bundle::{Checked, Part, Shown, check_parts};
use annals_event::json::Document;
use annals_event::{Rebuilder, UnitScratch};

use crate::assemble::{assemble, splits_into};
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

/// A line of an event has more bytes mostly.
const LINE_BYTES_FEW: usize = 512;

/// Units that are no event's.
struct NoEvent;

/// Looks at lines, one after the other; its memory is used again for each.
#[derive(Default)]
pub struct Looker {
    document: Document,
    rebuilder: Rebuilder,
    scratch: UnitScratch,
    canonical: Vec<u8>,
    event: Vec<u8>,
}

impl Looker {
    /// Checks lines: what they show, up to one that is none of a bundle's.
    pub fn piece(&mut self, lines: &[u8], asked: &Asked) -> (Vec<Seeing>, Result<(), String>) {
        let mut seen = Vec::with_capacity(lines.len() / LINE_BYTES_FEW);
        let (mut begin, ends) = (0, memchr::memchr_iter(b'\n', lines).chain([lines.len()]));
        for end in ends {
            let line = &lines[begin..end];
            // Nothing behind the last end of a line is no line.
            if end == lines.len() && line.is_empty() {
                break;
            }
            begin = end + 1;
            match self.look(line, asked) {
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
        let Self { document, rebuilder, scratch, canonical, event } = self;
        let shown = parts.iter().filter_map(|part| match part {
            Part::Shown(name, value) => Some((&**name, &**value)),
            Part::Hidden(_) => None,
        });
        let is_all = parts.iter().all(|part| matches!(part, Part::Shown(..)));
        if is_all && assemble(shown.clone(), document, scratch, canonical, event) {
            return Ok(true);
        }
        let values = shown.clone().map(|(name, value)| (name, value.as_bytes()));
        rebuilder.rebuild(values, event).map_err(|_| NoEvent)?;
        let event = str::from_utf8(event).map_err(|_| NoEvent)?;
        if is_all && !splits_into(event, scratch, shown) {
            return Err(NoEvent);
        }
        Ok(true)
    }
}
