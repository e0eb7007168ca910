use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

/// Writes a body in memory and opens it.
pub(crate) fn file<T>(write: impl FnOnce(&mut Writer<Vec<u8>>) -> io::Result<T>) -> (T, Body) {
    let mut out = Writer::new(Vec::new());
    let written = write(&mut out).unwrap();
    (written, open(out.finish(b"{}").unwrap().0).unwrap().0)
}

/// The same file with other bytes in its body, whose checksums match: what decoders must bear.
pub(crate) fn with_bytes(body: &Body, change: impl FnOnce(&mut Vec<u8>)) -> Body {
    let len = usize::try_from(body.bytes()).unwrap();
    let mut bytes = body.read(HEADER_BYTES as u64, len - HEADER_BYTES - PADDING_BYTES).unwrap().to_vec();
    change(&mut bytes);
    file(|out| out.put(&bytes)).1
}

fn open(bytes: Vec<u8>) -> Result<(Body, Vec<u8>), Damaged> {
    Body::open("a".into(), Arc::new(bytes), Cache::new(1 << 20))
}

fn some_bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * i % 251).unwrap()).collect()
}

#[test]
fn what_was_put_is_read_at_any_place() {
    for len in [0, 1, BLOCK_BYTES - 17, BLOCK_BYTES - 16, BLOCK_BYTES, 3 * BLOCK_BYTES + 5] {
        let bytes = some_bytes(len);
        for pieces in [1, 7, 1_000, usize::MAX] {
            let mut out = Writer::new(Vec::new());
            for piece in bytes.chunks(pieces.min(len.max(1))) {
                let at = out.at();
                assert_eq!(out.put(piece).unwrap(), at);
            }
            let (whole, size) = out.finish(b"footer").unwrap();
            assert_eq!(size, whole.len() as u64);
            let (body, footer) = open(whole).unwrap();
            assert_eq!(footer, b"footer");
            assert_eq!(body.bytes(), (HEADER_BYTES + len + PADDING_BYTES) as u64);
            assert_eq!(body.read(HEADER_BYTES as u64, len).unwrap(), bytes);
            for (from, to) in [(0, len), (len / 3, len / 2), (len.saturating_sub(40), len)] {
                let read = body.read((HEADER_BYTES + from) as u64, to - from).unwrap();
                assert_eq!(read, bytes[from..to]);
            }
            body.check().unwrap();
        }
    }
}

#[test]
fn nothing_is_read_behind_the_end() {
    let ((), body) = file(|out| out.put(&some_bytes(100)).map(drop));
    let end = body.bytes();
    assert!(body.read(end, 0).is_ok());
    for (at, len) in [(end, 1), (end - 1, 2), (u64::MAX, 1), (u64::MAX, 0), (0, usize::MAX)] {
        assert!(body.read(at, len).is_err(), "{at} {len}");
    }
}

#[test]
fn alignment_is_made_with_zeros() {
    let (at, body) = file(|out| {
        out.put(b"abc")?;
        out.align(64)
    });
    assert_eq!(at, 64);
    assert_eq!(body.read(16, 48).unwrap()[3..], [0; 45]);
}

#[test]
fn any_changed_byte_is_noticed_and_its_block_named() {
    let mut out = Writer::new(Vec::new());
    out.put(&some_bytes(2 * BLOCK_BYTES + 50)).unwrap();
    let (whole, _) = out.finish(br#"{"a":1}"#).unwrap();
    let body_bytes = open(whole.clone()).unwrap().0.bytes();
    for at in (0..whole.len()).step_by(97).chain(whole.len() - 60..whole.len()) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let found = open(bytes).and_then(|(body, _)| body.check());
        let damaged = found.expect_err(&format!("byte {at}"));
        if at >= HEADER_BYTES && (at as u64) < body_bytes {
            assert_eq!(damaged.at, at as u64 / BLOCK * BLOCK, "{damaged}");
        }
    }
}

#[test]
fn a_changed_byte_spoils_only_reads_of_its_block() {
    let mut out = Writer::new(Vec::new());
    out.put(&some_bytes(3 * BLOCK_BYTES)).unwrap();
    let (mut bytes, _) = out.finish(b"").unwrap();
    bytes[BLOCK_BYTES + 3] ^= 1;
    let (body, _) = open(bytes).unwrap();
    assert!(body.read(16, 100).is_ok());
    assert!(body.read(2 * BLOCK, 100).is_ok());
    for (at, len) in [(BLOCK, 1), (BLOCK - 1, 2), (2 * BLOCK - 1, 5)] {
        assert_eq!(body.read(at, len).unwrap_err().at, BLOCK);
        assert_eq!(body.read(at, len).unwrap_err().at, BLOCK, "what was damaged must not be cached");
    }
}

#[test]
fn a_file_cut_anywhere_does_not_open() {
    let ((), _) = file(|out| out.put(b"x").map(drop));
    let mut out = Writer::new(Vec::new());
    out.put(&some_bytes(300)).unwrap();
    let (whole, _) = out.finish(br#"{"b":2}"#).unwrap();
    for len in 0..whole.len() {
        assert!(open(whole[..len].to_vec()).is_err(), "{len}");
    }
}

proptest! {
    #[test]
    fn any_bytes_open_or_do_not(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), dressed in any::<bool>()) {
        if dressed && bytes.len() >= HEADER_BYTES + TRAILER_BYTES {
            bytes[..8].copy_from_slice(HEADER_MAGIC);
            bytes[8..12].copy_from_slice(&1_u32.to_le_bytes());
            bytes[12..16].copy_from_slice(&16_384_u32.to_le_bytes());
            let end = bytes.len() - 8;
            bytes[end..].copy_from_slice(TRAILER_MAGIC);
        }
        assert!(open(bytes).is_err());
    }
}

/// A file that fails, or gives a little at a time.
struct Odd {
    bytes: Vec<u8>,
    reads: AtomicUsize,
    fail_from: usize,
}

impl ReadAt for Odd {
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        if read >= self.fail_from {
            return Err(io::Error::other("the disk is gone"));
        }
        if read % 3 == 1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let len = into.len().min(1_000);
        self.bytes.read_at(at, &mut into[..len])
    }

    fn bytes(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
}

#[test]
fn short_and_interrupted_reads_go_on_and_errors_are_told() {
    let mut out = Writer::new(Vec::new());
    out.put(&some_bytes(50_000)).unwrap();
    let (bytes, _) = out.finish(b"{}").unwrap();
    let odd = |fail_from| Arc::new(Odd { bytes: bytes.clone(), reads: AtomicUsize::new(0), fail_from });
    let (body, _) = Body::open("a".into(), odd(usize::MAX), Cache::new(0)).unwrap();
    assert_eq!(body.read(16, 50_000).unwrap(), some_bytes(50_000));
    body.check().unwrap();
    for fail_from in 0..100 {
        let read = Body::open("a".into(), odd(fail_from), Cache::new(0))
            .and_then(|(body, _)| body.read(16, 50_000).map(drop));
        if let Err(damaged) = read {
            assert!(damaged.what.contains("the disk is gone"), "{damaged}");
        } else {
            assert!(fail_from > 50);
        }
    }
}

#[test]
fn the_cache_answers_again_and_holds_no_more_than_it_may() {
    for blocks in [0, 1, 3, 200] {
        let cache = Cache::new(blocks * BLOCK_BYTES);
        let mut out = Writer::new(Vec::new());
        out.put(&some_bytes(40 * BLOCK_BYTES)).unwrap();
        let (bytes, _) = out.finish(b"{}").unwrap();
        let bytes = Arc::new(bytes);
        let files: Vec<Body> = (0..10)
            .map(|_| {
                Body::open("a".into(), Arc::clone(&bytes) as Arc<dyn ReadAt>, Arc::clone(&cache)).unwrap().0
            })
            .collect();
        for round in 0..3 {
            for block in 0..40_u64 {
                for file in &files {
                    let at = block * BLOCK + 100 + round;
                    let expected = &bytes[usize::try_from(at).unwrap()..][..50];
                    assert_eq!(file.read(at, 50).unwrap(), expected);
                }
            }
            assert!(cache.stats().bytes <= (blocks.max(1) * BLOCK_BYTES) as u64);
        }
        let before = cache.stats();
        files[3].read(0, 1).unwrap();
        files[3].read(5, 1).unwrap();
        assert!(cache.stats().hits > before.hits);
        assert_eq!(cache.stats().hits + cache.stats().misses, before.hits + before.misses + 2);
    }
}

#[test]
fn blocks_that_come_back_stay_while_a_long_read_passes() {
    let cache = Cache::new(10 * BLOCK_BYTES);
    let mut out = Writer::new(Vec::new());
    out.put(&some_bytes(1_000 * BLOCK_BYTES)).unwrap();
    let (bytes, _) = out.finish(b"{}").unwrap();
    let (body, _) = Body::open("a".into(), Arc::new(bytes), Arc::clone(&cache)).unwrap();
    let mut hits = 0;
    for block in 1..1_000 {
        let before = cache.stats().hits;
        body.read(7, 1).unwrap();
        hits += cache.stats().hits - before;
        body.read(block * BLOCK, 1).unwrap();
    }
    assert!(hits >= 990, "{hits}");
}

#[test]
fn many_readers_at_once_get_the_right_bytes() {
    let cache = Cache::new(20 * BLOCK_BYTES);
    let mut out = Writer::new(Vec::new());
    out.put(&some_bytes(100 * BLOCK_BYTES)).unwrap();
    let (bytes, _) = out.finish(b"{}").unwrap();
    let (body, _) = Body::open("a".into(), Arc::new(bytes.clone()), cache).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4_usize {
            let (body, bytes) = (&body, &bytes);
            scope.spawn(move || {
                for i in 0..3_000 {
                    let at = (i * 7_919 * (thread + 1)) % (100 * BLOCK_BYTES - 64);
                    assert_eq!(body.read(at as u64, 64).unwrap(), bytes[at..at + 64]);
                }
            });
        }
    });
}

#[test]
fn a_check_goes_on_behind_damage_and_names_every_bad_block() {
    let mut out = Writer::new(Vec::new());
    out.put(&some_bytes(5 * BLOCK_BYTES)).unwrap();
    let (mut whole, _) = out.finish(b"footer").unwrap();
    for at in [BLOCK_BYTES + 3, 3 * BLOCK_BYTES, 4 * BLOCK_BYTES - 1] {
        whole[at] ^= 1;
    }
    let file_bytes = whole.len() as u64;
    let body = open(whole).unwrap().0;
    let (mut bytes, mut bad) = (0, Vec::new());
    body.check_blocks(&mut |count, damaged| {
        bytes += count;
        bad.extend(damaged.map(|damaged| damaged.at));
    });
    assert_eq!(bytes, file_bytes);
    assert_eq!(bad, [BLOCK, 3 * BLOCK]);
    assert_eq!(body.check().unwrap_err().at, BLOCK);
}
