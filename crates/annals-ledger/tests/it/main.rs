//! The ledger through its public face.

mod basics;
mod damage;
mod faults;
mod model;
mod searching;
mod support;
