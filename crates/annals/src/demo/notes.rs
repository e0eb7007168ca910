//! What is worth finding in the demo's year, for people who want to try a search.

use std::time::Duration;

/// One story among the events.
#[derive(Debug)]
pub(crate) struct StoryNote {
    pub(crate) title: &'static str,
    pub(crate) tenant: &'static str,
    /// The story's first event is at most this long before `until` …
    pub(crate) before_until: Duration,
    /// … and its last at most this long after that.
    pub(crate) lasts: Duration,
    pub(crate) what_happened: &'static str,
    /// In words, for people with a viewer or a shell.
    pub(crate) how_to_find: &'static str,
    /// Parameters of `GET /v1/events`; a repeated one means either. Together with `since` and `until` of the story they
    /// find exactly `count` events.
    pub(crate) find: &'static [(&'static str, &'static str)],
    pub(crate) count: u64,
}

/// Hours and days as the stories count them.
const fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 60 * 60)
}

/// The most recent first.
pub(crate) const STORIES: &[StoryNote] = &[
    StoryNote {
        title: "Ten years of records nearly cut to one",
        tenant: "mosaic-health",
        before_until: days(3),
        lasts: days(1),
        what_happened: "An administrator sets the retention of patient records to 365 days on the wrong clinic. The preview \
                        refuses to delete 12480 records; 47 minutes later a colleague rolls the setting back.",
        how_to_find: "Look at everything done to the setting `records.retention` and compare `changes` before and after.",
        find: &[("targets_id", "records.retention")],
        count: 3,
    },
    StoryNote {
        title: "A night of guessed passwords",
        tenant: "ledgerly",
        before_until: days(5),
        lasts: days(1),
        what_happened: "Four addresses try one password on more than three hundred accounts, half of which do not exist. One \
                        guess is right; the second factor is refused three times and the account is locked.",
        how_to_find: "Count by `context.ip` on that night, then look at what the four loudest addresses did that was no \
                      failed login.",
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
        before_until: days(9),
        lasts: days(1),
        what_happened: "Four minutes after a push to a public repository the CI key is used from networks it never used before: \
                        it lists whatever it may, is refused the rest, and makes itself a new key with more rights. Both are \
                        revoked twenty minutes after the push.",
        how_to_find: "Filter on the key `key_ci_deploy` and leave out its usual address, or follow the two new addresses.",
        find: &[("context_ip", "2001:db8:bad:cafe::17"), ("context_ip", "192.0.2.201")],
        count: 40,
    },
    StoryNote {
        title: "Broken glass",
        tenant: "mosaic-health",
        before_until: days(12),
        lasts: days(3),
        what_happened: "A clinician opens the record of a patient she does not treat, gives an emergency as the reason and reads \
                        all of it, psychiatry included. The privacy officer finds no admission that evening.",
        how_to_find: "Filter on `metadata.break_glass eq true`, or on the record itself.",
        find: &[("targets_id", "pat_glass_24077")],
        count: 8,
    },
    StoryNote {
        title: "The administrator who left",
        tenant: "northwind-video",
        before_until: days(20),
        lasts: days(4),
        what_happened: "An administrator's account is suspended on his last day, but his personal API key is not. Three nights \
                        later it exports three customer lists and deletes a playlist. Fourteen events of the exporter from \
                        those minutes never arrived: a hole in `source.seq`.",
        how_to_find: "Look for what the key `key_tw_laptop` did after its owner's `user.suspend`; `actor.chain` names him.",
        find: &[("actor_id", "key_tw_laptop")],
        count: 7,
    },
    StoryNote {
        title: "An invoice that approved itself",
        tenant: "ledgerly",
        before_until: days(52),
        lasts: days(7),
        what_happened: "An accountant enters an invoice just below the limit and has it approved by an assistant, late in the \
                        evening, with the right his manager delegated to him for her leave.",
        how_to_find: "Follow the invoice: in the approval, `actor.chain` ends with the person who entered it.",
        find: &[("targets_id", "inv_aurora_0097")],
        count: 4,
    },
];
