//! Links of the documents to files and headings of the repository.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Source};

/// Every relative link in a Markdown file leads to a file or folder, and with `#…` to one of its headings or anchors.
pub(super) fn check(sources: &[Source]) -> Findings {
    let texts: BTreeMap<&str, &str> =
        sources.iter().map(|source| (source.path.as_str(), source.text.as_str())).collect();
    let mut findings = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| path.ends_with(".md")) {
        for (number, link) in links(text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { (*path).to_owned() } else { resolved(path, file) };
            let is_folder = texts.keys().any(|known| known.starts_with(&format!("{target}/")));
            let wrong = match texts.get(target.as_str()) {
                None if is_folder && anchor.is_empty() => continue,
                None => "leads nowhere",
                Some(text) if !anchor.is_empty() && !anchors(text).contains(anchor) => "has no such heading",
                Some(_) => continue,
            };
            findings.push(format!("{path}:{number}: `{link}` {wrong}"));
        }
    }
    findings
}

/// The targets of `[…](target)` outside of code, with their lines; those with a scheme are left out.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (at, _) in line.match_indices("](") {
            // An odd number of backticks before it: inside code.
            if line[..at].matches('`').count() % 2 == 1 {
                continue;
            }
            let Some((target, _)) = line[at + 2..].split_once(')') else { continue };
            if !target.contains("://") && !target.starts_with("mailto:") {
                found.push((number, target));
            }
        }
    }
    found
}

/// The lines outside of fenced blocks, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        fenced ^= is_fence;
        (!fenced && !is_fence).then_some((index + 1, line))
    })
}

/// What can stand behind `#`: headings as GitHub names them, and `<a id="…">`.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text) {
        if let Some(title) = line.strip_prefix('#') {
            let title = title.trim_start_matches('#').trim().to_lowercase();
            let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
            // The second of one name has a number behind it.
            let again = (1..).map(|number| format!("{slug}-{number}"));
            let free = std::iter::once(slug.clone()).chain(again).find(|slug| !anchors.contains(slug));
            anchors.extend(free);
        }
        anchors.extend(
            line.split("<a id=\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned),
        );
    }
    anchors
}

/// The path, from the root, of what a file calls `link`.
fn resolved(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_file_and_its_heading() {
        let page = "# A `page`\n[a](b.md) [b](../README.md#what-is-it) [c](#a-page) [d](https://x.example/y) [e](../docs)\n\
                    [f](gone.md) [g](b.md#none) `[h](code.md)` [i](b.md#mark)\n```\n[j](fenced.md)\n```\n";
        let source = |path: &str, text: &str| Source { path: path.to_owned(), text: text.to_owned() };
        let sources = [
            source("docs/a.md", page),
            source("docs/b.md", "<a id=\"mark\"></a>\n"),
            source("README.md", "## What is it?\n"),
        ];
        assert_eq!(
            check(&sources),
            ["docs/a.md:3: `gone.md` leads nowhere", "docs/a.md:3: `b.md#none` has no such heading"]
        );
    }
}
