//! What an ID token must be: signed by a key of the provider, meant for this client, for this sign-in, and of now.
//!
//! Sources: OpenID Connect Core 1.0, 3.1.3.7; RFC 7515 (signatures), RFC 7517 (keys), RFC 7518 (RS256, ES256), RFC 8037 (EdDSA).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::SUBJECT_BYTES_MAX;

/// By so much the provider's clock may differ from ours, seconds.
const LEEWAY_S: f64 = 60.0;

/// Longest token, bytes.
const TOKEN_BYTES_MAX: usize = 64 << 10;

/// Most keys that are tried on a token that does not name one.
const KEYS_TRIED_MAX: usize = 16;

/// A provider's keys (RFC 7517). What is no key that we know is left out.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug, Deserialize)]
struct Key {
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    use_for: Option<String>,
    #[serde(flatten)]
    public: Public,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kty")]
enum Public {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Elliptic { crv: String, x: String, y: String },
    #[serde(rename = "OKP")]
    Edwards { crv: String, x: String },
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// What must be understood: nothing that we know.
    crit: Option<Value>,
}

/// What a token is held against.
pub(super) struct Expected<'a> {
    pub(super) issuer: &'a str,
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a str,
    /// Seconds since 1970.
    pub(super) now_s: f64,
}

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No key that we know of could have signed it; the provider may have newer ones.
    UnknownKey,
    /// It is not what it should be.
    Wrong(&'static str),
}

impl Keys {
    /// The keys of a JWK set.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(bytes)?;
        Ok(Self(set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect()))
    }
}

/// The claims of a token that is what it should be.
pub(super) fn verify(
    token: &str,
    keys: &Keys,
    expected: &Expected<'_>,
) -> Result<Map<String, Value>, Refusal> {
    let wrong = Refusal::Wrong("it is no signed token");
    if token.len() > TOKEN_BYTES_MAX {
        return Err(wrong);
    }
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(wrong);
    };
    let signed = &token[..header.len() + 1 + claims.len()];
    let (Some(header), Some(claims), Some(signature)) =
        (decoded(header), decoded(claims), decoded(signature))
    else {
        return Err(wrong);
    };
    let header: Header = serde_json::from_slice(&header).map_err(|_| wrong)?;
    check_signature(&header, keys, signed.as_bytes(), &signature)?;
    let claims = serde_json::from_slice(&claims).map_err(|_| Refusal::Wrong("its claims are no object"))?;
    check_claims(&claims, expected)?;
    Ok(claims)
}

fn check_signature(header: &Header, keys: &Keys, signed: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    if header.crit.is_some() {
        return Err(Refusal::Wrong("it demands what is not known here"));
    }
    if !matches!(header.alg.as_str(), "RS256" | "ES256" | "EdDSA") {
        return Err(Refusal::Wrong("it is signed by none of RS256, ES256 and EdDSA"));
    }
    let mut fitting = keys.0.iter().filter(|key| key.fits(header)).take(KEYS_TRIED_MAX).peekable();
    if fitting.peek().is_none() {
        return Err(Refusal::UnknownKey);
    }
    if fitting.any(|key| key.has_signed(signed, signature)) {
        return Ok(());
    }
    Err(Refusal::Wrong("its signature does not match"))
}

impl Key {
    /// Whether a token with this header may be signed by it. The algorithm follows from the key: a token cannot choose another.
    fn fits(&self, header: &Header) -> bool {
        let algorithm = match &self.public {
            Public::Rsa { .. } => "RS256",
            Public::Elliptic { crv, .. } if crv == "P-256" => "ES256",
            Public::Edwards { crv, .. } if crv == "Ed25519" => "EdDSA",
            _ => return false,
        };
        header.alg == algorithm
            && self.alg.as_deref().is_none_or(|own| own == algorithm)
            && self.use_for.as_deref().is_none_or(|use_for| use_for == "sig")
            && (header.kid.is_none() || header.kid == self.kid)
    }

    fn has_signed(&self, signed: &[u8], signature: &[u8]) -> bool {
        let checked = match &self.public {
            Public::Rsa { n, e } => {
                let (Some(n), Some(e)) = (decoded(n), decoded(e)) else { return false };
                let key = RsaPublicKeyComponents { n: trimmed(&n), e: trimmed(&e) };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            }
            Public::Elliptic { x, y, .. } => {
                let (Some(x), Some(y)) = (decoded(x), decoded(y)) else { return false };
                // An uncompressed point: 4, x, y.
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature)
            }
            Public::Edwards { x, .. } => {
                let Some(x) = decoded(x) else { return false };
                UnparsedPublicKey::new(&ED25519, x).verify(signed, signature)
            }
        };
        checked.is_ok()
    }
}

/// A number without the zeros that some write before it.
fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

fn check_claims(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), Refusal> {
    let wrong = |why| Err(Refusal::Wrong(why));
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_f64);
    if text("iss") != Some(expected.issuer) {
        return wrong("another issuer made it (`iss`)");
    }
    let (is_meant, others) = match claims.get("aud") {
        Some(Value::String(audience)) => (audience == expected.client_id, false),
        Some(Value::Array(list)) => (list.iter().any(|one| one == expected.client_id), list.len() > 1),
        _ => (false, false),
    };
    if !is_meant {
        return wrong("it is meant for another client (`aud`)");
    }
    if claims.contains_key("azp") || others {
        // Who else it is meant for could have sent it on.
        if text("azp") != Some(expected.client_id) {
            return wrong("it was given to another client (`azp`)");
        }
    }
    if !time("exp").is_some_and(|exp| expected.now_s < exp + LEEWAY_S) {
        return wrong("it has expired (`exp`)");
    }
    if !time("iat").is_some_and(|iat| iat <= expected.now_s + LEEWAY_S) {
        return wrong("it is of the future (`iat`)");
    }
    if claims.contains_key("nbf") && !time("nbf").is_some_and(|nbf| nbf <= expected.now_s + LEEWAY_S) {
        return wrong("it is not valid yet (`nbf`)");
    }
    if text("nonce") != Some(expected.nonce) {
        return wrong("it answers another sign-in (`nonce`)");
    }
    let is_name = |subject: &str| {
        (1..=SUBJECT_BYTES_MAX).contains(&subject.len()) && !subject.chars().any(char::is_control)
    };
    if !text("sub").is_some_and(is_name) {
        return wrong("it does not say who signed in (`sub`)");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
