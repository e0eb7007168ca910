//! The members an event may have, as a table: what [`normalise`](crate::normalise) checks and what
//! `docs/reference/event.md` lists.

use std::cmp::Ordering;

use crate::json::name_prefix;

/// One known member of an object of the model.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: MemberKind,
    /// The name's first bytes as a number that sorts as names do.
    pub(crate) prefix: u64,
}

impl Member {
    /// Compares this member's name with `name`, whose prefix is given, in canonical order.
    #[inline]
    pub(crate) fn compare(&self, prefix: u64, name: &str) -> Ordering {
        self.prefix.cmp(&prefix).then_with(|| {
            if self.name.len() <= 8 && name.len() <= 8 {
                // Same bytes up to the shorter one's end; what the longer one adds is zero-filled away.
                self.name.len().cmp(&name.len())
            } else {
                self.name.cmp(name)
            }
        })
    }
}

/// What a known member may hold. Except where said, `null`, `{}` and `[]` are absence.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum MemberKind {
    /// A string, the empty one too.
    Text,
    /// `true` or `false`.
    Bool,
    /// `id`: an event id.
    Id,
    /// `tenant`: a tenant id, taken out of the bytes.
    Tenant,
    /// `action`: 1 to 256 bytes, not starting with `annals.`.
    Action,
    /// `operation`: one of eight words.
    Operation,
    /// `occurred_at`: an instant.
    Time,
    /// `outcome.result`: one of four words.
    Result,
    /// `request.status_code`: an integer from 0 to 999.
    StatusCode,
    /// `source.name`, a text.
    SourceName,
    /// `source.instance`, a text.
    SourceInstance,
    /// `source.seq`: an integer from 0 to 2^64 - 1.
    SourceSeq,
    /// An object of the model.
    Object(&'static [Member]),
    /// `actor`: an object of the model with a `type` or an `id` that is not empty.
    Actor(&'static [Member]),
    /// `targets`: an array of objects of the model.
    Targets(&'static [Member]),
    /// `actor.chain`: an array of objects of the model, at most [`Rules::chain_max`](crate::Rules::chain_max).
    Chain(&'static [Member]),
    /// An object whose members are the client's: everything inside is kept, nulls and digits included.
    Free,
    /// `changes.before` and `changes.after`: any value, kept as sent, `null`, `{}` and scalars included.
    State,
    /// A name annals adds when an event is read back; refused whatever it holds.
    Reserved,
}

use MemberKind as K;

const fn m(name: &'static str, kind: MemberKind) -> Member {
    Member { name, kind, prefix: name_prefix(name.as_bytes()) }
}

/// The event itself. As all tables here, in the order of the names.
pub const EVENT: &[Member] = &[
    m("action", K::Action),
    m("actor", K::Actor(ACTOR)),
    m("category", K::Text),
    m("changes", K::Object(CHANGES)),
    m("context", K::Object(CONTEXT)),
    m("derived", K::Reserved),
    m("description", K::Text),
    m("id", K::Id),
    m("kind", K::Reserved),
    m("leaf", K::Reserved),
    m("ledger_seq", K::Reserved),
    m("metadata", K::Free),
    m("occurred_at", K::Time),
    m("operation", K::Operation),
    m("outcome", K::Object(OUTCOME)),
    m("position", K::Reserved),
    m("reason", K::Text),
    m("received_at", K::Reserved),
    m("request", K::Object(REQUEST)),
    m("scope", K::Object(SCOPE)),
    m("severity", K::Text),
    m("source", K::Object(SOURCE)),
    m("targets", K::Targets(TARGET)),
    m("tenant", K::Tenant),
    m("trace", K::Object(TRACE)),
];

/// `actor`: who did it.
pub const ACTOR: &[Member] = &[
    m("chain", K::Chain(CHAIN_LINK)),
    m("credential", K::Object(CREDENTIAL)),
    m("email", K::Text),
    m("id", K::Text),
    m("metadata", K::Free),
    m("name", K::Text),
    m("type", K::Text),
];

/// A link of `actor.chain`: on whose behalf, outermost first.
pub const CHAIN_LINK: &[Member] = &[m("id", K::Text), m("name", K::Text), m("type", K::Text)];

/// `actor.credential`: what the actor showed.
pub const CREDENTIAL: &[Member] = &[m("id", K::Text), m("type", K::Text)];

/// An element of `targets`: what it was done to.
pub const TARGET: &[Member] =
    &[m("id", K::Text), m("metadata", K::Free), m("name", K::Text), m("type", K::Text)];

/// `context`: from where.
pub const CONTEXT: &[Member] = &[
    m("application", K::Text),
    m("ip", K::Text),
    m("location", K::Text),
    m("session_id", K::Text),
    m("user_agent", K::Text),
];

/// `request`: the call that did it.
pub const REQUEST: &[Member] =
    &[m("id", K::Text), m("method", K::Text), m("path", K::Text), m("status_code", K::StatusCode)];

/// `trace`: distributed tracing ids.
pub const TRACE: &[Member] = &[m("span_id", K::Text), m("trace_id", K::Text)];

/// `outcome`: how it ended.
pub const OUTCOME: &[Member] = &[m("reason", K::Text), m("result", K::Result)];

/// `changes`: what it changed.
pub const CHANGES: &[Member] = &[m("after", K::State), m("before", K::State), m("complete", K::Bool)];

/// `scope`: where in the customer's own structure.
pub const SCOPE: &[Member] = &[m("project", K::Text), m("team", K::Text)];

/// `source`: which program reported it.
pub const SOURCE: &[Member] = &[
    m("instance", K::SourceInstance),
    m("name", K::SourceName),
    m("seq", K::SourceSeq),
    m("version", K::Text),
];

/// The words of `outcome.result`.
pub const OUTCOME_RESULTS: [&str; 4] = ["success", "failure", "denied", "unknown"];

/// Longest `action` in bytes.
pub const ACTION_BYTES_MAX: usize = 256;

/// Actions that start so are annals' own.
pub const ACTION_PREFIX_RESERVED: &str = "annals.";

/// Largest `request.status_code`.
pub const STATUS_CODE_MAX: u64 = 999;

/// Longest name, in bytes, of a member the model does not know, outside `metadata` and `changes.*`.
/// It becomes part of a unit's name, whose length has 16 bits.
pub const UNKNOWN_NAME_BYTES_MAX: usize = 1024;
