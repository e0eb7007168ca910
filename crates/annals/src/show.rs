//! How data looks to people: texts made safe, instants, colours, tables, events.

pub(crate) mod event;
pub(crate) mod moment;
pub(crate) mod table;
pub(crate) mod text;

use std::io::{self, IsTerminal as _};

use annals_event::Timestamp;
use anstream::{AutoStream, ColorChoice};
use anstyle::Style;
use jiff::tz::TimeZone;

/// The width taken for a terminal that does not say its own.
const COLUMNS: usize = 80;

/// Where and how something is shown: what a table needs to know of its reader.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    /// Columns of the terminal; none where the lines are as long as they need to be.
    pub(crate) columns: Option<usize>,
    pub(crate) colour: bool,
    /// Instants are shown in this zone; none for UTC as the server writes it.
    pub(crate) zone: Option<TimeZone>,
}

impl Stage {
    /// Standard output: a terminal with its width and the local zone, or a pipe without either.
    ///
    /// Colours follow the terminal, `NO_COLOR`, `CLICOLOR` and `CLICOLOR_FORCE`.
    pub(crate) fn standard(utc: bool) -> Self {
        let out = io::stdout();
        let watched = out.is_terminal();
        let size = watched.then(|| rustix::termios::tcgetwinsize(&out));
        let columns = size.map(|size| size.map_or(COLUMNS, |size| usize::from(size.ws_col)));
        Self {
            // A terminal of no columns is one that does not know.
            columns: columns.map(|columns| if columns == 0 { COLUMNS } else { columns }),
            colour: AutoStream::choice(&out) != ColorChoice::Never,
            zone: (watched && !utc).then(TimeZone::system),
        }
    }

    /// Somebody looks at a terminal.
    pub(crate) fn is_watched(&self) -> bool {
        self.columns.is_some()
    }

    /// The text in a style, if colours are wanted.
    pub(crate) fn paint(&self, style: Style, text: &str) -> String {
        if self.colour && style != Style::new() && !text.is_empty() {
            format!("{style}{text}{style:#}")
        } else {
            text.to_owned()
        }
    }

    /// One line of JSON of the server's. Off a terminal byte for byte; on one, what would steer it is escaped as JSON does,
    /// so that it is the same value.
    pub(crate) fn json<'a>(&self, line: &'a [u8]) -> std::borrow::Cow<'a, [u8]> {
        if self.is_watched() { text::json_for_terminal(line) } else { line.into() }
    }
}

/// The time now, by the machine's clock.
pub(crate) fn now() -> Timestamp {
    // A clock beyond the year 9999 shows as the end of time rather than as an error of every command.
    Timestamp::from_micros(jiff::Timestamp::now().as_microsecond()).unwrap_or(Timestamp::MAX)
}
