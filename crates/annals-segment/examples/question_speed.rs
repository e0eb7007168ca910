//! How long questions to a segment of real events take, warm, on one thread.
//!
//! `cargo run --release -p annals-segment --example question_speed -- EVENTS.ndjson [ROWS [PART]]`: events as `POST /v1/events` takes
//! them, one a line, with `tenant`. With PART only the questions that have it in their text, for a second each; `facets` for
//! the counts of one tenant alone.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead, BufReader};
use std::ops::{Bound, Range};
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals_event::filter::{Condition, Field, Matcher, parse, parse_field, parse_words};
use annals_event::{Normalised, Rules, Scratch, TenantId, normalise};
use annals_segment::body::Cache;
use annals_segment::build::{LogName, RootRef, Row, Rows, build};
use annals_segment::hits::{Budget, Hits, Lane, Moment, Step};
use annals_segment::plan::Plan;
use annals_segment::segment::Segment;
use annals_segment::tally::{Tally, TallySink};
use annals_tree::{Hash, leaf_hash};

struct Record {
    seq: u64,
    at: i64,
    occurred_at: Option<i64>,
    operation: u8,
    leaf: Hash,
    event: Vec<u8>,
}

struct Logs(Vec<(TenantId, Vec<Record>)>, Vec<Hash>);

impl Rows for Logs {
    fn logs(&self) -> usize {
        self.0.len()
    }

    fn log(&self, log: usize) -> LogName {
        LogName { tenant: self.0[log].0.clone(), access: false, id: [7; 16] }
    }

    fn count(&self, log: usize) -> usize {
        self.0[log].1.len()
    }

    fn row(&self, log: usize, n: usize) -> Row<'_> {
        let record = &self.0[log].1[n];
        Row {
            position: n as u64,
            seq: Some(record.seq),
            received_at: record.at,
            occurred_at: record.occurred_at,
            operation: record.operation,
            derived: false,
            system: false,
            stated: 0,
            class: 0,
            root: RootRef::Whole(&[7; 32]),
            counter: 0,
            leaf: record.leaf,
            id_hash: record.seq,
            event: &record.event,
            fate: None,
        }
    }

    fn nodes(&self, log: usize) -> &[Hash] {
        // Nobody looks at the tree here: any hashes do, as many as there are.
        let blocks = self.count(log) / 256;
        &self.1[..(1..=blocks).map(|block| block.trailing_zeros() as usize + 1).sum()]
    }
}

/// Stretches of a day.
#[derive(Default)]
struct Counts {
    stretches: BTreeMap<i64, u64>,
    values: u64,
    total: u64,
}

impl TallySink for Counts {
    fn stretch(&mut self, us: i64) -> Range<i64> {
        const DAY: i64 = 86_400_000_000;
        let start = us.div_euclid(DAY) * DAY;
        start..start + DAY
    }

    fn add_time(&mut self, stretch: &Range<i64>, records: u64) {
        *self.stretches.entry(stretch.start).or_default() += records;
    }

    fn add_value(&mut self, _: usize, _: &str, records: u64) {
        self.values += records;
    }

    fn add_missing(&mut self, _: usize, _: u64) {}

    fn add_total(&mut self, records: u64) {
        self.total += records;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("name a file of events")?;
    let rows: usize = arguments.next().map_or(Ok(131_072), |rows| rows.parse())?;
    let part = arguments.next();
    let is_asked = |what: &str| part.as_deref().is_none_or(|part| what.contains(part));
    let budget = Duration::from_millis(if part.is_some() { 1_000 } else { 100 });
    if is_asked("facets") {
        facets(&path, rows)?;
    }
    let logs = read(&path, rows, None)?;
    let longest = (0..logs.logs()).max_by_key(|log| logs.count(*log)).ok_or("no events")?;
    let (name, some) = (logs.log(longest), sample(&logs));
    let file = build(&logs, 0x5EED, Vec::new())?.0;
    drop(logs);
    println!("{:.1} MB, {} bytes a row", file.len() as f64 / 1e6, file.len() / rows.max(1));
    let segment = Segment::open("s".into(), Arc::new(file), Cache::new(2 << 30))?;
    let log = segment.find_log(&name.tenant, false)?.ok_or("no log")?;
    println!("{} rows in {} logs; the longest has {}", segment.rows(), segment.logs(), log.rows.len());
    let lanes = [
        ("log by time", Lane::LogTime(log.clone())),
        ("log by number", Lane::LogNumber(log)),
        ("all by time", Lane::AllTime),
        ("all by number", Lane::AllNumber),
    ];
    for (what, condition) in questions(&some)? {
        if !is_asked(&what) {
            continue;
        }
        let matcher = Arc::new(Matcher::new(condition));
        let (planned, plan) = measure(budget, || Plan::new(&segment, &matcher, true))?;
        let plan = Arc::new(plan);
        let blocks = plan.blocks().map_or("any".to_owned(), |blocks| blocks.len().to_string());
        println!("{what}: plan {planned:?}, {blocks} blocks");
        if plan.is_never() {
            continue;
        }
        for (lane_name, lane) in &lanes {
            let (took, found) = measure(budget, || page(&plan, lane, 100))?;
            println!("    {lane_name:14} page of {found:3} {took:?}");
        }
        let (took, total) =
            measure(budget, || count(&plan, &Lane::AllTime, &[], false).map(|counts| counts.total))?;
        println!("    count {total} {took:?}");
    }
    let fields = ["action", "actor.id", "outcome.result", "metadata.region"];
    let fields = fields.map(|field| parse_field(field).expect("a field"));
    let all = Arc::new(Plan::new(&segment, &Arc::new(Matcher::new(Condition::everything())), false)?);
    for fields in [&[][..], &fields[..1], &fields[1..2], &fields] {
        for (lane_name, lane) in &lanes {
            if !is_asked(&format!("{lane_name} days and {}", fields.len())) {
                continue;
            }
            let (took, counts) = measure(budget, || count(&all, lane, fields, true))?;
            println!(
                "{lane_name:14} days and {} fields of {} rows: {took:?}, {:.2} ns a row and field",
                fields.len(),
                counts.total,
                took.as_nanos() as f64 / counts.total as f64 / (1 + fields.len()) as f64
            );
        }
    }
    for field in ["targets.type", "targets.id", "request.path", "description", "context.ip"] {
        if !is_asked(&format!("by {field}")) {
            continue;
        }
        let fields = [parse_field(field).map_err(|error| error.to_string())?];
        let (took, counts) = measure(budget, || count(&all, &Lane::AllTime, &fields, false))?;
        println!("by {field}: {} values counted, {took:?}", counts.values);
    }
    Ok(())
}

/// Segments of one tenant that are counted together.
const SEGMENTS: usize = 8;

/// Facets of one tenant who has all events: days and four fields.
fn facets(path: &str, rows: usize) -> Result<(), Box<dyn Error>> {
    let logs = read(path, rows, Some("one"))?;
    let name = logs.log(0);
    let file = Arc::new(build(&logs, 0x5EED, Vec::new())?.0);
    drop(logs);
    let open = |cache: &Arc<Cache>| Segment::open("s".into(), Arc::clone(&file) as Arc<_>, Arc::clone(cache));
    let lane = |segment: &Segment| segment.find_log(&name.tenant, false).map(|log| log.map(Lane::LogTime));
    let fields = ["action", "actor.id", "outcome.result", "metadata.region"]
        .map(|field| parse_field(field).expect("a field"));
    let everything = Arc::new(Matcher::new(Condition::everything()));
    let common =
        Arc::new(Matcher::new(parse(r#"action eq "video.view""#).map_err(|error| error.to_string())?));
    let plan = |segment: &Arc<Segment>, matcher| Plan::new(segment, matcher, false).map(Arc::new);

    let cache = Cache::new(2 << 30);
    let segment = open(&cache)?;
    let own = lane(&segment)?.ok_or("no log")?;
    let Lane::LogTime(log) = &own else { return Err("another lane".into()) };
    let at = |place: u32| -> Result<(i64, u64), annals_segment::Damaged> {
        Ok((segment.happened(segment.log_time_row(log, place)?)?, 0))
    };
    let count_rows = log.rows.len();
    let middle = at(log.rows.end / 4)?..at(log.rows.end / 4 * 3)?;
    println!("facets of one tenant with {count_rows} rows | rows counted | days | + actor.id | + 4 fields");
    let everyone = (Bound::Unbounded, Bound::Unbounded);
    let cut = (Bound::Included(middle.start), Bound::Excluded(middle.end));
    let but_one = (Bound::Excluded((at(0)?.0, u64::MAX)), Bound::Unbounded);
    for (what, matcher, bounds) in [
        ("all but the first, nothing known", &everything, but_one),
        ("half of them by time", &everything, cut),
        ("all, counted before", &everything, everyone),
        ("where action is a common one", &common, everyone),
        ("where it is, half of them by time", &common, cut),
    ] {
        let plan = plan(&segment, matcher)?;
        let mut line = String::new();
        for fields in [&[][..], &fields[1..2], &fields] {
            let (took, counts) =
                measure(Duration::from_millis(300), || count_within(&plan, &own, bounds, fields, true))?;
            if line.is_empty() {
                line = format!("{what} | {}", counts.total);
            }
            line += &format!(" | {took:.2?}");
        }
        println!("{line}");
    }
    for segments in [1, SEGMENTS] {
        let cold = measure(Duration::from_millis(300), || {
            let cache = Cache::new(2 << 30);
            let mut counts = Counts::default();
            for _ in 0..segments {
                let segment = open(&cache)?;
                let lane = lane(&segment)?.ok_or_else(|| segment.malformed("no log"))?;
                add_counts(&plan(&segment, &everything)?, &lane, everyone, &fields, true, &mut counts)?;
            }
            Ok::<_, annals_segment::Damaged>(counts.total)
        })?;
        let open = (0..segments).map(|_| open(&cache)).collect::<Result<Vec<_>, _>>()?;
        let warm = measure(Duration::from_millis(300), || {
            let mut counts = Counts::default();
            for segment in &open {
                let lane = lane(segment)?.ok_or_else(|| segment.malformed("no log"))?;
                add_counts(&plan(segment, &everything)?, &lane, everyone, &fields, true, &mut counts)?;
            }
            Ok::<_, annals_segment::Damaged>(counts.values)
        })?;
        println!(
            "{segments} segments, days and 4 fields: {} rows, opened anew {:.2?}; again {:.2?}, {} values told, {} bytes kept",
            cold.1,
            cold.0,
            warm.0,
            warm.1,
            cache.stats().tally_bytes
        );
    }
    Ok(())
}

fn questions(some: &[(&'static str, String)]) -> Result<Vec<(String, Condition)>, Box<dyn Error>> {
    let mut questions = Vec::new();
    let quoted = |name: &str| {
        let value = some.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
        serde_json::to_string(value.unwrap_or("none")).expect("a text")
    };
    for filter in [
        r#"actor.id eq "usr_0000000000ffff""#.to_owned(),
        r#"request.id eq "nobody has this one""#.to_owned(),
        r#"action eq "nobody.does""#.to_owned(),
        format!("id eq {}", quoted("id")),
        format!("actor.id eq {}", quoted("actor.id")),
        r#"action eq "video.view""#.to_owned(),
        format!("action eq \"video.view\" and actor.id eq {}", quoted("actor.id")),
        format!("actor.id eq {} and targets.id eq {}", quoted("actor.id"), quoted("targets.id")),
        r#"outcome.result eq "denied""#.to_owned(),
        r#"context.ip cidr "100.64.0.0/10" and action sw "video.""#.to_owned(),
        r#"actor.email co "oskero""#.to_owned(),
        r#"actor.name ico "OSKERO""#.to_owned(),
        r#"description ico "drift""#.to_owned(),
        r#"not (action eq "video.view") and request.status_code ge 400"#.to_owned(),
        r#"targets[type eq "video" and name co "drift"]"#.to_owned(),
    ] {
        questions.push((filter.clone(), parse(&filter).map_err(|error| error.to_string())?));
    }
    for q in ["drift", "sheet", "\"deep engine\"", "nobodysaidthis", "usr_2af19c42a4f8c6"] {
        questions.push((format!("q={q}"), Condition::Words(parse_words(q)?)));
    }
    Ok(questions)
}

fn page(plan: &Arc<Plan>, lane: &Lane, limit: usize) -> Result<usize, annals_segment::Damaged> {
    let mut hits = Hits::new(plan, lane.clone(), true, Bound::Unbounded, Bound::Unbounded, u64::MAX)?;
    let mut found = 0;
    while found < limit {
        match hits.next(&mut Budget::new(u64::MAX))? {
            Step::Hit { .. } => found += 1,
            Step::Spent => {}
            Step::End => break,
        }
    }
    Ok(found)
}

fn count(
    plan: &Arc<Plan>,
    lane: &Lane,
    fields: &[Field],
    times: bool,
) -> Result<Counts, annals_segment::Damaged> {
    count_within(plan, lane, (Bound::Unbounded, Bound::Unbounded), fields, times)
}

fn count_within(
    plan: &Arc<Plan>,
    lane: &Lane,
    bounds: (Bound<Moment>, Bound<Moment>),
    fields: &[Field],
    times: bool,
) -> Result<Counts, annals_segment::Damaged> {
    let mut counts = Counts::default();
    add_counts(plan, lane, bounds, fields, times, &mut counts)?;
    Ok(counts)
}

fn add_counts(
    plan: &Arc<Plan>,
    lane: &Lane,
    (low, high): (Bound<Moment>, Bound<Moment>),
    fields: &[Field],
    times: bool,
    counts: &mut Counts,
) -> Result<(), annals_segment::Damaged> {
    let mut tally = Tally::new(plan, lane, low, high, u64::MAX, fields, times)?;
    while !tally.step(counts, &mut Budget::new(u64::MAX))? {}
    Ok(())
}

/// Processor time of a run, as many as fit into the budget, the first left out. Time itself would measure who else is there.
fn measure<T, E>(budget: Duration, mut run: impl FnMut() -> Result<T, E>) -> Result<(Duration, T), E> {
    let mut result = run()?;
    let (start, before) = (Instant::now(), cpu());
    let mut runs = 0;
    while runs < 5 || start.elapsed() < budget {
        result = run()?;
        runs += 1;
    }
    Ok(((cpu() - before) / runs, result))
}

/// Processor time of this thread so far.
fn cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0))
}

/// Values that some event has.
fn sample(logs: &Logs) -> Vec<(&'static str, String)> {
    let records = &logs.0[logs.0.len() / 2].1;
    let event: serde_json::Value =
        serde_json::from_slice(&records[records.len() / 2].event).unwrap_or_default();
    let of = |pointer: &str| {
        event.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default().to_owned()
    };
    vec![("id", of("/id")), ("actor.id", of("/actor/id")), ("targets.id", of("/targets/0/id"))]
}

/// Events of a file, as those of one tenant if one is named.
fn read(path: &str, rows: usize, tenant: Option<&str>) -> Result<Logs, Box<dyn Error>> {
    let (mut scratch, mut event) = (Scratch::default(), Normalised::default());
    let mut logs: BTreeMap<TenantId, Vec<Record>> = BTreeMap::new();
    let mut at = 0;
    for (seq, line) in (0..).zip(BufReader::new(std::fs::File::open(path)?).lines().take(rows)) {
        normalise(line?.as_bytes(), &Rules::default(), &mut scratch, &mut event)
            .map_err(|error| error.message)?;
        let occurred_at = event.occurred_at().map(|at| at.as_micros());
        at = at.max(occurred_at.unwrap_or(0));
        let own = event.tenant().cloned().filter(|_| tenant.is_none());
        let tenant = own.map_or_else(|| TenantId::new(tenant.unwrap_or("all")), Ok)?;
        logs.entry(tenant).or_default().push(Record {
            seq,
            at,
            occurred_at,
            operation: event.operation().code(),
            leaf: leaf_hash(event.bytes()),
            event: event.bytes().to_vec(),
        });
    }
    let nodes = vec![leaf_hash(b"any"); rows / 64];
    Ok(Logs(logs.into_iter().collect(), nodes))
}
