//! A PostgreSQL of the test's own, from the system's package.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use postgres::{Client, Config, NoTls};

use crate::fault::{Result, While, fail, require};
use crate::tool::Tool;

/// Where Debian keeps a version's programs.
const PACKAGES: &str = "/usr/lib/postgresql";

/// Whom it may run as when we are root, which it refuses.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// How long a start may take, recovery after a kill included.
const START_MAX: Duration = Duration::from_secs(60);

/// Its superuser.
const ADMIN: &str = "admin";

/// The database of the test.
pub(crate) const DATABASE: &str = "shop";

/// The password of every role, where one is asked for.
pub(crate) const PASSWORD: &str = "not/secret";

/// PostgreSQL's programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// Those that are installed, or can be; none where they cannot.
    pub(crate) fn find() -> Option<Self> {
        if Self::installed().is_none() {
            // Where we may not install it either, the test is skipped and says so.
            for step in [["update", "-qq"].as_slice(), &["install", "-qq", "--yes", "postgresql"]] {
                drop(Tool::new("apt-get").args(step).ask());
            }
        }
        Self::installed()
    }

    fn installed() -> Option<Self> {
        let versions = fs::read_dir(PACKAGES).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
        versions.filter(|folder| folder.join("initdb").exists()).max().map(Self)
    }

    fn command(&self, name: &str, user: Option<User>) -> Command {
        let mut command = Command::new(self.0.join(name));
        command.stdin(Stdio::null()).stdout(Stdio::null()).current_dir("/");
        if let Some(User { id, group }) = user {
            command.uid(id).gid(group);
        }
        command
    }
}

/// Who runs it, when that is not us.
#[derive(Clone, Copy, Debug)]
struct User {
    id: u32,
    group: u32,
}

impl User {
    /// Nobody else unless we are root.
    fn needed() -> Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").while_doing("/etc/passwd")?;
        let find = |name: &&str| {
            users.lines().find_map(|line| {
                let fields: Vec<_> = line.split(':').collect();
                let known = fields.first() == Some(name);
                known.then(|| {
                    Some(Self { id: fields.get(2)?.parse().ok()?, group: fields.get(3)?.parse().ok()? })
                })?
            })
        };
        let user = USERS.iter().find_map(find);
        user.map(Some).ok_or_else(|| format!("we are root, and there is none of the users {USERS:?}").into())
    }
}

/// A server on a folder of its own; killed when dropped.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: Programs,
    user: Option<User>,
    folder: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Cluster {
    /// Makes one in `folder` and starts it.
    pub(crate) fn start(programs: Programs, folder: &Path) -> Result<Self> {
        let user = User::needed()?;
        fs::create_dir_all(folder).while_doing(folder.display())?;
        fs::set_permissions(folder, Permissions::from_mode(0o755)).while_doing(folder.display())?;
        let mut cluster = Self { programs, user, folder: folder.to_owned(), port: free_port()?, child: None };
        cluster.give(folder)?;
        let mut initdb = cluster.programs.command("initdb", user);
        initdb.args(["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C", "--username", ADMIN]);
        let made = initdb.arg("--pgdata").arg(cluster.data()).output().while_doing("initdb")?;
        require!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        cluster.make_certificates()?;
        // By its socket everybody comes in; by the network only in TLS and with a password.
        cluster.write("pg_hba.conf", "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")?;
        cluster.write("postgresql.auto.conf", &cluster.settings())?;
        cluster.restart()?;
        cluster
            .client(ADMIN, "postgres")?
            .batch_execute(&format!("create database {DATABASE}"))
            .while_doing("database")?;
        Ok(cluster)
    }

    fn settings(&self) -> String {
        // What is killed is the process, not the machine: the system keeps what was written, flushed or not.
        format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nssl = on\n\
             ssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'\nfsync = off\nshared_buffers = 16MB\n\
             max_connections = 40\n",
            self.port,
            self.folder.display()
        )
    }

    /// An authority, and a certificate by it for `localhost`.
    fn make_certificates(&self) -> Result<()> {
        let key = rcgen::KeyPair::generate().while_doing("key")?;
        let mut authority = rcgen::CertificateParams::new(Vec::new()).while_doing("authority")?;
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&key).while_doing("authority")?;
        fs::write(self.authority(), certificate.pem()).while_doing("authority")?;
        let issuer = rcgen::Issuer::new(authority, key);
        let key = rcgen::KeyPair::generate().while_doing("key")?;
        let server =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).while_doing("certificate")?;
        let server = server.signed_by(&key, &issuer).while_doing("certificate")?;
        self.write("server.pem", &server.pem())?;
        self.write("server.key", &key.serialize_pem())
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.data().join(name);
        fs::write(&path, text).while_doing(path.display())?;
        fs::set_permissions(&path, Permissions::from_mode(0o600)).while_doing(path.display())?;
        self.give(&path)
    }

    fn give(&self, path: &Path) -> Result<()> {
        match self.user {
            Some(User { id, group }) => chown(path, Some(id), Some(group)).while_doing(path.display()),
            None => Ok(()),
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The file with the authority of its certificate.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// The test's database through the socket, as a URL.
    pub(crate) fn by_socket(&self, role: &str) -> String {
        format!("postgres://{role}@/{DATABASE}?host={}&port={}", self.folder.display(), self.port)
    }

    /// The test's database through the network, as a URL without parameters.
    pub(crate) fn by_network(&self, role: &str, password: &str) -> String {
        format!("postgres://{role}:{}@localhost:{}/{DATABASE}", password.replace('/', "%2F"), self.port)
    }

    /// A connection to the test's database as its superuser.
    pub(crate) fn admin(&self) -> Result<Client> {
        self.client(ADMIN, DATABASE)
    }

    fn client(&self, role: &str, database: &str) -> Result<Client> {
        let mut config = Config::new();
        config.host_path(&self.folder).port(self.port).user(role).dbname(database);
        config.connect_timeout(Duration::from_secs(5)).connect(NoTls).while_doing("connect to PostgreSQL")
    }

    /// Ends it at once, as the end of the process does: its children notice by themselves.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().while_doing("kill PostgreSQL")?;
            child.wait().while_doing("wait for PostgreSQL")?;
        }
        Ok(())
    }

    /// Starts it and waits until it answers.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_MAX;
        loop {
            if let Some(child) = &mut self.child
                && child.try_wait().while_doing("PostgreSQL")?.is_none()
            {
                if self.client(ADMIN, "postgres").is_ok() {
                    return Ok(());
                }
            } else {
                // While children of the killed one live, a new one refuses to start; so it is tried again.
                let diagnostics = self.folder.join("diagnostics");
                let file = File::options().create(true).append(true).open(&diagnostics);
                let mut postgres = self.programs.command("postgres", self.user);
                postgres.arg("-D").arg(self.data()).stderr(file.while_doing("diagnostics")?);
                self.child = Some(postgres.spawn().while_doing("start PostgreSQL")?);
            }
            if Instant::now() > deadline {
                let said = fs::read_to_string(self.folder.join("diagnostics")).unwrap_or_default();
                let lines: Vec<_> = said.lines().collect();
                fail!("PostgreSQL does not start: {}", lines[lines.len().saturating_sub(10)..].join("\n"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A port of loopback that nobody has.
pub(crate) fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).while_doing("a free port")?;
    Ok(listener.local_addr().while_doing("a free port")?.port())
}
