//! Checking and packing lines while the next ones are fetched.
//!
//! This sees each page once, as it comes, so it knows nothing yet of what stands behind it. Where that would matter, or where anything
//! at all is wrong, it gives up: whoever began it then checks all lines together, as they are kept in their file, and says what is wrong. What
//! it does not give up on holds: nothing in it needed an excuse, and every entry of the log's own could be read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::num::NonZero;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;

use annals_bundle::{Checked, Lifecycle, Manifest};
use annals_server::bundle::Archive;
use annals_tree::checkpoint::Checkpoint;
use annals_tree::entry::EntryKind;
use annals_verify::{Judge, Looker, Seeing, cut};
use tempfile::{NamedTempFile, TempPath};

use super::{BUFFER_BYTES, Export, Held, Shown, put_own_lines};
use crate::verify::bundle::lines::WORKERS_MAX;
use crate::verify::bundle::read_lifecycle;

/// An archive that has its lines so far.
pub(super) type Packed = Archive<BufWriter<NamedTempFile>>;

/// See the module.
pub(super) struct Ahead {
    /// What the lines are held against.
    held: Held,
    lookers: Vec<Looker>,
    judge: Judge,
    own: Vec<u8>,
    /// Its file goes when this is dropped.
    packed: Packed,
}

impl Ahead {
    /// Begins, if that can be done.
    pub(super) fn begin(export: &Export) -> Option<Self> {
        let held = export.held().ok()?;
        let mut packed = Archive::new(BufWriter::with_capacity(BUFFER_BYTES, part(&export.part_path).ok()?));
        export.pack_front(&mut packed).ok()?;
        // The thread that asks for this packs, one waits for the network.
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let lookers = (0..(cores - 1).clamp(1, WORKERS_MAX)).map(|_| Looker::default()).collect();
        let judge = Judge::new(&export.manifest, Lifecycle::default(), export.state.head.size, &[]);
        Some(Self { held, lookers, judge, own: Vec::new(), packed })
    }

    /// Takes the lines that an earlier run left: so many bytes of a file.
    pub(super) fn kept(mut self, path: &Path, bytes: u64) -> Option<Self> {
        let mut lines = File::open(path).ok()?.take(bytes);
        cut(&mut lines, &mut |piece| self.take(&piece).is_some()).ok()?;
        Some(self)
    }

    /// Takes the next lines.
    pub(super) fn page(mut self, lines: &[u8]) -> Option<Self> {
        self.take(lines)?;
        Some(self)
    }

    fn take(&mut self, lines: &[u8]) -> Option<()> {
        let Self { held, lookers, judge, own, packed } = self;
        let seen: Vec<Vec<Seeing>> = thread::scope(|scope| {
            let pieces = pieces(lines, lookers.len());
            let mut checking = Vec::with_capacity(pieces.len());
            for (looker, piece) in lookers.iter_mut().zip(pieces) {
                let held = &*held;
                let thread = thread::Builder::new().name("check".to_owned());
                checking.push(thread.spawn_scoped(scope, move || looker.piece(piece, held)).ok()?);
            }
            let is_packed = packed.write_all(lines).is_ok();
            let seen = checking.into_iter().map(|checking| {
                let (seen, ended) = checking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                ended.ok().map(|()| seen)
            });
            let seen: Option<Vec<_>> = seen.collect();
            seen.filter(|_| is_packed)
        })?;
        let mut has_own = false;
        for seeing in seen.into_iter().flatten() {
            has_own |=
                matches!(&seeing.checked, Checked::Record(record) if record.entry.kind != EntryKind::Event);
            if !judge.take(seeing).goes_on {
                return None;
            }
        }
        if !judge.wants_rows() {
            held.rows.store(false, Ordering::Relaxed);
        }
        if has_own {
            put_own_lines(lines, own);
        }
        Some(())
    }

    /// Ends: what was shown, if it holds, and the archive so far.
    pub(super) fn end(self, manifest: &mut Manifest, checkpoint: &Checkpoint) -> Option<(Shown, Packed)> {
        let Self { judge, own, packed, .. } = self;
        let shown = Shown::of(judge, own, manifest, checkpoint);
        let is_sound = shown.summary.findings.is_empty() && read_lifecycle(&shown.own).1.is_empty();
        is_sound.then_some((shown, packed))
    }
}

/// The file that the archive is written to, empty, for its owner alone: there may be personal data in it. One that a run left that was
/// killed goes.
fn part(path: &Path) -> io::Result<NamedTempFile> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
    Ok(NamedTempFile::from_parts(file, TempPath::try_from_path(path)?))
}

/// Cuts lines into so many pieces of whole lines, about equally long.
fn pieces(mut lines: &[u8], count: usize) -> Vec<&[u8]> {
    let mut pieces = Vec::with_capacity(count);
    for left in (1..=count).rev() {
        let middle = lines.len() / left;
        let end = match left {
            1 => lines.len(),
            _ => lines[middle..]
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(lines.len(), |at| middle + at + 1),
        };
        let (piece, rest) = lines.split_at(end);
        pieces.push(piece);
        lines = rest;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_whole_lines_and_nothing_is_lost() {
        for text in
            ["", "a\n", "aa\nb\ncccc\nd\n", "aaaaaaaaaaaa\nb\n", "a\nbbbbbbbbbbbbbbbb\n", "\n\n\n\n\n\n"]
        {
            for count in 1..6 {
                let pieces = pieces(text.as_bytes(), count);
                assert_eq!(pieces.len(), count);
                assert_eq!(pieces.concat(), text.as_bytes());
                assert!(
                    pieces.iter().all(|piece| piece.is_empty() || piece.ends_with(b"\n")),
                    "{text:?} {count}"
                );
            }
        }
    }
}
