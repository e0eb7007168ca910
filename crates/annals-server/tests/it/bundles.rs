//! Evidence bundles, checked as an outsider would: by the format alone.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use annals_bundle::{Checked, Earlier, Lifecycle, Manifest, Summary, Verdict, Walk, check_line};
use annals_tree::checkpoint::Checkpoint;
use annals_tree::note::VerifierKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use crate::site::{Site, log};

/// Events of which every seventh is Ada's.
fn events(from: usize, count: usize) -> String {
    let items: Vec<Value> = (from..from + count)
        .map(|number| {
            let mut event = json!({
                "id": format!("e{number}"), "action": (["video.update", "user.login"][number % 2]),
                "actor": {"type": "user", "id": format!("u{}", number % 7), "email": format!("mail{number}@example.com")},
                "metadata": {"number": number}, "occurred_at": format!("2026-11-20T10:{:02}:00Z", number % 60),
            });
            if number % 5 == 0 {
                event["actor"]["name"] = json!("Ada");
            }
            event
        })
        .collect();
    Value::from(items).to_string()
}

async fn site() -> Site {
    let site = Site::sealing_each(150).await;
    for batch in 0..5 {
        site.post("acme", &events(batch * 100, 100)).await;
    }
    site
}

struct Unzipped {
    files: BTreeMap<String, Vec<u8>>,
    order: Vec<String>,
}

impl Unzipped {
    fn new(bytes: &[u8]) -> Self {
        let archive = ZipArchive::new(Cursor::new(bytes));
        let mut archive = archive.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(bytes)));
        let (mut files, mut order) = (BTreeMap::new(), Vec::new());
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).unwrap();
            let mut content = Vec::new();
            file.read_to_end(&mut content).unwrap();
            let name = file.name().unwrap().into_owned();
            order.push(name.clone());
            files.insert(name, content);
        }
        Self { files, order }
    }

    fn manifest(&self) -> Manifest {
        serde_json::from_slice(&self.files["manifest.json"]).unwrap()
    }

    fn text(&self, name: &str) -> &str {
        str::from_utf8(&self.files[name]).unwrap()
    }

    /// Folds the log and holds it against the checkpoint, whose signature holds.
    fn walk(&self) -> Summary {
        let manifest = self.manifest();
        let trust: Value = serde_json::from_slice(&self.files["trust.json"]).unwrap();
        let key: VerifierKey = trust["keys"][0]["key"].as_str().unwrap().parse().unwrap();
        let checkpoint = Checkpoint::open(self.text("checkpoint"), &key, &manifest.origin).unwrap();
        let mut walk = Walk::new(&manifest, Lifecycle::default());
        for line in self.text("log.ndjson").lines() {
            walk.push(check_line(line.as_bytes(), &mut |_, _| {}).unwrap()).unwrap();
        }
        walk.finish(&manifest, &checkpoint)
    }
}

/// Where the next line begins.
fn next(line: &str) -> u64 {
    match check_line(line.as_bytes(), &mut |_, _| {}).unwrap() {
        Checked::Record(record) => record.position + 1,
        Checked::Gap { to, .. } => to,
    }
}

const QUESTIONS: [&str; 9] = [
    "",
    "mode=gap-free",
    "mode=covered&actor_name=Ada",
    "mode=selection&actor_id=u3",
    "mode=gap-free&actor_id=u3&from=17&to=420",
    "mode=covered&actor_id=u3&action=user.login&from=100&to=333",
    "mode=selection&action=user.login&withhold=/actor/email&from=3",
    "mode=covered&filter=metadata.number%20gt%20490&withhold=/actor/email",
    "mode=selection&received_since=2026-11-21T10:00:00.0005Z&actor_id=u3",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_holds_and_its_lines_are_the_same_from_wherever_they_are_asked_for() {
    let site = site().await;
    for question in QUESTIONS {
        let answer = site.ask(&format!("GET /v1/bundle?{question}"), "acme", b"").await;
        assert_eq!(answer.header("content-type"), "application/zip", "{question}: {}", answer.status);
        assert_eq!(answer.header("content-disposition"), "attachment; filename=\"acme-events-500.zip\"");
        let bundle = Unzipped::new(&answer.body);
        assert_eq!(bundle.order.last().unwrap(), "manifest.json");
        let manifest = bundle.manifest();
        assert_eq!((manifest.size, manifest.files.len() + 1), (500, bundle.files.len()));
        for file in &manifest.files {
            let content = &bundle.files[&file.name];
            assert_eq!(file.bytes, content.len() as u64);
            assert_eq!(file.sha256.0[..], Sha256::digest(content)[..], "{}", file.name);
        }
        let summary = bundle.walk();
        assert_eq!(summary.findings, [], "{question}");

        let log = bundle.text("log.ndjson");
        let head = site.ask(&format!("GET /v1/bundle/head?{question}"), "acme", b"").await.json();
        assert_eq!((&head["size"], &head["checkpoint"]), (&500.into(), &bundle.text("checkpoint").into()));
        let (mut at, mut start) = (0, 0);
        for (number, line) in log.split_inclusive('\n').enumerate() {
            if number % 61 == 0 {
                let page = site
                    .ask(&format!("GET /v1/bundle/log?size=500&start={start}&{question}"), "acme", b"")
                    .await;
                assert_eq!(page.header("annals-size"), "500", "{}", page.text());
                assert_eq!(page.header("annals-next"), "", "it ends with this page");
                assert_eq!(page.text(), log[at..], "{question} from {start}");
            }
            at += line.len();
            start = next(line.trim_end());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_shows_what_it_says() {
    let site = site().await;
    let counts = async |question: &str| {
        let bundle = Unzipped::new(&site.ask(&format!("GET /v1/bundle?{question}"), "acme", b"").await.body);
        let summary = bundle.walk();
        let verdict = |verdict| summary.verdicts.get(&verdict).copied().unwrap_or(0);
        let hits = bundle.text("log.ndjson").matches("\"secret\"").count();
        (
            summary.counts.records,
            summary.counts.disclosed,
            verdict(Verdict::Intact),
            verdict(Verdict::Withheld),
            hits,
        )
    };
    // Of 500, 71 are by `u3`: 3, 10, …, 493.
    assert_eq!(counts("actor_id=u3").await, (71, 71, 71, 0, 71));
    assert_eq!(counts("actor_id=u3&mode=gap-free").await, (500, 71, 71, 429, 71));
    assert_eq!(counts("actor_id=u3&mode=covered").await, (500, 500, 71, 429, 71));
    assert_eq!(counts("actor_id=u3&mode=covered&from=490").await, (10, 10, 1, 9, 1));
    assert_eq!(
        counts("filter=position%20eq%207&mode=covered").await,
        (500, 1, 1, 499, 1),
        "the entry shows the position"
    );
    assert_eq!(counts("").await, (500, 500, 500, 0, 500));
    assert_eq!(counts("withhold=/metadata/*").await, (500, 500, 0, 500, 0));
    assert_eq!(counts("actor_id=nobody").await, (0, 0, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_withheld_is_nowhere_in_the_bundle() {
    let site = site().await;
    for question in [
        "withhold=/actor/email&withhold=/metadata/*",
        "withhold=/actor/email&withhold=/metadata/*&actor_id=u3&mode=gap-free",
    ] {
        let bundle = Unzipped::new(&site.ask(&format!("GET /v1/bundle?{question}"), "acme", b"").await.body);
        for (name, content) in &bundle.files {
            let text = str::from_utf8(content).unwrap();
            assert!(!text.contains("@example.com"), "{name}");
            assert!(!text.contains("/metadata/number"), "{name}");
        }
        assert!(!bundle.text("log.ndjson").contains("\"secret\""), "who has it can guess");
        assert_eq!(bundle.manifest().withheld, ["/actor/email", "/metadata/*"]);
    }
    let covered = site.ask("GET /v1/bundle?mode=covered&actor_id=u3", "acme", b"").await;
    let log = Unzipped::new(&covered.body);
    let log = log.text("log.ndjson");
    assert!(log.contains("mail3@example.com") && !log.contains("mail4@example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_checkpoint_is_extended_or_refused() {
    let site = Site::new().await;
    site.post("acme", &events(0, 70)).await;
    let note = site.ask("GET /v1/checkpoint", "acme", b"").await.text();
    let first = Checkpoint::parse(annals_tree::note::Note::parse(&note).unwrap().text()).unwrap();
    site.post("acme", &events(70, 60)).await;
    let quoted: String = form_urlencoded(&note);
    for earlier in ["70", &quoted] {
        let head = site.ask(&format!("GET /v1/bundle/head?earlier={earlier}"), "acme", b"").await.json();
        let earlier: Earlier = serde_json::from_value(head["earlier"].clone()).unwrap();
        assert_eq!((earlier.size, earlier.root.0), (70, first.root.0));
        let later = annals_tree::note::Note::parse(head["checkpoint"].as_str().unwrap()).unwrap();
        earlier.verify(&Checkpoint::parse(later.text()).unwrap()).unwrap();
    }
    let other = note.replace("\n70\n", "\n69\n");
    for (earlier, code, said) in [
        ("131", "out_of_range", "`earlier` has 131 records, and the log 130"),
        (&form_urlencoded(&other), "parameter_value", "another history"),
        (&form_urlencoded(&note.replacen("/t/", "/t/0", 1)), "parameter_value", "not of this log"),
        ("yesterday", "parameter_value", "must be a size or a checkpoint"),
    ] {
        let answer = site.ask(&format!("GET /v1/bundle/head?earlier={earlier}"), "acme", b"").await;
        assert_eq!(answer.code(), code, "{earlier}");
        assert!(answer.text().contains(said), "{}", answer.text());
    }
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_shown_is_refused_at_once() {
    let mut site = site().await;
    site.make_key("reader", r#"{"tenant": "acme", "scopes": ["read", "verify"]}"#).await;
    for (query, code, said) in [
        ("mode=all", "parameter_value", "`mode` must be"),
        ("from=500", "out_of_range", "positions from 500 to before 500 are none"),
        ("from=30&to=30", "out_of_range", "are none"),
        ("to=501", "out_of_range", "`to` is 501, and the log has 500 records"),
        ("withhold=actor", "parameter_value", "`actor` is no unit"),
        ("withhold=", "parameter_value", "is no unit"),
        ("mode=covered&actor_email=x&withhold=/actor/*", "parameter_value", "looks at units of `/actor/*`"),
        ("mode=covered&q=mail&withhold=/actor/email", "parameter_value", "looks at units of `/actor/email`"),
        (
            "mode=covered&actor_name=Ada&withhold=/metadata/*&withhold=/actor/id&withhold=/actor/type",
            "parameter_value",
            "cannot be shown without its unit",
        ),
        ("nonsense=1", "parameter_unknown", "nonsense"),
    ] {
        let answer = site.ask(&format!("GET /v1/bundle?{query}"), "acme", b"").await;
        assert_eq!(answer.code(), code, "{query}: {}", answer.text());
        assert!(answer.text().contains(said), "{query}: {}", answer.text());
    }
    for path in ["bundle", "bundle/head", "bundle/log?size=5"] {
        assert_eq!(site.ask(&format!("GET /v1/{path}"), "reader", b"").await.code(), "scope", "{path}");
    }
    for (query, code) in
        [("", "parameter_value"), ("size=501", "out_of_range"), ("size=5&start=6", "out_of_range")]
    {
        assert_eq!(
            site.ask(&format!("GET /v1/bundle/log?{query}"), "acme", b"").await.code(),
            code,
            "{query}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bundles_stand_on_record() {
    let site = site().await;
    site.ask("GET /v1/bundle?mode=covered&actor_id=u3&withhold=/actor/email&from=2", "acme", b"").await;
    let log = site
        .until("GET /v1/access?action=annals.access.export", "acme", |answer| {
            answer.text().contains("covered")
        })
        .await
        .json();
    assert_eq!(
        log["records"][0]["metadata"]["filter"],
        json!({"actor_id": "u3", "bundle": "covered", "from": 2, "withhold": ["/actor/email"]})
    );
    let access = Unzipped::new(&site.ask("GET /v1/bundle?log=access", "acme", b"").await.body);
    assert_eq!((access.manifest().log.as_str(), access.walk().findings), ("access", Vec::new()));
    assert!(access.manifest().origin.contains("/a/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_of_the_ledgers_own_go_along_whatever_is_asked_for() {
    let site = Site::sealing_each(150).await;
    site.post("acme", &events(0, 100)).await;
    let stated = json!({"action": "annals.policy.change", "actor": {"type": "system", "id": "annals"}, "metadata": {"class": 3}});
    let positions =
        site.ledger.state_in(&log("acme"), annals_tree::EntryKind::Policy, &[stated]).await.unwrap();
    assert_eq!(positions[0].0, 100);
    site.post("acme", &events(100, 400)).await;
    for question in QUESTIONS.into_iter().chain(["from=200&to=300", "mode=covered&actor_id=u3&to=50"]) {
        let bundle = Unzipped::new(&site.ask(&format!("GET /v1/bundle?{question}"), "acme", b"").await.body);
        let own = bundle.text("lifecycle.ndjson");
        assert_eq!(own.lines().count(), 1, "{question}: {own}");
        assert!(bundle.text("log.ndjson").contains(own), "{question}");
        let summary = bundle.walk();
        assert_eq!((summary.own, summary.findings), (1, Vec::new()), "{question}");
    }
}
