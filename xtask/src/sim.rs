//! `cargo xtask sim`: seeded simulations of the service, one seed or many, each once or twice.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use annals_sim::{Failure, Trace};

use crate::fault::Result;
use crate::stages::Tally;

/// Failures shown in full; of more only the number is.
const FAILURES_SHOWN_MAX: u64 = 10;

/// What to simulate.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Replay this one run
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    seed: Option<u64>,
    /// How many runs to explore
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// Explore from this seed on; by default from one that differs from second to second
    #[arg(long)]
    from: Option<u64>,
    /// Steps of a run
    #[arg(long, default_value_t = 600)]
    steps: u32,
    /// Run each seed twice and compare the traces
    #[arg(long)]
    twice: bool,
}

impl Args {
    /// So many runs from seed 0 on, each twice: for other commands.
    pub(crate) fn twice(seeds: u64) -> Self {
        Self { seed: None, seeds, from: Some(0), steps: 600, twice: true }
    }
}

/// Runs simulations and prints how many in a second, and for each that failed the command that replays it.
///
/// Counts one check a seed: that nothing broke, and with `--twice` that both runs of it were the same.
pub(crate) fn run(args: &Args) -> Result<Tally> {
    let (from, seeds) = match args.seed {
        Some(seed) => (seed, 1),
        None => (args.from.unwrap_or_else(unchosen_seed), args.seeds),
    };
    // A panic is reported with its seed; the hook would only print it a second time.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let began = Instant::now();
    let mut tally = Tally::default();
    let mut sum = Trace::default();
    let mut broken: BTreeMap<String, u64> = BTreeMap::new();
    for seed in from..from.saturating_add(seeds) {
        match simulate(seed, args) {
            Ok(trace) => {
                tally.passed += 1;
                sum.hash = trace.hash;
                sum.records += trace.records;
                sum.lives += trace.lives;
                sum.power_cuts += trace.power_cuts;
                sum.answers += trace.answers;
            }
            Err(problem) => {
                tally.failed += 1;
                *broken.entry(problem.name).or_default() += 1;
                if tally.failed <= FAILURES_SHOWN_MAX {
                    let twice = if args.twice { " --twice" } else { "" };
                    println!("error: {}", problem.message);
                    println!(
                        "hint: replay with `cargo xtask sim --seed {seed} --steps {}{twice}`",
                        args.steps
                    );
                }
            }
        }
    }
    std::panic::set_hook(hook);
    let seconds = began.elapsed().as_secs_f64();
    let each = if args.twice { 2 } else { 1 };
    let Trace { records, lives, power_cuts, answers, .. } = sum;
    println!(
        "{seeds} seeds from {from} in {seconds:.1} s, {:.1} ms a run: {records} records, {lives} starts, {power_cuts} power cuts, \
         {answers} answers",
        seconds * 1_000.0 / f64::from(u32::try_from(seeds.max(1)).unwrap_or(u32::MAX)) / f64::from(each),
    );
    if args.seed.is_some() && tally.failed == 0 {
        println!("trace {}", sum.hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    }
    for (name, count) in &broken {
        println!("{count} seeds broke {name}");
    }
    Ok(tally)
}

/// Why a seed failed.
struct Problem {
    name: String,
    message: String,
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self { name: failure.invariant.to_string(), message: failure.to_string() }
    }
}

fn simulate(seed: u64, args: &Args) -> std::result::Result<Trace, Problem> {
    let trace = annals_sim::run(seed, args.steps)?;
    if args.twice {
        let again = annals_sim::run(seed, args.steps)?;
        if again != trace {
            let message = format!("seed {seed}: two runs differ: {trace:?}, and then {again:?}");
            return Err(Problem { name: "one seed, one run".to_owned(), message });
        }
    }
    Ok(trace)
}

/// A seed that nobody chose, so that exploring covers new ground each time. It is printed with the result.
fn unchosen_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() * 1_000)
}
