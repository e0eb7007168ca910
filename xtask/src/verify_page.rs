//! The page that checks evidence bundles in a browser: builds it, all of it in one file.
//!
//! The program is `annals-verify-page`, built for WASI and pressed; style, scripts and program stand in the page itself, whose
//! policy names the hashes of the two that run there. `docs/decisions/0015-verify-page.md` says why.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::fault::{Result, While, fail, require};
use crate::repo;
use crate::tool::Tool;

const TARGET: &str = "wasm32-wasip1";

const PACKAGE: &str = "annals-verify-page";

/// Profile of `Cargo.toml`, and the folder that cargo names after it.
const PROFILE: &str = "verify-page";

/// What hashes has a faster way with it; browsers that unpress the program have it.
const FLAGS: &str = "-C target-feature=+simd128";

/// Where `annals` finds the page when it is built.
pub(crate) fn path() -> PathBuf {
    repo::root().join("crates").join(PACKAGE).join("built/verify.html")
}

/// Builds the page, fetching the compiler's target where it is missing.
pub(crate) fn build() -> Result<PathBuf> {
    let (asked, targets) = Tool::new("rustup").args(["target", "list", "--installed"]).ask()?;
    require!(asked, "rustup: {targets}");
    if !targets.lines().any(|target| target == TARGET) {
        Tool::new("rustup").args(["target", "add", TARGET]).run()?;
    }
    let build = Tool::cargo().args(["build", "--quiet", "--package", PACKAGE]);
    let build = build.env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", FLAGS);
    build.args(["--target", TARGET, "--profile", PROFILE]).run()?;
    let built = repo::target().join(TARGET).join(PROFILE).join(format!("{PACKAGE}.wasm"));
    let program = fs::read(&built).while_doing(built.display())?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&program).while_doing("pressing the program")?;
    let pressed = gzip.finish().while_doing("pressing the program")?;
    let page = page(&BASE64_STANDARD.encode(&pressed))?;
    // Only when it differs: whoever embeds it would be built again.
    let path = path();
    if fs::read(&path).is_ok_and(|known| known == page.as_bytes()) {
        return Ok(path);
    }
    fs::write(&path, &page).while_doing(path.display())?;
    println!(
        "{}: {} KB, of which the program {} KB, {} KB before it was pressed",
        path.display(),
        page.len() / 1000,
        pressed.len() / 1000,
        program.len() / 1000
    );
    Ok(path)
}

/// Puts everything into the page.
fn page(program: &str) -> Result<String> {
    let part = |name: &str| {
        let path = repo::root().join("crates").join(PACKAGE).join("page").join(name);
        fs::read_to_string(&path).while_doing(path.display())
    };
    let (style, script, worker) = (part("page.css")?, part("page.js")?, part("worker.js")?);
    for text in [&script, &worker] {
        require!(!text.contains("</script"), "a script must not end itself");
    }
    let hash = |text: &str| format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())));
    let policy = format!(
        "default-src 'none'; script-src {} 'wasm-unsafe-eval'; style-src {}; worker-src blob:; img-src data:; \
         base-uri 'none'; form-action 'none'",
        hash(&script),
        hash(&style)
    );
    let mut page = part("page.html")?;
    for (name, text) in [
        ("policy", policy.as_str()),
        ("style", &style),
        ("version", env!("CARGO_PKG_VERSION")),
        ("program", program),
        ("worker", &worker),
        ("script", &script),
    ] {
        let place = format!("{{{{{name}}}}}");
        if page.matches(&place).count() != 1 {
            fail!("page.html must have {place} once");
        }
        page = page.replace(&place, text);
    }
    Ok(page)
}
