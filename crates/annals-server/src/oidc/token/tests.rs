use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A provider with a key of each kind that we can make.
struct Provider {
    elliptic: EcdsaKeyPair,
    edwards: Ed25519KeyPair,
}

impl Provider {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let elliptic =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key.as_ref(), &random).unwrap();
        let key = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        Self { elliptic, edwards: Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap() }
    }

    fn keys(&self) -> Value {
        let point = self.elliptic.public_key().as_ref();
        json!({"keys": [
            {"kty": "EC", "crv": "P-256", "kid": "e1", "use": "sig", "x": encoded(&point[1..33]), "y": encoded(&point[33..])},
            {"kty": "OKP", "crv": "Ed25519", "kid": "o1", "alg": "EdDSA", "x": encoded(self.edwards.public_key())},
            {"kty": "oct", "kid": "s1", "k": "AAAA"},
            {"kty": "EC", "crv": "P-521", "kid": "e2", "x": "", "y": ""},
            "nonsense",
        ]})
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = match header["alg"].as_str() {
            Some("EdDSA") => self.edwards.sign(signed.as_bytes()).as_ref().to_vec(),
            _ => self.elliptic.sign(&SystemRandom::new(), signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", encoded(signature))
    }
}

const NOW_S: f64 = 1_800_000_000.0;

fn expected() -> Expected<'static> {
    Expected { issuer: "https://id.example", client_id: "annals", nonce: "n-1", now_s: NOW_S }
}

fn claims() -> Value {
    json!({"iss": "https://id.example", "aud": "annals", "sub": "u1", "nonce": "n-1", "exp": 1_800_000_300, "iat": 1_800_000_000, "groups": ["a"]})
}

fn keys(keys: &Value) -> Keys {
    Keys::read(keys.to_string().as_bytes()).unwrap()
}

#[test]
fn a_token_is_taken_when_everything_is_as_expected() {
    let provider = Provider::new();
    let known = keys(&provider.keys());
    for header in [
        json!({"alg": "ES256", "kid": "e1"}),
        json!({"alg": "ES256", "typ": "JWT"}),
        json!({"alg": "EdDSA", "kid": "o1"}),
    ] {
        let taken = verify(&provider.sign(&header, &claims()), &known, &expected());
        assert_eq!(taken.unwrap()["sub"], "u1", "{header}");
    }
}

#[test]
fn a_token_with_anything_wrong_is_refused() {
    let provider = Provider::new();
    let known = keys(&provider.keys());
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    for (claims, why) in [
        (with("iss", json!("https://id.example/")), "`iss`"),
        (with("iss", json!(["https://id.example"])), "`iss`"),
        (without("iss"), "`iss`"),
        (with("aud", json!("other")), "`aud`"),
        (with("aud", json!(["other"])), "`aud`"),
        (with("aud", json!([])), "`aud`"),
        (without("aud"), "`aud`"),
        (with("aud", json!(["annals", "other"])), "`azp`"),
        (with("azp", json!("other")), "`azp`"),
        (with("azp", json!(null)), "`azp`"),
        (with("exp", json!(1_799_999_940)), "`exp`"),
        (with("exp", json!("1900000000")), "`exp`"),
        (without("exp"), "`exp`"),
        (with("iat", json!(1_800_000_061)), "`iat`"),
        (without("iat"), "`iat`"),
        (with("nbf", json!(1_800_000_061)), "`nbf`"),
        (with("nbf", json!("soon")), "`nbf`"),
        (with("nonce", json!("n-2")), "`nonce`"),
        (without("nonce"), "`nonce`"),
        (with("sub", json!("")), "`sub`"),
        (with("sub", json!("x".repeat(256))), "`sub`"),
        (with("sub", json!("a\nb")), "`sub`"),
        (without("sub"), "`sub`"),
        (json!(["no", "object"]), "no object"),
    ] {
        let refused =
            verify(&provider.sign(&json!({"alg": "ES256", "kid": "e1"}), &claims), &known, &expected());
        match refused {
            Err(Refusal::Wrong(said)) => assert!(said.contains(why), "{claims}: {said}"),
            other => panic!("{claims}: {other:?}"),
        }
    }
    for good in [
        with("aud", json!(["annals"])),
        with("exp", json!(1_799_999_941)),
        with("exp", json!(1_800_000_000.5)),
        with("iat", json!(1_800_000_060)),
        with("azp", json!("annals")),
    ] {
        assert!(
            verify(&provider.sign(&json!({"alg": "ES256"}), &good), &known, &expected()).is_ok(),
            "{good}"
        );
    }
}

#[test]
fn no_other_signature_counts() {
    let provider = Provider::new();
    let known = keys(&provider.keys());
    let sign = |header: Value| provider.sign(&header, &claims());
    let unknown = [
        json!({"alg": "ES256", "kid": "e9"}),
        json!({"alg": "RS256"}),
        json!({"alg": "EdDSA", "kid": "e1"}),
        json!({"alg": "RS256", "kid": "e1"}),
    ];
    for header in unknown {
        assert_eq!(verify(&sign(header.clone()), &known, &expected()), Err(Refusal::UnknownKey), "{header}");
    }
    let wrong = [
        json!({"alg": "none"}),
        json!({"alg": "None", "kid": "e1"}),
        // The public key as a shared secret.
        json!({"alg": "HS256", "kid": "s1"}),
        json!({"alg": "ES256", "kid": "e1", "crit": ["exp"]}),
        json!({"kid": "e1"}),
        json!("ES256"),
    ];
    for header in wrong {
        let refused = verify(&sign(header.clone()), &known, &expected());
        assert!(matches!(refused, Err(Refusal::Wrong(_))), "{header}: {refused:?}");
    }
    let good = sign(json!({"alg": "ES256", "kid": "e1"}));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = encoded(json!({"iss": "https://id.example", "aud": "annals", "sub": "root", "nonce": "n-1", "exp": 1_900_000_000, "iat": 1}).to_string());
    let stranger = Provider::new().sign(&json!({"alg": "ES256", "kid": "e1"}), &claims());
    for forged in [
        format!("{header}.{other}.{signature}"),
        format!("{signed}."),
        signed.to_owned(),
        format!("{good}.x"),
        format!("{signed}.{}", encoded([0; 64])),
        format!("{signed}={signature}"),
        stranger,
        String::new(),
        "x".repeat(TOKEN_BYTES_MAX + 1),
    ] {
        let refused = verify(&forged, &known, &expected());
        assert!(matches!(refused, Err(Refusal::Wrong(_))), "{forged}: {refused:?}");
    }
    assert_eq!(verify(&good, &Keys::default(), &expected()), Err(Refusal::UnknownKey));
}

#[test]
fn a_key_that_is_for_something_else_signs_nothing() {
    let provider = Provider::new();
    for (name, value) in
        [("use", "enc"), ("alg", "ES384"), ("crv", "P-384"), ("kty", "OKP"), ("kid", "other")]
    {
        let mut set = provider.keys();
        set["keys"][0][name] = json!(value);
        let token = provider.sign(&json!({"alg": "ES256", "kid": "e1"}), &claims());
        assert_eq!(verify(&token, &keys(&set), &expected()), Err(Refusal::UnknownKey), "{name}");
    }
}

/// RFC 7515, A.2: an RSA key, and what it signed.
#[test]
fn what_others_signed_with_rsa_is_taken_and_a_changed_byte_is_not() {
    let set = json!({"keys": [{"kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}]});
    let signed = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let header: Header = serde_json::from_value(json!({"alg": "RS256"})).unwrap();
    let signature = decoded(signature).unwrap();
    let known = keys(&set);
    assert_eq!(check_signature(&header, &known, signed.as_bytes(), &signature), Ok(()));
    for at in [0, signature.len() / 2, signature.len() - 1] {
        let mut changed = signature.clone();
        changed[at] ^= 1;
        assert!(check_signature(&header, &known, signed.as_bytes(), &changed).is_err(), "{at}");
    }
    assert!(check_signature(&header, &known, &signed.as_bytes()[1..], &signature).is_err());
    // Its claims are another time's and another client's.
    let token = format!("{signed}.{}", encoded(&signature));
    assert!(matches!(verify(&token, &known, &expected()), Err(Refusal::Wrong(why)) if why.contains("`iss`")));
}

#[test]
fn a_number_may_begin_with_zeros() {
    assert_eq!((trimmed(&[0, 0, 1, 0]), trimmed(&[0]), trimmed(&[5])), (&[1, 0][..], &[][..], &[5][..]));
}
