//! The live feed: server-sent events, from one position to the next.

use reqwest::Method;

use super::again::Again;
use super::lines::Lines;
use super::{Api, Query};
use crate::exit::{Exit, Failure};
use crate::output::Output;

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
            match self.try_record().await {
                Ok(record) => return Ok(record),
                Err(failure) => {
                    self.stream = None;
                    self.again.after(failure).await?;
                }
            }
        }
    }

    async fn try_record(&mut self) -> Result<Vec<u8>, Failure> {
        let lines = match &mut self.stream {
            Some(lines) => lines,
            None => {
                let mut query = self.filters.clone();
                query.push(("from".to_owned(), self.next.to_string()));
                let request = self.api.request(Method::GET, &["v1", "feed", "live"], &query);
                let response = self.api.answer(request).await?;
                self.again.answered();
                self.stream.insert(self.api.lines(response))
            }
        };
        let (mut id, mut data) = (None, Vec::new());
        while let Some(line) = lines.next().await? {
            if let Some(text) = line.strip_prefix(b"id: ") {
                id = std::str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
            } else if let Some(text) = line.strip_prefix(b"data: ") {
                data.extend_from_slice(text);
            } else if line.is_empty() && !data.is_empty() {
                let id =
                    id.ok_or_else(|| self.api.senseless("v1/feed/live", "a record without its number"))?;
                // Only now: a record cut short by a lost connection is asked for again.
                self.next = id.saturating_add(1);
                return Ok(data);
            }
        }
        Err(Failure::new(Exit::Unavailable, "the server ended the stream"))
    }
}
