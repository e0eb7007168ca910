//! What a vendor's document says of its routes and answers, as tables: `annals-server` makes OpenAPI of them. The parameters are
//! those that are read, so that none is taken that is not told of.

/// A route.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Where it is; `{…}` is one segment.
    pub path: &'static str,
    /// What the operation is called; begins with the vendor's name and `_`.
    pub id: &'static str,
    /// What it does, a sentence.
    pub summary: &'static str,
    /// What else is to know of it.
    pub about: &'static str,
    /// The segments of the path that may be anything.
    pub segments: &'static [Member],
    /// The parameters, without those that all lists of a kind have.
    pub parameters: &'static [Member],
    /// Headers of a good answer.
    pub headers: &'static [Member],
    /// The body of a good answer.
    pub answer: Kind,
}

impl Route {
    /// A route without segments, parameters and headers of its own.
    #[must_use]
    pub const fn new(path: &'static str, id: &'static str, summary: &'static str, answer: Kind) -> Self {
        Self { path, id, summary, about: "", segments: &[], parameters: &[], headers: &[], answer }
    }
}

/// A member of an object, a parameter, a header.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// What it is called.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// What that means.
    pub about: &'static str,
    /// It may be `null`.
    pub is_nullable: bool,
    /// It may be absent.
    pub is_optional: bool,
}

/// What a value is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that is an RFC 3339 time.
    Time,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// Anything.
    Any,
    /// An object with any members.
    Object,
    /// An object with these members.
    Members(&'static [Member]),
    /// One of those that have a name in the document.
    Named(&'static Named),
    /// An array.
    List(&'static Kind),
}

/// A form that has a name in the document.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// What it is called; no two are called the same.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// What it has.
    pub members: &'static [Member],
}

impl Member {
    /// A member that is always there and never `null`.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, kind, about, is_nullable: false, is_optional: false }
    }

    /// A text.
    #[must_use]
    pub const fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Text, about)
    }

    /// A whole number.
    #[must_use]
    pub const fn integer(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Integer, about)
    }

    /// The same, that may be `null`.
    #[must_use]
    pub const fn or_null(self) -> Self {
        Self { is_nullable: true, ..self }
    }

    /// The same, that may be absent.
    #[must_use]
    pub const fn or_absent(self) -> Self {
        Self { is_optional: true, ..self }
    }
}
