//! Texts of others on a terminal: nothing in them steers it, and they fit.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Stands at the end of what was cut.
const CUT: char = '…';

/// Whether a character would act on a terminal instead of being shown: controls (with them every escape sequence), line
/// separators, and what reorders or hides the text around it.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e001f}')
}

/// The text on one line, with what would act on a terminal written out: `\n`, `\t`, `\u{1b}`.
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if acts(character) => {
                write!(out, "\\u{{{:x}}}", u32::from(character)).expect("writing to memory does not fail");
            }
            character => out.push(character),
        }
    }
    out.into()
}

/// A text of several lines, each of them safe.
pub(crate) fn safe_lines(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return text.into();
    }
    text.split('\n').map(safe).collect::<Vec<_>>().join("\n").into()
}

/// JSON with what would act on a terminal as `\u001b`: the same value in other bytes.
pub(crate) fn json_for_terminal(line: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(line);
    if !text.contains(acts) {
        return line.into();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) {
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("writing to memory does not fail");
            }
        } else {
            out.push(character);
        }
    }
    out.into_bytes().into()
}

/// Columns that a safe text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most so many columns, `…` standing for what is left out.
pub(crate) fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return text.into();
    }
    let Some(room) = columns.checked_sub(1) else { return "".into() };
    let mut taken = 0;
    let end = text.char_indices().find(|(_, character)| {
        taken += character.width().unwrap_or(0);
        taken > room
    });
    let mut kept = &text[..end.map_or(text.len(), |(at, _)| at)];
    // Some sequences are wider together than their characters are.
    while width(kept) > room {
        let shorter = kept.char_indices().next_back().map_or(0, |(at, _)| at);
        kept = &kept[..shorter];
    }
    format!("{kept}{CUT}").into()
}

/// Spaces up to `columns` behind a text.
pub(crate) fn padding(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_written_out() {
        for (text, shown) in [
            ("plain ä 漢字 🦀", "plain ä 漢字 🦀"),
            ("a\x1b[2Jb", r"a\u{1b}[2Jb"),
            ("\x1b]0;title\x07", r"\u{1b}]0;title\u{7}"),
            ("\u{9b}31m", r"\u{9b}31m"),
            ("one\ntwo\r\tthree\x7f\0", r"one\ntwo\r\tthree\u{7f}\u{0}"),
            ("exe.\u{202e}gpj", r"exe.\u{202e}gpj"),
            ("a\u{2028}b\u{200b}\u{feff}", r"a\u{2028}b\u{200b}\u{feff}"),
            ("👩\u{200d}🚀", "👩\u{200d}🚀"),
        ] {
            assert_eq!(safe(text), shown);
        }
    }

    #[test]
    fn json_on_a_terminal_is_the_same_value() {
        let line = "{\"a\":\"\u{9b}31m\u{7f}\u{202e}x\u{e0001}\"}";
        let shown = json_for_terminal(line.as_bytes());
        assert!(!std::str::from_utf8(&shown).unwrap().contains(acts), "{shown:?}");
        let parse = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(parse(&shown), parse(line.as_bytes()));
        assert!(matches!(json_for_terminal(b"{\"a\":1}"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_cut_text_fits_whatever_it_is_made_of() {
        let texts = [
            "漢字漢字漢字",
            "e\u{301}e\u{301}e\u{301}e\u{301}",
            "👩\u{200d}🚀👩\u{200d}🚀",
            "☀\u{fe0f}☀\u{fe0f}☀\u{fe0f}",
            "plain",
        ];
        for text in texts {
            for columns in 0..12 {
                let shown = cut(text, columns);
                assert!(width(&shown) <= columns, "{text} in {columns}: `{shown}`");
                assert_eq!(shown == text, width(text) <= columns, "{text} in {columns}: `{shown}`");
                assert_eq!(width(&format!("{shown}{}", padding(&shown, 12))), 12);
            }
        }
        assert_eq!(cut("漢字漢字", 4), "漢…");
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
