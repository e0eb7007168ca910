//! Batches waiting for the journal, bounded in bytes: what does not fit is told to wait.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Duration;

use annals_journal::GROUP_BYTES_MAX;
use tokio::sync::oneshot;

use crate::error::CommitError;
use crate::marks::Marked;
use crate::state::Outcome;

/// Most bytes of batches that wait; beyond it senders are told [`CommitError::Busy`].
pub(crate) const QUEUE_BYTES_MAX: usize = 64 << 20;

/// One batch on its way, and who waits for it.
pub(crate) struct Submission {
    pub(crate) batch: Vec<u8>,
    /// The marks of its events; where there are none they are made when it is applied.
    pub(crate) marks: Option<Marked>,
    /// Events in it, for the count of refusals.
    pub(crate) events: u64,
    pub(crate) whose: Whose,
}

/// Who waits for a batch.
pub(crate) enum Whose {
    /// A sender, to be told what became of it.
    Sender(oneshot::Sender<Result<Vec<Outcome>, CommitError>>),
    /// annals itself: a record that is tried again until it is stored.
    Record,
    /// Nobody: a head, which the next one makes up for.
    Head,
}

impl Submission {
    /// Bytes it takes while it waits.
    fn bytes(&self) -> usize {
        self.batch.len() + self.marks.as_ref().map_or(0, Marked::bytes)
    }

    /// Tells the sender, who may have gone away.
    pub(crate) fn answer(self, answer: Result<Vec<Outcome>, CommitError>) {
        if let Whose::Sender(reply) = self.whose {
            drop(reply.send(answer));
        }
    }
}

/// What the journal's thread is to do next.
pub(crate) enum Work {
    /// Append these as one group.
    Group(Vec<Submission>),
    /// Nothing came for a while.
    Idle,
    /// Everything was appended and nothing more will come.
    Closed,
}

#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Default)]
struct Waiting {
    submissions: VecDeque<Submission>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Puts a batch into the queue, or hands it back when there is no room or no more is taken.
    pub(crate) fn push(&self, submission: Submission) -> Result<(), (Submission, CommitError)> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err((submission, CommitError::Stopping));
        }
        let fits = waiting.bytes == 0 || waiting.bytes + submission.bytes() <= QUEUE_BYTES_MAX;
        if !fits {
            return Err((submission, CommitError::Busy));
        }
        waiting.bytes += submission.bytes();
        waiting.submissions.push_back(submission);
        self.changed.notify_one();
        Ok(())
    }

    /// The next group, as large as the journal likes, waiting for it at most `patience`.
    pub(crate) fn next_group(&self, patience: Duration) -> Work {
        let waiting = self.lock();
        let (mut waiting, _) = self
            .changed
            .wait_timeout_while(waiting, patience, |waiting| {
                waiting.submissions.is_empty() && !waiting.closed
            })
            .expect("no holder of this lock panics");
        let mut group = Vec::new();
        let (mut bytes, mut held) = (0, 0);
        while let Some(first) = waiting.submissions.front() {
            if !group.is_empty() && bytes + first.batch.len() > GROUP_BYTES_MAX {
                break;
            }
            bytes += first.batch.len();
            held += first.bytes();
            group.extend(waiting.submissions.pop_front());
        }
        waiting.bytes -= held;
        match (group.is_empty(), waiting.closed) {
            (false, _) => Work::Group(group),
            (true, false) => Work::Idle,
            (true, true) => Work::Closed,
        }
    }

    /// Takes no more; what waits is still appended.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Batches and bytes that wait.
    pub(crate) fn depth(&self) -> (usize, usize) {
        let waiting = self.lock();
        (waiting.submissions.len(), waiting.bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of this lock panics")
    }
}
