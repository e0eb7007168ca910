//! What is asked of events, chosen from what is in them.
//!
//! Of generated events it is known what they hold, and a question for which they have nothing is an error. Of events that real
//! systems wrote it is not: each question takes the largest tenant that has something to ask for, and one for which there is
//! nothing is left out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::Ipv4Addr;

use serde_json::Value;

use super::counts::Counts;
use super::lines::Source;
use super::question::{Ask, Condition, Event, InMetadata, PAGE, Question, micros, time, words};
use super::truth::collect_words;
use crate::fault::{Result, While, fail, require};

/// How often what is asked for is to come, about.
const ACTOR: u64 = 8;
const TARGET: u64 = 5;
const ADDRESS: u64 = 40;
const TWO_WORDS: u64 = 20;
const METADATA: u64 = 10;
const MAIL: u64 = 60;

/// Pairs of words, and values of metadata, that are looked at closely.
const CANDIDATES_MAX: usize = 64;

/// Ids of a tenant from which one is taken.
const IDS_MAX: usize = 10_000;

/// Words that people write behind a sentence of a generated event.
const REMARKED: [&str; 6] = ["migration", "emergency", "outage", "sandbox", "cleanup", "quarterly"];

/// Events of an export of real ones, about, when they have more.
const EXPORT_EVENTS: usize = 20_000;

/// Words of one real event that are paired, the longest, and how long a word is.
const PAIRED_WORDS: usize = 8;
const WORD_LETTERS: std::ops::RangeInclusive<usize> = 3..=20;

/// The longest value of metadata that is asked for.
const VALUE_BYTES_MAX: usize = 64;

/// Two words, in lower case.
type Pair = (String, String);

/// What is known of events, and how often and over which time they are asked for.
pub(super) struct Plan {
    /// Ending of the names of tenants that are asked for.
    tenants: &'static str,
    /// Whether an address may be asked for.
    address: fn(&str) -> bool,
    /// Ending of a mail that is asked for over all tenants, and how many of them it is to occur in.
    mails: &'static str,
    mail_tenants: usize,
    /// The most frequent one, unless said.
    action: Option<&'static str>,
    /// The most frequent one that tells of an error, unless said; within this time.
    status: Option<u16>,
    status_within: Option<Span>,
    /// The words of an event that all engines find.
    prose: fn(&Event) -> HashSet<String>,
    pairs: fn(&Event, &HashSet<String>) -> Vec<Pair>,
    metadata: fn(&Event, &str) -> Result<Vec<InMetadata>>,
    /// Words and values of metadata that are asked for come so often, at least.
    repeats: u64,
    short: Span,
    long: Span,
    export: Span,
    /// A moment with more than a page before it, and what it is called.
    middle: Option<(&'static str, String)>,
    /// Whether a question for which there is nothing is an error.
    all_needed: bool,
}

/// A time, from and before, and what a table calls it.
#[derive(Clone)]
struct Span {
    name: &'static str,
    since: String,
    until: String,
}

impl Span {
    fn new(name: &'static str, since: &str, until: &str) -> Self {
        Self { name, since: since.to_owned(), until: until.to_owned() }
    }
}

impl Plan {
    /// For `annals bench generate`, shape `everyday`: a year, of which the largest tenant's name ends in `-0001`.
    pub(super) fn generated() -> Self {
        let month = Span::new("30 days", "2025-06-01T00:00:00Z", "2025-07-01T00:00:00Z");
        Self {
            tenants: "-0001",
            address: |ip| ip.starts_with("198.1"),
            mails: "@partners.example",
            mail_tenants: 3,
            action: Some("export.download"),
            status: Some(403),
            status_within: Some(month.clone()),
            prose: |event| words(&event.prose()).collect(),
            pairs: family_and_remark,
            metadata: |event, _| {
                let ticket = event.metadata.ticket();
                let ticket =
                    ticket.map(|value| InMetadata { path: "ticket".to_owned(), value: value.to_owned() });
                Ok(ticket.into_iter().collect())
            },
            repeats: 1,
            export: month.clone(),
            short: month,
            long: Span::new("year", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
            middle: Some(("middle of the year", "2025-07-02T12:00:00Z".to_owned())),
            all_needed: true,
        }
    }

    /// For events of which nothing is known.
    pub(super) fn real(source: &Source) -> Result<Self> {
        let mut tenants: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        source.each_line(|line| {
            let event = Event::parse(line)?;
            let at = micros(&event.occurred_at)?;
            match tenants.get_mut(&event.tenant) {
                Some(times) => times.push(at),
                None => drop(tenants.insert(event.tenant, vec![at])),
            }
            Ok(())
        })?;
        let Some(mut times) = tenants.into_values().max_by_key(Vec::len) else {
            fail!("there are no events")
        };
        times.sort_unstable();
        let (first, last) = (times[0], times[times.len() - 1]);
        let until = time(last + 1);
        let middle = times[times.len() / 2];
        let before = times.partition_point(|at| *at < middle);
        let oldest = times.len().saturating_sub(EXPORT_EVENTS);
        let exported = if oldest == 0 { "all" } else { "the newest 20,000" };
        Ok(Self {
            tenants: "",
            // In other ways of writing one address has several texts.
            address: |ip| ip.parse::<Ipv4Addr>().is_ok(),
            mails: "",
            mail_tenants: 1,
            action: None,
            status: None,
            status_within: None,
            prose: plain_words,
            pairs: longest_pairs,
            metadata: |_, line| leaves(line),
            repeats: 2,
            short: Span::new("half of the time", &time(first + (last - first) / 2), &until),
            export: Span::new(exported, &time(times[oldest]), &until),
            long: Span::new("all", &time(first), &until),
            middle: (before > 2 * PAGE).then(|| ("middle", time(middle))),
            all_needed: false,
        })
    }
}

/// What is asked.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) questions: Vec<Question>,
    /// What is not asked, and why.
    pub(super) left_out: Vec<String>,
}

/// Reads the events and chooses.
pub(super) fn questions(source: &Source, plan: &Plan) -> Result<Chosen> {
    let seen = Seen::read(source, plan)?;
    let alike = Alike::read(source, plan, &seen)?;
    choose(plan, &seen, &alike)
}

/// What is in the events, to choose from.
#[derive(Default)]
struct Seen {
    tenants: BTreeMap<String, OfTenant>,
    /// Of all tenants: how many events, and of whom, as far as the plan asks.
    emails: Counts<String, (u64, HashSet<String>)>,
}

#[derive(Default)]
struct OfTenant {
    events: u64,
    actions: Counts<String>,
    actors: Counts<String>,
    targets: Counts<String>,
    addresses: Counts<String>,
    /// By status and category.
    refused: HashMap<(u16, Option<String>), u64>,
    metadata: Counts<InMetadata>,
    pairs: Counts<Pair>,
    ids: Vec<String>,
}

impl Seen {
    fn read(source: &Source, plan: &Plan) -> Result<Self> {
        let mut seen = Self::default();
        let status_within = match &plan.status_within {
            Some(span) => micros(&span.since)?..micros(&span.until)?,
            None => i64::MIN..i64::MAX,
        };
        source.each_line(|line| {
            let event = Event::parse(line)?;
            if let Some(email) = event.actor.email.as_ref().filter(|email| email.ends_with(plan.mails))
                && let Some((count, tenants)) = seen.emails.entry(email)
            {
                *count += 1;
                if tenants.len() < plan.mail_tenants {
                    tenants.insert(event.tenant.clone());
                }
            }
            if event.tenant.ends_with(plan.tenants) {
                let within = status_within.contains(&micros(&event.occurred_at)?);
                match seen.tenants.get_mut(&event.tenant) {
                    Some(tenant) => tenant.add(plan, event, line, within)?,
                    None => seen
                        .tenants
                        .entry(event.tenant.clone())
                        .or_default()
                        .add(plan, event, line, within)?,
                }
            }
            Ok(())
        })?;
        Ok(seen)
    }

    /// The largest tenant for which this holds.
    fn largest(&self, holds: impl Fn(&OfTenant) -> bool) -> Option<(&String, &OfTenant)> {
        self.tenants
            .iter()
            .filter(|(_, of_tenant)| holds(of_tenant))
            .max_by_key(|(_, of_tenant)| of_tenant.events)
    }
}

impl OfTenant {
    fn add(&mut self, plan: &Plan, event: Event, line: &str, status_within: bool) -> Result<()> {
        self.events += 1;
        self.actions.add(&event.action);
        event.actor.id.iter().for_each(|actor| self.actors.add(actor));
        event.context.ip.iter().filter(|ip| (plan.address)(ip)).for_each(|ip| self.addresses.add(ip));
        let targets: HashSet<_> = event.targets.iter().filter_map(|target| target.id.as_ref()).collect();
        targets.into_iter().for_each(|target| self.targets.add(target));
        let asked = |status: &u16| plan.status.map_or(*status >= 400, |wanted| *status == wanted);
        if let Some(status) = event.request.status_code.filter(asked)
            && status_within
        {
            *self.refused.entry((status, event.category.clone())).or_default() += 1;
        }
        for value in (plan.metadata)(&event, line)? {
            self.metadata.add(&value);
        }
        let prose = (plan.prose)(&event);
        (plan.pairs)(&event, &prose).iter().for_each(|pair| self.pairs.add(pair));
        // It is put into a path as it is.
        let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-._~:".contains(&letter);
        if self.ids.len() < IDS_MAX && event.id.bytes().all(plain) {
            self.ids.push(event.id);
        }
        Ok(())
    }
}

/// Words that people wrote behind a sentence stand beside a family name.
fn family_and_remark(event: &Event, prose: &HashSet<String>) -> Vec<Pair> {
    let Some(remarked) = REMARKED.iter().find(|word| prose.contains(**word)) else { return Vec::new() };
    let family = event.actor.name.as_deref().and_then(|name| name.rsplit_once(' ')).map(|(_, family)| family);
    let family = family.filter(|family| family.is_ascii()).map(str::to_ascii_lowercase);
    let family = family.filter(|family| prose.contains(family));
    family.map(|family| (family, (*remarked).to_owned())).into_iter().collect()
}

/// Words that everybody splits alike: ASCII letters between spaces, with no more than a mark of the sentence behind them.
fn plain_words(event: &Event) -> HashSet<String> {
    let prose = event.prose();
    let parts = prose.split_whitespace().map(|part| part.trim_end_matches([',', '.', ':', ';']));
    parts
        .filter(|part| {
            WORD_LETTERS.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
        })
        .map(str::to_ascii_lowercase)
        .collect()
}

/// Each two of an event's longest words.
fn longest_pairs(_: &Event, prose: &HashSet<String>) -> Vec<Pair> {
    let mut longest: Vec<&String> = prose.iter().collect();
    longest.sort_unstable_by_key(|word| (std::cmp::Reverse(word.len()), *word));
    longest.truncate(PAIRED_WORDS);
    longest.sort_unstable();
    let pairs = longest.iter().enumerate().flat_map(|(index, first)| {
        longest[index + 1..].iter().map(|second| ((*first).clone(), (*second).clone()))
    });
    pairs.collect()
}

/// Texts inside `metadata`, arrays apart, that can be asked for by a path and that JSON writes in one way only.
fn leaves(line: &str) -> Result<Vec<InMetadata>> {
    let event: Value = serde_json::from_str(line).while_doing("an event")?;
    let mut found = Vec::new();
    each_text(&event["metadata"], "", false, &mut |path, value, in_array| {
        let plain = |letter: u8| letter.is_ascii_alphanumeric() || b"-._:".contains(&letter);
        let wanted = !in_array
            && value.len() <= VALUE_BYTES_MAX
            && value.bytes().all(plain)
            && value.bytes().any(|byte| byte.is_ascii_alphanumeric())
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte));
        if wanted {
            found.push(InMetadata { path: path.to_owned(), value: value.to_owned() });
        }
    });
    Ok(found)
}

/// Shows each text with its path and whether an array is on it. A name with a point in it makes no path.
fn each_text(value: &Value, path: &str, in_array: bool, see: &mut impl FnMut(&str, &str, bool)) {
    match value {
        Value::String(text) => see(path, text, in_array),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, path, true, see)),
        Value::Object(members) => {
            for (name, inner) in members {
                let deeper = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                each_text(inner, &deeper, in_array || name.contains('.'), see);
            }
        }
        _ => {}
    }
}

/// Which words and values all engines find in the same events, though some look further than others, and in how many.
struct Alike {
    /// With the tenant they are asked of.
    pairs: Vec<(String, Pair, u64)>,
    values: Vec<(String, InMetadata, u64)>,
}

/// Something to ask a tenant for, and how many events have it narrowly and widely.
struct Candidate<T> {
    tenant: String,
    what: T,
    narrow: u64,
    wide: u64,
}

impl<T: Clone + Ord> Candidate<T> {
    /// Those of the largest tenant that has some, which come most nearly so often.
    fn of(plan: &Plan, seen: &Seen, wanted: u64, counts: fn(&OfTenant) -> &Counts<T>) -> Vec<Self>
    where
        T: std::hash::Hash,
    {
        let often_enough = |count: u64| count >= plan.repeats;
        let tenant =
            seen.largest(|of_tenant| counts(of_tenant).iter().any(|(_, count)| often_enough(*count)));
        let Some((tenant, of_tenant)) = tenant else { return Vec::new() };
        let mut known: Vec<_> = counts(of_tenant).iter().filter(|(_, count)| often_enough(**count)).collect();
        known.sort_unstable_by_key(|(what, count)| (count.abs_diff(wanted), *what));
        known.truncate(CANDIDATES_MAX);
        let candidate = |what: &T| Self { tenant: tenant.clone(), what: what.clone(), narrow: 0, wide: 0 };
        known.into_iter().map(|(what, _)| candidate(what)).collect()
    }

    fn alike(candidates: Vec<Self>) -> Vec<(String, T, u64)> {
        let alike = candidates.into_iter().filter(|candidate| candidate.narrow == candidate.wide);
        alike.map(|Self { tenant, what, narrow, .. }| (tenant, what, narrow)).collect()
    }
}

impl Alike {
    fn read(source: &Source, plan: &Plan, seen: &Seen) -> Result<Self> {
        let mut pairs = Candidate::of(plan, seen, TWO_WORDS, |of_tenant| &of_tenant.pairs);
        let mut values = Candidate::of(plan, seen, METADATA, |of_tenant| &of_tenant.metadata);
        // A quick look, before an event is taken apart.
        let mut tenants: Vec<String> = pairs.iter().map(|pair| pair.tenant.clone()).collect();
        tenants.extend(values.iter().map(|value| value.tenant.clone()));
        let mut texts: Vec<String> = pairs.iter().map(|pair| pair.what.1.clone()).collect();
        texts.extend(values.iter().map(|value| value.what.value.to_ascii_lowercase()));
        for looked_for in [&mut tenants, &mut texts] {
            looked_for.sort_unstable();
            looked_for.dedup();
        }
        source.each_line(|line| {
            if !tenants.iter().any(|tenant| line.contains(tenant)) {
                return Ok(());
            }
            let lower = line.to_ascii_lowercase();
            if !texts.iter().any(|text| lower.contains(text)) {
                return Ok(());
            }
            let (event, all) = (Event::parse(line)?, serde_json::from_str(line).while_doing("an event")?);
            count_pairs(&mut pairs, &event.tenant, &(plan.prose)(&event), &all);
            count_values(&mut values, &event.tenant, &lower, &all);
            Ok(())
        })?;
        Ok(Self { pairs: Candidate::alike(pairs), values: Candidate::alike(values) })
    }
}

/// Two words are there narrowly when prose has them, widely when any text does.
fn count_pairs(pairs: &mut [Candidate<Pair>], tenant: &str, prose: &HashSet<String>, event: &Value) {
    let mut all = HashSet::new();
    collect_words(event, &mut all);
    for Candidate { what: (first, second), narrow, wide, .. } in
        pairs.iter_mut().filter(|pair| pair.tenant == tenant)
    {
        *narrow += u64::from(prose.contains(first) && prose.contains(second));
        *wide += u64::from(all.contains(first) && all.contains(second));
    }
}

/// A value is there narrowly at the end of its path, widely behind arrays on the path too, and in upper or lower case.
fn count_values(values: &mut [Candidate<InMetadata>], tenant: &str, lower: &str, event: &Value) {
    let near = |value: &&mut Candidate<InMetadata>| {
        value.tenant == tenant && lower.contains(&value.what.value.to_ascii_lowercase())
    };
    let mut texts = None;
    for Candidate { what, narrow, wide, .. } in values.iter_mut().filter(near) {
        let texts = texts.get_or_insert_with(|| {
            let mut texts = Vec::new();
            each_text(&event["metadata"], "", false, &mut |path, text, in_array| {
                texts.push((path.to_owned(), text.to_owned(), in_array));
            });
            texts
        });
        let there = |exact: bool| {
            texts.iter().any(|(path, text, in_array)| {
                *path == what.path
                    && if exact {
                        !in_array && *text == what.value
                    } else {
                        text.eq_ignore_ascii_case(&what.value)
                    }
            })
        };
        *narrow += u64::from(there(true));
        *wide += u64::from(there(false));
    }
}

fn choose(plan: &Plan, seen: &Seen, alike: &Alike) -> Result<Chosen> {
    let Some((largest, of_largest)) = seen.largest(|_| true) else {
        fail!("there are no events of such a tenant")
    };
    let of = |tenant: &str| Condition { tenant: Some(tenant.to_owned()), ..Condition::default() };
    let between = |span: &Span| Condition {
        since: Some(span.since.clone()),
        until: Some(span.until.clone()),
        ..of(largest)
    };
    let mut asked = Asked { plan, largest, chosen: Chosen::default() };
    asked.add("latest 100", Ok(Ask::Page(of(largest))))?;
    let action =
        plan.action.map_or_else(|| of_largest.actions.most_frequent(), |action| Some(action.to_owned()));
    let action = Condition { action, ..between(&plan.long) };
    asked.add(&format!("action, {}", plan.long.name), Ok(Ask::Page(action)))?;
    let one_of = |what, count, counts: fn(&OfTenant) -> &Counts<String>| {
        let tenant = seen.largest(|of_tenant| !counts(of_tenant).is_empty());
        let (tenant, of_tenant) = tenant.unwrap_or((largest, of_largest));
        let found = counts(of_tenant).iter().map(|(key, count)| (key, *count));
        Ok((of(tenant), Some(nearest(what, count, found)?.clone())))
    };
    let actor = one_of("actor", ACTOR, |of_tenant| &of_tenant.actors);
    asked.add("rare actor", actor.map(|(of, actor)| Ask::Page(Condition { actor, ..of })))?;
    let target = one_of("target", TARGET, |of_tenant| &of_tenant.targets);
    asked.add("one target", target.map(|(of, target)| Ask::Page(Condition { target, ..of })))?;
    refused(&mut asked, seen)?;
    let address = one_of("address", ADDRESS, |of_tenant| &of_tenant.addresses);
    asked.add("address", address.map(|(of, address)| Ask::Page(Condition { address, ..of })))?;
    let pairs = alike.pairs.iter().map(|(tenant, pair, count)| ((tenant, pair), *count));
    let words = nearest("two words", TWO_WORDS, pairs);
    let words = words.map(|(tenant, (a, b))| Condition { words: vec![a.clone(), b.clone()], ..of(tenant) });
    asked.add("two words", words.map(Ask::Page))?;
    for span in [&plan.short, &plan.long] {
        asked.add(&format!("facets by action, {}", span.name), Ok(Ask::Facets(between(span))))?;
        asked.add(&format!("daily histogram, {}", span.name), Ok(Ask::Histogram(between(span))))?;
    }
    match &plan.middle {
        Some((name, middle)) => {
            let until = Some(middle.clone());
            asked.add(&format!("next page, {name}"), Ok(Ask::Next(Condition { until, ..of(largest) })))?;
        }
        None => asked.add("next page, middle", Err("too few events".into()))?,
    }
    asked
        .add("no match", Ok(Ask::Page(Condition { actor: Some("usr_nobody".to_owned()), ..of(largest) })))?;
    let values = alike.values.iter().map(|(tenant, value, count)| ((tenant, value), *count));
    let value = nearest("value of metadata", METADATA, values);
    let value = value.map(|(tenant, value)| Condition { metadata: Some(value.clone()), ..of(tenant) });
    asked.add("metadata value", value.map(Ask::Page))?;
    let mails = seen.emails.iter().filter(|(_, (_, tenants))| tenants.len() >= plan.mail_tenants);
    let email = nearest("mail", MAIL, mails.map(|(email, (count, _))| (email, *count)));
    let email = email.map(|email| Condition { email: Some(email.clone()), ..Condition::default() });
    asked.add("mail, all tenants", email.map(Ask::Page))?;
    let id = of_largest.ids.get(of_largest.ids.len() / 2).cloned().ok_or_else(|| "no id is plain".into());
    asked.add("by id", id.map(|id| Ask::One { tenant: largest.clone(), id }))?;
    asked.add(&format!("export, {}", plan.export.name), Ok(Ask::Export(between(&plan.export))))?;
    Ok(asked.chosen)
}

/// Two categories of the tenant and a status, or where it names no categories the status alone.
fn refused(asked: &mut Asked<'_>, seen: &Seen) -> Result<()> {
    let plan = asked.plan;
    let tenant = seen.largest(|of_tenant| !of_tenant.refused.is_empty());
    let mut by_status: BTreeMap<u16, Vec<(u64, Option<&String>)>> = BTreeMap::new();
    for ((status, category), count) in tenant.iter().flat_map(|(_, of_tenant)| &of_tenant.refused) {
        by_status.entry(*status).or_default().push((*count, category.as_ref()));
    }
    let sum = |counts: &Vec<(u64, Option<&String>)>| counts.iter().map(|(count, _)| count).sum::<u64>();
    let most = by_status.into_iter().max_by_key(|(status, counts)| (sum(counts), *status));
    let (Some((tenant, _)), Some((status, mut counts))) = (tenant, most) else {
        return asked.add("two categories and a status", Err("no status tells of an error".into()));
    };
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let categories: Vec<_> =
        counts.into_iter().filter_map(|(_, category)| category.cloned()).take(2).collect();
    let within = plan.status_within.as_ref();
    let condition = Condition {
        tenant: Some(tenant.clone()),
        status: Some(status),
        since: within.map(|span| span.since.clone()),
        until: within.map(|span| span.until.clone()),
        ..Condition::default()
    };
    let time = within.map(|span| format!(", {}", span.name)).unwrap_or_default();
    if categories.len() == 2 {
        let condition = Condition { categories, ..condition };
        return asked.add(&format!("two categories, status {status}{time}"), Ok(Ask::Page(condition)));
    }
    let none = "the tenant names no two categories, or has too few events: take another seed, or more";
    asked.add("two categories and a status", Err(none.into()))?;
    asked.add(&format!("status {status}{time}"), Ok(Ask::Page(condition)))
}

/// Questions in the making.
struct Asked<'a> {
    plan: &'a Plan,
    largest: &'a str,
    chosen: Chosen,
}

impl Asked<'_> {
    /// Adds a question, or that there is none.
    fn add(&mut self, name: &str, ask: Result<Ask>) -> Result<()> {
        match ask {
            Ok(ask) => {
                let other = ask.tenant().filter(|tenant| *tenant != self.largest);
                let tenant = other.map(|tenant| format!(", tenant {tenant}")).unwrap_or_default();
                self.chosen.questions.push(Question { name: format!("{name}{tenant}"), ask });
            }
            Err(error) => {
                require!(!self.plan.all_needed, "{name}: {error}");
                self.chosen.left_out.push(format!("{name}: {error}"));
            }
        }
        Ok(())
    }
}

/// What comes most nearly so often.
fn nearest<T: Ord + Copy>(what: &str, count: u64, counts: impl Iterator<Item = (T, u64)>) -> Result<T> {
    let found =
        counts.filter(|(_, found)| *found > 0).min_by_key(|(key, found)| (found.abs_diff(count), *key));
    found.map(|(key, _)| key).ok_or_else(|| format!("the events have no {what} to ask for").into())
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
