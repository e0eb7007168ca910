//! ClickHouse, in a Python process of its own (PyPI `chdb`), as those who like it would set it up.
//!
//! Typed columns from which a whole event is read, ordered by tenant and time, compressed with ZSTD, with skip indexes for ids and text indexes for
//! words. Events come in inserts of 50,000, which suits it far better than our thousand, and each is flushed. Questions are
//! asked within the process, without a network between.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::engine::{Engine, Loaded};
use super::lines::Source;
use super::process::{Meter, disk_bytes, forget, memory_kib, still};
use super::question::{Answer, Ask, Condition, InMetadata, PAGE};
use crate::fault::{Result, While, fail, require};
use crate::foreign::virtual_environment;
use crate::repo;

const PACKAGE: &str = "chdb==4.4.0";

/// Rows of an insert.
const ROWS: usize = 50_000;

/// The text that words are looked for in.
const PROSE: &str = "lower(concat(description, ' ', actor.name, ' ', arrayStringConcat(targets.name, ' ')))";

fn schema() -> String {
    format!(
        "create table bench.events (
            id String,
            tenant LowCardinality(String),
            occurred_at DateTime64(6, 'UTC') CODEC(Delta, ZSTD(1)),
            action LowCardinality(String),
            operation LowCardinality(String),
            category LowCardinality(String),
            description String CODEC(ZSTD(1)),
            reason LowCardinality(String),
            actor Tuple(type LowCardinality(String), id String, name String, email String,
                credential Tuple(type LowCardinality(String), id String)) CODEC(ZSTD(1)),
            targets Array(Tuple(type LowCardinality(String), id String, name String)) CODEC(ZSTD(1)),
            context Tuple(ip String, user_agent String, session_id String, location LowCardinality(String)) CODEC(ZSTD(1)),
            request Tuple(id String, method LowCardinality(String), path String, status_code UInt16) CODEC(ZSTD(1)),
            outcome Tuple(result LowCardinality(String), reason LowCardinality(String)),
            source Tuple(name LowCardinality(String), version LowCardinality(String)),
            trace Tuple(trace_id String, span_id String) CODEC(ZSTD(1)),
            changes String CODEC(ZSTD(1)),
            metadata String CODEC(ZSTD(1)),
            index by_id id type bloom_filter(0.01) granularity 1,
            index by_actor actor.id type bloom_filter(0.01) granularity 1,
            index by_email actor.email type bloom_filter(0.01) granularity 1,
            index by_target targets.id type bloom_filter(0.01) granularity 1,
            index by_address context.ip type bloom_filter(0.01) granularity 1,
            index by_action action type set(100) granularity 1,
            index by_word {PROSE} type text(tokenizer = 'splitByNonAlpha'),
            index by_metadata metadata type text(tokenizer = 'splitByNonAlpha')
        ) engine = MergeTree order by (tenant, occurred_at, id)
        settings index_granularity = 2048, fsync_after_insert = 1, fsync_part_directory = 1"
    )
}

const SETTINGS: [&str; 3] = [
    "set date_time_input_format = 'best_effort'",
    "set input_format_json_read_objects_as_strings = 1",
    "set input_format_skip_unknown_fields = 1",
];

/// A process, and its folder.
pub(super) struct ClickHouse {
    python: PathBuf,
    data: PathBuf,
    process: Option<Process>,
}

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Said {
    error: Option<String>,
    rows: Option<u64>,
    #[serde(default)]
    micros: Vec<u64>,
    #[serde(default)]
    answer: String,
}

impl ClickHouse {
    /// Starts one on a new folder; none where it cannot be installed.
    pub(super) fn start(folder: &Path) -> Result<Option<Self>> {
        let Ok(programs) = virtual_environment("clickhouse", &["install", "--quiet", PACKAGE]) else {
            return Ok(None);
        };
        let data = folder.join("clickhouse");
        let mut started = Self { python: programs.join("python"), data, process: None };
        started.begin()?;
        started.run(&["create database bench", &schema()])?;
        Ok(Some(started))
    }

    fn begin(&mut self) -> Result<()> {
        let script = repo::root().join("xtask/clickhouse/serve.py");
        let mut command = Command::new(&self.python);
        command.arg(script).arg(&self.data).env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().while_doing("start ClickHouse")?;
        let input = child.stdin.take().expect("it was piped");
        let output = BufReader::new(child.stdout.take().expect("it was piped"));
        self.process = Some(Process { child, input, output });
        self.run(&SETTINGS)
    }

    fn run(&mut self, statements: &[&str]) -> Result<()> {
        self.request(&json!({ "run": statements })).map(drop)
    }

    fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().ok_or_else(|| "ClickHouse is stopped".into())
    }

    fn request(&mut self, request: &Value) -> Result<Said> {
        let process = self.process()?;
        writeln!(process.input, "{request}").while_doing("ClickHouse")?;
        process.input.flush().while_doing("ClickHouse")?;
        let mut line = String::new();
        process.output.read_line(&mut line).while_doing("ClickHouse")?;
        let said: Said = serde_json::from_str(&line).while_doing("ClickHouse ended")?;
        match said.error {
            Some(error) => fail!("ClickHouse: {error}, asked {request}"),
            None => Ok(said),
        }
    }

    fn number(&mut self, sql: &str) -> Result<u64> {
        let said = self.request(&json!({ "ask": sql, "format": "TSV", "times": 1 }))?;
        said.answer.trim().parse().while_doing(sql)
    }

    fn stop(&mut self) -> Result<()> {
        let Some(Process { mut child, input, .. }) = self.process.take() else { return Ok(()) };
        // The script ends with its input.
        drop(input);
        child.wait().while_doing("stop ClickHouse")?;
        Ok(())
    }
}

impl Drop for ClickHouse {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            drop(process.child.kill());
            drop(process.child.wait());
        }
    }
}

impl Engine for ClickHouse {
    fn name(&self) -> &'static str {
        "ClickHouse"
    }

    fn pid(&self) -> Result<u32> {
        let process = self.process.as_ref().ok_or("ClickHouse is stopped")?;
        Ok(process.child.id())
    }

    fn ingest(&mut self, source: &Source) -> Result<Loaded> {
        let pid = self.pid()?;
        let meter = Meter::start(pid)?;
        let request = json!({ "insert": source.file()?, "into": "bench.events", "rows": ROWS });
        let events = self.request(&request)?.rows.unwrap_or(0);
        // The one who sends is within the process, and reading lines is little of its time.
        let ingest = meter.taken()?;
        still(pid)?;
        let settled = meter.taken()?;
        let parts = "from system.parts where active and database = 'bench'";
        let all = self.number(&format!("select sum(bytes_on_disk) {parts}"))?;
        let indexes = self.number(&format!("select sum(secondary_indices_compressed_bytes) {parts}"))?;
        let kept = disk_bytes(&self.data)?.saturating_sub(all);
        let bytes = vec![
            ("columns".to_owned(), all - indexes),
            ("indexes".to_owned(), indexes),
            ("(kept besides, not counted)".to_owned(), kept),
        ];
        Ok(Loaded {
            events,
            ingest,
            settled,
            client_cpu_seconds: 0.0,
            rest_kib: memory_kib(pid),
            in_tail: None,
            bytes,
        })
    }

    fn restart_cold(&mut self) -> Result<Option<Duration>> {
        self.stop()?;
        forget(&self.data)?;
        self.begin()?;
        Ok(None)
    }

    fn ask(&mut self, ask: &Ask, times: usize) -> Result<(Vec<u64>, Answer)> {
        let sql = match ask {
            Ask::Next(condition) => {
                // What the client has from the page before.
                let last = format!(
                    "select toString(occurred_at), id from bench.events where {} {NEWEST} limit 1 offset {}",
                    holds(condition),
                    PAGE - 1
                );
                let said = self.request(&json!({ "ask": last, "format": "TSV", "times": 1 }))?;
                let (time, id) = said.answer.trim().split_once('\t').ok_or("there is no next page")?;
                format!(
                    "{WHOLE} where {} and (occurred_at, id) < (toDateTime64({}, 6, 'UTC'), {}) {NEWEST} limit {PAGE}",
                    holds(condition),
                    quoted(time),
                    quoted(id)
                )
            }
            _ => sql(ask),
        };
        let format = match ask {
            Ask::Facets(_) | Ask::Histogram(_) => "TSV",
            _ => "JSONEachRow",
        };
        let said = self.request(&json!({ "ask": sql, "format": format, "times": times }))?;
        require!(
            said.micros.len() == times,
            "ClickHouse was asked {times} times and not {}",
            said.micros.len()
        );
        let answer = match ask {
            Ask::Facets(_) | Ask::Histogram(_) => {
                let count = |line: &str| {
                    let (value, count) = line.split_once('\t')?;
                    Some((value.to_owned(), count.parse().ok()?))
                };
                let counts = said.answer.lines().map(count).collect::<Option<_>>();
                Answer::Counts(counts.ok_or_else(|| format!("not counts: {}", said.answer))?)
            }
            _ => {
                let event = |line| {
                    let row: Row = serde_json::from_str(line).while_doing("an event of ClickHouse")?;
                    Ok((row.us.0, row.id))
                };
                Answer::Events(said.answer.lines().map(event).collect::<Result<_>>()?)
            }
        };
        Ok((said.micros, answer))
    }
}

#[derive(Deserialize)]
struct Row {
    id: String,
    us: Integer,
}

/// As a number or, as settings have it, as a text.
struct Integer(i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let number = value.as_i64().or_else(|| value.as_str()?.parse().ok());
        number.map(Self).ok_or_else(|| serde::de::Error::custom("not an integer"))
    }
}

const WHOLE: &str = "select *, toUnixTimestamp64Micro(occurred_at) as us from bench.events";
const NEWEST: &str = "order by occurred_at desc, id desc";

fn sql(ask: &Ask) -> String {
    match ask {
        Ask::Page(condition) | Ask::Next(condition) => {
            format!("{WHOLE} where {} {NEWEST} limit {PAGE}", holds(condition))
        }
        Ask::Facets(condition) => {
            format!("select action, count() from bench.events where {} group by action", holds(condition))
        }
        Ask::Histogram(condition) => format!(
            "select toDate(occurred_at) as day, count() from bench.events where {} group by day",
            holds(condition)
        ),
        Ask::One { tenant, id } => {
            format!("{WHOLE} where tenant = {} and id = {}", quoted(tenant), quoted(id))
        }
        Ask::Export(condition) => format!("{WHOLE} where {} {NEWEST}", holds(condition)),
    }
}

/// The condition as SQL.
fn holds(condition: &Condition) -> String {
    let Condition {
        tenant,
        action,
        actor,
        email,
        target,
        address,
        categories,
        status,
        words,
        metadata,
        since,
        until,
    } = condition;
    let equal = [
        ("tenant", tenant),
        ("action", action),
        ("actor.id", actor),
        ("actor.email", email),
        ("context.ip", address),
    ];
    let mut tests: Vec<String> = equal
        .iter()
        .filter_map(|(column, value)| Some(format!("{column} = {}", quoted(value.as_ref()?))))
        .collect();
    let time = |time: &String| format!("toDateTime64({}, 6, 'UTC')", quoted(time.trim_end_matches('Z')));
    tests.extend(target.iter().map(|target| format!("has(targets.id, {})", quoted(target))));
    tests.extend(since.iter().map(|since| format!("occurred_at >= {}", time(since))));
    tests.extend(until.iter().map(|until| format!("occurred_at < {}", time(until))));
    tests.extend(status.iter().map(|status| format!("request.status_code = {status}")));
    let list = |texts: &[String]| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
    if !categories.is_empty() {
        tests.push(format!("category in ({})", list(categories)));
    }
    if !words.is_empty() {
        tests.push(format!("hasAllTokens({PROSE}, [{}])", list(words)));
    }
    if let Some(InMetadata { path, value }) = metadata {
        let tokens = value.split(|letter: char| !letter.is_ascii_alphanumeric());
        let tokens: Vec<String> = tokens.filter(|token| !token.is_empty()).map(str::to_owned).collect();
        let names: Vec<String> = path.split('.').map(str::to_owned).collect();
        tests.push(format!(
            "hasAllTokens(metadata, [{}]) and JSONExtractString(metadata, {}) = {}",
            list(&tokens),
            list(&names),
            quoted(value)
        ));
    }
    tests.join(" and ")
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
