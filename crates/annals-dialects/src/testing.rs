//! For tests of vendors: events, and what becomes of them on a wire and back.

use annals_event::filter::{Known, Subject};
use annals_event::json::{Document, Limits};
use annals_event::{Normalised, Position, Rules, Scratch, TenantId, Timestamp, normalise};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::list::{AS_OF, PAGE};
use crate::{Api, Given, List, Paging, Params, Refusal, Wrong};

const LIMITS: Limits = Limits { depth_max: 64 };

/// When all records of these tests were received.
const RECEIVED_AT: &str = "2026-11-21T12:00:00.500000Z";

/// The smallest event with these members, written as in JSON.
pub(crate) fn event_with(members: &str) -> String {
    format!(r#"{{"id":"e","actor":{{"id":"u"}},{members}}}"#)
}

/// An event as annals keeps it.
fn canonical(event: &str) -> Normalised {
    let (mut scratch, mut out) = (Scratch::default(), Normalised::default());
    normalise(event.as_bytes(), &Rules::default(), &mut scratch, &mut out)
        .unwrap_or_else(|rejection| panic!("{event}: {rejection:?}"));
    out
}

/// Shows the record of an event to `see`.
pub(crate) fn with_record<T>(event: &str, see: impl FnOnce(&Subject<'_>) -> T) -> T {
    let kept = canonical(event);
    let mut document = Document::default();
    let event = document.parse(kept.bytes(), LIMITS).unwrap();
    let received_at = Timestamp::parse(RECEIVED_AT).unwrap();
    let tenant = TenantId::new("acme").unwrap();
    let known = Known {
        occurred_at: kept.occurred_at().unwrap_or(received_at),
        received_at,
        operation: kept.operation(),
        position: Position(7),
        tenant: &tenant,
    };
    see(&Subject { event, known })
}

/// An event as an entry.
pub(crate) fn entry(api: &impl Api, event: &str) -> String {
    let mut out = Vec::new();
    with_record(event, |record| api.write_entry(record, &Params::default(), &mut out));
    String::from_utf8(out).unwrap()
}

/// What a query asks for.
pub(crate) fn read(api: &impl Api, query: &str) -> Result<List, Refusal> {
    api.read(Params::read_as(query, |said| api.parameter(said))?)
}

/// Every parameter of a list.
pub(crate) fn parameters<A: Api>() -> Vec<&'static str> {
    let form = A::FORM;
    let of_pages = match form.paging {
        Paging::Numbers => [PAGE, AS_OF, form.size],
        Paging::Cursor(cursor) => [cursor, cursor, form.size],
    };
    form.route.parameters.iter().map(|parameter| parameter.name).chain(of_pages).collect()
}

/// What is set of a vendor: values of settings by their names behind the vendor's.
pub(crate) fn configured<T>(
    vendor: &str,
    values: &[(&str, &str)],
    read: impl Fn(&Given<'_>) -> Result<T, Wrong>,
) -> Result<T, Wrong> {
    let given = |key: &str| {
        let values = values.iter().filter(|(name, _)| key == format!("dialects.{vendor}.{name}"));
        let texts: Vec<_> = values.map(|(_, value)| (*value).to_owned()).collect();
        (!texts.is_empty()).then_some(texts)
    };
    read(&Given::new(&given))
}

/// Whether a query finds an event.
pub(crate) fn finds(api: &impl Api, query: &str, event: &str) -> bool {
    let list = read(api, query).unwrap_or_else(|refusal| panic!("{query}: {refusal}"));
    with_record(event, |record| list.condition.holds(record))
}

/// An entry as an event, as a collector makes it.
pub(crate) fn collected(api: &impl Api, entry: &str) -> Result<String, Refusal> {
    let mut document = Document::default();
    let entry = document.parse(entry.as_bytes(), LIMITS).unwrap();
    let mut out = Vec::new();
    api.event(entry)?.write(&mut out);
    Ok(String::from_utf8(out).unwrap())
}

/// What the wire can carry stays: the event that an entry becomes is one that annals takes without a remark, and is shown as the
/// same entry.
pub(crate) fn keeps(api: &impl Api, event: &str) {
    let shown = entry(api, event);
    let back = collected(api, &shown).unwrap_or_else(|refusal| panic!("{shown}: {refusal}"));
    let kept = canonical(&back);
    assert!(kept.warnings().is_empty(), "{back}: {:?}", kept.warnings());
    assert_eq!(entry(api, &back), shown, "{event} became {back}");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "[0-9]{1,4}",
        "[A-Za-z0-9 ._~/:@\\-]{0,12}",
        "[äß€😀\"\\\\\u{1}]{1,3}",
        Just(String::new()),
    ]
}

/// JSON as it may stand in `changes`.
fn state() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,5}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object(members: &'static [&'static str]) -> impl Strategy<Value = Option<Value>> {
    prop::option::of(prop::collection::vec(prop::option::of(text()), members.len()).prop_map(|texts| {
        let given =
            members.iter().zip(texts).filter_map(|(name, text)| Some(((*name).to_owned(), json!(text?))));
        Value::Object(given.collect())
    }))
}

/// Events of any form. They have an id, an action that is not annals' own, and an actor with an id.
pub(crate) fn events() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "create",
        "read",
        "update",
        "delete",
        "access",
        "authentication",
        "snapshot",
        "other",
    ]);
    let micros = -62_167_219_200_000_000_i64..253_402_300_800_000_000;
    let recent = 1_700_000_000_000_000_i64..1_800_000_000_000_000;
    let at = prop::option::of(prop_oneof![4 => recent, 1 => micros])
        .prop_map(|micros| micros.and_then(Timestamp::from_micros).map(|at| at.to_string()));
    let actor = (
        text(),
        prop_oneof![Just("user".to_owned()), Just("system".to_owned()), text()],
        object(&["name", "email"]),
    );
    let what =
        ("[a-z]{1,6}[._][a-z]{1,6}", prop::option::of(words), object(&["category", "description", "reason"]));
    let targets = prop::collection::vec((text(), object(&["id", "name", "type"])), 0..3);
    let from =
        (object(&["ip", "user_agent", "application", "session_id"]), object(&["method", "path", "id"]));
    let rest = (
        object(&["team", "project"]),
        prop::option::of(state()),
        prop::option::of(state()),
        object(&["name", "version"]),
    );
    ("[a-zA-Z0-9._-]{1,12}", at, actor, what, targets, from, rest).prop_map(
        |(
            id,
            at,
            (actor_id, actor_type, named),
            (action, operation, more),
            targets,
            (context, request),
            rest,
        )| {
            let (scope, before, after, source) = rest;
            let mut event: Map<String, Value> =
                more.and_then(|more| more.as_object().cloned()).unwrap_or_default();
            event.insert("id".to_owned(), json!(id));
            event.insert("action".to_owned(), json!(action));
            let mut actor = named.and_then(|named| named.as_object().cloned()).unwrap_or_default();
            actor.insert("id".to_owned(), json!(if actor_id.is_empty() { "u" } else { &actor_id }));
            actor.insert("type".to_owned(), json!(actor_type));
            event.insert("actor".to_owned(), actor.into());
            let targets: Vec<Value> = targets
                .into_iter()
                .map(|(name, target)| {
                    let mut target =
                        target.and_then(|target| target.as_object().cloned()).unwrap_or_default();
                    target.entry("name").or_insert_with(|| json!(name));
                    target.into()
                })
                .collect();
            let changes: Map<String, Value> = [("before", before), ("after", after)]
                .into_iter()
                .filter_map(|(name, state)| Some((name.to_owned(), state?)))
                .collect();
            for (name, value) in [
                ("occurred_at", at.map(Value::from)),
                ("operation", operation.map(Value::from)),
                ("targets", Some(Value::from(targets))),
                ("context", context),
                ("request", request),
                ("scope", scope),
                ("source", source),
                ("changes", Some(changes.into())),
            ] {
                if let Some(value) = value {
                    event.insert(name.to_owned(), value);
                }
            }
            Value::Object(event).to_string()
        },
    )
}
