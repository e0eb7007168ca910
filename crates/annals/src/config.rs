//! Settings: from flags, the environment and a TOML file, in this order; what none of them says has a default.
//!
//! [`SETTINGS`] is the one list of them: reading, `annals config example` and the reference are made from it. An unknown
//! key in the file, and a value that does not fit, are errors that name the place.

mod file;
pub(crate) mod quantity;
mod sign_in;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::BTreeMap;
use std::env::VarError;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use annals_dialects::{Dialects, Given as GivenToDialects};
use annals_ledger::TailLimits;
use ipnet::IpNet;

use crate::exit::{Exit, Failure};
use crate::signer::client::SignerAddress;
pub(crate) use sign_in::Oidc;

/// Variables of ours that are no settings.
const OTHER_VARIABLES: &[&str] =
    &["ANNALS_CONFIG", "ANNALS_KEY", "ANNALS_LOG", "ANNALS_OUTBOX", "ANNALS_STATE", "ANNALS_URL"];

/// One setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Its path in the file.
    pub(crate) key: &'static str,
    /// What holds when nobody says anything, as it would stand in the environment; none when that is "not set".
    pub(crate) default: Option<&'static str>,
    /// A value to show in the example, as TOML.
    pub(crate) example: &'static str,
    /// What it does, for people.
    pub(crate) about: &'static str,
}

impl Setting {
    /// The variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("ANNALS_{}", self.key.replace('.', "__").to_ascii_uppercase())
    }
}

/// Settings that are lists; in the environment with commas between. So are some of vendors.
const LISTS: &[&str] = &["behind_proxy", "oidc.roles", "witness.list"];

/// Every setting: ours, and before the limits those of vendors' APIs.
pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    let at = OWN.iter().position(|setting| setting.key == "limits.event").unwrap_or(OWN.len());
    let of_vendor = |setting: &annals_dialects::Setting| Setting {
        key: setting.key,
        default: setting.default,
        example: setting.example,
        about: setting.about,
    };
    let (before, after) = OWN.split_at(at);
    before.iter().copied().chain(Dialects::settings().map(of_vendor)).chain(after.iter().copied()).collect()
});

/// Whether a setting is a list.
fn is_list(key: &str) -> bool {
    LISTS.contains(&key) || Dialects::settings().any(|setting| setting.is_list && setting.key == key)
}

/// Settings of our own.
const OWN: &[Setting] = &[
    Setting {
        key: "data",
        default: Some("annals-data"),
        example: "\"/var/lib/annals\"",
        about: "Folder that holds everything: journal, segments, signing key, signer's memory. Made with mode 0700 when \
                missing.",
    },
    // IANA leaves ports 4712 to 4724 unassigned, Linux gives outgoing connections ports from 32768 on, so nothing sits on
    // 4722 by chance, and no browser blocks it.
    Setting {
        key: "listen",
        default: Some("127.0.0.1:4722"),
        example: "\"127.0.0.1:4722\"",
        about: "Address and port to listen on. `PORT` in the environment replaces the port. Beyond loopback only with \
                `tls` or `behind_proxy`. Port 0 takes a free one.",
    },
    Setting {
        key: "behind_proxy",
        default: None,
        example: "[\"10.0.0.0/8\"]",
        about: "Networks of the proxies that end TLS in front of this server; others are refused.",
    },
    Setting {
        key: "shutdown",
        default: Some("25s"),
        example: "\"25s\"",
        about: "How long requests that are under way may take when the server is told to stop.",
    },
    Setting {
        key: "tls.cert",
        default: None,
        example: "\"/etc/annals/cert.pem\"",
        about: "Certificate chain, PEM. Read again on SIGHUP.",
    },
    Setting {
        key: "tls.key",
        default: None,
        example: "\"/etc/annals/key.pem\"",
        about: "Private key of the certificate, PEM. Read again on SIGHUP.",
    },
    Setting {
        key: "log.name",
        default: None,
        example: "\"log.example.com\"",
        about: "First part of the origins of all logs, fixed at the first start; random when not set. Not an address, \
                and no customer's name: it is public and stays.",
    },
    Setting {
        key: "tenants.create",
        default: Some("on-write"),
        example: "\"on-write\"",
        about: "`on-write`: a tenant exists from its first event. `explicit`: it must be made with POST /v1/tenants.",
    },
    Setting {
        key: "access.strict",
        default: Some("false"),
        example: "false",
        about: "Refuse reads whose access record cannot be written, instead of recording the gap later.",
    },
    Setting {
        key: "viewer.session",
        default: Some("12h"),
        example: "\"12h\"",
        about: "How long who signed in to the viewer stays signed in, 5m to 30d. A session ends with its key, too.",
    },
    Setting {
        key: "oidc.issuer",
        default: None,
        example: "\"https://id.example.com\"",
        about: "The identity provider that people sign in to the viewer by (OpenID Connect): its address, exactly as its tokens \
                name it. HTTPS, or HTTP on this machine.",
    },
    Setting {
        key: "oidc.client_id",
        default: None,
        example: "\"annals\"",
        about: "Name of this server at the identity provider. The address to come back to is \
                `https://…/v1/session/oidc/callback`.",
    },
    Setting {
        key: "oidc.client_secret_file",
        default: None,
        example: "\"/etc/annals/oidc-secret\"",
        about: "File with the secret that this server shows there; without one it is a public client. Read at the start.",
    },
    Setting {
        key: "oidc.label",
        default: Some("Single sign-on"),
        example: "\"Acme SSO\"",
        about: "What the sign-in page calls the identity provider, 1 to 100 bytes.",
    },
    Setting {
        key: "oidc.scopes",
        default: Some("openid email profile"),
        example: "\"openid email profile groups\"",
        about: "What the identity provider is asked for, with spaces between; `openid` among it.",
    },
    Setting {
        key: "oidc.claim",
        default: Some("groups"),
        example: "\"realm_access.roles\"",
        about: "The claim whose values give roles: its name, or names with dots between where it lies deeper.",
    },
    Setting {
        key: "oidc.roles",
        default: None,
        example: "[\"auditors acme read,export,verify\", \"platform-admins * read,export,verify,admin\"]",
        about: "What its values give, each as `VALUE TENANT SCOPES`: `*` is every tenant, scopes have commas between, or `+` in \
                the environment. Several that fit one person must be for the same tenant, and unite.",
    },
    Setting {
        key: "limits.event",
        default: Some("256KiB"),
        example: "\"256KiB\"",
        about: "Longest event as sent, 1KiB to 1MiB.",
    },
    Setting {
        key: "segments.cache",
        default: Some("64MiB"),
        example: "\"64MiB\"",
        about: "Memory for what is read of segments, 1MiB to 64GiB. More lets questions about the past read the disk less.",
    },
    Setting {
        key: "segments.seal_records",
        default: Some("60000"),
        example: "60000",
        about: "So many of the newest records are kept in memory before they are sealed into a segment, 1 to 1000000; \
                while they are being sealed, as many again.",
    },
    Setting {
        key: "segments.seal_bytes",
        default: Some("48MiB"),
        example: "\"64MiB\"",
        about: "At so many bytes they are sealed as well, 64KiB to 1GiB.",
    },
    Setting {
        key: "segments.seal_age",
        default: Some("1h"),
        example: "\"1h\"",
        about: "At this age of the oldest of them they are sealed as well, 1s to 365d: a start reads what is not sealed.",
    },
    Setting {
        key: "registry.every",
        default: Some("1h"),
        example: "\"1h\"",
        about: "The head of a log that changed goes into the registry of all logs at most so often, 1m to 30d.",
    },
    Setting {
        key: "erasure.approvals",
        default: Some("2"),
        example: "2",
        about: "How many keys must approve a case of erasure, the one that asks among them, 1 to 16.",
    },
    Setting {
        key: "scrub.rate",
        default: Some("2000"),
        example: "2000",
        about: "Records that are read again in the background each second, and held against checksums and trees; 0 for none.",
    },
    Setting {
        key: "scrub.every",
        default: Some("1d"),
        example: "\"1d\"",
        about: "From the beginning of one pass over everything to that of the next, at least, 1m to 365d.",
    },
    Setting {
        key: "signer.url",
        default: None,
        example: "\"unix:/run/annals/signer.sock\"",
        about: "Where the signer is, when the key is with one of its own; see `annals signer`. `unix:PATH`, `https://…`, or \
                `http://…` on this machine.",
    },
    Setting {
        key: "signer.token_file",
        default: None,
        example: "\"/etc/annals/signer-token\"",
        about: "File with the token that the signer knows this server by: a copy of `token` in the signer's folder.",
    },
    Setting {
        key: "witness.list",
        default: None,
        example: "[\"https://witness.example.org witness.example/w1+0ad7d35e+BIqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\"]",
        about: "Witnesses that are asked to cosign checkpoints, each as `URL VKEY`; see `annals witness`.",
    },
    Setting {
        key: "witness.quorum",
        default: None,
        example: "1",
        about: "So many of them must cosign; all of them when not set. Without so many, checkpoints go out uncosigned and \
                `/v1/status` says so.",
    },
    Setting {
        key: "witness.every",
        default: Some("1h"),
        example: "\"1h\"",
        about: "A log that grew is submitted to them at most so often, 1s to 30d.",
    },
    Setting {
        key: "witness.logs",
        default: Some("all"),
        example: "\"registry\"",
        about: "Which logs they see: `all` tenants' logs, or only the `registry`, in which the head of every log stands.",
    },
];

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: String, line: usize, column: usize },
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line, column } => write!(out, "{path}:{line}:{column}"),
            Self::Variable(name) => write!(out, "environment variable `{name}`"),
            Self::Flag(name) => write!(out, "`{name}`"),
        }
    }
}

/// A value as somebody gave it: one or several texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) values: Vec<String>,
    /// Written as a list, even of one.
    pub(crate) is_list: bool,
    pub(crate) origin: Origin,
}

impl Given {
    /// A single value.
    pub(crate) fn one(value: impl Into<String>, origin: Origin) -> Self {
        Self { values: vec![value.into()], is_list: false, origin }
    }

    /// The value in TOML.
    pub(crate) fn to_toml(&self) -> String {
        let quoted: Vec<String> =
            self.values.iter().map(|value| toml::Value::from(value.as_str()).to_string()).collect();
        if self.is_list { format!("[{}]", quoted.join(", ")) } else { quoted.join("") }
    }
}

/// What all sources together say: by setting, what wins.
pub(crate) type Layers = BTreeMap<&'static str, Given>;

/// Everything `serve` needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) data: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) behind_proxy: Vec<IpNet>,
    pub(crate) shutdown: Duration,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) log_name: Option<String>,
    pub(crate) tenants_explicit: bool,
    pub(crate) access_strict: bool,
    pub(crate) event_bytes_max: usize,
    /// Memory for what is read of segments.
    pub(crate) cache_bytes_max: usize,
    pub(crate) tail: TailLimits,
    pub(crate) dialects: Dialects,
    /// Who cosigns checkpoints, if anybody.
    pub(crate) witnessing: Option<annals_server::Witnessing>,
    /// Who has the key, when it is not in the data folder.
    pub(crate) signer: Option<SignerAddress>,
    /// How often logs that changed go into the registry.
    pub(crate) register_every: Duration,
    /// How many keys must approve a case of erasure.
    pub(crate) erasure_approvals: u32,
    pub(crate) scrubbing: Option<annals_server::Scrubbing>,
    /// How long a session of the viewer lasts.
    pub(crate) session_max: Duration,
    /// Who vouches for people, if anybody.
    pub(crate) oidc: Option<Oidc>,
}

/// Where certificate and key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

/// The flags that set settings; the same for every command that reads them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SettingFlags {
    /// Folder that holds everything; made when missing [default: annals-data; a temporary one for `demo`]
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Address and port to listen on [default: 127.0.0.1:4722]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// TOML file with settings; see `annals config example`
    #[arg(long, value_name = "FILE", env = "ANNALS_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Certificate chain (PEM), to serve HTTPS
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<String>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<String>,
    /// Network of a proxy that ends TLS in front of this server; may be repeated
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(crate) behind_proxy: Vec<String>,
}

impl SettingFlags {
    /// Reads all sources.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or holds a key that is no setting; a variable is not UTF-8.
    pub(crate) fn layers(&self) -> Result<Layers, Failure> {
        self.layers_with(variable)
    }

    fn layers_with(
        &self,
        variable: impl Fn(&str) -> Result<Option<String>, Failure>,
    ) -> Result<Layers, Failure> {
        let mut layers: Layers = SETTINGS
            .iter()
            .filter_map(|setting| Some((setting.key, Given::one(setting.default?, Origin::Default))))
            .collect();
        if let Some(path) = &self.config {
            layers.extend(file::read(path)?);
        }
        for setting in SETTINGS.iter() {
            let name = setting.variable();
            if let Some(value) = variable(&name)? {
                let mut given = Given::one(value, Origin::Variable(name));
                if is_list(setting.key) {
                    given.values = given.values[0].split(',').map(|part| part.trim().to_owned()).collect();
                    given.is_list = true;
                }
                layers.insert(setting.key, given);
            }
        }
        let listen_is_set = self.listen.is_some() || variable("ANNALS_LISTEN")?.is_some();
        if let (false, Some(port)) = (listen_is_set, variable("PORT")?) {
            let host =
                layers["listen"].values[0].rsplit_once(':').map_or("127.0.0.1", |(host, _)| host).to_owned();
            layers
                .insert("listen", Given::one(format!("{host}:{port}"), Origin::Variable("PORT".to_owned())));
        }
        let flags = [
            ("data", "--data", &self.data),
            ("listen", "--listen", &self.listen),
            ("tls.cert", "--tls-cert", &self.tls_cert),
            ("tls.key", "--tls-key", &self.tls_key),
        ];
        for (key, flag, value) in flags {
            if let Some(value) = value {
                layers.insert(key, Given::one(value, Origin::Flag(flag.to_owned())));
            }
        }
        if !self.behind_proxy.is_empty() {
            let origin = Origin::Flag("--behind-proxy".to_owned());
            layers.insert("behind_proxy", Given { values: self.behind_proxy.clone(), is_list: true, origin });
        }
        Ok(layers)
    }

    /// Reads all sources and checks every value.
    ///
    /// # Errors
    ///
    /// A [`Failure`] that names the place of the value that does not fit.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        self.config_with(&[])
    }

    /// As [`SettingFlags::config`], with other values for what nobody has set.
    pub(crate) fn config_with(&self, defaults: &[(&'static str, &'static str)]) -> Result<Config, Failure> {
        let mut layers = self.layers()?;
        for (key, value) in defaults {
            let is_set = layers.get(key).is_some_and(|given| given.origin != Origin::Default);
            if !is_set {
                layers.insert(key, Given::one(*value, Origin::Default));
            }
        }
        Config::check(&layers)
    }
}

/// An environment variable, if it is set.
///
/// # Errors
///
/// `Invalid`, when it is not UTF-8: going on without it would be to do something else than was asked for.
pub(crate) fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(value)) => {
            let message = format!("environment variable `{name}`: `{}` is not UTF-8", value.display());
            Err(Failure::new(Exit::Invalid, message))
        }
    }
}

impl Config {
    /// Checks what the sources said.
    pub(crate) fn check(layers: &Layers) -> Result<Self, Failure> {
        let values = Values(layers);
        let config = Self {
            data: values
                .required("data", |text| (!text.is_empty()).then(|| PathBuf::from(text)).ok_or("is empty"))?,
            listen: values.required("listen", listen_address)?,
            behind_proxy: values.list("behind_proxy", |text| {
                IpNet::from_str(text)
                    .or_else(|_| text.parse().map(std::net::IpAddr::into))
                    .map_err(|_| "is no network such as 10.0.0.0/8")
            })?,
            shutdown: values.required("shutdown", quantity::duration)?,
            tls: values.tls()?,
            log_name: values.optional("log.name", |text| {
                let fits = annals_tree::origin::check_ledger_name(text).is_ok();
                fits.then(|| text.to_owned()).ok_or("must be 1 to 220 bytes without spaces and `+`")
            })?,
            tenants_explicit: values.required("tenants.create", |text| match text {
                "on-write" => Ok(false),
                "explicit" => Ok(true),
                _ => Err("must be `on-write` or `explicit`"),
            })?,
            access_strict: values
                .required("access.strict", |text| text.parse().map_err(|_| "must be `true` or `false`"))?,
            event_bytes_max: values
                .required("limits.event", |text| quantity::size_within(text, 1 << 10, 1 << 20))?,
            cache_bytes_max: values
                .required("segments.cache", |text| quantity::size_within(text, 1 << 20, 64 << 30))?,
            tail: values.tail()?,
            dialects: values.dialects()?,
            witnessing: values.witnessing()?,
            signer: values.signer()?,
            register_every: values.register_every()?,
            erasure_approvals: values.erasure_approvals()?,
            scrubbing: values.scrubbing()?,
            session_max: values.session_max()?,
            oidc: values.oidc()?,
        };
        if !config.listen.ip().is_loopback() && config.tls.is_none() && config.behind_proxy.is_empty() {
            let failure =
                values.refuse("listen", "is reachable from other machines, and keys would travel in clear");
            return Err(failure.with_hint(
                "give `--tls-cert` and `--tls-key`, or `--behind-proxy CIDR` when a proxy in front ends TLS; or listen on 127.0.0.1",
            ));
        }
        Ok(config)
    }
}

/// `ADDR:PORT`; `localhost` is 127.0.0.1.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, &'static str> {
    let text =
        text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    text.parse().map_err(|_| "must be an address and a port, such as 127.0.0.1:4722 or [::1]:4722")
}

/// Typed reading of [`Layers`].
struct Values<'a>(&'a Layers);

impl Values<'_> {
    fn required<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<T, Failure> {
        let value = self.optional(key, parse)?;
        Ok(value.expect("every setting that is required has a default"))
    }

    fn optional<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        let Some(given) = self.0.get(key) else { return Ok(None) };
        if given.is_list {
            return Err(self.refuse(key, "must be one value, not a list"));
        }
        parse(&given.values[0]).map(Some).map_err(|error| self.refuse(key, error))
    }

    fn list<T, E: fmt::Display>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Failure> {
        let Some(given) = self.0.get(key) else { return Ok(Vec::new()) };
        let parsed =
            given.values.iter().map(|value| parse(value).map_err(|error| self.refuse_one(key, value, error)));
        parsed.collect()
    }

    fn tls(&self) -> Result<Option<TlsFiles>, Failure> {
        let path = |text: &str| Ok::<_, &str>(PathBuf::from(text));
        match (self.optional("tls.cert", path)?, self.optional("tls.key", path)?) {
            (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(self.refuse("tls.cert", "stands alone; `tls.key` is missing")),
            (None, Some(_)) => Err(self.refuse("tls.key", "stands alone; `tls.cert` is missing")),
        }
    }

    fn tail(&self) -> Result<TailLimits, Failure> {
        let bytes = |text: &str| quantity::size_within(text, 64 << 10, 1 << 30);
        Ok(TailLimits {
            records_max: self.required("segments.seal_records", |text| {
                let records = text.parse().ok().filter(|records| (1..=1_000_000).contains(records));
                records.ok_or("must be between 1 and 1000000")
            })?,
            bytes_max: self.required("segments.seal_bytes", bytes)? as u64,
            age_us_max: self.required("segments.seal_age", |text| {
                let age = quantity::duration(text)?;
                let fits = (Duration::from_secs(1)..=Duration::from_hours(24 * 365)).contains(&age);
                let micros = i64::try_from(age.as_micros()).ok();
                micros.filter(|_| fits).ok_or("must be between 1s and 365d")
            })?,
        })
    }

    fn dialects(&self) -> Result<Dialects, Failure> {
        for setting in Dialects::settings().filter(|setting| !setting.is_list) {
            if self.0.get(setting.key).is_some_and(|given| given.is_list) {
                return Err(self.refuse(setting.key, "must be one value, not a list"));
            }
        }
        let given = |key: &str| self.0.get(key).map(|given| given.values.clone());
        Dialects::read(&GivenToDialects::new(&given))
            .map_err(|wrong| self.refuse_one(&wrong.key, &wrong.value, wrong.problem))
    }

    fn refuse(&self, key: &'static str, problem: impl fmt::Display) -> Failure {
        let value = self.0.get(key).map_or_else(String::new, |given| given.values.join(", "));
        self.refuse_one(key, &value, problem)
    }

    fn refuse_one(&self, key: &str, value: &str, problem: impl fmt::Display) -> Failure {
        let message = match self.0.get(key).map(|given| &given.origin) {
            Some(origin @ Origin::File { .. }) => format!("{origin}: `{key}`: `{value}` {problem}"),
            Some(Origin::Variable(name)) => format!("environment variable `{name}`: `{value}` {problem}"),
            Some(Origin::Flag(name)) => format!("`{name}`: `{value}` {problem}"),
            Some(Origin::Default) | None => format!("`{key}`: `{value}` {problem}"),
        };
        Failure::new(Exit::Invalid, message)
    }
}

/// Variables that look like settings of ours and are none, each with what may have been meant.
///
/// Not an error: a cluster puts variables named after its services into every process's environment.
pub(crate) fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let known: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    let all = || known.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied());
    let mut remarks: Vec<String> = names
        .filter(|name| name.starts_with("ANNALS_") && !all().any(|known| known == name))
        .filter_map(|name| {
            let meant = nearest(&name, all())?;
            Some(format!(
                "environment variable `{name}` is not known and does nothing; did you mean `{meant}`?"
            ))
        })
        .collect();
    remarks.sort();
    remarks
}

/// The candidate that is at most a few slips of the finger away.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = (word.len() / 3).clamp(1, 3);
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(slips, _)| *slips <= slips_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, drop or change to make one word the other (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, other) in to.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

/// A file with every setting, explained, all commented out.
pub(crate) fn example() -> String {
    let mut text =
        String::from("# Settings of annals. Flags win over the environment, which wins over this file.\n");
    let mut section = "";
    for setting in SETTINGS.iter() {
        let (table, name) = setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        if table != section {
            section = table;
            text.push_str(&format!("\n[{table}]\n"));
        } else {
            text.push('\n');
        }
        for line in wrapped(setting.about, 100) {
            text.push_str(&format!("# {line}\n"));
        }
        text.push_str(&format!("# Environment: {}\n", setting.variable()));
        text.push_str(&format!("#{name} = {}\n", setting.example));
    }
    text
}

/// Breaks text into lines of at most `width` bytes, where words allow it.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// The path as it is shown in messages.
fn shown(path: &Path) -> String {
    path.display().to_string()
}
