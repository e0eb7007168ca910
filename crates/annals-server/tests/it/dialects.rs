//! Vendors' APIs. `corpus/dialects/<vendor>/*.txt` has requests with their exact answers; here is what one answer cannot show.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use annals_dialects::nirvana::{ActorTypeOther, Nirvana};
use annals_dialects::{Api, Common, Dialects, Time};
use annals_server::{Listening, Settings};
use expect_test::{expect, expect_file};
use serde_json::Value;

use crate::site::{Answer, Site, event, settings};

fn with_time(time: Time) -> Nirvana {
    Nirvana { common: Common { time, ..Common::AS_IT_COMES }, ..Nirvana::default() }
}

/// Where the corpus of a vendor is.
fn folder(vendor: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/dialects").join(vendor)
}

/// A site with the events of a vendor's corpus, received a while after they occurred, a hole in a source's numbers among them.
async fn corpus_site(vendor: &str) -> Site {
    let mut site = Site::new().await;
    site.clock.pass(Duration::from_secs(7 * 86_400));
    let events = std::fs::read_to_string(folder(vendor).join("events.ndjson")).unwrap();
    for batch in events.lines().collect::<Vec<_>>().chunks(5) {
        let sent = site
            .ask("POST /v1/events\ncontent-type: application/x-ndjson", "acme", batch.join("\n").as_bytes())
            .await;
        assert_eq!(sent.status, 200, "{}", sent.text());
        site.clock.pass(Duration::from_secs(1));
    }
    make_hole(&site).await;
    site.make_key("writer", r#"{"tenant": "acme", "scopes": ["write", "verify", "admin"]}"#).await;
    site.make_key("elsewhere", r#"{"tenant": "acme", "scopes": ["write"], "dialects": ["okta"]}"#).await;
    let dialects = format!(r#"{{"tenant": "acme", "scopes": [], "dialects": ["okta", "{vendor}"]}}"#);
    site.make_key("dialect", &dialects).await;
    site.make_key("other", r#"{"tenant": "other", "scopes": ["write", "read"]}"#).await;
    site.post("other", &event("o-1")).await;
    site
}

/// Leaves a hole in a source's numbers, which annals puts on record, and nothing else that a vendor's client sees after the
/// end of the corpus.
async fn make_hole(site: &Site) {
    let numbered = |seq: u64| {
        format!(
            r#"{{"id":"s-{seq}","occurred_at":"2020-01-01T00:00:0{seq}Z","action":"source.sent","actor":{{"type":"service","id":"s"}},"source":{{"name":"billing","seq":{seq}}}}}"#
        )
    };
    site.post("acme", &numbered(1)).await;
    site.post("acme", &numbered(5)).await;
    assert_ne!(hole(site).await, "");
}

/// The id of the record of that hole.
async fn hole(site: &Site) -> String {
    let found = site.ask("GET /v1/events?filter=action+sw+%22annals.%22", "acme", b"").await.json();
    found["events"][0]["id"].as_str().unwrap_or_default().to_owned()
}

/// A file of the corpus with its answers as they are now: after each request, lines that begin with `>`, status and body.
/// `key` is the name of a key, `body` the body, `show` names headers of the answer to show, all else is a header. `<key:NAME>` is a key.
/// Cursors are shown as `<next>` and `<previous>`, and stand so in the requests that follow.
async fn replayed(site: &Site, text: &str) -> String {
    let mut known = BTreeMap::from([("<hole>".to_owned(), hole(site).await)]);
    let mut out = String::new();
    for block in text.split("\n\n") {
        let lines: Vec<_> = block.lines().filter(|line| line.starts_with(['#', '>'])).collect();
        out.push_str(&lines.join("\n"));
        out.push('\n');
        let request: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("> ")).collect();
        if let Some((line, more)) = request.split_first() {
            let mut head = (*line).to_owned();
            for (mark, value) in &known {
                head = head.replace(mark, value);
            }
            let (mut key, mut body, mut show) = ("acme", "", Vec::new());
            for (name, value) in more.iter().map(|line| line.split_once(": ").unwrap()) {
                match name {
                    "key" if value == "none" => key = "",
                    "key" => key = value,
                    "body" => body = value,
                    "show" => show.extend(value.split(", ")),
                    _ => head.push_str(&format!("\n{name}: {}", with_keys(site, value))),
                }
            }
            let answer = site.ask(&with_keys(site, &head), key, body.as_bytes()).await;
            assert_eq!(answer.header("content-type"), "application/json", "{head}");
            let shown = show.iter().map(|name| format!("{name}: {}\n", answer.header(name)));
            let shown: String = shown.collect();
            let mut body = answer.text();
            for (member, mark) in [("next_cursor", "<next>"), ("previous_cursor", "<previous>")] {
                if let Some(cursor) = answer.json()["pagination"][member].as_str() {
                    body = body.replace(cursor, mark);
                    known.insert(mark.to_owned(), cursor.to_owned());
                }
            }
            out.push_str(&format!("{}\n{shown}{body}\n", answer.status.as_u16()));
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

/// A text with the secrets of the keys that it names.
fn with_keys(site: &Site, text: &str) -> String {
    let mut parts = text.split("<key:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('>').unwrap();
        out.push_str(&site.key(name));
        out.push_str(rest);
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_of_nirvana_is_answered_byte_for_byte() {
    check_corpus("nirvana", 60).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_of_bigpanda_is_answered_byte_for_byte() {
    check_corpus("bigpanda", 40).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_of_panda_is_answered_byte_for_byte() {
    check_corpus("panda", 40).await;
}

/// Holds the answers to more than so many requests against those of the corpus.
async fn check_corpus(vendor: &str, more_than: usize) {
    let site = corpus_site(vendor).await;
    let mut requests = 0;
    for entry in std::fs::read_dir(folder(vendor)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let text = std::fs::read_to_string(&path).unwrap();
            requests +=
                text.split("\n\n").filter(|block| block.contains("\n> ") || block.starts_with("> ")).count();
            let replayed = replayed(&site, &text).await;
            expect_file![path].assert_eq(&replayed);
        }
    }
    assert!(requests > more_than, "{requests}");
}

/// The ids of a page of Nirvana's list.
fn ids(answer: &Answer) -> Vec<String> {
    let items = answer.json()["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text())).clone();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

fn cursor(answer: &Answer, member: &str) -> Option<String> {
    answer.json()["pagination"][member].as_str().map(str::to_owned)
}

/// One of many events, of which most agree with others in time and status.
struct Sent {
    id: String,
    batch: u64,
    minute: u64,
    status: Option<u64>,
}

impl Sent {
    fn many(count: u64) -> Vec<Self> {
        // A linear congruential generator: the same events in each run.
        let mut state = 7_u64;
        let mut below = |bound| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let statuses = [None, Some(0), Some(200), Some(201), Some(404), Some(500)];
        (0..count)
            .map(|index| Self {
                id: format!("e-{index}"),
                batch: index / 20,
                minute: below(6),
                status: statuses[usize::try_from(below(6)).unwrap()],
            })
            .collect()
    }

    fn json(&self) -> String {
        let request =
            self.status.map(|code| format!(r#","request":{{"status_code":{code}}}"#)).unwrap_or_default();
        format!(
            r#"{{"id":"{}","occurred_at":"2026-11-20T10:0{}:00Z","action":"a","actor":{{"type":"user","id":"u"}}{request}}}"#,
            self.id, self.minute
        )
    }

    /// What it has for a field of `sort`.
    fn value(&self, field: &str, received: bool) -> i64 {
        let value = match field {
            "created_at" if received => self.batch,
            "created_at" => self.minute,
            // Without one it comes before those with 0.
            _ => return self.status.map_or(-1, |code| i64::try_from(code).unwrap()),
        };
        i64::try_from(value).unwrap()
    }
}

fn sorts() -> Vec<String> {
    let directions = ["asc", "desc"];
    let mut sorts = Vec::new();
    for (first, second) in [("created_at", "status_code"), ("status_code", "created_at")] {
        for one in directions {
            sorts.push(format!("{first}:{one}"));
            sorts.extend(directions.map(|two| format!("{first}:{one},{second}:{two}")));
        }
    }
    sorts
}

/// The ids in the order that a sort names.
fn sorted(events: &[Sent], sort: &str, received: bool) -> Vec<String> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    let turned =
        |falling: bool, ordering: std::cmp::Ordering| if falling { ordering.reverse() } else { ordering };
    order.sort_by(|left, right| {
        let mut falling = false;
        let mut ordering = std::cmp::Ordering::Equal;
        for part in sort.split(',') {
            let (field, direction) = part.split_once(':').unwrap();
            falling = direction == "desc";
            let value = |index: usize| events[index].value(field, received);
            ordering = ordering.then(turned(falling, value(*left).cmp(&value(*right))));
        }
        ordering.then(turned(falling, left.cmp(right)))
    });
    order.into_iter().map(|index| events[index].id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_forwards_and_back_gives_each_page_again_whatever_arrives_meanwhile() {
    for time in [Time::Occurred, Time::Received] {
        let nirvana = with_time(time);
        let site = Site::with(
            Settings { dialects: Dialects { nirvana, ..Dialects::default() }, ..settings() },
            Listening::default(),
        )
        .await;
        let events = Sent::many(97);
        for batch in events.chunks(20) {
            site.clock.pass(Duration::from_secs(1));
            let batch: Vec<_> = batch.iter().map(Sent::json).collect();
            site.post("acme", &format!("[{}]", batch.join(","))).await;
        }
        for (index, sort) in sorts().into_iter().enumerate() {
            let arrive = async |page: usize| {
                // Late ones, and new ones.
                for (name, at) in [("late", "2026-11-20T10:03:00Z"), ("new", "2026-11-21T10:00:00Z")] {
                    let id = format!("{name}-{index}-{page}");
                    let body =
                        format!(r#"{{"id":"{id}","occurred_at":"{at}","action":"b","actor":{{"id":"u"}}}}"#);
                    site.post("acme", &body).await;
                }
            };
            // What arrives does not match, or the walks that follow would begin with it; that it would is seen in the total.
            let mut page = site.ask(&format!("GET /v1/audit_logs?action=a&sort={sort}"), "acme", b"").await;
            let mut pages = vec![ids(&page)];
            while let Some(next) = cursor(&page, "next_cursor") {
                arrive(pages.len()).await;
                page = site.ask(&format!("GET /v1/audit_logs?cursor={next}"), "acme", b"").await;
                assert_eq!(page.json()["pagination"]["total_count"], 97);
                pages.push(ids(&page));
            }
            assert_eq!(pages.concat(), sorted(&events, &sort, time == Time::Received), "{sort}");
            for expected in pages.iter().rev().skip(1) {
                let previous = cursor(&page, "previous_cursor").unwrap();
                page = site.ask(&format!("GET /v1/audit_logs?cursor={previous}"), "acme", b"").await;
                assert_eq!(ids(&page), *expected, "{sort}, backwards");
            }
            assert_eq!(cursor(&page, "previous_cursor"), None, "{sort}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_speaks_of_the_log_as_it_was_at_its_first_page() {
    let site = Site::new().await;
    for batch in Sent::many(40).chunks(20) {
        let batch: Vec<_> = batch.iter().map(Sent::json).collect();
        site.post("acme", &format!("[{}]", batch.join(","))).await;
    }
    for sort in sorts() {
        let (mut seen, mut page) =
            (Vec::new(), site.ask(&format!("GET /v1/audit_logs?limit=10&sort={sort}"), "acme", b"").await);
        let total = page.json()["pagination"]["total_count"].as_u64().unwrap();
        loop {
            seen.extend(ids(&page));
            let late = r#"{"occurred_at":"2026-11-20T10:02:30Z","action":"late","actor":{"id":"u"},"request":{"status_code":300}}"#;
            site.post("acme", late).await;
            let Some(next) = cursor(&page, "next_cursor") else { break };
            page = site
                .ask(&format!("GET /v1/audit_logs?limit=10&sort={sort}&cursor={next}"), "acme", b"")
                .await;
            assert_eq!(page.json()["pagination"]["total_count"], total, "{sort}");
        }
        let length = u64::try_from(seen.len()).unwrap();
        seen.sort();
        seen.dedup();
        assert_eq!(
            (length, seen.len() as u64),
            (total, total),
            "{sort}: nothing is missing, nothing is there twice"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_works_after_a_restart_and_neither_cut_nor_changed_nor_elsewhere() {
    let site = corpus_site("nirvana").await;
    let first = site.ask("GET /v1/audit_logs?sort=status_code:asc", "acme", b"").await;
    let next = cursor(&first, "next_cursor").unwrap();
    let second = site.ask(&format!("GET /v1/audit_logs?cursor={next}"), "acme", b"").await.text();
    let site = site.restart().await;
    site.clock.pass(Duration::from_secs(10 * 365 * 86_400));
    assert_eq!(site.ask(&format!("GET /v1/audit_logs?cursor={next}"), "acme", b"").await.text(), second);
    let native =
        site.ask("GET /v1/events?limit=1", "acme", b"").await.json()["next"].as_str().unwrap().to_owned();
    let mut wrong = vec![native, next.to_uppercase(), format!("{next}A"), "A".repeat(1 << 15)];
    wrong.extend((1..next.len()).step_by(7).map(|end| next[..end].to_owned()));
    for wrong in wrong {
        let answer = site.ask(&format!("GET /v1/audit_logs?cursor={wrong}"), "acme", b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "bad_request"), "{wrong}");
    }
    let foreign = site.ask(&format!("GET /v1/audit_logs?cursor={next}"), "other", b"").await;
    assert_eq!(foreign.status, 400, "{}", foreign.text());
    let native = site.ask(&format!("GET /v1/events?cursor={next}"), "acme", b"").await;
    assert_eq!(native.code(), "cursor");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_annals_records_is_on_no_page_and_in_no_total() {
    let site = corpus_site("nirvana").await;
    let all = site.ask("GET /v1/events?total=true&limit=1000", "acme", b"").await.json();
    let page = site.ask("GET /v1/audit_logs?limit=100", "acme", b"").await;
    assert_eq!(
        all["total"].as_u64().unwrap(),
        page.json()["pagination"]["total_count"].as_u64().unwrap() + 1
    );
    assert!(!ids(&page).contains(&hole(&site).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_entries_is_written_as_it_is_read() {
    let site = Site::new().await;
    let agent = "a".repeat(4 << 10);
    let sent = |n: usize| {
        format!(r#"{{"id":"m-{n}","action":"a","actor":{{"id":"u"}},"context":{{"user_agent":"{agent}"}}}}"#)
    };
    let batch: Vec<_> = (0..120).map(sent).collect();
    site.post("acme", &format!("[{}]", batch.join(","))).await;
    let page = site.ask("GET /v1/audit_logs?limit=100&sort=created_at:asc", "acme", b"").await;
    assert_eq!(page.headers.get("content-length"), None, "nobody has counted what is not written yet");
    let expected: Vec<_> = (0..100).map(|n| format!("m-{n}")).collect();
    assert_eq!(ids(&page), expected);
    assert_eq!(page.json()["pagination"]["total_count"], 120);
    let small = site.ask("GET /v1/audit_logs?limit=10", "acme", b"").await;
    assert_eq!(small.header("content-length"), small.body.len().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn head_says_what_get_does_without_a_body() {
    let site = corpus_site("nirvana").await;
    for (path, key, status) in [
        ("/v1/audit_logs", "acme", 200),
        ("/v1/audit_logs/", "acme", 200),
        ("/v1/audit_logs/e-04", "acme", 200),
        ("/v1/audit_logs/none", "acme", 404),
        ("/v1/audit_logs", "", 401),
    ] {
        let answer = site.ask(&format!("HEAD {path}"), key, b"").await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{path}");
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_carry_the_headers_of_all_refusals() {
    let site = corpus_site("nirvana").await;
    let unknown = site.ask("GET /v1/audit_logs", "", b"").await;
    assert!(unknown.header("www-authenticate").starts_with("Bearer"));
    assert_eq!(unknown.header("x-request-id"), "r-1");
    assert_eq!(site.ask("PUT /v1/audit_logs", "acme", b"{}").await.header("allow"), "GET,HEAD");
    let metrics = site.ask("GET /metrics", "operator", b"").await.text();
    assert!(metrics.contains("unauthenticated"), "they are counted by our own codes");
}

/// The access log of a tenant: actions, routes and filters.
async fn access(site: &Site, tenant: &str, count: usize) -> Vec<(String, String, Value)> {
    let path = format!("GET /v1/access?tenant={tenant}");
    let fits =
        |answer: &Answer| answer.json()["records"].as_array().is_some_and(|records| records.len() >= count);
    let answer = site.until(&path, "operator", fits).await.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let shown = |record: &Value| {
        (text(&record["action"]), text(&record["request"]["path"]), record["metadata"]["filter"].clone())
    };
    answer["records"].as_array().unwrap().iter().map(shown).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_stands_on_record_once_a_minute_with_its_filters() {
    let mut site = Site::new().await;
    let events: Vec<_> = Sent::many(40).iter().map(Sent::json).collect();
    site.post("acme", &format!("[{}]", events.join(","))).await;
    site.make_key("dialect", r#"{"tenant": "acme", "scopes": [], "dialects": ["nirvana"]}"#).await;
    site.make_key("writer", r#"{"tenant": "acme", "scopes": ["write"]}"#).await;
    let mut page = site.ask("GET /v1/audit_logs?action=a", "dialect", b"").await;
    while let Some(next) = cursor(&page, "next_cursor") {
        page = site.ask(&format!("GET /v1/audit_logs/?cursor={next}&limit=20"), "dialect", b"").await;
    }
    site.ask("GET /v1/audit_logs/e-1", "dialect", b"").await;
    // Records of access are written beside the answers, and those of two requests in any order.
    access(&site, "acme", 2).await;
    site.ask("GET /v1/audit_logs", "writer", b"").await;
    let shown: Vec<_> = access(&site, "acme", 3)
        .await
        .iter()
        .map(|(action, path, filter)| format!("{action} {path} {filter}\n"))
        .collect();
    expect![[r#"
        annals.access.read /v1/audit_logs {"action":"a"}
        annals.access.read /v1/audit_logs/{id} {"id":"e-1"}
        annals.access.refused /v1/audit_logs null
    "#]]
    .assert_eq(&shown.concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_stands_in_the_log_that_was_asked_for() {
    let mut site = Site::new().await;
    site.make_key("beta", r#"{"tenant": "beta", "scopes": ["write", "read"]}"#).await;
    site.post("acme", &crate::site::event("e1")).await;
    site.post("beta", &crate::site::event("e1")).await;
    // Of a parameter that is repeated the last value counts.
    let refused = site.ask("GET /v1/audit_logs?tenant=acme&tenant=beta", "acme", b"").await;
    assert_eq!(refused.status, 403);
    assert_eq!(access(&site, "beta", 1).await[0].0, "annals.access.refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_strict_access_what_cannot_be_recorded_is_refused_in_the_vendors_form() {
    let site = Site::on_disk_with(Settings { access_strict: true, ..Settings::default() }).await;
    site.post("acme", &event("e1")).await;
    site.faults.set_no_space(true);
    let refused = site.ask("GET /v1/audit_logs", "acme", b"").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "30"));
    assert_eq!(refused.json()["code"], "unavailable");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_without_events_has_an_empty_list() {
    let mut site = Site::new().await;
    site.make_key("new", r#"{"tenant": "new", "scopes": ["read", "write"]}"#).await;
    let list = site.ask("GET /v1/audit_logs", "new", b"").await;
    assert_eq!(
        (list.status.as_u16(), list.json()["pagination"]["total_count"].as_u64()),
        (200, Some(0)),
        "{}",
        list.text()
    );
    assert_eq!(site.ask("GET /v1/audit_logs/e1", "new", b"").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_the_mount_hold() {
    let nirvana = Nirvana { actor_type_other: ActorTypeOther::ApiKey, ..with_time(Time::Received) };
    let site = Site::with(
        Settings { dialects: Dialects { nirvana, ..Dialects::default() }, ..settings() },
        Listening::default(),
    )
    .await;
    site.post(
        "acme",
        r#"{"id":"e1","occurred_at":"2020-01-01T00:00:00Z","action":"a","actor":{"type":"system","id":"s"}}"#,
    )
    .await;
    let entry = site
        .ask("GET /v1/audit_logs?actor_type=api_key&created_at_min=2026-01-01T00:00:00Z", "acme", b"")
        .await
        .json();
    assert_eq!(entry["items"][0]["created_at"], "2026-11-21T10:00:00Z");
    assert_eq!(entry["items"][0]["actor"]["type"], "api_key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_a_change_of_settings_is_refused() {
    let site = corpus_site("nirvana").await;
    let first = site.ask("GET /v1/audit_logs", "acme", b"").await;
    let list = format!("GET /v1/audit_logs?cursor={}", cursor(&first, "next_cursor").unwrap());
    let with = |time| {
        let nirvana = with_time(time);
        Settings { dialects: Dialects { nirvana, ..Dialects::default() }, ..settings() }
    };
    let site = site.restart_with(with(Time::Received)).await;
    let told = site.ask(&list, "acme", b"").await;
    assert_eq!(told.status, 400, "{}", told.text());
    let site = site.restart_with(with(Time::Occurred)).await;
    assert_eq!(site.ask(&list, "acme", b"").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_garbage_makes_a_list_fail() {
    let site = corpus_site("nirvana").await;
    let values = [
        "",
        "%00",
        "%FF%FE",
        "-1",
        "1e9",
        "%F0%9F%92%A9",
        "'%20OR%201=1--",
        "(a%2B)%2B$",
        "..%2F..",
        "null",
        "[]",
        "created_at:asc",
    ];
    let known = Nirvana::FORM.route.parameters.iter().map(|parameter| parameter.name);
    for name in known.chain(["cursor", "limit", "tenant", "colour", "filter%5Bx%5D%5B"]) {
        for value in values {
            let answer =
                site.ask(&format!("GET /v1/audit_logs?{name}={value}&{name}={value}"), "acme", b"").await;
            assert!(matches!(answer.status.as_u16(), 200 | 400 | 403), "{name}={value}: {}", answer.text());
            assert!(answer.json().is_object());
        }
        let long = "9".repeat(20_000);
        let answer = site.ask(&format!("GET /v1/audit_logs?{name}={long}"), "acme", b"").await;
        assert!(matches!(answer.status.as_u16(), 200 | 400), "{name}: {}", answer.text());
    }
}
