//! Sizes and lengths of time as people write them: `64MiB`, `15m`.

use std::time::Duration;

const SIZES: &[(&str, u64)] = &[
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
    ("", 1),
];

const DURATIONS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Bytes.
pub(super) fn size(text: &str) -> Result<u64, String> {
    quantity(text, SIZES).ok_or_else(|| "must be a size such as `256KiB`, `16MiB` or `65536`".to_owned())
}

/// Bytes between two bounds, both included.
pub(super) fn size_within(text: &str, min: usize, max: usize) -> Result<usize, String> {
    let bytes = size(text)?;
    let fits = usize::try_from(bytes).ok().filter(|bytes| (min..=max).contains(bytes));
    fits.ok_or_else(|| format!("must be between {} and {}", shown(min), shown(max)))
}

/// A length of time.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    quantity(text, DURATIONS)
        .map(Duration::from_millis)
        .ok_or("must be a length of time such as `500ms`, `25s` or `15m`")
}

/// A whole number and a unit.
fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

fn shown(bytes: usize) -> String {
    match bytes {
        bytes if bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        bytes if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        bytes => format!("{}KiB", bytes >> 10),
    }
}
