//! What is measured of every engine.

use std::time::Duration;

use super::lines::Source;
use super::process::Taken;
use super::question::{Answer, Ask};
use crate::fault::Result;

/// Events that are acknowledged together.
pub(super) const BATCH: usize = 1_000;

/// An engine with a folder of its own.
pub(super) trait Engine {
    fn name(&self) -> &'static str;

    /// The process, or the one above all others.
    fn pid(&self) -> Result<u32>;

    /// Stores all events of a source. What it says is stored would survive a power cut.
    fn ingest(&mut self, source: &Source) -> Result<Loaded>;

    /// Ends the process, has the system forget its files, and starts it again; says how long it took until it was ready, where
    /// the process itself tells when it is.
    fn restart_cold(&mut self) -> Result<Option<Duration>>;

    /// Asks so often, one after the other; gives the time of each in microseconds, and the last answer.
    ///
    /// A time ends when the whole answer has been received; it is taken apart afterwards.
    fn ask(&mut self, ask: &Ask, times: usize) -> Result<(Vec<u64>, Answer)>;
}

/// What storing took.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) events: u64,
    /// Until the last event was acknowledged.
    pub(super) ingest: Taken,
    /// Until the work in the background was done, ingest included.
    pub(super) settled: Taken,
    /// CPU of the one who sent, until the last event was acknowledged.
    pub(super) client_cpu_seconds: f64,
    /// Anonymous and shared memory after that.
    pub(super) rest_kib: u64,
    /// Events that are stored but not in their final form yet, where the engine has such: annals' tail, which is in the journal.
    pub(super) in_tail: Option<u64>,
    /// Bytes on disk, by kind of file.
    pub(super) bytes: Vec<(String, u64)>,
}

impl Loaded {
    /// Bytes of the files of a kind.
    fn bytes_of(&self, kind: &str) -> u64 {
        self.bytes.iter().filter(|(known, _)| known == kind).map(|(_, bytes)| bytes).sum()
    }

    /// Bytes of segments an event in them; none where nothing is sealed.
    pub(super) fn bytes_sealed(&self) -> Option<f64> {
        let sealed = self.events.saturating_sub(self.in_tail?);
        (sealed > 0 && self.bytes_of("segments") > 0)
            .then(|| self.bytes_of("segments") as f64 / sealed as f64)
    }

    pub(super) fn millions(&self) -> f64 {
        self.events as f64 / 1e6
    }
}
