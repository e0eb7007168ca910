//! A histogram split by the values of a field.
//!
//! One count finds the values that are most frequent, then one for each of them, with the condition that an event has it, all as
//! of the size of the first. An event counts in one row alone, so that rows add up: under the most frequent of its values, or
//! else as another one, or as without any.

use std::sync::Arc;

use annals_event::Timestamp;
use annals_event::filter::{Condition, Decimal, Field, Literal, Matcher, Scalar, Test};
use annals_ledger::search::Effort;
use annals_ledger::{Counts, FieldCounts, Ledger, SearchError, Summary};

/// Values with a row of their own.
pub(super) const SPLIT_VALUES: usize = 8;

/// Values looked at to find these: some may be the same to a filter, such as `1` and `1.0`.
pub(super) const SPLIT_VALUES_LOOKED_AT: usize = 64;

/// How many events occurred in each stretch.
type Row = Vec<u64>;

/// The rows of a histogram. Together they add up to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rows {
    /// Of a value, as JSON, each.
    pub(super) series: Vec<(Arc<str>, Row)>,
    /// Of events with another value.
    pub(super) other: Row,
    /// Of events without any.
    pub(super) missing: Row,
}

/// Counting that goes on with the same question, as of the same size, until the time is up.
struct Counting<'a> {
    ledger: &'a Ledger,
    summary: Summary<'a>,
    effort: Effort<'a>,
    until_us: u64,
}

/// The rows of what `counts` counted for `summary`, where `by` counted the field's values.
///
/// # Errors
///
/// As [`Ledger::summarise`].
pub(super) fn rows(
    ledger: &Ledger,
    summary: &Summary<'_>,
    field: &Field,
    (counts, by): (&Counts, &FieldCounts),
    effort: Effort<'_>,
    until_us: u64,
) -> Result<Rows, SearchError> {
    let summary = Summary { by: &[], size: Some(counts.size), ..*summary };
    let counting = Counting { ledger, summary, effort, until_us };
    let told: u64 = by.values.iter().map(|(_, count)| count).sum();
    // Where every event has one value at most no other row needs to be left out.
    let has_one_at_most = by.distinct == by.values.len() as u64 && told + by.missing == counts.total;
    let has = |literals: &[Literal]| Condition::Field(field.clone(), Test::In(literals.to_vec()));
    let mut taken: Vec<Literal> = Vec::new();
    let mut rows = Rows::default();
    for (value, _) in &by.values {
        if taken.len() == SPLIT_VALUES {
            break;
        }
        let Some((literal, scalar)) = literal(value) else { continue };
        if Test::In(taken.clone()).passes(&scalar.as_scalar()) {
            continue;
        }
        let mut condition = has(std::slice::from_ref(&literal));
        if !taken.is_empty() && !has_one_at_most {
            condition = condition.and(has(&taken).negated());
        }
        rows.series.push((value.clone(), counting.row(condition, counts)?));
        taken.push(literal);
    }
    let empty = || vec![0; counts.stretches.len()];
    rows.missing = if by.missing == 0 {
        empty()
    } else {
        let is_empty = Test::In(vec![Literal::Text("".into())]);
        let any = [Test::Present, is_empty].map(|test| Condition::Field(field.clone(), test));
        counting.row(Condition::Any(any.to_vec()).negated(), counts)?
    };
    rows.other = counts.stretches.iter().map(|(_, count)| *count).collect();
    for row in rows.series.iter().map(|(_, row)| row).chain([&rows.missing]) {
        for (left, count) in rows.other.iter_mut().zip(row) {
            *left = left.saturating_sub(*count);
        }
    }
    Ok(rows)
}

impl Counting<'_> {
    /// What of the whole also satisfies this.
    fn row(&self, condition: Condition, whole: &Counts) -> Result<Row, SearchError> {
        let us_max = self.until_us.saturating_sub(self.ledger.clock().monotonic_us());
        if us_max == 0 {
            return Err(SearchError::Busy);
        }
        let matcher = self.summary.matcher.condition().clone().and(condition);
        let matcher = Arc::new(Matcher::new(matcher));
        let summary = Summary { matcher: &matcher, ..self.summary };
        let counts = self.ledger.summarise(&summary, Effort { us_max, ..self.effort })?;
        Ok(whole.stretches.iter().map(|(start, _)| count_at(&counts, *start)).collect())
    }
}

fn count_at(counts: &Counts, start: Timestamp) -> u64 {
    let at = counts.stretches.binary_search_by_key(&start, |(start, _)| *start);
    at.map_or(0, |at| counts.stretches[at].1)
}

/// A value of a record that outlives its text.
enum Owned {
    Text(String),
    Token(String),
}

impl Owned {
    fn as_scalar(&self) -> Scalar<'_> {
        match self {
            Self::Text(text) => Scalar::Text(text),
            Self::Token(token) => Scalar::of_token(token),
        }
    }
}

/// What a value, as JSON, is compared with; none of a number that compares with nothing.
fn literal(json: &str) -> Option<(Literal, Owned)> {
    if json.starts_with('"') {
        let text: String = serde_json::from_str(json).ok()?;
        return Some((Literal::Text(text.as_str().into()), Owned::Text(text)));
    }
    let literal = match json {
        "true" => Literal::Bool(true),
        "false" => Literal::Bool(false),
        number => Literal::Number(Decimal::parse(number)?),
    };
    Some((literal, Owned::Token(json.to_owned())))
}
