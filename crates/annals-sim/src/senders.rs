//! Clients that send events and send them again until they are told what became of them.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use annals_event::TenantId;
use annals_ledger::{AcceptOptions, CommitError, ItemResult, ItemStatus, Ledger, LogKind};

use crate::book::{Book, Fate, Marker};
use crate::dice::Dice;
use crate::invariant::{Broken, Invariant, broken, ensure};

/// An answer on its way.
pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, CommitError>>>>;

/// The answer, if it is there.
pub(crate) fn poll<T>(pending: &mut Pending<T>) -> Option<Result<T, CommitError>> {
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

const BAD_ITEMS: [&str; 6] = [
    "{",
    "[]",
    r#"{"action":"user.login"}"#,
    r#"{"action":"annals.server.start","actor":{"id":"u1"}}"#,
    r#"{"action":"a","actor":{"id":"u1"},"occurred_at":"2026-11-21T10:00:59"}"#,
    r#"{"action":"a","actor":{"id":"u1"},"action":"b"}"#,
];
const ACTIONS: [&str; 5] = ["user.login", "video.update", "file.delete", "role.create", "key.rotate"];

/// One client.
pub(crate) struct Sender {
    number: usize,
    requests: u64,
    seq: u64,
    doing: Doing,
}

enum Doing {
    Nothing,
    /// The service has the request.
    Waiting(Request, Pending<Vec<ItemResult>>),
    /// The request is to be sent again, not before this step.
    Resting(Request, u32),
}

/// What is sent, the same at every attempt.
struct Request {
    options: AcceptOptions,
    items: Vec<(Marker, String)>,
    /// Every item is found again under the same id.
    repeatable: bool,
}

impl Request {
    fn markers(&self) -> Vec<Marker> {
        self.items.iter().map(|(marker, _)| *marker).collect()
    }
}

impl Sender {
    pub(crate) fn new(number: usize) -> Self {
        Self { number, requests: 0, seq: 0, doing: Doing::Nothing }
    }

    /// Nothing is on its way and nothing is to be sent again.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.doing, Doing::Nothing)
    }

    /// An answer is awaited.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.doing, Doing::Waiting(..))
    }

    /// Sends, sends again, or looks for the answer. What happened is told for the trace.
    pub(crate) fn step(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        dice: &mut Dice,
        tenants: &[TenantId],
        now: u32,
    ) -> Result<String, Broken> {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Nothing => {
                self.requests += 1;
                let request = self.plan(book, dice, tenants);
                Ok(self.send(ledger, book, request))
            }
            Doing::Resting(request, until) if until <= now => Ok(self.send(ledger, book, request)),
            Doing::Waiting(request, answer) => {
                self.look(ledger, book, request, answer, now + u32::try_from(dice.below(12)).expect("small"))
            }
            resting @ Doing::Resting(..) => {
                self.doing = resting;
                Ok(String::new())
            }
        }
    }

    /// Looks for the answer only.
    pub(crate) fn look_for_answer(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        now: u32,
    ) -> Result<String, Broken> {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Waiting(request, answer) => self.look(ledger, book, request, answer, now),
            other => {
                self.doing = other;
                Ok(String::new())
            }
        }
    }

    /// The service is gone, and the answer with it.
    pub(crate) fn hang_up(&mut self, book: &mut Book, now: u32) {
        match std::mem::replace(&mut self.doing, Doing::Nothing) {
            Doing::Waiting(request, _) => {
                book.unanswered(&request.markers());
                if request.repeatable {
                    self.doing = Doing::Resting(request, now);
                }
            }
            other => self.doing = other,
        }
    }

    fn send(&mut self, ledger: &Ledger, book: &mut Book, request: Request) -> String {
        book.sending(&request.markers());
        let mut draft = ledger.draft(request.options.clone());
        for (_, text) in &request.items {
            draft.push(text.as_bytes());
        }
        let sealed = draft.seal();
        let told = format!("sender {} sends {:?} {:?}", self.number, request.markers(), request.options);
        let ledger = ledger.clone();
        let mut answer: Pending<_> = Box::pin(async move { ledger.commit(sealed).await });
        // The first poll is what puts it into the queue; an answer that is there at once is looked for later.
        self.doing = match poll(&mut answer) {
            None => Doing::Waiting(request, answer),
            Some(ready) => Doing::Waiting(request, Box::pin(std::future::ready(ready))),
        };
        told
    }

    fn look(
        &mut self,
        ledger: &Ledger,
        book: &mut Book,
        request: Request,
        mut answer: Pending<Vec<ItemResult>>,
        again_at: u32,
    ) -> Result<String, Broken> {
        let Some(answer_now) = poll(&mut answer) else {
            self.doing = Doing::Waiting(request, answer);
            return Ok(String::new());
        };
        let told = format!("sender {} hears {answer_now:?}", self.number);
        match answer_now {
            Ok(results) => self.judge(ledger, book, &request, &results)?,
            Err(CommitError::Uncertain) => {
                book.unanswered(&request.markers());
                if request.repeatable {
                    self.doing = Doing::Resting(request, again_at);
                }
            }
            Err(CommitError::TooLarge { bytes }) => {
                return broken(
                    Invariant::EveryoneIsAnswered,
                    format!("{bytes} bytes are too large, they say"),
                );
            }
            Err(_) => {
                book.not_stored(&request.markers());
                self.doing = Doing::Resting(request, again_at);
            }
        }
        Ok(told)
    }

    fn judge(
        &self,
        ledger: &Ledger,
        book: &mut Book,
        request: &Request,
        results: &[ItemResult],
    ) -> Result<(), Broken> {
        let counts = (results.len(), request.items.len());
        ensure(counts.0 == counts.1, Invariant::EveryoneIsAnswered, || {
            format!("{} answers for {} items", counts.0, counts.1)
        })?;
        let atomic = request.options.atomic;
        let refused =
            results.iter().filter(|result| matches!(result.status, ItemStatus::Rejected(_))).count();
        ensure(!atomic || refused == 0 || refused == results.len(), Invariant::AtomicIsAllOrNothing, || {
            format!("sender {}: {results:?}", self.number)
        })?;
        for ((marker, _), result) in request.items.iter().zip(results) {
            book.answered(ledger, *marker, result, atomic)?;
        }
        Ok(())
    }

    /// Thinks of something to send.
    fn plan(&mut self, book: &mut Book, dice: &mut Dice, tenants: &[TenantId]) -> Request {
        let bound = dice.chance(80).then(|| dice.pick(tenants).clone());
        let idempotency_key =
            dice.chance(30).then(|| format!("{}-{}", self.number, self.requests).into_bytes());
        let gives_ids = idempotency_key.is_none() && dice.chance(80);
        let atomic = dice.chance(25);
        let count = if dice.chance(4) { 60 } else { dice.between(1, 6) };
        let mut plan = Plan { items: Vec::new(), fresh: BTreeSet::new() };
        for _ in 0..count {
            let tenant = bound.clone().unwrap_or_else(|| dice.pick(tenants).clone());
            let marker = self.item(book, dice, &tenant, gives_ids, &mut plan);
            let item = &book.items[marker];
            // What was given an id is sent again with it.
            let text = match &item.id {
                Some(id) if item.good => with_member(&without_own_id(&item.text), "id", id),
                _ => item.text.clone(),
            };
            let text = if bound.is_none() && item.good {
                with_member(&text, "tenant", item.log.0.as_str())
            } else {
                text
            };
            plan.items.push((marker, text));
        }
        if atomic {
            book.add_atomic(plan.fresh);
        }
        let repeatable = idempotency_key.is_some() || gives_ids;
        let strict = dice.chance(10);
        let options =
            AcceptOptions { tenant: bound, atomic, strict, idempotency_key, known_tenants_only: false };
        Request { options, items: plan.items, repeatable }
    }

    fn item(
        &mut self,
        book: &mut Book,
        dice: &mut Dice,
        tenant: &TenantId,
        gives_ids: bool,
        plan: &mut Plan,
    ) -> Marker {
        let log = (tenant.clone(), LogKind::Tenant);
        let lately = |book: &Book, fits: &dyn Fn(&crate::book::Item) -> bool| {
            let from = book.items.len().saturating_sub(40);
            let fitting = (from..book.items.len())
                .filter(|marker| fits(&book.items[*marker]) && book.items[*marker].log == log);
            fitting.collect::<Vec<_>>()
        };
        match dice.below(100) {
            0..6 => book.add(log, (*dice.pick(&BAD_ITEMS)).to_owned(), None, false),
            6..14 => match lately(book, &|item| matches!(item.fate, Fate::Stored { .. })).as_slice() {
                [] => self.fresh(book, dice, tenant, gives_ids, plan),
                stored => *dice.pick(stored),
            },
            14..18 => match lately(book, &|item| matches!(item.fate, Fate::Stored { .. })).as_slice() {
                [] => self.fresh(book, dice, tenant, gives_ids, plan),
                stored => {
                    let id = book.items[*dice.pick(stored)].id.clone();
                    self.add(book, dice, tenant, id)
                }
            },
            // What somebody else is sending at this moment.
            18..24 => match lately(book, &|item| item.good && item.fate == Fate::Open && item.id.is_some())
                .as_slice()
            {
                [] => self.fresh(book, dice, tenant, gives_ids, plan),
                open => {
                    let marker = *dice.pick(open);
                    book.items[marker].shared = true;
                    marker
                }
            },
            24..28 if gives_ids && !plan.items.is_empty() => {
                let (marker, _) = *dice
                    .pick(&plan.items.iter().map(|(marker, text)| (*marker, text.len())).collect::<Vec<_>>());
                let item = &book.items[marker];
                let (log_fits, id) = (item.log == log && item.good && item.id.is_some(), item.id.clone());
                match (log_fits, dice.chance(50)) {
                    (true, true) => marker,
                    // Another event under the same id in the same request.
                    (true, false) => self.add(book, dice, tenant, id),
                    (false, _) => self.fresh(book, dice, tenant, gives_ids, plan),
                }
            }
            _ => self.fresh(book, dice, tenant, gives_ids, plan),
        }
    }

    fn fresh(
        &mut self,
        book: &mut Book,
        dice: &mut Dice,
        tenant: &TenantId,
        gives_id: bool,
        plan: &mut Plan,
    ) -> Marker {
        // Ids may hold what JSON escapes.
        let id = gives_id.then(|| format!("{}{}", dice.pick(&["e-", "é\"", "\\", "/"]), book.next_marker()));
        let marker = self.add(book, dice, tenant, id);
        plan.fresh.insert(marker);
        marker
    }

    fn add(&mut self, book: &mut Book, dice: &mut Dice, tenant: &TenantId, id: Option<String>) -> Marker {
        let marker = book.next_marker();
        let action = dice.pick(&ACTIONS);
        let user = dice.below(9);
        let mut text = format!(
            r#"{{"action":"{action}","actor":{{"id":"u{user}","type":"user"}},"metadata":{{"marker":{marker},"none":null,"ratio":1.50}}"#
        );
        if dice.chance(20) {
            // Holes, and now and then a number that comes late.
            self.seq += dice.below(3);
            let seq = self.seq.saturating_sub(dice.below(10) / 9 * 2);
            write!(text, r#","source":{{"name":"billing-{}","seq":{seq}}}"#, self.number)
                .expect("a String takes all");
        }
        if dice.chance(30) {
            text.push_str(r#","occurred_at":"2026-11-17T10:00:59.123456Z""#);
        }
        if dice.chance(5) {
            write!(text, r#","description":"{}""#, "long ".repeat(dice.index(2000)))
                .expect("a String takes all");
        }
        text.push('}');
        let text = id.as_deref().map_or_else(|| text.clone(), |id| with_member(&text, "id", id));
        book.add((tenant.clone(), LogKind::Tenant), text, id, true)
    }
}

/// A request in the making.
struct Plan {
    items: Vec<(Marker, String)>,
    /// Items that no request has held before.
    fresh: BTreeSet<Marker>,
}

/// The object with one more member, in front.
fn with_member(object: &str, name: &str, value: &str) -> String {
    let value = serde_json::Value::from(value);
    format!(r#"{{"{name}":{value},{}"#, &object[1..])
}

/// The object without the id that [`with_member`] put in front.
fn without_own_id(object: &str) -> String {
    match object.find(r#"{"id":"#) {
        Some(0) => {
            let rest = object.find(r#","action""#).expect("an event of ours has its action after its id");
            format!("{{{}", &object[rest + 1..])
        }
        _ => object.to_owned(),
    }
}
