//! Everything, in one go: what `.ci/run` calls.

use crate::instance::Binary;
use crate::stages::{Stages, Tally};
use crate::{check, crash, foreign, real_data, tidy};

/// Kill rounds of a test run; `cargo xtask crash` does more.
const CRASH_ROUNDS: u64 = 20;

/// Runs all stages, the quick ones first.
pub(crate) fn run(stages: &mut Stages) {
    stages.run("format", check::format);
    stages.run("tidy", tidy::run);
    stages.run("lints", check::lints);
    stages.run("docs", check::docs);
    stages.run("tests", check::tests);
    stages.run("examples in docs", check::doc_tests);
    let mut binary = None;
    stages.run("binary", || {
        binary = Some(Binary::build(false)?);
        Ok(Tally::one())
    });
    // Without a binary that stage has failed and says why.
    let Some(binary) = binary else { return };
    stages.run("crash", || crash::run(&binary, CRASH_ROUNDS, 1));
    stages.run("real data", || real_data::run(&binary));
    stages.run("verifiers by others", || foreign::run(&binary));
}
