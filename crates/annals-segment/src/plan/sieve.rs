//! Which values of a page a test may let pass: those it is worth to hold against the test itself.
//!
//! A needle is looked for in all values of a page at once, as they stand in the file: a text that has it has it escaped in its
//! value. Without case, this is done on the page in lower case of ASCII, and each value with other letters is let through.

use annals_event::filter::{Phrase, Test};
use memchr::memmem::Finder;

use super::resolve::escaped;
use crate::values::PageOf;

/// See the module.
pub(super) enum Sieve {
    /// Every value.
    Open,
    /// Values that have this, with or without case.
    Has { needle: Box<Finder<'static>>, folded: bool },
    /// Addresses that begin so, and all that have a colon.
    Begins(Vec<String>),
}

impl Sieve {
    /// For values that are texts without gaps.
    pub(super) fn of_test(test: &Test) -> Self {
        match test {
            Test::Text { text, folded, .. } if !text.is_empty() && (!folded || text.is_ascii()) => {
                Self::has(text, *folded)
            }
            Test::Network(networks) => {
                // An address of version 4 in a network of 8 bits and more begins with the first of its numbers.
                let begins = networks.iter().map(|network| {
                    let text = network.to_string();
                    let (address, bits) = text.split_once('/')?;
                    let first = address.split_once('.')?.0;
                    (bits.parse::<u8>().ok()? >= 8).then(|| format!("{first}."))
                });
                begins.collect::<Option<Vec<String>>>().map_or(Self::Open, Self::Begins)
            }
            _ => Self::Open,
        }
    }

    /// For values that have a phrase.
    pub(super) fn of_words(phrase: &Phrase) -> Self {
        // The longest is the rarest, mostly.
        match phrase.words().max_by_key(|word| word.len()) {
            Some(word) if word.is_ascii() => Self::has(word, true),
            _ => Self::Open,
        }
    }

    fn has(text: &str, folded: bool) -> Self {
        let mut needle = escaped(text);
        if folded {
            needle.make_ascii_lowercase();
        }
        Self::Has { needle: Box::new(Finder::new(&needle).into_owned()), folded }
    }

    /// The places of values in a page that may pass, rising. `lower` is working memory.
    pub(super) fn pick(&self, page: &PageOf, lower: &mut Vec<u8>, picked: &mut Vec<usize>) {
        picked.clear();
        let ends = page.ends();
        match self {
            Self::Open => picked.extend(0..ends.len()),
            Self::Begins(begins) => picked.extend((0..ends.len()).filter(|at| {
                let value = page.get(*at);
                begins.iter().any(|begin| value.starts_with(begin.as_bytes())) || value.contains(&b':')
            })),
            Self::Has { needle, folded } => {
                let mut bytes = page.bytes();
                if *folded {
                    if !bytes.is_ascii() {
                        picked.extend((0..ends.len()).filter(|at| !page.get(*at).is_ascii()));
                    }
                    lower.clear();
                    lower.extend_from_slice(bytes);
                    lower.make_ascii_lowercase();
                    bytes = lower;
                }
                let mut from = 0;
                while let Some(found) = needle.find(&bytes[from..]) {
                    let start = from + found;
                    let at = ends.partition_point(|end| *end <= start);
                    let end = ends.get(at).copied().unwrap_or(bytes.len());
                    if start + needle.needle().len() <= end {
                        picked.push(at);
                        from = end;
                    } else {
                        // It reaches into the next value.
                        from = start + 1;
                    }
                }
                picked.sort_unstable();
                picked.dedup();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use annals_event::filter::{Part, Scalar, parse_words};
    use annals_event::json::unescape;

    use super::*;

    const VALUES: &[&str] = &[
        "",
        "drift",
        "Drift",
        "dr",
        "ift",
        "adrifting b",
        "\u{212a}elvin",
        "kelvin",
        "STRASSE",
        "straße",
        "a\\nb",
        "say \\\"drift\\\"",
        "dri",
        "ft",
        "100.64.0.1",
        "::ffff:100.64.0.1",
        "10.64.0.1",
        "1100.64.0.1",
        "2001:db8::1",
        "v_17 drift",
    ];

    fn page() -> PageOf {
        let mut page = PageOf::default();
        VALUES.iter().for_each(|value| page.push(value.as_bytes()));
        page
    }

    fn picked(sieve: &Sieve) -> Vec<usize> {
        let (mut lower, mut picked) = (Vec::new(), vec![7]);
        sieve.pick(&page(), &mut lower, &mut picked);
        picked
    }

    fn passing(passes: impl Fn(&str) -> bool) -> Vec<usize> {
        (0..VALUES.len()).filter(|at| passes(&unescape(VALUES[*at]))).collect()
    }

    #[test]
    fn a_sieve_holds_back_nothing_that_passes() {
        for text in ["drift", "DRIFT", "k", "kelvin", "strasse", "ss", "a\nb", "\"", "64.0", "f", "b"] {
            for part in [Part::Whole, Part::Start, Part::End, Part::Anywhere] {
                for folded in [false, true] {
                    let text = if folded { text.to_lowercase() } else { text.to_owned() };
                    let test = Test::Text { part, text: text.into(), folded };
                    let expected = passing(|value| test.passes(&Scalar::Text(value)));
                    let picked = picked(&Sieve::of_test(&test));
                    assert!(
                        expected.iter().all(|at| picked.contains(at)),
                        "{test:?} {picked:?} {expected:?}"
                    );
                    assert!(picked.windows(2).all(|two| two[0] < two[1]), "{test:?} {picked:?}");
                }
            }
        }
        for networks in
            [&["100.64.0.0/10"][..], &["100.64.0.0/10", "10.0.0.0/8"], &["96.0.0.0/4"], &["2001:db8::/32"]]
        {
            let test = Test::Network(networks.iter().map(|network| network.parse().unwrap()).collect());
            let expected = passing(|value| test.passes(&Scalar::Text(value)));
            let picked = picked(&Sieve::of_test(&test));
            assert!(!expected.is_empty(), "{networks:?}");
            assert!(expected.iter().all(|at| picked.contains(at)), "{networks:?} {picked:?} {expected:?}");
        }
        for words in ["drift", "\"v 17\"", "kelvin", "straße", "64 drift"] {
            for phrase in parse_words(words).unwrap() {
                let expected = passing(|value| phrase.occurs_in(value));
                let picked = picked(&Sieve::of_words(&phrase));
                assert!(expected.iter().all(|at| picked.contains(at)), "{words} {picked:?} {expected:?}");
            }
        }
    }

    #[test]
    fn a_needle_is_not_found_across_two_values() {
        let has = Sieve::of_test(&Test::Text { part: Part::Anywhere, text: "drift".into(), folded: false });
        let expected: Vec<usize> = (0..VALUES.len()).filter(|at| VALUES[*at].contains("drift")).collect();
        assert_eq!(picked(&has), expected);
    }
}
