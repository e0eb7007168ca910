//! Evidence bundles, checked by everything that checks them: `annals verify`, the page in a real browser, and the program in Python,
//! which shares no code with annals. All must say the same of every position.
//!
//! The bundles are those of `corpus/bundles/v1`, and one that the real binary exports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::fault::{Result, While, fail, require};
use crate::foreign::virtual_environment;
use crate::instance::{Binary, Instance};
use crate::stages::Tally;
use crate::tool::Tool;
use crate::{repo, verify_page};

/// What the program in Python takes its signatures from.
const PYTHON_PACKAGE: &str = "cryptography==46.0.3";

/// Tries for a page to open, a tenth of a second apart.
const OPENING_TRIES: u32 = 100;

/// The key that began the log of the corpus. It signed all bundles of it but `rotated.zip`, whose log leads from it to the next.
const KEY: &str =
    "log.example/t/000102030405060708090a0b0c0d0e0f+3172039c+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";

/// A key that no log leads from.
const WRONG_KEY: &str =
    "log.example/t/000102030405060708090a0b0c0d0e0f+222ae136+Af0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";

/// What the program in Python ends with when a bundle does not hold, as `annals verify` does, and when a key is none.
const DAMAGED: i32 = 8;
const USAGE: i32 = 2;

/// What is said of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Said {
    /// Whether everything holds.
    pub(crate) holds: bool,
    /// Of each position that has an entry, its verdict.
    pub(crate) positions: Vec<(u64, String)>,
}

/// Has every bundle checked by everything.
pub(crate) fn run(binary: &Binary) -> Result<Tally> {
    let folder = tempfile::tempdir().while_doing("temporary folder")?;
    let mut bundles = vectors()?;
    bundles.push((export(binary, folder.path())?, None));
    let native = bundles
        .iter()
        .map(|(path, expected)| {
            let (said, problems) = native(binary, path)?;
            if let Some(expected) = expected {
                require!(
                    said == *expected,
                    "annals verify {}: {said:?}, expected {expected:?}",
                    path.display()
                );
            }
            Ok((said, problems))
        })
        .collect::<Result<Vec<_>>>()?;
    println!("annals verify: {} bundles as expected", bundles.len());
    let mut tally = Tally::passed(bundles.len() as u64);
    let paths: Vec<&Path> = bundles.iter().map(|(path, _)| path.as_path()).collect();
    tally.add(python(&paths, &native)?);
    tally.add(browser(&paths, &native)?);
    Ok(tally)
}

/// How long the page takes for a bundle.
pub(crate) fn measure(bundle: &Path) -> Result<()> {
    let page = verify_page::build()?;
    let Some(name) = Browser::installed() else { fail!("there is no Chromium") };
    let mut page = Page::open(name, &page)?;
    for _ in 0..3 {
        let began = Instant::now();
        let (said, problems) = page.verify(bundle, Way::Chosen)?;
        println!(
            "{} positions in {:.2} s, {}",
            said.positions.len(),
            began.elapsed().as_secs_f64(),
            if said.holds { "everything holds".to_owned() } else { problems.join("; ") }
        );
    }
    Ok(())
}

/// The bundles of the corpus, with what must be said of each.
fn vectors() -> Result<Vec<(PathBuf, Option<Said>)>> {
    let folder = repo::root().join("corpus/bundles/v1");
    let text = fs::read_to_string(folder.join("expected.json")).while_doing("expected.json")?;
    let expected: BTreeMap<String, Said> = serde_json::from_str(&text).while_doing("expected.json")?;
    Ok(expected.into_iter().map(|(name, said)| (folder.join(name), Some(said))).collect())
}

/// A bundle of a server's own: more than a page of it, and events that the filter leaves out.
fn export(binary: &Binary, folder: &Path) -> Result<PathBuf> {
    let server = Instance::start(binary, &folder.join("data"))?;
    let events = folder.join("events.ndjson");
    let made =
        binary.command().args(["bench", "generate", "--shape", "everyday", "--events", "3000"]).output()?;
    fs::write(&events, &made).while_doing(events.display())?;
    let annals = || binary.command().env("ANNALS_URL", server.url()).env("ANNALS_KEY", &server.key);
    let (sent, said) = annals().args(["send"]).args([&events]).ask()?;
    require!(sent, "annals send: {said}");
    let first: Value =
        serde_json::from_str(made.lines().next().unwrap_or_default()).while_doing("an event")?;
    let tenant = first["tenant"].as_str().unwrap_or_default();
    let bundle = folder.join("exported.zip");
    let ask = annals().args(["export", "--bundle", "--mode", "covered", "--tenant", tenant]);
    let (exported, said) =
        ask.args(["--filter", "operation eq \"delete\"", "--output"]).args([&bundle]).ask()?;
    require!(exported, "annals export: {said}");
    server.stop()?;
    Ok(bundle)
}

/// What `annals verify` says, and what it finds wrong.
fn native(binary: &Binary, bundle: &Path) -> Result<(Said, Vec<String>)> {
    let state = tempfile::tempdir().while_doing("temporary folder")?;
    let verify = binary.command().env("ANNALS_STATE", state.path());
    let (holds, text) = verify.args(["verify", "--json", "--positions"]).args([bundle]).ask()?;
    let mut said = Said { holds, positions: Vec::new() };
    let mut problems = Vec::new();
    for line in text.lines().filter(|line| line.starts_with('{')) {
        let line: Value = serde_json::from_str(line).while_doing("a line of annals verify")?;
        match line["item"].as_str() {
            Some("position") => said.positions.push(position(&line)?),
            Some("finding") => problems.push(line["message"].as_str().unwrap_or_default().to_owned()),
            _ => {}
        }
    }
    Ok((said, problems))
}

fn position(line: &Value) -> Result<(u64, String)> {
    match (line["position"].as_u64(), line["verdict"].as_str()) {
        (Some(position), Some(verdict)) => Ok((position, verdict.to_owned())),
        _ => fail!("{line} is no verdict"),
    }
}

type Native = (Said, Vec<String>);

/// What is said of bundles, `annals verify` and the program in Python being of one mind.
pub(crate) fn agreed(binary: &Binary, bundles: &[&Path]) -> Result<Vec<Said>> {
    let native = bundles.iter().map(|bundle| native(binary, bundle)).collect::<Result<Vec<_>>>()?;
    compare(&python_program()?, bundles, &native)?;
    Ok(native.into_iter().map(|(said, _)| said).collect())
}

/// The interpreter and the program.
fn python_program() -> Result<[PathBuf; 2]> {
    let programs = virtual_environment("bundles", &["install", "--quiet", PYTHON_PACKAGE])?;
    Ok([programs.join("python"), repo::root().join("verifiers/python/verify_bundle.py")])
}

/// The program in Python says the same.
fn compare([python, program]: &[PathBuf; 2], bundles: &[&Path], native: &[Native]) -> Result<()> {
    let (code, text) = Tool::new(python).args([program]).args(bundles).code()?;
    let expected = if native.iter().all(|(said, _)| said.holds) { 0 } else { DAMAGED };
    require!(code == Some(expected), "verify_bundle.py ends with {code:?}, annals with {expected}");
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('{')).collect();
    require!(
        lines.len() == bundles.len(),
        "verify_bundle.py says {} lines of {}",
        lines.len(),
        bundles.len()
    );
    for ((bundle, line), (expected, _)) in bundles.iter().zip(lines).zip(native) {
        let said: Said = serde_json::from_str(line).while_doing(line)?;
        require!(
            said == *expected,
            "verify_bundle.py {}: {line}, annals says {expected:?}",
            bundle.display()
        );
    }
    Ok(())
}

fn python(bundles: &[&Path], native: &[Native]) -> Result<Tally> {
    require!(!native.iter().all(|(said, _)| said.holds), "there is no bundle that does not hold");
    let [python, program] = python_program()?;
    let run = || Tool::new(&python).args([&program]);
    compare(&[python.clone(), program.clone()], bundles, native)?;
    let good: Vec<&Path> =
        ["gap-free.zip", "rotated.zip"].iter().map(|name| named(bundles, name)).collect::<Result<_>>()?;
    for (key, expected) in [(KEY, 0), (WRONG_KEY, DAMAGED), ("none", USAGE)] {
        let (code, text) = run().args(["--log-key", key]).args(&good).code()?;
        require!(code == Some(expected), "verify_bundle.py --log-key {key} ends with {code:?}: {text}");
    }
    println!("verify_bundle.py: {} bundles, as annals verify", bundles.len());
    Ok(Tally::passed(bundles.len() as u64 + 3))
}

fn named<'a>(bundles: &[&'a Path], name: &str) -> Result<&'a Path> {
    let found = bundles.iter().find(|path| path.file_name().is_some_and(|file| file == name));
    Ok(found.copied().ok_or_else(|| format!("the corpus has no {name}"))?)
}

/// The page, in a browser, from a file.
struct Page(Browser);

/// How a bundle gets into the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Chosen,
    Dropped,
}

impl Page {
    fn open(browser: &str, page: &Path) -> Result<Self> {
        let mut browser = Browser::open(browser, &format!("file://{}", page.display()))?;
        // While it goes from the empty page to ours, questions to the one before are lost.
        for _ in 0..OPENING_TRIES {
            if browser.wait_for("document.readyState === 'complete' && typeof verify === 'function'").is_ok()
            {
                return Ok(Self(browser));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        fail!("{} does not open", page.display())
    }

    fn verify(&mut self, bundle: &Path, way: Way) -> Result<Native> {
        self.0.evaluate("outcome = null")?;
        match way {
            Way::Chosen => {
                // The same file again is no change.
                self.0.evaluate("element('file').value = ''")?;
                self.0.choose("#file", bundle)?;
            }
            Way::Dropped => self.0.drop_file(bundle)?,
        }
        self.0.wait_for("outcome !== null")?;
        let text = self.0.evaluate("verdicts.text().then((lines) => JSON.stringify({ outcome, lines }))")?;
        let said: Value =
            serde_json::from_str(text.as_str().unwrap_or_default()).while_doing("the page's report")?;
        let outcome = &said["outcome"];
        if outcome["message"].as_str().is_some_and(|message| message.starts_with("a bundle of the format")) {
            return Ok((Said { holds: false, positions: Vec::new() }, Vec::new()));
        }
        require!(outcome["type"] == json!("result"), "the page: {outcome}");
        let lines = said["lines"].as_str().unwrap_or_default().lines();
        let lines = lines.map(|line| position(&serde_json::from_str(line).while_doing(line)?));
        let problems: Vec<String> =
            serde_json::from_value(outcome["problems"].clone()).while_doing("the page's problems")?;
        Ok((
            Said { holds: outcome["verdict"] == json!("ok"), positions: lines.collect::<Result<_>>()? },
            problems,
        ))
    }

    fn text(&mut self, selector: &str) -> Result<String> {
        let text = self.0.evaluate(&format!("document.querySelector({}).innerText", json!(selector)))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }
}

fn browser(bundles: &[&Path], native: &[Native]) -> Result<Tally> {
    let path = verify_page::build()?;
    let Some(name) = Browser::installed() else {
        return Ok(Tally::skipped("the page that verifies bundles: no Chromium is installed"));
    };
    let mut page = Page::open(name, &path)?;
    for (bundle, (expected, problems)) in bundles.iter().zip(native) {
        page.0.evaluate("memory.forget()")?;
        let (said, found) = page.verify(bundle, Way::Chosen)?;
        require!(said == *expected, "the page, {}: {said:?}, annals says {expected:?}", bundle.display());
        let without_name = |problem: &String| match problem.split_once(" is no whole bundle: ") {
            Some((_, why)) => why.to_owned(),
            None => problem.clone(),
        };
        let (found, problems): (Vec<_>, Vec<_>) =
            (found.iter().map(without_name).collect(), problems.iter().map(without_name).collect());
        require!(found == problems, "the page, {}: {found:?}, annals says {problems:?}", bundle.display());
        let heading = page.text("#verdict")?;
        let is_read = bundle.file_name().is_some_and(|name| name != "bad-another-format.zip");
        let expected = match said.holds {
            true => "Everything holds",
            false if is_read => "This does not hold",
            false => "This could not be checked",
        };
        require!(heading == expected, "the page says `{heading}` of {}", bundle.display());
    }
    let mut tally = Tally::passed(bundles.len() as u64);
    tally.add(memory(&mut page, bundles)?);
    println!("the page in {name}: {} bundles, as annals verify", bundles.len());
    Ok(tally)
}

/// The page says where its key is from, remembers a log that it saw, and raises an alarm over another history of it.
fn memory(page: &mut Page, bundles: &[&Path]) -> Result<Tally> {
    let of = |name: &str| named(bundles, name);
    page.0.evaluate("memory.forget()")?;
    let mut says = |bundle: &Path, way: Way, expected: &[&str]| -> Result<()> {
        page.verify(bundle, way)?;
        let text = page.text("#result")?;
        for words in expected {
            require!(text.contains(words), "the page does not say `{words}` of {}: {text}", bundle.display());
        }
        Ok(())
    };
    says(of("gap-free.zip")?, Way::Dropped, &["the bundle agrees with itself", "from now on it remembers"])?;
    says(of("gap-free.zip")?, Way::Chosen, &["this browser kept it", "the same log, which extends the"])?;
    says(of("another-history.zip")?, Way::Chosen, &["This does not hold", "this is another history"])?;
    page.0.evaluate("memory.forget()")?;
    words(page, named(bundles, "rotated.zip")?)?;
    Ok(Tally::passed(7))
}

/// What the page says of keys, of filters, of names and of what it remembers is so.
fn words(page: &mut Page, rotated: &Path) -> Result<()> {
    for (key, says) in [
        (KEY, "the log leads to it from the key that you pasted"),
        (WRONG_KEY, "nothing in the log leads to it from the key that you pasted"),
    ] {
        page.0.evaluate(&format!("element('key').value = {}", json!(key)))?;
        page.verify(rotated, Way::Chosen)?;
        let text = page.text("#result")?;
        require!(text.contains(says), "the page does not say `{says}`: {text}");
        page.0.evaluate("memory.forget()")?;
    }
    page.0.evaluate("element('key').value = ''")?;
    for (expression, expected) in [
        (
            "readable('operation=delete&operation=create&action=a%22+and+b')",
            r#"operation="delete" or "create" and action="a\" and b""#,
        ),
        ("plain('a\\u200e\\u061c\\u202eb')", "a\u{fffd}\u{fffd}\u{fffd}b"),
    ] {
        let said = page.0.evaluate(expression)?;
        require!(said == json!(expected), "the page: {expression} is {said}");
    }
    page.0.evaluate("localStorage.setItem(REMEMBERED + 'log.example/t/x', '{')")?;
    page.0.evaluate("outcome = null")?;
    page.0.evaluate("element('file').value = ''")?;
    page.0.choose("#file", rotated)?;
    page.0.wait_for("outcome !== null")?;
    let text = page.text("#result")?;
    let says = "what is remembered of log log.example/t/x is damaged";
    require!(text.contains(says), "the page forgets in silence: {text}");
    page.0.evaluate("memory.forget()")?;
    let left = page.0.evaluate("localStorage.length")?;
    require!(left == json!(0), "the page does not forget");
    Ok(())
}
