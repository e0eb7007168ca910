//! The lines of a bundle's log: cut by one thread, checked by as many as there are cores, handed on in order.
//!
//! Pieces of whole lines go to the workers in turn, and what they made of them is taken back in the same turn, so the order needs
//! no memory. Each worker has one piece at hand and [`WAITING`]: what is held at once is bounded by the number of workers, of
//! which there are at most [`WORKERS_MAX`], and the longest line.

use std::io::Read;
use std::num::NonZero;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

pub(crate) use annals_verify::{Asked, Seeing, Stopped};
use annals_verify::{Content, Looker, cut};

/// Most threads that check lines.
pub(crate) const WORKERS_MAX: usize = 12;

/// Pieces that wait for a worker, and pieces of which it has told and that wait to be taken.
const WAITING: usize = 3;

/// What came of a piece: what its lines show, up to one that cannot be read.
type Piece = (Vec<Seeing>, Result<(), String>);

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
            let (piece, to_check) = sync_channel::<Vec<u8>>(WAITING);
            let (done, checked) = sync_channel::<Piece>(WAITING);
            let thread = thread::Builder::new().name("check".to_owned());
            let spawned = thread.spawn_scoped(scope, move || {
                let mut worker = Looker::default();
                // Whoever takes what is made may have had enough.
                while let Ok(lines) = to_check.recv() {
                    if done.send(worker.piece(&lines, asked)).is_err() {
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
