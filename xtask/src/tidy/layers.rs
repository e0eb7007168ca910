//! Which crate may use which.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;

use super::{Findings, Source};
use crate::fault::{Result, While};
use crate::tool::Tool;

/// Crates that ship, from the top down, each with those of ours that it may use.
///
/// `ARCHITECTURE.md` draws the same and says why.
const LAYERS: [(&str, &[&str]); 13] = [
    (
        "annals",
        &[
            "annals-server",
            "annals-connect",
            "annals-dialects",
            "annals-ledger",
            "annals-journal",
            "annals-export",
            "annals-verify",
            "annals-bundle",
            "annals-tree",
            "annals-event",
        ],
    ),
    (
        "annals-server",
        &[
            "annals-dialects",
            "annals-ledger",
            "annals-export",
            "annals-verify",
            "annals-bundle",
            "annals-tree",
            "annals-event",
        ],
    ),
    ("annals-connect", &["annals-dialects", "annals-ledger", "annals-tree", "annals-event"]),
    ("annals-dialects", &["annals-event"]),
    ("annals-ledger", &["annals-journal", "annals-segment", "annals-tree", "annals-event"]),
    ("annals-segment", &["annals-tree", "annals-event"]),
    ("annals-export", &["annals-event"]),
    ("annals-verify-page", &["annals-verify", "annals-bundle", "annals-tree", "annals-event"]),
    ("annals-verify", &["annals-bundle", "annals-tree", "annals-event"]),
    ("annals-bundle", &["annals-tree"]),
    ("annals-journal", &[]),
    ("annals-tree", &[]),
    ("annals-event", &[]),
];

/// Crates that never ship: they may use everything, and only each other and tests may use them.
const TOOLS: [&str; 2] = ["annals-sim", "xtask"];

/// Licences whose terms a distributed binary can meet. One of a choice is enough.
const LICENCES: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// The manifests as cargo understands them.
#[derive(Debug, Deserialize)]
pub(super) struct Workspace {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    license: Option<String>,
    manifest_path: String,
    /// Nothing for those in the workspace and other folders.
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// Nothing, `dev` or `build`.
    kind: Option<String>,
    /// Of a dependency in a folder.
    path: Option<String>,
}

impl Workspace {
    pub(super) fn read() -> Result<Self> {
        let metadata = Tool::cargo().args(["metadata", "--format-version", "1", "--quiet"]).output()?;
        serde_json::from_str(&metadata).while_doing("cargo metadata")
    }

    /// Our own packages.
    fn ours(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.source.is_none())
    }
}

impl Package {
    /// Those of ours that it uses when it is built, not only when it is tested.
    fn uses(&self) -> impl Iterator<Item = &str> {
        let built = self
            .dependencies
            .iter()
            .filter(|used| used.path.is_some() && used.kind.as_deref() != Some("dev"));
        built.map(|used| used.name.as_str())
    }
}

/// Compares the real dependencies with [`LAYERS`].
pub(super) fn check(workspace: &Workspace) -> Findings {
    let layers = BTreeMap::from(LAYERS);
    let mut findings = Vec::new();
    for package in workspace.ours().filter(|package| !TOOLS.contains(&package.name.as_str())) {
        match layers.get(package.name.as_str()) {
            None => {
                findings.push(format!("{}: has no place in LAYERS of xtask/src/tidy/layers.rs", package.name))
            }
            Some(allowed) => {
                let wrong = package.uses().filter(|used| !allowed.contains(used));
                findings.extend(wrong.map(|used| format!("{}: must not use {used}", package.name)));
            }
        }
    }
    findings
}

/// The picture in `ARCHITECTURE.md`, the first code block that names `annals-ledger`, has every crate, and each above
/// those that it uses.
pub(super) fn check_picture(workspace: &Workspace, sources: &[Source]) -> Findings {
    let Some(map) = sources.iter().find(|source| source.path == "ARCHITECTURE.md") else {
        return vec!["ARCHITECTURE.md: missing".to_owned()];
    };
    let Some(picture) =
        map.text.split("```").skip(1).step_by(2).find(|block| block.contains("annals-ledger"))
    else {
        return vec!["ARCHITECTURE.md: no code block draws the crates".to_owned()];
    };
    // The first name of a line is what the line is about.
    let names = picture.lines().filter_map(|line| {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_')
            .find(|word| word.starts_with("annals"))
    });
    let lines: Vec<_> = names.collect();
    let line_of = |name: &str| lines.iter().position(|line| *line == name);
    let mut findings = Vec::new();
    for package in workspace.ours().filter(|package| package.name.starts_with("annals")) {
        let Some(at) = line_of(&package.name) else {
            findings.push(format!("ARCHITECTURE.md: the picture lacks {}", package.name));
            continue;
        };
        if TOOLS.contains(&package.name.as_str()) {
            continue;
        }
        let above = package.uses().filter(|used| line_of(used).is_some_and(|used| used < at));
        findings.extend(
            above.map(|used| format!("ARCHITECTURE.md: draws {used} above {}, which uses it", package.name)),
        );
    }
    findings
}

/// Each manifest of ours says `lints.workspace = true`.
pub(super) fn check_lints(workspace: &Workspace) -> Result<Findings> {
    let mut findings = Vec::new();
    for package in workspace.ours() {
        let manifest = fs::read_to_string(&package.manifest_path).while_doing(&package.manifest_path)?;
        let section = manifest.split("[lints]").nth(1).unwrap_or_default();
        let takes = section.split("\n[").next().unwrap_or_default().contains("workspace = true");
        if !takes && !manifest.contains("lints.workspace = true") {
            findings.push(format!("{}: its Cargo.toml lacks `[lints] workspace = true`", package.name));
        }
    }
    Ok(findings)
}

/// The licences of everything we build with.
pub(super) fn check_licences(workspace: &Workspace) -> Findings {
    let refused =
        workspace.packages.iter().filter(|package| !package.license.as_deref().is_some_and(is_allowed));
    let named = refused.map(|package| {
        format!("{}: licence {}", package.name, package.license.as_deref().unwrap_or("not named"))
    });
    named.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether an SPDX expression can be met with [`LICENCES`].
fn is_allowed(expression: &str) -> bool {
    // `/` is how old manifests write `OR`. `OR` binds less than `AND`; a group in brackets stands on one side of an `AND`.
    let expression = expression.replace('/', " OR ");
    let any_of = |text: &str| text.split(" OR ").any(|licence| LICENCES.contains(&licence.trim()));
    if expression.contains('(') {
        return expression.split(" AND ").all(|part| any_of(part.trim().trim_matches(['(', ')'])));
    }
    expression.split(" OR ").any(|choice| choice.split(" AND ").all(any_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_met_by_one_of_a_choice_and_all_of_a_list() {
        for allowed in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-2.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "MIT AND ISC OR GPL-2.0",
        ] {
            assert!(is_allowed(allowed), "{allowed}");
        }
        for refused in ["GPL-2.0", "MIT AND GPL-2.0", "(MIT OR Apache-2.0) AND GPL-2.0", ""] {
            assert!(!is_allowed(refused), "{refused}");
        }
    }
}
