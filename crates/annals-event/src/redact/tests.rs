//! What rules take, which rules can be, and that an event stays one.

use proptest::prelude::*;

use super::*;
use crate::{Normalised, Rules, Scratch, normalise};

fn hash(bytes: &[u8]) -> [u8; 16] {
    let mut sum = [0; 16];
    bytes.iter().enumerate().for_each(|(at, byte)| sum[at % 16] ^= byte.rotate_left(3));
    sum
}

fn redaction(rules: &[(&str, Redact)]) -> Result<Redaction, RuleError> {
    let rules =
        rules.iter().map(|(pointer, redact)| Rule { pointer: (*pointer).to_owned(), redact: *redact });
    Redaction::new(rules.collect())
}

/// An event as it is kept under rules, and how many values they took.
fn kept(event: &[u8], redaction: &Redaction) -> (String, u64) {
    let (mut scratch, mut normalised) = (Scratch::default(), Normalised::default());
    normalise(event, &Rules::default(), &mut scratch, &mut normalised).unwrap();
    let mut out = Vec::new();
    let taken = redaction.apply(normalised.bytes(), &mut Document::default(), &hash, &mut out);
    normalise(&out, &Rules::default(), &mut scratch, &mut normalised).unwrap();
    (String::from_utf8(normalised.bytes().to_vec()).unwrap(), taken)
}

#[track_caller]
fn check(event: &str, rules: &[(&str, Redact)], expected: (&str, u64)) {
    let (kept, taken) = kept(event.as_bytes(), &redaction(rules).unwrap());
    assert_eq!((kept.as_str(), taken), expected);
}

#[test]
fn a_rule_takes_what_it_names_and_nothing_else() {
    let event =
        r#"{"action":"a","actor":{"id":"u","name":"N"},"metadata":{"a/b":1,"list":[1,{"k":"v"}],"n":null}}"#;
    check(
        event,
        &[("/actor/name", Redact::Drop)],
        (r#"{"action":"a","actor":{"id":"u"},"metadata":{"a/b":1,"list":[1,{"k":"v"}],"n":null}}"#, 1),
    );
    check(
        event,
        &[("/metadata/a~1b", Redact::Mask), ("/metadata/absent", Redact::Mask)],
        (
            r#"{"action":"a","actor":{"id":"u","name":"N"},"metadata":{"a/b":"***","list":[1,{"k":"v"}],"n":null}}"#,
            1,
        ),
    );
    check(event, &[("/metadata/*", Redact::Drop)], (r#"{"action":"a","actor":{"id":"u","name":"N"}}"#, 3));
    check(
        event,
        &[("/metadata/list/*/k", Redact::Mask)],
        (
            r#"{"action":"a","actor":{"id":"u","name":"N"},"metadata":{"a/b":1,"list":[1,{"k":"***"}],"n":null}}"#,
            1,
        ),
    );
}

#[test]
fn a_hash_is_of_the_value_and_the_same_wherever_it_stands() {
    let event = r#"{"action":"a","actor":{"email":"é","id":"u"},"metadata":{"again":"\u00e9","n":1.50}}"#;
    let rules = [("/actor/email", Redact::Hash), ("/metadata/*", Redact::Hash)];
    let (kept, taken) = kept(event.as_bytes(), &redaction(&rules).unwrap());
    let event: serde_json::Value = serde_json::from_str(&kept).unwrap();
    assert_eq!(taken, 3);
    assert_eq!(event["actor"]["email"], event["metadata"]["again"]);
    let hex: String = hash(b"1.50").iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(event["metadata"]["n"], format!("hash:{hex}"));
}

#[test]
fn a_target_of_which_nothing_is_left_goes_as_a_whole() {
    let event = r#"{"action":"a","actor":{"id":"u"},"targets":[{"name":"x"},{"id":"t","name":"y"}]}"#;
    check(
        event,
        &[("/targets/*/name", Redact::Drop)],
        (r#"{"action":"a","actor":{"id":"u"},"targets":[{"id":"t"}]}"#, 2),
    );
    check(
        event,
        &[("/targets/*/name", Redact::Drop), ("/targets/*/id", Redact::Drop)],
        (r#"{"action":"a","actor":{"id":"u"}}"#, 3),
    );
}

#[test]
fn a_target_that_is_left_with_empty_metadata_goes_too() {
    let event =
        r#"{"action":"a","actor":{"id":"u"},"targets":[{"id":"t"},{"metadata":{"p":"x","q":{"p":"y"}}}]}"#;
    let rules = [("/targets/*/metadata/p", Redact::Drop), ("/targets/*/metadata/q/p", Redact::Drop)];
    check(event, &rules, (r#"{"action":"a","actor":{"id":"u"},"targets":[{"id":"t"}]}"#, 2));
}

#[test]
fn of_two_rules_for_one_value_the_first_counts() {
    let event = r#"{"action":"a","actor":{"id":"u"},"metadata":{"k":"v"}}"#;
    let named = ("/metadata/k", Redact::Mask);
    let every = ("/metadata/*", Redact::Drop);
    check(event, &[named, every], (r#"{"action":"a","actor":{"id":"u"},"metadata":{"k":"***"}}"#, 1));
    check(event, &[every, named], (r#"{"action":"a","actor":{"id":"u"}}"#, 1));
}

#[test]
fn rules_that_cannot_be_are_refused_and_say_why() {
    for (pointer, redact, part) in [
        ("", Redact::Drop, "starts with `/`"),
        ("actor", Redact::Drop, "starts with `/`"),
        ("/metadata/~2", Redact::Drop, "`~0`"),
        ("/id", Redact::Hash, "goes by"),
        ("/tenant", Redact::Drop, "goes by"),
        ("/action", Redact::Mask, "goes by"),
        ("/occurred_at", Redact::Drop, "goes by"),
        ("/operation", Redact::Drop, "goes by"),
        ("/source", Redact::Drop, "goes by"),
        ("/source/seq", Redact::Drop, "goes by"),
        ("/outcome/result", Redact::Mask, "goes by"),
        ("/position", Redact::Drop, "goes by"),
        ("/actor", Redact::Drop, "needs its `actor`"),
        ("/actor/id", Redact::Drop, "mask or hash"),
        ("/actor/type", Redact::Drop, "mask or hash"),
        ("/actor/*", Redact::Mask, "name this member"),
        ("/*", Redact::Drop, "name this member"),
        ("/context", Redact::Mask, "drop it"),
        ("/metadata", Redact::Hash, "drop it"),
        ("/targets", Redact::Mask, "drop it"),
        ("/targets/*", Redact::Drop, "name a member"),
        ("/targets/0/id", Redact::Drop, "named by `*`"),
        ("/request/status_code", Redact::Mask, "only be dropped"),
        ("/changes/complete", Redact::Hash, "only be dropped"),
    ] {
        let error = redaction(&[("/reason", Redact::Drop), (pointer, redact)]).unwrap_err();
        assert_eq!(error.index, 1, "{pointer}");
        assert!(error.problem.contains(part), "{pointer}: {}", error.problem);
    }
    let twice = redaction(&[("/reason", Redact::Drop), ("/reason", Redact::Mask)]).unwrap_err();
    assert_eq!(twice.to_string(), "`/reason` has a rule already");
    let long = format!("/metadata/{}", "x".repeat(RULE_POINTER_BYTES_MAX));
    assert!(redaction(&[(&long, Redact::Drop)]).unwrap_err().problem.contains("at most"));
    let many: Vec<String> = (0..=RULES_MAX).map(|n| format!("/metadata/{n}")).collect();
    let many: Vec<_> = many.iter().map(|pointer| (pointer.as_str(), Redact::Drop)).collect();
    assert_eq!(redaction(&many).unwrap_err().index, RULES_MAX);
    assert_eq!(redaction(&many[..RULES_MAX]).unwrap().rules().len(), RULES_MAX);
}

/// Any JSON, a little of it.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        "\\PC{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map("[ab/~]{1,2}", inner, 0..3)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// The same with a type or an id, without which it is none.
fn saying(mut value: serde_json::Value) -> serde_json::Value {
    let says = |name: &str| value[name].as_str().is_some_and(|text| !text.is_empty());
    if !says("id") && !says("type") {
        value["type"] = "t".into();
    }
    value
}

/// An object of the model with some of its members, whatever they may be.
fn any_object(members: &'static [Member]) -> BoxedStrategy<serde_json::Value> {
    let member = |member: &'static Member| {
        let value: BoxedStrategy<serde_json::Value> = match member.kind {
            MemberKind::Text | MemberKind::SourceName | MemberKind::SourceInstance => {
                "\\PC{0,5}".prop_map(Into::into).boxed()
            }
            MemberKind::Id | MemberKind::Action => "[a-z]{1,5}".prop_map(Into::into).boxed(),
            MemberKind::Bool => any::<bool>().prop_map(Into::into).boxed(),
            MemberKind::StatusCode => (0..999_u64).prop_map(Into::into).boxed(),
            MemberKind::SourceSeq => any::<u64>().prop_map(Into::into).boxed(),
            MemberKind::Result => Just("denied".into()).boxed(),
            MemberKind::Operation => Just("read".into()).boxed(),
            MemberKind::Time => Just("2026-01-02T03:04:05Z".into()).boxed(),
            MemberKind::Object(inner) => any_object(inner),
            MemberKind::Actor(inner) => any_object(inner).prop_map(saying).boxed(),
            MemberKind::Targets(inner) | MemberKind::Chain(inner) => {
                let item = (any_object(inner), any::<bool>()).prop_map(|(item, says)| {
                    if says || item == serde_json::json!({}) { saying(item) } else { item }
                });
                prop::collection::vec(item, 0..3).prop_map(Into::into).boxed()
            }
            MemberKind::State => any_json().boxed(),
            MemberKind::Free => prop::collection::btree_map("[ab/~]{1,2}", any_json(), 0..3)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into())
                .boxed(),
            MemberKind::Tenant | MemberKind::Reserved => Just(serde_json::Value::Null).boxed(),
        };
        let is_needed = matches!(member.kind, MemberKind::Action | MemberKind::Actor(_));
        (prop::bool::weighted(if is_needed { 1.0 } else { 0.5 }), value)
            .prop_map(|(there, value)| there.then(|| (member.name.to_owned(), value)))
            .boxed()
    };
    let all: Vec<_> = members
        .iter()
        .filter(|member| !matches!(member.kind, MemberKind::Tenant | MemberKind::Reserved))
        .map(member)
        .collect();
    all.prop_map(|members| members.into_iter().flatten().collect::<serde_json::Map<_, _>>().into()).boxed()
}

/// A place of the model, or below it.
fn any_pointer() -> impl Strategy<Value = String> {
    let names: Vec<&str> = [model::EVENT, model::ACTOR, model::TARGET, model::CONTEXT, model::CHANGES]
        .into_iter()
        .flatten()
        .map(|member| member.name)
        .chain(["*", "a", "b", "0", "~1"])
        .collect();
    prop::collection::vec(prop::sample::select(names), 1..5)
        .prop_map(|steps| steps.iter().map(|step| format!("/{step}")).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn an_event_stays_one_under_any_rules(
        event in any_object(model::EVENT),
        pointers in prop::collection::vec((any_pointer(), 0..3_usize), 1..40),
    ) {
        let rules: Vec<Rule> = pointers
            .into_iter()
            .map(|(pointer, redact)| Rule { pointer, redact: [Redact::Drop, Redact::Mask, Redact::Hash][redact] })
            .filter(|rule| Redaction::new(vec![rule.clone()]).is_ok())
            .collect();
        let mut unique: Vec<Rule> = Vec::new();
        for rule in rules {
            if !unique.iter().any(|known| known.pointer == rule.pointer) {
                unique.push(rule);
            }
        }
        let redaction = Redaction::new(unique).unwrap();
        let event = serde_json::to_vec(&event).unwrap();
        let (mut scratch, mut normalised) = (Scratch::default(), Normalised::default());
        prop_assume!(normalise(&event, &Rules::default(), &mut scratch, &mut normalised).is_ok());
        let before = String::from_utf8(normalised.bytes().to_vec()).unwrap();
        let (after, taken) = kept(&event, &redaction);
        if taken == 0 {
            prop_assert_eq!(before, after);
        }
    }
}
