//! PostgreSQL over its socket, as those who like it would set it up.
//!
//! Typed columns for what is asked for, the whole event as `jsonb`, an index for each question, a table's worth of memory.
//! Events come by `COPY` on two connections, a thousand in a transaction, which is flushed. Words are looked for in description and
//! names, which is less than annals looks through.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use postgres::Client;
use postgres::types::ToSql;
use rustix::process::{Pid, Signal, kill_process};

use super::engine::{Engine, Loaded};
use super::lines::{Batches, Source};
use super::process::{Meter, forget, memory_kib, own_cpu_seconds};
use super::question::{Answer, Ask, Condition, Event, InMetadata, PAGE};
use crate::fault::{Fault, Result, While, fail, require};
use crate::relay::postgres::{Cluster, Programs};

/// Connections that copy.
const CONNECTIONS: usize = 2;

const STOP_MAX: Duration = Duration::from_secs(120);

/// Settings for two cores and some gigabytes.
const SETTINGS: [(&str, &str); 19] = [
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("ssl", "off"),
    ("shared_buffers", "2GB"),
    ("effective_cache_size", "12GB"),
    ("maintenance_work_mem", "512MB"),
    ("work_mem", "32MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "15min"),
    ("wal_compression", "lz4"),
    ("wal_buffers", "64MB"),
    ("random_page_cost", "1.1"),
    ("effective_io_concurrency", "64"),
    ("default_toast_compression", "lz4"),
    ("jit", "off"),
    ("gin_pending_list_limit", "16MB"),
    ("plan_cache_mode", "force_custom_plan"),
    ("autovacuum_vacuum_insert_scale_factor", "0.1"),
];

/// The text that words are looked for in.
const PROSE: &str = "to_tsvector('simple', coalesce(event->>'description', '') || ' ' || coalesce(event->'actor'->>'name', '') \
     || ' ' || coalesce(jsonb_path_query_array(event, '$.targets[*].name')::text, ''))";

fn schema() -> String {
    format!(
        "create table events (
            tenant text not null, id text not null, occurred_at timestamptz not null,
            action text not null, category text, actor_id text, actor_email text,
            target_id text, further_target_ids text[], ip text, status_code int,
            event jsonb not null, primary key (tenant, id));
         create index by_time on events (tenant, occurred_at desc, id desc);
         create index by_actor on events (tenant, actor_id, occurred_at desc);
         create index by_target on events (tenant, target_id, occurred_at desc);
         create index by_further_target on events using gin (further_target_ids) where further_target_ids is not null;
         create index by_action on events (tenant, action, occurred_at desc);
         create index by_address on events (tenant, ip, occurred_at desc);
         create index by_email on events (actor_email, occurred_at desc);
         create index by_word on events using gin (({PROSE}));
         create index by_metadata on events using gin ((event->'metadata') jsonb_path_ops)"
    )
}

/// A server, and its folder.
pub(super) struct Postgres {
    cluster: Cluster,
    data: PathBuf,
    client: Option<Client>,
}

impl Postgres {
    /// Starts one on a new folder; none where there is no PostgreSQL.
    pub(super) fn start(folder: &Path) -> Result<Option<Self>> {
        let Some(programs) = Programs::find() else { return Ok(None) };
        let folder = folder.join("postgres");
        let cluster = Cluster::start(programs, &folder)?;
        let mut admin = cluster.admin()?;
        for (name, value) in SETTINGS {
            admin.batch_execute(&format!("alter system set {name} = '{value}'")).while_doing(name)?;
        }
        drop(admin);
        let mut started = Self { cluster, data: folder.join("data"), client: None };
        started.stop()?;
        started.begin()?;
        started.client()?.batch_execute(&schema()).while_doing("schema")?;
        let fsync = started.client()?.query_one("show fsync", &[]).while_doing("fsync")?;
        require!(fsync.get::<_, String>(0) == "on", "PostgreSQL runs without fsync");
        Ok(Some(started))
    }

    fn client(&mut self) -> Result<&mut Client> {
        self.client.as_mut().ok_or_else(|| "PostgreSQL is stopped".into())
    }

    /// Ends it, with a checkpoint.
    fn stop(&mut self) -> Result<()> {
        self.client = None;
        let pid = i32::try_from(self.pid()?).ok().and_then(Pid::from_raw).ok_or("no process id")?;
        kill_process(pid, Signal::INT).while_doing("stop PostgreSQL")?;
        let deadline = Instant::now() + STOP_MAX;
        while self.data.join("postmaster.pid").exists() {
            require!(Instant::now() < deadline, "PostgreSQL does not stop");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        self.cluster.restart()?;
        self.client = Some(self.cluster.admin()?);
        Ok(())
    }

    fn bytes(&mut self) -> Result<Vec<(String, u64)>> {
        let row = self.client()?.query_one(
            "select pg_table_size('events'), pg_indexes_size('events'), (select sum(size)::bigint from pg_ls_waldir())",
            &[],
        );
        let row = row.while_doing("sizes")?;
        let of = |index| u64::try_from(row.get::<_, i64>(index)).unwrap_or(0);
        Ok(vec![
            ("table".to_owned(), of(0)),
            ("indexes".to_owned(), of(1)),
            ("(WAL, not counted)".to_owned(), of(2)),
        ])
    }
}

impl Engine for Postgres {
    fn name(&self) -> &'static str {
        "PostgreSQL"
    }

    fn pid(&self) -> Result<u32> {
        let file = self.data.join("postmaster.pid");
        let text = fs::read_to_string(&file).while_doing(file.display())?;
        text.lines().next().unwrap_or_default().parse().while_doing(file.display())
    }

    fn ingest(&mut self, source: &Source) -> Result<Loaded> {
        let batches = Batches::of(source.open()?);
        let pid = self.pid()?;
        let meter = Meter::start(pid)?;
        let client_cpu = own_cpu_seconds()?;
        let clients = (0..CONNECTIONS).map(|_| self.cluster.admin()).collect::<Result<Vec<_>>>()?;
        let events = std::thread::scope(|scope| {
            let copying: Vec<_> =
                clients.into_iter().map(|client| scope.spawn(|| copy_all(client, &batches))).collect();
            copying.into_iter().try_fold(0, |sum, copier| {
                Ok::<_, Fault>(sum + copier.join().map_err(|_| "a copier panicked".to_owned())??)
            })
        })?;
        let ingest = meter.taken()?;
        let client_cpu_seconds = own_cpu_seconds()? - client_cpu;
        self.client()?.batch_execute("vacuum (analyze) events").while_doing("vacuum")?;
        self.client()?.batch_execute("checkpoint").while_doing("checkpoint")?;
        let settled = meter.taken()?;
        let rest_kib = memory_kib(pid);
        Ok(Loaded {
            events,
            ingest,
            settled,
            client_cpu_seconds,
            rest_kib,
            in_tail: None,
            bytes: self.bytes()?,
        })
    }

    fn restart_cold(&mut self) -> Result<Option<Duration>> {
        self.stop()?;
        forget(&self.data)?;
        self.begin()?;
        Ok(None)
    }

    fn ask(&mut self, ask: &Ask, times: usize) -> Result<(Vec<u64>, Answer)> {
        let mut sql = Sql::of(ask);
        let client = self.client()?;
        let mut latencies = Vec::with_capacity(times);
        if let Ask::Export(_) = ask {
            let mut copied = Vec::new();
            for _ in 0..times {
                copied.clear();
                let began = Instant::now();
                let mut reader = client.copy_out(&sql.text).while_doing("export")?;
                reader.read_to_end(&mut copied).while_doing("export")?;
                latencies.push(micros_since(began));
            }
            return Ok((latencies, exported(&copied)?));
        }
        if let Ask::Next(condition) = ask {
            let last = client.query_one(&sql.text, &sql.parameters()).while_doing(&sql.text)?;
            sql = Sql::behind(condition, last.get(0), last.get(1));
        }
        // Once for each question, as a program does; the plan is made for each asking.
        let statement = client.prepare(&sql.text).while_doing(&sql.text)?;
        let mut rows = Vec::new();
        for _ in 0..times {
            let began = Instant::now();
            rows = client.query(&statement, &sql.parameters()).while_doing(&sql.text)?;
            latencies.push(micros_since(began));
        }
        let answer = match ask {
            Ask::Facets(_) | Ask::Histogram(_) => Answer::Counts(
                rows.iter()
                    .map(|row| (row.get(0), u64::try_from(row.get::<_, i64>(1)).unwrap_or(0)))
                    .collect(),
            ),
            _ => Answer::Events(rows.iter().map(|row| (row.get(0), row.get(1))).collect()),
        };
        Ok((latencies, answer))
    }
}

fn micros_since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Whole events as JSON; its time and id beside it.
const WHOLE: &str = "(extract(epoch from occurred_at) * 1000000)::bigint, id, event::text";
const NEWEST: &str = "order by occurred_at desc, id desc";

/// A statement in the making, with its parameters.
#[derive(Default)]
struct Sql {
    text: String,
    values: Vec<String>,
    /// Values stand in the text: `COPY` takes no parameters.
    literal: bool,
}

impl Sql {
    fn of(ask: &Ask) -> Self {
        let mut sql = Self { literal: matches!(ask, Ask::Export(_)), ..Self::default() };
        sql.text = match ask {
            Ask::Page(condition) => match &condition.target {
                // An event has mostly one target; the others have an index of their own.
                Some(target) => {
                    let others = sql.holds(&Condition { target: None, ..condition.clone() });
                    let target = sql.bind(target);
                    format!(
                        "select {WHOLE} from (
                           (select occurred_at, id, event from events where {others} and target_id = {target} {NEWEST} limit {PAGE})
                           union all
                           (select occurred_at, id, event from events where {others} and further_target_ids @> array[{target}]
                              and target_id is distinct from {target} {NEWEST} limit {PAGE})
                         ) events {NEWEST} limit {PAGE}"
                    )
                }
                None => {
                    format!("select {WHOLE} from events where {} {NEWEST} limit {PAGE}", sql.holds(condition))
                }
            },
            // The last row of the page before; the rest comes when it is known.
            Ask::Next(condition) => format!(
                "select occurred_at::text, id from events where {} {NEWEST} offset {} limit 1",
                sql.holds(condition),
                PAGE - 1
            ),
            Ask::Facets(condition) => {
                format!("select action, count(*) from events where {} group by 1", sql.holds(condition))
            }
            Ask::Histogram(condition) => format!(
                "select (occurred_at at time zone 'UTC')::date::text, count(*) from events where {} group by 1",
                sql.holds(condition)
            ),
            Ask::One { tenant, id } => {
                let (tenant, id) = (sql.bind(tenant), sql.bind(id));
                format!("select {WHOLE} from events where tenant = {tenant} and id = {id}")
            }
            Ask::Export(condition) => {
                format!("copy (select {WHOLE} from events where {} {NEWEST}) to stdout", sql.holds(condition))
            }
        };
        sql
    }

    /// The page behind a row.
    fn behind(condition: &Condition, time: &str, id: &str) -> Self {
        let mut sql = Self::default();
        let holds = sql.holds(condition);
        let (time, id) = (sql.bind(time), sql.bind(id));
        sql.text = format!(
            "select {WHOLE} from events where {holds} and (occurred_at, id) < ({time}::text::timestamptz, {id}) {NEWEST} limit {PAGE}"
        );
        sql
    }

    fn bind(&mut self, value: &str) -> String {
        if self.literal {
            return quoted(value);
        }
        self.values.push(value.to_owned());
        format!("${}", self.values.len())
    }

    /// The condition.
    fn holds(&mut self, condition: &Condition) -> String {
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
            ("actor_id", actor),
            ("actor_email", email),
            ("target_id", target),
            ("ip", address),
        ];
        let mut tests = Vec::new();
        for (column, value) in equal {
            tests.extend(value.iter().map(|value| format!("{column} = {}", self.bind(value))));
        }
        tests.extend(
            since.iter().map(|since| format!("occurred_at >= {}::text::timestamptz", self.bind(since))),
        );
        tests.extend(
            until.iter().map(|until| format!("occurred_at < {}::text::timestamptz", self.bind(until))),
        );
        tests.extend(
            status
                .iter()
                .map(|status| format!("status_code = {}::text::int", self.bind(&status.to_string()))),
        );
        if !categories.is_empty() {
            let categories: Vec<_> = categories.iter().map(|category| self.bind(category)).collect();
            tests.push(format!("category in ({})", categories.join(", ")));
        }
        if !words.is_empty() {
            tests.push(format!("{PROSE} @@ to_tsquery('simple', {})", self.bind(&words.join(" & "))));
        }
        tests.extend(
            metadata
                .iter()
                .map(|wanted| format!("event->'metadata' @> {}::text::jsonb", self.bind(&contained(wanted)))),
        );
        tests.join(" and ")
    }

    /// The values as parameters.
    fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
    }
}

/// An object that holds nothing but this value of metadata.
fn contained(InMetadata { path, value }: &InMetadata) -> String {
    let innermost = format!("\"{value}\"");
    path.rsplit('.').fold(innermost, |inner, name| format!("{{\"{name}\": {inner}}}"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn exported(copied: &[u8]) -> Result<Answer> {
    let text = str::from_utf8(copied).while_doing("export")?;
    let event = |line: &str| {
        let mut fields = line.split('\t');
        match (fields.next().map(str::parse), fields.next()) {
            (Some(Ok(time)), Some(id)) => Ok((time, id.to_owned())),
            _ => fail!("a row of the export is `{line}`"),
        }
    };
    Ok(Answer::Events(text.lines().map(event).collect::<Result<_>>()?))
}

/// Copies batches until there are no more; gives how many events.
fn copy_all(mut client: Client, batches: &Batches) -> Result<u64> {
    let (mut lines, mut rows, mut copied) = (Vec::new(), String::new(), 0);
    loop {
        let count = batches.next(&mut lines)?;
        if count == 0 {
            return Ok(copied);
        }
        rows.clear();
        for line in str::from_utf8(&lines).while_doing("the file of events")?.lines() {
            row(&Event::parse(line)?, line, &mut rows);
        }
        let mut writer = client
            .copy_in(
                "copy events (tenant, id, occurred_at, action, category, actor_id, actor_email, target_id, further_target_ids, \
                 ip, status_code, event) from stdin",
            )
            .while_doing("copy")?;
        writer.write_all(rows.as_bytes()).while_doing("copy")?;
        writer.finish().while_doing("copy")?;
        copied += count as u64;
    }
}

/// An element of an array as text, whatever is in it.
fn element(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A row in the text form of `COPY`.
fn row(event: &Event, line: &str, to: &mut String) {
    let mut targets = event.targets.iter().filter_map(|target| target.id.as_deref());
    let first = targets.next();
    let further: Vec<_> = targets.map(element).collect();
    let further = (!further.is_empty()).then(|| format!("{{{}}}", further.join(",")));
    let status = event.request.status_code.map(|status| status.to_string());
    let fields = [
        Some(event.tenant.as_str()),
        Some(&event.id),
        Some(&event.occurred_at),
        Some(&event.action),
        event.category.as_deref(),
        event.actor.id.as_deref(),
        event.actor.email.as_deref(),
        first,
        further.as_deref(),
        event.context.ip.as_deref(),
        status.as_deref(),
        Some(line),
    ];
    for (index, field) in fields.into_iter().enumerate() {
        if index > 0 {
            to.push('\t');
        }
        match field {
            None => to.push_str("\\N"),
            Some(text) => {
                for letter in text.chars() {
                    match letter {
                        '\\' => to.push_str("\\\\"),
                        '\n' => to.push_str("\\n"),
                        '\t' => to.push_str("\\t"),
                        '\r' => to.push_str("\\r"),
                        _ => to.push(letter),
                    }
                }
            }
        }
    }
    to.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_holds_ids_with_commas_quotes_and_backslashes() {
        let line = r#"{"id":"1","tenant":"t","occurred_at":"2025-01-01T00:00:00Z","action":"a","actor":{},
            "targets":[{"id":"one"},{"id":"a,b{c}"},{"id":"d\"e\\f"}]}"#;
        let mut copied = String::new();
        row(&Event::parse(line).unwrap(), "", &mut copied);
        let further = copied.split('\t').nth(8).unwrap();
        assert_eq!(further, r#"{"a,b{c}","d\\"e\\\\f"}"#);
    }

    #[test]
    fn a_value_of_metadata_is_looked_for_at_its_path() {
        let wanted = InMetadata { path: "user.key".to_owned(), value: "K-1".to_owned() };
        assert_eq!(contained(&wanted), r#"{"user": {"key": "K-1"}}"#);
    }
}
