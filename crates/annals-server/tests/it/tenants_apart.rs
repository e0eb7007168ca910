//! No key learns of another tenant: every route of the document, asked with every kind of key about the own and the foreign
//! tenant. What each must answer follows from what the table says of the route, and a route that is not in the table fails.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::site::{Answer, PATIENCE, Site};

/// Both stand in everything that is `globex`'s. A key of another tenant may ask for the first; it never learns of the second.
const FOREIGN: &str = "globex-marker-c0ffee";
const SECRET: &str = "globex-secret-decaf";

const SCOPES: [&str; 5] = ["write", "read", "export", "verify", "admin"];

/// Whom a route is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum For {
    /// Anybody, without a key.
    All,
    /// A key with the scope, or with several where a `+` joins them. Its tenant, or with a platform key the one that `tenant=` names; without it all, or a refusal with
    /// this status.
    Tenant(&'static str, u16),
    /// A key with the scope `read` or this dialect, else as [`For::Tenant`]; that a platform key names none is a refusal.
    Vendor(&'static str),
    /// As [`For::Vendor`], where the path names the tenant.
    Account(&'static str),
    /// A key with the scope, which sees its own; no tenant can be named.
    Own(&'static str),
    /// A platform key with the scope.
    Platform(&'static str),
    /// Any key, which learns of itself.
    Each,
}

/// One request of the table.
struct Row {
    whose: For,
    /// What stands for the path's parameter.
    path: &'static str,
    query: &'static str,
    body: &'static str,
    /// What it answers when it is allowed.
    good: u16,
}

fn row(whose: For, good: u16) -> Row {
    Row { whose, path: "", query: "", body: "", good }
}

/// What each route is for. `{id}` is an event that both tenants have.
fn table() -> BTreeMap<&'static str, Row> {
    let read = For::Tenant("read", 200);
    let verify = For::Tenant("verify", 400);
    let new_event = r#"{"action":"a","actor":{"id":"u"}}"#;
    let at_event = |whose| Row { path: "shared", ..row(whose, 200) };
    let mut table = BTreeMap::from([
        ("POST /v1/events", Row { body: new_event, ..row(For::Tenant("write", 422), 200) }),
        ("GET /v1/events", row(read, 200)),
        ("GET /v1/events/{id}", at_event(For::Tenant("read", 400))),
        ("GET /v1/events/{id}/proof", at_event(verify)),
        ("GET /v1/events/{id}/opening", at_event(For::Tenant("read+verify", 400))),
        ("GET /v1/summary", Row { query: "by=actor.name&by=id&by=tenant&interval=1d", ..row(read, 200) }),
        ("GET /v1/export", row(For::Tenant("export", 200), 200)),
        ("GET /v1/feed", row(read, 200)),
        ("GET /v1/feed/live", Row { query: "from=0", ..row(read, 200) }),
        ("GET /v1/access", row(For::Tenant("read", 400), 200)),
        ("GET /v1/audit_logs", row(For::Vendor("nirvana"), 200)),
        ("GET /v1/audit_logs/{id}", at_event(For::Vendor("nirvana"))),
        ("GET /resources/v2.0/audit/logs", row(For::Vendor("bigpanda"), 200)),
        ("GET /audit-logs", row(For::Vendor("panda"), 200)),
        ("POST /audit-logs", Row { body: r#"{"category":"a"}"#, ..row(For::Vendor("panda"), 200) }),
        ("GET /v2/accounts/{account_id}/audit_logs", row(For::Account("frameio"), 200)),
        ("GET /v2/accounts/{account_id}/events", row(For::Account("frameio"), 200)),
        ("GET /v2/me", row(For::Vendor("frameio"), 200)),
        ("GET /v4/accounts/{account_id}/audit_logs", row(For::Account("frameio"), 200)),
        ("GET /api/v1/audit-log", row(For::Vendor("plandocket"), 200)),
        ("GET /api/v1/audit-log/{id}", Row { path: "1", ..row(For::Vendor("plandocket"), 200) }),
        ("GET /v1/bundle", row(For::Tenant("export", 400), 200)),
        ("GET /v1/bundle/head", row(For::Tenant("export", 400), 200)),
        ("GET /v1/bundle/log", Row { query: "size=1", ..row(For::Tenant("export", 400), 200) }),
        ("GET /v1/checkpoint", row(verify, 200)),
        ("GET /v1/proofs/inclusion", Row { query: "position=0", ..row(verify, 200) }),
        ("GET /v1/proofs/consistency", Row { query: "from=1", ..row(verify, 200) }),
        ("GET /v1/log", row(verify, 200)),
        ("GET /v1/registry/proof", row(verify, 404)),
        ("GET /v1/log/checkpoint", row(verify, 200)),
        ("GET /v1/log/tile/{path}", Row { path: "entries/000.p/1", ..row(verify, 200) }),
        ("GET /v1/redaction", row(For::Tenant("admin", 400), 200)),
        ("PUT /v1/redaction", Row { body: r#"{"rules":[]}"#, ..row(For::Tenant("admin", 400), 200) }),
        ("GET /v1/retention", row(For::Tenant("admin", 400), 200)),
        ("PUT /v1/retention", Row { body: r#"{"rules":[]}"#, ..row(For::Tenant("admin", 400), 200) }),
        ("GET /v1/retention/preview", Row { query: "at=2030-01-01", ..row(For::Tenant("admin", 400), 200) }),
        ("GET /v1/erasures", row(For::Tenant("admin", 200), 200)),
        (
            "POST /v1/erasures",
            Row { body: r#"{"values":["nobody"],"dry_run":true}"#, ..row(For::Tenant("admin", 400), 200) },
        ),
        ("GET /v1/erasures/{case}", Row { path: "none", ..row(For::Tenant("admin", 404), 404) }),
        ("POST /v1/erasures/{case}/approve", Row { path: "none", ..row(For::Tenant("admin", 404), 404) }),
        ("POST /v1/erasures/{case}/withdraw", Row { path: "none", ..row(For::Tenant("admin", 404), 404) }),
        ("GET /v1/holds", row(For::Tenant("admin", 400), 200)),
        // Far fewer keys may than there may be holds.
        (
            "POST /v1/holds",
            Row {
                body: r#"{"tenant":"acme","everything":true,"reason":"r","owner":"o"}"#,
                ..row(For::Own("admin"), 201)
            },
        ),
        ("DELETE /v1/holds/{id}", Row { path: "hold_none", ..row(For::Tenant("admin", 400), 404) }),
        ("POST /v1/tenants/{id}/end", Row { path: "nobody", ..row(For::Platform("admin"), 404) }),
        ("GET /v1/tenants", row(For::Own("read"), 200)),
        ("POST /v1/tenants", Row { body: r#"{"id":"acme"}"#, ..row(For::Platform("admin"), 200) }),
        ("GET /v1/keys", row(For::Tenant("admin", 200), 200)),
        // A key that may make none with these scopes is refused too, whichever scope it lacks.
        (
            "POST /v1/keys",
            Row { body: r#"{"tenant":"acme","scopes":["admin"]}"#, ..row(For::Own("admin"), 201) },
        ),
        ("POST /v1/viewer-tokens", Row { body: r#"{"tenant":"acme"}"#, ..row(For::Own("read"), 201) }),
        ("GET /v1/views", row(read, 200)),
        ("PUT /v1/views/{name}", Row { path: "mine", body: r#"{"query":"action=a"}"#, ..row(read, 200) }),
        (
            "DELETE /v1/views/{name}",
            Row { path: "none", query: "owner=key_none", ..row(For::Tenant("read+admin", 404), 404) },
        ),
        ("POST /v1/keys/{id}/rotate", Row { path: "key_none", body: "{}", ..row(For::Own("admin"), 404) }),
        ("DELETE /v1/keys/{id}", Row { path: "key_none", ..row(For::Own("admin"), 404) }),
        ("POST /v1/clock/confirm", row(For::Platform("admin"), 200)),
        ("GET /v1/status", row(For::Platform("read"), 200)),
        ("POST /v1/session", Row { body: r#"{"key":"annals_x"}"#, ..row(For::All, 401) }),
        ("GET /v1/session", row(For::Each, 200)),
        ("DELETE /v1/session", row(For::All, 204)),
        ("POST /v1/session/links", row(For::Each, 201)),
        ("GET /v1/session/oidc", row(For::All, 404)),
        ("GET /v1/session/oidc/callback", row(For::All, 404)),
        ("GET /viewer/{path}", Row { path: "actor", ..row(For::All, 200) }),
        ("GET /viewer/assets/{file}", Row { path: "viewer.js", ..row(For::All, 200) }),
    ]);
    for open in [
        "/healthz",
        "/readyz",
        "/version",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/page.js",
        "/docs/page.css",
        "/verify",
        "/v1/session/ways",
        "/viewer",
        "/viewer/",
    ] {
        let name: &'static str = format!("GET {open}").leak();
        table.insert(name, row(For::All, 200));
    }
    table.insert("GET /", row(For::All, 303));
    table
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Nobody,
    Tenant,
    Platform,
}

/// A key under its name at the site.
#[derive(Debug)]
struct Key {
    name: String,
    whose: Whose,
    scopes: Vec<&'static str>,
    dialect: Option<&'static str>,
}

impl For {
    /// What a key must be answered that names this tenant.
    fn expected(self, good: u16, key: &Key, named: Option<&str>) -> u16 {
        let (scope, unnamed) = match self {
            Self::All => return good,
            Self::Tenant(scope, unnamed) => (scope, unnamed),
            Self::Vendor(_) | Self::Account(_) => ("read", 403),
            Self::Own(scope) | Self::Platform(scope) => (scope, good),
            Self::Each => return if key.whose == Whose::Nobody { 401 } else { good },
        };
        let by_dialect =
            matches!(self, Self::Vendor(vendor) | Self::Account(vendor) if key.dialect == Some(vendor));
        match key.whose {
            Whose::Nobody => 401,
            // Without a tenant there is nothing to put a refusal on.
            Whose::Platform if named.is_none() && unnamed == 400 => 400,
            _ if !scope.split('+').all(|scope| key.scopes.contains(&scope)) && !by_dialect => 403,
            Whose::Tenant if matches!(self, Self::Platform(_)) || named == Some("globex") => 403,
            Whose::Platform if named.is_none() && unnamed >= 400 => unnamed,
            _ => good,
        }
    }
}

/// Events of both tenants under the same ids, and reads of both on record.
async fn filled() -> (Site, Vec<Key>) {
    let mut site = Site::new().await;
    site.make_key("globex", &format!(r#"{{"tenant":"globex","scopes":["read","write"],"name":"{SECRET}"}}"#))
        .await;
    let event = |id: &str, text: &str| {
        format!(
            r#"{{"id":"{id}","action":"a.{text}","actor":{{"id":"{text}","name":"{text}"}},"metadata":{{"{text}":"{text}"}}}}"#
        )
    };
    site.post("globex", &event("shared", SECRET)).await;
    site.post("globex", &event(FOREIGN, SECRET)).await;
    site.post("acme", &event("shared", "own")).await;
    for (key, asked) in [("acme", "own"), ("globex", SECRET)] {
        assert_eq!(site.ask(&format!("GET /v1/events?q={asked}&id={asked}"), key, b"").await.status, 200);
        site.until("GET /v1/access?limit=1", key, |answer| answer.json()["size"] != 0).await;
    }
    let nobody =
        |name: &str| Key { name: name.to_owned(), whose: Whose::Nobody, scopes: Vec::new(), dialect: None };
    let mut keys = vec![nobody("")];
    for (whose, tenant) in [(Whose::Tenant, r#""tenant":"acme","#), (Whose::Platform, "")] {
        let without = |lacks| SCOPES.into_iter().filter(|scope| Some(*scope) != lacks).collect::<Vec<_>>();
        let mut kinds: Vec<_> = SCOPES.iter().map(|lacks| (without(Some(*lacks)), None)).collect();
        kinds.extend([
            (without(None), None),
            (Vec::new(), Some("nirvana")),
            (Vec::new(), Some("frameio")),
            (Vec::new(), Some("bigpanda")),
            (Vec::new(), Some("panda")),
            (Vec::new(), Some("plandocket")),
        ]);
        for (scopes, dialect) in kinds {
            let name = format!("{whose:?} {scopes:?} {dialect:?}");
            let dialects: Vec<_> = dialect.into_iter().collect();
            site.make_key(&name, &format!(r#"{{{tenant}"scopes":{scopes:?},"dialects":{dialects:?}}}"#))
                .await;
            keys.push(Key { name, whose, scopes, dialect });
        }
    }
    let ended = site.make_key("ended", r#"{"scopes":["write","read","export","verify","admin"]}"#).await;
    let id = ended["id"].as_str().unwrap();
    assert_eq!(site.ask(&format!("DELETE /v1/keys/{id}"), "operator", b"").await.status, 204);
    keys.push(nobody("ended"));
    (site, keys)
}

/// Asks; of a stream that goes on, what comes first.
async fn ask(site: &Site, head: &str, key: &str, body: &[u8]) -> Answer {
    use http_body_util::BodyExt;
    if !head.contains("/feed/live") {
        return site.ask(head, key, body).await;
    }
    let (parts, mut body) = site.open(head, key, body).await.into_parts();
    let mut text = Vec::new();
    // The greeting, then all records there are; a refusal is one piece.
    let pieces = if parts.status == 200 { 2 } else { 1 };
    for _ in 0..pieces {
        let frame = tokio::time::timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        text.extend_from_slice(frame.data_ref().unwrap());
    }
    Answer { status: parts.status, headers: parts.headers, body: text.into() }
}

fn holds(answer: &Answer, text: &str) -> bool {
    let within = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    within(&answer.body) || answer.headers.values().any(|value| within(value.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_route_tells_a_key_of_another_tenant() {
    let (site, keys) = filled().await;
    let document = site.ask("GET /openapi.json", "", b"").await.json();
    let mut table = table();
    let (mut asked, mut shown) = (0, 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            let row = table.remove(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table"));
            let takes_tenant = operation["parameters"]
                .as_array()
                .is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "tenant"));
            assert_eq!(
                takes_tenant,
                matches!(row.whose, For::Tenant(..) | For::Vendor(_)),
                "{name} and `tenant=`"
            );
            let named: &[Option<&str>] = match row.whose {
                For::Account(_) => &[Some("acme"), Some("globex")],
                _ if takes_tenant => &[None, Some("acme"), Some("globex")],
                _ => &[None],
            };
            // Lines are written by other code, with headers for what stands around them.
            let forms: &[&str] =
                if method == "get" { &["", "\naccept: application/x-ndjson"] } else { &[""] };
            for key in &keys {
                for (tenant, form) in
                    named.iter().flat_map(|tenant| forms.iter().map(move |form| (tenant, form)))
                {
                    let filled = path
                        .replace("{id}", row.path)
                        .replace("{path}", row.path)
                        .replace("{name}", row.path);
                    let filled = filled.replace("{file}", row.path);
                    let filled = filled.replace("{account_id}", tenant.unwrap_or_default());
                    let tenant_is = tenant
                        .filter(|_| takes_tenant)
                        .map(|tenant| format!("tenant={tenant}"))
                        .unwrap_or_default();
                    let head = format!("{} {filled}?{}&{tenant_is}{form}", method.to_uppercase(), row.query);
                    let answer = ask(&site, &head, &key.name, row.body.as_bytes()).await;
                    let about = format!("{head} with {key:?}: {}", String::from_utf8_lossy(&answer.body));
                    assert_eq!(answer.status.as_u16(), row.whose.expected(row.good, key, *tenant), "{about}");
                    if key.whose != Whose::Platform {
                        assert!(!holds(&answer, SECRET) && !holds(&answer, FOREIGN), "{about}");
                    }
                    asked += 1;
                    shown += usize::from(holds(&answer, SECRET));
                }
            }
        }
    }
    assert!(table.is_empty(), "routes that are gone: {:?}", table.keys());
    assert!(asked > 500, "{asked}");
    assert!(shown > 30, "the marker stands where it may be read: {shown}");
}

/// What a tenant's key can put into a question about another tenant.
#[tokio::test(flavor = "multi_thread")]
async fn no_question_leads_into_another_tenant() {
    let (site, _) = filled().await;
    let filter = |text: &str| {
        format!("filter={}", form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>())
    };
    let foreign =
        site.ask("GET /v1/events?limit=1", "globex", b"").await.json()["next"].as_str().unwrap().to_owned();
    let everything =
        site.ask("GET /v1/events?limit=1", "operator", b"").await.json()["next"].as_str().unwrap().to_owned();
    let questions = [
        format!("q={FOREIGN}"),
        format!("id={FOREIGN}"),
        filter(r#"tenant eq "globex""#),
        filter(r#"tenant ne "acme""#),
        filter(r#"not (tenant eq "acme")"#),
        filter(r#"tenant pr or id pr"#),
        filter(&format!("metadata.\"{FOREIGN}\" pr")),
        format!("cursor={foreign}"),
        format!("cursor={everything}"),
        format!("cursor={foreign}&tenant=acme"),
        format!("cursor={foreign}&tenant=globex"),
        "tenant=_annals".to_owned(),
        "log=access".to_owned(),
        // As a vendor asks.
        format!("actor_id={FOREIGN}"),
        "created_at_min=2000-01-01T00:00:00Z&limit=100".to_owned(),
        "actor_type=user&tenant=globex".to_owned(),
        format!("filter[actor_id]={FOREIGN}"),
        format!("filters[user_id]={FOREIGN}&include=user"),
        format!("admin_id={FOREIGN}"),
        format!("user_id={FOREIGN}&as_of=1"),
        "search=globex".to_owned(),
        format!("after={foreign}"),
    ];
    let accounts =
        ["/v2/accounts/acme/audit_logs", "/v2/accounts/acme/events", "/v4/accounts/acme/audit_logs"];
    let routes = [
        "/v1/events",
        "/v1/summary",
        "/v1/feed",
        "/v1/access",
        "/v1/audit_logs",
        "/api/v1/audit-log",
        "/audit-logs",
        "/resources/v2.0/audit/logs",
    ];
    for route in routes.into_iter().chain(accounts) {
        for question in &questions {
            let more = if route == "/v1/summary" { "&by=tenant&by=id&by=actor.name" } else { "" };
            let head = format!("GET {route}?{question}{more}");
            let answer = site.ask(&head, "acme", b"").await;
            let text = answer.text();
            assert!(!holds(&answer, SECRET), "{route}?{question}: {text}");
            let lines = site.ask(&format!("{head}\naccept: application/x-ndjson"), "acme", b"").await;
            assert!(!holds(&lines, SECRET), "{route}?{question} in lines: {}", lines.text());
            // The own access log has what was asked.
            if answer.status == 200
                && question.contains(FOREIGN)
                && !["/v1/access", "/v1/audit_logs", "/audit-logs"].contains(&route)
            {
                let found: Value = answer.json();
                let none =
                    ["events", "records"].iter().all(|name| found[name].as_array().is_none_or(Vec::is_empty));
                assert!(
                    none && (found["total"].is_null() || found["total"] == 0),
                    "{route}?{question}: {text}"
                );
            }
        }
    }
    for route in ["/v1/events/", "/v1/audit_logs/"] {
        let answer = site.ask(&format!("GET {route}{FOREIGN}"), "acme", b"").await;
        assert!(answer.status == 404 && !holds(&answer, SECRET), "{route}: {}", answer.text());
    }
    // A stream shows that it has looked by the own event that it finds last.
    for text in [
        "tenant eq \"globex\"".to_owned(),
        "tenant ne \"acme\"".to_owned(),
        format!("id eq \"{FOREIGN}\""),
        format!("metadata.\"{SECRET}\" pr"),
    ] {
        let question = filter(&format!("{text} or id eq \"shared\""));
        let answer = ask(&site, &format!("GET /v1/feed/live?from=0&{question}"), "acme", b"").await;
        assert!(holds(&answer, "shared") && !holds(&answer, SECRET), "{question}: {}", answer.text());
    }
}
