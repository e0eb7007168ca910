//! Events that are meant to hurt, each in its own way.
//!
//! | shape | what is bad about it |
//! |---|---|
//! | `distinct` | 20 members, and no value comes twice, in any of them |
//! | `shapes` | 10,000 skeletons: each event leaves out other members than the one before, members in `metadata` too |
//! | `large` | 256 KiB an event, words in `metadata.body` |
//! | `targets` | 1,000 targets an event, half of their ids new |
//! | `keys` | five members in `metadata` with names that never come again |
//! | `giant` | everyday events, all of one tenant |
//! | `tenants` | everyday events of 100,000 tenants, one after the other: ten each in a million |
//! | `late` | everyday events whose times lie back by an even part of a year |

use super::calendar::Calendar;
use super::dice::{Dice, derive};
use super::everyday::address;
use super::line::{Line, decimal, hex, uuid};
use super::words::{ADJECTIVES, NOUNS, SORTS};

/// Skeletons of `shapes`.
const SKELETONS: u64 = 10_000;

/// Bytes of a `large` event; the most that a server takes is 262,144.
const LARGE_BYTES: usize = 262_000;

const TARGETS: u64 = 1_000;

/// Tenants of the shapes that are not about tenants.
const TENANTS: u64 = 10;

/// A shape that is put together here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hostile {
    Distinct,
    Shapes,
    Large,
    Targets,
    Keys,
}

/// Makes one event after the other.
#[derive(Debug)]
pub(super) struct Maker {
    hostile: Hostile,
    calendar: Calendar,
}

impl Maker {
    pub(super) fn new(hostile: Hostile, seed: u64) -> Self {
        Self { hostile, calendar: Calendar::new(seed) }
    }

    /// Writes the event of one number of `count`.
    pub(super) fn write(&mut self, number: u64, count: u64, dice: &mut Dice, line: &mut Line) {
        let at = self.calendar.moment(number, count, dice);
        let begins = line.bytes().len();
        line.open();
        line.name("id").plain(|to| uuid(7, at.unix_ms() << 16 | dice.bits() >> 52, dice.bits(), to));
        line.name("tenant").plain(|to| {
            to.extend_from_slice(b"hostile-");
            decimal(dice.bits() % TENANTS, to);
        });
        line.name("occurred_at").plain(|to| self.calendar.write(at, true, false, to));
        match self.hostile {
            Hostile::Distinct => distinct(dice, line),
            Hostile::Shapes => shaped(derive(number % SKELETONS, 1), number % SKELETONS, dice, line),
            Hostile::Large => {
                usual(number, line);
                line.name("metadata").open();
                line.name("body").plain(|to| {
                    while to.len() - begins < LARGE_BYTES {
                        to.extend_from_slice(word(dice).as_bytes());
                        to.push(b' ');
                        if dice.per_mille(50) {
                            hex(dice.bits(), 12, to);
                            to.push(b' ');
                        }
                    }
                });
                line.close();
            }
            Hostile::Targets => {
                usual(number, line);
                line.name("targets").open_array();
                for _ in 0..TARGETS {
                    line.open();
                    line.name("type").text(dice.pick(&["video", "folder", "comment"]));
                    let id = if dice.per_mille(500) { dice.bits() } else { derive(dice.bits() % 20_000, 2) };
                    line.name("id").plain(|to| hex(id, 14, to));
                    line.name("name").text(word(dice));
                    line.close();
                }
                line.close_array();
            }
            Hostile::Keys => {
                usual(number, line);
                line.name("metadata").open();
                for _ in 0..5 {
                    let mut key = Vec::from(*b"k_");
                    hex(dice.bits(), 14, &mut key);
                    let key = str::from_utf8(&key).expect("hexadecimal digits are ASCII");
                    line.name(key).text(word(dice));
                }
                line.close();
            }
        }
        line.close();
        line.end();
    }
}

fn word(dice: &mut Dice) -> &'static str {
    match dice.below(3) {
        0 => dice.pick(&ADJECTIVES),
        1 => dice.pick(&NOUNS),
        _ => dice.pick(&SORTS),
    }
}

/// Members that are nothing special.
fn usual(number: u64, line: &mut Line) {
    line.name("action").text(["video.update", "video.view", "folder.move"][usize::from(number % 7 > 3)]);
    line.name("actor").open();
    line.name("type").text("user");
    line.name("id").plain(|to| {
        to.extend_from_slice(b"usr_");
        hex(derive(number % 997, 3), 8, to);
    });
    line.close();
    line.name("description").text(NOUNS[usize::try_from(derive(number, 4) % 64).expect("below 64")]);
}

/// No value twice.
fn distinct(dice: &mut Dice, line: &mut Line) {
    let mut fresh = |line: &mut Line, name: &str, digits: u32| {
        let bits = dice.bits();
        line.name(name).plain(|to| hex(bits, digits, to));
    };
    fresh(line, "action", 10);
    fresh(line, "category", 11);
    fresh(line, "description", 16);
    line.name("actor").open();
    for name in ["type", "id", "name", "email"] {
        fresh(line, name, 13);
    }
    line.close();
    line.name("targets").open_array();
    line.open();
    for name in ["type", "id", "name"] {
        fresh(line, name, 14);
    }
    line.close();
    line.close_array();
    line.name("context").open();
    fresh(line, "user_agent", 16);
    fresh(line, "session_id", 16);
    let seed = dice.bits();
    line.name("ip").plain(|to| address(seed, to));
    line.close();
    let mut fresh = |line: &mut Line, name: &str| {
        let bits = dice.bits();
        line.name(name).plain(|to| hex(bits, 15, to));
    };
    line.name("request").open();
    for name in ["id", "method", "path"] {
        fresh(line, name);
    }
    line.close();
    line.name("changes").open();
    for name in ["before", "after"] {
        line.name(name).open();
        fresh(line, "title");
        line.close();
    }
    line.close();
    line.name("metadata").open();
    for name in ["a", "b", "c"] {
        fresh(line, name);
    }
    line.name("n").number(dice.bits() >> 11);
    line.close();
}

/// Each bit of `skeleton` says whether a member is there.
fn shaped(which: u64, skeleton: u64, dice: &mut Dice, line: &mut Line) {
    const OPTIONAL: [&str; 7] = ["m0", "m1", "m2", "m3", "m4", "m5", "m6"];
    let has = |bit: u32| skeleton >> bit & 1 == 1;
    line.name("action").text("video.update");
    line.name("actor").open();
    line.name("id").plain(|to| {
        to.extend_from_slice(b"usr_");
        hex(derive(dice.bits() % 997, 3), 8, to);
    });
    if has(0) {
        line.name("type").text("user");
    }
    if has(1) {
        line.name("name").text(word(dice));
    }
    line.close();
    for (bit, name) in [(2, "description"), (3, "category"), (4, "reason"), (5, "severity")] {
        if has(bit) {
            line.name(name).text(word(dice));
        }
    }
    if has(6) {
        line.name("context").open();
        line.name("session_id").plain(|to| hex(which ^ (dice.bits() % 50), 16, to));
        line.close();
    }
    line.name("metadata").open();
    for (bit, name) in (7..).zip(OPTIONAL) {
        if has(bit) {
            line.name(name).open();
            line.name("v").number(dice.bits() % 1_000);
            line.close();
        }
    }
    line.close();
}
