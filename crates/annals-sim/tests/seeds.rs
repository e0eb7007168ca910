//! Some runs, each twice, and runs on journals that break a promise, which must be noticed.

use annals_sim::{Invariant, Sabotage, run, run_sabotaged};

const STEPS: u32 = 500;

/// Runs that once failed, and a few more. `cargo xtask sim --seeds N` explores others.
const SEEDS: [u64; 12] = [0, 1, 2, 3, 4, 7, 11, 19, 23, 65, 76, 1_000_003];

#[test]
fn nothing_breaks_in_runs_that_once_broke() {
    for seed in SEEDS {
        let trace = run(seed, STEPS).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(trace.records > 50 && trace.answers > 10, "seed {seed}: little happened: {trace:?}");
    }
}

#[test]
fn a_seed_is_one_run_and_another_seed_another() {
    let traces: Vec<_> =
        [5, 6].iter().map(|seed| (run(*seed, STEPS).unwrap(), run(*seed, STEPS).unwrap())).collect();
    for (first, second) in &traces {
        assert_eq!(first, second);
    }
    assert_ne!(traces[0].0.hash, traces[1].0.hash);
}

/// The seeds of ten in which a journal that breaks a promise is not noticed, and what is noticed first in the others.
fn noticed(sabotage: Sabotage) -> (Vec<u64>, Vec<Invariant>) {
    let runs = (0..10).map(|seed| (seed, run_sabotaged(seed, STEPS, sabotage)));
    let mut missed = Vec::new();
    let mut seen = Vec::new();
    for (seed, run) in runs {
        match run {
            Ok(_) => missed.push(seed),
            Err(failure) => seen.push(failure.invariant),
        }
    }
    seen.sort_unstable();
    seen.dedup();
    (missed, seen)
}

#[test]
fn a_journal_that_drops_an_acknowledged_group_is_noticed() {
    let (missed, seen) = noticed(Sabotage::DropsAcknowledged);
    assert!(missed.is_empty(), "not noticed in seeds {missed:?}; in others: {seen:?}");
}

#[test]
fn a_journal_that_swaps_batches_is_noticed() {
    let (missed, seen) = noticed(Sabotage::SwapsTwo);
    assert!(missed.is_empty(), "not noticed in seeds {missed:?}; in others: {seen:?}");
}

#[test]
fn a_journal_that_acknowledges_before_the_flush_is_noticed() {
    let (missed, seen) = noticed(Sabotage::AcknowledgesEarly);
    assert!(missed.is_empty(), "not noticed in seeds {missed:?}; in others: {seen:?}");
}
