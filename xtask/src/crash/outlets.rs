//! What leaves the server while it is killed: published logs and evidence. Both commands are killed with it, or before.
//!
//! After each round, when the server is back, both are run to their end:
//!
//! * the log published before is extended, and no file of it differs: neither from what a command that was killed left, nor from
//!   what was there before that;
//! * the bundle goes on where it was left, and is evidence of a log that extends all that was accepted before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::load::TENANTS;
use crate::fault::{Result, While, require};
use crate::instance::{Binary, Instance};
use crate::rng::Rng;
use crate::tool;

/// The tenant whose log leaves.
const TENANT: &str = TENANTS[0];

/// Published tiles, by name.
type Tiles = BTreeMap<String, Vec<u8>>;

/// Where it goes, and what was seen of it.
pub(crate) struct Outlets {
    binary: Binary,
    published: PathBuf,
    bundle: PathBuf,
    /// What `annals verify` remembers, in a folder of its own for each: a bundle has the checkpoint that it was begun with, and what
    /// was published meanwhile is newer.
    state: PathBuf,
    tiles: Tiles,
    /// Commands that ended by being killed.
    pub(crate) interrupted: u64,
}

/// Commands that are under way.
pub(crate) struct Leaving(Vec<Child>);

impl Outlets {
    /// In a folder beside `data`.
    pub(crate) fn beside(binary: &Binary, data: &Path) -> Result<Self> {
        let folder = data.with_extension("outlets");
        std::fs::create_dir_all(&folder).while_doing("folder for what leaves")?;
        Ok(Self {
            binary: binary.clone(),
            published: folder.join("log"),
            bundle: folder.join("evidence.zip"),
            state: folder.join("state"),
            tiles: Tiles::new(),
            interrupted: 0,
        })
    }

    /// Begins both commands, to be killed later.
    pub(crate) fn begin(&self, server: &Instance) -> Result<Leaving> {
        let commands = [self.publishing(server), self.exporting(server)];
        let children = commands.into_iter().map(|mut command| {
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        });
        Ok(Leaving(children.collect::<std::io::Result<_>>().while_doing("start annals")?))
    }

    /// Kills what is still under way.
    pub(crate) fn interrupt(&mut self, leaving: Leaving) -> Result<()> {
        for mut child in leaving.0 {
            // It has ended already when this fails.
            drop(child.kill());
            let status = child.wait().while_doing("wait for annals")?;
            self.interrupted += u64::from(status.code().is_none());
        }
        Ok(())
    }

    /// With the server back: both commands to their end, and what they leave is checked.
    pub(crate) fn check(&mut self, server: &Instance, rng: &mut Rng) -> Result<()> {
        let left = tiles(&self.published)?;
        extends(&self.tiles, &left)?;
        if self.published.join("checkpoint").exists() {
            // Also as it was left, and before anything is added.
            self.verify(&self.published, "log")?;
        }
        said_well(self.publishing(server))?;
        self.tiles = tiles(&self.published)?;
        extends(&left, &self.tiles)?;
        self.verify(&self.published, "log")?;

        // Now and then it is left as it is, and goes on in another life of the server.
        if rng.one_in(2) {
            said_well(self.exporting(server))?;
            self.verify(&self.bundle, "evidence")?;
            std::fs::remove_file(&self.bundle).while_doing("remove the bundle")?;
        }
        Ok(())
    }

    fn publishing(&self, server: &Instance) -> Command {
        let mut command = self.asking(server, "log", &["publish", "--tenant", TENANT]);
        command.arg(&self.published);
        command
    }

    fn exporting(&self, server: &Instance) -> Command {
        let args = ["export", "--bundle", "--tenant", TENANT, "--output"];
        let mut command = self.asking(server, "evidence", &args);
        command.arg(&self.bundle);
        command
    }

    fn asking(&self, server: &Instance, what: &str, args: &[&str]) -> Command {
        let mut command = Command::new(self.binary.path());
        tool::without_our_variables(&mut command);
        command.env("ANNALS_STATE", self.state.join(what));
        command.env("ANNALS_URL", server.url()).env("ANNALS_KEY", &server.key).args(args);
        command
    }

    fn verify(&self, target: &Path, what: &str) -> Result<()> {
        self.binary.verify(target, &self.state.join(what))
    }
}

fn said_well(mut command: Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().while_doing("run annals")?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    require!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

fn extends(before: &Tiles, after: &Tiles) -> Result<()> {
    for (name, bytes) in before {
        require!(after.get(name) == Some(bytes), "the published `{name}` is another than it was");
    }
    Ok(())
}

/// All tiles below a published folder.
fn tiles(folder: &Path) -> Result<Tiles> {
    let mut found = Tiles::new();
    let mut folders = vec![folder.join("tile")];
    while let Some(at) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&at) else { continue };
        for entry in entries {
            let path = entry.while_doing("published folder")?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let bytes = std::fs::read(&path).while_doing("published tile")?;
                found.insert(path.display().to_string(), bytes);
            }
        }
    }
    Ok(found)
}
