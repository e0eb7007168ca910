//! Searches over real events, held against plain counts over the lines that were sent.
//!
//! Every distinct value of every member is asked for, and what is found is exactly the events that hold it; summaries are the
//! same tables; words are held against a splitter that knows nothing but letters and digits; pages of a few events follow one
//! another in both orders. A sample of the plain counts is counted once more by `jq`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use form_urlencoded::Serializer;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Json, read};
use crate::api;
use crate::fault::{Result, While, require};
use crate::http::Client;
use crate::rng::Rng;
use crate::stages::Tally;
use crate::tool::Tool;

/// Members whose every value is asked for.
const FIELDS: [&str; 15] = [
    "action",
    "actor.type",
    "actor.id",
    "actor.name",
    "actor.email",
    "targets.type",
    "targets.id",
    "targets.name",
    "context.ip",
    "context.user_agent",
    "request.method",
    "request.path",
    "request.status_code",
    "outcome.result",
    "description",
];

/// Fields of one summary, as many as it takes.
const SUMMARY_FIELDS: usize = 10;

/// The largest page, and the most values of a summary.
const LIMIT: &str = "1000";

/// Events of a page when both orders are walked: few, and no divisor of anything.
const SMALL_LIMIT: &str = "7";

/// Descriptions whose every word is looked for.
const DESCRIPTIONS: usize = 20;

/// Most words of one `q`.
const WORDS_MAX: usize = 32;

/// Values deep inside `metadata` of each file that are asked for, and the longest of them, bytes.
const LEAVES: usize = 20;
const LEAF_BYTES_MAX: usize = 500;

/// Counts that `jq` counts again for each file.
const JQ_COUNTS: usize = 50;

/// Counts the events of `$events` that have a value at a path, for each of `$asked`. Arrays are passed through.
const JQ_PROGRAM: &str = "def at($path): reduce $path[] as $name ([.]; [flatten[] | objects | .[$name]]) | flatten; \
    [$asked[0][] as [$path, $value] | [$events[] | select(any(at($path)[]; . == $value))] | length]";

/// The events of one tenant, each at its position.
pub(super) struct Loaded {
    tenant: String,
    events: Vec<Json>,
    /// As they were sent.
    lines: Vec<String>,
    /// Each word, and the events that have it.
    words: BTreeMap<String, Positions>,
}

impl Loaded {
    /// Events that were accepted, in their order.
    pub(super) fn new<'a>(tenant: String, accepted: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let lines: Vec<String> = accepted.into_iter().map(str::to_owned).collect();
        let events = lines.iter().map(|line| Ok(read(line)?.as_the_model_keeps_it()));
        let events = events.collect::<Result<Vec<_>>>()?;
        let mut words = BTreeMap::<_, Positions>::new();
        for (position, event) in (0..).zip(&events) {
            event.each_word(&mut |word| {
                words.entry(word).or_default().insert(position);
            });
        }
        Ok(Self { tenant, events, lines, words })
    }

    /// Whose they are.
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The positions of the events that satisfy `holds`.
    fn positions(&self, holds: impl Fn(&Json) -> bool) -> Positions {
        (0..).zip(&self.events).filter(|(_, event)| holds(event)).map(|(position, _)| position).collect()
    }

    /// Each value at a path, and the events that have it.
    fn table(&self, path: &str) -> BTreeMap<&str, Positions> {
        let names: Vec<&str> = path.split('.').collect();
        let mut table = BTreeMap::<_, Positions>::new();
        for (position, event) in (0..).zip(&self.events) {
            for value in event.scalars_at(&names) {
                table.entry(value.text()).or_default().insert(position);
            }
        }
        table
    }
}

type Positions = BTreeSet<u64>;

/// A plain count: so many events have this value at this path.
struct Counted {
    path: Vec<String>,
    value: Value,
    count: usize,
}

/// Asks for everything in all tenants; `folder` is for files that `jq` reads.
pub(super) fn check(client: &mut Client, loaded: &[Loaded], folder: &Path) -> Result<Tally> {
    let jq = find_jq();
    let mut tally = Tally::default();
    if !jq {
        tally.skipped.push("real data: counting again with jq, which is not there".to_owned());
    }
    let words = words_to_ask(loaded);
    for tenant in loaded {
        let mut counted = Vec::new();
        let values = values(client, tenant, &mut counted)?;
        let fields = summaries(client, tenant)?;
        let pages = orders(client, tenant)?;
        for word in &words {
            found(client, tenant, ("q", word), tenant.words.get(word).unwrap_or(&Positions::new()))?;
        }
        let leaves = leaves(client, tenant, &mut counted)?;
        let counted_again = if jq { count_with_jq(tenant, &counted, folder)? } else { 0 };
        println!(
            "{}: found with the right events: {values} values, {} words, {leaves} values inside metadata; {fields} fields \
             counted; {pages} pages in two orders; {counted_again} counts as jq has them",
            tenant.tenant,
            words.len(),
        );
        tally.passed += (values + fields + words.len() + leaves + counted_again) as u64 + 2;
    }
    tally.passed += descriptions_whole(client, loaded)?;
    Ok(tally)
}

/// Every value of every field is found, by its parameter, in exactly the events that have it.
fn values(client: &mut Client, tenant: &Loaded, counted: &mut Vec<Counted>) -> Result<usize> {
    let mut asked = 0;
    for path in FIELDS {
        let parameter = path.replace('.', "_");
        for (value, expected) in tenant.table(path) {
            if path == "context.ip" && value.parse::<std::net::IpAddr>().is_err() {
                // The parameter is for addresses and networks alone; what else stands in their place is found by a filter.
                found(client, tenant, ("filter", &format!("context.ip eq {}", json!(value))), &expected)?;
            } else {
                found(client, tenant, (&parameter, value), &expected)?;
            }
            asked += 1;
            let number = (path == "request.status_code").then(|| value.parse::<u64>().ok()).flatten();
            counted.push(Counted {
                path: path.split('.').map(str::to_owned).collect(),
                value: number.map_or_else(|| json!(value), |number| json!(number)),
                count: expected.len(),
            });
        }
    }
    Ok(asked)
}

/// `GET /v1/summary` gives the tables.
fn summaries(client: &mut Client, tenant: &Loaded) -> Result<usize> {
    #[derive(Deserialize)]
    struct Answer {
        total: usize,
        counts: BTreeMap<String, Field>,
    }
    #[derive(Deserialize)]
    struct Field {
        values: Vec<Counted>,
        distinct: usize,
        missing: usize,
    }
    #[derive(Deserialize)]
    struct Counted {
        value: Value,
        count: usize,
    }
    for fields in FIELDS.chunks(SUMMARY_FIELDS) {
        let mut query = vec![("tenant", tenant.tenant.as_str()), ("limit", LIMIT)];
        query.extend(fields.iter().map(|path| ("by", *path)));
        let answer: Answer = get(client, "/v1/summary", &query)?;
        require!(answer.total == tenant.events.len(), "{}: a summary of {}", tenant.tenant, answer.total);
        for path in fields {
            let table = tenant.table(path);
            let mut expected: Vec<(&str, usize)> =
                table.iter().map(|(value, positions)| (*value, positions.len())).collect();
            expected.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let having: Positions = table.values().flatten().copied().collect();
            let Some(field) = answer.counts.get(*path) else {
                return Err(format!("no counts of {path}").into());
            };
            let told: Vec<(String, usize)> = field
                .values
                .iter()
                .map(|value| {
                    (value.value.as_str().map_or_else(|| value.value.to_string(), str::to_owned), value.count)
                })
                .collect();
            let told: Vec<(&str, usize)> =
                told.iter().map(|(value, count)| (value.as_str(), *count)).collect();
            require!(
                told == expected,
                "{}: by {path}: told {told:?}, rather than {expected:?}",
                tenant.tenant
            );
            require!(
                field.distinct == expected.len() && field.missing == tenant.events.len() - having.len(),
                "{}: by {path}: {} distinct and {} missing",
                tenant.tenant,
                field.distinct,
                field.missing
            );
        }
    }
    Ok(FIELDS.len())
}

/// Small pages in both orders have every event once, by time and then by position. Returns how many pages there were.
fn orders(client: &mut Client, tenant: &Loaded) -> Result<usize> {
    let mut walks = Vec::new();
    let mut pages = 0;
    for order in ["asc", "desc"] {
        let query = [("tenant", tenant.tenant.as_str()), ("order", order), ("limit", SMALL_LIMIT)];
        let walk = walk(client, &query)?;
        pages += walk.pages;
        walks.push(walk.events);
    }
    let rising = &walks[0];
    let once: Positions = rising.iter().map(|event| event.position).collect();
    require!(
        rising.len() == tenant.events.len() && once.len() == rising.len(),
        "{}: {} events on small pages, {} different ones, of {}",
        tenant.tenant,
        rising.len(),
        once.len(),
        tenant.events.len()
    );
    require!(
        rising.is_sorted_by_key(|event| (event.at(), event.position)),
        "{}: `order=asc` is not by time and position",
        tenant.tenant
    );
    require!(
        walks[1].iter().rev().eq(rising),
        "{}: `order=desc` is not `order=asc` turned round",
        tenant.tenant
    );
    Ok(pages)
}

/// Values deep inside `metadata` are found by a filter that names their path.
fn leaves(client: &mut Client, tenant: &Loaded, counted: &mut Vec<Counted>) -> Result<usize> {
    let mut all = BTreeSet::new();
    for event in &tenant.events {
        if let Some(metadata) = event.member("metadata") {
            metadata.leaves(&mut vec!["metadata".to_owned()], &mut all);
        }
    }
    // Names that must stand in quotes come first.
    let odd = |path: &[String]| {
        path.iter().any(|name| !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    let (odd, plain): (Vec<_>, Vec<_>) = all.into_iter().partition(|(path, _)| odd(path));
    let mut rng = Rng::new(1);
    let mut chosen = sample(&mut rng, &odd, LEAVES / 2);
    chosen.extend(sample(&mut rng, &plain, LEAVES - chosen.len()));
    for (path, value) in &chosen {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let expected = tenant.positions(|event| event.scalars_at(&names).contains(value));
        let quoted: Vec<String> = path.iter().map(|name| json!(name).to_string()).collect();
        let literal = value.literal();
        found(
            client,
            tenant,
            ("filter", &format!("metadata.{} eq {literal}", quoted[1..].join("."))),
            &expected,
        )?;
        counted.push(Counted { path: path.clone(), value: literal, count: expected.len() });
    }
    Ok(chosen.len())
}

/// All words of a description together find its event.
fn descriptions_whole(client: &mut Client, loaded: &[Loaded]) -> Result<u64> {
    let chosen = descriptions(loaded);
    for (tenant, position, description) in &chosen {
        let words: BTreeSet<String> = words(description).take(WORDS_MAX).collect();
        let q = words.into_iter().collect::<Vec<_>>().join(" ");
        let walk = walk(client, &[("tenant", tenant), ("q", &q), ("limit", LIMIT)])?;
        require!(
            walk.events.iter().any(|event| event.position == *position),
            "{tenant}: the words of the description at position {position} do not find it"
        );
    }
    Ok(chosen.len() as u64)
}

/// Descriptions of all tenants, with where each first stands.
fn descriptions(loaded: &[Loaded]) -> Vec<(&str, u64, &str)> {
    let mut firsts = BTreeMap::new();
    for tenant in loaded {
        for (description, positions) in tenant.table("description") {
            if let Some(first) = positions.first() {
                firsts.entry(description).or_insert((tenant.tenant.as_str(), *first));
            }
        }
    }
    let all: Vec<_> = firsts.into_iter().map(|(text, (tenant, position))| (tenant, position, text)).collect();
    sample(&mut Rng::new(2), &all, DESCRIPTIONS).into_iter().copied().collect()
}

fn words_to_ask(loaded: &[Loaded]) -> BTreeSet<String> {
    descriptions(loaded).iter().flat_map(|(_, _, description)| words(description)).collect()
}

/// The words of a text for whoever knows nothing but letters and digits.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Up to `count` of the items, in their order.
fn sample<'a, T>(rng: &mut Rng, items: &'a [T], count: usize) -> Vec<&'a T> {
    let mut chosen = BTreeSet::new();
    while chosen.len() < count.min(items.len()) {
        chosen.insert(usize::try_from(rng.below(items.len() as u64)).expect("below a length"));
    }
    chosen.into_iter().map(|index| &items[index]).collect()
}

/// The condition is satisfied by exactly these events, and by so many in all.
fn found(client: &mut Client, tenant: &Loaded, condition: (&str, &str), expected: &Positions) -> Result<()> {
    let query = [("tenant", tenant.tenant.as_str()), condition, ("limit", LIMIT), ("total", "true")];
    let walk = walk(client, &query)?;
    let positions: Positions = walk.events.iter().map(|event| event.position).collect();
    let (name, value) = condition;
    require!(
        positions == *expected && walk.events.len() == expected.len(),
        "{}: `{name}` `{value}` finds {} events, rather than {}; first difference at position {:?}",
        tenant.tenant,
        walk.events.len(),
        expected.len(),
        positions.symmetric_difference(expected).next()
    );
    require!(
        walk.total == Some(expected.len() as u64),
        "{}: `{name}` `{value}`: total {:?} rather than {}",
        tenant.tenant,
        walk.total,
        expected.len()
    );
    Ok(())
}

struct Walk {
    events: Vec<Found>,
    pages: usize,
    total: Option<u64>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Found {
    position: u64,
    occurred_at: Option<String>,
    received_at: String,
}

impl Found {
    fn at(&self) -> &str {
        self.occurred_at.as_deref().unwrap_or(&self.received_at)
    }
}

/// Asks, and follows the cursors to the end.
fn walk(client: &mut Client, query: &[(&str, &str)]) -> Result<Walk> {
    #[derive(Deserialize)]
    struct Page {
        events: Vec<Found>,
        next: Option<String>,
        total: Option<u64>,
    }
    let mut page: Page = get(client, "/v1/events", query)?;
    let mut walk = Walk { events: page.events, pages: 1, total: page.total };
    while let Some(next) = page.next {
        page = get(client, "/v1/events", &[("cursor", &next)])?;
        require!(page.total == walk.total, "the total was {:?} and is {:?}", walk.total, page.total);
        walk.events.extend(page.events);
        walk.pages += 1;
    }
    Ok(walk)
}

fn get<T: serde::de::DeserializeOwned>(client: &mut Client, path: &str, query: &[(&str, &str)]) -> Result<T> {
    let path = format!("{path}?{}", Serializer::new(String::new()).extend_pairs(query).finish());
    let answer = client.get(&path).while_doing(&path)?;
    api::json(&path, &answer)
}

/// Whether `jq` is there, or could be installed.
fn find_jq() -> bool {
    let answers = || Tool::new("jq").args(["--version"]).answers();
    if !answers() {
        for step in [["update", "-qq"].as_slice(), &["install", "-qq", "--yes", "jq"]] {
            drop(Tool::new("apt-get").args(step).ask());
        }
    }
    answers()
}

/// `jq` counts a sample as we did.
fn count_with_jq(tenant: &Loaded, counted: &[Counted], folder: &Path) -> Result<usize> {
    let sample = sample(&mut Rng::new(3), counted, JQ_COUNTS);
    let asked: Vec<Value> = sample.iter().map(|counted| json!([counted.path, counted.value])).collect();
    let events = folder.join(format!("{}.ndjson", tenant.tenant));
    let asked_file = folder.join(format!("{}.asked", tenant.tenant));
    fs::write(&events, tenant.lines.join("\n")).while_doing(events.display())?;
    fs::write(&asked_file, json!(asked).to_string()).while_doing(asked_file.display())?;
    let counts = Tool::new("jq")
        .args(["--null-input", "--compact-output", "--slurpfile", "events"])
        .args([&events])
        .args(["--slurpfile", "asked"])
        .args([&asked_file])
        .args([JQ_PROGRAM])
        .output()?;
    let counts: Vec<usize> = serde_json::from_str(&counts).while_doing("jq")?;
    require!(counts.len() == sample.len(), "jq: {} counts of {}", counts.len(), sample.len());
    for (counted, count) in sample.iter().zip(counts) {
        require!(
            counted.count == count,
            "{}: {} at {:?}: jq counts {count}, we {}",
            tenant.tenant,
            counted.value,
            counted.path,
            counted.count
        );
    }
    Ok(sample.len())
}

impl Json {
    fn member(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => members.get(name),
            _ => None,
        }
    }

    /// The distinct values at a path but `null`; arrays are passed through.
    fn scalars_at(&self, path: &[&str]) -> Vec<&Self> {
        match (self, path) {
            (Self::Array(items), _) => items.iter().flat_map(|item| item.scalars_at(path)).collect(),
            (Self::Object(_), [name, rest @ ..]) => {
                self.member(name).map_or_else(Vec::new, |member| member.scalars_at(rest))
            }
            (Self::Text(_) | Self::Token(_), []) if !self.is_absent() => vec![self],
            _ => Vec::new(),
        }
    }

    /// A text or a token as it is.
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Token(text) => text,
            Self::Array(_) | Self::Object(_) => "",
        }
    }

    /// A text or a token as JSON.
    fn literal(&self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            other => serde_json::from_str(other.text()).unwrap_or_default(),
        }
    }

    fn each_word(&self, see: &mut dyn FnMut(String)) {
        match self {
            Self::Token(_) => {}
            Self::Text(text) => words(text).for_each(see),
            Self::Array(items) => items.iter().for_each(|item| item.each_word(see)),
            Self::Object(members) => members.values().for_each(|member| member.each_word(see)),
        }
    }

    /// Collects the values below, but `null` and what is long, with the names that lead to them.
    fn leaves<'a>(&'a self, path: &mut Vec<String>, leaves: &mut BTreeSet<(Vec<String>, &'a Self)>) {
        match self {
            Self::Array(items) => items.iter().for_each(|item| item.leaves(path, leaves)),
            Self::Object(members) => {
                for (name, member) in members {
                    path.push(name.clone());
                    member.leaves(path, leaves);
                    path.pop();
                }
            }
            Self::Text(text) if text.len() > LEAF_BYTES_MAX => {}
            _ if self.is_absent() => {}
            _ => drop(leaves.insert((path.clone(), self))),
        }
    }
}
