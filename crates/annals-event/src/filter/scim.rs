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

use super::names::{Holds, Name, Root, dotted, is_bare, resolve, shown};
use super::operator::{OPERATORS_LISTED, Operator, no_value, unknown_operator};
use super::{
    Condition, Decimal, FILTER_BYTES_MAX, FILTER_DEPTH_MAX, FILTER_FOLDED_MAX, FILTER_TESTS_MAX, Field,
    Literal, Test, group, sort_texts,
};
use crate::Code;
use crate::json::{Document, Limits};

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct FilterError {
    /// Where in the filter, bytes from its start.
    pub at: usize,
    /// For people: lower case, the thing first, then what is wrong with it, then a way out.
    pub message: String,
}

/// Reads a filter, at most [`FILTER_BYTES_MAX`] long, with [`FILTER_TESTS_MAX`] tests, [`FILTER_FOLDED_MAX`] of which fold, and
/// [`FILTER_DEPTH_MAX`] levels.
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
    for one in &mut any {
        if let Condition::Field(_, Test::In(literals)) = one {
            sort_texts(literals);
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
    /// Tests that fold.
    folded: usize,
}

impl<'a> Parser<'a> {
    fn of(text: &'a str, what: &'static str) -> Parsed<Self> {
        if text.len() > FILTER_BYTES_MAX {
            let message =
                format!("the {what} has {} bytes, at most {FILTER_BYTES_MAX} are allowed", text.len());
            return Err(FilterError { at: 0, message });
        }
        Ok(Self { text, what, at: 0, depth: 0, tests: 0, folded: 0 })
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
        self.folded += usize::from(matches!(operator, Operator::Text { folded: true, .. }));
        if self.folded > FILTER_FOLDED_MAX {
            return Err(refused(format!(
                "the filter has more than {FILTER_FOLDED_MAX} of `ieq`, `ico`, `isw` and `iew`; look for words by `q`, or ask in \
                 several requests"
            )));
        }
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
