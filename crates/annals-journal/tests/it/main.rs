//! Journals as their users see them.
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod contract;
mod crash_model;
mod damage;
mod failures;
mod image;
mod invariants;
mod model;
mod scan;

use std::sync::Arc;

use annals_journal::{
    Disk, FileJournal, Journal, JournalId, OpenError, Opened, Options, Place, sim::SimDisk,
};

const ID: JournalId = JournalId(*b"sixteen bytes id");

/// Small files, so that a few groups fill one.
fn options() -> Options {
    let mut options = Options::new(ID);
    options.file_bytes = 4096;
    options.reserve_bytes = 0;
    options
}

fn try_open(disk: &SimDisk) -> Result<(FileJournal, Opened), OpenError> {
    FileJournal::open(Arc::new(disk.clone()), &options())
}

fn open(disk: &SimDisk) -> FileJournal {
    try_open(disk).unwrap().0
}

fn append(journal: &mut dyn Journal, group: &[&[u8]]) -> Place {
    let next = journal.next();
    journal.append(next, group).unwrap()
}

/// All batches from the oldest on; their places must rise by one.
fn read_all(journal: &dyn Journal) -> Vec<Vec<u8>> {
    let first = journal.first();
    let batches: Vec<_> = journal.read(first).unwrap().map(Result::unwrap).collect();
    for (index, (place, _)) in batches.iter().enumerate() {
        assert_eq!(*place, first.plus(index as u64));
    }
    assert_eq!(journal.next(), first.plus(batches.len() as u64));
    batches.into_iter().map(|(_, batch)| batch).collect()
}

/// Names and contents of all files.
fn files(disk: &SimDisk) -> Vec<(String, Vec<u8>)> {
    disk.list().unwrap().into_iter().map(|name| (name.clone(), disk.contents(&name).unwrap())).collect()
}

/// A disk on which exactly these files are durable.
fn disk_with(files: &[(String, Vec<u8>)]) -> SimDisk {
    let disk = SimDisk::new(0);
    for (name, contents) in files {
        disk.put(name, contents.clone());
    }
    disk
}
