//! Random questions, each in the words of the API and as a tree that is evaluated without the code under test.

use super::events::{
    ACTIONS, ADDRESSES, Known, NUMBERS, PEOPLE, Rng, TAGS, TARGETS, TENANTS, TEXTS, any_receipt, any_time,
};
use super::naive;

/// One part of a question.
#[derive(Clone, Debug)]
pub(super) enum Part {
    And(Vec<Part>),
    Or(Vec<Part>),
    Not(Box<Part>),
    /// Path, operator and, as JSON, value.
    Leaf(String, &'static str, String),
    /// A path, and what one element there satisfies.
    Element(&'static str, Box<Part>),
    /// Words in a row.
    Words(Vec<String>),
    /// A part of any text or name.
    Mention(String),
}

/// A question: parameters, and what they mean together.
#[derive(Clone)]
pub(super) struct Question {
    parameters: Vec<(String, String)>,
    meaning: Vec<Part>,
}

const OPERATORS: [&str; 14] =
    ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "ieq", "ico", "isw", "iew", "pr"];

impl Question {
    pub(super) fn everything() -> Self {
        Self { parameters: Vec::new(), meaning: Vec::new() }
    }

    /// All with this operation.
    pub(super) fn with_operation(operation: &str) -> Self {
        let mut question = Self::everything();
        question.add("operation", vec![operation.to_owned()], leaf("operation", "eq", json(operation)));
        question
    }

    pub(super) fn any(rng: &mut Rng) -> Self {
        let mut question = Self::everything();
        if !rng.one_in(3) {
            let part = Part::any(rng, 3);
            question.parameters.push(("filter".to_owned(), part.text()));
            question.meaning.push(part);
        }
        for _ in 0..rng.below(3) {
            question.add_parameter(rng);
        }
        question
    }

    fn add_parameter(&mut self, rng: &mut Rng) {
        let at = any_time(rng);
        let (name, path, pool): (_, _, &[&str]) = match rng.below(11) {
            0 => ("action", "action", &ACTIONS),
            1 => ("actor_id", "actor.id", &PEOPLE),
            2 => ("targets_id", "targets.id", &TARGETS),
            3 => ("targets_type", "targets.type", &["video", "user"]),
            4 => ("operation", "operation", &["create", "read", "update", "delete", "other"]),
            5 => ("context_ip", "context.ip", &ADDRESSES),
            6 => return self.add("since", vec![at.clone()], leaf("occurred_at", "ge", json(&at))),
            // Both could make a range that is empty, which is refused.
            7 if self.parameters.iter().any(|(name, _)| name == "since") => return,
            7 => return self.add("until", vec![at.clone()], leaf("occurred_at", "lt", json(&at))),
            8 => {
                let code = rng.of(&["200", "404", "999"]).to_owned();
                let meaning = leaf("request.status_code", "eq", code.clone());
                return self.add("request_status_code", vec![code], meaning);
            }
            9 => {
                let mentions: Vec<String> = (0..1 + rng.below(2)).map(|_| some_part(rng)).collect();
                let any = mentions.iter().cloned().map(Part::Mention).collect();
                return self.add("mentions", mentions, Part::Or(any));
            }
            _ => {
                let (text, words) = some_words(rng);
                return self.add("q", vec![text], Part::Words(words));
            }
        };
        let values: Vec<String> = (0..1 + rng.below(2)).map(|_| rng.of(pool).to_owned()).collect();
        let any = values.iter().map(|value| leaf(path, "eq", json(value))).collect();
        self.add(name, values, Part::Or(any));
    }

    fn add(&mut self, name: &str, values: Vec<String>, meaning: Part) {
        let is_new = self.parameters.iter().all(|(known, _)| known != name);
        if is_new && !(name == "since" && self.parameters.iter().any(|(known, _)| known == "until")) {
            self.parameters.extend(values.into_iter().map(|value| (name.to_owned(), value)));
            self.meaning.push(meaning);
        }
    }

    pub(super) fn parameters(&self) -> Vec<(String, String)> {
        self.parameters.clone()
    }

    pub(super) fn text(&self) -> String {
        format!("{:?}", self.parameters)
    }

    pub(super) fn holds(&self, known: &Known) -> bool {
        naive::holds(&Part::And(self.meaning.clone()), &known.event, known)
    }
}

impl Part {
    fn any(rng: &mut Rng, depth: u64) -> Self {
        let kind = if depth == 0 { 9 } else { rng.below(10) };
        let some = |rng: &mut Rng| (0..2 + rng.below(2)).map(|_| Self::any(rng, depth - 1)).collect();
        match kind {
            0..3 => Self::And(some(rng)),
            3..5 => Self::Or(some(rng)),
            5 => Self::Not(Box::new(Self::any(rng, depth - 1))),
            6 if depth > 1 => Self::Element("targets", Box::new(Self::inside(rng, &["type", "id"]))),
            7 if depth > 1 => Self::Element("metadata.deep", Box::new(Self::inside(rng, &["x"]))),
            _ => Self::leaf(rng),
        }
    }

    /// A condition on members of one element.
    fn inside(rng: &mut Rng, names: &[&str]) -> Self {
        let one = |rng: &mut Rng| {
            let name = rng.of(names);
            let value = match name {
                "type" => json(rng.of(&["video", "user"])),
                "id" => json(rng.of(&TARGETS)),
                _ if rng.one_in(2) => rng.of(&NUMBERS).to_owned(),
                _ => json(rng.of(&TAGS)),
            };
            Self::Leaf(name.to_owned(), ["eq", "ne", "pr"][rng.index(3)], value)
        };
        let (first, second) = (one(rng), one(rng));
        match rng.below(4) {
            0 => first,
            1 => Self::Or(vec![first, second]),
            2 => Self::And(vec![first, Self::Not(Box::new(second))]),
            _ => Self::And(vec![first, second]),
        }
    }

    fn leaf(rng: &mut Rng) -> Self {
        let texts: &[(&str, &[&str])] = &[
            ("action", &ACTIONS),
            ("actor.id", &PEOPLE),
            ("actor.name", &PEOPLE),
            ("description", &TEXTS),
            ("targets.id", &TARGETS),
            ("targets.type", &["video", "user"]),
            ("context.ip", &ADDRESSES),
            ("metadata.tags", &TAGS),
            ("metadata.deep.x", &TAGS),
            ("metadata.\"odd.key\"", &["v", ""]),
            ("tenant", &TENANTS),
        ];
        let operator = OPERATORS[rng.index(OPERATORS.len())];
        let comparing =
            if matches!(operator, "eq" | "ne" | "gt" | "ge" | "lt" | "le") { operator } else { "ge" };
        match rng.below(16) {
            0..9 => {
                let (path, pool) = texts[rng.index(texts.len())];
                let whole: Vec<char> = rng.of(pool).chars().collect();
                let start = if rng.one_in(2) { 0 } else { rng.index(whole.len() + 1) };
                let end =
                    if rng.one_in(2) { whole.len() } else { start + rng.index(whole.len() - start + 1) };
                let mut value: String = whole[start..end.max(start)].iter().collect();
                if operator.starts_with('i') && rng.one_in(2) {
                    value = value.to_uppercase();
                }
                // An empty part of a text would be in every text: refused, as nobody means it.
                if value.is_empty() && !matches!(operator, "eq" | "ne") {
                    return Self::Leaf(path.to_owned(), "pr", String::new());
                }
                Self::Leaf(path.to_owned(), operator, json(&value))
            }
            9 => {
                let network = rng.of(&["203.0.113.0/25", "0.0.0.0/0", "2001:db8::/32", "10.1.2.3/32"]);
                Self::Leaf("context.ip".to_owned(), "cidr", json(network))
            }
            10 => Self::Leaf("metadata.n".to_owned(), comparing, rng.of(&NUMBERS).to_owned()),
            11 => Self::Leaf(
                "request.status_code".to_owned(),
                comparing,
                rng.of(&["200", "404", "300"]).to_owned(),
            ),
            12 => {
                let (path, at) = if rng.one_in(2) {
                    ("occurred_at", any_time(rng))
                } else {
                    ("received_at", any_receipt(rng))
                };
                Self::Leaf(path.to_owned(), comparing, json(&at))
            }
            13 => Self::Leaf("position".to_owned(), comparing, rng.below(40).to_string()),
            14 => Self::Leaf(
                rng.of(&["changes.complete", "metadata.\"odd.key\""]).to_owned(),
                if rng.one_in(2) { "eq" } else { "ne" },
                rng.of(&["true", "false", "null"]).to_owned(),
            ),
            _ => Self::Leaf(
                "operation".to_owned(),
                if rng.one_in(2) { "eq" } else { "ne" },
                json(rng.of(&["create", "update", "other"])),
            ),
        }
    }

    /// In the words of the grammar.
    fn text(&self) -> String {
        let joined = |parts: &[Self], word: &str| {
            let parts: Vec<String> = parts.iter().map(|part| format!("({})", part.text())).collect();
            parts.join(word)
        };
        match self {
            Self::And(parts) => joined(parts, " and "),
            Self::Or(parts) => joined(parts, " OR "),
            Self::Not(part) => format!("not ({})", part.text()),
            Self::Leaf(path, "pr", _) => format!("{path} pr"),
            Self::Leaf(path, operator, value) => format!("{path} {operator} {value}"),
            Self::Element(path, part) => format!("{path}[{}]", part.text()),
            Self::Words(_) | Self::Mention(_) => unreachable!("these stand in parameters of their own"),
        }
    }
}

/// A few words in a row of some text, as a phrase to ask for.
fn some_words(rng: &mut Rng) -> (String, Vec<String>) {
    let pools: [&[&str]; 5] = [&TEXTS[..6], &ACTIONS, &PEOPLE, &TAGS, &ADDRESSES];
    let pool = pools[rng.index(pools.len())];
    let words = naive::words(rng.of(pool));
    let start = rng.index(words.len());
    let end = start + 1 + rng.index((words.len() - start).min(3));
    let words = words[start..end].to_vec();
    (format!("\"{}\"", words.join(" ")), words)
}

fn leaf(path: &str, operator: &'static str, value: String) -> Part {
    Part::Leaf(path.to_owned(), operator, value)
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// A part of some text or name, in any case, in which something is that no number has.
fn some_part(rng: &mut Rng) -> String {
    const NAMES: [&str; 6] = ["actor", "status_code", "metadata", "deep", "description", "targets"];
    let pools: [&[&str]; 6] = [&TEXTS, &PEOPLE, &TARGETS, &TAGS, &ACTIONS, &NAMES];
    let pool = pools[rng.index(pools.len())];
    let letters: Vec<char> = rng.of(pool).chars().collect();
    loop {
        let from = rng.index(letters.len());
        let to = from + 1 + rng.index((letters.len() - from).min(8));
        let part: String = letters[from..to].iter().collect();
        if part.contains(|letter: char| !matches!(letter, '0'..='9' | 'e' | 'E' | '.' | '+' | '-')) {
            return if rng.one_in(3) { part.to_uppercase() } else { part };
        }
    }
}
