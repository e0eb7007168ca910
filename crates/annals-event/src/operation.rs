//! The coarse verb of an event, and how it is read from an action when the client sent none.

use std::fmt;
use std::str::FromStr;

/// What kind of thing happened: what vendors' coarse verbs are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// Something began to exist.
    Create,
    /// Something was read, listed, searched or exported.
    Read,
    /// Something changed.
    Update,
    /// Something ceased to exist or to apply.
    Delete,
    /// Something was entered, opened or used.
    Access,
    /// Someone proved, or failed to prove, who they are, or left.
    Authentication,
    /// The state of something as it stands, without a change.
    Snapshot,
    /// None of these.
    Other,
}

impl Operation {
    /// Every operation, in the order of [`Operation::code`].
    pub const ALL: [Self; 8] = [
        Self::Create,
        Self::Read,
        Self::Update,
        Self::Delete,
        Self::Access,
        Self::Authentication,
        Self::Snapshot,
        Self::Other,
    ];

    /// The word in events and filters.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Access => "access",
            Self::Authentication => "authentication",
            Self::Snapshot => "snapshot",
            Self::Other => "other",
        }
    }

    /// One byte for storage, 1 to 8; 0 is never used. Stable for ever.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Create => 1,
            Self::Read => 2,
            Self::Update => 3,
            Self::Delete => 4,
            Self::Access => 5,
            Self::Authentication => 6,
            Self::Snapshot => 7,
            Self::Other => 8,
        }
    }

    /// The operation with this [`Operation::code`], if there is one.
    #[must_use]
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.code() == code)
    }

    /// Reads the operation from an action's words.
    ///
    /// The action is cut at dots into segments, each segment into words at everything that is neither
    /// letter nor digit and where camelCase begins a new word. Segments are asked from the last to the
    /// first; the first segment that holds a known word decides, by its first known word. Words that are
    /// nouns as often as verbs (`access`, `snapshot`, `auth`, `mfa`, …) decide only when their segment
    /// holds no other known word. No known word at all is [`Operation::Other`]. The words are listed in
    /// `docs/reference/event.md`; the table never changes for stored events, as the result is stored.
    ///
    /// ```
    /// use annals_event::Operation;
    ///
    /// assert_eq!(Operation::derive("video.update"), Operation::Update);
    /// assert_eq!(Operation::derive("s3.GetObject"), Operation::Read);
    /// assert_eq!(Operation::derive("user.login.failed"), Operation::Authentication);
    /// assert_eq!(Operation::derive("access_key_create"), Operation::Create);
    /// assert_eq!(Operation::derive("quux"), Operation::Other);
    /// ```
    #[must_use]
    pub fn derive(action: &str) -> Self {
        action.rsplit('.').find_map(of_segment).unwrap_or(Self::Other)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Operation {
    type Err = UnknownOperation;

    fn from_str(text: &str) -> Result<Self, UnknownOperation> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == text).ok_or(UnknownOperation)
    }
}

/// The text is none of the operations' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not one of create, read, update, delete, access, authentication, snapshot, other")]
pub struct UnknownOperation;

fn of_segment(segment: &str) -> Option<Operation> {
    let mut noun = None;
    let mut previous = "";
    for word in words(segment) {
        let joined = matches_any(previous, &["log", "logged", "sign", "signed"])
            && matches_any(word, &["in", "on", "out", "off"]);
        match if joined { Some((Operation::Authentication, true)) } else { of_word(word) } {
            Some((operation, true)) => return Some(operation),
            Some((operation, false)) => noun = noun.or(Some(operation)),
            None => {}
        }
        previous = word;
    }
    noun
}

/// The words of one segment: runs of letters and digits, cut before the capital that starts a word
/// (`GetMFADevice` is `Get`, `MFA`, `Device`).
fn words(segment: &str) -> impl Iterator<Item = &str> {
    segment.split(|c: char| !c.is_alphanumeric()).flat_map(|mut run| {
        std::iter::from_fn(move || {
            let (word, rest) = run.split_at(word_len(run));
            run = rest;
            (!word.is_empty()).then_some(word)
        })
    })
}

fn word_len(run: &str) -> usize {
    let bytes = run.as_bytes();
    (1..bytes.len())
        .find(|&i| {
            let after_small = !bytes[i - 1].is_ascii_uppercase();
            let before_small = bytes.get(i + 1).is_some_and(u8::is_ascii_lowercase);
            bytes[i].is_ascii_uppercase() && (after_small || before_small)
        })
        .unwrap_or(bytes.len())
}

fn matches_any(word: &str, of: &[&str]) -> bool {
    of.iter().any(|other| word.eq_ignore_ascii_case(other))
}

/// What a word says, and whether it says so on its own.
fn of_word(word: &str) -> Option<(Operation, bool)> {
    const WORD_BYTES_MAX: usize = 16;
    let mut small = [0; WORD_BYTES_MAX];
    let small = small.get_mut(..word.len())?;
    small.copy_from_slice(word.as_bytes());
    small.make_ascii_lowercase();
    let found = |list: &[&str]| list.iter().any(|known| known.as_bytes() == small);
    VERBS
        .iter()
        .find(|(_, list)| found(list))
        .map(|&(operation, _)| (operation, true))
        .or_else(|| NOUNS.iter().find(|(_, list)| found(list)).map(|&(operation, _)| (operation, false)))
}

/// Words that decide on their own.
#[rustfmt::skip]
pub(crate) const VERBS: &[(Operation, &[&str])] = &[
    (
        Operation::Create,
        &[
            "create", "creates", "created", "creating", "creation", "add", "adds", "added", "insert", "inserted", "new",
            "upload", "uploaded", "import", "imported", "invite", "invited", "register", "registered", "signup",
            "generate", "generated", "issue", "issued", "copy", "copied", "clone", "cloned", "duplicate", "duplicated",
            "fork", "forked", "provision", "provisioned", "open", "opened", "submit", "submitted", "upsert", "publish",
            "published", "launch", "launched", "run",
        ],
    ),
    (
        Operation::Read,
        &[
            "read", "reads", "get", "gets", "list", "lists", "listed", "describe", "describes", "head", "query",
            "queried", "search", "searched", "view", "viewed", "views", "download", "downloaded", "export", "exported",
            "fetch", "fetched", "lookup", "scan", "scanned", "select", "watch", "watched", "preview", "previewed",
            "print", "printed", "decrypt", "decrypted", "retrieve", "retrieved",
        ],
    ),
    (
        Operation::Update,
        &[
            "update", "updates", "updated", "updating", "edit", "edits", "edited", "modify", "modified", "change",
            "changed", "changes", "set", "put", "patch", "patched", "rename", "renamed", "move", "moved", "replace",
            "replaced", "reset", "restore", "restored", "enable", "enabled", "disable", "disabled", "activate",
            "activated", "deactivate", "deactivated", "suspend", "suspended", "resume", "resumed", "lock", "locked",
            "unlock", "unlocked", "assign", "assigned", "unassign", "unassigned", "attach", "attached", "detach",
            "detached", "associate", "associated", "disassociate", "grant", "granted", "approve", "approved", "reject",
            "rejected", "archive", "archived", "unarchive", "unarchived", "transfer", "transferred", "rotate",
            "rotated", "tag", "tagged", "untag", "untagged", "start", "started", "stop", "stopped", "close", "closed",
            "reopen", "reopened", "merge", "merged", "share", "shared", "unshare", "unshared", "convert", "converted",
            "complete", "completed", "promote", "promoted", "authorize", "authorized", "write", "wrote", "written",
            "save", "saved", "configure", "configured", "accept", "accepted",
        ],
    ),
    (
        Operation::Delete,
        &[
            "delete", "deletes", "deleted", "deleting", "deletion", "remove", "removes", "removed", "destroy",
            "destroyed", "purge", "purged", "erase", "erased", "drop", "dropped", "terminate", "terminated", "revoke",
            "revoked", "cancel", "cancelled", "canceled", "expire", "expired", "trash", "trashed", "uninstall",
            "uninstalled", "unpublish", "unpublished", "deregister", "deregistered", "withdraw", "withdrawn",
        ],
    ),
    (
        Operation::Access,
        &[
            "accessed", "accesses", "enter", "entered", "visit", "visited", "connect", "connected", "join", "joined",
            "invoke", "invoked", "use", "used",
        ],
    ),
    (
        Operation::Authentication,
        &[
            "login", "logins", "logon", "logout", "logoff", "signin", "signon", "signout", "authenticate",
            "authenticated", "authentication", "reauthenticate", "impersonate", "impersonated", "assume", "assumed",
        ],
    ),
    (Operation::Snapshot, &["snapshotted", "baseline"]),
];

/// Words that are as often the thing as the deed: they decide only where nothing else in the segment does.
pub(crate) const NOUNS: &[(Operation, &[&str])] = &[
    (Operation::Access, &["access"]),
    (Operation::Authentication, &["auth", "mfa", "2fa", "otp", "sso", "saml", "session"]),
    (Operation::Snapshot, &["snapshot", "snapshots"]),
];

#[cfg(test)]
mod tests;
