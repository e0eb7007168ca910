//! The commands, one module each.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod export;
pub(crate) mod feed;
pub(crate) mod get;
pub(crate) mod hold;
pub(crate) mod key;
pub(crate) mod publish;
pub(crate) mod relay;
pub(crate) mod restore;
pub(crate) mod search;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod signer;
pub(crate) mod signing_key;
pub(crate) mod status;
pub(crate) mod tail;
pub(crate) mod tenant;
pub(crate) mod verify;
pub(crate) mod verify_page;
pub(crate) mod viewer;
pub(crate) mod witness;
