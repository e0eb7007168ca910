//! The viewer, if this program was built with it.

use annals_server::Viewer;

/// Its files, as `build.rs` found or made them; none where it could not.
mod built {
    include!(concat!(env!("OUT_DIR"), "/viewer.rs"));
}

/// What people are told of a program without it.
pub(crate) const ABSENT: &str =
    "this program was built without the viewer; to have it, build annals with Node 20 or newer on the PATH";

/// The viewer.
pub(crate) fn viewer() -> Option<Viewer> {
    Viewer::new(built::FILES)
}
