//! Events that real systems wrote, as a file that every engine takes, as often over as one likes.
//!
//! Each vendor's file is a tenant. An event is as it was converted, but for what all engines need and some events lack: an id,
//! made of its place; a time, that of the event before; and members that say nothing (`null`, `{}`, `[]`) are not there. Each
//! copy is an hour later than the one before, with ids of its own; where an event tells its id or time once more in `metadata`, that
//! is another too.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_json::value::RawValue;

use super::question::{micros, time};
use crate::fault::{Result, While, fail};
use crate::real_data;
use crate::rng::Rng;

/// Between a copy and the next.
const HOUR_MICROS: i64 = 3_600_000_000;

/// Members that are kept as they were written.
const VERBATIM: [&str; 2] = ["metadata", "changes"];

/// Letters of a UUID, and where its hyphens are.
const UUID_LETTERS: usize = 36;
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// An event that is ready to be copied.
struct Event {
    id: String,
    occurred_at: String,
    line: String,
}

/// Writes the events so often; gives the file and what is to be said of it, or why there is none.
pub(super) fn write(folder: &Path, copies: u64) -> Result<std::result::Result<(PathBuf, String), String>> {
    let files = match real_data::converted()? {
        Ok(files) => files,
        Err(why) => return Ok(Err(why)),
    };
    let (mut events, mut said) = (Vec::new(), Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).while_doing(file.display())?;
        let tenant = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let (of_file, left_out) = read(&tenant, &text).while_doing(file.display())?;
        let left_out = left_out.iter().map(|(why, count)| format!(", {count} left out: {why}"));
        said.push(format!("{tenant} {}{}", of_file.len(), left_out.collect::<String>()));
        events.extend(of_file);
    }
    let path = folder.join("real.ndjson");
    let mut file = BufWriter::new(File::create(&path).while_doing(path.display())?);
    for copy in 0..copies {
        for event in &events {
            writeln!(file, "{}", event.copied(copy)?).while_doing(path.display())?;
        }
    }
    file.flush().while_doing(path.display())?;
    Ok(Ok((path, said.join("; "))))
}

/// The events of a file, and how many lines were none, and why.
fn read(tenant: &str, text: &str) -> Result<(Vec<Event>, BTreeMap<&'static str, usize>)> {
    let (mut events, mut left_out) = (Vec::<Event>::new(), BTreeMap::new());
    let mut ids = HashSet::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let before = events.last().map(|event| event.occurred_at.as_str());
        match Event::read(tenant, number, line, before) {
            Ok(event) if !ids.insert(event.id.clone()) => {
                *left_out.entry("their id came before").or_default() += 1
            }
            Ok(event) => events.push(event),
            Err(why) => *left_out.entry(why).or_default() += 1,
        }
    }
    if events.is_empty() {
        fail!("no line is an event: {left_out:?}");
    }
    Ok((events, left_out))
}

impl Event {
    fn read(
        tenant: &str,
        number: usize,
        line: &str,
        before: Option<&str>,
    ) -> std::result::Result<Self, &'static str> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(line).map_err(|_| "not an object")?;
        let text = |name: &str| {
            let text: Option<String> = serde_json::from_str(members.get(name)?.get()).ok()?;
            text.filter(|text| !text.is_empty())
        };
        if text("action").is_none() {
            return Err("they have no action");
        }
        let actor = members
            .get("actor")
            .and_then(|actor| serde_json::from_str(actor.get()).ok())
            .unwrap_or(Value::Null);
        if ["type", "id"].iter().all(|name| actor[name].as_str().is_none_or(str::is_empty)) {
            return Err("they have no actor");
        }
        let occurred_at = text("occurred_at").filter(|at| micros(at).is_ok());
        let occurred_at =
            occurred_at.or_else(|| before.map(str::to_owned)).ok_or("no event has a time yet")?;
        let id = text("id").unwrap_or_else(|| with_other_digits(&uuid(), &format!("{tenant} {number}")));
        let mut line = format!(
            "{{\"id\":{},\"tenant\":{},\"occurred_at\":{}",
            Value::from(id.as_str()),
            Value::from(tenant),
            Value::from(occurred_at.as_str())
        );
        let rest =
            members.iter().filter(|(name, _)| !["id", "tenant", "occurred_at"].contains(&name.as_str()));
        for (name, value) in rest {
            let mut kept: Value = serde_json::from_str(value.get()).map_err(|_| "not JSON")?;
            let verbatim = VERBATIM.contains(&name.as_str());
            if !verbatim {
                say_nothing_empty(&mut kept);
            }
            if !is_empty(&kept) {
                let kept = if verbatim { value.get().to_owned() } else { kept.to_string() };
                line.push_str(&format!(",{}:{kept}", Value::from(name.as_str())));
            }
        }
        line.push('}');
        Ok(Self { id, occurred_at, line })
    }

    /// The line of a copy; that of the first is as it is.
    fn copied(&self, copy: u64) -> Result<String> {
        if copy == 0 {
            return Ok(self.line.clone());
        }
        let id = if is_uuid(&self.id) {
            with_other_digits(&self.id, &format!("{} {copy}", self.id))
        } else {
            format!("{}-{copy}", self.id)
        };
        let later = later(&self.occurred_at, i64::try_from(copy)?)?;
        // Inside a JSON text both stand as they are: an id with letters that must be escaped would have to be too.
        let inside = |text: &str| {
            let text = Value::from(text).to_string();
            text[1..text.len() - 1].to_owned()
        };
        let line = self.line.replace(&inside(&self.id), &inside(&id));
        Ok(line.replace(&inside(&self.occurred_at), &inside(&later)))
    }
}

/// A time so many hours later, written as it was: minutes, seconds and offset stay.
fn later(text: &str, hours: i64) -> Result<String> {
    let (local, rest) = text.split_at_checked(13).ok_or_else(|| format!("`{text}` is not a time"))?;
    let moved = time(micros(&format!("{local}:00:00Z"))? + hours * HOUR_MICROS);
    Ok(format!("{}{rest}", &moved[..13]))
}

fn uuid() -> String {
    (0..UUID_LETTERS).map(|at| if UUID_HYPHENS.contains(&at) { '-' } else { '0' }).collect()
}

/// Whether a text begins with a UUID.
fn is_uuid(text: &str) -> bool {
    text.len() >= UUID_LETTERS
        && text.bytes().take(UUID_LETTERS).enumerate().all(|(at, byte)| {
            if UUID_HYPHENS.contains(&at) { byte == b'-' } else { byte.is_ascii_hexdigit() }
        })
}

/// The UUID at the beginning with digits that follow from `seed`; what is behind it stays.
fn with_other_digits(text: &str, seed: &str) -> String {
    let (uuid, rest) = text.split_at(UUID_LETTERS);
    // FNV-1a.
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut digits = Rng::new(hash);
    let digit = |letter: char| match (letter, u32::try_from(digits.below(16))) {
        ('-', _) | (_, Err(_)) => letter,
        (_, Ok(digit)) => char::from_digit(digit, 16).unwrap_or(letter),
    };
    uuid.chars().map(digit).chain(rest.chars()).collect()
}

/// Takes out members that say nothing.
fn say_nothing_empty(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(say_nothing_empty);
            members.retain(|_, inner| !is_empty(inner));
        }
        Value::Array(items) => items.iter_mut().for_each(say_nothing_empty),
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "293ba626-3be5-4a26-ab1b-0f4c54f49959";

    fn read_one(line: &str) -> Event {
        let (mut events, left_out) = read("acme", line).unwrap();
        assert!(left_out.is_empty(), "{left_out:?}");
        events.remove(0)
    }

    #[test]
    fn what_says_nothing_goes_and_metadata_stays_to_the_letter() {
        let event = read_one(
            r#"{"occurred_at":"2023-07-10T11:42:36Z","action":"a","actor":{"id":"u","email":null},"targets":[],"request":{"method":null},"id":"i","metadata":{"n":1.10,"none":null,"empty":{}}}"#,
        );
        assert_eq!(
            event.line,
            r#"{"id":"i","tenant":"acme","occurred_at":"2023-07-10T11:42:36Z","action":"a","actor":{"id":"u"},"metadata":{"n":1.10,"none":null,"empty":{}}}"#
        );
    }

    #[test]
    fn events_without_id_or_time_get_them_and_those_that_cannot_be_stored_are_counted() {
        let text = r#"{"action":"too early","actor":{"id":"u"}}
            {"action":"a","actor":{"id":"u"},"occurred_at":"2023-07-10T11:42:36Z","id":"one"}
            {"action":"b","actor":{"type":"user"},"occurred_at":null,"id":null}
            {"action":"c","actor":{"id":"u"},"id":"one"}
            {"actor":{"id":"u"},"occurred_at":"2023-07-10T11:42:36Z"}
            {"action":"d","actor":{"id":null},"occurred_at":"2023-07-10T11:42:36Z"}
            []"#;
        let (events, left_out) = read("acme", text).unwrap();
        assert_eq!(events.len(), 2);
        assert!(is_uuid(&events[1].id), "{}", events[1].id);
        assert_eq!(events[1].occurred_at, "2023-07-10T11:42:36Z");
        assert_eq!(left_out.values().sum::<usize>(), 5);
        assert_eq!(left_out["their id came before"], 1);
    }

    #[test]
    fn a_copy_is_hours_later_with_an_id_of_its_own_in_metadata_too() {
        let event = read_one(&format!(
            r#"{{"occurred_at":"2023-07-31T23:42:36.5Z","action":"a","actor":{{"id":"u"}},"id":"{ID}:Done","metadata":{{"id":"{ID}:Done","at":"2023-07-31T23:42:36.5Z"}}}}"#
        ));
        assert_eq!(event.copied(0).unwrap(), event.line);
        let mut ids = HashSet::from([event.id.clone()]);
        for copy in 1..1_000 {
            let line = event.copied(copy).unwrap();
            let copied = read_one(&line);
            assert!(is_uuid(&copied.id) && copied.id.ends_with(":Done"), "{}", copied.id);
            assert_eq!(line.matches(&copied.id).count(), 2);
            assert_eq!(line.matches(&copied.occurred_at).count(), 2);
            assert!(ids.insert(copied.id));
        }
        assert_eq!(read_one(&event.copied(1).unwrap()).occurred_at, "2023-08-01T00:42:36.5Z");
    }
}
