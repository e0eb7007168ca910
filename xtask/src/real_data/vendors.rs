//! Real events as each vendor's clients see them: every page is read and is as the vendor's document describes it, and all of them together
//! are what the search of our own finds; so are those of one actor.

use std::collections::BTreeMap;

use serde_json::Value;

use super::search::Loaded;
use crate::fault::{Result, While, require};
use crate::http::Client;
use crate::stages::Tally;

/// Entries of a page: few, and no divisor of anything.
const LIMIT: u64 = 97;

/// A vendor's list: its path, the parameter for a page's size and that for an actor's id, where its entries are, and where an entry has
/// its id, if it has ours.
struct List {
    name: &'static str,
    vendor: &'static str,
    path: &'static str,
    size: &'static str,
    actor: &'static str,
    entries: &'static str,
    id: Option<&'static str>,
    next: Next,
}

/// How the next page is asked for.
enum Next {
    /// By its number, until a page is short.
    Number,
    /// By the cursor at this pointer, in this parameter.
    Cursor(&'static str, &'static str),
    /// At the path at this pointer.
    Path(&'static str),
}

const LISTS: [List; 7] = [
    List {
        name: "BigPanda",
        vendor: "bigpanda",
        path: "/resources/v2.0/audit/logs",
        size: "per_page",
        actor: "actor_id",
        entries: "/data",
        id: Some("id"),
        next: Next::Number,
    },
    List {
        name: "Frame.io v2",
        vendor: "frameio",
        path: "/v2/accounts/{account_id}/audit_logs",
        size: "page_size",
        actor: "filter[actor_id]",
        entries: "",
        id: Some("id"),
        next: Next::Number,
    },
    List {
        name: "Frame.io v2 events",
        vendor: "frameio",
        path: "/v2/accounts/{account_id}/events",
        size: "page_size",
        actor: "filters[user_id]",
        entries: "",
        id: None,
        next: Next::Number,
    },
    List {
        name: "Frame.io v4",
        vendor: "frameio",
        path: "/v4/accounts/{account_id}/audit_logs",
        size: "page_size",
        actor: "filters[user_id]",
        entries: "/data",
        id: None,
        next: Next::Path("/links/next"),
    },
    List {
        name: "Nirvana",
        vendor: "nirvana",
        path: "/v1/audit_logs",
        size: "limit",
        actor: "actor_id",
        entries: "/items",
        id: Some("id"),
        next: Next::Cursor("/pagination/next_cursor", "cursor"),
    },
    List {
        name: "Panda",
        vendor: "panda",
        path: "/audit-logs",
        size: "limit",
        actor: "user_id",
        entries: "/logs",
        id: Some("id"),
        next: Next::Number,
    },
    List {
        name: "PlanDocket",
        vendor: "plandocket",
        path: "/api/v1/audit-log",
        size: "per_page",
        actor: "admin_id",
        entries: "/data",
        id: None,
        next: Next::Number,
    },
];

/// Reads every list of every tenant, all of it and that of one actor.
pub(super) fn check(client: &mut Client, loaded: &[Loaded]) -> Result<Tally> {
    let mut passed = 0;
    for tenant in loaded.iter().map(Loaded::tenant) {
        let events = ours(client, tenant)?;
        let actor = most_frequent(&events)?;
        let of_actor: Vec<_> = events.iter().filter(|event| event.actor == actor).collect();
        for list in &LISTS {
            let document = get(client, &format!("/openapi.json?dialect={}", list.vendor))?;
            let all: Vec<_> = events.iter().collect();
            for (filter, expected) in [(None, &all), (Some(&actor), &of_actor)] {
                let found = list.read(client, &document, tenant, filter.map(String::as_str))?;
                require!(
                    found.len() == expected.len(),
                    "{tenant}: {}: {} entries of {filter:?}, {} expected",
                    list.name,
                    found.len(),
                    expected.len()
                );
                let is_same = found.iter().zip(expected).all(|(id, event)| *id == event.id);
                require!(
                    list.id.is_none() || is_same,
                    "{tenant}: {}: other entries of {filter:?}, or another order",
                    list.name
                );
                passed += 1;
            }
        }
        println!(
            "{tenant}: {} entries in {} vendors' lists, {} of one actor",
            events.len(),
            LISTS.len(),
            of_actor.len()
        );
    }
    Ok(Tally::passed(passed))
}

impl List {
    /// The ids of all entries in order, or where it has none of ours, something of each.
    fn read(
        &self,
        client: &mut Client,
        document: &Value,
        tenant: &str,
        actor: Option<&str>,
    ) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let described = &document["paths"][self.path]["get"]["responses"]["200"]["content"];
        let schema = &described["application/json"]["schema"];
        require!(schema.is_object(), "{}: the document has no form of its answer", self.path);
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair(self.size, &LIMIT.to_string()).append_pair("tenant", tenant);
        query.extend_pairs(actor.map(|actor| (self.actor, actor)));
        let first = format!("{}?{}", self.path.replace("{account_id}", tenant), query.finish());
        let mut next = Some(first.clone());
        let mut page_number = 1;
        while let Some(path) = next {
            let page = get(client, &path)?;
            conforms(document, schema, &page).while_doing(&path)?;
            let entries = page.pointer(self.entries).and_then(Value::as_array).cloned().unwrap_or_default();
            for entry in &entries {
                let id = entry[self.id.unwrap_or("id")].as_str().unwrap_or_default();
                require!(entry.is_object() && (self.id.is_none() || !id.is_empty()), "{path}: {entry}");
                found.push(id.to_owned());
            }
            page_number += 1;
            let text = |pointer: &str| page.pointer(pointer).and_then(Value::as_str);
            next = match &self.next {
                Next::Number => {
                    (entries.len() as u64 == LIMIT).then(|| format!("{first}&page={page_number}"))
                }
                Next::Cursor(pointer, name) => text(pointer).map(|cursor| format!("{first}&{name}={cursor}")),
                Next::Path(pointer) => text(pointer).map(|path| format!("{path}&tenant={tenant}")),
            };
        }
        Ok(found)
    }
}

/// Whether a value is as a schema of the document says: its types, and the members that must be there.
fn conforms(document: &Value, schema: &Value, value: &Value) -> Result<()> {
    if let Some(reference) = schema["$ref"].as_str() {
        let named = document.pointer(reference.trim_start_matches('#'));
        return conforms(document, named.ok_or_else(|| format!("nothing is at {reference}"))?, value);
    }
    let types: Vec<_> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let is = |kind: &&str| match *kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => false,
    };
    require!(types.is_empty() || types.iter().any(is), "{value} is not one of {types:?}");
    for item in value.as_array().into_iter().flatten() {
        conforms(document, &schema["items"], item)?;
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        require!(members.contains_key(name), "`{name}` is missing in {value}");
    }
    for (name, described) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = members.get(name) {
            conforms(document, described, value).while_doing(name)?;
        }
    }
    Ok(())
}

/// An event of our own list.
struct Event {
    id: String,
    actor: String,
    is_system: bool,
}

/// All events, the newest first.
fn ours(client: &mut Client, tenant: &str) -> Result<Vec<Event>> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(client, &format!("/v1/events?tenant={tenant}&limit=1000{cursor}"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        found.extend(page["events"].as_array().into_iter().flatten().map(|event| Event {
            id: text(&event["id"]),
            actor: text(&event["actor"]["id"]),
            is_system: event["actor"]["type"] == "system",
        }));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

/// The actor of most events; a system is nobody to some vendors.
fn most_frequent(events: &[Event]) -> Result<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for event in events {
        *counts.entry(&event.actor).or_default() += 1;
    }
    for event in events.iter().filter(|event| event.is_system) {
        counts.remove(event.actor.as_str());
    }
    let known = counts.into_iter().filter(|(actor, _)| !actor.is_empty());
    let (actor, _) = known.max_by_key(|(_, count)| *count).ok_or("no event has an actor")?;
    Ok(actor.to_owned())
}

fn get(client: &mut Client, path: &str) -> Result<Value> {
    let answer = client.get(path).while_doing(path)?;
    require!(answer.status == 200, "{path}: status {}: {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).while_doing(path)
}
