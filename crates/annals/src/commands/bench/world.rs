//! Tenants, actors and targets. Of a tenant a few bytes are kept; who and what is in it follows from its seed and a number.

use super::calendar::{DAY_US, Moment};
use super::dice::{Dice, Ranks, among, choice, derive, mix};
use super::line::{decimal, hex, uuid};
use super::words::{
    ADJECTIVES, FAMILY_HEADS, FAMILY_TAILS, GIVEN_HEADS, GIVEN_TAILS, NOUNS, PLANS, REGIONS, SORTS,
};

/// An actor has about so many events.
const EVENTS_OF_ACTOR: u64 = 120;
const ACTORS_MIN: u64 = 3;
const ACTORS_MAX: u64 = 50_000;

/// A target has about so many events.
const EVENTS_OF_TARGET: u32 = 5;

/// People who work for several tenants under one address.
const PARTNERS: u32 = 400;

/// How a tenant's programs make ids of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdForm {
    UuidV7,
    UuidV4,
    Ulid,
    Prefixed,
}

/// How ids of people and things look at a tenant's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameForm {
    /// `usr_` and hexadecimal digits.
    Prefixed,
    Uuid,
    Number,
}

/// A customer, and the habits of its programs.
#[derive(Debug)]
pub(super) struct Tenant {
    pub(super) name: String,
    seed: u64,
    pub(super) id_form: IdForm,
    pub(super) name_form: NameForm,
    /// Which of the orders of members it writes.
    pub(super) order: u8,
    /// Times have microseconds.
    pub(super) micros: bool,
    /// Times have an offset of an hour.
    pub(super) east: bool,
    pub(super) traces: bool,
    pub(super) names_source: bool,
    pub(super) names_operation: bool,
    pub(super) names_category: bool,
    /// Says so too when all went well.
    pub(super) names_success: bool,
    pub(super) region: &'static str,
    pub(super) plan: &'static str,
    actors: u32,
    events: u32,
}

impl Tenant {
    /// The tenant of one rank, from 0, that will have about so many events.
    fn new(seed: u64, rank: u64, events: u64) -> Self {
        let seed = derive(seed, rank);
        let habit = |number: u64, per_mille: u32| among(derive(seed, number), per_mille);
        let id_form = match derive(seed, 1) % 20 {
            0..14 => IdForm::UuidV7,
            14..17 => IdForm::UuidV4,
            17..19 => IdForm::Ulid,
            _ => IdForm::Prefixed,
        };
        let name_form = match derive(seed, 2) % 10 {
            0..7 => NameForm::Prefixed,
            7..9 => NameForm::Uuid,
            _ => NameForm::Number,
        };
        let (adjective, noun) = (choice(derive(seed, 3), &ADJECTIVES), choice(derive(seed, 4), &NOUNS));
        let actors = (events / EVENTS_OF_ACTOR).clamp(ACTORS_MIN, ACTORS_MAX);
        Self {
            name: format!("{adjective}-{noun}-{:04}", rank + 1),
            seed,
            id_form,
            name_form,
            order: [0, 0, 0, 1, 2][usize::try_from(derive(seed, 5) % 5).expect("below five")],
            micros: habit(6, 120),
            east: habit(7, 50),
            traces: habit(8, 80),
            names_source: habit(9, 150),
            names_operation: habit(10, 300),
            names_category: habit(13, 850),
            names_success: habit(14, 600),
            region: choice(derive(seed, 11), &REGIONS),
            plan: choice(derive(seed, 12), &PLANS),
            actors: u32::try_from(actors).expect("bounded above"),
            events: 0,
        }
    }

    /// Who acts: one of the usual ones, mostly the same few; a guest who comes once; or a partner of several tenants.
    pub(super) fn actor(&self, seed: u64, dice: &mut Dice) -> Actor {
        match dice.below(1_000) {
            0..12 => Actor::new(derive(seed, 1 << 40 | u64::from(dice.skewed(PARTNERS))), ActorKind::Partner),
            12..30 => Actor::new(derive(self.seed, 1 << 41 | dice.bits() >> 40), ActorKind::Guest),
            30..130 => {
                let service = dice.skewed(1 + self.actors.ilog2());
                Actor::new(derive(self.seed, 1 << 42 | u64::from(service)), ActorKind::Service)
            }
            _ => Actor::new(derive(self.seed, u64::from(dice.skewed(self.actors))), ActorKind::Person),
        }
    }

    /// What is acted on: mostly something recent.
    pub(super) fn target(&self, kind: &str, dice: &mut Dice) -> Target {
        let made = self.events / EVENTS_OF_TARGET + 8;
        let index = u64::from(made - 1 - dice.skewed(made));
        let kind = kind.bytes().fold(0, |hash, byte| derive(hash, u64::from(byte)));
        Target { seed: derive(self.seed ^ kind, 1 << 43 | index) }
    }

    /// Events so far.
    pub(super) fn events(&self) -> u32 {
        self.events
    }

    pub(super) fn count(&mut self) {
        self.events = self.events.saturating_add(1);
    }

    /// Its domain, behind the `@`.
    fn domain(&self, to: &mut String) {
        to.push_str(self.name.trim_end_matches(|end: char| end.is_ascii_digit() || end == '-'));
        to.push_str(".example");
    }
}

/// All tenants.
#[derive(Debug)]
pub(super) struct Tenants {
    ranks: Option<Ranks>,
    all: Vec<Tenant>,
    next: usize,
}

impl Tenants {
    /// So many with sizes by rank.
    pub(super) fn skewed(seed: u64, count: u32, events: u64) -> Self {
        let ranks = Ranks::new(count);
        let all = (0..count).map(|rank| {
            let share = ranks.share(rank as usize, events);
            Tenant::new(seed, u64::from(rank), share)
        });
        Self { all: all.collect(), ranks: Some(ranks), next: 0 }
    }

    /// So many of one size, one after the other.
    pub(super) fn even(seed: u64, count: u32, events: u64) -> Self {
        let all = (0..count).map(|rank| Tenant::new(seed, u64::from(rank), events / u64::from(count)));
        Self { ranks: None, all: all.collect(), next: 0 }
    }

    /// Whose the next event is.
    pub(super) fn draw(&mut self, dice: &mut Dice) -> &mut Tenant {
        let index = match &self.ranks {
            Some(ranks) => ranks.draw(dice),
            None => {
                self.next = (self.next + 1) % self.all.len();
                self.next
            }
        };
        &mut self.all[index]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActorKind {
    Person,
    Guest,
    Partner,
    Service,
}

/// Somebody who acts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor {
    pub(super) seed: u64,
    pub(super) kind: ActorKind,
}

impl Actor {
    fn new(seed: u64, kind: ActorKind) -> Self {
        Self { seed, kind }
    }

    pub(super) fn id(&self, form: NameForm, to: &mut Vec<u8>) {
        let prefix = if self.kind == ActorKind::Service { "svc_" } else { "usr_" };
        write_id(form, prefix, mix(self.seed ^ 1), to);
    }

    /// The name at a moment: one in thirty changes the family name in the year.
    pub(super) fn name(&self, at: Moment, to: &mut String) {
        if self.kind == ActorKind::Service {
            to.push_str(choice(derive(self.seed, 2), &NOUNS));
            to.push_str(choice(derive(self.seed, 3), &["-sync", "-worker", "-bot", "-importer"]));
            return;
        }
        let changed = among(derive(self.seed, 4), 33) && at.of_year() / DAY_US > derive(self.seed, 5) % 365;
        let family = derive(self.seed, 8 + u64::from(changed));
        to.push_str(choice(derive(self.seed, 6), &GIVEN_HEADS).0);
        to.push_str(choice(derive(self.seed, 7), &GIVEN_TAILS).0);
        to.push(' ');
        to.push_str(choice(family, &FAMILY_HEADS).0);
        to.push_str(choice(mix(family), &FAMILY_TAILS).0);
    }

    /// The address, which a changed name does not change. Two of a name get a number.
    pub(super) fn email(&self, tenant: &Tenant, to: &mut String) {
        let family = derive(self.seed, 8);
        to.push_str(choice(derive(self.seed, 6), &GIVEN_HEADS).1);
        to.push_str(choice(derive(self.seed, 7), &GIVEN_TAILS).1);
        to.push('.');
        to.push_str(choice(family, &FAMILY_HEADS).1);
        to.push_str(choice(mix(family), &FAMILY_TAILS).1);
        if among(derive(self.seed, 10), 400) {
            to.push(char::from(b"23456789"[usize::try_from(derive(self.seed, 11) % 8).expect("a digit")]));
        }
        match self.kind {
            ActorKind::Partner => to.push_str("@partners.example"),
            ActorKind::Guest => to.push_str("@mail.example"),
            _ => {
                to.push('@');
                tenant.domain(to);
            }
        }
    }
}

/// Something that is acted on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    seed: u64,
}

impl Target {
    pub(super) fn id(&self, form: NameForm, kind: &str, to: &mut Vec<u8>) {
        let mut prefix = [b'_'; 4];
        prefix[..3].copy_from_slice(&kind.as_bytes()[..3]);
        let prefix = str::from_utf8(&prefix).expect("names of kinds are ASCII");
        write_id(form, prefix, mix(self.seed ^ 1), to);
    }

    /// How often it was renamed before a moment: one in eight is, every two months.
    pub(super) fn version(&self, at: Moment) -> u64 {
        if !among(derive(self.seed, 1), 125) {
            return 0;
        }
        (at.of_year() / DAY_US + derive(self.seed, 2) % 60) / 60
    }

    /// What it was called then. Names repeat, as they do.
    pub(super) fn name(&self, version: u64, to: &mut String) {
        let name = derive(self.seed, 16 + version);
        to.push_str(choice(name, &ADJECTIVES));
        to.push(' ');
        to.push_str(choice(mix(name), &NOUNS));
        if among(derive(name, 1), 700) {
            to.push(' ');
            to.push_str(choice(derive(name, 2), &SORTS));
        }
        if among(derive(name, 3), 250) {
            to.push(' ');
            to.push(char::from(b"123456789"[usize::try_from(derive(name, 4) % 9).expect("a digit")]));
        }
    }
}

fn write_id(form: NameForm, prefix: &str, seed: u64, to: &mut Vec<u8>) {
    match form {
        NameForm::Prefixed => {
            to.extend_from_slice(prefix.as_bytes());
            hex(seed, 14, to);
        }
        NameForm::Uuid => uuid(4, seed, mix(seed), to),
        NameForm::Number => decimal(100_000 + seed % 90_000_000, to),
    }
}
