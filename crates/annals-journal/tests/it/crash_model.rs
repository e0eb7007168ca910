//! The power is cut at every change a journal makes to its disk.

use annals_journal::sim::SimDisk;

use crate::model::Promises;

/// Makes a journal, fills files, trims, appends more, opens again. Ends early when the disk stops answering.
fn work(promises: &mut Promises, disk: &SimDisk) -> Option<()> {
    let mut journal = promises.open(disk)?;
    for sizes in [&[100, 700, 40][..], &[1500], &[3], &[2000, 10], &[600, 600, 600]] {
        promises.append(&mut journal, sizes);
    }
    promises.trim(&mut journal, 60);
    promises.append(&mut journal, &[5000]);
    promises.append(&mut journal, &[9, 9, 9]);
    promises.trim(&mut journal, 100);
    promises.append(&mut journal, &[90]);
    drop(journal);
    let mut journal = promises.open(disk)?;
    promises.append(&mut journal, &[512 - 28, 512 - 28, 1]);
    Some(())
}

fn changes_of_work() -> u64 {
    let disk = SimDisk::new(0);
    work(&mut Promises::default(), &disk).expect("nothing fails");
    disk.changes()
}

#[test]
fn a_power_cut_at_any_change_loses_nothing_acknowledged() {
    for cut in 0..changes_of_work() {
        for seed in 0..60 {
            let disk = SimDisk::new(seed);
            let mut promises = Promises::default();
            disk.cut_power_after(cut);
            let _ = work(&mut promises, &disk);
            disk.crash();
            work(&mut promises, &disk).expect("nothing fails any more");
        }
    }
}

#[test]
fn a_second_power_cut_while_opening_loses_nothing_either() {
    for cut in 0..changes_of_work() {
        for second_cut in 0..6 {
            for seed in 0..10 {
                let disk = SimDisk::new(seed);
                let mut promises = Promises::default();
                disk.cut_power_after(cut);
                let _ = work(&mut promises, &disk);
                disk.crash();
                disk.cut_power_after(second_cut);
                let _ = promises.open(&disk);
                disk.crash();
                work(&mut promises, &disk).expect("nothing fails any more");
            }
        }
    }
}
