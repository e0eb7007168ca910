//! Events that are written by hand rather than drawn: the incidents, and people coming and going.

use super::event::{Event, Request, event_id};
use super::life::Life;
use super::people::Person;
use super::rng::Rng;
use super::tenants::TENANTS;

/// A written event: its object still open, so that its place in its source's sequence is given when it is told.
#[derive(Debug)]
pub(super) struct Beat {
    pub(super) at_us: i64,
    /// Index into [`TENANTS`].
    pub(super) tenant: usize,
    pub(super) open_json: Vec<u8>,
    pub(super) source: Option<BeatSource>,
}

/// The service that reports an event, by index, and which of its instances.
#[derive(Clone, Copy, Debug)]
pub(super) struct BeatSource {
    pub(super) service: usize,
    pub(super) instance: u32,
    /// How many numbers are missing before this one.
    pub(super) lost: u64,
}

/// Collects beats.
pub(super) struct Scene<'a> {
    lives: &'a [Life],
    pub(super) until_us: i64,
    pub(super) rng: Rng,
    beats: Vec<Beat>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(lives: &'a [Life], until_us: i64) -> Scene<'a> {
        Scene { lives, until_us, rng: Rng::new(0x7363_656e_6573), beats: Vec::new() }
    }

    pub(super) fn people(&self, tenant: usize) -> &'a [Person] {
        &self.lives[tenant].people
    }

    /// An event at `at_us` in the tenant with this index.
    pub(super) fn tell(&mut self, tenant: usize, at_us: i64, event: &Event) {
        self.tell_from(tenant, at_us, event, None);
    }

    /// The same, reported by a numbering source.
    pub(super) fn tell_from(&mut self, tenant: usize, at_us: i64, event: &Event, source: Option<BeatSource>) {
        let at_us = at_us + i64::from(self.rng.below(999_000));
        let id = event_id(TENANTS[tenant].ids, at_us, [self.rng.bits(), self.rng.bits()]);
        let open_json = event.write(at_us, &id, Vec::new()).into_bytes();
        self.beats.push(Beat { at_us, tenant, open_json, source });
    }

    pub(super) fn request<'r>(
        &mut self,
        method: &'r str,
        path: &'r str,
        status_code: u64,
    ) -> Option<Request<'r>> {
        Some(Request { id: self.rng.bits(), method, path, status_code })
    }

    pub(super) fn into_beats(self) -> Vec<Beat> {
        self.beats
    }
}
