//! Checking an evidence bundle: [`annals_verify`], on all cores.

pub(crate) mod lines;
pub(crate) mod question;

pub(crate) use annals_verify::{NEEDED, judge, read_lifecycle, zip};
