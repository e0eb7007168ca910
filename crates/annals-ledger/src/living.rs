//! How long records live, as it is decided, told to logs and foreseen.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_event::filter::Matcher;
use annals_event::json::Document;
use annals_event::{TenantId, Timestamp};
use annals_segment::Damaged;
use annals_tree::EntryKind;

use super::{Ledger, random};
use crate::batch::LogKind;
use crate::control::{Author, Control};
use crate::error::{CommitError, ErrorKind};
use crate::policy::{
    HOUR_US, Hold, HoldError, Life, LifeError, RetentionClass, RetentionRule, ToTell, ValueHasher,
};
use crate::read::{FeedScope, TenantLog};
use crate::registry::registry_log;
use crate::scan::{Next, Readers, Scan, Work};
use crate::search::{Effort, SearchError};
use crate::state::{Outcome, Refusal, State};

/// Why a change of policies was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// There is no such tenant.
    #[error("the tenant does not exist")]
    TenantMissing,
    /// It is annals' own, whose records stay.
    #[error("tenant `{0}` is annals' own; its records are kept for ever")]
    Own(TenantId),
    /// What was decided before stands in its way.
    #[error(transparent)]
    Life(#[from] LifeError),
    /// It is no hold.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// Somebody else made a change at the same time.
    #[error("the tenant's policies changed meanwhile; look at them and try again")]
    Changed,
    /// What must be read is damaged.
    #[error(transparent)]
    Damaged(#[from] Box<Damaged>),
    /// It could not be stored.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

impl PolicyError {
    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::TenantMissing | Self::Life(LifeError::HoldMissing) => ErrorKind::Missing,
            Self::Own(_) | Self::Hold(_) | Self::Life(LifeError::Retention(_) | LifeError::Holds) => {
                ErrorKind::Invalid
            }
            Self::Life(_) | Self::Changed => ErrorKind::Conflict,
            Self::Damaged(_) => ErrorKind::Damaged,
            Self::Commit(error) => error.kind(),
        }
    }
}

/// What would be gone at a time, of what is there now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// By class; only those of which something would be gone or is held.
    pub classes: BTreeMap<u16, PreviewClass>,
    /// By hold, how many of these records it keeps.
    pub holds: BTreeMap<String, u64>,
    /// The effort was not enough: there may be more.
    pub partial: bool,
}

/// See [`Preview`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PreviewClass {
    /// Records that would be gone.
    pub records: u64,
    /// Bytes of their events.
    pub event_bytes: u64,
    /// Records that would be, and are held.
    pub held: u64,
}

impl Ledger {
    fn life(&self, tenant: &TenantId) -> Option<Arc<Life>> {
        self.state().life(tenant.as_str())
    }

    fn governed(&self, tenant: &TenantId) -> Result<(), PolicyError> {
        if !self.knows(tenant) {
            return Err(PolicyError::TenantMissing);
        }
        if is_own(tenant) { Err(PolicyError::Own(tenant.clone())) } else { Ok(()) }
    }

    /// Classes of a tenant's records, those of rules that are gone among them, as of now.
    #[must_use]
    pub fn retention_classes(&self, tenant: &TenantId) -> Vec<RetentionClass> {
        let now = self.shared.clock.now().as_micros();
        self.life(tenant).map_or_else(Vec::new, |life| life.retention.classes_at(now))
    }

    /// Puts rules in the place of a tenant's. Without any, new records are kept for ever.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub async fn set_retention(
        &self,
        tenant: &TenantId,
        rules: Vec<RetentionRule>,
        author: &Author,
    ) -> Result<(), PolicyError> {
        let control = Control::RetentionSet { tenant: tenant.as_str().to_owned(), rules: rules.clone() };
        let now = self.shared.clock.now().as_micros();
        self.decide(tenant, control, author, |life| life.set_retention(&rules, now)).await
    }

    /// The holds of a tenant, by id, each with what it holds.
    #[must_use]
    pub fn holds(&self, tenant: &TenantId) -> Vec<(Hold, Arc<Matcher>)> {
        let Some(life) = self.life(tenant) else { return Vec::new() };
        life.holds().map(|holding| (holding.hold.clone(), holding.matcher.clone())).collect()
    }

    /// Has records of a tenant stay: those that satisfy the filter, or without one all. From the answer on none of them expires.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub async fn begin_hold(
        &self,
        tenant: &TenantId,
        hold: Hold,
        author: &Author,
    ) -> Result<Hold, PolicyError> {
        hold.check()?;
        let id = format!("hold_{:016x}", u64::from_be_bytes(random(&*self.shared.entropy)));
        let hold = Hold { id, began_at_us: self.shared.clock.now().as_micros(), ..hold };
        let control = Control::HoldBegan { tenant: tenant.as_str().to_owned(), hold: hold.clone() };
        self.decide(tenant, control, author, |life| life.begin_hold(hold.clone())).await?;
        Ok(hold)
    }

    /// Releases a hold. What became due meanwhile expires soon.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub async fn end_hold(&self, tenant: &TenantId, id: &str, author: &Author) -> Result<(), PolicyError> {
        let control = Control::HoldEnded { tenant: tenant.as_str().to_owned(), hold: id.to_owned() };
        self.decide(tenant, control, author, |life| life.end_hold(id)).await
    }

    /// When a tenant ended.
    #[must_use]
    pub fn ended_at(&self, tenant: &TenantId) -> Option<Timestamp> {
        self.state().ended_at_us(tenant).and_then(Timestamp::from_micros)
    }

    /// Ends a tenant: its keys are refused from now on, it takes no more events, and all its records expire.
    ///
    /// # Errors
    ///
    /// [`PolicyError`].
    pub async fn end_tenant(&self, tenant: &TenantId, author: &Author) -> Result<(), PolicyError> {
        let now = self.shared.clock.now().as_micros();
        let control = Control::TenantEnded { tenant: tenant.as_str().to_owned() };
        self.decide(tenant, control, author, |life| life.end(now)).await
    }

    /// Makes a change of a tenant's policies, and has its log say so.
    async fn decide(
        &self,
        tenant: &TenantId,
        control: Control,
        author: &Author,
        change: impl Fn(&mut Life) -> Result<(), LifeError>,
    ) -> Result<(), PolicyError> {
        self.governed(tenant)?;
        let check = || {
            let mut life = self.life(tenant).map_or_else(Life::default, |life| (*life).clone());
            change(&mut life)
        };
        check()?;
        let batch = self.shared.control_batch(&control, author);
        if let Outcome::Refused(Refusal::TenantEnded | Refusal::Policy) = self.shared.change(batch).await? {
            check()?;
            return Err(PolicyError::Changed);
        }
        // It is decided. Should the log not take it now, it is told before anything expires.
        if let Err(error) = self.tell_policies(tenant).await {
            tracing::warn!(%error, "a tenant's log does not say yet what was decided");
        }
        Ok(())
    }

    /// Has a tenant's log say what was decided about it, if it does not yet.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub(super) async fn tell_policies(&self, tenant: &TenantId) -> Result<(), CommitError> {
        let log = TenantLog { tenant: tenant.clone(), kind: LogKind::Tenant };
        let hasher = ValueHasher::new(&self.shared.cursor_key, tenant);
        let mut before = 0;
        loop {
            let next = self.life(tenant).and_then(|life| life.to_tell(&hasher));
            // Somebody else may tell the same; twice is as good as once.
            let Some(ToTell { version, event }) = next.filter(|next| next.version > before) else {
                return Ok(());
            };
            before = version;
            self.state_in(&log, EntryKind::Policy, &[event]).await?;
        }
    }

    /// Tenants that ended.
    pub(super) fn ended_tenants(&self) -> Vec<TenantId> {
        let lives = self.lives();
        lives.into_iter().filter(|(_, life)| life.ended_at_us().is_some()).map(|(tenant, _)| tenant).collect()
    }

    /// What was said of how long records live, of every tenant of which anything was.
    pub(super) fn lives(&self) -> Vec<(TenantId, Arc<Life>)> {
        let keys = self.shared.keys.read().expect("no holder of this lock panics");
        let lives = keys.policies.lives();
        lives
            .filter_map(|(tenant, life)| Some((TenantId::from_stored(tenant).ok()?, life.clone())))
            .filter(|(tenant, _)| !is_own(tenant))
            .collect()
    }

    /// Whether the registry says that a tenant's logs ended. Blocks.
    ///
    /// # Errors
    ///
    /// [`SearchError`].
    pub(super) fn end_is_registered(&self, tenant: &TenantId) -> Result<bool, SearchError> {
        for (_, origin) in self.heads_of(tenant) {
            if self.registered_end(&origin)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has the registry say that a tenant's logs ended.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    pub(super) async fn register_end(&self, tenant: &TenantId) -> Result<(), CommitError> {
        let heads = self.heads_of(tenant);
        let events: Vec<_> = heads
            .iter()
            .map(|((size, root), origin)| crate::registry::end_event(origin, *size, root))
            .collect();
        if events.is_empty() {
            return Ok(());
        }
        self.state_in(&registry_log(), EntryKind::Head, &events).await.map(drop)
    }

    /// Sizes, roots and origins of a tenant's logs.
    fn heads_of(&self, tenant: &TenantId) -> Vec<((u64, annals_tree::Hash), String)> {
        let state = self.state();
        let name = &state.genesis().expect("an open ledger has its genesis").name;
        let logs = [LogKind::Tenant, LogKind::Access].map(|kind| TenantLog { tenant: tenant.clone(), kind });
        let known = logs.iter().filter_map(|log| state.log(log));
        known.map(|log| ((log.size(), log.tree.root()), log.origin(name))).collect()
    }

    /// What of a tenant's records that are there now would be gone at a time, by what is decided now. Blocks for as long as it takes,
    /// up to the effort.
    ///
    /// # Errors
    ///
    /// [`PolicyError::TenantMissing`], [`PolicyError::Own`] or [`PolicyError::Damaged`].
    pub fn preview_retention<'e>(
        &self,
        tenant: &TenantId,
        at: Timestamp,
        effort: impl Into<Effort<'e>>,
    ) -> Result<Preview, PolicyError> {
        self.governed(tenant)?;
        let mut preview = Preview::default();
        let Some(life) = self.life(tenant) else { return Ok(preview) };
        let effort = effort.into();
        let until = self.shared.clock.monotonic_us().saturating_add(effort.us_max);
        for kind in [LogKind::Tenant, LogKind::Access] {
            let scope = FeedScope::Log(TenantLog { tenant: tenant.clone(), kind });
            let Some(size) = self.feed_size(&scope) else { continue };
            let mut walk = Foresight {
                scan: Scan::by_number(&scope, &self.shared.everything, false, false, size),
                readers: Readers::default(),
                life: &life,
                at_us: at.as_micros(),
                latest_us: cutoff_us_max(&life, at.as_micros()),
                preview: &mut preview,
                document: Document::default(),
                ended: false,
            };
            let left = until.saturating_sub(self.shared.clock.monotonic_us());
            self.work(&mut walk, Effort { us_max: left, ..effort }).map_err(Box::new)?;
            let is_whole = walk.ended || walk.scan.has_ended();
            preview.partial |= !is_whole;
        }
        Ok(preview)
    }
}

/// Records of annals' own tenants stay.
fn is_own(tenant: &TenantId) -> bool {
    tenant.is_annals() || *tenant == TenantId::registry()
}

/// Records of a class received before this are due at a time, ms since 1970; none for those that are kept.
pub(super) fn cutoff_ms(life: &Life, class: u16, at_us: i64) -> Option<u64> {
    let cutoff_us = match life.ended_at_us() {
        // The first millisecond after those that are covered.
        Some(_) => at_us.saturating_add(1000),
        None => at_us.saturating_sub(i64::from(life.retention.hours_at(class, at_us)?) * HOUR_US),
    };
    u64::try_from(cutoff_us.div_euclid(1000)).ok()
}

/// Whether a record received then is due.
pub(super) fn is_before(received_at: Timestamp, cutoff_ms: u64) -> bool {
    crate::log::received_at_ms(received_at) < cutoff_ms
}

/// No record that was received then or later is due at a time, µs since 1970.
fn cutoff_us_max(life: &Life, at_us: i64) -> i64 {
    let all = life.retention.numbers().chain(life.ended_at_us().map(|_| 0));
    let latest = all.filter_map(|class| cutoff_ms(life, class, at_us)).max();
    latest.map_or(i64::MIN, |ms| i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1000))
}

/// Looking through a log for what would be gone.
struct Foresight<'p> {
    scan: Scan,
    readers: Readers,
    life: &'p Life,
    at_us: i64,
    latest_us: i64,
    preview: &'p mut Preview,
    document: Document,
    /// What follows was received too late.
    ended: bool,
}

impl Work for Foresight<'_> {
    fn fetch(&mut self, state: &State) -> Result<bool, Damaged> {
        self.scan.fetch(state);
        Ok(!self.ended && !self.scan.has_ended())
    }

    fn is_ahead(&self) -> bool {
        true
    }

    fn look(&mut self) -> Result<Option<usize>, Damaged> {
        if self.ended {
            return Ok(None);
        }
        let passed = match self.scan.next()? {
            Next::Fetch => return Ok(None),
            Next::Looked(bytes) => return Ok(Some(bytes)),
            Next::Found(passed) => passed,
        };
        let keeping = passed.keeping(&mut self.readers)?;
        if keeping.received_at.as_micros() >= self.latest_us {
            self.ended = true;
            return Ok(None);
        }
        let cutoff = cutoff_ms(self.life, keeping.class, self.at_us);
        if keeping.stated || !cutoff.is_some_and(|cutoff| is_before(keeping.received_at, cutoff)) {
            return Ok(Some(64));
        }
        let record = passed.record(&mut self.readers)?;
        let bytes = record.event.len();
        let class = self.preview.classes.entry(keeping.class).or_default();
        let mut is_held = false;
        for holding in self.life.holds() {
            if holding.matcher.matches(&mut self.document, &record.event, &record.known()) {
                is_held = true;
                *self.preview.holds.entry(holding.hold.id.clone()).or_default() += 1;
            }
        }
        if is_held {
            class.held += 1;
        } else {
            class.records += 1;
            class.event_bytes += bytes as u64;
        }
        Ok(Some(bytes))
    }
}
