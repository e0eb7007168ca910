//! Asks the provider: where it is asked what, which keys it signs with, and who came back from it.
//!
//! What it says of itself is kept for an hour, and its keys are asked for again when a token names one that is not among them, at most
//! every ten seconds. Whatever it says is bounded in length and in time, and no redirect is followed.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use annals_ledger::Ledger;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{Mutex, Semaphore, SemaphorePermit};

use super::token::{self, Expected, Keys, Refusal};
use super::{OidcSettings, Person, TEXT_BYTES_MAX};
use crate::outgoing;
use crate::problem::{Code, Problem};
use crate::session::spent::Spent;

/// Longest answer of a provider that is read, bytes.
const ANSWER_BYTES_MAX: usize = 512 << 10;

/// What a provider says of itself is believed so long, µs.
const KNOWN_US_MAX: i64 = 3_600 * 1_000_000;

/// Keys are asked for again at most so often, and a provider that does not answer as well, µs.
const AGAIN_US_MIN: i64 = 10 * 1_000_000;

/// People who come back and are asked about at once. Anybody can come back with a code that they made up.
const RETURNS_MAX: usize = 16;

/// Sign-ins that were answered and could be once more.
const ANSWERED_MAX: usize = 10_000;

/// That the provider takes no code is said so often in our diagnostics, µs: anybody can bring it about.
const SAID_US_MIN: i64 = 60 * 1_000_000;

/// Longest text of a provider in our diagnostics, in characters.
const SAID_CHARS: usize = 200;

/// One identity provider.
pub(crate) struct Provider {
    pub(crate) settings: OidcSettings,
    ledger: Ledger,
    client: Client,
    known: Mutex<Known>,
    returns: Semaphore,
    answered: std::sync::Mutex<Spent>,
    /// When it was said last that it takes no code, µs since 1970.
    said_us: AtomicI64,
}

/// What is known of it.
#[derive(Default)]
struct Known {
    about: Option<(Arc<About>, i64)>,
    keys: Option<(Arc<Keys>, i64)>,
    failed_us: Option<i64>,
}

/// What it says of itself (OpenID Connect Discovery 1.0).
#[derive(Debug, Deserialize)]
pub(super) struct About {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// It names itself when somebody comes back from it (RFC 9207).
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}

/// Somebody's way to the provider and back, as the browser carries it.
pub(super) struct Return<'a> {
    pub(super) code: &'a str,
    pub(super) redirect_uri: &'a str,
    pub(super) verifier: &'a str,
    pub(super) nonce: &'a str,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

impl Provider {
    pub(crate) fn new(settings: OidcSettings, ledger: Ledger) -> Self {
        let client = outgoing::client(settings.answer_max);
        Self {
            settings,
            ledger,
            client,
            known: Mutex::default(),
            returns: Semaphore::new(RETURNS_MAX),
            // Sign-ins on their way are nobody's yet.
            answered: std::sync::Mutex::new(Spent::new(ANSWERED_MAX, ANSWERED_MAX)),
            said_us: AtomicI64::new(i64::MIN),
        }
    }

    /// What it says of itself.
    pub(super) async fn about(&self) -> Result<Arc<About>, Problem> {
        let mut known = self.known.lock().await;
        self.about_in(&mut known).await
    }

    async fn about_in(&self, known: &mut Known) -> Result<Arc<About>, Problem> {
        let now_us = self.now_us();
        if let Some((about, at_us)) = &known.about
            && now_us - at_us < KNOWN_US_MAX
        {
            return Ok(about.clone());
        }
        if known.failed_us.is_some_and(|at_us| now_us - at_us < AGAIN_US_MIN) {
            tracing::debug!("the identity provider did not answer a moment ago");
            return Err(not_now());
        }
        match self.discover().await {
            Ok(about) => {
                let about = Arc::new(about);
                *known = Known { about: Some((about.clone(), now_us)), ..Known::default() };
                Ok(about)
            }
            Err(problem) => {
                known.failed_us = Some(now_us);
                Err(problem)
            }
        }
    }

    async fn discover(&self) -> Result<About, Problem> {
        let issuer = &self.settings.issuer;
        let address = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let about: About = read(&self.answer(self.client.get(address)).await?)?;
        if about.issuer != *issuer {
            return Err(unavailable(&format!(
                "it calls itself `{}`, not as `oidc.issuer` has it",
                about.issuer
            )));
        }
        let addresses = [&about.authorization_endpoint, &about.token_endpoint, &about.jwks_uri];
        if let Some(open) =
            addresses.into_iter().chain(&about.userinfo_endpoint).find(|address| !is_safe_address(address))
        {
            return Err(unavailable(&format!("`{open}` is no address of HTTPS")));
        }
        Ok(about)
    }

    /// Its keys; with `newer`, asked for again unless that was done a moment ago.
    async fn keys(&self, newer: bool) -> Result<Arc<Keys>, Problem> {
        let mut known = self.known.lock().await;
        let about = self.about_in(&mut known).await?;
        let now_us = self.now_us();
        let kept_us = if newer { AGAIN_US_MIN } else { KNOWN_US_MAX };
        if let Some((keys, at_us)) = &known.keys
            && now_us - at_us < kept_us
        {
            return Ok(keys.clone());
        }
        let answer = self.answer(self.client.get(&about.jwks_uri)).await?;
        let keys = Arc::new(Keys::read(&answer).map_err(|error| unavailable(&error.to_string()))?);
        known.keys = Some((keys.clone(), now_us));
        Ok(keys)
    }

    /// A place among those whom the provider is asked about at once.
    pub(super) fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let busy =
            |_| Problem::new(Code::Busy, "too many people come back from the identity provider at once");
        self.returns.try_acquire().map_err(busy)
    }

    /// Takes a sign-in as answered, which may be once.
    pub(super) fn spend(&self, state: &str, expires_at_us: i64) -> Result<(), Problem> {
        let mut answered = self.answered.lock().expect("no holder of this lock panics");
        if answered.add(state, "", expires_at_us, self.now_us()) {
            return Ok(());
        }
        Err(refused("it answers a sign-in that was answered before; begin again"))
    }

    /// Who came back from the provider, as it says when it is shown their code. Of the values of their claim all are there.
    pub(super) async fn person(&self, back: &Return<'_>) -> Result<Person, Problem> {
        let about = self.about().await?;
        let (status, body) = self.ask(self.exchange(&about, back)).await?;
        if !status.is_success() {
            let (code, said) = (status.as_u16(), said(&body));
            if self.is_to_be_said() {
                tracing::warn!(status = code, said, "the identity provider takes no code");
            } else {
                tracing::debug!(status = code, said, "the identity provider takes no code");
            }
            let is_refusal = status.is_client_error();
            return Err(if is_refusal {
                refused("it does not take its own code back; begin again")
            } else {
                not_now()
            });
        }
        let tokens: Tokens = read(&body)?;
        let mut claims = self.checked(&tokens.id_token, back.nonce).await?;
        let is_said = found(&claims, &self.settings.claim).is_some();
        // Many providers tell of groups only who asks with the other token.
        if let (false, Some(address), Some(token)) = (is_said, &about.userinfo_endpoint, &tokens.access_token)
        {
            let more: Map<String, Value> =
                read(&self.answer(self.client.get(address).bearer_auth(token)).await?)?;
            if more.get("sub") != claims.get("sub") {
                return Err(refused("it tells of somebody else than who signed in"));
            }
            for (name, value) in more {
                claims.entry(name).or_insert(value);
            }
        }
        let text =
            |name: &str| claims.get(name).and_then(Value::as_str).map(|text| shortened(text, TEXT_BYTES_MAX));
        Ok(Person {
            issuer: self.settings.issuer.clone(),
            client_id: self.settings.client_id.clone(),
            claim: self.settings.claim.clone(),
            subject: claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned(),
            name: text("name").or_else(|| text("preferred_username")),
            email: text("email"),
            values: values(found(&claims, &self.settings.claim)),
        })
    }

    /// The request that shows a code (RFC 6749, 4.1.3; RFC 7636, 4.5).
    fn exchange(&self, about: &About, back: &Return<'_>) -> RequestBuilder {
        let OidcSettings { client_id, client_secret, .. } = &self.settings;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", back.code)
            .append_pair("redirect_uri", back.redirect_uri)
            .append_pair("code_verifier", back.verifier);
        let request = self.client.post(&about.token_endpoint);
        let takes =
            |method: &str| about.token_endpoint_auth_methods_supported.iter().any(|one| one == method);
        let request = match client_secret {
            Some(secret) if takes("client_secret_post") && !takes("client_secret_basic") => {
                form.append_pair("client_id", client_id).append_pair("client_secret", secret);
                request
            }
            Some(secret) => {
                // RFC 6749, 2.3.1: both are written as in a form first.
                let written =
                    |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
                let pair = STANDARD.encode(format!("{}:{}", written(client_id), written(secret)));
                request.header(header::AUTHORIZATION, format!("Basic {pair}"))
            }
            None => {
                form.append_pair("client_id", client_id);
                request
            }
        };
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        request.header(header::ACCEPT, "application/json").body(form.finish())
    }

    /// The claims of an ID token, which may be signed by a key that is newer than those we know.
    async fn checked(&self, token: &str, nonce: &str) -> Result<Map<String, Value>, Problem> {
        #[expect(clippy::cast_precision_loss, reason = "seconds have few digits")]
        let now_s = self.now_us() as f64 / 1e6;
        let OidcSettings { issuer, client_id, .. } = &self.settings;
        let expected = Expected { issuer, client_id, nonce, now_s };
        let mut verified = token::verify(token, &*self.keys(false).await?, &expected);
        if verified == Err(Refusal::UnknownKey) {
            verified = token::verify(token, &*self.keys(true).await?, &expected);
        }
        verified.map_err(|refusal| match refusal {
            Refusal::UnknownKey => refused("its token is signed by no key of its own"),
            Refusal::Wrong(why) => refused(why),
        })
    }

    /// The body of a good answer.
    async fn answer(&self, request: RequestBuilder) -> Result<Vec<u8>, Problem> {
        match self.ask(request).await? {
            (status, body) if status.is_success() => Ok(body),
            (status, body) => Err(unavailable(&format!("it answers {}: {}", status.as_u16(), said(&body)))),
        }
    }

    async fn ask(&self, request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), Problem> {
        let unread = |error: reqwest::Error| unavailable(&error.without_url().to_string());
        let mut response = request.send().await.map_err(unread)?;
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(unread)? {
            body.extend_from_slice(&piece);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(unavailable("its answer is too long"));
            }
        }
        Ok((response.status(), body))
    }

    /// Whether some time has passed since something was said; then it counts as said.
    fn is_to_be_said(&self) -> bool {
        let now_us = self.now_us();
        let is_due = |said_us: i64| now_us.saturating_sub(said_us) >= SAID_US_MIN;
        let due = |said_us| is_due(said_us).then_some(now_us);
        self.said_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }

    fn now_us(&self) -> i64 {
        self.ledger.clock().now().as_micros()
    }
}

fn read<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| unavailable(&format!("its answer cannot be read: {error}")))
}

/// The beginning of an answer, for the diagnostics.
fn said(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(SAID_CHARS).collect()
}

/// Somebody is not let in: what the provider says of them cannot count.
pub(super) fn refused(why: &str) -> Problem {
    // The access log has it, once a minute; anybody can be refused as often as they like.
    tracing::debug!(why, "a sign-in by the identity provider is refused");
    Problem::new(Code::SignInRefused, format!("the identity provider's answer cannot be taken: {why}"))
}

/// The provider does not answer, or makes no sense.
fn unavailable(why: &str) -> Problem {
    tracing::error!(why, "the identity provider cannot be asked");
    not_now()
}

fn not_now() -> Problem {
    Problem::new(
        Code::ProviderUnavailable,
        "the identity provider cannot be asked now; the diagnostics say why",
    )
}

/// Whether what goes to an address cannot be read on the way: it is one of HTTPS, or on this machine.
#[must_use]
pub fn is_safe_address(address: &str) -> bool {
    let Ok(url) = address.parse::<Url>() else { return false };
    let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let is_here = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

/// A claim by its name, or by names with dots between where it lies deeper.
fn found<'a>(claims: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    // Names may be addresses, with dots in them.
    claims.get(path).or_else(|| {
        let (first, rest) = path.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
    })
}

/// The texts of a claim that is one, or a list.
fn values(claim: Option<&Value>) -> Vec<String> {
    let texts = match claim {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(text)) => vec![text.as_str()],
        _ => Vec::new(),
    };
    texts.into_iter().map(str::to_owned).collect()
}

fn shortened(text: &str, bytes_max: usize) -> String {
    text[..text.floor_char_boundary(bytes_max)].chars().filter(|char| !char.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn claims_are_found_by_name_and_by_path() {
        let claims =
            json!({"groups": ["a", 1, "b"], "realm": {"roles": "one"}, "https://x.example/g": ["c"], "n": 1});
        let claims = claims.as_object().unwrap();
        let of = |path: &str| values(found(claims, path));
        assert_eq!(of("groups"), ["a", "b"]);
        assert_eq!(of("realm.roles"), ["one"]);
        assert_eq!(of("https://x.example/g"), ["c"]);
        for none in ["realm", "realm.none", "n", "none", "groups.0", ""] {
            assert_eq!(of(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn nothing_is_sent_in_clear_to_another_machine() {
        for safe in
            ["https://id.example/token", "http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/x"]
        {
            assert!(is_safe_address(safe), "{safe}");
        }
        for open in [
            "http://id.example/token",
            "http://127.0.0.1.evil.example/",
            "ftp://127.0.0.1/",
            "javascript:1",
            "/token",
            "",
        ] {
            assert!(!is_safe_address(open), "{open}");
        }
    }
}
