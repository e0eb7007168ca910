//! BigPanda and Panda Video of the real binary: the call of BigPanda's page with `curl`, calls with `requests` in the style of
//! Panda's clients, and dlt, which knows nothing of either vendor, walking numbered pages and links while events arrive.

use std::path::Path;

use serde_json::{Value, json};

use super::{key_for, said, send};
use crate::fault::{Result, While, require};
use crate::instance::{Binary, Instance, Starting};
use crate::stages::Tally;
use crate::tool::Tool;

const TENANT: &str = "panda";

/// The call of the vendor's page, but for the host and the key.
const PAGE_URL: &str = "/resources/v2.0/audit/logs?resource_type=users&action_type=create&start=1697765051&end=1697765555&per_page=100";

/// The first second of that call; event 0 is a second before it.
const FIRST_SECOND: u64 = 1_697_765_050;

/// Seconds that the call spans, both ends included.
const SPAN: u64 = 505;

/// Requests within a second that BigPanda documents, of which the next is refused.
const BIGPANDA_REQUESTS: usize = 5;

/// Stores so many events and has them read. `dlt` are the programs where dlt is installed, with it `requests`.
pub(super) fn run(binary: &Binary, events: u64, dlt: &Path) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let settings = [("ANNALS_DIALECTS__MOUNTS", "/inner/panda panda panda")];
    let server = Starting::spawn_with(binary, &folder.path().join("data"), &settings)?.ready()?;
    let numbers: Vec<_> = (0..events).collect();
    for batch in numbers.chunks(super::REQUEST_EVENTS_MAX) {
        let lines: String = batch.iter().map(|number| format!("{}\n", event(*number))).collect();
        send(&mut server.client(), &lines)?;
    }
    let (big, video) = (key_for(&server, TENANT, "bigpanda")?, key_for(&server, TENANT, "panda")?);
    let mut tally = curl(&server, &big, events)?;
    tally.add(requests(&server, &video, dlt, events)?);
    tally.add(generic(&server, [&big, &video], dlt, events)?);
    server.stop()?;
    tally.add(limited(binary)?);
    Ok(tally)
}

/// Each a second after the one before: a user is created, a video uploaded, and somebody logs in.
fn event(number: u64) -> Value {
    let seconds = FIRST_SECOND + number;
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // 2023-10-20 is the day 19650 since 1970; the events of the largest run end within that month.
    let day = day - 19_650 + 20;
    let at = format!("2023-10-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60);
    let (action, operation, category, target) = match number % 3 {
        0 => ("users.create", "create", "users", json!({"type": "user", "id": format!("u{number}")})),
        1 => ("video.upload", "create", "video", json!({"type": "video", "id": format!("v{number}")})),
        _ => (
            "user.login",
            "authentication",
            "user_account",
            json!({"type": "session", "id": format!("s{number}")}),
        ),
    };
    json!({
        "tenant": TENANT, "id": format!("e{number}"), "occurred_at": at, "action": action, "operation": operation,
        "category": category, "actor": {"type": "user", "id": format!("a{}", number % 7), "name": "Eva"}, "targets": [target],
        "changes": {"after": {"number": number}},
    })
}

/// Ids of the events that fit, the newest first.
fn ids(events: u64, fits: impl Fn(u64) -> bool) -> Vec<String> {
    (0..events).rev().filter(|number| fits(*number)).map(|number| format!("e{number}")).collect()
}

fn ids_of(entries: &Value) -> Vec<String> {
    let entries = entries.as_array().into_iter().flatten();
    entries.map(|entry| entry["id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The vendor's page has this call.
fn curl(server: &Instance, key: &str, events: u64) -> Result<Tally> {
    let url = server.url() + PAGE_URL;
    let authorization = format!("Authorization: Bearer {key}");
    let call = Tool::new("curl").args(["--silent", "--show-error", "--request", "GET", "--url", &url]);
    let said = call.args(["--header", &authorization, "--header", "accept: application/json"]).output()?;
    let page: Value = serde_json::from_str(&said).while_doing(format!("curl: {said}"))?;
    let fits = |number: u64| (1..=SPAN).contains(&number) && number.is_multiple_of(3);
    let expected = ids(events, fits);
    let first_page = &expected[..expected.len().min(100)];
    require!(
        ids_of(&page["data"]) == first_page,
        "curl: {} of {}",
        ids_of(&page["data"]).len(),
        first_page.len()
    );
    require!(page["pagination"]["hasMore"] == (expected.len() > 100), "curl: {}", page["pagination"]);
    println!("BigPanda's call with curl: {} entries of {}", first_page.len(), expected.len());
    Ok(Tally::passed(1))
}

/// Calls as Panda's clients make them: a bare key, parameters joined as they are and encoded, and as a body.
fn requests(server: &Instance, key: &str, dlt: &Path, events: u64) -> Result<Tally> {
    let add = ids(events, |number| number % 3 != 2);
    let access = ids(events, |number| number % 3 == 2);
    let calls = [
        (json!({"path": "/audit-logs?action=access~authentication~add&limit=50"}), ids(events, |_| true)),
        (json!({"path": "/audit-logs?action=add&limit=50&start_date=2023-10-20T01:24:10Z"}), add.clone()),
        (
            json!({"path": "/audits/", "params": {"action": "access~authentication", "limit": 50}}),
            access.clone(),
        ),
        (
            json!({"path": "/inner/panda/audit-logs", "params": {"category": "player_config~organization_account~user_account", "limit": 50}}),
            access.clone(),
        ),
        (json!({"path": "/audit-logs", "json": {"action": "add", "limit": 50}}), add),
        (json!({"path": "/audit-logs", "method": "POST", "json": {"action": "access", "limit": 50}}), access),
    ];
    let plan: Vec<_> = calls.iter().map(|(call, _)| call).collect();
    let lines = said(dlt, "panda_requests.py", &json!({"url": server.url(), "key": key, "calls": plan}))?;
    require!(lines.len() == calls.len(), "requests said {lines:?}");
    for (line, (call, expected)) in lines.iter().zip(&calls) {
        let page = &expected[..expected.len().min(50)];
        require!(line["status"] == 200, "requests: {call}: {line}");
        require!(ids_of(&line["body"]["logs"]) == page, "requests: {call}: {line}");
        require!(
            line["body"]["total"] == expected.len(),
            "requests: {call}: total {}",
            line["body"]["total"]
        );
    }
    println!("Panda's calls with requests: {} forms of a question", calls.len());
    Ok(Tally::passed(calls.len() as u64))
}

/// All pages, by a program that others wrote.
fn generic(server: &Instance, [big, video]: [&str; 2], dlt: &Path, events: u64) -> Result<Tally> {
    let bigpanda = "/resources/v2.0/audit/logs";
    let all = ids(events, |_| true);
    let walks = [
        (
            "BigPanda until an empty page",
            json!({"path": bigpanda, "params": {"per_page": 500}, "selector": "data", "key": big, "key_in": "bearer"}),
            all.clone(),
        ),
        (
            "BigPanda by links",
            json!({"path": bigpanda, "params": {"per_page": 500}, "selector": "data", "next": "header", "key": big, "key_in": "bearer"}),
            all.clone(),
        ),
        (
            "BigPanda by links, filtered",
            json!({"path": bigpanda, "params": {"resource_type": "users", "user_id": "a3"}, "selector": "data", "next": "header", "key": big, "key_in": "bearer"}),
            ids(events, |number| number.is_multiple_of(3) && number % 7 == 3),
        ),
        (
            "Panda by its number of pages",
            json!({"path": "/audit-logs", "params": {"limit": 500}, "selector": "logs", "total_path": "pages", "key": video, "key_in": "header:Authorization"}),
            all,
        ),
        (
            "Panda, filtered",
            json!({"path": "/audit-logs", "params": {"action": "access~authentication", "user_id": "a2"}, "selector": "logs", "total_path": "pages", "key": video, "key_in": "header:Authorization"}),
            ids(events, |number| number % 3 == 2 && number % 7 == 2),
        ),
    ];
    let plan: Vec<_> = walks.iter().map(|(_, walk, _)| walk).collect();
    let lines = said(dlt, "dlt_pages.py", &json!({"url": server.url(), "walks": plan}))?;
    require!(lines.len() == walks.len(), "dlt said {} lines", lines.len());
    for (line, (name, _, expected)) in lines.iter().zip(&walks) {
        let found: Vec<_> = line["ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        require!(found == *expected, "dlt: {name}: {} entries, {} expected", found.len(), expected.len());
        println!("dlt: {name}: {} entries on {} pages", found.len(), line["pages"]);
    }
    Ok(Tally::passed(walks.len() as u64))
}

/// With the vendor's limits, the sixth request of a key is refused.
fn limited(binary: &Binary) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let settings = [("ANNALS_DIALECTS__BIGPANDA__LIMITS", "vendor")];
    let server = Starting::spawn_with(binary, &folder.path().join("data"), &settings)?.ready()?;
    send(&mut server.client(), &format!("{}\n", event(0)))?;
    let key = key_for(&server, TENANT, "bigpanda")?;
    let (url, authorization) =
        (server.url() + "/resources/v2.0/audit/logs", format!("Authorization: Bearer {key}"));
    let urls = [url.as_str(); BIGPANDA_REQUESTS + 1];
    // One process, so that they all come within a second.
    let call =
        Tool::new("curl").args(["-sS", "-H", &authorization, "-w", "%{http_code} %header{retry-after}\n"]);
    let said = call.args(urls.iter().flat_map(|url| ["-o", "/dev/null", url])).output()?;
    let told: Vec<_> = said.lines().map(str::trim).collect();
    let expected: Vec<_> = std::iter::repeat_n("200", BIGPANDA_REQUESTS).chain(["429 1"]).collect();
    require!(told == expected, "BigPanda's limits: {told:?}");
    server.stop()?;
    println!("BigPanda's limits: {BIGPANDA_REQUESTS} requests within a second, then 429");
    Ok(Tally::passed(1))
}
