//! What an operator may set about vendors' APIs. Each vendor lists its settings; the program reads them from its file and its
//! environment, and hands back what was given.

use std::collections::BTreeSet;

use annals_event::Timestamp;

use crate::list::PAGE_SIZE_MAX;
use crate::time::Time;

/// Most days of a window, some hundred years.
const WINDOW_DAYS_MAX: u32 = 36_500;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its path in the file: `dialects.`, the vendor, its name.
    pub key: &'static str,
    /// What holds when nobody says anything; none when that is "not set".
    pub default: Option<&'static str>,
    /// A value to show in the example, as TOML.
    pub example: &'static str,
    /// What it does, for people.
    pub about: &'static str,
    /// It is a list of texts.
    pub is_list: bool,
}

impl Setting {
    /// A single value.
    #[must_use]
    pub const fn one(
        key: &'static str,
        default: &'static str,
        example: &'static str,
        about: &'static str,
    ) -> Self {
        Self { key, default: Some(default), example, about, is_list: false }
    }

    /// A list of texts, empty by default.
    #[must_use]
    pub const fn list(key: &'static str, example: &'static str, about: &'static str) -> Self {
        Self { key, default: None, example, about, is_list: true }
    }

    /// Which time is shown: see [`Given::time`].
    #[must_use]
    pub const fn time(key: &'static str) -> Self {
        const ABOUT: &str = "The time of its entries: `occurred` is the client's, `received` that of receipt, by which a poller \
                             misses no late event.";
        Self::one(key, "occurred", "\"occurred\"", ABOUT)
    }

    /// A rolling window: see [`Bounds`].
    #[must_use]
    pub const fn window_days(key: &'static str) -> Self {
        const ABOUT: &str =
            "Entries older than so many days are not shown, 1 to 36500. They stay in the log.";
        Self { key, default: None, example: "30", about: ABOUT, is_list: false }
    }

    /// Whose limits hold: see [`Bounds`].
    #[must_use]
    pub const fn limits(key: &'static str) -> Self {
        const ABOUT: &str =
            "How many requests a key may make: `ours` is 60000 a minute, `vendor` what the vendor documents.";
        Self::one(key, "ours", "\"ours\"", ABOUT)
    }
}

/// What was given, defaults included.
pub struct Given<'a>(&'a dyn Fn(&str) -> Option<Vec<String>>);

/// A value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: `{value}` {problem}")]
pub struct Wrong {
    /// Of which setting.
    pub key: String,
    /// The value.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
}

/// How much of a vendor's API is given to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Entries older than so many days are not shown.
    pub window_days: Option<u32>,
    /// The vendor's own limits hold.
    pub vendors_limits: bool,
}

impl<'a> Given<'a> {
    /// What this says for a key.
    #[must_use]
    pub fn new(values: &'a dyn Fn(&str) -> Option<Vec<String>>) -> Self {
        Self(values)
    }

    /// The texts of a list.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<String> {
        (self.0)(key).unwrap_or_default()
    }

    /// A single text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        self.list(key).into_iter().next()
    }

    /// One of some words.
    ///
    /// # Errors
    ///
    /// It is none of them.
    pub fn one_of<T: Copy + Default>(&self, key: &str, words: &[(&str, T)]) -> Result<T, Wrong> {
        let Some(text) = self.text(key) else { return Ok(T::default()) };
        match words.iter().find(|(word, _)| *word == text) {
            Some((_, meaning)) => Ok(*meaning),
            None => {
                let words: Vec<_> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
                let (last, rest) = words.split_last().expect("a setting has words");
                Err(Wrong::new(key, &text, format!("must be {} or {last}", rest.join(", "))))
            }
        }
    }

    /// Which time is shown.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn time(&self, key: &str) -> Result<Time, Wrong> {
        self.one_of(key, Time::WORDS)
    }

    /// How many entries a page has.
    ///
    /// # Errors
    ///
    /// It is no number from 1 to [`PAGE_SIZE_MAX`].
    pub fn page_size(&self, key: &str) -> Result<Option<usize>, Wrong> {
        let within = |text: String| {
            let size = text.parse().ok().filter(|size| (1..=PAGE_SIZE_MAX).contains(size));
            size.ok_or_else(|| Wrong::new(key, &text, format!("must be a number, 1 to {PAGE_SIZE_MAX}")))
        };
        self.text(key).map(within).transpose()
    }

    /// An offset from UTC, such as `-03:00`.
    ///
    /// # Errors
    ///
    /// It is none.
    pub fn utc_offset(&self, key: &str) -> Result<Option<String>, Wrong> {
        let offset = |text: String| {
            let at_noon = format!("2026-11-21T12:00:00{text}");
            let is_offset = text.starts_with(['+', '-']) && Timestamp::parse(&at_noon).is_ok();
            let wrong = || Wrong::new(key, &text, "must be an offset such as `+00:00` or `-03:00`");
            if is_offset { Ok(text.clone()) } else { Err(wrong()) }
        };
        self.text(key).map(offset).transpose()
    }

    /// A list of `ours=theirs`.
    ///
    /// # Errors
    ///
    /// One of them is no such pair, or the second of the same text of ours.
    pub fn pairs(&self, key: &str) -> Result<Vec<(String, String)>, Wrong> {
        let pair = |text: String| match text.split_once('=') {
            Some((ours, theirs)) if !ours.trim().is_empty() && !theirs.trim().is_empty() => {
                Ok((ours.trim().to_owned(), theirs.trim().to_owned()))
            }
            _ => Err(Wrong::new(key, &text, "must be our word, `=` and the vendor's")),
        };
        let pairs: Vec<(String, String)> = self.list(key).into_iter().map(pair).collect::<Result<_, _>>()?;
        let mut known = BTreeSet::new();
        match pairs.iter().find(|(ours, _)| !known.insert(ours)) {
            Some((ours, theirs)) => {
                Err(Wrong::new(key, &format!("{ours}={theirs}"), format!("is the second line for `{ours}`")))
            }
            None => Ok(pairs),
        }
    }

    /// The bounds of a vendor.
    ///
    /// # Errors
    ///
    /// One of them does not fit.
    pub fn bounds(&self, vendor: &str) -> Result<Bounds, Wrong> {
        let key = format!("dialects.{vendor}.window_days");
        let days = |text: String| window_days(&text).map_err(|problem| Wrong::new(&key, &text, problem));
        let words = [("ours", false), ("vendor", true)];
        Ok(Bounds {
            window_days: self.text(&key).map(days).transpose()?,
            vendors_limits: self.one_of(&format!("dialects.{vendor}.limits"), &words)?,
        })
    }
}

impl Wrong {
    /// A value of a setting, and what is wrong with it.
    #[must_use]
    pub fn new(key: &str, value: &str, problem: impl Into<String>) -> Self {
        Self { key: key.to_owned(), value: value.to_owned(), problem: problem.into() }
    }
}

/// Reads a number of days.
///
/// # Errors
///
/// It is none, or out of bounds.
pub(crate) fn window_days(text: &str) -> Result<u32, String> {
    let days = text.parse().ok().filter(|days| (1..=WINDOW_DAYS_MAX).contains(days));
    days.ok_or_else(|| format!("must be a number of days, 1 to {WINDOW_DAYS_MAX}"))
}
