use alloc::string::ToString as _;
use alloc::vec;

use super::*;

#[test]
fn stack_and_streaming_hashes_agree_at_every_length() {
    for length in 0..600 {
        let message = vec![0x5a; length];
        let mut whole = vec![0x07];
        whole.extend_from_slice(&message);
        let (left, right) = message.split_at(length / 3);
        assert_eq!(tagged(0x07, &[left, right]), sha256(&whole), "length {length}");
        let whole = [&[1, 2, 3], left, right].concat();
        assert_eq!(headed(&[1, 2, 3], left, right), sha256(&whole), "length {length}");
    }
}

#[test]
fn node_hash_is_the_hash_of_tag_left_right() {
    let (left, right) = (leaf_hash(b"left"), leaf_hash(b"right"));
    assert_eq!(node_hash(&left, &right), tagged(0x01, &[&left.0, &right.0]));
}

#[test]
fn published_hashes_come_out() {
    // RFC 6962 test values of the certificate-transparency repository.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let empty_leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
    assert_eq!(empty_root().to_string(), empty);
    assert_eq!(leaf_hash(b"").to_string(), empty_leaf);
}

#[test]
fn hexadecimal_and_base64_read_back() {
    let hash = leaf_hash(b"x");
    let text = hash.to_string();
    assert_eq!(text.parse(), Ok(hash));
    assert_eq!(text.to_uppercase().parse(), Ok(hash));
    assert_eq!(Hash::from_base64(&hash.to_base64()), Ok(hash));
}

#[test]
fn text_of_another_form_is_no_hash() {
    let text = leaf_hash(b"x").to_string();
    for wrong in [
        "",
        "00",
        &text[1..],
        &(text.clone() + "0"),
        &text.replace(&text[..1], "g"),
        &text.replace(&text[..1], "é"),
    ] {
        assert_eq!(wrong.parse::<Hash>(), Err(ParseHashError), "{wrong}");
    }
    let base64 = leaf_hash(b"x").to_base64();
    for wrong in ["", &base64[..43], &(base64.clone() + "="), &base64.replace('=', "\n")] {
        assert_eq!(Hash::from_base64(wrong), Err(ParseHashError), "{wrong}");
    }
}
