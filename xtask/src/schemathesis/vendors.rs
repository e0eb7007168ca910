//! As for `/openapi.json`, from the document of each vendor: over the events of its corpus, by a key that has nothing but the vendor
//! among its dialects.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{CHECKS, DOCUMENT, cases_passed, made};
use crate::api;
use crate::dialects::key_for;
use crate::fault::{Result, While, require};
use crate::http::Client;
use crate::instance::{Binary, Instance};
use crate::repo;
use crate::stages::Tally;
use crate::tool::{Stream, Tool};

/// A vendor: its name, an entry's id in its routes, and values that its parameters take and its corpus has.
struct Vendor {
    name: &'static str,
    id: &'static str,
    asked: fn() -> Value,
}

const VENDORS: [Vendor; 5] = [
    Vendor {
        name: "bigpanda",
        id: "",
        asked: || {
            json!({
                "per_page": [1, 2, 1000], "page": [1, 2, 3], "as_of": [1, 5], "start": [1_600_000_000, 1_697_765_051],
                "end": [1_697_765_555], "resource_type": ["users", "environments"], "action_type": ["create", "delete"],
                "actor_type": ["user", "system-generated"], "actor_id": ["62f0ec2d95918d0012bba5553"],
            })
        },
    },
    Vendor {
        name: "frameio",
        id: "",
        asked: || {
            json!({
                "page_size": [1, 3, 100], "page": [1, 2, 3], "as_of": [1, 5], "include": ["user"],
                "include_total_count": [true, false], "filter[action]": ["AssetCreated"], "filter[item_type]": ["Asset"],
                "filter[item_id]": ["92je"], "filters[event_type]": ["asset_created"], "filters[from_date]": ["2026-11-20"],
                "filters[start_date]": ["2026-11-20"], "filters[resource_id]": ["92je"],
            })
        },
    },
    Vendor {
        name: "nirvana",
        id: "e-02",
        asked: || {
            json!({
                "limit": [10, 100], "sort": ["status_code:asc", "created_at:asc,status_code:desc"], "action": ["vm.updated"],
                "actor_type": ["user", "api_key"], "path": ["VMS"], "status_code_min": [200], "status_code_max": [0, 499],
                "target_type": ["vm"], "created_at_min": ["2026-11-21T10:00:00Z"],
            })
        },
    },
    Vendor {
        name: "panda",
        id: "",
        asked: || {
            json!({
                "limit": [1, 3, 1000], "page": [1, 2, 3], "as_of": [1, 5], "action": ["add", "access~authentication"],
                "category": ["video", "video~user_account"], "start_date": ["2026-09-01"], "end_date": ["2026-12-31"],
                "user_id": ["u-17"], "search": ["training"],
            })
        },
    },
    Vendor {
        name: "plandocket",
        id: "1",
        asked: || {
            json!({
                "per_page": [1, 3, 100], "limit": [2], "page": [1, 2, 3], "as_of": [1, 5], "sort": ["created_at"],
                "order": ["ASC", "desc"], "action": ["update"], "entity_type": ["event"], "admin_id": ["3"],
                "date_from": ["2026-11-20"], "date_to": ["2026-11-21"], "search": ["spring"],
            })
        },
    },
];

/// Sends requests to each vendor's routes. `programs` are those where schemathesis is installed.
pub(super) fn run(binary: &Binary, programs: &Path, examples: u64) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let server = Instance::start(binary, &folder.path().join("data"))?;
    // Each waits for a program of others most of the time.
    let passed = std::thread::scope(|scope| {
        let (server, folder) = (&server, folder.path());
        let runs: Vec<_> = VENDORS
            .iter()
            .map(|vendor| scope.spawn(move || vendor.run(server, programs, folder, examples)))
            .collect();
        let runs = runs.into_iter().map(|run| run.join().expect("a run does not panic"));
        runs.collect::<Result<Vec<u64>>>()
    })?;
    server.stop()?;
    binary.verify(&folder.path().join("data"), &folder.path().join("state"))?;
    Ok(Tally::passed(passed.iter().sum()))
}

impl Vendor {
    fn run(&self, server: &Instance, programs: &Path, folder: &Path, examples: u64) -> Result<u64> {
        let name = self.name;
        store(&mut server.client(), name)?;
        let write = made(&mut server.client(), "/v1/keys", &json!({"tenant": name, "scopes": ["write"]}))?;
        let plan = json!({"tenant": name, "id": self.id, "write_key": write["key"], "asked": (self.asked)()});
        let file = folder.join(format!("{name}.json"));
        fs::write(&file, plan.to_string()).while_doing(file.display())?;
        let own = folder.join(name);
        fs::create_dir(&own).while_doing(own.display())?;
        let (mut passed, mut said) = (0, String::new());
        let held = Tool::new(programs.join("schemathesis"))
            .args(["run", &format!("{}{DOCUMENT}?dialect={name}", server.url()), "--seed", "1"])
            .args(["--header", &format!("Authorization: Bearer {}", key_for(server, name, name)?)])
            .args(["--phases", "examples,coverage,fuzzing", "--max-examples", &examples.to_string()])
            .args(["--checks", &format!("{CHECKS},headers_are_described"), "--continue-on-failure"])
            .args(["--request-timeout", "10"])
            .args([
                "--max-redirects",
                "0",
                "--generation-database",
                "none",
                "--warnings",
                "off",
                "--no-color",
            ])
            .env("ANNALS_RUN", &file)
            .env("SCHEMATHESIS_HOOKS", repo::root().join("xtask/schemathesis/vendors.py"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .dir(&own)
            .watch(Stream::Output, |line| {
                said.push_str(line);
                said.push('\n');
                passed = cases_passed(line).unwrap_or(passed);
            })?;
        require!(held && passed > 0, "{said}{name}: answers are not as its document describes them");
        println!("{name}: {passed} requests; {}", self.each_succeeded(&mut server.client(), &file)?);
        Ok(passed)
    }

    /// No operation of the document was only ever refused.
    fn each_succeeded(&self, client: &mut Client, plan: &Path) -> Result<String> {
        let question = format!("{DOCUMENT}?dialect={}", self.name);
        let document = client.get(&question).while_doing(&question)?;
        let document: Value = api::json(&question, &document)?;
        let answers = fs::read(plan.with_extension("json.answers")).while_doing("what was answered")?;
        let answers: BTreeMap<String, BTreeSet<u16>> =
            serde_json::from_slice(&answers).while_doing("what was answered")?;
        let mut told = Vec::new();
        for (path, methods) in document["paths"].as_object().into_iter().flatten() {
            for method in methods.as_object().into_iter().flat_map(|methods| methods.keys()) {
                let operation = format!("{} {path}", method.to_uppercase());
                let statuses = answers.get(&operation).cloned().unwrap_or_default();
                require!(statuses.contains(&200), "{operation} never succeeded: {statuses:?}");
                told.push(format!("{operation} {statuses:?}"));
            }
        }
        require!(!told.is_empty(), "{question} describes nothing");
        Ok(told.join(", "))
    }
}

/// Stores a vendor's corpus in a tenant of its name.
fn store(client: &mut Client, vendor: &str) -> Result<()> {
    let file = repo::root().join("corpus/dialects").join(vendor).join("events.ndjson");
    let corpus = fs::read_to_string(&file).while_doing(file.display())?;
    let mut lines = String::new();
    for line in corpus.lines() {
        let mut event: Value = serde_json::from_str(line).while_doing(file.display())?;
        event["tenant"] = json!(vendor);
        lines.push_str(&format!("{event}\n"));
    }
    crate::dialects::send(client, &lines)
}
