//! Any question to a segment has the answer that the events themselves give.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::{Bound, RangeBounds};
use std::sync::Arc;

use annals_event::filter::{
    Comparison, Condition, Decimal, Field, Known, Literal, Matcher, Part, Path, Subject, Test, each_word,
    fold, loosen, parse_words,
};
use annals_event::json::{Document, Kind, Limits as JsonLimits, Value};
use annals_event::{Normalised, Operation, Position, Rules, Scratch, Timestamp, normalise};
use annals_segment::body::Cache;
use annals_segment::build::{Limits, LogName};
use annals_segment::fate::Fate;
use annals_segment::hits::{Budget, Hits, Lane, Moment, Step};
use annals_segment::plan::Plan;
use annals_segment::segment::Segment;
use annals_segment::tally::Tally;
use annals_tree::leaf_hash;

use crate::support::{Record, Records, Rng, Style, records};

mod counts;
mod far_apart;

use counts::{Counts, naive_counts};

const JSON: JsonLimits = JsonLimits { depth_max: usize::MAX };

/// A segment, and what it was built from.
pub(crate) struct World {
    cache: Arc<Cache>,
    segment: Arc<Segment>,
    rows: Vec<LogOf>,
    /// Scalars of events with their paths, to ask for.
    pool: Vec<Scalar>,
}

/// A record, and whose it is.
struct LogOf {
    log: usize,
    name: LogName,
    record: Record,
}

#[derive(Clone, Debug)]
struct Scalar {
    path: Vec<String>,
    kind: Kind,
    text: String,
}

impl World {
    fn new(records: &Records, segment: Vec<u8>) -> Self {
        let cache = Cache::new(1 << 22);
        let segment = Segment::open("test".into(), Arc::new(segment), Arc::clone(&cache)).unwrap();
        Self::of(records, &[records], cache, segment)
    }

    /// A segment that reads like these records, to be asked for what is in `others`.
    pub(crate) fn of(
        records: &Records,
        others: &[&Records],
        cache: Arc<Cache>,
        segment: Arc<Segment>,
    ) -> Self {
        let rows: Vec<LogOf> = records
            .logs
            .iter()
            .enumerate()
            .flat_map(|(log, of)| {
                of.records.iter().map(move |record| LogOf {
                    log,
                    name: of.name.clone(),
                    record: record.clone(),
                })
            })
            .collect();
        let mut pool = Vec::new();
        let mut document = Document::default();
        for others in others {
            for (_, other) in others.rows().step_by(rows.len().div_ceil(150).max(1)) {
                let event = document.parse(&other.event, JSON).unwrap();
                scalars(event, &mut Vec::new(), &mut pool);
            }
        }
        Self { cache, segment, rows, pool }
    }

    /// Which rows a condition holds for.
    fn holding(&self, condition: &Condition, sent_only: bool) -> Vec<bool> {
        let mut document = Document::default();
        let holds = self.rows.iter().map(|of| {
            let event = document.parse(&of.record.event, JSON).unwrap();
            condition.holds(&Subject { event, known: known(of) })
                && !(sent_only && of.record.system)
                && !of.is_gone()
        });
        holds.collect()
    }
}

impl LogOf {
    fn is_gone(&self) -> bool {
        self.record.fate.as_ref().is_some_and(Fate::is_expired)
    }
}

fn known(of: &LogOf) -> Known<'_> {
    let instant = |us| Timestamp::from_micros(us).unwrap();
    Known {
        occurred_at: instant(happened(&of.record)),
        received_at: instant(of.record.received_at),
        operation: Operation::from_code(of.record.operation).unwrap(),
        position: Position(of.record.position),
        tenant: &of.name.tenant,
    }
}

fn happened(record: &Record) -> i64 {
    record.occurred_at.unwrap_or(record.received_at)
}

fn scalars(value: Value<'_>, path: &mut Vec<String>, pool: &mut Vec<Scalar>) {
    match value.kind() {
        Kind::Object if !value.is_empty() => {
            for (name, member) in value.members() {
                path.push(name.to_owned());
                scalars(member, path, pool);
                path.pop();
            }
        }
        Kind::Array if !value.is_empty() => value.items().for_each(|item| scalars(item, path, pool)),
        kind => {
            if !path.is_empty() {
                let text = value.as_str().unwrap_or(value.token()).to_owned();
                pool.push(Scalar { path: path.clone(), kind, text });
            }
        }
    }
}

fn path(names: &[String]) -> Path {
    Path::new(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Makes conditions that events may satisfy.
struct Asker<'w> {
    world: &'w World,
    rng: Rng,
}

impl Asker<'_> {
    fn condition(&mut self, depth: u64) -> Condition {
        let some = |asker: &mut Self| (0..asker.rng.below(4)).map(|_| asker.condition(depth - 1)).collect();
        match if depth == 0 { 9 } else { self.rng.below(14) } {
            0..3 => Condition::All(some(self)),
            3..5 => Condition::Any(some(self)),
            5 => Condition::Not(Box::new(self.condition(depth - 1))),
            6 | 7 => self.element(depth - 1),
            8 => self.known(),
            _ => {
                if self.rng.one_in(5) {
                    self.words()
                } else if self.rng.one_in(6) {
                    self.mention()
                } else {
                    let scalar = self.scalar();
                    self.field(&scalar, &scalar.path)
                }
            }
        }
    }

    fn scalar(&mut self) -> Scalar {
        self.world.pool[self.rng.index(self.world.pool.len())].clone()
    }

    /// A test at a path that may or may not find the scalar.
    fn field(&mut self, scalar: &Scalar, names: &[String]) -> Condition {
        let mut names = names.to_vec();
        if self.rng.one_in(20) {
            names.push("nowhere".to_owned());
        }
        if self.rng.one_in(6) && names.len() > 1 {
            // What stands around it: an object or an array.
            names.pop();
            return Condition::Field(Field::Member(path(&names)), Test::Present);
        }
        Condition::Field(Field::Member(path(&names)), self.test(scalar))
    }

    fn test(&mut self, scalar: &Scalar) -> Test {
        if self.rng.one_in(8) {
            return Test::Present;
        }
        let other = self.scalar();
        let comparison = [Comparison::Above, Comparison::AtLeast, Comparison::Below, Comparison::AtMost]
            [self.rng.index(4)];
        match self.rng.below(6) {
            0 | 1 => {
                let mut literals = vec![literal(scalar)];
                if self.rng.one_in(2) {
                    literals.push(literal(&other));
                    literals.push(Literal::Text("none such".into()));
                }
                if self.rng.one_in(9) {
                    literals.push(Literal::Bool(self.rng.one_in(2)));
                }
                Test::In(literals)
            }
            2 => Test::Order(comparison, literal(if self.rng.one_in(2) { scalar } else { &other })),
            3 if scalar.text.parse::<std::net::IpAddr>().is_ok() => {
                let bits = ["203.0.113.0/25", "203.0.113.64/27", "10.0.0.0/8"];
                Test::Network(vec![self.rng.of(&bits).parse().unwrap()])
            }
            4 if self.rng.one_in(2) => {
                let spelled = scalar.text.to_uppercase().replace(['.', ' '], "_");
                Test::Loose(loosen(&spelled).into())
            }
            _ => {
                let folded = self.rng.one_in(2);
                let part = [Part::Whole, Part::Start, Part::End, Part::Anywhere][self.rng.index(4)];
                let whole: Vec<char> = scalar.text.chars().collect();
                let (from, to) = match part {
                    Part::Whole => (0, whole.len()),
                    Part::Start => (0, self.rng.index(whole.len() + 1)),
                    Part::End => (self.rng.index(whole.len() + 1), whole.len()),
                    Part::Anywhere => {
                        let from = self.rng.index(whole.len() + 1);
                        (from, from + self.rng.index(whole.len() - from + 1))
                    }
                };
                let text: String = whole[from..to].iter().collect();
                let text = if folded { fold(&text.to_uppercase()).into_owned() } else { text };
                Test::Text { part, text: text.into(), folded }
            }
        }
    }

    /// A condition on an element: an array's, or what stands at the path.
    fn element(&mut self, depth: u64) -> Condition {
        let scalar = self.scalar();
        let at = 1 + self.rng.index(scalar.path.len());
        let near: Vec<Scalar> = self
            .world
            .pool
            .iter()
            .filter(|other| other.path.len() > at && other.path[..at] == scalar.path[..at])
            .cloned()
            .collect();
        let mut inside = || {
            if near.is_empty() || self.rng.one_in(9) {
                return if self.rng.one_in(3) {
                    self.words()
                } else if self.rng.one_in(6) {
                    self.mention()
                } else {
                    Condition::Not(Box::new(self.field(&scalar, &scalar.path)))
                };
            }
            let other = near[self.rng.index(near.len())].clone();
            if depth > 0 && other.path.len() > at + 1 && self.rng.one_in(5) {
                let test = self.test(&other);
                let inner = Condition::Field(Field::Member(path(&other.path[at + 1..])), test);
                return Condition::Element(path(&other.path[at..=at]), Box::new(inner));
            }
            let field = self.field(&other, &other.path[at..]);
            if self.rng.one_in(4) { Condition::Not(Box::new(field)) } else { field }
        };
        let (first, second, third) = (inside(), inside(), inside());
        let inner = match self.rng.below(5) {
            0 => first,
            1 => Condition::Any(vec![first, second]),
            2 => Condition::All(vec![first, second, third]),
            3 => Condition::Not(Box::new(Condition::Any(vec![first, second]))),
            _ => Condition::All(vec![first, second]),
        };
        Condition::Element(path(&scalar.path[..at]), Box::new(inner))
    }

    fn words(&mut self) -> Condition {
        for _ in 0..20 {
            let scalar = self.scalar();
            let mut words = Vec::new();
            if scalar.kind == Kind::String {
                each_word(&scalar.text, &mut |word| words.push(word.to_owned()));
            }
            if words.is_empty() {
                continue;
            }
            let from = self.rng.index(words.len());
            let to = from + 1 + self.rng.index((words.len() - from).min(3));
            let mut q = format!("\"{}\"", words[from..to].join(" "));
            if self.rng.one_in(3) {
                q.push_str(&format!(" {}", words[self.rng.index(words.len())]));
            }
            if self.rng.one_in(9) {
                q.push_str(" nobodysaidthis");
            }
            return Condition::Words(parse_words(&q).unwrap());
        }
        Condition::Words(parse_words("anything").unwrap())
    }

    /// A part of a text, a number or a name that is somewhere, or of nothing.
    fn mention(&mut self) -> Condition {
        let scalar = self.scalar();
        let whole = match self.rng.below(4) {
            0 => scalar.path[self.rng.index(scalar.path.len())].to_string(),
            _ => scalar.text.clone(),
        };
        let letters: Vec<char> = whole.chars().collect();
        let from = self.rng.index(letters.len() + 1);
        let to = from + self.rng.index((letters.len() - from).min(6) + 1);
        let mut text: String = letters[from..to].iter().collect();
        if self.rng.one_in(9) {
            text.push_str("\u{1f9ff}q");
        }
        Condition::Mentions(fold(&text).into())
    }

    fn known(&mut self) -> Condition {
        let of = &self.world.rows[self.rng.index(self.world.rows.len())];
        let time = |us| Literal::Time(Timestamp::from_micros(us).unwrap());
        let (field, literal) = match self.rng.below(5) {
            0 => (Field::OccurredAt, time(happened(&of.record))),
            1 => (Field::ReceivedAt, time(of.record.received_at)),
            2 => (Field::Position, Literal::Number(Decimal::from(of.record.position))),
            3 => (Field::Tenant, Literal::Text(of.name.tenant.as_str().into())),
            _ => (
                Field::Operation,
                Literal::Text(Operation::from_code(of.record.operation).unwrap().as_str().into()),
            ),
        };
        let test = match self.rng.below(7) {
            0 => Test::Order(Comparison::Above, literal),
            1 => Test::Order(Comparison::AtLeast, literal),
            2 => Test::Order(Comparison::Below, literal),
            3 => Test::Order(Comparison::AtMost, literal),
            4 => Test::Present,
            5 => Test::Text { part: Part::Start, text: "a".into(), folded: false },
            _ => Test::In(vec![literal, Literal::Number(Decimal::parse("3.0").unwrap())]),
        };
        Condition::Field(field, test)
    }

    /// A lane, and its rows with their moments, in order.
    fn lane(&mut self) -> (Lane, Vec<(usize, Moment)>) {
        let rows = &self.world.rows;
        let log = rows[self.rng.index(rows.len())].log;
        let of_log = self.world.segment.log_rows(u32::try_from(log).unwrap()).unwrap();
        let each = rows.iter().enumerate();
        let position = |(at, of): (usize, &LogOf)| (at, (happened(&of.record), of.record.position));
        let seq = |(at, of): (usize, &LogOf)| Some((at, (happened(&of.record), of.record.seq?)));
        let (lane, mut rows): (Lane, Vec<(usize, Moment)>) = match self.rng.below(4) {
            0 => (Lane::LogTime(of_log), each.filter(|(_, of)| of.log == log).map(position).collect()),
            1 => (Lane::LogNumber(of_log), each.filter(|(_, of)| of.log == log).map(position).collect()),
            2 => (Lane::AllTime, each.filter_map(seq).collect()),
            _ => (Lane::AllNumber, each.filter_map(seq).collect()),
        };
        if matches!(lane, Lane::LogNumber(_) | Lane::AllNumber) {
            rows.iter_mut().for_each(|(_, moment)| moment.0 = 0);
        }
        rows.sort_by_key(|(_, moment)| *moment);
        (lane, rows)
    }

    fn bound(&mut self, rows: &[(usize, Moment)]) -> Bound<Moment> {
        if rows.is_empty() || self.rng.one_in(2) {
            return Bound::Unbounded;
        }
        let (_, (mut time, mut number)) = rows[self.rng.index(rows.len())];
        match self.rng.below(4) {
            0 => number = 0,
            1 => number = u64::MAX,
            2 if time != 0 => time += 1,
            _ => {}
        }
        if self.rng.one_in(2) { Bound::Included((time, number)) } else { Bound::Excluded((time, number)) }
    }

    /// Bounds, and a size.
    fn bounds(&mut self, rows: &[(usize, Moment)]) -> (Bound<Moment>, Bound<Moment>, u64) {
        let (low, high) = (self.bound(rows), self.bound(rows));
        let size = match rows.len() {
            0 => 5,
            _ if self.rng.one_in(2) => u64::MAX,
            len => rows[self.rng.index(len)].1.1 + self.rng.below(2),
        };
        (low, high, size)
    }
}

fn literal(scalar: &Scalar) -> Literal {
    match scalar.kind {
        Kind::Number => Decimal::parse(&scalar.text).map_or(Literal::Bool(true), Literal::Number),
        Kind::Bool => Literal::Bool(scalar.text == "true"),
        _ => Literal::Text(scalar.text.as_str().into()),
    }
}

fn inside(low: Bound<Moment>, high: Bound<Moment>, size: u64, moment: Moment) -> bool {
    (low, high).contains(&moment) && moment.1 < size
}

#[derive(Default, Debug)]
pub(crate) struct Seen {
    pub(crate) rows: u64,
    pub(crate) maybe: u64,
    pub(crate) hits: u64,
    pub(crate) never: u64,
    pub(crate) blocks: u64,
}

/// Asks one question in every way.
fn ask(world: &World, seed: u64, seen: &mut Seen) {
    let mut asker = Asker { world, rng: Rng(seed) };
    let depth = asker.rng.below(4);
    let condition = asker.condition(depth);
    ask_for(&mut asker, &condition, seed, seen);
}

/// Asks for what satisfies a condition.
fn ask_for(asker: &mut Asker<'_>, condition: &Condition, seed: u64, seen: &mut Seen) {
    let world = asker.world;
    let sent_only = asker.rng.one_in(5);
    let holding = world.holding(condition, sent_only);
    let context = || format!("seed {seed}, sent only {sent_only}: {condition:?}");
    let matcher = Arc::new(Matcher::new(condition.clone()));
    let plan = || Arc::new(Plan::new(&world.segment, &matcher, sent_only).unwrap());
    // What was asked before is known in part: of no row, of those that were passed on the way, of all.
    let masks_first = asker.rng.one_in(2);
    if masks_first {
        check_masks(world, &plan(), &holding, seen, &context);
    }

    for _ in 0..3 {
        let plan = plan();
        let (lane, rows) = asker.lane();
        let (low, high, size) = asker.bounds(&rows);
        let rows: Vec<(usize, Moment)> = rows
            .into_iter()
            .filter(|(at, moment)| holding[*at] && inside(low, high, size, *moment))
            .collect();
        let falling = asker.rng.one_in(2);
        let work = [0, 0, 3_000, u64::MAX][asker.rng.index(4)];
        let asked = || format!("{lane:?} falling {falling} {low:?} {high:?} {size}; {}", context());
        let hits = Hits::new(&plan, lane.clone(), falling, low, high, size).unwrap();
        check_hits(hits, falling, work, &rows, &asked);
        seen.hits += rows.len() as u64;

        let fields = some_fields(asker);
        let times = asker.rng.one_in(2);
        let mut tally = Tally::new(&plan, &lane, low, high, size, &fields, times).unwrap();
        let mut counts =
            Counts { span: [1, 1_000_000, 86_400_000_000][asker.rng.index(3)], ..Counts::default() };
        while !tally.step(&mut counts, &mut Budget::new(work)).unwrap() {
            assert_eq!(counts.total, 0, "told before the end");
        }
        let expected = naive_counts(world, &rows, &fields, times, (counts.span, counts.shift));
        assert_eq!(counts, expected, "{fields:?} {}", asked());
    }
    if !masks_first {
        check_masks(world, &plan(), &holding, seen, &context);
    }
    check_masks(world, &plan(), &holding, &mut Seen::default(), &context);
}

fn check_masks(
    world: &World,
    plan: &Arc<Plan>,
    holding: &[bool],
    seen: &mut Seen,
    context: &dyn Fn() -> String,
) {
    let mut scratch = plan.scratch();
    assert!(!plan.is_never() || !holding.contains(&true), "never: {}", context());
    assert!(!plan.is_always() || !holding.contains(&false), "always: {}", context());
    seen.never += u64::from(plan.is_never());
    seen.blocks += u64::from(plan.blocks().is_some());
    for (block, expected) in holding.chunks(128).enumerate() {
        let number = u32::try_from(block).unwrap();
        let mask = plan.mask(number, &mut scratch).unwrap();
        let is_listed = plan.blocks().is_none_or(|blocks| blocks.binary_search(&number).is_ok());
        assert!(is_listed || !expected.contains(&true), "block {block} is passed over: {}", context());
        assert_eq!(plan.next_block(number, false) == Some(number), is_listed);
        assert_eq!(plan.next_block(number, true) == Some(number), is_listed);
        for (bit, holds) in expected.iter().enumerate() {
            let row = block * 128 + bit;
            let (sure, maybe) = (mask.sure >> bit & 1 == 1, mask.maybe >> bit & 1 == 1);
            assert!(!(sure && maybe), "row {row}: {}", context());
            let event = || String::from_utf8_lossy(&world.rows[row].record.event).into_owned();
            assert!(*holds || !sure, "row {row} {} is found: {}", event(), context());
            assert!(!*holds || sure || maybe, "row {row} {} is missed: {}", event(), context());
            if maybe {
                assert_eq!(
                    plan.verify(u32::try_from(row).unwrap(), &mut scratch).unwrap(),
                    *holds,
                    "{}",
                    context()
                );
            }
            seen.rows += 1;
            seen.maybe += u64::from(maybe);
        }
        for bit in expected.len()..128 {
            assert_eq!((mask.sure | mask.maybe) >> bit & 1, 0, "behind the last row: {}", context());
        }
    }
}

fn check_hits(
    mut hits: Hits,
    falling: bool,
    work: u64,
    rows: &[(usize, Moment)],
    context: &dyn Fn() -> String,
) {
    let mut expected: Vec<(usize, Moment)> = rows.to_vec();
    if falling {
        expected.reverse();
    }
    let mut next = 0;
    let mut steps = 0;
    loop {
        match hits.next(&mut Budget::new(work)).unwrap() {
            Step::Hit { row, moment } => {
                assert_eq!(Some(&(row as usize, moment)), expected.get(next), "hit {next}: {}", context());
                assert_eq!(hits.reached(), Some(moment));
                next += 1;
            }
            Step::Spent => {
                // What was reached is neither before what was given nor behind what was not.
                let reached = hits.reached();
                let is_past = |moment: Moment| {
                    reached.is_some_and(|reached| if falling { moment >= reached } else { moment <= reached })
                };
                assert!(next == 0 || is_past(expected[next - 1].1), "{}", context());
                assert!(
                    expected.get(next).is_none_or(|(_, moment)| !is_past(*moment)),
                    "reached {reached:?}, but {:?} is to come: {}",
                    expected.get(next),
                    context()
                );
            }
            Step::End => break,
        }
        steps += 1;
        assert!(steps < 100_000, "no end: {}", context());
    }
    assert_eq!(next, expected.len(), "hits end early: {}", context());
}

fn some_fields(asker: &mut Asker<'_>) -> Vec<Field> {
    let known = [Field::OccurredAt, Field::ReceivedAt, Field::Operation, Field::Position, Field::Tenant];
    let count = asker.rng.below(4);
    (0..count)
        .map(|_| {
            if asker.rng.one_in(4) {
                known[asker.rng.index(known.len())].clone()
            } else {
                Field::Member(path(&asker.scalar().path))
            }
        })
        .collect()
}

/// Counts over all rows and over nearly all, cut into stretches of many lengths, each asked again and again in any order: what
/// is kept of one serves the next.
fn count_again(world: &World, seed: u64) {
    const HOUR: i64 = 3_600_000_000;
    let mut asker = Asker { world, rng: Rng(seed) };
    let everything = Arc::new(Matcher::new(Condition::everything()));
    let plan = Arc::new(Plan::new(&world.segment, &everything, false).unwrap());
    let fields: Vec<Field> = (0..3).flat_map(|_| some_fields(&mut asker)).collect();
    for _ in 0..60 {
        let (lane, rows) = asker.lane();
        let (low, high, size) = match asker.rng.below(3) {
            0 => (Bound::Unbounded, Bound::Unbounded, u64::MAX),
            // All of them, and all but the first or the last.
            1 if !rows.is_empty() => {
                let (first, last) = (rows[0].1, rows[rows.len() - 1].1);
                let low = if asker.rng.one_in(3) { Bound::Excluded(first) } else { Bound::Included(first) };
                let high = if asker.rng.one_in(3) { Bound::Excluded(last) } else { Bound::Included(last) };
                (low, high, u64::MAX)
            }
            _ => asker.bounds(&rows),
        };
        let is_shown = |at: usize| !world.rows[at].is_gone();
        let rows: Vec<(usize, Moment)> = rows
            .into_iter()
            .filter(|(at, moment)| is_shown(*at) && inside(low, high, size, *moment))
            .collect();
        let asked: Vec<Field> = fields.iter().filter(|_| asker.rng.one_in(2)).cloned().collect();
        let spans = [24 * HOUR, HOUR, 3 * HOUR, HOUR / 4, HOUR / 2, HOUR / 60, 168 * HOUR, 25 * HOUR / 4];
        let span = asker.rng.of(&spans);
        // A zone's hours begin with those of UTC, or half or a quarter of one later, or, long ago, anywhere.
        let shift = asker.rng.of(&[0, 0, 5 * HOUR, HOUR / 2, HOUR * 3 / 4, 17 * HOUR / 60]);
        let times = !asker.rng.one_in(4);
        let mut counts = Counts { span, shift, ..Counts::default() };
        let work = [0, 3_000, u64::MAX][asker.rng.index(3)];
        let mut tally = Tally::new(&plan, &lane, low, high, size, &asked, times).unwrap();
        while !tally.step(&mut counts, &mut Budget::new(work)).unwrap() {}
        let expected = naive_counts(world, &rows, &asked, times, (span, shift));
        assert_eq!(counts, expected, "seed {seed}: {lane:?} {low:?} {high:?} {size} {asked:?}");
    }
}

/// How many questions each kind of world is asked. More on demand: `ANNALS_QUESTIONS`.
fn questions() -> u64 {
    std::env::var("ANNALS_QUESTIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(40)
}

fn check(seed: u64, records: Records, limits: Limits) -> Seen {
    check_in(seed, records, &|records| records.segment_within(limits))
}

/// Gives each record an operation that there is.
pub(crate) fn name_operations(records: &mut Records) {
    for record in records.logs.iter_mut().flat_map(|log| &mut log.records) {
        record.operation = Operation::ALL[usize::from(record.operation) % Operation::ALL.len()].code();
    }
}

/// Asks questions of a segment of these records.
pub(crate) fn check_in(seed: u64, mut records: Records, segment: &dyn Fn(&Records) -> Vec<u8>) -> Seen {
    name_operations(&mut records);
    ask_all(&[&World::new(&records, segment(&records))], seed)
}

/// Asks the same questions of all of these, each in turn first.
pub(crate) fn ask_all(worlds: &[&World], seed: u64) -> Seen {
    let mut seen = Seen::default();
    for question in 0..questions() {
        let first = usize::try_from(question).unwrap() % worlds.len();
        let (before, after) = worlds.split_at(first);
        for world in after.iter().chain(before) {
            ask(world, seed.wrapping_mul(1_000_003).wrapping_add(question), &mut seen);
        }
    }
    for round in 0..if worlds.len() > 1 { 2 } else { 1 } {
        worlds.iter().for_each(|world| count_again(world, seed.wrapping_add(round)));
    }
    seen
}

#[test]
fn events_as_services_send_them_are_found_as_they_read() {
    let seen = check(1, records(1, 5, 1_500, Style::Realistic), Limits::default());
    assert!(seen.maybe * 20 < seen.rows, "{seen:?}");
    assert!(seen.hits > 0 && seen.never > 0 && seen.blocks > 0, "{seen:?}");
}

#[test]
fn events_of_any_form_are_found_as_they_read() {
    for seed in 2..5 {
        let style = if seed == 2 { Style::Mixed } else { Style::Hostile };
        let seen = check(seed, records(seed, 3, 400, style), Limits::default());
        assert!(seen.maybe * 5 < seen.rows, "{seen:?}");
    }
}

#[test]
fn instances_that_are_kept_as_they_are_are_found_as_they_read() {
    for (seed, shapes_max, paths_max) in [(5, 3, 1_024), (6, 4_096, 12), (7, 1, 1), (8, 12, 30)] {
        let style = if seed == 8 { Style::Realistic } else { Style::Mixed };
        check(seed, records(seed, 4, 400, style), Limits { shapes_max, paths_max, ..Limits::default() });
    }
}

#[test]
fn words_between_named_values_are_found_as_they_read() {
    let mut made = records(12, 3, 600, Style::Realistic);
    name_operations(&mut made);
    let world = World::new(&made, made.segment_within(Limits::default()));
    let mut asker = Asker { world: &world, rng: Rng(12) };
    let text = |part, text: &str, folded| Test::Text { part, text: text.into(), folded };
    let of = |names: &[&str], test| Condition::Field(Field::Member(Path::new(names)), test);
    let mut conditions = Vec::new();
    for needle in ["did", "to", "d", "did to", " did ", "did v", "id", "nobody", ""] {
        for part in [Part::Whole, Part::Start, Part::End, Part::Anywhere] {
            for folded in [false, true] {
                conditions.push(of(&["description"], text(part, needle, folded)));
            }
        }
    }
    for q in ["did", "\"did video\"", "\"update to\"", "v1", "\"v1 mp4\"", "usr", "\"usr did\""] {
        conditions.push(Condition::Words(parse_words(q).unwrap()));
    }
    let mut seen = Seen::default();
    for (seed, condition) in (0..).zip(&conditions) {
        let element =
            Condition::Element(Path::new(&["targets"]), Box::new(of(&["id"], text(Part::Start, "v", true))));
        ask_for(&mut asker, condition, seed, &mut seen);
        ask_for(&mut asker, &Condition::All(vec![element, condition.clone()]), seed, &mut seen);
    }
    assert!(seen.hits > 0, "{seen:?}");
}

#[test]
fn questions_that_nobody_remembers_have_the_same_answers() {
    let mut made = records(13, 3, 500, Style::Mixed);
    name_operations(&mut made);
    let world = World::new(&made, made.segment_within(Limits::default()));
    let mut seen = Seen::default();
    for seed in 0..40 {
        ask(&world, seed, &mut seen);
        world.cache.forget_plans();
        ask(&world, seed, &mut seen);
    }
    assert!(seen.hits > 0, "{seen:?}");
}

#[test]
fn what_tests_were_resolved_to_is_kept_beside_their_own_cache_and_bounded() {
    let made = records(17, 2, 300, Style::Mixed);
    let (one, other) = (
        World::new(&made, made.segment_within(Limits::default())),
        World::new(&made, made.segment_within(Limits::default())),
    );
    let plan = |world: &World, part: &str| {
        let test = Test::Text { part: Part::Anywhere, text: part.into(), folded: true };
        let condition = Condition::Field(Field::Member(Path::new(&["actor", "name"])), test);
        Plan::new(&world.segment, &Arc::new(Matcher::new(condition)), false).unwrap();
        world.cache.stats().plan_bytes
    };
    let first = plan(&one, "a");
    assert!(first > 0, "a look through a dictionary is kept");
    assert_eq!(plan(&one, "a"), first, "and found the next time");
    assert_eq!(other.cache.stats().plan_bytes, 0, "another cache has its own");
    for text in 0..5_000 {
        assert!(plan(&one, &format!("a{text}")) <= 1 << 20, "a quarter of the cache");
    }
    assert!(one.cache.stats().plan_bytes > 1 << 19);
    one.cache.forget_plans();
    assert_eq!(one.cache.stats().plan_bytes, 0);
}

#[test]
fn texts_of_every_script_are_found_as_they_read() {
    for seed in 9..11 {
        let mut made = records(seed, 4, 700, Style::Realistic);
        let mut rng = Rng(seed);
        for record in made.logs.iter_mut().flat_map(|log| &mut log.records) {
            record.event = said(&mut rng, record.occurred_at);
            record.leaf = leaf_hash(&record.event);
        }
        check(seed, made, Limits::default());
    }
}

const PEOPLE: [&str; 6] = ["u1", "u2", "Ana", "STRASSE", "Zoe\u{301}", "名前"];
const TARGETS: [&str; 5] = ["v9", "v10", "inv\\1", "q\"uote", "пётр"];
const TEXTS: [&str; 8] = [
    "Ana renamed a video",
    "the STRASSE was opened by Zo\u{e9}",
    "日本語の説明 and more",
    "e-mail from ana@example.com, re: invoice 4711",
    "ΟΔΥΣΣΕΥΣ went home",
    "nothing_to see.here",
    "👩‍🚀 flew",
    "हिन्दी में",
];
const ADDRESSES: [&str; 6] =
    ["203.0.113.7", "203.0.113.200", "::ffff:203.0.113.9", "2001:db8::1", "AWS Internal", "10.1.2.3"];
const NUMBERS: [&str; 8] = ["0", "-0", "1", "1.0", "10e-1", "9007199254740993", "9007199254740992", "-2.5"];
const TAGS: [&str; 4] = ["red", "RED", "green", "no/ice"];

/// An event with few values of each kind, in many scripts; ids of fixed forms; arrays in arrays.
fn said(rng: &mut Rng, occurred_at: Option<i64>) -> Vec<u8> {
    let text = |text: &str| crate::support::json(text);
    let mut members =
        vec![format!(r#""action":{}"#, text(rng.of(&["video.update", "Straße.öffnen", "s3.GetObject"])))];
    members.push(format!(
        r#""actor":{{"id":{},"name":{}}}"#,
        text(rng.of(&PEOPLE)),
        text(&format!("{} {}", rng.of(&PEOPLE), rng.below(90)))
    ));
    if let Some(at) = occurred_at {
        members.push(format!(r#""occurred_at":"{}""#, Timestamp::from_micros(at).unwrap()));
    }
    if !rng.one_in(3) {
        members.push(format!(r#""description":{}"#, text(&format!("{} {}", rng.of(&TEXTS), rng.of(&TEXTS)))));
    }
    if rng.one_in(2) {
        members.push(format!(
            r#""context":{{"ip":"{}","session_id":"S-{:08x}"}}"#,
            rng.of(&ADDRESSES),
            rng.below(99)
        ));
    }
    let targets: Vec<String> = (0..rng.below(4))
        .map(|_| {
            format!(
                r#"{{"type":"{}","id":{},"metadata":{{"n":{},"seen":["{}"],"m":{{}}}}}}"#,
                rng.of(&["video", "user"]),
                text(rng.of(&TARGETS)),
                rng.of(&NUMBERS),
                Timestamp::from_micros(
                    1_700_000_000_000_000 + i64::try_from(rng.below(9) * 86_400_000_000).unwrap()
                )
                .unwrap(),
            )
        })
        .collect();
    members.push(format!(r#""targets":[{}]"#, targets.join(",")));
    members.push(format!(
        r#""request":{{"id":"{:08x}-0000-7abc-8def-{:012x}","status_code":{}}}"#,
        rng.below(40),
        rng.below(4) << 40,
        rng.of(&[200, 404, 500, 204])
    ));
    if !rng.one_in(3) {
        let tags: Vec<String> = (0..rng.below(3)).map(|_| text(rng.of(&TAGS))).collect();
        members.push(format!(
            r#""metadata":{{"n":{},"tags":[{}],"mixed":[{},["{}",[{}]],{{"x":{}}},{{}}],"odd.key":{},"deep":[{{"x":{}}},{{"x":[{}],"y":[{{"z":{}}}]}}],"order":"{}","o":{{"p":{},"q":{{}}}}}}"#,
            rng.of(&NUMBERS),
            tags.join(","),
            text(rng.of(&TAGS)),
            rng.of(&TAGS),
            text(rng.of(&TAGS)),
            rng.of(&NUMBERS),
            rng.of(&["null", "true", "\"\"", "\"v\"", "{}", "[]", "[[]]", "[null]"]),
            rng.of(&NUMBERS),
            text(rng.of(&TAGS)),
            rng.of(&NUMBERS),
            rng.below(200),
            rng.of(&NUMBERS),
        ));
    }
    if rng.one_in(4) {
        members.push(format!(r#""changes":{{"before":{},"complete":{}}}"#, rng.of(&NUMBERS), rng.one_in(2)));
    }
    let sent = format!("{{{}}}", members.join(","));
    let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
    normalise(sent.as_bytes(), &Rules::default(), &mut scratch, &mut out)
        .unwrap_or_else(|error| panic!("{error:?}: {sent}"));
    out.bytes().to_vec()
}
