//! Fetching: all lines of an export, once each, however often the connection is lost.

use annals_event::json::{Document, Limits};
use http_body_util::BodyExt as _;
use reqwest::header::{HeaderMap, TE};
use reqwest::{Body, Method};
use sha2::{Digest as _, Sha256};

use super::summed::hexadecimal;
use crate::api::again::Again;
use crate::api::{Api, Query};
use crate::exit::{Exit, Failure, reason};
use crate::output::{Output, Progress};

/// Tries for an answer that breaks off before it has brought anything, over about half a minute.
const TRIES_MAX: u32 = 6;

/// Longest line, bytes: an event of the longest kind is a quarter of it.
const LINE_BYTES_MAX: usize = 4 << 20;

const PATH: &[&str] = &["v1", "export"];

/// Where an export is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// As of how many records; none before the server has said.
    pub(super) size: Option<u64>,
    /// The last record that came: its position, or over all tenants its ledger number.
    pub(super) after: Option<u64>,
    /// How many came.
    pub(super) rows: u64,
}

/// What takes the lines.
pub(super) trait Take {
    /// Takes whole lines, with their ends. `place` is where the export is behind them.
    fn lines(&mut self, lines: &[u8], place: &Place) -> Result<(), Failure>;

    /// What was taken is not what was sent.
    fn spoiled(&mut self) {}
}

/// What to ask, and whom.
pub(super) struct Fetch {
    pub(super) api: Api,
    pub(super) query: Query,
    /// Records of one log, which have their positions in order.
    pub(super) one_log: bool,
    pub(super) output: Output,
}

/// An answer that came to its end.
enum End {
    /// With trailers, which are right.
    Whole,
    /// Without trailers: something on the way does not pass them on.
    Unsure {
        /// It had no line.
        empty: bool,
    },
}

/// Why an answer ended early.
struct Trouble {
    failure: Failure,
    /// Another answer may do better.
    may_pass: bool,
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self { failure, may_pass: true }
    }
}

impl Fetch {
    /// Fetches what comes after a place, to the end.
    pub(super) async fn all(&self, from: Place, take: &mut impl Take) -> Result<Place, Failure> {
        let mut place = from;
        let mut again = Again::up_to(TRIES_MAX, self.output);
        let mut progress = None;
        loop {
            let before = place.rows;
            match self.answer(&mut place, take, &mut again, &mut progress).await {
                Ok(End::Whole | End::Unsure { empty: true }) => return Ok(place),
                // There is nothing more when nothing comes after the last line.
                Ok(End::Unsure { empty: false }) => {}
                Err(Trouble { failure, may_pass: false }) => return Err(failure),
                Err(Trouble { failure, may_pass: true }) => {
                    if place.rows > before {
                        again.answered();
                    }
                    again.after(failure).await?;
                }
            }
        }
    }

    async fn answer(
        &self,
        place: &mut Place,
        take: &mut impl Take,
        again: &mut Again,
        progress: &mut Option<Progress>,
    ) -> Result<End, Trouble> {
        let mut query = self.query.clone();
        let mut set = |name: &str, value: Option<u64>| {
            query.extend(value.map(|value| (name.to_owned(), value.to_string())));
        };
        set("size", place.size);
        set("after", place.after);
        let request = self.api.request(Method::GET, PATH, &query).header(TE, "trailers");
        let response = self.api.answer(request).await?;
        again.begun();
        let size = number(response.headers(), "annals-size");
        let size = size.ok_or_else(|| self.senseless("no `annals-size`"))?;
        if place.size.is_some_and(|known| known != size) {
            return Err(self.senseless("another `annals-size` than was asked for"));
        }
        place.size = Some(size);
        let progress = progress.get_or_insert_with(|| {
            let no_conditions =
                self.query.iter().all(|(name, _)| matches!(name.as_str(), "tenant" | "log" | "order"));
            if no_conditions { self.output.progress(size, "events") } else { self.output.counting("events") }
        });
        progress.set(place.rows);
        let body = reqwest::Body::from(response);
        self.lines(body, place, take, progress).await
    }

    async fn lines(
        &self,
        mut body: Body,
        place: &mut Place,
        take: &mut impl Take,
        progress: &mut Progress,
    ) -> Result<End, Trouble> {
        let (mut buffer, mut hash) = (Vec::new(), Sha256::new());
        let before = place.rows;
        let mut document = Document::default();
        let mut trailers = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.broken_off(&error))?;
            let data = match frame.into_data() {
                Ok(data) => data,
                Err(frame) => {
                    trailers = frame.into_trailers().ok();
                    continue;
                }
            };
            hash.update(&data);
            let seen = buffer.len();
            buffer.extend_from_slice(&data);
            let Some(end) = buffer[seen..].iter().rposition(|byte| *byte == b'\n') else {
                if buffer.len() > LINE_BYTES_MAX {
                    return Err(self.senseless(&format!("a line of more than {LINE_BYTES_MAX} bytes")));
                }
                continue;
            };
            let end = seen + end + 1;
            let lines = &buffer[..end];
            let last = lines[..end - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            place.after = Some(self.number_of(&mut document, &lines[last..end - 1])?);
            place.rows += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            take.lines(lines, place).map_err(|failure| Trouble { failure, may_pass: false })?;
            progress.set(place.rows);
            drop(buffer.drain(..end));
        }
        let Some(trailers) = trailers else {
            return match buffer.is_empty() {
                true => Ok(End::Unsure { empty: place.rows == before }),
                false => Err(self.senseless("a line without an end")),
            };
        };
        let sum = trailers.get("annals-sha256").and_then(|sum| sum.to_str().ok());
        let agree =
            sum == Some(&hexadecimal(hash)) && number(&trailers, "annals-rows") == Some(place.rows - before);
        if agree {
            return Ok(End::Whole);
        }
        take.spoiled();
        let message = format!("`{}`: what came is not what the server says it sent", self.api.url());
        let failure = Failure::new(Exit::Damaged, message).with_hint(
            "nothing of it is kept; export again, and if it happens again look at what lies between",
        );
        Err(Trouble { failure, may_pass: false })
    }

    /// The number by which the export goes on after this line.
    fn number_of(&self, document: &mut Document, line: &[u8]) -> Result<u64, Trouble> {
        let event = document.parse(line, Limits { depth_max: usize::MAX });
        let event = event.map_err(|why| self.senseless(&format!("a line that is no event: {why}")))?;
        let number = |name: &str| event.get(name).and_then(|number| number.as_u64());
        // Over all tenants each has a ledger number; a tenant's key gets positions alone.
        let over_all = if self.one_log { None } else { number("ledger_seq") };
        over_all.or_else(|| number("position")).ok_or_else(|| self.senseless("an event without a position"))
    }

    fn senseless(&self, why: &str) -> Trouble {
        Trouble { failure: self.api.senseless(&PATH.join("/"), why), may_pass: false }
    }

    fn broken_off(&self, error: &reqwest::Error) -> Failure {
        Failure::new(
            Exit::Unavailable,
            format!("the answer of `{}` broke off: {}", self.api.url(), reason(error)),
        )
    }
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}
