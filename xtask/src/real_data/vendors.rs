//! Real events as each vendor's clients see them: every page is read, and all of them together are what the search of our own finds.

use serde_json::Value;

use super::search::Loaded;
use crate::fault::{Result, While, require};
use crate::http::Client;
use crate::stages::Tally;

/// Entries of a page: few, and no divisor of anything.
const LIMIT: u64 = 97;

/// A vendor's list: its path with `{}` for the tenant, the parameter for a page's size, where its entries are, and where an
/// entry has its id, if it has ours.
struct List {
    name: &'static str,
    path: &'static str,
    size: &'static str,
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

const LISTS: [List; 6] = [
    List {
        name: "BigPanda",
        path: "/resources/v2.0/audit/logs",
        size: "per_page",
        entries: "/data",
        id: Some("id"),
        next: Next::Number,
    },
    List {
        name: "Frame.io v2",
        path: "/v2/accounts/{}/audit_logs",
        size: "page_size",
        entries: "",
        id: Some("id"),
        next: Next::Number,
    },
    List {
        name: "Frame.io v4",
        path: "/v4/accounts/{}/audit_logs",
        size: "page_size",
        entries: "/data",
        id: None,
        next: Next::Path("/links/next"),
    },
    List {
        name: "Nirvana",
        path: "/v1/audit_logs",
        size: "limit",
        entries: "/items",
        id: Some("id"),
        next: Next::Cursor("/pagination/next_cursor", "cursor"),
    },
    List {
        name: "Panda",
        path: "/audit-logs",
        size: "limit",
        entries: "/logs",
        id: Some("id"),
        next: Next::Number,
    },
    List {
        name: "PlanDocket",
        path: "/api/v1/audit-log",
        size: "per_page",
        entries: "/data",
        id: None,
        next: Next::Number,
    },
];

/// Reads every list of every tenant.
pub(super) fn check(client: &mut Client, loaded: &[Loaded]) -> Result<Tally> {
    let mut passed = 0;
    for tenant in loaded.iter().map(Loaded::tenant) {
        let expected = ours(client, tenant)?;
        for list in &LISTS {
            let found = list.read(client, tenant)?;
            require!(
                found.len() == expected.len(),
                "{tenant}: {} has {} entries, {} expected",
                list.name,
                found.len(),
                expected.len()
            );
            require!(
                list.id.is_none() || found == expected,
                "{tenant}: {}: other entries, or another order",
                list.name
            );
            passed += 1;
        }
        let (value, count) = most_frequent(client, tenant)?;
        for question in [
            format!("/v1/audit_logs?limit=10&tenant={tenant}&action={value}"),
            format!("/api/v1/audit-log?tenant={tenant}&action={value}"),
        ] {
            let page = get(client, &question)?;
            let total = page.pointer("/pagination/total_count").or(page.pointer("/meta/total"));
            require!(total.and_then(Value::as_u64) == Some(count), "{question}: {total:?}, {count} expected");
            passed += 1;
        }
        println!("{tenant}: {} entries in {} vendors' lists", expected.len(), LISTS.len());
    }
    Ok(Tally::passed(passed))
}

impl List {
    /// The ids of all entries in order, or where it has none of ours, something of each.
    fn read(&self, client: &mut Client, tenant: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let first = format!("{}?{}={LIMIT}&tenant={tenant}", self.path.replace("{}", tenant), self.size);
        let mut next = Some(first.clone());
        let mut page_number = 1;
        while let Some(path) = next {
            let page = get(client, &path)?;
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

/// The ids of all events, the newest first.
fn ours(client: &mut Client, tenant: &str) -> Result<Vec<String>> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(client, &format!("/v1/events?tenant={tenant}&limit=1000{cursor}"))?;
        let events = page["events"].as_array().into_iter().flatten();
        found.extend(events.map(|event| event["id"].as_str().unwrap_or_default().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(found),
        }
    }
}

/// The most frequent action, as it stands in an address, and how often it is there.
fn most_frequent(client: &mut Client, tenant: &str) -> Result<(String, u64)> {
    let summary = get(client, &format!("/v1/summary?tenant={tenant}&by=action"))?;
    let value = &summary["counts"]["action"]["values"][0];
    require!(value["count"].as_u64().is_some_and(|count| count > 0), "{tenant}: no actions in {summary}");
    let action = value["value"].as_str().unwrap_or_default();
    let action = form_urlencoded::byte_serialize(action.as_bytes()).collect();
    Ok((action, value["count"].as_u64().unwrap_or_default()))
}

fn get(client: &mut Client, path: &str) -> Result<Value> {
    let answer = client.get(path).while_doing(path)?;
    require!(answer.status == 200, "{path}: status {}: {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).while_doing(path)
}
