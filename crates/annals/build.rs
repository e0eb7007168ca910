//! Puts what the program embeds where it embeds it from: the page that verifies bundles, and the viewer.

#[path = "build/viewer.rs"]
mod viewer;

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets `OUT_DIR`"))?;
    verify_page(Path::new(&out))?;
    viewer::embed(Path::new(&out))
}

/// The file that `ANNALS_VERIFY_PAGE` names, else the one that `cargo xtask verify-page` made, else an empty one, which the program then
/// says.
fn verify_page(out: &Path) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../annals-verify-page/built");
    println!("cargo::rerun-if-env-changed=ANNALS_VERIFY_PAGE");
    let named = env::var_os("ANNALS_VERIFY_PAGE").filter(|name| !name.is_empty()).map(PathBuf::from);
    // The folder is watched, as it is there whether the page is or not.
    let watched = named.as_deref().unwrap_or(&folder);
    println!("cargo::rerun-if-changed={}", watched.display());
    let page = match &named {
        // Whoever names one wants it.
        Some(name) => fs::read(name)?,
        None => fs::read(folder.join("verify.html")).unwrap_or_default(),
    };
    fs::write(out.join("verify.html"), page)
}
