use super::*;

fn write(file: &mut dyn DiskFile, offset: u64, bytes: &[u8]) {
    file.write_at(offset, bytes).unwrap();
}

/// What a file holds after a crash, for many seeds.
fn fates(prepare: impl Fn(&SimDisk)) -> Vec<Option<Vec<u8>>> {
    let mut fates: Vec<_> = (0..300)
        .map(|seed| {
            let disk = SimDisk::new(seed);
            prepare(&disk);
            disk.crash();
            disk.contents("a")
        })
        .collect();
    fates.sort();
    fates.dedup();
    fates
}

#[test]
fn what_was_synced_is_kept() {
    let fates = fates(|disk| {
        let mut file = disk.create("a").unwrap();
        write(&mut *file, 0, b"synced");
        file.sync().unwrap();
        disk.sync_dir().unwrap();
    });
    assert_eq!(fates, [Some(b"synced".to_vec())]);
}

#[test]
fn a_name_that_was_not_synced_may_be_lost_with_all_its_bytes() {
    let fates = fates(|disk| {
        let mut file = disk.create("a").unwrap();
        write(&mut *file, 0, b"synced");
        file.sync().unwrap();
    });
    assert_eq!(fates, [None, Some(b"synced".to_vec())]);
}

#[test]
fn a_write_that_was_not_synced_is_kept_lost_zeroed_or_torn_by_sector() {
    let fates = fates(|disk| {
        let mut file = disk.create("a").unwrap();
        write(&mut *file, 0, &[1; 600]);
        file.sync().unwrap();
        disk.sync_dir().unwrap();
        write(&mut *file, 0, &[2; 1024]);
    });
    let fates: Vec<_> = fates.into_iter().map(Option::unwrap).collect();
    assert!(fates.contains(&vec![1; 600]), "all lost");
    assert!(fates.contains(&vec![2; 1024]), "all kept");
    assert!(fates.contains(&[vec![2; 512], vec![1; 88]].concat()), "the first sector alone");
    assert!(fates.contains(&[vec![1; 512], vec![2; 512]].concat()), "the second sector alone");
    assert!(fates.contains(&[vec![1; 600], vec![0; 424]].concat()), "grown but never filled");
    assert!(fates.iter().any(|fate| fate[0] == 2 && fate[511] == 1), "torn");
    assert!(fates.iter().any(|fate| fate[0] == 1 && fate[511] == 2), "torn the other way");
}

#[test]
fn changes_of_two_files_are_not_ordered() {
    let seen = |kept: fn(&SimDisk) -> bool| {
        (0..300).any(|seed| {
            let disk = SimDisk::new(seed);
            for name in ["a", "b"] {
                disk.put(name, Vec::new());
                write(&mut *disk.open(name).unwrap(), 0, b"x");
            }
            disk.crash();
            kept(&disk)
        })
    };
    assert!(seen(|disk| disk.contents("a").unwrap() == b"x" && disk.contents("b").unwrap().is_empty()));
    assert!(seen(|disk| disk.contents("b").unwrap() == b"x" && disk.contents("a").unwrap().is_empty()));
}

#[test]
fn a_failed_sync_may_forget_bytes_that_are_still_shown() {
    let forgotten = (0..100).any(|seed| {
        let disk = SimDisk::new(seed);
        disk.put("a", Vec::new());
        let mut file = disk.open("a").unwrap();
        write(&mut *file, 0, b"x");
        disk.fail(Op::Sync, 0, Fault::Error);
        file.sync().unwrap_err();
        file.sync().unwrap();
        assert_eq!(disk.contents("a").unwrap(), b"x");
        disk.crash();
        disk.contents("a").unwrap().is_empty()
    });
    assert!(forgotten);
}

#[test]
fn a_full_disk_takes_what_fits() {
    let disk = SimDisk::new(0);
    disk.set_capacity(Some(10));
    let mut file = disk.create("a").unwrap();
    assert_eq!(file.write_at(0, &[1; 20]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert!(disk.contents("a").unwrap().len() <= 10);
    file.truncate(0).unwrap();
    write(&mut *file, 0, &[1; 10]);
    assert_eq!(disk.free_bytes().unwrap(), 0);
    disk.set_capacity(None);
    write(&mut *file, 10, &[1; 10]);
}

#[test]
fn files_opened_before_a_crash_are_dead() {
    let disk = SimDisk::new(0);
    disk.put("a", b"x".to_vec());
    let mut file = disk.open("a").unwrap();
    disk.cut_power_after(0);
    file.write_at(0, b"y").unwrap_err();
    assert!(!disk.is_on());
    disk.list().unwrap_err();
    disk.crash();
    file.write_at(0, b"y").unwrap_err();
    file.bytes().unwrap_err();
    assert_eq!(disk.list().unwrap(), ["a"]);
    assert!(disk.open_to_read("a").unwrap().write_at(0, b"y").is_err());
}

#[test]
fn names_move_and_are_replaced() {
    let disk = SimDisk::new(0);
    disk.put("a", b"a".to_vec());
    disk.put("b", b"b".to_vec());
    disk.rename("a", "b").unwrap();
    assert_eq!((disk.list().unwrap(), disk.contents("b")), (vec!["b".to_owned()], Some(b"a".to_vec())));
    assert_eq!(disk.remove("a").unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(disk.rename("a", "b").unwrap_err().kind(), io::ErrorKind::NotFound);
    disk.fail(Op::Read, 0, Fault::Error);
    let file = disk.open("b").unwrap();
    file.read_at(0, &mut [0]).unwrap_err();
    assert_eq!(file.read_at(0, &mut [0]).unwrap(), 1);
}

#[test]
fn the_same_seed_gives_the_same_fates() {
    let run = |seed| {
        let disk = SimDisk::new(seed);
        disk.fail_randomly(NonZeroU64::new(3));
        let mut trace = Vec::new();
        for step in 0..200_u64 {
            let name = format!("{}", step % 5);
            let outcome = disk.create(&name).and_then(|mut file| {
                file.write_at(step, &[1; 700])?;
                file.sync()
            });
            trace.push(outcome.map_err(|error| error.to_string()));
            if step % 20 == 19 {
                disk.crash();
            }
        }
        (trace, disk.list().unwrap().into_iter().map(|name| disk.contents(&name)).collect::<Vec<_>>())
    };
    assert!(run(7) == run(7));
    assert!(run(7) != run(8));
}
