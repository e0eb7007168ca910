//! Why an event was refused, or kept with a remark.

use std::fmt;

/// Defines an enum of codes together with its texts, so that neither can forget the other.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every code, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it stands in answers: snake case, stable for ever.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

codes! {
    /// Why an event was refused.
    Code {
        /// The bytes are not one JSON value: a wrong character, an unfinished string or container, a byte order mark.
        Json = "json",
        /// Something other than white space follows the value.
        TrailingBytes = "trailing_bytes",
        /// The bytes are not UTF-8.
        Utf8 = "utf8",
        /// A string holds a raw control character (U+0000 to U+001F); JSON wants it escaped.
        ControlCharacter = "control_character",
        /// A `\ud800`–`\udfff` escape without its other half: no UTF-8 can hold it.
        LoneSurrogate = "lone_surrogate",
        /// A number that JSON's grammar does not allow, such as `01`, `+1`, `.5` or `1.`.
        Number = "number",
        /// An object names the same member twice, also by different escapes.
        DuplicateMember = "duplicate_member",
        /// Objects and arrays nest deeper than the limit; the event itself is level 1.
        Depth = "depth",
        /// The item as sent is longer than the limit.
        EventBytes = "event_bytes",
        /// The item is not a JSON object.
        NotObject = "not_object",
        /// A required member is absent: `action`, or an `actor` with a `type` or an `id`.
        Required = "required",
        /// A member of the model has the wrong JSON type.
        Type = "type",
        /// `null`, or an object without members, stands where a target or a link of `actor.chain` should.
        Empty = "empty",
        /// A text is shorter or longer than its limits.
        Length = "length",
        /// A value outside its range or list: `operation`, `outcome.result`, `request.status_code`, `source.seq`.
        Value = "value",
        /// `id` is not an event id: empty, over 200 bytes, or with control characters.
        Id = "id",
        /// `tenant` is not a tenant id.
        Tenant = "tenant",
        /// `occurred_at` is not an RFC 3339 instant with an offset, in the years 0000 to 9999.
        Time = "time",
        /// The name or action belongs to annals: `position`, `received_at`, … or an action `annals.…`.
        Reserved = "reserved",
        /// `actor.chain` has more links than the limit.
        ChainLength = "chain_length",
        /// A member the model does not know, while the request asked for `strict`.
        UnknownMember = "unknown_member",
    }
}

codes! {
    /// What annals remarks about an event it kept.
    WarningCode {
        /// A member the model does not know; it is kept, committed and searchable.
        UnknownMember = "unknown_member",
        /// `occurred_at` was finer than microseconds; digits that were not zero were cut.
        Precision = "precision",
        /// `occurred_at` named second 60; it is kept as the last microsecond of second 59.
        LeapSecond = "leap_second",
        /// `occurred_at` is more than five minutes ahead of our clock; kept as it is.
        ClockAhead = "clock_ahead",
        /// A value looks like a password, a token or a private key; it is kept as sent.
        LooksSecret = "looks_secret",
        /// A value looks like the number of a payment card; it is kept as sent.
        LooksLikeCard = "looks_like_card",
        /// More warnings than are listed; the message says how many.
        More = "more",
    }
}

/// An event refused, and why.
///
/// `pointer` is the JSON Pointer (RFC 6901) of the place in the event *as sent*, empty for the event
/// itself. It is at most [`POINTER_BYTES_MAX`](crate::json::POINTER_BYTES_MAX) bytes: a longer one
/// ends at the last whole segment that fits. `message` is for people and may change; `code` may not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Rejection {
    /// What went wrong.
    pub code: Code,
    /// Where in the event.
    pub pointer: String,
    /// For people: lower case, the thing first, then what is wrong with it.
    pub message: String,
}

/// A remark on an event that was kept. Members as in [`Rejection`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What is remarkable.
    pub code: WarningCode,
    /// Where in the event.
    pub pointer: String,
    /// For people.
    pub message: String,
}

/// At most 64 characters of `text`, for a message; control characters are made visible.
pub(crate) fn shown(text: &str) -> String {
    const CHARACTERS_MAX: usize = 64;
    let mut out: String = text.chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        out.push('…');
    }
    out
}
