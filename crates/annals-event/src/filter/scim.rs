//! The grammar of `filter`: that of SCIM (RFC 7644, 3.4.2.2), with a few more operators.

use std::net::IpAddr;

use ipnet::IpNet;

use super::names::{Holds, Name, Root, resolve};
use super::{
    Comparison, Condition, Decimal, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TESTS_MAX, Field, Literal,
    Part, Test, fold, group,
};
use crate::code::shown;
use crate::json::{Document, Limits};
use crate::time::Timestamp;

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// Where in the filter, bytes from its start.
    pub at: usize,
    /// For people: lower case, the thing first, then what is wrong with it, then a way out.
    pub message: String,
}

/// Reads a filter.
///
/// # Errors
///
/// [`FilterError`].
pub fn parse(text: &str) -> Result<Condition, FilterError> {
    parse_ungrouped(text).map(group::group)
}

/// As [`parse`], without tying together what looks at elements of one array: more may be joined by `and`.
pub(super) fn parse_ungrouped(text: &str) -> Result<Condition, FilterError> {
    if text.len() > FILTER_BYTES_MAX {
        let message = format!("the filter has {} bytes, at most {FILTER_BYTES_MAX} are allowed", text.len());
        return Err(FilterError { at: FILTER_BYTES_MAX, message });
    }
    let mut parser = Parser { text, at: 0, depth: 0, tests: 0 };
    let condition = parser.any(Root::Event)?;
    parser.space();
    match parser.rest().chars().next() {
        None => Ok(condition),
        Some(found) => Err(parser
            .error(format!("`{}` stands where `and`, `or` or the end was expected", found.escape_debug()))),
    }
}

/// Reads one path, as it stands in a filter (`actor.id`) or as a parameter's name (`actor_id`).
///
/// # Errors
///
/// [`FilterError`].
pub fn parse_field(text: &str) -> Result<Field, FilterError> {
    if let Some(parameter) = super::parameters::field(text) {
        return Ok(parameter);
    }
    if text.len() > FILTER_BYTES_MAX {
        let message = format!("the path has {} bytes, at most {FILTER_BYTES_MAX} are allowed", text.len());
        return Err(FilterError { at: FILTER_BYTES_MAX, message });
    }
    let mut parser = Parser { text, at: 0, depth: 0, tests: 0 };
    let names = parser.path()?;
    if parser.at < text.len() {
        return Err(parser.error("the path goes on after its last name".to_owned()));
    }
    resolve(&names, Root::Event).map(|(field, ..)| field).map_err(|message| FilterError { at: 0, message })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    tests: usize,
}

type Parsed<T> = Result<T, FilterError>;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn error(&self, message: String) -> FilterError {
        FilterError { at: self.at, message }
    }

    /// The next bare word, not taken.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !is_bare(c)).unwrap_or(rest.len())]
    }

    fn take_keyword(&mut self, keyword: &str) -> bool {
        self.space();
        let word = self.word();
        let taken = word.eq_ignore_ascii_case(keyword);
        if taken {
            self.at += word.len();
        }
        taken
    }

    fn expect(&mut self, character: char) -> Parsed<()> {
        self.space();
        if self.rest().starts_with(character) {
            self.at += character.len_utf8();
            return Ok(());
        }
        let found = match self.rest().chars().next() {
            Some(found) => format!("`{}` stands where `{character}` was expected", found.escape_debug()),
            None => format!("the filter ends where `{character}` was expected"),
        };
        Err(self.error(found))
    }

    fn any(&mut self, root: Root) -> Parsed<Condition> {
        let mut any = vec![self.all(root)?];
        while self.take_keyword("or") {
            any.push(self.all(root)?);
        }
        Ok(one_or(any, Condition::Any))
    }

    fn all(&mut self, root: Root) -> Parsed<Condition> {
        let mut all = vec![self.term(root)?];
        while self.take_keyword("and") {
            all.push(self.term(root)?);
        }
        Ok(one_or(all, Condition::All))
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return Err(self.error(format!("the filter nests deeper than {FILTER_DEPTH_MAX} levels")));
        }
        let inner = inner(self)?;
        self.depth -= 1;
        Ok(inner)
    }

    fn term(&mut self, root: Root) -> Parsed<Condition> {
        self.space();
        if self.take_keyword("not") {
            self.expect('(')?;
            let inner = self.deeper(|parser| parser.any(root))?;
            self.expect(')')?;
            return Ok(Condition::Not(Box::new(inner)));
        }
        if self.rest().starts_with('(') {
            self.at += 1;
            let inner = self.deeper(|parser| parser.any(root))?;
            self.expect(')')?;
            return Ok(inner);
        }
        let start = self.at;
        let names = self.path()?;
        let (field, holds, inside) =
            resolve(&names, root).map_err(|message| FilterError { at: start, message })?;
        if self.rest().starts_with('[') {
            let Field::Member(path) = field else { return Err(self.error("it has no members".to_owned())) };
            self.at += 1;
            let inner = self.deeper(|parser| parser.any(inside))?;
            self.expect(']')?;
            return Ok(Condition::Element(path, Box::new(inner)));
        }
        self.tests += 1;
        if self.tests > FILTER_TESTS_MAX {
            return Err(self.error(format!("the filter has more than {FILTER_TESTS_MAX} tests")));
        }
        self.test(field, holds)
    }

    fn path(&mut self) -> Parsed<Vec<Name>> {
        let mut names = Vec::new();
        loop {
            if self.rest().starts_with('"') {
                names.push(Name { text: self.string()?, quoted: true });
            } else {
                let word = self.word();
                if word.is_empty() {
                    return Err(self.error("a member's name was expected".to_owned()));
                }
                self.at += word.len();
                names.push(Name { text: word.to_owned(), quoted: false });
            }
            if !self.rest().starts_with('.') {
                return Ok(names);
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Parsed<String> {
        let rest = self.rest();
        let mut end = 1;
        loop {
            match rest.as_bytes().get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => return Err(self.error("the text has no end".to_owned())),
            }
        }
        let token = &rest[..=end];
        let mut document = Document::default();
        let text = document
            .parse(token.as_bytes(), Limits { depth_max: 1 })
            .map_err(|error| self.error(error.message))?
            .as_str()
            .unwrap_or_default()
            .to_owned();
        self.at += token.len();
        Ok(text)
    }

    fn test(&mut self, field: Field, holds: Holds) -> Parsed<Condition> {
        self.space();
        let at = self.at;
        let word = self.word();
        self.at += word.len();
        let operator = word.to_ascii_lowercase();
        if operator == "pr" {
            return Ok(Condition::Field(field, Test::Present));
        }
        self.space();
        let value_at = self.at;
        if matches!(operator.as_str(), "eq" | "ne") && self.take_keyword("null") {
            let present = Condition::Field(field, Test::Present);
            return Ok(if operator == "eq" { Condition::Not(Box::new(present)) } else { present });
        }
        let refuse = |message: String| FilterError { at: value_at, message };
        let folded = operator.starts_with('i') && operator != "in";
        let test = match operator.as_str() {
            "eq" | "ne" => Test::In(vec![self.literal(holds)?]),
            "co" | "sw" | "ew" | "ieq" | "ico" | "isw" | "iew" => {
                let Literal::Text(text) = self.literal(Holds::Text)? else {
                    return Err(refuse(format!("`{operator}` takes a text")));
                };
                let part = match operator.trim_start_matches('i') {
                    "eq" => Part::Whole,
                    "sw" => Part::Start,
                    "ew" => Part::End,
                    _ => Part::Anywhere,
                };
                let text = if folded { fold(&text).as_ref().into() } else { text };
                Test::Text { part, text, folded }
            }
            "gt" => Test::Order(Comparison::Above, self.literal(holds)?),
            "ge" => Test::Order(Comparison::AtLeast, self.literal(holds)?),
            "lt" => Test::Order(Comparison::Below, self.literal(holds)?),
            "le" => Test::Order(Comparison::AtMost, self.literal(holds)?),
            "cidr" => match self.literal(Holds::Text)? {
                Literal::Text(text) => Test::Network(vec![network(&text).map_err(refuse)?]),
                _ => return Err(refuse("`cidr` takes a network".to_owned())),
            },
            _ => return Err(FilterError { at, message: format!("unknown operator `{}`", shown(word)) }),
        };
        let condition = Condition::Field(field, test);
        Ok(if operator == "ne" { Condition::Not(Box::new(condition)) } else { condition })
    }

    fn literal(&mut self, holds: Holds) -> Parsed<Literal> {
        self.space();
        let at = self.at;
        if self.rest().starts_with('"') {
            let text = self.string()?;
            if matches!(holds, Holds::Time) {
                let message = |error| format!("`{}` {error}", shown(&text));
                return Timestamp::parse(&text)
                    .map(Literal::Time)
                    .map_err(|error| FilterError { at, message: message(error) });
            }
            return Ok(Literal::Text(text.into()));
        }
        let rest = self.rest();
        let word = &rest[..rest.find([' ', '\t', '\r', '\n', ')', ']']).unwrap_or(rest.len())];
        let literal = match word {
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            _ => match Decimal::parse(word) {
                Some(number) => Literal::Number(number),
                None => return Err(self.error(format!("`{}` is no value", shown(word)))),
            },
        };
        self.at += word.len();
        Ok(literal)
    }
}

fn one_or(mut several: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    if several.len() == 1 { several.remove(0) } else { join(several) }
}

/// Characters of a name without quotes.
fn is_bare(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '$')
}

/// Reads a network, or an address as the network of itself; an IPv4 one written as IPv6 is IPv4.
pub(super) fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpNet>() {
        Ok(network) => network,
        Err(_) => match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => {
                return Err(format!(
                    "`{}` is neither an address nor a network such as `10.0.0.0/8`",
                    shown(text)
                ));
            }
        },
    };
    let network = match (network.addr().to_canonical(), network.prefix_len()) {
        (IpAddr::V4(address), bits) if matches!(network, IpNet::V6(_)) && bits >= 96 => {
            IpNet::new(address.into(), bits - 96).expect("at most 128 less 96 bits are left")
        }
        _ => network,
    };
    Ok(network.trunc())
}
