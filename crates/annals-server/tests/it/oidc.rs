//! Signing in by an identity provider, which is one of ours here: it lies as it is told to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_ledger::Scope;
use annals_server::{Listening, OIDC_ANSWER_MAX, OidcSettings, Role, Settings};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use crate::site::{Answer, Site, event, settings};

const SECRET: &str = "s3:cret/ä";

/// What the provider is asked, and what it says.
struct Fake {
    issuer: String,
    key: EcdsaKeyPair,
    kid: String,
    /// It tells its keys under this name; the newest one otherwise.
    known_kid: Option<String>,
    header: Value,
    /// Members that are set in its tokens, or with null taken out.
    claims: Value,
    info: Value,
    about: Value,
    /// Of the sign-in that somebody began last.
    challenge: String,
    nonce: String,
    /// How often each of its routes was asked.
    asked: Vec<&'static str>,
    fails: bool,
    /// Whoever shows a code waits for these.
    gate: Arc<Semaphore>,
}

type Shared = Arc<Mutex<Fake>>;

fn key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap()
}

async fn fake() -> Shared {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let fake = Arc::new(Mutex::new(Fake {
        issuer: issuer.clone(),
        key: key(),
        kid: "k1".to_owned(),
        known_kid: None,
        header: json!({"alg": "ES256"}),
        claims: json!({}),
        info: json!({}),
        about: json!({"issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize?tenant=1"), "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/keys"), "userinfo_endpoint": format!("{issuer}/info")}),
        challenge: String::new(),
        nonce: String::new(),
        asked: Vec::new(),
        fails: false,
        gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
    }));
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(about))
        .route("/keys", get(keys))
        .route("/token", post(token))
        .route("/info", get(info))
        .with_state(fake.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    fake
}

async fn about(State(fake): State<Shared>) -> Response {
    let mut fake = fake.lock().unwrap();
    fake.asked.push("about");
    if fake.fails {
        return (axum::http::StatusCode::BAD_GATEWAY, "no").into_response();
    }
    Json(fake.about.clone()).into_response()
}

async fn keys(State(fake): State<Shared>) -> Json<Value> {
    let mut fake = fake.lock().unwrap();
    fake.asked.push("keys");
    let point = fake.key.public_key().as_ref();
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..]));
    let kid = fake.known_kid.as_ref().unwrap_or(&fake.kid);
    Json(json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": x, "y": y}]}))
}

/// Takes a code only from whoever began the sign-in, and only from the client.
async fn token(State(fake): State<Shared>, headers: HeaderMap, body: String) -> Response {
    let gate = fake.lock().unwrap().gate.clone();
    let _turn = gate.acquire().await.unwrap();
    let mut fake = fake.lock().unwrap();
    fake.asked.push("token");
    let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let member = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let shown = headers.get("authorization").map_or("", |shown| shown.to_str().unwrap());
    let pair = STANDARD.encode("annals:s3%3Acret%2F%C3%A4");
    let by_post = fake.about["token_endpoint_auth_methods_supported"] == json!(["client_secret_post"]);
    let is_client =
        if by_post { member("client_secret") == Some(SECRET) } else { shown == format!("Basic {pair}") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(member("code_verifier").unwrap_or_default()));
    let is_good = is_client
        && member("grant_type") == Some("authorization_code")
        && member("code") == Some("code-1")
        && member("redirect_uri") == Some("http://annals.example.com/v1/session/oidc/callback")
        && challenge == fake.challenge;
    if !is_good {
        let body = json!({"error": "invalid_grant", "form": form, "shown": shown}).to_string();
        return (axum::http::StatusCode::BAD_REQUEST, body).into_response();
    }
    let now_s = 1_795_255_200;
    let mut claims = json!({"iss": fake.issuer, "aud": "annals", "sub": "u-17", "name": "Ana Lopes", "email": "ana@acme.example",
        "nonce": fake.nonce, "iat": now_s, "exp": now_s + 300, "realm": {"groups": ["staff", "auditors"]}});
    for (name, value) in fake.claims.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    let mut header = fake.header.clone();
    if header.get("kid").is_none() {
        header["kid"] = json!(fake.kid);
    }
    let encoded = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encoded(&header), encoded(&claims));
    let signature = fake.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
    Json(json!({"id_token": token, "access_token": "a-1", "token_type": "Bearer"})).into_response()
}

async fn info(State(fake): State<Shared>, headers: HeaderMap) -> Json<Value> {
    let mut fake = fake.lock().unwrap();
    fake.asked.push("info");
    assert_eq!(headers["authorization"], "Bearer a-1");
    Json(fake.info.clone())
}

fn role(value: &str, tenant: Option<&str>, scopes: &[Scope]) -> Role {
    let tenant = tenant.map(|tenant| annals_event::TenantId::new(tenant).unwrap());
    Role { value: value.to_owned(), tenant, scopes: scopes.to_vec() }
}

fn with(fake: &Shared, roles: Vec<Role>) -> Settings {
    let oidc = OidcSettings {
        issuer: fake.lock().unwrap().issuer.clone(),
        client_id: "annals".to_owned(),
        client_secret: Some(SECRET.to_owned()),
        label: "Acme SSO".to_owned(),
        scopes: "openid email profile".to_owned(),
        claim: "realm.groups".to_owned(),
        roles,
        answer_max: OIDC_ANSWER_MAX,
    };
    Settings { oidc: Some(oidc), ..settings() }
}

async fn site(fake: &Shared) -> Site {
    let roles = vec![
        role("auditors", Some("acme"), &[Scope::Read, Scope::Verify]),
        role("staff", Some("acme"), &[Scope::Read]),
        role("admins", None, &[Scope::Read, Scope::Admin]),
        role("partners", Some("globex"), &[Scope::Read]),
    ];
    Site::with(with(fake, roles), Listening::default()).await
}

/// Goes to the provider as a browser does; what it is to bring back: the cookie and the state.
async fn leave(site: &Site, fake: &Shared) -> (String, String) {
    let answer = site.ask("GET /v1/session/oidc?return_to=%2Fviewer%2Factor%3Fid%3Du1", "", b"").await;
    assert_eq!(answer.status, 302, "{}", answer.text());
    let (address, query) = answer.header("location").split_once('?').unwrap();
    let sent: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let member =
        |name: &str| sent.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value).to_owned();
    let mut fake = fake.lock().unwrap();
    assert_eq!(address, format!("{}/authorize", fake.issuer));
    assert_eq!(
        (member("tenant"), member("response_type"), member("client_id")),
        ("1".into(), "code".into(), "annals".into())
    );
    assert_eq!(
        (member("scope"), member("code_challenge_method")),
        ("openid email profile".into(), "S256".into())
    );
    (fake.challenge, fake.nonce) = (member("code_challenge"), member("nonce"));
    let given = answer.header("set-cookie");
    assert!(
        given.starts_with("annals_oidc=") && given.ends_with("; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"),
        "{given}"
    );
    (given.split(';').next().unwrap().to_owned(), member("state"))
}

async fn come_back(site: &Site, cookie: &str, query: &str) -> Answer {
    site.ask(&format!("GET /v1/session/oidc/callback?{query}\ncookie: {cookie}"), "", b"").await
}

async fn sign_in(site: &Site, fake: &Shared) -> Answer {
    let (cookie, state) = leave(site, fake).await;
    come_back(site, &cookie, &format!("code=code-1&state={state}&session_state=x&scope=openid")).await
}

/// The name that annals gives to who is `sub` at the provider.
fn id(fake: &Shared, sub: &str) -> String {
    let digest = Sha256::digest(fake.lock().unwrap().issuer.as_bytes());
    let issuer: String = digest[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("oidc:{issuer}:{sub}")
}

/// The session's cookie of an answer that signed somebody in.
fn session(answer: &Answer) -> String {
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (303, "/viewer/actor?id=u1"),
        "{}",
        answer.text()
    );
    let given: Vec<&str> =
        answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(given[1], "annals_oidc=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    let cookie = given[0].split(';').next().unwrap();
    assert!(cookie.starts_with("annals_session="), "{cookie}");
    format!("\ncookie: {cookie}")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_the_provider_vouches_for_does_what_the_roles_give_under_their_own_name() {
    let fake = fake().await;
    let site = site(&fake).await;
    site.post("acme", &event("e1")).await;
    let ways = site.ask("GET /v1/session/ways", "", b"").await.json();
    assert_eq!(ways, json!({"key": true, "oidc": {"label": "Acme SSO", "path": "/v1/session/oidc"}}));
    let cookie = session(&sign_in(&site, &fake).await);
    let about = site.ask(&format!("GET /v1/session{cookie}"), "", b"").await.json();
    assert_eq!(
        about,
        json!({"key_id": id(&fake, "u-17"), "name": "Ana Lopes", "email": "ana@acme.example", "tenant": "acme",
            "scopes": ["read", "verify"], "expires_at": "2026-11-21T22:00:00.000000Z", "sign_in": "oidc"})
    );
    let found = site.ask(&format!("GET /v1/events{cookie}"), "", b"").await.json();
    assert_eq!(found["events"][0]["id"], "e1");
    for (head, status) in
        [("GET /v1/export", 403), ("GET /v1/keys", 403), ("GET /v1/events?tenant=globex", 403)]
    {
        assert_eq!(site.ask(&format!("{head}{cookie}"), "", b"").await.status, status, "{head}");
    }
    let access = site
        .until("GET /v1/access", "acme", |answer| answer.text().contains("\"annals.access.read\""))
        .await
        .json();
    let of_person: Vec<_> = access["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["actor"]["id"] == id(&fake, "u-17"))
        .collect();
    let actions: Vec<_> = of_person.iter().map(|record| record["action"].as_str().unwrap()).collect();
    assert!(
        actions.contains(&"annals.access.sign_in") && actions.contains(&"annals.access.read"),
        "{access}"
    );
    assert_eq!(
        of_person[0]["actor"],
        json!({"type": "user", "id": id(&fake, "u-17"), "name": "Ana Lopes", "email": "ana@acme.example"})
    );
    // All of this took one look at the provider's description and keys.
    session(&sign_in(&site, &fake).await);
    assert_eq!(fake.lock().unwrap().asked, ["about", "token", "keys", "token"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_on_record_as_the_persons() {
    let fake = fake().await;
    fake.lock().unwrap().claims = json!({"realm": {"groups": "admins"}, "name": null});
    let site = site(&fake).await;
    let cookie = session(&sign_in(&site, &fake).await);
    let made = site
        .ask(&format!("POST /v1/tenants{cookie}\nsec-fetch-site: same-origin"), "", br#"{"id":"initech"}"#)
        .await;
    assert_eq!(made.status, 201, "{}", made.text());
    let log = site.ask("GET /v1/feed?tenant=_annals&limit=1000", "operator", b"").await.json();
    let record = log["records"]
        .as_array()
        .unwrap()
        .iter()
        .find(|record| record["targets"][0]["id"] == "initech")
        .unwrap();
    assert_eq!(record["actor"], json!({"type": "user", "id": id(&fake, "u-17"), "name": "ana@acme.example"}));
    // There is no key behind it: nothing that lives as long as one can be made.
    let link =
        site.ask(&format!("POST /v1/session/links{cookie}\nsec-fetch-site: same-origin"), "", b"").await;
    assert_eq!(link.status, 201);
    let url = link.json()["url"].as_str().unwrap().split_once("ticket=").unwrap().1.to_owned();
    let again = site.ask("POST /v1/session", "", json!({"ticket": url}).to_string().as_bytes()).await.json();
    assert_eq!(
        (&again["key_id"], &again["expires_at"]),
        (&json!(id(&fake, "u-17")), &json!("2026-11-21T22:00:00.000000Z"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_for_this_sign_in_signs_nobody_in() {
    let fake = fake().await;
    let site = site(&fake).await;
    let lies: [(&str, Value, Value); 9] = [
        ("`nonce`", json!({"nonce": "another"}), json!({})),
        ("`aud`", json!({"aud": "another"}), json!({})),
        ("`azp`", json!({"aud": ["annals", "another"]}), json!({})),
        ("`iss`", json!({"iss": "https://evil.example"}), json!({})),
        ("`exp`", json!({"exp": 1_795_255_100}), json!({})),
        ("`sub`", json!({"sub": null}), json!({})),
        ("none of RS256", json!({}), json!({"alg": "none"})),
        ("none of RS256", json!({}), json!({"alg": "HS256"})),
        ("no key of its own", json!({}), json!({"alg": "ES256", "kid": "k9"})),
    ];
    for (why, claims, header) in lies {
        {
            let mut fake = fake.lock().unwrap();
            fake.claims = claims;
            fake.header = if header == json!({}) { json!({"alg": "ES256"}) } else { header };
        }
        let answer = sign_in(&site, &fake).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "sign_in_refused"), "{why}");
        assert!(
            answer.text().contains(why) && answer.header("set-cookie").is_empty(),
            "{why}: {}",
            answer.text()
        );
    }
    // Somebody else's key under the name of one that is known.
    {
        let mut fake = fake.lock().unwrap();
        fake.header = json!({"alg": "ES256"});
        fake.key = key();
    }
    let answer = sign_in(&site, &fake).await;
    assert!(
        answer.code() == "sign_in_refused" && answer.text().contains("signature does not match"),
        "{}",
        answer.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_may_change_its_keys_and_is_not_asked_for_them_without_end() {
    let fake = fake().await;
    let site = site(&fake).await;
    session(&sign_in(&site, &fake).await);
    let asked = |fake: &Shared| fake.lock().unwrap().asked.iter().filter(|asked| **asked == "keys").count();
    {
        let mut fake = fake.lock().unwrap();
        (fake.key, fake.kid) = (key(), "k2".to_owned());
    }
    // A moment after they were asked for they are believed.
    assert_eq!(sign_in(&site, &fake).await.code(), "sign_in_refused");
    assert_eq!(asked(&fake), 1);
    site.clock.pass(Duration::from_secs(11));
    session(&sign_in(&site, &fake).await);
    assert_eq!(asked(&fake), 2);
    fake.lock().unwrap().header = json!({"alg": "ES256", "kid": "k3"});
    for _ in 0..3 {
        assert_eq!(sign_in(&site, &fake).await.code(), "sign_in_refused");
    }
    assert_eq!(asked(&fake), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_from_another_sign_in_is_refused() {
    let fake = fake().await;
    let site = site(&fake).await;
    let (cookie, state) = leave(&site, &fake).await;
    let good = format!("code=code-1&state={state}");
    let other = leave(&site, &fake).await;
    let cut = &cookie[..cookie.len() - 1];
    for (cookie, query, why) in [
        ("", good.as_str(), "did not begin in this browser"),
        (cut, &good, "did not begin in this browser"),
        (&cookie.replace("annals_oidc", "annals_session"), &good, "did not begin in this browser"),
        (&other.0, &good, "`state`"),
        (&cookie, "code=code-1", "`state`"),
        (&cookie, "code=code-1&state=x", "`state`"),
        (&cookie, &format!("{good}&state={state}"), "twice"),
        (&cookie, &format!("{good}&iss=https://evil.example"), "`iss`"),
        (&cookie, &format!("state={state}"), "no code"),
        (&cookie, &format!("state={state}&error=access_denied"), "`access_denied`"),
        (&cookie, &format!("{good}&error=%3Cscript%3E"), "reports an error"),
    ] {
        let answer = come_back(&site, cookie, query).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "sign_in_refused"), "{query}");
        assert!(answer.text().contains(why), "{query}: {}", answer.text());
        assert!(!answer.text().contains("script"), "{}", answer.text());
    }
    // The code of the first one is not for the second one's verifier.
    let answer = come_back(&site, &cookie, &good).await;
    assert!(answer.text().contains("its own code"), "{}", answer.text());
    let (cookie, state) = leave(&site, &fake).await;
    site.clock.pass(Duration::from_secs(600));
    let late = come_back(&site, &cookie, &format!("code=code-1&state={state}")).await;
    assert!(late.text().contains("too long ago"), "{}", late.text());
    assert_eq!(
        site.ask("GET /v1/session/oidc?return_to=https://evil.example/viewer", "", b"").await.code(),
        "parameter_value"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_is_answered_once_and_refusals_stand_on_record() {
    let fake = fake().await;
    let site = site(&fake).await;
    let (cookie, state) = leave(&site, &fake).await;
    let wrong = format!("code=made-up&state={state}");
    for why in ["its own code", "answered before", "answered before"] {
        let answer = come_back(&site, &cookie, &wrong).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "sign_in_refused"));
        assert!(answer.text().contains(why), "{why}: {}", answer.text());
    }
    let (again, state) = leave(&site, &fake).await;
    session(&come_back(&site, &again, &format!("code=code-1&state={state}")).await);
    assert_eq!(come_back(&site, &again, &format!("code=code-1&state={state}")).await.status, 403);
    let asked = fake.lock().unwrap().asked.iter().filter(|asked| **asked == "token").count();
    assert_eq!(asked, 2, "the provider hears of a sign-in once");
    let access = site
        .until("GET /v1/access?tenant=_annals", "operator", |answer| {
            answer.text().contains("sign_in_refused")
        })
        .await
        .json();
    let refused: Vec<_> = access["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|record| record["outcome"]["reason"] == "sign_in_refused")
        .collect();
    assert_eq!(refused.len(), 1, "one a minute: {access}");
    assert_eq!(
        (&refused[0]["action"], &refused[0]["actor"], &refused[0]["request"]["path"]),
        (&json!("annals.access.refused"), &json!({"type": "unknown"}), &json!("/v1/session/oidc/callback"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provider_hears_of_few_sign_ins_at_once() {
    let fake = fake().await;
    let site = Arc::new(site(&fake).await);
    let gate = Arc::new(Semaphore::new(0));
    fake.lock().unwrap().gate = gate.clone();
    let mut coming = tokio::task::JoinSet::new();
    let mut last = (String::new(), String::new());
    for _ in 0..17 {
        let (cookie, state) = leave(&site, &fake).await;
        let query = format!("code=code-1&state={state}");
        last = (cookie.clone(), query.clone());
        let site = site.clone();
        coming.spawn(async move { come_back(&site, &cookie, &query).await });
    }
    let busy = tokio::time::timeout(crate::site::PATIENCE, coming.join_next()).await.unwrap();
    let busy = busy.unwrap().unwrap();
    assert_eq!((busy.status.as_u16(), busy.code().as_str()), (503, "busy"));
    assert_eq!(busy.header("retry-after"), "1");
    gate.add_permits(100);
    while let Some(came) = coming.join_next().await {
        assert_ne!(came.unwrap().status, 503);
    }
    // Who was told to come again may.
    let again = come_back(&site, &last.0, &last.1).await;
    assert_ne!(again.status, 503, "{}", again.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_taken_for_who_has_the_same_name_at_another_provider() {
    let (one, other) = (fake().await, fake().await);
    let roles = || vec![role("staff", Some("acme"), &[Scope::Read])];
    let site = Site::with(with(&one, roles()), Listening::default()).await;
    let cookie = session(&sign_in(&site, &one).await);
    let save = |cookie: &str| format!("PUT /v1/views/mine{cookie}\nsec-fetch-site: same-origin");
    assert!(site.ask(&save(&cookie), "", br#"{"query": "q=x"}"#).await.status.is_success());
    let site = site.restart_with(with(&other, roles())).await;
    let cookie = session(&sign_in(&site, &other).await);
    let about = site.ask(&format!("GET /v1/session{cookie}"), "", b"").await.json();
    assert_eq!(about["key_id"], id(&other, "u-17"));
    assert_ne!(about["key_id"], id(&one, "u-17"));
    let views = site.ask(&format!("GET /v1/views{cookie}"), "", b"").await.json();
    assert_eq!(views["views"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_made_under_another_client_or_claim_are_refused() {
    let fake = fake().await;
    let mut site = site(&fake).await;
    let cookie = session(&sign_in(&site, &fake).await);
    let head = format!("GET /v1/session{cookie}");
    let roles = || vec![role("auditors", Some("acme"), &[Scope::Read])];
    for (client_id, claim, status) in
        [("annals", "realm.groups", 200), ("another", "realm.groups", 401), ("annals", "nickname", 401)]
    {
        let mut settings = with(&fake, roles());
        let oidc = settings.oidc.as_mut().unwrap();
        (oidc.client_id, oidc.claim) = (client_id.to_owned(), claim.to_owned());
        site = site.restart_with(settings).await;
        assert_eq!(site.ask(&head, "", b"").await.status, status, "{client_id} {claim}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_role_is_told_so_and_stands_on_record() {
    let fake = fake().await;
    let site = site(&fake).await;
    for groups in [json!(["nobody"]), json!([]), json!(["staff", "partners"]), json!({"staff": true})] {
        fake.lock().unwrap().claims = json!({"realm": {"groups": groups}});
        let answer = sign_in(&site, &fake).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "role_missing"), "{groups}");
        assert_eq!(answer.header("set-cookie"), "");
    }
    let access = site
        .until("GET /v1/access?tenant=_annals", "operator", |answer| answer.text().contains("role_missing"))
        .await;
    assert!(access.text().contains(&id(&fake, "u-17")), "{}", access.text());
    // A browser gets a page, with nothing in it that the provider could have written.
    let (cookie, state) = leave(&site, &fake).await;
    let head = format!(
        "GET /v1/session/oidc/callback?code=code-1&state={state}\ncookie: {cookie}\naccept: text/html,*/*"
    );
    let page = site.ask(&head, "", b"").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (403, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert!(
        page.text().contains("none of your groups has a role here")
            && page.text().contains("href=\"/viewer/sign-in\"")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_may_be_told_only_to_who_asks_for_them() {
    let fake = fake().await;
    let site = site(&fake).await;
    {
        let mut fake = fake.lock().unwrap();
        fake.claims = json!({"realm": null});
        fake.info = json!({"sub": "u-17", "realm": {"groups": ["staff"]}, "name": "Mallory", "nonce": "x"});
    }
    let cookie = session(&sign_in(&site, &fake).await);
    let about = site.ask(&format!("GET /v1/session{cookie}"), "", b"").await.json();
    assert_eq!(
        (&about["scopes"], &about["name"]),
        (&json!(["read"]), &json!("Ana Lopes")),
        "the signed token goes first"
    );
    fake.lock().unwrap().info["sub"] = json!("u-18");
    assert_eq!(sign_in(&site, &fake).await.code(), "sign_in_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_roles_counts_at_once_and_without_a_provider_nobody_stays() {
    let fake = fake().await;
    let site = site(&fake).await;
    let cookie = session(&sign_in(&site, &fake).await);
    let head = format!("GET /v1/session{cookie}");
    let roles = vec![role("auditors", Some("acme"), &[Scope::Export])];
    let site = site.restart_with(with(&fake, roles)).await;
    assert_eq!(site.ask(&head, "", b"").await.json()["scopes"], json!(["export"]));
    let site = site.restart_with(with(&fake, vec![role("others", None, &[Scope::Read])])).await;
    assert_eq!(site.ask(&head, "", b"").await.code(), "unauthenticated");
    let mut other = with(&fake, vec![role("auditors", None, &[Scope::Read])]);
    other.oidc.as_mut().unwrap().issuer.push('/');
    let site = site.restart_with(other).await;
    assert_eq!(
        site.ask(&head, "", b"").await.code(),
        "unauthenticated",
        "another provider may name others the same"
    );
    let site = site.restart_with(settings()).await;
    assert_eq!(site.ask(&head, "", b"").await.code(), "unauthenticated");
    assert_eq!(site.ask("GET /v1/session/oidc", "", b"").await.code(), "route_unknown");
    assert_eq!(
        site.ask("GET /v1/session/oidc/callback?code=x&state=y", "", b"").await.code(),
        "route_unknown"
    );
    assert_eq!(site.ask("GET /v1/session/ways", "", b"").await.json(), json!({"key": true, "oidc": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_asked_is_left_alone_for_a_while() {
    let fake = fake().await;
    let site = site(&fake).await;
    fake.lock().unwrap().fails = true;
    for _ in 0..3 {
        let answer = site.ask("GET /v1/session/oidc", "", b"").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "provider_unavailable"));
        assert_eq!(answer.header("retry-after"), "30");
    }
    assert_eq!(fake.lock().unwrap().asked, ["about"]);
    let mut about = fake.lock().unwrap().about.clone();
    for (name, value) in [
        ("issuer", "https://evil.example"),
        ("token_endpoint", "http://evil.example/token"),
        ("jwks_uri", "file:///etc/passwd"),
    ] {
        site.clock.pass(Duration::from_secs(11));
        {
            let mut fake = fake.lock().unwrap();
            (fake.fails, fake.about) = (false, about.clone());
            fake.about[name] = json!(value);
        }
        assert_eq!(site.ask("GET /v1/session/oidc", "", b"").await.code(), "provider_unavailable", "{name}");
    }
    site.clock.pass(Duration::from_secs(11));
    about["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    about["authorization_response_iss_parameter_supported"] = json!(true);
    fake.lock().unwrap().about = about;
    // One that says that it names itself must.
    assert!(sign_in(&site, &fake).await.text().contains("`iss`"));
    let (cookie, state) = leave(&site, &fake).await;
    let issuer = fake.lock().unwrap().issuer.clone();
    session(&come_back(&site, &cookie, &format!("code=code-1&state={state}&iss={issuer}")).await);
}
