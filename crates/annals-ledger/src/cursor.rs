//! Cursors: where a search goes on, for a client to carry.
//!
//! A cursor holds the question as it was asked, as of which size it is answered, and the place of the next page, so it works
//! alone, after a restart, and for ever. It is signed with a key that only the ledger knows; what it holds is no secret, as it
//! is what the client itself asked and was told.
//!
//! ```text
//! base64url( u8 version = 1 | u8 len, view | u8 len, tenant | u8 log | u64 size | u64 total + 1, or 0
//!          | u8 direction | u8 keys <= 8, i64 each | u64 number | u16 len, question | 16 bytes of HMAC-SHA-256 )
//! ```
//!
//! Numbers are big-endian. `view` names the API that gave it; `log` is 0 for events, 1 for the access log, 2 for all tenants.

use annals_event::{TENANT_ID_BYTES_MAX, TenantId};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::batch::LogKind;
use crate::read::{FeedScope, TenantLog};
use crate::search::{Place, Start};

const VERSION: u8 = 1;
const MAC_BYTES: usize = 16;

/// Most keys of a place.
const KEYS_MAX: usize = 8;

/// Longest question a cursor carries, bytes.
pub const QUESTION_BYTES_MAX: usize = 16 << 10;

/// Most bytes beside the question.
const AROUND_BYTES_MAX: usize = 512;
const _: () = {
    let names = 1 + u8::MAX as usize + 1 + TENANT_ID_BYTES_MAX;
    assert!(1 + names + 1 + 8 + 8 + 1 + 1 + 8 * KEYS_MAX + 8 + 2 + MAC_BYTES <= AROUND_BYTES_MAX);
};

/// Longest cursor, bytes of text.
pub const CURSOR_BYTES_MAX: usize = (QUESTION_BYTES_MAX + AROUND_BYTES_MAX) * 4 / 3;

/// Where a search goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Which API gave it, such as `v1`; at most 255 bytes. No other takes it.
    pub view: String,
    /// What is searched.
    pub scope: FeedScope,
    /// The question in the words of that API, at most [`QUESTION_BYTES_MAX`].
    pub question: String,
    /// As of which size it is answered.
    pub size: u64,
    /// How many match, if they were counted.
    pub total: Option<u64>,
    /// Where the page begins: a place of at most 8 keys, so neither [`Start::First`] nor [`Start::Skip`].
    pub start: Start,
}

/// A text that is no cursor of this ledger: cut, changed, or given by another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor that this server gave; it may have been cut, changed, or come from elsewhere")]
pub struct CursorError;

impl Cursor {
    /// The cursor as text, signed with `key`. None for a question that is too long, or a place of too many
    /// keys.
    pub(crate) fn to_text(&self, key: &[u8]) -> Option<String> {
        let (direction, place) = match &self.start {
            Start::First | Start::Skip(_) => return None,
            Start::After(place) => (0, place),
            Start::Before(place) => (1, place),
        };
        let (tenant, log) = match &self.scope {
            FeedScope::Log(log) => (log.tenant.as_str(), u8::from(log.kind == LogKind::Access)),
            FeedScope::All => ("", 2),
        };
        if self.question.len() > QUESTION_BYTES_MAX || place.keys.len() > KEYS_MAX {
            return None;
        }
        let mut out = vec![VERSION];
        put_short(&self.view, &mut out)?;
        put_short(tenant, &mut out)?;
        out.push(log);
        out.extend(self.size.to_be_bytes());
        out.extend(self.total.map_or(0, |total| total + 1).to_be_bytes());
        out.push(direction);
        out.push(u8::try_from(place.keys.len()).ok()?);
        for key in &place.keys {
            out.extend(key.to_be_bytes());
        }
        out.extend(place.number.to_be_bytes());
        out.extend(u16::try_from(self.question.len()).ok()?.to_be_bytes());
        out.extend(self.question.as_bytes());
        let mac = mac(key, &out).finalize().into_bytes();
        out.extend(&mac[..MAC_BYTES]);
        Some(URL_SAFE_NO_PAD.encode(out))
    }

    /// Reads a cursor that was signed with `key`.
    ///
    /// # Errors
    ///
    /// [`CursorError`].
    pub(crate) fn from_text(text: &str, key: &[u8]) -> Result<Self, CursorError> {
        if text.len() > CURSOR_BYTES_MAX {
            return Err(CursorError);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let (signed, shown) =
            bytes.split_at_checked(bytes.len().saturating_sub(MAC_BYTES)).ok_or(CursorError)?;
        mac(key, signed).verify_truncated_left(shown).map_err(|_| CursorError)?;
        if shown.len() != MAC_BYTES {
            return Err(CursorError);
        }
        Input(signed).cursor().ok_or(CursorError)
    }
}

fn mac(key: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"annals cursor\0");
    mac.update(bytes);
    mac
}

fn put_short(text: &str, out: &mut Vec<u8>) -> Option<()> {
    out.push(u8::try_from(text.len()).ok()?);
    out.extend(text.as_bytes());
    Some(())
}

/// What is left to read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn cursor(mut self) -> Option<Cursor> {
        if self.u8()? != VERSION {
            return None;
        }
        let view = self.short()?.to_owned();
        let tenant = self.short()?;
        let scope = match self.u8()? {
            0 => FeedScope::Log(log(tenant, LogKind::Tenant)?),
            1 => FeedScope::Log(log(tenant, LogKind::Access)?),
            2 => FeedScope::All,
            _ => return None,
        };
        let size = u64::from_be_bytes(self.array()?);
        let total = u64::from_be_bytes(self.array()?).checked_sub(1);
        let direction = self.u8()?;
        let keys = Some(self.u8()?).filter(|keys| usize::from(*keys) <= KEYS_MAX)?;
        let keys = (0..keys).map(|_| self.array().map(i64::from_be_bytes)).collect::<Option<_>>()?;
        let place = Place { keys, number: u64::from_be_bytes(self.array()?) };
        let start = match direction {
            0 => Start::After(place),
            1 => Start::Before(place),
            _ => return None,
        };
        let length = u16::from_be_bytes(self.array()?);
        let question = self.text(length.into())?.to_owned();
        self.0.is_empty().then_some(Cursor { view, scope, question, size, total, start })
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn text(&mut self, length: usize) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    fn short(&mut self) -> Option<&'a str> {
        let length = self.u8()?;
        self.text(length.into())
    }
}

fn log(tenant: &str, kind: LogKind) -> Option<TenantLog> {
    Some(TenantLog { tenant: TenantId::from_stored(tenant).ok()?, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursors() -> Vec<Cursor> {
        let tenant = TenantId::new("acme").unwrap();
        let log = |kind| FeedScope::Log(TenantLog { tenant: tenant.clone(), kind });
        let place = |keys: &[i64]| Place { keys: keys.to_vec(), number: 77 };
        let cursor = |scope, total, start| Cursor {
            view: "v1".to_owned(),
            scope,
            question: "action=a&q=é".to_owned(),
            size: 1234,
            total,
            start,
        };
        vec![
            cursor(log(LogKind::Tenant), None, Start::After(place(&[-5]))),
            cursor(log(LogKind::Access), Some(0), Start::Before(place(&[i64::MIN, i64::MAX]))),
            cursor(FeedScope::All, Some(u64::MAX - 1), Start::After(place(&[]))),
        ]
    }

    #[test]
    fn a_cursor_reads_back_with_its_key_and_with_no_other() {
        for cursor in cursors() {
            let text = cursor.to_text(b"key").unwrap();
            assert_eq!(Cursor::from_text(&text, b"key"), Ok(cursor));
            assert_eq!(Cursor::from_text(&text, b"another"), Err(CursorError));
        }
    }

    #[test]
    fn the_longest_cursor_is_as_long_as_is_said_and_more_keys_are_refused() {
        let tenant = TenantId::new(&"t".repeat(TENANT_ID_BYTES_MAX)).unwrap();
        let mut cursor = Cursor {
            view: "v".repeat(255),
            scope: FeedScope::Log(TenantLog { tenant, kind: LogKind::Tenant }),
            question: "q".repeat(QUESTION_BYTES_MAX),
            size: u64::MAX,
            total: Some(u64::MAX - 1),
            start: Start::After(Place { keys: vec![i64::MIN; KEYS_MAX], number: u64::MAX }),
        };
        let text = cursor.to_text(b"key").unwrap();
        assert!(text.len() <= CURSOR_BYTES_MAX);
        assert_eq!(Cursor::from_text(&text, b"key").as_ref(), Ok(&cursor));
        // One more, as if an earlier version had signed it.
        cursor.question.clear();
        let text = cursor.to_text(b"key").unwrap();
        let mut bytes = URL_SAFE_NO_PAD.decode(text).unwrap();
        bytes.truncate(bytes.len() - MAC_BYTES);
        let at = bytes.len() - 2 - 8 - 8 * KEYS_MAX - 1;
        bytes[at] += 1;
        bytes.splice(at + 1..at + 1, [0; 8]);
        let signed = mac(b"key", &bytes).finalize().into_bytes();
        bytes.extend(&signed[..MAC_BYTES]);
        assert_eq!(Cursor::from_text(&URL_SAFE_NO_PAD.encode(bytes), b"key"), Err(CursorError));
        cursor.start = Start::Before(Place { keys: vec![0; KEYS_MAX + 1], number: 0 });
        assert_eq!(cursor.to_text(b"key"), None);
    }

    #[test]
    fn a_cursor_that_was_cut_or_changed_anywhere_is_none() {
        for cursor in cursors() {
            let text = cursor.to_text(b"key").unwrap();
            for end in 0..text.len() {
                assert_eq!(Cursor::from_text(&text[..end], b"key"), Err(CursorError), "{end}");
            }
            let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap();
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let changed = URL_SAFE_NO_PAD.encode(changed);
                assert_eq!(Cursor::from_text(&changed, b"key"), Err(CursorError), "bit {bit}");
            }
        }
        assert_eq!(Cursor::from_text(&"A".repeat(1 << 20), b"key"), Err(CursorError));
    }
}
