//! What a request for a list asks for, and how a cursor goes on with it.

use annals_event::filter::Condition;

use crate::params::{Params, Refusal};
use crate::time::Time;

/// The parameter with a page's number, where pages have numbers.
pub const PAGE: &str = "page";

/// The parameter with the size of the log that pages speak of, where pages have numbers: links carry it, so that pages do not move
/// while events arrive.
pub const AS_OF: &str = "as_of";

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
    /// Which page, where pages have numbers; none where they have cursors.
    pub number: Option<PageNumber>,
    /// Whether the answer says how many records there are in all.
    pub count: bool,
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

/// Which of numbered pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageNumber {
    /// From 1.
    pub page: u64,
    /// As of which size of the log; none for as it is now.
    pub as_of: Option<u64>,
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
    /// The same bounds, and this size where a request says nothing; none leaves it.
    #[must_use]
    pub fn or(self, default: Option<usize>) -> Self {
        Self { default: default.unwrap_or(self.default), ..self }
    }

    /// Reads the size that a parameter asks for, brought within the bounds.
    ///
    /// # Errors
    ///
    /// The value is no whole number.
    pub fn read(&self, params: &Params, name: &'static str) -> Result<Option<usize>, Refusal> {
        let size = params.integer(name)?;
        Ok(size.map(|size| usize::try_from(size.max(0)).unwrap_or(usize::MAX).clamp(self.min, self.max)))
    }

    /// As [`PageSize::read`], and takes the parameter out.
    ///
    /// # Errors
    ///
    /// As [`PageSize::read`].
    pub fn take(&self, params: &mut Params, name: &'static str) -> Result<Option<usize>, Refusal> {
        let size = self.read(params, name)?;
        params.take(name);
        Ok(size)
    }
}

impl PageNumber {
    /// Takes [`PAGE`] and [`AS_OF`] out. A number below 1 is the first page.
    ///
    /// # Errors
    ///
    /// One of them is no whole number.
    pub fn take(params: &mut Params) -> Result<Self, Refusal> {
        let whole =
            |name| params.integer(name).map(|number| number.map(|number| u64::try_from(number).unwrap_or(0)));
        let number = Self { page: whole(PAGE)?.unwrap_or(1).max(1), as_of: whole(AS_OF)? };
        params.take(PAGE);
        params.take(AS_OF);
        Ok(number)
    }

    /// How many records come before it.
    #[must_use]
    pub fn skips(&self, page_size: usize) -> u64 {
        (self.page - 1).saturating_mul(page_size as u64)
    }
}

impl List {
    /// What a request for a list with cursors asks for: the newest first, counted.
    #[must_use]
    pub fn new(condition: Condition, time: Time, asked: Params) -> Self {
        let order = vec![(time.sort_key(), Direction::Falling)];
        Self { condition, order, limit: None, cursor: None, number: None, count: true, asked }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn take(query: &str) -> Result<(PageNumber, Params), Refusal> {
        let mut params = Params::read(query, &[PAGE, AS_OF, "action"]).unwrap();
        PageNumber::take(&mut params).map(|number| (number, params))
    }

    #[test]
    fn a_page_has_a_number_from_1_and_is_taken_out() {
        for (query, page, as_of) in [
            ("", 1, None),
            ("page=3", 3, None),
            ("page=3.0&as_of=17", 3, Some(17)),
            ("page=0&as_of=0", 1, Some(0)),
            ("page=-7&as_of=-1", 1, Some(0)),
            ("page=99999999999999999999", i64::MAX.cast_unsigned(), None),
        ] {
            let (number, rest) = take(query).unwrap();
            assert_eq!((number, rest.is_empty()), (PageNumber { page, as_of }, true), "{query}");
        }
        assert_eq!(take("page=two").unwrap_err().parameter, PAGE);
        assert_eq!(take("as_of=now").unwrap_err().parameter, AS_OF);
        assert!(!take("action=a&page=2").unwrap().1.is_empty());
    }

    #[test]
    fn no_page_is_too_far() {
        let skips = |page, size| PageNumber { page, as_of: None }.skips(size);
        assert_eq!((skips(1, 50), skips(3, 50), skips(u64::MAX, 50)), (0, 100, u64::MAX));
    }
}
