//! Reading the values at a path straight from an event's canonical bytes, without parsing what stands beside them.
//!
//! Canonical bytes have no white space, write each name in one way and sort members, so a name is found by comparing bytes, what
//! is not asked for is passed over, and behind the place where a name would stand it is not looked for.

use super::Path;
use super::names::json_text;
use crate::json::plain_run_end;

/// Arrays in arrays that are looked into: more than any event has, so that bytes that are no event end.
const DEPTH_MAX: usize = 1 << 10;

/// A path made ready for many events.
#[derive(Clone, Debug)]
pub struct Walker {
    /// Each name as it stands in canonical bytes: in quotes, with its colon.
    names: Box<[Box<[u8]>]>,
}

impl Walker {
    /// Makes a path ready.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let token = |name: &str| format!("{}:", json_text(name)).into_bytes().into_boxed_slice();
        Self { names: path.names().map(token).collect() }
    }

    /// Shows the bytes of each value that [`Path::each`] shows, in the same order. Of bytes that are no event it shows anything.
    pub fn each<'a>(&self, canonical: &'a [u8], see: &mut impl FnMut(&'a [u8])) {
        // That it ends early is how it says that nothing more follows.
        let _end = walk(canonical, 0, &self.names, false, 0, see);
    }
}

/// Shows what is so many names below the value at `at`, and gives where that value ends. Where nothing `follows` that is of use it
/// may end with none before.
fn walk<'a>(
    bytes: &'a [u8],
    at: usize,
    names: &[Box<[u8]>],
    follows: bool,
    depth: usize,
    see: &mut impl FnMut(&'a [u8]),
) -> Option<usize> {
    match (bytes.get(at)?, names) {
        (b'[', _) if depth == DEPTH_MAX => None,
        (b'[', _) if bytes.get(at + 1) == Some(&b']') => Some(at + 2),
        (b'[', _) => {
            let mut at = at;
            loop {
                at = walk(bytes, at + 1, names, true, depth + 1, see)?;
                if *bytes.get(at)? != b',' {
                    return Some(at + 1);
                }
            }
        }
        (_, []) => {
            let end = skip(bytes, at)?;
            see(&bytes[at..end]);
            Some(end)
        }
        (b'{', [name, below @ ..]) => {
            let mut at = at + 1;
            while *bytes.get(at)? == b'"' {
                let rest = &bytes[at..];
                if rest.starts_with(name) {
                    let end = walk(bytes, at + name.len(), below, follows, depth, see)?;
                    return follows.then(|| skip_open(bytes, end, 1)).flatten();
                }
                if comes_after(rest, name) {
                    return follows.then(|| skip_open(bytes, at, 1)).flatten();
                }
                // Behind the name and its colon, then behind the value.
                at = skip(bytes, skip_string(bytes, at)? + 1)?;
                if *bytes.get(at)? == b',' {
                    at += 1;
                }
            }
            Some(at + 1)
        }
        _ => skip(bytes, at),
    }
}

/// Whether a member's name is certainly behind another in the order of members: where the first bytes that differ are plain.
fn comes_after(found: &[u8], name: &[u8]) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut both = found.iter().zip(name);
    both.find(|(found, name)| found != name)
        .is_some_and(|(found, name)| plain(*found) && plain(*name) && found > name)
}

/// Behind the value at `at`.
fn skip(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => skip_string(bytes, at),
        b'{' | b'[' => skip_open(bytes, at + 1, 1),
        _ => {
            let rest = &bytes[at..];
            let end = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b']'));
            Some(at + end.unwrap_or(rest.len()))
        }
    }
}

/// Behind the string at `at`.
fn skip_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        at = plain_run_end(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Behind the end of so many objects and arrays that are open at `at`.
fn skip_open(bytes: &[u8], mut at: usize, mut open: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => {
                at = skip_string(bytes, at)?;
                continue;
            }
            b'{' | b'[' => open += 1,
            b'}' | b']' => open -= 1,
            _ => {}
        }
        at += 1;
        if open == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;
    use crate::json::{Document, Limits};

    const LIMITS: Limits = Limits { depth_max: 1 << 10 };

    /// Names that begin alike, that have escapes, and that sort otherwise as bytes than as members.
    const NAMES: &[&str] =
        &["a", "aa", "a\"", "a\\", "a b", "a\u{1}", "b", "B", "_", "é", "\u{ff61}", "\u{1f600}", "", "n"];

    fn name() -> impl Strategy<Value = String> {
        prop::sample::select(NAMES).prop_map(str::to_owned)
    }

    fn event() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            prop::sample::select(vec!["", "x", "}", "]", "a\":1", "\\", "\"", "é,{"]).prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((name(), inner), 0..6)
                    .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    fn shown(path: &Path, canonical: &[u8]) -> Vec<String> {
        let mut shown = Vec::new();
        Walker::new(path)
            .each(canonical, &mut |token| shown.push(String::from_utf8(token.to_vec()).unwrap()));
        shown
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn values_are_those_that_the_path_shows(
            event in event(),
            names in prop::collection::vec(name(), 1..4),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let path = Path::new(&names);
            let sent = serde_json::to_vec(&event).unwrap();
            let (mut document, mut canonical) = (Document::default(), Vec::new());
            document.parse(&sent, LIMITS).unwrap().write_canonical(&mut canonical);
            let mut expected = Vec::new();
            let root = document.parse(&canonical, LIMITS).unwrap();
            path.each(root, &mut |value| expected.push(value.token().to_owned()));
            prop_assert_eq!(shown(&path, &canonical), expected);
        }

        #[test]
        fn bytes_that_are_no_event_do_not_panic(
            bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\ab1\xc3"[..]), 0..40),
        ) {
            Walker::new(&Path::new(&["a", "b"])).each(&bytes, &mut |_| {});
        }
    }

    #[test]
    fn what_is_nested_too_deeply_ends() {
        let nested = "[".repeat(1 << 20);
        assert_eq!(shown(&Path::new(&["a"]), nested.as_bytes()), Vec::<String>::new());
    }
}
