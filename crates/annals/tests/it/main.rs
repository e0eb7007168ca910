//! The real binary, from outside.

#![expect(clippy::unwrap_used, reason = "a helper that fails is a test that fails")]

mod administering;
mod adversary;
mod adversary_folders;
mod backing_up;
mod backing_up_apart;
mod configuring;
mod data_folders;
mod demo;
mod evidence;
mod exporting;
mod exporting_evidence;
mod keeping;
mod over_tls;
mod publishing;
mod reading;
mod registered;
mod relaying;
mod rotating_keys;
mod searching;
mod sending;
mod serving;
mod signing_apart;
mod support;
mod witnessing;
