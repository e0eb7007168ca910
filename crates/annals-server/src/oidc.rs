//! Signing in by an identity provider (OpenID Connect, authorization code with PKCE): who the provider vouches for is let in with what
//! the configuration gives to the groups that it names.
//!
//! | module | does |
//! |---|---|
//! | `roles` | what somebody may do, by what the provider says of them |
//! | `provider` | asks the provider: its addresses, its keys, who came back |
//! | `token` | what an ID token must be |
//! | `routes` | the way there and back |

mod provider;
mod roles;
pub(crate) mod routes;
mod token;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) use provider::Provider;
pub use provider::is_safe_address;
pub use roles::Role;
pub(crate) use roles::granted;

/// Time for the identity provider to answer, unless said otherwise.
pub const OIDC_ANSWER_MAX: Duration = Duration::from_secs(10);

/// Longest name of somebody at the provider (`sub`), bytes, as OpenID Connect has it.
const SUBJECT_BYTES_MAX: usize = 255;

/// Bytes of the issuer's SHA-256 in people's names.
const ISSUER_BYTES: usize = 4;

/// Longest text about somebody that is kept, bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Which provider vouches for people, and what they may do.
#[derive(Clone)]
pub struct OidcSettings {
    /// Its name, exactly as its tokens have it; its address at the same time.
    pub issuer: String,
    /// annals' name there.
    pub client_id: String,
    /// What annals shows there, if it does.
    pub client_secret: Option<String>,
    /// What the sign-in page calls it.
    pub label: String,
    /// What is asked for, with spaces between.
    pub scopes: String,
    /// The claim whose values give roles.
    pub claim: String,
    /// What they give.
    pub roles: Vec<Role>,
    /// Time for the provider to answer.
    pub answer_max: Duration,
}

impl fmt::Debug for OidcSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "OidcSettings({}, {}, …)", self.issuer, self.client_id)
    }
}

/// Somebody whom the provider vouched for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    /// By whom.
    pub(crate) issuer: String,
    /// To whom: annals' name there.
    pub(crate) client_id: String,
    /// The claim that `values` are of.
    pub(crate) claim: String,
    /// Their name there, which stays theirs.
    pub(crate) subject: String,
    /// What people call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Their address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) email: Option<String>,
    /// Those values of the claim that gave a role when they signed in.
    pub(crate) values: Vec<String>,
}

impl Person {
    /// Their name in records, which no key has and nobody at another provider.
    pub(crate) fn id(&self) -> String {
        let digest = Sha256::digest(self.issuer.as_bytes());
        let issuer: String = digest.iter().take(ISSUER_BYTES).map(|byte| format!("{byte:02x}")).collect();
        format!("oidc:{issuer}:{}", self.subject)
    }

    /// Who they are, as the access log has it.
    pub(crate) fn actor(&self) -> Value {
        let mut actor = json!({"type": "user", "id": self.id()});
        for (name, value) in [("name", &self.name), ("email", &self.email)] {
            if let Some(value) = value {
                actor[name] = json!(value);
            }
        }
        actor
    }
}
