//! What looks like it should not be in a log: secrets and card numbers.
//!
//! A look at an event's canonical bytes, not a judgement: what is found is kept as it was sent, and the sender is told. False alarms are
//! cheap, so are those that are missed; the list holds what is published as recognisable and common.
//!
//! | looks like a secret | source |
//! |---|---|
//! | `AKIA` or `ASIA` and 16 of `A–Z 2–7` | AWS, "IAM identifiers" |
//! | `ghp_`, `gho_`, `ghu_`, `ghs_`, `ghr_` and 36 letters or digits, `github_pat_` and 22 | GitHub, "About authentication" |
//! | `glpat-` and 20 | GitLab, "Token overview" |
//! | `xoxb-`, `xoxp-`, `xoxa-`, `xoxs-` and 10 | Slack, "Token types" |
//! | `sk_live_`, `rk_live_` and 16 | Stripe, "API keys" |
//! | `annals_` and 49 | annals |
//! | `eyJ…` `.eyJ…` `.`: a signed JSON Web Token | RFC 7519 |
//! | `-----BEGIN … PRIVATE KEY-----` | RFC 7468 |
//! | a member named `password`, `passwd`, `secret`, `client_secret`, `access_token`, `refresh_token`, `api_key` or `private_key` that holds a text | |
//!
//! A card number is 13 to 19 digits, blanks and dashes between them allowed, of a length and a beginning that the large issuers use, with
//! a right check digit (ISO/IEC 7812). Of random digits one in some hundreds looks like that.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::json::{Document, Kind, Limits, Value, push_segment};
use crate::redact::HASH_PREFIX;

/// Most places that are named of one event.
pub const SUSPICIONS_MAX: usize = 8;

/// What something looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspect {
    /// A password, a token, a private key.
    Secret,
    /// The number of a payment card.
    Card,
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspicion {
    /// What it looks like.
    pub suspect: Suspect,
    /// JSON Pointer of the value.
    pub pointer: String,
}

/// What a secret begins with, or the end of a member's name and the beginning of its text.
#[derive(Clone, Copy)]
enum Sign {
    /// So many characters of a token must follow.
    Token(usize),
    /// So does the second part of a JSON Web Token; the first is before it, and a signature behind it.
    SecondPart,
    /// Says it all.
    Alone,
    /// A text must follow that nobody has masked.
    Named,
}

/// See the module.
const SIGNS: [(&str, Sign); 26] = [
    ("AKIA", Sign::Token(16)),
    ("ASIA", Sign::Token(16)),
    ("ghp_", Sign::Token(36)),
    ("gho_", Sign::Token(36)),
    ("ghu_", Sign::Token(36)),
    ("ghs_", Sign::Token(36)),
    ("ghr_", Sign::Token(36)),
    ("github_pat_", Sign::Token(22)),
    ("glpat-", Sign::Token(20)),
    ("xoxb-", Sign::Token(10)),
    ("xoxp-", Sign::Token(10)),
    ("xoxa-", Sign::Token(10)),
    ("xoxs-", Sign::Token(10)),
    ("sk_live_", Sign::Token(16)),
    ("rk_live_", Sign::Token(16)),
    ("annals_", Sign::Token(49)),
    (".eyJ", Sign::SecondPart),
    ("PRIVATE KEY-----", Sign::Alone),
    ("\"password\":\"", Sign::Named),
    ("\"passwd\":\"", Sign::Named),
    ("\"secret\":\"", Sign::Named),
    ("\"client_secret\":\"", Sign::Named),
    ("\"access_token\":\"", Sign::Named),
    ("\"refresh_token\":\"", Sign::Named),
    ("\"api_key\":\"", Sign::Named),
    ("\"private_key\":\"", Sign::Named),
];

static FINDER: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::new(SIGNS.map(|(text, _)| text)).expect("a few short patterns fit into an automaton")
});

/// Digits of a card's number, at least and at most.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;

/// What an event's canonical bytes hold that looks like a secret or a card's number; at most [`SUSPICIONS_MAX`], in the order of the
/// bytes.
#[must_use]
pub fn suspicions(canonical: &[u8]) -> Vec<Suspicion> {
    let mut found = Vec::new();
    for hit in FINDER.find_iter(canonical) {
        let (_, sign) = SIGNS[hit.pattern().as_usize()];
        if is_secret(sign, &canonical[..hit.start()], &canonical[hit.end()..]) {
            // Of a member the text, of a token itself: both end behind the sign.
            found.push((hit.end(), Suspect::Secret));
        }
    }
    find_cards(canonical, |at| found.push((at, Suspect::Card)));
    if found.is_empty() {
        return Vec::new();
    }
    found.sort_unstable();
    let mut document = Document::default();
    let limits = Limits { depth_max: usize::MAX };
    let event = document.parse(canonical, limits).expect("canonical bytes are JSON");
    let mut named: Vec<Suspicion> = Vec::new();
    // Of each kind, where the value ends that was named last: an event may be full of them, and a look costs as much as it is wide.
    let mut ends = [0; 2];
    for (at, suspect) in found {
        let end = &mut ends[usize::from(suspect == Suspect::Card)];
        if at < *end {
            continue;
        }
        let (pointer, value_end) = pointer_at(event, canonical, at);
        *end = value_end.max(at + 1);
        named.push(Suspicion { suspect, pointer });
        if named.len() == SUSPICIONS_MAX {
            break;
        }
    }
    named
}

fn is_secret(sign: Sign, before: &[u8], behind: &[u8]) -> bool {
    let is_of_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    match sign {
        Sign::Alone => true,
        Sign::Token(count) => {
            !before.last().is_some_and(is_of_token)
                && behind.iter().take(count).filter(|byte| is_of_token(byte)).count() == count
        }
        Sign::SecondPart => {
            let first = before.rsplit(|byte| !is_of_token(byte)).next().unwrap_or_default();
            let mut parts = behind.split(|byte| *byte == b'.');
            first.starts_with(b"eyJ")
                && parts.next().is_some_and(|part| part.iter().all(is_of_token))
                && parts.next().is_some()
        }
        Sign::Named => {
            let end = behind.iter().position(|byte| *byte == b'"').unwrap_or(0);
            let text = &behind[..end];
            let is_masked = text.iter().all(|byte| matches!(byte, b'*' | b'x' | b'X' | b'.'))
                || text.starts_with(HASH_PREFIX.as_bytes())
                || text.starts_with(b"[")
                || text.starts_with(b"<");
            !is_masked
        }
    }
}

/// Tells where the numbers of cards begin.
fn find_cards(bytes: &[u8], mut tell: impl FnMut(usize)) {
    let is_of_number = |byte: u8| byte.is_ascii_digit() || matches!(byte, b' ' | b'-');
    // A number covers one of every so many bytes, so the others need no look.
    let stride = *CARD_DIGITS.start();
    let mut at = stride - 1;
    while at < bytes.len() {
        if !is_of_number(bytes[at]) {
            at += stride;
            continue;
        }
        let mut start = at - bytes[..at].iter().rev().take_while(|byte| is_of_number(**byte)).count();
        let mut end = at + bytes[at..].iter().take_while(|byte| is_of_number(**byte)).count();
        at = end + stride - 1;
        while start < end && !bytes[start].is_ascii_digit() {
            start += 1;
        }
        while end > start && !bytes[end - 1].is_ascii_digit() {
            end -= 1;
        }
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+');
        let stands_alone =
            !bytes[..start].last().is_some_and(is_word) && !bytes[end..].first().is_some_and(is_word);
        if stands_alone && is_card(&bytes[start..end]) {
            tell(start);
        }
    }
}

/// Whether digits, with single blanks and dashes between them, are a card's number.
fn is_card(text: &[u8]) -> bool {
    let mut digits = [0_u8; 19];
    let mut count = 0;
    let mut separated = false;
    for byte in text {
        if byte.is_ascii_digit() {
            let Some(digit) = digits.get_mut(count) else { return false };
            *digit = byte - b'0';
            count += 1;
            separated = false;
        } else if std::mem::replace(&mut separated, true) {
            return false;
        }
    }
    if !CARD_DIGITS.contains(&count) {
        return false;
    }
    let digits = &digits[..count];
    let first = |n: usize| digits[..n].iter().fold(0_u32, |number, digit| number * 10 + u32::from(*digit));
    let is_issued = match (first(1), first(2), first(3), first(4)) {
        (4, ..) => matches!(count, 13 | 16 | 19),
        (_, 51..=55, ..) | (_, _, _, 2221..=2720) => count == 16,
        (_, 34 | 37, ..) => count == 15,
        (_, 36 | 38, ..) | (_, _, 300..=305, _) => count == 14,
        (_, 65, ..) | (_, _, 644..=649, _) | (_, _, _, 6011 | 3528..=3589) => count >= 16,
        _ => false,
    };
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            if place % 2 == 0 { digit } else { digit * 2 / 10 + digit * 2 % 10 }
        })
        .sum();
    is_issued && sum.is_multiple_of(10)
}

/// The pointer of the innermost value at a place of the text, or of that whose name is there, and where it ends.
fn pointer_at(event: Value<'_>, text: &[u8], at: usize) -> (String, usize) {
    let end_of =
        |value: Value<'_>| value.token().as_ptr() as usize - text.as_ptr() as usize + value.token().len();
    let mut pointer = String::new();
    let mut value = event;
    loop {
        match value.kind() {
            Kind::Object => {
                let Some((name, member)) = value.members().find(|(_, member)| end_of(*member) > at) else {
                    break;
                };
                push_segment(&mut pointer, name);
                value = member;
            }
            Kind::Array => {
                let Some((index, item)) = value.items().enumerate().find(|(_, item)| end_of(*item) > at)
                else {
                    break;
                };
                push_segment(&mut pointer, &index.to_string());
                value = item;
            }
            _ => break,
        }
    }
    (pointer, end_of(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(metadata: &str) -> Vec<(Suspect, String)> {
        let event = format!(r#"{{"action":"a","actor":{{"id":"u"}},"metadata":{metadata}}}"#);
        suspicions(event.as_bytes()).into_iter().map(|found| (found.suspect, found.pointer)).collect()
    }

    fn is_suspect(text: &str) -> bool {
        let metadata = serde_json::json!({"a": 1, "k": text, "z": [1]}).to_string();
        let found = found(&metadata);
        assert!(found.iter().all(|(_, pointer)| pointer == "/metadata/k"), "{found:?}");
        !found.is_empty()
    }

    /// Put together here: a whole one in a source is what scanners of sources look for.
    fn token(start: &str, count: usize) -> String {
        format!("{start}{}", "A1b2".chars().cycle().take(count).collect::<String>())
    }

    #[test]
    fn tokens_are_found_alone_and_in_sentences() {
        for (text, sign) in SIGNS {
            if let Sign::Token(count) = sign {
                let whole = token(text, count);
                assert!(is_suspect(&whole), "{whole}");
                assert!(is_suspect(&format!("Bearer {whole}, twice")), "{whole}");
                assert!(!is_suspect(&format!("x{whole}")), "{whole}: within a word");
                assert!(!is_suspect(&whole[..whole.len() - 1]), "{whole}: too short");
            }
        }
        assert!(is_suspect("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1In0.c2ln"));
        assert!(is_suspect(concat!("-----BEGIN EC ", "PRIVATE KEY-----\nMIG")));
        for harmless in
            ["", "usr_17", "the token page", "AKIA", "a.eyJ", "video.update", "annals_segments_total"]
        {
            assert!(!is_suspect(harmless), "{harmless}");
        }
    }

    #[test]
    fn members_named_for_secrets_are_found_unless_masked() {
        let pointers = |metadata: &str| found(metadata).into_iter().map(|(_, at)| at).collect::<Vec<_>>();
        assert_eq!(pointers(r#"{"a":{"password":"hunter2"}}"#), ["/metadata/a/password"]);
        assert_eq!(pointers(r#"{"list":[0,{"api_key":"k"}]}"#), ["/metadata/list/1/api_key"]);
        for masked in ["", "***", "xxxxxxxx", "[redacted]", "<hidden>", "hash:00ff"] {
            assert!(pointers(&serde_json::json!({"password": masked}).to_string()).is_empty(), "{masked}");
        }
        assert!(pointers(r#"{"password":true,"secret":null,"password_changed":"yes"}"#).is_empty());
    }

    #[test]
    fn card_numbers_are_found_however_they_are_written() {
        // Numbers that the issuers give out for tests.
        for number in [
            "4111111111111111",
            "4222222222222",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "3530111333300000",
            "30569309025904",
        ] {
            assert!(is_suspect(number), "{number}");
            assert!(!is_suspect(&format!("paid with {number}.x")), "{number}: within a word");
            assert!(is_suspect(&format!("paid with {number}, thanks")), "{number}");
            let next = number[..number.len() - 1].to_owned() + if number.ends_with('9') { "0" } else { "9" };
            assert!(!is_suspect(&next), "{next}: the check digit is wrong");
        }
        assert!(is_suspect("4111 1111 1111 1111"));
        assert!(is_suspect("4111-1111-1111-1111"));
        assert!(!is_suspect("4111  1111 1111 1111"), "two blanks");
        assert!(!is_suspect("1795303721456000"), "a time in µs");
        assert!(!is_suspect("0a4111111111111111"), "within a word");
        assert_eq!(found(r#"{"n":4111111111111111}"#), [(Suspect::Card, "/metadata/n".to_owned())]);
    }

    #[test]
    fn many_in_one_value_are_named_once() {
        let text = "PRIVATE KEY-----4111111111111111 ".repeat(3_000);
        let items: Vec<serde_json::Value> = (0..20_000).map(Into::into).chain([text.into()]).collect();
        let found = found(&serde_json::json!({"a": items, "z": token("ghp_", 36)}).to_string());
        let expected = [
            (Suspect::Secret, "/metadata/a/20000".to_owned()),
            (Suspect::Card, "/metadata/a/20000".to_owned()),
            (Suspect::Secret, "/metadata/z".to_owned()),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn many_are_bounded() {
        let many: serde_json::Map<_, _> =
            (0..50).map(|n| (format!("k{n:02}"), token("ghp_", 36).into())).collect();
        assert_eq!(found(&serde_json::Value::Object(many).to_string()).len(), SUSPICIONS_MAX);
    }
}
