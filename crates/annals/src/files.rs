//! Writing files whole, and folders that stay.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Makes a folder and those above it that are missing, outermost first, and syncs the one above each: a power cut takes no
/// folder that holds synced files. Their mode is as the process's mask says.
pub(crate) fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(above)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(above)?.sync_all(),
    }
}

/// Puts a file in place, durably: after a crash there is the old one or the new one. Readable by everybody: for what is
/// published or public.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".annals-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_with_those_above_and_may_be_there() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("tile/0/x001");
        make_folder(&folder).unwrap();
        make_folder(&folder).unwrap();
        replace(&folder.join("234"), b"hashes").unwrap();
        assert_eq!(fs::read(folder.join("234")).unwrap(), b"hashes");
        assert!(make_folder(&folder.join("234/0")).is_err(), "a file is no folder");
    }
}
