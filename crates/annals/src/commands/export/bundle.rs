//! `annals export --bundle`: evidence that is verified far from the server.
//!
//! | file | is |
//! |---|---|
//! | `FILE.bundle.json` | what was asked, and what the bundle begins with: the checkpoint that all of it is held against |
//! | `FILE.bundle.ndjson` | the lines of the log that came so far |
//! | `FILE.bundle.part` | the archive so far; made anew by each run |
//! | `FILE` | the bundle; it has its name once it is whole |
//!
//! The server gives the same lines whenever they are asked for, so an export that was killed goes on behind the last whole line.
//! Before the archive has its name everything in it is checked, as whoever gets it will. While one page is checked and packed the next
//! one is fetched: two are in memory.

mod ahead;

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use annals_bundle::{Checked, Counts, FORMAT, LINE_BYTES_MAX, Manifest, Mode, Summary, check_line};
use annals_server::bundle::{Archive, BundleHead, Report, readme};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::VerifierKey;
use annals_verify::{Row, Withheld, read_filter};
use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::task::{JoinHandle, spawn_blocking};

use self::ahead::{Ahead, Packed};
use super::Args;
use crate::api::again::Again;
use crate::api::{Api, Query};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::verify::bundle::judge::{Judge, counted};
use crate::verify::bundle::lines::{self, Asked as Held, Stopped};
use crate::verify::bundle::{question, read_lifecycle};
use crate::verify::memory::Memory;

/// Version of the state.
const VERSION: u32 = 1;

/// Tries for a page that breaks off.
const TRIES_MAX: u32 = 8;

/// What is read and written of a file at once.
const BUFFER_BYTES: usize = 256 << 10;

/// Flags of bundles.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Evidence")]
pub(crate) struct BundleFlags {
    /// Export evidence instead: a zip with proofs, which `annals verify` checks without any server
    #[arg(long, conflicts_with_all = ["format", "columns", "bom", "newest_first"])]
    pub(super) bundle: bool,
    /// What is shown of other events: `selection` nothing, `gap-free` an entry each, `covered` what proves that they do not match
    #[arg(long, value_name = "MODE", default_value = "selection", value_parser = ["selection", "gap-free", "covered"], requires = "bundle")]
    mode: String,
    /// Leave out a unit of each event, such as `/actor/email`, or several, `/metadata/*`; may be repeated
    #[arg(long, value_name = "UNIT", requires = "bundle")]
    withhold: Vec<String>,
    /// Prove that the log extends this earlier checkpoint: a file, or a size [default: what `annals verify` remembers]
    #[arg(long, value_name = "FILE|SIZE", requires = "bundle")]
    earlier: Option<String>,
    /// First position that the bundle accounts for [default: 0]
    #[arg(long, value_name = "POSITION", requires = "bundle")]
    from: Option<u64>,
    /// First position behind them [default: the log's size]
    #[arg(long, value_name = "POSITION", requires = "bundle")]
    to: Option<u64>,
}

/// By what an export that was interrupted is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    server: String,
    tenant: Option<String>,
    access: bool,
    terms: Value,
    mode: String,
    withhold: Vec<String>,
    earlier: Option<String>,
    from: Option<u64>,
    to: Option<u64>,
}

/// What is kept beside the lines.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    asked: Asked,
    /// As the server is asked.
    query: Query,
    head: BundleHead,
}

pub(super) async fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let target = &args.output;
    if target.as_os_str() == "-" {
        return Err(Failure::new(Exit::Invalid, "a bundle cannot be written to standard output")
            .with_hint("name a file with `--output`; `GET /v1/bundle` gives one as a stream"));
    }
    if target.exists() && !args.force {
        return Err(Failure::new(Exit::Conflict, format!("`{}` is there already", target.display()))
            .with_hint("`--force` puts the new file in its place"));
    }
    let api = args.server.api()?.patient()?;
    let export = Export::open(args, &api, output).await?;
    let ahead = export.fetch(&api).await?;
    export.write(ahead, args.force)
}

/// What the lines have shown.
struct Shown {
    /// Those of entries of the log's own.
    own: Vec<u8>,
    matched: u64,
    rows: Vec<Row>,
    summary: Summary,
}

impl Shown {
    /// Ends the walk over all of them.
    fn of(judge: Judge, own: Vec<u8>, manifest: &mut Manifest, checkpoint: &Checkpoint) -> Self {
        manifest.counts = judge.counts();
        let (matched, rows) = (judge.matched, judge.rows.clone());
        Self { own, matched, rows, summary: judge.finish(manifest, checkpoint) }
    }
}

/// An export under way.
struct Export {
    target: PathBuf,
    state_path: PathBuf,
    lines_path: PathBuf,
    part_path: PathBuf,
    /// Locked while we are at it.
    lines: File,
    state: State,
    manifest: Manifest,
    checkpoint: Checkpoint,
    output: Output,
}

impl Export {
    /// Goes on with what an earlier run of the same command left, or begins.
    async fn open(args: &Args, api: &Api, output: Output) -> Result<Self, Failure> {
        let target = args.output.clone();
        let beside = |ending: &str| {
            let mut name = target.clone().into_os_string();
            name.push(ending);
            PathBuf::from(name)
        };
        let (state_path, lines_path) = (beside(".bundle.json"), beside(".bundle.ndjson"));
        let part_path = beside(".bundle.part");
        let mut options = OpenOptions::new();
        let lines = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(&lines_path);
        let lines = lines.map_err(|error| Failure::io("write", &lines_path, &error))?;
        if lines.try_lock().is_err() {
            return Err(Failure::new(
                Exit::Conflict,
                format!("`{}`: another process is at it", lines_path.display()),
            ));
        }
        let asked = args.asked_for_bundle(api.url());
        let state = match read_state(&state_path)? {
            Some(state) if state.asked == asked => state,
            Some(_) => {
                let message = format!("`{}` is of another export that was interrupted", state_path.display());
                return Err(Failure::new(Exit::Conflict, message).with_hint(format!(
                    "finish it with the same command, or remove it and `{}`",
                    lines_path.display()
                )));
            }
            None => {
                // Lines without a state are of nothing that is known.
                lines.set_len(0).map_err(|error| Failure::io("write", &lines_path, &error))?;
                let query = args.bundle_query()?;
                let head = begin(api, &query, args.bundle.earlier.as_deref()).await?;
                question::answers(&head, &query)?;
                let state = State { version: VERSION, asked, query, head };
                write_state(&state_path, &state)
                    .map_err(|error| Failure::io("write", &state_path, &error))?;
                state
            }
        };
        let checkpoint = open_checkpoint(&state.head)?;
        let manifest = manifest(&state, args)?;
        Ok(Self { target, state_path, lines_path, part_path, lines, state, manifest, checkpoint, output })
    }

    /// Asks for the lines that are not there yet, and has them checked and packed meanwhile, as far as that goes.
    async fn fetch(&self, api: &Api) -> Result<Option<Ahead>, Failure> {
        let failed = |error: io::Error| Failure::io("write", &self.lines_path, &error);
        let at = cut_back(&self.lines).map_err(failed)?;
        let bytes = self.lines.metadata().map_err(failed)?.len();
        let (ahead, path) = (Ahead::begin(self), self.lines_path.clone());
        let mut packing = spawn_blocking(move || ahead?.kept(&path, bytes));
        let fetched = self.fetch_from(at, api, &mut packing).await;
        // Also of what failed: it has a file that has to go.
        let ahead = packed(&mut packing).await;
        fetched?;
        if ahead.is_none() {
            self.lines.sync_data().map_err(failed)?;
        }
        Ok(ahead)
    }

    async fn fetch_from(
        &self,
        mut at: u64,
        api: &Api,
        packing: &mut JoinHandle<Option<Ahead>>,
    ) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::io("write", &self.lines_path, &error);
        let size = self.state.head.size;
        let mut progress = self.output.progress(size, "positions");
        progress.set(at);
        let mut again = Again::up_to(TRIES_MAX, self.output);
        while at < size {
            let mut query = self.state.query.clone();
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
            (&self.lines).write_all(&page).map_err(failed)?;
            // The page before this one has to be done: two at once are enough.
            let ahead = packed(packing).await;
            *packing = spawn_blocking(move || ahead?.page(&page));
            at = next;
            progress.set(at);
        }
        progress.finish();
        Ok(())
    }

    /// Ends the archive; what was not checked and packed before is now.
    fn write(mut self, ahead: Option<Ahead>, force: bool) -> Result<ExitCode, Failure> {
        let ended = ahead.and_then(|ahead| ahead.end(&mut self.manifest, &self.checkpoint));
        let (shown, packed) = match ended {
            Some((shown, packed)) => (shown, Some(packed)),
            None => (self.check()?, None),
        };
        let Shown { own, matched, rows, summary } = shown;
        let report = Report {
            manifest: &self.manifest,
            checkpoint: &self.state.head.checkpoint,
            public_key: self.state.head.trust.keys.last().map_or("", |key| &key.key),
            verdicts: &summary.verdicts,
            matched,
            rows: &rows,
            earlier: self.state.head.earlier.as_ref().map(|earlier| earlier.size),
        };
        let html = report.html();
        let failed = |error: io::Error| Failure::io("write", &self.target, &error);
        let folder = self.target.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let packed = packed.map_or_else(|| self.pack(folder), Ok).map_err(failed)?;
        let (file, manifest) = self.pack_back(packed, &own, &html).map_err(failed)?;
        file.as_file().sync_all().map_err(failed)?;
        let bytes = file.as_file().metadata().map_err(failed)?.len();
        let persisted = if force { file.persist(&self.target) } else { file.persist_noclobber(&self.target) };
        persisted.map_err(|error| failed(error.error))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        for path in [&self.state_path, &self.lines_path] {
            fs::remove_file(path).map_err(|error| Failure::io("remove", path, &error))?;
        }
        self.output.line(
            || {
                format!(
                    "exported evidence of log {} to {}: {} records as of its checkpoint, {matched} events shown that match; {}; {bytes} bytes",
                    manifest.origin, self.target.display(), manifest.size, counted(&summary.verdicts)
                )
            },
            || {
                json!({
                    "type": "result", "file": self.target.display().to_string(), "origin": manifest.origin, "size": manifest.size,
                    "range": manifest.range, "mode": manifest.mode, "matched": matched, "records": manifest.counts.records,
                    "disclosed": manifest.counts.disclosed, "bytes": bytes,
                })
            },
        )?;
        Ok(ExitCode::SUCCESS)
    }

    /// What the lines are held against.
    fn held(&self) -> Result<Held, &'static str> {
        let head = &self.state.head;
        let withheld = Withheld::new(head.withheld.iter().map(String::as_str));
        let lens = head.filter.as_deref().map(|filter| read_filter(filter, &head.tenant)).transpose();
        let (Ok(withheld), Ok(lens)) = (withheld, lens) else {
            return Err("the server names a filter or units that cannot be read");
        };
        Ok(Held { lens, withheld, rows: true.into(), ..Held::default() })
    }

    /// Holds the lines against the checkpoint, as whoever gets the bundle will. Something is wrong otherwise.
    fn check(&mut self) -> Result<Shown, Failure> {
        let own =
            own_lines(&self.lines_path).map_err(|error| Failure::io("read", &self.lines_path, &error))?;
        let judge = self.judge(&own)?;
        let shown = Shown::of(judge, own, &mut self.manifest, &self.checkpoint);
        match shown.summary.findings.first() {
            Some(finding) => Err(self.spoilt(&finding.to_string())),
            None => Ok(shown),
        }
    }

    fn judge(&self, own: &[u8]) -> Result<Judge, Failure> {
        let head = &self.state.head;
        let held = self.held().map_err(|why| self.spoilt(why))?;
        let (lifecycle, problems) = read_lifecycle(own);
        if let Some(problem) = problems.first() {
            return Err(self.spoilt(problem));
        }
        let mut judge = Judge::new(&self.manifest, lifecycle, head.size, &[]);
        let lines =
            File::open(&self.lines_path).map_err(|error| Failure::io("read", &self.lines_path, &error))?;
        let mut progress = self.output.progress(head.size, "positions checked");
        let read = lines::check(lines, &held, &mut |seeing| {
            let judged = judge.take(seeing);
            progress.add(judged.positions);
            if !judge.wants_rows() {
                held.rows.store(false, Ordering::Relaxed);
            }
            judged.goes_on
        });
        progress.finish();
        match read {
            Ok(_) | Err(Stopped::Enough) => Ok(judge),
            Err(Stopped::Line(problem)) => Err(self.spoilt(&problem)),
            Err(Stopped::Read(error)) => Err(Failure::io("read", &self.lines_path, &error)),
        }
    }

    /// What came is no evidence. It is not kept, so that the next run asks anew.
    fn spoilt(&self, why: &str) -> Failure {
        let removed = [&self.state_path, &self.lines_path].map(fs::remove_file);
        let kept = removed.iter().any(Result::is_err);
        let message = format!("what the server sent does not hold: {why}");
        let failure = Failure::new(Exit::Damaged, message);
        if kept {
            return failure.with_hint(format!(
                "remove `{}` and `{}`",
                self.state_path.display(),
                self.lines_path.display()
            ));
        }
        failure.with_hint("run the command again to ask anew; if it says the same, check the server's data folder with `annals verify`")
    }

    /// Begins the archive: all that stands before the lines.
    fn pack_front<W: Write>(&self, archive: &mut Archive<W>) -> io::Result<()> {
        let head = &self.state.head;
        archive.file("checkpoint", head.checkpoint.as_bytes())?;
        archive.file("trust.json", &document(&head.trust))?;
        if let Some(earlier) = &head.earlier {
            archive.file("earlier.json", &document(earlier))?;
        }
        if let Some(registry) = &head.registry {
            archive.file("registry.json", &document(registry))?;
        }
        archive.begin("log.ndjson")
    }

    /// Packs all lines, in a file in this folder.
    fn pack(&self, folder: &Path) -> io::Result<Packed> {
        // Nobody else reads it until its owner lets them: there may be personal data in it.
        let file = tempfile::Builder::new().prefix(".annals-").tempfile_in(folder)?;
        let mut archive = Archive::new(BufWriter::with_capacity(BUFFER_BYTES, file));
        self.pack_front(&mut archive)?;
        let mut lines = BufReader::with_capacity(BUFFER_BYTES, File::open(&self.lines_path)?);
        io::copy(&mut lines, &mut archive)?;
        Ok(archive)
    }

    /// Ends the archive, and gives its manifest.
    fn pack_back(
        &self,
        mut archive: Packed,
        own: &[u8],
        html: &str,
    ) -> io::Result<(NamedTempFile, Manifest)> {
        archive.file("lifecycle.ndjson", own)?;
        archive.file("report.html", html.as_bytes())?;
        let mut manifest = self.manifest.clone();
        archive.file("README.txt", readme(&manifest).as_bytes())?;
        manifest.files = archive.files().to_vec();
        archive.file("manifest.json", &document(&manifest))?;
        let file = archive.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((file, manifest))
    }
}

impl Args {
    fn asked_for_bundle(&self, server: &str) -> Asked {
        let flags = &self.bundle;
        Asked {
            server: server.to_owned(),
            tenant: self.server.tenant.clone(),
            access: self.access,
            terms: self.terms.as_given(),
            mode: flags.mode.clone(),
            withhold: flags.withhold.clone(),
            earlier: flags.earlier.clone(),
            from: flags.from,
            to: flags.to,
        }
    }

    fn bundle_query(&self) -> Result<Query, Failure> {
        let mut query = self.query()?;
        let flags = &self.bundle;
        query.push(("mode".to_owned(), flags.mode.clone()));
        query.extend(flags.withhold.iter().map(|unit| ("withhold".to_owned(), unit.clone())));
        for (name, number) in [("from", flags.from), ("to", flags.to)] {
            query.extend(number.map(|number| (name.to_owned(), number.to_string())));
        }
        Ok(query)
    }
}

/// Asks what the bundle begins with.
async fn begin(api: &Api, query: &Query, earlier: Option<&str>) -> Result<BundleHead, Failure> {
    let ask = async |earlier: Option<String>| {
        let mut query = query.clone();
        query.extend(earlier.map(|earlier| ("earlier".to_owned(), earlier)));
        let head = api.value(api.request(Method::GET, &["v1", "bundle", "head"], &query)).await?;
        serde_json::from_value::<BundleHead>(head)
            .map_err(|error| api.senseless("v1/bundle/head", &error.to_string()))
    };
    if let Some(earlier) = earlier {
        return ask(Some(read_earlier(earlier)?)).await;
    }
    let head = ask(None).await?;
    // What was verified here before is what a later bundle is held against.
    let Some(known) = Memory::locate().ok().map(|memory| memory.recall(&head.origin)).transpose()?.flatten()
    else {
        return Ok(head);
    };
    if known.size == 0 {
        return Ok(head);
    }
    let head = ask(Some(known.size.to_string())).await?;
    let root = head.earlier.as_ref().map(|earlier| earlier.root.to_string());
    if root.as_ref() != Some(&known.root) {
        let message = format!(
            "log {}: its first {} records are not those that were accepted before: this is another history",
            head.origin, known.size
        );
        return Err(Failure::new(Exit::Damaged, message)
            .with_hint("nothing was exported; `annals verify` on the server says more"));
    }
    Ok(head)
}

/// A size, or the checkpoint in a file.
fn read_earlier(text: &str) -> Result<String, Failure> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    let path = Path::new(text);
    fs::read_to_string(path).map_err(|error| Failure::io("read the earlier checkpoint", path, &error))
}

fn open_checkpoint(head: &BundleHead) -> Result<Checkpoint, Failure> {
    let failed = |why: String| {
        Failure::new(Exit::Damaged, format!("log {}: the server's checkpoint: {why}", head.origin))
    };
    let mut keys = head.trust.keys.iter().filter_map(|key| key.key.parse::<VerifierKey>().ok());
    let key = keys.rfind(|key| key.name() == head.origin);
    let key = key.ok_or_else(|| failed("the server names no key for it".to_owned()))?;
    let checkpoint =
        Checkpoint::open(&head.checkpoint, &key, &head.origin).map_err(|error| failed(error.to_string()))?;
    if let Some(earlier) = &head.earlier {
        earlier
            .verify(&checkpoint)
            .map_err(|error| failed(format!("it does not extend the earlier one: {error}")))?;
    }
    if let Some(registry) = &head.registry {
        let key = key.with_name(&registry.origin).map_err(|error| failed(error.to_string()))?;
        registry.verify(&checkpoint, &key).map_err(|error| failed(format!("the registry: {error}")))?;
    }
    Ok(checkpoint)
}

fn manifest(state: &State, args: &Args) -> Result<Manifest, Failure> {
    let head = &state.head;
    let mode = match args.bundle.mode.as_str() {
        "gap-free" => Mode::GapFree,
        "covered" => Mode::Covered,
        _ => Mode::Selection,
    };
    let range = (args.bundle.from.unwrap_or(0), args.bundle.to.unwrap_or(head.size));
    Ok(Manifest {
        format: FORMAT.to_owned(),
        origin: head.origin.clone(),
        tenant: head.tenant.clone(),
        log: head.log.clone(),
        size: head.size,
        range,
        mode,
        filter: head.filter.clone(),
        withheld: head.withheld.clone(),
        created_at: head.created_at.clone(),
        program: format!("{}, annals {}", head.program, env!("CARGO_PKG_VERSION")),
        counts: Counts::default(),
        files: Vec::new(),
    })
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

/// Cuts what was kept back to its last whole line, and gives where the next one begins.
fn cut_back(mut lines: &File) -> io::Result<u64> {
    let length = lines.metadata()?.len();
    let start = length.saturating_sub(2 * LINE_BYTES_MAX as u64 + 2);
    let mut end = Vec::new();
    lines.seek(SeekFrom::Start(start))?;
    lines.read_to_end(&mut end)?;
    let last = end.iter().rposition(|byte| *byte == b'\n').and_then(|stop| {
        let from = match end[..stop].iter().rposition(|byte| *byte == b'\n') {
            Some(before) => before + 1,
            None if start == 0 => 0,
            None => return None,
        };
        let next = match check_line(&end[from..stop], &mut |_, _| {}).ok()? {
            Checked::Record(record) => record.position + 1,
            Checked::Gap { to, .. } => to,
        };
        Some((start + stop as u64 + 1, next))
    });
    // What is no line of ours is asked for anew, from the beginning.
    let (length, next) = last.unwrap_or((0, 0));
    lines.set_len(length)?;
    lines.seek(SeekFrom::Start(length))?;
    Ok(next)
}

/// What a blocking task made of the lines so far.
async fn packed(packing: &mut JoinHandle<Option<Ahead>>) -> Option<Ahead> {
    packing.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// The lines of entries of the log's own, which stand in `lifecycle.ndjson` too.
fn own_lines(path: &Path) -> io::Result<Vec<u8>> {
    let mut lines = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
    let (mut own, mut line) = (Vec::new(), Vec::new());
    while lines.read_until(b'\n', &mut line)? > 0 {
        put_own_lines(&line, &mut own);
        line.clear();
    }
    Ok(own)
}

/// Appends those of some lines that are of entries of the log's own. They are told by the kind, the second byte of an entry, without
/// being read: everything is checked elsewhere.
fn put_own_lines(lines: &[u8], own: &mut Vec<u8>) {
    const BEFORE: &[u8] = b",\"entry\":\"01";
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let head = &line[..line.len().min(64)];
        let entry = head.windows(BEFORE.len()).position(|window| window == BEFORE);
        let kind = entry.and_then(|at| head.get(at + BEFORE.len()..at + BEFORE.len() + 2));
        if kind.is_some_and(|kind| kind != b"01") {
            own.extend_from_slice(line);
        }
    }
}

fn read_state(path: &Path) -> Result<Option<State>, Failure> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::io("read", path, &error)),
    };
    match serde_json::from_slice::<State>(&bytes) {
        Ok(state) if state.version == VERSION => Ok(Some(state)),
        _ => Err(Failure::new(Exit::Conflict, format!("`{}` is not of this program", path.display()))
            .with_hint("remove it; the export begins anew then")),
    }
}

/// Whole or not at all, for its owner alone: there may be names in the filter.
fn write_state(path: &Path, state: &State) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".annals-").tempfile_in(folder)?;
    file.write_all(&document(state))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn document(document: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(document).expect("texts and numbers serialise");
    text.push(b'\n');
    text
}
