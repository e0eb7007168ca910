//! The HTTP of annals: routes, keys, access log, listening.
//!
//! | module | does |
//! |---|---|
//! | `server`, `standalone`, `listen`, `tls` | accept connections, and stop without dropping one |
//! | `app` | the routes; none exists without its description in `/openapi.json` |
//! | `request` | what every request passes through: id, span, count, headers |
//! | `auth`, `access` | who may ask, and the record that they did |
//! | `session`, `oidc` | who signed in with a browser, by a key or by an identity provider |
//! | `ingest`, `body` | the way in: `POST /v1/events` |
//! | `feed`, `live`, `events` | records by position, as pages, as a stream, one by id |
//! | `dialects` | vendors' APIs, for their clients |
//! | `searching` | what looks through records: in turns, bounded in time |
//! | `export` | everything that matches, as one file |
//! | `bundle` | evidence that is verified elsewhere |
//! | `docs` | pages: the API reference, and the one that verifies bundles |
//! | `viewer` | the page for people, and the element that products embed |
//! | `prove`, `opening` | checkpoints, proofs, the C2SP tree; what an event's commitment is made of |
//! | `outgoing` | requests that the server itself makes |
//! | `registry` | keeps the log over all logs up to date |
//! | `erasures` | cases of erasure, from asking to done |
//! | `retention`, `holds`, `expiry` | how long records are kept, and that they go |
//! | `scrub` | reads everything again in the background |
//! | `witnesses` | has checkpoints cosigned by others |
//! | `saved_views` | what people saved in the viewer |
//! | `viewer_tokens`, `view`, `cors` | browsers of a product's users, and all that they may see |
//! | `tenants`, `keys`, `operate` | the control plane and what an operator looks at |
//! | `problem` | every code, its kind, and the one place where a kind becomes a status |
//! | `system` | the real clock and randomness |
//!
//! There is no route that changes or deletes an event.

mod access;
mod app;
mod auth;
mod body;
pub mod bundle;
mod conditions;
mod cors;
mod dialects;
mod docs;
mod erasures;
mod events;
mod expiry;
mod export;
mod feed;
mod holds;
mod ingest;
mod keys;
mod listen;
mod live;
mod metrics;
mod oidc;
mod openapi;
mod opening;
mod operate;
mod origin;
mod outgoing;
mod page;
mod problem;
mod prove;
mod query;
mod reading;
mod redaction;
mod registry;
mod request;
mod retention;
mod saved_views;
mod scrub;
mod search;
mod searching;
mod server;
mod session;
mod standalone;
mod summary;
mod system;
mod tenants;
mod tls;
mod view;
mod viewer;
mod viewer_tokens;
mod witnesses;

pub use access::FILTERS_A_MINUTE_MAX;
pub use app::Settings;
pub use body::{BATCH_BODY_BYTES_MAX, BODIES_BYTES_MAX, SMALL_BODY_BYTES_MAX};
pub use docs::VerifyPage;
pub use erasures::{ERASURE_APPROVALS, ERASURE_APPROVALS_MAX};
pub use expiry::EXPIRE_EVERY;
pub use ingest::RECEIPTS_MAX;
pub use listen::{Limits, Listening};
pub use metrics::Metrics;
pub use oidc::{OIDC_ANSWER_MAX, OidcSettings, Role, is_safe_address};
pub use problem::{Code, Problem, item_codes};
pub use registry::REGISTER_EVERY;
pub use scrub::{SCRUB_EVERY, SCRUB_RECORDS_PER_SECOND, Scrubbing};
pub use searching::{EXPORTS_MAX, SEARCH_US_MAX, SEARCHES_WAITING_MAX};
pub use server::{Handle, Server};
pub use session::SESSION_MAX;
pub use session::link::SIGN_IN_LINK_MAX;
pub use standalone::{Door, Standalone};
pub use system::{SystemClock, SystemEntropy};
pub use tls::{TlsError, TlsFiles};
pub use viewer::Viewer;
pub use witnesses::{WITNESS_ANSWER_MAX, WITNESS_ASKED_EVERY, WitnessAddress, Witnessing};
