//! The year as a stream: so many events for every hour, in the order of their times.
//!
//! The year is cut into hours. Each hour gets its share of all events for every tenant, by the tenant's clock, weekday,
//! growth and size; their times are drawn and sorted, the beats of the incidents are laid between them, and only then
//! is each event made up. So at any time one hour is held, and the stories' few beats.

use super::calendar::{DAY_US, HOUR_US, LocalTime, STORY_DAYS, local_time};
use super::incidents;
use super::json::Json;
use super::life::Life;
use super::rng::{Rng, mix};
use super::scene::{Beat, BeatSource, Scene};
use super::tenants::{INSTANCES_MAX, TENANTS, Tenant};
use super::turnover;

/// One event, as a client of `tenant` would send it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DemoEvent {
    pub(crate) tenant: &'static str,
    /// Microseconds since 1970, UTC; the same instant as `occurred_at` in `json`.
    pub(crate) occurred_at_us: i64,
    /// One JSON object in UTF-8, without `tenant` and without line breaks.
    pub(crate) json: Vec<u8>,
}

/// The ids of the story's tenants.
pub(crate) fn tenant_ids() -> [&'static str; 3] {
    TENANTS.map(|tenant| tenant.id)
}

/// A year of events of three invented companies, ending at `until`.
///
/// `until` is in microseconds since 1970 UTC and best a midnight: the stories' hours count back from it. Yields exactly
/// `total` events, not two with the same id, in the order of their times, all after `until` less 365 days and before
/// `until`. The same arguments give the same bytes, on every machine. When `total` is too small for all stories
/// (a few thousand), only the latest of their events are told.
pub(crate) fn story(until: i64, total: u64) -> Story {
    Story::new(until, total)
}

/// Iterates over the events; see [`story`].
#[derive(Debug)]
pub(crate) struct Story {
    begin_us: i64,
    lives: Vec<Life>,
    rng: Rng,
    /// Latest first, so that the next is popped.
    beats: Vec<Beat>,
    /// Per tenant.
    quotas: Vec<Quota>,
    hour: i64,
    /// The hour's ordinary events, latest first: time, tenant, whether a person acts.
    slots: Vec<(i64, usize, bool)>,
    /// Per tenant: per service and instance, the next number.
    sequences: Vec<Vec<u64>>,
}

impl Story {
    fn new(until: i64, total: u64) -> Story {
        let begin_us = until - STORY_DAYS * DAY_US;
        let lives: Vec<Life> = TENANTS.iter().map(|tenant| Life::new(tenant, begin_us, until)).collect();
        let mut scene = Scene::new(&lives, until);
        incidents::tell(&mut scene);
        turnover::tell(&mut scene, begin_us);
        let mut beats = scene.into_beats();
        beats.retain(|beat| begin_us < beat.at_us && beat.at_us < until);
        beats.sort_by_key(|beat| std::cmp::Reverse((beat.at_us, beat.tenant)));
        beats.truncate(usize::try_from(total).unwrap_or(usize::MAX));
        let ordinary = total - beats.len() as u64;
        Story {
            begin_us,
            rng: Rng::new(0x686f_7572),
            quotas: Quota::of_all(begin_us, ordinary),
            hour: 0,
            slots: Vec::new(),
            sequences: TENANTS.iter().map(|tenant| first_numbers(tenant)).collect(),
            lives,
            beats,
        }
    }

    fn plan_hour(&mut self) {
        let hour_us = self.begin_us + self.hour * HOUR_US;
        for (index, tenant) in TENANTS.iter().enumerate() {
            let busy = Busy::at(tenant, self.begin_us, self.hour);
            for _ in 0..self.quotas[index].take(&busy) {
                let in_hour_us = 1 + i64::from(self.rng.below(3_600_000_000 - 1));
                let human = self.rng.below(busy.people + busy.machines) < busy.people;
                self.slots.push((hour_us + in_hour_us, index, human));
            }
        }
        self.slots.sort_unstable_by(|a, b| b.cmp(a));
        self.hour += 1;
    }

    fn tell_beat(&mut self, beat: Beat) -> DemoEvent {
        let mut json = Json::resume(beat.open_json);
        if let Some(source) = beat.source {
            self.number(&mut json, beat.at_us, beat.tenant, source);
        }
        json.close();
        DemoEvent { tenant: TENANTS[beat.tenant].id, occurred_at_us: beat.at_us, json: json.into_bytes() }
    }

    fn tell_ordinary(&mut self, at_us: i64, tenant: usize, human: bool) -> DemoEvent {
        let life = &mut self.lives[tenant];
        let mut told = if human { life.human_event(at_us) } else { life.robot_event(at_us) };
        if let Some((service, instance)) = told.source {
            self.number(&mut told.json, at_us, tenant, BeatSource { service, instance, lost: 0 });
        }
        told.json.close();
        let buffer = told.json.into_bytes();
        let json = buffer.as_slice().to_vec();
        self.lives[tenant].recycle(buffer);
        DemoEvent { tenant: TENANTS[tenant].id, occurred_at_us: at_us, json }
    }

    /// Gives the event the next number of its source.
    fn number(&mut self, json: &mut Json, at_us: i64, tenant: usize, source: BeatSource) {
        let service = &TENANTS[tenant].services[source.service];
        let next =
            &mut self.sequences[tenant][source.service * INSTANCES_MAX as usize + source.instance as usize];
        *next += source.lost;
        let week = (at_us - self.begin_us) / (7 * DAY_US);
        json.open("source");
        json.text("name", service.name);
        json.text("version", &format!("{}.{week}.0", service.major));
        json.text("instance", &format!("{}-{}", service.name, source.instance + 1));
        json.integer("seq", *next);
        json.close();
        *next += 1;
    }
}

impl Iterator for Story {
    type Item = DemoEvent;

    fn next(&mut self) -> Option<DemoEvent> {
        while self.slots.is_empty() && self.hour < STORY_DAYS * 24 {
            self.plan_hour();
        }
        let beat_at_us = self.beats.last().map_or(i64::MAX, |beat| beat.at_us);
        match self.slots.last().copied() {
            Some((at_us, tenant, human)) if at_us < beat_at_us => {
                self.slots.pop();
                Some(self.tell_ordinary(at_us, tenant, human))
            }
            _ => self.beats.pop().map(|beat| self.tell_beat(beat)),
        }
    }
}

/// Sources were counting long before the year began.
fn first_numbers(tenant: &Tenant) -> Vec<u64> {
    let slots = tenant.services.len() * INSTANCES_MAX as usize;
    (0..slots).map(|slot| 1 + mix(tenant.seed ^ slot as u64) % 400_000).collect()
}

/// How busy one tenant is in one hour: its people and its machines, as weights against all other hours.
#[derive(Debug)]
struct Busy {
    people: u32,
    machines: u32,
}

impl Busy {
    fn weight(&self) -> u64 {
        u64::from(self.people + self.machines)
    }

    fn at(tenant: &Tenant, begin_us: i64, hour: i64) -> Busy {
        let local = local_time(begin_us + hour * HOUR_US, tenant.utc_offset_hours);
        let day = u32::try_from(hour / 24).expect("the year's days are few");
        // From 0.6 to 1.4 of the year's mean, up and down a little from day to day.
        let growth = 600 + 800 * day / 365;
        let mut weather = Rng::new(tenant.seed ^ u64::from(day));
        let mood = 85 + weather.below(31);
        let people =
            tenant.weekdays[local.weekday] * tenant.hours[local.hour] * holiday(local) * mood / 100 / 100;
        Busy { people: people * growth / 1000, machines: tenant.machines * growth / 10 }
    }
}

/// Hundredths of the usual work done around the turn of the year.
fn holiday(local: LocalTime) -> u32 {
    match (local.month, local.day) {
        (12, 24..) | (1, 1) => 25,
        (1, 2..=5) => 60,
        _ => 100,
    }
}

/// Hands out one tenant's events in proportion to its hours' weights, without a remainder in the end.
#[derive(Debug)]
struct Quota {
    total: u64,
    weights_total: u64,
    weights_seen: u64,
    taken: u64,
}

impl Quota {
    /// Each tenant's share of `total`; what rounding leaves goes to the first.
    fn of_all(begin_us: i64, total: u64) -> Vec<Quota> {
        let mut quotas: Vec<Quota> = TENANTS
            .iter()
            .map(|tenant| Quota {
                total: total / 100 * u64::from(tenant.share),
                weights_total: (0..STORY_DAYS * 24)
                    .map(|hour| Busy::at(tenant, begin_us, hour).weight())
                    .sum(),
                weights_seen: 0,
                taken: 0,
            })
            .collect();
        let given: u64 = quotas.iter().map(|quota| quota.total).sum();
        quotas[0].total += total - given;
        quotas
    }

    /// How many events the next hour gets.
    fn take(&mut self, busy: &Busy) -> u64 {
        self.weights_seen += busy.weight();
        let due = u128::from(self.total) * u128::from(self.weights_seen) / u128::from(self.weights_total);
        let due = u64::try_from(due).expect("a part of the total");
        let count = due - self.taken;
        self.taken = due;
        count
    }
}
