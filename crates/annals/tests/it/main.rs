//! The real binary, from outside.

mod configuring;
mod data_folders;
mod publishing;
mod serving;
mod support;
