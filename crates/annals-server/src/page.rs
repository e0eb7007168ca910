//! Pages of records, written piece by piece.

use std::borrow::Cow;

use annals_ledger::Record;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::problem::Problem;
use crate::view::Shape;

/// A page is written in pieces of about this size, each when the one before is on its way.
const PIECE_BYTES: usize = 64 << 10;

/// A page. The records share the ledger's bytes, so one of large records costs no copy of them all, however slowly it is read.
pub(crate) struct Page<W> {
    /// The records, in order.
    pub(crate) records: Vec<Record>,
    /// Writes one of them.
    pub(crate) write: W,
    /// One record a line, and nothing else.
    pub(crate) lines: bool,
    /// What comes before the records: the answer's beginning up to their array's `[`.
    pub(crate) opening: Cow<'static, str>,
    /// What comes after them: `]` and the answer's end.
    pub(crate) closing: Vec<u8>,
}

/// A page on its way.
struct Writer<W> {
    page: Page<W>,
    at: usize,
    ended: bool,
}

/// Writes records as they were sent, with what annals knows of them, and without what is hidden from who asks.
pub(crate) fn as_sent(shape: Shape) -> impl Fn(&Record, &mut Vec<u8>) -> Result<(), Problem> + Send {
    move |record, out| {
        shape.write(record, out);
        Ok(())
    }
}

/// Whether the sender prefers one record a line.
pub(crate) fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            let (name, weight) = part.split_once('=').unwrap_or_default();
            name.eq_ignore_ascii_case("q") && weight.parse() == Ok(0.0)
        });
        !refused
            && ["application/x-ndjson", "application/ndjson", "application/jsonl"]
                .iter()
                .any(|lines| essence.eq_ignore_ascii_case(lines))
    })
}

impl<W: Fn(&Record, &mut Vec<u8>) -> Result<(), Problem> + Send + 'static> Page<W> {
    /// The answer, with these headers beside its content type.
    ///
    /// # Errors
    ///
    /// A record of the first piece cannot be written; a later one breaks the answer off.
    pub(crate) fn answer(self, headers: HeaderMap) -> Result<Response, Problem> {
        let kind = if self.lines { "application/x-ndjson" } else { "application/json" };
        let mut writer = Writer { page: self, at: 0, ended: false };
        let first = writer.piece()?.unwrap_or_default();
        let body = if writer.ended {
            Body::from(first)
        } else {
            let rest = stream::unfold(writer, |mut writer| async move {
                let piece = writer.piece().map_err(|problem| problem.detail().to_owned()).transpose()?;
                Some((piece, writer))
            });
            Body::from_stream(stream::iter([Ok(first)]).chain(rest).map_ok(Bytes::from))
        };
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        Ok((StatusCode::OK, kind, headers, body).into_response())
    }
}

impl<W: Fn(&Record, &mut Vec<u8>) -> Result<(), Problem>> Writer<W> {
    /// The next piece, or nothing at the end.
    fn piece(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        if self.ended {
            return Ok(None);
        }
        let mut out = Vec::new();
        if self.at == 0 && !self.page.lines {
            out.extend_from_slice(self.page.opening.as_bytes());
        }
        while out.len() < PIECE_BYTES
            && let Some(record) = self.page.records.get(self.at)
        {
            if self.at > 0 && !self.page.lines {
                out.push(b',');
            }
            (self.page.write)(record, &mut out)?;
            if self.page.lines {
                out.push(b'\n');
            }
            self.at += 1;
        }
        if self.at == self.page.records.len() {
            self.ended = true;
            if !self.page.lines {
                out.extend_from_slice(&self.page.closing);
            }
        }
        Ok(Some(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_wanted_when_they_are_named_and_not_refused() {
        for (accept, lines) in [
            ("application/x-ndjson", true),
            ("text/html, Application/NDJSON;q=0.5", true),
            ("application/jsonl; charset=utf-8; q=1", true),
            ("application/x-ndjson;q=0", false),
            ("application/x-ndjson; Q=0.000, application/json", false),
            ("*/*", false),
            ("application/json", false),
        ] {
            let headers = [(header::ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            assert_eq!(wants_lines(&headers), lines, "{accept}");
        }
    }
}
