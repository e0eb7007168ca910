//! The commands, one module each.

pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod key;
pub(crate) mod publish;
pub(crate) mod serve;
pub(crate) mod verify;
