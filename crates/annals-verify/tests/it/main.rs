//! Bundles made from nothing but seeds, checked as files.

#![expect(clippy::unwrap_used, reason = "a failed step in a test ends the test")]

mod builder;
mod crafted;
mod vectors;
