//! The real binary, killed again and again under load.
//!
//! Each round starts the server on the folder the last one left, lets several connections send events, kills the server
//! at a random moment, now and then also while it recovers, and starts it again. Then every promise is checked:
//!
//! * an acknowledged event is there exactly once, at its acknowledged position, with its acknowledged leaf;
//! * events of one connection stand in the order they were acknowledged in;
//! * an event whose answer was lost is there at most once, and exactly once after it was sent again;
//! * the last checkpoint seen, often one fetched in the middle of the load, is extended;
//! * so is what was published and exported meanwhile, by commands that are killed as well.
//!
//! The choices follow from the seed; the moments do not, as they depend on the machine.

mod faults;
mod load;
mod outlets;
mod promises;

use std::path::Path;
use std::time::{Duration, Instant};

use crate::fault::{Result, While, require};
use crate::instance::{Binary, Instance, Starting};
use crate::rng::Rng;
use crate::stages::Tally;

use load::Load;
use outlets::Outlets;
use promises::Promises;

/// Connections that send at once.
const CONNECTIONS: u64 = 6;

/// The load runs at most this long before the kill.
const LOAD_MS_MAX: u64 = 600;

/// Whole histories are read back after this many rounds, and at the end; else what is new.
const WHOLE_ROUNDS: u64 = 10;

/// Rounds on one ledger. The whole history is replayed at each start, so it is begun anew before that takes all the time.
const LEDGER_ROUNDS: usize = 25;

/// Kills the server `rounds` times; then fills its disk and starts it twice.
pub(crate) fn run(binary: &Binary, rounds: u64, seed: u64) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let mut tally = Tally::default();
    for (ledger, first) in (0..).zip((0..rounds).step_by(LEDGER_ROUNDS)) {
        let data = folder.path().join("killed");
        tally.add(kill_rounds(binary, &data, (rounds - first).min(LEDGER_ROUNDS as u64), seed + ledger)?);
        std::fs::remove_dir_all(&data).while_doing("remove the data folder")?;
        for extension in ["state", "outlets"] {
            let remove = std::fs::remove_dir_all(data.with_extension(extension));
            remove.while_doing(format!("remove its {extension}"))?;
        }
    }
    tally.add(faults::second_process(binary, &folder.path().join("locked"))?);
    tally.add(faults::file_limit(binary, &folder.path().join("limited"))?);
    tally.add(faults::failing_flush(binary, &folder.path().join("unflushed"))?);
    tally.add(faults::small_disk(binary, &folder.path().join("small"))?);
    Ok(tally)
}

fn kill_rounds(binary: &Binary, data: &Path, rounds: u64, seed: u64) -> Result<Tally> {
    println!("crash: {rounds} rounds, seed {seed}");
    let mut rng = Rng::new(seed);
    let mut promises = Promises::default();
    let mut server = Instance::start(binary, data)?;
    let key = server.key.clone();
    require!(!key.is_empty(), "the first start shows the operator's key");
    let mut outlets = Outlets::beside(binary, data)?;
    let address = server.address();
    for round in 0..rounds {
        let load = Load::start(&server, &mut rng, round, CONNECTIONS, promises.seen());
        std::thread::sleep(Duration::from_millis(5 + rng.below(LOAD_MS_MAX / 2)));
        let leaving = outlets.begin(&server)?;
        std::thread::sleep(Duration::from_millis(rng.below(LOAD_MS_MAX / 2)));
        server.kill()?;
        outlets.interrupt(leaving)?;
        let sent = load.finish()?;
        let (acknowledged, unknown) = (sent.acknowledged(), sent.unknown());
        promises.add(sent)?;

        let interrupted = interrupt_recovery(binary, data, &mut rng)?;
        let started = Instant::now();
        // Where it was: an export goes on with the server that it began with.
        server = Starting::spawn_on(binary, data, address)?.ready()?;
        let recovery = started.elapsed();
        server.key.clone_from(&key);
        let whole = round % WHOLE_ROUNDS == 0 || round + 1 == rounds;
        promises.check(&server, &mut rng, whole)?;
        outlets.check(&server, &mut rng)?;
        if whole {
            // Also while the server runs; it extends what was accepted the last time.
            binary.verify(data, &data.with_extension("state"))?;
        }
        println!(
            "round {round}: {acknowledged} acknowledged, {unknown} unknown, recovery killed {interrupted} times, then \
             ready in {} ms; {} records",
            recovery.as_millis(),
            promises.records(),
        );
    }
    promises.check_leaves(binary, &server)?;
    server.stop()?;
    binary.verify(data, &data.with_extension("state"))?;
    println!("every one of {} acknowledged events is there once, in order, and proven", promises.records());
    println!(
        "what was published is extended, and evidence goes on, after {} commands were killed",
        outlets.interrupted
    );
    Ok(Tally::passed(rounds))
}

/// Kills the server a few times while it starts; returns how often.
fn interrupt_recovery(binary: &Binary, data: &Path, rng: &mut Rng) -> Result<u64> {
    let mut times = 0;
    while rng.one_in(3) {
        let starting = Starting::spawn(binary, data)?;
        std::thread::sleep(Duration::from_millis(rng.below(120)));
        starting.kill()?;
        times += 1;
    }
    Ok(times)
}
