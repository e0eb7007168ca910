//! Pages of records, written piece by piece.

use std::convert::Infallible;

use annals_ledger::Record;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;

/// A page is written in pieces of about this size, each when the one before is on its way.
const PIECE_BYTES: usize = 64 << 10;

/// A page. The records share the ledger's bytes, so one of large records costs no copy of them all.
pub(crate) struct Page {
    /// The records, in order.
    pub(crate) records: Vec<Record>,
    /// Records name their tenant.
    pub(crate) for_platform: bool,
    /// One record a line, and nothing else.
    pub(crate) lines: bool,
    /// What comes before the records: the answer's beginning up to their array's `[`.
    pub(crate) opening: &'static str,
    /// What comes after them: `]` and the answer's end.
    pub(crate) closing: String,
}

/// A page on its way.
struct Writer {
    page: Page,
    at: usize,
    ended: bool,
}

/// Whether the sender prefers one record a line.
pub(crate) fn wants_lines(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|range| {
        let essence = range.split(';').next().unwrap_or_default().trim();
        ["application/x-ndjson", "application/ndjson", "application/jsonl"]
            .iter()
            .any(|lines| essence.eq_ignore_ascii_case(lines))
    })
}

impl Page {
    /// The answer, with these headers beside its content type.
    pub(crate) fn answer(self, headers: HeaderMap) -> Response {
        let bytes: usize = self.records.iter().map(|record| record.event.len() + 128).sum();
        let kind = if self.lines { "application/x-ndjson" } else { "application/json" };
        let mut writer = Writer { page: self, at: 0, ended: false };
        let body = if bytes <= PIECE_BYTES {
            Body::from(writer.piece(usize::MAX).unwrap_or_default())
        } else {
            Body::from_stream(stream::unfold(writer, |mut writer| async move {
                writer.piece(PIECE_BYTES).map(|piece| (Ok::<_, Infallible>(Bytes::from(piece)), writer))
            }))
        };
        let kind = [(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        (StatusCode::OK, kind, headers, body).into_response()
    }
}

impl Writer {
    fn piece(&mut self, bytes: usize) -> Option<Vec<u8>> {
        if self.ended {
            return None;
        }
        let mut out = Vec::new();
        if self.at == 0 && !self.page.lines {
            out.extend_from_slice(self.page.opening.as_bytes());
        }
        while out.len() < bytes
            && let Some(record) = self.page.records.get(self.at)
        {
            if self.at > 0 && !self.page.lines {
                out.push(b',');
            }
            record.write_json(self.page.for_platform, &mut out);
            if self.page.lines {
                out.push(b'\n');
            }
            self.at += 1;
        }
        if self.at == self.page.records.len() {
            self.ended = true;
            if !self.page.lines {
                out.extend_from_slice(self.page.closing.as_bytes());
            }
        }
        Some(out)
    }
}
