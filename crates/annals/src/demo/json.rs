//! JSON written straight into bytes. Only what the demo's events need: members in the order of the calls, no white space.

use std::io::Write as _;

use super::calendar::push_instant;

/// An unfinished JSON text. The caller closes what it opens.
#[derive(Debug, Default)]
pub(super) struct Json {
    bytes: Vec<u8>,
}

impl Json {
    /// An opened object, written over whatever `buffer` held.
    pub(super) fn object(mut buffer: Vec<u8>) -> Json {
        buffer.clear();
        buffer.push(b'{');
        Json { bytes: buffer }
    }

    /// Goes on with an object that was left open by [`Json::into_bytes`].
    pub(super) fn resume(bytes: Vec<u8>) -> Json {
        Json { bytes }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn open(&mut self, key: &str) {
        self.key(key);
        self.bytes.push(b'{');
    }

    pub(super) fn close(&mut self) {
        self.bytes.push(b'}');
    }

    pub(super) fn open_list(&mut self, key: &str) {
        self.key(key);
        self.bytes.push(b'[');
    }

    pub(super) fn open_item(&mut self) {
        self.comma();
        self.bytes.push(b'{');
    }

    pub(super) fn close_list(&mut self) {
        self.bytes.push(b']');
    }

    #[inline]
    pub(super) fn text(&mut self, key: &str, value: &str) {
        self.key(key);
        self.bytes.push(b'"');
        push_escaped(&mut self.bytes, value);
        self.bytes.push(b'"');
    }

    /// The member when there is something to say, nothing otherwise.
    pub(super) fn text_if(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.text(key, value);
        }
    }

    pub(super) fn integer(&mut self, key: &str, value: u64) {
        self.key(key);
        write!(self.bytes, "{value}").expect("writing to memory does not fail");
    }

    /// `value` in hundredths, written with two decimals.
    pub(super) fn hundredths(&mut self, key: &str, value: u64) {
        self.key(key);
        write!(self.bytes, "{}.{:02}", value / 100, value % 100).expect("writing to memory does not fail");
    }

    pub(super) fn flag(&mut self, key: &str, value: bool) {
        self.raw(key, if value { "true" } else { "false" });
    }

    pub(super) fn null(&mut self, key: &str) {
        self.raw(key, "null");
    }

    /// `value` is JSON already.
    pub(super) fn raw(&mut self, key: &str, value: &str) {
        self.key(key);
        self.bytes.extend_from_slice(value.as_bytes());
    }

    /// A number, `true`, `false`, `null`, a list or an object when `value` reads like one, text otherwise.
    pub(super) fn plain(&mut self, key: &str, value: &str) {
        let number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        if number || matches!(value, "true" | "false" | "null") || value.starts_with(['[', '{']) {
            self.raw(key, value);
        } else {
            self.text(key, value);
        }
    }

    pub(super) fn instant(&mut self, key: &str, at_us: i64) {
        self.key(key);
        self.bytes.push(b'"');
        push_instant(&mut self.bytes, at_us);
        self.bytes.push(b'"');
    }

    /// Lower-case hex of whole words, 16 digits each.
    pub(super) fn hex(&mut self, key: &str, prefix: &str, words: &[u64]) {
        self.key(key);
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(prefix.as_bytes());
        for word in words {
            push_hex(&mut self.bytes, *word);
        }
        self.bytes.push(b'"');
    }

    #[inline]
    fn key(&mut self, key: &str) {
        self.bytes.reserve(key.len() + 4);
        self.comma();
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(key.as_bytes());
        self.bytes.extend_from_slice(b"\":");
    }

    /// A finished value never ends in an opening bracket, so the last byte tells whether a comma is due.
    fn comma(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[')) {
            self.bytes.push(b',');
        }
    }
}

/// Appends 16 lower-case hex digits.
pub(super) fn push_hex(out: &mut Vec<u8>, word: u64) {
    let digits = word.to_be_bytes().map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    out.extend_from_slice(digits.as_flattened());
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn push_escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    // Hardly any text needs escaping, and looking at all of it without stopping is quickest.
    if !bytes.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
        out.extend_from_slice(bytes);
        return;
    }
    let mut clean_from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !needs_escape(*byte) {
            continue;
        }
        out.extend_from_slice(&bytes[clean_from..at]);
        clean_from = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            _ => write!(out, "\\u{byte:04x}").expect("writing to memory does not fail"),
        }
    }
    out.extend_from_slice(&bytes[clean_from..]);
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}
