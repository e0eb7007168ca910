//! Frame.io of the real binary, asked by the vendor's own clients of both versions, and by dlt.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{key_for, said, send};
use crate::fault::{Result, While, require};
use crate::foreign::virtual_environment;
use crate::instance::{Binary, Instance, Starting};
use crate::repo;
use crate::stages::Tally;
use crate::tool::Tool;

/// The second version's client, with what its age asks for.
const FRAMEIOCLIENT: [&str; 5] = ["install", "--quiet", "frameioclient==1.1.0", "urllib3<2", "requests<2.32"];

/// The second version's command line, which pins a client of its own age, and what they import.
const FIOCTL: [&str; 15] = [
    "install",
    "--quiet",
    "--no-deps",
    "fioctl==1.1",
    "frameioclient==0.5.1",
    "Click==6.7",
    "PyYAML==6.0.3",
    "requests",
    "tqdm",
    "tabulate",
    "token-bucket==0.4.0",
    "treelib",
    "cached-property==2.0.1",
    "furl==2.1.4",
    "orderedmultidict",
];

/// What these import in turn.
const FIOCTL_BELOW: [&str; 7] =
    ["install", "--quiet", "six", "urllib3", "idna", "certifi", "charset-normalizer"];

/// The fourth version's client.
const FRAMEIO: [&str; 3] = ["install", "--quiet", "frameio==4.0.0"];

const ACCOUNT: &str = "fio";
const ONE_PAGE: &str = "fio-page";
const EMPTY: &str = "fio-empty";

/// Events on what is exactly one page of the second version's.
const ONE_PAGE_EVENTS: u64 = 50;

/// Events of the account that `fioctl` reads, on pages of 15.
const FIOCTL_ACCOUNT: &str = "fio-ctl";
const FIOCTL_EVENTS: u64 = 400;

/// Where the fourth version is mounted too.
const MOUNT: &str = "/acme/fio";

/// Entries of a page of the filtered list.
const FILTERED_PAGE: usize = 20;

/// The vendor's limit, which holds on a server that is set so.
const LIMIT: u64 = 100;

/// Stores so many events and has them read.
pub(crate) fn run(binary: &Binary, events: u64, dlt: &Path) -> Result<Tally> {
    let old = virtual_environment("frameioclient", &FRAMEIOCLIENT)?;
    let fioctl = virtual_environment("fioctl", &FIOCTL)?;
    virtual_environment("fioctl", &FIOCTL_BELOW)?;
    let new = virtual_environment("frameio", &FRAMEIO)?;
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let mounts = format!("{MOUNT} {ACCOUNT} frameio");
    let settings = [("ANNALS_DIALECTS__MOUNTS", mounts.as_str())];
    let server = Starting::spawn_with(binary, &folder.path().join("data"), &settings)?.ready()?;
    for (tenant, count) in [(ACCOUNT, events), (ONE_PAGE, ONE_PAGE_EVENTS), (FIOCTL_ACCOUNT, FIOCTL_EVENTS)] {
        store(&server, tenant, count)?;
    }
    let mut tally = second_version(&server, &old, events)?;
    tally.add(command_line(&server, &fioctl, folder.path())?);
    tally.add(fourth_version(binary, &server, &new, folder.path(), events)?);
    tally.add(generic(&server, dlt, events)?);
    server.stop()?;
    Ok(tally)
}

/// What a client found.
#[derive(Debug, Deserialize)]
struct Found {
    #[serde(default)]
    kind: String,
    ids: Vec<String>,
}

fn second_version(server: &Instance, programs: &Path, events: u64) -> Result<Tally> {
    let accounts = [ACCOUNT, ONE_PAGE, EMPTY];
    let keys = accounts.iter().map(|account| key_for(server, account, "frameio"));
    let keys = keys.collect::<Result<Vec<_>>>()?;
    let lists: Vec<_> =
        accounts.iter().zip(&keys).map(|(account, key)| json!({"account": account, "key": key})).collect();
    let plan = json!({"url": server.url(), "lists": lists, "action": "ReviewLinkUpdated"});
    let lines = said(programs, "frameio_v2.py", &plan)?;
    let [all, page, empty, filtered, last] = lines.as_slice() else { return wrong("frameioclient", &lines) };
    let found =
        |line: &Value| serde_json::from_value::<Found>(line.clone()).while_doing("a line of frameio_v2.py");
    let (all, page, empty, filtered) = (found(all)?, found(page)?, found(empty)?, found(filtered)?);
    require!(
        all.kind == "PaginatedResponse" && page.kind == "list" && empty.kind == "list",
        "{} {} {}",
        all.kind,
        page.kind,
        empty.kind
    );
    same("frameioclient: all", &all.ids, newest_first(events, |_| true))?;
    same("frameioclient: one page", &page.ids, newest_first(ONE_PAGE_EVENTS, |_| true))?;
    same("frameioclient: no entry", &empty.ids, Vec::new())?;
    let expected: Vec<_> = newest_first(events, |event| event.action() == "review_link.updated");
    same("frameioclient: filter", &filtered.ids, expected.into_iter().take(500).collect())?;
    require!(last["refused"] == json!([401, 403, 422]), "frameioclient: refused with {}", last["refused"]);
    require!(last["me"]["account_id"] == ACCOUNT && last["me"]["_type"] == "user", "/v2/me: {}", last["me"]);
    println!(
        "frameioclient 1.1.0: {events}, {ONE_PAGE_EVENTS} and 0 entries, a filter, /v2/me, 401, 403 and 422"
    );
    Ok(Tally::passed(6))
}

fn command_line(server: &Instance, programs: &Path, folder: &Path) -> Result<Tally> {
    let home = folder.join("home");
    fs::create_dir_all(&home).while_doing(home.display())?;
    let key = key_for(server, FIOCTL_ACCOUNT, "frameio")?;
    let settings = format!(
        "profiles: {{default: d}}\nd: {{bearer_token: {key}, host: \"{}\"}}\naudits: {{columns: [id, actor_id, action, item_type, resource.id]}}\n",
        server.url()
    );
    fs::write(home.join(".fioctl.yml"), settings).while_doing(".fioctl.yml")?;
    let list = |more: &[&str]| {
        let script = repo::root().join("xtask/clients/fioctl_csv.py");
        let tool = Tool::new(programs.join("python")).env("HOME", &home).args([script]);
        tool.args(["audits", "list", FIOCTL_ACCOUNT, "--format", "csv"]).args(more).output()
    };
    let line = |event: &Event| {
        let (kind, id) = event.item();
        format!("{},{},{},{},{id}", event.id(), event.actor(), camel(event.action()), camel(kind))
    };
    let all = list(&[])?;
    let mut lines = all.lines();
    require!(lines.next() == Some("id,actor_id,action,item_type,resource.id"), "fioctl: {all}");
    let expected: Vec<_> = ordered(FIOCTL_EVENTS).iter().map(line).collect();
    same("fioctl: all", &lines.map(str::to_owned).collect::<Vec<_>>(), expected)?;
    let merged = list(&["--item", "i3,Asset", "--item", "i4,review_link"])?;
    let found: BTreeSet<_> = merged.lines().skip(1).map(str::to_owned).collect();
    let is_named = |event: &Event| {
        matches!(event.item(), ("asset", id) if id == "i3")
            || matches!(event.item(), ("review_link", id) if id == "i4")
    };
    let expected: BTreeSet<_> =
        ordered(FIOCTL_EVENTS).iter().filter(|event| is_named(event)).map(line).collect();
    require!(!expected.is_empty() && found == expected, "fioctl --item: {merged}");
    println!("fioctl 1.1: {FIOCTL_EVENTS} lines of csv, and {} of two items merged", found.len());
    Ok(Tally::passed(2))
}

/// What the fourth version's client found.
#[derive(Debug, Deserialize)]
struct Pages {
    name: String,
    ids: Vec<String>,
    pages: Vec<usize>,
    types: Vec<String>,
    users: usize,
}

fn fourth_version(
    binary: &Binary,
    server: &Instance,
    programs: &Path,
    folder: &Path,
    events: u64,
) -> Result<Tally> {
    let key = key_for(server, ACCOUNT, "frameio")?;
    let limits = [("ANNALS_DIALECTS__FRAMEIO__LIMITS", "vendor")];
    let strict = Starting::spawn_with(binary, &folder.join("strict"), &limits)?.ready()?;
    store(&strict, ACCOUNT, 3)?;
    let plan = json!({
        "url": server.url() + MOUNT, "root": server.url(), "key": key, "account": ACCOUNT, "foreign": ONE_PAGE,
        "operator": server.key, "event_type": "comment_created", "page_size": FILTERED_PAGE,
        "strict": {"url": strict.url(), "key": key_for(&strict, ACCOUNT, "frameio")?},
    });
    let lines = said(programs, "frameio_v4.py", &plan)?;
    let [found @ .., errors, limited] = lines.as_slice() else { return wrong("frameio", &lines) };
    let is_comment = |event: &Event| event.action() == "comment.created";
    for line in found {
        let found: Pages = serde_json::from_value(line.clone()).while_doing("a line of frameio_v4.py")?;
        let name = format!("frameio 4.0.0, {}", found.name);
        if found.name == "all" {
            same(&name, &found.ids, newest_first(events, |_| true))?;
            require!(found.users == 0, "{name}: users, which were not asked for");
            continue;
        }
        same(&name, &found.ids, newest_first(events, is_comment))?;
        let (last, full) = found.pages.split_last().ok_or("no page")?;
        let sized = full.iter().all(|size| *size == FILTERED_PAGE) && *last <= FILTERED_PAGE;
        require!(full.len() > 1 && sized, "{name}: pages of {:?}", found.pages);
        require!(found.types == ["comment_created"], "{name}: {:?}", found.types);
        require!(found.users == found.ids.len(), "{name}: {} of {} with user", found.users, found.ids.len());
    }
    let classes = json!({
        "401": "UnauthorizedError", "403": "ForbiddenError", "404": "NotFoundError", "422": "UnprocessableEntityError",
    });
    // A key that is bound to a tenant never learns that another does not exist.
    require!(found.len() == 3 && errors["errors"] == classes, "frameio 4.0.0: {errors}");
    require!(limited["limited"] == json!([LIMIT, "TooManyRequestsError"]), "frameio 4.0.0: {limited}");
    strict.stop()?;
    println!(
        "frameio 4.0.0 below {MOUNT}: {events} entries; filtered, sized and with users on each page, sync and async; 401, 403, 404, 422, 429"
    );
    Ok(Tally::passed(8))
}

/// A program that knows nothing of the vendor.
fn generic(server: &Instance, programs: &Path, events: u64) -> Result<Tally> {
    let key = key_for(server, ACCOUNT, "frameio")?;
    let walk = |path: &str, params: Value, more: Value| {
        let mut walk = json!({"path": path, "params": params, "key": key, "key_in": "bearer"});
        let members = more.as_object().into_iter().flatten();
        for (name, value) in members {
            walk[name] = value.clone();
        }
        walk
    };
    let size = json!({"page_size": 100});
    let walks = [
        walk("/v4/accounts/fio/audit_logs", size.clone(), json!({"next": "links.next", "selector": "data"})),
        walk(
            "/v2/accounts/fio/audit_logs",
            json!({"page_size": 500, "filter[item_type]": "asset"}),
            json!({}),
        ),
    ];
    let lines = said(programs, "dlt_pages.py", &json!({"url": server.url(), "walks": walks}))?;
    let [four, two] = lines.as_slice() else { return wrong("dlt", &lines) };
    let ids =
        |line: &Value| serde_json::from_value::<Found>(line.clone()).while_doing("a line of dlt_pages.py");
    same("dlt: V4", &ids(four)?.ids, newest_first(events, |_| true))?;
    same("dlt: V2", &ids(two)?.ids, newest_first(events, |event| event.item().0 == "asset"))?;
    println!("dlt: {events} entries of V4 by its links, those of one item type of V2 by numbers");
    Ok(Tally::passed(2))
}

fn wrong(client: &str, lines: &[Value]) -> Result<Tally> {
    Err(format!("{client} said {lines:?}").into())
}

fn same(what: &str, found: &[String], expected: Vec<String>) -> Result<()> {
    let differ = found.iter().zip(&expected).position(|(found, expected)| found != expected);
    require!(
        found.len() == expected.len() && differ.is_none(),
        "{what}: {} entries, {} expected; they differ from {differ:?} on",
        found.len(),
        expected.len()
    );
    Ok(())
}

/// The events of an account, in the order of a list.
fn ordered(count: u64) -> Vec<Event> {
    let mut events: Vec<_> = (0..count).map(Event).collect();
    events.sort_by_key(|event| std::cmp::Reverse((event.at(), event.0)));
    events
}

fn newest_first(count: u64, is_found: impl Fn(&Event) -> bool) -> Vec<String> {
    ordered(count).iter().filter(|event| is_found(event)).map(Event::id).collect()
}

fn camel(name: &str) -> String {
    name.split(['.', '_']).map(|word| word[..1].to_ascii_uppercase() + &word[1..]).collect()
}

/// Events whose members follow from their number.
#[derive(Clone, Copy)]
struct Event(u64);

impl Event {
    const ACTIONS: [&str; 4] = ["asset.created", "comment.created", "review_link.updated", "AssetVersioned"];

    fn id(&self) -> String {
        format!("e{}", self.0)
    }

    fn action(&self) -> &'static str {
        Self::ACTIONS[usize::try_from(self.0 % 4).expect("below four")]
    }

    fn actor(&self) -> String {
        format!("u{}", self.0 % 7)
    }

    /// Type and id of what it was done to.
    fn item(&self) -> (&'static str, String) {
        let kind = match self.0 % 4 {
            1 => "comment",
            2 => "review_link",
            _ => "asset",
        };
        (kind, format!("i{}", self.0 % 11))
    }

    /// Two in a second, and not in the order in which they are sent.
    fn at(&self) -> String {
        super::at((self.0 * 7919 % 100_003) / 2, 0)
    }

    fn json(&self, tenant: &str) -> Value {
        let (kind, id) = self.item();
        let actor = self.actor();
        json!({
            "tenant": tenant, "id": self.id(), "occurred_at": self.at(), "action": self.action(),
            "actor": {"type": "user", "id": actor, "name": "N", "email": format!("{actor}@example.com")},
            "targets": [{"type": kind, "id": id}], "context": {"ip": "203.0.113.9"},
        })
    }
}

fn store(server: &Instance, tenant: &str, count: u64) -> Result<()> {
    let events: Vec<_> = (0..count).map(Event).collect();
    for batch in events.chunks(super::REQUEST_EVENTS_MAX) {
        let lines: String = batch.iter().map(|event| format!("{}\n", event.json(tenant))).collect();
        send(&mut server.client(), &lines)?;
    }
    Ok(())
}
