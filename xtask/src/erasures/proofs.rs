//! What was published before stays as it was, and everybody who checks agrees with it after: programs by others, `annals verify`,
//! and the verifier of bundles in Python.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::subjects::{People, TENANTS};
use crate::fault::{Result, While, fail, require};
use crate::foreign::{self, Verifier};
use crate::instance::{Binary, Instance};
use crate::tool::Tool;
use crate::{api, bundles, repo};

/// The one file of a published log that is written anew: a newer checkpoint, which extends the one before.
const CHECKPOINT: &str = "checkpoint";

/// The logs of all tenants as they were published, below one folder.
#[derive(Debug)]
pub(super) struct Published {
    folder: PathBuf,
    /// Each file as it was.
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// By tenant, the size then.
    sizes: BTreeMap<&'static str, u64>,
}

impl Published {
    /// Publishes.
    pub(super) fn begin(binary: &Binary, server: &Instance, folder: &Path) -> Result<Self> {
        let mut sizes = BTreeMap::new();
        for tenant in TENANTS {
            let case = folder.join(tenant);
            fs::create_dir_all(&case).while_doing(case.display())?;
            binary.publish(server, tenant, &case.join("log"))?;
            let checkpoint = case.join("log").join(CHECKPOINT);
            fs::copy(&checkpoint, case.join("older-checkpoint")).while_doing(checkpoint.display())?;
            sizes.insert(tenant, size_in(&checkpoint)?);
        }
        Ok(Self { folder: folder.to_owned(), files: contents(folder)?, sizes })
    }

    /// Publishes again, holds every file against what it was, and has other programs check the logs; how many checks.
    pub(super) fn end(
        &self,
        binary: &Binary,
        server: &Instance,
        verifiers: &[Verifier],
        people: &People,
    ) -> Result<u64> {
        let mut client = server.client();
        let mut cases = Vec::new();
        for (tenant, older) in &self.sizes {
            let case = self.folder.join(tenant);
            binary.publish(server, tenant, &case.join("log"))?;
            let size = size_in(&case.join("log").join(CHECKPOINT))?;
            let write = |name: &str, content: &[u8]| fs::write(case.join(name), content).while_doing(name);
            write("vkey", api::log_key(&mut client, tenant)?.as_bytes())?;
            let path = format!("/v1/proofs/consistency?tenant={tenant}&from={older}&to={size}");
            write("consistency.json", &foreign::get(&mut client, &path)?)?;
            // Of something that was erased, as far as its id is known.
            let is_erased = |event: &&super::subjects::Event| {
                event.tenant == *tenant && people.verdict(event) == super::subjects::Verdict::Erased
            };
            let erased = people.events.iter().find(is_erased).ok_or("nothing was erased")?;
            let path = format!("/v1/events/{}/proof?tenant={tenant}", erased.id);
            write("event.tlog-proof", &foreign::get(&mut client, &path)?)?;
            cases.push(case);
        }
        let compared = self.compare()?;
        for verifier in verifiers {
            for (case, verdict) in cases.iter().zip(verifier.check(&cases)?) {
                verdict.map_err(|why| format!("{} rejects {}: {why}", verifier.name, case.display()))?;
            }
        }
        println!(
            "published: {compared} files unchanged; {} logs accepted by {} programs of others",
            cases.len(),
            verifiers.len()
        );
        Ok(compared + (cases.len() * verifiers.len()) as u64)
    }

    fn compare(&self) -> Result<u64> {
        let mut compared = 0;
        for (path, before) in &self.files {
            if path.file_name().is_some_and(|name| name == CHECKPOINT) {
                continue;
            }
            let after = match fs::read(path) {
                Ok(after) => after,
                Err(error) => fail!("{}, published before: {error}", path.display()),
            };
            require!(after == *before, "{} was published and has changed", path.display());
            compared += 1;
        }
        Ok(compared)
    }
}

/// All files below a folder.
fn contents(folder: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).while_doing(folder.display())? {
        let path = entry.while_doing(folder.display())?.path();
        if path.is_dir() {
            files.append(&mut contents(&path)?);
        } else {
            let content = fs::read(&path).while_doing(path.display())?;
            files.insert(path, content);
        }
    }
    Ok(files)
}

fn size_in(checkpoint: &Path) -> Result<u64> {
    let note = fs::read_to_string(checkpoint).while_doing(checkpoint.display())?;
    note.lines().nth(1).unwrap_or_default().parse().while_doing(checkpoint.display())
}

/// Bundles of all tenants, each judged alike by `annals verify` and in Python, with the right verdict at every position; how many
/// verdicts.
pub(super) fn judge(binary: &Binary, server: &Instance, folder: &Path, people: &People) -> Result<u64> {
    let mut paths = Vec::new();
    for tenant in TENANTS {
        for (name, flags) in [("all", &[][..]), ("withheld", &["--withhold", "/metadata/bytes"])] {
            let path = folder.join(format!("{tenant}-{name}.zip"));
            let export = binary.command().env("ANNALS_URL", server.url()).env("ANNALS_KEY", &server.key);
            let export =
                export.args(["export", "--bundle", "--mode", "gap-free", "--tenant", tenant, "--output"]);
            let (exported, said) = export.args([&path]).args(flags).ask()?;
            require!(exported, "annals export: {said}");
            paths.push((path, tenant, flags.is_empty()));
        }
    }
    let said = bundles::agreed(binary, &paths.iter().map(|(path, ..)| path.as_path()).collect::<Vec<_>>())?;
    let mut verdicts = 0;
    for ((path, tenant, is_whole), said) in paths.iter().zip(said) {
        require!(said.holds, "{} does not hold", path.display());
        let of: BTreeMap<u64, &str> = people
            .events
            .iter()
            .filter(|event| event.tenant == *tenant)
            .map(|event| (event.position, people.verdict(event).word()))
            .collect();
        for (position, verdict) in &said.positions {
            let expected = match of.get(position) {
                // The log's own entries are never hidden; everything else has the member that is.
                Some(&"intact") if !is_whole => "withheld",
                Some(expected) => expected,
                None => "intact",
            };
            require!(
                verdict == expected || *position == 0,
                "{}: position {position} is {verdict}, and should be {expected}",
                path.display()
            );
            verdicts += 1;
        }
        require!(
            of.keys().all(|position| said.positions.iter().any(|(at, _)| at == position)),
            "a position is left out"
        );
    }
    println!("bundles: {verdicts} verdicts of positions, alike in annals and in Python");
    Ok(verdicts)
}

/// Bundles that lie about what was erased are believed by nobody; how many.
pub(super) fn forge(binary: &Binary, python: &Path, folder: &Path) -> Result<u64> {
    let program = repo::root().join("xtask/src/erasures/forge.py");
    let made = folder.join("forged");
    fs::create_dir_all(&made).while_doing(made.display())?;
    let bundle = folder.join(format!("{}-all.zip", TENANTS[0]));
    let names = Tool::new(python).args([&program, &bundle, &made]).output()?;
    let paths: Vec<&Path> = names.lines().map(Path::new).collect();
    for (path, said) in paths.iter().zip(bundles::agreed(binary, &paths)?) {
        require!(!said.holds, "{} holds", path.display());
    }
    println!("forged: {} bundles, believed by nobody", paths.len());
    Ok(paths.len() as u64)
}

/// `annals verify` of the data folder and of what was published; how many.
pub(super) fn verify(binary: &Binary, data: &Path, published: &Path) -> Result<u64> {
    let state = data.with_extension("state");
    binary.verify(data, &state)?;
    for tenant in TENANTS {
        binary.verify(&published.join(tenant).join("log"), &state)?;
    }
    Ok(1 + TENANTS.len() as u64)
}
