//! What the crate gives, compared with other implementations and with fixed vectors.

mod oracles;
mod vectors;
