//! Strings as they stand in canonical JSON.

use std::borrow::Cow;

/// Index of the quote that ends the string whose inside begins at `at`, and whether a backslash stands before it.
///
/// Eight bytes at a time: subtracting one borrows into the high bit of each zero byte of the difference to what is looked for.
/// A borrow can mark only bytes above a true hit wrongly, and the lowest mark is the one taken.
#[inline]
#[must_use]
pub fn string_end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let (quote, backslash) = (word ^ (ONES * 0x22), word ^ (ONES * 0x5c));
        let quotes = quote.wrapping_sub(ONES) & !quote & HIGH;
        let backslashes = backslash.wrapping_sub(ONES) & !backslash & HIGH;
        let marks = quotes | backslashes;
        if marks != 0 {
            at += marks.trailing_zeros() as usize / 8;
            if bytes[at] == b'"' {
                return Some((at, false));
            }
            return escaped_end(bytes, at);
        }
        at += 8;
    }
    loop {
        match bytes.get(at)? {
            b'"' => return Some((at, false)),
            b'\\' => return escaped_end(bytes, at),
            _ => at += 1,
        }
    }
}

/// As [`string_end`], from a backslash on.
#[cold]
fn escaped_end(bytes: &[u8], mut at: usize) -> Option<(usize, bool)> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some((at, true)),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The text that stands escaped between two quotes of canonical JSON. What is no escape of canonical JSON stays as it is:
/// damage shows in checksums, not here.
#[must_use]
pub fn unescape(inner: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = inner.iter().position(|byte| *byte == b'\\') else { return Cow::Borrowed(inner) };
    let mut out = Vec::with_capacity(inner.len());
    out.extend_from_slice(&inner[..first]);
    let mut rest = &inner[first..];
    while let [byte, after @ ..] = rest {
        if *byte != b'\\' {
            out.push(*byte);
            rest = after;
            continue;
        }
        let (character, used) = match after {
            [b'b', ..] => (0x08, 2),
            [b't', ..] => (b'\t', 2),
            [b'n', ..] => (b'\n', 2),
            [b'f', ..] => (0x0C, 2),
            [b'r', ..] => (b'\r', 2),
            [byte @ (b'"' | b'\\' | b'/'), ..] => (*byte, 2),
            [b'u', b'0', b'0', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) if high < 8 => (high << 4 | low, 6),
                _ => (b'\\', 1),
            },
            _ => (b'\\', 1),
        };
        out.push(character);
        rest = &rest[used..];
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_string_is_found_wherever_it_stands() {
        for pad in 0..20 {
            for (inner, escaped) in
                [("", false), ("plain", false), (r#"a\"b"#, true), (r"ends\\", true), ("é\u{1}", false)]
            {
                let text = format!("{}{}{inner}\",\"x\\\"", "p".repeat(pad), "");
                assert_eq!(string_end(text.as_bytes(), 0), Some((pad + inner.len(), escaped)), "{text}");
            }
        }
        assert_eq!(string_end(b"no end", 0), None);
        assert_eq!(string_end(b"no end\\\"", 0), None);
        assert_eq!(string_end(b"no end at all\\", 0), None);
    }

    #[test]
    fn what_canonical_json_escapes_is_unescaped() {
        for text in ["", "plain", "a\"b\\c/d", "\u{8}\t\n\u{c}\r\u{1f}\u{0}é東", "\\u0041", "\u{7f}"] {
            let mut json = Vec::new();
            annals_event::json::write_string(text, &mut json);
            assert_eq!(unescape(&json[1..json.len() - 1]), text.as_bytes());
        }
        for odd in [r"\", r"\x", r"\u12", r"\u00zz", r"\u00ff"] {
            assert_eq!(unescape(odd.as_bytes()), odd.as_bytes());
        }
    }
}
