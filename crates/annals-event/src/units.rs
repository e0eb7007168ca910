//! Splitting canonical bytes into the units they are committed in.
use std::ops::Range;
/// Most units before members of `metadata`, `changes.before` and `changes.after` are folded together.
pub const UNITS_MAX: usize = 128;
/// Longest unit name, in bytes, for such a member to stand alone.
pub const UNIT_NAME_BYTES_MAX: usize = 1024;
/// Working memory of [`units`], reused from event to event.
#[derive(Default)]
pub struct UnitScratch { ranges: Vec<Range<usize>> }
/// The bytes are not an event's canonical bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not an event's canonical bytes, from byte {at} on")]
pub struct UnitsError {
    /// Where.
    pub at: usize,
}
/// Units that do not make an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the unit `{name}` does not fit")]
pub struct RebuildError {
    /// Its name.
    pub name: String,
}
/// Units.
/// # Errors
/// See [`UnitsError`].
pub fn units(canonical: &[u8], scratch: &mut UnitScratch, mut each: impl FnMut(&str, &[u8])) -> Result<(), UnitsError> {
    scratch.ranges.clear();
    each("", canonical);
    Ok(())
}
/// Rebuild.
/// # Errors
/// See [`RebuildError`].
pub fn rebuild<'a>(units: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Vec<u8>, RebuildError> {
    let _ = units;
    Err(RebuildError { name: String::new() })
}
#[cfg(test)]
mod tests;
