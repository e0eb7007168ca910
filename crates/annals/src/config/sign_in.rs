//! Settings about people with browsers.

use std::path::PathBuf;
use std::time::Duration;

use annals_event::TenantId;
use annals_ledger::Scope;
use annals_server::{OIDC_ANSWER_MAX, OidcSettings, Role};

use super::{Values, quantity};
use crate::exit::{Exit, Failure};

/// Longest name of the identity provider for people, bytes.
const LABEL_BYTES_MAX: usize = 100;

/// Longest client secret, bytes.
const SECRET_BYTES_MAX: u64 = 4 << 10;

/// Most roles, and the longest value that gives one, bytes: those of one person must fit into a cookie.
const ROLES_MAX: usize = 256;
const ROLE_VALUE_BYTES_MAX: usize = 256;

/// Settings without which there is no identity provider, and those that are nothing without one.
const NEEDED: [&str; 2] = ["oidc.client_id", "oidc.roles"];
const ALONE: [&str; 3] = ["oidc.client_id", "oidc.client_secret_file", "oidc.roles"];

/// The identity provider; its secret is still to be read.
#[derive(Clone, Debug)]
pub(crate) struct Oidc {
    settings: OidcSettings,
    client_secret_file: Option<PathBuf>,
}

impl Oidc {
    /// With the secret.
    ///
    /// # Errors
    ///
    /// Its file cannot be read, or holds no secret.
    pub(crate) fn read(&self) -> Result<OidcSettings, Failure> {
        let Some(path) = &self.client_secret_file else { return Ok(self.settings.clone()) };
        let invalid = |what: &str| {
            Failure::new(Exit::Invalid, format!("`oidc.client_secret_file`: `{}` {what}", path.display()))
        };
        let length = std::fs::metadata(path).map_err(|error| Failure::io("read", path, &error))?.len();
        if length > SECRET_BYTES_MAX {
            return Err(invalid("is too long for a secret"));
        }
        let text = std::fs::read_to_string(path).map_err(|error| Failure::io("read", path, &error))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(invalid("is empty"));
        }
        Ok(OidcSettings { client_secret: Some(secret.to_owned()), ..self.settings.clone() })
    }
}

impl Values<'_> {
    /// How long a session of the viewer lasts.
    pub(super) fn session_max(&self) -> Result<Duration, Failure> {
        self.required("viewer.session", |text| {
            let life = quantity::duration(text)?;
            let fits = (Duration::from_mins(5)..=Duration::from_hours(24 * 30)).contains(&life);
            fits.then_some(life).ok_or("must be between 5m and 30d")
        })
    }

    /// The identity provider, if there is one.
    pub(super) fn oidc(&self) -> Result<Option<Oidc>, Failure> {
        let Some(issuer) = self.optional("oidc.issuer", issuer)? else {
            return match ALONE.iter().find(|key| self.0.contains_key(*key)) {
                Some(key) => Err(self.refuse(key, "stands alone; `oidc.issuer` is missing")),
                None => Ok(None),
            };
        };
        if let Some(missing) = NEEDED.iter().find(|key| !self.0.contains_key(*key)) {
            return Err(self.refuse("oidc.issuer", format!("stands alone; `{missing}` is missing")));
        }
        let roles = self.list("oidc.roles", role)?;
        if roles.is_empty() || roles.len() > ROLES_MAX {
            return Err(self.refuse("oidc.roles", format!("must be 1 to {ROLES_MAX} roles")));
        }
        let settings = OidcSettings {
            issuer,
            client_id: self.optional("oidc.client_id", text)?.unwrap_or_default(),
            client_secret: None,
            label: self.required("oidc.label", |label| {
                let fits = label.len() <= LABEL_BYTES_MAX;
                text(label).and_then(|label| fits.then_some(label).ok_or("must be 1 to 100 bytes"))
            })?,
            scopes: self.required("oidc.scopes", |scopes| {
                let is_asked = scopes.split(' ').any(|scope| scope == "openid");
                text(scopes)
                    .and_then(|scopes| is_asked.then_some(scopes).ok_or("must have `openid` among it"))
            })?,
            claim: self.required("oidc.claim", text)?,
            roles,
            answer_max: OIDC_ANSWER_MAX,
        };
        let client_secret_file =
            self.optional("oidc.client_secret_file", |path| text(path).map(PathBuf::from))?;
        Ok(Some(Oidc { settings, client_secret_file }))
    }
}

fn text(text: &str) -> Result<String, &'static str> {
    let fits = !text.is_empty() && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned()).ok_or("is empty, or has control characters in it")
}

/// An issuer, kept as it is written: it is compared with what tokens say.
fn issuer(text: &str) -> Result<String, &'static str> {
    let url: reqwest::Url = text.parse().map_err(|_| "must be a URL")?;
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err("must be a URL without a user, a password, `?` and `#`");
    }
    if !annals_server::is_safe_address(text) {
        return Err(
            "must begin with `https://`: what it says lets people in. On this machine `http://` is taken too",
        );
    }
    Ok(text.to_owned())
}

/// `VALUE TENANT SCOPES`; only the value may have spaces in it.
fn role(text: &str) -> Result<Role, String> {
    let mut parts = text.trim().rsplitn(3, ' ');
    let (Some(scopes), Some(tenant), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("must be a value, a tenant or `*`, and scopes, with spaces between".to_owned());
    };
    let value = value.trim();
    if value.is_empty() || value.len() > ROLE_VALUE_BYTES_MAX {
        return Err(format!("must begin with a value of 1 to {ROLE_VALUE_BYTES_MAX} bytes"));
    }
    let tenant = match tenant {
        "*" => None,
        id => Some(TenantId::new(id).map_err(|error| format!("names a tenant that {error}"))?),
    };
    let scope = |word: &str| {
        let known = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
        known.ok_or_else(|| {
            format!("names the scope `{word}`; it must be write, read, export, verify or admin")
        })
    };
    let scopes = scopes.split([',', '+']).map(scope).collect::<Result<_, _>>()?;
    Ok(Role { value: value.to_owned(), tenant, scopes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Given, Layers, Origin};

    #[test]
    fn a_role_is_a_value_a_tenant_and_scopes() {
        let read = role("auditors acme read,export").unwrap();
        assert_eq!((read.value.as_str(), read.tenant.unwrap().as_str()), ("auditors", "acme"));
        assert_eq!(read.scopes, [Scope::Read, Scope::Export]);
        let read = role("  Domain Admins  * read+admin ").unwrap();
        assert_eq!(
            (read.value.as_str(), read.tenant, read.scopes),
            ("Domain Admins", None, vec![Scope::Read, Scope::Admin])
        );
        for (wrong, why) in [
            ("auditors", "must be a value"),
            ("acme read", "must be a value"),
            ("", "must be a value"),
            ("auditors acme reads", "`reads`"),
            ("auditors acme read,", "``"),
            ("auditors _annals read", "tenant"),
            (&format!("{} acme read", "x".repeat(257)), "256"),
        ] {
            assert!(role(wrong).unwrap_err().contains(why), "{wrong}");
        }
    }

    /// What is wrong with settings, or the provider that they say.
    fn checked(given: &[(&'static str, &str)]) -> Result<Option<Oidc>, String> {
        let defaults = [("oidc.label", "SSO"), ("oidc.scopes", "openid"), ("oidc.claim", "groups")];
        let mut layers = Layers::new();
        for (key, value) in defaults.iter().chain(given) {
            let is_list = *key == "oidc.roles";
            layers.insert(key, Given { is_list, ..Given::one(*value, Origin::Default) });
        }
        Values(&layers).oidc().map_err(|failure| failure.message)
    }

    #[test]
    fn a_provider_is_whole_or_there_is_none() {
        let whole = [
            ("oidc.issuer", "https://id.example"),
            ("oidc.client_id", "annals"),
            ("oidc.roles", "a acme read"),
        ];
        assert!(checked(&[]).unwrap().is_none() && checked(&whole).unwrap().is_some());
        for missing in 0..whole.len() {
            let mut given = whole.to_vec();
            let (key, _) = given.remove(missing);
            let wrong = checked(&given).unwrap_err();
            assert!(
                wrong.contains("stands alone") && wrong.contains(&format!("`{key}` is missing")),
                "{wrong}"
            );
        }
        for (key, value) in [
            ("oidc.issuer", "http://id.example"),
            ("oidc.client_id", ""),
            ("oidc.roles", "a acme"),
            ("oidc.scopes", "email"),
            ("oidc.label", ""),
            ("oidc.claim", ""),
        ] {
            let wrong = checked(&[whole.as_slice(), &[(key, value)]].concat()).unwrap_err();
            assert!(wrong.contains(&format!("`{key}`")), "{key}: {wrong}");
        }
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_printed_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let path = file.to_str().unwrap();
        let given = [
            ("oidc.issuer", "https://id.example"),
            ("oidc.client_id", "annals"),
            ("oidc.roles", "a acme read"),
            ("oidc.client_secret_file", path),
        ];
        let oidc = checked(&given).unwrap().unwrap();
        assert!(oidc.read().unwrap_err().message.contains(path));
        for (text, read) in [(" s3cret\n", Some(" s3cret")), ("s3cret\r\n", Some("s3cret")), ("\n", None)] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(oidc.read().ok().and_then(|settings| settings.client_secret).as_deref(), read);
        }
        std::fs::write(&file, "s3cret").unwrap();
        assert!(!format!("{:?}", oidc.read().unwrap()).contains("s3cret"));
    }

    #[test]
    fn an_issuer_is_kept_as_it_is_written() {
        for good in [
            "https://id.example.com",
            "https://id.example.com/",
            "https://id.example.com/realms/a",
            "http://127.0.0.1:8080",
        ] {
            assert_eq!(issuer(good).unwrap(), good);
        }
        for wrong in [
            "http://id.example.com",
            "id.example.com",
            "https://u:p@id.example.com",
            "https://id.example.com?x",
            "https://id.example.com#x",
        ] {
            assert!(issuer(wrong).is_err(), "{wrong}");
        }
    }
}
