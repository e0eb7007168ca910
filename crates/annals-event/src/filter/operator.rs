//! Operators and the values they take.

use std::net::IpAddr;

use ipnet::IpNet;

use super::names::{Holds, json_text, nearest, shown};
use super::{Comparison, Decimal, Literal, Part, Test, fold};
use crate::time::Timestamp;

/// An operator with a value, or `pr`.
#[derive(Clone, Copy)]
pub(super) enum Operator {
    Present,
    Equal { not: bool },
    Text { part: Part, folded: bool },
    Order(Comparison),
    Network,
}

const OPERATORS: [(&str, Operator); 15] = [
    ("eq", Operator::Equal { not: false }),
    ("ne", Operator::Equal { not: true }),
    ("co", Operator::Text { part: Part::Anywhere, folded: false }),
    ("sw", Operator::Text { part: Part::Start, folded: false }),
    ("ew", Operator::Text { part: Part::End, folded: false }),
    ("pr", Operator::Present),
    ("gt", Operator::Order(Comparison::Above)),
    ("ge", Operator::Order(Comparison::AtLeast)),
    ("lt", Operator::Order(Comparison::Below)),
    ("le", Operator::Order(Comparison::AtMost)),
    ("ieq", Operator::Text { part: Part::Whole, folded: true }),
    ("ico", Operator::Text { part: Part::Anywhere, folded: true }),
    ("isw", Operator::Text { part: Part::Start, folded: true }),
    ("iew", Operator::Text { part: Part::End, folded: true }),
    ("cidr", Operator::Network),
];

pub(super) const OPERATORS_LISTED: &str =
    "eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr";

const NO_PATTERNS: &str = "there are no patterns; `co`, `sw` and `ew` look for a part of a text";

/// What other languages write, and what is written here.
const MEANT: [(&[&str], &str); 9] = [
    (&["=", "==", "===", ":", "is", "equals", "equal"], "eq"),
    (&["!=", "!==", "<>", "neq", "isnt", "not"], "ne"),
    (&[">", "after"], "gt"),
    (&[">=", "gte", "since"], "ge"),
    (&["<", "before"], "lt"),
    (&["<=", "lte", "until"], "le"),
    (&["contains", "includes", "has", "contain"], "co"),
    (&["startswith", "starts_with", "starts", "prefix", "begins"], "sw"),
    (&["endswith", "ends_with", "ends", "suffix"], "ew"),
];

/// What to say of an operator that is none.
pub(super) fn unknown_operator(written: &str) -> String {
    let small = written.to_ascii_lowercase();
    let hint = match small.as_str() {
        "=~" | "~" | "!~" | "~=" | "matches" | "match" | "regex" | "regexp" | "like" | "ilike" | "glob"
        | "*" | "%" => NO_PATTERNS.to_owned(),
        "in" => "write `(a eq \"x\" or a eq \"y\")`".to_owned(),
        "exists" | "present" | "and" | "or" | "&&" | "||" => {
            "did you mean `pr`, that there is a value?".to_owned()
        }
        _ => {
            let meant = MEANT.iter().find(|(words, _)| words.contains(&small.as_str()));
            let near = || nearest(&small, OPERATORS.iter().map(|(word, _)| *word));
            match meant.map(|(_, operator)| *operator).or_else(near) {
                Some(operator) => format!("did you mean `{operator}`?"),
                None => String::new(),
            }
        }
    };
    let hint = if hint.is_empty() { hint } else { format!("; {hint}") };
    format!("unknown operator `{}`; there are {OPERATORS_LISTED}{hint}", shown(written))
}

/// What to say of something that stands where a value should.
pub(super) fn no_value(word: &str, operator: &str) -> String {
    let bare = word.trim_matches(['\'', '“', '”', '„', '‘', '’', '`']);
    if word.eq_ignore_ascii_case("null") {
        return format!(
            "`null` does not go with `{}`; `eq null` says that there is no value, `ne null` that there is",
            shown(operator)
        );
    }
    if word.starts_with('/') && word.len() > 1 && word.trim_end_matches(char::is_alphabetic).ends_with('/')
        || word.contains('*')
    {
        return format!("`{}` is not a value; {NO_PATTERNS}", shown(word));
    }
    if let Some(small) = ["true", "false"].into_iter().find(|small| word.eq_ignore_ascii_case(small)) {
        return format!("`{word}` is not a value; did you mean `{small}`?");
    }
    format!("`{}` is not a value; a text stands in double quotes: `{}`", shown(word), shown(&json_text(bare)))
}

impl Operator {
    pub(super) fn of(word: &str) -> Option<Self> {
        OPERATORS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)).map(|(_, operator)| *operator)
    }

    /// Whether something that holds this can be asked so.
    pub(super) fn applies(self, written: &str, name: &str, holds: Holds) -> Result<(), String> {
        let name = shown(name);
        let hint = match (self, holds) {
            (Self::Present, _) => return Ok(()),
            (_, Holds::Object | Holds::Array) => {
                return Err(format!(
                    "`{name}` is {holds}; ask for one of its members, or `{name} pr` whether it is there"
                ));
            }
            (Self::Text { .. } | Self::Network, Holds::Time) => "compare it by `ge` and `lt`",
            (Self::Text { .. } | Self::Network, Holds::Integer(_)) => {
                "compare it by `eq`, `gt`, `ge`, `lt` or `le`"
            }
            (Self::Text { .. } | Self::Network | Self::Order(_), Holds::Bool) => "compare it by `eq`",
            (Self::Network, Holds::Word(_)) => "compare it by `eq`",
            _ => return Ok(()),
        };
        Err(format!("`{written}` does not go with `{name}`, which is {holds}; {hint}"))
    }

    /// The test that the operator makes with a literal.
    pub(super) fn test(
        self,
        written: &str,
        name: &str,
        holds: Holds,
        literal: Literal,
    ) -> Result<Test, String> {
        Ok(match self {
            Self::Present => Test::Present,
            Self::Equal { .. } => {
                let literal = typed(name, holds, literal)?;
                if let (Holds::Integer(max), Literal::Number(number)) = (holds, &literal)
                    && !is_integer_to(number, max)
                {
                    return Err(format!(
                        "`{}` is {holds}, never `{}`",
                        shown(name),
                        shown(&number.to_string())
                    ));
                }
                Test::In(vec![match (holds, literal) {
                    (Holds::Time, Literal::Text(text)) => Literal::Time(instant(&text)?),
                    (Holds::Word(words), Literal::Text(text)) => {
                        check_word(&text, words)?;
                        Literal::Text(text)
                    }
                    (_, literal) => literal,
                }])
            }
            Self::Order(comparison) => match typed(name, holds, literal)? {
                Literal::Bool(_) => {
                    return Err(format!(
                        "`{written}` takes a text or a number; `true` and `false` have no order"
                    ));
                }
                Literal::Text(text) if matches!(holds, Holds::Time) => {
                    let (comparison, at) = bound(comparison, &text)?;
                    Test::Order(comparison, Literal::Time(at))
                }
                literal => Test::Order(comparison, literal),
            },
            Self::Text { part, folded } => {
                let Literal::Text(text) = literal else {
                    return Err(format!("`{written}` takes a text, in double quotes"));
                };
                let text = if folded { fold(&text).as_ref().into() } else { text };
                if let (Holds::Word(words), Part::Whole) = (holds, part) {
                    check_word(&text, words)?;
                }
                Test::Text { part, text, folded }
            }
            Self::Network => match literal {
                Literal::Text(text) => Test::Network(vec![network(&text)?]),
                _ => {
                    return Err(
                        "`cidr` takes a network in double quotes, such as `\"10.0.0.0/8\"`".to_owned()
                    );
                }
            },
        })
    }
}

/// The literal, if it is one for what the field holds; times are texts still.
fn typed(name: &str, holds: Holds, literal: Literal) -> Result<Literal, String> {
    let given = match (holds, &literal) {
        (Holds::Anything, _)
        | (Holds::Text | Holds::Word(_) | Holds::Time, Literal::Text(_))
        | (Holds::Integer(_), Literal::Number(_))
        | (Holds::Bool, Literal::Bool(_)) => return Ok(literal),
        (_, Literal::Text(_) | Literal::Time(_)) => "a text",
        (_, Literal::Number(_)) => "a number",
        (_, Literal::Bool(_)) => "a boolean",
    };
    let hint = match (holds, &literal) {
        (Holds::Text | Holds::Word(_) | Holds::Time, _) => "; write it in double quotes",
        (Holds::Integer(_) | Holds::Bool, Literal::Text(_)) => "; write it without quotes",
        _ => "",
    };
    Err(format!("`{}` is {holds}, not {given}{hint}", shown(name)))
}

/// The instant that a text names.
fn instant(text: &str) -> Result<Timestamp, String> {
    let parsed = Timestamp::parse_noting(text).map_err(|error| format!("`{}` {error}", shown(text)))?;
    if parsed.cut {
        return Err(format!("`{}` is finer than microseconds, which no time is", shown(text)));
    }
    Ok(parsed.at)
}

/// How to compare with which instant, for the same answer as the text's, which may be finer than any time: between two
/// microseconds, what is at or above it is above the earlier one.
pub(super) fn bound(comparison: Comparison, text: &str) -> Result<(Comparison, Timestamp), String> {
    let parsed = Timestamp::parse_noting(text).map_err(|error| format!("`{}` {error}", shown(text)))?;
    let comparison = match comparison {
        Comparison::AtLeast if parsed.cut => Comparison::Above,
        Comparison::Below if parsed.cut => Comparison::AtMost,
        same => same,
    };
    Ok((comparison, parsed.at))
}

/// Whether the number is an integer from 0 to `max`.
pub(super) fn is_integer_to(number: &Decimal, max: u64) -> bool {
    number.is_whole() && *number >= Decimal::from(0) && *number <= Decimal::from(max)
}

/// Refuses a text that is none of the words.
pub(super) fn check_word(text: &str, words: &[&str]) -> Result<(), String> {
    if words.contains(&text) {
        return Ok(());
    }
    let near = nearest(text, words.iter().copied())
        .map(|near| format!("; did you mean `{near}`?"))
        .unwrap_or_default();
    Err(format!("`{}` is not one of {}{near}", shown(text), words.join(", ")))
}

/// Reads a network, or an address as the network of itself; an IPv4 one written as IPv6 is IPv4.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let network = parsed
        .ok_or_else(|| format!("`{}` is neither a network such as `10.0.0.0/8` nor an address", shown(text)))?
        .trunc();
    Ok(match (network.addr().to_canonical(), network.prefix_len().checked_sub(96)) {
        (IpAddr::V4(address), Some(bits)) if matches!(network, IpNet::V6(_)) => {
            IpNet::new(address.into(), bits).expect("128 bits less 96 are left")
        }
        _ => network,
    })
}
