//! Random records, and segments of them in memory.

#![allow(dead_code, reason = "each test takes what it needs")]

use std::fmt::Write as _;

use annals_event::json::{Document, Kind, Limits as JsonLimits};
use annals_event::{Normalised, Rules, Scratch, TenantId, Timestamp, normalise};
use annals_segment::build::{Limits, LogName, Row, Rows, build_within};
use annals_segment::fate::{Fate, GONE};
use annals_segment::root::Root;
use annals_tree::{Counter, Hash, leaf_hash, node_hash};

/// A source of numbers that is the same for the same seed (SplitMix64).
#[derive(Clone, Debug)]
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    pub(crate) fn index(&mut self, n: usize) -> usize {
        usize::try_from(self.below(n as u64)).unwrap()
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn of<T: Copy>(&mut self, pool: &[T]) -> T {
        pool[self.index(pool.len())]
    }
}

/// A record, as it goes into a segment and must come back.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) position: u64,
    pub(crate) seq: Option<u64>,
    pub(crate) received_at: i64,
    pub(crate) occurred_at: Option<i64>,
    pub(crate) operation: u8,
    pub(crate) derived: bool,
    pub(crate) system: bool,
    pub(crate) stated: u8,
    pub(crate) class: u16,
    pub(crate) root: Root,
    pub(crate) counter: u16,
    pub(crate) leaf: Hash,
    pub(crate) id_hash: u64,
    pub(crate) event: Vec<u8>,
    pub(crate) fate: Option<Fate>,
}

impl Record {
    /// The client's time, or that of receipt.
    pub(crate) fn happened(&self) -> i64 {
        self.occurred_at.unwrap_or(self.received_at)
    }

    /// Changes a bit of its root.
    pub(crate) fn spoil_root(&mut self) {
        let mut name = self.root.name();
        name[31] ^= 1;
        self.root = Root::Whole(name);
    }

    /// Takes its event away.
    pub(crate) fn expire(&mut self, by: u64) {
        self.event = GONE.to_vec();
        self.occurred_at = None;
        self.operation = 8;
        self.derived = true;
        self.fate = Some(Fate::Expired { commitment: self.leaf, by, id_hash: self.id_hash });
        self.forget();
    }

    /// Puts another event in the place of its own, which has to have its id and time.
    pub(crate) fn erase(&mut self, event: Vec<u8>, what: Vec<u8>) {
        self.event = event;
        self.fate = Some(Fate::Erased(what.into()));
        self.forget();
    }

    /// Takes its secret from its root.
    pub(crate) fn forget(&mut self) {
        self.root = self.root.puncture(Counter::new(self.counter));
    }
}

/// A log's records, and the nodes of its tree that they complete.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    pub(crate) name: LogName,
    pub(crate) records: Vec<Record>,
    pub(crate) nodes: Vec<Hash>,
}

/// What a segment is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) logs: Vec<Log>,
}

impl Rows for Records {
    fn logs(&self) -> usize {
        self.logs.len()
    }

    fn log(&self, log: usize) -> LogName {
        self.logs[log].name.clone()
    }

    fn count(&self, log: usize) -> usize {
        self.logs[log].records.len()
    }

    fn row(&self, log: usize, n: usize) -> Row<'_> {
        let record = &self.logs[log].records[n];
        Row {
            position: record.position,
            seq: record.seq,
            received_at: record.received_at,
            occurred_at: record.occurred_at,
            operation: record.operation,
            derived: record.derived,
            system: record.system,
            stated: record.stated,
            class: record.class,
            root: record.root.lend(),
            counter: record.counter,
            leaf: record.leaf,
            id_hash: record.id_hash,
            event: &record.event,
            fate: record.fate.as_ref(),
        }
    }

    fn nodes(&self, log: usize) -> &[Hash] {
        &self.logs[log].nodes
    }
}

impl Records {
    /// How many records there are.
    pub(crate) fn len(&self) -> usize {
        self.logs.iter().map(|log| log.records.len()).sum()
    }

    /// All records in the order of rows, each with its log.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&LogName, &Record)> {
        self.logs.iter().flat_map(|log| log.records.iter().map(|record| (&log.name, record)))
    }

    /// The bytes of a segment of them.
    pub(crate) fn segment(&self) -> Vec<u8> {
        self.segment_within(Limits::default())
    }

    /// The bytes of a segment of them that takes no more shapes and paths than this.
    pub(crate) fn segment_within(&self, limits: Limits) -> Vec<u8> {
        let (bytes, length) = build_within(self, 0x5EED, limits, Vec::new()).unwrap();
        assert_eq!(length, bytes.len() as u64);
        bytes
    }
}

/// What is left of an event when some of it is erased: its id, time and action, some of the rest, and pseudonyms.
pub(crate) fn what_is_left(event: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut document = Document::default();
    let root = document.parse(event, JsonLimits { depth_max: usize::MAX }).unwrap();
    let mut left = String::from("{");
    for (name, value) in root.members() {
        let is_kept = matches!(name, "id" | "occurred_at" | "action");
        let what = if is_kept { 2 } else { rng.below(4) };
        if what == 0 {
            continue;
        }
        if left.len() > 1 {
            left.push(',');
        }
        write!(left, "{}:", json(name)).unwrap();
        match (what, value.kind()) {
            (1, Kind::Object) => write!(left, r#"{{"id":"erased-{:02x}"}}"#, rng.below(40)).unwrap(),
            (1, Kind::String) => write!(left, r#""erased-{:02x}""#, rng.below(40)).unwrap(),
            _ => left.push_str(value.token()),
        }
    }
    left.push('}');
    left.into_bytes()
}

/// Erases some of the records in part, and lets some expire.
pub(crate) fn with_fates(mut records: Records, seed: u64) -> Records {
    let mut rng = Rng(seed);
    for (number, record) in records.logs.iter_mut().flat_map(|log| &mut log.records).enumerate() {
        match rng.below(24) {
            0 => {
                let left = what_is_left(&record.event, &mut rng);
                let bytes = if rng.one_in(20) { 40_000 } else { 1 + rng.index(300) };
                record.erase(left, vec![u8::try_from(number % 256).unwrap(); bytes]);
            }
            1 => record.expire(number as u64),
            2 => record.forget(),
            _ => {}
        }
    }
    records
}

/// What events a random ledger has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// As services send them.
    Realistic,
    /// Any JSON, as far as events may be so.
    Hostile,
    /// Both.
    Mixed,
}

/// Random records: `logs` logs with `rows` records together, with holes, late times, and shared batches.
pub(crate) fn records(seed: u64, logs: usize, rows: usize, style: Style) -> Records {
    let mut rng = Rng(seed);
    let mut made = Records::default();
    for tenant in 0..logs.div_ceil(2) {
        for access in [false, true] {
            if made.logs.len() < logs {
                let tenant = if tenant == 0 && rng.one_in(2) {
                    TenantId::annals()
                } else {
                    TenantId::new(&format!("acct-{tenant:03}")).unwrap()
                };
                let mut id = [0; 16];
                id[..8].copy_from_slice(&rng.next().to_le_bytes());
                made.logs.push(Log {
                    name: LogName { tenant, access, id },
                    records: Vec::new(),
                    nodes: Vec::new(),
                });
            }
        }
    }
    made.logs.sort_by(|a, b| a.name.order().cmp(&b.name.order()));
    if made.logs.is_empty() {
        return made;
    }
    let mut next: Vec<u64> =
        made.logs.iter().map(|_| if rng.one_in(2) { 0 } else { rng.below(700) }).collect();
    let mut received_at = 1_790_000_000_000_000 + i64::try_from(rng.below(1 << 40)).unwrap();
    let mut seq = rng.below(1 << 30);
    let mut roots = [[7_u8; 32]; 2];
    let mut events = Events::new(rng.next());
    let mut left = rows;
    while left > 0 {
        let log = rng.index(made.logs.len());
        received_at += i64::try_from(rng.below(5_000_000)).unwrap();
        if rng.one_in(20) {
            next[log] += rng.below(300);
        }
        for _ in 0..rng.below(12).min(left as u64) {
            left -= 1;
            let occurred_at = match rng.below(4) {
                0 => None,
                1 => Some(received_at - i64::try_from(rng.below(1 << 40)).unwrap()),
                _ => Some(received_at - i64::try_from(rng.below(2_000_000)).unwrap()),
            };
            let event = events.event(style, occurred_at);
            let access = made.logs[log].name.access;
            let numbered = !access && !rng.one_in(50);
            seq += u64::from(numbered);
            if rng.one_in(300) {
                roots[0][0] = roots[0][0].wrapping_add(1);
            }
            made.logs[log].records.push(Record {
                position: next[log],
                seq: numbered.then_some(seq),
                received_at,
                occurred_at,
                operation: u8::try_from(rng.below(8)).unwrap(),
                derived: rng.one_in(2),
                system: rng.one_in(10),
                stated: if rng.one_in(40) { 2 + u8::try_from(rng.below(5)).unwrap() } else { 0 },
                class: if rng.one_in(30) { 7 } else { 0 },
                root: Root::Whole(rng.of(&roots)),
                counter: u16::try_from(rng.below(4_096)).unwrap(),
                leaf: leaf_hash(&event),
                id_hash: rng.next(),
                event,
                fate: None,
            });
            next[log] += 1;
        }
    }
    for log in &mut made.logs {
        log.nodes = nodes(&log.records);
    }
    made
}

/// The nodes these records complete. Leaves of positions that are not there are made up.
pub(crate) fn nodes(records: &[Record]) -> Vec<Hash> {
    let leaf = |position: u64| match records.binary_search_by_key(&position, |record| record.position) {
        Ok(at) => records[at].leaf,
        Err(_) => leaf_hash(&position.to_le_bytes()),
    };
    let mut nodes = Vec::new();
    for record in records {
        let mut leaves = 256;
        while (record.position + 1).is_multiple_of(leaves) {
            nodes.push(subtree(record.position + 1 - leaves, leaves, &leaf));
            leaves *= 2;
        }
    }
    nodes
}

fn subtree(first: u64, leaves: u64, leaf: &impl Fn(u64) -> Hash) -> Hash {
    if leaves == 1 {
        return leaf(first);
    }
    node_hash(&subtree(first, leaves / 2, leaf), &subtree(first + leaves / 2, leaves / 2, leaf))
}

/// Makes events.
pub(crate) struct Events {
    rng: Rng,
    made: u64,
    scratch: Scratch,
    out: Normalised,
}

const NAMES: [&str; 8] =
    ["Ana Souza", "Björn Åkesson", "東京 太郎", "O'Brien", "Zoë", "हिन्दी", "Ελένη Π.", "bot-7"];
const VERBS: [&str; 7] =
    ["video.update", "video.create", "user.login", "s3.GetObject", "role.delete", "file.view", "日記.write"];
const TEXTS: [&str; 12] = [
    "",
    "a",
    "plain words here",
    "tab\there",
    "quote \" and \\",
    "line\nend\r",
    "nul\u{0}",
    "東京タワー",
    "ไทยแลนด์",
    "Straße STRASSE",
    "\u{1F600} grin",
    "\u{FFFD}\u{E000}",
];
const MEMBERS: [&str; 14] = [
    "id",
    "name",
    "metadata",
    "before",
    "after",
    "type",
    "a",
    "odd.key",
    "quote\"d",
    "東",
    "",
    "tags",
    "targets",
    "\u{1}control",
];
const NUMBERS: [&str; 10] =
    ["0", "-0", "1", "-1.50", "1e400", "12345678901234567890", "0.1", "42", "7E-3", "200"];

impl Events {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: Rng(seed), made: 0, scratch: Scratch::default(), out: Normalised::default() }
    }

    /// The canonical bytes of a random event with this time.
    pub(crate) fn event(&mut self, style: Style, occurred_at: Option<i64>) -> Vec<u8> {
        self.made += 1;
        let hostile = match style {
            Style::Realistic => false,
            Style::Hostile => true,
            Style::Mixed => self.rng.one_in(4),
        };
        let time = occurred_at.map_or(String::new(), |at| {
            let text = Timestamp::from_micros(at).unwrap().to_bytes();
            format!("\"occurred_at\":\"{}\",", str::from_utf8(&text).unwrap())
        });
        let sent = if hostile { self.hostile(&time) } else { self.realistic(&time) };
        normalise(sent.as_bytes(), &Rules::default(), &mut self.scratch, &mut self.out)
            .unwrap_or_else(|error| panic!("{error:?}: {sent}"));
        if self.out.id().is_none() {
            let id = self.uuid();
            self.out.insert_id(&id).unwrap();
        }
        self.out.bytes().to_vec()
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.rng.next(), self.rng.next());
        let hex = format!("{high:016x}{low:016x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// An event as services send them: ids, people, things, and sentences that name them.
    pub(crate) fn realistic(&mut self, time: &str) -> String {
        let rng = &mut self.rng;
        let actor = rng.below(40);
        let name = NAMES[usize::try_from(actor).unwrap() % NAMES.len()];
        let action = rng.of(&VERBS);
        let target = format!("vid_{:016x}", rng.below(300).wrapping_mul(0x1234_5678_9ABC_DEF1));
        let mut targets = format!(r#"{{"type":"video","id":"{target}","name":"Clip {}"}}"#, rng.below(300));
        for _ in 0..[0, 0, 0, 1, 2][rng.index(5)] {
            let number = rng.below(9);
            write!(targets, r#",{{"type":"project","id":"{number}","metadata":{{"n":{number}}}}}"#).unwrap();
        }
        let description = format!("{name} did {action} to {target}");
        let changes = match rng.below(3) {
            0 => format!(
                r#","changes":{{"before":{{"name":"a{}"}},"after":{{"name":"b","tags":["x","y"]}}}}"#,
                rng.below(90)
            ),
            _ => String::new(),
        };
        let (ip, bytes, request, session) = (rng.below(200), rng.below(1 << 20), rng.next(), rng.below(500));
        let status = rng.of(&[200, 200, 201, 404, 500]);
        let id = if rng.one_in(3) { format!("ord-{}", self.made) } else { self.uuid() };
        format!(
            r#"{{{time}"id":"{id}","action":"{action}","actor":{{"type":"user","id":"usr_{actor}","name":"{name}","email":"u{actor}@example.com"}},"targets":[{targets}],"context":{{"ip":"203.0.113.{ip}","user_agent":"Mozilla/5.0 (X11)"}},"request":{{"id":"{request:016x}","method":"PATCH","path":"/v1/videos/{target}","status_code":{status}}},"description":"{description}","metadata":{{"session_id":"s{session:08x}","bytes":{bytes},"plan":"pro","flags":[true,null,{bytes}]}}{changes}}}"#
        )
    }

    /// Any JSON an event may hold.
    pub(crate) fn hostile(&mut self, time: &str) -> String {
        let mut text = format!("{{{time}\"action\":\"x\",\"actor\":{{\"id\":\"u\"");
        if self.rng.one_in(2) {
            text.push_str(",\"metadata\":");
            self.object(4, &mut text);
        }
        text.push('}');
        for name in ["metadata", "zone", "odd \\\"one\\\"", "\u{1F600}"] {
            if self.rng.one_in(2) {
                write!(text, ",\"{name}\":").unwrap();
                if name == "metadata" { self.object(5, &mut text) } else { self.value(5, &mut text) }
            }
        }
        if self.rng.one_in(3) {
            write!(text, ",\"grown{}\":{}", self.rng.below(50), self.rng.below(9)).unwrap();
        }
        if self.rng.one_in(2) {
            text.push_str(",\"changes\":{\"before\":");
            self.value(4, &mut text);
            text.push_str(",\"after\":");
            self.value(4, &mut text);
            text.push_str(",\"complete\":true}");
        }
        if self.rng.one_in(2) {
            text.push_str(",\"targets\":[{\"id\":\"1\",\"metadata\":");
            self.object(3, &mut text);
            text.push_str(",\"extra\":");
            self.value(3, &mut text);
            text.push_str("},{\"type\":\"t\"}]");
        }
        text.push('}');
        text
    }

    fn value(&mut self, depth: u64, text: &mut String) {
        match self.rng.below(if depth == 0 { 5 } else { 8 }) {
            0 => text.push_str(["null", "true", "false"][self.rng.index(3)]),
            1 => text.push_str(self.rng.of(&NUMBERS)),
            2 => write!(text, "\"{}\"", self.rng.below(1_000)).unwrap(),
            3..5 => self.string(text),
            5 => self.object(depth, text),
            _ => {
                text.push('[');
                for index in 0..self.rng.below(4) {
                    if index > 0 {
                        text.push(',');
                    }
                    self.value(depth - 1, text);
                }
                text.push(']');
            }
        }
    }

    fn object(&mut self, depth: u64, text: &mut String) {
        text.push('{');
        let first = self.rng.index(MEMBERS.len());
        let count = self.rng.index(5);
        for index in 0..count {
            if index > 0 {
                text.push(',');
            }
            let name = MEMBERS[(first + index * 3) % MEMBERS.len()];
            text.push_str(&json(name));
            text.push(':');
            self.value(depth.saturating_sub(1), text);
        }
        text.push('}');
    }

    fn string(&mut self, text: &mut String) {
        let (a, b) = (self.rng.of(&TEXTS), self.rng.of(&TEXTS));
        text.push_str(&json(&format!("{a}{b}")));
    }
}

/// A text as a JSON string.
pub(crate) fn json(text: &str) -> String {
    let mut out = Vec::new();
    annals_event::json::write_string(text, &mut out);
    String::from_utf8(out).unwrap()
}
