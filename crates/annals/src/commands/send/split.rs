//! Cutting an input of any length into events as it is read, in bounded memory and without trusting any of it.
//!
//! Lines and arrays are cut as the server cuts a body (`annals_event::json::lines` and `split_array`): what is wrong inside an
//! event is that event's own problem.
//!
//! | the input begins with | it is |
//! |---|---|
//! | `[` | an array of events |
//! | `{`, and its first line ends with `{`, `[`, `,` or `:` | objects over several lines, one or more |
//! | anything else | one event a line |
//!
//! A byte order mark is skipped.

use std::mem;

/// Longest event that is cut out whole, bytes. A server takes none longer than 1 MiB.
pub(super) const EVENT_BYTES_MAX: usize = 4 << 20;

/// Deepest nesting that is followed, one bit each.
const LEVELS_MAX: usize = 1 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// One event of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// The event, white space around it removed; of one that is too long, its beginning.
    pub(super) text: Vec<u8>,
    /// Its length, when that is more than [`EVENT_BYTES_MAX`].
    pub(super) too_long: Option<u64>,
    /// The line it begins on, from 1.
    pub(super) line: u64,
    /// Its number, from 0.
    pub(super) index: u64,
}

/// Why an input cannot be read on: a message that goes on after the input's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) String);

/// How events stand in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    Array,
    Objects,
}

/// Takes an input piece by piece and cuts it into events.
#[derive(Clone, Debug)]
pub(super) struct Splitter {
    /// None while `head`, the beginning, does not tell it.
    form: Option<Form>,
    head: Vec<u8>,
    /// Where the next byte stands in the input.
    at: u64,
    line: u64,
    index: u64,
    cut: Cut,
    cut_bytes: u64,
    expected: Expected,
    in_string: bool,
    is_escaped: bool,
    /// The item has a string or container already; another would miss a comma.
    is_complete: bool,
    levels: Levels,
    event_bytes_max: usize,
}

/// Where an array stands, or a row of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// `[`, or an object.
    Begin,
    /// An item or `]`.
    First,
    /// An item.
    Next,
    /// More of the item.
    Item,
    /// White space.
    End,
}

/// What a byte means for the event in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    On,
    /// It is the first of an event.
    Begin,
    /// It is the first after an event.
    EndBefore,
    /// It is the last of an event.
    EndAfter,
}

impl Default for Splitter {
    fn default() -> Self {
        Self::new(EVENT_BYTES_MAX)
    }
}

impl Splitter {
    fn new(event_bytes_max: usize) -> Self {
        Self {
            form: None,
            head: Vec::new(),
            at: 0,
            line: 1,
            index: 0,
            cut: Cut::default(),
            cut_bytes: 0,
            expected: Expected::Begin,
            in_string: false,
            is_escaped: false,
            is_complete: false,
            levels: Levels::default(),
            event_bytes_max,
        }
    }

    /// Takes the next piece; adds the events that end in it to `cuts`.
    ///
    /// # Errors
    ///
    /// An array or object is broken. The events before are in `cuts`.
    pub(super) fn push(&mut self, piece: &[u8], cuts: &mut Vec<Cut>) -> Result<(), Broken> {
        if self.form.is_some() {
            return self.split(piece, cuts);
        }
        self.head.extend_from_slice(piece);
        self.form = form(&self.head, self.head.len() > self.event_bytes_max);
        self.begin(cuts)
    }

    /// The input is at its end.
    ///
    /// # Errors
    ///
    /// As of [`Self::push`]: the last array or object has no end.
    pub(super) fn finish(&mut self, cuts: &mut Vec<Cut>) -> Result<(), Broken> {
        if self.form.is_none() {
            self.form = form(&self.head, true);
            self.begin(cuts)?;
        }
        match (self.form, self.expected) {
            (None, _) | (Some(Form::Array), Expected::End) | (Some(Form::Objects), Expected::Begin) => Ok(()),
            (Some(Form::Lines), _) => {
                self.end_line(cuts);
                Ok(())
            }
            _ if self.in_string => Err(self.broken("has a string without end")),
            _ => Err(self.broken("has no end")),
        }
    }

    /// How the events stand in the input, once that is known.
    pub(super) fn form(&self) -> Option<Form> {
        self.form
    }

    /// Splits the beginning once the form is known.
    fn begin(&mut self, cuts: &mut Vec<Cut>) -> Result<(), Broken> {
        if self.form.is_none() {
            return Ok(());
        }
        let head = mem::take(&mut self.head);
        let text = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&head);
        self.at += (head.len() - text.len()) as u64;
        self.split(text, cuts)
    }

    fn split(&mut self, piece: &[u8], cuts: &mut Vec<Cut>) -> Result<(), Broken> {
        match self.form {
            Some(Form::Lines) => {
                self.split_lines(piece, cuts);
                Ok(())
            }
            _ => self.split_values(piece, cuts),
        }
    }

    fn split_lines(&mut self, mut piece: &[u8], cuts: &mut Vec<Cut>) {
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            self.keep_of_line(&piece[..end]);
            self.end_line(cuts);
            piece = &piece[end + 1..];
        }
        self.keep_of_line(piece);
    }

    fn keep_of_line(&mut self, bytes: &[u8]) {
        let begin = match self.cut_bytes {
            0 => bytes.iter().position(|&byte| !is_white_space(byte)).unwrap_or(bytes.len()),
            _ => 0,
        };
        self.keep(&bytes[begin..]);
    }

    fn end_line(&mut self, cuts: &mut Vec<Cut>) {
        self.cut.line = self.line;
        self.line += 1;
        if self.cut_bytes > 0 {
            self.end_item(cuts);
        }
    }

    /// Cuts an array, or objects that follow each other: looks only at brackets, quotes and commas.
    fn split_values(&mut self, piece: &[u8], cuts: &mut Vec<Cut>) -> Result<(), Broken> {
        let before = self.at;
        // Up to where line feeds are counted, and from where the event in hand is not kept yet.
        let (mut at, mut counted, mut begin) = (0, 0, 0);
        while at < piece.len() {
            if self.in_string {
                at = self.string_end(piece, at);
                continue;
            }
            self.at = before + at as u64;
            match self.take(piece[at])? {
                Step::On => {}
                Step::Begin => {
                    self.line += line_feeds(&piece[counted..at]);
                    self.cut.line = self.line;
                    (counted, begin) = (at, at);
                }
                Step::EndBefore => {
                    self.keep(&piece[begin..at]);
                    self.end_item(cuts);
                }
                Step::EndAfter => {
                    self.keep(&piece[begin..=at]);
                    self.end_item(cuts);
                }
            }
            at += 1;
        }
        if self.expected == Expected::Item {
            self.keep(&piece[begin..]);
        }
        self.line += line_feeds(&piece[counted..]);
        self.at = before + piece.len() as u64;
        Ok(())
    }

    /// Index after the string that `at` is in, or the end of the piece.
    fn string_end(&mut self, piece: &[u8], mut at: usize) -> usize {
        while let Some(&byte) = piece.get(at) {
            at += 1;
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => {
                    self.in_string = false;
                    self.is_complete = self.levels.depth == 0;
                    break;
                }
                _ => {}
            }
        }
        at
    }

    /// Takes a byte outside of strings.
    fn take(&mut self, byte: u8) -> Result<Step, Broken> {
        match (self.expected, byte) {
            (Expected::Item, _) => return self.take_in_item(byte),
            (_, byte) if is_white_space(byte) => {}
            (Expected::Begin, b'[') if self.form == Some(Form::Array) => self.expected = Expected::First,
            (Expected::First, b']') => self.expected = Expected::End,
            (Expected::First | Expected::Next, b',' | b']') => return Err(self.broken("misses an item")),
            (Expected::First | Expected::Next, _) | (Expected::Begin, b'{') => {
                self.expected = Expected::Item;
                self.is_complete = false;
                return self.take_in_item(byte).map(|_| Step::Begin);
            }
            (Expected::Begin | Expected::End, _) => {
                let what = if self.form == Some(Form::Array) { "its array" } else { "an object" };
                return Err(Broken(format!("goes on after {what}, at byte {}", self.at)));
            }
        }
        Ok(Step::On)
    }

    fn take_in_item(&mut self, byte: u8) -> Result<Step, Broken> {
        match byte {
            b',' | b']' if self.levels.depth == 0 && self.form == Some(Form::Array) => {
                self.expected = if byte == b',' { Expected::Next } else { Expected::End };
                return Ok(Step::EndBefore);
            }
            b'"' | b'{' | b'[' if self.is_complete => {
                return Err(self.broken("misses a comma between items"));
            }
            b'"' => self.in_string = true,
            b'{' | b'[' if self.levels.depth == LEVELS_MAX => {
                return Err(self.broken(&format!("nests deeper than {LEVELS_MAX} levels")));
            }
            b'{' | b'[' => self.levels.open(byte == b'{'),
            b'}' | b']' => {
                if !self.levels.close(byte == b'}') {
                    return Err(self.broken("has brackets that do not match"));
                }
                self.is_complete = self.levels.depth == 0;
                if self.is_complete && self.form == Some(Form::Objects) {
                    self.expected = Expected::Begin;
                    return Ok(Step::EndAfter);
                }
            }
            _ => {}
        }
        Ok(Step::On)
    }

    /// Adds to the event in hand, as far as it is kept.
    fn keep(&mut self, bytes: &[u8]) {
        self.cut_bytes += bytes.len() as u64;
        let room = (self.event_bytes_max + 1).saturating_sub(self.cut.text.len());
        self.cut.text.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn end_item(&mut self, cuts: &mut Vec<Cut>) {
        let mut cut = mem::take(&mut self.cut);
        let bytes = mem::take(&mut self.cut_bytes);
        let end = cut.text.iter().rposition(|&byte| !is_white_space(byte)).map_or(0, |last| last + 1);
        cut.text.truncate(end);
        if end > self.event_bytes_max {
            cut.text.truncate(self.event_bytes_max);
            cut.too_long = Some(bytes);
        }
        cut.index = self.index;
        self.index += 1;
        cuts.push(cut);
    }

    fn broken(&self, how: &str) -> Broken {
        let what = if self.form == Some(Form::Array) { "the array" } else { "an object" };
        Broken(format!("{what} {how}, at byte {}", self.at))
    }
}

/// How events stand in an input that begins with `head`; none when more must be seen. With `is_enough` it is decided.
fn form(head: &[u8], is_enough: bool) -> Option<Form> {
    if !is_enough && BYTE_ORDER_MARK.starts_with(head) {
        return None;
    }
    let head = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let Some(begin) = head.iter().position(|&byte| !is_white_space(byte)) else {
        return is_enough.then_some(Form::Lines);
    };
    let text = &head[begin..];
    match text[0] {
        b'[' => Some(Form::Array),
        b'{' => {
            let Some(end) = text.iter().position(|&byte| byte == b'\n') else {
                return is_enough.then_some(Form::Lines);
            };
            let goes_on = matches!(text[..end].trim_ascii_end().last(), Some(b'{' | b'[' | b',' | b':'));
            Some(if goes_on { Form::Objects } else { Form::Lines })
        }
        _ => Some(Form::Lines),
    }
}

/// The kinds of the open containers, one bit each.
#[derive(Clone, Debug, Default)]
struct Levels {
    depth: usize,
    words: Vec<u64>,
}

impl Levels {
    fn open(&mut self, is_object: bool) {
        if self.depth / 64 == self.words.len() {
            self.words.push(0);
        }
        let (word, bit) = (&mut self.words[self.depth / 64], 1 << (self.depth % 64));
        if is_object {
            *word |= bit
        } else {
            *word &= !bit
        }
        self.depth += 1;
    }

    /// False when the innermost is of the other kind, or none is open.
    fn close(&mut self, is_object: bool) -> bool {
        let Some(depth) = self.depth.checked_sub(1) else { return false };
        self.depth = depth;
        (self.words[depth / 64] >> (depth % 64) & 1 == 1) == is_object
    }
}

fn is_white_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn line_feeds(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

#[cfg(test)]
mod tests;
