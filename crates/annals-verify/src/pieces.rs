//! The lines of a bundle's log, cut into pieces of whole lines that can be checked by themselves.

use std::io::{self, Read};

use annals_bundle::{Hex, LINE_BYTES_MAX};
use sha2::{Digest as _, Sha256};

/// About how many bytes of lines are checked at a time.
const PIECE_BYTES: usize = 256 << 10;

/// The log as it was read.
#[derive(Debug)]
pub struct Content {
    /// Its length.
    pub bytes: u64,
    /// Its hash.
    pub sha256: Hex<32>,
}

/// Why reading ended early.
#[derive(Debug)]
pub enum Stopped {
    /// The lines cannot be read.
    Read(io::Error),
    /// A line is none of a bundle's.
    Line(String),
    /// Whoever was told wants no more.
    Enough,
}

/// Cuts what is read into pieces of whole lines, and gives them away one by one, as long as they are taken.
///
/// # Errors
///
/// [`Stopped`]; what came before was given.
pub fn cut(from: &mut impl Read, give: &mut dyn FnMut(Vec<u8>) -> bool) -> Result<Content, Stopped> {
    let mut hash = Sha256::new();
    let (mut bytes, mut rest) = (0, Vec::new());
    loop {
        let mut piece = std::mem::take(&mut rest);
        let known = piece.len();
        let wanted = (known + PIECE_BYTES) as u64;
        piece.reserve_exact(PIECE_BYTES);
        from.by_ref().take(wanted - known as u64).read_to_end(&mut piece).map_err(Stopped::Read)?;
        let read = piece.len() - known;
        hash.update(&piece[known..]);
        bytes += read as u64;
        let is_end = read == 0;
        let end = memchr::memrchr(b'\n', &piece).map_or(0, |at| at + 1);
        rest = piece.split_off(end);
        if rest.len() > LINE_BYTES_MAX {
            return Err(Stopped::Line(format!("a line of more than {LINE_BYTES_MAX} bytes")));
        }
        if !piece.is_empty() && !give(piece) {
            return Err(Stopped::Enough);
        }
        if is_end {
            return match rest.is_empty() {
                true => Ok(Content { bytes, sha256: Hex(hash.finalize().into()) }),
                false => Err(Stopped::Line("the last line is cut short".to_owned())),
            };
        }
    }
}
