//! Work that looks through records: off the threads that serve connections, as much at once as there are cores, bounded in
//! time, and given up when nobody waits for it any more. `GET /v1/events` and the dialects search through here alike.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals_event::filter::Matcher;
use annals_ledger::search::Effort;
use annals_ledger::{FeedScope, Ledger, Order, Search, SearchError, SearchPage, Start};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::{App, blocking};
use crate::problem::{Code, Problem};

/// Longest work for one answer, µs.
pub const SEARCH_US_MAX: u64 = 5_000_000;

/// Requests that wait for their turn; more are told to come back.
pub const SEARCHES_WAITING_MAX: usize = 64;

/// Polls of feeds with conditions that wait for their turn; more are told to come back. They all wake up with the same record, and
/// each then looks at that alone.
const POLLS_WAITING_MAX: usize = 256;

/// Exports at once; more are told to come back. Each has some pieces in memory, one of Parquet a group of rows.
pub const EXPORTS_MAX: usize = 16;

/// Longest wait for a turn.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A search that outlives its request's borrows.
#[derive(Debug)]
pub(crate) struct Asked {
    /// Where.
    pub(crate) scope: FeedScope,
    /// What a record must satisfy.
    pub(crate) matcher: Arc<Matcher>,
    /// In which order.
    pub(crate) order: Order,
    /// Leaves out what annals itself has written.
    pub(crate) sent_only: bool,
    /// As of which size; none is all there is by now.
    pub(crate) size: Option<u64>,
    /// Where the page begins.
    pub(crate) start: Start,
    /// Records of a full page.
    pub(crate) limit: usize,
    /// Whether to count all that match.
    pub(crate) count: bool,
}

/// Turns at work that takes long. Those who wait get theirs in the order in which they came.
#[derive(Debug)]
pub(crate) struct Turns {
    /// For answers to single requests.
    searches: Arc<Semaphore>,
    /// Those at work and those who wait.
    admitted: Arc<Semaphore>,
    /// For feeds. Streams, whose number is bounded by that of the connections, wait for as long as it takes; they keep no search
    /// waiting.
    feeds: Arc<Semaphore>,
    /// Polls at work and those who wait.
    polls: Arc<Semaphore>,
    /// For exports, which take hours where they must: they leave cores to everybody else.
    exports: Arc<Semaphore>,
    /// Exports that were let in.
    exporters: Arc<Semaphore>,
}

impl Turns {
    /// As many at once as there are `cores`.
    pub(crate) fn new(cores: usize) -> Self {
        Self {
            searches: Arc::new(Semaphore::new(cores)),
            admitted: Arc::new(Semaphore::new(cores + SEARCHES_WAITING_MAX)),
            feeds: Arc::new(Semaphore::new(cores)),
            polls: Arc::new(Semaphore::new(cores + POLLS_WAITING_MAX)),
            exports: Arc::new(Semaphore::new((cores / 2).max(1))),
            exporters: Arc::new(Semaphore::new(EXPORTS_MAX)),
        }
    }

    /// Lets an export in, for as long as it keeps what it gets.
    ///
    /// # Errors
    ///
    /// `busy`: there are [`EXPORTS_MAX`].
    pub(crate) fn begin_export(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let begun = self.exporters.clone().try_acquire_owned();
        begun.map_err(|_| Problem::new(Code::Busy, "too many exports are on their way; try again later"))
    }
}

/// One page of what a search finds. A tenant without records has an empty one.
///
/// With [`SearchPage::partial`] the time was up before the page was full or the count was complete; who cannot say so in an
/// answer refuses with [`too_much_work`].
///
/// # Errors
///
/// `busy` when too many wait or an order needs all matches and the time was up, `out_of_range` for a size beyond the log.
pub(crate) async fn search(app: &App, asked: Asked) -> Result<SearchPage, Problem> {
    let (size, count) = (asked.size.unwrap_or(0), asked.count);
    let found = work(app, move |ledger, effort| {
        let search = Search {
            scope: &asked.scope,
            matcher: &asked.matcher,
            order: &asked.order,
            sent_only: asked.sent_only,
            size: asked.size,
            start: &asked.start,
            limit: asked.limit,
            count: asked.count,
        };
        ledger.search(&search, effort)
    });
    match found.await? {
        // Whoever goes on where it had records is not told that they have ended.
        Err(SearchError::TenantMissing) if size > 0 => Err(SearchError::Beyond { size, known: 0 }.into()),
        Err(SearchError::TenantMissing) => Ok(SearchPage {
            records: Vec::new(),
            next: None,
            previous: None,
            size: 0,
            total: count.then_some(0),
            partial: false,
        }),
        found => Ok(found?),
    }
}

/// Runs work on the ledger's records in this request's turn, and tells it when it is no longer wanted.
///
/// # Errors
///
/// `busy` when too many wait, or the wait is too long.
pub(crate) async fn work<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Ledger, Effort<'_>) -> T + Send + 'static,
) -> Result<T, Problem> {
    let turn = turn(&app.turns.admitted, &app.turns.searches).await?;
    Ok(run(app, turn, work).await)
}

/// As [`work`], for a poll of a feed.
///
/// # Errors
///
/// `busy` when too many wait, or the wait is too long.
pub(crate) async fn poll_work<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Ledger, Effort<'_>) -> T + Send + 'static,
) -> Result<T, Problem> {
    let turn = turn(&app.turns.polls, &app.turns.feeds).await?;
    Ok(run(app, turn, work).await)
}

/// As [`poll_work`], for a stream: waits for as long as it takes.
pub(crate) async fn stream_work<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Ledger, Effort<'_>) -> T + Send + 'static,
) -> T {
    let turn = app.turns.feeds.clone().acquire_owned().await.expect("nobody closes this semaphore");
    run(app, turn, work).await
}

/// As [`stream_work`], for a piece of an export.
pub(crate) async fn export_work<T: Send + 'static>(
    app: &App,
    work: impl FnOnce(&Ledger, Effort<'_>) -> T + Send + 'static,
) -> T {
    let turn = app.turns.exports.clone().acquire_owned().await.expect("nobody closes this semaphore");
    run(app, turn, work).await
}

/// One of the `turns`, for those whom `admitted` lets wait.
async fn turn(
    admitted: &Arc<Semaphore>,
    turns: &Arc<Semaphore>,
) -> Result<[OwnedSemaphorePermit; 2], Problem> {
    let admitted = admitted.clone().try_acquire_owned().map_err(|_| crowded())?;
    let turn = tokio::time::timeout(WAIT_MAX, turns.clone().acquire_owned());
    let turn = turn.await.map_err(|_| crowded())?.expect("nobody closes this semaphore");
    Ok([admitted, turn])
}

/// The turn ends with the work, not with the request: a request that is given up takes its work with it at the next step.
async fn run<T: Send + 'static>(
    app: &App,
    turn: impl Send + 'static,
    work: impl FnOnce(&Ledger, Effort<'_>) -> T + Send + 'static,
) -> T {
    let ledger = app.ledger.clone();
    let abandoned = Arc::new(AtomicBool::new(false));
    let _wanted = Wanted(abandoned.clone());
    blocking(move || {
        let done = work(&ledger, Effort { us_max: SEARCH_US_MAX, abandoned: Some(&abandoned) });
        drop(turn);
        done
    })
    .await
}

/// While it lives, somebody waits for the work.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn crowded() -> Problem {
    Problem::new(Code::Busy, "too many searches wait for their turn; try again in a moment")
}

/// The time was up. `way_out` is what the caller can do about it.
pub(crate) fn too_much_work(way_out: &str) -> Problem {
    let seconds = SEARCH_US_MAX / 1_000_000;
    Problem::new(Code::Busy, format!("the question was not answered within {seconds} s; {way_out}"))
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        let code = match &error {
            SearchError::TenantMissing => Code::TenantUnknown,
            SearchError::Busy => return too_much_work("ask for a shorter time with `since` and `until`"),
            SearchError::Beyond { .. } => Code::OutOfRange,
            SearchError::TooMany { .. } => Code::ParameterValue,
            SearchError::Damaged(damaged) => return damaged.as_ref().into(),
            _ => Code::Bug,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use annals_event::TenantId;
    use annals_event::filter::Condition;
    use annals_ledger::{Direction, LogKind, TenantLog};

    use super::*;
    use crate::app::tests::app;

    impl Turns {
        /// All turns of feeds.
        pub(crate) async fn hold_feeds(&self) -> OwnedSemaphorePermit {
            let all = u32::try_from(self.feeds.available_permits()).unwrap();
            self.feeds.clone().acquire_many_owned(all).await.unwrap()
        }
    }

    #[tokio::test]
    async fn beyond_those_who_wait_nobody_is_let_in() {
        let app = app();
        let cores = app.turns.searches.available_permits();
        let (begin, begun) = mpsc::channel();
        let (ends, end) = std::sync::mpsc::channel::<()>();
        let end = Arc::new(std::sync::Mutex::new(end));
        let mut held = tokio::task::JoinSet::new();
        for _ in 0..cores + SEARCHES_WAITING_MAX {
            let (app, begin, end) = (app.clone(), begin.clone(), end.clone());
            held.spawn(async move {
                let run = move |_: &Ledger, _: Effort<'_>| {
                    begin.send(()).unwrap();
                    end.lock().unwrap().recv().unwrap_or_default();
                };
                work(&app, run).await.map(drop)
            });
        }
        let all = |_: &Ledger, _: Effort<'_>| ();
        while app.turns.admitted.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(work(&app, all).await.unwrap_err().code(), Code::Busy);
        // A stream has turns of its own.
        stream_work(&app, all).await;
        poll_work(&app, all).await.unwrap();
        drop(ends);
        while let Some(done) = held.join_next().await {
            done.unwrap().unwrap();
        }
        assert_eq!(begun.try_iter().count(), cores + SEARCHES_WAITING_MAX, "those who waited had their turn");
        work(&app, all).await.unwrap();
    }

    #[tokio::test]
    async fn beyond_the_polls_that_wait_none_is_let_in_and_streams_wait_on() {
        let app = app();
        let cores = app.turns.feeds.available_permits();
        let held = app.turns.hold_feeds().await;
        let all = |_: &Ledger, _: Effort<'_>| ();
        let mut polls = tokio::task::JoinSet::new();
        for _ in 0..cores + POLLS_WAITING_MAX {
            let app = app.clone();
            polls.spawn(async move { poll_work(&app, all).await });
        }
        while app.turns.polls.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let told = poll_work(&app, all).await.unwrap_err();
        assert_eq!((told.code(), told.detail()), (Code::Busy, crowded().detail()));
        let stream = tokio::spawn({
            let app = app.clone();
            async move { stream_work(&app, all).await }
        });
        drop(held);
        while let Some(done) = polls.join_next().await {
            done.unwrap().unwrap();
        }
        stream.await.unwrap();
    }

    #[tokio::test]
    async fn a_tenant_without_records_is_empty_but_not_as_of_a_size_that_it_never_had() {
        let app = app();
        let tenant = TenantId::new("acme").unwrap();
        let asked = |size, count| Asked {
            scope: FeedScope::Log(TenantLog { tenant: tenant.clone(), kind: LogKind::Tenant }),
            matcher: Arc::new(Matcher::new(Condition::everything())),
            order: Order::occurred(Direction::Falling),
            sent_only: false,
            size,
            start: Start::First,
            limit: 10,
            count,
        };
        for (size, count, total) in [(None, false, None), (None, true, Some(0)), (Some(0), true, Some(0))] {
            let page = search(&app, asked(size, count)).await.unwrap();
            assert_eq!((page.records.len(), page.size, page.total, page.partial), (0, 0, total, false));
        }
        let lost = search(&app, asked(Some(6), false)).await.unwrap_err();
        assert_eq!(lost.code(), Code::OutOfRange);
        assert!(lost.detail().contains("as of 6 records, but there are only 0"), "{}", lost.detail());
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends_and_gives_its_turn_back() {
        let app = app();
        let turns = app.turns.searches.available_permits();
        let (begin, begun) = tokio::sync::oneshot::channel();
        let (end, ended) = tokio::sync::oneshot::channel();
        let asking = tokio::spawn({
            let app = app.clone();
            async move {
                let until_abandoned = move |_: &Ledger, effort: Effort<'_>| {
                    begin.send(()).unwrap();
                    while !effort.abandoned.unwrap().load(Ordering::Relaxed) {
                        std::thread::yield_now();
                    }
                    end.send(()).unwrap();
                };
                work(&app, until_abandoned).await.map(drop)
            }
        });
        begun.await.unwrap();
        assert_eq!(app.turns.searches.available_permits(), turns - 1);
        asking.abort();
        ended.await.unwrap();
        while app.turns.searches.available_permits() < turns {
            tokio::task::yield_now().await;
        }
    }
}
