//! How the files of the corpus were made: from fixed seeds, so that making them again gives the same bytes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::Range;

use annals_event::{Normalised, Rules, Scratch, TenantId, Timestamp, UnitScratch, normalise, units};
use annals_segment::build::{Limits, LogName};
use annals_segment::fate::Fate;
use annals_segment::hashes::hash;
use annals_segment::merge::merge;
use annals_segment::root::Root;
use annals_segment::segment::Sealed;
use annals_tree::entry::encode_event;
use annals_tree::{Committer, Counter, Hash, leaf_hash};
use serde_json::Value;

use super::{expected, folder, line, open, outcome};
use crate::support::{Log, Record, Records, Rng, Style, nodes, records, what_is_left};

/// Records of the two parts together.
const ROWS: u64 = 162;

/// The first so many of them are the first part.
const FIRST_PART: u64 = 81;

const RECEIVED_AT: i64 = 1_790_000_000_000_000;

#[test]
fn write_the_corpus() {
    // Only when asked for, and alone: other tests read what is written here.
    if std::env::var_os("ANNALS_WRITE_CORPUS").is_none() {
        return;
    }
    let (first, second) = (parts(0..FIRST_PART), parts(FIRST_PART..ROWS));
    let limits = Limits { shapes_max: 5, paths_max: 30, ..Limits::default() };
    write("part-1", first.segment());
    write("part-2", second.segment());
    write("arrays", arrays().segment());
    write("kept-whole", proven(records(41, 3, 12, Style::Mixed)).segment_within(limits));
    let parts = ["part-1", "part-2"].map(|name| open(name, super::read(&format!("{name}.seg"))).unwrap());
    let id_hash = |tenant: &TenantId, access: bool, id: &[u8]| {
        hash(u64::from(access), &[tenant.as_str().as_bytes(), &[0], id].concat())
    };
    write("fates", fates().segment());
    write("merged", merge(&parts, 0x5EED, &id_hash, Vec::new()).unwrap().0);
    let damages = damages();
    fs::write(folder().join("damage.tsv"), damages).unwrap();
}

/// Writes a segment, and its records as they are read from it.
fn write(name: &str, bytes: Vec<u8>) {
    fs::create_dir_all(folder()).unwrap();
    fs::write(folder().join(format!("{name}.seg")), &bytes).unwrap();
    if name == "merged" {
        return;
    }
    let segment = open(name, bytes).unwrap();
    let mut lines = String::new();
    for record in segment.records(0..segment.rows()) {
        writeln!(lines, "{}", line(&record.unwrap().1)).unwrap();
    }
    fs::write(folder().join(format!("{name}.ndjson")), lines).unwrap();
}

/// The leaf of a record that was read; none where events in part erased would have to say it.
pub(super) fn leaf_of(record: &Sealed) -> Option<Hash> {
    match &record.fate {
        None => Some(leaf(&record.root, record.counter, record.class, record.received_at, &record.event)),
        Some(Fate::Erased(_)) => None,
        Some(Fate::Expired { commitment, .. }) => Some(entry(record.class, record.received_at, commitment)),
    }
}

fn leaf(root: &Root, counter: u16, class: u16, received_at: i64, event: &[u8]) -> Hash {
    entry(class, received_at, &commitment(root, counter, event))
}

fn entry(class: u16, received_at: i64, commitment: &Hash) -> Hash {
    let received_at_ms = u64::try_from(received_at.div_euclid(1_000)).unwrap();
    leaf_hash(&encode_event(class, received_at_ms, commitment))
}

fn commitment(root: &Root, counter: u16, event: &[u8]) -> Hash {
    let secret = root.secret(counter).unwrap();
    let mut committer = Committer::new(&secret);
    units(event, &mut UnitScratch::default(), |name, value| committer.unit(name.as_bytes(), value).unwrap())
        .unwrap();
    committer.finish()
}

/// Gives records the leaves that follow from them.
fn proven(mut records: Records) -> Records {
    records.logs.retain(|log| !log.records.is_empty());
    for log in &mut records.logs {
        for record in &mut log.records {
            record.leaf = leaf(&record.root, record.counter, record.class, record.received_at, &record.event);
        }
        log.nodes = nodes(&log.records);
    }
    records
}

fn canonical(event: &str) -> Vec<u8> {
    let mut out = Normalised::default();
    normalise(event.as_bytes(), &Rules::default(), &mut Scratch::default(), &mut out)
        .unwrap_or_else(|error| panic!("{error:?}: {event}"));
    out.bytes().to_vec()
}

fn record(number: u64, position: u64, seq: Option<u64>, event: &str, occurred_at: Option<i64>) -> Record {
    Record {
        position,
        seq,
        received_at: RECEIVED_AT + i64::try_from(number / 3 * 1_234_567).unwrap(),
        occurred_at,
        operation: u8::try_from(1 + number % 8).unwrap(),
        derived: number.is_multiple_of(3),
        system: number.is_multiple_of(40),
        stated: 0,
        class: if number.is_multiple_of(50) { 65_535 } else { 0 },
        root: Root::Whole([u8::try_from(number / 60).unwrap(); 32]),
        counter: u16::try_from(number * 97 % 4_096).unwrap(),
        leaf: Hash([0; 32]),
        id_hash: number.wrapping_mul(0x9E37_79B9_7F4A_7C15),
        event: canonical(event),
        fate: None,
    }
}

fn log(tenant: &str, access: bool, records: Vec<Record>) -> Log {
    let mut id = [0xA0; 16];
    id[..tenant.len()].copy_from_slice(tenant.as_bytes());
    id[15] = u8::from(access);
    let tenant = TenantId::new(tenant).unwrap();
    Log { name: LogName { tenant, access, id }, records, nodes: Vec::new() }
}

/// Some of a run of records of three logs, with holes and late times, whose values are of every kind.
fn parts(which: Range<u64>) -> Records {
    let mut rng = Rng(7);
    let mut logs = [Vec::new(), Vec::new(), Vec::new()];
    let mut next = [200, 7, 0];
    for number in 0..ROWS {
        let at = match number {
            _ if number % 5 == 4 => 2,
            _ if number % 11 == 10 => 1,
            _ => 0,
        };
        // What was erased left a hole.
        next[at] += if number == 30 { 9 } else { 0 };
        let seq = (at != 1).then_some(1_000 + number + number / 20);
        let occurred_at = (number % 3 != 1).then(|| {
            RECEIVED_AT + i64::try_from(number).unwrap() * 400_000
                - i64::try_from(rng.below(9_000_000)).unwrap()
        });
        let event = event(number, &mut rng, occurred_at);
        logs[at].push((number, record(number, next[at], seq, &event, occurred_at)));
        next[at] += 1;
    }
    let [events, access, other] = logs.map(|records| -> Vec<Record> {
        records.into_iter().filter(|(number, _)| which.contains(number)).map(|(_, record)| record).collect()
    });
    let logs = vec![log("acme", false, events), log("acme", true, access), log("globex", false, other)];
    proven(Records { logs })
}

fn time(micros: i64) -> String {
    String::from_utf8(Timestamp::from_micros(micros).unwrap().to_bytes().to_vec()).unwrap()
}

/// A short event whose values have every coding between them.
fn event(number: u64, rng: &mut Rng, occurred_at: Option<i64>) -> String {
    let (high, low) = (rng.next(), rng.next());
    let hex = format!("{high:016x}{low:016x}");
    let uuid = format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]);
    let id = if number % 5 == 3 { format!("ord-{number}") } else { uuid.clone() };
    let name = ["Ana", "Björn Å", "東京 太郎", "O'Brien"][rng.index(4)];
    let target = format!("vid_{:04}", rng.below(400));
    let mut event = format!(r#"{{"id":"{id}","action":"{}""#, rng.of(&["v.update", "u.login", "日記.write"]));
    if let Some(at) = occurred_at {
        write!(event, r#","occurred_at":"{}""#, time(at)).unwrap();
    }
    write!(event, r#","actor":{{"id":"u{}","name":"{name}"}}"#, rng.below(30)).unwrap();
    if !number.is_multiple_of(4) {
        write!(event, r#","targets":[{{"id":"{target}"}}"#).unwrap();
        for more in 0..number % 3 {
            write!(event, r#",{{"type":"p","metadata":{{"n":{more}.50}}}}"#).unwrap();
        }
        write!(event, r#"],"description":"{name} saw “{target}”, {name}""#).unwrap();
    }
    let ticket = format!("T-{}", rng.below(1_000));
    write!(
        event,
        r#","reason":"for {ticket} of {}","metadata":{{"ticket":"{ticket}","h":"0x{high:016x}","b":{}"#,
        rng.below(9),
        rng.below(1 << 40)
    )
    .unwrap();
    match number % 6 {
        0 => write!(event, r#","at":"{}""#, time(RECEIVED_AT - i64::try_from(high >> 12).unwrap())).unwrap(),
        1 => write!(event, r#","u":"{uuid}","l":[[1,"x",null],[],{{}},{{"e":[true]}}]"#).unwrap(),
        2 => write!(event, r#","i":"{}","note":"so much for that, and more of it""#, low >> 2).unwrap(),
        _ => {}
    }
    event.push('}');
    if number.is_multiple_of(9) {
        write!(
            event,
            r#","changes":{{"before":{{"n":{number}}},"after":{{"t":["a","b{number}"]}},"complete":true}}"#
        )
        .unwrap();
    }
    if number == 77 {
        event.push_str(r#","zone":{"tab\t":{"metadata":{}}},"kin":[{"zone":"\u0001"}]"#);
    }
    event.push('}');
    event
}

/// Records of which some were erased in part and some expired, and whose secrets are forgotten; of the later ones some roots are
/// still whole, as after merging.
fn fates() -> Records {
    let (mut made, mut rng) = (proven(parts(0..ROWS)), Rng(11));
    let mut forgotten: BTreeMap<[u8; 32], Vec<Counter>> = BTreeMap::new();
    for (number, record) in (0_u8..).zip(made.logs.iter_mut().flat_map(|log| &mut log.records)) {
        let name = record.root.name();
        let forget = Counter::new(record.counter).unwrap();
        match number {
            20..30 | 90 | 161 => {
                let commitment = commitment(&record.root, record.counter, &record.event);
                record.expire(300 + u64::from(number / 50));
                let id_hash = record.id_hash;
                record.fate = Some(Fate::Expired { commitment, by: 300 + u64::from(number / 50), id_hash });
            }
            _ if number % 17 == 3 => {
                let event = what_is_left(&record.event, &mut rng);
                record.erase(event, vec![number; 1 + usize::from(number) * 3]);
            }
            _ => continue,
        }
        forgotten.entry(name).or_default().push(forget);
    }
    for record in made.logs.iter_mut().flat_map(|log| &mut log.records) {
        if let Some(gone) = forgotten.get(&record.root.name())
            && (record.fate.is_some() || record.position % 4 > 0)
        {
            record.root = record.root.puncture(gone.iter().copied());
        }
    }
    made
}

/// Few records with so many elements that numbers take several groups.
fn arrays() -> Records {
    let mut rng = Rng(9);
    let records = (0..42).map(|number| {
        let list: Vec<String> = (0..200).map(|_| rng.below(4).to_string()).collect();
        let event = format!(
            r#"{{"action":"a","actor":{{"id":"u"}},"id":"{number}","metadata":{{"l":[{}]}}}}"#,
            list.join(",")
        );
        record(number, number, Some(number), &event, None)
    });
    proven(Records { logs: vec![log("acme", false, records.collect())] })
}

/// Damages, one of each kind, as `damage.tsv` has them.
fn damages() -> String {
    const FILE: &str = "merged.seg";
    let whole = super::read(FILE);
    let (footer_at, footer) = footer(&whole);
    let last = whole.len() - 1;
    let mut text = "# What is changed in which file, where and to what (offset=hexadecimal bytes, cut=length), how many records cannot be\n\
                    # read then (`all`: the file does not open), and what is told.\n"
        .to_owned();
    let mut add = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        let what = difference(&whole, &bytes);
        let (fails, message) = outcome(FILE, bytes, &expected("merged"));
        let fails = fails.map_or_else(|| "all".to_owned(), |fails| fails.to_string());
        writeln!(text, "{name}\t{FILE}\t{what}\t{fails}\t{message}").unwrap();
    };
    let number = |pointer: &str| {
        let number = footer.pointer(pointer).and_then(Value::as_u64);
        usize::try_from(number.unwrap_or_else(|| panic!("{pointer}"))).unwrap()
    };
    add("shorter than any", &|bytes| bytes.truncate(39));
    add("one byte cut off", &|bytes| bytes.truncate(last));
    add("begins as something else", &|bytes| bytes[0] ^= 1);
    add("another version", &|bytes| bytes[8] = 2);
    add("other blocks", &|bytes| bytes[13] = 0x20);
    add("ends as something else", &|bytes| bytes[last] ^= 1);
    add("parts that do not add up", &|bytes| bytes[last - 15] ^= 1);
    add("a bit of the footer", &|bytes| bytes[footer_at + 100] ^= 1);
    add("a bit of a sum", &|bytes| bytes[last - 24] ^= 1);
    add("a member that is not known", &|bytes| replace(bytes, "\"seed\":", "\"sEed\":"));
    add("a footer of another version", &|bytes| replace(bytes, "\"version\":1", "\"version\":2"));
    add("rows that do not fit", &|bytes| replace(bytes, "\"rows\":162", "\"rows\":161"));
    add("a table without a parent", &|bytes| replace(bytes, "\"parent\":0", "\"parent\":9"));
    add("a bit of the first block", &|bytes| bytes[5_000] ^= 16);
    add("a bit of the last block", &|bytes| bytes[footer_at - 17] ^= 16);
    let shapes = number("/tables/0/shapes/at");
    add("a page of values", &|bytes| {
        bytes[shapes + 4] = 33;
        reseal(bytes);
    });
    let shape = whole[shapes..].iter().position(|byte| *byte == b'{').unwrap();
    add("a shape that is none", &|bytes| {
        bytes[shapes + shape + 1] = 5;
        reseal(bytes);
    });
    let tables = footer["tables"].as_array().unwrap().len();
    let shapes_of_few = number(&format!("/tables/{}/shapes/at", tables - 1));
    add("a page of values that few records need", &|bytes| {
        bytes[shapes_of_few + 4] = 33;
        reseal(bytes);
    });
    // The second unit, behind which no data stand that would move.
    let unit = number("/tables/0/shape/as/packed/at") + 5;
    add("more bits than a number has", &|bytes| {
        bytes[unit] = 65;
        reseal(bytes);
    });
    let kind = number("/known/kind/as/packed/at");
    let base_bytes = number("/known/kind/as/packed/base_bytes");
    let data = kind + 4 + 2 * (1 + base_bytes);
    add("a kind that is not there", &|bytes| {
        // The first row's, which is in the lowest bits: more than there are kinds.
        bytes[data] |= (1 << (whole[kind + 4] & 0x7F)) - 1;
        reseal(bytes);
    });
    let tags = number("/proof/tags/at");
    add("a tag", &|bytes| {
        bytes[tags + 4] ^= 1;
        reseal(bytes);
    });
    text
}

/// Where the footer begins, and what it says.
fn footer(bytes: &[u8]) -> (usize, Value) {
    let (trailer, at) = (&bytes[bytes.len() - 24..], footer_at(bytes));
    let len = u32::from_le_bytes(trailer[8..12].try_into().unwrap()) as usize;
    (at, serde_json::from_slice(&bytes[at..at + len]).unwrap())
}

/// Puts a text in the place of another of its length in the footer, which keeps its checksums.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    let at = footer_at(bytes);
    let found = bytes[at..].windows(from.len()).position(|text| text == from.as_bytes());
    let found = at + found.unwrap_or_else(|| panic!("{from}"));
    bytes[found..found + to.len()].copy_from_slice(to.as_bytes());
    reseal(bytes);
}

/// Makes all sums right again.
pub(crate) fn reseal(bytes: &mut [u8]) {
    let (tail, at) = (bytes.len() - 24, footer_at(bytes));
    let sums: Vec<u8> =
        bytes[..at].chunks(16_384).flat_map(|block| crc32c::crc32c(block).to_le_bytes()).collect();
    bytes[tail - sums.len()..tail].copy_from_slice(&sums);
    let sum = crc32c::crc32c(&bytes[at..tail]).to_le_bytes();
    bytes[tail + 12..tail + 16].copy_from_slice(&sum);
}

pub(crate) fn footer_at(bytes: &[u8]) -> usize {
    let trailer = &bytes[bytes.len() - 24..];
    usize::try_from(u64::from_le_bytes(trailer[..8].try_into().unwrap())).unwrap()
}

/// What makes one of the other.
fn difference(from: &[u8], to: &[u8]) -> String {
    if to.len() < from.len() {
        return format!("cut={}", to.len());
    }
    let mut changes: Vec<(usize, String)> = Vec::new();
    let mut last = None;
    for (at, byte) in (0..).zip(to).filter(|(at, byte)| from[*at] != **byte) {
        if last.is_none_or(|last| last + 1 != at) {
            changes.push((at, String::new()));
        }
        last = Some(at);
        write!(changes.last_mut().unwrap().1, "{byte:02x}").unwrap();
    }
    changes.iter().map(|(at, bytes)| format!("{at}={bytes}")).collect::<Vec<_>>().join(" ")
}
