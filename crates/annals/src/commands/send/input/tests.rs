use std::io::Cursor;

use super::*;

const TEXT: &[u8] = b"{\"a\":1}\n{\"a\":2}\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// As a file, which can be read again, and as a pipe.
fn both(bytes: &[u8]) -> [Result<Input, Failure>; 2] {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    let raws = [Raw::Again(file), Raw::Once(Box::new(Cursor::new(bytes.to_vec())))];
    raws.map(|raw| Input::new("events".to_owned(), raw, Arc::default()))
}

fn rest(input: &mut Input) -> Result<Vec<u8>, Failure> {
    let (mut all, mut piece) = (Vec::new(), [0; 7]);
    loop {
        let piece = input.read(&mut piece)?;
        if piece.is_empty() {
            return Ok(all);
        }
        all.extend_from_slice(piece);
    }
}

#[test]
fn compression_is_told_by_the_content_and_may_be_in_several_parts() {
    let zstd = zstd::bulk::compress(TEXT, 1).unwrap();
    let (first, second) = TEXT.split_at(9);
    for bytes in [TEXT.to_vec(), gzip(TEXT), zstd, [gzip(first), gzip(second)].concat()] {
        for input in both(&bytes) {
            assert_eq!(rest(&mut input.unwrap()).unwrap(), TEXT);
        }
    }
    for input in both(b"") {
        assert_eq!(rest(&mut input.unwrap()).unwrap(), b"");
    }
}

#[test]
fn a_survey_hashes_the_whole_and_comes_back_to_where_it_was() {
    let expected: [u8; 32] = Sha256::digest(TEXT).into();
    for bytes in [TEXT.to_vec(), gzip(TEXT), zstd::bulk::compress(TEXT, 1).unwrap()] {
        for begun in [0, 3, TEXT.len()] {
            for input in both(&bytes) {
                let mut input = input.unwrap();
                let mut splitter = Splitter::default();
                let mut piece = vec![0; begun];
                let piece = if begun == 0 { &[] } else { input.read(&mut piece).unwrap() };
                splitter.push(piece, &mut Vec::new()).unwrap();
                assert_eq!(input.survey(&splitter), Ok(expected));
                assert_eq!([piece, &rest(&mut input).unwrap()].concat(), TEXT);
            }
        }
    }
}

#[test]
fn a_survey_finds_what_breaks_off() {
    let message = |bytes: &[u8]| {
        both(bytes).map(|input| {
            let mut input = input.unwrap();
            let mut splitter = Splitter::default();
            let mut piece = [0; 2];
            let begun = input.read(&mut piece).and_then(|piece| {
                splitter.push(piece, &mut Vec::new()).map_err(|broken| input.broken(&broken))
            });
            begun.and_then(|()| input.survey(&splitter)).map_err(|failure| failure.exit)
        })
    };
    assert_eq!(message(b"[{},{}"), [Err(Exit::Invalid), Err(Exit::Invalid)]);
    let cut = |bytes: Vec<u8>| bytes[..bytes.len() - 9].to_vec();
    assert_eq!(message(&cut(gzip(TEXT))), [Err(Exit::Invalid), Err(Exit::Invalid)]);
    let zstd = zstd::bulk::compress(&TEXT.repeat(100), 1).unwrap();
    assert_eq!(message(&cut(zstd)), [Err(Exit::Invalid), Err(Exit::Invalid)]);
}

#[test]
fn other_compressions_are_named_with_a_way_out() {
    for input in both(b"\xFD7zXZ\0....") {
        let failure = input.err().unwrap();
        assert_eq!(failure.exit, Exit::Invalid);
        assert_eq!(failure.hint.as_deref(), Some("decompress it on the way: `xz -dc FILE | annals send -`"));
    }
}
