//! What the run knows by itself: every item that was ever sent and what was said of it, and every record that was ever
//! seen. It lives outside the service, through all its crashes, and is what the service is judged by.

use std::collections::{BTreeMap, BTreeSet};

use annals_event::{Position, TenantId, Timestamp};
use annals_ledger::{FeedScope, ItemResult, ItemStatus, Ledger, LogKind, Record, TenantLog};
use annals_tree::Hash;
use bytes::Bytes;
use serde_json::Value;

use crate::invariant::{Broken, Invariant, broken, ensure, readable};

/// Records read at once.
const PAGE: usize = 512;
/// One item in so many is looked for by its id.
const IDS_EACH: usize = 5;

/// One log: whose, and which of the two.
pub(crate) type LogKey = (TenantId, LogKind);

/// Number of an item; it stands in the item under `/metadata/marker`.
pub(crate) type Marker = usize;

/// What was said of an item last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing that binds.
    Open,
    /// It is stored, at this position.
    Stored { position: Position, leaf: Hash },
    /// It is stored; where was not said.
    Kept,
    /// It is not stored and will not be.
    Refused,
}

/// One event that was sent, once or often.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) log: LogKey,
    /// As it was sent first, without `tenant`.
    pub(crate) text: String,
    /// What must be read back, without `id`.
    value: Value,
    /// Its id, once that is known.
    pub(crate) id: Option<String>,
    /// The service should take it.
    pub(crate) good: bool,
    /// Several senders send it.
    pub(crate) shared: bool,
    pub(crate) fate: Fate,
    /// Attempts that wait for an answer.
    in_flight: u32,
    /// Some attempt may have been stored without an answer.
    unsure: bool,
    /// Some attempt was answered with `created`.
    created: bool,
    /// Where it was found.
    found: Option<Position>,
}

/// One record as it was first seen.
struct Line {
    event: Bytes,
    received_at: Timestamp,
    occurred_at: Option<Timestamp>,
    seq: Option<u64>,
    leaf: Hash,
    marker: Option<Marker>,
}

/// One log as it was first seen.
#[derive(Default)]
pub(crate) struct LogBook {
    lines: Vec<Line>,
    /// The highest number of each source, by its `name`.
    sources: BTreeMap<String, u64>,
    /// The record before jumped over these numbers of its source.
    gap: Option<(u64, u64)>,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) items: Vec<Item>,
    logs: BTreeMap<LogKey, LogBook>,
    /// Tenant and position by ledger number.
    order: Vec<(TenantId, Position)>,
    /// The fresh items of each all-or-nothing request.
    atomics: Vec<BTreeSet<Marker>>,
    /// Records of `_annals` that tell of refused events.
    pub(crate) refusals_recorded: u64,
    /// How often everything was read again.
    audits: usize,
    /// Reads of segments were ordered to fail: an id that cannot be looked for is refused then.
    pub(crate) reads_fail: bool,
}

impl LogBook {
    pub(crate) fn size(&self) -> u64 {
        self.lines.len() as u64
    }

    pub(crate) fn leaves(&self) -> impl Iterator<Item = Hash> + '_ {
        self.lines.iter().map(|line| line.leaf)
    }
}

impl Line {
    fn is(&self, record: &Record) -> bool {
        self.event == record.event
            && self.received_at == record.received_at
            && self.occurred_at == record.occurred_at
            && self.seq == record.seq.map(|seq| seq.0)
    }
}

impl Book {
    /// The marker of the next item.
    pub(crate) fn next_marker(&self) -> Marker {
        self.items.len()
    }

    /// Notes an item before it is sent. `text` is JSON if the item is good.
    pub(crate) fn add(&mut self, log: LogKey, text: String, id: Option<String>, good: bool) -> Marker {
        let mut value = serde_json::from_str(&text).unwrap_or(Value::Null);
        without_id(&mut value);
        let (fate, shared, in_flight, unsure, created, found) = (Fate::Open, false, 0, false, false, None);
        self.items.push(Item { log, text, value, id, good, shared, fate, in_flight, unsure, created, found });
        self.items.len() - 1
    }

    pub(crate) fn add_atomic(&mut self, fresh: BTreeSet<Marker>) {
        self.atomics.push(fresh);
    }

    pub(crate) fn sending(&mut self, markers: &[Marker]) {
        markers.iter().for_each(|marker| self.items[*marker].in_flight += 1);
    }

    /// The answer promises that nothing of the attempt is stored.
    pub(crate) fn not_stored(&mut self, markers: &[Marker]) {
        markers.iter().for_each(|marker| self.items[*marker].in_flight -= 1);
    }

    /// The attempt will never be answered, or with a shrug.
    pub(crate) fn unanswered(&mut self, markers: &[Marker]) {
        for marker in markers {
            self.items[*marker].in_flight -= 1;
            self.items[*marker].unsure = true;
        }
    }

    /// An item that is answered without a position is stored.
    pub(crate) fn kept(&mut self, marker: Marker) {
        self.items[marker].in_flight -= 1;
        self.items[marker].fate = Fate::Kept;
    }

    /// Judges the answer for one item against everything seen before it.
    pub(crate) fn answered(
        &mut self,
        ledger: &Ledger,
        marker: Marker,
        result: &ItemResult,
        atomic: bool,
    ) -> Result<(), Broken> {
        // Read your writes: what was answered is there to be read now.
        let log = self.items[marker].log.clone();
        self.catch_up(ledger, &log)?;
        let item = &mut self.items[marker];
        item.in_flight -= 1;
        let told = || format!("item {marker} of {log:?} was answered {:?}", result.status);
        match &result.status {
            ItemStatus::Created { position, leaf } => {
                ensure(item.good, Invariant::RefusedIsNotStored, || {
                    format!("{}, and it is bad: {}", told(), item.text)
                })?;
                ensure(!item.created, Invariant::StoredAtMostOnce, || {
                    format!("{} for the second time", told())
                })?;
                item.created = true;
                ensure(item.found == Some(*position), Invariant::AcknowledgedIsKept, || {
                    format!("{} and found at {:?}", told(), item.found)
                })?;
                item.fate = Fate::Stored { position: *position, leaf: *leaf };
            }
            ItemStatus::Duplicate { position, leaf } => {
                ensure(item.found == Some(*position), Invariant::DuplicateNamesTheFirst, || {
                    format!("{}, but the first is at {:?}", told(), item.found)
                })?;
                item.fate = Fate::Stored { position: *position, leaf: *leaf };
            }
            ItemStatus::Rejected(error) => {
                let item_is_atomics = error.code == "atomic" && atomic;
                let is_unreadable = error.code == "damaged" && self.reads_fail;
                let fits = !item.good || error.code == "conflict" || item_is_atomics || is_unreadable;
                ensure(fits, Invariant::EveryoneIsAnswered, || {
                    format!("{}, and it is good: {}", told(), item.text)
                })?;
                // What was stored before, or is sent by others too, may be there.
                if !item.shared && item.fate == Fate::Open {
                    ensure(item.found.is_none(), Invariant::RefusedIsNotStored, || {
                        format!("{} and found at {:?}", told(), item.found)
                    })?;
                    item.fate = Fate::Refused;
                }
            }
        }
        let id_is_kept = result.id.is_none() || item.id.is_none() || result.id == item.id;
        ensure(id_is_kept, Invariant::AcknowledgedIsKept, || {
            format!("{} under the id {:?}, not {:?}", told(), result.id, item.id)
        })?;
        if let Fate::Stored { position, leaf } = self.items[marker].fate {
            let line = &self.logs[&log].lines[index(position.0)];
            ensure(line.leaf == leaf, Invariant::AcknowledgedIsKept, || {
                format!("{}, but its leaf is {}", told(), line.leaf)
            })?;
        }
        if let ItemStatus::Rejected(error) = &result.status
            && error.code == "conflict"
            && !error.message.contains("of this request")
        {
            let id = result.id.as_deref().unwrap_or_default();
            let other = readable(|| ledger.by_id(&tenant_log(&log), id))?;
            ensure(other.is_some(), Invariant::ConflictHasAnother, || {
                format!("{}, but nothing has the id", told())
            })?;
        }
        Ok(())
    }

    /// Reads what is new in a log.
    pub(crate) fn catch_up(&mut self, ledger: &Ledger, log: &LogKey) -> Result<(), Broken> {
        let scope = FeedScope::Log(tenant_log(log));
        loop {
            let seen = self.logs.get(log).map_or(0, LogBook::size);
            let Some(page) = readable(|| ledger.feed(&scope, seen, PAGE))? else {
                return ensure(seen == 0, Invariant::HistoryNeverChanges, || format!("{log:?} is gone"));
            };
            ensure(page.size >= seen, self.worst_of(log, page.size), || {
                format!("{log:?} had {seen} records and has {}", page.size)
            })?;
            if page.records.is_empty() {
                return Ok(());
            }
            for record in &page.records {
                self.learn(ledger, log, record)?;
            }
        }
    }

    /// What is broken when a log ends at `size`.
    fn worst_of(&self, log: &LogKey, size: u64) -> Invariant {
        let lost = self.logs.get(log).and_then(|book| book.lines.get(index(size)..)).unwrap_or_default();
        let acknowledged =
            |line: &Line| line.marker.is_some_and(|marker| self.items[marker].fate != Fate::Open);
        if lost.iter().any(acknowledged) {
            Invariant::AcknowledgedIsKept
        } else {
            Invariant::HistoryNeverChanges
        }
    }

    /// Takes in a record that nobody has seen before.
    fn learn(&mut self, ledger: &Ledger, log: &LogKey, record: &Record) -> Result<(), Broken> {
        let book = self.logs.entry(log.clone()).or_default();
        let place = || format!("{log:?} at {}", record.position);
        ensure(record.position.0 == book.size(), Invariant::NoHoles, || {
            format!("{} follows {} records", place(), book.size())
        })?;
        let last = book.lines.last().map(|line| line.received_at);
        ensure(last <= Some(record.received_at), Invariant::TimesNeverFall, || {
            format!("{}: {last:?}, then {:?}", place(), record.received_at)
        })?;
        let entry = readable(|| ledger.entry(&tenant_log(log), record.position))?;
        let Some(entry) = entry.filter(|entry| entry.intact) else {
            return broken(
                Invariant::SignedIsAPrefix,
                format!("{}: the leaf is not over these bytes", place()),
            );
        };
        let mut event: Value = serde_json::from_slice(&record.event).map_err(|error| Broken {
            invariant: Invariant::NothingIsInvented,
            detail: format!("{}: {error}", place()),
        })?;
        let action = event["action"].as_str().unwrap_or_default().to_owned();
        check_gap(book, &event, &action).map_err(|detail| Broken {
            invariant: Invariant::SourceHolesAreRecorded,
            detail: format!("{}: {detail}", place()),
        })?;
        let marker = event["metadata"]["marker"].as_u64().map(index);
        book.lines.push(Line {
            event: record.event.clone(),
            received_at: record.received_at,
            occurred_at: record.occurred_at,
            seq: record.seq.map(|seq| seq.0),
            leaf: entry.leaf,
            marker,
        });
        let Some(marker) = marker else {
            self.refusals_recorded += u64::from(action == "annals.ingest.refused");
            return ensure(action.starts_with("annals."), Invariant::NothingIsInvented, || {
                format!("{}: {event}", place())
            });
        };
        let id = without_id(&mut event);
        let Some(item) = self.items.get_mut(marker) else {
            return broken(Invariant::NothingIsInvented, format!("{}: {event}", place()));
        };
        let told = || format!("{}: item {marker}, {:?}", place(), item.fate);
        ensure(item.found.is_none(), Invariant::StoredAtMostOnce, || {
            format!("{} is also at {:?}", told(), item.found)
        })?;
        let sent = item.in_flight > 0 || item.unsure || item.fate == Fate::Kept;
        let may_be = item.good && item.fate != Fate::Refused && sent;
        ensure(may_be, Invariant::RefusedIsNotStored, told)?;
        let is_it = item.log == *log && item.value == event && (item.id.is_none() || item.id == id);
        ensure(is_it, Invariant::NothingIsInvented, || {
            format!("{} with id {:?} became {event} with {id:?}", told(), item.id)
        })?;
        item.found = Some(record.position);
        item.id = id;
        Ok(())
    }

    /// Reads what is new in every log and in the feed of all.
    pub(crate) fn catch_up_all(&mut self, ledger: &Ledger) -> Result<(), Broken> {
        for tenant in ledger.tenants() {
            for kind in [LogKind::Tenant, LogKind::Access] {
                self.catch_up(ledger, &(tenant.clone(), kind))?;
            }
        }
        loop {
            let from = self.order.len() as u64;
            let page = readable(|| ledger.feed(&FeedScope::All, from, PAGE))?
                .expect("the feed of all tenants always exists");
            if page.records.is_empty() {
                ensure(page.size == from, Invariant::HistoryNeverChanges, || {
                    format!("the feed of all had {from} records and has {}", page.size)
                })?;
                break;
            }
            for record in &page.records {
                let seq = self.order.len() as u64;
                let line = self.line(&(record.tenant.clone(), record.log), record.position.0);
                let agrees = line.is_some_and(|line| line.seq == Some(seq) && line.is(record));
                ensure(agrees, Invariant::FeedsAgree, || format!("ledger number {seq}: {record:?}"))?;
                self.order.push((record.tenant.clone(), record.position));
            }
        }
        let numbered =
            self.logs.iter().filter(|(log, _)| log.1 == LogKind::Tenant).map(|(_, book)| book.size());
        let numbered: u64 = numbered.sum();
        ensure(numbered == self.order.len() as u64, Invariant::FeedsAgree, || {
            format!("{numbered} records in the tenants' feeds, {} in that of all", self.order.len())
        })
    }

    /// Reads everything again and compares.
    pub(crate) fn audit(&mut self, ledger: &Ledger) -> Result<(), Broken> {
        for log in self.logs.keys() {
            ensure(ledger.knows(&log.0), Invariant::HistoryNeverChanges, || format!("{log:?} is gone"))?;
        }
        self.catch_up_all(ledger)?;
        for (log, book) in &self.logs {
            let scope = FeedScope::Log(tenant_log(log));
            let read = read_all(ledger, &scope)?;
            ensure(read.len() == book.lines.len(), Invariant::NoHoles, || {
                format!("{log:?}: {} records are read of {}", read.len(), book.lines.len())
            })?;
            for (line, record) in book.lines.iter().zip(&read) {
                let acknowledged = line.marker.is_some_and(|marker| self.items[marker].fate != Fate::Open);
                let invariant =
                    if acknowledged { Invariant::AcknowledgedIsKept } else { Invariant::HistoryNeverChanges };
                ensure(line.is(record), invariant, || {
                    format!("{log:?} at {} is now {record:?}", record.position)
                })?;
            }
        }
        let order = read_all(ledger, &FeedScope::All)?;
        let same = order.iter().map(|record| (&record.tenant, record.position));
        ensure(
            same.eq(self.order.iter().map(|(tenant, position)| (tenant, *position))),
            Invariant::HistoryNeverChanges,
            || "the feed of all tenants has another order than before".to_owned(),
        )?;
        self.audit_items()?;
        self.audit_ids(ledger)
    }

    /// Whether records are found by their ids: each time another few.
    fn audit_ids(&mut self, ledger: &Ledger) -> Result<(), Broken> {
        self.audits += 1;
        for item in self.items.iter().skip(self.audits % IDS_EACH).step_by(IDS_EACH) {
            let (Some(id), Some(position)) = (&item.id, item.found) else { continue };
            let found = readable(|| ledger.by_id(&tenant_log(&item.log), id))?;
            ensure(found.map(|record| record.position) == Some(position), Invariant::FeedsAgree, || {
                format!("{:?} at {position} is not found by its id {id:?}", item.log)
            })?;
        }
        Ok(())
    }

    /// Time and number of all known records of a log, or of all tenants, below `size`, that satisfy a condition.
    pub(crate) fn matching(
        &self,
        log: Option<&LogKey>,
        size: u64,
        holds: fn(&Value) -> bool,
    ) -> Vec<(Timestamp, u64)> {
        let lines: Vec<&Line> = match log {
            Some(log) => self.logs.get(log).into_iter().flat_map(|book| &book.lines).collect(),
            None => {
                let logs = self.order.iter().map(|(tenant, position)| {
                    self.line(&(tenant.clone(), LogKind::Tenant), position.0).expect("the order names lines")
                });
                logs.collect()
            }
        };
        let numbered = (0..size).zip(lines);
        let fits =
            numbered.filter(|(_, line)| serde_json::from_slice(&line.event).is_ok_and(|event| holds(&event)));
        fits.map(|(number, line)| (line.occurred_at.unwrap_or(line.received_at), number)).collect()
    }

    fn audit_items(&self) -> Result<(), Broken> {
        for (marker, item) in self.items.iter().enumerate() {
            let kept = match item.fate {
                Fate::Stored { position, leaf } => {
                    item.found == Some(position)
                        && self.line(&item.log, position.0).is_some_and(|line| line.leaf == leaf)
                }
                Fate::Kept => item.found.is_some(),
                Fate::Open | Fate::Refused => true,
            };
            ensure(kept, Invariant::AcknowledgedIsKept, || {
                format!("item {marker} {:?} was found at {:?}", item.fate, item.found)
            })?;
        }
        for fresh in &self.atomics {
            let stored = fresh.iter().filter(|marker| self.items[**marker].found.is_some()).count();
            let shared = fresh.iter().any(|marker| self.items[*marker].shared);
            ensure(shared || stored == 0 || stored == fresh.len(), Invariant::AtomicIsAllOrNothing, || {
                format!("of the items {fresh:?}, {stored} are stored")
            })?;
        }
        Ok(())
    }

    fn line(&self, log: &LogKey, position: u64) -> Option<&Line> {
        self.logs.get(log)?.lines.get(index(position))
    }

    /// The logs with records, and what is known of each.
    pub(crate) fn logs(&self) -> impl Iterator<Item = (&LogKey, &LogBook)> {
        self.logs.iter()
    }

    /// Whether this is the record that stands there, as far as it was ever seen.
    pub(crate) fn is_known(&self, record: &Record) -> bool {
        self.line(&(record.tenant.clone(), record.log), record.position.0).is_some_and(|line| line.is(record))
    }

    /// The leaf at a position that was seen.
    pub(crate) fn leaf(&self, log: &LogKey, position: u64) -> Option<Hash> {
        self.line(log, position).map(|line| line.leaf)
    }
}

/// Whether a record is the one that must follow a hole in a source's numbers, exactly where there was one.
fn check_gap(book: &mut LogBook, event: &Value, action: &str) -> Result<(), String> {
    let told = (action == "annals.source.gap").then(|| {
        let missing = &event["metadata"]["missing"];
        (missing["from"].as_u64().unwrap_or_default(), missing["to"].as_u64().unwrap_or_default())
    });
    let expected = book.gap.take();
    if told != expected {
        return Err(format!("the hole {expected:?} was told as {told:?}"));
    }
    if let (Some(name), Some(seq)) = (event["source"]["name"].as_str(), event["source"]["seq"].as_u64()) {
        let highest = book.sources.entry(name.to_owned()).or_insert(seq);
        book.gap = (seq > *highest + 1).then(|| (*highest + 1, seq - 1));
        *highest = seq.max(*highest);
    }
    Ok(())
}

fn read_all(ledger: &Ledger, scope: &FeedScope) -> Result<Vec<Record>, Broken> {
    let mut records = Vec::new();
    while let Some(mut page) =
        readable(|| ledger.feed(scope, records.len() as u64, PAGE))?.filter(|page| !page.records.is_empty())
    {
        records.append(&mut page.records);
    }
    Ok(records)
}

/// Takes the id out of an event.
fn without_id(event: &mut Value) -> Option<String> {
    event.as_object_mut()?.remove("id")?.as_str().map(str::to_owned)
}

pub(crate) fn tenant_log((tenant, kind): &LogKey) -> TenantLog {
    TenantLog { tenant: tenant.clone(), kind: *kind }
}

pub(crate) fn index(number: u64) -> usize {
    usize::try_from(number).expect("a run stays small")
}
