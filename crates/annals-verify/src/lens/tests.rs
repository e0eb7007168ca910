use annals_event::filter::{from_parameters, parse};
use annals_event::{UnitScratch, rebuild, units};

use super::*;

const EVENT: &str = r#"{"action":"video.delete","actor":{"email":"ada@example.com","id":"u1","type":"user"},"context":{"ip":"203.0.113.9"},"metadata":{"a/b":1,"size":7},"occurred_at":"2026-11-21T23:28:41.123Z","outcome":{"reason":"ok","result":"success"},"targets":[{"id":"v9","type":"video"},{"type":"folder"}]}"#;

fn split(event: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    units(event.as_bytes(), &mut UnitScratch::default(), |name, value| {
        all.push((name.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
    })
    .unwrap();
    all
}

fn lens(filter: &str) -> Lens {
    Lens::new(parse(filter).unwrap(), TenantId::new("acme").unwrap())
}

/// What can be said with these units shown.
fn look(lens: &Lens, all: &[(String, String)], shown: &[bool]) -> Truth {
    let visible = all.iter().zip(shown).filter(|(_, shown)| **shown);
    let event = rebuild(visible.map(|((name, value), _)| (name.as_str(), value.as_bytes()))).unwrap();
    let hidden =
        hidden_between(all.iter().zip(shown).map(|((name, _), shown)| shown.then_some(name.as_str())));
    let seen = Seen {
        position: 5,
        received_at_ms: 1_795_303_721_456,
        event: Some(&event),
        units: all.len(),
        hidden: &hidden,
    };
    lens.look(&seen, &mut Document::default())
}

fn needed(lens: &Lens, all: &[(String, String)]) -> Vec<bool> {
    let names: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    lens.needed(&names)
}

const FILTERS: [&str; 22] = [
    "action eq \"user.login\"",
    "actor.email eq \"eve@example.com\"",
    "actor.name eq \"Eve\"",
    "not (actor.name pr)",
    "actor pr and action eq \"x\"",
    "metadata.size gt 8",
    "metadata.colour eq \"red\"",
    "not (metadata.colour pr)",
    "metadata.size eq 7",
    "targets.id eq \"v8\"",
    "targets[type eq \"video\" and not (id eq \"v9\")]",
    "targets[type eq \"video\" and id eq \"v9\"]",
    "context.ip eq \"10.0.0.1\"",
    "context.location eq \"Ghent\"",
    "changes.after.title eq \"x\"",
    "changes pr",
    "outcome.result eq \"failure\"",
    "outcome.reason eq \"no\"",
    "reason pr or description pr",
    "operation eq \"create\"",
    "occurred_at lt \"2026-01-01T00:00:00Z\"",
    "received_at lt \"2026-01-01T00:00:00Z\" and actor.name eq \"Eve\"",
];

#[test]
fn what_is_needed_settles_every_filter() {
    let all = split(EVENT);
    for filter in FILTERS {
        let lens = lens(filter);
        let whole = look(&lens, &all, &vec![true; all.len()]);
        assert_ne!(whole, Truth::Unknown, "{filter}");
        assert_eq!(look(&lens, &all, &needed(&lens, &all)), whole, "{filter}");
    }
}

#[test]
fn whatever_is_hidden_no_wrong_answer_is_given() {
    let all = split(EVENT);
    for filter in FILTERS {
        let lens = lens(filter);
        let whole = look(&lens, &all, &vec![true; all.len()]);
        for mask in 0_u32..1 << (all.len() - 1) {
            let shown: Vec<bool> =
                (0..all.len()).map(|unit| unit == 0 || mask >> (unit - 1) & 1 == 1).collect();
            let said = look(&lens, &all, &shown);
            assert!(said == whole || said == Truth::Unknown, "{filter}: {shown:?} says {said:?}");
        }
    }
}

#[test]
fn a_hidden_unit_may_be_what_the_filter_looks_for() {
    let all = split(EVENT);
    let lens = lens("actor.email eq \"ada@example.com\"");
    for unit in 0..all.len() {
        let mut shown = vec![true; all.len()];
        if unit > 0 {
            shown[unit] = false;
        }
        let expected = if all[unit].0 == "/actor/email" { Truth::Unknown } else { Truth::Yes };
        assert_eq!(look(&lens, &all, &shown), expected, "without {}", all[unit].0);
    }
}

#[test]
fn the_entry_alone_settles_what_it_tells() {
    let seen = Seen { position: 5, received_at_ms: 1_795_303_721_456, event: None, units: 0, hidden: &[] };
    for (filter, expected) in [
        ("received_at lt \"2026-01-01T00:00:00Z\"", Truth::No),
        ("position eq 5", Truth::Yes),
        ("position eq 6 and action eq \"x\"", Truth::No),
        ("action eq \"x\"", Truth::Unknown),
        ("occurred_at lt \"2026-01-01T00:00:00Z\"", Truth::Unknown),
        ("not (actor pr)", Truth::Unknown),
    ] {
        assert_eq!(lens(filter).look(&seen, &mut Document::default()), expected, "{filter}");
    }
    let words = Lens::new(from_parameters(&[("q", "ada")]).unwrap(), TenantId::new("acme").unwrap());
    assert_eq!(words.look(&seen, &mut Document::default()), Truth::Unknown);
}

#[test]
fn patterns_take_units_and_never_the_envelope() {
    let withheld = Withheld::new(["/metadata/*", "/actor/email", "/actor/email"]).unwrap();
    assert_eq!(withheld.patterns(), ["/actor/email", "/metadata/*"]);
    for (unit, is_taken) in [
        ("", false),
        ("/actor/email", true),
        ("/actor/id", false),
        ("/metadata/a", true),
        ("/metadata", false),
    ] {
        assert_eq!(withheld.takes(unit), is_taken, "{unit}");
    }
    for wrong in ["", "actor/email", "/", "*"] {
        assert!(Withheld::new([wrong]).is_err(), "{wrong}");
    }
    for (filter, pattern) in [
        ("actor.email eq \"x\"", Some("/actor/email")),
        ("actor pr", Some("/actor/email")),
        ("metadata.x eq 1", Some("/metadata/*")),
        ("actor.id eq \"x\"", None),
    ] {
        assert_eq!(lens(filter).looks_at_withheld(&withheld).as_deref(), pattern, "{filter}");
    }
}

#[test]
fn times_within_a_millisecond_are_not_left_to_an_index() {
    for (filter, is_exact) in [
        ("received_at ge \"2026-01-01T00:00:00.001Z\"", true),
        ("received_at ge \"2026-01-01T00:00:00.0001Z\"", false),
        ("not (occurred_at gt \"2026-01-01T00:00:00Z\")", false),
        ("occurred_at eq \"2026-01-01T00:00:00Z\" or action eq \"x\"", false),
        ("action eq \"x\"", true),
    ] {
        assert_eq!(is_exact_in_ms(&parse(filter).unwrap()), is_exact, "{filter}");
    }
}
