//! What the documents promise about the code: invariants name tests, error codes are explained.

use std::collections::BTreeSet;

use super::{Findings, Source};

/// Every invariant in `ARCHITECTURE.md` ends by naming the tests that hold it, and they exist.
///
/// An invariant is a list item below a heading with the word "invariant". Its tests stand in its last brackets, each in
/// backticks: `crate: name_of_the_test` or `path::name_of_the_test`, or a command `cargo xtask …`.
pub(super) fn check(sources: &[Source]) -> Findings {
    let Some(map) = sources.iter().find(|source| source.path == "ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md: missing".to_owned()];
    };
    let invariants = invariants(&map.text);
    if invariants.is_empty() {
        return vec!["ARCHITECTURE.md: no list of invariants".to_owned()];
    }
    let tests = names_of_tests(sources);
    let mut findings = Vec::new();
    for invariant in &invariants {
        let named = named_tests(invariant);
        if named.is_empty() {
            findings.push(format!("ARCHITECTURE.md: names no test: {invariant}"));
        }
        let missing =
            named.iter().filter(|name| !tests.contains(name.as_str()) && !name.starts_with("cargo xtask "));
        findings
            .extend(missing.map(|name| format!("ARCHITECTURE.md: there is no test `{name}`: {invariant}")));
    }
    findings
}

/// The list items below headings with the word "invariant", each on one line.
fn invariants(text: &str) -> Vec<String> {
    let mut items: Vec<String> = Vec::new();
    let (mut inside, mut open) = (false, false);
    for line in text.lines() {
        if line.starts_with('#') {
            inside = line.to_ascii_lowercase().contains("invariant");
            open = false;
        } else if !inside {
            continue;
        } else if let Some(item) = line.strip_prefix("- ") {
            items.push(item.to_owned());
            open = true;
        } else if open && line.starts_with("  ") {
            let item = items.last_mut().expect("one is open");
            item.push(' ');
            item.push_str(line.trim());
        } else {
            open = false;
        }
    }
    items
}

/// The names in backticks in an item's last brackets, without their crate or path.
fn named_tests(item: &str) -> Vec<String> {
    let Some(start) = item.rfind(" (`") else { return Vec::new() };
    let quoted = item[start..].split('`').skip(1).step_by(2);
    quoted
        .map(|name| name.rsplit(": ").next().unwrap_or(name).rsplit("::").next().unwrap_or(name).to_owned())
        .collect()
}

/// The names of all tests: functions behind a test attribute, and those of contract suites, which are called by tests.
fn names_of_tests(sources: &[Source]) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let is_suite = source.path.ends_with("/contract.rs");
        let mut is_test = is_suite;
        for line in source.text.lines().map(str::trim) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = function_name(line) {
                if is_test {
                    names.insert(name);
                }
                is_test = is_suite;
            }
        }
    }
    names
}

/// The name of the function that a line begins.
fn function_name(line: &str) -> Option<&str> {
    let mut words =
        line.split(' ').skip_while(|word| matches!(*word, "pub" | "pub(crate)" | "pub(super)" | "async"));
    (words.next() == Some("fn")).then_some(())?;
    words.next()?.split(['(', '<']).next()
}

/// Every code that an answer can carry, of an error or a warning, has a heading or a table's row in the reference.
pub(super) fn check_error_catalogue(sources: &[Source]) -> Findings {
    const REFERENCE: &str = "docs/reference/";
    let reference = sources.iter().filter(|source| source.path.starts_with(REFERENCE));
    let explained: BTreeSet<_> =
        reference.flat_map(|source| source.text.lines()).filter_map(anchor).collect();
    let codes = error_codes(sources);
    if codes.is_empty() {
        return vec![
            "no error codes found in the sources; xtask/src/tidy/invariants.rs looks for `codes! {`"
                .to_owned(),
        ];
    }
    let missing = codes.iter().filter(|code| !explained.contains(*code));
    missing.map(|code| format!("{REFERENCE}: does not explain `{code}`")).collect()
}

/// The code that a line of the catalogue explains: a heading ``### `code` `` or a table's row that begins with it.
fn anchor(line: &str) -> Option<&str> {
    let row = line.strip_prefix("| ").and_then(|row| row.split(" |").next());
    let heading = line.strip_prefix('#').map(|heading| heading.trim_start_matches('#'));
    let cell = row.or(heading)?.trim();
    // `<a id="code"></a>` may stand before it, so that a row can be linked to.
    let cell = cell.rsplit("</a>").next().unwrap_or(cell).trim();
    Some(cell.trim_matches('`'))
}

/// The texts of the tables of codes: `Name = "code"` inside `codes! { … }`.
fn error_codes(sources: &[Source]) -> BTreeSet<&str> {
    let mut codes = BTreeSet::new();
    for source in
        sources.iter().filter(|source| source.path.starts_with("crates/") && source.path.ends_with(".rs"))
    {
        for table in source.text.split("\ncodes! {").skip(1) {
            let table = table.split("\n}").next().unwrap_or_default();
            let entries = table.lines().filter_map(|line| line.split_once(" = \"")).map(|(_, rest)| rest);
            codes.extend(entries.filter_map(|rest| rest.split('"').next()));
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_names_tests_in_its_last_brackets() {
        let text = "# Map\n- not one (`x: y`)\n## Invariants\n\n- **Kept** means kept (a promise)\n  always \
                    (`annals-journal: torn_tail_is_cut`, `it::damage::flips_show`)\n- **None**\n\n## Next\n- no";
        let items = invariants(text);
        assert_eq!(items.len(), 2, "{items:?}");
        assert_eq!(named_tests(&items[0]), ["torn_tail_is_cut", "flips_show"]);
        assert!(named_tests(&items[1]).is_empty());
    }

    #[test]
    fn tests_are_functions_behind_an_attribute() {
        let text =
            "#[test]\nfn kept() {}\nfn helper() {}\n#[tokio::test(flavor = \"x\")]\nasync fn later() {}\n";
        let source = Source { path: "crates/a/src/b.rs".to_owned(), text: text.to_owned() };
        assert_eq!(names_of_tests(&[source]), BTreeSet::from(["kept", "later"]));
    }

    #[test]
    fn codes_are_found_in_headings_and_rows() {
        assert_eq!(anchor("### `disk_full`"), Some("disk_full"));
        assert_eq!(anchor("| `disk_full` | 503 | full |"), Some("disk_full"));
        assert_eq!(anchor("| <a id=\"disk_full\"></a>`disk_full` | 503 |"), Some("disk_full"));
        assert_eq!(anchor("text"), None);
    }
}
