//! The lines of a bundle's log: cut by one thread, checked by as many as there are cores, handed on in order.
//!
//! Pieces of whole lines go to the workers in turn, and what they made of them is taken back in the same turn, so the order needs
//! no memory. Each worker has one piece at hand and one waiting: what is held at once is bounded by the number of workers, of
//! which there are at most [`WORKERS_MAX`], and the longest line.

use std::borrow::Cow;
use std::io::{self, Read};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use annals_bundle::{Checked, Hex, LINE_BYTES_MAX, Part, Shown, check_parts};
use annals_event::json::Document;
use annals_event::{UnitScratch, rebuild, units};
use annals_server::bundle::{Lens, Row, Seen, Truth, Withheld, hidden_between};
use sha2::{Digest as _, Sha256};

/// Most threads that check lines.
pub(crate) const WORKERS_MAX: usize = 12;

/// About how many bytes of lines are checked at a time.
const PIECE_BYTES: usize = 256 << 10;

/// What the lines are held against, each by itself.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The filter; none takes everything.
    pub(crate) lens: Option<Lens>,
    /// What is withheld on purpose.
    pub(crate) withheld: Withheld,
    /// Events are still wanted for a list.
    pub(crate) rows: AtomicBool,
}

/// What a line shows.
#[derive(Debug)]
pub(crate) struct Seeing {
    pub(crate) checked: Checked,
    /// Whether the filter takes the event.
    pub(crate) truth: Truth,
    /// Units are shown, and those that are not are withheld on purpose.
    pub(crate) is_disclosed: bool,
    /// For a list.
    pub(crate) row: Option<Row>,
}

/// The log as it was read.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) bytes: u64,
    pub(crate) sha256: Hex<32>,
}

/// Why reading ended early.
#[derive(Debug)]
pub(crate) enum Stopped {
    /// The lines cannot be read.
    Read(io::Error),
    /// A line is none of a bundle's.
    Line(String),
    /// Whoever was told wants no more.
    Enough,
}

/// What came of a piece: what its lines show, up to one that cannot be read.
type Ended = Result<(), String>;
type Piece = (Vec<Seeing>, Ended);

/// Checks lines and hands on, in order, what each shows, until `take` says that it is enough.
///
/// # Errors
///
/// [`Stopped`]; what came before was handed on.
pub(crate) fn check(
    mut from: impl Read + Send,
    asked: &Asked,
    take: &mut dyn FnMut(Seeing) -> bool,
) -> Result<Content, Stopped> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get).min(WORKERS_MAX);
    thread::scope(|scope| {
        let (mut pieces, mut made) = (Vec::new(), Vec::new());
        for _ in 0..workers {
            let (piece, to_check) = sync_channel::<Vec<u8>>(1);
            let (done, checked) = sync_channel::<Piece>(1);
            let thread = thread::Builder::new().name("check".to_owned());
            let spawned = thread.spawn_scoped(scope, move || {
                let mut worker = Worker::default();
                // Whoever takes what is made may have had enough.
                while let Ok(lines) = to_check.recv() {
                    if done.send(worker.check(&lines, asked)).is_err() {
                        return;
                    }
                }
            });
            spawned.map_err(Stopped::Read)?;
            pieces.push(piece);
            made.push(checked);
        }
        let reading = scope.spawn(move || {
            let mut turn = pieces.iter().cycle();
            cut(&mut from, &mut |piece| turn.next().is_some_and(|worker| worker.send(piece).is_ok()))
        });
        let taken = take_all(made, take);
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken?;
        read
    })
}

fn take_all(made: Vec<Receiver<Piece>>, take: &mut dyn FnMut(Seeing) -> bool) -> Result<(), Stopped> {
    for worker in made.iter().cycle() {
        // The first that has nothing more is at the end.
        let Ok((seen, ended)) = worker.recv() else { break };
        for seeing in seen {
            if !take(seeing) {
                return Err(Stopped::Enough);
            }
        }
        ended.map_err(Stopped::Line)?;
    }
    Ok(())
}

/// Cuts what is read into pieces of whole lines.
fn cut(from: &mut impl Read, give: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<Content, Stopped> {
    let mut hash = Sha256::new();
    let (mut bytes, mut rest) = (0, Vec::new());
    loop {
        let mut piece = std::mem::take(&mut rest);
        let known = piece.len();
        let wanted = (known + PIECE_BYTES) as u64;
        from.by_ref().take(wanted - known as u64).read_to_end(&mut piece).map_err(Stopped::Read)?;
        let read = piece.len() - known;
        hash.update(&piece[known..]);
        bytes += read as u64;
        let is_end = read == 0;
        let end = memrchr(b'\n', &piece).map_or(0, |at| at + 1);
        rest = piece.split_off(end);
        if rest.len() > LINE_BYTES_MAX {
            return Err(Stopped::Line(format!("a line of more than {LINE_BYTES_MAX} bytes")));
        }
        if !piece.is_empty() && !give(piece) {
            return Err(Stopped::Enough);
        }
        if is_end {
            return match rest.is_empty() {
                true => Ok(Content { bytes, sha256: Hex(hash.finalize().into()) }),
                false => Err(Stopped::Line("the last line is cut short".to_owned())),
            };
        }
    }
}

fn memrchr(byte: u8, bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|other| *other == byte)
}

/// Units that are no event's.
struct NoEvent;

/// Working memory of a thread.
#[derive(Default)]
struct Worker {
    document: Document,
    scratch: UnitScratch,
}

impl Worker {
    fn check(&mut self, lines: &[u8], asked: &Asked) -> Piece {
        let mut seen = Vec::new();
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            match self.look(line.strip_suffix(b"\n").unwrap_or(line), asked) {
                Ok(seeing) => seen.push(seeing),
                Err(error) => return (seen, Err(error)),
            }
        }
        (seen, Ok(()))
    }

    fn look(&mut self, line: &[u8], asked: &Asked) -> Result<Seeing, String> {
        let mut parts = Vec::new();
        let checked = check_parts(line, &mut |_, shown| parts = shown).map_err(|error| error.to_string())?;
        let mut seeing = Seeing { checked, truth: Truth::Unknown, is_disclosed: false, row: None };
        let Checked::Record(record) = &mut seeing.checked else { return Ok(seeing) };
        if record.problem.is_some() {
            return Ok(seeing);
        }
        let Ok(event) = self.event(&parts) else {
            record.problem = Some("the units that are shown make no event");
            return Ok(seeing);
        };
        let names = parts.iter().map(|part| match part {
            Part::Shown(name, _) => Some(&**name),
            Part::Hidden(_) => None,
        });
        let hidden = hidden_between(names);
        let is_shown = record.shown == Shown::Units && event.is_some();
        let seen = Seen {
            position: record.position,
            received_at_ms: record.entry.received_at_ms,
            event: event.as_deref(),
            units: parts.len(),
            hidden: &hidden,
        };
        seeing.truth = asked.lens.as_ref().map_or(Truth::Yes, |lens| lens.look(&seen, &mut self.document));
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
            && asked.rows.load(Ordering::Relaxed)
            && let Some(event) = &event
        {
            let received_at_ms = record.entry.received_at_ms;
            seeing.row = Some(Row::new(record.position, received_at_ms, event, &mut self.document));
        }
        Ok(seeing)
    }

    /// What the shown units make. All units together must be those that the event splits into.
    fn event(&mut self, parts: &[Part<'_>]) -> Result<Option<Vec<u8>>, NoEvent> {
        if !matches!(parts.first(), Some(Part::Shown(..))) {
            return Ok(None);
        }
        let shown: Vec<(&Cow<'_, str>, &Cow<'_, str>)> = parts
            .iter()
            .filter_map(|part| match part {
                Part::Shown(name, value) => Some((name, value)),
                Part::Hidden(_) => None,
            })
            .collect();
        let event =
            rebuild(shown.iter().map(|(name, value)| (&***name, value.as_bytes()))).map_err(|_| NoEvent)?;
        if shown.len() == parts.len() {
            let mut at = 0;
            let mut is_same = true;
            let split = units(&event, &mut self.scratch, |name, value| {
                let expected = shown.get(at);
                is_same &=
                    expected.is_some_and(|(other, bytes)| ***other == *name && bytes.as_bytes() == value);
                at += 1;
            });
            if split.is_err() || !is_same || at != shown.len() {
                return Err(NoEvent);
            }
        }
        Ok(Some(event))
    }
}
