//! A page's blocks, and what each promises.

use crate::fault::{Result, fail};

/// What a page says to do.
#[derive(Debug)]
pub(super) struct Page {
    /// From top to bottom.
    pub(super) blocks: Vec<Block>,
}

/// Commands that are pasted at once.
#[derive(Debug)]
pub(super) struct Block {
    /// Where it stands, from 1.
    pub(super) line: usize,
    pub(super) commands: String,
    /// What it prints, if the page says so.
    pub(super) prints: Option<String>,
    pub(super) kind: Kind,
}

/// How a block ends.
#[derive(Debug, PartialEq)]
pub(super) enum Kind {
    /// With this exit code.
    Ends(i32),
    UntilInterrupted,
    /// It is not run, for this reason.
    Skipped(String),
}

const EXIT_CODE: &str = "# exit code ";
const UNTIL_INTERRUPTED: &str = "# runs until Ctrl-C";
const NOT_RUN: &str = "# not run here: ";

impl Page {
    /// Reads the `sh` and `text` blocks of a page.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut blocks: Vec<Block> = Vec::new();
        // The block that a `text` would belong to.
        let mut promising = false;
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let Some(language) = line.strip_prefix("```") else { continue };
            let mut content = String::new();
            loop {
                let Some((_, line)) = lines.next() else {
                    fail!("line {}: the block does not end", index + 1)
                };
                if line == "```" {
                    break;
                }
                content.push_str(line);
                content.push('\n');
            }
            match language {
                "sh" => {
                    let kind = kind(&content)?;
                    blocks.push(Block { line: index + 1, commands: content, prints: None, kind });
                }
                "text" if promising => blocks.last_mut().expect("one promises").prints = Some(content),
                _ => {}
            }
            promising = language == "sh";
        }
        Ok(Self { blocks })
    }
}

fn kind(commands: &str) -> Result<Kind> {
    if let Some(why) = commands.strip_prefix(NOT_RUN) {
        return Ok(Kind::Skipped(why.lines().next().unwrap_or_default().to_owned()));
    }
    if commands.contains(UNTIL_INTERRUPTED) {
        return Ok(Kind::UntilInterrupted);
    }
    let last = commands.lines().last().unwrap_or_default();
    match last.split_once(EXIT_CODE) {
        None => Ok(Kind::Ends(0)),
        Some((_, code)) => match code.trim().parse() {
            Ok(code) => Ok(Kind::Ends(code)),
            Err(_) => fail!("`{last}`: no exit code"),
        },
    }
}

/// Whether `said` is what `expected` promises; when it begins so, if it `goes_on`.
pub(super) fn agrees(expected: &str, said: &str, goes_on: bool) -> bool {
    let expected: Vec<&str> = expected.lines().map(str::trim_end).collect();
    let said: Vec<&str> = said.lines().map(str::trim_end).collect();
    // The longest beginning of `expected` that agrees so far, for each way to read its `…` lines.
    let mut open = vec![false; expected.len() + 1];
    open[0] = true;
    let pass_over = |open: &mut Vec<bool>| {
        for at in 0..expected.len() {
            if open[at] && expected[at] == "…" {
                open[at + 1] = true;
            }
        }
    };
    pass_over(&mut open);
    for line in said {
        if goes_on && open[expected.len()] {
            return true;
        }
        let mut next = vec![false; expected.len() + 1];
        for at in (0..expected.len()).filter(|at| open[*at]) {
            if expected[at] == "…" {
                next[at] = true;
            } else if line_agrees(expected[at], line) {
                next[at + 1] = true;
            }
        }
        open = next;
        pass_over(&mut open);
    }
    open[expected.len()]
}

/// Whether a line is as promised, `…` standing for anything.
fn line_agrees(expected: &str, said: &str) -> bool {
    let mut parts = expected.split('…');
    let Some(mut rest) = parts.next().and_then(|first| said.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_its_blocks_and_what_they_promise() {
        let text = "# A\n```sh\necho a\n```\nprints\n```text\na\n```\n```sh\nfalse   # exit code 1\n```\n```json\n{}\n```\n\
                    ```text\nnobody's\n```\n```sh\n# not run here: needs a moon\nfly\n```\n```sh\nserve   # runs until Ctrl-C\n```\n";
        let page = Page::read(text).unwrap();
        let kinds: Vec<_> = page.blocks.iter().map(|block| &block.kind).collect();
        let skipped = Kind::Skipped("needs a moon".to_owned());
        assert_eq!(kinds, [&Kind::Ends(0), &Kind::Ends(1), &skipped, &Kind::UntilInterrupted]);
        assert_eq!(page.blocks[0].prints.as_deref(), Some("a\n"));
        assert_eq!((page.blocks[1].prints.as_deref(), page.blocks[1].line), (None, 9));
        assert!(Page::read("```sh\nopen").is_err());
    }

    #[test]
    fn what_is_said_agrees_line_by_line() {
        for (expected, said, agree) in [
            ("a\nb\n", "a\nb\n", true),
            ("a\n", "a\nb\n", false),
            ("a\nb\n", "a\n", false),
            ("a\n…\n", "a\nb\nc\n", true),
            ("…\nc\n", "a\nb\nc\n", true),
            ("…\nc\n", "a\nb\nd\n", false),
            ("…\nb\n…\n", "a\nb\nb\nc\n", true),
            ("…\n", "", true),
            ("", "a\n", false),
            ("a … c\n", "a b c\n", true),
            ("a … c\n", "a b d\n", false),
            ("…aa\n", "aaa\n", true),
            ("a…a\n", "a\n", false),
            ("…x…\n", "axb\n", true),
        ] {
            assert_eq!(agrees(expected, said, false), agree, "{expected:?} {said:?}");
        }
        assert!(agrees("a\n", "a\nb\n", true) && !agrees("b\n", "a\nb\n", true));
    }
}
