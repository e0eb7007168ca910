//! The real binary, from outside.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod administering;
mod adversary;
mod adversary_folders;
mod backing_up;
mod configuring;
mod data_folders;
mod demo;
mod evidence;
mod exporting;
mod publishing;
mod reading;
mod relaying;
mod searching;
mod sending;
mod serving;
mod signing_apart;
mod support;
mod witnessing;
