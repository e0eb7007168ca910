//! What a vendor's folder gives: what is said of the vendor before any request is read, and its lists.

use std::borrow::Cow;

use annals_event::filter::{Condition, Subject};
use annals_event::json::Value;

use crate::common::Common;
use crate::describe::{Kind, Member, Named, Route};
use crate::event::Event;
use crate::list::{AS_OF, Direction, List, PAGE, PageNumber, PageSize, SortKey};
use crate::params::{Params, Refusal};
use crate::rate::{Allowance, Rate};
use crate::settings::Setting;

/// What is said of a vendor before any request is read.
#[derive(Debug)]
pub struct Vendor {
    /// Its name, as in a key's `dialects` and in settings.
    pub name: &'static str,
    /// The paths that are the vendor's, without a slash at the end, with what is below them. No two vendors share one.
    pub roots: &'static [&'static str],
    /// Other paths for the same, in which `{}` is any one segment: `("/v2/account/{}/logs", "/v2/accounts/{}/logs")`. A slash at
    /// the end of a path makes no other.
    pub aliases: &'static [(&'static str, &'static str)],
    /// Where a key may be beside `Authorization`, which takes it with `Bearer` and bare.
    pub keys: &'static [KeyPlace],
    /// The status for what was asked wrongly.
    pub invalid_status: u16,
    /// How many requests a key may make by the vendor's documentation.
    pub rate: Rate,
    /// Headers of every answer that say what is left of it.
    pub rate_headers: fn(&Allowance) -> Vec<(&'static str, String)>,
    /// What is told of them.
    pub headers: &'static [Member],
    /// Writes an error's body.
    pub write_error: WriteError,
    /// Paths below which errors have another form: those of another version.
    pub errors_below: &'static [(&'static str, WriteError, ErrorForm)],
    /// The form of that body, by its status.
    pub error: ErrorForm,
    /// Settings that other vendors have too: [`common!`](crate::common!).
    pub common: &'static [Setting],
    /// Settings of its own.
    pub settings: &'static [Setting],
}

/// Writes an error's body.
pub type WriteError = fn(&Refused<'_>) -> Vec<u8>;

/// The form of an error's body, by its status.
pub type ErrorForm = fn(u16) -> &'static Named;

/// Where a key may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a header of this name, in lower case.
    Header(&'static str),
    /// In a parameter of this name.
    Query(&'static str),
}

/// Why a request was not answered as asked.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The answer's HTTP status.
    pub status: u16,
    /// What happened, for people.
    pub message: &'a str,
    /// The parameter in question.
    pub parameter: Option<&'a str>,
    /// The request.
    pub request_id: &'a str,
}

impl Vendor {
    /// A vendor that documents neither limits nor other places for a key, and has 400 for what was asked wrongly.
    #[must_use]
    pub const fn new(
        name: &'static str,
        roots: &'static [&'static str],
        write_error: WriteError,
        error: ErrorForm,
    ) -> Self {
        Self {
            name,
            roots,
            aliases: &[],
            keys: &[],
            invalid_status: 400,
            rate: Rate::OURS,
            rate_headers: |_| Vec::new(),
            headers: &[],
            write_error,
            errors_below: &[],
            error,
            common: &[],
            settings: &[],
        }
    }

    /// An error's body at a path.
    #[must_use]
    pub fn error(&self, path: &str, refused: &Refused<'_>) -> Vec<u8> {
        let other = self.errors_below.iter().find(|(root, ..)| path.starts_with(root));
        other.map_or(self.write_error, |(_, write, _)| *write)(refused)
    }

    /// The form of an error's body at a path.
    #[must_use]
    pub fn error_form(&self, path: &str, status: u16) -> Kind {
        let other = self.errors_below.iter().find(|(root, ..)| path.starts_with(root));
        Kind::Named(other.map_or(self.error, |(.., form)| *form)(status))
    }

    /// Whether the path is the vendor's, by whole segments.
    #[must_use]
    pub fn owns(&self, path: &str) -> bool {
        let is_below = |root: &&str| {
            path.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.roots.iter().any(is_below)
    }
}

/// How a list is asked for.
#[derive(Debug)]
pub struct Form {
    /// Where it is, and what its document says.
    pub route: Route,
    /// Other names of parameters, and what they mean.
    pub aliases: &'static [(&'static str, &'static str)],
    /// The parameter that says the size of a page,
    pub size: &'static str,
    /// and the sizes that it may have.
    pub sizes: PageSize,
    /// How one page follows another.
    pub paging: Paging,
}

/// How one page follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// They have numbers, in [`PAGE`], and [`AS_OF`] says of which size of the log.
    Numbers,
    /// Each but the last has a cursor for the next, which this parameter takes.
    Cursor(&'static str),
}

/// A list of a vendor, as its clients ask for it and get it. A vendor whose API has several versions has one for each.
pub trait Api: Clone + Send + Sync + 'static {
    /// Whose it is.
    const VENDOR: &'static Vendor;

    /// How it is asked for.
    const FORM: &'static Form;

    /// What is set of it that others have too.
    fn common(&self) -> &Common;

    /// Which records the parameters ask for.
    ///
    /// # Errors
    ///
    /// A parameter that cannot be read.
    fn condition(&self, params: &Params) -> Result<Condition, Refusal>;

    /// Writes a record as an entry. `asked` is what the list was read from; of a single entry its own parameters.
    fn write_entry(&self, record: &Subject<'_>, asked: &Params, out: &mut Vec<u8>);

    /// What stands around the entries of a page, which have commas between.
    fn envelope(&self, shown: &Shown<'_>) -> Envelope;

    /// The way back: an entry, as the vendor sends it, as an event that annals takes.
    ///
    /// # Errors
    ///
    /// A member without which it is none; the refusal names it.
    fn event<'a>(&'a self, entry: Value<'a>) -> Result<Event<'a>, Refusal>;

    /// In which order the parameters ask for them.
    ///
    /// # Errors
    ///
    /// A parameter that cannot be read.
    fn order(&self, params: &Params) -> Result<Vec<(SortKey, Direction)>, Refusal> {
        let _ = params;
        Ok(self.common().order())
    }

    /// Whether the parameters ask how many there are in all.
    ///
    /// # Errors
    ///
    /// A parameter that cannot be read.
    fn counts(&self, params: &Params) -> Result<bool, Refusal> {
        let _ = params;
        Ok(true)
    }

    /// Whether a page may be asked for.
    ///
    /// # Errors
    ///
    /// It may not.
    fn check(&self, number: PageNumber, size: usize) -> Result<(), Refusal> {
        let _ = (number, size);
        Ok(())
    }

    /// What stands around an entry that was asked for alone.
    fn envelope_of_one(&self, request_id: &str) -> Envelope {
        let _ = request_id;
        Envelope::default()
    }

    /// Whether other filters beside a cursor are refused; else the cursor's own hold.
    fn binds_cursors(&self) -> bool {
        true
    }

    /// What is set of this vendor alone that gives the same question other answers.
    fn view_of_its_own(&self) -> &'static str {
        ""
    }

    /// A name that was set for a parameter.
    fn alias(&self, said: &str) -> Option<&'static str> {
        let _ = said;
        None
    }

    /// Whose cursors these are, in at most 255 bytes: with other settings the same question may have other answers.
    fn view(&self) -> String {
        format!("{}{}{}", Self::FORM.route.id, self.common().view(), self.view_of_its_own())
    }

    /// How many records a page has.
    fn page_size(&self) -> PageSize {
        self.common().sizes(Self::FORM.sizes)
    }

    /// Which parameter a name in a query means; none for one that is ignored.
    fn parameter(&self, said: &str) -> Option<&'static str> {
        let Form { route, aliases, size, paging, .. } = Self::FORM;
        let alias = || aliases.iter().find(|(alias, _)| *alias == said).map(|(_, name)| *name);
        let of_pages = match *paging {
            Paging::Numbers => [PAGE, AS_OF, size],
            Paging::Cursor(cursor) => [cursor, cursor, size],
        };
        let names = route.parameters.iter().map(|parameter| parameter.name).chain(of_pages);
        names.into_iter().find(|name| *name == said).or_else(alias).or_else(|| self.alias(said))
    }

    /// Reads what a request for a list asks for.
    ///
    /// # Errors
    ///
    /// A parameter that cannot be read.
    fn read(&self, mut params: Params) -> Result<List, Refusal> {
        let common = self.common();
        let limit = self.page_size().take(&mut params, Self::FORM.size, common.refuses_sizes)?;
        let (number, cursor) = match Self::FORM.paging {
            Paging::Numbers => {
                let number = PageNumber::take(&mut params, common.first_page)?;
                self.check(number, limit.unwrap_or(self.page_size().default))?;
                (Some(number), None)
            }
            Paging::Cursor(name) => (None, params.take(name)),
        };
        Ok(List {
            condition: self.condition(&params)?,
            order: self.order(&params)?,
            count: self.counts(&params)?,
            limit,
            cursor,
            number,
            asked: params,
        })
    }
}

/// What stands around entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Up to the first entry.
    pub opening: Cow<'static, str>,
    /// From behind the last.
    pub closing: Vec<u8>,
    /// Beside the content type.
    pub headers: Vec<(&'static str, String)>,
}

/// A page, as its envelope tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What was asked for.
    pub list: &'a List,
    /// How many entries it has.
    pub entries: usize,
    /// How many a full page has.
    pub page_size: usize,
    /// Its number, from 1, where pages have numbers.
    pub page: u64,
    /// The number that the first page has to clients.
    pub first_page: u64,
    /// There are more behind it.
    pub more: bool,
    /// How many entries all pages have together, if they were counted.
    pub total: Option<u64>,
    /// As of which size of the log.
    pub as_of: u64,
    /// The cursor of the next page, where pages have cursors.
    pub next: Option<&'a str>,
    /// The cursor of the page before.
    pub previous: Option<&'a str>,
    /// How it was asked for.
    pub address: &'a Address,
    /// The request.
    pub request_id: &'a str,
}

/// How a page was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// Scheme and host as the client knows them, and where the vendor's API is below that; empty when the client did not say,
    /// which leaves links relative.
    pub base: String,
    /// The path within the vendor's API.
    pub path: String,
    /// The query as sent, without the key.
    pub query: String,
}

impl Shown<'_> {
    /// How many pages there are, if all were counted; none without entries.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.total.unwrap_or(0).div_ceil((self.page_size as u64).max(1))
    }

    /// The number of the page, as clients count.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.page - 1 + self.first_page
    }

    /// Where another page is, by its number from 1, as of the same size.
    #[must_use]
    pub fn link(&self, page: u64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(self.address.query.as_bytes()) {
            if name != PAGE && name != AS_OF {
                query.append_pair(&name, &value);
            }
        }
        query
            .append_pair(PAGE, &(page - 1 + self.first_page).to_string())
            .append_pair(AS_OF, &self.as_of.to_string());
        format!("{}{}?{}", self.address.base, self.address.path, query.finish())
    }

    /// The header `Link` (RFC 8288) to the next page and the one before, and where all were counted to the first and the last;
    /// none where there is no other page.
    #[must_use]
    pub fn link_header(&self) -> Option<(&'static str, String)> {
        let mut links = Vec::new();
        let mut add =
            |relation: &str, page: u64| links.push(format!("<{}>; rel=\"{relation}\"", self.link(page)));
        if self.more {
            add("next", self.page + 1);
        }
        if self.page > 1 {
            add("prev", self.page - 1);
            add("first", 1);
        }
        if self.total.is_some() && (self.more || self.page > 1) {
            add("last", self.pages().max(1));
        }
        (!links.is_empty()).then(|| ("link", links.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_was_asked_and_name_page_and_size() {
        let list = List {
            condition: Condition::everything(),
            order: Common::default().order(),
            limit: None,
            cursor: None,
            number: Some(PageNumber { page: 2, as_of: None }),
            count: true,
            asked: Params::default(),
        };
        let address = Address {
            base: "https://a.example/acme".to_owned(),
            path: "/logs".to_owned(),
            query: "page=2&action=a%7Eb&as_of=3&filter%5Bx%5D=1+2".to_owned(),
        };
        let shown = |page, more, total| Shown {
            list: &list,
            entries: 10,
            page_size: 10,
            page,
            first_page: 1,
            more,
            total,
            as_of: 77,
            next: None,
            previous: None,
            address: &address,
            request_id: "r",
        };
        let base = "https://a.example/acme/logs?action=a%7Eb&filter%5Bx%5D=1+2";
        let link = |page, rel| format!("<{base}&page={page}&as_of=77>; rel=\"{rel}\"");
        let header = |page, more, total| shown(page, more, total).link_header().map(|(_, links)| links);
        assert_eq!(header(1, false, Some(10)), None);
        assert_eq!(header(1, true, None), Some(link(2, "next")));
        let all = [link(3, "next"), link(1, "prev"), link(1, "first"), link(3, "last")];
        assert_eq!(header(2, true, Some(21)), Some(all.join(", ")));
        assert_eq!(shown(1, false, Some(0)).pages(), 0);
        assert_eq!(shown(1, true, Some(21)).pages(), 3);
    }
}
