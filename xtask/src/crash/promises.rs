//! What the server was heard to promise, compared with what it has.

use std::collections::BTreeMap;

use annals_tree::tile::{TileKind, decode_tile, hash_tiles};
use serde::Deserialize;

use super::load::{Acknowledged, Event, Request, Sent, TENANTS};
use crate::api::{self, Seen};
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::{Binary, Instance};
use crate::rng::Rng;

/// Inclusion proofs checked for each tenant after each round.
const PROOFS: u64 = 20;

/// All promises of a run.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    tenants: [Tenant; TENANTS.len()],
    lost: Vec<Request>,
}

#[derive(Debug, Default)]
struct Tenant {
    /// The last checkpoint anybody saw.
    seen: Option<Seen>,
    /// By marker: where an event was acknowledged to be.
    acknowledged: BTreeMap<String, Acknowledged>,
    /// By position: the marker of each record read back; none for annals' own records.
    records: Vec<Option<String>>,
    /// By marker: where its record was read back.
    found: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Record {
    position: u64,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    marker: Option<String>,
}

impl Promises {
    /// The checkpoints to be extended.
    pub(crate) fn seen(&self) -> Vec<Option<Seen>> {
        self.tenants.iter().map(|tenant| tenant.seen.clone()).collect()
    }

    /// How many records were read back.
    pub(crate) fn records(&self) -> usize {
        self.tenants.iter().map(|tenant| tenant.records.len()).sum()
    }

    /// Remembers what a round was told.
    pub(crate) fn add(&mut self, sent: Sent) -> Result<()> {
        for (tenant, seen) in self.tenants.iter_mut().zip(sent.seen) {
            tenant.seen = seen;
        }
        for connection in sent.answered {
            self.remember(connection)?;
        }
        self.lost.extend(sent.lost);
        Ok(())
    }

    /// Remembers what one connection was told, request after request.
    fn remember(&mut self, requests: Vec<Request>) -> Result<()> {
        let mut last = [None; TENANTS.len()];
        for event in requests.into_iter().flat_map(|request| request.events) {
            let Event { tenant, marker, place: Some(place) } = event else {
                fail!("event {} was answered without a place", event.marker);
            };
            // Whoever waits for an answer before sending the next event sees its own order.
            require!(
                last[tenant].is_none_or(|last| last < place.position),
                "{}: event {marker} was acknowledged at {} behind {:?}",
                TENANTS[tenant],
                place.position,
                last[tenant]
            );
            last[tenant] = Some(place.position);
            self.tenants[tenant].acknowledged.insert(marker, place);
        }
        Ok(())
    }

    /// Compares every promise with what the server has; `whole` reads it all again.
    pub(crate) fn check(&mut self, server: &Instance, rng: &mut Rng, whole: bool) -> Result<()> {
        let mut client = server.client();
        for (name, tenant) in TENANTS.iter().zip(&mut self.tenants) {
            tenant.read(&mut client, name, whole)?;
        }
        for mut request in std::mem::take(&mut self.lost) {
            require!(request.send(&mut client)?, "a request that was sent again was not answered");
            self.remember(vec![request])?;
        }
        for (name, tenant) in TENANTS.iter().zip(&mut self.tenants) {
            tenant.read(&mut client, name, false)?;
            tenant.check_places(name)?;
            tenant.check_proofs(&mut client, name, rng)?;
        }
        Ok(())
    }

    /// Compares every acknowledged leaf with those that `annals publish` writes.
    pub(crate) fn check_leaves(&self, binary: &Binary, server: &Instance) -> Result<()> {
        for (name, tenant) in TENANTS.iter().zip(&self.tenants) {
            let folder = tempfile::tempdir().while_doing("temporary folder")?;
            binary.publish(server, name, folder.path())?;
            let mut leaves = Vec::new();
            let size = tenant.records.len() as u64;
            for tile in hash_tiles(size).filter(|tile| tile.kind() == TileKind::Hashes(0)) {
                let bytes = std::fs::read(folder.path().join(tile.to_string())).while_doing(tile)?;
                leaves.extend(decode_tile(&bytes, tile.width()).while_doing(tile)?);
            }
            for (marker, place) in &tenant.acknowledged {
                let leaf = usize::try_from(place.position).ok().and_then(|position| leaves.get(position));
                require!(
                    leaf == Some(&api::hash(&place.leaf)?),
                    "{name}: event {marker}, position {}: acknowledged leaf {}, published leaf {leaf:?}",
                    place.position,
                    place.leaf
                );
            }
        }
        Ok(())
    }
}

impl Tenant {
    /// Reads the records not read yet, or all again, which must be as they were.
    fn read(&mut self, client: &mut Client, name: &str, whole: bool) -> Result<()> {
        let from = if whole { 0 } else { self.records.len() };
        // A tenant exists from its first event on, which may not have survived the first kill.
        if from == 0 && !exists(client, name)? {
            require!(
                self.acknowledged.is_empty(),
                "{name}: events were acknowledged, but the tenant does not exist"
            );
            return Ok(());
        }
        for (index, record) in api::feed(client, name, from as u64)?.iter().enumerate() {
            let position = from + index;
            let record: Record =
                serde_json::from_str(record.get()).while_doing(format!("{name}: record {position}"))?;
            require!(record.position == position as u64, "{name}: {} stands at {position}", record.position);
            let marker = record.metadata.marker;
            match self.records.get(position) {
                Some(known) => {
                    require!(*known == marker, "{name}: record {position} was {known:?}, is {marker:?}")
                }
                None => self.add(name, record.position, marker)?,
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, position: u64, marker: Option<String>) -> Result<()> {
        if let Some(marker) = &marker
            && let Some(first) = self.found.insert(marker.clone(), position)
        {
            fail!("{name}: event {marker} is there twice, at {first} and {position}");
        }
        self.records.push(marker);
        Ok(())
    }

    fn check_places(&self, name: &str) -> Result<()> {
        for (marker, place) in &self.acknowledged {
            let found = self.found.get(marker);
            require!(
                found == Some(&place.position),
                "{name}: event {marker} was acknowledged at {}, but is at {found:?}",
                place.position
            );
        }
        Ok(())
    }

    /// The last checkpoint is extended, and acknowledged leaves are under the new one.
    fn check_proofs(&mut self, client: &mut Client, name: &str, rng: &mut Rng) -> Result<()> {
        if self.records.is_empty() {
            return Ok(());
        }
        let new = match &self.seen {
            Some(seen) => api::extended(client, name, seen)?,
            None => {
                let key = api::log_key(client, name)?;
                api::checkpoint(client, name, &key.parse().while_doing(&key)?)?
            }
        };
        require!(
            new.head.size == self.records.len() as u64,
            "{name}: the checkpoint has size {}, the feed {}",
            new.head.size,
            self.records.len()
        );
        for _ in 0..PROOFS {
            let Some(marker) = &self.records[usize::try_from(rng.below(new.head.size)).expect("an index")]
            else {
                continue;
            };
            let place = &self.acknowledged[marker];
            api::included(client, name, &new, place.position, &place.leaf)?;
        }
        self.seen = Some(new);
        Ok(())
    }
}

fn exists(client: &mut Client, name: &str) -> Result<bool> {
    let path = format!("/v1/log?tenant={name}");
    Ok(client.get(&path).while_doing(&path)?.status != 404)
}
