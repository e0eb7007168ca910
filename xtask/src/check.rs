//! What a change passes before it is committed.

use crate::fault::{Result, fail};
use crate::stages::{Stages, Tally};
use crate::tidy;
use crate::tool::{Stream, Tool};

/// Variables that make the snapshot tests rewrite what they compare with.
const REWRITE: [(&str, &str); 3] =
    [("UPDATE_EXPECT", "1"), ("SNAPSHOTS", "overwrite"), ("TRYCMD", "overwrite")];

/// Runs every check, or those under a minute.
pub(crate) fn run(stages: &mut Stages, quick: bool) {
    stages.run("format", format);
    stages.run("tidy", tidy::run);
    stages.run("lints", lints);
    if !quick {
        stages.run("docs", docs);
        stages.run("tests", tests);
        stages.run("examples in docs", doc_tests);
    }
}

/// Rewrites what is generated.
pub(crate) fn accept() -> Result<()> {
    Tool::cargo().args(["fmt", "--all"]).run()?;
    let mut tests = tests_tool();
    for (name, value) in REWRITE {
        tests = tests.env(name, value);
    }
    tests.run()?;
    Tool::new("git").args(["status", "--short"]).run()
}

pub(crate) fn format() -> Result<Tally> {
    Tool::cargo().args(["fmt", "--all", "--check"]).run()?;
    Ok(Tally::one())
}

pub(crate) fn lints() -> Result<Tally> {
    Tool::cargo()
        .args(["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"])
        .run()?;
    Ok(Tally::one())
}

pub(crate) fn docs() -> Result<Tally> {
    let docs = Tool::cargo().args(["doc", "--quiet", "--workspace", "--no-deps"]);
    docs.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links").run()?;
    Ok(Tally::one())
}

/// All tests of the workspace but those in docs.
pub(crate) fn tests() -> Result<Tally> {
    if has_nextest() {
        nextest()
    } else {
        cargo_test(&["test", "--workspace", "--all-targets", "--no-fail-fast"], &[])
    }
}

/// The examples in the docs, which nextest does not run.
pub(crate) fn doc_tests() -> Result<Tally> {
    cargo_test(&["test", "--workspace", "--doc", "--no-fail-fast"], &[])
}

fn has_nextest() -> bool {
    Tool::cargo().args(["nextest", "--version"]).answers()
}

/// The test runner, set to run all tests; nextest when it is there.
fn tests_tool() -> Tool {
    if has_nextest() {
        Tool::cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"])
    } else {
        Tool::cargo().args(["test", "--workspace", "--all-targets", "--no-fail-fast"])
    }
}

fn nextest() -> Result<Tally> {
    let mut tally = None;
    let succeeded =
        tests_tool().watch(Stream::Error, |line| tally = nextest_summary(line).or(tally.take()))?;
    concluded(succeeded, tally)
}

/// Runs cargo's own runner with these arguments and variables.
pub(crate) fn cargo_test(args: &[&str], variables: &[(&str, &str)]) -> Result<Tally> {
    let mut tally = Tally::default();
    let tool = Tool::cargo().args(args);
    let tool = variables.iter().fold(tool, |tool, (name, value)| tool.env(name, value));
    let succeeded = tool.watch(Stream::Output, |line| {
        if let Some(part) = cargo_test_summary(line) {
            tally.add(part);
        }
    })?;
    concluded(succeeded, Some(tally))
}

/// A runner may fail without a failed test: when something does not compile, or a process is killed.
fn concluded(succeeded: bool, tally: Option<Tally>) -> Result<Tally> {
    match tally {
        Some(tally) if succeeded == (tally.failed == 0) => Ok(tally),
        _ => fail!("the test runner did not end as its summary says"),
    }
}

/// Reads `     Summary [   3.141s] 120 tests run: 119 passed (1 slow), 1 failed, 2 skipped`.
fn nextest_summary(line: &str) -> Option<Tally> {
    let (_, counts) = line.trim_start().strip_prefix("Summary [")?.split_once("run: ")?;
    let count = |word| counted(counts, word).unwrap_or(0);
    Some(Tally {
        passed: count("passed"),
        failed: count("failed") + count("timed out") + count("exec failed"),
        skipped: Vec::new(),
    })
}

/// Reads `test result: ok. 12 passed; 0 failed; 0 ignored; …`.
fn cargo_test_summary(line: &str) -> Option<Tally> {
    let counts = line.strip_prefix("test result: ")?.split_once(". ")?.1;
    let (passed, failed) = (counted(counts, "passed")?, counted(counts, "failed")?);
    Some(Tally { passed, failed, skipped: Vec::new() })
}

/// The number before `word` in a list such as `3 passed (1 slow), 1 failed`.
fn counted(counts: &str, word: &str) -> Option<u64> {
    counts.split([',', ';']).find_map(|part| {
        let (number, rest) = part.trim().split_once(' ')?;
        let rest = rest.split(" (").next().unwrap_or(rest);
        (rest == word).then(|| number.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_of_both_runners_are_read() {
        let line =
            "     Summary [   3.141s] 120 tests run: 119 passed (1 slow, 2 flaky), 1 failed, 2 skipped";
        let tally = nextest_summary(line).expect("a summary");
        assert_eq!((tally.passed, tally.failed), (119, 1));
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        let tally = cargo_test_summary(line).expect("a summary");
        assert_eq!((tally.passed, tally.failed), (12, 3));
    }

    #[test]
    fn other_lines_are_no_summaries() {
        for line in ["", "running 3 tests", "Summary", "test result: ok"] {
            assert!(nextest_summary(line).is_none() && cargo_test_summary(line).is_none(), "{line}");
        }
    }
}
