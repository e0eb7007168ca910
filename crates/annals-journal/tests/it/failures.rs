//! Full disks, failed writes and failed flushes.

use std::sync::Arc;

use annals_journal::{
    AppendError, Disk, DiskFile, FaultDisk, FileJournal, Journal, MemoryJournal, Place, RealDisk, TrimError,
    sim::{Fault, Op, SimDisk},
};

use crate::{append, files, open, options, read_all};

#[test]
fn a_full_disk_refuses_the_group_whole_and_takes_it_once_there_is_space() {
    for capacity in 512..1200 {
        let disk = SimDisk::new(capacity);
        let mut journal = open(&disk);
        disk.set_capacity(Some(capacity));
        let refused = journal.append(Place(0), &[&[1; 300], &[2; 400]]);
        assert!(matches!(refused, Err(AppendError::Full { bytes: 756, .. })), "{refused:?}");
        assert_eq!(journal.next(), Place(0));
        // Not even after a power cut is anything of it there.
        disk.set_capacity(None);
        disk.crash();
        let mut journal = open(&disk);
        assert!(read_all(&journal).is_empty());
        append(&mut journal, &[&[1; 300]]);
        disk.set_capacity(Some(disk.contents("0000000000000000.journal").unwrap().len() as u64));
        assert!(matches!(journal.append(Place(1), &[b"x"]), Err(AppendError::Full { .. })));
        disk.set_capacity(None);
        append(&mut journal, &[b"x"]);
        assert_eq!(read_all(&journal), [vec![1; 300], b"x".to_vec()]);
    }
}

#[test]
fn a_failed_write_is_taken_back_and_may_be_tried_again() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let mut journal = open(&disk);
        append(&mut journal, &[b"before"]);
        disk.fail(Op::Write, 0, Fault::Error);
        assert!(matches!(journal.append(Place(1), &[&[7; 2000]]), Err(AppendError::Unavailable(_))));
        append(&mut journal, &[b"after"]);
        disk.crash();
        assert_eq!(read_all(&open(&disk)), [b"before".to_vec(), b"after".to_vec()]);
    }
}

#[test]
fn a_write_that_cannot_be_taken_back_is_uncertain_and_ends_writing() {
    for undo in [Op::Truncate, Op::Sync] {
        for seed in 0..50 {
            let disk = SimDisk::new(seed);
            let mut journal = open(&disk);
            append(&mut journal, &[b"before"]);
            disk.fail(Op::Write, 0, Fault::AnswerLost);
            disk.fail(undo, 0, Fault::Error);
            assert!(matches!(journal.append(Place(1), &[b"maybe"]), Err(AppendError::Uncertain { .. })));
            assert!(matches!(journal.append(Place(1), &[b"no"]), Err(AppendError::Poisoned { .. })));
            drop(journal);
            let kept = read_all(&open(&disk));
            assert!([b"before".to_vec(), b"maybe".to_vec()].starts_with(&kept) && !kept.is_empty());
        }
    }
}

#[test]
fn after_a_failed_flush_nothing_more_is_written_and_reads_go_on() {
    for seed in 0..50 {
        let disk = SimDisk::new(seed);
        let mut journal = open(&disk);
        append(&mut journal, &[b"before"]);
        disk.fail(Op::Sync, 0, Fault::Error);
        assert!(matches!(
            journal.append(Place(1), &[b"maybe"]),
            Err(AppendError::Uncertain { next: Place(1), .. })
        ));
        let contents = files(&disk);
        let changes = disk.changes();
        for _ in 0..3 {
            let refused = journal.append(Place(1), &[b"no"]).unwrap_err();
            assert_eq!(
                refused.to_string(),
                "journal: takes no more writes since a flush failed: simulated: failed\n\
                 hint: look at the disk, then restart"
            );
            assert!(matches!(journal.trim(Place(1)), Err(TrimError::Poisoned { .. })));
        }
        assert!((files(&disk), disk.changes()) == (contents, changes), "the disk is left alone");
        assert_eq!(read_all(&journal), [b"before".to_vec()], "only what is acknowledged is read");
    }
}

#[test]
fn what_is_read_after_a_failed_flush_and_a_restart_is_durable() {
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        let mut journal = open(&disk);
        append(&mut journal, &[b"before"]);
        disk.fail(Op::Sync, 0, Fault::Error);
        journal.append(Place(1), &[&[7; 1500], b"maybe"]).unwrap_err();
        drop(journal);
        // The process starts again without a power cut: the system shows bytes that the disk may never have got.
        let seen = read_all(&open(&disk));
        disk.crash();
        assert_eq!(read_all(&open(&disk)), seen);
    }
}

#[test]
fn a_flush_whose_answer_was_lost_is_uncertain() {
    let disk = SimDisk::new(0);
    let mut journal = open(&disk);
    disk.fail(Op::Sync, 0, Fault::AnswerLost);
    assert!(matches!(journal.append(Place(0), &[b"landed"]), Err(AppendError::Uncertain { .. })));
    disk.crash();
    assert_eq!(read_all(&open(&disk)), [b"landed".to_vec()]);
}

/// A journal whose next group of 700 bytes begins the second file.
fn about_to_rotate(disk: &SimDisk) -> FileJournal {
    let mut journal = open(disk);
    for _ in 0..3 {
        append(&mut journal, &[&[1; 700]]);
    }
    assert_eq!(files(disk).len(), 1);
    journal
}

#[test]
fn a_file_that_cannot_be_begun_is_begun_later() {
    for fault in [Fault::NoSpace, Fault::Error, Fault::AnswerLost] {
        for op in [Op::Create, Op::Write] {
            let disk = SimDisk::new(3);
            let mut journal = about_to_rotate(&disk);
            disk.fail(op, 0, fault);
            let refused = journal.append(Place(3), &[&[2; 700]]);
            match fault {
                Fault::NoSpace => assert!(matches!(refused, Err(AppendError::Full { .. })), "{refused:?}"),
                _ => assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}"),
            }
            assert_eq!(read_all(&journal).len(), 3);
            // It would fit into the old file, behind whose end the new one may already be there.
            append(&mut journal, &[b"small"]);
            assert_eq!(files(&disk).len(), 2);
            disk.crash();
            assert_eq!(read_all(&open(&disk)).len(), 4);
        }
    }
}

#[test]
fn a_file_whose_first_flush_fails_ends_writing_and_its_group_is_not_stored() {
    for op in [Op::Sync, Op::SyncDir] {
        for seed in 0..20 {
            let disk = SimDisk::new(seed);
            let mut journal = about_to_rotate(&disk);
            disk.fail(op, 0, Fault::Error);
            assert!(matches!(journal.append(Place(3), &[&[2; 700]]), Err(AppendError::Poisoned { .. })));
            assert_eq!(read_all(&journal).len(), 3);
            drop(journal);
            let mut journal = open(&disk);
            append(&mut journal, &[b"after"]);
            disk.crash();
            assert_eq!(read_all(&open(&disk)).len(), 4);
        }
    }
}

#[test]
fn space_is_kept_in_reserve() {
    let disk = SimDisk::new(0);
    let mut options = options();
    options.reserve_bytes = 10_000;
    disk.set_capacity(Some(20_000));
    let (mut journal, _) = FileJournal::open(Arc::new(disk.clone()), &options).unwrap();
    let refused = loop {
        let next = journal.next();
        if let Err(refused) = journal.append(next, &[&[1; 400]]) {
            break refused;
        }
    };
    assert!(matches!(refused, AppendError::Full { bytes: 428, reserve_bytes: 10_000 }), "{refused:?}");
    let left = disk.free_bytes().unwrap();
    // What was granted at the last check does not count the padding.
    assert!(left > 5_000, "{left} bytes are left");
    let stored = read_all(&journal).len();
    journal.trim(Place(stored as u64)).unwrap();
    append(&mut journal, &[b"space again"]);
}

#[test]
fn a_trim_that_fails_may_be_tried_again() {
    for fault in [Fault::Error, Fault::AnswerLost] {
        let disk = SimDisk::new(0);
        let mut journal = about_to_rotate(&disk);
        append(&mut journal, &[&[2; 700]]);
        disk.fail(Op::Remove, 0, fault);
        assert!(matches!(journal.trim(Place(3)), Err(TrimError::Unavailable(_))));
        journal.trim(Place(3)).unwrap();
        assert_eq!(journal.first(), Place(3));
        disk.crash();
        assert_eq!(read_all(&open(&disk)), [vec![2; 700]]);
    }
}

#[test]
fn a_trim_frees_space_on_a_full_disk() {
    let disk = SimDisk::new(0);
    let mut journal = about_to_rotate(&disk);
    append(&mut journal, &[&[2; 700], &[3; 700]]);
    disk.fail(Op::Create, 0, Fault::NoSpace);
    journal.trim(Place(4)).unwrap();
    assert_eq!(journal.first(), Place(3));
    append(&mut journal, &[b"after"]);
    assert_eq!(read_all(&journal).len(), 3);
}

#[test]
fn faults_are_switched_on_and_off_while_a_journal_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (disk, faults) = FaultDisk::new(RealDisk::create(folder.path()).unwrap());
    let disk = Arc::new(disk);
    let mut options = options();
    options.reserve_bytes = 1;
    let (mut journal, _) = FileJournal::open(disk.clone(), &options).unwrap();

    faults.set_no_space(true);
    // What was granted before is not asked for again; then the write itself finds the disk full.
    assert!(matches!(journal.append(Place(0), &[b"a"]), Err(AppendError::Full { .. })));
    assert!(matches!(journal.append(Place(0), &[b"a"]), Err(AppendError::Full { .. })));
    faults.set_no_space(false);
    append(&mut journal, &[b"a"]);

    faults.set_failing_writes(true);
    assert!(matches!(journal.append(Place(1), &[b"b"]), Err(AppendError::Unavailable(_))));
    faults.set_failing_writes(false);
    append(&mut journal, &[b"b"]);

    faults.set_failing_syncs(true);
    assert!(matches!(journal.append(Place(2), &[b"c"]), Err(AppendError::Uncertain { .. })));
    faults.set_failing_syncs(false);
    assert!(matches!(journal.append(Place(2), &[b"c"]), Err(AppendError::Poisoned { .. })));
    drop(journal);
    let (journal, _) = FileJournal::open(disk, &options).unwrap();
    assert_eq!(read_all(&journal), [b"a", b"b", b"c"]);
}

#[test]
fn a_journal_in_memory_loses_answers_when_told() {
    for landing in 0..=3 {
        let mut journal = MemoryJournal::new();
        journal.lose_next_answer(landing);
        assert!(matches!(journal.append(Place(0), &[b"a", b"b", b"c"]), Err(AppendError::Uncertain { .. })));
        assert_eq!(read_all(&journal).len(), landing);
        // Who goes on as if nothing had landed is fenced off.
        assert_eq!(journal.append(Place(0), &[b"a"]).is_err(), landing > 0);
    }
    let mut journal = MemoryJournal::new();
    journal.fill_next();
    assert!(matches!(journal.append(Place(0), &[b"a"]), Err(AppendError::Full { .. })));
    append(&mut journal, &[b"a"]);
}

#[test]
fn folders_and_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("journal");
    let disk = RealDisk::create(&folder).unwrap();
    let mut file: Box<dyn DiskFile> = disk.create("a").unwrap();
    file.write_at(0, b"x").unwrap();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("a"))), (0o700, 0o600));
    disk.rename("a", "b").unwrap();
    disk.sync_dir().unwrap();
    assert_eq!(disk.list().unwrap(), ["b"]);
    assert!(RealDisk::existing(folder.join("b")).is_err());
    assert!(RealDisk::existing(folder.join("c")).is_err());
    assert!(disk.free_bytes().unwrap() > 0);
}
