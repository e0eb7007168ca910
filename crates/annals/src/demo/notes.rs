//! What is worth finding in the demo's year, for people who want to try a search.

/// One story among the events.
#[derive(Debug)]
pub(crate) struct StoryNote {
    pub(crate) title: &'static str,
    pub(crate) tenant: &'static str,
    /// None of its events is older than so many days before `until`.
    pub(crate) days_ago: i64,
    /// One line.
    pub(crate) what_happened: &'static str,
    /// Parameters of `GET /v1/events`; a repeated one means either. Within the tenant they find exactly `count` events.
    pub(crate) find: &'static [(&'static str, &'static str)],
    pub(crate) count: u64,
}

/// The most recent first.
pub(crate) const STORIES: &[StoryNote] = &[
    StoryNote {
        title: "Ten years of records nearly cut to one",
        tenant: "mosaic-health",
        days_ago: 3,
        what_happened: "Patient records are to be kept for a year instead of ten. 47 minutes later a colleague rolls that back.",
        find: &[("targets_id", "records.retention")],
        count: 3,
    },
    StoryNote {
        title: "A night of guessed passwords",
        tenant: "ledgerly",
        days_ago: 5,
        what_happened: "Four addresses try one password on three hundred accounts. One guess is right; the second factor holds.",
        find: &[
            ("context_ip", "192.0.2.161"),
            ("context_ip", "192.0.2.162"),
            ("context_ip", "192.0.2.163"),
            ("context_ip", "192.0.2.178"),
        ],
        count: 315,
    },
    StoryNote {
        title: "A key in a public commit",
        tenant: "northwind-video",
        days_ago: 9,
        what_happened: "Minutes after a push strangers use the CI key: they list what they may and make a key with more rights.",
        find: &[("context_ip", "2001:db8:bad:cafe::17"), ("context_ip", "192.0.2.201")],
        count: 40,
    },
    StoryNote {
        title: "Broken glass",
        tenant: "mosaic-health",
        days_ago: 12,
        what_happened: "A clinician gives an emergency as the reason to read all of the record of somebody else's patient.",
        find: &[("targets_id", "pat_glass_24077")],
        count: 8,
    },
    StoryNote {
        title: "The administrator who left",
        tenant: "northwind-video",
        days_ago: 20,
        what_happened: "His account is suspended, his API key is not: three nights later it exports customers and deletes a playlist.",
        find: &[("actor_id", "key_tw_laptop")],
        count: 7,
    },
    StoryNote {
        title: "An invoice that approved itself",
        tenant: "ledgerly",
        days_ago: 52,
        what_happened: "Entered just below the limit, approved by an assistant: `actor.chain` says with whose right it was.",
        find: &[("targets_id", "inv_aurora_0097")],
        count: 4,
    },
];
