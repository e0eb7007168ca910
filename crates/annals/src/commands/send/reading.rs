//! The thread that reads: inputs in, events out that are ready to be sent, a few steps ahead of the sending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use annals_event::TenantId;
use annals_event::json::Document;
use tokio::sync::mpsc;

use super::gaps::{Gaps, event_id};
use super::input::{Origin, PIECE_BYTES};
use super::split::{Cut, Form, Splitter};
use crate::exit::{Exit, Failure, reason};

/// Groups read ahead: a group is what one piece of an input held, so a few MiB wait.
const AHEAD_MAX: usize = 16;

/// What the reading thread says.
pub(super) enum Told {
    /// Events, in their order.
    Events(Vec<Event>),
    /// Nothing comes before the end of this input was seen.
    Surveying(Place),
    /// That was all of it, or all that could be read.
    End(Result<(), Failure>),
}

/// An input by its place in the command, and whether it must end first.
pub(super) struct Place {
    pub(super) name: String,
    pub(super) is_kept: bool,
}

/// An event to be sent.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) text: Vec<u8>,
    /// Its length, when it is too long to be sent.
    pub(super) too_long: Option<u64>,
    /// Index of its input.
    pub(super) input: usize,
    pub(super) line: u64,
    /// Its number in the input, from 0.
    pub(super) index: u64,
    pub(super) form: Form,
    /// Bytes of all inputs that were read when it was met.
    pub(super) read_bytes: u64,
}

impl AsRef<[u8]> for Event {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Starts reading; the last thing told is [`Told::End`].
pub(super) fn start(origins: Vec<Origin>, tenant: Option<TenantId>) -> Result<mpsc::Receiver<Told>, Failure> {
    let (told, heard) = mpsc::channel(AHEAD_MAX);
    let reading = move || {
        let mut reader = Reader { tenant, document: Document::default(), told: told.clone() };
        let outcome = reader.read_all(&origins);
        // Nobody listens any more when the sending has failed.
        drop(told.blocking_send(Told::End(outcome)));
    };
    let thread = std::thread::Builder::new().name("read".to_owned()).spawn(reading);
    thread.map_err(|error| {
        Failure::new(Exit::Unavailable, format!("cannot start threads: {}", reason(&error)))
    })?;
    Ok(heard)
}

struct Reader {
    tenant: Option<TenantId>,
    document: Document,
    told: mpsc::Sender<Told>,
}

impl Reader {
    fn read_all(&mut self, origins: &[Origin]) -> Result<(), Failure> {
        let read_bytes = Arc::new(AtomicU64::new(0));
        for (index, origin) in origins.iter().enumerate() {
            self.read(index, origin, &read_bytes)?;
        }
        Ok(())
    }

    fn read(&mut self, index: usize, origin: &Origin, read_bytes: &Arc<AtomicU64>) -> Result<(), Failure> {
        let mut input = origin.open(read_bytes.clone())?;
        let mut splitter = Splitter::default();
        let mut hash: Option<[u8; 32]> = None;
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let piece = input.read(&mut piece)?;
            let is_end = piece.is_empty();
            let mut cuts = Vec::new();
            let split = if is_end { splitter.finish(&mut cuts) } else { splitter.push(piece, &mut cuts) };
            let form = splitter.form().unwrap_or(Form::Lines);
            let mut events = Vec::with_capacity(cuts.len());
            let mut surveyed = Ok(());
            for cut in cuts {
                let gaps = self.gaps(&cut);
                let id = match (gaps.lacks_id(), hash) {
                    (false, _) => None,
                    (true, Some(hash)) => Some(event_id(&hash, cut.index)),
                    // The input breaks off: nothing without an id is sent, as ids change when it is mended.
                    (true, None) if split.is_err() => break,
                    (true, None) => {
                        self.tell(Told::Surveying(Place { name: origin.name(), is_kept: input.is_kept() }));
                        match input.survey(&splitter) {
                            Ok(found) => Some(event_id(hash.insert(found), cut.index)),
                            Err(failure) => {
                                surveyed = Err(failure);
                                break;
                            }
                        }
                    }
                };
                let tenant = self.tenant.as_ref().map(TenantId::as_str);
                events.push(Event {
                    text: gaps.fill(cut.text, id.as_deref(), tenant),
                    too_long: cut.too_long,
                    input: index,
                    line: cut.line,
                    index: cut.index,
                    form,
                    read_bytes: read_bytes.load(Ordering::Relaxed),
                });
            }
            if !events.is_empty() {
                self.tell(Told::Events(events));
            }
            surveyed?;
            split.map_err(|broken| input.broken(&broken))?;
            if is_end {
                return Ok(());
            }
        }
    }

    fn gaps(&mut self, cut: &Cut) -> Gaps {
        match cut.too_long {
            Some(_) => Gaps::default(),
            None => Gaps::of(&cut.text, &mut self.document),
        }
    }

    fn tell(&self, told: Told) {
        // Nobody listens any more when the sending has failed; the process ends then.
        drop(self.told.blocking_send(told));
    }
}
