//! How long a tenant's records are kept: rules, the classes that they give, and how long a class is kept when.
//!
//! A record gets its class when it is applied, and its leaf covers it. So a rule decides about records that come after it, and a
//! change of a class's period about all that ever got the class: at once where it becomes longer, and 7 days after the log says so
//! where it becomes shorter. A class has the name of its rule and is never given to another; class 0 is kept for ever.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::batch::LogKind;

/// Most rules of a tenant at once.
pub const RETENTION_RULES_MAX: usize = 32;

/// Most classes of a tenant, those of rules that are gone among them: all of them must have room in one statement.
pub const RETENTION_CLASSES_MAX: usize = 128;

/// Longest name of a rule, bytes.
pub const RETENTION_NAME_BYTES_MAX: usize = 48;

/// Longest category or beginning of an action in a rule, bytes.
pub const RETENTION_CONDITION_BYTES_MAX: usize = 96;

/// Longest period, hours: 100 years.
pub const RETENTION_HOURS_MAX: u32 = 100 * 366 * 24;

/// A period becomes shorter so long after the log says so, hours.
pub const SHORTENING_HOURS: u32 = 7 * 24;

/// An hour, µs.
pub(crate) const HOUR_US: i64 = 3_600_000_000;

/// Which of a tenant's logs a rule speaks of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionLog {
    /// That of its events.
    #[default]
    Events,
    /// That of who read them.
    Access,
}

impl RetentionLog {
    fn is_events(&self) -> bool {
        *self == Self::Events
    }

    fn of(kind: LogKind) -> Self {
        match kind {
            LogKind::Tenant => Self::Events,
            LogKind::Access => Self::Access,
        }
    }
}

/// How long some of a tenant's records are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionRule {
    /// Names the class: `a–z 0–9 - _ .`, at most [`RETENTION_NAME_BYTES_MAX`].
    pub name: String,
    /// From the time of receipt on, 1 to [`RETENTION_HOURS_MAX`].
    pub hours: u32,
    /// Only records with this category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Only records whose action begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Records of which log.
    #[serde(default, skip_serializing_if = "RetentionLog::is_events")]
    pub log: RetentionLog,
}

/// Why rules cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct RetentionError {
    /// Which rule, counted from 0, and which of its members; none where all together are meant.
    pub at: Option<(usize, &'static str)>,
    /// For people: the thing first, then what is wrong with it.
    pub problem: String,
}

/// Checks what can be said of rules by themselves.
///
/// # Errors
///
/// [`RetentionError`] for the first thing that is wrong.
pub fn check_retention(rules: &[RetentionRule]) -> Result<(), RetentionError> {
    if rules.len() > RETENTION_RULES_MAX {
        let problem = format!("there are {} rules, at most {RETENTION_RULES_MAX} are allowed", rules.len());
        return Err(RetentionError { at: None, problem });
    }
    for (index, rule) in rules.iter().enumerate() {
        let wrong = |member, problem: String| Err(RetentionError { at: Some((index, member)), problem });
        let is_name = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
        };
        if !(1..=RETENTION_NAME_BYTES_MAX).contains(&rule.name.len()) || !rule.name.bytes().all(is_name) {
            return wrong(
                "name",
                format!("a rule's name must have 1 to {RETENTION_NAME_BYTES_MAX} of `a–z 0–9 - _ .`"),
            );
        }
        if rule.hours == 0 {
            return wrong("keep", format!("rule `{}` keeps records for less than an hour", rule.name));
        }
        if rule.hours > RETENTION_HOURS_MAX {
            return wrong("keep", format!("rule `{}` keeps records for more than 100 years", rule.name));
        }
        for (member, text) in [("category", &rule.category), ("action", &rule.action)] {
            let is_good = |text: &String| {
                (1..=RETENTION_CONDITION_BYTES_MAX).contains(&text.len())
                    && !text.chars().any(char::is_control)
            };
            if !text.as_ref().is_none_or(is_good) {
                let problem = format!(
                    "rule `{}`: `{member}` must have 1 to {RETENTION_CONDITION_BYTES_MAX} bytes and no control characters",
                    rule.name
                );
                return wrong(member, problem);
            }
        }
        for other in &rules[..index] {
            if other.name == rule.name {
                return wrong("name", format!("two rules are called `{}`", rule.name));
            }
            if (other.log, &other.action, &other.category) == (rule.log, &rule.action, &rule.category) {
                let problem = format!("rules `{}` and `{}` speak of the same records", other.name, rule.name);
                return wrong("action", problem);
            }
        }
    }
    Ok(())
}

/// A tenant's rules and classes: a fold over what was set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionTable {
    /// Those in force for new records, the one that counts first in front.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    rules: Vec<Matching>,
    /// All that were ever given, by number.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    classes: BTreeMap<u16, Class>,
}

/// Which records get a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Matching {
    class: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(default, skip_serializing_if = "RetentionLog::is_events")]
    log: RetentionLog,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Class {
    name: String,
    hours: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shortens: Option<Shortening>,
}

/// A period that is to become shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shortening {
    hours: u32,
    /// From when on, µs since 1970; none before the log says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_us: Option<i64>,
}

/// A class, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetentionClass {
    /// Its number, from 1.
    pub class: u16,
    /// Its name.
    pub name: String,
    /// How long its records are kept, hours.
    pub hours: u32,
    /// How long they are kept later, hours, and from when on, µs since 1970; the latter is none until the log says so.
    pub shortens: Option<(u32, Option<i64>)>,
    /// Which new records get it; none where its rule is gone.
    pub rule: Option<RetentionRule>,
}

impl Class {
    fn hours_at(&self, at_us: i64) -> u32 {
        match self.shortens {
            Some(Shortening { hours, from_us: Some(from) }) if from <= at_us => hours,
            _ => self.hours,
        }
    }

    fn set(&mut self, hours: u32, at_us: i64) {
        self.hours = self.hours_at(at_us);
        let pending = self.shortens.take().filter(|pending| pending.hours < self.hours);
        if hours >= self.hours {
            self.hours = hours;
            return;
        }
        self.shortens = Some(match pending {
            // It was said already that it becomes at least as short.
            Some(pending) if pending.hours <= hours => Shortening { hours, ..pending },
            _ => Shortening { hours, from_us: None },
        });
    }
}

/// What is looked at of an event.
#[derive(Deserialize)]
struct Sorted<'a> {
    #[serde(borrow, default)]
    action: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    category: Option<Cow<'a, str>>,
}

impl RetentionTable {
    pub(crate) fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// Puts rules in the place of those that were, at a time.
    ///
    /// # Errors
    ///
    /// [`RetentionError`]; nothing is changed then.
    pub(crate) fn set(&mut self, rules: &[RetentionRule], at_us: i64) -> Result<(), RetentionError> {
        check_retention(rules)?;
        let mut next = self.clone();
        next.rules.clear();
        for rule in rules {
            let known =
                next.classes.iter().find(|(_, class)| class.name == rule.name).map(|(class, _)| *class);
            let class = match known {
                Some(class) => class,
                None => next.new_class(rule)?,
            };
            next.classes.get_mut(&class).expect("it was found or made").set(rule.hours, at_us);
            let RetentionRule { category, action, log, .. } = rule.clone();
            next.rules.push(Matching { class, category, action, log });
        }
        // No two rules of a log have all of this in common.
        next.rules.sort_by_key(|rule| {
            let length = rule.action.as_ref().map_or(0, String::len);
            (rule.log, std::cmp::Reverse((length, rule.category.is_some())), rule.class)
        });
        *self = next;
        Ok(())
    }

    fn new_class(&mut self, rule: &RetentionRule) -> Result<u16, RetentionError> {
        if self.classes.len() >= RETENTION_CLASSES_MAX {
            let problem = format!(
                "the tenant had {RETENTION_CLASSES_MAX} rules by other names, and records of theirs are kept; take one of their names"
            );
            return Err(RetentionError { at: None, problem });
        }
        let class = self.classes.keys().next_back().map_or(0, |last| *last) + 1;
        let made = Class { name: rule.name.clone(), hours: rule.hours, shortens: None };
        self.classes.insert(class, made);
        Ok(class)
    }

    /// The log says what the table is, at a time.
    pub(crate) fn told(&mut self, at_us: i64) {
        let from = at_us.saturating_add(i64::from(SHORTENING_HOURS) * HOUR_US);
        for shortens in self.classes.values_mut().filter_map(|class| class.shortens.as_mut()) {
            shortens.from_us.get_or_insert(from);
        }
    }

    /// The class of a new event.
    pub(crate) fn class_of(&self, kind: LogKind, event: &[u8]) -> u16 {
        let log = RetentionLog::of(kind);
        let mut rules = self.rules.iter().filter(|rule| rule.log == log).peekable();
        let Some(first) = rules.peek() else { return 0 };
        if first.action.is_none() && first.category.is_none() {
            return first.class;
        }
        let sorted = serde_json::from_slice(event).unwrap_or(Sorted { action: None, category: None });
        let (action, category) = (sorted.action.as_deref(), sorted.category.as_deref());
        let is_it = |rule: &&Matching| {
            rule.action.as_deref().is_none_or(|start| action.is_some_and(|action| action.starts_with(start)))
                && rule.category.as_deref().is_none_or(|asked| category == Some(asked))
        };
        rules.find(is_it).map_or(0, |rule| rule.class)
    }

    /// Its classes.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = u16> + '_ {
        self.classes.keys().copied()
    }

    /// How long records of a class are kept as of a time; none for a class that is kept for ever.
    pub(crate) fn hours_at(&self, class: u16, at_us: i64) -> Option<u32> {
        self.classes.get(&class).map(|class| class.hours_at(at_us))
    }

    /// When a class is to be kept shorter than at a time, µs since 1970, if that is known.
    pub(crate) fn shortens_at(&self, class: u16, at_us: i64) -> Option<i64> {
        self.classes.get(&class)?.shortens?.from_us.filter(|from| *from > at_us)
    }

    /// All classes, by number, as of a time.
    pub(crate) fn classes_at(&self, at_us: i64) -> Vec<RetentionClass> {
        let told = self.classes.iter().map(|(&number, class)| {
            let hours = class.hours_at(at_us);
            let shortens = class.shortens.filter(|shortens| shortens.hours < hours);
            let matching = self.rules.iter().find(|rule| rule.class == number).cloned();
            RetentionClass {
                class: number,
                name: class.name.clone(),
                hours,
                shortens: shortens.map(|shortens| (shortens.hours, shortens.from_us)),
                rule: matching.map(|Matching { category, action, log, .. }| RetentionRule {
                    name: class.name.clone(),
                    hours: shortens.map_or(hours, |shortens| shortens.hours),
                    category,
                    action,
                    log,
                }),
            }
        });
        told.collect()
    }
}

/// Rules for a purpose.
#[derive(Clone, Copy, Debug)]
pub struct RetentionPreset {
    /// What it is called.
    pub name: &'static str,
    /// Hours of events, and of the access log.
    pub hours: (u32, u32),
    /// What it is meant for.
    pub about: &'static str,
}

/// Rules for purposes that are known. None of this is advice on law.
pub const RETENTION_PRESETS: &[RetentionPreset] = &[
    RetentionPreset {
        name: "pci-12-months",
        hours: (366 * 24, 366 * 24),
        about: "PCI DSS v4.0, requirement 10.5.1: audit log history for at least 12 months",
    },
    RetentionPreset {
        name: "sox-7-years",
        hours: (2_557 * 24, 2_557 * 24),
        about: "17 CFR 210.2-06, made under the Sarbanes-Oxley Act: records of audits and reviews for 7 years",
    },
    RetentionPreset {
        name: "hipaa-6-years",
        hours: (2_192 * 24, 2_192 * 24),
        about: "45 CFR 164.316(b)(2)(i), HIPAA: documentation for 6 years",
    },
    RetentionPreset {
        name: "gdpr-6-months",
        hours: (183 * 24, 183 * 24),
        about: "GDPR, Article 5(1)(e), names no period, only no longer than necessary: a short one to begin with",
    },
    RetentionPreset {
        name: "gdpr-12-months",
        hours: (366 * 24, 183 * 24),
        about: "GDPR, Article 5(1)(e), as above: a year of events, half a year of who read them",
    },
];

impl RetentionPreset {
    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> Vec<RetentionRule> {
        let rule =
            |name: String, hours, log| RetentionRule { name, hours, category: None, action: None, log };
        vec![
            rule(self.name.to_owned(), self.hours.0, RetentionLog::Events),
            rule(format!("{}-access", self.name), self.hours.1, RetentionLog::Access),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * HOUR_US;

    fn rule(name: &str, days: u32) -> RetentionRule {
        RetentionRule {
            name: name.to_owned(),
            hours: days * 24,
            category: None,
            action: None,
            log: RetentionLog::Events,
        }
    }

    fn class(table: &RetentionTable, action: &str, category: &str) -> u16 {
        table.class_of(
            LogKind::Tenant,
            format!(r#"{{"action":"{action}","category":"{category}","n":1e999}}"#).as_bytes(),
        )
    }

    #[test]
    fn the_longest_action_counts_first_then_the_category_then_what_is_for_all() {
        let all = rule("all", 10);
        let auth = RetentionRule { category: Some("auth".to_owned()), ..rule("auth", 20) };
        let user = RetentionRule { action: Some("user.".to_owned()), ..rule("user", 30) };
        let login = RetentionRule { action: Some("user.login".to_owned()), ..rule("login", 40) };
        let both = RetentionRule {
            category: Some("auth".to_owned()),
            ..RetentionRule { name: "both".to_owned(), ..user.clone() }
        };
        let access = RetentionRule { log: RetentionLog::Access, ..rule("access", 1) };
        let mut table = RetentionTable::default();
        assert_eq!(class(&table, "user.login", "auth"), 0, "without rules all is kept");
        table.set(&[all, auth, user, login, both, access], 0).unwrap();
        assert_eq!(class(&table, "user.login.failed", "x"), 4);
        assert_eq!(class(&table, "user.logout", "auth"), 5);
        assert_eq!(class(&table, "user.logout", "x"), 3);
        assert_eq!(class(&table, "video.play", "auth"), 2);
        assert_eq!(class(&table, "video.play", "x"), 1);
        assert_eq!(table.class_of(LogKind::Access, b"{}"), 6);
        let stored = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<RetentionTable>(&stored).unwrap(), table);
    }

    #[test]
    fn a_class_keeps_its_number_and_its_period_when_its_rule_goes_and_comes_back() {
        let mut table = RetentionTable::default();
        table.set(&[rule("a", 10)], 0).unwrap();
        table.set(&[rule("b", 5)], DAY).unwrap();
        assert_eq!(class(&table, "x", "x"), 2);
        assert_eq!(table.hours_at(1, DAY), Some(240));
        table.set(&[], DAY).unwrap();
        assert_eq!(class(&table, "x", "x"), 0);
        table
            .set(&[rule("c", 1), RetentionRule { action: Some("y".to_owned()), ..rule("a", 12) }], DAY)
            .unwrap();
        assert_eq!((class(&table, "x", "x"), class(&table, "y", "x")), (3, 1));
        assert_eq!(table.hours_at(1, DAY), Some(288));
        assert_eq!(table.hours_at(0, DAY), None);
    }

    #[test]
    fn a_period_grows_at_once_and_shrinks_seven_days_after_the_log_says_so() {
        let mut table = RetentionTable::default();
        let days = |table: &RetentionTable, at: i64| table.hours_at(1, at * DAY).unwrap() / 24;
        table.set(&[rule("a", 10)], 0).unwrap();
        table.set(&[rule("a", 30)], DAY).unwrap();
        assert_eq!(days(&table, 1), 30);
        table.set(&[rule("a", 5)], 2 * DAY).unwrap();
        assert_eq!(days(&table, 2_000), 30, "nobody was told");
        table.told(3 * DAY);
        assert_eq!((days(&table, 9), days(&table, 10)), (30, 5));
        // Less of a shortening comes when the larger one would have; more of it after another week.
        table.set(&[rule("a", 8)], 4 * DAY).unwrap();
        assert_eq!((days(&table, 9), days(&table, 10)), (30, 8));
        table.set(&[rule("a", 2)], 5 * DAY).unwrap();
        table.told(6 * DAY);
        assert_eq!((days(&table, 12), days(&table, 13)), (30, 2));
        // Once in force it is what others are held against.
        table.set(&[rule("a", 3)], 20 * DAY).unwrap();
        assert_eq!(days(&table, 20), 3);
        table.set(&[rule("a", 3)], 21 * DAY).unwrap();
        assert_eq!(table.classes_at(21 * DAY)[0].shortens, None);
    }

    #[test]
    fn rules_that_cannot_be_are_named() {
        let told = |rules: &[RetentionRule]| check_retention(rules).unwrap_err();
        let at = |rules: &[RetentionRule]| told(rules).at;
        assert_eq!(at(&[rule("A", 1)]), Some((0, "name")));
        assert_eq!(at(&[rule("a", 0)]), Some((0, "keep")));
        assert_eq!(at(&[rule("a", 40_000)]), Some((0, "keep")));
        assert_eq!(at(&[rule("a", 1), rule("a", 2)]), Some((1, "name")));
        assert_eq!(at(&[rule("a", 1), rule("b", 2)]), Some((1, "action")));
        assert!(
            told(&[rule("a", 1), rule("b", 2)]).problem.contains("`a` and `b` speak of the same records")
        );
        let odd = RetentionRule { category: Some("a\nb".to_owned()), ..rule("a", 1) };
        assert_eq!(at(&[odd]), Some((0, "category")));
        let many: Vec<_> = (0..33)
            .map(|n| RetentionRule { action: Some(format!("a{n}")), ..rule(&format!("r{n}"), 1) })
            .collect();
        assert_eq!(at(&many), None);
        let mut table = RetentionTable::default();
        for n in 0..RETENTION_CLASSES_MAX {
            table.set(&[rule(&format!("r{n}"), 1)], 0).unwrap();
        }
        assert!(
            table.set(&[rule("one-more", 1)], 0).unwrap_err().problem.contains("take one of their names")
        );
        assert!(table.set(&[rule("r7", 1)], 0).is_ok());
    }

    #[test]
    fn presets_are_rules() {
        for preset in RETENTION_PRESETS {
            check_retention(&preset.rules()).unwrap();
        }
    }

    #[test]
    fn a_preset_keeps_for_as_long_as_its_name_says() {
        let mut told = 0;
        for preset in RETENTION_PRESETS {
            let words: Vec<&str> = preset.name.split('-').collect();
            let days = words.windows(2).find_map(|pair| {
                let number: u32 = pair[0].parse().ok()?;
                match pair[1] {
                    // A year may be a leap year.
                    "years" => Some((number * 1461).div_ceil(4)),
                    "months" if number == 12 => Some(366),
                    "months" => Some(number * 30),
                    _ => None,
                }
            });
            let Some(days) = days else { continue };
            assert!(preset.hours.0 >= days * 24, "{}: {:?}", preset.name, preset.hours);
            told += 1;
        }
        assert!(told >= 2, "names say how long");
    }
}
