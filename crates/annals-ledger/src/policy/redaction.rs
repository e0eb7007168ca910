//! What is taken out of a tenant's events before anything of them is kept.

use std::sync::Arc;

use annals_event::TenantId;
use annals_event::redact::{Redact, Redaction, Rule, RuleError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Policies;
use crate::control::{Author, Control};
use crate::error::CommitError;
use crate::ledger::Ledger;

/// A rule of a tenant's redaction, as it stands on the wire and on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedactionRule {
    /// Which values; see [`annals_event::redact`].
    pub pointer: String,
    /// What becomes of them.
    #[serde(rename = "do")]
    pub act: RedactionAct,
}

/// What becomes of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedactionAct {
    /// It is left out.
    Drop,
    /// `***` stands in its place.
    Mask,
    /// A keyed hash stands in its place.
    Hash,
}

impl RedactionRule {
    fn to_rule(&self) -> Rule {
        let redact = match self.act {
            RedactionAct::Drop => Redact::Drop,
            RedactionAct::Mask => Redact::Mask,
            RedactionAct::Hash => Redact::Hash,
        };
        Rule { pointer: self.pointer.clone(), redact }
    }
}

/// Makes the rules of a tenant ready.
///
/// # Errors
///
/// [`RuleError`] for the first that cannot be.
pub fn redaction(rules: &[RedactionRule]) -> Result<Redaction, RuleError> {
    Redaction::new(rules.iter().map(RedactionRule::to_rule).collect())
}

/// Rules of a tenant with what they were made ready to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "Vec<RedactionRule>", into = "Vec<RedactionRule>")]
pub(super) struct Redacting {
    rules: Vec<RedactionRule>,
    ready: Arc<Redaction>,
}

impl From<Vec<RedactionRule>> for Redacting {
    /// Rules were checked when they were set. One that another version took and this one does not is left out: a ledger must open.
    fn from(rules: Vec<RedactionRule>) -> Self {
        let ready = redaction(&rules).unwrap_or_else(|_| {
            let good = rules.iter().filter(|rule| match redaction(std::slice::from_ref(*rule)) {
                Ok(_) => true,
                Err(error) => {
                    tracing::error!(pointer = rule.pointer, %error, "a rule of redaction is not applied");
                    false
                }
            });
            redaction(&good.cloned().collect::<Vec<_>>()).unwrap_or_default()
        });
        Self { rules, ready: Arc::new(ready) }
    }
}

impl From<Redacting> for Vec<RedactionRule> {
    fn from(redacting: Redacting) -> Self {
        redacting.rules
    }
}

impl Policies {
    /// Puts rules in the place of a tenant's; no rules end them.
    pub(crate) fn set_redaction(&mut self, tenant: &str, rules: Vec<RedactionRule>) {
        if rules.is_empty() {
            self.redaction.remove(tenant);
        } else {
            self.redaction.insert(tenant.to_owned(), rules.into());
        }
    }

    pub(crate) fn redaction_rules(&self, tenant: &TenantId) -> &[RedactionRule] {
        self.redaction.get(tenant.as_str()).map_or(&[], |redacting| &redacting.rules)
    }

    pub(crate) fn redaction(&self, tenant: &TenantId) -> Option<Arc<Redaction>> {
        self.redaction.get(tenant.as_str()).map(|redacting| redacting.ready.clone())
    }
}

/// Hashes values of one tenant, so that what is the same stays the same and nobody without the ledger's key can try values out.
pub(crate) struct ValueHasher(Sha256);

impl ValueHasher {
    pub(crate) fn new(id_key: &[u8; 16], tenant: &TenantId) -> Self {
        let key =
            Sha256::new_with_prefix(b"annals redaction").chain_update(id_key).chain_update(tenant.as_str());
        // A key of fixed length first, and half of the sum given: nobody can go on from it.
        Self(Sha256::new_with_prefix(key.finalize()))
    }

    pub(crate) fn hash(&self, value: &[u8]) -> [u8; 16] {
        let sum: [u8; 32] = self.0.clone().chain_update(value).finalize().into();
        *sum.first_chunk().expect("32 bytes begin with 16")
    }
}

impl Ledger {
    /// What is taken out of a tenant's events.
    #[must_use]
    pub fn redaction_rules(&self, tenant: &TenantId) -> Vec<RedactionRule> {
        self.state().redaction_rules(tenant)
    }

    /// Has values taken out of a tenant's events from now on; no rules end it.
    ///
    /// # Errors
    ///
    /// [`CommitError`].
    ///
    /// # Panics
    ///
    /// When a rule is none that [`redaction`] takes.
    pub async fn set_redaction(
        &self,
        tenant: &TenantId,
        rules: Vec<RedactionRule>,
        author: &Author,
    ) -> Result<(), CommitError> {
        redaction(&rules).expect("the rules were checked");
        let control = Control::RedactionSet { tenant: tenant.as_str().to_owned(), rules };
        self.change(control, author).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_hashes_alike_in_one_tenant_and_otherwise_elsewhere() {
        let hasher = |key: u8, tenant: &str| ValueHasher::new(&[key; 16], &TenantId::new(tenant).unwrap());
        let (acme, again) = (hasher(1, "acme"), hasher(1, "acme"));
        assert_eq!(acme.hash(b"v"), again.hash(b"v"));
        assert_ne!(acme.hash(b"v"), acme.hash(b"w"));
        assert_ne!(acme.hash(b"v"), hasher(1, "globex").hash(b"v"));
        assert_ne!(acme.hash(b"v"), hasher(2, "acme").hash(b"v"));
    }
}
