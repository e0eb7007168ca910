//! The lines of a bundle's `log.ndjson`: a function of a log, its size, and what is asked of it. Whoever asks again gets the
//! same bytes, from any line on.
//!
//! Where a line ends does not depend on how much is written at once: a record is a line, and a run of positions that are left
//! out is one, which ends at the range's bounds and at multiples of [`GAP_POSITIONS`]. So a page ends, whatever its bounds, where
//! a line does. Entries of the log's own are never left out.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use annals_bundle::{Counts, Line, Mode, Unit, Verdict, gap_nodes, write_line};
use annals_event::filter::{Condition, Field, Matcher, Part, Path, Test};
use annals_event::json::Document;
use annals_event::{Position, rebuild};
use annals_ledger::search::Effort;
use annals_ledger::{
    Disclosed, Discloses, ErasedEvent, ErasedUnit, FeedScope, Ledger, ProveError, Record, Shown, TenantLog,
};
use annals_tree::commitment::{Salt, salt};
use annals_tree::entry::EntryKind;
use annals_tree::unit_digest;
use annals_tree::{Hash, Secret};
use annals_verify::{Hidden, Lens, Row, Seen, Truth, Withheld, hidden_between};

use crate::problem::{Code, Problem};

/// A run of positions that are left out ends where these many begin anew. It bounds what is looked at before a line can be
/// written.
pub const GAP_POSITIONS: u64 = 1 << 16;

/// A page ends behind the line with which it has so many bytes.
const PAGE_BYTES: usize = 1 << 20;

/// The line that makes it full is rarely longer, and none of the others either.
const LINE_BYTES_MANY: usize = 8 << 10;

/// Hits taken from an index at once.
const HITS_AT_ONCE: usize = 64;

/// Hits no further apart than this are read together with what lies between them.
const HITS_APART: u64 = 16;

/// What is asked of a log.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Which.
    pub(crate) log: TenantLog,
    /// As of how many records.
    pub(crate) size: u64,
    /// First position accounted for, and the first after them.
    pub(crate) range: (u64, u64),
    /// How.
    pub(crate) mode: Mode,
    /// What takes records; none takes all.
    pub(crate) lens: Option<Lens>,
    /// The same for the ledger's index, where that gives the same answers.
    pub(crate) index: Option<Index>,
    /// Finds the log's own entries: they excuse what is hidden of others, also where those are far away.
    pub(crate) own: Index,
    /// Units left out on purpose.
    pub(crate) withheld: Withheld,
}

/// How records are found without looking at each.
#[derive(Debug)]
pub(crate) struct Index {
    /// Finds what is taken, and all that may be statements of the ledger's own, which go along.
    wide: Arc<Matcher>,
    /// Takes records.
    exact: Matcher,
}

impl Index {
    pub(crate) fn new(condition: &Condition) -> Self {
        let ours = Test::Text { part: Part::Start, text: "annals.".into(), folded: false };
        let ours = Condition::Field(Field::Member(Path::new(&["action"])), ours);
        let wide = Condition::Any(vec![condition.clone(), ours]);
        Self { wide: Arc::new(Matcher::new(wide)), exact: Matcher::new(condition.clone()) }
    }

    fn takes(&self, record: &Record, document: &mut Document) -> bool {
        record.stated.is_some() || self.exact.matches(document, &record.event, &record.known())
    }
}

/// Neighbouring lines.
#[derive(Debug)]
pub(crate) struct Page {
    /// The lines, each with its end.
    pub(crate) lines: Vec<u8>,
    /// Where the next one begins; at the end of the log, its size.
    pub(crate) next: u64,
    /// What is in them.
    pub(crate) tally: Tally,
    /// The first events that were taken.
    pub(crate) rows: Vec<Row>,
    /// Of the lines, those of entries of the log's own: `lifecycle.ndjson`.
    pub(crate) own: Vec<u8>,
}

/// What is in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) counts: Counts,
    pub(crate) verdicts: BTreeMap<Verdict, u64>,
    /// Events that the filter takes.
    pub(crate) matched: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, more: &Self) {
        self.counts.records += more.counts.records;
        self.counts.disclosed += more.counts.disclosed;
        self.matched += more.matched;
        for (verdict, count) in &more.verdicts {
            *self.verdicts.entry(*verdict).or_default() += count;
        }
    }
}

impl Plan {
    /// Lines from the one that begins at `from` on, with at most `rows` of the events in them for the report.
    ///
    /// # Errors
    ///
    /// A record cannot be read or is not what was appended; or it cannot be shown that the filter leaves it out without what is
    /// to be withheld.
    pub(crate) fn page(
        &self,
        ledger: &Ledger,
        from: u64,
        effort: Effort<'_>,
        rows: usize,
    ) -> Result<Page, Problem> {
        let mut writer = Writer {
            plan: self,
            ledger,
            effort,
            page: Page {
                lines: Vec::with_capacity(room(self.size.saturating_sub(from))),
                next: from,
                tally: Tally::default(),
                rows: Vec::new(),
                own: Vec::new(),
            },
            rows,
            parts: Parts::default(),
            document: Document::default(),
        };
        let (first, end) = self.range;
        while writer.page.next < self.size && !writer.is_full() {
            let at = writer.page.next;
            let cut = at - at % GAP_POSITIONS + GAP_POSITIONS;
            if at < first {
                writer.found(cut.min(first), &self.own)?;
            } else if at >= end {
                writer.found(cut.min(self.size), &self.own)?;
            } else {
                writer.window(cut.min(end))?;
            }
        }
        Ok(writer.page)
    }
}

struct Writer<'a> {
    plan: &'a Plan,
    ledger: &'a Ledger,
    effort: Effort<'a>,
    page: Page,
    rows: usize,
    parts: Parts,
    document: Document,
}

/// Names and values of an event's units, as committing to it goes through them, in one piece of memory that is used again.
#[derive(Default)]
struct Parts {
    text: String,
    places: Vec<(Range<usize>, Range<usize>)>,
    /// Some value is none.
    is_garbled: bool,
}

impl Parts {
    fn clear(&mut self) {
        self.text.clear();
        self.places.clear();
        self.is_garbled = false;
    }

    fn add(&mut self, name: &str, value: &[u8]) {
        let Self { text, places, is_garbled } = self;
        let from = text.len();
        text.push_str(name);
        let middle = text.len();
        *is_garbled |= str::from_utf8(value).map(|value| text.push_str(value)).is_err();
        places.push((from..middle, middle..text.len()));
    }

    fn all(&self) -> Vec<(&str, &str)> {
        self.places
            .iter()
            .map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
            .collect()
    }
}

/// What is done with a record; false when no more are wanted.
type See<'a> = dyn FnMut(&mut Writer<'_>, &Disclosed) -> Result<bool, Problem> + 'a;

/// Shows a writer the records of a run.
struct Showing<'a, 'w> {
    writer: &'a mut Writer<'w>,
    see: &'a mut See<'a>,
    shown: u64,
    seen: Result<bool, Problem>,
}

impl Discloses for Showing<'_, '_> {
    fn unit(&mut self, name: &str, value: &[u8]) {
        self.writer.parts.add(name, value);
    }

    fn record(&mut self, disclosed: Disclosed) -> bool {
        self.shown += 1;
        self.seen = (self.see)(self.writer, &disclosed);
        self.writer.parts.clear();
        matches!(self.seen, Ok(true))
    }
}

impl Writer<'_> {
    /// Whether the page ends here. One line it has always, unless nobody waits for it.
    fn is_full(&self) -> bool {
        self.page.lines.len() >= PAGE_BYTES
            || self.effort.abandoned.is_some_and(|abandoned| abandoned.load(Ordering::Relaxed))
    }

    /// Writes lines up to `end`, all of the range, or until the page is full.
    fn window(&mut self, end: u64) -> Result<(), Problem> {
        match (&self.plan.lens, self.plan.mode) {
            (Some(_), Mode::Selection) => match &self.plan.index {
                Some(index) => self.found(end, index),
                None => self.sifted(end),
            },
            _ => self.each(self.page.next..end, &mut |writer, record| {
                let is_taken = writer.takes(record);
                writer.record(record, is_taken)?;
                Ok(!writer.is_full())
            }),
        }
    }

    /// Chooses records by an index.
    fn found(&mut self, end: u64, index: &Index) -> Result<(), Problem> {
        let scope = FeedScope::Log(self.plan.log.clone());
        let mut looked_to = self.page.next;
        while looked_to < end && !self.is_full() {
            let found =
                self.ledger.feed_matching(&scope, looked_to, HITS_AT_ONCE, &index.wide, self.effort)?;
            let found = found.ok_or_else(|| Problem::from(ProveError::TenantMissing))?;
            let document = &mut self.document;
            let hits = found.records.iter().filter(|record| record.position.0 < end);
            let hits = hits.filter(|record| index.takes(record, document));
            let hits: Vec<u64> = hits.map(|record| record.position.0).collect();
            looked_to = found.next;
            drop(found);
            for together in hits.chunk_by(|one, next| next - one <= HITS_APART) {
                let (Some(first), Some(last)) = (together.first(), together.last()) else { continue };
                self.each(*first..last + 1, &mut |writer, record| {
                    if together.binary_search(&record.record.position.0).is_ok() {
                        writer.taken(record)?;
                    }
                    Ok(!writer.is_full())
                })?;
                if self.is_full() {
                    return Ok(());
                }
            }
        }
        if self.is_full() { Ok(()) } else { self.gap(self.page.next, end) }
    }

    /// Chooses records by looking at each.
    fn sifted(&mut self, end: u64) -> Result<(), Problem> {
        self.each(self.page.next..end, &mut |writer, record| {
            if writer.takes(record) {
                writer.taken(record)?;
            }
            Ok(!writer.is_full())
        })?;
        if self.is_full() { Ok(()) } else { self.gap(self.page.next, end) }
    }

    /// Shows each record of a run until `see` has seen enough.
    fn each(&mut self, run: Range<u64>, see: &mut See<'_>) -> Result<(), Problem> {
        let (ledger, log) = (self.ledger, &self.plan.log);
        let mut at = run.start;
        while at < run.end {
            self.parts.clear();
            let mut showing = Showing {
                writer: &mut *self,
                see: &mut |writer, record| see(writer, record),
                shown: 0,
                seen: Ok(true),
            };
            let disclosed = ledger.disclose_to(log, Position(at), run.end - at, &mut showing);
            let Showing { shown, seen, .. } = showing;
            if !seen? {
                return Ok(());
            }
            disclosed?;
            if shown == 0 {
                // It is in the log, as the checkpoint that this is made for has it.
                return Err(Problem::new(Code::Bug, format!("position {at} of the log is nowhere")));
            }
            at += shown;
        }
        Ok(())
    }

    /// Whether the filter takes a record of which all is known.
    fn takes(&mut self, record: &Disclosed) -> bool {
        let Some(lens) = &self.plan.lens else { return true };
        if is_own(record) {
            // Whatever is asked for: they excuse what is hidden of others.
            return true;
        }
        let (position, received_at_ms) = (record.record.position.0, received_at_ms(record));
        let whole =
            Seen { position, received_at_ms, event: Some(&record.record.event), units: 0, hidden: &[] };
        match &record.shown {
            Shown::Whole(_) => lens.look(&whole, &mut self.document) == Truth::Yes,
            Shown::Erased(erased) => {
                // What is gone may have satisfied it; whoever checks sees no more than this either.
                let kept = kept(erased);
                let names: Vec<Option<&str>> = kept.iter().map(|unit| unit.map(|(name, ..)| name)).collect();
                let hidden = hidden_between(names.iter().copied());
                let event = kept_event(&kept);
                let seen = Seen {
                    position,
                    received_at_ms,
                    event: event.as_deref(),
                    units: kept.len(),
                    hidden: &hidden,
                };
                lens.look(&seen, &mut self.document) != Truth::No
            }
            Shown::Expired(_) => false,
        }
    }

    /// A chosen record, and the gap in front of it.
    fn taken(&mut self, record: &Disclosed) -> Result<(), Problem> {
        self.gap(self.page.next, record.record.position.0)?;
        self.record(record, true)
    }

    fn record(&mut self, record: &Disclosed, is_taken: bool) -> Result<(), Problem> {
        let position = record.record.position.0;
        self.page.next = position + 1;
        self.page.tally.counts.records += 1;
        if is_own(record) {
            let line = Line::Bare { position, entry: &record.entry[..], expired: None };
            write_line(&line, &mut self.page.lines);
            write_line(&line, &mut self.page.own);
            self.verdict(Verdict::Intact);
            return Ok(());
        }
        if let Shown::Expired(by) = &record.shown {
            let line = Line::Bare { position, entry: &record.entry[..], expired: Some(*by) };
            write_line(&line, &mut self.page.lines);
            self.verdict(Verdict::Expired);
            return Ok(());
        }
        if is_taken {
            self.page.tally.matched += 1;
        } else if self.plan.mode == Mode::GapFree {
            self.bare(record);
            return Ok(());
        }
        let secret = match &record.shown {
            Shown::Whole(secret) => secret,
            Shown::Erased(erased) => {
                self.erased(record, erased, is_taken);
                return Ok(());
            }
            Shown::Expired(_) => return Ok(()),
        };
        let parts = std::mem::take(&mut self.parts);
        if parts.is_garbled || parts.places.is_empty() {
            let detail = format!("the event at position {position} cannot be split into its units");
            return Err(Problem::new(Code::Damaged, detail));
        }
        let all = parts.all();
        let shown = if is_taken {
            Some(all.iter().map(|(name, _)| !self.plan.withheld.takes(name)).collect())
        } else {
            self.shown_of_others(record, &all)?
        };
        match shown {
            Some(shown) => {
                self.units(record, secret, &all, &shown);
                if is_taken && self.page.rows.len() < self.rows {
                    self.row(record, &all, &shown);
                }
            }
            None => self.bare(record),
        }
        drop(all);
        self.parts = parts;
        Ok(())
    }

    /// What has to be shown of a record so that the filter can be seen to leave it out; nothing, where the entry says so.
    fn shown_of_others(
        &mut self,
        record: &Disclosed,
        all: &[(&str, &str)],
    ) -> Result<Option<Vec<bool>>, Problem> {
        let Some(lens) = &self.plan.lens else { return Ok(None) };
        let position = record.record.position.0;
        let document = &mut self.document;
        let mut look = |event: Option<&[u8]>, hidden: &[Hidden<'_>]| {
            let received_at_ms = received_at_ms(record);
            lens.look(&Seen { position, received_at_ms, event, units: all.len(), hidden }, document)
        };
        if look(None, &[]) == Truth::No {
            return Ok(None);
        }
        let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
        let mut envelope = vec![false; all.len()];
        envelope[0] = true;
        let mut needed = lens.needed(&names);
        let mut missing = None;
        for (name, shown) in names.iter().zip(&mut needed) {
            if *shown && self.plan.withheld.takes(name) {
                *shown = false;
                missing = Some(*name);
            }
        }
        for shown in [envelope, needed] {
            let partial = shown_event(all, &shown);
            let hidden = hidden_between(names.iter().zip(&shown).map(|(name, shown)| shown.then_some(*name)));
            if partial.is_some_and(|event| look(Some(&event), &hidden) == Truth::No) {
                return Ok(Some(shown));
            }
        }
        match missing {
            None => Ok(Some(vec![true; all.len()])),
            Some(name) => {
                let detail = format!(
                    "`withhold`: that the filter leaves out position {position} cannot be shown without its unit `{name}`; ask for `mode=gap-free`, or withhold less"
                );
                Err(Problem::new(Code::ParameterValue, detail).in_parameter("withhold"))
            }
        }
    }

    /// A record of which something was erased, with all that is left of it.
    fn erased(&mut self, record: &Disclosed, erased: &ErasedEvent, is_taken: bool) {
        let (position, entry) = (record.record.position.0, &record.entry[..]);
        self.page.tally.counts.disclosed += 1;
        let digests: Vec<Hash> = erased
            .units()
            .iter()
            .map(|unit| unit.digest().expect("the name of a unit that was committed to fits"))
            .collect();
        let withheld = &self.plan.withheld;
        let units: Vec<Unit<'_>> = erased
            .units()
            .iter()
            .zip(&digests)
            .map(|(unit, digest)| match unit {
                ErasedUnit::Kept { salt, name, value } if !withheld.takes(name) => {
                    Unit::Shown(name, value, salt)
                }
                ErasedUnit::Kept { .. } => Unit::Hidden(digest, None),
                ErasedUnit::Gone { by, .. } => Unit::Hidden(digest, Some(*by)),
            })
            .collect();
        write_line(&Line::Part { position, entry, units: &units }, &mut self.page.lines);
        let is_withheld = units.iter().any(|unit| matches!(unit, Unit::Hidden(_, None)));
        self.verdict(if is_withheld { Verdict::Withheld } else { Verdict::Erased });
        if is_taken && self.page.rows.len() < self.rows {
            let shown = kept(erased).into_iter().map(|unit| unit.filter(|(name, _)| !withheld.takes(name)));
            if let Some(event) = kept_event(&shown.collect::<Vec<_>>()) {
                let row = Row::new(position, received_at_ms(record), &event, &mut self.document);
                self.page.rows.push(row);
            }
        }
    }

    fn units(&mut self, record: &Disclosed, secret: &Secret, all: &[(&str, &str)], shown: &[bool]) {
        let (position, entry) = (record.record.position.0, &record.entry[..]);
        self.page.tally.counts.disclosed += 1;
        if shown.iter().all(|shown| *shown) {
            let line = Line::Whole { position, entry, secret, units: all };
            write_line(&line, &mut self.page.lines);
            return self.verdict(Verdict::Intact);
        }
        let salts: Vec<Salt> = (0..).take(all.len()).map(|number| salt(secret, number)).collect();
        let digests: Vec<Hash> = all
            .iter()
            .zip(&salts)
            .map(|((name, value), salt)| {
                unit_digest(salt, name.as_bytes(), value.as_bytes())
                    .expect("the name of a unit that was committed to fits")
            })
            .collect();
        let parts: Vec<Unit<'_>> = all
            .iter()
            .zip(shown)
            .zip(salts.iter().zip(&digests))
            .map(
                |(((name, value), shown), (salt, digest))| {
                    if *shown { Unit::Shown(name, value, salt) } else { Unit::Hidden(digest, None) }
                },
            )
            .collect();
        write_line(&Line::Part { position, entry, units: &parts }, &mut self.page.lines);
        self.verdict(Verdict::Withheld);
    }

    fn row(&mut self, record: &Disclosed, all: &[(&str, &str)], shown: &[bool]) {
        if let Some(event) = shown_event(all, shown) {
            let position = record.record.position.0;
            self.page.rows.push(Row::new(position, received_at_ms(record), &event, &mut self.document));
        }
    }

    fn bare(&mut self, record: &Disclosed) {
        let line = Line::Bare { position: record.record.position.0, entry: &record.entry[..], expired: None };
        write_line(&line, &mut self.page.lines);
        self.verdict(Verdict::Withheld);
    }

    fn verdict(&mut self, verdict: Verdict) {
        *self.page.tally.verdicts.entry(verdict).or_default() += 1;
    }

    /// Positions that are left out; nothing where there are none.
    fn gap(&mut self, from: u64, to: u64) -> Result<(), Problem> {
        if from < to {
            let nodes: Result<Vec<Hash>, ProveError> = gap_nodes(from, to)
                .map(|(level, index)| self.ledger.subtree(&self.plan.log, level, index))
                .collect();
            write_line(&Line::Gap { from, to, nodes: &nodes? }, &mut self.page.lines);
        }
        self.page.next = to;
        Ok(())
    }
}

/// Bytes for which a page has room at first, where so many positions are left.
fn room(positions: u64) -> usize {
    let lines = usize::try_from(positions).unwrap_or(usize::MAX);
    lines.saturating_mul(LINE_BYTES_MANY).min(PAGE_BYTES + LINE_BYTES_MANY)
}

/// The time in a record's entry.
fn received_at_ms(record: &Disclosed) -> u64 {
    u64::try_from(record.record.received_at.as_micros().div_euclid(1_000)).unwrap_or(0)
}

/// Whether the entry is the log's own: of another kind than that of events.
fn is_own(record: &Disclosed) -> bool {
    record.entry.get(1) != Some(&EntryKind::Event.number())
}

/// The units that are left of an event, each in its place.
fn kept(erased: &ErasedEvent) -> Vec<Option<(&str, &str)>> {
    fn of(unit: &ErasedUnit) -> Option<(&str, &str)> {
        match unit {
            ErasedUnit::Kept { name, value, .. } => Some((name, value)),
            ErasedUnit::Gone { .. } => None,
        }
    }
    erased.units().iter().map(of).collect()
}

/// What they make.
fn kept_event(kept: &[Option<(&str, &str)>]) -> Option<Vec<u8>> {
    rebuild(kept.iter().flatten().map(|(name, value)| (*name, value.as_bytes()))).ok()
}

/// What the shown units make.
fn shown_event(all: &[(&str, &str)], shown: &[bool]) -> Option<Vec<u8>> {
    let shown = all.iter().zip(shown).filter(|(_, shown)| **shown);
    rebuild(shown.map(|((name, value), _)| (*name, value.as_bytes()))).ok()
}
