//! Rows that satisfy a plan, in the order asked for.
//!
//! ```text
//! pub type Moment = (i64, u64);                            // µs it happened (0 in number lanes), number
//! pub enum Lane { LogTime(LogRows), LogNumber(LogRows), AllTime, AllNumber }
//! pub struct Budget                                        // Budget::new(work: u64); about one unit a ns
//! pub enum Step { Hit { row: u32, moment: Moment }, Spent, End }
//! impl Hits {                                              // Send
//!     pub fn new(plan: &Arc<Plan>, lane: Lane, falling: bool, low: Bound<Moment>, high: Bound<Moment>, size: u64)
//!         -> Result<Hits, Damaged>;                        // size: only numbers below it
//!     pub fn next(&mut self, budget: &mut Budget) -> Result<Step, Damaged>;
//!     pub fn reached(&self) -> Option<Moment>;             // everything up to it, in the direction of the walk, was looked at
//! }
//! ```
