//! Random questions to random histories, as many as one likes, each answered as by a naive ledger.
//!
//! The test is `annals-ledger`'s own; here it is asked more.

use crate::check;
use crate::fault::{Result, require};
use crate::stages::Tally;

/// The test, and the variable that says how many questions it asks.
const TEST: &str = "random_questions_to_random_histories_are_answered_as_by_a_naive_ledger";
const QUESTIONS: &str = "ANNALS_MODEL_QUESTIONS";

/// Asks so many questions.
pub(crate) fn run(questions: u64) -> Result<Tally> {
    let args = ["test", "--package", "annals-ledger", "--test", "it", "--", TEST];
    let tally = check::cargo_test(&args, &[(QUESTIONS, &questions.to_string())])?;
    require!(tally.passed + tally.failed > 0, "annals-ledger has no test `{TEST}`");
    if tally.failed == 0 {
        println!("{questions} questions answered as by the naive ledger");
    }
    Ok(tally)
}
