//! Answers read piece by piece: pages of one event a line, and streams that do not end.

use reqwest::header::ACCEPT;
use reqwest::{Method, Response};

use super::{Api, Query};
use crate::exit::Failure;

/// Longest line that is read, bytes: an event of the longest kind is a quarter of it.
const LINE_BYTES_MAX: usize = 4 << 20;

/// The lines of an answer, as they come.
pub(crate) struct Lines {
    api: Api,
    response: Response,
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    at: usize,
    /// Up to here `buffer` has no line end from `at` on.
    seen: usize,
}

/// A page of events or records, one a line.
pub(crate) struct Page {
    pub(crate) lines: Lines,
    /// Where to go on; none at the end.
    pub(crate) next: Option<String>,
    /// Records of the log that the answer speaks of.
    pub(crate) size: u64,
    /// How many match, when that was asked for and counted.
    pub(crate) total: Option<u64>,
}

impl Api {
    /// Asks for a page, one event a line.
    ///
    /// # Errors
    ///
    /// As of [`Api::answer`]; and `Unavailable` when it is not annals that answers.
    pub(crate) async fn page(&self, path: &[&str], query: &Query) -> Result<Page, Failure> {
        let request = self.request(Method::GET, path, query).header(ACCEPT, "application/x-ndjson");
        let response = self.answer(request).await?;
        let header = |name: &str| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.to_owned())
        };
        let number = |name: &str| header(name)?.parse().ok();
        let (next, size, total) = (header("annals-next"), number("annals-size"), number("annals-total"));
        // What does not come from annals must not pass for an empty page.
        let size = size.ok_or_else(|| self.senseless(&path.join("/"), "no `annals-size`"))?;
        Ok(Page { next, size, total, lines: self.lines(response) })
    }

    /// The lines of an answer.
    pub(crate) fn lines(&self, response: Response) -> Lines {
        Lines { api: self.clone(), response, buffer: Vec::new(), at: 0, seen: 0 }
    }
}

impl Lines {
    /// The next line without its end; none when the answer has ended. What stands behind the last line end is no line.
    ///
    /// Safe to drop while it waits: nothing read is lost.
    ///
    /// # Errors
    ///
    /// `Unavailable`: the answer broke off, or has a line of more than [`LINE_BYTES_MAX`] bytes.
    pub(crate) async fn next(&mut self) -> Result<Option<&[u8]>, Failure> {
        loop {
            if let Some(length) = self.buffer[self.seen..].iter().position(|byte| *byte == b'\n') {
                let (start, end) = (self.at, self.seen + length);
                (self.at, self.seen) = (end + 1, end + 1);
                let line = &self.buffer[start..end];
                return Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)));
            }
            drop(self.buffer.drain(..self.at));
            (self.at, self.seen) = (0, self.buffer.len());
            if self.buffer.len() > LINE_BYTES_MAX {
                let path = self.response.url().path().trim_start_matches('/').to_owned();
                return Err(self
                    .api
                    .senseless(&path, &format!("a line of more than {LINE_BYTES_MAX} bytes")));
            }
            match self.response.chunk().await.map_err(|error| self.api.unreached(error))? {
                Some(piece) => self.buffer.extend_from_slice(&piece),
                None => return Ok(None),
            }
        }
    }
}
