//! SHA-256 of four messages at a time, one in each lane of a vector.
//!
//! WebAssembly has no instructions for SHA-256; there four at a time take half as long as one after the other. It is compiled for
//! nothing else, but for tests, which hold it against `hash`. The messages are not wiped: who hashes there was shown them.

use alloc::vec::Vec;
use core::array;

use crate::hash::{self, Hash, INITIAL};

/// Messages that are hashed together.
const LANES: usize = 4;

const BLOCK_BYTES: usize = 64;

type Block = [u8; BLOCK_BYTES];

/// Messages to be hashed.
pub(crate) struct Lanes {
    /// Padded, one message behind the other.
    blocks: Vec<Block>,
    messages: Vec<Message>,
}

/// A message: how many blocks it has, which is the first, and what its hash is for.
type Message = (usize, usize, usize);

impl Lanes {
    /// With room for so many messages of two blocks.
    pub(crate) fn with_room(messages: usize) -> Self {
        Self { blocks: Vec::with_capacity(2 * messages), messages: Vec::with_capacity(messages) }
    }

    /// Adds the message that these parts make.
    pub(crate) fn add(&mut self, place: usize, parts: &[&[u8]]) {
        let length = parts.iter().map(|part| part.len()).sum::<usize>();
        let (first, count) = (self.blocks.len(), (length + 9).div_ceil(BLOCK_BYTES));
        self.blocks.resize(first + count, [0; BLOCK_BYTES]);
        let bytes = self.blocks[first..].as_flattened_mut();
        let mut at = 0;
        for part in parts {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        hash::pad(bytes, length);
        self.messages.push((count, first, place));
    }

    /// Tells `each` the hashes of all messages, in any order, and begins anew.
    pub(crate) fn finish(&mut self, mut each: impl FnMut(usize, Hash)) {
        // Those of as many blocks go together.
        self.messages.sort_unstable();
        let of = |&(count, first, _): &Message| &self.blocks[first..first + count];
        for same in self.messages.chunk_by(|a, b| a.0 == b.0) {
            for four in same.chunks(LANES) {
                if let [one] = four {
                    each(one.2, hash::padded(of(one)));
                    continue;
                }
                // Lanes that are left over hash the last once more.
                let last = four.len() - 1;
                let hashes = hash_all(array::from_fn(|lane| of(&four[lane.min(last)])));
                four.iter().zip(hashes).for_each(|((.., place), hash)| each(*place, hash));
            }
        }
        self.messages.clear();
        self.blocks.clear();
    }
}

/// The hashes of padded messages of as many blocks each.
fn hash_all(messages: [&[Block]; LANES]) -> [Hash; LANES] {
    // The vectors' own functions are none that could be passed on.
    let mut state = array::from_fn(|n| vector::all(INITIAL[n]));
    for at in 0..messages[0].len() {
        compress(&mut state, messages.map(|blocks| &blocks[at]));
    }
    let words = state.map(vector::lanes);
    array::from_fn(|lane| hash::of_state(words.map(|word| word[lane])))
}

/// One step: FIPS 180-4, section 6.2.2.
macro_rules! step {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $word:expr, $k:expr) => {
        let sum = xor(xor(turned($e, 6), turned($e, 11)), turned($e, 25));
        let choice = xor($g, and($e, xor($f, $g)));
        let first = add(add(add($h, sum), add(choice, all($k))), $word);
        let sum = xor(xor(turned($a, 2), turned($a, 13)), turned($a, 22));
        let majority = xor(and($a, $b), and($c, xor($a, $b)));
        $d = add($d, first);
        $h = add(first, add(sum, majority));
    };
}

fn compress(state: &mut [vector::Word; 8], blocks: [&Block; LANES]) {
    use vector::{add, all, and, moved, turned, xor};
    let words = blocks.map(|block| block.as_chunks::<4>().0);
    let mut w: [vector::Word; 16] = array::from_fn(|t| vector::big_endian(words.map(|words| words[t])));
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for (round, k) in K.as_chunks::<16>().0.iter().enumerate() {
        if round > 0 {
            for t in 0..16 {
                let (behind, before) = (w[(t + 1) % 16], w[(t + 14) % 16]);
                let low = xor(xor(turned(behind, 7), turned(behind, 18)), moved(behind, 3));
                let high = xor(xor(turned(before, 17), turned(before, 19)), moved(before, 10));
                w[t] = add(add(w[t], low), add(w[(t + 9) % 16], high));
            }
        }
        step!(a b c d e f g h, w[0], k[0]);
        step!(h a b c d e f g, w[1], k[1]);
        step!(g h a b c d e f, w[2], k[2]);
        step!(f g h a b c d e, w[3], k[3]);
        step!(e f g h a b c d, w[4], k[4]);
        step!(d e f g h a b c, w[5], k[5]);
        step!(c d e f g h a b, w[6], k[6]);
        step!(b c d e f g h a, w[7], k[7]);
        step!(a b c d e f g h, w[8], k[8]);
        step!(h a b c d e f g, w[9], k[9]);
        step!(g h a b c d e f, w[10], k[10]);
        step!(f g h a b c d e, w[11], k[11]);
        step!(e f g h a b c d, w[12], k[12]);
        step!(d e f g h a b c, w[13], k[13]);
        step!(c d e f g h a b, w[14], k[14]);
        step!(b c d e f g h a, w[15], k[15]);
    }
    *state = array::from_fn(|n| add(state[n], [a, b, c, d, e, f, g, h][n]));
}

/// FIPS 180-4, section 4.2.2: the first 32 bits behind the points of the cube roots of the first 64 primes.
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
    0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
    0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
    0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
    0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
    0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
    0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
    0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
];

/// A word of each lane.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::{i8x16_shuffle, i32x4_shl, u32x4, u32x4_extract_lane, v128_or};
    pub(super) use core::arch::wasm32::{
        i32x4_add as add, u32x4_shr as moved, u32x4_splat as all, v128 as Word, v128_and as and,
        v128_xor as xor,
    };

    #[inline]
    pub(super) fn turned(word: Word, bits: u32) -> Word {
        v128_or(moved(word, bits), i32x4_shl(word, 32 - bits))
    }

    #[inline]
    pub(super) fn big_endian(lanes: [[u8; 4]; 4]) -> Word {
        let [a, b, c, d] = lanes.map(u32::from_le_bytes);
        let word = u32x4(a, b, c, d);
        i8x16_shuffle::<3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12>(word, word)
    }

    pub(super) fn lanes(word: Word) -> [u32; 4] {
        [
            u32x4_extract_lane::<0>(word),
            u32x4_extract_lane::<1>(word),
            u32x4_extract_lane::<2>(word),
            u32x4_extract_lane::<3>(word),
        ]
    }
}

/// The same without vectors, for tests.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod vector {
    use core::array;

    pub(super) type Word = [u32; 4];

    pub(super) fn all(word: u32) -> Word {
        [word; 4]
    }

    pub(super) fn add(a: Word, b: Word) -> Word {
        array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    pub(super) fn and(a: Word, b: Word) -> Word {
        array::from_fn(|lane| a[lane] & b[lane])
    }

    pub(super) fn xor(a: Word, b: Word) -> Word {
        array::from_fn(|lane| a[lane] ^ b[lane])
    }

    pub(super) fn moved(word: Word, bits: u32) -> Word {
        word.map(|lane| lane >> bits)
    }

    pub(super) fn turned(word: Word, bits: u32) -> Word {
        word.map(|lane| lane.rotate_right(bits))
    }

    pub(super) fn big_endian(lanes: [[u8; 4]; 4]) -> Word {
        lanes.map(u32::from_be_bytes)
    }

    pub(super) fn lanes(word: Word) -> [u32; 4] {
        word
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn lanes_give_the_hashes_of_their_messages() {
        let mut lanes = Lanes::with_room(0);
        for messages in [0_usize, 1, 2, 3, 4, 5, 150, 600] {
            // Of all lengths, short ones more often, none in the order of its length.
            let message = |n: usize| vec![n.to_le_bytes()[0] ^ 0xa7; n * 7919 % (1 + messages / 2)];
            for n in 0..messages {
                let message = message(n);
                let (left, right) = message.split_at(message.len() / 3);
                lanes.add(n, &[left, right]);
            }
            let mut found = vec![None; messages];
            lanes.finish(|n, hash| assert_eq!(found[n].replace(hash), None));
            for (n, found) in found.iter().enumerate() {
                assert_eq!(*found, Some(hash::sha256(&message(n))), "message {n} of {messages}");
            }
        }
    }
}
