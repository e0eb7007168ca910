//! A condition made ready for one segment: a mask for each 128 rows.
//!
//! ```text
//! impl Plan {                                              // Send + Sync, keep it in an Arc; one for each segment and question
//!     pub fn new(segment: &Arc<Segment>, matcher: &Arc<Matcher>, sent_only: bool) -> Result<Plan, Damaged>;
//!     pub fn is_never(&self) -> bool;                      // no row of this file can match
//!     pub fn segment(&self) -> &Arc<Segment>;
//!     pub fn scratch(&self) -> Scratch;                    // one for each thread
//!     pub fn mask(&self, block: u32, scratch: &mut Scratch) -> Result<Mask, Damaged>;
//!     pub fn verify(&self, row: u32, scratch: &mut Scratch) -> Result<bool, Damaged>;   // on the rebuilt event
//!     pub fn next_block(&self, from: u32, falling: bool) -> Option<u32>;
//! }
//! pub struct Mask { pub sure: u128, pub maybe: u128 }
//! ```
