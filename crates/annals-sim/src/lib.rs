//! Simulates annals: the ledger, its journal and its signer, those who use them and what can befall them, on one thread.
//!
//! One seed is one run: the same bytes, the same crashes, the same answers, the same [`Trace`]. A failing run is replayed
//! with `cargo xtask sim --seed N`.
//!
//! | module | plays |
//! |---|---|
//! | `machine` | power, three disks, two clocks, the running service |
//! | `journal` | the seam between ledger and disk: lost answers, slowness, and lies, to test the checks |
//! | `senders` | clients that send again until they are answered |
//! | `readers` | machines that follow feeds |
//! | `seekers` | people who search, page by page |
//! | `prover` | the outside memory of everything that was signed |
//! | `operators` | whoever makes tenants and keys |
//! | `book` | every item ever sent and every record ever seen: what the service is judged by |
//! | `run` | the director: who moves next, and what goes wrong |
//!
//! What must hold is listed in [`Invariant`].

mod book;
mod clock;
mod dice;
mod invariant;
mod journal;
mod machine;
mod operators;
mod prover;
mod readers;
mod run;
mod seekers;
mod senders;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};

use invariant::Broken;
pub use invariant::Invariant;

/// What happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// SHA-256 over all steps and all answers.
    pub hash: [u8; 32],
    /// Records in all logs at the end.
    pub records: u64,
    /// How often the service was started.
    pub lives: u32,
    /// How often the power was cut.
    pub power_cuts: u32,
    /// How often ingest resumed by itself after the disk had been full.
    pub resumed: u32,
    /// Answers that senders heard.
    pub answers: u64,
    /// How often a tail became a segment, while the service ran.
    pub sealed: u32,
    /// How often segments were merged, while the service ran.
    pub merged: u32,
    /// The journal's oldest batch at the end.
    pub trimmed: u64,
    /// Searches that were followed to their end.
    pub walks: u32,
}

/// A run in which something did not hold.
#[derive(Clone, Debug, thiserror::Error)]
#[error("seed {seed}, step {step}: {invariant}: {detail}")]
pub struct Failure {
    /// The run.
    pub seed: u64,
    /// The step after which it showed.
    pub step: u32,
    /// What did not hold.
    pub invariant: Invariant,
    /// How it showed.
    pub detail: String,
}

/// A journal that breaks a promise, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// One acknowledged group is never written.
    DropsAcknowledged,
    /// The batches of a group are written in another order than was acknowledged.
    SwapsTwo,
    /// A group is acknowledged before it is flushed.
    AcknowledgesEarly,
}

/// Runs `steps` steps of the run `seed`, then lets everybody finish, and checks everything again.
///
/// # Errors
///
/// [`Failure`]: something did not hold. The run ends there.
pub fn run(seed: u64, steps: u32) -> Result<Trace, Failure> {
    run_with(seed, steps, None)
}

/// As [`run()`], on a journal that breaks a promise.
///
/// # Errors
///
/// [`Failure`], which is what is hoped for.
pub fn run_sabotaged(seed: u64, steps: u32, sabotage: Sabotage) -> Result<Trace, Failure> {
    run_with(seed, steps, Some(sabotage))
}

fn run_with(seed: u64, steps: u32, sabotage: Option<Sabotage>) -> Result<Trace, Failure> {
    let step = AtomicU32::new(0);
    let ended = catch_unwind(AssertUnwindSafe(|| run::run(seed, steps, sabotage, &step)));
    let broken = match ended {
        Ok(Ok(trace)) => return Ok(trace),
        Ok(Err(broken)) => broken,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text =
                text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words");
            Broken { invariant: Invariant::NeverPanics, detail: text.to_owned() }
        }
    };
    Err(Failure {
        seed,
        step: step.load(Ordering::Relaxed),
        invariant: broken.invariant,
        detail: broken.detail,
    })
}
