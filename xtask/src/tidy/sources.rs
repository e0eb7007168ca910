//! The form of the source files, and words that do not belong in them.

use super::{Findings, Source};

/// A longer file holds two ideas or more.
const LINES_MAX: usize = 900;

/// Texts that stand nowhere in the repository, each with why. Written in two halves, or this file would be found.
const BANNED: [(&str, &str, &str); 12] = [
    ("/wo", "rk/", "a path of one machine"),
    ("/ro", "ot/", "a path of one machine"),
    ("/ho", "me/", "a path of one machine"),
    ("index.crates", ".io", "a registry's host; use packages by name"),
    ("static.crates", ".io", "a registry's host; use packages by name"),
    ("pypi", ".org", "a registry's host; use packages by name"),
    ("pythonhosted", ".org", "a registry's host; use packages by name"),
    ("registry.npmjs", ".org", "a registry's host; use packages by name"),
    ("proxy.golang", ".org", "a registry's host; use packages by name"),
    ("#[ign", "ore", "a test that never runs; assert known wrong behaviour as it is"),
    ("fn te", "st_", "a test's name is a sentence without `test_`"),
    ("<<<<", "<<< ", "an unfinished merge"),
];

/// Files that may hold these texts: what others wrote.
const EXEMPT: [&str; 1] = ["Cargo.lock"];

/// Each module says what it is for, and no file is too long.
pub(super) fn check_shape(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let lines = source.text.lines().count();
        if lines > LINES_MAX {
            findings.push(format!("{}: {lines} lines; {LINES_MAX} is the most", source.path));
        }
        // The tests of a module are about that module; its header is theirs.
        let needs_header = source.path.contains("/src/") && !source.path.ends_with("/tests.rs");
        if needs_header && !source.text.starts_with("//!") {
            findings.push(format!("{}: does not begin with `//!` and what the module is for", source.path));
        }
    }
    findings
}

/// No file holds a text of [`BANNED`].
pub(super) fn check_words(sources: &[Source]) -> Findings {
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| !EXEMPT.contains(&source.path.as_str())) {
        for (number, line) in source.text.lines().enumerate() {
            let found = BANNED.iter().filter(|(start, end, _)| line.contains(&format!("{start}{end}")));
            findings.extend(
                found.map(|(start, end, why)| {
                    format!("{}:{}: `{start}{end}`: {why}", source.path, number + 1)
                }),
            );
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Vec<Source> {
        vec![Source { path: "crates/a/src/b.rs".to_owned(), text: text.to_owned() }]
    }

    #[test]
    fn banned_words_are_found_with_their_line() {
        let findings = check_words(&source(concat!("//! Fine.\n", "// see /wo", "rk/main\n")));
        assert_eq!(findings, [concat!("crates/a/src/b.rs:2: `/wo", "rk/`: a path of one machine")]);
    }

    #[test]
    fn a_module_without_a_header_is_found() {
        assert_eq!(check_shape(&source("fn main() {}\n")).len(), 1);
        assert!(check_shape(&source("//! Fine.\n")).is_empty());
    }
}
