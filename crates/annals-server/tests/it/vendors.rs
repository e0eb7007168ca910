//! What all vendors' APIs have in common, seen through those whose pages have numbers: pages, limits, windows, mounts, documents.

use std::collections::BTreeMap;
use std::time::Duration;

use annals_dialects::{Bounds, Dialects, Given, Mount};
use annals_server::{Listening, Settings};
use serde_json::{Value, json};

use crate::site::{Answer, Site, settings};

const LOGS: &str = "/resources/v2.0/audit/logs";

async fn site_with(dialects: Dialects) -> Site {
    Site::with(Settings { dialects, ..settings() }, Listening::default()).await
}

/// Settings as an operator writes them.
fn configured(values: &[(&str, &[&str])]) -> Dialects {
    let given = |key: &str| {
        let values = values.iter().find(|(name, _)| *name == key)?.1;
        Some(values.iter().map(|value| (*value).to_owned()).collect())
    };
    Dialects::read(&Given::new(&given)).unwrap()
}

fn events(from: u64, count: u64) -> String {
    let event = |number: u64| {
        // In another order than they are sent in, and some at the same time.
        let second = number * 37 % 100;
        let action = if number.is_multiple_of(3) { "video.add" } else { "video.edit" };
        json!({
            "id": format!("e-{number}"), "action": action, "actor": {"id": "u"}, "category": "video",
            "occurred_at": format!("2026-11-20T10:{:02}:{:02}Z", second / 60, second % 60),
        })
    };
    Value::Array((from..from + count).map(event).collect()).to_string()
}

/// The ids of a page, whatever stands around them.
fn ids(answer: &Answer) -> Vec<String> {
    let page = answer.json();
    let entries = ["data", "logs", "events"].iter().find_map(|member| page[*member].as_array());
    let entries = entries.or(page.as_array()).unwrap_or_else(|| panic!("{}", answer.text()));
    entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

/// Where `Link` leads.
fn link(answer: &Answer, relation: &str) -> Option<String> {
    let relation = format!("; rel=\"{relation}\"");
    let links = answer.header("link").split(", ").find_map(|link| link.strip_suffix(relation.as_str()));
    links.map(|link| link.trim_matches(['<', '>']).to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn numbered_pages_hold_every_event_once_while_others_arrive() {
    let site = Site::sealing_each(40).await;
    for from in (0..200).step_by(20) {
        site.post("acme", &events(from, 20)).await;
    }
    for path in [LOGS, "/audit-logs?limit=7", "/audit-logs?action=add&limit=5"] {
        let all = site.ask("GET /v1/events?limit=1000", "acme", b"").await.json();
        let fits = |event: &&Value| !path.contains("action=add") || event["action"] == "video.add";
        let expected: Vec<_> = all["events"].as_array().unwrap().iter().filter(fits).collect();
        let expected: Vec<_> =
            expected.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
        let (mut next, mut walked, mut pages) = (Some(path.to_owned()), Vec::new(), 0_u64);
        while let Some(path) = next {
            let page = site.ask(&format!("GET {path}"), "acme", b"").await;
            walked.extend(ids(&page));
            pages += 1;
            if let Some(total) = page.json().get("total") {
                assert_eq!(*total, expected.len(), "{path}");
            }
            next = link(&page, "next")
                .map(|link| link.strip_prefix("http://annals.example.com").unwrap().to_owned());
            // Late ones, which belong onto pages that were read already.
            let late = 1_000 + u64::try_from(walked.len()).unwrap() + 100 * pages;
            let of =
                site.ask("GET /v1/status", "operator", b"").await.json()["records"].as_u64().unwrap_or(0);
            site.post("acme", &events(10_000 * (of + 1) + late, 3)).await;
        }
        assert_eq!(walked, expected, "{path}");
        // Any page at once, and back.
        let last =
            site.ask(&format!("GET /audit-logs?limit=7&page=9&as_of={}", all["size"]), "acme", b"").await;
        let from = link(&last, "first").unwrap();
        assert!(from.contains("page=1&") && link(&last, "prev").unwrap().contains("page=8&"), "{from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_beyond_the_last_is_empty_and_any_number_of_one_is_taken() {
    let site = Site::new().await;
    site.post("acme", &events(0, 30)).await;
    for (query, count, total, pages) in [
        ("limit=20&page=2", 10, 30, 2),
        ("limit=20&page=3", 0, 30, 2),
        ("limit=20&page=9223372036854775807", 0, 30, 2),
        ("limit=20&page=99999999999999999999999", 0, 30, 2),
        ("action=fly&page=1", 0, 0, 0),
        ("page=0", 20, 30, 2),
    ] {
        let page = site.ask(&format!("GET /audit-logs?{query}"), "acme", b"").await;
        let told = page.json();
        assert_eq!(
            (ids(&page).len(), &told["total"], &told["pages"]),
            (count, &json!(total), &json!(pages)),
            "{query}"
        );
    }
    let empty = site.ask("GET /audit-logs", "operator", b"").await;
    assert_eq!(empty.status, 403);
    let nothing = site_with(Dialects::default()).await;
    assert_eq!(
        nothing.ask("GET /audit-logs", "acme", b"").await.text(),
        r#"{"logs":[],"pages":0,"total":0}"#
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sixth_request_of_a_key_within_a_second_waits_where_the_vendors_limits_hold() {
    let mut site = site_with(configured(&[("dialects.bigpanda.limits", &["vendor"])])).await;
    site.make_key("other", r#"{"tenant": "acme", "scopes": ["read"]}"#).await;
    for _ in 0..5 {
        assert_eq!(site.ask(&format!("GET {LOGS}"), "acme", b"").await.status, 200);
    }
    let refused = site.ask(&format!("GET {LOGS}?page=2"), "acme", b"").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "1"));
    assert_eq!(refused.json()["errors"][0], "Rate limit exceeded");
    assert_eq!(site.ask(&format!("GET {LOGS}"), "other", b"").await.status, 200, "another key");
    assert_eq!(site.ask("GET /audit-logs", "acme", b"").await.status, 200, "another vendor");
    assert_eq!(site.ask(&format!("GET {LOGS}"), "", b"").await.status, 401, "nobody's request counts");
    site.clock.pass(Duration::from_secs(1));
    assert_eq!(site.ask(&format!("GET {LOGS}"), "acme", b"").await.status, 200);
    let ours = site_with(Dialects::default()).await;
    for _ in 0..10 {
        assert_eq!(ours.ask(&format!("GET {LOGS}"), "acme", b"").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_hides_what_is_older_by_the_time_that_is_shown() {
    let mut dialects = configured(&[
        ("dialects.panda.window_days", &["2"]),
        ("dialects.nirvana.window_days", &["1"]),
        ("dialects.mounts", &["/long acme panda window_days=30"]),
    ]);
    dialects.bounds.insert("bigpanda", Bounds { window_days: Some(2), ..Bounds::default() });
    let site = site_with(dialects).await;
    let event = |id: &str, at: &str| {
        format!(r#"{{"id":"{id}","action":"a","occurred_at":"{at}","actor":{{"id":"u"}}}}"#)
    };
    let batch = [
        event("old", "2026-11-19T09:59:59Z"),
        event("edge", "2026-11-19T10:00:00Z"),
        event("new", "2026-11-21T09:00:00Z"),
    ];
    site.post("acme", &format!("[{}]", batch.join(","))).await;
    let shown = async |path: &str| ids(&site.ask(&format!("GET {path}"), "acme", b"").await);
    assert_eq!(shown("/audit-logs").await, ["new", "edge"]);
    assert_eq!(shown(LOGS).await, ["new", "edge"]);
    assert_eq!(shown("/long/audit-logs").await, ["new", "edge", "old"]);
    let total = site.ask("GET /audit-logs", "acme", b"").await.json()["total"].clone();
    assert_eq!(total, 2);
    assert_eq!(site.ask("GET /v1/audit_logs/new", "acme", b"").await.status, 200);
    assert_eq!(site.ask("GET /v1/audit_logs/edge", "acme", b"").await.status, 404);
    site.clock.pass(Duration::from_secs(1));
    assert_eq!(shown("/audit-logs").await, ["new"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mount_has_its_tenant_and_its_vendor_and_nothing_else() {
    let mut site = site_with(configured(&[(
        "dialects.mounts",
        &["/acme/p acme panda", "*.example.com/host * bigpanda", "annals.example.com/own * nirvana"],
    )]))
    .await;
    site.make_key("globex", r#"{"tenant": "globex", "scopes": ["read", "write"]}"#).await;
    site.make_key("annals", r#"{"tenant": "annals", "scopes": ["read", "write"]}"#).await;
    for key in ["acme", "globex", "annals"] {
        site.post(key, &events(0, 3)).await;
    }
    for (path, key, status) in [
        ("/acme/p/audit-logs", "acme", 200),
        ("/acme/p/audits/", "acme", 200),
        ("/acme/p/audit-logs", "operator", 200),
        ("/acme/p/audit-logs?tenant=acme", "operator", 200),
        ("/acme/p/audit-logs?tenant=globex", "operator", 403),
        ("/acme/p/audit-logs", "globex", 403),
        ("/acme/p/audit-logs", "", 401),
        ("/acme/p/v1/events", "acme", 404),
        ("/acme/p/healthz", "", 404),
        ("/acme/p", "acme", 404),
        ("/acme/p/resources/v2.0/audit/logs", "acme", 404),
        // The host's first label is the tenant.
        ("/host/resources/v2.0/audit/logs", "annals", 200),
        ("/host/resources/v2.0/audit/logs/", "operator", 200),
        ("/host/resources/v2.0/audit/logs", "acme", 403),
        // The key's own.
        ("/own/v1/audit_logs", "acme", 200),
        ("/own/v1/audit_logs/e-1", "globex", 200),
        ("/own/v1/audit_logs", "operator", 403),
        // At the root all is as it was.
        ("/audit-logs", "globex", 200),
        ("/v1/events", "globex", 200),
    ] {
        let answer = site.ask(&format!("GET {path}"), key, b"").await;
        assert_eq!(answer.status.as_u16(), status, "{path} with {key}: {}", answer.text());
        if path.starts_with("/acme/p") && status >= 400 {
            assert!(answer.json()["errMsg"].is_string(), "{path}: {}", answer.text());
        }
    }
    let page = site.ask("GET /acme/p/audit-logs?limit=2", "acme", b"").await;
    let next = link(&page, "next").unwrap();
    assert!(next.starts_with("http://annals.example.com/acme/p/audit-logs?limit=2&page=2&as_of="), "{next}");
    let posted = site.ask("POST /acme/p/audit-logs", "acme", br#"{"action":"add"}"#).await;
    assert_eq!(ids(&posted), ["e-0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_one_vendor_is_none_of_another_and_refused_once_settings_changed() {
    let site = Site::new().await;
    site.post("acme", &events(0, 30)).await;
    let page = site.ask("GET /v1/audit_logs?action=video.edit", "acme", b"").await.json();
    let next = page["pagination"]["next_cursor"].as_str().unwrap().to_owned();
    assert_eq!(site.ask(&format!("GET /v1/audit_logs?cursor={next}"), "acme", b"").await.status, 200);
    let dialects = configured(&[("dialects.nirvana.time", &["received"])]);
    let site = site.restart_with(Settings { dialects, ..settings() }).await;
    let answer = site.ask(&format!("GET /v1/audit_logs?cursor={next}"), "acme", b"").await;
    assert_eq!(answer.status, 400, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_entries_stand_in_can_be_set() {
    for (kind, opening) in [
        ("data", r#"{"status":200,"data":["#),
        ("items", r#"{"status":200,"items":["#),
        ("logs", r#"{"status":200,"logs":["#),
        ("array", "["),
    ] {
        let site = site_with(configured(&[
            ("dialects.bigpanda.envelope", &[kind]),
            ("dialects.panda.envelope", &["ro\"ws"]),
            ("dialects.panda.paths", &["/our/audits"]),
        ]))
        .await;
        site.post("acme", &events(0, 3)).await;
        let page = site.ask(&format!("GET {LOGS}?per_page=2"), "acme", b"").await;
        assert!(
            page.text().starts_with(&format!("{opening}{{")) && page.json().is_object() == (kind != "array")
        );
        assert!(link(&page, "next").is_some(), "an array alone has its pages in `Link`");
        let panda = site.ask("GET /our/audits", "acme", b"").await.json();
        assert_eq!(panda["ro\"ws"].as_array().unwrap().len(), 3);
        assert_eq!(site.ask("GET /audits", "acme", b"").await.status, 404, "the list replaces the paths");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_vendor_has_a_document_of_its_own() {
    let site = Site::new().await;
    let all = site.ask("GET /openapi.json", "", b"").await.json();
    let mut described = BTreeMap::new();
    for vendor in annals_dialects::VENDORS {
        let document = site.ask(&format!("GET /openapi.json?dialect={}", vendor.name), "", b"").await.json();
        for (path, item) in document["paths"].as_object().unwrap() {
            assert!(vendor.owns(path), "{path}");
            assert_eq!(described.insert(path.clone(), item.clone()), None, "{path}");
        }
        for reference in document.to_string().split("\"#/components/").skip(1) {
            let pointer = format!("/components/{}", reference.split('"').next().unwrap());
            assert!(document.pointer(&pointer).is_some(), "{}: {pointer}", vendor.name);
        }
        assert!(document["components"]["schemas"].as_object().unwrap().keys().all(|name| name != "Problem"));
    }
    let of_vendors = all["paths"].as_object().unwrap().iter().filter(|(_, item)| {
        item.as_object().unwrap().values().any(|operation| operation["tags"] == json!(["dialects"]))
    });
    assert_eq!(of_vendors.count(), described.len(), "every route of a vendor is in its document");
    let unknown = site.ask("GET /openapi.json?dialect=okta", "", b"").await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (400, "parameter_value".to_owned()));
}

#[test]
fn a_mount_is_one_line() {
    assert!(Mount::parse("/acme/p acme panda window_days=30").is_ok());
}

/// What is left of a member.
enum Left {
    /// What stands for an id.
    Pseudonym,
    /// `null`.
    Null,
    /// An empty text.
    Empty,
    /// Nothing, not even the member.
    Nothing,
}

/// Where the events are in a vendor's list, the newest first: one that was done to the person, then one that was done by the person.
const ERASED: [(&str, &[(&str, Left)]); 7] = {
    use Left::{Empty, Nothing, Null, Pseudonym};
    [
        (
            "/resources/v2.0/audit/logs",
            &[
                ("/data/1/actor/user/id", Pseudonym),
                ("/data/1/actor/user/email", Nothing),
                ("/data/1/actor/user/name", Nothing),
                ("/data/1/context", Nothing),
                ("/data/0/resource_id", Pseudonym),
            ],
        ),
        (
            "/v2/accounts/acme/audit_logs",
            &[
                ("/1/actor_id", Pseudonym),
                ("/1/actor/id", Pseudonym),
                ("/1/actor/name", Null),
                ("/1/actor/email", Null),
                ("/1/ip_address", Null),
                ("/0/item_id", Pseudonym),
                ("/0/resource/id", Pseudonym),
                ("/0/resource/name", Null),
            ],
        ),
        (
            "/v2/accounts/acme/events",
            &[("/1/user_id", Pseudonym), ("/1/ip_address", Null), ("/0/resource_id", Pseudonym)],
        ),
        (
            "/v4/accounts/acme/audit_logs?include=user",
            &[
                ("/data/1/user_id", Pseudonym),
                ("/data/1/user/id", Pseudonym),
                ("/data/1/user/name", Null),
                ("/data/1/user/email", Empty),
                ("/data/1/ip_address", Empty),
                ("/data/0/resource_id", Pseudonym),
            ],
        ),
        (
            "/v1/audit_logs",
            &[
                ("/items/1/actor/id", Pseudonym),
                ("/items/1/actor/name", Empty),
                ("/items/1/client_ip", Empty),
                ("/items/1/user_agent", Empty),
                ("/items/0/target/id", Pseudonym),
            ],
        ),
        (
            "/audit-logs",
            &[
                ("/logs/1/user/id", Pseudonym),
                ("/logs/1/user/name", Null),
                ("/logs/1/user/email", Null),
                ("/logs/1/ip", Null),
                ("/logs/1/user_agent", Null),
                ("/logs/1/device", Null),
                ("/logs/0/video_id", Pseudonym),
                ("/logs/0/description", Null),
            ],
        ),
        (
            "/api/v1/audit-log",
            &[
                ("/data/1/admin_id", Null),
                ("/data/1/admin_ref", Pseudonym),
                ("/data/1/admin_name", Null),
                ("/data/1/ip_address", Null),
                ("/data/0/entity_id", Null),
                ("/data/0/entity_ref", Pseudonym),
                ("/data/0/entity_title", Null),
                ("/data/0/description", Null),
            ],
        ),
    ]
};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_on_no_vendors_wire() {
    let mut site = Site::new().await;
    site.make_key("second", r#"{"tenant":"acme","scopes":["admin"]}"#).await;
    let done_by = json!({
        "id": "by", "action": "video.update", "occurred_at": "2026-11-20T10:00:00Z",
        "actor": {"type": "user", "id": "usr_17", "name": "Ada", "email": "ada@example.com"},
        "context": {"ip": "203.0.113.9", "user_agent": "Firefox/125.0"}, "targets": [{"type": "video", "id": "vid_1"}],
    });
    let done_to = json!({
        "id": "to", "action": "video.update", "occurred_at": "2026-11-20T10:00:01Z",
        "actor": {"type": "user", "id": "usr_2", "name": "Bo"}, "description": "asked by ada@example.com",
        "targets": [{"type": "video", "id": "usr_17", "name": "Ada"}],
    });
    site.post("acme", &json!([done_by, done_to]).to_string()).await;
    for (list, _) in ERASED {
        let shown = site.ask(&format!("GET {list}"), "acme", b"").await.text();
        assert!(shown.matches("usr_17").count() >= 2, "{list}: {shown}");
    }
    let wanted = json!({"values": ["usr_17", "ada@example.com"], "text": "erase", "reason": "a request"});
    let begun =
        site.ask("POST /v1/erasures?tenant=acme", "operator", wanted.to_string().as_bytes()).await.json();
    let case = begun["case"].as_str().unwrap_or_else(|| panic!("{begun}"));
    site.ask(&format!("POST /v1/erasures/{case}/approve"), "second", b"").await;
    let head = format!("GET /v1/erasures/{case}?tenant=acme");
    site.until(&head, "operator", |answer| answer.json()["stage"] == "done").await;

    for (list, members) in ERASED {
        let answer = site.ask(&format!("GET {list}"), "acme", b"").await;
        let (text, page) = (answer.text(), answer.json());
        for gone in ["usr_17", "Ada", "ada@", "203.0.113.9", "Firefox"] {
            assert!(!text.contains(gone), "{list}: {gone}: {text}");
        }
        for (pointer, left) in members {
            let found = page.pointer(pointer);
            let is_right = match left {
                Left::Nothing => found.is_none(),
                Left::Null => found.is_some_and(Value::is_null),
                Left::Empty => found.is_some_and(|value| value == ""),
                Left::Pseudonym => {
                    found.and_then(Value::as_str).is_some_and(|text| text.starts_with("erased-"))
                }
            };
            assert!(is_right, "{list}: {pointer}: {found:?} in {text}");
        }
    }
    for filter in [
        "/resources/v2.0/audit/logs?user_id=",
        "/v2/accounts/acme/audit_logs?filter[actor_id]=",
        "/v2/accounts/acme/events?filters[user_id]=",
        "/v4/accounts/acme/audit_logs?filters[user_id]=",
        "/v1/audit_logs?actor_id=",
        "/audit-logs?user_id=",
        "/api/v1/audit-log?admin_id=",
    ] {
        let found = site.ask(&format!("GET {filter}usr_17"), "acme", b"").await.text();
        assert!(!found.contains("video"), "{filter}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_may_begin_at_0_and_the_oldest_may_come_first() {
    let site = site_with(configured(&[
        ("dialects.panda.first_page", &["0"]),
        ("dialects.panda.order", &["oldest_first"]),
        ("dialects.panda.page_size", &["7"]),
        ("dialects.bigpanda.first_page", &["0"]),
    ]))
    .await;
    site.post("acme", &events(0, 30)).await;
    let newest = ids(&site.ask("GET /v1/events?limit=1000", "acme", b"").await);
    let (mut next, mut walked, mut number) = (Some("/audit-logs".to_owned()), Vec::new(), 0);
    while let Some(path) = next {
        let page = site.ask(&format!("GET {path}"), "acme", b"").await;
        let asked = site.ask(&format!("GET /audit-logs?page={number}"), "acme", b"").await;
        assert_eq!(ids(&asked), ids(&page), "page {number}");
        assert!(ids(&page).len() <= 7);
        walked.extend(ids(&page));
        number += 1;
        next = link(&page, "next")
            .map(|link| link.strip_prefix("http://annals.example.com").unwrap().to_owned());
    }
    assert_eq!((walked.len(), walked.iter().rev().cloned().collect::<Vec<_>>()), (30, newest));
    let told = site.ask(&format!("GET {LOGS}?per_page=10&page=2"), "acme", b"").await.json();
    assert_eq!((&told["pagination"]["page"], &told["pagination"]["hasMore"]), (&json!(2), &json!(false)));
}
