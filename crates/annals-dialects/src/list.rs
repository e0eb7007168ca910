//! What a request for a list asks for, and how a cursor goes on with it.

use annals_event::filter::Condition;

use crate::params::{Params, Refusal};

/// A list, as one request asks for a page of it.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// Which records.
    pub condition: Condition,
    /// By one key after another; what is equal in all of them by position, in the direction of the last. Never empty.
    pub order: Vec<(SortKey, Direction)>,
    /// The size of the page, if the request says one.
    pub limit: Option<usize>,
    /// Where the page begins; none for the first one.
    pub cursor: Option<String>,
    /// The parameters that condition and order were read from.
    pub asked: Params,
}

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The client's time, or where it sent none the time of receipt.
    OccurredAt,
    /// The time of receipt.
    ReceivedAt,
    /// The status code; events without one come before those with 0.
    StatusCode,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The smallest.
    Rising,
    /// The largest.
    Falling,
}

/// How many records a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSize {
    /// When the request says nothing.
    pub default: usize,
    /// At least: less is raised to it.
    pub min: usize,
    /// At most: more is lowered to it.
    pub max: usize,
}

/// What an envelope says of the page within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// The cursor of the next page.
    pub next: Option<&'a str>,
    /// The cursor of the page before.
    pub previous: Option<&'a str>,
    /// How many records the list has.
    pub total: u64,
}

impl PageSize {
    /// Reads the size that a parameter asks for, brought within the bounds.
    ///
    /// # Errors
    ///
    /// The value is no whole number.
    pub fn read(&self, params: &Params, name: &'static str) -> Result<Option<usize>, Refusal> {
        let size = params.integer(name)?;
        Ok(size.map(|size| usize::try_from(size.max(0)).unwrap_or(usize::MAX).clamp(self.min, self.max)))
    }
}

impl List {
    /// The question that a cursor carries and `read` reads back as the same list: `limit` is the parameter that says the size.
    #[must_use]
    pub fn question(&self, limit: &str) -> String {
        let mut question = form_urlencoded::Serializer::new(self.asked.to_query());
        if let Some(size) = self.limit {
            question.append_pair(limit, &size.to_string());
        }
        question.finish()
    }

    /// Goes on with the list that this request's cursor was given for. A cursor alone is enough; a size beside it holds from
    /// here on; filters and sort beside it must be those of the list.
    ///
    /// # Errors
    ///
    /// They are others.
    pub fn resume(self, of: Self) -> Result<Self, Refusal> {
        if !self.asked.is_empty() && (&self.condition, &self.order) != (&of.condition, &of.order) {
            let problem = "was given for other filters or another sort; send it with those, or alone, or start without it";
            return Err(Refusal::new("cursor", problem));
        }
        Ok(Self { limit: self.limit.or(of.limit), cursor: self.cursor, ..of })
    }
}
