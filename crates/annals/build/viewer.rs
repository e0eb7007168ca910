//! The viewer: built from `viewer/` in a checkout, where there is Node; taken as it was built where there is no checkout, from
//! `built/viewer` here; or from the folder that `ANNALS_VIEWER` names, `none` for none. A program without it says so;
//! with `ANNALS_VIEWER=required` there is none without it: the build fails where the viewer cannot be had.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, io};

/// The oldest Node that the viewer is built with.
const NODE_MIN: u32 = 20;

/// What a build depends on.
const SOURCES: [&str; 7] =
    ["src", "static", "build.mjs", "package.json", "package-lock.json", "tsconfig.json", ".npmrc"];

/// What makes a folder the viewer's: what it is built with, and what from.
const ENTRIES: [&str; 3] = ["build.mjs", "src/app.ts", "src/embed.ts"];

/// Writes `viewer.rs`, which embeds each file, into the output folder, and the files beside it.
pub(crate) fn embed(out: &Path) -> io::Result<()> {
    let folder = out.join("viewer");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir(&folder)?;
    provide(&folder)?;
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let name = entry?.file_name().into_string();
        files.push(name.map_err(|name| io::Error::other(format!("the viewer has a file named {name:?}")))?);
    }
    files.sort();
    // Rust that is asked for a name with odd characters would embed something else.
    if let Some(odd) = files
        .iter()
        .find(|name| !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)))
    {
        return Err(io::Error::other(format!("the viewer has a file named `{odd}`")));
    }
    let mut source =
        String::from("/// Names and contents.\npub(super) static FILES: &[(&str, &[u8])] = &[\n");
    for name in &files {
        let place = format!("concat!(env!(\"OUT_DIR\"), \"/viewer/{name}\")");
        writeln!(source, "    (\"{name}\", include_bytes!({place})),").map_err(io::Error::other)?;
    }
    source.push_str("];\n");
    fs::write(out.join("viewer.rs"), source)
}

/// Puts the built files into a folder; none where there is no way to have them.
fn provide(folder: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-env-changed=ANNALS_VIEWER");
    let named = env::var_os("ANNALS_VIEWER").filter(|name| !name.is_empty());
    let is_required = named.as_ref().is_some_and(|named| named == "required");
    if let Some(named) = named.filter(|_| !is_required) {
        return if named == "none" { Ok(()) } else { copy(Path::new(&named), folder) };
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checkout = here.join("../../viewer");
    if ENTRIES.iter().all(|entry| checkout.join(entry).exists()) {
        for source in SOURCES {
            println!("cargo::rerun-if-changed={}", checkout.join(source).display());
        }
        return match is_buildable(&checkout) {
            Ok(()) => build(&checkout, folder),
            Err(why) if is_required => Err(missing(&why)),
            Err(why) => {
                println!("cargo::warning={why}: this program goes without the viewer");
                println!(
                    "cargo::warning=to have it, install Node {NODE_MIN} or newer with npm, then `cargo clean -p annals` and build again"
                );
                Ok(())
            }
        };
    }
    let built = here.join("built/viewer");
    if built.exists() {
        return copy(&built, folder);
    }
    let why = "there is no built viewer in `built/viewer`";
    if is_required {
        return Err(missing(why));
    }
    println!("cargo::warning={why}: this program goes without it");
    Ok(())
}

fn missing(why: &str) -> io::Error {
    io::Error::other(format!("{why}, and `ANNALS_VIEWER=required` asks for the viewer"))
}

/// Whether the viewer can be built here, with its libraries fetched; if not, why.
fn is_buildable(checkout: &Path) -> Result<(), String> {
    let version = run(Command::new("node").arg("--version"));
    let version = version.map_err(|_| "there is no Node on the PATH".to_owned())?;
    let version = String::from_utf8_lossy(&version.stdout).trim().to_owned();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE_MIN) {
        return Err(format!("Node {version} is older than {NODE_MIN}"));
    }
    let changed = |path: PathBuf| fs::metadata(path).and_then(|about| about.modified()).ok();
    let fetched = changed(checkout.join("node_modules/.package-lock.json"));
    if fetched.is_some() && fetched >= changed(checkout.join("package-lock.json")) {
        return Ok(());
    }
    // What only tests need is left out, and no package runs anything of its own.
    let fetch = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
    let fetched = run(Command::new("npm").args(fetch).current_dir(checkout));
    fetched
        .map(|_| ())
        .map_err(|error| format!("`npm ci` cannot fetch the viewer's libraries ({})", one_line(&error)))
}

/// Builds the viewer. What fails here is a mistake in its source, and the program's build fails with it.
fn build(checkout: &Path, folder: &Path) -> io::Result<()> {
    let mut node = Command::new("node");
    let built = run(node.arg("build.mjs").arg("--out").arg(folder).current_dir(checkout));
    built.map(|_| ()).or_else(|error| {
        // As lines: what `main` fails with is shown in one.
        io::stderr().write_all(error.as_bytes())?;
        Err(io::Error::other("the viewer does not build; what is wrong stands above"))
    })
}

/// Runs a command that must end well, and gives what it said.
fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(output);
    }
    Err(format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr)))
}

/// What tells most of an error, in one line.
fn one_line(error: &str) -> &str {
    let mut lines = error.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("npm warn"));
    lines.next().unwrap_or("it says nothing").trim()
}

/// Copies a folder's files.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", from.display());
    let wrong = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", from.display()));
    for entry in fs::read_dir(from).map_err(wrong)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.is_file()) {
            fs::copy(&path, to.join(name))?;
        }
    }
    if to.join("index.html").exists() {
        return Ok(());
    }
    Err(io::Error::other(format!("{} holds no viewer: it has no `index.html`", from.display())))
}
