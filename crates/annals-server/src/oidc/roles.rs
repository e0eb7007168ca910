//! What somebody may do, by what the provider says of them.

use annals_event::TenantId;
use annals_ledger::Scope;

use super::{OidcSettings, Person};
use crate::problem::{Code, Problem};

/// What a value of the claim gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The value, such as the name of a group.
    pub value: String,
    /// The tenant; none for all of them, as with a platform key.
    pub tenant: Option<TenantId>,
    /// What may be done there.
    pub scopes: Vec<Scope>,
}

/// The tenant, none for all, and the scopes of somebody.
pub(crate) type Granted = (Option<TenantId>, Vec<Scope>);

/// What somebody may do as of now: the scopes of all their roles, which must be for one tenant.
///
/// # Errors
///
/// No role fits, or roles for different tenants do.
pub(crate) fn granted(settings: &OidcSettings, person: &Person) -> Result<Granted, Problem> {
    let refuse = |detail: &'static str| Err(Problem::new(Code::RoleMissing, detail));
    if person.issuer != settings.issuer {
        return refuse("another identity provider than that of the configuration vouched for you");
    }
    if person.client_id != settings.client_id || person.claim != settings.claim {
        return refuse(
            "you signed in under another `oidc.client_id` or `oidc.claim` than that of the configuration",
        );
    }
    let mut roles = settings.roles.iter().filter(|role| person.values.contains(&role.value));
    let Some(first) = roles.next() else {
        return refuse(
            "the identity provider knows you, and none of your groups has a role here; ask who runs this server",
        );
    };
    let mut scopes = first.scopes.clone();
    for role in roles {
        if role.tenant != first.tenant {
            return refuse(
                "your groups have roles for different tenants here, and a session is for one; ask who runs this server",
            );
        }
        scopes.extend(&role.scopes);
    }
    scopes.sort_unstable();
    scopes.dedup();
    Ok((first.tenant.clone(), scopes))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn role(value: &str, tenant: Option<&str>, scopes: &[Scope]) -> Role {
        let tenant = tenant.map(|tenant| TenantId::new(tenant).unwrap());
        Role { value: value.to_owned(), tenant, scopes: scopes.to_vec() }
    }

    #[test]
    fn roles_for_one_tenant_unite_and_others_are_refused() {
        let settings = OidcSettings {
            issuer: "https://id.example".to_owned(),
            client_id: "annals".to_owned(),
            client_secret: None,
            label: String::new(),
            scopes: String::new(),
            claim: "groups".to_owned(),
            roles: vec![
                role("readers", Some("acme"), &[Scope::Read]),
                role("auditors", Some("acme"), &[Scope::Verify, Scope::Read]),
                role("others", Some("globex"), &[Scope::Read]),
                role("admins", None, &[Scope::Admin]),
            ],
            answer_max: Duration::ZERO,
        };
        let of = |issuer: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let person = Person {
                issuer: issuer.to_owned(),
                client_id: "annals".to_owned(),
                claim: "groups".to_owned(),
                subject: "s".to_owned(),
                name: None,
                email: None,
                values,
            };
            granted(&settings, &person).map(|(tenant, scopes)| (tenant.map(|id| id.to_string()), scopes))
        };
        let here = "https://id.example";
        let acme = Some("acme".to_owned());
        assert_eq!(of(here, &["readers"]), Ok((acme.clone(), vec![Scope::Read])));
        assert_eq!(of(here, &["auditors", "x", "readers"]), Ok((acme, vec![Scope::Read, Scope::Verify])));
        assert_eq!(of(here, &["admins"]), Ok((None, vec![Scope::Admin])));
        for wrong in [&["x"][..], &[], &["readers", "others"], &["readers", "admins"], &["Readers"]] {
            assert_eq!(of(here, wrong).unwrap_err().code(), Code::RoleMissing, "{wrong:?}");
        }
        assert!(of("https://id.example/", &["readers"]).is_err());
    }
}
