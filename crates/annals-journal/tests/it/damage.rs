//! Torn, flipped, missing and foreign bytes.

use annals_journal::{Damage, Flaw, Journal, OpenError, Place, ReadError, format, sim::SimDisk};
use proptest::prelude::*;

use crate::{ID, append, disk_with, files, open, read_all, try_open};

type Files = Vec<(String, Vec<u8>)>;

/// Two files. The last one: groups {13, 14}, {15}, {16, 17}.
struct Sample {
    files: Files,
    batches: Vec<Vec<u8>>,
    /// Where the last group starts in the last file.
    last_group: usize,
}

fn sample() -> Sample {
    let disk = SimDisk::new(0);
    let mut journal = open(&disk);
    let batch = |place: usize| format!("batch {place}").repeat(1 + place % 5).into_bytes();
    let mut last_group = 0;
    for group in [0..3, 3..4, 4..9, 9..13, 13..15, 15..16, 16..18_usize] {
        if group.start == 13 {
            // Ends the first file.
            journal.trim(Place(1)).unwrap();
        }
        let batches: Vec<_> = group.map(batch).collect();
        append(&mut journal, &batches.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let (_, last) = files(&disk).pop().unwrap();
        last_group =
            last.len() - batches.iter().map(|batch| batch.len() + format::FRAME_HEADER_BYTES).sum::<usize>();
    }
    let files = files(&disk);
    assert_eq!(files.len(), 2);
    assert!(last_group.is_multiple_of(512));
    Sample { files, batches: (0..18).map(batch).collect(), last_group }
}

fn damaged(files: &Files) -> Damage {
    let disk = disk_with(files);
    let error = try_open(&disk).unwrap_err();
    assert!(&self::files(&disk) == files, "a damaged journal stays as it was found");
    match error {
        OpenError::Damaged(damage) => damage,
        other => panic!("expected damage, found {other:?}"),
    }
}

#[test]
fn every_flipped_byte_is_damage_or_in_the_last_group_a_torn_tail() {
    let sample = sample();
    for file in 0..2 {
        for byte in 0..sample.files[file].1.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut files = sample.files.clone();
                files[file].1[byte] ^= flip;
                if file == 1 && byte >= sample.last_group {
                    let (journal, opened) = try_open(&disk_with(&files)).unwrap();
                    let batches = read_all(&journal);
                    assert!(
                        (16..18).contains(&batches.len()),
                        "byte {byte} leaves {} batches",
                        batches.len()
                    );
                    assert!(sample.batches.starts_with(&batches));
                    assert!(opened.cut_bytes > 0);
                    continue;
                }
                let damage = damaged(&files);
                assert_eq!(damage.file, files[file].0, "byte {byte}");
                assert!(
                    damage.offset <= byte as u64 && byte as u64 - damage.offset <= 512,
                    "byte {byte}: {damage}"
                );
            }
        }
    }
}

#[test]
fn every_flipped_byte_is_found_by_a_reader_too() {
    let sample = sample();
    for file in 0..2 {
        for byte in 0..sample.files[file].1.len() {
            let disk = disk_with(&sample.files);
            let journal = open(&disk);
            let mut contents = sample.files[file].1.clone();
            contents[byte] ^= 0x10;
            disk.put(&sample.files[file].0, contents);
            let mut read = Vec::new();
            let error = journal
                .read(Place(0))
                .unwrap()
                .find_map(|batch| batch.map(|(_, batch)| read.push(batch)).err());
            assert!(matches!(error, Some(ReadError::Damaged(_))), "file {file}, byte {byte}: {error:?}");
            assert!(sample.batches.starts_with(&read));
        }
    }
}

#[test]
fn every_truncation_of_the_last_file_keeps_whole_frames() {
    let sample = sample();
    for bytes in 0..sample.files[1].1.len() {
        let mut files = sample.files.clone();
        files[1].1.truncate(bytes);
        if bytes < format::FILE_HEADER_BYTES {
            // As a crash leaves it while the file is begun.
            assert_eq!(read_all(&open(&disk_with(&files))), sample.batches[..13]);
            continue;
        }
        let disk = disk_with(&files);
        let mut journal = open(&disk);
        let kept = read_all(&journal);
        assert!(kept.len() >= 13 && sample.batches.starts_with(&kept));
        // What is appended then, is read then, and after another start.
        append(&mut journal, &[b"new"]);
        drop(journal);
        let batches = read_all(&open(&disk));
        assert_eq!(batches, [kept, vec![b"new".to_vec()]].concat());
    }
}

#[test]
fn every_truncation_of_a_closed_file_is_damage() {
    let sample = sample();
    for bytes in 0..sample.files[0].1.len() {
        let mut files = sample.files.clone();
        files[0].1.truncate(bytes);
        damaged(&files);
    }
}

#[test]
fn zeros_and_noise_behind_the_last_group_are_cut() {
    let sample = sample();
    for (tail, byte) in [(1, 0), (100, 0), (10_000, 0), (1, 9), (700, 9), (10_000, 0xff)] {
        let mut files = sample.files.clone();
        let bytes = files[1].1.len() + tail;
        files[1].1.resize(bytes, byte);
        let disk = disk_with(&files);
        let (journal, opened) = try_open(&disk).unwrap();
        assert_eq!(opened.cut_bytes, tail as u64);
        assert_eq!(read_all(&journal), sample.batches);
        assert!(self::files(&disk) == sample.files);
    }
}

#[test]
fn a_sector_of_a_flushed_group_that_reads_as_zeros_is_damage() {
    let sample = sample();
    for (start, flaw) in [(512, Flaw::FrameHeader), (1024, Flaw::FrameHeader)] {
        let mut files = sample.files.clone();
        files[1].1[start..start + 512].fill(0);
        let damage = damaged(&files);
        assert_eq!((damage.offset, damage.flaw), (start as u64, flaw));
    }
}

#[test]
fn a_missing_middle_file_is_damage() {
    let disk = SimDisk::new(0);
    let mut journal = open(&disk);
    while files(&disk).len() < 4 {
        append(&mut journal, &[&[1; 700]]);
    }
    for missing in 1..3 {
        let mut files = files(&disk);
        files.remove(missing);
        let damage = damaged(&files);
        assert_eq!((damage.file, damage.flaw), (files[missing].0.clone(), Flaw::Gap));
    }
    // Without the oldest it looks trimmed, without the newest as if it had not been written: the manifest knows.
    for missing in [0, 3] {
        let mut files = files(&disk);
        files.remove(missing);
        open(&disk_with(&files));
    }
}

#[test]
fn a_file_in_anothers_place_is_damage() {
    let sample = sample();
    let mut copied = sample.files.clone();
    copied.push((format::file_name(Place(18)), sample.files[1].1.clone()));
    assert_eq!(damaged(&copied).flaw, Flaw::FirstPlace);

    let mut twice = sample.files.clone();
    twice.insert(1, (format::file_name(Place(5)), sample.files[1].1.clone()));
    assert_eq!(damaged(&twice).flaw, Flaw::Gap);

    let mut upper = sample.files.clone();
    upper.insert(1, ("000000000000000A.journal".to_owned(), sample.files[0].1.clone()));
    assert_eq!(damaged(&upper).flaw, Flaw::Name);
}

#[test]
fn a_file_of_another_journal_is_damage() {
    let sample = sample();
    let other = SimDisk::new(0);
    let mut options = crate::options();
    (options.id_if_new, options.first_if_new) = (annals_journal::JournalId([9; 16]), Place(13));
    let (mut journal, _) =
        annals_journal::FileJournal::open(std::sync::Arc::new(other.clone()), &options).unwrap();
    append(&mut journal, &[b"foreign"]);
    let mut files = sample.files.clone();
    files[1] = self::files(&other).pop().unwrap();
    assert_eq!(damaged(&files).flaw, Flaw::Foreign);
}

#[test]
fn a_newer_version_is_refused_by_its_number() {
    let sample = sample();
    let mut files = sample.files;
    let header = &mut files[1].1;
    header[15] = 2;
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&ID.0), &header[..508]);
    header[508..512].copy_from_slice(&checksum.to_be_bytes());
    let error = try_open(&disk_with(&files)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "journal: file `{}` has format version 2, this program reads version 1\nhint: use a newer annals",
            files[1].0
        )
    );
}

#[test]
fn frames_inside_a_payload_do_not_turn_a_torn_tail_into_damage() {
    // A client that sends what a journal of another id would write, at every place it might guess.
    let mut forged = Vec::new();
    for place in 0..64_u64 {
        let other = SimDisk::new(0);
        let mut options = crate::options();
        (options.id_if_new, options.first_if_new) = (annals_journal::JournalId([0; 16]), Place(place));
        let (mut journal, _) =
            annals_journal::FileJournal::open(std::sync::Arc::new(other.clone()), &options).unwrap();
        append(&mut journal, &[b"forged"]);
        let (_, contents) = files(&other).pop().unwrap();
        // 28 bytes ahead of a sector's start are the frame that carries it.
        let mut sector = contents[512..].to_vec();
        sector.resize(512, 0);
        forged.extend_from_slice(&sector);
    }
    let payload = [vec![0; 512 - format::FRAME_HEADER_BYTES], forged].concat();

    let disk = SimDisk::new(0);
    let mut journal = open(&disk);
    append(&mut journal, &[b"acknowledged"]);
    append(&mut journal, &[&payload]);
    let mut files = files(&disk);
    let last = &mut files.last_mut().unwrap().1;
    last.pop();
    assert_eq!(read_all(&open(&disk_with(&files))), [b"acknowledged".to_vec()]);
}

#[test]
fn damage_names_file_byte_place_and_flaw() {
    let sample = sample();
    let mut files = sample.files;
    files[0].1[1060] ^= 1;
    assert_eq!(
        damaged(&files).to_string(),
        "journal: file `0000000000000000.journal`, byte 1024 (place 3): the payload does not match its checksum"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_in_a_file_open_or_are_refused_but_never_panic(
        at in 0_usize..4096,
        noise in prop::collection::vec(any::<u8>(), 1..2048),
        file in 0_usize..2,
    ) {
        let mut sample = sample();
        let contents = &mut sample.files[file].1;
        let at = at % contents.len();
        let end = (at + noise.len()).min(contents.len());
        contents[at..end].copy_from_slice(&noise[..end - at]);
        if let Ok((journal, _)) = try_open(&disk_with(&sample.files)) {
            let batches = read_all(&journal);
            prop_assert!(sample.batches.starts_with(&batches));
        }
    }
}
