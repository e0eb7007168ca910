//! Everything, in one go: what `.ci/run` calls.

use crate::instance::Binary;
use crate::stages::{Stages, Tally};
use crate::{
    adversary, backups, bundles, check, crash, dialects, erasures, exports, foreign, model, readme,
    real_data, relay, schemathesis, sim, tidy, verify_page, viewer,
};

/// Kill rounds of a test run; `cargo xtask crash` does more.
const CRASH_ROUNDS: u64 = 20;

/// Kill rounds between a product and a server of a test run; `cargo xtask relay` does more.
const RELAY_ROUNDS: u64 = 15;

/// Ledgers of a test run from which people are erased; `cargo xtask erasures` does more.
const ERASURES_ROUNDS: u64 = 1;

/// Attacks of a test run; `cargo xtask adversary` makes as many as one likes.
const ADVERSARY_CASES: u64 = 100;

/// Random questions of a test run; `cargo xtask model` asks as many as one likes.
const MODEL_QUESTIONS: u64 = 100_000;

/// Events of the list that a vendor's client walks; `cargo xtask dialects` has it walk more.
const DIALECT_EVENTS: u64 = 10_000;

/// Random requests to each operation of a test run; `cargo xtask schemathesis` sends more.
const SCHEMATHESIS_EXAMPLES: u64 = 10;

/// Simulated runs of a test run, each run twice; `cargo xtask sim` explores more.
const SIM_SEEDS: u64 = 40;

/// Runs all stages, the quick ones first.
pub(crate) fn run(stages: &mut Stages) {
    stages.run("format", check::format);
    stages.run("tidy", tidy::run);
    stages.run("lints", check::lints);
    stages.run("docs", check::docs);
    // First, as the binary embeds it.
    stages.run("verify page", || verify_page::build().map(|_| Tally::one()));
    let mut binary = None;
    stages.run("build", || {
        binary = Some(Binary::build_with_tests()?);
        Ok(Tally::one())
    });
    // Without it nothing below can run, and that stage has said why.
    let Some(binary) = binary else { return };
    stages.run("tests", check::tests);
    stages.run("examples in docs", check::doc_tests);
    stages.run("model", || model::run(MODEL_QUESTIONS));
    stages.run("adversary", || adversary::run(ADVERSARY_CASES));
    stages.run("readme", || readme::run(&binary));
    stages.run("simulation", || sim::run(&sim::Args::twice(SIM_SEEDS)));
    stages.run("crash", || crash::run(&binary, CRASH_ROUNDS, 1));
    stages.run("relay", || relay::run(&binary, RELAY_ROUNDS, 1));
    stages.run("backups", backups::run);
    stages.run("real data", || real_data::run(&binary));
    stages.run("dialects", || dialects::run(&binary, DIALECT_EVENTS));
    stages.run("schemathesis", || schemathesis::run(&binary, SCHEMATHESIS_EXAMPLES));
    stages.run("exports", || exports::run(&binary));
    stages.run("bundles", || bundles::run(&binary));
    stages.run("viewer", || viewer::run(&binary));
    stages.run("verifiers by others", || foreign::run(&binary));
    // After those who built the programs that it asks.
    stages.run("erasures", || erasures::run(&binary, ERASURES_ROUNDS, 1));
}
