//! Looks for marks in every file of a data folder, with `verifiers/python/find_values.py`, which decodes what annals wrote without a
//! line of annals' code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::subjects::People;
use crate::fault::{Result, While, fail, require};
use crate::repo;
use crate::tool::Tool;

/// What must have been met where marks stand: a search that finds nothing in one of these has no teeth there.
const MET: [&str; 6] = ["bytes", "list", "event", "index of words", "index of", "batch"];

/// Places that a complaint names.
const NAMED_MAX: usize = 8;

/// The program and where its input goes.
#[derive(Debug)]
pub(super) struct Teeth {
    python: PathBuf,
    marks: PathBuf,
}

/// What it says.
#[derive(Debug, Deserialize)]
struct Said {
    found: BTreeMap<String, Vec<String>>,
    secrets: Vec<String>,
    counts: BTreeMap<String, u64>,
}

impl Teeth {
    /// With a Python that has the packages, and a place for a file.
    pub(super) fn new(python: &Path, folder: &Path) -> Self {
        Self { python: python.to_owned(), marks: folder.join("marks") }
    }

    fn search(&self, data: &Path, marks: &[&str]) -> Result<Said> {
        fs::write(&self.marks, marks.join("\n")).while_doing("marks")?;
        let program = repo::root().join("verifiers/python/find_values.py");
        let said = Tool::new(&self.python).args([&program, data, &self.marks]).output()?;
        serde_json::from_str(&said).while_doing("find_values.py")
    }

    /// Every mark is there, in every kind of place that is decoded.
    pub(super) fn find_all(&self, data: &Path, people: &People) -> Result<()> {
        let marks = people.marks();
        let said = self.search(data, &marks)?;
        for mark in marks {
            require!(said.found.contains_key(mark), "{mark} is not found before it was erased");
        }
        let places: BTreeSet<&str> = said
            .found
            .values()
            .flatten()
            .filter_map(|place| place.split_once(": "))
            .map(|place| place.1)
            .collect();
        for kind in MET {
            require!(places.iter().any(|place| place.starts_with(kind)), "no mark is found in `{kind}`");
        }
        require!(places.iter().any(|place| place.ends_with("shapes")), "no mark is found in a shape");
        println!("teeth: {} marks, each found; {:?}", said.found.len(), said.counts);
        Ok(())
    }

    /// What is to be gone is, no secret of it can be had, and what is to be there is.
    pub(super) fn find_none(&self, data: &Path, people: &People, expired: bool) -> Result<()> {
        let said = self.search(data, &people.marks())?;
        let gone: BTreeSet<&str> = people.gone(expired).into_iter().collect();
        for mark in people.marks() {
            match said.found.get(mark) {
                Some(places) if gone.contains(mark) => {
                    let named = &places[..places.len().min(NAMED_MAX)];
                    fail!("{mark} is gone, and stands in {} places: {named:?}", places.len())
                }
                None if !gone.contains(mark) => fail!("{mark} is to stay, and is nowhere"),
                _ => {}
            }
        }
        require!(
            said.secrets.is_empty(),
            "of what is gone: {:?}",
            &said.secrets[..said.secrets.len().min(NAMED_MAX)]
        );
        println!("teeth: of {} marks none is found that is gone; {:?}", gone.len(), said.counts);
        Ok(())
    }
}
