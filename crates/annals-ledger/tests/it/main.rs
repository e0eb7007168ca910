//! The ledger through its public face.

mod basics;
mod support;
