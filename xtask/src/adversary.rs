//! Random attacks on evidence bundles and published logs, as many as one likes; none may be verified.
//!
//! The test is `annals`' own; here it is asked more.

use crate::check;
use crate::fault::{Result, require};
use crate::stages::Tally;

/// The test, and the variable that says how many attacks it makes.
const TEST: &str = "nobody_is_believed_who_changes_the_past";
const CASES: &str = "ANNALS_ADVERSARY_CASES";

/// Makes so many attacks.
pub(crate) fn run(cases: u64) -> Result<Tally> {
    let args = ["test", "--package", "annals", "--test", "it", "--", TEST];
    let tally = check::cargo_test(&args, &[(CASES, &cases.to_string())])?;
    require!(tally.passed + tally.failed > 0, "annals has no test `{TEST}`");
    if tally.failed == 0 {
        println!(
            "{cases} attacks of twelve classes: none was believed; a selection that omits a hit is said to be able to"
        );
    }
    Ok(tally)
}
