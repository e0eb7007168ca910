//! What a tenant keeps: videos, invoices, records. A thing's id and name follow from its number; only what changes is kept.

use super::rng::{Rng, mix};
use super::tenants::{Change, Kind, Naming, STAGES, Tenant};

/// Something acted upon.
#[derive(Debug)]
pub(super) struct Thing {
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) name: String,
    /// Its place among its kind.
    pub(super) number: usize,
    /// When changed: the value before.
    pub(super) before: String,
    /// When changed: the value after.
    pub(super) after: String,
}

impl Thing {
    pub(super) fn new(kind: &'static str, id: String, name: String, number: usize) -> Thing {
        Thing { kind, id, name, number, before: String::new(), after: String::new() }
    }
}

/// All things of one tenant.
#[derive(Debug)]
pub(super) struct Things {
    tenant: &'static Tenant,
    begin_us: i64,
    year_us: i64,
    /// Per kind and number: how often the name, and how often the other member has changed.
    revisions: Vec<Vec<[u8; 2]>>,
    /// Per setting: how often it has changed.
    settings: Vec<usize>,
}

/// How many things around their own place people mostly work on.
const NEIGHBOURHOOD: usize = 40;

impl Things {
    pub(super) fn new(tenant: &'static Tenant, begin_us: i64, until_us: i64) -> Things {
        Things {
            tenant,
            begin_us,
            year_us: until_us - begin_us,
            revisions: tenant.kinds.iter().map(|kind| vec![[0; 2]; kind.count as usize]).collect(),
            settings: vec![0; tenant.settings.len()],
        }
    }

    /// One thing of a kind, among those there are by `at_us`, near to what its owner works on.
    pub(super) fn one_of(&self, rng: &mut Rng, at_us: i64, kind: usize, owner: Option<usize>) -> Thing {
        let spec = &self.tenant.kinds[kind];
        let count = self.count(spec, at_us);
        let number = match owner {
            Some(owner) if rng.chance(850) => (owner * 61 + rng.index(NEIGHBOURHOOD)) % count,
            // The newest are asked for most.
            _ => count - 1 - rng.index(count).min(rng.index(count)),
        };
        let id =
            format!("{}{:010x}", spec.prefix, mix(self.tenant.seed ^ (kind << 32 | number) as u64) >> 24);
        Thing::new(spec.name, id, self.name(kind, number), number)
    }

    /// Does to the thing what `change` says and remembers it.
    pub(super) fn change(&mut self, kind: usize, thing: &mut Thing, change: Change) {
        let number = thing.number;
        let [renamed, cycled] = &mut self.revisions[kind][number];
        match change {
            Change::Rename => {
                *renamed = renamed.wrapping_add(1);
                thing.before = std::mem::take(&mut thing.name);
                thing.name = self.name(kind, number);
                thing.after.clone_from(&thing.name);
            }
            Change::Cycle(_, values) => {
                let (before, after) = step(values, usize::from(*cycled));
                *cycled = u8::try_from((usize::from(*cycled) + 1) % values.len()).expect("cycles are short");
                (thing.before, thing.after) = (before, after);
            }
            Change::None | Change::Setting => {}
        }
    }

    /// One of the tenant's settings; moved on to its next value when `changed`.
    pub(super) fn setting(&mut self, rng: &mut Rng, changed: bool) -> Thing {
        let number = rng.index(self.tenant.settings.len());
        let setting = &self.tenant.settings[number];
        let mut thing = Thing::new("setting", setting.name.to_owned(), setting.name.to_owned(), number);
        (thing.before, thing.after) = step(setting.values, self.settings[number]);
        if changed {
            self.settings[number] += 1;
        }
        thing
    }

    /// Two fifths of the things are there from the start, the rest come evenly over the year.
    fn count(&self, kind: &Kind, at_us: i64) -> usize {
        let all = i64::from(kind.count);
        let count = all * 2 / 5 + (all * 3 / 5) * (at_us - self.begin_us) / self.year_us;
        usize::try_from(count).expect("the story begins at `begin_us`").clamp(1, kind.count as usize)
    }

    fn name(&self, kind: usize, number: usize) -> String {
        match &self.tenant.kinds[kind].naming {
            Naming::Number { prefix, from } => format!("{prefix}{}", *from as usize + number),
            Naming::Words { first, second } => words(first, second, number),
            Naming::Staged { first, second } => {
                let stage = STAGES[usize::from(self.revisions[kind][number][0]) % STAGES.len()];
                format!("{} ({stage})", words(first, second, number))
            }
        }
    }
}

fn words(first: &[&str], second: &[&str], number: usize) -> String {
    let round = number / (first.len() * second.len());
    let (first, second) = (first[number % first.len()], second[number / first.len() % second.len()]);
    if round == 0 { format!("{first}{second}") } else { format!("{first}{second} #{}", round + 1) }
}

fn step(values: &[&str], at: usize) -> (String, String) {
    (values[at % values.len()].to_owned(), values[(at + 1) % values.len()].to_owned())
}
