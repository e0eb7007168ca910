//! Segments from outside: built in memory, read back, damaged, asked.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod building;
mod comparing;
mod corpus;
mod merging;
mod questions;
mod reading;
mod rewriting;
mod support;
mod veils;
