//! The right answers to questions, found by reading the events line by line.

use std::collections::{BTreeMap, HashSet};

use super::choice::{self, Plan};
use super::lines::Source;
use super::question::{Ask, Condition, Event, Expected, PAGE, Question, day, micros, words};
use crate::fault::{Result, While};

/// Events that a page's answer is compared with: far more than a page.
const COMPARED: usize = 20 * PAGE;

/// A question with what the events say.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) question: Question,
    pub(super) expected: Expected,
}

/// What is asked of events, and what they say.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) known: Vec<Known>,
    /// Questions that are not asked, as these events have nothing to ask for, and why.
    pub(super) left_out: Vec<String>,
    pub(super) events: u64,
    /// Of all lines.
    pub(super) bytes: u64,
}

impl Truth {
    /// Reads the events some times over.
    pub(super) fn of(source: &Source, plan: &Plan) -> Result<Self> {
        let choice::Chosen { questions, left_out } = choice::questions(source, plan)?;
        answer(source, questions, left_out)
    }
}

/// What was found for a question: times and ids, or counts.
#[derive(Default)]
struct Gathered {
    events: Vec<(i64, String)>,
    counts: BTreeMap<String, u64>,
}

impl Gathered {
    /// Takes an event; without `all` only the newest are kept.
    fn add(&mut self, event: (i64, String), all: bool) {
        self.events.push(event);
        if !all && self.events.len() >= 2 * COMPARED {
            self.newest();
        }
    }

    fn newest(&mut self) {
        self.events.sort_unstable_by(|a, b| b.cmp(a));
        self.events.truncate(COMPARED);
    }
}

fn answer(source: &Source, questions: Vec<Question>, left_out: Vec<String>) -> Result<Truth> {
    let mut found: Vec<Gathered> = questions.iter().map(|_| Gathered::default()).collect();
    let spans = questions.iter().map(|question| question.ask.span()).collect::<Result<Vec<_>>>()?;
    let (mut count, mut bytes) = (0, 0);
    source.each_line(|line| {
        (count, bytes) = (count + 1, bytes + line.len() as u64 + 1);
        let event = Event::parse(line)?;
        let at = micros(&event.occurred_at)?;
        for ((question, span), gathered) in questions.iter().zip(&spans).zip(&mut found) {
            if !span.contains(&at) || !question.ask.holds(&event, line)? {
                continue;
            }
            match question.ask {
                Ask::Facets(_) => *gathered.counts.entry(event.action.clone()).or_default() += 1,
                Ask::Histogram(_) => *gathered.counts.entry(day(at)).or_default() += 1,
                _ => gathered.add((at, event.id.clone()), matches!(question.ask, Ask::Export(_))),
            }
        }
        Ok(())
    })?;
    let known = questions.into_iter().zip(found).map(|(question, mut gathered)| {
        if !matches!(question.ask, Ask::Export(_)) {
            gathered.newest();
        }
        let Gathered { mut events, counts } = gathered;
        events.sort_unstable_by(|a, b| b.cmp(a));
        let expected = match question.ask {
            Ask::Facets(_) | Ask::Histogram(_) => Expected::Counts(counts),
            Ask::Page(_) => Expected::Events { events, first: 0, count: PAGE },
            Ask::Next(_) => Expected::Events { events, first: PAGE, count: PAGE },
            Ask::One { .. } => Expected::Events { events, first: 0, count: 1 },
            Ask::Export(_) => Expected::Events { events, first: 0, count: usize::MAX / 2 },
        };
        Known { question, expected }
    });
    Ok(Truth { known: known.collect(), left_out, events: count, bytes })
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
        let Self {
            tenant, action, actor, email, target, address, categories, status, words, metadata, ..
        } = self;
        let is =
            |wanted: &Option<String>, found: Option<&String>| wanted.is_none() || wanted.as_ref() == found;
        let holds = is(tenant, Some(&event.tenant))
            && is(action, Some(&event.action))
            && is(actor, event.actor.id.as_ref())
            && is(email, event.actor.email.as_ref())
            && is(address, event.context.ip.as_ref())
            && (target.is_none() || event.targets.iter().any(|found| found.id == *target))
            && (categories.is_empty()
                || event.category.as_ref().is_some_and(|found| categories.contains(found)))
            && (status.is_none() || event.request.status_code == *status);
        let holds = holds && metadata.as_ref().map_or(Ok(true), |wanted| wanted.holds(line))?;
        if !holds || words.is_empty() {
            return Ok(holds);
        }
        let mut all = HashSet::new();
        collect_words(&serde_json::from_str(line).while_doing("an event")?, &mut all);
        Ok(words.iter().all(|word| all.contains(word)))
    }
}

/// The words of all texts within a value, names of members apart.
pub(super) fn collect_words(value: &serde_json::Value, to: &mut HashSet<String>) {
    match value {
        serde_json::Value::String(text) => to.extend(words(text)),
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect_words(item, to)),
        serde_json::Value::Object(members) => members.values().for_each(|item| collect_words(item, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_page_the_newest_are_kept_however_many_match() {
        let mut gathered = Gathered::default();
        let many = 10 * i64::try_from(COMPARED).unwrap();
        for at in (0..many).map(|at| (at * 7_919) % many) {
            gathered.add((at, at.to_string()), false);
            assert!(gathered.events.len() < 2 * COMPARED);
        }
        gathered.newest();
        let times: Vec<i64> = gathered.events.iter().map(|event| event.0).collect();
        let newest: Vec<i64> = (0..many).rev().take(COMPARED).collect();
        assert_eq!(times, newest);
    }
}
