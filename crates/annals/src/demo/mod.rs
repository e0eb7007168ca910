//! The demo: a year of invented audit events for three invented companies, so that a fresh `annals` has something to show.
//!
//! [`story`](story::story) writes them, [`STORIES`](notes::STORIES) says what is worth finding among them.
//! Nothing here reads a clock or asks for randomness: the same `until` and `total` give the same bytes.

pub(crate) mod notes;
pub(crate) mod story;

mod calendar;
mod details;
mod event;
mod incidents;
mod json;
mod life;
mod names;
mod people;
mod rng;
mod scene;
mod tenants;
mod things;
mod turnover;

#[cfg(test)]
mod tests;
