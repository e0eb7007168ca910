//! What was decided about tenants' events: a fold over the records of `_annals`, as the table of keys is.

mod holds;
mod life;
mod redaction;
mod retention;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annals_event::TenantId;
use serde::{Deserialize, Serialize};

use crate::erasure::Erasures;
use crate::removal::RemovalAt;

pub use self::holds::{HOLD_TEXT_BYTES_MAX, HOLDS_MAX, Hold, HoldError};
pub use self::life::LifeError;
use self::life::SharedLife;
pub(crate) use self::life::{ExpiryStated, Life, ToTell};
use self::redaction::Redacting;
pub(crate) use self::redaction::ValueHasher;
pub use self::redaction::{RedactionAct, RedactionRule, redaction};
pub(crate) use self::retention::HOUR_US;
pub use self::retention::{
    RETENTION_CLASSES_MAX, RETENTION_CONDITION_BYTES_MAX, RETENTION_HOURS_MAX, RETENTION_NAME_BYTES_MAX,
    RETENTION_PRESETS, RETENTION_RULES_MAX, RetentionClass, RetentionError, RetentionLog, RetentionPreset,
    RetentionRule, SHORTENING_HOURS, check_retention,
};

/// See the module.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Policies {
    /// By tenant; none where it has no rules.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    redaction: BTreeMap<String, Redacting>,
    /// How long records live, by tenant; none where nothing was ever said about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    lives: BTreeMap<String, SharedLife>,
    /// Cases of erasure.
    #[serde(default, skip_serializing_if = "Erasures::is_empty")]
    pub(crate) erasures: Erasures,
    /// Entries of kinds 2 and 3 that are not carried out yet.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) removals: BTreeSet<RemovalAt>,
    /// What the clock of the next start is held against in the place of the newest stored time, which is not to be believed, µs since
    /// 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) clock_known_us: Option<i64>,
}

impl Policies {
    pub(crate) fn is_empty(&self) -> bool {
        self.redaction.is_empty()
            && self.lives.is_empty()
            && self.erasures.is_empty()
            && self.removals.is_empty()
            && self.clock_known_us.is_none()
    }

    /// Whether nothing was said of how long any tenant's records live.
    pub(crate) fn lives_for_ever(&self) -> bool {
        self.lives.is_empty()
    }

    /// What was said of how long a tenant's records live.
    pub(crate) fn life(&self, tenant: &TenantId) -> Option<&Arc<Life>> {
        self.lives.get(tenant.as_str()).map(|life| &life.0)
    }

    /// The same, to be changed. It is a copy where somebody still has the old one.
    pub(crate) fn life_mut(&mut self, tenant: &str) -> &mut Life {
        Arc::make_mut(&mut self.lives.entry(tenant.to_owned()).or_default().0)
    }

    /// All of them, by tenant.
    pub(crate) fn lives(&self) -> impl Iterator<Item = (&String, &Arc<Life>)> {
        self.lives.iter().map(|(tenant, life)| (tenant, &life.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_back_as_they_were_written() {
        let rule = |pointer: &str, act| RedactionRule { pointer: pointer.to_owned(), act };
        let rules = vec![rule("/context/ip", RedactionAct::Mask), rule("/metadata/*", RedactionAct::Hash)];
        let mut policies = Policies::default();
        policies.set_redaction("acme", rules.clone());
        let written = serde_json::to_string(&policies).unwrap();
        let expected = r#"{"redaction":{"acme":[{"pointer":"/context/ip","do":"mask"},{"pointer":"/metadata/*","do":"hash"}]}}"#;
        assert_eq!(written, expected);
        let mut read: Policies = serde_json::from_str(&written).unwrap();
        let acme = TenantId::new("acme").unwrap();
        assert_eq!(read.redaction_rules(&acme), rules);
        assert!(read.redaction(&acme).is_some());
        read.set_redaction("acme", Vec::new());
        assert!(read.is_empty());
        // What another version took.
        let of_another = expected.replace("/metadata/*", "/id");
        let read: Policies = serde_json::from_str(&of_another).unwrap();
        assert_eq!(read.redaction_rules(&acme).len(), 2);
        assert_eq!(read.redaction(&acme).unwrap().rules().len(), 1);
    }
}
