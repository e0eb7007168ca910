//! What a request for a list asks for, and how a cursor goes on with it.

use annals_event::filter::Condition;

use crate::params::{Params, Refusal};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The smallest.
    Rising,
    /// The largest.
    #[default]
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

/// Most entries that a page may have, whatever is set.
pub const PAGE_SIZE_MAX: usize = 1000;

impl PageSize {
    /// Takes the parameter with the size of a page out; a size beyond the bounds is brought within, or refused.
    ///
    /// # Errors
    ///
    /// The value is no whole number, or beyond the bounds.
    pub fn take(
        &self,
        params: &mut Params,
        name: &'static str,
        is_refused: bool,
    ) -> Result<Option<usize>, Refusal> {
        let asked = params.integer(name)?;
        params.take(name);
        let Some(asked) = asked else { return Ok(None) };
        let size = usize::try_from(asked.max(0)).unwrap_or(usize::MAX);
        let within = size.clamp(self.min, self.max);
        if is_refused && within != size {
            return Err(Refusal::new(name, format!("must be a number, {} to {}", self.min, self.max)));
        }
        Ok(Some(within))
    }
}

impl PageNumber {
    /// Takes [`PAGE`] and [`AS_OF`] out. A number below that of the first page is that one.
    ///
    /// # Errors
    ///
    /// One of them is no whole number.
    pub fn take(params: &mut Params, first: u64) -> Result<Self, Refusal> {
        let whole =
            |name| params.integer(name).map(|number| number.map(|number| u64::try_from(number).unwrap_or(0)));
        let page = whole(PAGE)?.unwrap_or(first).max(first).saturating_add(1 - first.min(1));
        let number = Self { page, as_of: whole(AS_OF)? };
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
        PageNumber::take(&mut params, 1).map(|number| (number, params))
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
