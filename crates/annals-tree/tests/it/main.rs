//! What the crate gives, compared with other implementations and with fixed vectors.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod oracles;
mod vectors;
