//! What is said of a position, and what was found wrong.

use alloc::string::String;
use core::fmt;

/// What became of the record at one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Verdict {
    /// There, whole and unchanged.
    Intact,
    /// There and unchanged; the bundle's maker left parts out, or all of it.
    Withheld,
    /// Unchanged, but for values that were erased with the approvals that it takes.
    Erased,
    /// Gone by a rule that was in force.
    Expired,
    /// Changed, or hidden without an excuse that holds.
    Unexplained,
}

impl Verdict {
    /// All there are, the best first.
    pub const ALL: [Verdict; 5] =
        [Verdict::Intact, Verdict::Withheld, Verdict::Erased, Verdict::Expired, Verdict::Unexplained];

    /// As it is printed.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Intact => "intact",
            Verdict::Withheld => "withheld",
            Verdict::Erased => "erased",
            Verdict::Expired => "expired",
            Verdict::Unexplained => "unexplained",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something that is not as it has to be. One is enough for a bundle not to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the log, if it is known.
    pub position: Option<u64>,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "position {position}: {}", self.problem),
            None => f.write_str(&self.problem),
        }
    }
}
