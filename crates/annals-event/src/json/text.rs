//! Strings: decoding, canonical escaping, canonical order.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::Code;

/// Index of the first byte at or after `at` that ends a plain run inside a string: a quote, a
/// backslash, a control character, or the end of the input.
///
/// Eight bytes at a time. `x - n` borrows into the high bit of each byte of `x` that is below `n`; a borrow
/// can wrongly mark only bytes above a real hit, and the lowest mark is the one taken. Flipping 0x02 moves
/// the quote next to the control characters, so that one subtraction finds both.
#[inline]
pub(crate) fn plain_run_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
        let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
        let stop = (quote_or_control | backslash) & !word & HIGH;
        if stop != 0 {
            return at + stop.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        if byte == b'"' || byte == b'\\' || byte < 0x20 {
            break;
        }
        at += 1;
    }
    at
}

/// Decodes one escape. `at` is the index after the backslash; returns the character and the index after it.
pub(crate) fn decode_escape(bytes: &[u8], at: usize) -> Result<(char, usize), (Code, &'static str)> {
    let character = match bytes.get(at) {
        Some(b'"') => '"',
        Some(b'\\') => '\\',
        Some(b'/') => '/',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return decode_unicode_escape(bytes, at + 1),
        _ => return Err((Code::Json, "has an escape that JSON does not know")),
    };
    Ok((character, at + 1))
}

fn decode_unicode_escape(bytes: &[u8], at: usize) -> Result<(char, usize), (Code, &'static str)> {
    const LONE: (Code, &str) = (Code::LoneSurrogate, "has half of a surrogate pair");
    let first = hex4(bytes, at)?;
    if let Some(character) = char::from_u32(first) {
        return Ok((character, at + 4));
    }
    if first >= 0xDC00 || bytes.get(at + 4..at + 6) != Some(b"\\u") {
        return Err(LONE);
    }
    let second = hex4(bytes, at + 6)?;
    if !(0xDC00..0xE000).contains(&second) {
        return Err(LONE);
    }
    let code_point = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    Ok((char::from_u32(code_point).expect("a surrogate pair is a code point above U+FFFF"), at + 10))
}

fn hex4(bytes: &[u8], at: usize) -> Result<u32, (Code, &'static str)> {
    let digits = bytes.get(at..at + 4).unwrap_or_default();
    digits
        .iter()
        .try_fold(0, |sum, &digit| char::from(digit).to_digit(16).map(|digit| sum * 16 + digit))
        .filter(|_| digits.len() == 4)
        .ok_or((Code::Json, "has a `\\u` escape without four hex digits"))
}

/// Appends the decoded text between the quotes of a string token that was scanned before; stops at the
/// first thing that no scanned token has.
pub(crate) fn decode_string(inner: &str, out: &mut String) {
    let mut at = 0;
    loop {
        let end = plain_run_end(inner.as_bytes(), at);
        out.push_str(&inner[at..end]);
        match decode_escape(inner.as_bytes(), end + 1) {
            Ok((character, after)) if end < inner.len() => {
                out.push(character);
                at = after;
            }
            _ => return,
        }
    }
}

/// The decoded text of what stands between the quotes of a string token that was scanned before.
#[must_use]
pub fn unescape(inner: &str) -> Cow<'_, str> {
    if !inner.as_bytes().contains(&b'\\') {
        return Cow::Borrowed(inner);
    }
    let mut out = String::with_capacity(inner.len());
    decode_string(inner, &mut out);
    Cow::Owned(out)
}

/// Appends `text` as a JSON string with its quotes, escaped as RFC 8785 says: `"` and `\` and control
/// characters only, the short escapes where JSON has them, else `\u00xx` in lower case.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    out.push(b'"');
    let mut at = 0;
    loop {
        let end = plain_run_end(bytes, at);
        out.extend_from_slice(&bytes[at..end]);
        let Some(&byte) = bytes.get(end) else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0C => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
        at = end + 1;
    }
    out.push(b'"');
}

/// The canonical order of member names: by UTF-16 code units, as RFC 8785 and JavaScript sort them.
///
/// Differs from the order of the UTF-8 bytes in one place: characters above U+FFFF sort before
/// U+E000–U+FFFF, as their first UTF-16 unit is a surrogate.
#[must_use]
pub fn compare_names(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    match a.iter().zip(b).find(|(x, y)| x != y) {
        Some((&x, &y)) => unit_rank(x).cmp(&unit_rank(y)),
        None => a.len().cmp(&b.len()),
    }
}

/// Ranks the first differing byte of two UTF-8 texts as their UTF-16 units rank. Only lead bytes
/// matter: a continuation byte differs after equal leads, where both orders agree. No UTF-8 has the
/// bytes 0xFE and 0xFF, so the ranks stay distinct.
#[inline]
const fn unit_rank(byte: u8) -> u8 {
    match byte {
        0xEE | 0xEF => byte + 0x10,
        _ => byte,
    }
}

/// The ranks of a name's first eight bytes as one number, zero-filled: where two names' numbers differ,
/// they compare as the names do in canonical order.
pub(crate) const fn name_prefix(name: &[u8]) -> u64 {
    let mut prefix = 0;
    let mut at = 0;
    while at < 8 {
        prefix <<= 8;
        if at < name.len() {
            prefix |= unit_rank(name[at]) as u64;
        }
        at += 1;
    }
    prefix
}
