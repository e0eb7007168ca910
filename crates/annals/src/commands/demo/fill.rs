//! Filling a new ledger with the demo's year, as if it had been received while it happened.
//!
//! Events go in small batches of one tenant each, received at the time of the batch's last event, so that `received_at`
//! follows the story by minutes. Many batches are under way at once and share their flushes.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use annals_event::{TenantId, Timestamp};
use annals_ledger::{AcceptOptions, Author, CommitError, ItemResult, ItemStatus, Ledger};

use crate::demo::story::{DemoEvent, story, tenant_ids};
use crate::exit::{Exit, Failure};
use crate::output::{Output, Progress};

/// A batch is sent when it has so many events, or when its oldest has waited so long (in the story's time).
const BATCH_EVENTS_MAX: usize = 64;
const BATCH_AGE_US_MAX: i64 = 10 * 60 * 1_000_000;

/// Batches under way at once.
const IN_FLIGHT_MAX: usize = 256;

/// Stores `total` events of the year before `until`.
pub(super) async fn fill(
    ledger: &Ledger,
    until: Timestamp,
    total: u64,
    output: Output,
) -> Result<(), Failure> {
    output.note(&format!("telling {total} events of three invented companies"));
    for tenant in tenant_ids() {
        ledger.create_tenant(&tenant_id(tenant), &Author::Machine).await.map_err(refused)?;
    }
    let mut filler =
        Filler { ledger, under_way: VecDeque::new(), progress: output.progress(total, "events") };
    let mut open: [Vec<DemoEvent>; 3] = Default::default();
    for event in story(until.as_micros(), total) {
        let index =
            tenant_ids().iter().position(|id| *id == event.tenant).expect("the story has three tenants");
        let batch = &mut open[index];
        let is_old =
            batch.first().is_some_and(|first| event.occurred_at_us - first.occurred_at_us > BATCH_AGE_US_MAX);
        if is_old || batch.len() == BATCH_EVENTS_MAX {
            filler.send(std::mem::take(batch)).await?;
        }
        batch.push(event);
    }
    for batch in open {
        filler.send(batch).await?;
    }
    filler.finish().await
}

type Commit<'a> = Pin<Box<dyn Future<Output = Result<Vec<ItemResult>, CommitError>> + Send + 'a>>;

struct Filler<'a> {
    ledger: &'a Ledger,
    under_way: VecDeque<Commit<'a>>,
    progress: Progress,
}

impl Filler<'_> {
    async fn send(&mut self, events: Vec<DemoEvent>) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(()) };
        let accepted_at =
            Timestamp::from_micros(last.occurred_at_us).expect("the story's times are instants");
        let options = AcceptOptions { tenant: Some(tenant_id(first.tenant)), ..AcceptOptions::default() };
        let mut draft = self.ledger.draft_at(options, accepted_at);
        for event in &events {
            draft.push(&event.json);
        }
        let ledger = self.ledger;
        let sealed = draft.seal();
        let mut commit: Commit<'_> = Box::pin(async move { ledger.commit(sealed).await });
        // The first poll puts the batch into the journal's queue, so batches are stored in the order they are sent.
        match poll_fn(|context| Poll::Ready(commit.as_mut().poll(context))).await {
            Poll::Ready(results) => self.note(&results.map_err(refused)?)?,
            Poll::Pending => self.under_way.push_back(commit),
        }
        while self.under_way.len() >= IN_FLIGHT_MAX {
            self.settle_oldest().await?;
        }
        Ok(())
    }

    async fn settle_oldest(&mut self) -> Result<(), Failure> {
        let Some(commit) = self.under_way.pop_front() else { return Ok(()) };
        let results = commit.await.map_err(refused)?;
        self.note(&results)
    }

    fn note(&mut self, results: &[ItemResult]) -> Result<(), Failure> {
        if let Some(other) =
            results.iter().find(|result| !matches!(result.status, ItemStatus::Created { .. }))
        {
            let message = format!("an event of the demo was not stored: {:?}", other.status);
            return Err(Failure::new(Exit::Bug, message));
        }
        self.progress.add(results.len() as u64);
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Failure> {
        while !self.under_way.is_empty() {
            self.settle_oldest().await?;
        }
        self.progress.finish();
        Ok(())
    }
}

fn tenant_id(id: &str) -> TenantId {
    TenantId::new(id).expect("the story's tenants have good ids")
}

fn refused(error: CommitError) -> Failure {
    Failure::new(error.kind().into(), format!("the demo's events were not stored: {error}"))
}
