//! Rules of the repository that no compiler and no linter knows.
//!
//! Each rule has its function; all findings are printed before the command ends.

mod invariants;
mod layers;
mod links;
mod sources;

use std::fs;

use crate::fault::{Result, While};
use crate::repo;
use crate::stages::Tally;

/// What a rule found wrong: one line each, the place first.
pub(crate) type Findings = Vec<String>;

/// A file of the repository.
#[derive(Debug)]
pub(crate) struct Source {
    /// From the repository's root, with `/` between folders.
    path: String,
    text: String,
}

/// Checks every rule.
pub(crate) fn run() -> Result<Tally> {
    let sources = sources()?;
    let workspace = layers::Workspace::read()?;
    let rules: [(&str, Findings); 9] = [
        ("crates depend downwards only", layers::check(&workspace)),
        ("ARCHITECTURE.md draws every crate above what it uses", layers::check_picture(&workspace, &sources)),
        ("every crate takes the workspace's lints", layers::check_lints(&workspace)?),
        ("every dependency has a licence that we may use", layers::check_licences(&workspace)),
        ("every invariant names a test that exists", invariants::check(&sources)),
        ("every error code is explained", invariants::check_error_catalogue(&sources)),
        ("sources have headers, and fit on a few screens", sources::check_shape(&sources)),
        ("every link in a document leads somewhere", links::check(&sources)),
        ("no word stands where it should not", sources::check_words(&sources)),
    ];
    let mut tally = Tally::default();
    for (rule, findings) in rules {
        let held = findings.is_empty();
        println!("{} {rule}", if held { "ok    " } else { "BROKEN" });
        for finding in &findings {
            println!("       {finding}");
        }
        tally.add(Tally { passed: u64::from(held), failed: u64::from(!held), skipped: Vec::new() });
    }
    Ok(tally)
}

/// Every file of the repository that is text.
fn sources() -> Result<Vec<Source>> {
    let mut sources = Vec::new();
    for file in repo::files()? {
        let bytes = fs::read(repo::root().join(&file)).while_doing(file.display())?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(Source { path: file.to_string_lossy().replace('\\', "/"), text });
        }
    }
    Ok(sources)
}
