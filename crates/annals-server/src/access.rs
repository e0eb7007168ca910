//! Who read, exported or verified a log, refused attempts too, stands on record.
//!
//! One record per (key, route, filter) and minute. It goes to the access log of the tenant that was read; reads over all
//! tenants and of access logs, and requests without a valid key, go to the access log of `_annals`. Network addresses are
//! not recorded: behind a proxy they are somebody else's, and nobody sent them as part of an event.
//!
//! With `access.strict` a read waits until it stands on record and is refused if it cannot; requests at the same time may then
//! each have a record.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use annals_event::TenantId;
use annals_ledger::{Author, Control, Ledger, LogKind, Scope, TenantLog};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::app::App;
use crate::auth::{Asker, Call, Caller};
use crate::oidc::Person;
use crate::problem::{Code, Problem};

/// Filters of one key and route that are told apart within a minute; the rest is one record that says so.
pub const FILTERS_A_MINUTE_MAX: usize = 1_000;

/// (key, route) pairs told apart within a minute; beyond it records are lost and counted as a gap.
const PAIRS_A_MINUTE_MAX: usize = 10_000;

/// Memory for the filters of a minute, bytes; beyond it they are not told apart either.
const FILTER_BYTES_A_MINUTE_MAX: usize = 16 << 20;

/// Records on their way to the journal; beyond it they are lost and counted as a gap.
const WRITING_MAX: usize = 1_000;

/// What a request reads.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// One log.
    Log(TenantLog),
    /// All tenants.
    All,
}

/// What is asked of the subject, in the words of the access log; the first three need the scope of the same name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Read,
    Export,
    Verify,
    /// Records are looked through for somebody who is to be erased.
    Erase,
    /// Somebody else is let read, by a viewer token.
    Delegate,
}

impl Verb {
    fn as_str(self) -> &'static str {
        match self {
            Self::Erase => "erase",
            Self::Delegate => "delegate",
            _ => self.scope().as_str(),
        }
    }

    fn scope(self) -> Scope {
        match self {
            Self::Read | Self::Delegate => Scope::Read,
            Self::Export => Scope::Export,
            Self::Verify => Scope::Verify,
            Self::Erase => Scope::Admin,
        }
    }
}

/// The access log's writer.
pub(crate) struct AccessLog {
    ledger: Ledger,
    /// Reads that cannot be recorded are refused.
    strict: bool,
    minute: Mutex<Minute>,
    gap: Mutex<Option<Gap>>,
    writing: AtomicUsize,
    written: Notify,
}

/// What was recorded in the current minute.
#[derive(Default)]
struct Minute {
    number: i64,
    /// By key and route.
    seen: HashMap<(String, String), Filters>,
    /// Length of all filters in `seen`.
    filter_bytes: usize,
}

/// The filters of one key and route that were recorded.
#[derive(Default)]
struct Filters {
    told: Vec<String>,
    /// One more record stands for all others.
    unlisted: bool,
}

/// By what one attempt is told from another.
#[derive(Clone)]
struct Mark {
    minute: i64,
    pair: (String, String),
    told: String,
}

/// What the current minute knows of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Recorded,
    New {
        /// The record stands for more filters than its own.
        unlisted: bool,
    },
    /// There is no room to remember it.
    Full,
}

impl Minute {
    fn look(&self, mark: &Mark) -> Look {
        let Some(filters) = self.seen.get(&mark.pair) else {
            let unlisted = !self.has_room(mark);
            return if self.seen.len() < PAIRS_A_MINUTE_MAX { Look::New { unlisted } } else { Look::Full };
        };
        if filters.unlisted || filters.told.contains(&mark.told) {
            return Look::Recorded;
        }
        Look::New { unlisted: filters.told.len() >= FILTERS_A_MINUTE_MAX || !self.has_room(mark) }
    }

    fn has_room(&self, mark: &Mark) -> bool {
        self.filter_bytes + mark.told.len() <= FILTER_BYTES_A_MINUTE_MAX
    }

    /// Remembers what was looked at as new, unless its minute has passed.
    fn keep(&mut self, mark: Mark, unlisted: bool) {
        if self.number != mark.minute {
            return;
        }
        let filters = self.seen.entry(mark.pair).or_default();
        if unlisted {
            filters.unlisted = true;
        } else if !filters.told.contains(&mark.told) {
            self.filter_bytes += mark.told.len();
            filters.told.push(mark.told);
        }
    }
}

/// Records that could not be written since the last one that could.
#[derive(Clone, Copy)]
struct Gap {
    since_us: i64,
    records: u64,
}

/// One record to be.
struct Access {
    tenant: TenantId,
    event: Value,
}

impl App {
    /// Checks that the key may do `verb` to the subject, and puts the attempt on record.
    ///
    /// `filter` is what the request narrowed its question to. False when there is nothing to put it on record in, as the tenant
    /// does not exist.
    pub(crate) async fn enter(
        &self,
        asker: &Asker,
        verb: Verb,
        subject: &Subject,
        filter: Map<String, Value>,
    ) -> Result<bool, Problem> {
        let allowed = asker.caller.require(verb.scope());
        let allowed = allowed.and_then(|()| asker.caller.check_subject(subject));
        let on_record = self.access.note(asker, verb, subject, filter, allowed.as_ref().err()).await?;
        allowed.map(|()| on_record)
    }

    /// The subject of a request, where finding it may be refused; a refusal is put on record.
    pub(crate) async fn entering<T>(
        &self,
        asker: &Asker,
        verb: Verb,
        found: Result<T, Problem>,
    ) -> Result<T, Problem> {
        match &found {
            Err(problem) if problem.code() == Code::TenantDenied => {
                // On record with whom it concerns; the other tenant does not learn whose key it was.
                if let Some(tenant) = named_tenant(&asker.call) {
                    let subject = Subject::Log(TenantLog { tenant, kind: LogKind::Tenant });
                    self.access.note(asker, verb, &subject, Map::new(), Some(problem)).await?;
                }
            }
            _ => {}
        }
        found
    }
}

fn named_tenant(call: &Call) -> Option<TenantId> {
    let query = call.uri.query().unwrap_or_default();
    // Where it may be repeated, the last one counts.
    let named = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "tenant").last()?;
    TenantId::from_stored(&named.1).ok()
}

impl AccessLog {
    pub(crate) fn new(ledger: Ledger, strict: bool) -> Self {
        Self {
            ledger,
            strict,
            minute: Mutex::default(),
            gap: Mutex::default(),
            writing: AtomicUsize::new(0),
            written: Notify::new(),
        }
    }

    /// Records an attempt unless the same was recorded within the minute. False when the tenant does not exist.
    pub(crate) async fn note(
        self: &Arc<Self>,
        asker: &Asker,
        verb: Verb,
        subject: &Subject,
        filter: Map<String, Value>,
        refused: Option<&Problem>,
    ) -> Result<bool, Problem> {
        let tenant = match subject {
            Subject::Log(TenantLog { tenant, kind: LogKind::Tenant }) => tenant.clone(),
            _ => TenantId::annals(),
        };
        if !self.ledger.knows(&tenant) {
            return Ok(false);
        }
        let caller = &asker.caller;
        let what = refused.map_or(verb.as_str(), |_| "refused");
        let told = format!("{what} {} {}", subject_text(subject), Value::Object(filter.clone()));
        // Holders of viewer tokens are told apart, also of one key.
        let who = match &caller.view {
            Some(view) => format!("{} {}", caller.key_id.0, view.marker),
            None => caller.key_id.0.clone(),
        };
        let mark = self.mark(&who, &asker.call, told);
        let unlisted = match self.look(&mark, !self.strict) {
            Look::Recorded => return Ok(true),
            Look::New { unlisted } => unlisted,
            Look::Full if self.strict => return Err(unrecorded()),
            Look::Full => {
                self.forgo();
                return Ok(true);
            }
        };
        let mut actor = caller.actor();
        // Another tenant's people are nobody's business.
        let foreign =
            matches!((subject, &caller.tenant), (Subject::Log(log), Some(own)) if log.tenant != *own);
        if let (Some(actor), true) = (actor.as_object_mut(), foreign) {
            actor.retain(|name, _| matches!(name.as_str(), "type" | "id"));
        }
        let mut event = event(&format!("annals.access.{what}"), actor, &asker.call, refused);
        if let Subject::Log(log) = subject {
            event["targets"] = json!([{"type": log_name(log.kind), "id": log.tenant.as_str()}]);
        }
        if let Some(view) = &caller.view {
            event["metadata"]["viewer_token"] = json!(view.marker);
            if let (Some(viewer), false) = (&view.viewer, foreign) {
                event["metadata"]["viewer"] = json!(viewer);
            }
        }
        if unlisted {
            event["metadata"]["filters_unlisted"] = json!(true);
        } else if !filter.is_empty() {
            event["metadata"]["filter"] = Value::Object(filter);
        }
        let access = Access { tenant, event };
        if self.strict {
            self.record_first(access, mark, unlisted).await?;
        } else {
            self.record(access);
        }
        Ok(true)
    }

    /// Records that somebody came without a valid key or session.
    pub(crate) fn unknown(self: &Arc<Self>, call: &Call, problem: &Problem) {
        let mark = self.mark("", call, problem.code().as_str().to_owned());
        match self.look(&mark, true) {
            Look::Recorded => return,
            Look::Full => return self.forgo(),
            Look::New { .. } => {}
        }
        let event = event("annals.access.refused", json!({"type": "unknown"}), call, Some(problem));
        // Not waited for even with `strict`: the request is refused whether or not this can be written.
        self.record(Access { tenant: TenantId::annals(), event });
    }

    /// Records that somebody signed in or out: in the access log of the tenant that it is for, else in that of `_annals`.
    pub(crate) fn signed(self: &Arc<Self>, caller: &Caller, call: &Call, action: &str) {
        let mark = self.mark(&caller.key_id.0, call, action.to_owned());
        match self.look(&mark, true) {
            Look::Recorded => return,
            Look::Full => return self.forgo(),
            Look::New { .. } => {}
        }
        let tenant = caller.tenant.clone().filter(|tenant| self.ledger.knows(tenant));
        let tenant = tenant.unwrap_or_else(TenantId::annals);
        self.record(Access { tenant, event: event(action, caller.actor(), call, None) });
    }

    /// Records that the identity provider vouched for somebody to whom the configuration gives nothing.
    pub(crate) fn turned_away(self: &Arc<Self>, person: &Person, call: &Call, problem: &Problem) {
        let mark = self.mark(&person.id(), call, problem.code().as_str().to_owned());
        match self.look(&mark, true) {
            Look::Recorded => return,
            Look::Full => return self.forgo(),
            Look::New { .. } => {}
        }
        let event = event("annals.access.refused", person.actor(), call, Some(problem));
        self.record(Access { tenant: TenantId::annals(), event });
    }

    /// Writes a record while the request goes on.
    fn record(self: &Arc<Self>, access: Access) {
        if !self.begin() {
            return self.lost();
        }
        let this = self.clone();
        drop(tokio::spawn(async move {
            // What is lost is counted, and stated by the next record.
            this.write(access).await.unwrap_or_default();
            this.done();
        }));
    }

    /// Writes a record before the request goes on. Only what is written is remembered as such.
    async fn record_first(
        self: &Arc<Self>,
        access: Access,
        mark: Mark,
        unlisted: bool,
    ) -> Result<(), Problem> {
        if !self.begin() {
            return Err(unrecorded());
        }
        let this = self.clone();
        // A task of its own, which goes on when the client does not wait for its answer.
        let writing = tokio::spawn(async move {
            let written = this.write(access).await;
            if written.is_ok() {
                this.minute().keep(mark, unlisted);
            }
            this.done();
            written
        });
        writing.await.unwrap_or(Err(())).map_err(|()| unrecorded())
    }

    async fn write(&self, access: Access) -> Result<(), ()> {
        let gap = self.gap().take();
        if let Some(gap) = gap {
            let control = Control::AccessGap { since_us: gap.since_us, records: gap.records };
            if self.ledger.change(control, &Author::System).await.is_err() {
                self.widen(gap);
            }
        }
        let written = self.ledger.record_access(&access.tenant, &access.event).await;
        written.map_err(|error| {
            tracing::warn!(%error, "an access could not be put on record");
            self.lost();
        })
    }

    /// Waits until every record is written or lost.
    pub(crate) async fn settle(&self) {
        loop {
            let written = self.written.notified();
            if self.writing.load(Ordering::SeqCst) == 0 {
                return;
            }
            written.await;
        }
    }

    /// Whether one more record may be on its way; it is until [`AccessLog::done`].
    fn begin(&self) -> bool {
        let fits = self.writing.fetch_add(1, Ordering::SeqCst) < WRITING_MAX;
        if !fits {
            self.done();
        }
        fits
    }

    fn done(&self) {
        self.writing.fetch_sub(1, Ordering::SeqCst);
        self.written.notify_waiters();
    }

    /// One record less than there should be; the minute starts anew, so that the next read is recorded again.
    fn lost(&self) {
        *self.minute() = Minute::default();
        self.forgo();
    }

    /// One record less than there should be.
    fn forgo(&self) {
        self.widen(Gap { since_us: self.ledger.clock().now().as_micros(), records: 1 });
    }

    fn widen(&self, by: Gap) {
        let mut gap = self.gap();
        *gap = Some(match *gap {
            None => by,
            Some(gap) => Gap { since_us: gap.since_us.min(by.since_us), records: gap.records + by.records },
        });
    }

    fn mark(&self, key_id: &str, call: &Call, told: String) -> Mark {
        Mark {
            minute: self.ledger.clock().now().as_micros().div_euclid(60_000_000),
            pair: (key_id.to_owned(), format!("{} {}", call.method, call.route)),
            told,
        }
    }

    /// Whether this was recorded within the minute; with `keep`, what is new counts as recorded from now on.
    fn look(&self, mark: &Mark, keep: bool) -> Look {
        let mut minute = self.minute();
        if minute.number != mark.minute {
            *minute = Minute { number: mark.minute, ..Minute::default() };
        }
        let look = minute.look(mark);
        if let (Look::New { unlisted }, true) = (look, keep) {
            minute.keep(mark.clone(), unlisted);
        }
        look
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.minute.lock().expect("no holder of this lock panics")
    }

    fn gap(&self) -> MutexGuard<'_, Option<Gap>> {
        self.gap.lock().expect("no holder of this lock panics")
    }
}

fn unrecorded() -> Problem {
    Problem::new(Code::AccessUnrecorded, "the read could not be put on record, and `access.strict` is set")
}

fn event(action: &str, actor: Value, call: &Call, refused: Option<&Problem>) -> Value {
    let outcome = match refused {
        None => json!({"result": "success"}),
        Some(problem) => json!({"result": "denied", "reason": problem.code().as_str()}),
    };
    json!({
        "action": action, "operation": "access", "category": "annals", "actor": actor, "outcome": outcome,
        "request": {"id": call.id.as_str(), "method": call.method.as_str(), "path": call.route},
    })
}

fn subject_text(subject: &Subject) -> String {
    match subject {
        Subject::All => "all".to_owned(),
        Subject::Log(log) => format!("{} {}", log.tenant, log_name(log.kind)),
    }
}

fn log_name(kind: LogKind) -> &'static str {
    match kind {
        LogKind::Tenant => "events",
        LogKind::Access => "access_log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(key: usize, told: String) -> Mark {
        Mark { minute: 0, pair: (format!("key_{key}"), "GET /v1/feed".to_owned()), told }
    }

    fn see(minute: &mut Minute, mark: &Mark) -> Look {
        let look = minute.look(mark);
        if let Look::New { unlisted } = look {
            minute.keep(mark.clone(), unlisted);
        }
        look
    }

    #[test]
    fn beyond_the_filters_of_a_minute_one_record_stands_for_the_rest() {
        let mut minute = Minute::default();
        for filter in 0..FILTERS_A_MINUTE_MAX {
            assert_eq!(see(&mut minute, &mark(0, filter.to_string())), Look::New { unlisted: false });
        }
        assert_eq!(see(&mut minute, &mark(0, "one more".to_owned())), Look::New { unlisted: true });
        assert_eq!(see(&mut minute, &mark(0, "and one".to_owned())), Look::Recorded);
        assert_eq!(see(&mut minute, &mark(1, "another key".to_owned())), Look::New { unlisted: false });
    }

    #[test]
    fn memory_for_a_minute_is_bounded() {
        let mut minute = Minute::default();
        let long = "x".repeat(FILTER_BYTES_A_MINUTE_MAX / 2);
        for (key, unlisted) in [(0, false), (1, false), (2, true)] {
            assert_eq!(see(&mut minute, &mark(key, long.clone())), Look::New { unlisted });
        }
        assert_eq!(minute.filter_bytes, FILTER_BYTES_A_MINUTE_MAX);
        for key in 3..PAIRS_A_MINUTE_MAX {
            see(&mut minute, &mark(key, String::new()));
        }
        assert_eq!(see(&mut minute, &mark(PAIRS_A_MINUTE_MAX, String::new())), Look::Full);
    }
}
