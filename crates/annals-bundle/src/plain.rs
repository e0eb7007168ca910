//! Bytes of a text that stand in a string of JSON as they are.

/// Where the first byte is, from `at` on, that does not: a quote, a backslash or a control character; else the end.
#[inline]
pub(crate) fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const fn all(byte: u8) -> u64 {
        u64::from_le_bytes([byte; 8])
    }
    // Sets the high bit of the first byte below `bound`, and of none before it.
    let below = |word: u64, bound: u8| word.wrapping_sub(all(bound)) & !word & all(0x80);
    while let Some(eight) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let word = u64::from_le_bytes(*eight);
        let found = below(word ^ all(b'"'), 1) | below(word ^ all(b'\\'), 1) | below(word, 0x20);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use std::string::String;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_byte_that_is_not_plain_ends_what_is(
            text in prop::collection::vec(
                prop::sample::select(&['a', '"', '\\', '\u{a2}', '\u{20}', '\u{1f}', '\u{0}', '!', '#', '[', ']', '\u{7f}'][..]),
                0..40,
            ),
            from in 0_usize..90,
        ) {
            let text: String = text.into_iter().collect();
            let bytes = text.as_bytes();
            let found = bytes.iter().skip(from).position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            let end = found.map_or(bytes.len().max(from), |at| from + at);
            prop_assert_eq!(plain_end(bytes, from), end);
        }
    }
}
