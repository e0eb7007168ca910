//! Who is in the events of a round, what is to become of them, and what must become of each event.

use serde_json::{Value, json};

use crate::api::{self, Ingested};
use crate::fault::{Result, While, require};
use crate::http::Client;
use crate::rng::Rng;

/// Tenants that the events are spread over.
pub(super) const TENANTS: [&str; 3] = ["acme", "birch", "cedar"];

/// Events of one request.
const REQUEST_EVENTS: usize = 60;

/// Letters of a mark behind its first two: enough that no other bytes are one by chance.
const MARK_LETTERS: u64 = 16;

/// What is to become of somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// A case that two keys approve.
    Erased,
    /// As that, but a hold keeps some of the records.
    HeldInPart,
    /// All records are held.
    Held,
    /// A case that is withdrawn.
    Withdrawn,
    /// A case that one key approves, where two must.
    Unapproved,
    /// Nothing.
    Untouched,
}

/// One of each kind in each tenant.
const FATES: [Fate; 6] =
    [Fate::Erased, Fate::HeldInPart, Fate::Held, Fate::Withdrawn, Fate::Unapproved, Fate::Untouched];

/// Somebody.
#[derive(Debug)]
pub(super) struct Subject {
    /// Whose records speak of them.
    pub(super) tenant: &'static str,
    /// What stands for them: a word that stands nowhere else.
    pub(super) mark: String,
    /// In `metadata.group` of their records, for holds.
    pub(super) group: String,
    /// What is to become of them.
    pub(super) fate: Fate,
}

impl Subject {
    /// Values that name them.
    pub(super) fn values(&self) -> Value {
        json!([self.mark, format!("{}@example.com", self.mark)])
    }

    /// What holds their records.
    pub(super) fn held_by(&self) -> Option<String> {
        match self.fate {
            Fate::Held => Some(format!("metadata.group eq \"{}\"", self.group)),
            Fate::HeldInPart => {
                Some(format!("metadata.group eq \"{}\" and action eq \"{}\"", self.group, ACTIONS[0]))
            }
            _ => None,
        }
    }

    /// Whether records of them are erased.
    pub(super) fn is_to_go(&self) -> bool {
        matches!(self.fate, Fate::Erased | Fate::HeldInPart)
    }
}

/// What happens; of the last one records expire.
const ACTIONS: [&str; 3] = ["document.read", "document.update", EXPIRING];

/// Records of this action are kept for an hour.
pub(super) const EXPIRING: &str = "temp.note";

/// What a verifier must say of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Intact,
    Erased,
    Expired,
}

impl Verdict {
    /// As verifiers say it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Intact => "intact",
            Self::Erased => "erased",
            Self::Expired => "expired",
        }
    }
}

/// An event that was sent.
#[derive(Debug)]
pub(super) struct Event {
    /// Whose.
    pub(super) tenant: &'static str,
    /// As it was sent.
    text: String,
    /// Where it is.
    pub(super) position: u64,
    /// Its id, of one that expires a mark of its own.
    pub(super) id: String,
    subject: usize,
    is_held: bool,
    expires: bool,
}

/// All of a round.
#[derive(Debug)]
pub(super) struct People {
    pub(super) subjects: Vec<Subject>,
    pub(super) events: Vec<Event>,
}

impl People {
    /// Somebody of each kind in each tenant, and so many events.
    pub(super) fn new(rng: &mut Rng, events: usize) -> Self {
        let mut subjects = Vec::new();
        for tenant in TENANTS {
            for fate in FATES {
                let group = format!("g{}", subjects.len());
                subjects.push(Subject { tenant, mark: mark(rng, "zq"), group, fate });
            }
        }
        // Everybody is in events of every action.
        let events = (0..events.max(subjects.len() * ACTIONS.len()))
            .map(|n| {
                let subject = n % subjects.len();
                event(rng, n, subject, &subjects[subject], ACTIONS[n / subjects.len() % ACTIONS.len()])
            })
            .collect();
        Self { subjects, events }
    }

    /// Sends all events; learns where they are.
    pub(super) fn send(&mut self, client: &mut Client) -> Result<()> {
        for events in self.events.chunks_mut(REQUEST_EVENTS) {
            let answer = post(client, events)?;
            for (event, item) in events.iter_mut().zip(answer.results) {
                require!(item.status == "created", "an event was not stored: {item:?}");
                event.position = item.position.ok_or("an event without a position")?;
            }
        }
        Ok(())
    }

    /// Sends all events once more: each is known, also what was erased of or has expired.
    pub(super) fn send_again(&mut self, client: &mut Client) -> Result<()> {
        for events in self.events.chunks(REQUEST_EVENTS) {
            for (event, item) in events.iter().zip(post(client, events)?.results) {
                let is_known = item.status == "duplicate" || item.status == "rejected";
                require!(is_known, "an event that was sent again is {}: {}", item.status, event.text);
                let at = item.position.unwrap_or(event.position);
                require!(at == event.position, "an event was at {}, and now is at {at}", event.position);
            }
        }
        Ok(())
    }

    /// What must be said of a record once cases and rules are carried out.
    pub(super) fn verdict(&self, event: &Event) -> Verdict {
        match event {
            Event { is_held: true, .. } => Verdict::Intact,
            Event { expires: true, .. } => Verdict::Expired,
            _ if self.subjects[event.subject].is_to_go() => Verdict::Erased,
            _ => Verdict::Intact,
        }
    }

    /// Marks that must be nowhere once cases are carried out, and with `expired` those that must be nowhere once rules are, too.
    pub(super) fn gone(&self, expired: bool) -> Vec<&str> {
        let erased = self.subjects.iter().filter(|subject| subject.fate == Fate::Erased);
        let erased = erased.map(|subject| subject.mark.as_str());
        let expired = self.events.iter().filter(|event| expired && event.expires && !event.is_held);
        erased.chain(expired.map(|event| event.id.as_str())).collect()
    }

    /// All marks.
    pub(super) fn marks(&self) -> Vec<&str> {
        let ids = self.events.iter().filter(|event| event.expires).map(|event| event.id.as_str());
        self.subjects.iter().map(|subject| subject.mark.as_str()).chain(ids).collect()
    }
}

/// A word of letters that stands nowhere else.
fn mark(rng: &mut Rng, begin: &str) -> String {
    let letter = |rng: &mut Rng| char::from(b'a' + u8::try_from(rng.below(26)).expect("below 26"));
    begin.chars().chain((0..MARK_LETTERS).map(|_| letter(rng))).collect()
}

/// An event that speaks of somebody in some of all places where one can.
fn event(rng: &mut Rng, n: usize, index: usize, subject: &Subject, action: &str) -> Event {
    let expires = action == EXPIRING;
    let id = if expires { mark(rng, "zi") } else { format!("e{n}-{}", rng.below(1 << 30)) };
    let who = if rng.one_in(4) { subject.mark.to_uppercase() } else { subject.mark.clone() };
    let mut event = json!({
        "id": id, "tenant": subject.tenant, "action": action,
        "actor": {"type": "user", "id": format!("usr_{}", rng.below(9))},
        "targets": [{"type": "document", "id": format!("doc_{}", rng.below(200))}],
        "description": format!("number {n} of the day"),
        "metadata": {"group": subject.group, "bytes": rng.below(1 << 40)},
    });
    if expires {
        event["metadata"]["note"] = json!(format!("kept for an hour: {id}"));
    }
    let always = rng.below(PLACES);
    for place in 0..PLACES {
        if place == always || rng.one_in(4) {
            put(&mut event, place, &who);
        }
    }
    let is_held = match subject.fate {
        Fate::Held => true,
        Fate::HeldInPart => action == ACTIONS[0],
        _ => false,
    };
    Event {
        tenant: subject.tenant,
        text: event.to_string(),
        position: 0,
        id,
        subject: index,
        is_held,
        expires,
    }
}

/// How many places [`put`] knows.
const PLACES: u64 = 11;

fn put(event: &mut Value, place: u64, who: &str) {
    match place {
        0 => {
            event["actor"] = json!({"type": "user", "id": who, "email": format!("{who}@example.com")});
            event["context"] = json!({"ip": "203.0.113.9", "session_id": format!("s-{who}")});
        }
        1 => event["targets"][0] = json!({"type": "user", "id": who, "name": format!("Zoë {who}")}),
        2 => event["metadata"]["invited_by"] = json!(who),
        3 => event["metadata"]["deep"] = json!({"er": {"owner": who, "n": 1.50}}),
        4 => event["metadata"]["list"] = json!([["x"], [who, {"by": who}]]),
        5 => event["changes"] = json!({"before": {"owner": who, "n": 1}, "after": {"owner": "nobody"}}),
        6 => event["description"] = json!(format!("asked by {who}, at once")),
        7 => event["reason"] = json!(format!("“{who}” wants it")),
        8 => event["x_note"] = json!({"from": who}),
        9 => event["metadata"]["seen"] = json!({who: true}),
        _ => event["actor"]["chain"] = json!([{"type": "user", "id": who}]),
    }
}

fn post(client: &mut Client, events: &[Event]) -> Result<Ingested> {
    let lines: Vec<&str> = events.iter().map(|event| event.text.as_str()).collect();
    let headers = [("content-type", "application/x-ndjson")];
    let body = lines.join("\n").into_bytes();
    let answer = client.request("POST", "/v1/events", &headers, &body).while_doing("POST /v1/events")?;
    api::json("POST /v1/events", &answer)
}
