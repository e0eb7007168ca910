//! The grammar of `filter`: that of SCIM (RFC 7644, 3.4.2.2), with a few more operators.
//!
//! ```text
//! any      = all *( "or" all )
//! all      = term *( "and" term )
//! term     = "not" "(" any ")" / "(" any ")" / path "[" any "]" / path "pr" / path operator value
//! operator = "eq" / "ne" / "co" / "sw" / "ew" / "ieq" / "ico" / "isw" / "iew" / "gt" / "ge" / "lt" / "le" / "cidr"
//! path     = name *( "." name )
//! name     = 1*( letter / digit / "_" / "-" / "$" ) / string
//! value    = string / number / "true" / "false" / "null"
//! ```
//!
//! Strings and numbers are those of JSON. Operators and `and`, `or`, `not` are taken in any case; names are not.

use std::net::IpAddr;

use ipnet::IpNet;

use super::names::{Holds, Name, Root, dotted, is_bare, json_text, nearest, resolve, shown};
use super::{
    Comparison, Condition, Decimal, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_TESTS_MAX, Field, Literal,
    Part, Test, fold, group,
};
use crate::Code;
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

/// Reads a filter, at most [`FILTER_BYTES_MAX`] long, with [`FILTER_TESTS_MAX`] tests and [`FILTER_DEPTH_MAX`] levels.
///
/// What `and` joins about elements of one array of the model holds for one and the same element.
///
/// # Errors
///
/// [`FilterError`] for the first thing that is not in the grammar, that the model does not know, or that no event can satisfy
/// because the member holds another type.
pub fn parse(text: &str) -> Result<Condition, FilterError> {
    parse_ungrouped(text).map(group::group)
}

/// As [`parse`], without tying together what looks at elements of one array: more may be joined by `and`.
pub(super) fn parse_ungrouped(text: &str) -> Result<Condition, FilterError> {
    let mut parser = Parser::of(text, "filter")?;
    parser.space();
    if parser.rest().is_empty() {
        return Err(parser.error("the filter is empty; leave it out to find everything".to_owned()));
    }
    let condition = parser.any(Root::Event)?;
    if parser.rest().is_empty() { Ok(condition) } else { Err(parser.unexpected("`and`, `or` or the end")) }
}

/// Reads one path, as it stands in a filter (`actor.id`) or as a parameter's name (`actor_id`).
///
/// # Errors
///
/// [`FilterError`] for what is not a path, or is one that the model does not know.
pub fn parse_field(text: &str) -> Result<Field, FilterError> {
    if let Some(field) = super::parameters::field(text) {
        return Ok(field);
    }
    let mut parser = Parser::of(text, "path")?;
    let names = parser.path()?;
    if !parser.rest().is_empty() {
        return Err(parser.unexpected("`.` or the end"));
    }
    resolve(&names, Root::Event).map(|(field, ..)| field).map_err(|(at, message)| FilterError { at, message })
}

/// Several conditions of which any is enough, written the shortest way: what compares one field with several values is one test.
pub(super) fn any_of(conditions: impl IntoIterator<Item = Condition>) -> Condition {
    let mut any: Vec<Condition> = Vec::new();
    for condition in conditions {
        let several = if let Condition::Any(several) = condition { several } else { vec![condition] };
        for one in several {
            match (any.last_mut(), one) {
                (
                    Some(Condition::Field(field, Test::In(literals))),
                    Condition::Field(other, Test::In(more)),
                ) if *field == other => literals.extend(more),
                (
                    Some(Condition::Field(field, Test::Network(networks))),
                    Condition::Field(other, Test::Network(more)),
                ) if *field == other => networks.extend(more),
                (_, one) => any.push(one),
            }
        }
    }
    if any.len() == 1 { any.remove(0) } else { Condition::Any(any) }
}

/// Several conditions that hold all together.
fn all_of(conditions: Vec<Condition>) -> Condition {
    let mut all = Vec::new();
    for condition in conditions {
        match condition {
            Condition::All(several) => all.extend(several),
            one => all.push(one),
        }
    }
    if all.len() == 1 { all.remove(0) } else { Condition::All(all) }
}

type Parsed<T> = Result<T, FilterError>;

/// A descent through the grammar; as deep as [`FILTER_DEPTH_MAX`].
struct Parser<'a> {
    text: &'a str,
    /// What the text is, for messages.
    what: &'static str,
    at: usize,
    depth: usize,
    tests: usize,
}

impl<'a> Parser<'a> {
    fn of(text: &'a str, what: &'static str) -> Parsed<Self> {
        if text.len() > FILTER_BYTES_MAX {
            let message =
                format!("the {what} has {} bytes, at most {FILTER_BYTES_MAX} are allowed", text.len());
            return Err(FilterError { at: 0, message });
        }
        Ok(Self { text, what, at: 0, depth: 0, tests: 0 })
    }

    fn any(&mut self, root: Root) -> Parsed<Condition> {
        let mut any = vec![self.all(root)?];
        while self.take_word("or") {
            any.push(self.all(root)?);
        }
        Ok(any_of(any))
    }

    fn all(&mut self, root: Root) -> Parsed<Condition> {
        let mut all = vec![self.term(root)?];
        while self.take_word("and") {
            all.push(self.term(root)?);
        }
        Ok(all_of(all))
    }

    fn term(&mut self, root: Root) -> Parsed<Condition> {
        self.space();
        let start = self.at;
        if self.take_word("not") {
            self.space();
            if !self.rest().starts_with('(') {
                let message = "`not` is not before `(`; write `not (actor.id eq \"u1\")`".to_owned();
                return Err(FilterError { at: start, message });
            }
            self.at += 1;
            return Ok(Condition::Not(Box::new(self.nested(root, ')')?)));
        }
        if self.take("(") {
            return self.nested(root, ')');
        }
        let names = self.path()?;
        let (field, holds, inside) =
            resolve(&names, root).map_err(|(at, message)| FilterError { at, message })?;
        if self.rest().starts_with('[') {
            return self.element(&names, field, holds, inside);
        }
        self.tests += 1;
        if self.tests > FILTER_TESTS_MAX {
            let message = format!("the filter has more than {FILTER_TESTS_MAX} tests");
            return Err(FilterError { at: start, message });
        }
        self.test(&dotted(&names), field, holds)
    }

    /// What stands between brackets or parentheses, after the opening one.
    fn nested(&mut self, root: Root, close: char) -> Parsed<Condition> {
        self.depth += 1;
        if self.depth > FILTER_DEPTH_MAX {
            return Err(self.error(format!("the filter nests deeper than {FILTER_DEPTH_MAX} levels")));
        }
        let inner = self.any(root)?;
        if !self.take(&close.to_string()) {
            return Err(self.unexpected(&format!("`and`, `or` or `{close}`")));
        }
        self.depth -= 1;
        Ok(inner)
    }

    fn element(&mut self, names: &[Name], field: Field, holds: Holds, inside: Root) -> Parsed<Condition> {
        match (field, holds) {
            (Field::Member(path), Holds::Array | Holds::Object | Holds::Anything) => {
                self.at += 1;
                self.space();
                if self.rest().starts_with('"') && self.looks_like_subscript() {
                    let written = format!("write `{}.{}`", dotted(names), self.string_token());
                    return Err(self.error(format!("brackets hold a condition, not a name; {written}")));
                }
                Ok(Condition::Element(path, Box::new(self.nested(inside, ']')?)))
            }
            _ => Err(self.error(format!("`{}` is {holds} and has no members", dotted(names)))),
        }
    }

    /// Whether a text in quotes and a bracket come next: `metadata["odd.key"]`.
    fn looks_like_subscript(&self) -> bool {
        self.rest()[self.string_token().len()..].trim_start().starts_with(']')
    }

    fn path(&mut self) -> Parsed<Vec<Name>> {
        let mut names = Vec::new();
        loop {
            let at = self.at;
            if self.rest().starts_with('"') {
                names.push(Name { text: self.string()?, quoted: true, at });
            } else {
                let word = self.word();
                let joins =
                    names.is_empty() && ["and", "or"].iter().any(|join| word.eq_ignore_ascii_case(join));
                if word.is_empty() || joins {
                    return Err(self.no_name());
                }
                self.at += word.len();
                names.push(Name { text: word.to_owned(), quoted: false, at });
            }
            if !self.rest().starts_with('.') {
                return Ok(names);
            }
            self.at += 1;
        }
    }

    fn no_name(&self) -> FilterError {
        if self.rest().starts_with('!') {
            return self.error("`!` is no operator; write `not (actor.id eq \"u1\")`".to_owned());
        }
        self.unexpected("a member's name")
    }

    /// An operator and its value.
    fn test(&mut self, name: &str, field: Field, holds: Holds) -> Parsed<Condition> {
        self.space();
        let at = self.at;
        let refused = |message: String| FilterError { at, message };
        let written = self.operator();
        if written.is_empty() {
            let message =
                format!("`{}` has no operator behind it; there are {OPERATORS_LISTED}", shown(name));
            return Err(refused(message));
        }
        let Some(operator) = Operator::of(written) else { return Err(refused(unknown_operator(written))) };
        self.at += written.len();
        if let Operator::Present = operator {
            return Ok(Condition::Field(field, Test::Present));
        }
        if let Operator::Equal { not } = operator
            && self.take_word("null")
        {
            let present = Condition::Field(field, Test::Present);
            return Ok(if not { present } else { Condition::Not(Box::new(present)) });
        }
        operator.applies(written, name, holds).map_err(refused)?;
        self.space();
        let at = self.at;
        let literal = self.literal(written)?;
        let test =
            operator.test(written, name, holds, literal).map_err(|message| FilterError { at, message })?;
        let condition = Condition::Field(field, test);
        Ok(match operator {
            Operator::Equal { not: true } => Condition::Not(Box::new(condition)),
            _ => condition,
        })
    }

    /// The operator that comes next, or what stands for one, not taken.
    fn operator(&self) -> &'a str {
        let word = self.word();
        if !word.is_empty() {
            return word;
        }
        let rest = self.rest();
        &rest[..rest.find(|c: char| !"=!<>~*&|^%:".contains(c)).unwrap_or(rest.len())]
    }

    fn literal(&mut self, operator: &str) -> Parsed<Literal> {
        let rest = self.rest();
        if rest.starts_with('"') {
            return self.string().map(|text| Literal::Text(text.into()));
        }
        let word = &rest[..rest.find([' ', '\t', '\r', '\n', ')', ']']).unwrap_or(rest.len())];
        let literal = match word {
            "" => return Err(self.unexpected("a value")),
            "true" => Literal::Bool(true),
            "false" => Literal::Bool(false),
            _ => match Decimal::parse(word) {
                Some(number) => Literal::Number(number),
                None => return Err(self.error(no_value(word, operator))),
            },
        };
        self.at += word.len();
        Ok(literal)
    }

    /// The string that comes next with its quotes, as far as it goes.
    fn string_token(&self) -> &'a str {
        let rest = self.rest();
        let mut end = 1;
        while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_bytes().get(end..).unwrap_or_default()) {
            end += at + 1;
            if rest.as_bytes()[end - 1] == b'"' {
                return &rest[..end];
            }
            // Whatever is escaped; if it is not ASCII the parser refuses it.
            end += rest[end..].chars().next().map_or(0, char::len_utf8);
        }
        rest
    }

    fn string(&mut self) -> Parsed<String> {
        let token = self.string_token();
        let mut document = Document::default();
        let text = document.parse(token.as_bytes(), Limits { depth_max: 0 }).map_err(|rejection| {
            self.error(match rejection.code {
                Code::LoneSurrogate => "the text has half of a surrogate pair".to_owned(),
                Code::ControlCharacter => {
                    "the text holds a raw control character; JSON escapes it, as in `\\n`".to_owned()
                }
                _ if token.len() > 1 && token.ends_with('"') => {
                    "the text has an escape that JSON does not know".to_owned()
                }
                _ => "the text has no end; a text stands between double quotes".to_owned(),
            })
        })?;
        let text = text.as_str().expect("a token that begins with a quote is a string").to_owned();
        self.at += token.len();
        Ok(text)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    /// The bare word that comes next, not taken.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        &rest[..rest.find(|c: char| !is_bare(c)).unwrap_or(rest.len())]
    }

    fn take_word(&mut self, wanted: &str) -> bool {
        self.space();
        let word = self.word();
        let taken = word.eq_ignore_ascii_case(wanted);
        if taken {
            self.at += word.len();
        }
        taken
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.space();
        let taken = self.rest().starts_with(wanted);
        if taken {
            self.at += wanted.len();
        }
        taken
    }

    fn error(&self, message: String) -> FilterError {
        FilterError { at: self.at, message }
    }

    fn unexpected(&self, wanted: &str) -> FilterError {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return self.error(format!("the {} ends where {wanted} was expected", self.what));
        };
        let word = self.word();
        let found = if word.is_empty() { first.escape_debug().to_string() } else { shown(word) };
        let hint = if rest.starts_with("&&") {
            "; conditions are joined by `and`"
        } else if rest.starts_with("||") {
            "; conditions are joined by `or`"
        } else if rest.starts_with(',') {
            "; conditions are joined by `and` or `or`"
        } else {
            ""
        };
        self.error(format!("`{found}` stands where {wanted} was expected{hint}"))
    }
}

/// An operator with a value, or `pr`.
#[derive(Clone, Copy)]
enum Operator {
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

const OPERATORS_LISTED: &str = "eq, ne, co, sw, ew, pr, gt, ge, lt, le, ieq, ico, isw, iew and cidr";

const NO_PATTERNS: &str = "there are no patterns; `co`, `sw` and `ew` look for a part of a text";

/// What other languages write, and what is written here.
const MEANT: [(&[&str], &str); 9] = [
    (&["=", "==", "===", ":", "is", "equals", "equal", "ist"], "eq"),
    (&["!=", "!==", "<>", "neq", "isnt", "not"], "ne"),
    (&[">", "after"], "gt"),
    (&[">=", "gte", "since"], "ge"),
    (&["<", "before"], "lt"),
    (&["<=", "lte", "until"], "le"),
    (&["contains", "includes", "has", "contain"], "co"),
    (&["startswith", "starts_with", "starts", "prefix", "begins"], "sw"),
    (&["endswith", "ends_with", "ends", "suffix"], "ew"),
];

fn unknown_operator(written: &str) -> String {
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

fn no_value(word: &str, operator: &str) -> String {
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
    fn of(word: &str) -> Option<Self> {
        OPERATORS.iter().find(|(known, _)| word.eq_ignore_ascii_case(known)).map(|(_, operator)| *operator)
    }

    /// Whether something that holds this can be asked so.
    fn applies(self, written: &str, name: &str, holds: Holds) -> Result<(), String> {
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

    fn test(self, written: &str, name: &str, holds: Holds, literal: Literal) -> Result<Test, String> {
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
                if let (Holds::Word(words), Literal::Text(text)) = (holds, &literal) {
                    check_word(text, words)?;
                }
                Test::In(vec![literal])
            }
            Self::Order(comparison) => match typed(name, holds, literal)? {
                Literal::Bool(_) => {
                    return Err(format!(
                        "`{written}` takes a text or a number; `true` and `false` have no order"
                    ));
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

/// The literal as a value of the kind that the field holds.
fn typed(name: &str, holds: Holds, literal: Literal) -> Result<Literal, String> {
    let given = match (holds, &literal) {
        (Holds::Anything, _)
        | (Holds::Text | Holds::Word(_), Literal::Text(_))
        | (Holds::Integer(_), Literal::Number(_))
        | (Holds::Bool, Literal::Bool(_)) => return Ok(literal),
        (Holds::Time, Literal::Text(text)) => {
            return Timestamp::parse(text)
                .map(Literal::Time)
                .map_err(|error| format!("`{}` {error}", shown(text)));
        }
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
