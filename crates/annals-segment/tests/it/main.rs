//! Segments from outside: built in memory, read back, damaged, asked.

mod building;
mod merging;
mod questions;
mod reading;
mod support;
