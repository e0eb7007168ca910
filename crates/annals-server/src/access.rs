//! Who read, exported or verified a log, refused attempts too, stands on record.
//!
//! One record per (key, route, filter) and minute. It goes to the access log of the tenant that was read; reads over all
//! tenants and of access logs, and requests without a valid key, go to the access log of `_annals`. Network addresses are
//! not recorded: behind a proxy they are somebody else's, and nobody sent them as part of an event.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use annals_event::TenantId;
use annals_ledger::{Author, Control, Ledger, LogKind, Scope, TenantLog};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

use crate::app::App;
use crate::auth::{Asker, Call};
use crate::problem::{Code, Problem};

/// Filters of one key and route that are told apart within a minute; the rest is one record that says so.
pub const FILTERS_A_MINUTE_MAX: usize = 1_000;

/// (key, route) pairs told apart within a minute; beyond it records are lost and counted as a gap.
const PAIRS_A_MINUTE_MAX: usize = 10_000;

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

/// What is asked of the subject, in the words of the access log; each needs the scope of the same name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Read,
    Verify,
}

impl Verb {
    fn scope(self) -> Scope {
        match self {
            Self::Read => Scope::Read,
            Self::Verify => Scope::Verify,
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
    /// By key and route: the filters recorded.
    seen: HashMap<(String, String), Vec<String>>,
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
    /// `filter` is what the request narrowed its question to.
    pub(crate) async fn enter(
        &self,
        asker: &Asker,
        verb: Verb,
        subject: &Subject,
        filter: Map<String, Value>,
    ) -> Result<(), Problem> {
        let allowed = asker.caller.require(verb.scope());
        self.access.note(asker, verb, subject, filter, allowed.as_ref().err()).await?;
        allowed
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
    let named = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "tenant")?;
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

    /// Records an attempt unless the same was recorded within the minute.
    async fn note(
        self: &Arc<Self>,
        asker: &Asker,
        verb: Verb,
        subject: &Subject,
        filter: Map<String, Value>,
        refused: Option<&Problem>,
    ) -> Result<(), Problem> {
        let caller = &asker.caller;
        let what = refused.map_or(verb.scope().as_str(), |_| "refused");
        let told = format!("{what} {} {}", subject_text(subject), Value::Object(filter.clone()));
        let Some(unlisted) = self.is_new(&caller.key_id.0, &asker.call, told) else { return Ok(()) };
        let mut actor = json!({"type": "api_key", "id": caller.key_id});
        // Another tenant's people are nobody's business.
        let foreign =
            matches!((subject, &caller.tenant), (Subject::Log(log), Some(own)) if log.tenant != *own);
        if let (Some(name), false) = (&caller.name, foreign) {
            actor["name"] = json!(name);
        }
        let mut event = event(&format!("annals.access.{what}"), actor, &asker.call, refused);
        if let Subject::Log(log) = subject {
            event["targets"] = json!([{"type": log_name(log.kind), "id": log.tenant.as_str()}]);
        }
        if unlisted {
            event["metadata"]["filters_unlisted"] = json!(true);
        } else if !filter.is_empty() {
            event["metadata"]["filter"] = Value::Object(filter);
        }
        let tenant = match subject {
            Subject::Log(TenantLog { tenant, kind: LogKind::Tenant }) => tenant.clone(),
            _ => TenantId::annals(),
        };
        self.record(Access { tenant, event }).await
    }

    /// Records that somebody came without a valid key.
    pub(crate) async fn unknown_key(self: &Arc<Self>, call: &Call) {
        if self.is_new("", call, "unauthenticated".to_owned()).is_none() {
            return;
        }
        let problem = Problem::new(Code::Unauthenticated, "");
        let event = event("annals.access.refused", json!({"type": "unknown"}), call, Some(&problem));
        // The request is refused whether or not this can be written.
        drop(self.record(Access { tenant: TenantId::annals(), event }).await);
    }

    async fn record(self: &Arc<Self>, access: Access) -> Result<(), Problem> {
        if self.strict {
            return self.write(access).await.map_err(|()| {
                Problem::new(
                    Code::AccessUnrecorded,
                    "the read could not be put on record, and `access.strict` is set",
                )
            });
        }
        if self.writing.fetch_add(1, Ordering::SeqCst) >= WRITING_MAX {
            self.lost();
            self.done();
            return Ok(());
        }
        let this = self.clone();
        drop(tokio::spawn(async move {
            // What is lost is counted, and stated by the next record.
            this.write(access).await.unwrap_or_default();
            this.done();
        }));
        Ok(())
    }

    async fn write(&self, access: Access) -> Result<(), ()> {
        let gap = self.gap().take();
        if let Some(gap) = gap {
            let control = Control::AccessGap { since_us: gap.since_us, records: gap.records };
            if self.ledger.change_keys(control, &Author::System).await.is_err() {
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

    fn done(&self) {
        self.writing.fetch_sub(1, Ordering::SeqCst);
        self.written.notify_waiters();
    }

    /// One record less than there should be; the minute starts anew, so that the next read is recorded again.
    fn lost(&self) {
        self.minute().seen.clear();
        self.widen(Gap { since_us: self.ledger.clock().now().as_micros(), records: 1 });
    }

    fn widen(&self, by: Gap) {
        let mut gap = self.gap();
        *gap = Some(match *gap {
            None => by,
            Some(gap) => Gap { since_us: gap.since_us.min(by.since_us), records: gap.records + by.records },
        });
    }

    /// Whether this was not recorded within the minute; if so, whether its filter stands for more than itself.
    fn is_new(&self, key_id: &str, call: &Call, told: String) -> Option<bool> {
        let now_us = self.ledger.clock().now().as_micros();
        let number = now_us.div_euclid(60_000_000);
        let mut minute = self.minute();
        if minute.number != number {
            *minute = Minute { number, seen: HashMap::new() };
        }
        let pair = (key_id.to_owned(), format!("{} {}", call.method, call.route));
        if minute.seen.len() >= PAIRS_A_MINUTE_MAX && !minute.seen.contains_key(&pair) {
            drop(minute);
            self.widen(Gap { since_us: now_us, records: 1 });
            return None;
        }
        let filters = minute.seen.entry(pair).or_default();
        if filters.contains(&told) || filters.len() > FILTERS_A_MINUTE_MAX {
            return None;
        }
        filters.push(told);
        Some(filters.len() > FILTERS_A_MINUTE_MAX)
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.minute.lock().expect("no holder of this lock panics")
    }

    fn gap(&self) -> MutexGuard<'_, Option<Gap>> {
        self.gap.lock().expect("no holder of this lock panics")
    }
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
