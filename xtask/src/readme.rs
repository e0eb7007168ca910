//! Every command of README, tutorial and how-tos, run as people run it.
//!
//! A page is read from top to bottom. Its `sh` blocks run in that order, in one bash, in a new folder. Each block must end with
//! 0, or with what its last line says (`# exit code 8`), and print what the `text` block behind it says, if there is one:
//! standard output and error, line by line, where `…` stands for anything within a line and a line `…` for any lines. A block
//! with `# runs until Ctrl-C` is started by itself, must print its `text`, and ends with 0 on SIGINT. One that begins with
//! `# not run here: why` is counted as skipped.
//!
//! How-tos ask a server that is there already: theirs holds `xtask/src/readme/events.ndjson` in tenant `acme`,
//! and the file lies in their folder.
//!
//! The pages run as they stand. Only the port is another, `cargo` runs the binary that was built, and what `annals` would read
//! from the developer's environment is taken away.

mod page;
mod shell;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use crate::fault::{Result, While, require};
use crate::instance::{Binary, Instance};
use crate::relay::postgres::free_port;
use crate::repo;
use crate::stages::Tally;
use page::{Kind, Page};
use shell::Shell;

/// Pages that begin with nothing: they start their own server.
const FROM_NOTHING: [&str; 2] = ["README.md", "docs/tutorial/first-audit-log.md"];

/// Recipes; each has a server of its own.
const RECIPES: &str = "docs/how-to";

/// What a recipe's server holds.
const EVENTS: &str = "xtask/src/readme/events.ndjson";

/// The address that pages speak of: where `annals` listens when nobody says otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:4722";

/// Stands for `cargo`: what pages do with it needs no build here.
const CARGO: &str = r#"#!/bin/bash
case "$*" in
    "run --release -- "*) shift 3; exec target/release/annals "$@" ;;
    "build --release") ;;
    *) echo "this cargo does not know \`$*\`" >&2; exit 101 ;;
esac
"#;

/// Runs all pages.
pub(crate) fn run(binary: &Binary) -> Result<Tally> {
    let mut tally = Tally::default();
    for path in FROM_NOTHING {
        tally.add(run_page(binary, path, false)?);
    }
    let is_recipe =
        |file: &PathBuf| file.starts_with(RECIPES) && file.extension().is_some_and(|end| end == "md");
    let recipes: Vec<_> = repo::files()?.into_iter().filter(is_recipe).collect();
    require!(!recipes.is_empty(), "{RECIPES}: no recipes");
    for recipe in recipes {
        tally.add(run_page(binary, &recipe.to_string_lossy(), true)?);
    }
    Ok(tally)
}

/// Runs one page; what does not hold is printed and counted.
fn run_page(binary: &Binary, path: &str, is_recipe: bool) -> Result<Tally> {
    let world = World::new(binary)?;
    let server = if is_recipe { Some(world.serve(binary)?) } else { None };
    let text = fs::read_to_string(repo::root().join(path)).while_doing(path)?;
    let address = server.as_ref().map_or(world.address, Instance::address).to_string();
    let page = Page::read(&text.replace(DEFAULT_ADDRESS, &address)).while_doing(path)?;
    require!(is_recipe || !page.blocks.is_empty(), "{path}: no `sh` block");
    let mut shell = world.shell(&address, server.as_ref(), path)?;
    let mut tally = Tally::default();
    for block in &page.blocks {
        let place = format!("{path}:{}", block.line);
        let outcome = match &block.kind {
            Kind::Skipped(why) => {
                tally.skipped.push(format!("{place}: {why}"));
                continue;
            }
            Kind::Ends(code) => shell.run(block, *code),
            Kind::UntilInterrupted => shell.run_until_interrupted(block),
        };
        match outcome {
            Ok(()) => tally.passed += 1,
            Err(error) => {
                println!("FAILED {place}: {error}");
                tally.failed += 1;
                // What comes next builds on it.
                break;
            }
        }
    }
    drop(shell);
    println!(
        "{path}: {} of {} blocks hold, {} not run",
        tally.passed,
        page.blocks.len(),
        tally.skipped.len()
    );
    if let Some(server) = server {
        server.stop()?;
    }
    Ok(tally)
}

/// Where a page runs.
struct World {
    folder: tempfile::TempDir,
    /// The built program.
    program: PathBuf,
    /// For a page that starts a server.
    address: SocketAddr,
}

impl World {
    fn new(binary: &Binary) -> Result<Self> {
        let folder = tempfile::tempdir().while_doing("temporary folder")?;
        let program = binary.path().to_owned();
        let here = |name: &str| folder.path().join(name);
        for name in ["page/target/release", "tools", "home"] {
            fs::create_dir_all(here(name)).while_doing(name)?;
        }
        fs::write(here("tools/cargo"), CARGO).while_doing("tools/cargo")?;
        fs::set_permissions(here("tools/cargo"), fs::Permissions::from_mode(0o755))
            .while_doing("tools/cargo")?;
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        Ok(Self { folder, program, address })
    }

    /// A server for a recipe.
    fn serve(&self, binary: &Binary) -> Result<Instance> {
        let server = Instance::start(binary, &self.folder.path().join("data"))?;
        let events = repo::root().join(EVENTS);
        let send = binary.command().env("ANNALS_URL", server.url()).env("ANNALS_KEY", &server.key);
        let (sent, said) = send.args(["send", "--tenant", "acme"]).args([events]).ask()?;
        require!(sent, "annals send {EVENTS}: {said}");
        Ok(server)
    }

    fn shell(&self, address: &str, server: Option<&Instance>, path: &str) -> Result<Shell> {
        let page = self.folder.path().join("page");
        symlink(&self.program, page.join("target/release/annals")).while_doing("link the program")?;
        symlink(repo::root().join("docs"), page.join("docs")).while_doing("link docs")?;
        let mut variables = vec![
            ("HOME", self.folder.path().join("home").into_os_string()),
            ("ANNALS_URL", format!("http://{address}").into()),
            ("ANNALS_LISTEN", address.into()),
            ("TZ", "UTC0".into()),
        ];
        let mut tools = vec![self.folder.path().join("tools")];
        // README says itself how the program is called.
        if path != FROM_NOTHING[0] {
            tools.push(page.join("target/release"));
        }
        tools.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        variables.push(("PATH", std::env::join_paths(tools).while_doing("PATH")?));
        if let Some(server) = server {
            fs::copy(repo::root().join(EVENTS), page.join("events.ndjson")).while_doing(EVENTS)?;
            variables.push(("ANNALS_KEY", server.key.clone().into()));
            variables.push(("ANNALS_DATA", self.folder.path().join("data").into_os_string()));
        }
        Shell::start(&page, variables)
    }
}
