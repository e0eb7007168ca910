//! Writing lines, and what stands in for positions that are left out.

use alloc::vec::Vec;
use core::fmt::Write as _;

use annals_tree::commitment::Salt;
use annals_tree::{Hash, Secret};

use crate::plain::plain_end;

/// The largest complete subtrees that make up positions `from` to `to`, exclusive, from the left: level and index on it.
pub fn gap_nodes(from: u64, to: u64) -> impl Iterator<Item = (u32, u64)> {
    let mut at = from;
    core::iter::from_fn(move || {
        let left = to.checked_sub(at).filter(|left| *left > 0)?;
        let level = at.trailing_zeros().min(left.ilog2());
        let node = (level, at >> level);
        // The last subtree may end where numbers do.
        at = at.checked_add(1 << level).unwrap_or(to);
        Some(node)
    })
}

/// A line to be written.
#[derive(Clone, Copy, Debug)]
pub enum Line<'a> {
    /// A record, all of it: the secret, and names and values of all units.
    Whole {
        /// Where.
        position: u64,
        /// Its entry's bytes.
        entry: &'a [u8],
        /// What all salts follow from.
        secret: &'a Secret,
        /// Names and values.
        units: &'a [(&'a str, &'a str)],
    },
    /// A record of which parts are hidden.
    Part {
        /// Where.
        position: u64,
        /// Its entry's bytes.
        entry: &'a [u8],
        /// Its units, in order.
        units: &'a [Unit<'a>],
    },
    /// The entry alone.
    Bare {
        /// Where.
        position: u64,
        /// Its entry's bytes.
        entry: &'a [u8],
        /// The entry by which it expired.
        expired: Option<u64>,
    },
    /// Positions that are not in the bundle.
    Gap {
        /// The first of them.
        from: u64,
        /// The first after them.
        to: u64,
        /// Hashes of [`gap_nodes`].
        nodes: &'a [Hash],
    },
}

/// A unit of a record that is not wholly shown.
#[derive(Clone, Copy, Debug)]
pub enum Unit<'a> {
    /// With name, value and salt.
    Shown(&'a str, &'a str, &'a Salt),
    /// By its digest, with the position of the erasure that took its value.
    Hidden(&'a Hash, Option<u64>),
}

/// Appends a line and its end.
pub fn write_line(line: &Line<'_>, out: &mut Vec<u8>) {
    match line {
        Line::Whole { position, entry, secret, units } => {
            head(*position, entry, out);
            out.extend_from_slice(b",\"secret\":\"");
            hex(secret.as_bytes(), out);
            out.extend_from_slice(b"\",\"units\":[");
            for (number, (name, value)) in units.iter().enumerate() {
                out.extend_from_slice(if number == 0 { b"[" } else { b",[" });
                text(name, out);
                out.push(b',');
                text(value, out);
                out.push(b']');
            }
            out.push(b']');
        }
        Line::Part { position, entry, units } => {
            head(*position, entry, out);
            out.extend_from_slice(b",\"units\":[");
            for (number, unit) in units.iter().enumerate() {
                out.extend_from_slice(if number == 0 { b"[" } else { b",[" });
                match unit {
                    Unit::Shown(name, value, salt) => {
                        text(name, out);
                        out.push(b',');
                        text(value, out);
                        out.extend_from_slice(b",\"");
                        hex(*salt, out);
                        out.push(b'"');
                    }
                    Unit::Hidden(digest, by) => {
                        out.push(b'"');
                        hex(&digest.0, out);
                        out.push(b'"');
                        if let Some(by) = by {
                            number_after(b",", *by, out);
                        }
                    }
                }
                out.push(b']');
            }
            out.push(b']');
        }
        Line::Bare { position, entry, expired } => {
            head(*position, entry, out);
            if let Some(by) = expired {
                number_after(b",\"expired\":", *by, out);
            }
        }
        Line::Gap { from, to, nodes } => {
            number_after(b"{\"gap\":[", *from, out);
            number_after(b",", *to, out);
            out.extend_from_slice(b"],\"nodes\":[");
            for (number, node) in nodes.iter().enumerate() {
                out.extend_from_slice(if number == 0 { b"\"" } else { b",\"" });
                hex(&node.0, out);
                out.push(b'"');
            }
            out.push(b']');
        }
    }
    out.extend_from_slice(b"}\n");
}

fn head(position: u64, entry: &[u8], out: &mut Vec<u8>) {
    number_after(b"{\"position\":", position, out);
    out.extend_from_slice(b",\"entry\":\"");
    hex(entry, out);
    out.push(b'"');
}

fn number_after(before: &[u8], number: u64, out: &mut Vec<u8>) {
    struct Bytes<'a>(&'a mut Vec<u8>);
    impl core::fmt::Write for Bytes<'_> {
        fn write_str(&mut self, text: &str) -> core::fmt::Result {
            self.0.extend_from_slice(text.as_bytes());
            Ok(())
        }
    }
    out.extend_from_slice(before);
    write!(Bytes(out), "{number}").expect("a Vec takes everything");
}

fn hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    for (pair, byte) in out[start..].as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut begin = 0;
    loop {
        let end = plain_end(bytes, begin);
        out.extend_from_slice(&bytes[begin..end]);
        match bytes.get(end) {
            None => break,
            Some(byte @ (b'"' | b'\\')) => out.extend_from_slice(&[b'\\', *byte]),
            Some(byte) => {
                out.extend_from_slice(b"\\u00");
                hex(&[*byte], out);
            }
        }
        begin = end + 1;
    }
    out.push(b'"');
}
