//! One event as the demo's authors fill it in, and its JSON.

use super::json::{Json, push_hex};
use super::people::{Desk, Person};

/// An event before it is text. Empty text and empty slices are left out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Event<'a> {
    pub(super) action: &'a str,
    pub(super) operation: &'a str,
    pub(super) category: &'a str,
    pub(super) severity: &'a str,
    pub(super) description: &'a str,
    pub(super) reason: &'a str,
    pub(super) actor: Actor<'a>,
    /// On whose behalf, outermost first.
    pub(super) chain: &'a [Actor<'a>],
    pub(super) targets: &'a [Target<'a>],
    pub(super) context: Context<'a>,
    pub(super) request: Option<Request<'a>>,
    /// Trace id (two words) and span id.
    pub(super) trace: Option<[u64; 3]>,
    pub(super) outcome: Outcome<'a>,
    pub(super) changes: Changes<'a>,
    /// Team and project.
    pub(super) scope: (&'a str, &'a str),
    /// A JSON object, whole.
    pub(super) metadata: &'a str,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Actor<'a> {
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) email: &'a str,
    /// Type and id of what proved who they are.
    pub(super) credential: (&'a str, &'a str),
}

impl<'a> Actor<'a> {
    pub(super) fn user(person: &'a Person) -> Actor<'a> {
        Actor { kind: "user", id: &person.id, name: &person.name, email: &person.email, credential: ("", "") }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Target<'a> {
    pub(super) kind: &'a str,
    pub(super) id: &'a str,
    pub(super) name: &'a str,
}

impl<'a> Target<'a> {
    pub(super) fn user(person: &'a Person) -> Target<'a> {
        Target { kind: "user", id: &person.id, name: &person.name }
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Context<'a> {
    pub(super) ip: &'a str,
    pub(super) user_agent: &'a str,
    pub(super) session: Option<u64>,
    pub(super) location: &'a str,
    pub(super) application: &'a str,
}

impl<'a> Context<'a> {
    pub(super) fn at(desk: &'a Desk) -> Context<'a> {
        Context {
            ip: &desk.ip,
            user_agent: desk.user_agent,
            session: None,
            location: desk.location,
            application: desk.application,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) id: u64,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) status_code: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Outcome<'a> {
    #[default]
    Success,
    Failure(&'a str),
    Denied(&'a str),
}

/// Members before and after; a value that reads like JSON's numbers, lists or `true` is written as such.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Changes<'a> {
    pub(super) before: &'a [(&'a str, &'a str)],
    pub(super) after: &'a [(&'a str, &'a str)],
    pub(super) complete: bool,
}

/// How a tenant's clients name their events.
#[derive(Clone, Copy, Debug)]
pub(super) enum IdStyle {
    /// `0199d3c0-55aa-7…`: a UUIDv7.
    Uuid,
    /// `evt_01K…`: a ULID with a prefix.
    Ulid,
}

impl Event<'_> {
    /// The event as a JSON object that is left open, for the story to add its `source` and close it.
    /// `buffer` is written over.
    pub(super) fn write(&self, at_us: i64, id: &str, buffer: Vec<u8>) -> Json {
        let mut json = Json::object(buffer);
        json.text("id", id);
        json.instant("occurred_at", at_us);
        json.text("action", self.action);
        json.text_if("operation", self.operation);
        json.text_if("category", self.category);
        json.text_if("severity", self.severity);
        json.text_if("description", self.description);
        json.text_if("reason", self.reason);
        self.write_actor(&mut json);
        self.write_targets(&mut json);
        self.write_context(&mut json);
        self.write_request(&mut json);
        self.write_outcome(&mut json);
        self.write_changes(&mut json);
        if !self.scope.0.is_empty() {
            json.open("scope");
            json.text("team", self.scope.0);
            json.text_if("project", self.scope.1);
            json.close();
        }
        if !self.metadata.is_empty() {
            json.raw("metadata", self.metadata);
        }
        json
    }

    fn write_actor(&self, json: &mut Json) {
        json.open("actor");
        self.actor.write_members(json);
        if !self.chain.is_empty() {
            json.open_list("chain");
            for link in self.chain {
                json.open_item();
                link.write_members(json);
                json.close();
            }
            json.close_list();
        }
        json.close();
    }

    fn write_targets(&self, json: &mut Json) {
        if self.targets.is_empty() {
            return;
        }
        json.open_list("targets");
        for target in self.targets {
            json.open_item();
            json.text("type", target.kind);
            json.text("id", target.id);
            json.text_if("name", target.name);
            json.close();
        }
        json.close_list();
    }

    fn write_context(&self, json: &mut Json) {
        let context = &self.context;
        if context.ip.is_empty() && context.application.is_empty() {
            return;
        }
        json.open("context");
        json.text_if("ip", context.ip);
        json.text_if("user_agent", context.user_agent);
        if let Some(session) = context.session {
            json.hex("session_id", "ses_", &[session]);
        }
        json.text_if("location", context.location);
        json.text_if("application", context.application);
        json.close();
    }

    fn write_request(&self, json: &mut Json) {
        if let Some(request) = &self.request {
            json.open("request");
            json.hex("id", "req_", &[request.id]);
            json.text("method", request.method);
            json.text("path", request.path);
            json.integer("status_code", request.status_code);
            json.close();
        }
        if let Some([high, low, span]) = self.trace {
            json.open("trace");
            json.hex("trace_id", "", &[high, low]);
            json.hex("span_id", "", &[span]);
            json.close();
        }
    }

    fn write_outcome(&self, json: &mut Json) {
        let (result, reason) = match self.outcome {
            Outcome::Success => ("success", ""),
            Outcome::Failure(reason) => ("failure", reason),
            Outcome::Denied(reason) => ("denied", reason),
        };
        json.open("outcome");
        json.text("result", result);
        json.text_if("reason", reason);
        json.close();
    }

    fn write_changes(&self, json: &mut Json) {
        let Changes { before, after, complete } = self.changes;
        if before.is_empty() && after.is_empty() {
            return;
        }
        json.open("changes");
        for (side, members) in [("before", before), ("after", after)] {
            json.open(side);
            for (key, value) in members {
                json.plain(key, value);
            }
            json.close();
        }
        if complete {
            json.flag("complete", true);
        }
        json.close();
    }
}

impl Actor<'_> {
    fn write_members(&self, json: &mut Json) {
        json.text("type", self.kind);
        json.text_if("id", self.id);
        json.text_if("name", self.name);
        json.text_if("email", self.email);
        let (kind, id) = self.credential;
        if !kind.is_empty() {
            json.open("credential");
            json.text("type", kind);
            json.text_if("id", id);
            json.close();
        }
    }
}

/// An event id of the tenant's style. It holds the millisecond and 74 (UUID) or 80 (ULID) of the random bits.
pub(super) fn event_id(style: IdStyle, at_us: i64, random: [u64; 2]) -> String {
    let ms = at_us.unsigned_abs() / 1000;
    let bytes = match style {
        IdStyle::Uuid => uuid_v7(ms, random),
        IdStyle::Ulid => ulid(ms, random),
    };
    String::from_utf8(bytes).expect("ids are ASCII")
}

fn uuid_v7(ms: u64, random: [u64; 2]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(36);
    push_hex(&mut digits, (ms << 16) | 0x7000 | (random[0] >> 52));
    push_hex(&mut digits, (random[1] >> 2) | (1 << 63));
    for dash in [8, 13, 18, 23] {
        digits.insert(dash, b'-');
    }
    digits
}

fn ulid(ms: u64, random: [u64; 2]) -> Vec<u8> {
    const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let bits = (u128::from(ms) << 80) | (u128::from(random[0] >> 48) << 64) | u128::from(random[1]);
    let mut text = b"evt_".to_vec();
    text.extend(
        (0..26_u32).rev().map(|place| CROCKFORD[usize::from((bits >> (place * 5)).to_le_bytes()[0] & 31)]),
    );
    text
}
