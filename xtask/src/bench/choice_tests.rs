use std::io::Write as _;

use super::*;

/// A file of events, each named by a number and completed by what is said of it.
fn events(lines: impl IntoIterator<Item = (&'static str, String)>) -> (tempfile::NamedTempFile, Source) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    for (number, (tenant, members)) in lines.into_iter().enumerate() {
        let at = time(1_700_000_000_000_000 + 1_000_000 * i64::try_from(number).unwrap());
        writeln!(
            file,
            r#"{{"id":"e{number}","tenant":"{tenant}","occurred_at":"{at}","action":"a"{members}}}"#
        )
        .unwrap();
    }
    let source = Source::File(file.path().to_owned());
    (file, source)
}

fn chosen(source: &Source) -> Chosen {
    questions(source, &Plan::real(source).unwrap()).unwrap()
}

fn condition<'a>(chosen: &'a Chosen, name: &str) -> Option<&'a Condition> {
    let question = chosen.questions.iter().find(|question| question.name.starts_with(name))?;
    let Ask::Page(condition) = &question.ask else { return None };
    Some(condition)
}

#[test]
fn what_events_do_not_have_is_left_out_and_said_so() {
    let (_file, source) = events((0..500).map(|_| ("acme", String::new())));
    let chosen = chosen(&source);
    for name in
        ["rare actor", "one target", "two categories", "address", "two words", "metadata value", "mail"]
    {
        assert!(chosen.left_out.iter().any(|why| why.starts_with(name)), "{name}: {:?}", chosen.left_out);
        assert!(condition(&chosen, name).is_none(), "{name}");
    }
    for name in [
        "latest 100",
        "action, all",
        "facets by action, all",
        "next page",
        "no match",
        "by id",
        "export, all",
    ] {
        assert!(chosen.questions.iter().any(|question| question.name.starts_with(name)), "{name}");
    }
}

#[test]
fn generated_events_must_have_all_of_it() {
    let (_file, source) = events((0..300).map(|_| ("acme-0001", String::new())));
    assert!(questions(&source, &Plan::generated()).is_err());
}

#[test]
fn what_the_largest_tenant_lacks_is_asked_of_the_largest_that_has_it() {
    let of = |number: usize| match number {
        0..200 => ("large", String::new()),
        200..250 => ("middle", r#","request":{"status_code":404}"#.to_owned()),
        _ => ("small", r#","request":{"status_code":500},"category":"x""#.to_owned()),
    };
    let (_file, source) = events((0..260).map(of));
    let chosen = chosen(&source);
    let condition = condition(&chosen, "status 404, tenant middle").unwrap();
    assert_eq!((condition.tenant.as_deref(), condition.status), (Some("middle"), Some(404)));
    assert!(condition.categories.is_empty());
}

#[test]
fn two_categories_are_asked_for_where_there_are_two() {
    let of = |number: usize| {
        let category = ["x", "x", "y", "z"][number % 4];
        // The third is never refused.
        let status = if category == "z" { 200 } else { 403 };
        ("acme", format!(r#","request":{{"status_code":{status}}},"category":"{category}""#))
    };
    let (_file, source) = events((0..100).map(of));
    let condition = condition(&chosen(&source), "two categories, status 403").cloned().unwrap();
    assert_eq!(condition.categories, ["x", "y"]);
}

#[test]
fn words_that_stand_elsewhere_too_or_that_engines_split_otherwise_are_not_asked_for() {
    let of = |number: usize| {
        let members = match number % 10 {
            // Everywhere in prose, and once not in prose.
            0 => r#","description":"Wanted access"}"#,
            1 => r#","metadata":{"note":"wanted access"}}"#,
            // Letters that stick to others.
            2 => r#","description":"sticky/words sticky-words"}"#,
            3 => r#","description":"Plainly said."}"#,
            _ => "}",
        };
        ("acme", members.strip_suffix('}').unwrap_or(members).to_owned())
    };
    let (_file, source) = events((0..200).map(of));
    let condition = condition(&chosen(&source), "two words").cloned().unwrap();
    assert_eq!(condition.words, ["plainly", "said"]);
}

#[test]
fn a_value_of_metadata_repeats_and_stands_in_no_array() {
    let of = |number: usize| {
        let deep = if number < 10 { "KEY-1".to_owned() } else { format!("once-{number}") };
        let listed = if number < 10 { "listed" } else { "other" };
        let both = if number < 10 { r#""Both""# } else { r#"["both"]"# };
        (
            "acme",
            format!(r#","metadata":{{"a":{{"b":"{deep}"}},"c":["{listed}"],"d.e":"{listed}","f":{both}}}"#),
        )
    };
    let (_file, source) = events((0..200).map(of));
    let condition = condition(&chosen(&source), "metadata value").cloned().unwrap();
    assert_eq!(condition.metadata, Some(InMetadata { path: "a.b".to_owned(), value: "KEY-1".to_owned() }));
}

#[test]
fn more_events_than_an_export_has_are_exported_from_a_moment_on() {
    let (_file, source) = events((0..EXPORT_EVENTS + 500).map(|_| ("acme", String::new())));
    let chosen = chosen(&source);
    let Some(Ask::Export(condition)) = chosen.questions.last().map(|question| &question.ask) else {
        panic!("no export")
    };
    assert_eq!(condition.since.as_deref(), Some(time(1_700_000_500_000_000).as_str()));
}
