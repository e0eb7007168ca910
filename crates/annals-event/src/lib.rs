//! The vocabulary of annals: what an event is, the bytes it is stored as, and the units those bytes
//! are committed in.
//!
//! Everything here is a pure function of its arguments: no input or output, no clock, no randomness,
//! and no allocation per event once the reusable parts ([`Scratch`], [`Normalised`], [`UnitScratch`])
//! have grown to their working size.
//!
//! * [`normalise`] turns an event as a client sent it into its *canonical bytes*, or says why not.
//! * [`units`] splits canonical bytes into the named parts that are committed one by one, and
//!   [`rebuild`] puts them together again, byte for byte.
//! * [`render`] adds what annals knows (position, receive time, derived members) for an answer.
//! * [`json`] is the strict scanner underneath; [`split_array`](json::split_array) and
//!   [`lines`](json::lines) cut a request's body into items without trusting any of them.
//! * [`TenantId`], [`Position`], [`TreeSize`], [`LedgerSeq`], [`Timestamp`] and [`Operation`] are the
//!   words all other crates speak.
//!
//! Every member, limit, code and warning is listed in `docs/reference/event.md`.
//!
//! ```
//! use annals_event::{normalise, Normalised, Rules, Scratch};
//!
//! let sent = br#"{"action":"video.update", "actor":{"id":"u1","email":null}}"#;
//! let (mut scratch, mut event) = (Scratch::default(), Normalised::default());
//! normalise(sent, &Rules::default(), &mut scratch, &mut event)?;
//! assert_eq!(event.bytes(), br#"{"action":"video.update","actor":{"id":"u1"}}"#);
//! # Ok::<(), annals_event::Rejection>(())
//! ```

mod code;
pub mod filter;
mod ids;
pub mod json;
pub mod model;
mod normalise;
mod operation;
pub mod redact;
mod render;
pub mod suspect;
mod time;
mod units;

pub use code::{Code, Rejection, Warning, WarningCode};
pub use ids::{
    EVENT_ID_BYTES_MAX, IdError, LedgerSeq, Position, TENANT_ID_BYTES_MAX, TenantId, TreeSize, check_event_id,
};
pub use normalise::{Normalised, Rules, Scratch, Source, WARNINGS_MAX, normalise};
pub use operation::Operation;
pub use render::{Extra, render, render_onto};
pub use time::{ParsedTime, TimeError, Timestamp};
pub use units::{
    RebuildError, Rebuilder, UNIT_NAME_BYTES_MAX, UNITS_MAX, UnitScratch, UnitsError, rebuild, units,
    units_of_text,
};
