//! `annals search --verify`: what is found, proven before it is shown.
//!
//! The server is asked for the lines of an evidence bundle instead of a page of events. They go to a file that has no name, are held
//! against the signed checkpoint as `annals verify` holds a bundle, and only when everything holds are the events shown. Entries of the
//! log's own, which excuse what is hidden of others, wherever they stand, are asked for first.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::process::ExitCode;

use annals_bundle::{Checked, Counts, FORMAT, Held, Manifest, Mode, Summary};
use annals_event::json::{Document, Limits, Value};
use annals_event::{Operation, Timestamp};
use annals_server::bundle::BundleHead;
use annals_tree::Hash;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::VerifierKey;
use annals_verify::{KeyFrom, Withheld, read_filter, under};
use reqwest::Method;
use serde_json::json;

use super::{Args, ROWS_MAX, Search};
use crate::api::again::Again;
use crate::api::{Api, Query};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::show::Stage;
use crate::verify::bundle::judge::Judge;
use crate::verify::bundle::lines::{self, Asked, Stopped};
use crate::verify::bundle::{question, read_lifecycle};
use crate::verify::memory::{Memory, Remembered};

/// Tries for a page that breaks off.
const TRIES_MAX: u32 = 8;

/// A filter that takes no event: what is left of a selection are the log's own entries.
const NOTHING: (&str, &str) = ("filter", "position lt 0");

/// Deeper than any event is.
const LIMITS: Limits = Limits { depth_max: 1 << 10 };

/// Most bytes of lines of the log's own entries: what a bundle may have of them.
const OWN_BYTES_MAX: usize = 16 << 20;

/// Flags of proofs.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Proof")]
pub(crate) struct ProofFlags {
    /// Prove each event against the log's signed checkpoint before it is shown, as `annals verify` does; oldest first
    #[arg(long, conflicts_with_all = ["limit", "all", "oldest_first", "total"])]
    pub(super) verify: bool,
    /// Prove too that none that matches was left out: every position is accounted for
    #[arg(long, requires = "verify")]
    gap_free: bool,
    /// First position that is looked at [default: 0]
    #[arg(long, value_name = "POSITION", requires = "verify")]
    from: Option<u64>,
    /// First position behind them [default: the log's size]
    #[arg(long, value_name = "POSITION", requires = "verify")]
    to: Option<u64>,
    /// The log's public key; without it the one that is remembered, else the one that the server tells, which is remembered
    #[arg(long, value_name = "VKEY", requires = "verify")]
    log_key: Option<String>,
}

/// Asks, checks, shows.
pub(super) async fn run(args: &Args, conditions: Query, output: Output) -> Result<ExitCode, Failure> {
    let flags = &args.proof;
    let given = flags.log_key.as_deref().map(|key| {
        key.trim().parse::<VerifierKey>().map_err(|error| {
            Failure::new(Exit::Invalid, format!("`--log-key`: {error}")).with_hint(
                "a verifier key is one line, `name+id+base64`; `GET /v1/log` names it as `public_key`",
            )
        })
    });
    let given = given.transpose()?;
    let memory = Memory::locate()?;
    let api = args.server.api()?.patient()?;
    let mut query = conditions;
    let mode = if flags.gap_free { Mode::Covered } else { Mode::Selection };
    query.push(("mode".to_owned(), if flags.gap_free { "covered" } else { "selection" }.to_owned()));
    for (name, number) in [("from", flags.from), ("to", flags.to)] {
        query.extend(number.map(|number| (name.to_owned(), number.to_string())));
    }
    let (head, known) = begin(&api, &query, &memory).await?;
    question::answers(&head, &query)?;
    let (checkpoint, key, held) = opened(&head, known.as_ref(), given.as_ref())?;
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        origin: head.origin.clone(),
        tenant: head.tenant.clone(),
        log: head.log.clone(),
        size: head.size,
        range: (flags.from.unwrap_or(0), flags.to.unwrap_or(head.size)),
        mode,
        filter: head.filter.clone(),
        withheld: head.withheld.clone(),
        created_at: head.created_at.clone(),
        program: head.program.clone(),
        counts: Counts::default(),
        files: Vec::new(),
    };
    let own = own_entries(&api, args, head.size, output).await?;
    let lines = fetched(&api, &query, head.size, output).await?;
    let proof = Proof { manifest, checkpoint, output };
    let (summary, events, matched, gone) = proof.check(&own, lines)?;
    if summary.findings_count > 0 {
        return proof.broken(&summary);
    }
    held.introduced(&key, head.size, &summary.keys)
        .map_err(|problem| not_shown(format!("log {}: {problem}", head.origin)))?;
    memory.remember(&Remembered {
        origin: head.origin.clone(),
        public_key: key.to_string(),
        size: head.size,
        root: proof.checkpoint.root.to_string(),
        checkpoint: Some(head.checkpoint.clone()),
    })?;
    let stage = Stage::standard(args.utc);
    let shown = Search { api, stage, output, one_tenant: args.server.tenant.is_some() };
    show(&shown, events).map_err(spooling)??;
    proof.say(matched, gone, held.whose().into(), known.map(|known| known.size))
}

/// What the bundle begins with, as of a checkpoint that is shown to extend the newest one accepted here.
async fn begin(
    api: &Api,
    query: &Query,
    memory: &Memory,
) -> Result<(BundleHead, Option<Remembered>), Failure> {
    let ask = async |earlier: Option<u64>| {
        let mut query = query.clone();
        query.extend(earlier.map(|earlier| ("earlier".to_owned(), earlier.to_string())));
        let head = api.value(api.request(Method::GET, &["v1", "bundle", "head"], &query)).await?;
        serde_json::from_value::<BundleHead>(head)
            .map_err(|error| api.senseless("v1/bundle/head", &error.to_string()))
    };
    let head = ask(None).await?;
    match memory.recall(&head.origin)? {
        Some(known) if known.size > 0 => {
            let again = ask(Some(known.size)).await?;
            if again.origin != head.origin {
                return Err(api.senseless("v1/bundle/head", "two logs under one name"));
            }
            Ok((again, Some(known)))
        }
        known => Ok((head, known)),
    }
}

fn not_shown(problem: String) -> Failure {
    Failure::new(Exit::Damaged, problem)
        .with_hint("nothing was shown; `annals verify` on the server says more")
}

/// The checkpoint, and the key that signed it, which the log has to introduce where it is another than is known.
fn opened(
    head: &BundleHead,
    known: Option<&Remembered>,
    given: Option<&VerifierKey>,
) -> Result<(Checkpoint, VerifierKey, Held), Failure> {
    let (origin, damaged) = (&head.origin, not_shown);
    let mut keys = head.trust.keys.iter().filter_map(|key| key.key.parse::<VerifierKey>().ok());
    let found = keys.rfind(|key| key.name() == origin);
    let pinned = known.and_then(Remembered::parsed);
    let of_another =
        |given: &VerifierKey| damaged(format!("log {origin}: the key given is of `{}`", given.name()));
    let given = given.map(|given| under(given, origin).ok_or_else(|| of_another(given))).transpose()?;
    let remembered = pinned.clone().zip(known).map(|((key, _), known)| (key, known.size));
    let Some(held) = Held::new(given, remembered, found) else {
        return Err(damaged(format!("log {origin}: the server names no key for it")));
    };
    let (checkpoint, key) = held
        .open(&head.checkpoint, origin)
        .map_err(|error| damaged(format!("log {origin}: the server's checkpoint: {error}")))?;
    if checkpoint.size != head.size {
        return Err(damaged(format!(
            "log {origin}: the server's checkpoint is of another size than it says"
        )));
    }
    let Some((_, root)) = pinned else { return Ok((checkpoint, key, held)) };
    let size = known.map_or(0, |known| known.size);
    let is_extended = size == 0
        || head.earlier.as_ref().is_some_and(|earlier| {
            earlier.size == size && Hash(earlier.root.0) == root && earlier.verify(&checkpoint).is_ok()
        });
    if !is_extended {
        let problem = format!(
            "log {origin}: its first {size} records are not shown to be those that were accepted before: this is another history"
        );
        return Err(damaged(problem));
    }
    Ok((checkpoint, key, held))
}

/// The lines of the log's own entries.
async fn own_entries(api: &Api, args: &Args, size: u64, output: Output) -> Result<Vec<u8>, Failure> {
    let mut query = args.server.tenant_parameter();
    let mut set = |name: &str, value: &str| query.push((name.to_owned(), value.to_owned()));
    set(NOTHING.0, NOTHING.1);
    set("mode", "selection");
    if args.access {
        set("log", "access");
    }
    let mut lines = BufReader::new(fetched(api, &query, size, output).await?);
    let (mut own, mut line) = (Vec::new(), Vec::new());
    while lines.read_until(b'\n', &mut line).map_err(spooling)? > 0 {
        if line.starts_with(b"{\"position\"") {
            own.extend_from_slice(&line);
        }
        if own.len() > OWN_BYTES_MAX {
            return Err(not_shown(format!("the log's own entries are more than {OWN_BYTES_MAX} bytes")));
        }
        line.clear();
    }
    Ok(own)
}

/// All lines, in a file without a name.
async fn fetched(api: &Api, query: &Query, size: u64, output: Output) -> Result<File, Failure> {
    let mut file = tempfile::tempfile().map_err(spooling)?;
    let mut progress = output.progress(size, "positions");
    let mut again = Again::up_to(TRIES_MAX, output);
    let mut at = 0;
    while at < size {
        let mut query = query.clone();
        query.extend([("size".to_owned(), size.to_string()), ("start".to_owned(), at.to_string())]);
        let (page, next) = loop {
            match page(api, &query, size).await {
                Ok(page) => break page,
                Err(failure) => {
                    again.begun();
                    again.after(failure).await?;
                }
            }
        };
        again.answered();
        if next <= at || page.last() != Some(&b'\n') {
            return Err(api.senseless("v1/bundle/log", "no line behind the last one"));
        }
        file.write_all(&page).map_err(spooling)?;
        at = next;
        progress.set(at);
    }
    progress.finish();
    file.seek(SeekFrom::Start(0)).map_err(spooling)?;
    Ok(file)
}

/// A page of lines, and where the next one begins.
async fn page(api: &Api, query: &Query, size: u64) -> Result<(Vec<u8>, u64), Failure> {
    let path = "v1/bundle/log";
    let response = api.answer(api.request(Method::GET, &["v1", "bundle", "log"], query)).await?;
    let number = |name: &str| response.headers().get(name)?.to_str().ok()?.parse::<u64>().ok();
    // What does not come from annals must not pass for lines.
    if number("annals-size") != Some(size) {
        return Err(api.senseless(path, "no `annals-size`"));
    }
    let next = number("annals-next").unwrap_or(size);
    Ok((api.body(response, path).await?, next))
}

fn spooling(error: io::Error) -> Failure {
    Failure::new(
        Exit::Unavailable,
        format!("cannot keep what came in the folder for temporary files: {error}"),
    )
}

struct Proof {
    manifest: Manifest,
    checkpoint: Checkpoint,
    output: Output,
}

impl Proof {
    /// Holds the lines against the checkpoint; gives the events that match, one a line.
    fn check(&self, own: &[u8], lines: File) -> Result<(Summary, File, u64, u64), Failure> {
        let spoilt = |problem: String| {
            Failure::new(Exit::Damaged, format!("what the server sent does not hold: {problem}"))
                .with_hint("nothing was shown; `annals verify` on the server says more")
        };
        let lens = self.manifest.filter.as_deref();
        let lens =
            lens.map(|filter| read_filter(filter, &self.manifest.tenant)).transpose().map_err(spoilt)?;
        let withheld = Withheld::new(self.manifest.withheld.iter().map(String::as_str)).map_err(spoilt)?;
        let (lifecycle, problems) = read_lifecycle(own);
        if let Some(problem) = problems.into_iter().next() {
            return Err(spoilt(problem));
        }
        let asked = Asked { lens, withheld, events: true, ..Asked::default() };
        let mut judge = Judge::new(&self.manifest, lifecycle, self.checkpoint.size, &[]);
        let mut events = BufWriter::new(tempfile::tempfile().map_err(spooling)?);
        let mut written = Ok(());
        let mut document = Document::default();
        let mut progress = self.output.progress(self.checkpoint.size, "positions checked");
        let read = lines::check(lines, &asked, &mut |mut seeing| {
            if let (Some(event), Checked::Record(record)) = (seeing.event.take(), &seeing.checked) {
                written = as_served(&event, record.position, record.entry.received_at_ms, &mut document)
                    .and_then(|line| events.write_all(&line));
            }
            let judged = judge.take(seeing);
            progress.add(judged.positions);
            judged.goes_on && written.is_ok()
        });
        progress.finish();
        written.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => spoilt(error.to_string()),
            _ => spooling(error),
        })?;
        match read {
            Ok(_) | Err(Stopped::Enough) => {}
            Err(Stopped::Line(problem)) => return Err(spoilt(problem)),
            Err(Stopped::Read(error)) => return Err(spooling(error)),
        }
        let (matched, gone) = (judge.matched, judge.gone);
        // Nobody says how many there are, so there is nothing to compare with.
        let counted = Manifest { counts: judge.counts(), ..self.manifest.clone() };
        let summary = judge.finish(&counted, &self.checkpoint);
        let mut events = events.into_inner().map_err(|error| spooling(error.into_error()))?;
        events.seek(SeekFrom::Start(0)).map_err(spooling)?;
        Ok((summary, events, matched, gone))
    }

    /// Says what does not hold.
    fn broken(&self, summary: &Summary) -> Result<ExitCode, Failure> {
        let origin = &self.checkpoint.origin;
        for finding in &summary.findings {
            self.output.note(&format!("damaged   log {origin}: {finding}"));
        }
        let things = if summary.findings_count == 1 {
            "one thing does".into()
        } else {
            format!("{} things do", summary.findings_count)
        };
        Err(Failure::new(Exit::Damaged, format!("{things} not hold, and nothing was shown"))
            .with_hint("leave everything as it is; `annals verify` on the server says more"))
    }

    /// Says what was proven.
    fn say(&self, matched: u64, gone: u64, key: KeyFrom, extends: Option<u64>) -> Result<ExitCode, Failure> {
        let Manifest { origin, range, created_at, mode, .. } = &self.manifest;
        let is_complete = *mode == Mode::Covered;
        if self.output.is_json() {
            let line = json!({
                "type": "result", "verdict": "ok", "complete": is_complete, "origin": origin, "range": range, "matched": matched, "gone": gone,
                "size": self.checkpoint.size, "root": self.checkpoint.root.to_string(), "created_at": created_at, "extends": extends,
            });
            self.output.raw(&line.to_string())?;
        }
        let (first, last) = (range.0, range.1.saturating_sub(1));
        let events = if matched == 1 { "1 event".to_owned() } else { format!("{matched} events") };
        let of = format!("log {origin}, checkpoint of {created_at} over {} records", self.checkpoint.size);
        self.output.note(&if is_complete {
            format!("complete: positions {first} to {last}, {events}, none left out; {of}")
        } else {
            format!("proven: {events} of positions {first} to {last} are in the log, unchanged; that there are no others `--gap-free` shows; {of}")
        });
        if gone > 0 {
            self.output.note(&format!(
                "note: of {gone} that were erased or expired nobody can tell any more whether they matched"
            ));
        }
        if let Some(size) = extends {
            self.output.note(&format!("it extends the {size} records that were accepted before"));
        }
        if key == KeyFrom::Found {
            self.output.note(
                "note: the key is the one that the server tells, and is remembered from now on; compare it with one you got elsewhere, \
                 or give it with `--log-key`",
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Events as pages have them, a batch at a time.
fn show(search: &Search, events: File) -> io::Result<Result<(), Failure>> {
    let mut layout = None;
    let mut batch = Vec::new();
    let mut events = BufReader::new(events).split(b'\n');
    loop {
        let line = events.next().transpose()?;
        let is_end = line.is_none();
        batch.extend(line);
        if batch.len() as u64 >= ROWS_MAX || is_end {
            let shown =
                if search.output.is_json() { search.lines(&batch) } else { search.rows(&batch, &mut layout) };
            if shown.is_err() || is_end {
                return Ok(shown);
            }
            batch.clear();
        }
    }
}

/// The event as the server gives it, with its end: what annals adds follows from its entry, in whole milliseconds. An event that
/// says such things itself is none that annals takes in, and nobody is to take them for ours.
fn as_served(
    event: &[u8],
    position: u64,
    received_at_ms: u64,
    document: &mut Document,
) -> io::Result<Vec<u8>> {
    let received_at = i64::try_from(received_at_ms).ok().and_then(|ms| ms.checked_mul(1_000));
    let received_at =
        received_at.and_then(Timestamp::from_micros).map_or_else(String::new, |at| at.to_string());
    let mut line = event.strip_suffix(b"}").unwrap_or(event).to_vec();
    let mut derived = serde_json::Map::new();
    if let Ok(event) = document.parse(event, LIMITS) {
        if let Some(ours) =
            ["position", "received_at", "derived"].iter().find(|name| event.get(name).is_some())
        {
            let problem = format!("position {position}: the event has a member `{ours}`, which no event has");
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        if event.get("occurred_at").is_none() {
            derived.insert("occurred_at".to_owned(), received_at.clone().into());
        }
        if event.get("operation").is_none() {
            let action = event.get("action").and_then(Value::as_str).unwrap_or_default();
            derived.insert("operation".to_owned(), Operation::derive(action).as_str().into());
        }
    }
    let added = json!({"position": position, "received_at": received_at}).to_string();
    if line.len() > 1 {
        line.push(b',');
    }
    line.extend_from_slice(added.trim_matches(['{', '}']).as_bytes());
    if !derived.is_empty() {
        line.extend_from_slice(format!(",\"derived\":{}", serde_json::Value::Object(derived)).as_bytes());
    }
    line.extend_from_slice(b"}\n");
    Ok(line)
}
