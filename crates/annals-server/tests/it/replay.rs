//! Vendors' corpora: requests with their exact answers, headers that the vendor documents among them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use annals_server::{Listening, Settings};
use expect_test::expect_file;

use crate::site::{Site, event};

/// Headers that are shown before the body.
/// How many requests a key has left depends on what was asked before.
const HEADERS: [&str; 9] = [
    "allow",
    "link",
    "page-number",
    "per-page",
    "retry-after",
    "total",
    "total-pages",
    "x-ratelimit-limit",
    "x-ratelimit-window",
];

/// Where the corpus of a vendor is.
fn folder(vendor: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/dialects").join(vendor)
}

/// A site with the events of a vendor's corpus, received a while after they occurred, behind them a record that annals made, and
/// with keys of every kind.
pub(crate) async fn site(vendor: &str, settings: Settings) -> Site {
    let mut site = Site::with(settings, Listening::default()).await;
    site.clock.pass(Duration::from_secs(86_400));
    let events = std::fs::read_to_string(folder(vendor).join("events.ndjson")).unwrap();
    let sent =
        site.ask("POST /v1/events\ncontent-type: application/x-ndjson", "acme", events.as_bytes()).await;
    assert_eq!(sent.status, 200, "{}", sent.text());
    make_hole(&site).await;
    let dialect =
        format!(r#"{{"tenant": "acme", "scopes": [], "dialects": ["{vendor}"], "name": "poller"}}"#);
    site.make_key("dialect", &dialect).await;
    site.make_key("writer", r#"{"tenant": "acme", "scopes": ["write", "verify", "admin"]}"#).await;
    site.make_key("elsewhere", r#"{"tenant": "acme", "scopes": ["write"], "dialects": ["nirvana"]}"#).await;
    site.make_key("other", r#"{"tenant": "other", "scopes": ["write", "read"]}"#).await;
    site.post("other", &event("o-1")).await;
    site
}

/// Leaves a hole in a source's numbers, which annals puts on record behind the event that shows it.
async fn make_hole(site: &Site) {
    let numbered = |seq: u64| {
        format!(
            r#"{{"id":"s-{seq}","occurred_at":"2020-01-01T00:00:00Z","action":"sent","actor":{{"type":"system"}},"source":{{"name":"s","seq":{seq}}}}}"#
        )
    };
    site.post("acme", &numbered(1)).await;
    site.post("acme", &numbered(5)).await;
}

/// Compares each file of a vendor's corpus with what is answered; there are at least so many requests.
pub(crate) async fn check(site: &Site, vendor: &str, requests_min: usize) {
    let mut requests = 0;
    let mut files: Vec<_> =
        std::fs::read_dir(folder(vendor)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for path in files {
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            requests += text.split("\n\n").filter(|block| block.contains("> ")).count();
            let replayed = replayed(site, &text).await;
            expect_file![path].assert_eq(&replayed);
        }
    }
    assert!(requests >= requests_min, "{requests}");
}

/// The ids of keys are random.
fn without_key_ids(text: &str) -> String {
    let mut parts = text.split("\"key_");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.split_once('"').map_or("", |(_, rest)| rest);
        out.push_str(&format!("\"key_…\"{rest}"));
    }
    out
}

/// A file of a corpus with its answers as they are now: after each request, lines that begin with `>`, status, headers and body.
/// `key` is the name of a key, `body` the body, all else is a header. `<key>` is the secret of a key that may read, `<next>` the cursor
/// of the last answer that had one.
async fn replayed(site: &Site, text: &str) -> String {
    let mut known = BTreeMap::from([("<key>", site.key("acme"))]);
    let mut out = String::new();
    for block in text.split("\n\n") {
        let lines: Vec<_> = block.lines().filter(|line| line.starts_with(['#', '>'])).collect();
        out.push_str(&lines.join("\n"));
        out.push('\n');
        let request: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("> ")).collect();
        if let Some((line, more)) = request.split_first() {
            let mut head = (*line).to_owned();
            let (mut key, mut body) = ("acme", "");
            for (name, value) in more.iter().map(|line| line.split_once(": ").unwrap()) {
                match name {
                    "key" if value == "none" => key = "",
                    "key" => key = value,
                    "body" => body = value,
                    _ => head.push_str(&format!("\n{name}: {value}")),
                }
            }
            for (mark, value) in &known {
                head = head.replace(mark, value);
            }
            let answer = site.ask(&head, key, body.as_bytes()).await;
            assert_eq!(answer.header("content-type"), "application/json", "{head}");
            let mut told = format!("{}\n", answer.status.as_u16());
            for name in HEADERS {
                if answer.headers.contains_key(name) {
                    told.push_str(&format!("{name}: {}\n", answer.header(name)));
                }
            }
            told.push_str(&without_key_ids(&answer.text()));
            if let Some((_, cursor)) =
                answer.json()["links"]["next"].as_str().and_then(|next| next.split_once("after="))
            {
                told = told.replace(cursor, "<next>");
                known.insert("<next>", cursor.to_owned());
            }
            assert!(!told.contains(&known["<key>"]), "a key stands in an answer: {told}");
            out.push_str(&told);
            out.push('\n');
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}
