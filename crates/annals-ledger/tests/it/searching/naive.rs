//! What questions mean, written once more as plainly as can be.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use annals_event::Timestamp;
use serde_json::Value;

use super::events::Known;
use super::questions::Part;

pub(super) fn holds(part: &Part, root: &Value, known: &Known) -> bool {
    match part {
        Part::And(parts) => {
            let mut parts = flat(parts);
            // What is said of targets is said of one and the same target.
            let (of_targets, others): (Vec<_>, Vec<_>) =
                parts.drain(..).partition(|part| is_of_targets(part));
            let targets = root["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
            let one_target = of_targets.is_empty()
                || targets.iter().any(|target| of_targets.iter().all(|part| holds_for_target(part, target)));
            one_target && others.iter().all(|part| holds(part, root, known))
        }
        Part::Or(parts) => parts.iter().any(|part| holds(part, root, known)),
        Part::Not(part) => !holds(part, root, known),
        Part::Leaf(path, operator, value) => leaf(path, operator, value, root, known),
        Part::Element(path, part) => {
            let mut elements = Vec::new();
            values_at(root, &names(path), &mut elements);
            elements.iter().any(|element| holds(part, element, known))
        }
        Part::Mention(part) => {
            let part = folded(part);
            any_name(root, &mut |name| folded(name).contains(&part))
                || any_text(root, &mut |text| folded(text).contains(&part))
        }
        Part::Words(words) => any_text(root, &mut |text| contains_in_a_row(&self::words(text), words)),
    }
}

/// The parts of a conjunction, those of conjunctions inside it too.
fn flat(parts: &[Part]) -> Vec<&Part> {
    let mut all = Vec::new();
    for part in parts {
        match part {
            Part::And(inner) => all.extend(flat(inner)),
            part => all.push(part),
        }
    }
    all
}

fn is_of_targets(part: &Part) -> bool {
    match part {
        Part::And(parts) | Part::Or(parts) => parts.iter().all(is_of_targets),
        Part::Leaf(path, operator, value) => {
            path.starts_with("targets.") && *operator != "ne" && value != "null"
        }
        _ => false,
    }
}

fn holds_for_target(part: &Part, target: &Value) -> bool {
    match part {
        Part::And(parts) => parts.iter().all(|part| holds_for_target(part, target)),
        Part::Or(parts) => parts.iter().any(|part| holds_for_target(part, target)),
        Part::Leaf(path, operator, value) => {
            let name = path.strip_prefix("targets.").unwrap();
            let found: Vec<&Value> = target.get(name).into_iter().collect();
            found.iter().any(|found| passes(found, operator, value))
        }
        _ => unreachable!("the caller looked"),
    }
}

fn names(path: &str) -> Vec<&str> {
    match path.strip_suffix(".\"odd.key\"") {
        Some(before) => vec![before, "odd.key"],
        None => path.split('.').collect(),
    }
}

/// All values at the path, whatever arrays stand in between.
fn values_at<'a>(value: &'a Value, names: &[&str], out: &mut Vec<&'a Value>) {
    if let Some(items) = value.as_array() {
        items.iter().for_each(|item| values_at(item, names, out));
    } else if let [name, rest @ ..] = names {
        value.get(name).into_iter().for_each(|member| values_at(member, rest, out));
    } else {
        out.push(value);
    }
}

fn leaf(path: &str, operator: &str, value: &str, root: &Value, known: &Known) -> bool {
    match operator {
        "ne" if value == "null" => return leaf(path, "pr", value, root, known),
        "eq" if value == "null" => return !leaf(path, "pr", value, root, known),
        "ne" => return !leaf(path, "eq", value, root, known),
        _ => {}
    }
    let time = |at: Timestamp| {
        let other = Timestamp::parse(value.trim_matches('"')).unwrap();
        compares(at.cmp(&other), operator)
    };
    match path {
        "occurred_at" => time(known.occurred_at()),
        "received_at" => time(known.received_at()),
        "operation" => passes(&known.operation().into(), operator, value),
        "tenant" => passes(&known.tenant().into(), operator, value),
        "position" => passes(&known.position().into(), operator, value),
        _ => {
            let mut values = Vec::new();
            values_at(root, &names(path), &mut values);
            values.iter().any(|found| passes(found, operator, value))
        }
    }
}

fn passes(found: &Value, operator: &str, value: &str) -> bool {
    if operator == "pr" {
        return match found {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => true,
        };
    }
    let value: Value = serde_json::from_str(value).unwrap();
    match (found, &value) {
        (Value::Bool(left), Value::Bool(right)) => operator == "eq" && left == right,
        (Value::Number(left), Value::Number(right)) => {
            let ordering = match (left.as_i64(), right.as_i64()) {
                (Some(left), Some(right)) => left.cmp(&right),
                _ => left.as_f64().unwrap().partial_cmp(&right.as_f64().unwrap()).unwrap(),
            };
            compares(ordering, operator)
        }
        (Value::String(left), Value::String(right)) => match operator {
            "co" => left.contains(right),
            "sw" => left.starts_with(right),
            "ew" => left.ends_with(right),
            "ieq" => folded(left) == folded(right),
            "ico" => folded(left).contains(&folded(right)),
            "isw" => folded(left).starts_with(&folded(right)),
            "iew" => folded(left).ends_with(&folded(right)),
            "cidr" => is_within(left, right),
            _ => compares(left.chars().cmp(right.chars()), operator),
        },
        _ => false,
    }
}

fn compares(ordering: std::cmp::Ordering, operator: &str) -> bool {
    match operator {
        "eq" => ordering.is_eq(),
        "gt" => ordering.is_gt(),
        "ge" => ordering.is_ge(),
        "lt" => ordering.is_lt(),
        "le" => ordering.is_le(),
        _ => false,
    }
}

/// Bit by bit.
fn is_within(text: &str, network: &str) -> bool {
    let bits = |address: IpAddr| -> String {
        match address.to_canonical() {
            IpAddr::V4(address) => format!("4{:032b}", u32::from(address)),
            IpAddr::V6(address) => format!("6{:0128b}", u128::from(address)),
        }
    };
    let (base, length) = network.split_once('/').unwrap();
    let length: usize = length.parse().unwrap();
    let base = bits(base.parse().unwrap());
    text.parse().is_ok_and(|address| bits(address).starts_with(&base[..=length]))
}

/// Right for the letters of these tests.
fn folded(text: &str) -> String {
    text.replace("e\u{301}", "\u{e9}")
        .replace("E\u{301}", "\u{c9}")
        .to_uppercase()
        .to_lowercase()
        .replace('ς', "σ")
}

/// The words of a text, right for the letters of these tests.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in folded(text).chars() {
        if stands_alone(letter.encode_utf8(&mut [0; 4])) {
            words.extend([letter.to_string(), String::new()]);
        } else if letter.is_alphanumeric() {
            words.last_mut().unwrap().push(letter);
        } else {
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Chinese and Japanese characters are words by themselves here.
fn stands_alone(word: &str) -> bool {
    word.chars().all(|letter| ('\u{3040}'..='\u{9fff}').contains(&letter))
}

fn contains_in_a_row(words: &[String], row: &[String]) -> bool {
    words.windows(row.len()).any(|window| window == row)
}

fn any_text(value: &Value, f: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::String(text) => f(text),
        Value::Array(items) => items.iter().any(|item| any_text(item, f)),
        Value::Object(members) => members.values().any(|member| any_text(member, f)),
        _ => false,
    }
}

fn any_name(value: &Value, f: &mut dyn FnMut(&str) -> bool) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| any_name(item, f)),
        Value::Object(members) => members.iter().any(|(name, member)| f(name) || any_name(member, f)),
        _ => false,
    }
}

/// How many records have which value, the most frequent first, and how many have none.
pub(super) fn count(records: &[&Known], path: &str) -> (Vec<(String, u64)>, u64) {
    let (mut counts, mut missing) = (BTreeMap::<String, u64>::new(), 0);
    for known in records {
        let mut values = Vec::new();
        let (operation, tenant) = (known.operation().into(), known.tenant().into());
        match path {
            "operation" => values.push(&operation),
            "tenant" => values.push(&tenant),
            _ => values_at(&known.event, &names(path), &mut values),
        }
        let values: BTreeSet<String> = values.iter().map(ToString::to_string).collect();
        missing += u64::from(values.is_empty());
        values.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
    }
    let mut counts: Vec<(String, u64)> = counts.into_iter().collect();
    counts.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    (counts, missing)
}
