//! Signing in with a browser, and what a session may do.

use std::time::Duration;

use annals_server::{Listening, SIGN_IN_LINK_MAX, Settings};
use serde_json::json;

use crate::site::{Answer, Site, event, settings};

/// What a browser adds when a page of the server asks.
const HERE: &str = "\nsec-fetch-site: same-origin";

/// The cookie that an answer gives, as it is sent back.
fn cookie(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    format!("\ncookie: a=b; {}", answer.header("set-cookie").split(';').next().unwrap())
}

async fn sign_in(site: &Site, key: &str) -> String {
    let body = json!({"key": site.key(key)}).to_string();
    cookie(&site.ask("POST /v1/session", "", body.as_bytes()).await)
}

async fn follow(site: &Site, url: &str) -> Answer {
    let body = json!({"ticket": url.split_once("ticket=").unwrap().1}).to_string();
    site.ask("POST /v1/session", "", body.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_becomes_a_session_that_reads_as_the_key_does() {
    let site = Site::new().await;
    site.post("acme", &event("e1")).await;
    let body = json!({"key": site.key("acme")}).to_string();
    let answer = site.ask("POST /v1/session", "", body.as_bytes()).await;
    let given = answer.header("set-cookie");
    let (ticket, attributes) = given.split_once("; ").unwrap();
    assert!(ticket.starts_with("annals_session=") && !given.contains("annals_session=annals_"), "{given}");
    assert_eq!(attributes, "Path=/; Max-Age=43200; HttpOnly; SameSite=Lax");
    assert_eq!(answer.header("cache-control"), "no-store");
    let about = answer.json();
    let id = about["key_id"].as_str().unwrap().to_owned();
    let expected = json!({"key_id": id, "name": "Ana", "tenant": "acme", "scopes": ["write", "read", "export", "verify", "admin"],
        "expires_at": "2026-11-21T22:00:00.000000Z", "sign_in": "key"});
    assert_eq!(about, expected);
    let cookie = cookie(&answer);
    assert_eq!(site.ask(&format!("GET /v1/session{cookie}"), "", b"").await.json(), expected);
    let found = site.ask(&format!("GET /v1/events{cookie}"), "", b"").await.json();
    assert_eq!(found["events"][0]["id"], "e1");
    // On record are the sign-in, once, and the read as one of the key.
    let access =
        site.until("GET /v1/access", "acme", |answer| answer.text().contains("annals.access.read")).await;
    let records: Vec<_> = access.json()["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            assert_eq!(record["actor"], json!({"id": id, "name": "Ana", "type": "api_key"}), "{record}");
            format!("{} {}", record["action"].as_str().unwrap(), record["request"]["path"].as_str().unwrap())
        })
        .collect();
    assert!(records.contains(&"annals.access.sign_in /v1/session".to_owned()), "{records:?}");
    assert!(records.contains(&"annals.access.read /v1/events".to_owned()), "{records:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_show_what_signs_in_is_told_why() {
    let site = Site::new().await;
    let operator = json!({"key": site.key("operator"), "ticket": "x"}).to_string();
    for (body, status, code, pointer) in [
        ("{}", 400, "body_value", json!("/key")),
        (operator.as_str(), 400, "body_value", json!("/ticket")),
        (r#"{"key": "annals_none"}"#, 401, "unauthenticated", json!("/key")),
        (r#"{"ticket": "none"}"#, 401, "unauthenticated", json!("/ticket")),
        (r#"{"password": "x"}"#, 400, "body_value", json!(null)),
        ("key=x", 400, "json", json!(null)),
    ] {
        let answer = site.ask("POST /v1/session", "", body.as_bytes()).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{body}");
        assert_eq!((&answer.json()["pointer"], answer.header("set-cookie")), (&pointer, ""), "{body}");
    }
    let nobody = site.ask("GET /v1/session", "", b"").await;
    assert_eq!((nobody.status.as_u16(), nobody.code().as_str()), (401, "unauthenticated"));
    assert_eq!(site.ask("GET /v1/session/ways", "", b"").await.json()["key"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_key_its_time_or_when_it_is_signed_out_of() {
    let mut site =
        Site::with(Settings { session_max: Duration::from_secs(3600), ..settings() }, Listening::default())
            .await;
    let made = site.make_key("reader", r#"{"tenant":"acme","scopes":["read"]}"#).await;
    let status = async |site: &Site, cookie: &str| {
        site.ask(&format!("GET /v1/session{cookie}"), "", b"").await.status.as_u16()
    };
    let (by_key, by_time, out) =
        (sign_in(&site, "reader").await, sign_in(&site, "acme").await, sign_in(&site, "acme").await);
    for cookie in [&by_key, &by_time, &out] {
        assert_eq!(status(&site, cookie).await, 200);
    }
    let id = made["id"].as_str().unwrap();
    assert_eq!(site.ask(&format!("DELETE /v1/keys/{id}"), "operator", b"").await.status, 204);
    assert_eq!(status(&site, &by_key).await, 401);
    let answer = site.ask(&format!("DELETE /v1/session{out}{HERE}"), "", b"").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("set-cookie")),
        (204, "annals_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
    );
    assert_eq!((status(&site, &out).await, status(&site, &by_time).await), (401, 200));
    // It is the ledger that knows sessions, not the process.
    let site = site.restart().await;
    assert_eq!(status(&site, &by_time).await, 200);
    site.clock.pass(Duration::from_secs(3599));
    assert_eq!(status(&site, &by_time).await, 200);
    site.clock.pass(Duration::from_secs(1));
    assert_eq!(status(&site, &by_time).await, 401);
    assert_eq!(site.ask("DELETE /v1/session", "", b"").await.status, 204, "nobody is signed in anyway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_feed_ends_with_its_session() {
    use http_body_util::BodyExt;
    let site = Site::new().await;
    let cookie = sign_in(&site, "acme").await;
    let mut body = site.open(&format!("GET /v1/feed/live{cookie}"), "", b"").await.into_body();
    assert!(body.frame().await.unwrap().is_ok(), "the greeting");
    assert_eq!(site.ask(&format!("DELETE /v1/session{cookie}{HERE}"), "", b"").await.status, 204);
    site.post("acme", &event("e1")).await;
    let rest = tokio::time::timeout(crate::site::PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&rest).contains("e1"), "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_session_of_this_ledger_opens_nothing() {
    let (site, other) = (Site::new().await, Site::new().await);
    let (cookie, foreign) = (sign_in(&site, "acme").await, sign_in(&other, "acme").await);
    let ticket = cookie.split_once("annals_session=").unwrap().1;
    let cut = &cookie[..cookie.len() - 1];
    for wrong in [
        &foreign,
        cut,
        "\ncookie: annals_session=",
        &format!("\ncookie: session={ticket}"),
        &format!("\nx-session: {ticket}"),
    ] {
        let answer = site.ask(&format!("GET /v1/events{wrong}"), "", b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (401, "unauthenticated"), "{wrong}");
    }
    // A session's ticket is no link either.
    assert_eq!(follow(&site, &format!("?ticket={ticket}")).await.status, 401);
    // And a key goes before the cookie.
    let answer = site.ask(&format!("GET /v1/session{cookie}"), "operator", b"").await.json();
    assert_eq!((&answer["tenant"], &answer["expires_at"]), (&json!(null), &json!(null)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_changes_something_only_for_pages_of_this_server() {
    let site = Site::new().await;
    let cookie = sign_in(&site, "acme").await;
    let own = "\norigin: http://annals.example.com";
    for (from, status) in [
        ("", 403),
        ("\norigin: http://evil.example", 403),
        ("\norigin: https://annals.example.com", 403),
        ("\norigin: null", 403),
        ("\nsec-fetch-site: cross-site", 403),
        ("\nsec-fetch-site: same-site", 403),
        ("\nsec-fetch-site: none", 403),
        // The browser knows better than what stands beside.
        ("\nsec-fetch-site: cross-site\norigin: http://annals.example.com", 403),
        (own, 200),
        (HERE, 200),
    ] {
        let answer = site.ask(&format!("POST /v1/events{cookie}{from}"), "", event("e").as_bytes()).await;
        assert_eq!(answer.status, status, "{from}: {}", answer.text());
        if status == 403 {
            assert_eq!(answer.code(), "cross_origin", "{from}");
            let out = site.ask(&format!("GET /v1/events{cookie}{from}"), "", b"").await;
            assert_eq!(out.status, 200, "{from}: reading changes nothing, and no other page sees the answer");
        }
    }
    // A page elsewhere can neither sign somebody in nor out; with a key nothing depends on pages.
    let key = json!({"key": site.key("operator")}).to_string();
    for from in ["\norigin: http://evil.example", "\nsec-fetch-site: cross-site"] {
        for (method, body) in [("POST", key.as_str()), ("DELETE", "")] {
            let answer = site.ask(&format!("{method} /v1/session{cookie}{from}"), "", body.as_bytes()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code().as_str()),
                (403, "cross_origin"),
                "{method} {from}"
            );
            assert_eq!(answer.header("set-cookie"), "");
        }
        assert_eq!(
            site.ask(&format!("POST /v1/events{from}"), "acme", event("k").as_bytes()).await.status,
            200
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vendors_apis_take_no_session() {
    let site = Site::new().await;
    let cookie = sign_in(&site, "acme").await;
    for path in ["/v1/audit_logs", "/v4/accounts/acme/audit_logs", "/audit-logs", "/api/v1/audit-log"] {
        let answer = site.ask(&format!("GET {path}{cookie}{HERE}"), "", b"").await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.text());
        assert_eq!(site.ask(&format!("GET {path}"), "acme", b"").await.status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_signs_in_once_within_ten_minutes_until_the_server_stops() {
    let site = Site::new().await;
    let made = site.ask("POST /v1/session/links", "acme", b"").await;
    assert_eq!(
        (made.status.as_u16(), made.json()["expires_at"].as_str()),
        (201, Some("2026-11-21T10:10:00.000000Z"))
    );
    let url = made.json()["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("http://annals.example.com/viewer/sign-in?ticket="), "{url}");
    // Who only looks at the address, as previews of messages do, uses nothing up.
    let path = url.strip_prefix("http://annals.example.com").unwrap();
    assert_eq!(site.ask(&format!("GET {path}"), "", b"").await.status, 200);
    assert_eq!(site.ask("GET /v1/session", "", b"").await.status, 401);
    let first = follow(&site, &url).await;
    assert_eq!(first.json()["tenant"], "acme");
    let again = follow(&site, &url).await;
    assert_eq!((again.status.as_u16(), again.header("set-cookie")), (401, ""));
    let late = site.ask("POST /v1/session/links", "acme", b"").await.json();
    site.clock.pass(SIGN_IN_LINK_MAX);
    assert_eq!(follow(&site, late["url"].as_str().unwrap()).await.status, 401);
    let stopped = site.ask("POST /v1/session/links", "acme", b"").await.json();
    let site = site.restart().await;
    assert_eq!(follow(&site, stopped["url"].as_str().unwrap()).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_made_by_a_session_leads_to_one_that_ends_with_it() {
    let site = Site::new().await;
    let first = sign_in(&site, "acme").await;
    site.clock.pass(Duration::from_secs(3600));
    let link = async |cookie: &str| {
        let made = site.ask(&format!("POST /v1/session/links{cookie}{HERE}"), "", b"").await.json();
        made["url"].as_str().unwrap().to_owned()
    };
    let status =
        async |cookie: &str| site.ask(&format!("GET /v1/session{cookie}"), "", b"").await.status.as_u16();
    let answer = follow(&site, &link(&first).await).await;
    assert_eq!(answer.json()["expires_at"], "2026-11-21T22:00:00.000000Z");
    let second = cookie(&answer);
    let beside = cookie(&follow(&site, &link(&first).await).await);
    let third = cookie(&follow(&site, &link(&second).await).await);
    let (of_first, of_second) = (link(&first).await, link(&second).await);
    let out = async |cookie: &str| site.ask(&format!("DELETE /v1/session{cookie}{HERE}"), "", b"").await;
    assert_eq!(out(&second).await.status, 204);
    for (cookie, expected) in [(&first, 200), (&second, 401), (&third, 401), (&beside, 200)] {
        assert_eq!(status(cookie).await, expected);
    }
    assert_eq!(follow(&site, &of_second).await.status, 401, "nor does a link outlive what made it");
    assert_eq!(out(&first).await.status, 204);
    assert_eq!(status(&beside).await, 401);
    let late = follow(&site, &of_first).await;
    assert_eq!((late.status.as_u16(), late.json()["pointer"].as_str()), (401, Some("/ticket")));
    assert_eq!(late.header("set-cookie"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_sessions_that_links_led_to_end_somewhere() {
    let site = Site::new().await;
    let mut cookie = sign_in(&site, "acme").await;
    for depth in 0.. {
        let made = site.ask(&format!("POST /v1/session/links{cookie}{HERE}"), "", b"").await;
        if made.status != 201 {
            assert_eq!((depth, made.status.as_u16(), made.code().as_str()), (8, 403, "rights_exceeded"));
            break;
        }
        cookie = self::cookie(&follow(&site, made.json()["url"].as_str().unwrap()).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_https_the_cookie_is_for_https_alone() {
    let listening =
        Listening { behind_proxy: Some(vec!["127.0.0.0/8".parse().unwrap()]), ..Listening::default() };
    let mut site = Site::with(settings(), listening).await;
    let body = json!({"key": site.key("operator")}).to_string();
    let answer = site.ask("POST /v1/session", "", body.as_bytes()).await;
    let given = answer.header("set-cookie");
    assert!(given.starts_with("__Host-annals_session=") && given.ends_with("; Secure"), "{given}");
    assert!(given.contains("; Path=/;") && !given.contains("Domain"), "{given}");
    assert_eq!(site.ask(&format!("GET /v1/session{}", cookie(&answer)), "", b"").await.status, 200);
    // Whoever can set cookies for HTTP sets none that counts here.
    let forged = cookie(&answer).replace("__Host-", "");
    assert_eq!(site.ask(&format!("GET /v1/session{forged}"), "", b"").await.status, 401);
    // A proxy that says that its client came over HTTP is on a machine of its own, or a test.
    let plain = site.ask("POST /v1/session\nx-forwarded-proto: http", "", body.as_bytes()).await;
    assert!(plain.header("set-cookie").starts_with("annals_session="));
    site.stop().await;
}
