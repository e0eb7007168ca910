//! The roots that rows' secrets grow from: whole, or what is left of them.
//!
//! To forget one row's secret and keep the others', its root is [punctured](annals_tree::secret). The file then has in the root's
//! place the root's *name*, which tells it from others and gives nothing away, and a member
//! [`punctured`](crate::meta::Punctured) that says what is left. The same root may stand in a file more than once, whole and
//! punctured in several ways, after files were merged that were rewritten at different times: each row keeps its own. So a secret
//! is only forgotten when all files with rows under its root are rewritten.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use annals_tree::{Counter, PuncturedRoot, Secret, SecretRoot};

/// Longest encoding of a punctured root: a header, and at most one subtree for each secret.
pub(crate) const PUNCTURED_BYTES_MAX: u64 = 3 + 4_096 * 19;

/// A root that gives only some of its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punctured {
    /// [`SecretRoot::name`] of the whole root.
    pub name: [u8; 32],
    /// What is left.
    pub left: PuncturedRoot,
}

/// What a row's secret grows from. `Debug` shows its name alone.
#[derive(Clone, PartialEq, Eq)]
pub enum Root {
    /// All of it.
    Whole([u8; 32]),
    /// What is left of it.
    Punctured(Arc<Punctured>),
}

/// As [`Root`], lent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RootRef<'a> {
    /// All of it.
    Whole(&'a [u8; 32]),
    /// What is left of it.
    Punctured(&'a Arc<Punctured>),
}

impl Root {
    /// A lent one.
    #[must_use]
    pub fn lend(&self) -> RootRef<'_> {
        match self {
            Root::Whole(root) => RootRef::Whole(root),
            Root::Punctured(punctured) => RootRef::Punctured(punctured),
        }
    }

    /// The root, if nothing was taken from it.
    #[must_use]
    pub fn whole(&self) -> Option<&[u8; 32]> {
        match self {
            Root::Whole(root) => Some(root),
            Root::Punctured(_) => None,
        }
    }

    /// What tells it from other roots; the same whether it is whole or not.
    #[must_use]
    pub fn name(&self) -> [u8; 32] {
        self.lend().name()
    }

    /// One secret; `None` when it was taken from the root, and for a counter that no root has.
    #[must_use]
    pub fn secret(&self, counter: u16) -> Option<Secret> {
        let counter = Counter::new(counter)?;
        match self {
            Root::Whole(root) => Some(SecretRoot::from_bytes(*root).secret(counter)),
            Root::Punctured(punctured) => punctured.left.secret(counter),
        }
    }

    /// What is left of it without these secrets.
    #[must_use]
    pub fn puncture(&self, counters: impl IntoIterator<Item = Counter>) -> Root {
        let name = self.name();
        let mut left = match self {
            Root::Whole(_) => None,
            Root::Punctured(punctured) => Some(punctured.left.clone()),
        };
        for counter in counters {
            match (&mut left, self) {
                (Some(left), _) => left.puncture(counter),
                (none, Root::Whole(root)) => *none = Some(SecretRoot::from_bytes(*root).puncture(counter)),
                (None, Root::Punctured(_)) => unreachable!("set above"),
            }
        }
        match left {
            Some(left) => Root::Punctured(Arc::new(Punctured { name, left })),
            None => self.clone(),
        }
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lend().fmt(f)
    }
}

impl RootRef<'_> {
    /// As [`Root::name`].
    #[must_use]
    pub fn name(self) -> [u8; 32] {
        match self {
            RootRef::Whole(root) => SecretRoot::from_bytes(*root).name(),
            RootRef::Punctured(punctured) => punctured.name,
        }
    }

    /// One of one's own.
    #[must_use]
    pub fn to_owned(self) -> Root {
        match self {
            RootRef::Whole(root) => Root::Whole(*root),
            RootRef::Punctured(punctured) => Root::Punctured(Arc::clone(punctured)),
        }
    }
}

impl fmt::Debug for RootRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            RootRef::Whole(_) => "Whole",
            RootRef::Punctured(_) => "Punctured",
        };
        let name = self.name();
        write!(f, "{kind}({:02x}{:02x}{:02x}{:02x}…)", name[0], name[1], name[2], name[3])
    }
}

/// The distinct roots of a file, in the order in which rows meet them.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    /// What stands in the file for each: itself, or its name.
    pub(crate) roots: Vec<[u8; 32]>,
    /// What is left of those that are punctured, by index, rising.
    pub(crate) punctured: Vec<(u64, Arc<Punctured>)>,
    whole: BTreeMap<[u8; 32], u64>,
    /// Where in `punctured` those with a name are.
    named: BTreeMap<[u8; 32], Vec<usize>>,
    last: Option<(Root, u64)>,
}

impl Roots {
    /// The index of a root.
    pub(crate) fn index(&mut self, root: RootRef<'_>) -> u64 {
        if let Some((last, index)) = &self.last
            && last.lend() == root
        {
            return *index;
        }
        let next = self.roots.len() as u64;
        let index = match root {
            RootRef::Whole(root) => *self.whole.entry(*root).or_insert_with(|| {
                self.roots.push(*root);
                next
            }),
            RootRef::Punctured(punctured) => {
                let named = self.named.entry(punctured.name).or_default();
                let mut known = named.iter().map(|at| &self.punctured[*at]);
                match known.find(|(_, other)| other == punctured) {
                    Some((index, _)) => *index,
                    None => {
                        named.push(self.punctured.len());
                        self.roots.push(punctured.name);
                        self.punctured.push((next, Arc::clone(punctured)));
                        next
                    }
                }
            }
        };
        self.last = Some((root.to_owned(), index));
        index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(number: u16) -> Counter {
        Counter::new(number).unwrap()
    }

    #[test]
    fn a_punctured_root_keeps_its_name_and_its_other_secrets() {
        let whole = Root::Whole([3; 32]);
        let once = whole.puncture([counter(7)]);
        let twice = once.puncture([counter(4_095), counter(7)]);
        assert_eq!(whole.puncture([]), whole);
        assert_eq!(twice, whole.puncture([counter(7), counter(4_095)]));
        assert_ne!(once, twice);
        assert!([&whole, &once, &twice].iter().all(|root| root.name() == whole.name()));
        assert_ne!(whole.name(), [3; 32]);
        for (number, is_left) in [(0, true), (7, false), (8, true), (4_095, false)] {
            let secret = twice.secret(number);
            assert_eq!(secret, whole.secret(number).filter(|_| is_left), "{number}");
        }
        assert_eq!((whole.secret(4_096), once.whole(), whole.whole()), (None, None, Some(&[3; 32])));
        assert!(!format!("{whole:?} {once:?}").contains("03, "), "roots are not shown");
    }

    #[test]
    fn roots_are_told_apart_by_what_is_left_of_them() {
        let (whole, other) = (Root::Whole([3; 32]), Root::Whole([4; 32]));
        let once = whole.puncture([counter(7)]);
        let twice = once.puncture([counter(8)]);
        let mut roots = Roots::default();
        let met = [&whole, &once, &whole, &twice, &other, &once, &twice, &other, &whole];
        let met: Vec<u64> = met.into_iter().map(|root| roots.index(root.lend())).collect();
        assert_eq!(met, [0, 1, 0, 2, 3, 1, 2, 3, 0]);
        assert_eq!(roots.roots, [[3; 32], whole.name(), whole.name(), [4; 32]]);
        assert_eq!(roots.punctured.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 2]);
    }
}
