//! Conditions in the grammar of `filter`.

use std::fmt;

use super::names::{Root, json_text, write_field};
use super::{Comparison, Condition, Field, Literal, Part, Path, Phrase, Test};

/// Writes the condition as a filter that reads back as the same condition. What filters do not have is written so that people
/// can read it: words as `q("a phrase" word)`, a condition that holds always or never as `everything` or `nothing`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Written { condition: self, root: Root::Event, around: Around::Nothing }.fmt(f)
    }
}

/// What a condition stands in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    All,
    Any,
}

struct Written<'a> {
    condition: &'a Condition,
    root: Root,
    around: Around,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.condition {
            Condition::All(all) if all.is_empty() => f.write_str("everything"),
            Condition::Any(any) if any.is_empty() => f.write_str("nothing"),
            Condition::All(all) => self.joined(f, " and ", all, |f, one| self.inner(one, Around::All).fmt(f)),
            Condition::Any(any) => self.joined(f, " or ", any, |f, one| self.inner(one, Around::Any).fmt(f)),
            Condition::Not(not) => match &**not {
                Condition::Field(field, Test::In(literals)) if literals.len() == 1 => {
                    write_field(f, field, self.root)?;
                    write!(f, " ne {}", literals[0])
                }
                other => write!(f, "not ({})", self.inner(other, Around::Nothing)),
            },
            Condition::Field(field, test) => self.test(f, field, test),
            Condition::Element(path, condition) => {
                let inside = write_field(f, &Field::Member(Path(path.0.clone())), self.root)?;
                write!(f, "[{}]", Written { condition, root: inside, around: Around::Nothing })
            }
            Condition::Mentions(text) => write!(f, "mentions({})", Literal::Text(text.clone())),
            Condition::Words(phrases) => {
                f.write_str("q(")?;
                for (at, phrase) in phrases.iter().enumerate() {
                    write!(f, "{}{phrase}", if at == 0 { "" } else { " " })?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Written<'_> {
    fn inner<'b>(&self, condition: &'b Condition, around: Around) -> Written<'b> {
        Written { condition, root: self.root, around }
    }

    /// Writes several, in parentheses where they would come apart.
    fn joined<T>(
        &self,
        f: &mut fmt::Formatter<'_>,
        by: &str,
        several: &[T],
        write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
    ) -> fmt::Result {
        let apart = several.len() > 1 && self.around == Around::All;
        f.write_str(if apart { "(" } else { "" })?;
        for (at, one) in several.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { by })?;
            write(f, one)?;
        }
        f.write_str(if apart { ")" } else { "" })
    }

    fn test(&self, f: &mut fmt::Formatter<'_>, field: &Field, test: &Test) -> fmt::Result {
        match test {
            Test::In(literals) if literals.is_empty() => f.write_str("nothing"),
            Test::In(literals) => self.joined(f, " or ", literals, |f, literal| {
                write_field(f, field, self.root)?;
                write!(f, " eq {literal}")
            }),
            Test::Network(networks) => self.joined(f, " or ", networks, |f, network| {
                write_field(f, field, self.root)?;
                write!(f, " cidr \"{network}\"")
            }),
            Test::Present => {
                write_field(f, field, self.root)?;
                f.write_str(" pr")
            }
            Test::Text { part, text, folded } => {
                write_field(f, field, self.root)?;
                let part = match part {
                    Part::Whole => "eq",
                    Part::Start => "sw",
                    Part::End => "ew",
                    Part::Anywhere => "co",
                };
                write!(f, " {}{part} {}", if *folded { "i" } else { "" }, json_text(text))
            }
            // No question can be asked so; it is written for people.
            Test::Loose(text) => {
                write_field(f, field, self.root)?;
                write!(f, " is spelled like {}", json_text(text))
            }
            Test::Order(comparison, literal) => {
                write_field(f, field, self.root)?;
                let operator = match comparison {
                    Comparison::Above => "gt",
                    Comparison::AtLeast => "ge",
                    Comparison::Below => "lt",
                    Comparison::AtMost => "le",
                };
                write!(f, " {operator} {literal}")
            }
        }
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&json_text(text)),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(truth) => write!(f, "{truth}"),
            Self::Time(at) => write!(f, "\"{at}\""),
        }
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.words().collect();
        match words.as_slice() {
            [word] => f.write_str(word),
            words => write!(f, "\"{}\"", words.join(" ")),
        }
    }
}
