//! Every journal keeps the same promises.

use std::sync::Arc;

use annals_journal::{FileJournal, Journal, MemoryJournal, RealDisk, contract, sim::SimDisk};

use crate::options;

#[test]
fn a_file_journal_on_a_real_disk_keeps_the_contract() {
    let mut folders = Vec::new();
    contract::run(|| {
        folders.push(tempfile::tempdir().unwrap());
        let folder = folders.last().unwrap().path().join("deep").join("journal");
        move || -> Box<dyn Journal> {
            let disk = Arc::new(RealDisk::create(&folder).unwrap());
            Box::new(FileJournal::open(disk, &options()).unwrap().0)
        }
    });
}

#[test]
fn a_file_journal_on_a_simulated_disk_keeps_the_contract() {
    contract::run(|| {
        let disk = SimDisk::new(1);
        move || -> Box<dyn Journal> { Box::new(crate::open(&disk)) }
    });
}

#[test]
fn a_file_journal_that_loses_power_at_every_opening_keeps_the_contract() {
    contract::run(|| {
        let disk = SimDisk::new(2);
        move || -> Box<dyn Journal> {
            disk.crash();
            Box::new(crate::open(&disk))
        }
    });
}

#[test]
fn a_journal_in_memory_keeps_the_contract() {
    contract::run(|| {
        let journal = MemoryJournal::new();
        move || -> Box<dyn Journal> { Box::new(journal.clone()) }
    });
}
