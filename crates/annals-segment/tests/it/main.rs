//! Segments from outside: built in memory, read back, damaged, asked.

mod building;
mod support;
