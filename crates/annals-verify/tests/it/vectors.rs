//! The bundles of `corpus/bundles/v1`: good ones in all forms, and damaged ones by class. They are as the builder makes them, and
//! [`check`] says of each what `expected.json` says. With `UPDATE_EXPECT=1` both are written anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use annals_bundle::{Mode, Verdict};
use annals_tree::Hash;
use annals_tree::cosignature::Cosigner;
use annals_tree::entry::EntryKind;
use annals_tree::note::SigningKey;
use annals_verify::check::Signer;
use annals_verify::zip::{Archive, ZipError};
use annals_verify::{KeyFrom, Known, Lens, Outcome, Remembered, Watch, check, read_filter};
use serde_json::{Value, json};
use zip::CompressionMethod;

use crate::builder::*;
use crate::crafted;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/bundles/v1")
}

/// Where entries of the log's own stand.
const ERASURE: u64 = 14;
const UNAPPROVED: u64 = 15;
const EXPIRY: u64 = 18;
const SIZE: usize = 24;

/// Events of six kinds of people, and the entries that excuse what is hidden of some.
fn log() -> Log {
    log_with("Ada")
}

fn log_with(name: &str) -> Log {
    let mut log = Log::new();
    for at in 0..SIZE as u64 {
        match at {
            ERASURE => log.state(
                EntryKind::Erasure,
                &json!({"action": "annals.erasure", "metadata": {
                    "approvals": 2, "approvals_required": 2, "case": "7f3a", "erased": [{"runs": [[3, 3], [5, 6]], "units": [EMAIL]}],
                    "reason": "request of the person", "stage": "done"}}),
            ),
            UNAPPROVED => log.state(
                EntryKind::Erasure,
                &json!({"action": "annals.erasure", "metadata": {
                    "approvals": 1, "approvals_required": 2, "case": "8c11", "erased": [{"runs": [[8, 8]], "units": [EMAIL]}],
                    "reason": "request of the person", "stage": "ordered"}}),
            ),
            EXPIRY => log.state(
                EntryKind::Expiry,
                &json!({"action": "annals.expiry", "metadata": {"class": 3, "cutoff_ms": BEGAN_MS + 10_000, "runs": [[0, 1]]}}),
            ),
            19 => log.state(EntryKind::Policy, &json!({"action": "annals.policy", "metadata": {}})),
            20 => log.state(EntryKind::Key, &json!({"action": "annals.key", "metadata": {}})),
            // An event with what texts may have, and without most of what events have.
            11 => log.event(
                0,
                r#"{"action":"note.create","actor":{"id":"u4"},"description":"Zoë said \"no\"\tand \u0001 \\ 😀 ﬁ","id":"e11","metadata":{"a/b":[1.50,-0.0,9007199254740993],"ключ":null}}"#,
            ),
            _ => log.event(u16::from(at < 3) * 3, &event(at, name)),
        }
    }
    log
}

fn event(at: u64, name: &str) -> String {
    let action = ["video.delete", "video.update", "user.login"][usize::try_from(at % 3).unwrap()];
    let result = if at % 4 == 3 { "failure" } else { "success" };
    let person = at % 6;
    format!(
        r#"{{"action":"{action}","actor":{{"email":"u{person}@example.com","id":"u{person}","name":"{name} {person}","type":"user"}},"context":{{"ip":"203.0.113.{at}","user_agent":"test/1"}},"id":"e{at}","metadata":{{"number":{at},"size":{}}},"occurred_at":"2026-11-21T23:28:{at:02}.500000Z","outcome":{{"result":"{result}"}},"targets":[{{"id":"v{at}","type":"video"}},{{"id":"f{}","type":"folder"}}]}}"#,
        at * 7,
        at % 2
    )
}

/// What stands at a place when all is shown that there is.
fn whole(log: &Log, at: usize) -> Show {
    match at {
        0 | 1 => Show::Expired(EXPIRY),
        3 | 5 | 6 => {
            log.parts(at, |number, _| if number == EMAIL { Part::Erased(ERASURE) } else { Part::Shown })
        }
        _ if log.is_own(at) => Show::Bare,
        _ => Show::Whole,
    }
}

fn all(log: &Log) -> Vec<Show> {
    (0..SIZE).map(|at| whole(log, at)).collect()
}

fn lens(query: &str) -> Lens {
    read_filter(query, "acme").unwrap()
}

/// Whether the filter takes an event, looking at all of it.
fn takes(log: &Log, at: usize, query: &str) -> bool {
    use annals_event::json::Document;
    let event = annals_event::rebuild(
        log.records[at].units.iter().map(|(name, value)| (&name[..], value.as_bytes())),
    )
    .unwrap();
    let seen = annals_verify::Seen {
        position: at as u64,
        received_at_ms: BEGAN_MS + 1_500 * at as u64,
        event: Some(&event),
        units: log.records[at].units.len(),
        hidden: &[],
    };
    lens(query).look(&seen, &mut Document::default()) == annals_verify::Truth::Yes
}

fn gap_free() -> Files {
    let log = log();
    let asked = Asked {
        mode: Mode::GapFree,
        range: (0, SIZE as u64),
        filter: None,
        withheld: &[],
        shows: &all(&log),
    };
    Files::of(&log, &asked)
}

const DELETED: &str = "action=video.delete&actor_id=u0";

fn selection() -> Files {
    let log = log();
    let range = (4, 22);
    let show = |at: usize| match at {
        _ if log.is_own(at) => Show::Bare,
        4..22 if takes(&log, at, DELETED) => whole(&log, at),
        _ => Show::Gap,
    };
    let shows: Vec<Show> = (0..SIZE).map(show).collect();
    Files::of(
        &log,
        &Asked { mode: Mode::Selection, range, filter: Some(DELETED), withheld: &[], shows: &shows },
    )
}

/// Events that the filter leaves out have their entries.
fn entries() -> Files {
    let log = log();
    let show = |at: usize| match whole(&log, at) {
        Show::Whole if !takes(&log, at, DELETED) => Show::Bare,
        shown => shown,
    };
    let shows: Vec<Show> = (0..SIZE).map(show).collect();
    let asked = Asked {
        mode: Mode::GapFree,
        range: (7, SIZE as u64),
        filter: Some(DELETED),
        withheld: &[],
        shows: &shows
            .into_iter()
            .enumerate()
            .map(|(at, show)| if at < 7 { Show::Gap } else { show })
            .collect::<Vec<_>>(),
    };
    Files::of(&log, &asked)
}

fn withheld() -> Files {
    let log = log();
    let hidden = |name: &str| name == "/actor/name" || name.starts_with("/metadata/");
    let show = |at: usize| match whole(&log, at) {
        Show::Whole => log.parts(at, |_, name| if hidden(name) { Part::Hidden } else { Part::Shown }),
        shown => shown,
    };
    let shows: Vec<Show> = (0..SIZE).map(show).collect();
    let asked = Asked {
        mode: Mode::GapFree,
        range: (0, SIZE as u64),
        filter: None,
        withheld: &["/actor/name", "/metadata/*"],
        shows: &shows,
    };
    Files::of(&log, &asked)
}

fn covered(filter: &str) -> Files {
    let log = log();
    let show = |at: usize| {
        if whole(&log, at) != Show::Whole || takes(&log, at, filter) {
            return whole(&log, at);
        }
        let names: Vec<&str> = log.records[at].units.iter().map(|(name, _)| name.as_str()).collect();
        let needed = lens(filter).needed(&names);
        log.parts(at, |number, _| if needed[number as usize] { Part::Shown } else { Part::Hidden })
    };
    let shows: Vec<Show> = (0..SIZE).map(show).collect();
    let asked = Asked {
        mode: Mode::Covered,
        range: (0, SIZE as u64),
        filter: Some(filter),
        withheld: &[],
        shows: &shows,
    };
    Files::of(&log, &asked)
}

fn filter_of(expression: &str) -> String {
    let encoded: String = expression
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            b' ' => "+".to_owned(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("filter={encoded}")
}

fn cosigned() -> Files {
    let mut files = selection();
    let witness = Cosigner::from_seed("witness.example/w1", &[3; 32]).unwrap();
    let note = files.text("checkpoint");
    let (text, _) = note.split_at(note.find("\n\n").unwrap() + 1);
    files.get("checkpoint").extend_from_slice(witness.cosign(text, 1_795_303_800).as_bytes());
    let trust = files.text("trust.json");
    let mut trust: Value = serde_json::from_str(&trust).unwrap();
    trust["witnesses"] = json!([witness.witness_key().to_string()]);
    *files.get("trust.json") = serde_json::to_vec(&trust).unwrap();
    files.relist();
    files
}

/// The same key signs as many records, of which one is another.
fn another_history() -> Files {
    let log = log_with("Eve");
    let asked = Asked {
        mode: Mode::GapFree,
        range: (0, SIZE as u64),
        filter: None,
        withheld: &[],
        shows: &all(&log),
    };
    Files::of(&log, &asked)
}

fn reordered() -> Files {
    let mut files = gap_free();
    files.0.reverse();
    files
}

/// What holds.
fn good() -> Vec<(&'static str, Files, CompressionMethod)> {
    const DEFLATED: CompressionMethod = CompressionMethod::Deflated;
    let words = filter_of(r#"actor.email eq "u2@example.com" and not (outcome.result eq "failure")"#);
    let paths = filter_of(r#"metadata.colour pr or targets[type eq "video" and id sw "v1"]"#);
    let times = "since=2026-11-21T23:28:10Z&until=2026-11-21T23:28:20Z&operation=delete";
    let log = log();
    vec![
        ("gap-free.zip", gap_free(), DEFLATED),
        ("stored-in-another-order.zip", reordered(), CompressionMethod::Stored),
        ("selection.zip", selection(), DEFLATED),
        ("entries-alone.zip", entries(), DEFLATED),
        ("withheld.zip", withheld(), DEFLATED),
        ("covered-member.zip", covered(&words), DEFLATED),
        ("covered-element.zip", covered(&paths), DEFLATED),
        ("covered-times.zip", covered(times), DEFLATED),
        ("cosigned.zip", cosigned(), DEFLATED),
        ("earlier.zip", selection().with("earlier.json", &log.earlier(17)), DEFLATED),
        ("registry.zip", gap_free().with("registry.json", &log.registry(20)), DEFLATED),
        ("another-history.zip", another_history(), DEFLATED),
        ("rotated.zip", crafted::rotated(), DEFLATED),
    ]
}

type Change = (&'static str, fn() -> Files, fn(&mut Files), &'static str);

/// What does not hold, though manifest and hashes were made to fit: name, base, change, and what is said of it.
const DAMAGED: &[Change] = &[
    ("value", gap_free, |of| of.replace("log.ndjson", "Ada 4", "Eve 4"), "are not those that were recorded"),
    (
        "secret",
        gap_free,
        |of| of.replace("log.ndjson", "0404040404", "0404040405"),
        "are not those that were recorded",
    ),
    (
        "salt",
        withheld,
        |of| of.lines(|lines| lines[4] = flip_salt(&lines[4])),
        "are not those that were recorded",
    ),
    (
        "line-gone",
        gap_free,
        |of| of.lines(|lines| drop(lines.remove(9))),
        "position 10: comes where position 9 has to",
    ),
    (
        "line-twice",
        gap_free,
        |of| of.lines(|lines| lines.insert(9, lines[9].clone())),
        "comes where position 10 has to",
    ),
    ("lines-swapped", gap_free, |of| of.lines(|lines| lines.swap(8, 9)), "comes where position 8 has to"),
    (
        "end-gone",
        gap_free,
        |of| of.lines(|lines| drop(lines.pop())),
        "the log ends here, its checkpoint has 24 records",
    ),
    ("line-cut", gap_free, |of| of.get("log.ndjson").truncate(5_000), "the last line is cut short"),
    (
        "line-of-another-form",
        gap_free,
        |of| of.replace("log.ndjson", "{\"position\":5,", "{\"place\":5,"),
        "after position 5: ",
    ),
    (
        "member-more",
        gap_free,
        |of| of.replace("log.ndjson", "{\"position\":5,", "{\"a\":0,\"position\":5,"),
        "after position 5: ",
    ),
    (
        "member-twice",
        gap_free,
        |of| of.replace("log.ndjson", "{\"position\":5,", "{\"position\":5,\"position\":5,"),
        "after position 5: ",
    ),
    (
        "entry-backdated",
        gap_free,
        |of| of.lines(|lines| lines[9] = backdated(&lines[9])),
        "do not give the root that was signed",
    ),
    (
        "gap-node",
        selection,
        |of| {
            of.lines(|lines| {
                lines[0] = lines[0].replacen("nodes\":[\"", "nodes\":[\"0000", 1).replacen("0000", "", 0)
            })
        },
        "after position 0: ",
    ),
    (
        "gap-node-changed",
        selection,
        |of| of.lines(|lines| lines[0] = flip_node(&lines[0])),
        "do not give the root that was signed",
    ),
    (
        "gap-longer",
        selection,
        |of| of.lines(|lines| lines[0] = lines[0].replacen("{\"gap\":[0,6]", "{\"gap\":[0,7]", 1)),
        "a gap to 7 with 2 hashes, it takes 3",
    ),
    (
        "gap-where-there-is-none",
        selection,
        |of| of.manifest(|of| of["mode"] = json!("gap-free")),
        "positions from here on are left out",
    ),
    (
        "counts",
        gap_free,
        |of| of.manifest(|of| of["counts"]["disclosed"] = 7.into()),
        "the manifest counts 24 records, 7 of them disclosed",
    ),
    (
        "range-beyond",
        gap_free,
        |of| of.manifest(|of| of["range"] = json!([0, 25])),
        "the manifest's range 0 to 25 is none of this log",
    ),
    (
        "range-empty",
        gap_free,
        |of| of.manifest(|of| of["range"] = json!([5, 5])),
        "the bundle accounts for no position",
    ),
    (
        "range-less",
        gap_free,
        |of| of.manifest(|of| of["range"] = json!([0, 12])),
        "outside of the range that the manifest names",
    ),
    (
        "filter-takes-less",
        gap_free,
        |of| of.manifest(|of| of["filter"] = "action=user.login".into()),
        "an event that the filter does not take",
    ),
    (
        "filter-takes-more",
        entries,
        |of| of.manifest(|of| of["filter"] = "received_since=2020-01-01T00:00:00Z".into()),
        "the filter takes this event, and the bundle does not show it",
    ),
    (
        "filter-is-none",
        gap_free,
        |of| of.manifest(|of| of["filter"] = "filter=((".into()),
        "the filter cannot be read",
    ),
    (
        "filter-stands-twice",
        gap_free,
        |of| {
            let since = "received_since=2020-01-01T00:00:00Z";
            of.manifest(|of| of["filter"] = format!("{since}&{since}").into());
        },
        "the filter cannot be read",
    ),
    (
        "hit-left-out",
        || covered(DELETED),
        |of| of.lines(|lines| lines[12] = bare(&lines[12])),
        "whether the filter takes this event cannot be told",
    ),
    (
        "more-is-hidden",
        withheld,
        |of| of.manifest(|of| of["withheld"] = json!(["/actor/name"])),
        "the filter takes this event, and the bundle does not show it",
    ),
    (
        "origin",
        gap_free,
        |of| of.manifest(|of| of["origin"] = "log.example/t/00".into()),
        "the manifest is of log log.example/t/00, the checkpoint of ",
    ),
    (
        "size",
        gap_free,
        |of| of.manifest(|of| of["size"] = 23.into()),
        "the manifest says 23 records, the checkpoint 24",
    ),
    (
        "manifest",
        gap_free,
        |of| *of.get("manifest.json") = b"{\"format\":\"annals-bundle/1\"}".to_vec(),
        "`manifest.json`: missing field",
    ),
    ("checkpoint", gap_free, |of| *of.get("checkpoint") = b"hello\n".to_vec(), "`checkpoint`: "),
    ("signature", gap_free, |of| flip_signature(of), "`checkpoint`: "),
    (
        "no-checkpoint",
        gap_free,
        |of| of.0.retain(|(name, _)| name != "checkpoint"),
        "the bundle has no `checkpoint`",
    ),
    (
        "no-lifecycle",
        gap_free,
        |of| of.0.retain(|(name, _)| name != "lifecycle.ndjson"),
        "the bundle has no `lifecycle.ndjson`",
    ),
    ("no-key", gap_free, |of| of.replace("trust.json", "log.example/t/0001", "log.example/t/0002"), "no key"),
    ("root-signed-anew", gap_free, |of| sign_anew(of), "do not give the root that was signed"),
    (
        "erased-by-nobody",
        gap_free,
        |of| of.replace("log.ndjson", "\",14],", "\",13],"),
        "said to be erased by entry 13, which the bundle does not have",
    ),
    (
        "erased-by-another-kind",
        gap_free,
        |of| of.replace("log.ndjson", "\",14],", "\",18],"),
        "which says nothing of the kind",
    ),
    (
        "erased-without-approval",
        gap_free,
        |of| of.replace("log.ndjson", "\",14],", "\",15],"),
        "which does not cover it",
    ),
    ("erased-unapproved", unapproved, |_| {}, "with fewer approvals than it takes"),
    ("erased-too-much", || erased_at(4), |_| {}, "said to be erased by entry 14, which does not cover it"),
    (
        "expired-by-nobody",
        gap_free,
        |of| of.replace("log.ndjson", "\"expired\":18", "\"expired\":17"),
        "said to be expired by entry 17, which the bundle does not have",
    ),
    ("expired-too-much", expired_too_much, |_| {}, "said to be expired by entry 18, which does not cover it"),
    (
        "lifecycle-differs",
        gap_free,
        |of| of.replace("lifecycle.ndjson", "\"01020000", "\"01020001"),
        "the entry differs from the one that `lifecycle.ndjson` gives",
    ),
    (
        "lifecycle-damaged",
        gap_free,
        |of| of.replace("lifecycle.ndjson", "37663361", "37663362"),
        "`lifecycle.ndjson`: ",
    ),
    (
        "lifecycle-not-in-the-log",
        gap_free,
        |of| lifecycle_elsewhere(of),
        "excuses others and is not in the log",
    ),
    (
        "statement-pretends",
        gap_free,
        |of| of.lines(|lines| lines[14] = lines[14].replace("\"}", "\",\"units\":[]}")),
        "pretends to be an event",
    ),
    (
        "earlier-of-another-history",
        || {
            selection().with(
                "earlier.json",
                &annals_bundle::Earlier { root: annals_bundle::Hex([1; 32]), ..log().earlier(17) },
            )
        },
        |_| {},
        "`earlier.json`: ",
    ),
    (
        "registry-of-another-log",
        || gap_free().with("registry.json", &annals_bundle::Registry { position: 0, ..log().registry(20) }),
        |_| {},
        "`registry.json`: ",
    ),
    (
        "registry-ahead",
        || {
            gap_free().with(
                "registry.json",
                &annals_bundle::Registry { consistency: Vec::new(), ..log().registry(20) },
            )
        },
        |_| {},
        "`registry.json`: ",
    ),
    ("key-stepped-back", crafted::stepped_back, |_| {}, "says that another key signs from 3 records on"),
    ("units-not-canonical", crafted::not_canonical, |_| {}, "the units that are shown make no event"),
    ("units-envelope-has-more", crafted::envelope_has_more, |_| {}, "the units that are shown make no event"),
    ("units-time-is-none", crafted::time_is_none, |_| {}, "the event's time or operation is none"),
    (
        "withheld-is-no-unit",
        gap_free,
        |of| of.manifest(|of| of["withheld"] = json!(["metadata"])),
        "`manifest.json`: withheld: `metadata` is no unit",
    ),
    (
        "withheld-too-many",
        gap_free,
        |of| {
            of.manifest(|of| of["withheld"] = (100..165).map(|at| json!(format!("/metadata/{at}"))).collect())
        },
        "`manifest.json`: withheld: more than 64 units",
    ),
    (
        "manifest-of-other-types",
        gap_free,
        |of| of.manifest(|of| of["created_at"] = 5.into()),
        "`manifest.json`: invalid type",
    ),
    (
        "manifest-without-tenant",
        gap_free,
        |of| of.manifest(|of| of["tenant"] = Value::Null),
        "`manifest.json`: invalid type",
    ),
    ("another-format", gap_free, |of| of.manifest(|of| of["format"] = "annals-bundle/2".into()), ""),
];

/// What does not hold as hashes and files are not those that the manifest lists.
const UNLISTED: &[Change] = &[
    (
        "file-changed",
        gap_free,
        |of| *of.get("README.txt") = b"A bundle for texts.\n".to_vec(),
        "`README.txt` does not have the SHA-256",
    ),
    (
        "log-has-white-space",
        gap_free,
        |of| of.replace("log.ndjson", "{\"position\":5,", "{\"position\":5, "),
        "`log.ndjson` has ",
    ),
    (
        "log-has-escapes",
        gap_free,
        |of| of.replace("log.ndjson", "\"entry\"", "\"ent\\u0072y\""),
        "`log.ndjson` has ",
    ),
    (
        "file-not-listed",
        gap_free,
        |of| of.manifest(|of| drop(of["files"].as_array_mut().unwrap().remove(0))),
        "`checkpoint` is not listed",
    ),
    (
        "file-not-there",
        gap_free,
        |of| of.0.retain(|(name, _)| name != "README.txt"),
        "lists `README.txt`, which is not there",
    ),
];

type Broken = (&'static str, fn(Vec<u8>) -> Vec<u8>, &'static str);

/// What is no archive of a bundle's.
const BROKEN: &[Broken] = &[
    ("archive-cut", |bytes| bytes[..bytes.len() - 30].to_vec(), "it does not end as a zip archive does"),
    ("archive-goes-on", |bytes| [&bytes[..], b"more"].concat(), "it does not end as a zip archive does"),
    ("archive-begins-later", |bytes| [b"more", &bytes[..]].concat(), "its directory is not where it says"),
    (
        "archive-of-other-files",
        |bytes| replaced(&bytes, b"README.txt", b"readme.TXT"),
        "is no file of a bundle",
    ),
    (
        "archive-names-differ",
        |bytes| replaced_once(&bytes, b"README.txt", b"readme.TXT"),
        "do not say the same of its name",
    ),
    ("archive-file-twice", |bytes| replaced(&bytes, b"trust.json", b"checkpoint"), "is there twice"),
    (
        "archive-data-changed",
        |mut bytes| {
            bytes[60] ^= 4;
            bytes
        },
        "",
    ),
];

fn flip_salt(line: &str) -> String {
    // The last salt of a line with salts: 32 digits before `"]`.
    let end = line.rfind("\"]").unwrap();
    let digit = if &line[end - 1..end] == "0" { "1" } else { "0" };
    let flipped = format!("{}{digit}{}", &line[..end - 1], &line[end..]);
    assert_ne!(flipped, line);
    flipped
}

fn flip_node(line: &str) -> String {
    let at = line.find("\"nodes\":[\"").unwrap() + 10;
    let digit = if &line[at..=at] == "0" { "1" } else { "0" };
    format!("{}{digit}{}", &line[..at], &line[at + 1..])
}

/// The entry's class is another: the commitment still fits.
fn backdated(line: &str) -> String {
    line.replacen("\"entry\":\"01010000", "\"entry\":\"01010009", 1)
}

fn bare(line: &str) -> String {
    let at = line.find(",\"secret\"").or_else(|| line.find(",\"units\"")).unwrap();
    format!("{}}}\n", &line[..at])
}

fn flip_signature(files: &mut Files) {
    let note = files.text("checkpoint");
    let at = note.len() - 20;
    let letter = if &note[at..=at] == "A" { "B" } else { "A" };
    *files.get("checkpoint") = format!("{}{letter}{}", &note[..at], &note[at + 1..]).into_bytes();
}

/// Another root, signed by the right key.
fn sign_anew(files: &mut Files) {
    use annals_tree::checkpoint::Checkpoint;
    let checkpoint = Checkpoint::new(ORIGIN, SIZE as u64, Hash([1; 32]));
    let key = SigningKey::from_seed(ORIGIN, &SEED).unwrap();
    *files.get("checkpoint") = key.sign(&checkpoint.to_text()).unwrap().into_bytes();
}

fn of_shows(change: impl Fn(&Log, &mut Vec<Show>)) -> Files {
    let log = log();
    let mut shows = all(&log);
    change(&log, &mut shows);
    let asked =
        Asked { mode: Mode::GapFree, range: (0, SIZE as u64), filter: None, withheld: &[], shows: &shows };
    Files::of(&log, &asked)
}

fn unapproved() -> Files {
    of_shows(|log, shows| {
        shows[8] =
            log.parts(8, |number, _| if number == EMAIL { Part::Erased(UNAPPROVED) } else { Part::Shown });
    })
}

fn erased_at(at: usize) -> Files {
    of_shows(|log, shows| {
        shows[at] =
            log.parts(at, |number, _| if number == EMAIL { Part::Erased(ERASURE) } else { Part::Shown });
    })
}

fn expired_too_much() -> Files {
    of_shows(|_, shows| shows[2] = Show::Expired(EXPIRY))
}

/// The entry that excuses is said to stand where an event does.
fn lifecycle_elsewhere(files: &mut Files) {
    files.replace("lifecycle.ndjson", "{\"position\":14,", "{\"position\":16,");
    let log = files.text("log.ndjson").replace("\",14]", "\",16]");
    *files.get("log.ndjson") = log.into_bytes();
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    while let Some(at) = out.windows(from.len()).position(|window| window == from) {
        out[at..at + to.len()].copy_from_slice(to);
    }
    out
}

fn replaced_once(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let at = out.windows(from.len()).position(|window| window == from).unwrap();
    out[at..at + to.len()].copy_from_slice(to);
    out
}

/// Every vector: name, archive, and what must be said if it does not hold.
fn vectors() -> Vec<(String, Vec<u8>, Option<&'static str>)> {
    let mut all: Vec<_> = good()
        .into_iter()
        .map(|(name, files, method)| (name.to_owned(), files.packed(method), None))
        .collect();
    for (is_listed, changes) in [(true, DAMAGED), (false, UNLISTED)] {
        for (name, base, change, says) in changes {
            let mut files = base();
            let before = files.clone();
            change(&mut files);
            let is_built = ["erased-", "expired-", "earlier-", "registry-", "key-", "units-"]
                .iter()
                .any(|kind| name.starts_with(kind));
            assert!(is_built || files != before, "{name} changes nothing");
            if is_listed
                && serde_json::from_slice::<annals_bundle::Manifest>(files.get("manifest.json")).is_ok()
            {
                files.relist();
            }
            all.push((format!("bad-{name}.zip"), files.packed(CompressionMethod::Deflated), Some(*says)));
        }
    }
    for (name, change, says) in BROKEN {
        let bytes = change(gap_free().packed(CompressionMethod::Deflated));
        all.push((format!("bad-{name}.zip"), bytes, Some(*says)));
    }
    all
}

#[derive(Default)]
struct Positions(Vec<(u64, Verdict)>);

impl Watch for Positions {
    fn position(&mut self, position: u64, verdict: Verdict) {
        self.0.push((position, verdict));
    }

    fn progress(&mut self, _done: u64, _size: u64) {}
}

fn checked(path: &Path, known: &Known) -> (Outcome, Positions) {
    let mut positions = Positions::default();
    let outcome = match Archive::open(path) {
        Ok(archive) => check(&archive, known, &mut positions).unwrap(),
        Err(ZipError::Form(problem)) => {
            let mut outcome = Outcome::default();
            outcome.findings.push(problem);
            outcome
        }
        Err(error) => panic!("{}: {error}", path.display()),
    };
    (outcome, positions)
}

#[test]
fn every_bundle_of_the_corpus_is_as_it_is_made_and_is_judged_as_expected() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut said: BTreeMap<String, Value> = BTreeMap::new();
    for (name, bytes, problem) in vectors() {
        let path = folder().join(&name);
        if update {
            fs::write(&path, &bytes).unwrap();
        }
        // How archives are pressed may change; what is in them must not.
        let stored = fs::read(&path).unwrap();
        assert_eq!(Files::unpacked(&stored), Files::unpacked(&bytes), "{name}");
        let (outcome, positions) = checked(&path, &Known::default());
        let problems: Vec<String> = outcome.problems().collect();
        assert_eq!(outcome.holds(), problem.is_none(), "{name}: {problems:?}");
        if let Some(problem) = problem {
            let is_said =
                problems.iter().any(|said| said.contains(problem)) || outcome.other_format.is_some();
            assert!(is_said, "{name}: {problems:?} does not say `{problem}`");
        }
        let positions: Vec<Value> =
            positions.0.iter().map(|(position, verdict)| json!([position, verdict.as_str()])).collect();
        said.insert(name, json!({"holds": outcome.holds(), "positions": positions, "problems": problems}));
    }
    let count = said.len();
    let mut text = String::from("{\n");
    for (at, (name, said)) in said.iter().enumerate() {
        let end = if at + 1 == count { "" } else { "," };
        text.push_str(&format!("\"{name}\":{said}{end}\n"));
    }
    text.push_str("}\n");
    let expected = folder().join("expected.json");
    if update {
        fs::write(&expected, &text).unwrap();
    }
    assert_eq!(fs::read_to_string(&expected).unwrap(), text);
    let there: BTreeSet<String> = fs::read_dir(folder())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".zip"))
        .collect();
    assert_eq!(there, said.into_keys().collect(), "no other bundles are there");
}

#[test]
fn what_was_accepted_before_is_held_against_a_bundle() {
    let log = log();
    let key = SigningKey::from_seed(ORIGIN, &SEED).unwrap().verifier_key();
    let known = |size: u64, root: Hash| Known {
        remembered: vec![Remembered { origin: ORIGIN.to_owned(), key: key.clone(), size, root }],
        ..Known::default()
    };
    let root = |size| annals_tree::root_at(size, &log.tree).unwrap();
    let say = |file: &str, known: &Known| checked(&folder().join(file), known).0;
    for (file, size, extends) in
        [("gap-free.zip", 24, Some(24)), ("gap-free.zip", 9, Some(9)), ("earlier.zip", 17, Some(17))]
    {
        let outcome = say(file, &known(size, root(size)));
        assert_eq!((outcome.holds(), outcome.extends), (true, extends), "{file}: {:?}", outcome.findings);
    }
    for (file, size, root, says) in [
        ("gap-free.zip", 24, Hash([1; 32]), "this is another history"),
        ("gap-free.zip", 9, Hash([1; 32]), "this is another history"),
        ("another-history.zip", 24, root(24), "this is another history"),
        ("gap-free.zip", 25, root(24), "it is older than what is known"),
        ("selection.zip", 3, root(3), "nothing in the bundle shows that it extends the 3 records"),
    ] {
        let outcome = say(file, &known(size, root));
        let problems: Vec<String> = outcome.problems().collect();
        assert!(!outcome.holds() && problems.iter().any(|said| said.contains(says)), "{file}: {problems:?}");
    }
}

#[test]
fn keys_and_witnesses_that_were_given_must_have_signed() {
    let key = |origin: &str, seed: u8| SigningKey::from_seed(origin, &[seed; 32]).unwrap().verifier_key();
    let witness = |seed: u8| Cosigner::from_seed("witness.example/w1", &[seed; 32]).unwrap().witness_key();
    let path = folder().join("cosigned.zip");
    let now_seconds = 1_795_303_900;
    let of = |key, witnesses| Known { key, witnesses, now_seconds, ..Known::default() };
    for (known, is_held) in [
        (of(Some(key(ORIGIN, 7)), vec![]), true),
        (of(Some(key("log.example", 7)), vec![witness(3)]), true),
        (of(Some(key(ORIGIN, 8)), vec![]), false),
        (of(Some(key("log.example/t/00", 7)), vec![]), false),
        (of(None, vec![witness(4)]), false),
        (Known { now_seconds: 0, ..of(None, vec![witness(3)]) }, false),
    ] {
        let outcome = checked(&path, &known).0;
        assert_eq!(outcome.holds(), is_held, "{known:?}: {:?}", outcome.findings);
    }
    for (given, from, how, problem) in [
        (None, KeyFrom::Found, Signer::Same, None),
        (Some(key(ORIGIN, 7)), KeyFrom::Given, Signer::LedTo, None),
        (Some(key("log.example", 8)), KeyFrom::Given, Signer::Same, None),
        (Some(key(ORIGIN, 9)), KeyFrom::Given, Signer::Stranger, Some("no entry of the log introduces it")),
    ] {
        let outcome = checked(&folder().join("rotated.zip"), &of(given, vec![])).0;
        let found: Vec<String> = outcome.problems().collect();
        assert_eq!(outcome.holds(), problem.is_none(), "{found:?}");
        assert!(problem.is_none_or(|problem| found[0].contains(problem)), "{found:?}");
        let (signer, whose) = outcome.key.unwrap();
        assert_eq!((signer, whose, outcome.signer), (key(ORIGIN, 8), from, Some(how)));
    }
    let named = checked(&path, &of(None, vec![])).0.witnesses;
    assert_eq!((named.len(), named[0].is_demanded, &named[0].said), (1, false, &Ok(1_795_303_800)));
}
