//! A bundle's zip on its way: written a page of lines at a time, each when the one before has left.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use annals_bundle::{FORMAT, Manifest};
use annals_ledger::Ledger;
use annals_ledger::search::Effort;
use annals_verify::{ROWS_MAX, Row};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use tokio::sync::OwnedSemaphorePermit;

use super::archive::Archive;
use super::lines::{Plan, Tally};
use super::words::{Report, readme};
use super::{BundleHead, Cosignatures, Question};
use crate::app::{App, blocking};
use crate::auth::Asker;
use crate::problem::{Code, Problem};
use crate::searching::export_work;

/// Bytes that the archive has written and nobody has taken yet.
#[derive(Clone, Debug, Default)]
struct Outbox(Arc<Mutex<Vec<u8>>>);

impl Outbox {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().expect("no holder of this lock panics"))
    }
}

impl Write for Outbox {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no holder of this lock panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An archive under way.
struct Writing {
    plan: Plan,
    head: BundleHead,
    /// None once it is finished.
    archive: Option<Archive<Outbox>>,
    outbox: Outbox,
    at: u64,
    tally: Tally,
    rows: Vec<Row>,
    own: Vec<u8>,
}

impl Writing {
    fn begin(question: &Question, app: &App, cosigned: Cosignatures) -> Result<Self, Problem> {
        let head = question.head(app, cosigned)?;
        let plan = question.plan(head.size)?;
        let outbox = Outbox::default();
        let mut archive = Archive::new(outbox.clone());
        archive.file("checkpoint", head.checkpoint.as_bytes()).map_err(failed)?;
        archive.file("trust.json", &json(&head.trust)).map_err(failed)?;
        if let Some(earlier) = &head.earlier {
            archive.file("earlier.json", &json(earlier)).map_err(failed)?;
        }
        if let Some(registry) = &head.registry {
            archive.file("registry.json", &json(registry)).map_err(failed)?;
        }
        archive.begin("log.ndjson").map_err(failed)?;
        Ok(Self {
            plan,
            head,
            archive: Some(archive),
            outbox,
            at: 0,
            tally: Tally::default(),
            rows: Vec::new(),
            own: Vec::new(),
        })
    }

    /// Writes on. What is to be sent; nothing at the end.
    fn piece(&mut self, ledger: &Ledger, effort: Effort<'_>) -> Result<Option<Vec<u8>>, Problem> {
        let Some(mut archive) = self.archive.take() else { return Ok(None) };
        if self.at < self.plan.size {
            let page = self.plan.page(ledger, self.at, effort, ROWS_MAX - self.rows.len())?;
            archive.write_all(&page.lines).map_err(failed)?;
            self.at = page.next;
            self.tally.add(&page.tally);
            self.rows.extend(page.rows);
            self.own.extend(page.own);
            self.archive = Some(archive);
        } else {
            self.end(archive).map_err(failed)?;
        }
        Ok(Some(self.outbox.take()))
    }

    fn end(&self, mut archive: Archive<Outbox>) -> io::Result<()> {
        let head = &self.head;
        let mut manifest = Manifest {
            format: FORMAT.to_owned(),
            origin: head.origin.clone(),
            tenant: head.tenant.clone(),
            log: head.log.clone(),
            size: head.size,
            range: self.plan.range,
            mode: self.plan.mode,
            filter: head.filter.clone(),
            withheld: head.withheld.clone(),
            created_at: head.created_at.clone(),
            program: head.program.clone(),
            counts: self.tally.counts,
            files: Vec::new(),
        };
        let report = Report {
            manifest: &manifest,
            checkpoint: &head.checkpoint,
            public_key: head.trust.keys.last().map_or("", |key| &key.key),
            verdicts: &self.tally.verdicts,
            matched: self.tally.matched,
            rows: &self.rows,
            earlier: head.earlier.as_ref().map(|earlier| earlier.size),
        };
        archive.file("lifecycle.ndjson", &self.own)?;
        archive.file("report.html", report.html().as_bytes())?;
        archive.file("README.txt", readme(&manifest).as_bytes())?;
        manifest.files = archive.files().to_vec();
        archive.file("manifest.json", &json(&manifest))?;
        archive.finish().map(drop)
    }
}

/// A small document.
fn json(document: &impl serde::Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(document).expect("texts and numbers serialise");
    text.push(b'\n');
    text
}

fn failed(error: io::Error) -> Problem {
    tracing::error!(%error, "an archive cannot be written to memory");
    Problem::new(Code::Bug, "the archive cannot be written")
}

/// One client's bundle.
struct Sending {
    app: Arc<App>,
    asker: Asker,
    /// None once it is finished.
    writing: Option<Writing>,
    _admitted: OwnedSemaphorePermit,
}

impl Sending {
    async fn piece(&mut self) -> Result<Option<Vec<u8>>, Problem> {
        let Some(mut writing) = self.writing.take() else { return Ok(None) };
        if !self.app.is_live(&self.asker.caller) {
            return Err(Problem::new(Code::Unauthenticated, "the key has ended"));
        }
        let (writing, piece) = export_work(&self.app, move |ledger, effort| {
            let piece = writing.piece(ledger, effort);
            (writing, piece)
        })
        .await;
        let piece = piece?;
        self.writing = piece.is_some().then_some(writing);
        Ok(piece)
    }
}

pub(super) async fn answer(app: Arc<App>, asker: Asker, question: Question) -> Result<Response, Problem> {
    // Witnesses may be slow: whoever waits for them keeps no other export out.
    let cosigned = Cosignatures::gather(&app, &question.log).await;
    let admitted = app.turns.begin_export()?;
    let writing = {
        let app = app.clone();
        blocking(move || Writing::begin(&question, &app, cosigned)).await?
    };
    let name = format!("{}-{}-{}.zip", writing.head.tenant, writing.head.log, writing.head.size);
    let mut sending = Sending { app, asker, writing: Some(writing), _admitted: admitted };
    // What goes wrong at once is said as a problem; what comes later breaks the answer off.
    let first = sending.piece().await?.unwrap_or_default();
    let rest = stream::unfold(sending, |mut sending| async move {
        let piece = sending.piece().await.map_err(|problem| io::Error::other(problem.detail().to_owned()));
        piece.transpose().map(|piece| (piece, sending))
    });
    let pieces = stream::iter([Ok(first)]).chain(rest).map(|piece| piece.map(Bytes::from));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/zip")),
        (
            header::CONTENT_DISPOSITION,
            HeaderValue::try_from(format!("attachment; filename=\"{}\"", file_name(&name)))
                .unwrap_or(HeaderValue::from_static("attachment")),
        ),
    ];
    Ok((StatusCode::OK, headers, Body::from_stream(pieces)).into_response())
}

/// A name that no file system and no header takes for anything else.
fn file_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars().map(|c| if fits(c) { c } else { '_' }).collect()
}
