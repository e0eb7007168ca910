//! Sessions: who signed in to the viewer asks by a cookie what their key would ask by a header.
//!
//! A session is a ticket that the browser carries. It names the key, or whom an identity provider vouched for, and is looked at anew with
//! each request: once the key ends, or no role of the configuration fits any more, so does the session. What the server remembers of
//! sessions is only which were signed out of, and links that wait to be used. A session that a link of another one led to ends with that.

pub(crate) mod link;
mod origin;
pub(crate) mod routes;
pub(crate) mod spent;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals_event::Timestamp;
use annals_ledger::KeyId;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::auth::Caller;
use crate::oidc::{Person, granted};
use crate::problem::{Code, Problem};
use link::Links;
use spent::Spent;

/// How long a session lasts when nobody says otherwise.
pub const SESSION_MAX: Duration = Duration::from_secs(12 * 3600);

/// Sessions that were signed out of and would last yet.
const ENDED_MAX: usize = 10_000;

/// Those of one key or person; a further one takes the place of that which would end soonest by itself.
const ENDED_OF_ONE_MAX: usize = 100;

/// Longest ticket, bytes: with its name and all that stands beside it browsers keep 4,096.
const TICKET_TEXT_BYTES_MAX: usize = 3_800;

/// The cookie over HTTPS; browsers take one of this name only from the host itself and only over HTTPS.
const COOKIE_HTTPS: &str = "__Host-annals_session";
/// The cookie over HTTP, which is on this machine or between it and a proxy.
const COOKIE_HTTP: &str = "annals_session";

/// What sessions' tickets are for.
const PURPOSE: &str = "session";

/// A session, as its ticket has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Session {
    /// Tells it from all others.
    pub(crate) id: String,
    /// Those whose links led to it, the first one first; it ends when any of them is signed out of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ancestors: Vec<String>,
    /// Who signed in.
    pub(crate) who: Who,
    /// From this instant on it is none, µs since 1970.
    pub(crate) ends_at_us: i64,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Who {
    /// Who has a key.
    Key(KeyId),
    /// Whom the identity provider vouched for.
    Person(Person),
}

impl Who {
    /// Their name in records.
    fn id(&self) -> String {
        match self {
            Self::Key(id) => id.0.clone(),
            Self::Person(person) => person.id(),
        }
    }
}

/// What the server knows of sessions.
pub(crate) struct Sessions {
    life_us: i64,
    links: Mutex<Links>,
    ended: Mutex<Spent>,
}

impl Sessions {
    pub(crate) fn new(life: Duration) -> Self {
        Self {
            life_us: i64::try_from(life.as_micros()).unwrap_or(i64::MAX),
            links: Mutex::default(),
            ended: Mutex::new(Spent::new(ENDED_MAX, ENDED_OF_ONE_MAX)),
        }
    }
}

/// A text that nobody can guess.
pub(crate) fn random() -> Result<String, Problem> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "no random bytes for a session");
        Problem::new(Code::Bug, "the system gives no random bytes")
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl App {
    /// A session of this one.
    pub(crate) fn new_session(&self, who: Who) -> Result<Session, Problem> {
        let ends_at_us = self.ledger.clock().now().as_micros().saturating_add(self.sessions.life_us);
        Ok(Session { id: random()?, ancestors: Vec::new(), who, ends_at_us })
    }

    /// The session that a request shows: none where it shows no cookie.
    ///
    /// # Errors
    ///
    /// The cookie is no session of this ledger, or one that has ended.
    pub(crate) fn session(&self, headers: &HeaderMap) -> Result<Option<Session>, Problem> {
        let Some(text) = cookie(headers, self.cookie_name(headers)) else { return Ok(None) };
        let content = self.ledger.read_ticket(PURPOSE, text);
        let session: Option<Session> = content.and_then(|content| serde_json::from_slice(&content).ok());
        let session = session.filter(|session| self.is_in_time(session));
        let ended = || Problem::new(Code::Unauthenticated, "the session has ended; sign in again");
        session.map(Some).ok_or_else(ended)
    }

    /// Whether a session has not ended by itself, and neither it nor one that led to it was signed out of.
    pub(crate) fn is_in_time(&self, session: &Session) -> bool {
        let ended = self.sessions.ended.lock().expect("no holder of this lock panics");
        self.ledger.clock().now().as_micros() < session.ends_at_us
            && !std::iter::once(&session.id).chain(&session.ancestors).any(|id| ended.has(id))
    }

    /// The caller that a request's session is of; none where it shows no session.
    ///
    /// # Errors
    ///
    /// The session or what it stands on has ended, or a page of elsewhere sends the request.
    pub(crate) fn session_caller(&self, parts: &Parts) -> Result<Option<Caller>, Problem> {
        let Some(session) = self.session(&parts.headers)? else { return Ok(None) };
        origin::check_change(self, parts)?;
        self.caller_of(session).map(Some)
    }

    /// Who a session is of, as of now.
    pub(crate) fn caller_of(&self, session: Session) -> Result<Caller, Problem> {
        let caller = match &session.who {
            Who::Key(id) => {
                let keys = self.ledger.keys();
                let keys = keys.read().expect("no holder of this lock panics");
                keys.live(id, self.ledger.clock().now()).map(Caller::of).ok_or_else(|| {
                    Problem::new(Code::Unauthenticated, "the key behind the session has ended; sign in again")
                })?
            }
            Who::Person(person) => self.caller_of_person(person)?,
        };
        Ok(Caller { session: Some(Arc::new(session)), ..caller })
    }

    /// What the configuration gives somebody as of now.
    fn caller_of_person(&self, person: &Person) -> Result<Caller, Problem> {
        let ended = |detail: &'static str| Problem::new(Code::Unauthenticated, detail);
        let provider = self.provider.as_ref();
        let settings =
            &provider.ok_or_else(|| ended("no identity provider is configured any more"))?.settings;
        let granted = granted(settings, person);
        let (tenant, scopes) =
            granted.map_err(|_| ended("your groups have no role here any more; sign in again"))?;
        Ok(Caller {
            key_id: KeyId(person.id()),
            name: person.name.clone().or_else(|| person.email.clone()),
            tenant,
            scopes,
            dialects: Vec::new(),
            session: None,
            view: None,
        })
    }

    /// Takes a session of nobody any more.
    fn end_session(&self, session: &Session) {
        let now_us = self.ledger.clock().now().as_micros();
        let mut ended = self.sessions.ended.lock().expect("no holder of this lock panics");
        ended.add(&session.id, &session.who.id(), session.ends_at_us, now_us);
    }

    /// The header that gives a session to a browser.
    pub(crate) fn session_cookie(
        &self,
        session: &Session,
        headers: &HeaderMap,
    ) -> Result<HeaderValue, Problem> {
        let content = serde_json::to_vec(session).expect("texts and numbers serialise");
        let ticket = self.ledger.write_ticket(PURPOSE, &content);
        let ticket = ticket.filter(|ticket| ticket.len() <= TICKET_TEXT_BYTES_MAX).ok_or_else(|| {
            let detail =
                "what the identity provider says of you is too long for a cookie; ask who runs this server";
            Problem::new(Code::SignInRefused, detail)
        })?;
        let left_us = session.ends_at_us.saturating_sub(self.ledger.clock().now().as_micros());
        Ok(self.cookie(headers, self.cookie_name(headers), &ticket, left_us))
    }

    /// A cookie that scripts cannot read and that other sites' requests do not carry, for a time; it is gone at once when that is none.
    pub(crate) fn cookie(&self, headers: &HeaderMap, name: &str, value: &str, left_us: i64) -> HeaderValue {
        let secure = if self.origin.is_https(headers) { "; Secure" } else { "" };
        let seconds = left_us.max(0) / 1_000_000;
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        HeaderValue::try_from(text).expect("base64 and names of our own")
    }

    fn cookie_name(&self, headers: &HeaderMap) -> &'static str {
        if self.origin.is_https(headers) { COOKIE_HTTPS } else { COOKIE_HTTP }
    }
}

/// The value of a request's cookie.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value)
}

/// An instant as answers have it.
fn instant(at_us: i64) -> Option<String> {
    Timestamp::from_micros(at_us).map(|at| at.to_string())
}
