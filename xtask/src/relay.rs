//! A product, its PostgreSQL, relays and a server, killed again and again.
//!
//! Every round one or several of them are killed with SIGKILL at a random moment and started anew. Then everything is left to
//! drain, and:
//!
//! * the events of committed transactions are stored, each once, with every digit;
//! * those of rolled back ones are not;
//! * rejected ones stand in the parking table beside their error, each once, and nothing else does;
//! * the outbox is empty.
//!
//! The choices follow from the seed; the moments do not, as they depend on the machine.

pub(crate) mod postgres;
pub(crate) mod product;
mod refusals;

use std::collections::BTreeMap;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::api;
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::{Binary, Instance};
use crate::rng::Rng;
use crate::stages::Tally;
use crate::tool;
use postgres::{Cluster, PASSWORD, Programs, free_port};
use product::{DIGITS, Fate, ORDERS, TENANTS};

/// The program that runs, which a build in between may have replaced on disk.
const OURSELVES: &str = "/proc/self/exe";

/// Between two kills, at most.
const ROUND_MS_MAX: u64 = 250;

/// PostgreSQL is killed once in so many rounds.
const POSTGRES_ROUNDS: u64 = 8;

/// Relays at once: one at work, the other standing by.
const RELAYS: usize = 2;

/// How long the outbox may take to be empty once nothing is killed any more.
const DRAIN_MAX: Duration = Duration::from_secs(120);

/// Kills something `rounds` times; then looks at what was stored.
pub(crate) fn run(binary: &Binary, rounds: u64, seed: u64) -> Result<Tally> {
    let Some(programs) = Programs::find() else {
        return Ok(Tally::skipped("relay: there is no PostgreSQL, and it cannot be installed"));
    };
    let folder = tempfile::Builder::new()
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .tempdir()
        .while_doing("temporary folder")?;
    let mut world = World::start(binary, programs, folder.path())?;
    let mut tally = refusals::run(&world)?;
    println!("relay: {rounds} rounds, seed {seed}");
    let mut rng = Rng::new(seed);
    world.kill_rounds(&mut rng, rounds)?;
    world.drain()?;
    world.check()?;
    tally.add(Tally::passed(rounds));
    Ok(tally)
}

/// All of them.
struct World<'a> {
    binary: &'a Binary,
    folder: PathBuf,
    cluster: Cluster,
    address: SocketAddr,
    key: String,
    server: Option<Instance>,
    relays: [Option<Process>; RELAYS],
    product: Option<Process>,
    products: u64,
}

/// A process; killed when dropped.
struct Process(Child);

impl Process {
    /// Starts it; what it says goes to a file.
    fn start(mut command: Command, said: &Path) -> Result<Self> {
        let file = || File::options().create(true).append(true).open(said).while_doing(said.display());
        command.stdin(Stdio::null()).stdout(file()?).stderr(file()?);
        Ok(Self(command.spawn().while_doing("start a process")?))
    }

    /// Whether it is there still.
    fn lives(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has ended already when this fails.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl<'a> World<'a> {
    /// PostgreSQL with the recipe's tables as `--print-sql` prints them, and a server.
    fn start(binary: &'a Binary, programs: Programs, folder: &Path) -> Result<Self> {
        let cluster = Cluster::start(programs, &folder.join("postgres"))?;
        let mut admin = cluster.admin()?;
        for role in ["product", "relay", "stranger"] {
            let make = format!("create role {role} login password '{PASSWORD}'");
            admin.batch_execute(&make).while_doing(role)?;
        }
        let recipe = binary.command().args(["relay", "--print-sql"]).output()?;
        // The rights stand in comments, as the names of roles are everybody's own.
        admin.batch_execute(&recipe.replace("-- grant", "grant")).while_doing("the recipe")?;
        admin.batch_execute(ORDERS).while_doing("orders")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        let server = Instance::start_on(binary, &folder.join("data"), address)?;
        let key = server.key.clone();
        Ok(Self {
            binary,
            folder: folder.to_owned(),
            cluster,
            address,
            key,
            server: Some(server),
            relays: [None, None],
            product: None,
            products: 0,
        })
    }

    fn kill_rounds(&mut self, rng: &mut Rng, rounds: u64) -> Result<()> {
        for round in 0..rounds {
            self.start_missing(rng)?;
            std::thread::sleep(Duration::from_millis(5 + rng.below(ROUND_MS_MAX)));
            let mut killed = Vec::new();
            if rng.one_in(POSTGRES_ROUNDS) {
                self.cluster.kill()?;
                killed.push("PostgreSQL");
            }
            if rng.one_in(2) {
                killed.extend(self.server.take().map(Instance::kill).transpose()?.map(|()| "server"));
            }
            for relay in &mut self.relays {
                if rng.one_in(2) {
                    killed.extend(relay.take().map(|_| "relay"));
                }
            }
            if rng.one_in(3) || killed.is_empty() {
                killed.extend(self.product.take().map(|_| "product"));
            }
            println!("round {round}: killed {}", killed.join(", "));
        }
        Ok(())
    }

    /// Starts whatever is not there, in an order of chance.
    fn start_missing(&mut self, rng: &mut Rng) -> Result<()> {
        let server_first = rng.one_in(2);
        if server_first {
            self.start_server()?;
        }
        self.start_relays()?;
        self.cluster.restart()?;
        // It gives up when its database is gone, as products do.
        if !self.product.as_mut().is_some_and(Process::lives) {
            let mut command = Command::new(OURSELVES);
            self.products += 1;
            command.args(["product", &self.cluster.by_socket("product"), &self.products.to_string()]);
            self.product = Some(Process::start(command, &self.folder.join("product.said"))?);
        }
        self.start_server()
    }

    fn start_server(&mut self) -> Result<()> {
        if self.server.is_none() {
            let mut server = Instance::start_on(self.binary, &self.folder.join("data"), self.address)?;
            server.key.clone_from(&self.key);
            self.server = Some(server);
        }
        Ok(())
    }

    /// One through the socket, the other in TLS with a password. None of them may have ended by itself.
    fn start_relays(&mut self) -> Result<()> {
        let tls = format!(
            "{}?sslmode=verify-full&sslrootcert={}",
            self.cluster.by_network("relay", PASSWORD),
            self.cluster.authority().display()
        );
        for (index, from) in [self.cluster.by_socket("relay"), tls].into_iter().enumerate() {
            let said = self.folder.join(format!("relay-{index}.said"));
            let command = self.relay(&from, &["--poll", "100ms"]);
            match &mut self.relays[index] {
                Some(relay) => require!(
                    relay.lives(),
                    "a relay ended by itself: {}",
                    std::fs::read_to_string(said).unwrap_or_default()
                ),
                missing => *missing = Some(Process::start(command, &said)?),
            }
        }
        Ok(())
    }

    /// `annals relay` on our server.
    fn relay(&self, from: &str, more: &[&str]) -> Command {
        let mut command = Command::new(self.binary.path());
        tool::without_our_variables(&mut command);
        let url = format!("http://{}", self.address);
        command.args(["relay", "--json", "--url", &url, "--key", &self.key, "--from", from]).args(more);
        command
    }

    /// Lets the relays work in peace until the outbox is empty, ends them, and asks for what is left with `--once`.
    fn drain(&mut self) -> Result<()> {
        self.cluster.restart()?;
        self.product = None;
        self.start_server()?;
        self.start_relays()?;
        let mut admin = self.cluster.admin()?;
        let deadline = Instant::now() + DRAIN_MAX;
        loop {
            let left: i64 = admin.query_one("select count(*) from audit_outbox", &[])?.get(0);
            if left == 0 {
                break;
            }
            require!(Instant::now() < deadline, "{left} rows are left after {} s", DRAIN_MAX.as_secs());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.start_relays()?;
        self.relays = [None, None];
        let deadline = Instant::now() + DRAIN_MAX;
        loop {
            // The lock goes with the session of the one killed last, in a moment.
            let once =
                self.relay(&self.cluster.by_socket("relay"), &["--once"]).output().while_doing("relay")?;
            let said = String::from_utf8_lossy(&once.stdout);
            match once.status.code() {
                Some(0) => {
                    let result: Value = serde_json::from_str(said.trim()).while_doing(&*said)?;
                    require!(result["created"] == 0, "rows were left: {said}");
                    return Ok(());
                }
                Some(6) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
                code => fail!("relay --once ended with {code:?}: {said}"),
            }
        }
    }

    /// Compares what committed with what is stored and what is parked.
    fn check(&self) -> Result<()> {
        let Some(server) = &self.server else { fail!("the server is not there") };
        let mut client = server.client();
        let mut admin = self.cluster.admin()?;
        let mut expected = Expected::default();
        for order in admin.query("select marker, tenant, fate from orders", &[])? {
            expected.add(order.get(0), order.get(1), order.get(2))?;
        }
        let mut stored = 0;
        for tenant in TENANTS {
            stored += expected.take_stored(&mut client, tenant)?;
        }
        let parked = "select error->>'code', event->'metadata'->>'marker' from audit_outbox_rejected";
        let mut parked_rows = 0;
        for row in admin.query(parked, &[])? {
            expected.take_parked(row.get(0), row.get(1))?;
            parked_rows += 1;
        }
        expected.nothing_is_left()?;
        require!(stored > 0 && parked_rows > 0, "nothing happened: {stored} stored, {parked_rows} parked");
        let sent: i64 = admin.query_one("select last_value from audit_outbox_id_seq", &[])?.get(0);
        println!(
            "{stored} committed events are stored once, {parked_rows} parked beside their error; about {sent} rows were \
             written, rolled back ones included; the outbox is empty"
        );
        Ok(())
    }
}

/// What is still to be found.
#[derive(Default)]
struct Expected {
    /// By tenant and marker.
    stored: BTreeMap<(String, String), ()>,
    /// By marker: the code.
    parked: BTreeMap<String, &'static str>,
}

impl Expected {
    fn add(&mut self, marker: String, tenant: String, fate: &str) -> Result<()> {
        let fates = [Fate::Stored, Fate::Doubled, Fate::Required, Fate::Conflict];
        let Some(fate) = fates.into_iter().find(|known| known.name() == fate) else {
            fail!("order {marker} has the fate {fate}")
        };
        if matches!(fate, Fate::Required | Fate::Conflict) {
            self.parked.insert(marker.clone(), fate.name());
        }
        if fate != Fate::Required {
            self.stored.insert((tenant, marker), ());
        }
        Ok(())
    }

    /// Reads a tenant's log, where each event must be one that is still expected.
    fn take_stored(&mut self, client: &mut Client, tenant: &str) -> Result<u64> {
        let mut count = 0;
        for record in api::feed(client, tenant, 0)? {
            let text = record.get();
            let parsed: Value = serde_json::from_str(text).while_doing(text)?;
            let Some(marker) = parsed["metadata"]["marker"].as_str() else { fail!("{tenant}: {text}") };
            require!(
                self.stored.remove(&(tenant.to_owned(), marker.to_owned())).is_some(),
                "{tenant}: event {marker} is stored twice, or was never committed"
            );
            require!(text.contains(DIGITS), "{tenant}: event {marker} lost digits: {text}");
            count += 1;
        }
        Ok(count)
    }

    fn take_parked(&mut self, code: String, marker: String) -> Result<()> {
        match self.parked.remove(&marker) {
            Some(expected) if expected == code => Ok(()),
            other => fail!("event {marker} is parked with {code}, and should have {other:?}"),
        }
    }

    fn nothing_is_left(&self) -> Result<()> {
        let (stored, parked) = (self.stored.len(), self.parked.len());
        let first = (self.stored.keys().next(), self.parked.keys().next());
        require!(
            stored == 0 && parked == 0,
            "{stored} committed events are not stored, {parked} are not parked: {first:?}"
        );
        Ok(())
    }
}
