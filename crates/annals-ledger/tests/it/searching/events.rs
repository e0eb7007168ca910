//! Random events, few enough of each kind that questions meet them.

use annals_event::Timestamp;
use annals_ledger::{FeedScope, Record};
use serde_json::Value;

pub(crate) const TENANTS: [&str; 3] = ["acme", "globex", "Tiny_1"];

pub(super) const ACTIONS: [&str; 6] =
    ["video.update", "video.delete", "user.login", "invoice.approve", "Straße.öffnen", "s3.GetObject"];
pub(super) const PEOPLE: [&str; 6] = ["u1", "u2", "Ana", "STRASSE", "Zoe\u{301}", "名前"];
pub(super) const TARGETS: [&str; 5] = ["v9", "v10", "inv\\1", "q\"uote", "пётр"];
pub(super) const TEXTS: [&str; 7] = [
    "Ana renamed a video",
    "the STRASSE was opened by Zo\u{e9}",
    "日本語の説明 and more",
    "e-mail from ana@example.com, re: invoice 4711",
    "ΟΔΥΣΣΕΥΣ went home",
    "nothing_to see.here",
    "👩‍🚀 flew",
];
pub(super) const ADDRESSES: [&str; 6] =
    ["203.0.113.7", "203.0.113.200", "::ffff:203.0.113.9", "2001:db8::1", "AWS Internal", "10.1.2.3"];
pub(super) const NUMBERS: [&str; 8] =
    ["0", "-0", "1", "1.0", "10e-1", "9007199254740993", "9007199254740992", "-2.5"];
pub(super) const TAGS: [&str; 4] = ["red", "RED", "green", "no/ice"];

/// `SplitMix64`, by Steele, Lea and Flood.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub(crate) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(crate) fn of<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.index(values.len())]
    }
}

/// An instant of a few days, often the same one twice.
pub(super) fn any_time(rng: &mut Rng) -> String {
    let us = 1_794_700_000_000_000 + i64::try_from(rng.below(40) * 7_200_000_000 + rng.below(2)).unwrap();
    Timestamp::from_micros(us).unwrap().to_string()
}

/// An instant among those at which the tests' clock has events received.
pub(super) fn any_receipt(rng: &mut Rng) -> String {
    let us = 1_795_000_000_000_000 + i64::try_from(rng.below(40) * 25_000_000).unwrap();
    Timestamp::from_micros(us).unwrap().to_string()
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// An event as it is sent.
pub(super) fn any(rng: &mut Rng) -> String {
    let mut members = vec![format!(r#""action":{}"#, quoted(rng.of(&ACTIONS)))];
    let name = if rng.one_in(2) { format!(r#","name":{}"#, quoted(rng.of(&PEOPLE))) } else { String::new() };
    members.push(format!(r#""actor":{{"id":{}{name}}}"#, quoted(rng.of(&PEOPLE))));
    if !rng.one_in(4) {
        members.push(format!(r#""occurred_at":"{}""#, any_time(rng)));
    }
    if rng.one_in(3) {
        members.push(format!(r#""operation":"{}""#, rng.of(&["create", "read", "other"])));
    }
    if !rng.one_in(3) {
        members.push(format!(r#""description":{}"#, quoted(rng.of(&TEXTS))));
    }
    if rng.one_in(2) {
        members.push(format!(r#""context":{{"ip":"{}"}}"#, rng.of(&ADDRESSES)));
    }
    if rng.one_in(2) {
        members.push(format!(r#""request":{{"status_code":{}}}"#, rng.of(&["200", "404", "500", "204"])));
    }
    let targets: Vec<String> = (0..rng.below(4))
        .map(|_| format!(r#"{{"type":"{}","id":{}}}"#, rng.of(&["video", "user"]), quoted(rng.of(&TARGETS))))
        .collect();
    members.push(format!(r#""targets":[{}]"#, targets.join(",")));
    if rng.one_in(2) {
        let tags: Vec<String> = (0..rng.below(3)).map(|_| quoted(rng.of(&TAGS))).collect();
        members.push(format!(
            r#""metadata":{{"n":{},"tags":[{}],"odd.key":{},"deep":[{{"x":{}}},{{"x":[{}]}}]}}"#,
            rng.of(&NUMBERS),
            tags.join(","),
            rng.of(&["null", "true", "\"\"", "\"v\"", "{}", "[]"]),
            rng.of(&NUMBERS),
            quoted(rng.of(&TAGS)),
        ));
    }
    if rng.one_in(4) {
        members.push(format!(r#""changes":{{"complete":{}}}"#, rng.one_in(2)));
    }
    format!("{{{}}}", members.join(","))
}

/// A record, read into values that others' code understands.
pub(super) struct Known {
    record: Record,
    pub(super) event: Value,
}

impl Known {
    pub(super) fn new(record: Record) -> Self {
        let event = serde_json::from_slice(&record.event).unwrap();
        Self { record, event }
    }

    pub(super) fn is_in(&self, scope: &FeedScope) -> bool {
        match scope {
            FeedScope::All => true,
            FeedScope::Log(log) => log.tenant == self.record.tenant,
        }
    }

    pub(super) fn is_ours(&self) -> bool {
        self.event["action"].as_str().unwrap().starts_with("annals.")
    }

    pub(super) fn number(&self, scope: &FeedScope) -> u64 {
        match scope {
            FeedScope::All => self.record.seq.unwrap().0,
            FeedScope::Log(_) => self.record.position.0,
        }
    }

    /// Tenant and position.
    pub(super) fn name(&self) -> (String, u64) {
        (self.tenant().to_owned(), self.record.position.0)
    }

    pub(super) fn tenant(&self) -> &str {
        self.record.tenant.as_str()
    }

    pub(super) fn position(&self) -> u64 {
        self.record.position.0
    }

    pub(super) fn occurred_at(&self) -> Timestamp {
        let sent = self.event["occurred_at"].as_str().map(|text| text.parse().unwrap());
        sent.unwrap_or(self.record.received_at)
    }

    pub(super) fn received_at(&self) -> Timestamp {
        self.record.received_at
    }

    pub(super) fn operation(&self) -> &str {
        self.event["operation"].as_str().unwrap_or(self.record.operation.as_str())
    }

    pub(super) fn status_code(&self) -> i64 {
        self.event["request"]["status_code"].as_i64().unwrap_or(-1)
    }
}
