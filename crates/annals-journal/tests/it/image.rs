//! Files of a journal that are made elsewhere and put into a folder.

use std::sync::Arc;

use annals_journal::{GROUP_BYTES_MAX, Image, Journal, Place, Scan, Scanned, sim::SimDisk};

use crate::{ID, append, disk_with, open, read_all};

/// Batches of many sizes, the first larger than a group.
fn batches() -> Vec<Vec<u8>> {
    let sizes = [GROUP_BYTES_MAX + 1, 1, 511, 512, 513, 484, 1 << 20, 1 << 20, 1 << 20, 7];
    (1..).zip(sizes).map(|(byte, size)| vec![byte; size]).collect()
}

#[test]
fn images_put_into_a_folder_are_a_journal_that_goes_on_at_its_places() {
    let batches = batches();
    for cut in 0..=batches.len() {
        let first = Place(41);
        let mut files = Vec::new();
        let mut image = Image::new(ID, first);
        for (index, batch) in batches.iter().enumerate() {
            if index == cut {
                let next = image.next();
                let full = std::mem::replace(&mut image, Image::new(ID, next));
                files.push((full.file_name(), full.into_bytes()));
            }
            image.push(batch);
        }
        files.push((image.file_name(), image.into_bytes()));
        // Cut before the first batch, the two would have one name, and the second holds everything.
        if cut == 0 {
            files.remove(0);
        }
        let disk = disk_with(&files);
        let mut journal = open(&disk);
        assert_eq!(journal.first(), first);
        assert_eq!(read_all(&journal), batches);
        assert_eq!(append(&mut journal, &[b"more"]), first.plus(batches.len() as u64));
        assert_eq!(read_all(&open(&disk)).len(), batches.len() + 1);
    }
}

#[test]
fn an_image_without_batches_says_where_a_journal_goes_on() {
    let image = Image::new(ID, Place(7));
    assert!(image.is_empty());
    let disk = disk_with(&[(image.file_name(), image.into_bytes())]);
    let mut journal = open(&disk);
    assert_eq!((journal.first(), journal.next()), (Place(7), Place(7)));
    assert_eq!(append(&mut journal, &[b"first"]), Place(7));
}

#[test]
fn the_same_batches_give_the_same_image_however_they_were_grouped() {
    let image = |groups: &[&[&[u8]]]| {
        let disk = SimDisk::new(0);
        let mut journal = open(&disk);
        for group in groups {
            append(&mut journal, group);
        }
        let mut scan = Scan::open(Arc::new(disk)).unwrap();
        let mut frames = Vec::new();
        for scanned in scan.by_ref() {
            if let Scanned::Frame { payload, .. } = scanned.unwrap() {
                frames.push(payload);
            }
        }
        let mut image = Image::new(scan.id().unwrap(), Place(0));
        frames.iter().for_each(|batch| image.push(batch));
        image.into_bytes()
    };
    assert_eq!(image(&[&[b"a", b"b"], &[b"c"]]), image(&[&[b"a"], &[b"b", b"c"]]));
}
