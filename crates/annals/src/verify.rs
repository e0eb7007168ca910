//! Checking what an annals log says, from four places: a published folder, a server, a data folder, an evidence bundle.
//!
//! | module | does |
//! |---|---|
//! | [`bundle`] | an evidence bundle: its archive, every line of its log, its manifest |
//! | [`edge`] | root and tiles of a tree that streams past, in bounded memory |
//! | [`tiles`] | a published tree against its checkpoint: every entry, every tile |
//! | [`page`] | what checks a bundle in a browser |
//! | [`memory`] | the newest checkpoint accepted of each log, so that the next one must extend it |

pub(crate) mod bundle;
pub(crate) mod edge;
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod tiles;
