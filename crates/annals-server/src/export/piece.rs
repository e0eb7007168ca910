//! An export on its way: a piece after the other, as far as the reader takes them.

use std::future::Future;
use std::io::{self, Write};
use std::mem;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use annals_export::{ExportError, Exporter};
use annals_ledger::search::Effort;
use annals_ledger::{FeedScope, Ledger, Pour, PourStart, SearchError};
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::StreamBody;
use hyper::body::Frame;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::Asked;
use crate::app::App;
use crate::auth::Asker;
use crate::problem::{Code, Problem};
use crate::reading::Reading;
use crate::searching::export_work;
use crate::view::Shape;

/// Trailers.
pub(super) const ROWS: HeaderName = HeaderName::from_static("annals-rows");
pub(super) const SHA256: HeaderName = HeaderName::from_static("annals-sha256");

/// A piece is sent once it has so many bytes.
const PIECE_BYTES: usize = 512 << 10;

/// Longest work for one piece, µs: then others have their turn.
const PIECE_US_MAX: u64 = 500_000;

/// Pieces that wait for the connection.
const PIECES_WAITING_MAX: usize = 2;

/// A reader that takes nothing for so long must not keep files of segments that are merged meanwhile.
const REST_AFTER: Duration = Duration::from_secs(5);

/// An export, from its beginning or between two pieces.
pub(super) struct Job {
    /// Nothing when the tenant has no record.
    pour: Option<Pour>,
    exporter: Option<Exporter<Sink>>,
    sink: Sink,
    shape: Shape,
    rows: u64,
}

/// What was written and not yet sent.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Pile>>);

#[derive(Default)]
struct Pile {
    bytes: Vec<u8>,
    sum: Sha256,
}

impl Sink {
    fn pile(&self) -> MutexGuard<'_, Pile> {
        self.0.lock().expect("no holder of this lock panics")
    }

    fn take(&self) -> Bytes {
        mem::take(&mut self.pile().bytes).into()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut pile = self.pile();
        pile.sum.update(bytes);
        pile.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        tracing::error!(%error, "an event could not be exported");
        Self::new(
            Code::Bug,
            "an event could not be exported; the request id finds why in the server's diagnostics",
        )
    }
}

impl Job {
    pub(super) async fn begin(
        app: &App,
        scope: &FeedScope,
        shape: Shape,
        asked: Asked,
    ) -> Result<Self, Problem> {
        let Asked { matcher, direction, start, options } = asked;
        let sink = Sink::default();
        let exporter = Exporter::new(&options, sink.clone())?;
        let scope = scope.clone();
        let pour = export_work(app, move |ledger, _| ledger.pour(&scope, &matcher, direction, start)).await;
        let pour = match pour {
            Ok(pour) => Some(pour),
            // Who has no record yet has none to go on after either.
            Err(SearchError::TenantMissing) if start.size.unwrap_or(0) == 0 && start.after.is_none() => None,
            Err(SearchError::TenantMissing) => {
                return Err(beyond(SearchError::Beyond { size: start.size.unwrap_or(0), known: 0 }, start));
            }
            Err(error @ SearchError::Beyond { .. }) => return Err(beyond(error, start)),
            Err(error) => return Err(error.into()),
        };
        Ok(Self { pour, exporter: Some(exporter), sink, shape, rows: 0 })
    }

    /// As of how many records.
    pub(super) fn size(&self) -> u64 {
        self.pour.as_ref().map_or(0, Pour::size)
    }

    /// The next piece; nothing of it can be wrong later.
    async fn piece(mut self, app: &App) -> Result<(Self, Bytes), Problem> {
        export_work(app, move |ledger, effort| {
            self.write(ledger, effort)?;
            let bytes = self.sink.take();
            Ok((self, bytes))
        })
        .await
    }

    fn write(&mut self, ledger: &Ledger, effort: Effort<'_>) -> Result<(), Problem> {
        let Some(exporter) = &mut self.exporter else { return Ok(()) };
        if let Some(pour) = &mut self.pour {
            let effort = Effort { us_max: effort.us_max.min(PIECE_US_MAX), ..effort };
            let mut failed = None;
            let (sink, shape) = (&self.sink, &self.shape);
            ledger.pour_on(pour, effort, &mut |record| {
                let mut read = Ok(());
                let added = exporter.event_with(|line| read = shape.write_poured(record, line));
                read?;
                Ok(match added {
                    Ok(()) if sink.pile().bytes.len() < PIECE_BYTES => ControlFlow::Continue(()),
                    Ok(()) => ControlFlow::Break(()),
                    Err(error) => {
                        failed = Some(error);
                        ControlFlow::Break(())
                    }
                })
            })?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            if !pour.has_ended() {
                return Ok(exporter.flush()?);
            }
        }
        self.rows = exporter.rows();
        let exporter = self.exporter.take().expect("it was there above");
        exporter.finish()?;
        Ok(())
    }

    fn has_ended(&self) -> bool {
        self.exporter.is_none()
    }

    fn trailers(&self) -> HeaderMap {
        let sum = mem::take(&mut self.sink.pile().sum).finalize();
        let sum: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut trailers = HeaderMap::new();
        trailers.insert(ROWS, self.rows.into());
        trailers.insert(SHA256, HeaderValue::try_from(sum).expect("digits are ASCII"));
        trailers
    }

    /// The body of the answer, once its first piece is there.
    ///
    /// # Errors
    ///
    /// The first piece cannot be made.
    pub(super) async fn stream(
        self,
        app: Arc<App>,
        asker: Asker,
        reading: Reading,
        let_in: OwnedSemaphorePermit,
    ) -> Result<Body, Problem> {
        // A tenant may begin after its key was let in.
        reading.enter_again(&app, &asker).await?;
        let (job, first) = self.piece(&app).await?;
        let (send, receive) = mpsc::channel(PIECES_WAITING_MAX);
        drop(tokio::spawn(async move {
            let run = Run { app, asker, reading, send: send.clone() };
            if let Err(problem) = run.to_its_end(job, first).await {
                // Without an end and without trailers: the answer breaks off there.
                drop(send.send(Err(io::Error::other(problem.detail().to_owned()))).await);
            }
            drop(let_in);
        }));
        let pieces = stream::unfold((receive, false), |(mut receive, whole)| async move {
            match receive.recv().await {
                Some(Ok(frame)) => {
                    let whole = frame.is_trailers();
                    Some((Ok(frame), (receive, whole)))
                }
                Some(Err(error)) => Some((Err(error), (receive, true))),
                None if whole => None,
                None => Some((Err(io::Error::other("the export ended without its end")), (receive, true))),
            }
        });
        Ok(Body::new(StreamBody::new(pieces)))
    }
}

/// Who has asked too much: the message names what was asked.
fn beyond(error: SearchError, start: PourStart) -> Problem {
    match (start.after, &error) {
        (Some(after), SearchError::Beyond { known, .. }) if start.size.is_none_or(|size| size <= *known) => {
            let detail = format!("`after` is {after}, but the export is as of {known} records");
            Problem::new(Code::OutOfRange, detail).in_parameter("after")
        }
        _ => Problem::from(error).in_parameter("size"),
    }
}

/// What makes the pieces.
struct Run {
    app: Arc<App>,
    asker: Asker,
    reading: Reading,
    send: mpsc::Sender<io::Result<Frame<Bytes>>>,
}

impl Run {
    /// Sends piece after piece, and the trailers; or ends when nobody takes them.
    async fn to_its_end(&self, mut job: Job, first: Bytes) -> Result<(), Problem> {
        let mut bytes = first;
        loop {
            if !bytes.is_empty() {
                let sent = self.wanted(self.send(&mut job, Frame::data(bytes))).await?;
                if sent.is_none() {
                    return Ok(());
                }
            }
            if job.has_ended() {
                let trailers = Frame::trailers(job.trailers());
                return self.wanted(self.send(&mut job, trailers)).await.map(drop);
            }
            if !self.app.is_live(&self.asker.caller) {
                return Err(Problem::new(Code::Unauthenticated, "the key has ended during the export"));
            }
            // An export that lasts stands on record for each minute in which it was read.
            self.reading.enter_again(&self.app, &self.asker).await?;
            match self.wanted(job.piece(&self.app)).await? {
                Some(next) => (job, bytes) = next?,
                None => return Ok(()),
            }
        }
    }

    async fn send(&self, job: &mut Job, frame: Frame<Bytes>) {
        let place = match tokio::time::timeout(REST_AFTER, self.send.reserve()).await {
            Ok(place) => place,
            Err(_) => {
                if let Some(pour) = &mut job.pour {
                    pour.rest();
                }
                self.send.reserve().await
            }
        };
        // Nobody reads any more; that is seen where it is waited for.
        if let Ok(place) = place {
            place.send(Ok(frame));
        }
    }

    /// Waits as long as somebody wants the export; nothing when nobody does.
    async fn wanted<T>(&self, work: impl Future<Output = T>) -> Result<Option<T>, Problem> {
        tokio::select! {
            done = work => Ok(Some(done)),
            () = self.send.closed() => Ok(None),
            () = self.app.stopped() => Err(Problem::new(Code::Stopping, "the server is stopping")),
        }
    }
}
