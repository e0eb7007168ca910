//! What was decided about how long a tenant's records live: rules, holds, its end; and how far all of it was carried out.
//!
//! Each change makes a new *version*, and the tenant's log has to say so in a statement of kind 4 before anything is done about it:
//!
//! ```text
//! annals.retention.set   "metadata":{"classes":[{"class":2,"hours":24,"name":"old"}],"rules":[{"class":1,"hours":2160,"name":"all"}],"version":3}
//! annals.hold.begin      "metadata":{"everything":true,"hold":ID,"since_ms":N,"version":4}     with a filter: its keyed hash instead
//! annals.hold.end        "metadata":{"hold":ID,"version":5}
//! annals.tenant.end      "metadata":{"since_ms":N,"version":6}
//! ```
//!
//! A rule may have `action`, `category` and `log`, and where it is to become shorter `then_hours` and `then_after_hours`, counted from
//! the entry. A statement of kind 3 names the version it was made under. Once there is another it is refused when it is applied, so
//! whoever was told that a hold stands, or that a period is longer now, can rely on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals_tree::EntryKind;
use serde::{Deserialize, Serialize};

use super::holds::{HOLDS_MAX, Hold, Holding};
use super::redaction::ValueHasher;
use super::retention::{HOUR_US, RetentionError, RetentionRule, RetentionTable, SHORTENING_HOURS};
use crate::batch::LogKind;

/// Key of the mark up to which all classes of a tenant that ended were looked at.
const ALL: u32 = 1 << 16;

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Life {
    /// Changes so far.
    version: u64,
    /// Those of which the log does not say so yet, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    owed: Vec<Owed>,
    #[serde(default, skip_serializing_if = "RetentionTable::is_empty")]
    pub(crate) retention: RetentionTable,
    /// By id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    holds: BTreeMap<String, Holding>,
    /// µs since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended_at_us: Option<i64>,
    /// Of the log of events: by class, before which position all that was due and not held is stated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    events: BTreeMap<u32, u64>,
    /// Of the access log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    access: BTreeMap<u32, u64>,
}

/// [`Life`], to be shared with batches and manifests.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(from = "Life", into = "Life")]
pub(crate) struct SharedLife(pub(crate) Arc<Life>);

impl From<Life> for SharedLife {
    fn from(life: Life) -> Self {
        Self(Arc::new(life))
    }
}

impl From<SharedLife> for Life {
    fn from(shared: SharedLife) -> Self {
        Arc::unwrap_or_clone(shared.0)
    }
}

/// A change that the log does not tell of yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Owed {
    version: u64,
    change: Change,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Change {
    Retention,
    HoldBegan(String),
    HoldEnded(String),
    Ended,
}

/// Why a change cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LifeError {
    /// The tenant ended.
    #[error("the tenant has ended")]
    Ended,
    /// Its rules.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// A hold stands in the way.
    #[error("the tenant is held by `{0}`; release it first")]
    Held(String),
    /// There are too many.
    #[error("the tenant has {HOLDS_MAX} holds already")]
    Holds,
    /// There is no such hold.
    #[error("there is no such hold, or it was released")]
    HoldMissing,
}

/// What a statement of kind 3 says, as far as it is looked at here.
#[derive(Deserialize)]
pub(crate) struct ExpiryStated {
    pub(crate) class: u16,
    pub(crate) cutoff_ms: u64,
    /// Under which version of the tenant's policies it was made; none from elsewhere.
    #[serde(default)]
    pub(crate) policy: Option<u64>,
    /// Before this position all that was due is stated with it.
    #[serde(default)]
    pub(crate) walked: Option<u64>,
}

/// A statement that a log owes: its version and what it says.
pub(crate) struct ToTell {
    pub(crate) version: u64,
    pub(crate) event: serde_json::Value,
}

impl Life {
    fn changed(&mut self, change: Change) {
        self.version += 1;
        // What a later table says is all there is to say.
        if change == Change::Retention {
            self.owed.retain(|owed| owed.change != Change::Retention);
        }
        self.owed.push(Owed { version: self.version, change });
    }

    fn check_living(&self) -> Result<(), LifeError> {
        if self.ended_at_us.is_some() { Err(LifeError::Ended) } else { Ok(()) }
    }

    /// Changes so far.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Puts rules in the place of those that were.
    pub(crate) fn set_retention(&mut self, rules: &[RetentionRule], at_us: i64) -> Result<(), LifeError> {
        self.check_living()?;
        self.retention.set(rules, at_us)?;
        self.changed(Change::Retention);
        Ok(())
    }

    /// Adds a hold.
    pub(crate) fn begin_hold(&mut self, hold: Hold) -> Result<(), LifeError> {
        self.check_living()?;
        if self.holds.len() >= HOLDS_MAX {
            return Err(LifeError::Holds);
        }
        let id = hold.id.clone();
        self.holds.insert(id.clone(), hold.into());
        self.changed(Change::HoldBegan(id));
        Ok(())
    }

    /// Takes a hold away. What became due meanwhile is looked for from the beginning.
    pub(crate) fn end_hold(&mut self, id: &str) -> Result<(), LifeError> {
        self.holds.remove(id).ok_or(LifeError::HoldMissing)?;
        self.events.clear();
        self.access.clear();
        self.changed(Change::HoldEnded(id.to_owned()));
        Ok(())
    }

    /// Ends the tenant.
    pub(crate) fn end(&mut self, at_us: i64) -> Result<(), LifeError> {
        self.check_living()?;
        if let Some(id) = self.holds.keys().next() {
            return Err(LifeError::Held(id.clone()));
        }
        self.ended_at_us = Some(at_us);
        self.changed(Change::Ended);
        Ok(())
    }

    /// When the tenant ended, µs since 1970.
    pub(crate) fn ended_at_us(&self) -> Option<i64> {
        self.ended_at_us
    }

    /// Its holds, by id.
    pub(crate) fn holds(&self) -> impl Iterator<Item = &Holding> {
        self.holds.values()
    }

    /// The class of a new record.
    pub(crate) fn class_of(
        &self,
        kind: LogKind,
        system: bool,
        stated: Option<EntryKind>,
        event: &[u8],
    ) -> u16 {
        // An access log has nothing but what annals wrote, and rules may speak of it.
        if stated.is_some() || (system && kind == LogKind::Tenant) {
            return 0;
        }
        self.retention.class_of(kind, event)
    }

    /// Refuses a statement of kind 3 that is not what the policies in force at its time allow, and else remembers how far it came.
    pub(crate) fn expire(&mut self, kind: LogKind, stated: &ExpiryStated, at_us: i64) -> bool {
        let Some(version) = stated.policy else { return true };
        if version != self.version || !self.owed.is_empty() {
            return false;
        }
        let ended = self.ended_at_us.is_some();
        let cutoff_us = i64::try_from(stated.cutoff_ms).unwrap_or(i64::MAX).saturating_mul(1000);
        let may_us = match (ended, self.retention.hours_at(stated.class, at_us)) {
            // The cutoff is the first millisecond after those that are covered.
            (true, _) => at_us.saturating_add(1000),
            (false, Some(hours)) => at_us.saturating_sub(i64::from(hours) * HOUR_US),
            (false, None) => return false,
        };
        if cutoff_us > may_us {
            return false;
        }
        if let Some(walked) = stated.walked {
            let mark = self.marks_mut(kind).entry(if ended { ALL } else { stated.class.into() }).or_default();
            *mark = walked.max(*mark);
        }
        true
    }

    fn marks_mut(&mut self, kind: LogKind) -> &mut BTreeMap<u32, u64> {
        match kind {
            LogKind::Tenant => &mut self.events,
            LogKind::Access => &mut self.access,
        }
    }

    /// Before this position all records of a class, or of all classes, that were due and not held are stated.
    pub(crate) fn mark(&self, kind: LogKind, class: Option<u16>) -> u64 {
        let marks = match kind {
            LogKind::Tenant => &self.events,
            LogKind::Access => &self.access,
        };
        marks.get(&class.map_or(ALL, u32::from)).copied().unwrap_or(0)
    }

    /// Whether the log has something to say.
    pub(crate) fn owes(&self) -> bool {
        !self.owed.is_empty()
    }

    /// The log says what was decided up to a version.
    pub(crate) fn told(&mut self, version: u64, at_us: i64) {
        let tells_table = |owed: &Owed| owed.version <= version && owed.change == Change::Retention;
        if self.owed.iter().any(tells_table) {
            self.retention.told(at_us);
        }
        self.owed.retain(|owed| owed.version > version);
    }

    /// What the log has to say next.
    pub(crate) fn to_tell(&self, hasher: &ValueHasher) -> Option<ToTell> {
        let Owed { version, change } = self.owed.first()?;
        let mut metadata = serde_json::json!({"version": version});
        let (action, operation) = match change {
            Change::Retention => {
                metadata = self.table(*version);
                ("annals.retention.set", "update")
            }
            Change::HoldBegan(id) => {
                metadata["hold"] = id.as_str().into();
                // One that was released meanwhile has nothing more to say.
                if let Some(Holding { hold, .. }) = self.holds.get(id) {
                    metadata["since_ms"] = hold.began_at_us.div_euclid(1000).into();
                    match &hold.filter {
                        None => metadata["everything"] = true.into(),
                        Some(filter) => metadata["filter_hash"] = hex(&hasher.hash(filter.as_bytes())).into(),
                    }
                }
                ("annals.hold.begin", "create")
            }
            Change::HoldEnded(id) => {
                metadata["hold"] = id.as_str().into();
                ("annals.hold.end", "delete")
            }
            Change::Ended => {
                metadata["since_ms"] = self.ended_at_us.map(|at| at.div_euclid(1000)).into();
                ("annals.tenant.end", "delete")
            }
        };
        let event = serde_json::json!({
            "action": action, "operation": operation, "category": "annals",
            "actor": {"type": "system", "id": "annals"}, "metadata": metadata,
        });
        Some(ToTell { version: *version, event })
    }

    /// The whole table, for a statement.
    fn table(&self, version: u64) -> serde_json::Value {
        let (mut rules, mut classes) = (Vec::new(), Vec::new());
        for class in self.retention.classes_at(i64::MIN) {
            let mut told =
                serde_json::json!({"class": class.class, "hours": class.hours, "name": class.name});
            if let Some((hours, from)) = class.shortens {
                told["then_hours"] = hours.into();
                match from {
                    None => told["then_after_hours"] = SHORTENING_HOURS.into(),
                    Some(at) => told["then_from_ms"] = at.div_euclid(1000).into(),
                }
            }
            let Some(rule) = class.rule else {
                classes.push(told);
                continue;
            };
            for (name, text) in [("action", rule.action), ("category", rule.category)] {
                if let Some(text) = text {
                    told[name] = text.into();
                }
            }
            if rule.log == super::RetentionLog::Access {
                told["log"] = "access".into();
            }
            rules.push(told);
        }
        serde_json::json!({"classes": classes, "rules": rules, "version": version})
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use annals_event::TenantId;
    use annals_tree::entry::BODY_BYTES_MAX;

    use super::*;
    use crate::policy::retention::{
        RETENTION_CLASSES_MAX, RETENTION_CONDITION_BYTES_MAX, RETENTION_HOURS_MAX, RETENTION_NAME_BYTES_MAX,
        RETENTION_RULES_MAX, RetentionLog,
    };

    fn hasher() -> ValueHasher {
        ValueHasher::new(&[1; 16], &TenantId::new("acme").unwrap())
    }

    fn rule(name: &str, hours: u32) -> RetentionRule {
        RetentionRule {
            name: name.to_owned(),
            hours,
            category: None,
            action: None,
            log: RetentionLog::Events,
        }
    }

    fn hold(id: &str) -> Hold {
        Hold {
            id: id.to_owned(),
            filter: Some("actor.id eq \"ana@example.com\"".to_owned()),
            reason: "a case".to_owned(),
            owner: "legal".to_owned(),
            began_at_us: 1_000_000,
            by_platform: false,
        }
    }

    #[test]
    fn the_largest_table_has_room_in_one_statement() {
        let mut life = Life::default();
        let longest = |n: usize, hours| RetentionRule {
            // The longest that JSON makes of it.
            category: Some("\\".repeat(RETENTION_CONDITION_BYTES_MAX)),
            action: Some(format!("{n:03}{}", "\"".repeat(RETENTION_CONDITION_BYTES_MAX - 3))),
            ..rule(&format!("{n:0width$}", width = RETENTION_NAME_BYTES_MAX), hours)
        };
        for step in 0..RETENTION_CLASSES_MAX / RETENTION_RULES_MAX {
            let rules = |hours| -> Vec<_> {
                (0..RETENTION_RULES_MAX).map(|n| longest(step * RETENTION_RULES_MAX + n, hours)).collect()
            };
            life.set_retention(&rules(RETENTION_HOURS_MAX), 0).unwrap();
            life.set_retention(&rules(RETENTION_HOURS_MAX - 1), 0).unwrap();
            life.retention.told(i64::MAX);
        }
        let told = life.to_tell(&hasher()).unwrap().event.to_string();
        // An id and what else annals adds is far below this.
        assert!(told.len() + 500 < BODY_BYTES_MAX, "{}", told.len());
    }

    #[test]
    fn a_statement_is_refused_under_any_other_version_and_before_its_time() {
        let mut life = Life::default();
        let hour = u64::try_from(HOUR_US / 1000).unwrap();
        let stated =
            |policy, cutoff_ms| ExpiryStated { class: 1, cutoff_ms, policy: Some(policy), walked: Some(7) };
        life.set_retention(&[rule("all", 2)], 0).unwrap();
        let at = 10 * HOUR_US;
        assert!(!life.expire(LogKind::Tenant, &stated(1, 8 * hour), at), "the log does not say it yet");
        life.told(1, 0);
        assert!(!life.expire(LogKind::Tenant, &stated(1, 8 * hour + 1), at));
        assert_eq!(life.mark(LogKind::Tenant, Some(1)), 0);
        assert!(life.expire(LogKind::Tenant, &stated(1, 8 * hour), at));
        assert_eq!(life.mark(LogKind::Tenant, Some(1)), 7);
        assert!(
            !life.expire(LogKind::Tenant, &ExpiryStated { class: 2, ..stated(1, 0) }, at),
            "no such class"
        );
        life.begin_hold(hold("h")).unwrap();
        life.told(2, 0);
        assert!(!life.expire(LogKind::Tenant, &stated(1, 8 * hour), at));
        assert!(life.expire(LogKind::Tenant, &stated(2, 8 * hour), at));
        assert_eq!(life.end(at), Err(LifeError::Held("h".to_owned())));
        life.end_hold("h").unwrap();
        assert_eq!(life.mark(LogKind::Tenant, Some(1)), 0, "what was held is looked for again");
        life.end(at).unwrap();
        assert_eq!(life.end(at), Err(LifeError::Ended));
        life.told(4, 0);
        assert!(life.expire(LogKind::Tenant, &ExpiryStated { class: 0, ..stated(4, 10 * hour + 1) }, at));
        assert!(!life.expire(LogKind::Tenant, &ExpiryStated { class: 0, ..stated(4, 10 * hour + 2) }, at));
    }

    #[test]
    fn a_log_is_told_each_change_in_order_and_nothing_that_a_filter_says() {
        let mut life = Life::default();
        life.set_retention(&[rule("all", 48)], 0).unwrap();
        life.set_retention(&[rule("all", 24)], 0).unwrap();
        life.begin_hold(hold("h1")).unwrap();
        life.begin_hold(Hold { filter: None, ..hold("h2") }).unwrap();
        life.end_hold("h2").unwrap();
        let stored = serde_json::to_string(&SharedLife::from(life)).unwrap();
        let mut life = Life::from(serde_json::from_str::<SharedLife>(&stored).unwrap());
        let mut told = Vec::new();
        while let Some(next) = life.to_tell(&hasher()) {
            life.told(next.version, HOUR_US);
            told.push((next.event["action"].as_str().unwrap().to_owned(), next.event["metadata"].clone()));
        }
        assert!(!life.owes());
        let actions: Vec<_> = told.iter().map(|(action, _)| action.as_str()).collect();
        assert_eq!(
            actions,
            ["annals.retention.set", "annals.hold.begin", "annals.hold.begin", "annals.hold.end"],
            "both tables at once"
        );
        let rule = serde_json::json!({"class": 1, "hours": 48, "name": "all", "then_hours": 24, "then_after_hours": 168});
        assert_eq!(told[0].1["rules"], serde_json::json!([rule]));
        assert_eq!(told[1].1["filter_hash"].as_str().unwrap().len(), 32);
        assert_eq!(life.retention.hours_at(1, 168 * HOUR_US), Some(48));
        assert_eq!(life.retention.hours_at(1, 169 * HOUR_US), Some(24));
        assert!(!told.iter().any(|(_, metadata)| metadata.to_string().contains("ana@")));
    }
}
