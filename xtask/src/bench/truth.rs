//! What is asked of a file of events, and the right answers, found by reading it line by line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use super::question::{Ask, Condition, Event, Expected, PAGE, Question, day, micros, words};
use crate::fault::{Result, While, fail};

/// Thirty days, and the year.
const MONTH: [&str; 2] = ["2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z"];
const YEAR: [&str; 2] = ["2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"];
const MIDDLE: &str = "2025-07-02T12:00:00Z";

/// The largest tenant's name ends so: see `annals bench generate`.
const LARGEST: &str = "-0001";

const ACTION: &str = "export.download";

/// Words that people write behind a sentence.
const REMARKED: [&str; 6] = ["migration", "emergency", "outage", "sandbox", "cleanup", "quarterly"];

/// Events that two words are to be found in, about.
const TWO_WORDS: u64 = 20;

/// A question with what the file says.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) question: Question,
    pub(super) expected: Expected,
}

/// The questions to a file, and their answers.
pub(super) fn questions(file: &Path) -> Result<Vec<Known>> {
    let seen = Seen::read(file)?;
    let questions = choose(&seen, &two_words(file, &seen)?)?;
    answer(file, questions)
}

/// What is in the file, to choose from.
#[derive(Default)]
struct Seen {
    tenant: String,
    actors: HashMap<String, u64>,
    targets: HashMap<String, u64>,
    addresses: HashMap<String, u64>,
    tickets: HashMap<String, u64>,
    /// By category: those of the month with status 403.
    refused: HashMap<String, u64>,
    /// Of all tenants: how many events, and of whom.
    emails: HashMap<String, (u64, HashSet<String>)>,
    /// A family name and another word: in how many events' prose both are, as far as the actor's name is the family's.
    pairs: HashMap<(String, String), u64>,
    ids: Vec<String>,
}

impl Seen {
    fn read(file: &Path) -> Result<Self> {
        let mut seen = Self::default();
        let month = [micros(MONTH[0])?, micros(MONTH[1])?];
        each_line(file, |line| {
            let event = Event::parse(line)?;
            if let Some(email) =
                event.actor.email.as_ref().filter(|email| email.ends_with("@partners.example"))
            {
                let (count, tenants) = seen.emails.entry(email.clone()).or_default();
                *count += 1;
                tenants.insert(event.tenant.clone());
            }
            if !event.tenant.ends_with(LARGEST) {
                return Ok(());
            }
            let count = |counts: &mut HashMap<String, u64>, key: Option<&String>| {
                if let Some(key) = key {
                    *counts.entry(key.clone()).or_default() += 1;
                }
            };
            count(&mut seen.actors, event.actor.id.as_ref());
            count(&mut seen.addresses, event.context.ip.as_ref().filter(|ip| ip.starts_with("198.1")));
            count(&mut seen.tickets, event.metadata.ticket.as_ref());
            let targets: HashSet<_> = event.targets.iter().filter_map(|target| target.id.as_ref()).collect();
            for target in targets {
                count(&mut seen.targets, Some(target));
            }
            let at = micros(&event.occurred_at)?;
            if event.request.status_code == Some(403) && (month[0]..month[1]).contains(&at) {
                count(&mut seen.refused, event.category.as_ref());
            }
            seen.pair_words(&event);
            if seen.ids.len() < 10_000 {
                seen.ids.push(event.id);
            }
            seen.tenant = event.tenant;
            Ok(())
        })?;
        Ok(seen)
    }

    /// Words that people wrote behind a sentence stand beside a family name.
    fn pair_words(&mut self, event: &Event) {
        let prose: HashSet<String> = words(&event.prose()).collect();
        let Some(remarked) = REMARKED.iter().find(|word| prose.contains(**word)) else { return };
        let family =
            event.actor.name.as_deref().and_then(|name| name.rsplit_once(' ')).map(|(_, family)| family);
        let Some(family) = family.filter(|family| family.is_ascii()).map(str::to_ascii_lowercase) else {
            return;
        };
        if prose.contains(&family) {
            *self.pairs.entry((family, (*remarked).to_owned())).or_default() += 1;
        }
    }
}

/// The words of all texts within a value, names of members apart.
fn collect_words(value: &serde_json::Value, to: &mut HashSet<String>) {
    match value {
        serde_json::Value::String(text) => to.extend(words(text)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_words(item, to)),
        serde_json::Value::Object(members) => members.values().for_each(|item| collect_words(item, to)),
        _ => {}
    }
}

/// Pairs of words that are counted.
const PAIRS_MAX: usize = 64;

/// Two words of some twenty events' prose that no other text of an event holds together: servers that look into prose alone and those
/// that look into everything then answer alike.
fn two_words(file: &Path, seen: &Seen) -> Result<String> {
    let mut pairs: Vec<_> = seen.pairs.iter().collect();
    pairs.sort_unstable_by_key(|(pair, count)| (count.abs_diff(TWO_WORDS), *pair));
    pairs.truncate(PAIRS_MAX);
    let mut counted = vec![(0_u64, 0_u64); pairs.len()];
    each_line(file, |line| {
        let lower = line.to_ascii_lowercase();
        if !REMARKED.iter().any(|word| lower.contains(word)) {
            return Ok(());
        }
        let event = Event::parse(line)?;
        if event.tenant != seen.tenant {
            return Ok(());
        }
        let prose: HashSet<String> = words(&event.prose()).collect();
        let mut all = HashSet::new();
        collect_words(&serde_json::from_str(line).while_doing("an event")?, &mut all);
        for (((family, word), _), (narrow, wide)) in pairs.iter().zip(&mut counted) {
            *narrow += u64::from(prose.contains(family) && prose.contains(word));
            *wide += u64::from(all.contains(family) && all.contains(word));
        }
        Ok(())
    })?;
    let alike = pairs.iter().zip(counted).filter(|(_, (narrow, wide))| narrow == wide);
    let alike = alike.map(|(((family, word), _), (count, _))| (format!("{family} {word}"), count));
    nearest("two words", TWO_WORDS, alike)
}

fn choose(seen: &Seen, two_words: &str) -> Result<Vec<Question>> {
    let tenant = Some(seen.tenant.clone());
    let of_tenant = || Condition { tenant: tenant.clone(), ..Condition::default() };
    let between = |span: [&str; 2]| {
        let [since, until] = span.map(|time| Some(time.to_owned()));
        Condition { since, until, ..of_tenant() }
    };
    let mut categories: Vec<_> = seen.refused.iter().map(|(name, count)| (*count, name.clone())).collect();
    categories.sort_unstable_by(|a, b| b.cmp(a));
    if categories.len() < 2 {
        fail!("the largest tenant names no categories, or has too few events: take another seed, or more");
    }
    let categories: Vec<_> = categories.into_iter().take(2).map(|(_, name)| name).collect();
    let partners = seen.emails.iter().filter(|(_, (_, tenants))| tenants.len() >= 3);
    let email = nearest("partner", 60, partners.map(|(email, (count, _))| (email.clone(), *count)))?;
    let one_of = |what, count, counts: &HashMap<String, u64>| {
        nearest(what, count, counts.iter().map(|(key, count)| (key.clone(), *count)))
    };
    let id = seen.ids[seen.ids.len() / 2].clone();
    let question = |name, ask| Question { name, ask };
    let page = |name, condition| question(name, Ask::Page(condition));
    Ok(vec![
        page("latest 100", of_tenant()),
        page("action, year", Condition { action: Some(ACTION.to_owned()), ..between(YEAR) }),
        page("rare actor", Condition { actor: Some(one_of("actor", 8, &seen.actors)?), ..of_tenant() }),
        page("one target", Condition { target: Some(one_of("target", 5, &seen.targets)?), ..of_tenant() }),
        page(
            "two categories, status 403, 30 days",
            Condition { categories, status: Some(403), ..between(MONTH) },
        ),
        page("address", Condition { address: Some(one_of("address", 40, &seen.addresses)?), ..of_tenant() }),
        page(
            "two words",
            Condition { words: two_words.split(' ').map(str::to_owned).collect(), ..of_tenant() },
        ),
        question("facets by action, 30 days", Ask::Facets(between(MONTH))),
        question("daily histogram, 30 days", Ask::Histogram(between(MONTH))),
        question("facets by action, year", Ask::Facets(between(YEAR))),
        question("daily histogram, year", Ask::Histogram(between(YEAR))),
        question(
            "next page, middle of the year",
            Ask::Next(Condition { until: Some(MIDDLE.to_owned()), ..of_tenant() }),
        ),
        page("no match", Condition { actor: Some("usr_nobody".to_owned()), ..of_tenant() }),
        page(
            "metadata value",
            Condition { ticket: Some(one_of("ticket", 10, &seen.tickets)?), ..of_tenant() },
        ),
        page("mail, all tenants", Condition { email: Some(email), ..Condition::default() }),
        question("by id", Ask::One { tenant: seen.tenant.clone(), id }),
        question("export, 30 days", Ask::Export(between(MONTH))),
    ])
}

/// What comes most nearly so often.
fn nearest(what: &str, count: u64, counts: impl Iterator<Item = (String, u64)>) -> Result<String> {
    let found = counts
        .filter(|(_, found)| *found > 0)
        .min_by_key(|(key, found)| (found.abs_diff(count), key.clone()));
    found
        .map(|(key, _)| key)
        .ok_or_else(|| format!("the file has no {what} to ask for: take more events").into())
}

/// What was found for a question: times and ids, or counts.
#[derive(Default)]
struct Gathered {
    events: Vec<(i64, String)>,
    counts: BTreeMap<String, u64>,
}

fn answer(file: &Path, questions: Vec<Question>) -> Result<Vec<Known>> {
    let mut found: Vec<Gathered> = questions.iter().map(|_| Gathered::default()).collect();
    let spans = questions.iter().map(|question| question.ask.span()).collect::<Result<Vec<_>>>()?;
    each_line(file, |line| {
        let event = Event::parse(line)?;
        let at = micros(&event.occurred_at)?;
        for ((question, span), Gathered { events, counts }) in questions.iter().zip(&spans).zip(&mut found) {
            if !span.contains(&at) || !question.ask.holds(&event, line)? {
                continue;
            }
            match question.ask {
                Ask::Facets(_) => *counts.entry(event.action.clone()).or_default() += 1,
                Ask::Histogram(_) => *counts.entry(day(at)).or_default() += 1,
                _ => events.push((at, event.id.clone())),
            }
        }
        Ok(())
    })?;
    let known = questions.into_iter().zip(found).map(|(question, Gathered { mut events, counts })| {
        events.sort_unstable_by(|a, b| b.cmp(a));
        let expected = match question.ask {
            Ask::Facets(_) | Ask::Histogram(_) => Expected::Counts(counts),
            Ask::Page(_) => {
                // Far more than a page is compared with; the rest is only memory.
                events.truncate(20 * PAGE);
                Expected::Events { events, first: 0, count: PAGE }
            }
            Ask::Next(_) => {
                events.truncate(20 * PAGE);
                Expected::Events { events, first: PAGE, count: PAGE }
            }
            Ask::One { .. } => Expected::Events { events, first: 0, count: 1 },
            Ask::Export(_) => Expected::Events { events, first: 0, count: usize::MAX / 2 },
        };
        Known { question, expected }
    });
    Ok(known.collect())
}

impl Ask {
    fn span(&self) -> Result<std::ops::Range<i64>> {
        let bound = |time: &Option<String>, otherwise| time.as_deref().map_or(Ok(otherwise), micros);
        match self {
            Self::Page(condition)
            | Self::Next(condition)
            | Self::Facets(condition)
            | Self::Histogram(condition)
            | Self::Export(condition) => {
                Ok(bound(&condition.since, i64::MIN)?..bound(&condition.until, i64::MAX)?)
            }
            Self::One { .. } => Ok(i64::MIN..i64::MAX),
        }
    }

    /// Whether it is about this event, its time apart.
    fn holds(&self, event: &Event, line: &str) -> Result<bool> {
        match self {
            Self::One { tenant, id } => Ok(event.id == *id && event.tenant == *tenant),
            Self::Page(condition)
            | Self::Next(condition)
            | Self::Facets(condition)
            | Self::Histogram(condition)
            | Self::Export(condition) => condition.holds(event, line),
        }
    }
}

impl Condition {
    fn holds(&self, event: &Event, line: &str) -> Result<bool> {
        let Self { tenant, action, actor, email, target, address, categories, status, words, ticket, .. } =
            self;
        let is =
            |wanted: &Option<String>, found: Option<&String>| wanted.is_none() || wanted.as_ref() == found;
        let holds = is(tenant, Some(&event.tenant))
            && is(action, Some(&event.action))
            && is(actor, event.actor.id.as_ref())
            && is(email, event.actor.email.as_ref())
            && is(address, event.context.ip.as_ref())
            && is(ticket, event.metadata.ticket.as_ref())
            && (target.is_none() || event.targets.iter().any(|found| found.id == *target))
            && (categories.is_empty()
                || event.category.as_ref().is_some_and(|found| categories.contains(found)))
            && (status.is_none() || event.request.status_code == *status);
        if !holds || words.is_empty() {
            return Ok(holds);
        }
        let mut all = HashSet::new();
        collect_words(&serde_json::from_str(line).while_doing("an event")?, &mut all);
        Ok(words.iter().all(|word| all.contains(word)))
    }
}

fn each_line(file: &Path, mut see: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut lines = BufReader::with_capacity(1 << 20, File::open(file).while_doing(file.display())?);
    let mut line = String::new();
    while lines.read_line(&mut line).while_doing(file.display())? > 0 {
        see(&line)?;
        line.clear();
    }
    Ok(())
}
