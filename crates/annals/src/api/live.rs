//! The live feed: server-sent events, from one position to the next.

use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Response};

use super::again::Again;
use super::lines::Lines;
use super::{Api, Query};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// What a stream of server-sent events is called.
const STREAM: &str = "text/event-stream";

/// Records as they come, through lost connections without a skip or a repeat.
pub(crate) struct Live {
    api: Api,
    filters: Query,
    /// Where the next record may stand.
    next: u64,
    stream: Option<Lines>,
    again: Again,
}

impl Live {
    /// Follows from a position, or from a ledger number in the feed over all tenants.
    pub(crate) fn new(api: Api, filters: Query, from: u64, output: Output) -> Self {
        Self { api, filters, next: from, stream: None, again: Again::new(output) }
    }

    /// The next record, one line of JSON. Waits for it, however long that takes.
    ///
    /// # Errors
    ///
    /// The server never answered, or refuses to go on: the key has ended, say.
    pub(crate) async fn record(&mut self) -> Result<Vec<u8>, Failure> {
        loop {
            let read = match self.stream.take() {
                Some(stream) => self.read(stream).await,
                None => match self.connect().await {
                    Ok(response) => {
                        // Who answers so will do it again: waiting mends nothing.
                        self.check_type(&response)?;
                        self.again.answered();
                        self.read(self.api.lines(response)).await
                    }
                    Err(failure) => Err(failure),
                },
            };
            match read {
                Ok(record) => return Ok(record),
                Err(failure) => self.again.after(failure).await?,
            }
        }
    }

    async fn connect(&self) -> Result<Response, Failure> {
        let mut query = self.filters.clone();
        query.push(("from".to_owned(), self.next.to_string()));
        self.api.answer(self.api.request(Method::GET, &["v1", "feed", "live"], &query)).await
    }

    /// Refuses the page of a proxy, say, in which no record would ever be found.
    fn check_type(&self, response: &Response) -> Result<(), Failure> {
        let sent =
            response.headers().get(CONTENT_TYPE).and_then(|sent| sent.to_str().ok()).unwrap_or("no type");
        if sent.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(STREAM)) {
            return Ok(());
        }
        let why = format!("`{sent}` instead of `{STREAM}`");
        Err(self
            .api
            .senseless("v1/feed/live", &why)
            .with_hint("is the URL right, and does a proxy before the server let streams through?"))
    }

    async fn read(&mut self, mut lines: Lines) -> Result<Vec<u8>, Failure> {
        let (mut id, mut data) = (None, Vec::new());
        while let Some(line) = lines.next().await? {
            if let Some(text) = line.strip_prefix(b"id: ") {
                id = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
            } else if let Some(text) = line.strip_prefix(b"data: ") {
                data.extend_from_slice(text);
            } else if line.is_empty() {
                // Only now: a record cut short by a lost connection is asked for again. Without data it tells how far the
                // server has looked, which need not be looked through again.
                if let Some(id) = id.take() {
                    self.next = id.saturating_add(1);
                } else if !data.is_empty() {
                    return Err(self.api.senseless("v1/feed/live", "a record without its number"));
                }
                if !data.is_empty() {
                    self.stream = Some(lines);
                    return Ok(data);
                }
            }
        }
        Err(Failure::new(Exit::Unavailable, "the server ended the stream"))
    }
}
