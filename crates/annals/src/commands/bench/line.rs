//! JSON put together in one buffer that is used again.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A line of NDJSON in the making. Commas come by themselves.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
}

impl Line {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    pub(super) fn end(&mut self) {
        self.bytes.push(b'\n');
    }

    /// `{`, as a value.
    pub(super) fn open(&mut self) {
        self.comma();
        self.bytes.push(b'{');
    }

    pub(super) fn close(&mut self) {
        self.bytes.push(b'}');
    }

    /// `[`, as a value.
    pub(super) fn open_array(&mut self) {
        self.comma();
        self.bytes.push(b'[');
    }

    pub(super) fn close_array(&mut self) {
        self.bytes.push(b']');
    }

    /// A member's name; its value follows.
    pub(super) fn name(&mut self, name: &str) -> &mut Self {
        self.comma();
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(b"\":");
        self
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) {
        self.comma();
        self.bytes.push(b'"');
        self.escaped(text);
        self.bytes.push(b'"');
    }

    /// A text made by `write`, which writes nothing that needs escaping.
    pub(super) fn plain(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.comma();
        self.bytes.push(b'"');
        write(&mut self.bytes);
        self.bytes.push(b'"');
    }

    pub(super) fn number(&mut self, number: u64) {
        self.comma();
        decimal(number, &mut self.bytes);
    }

    /// `true`, `null`, `1.5`: as it is.
    pub(super) fn literal(&mut self, literal: &str) {
        self.comma();
        self.bytes.extend_from_slice(literal.as_bytes());
    }

    fn comma(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[' | b':' | b'\n')) {
            self.bytes.push(b',');
        }
    }

    fn escaped(&mut self, text: &str) {
        if !text.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            self.bytes.extend_from_slice(text.as_bytes());
            return;
        }
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.bytes.extend_from_slice(&[b'\\', byte]),
                b'\n' => self.bytes.extend_from_slice(b"\\n"),
                b'\t' => self.bytes.extend_from_slice(b"\\t"),
                _ => self.bytes.push(byte),
            }
        }
    }
}

/// A number in digits.
pub(super) fn decimal(number: u64, to: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let (mut at, mut left) = (digits.len(), number);
    loop {
        at -= 1;
        digits[at] = HEX[usize::try_from(left % 10).expect("a digit")];
        left /= 10;
        if left == 0 {
            break;
        }
    }
    to.extend_from_slice(&digits[at..]);
}

/// The lowest `digits` hexadecimal digits of a number.
pub(super) fn hex(number: u64, digits: u32, to: &mut Vec<u8>) {
    for at in (0..digits).rev() {
        to.push(HEX[usize::try_from(number >> (4 * at) & 15).expect("a digit")]);
    }
}

/// A UUID of 128 bits, version and variant written over them.
pub(super) fn uuid(version: u64, high: u64, low: u64, to: &mut Vec<u8>) {
    let high = high & !0xf000 | version << 12;
    let low = low & !(3 << 62) | 2 << 62;
    for (number, shift, digits) in [(high, 32, 8), (high, 16, 4), (high, 0, 4), (low, 48, 4)] {
        hex(number >> shift, digits, to);
        to.push(b'-');
    }
    hex(low, 12, to);
}

/// Crockford's letters for `digits` times five bits of a number, the highest first.
pub(super) fn base32(number: u128, digits: u32, to: &mut Vec<u8>) {
    for at in (0..digits).rev() {
        let five = usize::try_from(number >> (5 * at) & 31).expect("five bits");
        to.push(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"[five]);
    }
}
