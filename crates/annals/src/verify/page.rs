//! The page that verifies bundles in a browser, if this program was built with it.

/// All of it in one file, as `cargo xtask verify-page` made it; empty when there was none.
static BUILT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/verify.html"));

/// The page.
pub(crate) fn page() -> Option<&'static [u8]> {
    Some(BUILT).filter(|page| !page.is_empty())
}
