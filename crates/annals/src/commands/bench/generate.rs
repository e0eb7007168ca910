//! `annals bench generate`.

use std::io::{self, Write as _};
use std::process::ExitCode;

use super::calendar::YEAR_US;
use super::dice::Dice;
use super::everyday::Everyday;
use super::hostile::{Hostile, Maker};
use super::line::Line;
use super::world::Tenants;
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// Written at once.
const CHUNK_BYTES: usize = 1 << 20;

/// Tenants unless said otherwise: of the everyday, and of the shape that is about them.
const TENANTS: u32 = 1_000;
const MANY_TENANTS: u32 = 100_000;

/// More would be slow to draw from, and nobody has them.
const TENANTS_MAX: u32 = 10_000_000;

/// Write invented events, one a line, as a platform key sends them
///
/// The same flags give the same bytes. What the events are like is said in the sources beside the code that makes them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  annals bench generate --events 1000000 --seed 1 > events.ndjson
  annals bench generate --events 200000 --shape distinct > distinct.ndjson")]
pub(crate) struct Args {
    /// How many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    events: u64,
    /// Another seed, other events
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How many tenants, where the shape does not say so: 1,000
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u32).range(1..=i64::from(TENANTS_MAX)))]
    tenants: Option<u32>,
    /// What they are like
    #[arg(long, value_enum, default_value_t = Shape::Everyday)]
    shape: Shape,
}

/// What events are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Shape {
    /// As they come
    Everyday,
    /// No value twice
    Distinct,
    /// 10,000 skeletons
    Shapes,
    /// 256 KiB each
    Large,
    /// 1,000 targets each
    Targets,
    /// Names in `metadata` that never come again
    Keys,
    /// All of one tenant
    Giant,
    /// 100,000 tenants of one size
    Tenants,
    /// Times out of order by up to a year
    Late,
}

pub(super) fn run(args: &Args, output: Output) -> Result<ExitCode, Failure> {
    let mut maker = Generator::new(args.shape, args.seed, args.tenants, args.events);
    let mut out = io::stdout().lock();
    let mut progress = output.progress(args.events, "events");
    let mut written = |line: &Line| match out.write_all(line.bytes()).and_then(|()| out.flush()) {
        // Whoever read has enough, as in `annals bench generate … | head -1`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            Err(Failure::new(Exit::Unavailable, format!("cannot write to standard output: {error}")))
        }
        Ok(()) => Ok(()),
    };
    let mut line = Line::default();
    let mut told = 0;
    for number in 0..args.events {
        maker.write(&mut line);
        if line.bytes().len() >= CHUNK_BYTES {
            written(&line)?;
            line.clear();
            progress.add(number - told);
            told = number;
        }
    }
    written(&line)?;
    progress.finish();
    Ok(ExitCode::SUCCESS)
}

/// Makes one event after the other.
#[derive(Debug)]
pub(super) struct Generator {
    dice: Dice,
    made: u64,
    count: u64,
    maker: Kind,
}

#[derive(Debug)]
enum Kind {
    Everyday(Box<Everyday>),
    Hostile(Maker),
}

impl Generator {
    pub(super) fn new(shape: Shape, seed: u64, tenants: Option<u32>, count: u64) -> Self {
        let skewed = || Tenants::skewed(seed, tenants.unwrap_or(TENANTS), count);
        let everyday = |tenants| Kind::Everyday(Box::new(Everyday::new(seed, tenants)));
        let maker = match shape {
            Shape::Everyday => everyday(skewed()),
            Shape::Giant => everyday(Tenants::even(seed, 1, count)),
            Shape::Tenants => everyday(Tenants::even(seed, tenants.unwrap_or(MANY_TENANTS), count)),
            Shape::Late => Kind::Everyday(Box::new(Everyday::new(seed, skewed()).late(YEAR_US))),
            Shape::Distinct => Kind::Hostile(Maker::new(Hostile::Distinct, seed)),
            Shape::Shapes => Kind::Hostile(Maker::new(Hostile::Shapes, seed)),
            Shape::Large => Kind::Hostile(Maker::new(Hostile::Large, seed)),
            Shape::Targets => Kind::Hostile(Maker::new(Hostile::Targets, seed)),
            Shape::Keys => Kind::Hostile(Maker::new(Hostile::Keys, seed)),
        };
        Self { dice: Dice::new(seed), made: 0, count, maker }
    }

    /// Adds the next event to what `line` holds.
    pub(super) fn write(&mut self, line: &mut Line) {
        let Self { dice, made, count, maker } = self;
        match maker {
            Kind::Everyday(everyday) => everyday.write(*made, *count, dice, line),
            Kind::Hostile(hostile) => hostile.write(*made, *count, dice, line),
        }
        self.made += 1;
    }
}
