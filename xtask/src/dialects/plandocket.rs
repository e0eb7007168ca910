//! PlanDocket of the real binary, asked by the calls of the vendor's page in four languages, and by dlt.

use std::path::Path;

use serde_json::{Value, json};

use super::{key_for, said, send};
use crate::fault::{Result, While, require};
use crate::instance::{Binary, Instance, Starting};
use crate::repo;
use crate::stages::Tally;
use crate::tool::Tool;

const TENANT: &str = "acme";

/// The first label of its hosts is the tenant.
const HOSTS: &str = "docket.example.com";

/// Stores so many events and has them read. `dlt` are the programs where dlt is installed, with it `requests`.
pub(crate) fn run(binary: &Binary, events: u64, dlt: &Path) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let mounts = format!("*.{HOSTS} * plandocket");
    let settings = [("ANNALS_DIALECTS__MOUNTS", mounts.as_str())];
    let server = Starting::spawn_with(binary, &folder.path().join("data"), &settings)?.ready()?;
    store(&server, events)?;
    let key = key_for(&server, TENANT, "plandocket")?;
    let mut tally = calls(&server, &key, dlt, events)?;
    tally.add(hosts(&server, &key)?);
    tally.add(generic(&server, &key, dlt, events)?);
    server.stop()?;
    Ok(tally)
}

fn event(number: u64) -> Value {
    json!({
        "tenant": TENANT, "id": format!("e{number}"), "occurred_at": super::at(number, 0), "action": "update",
        "actor": {"type": "user", "id": (number % 5).to_string(), "name": "Eva"}, "description": format!("change {number}."),
        "targets": [{"type": if number.is_multiple_of(2) { "event" } else { "document" }, "id": number.to_string()}],
    })
}

fn store(server: &Instance, count: u64) -> Result<()> {
    let numbers: Vec<_> = (0..count).collect();
    for batch in numbers.chunks(super::REQUEST_EVENTS_MAX) {
        let lines: String = batch.iter().map(|number| format!("{}\n", event(*number))).collect();
        send(&mut server.client(), &lines)?;
    }
    Ok(())
}

/// The calls of the vendor's page: each prints the newest fifty in its language's way.
fn calls(server: &Instance, key: &str, dlt: &Path, events: u64) -> Result<Tally> {
    let script = |extension: &str| repo::root().join(format!("xtask/clients/plandocket_call.{extension}"));
    let (mut passed, mut skipped) = (0, Vec::new());
    let mut check = |language: &str, said: &str| -> Result<()> {
        for number in events.saturating_sub(50)..events {
            require!(
                said.contains(&format!("change {number}.")),
                "PlanDocket in {language}: change {number} is missing: {said}"
            );
        }
        let older = events.checked_sub(51).is_some_and(|number| said.contains(&format!("change {number}.")));
        require!(!older && said.contains("request_id"), "PlanDocket in {language}: {said}");
        passed += 1;
        println!("PlanDocket's call in {language}: the newest 50 of {events}");
        Ok(())
    };
    check("curl", &curl(server, key, "/api/v1/audit-log", &[])?)?;
    let args = [server.url(), key.to_owned()];
    check("Python", &Tool::new(dlt.join("python")).args([script("py")]).args(&args).output()?)?;
    for (language, program, extension) in [("JavaScript", "node", "js"), ("PHP", "php", "php")] {
        match Tool::new(program).args(["--version"]).ask() {
            Ok((true, _)) => {
                check(language, &Tool::new(program).args([script(extension)]).args(&args).output()?)?
            }
            _ => skipped.push(format!("PlanDocket's call in {language}: there is no `{program}`")),
        }
    }
    Ok(Tally { skipped, ..Tally::passed(passed) })
}

/// The call of the vendor's page with `curl`, and what stands behind it.
fn curl(server: &Instance, key: &str, path: &str, more: &[&str]) -> Result<String> {
    let url = server.url() + path;
    let authorization = format!("Authorization: Bearer {key}");
    let call = Tool::new("curl").args(["-sS", "-X", "GET", &url, "-H", &authorization]);
    call.args(["-H", "Content-Type: application/json"]).args(more).output()
}

/// The tenant by its host name, other methods, and what a mistake looks like.
fn hosts(server: &Instance, key: &str) -> Result<Tally> {
    let port = server.address().port();
    let at = |host: &str, path: &str, more: &[&str]| {
        let url = format!("http://{host}:{port}{path}");
        let resolve = format!("{host}:{port}:127.0.0.1");
        let call =
            Tool::new("curl").args(["-sS", "--resolve", &resolve, "-w", "\n%{http_code}", &url]).args(more);
        let said = call.output()?;
        let (body, status) = said.rsplit_once('\n').unwrap_or_default();
        let body: Value = serde_json::from_str(body).while_doing(format!("{url}: {body}"))?;
        Ok::<_, crate::fault::Fault>((status.to_owned(), body))
    };
    let own = format!("{TENANT}.{HOSTS}");
    let other = format!("other.{HOSTS}");
    let (bearer, api_key) = (format!("Authorization: Bearer {key}"), format!("X-API-Key: {key}"));
    let (bearer, api_key) = (["-H", &bearer], ["-H", &api_key]);
    let in_query = format!("/api/v1/audit-log?per_page=1&api_key={key}");
    let mut passed = 0;
    let mut is = |told: (String, Value), status: &str, member: &str, expected: Value| -> Result<()> {
        let (answered, body) = told;
        let found = body.pointer(member).cloned().unwrap_or_default();
        require!(
            answered == status && found == expected,
            "PlanDocket: {answered} {body}; expected {status} with {member} {expected}"
        );
        passed += 1;
        Ok(())
    };
    let list = "/api/v1/audit-log?per_page=1";
    is(at(&own, list, &bearer)?, "200", "/meta/per_page", json!(1))?;
    is(at(&own, list, &api_key)?, "200", "/meta/per_page", json!(1))?;
    is(at(&own, &in_query, &[])?, "200", "/meta/per_page", json!(1))?;
    is(at(&own, "/api/v1/audit-log/1", &bearer)?, "200", "/data/description", json!("change 0."))?;
    is(at(&own, "/api/v1/audit-log/0", &bearer)?, "404", "/error", json!("Resource not found"))?;
    is(at(&own, "/api/v1/audit-log/x", &bearer)?, "404", "/error", json!("Resource not found"))?;
    let foreign = at(&other, list, &bearer)?;
    require!(foreign.0 == "403" && foreign.1["error"].is_string(), "PlanDocket: {foreign:?}");
    let post = [&bearer[..], &["-X", "POST", "-d", "{}"]].concat();
    is(at(&own, "/api/v1/audit-log", &post)?, "405", "/error", json!("Method not allowed"))?;
    let wrong = at(&own, "/api/v1/audit-log?date_from=soon", &bearer)?;
    require!(wrong.1["errors"]["date_from"][0].is_string(), "PlanDocket: {wrong:?}");
    is(wrong, "422", "/error", json!("Validation failed"))?;
    println!("PlanDocket at {own}: three forms of key, 403 for another tenant's host, 404, 405 and 422");
    Ok(Tally::passed(passed + 1))
}

/// A program that knows nothing of the vendor, with the key in each place.
fn generic(server: &Instance, key: &str, programs: &Path, events: u64) -> Result<Tally> {
    let walk = |key_in: &str, params: Value| {
        json!({
            "path": "/api/v1/audit-log", "params": params, "selector": "data", "total_path": "meta.total_pages",
            "key": key, "key_in": key_in,
        })
    };
    let size = json!({"per_page": 100});
    let documents = json!({"per_page": 100, "entity_type": "document"});
    let walks =
        [walk("bearer", size), walk("header:X-API-Key", documents.clone()), walk("query:api_key", documents)];
    let lines = said(programs, "dlt_pages.py", &json!({"url": server.url(), "walks": walks}))?;
    let ids = |which: fn(u64) -> bool| -> Vec<u64> {
        (0..events).rev().filter(|n| which(*n)).map(|n| n + 1).collect()
    };
    for (line, expected) in lines.iter().zip([ids(|_| true), ids(|n| n % 2 == 1), ids(|n| n % 2 == 1)]) {
        let found: Vec<_> = line["ids"].as_array().into_iter().flatten().filter_map(Value::as_u64).collect();
        require!(
            found == expected,
            "dlt: {} entries of PlanDocket, {} expected",
            found.len(),
            expected.len()
        );
    }
    require!(lines.len() == 3, "dlt said {lines:?}");
    println!(
        "dlt: {events} entries of PlanDocket, and half of them with the key in a header and in the query"
    );
    Ok(Tally::passed(3))
}
