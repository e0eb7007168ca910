//! Part of annals.
