use proptest::prelude::*;

use super::*;

fn filled(text: &str) -> String {
    let gaps = Gaps::of(text.as_bytes(), &mut Document::default());
    String::from_utf8(gaps.fill(text.into(), Some("i"), Some("t"))).unwrap()
}

#[test]
fn an_id_and_a_tenant_are_put_in_front_and_no_digit_changes() {
    let sent = r#"{"action":"a", "n":1.00e+2,"m":9007199254740993 }"#;
    let expected = r#"{"id":"i","tenant":"t","action":"a", "n":1.00e+2,"m":9007199254740993 }"#;
    assert_eq!(filled(sent), expected);
    assert_eq!(filled("{}"), r#"{"id":"i","tenant":"t"}"#);
    assert_eq!(filled("{ }"), r#"{"id":"i","tenant":"t" }"#);
}

#[test]
fn what_stands_there_stays_also_under_an_escaped_name() {
    for sent in [r#"{"id":"x","tenant":"y"}"#, r#"{"\u0069d":"x","tenant":"y"}"#, r#"{"id":7,"tenant":[]}"#] {
        assert_eq!(filled(sent), sent);
    }
    assert_eq!(filled(r#"{"metadata":{"id":1}}"#), r#"{"id":"i","tenant":"t","metadata":{"id":1}}"#);
}

#[test]
fn null_is_absence_and_is_replaced() {
    assert_eq!(filled(r#"{"tenant": null, "a":null, "id":null}"#), r#"{"tenant": "t", "a":null, "id":"i"}"#);
    assert_eq!(filled(r#"{"id":null}"#), r#"{"tenant":"t","id":"i"}"#);
}

#[test]
fn what_is_no_event_is_left_as_it_is() {
    for sent in ["", "[]", "nonsense", r#"{"a":1"#, r#"{"a":1,"a":2}"#] {
        assert_eq!(filled(sent), sent);
    }
}

#[test]
fn ids_are_the_documented_ones() {
    // sha256sum of 32 zero bytes and the number 1 in eight, with the bits of version 8.
    assert_eq!(event_id(&[0; 32], 1), "08e00266-fff0-8acc-a497-4f22a53622a7");
    assert_ne!(event_id(&[0; 32], 1), event_id(&[0; 32], 0));
}

/// JSON texts with all kinds of members.
fn event() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["id", "tenant", "a", "b", "\\u0069d", "metadata"]);
    let value =
        prop::sample::select(vec!["null", "1.50", "\"x\"", "{\"id\":null}", "[ ]", " null ", "1e400"]);
    let members = prop::collection::vec((name, value), 0..6);
    members.prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

proptest! {
    #[test]
    fn a_filled_event_has_both_and_is_otherwise_the_same(text in event()) {
        let mut document = Document::default();
        if document.parse(text.as_bytes(), Limits { depth_max: DEPTH_MAX }).is_err() {
            prop_assert_eq!(filled(&text), text);
            return Ok(());
        }
        let mut canonical = |text: &str| {
            let value = document.parse(text.as_bytes(), Limits { depth_max: DEPTH_MAX }).unwrap();
            let members = value.members().filter(|(name, _)| !["id", "tenant"].contains(name));
            let others: Vec<_> =
                members.map(|(name, value)| (name.to_owned(), value.token().to_owned())).collect();
            let named = |name| value.get(name).map(|value| value.token().to_owned());
            (named("id"), named("tenant"), others)
        };
        let ((id, tenant, others), (filled_id, filled_tenant, filled_others)) =
            (canonical(&text), canonical(&filled(&text)));
        prop_assert_eq!(others, filled_others);
        let expected = |before: Option<String>, given: &str| match before.as_deref() {
            None | Some("null") => Some(format!("\"{given}\"")),
            _ => before,
        };
        prop_assert_eq!((filled_id, filled_tenant), (expected(id, "i"), expected(tenant, "t")));
    }
}
