//! One line of the log: read, and checked as far as it can be by itself.

mod quick;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;

use annals_tree::commitment::{Committer, UNIT_NAME_BYTES_MAX};
use annals_tree::entry::{Entry, EntryKind};
use annals_tree::{Hash, Secret, leaf_hash, unit_digest};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::LINE_BYTES_MAX;

/// N bytes, written as lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits<const N: usize>;
        impl<const N: usize> Visitor<'_> for Digits<N> {
            type Value = Hex<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} lower-case hex digits", 2 * N)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex<N>, E> {
                let mut bytes = [0; N];
                decode_hex(text, &mut bytes)
                    .then_some(Hex(bytes))
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Reads exactly as many digits as fill `bytes`.
pub(crate) fn decode_hex(text: &str, bytes: &mut [u8]) -> bool {
    const NONE: u8 = 0xff;
    const VALUES: [u8; 256] = {
        let mut values = [NONE; 256];
        let mut value = 0;
        while value < 16 {
            values[b"0123456789abcdef"[value as usize] as usize] = value;
            value += 1;
        }
        values
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return false;
    }
    pairs.iter().zip(bytes).all(|([high, low], byte)| {
        let (high, low) = (VALUES[usize::from(*high)], VALUES[usize::from(*low)]);
        *byte = high << 4 | low & 15;
        (high | low) != NONE && high < 16 && low < 16
    })
}

/// A line is not one that a bundle may have. Nothing behind it can be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// Longer than [`LINE_BYTES_MAX`].
    #[error("a line of {0} bytes, at most {LINE_BYTES_MAX} are read")]
    TooLong(usize),
    /// Not JSON of this form.
    #[error("{0}")]
    Form(String),
    /// Neither a record nor a gap, or both.
    #[error("a line must be a record or a gap")]
    Kind,
    /// The entry's digits.
    #[error("position {0}: `entry` must be lower-case hex")]
    Digits(u64),
    /// The entry.
    #[error("position {position}: {problem}")]
    Entry {
        /// Where.
        position: u64,
        /// What is wrong.
        problem: annals_tree::entry::EntryError,
    },
    /// A gap that ends before it begins.
    #[error("a gap from {0} to {1}")]
    Gap(u64, u64),
}

/// A line that was read, and what it shows by itself.
#[derive(Clone, Debug)]
pub enum Checked {
    /// A record.
    Record(Box<RecordCheck>),
    /// Positions that are not in the bundle.
    Gap {
        /// The first of them.
        from: u64,
        /// The first after them.
        to: u64,
        /// The largest complete subtrees.
        nodes: Vec<Hash>,
    },
}

/// A record of which the units were checked against the entry.
#[derive(Clone, Debug)]
pub struct RecordCheck {
    /// Where.
    pub position: u64,
    /// What the log holds.
    pub entry: Entry,
    /// The hash of it.
    pub leaf: Hash,
    /// Of the units.
    pub shown: Shown,
    /// Units left out without a reason.
    pub withheld: u32,
    /// Units left out because an entry says that they were erased: number, and the entry's position.
    pub erased: Vec<(u32, u64)>,
    /// The entry that says that it expired.
    pub expired: Option<u64>,
    /// Why the units are not those of the entry.
    pub problem: Option<&'static str>,
}

/// How much of an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The entry alone.
    Entry,
    /// Units, all or some.
    Units,
}

/// A unit that is shown: its name and its value.
pub type UnitText<'a> = (Cow<'a, str>, Cow<'a, str>);

/// One unit of a record, in its place among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// With name and value.
    Shown(Cow<'a, str>, Cow<'a, str>),
    /// By its digest, with the position of the entry that is said to have erased it.
    Hidden(Option<u64>),
}

#[derive(Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw<'a> {
    position: Option<u64>,
    #[serde(borrow)]
    entry: Option<Cow<'a, str>>,
    secret: Option<Hex<16>>,
    #[serde(borrow)]
    units: Option<Vec<RawUnit<'a>>>,
    expired: Option<u64>,
    gap: Option<(u64, u64)>,
    nodes: Option<Vec<Hex<32>>>,
}

#[derive(Debug, PartialEq, Eq)]
enum RawUnit<'a> {
    /// Name, value and, where the record gives no secret, the salt.
    Shown(Cow<'a, str>, Cow<'a, str>, Option<Hex<16>>),
    /// The digest, and what erased the value.
    Hidden(Hex<32>, Option<u64>),
}

/// A string that is borrowed where it has no escapes.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(Texts)
    }
}

/// What may stand second in a unit.
enum Second<'a> {
    Value(Cow<'a, str>),
    By(u64),
}

impl<'de: 'a, 'a> Deserialize<'de> for Second<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seconds;
        impl<'de> Visitor<'de> for Seconds {
            type Value = Second<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a unit's value, or the position of an erasure")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Second<'de>, E> {
                Ok(Second::Value(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Second<'de>, E> {
                Ok(Second::Value(Cow::Owned(text.to_string())))
            }

            fn visit_u64<E: de::Error>(self, by: u64) -> Result<Second<'de>, E> {
                Ok(Second::By(by))
            }
        }
        deserializer.deserialize_any(Seconds)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawUnit<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Units;
        impl<'de> Visitor<'de> for Units {
            type Value = RawUnit<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("[name, value], [name, value, salt], [digest] or [digest, position]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<RawUnit<'de>, A::Error> {
                let Text(first) = parts.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                let unit = match parts.next_element::<Second<'de>>()? {
                    Some(Second::Value(value)) => RawUnit::Shown(first, value, parts.next_element()?),
                    second => {
                        let mut digest = [0; 32];
                        if !decode_hex(&first, &mut digest) {
                            return Err(de::Error::invalid_value(de::Unexpected::Str(&first), &self));
                        }
                        let by = match second {
                            Some(Second::By(by)) => Some(by),
                            _ => None,
                        };
                        RawUnit::Hidden(Hex(digest), by)
                    }
                };
                match parts.next_element::<de::IgnoredAny>()? {
                    None => Ok(unit),
                    Some(_) => Err(de::Error::custom("a unit with too many parts")),
                }
            }
        }
        deserializer.deserialize_seq(Units)
    }
}

/// Reads a line, without its end, and checks what it shows by itself. `each` is told of every unit that is shown and
/// belongs to the entry, once all are known to.
///
/// # Errors
///
/// The line has no form that is known. That units are not the entry's is no error: it is said in [`RecordCheck::problem`].
pub fn check_line(line: &[u8], each: &mut dyn FnMut(u64, &[UnitText<'_>])) -> Result<Checked, LineError> {
    check_parts(line, &mut |position, parts| {
        let shown = parts.into_iter().filter_map(|part| match part {
            Part::Shown(name, value) => Some((name, value)),
            Part::Hidden(_) => None,
        });
        each(position, &shown.collect::<Vec<_>>());
    })
}

/// As [`check_line`], where `each` is told of the hidden units too, all in their order.
///
/// # Errors
///
/// As of [`check_line`].
pub fn check_parts<'a>(
    line: &'a [u8],
    each: &mut dyn FnMut(u64, Vec<Part<'a>>),
) -> Result<Checked, LineError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong(line.len()));
    }
    // All at once: string by string it takes longer.
    let line = str::from_utf8(line).map_err(|error| LineError::Form(error.to_string()))?;
    let raw = match quick::read(line) {
        Some(raw) => raw,
        None => serde_json::from_str(line).map_err(|error| LineError::Form(error.to_string()))?,
    };
    match raw {
        Raw { position: Some(position), entry: Some(entry), gap: None, nodes: None, .. } => {
            let Raw { secret, units, expired, .. } = raw;
            let (entry, leaf) = read_entry(position, &entry)?;
            let mut check = RecordCheck {
                position,
                leaf,
                shown: if units.is_some() { Shown::Units } else { Shown::Entry },
                withheld: 0,
                erased: Vec::new(),
                expired,
                problem: None,
                entry,
            };
            match units {
                Some(units) => check.take_units(secret, units, each),
                None if secret.is_some() => check.problem = Some("a secret without units"),
                None => {}
            }
            Ok(Checked::Record(Box::new(check)))
        }
        Raw {
            gap: Some((from, to)),
            nodes: Some(nodes),
            position: None,
            entry: None,
            secret: None,
            units: None,
            expired: None,
        } => {
            if from >= to {
                return Err(LineError::Gap(from, to));
            }
            Ok(Checked::Gap { from, to, nodes: nodes.iter().map(|node| Hash(node.0)).collect() })
        }
        _ => Err(LineError::Kind),
    }
}

fn read_entry(position: u64, digits: &str) -> Result<(Entry, Hash), LineError> {
    let mut bytes = alloc::vec![0; digits.len() / 2];
    if !decode_hex(digits, &mut bytes) {
        return Err(LineError::Digits(position));
    }
    let entry = Entry::decode(&bytes).map_err(|problem| LineError::Entry { position, problem })?;
    Ok((entry, leaf_hash(&bytes)))
}

impl RecordCheck {
    fn take_units<'a>(
        &mut self,
        secret: Option<Hex<16>>,
        units: Vec<RawUnit<'a>>,
        each: &mut dyn FnMut(u64, Vec<Part<'a>>),
    ) {
        if self.entry.kind != EntryKind::Event {
            self.problem = Some("an entry of the log's own has no units");
            return;
        }
        let secret = secret.map(|secret| Secret::from_bytes(secret.0));
        let mut committer = Committer::new(secret.as_ref().unwrap_or(&Secret::from_bytes([0; 16])));
        let mut parts: Vec<Part<'_>> = Vec::with_capacity(units.len());
        let mut last: Option<usize> = None;
        for (number, unit) in units.into_iter().enumerate() {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            match unit {
                RawUnit::Hidden(digest, by) => {
                    // Who has the secret can guess at what is hidden.
                    if secret.is_some() {
                        self.problem = Some("a unit is hidden beside the secret that shows it");
                        return;
                    }
                    match by {
                        Some(by) => self.erased.push((number, by)),
                        None => self.withheld += 1,
                    }
                    committer.digest(&Hash(digest.0));
                    parts.push(Part::Hidden(by));
                }
                RawUnit::Shown(name, value, salt) => {
                    let before = last.and_then(|at| parts.get(at));
                    if before.is_some_and(|part| matches!(part, Part::Shown(last, _) if *last >= name)) {
                        self.problem = Some("units out of order");
                        return;
                    }
                    let fits = match (salt, &secret) {
                        // They are hashed when all are known.
                        (None, Some(_)) => name.len() <= UNIT_NAME_BYTES_MAX,
                        (Some(salt), None) => unit_digest(&salt.0, name.as_bytes(), value.as_bytes())
                            .map(|digest| committer.digest(&digest))
                            .is_ok(),
                        _ => {
                            self.problem = Some("a salt or a secret is needed, and only one of the two");
                            return;
                        }
                    };
                    if !fits {
                        self.problem = Some("a unit's name is too long");
                        return;
                    }
                    last = Some(parts.len());
                    parts.push(Part::Shown(name, value));
                }
            }
        }
        if secret.is_some() {
            let shown = parts.iter().filter_map(|part| match part {
                Part::Shown(name, value) => Some((name.as_bytes(), value.as_bytes())),
                Part::Hidden(_) => None,
            });
            committer.units(shown).expect("the lengths of their names were looked at");
        }
        if committer.finish() != self.entry.commitment {
            self.problem = Some("the event's values are not those that were recorded");
            return;
        }
        each(self.position, parts);
    }
}
