//! The ledger of annals: accepts events, orders them, proves them and hands them back.
//!
//! | module | does |
//! |---|---|
//! | [`accept`] | one request's events become one batch, on the request's own task |
//! | [`batch`] | what a journal batch holds, byte by byte |
//! | [`state`] | applies batches, one after another: the pure state machine |
//! | [`ledger`] | runs it: two threads, group commit, heads each second |
//! | [`search`], [`summary`], [`cursor`], `landmarks` | finds records, counts them, remembers where a search or a numbered page goes on |
//! | [`seal`], [`store`] | moves records from the tail in memory into segments, and these into larger ones |
//! | [`archive`] | reads all of a ledger that may be running, for a backup |
//! | [`control`], [`keys`], [`views`] | the control plane, itself an audited log |
//! | `registry`, `rotation` | statements: heads of all logs, keys that follow one another |
//!
//! The state of a ledger is the newest manifest and the journal after its place. Records before that place are in segments, those
//! after it in the tail.

pub mod accept;
pub mod archive;
pub mod audit;
pub mod batch;
mod bits;
pub mod clock;
mod clock_guard;
mod columns;
mod commit;
pub mod control;
pub mod cursor;
mod disclose;
pub mod erased;
mod erasure;
mod error;
mod ids;
pub mod intervals;
pub mod keys;
mod known;
mod landmarks;
mod leaves;
pub mod ledger;
mod log;
pub mod manifest;
mod marks;
mod nodes;
pub mod observer;
mod order;
mod pace;
mod policy;
mod queue;
pub mod read;
pub mod record;
mod registry;
mod removal;
mod rotation;
mod scan;
mod scrub;
pub mod seal;
mod sealed;
pub mod search;
mod secrets;
pub mod signing;
mod sources;
pub mod state;
pub mod store;
pub mod summary;
mod system;
mod tail;
mod ticket;
mod times;
pub mod views;

pub use accept::{AcceptOptions, Draft, ItemError, Sealed};
pub use annals_segment::Damaged;
pub use annals_tree::origin::LogKind;
pub use clock::{Clock, Entropy, SeededEntropy};
pub use control::{Author, Control};
pub use cursor::{Cursor, CursorError};
pub use disclose::{Disclosed, Discloses, Shown};
pub use erased::{ErasedError, ErasedEvent, ErasedUnit};
pub use erasure::{
    CaseError, ERASED_RECORDS_MAX, ErasureCase, ErasureCounts, ErasurePreview, ErasureStage, FreeText,
    HitClass, NewErasure, REASON_BYTES_MAX, SUBJECT_VALUE_BYTES_MAX, SUBJECT_VALUE_BYTES_MIN,
    SUBJECT_VALUES_MAX, Subject, SubjectError, Taken,
};
pub use error::{CommitError, ErrorKind, OpenError};
pub use intervals::Interval;
pub use keys::{KeyId, KeyRecord, KeySecret, Scope};
pub use ledger::{
    Core, Due, Engine, EraseError, ErasurePlan, Expirer, Health, ItemResult, ItemStatus, Ledger, LogInfo,
    Looked, Opened, Options, Parts, PolicyError, Pour, PourStart, Poured, Preview, PreviewClass,
    lower_priority,
};
pub use observer::{Observer, Unobserved};
pub use policy::{
    HOLD_TEXT_BYTES_MAX, HOLDS_MAX, Hold, HoldError, LifeError, RETENTION_CLASSES_MAX,
    RETENTION_CONDITION_BYTES_MAX, RETENTION_HOURS_MAX, RETENTION_NAME_BYTES_MAX, RETENTION_PRESETS,
    RETENTION_RULES_MAX, RedactionAct, RedactionRule, RetentionClass, RetentionError, RetentionLog,
    RetentionPreset, RetentionRule, SHORTENING_HOURS, check_retention, redaction,
};
pub use read::{FeedPage, FeedScope, Sizes, TenantLog};
pub use record::Record;
pub use registry::{HEADS_MAX, LogHead, Registered, registry_log};
pub use removal::RemovalAt;
pub use rotation::{LogKey, Rotations};
pub use scrub::{Scrub, ScrubFinding};
pub use seal::{Done, SealError, TailLimits};
pub use search::{Counted, Direction, Effort, Order, Place, Search, SearchError, SearchPage, SortKey, Start};
pub use signing::{KeyedSigner, ProveError, SignError, SigningService};
pub use state::{Outcome, State};
pub use store::{Store, StoreError};
pub use summary::{Counts, FieldCounts, Histogram, Summary};
pub use ticket::{TICKET_BYTES_MAX, TICKET_TEXT_BYTES_MAX};
pub use views::{
    SAVED_VIEW_NAME_BYTES_MAX, SAVED_VIEW_QUERY_BYTES_MAX, SAVED_VIEWS_BYTES_MAX, SAVED_VIEWS_MAX, SavedView,
    ViewError,
};
