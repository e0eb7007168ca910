//! A file that is whole or not there.
//!
//! | file | is |
//! |---|---|
//! | `FILE.part` | what came so far: rows as they will stand in the file; for Parquet, lines |
//! | `FILE.part.json` | what was asked, and up to where `FILE.part` is good |
//! | `FILE.sha256` | the sum of `FILE`, as `sha256sum` writes it |
//! | `FILE` | the export; it has its name once it is whole |
//!
//! The state follows the bytes: after a crash at any moment `FILE.part` has at least what the state says, and what stands behind
//! that is cut off and fetched again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use annals_export::columns::Selection;
use annals_export::{Exporter, Format, Options};
use serde::{Deserialize, Serialize};

use super::fetch::{Fetch, Place, Take};
use super::summed::{Sum, Summed};
use super::{Asked, Done, counted, each_line, failure};
use crate::api::Query;
use crate::exit::{Exit, Failure};
use crate::files;
use crate::output::Output;

/// Between two writings of the state.
const SAVED_EVERY: Duration = Duration::from_secs(1);

/// Version of the state.
const VERSION: u32 = 1;

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    asked: Asked,
    /// As the server is asked, with instants where days were given.
    query: Query,
    size: Option<u64>,
    after: Option<u64>,
    rows: u64,
    /// Bytes of `FILE.part` that are good.
    bytes: u64,
}

/// The file, and what is kept beside it.
pub(super) struct Kept {
    target: PathBuf,
    options: Options,
    /// How `FILE.part` is written.
    part_options: Options,
    part: File,
    state: State,
    force: bool,
    output: Output,
}

impl Kept {
    /// Opens what an earlier run of the same command has left, or begins.
    ///
    /// # Errors
    ///
    /// `Conflict`: the file is there, or what is left is of another command, or another process is at it; or the system refuses.
    pub(super) fn open(
        target: &Path,
        asked: Asked,
        options: &Options,
        query: Query,
        force: bool,
        output: Output,
    ) -> Result<Self, Failure> {
        check_target(target, force)?;
        let earlier = State::read(target)?;
        let is_ours = earlier.is_some();
        let state = match earlier {
            Some(state) if state.asked == asked => state,
            Some(_) if !force => {
                let message = format!("`{}` is of another export", beside(target, ".part").display());
                return Err(Failure::new(Exit::Conflict, message)
                    .with_hint("finish that one with its own command, or begin this one with `--force`"));
            }
            _ => State { version: VERSION, asked, query, size: None, after: None, rows: 0, bytes: 0 },
        };
        let path = beside(target, ".part");
        if !(force || is_ours) && fs::metadata(&path).is_ok_and(|there| there.len() > 0) {
            let message = format!("`{}` is there, and nothing says what it is of", path.display());
            return Err(Failure::new(Exit::Conflict, message)
                .with_hint("remove it, or begin anew in its place with `--force`"));
        }
        let part =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
        let part = part.map_err(|error| {
            let failure = Failure::io("write", &path, &error);
            if error.kind() == io::ErrorKind::NotFound {
                failure.with_hint("make its folder first")
            } else {
                failure
            }
        })?;
        part.try_lock().map_err(|_| {
            Failure::new(Exit::Conflict, format!("another export writes `{}`", path.display()))
        })?;
        let part_options = match options.format {
            Format::Parquet => Options { format: Format::Ndjson, columns: Selection::default(), bom: false },
            _ => options.clone(),
        };
        let target = target.to_owned();
        Ok(Self { target, options: options.clone(), part_options, part, state, force, output })
    }

    /// Fetches what is missing, and gives the file its name.
    pub(super) async fn fill(mut self, mut fetch: Fetch) -> Result<Done, Failure> {
        fetch.query.clone_from(&self.state.query);
        let path = beside(&self.target, ".part");
        let exporter = self.exporter().map_err(|why| failure(&why, Some(&path)))?;
        let from = Place { size: self.state.size, after: self.state.after, rows: self.state.rows };
        if from.rows > 0 {
            self.output.note(&format!("going on after {}", counted(from.rows)));
        }
        let mut filling =
            Filling { target: &self.target, path: &path, exporter, state: self.state, saved: None };
        let place = fetch.all(from, &mut filling).await;
        let place = match place {
            Ok(place) => place,
            Err(failure) => {
                if filling.state.rows == 0 {
                    filling.forget();
                } else if failure.exit != Exit::Damaged && filling.save().is_ok() {
                    let kept = counted(filling.state.rows);
                    self.output.note(&format!("kept {kept}; the same command goes on from there"));
                }
                return Err(failure);
            }
        };
        let summed = filling.exporter.finish().map_err(|why| failure(&why, Some(&path)))?;
        let sum = summed.sum();
        summed.out().sync_all().map_err(|error| Failure::io("write", &path, &error))?;
        let size = place.size.unwrap_or(0);
        let sum = if self.options.format == Format::Parquet {
            self.output.note(&format!("writing {} as Parquet", counted(place.rows)));
            converted(&self.target, &self.options, self.force, &path, sum.bytes)?
        } else {
            put(&self.target, self.force, &sum, || fs::rename(&path, &self.target))?;
            sum
        };
        for left in [beside(&self.target, ".part.json"), path] {
            // Of no use any more, and in nobody's way.
            drop(fs::remove_file(left));
        }
        Ok(Done { rows: place.rows, size, sum })
    }

    /// What writes `FILE.part` on, behind what is good of it.
    fn exporter(&mut self) -> Result<Exporter<Summed<File>>, annals_export::ExportError> {
        if self.part.metadata()?.len() < self.state.bytes {
            // Not what we left. From the beginning, then.
            (self.state.rows, self.state.bytes, self.state.after) = (0, 0, None);
        }
        // First of all: what a state stands beside is ours.
        self.state.write(&self.target)?;
        self.part.set_len(self.state.bytes)?;
        self.part.rewind()?;
        let mut summed = Summed::new(self.part.try_clone()?);
        // Leaves the file at its end.
        summed.add(&self.part)?;
        Exporter::resume(&self.part_options, summed, self.state.rows)
    }
}

/// `FILE.part` while lines come.
struct Filling<'a> {
    target: &'a Path,
    path: &'a Path,
    exporter: Exporter<Summed<File>>,
    state: State,
    saved: Option<Instant>,
}

impl Take for Filling<'_> {
    fn lines(&mut self, lines: &[u8], place: &Place) -> Result<(), Failure> {
        let added = each_line(lines, |line| self.exporter.event(line)).and_then(|()| self.exporter.flush());
        added.map_err(|why| failure(&why, Some(self.path)))?;
        // Only now: of lines that were written in part the state knows nothing.
        (self.state.size, self.state.after, self.state.rows) = (place.size, place.after, place.rows);
        self.state.bytes = self.exporter.out().bytes();
        if self.saved.is_none_or(|at| at.elapsed() >= SAVED_EVERY) {
            self.save()?;
        }
        Ok(())
    }

    fn spoiled(&mut self) {
        self.forget();
        (self.state.rows, self.state.bytes, self.state.after) = (0, 0, None);
    }
}

impl Filling<'_> {
    /// Nothing that came is worth keeping.
    fn forget(&self) {
        for left in [beside(self.target, ".part"), beside(self.target, ".part.json")] {
            // What stays is in nobody's way: the next run begins anew all the same.
            drop(fs::remove_file(left));
        }
    }

    /// Makes what came survive, and says so in the state.
    fn save(&mut self) -> Result<(), Failure> {
        let kept = self.exporter.out().out().sync_data().and_then(|()| self.state.write(self.target));
        self.saved = Some(Instant::now());
        kept.map_err(|error| Failure::io("write", self.path, &error))
    }
}

impl State {
    fn read(target: &Path) -> Result<Option<Self>, Failure> {
        let path = beside(target, ".part.json");
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::io("read", &path, &error)),
        };
        let state: Option<Self> = serde_json::from_slice(&bytes).ok();
        state.filter(|state| state.version == VERSION).map(Some).ok_or_else(|| {
            Failure::new(
                Exit::Conflict,
                format!("`{}` is not what this version of annals keeps there", path.display()),
            )
            .with_hint("remove it, and what is kept beside it, to begin anew")
        })
    }

    /// After a crash there is the old one or the new one.
    fn write(&self, target: &Path) -> io::Result<()> {
        let path = beside(target, ".part.json");
        let bytes = serde_json::to_vec(self)?;
        let new = beside(target, ".part.json.new");
        fs::write(&new, bytes)?;
        fs::rename(new, path)
    }
}

/// The name of the file with something behind it.
fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Refuses to take the place of what is there.
fn check_target(target: &Path, force: bool) -> Result<(), Failure> {
    if target.file_name().is_none() {
        return Err(Failure::new(Exit::Invalid, format!("`{}` is no name of a file", target.display())));
    }
    match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io("look at", target, &error)),
        Ok(there) if !there.is_file() => {
            Err(Failure::new(Exit::Invalid, format!("`{}` is no file", target.display()))
                .with_hint("give the name of a file, or `-` for standard output"))
        }
        Ok(_) if force => Ok(()),
        Ok(_) => Err(Failure::new(Exit::Conflict, format!("`{}` is there already", target.display()))
            .with_hint("name another file, or put the new one in its place with `--force`")),
    }
}

/// Puts a file in its place, its sum first: whoever sees the file finds the sum.
fn put(
    target: &Path,
    force: bool,
    sum: &Sum,
    rename: impl FnOnce() -> io::Result<()>,
) -> Result<(), Failure> {
    check_target(target, force)?;
    let sums = beside(target, ".sha256");
    files::replace(&sums, sum_line(target, &sum.sha256).as_bytes())
        .map_err(|error| Failure::io("write", &sums, &error))?;
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    rename()
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(|error| Failure::io("write", target, &error))
}

/// A line as `sha256sum` writes it, which escapes names that hold line ends.
fn sum_line(target: &Path, sha256: &str) -> String {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    format!("{mark}{sha256}  {escaped}\n")
}

/// Makes the file of the lines that were kept.
fn converted(
    target: &Path,
    options: &Options,
    force: bool,
    lines: &Path,
    bytes: u64,
) -> Result<Sum, Failure> {
    let path = beside(target, ".part.parquet");
    let wrong = |why: &annals_export::ExportError| failure(why, Some(&path));
    let io = |error: io::Error| Failure::io("write", &path, &error);
    let out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).map_err(io)?;
    let mut exporter = Exporter::new(options, Summed::new(out)).map_err(|why| wrong(&why))?;
    let reading = |error: io::Error| Failure::io("read", lines, &error);
    let mut lines_left = BufReader::with_capacity(1 << 20, File::open(lines).map_err(reading)?);
    let (mut line, mut read) = (Vec::new(), 0);
    loop {
        line.clear();
        read += lines_left.read_until(b'\n', &mut line).map_err(reading)? as u64;
        let Some(event) = line.strip_suffix(b"\n") else { break };
        exporter.event(event).map_err(|why| wrong(&why))?;
    }
    if read != bytes || !line.is_empty() {
        let message = format!("`{}` is not what was written to it", lines.display());
        return Err(Failure::new(Exit::Damaged, message).with_hint("remove it and export again"));
    }
    let summed = exporter.finish().map_err(|why| wrong(&why))?;
    summed.out().sync_all().map_err(io)?;
    let sum = summed.sum();
    put(target, force, &sum, || fs::rename(&path, target))?;
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_reads_as_sha256sum_writes_it() {
        assert_eq!(sum_line(Path::new("/a/b c.csv"), "00"), "00  b c.csv\n");
        assert_eq!(sum_line(Path::new("a\\b\nc"), "00"), "\\00  a\\\\b\\nc\n");
    }

    #[test]
    fn what_is_kept_stands_beside_the_file() {
        assert_eq!(beside(Path::new("a/b.csv"), ".part"), Path::new("a/b.csv.part"));
    }
}
