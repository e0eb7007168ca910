//! Reading a folder that may be damaged or in use.

use std::sync::Arc;

use annals_journal::{Damage, Flaw, Journal, Place, RealDisk, Scan, Scanned, format, sim::SimDisk};

use crate::{append, disk_with, files, open};

type Files = Vec<(String, Vec<u8>)>;

/// Three files of three groups of one batch each, at bytes 512, 1536 and 2560. Batch `n` is 700 times byte `n`.
fn three_files() -> Files {
    let disk = SimDisk::new(0);
    let mut journal = open(&disk);
    for place in 0..9 {
        append(&mut journal, &[&[place; 700]]);
    }
    assert_eq!(files(&disk).len(), 3);
    files(&disk)
}

fn scan(files: &Files) -> Vec<Scanned> {
    Scan::open(Arc::new(disk_with(files))).unwrap().map(Result::unwrap).collect()
}

/// Scans; whole frames must be as written. Returns their places, and what else was found.
fn sort_out(files: &Files) -> (Vec<u64>, Vec<Scanned>) {
    let mut places = Vec::new();
    let mut rest = Vec::new();
    for scanned in scan(files) {
        match scanned {
            Scanned::Frame { place, payload, .. } => {
                assert_eq!(payload, [u8::try_from(place.0).unwrap(); 700]);
                places.push(place.0);
            }
            other => rest.push(other),
        }
    }
    (places, rest)
}

fn damage(files: &Files, file: usize, offset: u64, place: u64, flaw: Flaw) -> Damage {
    Damage { file: files[file].0.clone(), offset, place: Some(Place(place)), flaw }
}

#[test]
fn a_whole_journal_gives_its_frames() {
    let disk = SimDisk::new(0);
    let mut journal = open(&disk);
    append(&mut journal, &[b"one", b"two"]);
    append(&mut journal, &[b"three"]);
    let file: Arc<str> = format::file_name(Place(0)).into();
    let frame = |offset, place, payload: &[u8]| Scanned::Frame {
        file: Arc::clone(&file),
        offset,
        place: Place(place),
        payload: payload.to_vec(),
    };
    assert_eq!(scan(&files(&disk)), [frame(512, 0, b"one"), frame(543, 1, b"two"), frame(1024, 2, b"three")]);
}

#[test]
fn an_empty_folder_gives_nothing() {
    assert!(scan(&Vec::new()).is_empty());
}

#[test]
fn a_group_being_written_is_a_tail_and_no_damage() {
    let mut files = three_files();
    let bytes = files[2].1.len();
    files[2].1.truncate(bytes - 1);
    let (places, rest) = sort_out(&files);
    assert_eq!(places, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(rest, [Scanned::Tail { file: files[2].0.as_str().into(), offset: 2264, bytes: 1023 }]);
}

#[test]
fn a_file_being_begun_is_a_tail_and_no_damage() {
    let mut files = three_files();
    files.push((format::file_name(Place(9)), vec![0; 100]));
    let (places, rest) = sort_out(&files);
    assert_eq!(places, (0..9).collect::<Vec<_>>());
    assert_eq!(rest, [Scanned::Tail { file: files[3].0.as_str().into(), offset: 0, bytes: 100 }]);
}

#[test]
fn a_damaged_payload_is_handed_out_with_its_verdict() {
    let mut files = three_files();
    for (_, contents) in &mut files {
        contents[1600] ^= 1;
    }
    let (places, rest) = sort_out(&files);
    assert_eq!(places, [0, 2, 3, 5, 6, 8]);
    for (file, found) in rest.into_iter().enumerate() {
        let place = file as u64 * 3 + 1;
        let mut payload = vec![u8::try_from(place).unwrap(); 700];
        payload[1600 - 1536 - format::FRAME_HEADER_BYTES] ^= 1;
        assert_eq!(
            found,
            Scanned::Bad {
                damage: damage(&files, file, 1536, place, Flaw::Payload),
                payload: Some(payload),
                payload_is_intact: false,
                resumes: Some(Place(place + 1)),
            }
        );
    }
}

#[test]
fn behind_a_damaged_header_the_payload_may_still_be_whole() {
    let mut files = three_files();
    // The lowest byte of the place.
    files[1].1[1536 + 15] ^= 0x40;
    let (places, rest) = sort_out(&files);
    assert_eq!(places, [0, 1, 2, 3, 5, 6, 7, 8]);
    assert_eq!(
        rest,
        [Scanned::Bad {
            damage: damage(&files, 1, 1536, 4, Flaw::FrameHeader),
            payload: Some(vec![4; 700]),
            payload_is_intact: true,
            resumes: Some(Place(5)),
        }]
    );
}

#[test]
fn behind_a_frame_without_a_length_the_scan_goes_on_at_the_next_group() {
    let mut files = three_files();
    files[0].1[1536..2048].fill(0);
    let (places, rest) = sort_out(&files);
    assert_eq!(places, [0, 2, 3, 4, 5, 6, 7, 8]);
    let bad = Scanned::Bad {
        damage: damage(&files, 0, 1536, 1, Flaw::FrameHeader),
        payload: None,
        payload_is_intact: false,
        resumes: Some(Place(2)),
    };
    assert_eq!(rest, [bad]);
}

#[test]
fn behind_an_unreadable_end_of_a_file_the_scan_goes_on_with_the_next_file() {
    let mut files = three_files();
    files[0].1.truncate(1536 + 20);
    let (places, rest) = sort_out(&files);
    assert_eq!(places, [0, 3, 4, 5, 6, 7, 8]);
    let bad = Scanned::Bad {
        damage: damage(&files, 0, 1536, 1, Flaw::FrameHeader),
        payload: None,
        payload_is_intact: false,
        resumes: Some(Place(3)),
    };
    assert_eq!(rest, [bad]);
}

#[test]
fn a_missing_or_unreadable_file_names_the_places_it_had() {
    let bad =
        |damage| Scanned::Bad { damage, payload: None, payload_is_intact: false, resumes: Some(Place(6)) };

    let mut unreadable = three_files();
    unreadable[1].1[3] ^= 1;
    let (places, rest) = sort_out(&unreadable);
    assert_eq!(places, [0, 1, 2, 6, 7, 8]);
    assert_eq!(rest, [bad(damage(&unreadable, 1, 0, 3, Flaw::FileHeader))]);

    let mut missing = three_files();
    missing.remove(1);
    let (places, rest) = sort_out(&missing);
    assert_eq!(places, [0, 1, 2, 6, 7, 8]);
    assert_eq!(rest, [bad(damage(&missing, 1, 0, 3, Flaw::Gap))]);
}

#[test]
fn padding_that_is_not_zero_affects_no_place() {
    let mut files = three_files();
    files[2].1[2400] = 1;
    let (places, rest) = sort_out(&files);
    assert_eq!(places, (0..9).collect::<Vec<_>>());
    assert!(
        matches!(&rest[..], [Scanned::Bad { damage, resumes: Some(Place(8)), .. }] if damage.place == Some(Place(8)))
    );
}

#[test]
fn files_trimmed_meanwhile_are_passed_over() {
    let disk = disk_with(&three_files());
    let mut journal = open(&disk);
    let mut scan = Scan::open(Arc::new(disk.clone())).unwrap();
    assert!(matches!(scan.next(), Some(Ok(Scanned::Frame { place: Place(0), .. }))));
    journal.trim(Place(6)).unwrap();
    let places: Vec<_> = scan
        .map(|scanned| match scanned.unwrap() {
            Scanned::Frame { place, .. } => place.0,
            other => panic!("{other:?}"),
        })
        .collect();
    // The file that was open is read to its end.
    assert_eq!(places, [1, 2, 6, 7, 8]);
}

#[test]
fn every_flipped_byte_before_the_last_group_is_named() {
    let files = three_files();
    for file in 0..3 {
        let end = if file == 2 { 2560 } else { files[file].1.len() };
        for byte in 0..end {
            let mut flipped = files.clone();
            flipped[file].1[byte] ^= 0x20;
            let found = scan(&flipped);
            let bad = found.iter().filter(|scanned| matches!(scanned, Scanned::Bad { .. })).count();
            let tails = found.iter().filter(|scanned| matches!(scanned, Scanned::Tail { .. })).count();
            assert_eq!((bad, tails), (1, 0), "file {file}, byte {byte}: {found:?}");
        }
    }
}

#[test]
fn scanning_a_real_folder_changes_nothing_in_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, contents) in three_files() {
        std::fs::write(folder.path().join(name), contents).unwrap();
    }
    let before = std::fs::read_dir(folder.path()).unwrap().count();
    let found =
        Scan::open(Arc::new(RealDisk::existing(folder.path()).unwrap())).unwrap().map(Result::unwrap).count();
    assert_eq!((found, std::fs::read_dir(folder.path()).unwrap().count()), (9, before));
}
