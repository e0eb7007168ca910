//! Stages of a long command: what each took, what it counted, and how it all ended.

use std::time::{Duration, Instant};

use crate::fault::{Result, fail};

/// What a stage counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// Checks that held.
    pub(crate) passed: u64,
    /// Checks that did not; each was printed when it was found.
    pub(crate) failed: u64,
    /// What was not checked, and why.
    pub(crate) skipped: Vec<String>,
}

impl Tally {
    /// One check that held.
    pub(crate) fn one() -> Self {
        Self::passed(1)
    }

    /// So many checks that held.
    pub(crate) fn passed(passed: u64) -> Self {
        Self { passed, ..Self::default() }
    }

    /// Nothing was checked.
    pub(crate) fn skipped(why: impl Into<String>) -> Self {
        Self { skipped: vec![why.into()], ..Self::default() }
    }

    /// Adds another's counts.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
    }
}

/// Runs stages one after the other, all of them, also behind one that failed.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, Duration, Tally)>,
}

impl Stages {
    /// Runs one stage; an error counts as one failed check.
    pub(crate) fn run(&mut self, name: &'static str, stage: impl FnOnce() -> Result<Tally>) {
        println!("\n=== {name}");
        let start = Instant::now();
        let tally = stage().unwrap_or_else(|error| {
            println!("error: {name}: {error}");
            Tally { failed: 1, ..Tally::default() }
        });
        for why in &tally.skipped {
            println!("skipped: {why}");
        }
        let took = start.elapsed();
        println!(
            "--- {name}: {} passed, {} failed in {:.1} s",
            tally.passed,
            tally.failed,
            took.as_secs_f64()
        );
        self.done.push((name, took, tally));
    }

    /// Prints what each stage took, what was skipped, and the counts as the last line.
    ///
    /// # Errors
    ///
    /// When a check failed in any stage.
    pub(crate) fn finish(self) -> Result<()> {
        println!("\n=== stages");
        let mut all = Tally::default();
        let mut took = Duration::ZERO;
        for (name, stage_took, tally) in self.done {
            let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
            println!("{:>8.1} s  {name}: {verdict}", stage_took.as_secs_f64());
            took += stage_took;
            all.add(tally);
        }
        println!("{:>8.1} s  all", took.as_secs_f64());
        for why in &all.skipped {
            println!("skipped: {why}");
        }
        println!("\n{} passed, {} failed", all.passed, all.failed);
        if all.failed > 0 {
            fail!("{} checks failed", all.failed);
        }
        Ok(())
    }
}
