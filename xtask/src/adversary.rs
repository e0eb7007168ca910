//! Random attacks on evidence bundles, published logs and data folders, as many as one likes; none may be verified.
//!
//! The tests are `annals`' own; here they are asked more, and say which attacks nobody can see who knows nothing but the log's key.

use crate::fault::{Result, require};
use crate::stages::Tally;
use crate::tool::Tool;

/// What the names of the tests begin with, and how many there are.
const TESTS: &str = "nobody_is_believed_who_";
const TESTS_COUNT: u64 = 4;

/// The variable that says how many attacks each makes.
const CASES: &str = "ANNALS_ADVERSARY_CASES";

/// What begins a line about attacks.
const ABOUT: &str = "attack: ";

/// Makes so many attacks on each.
pub(crate) fn run(cases: u64) -> Result<Tally> {
    let args = ["test", "--quiet", "--package", "annals", "--test", "it", "--", "--nocapture", TESTS];
    let (passed, said) = Tool::cargo().args(args).env(CASES, cases.to_string()).ask()?;
    // Beside what the runner writes, a line may begin in the midst of one.
    for about in said.lines().filter_map(|line| line.split_once(ABOUT)).map(|(_, about)| about) {
        println!("{about}");
    }
    require!(passed, "an attack was believed: {said}");
    let ran = said.contains(&format!("{TESTS_COUNT} passed"));
    require!(ran, "annals has not {TESTS_COUNT} tests `{TESTS}…`: {said}");
    println!("{cases} attacks on each of bundles, published logs and data folders: none was believed");
    Ok(Tally::passed(TESTS_COUNT))
}
