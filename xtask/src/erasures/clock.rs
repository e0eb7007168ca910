//! The real binary with another wall clock: a small library, loaded into it, answers when it asks for the time.

use std::path::{Path, PathBuf};

use crate::fault::Result;
use crate::repo;
use crate::tool::Tool;

/// The library.
#[derive(Debug)]
pub(super) struct Clock(PathBuf);

impl Clock {
    /// Compiles it; none where it does not work.
    pub(super) fn build(folder: &Path) -> Result<Option<Self>> {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux"))
            || !Tool::new("cc").args(["--version"]).answers()
        {
            return Ok(None);
        }
        let library = folder.join("clock.so");
        let source = repo::root().join("xtask/src/erasures/clock.c");
        Tool::new("cc")
            .args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .run()?;
        Ok(Some(Self(library)))
    }

    /// Settings of a process whose clock is so many hours ahead.
    pub(super) fn ahead(&self, hours: u64) -> [(&'static str, String); 2] {
        [("LD_PRELOAD", self.0.display().to_string()), ("CLOCK_AHEAD_SECONDS", (hours * 3_600).to_string())]
    }
}
