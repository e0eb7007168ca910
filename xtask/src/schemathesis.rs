//! Requests that somebody else's program makes from `/openapi.json`, against the real binary.
//!
//! schemathesis reads the description and sends what it allows and what it does not. No answer may be a 5xx, and each must be
//! one that the description tells of: its status, content type, headers and body. So that this says something, every operation
//! must have been answered as described at least once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::api;
use crate::fault::{Result, While, require};
use crate::foreign::virtual_environment;
use crate::http::Client;
use crate::instance::{Binary, Instance};
use crate::repo;
use crate::stages::Tally;
use crate::tool::{Stream, Tool};

const PACKAGE: &str = "schemathesis==4.32.5";

/// What is asked of each answer.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
    response_headers_conformance,response_schema_conformance";

/// A stream that never ends is nothing for it.
const LEFT_OUT: &str = "/v1/feed/live";

/// A log is in the registry a minute after the start at the earliest; tests of the server hold its answer.
const LATER: &str = "/v1/registry/proof";

/// These need an identity provider; tests of the server and `viewer/tests/oidc` have one.
const AT_PROVIDER: &str = "/v1/session/oidc";

/// Read once, and never asked for again.
const DOCUMENT: &str = "/openapi.json";

/// A tenant that exists, and how many events it has.
const TENANT: &str = "acme";
const EVENTS: u64 = 25;

/// A tenant that is there to be ended.
const LEAVING: &str = "leaving";

/// Sends requests: a fixed set for each operation, and up to so many random examples.
pub(crate) fn run(binary: &Binary, examples: u64) -> Result<Tally> {
    let programs = virtual_environment("schemathesis", &["install", "--quiet", PACKAGE])?;
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    let mut client = server.client();
    store(&mut client)?;
    let plan = folder.path().join("run.json");
    fs::write(&plan, describe(&server, &mut client)?.to_string()).while_doing(plan.display())?;
    let mut passed = 0;
    let held = Tool::new(programs.join("schemathesis"))
        .args(["run", &format!("{}{DOCUMENT}", server.url()), "--seed", "1"])
        .args(["--header", &format!("Authorization: Bearer {}", server.key)])
        .args(["--phases", "examples,coverage,fuzzing", "--max-examples", &examples.to_string()])
        .args(["--checks", CHECKS, "--continue-on-failure", "--exclude-path", LEFT_OUT])
        .args(["--request-timeout", "10", "--max-redirects", "0", "--generation-database", "none"])
        .args(["--workers", "2", "--warnings", "off", "--no-color"])
        .env("ANNALS_RUN", &plan)
        .env("SCHEMATHESIS_HOOKS", repo::root().join("xtask/schemathesis/hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .dir(folder.path())
        .watch(Stream::Output, |line| passed = cases_passed(line).unwrap_or(passed))?;
    require!(held && passed > 0, "answers are not as `/openapi.json` describes them");
    // The connection from before was idle for too long.
    every_operation_succeeded(&mut server.client(), &plan)?;
    server.stop()?;
    binary.verify(&folder.path().join("data"), &folder.path().join("state"))?;
    Ok(Tally::passed(passed + 1))
}

fn store(client: &mut Client) -> Result<()> {
    let events: Vec<Value> = (0..EVENTS)
        .map(|number| {
            json!({
                "id": format!("e{number}"), "tenant": TENANT, "action": "video.update",
                "actor": {"type": "user", "id": format!("u{}", number % 5)},
                "targets": [{"type": "video", "id": format!("v{number}")}],
            })
        })
        .collect();
    let answer =
        client.post("/v1/events", json!(events).to_string().as_bytes()).while_doing("POST /v1/events")?;
    let stored: Value = api::json("POST /v1/events", &answer)?;
    require!(stored["created"] == EVENTS, "not stored: {stored}");
    Ok(())
}

/// What the hooks must know of the server.
fn describe(server: &Instance, client: &mut Client) -> Result<Value> {
    let own = client.get("/v1/keys").while_doing("GET /v1/keys")?;
    let own: Value = api::json("GET /v1/keys", &own)?;
    let own: Vec<&Value> = own["keys"].as_array().into_iter().flatten().map(|key| &key["id"]).collect();
    let write = json!({"tenant": TENANT, "scopes": ["write"]}).to_string();
    let write = client.post("/v1/keys", write.as_bytes()).while_doing("POST /v1/keys")?;
    require!(write.status == 201, "POST /v1/keys: status {}: {}", write.status, write.text());
    let write: Value = serde_json::from_slice(&write.body).while_doing("POST /v1/keys")?;
    // Whoever asks for a case of erasure has approved it, so somebody else asks for these.
    let other = made(client, "/v1/keys", &json!({"scopes": ["admin"]}))?;
    let mut other = Client::new(server.address(), other["key"].as_str().unwrap_or_default());
    let mut case = |subject: &str| {
        let body = json!({"values": [subject], "reason": "a request"});
        Ok(made(&mut other, &format!("/v1/erasures?tenant={TENANT}"), &body)?["case"].clone())
    };
    let cases: Vec<Value> = [case("u1"), case("u2")].into_iter().collect::<Result<_>>()?;
    made(client, "/v1/tenants", &json!({"id": LEAVING}))?;
    let spare_key = made(client, "/v1/keys", &json!({"tenant": TENANT, "scopes": ["read"]}))?;
    let hold =
        json!({"tenant": TENANT, "filter": "action eq \"none.such\"", "reason": "a case", "owner": "legal"});
    let view =
        client.request("PUT", &format!("/v1/views/mine?tenant={TENANT}"), &[], b"{\"query\": \"since=7d\"}");
    let view = view.while_doing("PUT /v1/views/mine")?;
    require!(view.status == 200, "PUT /v1/views/mine: status {}: {}", view.status, view.text());
    let spare_hold = made(client, "/v1/holds", &hold)?;
    let keys: Vec<&Value> = own.into_iter().chain([&write["id"]]).collect();
    Ok(json!({
        "keys": keys, "write_key": write["key"], "tenant": TENANT, "event": "e4", "size": EVENTS, "cases": cases,
        "leaving": LEAVING, "spare_keys": [spare_key["id"]], "spare_holds": [spare_hold["id"]],
    }))
}

/// What a request made.
fn made(client: &mut Client, path: &str, body: &Value) -> Result<Value> {
    let answer = client.post(path, body.to_string().as_bytes()).while_doing(path)?;
    require!(answer.status == 201, "POST {path}: status {}: {}", answer.status, answer.text());
    serde_json::from_slice(&answer.body).while_doing(path)
}

/// Reads `  3488 generated, 3488 passed`.
fn cases_passed(line: &str) -> Option<u64> {
    let (generated, passed) = line.trim().split_once(" generated, ")?;
    generated.parse::<u64>().ok()?;
    passed.strip_suffix(" passed")?.parse().ok()
}

/// No operation was only ever refused.
fn every_operation_succeeded(client: &mut Client, plan: &Path) -> Result<()> {
    #[derive(Deserialize)]
    struct Document {
        paths: BTreeMap<String, BTreeMap<String, Value>>,
    }
    let document = client.get(DOCUMENT).while_doing(DOCUMENT)?;
    let document: Document = api::json(DOCUMENT, &document)?;
    let answers = fs::read(plan.with_extension("json.answers")).while_doing("what was answered")?;
    let answers: BTreeMap<String, BTreeSet<u16>> =
        serde_json::from_slice(&answers).while_doing("what was answered")?;
    for (path, methods) in document.paths.into_iter().filter(|(path, _)| !path.starts_with(AT_PROVIDER)) {
        for method in methods.keys().filter(|_| ![LEFT_OUT, LATER, DOCUMENT].contains(&&*path)) {
            let operation = format!("{} {path}", method.to_uppercase());
            let statuses = answers.get(&operation).cloned().unwrap_or_default();
            println!("{operation}: {statuses:?}");
            require!(
                statuses.iter().any(|status| (200..400).contains(status)),
                "{operation} never succeeded, so nothing is known of its answers"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_only_when_all_cases_passed() {
        assert_eq!(cases_passed("  3488 generated, 3488 passed"), Some(3488));
        for line in ["  3488 generated, 1 failed, 3487 passed", "3488 passed", "Test cases:"] {
            assert_eq!(cases_passed(line), None, "{line}");
        }
    }
}
