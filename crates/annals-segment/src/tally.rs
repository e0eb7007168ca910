//! Counts of values and times.
//!
//! ```text
//! pub trait TallySink {
//!     fn stretch(&mut self, us: i64) -> Range<i64>;                  // the stretch of time around an instant
//!     fn add_time(&mut self, stretch: &Range<i64>, records: u64);    // so many happened in it; may come again for the same
//!     fn add_value(&mut self, field: usize, json: &str, records: u64);   // may come again for the same value
//!     fn add_missing(&mut self, field: usize, records: u64);
//!     fn add_total(&mut self, records: u64);
//! }
//! impl Tally {                                             // Send
//!     pub fn new(plan: &Arc<Plan>, lane: &Lane, low: Bound<Moment>, high: Bound<Moment>, size: u64, fields: &[Field], times: bool)
//!         -> Result<Tally, Damaged>;
//!     /// Counts on; true when it is done, and only then has the sink been told everything.
//!     pub fn step(&mut self, sink: &mut dyn TallySink, budget: &mut Budget) -> Result<bool, Damaged>;
//! }
//! ```
