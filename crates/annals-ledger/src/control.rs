//! The control plane: tenants, keys and the service's own life, each change a record of the tenant `_annals`.
//!
//! A change is an event like any other, whose `metadata.control` holds a [`Control`]. Applying the record is what makes the
//! change, in the normal run and in recovery alike; there is no second store of configuration that could disagree.

use serde::{Deserialize, Serialize};

use crate::erasure::{ErasureCounts, NewErasure};
use crate::keys::{KeyId, KeyRecord};
use crate::policy::{Hold, RedactionRule, RetentionRule};
use crate::removal::RemovalAt;
use crate::views::SavedView;

/// One change, as it stands under `/metadata/control` of its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// A tenant was made, by request or by its first event.
    TenantCreated {
        /// Its id.
        tenant: String,
    },
    /// A key was made.
    KeyCreated {
        /// The key, without its secret.
        key: KeyRecord,
        /// Keys that end because of it, and when (µs since 1970).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        replaces: Vec<KeyEnd>,
    },
    /// A key was ended.
    KeyEnded {
        /// Which, and from when on it is refused.
        end: KeyEnd,
    },
    /// The service began to take events.
    ServerStarted {
        /// The program's version.
        version: String,
        /// The run before this one did not say that it stopped.
        unclean: bool,
        /// Heads were signed before, and the signer remembers none of them.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        signer_memory_lost: bool,
        /// What the clock is held against where that is not the newest stored time, µs since 1970.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_known_us: Option<i64>,
    },
    /// The service stopped as it was told to.
    ServerStopped {
        /// What the clock of the next start is held against where stored times do not vouch for it, µs since 1970; none where that
        /// stays as it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_known_us: Option<i64>,
    },
    /// Events were refused for a while because the journal could not be written.
    IngestRefused {
        /// The first refusal, µs since 1970.
        since_us: i64,
        /// How many requests.
        requests: u64,
        /// How many events.
        events: u64,
        /// Why: `full`, `unavailable`, `clock`.
        reason: String,
    },
    /// Access records could not be written for a while.
    AccessGap {
        /// The first one lost, µs since 1970.
        since_us: i64,
        /// How many records.
        records: u64,
    },
    /// Everything was read again, and held against checksums and trees.
    ScrubEnded {
        /// How many records.
        records: u64,
        /// What was not as it was written.
        findings: u64,
        /// When it began, µs since 1970.
        since_us: i64,
    },
    /// Something that was read again is not what was written.
    ScrubFound {
        /// In which log; none where a whole file is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<String>,
        /// Where in it, if that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        position: Option<u64>,
        /// What is wrong.
        problem: String,
    },
    /// What is taken out of a tenant's events before anything of them is kept. Holds for events that come after it.
    RedactionSet {
        /// Whose events.
        tenant: String,
        /// All rules in force from now on; none ends the redaction.
        rules: Vec<RedactionRule>,
    },
    /// How long a tenant's records are kept, those that come after it and those that rules of the same names speak of.
    RetentionSet {
        /// Whose records.
        tenant: String,
        /// All rules in force from now on; without any, new records are kept for ever.
        rules: Vec<RetentionRule>,
    },
    /// Records of a tenant stay, whatever rules say.
    HoldBegan {
        /// Whose records.
        tenant: String,
        /// Which, and why.
        hold: Hold,
    },
    /// A hold was released.
    HoldEnded {
        /// Whose records.
        tenant: String,
        /// The hold's id.
        hold: String,
    },
    /// A tenant ended: its keys, its events to come, and all its records.
    TenantEnded {
        /// Which.
        tenant: String,
    },
    /// Somebody is to be erased from a tenant's records. This record is erased with them.
    ErasureRequested {
        /// The case.
        erasure: NewErasure,
    },
    /// A case was approved.
    ErasureApproved {
        /// Its name.
        case: String,
        /// By which key.
        by: String,
    },
    /// A case was given up.
    ErasureWithdrawn {
        /// Its name.
        case: String,
        /// It is refused once an entry of the case is stored. Older programs did not say so, and gave up half of a case.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unless_begun: bool,
    },
    /// A case was ordered: nobody can read what it takes any more.
    ErasureOrdered {
        /// Its name.
        case: String,
        /// What it takes.
        counts: ErasureCounts,
    },
    /// What a case took is in no file any more.
    ErasureDone {
        /// Its name.
        case: String,
    },
    /// What entries of kinds 2 and 3 took away is in no file any more.
    RemovalsDone {
        /// Which entries.
        entries: Vec<RemovalAt>,
    },
    /// A view was saved, in place of one of the same owner and name.
    ViewSaved {
        /// The view.
        view: SavedView,
    },
    /// A view was removed.
    ViewRemoved {
        /// The tenant that it was about; none where it was about all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<String>,
        /// Whose it was.
        owner: String,
        /// Its name.
        name: String,
    },
    /// An operator said that a jump of the clock is right.
    ClockConfirmed {
        /// How far it had jumped, or was ahead at the start, µs.
        jump_us: i64,
        /// What it showed, µs since 1970; older programs did not say so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        confirmed_at_us: Option<i64>,
    },
}

/// The end of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEnd {
    /// The key's public name.
    pub key_id: KeyId,
    /// From this instant on it is refused, µs since 1970.
    pub expires_at_us: i64,
}

/// Who asked for a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Author {
    /// annals itself.
    System,
    /// A key.
    Key(KeyId),
    /// Somebody who signed in without a key.
    Person {
        /// Who vouched for them, and their name there.
        id: String,
        /// What people call them.
        name: Option<String>,
    },
    /// Somebody on the machine, with access to the data folder.
    Machine,
}

impl Control {
    fn action(&self) -> &'static str {
        match self {
            Self::TenantCreated { .. } => "annals.tenant.create",
            Self::KeyCreated { .. } => "annals.key.create",
            Self::KeyEnded { .. } => "annals.key.end",
            Self::ServerStarted { .. } => "annals.server.start",
            Self::ServerStopped { .. } => "annals.server.stop",
            Self::IngestRefused { .. } => "annals.ingest.refused",
            Self::AccessGap { .. } => "annals.access.gap",
            Self::ScrubEnded { .. } => "annals.scrub.end",
            Self::ScrubFound { .. } => "annals.scrub.find",
            Self::RedactionSet { .. } => "annals.redaction.set",
            Self::RetentionSet { .. } => "annals.retention.set",
            Self::HoldBegan { .. } => "annals.hold.begin",
            Self::HoldEnded { .. } => "annals.hold.end",
            Self::TenantEnded { .. } => "annals.tenant.end",
            Self::ErasureRequested { .. } => "annals.erasure.request",
            Self::ErasureApproved { .. } => "annals.erasure.approve",
            Self::ErasureWithdrawn { .. } => "annals.erasure.withdraw",
            Self::ErasureOrdered { .. } => "annals.erasure.order",
            Self::ErasureDone { .. } => "annals.erasure.finish",
            Self::RemovalsDone { .. } => "annals.removal.finish",
            Self::ViewSaved { .. } => "annals.view.save",
            Self::ViewRemoved { .. } => "annals.view.remove",
            Self::ClockConfirmed { .. } => "annals.clock.confirm",
        }
    }

    fn operation(&self) -> &'static str {
        match self {
            Self::TenantCreated { .. } | Self::KeyCreated { .. } | Self::HoldBegan { .. } => "create",
            Self::KeyEnded { .. }
            | Self::HoldEnded { .. }
            | Self::TenantEnded { .. }
            | Self::ViewRemoved { .. } => "delete",
            Self::RedactionSet { .. } | Self::RetentionSet { .. } | Self::ViewSaved { .. } => "update",
            _ => "other",
        }
    }

    fn target(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::TenantCreated { tenant } | Self::RedactionSet { tenant, .. } => Some(("tenant", tenant)),
            Self::ErasureRequested { erasure } => Some(("erasure", &erasure.case)),
            Self::ErasureApproved { case, .. }
            | Self::ErasureWithdrawn { case, .. }
            | Self::ErasureOrdered { case, .. }
            | Self::ErasureDone { case } => Some(("erasure", case)),
            _ if self.policy_of().is_some() => self.policy_of().map(|tenant| ("tenant", tenant)),
            Self::ViewSaved { view } => Some(("view", &view.name)),
            Self::ViewRemoved { name, .. } => Some(("view", name)),
            Self::KeyCreated { key, .. } => Some(("key", &key.id.0)),
            Self::KeyEnded { end } => Some(("key", &end.key_id.0)),
            _ => None,
        }
    }

    /// The tenant, for a change that says how long records live.
    pub(crate) fn policy_of(&self) -> Option<&str> {
        match self {
            Self::RetentionSet { tenant, .. }
            | Self::HoldBegan { tenant, .. }
            | Self::HoldEnded { tenant, .. }
            | Self::TenantEnded { tenant } => Some(tenant),
            _ => None,
        }
    }

    /// The change as an event, in the words of a client.
    pub(crate) fn to_event(&self, author: &Author) -> serde_json::Value {
        let actor = match author {
            Author::System => serde_json::json!({"type": "system", "id": "annals"}),
            Author::Key(id) => serde_json::json!({"type": "api_key", "id": id}),
            Author::Person { id, name: None } => serde_json::json!({"type": "user", "id": id}),
            Author::Person { id, name } => serde_json::json!({"type": "user", "id": id, "name": name}),
            Author::Machine => serde_json::json!({"type": "system", "id": "machine"}),
        };
        let targets: Vec<_> =
            self.target().map(|(kind, id)| serde_json::json!({"type": kind, "id": id})).into_iter().collect();
        serde_json::json!({
            "action": self.action(), "operation": self.operation(), "category": "annals",
            "actor": actor, "targets": targets, "metadata": {"control": self},
        })
    }

    /// Checks what the form alone does not: a key that names a tenant is bound to one.
    ///
    /// # Errors
    ///
    /// The tenant's id is none; read as absent, it would make the key one for all tenants.
    pub(crate) fn check(&self) -> Result<(), serde_json::Error> {
        match self {
            Self::KeyCreated { key, .. } if key.tenant.is_some() && key.tenant_id().is_none() => {
                Err(serde::de::Error::custom("the key's tenant is no tenant id"))
            }
            _ => Ok(()),
        }
    }

    /// The change that a record of `_annals` makes.
    ///
    /// # Errors
    ///
    /// The record is not one that this program knows how to apply; a newer program may have written it.
    pub(crate) fn from_event(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Event {
            metadata: Metadata,
        }
        #[derive(Deserialize)]
        struct Metadata {
            control: Control,
        }
        serde_json::from_slice::<Event>(bytes).map(|event| event.metadata.control)
    }
}
