//! How fast the parts that everything else is read through are: blocks, numbers, values, hashes.
//!
//! ```text
//! cargo run --release -p annals-segment --example primitive_speed
//! ```
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use annals_segment::Damaged;
use annals_segment::body::{BLOCK_BYTES, Body, Cache, Writer};
use annals_segment::hashes::{Filter, HashIndex, hash};
use annals_segment::numbers::{Group, Numbers, UNIT_LEN};
use annals_segment::values::{Arena, Values};

const N: u64 = 1_000_000;
/// Rounds; the best one is told.
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    cache()?;
    numbers()?;
    values()?;
    hashes()
}

/// Tells the best of some rounds.
fn tell(what: &str, n: u64, mut round: impl FnMut() -> Result<u64, Damaged>) -> Result<(), Damaged> {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        black_box(round()?);
        best = best.min(begun.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
    let (each, rate) = (best * 1e9 / n as f64, n as f64 / best / 1e6);
    println!("{what:48} {each:9.2} ns {rate:10.1} M/s");
    Ok(())
}

fn file<T>(
    write: impl FnOnce(&mut Writer<Vec<u8>>) -> std::io::Result<T>,
) -> Result<(T, Body), Box<dyn Error>> {
    let mut out = Writer::new(Vec::new());
    let written = write(&mut out)?;
    let (bytes, _) = out.finish(b"{}")?;
    Ok((written, Body::open("speed".into(), Arc::new(bytes), Cache::new(1 << 30))?.0))
}

/// Without a pattern.
fn noise(i: u64) -> u64 {
    hash(7, &i.to_le_bytes())
}

fn some_places(below: u64) -> Vec<u64> {
    (0..100_000).map(|i| noise(i) % below).collect()
}

fn cache() -> Result<(), Box<dyn Error>> {
    let bytes: Vec<u8> = (0..64 << 20).map(|i: u64| i.to_le_bytes()[1]).collect();
    let ((), body) = file(|out| out.put(&bytes).map(drop))?;
    tell("CRC32C, a block of 16 KiB", bytes.len().div_ceil(BLOCK_BYTES) as u64, || {
        Ok(bytes.chunks(BLOCK_BYTES).map(|block| u64::from(crc32c::crc32c(block))).sum())
    })?;
    tell("check a file, a block", body.bytes() / BLOCK_BYTES as u64, || body.check().map(|()| 0))?;
    let places = some_places(body.bytes() - 64);
    for (what, places) in [
        ("cache hit, 16 B anywhere in 64 MiB", places.clone()),
        ("cache hit, 16 B anywhere in 16 blocks", places.iter().map(|at| at % (1 << 18)).collect()),
    ] {
        tell(what, places.len() as u64, || {
            let mut sum = 0;
            for at in &places {
                sum += u64::from(body.read(*at, 16)?[3]);
            }
            Ok(sum)
        })?;
    }
    tell("cache hit, 2 threads, each", places.len() as u64, || {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    places.iter().map(|at| body.read(*at, 16).map_or(0, |b| b.len())).sum::<usize>()
                });
            }
        });
        Ok(0)
    })?;
    Ok(())
}

fn numbers() -> Result<(), Box<dyn Error>> {
    let places = some_places(N - 1);
    for width in [1, 4, 7, 12, 17, 20, 32, 48, 64] {
        let list: Vec<u64> = (0..N).map(|i| noise(i) >> (64 - width)).collect();
        let (numbers, body) = file(|out| Numbers::write(&list, out))?;
        tell(&format!("{width} bits: units"), N, || {
            let (mut group, mut unit, mut sum) = (Group::default(), [0; UNIT_LEN], 0);
            for i in 0..numbers.units() {
                numbers.unit_of(&mut group, &body, i, &mut unit)?;
                sum += black_box(&unit)[5];
            }
            Ok(sum)
        })?;
        if width <= 32 {
            tell(&format!("{width} bits: units as u32"), N, || {
                let (mut group, mut unit, mut sum) = (Group::default(), [0; UNIT_LEN], 0);
                for i in 0..numbers.units() {
                    numbers.unit_u32_of(&mut group, &body, i, &mut unit)?;
                    sum += u64::from(black_box(&unit)[5]);
                }
                Ok(sum)
            })?;
        }
        tell(&format!("{width} bits: get"), places.len() as u64, || {
            places.iter().try_fold(0_u64, |sum, i| Ok(sum.wrapping_add(numbers.get(&body, *i)?)))
        })?;
    }
    let list: Vec<u64> = (0..N).map(|i| i * 9 + noise(i) % 9).collect();
    let (numbers, body) = file(|out| Numbers::write(&list, out))?;
    tell("rising: span", places.len() as u64, || {
        places.iter().try_fold(0, |sum, i| Ok(sum + numbers.span(&body, *i)?.start))
    })?;
    tell("rising: partition point in all", 10_000, || {
        places[..10_000]
            .iter()
            .try_fold(0, |sum, i| Ok(sum + numbers.partition_point(&body, 0..N, |number| number < i * 9)?))
    })?;
    tell("write, a number", N, || {
        let (numbers, _) = file(|out| Numbers::write(&list, out)).expect("memory");
        Ok(numbers.len())
    })?;
    Ok(())
}

fn values() -> Result<(), Box<dyn Error>> {
    const VALUES: u64 = 100_000;
    let places = some_places(VALUES);
    let lists: [(&str, Arena); 6] = [
        (
            "text, coded",
            (0..VALUES)
                .map(|i| format!("user{}@company-{}.example.com", noise(i) % 99_999, i % 991))
                .collect(),
        ),
        ("text, plain", (0..VALUES).map(|i| noise(i).to_be_bytes()).collect()),
        ("hex", (0..VALUES).map(|i| format!("req_{:016x}", noise(i))).collect()),
        ("uuid", (0..VALUES).map(|i| format!("{:08x}-0000-4000-8000-{:012x}", i, noise(i) >> 16)).collect()),
        ("ints", (0..VALUES).map(|i| (noise(i) >> 30).to_string()).collect()),
        ("times", (0..VALUES).map(|i| format!("2026-01-02T03:04:05.{:06}Z", noise(i) % 1_000_000)).collect()),
    ];
    for (what, list) in &lists {
        let (values, body) = file(|out| Values::write(list, out))?;
        println!("{what}: {} bytes stored of {}", body.bytes(), list.bytes());
        tell(&format!("{what}: get"), places.len() as u64, || {
            let mut value = Vec::new();
            places.iter().try_fold(0, |sum, i| {
                value.clear();
                values.get(&body, *i, &mut value)?;
                Ok(sum + value.len() as u64)
            })
        })?;
        tell(&format!("{what}: each"), VALUES, || {
            let mut sum = 0;
            values.each(&body, 0..VALUES, |_, value| {
                sum += value.len() as u64;
                Ok(())
            })?;
            Ok(sum)
        })?;
        tell(&format!("{what}: write"), VALUES, || {
            Ok(file(|out| Values::write(list, out)).expect("memory").0.len())
        })?;
    }
    Ok(())
}

fn hashes() -> Result<(), Box<dyn Error>> {
    let list: Vec<u64> = (0..N).map(noise).collect();
    let ((index, filter), body) =
        file(|out| Ok((HashIndex::write(&list, out)?, Filter::write(list.iter().copied(), out)?)))?;
    println!("index and filter of {N}: {} bytes", body.bytes());
    let others: Vec<u64> = (0..100_000).map(|i| hash(8, &noise(i).to_le_bytes())).collect();
    let places = some_places(N);
    tell("index: a value that is there", places.len() as u64, || {
        places.iter().try_fold(0, |sum, i| {
            let i = usize::try_from(*i).expect("below a million");
            Ok(sum + index.candidates(&body, list[i])?.len() as u64)
        })
    })?;
    tell("index: a value that is not there", others.len() as u64, || {
        others.iter().try_fold(0, |sum, hash| Ok(sum + index.candidates(&body, *hash)?.len() as u64))
    })?;
    tell("filter: a key that is not there", others.len() as u64, || {
        others.iter().try_fold(0, |sum, hash| Ok(sum + u64::from(filter.may_contain(&body, *hash)?)))
    })?;
    let loaded = filter.load(&body)?;
    tell("loaded filter: a key that is not there", others.len() as u64, || {
        Ok(others.iter().map(|hash| u64::from(loaded.may_contain(*hash))).sum())
    })?;
    tell("index: write, a value", N, || {
        Ok(file(|out| HashIndex::write(&list, out)).expect("memory").0.len())
    })?;
    Ok(())
}
