//! PostgreSQL: where it is, how its certificate is checked, and what is wrong with it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Connection, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::exit::{Exit, Failure, reason};

/// Time for one address, and for all of getting a session.
const CONNECT_MAX: Duration = Duration::from_secs(10);
const SESSION_MAX: Duration = Duration::from_secs(30);

/// A server that vanished without a word is noticed after about a minute.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVES: u32 = 3;

/// Why a session ended.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It passes: PostgreSQL restarts, the server is down.
    Passing(Failure),
    /// Somebody must change something in PostgreSQL, or how this command is started.
    Lasting(Failure),
    /// Nothing to do with PostgreSQL, and waiting does not mend it.
    Ours(Failure),
}

/// A database.
pub(super) struct Source {
    config: Config,
    tls: MakeRustlsConnect,
}

/// A session's connection, to be driven.
pub(super) type Driver =
    Connection<Socket, <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream>;

impl Source {
    /// A database by its URL, as libpq has it, but for TLS: `sslmode` is `disable` or `verify-full`, which `require` and
    /// `verify-ca` mean too. Without it, sockets and loopback go without TLS, and all else with. `sslrootcert` names a file
    /// with the only authorities to be trusted. Nothing is asked yet.
    pub(super) fn parse(url: &str) -> Result<Self, Failure> {
        let invalid = |why: &str| Failure::new(Exit::Invalid, format!("the database's URL {why}"));
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(invalid("does not start with `postgres://`")
                .with_hint("give `--from postgres://USER@HOST/DATABASE`"));
        }
        let Parameters { rest, sslmode, sslrootcert } = Parameters::of(url);
        let mut config: Config =
            rest.parse().map_err(|error| invalid(&format!("is none: {}", reason(&error))))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid("names no host").with_hint(
                "name one, or the folder of its socket: postgres://USER@/DATABASE?host=/var/run/postgresql",
            ));
        }
        config.ssl_mode(match sslmode.as_deref() {
            None if is_at_home(&config) => SslMode::Disable,
            Some("disable") => SslMode::Disable,
            None | Some("require" | "verify-ca" | "verify-full") => SslMode::Require,
            Some(other) => {
                return Err(invalid(&format!("has `sslmode={other}`, which may go in clear without a word"))
                    .with_hint(
                        "use `sslmode=verify-full`, or `sslmode=disable` on a network that you trust",
                    ));
            }
        });
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.keepalives_idle(KEEPALIVE_AFTER);
        config.keepalives_interval(KEEPALIVE_EVERY);
        config.keepalives_retries(KEEPALIVES);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_MAX);
        }
        if config.get_application_name().is_none() {
            config.application_name("annals relay");
        }
        Ok(Self { config, tls: tls(sslrootcert.map(PathBuf::from))? })
    }

    /// A session, signed in.
    pub(super) async fn connect(&self) -> Result<(Client, Driver), Trouble> {
        let connected = tokio::time::timeout(SESSION_MAX, self.config.connect(self.tls.clone())).await;
        match connected {
            Ok(connected) => connected.map_err(|error| trouble(&error)),
            Err(_) => Err(Trouble::Passing(silence(SESSION_MAX))),
        }
    }
}

/// A URL without the parameters that tokio-postgres does not know, or not in full.
struct Parameters {
    rest: String,
    sslmode: Option<String>,
    sslrootcert: Option<String>,
}

impl Parameters {
    fn of(url: &str) -> Self {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut parameters = Self { rest: base.to_owned(), sslmode: None, sslrootcert: None };
        let mut separator = '?';
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) =
                form_urlencoded::parse(pair.as_bytes()).next().expect("a text that is not empty is a pair");
            match &*name {
                "sslmode" => parameters.sslmode = Some(value.into_owned()),
                "sslrootcert" => parameters.sslrootcert = Some(value.into_owned()),
                _ => {
                    parameters.rest.push(separator);
                    parameters.rest.push_str(pair);
                    separator = '&';
                }
            }
        }
        parameters
    }
}

/// Whether every address is on this machine.
fn is_at_home(config: &Config) -> bool {
    if !config.get_hostaddrs().is_empty() {
        return config.get_hostaddrs().iter().all(IpAddr::is_loopback);
    }
    config.get_hosts().iter().all(|host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
    })
}

/// TLS that checks certificate and name: against the system's authorities, or those in the file alone.
fn tls(authorities: Option<PathBuf>) -> Result<MakeRustlsConnect, Failure> {
    let unusable = |what: String| Failure::new(Exit::Invalid, what);
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    let config = match authorities {
        None => builder
            .with_platform_verifier()
            .map_err(|error| unusable(format!("the system's certificates: {}", reason(&error))))?
            .with_no_client_auth(),
        Some(path) => {
            let shown = path.display();
            let mut roots = RootCertStore::empty();
            let certificates = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
            let certificates: Vec<_> = certificates
                .map_err(|error| unusable(format!("`sslrootcert` `{shown}`: {}", reason(&error))))?;
            roots.add_parsable_certificates(certificates);
            if roots.is_empty() {
                return Err(unusable(format!("`sslrootcert` `{shown}` holds no certificate")));
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(MakeRustlsConnect::new(config))
}

/// A failure by what it takes to end it.
pub(super) fn trouble(error: &tokio_postgres::Error) -> Trouble {
    let said = error.as_db_error().map_or_else(|| reason(error), |said| said.message().to_owned());
    let failure = |exit| Failure::new(exit, format!("PostgreSQL: {said}"));
    if let Some(state) = error.code() {
        let exit = match state.code().get(..2).unwrap_or_default() {
            // Connection, resources, operator's doing, a standby, a lost race, a limit of time.
            "08" | "25" | "40" | "53" | "57" | "58" => return Trouble::Passing(failure(Exit::Unavailable)),
            "28" => Exit::Denied,
            "3D" | "3F" => Exit::Missing,
            _ if *state == SqlState::INSUFFICIENT_PRIVILEGE => Exit::Denied,
            _ if *state == SqlState::LOCK_NOT_AVAILABLE => {
                return Trouble::Passing(failure(Exit::Unavailable));
            }
            _ if *state == SqlState::UNDEFINED_TABLE => Exit::Missing,
            _ => Exit::Invalid,
        };
        return Trouble::Lasting(failure(exit));
    }
    match io_cause(error) {
        Some(io) if io.get_ref().is_some_and(|cause| cause.is::<rustls::Error>()) => {
            Trouble::Lasting(failure(Exit::Denied).with_hint(
                "name its authority with `sslrootcert=FILE`; on a network that you trust, `sslmode=disable`",
            ))
        }
        Some(_) => Trouble::Passing(failure(Exit::Unavailable)),
        None if error.is_closed() => Trouble::Passing(failure(Exit::Unavailable)),
        None => Trouble::Lasting(failure(Exit::Unavailable)),
    }
}

fn io_cause<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a std::io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

/// No word from PostgreSQL for so long.
pub(super) fn silence(time: Duration) -> Failure {
    Failure::new(Exit::Unavailable, format!("PostgreSQL: no answer within {} s", time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> Result<SslMode, String> {
        Source::parse(url).map(|source| source.config.get_ssl_mode()).map_err(|failure| failure.message)
    }

    #[test]
    fn beyond_this_machine_there_is_tls_unless_it_is_switched_off_by_name() {
        for home in [
            "postgres://relay@localhost/shop",
            "postgresql://relay@127.0.0.1:5433,[::1]/shop",
            "postgres://relay@/shop?host=/var/run/postgresql",
            "postgres://relay@%2Fvar%2Frun%2Fpostgresql/shop",
            "postgres://db.example.com/shop?hostaddr=127.0.0.1",
            "postgres://db.example.com/shop?sslmode=disable",
        ] {
            assert_eq!(mode(home), Ok(SslMode::Disable), "{home}");
        }
        for away in [
            "postgres://relay@db.example.com/shop",
            "postgres://relay@localhost,db.example.com/shop",
            "postgres://localhost/shop?hostaddr=10.0.0.1",
            "postgres://localhost/shop?sslmode=require",
            "postgres://localhost/shop?connect_timeout=3&sslmode=verify-ca",
            "postgres://localhost/shop?sslmode=verify-full&connect_timeout=3",
        ] {
            assert_eq!(mode(away), Ok(SslMode::Require), "{away}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_without_its_password() {
        for (url, why) in [
            ("mysql://u:secret@h/d", "does not start with `postgres://`"),
            ("postgres://u:secret@h/d?sslmode=prefer", "may go in clear"),
            ("postgres://u:secret@h/d?sslmod=disable", "is none"),
            ("postgres://u:secret@h:port/d", "is none"),
            ("postgres:///d", "names no host"),
            ("postgres://u:secret@h/d?sslrootcert=/nowhere/at%20all.pem", "`/nowhere/at all.pem`"),
        ] {
            let message = mode(url).unwrap_err();
            assert!(message.contains(why), "{url}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn what_is_ours_is_taken_out_of_the_url_and_the_rest_stays() {
        let parameters =
            Parameters::of("postgres://u@h/d?sslmode=disable&host=%2Ftmp&sslrootcert=a%2Fb&port=1");
        assert_eq!(parameters.rest, "postgres://u@h/d?host=%2Ftmp&port=1");
        assert_eq!(parameters.sslmode.as_deref(), Some("disable"));
        assert_eq!(parameters.sslrootcert.as_deref(), Some("a/b"));
    }
}
