//! Taking in a request's body: decompressed as it arrives, bounded in what comes out, so that no bomb costs more than an
//! honest body.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::problem::{Code, Problem};

/// Longest body of a batch, decompressed, bytes.
pub const BATCH_BODY_BYTES_MAX: usize = 16 << 20;

/// Longest body of any other request, bytes.
pub const SMALL_BODY_BYTES_MAX: usize = 64 << 10;

/// Bytes of bodies held by all requests together; beyond it senders are told to wait.
pub const BODIES_BYTES_MAX: usize = 256 << 20;

const _: () = assert!(BATCH_BODY_BYTES_MAX < BODIES_BYTES_MAX);

/// Longest silence within a body.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Longest time for a whole body.
const ARRIVAL_MAX: Duration = Duration::from_secs(300);

/// What is read of a refused body, so that the sender gets to read the answer, and for how long.
const DISCARD_BYTES_MAX: usize = 32 << 20;
const DISCARD_MAX: Duration = Duration::from_secs(2);

/// Largest zstd window, as a power of two: a body is not longer than this either.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;

/// Memory for bodies, shared by all requests.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

/// A body, with its share of the budget.
pub(crate) struct Received {
    /// The body, decompressed.
    pub(crate) bytes: Vec<u8>,
    _share: Share,
}

struct Share {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// A body on its way.
pub(crate) struct Arriving<'a> {
    body: Body,
    headers: &'a HeaderMap,
    /// Something of it was asked for.
    begun: bool,
}

impl<'a> Arriving<'a> {
    /// The body of a request with these headers.
    pub(crate) fn new(body: Body, headers: &'a HeaderMap) -> Self {
        Self { body, headers, begun: false }
    }

    /// Reads a body of at most `bytes_max` bytes after decompression.
    ///
    /// # Errors
    ///
    /// Too long, not decompressible, unknown encoding, broken off, too slow, or no memory left for bodies.
    pub(crate) async fn receive(
        &mut self,
        bytes_max: usize,
        budget: &Arc<Budget>,
    ) -> Result<Received, Problem> {
        let share = Share { budget: budget.clone(), bytes: 0 };
        let sink = Sink { bytes: Vec::new(), bytes_max, share, refused: None };
        let mut decoder = Decoder::new(encoding(self.headers)?, sink)?;
        if decoder.is_plain() && content_length(self.headers).is_some_and(|length| length > bytes_max) {
            return Err(too_long(bytes_max));
        }
        let arrival = tokio::time::timeout(ARRIVAL_MAX, async {
            while let Some(chunk) = self.next().await? {
                decoder.write(&chunk)?;
            }
            Ok(())
        });
        arrival.await.unwrap_or_else(|_| Err(slow()))?;
        decoder.finish()
    }

    /// Reads and forgets what is left of a refused body, within limits: an answer sent while the sender still sends is
    /// lost on many clients.
    pub(crate) async fn discard(mut self) {
        if !self.begun && self.headers.contains_key(header::EXPECT) {
            // The sender waits to be asked for the body, and is not.
            return;
        }
        let mut left = DISCARD_BYTES_MAX;
        let all = async {
            while let Ok(Some(chunk)) = self.next().await {
                match left.checked_sub(chunk.len()) {
                    Some(rest) => left = rest,
                    None => return,
                }
            }
        };
        // Enough was waited for; the connection is closed with the answer.
        drop(tokio::time::timeout(DISCARD_MAX, all).await);
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        self.begun = true;
        loop {
            let frame = tokio::time::timeout(SILENCE_MAX, self.body.frame()).await.map_err(|_| slow())?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a body broke off");
                    return Err(Problem::new(
                        Code::BodyBroken,
                        "the body did not arrive whole; nothing was stored",
                    ));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

fn slow() -> Problem {
    Problem::new(Code::BodySlow, "the body arrives too slowly; nothing was stored")
}

fn too_long(bytes_max: usize) -> Problem {
    Problem::new(
        Code::BodyBytes,
        format!("the body is longer than {bytes_max} bytes, decompressed; send it in parts"),
    )
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Plain,
    Gzip,
    Zstd,
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    let mut named = headers.get_all(header::CONTENT_ENCODING).iter();
    let encoding = match (named.next(), named.next()) {
        (None, _) => Some(Encoding::Plain),
        (Some(name), None) => match name.to_str().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Encoding::Plain),
            "gzip" | "x-gzip" => Some(Encoding::Gzip),
            "zstd" => Some(Encoding::Zstd),
            _ => None,
        },
        _ => None,
    };
    encoding.ok_or_else(|| {
        Problem::new(Code::ContentEncoding, "`Content-Encoding` must be `gzip`, `zstd` or left out")
    })
}

/// Where decompressed bytes go; refuses them once there are too many.
struct Sink {
    bytes: Vec<u8>,
    bytes_max: usize,
    share: Share,
    refused: Option<Problem>,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.bytes_max - self.bytes.len() {
            self.refused = Some(too_long(self.bytes_max));
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let held = self.share.budget.0.fetch_add(bytes.len(), Ordering::Relaxed);
        self.share.bytes += bytes.len();
        if held + bytes.len() > BODIES_BYTES_MAX {
            self.refused =
                Some(Problem::new(Code::Busy, "too many bodies are being read; send this one again"));
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Decoder {
    Plain(Sink),
    Gzip(Box<flate2::write::MultiGzDecoder<Sink>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Sink>>),
}

impl Decoder {
    fn new(encoding: Encoding, sink: Sink) -> Result<Self, Problem> {
        Ok(match encoding {
            Encoding::Plain => Self::Plain(sink),
            Encoding::Gzip => Self::Gzip(Box::new(flate2::write::MultiGzDecoder::new(sink))),
            Encoding::Zstd => {
                let made = zstd::stream::write::Decoder::new(sink).and_then(|mut decoder| {
                    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                    Ok(decoder)
                });
                Self::Zstd(Box::new(
                    made.map_err(|_| Problem::new(Code::Busy, "no memory for a decompressor"))?,
                ))
            }
        })
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Plain(_))
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Self::Plain(sink) => sink,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Zstd(decoder) => decoder.get_mut(),
        }
    }

    fn write(&mut self, chunk: &[u8]) -> Result<(), Problem> {
        let written = match self {
            Self::Plain(sink) => sink.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
            Self::Zstd(decoder) => decoder.write_all(chunk),
        };
        written.map_err(|error| self.problem(&error))
    }

    fn finish(mut self) -> Result<Received, Problem> {
        let finished = match &mut self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Zstd(decoder) => decoder.do_finish(),
        };
        finished.map_err(|error| self.problem(&error))?;
        let sink = match self {
            Self::Plain(sink) => sink,
            Self::Gzip(decoder) => decoder.finish().map_err(|error| undecodable(&error))?,
            Self::Zstd(decoder) => decoder.into_inner(),
        };
        Ok(Received { bytes: sink.bytes, _share: sink.share })
    }

    /// What stopped the decoder: the sink's own reason, or the body.
    fn problem(&mut self, error: &io::Error) -> Problem {
        self.sink().refused.take().unwrap_or_else(|| undecodable(error))
    }
}

fn undecodable(error: &io::Error) -> Problem {
    Problem::new(Code::BodyDecoding, format!("the body does not decompress: {error}"))
}

/// Reads the JSON body of a small request.
pub(crate) async fn small_json<T: DeserializeOwned>(
    app: &App,
    body: Body,
    headers: &HeaderMap,
) -> Result<T, Problem> {
    let received = Arriving::new(body, headers).receive(SMALL_BODY_BYTES_MAX, &app.bodies).await?;
    let bytes = if received.bytes.is_empty() { b"{}" } else { received.bytes.as_slice() };
    serde_json::from_slice(bytes).map_err(|error| {
        let code = if error.is_data() { Code::BodyValue } else { Code::Json };
        Problem::new(code, error.to_string())
    })
}
