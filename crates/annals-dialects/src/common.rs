//! What can be set of every vendor alike: the time that entries show, their order, how pages are numbered and how long they are. A
//! vendor lists which of these are open, as its pages leave them so: [`common!`](crate::common!).

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::Vendor;
use crate::list::{Direction, PageSize, SortKey};
use crate::settings::{Given, Setting, Wrong};
use crate::time::Time;

/// The settings of a vendor that others have too: `common!("panda": time, order, window_days, limits)`.
#[macro_export]
macro_rules! common {
    ($vendor:literal : $($name:ident),+) => {
        &[$($crate::settings::Setting::$name(concat!("dialects.", $vendor, ".", stringify!($name)))),+]
    };
}

/// How a vendor's lists are, where that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Which time is shown.
    pub time: Time,
    /// Which entry comes first.
    pub order: Direction,
    /// Entries of a page that does not say; none for what the list has.
    pub page_size: Option<usize>,
    /// Most entries of a page; none for what the list has.
    pub page_size_max: Option<usize>,
    /// A size beyond the bounds is refused instead of brought within.
    pub refuses_sizes: bool,
    /// The number of the first page.
    pub first_page: u64,
    /// Of days, and of times that say no offset.
    pub utc_offset: Cow<'static, str>,
}

impl Default for Common {
    fn default() -> Self {
        Self::AS_IT_COMES
    }
}

/// No offset.
const UTC: &str = "+00:00";

impl Common {
    /// What holds when nothing is set.
    pub const AS_IT_COMES: Self = Self {
        time: Time::Occurred,
        order: Direction::Falling,
        page_size: None,
        page_size_max: None,
        refuses_sizes: false,
        first_page: 1,
        utc_offset: Cow::Borrowed(UTC),
    };

    /// What was set for a vendor.
    ///
    /// # Errors
    ///
    /// A value that does not fit.
    pub fn configured(given: &Given<'_>, vendor: &Vendor) -> Result<Self, Wrong> {
        let open = |name: &str| {
            let key = format!("dialects.{}.{name}", vendor.name);
            vendor.common.iter().find(|setting| setting.key == key).map(|setting| setting.key)
        };
        let mut common = Self::default();
        if let Some(key) = open("time") {
            common.time = given.time(key)?;
        }
        if let Some(key) = open("order") {
            common.order = given
                .one_of(key, &[("newest_first", Direction::Falling), ("oldest_first", Direction::Rising)])?;
        }
        if let Some(key) = open("page_size") {
            common.page_size = given.page_size(key)?;
        }
        if let Some(key) = open("page_size_max") {
            common.page_size_max = given.page_size(key)?;
        }
        if let (Some(size), Some(max)) = (common.page_size, common.page_size_max)
            && size > max
        {
            let key = format!("dialects.{}.page_size", vendor.name);
            let problem = format!("must be no more than `page_size_max`, which is {max}");
            return Err(Wrong::new(&key, &size.to_string(), problem));
        }
        if let Some(key) = open("page_size_beyond") {
            common.refuses_sizes = given.one_of(key, &[("brought_within", false), ("refused", true)])?;
        }
        if let Some(key) = open("first_page") {
            common.first_page =
                given.one_of(key, &[("1", false), ("0", true)]).map(|is_zero| u64::from(!is_zero))?;
        }
        if let Some(key) = open("utc_offset") {
            common.utc_offset = given.utc_offset(key)?.map_or(Cow::Borrowed(UTC), Cow::Owned);
        }
        Ok(common)
    }

    /// What a list is ordered by, if it is not asked otherwise.
    #[must_use]
    pub fn order(&self) -> Vec<(SortKey, Direction)> {
        vec![(self.time.sort_key(), self.order)]
    }

    /// The sizes of a list's pages, as they were set. A default beyond the largest that the list itself has is lowered to it.
    #[must_use]
    pub fn sizes(&self, of: PageSize) -> PageSize {
        let max = self.page_size_max.unwrap_or(of.max);
        PageSize { default: self.page_size.unwrap_or(of.default).min(max), min: of.min.min(max), max }
    }

    /// What tells cursors apart that were given with other settings: nothing while all are as they come.
    #[must_use]
    pub fn view(&self) -> String {
        let mut view = String::new();
        if self.time == Time::Received {
            view.push_str(" received");
        }
        if self.order == Direction::Rising {
            view.push_str(" rising");
        }
        if self.utc_offset != UTC {
            write!(view, " {}", self.utc_offset).expect("a text takes anything");
        }
        view
    }
}

impl Setting {
    /// Which entry comes first.
    #[must_use]
    pub const fn order(key: &'static str) -> Self {
        const ABOUT: &str =
            "Which of its entries come first where a request does not say: `newest_first` or `oldest_first`.";
        Self::one(key, "newest_first", "\"newest_first\"", ABOUT)
    }

    /// How many entries a page has that does not say.
    #[must_use]
    pub const fn page_size(key: &'static str) -> Self {
        const ABOUT: &str = "Entries of its pages where a request does not say, 1 to 1000. Not set it is as in the vendor's README.";
        Self { key, default: None, example: "20", about: ABOUT, is_list: false }
    }

    /// How many entries a page has at most.
    #[must_use]
    pub const fn page_size_max(key: &'static str) -> Self {
        const ABOUT: &str = "Most entries of its pages, 1 to 1000. Not set it is as in the vendor's README.";
        Self { key, default: None, example: "500", about: ABOUT, is_list: false }
    }

    /// What becomes of a size beyond the bounds.
    #[must_use]
    pub const fn page_size_beyond(key: &'static str) -> Self {
        const ABOUT: &str = "A size of its pages beyond the bounds is `brought_within`, or `refused`.";
        Self::one(key, "brought_within", "\"brought_within\"", ABOUT)
    }

    /// The number of the first page.
    #[must_use]
    pub const fn first_page(key: &'static str) -> Self {
        const ABOUT: &str = "The number of its first page: `1` or `0`.";
        Self::one(key, "1", "\"1\"", ABOUT)
    }

    /// Where days begin.
    #[must_use]
    pub const fn utc_offset(key: &'static str) -> Self {
        const ABOUT: &str = "The offset of days, and of times without one, in its filters.";
        Self::one(key, UTC, "\"-03:00\"", ABOUT)
    }

    /// Whether entries have an id that the vendor's have not.
    #[must_use]
    pub const fn ids(key: &'static str) -> Self {
        const ABOUT: &str = "The event's id in entries that have none at the vendor: `shown`, or `left_out` for a client that takes no \
                             other member.";
        Self::one(key, "shown", "\"shown\"", ABOUT)
    }
}

impl Given<'_> {
    /// Whether ids that the vendor's entries do not have are left out.
    ///
    /// # Errors
    ///
    /// The value is neither word.
    pub fn without_ids(&self, key: &str) -> Result<bool, Wrong> {
        self.one_of(key, &[("shown", false), ("left_out", true)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frameio::{Frameio, FrameioV2, FrameioV4};
    use crate::nirvana::Nirvana;
    use crate::panda::Panda;
    use crate::plandocket::PlanDocket;
    use crate::testing::{configured, entry, event_with, finds, read};
    use crate::{Address, Api, Shown};

    fn panda(values: &[(&str, &str)]) -> Result<Panda, Wrong> {
        configured("panda", values, Panda::configured)
    }

    #[test]
    fn the_first_page_may_have_the_number_0() {
        let panda = panda(&[("first_page", "0")]).unwrap();
        for (query, page) in [("", 1), ("page=0", 1), ("page=1", 2), ("page=-5", 1)] {
            assert_eq!(read(&panda, query).unwrap().number.unwrap().page, page, "{query}");
        }
        let (list, address) = (read(&panda, "page=1").unwrap(), Address::default());
        let shown = Shown {
            list: &list,
            entries: 20,
            page_size: 20,
            page: 2,
            first_page: panda.common().first_page,
            more: true,
            total: Some(60),
            as_of: 60,
            next: None,
            previous: None,
            address: &address,
            request_id: "r",
        };
        let links = shown.link_header().unwrap().1;
        for (page, relation) in [(2, "next"), (0, "prev"), (0, "first"), (2, "last")] {
            assert!(links.contains(&format!("<?page={page}&as_of=60>; rel=\"{relation}\"")), "{links}");
        }
        assert_eq!(shown.number(), 1);
    }

    #[test]
    fn sizes_may_be_others_and_those_beyond_refused() {
        let sizes = |values| panda(values).unwrap().page_size();
        let size = |default, max| PageSize { default, min: 1, max };
        assert_eq!(sizes(&[]), size(20, 1000));
        assert_eq!(sizes(&[("page_size", "50"), ("page_size_max", "200")]), size(50, 200));
        assert_eq!(sizes(&[("page_size_max", "10")]), size(10, 10));
        let beyond = panda(&[("page_size", "50"), ("page_size_max", "10")]).unwrap_err();
        let told = "`dialects.panda.page_size`: `50` must be no more than `page_size_max`, which is 10";
        assert_eq!(beyond.to_string(), told);
        for (name, value) in
            [("page_size", "0"), ("page_size_max", "1001"), ("first_page", "2"), ("order", "up")]
        {
            assert_eq!(panda(&[(name, value)]).unwrap_err().key, format!("dialects.panda.{name}"));
        }
        let strict = configured("nirvana", &[("page_size_beyond", "refused")], Nirvana::configured).unwrap();
        for limit in ["9", "101", "-1"] {
            let refused = read(&strict, &format!("limit={limit}")).unwrap_err();
            assert_eq!(refused.message, "`limit` must be a number, 10 to 100");
        }
        assert_eq!(read(&strict, "limit=10").unwrap().limit, Some(10));
        assert_eq!(read(&Nirvana::default(), "limit=9").unwrap().limit, Some(10));
    }

    #[test]
    fn days_begin_where_they_are_said_to() {
        let event = event_with(r#""action":"a","occurred_at":"2026-11-21T02:00:00Z""#);
        let (here, there) = (panda(&[]).unwrap(), panda(&[("utc_offset", "-03:00")]).unwrap());
        for (query, at_utc, in_brazil) in [
            ("end_date=2026-11-20", false, true),
            ("start_date=2026-11-21", true, false),
            ("start_date=2026-11-20T23:30:00", true, false),
            ("start_date=2026-11-21T01:59:00Z", true, true),
        ] {
            assert_eq!(
                (finds(&here, query, &event), finds(&there, query, &event)),
                (at_utc, in_brazil),
                "{query}"
            );
        }
        for wrong in ["Z", "3", "+25:00", "-03", "America/Sao_Paulo"] {
            assert_eq!(panda(&[("utc_offset", wrong)]).unwrap_err().value, wrong);
        }
    }

    #[test]
    fn the_oldest_may_come_first_and_who_asks_otherwise_is_heard() {
        let values = [("order", "oldest_first")];
        let plandocket = configured("plandocket", &values, PlanDocket::configured).unwrap();
        let nirvana = configured("nirvana", &values, Nirvana::configured).unwrap();
        let direction = |list: crate::List| list.order[0].1;
        assert_eq!(direction(read(&plandocket, "").unwrap()), Direction::Rising);
        assert_eq!(direction(read(&plandocket, "order=desc").unwrap()), Direction::Falling);
        assert_eq!(direction(read(&nirvana, "").unwrap()), Direction::Rising);
        assert_eq!(direction(read(&nirvana, "sort=created_at:desc").unwrap()), Direction::Falling);
        assert_ne!(nirvana.view(), Nirvana::default().view(), "a cursor of the other order is none of this");
    }

    #[test]
    fn frameios_names_may_be_others_and_are_found_by_what_is_shown() {
        let values =
            [("actions", "video.uploaded=asset_created"), ("item_types", "video=Asset"), ("ids", "left_out")];
        let set = configured("frameio", &values, Frameio::configured).unwrap();
        let event = event_with(r#""action":"video.uploaded","targets":[{"type":"video","id":"v"}]"#);
        let (two, four) = (FrameioV2(set.clone()), FrameioV4(set));
        let shown = entry(&two, &event);
        assert!(
            shown.contains(r#""action":"AssetCreated""#) && shown.contains(r#""item_type":"Asset""#),
            "{shown}"
        );
        let shown = entry(&four, &event);
        assert!(shown.contains(r#""resource_type":"asset""#) && !shown.contains(r#""id":"e""#), "{shown}");
        for (query, found) in [
            ("filter[action]=AssetCreated", true),
            ("filter[action]=VideoUploaded", false),
            ("filter[item_type]=asset&filter[item_id]=v", true),
            ("filter[item_type]=video", false),
        ] {
            assert_eq!(finds(&two, query, &event), found, "{query}");
        }
        let other = event_with(r#""action":"asset.created","targets":[{"type":"asset","id":"a"}]"#);
        assert!(finds(&two, "filter[action]=asset_created&filter[item_type]=Asset", &other));
    }
}
