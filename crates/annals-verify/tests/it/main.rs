//! Bundles made from nothing but seeds, checked as files.

mod builder;
mod vectors;
