//! Reads everything again in the background, at a set pace, and raises an alarm at the first thing that is not what was written.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use annals_ledger::{Control, Ledger, Scrub, ScrubFinding, lower_priority};
use serde::Serialize;

/// Records read again in a second, unless said otherwise: some 7 % of one core.
pub const SCRUB_RECORDS_PER_SECOND: u32 = 2_000;

/// Rest between two passes, unless said otherwise.
pub const SCRUB_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Niceness of the thread that reads again.
const SCRUB_NICENESS: i32 = 15;

/// Before the first pass.
const FIRST: Duration = Duration::from_secs(60);

/// Findings of a pass that are put on record and shown; all are counted.
const FINDINGS_TOLD: usize = 16;

/// How fast, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Scrubbing {
    /// Records in a second; 0 to leave it.
    pub records_per_second: u32,
    /// From the beginning of one pass to that of the next, at least.
    pub every: Duration,
}

impl Default for Scrubbing {
    fn default() -> Self {
        Self { records_per_second: SCRUB_RECORDS_PER_SECOND, every: SCRUB_EVERY }
    }
}

/// How far it is, for `/v1/status`.
#[derive(Clone, Debug, Default, Serialize, utoipa::ToSchema)]
pub(crate) struct ScrubStatus {
    /// Passes that ended since the start.
    pub(crate) passes: u64,
    /// Records read again in the pass on its way, or the last one.
    pub(crate) records: u64,
    /// Records there were when it began.
    pub(crate) of: u64,
    /// What was not as it was written, in all passes since the start. More than none is an alarm.
    pub(crate) findings: u64,
    /// The first of them.
    pub(crate) found: Vec<String>,
}

/// Reads again.
pub(crate) struct Scrubber {
    ledger: Ledger,
    settings: Scrubbing,
    status: Mutex<ScrubStatus>,
}

/// A step's pass, what it cost, and what it found.
type Step = (Scrub, Option<u64>, Vec<ScrubFinding>);

/// A thread of a lower priority than requests have: a step takes many milliseconds, for which nobody is to wait.
struct Reader {
    steps: std::sync::mpsc::Sender<Scrub>,
    done: tokio::sync::mpsc::Receiver<Step>,
}

impl Reader {
    fn start() -> std::io::Result<Self> {
        let (steps, asked) = std::sync::mpsc::channel::<Scrub>();
        let (answer, done) = tokio::sync::mpsc::channel(1);
        std::thread::Builder::new().name("annals-scrub".to_owned()).spawn(move || {
            lower_priority(SCRUB_NICENESS);
            while let Ok(mut scrub) = asked.recv() {
                let mut findings = Vec::new();
                let cost = scrub.step(&mut |finding| findings.push(finding));
                if answer.blocking_send((scrub, cost, findings)).is_err() {
                    break;
                }
            }
        })?;
        Ok(Self { steps, done })
    }

    /// Takes a step; none when the thread ended by a bug.
    async fn step(&mut self, scrub: Scrub) -> Option<Step> {
        self.steps.send(scrub).ok()?;
        self.done.recv().await
    }
}

impl Scrubber {
    pub(crate) fn new(ledger: Ledger, settings: Scrubbing) -> Self {
        Self { ledger, settings, status: Mutex::default() }
    }

    pub(crate) fn status(&self) -> ScrubStatus {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, ScrubStatus> {
        self.status.lock().expect("no holder of this lock panics")
    }

    /// Goes on for ever.
    pub(crate) async fn run(&self) {
        if self.settings.records_per_second == 0 {
            return std::future::pending().await;
        }
        tokio::time::sleep(self.settings.every.min(FIRST)).await;
        loop {
            let began = Instant::now();
            self.pass().await;
            tokio::time::sleep(self.settings.every.saturating_sub(began.elapsed())).await;
        }
    }

    /// Everything once, at the pace that is set.
    async fn pass(&self) {
        let since_us = self.ledger.clock().now().as_micros();
        let mut scrub = self.ledger.scrub();
        let mut told = 0;
        let mut reader = match Reader::start() {
            Ok(reader) => reader,
            Err(error) => {
                tracing::error!(%error, "nothing is read again, as there is no thread for it");
                return;
            }
        };
        loop {
            let Some((going, cost, findings)) = reader.step(scrub).await else { return };
            scrub = going;
            {
                let mut status = self.lock();
                (status.records, status.of) = scrub.progress();
                status.findings += findings.len() as u64;
            }
            for finding in &findings {
                self.tell(finding, &mut told).await;
            }
            let Some(cost) = cost else { break };
            let seconds = Duration::from_secs(cost) / self.settings.records_per_second;
            tokio::time::sleep(seconds).await;
        }
        self.lock().passes += 1;
        let (records, _) = scrub.progress();
        self.note(&Control::ScrubEnded { records, findings: scrub.findings(), since_us }).await;
    }

    async fn tell(&self, finding: &ScrubFinding, told: &mut usize) {
        let ScrubFinding { log, position, problem } = finding;
        let origin = log.as_ref().and_then(|log| self.ledger.log_info(log)).map(|info| info.origin);
        let position = position.map(|position| position.0);
        tracing::error!(origin, position, problem, "what was read again is not what was written");
        if *told == FINDINGS_TOLD {
            return;
        }
        *told += 1;
        {
            let mut status = self.lock();
            if status.found.len() < FINDINGS_TOLD {
                let of = origin.as_deref().map_or(String::new(), |origin| format!("log {origin}: "));
                let at = position.map_or(String::new(), |position| format!("position {position}: "));
                status.found.push(format!("{of}{at}{problem}"));
            }
        }
        self.note(&Control::ScrubFound { origin, position, problem: problem.clone() }).await;
    }

    async fn note(&self, control: &Control) {
        if let Err(error) = self.ledger.note(control).await {
            tracing::warn!(%error, "what the scrubber says could not be put on record");
        }
    }
}
