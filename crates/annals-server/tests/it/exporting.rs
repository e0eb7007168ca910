//! `GET /v1/export`.

use annals_export::columns::Selection;
use annals_export::{Exporter, Format, Options};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::site::{Answer, PATIENCE, Site, event, settings};

/// An export with its trailers.
struct Export {
    answer: Answer,
    trailers: HeaderMap,
}

async fn export(site: &Site, key: &str, query: &str) -> Export {
    let response = site.open(&format!("GET /v1/export?{query}\nte: trailers"), key, b"").await;
    let (parts, body) = response.into_parts();
    let collected = tokio::time::timeout(PATIENCE, body.collect()).await.unwrap().unwrap();
    let trailers = collected.trailers().cloned().unwrap_or_default();
    let answer = Answer { status: parts.status, headers: parts.headers, body: collected.to_bytes() };
    Export { answer, trailers }
}

/// The lines of an export, whose trailers must be right.
async fn lines(site: &Site, key: &str, query: &str) -> Vec<Value> {
    let export = export(site, key, query).await;
    assert_eq!(export.answer.status, 200, "{query}: {}", export.answer.text());
    let lines: Vec<Value> =
        export.answer.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(export.trailers["annals-rows"], lines.len().to_string(), "{query}");
    let sum: String = Sha256::digest(&export.answer.body).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(export.trailers["annals-sha256"], sum, "{query}");
    lines
}

/// What the pages of a search hold.
async fn found(site: &Site, key: &str, query: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut query = format!("{query}&limit=7");
    loop {
        let page = site.ask(&format!("GET /v1/events?{query}"), key, b"").await.json();
        found.extend(page["events"].as_array().unwrap_or_else(|| panic!("{query}: {page}")).clone());
        let Some(next) = page["next"].as_str() else { return found };
        query = format!("cursor={next}");
    }
}

/// An event that occurred at a minute after ten, now and then with members that nobody knows.
fn at(id: &str, minute: usize) -> String {
    let more = if minute.is_multiple_of(3) { r#","zone":{"a":[1.50]},"description":"=1+1""# } else { "" };
    format!(
        r#"{{"id":"{id}","action":"video.update","actor":{{"type":"user","id":"u{}"}},"occurred_at":"2026-11-21T10:{:02}:00Z"{more}}}"#,
        minute % 2,
        minute % 60
    )
}

/// Records of `acme`, most of them sealed, their times in no order, and some of `globex`.
async fn filled() -> Site {
    let site = Site::sealing_each(16).await;
    for round in 0..6 {
        let items: Vec<String> =
            (0..10).map(|i| at(&format!("e{round}-{i}"), (round * 10 + i) * 37)).collect();
        site.post("acme", &format!("[{}]", items.join(","))).await;
        let tail = |answer: &Answer| answer.json()["tail_records"].as_u64() < Some(16);
        site.until("GET /v1/status", "operator", tail).await;
    }
    let body = r#"{"tenant":"globex","id":"g","action":"a","actor":{"id":"u"}}"#;
    assert_eq!(site.ask("POST /v1/events", "operator", body.as_bytes()).await.status, 200);
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_holds_what_a_search_finds_in_its_order() {
    let site = filled().await;
    for (key, query) in [
        ("acme", ""),
        ("acme", "&order=desc"),
        ("acme", "&actor_id=u0&since=2026-11-21T10:20:00Z"),
        ("acme", "&filter=%22zone%22.%22a%22%20pr&order=desc"),
        ("acme", "&q=nobody"),
        ("acme", "&received_since=2030-01-01T00:00:00Z"),
        ("operator", ""),
        ("operator", "&tenant=acme&order=desc"),
        ("operator", "&tenant=globex"),
    ] {
        let expected = found(
            &site,
            key,
            &if query.contains("order=") { query[1..].to_owned() } else { format!("order=asc{query}") },
        )
        .await;
        assert_eq!(lines(&site, key, query.trim_start_matches('&')).await, expected, "{key} {query}");
    }
    let log = lines(&site, "acme", "log=access").await;
    assert!(log.iter().any(|record| record["action"] == "annals.access.export"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_named_and_says_as_of_what() {
    let site = filled().await;
    for (key, query, name, kind) in [
        ("acme", "", "annals-acme-60.ndjson", "application/x-ndjson"),
        ("acme", "format=csv", "annals-acme-60.csv", "text/csv; charset=utf-8; header=present"),
        (
            "operator",
            "format=parquet&tenant=globex",
            "annals-globex-1.parquet",
            "application/vnd.apache.parquet",
        ),
        ("acme", "size=30", "annals-acme-30.ndjson", "application/x-ndjson"),
        ("acme", "log=access&size=1", "annals-acme-access-1.ndjson", "application/x-ndjson"),
    ] {
        let answer = export(&site, key, query).await.answer;
        assert_eq!(
            answer.header("content-disposition"),
            format!("attachment; filename=\"{name}\""),
            "{query}"
        );
        assert_eq!(answer.header("content-type"), kind);
        assert_eq!(
            answer.header("annals-size"),
            name.rsplit_once('.').unwrap().0.rsplit('-').next().unwrap()
        );
        assert_eq!(answer.header("trailer"), "annals-rows, annals-sha256");
    }
    let all = export(&site, "operator", "").await.answer;
    assert!(all.header("content-disposition").contains("\"annals-all-"), "{:?}", all.headers);
}

#[tokio::test(flavor = "multi_thread")]
async fn cells_and_columns_are_those_of_the_lines() {
    let site = filled().await;
    let whole = export(&site, "acme", "").await.answer.text();
    let chosen = Selection::parse("id,description,other").unwrap();
    for (query, format, columns, bom) in [
        ("format=csv", Format::Csv, Selection::default(), false),
        ("format=csv&bom=true", Format::Csv, Selection::default(), true),
        ("format=csv&columns=id,description,other", Format::Csv, chosen.clone(), false),
        ("format=parquet", Format::Parquet, Selection::default(), false),
        ("format=parquet&columns=id%2Cdescription%2Cother", Format::Parquet, chosen, false),
        ("format=ndjson", Format::Ndjson, Selection::default(), false),
    ] {
        let mut exporter = Exporter::new(&Options { format, columns, bom }, Vec::new()).unwrap();
        for line in whole.lines() {
            exporter.event(line.as_bytes()).unwrap();
        }
        let given = export(&site, "acme", query).await;
        assert!(given.answer.body == exporter.finish().unwrap(), "{query}");
        assert_eq!(given.trailers["annals-rows"], "60", "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_goes_on_where_it_stopped_as_of_the_same_size() {
    let site = filled().await;
    for (key, number) in [("acme", "position"), ("operator", "ledger_seq")] {
        for order in ["asc", "desc"] {
            let answer = export(&site, key, &format!("order={order}")).await.answer;
            let (size, whole) = (answer.header("annals-size").to_owned(), answer.text());
            let whole: Vec<Value> = whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            // Before what is there, among it, behind it.
            let late: Vec<String> =
                [0, 31, 59].iter().map(|m| at(&format!("{key}-{order}-{m}"), *m)).collect();
            site.post("acme", &format!("[{}]", late.join(","))).await;
            assert_eq!(lines(&site, key, &format!("order={order}&size={size}")).await, whole);
            for stopped in (0..whole.len()).step_by(7).chain([whole.len() - 1]) {
                let after = &whole[stopped][number];
                let rest = lines(&site, key, &format!("order={order}&size={size}&after={after}")).await;
                assert_eq!(rest, whole[stopped + 1..], "{key} {order} {stopped}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_nothing_gets_an_export_without_rows() {
    let mut site = Site::with(
        annals_server::Settings { tenants_on_write: true, ..settings() },
        annals_server::Listening::default(),
    )
    .await;
    site.make_key("new", r#"{"tenant": "new", "scopes": ["write", "export"]}"#).await;
    assert_eq!(lines(&site, "new", "").await, Vec::<Value>::new());
    assert_eq!(lines(&site, "new", "size=0").await, Vec::<Value>::new());
    let csv = export(&site, "new", "format=csv&columns=id,action").await;
    assert_eq!((csv.answer.text().as_str(), csv.answer.header("annals-size")), ("id,action\r\n", "0"));
    assert_eq!(csv.trailers["annals-rows"], "0");
    let parquet = export(&site, "new", "format=parquet").await.answer;
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"));
    let lost = site.ask("GET /v1/export?size=3", "new", b"").await;
    assert_eq!((lost.status.as_u16(), lost.code().as_str()), (400, "out_of_range"));
    site.post("new", &event("first")).await;
    assert_eq!(lines(&site, "new", "").await.len(), 1);
    assert_eq!(lines(&site, "new", "actor_id=nobody").await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_wrongly_is_told_what_is_wrong() {
    let mut site = filled().await;
    site.make_key("reader", r#"{"tenant": "acme", "scopes": ["read", "verify", "write", "admin"]}"#).await;
    for (key, query, status, code, told) in [
        ("acme", "format=xlsx", 400, "parameter_value", "`format` must be `ndjson`, `csv` or `parquet`"),
        ("acme", "format=csv&columns=id,shoe", 400, "parameter_value", "`shoe` is no column"),
        ("acme", "format=csv&columns=actor.id", 400, "parameter_value", "did you mean `actor_id`?"),
        ("acme", "format=csv&columns=", 400, "parameter_value", "`` is no column"),
        ("acme", "columns=id", 400, "parameter_value", "`ndjson` has whole events"),
        ("acme", "format=parquet&bom=true", 400, "parameter_value", "`bom` is for `csv`"),
        ("acme", "format=csv&bom=yes", 400, "parameter_value", "`bom` must be `true` or `false`"),
        ("acme", "limit=10", 400, "parameter_unknown", "`limit` is not a parameter"),
        ("acme", "order=up", 400, "parameter_value", "`order` must be"),
        ("acme", "filter=%28", 400, "filter", "`filter` is wrong at byte 1"),
        ("acme", "size=61", 400, "out_of_range", "as of 61 records, but there are only 60"),
        ("acme", "after=60", 400, "out_of_range", "`after` is 60, but the export is as of 60 records"),
        (
            "acme",
            "size=30&after=30",
            400,
            "out_of_range",
            "`after` is 30, but the export is as of 30 records",
        ),
        ("acme", "tenant=globex", 403, "tenant_denied", "another tenant"),
        ("reader", "", 403, "scope", "the key lacks the scope `export`"),
        ("operator", "tenant=nobody", 404, "tenant_unknown", "does not exist"),
        ("operator", "log=access", 400, "tenant_required", "must name the tenant"),
        ("", "", 401, "unauthenticated", "send a key"),
    ] {
        let answer = site.ask(&format!("GET /v1/export?{query}"), key, b"").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (status, code),
            "{query}: {}",
            answer.text()
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(told), "{query}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_stand_on_record_and_refused_ones_too() {
    let mut site = filled().await;
    site.make_key("reader", r#"{"tenant": "acme", "scopes": ["read"]}"#).await;
    export(&site, "acme", "actor_id=u0&format=csv").await;
    site.ask("GET /v1/export", "reader", b"").await;
    let size = |answer: &Answer| answer.json()["size"].as_u64() >= Some(2);
    let records = site.until("GET /v1/access", "acme", size).await.json();
    let of = |action: &str| {
        let records = records["records"].as_array().unwrap().iter();
        records
            .filter(|record| record["action"] == action && record["request"]["path"] == "/v1/export")
            .cloned()
            .collect::<Vec<_>>()
    };
    let (exports, refused) = (of("annals.access.export"), of("annals.access.refused"));
    assert_eq!((exports.len(), refused.len()), (1, 1), "{records:#}");
    assert_eq!(exports[0]["metadata"]["filter"]["actor_id"], "u0");
}

/// Events of 200 KB each, more than all buffers between a server and a client hold.
async fn large(site: &Site) {
    let text = "x".repeat(200_000);
    for i in 0..120 {
        let event = format!(r#"{{"id":"{i}","action":"a","actor":{{"id":"u"}},"description":"{text}"}}"#);
        site.post("acme", &event).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_takes_no_turn_and_who_is_gone_makes_room() {
    let site = Site::new().await;
    large(&site).await;
    let mut open = Vec::new();
    for _ in 0..annals_server::EXPORTS_MAX {
        let response = site.open("GET /v1/export?format=csv", "acme", b"").await;
        assert_eq!(response.status(), 200);
        open.push(response);
    }
    let refused = site.ask("GET /v1/export", "acme", b"").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "busy"));
    // They all wait for their readers; searches and feeds go on.
    assert_eq!(site.ask("GET /v1/events?limit=1", "acme", b"").await.status, 200);
    assert_eq!(site.ask("GET /v1/feed?action=a&limit=1", "acme", b"").await.status, 200);
    drop(open);
    let again = site.until("GET /v1/export?actor_id=nobody", "acme", |answer| answer.status == 200);
    assert!(again.await.body.is_empty());
    assert_eq!(lines(&site, "acme", "").await.len(), 120);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_cannot_go_on_breaks_off_without_an_end() {
    let mut site = Site::new().await;
    large(&site).await;
    for (format, stops) in [("ndjson", false), ("csv", false), ("ndjson", true)] {
        let made =
            site.make_key(&format!("{format}{stops}"), r#"{"tenant": "acme", "scopes": ["export"]}"#).await;
        let head = format!("GET /v1/export?format={format}\nte: trailers");
        let response = site.open(&head, &format!("{format}{stops}"), b"").await;
        assert_eq!(response.status(), 200);
        if stops {
            site.begin_stop();
        } else {
            let id = made["id"].as_str().unwrap();
            assert_eq!(site.ask(&format!("DELETE /v1/keys/{id}"), "operator", b"").await.status, 204);
        }
        let read = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.unwrap();
        assert!(read.is_err(), "{format}: a part passes for the whole");
    }
    site.stop_begun().await;
}
