//! Events that real systems wrote, through the real binary and back.
//!
//! The events come from a folder outside the repository, because they name real machines and people. Each file is sent
//! to a tenant of its own in every form that ingest takes; each item is accepted, or refused for a reason that is
//! printed; and what the feed gives back is what was sent: every digit, every `null` inside `metadata` and `changes`. What
//! was sent in one form is then searched, and read as the clients of each vendor read it.

mod search;
mod vendors;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use crate::api::{self, Ingested};
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::{Binary, Instance};
use crate::repo;
use crate::stages::Tally;
use crate::tool::Tool;
use search::Loaded;

/// Variable that names the folder.
pub(crate) const SETTING: &str = "ANNALS_REAL_DATA";

/// Where the folder is when the variable does not say, from the repository's root.
const DEFAULT_FOLDER: &str = "../shared/data";

/// Turns a vendor's file into events, one a line on standard output.
const CONVERTER: &str = "to_canonical.py";

/// Events of one request.
const REQUEST_EVENTS: usize = 500;

/// Endings of a vendor's files.
const VENDOR_ENDINGS: [&str; 3] = [".ndjson.gz", ".ndjson.zst", ".ndjson"];

/// How the events of a file are sent.
const FORMS: [Form; 4] = [
    Form { name: "lines", array: false, encoding: None },
    Form { name: "lines-zstd", array: false, encoding: Some("zstd") },
    Form { name: "array", array: true, encoding: None },
    Form { name: "array-gzip", array: true, encoding: Some("gzip") },
];

/// The form whose tenants are searched; all hold the same events.
const SEARCHED_FORM: &str = FORMS[0].name;

#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    array: bool,
    encoding: Option<&'static str>,
}

/// Sends every file in every form and reads it back.
pub(crate) fn run(binary: &Binary) -> Result<Tally> {
    let files = match converted()? {
        Ok(files) => files,
        Err(why) => return Ok(Tally::skipped(why)),
    };
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let data = folder.path().join("data");
    let server = Instance::start(binary, &data)?;
    let mut client = server.client();
    let mut tally = Tally::default();
    let mut loaded = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).while_doing(file.display())?;
        let events: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        for form in FORMS {
            let tenant = format!("{name}-{}", form.name);
            let (report, accepted) = send_and_compare(&mut client, &tenant, form, &events)?;
            println!("{tenant}: {report}");
            tally.passed += 1;
            if form.name == SEARCHED_FORM {
                loaded.push(Loaded::new(tenant, accepted)?);
            }
        }
    }
    tally.add(search::check(&mut client, &loaded, folder.path())?);
    tally.add(vendors::check(&mut client, &loaded)?);
    server.stop()?;
    binary.verify(&data, &folder.path().join("state"))?;
    tally.passed += 1;
    Ok(tally)
}

/// The folder with one NDJSON file of events for each file of real data, or why there is none.
pub(crate) fn converted() -> Result<std::result::Result<Vec<PathBuf>, String>> {
    let folder = std::env::var_os(SETTING).map_or_else(|| repo::root().join(DEFAULT_FOLDER), PathBuf::from);
    if !folder.is_dir() {
        return Ok(Err(format!("real data: there is no folder {DEFAULT_FOLDER}, and {SETTING} names none")));
    }
    let mut files: Vec<_> = fs::read_dir(&folder)
        .while_doing(folder.display())?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::result::Result<_, _>>()
        .while_doing(folder.display())?;
    files.retain(|file| vendor(file).is_some());
    files.sort();
    require!(!files.is_empty(), "{}: no NDJSON files", folder.display());
    let converter = folder.join(CONVERTER);
    if !converter.is_file() {
        return Ok(Ok(files));
    }
    let out = converted_folder();
    fs::create_dir_all(&out).while_doing(out.display())?;
    let convert = |file: &PathBuf| {
        let events = Tool::new("python3").args([&converter, file]).output()?;
        let path = out.join(vendor(file).unwrap_or_default()).with_extension("ndjson");
        fs::write(&path, events).while_doing(path.display())?;
        Ok(path)
    };
    files.iter().map(convert).collect::<Result<_>>().map(Ok)
}

/// Where converted files are.
pub(crate) fn converted_folder() -> PathBuf {
    repo::target().join("real-data")
}

/// The name of a vendor's file without its ending.
fn vendor(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    VENDOR_ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).map(str::to_owned)
}

/// Sends events to a tenant of their own, reads them back and compares; says how many were taken, and gives those.
fn send_and_compare<'a>(
    client: &mut Client,
    tenant: &str,
    form: Form,
    events: &[&'a str],
) -> Result<(String, Vec<&'a str>)> {
    let mut accepted = Vec::new();
    let mut duplicates = 0;
    let mut refused = BTreeMap::<String, u64>::new();
    for request in events.chunks(REQUEST_EVENTS) {
        let ingested = send(client, tenant, form, request)?;
        require!(ingested.results.len() == request.len(), "{tenant}: {} results", ingested.results.len());
        for (event, result) in request.iter().zip(ingested.results) {
            match (result.status.as_str(), result.error) {
                ("created", _) => accepted.push((result.position, *event)),
                ("duplicate", _) => duplicates += 1,
                (_, Some(error)) => {
                    *refused.entry(format!("{} at `{}`", error.code, error.pointer)).or_default() += 1
                }
                (status, None) => fail!("{tenant}: an item was {status} without a reason"),
            }
        }
    }
    compare(client, tenant, &accepted)?;
    let refused = if refused.is_empty() { "none".to_owned() } else { format!("{refused:?}") };
    let report = format!(
        "{} sent, {} accepted and read back equal, {duplicates} duplicates, refused: {refused}",
        events.len(),
        accepted.len()
    );
    Ok((report, accepted.into_iter().map(|(_, event)| event).collect()))
}

fn send(client: &mut Client, tenant: &str, form: Form, events: &[&str]) -> Result<Ingested> {
    let named: Vec<_> = events.iter().map(|event| with_tenant(event, tenant)).collect();
    let (media, body) = if form.array {
        ("application/json", format!("[{}]", named.join(",\n")))
    } else {
        ("application/x-ndjson", named.join("\n") + "\n")
    };
    let mut headers = vec![("content-type", media)];
    let body = match form.encoding {
        None => body.into_bytes(),
        Some(encoding) => {
            headers.push(("content-encoding", encoding));
            compress(encoding, body.as_bytes())?
        }
    };
    let answer = client.request("POST", "/v1/events", &headers, &body).while_doing("POST /v1/events")?;
    require!(
        matches!(answer.status, 200 | 409 | 422),
        "{tenant}: status {}: {}",
        answer.status,
        answer.text()
    );
    serde_json::from_slice(&answer.body).while_doing("POST /v1/events")
}

/// The event with a member `tenant`, as a platform key needs it; the rest stays as it is, byte for byte.
fn with_tenant(event: &str, tenant: &str) -> String {
    match event.trim_start().strip_prefix('{') {
        Some(rest) => format!("{{\"tenant\":\"{tenant}\",{rest}"),
        // Not an object: to be refused.
        None => event.to_owned(),
    }
}

fn compress(encoding: &str, body: &[u8]) -> Result<Vec<u8>> {
    if encoding == "zstd" {
        return zstd::encode_all(body, 3).while_doing("zstd");
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body).while_doing("gzip")?;
    gzip.finish().while_doing("gzip")
}

/// Compares what was accepted with the feed, in order.
fn compare(client: &mut Client, tenant: &str, accepted: &[(Option<u64>, &str)]) -> Result<()> {
    let records = api::feed(client, tenant, 0)?;
    require!(
        records.len() == accepted.len(),
        "{tenant}: {} accepted, {} in the feed",
        accepted.len(),
        records.len()
    );
    for (index, ((position, sent), record)) in accepted.iter().zip(&records).enumerate() {
        require!(*position == Some(index as u64), "{tenant}: item {index} was acknowledged at {position:?}");
        let sent: Json = read(sent)?;
        let back: Json = read(record.get())?;
        if let Some(difference) =
            difference(&sent.as_the_model_keeps_it(), &back.without_our_members(&sent), "")
        {
            fail!("{tenant}: position {index}: {difference}");
        }
    }
    Ok(())
}

/// A JSON value whose numbers are the texts they were written as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Json {
    /// `null`, `true`, `false` or a number, as written.
    Token(String),
    Text(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

fn read(text: &str) -> Result<Json> {
    let text = text.trim();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).while_doing("an object")?;
            let members = members.into_iter().map(|(name, value)| Ok((name, read(value.get())?)));
            Json::Object(members.collect::<Result<_>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).while_doing("an array")?;
            Json::Array(items.into_iter().map(|item| read(item.get())).collect::<Result<_>>()?)
        }
        Some(b'"') => Json::Text(serde_json::from_str(text).while_doing("a text")?),
        _ => Json::Token(text.to_owned()),
    })
}

impl Json {
    fn is_absent(&self) -> bool {
        match self {
            Self::Token(token) => token == "null",
            Self::Text(_) => false,
            Self::Array(items) => items.is_empty(),
            Self::Object(members) => members.is_empty(),
        }
    }

    /// What the promise to keep an event means: in a member of the model `null` and what is empty is absence, an
    /// instant is what it says in UTC to the microsecond, and inside `metadata`, `before` and `after` everything stays.
    fn as_the_model_keeps_it(&self) -> Self {
        match self {
            Self::Object(members) => {
                let kept = members.iter().filter_map(|(name, value)| {
                    let value = match name.as_str() {
                        "metadata" | "before" | "after" => value.clone(),
                        "occurred_at" => value.as_instant(),
                        _ => value.as_the_model_keeps_it(),
                    };
                    (!value.is_absent()).then(|| (name.clone(), value))
                });
                Self::Object(kept.collect())
            }
            Self::Array(items) => Self::Array(items.iter().map(Self::as_the_model_keeps_it).collect()),
            other => other.clone(),
        }
    }

    /// An instant in UTC, as real data writes it, with six digits of a second.
    fn as_instant(&self) -> Self {
        let Self::Text(text) = self else { return self.clone() };
        let Some(instant) = text.strip_suffix('Z').or_else(|| text.strip_suffix("+00:00")) else {
            return self.clone();
        };
        let (seconds, digits) = instant.split_once('.').unwrap_or((instant, ""));
        Self::Text(format!("{seconds}.{digits:0<6.6}Z"))
    }

    /// A record without the members that annals adds to what was sent.
    fn without_our_members(self, sent: &Self) -> Self {
        let (Self::Object(mut members), Self::Object(sent)) = (self.clone(), sent) else { return self };
        for name in ["position", "received_at", "derived", "tenant", "ledger_seq", "kind"] {
            members.remove(name);
        }
        if sent.get("id").is_none_or(Self::is_absent) {
            members.remove("id");
        }
        Self::Object(members)
    }
}

/// The first place where two values differ, as a JSON Pointer and what is there.
fn difference(sent: &Json, back: &Json, at: &str) -> Option<String> {
    match (sent, back) {
        (Json::Object(sent), Json::Object(back)) => {
            let names = sent.keys().chain(back.keys().filter(|name| !sent.contains_key(*name)));
            names.into_iter().find_map(|name| match (sent.get(name), back.get(name)) {
                (Some(sent), Some(back)) => difference(sent, back, &format!("{at}/{name}")),
                (sent, back) => Some(format!("{at}/{name}: sent {sent:?}, read back {back:?}")),
            })
        }
        (Json::Array(sent), Json::Array(back)) if sent.len() == back.len() => {
            let mut pairs = sent.iter().zip(back).enumerate();
            pairs.find_map(|(index, (sent, back))| difference(sent, back, &format!("{at}/{index}")))
        }
        _ => (sent != back).then(|| format!("{at}: sent {sent:?}, read back {back:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(sent: &str, back: &str) -> bool {
        let (sent, back) = (read(sent).expect("JSON"), read(back).expect("JSON"));
        difference(&sent.as_the_model_keeps_it(), &back.without_our_members(&sent), "").is_some()
    }

    #[test]
    fn a_lost_digit_or_null_in_metadata_is_a_difference() {
        let sent = r#"{"action":"a","metadata":{"n":1.10,"none":null}}"#;
        assert!(!differs(sent, r#"{"action":"a","position":3,"metadata":{"none":null,"n":1.10}}"#));
        assert!(differs(sent, r#"{"action":"a","metadata":{"n":1.1,"none":null}}"#));
        assert!(differs(sent, r#"{"action":"a","metadata":{"n":1.10}}"#));
    }

    #[test]
    fn absence_and_instants_are_as_the_model_has_them() {
        let sent = r#"{"occurred_at":"2026-01-02T03:04:05Z","actor":{"id":null,"type":"user"},"targets":[]}"#;
        assert!(!differs(
            sent,
            r#"{"occurred_at":"2026-01-02T03:04:05.000000Z","actor":{"type":"user"},"id":"x"}"#
        ));
        assert!(differs(sent, r#"{"occurred_at":"2026-01-02T03:04:06.000000Z","actor":{"type":"user"}}"#));
    }
}
