//! Where things are in the repository.

use std::path::{Path, PathBuf};

use crate::fault::Result;
use crate::tool::Tool;

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("xtask is a folder of the repository").to_owned()
}

/// Where cargo puts what it builds, and we what we fetch.
pub(crate) fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        // Cargo reads a relative one from the folder it was called in; the alias is called anywhere in the repository.
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// All files under version control, and those that would be added next, relative to the root.
pub(crate) fn files() -> Result<Vec<PathBuf>> {
    let listing =
        Tool::new("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).output()?;
    let mut files: Vec<_> = listing.lines().map(PathBuf::from).collect();
    files.sort();
    files.dedup();
    // A file removed but not yet committed is still listed.
    files.retain(|file| root().join(file).is_file());
    Ok(files)
}
