//! Texts that name other texts of the same event: a description, a path.
//!
//! Such a text is kept as what is left of it: where it holds the value of another column of the same event, a byte below 0x20
//! stands, which escaped JSON cannot hold, and says which column ([`Column::refs`](crate::meta::Column::refs)). Few sentences
//! are left then, where each text was another one. Only a whole value between separators is taken out, so that the words of
//! the text are those of what is left and those of the values; where that is not so, the text stays as it is.

use std::collections::{BTreeMap, BTreeSet};

use super::Rows;
use crate::skeleton::{Part, Path, Piece, Shape, SlotKind, TakeApart};

/// Columns of the root that may be kept so. None of them may stand in another, so that a value never has to be put together
/// more than once; which they are is fixed, so that this holds in merged segments too.
pub(crate) const TEMPLATES: [&[&str]; 3] = [&["description"], &["reason"], &["request", "path"]];

/// Most columns whose values are taken out of one. Escaped JSON has 32 free bytes; merging may need twice as many as building.
pub(crate) const REFS_MAX: usize = 8;

/// Events that are looked at to decide which columns these are.
const SAMPLES: usize = 256;

/// Shorter values are not looked for.
const VALUE_BYTES_MIN: usize = 3;

/// Columns whose values are looked for at most.
const CANDIDATES_MAX: usize = 64;

/// A column whose values may stand in others: of the root, or of the first instance in a table under it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Source {
    /// The table's path, and whether it has elements of an array; none for the root.
    pub(crate) table: Option<(Path, bool)>,
    /// The column's own path.
    pub(crate) path: Path,
}

/// What is taken out of one column.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    /// The column.
    pub(crate) path: Path,
    /// What is taken out of it, the first one first: numbers of [`Templates::sources`].
    pub(crate) sources: Vec<usize>,
}

/// What is taken out of which columns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Templates {
    /// All columns whose values are taken out of others.
    pub(crate) sources: Vec<Source>,
    /// The columns they are taken out of.
    pub(crate) columns: Vec<Template>,
}

/// Texts of one event.
type Texts<'e> = BTreeMap<Source, &'e [u8]>;

impl Templates {
    /// Looks at some of the rows.
    pub(crate) fn learn(rows: &dyn Rows) -> Self {
        let counts: Vec<usize> = (0..rows.logs()).map(|log| rows.count(log)).collect();
        let all: usize = counts.iter().sum();
        let step = all.div_ceil(SAMPLES).max(1);
        let mut taken = TakeApart::default();
        let mut samples = Vec::new();
        let mut skip = step / 2;
        for (log, count) in counts.iter().enumerate() {
            while skip < *count {
                samples.extend(texts(rows.row(log, skip).event, &mut taken));
                skip += step;
            }
            skip -= count;
        }
        let mut templates = Self::default();
        for path in TEMPLATES {
            let path: Path = path.iter().map(|name| (*name).to_owned()).collect();
            let chosen = choose(&samples, &Source { table: None, path: path.clone() });
            if !chosen.is_empty() {
                let sources = chosen.into_iter().map(|source| templates.source(source)).collect();
                templates.columns.push(Template { path, sources });
            }
        }
        templates
    }

    fn source(&mut self, source: Source) -> usize {
        self.sources.iter().position(|other| *other == source).unwrap_or_else(|| {
            self.sources.push(source);
            self.sources.len() - 1
        })
    }
}

/// Which columns to take out of this one: each the one that leaves the fewest bytes of distinct texts, as long as it saves a
/// fifth.
fn choose(samples: &[Texts<'_>], of: &Source) -> Vec<Source> {
    let with: Vec<&Texts<'_>> = samples.iter().filter(|texts| texts.contains_key(of)).collect();
    let mut left: Vec<Vec<u8>> = with.iter().map(|texts| texts[of].to_vec()).collect();
    let mut candidates: Vec<&Source> = with.iter().flat_map(|texts| texts.keys()).collect();
    candidates.sort_unstable();
    candidates.dedup();
    candidates.retain(|source| source.table.is_some() || !TEMPLATES.iter().any(|path| source.path == *path));
    candidates.truncate(CANDIDATES_MAX);
    let bytes =
        |left: &[Vec<u8>]| left.iter().collect::<BTreeSet<_>>().iter().map(|text| text.len()).sum::<usize>();
    let mut cost = bytes(&left);
    let mut chosen: Vec<Source> = Vec::new();
    while chosen.len() < REFS_MAX {
        let mark = u8::try_from(chosen.len() + 1).expect("few are chosen");
        let without = |source: &Source| -> Vec<Vec<u8>> {
            let texts = with.iter().zip(&left);
            texts
                .map(|(texts, left)| {
                    let mut out = Vec::new();
                    let value = texts.get(source).copied().unwrap_or_default();
                    if take_out(left, value, mark, &mut out) { out } else { left.clone() }
                })
                .collect()
        };
        let tried = candidates.iter().map(|source| {
            let rest = without(source);
            (bytes(&rest), *source, rest)
        });
        match tried.min_by_key(|(cost, _, _)| *cost) {
            Some((less, source, rest)) if less < cost - cost / 5 => {
                (cost, left) = (less, rest);
                chosen.push(source.clone());
            }
            _ => break,
        }
    }
    chosen
}

/// The texts of the root, and of the first instance in each table under it.
fn texts<'e>(event: &'e [u8], taken: &mut TakeApart) -> Option<Texts<'e>> {
    taken.take(event).ok()?;
    let mut texts = Texts::new();
    let root = taken.root()?;
    let shape = add_texts(None, root, event, taken, &mut texts)?;
    for (slot, piece) in shape.slots().iter().zip(taken.pieces(root)) {
        let first = match *piece {
            Piece::Leaf { .. } => None,
            Piece::Object(part) => Some(part),
            Piece::Elements { first, count } => taken.elements(first, count).first().copied(),
        };
        if let Some(part) = first {
            let table = Some((slot.path.clone(), slot.kind == SlotKind::Elements));
            add_texts(table, taken.part(part), event, taken, &mut texts)?;
        }
    }
    Some(texts)
}

fn add_texts<'e>(
    table: Option<(Path, bool)>,
    part: &Part,
    event: &'e [u8],
    taken: &TakeApart,
    texts: &mut Texts<'e>,
) -> Option<Shape> {
    let shape = Shape::parse(taken.shape(part)).ok()?;
    for (slot, piece) in shape.slots().iter().zip(taken.pieces(part)) {
        if let (SlotKind::Text, Piece::Leaf { start, end }) = (slot.kind, piece) {
            let source = Source { table: table.clone(), path: slot.path.clone() };
            texts.insert(source, &event[*start as usize..*end as usize]);
        }
    }
    Some(shape)
}

/// Writes `text` to `out` with `mark` wherever `value` stands between separators; whether it does anywhere.
pub(crate) fn take_out(text: &[u8], value: &[u8], mark: u8, out: &mut Vec<u8>) -> bool {
    out.clear();
    if value.len() < VALUE_BYTES_MIN || value.len() > text.len() || !begins_plainly(value) {
        return false;
    }
    let (mut copied, mut from) = (0, 0);
    while let Some(at) = memchr::memmem::find(&text[from..], value) {
        let (start, end) = (from + at, from + at + value.len());
        if separates(&text[..start], true) && separates(&text[end..], false) {
            out.extend_from_slice(&text[copied..start]);
            out.push(mark);
            (copied, from) = (end, end);
        } else {
            from = start + 1;
        }
    }
    out.extend_from_slice(&text[copied..]);
    copied > 0
}

/// Whether a text begins with a character that can join no separator before it, whatever Unicode does to both: no mark.
fn begins_plainly(text: &[u8]) -> bool {
    let Some(chunk) = text.utf8_chunks().next() else { return false };
    matches!(
        chunk.valid().chars().next(),
        Some(
            '0'..='9' | 'A'..='Z' | 'a'..='z' | '/'
            // Letters of Latin, Greek and Cyrillic, kana, ideographs, Hangul syllables.
            | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{24f}' | '\u{386}' | '\u{388}'..='\u{3ff}' | '\u{400}'..='\u{481}'
            | '\u{48a}'..='\u{52f}' | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7a3}'
        )
    )
}

/// Whether words end where this stands, before (`ends`) or after something: there is nothing, or a separator next to it.
fn separates(text: &[u8], ends: bool) -> bool {
    /// Punctuation beyond ASCII that no rule of words keeps together with letters.
    const SEPARATORS: [&[u8]; 8] = [
        "“".as_bytes(),
        "”".as_bytes(),
        "„".as_bytes(),
        "«".as_bytes(),
        "»".as_bytes(),
        "–".as_bytes(),
        "—".as_bytes(),
        "…".as_bytes(),
    ];
    let Some(byte) = (if ends { text.last() } else { text.first() }) else { return true };
    if byte.is_ascii() {
        // After a backslash the value would begin inside an escape.
        return !(byte.is_ascii_alphanumeric() || ends && *byte == b'\\');
    }
    SEPARATORS
        .iter()
        .any(|separator| if ends { text.ends_with(separator) } else { text.starts_with(separator) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, value: &str, expected: &str) {
        let mut out = Vec::new();
        if !take_out(text.as_bytes(), value.as_bytes(), b'#', &mut out) {
            out = text.as_bytes().to_vec();
        }
        assert_eq!(str::from_utf8(&out).unwrap(), expected);
    }

    #[test]
    fn values_are_taken_out_between_separators_only() {
        check("Ana viewed “late drift 1”", "late drift 1", "Ana viewed “#”");
        check("Ana viewed Ana", "Ana", "# viewed #");
        check("Anais, Ana; Ana-Maria", "Ana", "Anais, #; #-Maria");
        check("/v2/videos/vid_1", "vid_1", "/v2/videos/#");
        check(r"line\nAna", "Ana", r"line\nAna");
        check(r"line\nsee", "nsee", r"line\nsee");
        check(r#"the \"Ana\" of"#, "Ana", r##"the \"#\" of"##);
        check("Anaé Ana", "Ana", "Anaé #");
        check("a = \u{338}bc", "\u{338}bc", "a = \u{338}bc");
        check("東京 東京タワー", "東京", "# 東京タワー");
        check("it", "it", "it");
    }

    #[test]
    fn words_of_a_text_are_those_of_its_parts() {
        let words = |text: &str| {
            let mut words = BTreeSet::new();
            annals_event::filter::each_word(text, &mut |word| {
                words.insert(word.to_owned());
            });
            words
        };
        let values =
            ["Ana", "Ålesund ﬁ", "東京", "key note", "ελλ", "가나", "/v1", "Ж1", "9:41", "e\u{301}x", "ไทย"];
        let around = [
            "", " ", "“", "”", "…", "-", "=", "<", ">", "é", "x", "\u{301}", "東", "'", "·", "—", "\u{200d}",
            "_", "9",
        ];
        let mut out = Vec::new();
        for value in values {
            for before in around {
                for after in around {
                    let text = format!("the {before}{value}{after} end");
                    if take_out(text.as_bytes(), value.as_bytes(), 1, &mut out) {
                        let mut parts = words(str::from_utf8(&out).unwrap());
                        parts.extend(words(value));
                        assert_eq!(parts, words(&text), "{text}");
                    }
                }
            }
        }
    }
}
