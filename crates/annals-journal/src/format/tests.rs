use super::*;

const ID: JournalId = JournalId(*b"0123456789abcdef");

#[test]
fn a_file_header_has_the_documented_bytes() {
    let bytes = FileHeader { id: ID, first: Place(0x0102_0304) }.encode();
    assert_eq!(
        &bytes[..40],
        b"annals-journal\0\x01\
                               0123456789abcdef\
                               \0\0\0\0\x01\x02\x03\x04"
    );
    assert!(bytes[40..508].iter().all(|byte| *byte == 0));
    let checksum = crc32c::crc32c(&[&ID.0[..], &bytes[..508]].concat());
    assert_eq!(bytes[508..], checksum.to_be_bytes());
}

#[test]
fn a_frame_has_the_documented_bytes() {
    let mut bytes = Vec::new();
    push_frame(&mut bytes, ID, Place(0x0a0b), Place(0x0a09), b"payload");
    let payload_checksum = crc32c::crc32c(b"0123456789abcdefpayload").to_be_bytes();
    let covered =
        [&[0, 0, 0, 7][..], &[0, 0, 0, 0, 0, 0, 10, 11], &[0, 0, 0, 0, 0, 0, 10, 9], &payload_checksum]
            .concat();
    let checksum = crc32c::crc32c(&[&ID.0[..], &covered].concat()).to_be_bytes();
    assert_eq!(bytes, [&covered[..4], &checksum, &covered[4..], b"payload"].concat());
}

#[test]
fn known_bytes_stay_as_they_are() {
    // Taken from version 1 when it was made; a change here is a change of the format.
    let mut bytes = Vec::new();
    push_frame(&mut bytes, ID, Place(1), Place(0), b"x");
    assert_eq!(
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        "0000000152b312060000000000000001000000000000000097aecfb278"
    );
    let header = FileHeader { id: ID, first: Place(7) }.encode();
    assert_eq!(header[508..].iter().map(|byte| format!("{byte:02x}")).collect::<String>(), "b23a7453");
}

#[test]
fn headers_read_back() {
    let header = FileHeader { id: ID, first: Place(u64::MAX) };
    assert_eq!(FileHeader::parse(&header.encode()), ParsedFileHeader::Header(header));
    assert_eq!(FileHeader::parse(&header.encode()[..511]), ParsedFileHeader::Invalid);
    let frame = FrameHeader::for_payload(ID, Place(9), Place(8), b"abc");
    assert_eq!(FrameHeader::parse(ID, &frame.encode(ID)), Ok(frame));
    assert!(frame.fits(ID, b"abc") && !frame.fits(ID, b"abd") && !frame.fits(ID, b"abcd"));
}

#[test]
fn a_frame_of_another_journal_is_none() {
    let other = JournalId([0; 16]);
    let bytes = FrameHeader::for_payload(other, Place(9), Place(8), b"abc").encode(other);
    assert_eq!(FrameHeader::parse(ID, &bytes), Err(Flaw::FrameHeader));
}

#[test]
fn a_length_of_nothing_or_beyond_the_limit_is_no_frame() {
    for (bytes, is_frame) in
        [(0, false), (1, true), (32 << 20, true), ((32 << 20) + 1, false), (u32::MAX, false)]
    {
        let header = FrameHeader { bytes, place: Place(0), group: Place(0), payload_checksum: 0 };
        assert_eq!(FrameHeader::parse(ID, &header.encode(ID)).is_ok(), is_frame, "{bytes}");
    }
}

#[test]
fn one_place_has_one_file_name() {
    assert_eq!(file_name(Place(0xab)), "00000000000000ab.journal");
    assert_eq!(parse_file_name("00000000000000ab.journal"), FileName::Journal(Place(0xab)));
    for name in
        ["00000000000000AB.journal", "ab.journal", "+0000000000000ab.journal", ".journal", "x.journal"]
    {
        assert_eq!(parse_file_name(name), FileName::Wrong, "{name}");
    }
    for name in ["lock", "00000000000000ab", "00000000000000ab.journal.bak", ""] {
        assert_eq!(parse_file_name(name), FileName::Other, "{name}");
    }
}
