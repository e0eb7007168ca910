//! Long random histories of appends, trims, failures, restarts and power cuts agree with a naive model.

use std::num::NonZeroU64;

use annals_journal::sim::{Fault, Op, SimDisk};
use proptest::prelude::*;

use crate::model::Promises;

#[derive(Clone, Debug)]
enum Act {
    Append(Vec<usize>),
    Trim(u64),
    Restart,
    Crash,
    CutPowerAfter(u64),
    Fail(Op, u32, Fault),
    FailRandomly(Option<u64>),
    Capacity(Option<u64>),
    Read,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let sizes = prop::collection::vec(
        prop_oneof![4 => 1..400_usize, 1 => 400..5000_usize, 1 => 480..490_usize],
        1..6,
    );
    let op =
        prop::sample::select(vec![Op::Create, Op::Write, Op::Truncate, Op::Sync, Op::Remove, Op::SyncDir]);
    let fault = prop::sample::select(vec![Fault::Error, Fault::NoSpace, Fault::AnswerLost]);
    let act = prop_oneof![
        12 => sizes.prop_map(Act::Append),
        2 => (0..=100_u64).prop_map(Act::Trim),
        1 => Just(Act::Restart),
        2 => Just(Act::Crash),
        2 => (0..12_u64).prop_map(Act::CutPowerAfter),
        2 => (op, 0..3_u32, fault).prop_map(|(op, skipped, fault)| Act::Fail(op, skipped, fault)),
        1 => prop::option::of(2..20_u64).prop_map(Act::FailRandomly),
        1 => prop::option::of(0..20_000_u64).prop_map(Act::Capacity),
        1 => Just(Act::Read),
    ];
    prop::collection::vec(act, 1..60)
}

fn run(seed: u64, acts: Vec<Act>) {
    let disk = SimDisk::new(seed);
    let mut promises = Promises::default();
    let mut journal = promises.open(&disk);
    for act in acts {
        // A process whose disk does not answer at start is started again, after the power was cut and restored.
        while journal.is_none() {
            disk.set_capacity(None);
            disk.fail_randomly(None);
            disk.crash();
            journal = promises.open(&disk);
        }
        let running = journal.as_mut().expect("opened above");
        match act {
            Act::Append(sizes) => promises.append(running, &sizes),
            Act::Trim(percent) => promises.trim(running, percent),
            Act::Restart => {
                drop(journal.take());
                journal = promises.open(&disk);
            }
            Act::Crash => {
                disk.crash();
                journal = promises.open(&disk);
            }
            Act::CutPowerAfter(changes) => disk.cut_power_after(changes),
            Act::Fail(op, skipped, fault) => disk.fail(op, skipped, fault),
            Act::FailRandomly(one_in) => disk.fail_randomly(one_in.and_then(NonZeroU64::new)),
            Act::Capacity(bytes) => disk.set_capacity(bytes),
            Act::Read if disk.is_on() => promises.check_contents(running),
            Act::Read => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_acknowledged_batch_is_there_once_and_in_order(seed: u64, acts in acts()) {
        run(seed, acts);
    }
}
