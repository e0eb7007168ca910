//! What every journal promises, as one suite: `contract::run(fresh)`.

use crate::{AppendError, BATCH_BYTES_MAX, GROUP_BYTES_MAX, Journal, Place, ReadError, TrimError};

/// Opens a journal again, as a new process would. Handles opened earlier are no longer used.
pub type Open<'a> = &'a mut dyn FnMut() -> Box<dyn Journal>;

/// Runs the suite. `fresh` sets up a new empty journal and returns what opens it, again and again.
///
/// To make files of a file journal end within the suite, give it files of about 4 KiB.
///
/// # Panics
///
/// At the first promise that is not kept.
pub fn run<O: FnMut() -> Box<dyn Journal>>(mut fresh: impl FnMut() -> O) {
    const PROMISES: [fn(Open<'_>); 14] = [
        an_empty_journal_has_nothing_to_read,
        places_rise_by_one_from_0,
        a_group_takes_places_in_its_order,
        an_empty_group_does_nothing,
        a_writer_that_is_behind_or_ahead_is_fenced_off,
        reading_starts_anywhere,
        a_reader_ends_where_the_journal_ended_when_it_was_made,
        what_was_appended_is_there_after_opening_again,
        batches_of_the_largest_size_are_taken_and_larger_ones_refused,
        many_small_batches_keep_their_order,
        batches_may_hold_any_bytes,
        trimming_forgets_only_what_is_before,
        trimming_past_the_end_is_refused,
        following_trims_leave_nothing_behind,
    ];
    for promise in PROMISES {
        promise(&mut fresh());
    }
}

fn an_empty_journal_has_nothing_to_read(open: Open<'_>) {
    for _ in 0..2 {
        let mut journal = open();
        assert_eq!((journal.first(), journal.next()), (Place(0), Place(0)));
        assert!(read_all(&*journal, Place(0)).is_empty());
        assert!(matches!(journal.read(Place(1)), Err(ReadError::Beyond { from: Place(1), next: Place(0) })));
        journal.trim(Place(0)).expect("nothing to trim");
    }
}

fn places_rise_by_one_from_0(open: Open<'_>) {
    let mut journal = open();
    for place in 0..10 {
        assert_eq!(journal.next(), Place(place));
        assert_eq!(append(&mut *journal, &[&numbered(place)]), Place(place));
    }
    assert_eq!(journal.next(), Place(10));
    assert_holds(&*journal, 0..10);
}

fn a_group_takes_places_in_its_order(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 1);
    append_numbered(&mut *journal, 5);
    append_numbered(&mut *journal, 2);
    assert_eq!(journal.next(), Place(8));
    assert_holds(&*journal, 0..8);
}

fn an_empty_group_does_nothing(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 3);
    assert_eq!(append(&mut *journal, &[]), Place(3));
    assert_eq!(journal.next(), Place(3));
    assert!(matches!(journal.append(Place(3), &[b"x", b""]), Err(AppendError::Empty { index: 1 })));
    assert_holds(&*journal, 0..3);
}

fn a_writer_that_is_behind_or_ahead_is_fenced_off(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 3);
    for wrong in [0, 2, 4, u64::MAX] {
        match journal.append(Place(wrong), &[b"not mine"]) {
            Err(AppendError::Moved { expected, next }) => {
                assert_eq!((expected, next), (Place(wrong), Place(3)))
            }
            other => panic!("appending at {wrong} of 3 gave {other:?}"),
        }
    }
    assert_holds(&*journal, 0..3);
    append_numbered(&mut *journal, 1);
    assert_holds(&*journal, 0..4);
}

fn reading_starts_anywhere(open: Open<'_>) {
    let mut journal = open();
    for count in [1, 7, 30, 2] {
        append_numbered(&mut *journal, count);
    }
    for from in 0..=40 {
        assert_holds(&*journal, from..40);
    }
    assert!(matches!(journal.read(Place(41)), Err(ReadError::Beyond { from: Place(41), next: Place(40) })));
}

fn a_reader_ends_where_the_journal_ended_when_it_was_made(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 3);
    let mut reader = journal.read(Place(0)).expect("readable");
    assert_eq!(reader.next().expect("a batch").expect("readable"), (Place(0), numbered(0)));
    for _ in 0..20 {
        append_numbered(&mut *journal, 5);
    }
    assert_eq!(reader.map(|batch| batch.expect("readable").0.0).collect::<Vec<_>>(), [1, 2]);
    assert_holds(&*journal, 0..103);
}

fn what_was_appended_is_there_after_opening_again(open: Open<'_>) {
    let mut stored = 0;
    for count in [1, 4, 60] {
        let mut journal = open();
        assert_eq!(journal.next(), Place(stored));
        append_numbered(&mut *journal, count);
        stored += count;
    }
    let journal = open();
    assert_eq!(journal.next(), Place(stored));
    assert_holds(&*journal, 0..stored);
}

fn batches_of_the_largest_size_are_taken_and_larger_ones_refused(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 1);
    let mut large = vec![7; BATCH_BYTES_MAX];
    assert_eq!(append(&mut *journal, &[&large]), Place(1));
    let half = vec![8; GROUP_BYTES_MAX / 2];
    assert_eq!(append(&mut *journal, &[&half, &half]), Place(2));

    let over = journal.append(Place(4), &[&half, &half, b"x"]);
    assert!(matches!(over, Err(AppendError::TooLarge { bytes_max: GROUP_BYTES_MAX, .. })), "{over:?}");
    large.push(7);
    let over = journal.append(Place(4), &[&large]);
    assert!(matches!(over, Err(AppendError::TooLarge { bytes_max: BATCH_BYTES_MAX, .. })), "{over:?}");
    large.pop();

    append(&mut *journal, &[b"after"]);
    drop(journal);
    let batches = read_all(&*open(), Place(1));
    assert_eq!(batches, [large, half.clone(), half, b"after".to_vec()]);
}

fn many_small_batches_keep_their_order(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 2_000);
    for _ in 0..100 {
        append_numbered(&mut *journal, 3);
    }
    assert_holds(&*journal, 0..2_300);
    drop(journal);
    assert_holds(&*open(), 0..2_300);
}

fn batches_may_hold_any_bytes(open: Open<'_>) {
    let any: Vec<Vec<u8>> =
        vec![vec![0], vec![0; 511], vec![0xff; 512], b"annals-journal\0\x01".repeat(100), vec![0; 5_000]];
    let mut journal = open();
    append(&mut *journal, &any.iter().map(Vec::as_slice).collect::<Vec<_>>());
    for batch in &any {
        append(&mut *journal, &[batch]);
    }
    drop(journal);
    assert_eq!(read_all(&*open(), Place(0)), [any.clone(), any].concat());
}

fn trimming_forgets_only_what_is_before(open: Open<'_>) {
    let mut journal = open();
    for _ in 0..40 {
        append_numbered(&mut *journal, 5);
    }
    for up_to in [0, 1, 60, 30, 61, 199] {
        journal.trim(Place(up_to)).expect("trimmed");
        let first = journal.first();
        assert!(first <= Place(up_to.max(61)), "up to {up_to}, but {first} is the oldest");
        assert_eq!(journal.next(), Place(200));
        assert_holds(&*journal, first.0..200);
        if first > Place(0) {
            let before = Place(first.0 - 1);
            assert!(
                matches!(journal.read(before), Err(ReadError::Trimmed { from, first: f }) if from == before && f == first)
            );
        }
        drop(journal);
        journal = open();
        assert_eq!((journal.first(), journal.next()), (first, Place(200)));
        assert_holds(&*journal, first.0..200);
    }
    append_numbered(&mut *journal, 1);
    assert_holds(&*journal, journal.first().0..201);
}

fn trimming_past_the_end_is_refused(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 3);
    assert!(matches!(journal.trim(Place(4)), Err(TrimError::Beyond { up_to: Place(4), next: Place(3) })));
    assert_holds(&*journal, 0..3);
}

fn following_trims_leave_nothing_behind(open: Open<'_>) {
    let mut journal = open();
    append_numbered(&mut *journal, 3);
    // Everything is sealed elsewhere.
    journal.trim(Place(3)).expect("trimmed");
    assert_eq!((journal.first(), journal.next()), (Place(3), Place(3)));
    assert!(read_all(&*journal, Place(3)).is_empty());
    // Something always comes in between, so that the end is never reached.
    append_numbered(&mut *journal, 5);
    journal.trim(Place(6)).expect("trimmed");
    append_numbered(&mut *journal, 5);
    journal.trim(Place(11)).expect("trimmed");
    assert!(journal.first() >= Place(6), "place {} is still there", journal.first());
    drop(journal);
    let mut journal = open();
    assert_eq!(journal.next(), Place(13));
    assert_holds(&*journal, journal.first().0..13);
    append_numbered(&mut *journal, 2);
    journal.trim(Place(15)).expect("trimmed");
    drop(journal);
    let journal = open();
    assert_eq!((journal.first(), journal.next()), (Place(15), Place(15)));
}

/// A batch that tells its place.
fn numbered(place: u64) -> Vec<u8> {
    format!("batch {place} ").repeat(1 + usize::try_from(place % 9).expect("below 9")).into_bytes()
}

fn append(journal: &mut dyn Journal, group: &[&[u8]]) -> Place {
    let next = journal.next();
    journal.append(next, group).expect("appended")
}

/// Appends a group of batches that tell their places.
fn append_numbered(journal: &mut dyn Journal, count: u64) {
    let next = journal.next();
    let batches: Vec<_> = (next.0..next.0 + count).map(numbered).collect();
    let group: Vec<_> = batches.iter().map(Vec::as_slice).collect();
    assert_eq!(append(journal, &group), next);
}

fn read_all(journal: &dyn Journal, from: Place) -> Vec<Vec<u8>> {
    let mut batches = Vec::new();
    for batch in journal.read(from).expect("readable") {
        let (place, batch) = batch.expect("readable");
        assert_eq!(place, from.plus(batches.len() as u64));
        batches.push(batch);
    }
    batches
}

/// Reading from the start of `places` gives batches that tell exactly these places.
fn assert_holds(journal: &dyn Journal, places: std::ops::Range<u64>) {
    let batches = read_all(journal, Place(places.start));
    assert!(batches.into_iter().eq(places.map(numbered)));
}
