//! What policies make of batches: classes, refusals, and how far policies were carried out.

use std::sync::Arc;

use annals_event::{TenantId, Timestamp};
use serde::Deserialize;

use super::{InHand, Outcome, Refusal, State};
use crate::batch::{BatchTenant, Item, Records};
use crate::clock_guard::CLOCK_AHEAD_US_MAX;
use crate::control::Control;
use crate::erasure::ErasureStage;
use crate::keys::Keys;
use crate::policy::{ExpiryStated, Life, LifeError};

#[derive(Deserialize)]
struct Event<T> {
    metadata: T,
}

/// Of an erasure.
#[derive(Deserialize)]
struct Planned {
    case: String,
    /// Only where it is ordered; older programs did not say it.
    policy: Option<u64>,
}

#[derive(Deserialize)]
struct Told {
    version: u64,
}

impl State {
    /// What is said of how long records of a batch's tenants live; nothing where that is said of no tenant.
    pub(super) fn lives_of(&self, tenants: &[BatchTenant]) -> Vec<Option<Arc<Life>>> {
        let keys = self.keys.read().expect("no holder of this lock panics");
        if keys.policies.lives_for_ever() {
            return Vec::new();
        }
        tenants.iter().map(|tenant| keys.policies.life(&tenant.id).cloned()).collect()
    }

    /// The outcomes of an all-or-nothing batch that has events of a tenant that ended.
    pub(super) fn refuse_ended(records: &Records, lives: &[Option<Arc<Life>>]) -> Option<Vec<Outcome>> {
        let ended = |item: &Item| is_ended(lives, item);
        (records.atomic && records.items.iter().any(ended))
            .then(|| vec![Outcome::Refused(Refusal::TenantEnded); records.items.len()])
    }

    /// Why a change of policies cannot be made.
    pub(super) fn refuse_policy(&self, control: &Control, at: Timestamp) -> Option<Refusal> {
        let mut life = self.life(control.policy_of()?).map_or_else(Life::default, |life| (*life).clone());
        match changed(&mut life, control, at) {
            Ok(()) => None,
            Err(LifeError::Ended) => Some(Refusal::TenantEnded),
            Err(_) => Some(Refusal::Policy),
        }
    }

    /// Makes a change of policies that was not refused.
    pub(super) fn apply_policy(keys: &mut Keys, control: &Control, at: Timestamp) {
        let Some(tenant) = control.policy_of() else { return };
        if let Control::TenantEnded { tenant } = control {
            keys.end_tenant(tenant, at);
        }
        let changed = changed(keys.policies.life_mut(tenant), control, at);
        debug_assert_eq!(changed, Ok(()), "it would have been refused");
    }

    /// What a statement of kind 3 changes, or why it is not stored.
    pub(super) fn apply_expiry(&mut self, log: u32, event: &[u8], at: Timestamp) -> Option<Refusal> {
        let log = &self.logs[log as usize];
        let mut keys = self.keys.write().expect("no holder of this lock panics");
        keys.policies.life(&log.tenant)?;
        let Ok(Event::<ExpiryStated> { metadata }) = serde_json::from_slice(event) else {
            return Some(Refusal::Outdated);
        };
        let may = keys.policies.life_mut(log.tenant.as_str()).expire(log.kind, &metadata, at.as_micros());
        (!may).then_some(Refusal::Outdated)
    }

    /// Why a statement of kind 2 is not stored: it was planned under other holds than there are now, or its case is not to be carried
    /// out any more. One that does not say under which is stored, as those of older programs were.
    pub(super) fn refuse_erasure(&self, log: u32, event: &[u8]) -> Option<Refusal> {
        let log = &self.logs[log as usize];
        let keys = self.keys.read().expect("no holder of this lock panics");
        let planned = serde_json::from_slice::<Event<Planned>>(event).ok()?.metadata;
        let planned_under = planned.policy?;
        let version = keys.policies.life(&log.tenant).map_or(0, |life| life.version());
        let is_given_up = keys
            .policies
            .erasures
            .get(&planned.case)
            .is_some_and(|case| case.stage == ErasureStage::Withdrawn);
        (is_given_up || planned_under != version).then_some(Refusal::Outdated)
    }

    /// What a statement of kind 4 changes.
    pub(super) fn apply_told(&mut self, log: u32, event: &[u8], at: Timestamp) {
        let log = &self.logs[log as usize];
        let mut keys = self.keys.write().expect("no holder of this lock panics");
        if let (Some(_), Ok(Event::<Told> { metadata })) =
            (keys.policies.life(&log.tenant), serde_json::from_slice(event))
        {
            keys.policies.life_mut(log.tenant.as_str()).told(metadata.version, at.as_micros());
        }
    }

    /// What was said of how long a tenant's records live.
    pub(crate) fn life(&self, tenant: &str) -> Option<Arc<Life>> {
        let tenant = TenantId::from_stored(tenant).ok()?;
        self.keys.read().expect("no holder of this lock panics").policies.life(&tenant).cloned()
    }

    /// What the clock at a start is held against where that is not the newest stored time, µs since 1970, and whether it is too far
    /// ahead to let records expire. What was stored under a clock that was doubted, or was put right since, does not vouch for one.
    pub(crate) fn clock_known(&self, now: Timestamp) -> (Option<i64>, bool) {
        let keys = self.keys.read().expect("no holder of this lock panics");
        let Some(newest) = self.newest() else { return (None, false) };
        let known = keys.policies.clock_known_us.unwrap_or(newest.as_micros());
        let is_ahead = now.as_micros().saturating_sub(known) > CLOCK_AHEAD_US_MAX;
        if is_ahead {
            // Also where nothing expires: rules may come a moment later.
            return (Some(known), true);
        }
        let was_put_right = newest.as_micros().saturating_sub(now.as_micros()) > CLOCK_AHEAD_US_MAX;
        (was_put_right.then_some(now.as_micros()), false)
    }

    /// Where stored times do not vouch for the clock, those of batches that it is not too far ahead of do: not those of a clock that is
    /// doubted.
    pub(super) fn vouch_for_clock(&self, accepted_at: Timestamp) {
        let known_us = self.keys.read().expect("no holder of this lock panics").policies.clock_known_us;
        let Some(known_us) = known_us else { return };
        let ahead_us = accepted_at.as_micros().saturating_sub(known_us);
        if (1..=CLOCK_AHEAD_US_MAX).contains(&ahead_us) {
            let mut keys = self.keys.write().expect("no holder of this lock panics");
            keys.policies.clock_known_us = Some(accepted_at.as_micros());
        }
    }

    /// The newest time that is stored.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.logs.iter().filter_map(|log| log.last_received_at).max()
    }

    /// When a tenant ended.
    pub(crate) fn ended_at_us(&self, tenant: &TenantId) -> Option<i64> {
        let keys = self.keys.read().expect("no holder of this lock panics");
        keys.policies.life(tenant)?.ended_at_us()
    }
}

impl InHand {
    /// What is said of how long the records of an item's tenant live.
    pub(super) fn life(&self, item: &Item) -> Option<&Life> {
        self.lives.get(usize::from(item.tenant))?.as_deref()
    }

    /// Whether the item is an event of a tenant that ended.
    pub(super) fn is_ended(&self, item: &Item) -> bool {
        is_ended(&self.lives, item)
    }
}

fn is_ended(lives: &[Option<Arc<Life>>], item: &Item) -> bool {
    let life = lives.get(usize::from(item.tenant)).and_then(Option::as_ref);
    !item.system && life.is_some_and(|life| life.ended_at_us().is_some())
}

fn changed(life: &mut Life, control: &Control, at: Timestamp) -> Result<(), LifeError> {
    match control {
        Control::RetentionSet { rules, .. } => life.set_retention(rules, at.as_micros()),
        Control::HoldBegan { hold, .. } => life.begin_hold(hold.clone()),
        Control::HoldEnded { hold, .. } => life.end_hold(hold),
        Control::TenantEnded { .. } => life.end(at.as_micros()),
        _ => Ok(()),
    }
}
