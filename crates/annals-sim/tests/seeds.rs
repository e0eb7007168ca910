//! Some runs, each twice, and runs on journals that break a promise, which must be noticed.

use annals_sim::{Invariant, Sabotage, run, run_sabotaged};

const STEPS: u32 = 500;

/// Runs that once failed, and a few more. `cargo xtask sim --seeds N` explores others.
const SEEDS: [u64; 16] = [0, 1, 2, 3, 4, 6, 7, 11, 19, 23, 39, 40, 65, 76, 110, 1_000_003];

#[test]
fn nothing_breaks_in_runs_that_once_broke() {
    let run = |seed| run(seed, STEPS).unwrap_or_else(|failure| panic!("{failure}"));
    let traces = SEEDS.map(run);
    // A run in which nothing happens would hold everything too.
    for (seed, trace) in SEEDS.iter().zip(&traces) {
        assert!(trace.records > 50 && trace.answers > 10, "seed {seed}: {trace:?}");
    }
    let sum = |count: fn(&annals_sim::Trace) -> u32| traces.iter().map(count).sum::<u32>();
    let troubles = (sum(|trace| trace.power_cuts), sum(|trace| trace.lives), sum(|trace| trace.resumed));
    assert!(troubles.0 > 20 && troubles.1 > 60 && troubles.2 > 2, "{troubles:?}");
    let sealing = (sum(|trace| trace.sealed), sum(|trace| trace.merged), sum(|trace| trace.walks));
    assert!(sealing.0 > 60 && sealing.1 > 5 && sealing.2 > 100, "{sealing:?}");
    let trimmed = traces.iter().filter(|trace| trace.trimmed > 0).count();
    assert!(trimmed > SEEDS.len() / 2, "{trimmed}");
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

/// Ten runs on a journal that breaks a promise: each must fail, and for what the promise is about.
fn must_be_noticed(sabotage: Sabotage) {
    for seed in 0..10 {
        match run_sabotaged(seed, STEPS, sabotage) {
            Ok(trace) => panic!("seed {seed}: {sabotage:?} was not noticed: {trace:?}"),
            Err(failure) => assert!(
                matches!(
                    failure.invariant,
                    Invariant::AcknowledgedIsKept
                        | Invariant::ControlIsKept
                        | Invariant::HistoryNeverChanges
                        | Invariant::FeedsAgree
                        | Invariant::Recovers
                        // What a full disk kept waiting is read where the journal says that it has written it.
                        | Invariant::IngestResumes
                ),
                "{failure}"
            ),
        }
    }
}

#[test]
fn a_journal_that_drops_an_acknowledged_group_is_noticed() {
    must_be_noticed(Sabotage::DropsAcknowledged);
}

#[test]
fn a_journal_that_swaps_batches_is_noticed() {
    must_be_noticed(Sabotage::SwapsTwo);
}

#[test]
fn a_journal_that_acknowledges_before_the_flush_is_noticed() {
    must_be_noticed(Sabotage::AcknowledgesEarly);
}
