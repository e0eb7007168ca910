//! Exports of the real binary, read by programs that others wrote: CSV by Python, CSV and Parquet by DuckDB.
//!
//! What the files hold is put together to events again by `verifiers/python/read_exports.py`, from the documentation alone. The
//! lines they are compared with are those that the feed gives, and what the command line writes is what the server gives.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::fault::{Result, While, require};
use crate::foreign::virtual_environment;
use crate::instance::{Binary, Instance};
use crate::repo;
use crate::stages::Tally;
use crate::tool::Tool;

/// The reader, as anybody installs it.
const READER: &str = "duckdb==2.0.0";

/// Events of each shape of `annals bench generate`.
const SHAPES: [(&str, u64); 4] = [("everyday", 20_000), ("keys", 500), ("shapes", 2_000), ("targets", 20)];

/// Columns of a file with all of them.
const COLUMNS: u64 = 46;

const FORMATS: [&str; 3] = ["ndjson", "csv", "parquet"];

/// Stores events of all sorts, exports them in every form, has them read.
pub(crate) fn run(binary: &Binary) -> Result<Tally> {
    let programs = virtual_environment("duckdb", &["install", "--quiet", READER])?;
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    store(binary, &server, folder.path())?;
    let names: Vec<_> = FORMATS.iter().map(|format| folder.path().join(format!("all.{format}"))).collect();
    for (format, name) in FORMATS.iter().zip(&names) {
        let ask = binary.command().env("ANNALS_URL", server.url()).env("ANNALS_KEY", &server.key);
        // What the export itself is on record with comes later than what it holds.
        let (exported, said) = ask.args(["export", "--output"]).args([name]).args(SENT).ask()?;
        require!(exported, "annals export: {said}");
        let query = format!("/v1/export?format={format}&filter=not%20%28action%20sw%20%22annals.%22%29");
        let given = server.client().get(&query).while_doing(&query)?;
        require!(given.status == 200, "{query}: {}", given.text());
        let written = fs::read(name).while_doing(name.display())?;
        require!(
            given.body == written,
            "{format}: the server gives {} bytes, the command wrote {}",
            given.body.len(),
            written.len()
        );
    }
    let rows = compare_with_feed(&server, &names[0])?;
    let (read, said) = Tool::new(programs.join("python"))
        .args([repo::root().join("verifiers/python/read_exports.py")])
        .args(&names)
        .ask()?;
    require!(
        read && said.trim() == format!("ok {rows} {COLUMNS}"),
        "{rows} events, as read by others: {said}"
    );
    println!("{rows} events in {COLUMNS} columns read by DuckDB and by Python as they stand in the feed");
    server.stop()?;
    Ok(Tally::passed(FORMATS.len() as u64 + 2))
}

/// Leaves out what annals itself writes.
const SENT: [&str; 2] = ["--filter", "not (action sw \"annals.\")"];

/// Values that a reader of some form may stumble over.
fn hostile() -> Vec<Value> {
    let texts = [
        "=1+1",
        "+1",
        "-1",
        "@a",
        "\t",
        "\r\n",
        "\n",
        "'",
        "''",
        "\"",
        "\"\"",
        ",",
        ";",
        "\u{0}",
        "null",
        "NULL",
        "\u{FEFF}a",
        "＝1",
        "\\",
        "",
        " ",
    ];
    let mut events: Vec<Value> = texts
        .iter()
        .map(|text| {
            json!({
                "action": "a", "actor": {"id": "u", "name": text, "shoe_size": text}, "description": text, "category": text,
                "changes": {"before": text, "after": null, "complete": false}, "metadata": {"": text}, "zone": text,
            })
        })
        .collect();
    events.push(json!({"action": "a", "actor": {"id": "u"}, "source": {"name": "s", "seq": u64::MAX}, "request": {"status_code": 999}}));
    for time in ["0000-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"] {
        events.push(json!({"action": "a", "actor": {"id": "u"}, "occurred_at": time}));
    }
    events
}

fn store(binary: &Binary, server: &Instance, folder: &Path) -> Result<()> {
    let file = folder.join("events.ndjson");
    let mut lines: String = hostile()
        .into_iter()
        .map(|mut event| {
            event["tenant"] = json!("hostile");
            format!("{event}\n")
        })
        .collect();
    // Numbers that no double holds.
    lines.push_str("{\"tenant\":\"hostile\",\"action\":\"a\",\"actor\":{\"id\":\"u\"},\"metadata\":{\"n\":[1.50,1e400,9007199254740993,-0.0]}}\n");
    for (shape, events) in SHAPES {
        let made = binary
            .command()
            .args(["bench", "generate", "--shape", shape, "--events", &events.to_string()])
            .output()?;
        lines.push_str(&made);
    }
    fs::write(&file, lines).while_doing(file.display())?;
    let send = binary.command().env("ANNALS_URL", server.url()).env("ANNALS_KEY", &server.key);
    let (sent, said) = send.args(["send"]).args([file]).ask()?;
    require!(sent, "annals send: {said}");
    Ok(())
}

/// What is looked at of an event; its numbers may be any.
#[derive(serde::Deserialize)]
struct Known {
    ledger_seq: Option<u64>,
    action: String,
}

/// Every line of the export is a record of the feed, byte for byte, and none is missing. Returns how many there are.
fn compare_with_feed(server: &Instance, lines: &Path) -> Result<usize> {
    let text = fs::read_to_string(lines).while_doing(lines.display())?;
    let mut exported = BTreeMap::new();
    for line in text.lines() {
        let event: Known = serde_json::from_str(line).while_doing("a line")?;
        let known = exported.insert(event.ledger_seq, line);
        require!(known.is_none(), "{line} is there twice");
    }
    let mut client = server.client();
    let (mut from, mut found) = (0, 0);
    loop {
        let path = format!("/v1/feed?from={from}&limit=1000");
        let answer = client.get(&path).while_doing(&path)?;
        let page: Page<'_> = serde_json::from_slice(&answer.body).while_doing(&path)?;
        for record in &page.records {
            let known: Known = serde_json::from_str(record.get()).while_doing("a record")?;
            let sent = !known.action.starts_with("annals.");
            let line = exported.get(&known.ledger_seq).copied();
            require!(line == sent.then_some(record.get()), "the feed has {record}, the export {line:?}");
            found += usize::from(sent);
        }
        if page.next == page.size {
            break;
        }
        from = page.next;
    }
    require!(found == exported.len(), "the export has {} lines, the feed {found}", exported.len());
    Ok(found)
}

#[derive(serde::Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    records: Vec<&'a serde_json::value::RawValue>,
    next: u64,
    size: u64,
}
