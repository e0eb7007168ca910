//! Conditions on elements of one array that are joined by `and`.

use super::{Condition, Field, Path};

/// The arrays of the model.
const ARRAYS: [&[&str]; 2] = [&["targets"], &["actor", "chain"]];

/// Ties together, in each conjunction, the conditions that look at elements of one array of the model alone, so that they hold
/// for one and the same element. What stands under `not` or in brackets is left as it is. Outside a conjunction nothing
/// changes: that some element satisfies this or that is the same as that some element does this or some that.
pub(super) fn group(condition: Condition) -> Condition {
    match condition {
        Condition::All(all) => {
            let mut grouped = ARRAYS.iter().fold(all, |all, array| tie(all, array));
            match grouped.len() {
                1 => group(grouped.remove(0)),
                _ => Condition::All(grouped.into_iter().map(group).collect()),
            }
        }
        Condition::Any(any) => Condition::Any(any.into_iter().map(group).collect()),
        Condition::Not(inner) => Condition::Not(Box::new(group(*inner))),
        other => other,
    }
}

/// Ties the conditions below `array`, where there are several, at the place of the first.
fn tie(all: Vec<Condition>, array: &[&str]) -> Vec<Condition> {
    if all.iter().filter(|condition| is_below(condition, array)).count() < 2 {
        return all;
    }
    let (mut out, mut tied, mut at) = (Vec::new(), Vec::new(), 0);
    for condition in all {
        if is_below(&condition, array) {
            if tied.is_empty() {
                at = out.len();
            }
            tied.push(relative(condition, array.len()));
        } else {
            out.push(condition);
        }
    }
    out.insert(at, Condition::Element(Path::new(array), Box::new(Condition::All(tied))));
    out
}

/// Whether every test looks below the array, and none stands under `not` or in brackets.
fn is_below(condition: &Condition, array: &[&str]) -> bool {
    match condition {
        Condition::All(several) | Condition::Any(several) => {
            !several.is_empty() && several.iter().all(|condition| is_below(condition, array))
        }
        Condition::Field(Field::Member(path), _) => {
            path.0.len() > array.len() && path.names().zip(array).all(|(name, other)| name == *other)
        }
        _ => false,
    }
}

/// The condition with paths that begin `by` names later.
fn relative(condition: Condition, by: usize) -> Condition {
    let several =
        |several: Vec<Condition>| several.into_iter().map(|condition| relative(condition, by)).collect();
    match condition {
        Condition::All(all) => Condition::All(several(all)),
        Condition::Any(any) => Condition::Any(several(any)),
        Condition::Field(Field::Member(path), test) => {
            Condition::Field(Field::Member(Path(path.0[by..].into())), test)
        }
        other => other,
    }
}
