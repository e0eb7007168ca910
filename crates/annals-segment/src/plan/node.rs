//! What a condition is in one segment: a tree over bits of columns.

use std::sync::Arc;

use annals_event::filter::{Condition, Phrase, Test};

use super::kept::Kept;
use super::set::Set;
use super::texts::Fixed;

/// A condition, resolved. It is evaluated for instances of a table, its *scope*: the rows, or the elements of one array.
#[derive(Debug)]
pub(super) enum Node {
    /// It holds, or it does not, whatever the instance.
    Const(bool),
    /// Only the event itself says.
    Unknown,
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Leaf(Leaf),
    Element(Box<Element>),
    /// It holds in rows of these blocks at most, which rise: elsewhere nobody looks.
    Within(Vec<u32>, Box<Node>),
    /// What was resolved before.
    Kept(Arc<Kept>),
}

/// Something that instances have, of the scope's table or of one beneath it; it holds for the scope's instance around them.
#[derive(Debug)]
pub(super) enum Leaf {
    /// A leaf of this column with one of these values.
    Column { table: usize, column: usize, set: Set },
    /// As `Column`, and the leaf's whole text passes: these values have gaps in which others stand.
    Text { table: usize, column: usize, set: Set, test: TextTest },
    /// One of these shapes.
    Shapes { table: usize, shapes: Box<[u64]> },
    /// The text of the time when the row happened, which stands in no dictionary: column of the root table.
    Happened { column: usize, test: HappenedTest },
    /// It is kept as it is: index of the test in the plan.
    Raw { table: usize, test: usize },
    /// What annals knows of the row. Only where the rows are the scope.
    Known(KnownLeaf),
}

/// What the text of a time is held against.
#[derive(Debug)]
pub(super) enum HappenedTest {
    Test(Test),
    Words(Fixed),
}

/// What the text of a leaf is held against.
#[derive(Debug)]
pub(super) enum TextTest {
    Test(Test),
    Words(Phrase),
}

/// Bounds are inclusive.
#[derive(Debug)]
pub(super) enum KnownLeaf {
    /// Times it happened, as they are stored.
    Happened(Vec<(u64, u64)>),
    /// Indexes of times of receipt.
    Received(Vec<(u64, u64)>),
    /// Kinds of rows.
    Kinds(Vec<bool>),
    /// Rows: first, and the one after the last. Rising.
    Rows(Vec<(u32, u32)>),
}

/// Some element satisfies a condition.
#[derive(Debug)]
pub(super) struct Element {
    /// Elements are instances of this table, or stand in its instances, at most one in each.
    pub(super) table: usize,
    /// Which of the table's shapes have one.
    pub(super) exists: Exists,
    pub(super) node: Node,
}

/// Per shape whether there is an element: surely, and perhaps.
#[derive(Debug)]
pub(super) struct Exists {
    pub(super) sure: Box<[u64]>,
    pub(super) may: Box<[u64]>,
}

/// What is asked of an instance that is kept as it is.
#[derive(Debug)]
pub(super) enum RawTest {
    /// Some value so many names below passes.
    Field(Vec<Box<str>>, Test),
    /// A phrase occurs in some text.
    Words(Phrase),
    /// Something contains this.
    Mentions(Box<str>),
    /// Some value so many names below satisfies the condition.
    Element(Vec<Box<str>>, Condition),
}

impl Node {
    /// All of them hold.
    pub(super) fn all(nodes: impl IntoIterator<Item = Node>) -> Node {
        let mut all = Vec::new();
        for node in nodes {
            match node {
                Node::Const(true) => {}
                Node::Const(false) => return node,
                Node::All(more) => all.extend(more),
                other => all.push(other),
            }
        }
        joined(all, true, Node::All)
    }

    /// At least one of them holds.
    pub(super) fn any(nodes: impl IntoIterator<Item = Node>) -> Node {
        let mut any = Vec::new();
        for node in nodes {
            match node {
                Node::Const(false) => {}
                Node::Const(true) => return node,
                Node::Any(more) => any.extend(more),
                other => any.push(other),
            }
        }
        joined(any, false, Node::Any)
    }

    pub(super) fn not(node: Node) -> Node {
        match node {
            Node::Const(holds) => Node::Const(!holds),
            Node::Not(inner) => *inner,
            other => Node::Not(Box::new(other)),
        }
    }

    /// How much work it is, about: what is cheap goes first, as it may decide.
    fn cost(&self) -> u32 {
        match self {
            Node::Const(_) | Node::Unknown => 0,
            Node::Leaf(Leaf::Known(KnownLeaf::Rows(_))) => 1,
            Node::Leaf(Leaf::Known(_)) => 2,
            Node::Leaf(Leaf::Column { table, set, .. }) => {
                let of_set = match set {
                    Set::One(_) => 0,
                    Set::Bits { .. } => 1,
                    Set::All | Set::But(_) => 2,
                };
                if *table == 0 { 3 + of_set } else { 8 + of_set }
            }
            Node::Leaf(Leaf::Shapes { .. }) => 3,
            Node::Leaf(Leaf::Happened { .. } | Leaf::Text { .. }) => 40,
            Node::Leaf(Leaf::Raw { .. }) => 50,
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().map(Node::cost).sum(),
            Node::Not(node) => node.cost() + 3,
            Node::Element(element) => element.node.cost() + 20,
            Node::Within(_, node) => node.cost(),
            Node::Kept(kept) => kept.node.cost(),
        }
    }

    pub(super) fn of_kept(kept: Arc<Kept>) -> Node {
        match kept.node {
            Node::Const(holds) => Node::Const(holds),
            _ => Node::Kept(kept),
        }
    }

    /// Columns alone say whether it holds: no text is put together for it.
    pub(super) fn is_light(&self) -> bool {
        match self {
            Node::Const(_) | Node::Unknown => true,
            Node::Leaf(leaf) => !matches!(leaf, Leaf::Text { .. } | Leaf::Happened { .. } | Leaf::Raw { .. }),
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().all(Node::is_light),
            Node::Not(node) | Node::Within(_, node) => node.is_light(),
            Node::Element(element) => element.node.is_light(),
            Node::Kept(kept) => kept.is_light,
        }
    }

    /// Memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let own = match self {
            Node::Const(_) | Node::Unknown => 0,
            Node::Leaf(Leaf::Column { set, .. } | Leaf::Text { set, .. }) => set.bytes(),
            Node::Leaf(Leaf::Shapes { shapes, .. }) => size_of_val(&**shapes),
            Node::Leaf(Leaf::Known(KnownLeaf::Happened(ranges) | KnownLeaf::Received(ranges))) => {
                size_of_val(ranges.as_slice())
            }
            Node::Leaf(Leaf::Known(KnownLeaf::Rows(rows))) => size_of_val(rows.as_slice()),
            Node::Leaf(Leaf::Known(KnownLeaf::Kinds(kinds))) => kinds.len(),
            // They hold a test of a few words, or its number.
            Node::Leaf(Leaf::Happened { .. } | Leaf::Raw { .. }) => 0,
            Node::All(nodes) | Node::Any(nodes) => nodes.iter().map(Node::bytes).sum(),
            Node::Not(node) => node.bytes(),
            Node::Within(blocks, node) => size_of_val(blocks.as_slice()) + node.bytes(),
            Node::Element(element) => {
                let exists = &element.exists;
                element.node.bytes() + size_of_val(&*exists.sure) + size_of_val(&*exists.may)
            }
            // Also where it is kept by itself: that is rare.
            Node::Kept(kept) => kept.bytes(),
        };
        size_of::<Node>() + own
    }
}

fn joined(mut nodes: Vec<Node>, empty: bool, join: fn(Vec<Node>) -> Node) -> Node {
    match nodes.len() {
        0 => Node::Const(empty),
        1 => nodes.remove(0),
        _ => {
            nodes.sort_by_cached_key(Node::cost);
            join(nodes)
        }
    }
}
