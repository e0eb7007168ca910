//! `GET /v1/summary`.

use expect_test::expect;
use serde_json::{Value, json};

use crate::site::{Site, event};

async fn filled() -> Site {
    let site = Site::new().await;
    let events = r#"[
        {"id":"1","action":"video.update","actor":{"id":"u1"},"occurred_at":"2026-11-20T23:30:00Z","targets":[{"type":"video","id":"v1"},{"type":"video","id":"v2"}]},
        {"id":"2","action":"video.update","actor":{"id":"u2"},"occurred_at":"2026-11-21T00:30:00Z","targets":[{"type":"video","id":"v1"}],"metadata":{"n":1.50}},
        {"id":"3","action":"video.delete","actor":{"id":"u1"},"occurred_at":"2026-11-23T12:00:00Z","metadata":{"n":"\"x\""}},
        {"id":"4","action":"login","actor":{"id":"u1"},"occurred_at":"2026-11-23T13:00:00Z"}
    ]"#;
    site.post("acme", events).await;
    site
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_counted_by_value_and_by_day() {
    let site = filled().await;
    site.check(
        "GET /v1/summary?by=action&by=targets.id&by=operation&interval=1d&tz=Europe/Berlin&limit=2",
        "acme",
        "",
        expect![[r#"
        200
        {
          "counts": {
            "action": {
              "distinct": 3,
              "missing": 0,
              "values": [
                {
                  "count": 2,
                  "value": "video.update"
                },
                {
                  "count": 1,
                  "value": "login"
                }
              ]
            },
            "operation": {
              "distinct": 3,
              "missing": 0,
              "values": [
                {
                  "count": 2,
                  "value": "update"
                },
                {
                  "count": 1,
                  "value": "authentication"
                }
              ]
            },
            "targets.id": {
              "distinct": 2,
              "missing": 2,
              "values": [
                {
                  "count": 2,
                  "value": "v1"
                },
                {
                  "count": 1,
                  "value": "v2"
                }
              ]
            }
          },
          "histogram": {
            "buckets": [
              {
                "count": 2,
                "start": "2026-11-20T23:00:00.000000Z"
              },
              {
                "count": 0,
                "start": "2026-11-21T23:00:00.000000Z"
              },
              {
                "count": 2,
                "start": "2026-11-22T23:00:00.000000Z"
              }
            ],
            "interval": "1d",
            "tz": "Europe/Berlin"
          },
          "size": 4,
          "total": 4
        }
    "#]],
    )
    .await;
    let plain = site.ask("GET /v1/summary?actor_id=u1", "acme", b"").await.json();
    assert_eq!(plain, json!({"size": 4, "total": 3}));
    let numbers = site.ask("GET /v1/summary?by=metadata.n&by=actor_id", "acme", b"").await.text();
    assert!(numbers.contains(r#""metadata.n":{"values":[{"value":"\"x\"","count":1},{"value":1.50,"count":1}],"distinct":2,"missing":2}"#), "{numbers}");
    assert!(numbers.contains(r#""actor_id":{"values":[{"value":"u1","count":3}"#), "{numbers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_histogram_begins_and_ends_where_the_question_does() {
    let site = filled().await;
    let query = "since=2026-11-19T00:00:00Z&until=2026-11-26T00:00:00Z&interval=1d";
    let answer = site.ask(&format!("GET /v1/summary?{query}"), "acme", b"").await.json();
    let counts: Vec<_> = answer["histogram"]["buckets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bucket| bucket["count"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [0, 1, 1, 0, 2, 0, 0]);
    let none = site.ask("GET /v1/summary?action=none&interval=1h&by=action", "acme", b"").await.json();
    assert_eq!(none["histogram"]["buckets"], json!([]));
    assert_eq!(none["counts"]["action"], json!({"values": [], "distinct": 0, "missing": 0}));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_counted_as_they_were_written_though_filters_take_them_by_value() {
    let site = Site::new().await;
    let numbers = ["1", "1.0", "1e0", "1"].iter().enumerate();
    let events: Vec<String> = numbers
        .map(|(id, n)| format!(r#"{{"id":"{id}","action":"a","actor":{{"id":"u"}},"metadata":{{"n":{n}}}}}"#))
        .collect();
    site.post("acme", &format!("[{}]", events.join(","))).await;
    let path = "GET /v1/summary?by=metadata.n&filter=metadata.n%20eq%201";
    let answer = site.ask(path, "acme", b"").await;
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    let values = r#"{"values":[{"value":1,"count":2},{"value":1.0,"count":1},{"value":1e0,"count":1}],"distinct":3,"missing":0}"#;
    assert!(text.contains(r#""total":4"#) && text.contains(values), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_tenants_and_empty_ones_are_counted() {
    let mut site = filled().await;
    let more = r#"{"id":"1","tenant":"globex","action":"login","actor":{"id":"u9"}}"#;
    site.post("operator", more).await;
    let by_tenant = site.ask("GET /v1/summary?by=tenant&action=login", "operator", b"").await.json();
    assert_eq!(by_tenant["total"], 2);
    assert_eq!(by_tenant["counts"]["tenant"]["values"][0], json!({"value": "acme", "count": 1}));
    let one = site.ask("GET /v1/summary?tenant=globex&by=actor.id", "operator", b"").await.json();
    assert_eq!((&one["total"], &one["counts"]["actor.id"]["values"][0]["value"]), (&1.into(), &"u9".into()));
    site.make_key("new", r#"{"tenant": "new", "scopes": ["read"]}"#).await;
    let nothing = site.ask("GET /v1/summary?by=action&interval=1d", "new", b"").await.json();
    let counts = json!({"action": {"values": [], "distinct": 0, "missing": 0}});
    let histogram = json!({"interval": "1d", "tz": "UTC", "buckets": []});
    assert_eq!(nothing, json!({"size": 0, "total": 0, "counts": counts, "histogram": histogram}));
    let access =
        site.until("GET /v1/summary?log=access&by=action", "acme", |answer| answer.json()["total"] != 0);
    site.ask("GET /v1/feed", "acme", b"").await;
    assert_eq!(access.await.json()["counts"]["action"]["values"][0]["value"], "annals.access.read");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_counted_is_told() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let many: Vec<String> = (0..11).map(|n| format!("by=metadata.n{n}")).collect();
    for (query, parameter) in [
        ("by=actr.id", "by"),
        ("by=", "by"),
        ("by=action&by=action", "by"),
        ("by=actor.id&by=actor_id", "by"),
        (many.join("&").as_str(), "by"),
        ("interval=2h", "interval"),
        ("interval=", "interval"),
        ("interval=1d&tz=Nowhere/Land", "tz"),
        ("interval=1d&tz=..%2F..%2Fetc%2Fpasswd", "tz"),
        ("tz=", "tz"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("since=2026", "since"),
    ] {
        let answer = site.ask(&format!("GET /v1/summary?{query}"), "acme", b"").await;
        let told = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &told["code"], &told["parameter"]),
            (400, &"parameter_value".into(), &parameter.into()),
            "{query}: {told}"
        );
    }
    let wide = "since=0001-01-01T00:00:00Z&until=2026-01-01T00:00:00Z&interval=1m";
    let answer = site.ask(&format!("GET /v1/summary?{wide}"), "acme", b"").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str(), &answer.json()["parameter"]),
        (400, "parameter_value", &"interval".into()),
        "{}",
        answer.text()
    );
    for query in ["order=asc", "cursor=x", "bye=action"] {
        let answer = site.ask(&format!("GET /v1/summary?{query}"), "acme", b"").await;
        assert_eq!(answer.code(), "parameter_unknown", "{query}");
    }
    let long = "x".repeat(200_000);
    for index in 0..100 {
        let body = format!(
            r#"{{"id":"l{index}","action":"a","actor":{{"id":"u"}},"metadata":{{"text":"{index}{long}"}}}}"#
        );
        site.post("acme", &body).await;
    }
    let answer = site.ask("GET /v1/summary?by=metadata.text", "acme", b"").await;
    assert_eq!(
        (answer.code().as_str(), &answer.json()["parameter"]),
        ("parameter_value", &Value::from("limit"))
    );
    assert_eq!(site.ask("GET /v1/summary?by=metadata.text&limit=50", "acme", b"").await.status, 200);
}

/// The values of an event at a path of at most two names, as JSON, each once, arrays passed through.
#[tokio::test(flavor = "multi_thread")]
async fn counts_are_as_of_the_size_that_is_asked_for() {
    let mut site = filled().await;
    site.make_key("new", r#"{"tenant": "new", "scopes": ["read"]}"#).await;
    let total = async |size: u64| {
        let answer = site.ask(&format!("GET /v1/summary?by=action&size={size}"), "acme", b"").await.json();
        (answer["size"].as_u64().unwrap(), answer["total"].as_u64().unwrap())
    };
    for size in 0..=4 {
        assert_eq!(total(size).await, (size, size));
    }
    for (key, size) in [("acme", 5), ("new", 1)] {
        let beyond = site.ask(&format!("GET /v1/summary?size={size}"), key, b"").await;
        assert_eq!((beyond.status.as_u16(), &beyond.json()["parameter"]), (400, &json!("size")), "{key}");
    }
}

fn values_at(event: &Value, path: &str) -> Vec<String> {
    fn below(value: &Value, names: &[&str], out: &mut Vec<String>) {
        match (value, names) {
            (Value::Array(items), _) => items.iter().for_each(|item| below(item, names, out)),
            (Value::Null | Value::Object(_), []) => {}
            (value, []) => out.push(value.to_string()),
            (value, [name, rest @ ..]) => {
                if let Some(member) = value.get(name) {
                    below(member, rest, out);
                }
            }
        }
    }
    let mut out = Vec::new();
    below(event, &path.split('.').collect::<Vec<_>>(), &mut out);
    out.sort();
    out.dedup();
    out
}

fn counts(row: &Value) -> Vec<u64> {
    row.as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_histogram_that_is_split_has_in_each_row_what_a_plain_count_finds() {
    // Some are sealed, some are not.
    let site = Site::sealing_each(70).await;
    let mut events: Vec<Value> = Vec::new();
    for id in 0..200_u32 {
        let mixed = id.wrapping_mul(2_654_435_761) >> 7;
        let mut event = json!({
            "id": format!("e{id}"), "action": format!("a.{}", mixed % 13), "actor": {"id": "u"},
            "occurred_at": format!("2026-11-2{}T{:02}:00:00Z", mixed % 3, mixed % 24),
            "targets": [{"type": "video", "id": format!("v{}", mixed % 3)}, {"type": "folder", "id": format!("v{}", id % 2)}],
        });
        if mixed % 4 > 0 {
            let result = ["success", "failure", "denied"][(mixed % 3) as usize];
            event["outcome"] = json!({"result": result});
        }
        event["metadata"] = match mixed % 5 {
            0 => json!({"m": ""}),
            1 => json!({"m": 1}),
            2 => json!({"m": ["x", true, "x"]}),
            3 => json!({"m": null}),
            _ => json!({}),
        };
        events.push(event);
    }
    for some in events.chunks(50) {
        site.post("acme", &Value::from(some).to_string()).await;
    }
    for (path, condition) in [
        ("outcome.result", ""),
        ("action", ""),
        ("action", "&outcome_result=success&until=2026-11-22T00:00:00Z"),
        ("targets.id", ""),
        ("metadata.m", "&by=metadata.m&limit=1"),
    ] {
        let head = format!("GET /v1/summary?interval=6h&split={path}{condition}");
        let answer = site.ask(&head, "acme", b"").await;
        assert_eq!(answer.status, 200, "{head}: {}", answer.text());
        let histogram = answer.json()["histogram"].clone();
        let wanted: Vec<&Value> = events
            .iter()
            .filter(|event| {
                !condition.contains("success")
                    || event["outcome"]["result"] == "success"
                        && event["occurred_at"].as_str().unwrap() < "2026-11-22"
            })
            .collect();
        let buckets = histogram["buckets"].as_array().unwrap();
        let mut most: Vec<(u64, String)> = Vec::new();
        for value in wanted.iter().flat_map(|event| values_at(event, path)) {
            match most.iter_mut().find(|(_, known)| *known == value) {
                Some((count, _)) => *count += 1,
                None => most.push((1, value)),
            }
        }
        most.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.cmp(other)));
        most.truncate(8);
        let rows: Vec<String> =
            histogram["series"].as_array().unwrap().iter().map(|row| row["value"].to_string()).collect();
        assert_eq!(rows, most.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>(), "{head}");
        for (index, bucket) in buckets.iter().enumerate() {
            let from = bucket["start"].as_str().unwrap();
            let to = buckets.get(index + 1).map_or("9", |next| next["start"].as_str().unwrap());
            // As the answer writes times.
            let at = |event: &Value| event["occurred_at"].as_str().unwrap().replace('Z', ".000000Z");
            let here: Vec<_> =
                wanted.iter().filter(|event| (from..to).contains(&at(event).as_str())).copied().collect();
            let mut expected = vec![0; rows.len() + 2];
            for event in &here {
                let has = values_at(event, path);
                let row = rows.iter().position(|value| has.contains(value));
                expected[row.unwrap_or(rows.len() + usize::from(has.is_empty()))] += 1;
            }
            let series =
                histogram["series"].as_array().unwrap().iter().map(|row| counts(&row["counts"])[index]);
            let others = [&histogram["other"], &histogram["missing"]].map(|row| counts(row)[index]);
            let found: Vec<u64> = series.chain(others).collect();
            assert_eq!(found, expected, "{head}: {from}");
            assert_eq!(found.iter().sum::<u64>(), bucket["count"].as_u64().unwrap(), "{head}: {from}");
        }
        if condition.contains("by=") {
            assert_eq!(answer.json()["counts"]["metadata.m"]["values"].as_array().unwrap().len(), 1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_a_filter_takes_for_one_are_one_row() {
    let site = Site::new().await;
    let numbers = ["1", "1.0", "1e0", "1", "2"].iter().enumerate();
    let events: Vec<String> = numbers
        .map(|(id, n)| format!(r#"{{"id":"{id}","action":"a","actor":{{"id":"u"}},"metadata":{{"n":{n}}}}}"#))
        .collect();
    site.post("acme", &format!("[{}]", events.join(","))).await;
    let answer = site.ask("GET /v1/summary?split=metadata.n&interval=1d", "acme", b"").await.text();
    let rows = r#""series":[{"value":1,"counts":[4]},{"value":2,"counts":[1]}],"other":[0],"missing":[0]"#;
    assert!(answer.contains(rows), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_split_is_told_why() {
    let mut site = filled().await;
    for (query, detail) in [
        ("split=action", "needs `interval`"),
        ("split=occurred_at&interval=1d", "names a time or a place"),
        ("split=position&interval=1d", "names a time or a place"),
        ("split=colour&interval=1d", "names no field"),
        ("split=action&split=id&interval=1d", "given twice"),
    ] {
        let refused = site.ask(&format!("GET /v1/summary?{query}"), "acme", b"").await.json();
        assert_eq!(
            (&refused["code"], &refused["parameter"]),
            (&"parameter_value".into(), &"split".into()),
            "{query}"
        );
        assert!(refused["detail"].as_str().unwrap().contains(detail), "{refused}");
    }
    site.make_key("new", r#"{"tenant": "new", "scopes": ["read"]}"#).await;
    let nothing = site.ask("GET /v1/summary?split=action&interval=1d", "new", b"").await.json();
    let rows =
        json!({"interval": "1d", "tz": "UTC", "buckets": [], "series": [], "other": [], "missing": []});
    assert_eq!(nothing["histogram"], rows);
}
