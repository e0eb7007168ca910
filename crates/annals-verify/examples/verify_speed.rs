//! What checking a bundle's log costs, on one core: `cargo run --release -p annals-verify --example verify_speed -- FILE.zip`.
#![expect(clippy::print_stdout, reason = "its output is the point")]

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use annals_verify::zip::Archive;
use annals_verify::{Asked, Looker, cut};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("say which bundle")?;
    let archive = Archive::open(Path::new(&path))?;
    let log = archive.entry("log.ndjson").ok_or("it has no log")?;
    let (mut looker, asked) = (Looker::default(), Asked::default());
    let (mut lines, mut checking) = (0_u64, Duration::ZERO);
    let began = Instant::now();
    let mut content = archive.content(log);
    let read = cut(&mut content, &mut |piece| {
        let began = Instant::now();
        let (seen, ended) = looker.piece(&piece, &asked);
        lines += seen.len() as u64;
        drop(seen);
        checking += began.elapsed();
        ended.is_ok()
    });
    let content = read.map_err(|stopped| format!("{stopped:?}"))?;
    let all = began.elapsed();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / lines as f64;
    println!(
        "{lines} lines, {} bytes: {:.2} µs a line to read, decompress and hash, {:.2} µs to check",
        content.bytes,
        each(all - checking),
        each(checking)
    );
    Ok(())
}
