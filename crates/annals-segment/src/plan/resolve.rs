//! From a condition to the tree over one segment's columns.

use std::sync::Arc;

use annals_event::filter::{Comparison, Condition, Field, Literal, Scalar, Test};
use annals_event::json::unescape;

use super::blocks;
use super::kept::{Asked, Kept};
use super::node::{Element, Exists, HappenedTest, Leaf, Node, RawTest};
use super::set::Set;
use super::sieve::Sieve;
use crate::Damaged;
use crate::hashes::hash;
use crate::meta::{Column, LeafKind, Of, Table};
use crate::segment::{Reader, Segment};
use crate::values::{Near, Values};

/// An array in an instance that is itself an element: all of its shape.
const ARRAY_SHAPE: &[u8] = b"\x03";

/// Resolves conditions.
pub(super) struct Resolve<'s> {
    pub(super) segment: &'s Arc<Segment>,
    /// What is asked of instances that are kept as they are, each with its table.
    pub(super) raws: Vec<(usize, RawTest)>,
    /// For shapes, when a test asks for them.
    pub(super) reader: Option<Reader>,
    pub(super) text: Vec<u8>,
    /// Columns whose words are indexed: number of the first value of each, rising, with table and column.
    pub(super) listed: Option<Vec<(u64, usize, usize)>>,
    /// Of the column of them that was read last: its first value and what its values are read with.
    pub(super) near: Option<(u64, Near)>,
}

/// Where paths begin.
#[derive(Clone)]
pub(super) struct Scope {
    /// The table whose instances conditions are evaluated for.
    pub(super) table: usize,
    /// Names from the event to where paths begin.
    pub(super) path: Vec<Box<str>>,
    /// Per table: whether it is this one or beneath it.
    pub(super) under: Vec<bool>,
}

impl Scope {
    /// The rows.
    pub(super) fn rows(segment: &Segment) -> Self {
        Self { table: 0, path: Vec::new(), under: vec![true; segment.footer().tables.len()] }
    }

    fn of(segment: &Segment, table: usize, path: &[Box<str>]) -> Self {
        let tables = &segment.footer().tables;
        let mut under = vec![false; tables.len()];
        // A parent stands before its children.
        for (index, of) in tables.iter().enumerate() {
            under[index] = index == table || parent(of).is_some_and(|parent| under[parent]);
        }
        Self { table, path: path.to_vec(), under }
    }

    pub(super) fn is_rows(&self) -> bool {
        self.table == 0 && self.path.is_empty()
    }

    /// Whether instances of a table that are kept as they are may hold something of this scope that nobody else looks for.
    pub(super) fn has_raw(&self, segment: &Segment, table: usize) -> bool {
        // One that is the scope's instance itself, or around its element, is looked at with the condition on the element.
        segment.footer().tables[table].raw.is_some()
            && self.under[table]
            && (table != self.table || self.is_rows())
    }
}

/// Index of the table around this one.
pub(super) fn parent(table: &Table) -> Option<usize> {
    table.parent.and_then(|parent| usize::try_from(parent).ok())
}

/// What is left of `path` below these names, if it is below them.
pub(crate) fn below<'p>(path: &'p [Box<str>], names: &[String]) -> Option<&'p [Box<str>]> {
    let (start, rest) = path.split_at_checked(names.len())?;
    // The last names differ most often.
    start.iter().rev().zip(names.iter().rev()).all(|(a, b)| **a == **b).then_some(rest)
}

fn same(path: &[Box<str>], names: &[String]) -> bool {
    path.len() == names.len() && below(path, names).is_some()
}

impl<'s> Resolve<'s> {
    pub(super) fn new(segment: &'s Arc<Segment>) -> Self {
        Self { segment, raws: Vec::new(), reader: None, text: Vec::new(), listed: None, near: None }
    }

    pub(super) fn node(&mut self, condition: &Condition, scope: &Scope) -> Result<Node, Damaged> {
        Ok(match condition {
            Condition::All(all) => {
                let mut nodes = Vec::with_capacity(all.len());
                for condition in all {
                    let node = self.node(condition, scope)?;
                    if matches!(node, Node::Const(false)) {
                        return Ok(node);
                    }
                    nodes.push(node);
                }
                Node::all(nodes)
            }
            Condition::Any(any) => {
                let nodes: Result<Vec<Node>, Damaged> =
                    any.iter().map(|condition| self.node(condition, scope)).collect();
                Node::any(nodes?)
            }
            Condition::Not(condition) => Node::not(self.node(condition, scope)?),
            Condition::Field(Field::Member(path), test) if Asked::is_costly(test) => {
                let asked = Asked::Member(path.as_slice().to_vec(), test.clone());
                self.kept(asked, scope, |resolve| resolve.member(path.as_slice(), test, scope))?
            }
            Condition::Field(Field::Member(path), test) => self.member(path.as_slice(), test, scope)?,
            Condition::Field(field, test) if scope.is_rows() => self.known(field, test)?,
            Condition::Field(..) => Node::Unknown,
            Condition::Element(path, inner) if Asked::has_costly(inner) => {
                let asked = Asked::Element(path.as_slice().to_vec(), (**inner).clone());
                self.kept(asked, scope, |resolve| resolve.element(path.as_slice(), inner, scope))?
            }
            Condition::Element(path, condition) => self.element(path.as_slice(), condition, scope)?,
            Condition::Mentions(text) if scope.is_rows() => {
                let asked = Asked::Mentions(text.clone());
                self.kept(asked, scope, |resolve| resolve.mentions(text, scope))?
            }
            // Which names stand within an element its shape alone does not say.
            Condition::Mentions(_) => Node::Unknown,
            Condition::Words(phrases) => {
                let mut nodes = Vec::with_capacity(phrases.len());
                for phrase in phrases {
                    let asked = Asked::Words(phrase.clone());
                    let node = self.kept(asked, scope, |resolve| resolve.phrase(phrase, scope))?;
                    if matches!(node, Node::Const(false)) {
                        return Ok(node);
                    }
                    nodes.push(node);
                }
                Node::all(nodes)
            }
        })
    }

    /// What was resolved before, or what `resolve` makes of it, which is kept if nothing in it belongs to this plan alone.
    fn kept(
        &mut self,
        asked: Asked,
        scope: &Scope,
        resolve: impl FnOnce(&mut Self) -> Result<Node, Damaged>,
    ) -> Result<Node, Damaged> {
        let (number, memory) = (self.segment.body().number(), self.segment.body().plans());
        if let Some(kept) = memory.find(number, scope, &asked) {
            return Ok(Node::of_kept(kept));
        }
        let raws = self.raws.len();
        let mut node = resolve(self)?;
        if self.raws.len() > raws {
            return Ok(node);
        }
        let listed = blocks::of(&mut node, self)?;
        let node = self.keep_light(node)?;
        let kept = Arc::new(Kept::new(node, listed, self.segment.rows().div_ceil(128) as usize));
        memory.keep(number, scope, asked, &kept);
        Ok(Node::of_kept(kept))
    }

    /// Where texts have to be put together, row by row as they are wanted, what columns alone say is not worked out each time.
    fn keep_light(&mut self, node: Node) -> Result<Node, Damaged> {
        type Join = fn(Vec<Node>) -> Node;
        let (nodes, join) = match node {
            Node::All(nodes) if !nodes.iter().all(Node::is_light) => (nodes, Node::All as Join),
            Node::Any(nodes) if !nodes.iter().all(Node::is_light) => (nodes, Node::Any as Join),
            Node::Within(blocks, inner) => {
                return Ok(Node::Within(blocks, Box::new(self.keep_light(*inner)?)));
            }
            other => return Ok(other),
        };
        let (mut light, heavy): (Vec<Node>, Vec<Node>) = nodes.into_iter().partition(Node::is_light);
        let mut nodes = Vec::with_capacity(heavy.len() + 1);
        if !light.is_empty() {
            let mut light = if light.len() == 1 { light.remove(0) } else { join(light) };
            let listed = blocks::of(&mut light, self)?;
            let count = self.segment.rows().div_ceil(128) as usize;
            nodes.push(Node::of_kept(Arc::new(Kept::new(light, listed, count))));
        }
        for node in heavy {
            nodes.push(self.keep_light(node)?);
        }
        Ok(join(nodes))
    }

    pub(super) fn raw(&mut self, table: usize, test: RawTest) -> Node {
        self.raws.push((table, test));
        Node::Leaf(Leaf::Raw { table, test: self.raws.len() - 1 })
    }

    /// Raw instances around a phrase: one leaf a table.
    pub(super) fn raw_words(&mut self, table: usize, phrase: &annals_event::filter::Phrase) -> Node {
        self.raw(table, RawTest::Words(phrase.clone()))
    }

    fn member(&mut self, path: &[Box<str>], test: &Test, scope: &Scope) -> Result<Node, Damaged> {
        let joined;
        let path = if scope.path.is_empty() {
            path
        } else {
            joined = [&scope.path, path].concat();
            &joined
        };
        let segment = self.segment;
        let mut nodes = Vec::new();
        for (index, table) in segment.footer().tables.iter().enumerate() {
            if !scope.under[index] {
                continue;
            }
            let Some(rest) = below(path, &table.path) else { continue };
            for (at, column) in table.columns.iter().enumerate() {
                if same(rest, &column.path)
                    && let Some(node) = self.column(index, at, test, scope)?
                {
                    nodes.push(node);
                }
            }
            if matches!(test, Test::Present) {
                nodes.extend(self.objects(index, rest)?);
            }
            if scope.has_raw(segment, index) {
                nodes.push(self.raw(index, RawTest::Field(rest.to_vec(), test.clone())));
            }
        }
        Ok(Node::any(nodes))
    }

    /// Instances in which an object with members stands at a path.
    fn objects(&mut self, table: usize, path: &[Box<str>]) -> Result<Option<Node>, Damaged> {
        let names: Vec<String> = path.iter().map(|name| name.to_string()).collect();
        let segment = self.segment;
        let shapes = self.reader.get_or_insert_with(|| Reader::new(segment)).shapes(table)?;
        let with = shapes.with_object(&names);
        let mut bits = no_shapes(shapes.count());
        with.iter().for_each(|shape| set_bit(&mut bits, *shape));
        Ok((!with.is_empty()).then_some(Node::Leaf(Leaf::Shapes { table, shapes: bits })))
    }

    pub(super) fn column(
        &mut self,
        table: usize,
        column: usize,
        test: &Test,
        scope: &Scope,
    ) -> Result<Option<Node>, Damaged> {
        let of = &self.segment.footer().tables[table].columns[column];
        if matches!(of.values, Values::Happened { .. }) {
            // Its texts are never empty.
            let leaf = match test {
                Test::Present => Leaf::Column { table, column, set: Set::All },
                test if takes_text(test) => Leaf::Happened { column, test: HappenedTest::Test(test.clone()) },
                _ => return Ok(None),
            };
            return Ok(Some(Node::Leaf(leaf)));
        }
        if !of.refs.is_empty() {
            return if takes_text(test) { self.template(table, column, of, test, scope) } else { Ok(None) };
        }
        let set = match of.kind {
            LeafKind::Text => self.texts(of, test)?,
            LeafKind::Token => self.tokens(of, test)?,
        };
        Ok(set.map(|set| Node::Leaf(Leaf::Column { table, column, set })))
    }

    /// Which values of a column of texts pass.
    fn texts(&mut self, column: &Column, test: &Test) -> Result<Option<Set>, Damaged> {
        match test {
            Test::Present => self.all_but(column, b""),
            Test::In(literals) => {
                let texts = literals.iter().filter_map(|literal| match literal {
                    Literal::Text(text) => Some(&**text),
                    _ => None,
                });
                self.among(column, texts.map(escaped))
            }
            Test::Text { part: annals_event::filter::Part::Whole, text, folded: false } => {
                self.among(column, std::iter::once(escaped(text)))
            }
            test if takes_text(test) => self
                .passing(column, &Sieve::of_test(test), |value| test.passes(&Scalar::Text(&unescape(value)))),
            _ => Ok(None),
        }
    }

    /// Which values of a column of tokens pass.
    fn tokens(&mut self, column: &Column, test: &Test) -> Result<Option<Set>, Damaged> {
        match test {
            Test::Present => self.all_but(column, b"null"),
            Test::In(literals) => {
                let bools_alone = literals.iter().all(|literal| !matches!(literal, Literal::Number(_)));
                if bools_alone {
                    let words = literals.iter().filter_map(|literal| match literal {
                        Literal::Bool(truth) => Some(truth.to_string().into_bytes()),
                        _ => None,
                    });
                    return self.among(column, words);
                }
                if matches!(column.values, Values::Ints { .. }) {
                    // Each value there is written in one way; what a number is written as here is that way if there is one.
                    let digits = literals.iter().filter_map(|literal| match literal {
                        Literal::Number(number) if number.is_whole() => Some(number.to_string().into_bytes()),
                        _ => None,
                    });
                    return self.among(column, digits);
                }
                self.passing(column, &Sieve::Open, |token| test.passes(&Scalar::of_token(token)))
            }
            Test::Order(_, Literal::Number(_)) => {
                if let Values::Ints { numbers } = &column.values {
                    return self.ints(column, numbers, test);
                }
                self.passing(column, &Sieve::Open, |token| test.passes(&Scalar::of_token(token)))
            }
            _ => Ok(None),
        }
    }

    /// Which integers stand on one side of a number.
    fn ints(
        &self,
        column: &Column,
        numbers: &crate::numbers::Numbers,
        test: &Test,
    ) -> Result<Option<Set>, Damaged> {
        let (low, high) = ints_passing(test);
        let mut all = Vec::new();
        numbers.range(self.segment.body(), 0..numbers.len(), &mut all)?;
        let picked: Vec<u32> =
            (0_u32..).zip(&all).filter(|(_, n)| (low..=high).contains(*n)).map(|(at, _)| at).collect();
        Ok(Set::of(&picked, column.values.len()))
    }

    /// All values but this one.
    pub(super) fn all_but(&mut self, column: &Column, value: &[u8]) -> Result<Option<Set>, Damaged> {
        Ok(match (self.find(column, value)?, column.values.len()) {
            (_, 0) | (Some(_), 1) => None,
            (Some(ordinal), _) => Some(Set::But(ordinal)),
            (None, _) => Some(Set::All),
        })
    }

    /// Those of these values that the column has.
    fn among(
        &mut self,
        column: &Column,
        values: impl Iterator<Item = Vec<u8>>,
    ) -> Result<Option<Set>, Damaged> {
        let mut found = Vec::new();
        if column.index.is_some() {
            for value in values {
                found.extend(self.find(column, &value)?);
            }
        } else {
            let mut wanted: Vec<Vec<u8>> = values.collect();
            wanted.sort_unstable();
            if wanted.is_empty() {
                return Ok(None);
            }
            column.values.each(self.segment.body(), 0..column.values.len(), |ordinal, value| {
                if wanted.binary_search_by(|other| other.as_slice().cmp(value)).is_ok() {
                    found.push(self.segment.small(ordinal)?);
                }
                Ok(())
            })?;
        }
        found.sort_unstable();
        found.dedup();
        Ok(Set::of(&found, column.values.len()))
    }

    /// The ordinal of a value, as it stands in the event.
    pub(super) fn find(&mut self, column: &Column, value: &[u8]) -> Result<Option<u32>, Damaged> {
        find(self.segment, column, value, &mut self.text)
    }

    /// Looks through all values that a sieve lets through.
    pub(super) fn passing(
        &self,
        column: &Column,
        sieve: &Sieve,
        passes: impl Fn(&str) -> bool,
    ) -> Result<Option<Set>, Damaged> {
        let mut found = Vec::new();
        let (mut lower, mut picked) = (Vec::new(), Vec::new());
        column.values.each_page(self.segment.body(), &mut |first, page| {
            sieve.pick(page, &mut lower, &mut picked);
            for at in &picked {
                if passes(self.as_text(page.get(*at))?) {
                    found.push(self.segment.small(first + *at as u64)?);
                }
            }
            Ok(())
        })?;
        Ok(Set::of(&found, column.values.len()))
    }

    pub(super) fn as_text<'v>(&self, value: &'v [u8]) -> Result<&'v str, Damaged> {
        str::from_utf8(value).map_err(|_| self.segment.malformed("a value that is no text"))
    }

    fn element(&mut self, path: &[Box<str>], condition: &Condition, scope: &Scope) -> Result<Node, Damaged> {
        if asks_known(condition) {
            return Ok(Node::Unknown);
        }
        let path = [&scope.path, path].concat();
        let segment = self.segment;
        let mut nodes = Vec::new();
        for (index, table) in segment.footer().tables.iter().enumerate() {
            if !scope.under[index] {
                continue;
            }
            let Some(rest) = below(&path, &table.path) else { continue };
            if let Some(exists) = self.exists(index, table, rest)? {
                let node = self.node(condition, &Scope::of(segment, index, &path))?;
                if !matches!(node, Node::Const(false)) {
                    nodes.push(Node::Element(Box::new(Element { table: index, exists, node })));
                }
            }
            if scope.has_raw(segment, index) {
                nodes.push(self.raw(index, RawTest::Element(rest.to_vec(), condition.clone())));
            }
        }
        Ok(Node::any(nodes))
    }

    /// Which shapes of a table have a value at a path, arrays and free objects left out, as these are tables of their own.
    fn exists(&mut self, index: usize, table: &Table, path: &[Box<str>]) -> Result<Option<Exists>, Damaged> {
        let segment = self.segment;
        let n = u32::try_from(table.shapes.len()).map_err(|_| segment.malformed("shapes of a table"))?;
        let (mut sure, mut may) = (no_shapes(n), no_shapes(n));
        let mut any = false;
        if path.is_empty() {
            if table.of == Of::Rows {
                return Ok(None);
            }
            table.shapes.each(segment.body(), 0..table.shapes.len(), |shape, text| {
                if text != ARRAY_SHAPE {
                    set_bit(&mut sure, segment.small(shape)?);
                    any = true;
                }
                Ok(())
            })?;
        } else {
            let names: Vec<String> = path.iter().map(|name| name.to_string()).collect();
            let shapes = self.reader.get_or_insert_with(|| Reader::new(segment)).shapes(index)?;
            let columns = || {
                table
                    .columns
                    .iter()
                    .enumerate()
                    .filter(|(_, column)| same(path, &column.path))
                    .map(|(at, _)| at)
            };
            for shape in 0..n {
                if columns().any(|column| shapes.has(shape, crate::segment::Part::Column(column))) {
                    set_bit(&mut sure, shape);
                    any = true;
                }
            }
            for shape in shapes.with_object(&names) {
                set_bit(&mut sure, *shape);
                any = true;
            }
            // Where an object without members stands the shape does not say.
            table.shapes.each(segment.body(), 0..table.shapes.len(), |shape, text| {
                if text.len() > 2 && memchr::memmem::find(text, b"{}").is_some() {
                    set_bit(&mut may, segment.small(shape)?);
                    any = true;
                }
                Ok(())
            })?;
        }
        may.iter_mut().zip(&sure).for_each(|(may, sure)| *may |= sure);
        Ok(any.then_some(Exists { sure, may }))
    }
}

/// The ordinal of a value, as it stands in the event.
pub(crate) fn find(
    segment: &Segment,
    column: &Column,
    value: &[u8],
    text: &mut Vec<u8>,
) -> Result<Option<u32>, Damaged> {
    let body = segment.body();
    if let Some(index) = &column.index {
        for ordinal in index.candidates(body, hash(segment.footer().seed, value))? {
            text.clear();
            column.values.get(body, ordinal, text)?;
            if text == value {
                return segment.small(ordinal).map(Some);
            }
        }
        return Ok(None);
    }
    let mut found = None;
    column.values.each(body, 0..column.values.len(), |ordinal, other| {
        if other == value {
            found = Some(segment.small(ordinal)?);
        }
        Ok(())
    })?;
    Ok(found)
}

/// A text as it stands in events, without its quotes.
pub(super) fn escaped(text: &str) -> Vec<u8> {
    let mut token = Vec::with_capacity(text.len() + 2);
    annals_event::json::write_string(text, &mut token);
    token.pop();
    token.remove(0);
    token
}

/// Whether some text may pass.
fn takes_text(test: &Test) -> bool {
    match test {
        Test::Present | Test::Text { .. } | Test::Loose(_) | Test::Network(_) => true,
        Test::In(literals) => literals.iter().any(|literal| matches!(literal, Literal::Text(_))),
        Test::Order(_, literal) => matches!(literal, Literal::Text(_)),
    }
}

/// Whether something in it is not the event's.
fn asks_known(condition: &Condition) -> bool {
    match condition {
        Condition::All(several) | Condition::Any(several) => several.iter().any(asks_known),
        Condition::Not(condition) | Condition::Element(_, condition) => asks_known(condition),
        Condition::Field(Field::Member(_), _) | Condition::Words(_) | Condition::Mentions(_) => false,
        Condition::Field(..) => true,
    }
}

/// The least and the greatest integer that passes an order: all between do. Nothing passes where the least is above the other.
pub(super) fn ints_passing(test: &Test) -> (u64, u64) {
    let passes = |n: u64| test.passes(&Scalar::Number(&n.to_string()));
    let rising = matches!(test, Test::Order(Comparison::Above | Comparison::AtLeast, _));
    // The first that is on the other side than 0.
    let (mut low, mut high) = (0_u64, u64::MAX);
    let start = passes(0);
    if start == passes(u64::MAX) {
        return if start { (0, u64::MAX) } else { (1, 0) };
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if passes(middle) == start { low = middle } else { high = middle }
    }
    if rising { (high, u64::MAX) } else { (0, low) }
}

pub(super) fn no_shapes(n: u32) -> Box<[u64]> {
    vec![0; n.div_ceil(64) as usize].into()
}

pub(super) fn set_bit(bits: &mut [u64], bit: u32) {
    if let Some(word) = bits.get_mut((bit >> 6) as usize) {
        *word |= 1 << (bit & 63);
    }
}
