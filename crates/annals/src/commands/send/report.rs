//! What is said while events are sent and after: progress, rejected events, the sum.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use annals_event::json::{Document, Limits};
use serde_json::json;

use super::input::Origin;
use super::reading::Event;
use super::split::{EVENT_BYTES_MAX, Form};
use crate::client::ingest::{ItemAnswer, ItemStatus, Rejected};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Progress};

/// Most rejected events that are named on standard error.
const NAMED_MAX: u64 = 20;

/// Deepest nesting of an event that is kept as JSON beside its error.
const DEPTH_MAX: usize = 1_024;

/// Collects answers and says them.
pub(super) struct Report {
    output: Output,
    names: Vec<String>,
    began: Instant,
    progress: Progress,
    /// The length of all inputs is known, and progress counts their bytes rather than events.
    by_bytes: bool,
    rejects: Option<Rejects>,
    awaited: RefCell<Option<(String, bool)>>,
    document: Document,
    created: u64,
    duplicate: u64,
    rejected: u64,
    conflicts: u64,
}

/// The file of rejected events.
struct Rejects {
    path: PathBuf,
    file: BufWriter<File>,
    document: Document,
}

impl Report {
    /// Begins; makes the file for rejected events.
    ///
    /// # Errors
    ///
    /// That file is one of the inputs, or cannot be written.
    pub(super) fn begin(
        origins: &[Origin],
        rejects: Option<&Path>,
        length: Option<u64>,
        output: Output,
    ) -> Result<Self, Failure> {
        let progress = match length {
            Some(length) => output.progress_of_bytes(length),
            None => output.counting("events"),
        };
        Ok(Self {
            output,
            names: origins.iter().map(Origin::name).collect(),
            began: Instant::now(),
            progress,
            by_bytes: length.is_some(),
            rejects: rejects.map(|path| Rejects::create(path, origins)).transpose()?,
            awaited: RefCell::new(None),
            document: Document::default(),
            created: 0,
            duplicate: 0,
            rejected: 0,
            conflicts: 0,
        })
    }

    /// An input is read through before it is sent.
    pub(super) fn awaits(&self, name: String, is_kept: bool) {
        *self.awaited.borrow_mut() = Some((name, is_kept));
    }

    /// Nothing came for a while.
    pub(super) fn say_what_is_awaited(&self) {
        let Some((name, is_kept)) = self.awaited.borrow_mut().take() else { return };
        let kept = if is_kept { ", kept in a temporary file until then" } else { "" };
        self.output.note(&format!(
            "reading `{name}` to its end first{kept}: events without `id` get theirs from the whole"
        ));
    }

    /// Takes one answer; none for an event that is too long to be sent.
    pub(super) fn note(&mut self, event: &Event, answer: Option<ItemAnswer>) -> Result<(), Failure> {
        let (id, rejected) = match answer {
            Some(ItemAnswer { status: ItemStatus::Created, .. }) => {
                self.created += 1;
                return Ok(());
            }
            Some(ItemAnswer { status: ItemStatus::Duplicate, .. }) => {
                self.duplicate += 1;
                return Ok(());
            }
            Some(ItemAnswer { status: ItemStatus::Rejected(rejected), id, .. }) => (id, rejected),
            None => (None, too_long(event)),
        };
        self.rejected += 1;
        self.conflicts += u64::from(rejected.code == "conflict");
        // The server names the id only when nothing was wrong before it came to that.
        let id = id.or_else(|| self.id_of(event));
        self.name_rejected(event, id.as_deref(), &rejected)?;
        match &mut self.rejects {
            Some(rejects) => rejects.write(&self.names[event.input], event, &rejected),
            None => Ok(()),
        }
    }

    /// A request is answered.
    pub(super) fn batch_done(&mut self, batch: &[Event]) {
        match batch.last() {
            Some(last) if self.by_bytes => self.progress.set(last.read_bytes),
            _ => self.progress.add(batch.len() as u64),
        }
    }

    fn id_of(&mut self, event: &Event) -> Option<String> {
        let value = self.document.parse(&event.text, Limits { depth_max: DEPTH_MAX }).ok()?;
        value.get("id")?.as_str().map(str::to_owned)
    }

    fn name_rejected(&self, event: &Event, id: Option<&str>, rejected: &Rejected) -> Result<(), Failure> {
        let name = &self.names[event.input];
        if self.output.is_json() {
            let line = json!({
                "type": "item", "item": "rejected", "file": name, "line": event.line, "index": event.index, "id": id,
                "error": {"code": rejected.code, "pointer": rejected.pointer, "detail": rejected.detail},
            });
            return self.output.raw(&line.to_string());
        }
        if self.rejected > NAMED_MAX {
            return Ok(());
        }
        let place = match event.form {
            // As `jq` finds it.
            Form::Array => format!("{name}:{} [{}]", event.line, event.index),
            Form::Lines | Form::Objects => format!("{name}:{}", event.line),
        };
        let id = id.map(|id| format!("event `{id}`: ")).unwrap_or_default();
        let pointer = match rejected.pointer.as_str() {
            "" => String::new(),
            pointer => format!("{pointer}: "),
        };
        self.output.note(&format!("{place}: {id}{pointer}{} ({})", rejected.detail, rejected.code));
        Ok(())
    }

    /// Says the sum; `resent` events were sent more than once.
    pub(super) fn finish(mut self, resent: u64) -> Result<ExitCode, Failure> {
        self.close_rejects()?;
        let seconds = self.began.elapsed().as_secs_f64();
        self.say_unnamed();
        let Self { created, duplicate, rejected, conflicts, .. } = self;
        let (total, sum) = (self.total(), self.sum());
        let per_second = rate(total, seconds);
        self.progress.finish();
        self.output.line(
            || format!("sent {}: {sum}; {seconds:.1} s, {per_second} events/s", counted(total)),
            || {
                json!({
                    "type": "result", "created": created, "duplicate": duplicate, "rejected": rejected,
                    "conflicts": conflicts, "seconds": (seconds * 1000.0).round() / 1000.0, "events_per_second": per_second,
                })
            },
        )?;
        if resent > 0 {
            self.output.note(&format!(
                "note: {resent} events were sent again after an answer was lost; those stored by the first try count as duplicates"
            ));
        }
        if rejected == 0 {
            return Ok(ExitCode::SUCCESS);
        }
        self.output.note(&format!("error: {rejected} of {} rejected", counted(total)));
        let exit = if conflicts == rejected { Exit::Conflict } else { Exit::Invalid };
        self.output.note(match (&self.rejects, exit) {
            (Some(_), _) => "hint: the file of `--rejects` has them beside their errors",
            (None, Exit::Conflict) => "hint: other events are stored under their ids; an event is never changed",
            (None, _) => "hint: with `--rejects FILE` they are written beside their errors, to be put right and sent again",
        });
        Ok(ExitCode::from(exit.code()))
    }

    /// A signal ended it.
    pub(super) fn interrupted(mut self, code: u8) -> Result<ExitCode, Failure> {
        self.close_rejects()?;
        self.say_unnamed();
        let message = format!("interrupted; {}", self.so_far());
        self.progress.finish();
        if self.output.is_json() {
            let line = json!({"type": "error", "kind": "interrupted", "message": message, "hint": null});
            self.output.raw(&line.to_string())?;
        }
        self.output.note(&message);
        Ok(ExitCode::from(code))
    }

    /// It cannot go on; says how far it came.
    pub(super) fn failed(mut self, failure: Failure) -> Failure {
        // What it could not do first is said.
        drop(self.close_rejects());
        self.say_unnamed();
        let so_far = (self.total() > 0).then(|| self.so_far());
        self.progress.finish();
        if let Some(so_far) = so_far {
            self.output.note(&so_far);
        }
        failure
    }

    /// How far it came.
    fn so_far(&self) -> String {
        match self.total() {
            0 => "no event was answered; the same command again is safe".to_owned(),
            total => format!(
                "{} answered ({}), what was on its way may be stored too; the same command again is safe",
                counted(total),
                self.sum()
            ),
        }
    }

    fn total(&self) -> u64 {
        self.created + self.duplicate + self.rejected
    }

    fn sum(&self) -> String {
        format!("{} created, {} duplicate, {} rejected", self.created, self.duplicate, self.rejected)
    }

    fn say_unnamed(&self) {
        if self.rejected > NAMED_MAX && !self.output.is_json() {
            self.output.note(&format!("and {} more", self.rejected - NAMED_MAX));
        }
    }

    fn close_rejects(&mut self) -> Result<(), Failure> {
        match &mut self.rejects {
            Some(rejects) => {
                rejects.file.flush().map_err(|error| Failure::io("write", &rejects.path, &error))
            }
            None => Ok(()),
        }
    }
}

impl Rejects {
    fn create(path: &Path, origins: &[Origin]) -> Result<Self, Failure> {
        let same = |origin: &Origin| match origin {
            Origin::File(input) => is_same_file(path, input),
            Origin::StandardInput => false,
        };
        if origins.iter().any(same) {
            let message = format!("`--rejects`: `{}` is one of the files to send", path.display());
            return Err(
                Failure::new(Exit::Invalid, message).with_hint("name another file; it is overwritten")
            );
        }
        let file = File::create(path).map_err(|error| Failure::io("write", path, &error))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file), document: Document::default() })
    }

    /// One line: where it stood, its error, and the event as it was sent; as text when it is no JSON.
    fn write(&mut self, name: &str, event: &Event, rejected: &Rejected) -> Result<(), Failure> {
        let place = json!({
            "file": name, "line": event.line, "index": event.index,
            "error": {"code": rejected.code, "pointer": rejected.pointer, "detail": rejected.detail},
        });
        let mut line = place.to_string().into_bytes();
        line.pop();
        let is_json = self.document.parse(&event.text, Limits { depth_max: DEPTH_MAX }).is_ok();
        if event.too_long.is_some() {
        } else if is_json {
            line.extend_from_slice(b",\"event\":");
            // In JSON a line feed stands only between tokens.
            line.extend(event.text.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte }));
        } else {
            line.extend_from_slice(b",\"text\":");
            annals_event::json::write_string(&String::from_utf8_lossy(&event.text), &mut line);
        }
        line.extend_from_slice(b"}\n");
        self.file.write_all(&line).map_err(|error| Failure::io("write", &self.path, &error))
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| -> io::Result<_> {
        let known = std::fs::metadata(path)?;
        Ok((known.dev(), known.ino()))
    };
    matches!((identity(one), identity(other)), (Ok(one), Ok(other)) if one == other)
}

fn too_long(event: &Event) -> Rejected {
    let bytes = event.too_long.unwrap_or_default();
    Rejected {
        code: "event_bytes".to_owned(),
        pointer: String::new(),
        detail: format!("the event has {bytes} bytes, more than {EVENT_BYTES_MAX}; it was not sent"),
    }
}

fn counted(events: u64) -> String {
    if events == 1 { "1 event".to_owned() } else { format!("{events} events") }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a rounded figure for people"
)]
fn rate(events: u64, seconds: f64) -> u64 {
    (events as f64 / seconds.max(0.001)).round() as u64
}
