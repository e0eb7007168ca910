//! The ledger through its public face.

mod basics;
mod corpus;
mod damage;
mod disclosing;
mod erasing;
mod expiring;
mod faults;
mod gathering;
mod id_damage;
mod kept_heads;
mod model;
mod rotating;
mod scrubbing;
mod sealed_damage;
mod sealing;
mod searching;
mod stating;
mod support;
