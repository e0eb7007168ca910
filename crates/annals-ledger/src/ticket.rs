//! Tickets: texts that only this ledger can write, for somebody else to carry and show again.
//!
//! A ticket is signed, not encrypted: whoever carries it can read it. It says what it is for, so that one kind never passes
//! for another. Whether it still holds (its time, the key behind it) is for whoever reads it to decide.
//!
//! ```text
//! base64url( content | 32 bytes of HMAC-SHA-256 over "annals ticket\0" | u8 len, purpose | content )
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

const MAC_BYTES: usize = 32;

/// Longest content of a ticket, bytes: it must fit into a header.
pub const TICKET_BYTES_MAX: usize = 4 << 10;

/// Longest ticket, bytes of text.
pub const TICKET_TEXT_BYTES_MAX: usize = (TICKET_BYTES_MAX + MAC_BYTES).div_ceil(3) * 4;

/// The ticket with this content; none where that is longer than [`TICKET_BYTES_MAX`].
pub(crate) fn write(key: &[u8], purpose: &str, content: &[u8]) -> Option<String> {
    if content.len() > TICKET_BYTES_MAX {
        return None;
    }
    let mut out = content.to_vec();
    out.extend(mac(key, purpose, content).finalize().into_bytes());
    Some(URL_SAFE_NO_PAD.encode(out))
}

/// The content of a ticket that was written with this key for this purpose.
pub(crate) fn read(key: &[u8], purpose: &str, text: &str) -> Option<Vec<u8>> {
    if text.len() > TICKET_TEXT_BYTES_MAX {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (content, shown) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
    mac(key, purpose, content).verify_slice(shown).ok()?;
    bytes.truncate(bytes.len() - MAC_BYTES);
    Some(bytes)
}

fn mac(key: &[u8], purpose: &str, content: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"annals ticket\0");
    mac.update(&[u8::try_from(purpose.len()).expect("purposes are short names")]);
    mac.update(purpose.as_bytes());
    mac.update(content);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_reads_back_for_its_own_purpose_and_key_alone() {
        let ticket = write(b"key", "session", b"ana").unwrap();
        assert_eq!(read(b"key", "session", &ticket).as_deref(), Some(&b"ana"[..]));
        assert_eq!(read(b"key", "viewing", &ticket), None, "as long a name is another one all the same");
        assert_eq!(read(b"other", "session", &ticket), None);
        assert_eq!(read(b"key", "session", ""), None);
        // The name of the purpose does not run over into the content.
        assert_eq!(read(b"key", "sessionana", &write(b"key", "session", b"").unwrap()), None);
    }

    #[test]
    fn every_changed_byte_spoils_a_ticket() {
        let ticket = write(b"key", "session", b"ana").unwrap();
        for at in 0..ticket.len() {
            let mut changed = ticket.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(read(b"key", "session", &changed), None, "{at}");
        }
    }

    #[test]
    fn what_would_not_fit_into_a_header_is_no_ticket() {
        let longest = write(b"key", "session", &[7; TICKET_BYTES_MAX]).unwrap();
        assert_eq!(longest.len(), TICKET_TEXT_BYTES_MAX);
        assert!(read(b"key", "session", &longest).is_some());
        assert_eq!(write(b"key", "session", &[7; TICKET_BYTES_MAX + 1]), None);
    }
}
