//! What must hold for every condition and every event, asked of generated ones.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::cmp::Ordering;
use std::net::IpAddr;

use annals_event::filter::*;
use annals_event::json::{Document, Limits};
use annals_event::{Operation, Position, TenantId, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

/// Few enough that questions find something, odd enough to go wrong.
const TEXTS: &[&str] = &[
    "a",
    "b",
    "A",
    "ab",
    "ba",
    "video.update",
    "VIDEO updated",
    "straße",
    "ação – b",
    "AÇÃO",
    "Şule e\u{301}a",
    "STRASSE",
    "\"q\"",
    "a\\b",
    "k",
    "\u{212a}",
    "",
    "東京 a",
    "10.0.0.1",
    "::ffff:10.0.0.9",
    "x\ny\u{1}",
    "e\u{301}",
    "É",
    "true",
    "5",
    "u1 a b",
    "B A",
];
const NUMBERS: &[&str] =
    &["0", "-0", "1", "1.0", "5", "-1", "2.5", "250e-2", "9007199254740992", "9007199254740993", "200"];
const NAMES: &[&str] = &["a", "id", "type", "odd.key", "and", "name"];
const PATHS: &[&[&str]] = &[
    &["action"],
    &["actor"],
    &["actor", "id"],
    &["actor", "chain", "type"],
    &["actor", "chain"],
    &["targets", "id"],
    &["targets", "metadata", "a"],
    &["targets"],
    &["metadata", "a"],
    &["metadata", "a", "id"],
    &["metadata", "odd.key"],
    &["changes", "before"],
    &["changes", "complete"],
    &["context", "ip"],
    &["request", "status_code"],
    &["zone"],
    &["nothing"],
];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![9 => select(TEXTS).prop_map(str::to_owned), 1 => any::<String>()]
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn value() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        4 => text().prop_map(|text| json(&text)),
        2 => select(NUMBERS).prop_map(str::to_owned),
        1 => any::<bool>().prop_map(|truth| truth.to_string()),
        1 => Just("null".to_owned()),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            vec((select(NAMES), inner), 0..3).prop_map(object),
        ]
    })
}

fn object(members: Vec<(&'static str, String)>) -> String {
    let mut seen = std::collections::BTreeMap::new();
    for (name, value) in members {
        seen.entry(name).or_insert(value);
    }
    let members: Vec<String> =
        seen.into_iter().map(|(name, value)| format!("{}:{value}", json(name))).collect();
    format!("{{{}}}", members.join(","))
}

/// Canonical bytes of something like an event: members of the model hold what they may, and more.
fn event() -> impl Strategy<Value = Vec<u8>> {
    let element = || vec((select(&["id", "type", "name", "metadata"][..]), value()), 0..4).prop_map(object);
    let array = move || vec(element(), 0..3).prop_map(|items| format!("[{}]", items.join(",")));
    let quoted = || text().prop_map(|text| json(&text));
    let actor = (quoted(), array()).prop_map(|(id, chain)| format!(r#"{{"id":{id},"chain":{chain}}}"#));
    (
        (quoted(), actor, array(), value()),
        (value(), any::<bool>(), quoted(), select(NUMBERS), value()),
    )
        .prop_map(|((action, actor, targets, metadata), (before, complete, ip, status, zone))| {
            let event = format!(
                r#"{{"action":{action},"actor":{actor},"targets":{targets},"metadata":{metadata},"zone":{zone},
                "changes":{{"before":{before},"complete":{complete}}},"context":{{"ip":{ip}}},"request":{{"status_code":{status}}}}}"#
            );
            let mut out = Vec::new();
            let mut document = Document::default();
            document.parse(event.as_bytes(), Limits { depth_max: 64 }).unwrap().write_canonical(&mut out);
            out
        })
}

fn literal() -> impl Strategy<Value = Literal> {
    prop_oneof![
        4 => text().prop_map(|text| Literal::Text(text.into())),
        2 => select(NUMBERS).prop_map(|token| Literal::Number(Decimal::parse(token).unwrap())),
        1 => any::<bool>().prop_map(Literal::Bool),
        1 => (0..4_i64).prop_map(|micros| Literal::Time(Timestamp::from_micros(micros).unwrap())),
    ]
}

fn test() -> impl Strategy<Value = Test> {
    let part = select(&[Part::Whole, Part::Start, Part::End, Part::Anywhere][..]);
    let comparison =
        select(&[Comparison::Above, Comparison::AtLeast, Comparison::Below, Comparison::AtMost][..]);
    prop_oneof![
        1 => Just(Test::Present),
        4 => vec(literal(), 0..4).prop_map(Test::In),
        1 => vec(literal(), 17..20).prop_map(Test::In),
        3 => (part, text(), any::<bool>()).prop_map(|(part, text, folded)| {
            let text = if folded { fold(&text).into_owned() } else { text };
            Test::Text { part, text: text.into(), folded }
        }),
        2 => (comparison, literal()).prop_map(|(comparison, literal)| Test::Order(comparison, literal)),
        1 => text().prop_map(|text| Test::Loose(loosen(&text).into())),
        1 => select(&["10.0.0.0/8", "10.0.0.9/32", "::/0", "0.0.0.0/0"][..])
            .prop_map(|network| Test::Network(vec![network.parse().unwrap()])),
    ]
}

fn known_field() -> impl Strategy<Value = Field> {
    select(vec![Field::OccurredAt, Field::ReceivedAt, Field::Operation, Field::Position, Field::Tenant])
}

fn condition() -> impl Strategy<Value = Condition> {
    let path =
        || prop_oneof![select(PATHS).prop_map(Path::new), select(NAMES).prop_map(|name| Path::new(&[name]))];
    let words = vec(text(), 1..4).prop_filter_map("words", |texts| {
        let q: Vec<String> = texts.iter().map(|text| format!("\"{}\"", text.replace('"', ""))).collect();
        parse_words(&q.join(" ")).ok().map(Condition::Words)
    });
    let leaf = prop_oneof![
        6 => (path(), test()).prop_map(|(path, test)| Condition::Field(Field::Member(path), test)),
        1 => (known_field(), test()).prop_map(|(field, test)| Condition::Field(field, test)),
        1 => words,
        1 => text().prop_map(|text| Condition::Mentions(fold(&text).into())),
    ];
    leaf.prop_recursive(4, 12, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Condition::All),
            vec(inner.clone(), 0..4).prop_map(Condition::Any),
            inner.clone().prop_map(Condition::negated),
            (path(), inner).prop_map(|(path, inner)| Condition::Element(path, Box::new(inner))),
        ]
    })
}

fn known(tenant: &TenantId) -> Known<'_> {
    Known {
        occurred_at: Timestamp::from_micros(1).unwrap(),
        received_at: Timestamp::from_micros(2).unwrap(),
        operation: Operation::Access,
        position: Position(5),
        tenant,
    }
}

/// The meaning of a condition a second time, over serde_json's values, as plainly as it can be said.
mod naive {
    use super::*;

    pub(super) fn holds(condition: &Condition, root: &Value, known: &Known<'_>) -> bool {
        match condition {
            Condition::All(all) => !all.iter().any(|one| !holds(one, root, known)),
            Condition::Any(any) => any.iter().filter(|one| holds(one, root, known)).count() > 0,
            Condition::Not(one) => !holds(one, root, known),
            Condition::Field(field, test) => {
                values(field, root, known).iter().any(|value| passes(test, value))
            }
            Condition::Element(path, one) => at(root, path).iter().any(|element| holds(one, element, known)),
            Condition::Mentions(text) => {
                let has = |value: &str| fold(value).contains(&**text);
                match root {
                    Value::String(value) => has(value),
                    Value::Number(number) => has(&number.to_string()),
                    Value::Array(items) => items.iter().any(|item| holds(condition, item, known)),
                    Value::Object(members) => {
                        members.iter().any(|(name, member)| has(name) || holds(condition, member, known))
                    }
                    Value::Null | Value::Bool(_) => false,
                }
            }
            Condition::Words(phrases) => {
                let mut texts = Vec::new();
                strings(root, &mut texts);
                phrases.iter().all(|phrase| {
                    let phrase: Vec<String> = phrase.words().map(str::to_owned).collect();
                    texts.iter().any(|words| words.windows(phrase.len()).any(|some| some == phrase))
                })
            }
        }
    }

    enum Held {
        Json(Value),
        Time(Timestamp),
    }

    fn values(field: &Field, root: &Value, known: &Known<'_>) -> Vec<Held> {
        vec![match field {
            Field::Member(path) => return at(root, path).into_iter().map(Held::Json).collect(),
            Field::OccurredAt => Held::Time(known.occurred_at),
            Field::ReceivedAt => Held::Time(known.received_at),
            Field::Operation => Held::Json(known.operation.as_str().into()),
            Field::Position => Held::Json(known.position.0.into()),
            Field::Tenant => Held::Json(known.tenant.as_str().into()),
        }]
    }

    fn flat(value: &Value) -> Vec<Value> {
        match value {
            Value::Array(items) => items.iter().flat_map(flat).collect(),
            other => vec![other.clone()],
        }
    }

    fn at(root: &Value, path: &Path) -> Vec<Value> {
        path.names().fold(flat(root), |values, name| {
            values.iter().filter_map(|value| value.get(name)).flat_map(flat).collect()
        })
    }

    fn strings(value: &Value, out: &mut Vec<Vec<String>>) {
        match value {
            Value::String(text) => {
                let mut words = Vec::new();
                each_word(text, &mut |word| words.push(word.to_owned()));
                out.push(words);
            }
            Value::Array(items) => items.iter().for_each(|item| strings(item, out)),
            Value::Object(members) => members.values().for_each(|member| strings(member, out)),
            _ => {}
        }
    }

    fn compare(value: &Held, literal: &Literal) -> Option<Ordering> {
        match (value, literal) {
            (Held::Json(Value::String(text)), Literal::Text(other)) => Some(text.as_str().cmp(other)),
            (Held::Json(Value::Bool(truth)), Literal::Bool(other)) => Some(truth.cmp(other)),
            (Held::Time(at), Literal::Time(other)) => Some(at.cmp(other)),
            (Held::Json(Value::Number(number)), Literal::Number(other)) => {
                let other: serde_json::Number = other.to_string().parse().unwrap();
                match (number.as_i128(), other.as_i128()) {
                    (Some(a), Some(b)) => Some(a.cmp(&b)),
                    _ => number.as_f64().unwrap().partial_cmp(&other.as_f64().unwrap()),
                }
            }
            _ => None,
        }
    }

    fn passes(test: &Test, value: &Held) -> bool {
        let text = match value {
            Held::Json(Value::String(text)) => Some(text.clone()),
            _ => None,
        };
        match test {
            Test::Present => match value {
                Held::Json(Value::Null) => false,
                Held::Json(Value::String(text)) => !text.is_empty(),
                Held::Json(Value::Object(members)) => !members.is_empty(),
                _ => true,
            },
            Test::In(literals) => literals.iter().any(|one| compare(value, one) == Some(Ordering::Equal)),
            Test::Order(_, Literal::Bool(_)) => false,
            Test::Order(comparison, literal) => {
                compare(value, literal).is_some_and(|order| match comparison {
                    Comparison::Above => order == Ordering::Greater,
                    Comparison::AtLeast => order != Ordering::Less,
                    Comparison::Below => order == Ordering::Less,
                    Comparison::AtMost => order != Ordering::Greater,
                })
            }
            Test::Text { part, text: wanted, folded } => text.is_some_and(|text| {
                let text = if *folded { fold(&text).into_owned() } else { text };
                match part {
                    Part::Whole => text == **wanted,
                    Part::Start => text.starts_with(&**wanted),
                    Part::End => text.ends_with(&**wanted),
                    Part::Anywhere => text.contains(&**wanted),
                }
            }),
            Test::Loose(wanted) => text.is_some_and(|text| {
                let joined = fold(&text).replace(
                    |letter: char| letter.is_ascii_punctuation() || letter <= ' ' || letter == '\u{7f}',
                    "",
                );
                fold(&joined) == **wanted
            }),
            Test::Network(networks) => text.is_some_and(|text| match text.parse::<IpAddr>() {
                Ok(address) => networks.iter().any(|network| network.contains(&address.to_canonical())),
                Err(_) => false,
            }),
        }
    }
}

/// A filter as somebody may write it.
fn filter() -> impl Strategy<Value = String> {
    let path = select(
        &[
            "action",
            "actor.id",
            "targets.id",
            "targets.type",
            "actor.chain.id",
            "actor.chain.type",
            "metadata.a",
            "metadata.\"odd.key\".b",
            "\"x y\"",
            "changes.before.a",
            "targets.metadata.n",
        ][..],
    );
    let operator =
        select(&["eq", "ne", "CO", "sw", "ew", "ieq", "iCo", "isw", "iew", "gt", "ge", "lt", "le"][..]);
    let test = prop_oneof![
        6 => (path.clone(), operator, text()).prop_map(|(path, op, text)| format!("{path} {op} {}", json(&text))),
        1 => (path.clone(), select(&["pr", "eq null", "ne null"][..])).prop_map(|(path, test)| format!("{path} {test}")),
        1 => select(NUMBERS).prop_map(|number| format!("metadata.n le {number}")),
        1 => select(&[
            "request.status_code eq 200", "changes.complete ne true", r#"context.ip cidr "10.0.0.0/8""#,
            r#"context.ip cidr "::1""#, r#"occurred_at ge "2026-11-21T10:00:59+01:00""#, r#"operation eq "read""#,
            r#"tenant eq "acme""#, "position lt 5", r#""operation" eq "read""#, r#""received_at"."not" pr"#,
        ][..]).prop_map(str::to_owned),
    ];
    let inside = prop_oneof![
        r#"(id|type|name|metadata\.(a|not|"or")) (eq|ne|co|ieq) "[ab]""#,
        r#"id eq "a" (and|or) not \(type eq "b"\)"#,
    ];
    let test = prop_oneof![
        8 => test,
        1 => inside.prop_map(|inside| format!("targets[{inside}]")),
    ];
    test.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 2..5).prop_map(|terms| terms.join(" and ")),
            vec(inner.clone(), 2..5).prop_map(|terms| terms.join(" or ")),
            inner.clone().prop_map(|inner| format!("({inner})")),
            inner.prop_map(|inner| format!("not ({inner})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_way_of_evaluating_gives_the_same_answer(condition in condition(), events in vec(event(), 4)) {
        let tenant = TenantId::new("a").unwrap();
        let known = known(&tenant);
        let matcher = Matcher::new(condition.clone());
        let needles = Needles::of(&condition);
        let mut marker = Marker::default();
        let (mut document, mut scratch) = (Document::default(), Document::default());
        for event in events {
            let parsed = document.parse(&event, Limits { depth_max: 64 }).unwrap();
            let holds = condition.holds(&Subject { event: parsed, known });
            let said = format!("{condition} of {}", String::from_utf8_lossy(&event));
            prop_assert_eq!(naive::holds(&condition, &serde_json::from_slice(&event).unwrap(), &known), holds, "{}", said);
            prop_assert_eq!(matcher.matches(&mut scratch, &event, &known), holds, "{}", said);
            prop_assert!(!holds || needles.may_match(&event), "{:?}, {}", needles, said);
            let mut marks = vec![operation_mark(known.operation)];
            let is_all = marker.each(&event, &mut |mark| marks.push(mark));
            let having = |mark| [u64::from(is_all || marks.contains(&mark))];
            prop_assert!(!holds || matcher.demand().among(&having)[0] & 1 == 1, "{:?}, {}", matcher.demand(), said);
            prop_assert!(condition.decide(&known).is_none_or(|decided| decided == holds), "{}", said);
        }
    }

    #[test]
    fn what_is_printed_reads_back_as_the_same(filter in filter()) {
        prop_assume!(filter.len() < 4000);
        let condition = match parse(&filter) {
            Ok(condition) => condition,
            Err(error) => return Err(TestCaseError::fail(format!("{filter}: {error}"))),
        };
        let printed = condition.to_string();
        let again = parse(&printed);
        prop_assert_eq!(again.as_ref(), Ok(&condition), "{} printed as {}", filter, printed);
    }

    #[test]
    fn garbage_never_panics(
        garbage in any::<String>(),
        filter in filter(),
        at in any::<prop::sample::Index>(),
        put in select(&["\"", "\\", "(", ")", "[", "]", ".", "é", "\u{0}", "not", "null", "1e", "/", "*", "!"][..]),
        names in vec((select(parameter_names()), any::<String>()), 0..4),
    ) {
        let mut broken: Vec<char> = filter.chars().collect();
        let at = at.index(broken.len());
        let _ignored = parse(&broken[..at].iter().collect::<String>());
        broken.splice(at..at, put.chars());
        for text in [&garbage, &broken.into_iter().collect::<String>(), &format!("metadata.{garbage} eq {garbage}")] {
            if let Ok(condition) = parse(text) {
                prop_assert_eq!(parse(&condition.to_string()), Ok(condition));
            }
            let _ignored = (parse_field(text), parse_words(text), Decimal::parse(text));
        }
        let _ignored = from_parameters(&names);
    }

    #[test]
    fn folding_twice_is_folding_once(text in any::<String>(), marked in "[a-zA-ZßſKİıΣςᾳﬁ가-각\u{300}-\u{345}\u{345}①ｶﾞ ]{0,12}") {
        for text in [text, marked] {
            let once = fold(&text).into_owned();
            prop_assert_eq!(&fold(&once).into_owned(), &once);
            let loose = loosen(&text).into_owned();
            prop_assert_eq!(loosen(&loose).into_owned(), loose.as_str());
            prop_assert_eq!(loosen(&once).into_owned(), loose);
            let split = icu_normalizer::DecomposingNormalizerBorrowed::new_nfkd().normalize(&text).into_owned();
            prop_assert_eq!(fold(&split).into_owned(), once.as_str());
            let words = |text: &str| {
                let mut words = Vec::new();
                each_word(text, &mut |word| words.push(word.to_owned()));
                words
            };
            prop_assert_eq!(words(&text), words(&once));
            for word in words(&text) {
                prop_assert_eq!(words(&word), [word.as_str()]);
            }
        }
    }

    #[test]
    fn numbers_order_as_integers_of_their_smallest_digit(a in number(), b in number()) {
        let ours = Decimal::parse(&a.0).unwrap().cmp(&Decimal::parse(&b.0).unwrap());
        prop_assert_eq!(ours, a.1.cmp(&b.1), "{} {}", a.0, b.0);
        prop_assert_eq!(Decimal::parse(&a.0).unwrap().compare_token(&b.0), Some(ours));
        let printed = Decimal::parse(&a.0).unwrap().to_string();
        prop_assert_eq!(Decimal::parse(&printed), Decimal::parse(&a.0));
    }
}

/// A token, and its value times 10^16.
fn number() -> impl Strategy<Value = (String, i128)> {
    (any::<bool>(), 0..2000_u32, "[0-9]{0,4}", -8..8_i32).prop_map(|(negative, whole, fraction, exponent)| {
        let sign = if negative { "-" } else { "" };
        let point = if fraction.is_empty() { "" } else { "." };
        let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
        let power = 16 + exponent - i32::try_from(fraction.len()).unwrap();
        let value = digits * 10_i128.pow(power.try_into().unwrap());
        (format!("{sign}{whole}{point}{fraction}e{exponent}"), if negative { -value } else { value })
    })
}
